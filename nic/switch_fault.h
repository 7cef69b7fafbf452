/* nic/switch_fault.h - what goes wrong inside a switch: announcements that it loses or repeats, and pairs of ports between which frames
 * vanish or take long.
 *
 * A switch asks here only while something is active: one branch in nic/ether_switch.c. Its table and its power are its own affair.
 *
 *  X1. An announcement is a gratuitous ARP: sender and target address are the same (RFC 5227, section 3). One that is lost has not been
 *      seen by the switch either: nothing is learnt from it.
 *  X2. Draws are keyed by the switch's path and the number of the announcement, or of the frame that a pair rule saw since the run began:
 *      opportunities count only while the switch asks here, which is from the first fault of a run of the switch on.
 *  X3. Of pair rules that fit a frame all act, in the order of their begin: each may lose it, delays add up.
 *  X4. What a rule delays keeps its order, also when the rule ends: it leaves when its time has come. */
#ifndef ORRERY_NIC_SWITCH_FAULT_H
#define ORRERY_NIC_SWITCH_FAULT_H

#include "nic/net.h"
#include "sim/chance.h"

/* What happens to frames that enter by a port of one group and leave by a port of the other. */
struct switch_pair {
    const uint32_t *from, *to; /* ports; copied */
    uint32_t from_count, to_count;
    bool one_way; /* only from `from` to `to` */
    bool cut;     /* none gets through: "partition" */
    uint64_t loss_per_billion;
    sim_time delay_ns;
    uint64_t cause;
};

/* Gratuitous ARPs. */
struct switch_announcements {
    uint64_t loss_per_billion, loss_cause;
    uint32_t repeats; /* copies besides the first */
    uint64_t repeats_cause;
};

struct switch_waiting {
    struct frame *frame;
    uint32_t port;
    sim_time until;
};

struct switch_rule {
    bool *from, *to; /* by port */
    struct switch_pair pair;
    uint64_t delayed; /* frames that it delayed */
};

struct switch_faults {
    struct net *net;
    uint32_t origin, ports;
    struct chance announcement_chance, pair_chance;
    uint64_t announcements_seen, pairs_seen;
    struct switch_announcements announcements;
    struct switch_rule *rules;
    uint32_t rule_count, rule_capacity;
    /* Frames that a delay holds, in the order in which they leave. */
    struct switch_waiting *waiting;
    uint32_t waiting_count, waiting_capacity;
    uint32_t event;
    void (*leave)(void *context, uint32_t port, struct frame *frame);
    void *context;
};

/* `leave` sends a frame that was delayed out by a port. */
void switch_faults_init(struct switch_faults *faults, struct net *net, uint32_t origin,
                        uint32_t ports,
                        void (*leave)(void *context, uint32_t port, struct frame *frame),
                        void *context);
void switch_faults_close(struct switch_faults *faults);
/* Whether frames must ask. */
bool switch_faults_act(const struct switch_faults *faults);

void switch_faults_begin_pair(struct switch_faults *faults, const struct switch_pair *pair);
/* Returns how many frames its delay touched; 0 where there is no such rule. */
uint64_t switch_faults_end_pair(struct switch_faults *faults, uint64_t cause);
void switch_faults_set_announcements(struct switch_faults *faults,
                                     const struct switch_announcements *announcements);

/* A frame comes in. True: it was an announcement, and is lost. `*repeats` is how often more it is to be sent on. */
bool switch_faults_receive(struct switch_faults *faults, struct frame *frame, uint32_t *repeats);
/* A frame is about to leave. True: it may; false: it was lost, or is held, and is no longer the caller's. */
bool switch_faults_send(struct switch_faults *faults, uint32_t in, uint32_t out,
                        struct frame *frame);
/* The switch lost power: what is held is lost. */
void switch_faults_lose(struct switch_faults *faults, uint64_t cause);
void switch_faults_check(const struct switch_faults *faults);

#endif
