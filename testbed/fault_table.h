/* testbed/fault_table.h - the kinds of faults: one row each.
 *
 * A fault of the timeline names its target (`link:` or `machine:`) and one or more kinds with a value each. To add a kind:
 * one word in enum fault_kind, one row in fault_table.c (the language, its schema and its reference follow from the row), and
 * one case where the target applies it (testbed's fault driver).
 *
 *  F1. The value of a kind is an int64_t in the unit of its row; of a kind without a unit, and of one whose row is a map, it is 1.
 *  F2. A kind acts on some sorts of targets. A lasting kind ends after `for:`; an instant one has no end of its own, and `for:`
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
    /* More of links: nic/link_fault.h has the models. */
    FAULT_FLAP,             /* down and up again and again */
    FAULT_BURSTS,           /* loss in two states */
    FAULT_DUPLICATE,        /* this share of frames comes twice, ppb */
    FAULT_CORRUPT,          /* this share fails its checksum, ppb */
    FAULT_CORRUPT_REPAIRED, /* this share has another payload and right checksums, ppb */
    FAULT_REORDER,          /* this share is held for a time and overtaken, ppb */
    FAULT_JITTER,           /* each frame takes up to this much longer, ns */
    FAULT_BLACK_HOLE,       /* longer IP packets vanish, bytes */
    /* Of NICs, named by their links. */
    FAULT_RING,  /* the receive ring has this many places instead */
    FAULT_STALL, /* nobody takes frames from the receive ring */
    FAULT_HANG,  /* neither sends nor receives, and is reset at the end */
    FAULT_RESET, /* loses its ring and its queue, at once */
    /* Of machines. */
    FAULT_CLAIMS, /* answers for the address of another */
    /* Of switches; crash and reboot of machines are theirs too. */
    FAULT_FORGET,               /* loses its table, at once */
    FAULT_TABLE,                /* the table has this many places instead */
    FAULT_STALE,                /* learns nothing and keeps what it knows */
    FAULT_LOSE_ANNOUNCEMENTS,   /* this share of gratuitous ARPs is lost, ppb */
    FAULT_REPEAT_ANNOUNCEMENTS, /* each gratuitous ARP comes this many times more */
    /* Of what goes between two groups of machines; loss and delay are theirs too. */
    FAULT_PARTITION, /* nothing goes */
    /* Of clocks and processors (testbed/fault_machines.h). */
    FAULT_CLOCK_STEP,   /* machine: the wall clock jumps, ns; for good */
    FAULT_CLOCK_OFFSET, /* machine: the wall clock is off by this, ns, and right again at the end */
    FAULT_CLOCK_DRIFT,  /* machine: the oscillator runs at this rate instead, ppb */
    FAULT_CLOCK_STROBE, /* machine: the wall clock jumps by this and back, again and again, ns */
    FAULT_STEAL,        /* VM: this share of its processor time is taken away, ppb */
    FAULT_SLOW,         /* node: its cores lack this share of their speed, ppb */
    /* Of TCP connections (testbed/fault_connections.h). */
    FAULT_TCP_RESET,       /* a reset that counts is injected */
    FAULT_TCP_BLIND_RESET, /* one that does not, in the window (RFC 5961) */
    FAULT_TCP_HALF_OPEN,   /* an end forgets them */
    FAULT_TCP_REFUSE,      /* new ones are refused */
    FAULT_TCP_HANG,        /* new ones get no answer */
    FAULT_KINDS
};

struct schema_key;

enum fault_target {
    FAULT_ON_LINK = 1,
    FAULT_ON_MACHINE = 2,
    FAULT_ON_SWITCH = 4,
    FAULT_ON_PAIR = 8,
    FAULT_ON_CONNECTION = 16,
};

enum fault_way {
    FAULT_LASTS = 1,
    FAULT_STRIKES = 2, /* hits are how often it struck; else frames that it touched */
    FAULT_PASSIVE = 4, /* hits are counted when it ends: no record says them one by one */
    FAULT_PICKS = 8,   /* acts on single frames: can have `nth` */
};

struct fault_row {
    const struct schema_key
        *key;         /* word, unit, range and meaning: its row in the scenario's schema */
    uint32_t targets; /* a set of enum fault_target */
    uint32_t ways;    /* a set of enum fault_way */
};

extern const struct fault_row fault_table[FAULT_KINDS];

/* The schema rows of all kinds, in the order of enum fault_kind: part of the map `fault`. */
const struct schema_key *fault_table_key(uint32_t index);

/* Whether the value is not a number: value[kind] is then 1 where the fault has the kind. */
bool fault_is_map(enum fault_kind kind);

#endif
