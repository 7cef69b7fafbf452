/* Sequences against all ways of picking their steps out of a story, one after the other. */
#include "sim/chance.h"
#include "tests/report/report_world.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define NODES     3u
#define RECORDS   27u /* the first three switch the nodes on */
#define STEPS_MAX 4u
#define SEQUENCES 12u

/* At second i node `node` freezes or thaws; it may do so twice. */
struct happening {
    uint32_t node;
    bool frozen, rises; /* the state of the node was another */
    bool power_on;      /* not the record that steps wait for, but its state is new */
    int64_t at;         /* ms */
};

struct pattern {
    uint32_t steps, node[STEPS_MAX];
    bool frozen[STEPS_MAX], record[STEPS_MAX];
    int64_t within; /* ms; 0: none */
};

static bool is_step(const struct pattern *pattern, uint32_t step, const struct happening *h)
{
    return h->node == pattern->node[step] && h->frozen == pattern->frozen[step] &&
           (pattern->record[step] ? !h->power_on : h->rises);
}

/* Whether the steps from `step` on can be picked out of what happens from `from` on, the whole having begun at `began`. */
static bool can_be_picked(const struct pattern *pattern, const struct happening *story,
                          uint32_t step, uint32_t from, int64_t began)
{
    if (step == pattern->steps) {
        return true;
    }
    for (uint32_t i = from; i < RECORDS; i++) {
        int64_t since = step == 0 ? story[i].at : began;
        if (is_step(pattern, step, &story[i]) &&
            (pattern->within == 0 || story[i].at - since <= pattern->within) &&
            can_be_picked(pattern, story, step + 1, i + 1, since)) {
            return true;
        }
    }
    return false;
}

/* Whether a way that has reached some step still has time left at the end. */
static bool is_open(struct pattern pattern, const struct happening *story, int64_t end)
{
    for (pattern.steps--; pattern.within != 0 && pattern.steps > 0; pattern.steps--) {
        for (uint32_t i = 0; i < RECORDS; i++) {
            /* Those ways alone that begin so late that the end is in time. */
            if (end - story[i].at <= pattern.within && can_be_picked(&pattern, story, 0, i, 0)) {
                return true;
            }
        }
    }
    return false;
}

static enum truth plainly(const struct pattern *pattern, const struct happening *story, int64_t end)
{
    bool first = false;
    if (can_be_picked(pattern, story, 0, 0, 0)) {
        return TRUTH_TRUE;
    }
    for (uint32_t i = 0; i < RECORDS; i++) {
        first = first || is_step(pattern, 0, &story[i]);
    }
    return !first || is_open(*pattern, story, end) ? TRUTH_UNKNOWN : TRUTH_FALSE;
}

static void draw_story(struct chance key, uint64_t *draw, struct happening *story, FILE *out)
{
    bool frozen[NODES] = {false};
    for (uint32_t i = 0; i < NODES; i++) {
        story[i] = (struct happening){.node = i, .rises = true, .power_on = true};
        fprintf(out, "0s node%u machine.state 1 : on\n", i + 1);
    }
    for (uint32_t i = NODES; i < RECORDS; i++) {
        struct happening *h = &story[i];
        h->power_on = false;
        h->node = (uint32_t)chance_below(key, (*draw)++, NODES);
        h->frozen = chance_below(key, (*draw)++, 2) == 1;
        h->rises = frozen[h->node] != h->frozen;
        h->at = (int64_t)(i - NODES + 1) * 100 + (int64_t)chance_below(key, (*draw)++, 90);
        frozen[h->node] = h->frozen;
        fprintf(out, "%lldms node%u machine.state 1 : %s\n", (long long)h->at, h->node + 1,
                h->frozen ? "frozen" : "thawed");
    }
}

static void draw_pattern(struct chance key, uint64_t *draw, struct pattern *pattern, FILE *out)
{
    pattern->steps = 1 + (uint32_t)chance_below(key, (*draw)++, STEPS_MAX);
    pattern->within = (int64_t)chance_below(key, (*draw)++, 3) * 300;
    fputs("  - sequence: [", out);
    for (uint32_t i = 0; i < pattern->steps; i++) {
        pattern->node[i] = (uint32_t)chance_below(key, (*draw)++, NODES);
        pattern->frozen[i] = chance_below(key, (*draw)++, 2) == 1;
        pattern->record[i] = chance_below(key, (*draw)++, 2) == 1;
        const char *comma = i == 0 ? "" : ", ";
        if (pattern->record[i]) {
            fprintf(out, "%s{record: machine.state, of: node%u, text: %s}", comma,
                    pattern->node[i] + 1, pattern->frozen[i] ? "frozen" : "thawed");
        } else {
            fprintf(out, "%snode%u.state == %s", comma, pattern->node[i] + 1,
                    pattern->frozen[i] ? "frozen" : "running");
        }
    }
    fputs("]\n", out);
    if (pattern->within != 0) {
        fprintf(out, "    within: %lldms\n", (long long)pattern->within);
    }
}

/* A record is seen before the conditions that it makes true, so two steps that are one record and its condition may coincide. */
static bool may_coincide(const struct pattern *pattern)
{
    for (uint32_t i = 1; i < pattern->steps; i++) {
        if (pattern->node[i] == pattern->node[i - 1] &&
            pattern->frozen[i] == pattern->frozen[i - 1] &&
            pattern->record[i] != pattern->record[i - 1]) {
            return true;
        }
    }
    return false;
}

Test(sequence, all_ways_of_picking)
{
    uint32_t of[3] = {0};
    for (uint32_t round = 0; round < 60; round++) {
        struct happening story[RECORDS];
        struct pattern patterns[SEQUENCES];
        char name[32], *records = NULL, *yaml = NULL;
        size_t records_length = 0, yaml_length = 0;
        uint64_t draw = 0;
        snprintf(name, sizeof name, "story %u", round);
        struct chance key = chance_key(5, "test.sequence", name);
        FILE *out = open_memstream(&records, &records_length);
        cr_assert_not_null(out);
        draw_story(key, &draw, story, out);
        fputs("end 3s\n", out);
        fclose(out);
        out = open_memstream(&yaml, &yaml_length);
        cr_assert_not_null(out);
        fputs("networks:\n  lan: {rate: 1Gbit/s}\n"
              "nodes:\n  node1..node3: {memory: 1GiB, nics: [lan]}\nexpect:\n",
              out);
        for (uint32_t i = 0; i < SEQUENCES; i++) {
            draw_pattern(key, &draw, &patterns[i], out);
        }
        fclose(out);
        struct report_world world;
        report_world_open(&world, name, yaml, records);
        for (uint32_t i = 0; i < SEQUENCES; i++) {
            struct judge_expectation expectation;
            judge_expectation(world.judge, i, &expectation);
            enum truth wanted = plainly(&patterns[i], story, 3000);
            of[wanted]++;
            cr_assert(
                expectation.held == wanted || (may_coincide(&patterns[i]) && wanted != TRUTH_TRUE),
                "%s: %s is %s instead of %s (%s)\n%s", name, world.scenario->expect[i].text,
                truth_word(expectation.held), truth_word(wanted), expectation.actual, records);
        }
        report_world_close(&world);
        free(records);
        free(yaml);
    }
    cr_expect(of[0] > 100 && of[1] > 200 && of[2] > 10, "%u %u %u", of[0], of[1], of[2]);
}
