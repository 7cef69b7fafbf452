/* cluster/migration_service.h - the node's live-migration service: takes orders, listens on TCP 6600, settles what a crash left open.
 *
 * One for each node, started when the node has booted. It owns every migration of the node, outgoing (cluster/live_migration.h) and
 * incoming (cluster/migration_target.h), and the durable journal of hand-overs (cluster/migration_journal.h).
 *
 * Hand-over of a VM (safety always: at most one instance runs):
 *
 *      source                                            target
 *      running ── pre-copy, stop-copy ─────────────────► filling
 *      paused  ── PREPARE ─────────────────────────────► verified, PREPARED durable, does not run
 *              ◄──────────────────────────────── READY ──
 *      GIVEN durable: the commit point; it never resumes this VM unless the target says DISCARDED
 *              ── GO ──────────────────────────────────► OWNED durable, disks taken over, resumes
 *              ◄───────────────────────────────── DONE ──
 *      frees   ── FORGET ──────────────────────────────► forgets the journal entry
 *
 *  H1. Before GIVEN the source is authoritative: any failure ends in the source running on, the target discarding.
 *  H2. After GIVEN the source asks the target until it hears DONE (frees) or DISCARDED (takes the VM back).
 *  H3. A target with PREPARED and no GO keeps the memory and asks the source every second; it never resumes by time-out.
 *  H4. A target that lost PREPARED's memory in a reboot removes the entry, and answers GO with DISCARDED ever after: ids are never
 *      used twice.
 *  H5. A source without an entry for an id answers a query about PREPARED with DISCARD: it never gave, or has heard DONE. */
#ifndef ORRERY_CLUSTER_MIGRATION_SERVICE_H
#define ORRERY_CLUSTER_MIGRATION_SERVICE_H

#include "cluster/migration_policy.h"
#include "cluster/migration_wire.h"

struct migration_service;

struct migration_settings {
    uint32_t
        max_per_pair; /* migrations between this node and one other, both directions; at least 1 */
    rt_time stall_limit_ns; /* no progress for so long ends a migration before GIVEN (0: 5 s) */
    rt_time retry_ns;       /* between attempts to settle a hand-over (0: 500 ms) */
    /* What the product around this service takes for itself, waited for at the source: before the connection, while the VM is
     * paused, and after it runs at the target. */
    rt_time setup_ns, switch_over_ns, clean_up_ns;
};

/* An order to move a running VM of this node. Copied. */
struct migration_order {
    uint64_t request; /* under this number records speak of it; not 0 */
    char vm[MIGRATION_NAME_MAX];
    struct migration_peer self;   /* where the target finds this node again */
    struct migration_peer target; /* addresses in the order in which to try them */
    struct migration_policy policy;
    uint32_t compress_workers; /* 0: pages go as they are; at most MIGRATION_WORKERS_MAX */
    rt_time time_limit_ns;     /* until the VM is paused; 0: none */
    uint32_t
        priority; /* of those that wait for the same pair the highest goes first, of equals the earliest */
    bool queue_when_busy; /* wait for the pair's turn, here and at the target; else refuse */
    struct rt_announcement announcement; /* of the VM, at the target */
};

/* Starts the service: settles journal entries on tasks of its own, listens. NULL where the node has no memory for it. */
struct migration_service *migration_service_start(struct rt *rt,
                                                  const struct migration_settings *settings);
/* Begins a live migration; its end is a record MIGRATION_ENDED. Does not block. NO_MEMORY, INVALID. */
RT_CHECKED enum rt_error migration_service_order(struct migration_service *service,
                                                 const struct migration_order *order);
/* Ends a migration if it has not passed GIVEN. NOT_FOUND, WRONG_STATE (too late). */
RT_CHECKED enum rt_error migration_service_cancel(struct migration_service *service,
                                                  uint64_t request);
/* An administrator says that the source will not come back: the target runs its PREPARED VM. NOT_FOUND. */
RT_CHECKED enum rt_error migration_service_force_resume(struct migration_service *service,
                                                        const char *vm);
/* Migrations that are not settled: outgoing, incoming. */
uint32_t migration_service_active(const struct migration_service *service);

#endif
