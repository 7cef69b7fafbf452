/* testbed/fault_trigger.h - which frames a fault of a link acts on: all that match `frames`, the n-th, every k-th, or each with a probability.
 *
 *     frame arrives ──► matches `frames`? ──► counts as an opportunity ──► nth / every-kth / probability ──► the fault acts
 *
 *  T1. Opportunities are counted while the fault is active, over both directions if it covers both, in the order of arrival.
 *  T2. A frame is one opportunity, however many kinds of one fault ask about it: they act on the same frames, each with its own share. The one
 *      frame of `nth`, and that of a sweep, is struck outright.
 *  T3. Draws of `probability` are keyed by the fault's name and the direction, and by the arrival's ordinal, which counts all frames: taking
 *      another fault away changes none of them (DESIGN idea 7). So are those of the shares.
 *  T4. A fault without any of these words has no trigger.
 *
 * The fault of a `sweep` has a trigger too: it acts on the frame that its point asks for (testbed/sweep_point.h). */
#ifndef ORRERY_TESTBED_FAULT_TRIGGER_H
#define ORRERY_TESTBED_FAULT_TRIGGER_H

#include "nic/link.h"
#include "testbed/diagnostics.h"
#include "testbed/scenario.h"

struct world;
struct fault_trigger;

/* Whether the fault picks single frames. */
bool fault_trigger_wanted(const struct scenario_fault *fault);
/* Whether a kind of fault is one of single frames, that a trigger can pick. */
bool fault_trigger_suits(enum fault_kind kind);
/* Says what is wrong with the trigger of a fault: a filter that libpcap refuses, words that exclude each other, a kind of fault that is none
 * of single frames. */
void fault_trigger_check_words(const struct scenario *scenario, const struct scenario_fault *fault,
                               struct diagnostics *diagnostics);
/* The same of a filter alone, for frames of a link. */
void fault_trigger_check_filter(const struct scenario *scenario, const char *expression,
                                struct scenario_part link, struct source_place place,
                                struct diagnostics *diagnostics);

/* The trigger of item `item` of the timeline; NULL where it has none (T4). Counts from 0. */
struct fault_trigger *fault_trigger_new(struct world *world, uint32_t item);
void fault_trigger_free(struct fault_trigger *trigger);
/* What a kind of the fault hands to `fault_trigger_selects`, for one direction of a link. Lives as long as the trigger. */
void *fault_trigger_on(struct fault_trigger *trigger, const struct link *link,
                       enum fault_kind kind);
/* Whether the fault acts on a frame that has just arrived there: a link asks once for each. `context` is of fault_trigger_on. */
bool fault_trigger_selects(void *context, const struct frame *frame);
/* How many frames were opportunities so far. */
uint64_t fault_trigger_opportunities(const struct fault_trigger *trigger);

#endif
