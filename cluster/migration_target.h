/* cluster/migration_target.h - the target's side: fills an empty VM, prepares, takes it over or discards it.
 *
 *        CONFIGURE          PREPARE                GO, or an administrator          OWNED durable
 *   ─────────────► FILLING ─────────► PREPARED ─────────────────────────► TAKING ────────────────► OWNED ── FORGET ─► (gone)
 *                     │                  │ DISCARD, CANCEL
 *                     └── any failure ───┴──────────────► discarded: VM destroyed, entry removed
 *
 * Entered through cluster/migration_service.h (migration_target_serve, _go, _ask in cluster/migration_internal.h). An entry may
 * go at any blocking call; whoever blocked looks it up again by its id. */
#ifndef ORRERY_CLUSTER_MIGRATION_TARGET_H
#define ORRERY_CLUSTER_MIGRATION_TARGET_H

#include "cluster/migration_internal.h"

#endif
