#include "mmu/vm_memory.h"

#include <stdlib.h>

#define WORD_BITS   64u
#define RANGE_WORDS (MMU_LARGE_PAGES / WORD_BITS)

struct vm_memory {
    struct host_memory *host;
    struct dirty_log *log;
    uint64_t page_count;
    uint64_t stores;
    uint32_t *regions; /* by 2 MiB range: number of the host's region behind it */
    uint32_t range_count;
    bool watched;
    vm_memory_observer *observer;
    void *observer_context;
    struct second_level tables;
};

/* ---- life --------------------------------------------------------------------------------------------------------------- */

static struct spa range_spa(const struct vm_memory *memory, uint64_t range)
{
    return (struct spa){(uint64_t)memory->regions[range] << MMU_LARGE_SHIFT};
}

static struct gpa page_gpa(uint64_t index)
{
    return (struct gpa){index << MMU_PAGE_SHIFT};
}

/* Pages of a range: fewer for a last one that is short. */
static uint32_t range_pages(const struct vm_memory *memory, uint64_t range)
{
    uint64_t left = memory->page_count - range * MMU_LARGE_PAGES;
    return left < MMU_LARGE_PAGES ? (uint32_t)left : MMU_LARGE_PAGES;
}

/* Gives back the regions of the first `ranges` ranges. */
static void give_regions(struct vm_memory *memory, uint32_t ranges)
{
    for (uint32_t range = 0; range < ranges; range++) {
        host_memory_give_region(memory->host, range_spa(memory, range));
    }
}

/* Takes a region for each range and maps it; how many it managed. */
static uint32_t take_regions(struct vm_memory *memory)
{
    for (uint32_t range = 0; range < memory->range_count; range++) {
        struct spa region;
        if (!host_memory_take_region(memory->host, &region)) {
            return range;
        }
        struct gpa gpa = page_gpa((uint64_t)range * MMU_LARGE_PAGES);
        memory->regions[range] = (uint32_t)(region.v >> MMU_LARGE_SHIFT);
        if (!second_level_map_large(&memory->tables, gpa, region)) {
            host_memory_give_region(memory->host, region);
            return range;
        }
    }
    return memory->range_count;
}

struct vm_memory *vm_memory_new(const struct vm_memory_options *options)
{
    SIM_ASSERT(options->page_count > 0);
    uint64_t ranges = (options->page_count + MMU_LARGE_PAGES - 1) / MMU_LARGE_PAGES;
    if (ranges * MMU_LARGE_BYTES > host_memory_free_bytes(options->host)) {
        return NULL;
    }
    SIM_ASSERT(ranges <= UINT32_MAX);
    struct vm_memory *memory = calloc(1, sizeof *memory);
    SIM_ASSERT(memory != NULL);
    memory->host = options->host;
    memory->page_count = options->page_count;
    memory->range_count = (uint32_t)ranges;
    memory->regions = calloc(ranges, sizeof *memory->regions);
    SIM_ASSERT(memory->regions != NULL);
    if (!second_level_init(&memory->tables, options->host, options->format)) {
        goto no_root;
    }
    uint32_t taken = take_regions(memory);
    if (taken < memory->range_count) {
        give_regions(memory, taken);
        goto no_regions;
    }
    const struct dirty_log_costs *costs = options->costs;
    memory->log = dirty_log_new(&memory->tables, options->page_count, options->mechanism,
                                costs != NULL ? costs : &dirty_log_costs_default);
    return memory;
no_regions:
    second_level_close(&memory->tables);
no_root:
    free(memory->regions);
    free(memory);
    return NULL;
}

void vm_memory_close(struct vm_memory *memory)
{
    dirty_log_free(memory->log);
    /* After a loss of power the regions are no longer ours to give. */
    if (memory->tables.incarnation == host_memory_incarnation(memory->host)) {
        give_regions(memory, memory->range_count);
    }
    second_level_close(&memory->tables);
    free(memory->regions);
    free(memory);
}

uint64_t vm_memory_page_count(const struct vm_memory *memory)
{
    return memory->page_count;
}

struct dirty_log *vm_memory_log(struct vm_memory *memory)
{
    return memory->log;
}

struct second_level *vm_memory_tables(struct vm_memory *memory)
{
    return &memory->tables;
}

uint64_t vm_memory_stores(const struct vm_memory *memory)
{
    return memory->stores;
}

void vm_memory_statistics(const struct vm_memory *memory, struct vm_memory_statistics *out)
{
    struct dirty_log_statistics log;
    dirty_log_statistics(memory->log, &log);
    *out = (struct vm_memory_statistics){
        .stores = memory->stores,
        .write_faults = log.write_faults,
        .splits = log.splits,
        .pml_exits = log.pml_exits,
        .unsplit = log.unsplit,
        .table_frames = memory->tables.tables,
        .large_leaves = memory->tables.large_leaves,
        .small_leaves = memory->tables.small_leaves,
    };
}

/* The observer hears of a page whose bit of truth is about to be set. */
static __attribute__((noinline, cold)) void tell_observer(const struct vm_memory *memory,
                                                          uint64_t index)
{
    if (!memory->watched) {
        return;
    }
    const uint64_t *truth =
        host_memory_truth(memory->host, range_spa(memory, index / MMU_LARGE_PAGES));
    uint64_t slot = index % MMU_LARGE_PAGES;
    SIM_ASSERT(truth != NULL);
    if ((truth[slot / WORD_BITS] >> slot % WORD_BITS & 1) == 0) {
        memory->observer(memory->observer_context, index);
    }
}

/* ---- the guest ---------------------------------------------------------------------------------------------------------- */

sim_time vm_memory_store(struct vm_memory *memory, uint64_t index, struct page page)
{
    SIM_ASSERT(index < memory->page_count);
    sim_time guest_ns = 0;
    struct gpa gpa = page_gpa(index);
    struct spa spa;
    enum mmu_fault fault = second_level_translate(&memory->tables, gpa, MMU_WRITE, &spa);
    if (SIM_UNLIKELY(fault != MMU_OK)) {
        SIM_ASSERT(fault == MMU_PROTECTED);
        dirty_log_fault(memory->log, gpa, &guest_ns);
        fault = second_level_translate(&memory->tables, gpa, MMU_WRITE, &spa);
        SIM_ASSERT(fault == MMU_OK);
    }
    if (memory->tables.set_dirty) {
        dirty_log_note(memory->log, gpa, &guest_ns);
    }
    if (SIM_UNLIKELY(memory->observer != NULL)) {
        tell_observer(memory, index);
    }
    host_memory_put(memory->host, spa, page);
    memory->stores++;
    return guest_ns;
}

struct page vm_memory_load(struct vm_memory *memory, uint64_t index)
{
    SIM_ASSERT(index < memory->page_count);
    struct spa spa;
    enum mmu_fault fault = second_level_translate(&memory->tables, page_gpa(index), MMU_READ, &spa);
    SIM_ASSERT(fault == MMU_OK);
    return host_memory_get(memory->host, spa);
}

/* ---- the hypervisor ------------------------------------------------------------------------------------------------------- */

static struct spa page_spa(const struct vm_memory *memory, uint64_t index)
{
    SIM_ASSERT(index < memory->page_count);
    uint64_t offset = index % MMU_LARGE_PAGES << MMU_PAGE_SHIFT;
    return (struct spa){range_spa(memory, index / MMU_LARGE_PAGES).v | offset};
}

struct page vm_memory_peek(const struct vm_memory *memory, uint64_t index)
{
    return host_memory_get(memory->host, page_spa(memory, index));
}

void vm_memory_prefetch(const struct vm_memory *memory, uint64_t index)
{
    second_level_prefetch(&memory->tables, page_gpa(index));
    host_memory_prefetch(memory->host, page_spa(memory, index));
}

void vm_memory_put(struct vm_memory *memory, uint64_t index, struct page page)
{
    host_memory_put(memory->host, page_spa(memory, index), page);
}

void vm_memory_fill(struct vm_memory *memory, uint64_t first, uint64_t count,
                    enum page_class page_class, uint64_t base)
{
    SIM_ASSERT(first <= memory->page_count);
    SIM_ASSERT(count <= memory->page_count - first);
    uint64_t end = first + count;
    uint32_t frames;
    for (uint64_t index = first; index < end; index += frames) {
        uint64_t left = MMU_LARGE_PAGES - index % MMU_LARGE_PAGES;
        frames = (uint32_t)(end - index < left ? end - index : left);
        host_memory_fill(memory->host, page_spa(memory, index), frames, page_class,
                         base + (index - first));
    }
}

/* ---- the hardware's own witness --------------------------------------------------------------------------------------------- */

void vm_memory_watch(struct vm_memory *memory, bool watched)
{
    for (uint32_t range = 0; range < memory->range_count; range++) {
        host_memory_watch(memory->host, range_spa(memory, range), watched);
    }
    memory->watched = watched;
}

void vm_memory_observe(struct vm_memory *memory, vm_memory_observer *observer, void *context)
{
    memory->observer = observer;
    memory->observer_context = context;
}

uint64_t vm_memory_witness(struct vm_memory *memory, const uint64_t *reported, uint64_t *first_out)
{
    SIM_ASSERT(memory->watched);
    uint64_t unreported = 0;
    for (uint32_t range = 0; range < memory->range_count; range++) {
        uint64_t *truth = host_memory_truth(memory->host, range_spa(memory, range));
        SIM_ASSERT(truth != NULL);
        uint32_t words = (range_pages(memory, range) + WORD_BITS - 1) / WORD_BITS;
        for (uint32_t i = 0; i < words; i++) {
            uint64_t word = (uint64_t)range * RANGE_WORDS + i;
            if (truth[i] == 0) {
                continue;
            }
            uint64_t missing = truth[i] & ~reported[word];
            truth[i] = 0;
            if (missing != 0 && unreported == 0) {
                *first_out = word * WORD_BITS + (uint64_t)__builtin_ctzll(missing);
            }
            unreported += (uint64_t)__builtin_popcountll(missing);
        }
    }
    return unreported;
}

uint64_t vm_memory_compare(const struct vm_memory *a, const struct vm_memory *b,
                           uint64_t *first_out)
{
    SIM_ASSERT(a->page_count == b->page_count);
    const struct page_pool *pool = host_memory_pages(a->host);
    uint64_t different = 0;
    for (uint32_t range = 0; range < a->range_count; range++) {
        if (host_memory_region_equal(a->host, range_spa(a, range), b->host, range_spa(b, range))) {
            continue;
        }
        for (uint32_t slot = 0; slot < range_pages(a, range); slot++) {
            uint64_t index = (uint64_t)range * MMU_LARGE_PAGES + slot;
            struct page page_a = vm_memory_peek(a, index);
            struct page page_b = vm_memory_peek(b, index);
            if (page_same_handle(page_a, page_b) || page_equal(pool, page_a, page_b)) {
                continue;
            }
            if (different == 0) {
                *first_out = index;
            }
            different++;
        }
    }
    return different;
}

/* ---- check ------------------------------------------------------------------------------------------------------------------ */

void vm_memory_check(const struct vm_memory *memory)
{
    second_level_check(&memory->tables);
    dirty_log_check(memory->log);
    uint64_t small_ranges = 0;
    for (uint32_t range = 0; range < memory->range_count; range++) {
        bool large;
        struct gpa gpa = page_gpa((uint64_t)range * MMU_LARGE_PAGES);
        const uint64_t *leaf = second_level_leaf(&memory->tables, gpa, &large);
        SIM_ASSERT(leaf != NULL);
        for (uint32_t i = 0; i < (large ? 1 : MMU_LARGE_PAGES); i++) {
            uint64_t frame = range_spa(memory, range).v + (uint64_t)i * MMU_PAGE_BYTES;
            SIM_ASSERT((leaf[i] & SECOND_LEVEL_ADDRESS) == frame);
            SIM_ASSERT(dirty_log_is_on(memory->log) ||
                       second_level_leaf_writable(&memory->tables, leaf[i]));
        }
        small_ranges += !large;
        bool watched = host_memory_truth(memory->host, range_spa(memory, range)) != NULL;
        SIM_ASSERT(watched == memory->watched);
    }
    SIM_ASSERT(memory->tables.small_leaves == small_ranges * MMU_LARGE_PAGES);
    SIM_ASSERT(memory->tables.large_leaves == memory->range_count - small_ranges);
}
