/* The three dirty logs against a plain set of written pages (D1 to D4), with the time that each store and harvest costs, and with
 * memory for some splits, or for none. */
#include "mmu/vm_memory.h"

#include "tests/mmu/hog.h"
#include "tests/pages/random.h"

#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

#define COUNT(array) (sizeof(array) / sizeof *(array))

/* The last range is short, and its last word of the bitmap as well. */
#define RANGES 5u
#define PAGES  (4 * MMU_LARGE_PAGES + 100)
#define WORDS  ((PAGES + 63) / 64)
/* Frames that the tables of such a VM need: root, PDPT, directory. */
#define TABLES 3u

/* Each has digits of its own, so that a sum tells what it is made of. */
static const struct dirty_log_costs costs = {
    .write_fault_ns = 1,
    .split_ns = 100000,
    .pml_full_ns = INT64_C(10000000000),
    .scan_page_ns_per_1000 = 1000,
    .clear_page_ns = 100000,
    .flush_ns = INT64_C(1000000000000),
};

enum range_state { RANGE_LARGE, RANGE_SPLIT, RANGE_WHOLE };

struct twin {
    struct page_pool *pages;
    struct host_memory *host;
    struct vm_memory *vm;
    enum dirty_log_mechanism mechanism;
    struct page content[PAGES];
    bool on;
    bool written[PAGES]; /* since the last harvest */
    bool truth[PAGES];   /* since the last witness, by whomever */
    enum range_state ranges[RANGES];
    uint32_t frames_left; /* for splits */
    uint32_t logged;      /* entries of the page-modification log */
    struct vm_memory_statistics statistics;
};

/* What a store costs, and what it changes. */
static sim_time twin_written(struct twin *twin, uint32_t page)
{
    sim_time lost = 0;
    uint32_t range = page / MMU_LARGE_PAGES;
    bool faults = twin->on && (twin->ranges[range] == RANGE_LARGE ||
                               (twin->mechanism == DIRTY_LOG_WRITE_PROTECT &&
                                twin->ranges[range] == RANGE_SPLIT && !twin->written[page]));
    if (faults) {
        lost += costs.write_fault_ns;
        twin->statistics.write_faults++;
        twin->logged = 0;
        if (twin->ranges[range] == RANGE_LARGE && twin->frames_left > 0) {
            twin->ranges[range] = RANGE_SPLIT;
            twin->frames_left--;
            twin->statistics.splits++;
            lost += costs.split_ns;
        } else if (twin->ranges[range] == RANGE_LARGE) {
            twin->ranges[range] = RANGE_WHOLE;
            twin->statistics.unsplit++;
        }
    }
    bool whole_dirty = false;
    for (uint32_t i = 0; i < MMU_LARGE_PAGES && twin->ranges[range] == RANGE_WHOLE; i++) {
        uint32_t other = range * MMU_LARGE_PAGES + i;
        whole_dirty |= other < PAGES && twin->written[other];
    }
    if (twin->on && twin->mechanism == DIRTY_LOG_PML && !twin->written[page] && !whole_dirty) {
        if (twin->logged == DIRTY_LOG_PML_ENTRIES) {
            twin->logged = 0;
            twin->statistics.pml_exits++;
            lost += costs.pml_full_ns;
        }
        twin->logged++;
    }
    twin->written[page] = true;
    return lost;
}

static struct page any_page(struct twin *twin, uint64_t *state)
{
    if (random_below(state, 20) == 0) {
        uint8_t bytes[PAGE_BYTES] = {(uint8_t)random_next(state)};
        return page_literal(twin->pages, bytes, PAGE_BYTES);
    }
    return page_pattern(PAGE_RANDOM, random_below(state, 1000));
}

static void twin_store(struct twin *twin, uint32_t page, uint64_t *state)
{
    struct page content = any_page(twin, state);
    sim_time expected = twin_written(twin, page);
    cr_assert_eq(vm_memory_store(twin->vm, page, content), expected, "page %u", page);
    twin->content[page] = content;
    twin->truth[page] = true;
    twin->statistics.stores++;
}

/* A peek sees what a harvest would, and leaves it (D6). */
static void twin_peek(struct twin *twin)
{
    uint64_t bitmap[WORDS + 1] = {0};
    bool range_written[RANGES] = {false};
    sim_time host_ns = 0;
    for (uint32_t page = 0; page < PAGES; page++) {
        range_written[page / MMU_LARGE_PAGES] |= twin->written[page];
    }
    bitmap[WORDS] = 42;
    dirty_log_peek(vm_memory_log(twin->vm), bitmap, &host_ns);
    for (uint32_t page = 0; page < PAGES; page++) {
        uint32_t range = page / MMU_LARGE_PAGES;
        bool expected =
            twin->written[page] || (twin->ranges[range] == RANGE_WHOLE && range_written[range]);
        cr_assert_eq((bitmap[page / 64] >> page % 64 & 1) != 0, expected, "page %u", page);
    }
    cr_assert_eq(bitmap[WORDS], 42);
    cr_assert(host_ns >= 0);
    twin->logged = 0;
}

static void twin_harvest(struct twin *twin, uint64_t *state)
{
    if (*state % 4 == 0) {
        twin_peek(twin);
    }
    uint64_t bitmap[WORDS + 1] = {0};
    uint64_t reported[WORDS] = {0};
    uint32_t before = (uint32_t)random_below(state, PAGES);
    bitmap[before / 64] = UINT64_C(1) << before % 64;
    bitmap[WORDS] = 42;
    uint64_t expected = 0, scanned = 0;
    bool range_written[RANGES] = {false};
    for (uint32_t page = 0; page < PAGES; page++) {
        range_written[page / MMU_LARGE_PAGES] |= twin->written[page];
    }
    for (uint32_t page = 0; page < PAGES; page++) {
        uint32_t range = page / MMU_LARGE_PAGES;
        if (twin->written[page] || (twin->ranges[range] == RANGE_WHOLE && range_written[range])) {
            reported[page / 64] |= UINT64_C(1) << page % 64;
            expected++;
        }
        twin->written[page] = false;
    }
    for (uint32_t range = 0; range < RANGES; range++) {
        scanned += twin->ranges[range] != RANGE_LARGE ? MMU_LARGE_PAGES : 0;
        if (twin->ranges[range] == RANGE_WHOLE) {
            twin->ranges[range] = RANGE_LARGE;
        }
    }
    sim_time host_ns = 7;
    cr_assert_eq(dirty_log_harvest(vm_memory_log(twin->vm), bitmap, &host_ns), expected);
    for (uint32_t word = 0; word < WORDS; word++) {
        uint64_t mine = word == before / 64 ? UINT64_C(1) << before % 64 : 0;
        cr_assert_eq(bitmap[word], reported[word] | mine, "word %u", word);
    }
    cr_assert_eq(bitmap[WORDS], 42);
    sim_time scan_ns = twin->mechanism == DIRTY_LOG_DIRTY_BITS ? (sim_time)scanned : 0;
    cr_assert_eq(host_ns, 7 + (sim_time)expected * costs.clear_page_ns + costs.flush_ns + scan_ns);
    twin->logged = 0;

    uint64_t missing = 0, first = PAGES, first_out = PAGES;
    for (uint32_t page = 0; page < PAGES; page++) {
        bool is_missing = twin->truth[page] && (reported[page / 64] >> page % 64 & 1) == 0;
        first = is_missing && missing == 0 ? page : first;
        missing += is_missing;
        twin->truth[page] = false;
    }
    cr_assert_eq(vm_memory_witness(twin->vm, reported, &first_out), missing);
    cr_assert_eq(first_out, first);
}

static void twin_switch(struct twin *twin)
{
    struct dirty_log *log = vm_memory_log(twin->vm);
    const struct second_level *tables = vm_memory_tables(twin->vm);
    uint64_t leaves = tables->large_leaves + tables->small_leaves;
    sim_time expected = (sim_time)leaves + costs.flush_ns;
    cr_assert_eq(twin->on ? dirty_log_stop(log) : dirty_log_start(log), expected);
    twin->on = !twin->on;
    cr_assert_eq(dirty_log_is_on(log), twin->on);
    for (uint32_t range = 0; range < RANGES; range++) {
        twin->frames_left += twin->ranges[range] == RANGE_SPLIT;
        twin->ranges[range] = RANGE_LARGE;
    }
    memset(twin->written, 0, sizeof twin->written);
    twin->logged = 0;
}

static void twin_check(struct twin *twin)
{
    struct vm_memory_statistics statistics;
    vm_memory_statistics(twin->vm, &statistics);
    uint32_t split = 0;
    for (uint32_t range = 0; range < RANGES; range++) {
        split += twin->ranges[range] == RANGE_SPLIT;
    }
    twin->statistics.table_frames = TABLES + split;
    twin->statistics.small_leaves = (uint64_t)split * MMU_LARGE_PAGES;
    twin->statistics.large_leaves = RANGES - split;
    cr_assert_eq(statistics.stores, twin->statistics.stores);
    cr_assert_eq(statistics.write_faults, twin->statistics.write_faults);
    cr_assert_eq(statistics.splits, twin->statistics.splits);
    cr_assert_eq(statistics.unsplit, twin->statistics.unsplit);
    cr_assert_eq(statistics.pml_exits, twin->statistics.pml_exits);
    cr_assert_eq(statistics.table_frames, twin->statistics.table_frames);
    cr_assert_eq(statistics.small_leaves, twin->statistics.small_leaves);
    cr_assert_eq(statistics.large_leaves, twin->statistics.large_leaves);
    vm_memory_check(twin->vm);
    host_memory_check(twin->host);
    for (uint32_t page = 0; page < PAGES; page++) {
        cr_assert_eq(vm_memory_peek(twin->vm, page).v, twin->content[page].v, "page %u", page);
    }
}

/* Some pages are written again and again, some ranges seldom; a storm fills the page-modification log. */
static void twin_step(struct twin *twin, uint64_t *state)
{
    uint64_t kind = random_below(state, 2000);
    uint32_t page = (uint32_t)random_below(state, PAGES);
    if (kind < 4) {
        twin_switch(twin);
    } else if (kind < 30) {
        if (twin->on) {
            twin_harvest(twin, state);
        }
    } else if (kind < 45) {
        uint32_t length = (uint32_t)random_below(state, PAGES - page);
        for (uint32_t i = 0; i < length; i++) {
            twin_store(twin, page + i, state);
        }
    } else if (kind < 200) {
        struct page content = any_page(twin, state);
        vm_memory_put(twin->vm, page, content);
        twin->content[page] = content;
        twin->truth[page] = true;
    } else if (kind < 600) {
        if (kind < 202 && twin->on) {
            twin_peek(twin);
        }
        cr_assert_eq(vm_memory_load(twin->vm, page).v, twin->content[page].v);
    } else {
        twin_store(twin, kind < 1600 ? page / 40 : page, state);
    }
}

static void twin_run(enum dirty_log_mechanism mechanism, enum second_level_format format,
                     uint32_t splits, uint64_t seed)
{
    static struct twin twin;
    struct hog hog;
    uint64_t state = seed;
    memset(&twin, 0, sizeof twin);
    twin.mechanism = mechanism;
    twin.frames_left = splits;
    twin.pages = page_pool_new();
    twin.host = host_memory_new(twin.pages, (RANGES + 1) * MMU_LARGE_BYTES);
    hog_frames(&hog, twin.host, TABLES + splits);
    twin.vm = vm_memory_new(&(struct vm_memory_options){
        .host = twin.host,
        .page_count = PAGES,
        .format = format,
        .mechanism = mechanism,
        .costs = &costs,
    });
    cr_assert_not_null(twin.vm);
    vm_memory_watch(twin.vm, true);
    for (uint32_t step = 0; step < 6000; step++) {
        twin_step(&twin, &state);
        if (step % 200 == 0) {
            twin_check(&twin);
        }
    }
    twin_check(&twin);
    /* Only a few would mean that the test has tested little. */
    cr_assert(mechanism != DIRTY_LOG_PML || splits < RANGES || twin.statistics.pml_exits > 5);
    cr_assert(splits == 0 || twin.statistics.splits > 5);
    cr_assert(splits >= RANGES || twin.statistics.unsplit > 5);
    vm_memory_close(twin.vm);
    cr_assert_eq(host_memory_free_bytes(twin.host), RANGES * MMU_LARGE_BYTES);
    cr_assert_eq(page_pool_live(twin.pages), 0);
    hog_release(&hog);
    host_memory_check(twin.host);
    host_memory_free(twin.host);
    page_pool_close(twin.pages);
}

Test(dirty_log, like_a_set_of_written_pages)
{
    static const uint32_t splits[] = {RANGES, 2, 0};
    for (uint32_t run = 0; run < 3 * 2 * COUNT(splits); run++) {
        twin_run((enum dirty_log_mechanism)(run % 3), (enum second_level_format)(run / 3 % 2),
                 splits[run / 6], run);
    }
}

/* ---- what the model cannot say ------------------------------------------------------------------------------------------------ */

static struct vm_memory *make_vm(struct host_memory *host, enum dirty_log_mechanism mechanism)
{
    struct vm_memory *vm = vm_memory_new(
        &(struct vm_memory_options){.host = host, .page_count = PAGES, .mechanism = mechanism});
    cr_assert_not_null(vm);
    return vm;
}

/* The log is full at entry 512, and the exit comes with the 513th page. */
Test(dirty_log, a_full_log_is_an_exit)
{
    struct page_pool *pages = page_pool_new();
    struct host_memory *host = host_memory_new(pages, 16 * MMU_LARGE_BYTES);
    struct vm_memory *vm = make_vm(host, DIRTY_LOG_PML);
    dirty_log_start(vm_memory_log(vm));
    /* The splits of two ranges come first; their exits empty the log, and the page after is its first entry. */
    vm_memory_store(vm, 0, page_zero());
    vm_memory_store(vm, MMU_LARGE_PAGES, page_zero());
    for (uint32_t page = 1; page < 512; page++) {
        cr_assert_eq(vm_memory_store(vm, page, page_zero()), 0, "page %u", page);
    }
    cr_assert_eq(vm_memory_store(vm, 511, page_zero()), 0, "its flag is set: nothing to log");
    cr_assert_eq(vm_memory_store(vm, 513, page_zero()), dirty_log_costs_default.pml_full_ns);
    cr_assert_eq(vm_memory_store(vm, 514, page_zero()), 0);
    uint64_t bitmap[WORDS] = {0};
    sim_time host_ns = 0;
    cr_assert_eq(dirty_log_harvest(vm_memory_log(vm), bitmap, &host_ns), 515);
    for (uint32_t i = 0; i < 8; i++) {
        cr_assert_eq(bitmap[i], UINT64_MAX);
    }
    cr_assert_eq(bitmap[8], 7);
    vm_memory_close(vm);
    host_memory_free(host);
    page_pool_close(pages);
}

/* Logging that goes on when its VM is closed, or when its host loses power, leaves nothing behind. */
Test(dirty_log, closing_while_it_is_on)
{
    struct page_pool *pages = page_pool_new();
    for (uint32_t run = 0; run < 6; run++) {
        bool power_lost = run >= 3;
        struct host_memory *host = host_memory_new(pages, 16 * MMU_LARGE_BYTES);
        struct vm_memory *vm = make_vm(host, (enum dirty_log_mechanism)(run % 3));
        dirty_log_start(vm_memory_log(vm));
        vm_memory_store(vm, 5, page_pattern(PAGE_RANDOM, 1));
        vm_memory_store(vm, PAGES - 1, page_pattern(PAGE_RANDOM, 1));
        if (power_lost) {
            host_memory_reset(host);
        }
        vm_memory_close(vm);
        cr_assert_eq(host_memory_free_bytes(host), 16 * MMU_LARGE_BYTES);
        host_memory_check(host);
        host_memory_free(host);
    }
    page_pool_close(pages);
}
