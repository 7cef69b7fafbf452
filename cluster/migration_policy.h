/* cluster/migration_policy.h - when pre-copy ends, how fast it sends, and what is done where it does not converge. Pure functions over
 * what the rounds have shown so far; the source's task (cluster/live_migration.c) calls them and acts.
 *
 *      begin ─► for each round:  sample, while it is sent ─► measure ─► decide ─► act ─► next rate
 *
 * A policy is a set of constants. Those of the systems that published theirs stand in a table (migration_policy_named); each may be
 * changed by itself.
 *
 *               rounds  pause    few pages   volume   no gain   rate, Mbit/s       not converging
 *  hyper-v      10      50 ms    -           -        -         -                  switch
 *  qemu         -       300 ms   -           -        -         128 MiB/s          throttle 20 % + 10 % ... 99 %
 *  xen          29      -        50 of round 3 x RAM  yes       100 ... 500, + 50  switch
 *  xen-2005     29      -        64 left     3 x RAM  -         the same; beyond its maximum it stops
 *  xen-later    5       -        50 left     -        -         -                  switch
 *  kubevirt     -       300 ms   -           -        -         -                  150 s/GiB, 150 s without progress: abort
 *
 * Sources: Hyper-V R2 as published (docs/models.md); Xen tools/libxc xc_domain_save.c (3.x, 4.0) and simple_precopy_policy (4.7 on); Clark
 * et al., NSDI 2005, section 5.2; QEMU migration/ram.c (migration_trigger_throttle) and migration/options.c; KubeVirt's user guide.
 *
 *  O1. A rule whose constant is 0 is not in force.
 *  O2. Nothing is predicted from nothing: without a measured goodput no pause is below any threshold.
 *  O3. A throttle only rises, up to its maximum, and is taken away by whoever set it when pre-copy ends.
 *  O4. A rate is never below where it started nor above its maximum; without a maximum there is none. */
#ifndef ORRERY_CLUSTER_MIGRATION_POLICY_H
#define ORRERY_CLUSTER_MIGRATION_POLICY_H

#include "rt/rt.h"

/* Progress and time limits are looked at so often, as KubeVirt's monitor does. */
#define MIGRATION_SAMPLE_NS 500000000
/* Rounds are gathered for so long before they are judged for their dirty rate, as QEMU's. */
#define MIGRATION_PERIOD_NS 1000000000
/* A shorter round tells nothing of the bandwidth where the last round's counts, as QEMU's window. */
#define MIGRATION_WINDOW_NS 100000000

enum migration_policy_name {
    MIGRATION_HYPER_V,
    MIGRATION_QEMU,
    MIGRATION_XEN,
    MIGRATION_XEN_2005,
    MIGRATION_XEN_LATER,
    MIGRATION_KUBEVIRT,
    MIGRATION_POLICIES
};

/* What to do when a rule says that it does not converge. */
enum migration_remedy {
    MIGRATION_SWITCH,   /* pause the VM and send what is left */
    MIGRATION_ABORT,    /* the VM stays */
    MIGRATION_THROTTLE, /* slow the guest down, more each time; at the most of it, switch */
};

struct migration_policy {
    uint32_t rounds_max;
    rt_time pause_threshold_ns; /* stop when the predicted pause is below */
    uint64_t pages_few;         /* stop when there are fewer pages than that ... */
    bool few_of_round; /* ... sent and skipped in the round that ends (Xen); else left to send */
    uint32_t sent_percent_max; /* of RAM, in all rounds together */
    bool stop_at_no_gain; /* a round sent more pages than the one before, at the highest rate */
    bool stop_at_rate;    /* the next round's rate would be above the maximum */
    bool skip_redirtied;  /* a page written again before its turn in a round waits for the next */
    uint32_t
        look_pages; /* ... which is looked at once for so many pages sent; at least 1 where it skips */
    bool last_bandwidth; /* predict by the last round that lasted long enough; else by the best */
    uint64_t rate_start_bps, rate_step_bps, rate_max_bps; /* next = dirty rate + step */
    uint64_t rate_final_bps;                              /* after the pause */
    uint64_t cap_bps; /* `bandwidth`: no rate is above; 0: no cap */
    enum migration_remedy remedy;
    uint32_t trigger_percent; /* twice so much written as sent: it does not converge */
    uint32_t throttle_first_percent, throttle_step_percent, throttle_percent_max;
    rt_time limit_ns_per_gib;  /* of RAM, whole GiB rounded up */
    rt_time progress_limit_ns; /* without less left to send than ever before */
};

/* What the rounds showed. Set up by migration_policy_begin; in each round the caller fills in the second group. */
struct migration_progress {
    uint32_t round;                     /* from 1 */
    uint64_t sent_bytes;                /* in this round, messages included */
    rt_time took_ns;                    /* until the target had confirmed the round */
    uint64_t dirtied_pages;             /* meanwhile: what the next round would send */
    uint64_t goodput_bps;               /* kept by migration_policy_measure; bits a second */
    uint64_t sent_pages, skipped_pages; /* in this round */
    /* kept by the functions below */
    uint64_t ram_pages;
    uint64_t sent_pages_before; /* in the round before; RAM before the first */
    uint64_t sent_pages_total;  /* in all rounds */
    uint64_t rate_bps;          /* of this round; 0: unlimited */
    uint64_t wanted_bps;        /* what the next would be without a maximum */
    uint32_t throttle_percent;  /* taken from the guest; 0: none */
    uint32_t high_count;        /* periods in which too much was written */
    rt_time period_ns;          /* the present period so far, and ... */
    uint64_t period_sent_bytes, period_dirtied_pages; /* ... what happened in it */
    rt_time began_at, sampled_at, progressed_at;
    uint64_t least_left_pages;
};

enum migration_decision {
    MIGRATION_GO_ON,
    MIGRATION_STOP_THRESHOLD, /* the predicted pause is below the threshold */
    MIGRATION_STOP_ROUNDS,    /* the limit of rounds is reached */
    MIGRATION_STOP_CLEAN,     /* nothing was written meanwhile */
    MIGRATION_STOP_FEW,       /* hardly anything is left */
    MIGRATION_STOP_VOLUME,    /* too much has been sent in all */
    MIGRATION_STOP_NO_GAIN,   /* this round sent more than the last */
    MIGRATION_STOP_RATE,      /* it is written faster than may be sent */
    MIGRATION_STOP_DIRTYING,  /* too much was written in two periods */
    MIGRATION_STOP_TIME,      /* the time for its size is over */
    MIGRATION_STOP_PROGRESS,  /* nothing got better for too long */
    MIGRATION_DECISIONS
};

/* The constants of a published policy. */
struct migration_policy migration_policy_named(enum migration_policy_name name);
/* Whether constants make sense together: some rule ends it, the throttle rises, rates are in order. */
bool migration_policy_valid(const struct migration_policy *policy);

/* All zero but what a first round needs. */
void migration_policy_begin(const struct migration_policy *policy,
                            struct migration_progress *progress, uint64_t ram_pages, rt_time now);
/* Between two batches of a round, with the pages of it that are left: GO_ON, TIME or PROGRESS. */
enum migration_decision migration_policy_sample(const struct migration_policy *policy,
                                                struct migration_progress *progress, rt_time now,
                                                uint64_t left_pages);
/* Takes a finished round into account: goodput is the best seen, since a short round measures latency, not the link, or where the policy
 * says so the last one that lasted MIGRATION_WINDOW_NS. */
void migration_policy_measure(const struct migration_policy *policy,
                              struct migration_progress *progress);
/* How long the pages dirtied so far would take at that goodput; 0 when none, RT_FOREVER where nothing has been measured. */
rt_time migration_policy_pause_ns(const struct migration_progress *progress);
/* What a finished round that has been measured says. */
enum migration_decision migration_policy_decide(const struct migration_policy *policy,
                                                const struct migration_progress *progress);
/* Whether that decision says that it does not converge. */
bool migration_decision_is_remedied(enum migration_decision decision);
/* What is done about a decision: GO_ON, with a higher throttle where the remedy is that; ABORT or SWITCH otherwise. */
enum migration_act { MIGRATION_ACT_GO_ON, MIGRATION_ACT_SWITCH, MIGRATION_ACT_ABORT };
enum migration_act migration_policy_act(const struct migration_policy *policy,
                                        struct migration_progress *progress,
                                        enum migration_decision decision);
/* Before the next round: its rate, and what the round before had sent. */
void migration_policy_next_round(const struct migration_policy *policy,
                                 struct migration_progress *progress);
/* The rate after the pause; 0: unlimited. */
uint64_t migration_policy_final_bps(const struct migration_policy *policy);
/* How long `bytes` take at a rate; 0 for none. */
rt_time migration_policy_pace_ns(uint64_t rate_bps, uint64_t bytes);
const char *migration_decision_text(enum migration_decision decision);

#endif
