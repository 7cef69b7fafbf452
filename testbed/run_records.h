/* testbed/run_records.h - what the testbed itself says: power, faults, the timeline, and sums at the end of the run.
 *
 * Origins: the machine for RUN_MACHINE, the action for RUN_ACTION_*, RUN_DRAIN_* and RUN_FAULT_*, the part for RUN_*_TOTALS. */
#ifndef ORRERY_TESTBED_RUN_RECORDS_H
#define ORRERY_TESTBED_RUN_RECORDS_H

#include "sim/recorder.h"

enum run_record {
    RUN_MACHINE, /* a machine's power or motion changed {incarnation}; text: on, off, frozen, thawed */
    RUN_ACTION_STARTS, /* an item of the timeline fired {number}; text: the action's word */
    RUN_ACTION_ENDS,   /* it is over {number}; text: how */
    RUN_FAULT_STARTS,  /* {kind, value}; text: its target and what it does */
    RUN_FAULT_STOPS,   /* {kind}; text: its target */
    RUN_FAULT_HITS, /* a fault that writes no record for each frame, as it stops or the run ends {frames} */
    RUN_CLOCK, /* a fault changed a machine's clock {by, drift} */
    RUN_PROCESSOR, /* a fault leaves a machine so much of its processor {permille}; text: cores, vCPUs */
    RUN_CONNECTION,  /* a fault struck TCP connections at an end {count}; text: how, and where */
    RUN_LINK_TOTALS, /* at the end, one direction {frames, bytes, lost, queue_peak, busy, sound} */
    RUN_VM_TOTALS,   /* at the end, or as an instance goes {stores, lost, faults, splits, served} */
    RUN_NODE_TOTALS, /* at the end {busy, ledger, streams, pages_held, migrations} */
    RUN_VM_WORK, /* at the end, where a guest's processor time counts or it reads {instance, work, served, stolen, loads} */
    RUN_NODE_GUESTS, /* at the end, where it was any {served} */
    RUN_LEAKS,       /* at the end: what should be 0 {frames, literals, fibers, timers} */
    RUN_DRAIN_MOVES, /* a drain chose where one of its migrations goes {drain, node}; text: VM */
    RUN_DRAIN_STAYS, /* what fits nowhere {drain, memory}; text: VM, and why */
    RUN_ENDS,        /* the last record {events}; text: why */
    RUN_RECORDS
};
extern const struct record_kind run_record_kinds[RUN_RECORDS];

#endif
