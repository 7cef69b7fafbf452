/* cluster/migration_packer.h - worker tasks that compress batches of pages, beside the one that sends them.
 *
 *      put ─► slot ─► a worker, whichever is free ─► take, in the order of putting ─► sent
 *
 * A ring of slots, two for each worker. Workers share the node's cores with everything else there (rt_page_compress charges them), so that
 * more of them than cores are for nothing.
 *
 *  P1. Batches are taken in the order in which they were put.
 *  P2. A batch is taken only after the time that its compression needs has passed.
 *  P3. migration_packer_stop returns when no worker is left; batches that nobody took are released. */
#ifndef ORRERY_CLUSTER_MIGRATION_PACKER_H
#define ORRERY_CLUSTER_MIGRATION_PACKER_H

#include "cluster/migration_wire.h"

#define MIGRATION_WORKERS_MAX 16u

struct migration_packer;

struct migration_packer_totals {
    uint64_t pages;        /* compressed, or tried */
    uint64_t before_bytes; /* of those */
    uint64_t after_bytes;
    rt_time busy_ns; /* processor time of the workers */
};

/* 1 to MIGRATION_WORKERS_MAX workers. NULL where the node has no memory for them. */
struct migration_packer *migration_packer_start(struct rt *rt, uint32_t workers);
uint32_t migration_packer_count(const struct migration_packer *packer); /* put and not taken */
bool migration_packer_full(const struct migration_packer *packer);
/* Moves a batch in, and empties the caller's. Not when it is full. */
void migration_packer_put(struct migration_packer *packer, struct migration_batch *batch);
/* The oldest batch, once it is compressed, moved out; there is one. CANCELLED: then it stays. */
RT_CHECKED RT_BLOCKS enum rt_error migration_packer_take(struct migration_packer *packer,
                                                         struct migration_batch *out);
void migration_packer_totals(const struct migration_packer *packer,
                             struct migration_packer_totals *out);
RT_BLOCKS void migration_packer_stop(struct migration_packer *packer);
void migration_packer_check(const struct migration_packer *packer);

#endif
