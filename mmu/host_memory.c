#include "mmu/host_memory.h"

#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#define WORD_BITS   64u
#define TRUTH_WORDS (MMU_LARGE_PAGES / WORD_BITS)

/* What a region is, and whether it is watched. */
enum { REGION_FREE = 0, REGION_DATA = 1, REGION_TABLES = 2, REGION_USE = 3, REGION_WATCHED = 4 };

/* A set of regions that gives its lowest. */
struct region_set {
    uint64_t *words;
    uint64_t word_count;
    uint64_t low; /* no member lies in a word before this one */
    uint64_t count;
};

/* A region that holds page tables. */
#define LARGE_HOST_REGIONS 2048u /* 4 GiB */

struct table_region {
    uint64_t *entries; /* 2 MiB, of which only frames in use were ever touched */
    uint64_t used[TRUTH_WORDS];
    uint32_t used_count;
};

struct host_memory {
    struct page_map map; /* first, for the hot path */
    uint8_t *use;
    uint64_t *truth; /* a bit for each frame; all clear in regions that are not watched */
    uint64_t region_count;
    struct region_set free;
    struct region_set with_room; /* table regions with a free frame */
    struct table_region *table_regions;
    struct page_pool *pages;
    uint64_t incarnation;
};

/* ---- sets of regions ---------------------------------------------------------------------------------------------- */

static void set_open(struct region_set *set, uint64_t region_count)
{
    *set = (struct region_set){.word_count = (region_count + WORD_BITS - 1) / WORD_BITS};
    set->words = calloc(set->word_count, sizeof *set->words);
    SIM_ASSERT(set->words != NULL);
}

static bool set_has(const struct region_set *set, uint64_t region)
{
    return (set->words[region / WORD_BITS] >> region % WORD_BITS & 1) != 0;
}

static void set_add(struct region_set *set, uint64_t region)
{
    SIM_ASSERT(!set_has(set, region));
    uint64_t word = region / WORD_BITS;
    set->words[word] |= UINT64_C(1) << region % WORD_BITS;
    set->count++;
    if (word < set->low) {
        set->low = word;
    }
}

static void set_remove(struct region_set *set, uint64_t region)
{
    SIM_ASSERT(set_has(set, region));
    set->words[region / WORD_BITS] &= ~(UINT64_C(1) << region % WORD_BITS);
    set->count--;
}

static bool set_lowest(struct region_set *set, uint64_t *out)
{
    if (set->count == 0) {
        return false;
    }
    while (set->words[set->low] == 0) {
        set->low++;
        SIM_ASSERT(set->low < set->word_count);
    }
    *out = set->low * WORD_BITS + (uint64_t)__builtin_ctzll(set->words[set->low]);
    return true;
}

/* ---- life ----------------------------------------------------------------------------------------------------------- */

static void *reserve(uint64_t bytes)
{
    void *memory = mmap(NULL, bytes, PROT_READ | PROT_WRITE,
                        MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    SIM_ASSERT(memory != MAP_FAILED);
    /* What is reserved is touched here and there; huge pages would make it real all at once. Where the system does not know
     * them, there is nothing to refuse. */
    (void)madvise(memory, bytes, MADV_NOHUGEPAGE);
    return memory;
}

/* The 512 frames of a table region. A large host takes a huge page of the system: its guests' leaves are read in random order. */
static uint64_t *reserve_tables(const struct host_memory *memory)
{
    if (memory->region_count < LARGE_HOST_REGIONS) {
        return reserve(MMU_LARGE_BYTES);
    }
    /* Twice as much, of which the aligned half is kept. */
    uint8_t *wide = reserve(2 * MMU_LARGE_BYTES);
    uint64_t before = (MMU_LARGE_BYTES - (uintptr_t)wide % MMU_LARGE_BYTES) % MMU_LARGE_BYTES;
    if (before > 0) {
        munmap(wide, before);
    }
    munmap(wide + before + MMU_LARGE_BYTES, MMU_LARGE_BYTES - before);
    (void)madvise(wide + before, MMU_LARGE_BYTES, MADV_HUGEPAGE); /* only speed depends on it */
    return (uint64_t *)(void *)(wide + before);
}

static void memory_open(struct host_memory *memory)
{
    uint64_t regions = memory->region_count;
    page_map_init(&memory->map, memory->pages, regions * MMU_LARGE_PAGES);
    memory->use = reserve(regions * sizeof *memory->use);
    memory->truth = reserve(regions * TRUTH_WORDS * sizeof *memory->truth);
    memory->table_regions = reserve(regions * sizeof *memory->table_regions);
    set_open(&memory->free, regions);
    set_open(&memory->with_room, regions);
    for (uint64_t region = 0; region < regions; region++) {
        set_add(&memory->free, region);
    }
    memory->incarnation++;
}

static void memory_shut(struct host_memory *memory)
{
    uint64_t regions = memory->region_count;
    for (uint64_t region = 0; region < regions; region++) {
        if (memory->use[region] == REGION_TABLES) {
            munmap(memory->table_regions[region].entries, MMU_LARGE_BYTES);
        }
    }
    free(memory->with_room.words);
    free(memory->free.words);
    munmap(memory->table_regions, regions * sizeof *memory->table_regions);
    munmap(memory->truth, regions * TRUTH_WORDS * sizeof *memory->truth);
    munmap(memory->use, regions * sizeof *memory->use);
    page_map_close(&memory->map);
}

struct host_memory *host_memory_new(struct page_pool *pages, uint64_t bytes)
{
    SIM_ASSERT(pages != NULL);
    SIM_ASSERT(bytes >= MMU_LARGE_BYTES);
    SIM_ASSERT(bytes <= UINT64_C(1) << 51);
    struct host_memory *memory = calloc(1, sizeof *memory);
    SIM_ASSERT(memory != NULL);
    memory->pages = pages;
    memory->region_count = bytes / MMU_LARGE_BYTES;
    memory_open(memory);
    return memory;
}

void host_memory_free(struct host_memory *memory)
{
    memory_shut(memory);
    free(memory);
}

void host_memory_reset(struct host_memory *memory)
{
    memory_shut(memory);
    memory_open(memory);
}

uint64_t host_memory_incarnation(const struct host_memory *memory)
{
    return memory->incarnation;
}

uint64_t host_memory_bytes(const struct host_memory *memory)
{
    return memory->region_count * MMU_LARGE_BYTES;
}

uint64_t host_memory_free_bytes(const struct host_memory *memory)
{
    return memory->free.count * MMU_LARGE_BYTES;
}

struct page_pool *host_memory_pages(const struct host_memory *memory)
{
    return memory->pages;
}

/* ---- regions and frames --------------------------------------------------------------------------------------------- */

/* The region of an address, which must be in `use`. */
static uint64_t region_of(const struct host_memory *memory, struct spa at, uint8_t use)
{
    uint64_t region = at.v >> MMU_LARGE_SHIFT;
    SIM_ASSERT(region < memory->region_count);
    SIM_ASSERT((memory->use[region] & REGION_USE) == use);
    return region;
}

static bool take_region(struct host_memory *memory, uint8_t use, uint64_t *out)
{
    if (!set_lowest(&memory->free, out)) {
        return false;
    }
    SIM_ASSERT(memory->use[*out] == REGION_FREE);
    SIM_ASSERT(memory->map.runs[*out] == 0);
    set_remove(&memory->free, *out);
    memory->use[*out] = use;
    return true;
}

bool host_memory_take_region(struct host_memory *memory, struct spa *out)
{
    uint64_t region;
    if (!take_region(memory, REGION_DATA, &region)) {
        return false;
    }
    *out = (struct spa){region << MMU_LARGE_SHIFT};
    return true;
}

void host_memory_give_region(struct host_memory *memory, struct spa region)
{
    SIM_ASSERT(region.v % MMU_LARGE_BYTES == 0);
    uint64_t index = region_of(memory, region, REGION_DATA);
    host_memory_watch(memory, region, false);
    page_map_clear(&memory->map, index * MMU_LARGE_PAGES, MMU_LARGE_PAGES);
    memory->use[index] = REGION_FREE;
    set_add(&memory->free, index);
}

bool host_memory_take_frame(struct host_memory *memory, struct spa *out)
{
    uint64_t region;
    if (!set_lowest(&memory->with_room, &region)) {
        if (!take_region(memory, REGION_TABLES, &region)) {
            return false;
        }
        memory->table_regions[region] = (struct table_region){.entries = reserve_tables(memory)};
        set_add(&memory->with_room, region);
    }
    struct table_region *tables = &memory->table_regions[region];
    uint32_t word = 0;
    while (tables->used[word] == UINT64_MAX) {
        word++;
        SIM_ASSERT(word < TRUTH_WORDS);
    }
    uint32_t bit = (uint32_t)__builtin_ctzll(~tables->used[word]);
    tables->used[word] |= UINT64_C(1) << bit;
    tables->used_count++;
    if (tables->used_count == MMU_LARGE_PAGES) {
        set_remove(&memory->with_room, region);
    }
    uint64_t slot = (uint64_t)word * WORD_BITS + bit;
    *out = (struct spa){(region << MMU_LARGE_SHIFT) + (slot << MMU_PAGE_SHIFT)};
    memset(host_memory_frame(memory, *out), 0, MMU_PAGE_BYTES);
    return true;
}

/* The slot of a table frame in its region; the frame is in use. */
static uint32_t frame_slot(const struct table_region *tables, struct spa frame)
{
    SIM_ASSERT(frame.v % MMU_PAGE_BYTES == 0);
    uint32_t slot = (uint32_t)(frame.v >> MMU_PAGE_SHIFT) % MMU_LARGE_PAGES;
    SIM_ASSERT((tables->used[slot / WORD_BITS] >> slot % WORD_BITS & 1) != 0);
    return slot;
}

void host_memory_give_frame(struct host_memory *memory, struct spa frame)
{
    uint64_t region = region_of(memory, frame, REGION_TABLES);
    struct table_region *tables = &memory->table_regions[region];
    uint32_t slot = frame_slot(tables, frame);
    if (tables->used_count == MMU_LARGE_PAGES) {
        set_add(&memory->with_room, region);
    }
    tables->used[slot / WORD_BITS] &= ~(UINT64_C(1) << slot % WORD_BITS);
    tables->used_count--;
    if (tables->used_count == 0) {
        set_remove(&memory->with_room, region);
        munmap(tables->entries, MMU_LARGE_BYTES);
        *tables = (struct table_region){0};
        memory->use[region] = REGION_FREE;
        set_add(&memory->free, region);
    }
}

uint64_t *host_memory_frame(struct host_memory *memory, struct spa frame)
{
    uint64_t region = region_of(memory, frame, REGION_TABLES);
    const struct table_region *tables = &memory->table_regions[region];
    return tables->entries +
           (uint64_t)frame_slot(tables, frame) * (MMU_PAGE_BYTES / sizeof(uint64_t));
}

/* ---- content -------------------------------------------------------------------------------------------------------- */

struct page host_memory_get(const struct host_memory *memory, struct spa frame)
{
    SIM_ASSERT((memory->use[frame.v >> MMU_LARGE_SHIFT] & REGION_USE) == REGION_DATA);
    return page_map_get(&memory->map, frame.v >> MMU_PAGE_SHIFT);
}

void host_memory_put(struct host_memory *memory, struct spa frame, struct page page)
{
    uint64_t index = frame.v >> MMU_PAGE_SHIFT;
    uint64_t region = index / MMU_LARGE_PAGES;
    SIM_ASSERT(region < memory->region_count);
    uint8_t use = memory->use[region];
    SIM_ASSERT((use & REGION_USE) == REGION_DATA);
    if ((use & REGION_WATCHED) != 0) {
        memory->truth[index / WORD_BITS] |= UINT64_C(1) << index % WORD_BITS;
    }
    page_map_put(&memory->map, index, page);
}

void host_memory_prefetch(const struct host_memory *memory, struct spa frame)
{
    uint64_t index = frame.v >> MMU_PAGE_SHIFT;
    uint64_t region = index / MMU_LARGE_PAGES;
    SIM_ASSERT(region < memory->region_count);
    __builtin_prefetch(&memory->truth[index / WORD_BITS], 1);
    if (memory->map.runs[region] == PAGE_MAP_ARRAY) {
        __builtin_prefetch(&memory->map.regions[region].array[index % MMU_LARGE_PAGES], 1);
    }
}

void host_memory_fill(struct host_memory *memory, struct spa first, uint32_t frames,
                      enum page_class page_class, uint64_t base)
{
    uint64_t region = region_of(memory, first, REGION_DATA);
    uint64_t index = first.v >> MMU_PAGE_SHIFT;
    SIM_ASSERT(frames <= MMU_LARGE_PAGES);
    SIM_ASSERT(index + frames <= (region + 1) * MMU_LARGE_PAGES);
    page_map_fill(&memory->map, index, frames, page_class, base);
}

bool host_memory_region_equal(const struct host_memory *a, struct spa region_a,
                              const struct host_memory *b, struct spa region_b)
{
    SIM_ASSERT(a->pages == b->pages);
    uint64_t index_a = region_of(a, region_a, REGION_DATA);
    uint64_t index_b = region_of(b, region_b, REGION_DATA);
    uint32_t run_a = a->map.runs[index_a];
    uint32_t run_b = b->map.runs[index_b];
    const struct page_map_region *at_a = &a->map.regions[index_a];
    const struct page_map_region *at_b = &b->map.regions[index_b];
    if (run_a != PAGE_MAP_ARRAY && run_b != PAGE_MAP_ARRAY) {
        /* A region without a run is not even looked at: reading what was never touched would cost memory. */
        return run_a == run_b && (run_a == 0 || at_a->base == at_b->base);
    }
    if (run_a == PAGE_MAP_ARRAY && run_b == PAGE_MAP_ARRAY) {
        return memcmp(at_a->array, at_b->array, MMU_LARGE_PAGES * sizeof *at_a->array) == 0;
    }
    for (uint32_t slot = 0; slot < MMU_LARGE_PAGES; slot++) {
        if (!page_same_handle(page_map_get(&a->map, index_a * MMU_LARGE_PAGES + slot),
                              page_map_get(&b->map, index_b * MMU_LARGE_PAGES + slot))) {
            return false;
        }
    }
    return true;
}

/* ---- the hardware's own witness --------------------------------------------------------------------------------------- */

void host_memory_watch(struct host_memory *memory, struct spa region, bool watched)
{
    uint64_t index = region_of(memory, region, REGION_DATA);
    if ((memory->use[index] & REGION_WATCHED) != 0) {
        /* Written only where a bit is set, so that memory which nobody stored to stays untouched. */
        for (uint32_t word = 0; word < TRUTH_WORDS; word++) {
            uint64_t *truth = &memory->truth[index * TRUTH_WORDS + word];
            if (*truth != 0) {
                *truth = 0;
            }
        }
    }
    memory->use[index] = (uint8_t)(REGION_DATA | (watched ? REGION_WATCHED : 0));
}

uint64_t *host_memory_truth(struct host_memory *memory, struct spa region)
{
    uint64_t index = region_of(memory, region, REGION_DATA);
    bool watched = (memory->use[index] & REGION_WATCHED) != 0;
    return watched ? &memory->truth[index * TRUTH_WORDS] : NULL;
}

/* ---- check ---------------------------------------------------------------------------------------------------------- */

static void check_tables(const struct host_memory *memory, uint64_t region)
{
    const struct table_region *tables = &memory->table_regions[region];
    uint32_t used = 0;
    for (uint32_t word = 0; word < TRUTH_WORDS; word++) {
        used += (uint32_t)__builtin_popcountll(tables->used[word]);
    }
    SIM_ASSERT(tables->entries != NULL);
    SIM_ASSERT(used == tables->used_count);
    SIM_ASSERT(used > 0);
    SIM_ASSERT(set_has(&memory->with_room, region) == (used < MMU_LARGE_PAGES));
    SIM_ASSERT(memory->map.runs[region] == 0);
}

void host_memory_check(const struct host_memory *memory)
{
    uint64_t free_count = 0;
    uint64_t with_room = 0;
    for (uint64_t region = 0; region < memory->region_count; region++) {
        uint8_t use = memory->use[region];
        SIM_ASSERT(set_has(&memory->free, region) == (use == REGION_FREE));
        free_count += use == REGION_FREE;
        with_room += set_has(&memory->with_room, region);
        if (use == REGION_TABLES) {
            check_tables(memory, region);
        } else {
            SIM_ASSERT(!set_has(&memory->with_room, region));
        }
        if (use == REGION_FREE) {
            SIM_ASSERT(memory->map.runs[region] == 0);
        } else if (use != REGION_TABLES) {
            SIM_ASSERT((use & REGION_USE) == REGION_DATA);
        }
        for (uint32_t word = 0; word < TRUTH_WORDS && (use & REGION_WATCHED) == 0; word++) {
            SIM_ASSERT(memory->truth[region * TRUTH_WORDS + word] == 0);
        }
    }
    SIM_ASSERT(free_count == memory->free.count);
    SIM_ASSERT(with_room == memory->with_room.count);
}
