/* nic/link_fault.h - what faults do to frames that arrive at the end of a link, and the frames that wait there because of it.
 *
 *                         ┌ lost ─► a record with the fault's cause
 *     end of the wire ──► decide ─► changed, copied ──┬────────────────────────────► arrives
 *                                                     └► held: `ordered` or `loose` ─┘
 *
 * A link asks here only while it has a fault, a tap or a frame that is held: one branch in nic/link.c. Each fault is a row of a table
 * (link_fault.c): what it does to a frame that it picks. It picks by its share, one keyed draw for each arrival, or by its selector.
 *
 *  F1. Decided as the frame reaches the end of the wire, by the faults active then. A frame that is lost suffers nothing else.
 *  F2. Draws are keyed by the link's path, the kind and the number of the arrival on this link since the start of the run, so that taking
 *      one fault away moves no draw of another (DESIGN idea 7).
 *  F3. Of settings of one kind without a selector the one that began last acts; those with a selector all act, in the order of their begin.
 *  F4. A frame that jitter holds is overtaken by none but those that a reordering holds; what a reordering holds is overtaken by all.
 *  F5. At one instant frames that were held come before the one that arrives, those in order before the loose ones.
 *  F6. A frame whose payload changes has a literal of its own in place of the slice: no page changes. Its digest is computed anew, and the
 *      difference is kept in `digests_made`, as is the digest of a copy.
 *  F7. What a fault does to a frame is a record that names the record that started it; jitter and delay write none, for they touch all.
 *
 * Bursts are the two-state model of Gilbert (Capacity of a burst-noise channel, BSTJ 39, 1960) and Elliott (Estimates of error rates for codes
 * on burst-noise channels, BSTJ 42, 1963), with the four parameters p, r, 1-h and 1-k as Hasslinger and Hohlfeld name them (The
 * Gilbert-Elliott model for packet loss in real time services on the Internet, MMB 2008). The link is good when the fault begins. */
#ifndef ORRERY_NIC_LINK_FAULT_H
#define ORRERY_NIC_LINK_FAULT_H

#include "nic/net.h"
#include "sim/chance.h"

enum link_fault {
    LINK_LOSS,      /* {share}: lost, "loss" */
    LINK_BURSTS,    /* {begin, end, loss within, loss between}: lost, "burst" */
    LINK_PARTITION, /* {}: lost, "partition" */
    LINK_BLACK_HOLE, /* {bytes}: an IP datagram, or a fragment of one, that is longer is lost, "black-hole" */
    LINK_CORRUPT,          /* {share}: its checksum is wrong; whoever checks it drops it */
    LINK_CORRUPT_REPAIRED, /* {share}: a byte of its payload is another, its checksums are right */
    LINK_DUPLICATE,        /* {share}: comes twice */
    LINK_REORDER,          /* {share, hold_ns}: comes later, overtaken by others */
    LINK_JITTER,           /* {up_to_ns, enum link_jitter}: comes later, none overtaken */
    LINK_DELAY,            /* {ns}: comes later, none overtaken */
    LINK_FAULTS
};
/* What NET_FRAME_CHANGED says of a frame that LINK_CORRUPT_REPAIRED changed: whoever reads streams must know. */
#define LINK_REPAIRED_TEXT "corrupted, checksum repaired"
/* Shares are parts per billion. */
#define LINK_FAULT_VALUES 4u

enum link_jitter {
    LINK_JITTER_UNIFORM, /* from 0 to up_to, evenly */
    LINK_JITTER_NORMAL, /* normal around up_to / 2, with a deviation of a sixth of up_to, cut off at 0 and up_to */
};

/* One fault on one direction of a link. */
struct link_fault_setting {
    enum link_fault kind;
    uint64_t cause; /* id of the record that started it: what tells settings of a kind apart */
    uint64_t values[LINK_FAULT_VALUES];
    /* Which arrivals it picks, in place of its share; NULL: by its share. Called once for each arrival while it is active, in order;
     * must not change the frame. `context` is borrowed until the fault ends. */
    bool (*selects)(void *context, const struct frame *frame);
    void *context;
};

struct link_fault_entry {
    struct link_fault_setting setting;
    bool acts;            /* F3: none of its kind that began later takes its place */
    bool bad;             /* bursts: within one */
    uint64_t touched;     /* frames that it picked */
    bool debt;            /* made by link_faults_owe: */
    uint64_t skip, count; /* of the arrivals to come, `count` after the next `skip` are picked */
};

struct link_held {
    struct frame *first, *last;
    uint32_t count;
};

/* All that a link keeps for its faults. Zero, but for net, before link_faults_init. */
struct link_faults {
    struct net *net;
    uint32_t origin;
    bool keyed;
    struct chance chances[LINK_FAULTS][2]; /* whether, and how much */
    struct link_fault_entry *entries;      /* in the order of their begin */
    uint32_t count, capacity;
    struct link_held ordered, loose; /* each in the order of arrival */
    sim_time ordered_until;          /* no frame of `ordered` arrives later */
    uint64_t digests_made;           /* modulo 2^64 (F6) */
    uint64_t frames_made;
};

/* What becomes of a frame that has reached the end of the wire. */
struct link_fate {
    const char *lost; /* the reason; NULL: it is not lost */
    uint64_t cause;   /* of the loss */
    bool twice;
    bool overtaken; /* waits in `loose` */
    sim_time hold_ns;
};

void link_faults_init(struct link_faults *faults, struct net *net, uint32_t origin);
/* Frees frames that are held, unrecorded. */
void link_faults_close(struct link_faults *faults);
/* Whether arrivals must ask: a fault is active, or a frame is held. */
static inline bool link_faults_act(const struct link_faults *faults)
{
    return faults->count > 0 || faults->ordered.count + faults->loose.count > 0;
}

/* A second begin with the same kind and cause replaces the first. */
void link_faults_begin(struct link_faults *faults, const struct link_fault_setting *setting);
/* Returns how many frames it picked; 0 where there is none. */
uint64_t link_faults_end(struct link_faults *faults, enum link_fault kind, uint64_t cause);

/* Does `setting` to the next `count` arrivals after skipping `skip`, whatever its share. A second call with the same kind and cause replaces
 * the first; a count of 0 takes it back, and one that is paid is gone by itself. */
void link_faults_owe(struct link_faults *faults, const struct link_fault_setting *setting,
                     uint64_t skip, uint64_t count);

/* Decides about arrival number `ordinal`, changes the frame where a fault does, and writes the records of what changed (F7). */
struct link_fate link_faults_decide(struct link_faults *faults, uint64_t ordinal,
                                    struct frame *frame);
/* The copy that a duplication makes, counted (F6). The caller owns it. */
struct frame *link_faults_copy(struct link_faults *faults, const struct frame *frame);
/* Whether a frame with this fate may not go on at once: it waits itself, or others wait in front of it (F4). */
bool link_faults_must_hold(const struct link_faults *faults, const struct link_fate *fate);
/* Takes the frame over, and sets its arrival. */
void link_faults_hold(struct link_faults *faults, const struct link_fate *fate,
                      struct frame *frame);
/* The instant at which the next held frame arrives; SIM_NEVER where none is. */
sim_time link_faults_next(const struct link_faults *faults);
/* Takes the next one out, if it is due by `until`; else NULL. */
struct frame *link_faults_take(struct link_faults *faults, sim_time until);
/* Adds the digests of held frames to *digests; returns their number. */
uint64_t link_faults_audit(const struct link_faults *faults, uint64_t *digests);
void link_faults_check(const struct link_faults *faults);

#endif
