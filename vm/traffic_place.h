/* vm/traffic_place.h - where one end of traffic is now: private to the traffic of vm/traffic.h.
 *
 *     open ─► looking ──the end has a machine that runs──► attached ──crash, or the VM runs elsewhere──► looking ...
 *                └──nothing there──► gone, and look again every TRAFFIC_LOOK_NS
 *
 * The end's machine and stack are asked for again whenever they may have changed. Between `attached` and `detached` both pointers
 * are good: a machine crashes before it and its stack are freed, and a crash detaches.
 *
 *  E1. After a move `attached` says that it goes on: the new machine's clock continues that of the old one, and saved connections
 *      are there to be taken up (traffic_place_connection). After a crash it does not.
 *  E2. While the machine stands still, the end is looked up every TRAFFIC_LOOK_NS: its VM may run elsewhere by now.
 *  E3. Nothing is done to a machine that stands still: its state is what was saved, and is compared with it. */
#ifndef ORRERY_VM_TRAFFIC_PLACE_H
#define ORRERY_VM_TRAFFIC_PLACE_H

#include "vm/traffic.h"

#define TRAFFIC_LOOK_NS SIM_MS

struct traffic_place {
    struct net *net;
    struct traffic_end end;
    void (*attached)(void *context, bool goes_on); /* makes timers, takes up what was there */
    void (*detached)(void *context);               /* lets go of timers and connections */
    void (*gone)(void *context); /* there is no machine: told once after each detach */
    void *context;
    struct machine *machine; /* NULL while not attached */
    struct ip_stack *stack;
    uint32_t look_event;
    bool stopped;     /* the machine stood still when last heard of, ... */
    bool left;        /* ... and was left like that, at ... */
    sim_time left_at; /* ... this time of its own */
    bool told_gone;
};

/* The caller has filled in net, end, the three callbacks and context; looks for the first time. `origin` is the action's. */
void traffic_place_open(struct traffic_place *place, uint32_t origin);
/* Detaches; no callback but `detached` follows. Twice is fine. */
void traffic_place_close(struct traffic_place *place);
/* The live connection of that flow in the end's stack, without a user; NULL where there is none. */
struct tcp_connection *traffic_place_connection(const struct traffic_place *place, uint64_t flow);
/* Resets a connection of the attached machine, or finishes it; where the machine stands still it only lets go of it (E3). NULL is fine, and
 * NULL is what stays. */
void traffic_place_abort(const struct traffic_place *place, struct tcp_connection **connection);
void traffic_place_release(const struct traffic_place *place, struct tcp_connection **connection);
/* Only lets go of it. */
void traffic_place_forget(struct tcp_connection **connection);
static inline bool traffic_place_runs(const struct traffic_place *place)
{
    return place->machine != NULL && machine_runs(place->machine);
}

/* A record of the action. Returns its id. */
static inline uint64_t traffic_say(const struct traffic_common *common, enum vm_record kind,
                                   uint64_t cause, const int64_t *values, const char *text)
{
    return recorder_record(common->net->recorder, common->record_base + kind, common->origin, cause,
                           values, text);
}

#endif
