/* The RAM of a host: regions and frames in their order (H2), never more than there is (H3), truth where it is watched (H1). */
#include "mmu/host_memory.h"

#include "tests/mmu/hog.h"
#include "tests/pages/random.h"

#include <criterion/criterion.h>
#include <string.h>

#define COUNT(array) (sizeof(array) / sizeof *(array))
#define REGION(n)    ((uint64_t)(n) << MMU_LARGE_SHIFT)
#define FRAME(n)     ((uint64_t)(n) << MMU_PAGE_SHIFT)

/* ---- regions and frames against a list ---------------------------------------------------------------------------------- */

#define REGIONS 70u /* more than a word of the set */

struct list {
    struct host_memory *memory;
    bool data[REGIONS];
    bool frames[REGIONS][MMU_LARGE_PAGES];
    uint32_t frame_count[REGIONS];
};

static uint32_t lowest_free(const struct list *list)
{
    uint32_t region = 0;
    while (region < REGIONS && (list->data[region] || list->frame_count[region] > 0)) {
        region++;
    }
    return region;
}

static void list_take_region(struct list *list)
{
    struct spa region = {1};
    uint32_t expected = lowest_free(list);
    bool taken = host_memory_take_region(list->memory, &region);
    cr_assert_eq(taken, expected < REGIONS);
    if (taken) {
        cr_assert_eq(region.v, REGION(expected));
        for (uint32_t i = 0; i < MMU_LARGE_PAGES; i++) {
            cr_assert_eq(host_memory_get(list->memory, (struct spa){region.v + FRAME(i)}).v, 0);
        }
        host_memory_put(list->memory, (struct spa){region.v + FRAME(7)},
                        page_pattern(PAGE_RANDOM, 9));
        list->data[expected] = true;
    }
}

static void list_take_frame(struct list *list)
{
    uint32_t region = 0;
    while (region < REGIONS &&
           (list->frame_count[region] == 0 || list->frame_count[region] == 512)) {
        region++;
    }
    region = region < REGIONS ? region : lowest_free(list);
    struct spa frame = {1};
    bool taken = host_memory_take_frame(list->memory, &frame);
    cr_assert_eq(taken, region < REGIONS);
    if (!taken) {
        return;
    }
    uint32_t slot = 0;
    while (list->frames[region][slot]) {
        slot++;
    }
    cr_assert_eq(frame.v, REGION(region) + FRAME(slot));
    uint64_t *entries = host_memory_frame(list->memory, frame);
    for (uint32_t i = 0; i < 512; i++) {
        cr_assert_eq(entries[i], 0, "a frame is zero when it is taken");
        entries[i] = frame.v + i;
    }
    list->frames[region][slot] = true;
    list->frame_count[region]++;
}

static void list_give(struct list *list, uint64_t *state)
{
    uint32_t region = (uint32_t)random_below(state, REGIONS);
    if (list->data[region]) {
        host_memory_give_region(list->memory, (struct spa){REGION(region)});
        list->data[region] = false;
    }
    for (uint32_t slot = 0; slot < MMU_LARGE_PAGES; slot++) {
        if (list->frames[region][slot] && random_below(state, 3) > 0) {
            struct spa frame = {REGION(region) + FRAME(slot)};
            cr_assert_eq(*host_memory_frame(list->memory, frame), frame.v);
            host_memory_give_frame(list->memory, frame);
            list->frames[region][slot] = false;
            list->frame_count[region]--;
        }
    }
}

Test(host_memory, regions_and_frames_like_a_list)
{
    static struct list list;
    uint64_t state = 1;
    struct page_pool *pages = page_pool_new();
    list.memory = host_memory_new(pages, REGION(REGIONS) + 4096);
    cr_assert_eq(host_memory_bytes(list.memory), REGION(REGIONS), "whole regions only");
    for (uint32_t step = 0; step < 3000; step++) {
        /* Waves, so that memory is now full and now empty. */
        uint64_t kind = random_below(&state, 8) + (step / 500 % 2 == 0 ? 0 : 4);
        if (kind < 4) {
            list_take_region(&list);
        } else if (kind < 9) {
            for (uint32_t i = 0; i < 40; i++) {
                list_take_frame(&list);
            }
        } else {
            list_give(&list, &state);
        }
        uint64_t free_count = 0;
        for (uint32_t region = 0; region < REGIONS; region++) {
            free_count += !list.data[region] && list.frame_count[region] == 0;
        }
        cr_assert_eq(host_memory_free_bytes(list.memory), REGION(free_count));
        if (step % 100 == 0) {
            host_memory_check(list.memory);
        }
    }
    host_memory_free(list.memory);
    page_pool_close(pages);
}

/* ---- regions that are equal ------------------------------------------------------------------------------------------------- */

enum shape {
    SHAPE_ZERO,
    SHAPE_RUN,
    SHAPE_OTHER_RUN,
    SHAPE_SHORT_RUN,
    SHAPE_ARRAY,
    SHAPE_RUN_AS_ARRAY
};

static void make_shape(struct host_memory *memory, struct spa region, enum shape shape)
{
    switch (shape) {
    case SHAPE_ZERO:
        break;
    case SHAPE_RUN:
        host_memory_fill(memory, region, 512, PAGE_RANDOM, 1000);
        break;
    case SHAPE_OTHER_RUN:
        host_memory_fill(memory, region, 512, PAGE_RANDOM, 1001);
        break;
    case SHAPE_SHORT_RUN:
        host_memory_fill(memory, region, 511, PAGE_RANDOM, 1000);
        break;
    case SHAPE_ARRAY:
        host_memory_fill(memory, region, 512, PAGE_RANDOM, 1000);
        host_memory_put(memory, (struct spa){region.v + FRAME(300)}, page_pattern(PAGE_RANDOM, 5));
        break;
    case SHAPE_RUN_AS_ARRAY:
        /* Restored in the middle, where the map does not look for runs. */
        make_shape(memory, region, SHAPE_ARRAY);
        host_memory_put(memory, (struct spa){region.v + FRAME(300)},
                        page_pattern(PAGE_RANDOM, 1300));
        break;
    }
}

Test(host_memory, equal_regions)
{
    static const struct {
        const char *name;
        enum shape a, b;
        bool equal;
    } cases[] = {
        {"zero and zero", SHAPE_ZERO, SHAPE_ZERO, true},
        {"zero and run", SHAPE_ZERO, SHAPE_RUN, false},
        {"run and the same run", SHAPE_RUN, SHAPE_RUN, true},
        {"run and another", SHAPE_RUN, SHAPE_OTHER_RUN, false},
        {"run and a shorter one", SHAPE_RUN, SHAPE_SHORT_RUN, false},
        {"run and array", SHAPE_RUN, SHAPE_ARRAY, false},
        {"array and the same array", SHAPE_ARRAY, SHAPE_ARRAY, true},
        {"array and another", SHAPE_ARRAY, SHAPE_RUN_AS_ARRAY, false},
        {"run and the same as array", SHAPE_RUN, SHAPE_RUN_AS_ARRAY, true},
    };
    struct page_pool *pages = page_pool_new();
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct host_memory *a = host_memory_new(pages, REGION(2));
        struct host_memory *b = host_memory_new(pages, REGION(2));
        struct spa region_a, region_b;
        cr_assert(host_memory_take_region(a, &region_a));
        cr_assert(host_memory_take_region(b, &region_b));
        cr_assert(host_memory_take_region(b, &region_b), "not at the same address");
        make_shape(a, region_a, cases[i].a);
        make_shape(b, region_b, cases[i].b);
        cr_assert_eq(host_memory_region_equal(a, region_a, b, region_b), cases[i].equal, "%s",
                     cases[i].name);
        cr_assert_eq(host_memory_region_equal(b, region_b, a, region_a), cases[i].equal,
                     "%s, the other way round", cases[i].name);
        host_memory_free(a);
        host_memory_free(b);
    }
    page_pool_close(pages);
}

/* ---- truth, and a loss of power --------------------------------------------------------------------------------------------- */

Test(host_memory, truth_is_set_where_it_is_watched)
{
    struct page_pool *pages = page_pool_new();
    struct host_memory *memory = host_memory_new(pages, REGION(4));
    struct spa watched, other;
    cr_assert(host_memory_take_region(memory, &other));
    cr_assert(host_memory_take_region(memory, &watched));
    cr_assert_null(host_memory_truth(memory, watched));
    host_memory_put(memory, (struct spa){watched.v + FRAME(1)}, page_pattern(PAGE_RANDOM, 1));
    host_memory_watch(memory, watched, true);
    uint64_t *truth = host_memory_truth(memory, watched);
    cr_assert_not_null(truth);
    cr_assert_null(host_memory_truth(memory, other));
    host_memory_fill(memory, watched, 100, PAGE_RANDOM, 50);
    host_memory_put(memory, (struct spa){other.v + FRAME(5)}, page_pattern(PAGE_RANDOM, 1));
    for (uint32_t i = 0; i < 8; i++) {
        cr_assert_eq(truth[i], 0, "neither what came before, nor a fill, nor a neighbour");
    }
    /* What a frame already holds counts as a store all the same. */
    host_memory_put(memory, (struct spa){watched.v}, page_pattern(PAGE_RANDOM, 50));
    host_memory_put(memory, (struct spa){watched.v + FRAME(511)}, page_pattern(PAGE_RANDOM, 2));
    cr_assert_eq(truth[0], 1);
    cr_assert_eq(truth[7], UINT64_C(1) << 63);
    host_memory_watch(memory, watched, true);
    cr_assert_eq(truth[0] | truth[7], 0, "watching again starts afresh");
    host_memory_put(memory, watched, page_zero());
    host_memory_check(memory);
    host_memory_give_region(memory, watched);
    host_memory_check(memory);
    cr_assert(host_memory_take_region(memory, &watched));
    cr_assert_null(host_memory_truth(memory, watched));
    cr_assert_eq(host_memory_get(memory, (struct spa){watched.v + FRAME(511)}).v, 0);
    host_memory_free(memory);
    page_pool_close(pages);
}

Test(host_memory, reset_frees_all)
{
    struct page_pool *pages = page_pool_new();
    struct host_memory *memory = host_memory_new(pages, REGION(3));
    uint8_t bytes[PAGE_BYTES] = {1};
    for (uint64_t life = 1; life <= 3; life++) {
        struct spa region, frame;
        cr_assert_eq(host_memory_incarnation(memory), life);
        cr_assert_eq(host_memory_free_bytes(memory), REGION(3));
        cr_assert(host_memory_take_frame(memory, &frame));
        cr_assert_eq(*host_memory_frame(memory, frame), 0);
        *host_memory_frame(memory, frame) = life;
        cr_assert(host_memory_take_region(memory, &region));
        cr_assert_eq(host_memory_get(memory, region).v, 0);
        host_memory_watch(memory, region, true);
        host_memory_put(memory, region, page_literal(pages, bytes, PAGE_BYTES));
        cr_assert_eq(page_pool_live(pages), 1);
        host_memory_reset(memory);
        cr_assert_eq(page_pool_live(pages), 0);
        host_memory_check(memory);
    }
    host_memory_free(memory);
    page_pool_close(pages);
}
