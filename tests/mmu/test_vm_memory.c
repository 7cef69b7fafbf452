/* Memory of a VM: what a guest and what the hypervisor does (V1, V2), comparing two, and giving everything back (V4). */
#include "mmu/vm_memory.h"

#include "tests/mmu/hog.h"
#include "tests/pages/random.h"

#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

#define COUNT(array) (sizeof(array) / sizeof *(array))
#define PAGES        (3 * MMU_LARGE_PAGES + 5)
#define GIB_PAGES    UINT64_C(262144)

static struct vm_memory *make_vm(struct host_memory *host, uint64_t page_count)
{
    return vm_memory_new(&(struct vm_memory_options){.host = host, .page_count = page_count});
}

/* ---- not enough memory -------------------------------------------------------------------------------------------------------- */

/* Four regions of data and three tables: each of the seven is the first that is not there once. */
Test(vm_memory, takes_nothing_when_it_does_not_fit)
{
    struct page_pool *pages = page_pool_new();
    for (uint32_t regions = 1; regions <= 5; regions++) {
        for (uint32_t left = 0; left <= 3; left++) {
            struct host_memory *host = host_memory_new(pages, regions * MMU_LARGE_BYTES);
            struct hog hog;
            hog_frames(&hog, host, left);
            uint64_t before = host_memory_free_bytes(host);
            struct vm_memory *vm = make_vm(host, PAGES);
            cr_assert_eq(vm != NULL, regions == 5 && left == 3, "%u regions, %u frames", regions,
                         left);
            if (vm != NULL) {
                cr_assert_eq(host_memory_free_bytes(host), 0);
                vm_memory_check(vm);
                vm_memory_close(vm);
            }
            cr_assert_eq(host_memory_free_bytes(host), before);
            host_memory_check(host);
            hog_release(&hog);
            cr_assert_eq(host_memory_free_bytes(host), regions * MMU_LARGE_BYTES);
            host_memory_free(host);
        }
    }
    /* Room for the data, none for a region of tables. */
    struct host_memory *host = host_memory_new(pages, 4 * MMU_LARGE_BYTES);
    cr_assert_null(make_vm(host, PAGES));
    cr_assert_eq(host_memory_free_bytes(host), 4 * MMU_LARGE_BYTES);
    host_memory_check(host);
    host_memory_free(host);
    page_pool_close(pages);
}

/* Two VMs on one host share nothing, and a third one fits where the first was. */
Test(vm_memory, frames_of_two_are_apart)
{
    struct page_pool *pages = page_pool_new();
    struct host_memory *host = host_memory_new(pages, 12 * MMU_LARGE_BYTES);
    struct vm_memory *a = make_vm(host, PAGES);
    struct vm_memory *b = make_vm(host, PAGES);
    vm_memory_fill(a, 0, PAGES, PAGE_RANDOM, 1);
    for (uint32_t i = 0; i < PAGES; i++) {
        cr_assert_eq(vm_memory_peek(b, i).v, 0);
        cr_assert_eq(vm_memory_load(a, i).v, page_pattern(PAGE_RANDOM, 1 + i).v);
    }
    vm_memory_close(a);
    a = make_vm(host, 2 * PAGES - 5);
    cr_assert_not_null(a);
    for (uint32_t i = 0; i < 2 * PAGES - 5; i++) {
        cr_assert_eq(vm_memory_load(a, i).v, 0);
    }
    vm_memory_check(a);
    vm_memory_check(b);
    vm_memory_close(a);
    vm_memory_close(b);
    cr_assert_eq(host_memory_free_bytes(host), 12 * MMU_LARGE_BYTES);
    host_memory_free(host);
    page_pool_close(pages);
}

/* ---- guest and hypervisor ----------------------------------------------------------------------------------------------------- */

Test(vm_memory, a_snapshot_never_changes)
{
    struct page_pool *pages = page_pool_new();
    struct host_memory *host = host_memory_new(pages, 8 * MMU_LARGE_BYTES);
    struct vm_memory *vm = make_vm(host, PAGES);
    uint8_t first[PAGE_BYTES] = {1}, second[PAGE_BYTES] = {2}, seen[PAGE_BYTES];
    vm_memory_store(vm, 9, page_literal(pages, first, PAGE_BYTES));
    struct page snapshot = page_ref(pages, vm_memory_peek(vm, 9));
    vm_memory_store(vm, 9, page_literal(pages, second, PAGE_BYTES));
    page_copy_out(pages, snapshot, 0, PAGE_BYTES, seen);
    cr_assert_eq(memcmp(seen, first, PAGE_BYTES), 0);
    page_copy_out(pages, vm_memory_load(vm, 9), 0, PAGE_BYTES, seen);
    cr_assert_eq(memcmp(seen, second, PAGE_BYTES), 0);
    vm_memory_close(vm);
    cr_assert_eq(page_pool_live(pages), 1);
    page_unref(pages, snapshot);
    host_memory_free(host);
    page_pool_close(pages);
}

/* Only the guest sets flags. */
Test(vm_memory, the_hypervisor_leaves_no_trace)
{
    struct page_pool *pages = page_pool_new();
    struct host_memory *host = host_memory_new(pages, 8 * MMU_LARGE_BYTES);
    struct vm_memory *vm = make_vm(host, PAGES);
    struct second_level *tables = vm_memory_tables(vm);
    bool large;
    const uint64_t *leaf = second_level_leaf(tables, (struct gpa){0}, &large);
    uint64_t fresh = *leaf;
    vm_memory_put(vm, 0, page_pattern(PAGE_RANDOM, 5));
    cr_assert_eq(vm_memory_peek(vm, 0).v, page_pattern(PAGE_RANDOM, 5).v);
    vm_memory_fill(vm, 0, 4, PAGE_COMPRESSIBLE, 50);
    cr_assert_eq(*leaf, fresh);
    cr_assert_eq(vm_memory_stores(vm), 0);
    cr_assert_eq(tables->walks, 0);
    cr_assert_eq(vm_memory_load(vm, 3).v, page_pattern(PAGE_COMPRESSIBLE, 53).v);
    cr_assert_eq(*leaf, fresh | second_level_accessed_flag(tables));
    vm_memory_store(vm, 3, page_zero());
    cr_assert_eq(*leaf,
                 fresh | second_level_accessed_flag(tables) | second_level_dirty_flag(tables));
    cr_assert_eq(vm_memory_stores(vm), 1);
    vm_memory_close(vm);
    host_memory_free(host);
    page_pool_close(pages);
}

Test(vm_memory, fill_of_any_stretch)
{
    static const struct {
        uint64_t first, count;
    } cases[] = {{0, 0},     {0, 1},         {0, PAGES}, {511, 2}, {100, 1000},
                 {512, 512}, {PAGES - 1, 1}, {PAGES, 0}, {3, 1535}};
    struct page_pool *pages = page_pool_new();
    struct host_memory *host = host_memory_new(pages, 8 * MMU_LARGE_BYTES);
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct vm_memory *vm = make_vm(host, PAGES);
        vm_memory_fill(vm, cases[i].first, cases[i].count, PAGE_RANDOM, 1000);
        for (uint64_t page = 0; page < PAGES; page++) {
            bool inside = page >= cases[i].first && page - cases[i].first < cases[i].count;
            uint64_t expected =
                inside ? page_pattern(PAGE_RANDOM, 1000 + page - cases[i].first).v : 0;
            cr_assert_eq(vm_memory_peek(vm, page).v, expected, "case %zu, page %llu", i,
                         (unsigned long long)page);
        }
        vm_memory_close(vm);
    }
    host_memory_free(host);
    page_pool_close(pages);
}

/* ---- compare ------------------------------------------------------------------------------------------------------------------ */

Test(vm_memory, compare_counts_what_differs)
{
    static const struct {
        const char *name;
        uint64_t fill_a, fill_b;
        uint32_t changed[3];
        uint32_t change_count;
        uint64_t different, first;
    } cases[] = {
        {"both zero", 0, 0, {0}, 0, 0, 99},
        {"both filled", 7, 7, {0}, 0, 0, 99},
        {"one filled", 7, 0, {0}, 0, PAGES, 0},
        {"shifted by one", 7, 8, {0}, 0, PAGES, 0},
        {"the first page", 7, 7, {0}, 1, 1, 0},
        {"the last page", 7, 7, {PAGES - 1}, 1, 1, PAGES - 1},
        {"three pages", 7, 7, {700, 511, 1535}, 3, 3, 511},
    };
    struct page_pool *pages = page_pool_new();
    struct host_memory *host_a = host_memory_new(pages, 8 * MMU_LARGE_BYTES);
    struct host_memory *host_b = host_memory_new(pages, 8 * MMU_LARGE_BYTES);
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct vm_memory *a = make_vm(host_a, PAGES);
        struct vm_memory *b = make_vm(host_b, PAGES);
        uint64_t first = 99;
        if (cases[i].fill_a != 0) {
            vm_memory_fill(a, 0, PAGES, PAGE_RANDOM, cases[i].fill_a);
        }
        if (cases[i].fill_b != 0) {
            vm_memory_fill(b, 0, PAGES, PAGE_RANDOM, cases[i].fill_b);
        }
        for (uint32_t k = 0; k < cases[i].change_count; k++) {
            vm_memory_put(b, cases[i].changed[k], page_zero());
        }
        cr_assert_eq(vm_memory_compare(a, b, &first), cases[i].different, "%s", cases[i].name);
        cr_assert_eq(first, cases[i].first, "%s", cases[i].name);
        first = 99;
        cr_assert_eq(vm_memory_compare(b, a, &first), cases[i].different, "%s", cases[i].name);
        cr_assert_eq(first, cases[i].first, "%s", cases[i].name);
        vm_memory_close(a);
        vm_memory_close(b);
    }
    host_memory_free(host_a);
    host_memory_free(host_b);
    page_pool_close(pages);
}

/* Different handles with the same bytes are no difference. */
Test(vm_memory, compare_looks_at_bytes)
{
    struct page_pool *pages = page_pool_new();
    struct host_memory *host = host_memory_new(pages, 16 * MMU_LARGE_BYTES);
    struct vm_memory *a = make_vm(host, PAGES);
    struct vm_memory *b = make_vm(host, PAGES);
    uint8_t bytes[PAGE_BYTES] = {0};
    uint64_t first = 99;
    vm_memory_put(a, 4, page_literal(pages, bytes, PAGE_BYTES));
    page_copy_out(pages, page_pattern(PAGE_RANDOM, 77), 0, PAGE_BYTES, bytes);
    vm_memory_put(a, 600, page_literal(pages, bytes, PAGE_BYTES));
    vm_memory_put(b, 600, page_pattern(PAGE_RANDOM, 77));
    vm_memory_put(a, 601, page_literal(pages, bytes, PAGE_BYTES));
    vm_memory_put(b, 601, page_literal(pages, bytes, PAGE_BYTES));
    cr_assert_eq(vm_memory_compare(a, b, &first), 0);
    bytes[4095] ^= 1;
    vm_memory_put(b, 601, page_literal(pages, bytes, PAGE_BYTES));
    cr_assert_eq(vm_memory_compare(a, b, &first), 1);
    cr_assert_eq(first, 601);
    vm_memory_close(a);
    vm_memory_close(b);
    cr_assert_eq(page_pool_live(pages), 0);
    host_memory_free(host);
    page_pool_close(pages);
}

/* ---- big ones ------------------------------------------------------------------------------------------------------------------ */

/* Tables of 64 GiB are a directory for each GiB; logging splits only what is stored to, and a harvest finds just that. */
Test(vm_memory, a_big_guest_costs_little)
{
    static const uint64_t stored[] = {0, 5, 512, 262143, 9999999, 64 * GIB_PAGES - 1};
    struct page_pool *pages = page_pool_new();
    struct host_memory *host = host_memory_new(pages, UINT64_C(65) << 30);
    struct vm_memory *vm = make_vm(host, 64 * GIB_PAGES);
    cr_assert_not_null(vm);
    struct vm_memory_statistics statistics;
    vm_memory_statistics(vm, &statistics);
    cr_assert_eq(statistics.table_frames, 64 + 1 + 1);
    vm_memory_fill(vm, 0, 32 * GIB_PAGES, PAGE_RANDOM, 1);
    dirty_log_start(vm_memory_log(vm));
    vm_memory_watch(vm, true);
    uint64_t *bitmap = calloc(64 * GIB_PAGES / 64, sizeof *bitmap);
    cr_assert_not_null(bitmap);
    for (size_t i = 0; i < COUNT(stored); i++) {
        vm_memory_store(vm, stored[i], page_pattern(PAGE_RANDOM, i));
    }
    sim_time host_ns = 0;
    uint64_t first = 0;
    cr_assert_eq(dirty_log_harvest(vm_memory_log(vm), bitmap, &host_ns), COUNT(stored));
    for (size_t i = 0; i < COUNT(stored); i++) {
        cr_assert(bitmap[stored[i] / 64] >> stored[i] % 64 & 1);
    }
    cr_assert_eq(vm_memory_witness(vm, bitmap, &first), 0);
    vm_memory_statistics(vm, &statistics);
    cr_assert_eq(statistics.splits, 5);
    dirty_log_stop(vm_memory_log(vm));
    vm_memory_statistics(vm, &statistics);
    cr_assert_eq(statistics.table_frames, 64 + 1 + 1);
    cr_assert_eq(statistics.small_leaves, 0);
    free(bitmap);
    vm_memory_close(vm);
    host_memory_free(host);
    page_pool_close(pages);
}
