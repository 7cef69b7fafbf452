/* Two runs are compared by checkpoints, trails and windows; the model keeps every hash of both from the first id on. */
#include "sim/recorder.h"
#include "sim/recording_writer.h"
#include "testbed/diff_print.h"
#include "tests/diff/fixture.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define TRAIL_MAX 300000u

TestSuite(diff, .fini = fixture_remove);

static const struct diff_options options = {.version = "0.1-test"};

static struct diff_result *compare(const struct run_input *a, const struct run_input *b)
{
    const struct run_input inputs[DIFF_SIDES] = {*a, *b};
    return diff_run(inputs, &options);
}

/* ---- against a simple model ----------------------------------------------------------------------------------------------------- */

static const struct {
    const char *name;
    const char *scenario;
    const char *set_a, *set_b;
    enum diff_outcome outcome;
    const char *field; /* one that differs, where both are of one kind; NULL: not looked at */
} rows[] = {
    {"the same", fixture_small, NULL, NULL, DIFF_EQUAL, NULL},
    {"a seed that nobody draws from", fixture_small, NULL, "seed=2", DIFF_EQUAL, NULL},
    {"longer pings", fixture_small, NULL, "timeline.ping.ping.size=57B", DIFF_DIFFERENT, "length"},
    {"pings further apart", fixture_small, NULL, "timeline.ping.ping.every=11ms", DIFF_DIFFERENT,
     "time"},
    {"a longer cable", fixture_small, NULL, "networks.lan.delay=6us", DIFF_DIFFERENT, "time"},
    {"B ends sooner", fixture_small, NULL, "end.at=150ms", DIFF_DIFFERENT, NULL},
    {"A ends sooner", fixture_small, "end.at=150ms", NULL, DIFF_DIFFERENT, NULL},
    {"another name of a part", fixture_small, NULL, "timeline.ping.as=pong", DIFF_DIFFERENT,
     "part"},
    {"long, the same", fixture_long, NULL, NULL, DIFF_EQUAL, NULL},
    {"long, late", fixture_long, NULL, "timeline.ping.ping.size=57B", DIFF_DIFFERENT, "length"},
    {"long, at its end", fixture_long, NULL, "end.at=1001ms", DIFF_DIFFERENT, NULL},
};

/* The first id whose hash differs; 0 where there is none. */
static uint64_t first_difference(const uint64_t *a, uint64_t count_a, const uint64_t *b,
                                 uint64_t count_b)
{
    uint64_t at = 0;
    while (at < count_a && at < count_b && a[at] == b[at]) {
        at++;
    }
    return at == count_a && at == count_b ? 0 : at + 1;
}

static void check_difference(const char *name, const struct diff_result *result, const char *field)
{
    const struct diff_entry *a = &result->side[0].at, *b = &result->side[1].at;
    cr_expect_gt(result->context_count, 0, "%s: nothing is shown from before", name);
    cr_expect(a->sort != DIFF_UNSEEN_FRAME && b->sort != DIFF_UNSEEN_FRAME, "%s", name);
    cr_expect(a->field_count + b->field_count > 0, "%s: nothing is shown", name);
    if (field != NULL) {
        const char *in_a = diff_entry_value(a, field), *in_b = diff_entry_value(b, field);
        cr_assert(in_a != NULL && in_b != NULL, "%s: %s is not shown", name, field);
        cr_expect_str_neq(in_a, in_b, "%s: %s does not differ", name, field);
    }
}

Test(diff, finds_what_the_model_finds)
{
    uint64_t *trails = malloc(2 * (size_t)TRAIL_MAX * sizeof *trails);
    cr_assert_not_null(trails);
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        const char *path = fixture_file(0, rows[i].scenario, strlen(rows[i].scenario));
        struct run_input a, b;
        fixture_open(&a, path, rows[i].set_a);
        fixture_open(&b, path, rows[i].set_b);
        uint64_t ids_a = fixture_run(&a, NULL, trails, TRAIL_MAX);
        uint64_t ids_b = fixture_run(&b, NULL, trails + TRAIL_MAX, TRAIL_MAX);
        cr_assert(ids_a < TRAIL_MAX && ids_b < TRAIL_MAX);
        cr_expect(rows[i].scenario == fixture_small || ids_a > 2 * RECORDER_CHECKPOINT,
                  "%s: too short to need a bisection", rows[i].name);
        uint64_t expected = first_difference(trails, ids_a, trails + TRAIL_MAX, ids_b);
        struct diff_result *result = compare(&a, &b);
        cr_expect_eq(result->outcome, rows[i].outcome, "%s: outcome %d (%s)", rows[i].name,
                     (int)result->outcome, result->why);
        cr_expect_eq(expected == 0, rows[i].outcome == DIFF_EQUAL, "%s: the model says %llu",
                     rows[i].name, (unsigned long long)expected);
        cr_expect_eq(result->side[0].ids, ids_a, "%s", rows[i].name);
        if (result->outcome == DIFF_DIFFERENT) {
            cr_expect_eq(result->id, expected, "%s: #%llu instead of #%llu", rows[i].name,
                         (unsigned long long)result->id, (unsigned long long)expected);
            check_difference(rows[i].name, result, rows[i].field);
        }
        diff_free(result);
        run_input_close(&a);
        run_input_close(&b);
    }
    free(trails);
}

/* ---- recordings ----------------------------------------------------------------------------------------------------------------- */

/* A recording stands for its run, whole or cut short; what was cut away is not compared. */
static void cut_everywhere(const char *scenario, uint32_t steps, const char *set_b)
{
    const char *path = fixture_file(0, scenario, strlen(scenario));
    const char *record = fixture_path(1);
    struct run_input a, b, recorded;
    fixture_open(&a, path, NULL);
    fixture_open(&b, path, set_b);
    uint64_t ids = fixture_run(&a, record, NULL, 0);
    fixture_open(&recorded, record, NULL);
    struct diff_result *result = compare(&a, &recorded);
    cr_expect_eq(result->outcome, DIFF_EQUAL);
    cr_expect(result->side[1].recorded);
    diff_free(result);
    result = compare(&recorded, &b);
    cr_expect_eq(result->outcome, DIFF_DIFFERENT);
    uint64_t different = result->id;
    diff_free(result);
    run_input_close(&recorded);

    size_t length = 0;
    uint8_t *bytes = fixture_slurp(record, &length);
    uint64_t before = 0;
    uint32_t compared = 0;
    for (uint32_t step = 1; step <= steps; step++) {
        /* From where the meta chunk is whole to where the last one, which ends with a pointer to its index, is not. */
        size_t cut = length / 3 + (length - 40 - length / 3) * step / steps;
        fixture_open(&recorded, fixture_file(2, bytes, cut), NULL);
        result = compare(&a, &recorded);
        cr_expect(result->side[1].cut, "cut at %zu", cut);
        cr_expect_eq(result->outcome, result->id > 0 ? DIFF_EQUAL_SO_FAR : DIFF_NOTHING_LEFT,
                     "cut at %zu: %d (%s)", cut, (int)result->outcome, result->why);
        cr_expect_geq(result->id, before, "cut at %zu", cut);
        cr_expect_leq(result->id, ids, "cut at %zu", cut);
        uint64_t end = before = result->id;
        diff_free(result);
        result = compare(&recorded, &b);
        enum diff_outcome expected = end >= different ? DIFF_DIFFERENT
                                     : end > 0        ? DIFF_EQUAL_SO_FAR
                                                      : DIFF_NOTHING_LEFT;
        cr_expect_eq(result->outcome, expected, "cut at %zu, #%llu: %d instead of %d", cut,
                     (unsigned long long)end, (int)result->outcome, (int)expected);
        cr_expect_eq(result->id, end >= different ? different : end, "cut at %zu", cut);
        compared += end > 0;
        diff_free(result);
        run_input_close(&recorded);
    }
    cr_expect_gt(compared, 0, "no cut left anything to compare");
    free(bytes);
    run_input_close(&a);
    run_input_close(&b);
}

Test(diff, recordings_whole_and_cut)
{
    cut_everywhere(fixture_small, 12, "timeline.ping.ping.every=11ms");
    cut_everywhere(fixture_long, 2, "timeline.ping.ping.size=57B");
}

/* ---- recordings that cannot be repeated (D3) ------------------------------------------------------------------------------------ */

static const struct record_kind made_kind = {
    .name = "made.up", .meaning = "It never happened.", .fields = {{"number", RECORD_COUNT}}};

/* A recording of `count` records that the scenario in it does not give; the record `odd` is another one, and so is the frame
 * behind `odd_frame` (0: none). */
static const char *make_recording(uint32_t number, uint64_t count, uint64_t odd, uint64_t odd_frame)
{
    char why[256];
    const char *path = fixture_path(number);
    struct sim *sim = sim_new(&(struct sim_options){.seed = 1});
    struct recorder *recorder = recorder_new(sim);
    uint32_t kind = recorder_add_kinds(recorder, &made_kind, 1);
    uint32_t origin = sim_origin_add(sim, "nowhere");
    sim_origins_seal(sim);
    const struct recording_meta meta = {
        .orrery_version = "0.0",
        .scenario_path = "small.yaml",
        .resolved_scenario = fixture_small,
        .seed = 1,
        .until = "",
    };
    struct recording_writer *writer = recording_writer_new(path, &meta, recorder, why, sizeof why);
    cr_assert_not_null(writer, "%s", why);
    recorder_write_to(recorder, writer);
    for (uint64_t i = 1; i <= count; i++) {
        (void)RECORD(recorder, kind, origin, 0, "", i == odd ? -1 : (int64_t)i);
        if (i % 1000 == 0) {
            uint64_t id;
            run_hash_fold(recorder_frame(recorder, &id), i, i == odd_frame);
        }
    }
    struct run_hash hash = recorder_hash(recorder);
    recorder_write_to(recorder, NULL);
    cr_assert(recording_writer_close(writer, "pass", run_hash_value(&hash), why, sizeof why), "%s",
              why);
    recorder_close(recorder);
    sim_close(sim);
    return path;
}

/* The id of the i-th record: one frame lies behind each thousand. */
static uint64_t made_id(uint64_t i)
{
    return i + (i - 1) / 1000;
}

Test(diff, recordings_that_do_not_repeat)
{
    static const struct {
        const char *name;
        uint64_t count, odd_b, odd_frame_b;
        bool frames_only;
    } cases[] = {
        {"in the first interval", 3000, 2500, 0, false},
        {"behind a checkpoint", 150000, 140000, 0, false},
        {"a frame only", 150000, 0, 100000, true},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct run_input a, b;
        fixture_open(&a, make_recording(3, cases[i].count, 0, 0), NULL);
        fixture_open(&b, make_recording(4, cases[i].count, cases[i].odd_b, cases[i].odd_frame_b),
                     NULL);
        struct diff_result *result = compare(&a, &b);
        cr_expect_eq(result->outcome, DIFF_DIFFERENT, "%s: %d (%s)", cases[i].name,
                     (int)result->outcome, result->why);
        cr_expect(result->side[0].as_recorded || result->side[1].as_recorded, "%s", cases[i].name);
        cr_expect_eq(result->frames_only, cases[i].frames_only, "%s", cases[i].name);
        if (!cases[i].frames_only) {
            cr_expect_eq(result->id, made_id(cases[i].odd_b), "%s: #%llu", cases[i].name,
                         (unsigned long long)result->id);
            check_difference(cases[i].name, result, "number");
        }
        diff_free(result);
        run_input_close(&a);
        run_input_close(&b);
    }
    /* Against the scenario itself. */
    struct run_input made, real;
    fixture_open(&made, make_recording(3, 10, 0, 0), NULL);
    fixture_open(&real, fixture_file(0, fixture_small, strlen(fixture_small)), NULL);
    struct diff_result *result = compare(&made, &real);
    cr_expect_eq(result->outcome, DIFF_DIFFERENT, "%s", result->why);
    cr_expect(result->side[0].as_recorded);
    cr_expect_eq(result->id, 1);
    diff_free(result);
    run_input_close(&made);
    run_input_close(&real);
}

/* ---- in words ------------------------------------------------------------------------------------------------------------------- */

static char *printed(const struct run_input *a, const struct run_input *b)
{
    const struct run_input inputs[DIFF_SIDES] = {*a, *b};
    char *text = NULL;
    size_t length = 0;
    FILE *out = open_memstream(&text, &length);
    struct diff_result *result = diff_run(inputs, &options);
    diff_print_inputs(out, inputs);
    diff_print(out, inputs, result);
    fclose(out);
    diff_free(result);
    return text;
}

Test(diff, says_it)
{
    static const struct {
        const char *set;
        const char *said[6];
    } cases[] = {
        {NULL, {"Equal: both runs have the hash "}},
        {"seed=2", {"seed ", " 1 | 2", "Equal: both"}},
        {"timeline.ping.ping.size=57B",
         {"timeline.0.ping.size ", "56B | 57B",
          "Shortly before, in both:", "The first difference, #", "* length ", "(ip length)"}},
        {"timeline.ping.ping.every=11ms",
         {"10ms | 11ms", "Different from #16 on", "* time ", "  sequence "}},
        {"end.at=150ms", {"200ms | 150ms", " at 0.150000000 s", "In A:", "In B:"}},
    };
    const char *path = fixture_file(0, fixture_small, strlen(fixture_small));
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct run_input a, b;
        fixture_open(&a, path, NULL);
        fixture_open(&b, path, cases[i].set);
        char *text = printed(&a, &b);
        for (size_t k = 0; k < 6 && cases[i].said[k] != NULL; k++) {
            cr_expect_not_null(strstr(text, cases[i].said[k]), "%s: does not say '%s' but:\n%s",
                               cases[i].set != NULL ? cases[i].set : "the same", cases[i].said[k],
                               text);
        }
        free(text);
        run_input_close(&a);
        run_input_close(&b);
    }
}
