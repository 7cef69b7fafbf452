/* sim/page_map.h - a sparse array of page handles: host memory, and the medium of a disk.
 *
 * Pages lie in regions of 512 (2 MiB). A region is one *run* as long as it can be: its first `run` pages are the pattern
 * base, base + 1, ..., the rest is zero. So an empty terabyte costs 16 bytes for each 2 MiB, and memory that is received
 * in order from another map of runs becomes runs again. Any other region is an array of 512 handles.
 *
 *  M1. Each literal in the map is a whole page and owns one reference.
 *  M2. Representation never shows: two maps that were given the same pages answer the same, whatever the order. */
#ifndef ORRERY_SIM_PAGE_MAP_H
#define ORRERY_SIM_PAGE_MAP_H

#include "sim/page.h"

#define PAGE_MAP_REGION_PAGES 512u

/* In page_map.runs: the region is an array. */
#define PAGE_MAP_ARRAY UINT16_MAX

struct page_map_region {
    uint64_t base;      /* handle of page 0 of the run; 0 where there is no run */
    struct page *array; /* 512 handles instead of the run; NULL while the region is a run */
};

union page_map_array;
struct page_map_slab;

struct page_map {
    struct page_pool *pool;
    struct page_map_region *regions;
    uint16_t *runs; /* by region: pages of the run, 0 to 512, or PAGE_MAP_ARRAY */
    uint64_t page_count;
    uint64_t region_count;
    uint64_t arrays;                    /* regions that are arrays now */
    union page_map_array *arrays_freed; /* arrays without a region */
    struct page_map_slab *slabs;        /* what arrays are cut from, newest first */
};

/* All zero. Memory for the region table is reserved from the system and costs only what is touched. */
void page_map_init(struct page_map *map, struct page_pool *pool, uint64_t page_count);
void page_map_close(struct page_map *map);
/* The handle at `index`, borrowed: page_ref it to keep it. */
static inline struct page page_map_get(const struct page_map *map, uint64_t index)
{
    SIM_ASSERT(index < map->page_count);
    uint64_t region = index / PAGE_MAP_REGION_PAGES;
    uint32_t slot = (uint32_t)(index % PAGE_MAP_REGION_PAGES);
    uint32_t run = map->runs[region];
    if (slot >= run) {
        return page_zero();
    }
    const struct page_map_region *at = &map->regions[region];
    return run == PAGE_MAP_ARRAY ? at->array[slot] : (struct page){at->base + slot};
}
/* Stores a handle; takes over the caller's reference, gives back that of the page it replaces. A store into the first or last
 * page of an array that could complete a run tries page_map_compact, so copying in order, up or down, ends in runs. */
void page_map_put(struct page_map *map, uint64_t index, struct page page);
/* Pages [first, first + count) become the patterns `base` + 0, 1, ... of one class; whole regions cost O(1). */
void page_map_fill(struct page_map *map, uint64_t first, uint64_t count, enum page_class page_class,
                   uint64_t base);
/* Pages [first, first + count) become zero; whole regions cost O(1). */
void page_map_clear(struct page_map *map, uint64_t first, uint64_t count);
/* Turns an array whose pages are one run back into a run; true if it is a run now. */
bool page_map_compact(struct page_map *map, uint64_t region);
/* First index >= `first` whose handle is not zero, or page_count. Skips empty regions. */
uint64_t page_map_next_nonzero(const struct page_map *map, uint64_t first);
/* Asserts that the counts are right and that all literals are alive: O(regions + arrays), for tests. */
void page_map_check(const struct page_map *map);

#endif
