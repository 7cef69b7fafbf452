/* mmu/vm_memory.h - the memory of one VM instance: guest-physical pages, through second-level tables, in frames of its host.
 *
 *  V1. Every guest store and load goes through the second-level tables. The hypervisor has its own list of regions, as a real one has
 *      its memory slots; vm_memory_check asserts that both name the same frames.
 *  V2. A snapshot of a page is its handle: it never changes, whatever the guest stores later.
 *  V3. With the dirty log on, D1 to D3 of mmu/dirty_log.h hold for every store, also for those of devices (DMA).
 *  V4. vm_memory_close gives all frames back. */
#ifndef ORRERY_MMU_VM_MEMORY_H
#define ORRERY_MMU_VM_MEMORY_H

#include "mmu/dirty_log.h"

struct vm_memory;

struct vm_memory_options {
    struct host_memory *host;
    uint64_t page_count;
    enum second_level_format format;
    enum dirty_log_mechanism mechanism;
    const struct dirty_log_costs *costs; /* NULL: default */
};

/* All pages zero, mapped by 2 MiB leaves. NULL when the host has not enough memory: then nothing was taken. */
SIM_CHECKED struct vm_memory *vm_memory_new(const struct vm_memory_options *options);
void vm_memory_close(struct vm_memory *memory);
uint64_t vm_memory_page_count(const struct vm_memory *memory);
struct dirty_log *vm_memory_log(struct vm_memory *memory);
struct second_level *vm_memory_tables(struct vm_memory *memory);

/* A store by the guest's processor: the page's content becomes `page` (takes over the reference). Returns the time the guest lost to exits.
 * index < page_count. */
sim_time vm_memory_store(struct vm_memory *memory, uint64_t index, struct page page);
/* A load: sets accessed flags; borrowed handle. */
struct page vm_memory_load(struct vm_memory *memory, uint64_t index);
/* A hint: the guest will store to that page soon. Guests that know their next page say so, for their RAM lies anywhere in a large memory
 * of ours. Changes nothing. */
void vm_memory_prefetch(const struct vm_memory *memory, uint64_t index);
/* What the hypervisor does: reads and writes frames without the guest's flags. Put takes over the reference; it sets no dirty bit. */
struct page vm_memory_peek(const struct vm_memory *memory, uint64_t index);
void vm_memory_put(struct vm_memory *memory, uint64_t index, struct page page);
/* Initial content: pages [first, first + count) are patterns base, base + 1, ... */
void vm_memory_fill(struct vm_memory *memory, uint64_t first, uint64_t count,
                    enum page_class page_class, uint64_t base);

/* ---- the hardware's own witness (ground truth). Watching starts with no page changed. ---- */
void vm_memory_watch(struct vm_memory *memory, bool watched);
/* Pages changed since the last call (or since watched) whose bit is not in `reported`: their number; the first of them through
 * `first_out`, which stays as it is when there is none. Clears the truth. For the oracle "dirty". */
uint64_t vm_memory_witness(struct vm_memory *memory, const uint64_t *reported, uint64_t *first_out);
/* Pages whose bytes differ; the first of them through `first_out` if there is one. Both must have the same size and page pool. For the
 * oracle "memory". */
uint64_t vm_memory_compare(const struct vm_memory *a, const struct vm_memory *b,
                           uint64_t *first_out);
/* While watched, tells of each page before its first store since the truth was cleared: what a page-state record is made from. NULL
 * ends it. Costs a store one branch where nobody observes. */
typedef void vm_memory_observer(void *context, uint64_t index);
void vm_memory_observe(struct vm_memory *memory, vm_memory_observer *observer, void *context);
/* Stores by guest and devices so far. */
uint64_t vm_memory_stores(const struct vm_memory *memory);

struct vm_memory_statistics {
    uint64_t stores, write_faults, splits, pml_exits;
    uint64_t unsplit; /* stores to ranges that were logged as a whole for lack of memory */
    uint64_t table_frames, large_leaves, small_leaves;
};
void vm_memory_statistics(const struct vm_memory *memory, struct vm_memory_statistics *out);
void vm_memory_check(const struct vm_memory *memory);

#endif
