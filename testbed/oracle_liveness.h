/* testbed/oracle_liveness.h - the oracle "liveness": a VM on its way is not away for longer than the hand-over promises.
 *
 * A VM is on its way from the pause of stop-copy, and again from GIVEN, until an instance of it runs, it is lost with a host, or an
 * administrator switches it off. What it is allowed depends on how far it is:
 *
 *      paused   its source is up: it runs within 10 s, and twice the time that was predicted for the pages that were left
 *      given    both nodes are up and so is a network that both may use: it runs within 10 s
 *      owned    its target is up: it runs within 10 s
 *
 *  V1. The 10 s begin anew with everything that disturbs the two nodes: power, freezing, a fault that starts or stops on a link that the
 *      migration may use, such a link that goes down or up, a frame that a fault takes there.
 *  V2. While a fault other than `down` acts on such a link nothing is judged: how long the pages take is then the fault's business.
 *  V3. A VM whose last instance is destroyed on its way by anything but a loss of power or an administrator is a violation at once:
 *      nothing is left that could run.
 *
 * The oracles (testbed/oracles.c) call this with what they read in records. */
#ifndef ORRERY_TESTBED_ORACLE_LIVENESS_H
#define ORRERY_TESTBED_ORACLE_LIVENESS_H

#include "testbed/scenario.h"

#define LIVENESS_LIMIT_NS   (10 * SIM_S)
#define LIVENESS_DIRECTIONS 2u /* of a link: from its NIC, to its NIC */

struct liveness;

enum liveness_power { LIVENESS_OFF, LIVENESS_ON, LIVENESS_FROZEN };

/* The scenario is borrowed. */
struct liveness *liveness_new(const struct scenario *scenario);
void liveness_free(struct liveness *liveness);

/* Migrations, by item of the timeline. */
/* A migration goes to that node: what a drain chose. */
void liveness_target(struct liveness *liveness, uint32_t item, uint32_t node);
void liveness_stop_copy_begins(struct liveness *liveness, uint32_t item);
void liveness_round(struct liveness *liveness, uint32_t item, sim_time predicted_pause_ns);
void liveness_given(struct liveness *liveness, uint32_t item, uint32_t source, sim_time now);
/* The target took it over, durably: from now on it is the target's, and lost with it. */
void liveness_owned(struct liveness *liveness, uint32_t item, sim_time now);
void liveness_ends(struct liveness *liveness, uint32_t item);
/* Instances of VMs; `left` of the VM are still there. */
void liveness_vm_paused(struct liveness *liveness, uint32_t vm, uint32_t node, sim_time now);
void liveness_vm_runs(struct liveness *liveness, uint32_t vm, sim_time now);
void liveness_vm_gone(struct liveness *liveness, uint32_t vm, uint32_t node, uint32_t left,
                      sim_time now);
/* An administrator switches it off. */
void liveness_vm_off(struct liveness *liveness, uint32_t vm);
/* What disturbs. `item` is a fault on a link. */
void liveness_machine(struct liveness *liveness, uint32_t node, enum liveness_power power,
                      sim_time now);
void liveness_fault(struct liveness *liveness, uint32_t item, bool starts, sim_time now);
/* One direction of a link carries frames, or does not: as the link itself says. */
void liveness_link(struct liveness *liveness, uint32_t link, uint32_t direction, bool up,
                   sim_time now);
void liveness_frame_taken(struct liveness *liveness, uint32_t link, sim_time now);
/* The run is over; later calls change nothing. */
void liveness_finish(struct liveness *liveness, sim_time now);

/* All nodes are up, all links carry both ways, no fault acts on one. */
bool liveness_all_is_well(const struct liveness *liveness);
/* How often a VM on its way was judged. */
uint64_t liveness_judged(const struct liveness *liveness);
/* The first violation: its words, or NULL. */
const char *liveness_violation(const struct liveness *liveness, sim_time *at);

#endif
