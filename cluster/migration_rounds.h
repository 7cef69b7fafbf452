/* cluster/migration_rounds.h - the rounds of a live migration: which pages go, how fast, and when it is enough.
 *
 * Step 4 of cluster/live_migration.h and the copying of step 5. The rules are the policy's (cluster/migration_policy.h); this is what does as they
 * say: sends and confirms rounds, paces them, skips pages that are written again before their turn, slows the guest down, hands batches to
 * workers that compress them, and says what happened.
 *
 *  N1. A page that is skipped stays in the log, so that a later harvest reports it: none is lost (rt.h R5).
 *  N2. A round that is left half-way leaves the pages that were not sent in the bitmap; the round after the pause sends them.
 *  N3. Workers do not outlive the copying: whatever way it ends, migration_rounds_end has stopped them. */
#ifndef ORRERY_CLUSTER_MIGRATION_ROUNDS_H
#define ORRERY_CLUSTER_MIGRATION_ROUNDS_H

#include "cluster/migration_internal.h"

/* Starts the log, and rounds until the policy's rule says that it is enough. Else the reason is said: CANCELLED where the policy gives up. */
RT_CHECKED RT_BLOCKS enum rt_error migration_rounds_copy(struct migration_source *m);
/* The VM is paused: everything that is left. */
RT_CHECKED RT_BLOCKS enum rt_error migration_rounds_send_rest(struct migration_source *m,
                                                              uint64_t *pages);
/* Has the target confirm the round after the pause, and records it. */
RT_CHECKED RT_BLOCKS enum rt_error migration_rounds_confirm_rest(struct migration_source *m);
/* After that, or after any failure: stops the workers and says what they did; gives the guest its time back if it runs or will. */
RT_BLOCKS void migration_rounds_end(struct migration_source *m);

#endif
