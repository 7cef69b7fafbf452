/* testbed/sweep_point.h - the points of a scenario's `sweep`, as a run comes by them.
 *
 * A run of a scenario with a `sweep` counts its points: frames that match on a link, steps of a migration, or records of a kind. At the one
 * that `sweep.point` names the fault strikes; without one it never does. Whoever runs a whole sweep watches: it is asked at each point
 * whether the fault should strike here, and may stand there and fork.
 *
 *  P1. Up to its point a run is the run without the fault, to the bit: counting arms nothing, records nothing, draws nothing.
 *  P2. So what strikes at point n is the same run, however n was chosen: by the scenario or by the watcher.
 *  P3. The fault strikes once. A fault of single frames strikes the frame that is the point, as it arrives; any other begins in the next wave
 *      of the instant, and the frame or record that is the point has been. */
#ifndef ORRERY_TESTBED_SWEEP_POINT_H
#define ORRERY_TESTBED_SWEEP_POINT_H

#include "nic/frame.h"
#include "testbed/diagnostics.h"
#include "testbed/scenario.h"

struct world;
struct sweep_point;

/* Asked at each point, from 1, until the fault has struck; `what` says in a word or two what is there ("SYN", "pre-copy"). True: strike. */
struct sweep_watch {
    bool (*reached)(void *context, uint64_t point, const char *what);
    void *context;
};

/* Reads `at` of a scenario's sweep and says what is wrong with it. After names are known. */
void sweep_point_check(struct scenario *scenario, struct diagnostics *diagnostics);
/* Whether item `item` is the fault of a sweep over frames that is itself a fault of single frames. */
bool sweep_point_picks_frames(const struct scenario *scenario, uint32_t item);

/* For a world whose scenario sweeps; before the run. `strike` is called in an event of its own where the fault is none of single frames. */
struct sweep_point *sweep_point_new(struct world *world, const struct sweep_watch *watch,
                                    void (*strike)(void *context), void *context);
/* Counts no more: what is still recorded while the world is taken down is no point. */
void sweep_point_stop(struct sweep_point *point);
/* After the recorder's end, which still knows it. NULL is fine. */
void sweep_point_free(struct sweep_point *point);
/* A frame that matches: whether the fault strikes it. */
bool sweep_point_frame(struct sweep_point *point, const struct frame *frame);
/* Points that the run has come by. */
uint64_t sweep_point_count(const struct sweep_point *point);

#endif
