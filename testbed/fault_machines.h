/* testbed/fault_machines.h - faults of clocks and processors: wall clocks that jump, oscillators that drift, processor time that is stolen.
 *
 *  M1. A step is for good; offsets and strobes are taken back when the fault ends, whatever else stepped the clock meanwhile. Offsets of
 *      several faults add up.
 *  M2. Of drifts, slowness and stolen shares that act on one machine the one that began last counts; when it ends, the one before it
 *      does again, and at last what the scenario says.
 *  M3. Each change is a record with the fault as its cause: clock.changed, processor.changed.
 *  M4. What holds of a VM (frozen, stolen) holds of each instance of it that runs: also of the one that a migration brings to life at its
 *      target, from the wave after its first on.
 *  M5. A strobe jumps first to the offset, then back, by turns, one jump every `strobe-every` of run time; a clock of a machine without
 *      power is stepped all the same: its battery-backed one. */
#ifndef ORRERY_TESTBED_FAULT_MACHINES_H
#define ORRERY_TESTBED_FAULT_MACHINES_H

#include "testbed/world.h"

struct fault_machines;

struct fault_machines *fault_machines_new(struct world *world);
/* Before the world is taken down. */
void fault_machines_free(struct fault_machines *machines);
/* Whether a kind is of this module. */
bool fault_machines_kind(enum fault_kind kind);
/* The fault of an item of the timeline begins, as the record `cause` says; or ends. */
void fault_machines_begin(struct fault_machines *machines, uint32_t item, uint64_t cause);
void fault_machines_end(struct fault_machines *machines, uint32_t item);
/* Freezes or thaws a VM, wherever it runs (M4), and records it. */
void fault_machines_set_frozen(struct fault_machines *machines, uint32_t vm, bool frozen,
                               uint64_t cause);
/* The VM has lost its power: whoever boots next is not frozen. */
void fault_machines_forget(struct fault_machines *machines, uint32_t vm);

#endif
