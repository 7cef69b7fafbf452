/* testbed/fault_table.h - the kinds of faults: one row each.
 *
 * A fault of the timeline names its target (`link:` or `machine:`) and one or more kinds with a value each. To add a kind:
 * one word in enum fault_kind, one row in fault_table.c (the language, its schema and its reference follow from the row), and
 * one case where the target applies it (testbed's fault driver).
 *
 *  F1. The value of a kind is an int64_t in the unit of its row; of a kind without a unit it is 1.
 *  F2. A kind acts on one sort of target. A lasting kind ends after `for:`; an instant one has no end of its own, and `for:`
 *      with it means what its row says. */
#ifndef ORRERY_TESTBED_FAULT_TABLE_H
#define ORRERY_TESTBED_FAULT_TABLE_H

#include "sim/types.h"

enum fault_kind {
    FAULT_DOWN,   /* link: all that has not arrived is lost, nothing is taken */
    FAULT_LOSS,   /* link: each arriving frame is lost with this probability, ppb */
    FAULT_DELAY,  /* link: added to the delay, ns */
    FAULT_RATE,   /* link: this rate instead, bit/s */
    FAULT_QUEUE,  /* link: this queue limit instead, bytes */
    FAULT_CRASH,  /* machine: power is gone; with `for:`, comes back after it */
    FAULT_FREEZE, /* machine: hangs, and thaws after `for:` */
    FAULT_REBOOT, /* machine: a new incarnation at once; with `for:`, crash now and power on after it */
    FAULT_KINDS
};

struct schema_key;

enum fault_target { FAULT_ON_LINK, FAULT_ON_MACHINE };

struct fault_row {
    const struct schema_key
        *key; /* word, unit, range and meaning: its row in the scenario's schema */
    enum fault_target target;
    bool lasting;
};

extern const struct fault_row fault_table[FAULT_KINDS];

/* The schema rows of all kinds, in the order of enum fault_kind: part of the map `fault`. */
const struct schema_key *fault_table_key(uint32_t index);

#endif
