#include "cluster/migration_policy.h"

__extension__ typedef unsigned __int128 wide;

void migration_policy_measure(struct migration_progress *progress)
{
    if (progress->took_ns <= 0) {
        return;
    }
    uint64_t bps =
        (uint64_t)((wide)progress->sent_bytes * 8 * 1000000000u / (uint64_t)progress->took_ns);
    if (bps > progress->goodput_bps) {
        progress->goodput_bps = bps;
    }
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

enum migration_decision migration_policy_decide(const struct migration_policy *policy,
                                                const struct migration_progress *progress)
{
    if (progress->dirtied_pages == 0) {
        return MIGRATION_STOP_CLEAN;
    }
    if (policy->pause_threshold_ns > 0 &&
        migration_policy_pause_ns(progress) < policy->pause_threshold_ns) {
        return MIGRATION_STOP_THRESHOLD;
    }
    if (progress->round >= policy->rounds_max) {
        return MIGRATION_STOP_ROUNDS;
    }
    return MIGRATION_GO_ON;
}

const char *migration_decision_text(enum migration_decision decision)
{
    switch (decision) {
    case MIGRATION_STOP_THRESHOLD:
        return "the predicted pause fell below the threshold";
    case MIGRATION_STOP_ROUNDS:
        return "stopped at the limit of rounds";
    case MIGRATION_STOP_CLEAN:
        return "nothing was left to send";
    case MIGRATION_GO_ON:
        break;
    }
    return "goes on";
}
