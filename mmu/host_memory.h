/* mmu/host_memory.h - the RAM of one host: finite, given out in 2 MiB regions, its content as page handles.
 *
 *    SPA   0         2M        4M        6M
 *          ├─────────┼─────────┼─────────┼─ ...      regions: free, data of a VM, or tables
 *          │ tables  │ VM web  │ VM web  │ free
 *
 * A data region holds page handles (sim/page_map.h). A table region holds 512 resident frames of 4 KiB with fixed host addresses, where
 * second-level page tables live.
 *
 *  H1. A frame's content changes in one function, host_memory_put; it sets the frame's truth bit where its region is watched. Nothing
 *      else in the program sets truth bits, and no code under test reads them (DESIGN idea 6).
 *  H2. Regions are given out lowest address first. Freed regions are zero.
 *  H3. Data and table regions never exceed the host's memory.
 *
 * Memory of ours is reserved and costs only what is touched: 18 bytes for each 2 MiB that holds runs, 4 KiB for each page table. */
#ifndef ORRERY_MMU_HOST_MEMORY_H
#define ORRERY_MMU_HOST_MEMORY_H

#include "mmu/address.h"
#include "sim/page_map.h"

struct host_memory;

struct host_memory *host_memory_new(struct page_pool *pages, uint64_t bytes);
void host_memory_free(struct host_memory *memory);
uint64_t host_memory_bytes(const struct host_memory *memory);
uint64_t host_memory_free_bytes(const struct host_memory *memory);
struct page_pool *host_memory_pages(const struct host_memory *memory);
/* Power is lost: all content is zero, all regions are free. What VMs had here is gone; closing them afterwards gives nothing back,
 * because they remember the incarnation of the memory that they took from: 1, and one more with each reset. */
void host_memory_reset(struct host_memory *memory);
uint64_t host_memory_incarnation(const struct host_memory *memory);

/* A zeroed data region; false when none is free. */
SIM_CHECKED bool host_memory_take_region(struct host_memory *memory, struct spa *out);
void host_memory_give_region(struct host_memory *memory, struct spa region);
/* A zeroed table frame and the host address of its 512 entries; false when memory is full. */
SIM_CHECKED bool host_memory_take_frame(struct host_memory *memory, struct spa *out);
void host_memory_give_frame(struct host_memory *memory, struct spa frame);
uint64_t *host_memory_frame(struct host_memory *memory, struct spa frame);

/* The handle of a frame's content, borrowed. */
struct page host_memory_get(const struct host_memory *memory, struct spa frame);
/* Changes a frame (H1); takes over the reference. */
void host_memory_put(struct host_memory *memory, struct spa frame, struct page page);
/* A hint: the frame will be read or changed soon. Changes nothing. */
void host_memory_prefetch(const struct host_memory *memory, struct spa frame);
/* Fills frames of one data region with patterns base + 0, 1, ...: the content a guest starts with. Sets no truth bits. */
void host_memory_fill(struct host_memory *memory, struct spa first, uint32_t frames,
                      enum page_class page_class, uint64_t base);
/* Same handles in all 512 frames: O(1) where both are runs. */
bool host_memory_region_equal(const struct host_memory *a, struct spa region_a,
                              const struct host_memory *b, struct spa region_b);

/* ---- the hardware's own witness ---- */
/* Starts or stops watching a data region; either way its truth bits are clear afterwards. */
void host_memory_watch(struct host_memory *memory, struct spa region, bool watched);
/* The 512 truth bits of a watched region, borrowed; NULL where it is not watched. The witness clears them. */
uint64_t *host_memory_truth(struct host_memory *memory, struct spa region);

void host_memory_check(const struct host_memory *memory);

#endif
