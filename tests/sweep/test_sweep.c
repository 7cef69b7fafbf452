/* W1 of testbed/sweep.h: what strikes at point n of a sweep is the run of the scenario with this point chosen, to the hash. */
#include "testbed/sweep.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char base[] = "networks:\n"
                           "  lan: {rate: 1Gbit/s}\n"
                           "nodes:\n"
                           "  node1..node2: {memory: 256MiB, nics: [lan]}\n"
                           "clients:\n"
                           "  alice: {nics: [lan]}\n"
                           "vms:\n"
                           "  web:\n"
                           "    node: node1\n"
                           "    memory: 128KiB\n"
                           "    nics: [lan]\n"
                           "    guest: {writers: [{pages: 64KiB, touch: 1000/s}]}\n"
                           "timeline:\n"
                           "  - {at: 0s, ping: {from: alice, to: web, every: 5ms}, as: ping}\n"
                           "  - {at: 100ms, live-migrate: {vm: web, to: node2}, as: move}\n"
                           "end: {when: move.end, then: 100ms, at-most: 20s}\n"
                           "expect:\n"
                           "  - move.outcome == succeeded\n";

static const struct {
    const char *name, *sweep;
    uint64_t points_min; /* so many points at least */
    uint64_t stride;     /* every so manyeth is run by itself */
} rows[] = {
    {"each frame, a loss of that frame", "{fault: {link: node2/lan, loss: 100%}, at: each frame}",
     60, 7},
    {"each frame of a filter, one direction",
     "{fault: {link: node2/lan, corrupt: 100%, direction: to}, at: 'each frame of tcp port 6600 "
     "and "
     "greater 1000'}",
     20, 5},
    {"each frame, a fault that lasts",
     "{fault: {link: node2/lan, down: true, for: 50ms}, at: each frame of tcp port 6600}", 60, 11},
    {"each frame of a link, a machine that crashes",
     "{fault: {machine: node2, crash: true, for: 1s}, at: 'each frame of tcp[tcpflags] & tcp-syn "
     "!= "
     "0', link: node1/lan}",
     2, 1},
    {"each step", "{fault: {machine: node1, freeze: true, for: 300ms}, at: each move.step}", 6, 1},
    {"each record of a kind",
     "{fault: {link: node1/lan, loss: 100%, for: 20ms}, at: each record of migration.handover}", 3,
     1},
};

static struct scenario *load(const char *sweep, uint64_t point)
{
    char text[4096], assignment[64];
    const char *set[] = {assignment};
    snprintf(text, sizeof text, "%ssweep: %s\n", base, sweep);
    snprintf(assignment, sizeof assignment, "sweep.point=%llu", (unsigned long long)point);
    struct diagnostics *diagnostics = diagnostics_new();
    struct scenario *scenario = scenario_load_text(
        "sweep.yaml", text, strlen(text),
        &(struct scenario_options){.set = set, .set_count = point > 0}, diagnostics);
    if (scenario == NULL) {
        diagnostics_print(diagnostics, stderr);
    }
    cr_assert_not_null(scenario, "%s", sweep);
    diagnostics_free(diagnostics);
    return scenario;
}

static struct run_options options_of(const struct scenario *scenario)
{
    return (struct run_options){.scenario = scenario,
                                .until = SIM_NEVER,
                                .until_text = "",
                                .version = "test",
                                .repeat = "",
                                .pcap = {.until = SIM_NEVER}};
}

struct outcomes {
    struct sweep_outcome list[4096];
    uint64_t count;
};

static void keep(void *context, const struct sweep_outcome *outcome)
{
    struct outcomes *outcomes = context;
    cr_assert_lt(outcomes->count, 4096);
    outcomes->list[outcomes->count++] = *outcome;
}

static void run_share(struct scenario *scenario, uint32_t share, uint32_t shares,
                      struct outcomes *outcomes, uint64_t *points)
{
    char why[256] = "";
    struct run_options run = options_of(scenario);
    outcomes->count = 0;
    cr_assert(sweep_run(&(struct sweep_options){.run = &run,
                                                .share = share,
                                                .shares = shares,
                                                .outcome = keep,
                                                .context = outcomes},
                        points, why, sizeof why),
              "%s", why);
}

static void run_alone(const char *sweep, uint64_t point, struct sweep_outcome *out)
{
    char why[256] = "";
    struct scenario *scenario = load(sweep, point);
    struct run_options options = options_of(scenario);
    struct run *run = run_new(&options, why, sizeof why);
    cr_assert_not_null(run, "%s", why);
    (void)run_go(run, SIM_NEVER);
    cr_assert(run_finish(run, why, sizeof why));
    *out = (struct sweep_outcome){0};
    sweep_outcome_of(run_result_of(run), out);
    run_free(run);
    scenario_free(scenario);
}

Test(sweep, each_point_is_the_run_of_its_own)
{
    struct outcomes *outcomes = calloc(1, sizeof *outcomes);
    cr_assert_not_null(outcomes);
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        uint64_t points = 0, differ = 0;
        struct scenario *scenario = load(rows[i].sweep, 0);
        run_share(scenario, 0, 1, outcomes, &points);
        cr_expect_geq(points, rows[i].points_min, "%s: %llu points", rows[i].name,
                      (unsigned long long)points);
        cr_assert_eq(outcomes->count, points + 1, "%s", rows[i].name);
        const struct sweep_outcome *whole = &outcomes->list[points];
        cr_expect_eq(whole->point, 0, "%s: the run without the fault comes last", rows[i].name);
        cr_expect_eq(whole->status, 0, "%s: %s", rows[i].name, whole->failed);
        for (uint64_t p = 0; p < points; p++) {
            const struct sweep_outcome *found = &outcomes->list[p];
            cr_expect_eq(found->point, p + 1, "%s", rows[i].name);
            cr_expect_neq(found->status, 3, "%s: point %llu: %s", rows[i].name,
                          (unsigned long long)found->point, found->failed);
            differ += strcmp(found->hash, whole->hash) != 0;
            if (p % rows[i].stride == 0) {
                struct sweep_outcome alone;
                run_alone(rows[i].sweep, found->point, &alone);
                cr_expect_str_eq(found->hash, alone.hash, "%s: point %llu (%s)", rows[i].name,
                                 (unsigned long long)found->point, found->what);
                cr_expect_eq(found->status, alone.status, "%s", rows[i].name);
                cr_expect_str_eq(found->failed, alone.failed, "%s", rows[i].name);
            }
        }
        cr_expect_eq(differ, points, "%s: a fault left no trace", rows[i].name);
        scenario_free(scenario);
    }
    free(outcomes);
}

/* W2: shares are parts of the same whole. */
Test(sweep, shares_together_are_the_whole)
{
    struct outcomes *whole = calloc(1, sizeof *whole), *part = calloc(1, sizeof *part);
    uint64_t points = 0, seen = 0;
    cr_assert(whole != NULL && part != NULL);
    struct scenario *scenario = load(rows[4].sweep, 0);
    run_share(scenario, 0, 1, whole, &points);
    for (uint32_t share = 0; share < 3; share++) {
        run_share(scenario, share, 3, part, &points);
        for (uint64_t i = 0; i < part->count; i++) {
            uint64_t point = part->list[i].point;
            const struct sweep_outcome *same =
                &whole->list[point > 0 ? point - 1 : whole->count - 1];
            cr_expect(point == 0 ? share == 0 : point % 3 == share);
            cr_expect_str_eq(part->list[i].hash, same->hash, "point %llu",
                             (unsigned long long)point);
            seen++;
        }
    }
    cr_expect_eq(seen, whole->count);
    scenario_free(scenario);
    free(whole);
    free(part);
}

/* A point that the run never comes by: nothing strikes, and nobody waits for it. */
Test(sweep, a_point_that_never_comes_changes_nothing)
{
    struct sweep_outcome beyond;
    struct outcomes *outcomes = calloc(1, sizeof *outcomes);
    uint64_t points = 0;
    cr_assert_not_null(outcomes);
    struct scenario *scenario = load(rows[4].sweep, 0);
    run_share(scenario, 0, 1, outcomes, &points);
    run_alone(rows[4].sweep, points + 1, &beyond);
    cr_expect_str_eq(beyond.hash, outcomes->list[points].hash);
    scenario_free(scenario);
    free(outcomes);
}
