/* When pre-copy ends, how fast it sends, and what is done where it does not converge: the published rules, row by row. */
#include <criterion/criterion.h>

#include "cluster/migration_policy.h"

#include <string.h>

#define MS   1000000
#define S    INT64_C(1000000000)
#define MBIT UINT64_C(1000000)
#define GIB  UINT64_C(262144) /* pages */

/* ---- the rules ------------------------------------------------------------------------------------------------------- */

static const struct {
    const char *name;
    struct migration_policy policy;
    struct migration_progress progress;
    rt_time pause_ns;
    enum migration_decision decision;
} cases[] = {
    {"nothing was written",
     {.rounds_max = 10, .pause_threshold_ns = 50 * MS},
     {.round = 1, .dirtied_pages = 0, .goodput_bps = 1000000000},
     0,
     MIGRATION_STOP_CLEAN},
    {"nothing was written, at the limit",
     {.rounds_max = 1},
     {.round = 1, .goodput_bps = 1},
     0,
     MIGRATION_STOP_CLEAN},
    /* 1,000 pages and their entries are 32.832 Mbit. */
    {"just below the threshold",
     {.rounds_max = 10, .pause_threshold_ns = 33 * MS},
     {.round = 1, .dirtied_pages = 1000, .goodput_bps = 1000000000},
     32832000,
     MIGRATION_STOP_THRESHOLD},
    {"just at the threshold",
     {.rounds_max = 10, .pause_threshold_ns = 32832000},
     {.round = 1, .dirtied_pages = 1000, .goodput_bps = 1000000000},
     32832000,
     MIGRATION_GO_ON},
    {"threshold before rounds",
     {.rounds_max = 1, .pause_threshold_ns = 33 * MS},
     {.round = 1, .dirtied_pages = 1000, .goodput_bps = 1000000000},
     32832000,
     MIGRATION_STOP_THRESHOLD},
    {"no threshold",
     {.rounds_max = 10},
     {.round = 9, .dirtied_pages = 1, .goodput_bps = 1000000000},
     32832,
     MIGRATION_GO_ON},
    {"the limit of rounds",
     {.rounds_max = 10},
     {.round = 10, .dirtied_pages = 1, .goodput_bps = 1000000000},
     32832,
     MIGRATION_STOP_ROUNDS},
    {"beyond the limit",
     {.rounds_max = 10},
     {.round = 11, .dirtied_pages = 1, .goodput_bps = 1000000000},
     32832,
     MIGRATION_STOP_ROUNDS},
    {"a terabyte at 1 Gbit/s does not overflow",
     {.rounds_max = 10, .pause_threshold_ns = MS},
     {.round = 1, .dirtied_pages = UINT64_C(1) << 28, .goodput_bps = 1000000000},
     INT64_C(8813272891392),
     MIGRATION_GO_ON},
    {"16 EiB at 1 bit/s do not overflow",
     {.rounds_max = 10, .pause_threshold_ns = MS},
     {.round = 1, .dirtied_pages = UINT64_C(1) << 52, .goodput_bps = 1},
     INT64_MAX,
     MIGRATION_GO_ON},
    {"without a measure nothing is below a threshold (O2)",
     {.rounds_max = 10, .pause_threshold_ns = 50 * MS},
     {.round = 1, .dirtied_pages = 1000},
     INT64_MAX,
     MIGRATION_GO_ON},
    {"no limit of rounds",
     {.pause_threshold_ns = MS},
     {.round = 100000, .dirtied_pages = 1000, .goodput_bps = 1000000000},
     32832000,
     MIGRATION_GO_ON},
    {"49 pages left",
     {.pages_few = 50},
     {.round = 1, .dirtied_pages = 49, .sent_pages = 1000, .goodput_bps = 1000000000},
     1608768,
     MIGRATION_STOP_FEW},
    {"50 pages left",
     {.pages_few = 50},
     {.round = 1, .dirtied_pages = 50, .sent_pages = 1, .goodput_bps = 1000000000},
     1641600,
     MIGRATION_GO_ON},
    {"49 pages sent and skipped, whatever is left (Xen 3)",
     {.pages_few = 50, .few_of_round = true},
     {.round = 3, .dirtied_pages = 1000, .sent_pages = 40, .skipped_pages = 9, .goodput_bps = 1},
     INT64_C(32832000) * S,
     MIGRATION_STOP_FEW},
    {"50 pages sent and skipped, whatever is left (Xen 3)",
     {.pages_few = 50, .few_of_round = true},
     {.round = 3, .dirtied_pages = 1, .sent_pages = 40, .skipped_pages = 10, .goodput_bps = 1},
     32832 * S,
     MIGRATION_GO_ON},
    {"3 x RAM and not a page more",
     {.sent_percent_max = 300},
     {.round = 5, .dirtied_pages = 1, .ram_pages = 100, .sent_pages_total = 300, .goodput_bps = 1},
     32832 * S,
     MIGRATION_GO_ON},
    {"a page more than 3 x RAM",
     {.sent_percent_max = 300},
     {.round = 5, .dirtied_pages = 1, .ram_pages = 100, .sent_pages_total = 301, .goodput_bps = 1},
     32832 * S,
     MIGRATION_STOP_VOLUME},
    {"more than the round before, at the highest rate",
     {.stop_at_no_gain = true, .rate_start_bps = 1, .rate_max_bps = 500 * MBIT},
     {.round = 5,
      .dirtied_pages = 1,
      .sent_pages = 11,
      .sent_pages_before = 10,
      .rate_bps = 500 * MBIT,
      .goodput_bps = 1},
     32832 * S,
     MIGRATION_STOP_NO_GAIN},
    {"more than the round before, below the highest rate",
     {.stop_at_no_gain = true, .rate_start_bps = 1, .rate_max_bps = 500 * MBIT},
     {.round = 5,
      .dirtied_pages = 1,
      .sent_pages = 11,
      .sent_pages_before = 10,
      .rate_bps = 499 * MBIT,
      .goodput_bps = 1},
     32832 * S,
     MIGRATION_GO_ON},
    {"as much as the round before",
     {.stop_at_no_gain = true},
     {.round = 5, .dirtied_pages = 1, .sent_pages = 10, .sent_pages_before = 10, .goodput_bps = 1},
     32832 * S,
     MIGRATION_GO_ON},
    {"more than the round before; without a limit every rate is the highest",
     {.stop_at_no_gain = true},
     {.round = 5, .dirtied_pages = 1, .sent_pages = 11, .sent_pages_before = 10, .goodput_bps = 1},
     32832 * S,
     MIGRATION_STOP_NO_GAIN},
    {"under a cap the cap is the highest",
     {.stop_at_no_gain = true,
      .rate_start_bps = 1,
      .rate_max_bps = 500 * MBIT,
      .cap_bps = 200 * MBIT},
     {.round = 5,
      .dirtied_pages = 1,
      .sent_pages = 11,
      .sent_pages_before = 10,
      .rate_bps = 200 * MBIT,
      .goodput_bps = 1},
     32832 * S,
     MIGRATION_STOP_NO_GAIN},
    {"the next rate is the maximum (Clark et al.)",
     {.stop_at_rate = true, .rate_start_bps = 1, .rate_max_bps = 500 * MBIT},
     {.round = 5, .dirtied_pages = 1, .wanted_bps = 500 * MBIT, .goodput_bps = 1},
     32832 * S,
     MIGRATION_GO_ON},
    {"the next rate is above the maximum (Clark et al.)",
     {.stop_at_rate = true, .rate_start_bps = 1, .rate_max_bps = 500 * MBIT},
     {.round = 5, .dirtied_pages = 1, .wanted_bps = 500 * MBIT + 1, .goodput_bps = 1},
     32832 * S,
     MIGRATION_STOP_RATE},
    {"one period of too much",
     {.trigger_percent = 50},
     {.round = 5, .dirtied_pages = 1, .high_count = 1, .goodput_bps = 1},
     32832 * S,
     MIGRATION_GO_ON},
    {"two periods of too much (QEMU)",
     {.trigger_percent = 50},
     {.round = 5, .dirtied_pages = 1, .high_count = 2, .goodput_bps = 1},
     32832 * S,
     MIGRATION_STOP_DIRTYING},
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
    }
    for (uint32_t a = 0; a < MIGRATION_DECISIONS; a++) {
        for (uint32_t b = 0; b < a; b++) {
            cr_expect(strcmp(migration_decision_text((enum migration_decision)a),
                             migration_decision_text((enum migration_decision)b)) != 0);
        }
    }
}

/* ---- the constants, as they are published -------------------------------------------------------------------------------- */

Test(policy, constants_of_the_named)
{
    const struct migration_policy hyper_v = migration_policy_named(MIGRATION_HYPER_V);
    const struct migration_policy qemu = migration_policy_named(MIGRATION_QEMU);
    const struct migration_policy xen = migration_policy_named(MIGRATION_XEN);
    const struct migration_policy later = migration_policy_named(MIGRATION_XEN_LATER);
    const struct migration_policy kubevirt = migration_policy_named(MIGRATION_KUBEVIRT);
    const struct {
        const char *name;
        uint64_t is, published;
    } rows[] = {
        {"Hyper-V R2: passes", hyper_v.rounds_max, 10},
        {"Hyper-V R2: then it suspends", hyper_v.remedy, MIGRATION_SWITCH},
        {"QEMU: DEFAULT_MIGRATE_SET_DOWNTIME", (uint64_t)qemu.pause_threshold_ns, 300 * MS},
        {"QEMU: rounds", qemu.rounds_max, 0},
        {"QEMU: MAX_THROTTLE, in bits", qemu.rate_max_bps, UINT64_C(128) * 1024 * 1024 * 8},
        {"QEMU: the last stage is not limited", migration_policy_final_bps(&qemu), 0},
        {"QEMU: DEFAULT_MIGRATE_THROTTLE_TRIGGER_THRESHOLD", qemu.trigger_percent, 50},
        {"QEMU: DEFAULT_MIGRATE_CPU_THROTTLE_INITIAL", qemu.throttle_first_percent, 20},
        {"QEMU: DEFAULT_MIGRATE_CPU_THROTTLE_INCREMENT", qemu.throttle_step_percent, 10},
        {"QEMU: DEFAULT_MIGRATE_MAX_CPU_THROTTLE", qemu.throttle_percent_max, 99},
        {"Xen: DEF_MAX_ITERS", xen.rounds_max, 29},
        {"Xen: DEF_MAX_FACTOR", xen.sent_percent_max, 300},
        {"Xen: pages of a round", xen.pages_few, 50},
        {"Xen: START_MBIT_RATE", xen.rate_start_bps, 100 * MBIT},
        {"Xen: MAX_MBIT_RATE", xen.rate_max_bps, 500 * MBIT},
        {"Xen: above the dirty rate", xen.rate_step_bps, 50 * MBIT},
        {"Xen 4.7: SPP_MAX_ITERATIONS", later.rounds_max, 5},
        {"Xen 4.7: SPP_TARGET_DIRTY_COUNT", later.pages_few, 50},
        {"KubeVirt: completionTimeoutPerGiB", (uint64_t)kubevirt.limit_ns_per_gib, 150 * S},
        {"KubeVirt: progressTimeout", (uint64_t)kubevirt.progress_limit_ns, 150 * S},
        {"KubeVirt: allowPostCopy, allowWorkloadDisruption", kubevirt.remedy, MIGRATION_ABORT},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        cr_expect(rows[i].is == rows[i].published, "%s: %llu", rows[i].name,
                  (unsigned long long)rows[i].is);
    }
    for (uint32_t i = 0; i < MIGRATION_POLICIES; i++) {
        struct migration_policy policy = migration_policy_named((enum migration_policy_name)i);
        cr_expect(migration_policy_valid(&policy), "policy %u", i);
    }
}

Test(policy, what_makes_no_sense_is_refused)
{
    static const struct {
        const char *name;
        struct migration_policy policy;
        bool valid;
    } rows[] = {
        {"nothing ever ends it", {0}, false},
        {"rounds end it", {.rounds_max = 1}, true},
        {"a threshold may end it", {.pause_threshold_ns = 1}, true},
        {"a step without a rate", {.rounds_max = 1, .rate_step_bps = 1}, false},
        {"a maximum without a start", {.rounds_max = 1, .rate_max_bps = 1}, false},
        {"a start above the maximum",
         {.rounds_max = 1, .rate_start_bps = 2, .rate_max_bps = 1},
         false},
        {"a throttle that does not rise",
         {.rounds_max = 1, .remedy = MIGRATION_THROTTLE, .throttle_percent_max = 99},
         false},
        {"all of the guest's time",
         {.rounds_max = 1, .throttle_first_percent = 1, .throttle_percent_max = 100},
         false},
        {"a throttle that begins above its maximum",
         {.rounds_max = 1, .throttle_first_percent = 50, .throttle_percent_max = 40},
         false},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        cr_expect(migration_policy_valid(&rows[i].policy) == rows[i].valid, "%s", rows[i].name);
    }
}

/* ---- bandwidth ---------------------------------------------------------------------------------------------------------------- */

Test(policy, goodput_is_the_best_round_or_the_last)
{
    static const struct {
        uint64_t bytes;
        rt_time took;
        uint64_t best, last;
    } rounds[] = {
        {125000000, 1000 * MS, 1000000000, 1000000000},
        {125000, 2 * MS, 1000000000, 1000000000}, /* too short to tell */
        {0, 0, 1000000000, 1000000000},
        {1, 0, 1000000000, 1000000000},
        {6250000, 100 * MS, 1000000000, 500000000},
        {250000000, 1000 * MS, 2000000000, 2000000000},
        {UINT64_C(1) << 50, 3600 * S, UINT64_C(2501999792983), UINT64_C(2501999792983)},
    };
    const struct migration_policy by_best = {.rounds_max = 10};
    const struct migration_policy by_last = {.rounds_max = 10, .last_bandwidth = true};
    struct migration_progress best = {0}, last = {0};
    for (size_t i = 0; i < sizeof rounds / sizeof *rounds; i++) {
        best.sent_bytes = last.sent_bytes = rounds[i].bytes;
        best.took_ns = last.took_ns = rounds[i].took;
        migration_policy_measure(&by_best, &best);
        migration_policy_measure(&by_last, &last);
        cr_expect(best.goodput_bps == rounds[i].best, "round %zu: best %llu bit/s", i,
                  (unsigned long long)best.goodput_bps);
        cr_expect(last.goodput_bps == rounds[i].last, "round %zu: last %llu bit/s", i,
                  (unsigned long long)last.goodput_bps);
    }
}

/* ---- what is done ------------------------------------------------------------------------------------------------------------------ */

Test(policy, acts_by_its_remedy)
{
    static const struct {
        const char *name;
        enum migration_remedy remedy;
        uint32_t throttle;
        enum migration_decision decision;
        enum migration_act act;
        uint32_t then;
    } rows[] = {
        {"it goes on", MIGRATION_ABORT, 0, MIGRATION_GO_ON, MIGRATION_ACT_GO_ON, 0},
        {"it has converged: nothing is aborted", MIGRATION_ABORT, 0, MIGRATION_STOP_THRESHOLD,
         MIGRATION_ACT_SWITCH, 0},
        {"few are left: nothing is throttled", MIGRATION_THROTTLE, 0, MIGRATION_STOP_FEW,
         MIGRATION_ACT_SWITCH, 0},
        {"nothing is left", MIGRATION_THROTTLE, 20, MIGRATION_STOP_CLEAN, MIGRATION_ACT_SWITCH, 20},
        {"rounds, switch", MIGRATION_SWITCH, 0, MIGRATION_STOP_ROUNDS, MIGRATION_ACT_SWITCH, 0},
        {"rounds, abort", MIGRATION_ABORT, 0, MIGRATION_STOP_ROUNDS, MIGRATION_ACT_ABORT, 0},
        {"volume, abort", MIGRATION_ABORT, 0, MIGRATION_STOP_VOLUME, MIGRATION_ACT_ABORT, 0},
        {"rounds, throttle at first", MIGRATION_THROTTLE, 0, MIGRATION_STOP_ROUNDS,
         MIGRATION_ACT_GO_ON, 20},
        {"dirtying, throttle more", MIGRATION_THROTTLE, 20, MIGRATION_STOP_DIRTYING,
         MIGRATION_ACT_GO_ON, 30},
        {"not above the most", MIGRATION_THROTTLE, 90, MIGRATION_STOP_DIRTYING, MIGRATION_ACT_GO_ON,
         99},
        {"at the most, QEMU goes on", MIGRATION_THROTTLE, 99, MIGRATION_STOP_DIRTYING,
         MIGRATION_ACT_GO_ON, 99},
        {"at the most, a limit of rounds switches", MIGRATION_THROTTLE, 99, MIGRATION_STOP_ROUNDS,
         MIGRATION_ACT_SWITCH, 99},
        {"the time is over, switch", MIGRATION_SWITCH, 0, MIGRATION_STOP_TIME, MIGRATION_ACT_SWITCH,
         0},
        {"the time is over, abort", MIGRATION_ABORT, 0, MIGRATION_STOP_TIME, MIGRATION_ACT_ABORT,
         0},
        {"the time is over though it was throttled", MIGRATION_THROTTLE, 50,
         MIGRATION_STOP_PROGRESS, MIGRATION_ACT_ABORT, 50},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct migration_policy policy = migration_policy_named(MIGRATION_QEMU);
        struct migration_progress progress = {.throttle_percent = rows[i].throttle};
        policy.remedy = rows[i].remedy;
        enum migration_act act = migration_policy_act(&policy, &progress, rows[i].decision);
        cr_expect(act == rows[i].act, "%s: act %u", rows[i].name, (unsigned)act);
        cr_expect(progress.throttle_percent == rows[i].then, "%s: %u %%", rows[i].name,
                  progress.throttle_percent);
    }
}

/* QEMU's auto-converge over rounds of 600 ms in which the guest writes so much: two periods of a second for each step. */
Test(policy, throttles_by_the_published_steps)
{
    struct migration_policy policy = migration_policy_named(MIGRATION_QEMU);
    struct migration_progress progress;
    uint32_t expected = 0, steps = 0;
    migration_policy_begin(&policy, &progress, GIB, 0);
    for (uint32_t round = 1; round <= 60; round++) {
        progress.round = round;
        progress.sent_pages = 18000;
        progress.sent_bytes = 18000 * 4096;
        progress.took_ns = 600 * MS;
        progress.dirtied_pages = 17000;
        migration_policy_measure(&policy, &progress);
        enum migration_decision decision = migration_policy_decide(&policy, &progress);
        cr_assert(migration_policy_act(&policy, &progress, decision) == MIGRATION_ACT_GO_ON);
        /* 600 ms + 600 ms make a period, two of those a step. */
        if (round % 4 == 0) {
            expected = expected == 0 ? 20 : expected < 90 ? expected + 10 : 99;
            steps++;
        }
        cr_expect(progress.throttle_percent == expected, "round %u: %u %% instead of %u", round,
                  progress.throttle_percent, expected);
        migration_policy_next_round(&policy, &progress);
    }
    cr_assert(steps == 15 && expected == 99);
    /* Half as much as was sent is not too much. */
    migration_policy_begin(&policy, &progress, GIB, 0);
    for (uint32_t round = 1; round <= 60; round++) {
        progress.round = round;
        progress.sent_bytes = 34000 * 4096;
        progress.took_ns = 1200 * MS;
        progress.dirtied_pages = 17000;
        migration_policy_measure(&policy, &progress);
        cr_expect(migration_policy_decide(&policy, &progress) == MIGRATION_GO_ON);
    }
}

/* ---- rates ------------------------------------------------------------------------------------------------------------------------------ */

/* The rounds of SPECweb99 in Clark et al. 2005: what was dirtied in each gives the rate of the next. */
Test(policy, rates_follow_what_was_dirtied)
{
    static const struct {
        const char *name;
        uint64_t dirtied_pages;
        rt_time took_ns;
        uint64_t cap_bps, next_bps;
    } rows[] = {
        {"18.7 Mbit/s and 50 are below the minimum", 30932, 54144 * (rt_time)MS, 0, 100 * MBIT},
        {"just above it", 1526, S, 0, 100003968},
        {"73 and 50 Mbit/s", 6934, 3120 * (rt_time)MS, 0, 122824779},
        {"449 Mbit/s", 13702, S, 0, 498987136},
        {"above the maximum", 20000, S, 0, 500 * MBIT},
        {"under a cap", 20000, S, 300 * MBIT, 300 * MBIT},
        {"nothing was dirtied", 0, S, 0, 100 * MBIT},
        {"in no time", 20000, 0, 0, 100 * MBIT},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct migration_policy policy = migration_policy_named(MIGRATION_XEN);
        struct migration_progress progress;
        policy.cap_bps = rows[i].cap_bps;
        migration_policy_begin(&policy, &progress, GIB, 0);
        cr_expect(progress.rate_bps == 100 * MBIT, "%s: starts at %llu", rows[i].name,
                  (unsigned long long)progress.rate_bps);
        progress.round = 1;
        progress.dirtied_pages = rows[i].dirtied_pages;
        progress.took_ns = rows[i].took_ns;
        progress.sent_bytes = 1;
        migration_policy_measure(&policy, &progress);
        migration_policy_next_round(&policy, &progress);
        cr_expect(progress.rate_bps == rows[i].next_bps, "%s: %llu bit/s", rows[i].name,
                  (unsigned long long)progress.rate_bps);
        cr_expect(migration_policy_final_bps(&policy) ==
                  (rows[i].cap_bps > 0 ? rows[i].cap_bps : 500 * MBIT));
    }
    cr_expect(migration_policy_pace_ns(0, 1 << 20) == 0);
    cr_expect(migration_policy_pace_ns(100 * MBIT, 12500000) == S);
    cr_expect(migration_policy_pace_ns(1, UINT64_MAX) == RT_FOREVER);
}

/* A policy without rates has none, whatever happens; a cap is one all the same. */
Test(policy, a_cap_is_enough)
{
    struct migration_policy policy = migration_policy_named(MIGRATION_HYPER_V);
    struct migration_progress progress;
    for (uint32_t capped = 0; capped < 2; capped++) {
        policy.cap_bps = capped * 200 * MBIT;
        migration_policy_begin(&policy, &progress, GIB, 0);
        for (uint32_t round = 1; round < 5; round++) {
            cr_expect(progress.rate_bps == policy.cap_bps, "round %u", round);
            progress.dirtied_pages = 1u << round << 10;
            progress.took_ns = S;
            progress.sent_bytes = 1u << 20;
            migration_policy_measure(&policy, &progress);
            migration_policy_next_round(&policy, &progress);
        }
        cr_expect(migration_policy_final_bps(&policy) == policy.cap_bps);
    }
}

/* ---- limits of time -------------------------------------------------------------------------------------------------------------------------- */

/* KubeVirt: 150 s for each GiB, and 150 s without less left than ever before, looked at every 500 ms. */
Test(policy, gives_up_by_time)
{
    static const struct {
        const char *name;
        uint64_t ram_pages;
        rt_time at;
        uint64_t left_first, left_then; /* at the beginning, and ever after */
        enum migration_decision decision;
    } rows[] = {
        {"a GiB, 150 s", GIB, 150 * S, 0, 0, MIGRATION_GO_ON},
        {"a GiB, more than 150 s", GIB, 150 * S + 1, 0, 0, MIGRATION_STOP_TIME},
        {"a page more is two GiB", GIB + 1, 200 * S, 1000, 10, MIGRATION_STOP_PROGRESS},
        {"no progress for 150 s", 8 * GIB, 150500 * (rt_time)MS, 10, 10, MIGRATION_GO_ON},
        {"no progress for longer", 8 * GIB, 151 * S, 10, 10, MIGRATION_STOP_PROGRESS},
    };
    const struct migration_policy policy = migration_policy_named(MIGRATION_KUBEVIRT);
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct migration_progress progress;
        migration_policy_begin(&policy, &progress, rows[i].ram_pages, 0);
        enum migration_decision decision =
            migration_policy_sample(&policy, &progress, 500 * MS, rows[i].left_first);
        cr_expect(decision == MIGRATION_GO_ON, "%s: at once", rows[i].name);
        decision = migration_policy_sample(&policy, &progress, S, rows[i].left_then);
        cr_expect(decision == MIGRATION_GO_ON, "%s: at first", rows[i].name);
        decision = migration_policy_sample(&policy, &progress, rows[i].at, rows[i].left_then);
        cr_expect(decision == rows[i].decision, "%s: %s", rows[i].name,
                  migration_decision_text(decision));
        /* The next look is no sooner than 500 ms later. */
        decision = migration_policy_sample(&policy, &progress, rows[i].at + 499 * MS, 0);
        cr_expect(decision == MIGRATION_GO_ON, "%s: too soon", rows[i].name);
    }
    const struct migration_policy xen = migration_policy_named(MIGRATION_XEN);
    struct migration_progress progress;
    migration_policy_begin(&xen, &progress, GIB, 0);
    cr_expect(migration_policy_sample(&xen, &progress, 1000000 * S, 1) == MIGRATION_GO_ON);
}
