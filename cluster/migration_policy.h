/* cluster/migration_policy.h - when pre-copy ends. Pure functions over what the rounds have shown so far.
 *
 * The default rule is Hyper-V's as published (DOMAIN section 2): at most 10 rounds, then whatever is left goes in the pause; it ends
 * earlier where the predicted pause is below a threshold. */
#ifndef ORRERY_CLUSTER_MIGRATION_POLICY_H
#define ORRERY_CLUSTER_MIGRATION_POLICY_H

#include "rt/rt.h"

struct migration_policy {
    uint32_t rounds_max;        /* at least 1 */
    rt_time pause_threshold_ns; /* 0: only the limit of rounds counts */
};

/* What a round showed. */
struct migration_progress {
    uint32_t round;         /* from 1 */
    uint64_t sent_bytes;    /* in this round, messages included */
    rt_time took_ns;        /* until the target had confirmed the round */
    uint64_t dirtied_pages; /* meanwhile: what the next round would send */
    uint64_t
        goodput_bps; /* best of all rounds so far, kept by migration_policy_measure; bits a second */
};

enum migration_decision {
    MIGRATION_GO_ON,
    MIGRATION_STOP_THRESHOLD, /* the predicted pause is below the threshold */
    MIGRATION_STOP_ROUNDS,    /* the limit of rounds is reached */
    MIGRATION_STOP_CLEAN,     /* nothing was written meanwhile */
};

/* Takes a finished round into account: goodput is the best seen, since a short round measures latency, not the link. */
void migration_policy_measure(struct migration_progress *progress);
/* How long the pages dirtied so far would take at that goodput; 0 when none, RT_FOREVER where nothing has been measured. */
rt_time migration_policy_pause_ns(const struct migration_progress *progress);
enum migration_decision migration_policy_decide(const struct migration_policy *policy,
                                                const struct migration_progress *progress);
const char *migration_decision_text(enum migration_decision decision);

#endif
