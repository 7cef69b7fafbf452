/* The page states of a recording, against what the records of the migration itself say. */
#include "tests/outputs/output_run.h"

#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

#define PAGES_MAX  65536u
#define ROUNDS_MAX 16u
#define QUEUE_MAX  (1u << 20)

/* What one instance's log has been told, as a reader of the recording rebuilds it. */
struct model {
    uint32_t pages;
    int64_t instance; /* whose log is on; 0: none */
    int64_t round;
    uint8_t dirty[PAGES_MAX];   /* stored to since the log was read */
    uint8_t pending[PAGES_MAX]; /* to be sent in this round */
    uint32_t dirty_count, pending_count;
    uint32_t harvested_count;                   /* pending when the log was read last */
    int64_t sent[ROUNDS_MAX], zero[ROUNDS_MAX]; /* of each round of this migration */
    int64_t *queue;                             /* sent and not arrived: page * 2 + zero */
    size_t queue_first, queue_end;
    uint64_t migrations, rounds, harvests;
};

struct kinds {
    uint32_t log, harvested, dirtied, sent, arrived, round;
};

static uint32_t kind_of(const struct recording *recording, const char *name)
{
    uint32_t kind = recording_kind_find(recording, name);
    cr_assert_neq(kind, SIM_NONE, "%s", name);
    return kind;
}

static void on_log(struct model *model, const struct record *record)
{
    model->instance = record->values[1] != 0 ? record->values[0] : 0;
    model->round = 0;
    model->migrations += model->instance != 0;
    memset(model->dirty, 0, sizeof model->dirty);
    memset(model->pending, 1, model->pages);
    memset(model->sent, 0, sizeof model->sent);
    memset(model->zero, 0, sizeof model->zero);
    model->dirty_count = 0;
    model->pending_count = model->pages;
}

static void on_dirtied(struct model *model, const struct record *record)
{
    int64_t page = record->values[1];
    cr_assert_eq(record->values[0], model->instance);
    cr_assert_lt(page, model->pages);
    cr_assert_eq(model->dirty[page], 0, "page %ld dirtied twice in round %ld", (long)page,
                 (long)model->round);
    model->dirty[page] = 1;
    model->dirty_count++;
}

static void on_harvested(struct model *model, const struct record *record)
{
    cr_assert_eq(record->values[0], model->instance);
    cr_assert_eq(record->values[1], model->dirty_count, "harvest after round %ld",
                 (long)model->round);
    /* The last harvest, during the pause, adds to one of which nothing has been sent. */
    cr_assert(model->pending_count == 0 || model->pending_count == model->harvested_count,
              "%u pages of round %ld were not sent", model->pending_count, (long)model->round);
    model->pending_count = 0;
    for (uint32_t page = 0; page < model->pages; page++) {
        model->pending[page] |= model->dirty[page];
        model->pending_count += model->pending[page];
    }
    model->harvested_count = model->pending_count;
    memset(model->dirty, 0, sizeof model->dirty);
    model->dirty_count = 0;
    model->harvests++;
}

static void on_sent(struct model *model, const struct record *record)
{
    int64_t page = record->values[1];
    cr_assert_eq(record->values[0], model->instance);
    cr_assert(record->values[2] == model->round || record->values[2] == model->round + 1);
    model->round = record->values[2];
    cr_assert_lt(model->round, ROUNDS_MAX);
    cr_assert_eq(model->pending[page], 1, "page %ld was not due in round %ld", (long)page,
                 (long)model->round);
    model->pending[page] = 0;
    model->pending_count--;
    model->sent[model->round]++;
    model->zero[model->round] += record->values[3] != 0;
    cr_assert_lt(model->queue_end, QUEUE_MAX);
    model->queue[model->queue_end++] = page * 2 + record->values[3];
}

/* A zero page that is the first of its index needs no put: an empty VM's memory is zero. */
static void pass_zeros(struct model *model, int64_t next)
{
    while (model->queue_first < model->queue_end && model->queue[model->queue_first] != next &&
           model->queue[model->queue_first] % 2 == 1) {
        model->queue_first++;
    }
}

/* Pages arrive in the order in which they were sent, at another instance. */
static void on_arrived(struct model *model, const struct record *record)
{
    cr_assert_neq(record->values[0], model->instance);
    pass_zeros(model, record->values[1] * 2 + record->values[2]);
    cr_assert_lt(model->queue_first, model->queue_end);
    cr_assert_eq(model->queue[model->queue_first], record->values[1] * 2 + record->values[2],
                 "migration %lu, %zu arrived: page %ld instead of page %ld",
                 (unsigned long)model->migrations, model->queue_first, (long)record->values[1],
                 (long)model->queue[model->queue_first] / 2);
    model->queue_first++;
}

static void on_round(struct model *model, const struct record *record)
{
    int64_t round = record->values[1];
    cr_assert_eq(record->values[2], model->sent[round], "round %ld", (long)round);
    cr_assert_eq(record->values[3], model->zero[round], "round %ld", (long)round);
    model->rounds++;
}

static void walk(struct model *model, struct recording *recording)
{
    const struct kinds kinds = {
        .log = kind_of(recording, "vm.log"),
        .harvested = kind_of(recording, "vm.harvested"),
        .dirtied = kind_of(recording, "page.dirtied"),
        .sent = kind_of(recording, "page.sent"),
        .arrived = kind_of(recording, "page.arrived"),
        .round = kind_of(recording, "migration.round"),
    };
    struct record record;
    while (recording_next(recording, &record)) {
        if (record.kind == kinds.log) {
            on_log(model, &record);
        } else if (record.kind == kinds.harvested) {
            on_harvested(model, &record);
        } else if (record.kind == kinds.dirtied) {
            on_dirtied(model, &record);
        } else if (record.kind == kinds.sent) {
            on_sent(model, &record);
        } else if (record.kind == kinds.arrived) {
            on_arrived(model, &record);
        } else if (record.kind == kinds.round) {
            on_round(model, &record);
        }
    }
}

static const struct {
    const char *scenario;
    uint32_t pages;
    uint64_t migrations;
} cases[] = {
    {"small-migration", 2048, 1},
    {"there-and-back", 2048, 3},
    {"lossy-link", 4096, 1},
};

Test(page_states, agree_with_the_migration)
{
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct output_run run;
        char why[512];
        output_run(&run, &(struct output_run_options){
                             .scenario = cases[i].scenario, .record = true, .pages = "all"});
        struct recording *recording = recording_open(run.recording, why, sizeof why);
        cr_assert_not_null(recording, "%s", why);
        struct model *model = calloc(1, sizeof *model);
        cr_assert_not_null(model);
        model->queue = calloc(QUEUE_MAX, sizeof *model->queue);
        cr_assert_not_null(model->queue);
        model->pages = cases[i].pages;
        walk(model, recording);
        pass_zeros(model, -1);
        cr_expect_eq(model->migrations, cases[i].migrations, "%s", cases[i].scenario);
        cr_expect_gt(model->rounds, model->migrations, "%s", cases[i].scenario);
        cr_expect_eq(model->harvests, model->rounds, "%s", cases[i].scenario);
        cr_expect_eq(model->pending_count, 0, "%s: pages that were not sent", cases[i].scenario);
        cr_expect_eq(model->queue_first, model->queue_end, "%s: pages that did not arrive",
                     cases[i].scenario);
        free(model->queue);
        free(model);
        recording_close(recording);
        output_run_close(&run);
    }
}
