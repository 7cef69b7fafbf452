/* Bugs that are planted in the dirty logs show as written pages that no harvest reports. Only in builds with ORRERY_PLANTS. */
#include "mmu/vm_memory.h"

#include "sim/planted.h"

#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

#ifdef ORRERY_PLANTS

#define PAGES 2048u

/* Written pages that two harvests together did not report. */
static uint64_t unreported(enum dirty_log_mechanism mechanism)
{
    struct page_pool *pages = page_pool_new();
    struct host_memory *host = host_memory_new(pages, 8 * MMU_LARGE_BYTES);
    struct vm_memory *vm = vm_memory_new(
        &(struct vm_memory_options){.host = host, .page_count = PAGES, .mechanism = mechanism});
    cr_assert_not_null(vm);
    uint64_t missing = 0, first;
    vm_memory_watch(vm, true);
    dirty_log_start(vm_memory_log(vm));
    for (uint32_t round = 0; round < 2; round++) {
        uint64_t bitmap[PAGES / 64] = {0};
        sim_time host_ns = 0;
        for (uint32_t page = 0; page < 1500; page++) {
            vm_memory_store(vm, page, page_pattern(PAGE_RANDOM, page));
        }
        dirty_log_harvest(vm_memory_log(vm), bitmap, &host_ns);
        missing += vm_memory_witness(vm, bitmap, &first);
    }
    vm_memory_close(vm);
    host_memory_free(host);
    page_pool_close(pages);
    return missing;
}

static void with_plant(const char *plant, bool write_protect, bool dirty_bits, bool pml)
{
    setenv("ORRERY_PLANT", plant, 1);
    cr_assert_eq(unreported(DIRTY_LOG_WRITE_PROTECT) > 0, write_protect);
    cr_assert_eq(unreported(DIRTY_LOG_DIRTY_BITS) > 0, dirty_bits);
    cr_assert_eq(unreported(DIRTY_LOG_PML) > 0, pml);
    cr_assert(sim_planted(plant) && rt_planted(plant));
}

/* The environment is read once, so each has a process of its own. */
Test(plants, none)
{
    with_plant("", false, false, false);
}
Test(plants, dirty_lost_at_swap)
{
    with_plant("dirty_lost_at_swap", true, true, true);
}
Test(plants, split_forgets)
{
    with_plant("split_forgets", true, true, true);
}
Test(plants, pml_full_lost)
{
    with_plant("pml_full_lost", false, false, true);
}

#endif
