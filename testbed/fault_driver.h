/* testbed/fault_driver.h - breaks parts of a world, and mends them.
 *
 * Faults of one kind on one part stack: the one that began last acts; when it stops, the one before it acts again. (Of what goes between two
 * groups of machines all act.) To add a kind: a row in testbed/fault_table.c, and a case in fault_links.c (setting_of, apply_direction,
 * apply_nic), fault_switches.c, or strike_machine in fault_driver.c.
 *
 *  D1. Every start and stop is a record; what a fault does to a frame names the start's record as its cause.
 *  D2. Ordinals of draws count opportunities whether or not a fault is active (DESIGN idea 7). */
#ifndef ORRERY_TESTBED_FAULT_DRIVER_H
#define ORRERY_TESTBED_FAULT_DRIVER_H

#include "testbed/world.h"

struct fault_driver;

struct fault_driver *fault_driver_new(struct world *world);
void fault_driver_free(struct fault_driver *driver);
/* Begins the fault of item `item` of the timeline (of kind SCENARIO_FAULT). */
void fault_driver_start(struct fault_driver *driver, uint32_t item);
/* Ends it: undoes what lasts. A second call does nothing. */
void fault_driver_stop(struct fault_driver *driver, uint32_t item);
/* The run is over: records what faults that still act have touched. Nothing may be started or stopped after it. */
void fault_driver_finish(struct fault_driver *driver);
/* Does what a `power` action says, for the record `cause`; how it went, in words: "done", or "failed: " and why. */
const char *fault_driver_power(struct fault_driver *driver, const struct scenario_power *power,
                               uint64_t cause);

#endif
