/* When pre-copy ends. */
#include <criterion/criterion.h>

#include "cluster/migration_policy.h"

#include <string.h>

#define MS 1000000

static const struct {
    const char *name;
    struct migration_policy policy;
    struct migration_progress progress;
    rt_time pause_ns;
    enum migration_decision decision;
} cases[] = {
    {"nothing was written",
     {10, 50 * MS},
     {.round = 1, .dirtied_pages = 0, .goodput_bps = 1000000000},
     0,
     MIGRATION_STOP_CLEAN},
    {"nothing was written, at the limit",
     {1, 0},
     {.round = 1, .goodput_bps = 1},
     0,
     MIGRATION_STOP_CLEAN},
    /* 1,000 pages and their entries are 32.832 Mbit. */
    {"just below the threshold",
     {10, 33 * MS},
     {.round = 1, .dirtied_pages = 1000, .goodput_bps = 1000000000},
     32832000,
     MIGRATION_STOP_THRESHOLD},
    {"just at the threshold",
     {10, 32832000},
     {.round = 1, .dirtied_pages = 1000, .goodput_bps = 1000000000},
     32832000,
     MIGRATION_GO_ON},
    {"threshold before rounds",
     {1, 33 * MS},
     {.round = 1, .dirtied_pages = 1000, .goodput_bps = 1000000000},
     32832000,
     MIGRATION_STOP_THRESHOLD},
    {"no threshold",
     {10, 0},
     {.round = 9, .dirtied_pages = 1, .goodput_bps = 1000000000},
     32832,
     MIGRATION_GO_ON},
    {"the limit of rounds",
     {10, 0},
     {.round = 10, .dirtied_pages = 1, .goodput_bps = 1000000000},
     32832,
     MIGRATION_STOP_ROUNDS},
    {"beyond the limit",
     {10, 0},
     {.round = 11, .dirtied_pages = 1, .goodput_bps = 1000000000},
     32832,
     MIGRATION_STOP_ROUNDS},
    {"a terabyte at 1 Gbit/s does not overflow",
     {10, MS},
     {.round = 1, .dirtied_pages = UINT64_C(1) << 28, .goodput_bps = 1000000000},
     INT64_C(8813272891392),
     MIGRATION_GO_ON},
    {"16 EiB at 1 bit/s do not overflow",
     {10, MS},
     {.round = 1, .dirtied_pages = UINT64_C(1) << 52, .goodput_bps = 1},
     INT64_MAX,
     MIGRATION_GO_ON},
};

Test(policy, decides_by_table)
{
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        rt_time pause = migration_policy_pause_ns(&cases[i].progress);
        enum migration_decision decision =
            migration_policy_decide(&cases[i].policy, &cases[i].progress);
        cr_expect(pause == cases[i].pause_ns, "%s: a pause of %lld ns", cases[i].name,
                  (long long)pause);
        cr_expect(decision == cases[i].decision, "%s: %s", cases[i].name,
                  migration_decision_text(decision));
        cr_expect(strlen(migration_decision_text(decision)) > 0);
    }
}

/* Without a measure a pause cannot be predicted, and nobody may take that for a short one. */
Test(policy, predicts_nothing_from_nothing)
{
    struct migration_policy policy = {10, 50 * MS};
    struct migration_progress progress = {.round = 1, .dirtied_pages = 1000};
    cr_expect(migration_policy_decide(&policy, &progress) == MIGRATION_GO_ON);
}

Test(policy, goodput_is_the_best_round)
{
    static const struct {
        uint64_t bytes;
        rt_time took;
        uint64_t goodput;
    } rounds[] = {
        {125000000, 1000 * MS, 1000000000},
        {125000, 2 * MS, 1000000000},
        {0, 0, 1000000000},
        {1, 0, 1000000000},
        {250000000, 1000 * MS, 2000000000},
        {UINT64_C(1) << 50, 3600000 * INT64_C(1000000), UINT64_C(2501999792983)},
    };
    struct migration_progress progress = {0};
    for (size_t i = 0; i < sizeof rounds / sizeof *rounds; i++) {
        progress.sent_bytes = rounds[i].bytes;
        progress.took_ns = rounds[i].took;
        migration_policy_measure(&(struct migration_policy){10, 0}, &progress);
        cr_expect(progress.goodput_bps == rounds[i].goodput, "round %zu: %llu bit/s", i,
                  (unsigned long long)progress.goodput_bps);
    }
}
