/* cluster/live_migration.h - the source's side of a live migration: seven steps, in this order, in one function (live_migrate).
 *
 *   1 connect     to TCP 6600 of the target, over the networks in the order given, the next one when one fails
 *   2 configure   send who we are and the VM's configuration
 *   3 reserve     the target builds an empty VM and reserves its memory, or refuses with a reason
 *   4 pre-copy    all pages, then in rounds those written meanwhile, until the policy's rule (cluster/migration_policy.h)
 *   5 stop-copy   pause; what is left, then the state of processor and devices
 *   6 disks       the commit point, and the disks are let go
 *   7 resume      the target takes the disks over, runs, and announces its addresses
 *
 *  M1. Logging is on from before the first page is read until the pause: no store is missed.
 *  M2. A round's pages are confirmed by the target before the log is harvested: a round's time is that of its bytes.
 *  M3. Whatever fails before the commit point, the VM runs on here, as it was, and the next attempt starts afresh.
 *
 * Entered through cluster/migration_service.h; there is nothing else to call. */
#ifndef ORRERY_CLUSTER_LIVE_MIGRATION_H
#define ORRERY_CLUSTER_LIVE_MIGRATION_H

#include "cluster/migration_internal.h"

enum live_migration_step {
    LIVE_MIGRATION_CONNECT = 1,
    LIVE_MIGRATION_CONFIGURE,
    LIVE_MIGRATION_RESERVE,
    LIVE_MIGRATION_PRE_COPY,
    LIVE_MIGRATION_STOP_COPY,
    LIVE_MIGRATION_DISKS,
    LIVE_MIGRATION_RESUME,
};
const char *live_migration_step_name(enum live_migration_step step);

#endif
