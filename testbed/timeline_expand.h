/* testbed/timeline_expand.h - items of the timeline that fire several times become as many items.
 *
 *     {at: 1s, every: 2s, times: 3, ... , as: blip}      blip-1 at 1 s, blip-2 at 3 s, blip-3 at 5 s
 *     {when: C, nth: 2, every: 2s, times: 3, ...}        as C becomes true for the second time; 2 s later; 4 s later
 *     {when: C, nth: 2, times: 3, ...}                   as C becomes true for the second, third and fourth time
 *
 * Each repetition is an item of its own from then on: it starts, ends, overlaps with others and is judged as if it stood in the file.
 * The name that was written stands for all of them: in a quantifier, and where an action names an item (`stop`, `cancel`).
 *
 *  E1. scenario.written keeps the file's items, as the schema filled them; scenario.timeline has the repetitions of one item in a row, in
 *      the order of the file.
 *      The item of `sweep` comes behind them all: it is in `timeline` and in `item_count`, not among the written or listed ones.
 *  E2. Repetitions differ in name, `at_ns`, `delay_ns` and `nth` alone. */
#ifndef ORRERY_TESTBED_TIMELINE_EXPAND_H
#define ORRERY_TESTBED_TIMELINE_EXPAND_H

#include "testbed/scenario.h"

#define TIMELINE_REPETITIONS_MAX 10000u
#define TIMELINE_ITEMS_MAX       100000u

/* Fills scenario.timeline from scenario.written, and names what has no name. */
void timeline_expand(struct scenario *scenario, struct diagnostics *diagnostics);
/* Names in written items have been looked up: the repetitions get the answers. */
void timeline_expand_actions(struct scenario *scenario);
/* What was decided for the first repetition holds for the others and for the written item. */
void timeline_expand_decided(struct scenario *scenario);

#endif
