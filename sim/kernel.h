/* sim/kernel.h - one clock, one order: the event queue and the run loop.
 *
 *   event_new ──► idle ──event_arm──► queued ──(its instant)──► idle, callback runs
 *                  ▲                    │
 *                  └────event_cancel────┘        event_free from either
 *
 * An event is a permanent record {callback, context, origin}, armed as often as wanted; a call is an event that frees itself when it
 * has run. The order of all callbacks of a run is that of the keys (time, wave, origin, sequence):
 *
 *  K1. Keys only rise. What is armed for the present instant goes into the next wave of that instant; what is armed for a
 *      later one goes into wave 0 there. Arming for the past is an assertion.
 *  K2. Within a wave events run by (rank of origin, sequence). Ranks are the order of the sorted path names, fixed by
 *      sim_origins_seal; sequence counts every arming of the run.
 *  K3. Re-arming a queued event moves it, as if cancelled and armed: it takes a new sequence.
 *  K4. Nothing but keys decides the order: no pointer, no index of a record, no allocation history.
 *  K5. A cancelled or freed event never runs, even if it stands in the present wave.
 *  K6. More than SIM_WAVES_MAX waves in an instant is a livelock and fails an assertion that names the origin.
 *
 * The queue (sim/radix_queue.h) is a monotone radix heap: events lie in slots by the highest 5-bit digit in which their time differs
 * from the present one, so arming is O(1) and every event moves to a lower level at most 12 times, in practice once or twice. Postponing
 * an event leaves its entry where it is and moves it when it surfaces, which makes a retransmission timer that is put off by every
 * acknowledgement cost one store. Entries of cancelled events are dropped when they surface, or all at once when they
 * outnumber the live ones. (Ahuja, Mehlhorn, Orlin, Tarjan: Faster Algorithms for the Shortest Path Problem, JACM 1990.) */
#ifndef ORRERY_SIM_KERNEL_H
#define ORRERY_SIM_KERNEL_H

#include "sim/types.h"

#define SIM_WAVES_MAX 100000

struct sim;

typedef void sim_callback(void *context);

struct sim_options {
    uint64_t seed;
    bool ties_shuffle; /* permute the ranks of origins by a keyed draw (chance site "sim.ties") */
};

/* A new kernel at time 0 with no origins. Owned by the caller, closed by sim_close, which frees all events. */
struct sim *sim_new(const struct sim_options *options);
void sim_close(struct sim *sim);

/* ---- origins ------------------------------------------------------------------------------------------------------
 * An origin is a part that the scenario names. Its path ("node1/migration") must be unique and is copied. All origins are
 * added, then sealed; only then may events be armed. */
uint32_t sim_origin_add(struct sim *sim, const char *path);
void sim_origins_seal(struct sim *sim);
uint32_t sim_origin_count(const struct sim *sim);
const char *sim_origin_path(const struct sim *sim, uint32_t origin);
/* The origin of a path, or SIM_NONE; after the seal. */
uint32_t sim_origin_find(const struct sim *sim, const char *path);

/* ---- events ------------------------------------------------------------------------------------------------------- */

/* A new idle event; the index stays valid until event_free. Amortised O(1); allocates when the pool grows. */
uint32_t sim_event_new(struct sim *sim, uint32_t origin, sim_callback *callback, void *context);
void sim_event_free(struct sim *sim, uint32_t event);
/* Queues an idle event, or moves a queued one (K3), to `at`, now <= at < SIM_NEVER. Never allocates for a postponed event. */
void sim_event_arm(struct sim *sim, uint32_t event, sim_time at);
/* Takes a queued event out of the queue; an idle one is left as it is. A call that is cancelled is gone. */
void sim_event_cancel(struct sim *sim, uint32_t event);
bool sim_event_queued(const struct sim *sim, uint32_t event);
/* The instant a queued event will run at, SIM_NEVER for an idle one. */
sim_time sim_event_time(const struct sim *sim, uint32_t event);
/* Runs `callback` once at `at`. The index can be cancelled or re-armed until then; it is free when the callback begins. */
uint32_t sim_call_at(struct sim *sim, uint32_t origin, sim_time at, sim_callback *callback,
                     void *context);

/* ---- running ------------------------------------------------------------------------------------------------------ */
enum sim_stop {
    SIM_STOP_IDLE,  /* nothing is queued; now is the instant of the last event */
    SIM_STOP_UNTIL, /* the next event is after until; now is `until` */
    SIM_STOP_ASKED, /* sim_stop was called: all waves up to the callback's are complete, that wave to its end */
};

/* Runs events with time <= until; until >= now. Not from a callback. */
enum sim_stop sim_run(struct sim *sim, sim_time until);
/* Makes sim_run return after the present wave. Callable from callbacks only. */
void sim_stop(struct sim *sim);
/* Asynchronous stop: the one call that a signal handler may make. sim_run returns SIM_STOP_ASKED soon. */
void sim_interrupt(struct sim *sim);

uint64_t sim_seed(const struct sim *sim);
uint64_t sim_events_run(const struct sim *sim);
/* Number of the present wave, from 0 at each instant; waves whose events were all cancelled are not counted. */
uint32_t sim_wave(const struct sim *sim);
/* Origin of the running callback, SIM_NONE outside of sim_run. */
uint32_t sim_running_origin(const struct sim *sim);
/* Events queued now; 0 at the end of a run that leaked none. */
size_t sim_events_queued(const struct sim *sim);
/* Asserts all invariants of the queue (O(n)). */
void sim_check(const struct sim *sim);

/* The present instant. First in the structure, so that reading the clock is one load. */
struct sim_clock {
    sim_time now;
};
static inline sim_time sim_now(const struct sim *sim)
{
    return ((const struct sim_clock *)(const void *)sim)->now;
}

#endif
