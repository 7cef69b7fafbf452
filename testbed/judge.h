/* testbed/judge.h - what the records say so far: the value of every property, and the truth of conditions.
 *
 * It listens to all records of a run (DESIGN idea 5) and keeps for each part and action of the scenario what testbed/property_table.h
 * promises. Expressions are evaluated against it: conditions of the timeline when what they read changes, expectations then or at the end.
 *
 *  J1. Nothing but records and the scenario goes into a value; reading a recording gives the same values.
 *  J2. A watched expression is evaluated after every record that changes a part it reads, and, where it reads a value that grows with
 *      time alone (paused-for), at the instants when the growing value passes one of the expression's time constants.
 *      What changed since the last time is looked up, and nothing else: a condition on a thousand parts costs what one part costs.
 *  J3. The value of such a property just before it falls back is seen too: paused-for at its longest, before the VM runs. */
#ifndef ORRERY_TESTBED_JUDGE_H
#define ORRERY_TESTBED_JUDGE_H

#include "sim/recorder.h"
#include "testbed/expression.h"
#include "testbed/histogram.h"
#include "testbed/property_table.h"

#define JUDGE_ACTUAL_BYTES 160u

struct judge;

/* Rounds of a migration, as its source reported them; the last one after the pause. */
struct judge_round {
    uint32_t round;
    uint64_t pages, zero_pages, bytes, dirtied;
    sim_time began, took, pause_if_stopped;
    uint64_t dirtied_before; /* pages that had been written when it began */
};

enum judge_step {
    JUDGE_WAITING,
    JUDGE_CONNECT,
    JUDGE_CONFIGURE,
    JUDGE_RESERVE,
    JUDGE_PRE_COPY,
    JUDGE_STOP_COPY,
    JUDGE_DISKS,
    JUDGE_RESUME,
    JUDGE_DONE,
    JUDGE_STEPS
};
const char *judge_step_word(enum judge_step step);

struct judge_migration {
    bool ordered, ended, completed, paused_known, running_known;
    enum judge_step step;
    sim_time started, ended_at, step_at[JUDGE_STEPS];
    sim_time paused_at, resumed_at; /* of the VM, in this migration */
    uint32_t from_node;
    uint32_t to_node;      /* SIM_NONE before a drain has chosen it */
    uint32_t resumed_node; /* where it ran again; SIM_NONE */
    struct judge_round *rounds;
    uint32_t round_count, rounds_capacity;
    bool has_final; /* the last round was sent after the pause */
    uint64_t pages_sent, zero_pages, bytes_sent;
    uint32_t timeouts[JUDGE_STEPS]; /* TCP time-outs of its connections, by step */
    sim_time waited[JUDGE_STEPS];   /* ... and how long one or more of those waited */
    sim_time waited_until;          /* the last of them ended */
    uint32_t network;               /* that its connection goes over; SIM_NONE before it is open */
    char rule[96], how[192];
    uint64_t rate_least_bps, rate_most_bps, skipped_pages; /* of all rounds; 0: no limit */
    uint32_t throttled_round, throttled_left;              /* the last change; 0: never */
    uint32_t first_throttled_round;
    struct judge_packed {
        uint64_t pages, before, after;
        sim_time busy;
    } packed[2]; /* at the source, at the target */
    uint32_t handover_given, handover_owned, handover_taken_back;
};

struct judge_ping {
    uint64_t sent, received, lost;
    sim_time last_reply, longest_gap, gap_from,
        gap_to; /* the longest: from one reply to the next, or to the end */
    bool open;  /* something has been sent since the last reply */
};

/* Round trips of pings, or times from request to whole response. */
struct judge_latency {
    sim_time min, max, sum;
    uint64_t count;
    struct histogram times;
};

/* A drain: what became of the node's VMs. */
struct judge_drain {
    uint32_t moved, failed;   /* those that stay are among the latter */
    sim_time longest_pause;   /* of a VM that it moved; SIM_NEVER: of none yet */
    uint32_t longest_item;    /* its migration; SIM_NONE */
    const char *const *stays; /* sentences: what fits nowhere, and why */
    uint32_t stay_count;
};

struct judge_vm {
    enum { JUDGE_VM_OFF, JUDGE_VM_RUNNING, JUDGE_VM_PAUSED, JUDGE_VM_FROZEN, JUDGE_VM_LOST } state;
    uint32_t node; /* SIM_NONE before it first ran */
    uint32_t instances;
    sim_time still_since, longest_pause;
    sim_time
        longest_downtime; /* of its migrations; SIM_NEVER: none has paused it and run it again */
    uint64_t pages_written;
    bool totals_known;
    bool asked_off; /* an administrator switched it off: what goes now is not lost */
};

struct judge_video; /* testbed/judge_guests.h */
struct judge_work;

/* Listens to `recorder` from now on. Scenario borrowed. `sim` (may be NULL when reading a recording) arms the evaluations of J2 under
 * `origin`. */
struct judge *judge_new(const struct scenario *scenario, struct recorder *recorder, struct sim *sim,
                        uint32_t origin);
void judge_free(struct judge *judge);
/* Judges one record: what the listener does; for readers of recordings. */
void judge_take(struct judge *judge, const struct record *record);
/* Frees what was watched and its events: nothing more is judged. Before the world is taken down. */
void judge_rest(struct judge *judge);
/* The run is over at `now`: open gaps and pauses are closed. */
void judge_finish(struct judge *judge, sim_time now);
/* Before judge_finish: somebody stopped the run before its end, so what was to hold at the end stays unknown. */
void judge_cut_short(struct judge *judge);

/* Present value of a property. */
struct expression_value judge_value(const struct judge *judge, struct scenario_part part,
                                    const struct property_row *property);
enum truth judge_evaluate(const struct judge *judge, const struct expression *expression);
const char *judge_actual(const struct judge *judge, const struct expression *expression, char *out,
                         size_t capacity);

/* Calls `changed` with the truth of an expression whenever it has been evaluated and differs from the last time (first: at once).
 * It may arm events, nothing else. */
void judge_watch(struct judge *judge, const struct expression *expression,
                 void (*changed)(void *context, enum truth truth), void *context);

const struct judge_migration *judge_migration(const struct judge *judge,
                                              uint32_t item); /* by item of the timeline */
void judge_drain(const struct judge *judge, uint32_t item, struct judge_drain *out);
const struct judge_ping *judge_ping(const struct judge *judge, uint32_t item);
const struct judge_latency *judge_latency(const struct judge *judge, uint32_t item);
const struct judge_video *judge_video(const struct judge *judge, uint32_t item);
const struct judge_work *judge_work(const struct judge *judge, uint32_t vm);
const struct judge_vm *judge_vm(const struct judge *judge, uint32_t vm);
/* Processor time that a node's software used, known at the end of the run; 0 before. */
sim_time judge_node_busy(const struct judge *judge, uint32_t node);
/* The last address that a machine claimed because of this fault, in host byte order; 0 where there was none. */
uint32_t judge_claimed_address(const struct judge *judge, uint32_t item);
/* What its cores gave to vCPUs, as well. */
sim_time judge_node_guests(const struct judge *judge, uint32_t node);
/* When an action started and ended; SIM_NEVER where it did not. `how` is the text of its end, "" before. */
sim_time judge_action_start(const struct judge *judge, uint32_t item);
sim_time judge_action_end(const struct judge *judge, uint32_t item, const char **how);

/* ---- expectations -------------------------------------------------------------------------------------------------------- */
struct judge_expectation {
    enum truth held; /* true: pass; unknown: it spoke of something that never happened */
    sim_time
        decided_at; /* when never, always or within was decided; SIM_NEVER for those judged at the end */
    char actual[JUDGE_ACTUAL_BYTES];
};
/* Watches all expectations of the scenario; before the run. */
void judge_expect(struct judge *judge);
/* After judge_finish. */
void judge_expectation(const struct judge *judge, uint32_t index, struct judge_expectation *out);

#endif
