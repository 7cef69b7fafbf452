#include "cluster/migration_policy.h"

__extension__ typedef unsigned __int128 wide;

#define MBIT     UINT64_C(1000000)
#define MS       INT64_C(1000000)
#define S        INT64_C(1000000000)
#define GIB      UINT64_C(1073741824)
#define QEMU_BPS (UINT64_C(128) << 23) /* 128 MiB/s */

/* QEMU's throttle is the one that is published; the others that can be told to throttle take its constants. */
#define THROTTLE                                                                                   \
    .throttle_first_percent = 20, .throttle_step_percent = 10, .throttle_percent_max = 99

struct migration_policy migration_policy_named(enum migration_policy_name name)
{
    static const struct migration_policy named[MIGRATION_POLICIES] = {
        [MIGRATION_HYPER_V] = {.rounds_max = 10, .pause_threshold_ns = 50 * MS, THROTTLE},
        [MIGRATION_QEMU] = {.pause_threshold_ns = 300 * MS,
                            .last_bandwidth = true,
                            .remedy = MIGRATION_THROTTLE,
                            .rate_start_bps = QEMU_BPS,
                            .rate_max_bps = QEMU_BPS,
                            .trigger_percent = 50,
                            THROTTLE},
        [MIGRATION_XEN] = {.rounds_max = 29,
                           .pages_few = 50,
                           .few_of_round = true,
                           .sent_percent_max = 300,
                           .stop_at_no_gain = true,
                           .skip_redirtied = true,
                           .look_pages = 1024,
                           .rate_start_bps = 100 * MBIT,
                           .rate_step_bps = 50 * MBIT,
                           .rate_max_bps = 500 * MBIT,
                           .rate_final_bps = 500 * MBIT,
                           THROTTLE},
        [MIGRATION_XEN_2005] = {.rounds_max = 29,
                                .pages_few = 64,
                                .sent_percent_max = 300,
                                .stop_at_rate = true,
                                .skip_redirtied = true,
                                .look_pages = 1024,
                                .rate_start_bps = 100 * MBIT,
                                .rate_step_bps = 50 * MBIT,
                                .rate_max_bps = 500 * MBIT,
                                .rate_final_bps = 500 * MBIT,
                                THROTTLE},
        [MIGRATION_XEN_LATER] = {.rounds_max = 5, .pages_few = 50, THROTTLE},
        [MIGRATION_KUBEVIRT] = {.pause_threshold_ns = 300 * MS,
                                .last_bandwidth = true,
                                .remedy = MIGRATION_ABORT,
                                .limit_ns_per_gib = 150 * S,
                                .progress_limit_ns = 150 * S,
                                THROTTLE},
    };
    return named[name];
}

bool migration_policy_valid(const struct migration_policy *p)
{
    bool ends = p->rounds_max > 0 || p->pause_threshold_ns > 0 || p->pages_few > 0 ||
                p->sent_percent_max > 0 || p->limit_ns_per_gib > 0;
    bool rates = p->rate_max_bps == 0
                     ? p->rate_step_bps == 0 && !p->stop_at_rate
                     : p->rate_start_bps > 0 && p->rate_start_bps <= p->rate_max_bps;
    bool throttles =
        p->throttle_percent_max < 100 && p->throttle_first_percent <= p->throttle_percent_max;
    if (p->remedy == MIGRATION_THROTTLE) {
        throttles = throttles && p->throttle_first_percent > 0 && p->throttle_step_percent > 0;
    }
    return ends && rates && throttles && (!p->skip_redirtied || p->look_pages > 0);
}

/* A rate under the cap; 0 is no limit. */
static uint64_t capped(const struct migration_policy *policy, uint64_t bps)
{
    return policy->cap_bps > 0 && (bps == 0 || bps > policy->cap_bps) ? policy->cap_bps : bps;
}

void migration_policy_begin(const struct migration_policy *policy,
                            struct migration_progress *progress, uint64_t ram_pages, rt_time now)
{
    *progress = (struct migration_progress){
        .ram_pages = ram_pages,
        .sent_pages_before = ram_pages,
        .rate_bps = capped(policy, policy->rate_max_bps > 0 ? policy->rate_start_bps : 0),
        .began_at = now,
        .sampled_at = now,
        .progressed_at = now,
        .least_left_pages = UINT64_MAX,
    };
}

enum migration_decision migration_policy_sample(const struct migration_policy *policy,
                                                struct migration_progress *progress, rt_time now,
                                                uint64_t left_pages)
{
    if (policy->limit_ns_per_gib == 0 && policy->progress_limit_ns == 0) {
        return MIGRATION_GO_ON;
    }
    if (now - progress->sampled_at < MIGRATION_SAMPLE_NS) {
        return MIGRATION_GO_ON;
    }
    progress->sampled_at = now;
    if (left_pages < progress->least_left_pages) {
        progress->least_left_pages = left_pages;
        progress->progressed_at = now;
    }
    uint64_t gib = (progress->ram_pages * RT_PAGE_BYTES + GIB - 1) / GIB;
    if (policy->limit_ns_per_gib > 0 &&
        (wide)(now - progress->began_at) > (wide)policy->limit_ns_per_gib * gib) {
        return MIGRATION_STOP_TIME;
    }
    if (policy->progress_limit_ns > 0 &&
        now - progress->progressed_at > policy->progress_limit_ns) {
        return MIGRATION_STOP_PROGRESS;
    }
    return MIGRATION_GO_ON;
}

/* Bits a second, 0 where no time passed. */
static uint64_t bps_of(uint64_t bytes, rt_time took_ns)
{
    if (took_ns <= 0) {
        return 0;
    }
    wide bps = (wide)bytes * 8 * 1000000000u / (uint64_t)took_ns;
    return bps < UINT64_MAX ? (uint64_t)bps : UINT64_MAX;
}

static void measure_bandwidth(const struct migration_policy *policy,
                              struct migration_progress *progress)
{
    uint64_t bps = bps_of(progress->sent_bytes, progress->took_ns);
    if (bps == 0) {
        return;
    }
    bool told = progress->took_ns >= MIGRATION_WINDOW_NS || progress->goodput_bps == 0;
    if (policy->last_bandwidth ? told : bps > progress->goodput_bps) {
        progress->goodput_bps = bps;
    }
}

/* QEMU, migration_trigger_throttle: over a second or more, more than `trigger` of what was sent has been written again. */
static void measure_dirtying(const struct migration_policy *policy,
                             struct migration_progress *progress)
{
    progress->period_ns += progress->took_ns;
    progress->period_sent_bytes += progress->sent_bytes;
    progress->period_dirtied_pages += progress->dirtied_pages;
    if (progress->period_ns < MIGRATION_PERIOD_NS) {
        return;
    }
    if ((wide)progress->period_dirtied_pages * RT_PAGE_BYTES * 100 >
        (wide)progress->period_sent_bytes * policy->trigger_percent) {
        progress->high_count++;
    }
    progress->period_ns = 0;
    progress->period_sent_bytes = 0;
    progress->period_dirtied_pages = 0;
}

void migration_policy_measure(const struct migration_policy *policy,
                              struct migration_progress *progress)
{
    progress->sent_pages_total += progress->sent_pages;
    measure_bandwidth(policy, progress);
    measure_dirtying(policy, progress);
    /* Clark et al. 2005, 5.2: the rate of the next round is the dirtying rate of this one and a constant. */
    uint64_t dirty_bps = bps_of(progress->dirtied_pages * RT_PAGE_BYTES, progress->took_ns);
    progress->wanted_bps = dirty_bps < UINT64_MAX - policy->rate_step_bps
                               ? dirty_bps + policy->rate_step_bps
                               : dirty_bps;
}

rt_time migration_policy_pause_ns(const struct migration_progress *progress)
{
    if (progress->dirtied_pages == 0) {
        return 0;
    }
    if (progress->goodput_bps == 0) {
        return RT_FOREVER;
    }
    wide bits = (wide)progress->dirtied_pages * (RT_PAGE_BYTES + 8) * 8;
    wide pause = bits * 1000000000u / progress->goodput_bps;
    return pause < (wide)RT_FOREVER ? (rt_time)pause : RT_FOREVER;
}

/* Xen, xc_domain_save: the last round's rate could not have been higher. */
static bool rate_is_max(const struct migration_policy *policy,
                        const struct migration_progress *progress)
{
    return policy->rate_max_bps == 0 || progress->rate_bps >= capped(policy, policy->rate_max_bps);
}

enum migration_decision migration_policy_decide(const struct migration_policy *policy,
                                                const struct migration_progress *progress)
{
    uint64_t few = policy->few_of_round ? progress->sent_pages + progress->skipped_pages
                                        : progress->dirtied_pages;
    if (progress->dirtied_pages == 0) {
        return MIGRATION_STOP_CLEAN;
    }
    if (policy->pause_threshold_ns > 0 &&
        migration_policy_pause_ns(progress) < policy->pause_threshold_ns) {
        return MIGRATION_STOP_THRESHOLD;
    }
    if (few < policy->pages_few) {
        return MIGRATION_STOP_FEW;
    }
    if (policy->stop_at_no_gain && progress->sent_pages > progress->sent_pages_before &&
        rate_is_max(policy, progress)) {
        return MIGRATION_STOP_NO_GAIN;
    }
    if (policy->stop_at_rate && progress->wanted_bps > policy->rate_max_bps) {
        return MIGRATION_STOP_RATE;
    }
    if (policy->rounds_max > 0 && progress->round >= policy->rounds_max) {
        return MIGRATION_STOP_ROUNDS;
    }
    if (policy->sent_percent_max > 0 && (wide)progress->sent_pages_total * 100 >
                                            (wide)progress->ram_pages * policy->sent_percent_max) {
        return MIGRATION_STOP_VOLUME;
    }
    if (policy->trigger_percent > 0 && progress->high_count >= 2) {
        return MIGRATION_STOP_DIRTYING;
    }
    return MIGRATION_GO_ON;
}

bool migration_decision_is_remedied(enum migration_decision decision)
{
    return decision != MIGRATION_GO_ON && decision != MIGRATION_STOP_CLEAN &&
           decision != MIGRATION_STOP_THRESHOLD && decision != MIGRATION_STOP_FEW;
}

static void throttle_more(const struct migration_policy *policy,
                          struct migration_progress *progress)
{
    uint32_t percent = progress->throttle_percent == 0
                           ? policy->throttle_first_percent
                           : progress->throttle_percent + policy->throttle_step_percent;
    progress->throttle_percent =
        percent < policy->throttle_percent_max ? percent : policy->throttle_percent_max;
}

enum migration_act migration_policy_act(const struct migration_policy *policy,
                                        struct migration_progress *progress,
                                        enum migration_decision decision)
{
    if (decision == MIGRATION_GO_ON) {
        return MIGRATION_ACT_GO_ON;
    }
    if (!migration_decision_is_remedied(decision) || policy->remedy == MIGRATION_SWITCH) {
        return MIGRATION_ACT_SWITCH;
    }
    /* A limit of time is no reason to slow the guest down: nothing is left to gain. */
    if (policy->remedy == MIGRATION_ABORT || decision == MIGRATION_STOP_TIME ||
        decision == MIGRATION_STOP_PROGRESS) {
        return MIGRATION_ACT_ABORT;
    }
    progress->high_count = 0;
    if (progress->throttle_percent < policy->throttle_percent_max) {
        throttle_more(policy, progress);
        return MIGRATION_ACT_GO_ON;
    }
    return decision == MIGRATION_STOP_DIRTYING ? MIGRATION_ACT_GO_ON : MIGRATION_ACT_SWITCH;
}

void migration_policy_next_round(const struct migration_policy *policy,
                                 struct migration_progress *progress)
{
    progress->sent_pages_before = progress->sent_pages;
    if (policy->rate_max_bps > 0 && policy->rate_step_bps > 0) {
        uint64_t bps = progress->wanted_bps;
        bps = bps < policy->rate_start_bps ? policy->rate_start_bps : bps;
        bps = bps > policy->rate_max_bps ? policy->rate_max_bps : bps;
        progress->rate_bps = capped(policy, bps);
    }
}

uint64_t migration_policy_final_bps(const struct migration_policy *policy)
{
    return capped(policy, policy->rate_final_bps);
}

rt_time migration_policy_pace_ns(uint64_t rate_bps, uint64_t bytes)
{
    if (rate_bps == 0) {
        return 0;
    }
    wide ns = (wide)bytes * 8 * 1000000000u / rate_bps;
    return ns < (wide)RT_FOREVER ? (rt_time)ns : RT_FOREVER;
}

const char *migration_decision_text(enum migration_decision decision)
{
    static const char *const texts[MIGRATION_DECISIONS] = {
        [MIGRATION_GO_ON] = "goes on",
        [MIGRATION_STOP_THRESHOLD] = "the predicted pause fell below the threshold",
        [MIGRATION_STOP_ROUNDS] = "stopped at the limit of rounds",
        [MIGRATION_STOP_CLEAN] = "nothing was left to send",
        [MIGRATION_STOP_FEW] = "hardly a page was left",
        [MIGRATION_STOP_VOLUME] = "too much had been sent in all",
        [MIGRATION_STOP_NO_GAIN] = "a round sent more than the one before, at the highest rate",
        [MIGRATION_STOP_RATE] = "the guest wrote faster than pages may be sent",
        [MIGRATION_STOP_DIRTYING] = "too much was written again while pages were sent",
        [MIGRATION_STOP_TIME] = "the time for a VM of its size was over",
        [MIGRATION_STOP_PROGRESS] = "there was no progress for too long",
    };
    return decision < MIGRATION_DECISIONS ? texts[decision] : texts[MIGRATION_GO_ON];
}
