/* Page maps against an array of handles: the same answers whatever was done in whatever order (M2), references that
 * balance (M1), and bounds on what a map may cost. */
#include "sim/page_map.h"

#include "tests/pages/random.h"

#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

#define COUNT(array) (sizeof(array) / sizeof *(array))

/* Four regions and a short one. */
#define TWIN_PAGES (4 * PAGE_MAP_REGION_PAGES + 100)

/* ---- against an array ------------------------------------------------------------------------------------------- */

struct twin {
    struct page_pool *pool;
    struct page_map map;
    struct page pages[TWIN_PAGES];
    uint32_t literals; /* pages that are literals */
};

static void twin_set(struct twin *twin, uint64_t index, struct page page)
{
    twin->literals -= page_is_literal(twin->pages[index]);
    twin->literals += page_is_literal(page);
    twin->pages[index] = page;
}

static void twin_check(struct twin *twin)
{
    uint64_t next = page_map_next_nonzero(&twin->map, 0);
    uint32_t references = 0;
    for (uint64_t i = 0; i < TWIN_PAGES; i++) {
        struct page page = twin->pages[i];
        cr_assert(page_same_handle(page_map_get(&twin->map, i), page), "page %llu",
                  (unsigned long long)i);
        cr_assert_eq(next == i, page.v != 0, "next non-zero is %llu at %llu",
                     (unsigned long long)next, (unsigned long long)i);
        if (page.v != 0) {
            next = page_map_next_nonzero(&twin->map, i + 1);
        }
        references += page_is_literal(page);
    }
    cr_assert_eq(next, TWIN_PAGES);
    cr_assert_eq(references, twin->literals);
    page_map_check(&twin->map);
}

/* A stretch of pages: often whole regions, or ends at the edge of one. */
static void any_range(uint64_t *state, uint64_t *first, uint64_t *count)
{
    uint64_t a = random_below(state, TWIN_PAGES + 1);
    uint64_t b = random_below(state, TWIN_PAGES + 1);
    if (random_below(state, 2) == 0) {
        a -= a % PAGE_MAP_REGION_PAGES;
    }
    if (random_below(state, 2) == 0) {
        b = b > 4 * PAGE_MAP_REGION_PAGES ? TWIN_PAGES : b - b % PAGE_MAP_REGION_PAGES;
    }
    *first = a < b ? a : b;
    *count = (a < b ? b : a) - *first;
}

static void twin_put(struct twin *twin, uint64_t *state)
{
    uint64_t index = random_below(state, TWIN_PAGES);
    uint64_t length = 1;
    struct page page = page_zero();
    uint64_t kind = random_below(state, 5);
    if (kind == 1) {
        uint8_t bytes[PAGE_BYTES] = {(uint8_t)random_next(state)};
        page = page_literal(twin->pool, bytes, PAGE_BYTES);
        /* A few places may share it. */
        uint64_t other = random_below(state, TWIN_PAGES);
        page_map_put(&twin->map, other, page_ref(twin->pool, page));
        twin_set(twin, other, page);
    } else if (kind == 2) {
        page = page_pattern(PAGE_RANDOM, random_below(state, 1000));
    } else if (kind >= 3) {
        /* What follows the page before, for a while. */
        length = random_below(state, 700);
        page = index > 0 && page_is_pattern(twin->pages[index - 1])
                   ? twin->pages[index - 1]
                   : page_pattern(PAGE_COMPRESSIBLE, 17);
        page.v += page.v < UINT64_MAX;
    }
    for (uint64_t i = 0; i < length && index + i < TWIN_PAGES; i++) {
        page_map_put(&twin->map, index + i, page);
        twin_set(twin, index + i, page);
        page.v++;
        if (!page_is_pattern(page)) {
            break;
        }
    }
}

static void twin_step(struct twin *twin, uint64_t *state)
{
    uint64_t first;
    uint64_t count;
    any_range(state, &first, &count);
    uint64_t kind = random_below(state, 20);
    if (kind == 0) {
        page_map_clear(&twin->map, first, count);
        for (uint64_t i = first; i < first + count; i++) {
            twin_set(twin, i, page_zero());
        }
    } else if (kind == 1) {
        enum page_class class = random_below(state, 2) == 0 ? PAGE_RANDOM : PAGE_COMPRESSIBLE;
        /* Now and then the last numbers there are, which nothing may follow. */
        uint64_t base = random_below(state, 4) == 0 && count > 0
                            ? PAGE_PATTERN_NUMBER_MAX - count + 1
                            : random_below(state, 5000);
        page_map_fill(&twin->map, first, count, class, base);
        for (uint64_t i = 0; i < count; i++) {
            twin_set(twin, first + i, page_pattern(class, base + i));
        }
    } else if (kind == 2) {
        page_map_compact(&twin->map, random_below(state, twin->map.region_count));
    } else {
        twin_put(twin, state);
    }
}

Test(page_map, equals_an_array)
{
    static struct twin twin;
    for (uint64_t seed = 1; seed <= 10; seed++) {
        uint64_t state = seed;
        memset(&twin, 0, sizeof twin);
        twin.pool = page_pool_new();
        page_map_init(&twin.map, twin.pool, TWIN_PAGES);
        cr_assert_eq(twin.map.region_count, 5);
        for (uint32_t step = 0; step < 300; step++) {
            twin_step(&twin, &state);
            if (step % 8 == 0) {
                twin_check(&twin);
            }
            /* M1: a literal is alive as long as a place holds it. */
            cr_assert_eq(page_pool_live(twin.pool) > 0, twin.literals > 0);
        }
        twin_check(&twin);
        page_map_close(&twin.map);
        cr_assert_eq(page_pool_live(twin.pool), 0, "seed %llu leaks", (unsigned long long)seed);
        page_pool_close(twin.pool);
    }
}

/* ---- orders ----------------------------------------------------------------------------------------------------- */

static uint64_t ascending(uint64_t i)
{
    return i;
}
static uint64_t descending(uint64_t i)
{
    return TWIN_PAGES - 1 - i;
}
static uint64_t even_then_odd(uint64_t i)
{
    return i < TWIN_PAGES / 2 ? 2 * i : 2 * (i - TWIN_PAGES / 2) + 1;
}
static uint64_t scattered(uint64_t i)
{
    /* 1,009 is prime and does not divide the count, so this visits each page once. */
    return i * 1009 % TWIN_PAGES;
}

static const struct {
    const char *name;
    uint64_t (*page)(uint64_t i);
    uint64_t arrays_before; /* at most, before anything is compacted, when the content is runs */
} orders[] = {
    {"ascending", ascending, 0},
    {"descending", descending, 0},
    {"even, then odd", even_then_odd, 5},
    {"scattered", scattered, 5},
};

static const struct {
    const char *name;
    uint64_t period;    /* page i is base + i % period ... */
    uint64_t zero_from; /* ... and zero from here on within each region */
    uint64_t arrays;    /* once compacted */
} contents[] = {
    {"one long run", UINT64_MAX, 512, 0},
    {"half of each region", UINT64_MAX, 256, 0},
    {"all zero", UINT64_MAX, 0, 0},
    {"a run for each region", 512, 512, 0},
    {"runs shorter than a region", 100, 512, 5},
};

static struct page content_page(size_t content, uint64_t index)
{
    if (index % PAGE_MAP_REGION_PAGES >= contents[content].zero_from) {
        return page_zero();
    }
    return page_pattern(PAGE_RANDOM, 1000 + index % contents[content].period);
}

/* M2, and how many arrays each way costs: over an empty map, and over one that held something else. */
Test(page_map, order_does_not_show)
{
    struct page_pool *pool = page_pool_new();
    for (size_t row = 0; row < COUNT(orders) * COUNT(contents) * 2; row++) {
        size_t order = row % COUNT(orders);
        size_t content = row / COUNT(orders) % COUNT(contents);
        bool over = row >= COUNT(orders) * COUNT(contents);
        struct page_map map;
        page_map_init(&map, pool, TWIN_PAGES);
        if (over) {
            page_map_fill(&map, 0, TWIN_PAGES, PAGE_COMPRESSIBLE, 7);
        }
        for (uint64_t i = 0; i < TWIN_PAGES; i++) {
            uint64_t index = orders[order].page(i);
            page_map_put(&map, index, content_page(content, index));
        }
        uint64_t bound = contents[content].arrays > orders[order].arrays_before
                             ? contents[content].arrays
                             : orders[order].arrays_before;
        cr_assert_leq(map.arrays, bound, "%s, %s: %llu arrays", contents[content].name,
                      orders[order].name, (unsigned long long)map.arrays);
        for (uint64_t region = 0; region < map.region_count; region++) {
            uint64_t before = map.arrays;
            bool run = page_map_compact(&map, region);
            cr_assert(run || map.arrays == before);
        }
        cr_assert_eq(map.arrays, contents[content].arrays, "%s, %s", contents[content].name,
                     orders[order].name);
        for (uint64_t i = 0; i < TWIN_PAGES; i++) {
            cr_assert(page_same_handle(page_map_get(&map, i), content_page(content, i)),
                      "%s, %s: page %llu", contents[content].name, orders[order].name,
                      (unsigned long long)i);
        }
        page_map_check(&map);
        page_map_close(&map);
    }
    page_pool_close(pool);
}

/* ---- cost ------------------------------------------------------------------------------------------------------- */

#define GIB_PAGES (UINT64_C(1) << 18)

/* A host's memory, half of it used: no arrays, and clearing or looking through it costs by region. */
Test(page_map, half_of_64_gib_costs_no_array)
{
    struct page_pool *pool = page_pool_new();
    struct page_map map;
    page_map_init(&map, pool, 64 * GIB_PAGES);
    for (uint64_t gib = 0; gib < 64; gib++) {
        page_map_fill(&map, gib * GIB_PAGES, GIB_PAGES / 2, PAGE_RANDOM, gib * GIB_PAGES);
    }
    cr_assert_eq(map.arrays, 0);
    for (uint64_t gib = 0; gib < 64; gib++) {
        uint64_t middle = gib * GIB_PAGES + GIB_PAGES / 2;
        cr_assert_eq(page_map_get(&map, middle - 1).v, page_pattern(PAGE_RANDOM, middle - 1).v);
        cr_assert_eq(page_map_get(&map, middle).v, 0);
        cr_assert_eq(page_map_next_nonzero(&map, middle), (gib + 1) * GIB_PAGES);
    }
    page_map_clear(&map, 1, 64 * GIB_PAGES - 1);
    cr_assert_eq(map.arrays, 0, "what is left of a run is a run");
    cr_assert_eq(page_map_next_nonzero(&map, 1), map.page_count);
    page_map_close(&map);
    /* 4 TiB in one map, of which the ends are touched. */
    page_map_init(&map, pool, 4096 * GIB_PAGES);
    page_map_put(&map, 4096 * GIB_PAGES - 1, page_pattern(PAGE_RANDOM, 1));
    cr_assert_eq(map.arrays, 1);
    cr_assert_eq(page_map_get(&map, 4096 * GIB_PAGES - 1).v, page_pattern(PAGE_RANDOM, 1).v);
    page_map_close(&map);
    page_pool_close(pool);
}

/* What live migration does: the first round copies all in order, later rounds what was written, in order again. */
Test(page_map, copying_in_order_leaves_no_array)
{
    struct page_pool *pool = page_pool_new();
    struct page_map source;
    struct page_map target;
    uint64_t pages = GIB_PAGES / 4;
    page_map_init(&source, pool, pages);
    page_map_init(&target, pool, pages);
    page_map_fill(&source, 0, pages / 2, PAGE_RANDOM, 0);
    page_map_fill(&source, pages / 2 + 1024, 700, PAGE_COMPRESSIBLE, 99);
    for (uint32_t round = 0; round < 3; round++) {
        for (uint64_t i = 0; i < pages; i++) {
            page_map_put(&target, i, page_ref(pool, page_map_get(&source, i)));
        }
        cr_assert_eq(source.arrays, 0);
        cr_assert_eq(target.arrays, 0, "round %u", round);
        /* The guest writes new content all over. */
        page_map_fill(&source, 0, pages / 2, PAGE_RANDOM, (round + 1) * pages);
    }
    /* One page differs: one array. It is put right: by the store itself at an end, else by compacting. */
    static const uint64_t places[] = {0, 1, 300, 510, 511};
    static const uint8_t other[PAGE_BYTES] = {1};
    for (size_t i = 0; i < COUNT(places); i++) {
        struct page right = page_map_get(&target, places[i]);
        page_map_put(&target, places[i], page_literal(pool, other, PAGE_BYTES));
        page_map_put(&target, places[i], page_pattern(PAGE_COMPRESSIBLE, 5));
        cr_assert_eq(target.arrays, 1);
        cr_assert_not(page_map_compact(&target, 0));
        page_map_put(&target, places[i], right);
        cr_assert(page_map_compact(&target, 0), "page %llu", (unsigned long long)places[i]);
        cr_assert_eq(target.arrays, 0);
    }
    /* A range that covers what differs puts it right, too. */
    page_map_put(&target, 300, page_literal(pool, other, PAGE_BYTES));
    page_map_fill(&target, 298, 5, PAGE_RANDOM, page_pattern_number(page_map_get(&target, 298)));
    cr_assert_eq(target.arrays, 0, "fill leaves a run");
    page_map_clear(&target, 0, PAGE_MAP_REGION_PAGES);
    page_map_put(&target, 300, page_literal(pool, other, PAGE_BYTES));
    cr_assert_eq(target.arrays, 1);
    page_map_clear(&target, 298, 5);
    cr_assert_eq(target.arrays, 0, "clear leaves a run");
    page_map_close(&source);
    page_map_close(&target);
    cr_assert_eq(page_pool_live(pool), 0);
    page_pool_close(pool);
}
