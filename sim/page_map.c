#include "sim/page_map.h"

#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#define REGION_PAGES PAGE_MAP_REGION_PAGES
#define SLAB_ARRAYS  64u /* of a small map */

/* The pages of a region, or, while no region has it, a link to the next such array. */
union page_map_array {
    struct page pages[REGION_PAGES];
    union page_map_array *next;
};

/* Arrays come in slabs; what was never used of one is not touched. A large map takes huge pages of the system for them: its arrays
 * are read in random order, and each on a small page of its own would miss the processor's TLB every time. */
struct page_map_slab {
    struct page_map_slab *next;
    uint64_t used, count;
    union page_map_array *arrays;
};
#define SLAB_HUGE_BYTES (UINT64_C(2) << 20)
#define LARGE_MAP_PAGES (UINT64_C(1) << 20)

/* ---- memory ----------------------------------------------------------------------------------------------------- */

static void *reserve(uint64_t bytes)
{
    void *memory = mmap(NULL, bytes, PROT_READ | PROT_WRITE,
                        MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    SIM_ASSERT(memory != MAP_FAILED);
    return memory;
}

void page_map_init(struct page_map *map, struct page_pool *pool, uint64_t page_count)
{
    SIM_ASSERT(page_count > 0);
    SIM_ASSERT(page_count <= UINT64_C(1) << 48);
    uint64_t regions = (page_count + REGION_PAGES - 1) / REGION_PAGES;
    *map = (struct page_map){
        .pool = pool,
        .regions = reserve(regions * sizeof *map->regions),
        .runs = reserve(regions * sizeof *map->runs),
        .page_count = page_count,
        .region_count = regions,
    };
}

static void unref_array(struct page_map *map, const struct page *array)
{
    for (uint32_t slot = 0; slot < REGION_PAGES; slot++) {
        page_unref(map->pool, array[slot]);
    }
}

void page_map_close(struct page_map *map)
{
    for (uint64_t region = 0; map->arrays > 0; region++) {
        SIM_ASSERT(region < map->region_count);
        if (map->runs[region] == PAGE_MAP_ARRAY) {
            unref_array(map, map->regions[region].array);
            map->arrays--;
        }
    }
    while (map->slabs != NULL) {
        struct page_map_slab *slab = map->slabs;
        map->slabs = slab->next;
        free(slab->arrays);
        free(slab);
    }
    munmap(map->regions, map->region_count * sizeof *map->regions);
    munmap(map->runs, map->region_count * sizeof *map->runs);
    *map = (struct page_map){0};
}

static struct page_map_slab *slab_new(bool huge)
{
    struct page_map_slab *slab = calloc(1, sizeof *slab);
    SIM_ASSERT(slab != NULL);
    slab->count = huge ? SLAB_HUGE_BYTES / sizeof *slab->arrays : SLAB_ARRAYS;
    size_t bytes = (size_t)slab->count * sizeof *slab->arrays;
    slab->arrays = aligned_alloc(huge ? SLAB_HUGE_BYTES : sizeof *slab->arrays, bytes);
    SIM_ASSERT(slab->arrays != NULL);
    if (huge) {
        (void)madvise(slab->arrays, bytes, MADV_HUGEPAGE); /* only speed depends on it */
    }
    return slab;
}

static struct page *array_take(struct page_map *map)
{
    union page_map_array *freed = map->arrays_freed;
    if (freed != NULL) {
        map->arrays_freed = freed->next;
        return freed->pages;
    }
    struct page_map_slab *slab = map->slabs;
    if (slab == NULL || slab->used == slab->count) {
        slab = slab_new(map->page_count >= LARGE_MAP_PAGES);
        slab->next = map->slabs;
        map->slabs = slab;
    }
    return slab->arrays[slab->used++].pages;
}

/* ---- regions ---------------------------------------------------------------------------------------------------- */

static struct page *region_to_array(struct page_map *map, uint64_t region)
{
    struct page_map_region *at = &map->regions[region];
    uint32_t run = map->runs[region];
    SIM_ASSERT(run <= REGION_PAGES);
    SIM_ASSERT(at->array == NULL);
    struct page *array = array_take(map);
    for (uint32_t slot = 0; slot < run; slot++) {
        array[slot].v = at->base + slot;
    }
    memset(array + run, 0, (REGION_PAGES - run) * sizeof *array);
    *at = (struct page_map_region){.array = array};
    map->runs[region] = PAGE_MAP_ARRAY;
    map->arrays++;
    return array;
}

/* The region becomes a run; an array it had is given back, without looking at its pages. */
static void region_to_run(struct page_map *map, uint64_t region, uint64_t base, uint32_t run)
{
    SIM_ASSERT(run <= REGION_PAGES);
    struct page_map_region *at = &map->regions[region];
    if (map->runs[region] == PAGE_MAP_ARRAY) {
        union page_map_array *freed = (union page_map_array *)(void *)at->array;
        freed->next = map->arrays_freed;
        map->arrays_freed = freed;
        map->arrays--;
    }
    *at = (struct page_map_region){.base = run > 0 ? base : 0};
    map->runs[region] = (uint16_t)run;
}

bool page_map_compact(struct page_map *map, uint64_t region)
{
    SIM_ASSERT(region < map->region_count);
    if (map->runs[region] != PAGE_MAP_ARRAY) {
        return true;
    }
    const struct page *array = map->regions[region].array;
    uint32_t run = 0;
    while (run < REGION_PAGES && page_is_pattern(array[run]) && array[run].v == array[0].v + run) {
        run++;
    }
    for (uint32_t slot = run; slot < REGION_PAGES; slot++) {
        if (array[slot].v != 0) {
            return false;
        }
    }
    region_to_run(map, region, array[0].v, run);
    return true;
}

/* Whether `page` may follow `before` in a region that is a run. */
static bool may_follow(struct page before, struct page page)
{
    return page.v == 0 || (page_is_pattern(before) && page.v == before.v + 1);
}

static void array_put(struct page_map *map, uint64_t index, struct page page)
{
    uint64_t region = index / REGION_PAGES;
    uint32_t slot = (uint32_t)(index % REGION_PAGES);
    struct page *array = map->regions[region].array;
    struct page old = array[slot];
    array[slot] = page;
    page_unref(map->pool, old);
    /* Copying in order completes a region at one of its ends. The neighbour is asked first, so that a page at an end that is
     * often stored to does not cost a scan each time. */
    bool completes = (slot == REGION_PAGES - 1 || index == map->page_count - 1) && slot > 0
                         ? may_follow(array[slot - 1], page)
                         : slot == 0 && may_follow(page, array[1]);
    if (completes) {
        page_map_compact(map, region);
    }
}

void page_map_put(struct page_map *map, uint64_t index, struct page page)
{
    SIM_ASSERT(index < map->page_count);
    SIM_ASSERT_SLOW(page_length(map->pool, page) == PAGE_BYTES);
    uint64_t region = index / REGION_PAGES;
    uint32_t slot = (uint32_t)(index % REGION_PAGES);
    uint32_t run = map->runs[region];
    if (run == PAGE_MAP_ARRAY) {
        array_put(map, index, page);
        return;
    }
    struct page_map_region *at = &map->regions[region];
    uint64_t old = slot < run ? at->base + slot : 0;
    if (page.v == old) {
        return;
    }
    if (slot == run && run > 0 && page_is_pattern(page) && page.v == at->base + run) {
        map->runs[region] = (uint16_t)(run + 1);
    } else if (slot == 0 && run <= 1 && page_is_pattern(page)) {
        at->base = page.v;
        map->runs[region] = 1;
    } else if (slot + 1 == run && page.v == 0) {
        region_to_run(map, region, at->base, run - 1);
    } else {
        region_to_array(map, region);
        array_put(map, index, page);
    }
}

/* ---- ranges ----------------------------------------------------------------------------------------------------- */

/* Pages of [index, end) that lie in the region of `index`. */
static uint32_t pages_in_region(uint64_t index, uint64_t end)
{
    uint64_t left = REGION_PAGES - index % REGION_PAGES;
    return (uint32_t)(end - index < left ? end - index : left);
}

/* Pages of a region, the last of which may be short. */
static uint32_t region_pages(const struct page_map *map, uint64_t region)
{
    return pages_in_region(region * REGION_PAGES, map->page_count);
}

/* The whole region becomes a run whatever it was. */
static void region_replace(struct page_map *map, uint64_t region, uint64_t base, uint32_t run)
{
    if (map->runs[region] == PAGE_MAP_ARRAY) {
        unref_array(map, map->regions[region].array);
    }
    region_to_run(map, region, base, run);
}

void page_map_fill(struct page_map *map, uint64_t first, uint64_t count, enum page_class page_class,
                   uint64_t base)
{
    SIM_ASSERT(first <= map->page_count && count <= map->page_count - first);
    SIM_ASSERT(count == 0 ||
               (base <= PAGE_PATTERN_NUMBER_MAX && count - 1 <= PAGE_PATTERN_NUMBER_MAX - base));
    uint64_t end = first + count;
    uint32_t pages;
    for (uint64_t index = first; index < end; index += pages) {
        uint64_t region = index / REGION_PAGES;
        struct page page = page_pattern(page_class, base + (index - first));
        pages = pages_in_region(index, end);
        if (pages == region_pages(map, region)) {
            region_replace(map, region, page.v, pages);
            continue;
        }
        for (uint32_t i = 0; i < pages; i++) {
            page_map_put(map, index + i, (struct page){page.v + i});
        }
        page_map_compact(map, region);
    }
}

void page_map_clear(struct page_map *map, uint64_t first, uint64_t count)
{
    SIM_ASSERT(first <= map->page_count && count <= map->page_count - first);
    uint64_t end = first + count;
    uint32_t pages;
    for (uint64_t index = first; index < end; index += pages) {
        uint64_t region = index / REGION_PAGES;
        uint32_t slot = (uint32_t)(index % REGION_PAGES);
        uint32_t run = map->runs[region];
        pages = pages_in_region(index, end);
        if (run == 0) {
            /* Not even looked at, so that clearing what was never touched costs no memory. */
            continue;
        }
        if (pages == region_pages(map, region)) {
            region_replace(map, region, 0, 0);
        } else if (run != PAGE_MAP_ARRAY && slot + pages >= run) {
            region_to_run(map, region, map->regions[region].base, slot < run ? slot : run);
        } else {
            for (uint32_t i = 0; i < pages; i++) {
                page_map_put(map, index + i, page_zero());
            }
            page_map_compact(map, region);
        }
    }
}

uint64_t page_map_next_nonzero(const struct page_map *map, uint64_t first)
{
    uint64_t index = first;
    while (index < map->page_count) {
        uint64_t region = index / REGION_PAGES;
        uint32_t slot = (uint32_t)(index % REGION_PAGES);
        uint32_t run = map->runs[region];
        if (run == PAGE_MAP_ARRAY) {
            const struct page *array = map->regions[region].array;
            for (; slot < REGION_PAGES; slot++) {
                if (array[slot].v != 0) {
                    return region * REGION_PAGES + slot;
                }
            }
        } else if (slot < run) {
            return index;
        }
        index = (region + 1) * REGION_PAGES;
    }
    return map->page_count;
}

void page_map_check(const struct page_map *map)
{
    uint64_t arrays = 0;
    for (uint64_t region = 0; region < map->region_count; region++) {
        uint32_t run = map->runs[region];
        if (run == 0) {
            continue;
        }
        const struct page_map_region *at = &map->regions[region];
        uint32_t pages = region_pages(map, region);
        if (run != PAGE_MAP_ARRAY) {
            SIM_ASSERT(run <= pages);
            SIM_ASSERT(at->array == NULL);
            SIM_ASSERT(page_is_pattern((struct page){at->base}));
            SIM_ASSERT(page_is_pattern((struct page){at->base + run - 1}));
            continue;
        }
        arrays++;
        SIM_ASSERT(at->array != NULL);
        for (uint32_t slot = 0; slot < REGION_PAGES; slot++) {
            SIM_ASSERT(slot < pages || at->array[slot].v == 0);
            SIM_ASSERT(page_length(map->pool, at->array[slot]) > 0);
        }
    }
    SIM_ASSERT(arrays == map->arrays);
}
