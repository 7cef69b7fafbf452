/* testbed/judge_private.h - what the parts of the judge share:
 *
 *     judge.c             which part a record speaks of, who takes it; actions and machines
 *     judge_migration.c   migrations and VMs
 *     judge_traffic.c     pings, requests, bulk transfers, frames, connections
 *     judge_value.c       what a property is worth now
 *     judge_watch.c       conditions that somebody waits for
 *     judge_expect.c      expectations
 *     judge_sequence.c    ... that are sequences
 *
 * For those files alone. */
#ifndef ORRERY_TESTBED_JUDGE_PRIVATE_H
#define ORRERY_TESTBED_JUDGE_PRIVATE_H

#include "testbed/judge.h"
#include "testbed/judge_guests.h"

enum judge_kind {
    KIND_OTHER,
    KIND_ACTION_STARTS,
    KIND_ACTION_ENDS,
    KIND_MACHINE,
    KIND_FRAME_LOST,
    KIND_FAULT_STARTS,
    KIND_FAULT_HITS,
    KIND_FRAME_CHANGED,
    KIND_ARP_CLAIMED,
    KIND_MIGRATION_ORDERED,
    KIND_MIGRATION_STEP,
    KIND_MIGRATION_ROUND,
    KIND_MIGRATION_RULE,
    KIND_MIGRATION_HANDOVER,
    KIND_MIGRATION_ENDED,
    KIND_VM_CREATED,
    KIND_VM_RUNS,
    KIND_VM_PAUSED,
    KIND_VM_GONE,
    KIND_VM_TOTALS,
    KIND_LINK_TOTALS,
    KIND_NODE_TOTALS,
    KIND_TCP_OPENED,
    KIND_TCP_TIMEOUT,
    KIND_TCP_RECOVERY,
    KIND_TCP_CLOSED,
    KIND_PING_SENT,
    KIND_PING_REPLY,
    KIND_PING_LOST,
    KIND_REQUEST_SENT,
    KIND_REQUEST_DONE,
    KIND_REQUEST_LOST,
    KIND_BULK_PROGRESS,
    KIND_BULK_DONE,
    KIND_TRAFFIC_ENDED,
    KIND_VM_WORK,
    KIND_NODE_GUESTS,
    KIND_VIDEO,
    KIND_MIGRATION_PACE,
    KIND_MIGRATION_THROTTLED,
    KIND_MIGRATION_PACKED,
    KIND_DRAIN_MOVES,
    KIND_DRAIN_STAYS,
};

/* Before its first record nobody knows. */
enum judge_power { JUDGE_UNSEEN, JUDGE_POWERED_DOWN, JUDGE_RUNNING, JUDGE_FROZEN };

struct judge_item {
    sim_time started_at, ended_at;
    char how[192];
    struct judge_migration migration;
    struct judge_ping ping; /* also of requests: sent, answered, failed, gaps */
    struct judge_latency latency;
    struct judge_video video;
    uint64_t bulk_bytes, bulk_damaged;
    sim_time bulk_took;
    bool bulk_done;
    uint64_t timeouts, retransmissions, reconnects;
    uint32_t server; /* of a request: the address that its first connection was opened to; 0 */
    uint64_t hits;
    uint32_t claimed_address;
    char **stays; /* of a drain */
    uint32_t stay_count;
    uint64_t fault_first, fault_last; /* ids of the records that began it */
};

struct judge_traffic {
    uint64_t drops, frames, bytes, queue_peak;
    bool known; /* the totals at the end of the run have come */
};

/* An expression that somebody wants to know about. */
struct judge_watch_entry {
    struct judge *judge;
    uint32_t number; /* they are evaluated in the order in which they came */
    const struct expression *expression;
    struct expression_memory *memory; /* or NULL */
    void (*changed)(void *context, enum truth truth);
    void *context;
    enum truth was;
    bool due;       /* a part that it reads has changed */
    uint32_t event; /* for values that grow with time alone; SIM_NONE: it reads none */
};

/* Who reads a part: a watch, as part `index` of a quantifier or by name. */
struct judge_reader {
    struct judge_watch_entry *watch;
    uint32_t quantifier, index; /* quantifier SIM_NONE: by name */
};
struct judge_readers {
    struct judge_reader *items;
    uint32_t count, capacity;
};

/* How far a sequence has come: of all ways to reach a step the one that began last, for it has most time left. */
struct judge_step_state {
    struct judge_expect_state *state;
    uint32_t step;
    sim_time began;   /* of that way, when its first step happened; SIM_NEVER: not reached */
    sim_time reached; /* when this step did */
    uint32_t kind;    /* of the record that it waits for; SIM_NONE: a condition */
};

struct judge_expect_state {
    enum truth held;
    sim_time decided_at;
    sim_time deadline; /* within: open until then; SIM_NEVER: not running */
    uint32_t event;
    bool decided;
    char actual[JUDGE_ACTUAL_BYTES];
    struct judge_step_state *steps; /* of a sequence */
    struct judge *judge;
    uint32_t index;
};

struct judge {
    const struct scenario *scenario;
    struct recorder *recorder;
    struct sim *sim;
    uint32_t origin;
    sim_time now;
    bool finished;
    bool cut_short; /* by a signal */
    struct {
        struct scenario_part part;
        bool known;
    } * origins;
    uint32_t origin_count;
    uint8_t *kinds; /* enum judge_kind by the recorder's number, and JUDGE_KIND_IN_SEQUENCE */
    uint32_t kind_count;
    struct judge_item *items;
    struct judge_vm *vms;
    struct judge_work *work; /* by VM */
    enum judge_power *nodes, *clients;
    sim_time *busy;   /* of nodes */
    sim_time *guests; /* of nodes: processor time of vCPUs */
    struct judge_traffic *links, *networks;
    struct judge_expect_state *expectations;
    struct judge_watch_entry **watches;
    uint32_t watch_count, watch_capacity;
    struct judge_watch_entry **due; /* that are to be evaluated; as large as `watches` */
    uint32_t due_count;
    struct judge_readers *readers; /* of each part */
    uint32_t part_base[SCENARIO_PART_KINDS], part_count;
};

/* A sequence waits for records of that kind. */
#define JUDGE_KIND_IN_SEQUENCE 0x80u

/* The resolver (expression.h) whose context is the judge. */
struct expression_value judge_resolve(void *context, const struct expression_reference *reference);
struct scenario_part judge_part_of(struct judge *judge, uint32_t origin);
/* Something about a part has changed: marks the expressions that read it. */
void judge_changed(struct judge *judge, struct scenario_part part);
/* Evaluates what is marked. */
void judge_evaluate_changed(struct judge *judge);
/* Evaluates all that read a part, as things stand (J3). */
void judge_evaluate_part(struct judge *judge, struct scenario_part part);
/* A VM has begun to stand still: arms the instants at which conditions on paused-for can change (J2). */
void judge_time_passes(struct judge *judge, uint32_t vm);
/* Numbers the parts; before the first watch. */
void judge_number_parts(struct judge *judge);
void judge_free_watches(struct judge *judge);
/* Says how an expectation came out, the first time that it is asked to. */
void judge_decide(struct judge_expect_state *state, enum truth held);
void judge_sequence_begin(struct judge_expect_state *state);
/* The run is over, and the sequence has not been completed. */
void judge_sequence_finish(struct judge_expect_state *state);
const char *judge_sequence_actual(const struct judge_expect_state *state, char *out,
                                  size_t capacity);
/* A record of a kind that a sequence waits for. */
void judge_take_in_sequence(struct judge *judge, const struct record *record);
void judge_free_expectations(struct judge *judge);
void judge_finish_expectations(struct judge *judge);

/* ---- takers: what a record of those kinds changes ------------------------------------------------------------------------------ */

void judge_take_migration(struct judge *judge, enum judge_kind kind, const struct record *record);
void judge_take_drain(struct judge *judge, enum judge_kind kind, const struct record *record);
/* Of a migration, and of the drain that it is a part of. */
void judge_migration_changed(struct judge *judge, uint32_t item);
void judge_take_vm(struct judge *judge, enum judge_kind kind, const struct record *record);
/* A VM is turned off, hangs or goes on. */
void judge_take_vm_machine(struct judge *judge, struct scenario_part part,
                           const struct record *record);
/* A node lost power: migrations from there that had not passed their commit point are over, and nobody is left to say so. */
void judge_end_with_source(struct judge *judge, uint32_t node, sim_time now);
void judge_end_migration(struct judge *judge, uint32_t item, sim_time now, bool completed,
                         const char *how);
void judge_take_traffic(struct judge *judge, enum judge_kind kind, const struct record *record);
/* A reply came, or the run ends, at `now`: the gap since the last one is over. */
void judge_take_gap(struct judge_item *item, sim_time now);
/* Something happened to a frame because of a fault: it has hit. What a machine or a switch loses while it is struck is no hit of its own. */
void judge_take_hit(struct judge *judge, const struct record *record);
/* A machine claimed an address because of a fault. */
void judge_take_claim(struct judge *judge, const struct record *record);
void judge_take_frame_lost(struct judge *judge, const struct record *record);
void judge_take_link_totals(struct judge *judge, const struct record *record);
void judge_take_timeout(struct judge *judge, const struct record *record);
void judge_take_tcp_opened(struct judge *judge, const struct record *record);
void judge_take_tcp_closed(struct judge *judge, const struct record *record);

#endif
