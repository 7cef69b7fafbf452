/* testbed/fault_private.h - what the parts of the fault driver share: the faults that act now (fault_driver.c), links and NICs
 * (fault_links.c), switches and what goes between machines (fault_switches.c). For those files alone. */
#ifndef ORRERY_TESTBED_FAULT_PRIVATE_H
#define ORRERY_TESTBED_FAULT_PRIVATE_H

#include "testbed/fault_connections.h"
#include "testbed/fault_driver.h"
#include "testbed/fault_machines.h"
#include "testbed/fault_trigger.h"

#define FAULT_DIRECTIONS 2u /* of a link: from the NIC, to the NIC */

/* A fault that acts now, in the order of its start. */
struct active {
    struct active *next;
    struct fault_driver *driver;
    uint32_t item;
    uint64_t cause;                /* id of its RUN_FAULT_STARTS */
    uint64_t hits;                 /* of kinds that write no record for each frame, so far */
    struct fault_trigger *trigger; /* NULL: it acts on every frame */
    uint32_t flap_event;           /* SIM_NONE: it does not flap */
    bool flap_up;                  /* in the phase in which the link is up */
};

/* Which fault of a passive kind acts on one direction of a link, and how many frames had arrived when it began to. */
struct passive_hold {
    struct active *active;
    uint64_t arrivals;
};

enum passive_kind { PASSIVE_DELAY, PASSIVE_RATE, PASSIVE_JITTER, PASSIVE_KINDS };

/* The same of a switch's kinds: what its statistics were. */
struct switch_hold {
    struct active *table, *stale;
    struct ether_switch_statistics since;
};

struct fault_driver {
    struct world *world;
    struct fault_machines *machines;
    struct fault_connections *connections;
    struct active *first, *last;
    struct passive_hold (*passive)[FAULT_DIRECTIONS][PASSIVE_KINDS]; /* by link */
    struct switch_hold *switches;                                    /* by network */
};

const struct scenario_fault *fault_of(const struct fault_driver *driver, uint32_t item);
static inline bool fault_has(const struct scenario_fault *fault, enum fault_kind kind)
{
    return fault->value[kind] != QUANTITY_ABSENT;
}

/* ---- fault_links.c ---- */
/* The active fault has just begun, or is about to go (it is in the list no more). */
void fault_links_change(struct fault_driver *driver, struct active *active, bool begins);
/* Brings its links into the state that all active faults make: after a flap. */
void fault_links_apply(struct fault_driver *driver, const struct scenario_fault *fault);
/* Counts what passive kinds have touched until now. */
void fault_links_settle(struct fault_driver *driver);

/* ---- fault_switches.c ---- */
void fault_switch_change(struct fault_driver *driver, struct active *active, bool begins);
void fault_pair_change(struct fault_driver *driver, struct active *active, bool begins);
void fault_switches_settle(struct fault_driver *driver);

#endif
