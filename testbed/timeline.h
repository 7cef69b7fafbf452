/* testbed/timeline.h - drives a world: does what the scenario says, when it says, and knows when the run is over.
 *
 *  T1. An item with `at` fires at that instant; one with `when` fires `delay` after its condition became true for the nth time, in an event of
 *      its own: no earlier than the next wave.
 *  T2. An action has started when it fired, and has ended when its record says so (RUN_ACTION_ENDS, or a migration's own).
 *  T3. The run ends as scenario_end says; timeline_ended tells why. */
#ifndef ORRERY_TESTBED_TIMELINE_H
#define ORRERY_TESTBED_TIMELINE_H

#include "testbed/judge.h"
#include "testbed/sweep_point.h"
#include "testbed/world.h"

struct timeline;

/* Arms everything; the world is powered on at time 0 by the first event. All are borrowed. `watch` is asked at the points of a sweep; NULL:
 * nobody is. */
struct timeline *timeline_new(struct world *world, struct judge *judge,
                              const struct sweep_watch *watch);
/* Stops and frees what is still running (pings, requests, bulk transfers, faults). Before world_take_down. */
void timeline_free(struct timeline *timeline);
/* The latest instant at which the run may end. */
sim_time timeline_at_most(const struct timeline *timeline);
/* The run is over: records what actions still have to say. */
void timeline_finish(struct timeline *timeline);
/* Why the run was stopped, NULL if it was not. */
const char *timeline_ended(const struct timeline *timeline);

#endif
