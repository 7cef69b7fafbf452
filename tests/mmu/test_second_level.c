/* Second-level tables: entries bit by bit, walks, accessed and dirty flags (E1, E2), and the shape of tables against a model, down to
 * the last frame (E3). Expected entries are written as numbers, so that a wrong constant does not prove itself. */
#include "mmu/second_level.h"

#include "tests/mmu/hog.h"
#include "tests/pages/random.h"

#include <criterion/criterion.h>
#include <string.h>

#define COUNT(array) (sizeof(array) / sizeof *(array))
#define REGION(n)    ((uint64_t)(n) << MMU_LARGE_SHIFT)

/* Index 1 in the PML4, 2 in the PDPT, 3 in the directory, 5 in the page table. */
#define GPA_RANGE (UINT64_C(1) << 39 | UINT64_C(2) << 30 | UINT64_C(3) << 21)
#define GPA_PAGE  (GPA_RANGE | UINT64_C(5) << 12)

static struct gpa gpa(uint64_t v)
{
    return (struct gpa){v};
}

static const char *format_name(enum second_level_format format)
{
    return format == SECOND_LEVEL_EPT ? "EPT" : "NPT";
}

/* ---- one mapping, every kind of access ------------------------------------------------------------------------------------ */

enum shape { UNMAPPED, LARGE, SMALL, LARGE_READ_ONLY, SMALL_READ_ONLY };

/* Flags of entries from level 4 down, that is without addresses, before and after the access. SDM Vol. 3, tables 29-1, 29-3, 29-5, 29-6
 * and 29-4 for the large page; APM Vol. 2, figures 5-20 to 5-26. */
static const struct {
    const char *name;
    enum second_level_format format;
    enum shape shape;
    enum mmu_access access;
    enum mmu_fault fault;
    uint32_t steps;
    uint64_t before[4], after[4];
} accesses[] = {
    {"read large",
     SECOND_LEVEL_EPT,
     LARGE,
     MMU_READ,
     MMU_OK,
     3,
     {7, 7, 0xb7},
     {0x107, 0x107, 0x1b7}},
    {"write large",
     SECOND_LEVEL_EPT,
     LARGE,
     MMU_WRITE,
     MMU_OK,
     3,
     {7, 7, 0xb7},
     {0x107, 0x107, 0x3b7}},
    {"read small",
     SECOND_LEVEL_EPT,
     SMALL,
     MMU_READ,
     MMU_OK,
     4,
     {7, 7, 7, 0x37},
     {0x107, 0x107, 0x107, 0x137}},
    {"write small",
     SECOND_LEVEL_EPT,
     SMALL,
     MMU_WRITE,
     MMU_OK,
     4,
     {7, 7, 7, 0x37},
     {0x107, 0x107, 0x107, 0x337}},
    {"read large, read-only",
     SECOND_LEVEL_EPT,
     LARGE_READ_ONLY,
     MMU_READ,
     MMU_OK,
     3,
     {7, 7, 0xb5},
     {0x107, 0x107, 0x1b5}},
    {"write large, read-only",
     SECOND_LEVEL_EPT,
     LARGE_READ_ONLY,
     MMU_WRITE,
     MMU_PROTECTED,
     3,
     {7, 7, 0xb5},
     {0x107, 0x107, 0xb5}},
    {"read small, read-only",
     SECOND_LEVEL_EPT,
     SMALL_READ_ONLY,
     MMU_READ,
     MMU_OK,
     4,
     {7, 7, 7, 0x35},
     {0x107, 0x107, 0x107, 0x135}},
    {"write small, read-only",
     SECOND_LEVEL_EPT,
     SMALL_READ_ONLY,
     MMU_WRITE,
     MMU_PROTECTED,
     4,
     {7, 7, 7, 0x35},
     {0x107, 0x107, 0x107, 0x35}},
    {"read unmapped", SECOND_LEVEL_EPT, UNMAPPED, MMU_READ, MMU_NOT_PRESENT, 1, {0}, {0}},
    {"write unmapped", SECOND_LEVEL_EPT, UNMAPPED, MMU_WRITE, MMU_NOT_PRESENT, 1, {0}, {0}},
    {"read large", SECOND_LEVEL_NPT, LARGE, MMU_READ, MMU_OK, 3, {7, 7, 0x87}, {0x27, 0x27, 0xa7}},
    {"write large",
     SECOND_LEVEL_NPT,
     LARGE,
     MMU_WRITE,
     MMU_OK,
     3,
     {7, 7, 0x87},
     {0x27, 0x27, 0xe7}},
    {"read small",
     SECOND_LEVEL_NPT,
     SMALL,
     MMU_READ,
     MMU_OK,
     4,
     {7, 7, 7, 7},
     {0x27, 0x27, 0x27, 0x27}},
    {"write small",
     SECOND_LEVEL_NPT,
     SMALL,
     MMU_WRITE,
     MMU_OK,
     4,
     {7, 7, 7, 7},
     {0x27, 0x27, 0x27, 0x67}},
    {"read large, read-only",
     SECOND_LEVEL_NPT,
     LARGE_READ_ONLY,
     MMU_READ,
     MMU_OK,
     3,
     {7, 7, 0x85},
     {0x27, 0x27, 0xa5}},
    {"write large, read-only",
     SECOND_LEVEL_NPT,
     LARGE_READ_ONLY,
     MMU_WRITE,
     MMU_PROTECTED,
     3,
     {7, 7, 0x85},
     {0x27, 0x27, 0x85}},
    {"read small, read-only",
     SECOND_LEVEL_NPT,
     SMALL_READ_ONLY,
     MMU_READ,
     MMU_OK,
     4,
     {7, 7, 7, 5},
     {0x27, 0x27, 0x27, 0x25}},
    {"write small, read-only",
     SECOND_LEVEL_NPT,
     SMALL_READ_ONLY,
     MMU_WRITE,
     MMU_PROTECTED,
     4,
     {7, 7, 7, 5},
     {0x27, 0x27, 0x27, 5}},
    {"read unmapped", SECOND_LEVEL_NPT, UNMAPPED, MMU_READ, MMU_NOT_PRESENT, 1, {0}, {0}},
    {"write unmapped", SECOND_LEVEL_NPT, UNMAPPED, MMU_WRITE, MMU_NOT_PRESENT, 1, {0}, {0}},
};

static void make_shape(struct second_level *tables, enum shape shape, struct spa data)
{
    if (shape == UNMAPPED) {
        return;
    }
    cr_assert(second_level_map_large(tables, gpa(GPA_RANGE), data));
    if (shape == SMALL || shape == SMALL_READ_ONLY) {
        cr_assert(second_level_split(tables, gpa(GPA_RANGE)));
    }
    if (shape == LARGE_READ_ONLY || shape == SMALL_READ_ONLY) {
        bool large;
        uint64_t *leaf = second_level_leaf(tables, gpa(GPA_PAGE), &large);
        *leaf = second_level_leaf_set(tables, *leaf, false, false);
    }
}

/* The address that an entry of this level holds: the table below, or the frame. */
static uint64_t address_in(const struct second_level_step *step, uint64_t data)
{
    if (step->level == 1) {
        return data + 5 * 4096;
    }
    return (step->before & 0x80) != 0 ? data : step->before & ~UINT64_C(0xfff);
}

Test(second_level, entries_bit_by_bit)
{
    static const uint32_t index[5] = {0, 5, 3, 2, 1};
    struct page_pool *pages = page_pool_new();
    for (size_t i = 0; i < COUNT(accesses); i++) {
        const char *name = accesses[i].name;
        const char *format = format_name(accesses[i].format);
        struct host_memory *memory = host_memory_new(pages, REGION(40));
        struct second_level tables;
        struct spa data;
        do {
            cr_assert(host_memory_take_region(memory, &data));
        } while (data.v < REGION(37));
        cr_assert(second_level_init(&tables, memory, accesses[i].format));
        make_shape(&tables, accesses[i].shape, data);
        struct second_level_step steps[4];
        uint32_t count =
            second_level_walk(&tables, gpa(GPA_PAGE + 0x123), accesses[i].access, steps);
        cr_assert_eq(count, accesses[i].steps, "%s %s: %u steps", format, name, count);
        uint64_t table = tables.root.v;
        for (uint32_t k = 0; k < count; k++) {
            uint64_t address = steps[k].before == 0 ? 0 : address_in(&steps[k], data.v);
            cr_assert_eq(steps[k].level, 4 - k);
            cr_assert_eq(steps[k].entry_at.v, table + 8 * index[4 - k], "%s %s: step %u", format,
                         name, k);
            cr_assert_eq(steps[k].before, address | accesses[i].before[k],
                         "%s %s: before, step %u: %llx", format, name, k,
                         (unsigned long long)steps[k].before);
            cr_assert_eq(steps[k].after, address | accesses[i].after[k],
                         "%s %s: after, step %u: %llx", format, name, k,
                         (unsigned long long)steps[k].after);
            table = address;
        }
        struct spa out = {1};
        enum mmu_fault fault =
            second_level_translate(&tables, gpa(GPA_PAGE + 0x123), accesses[i].access, &out);
        cr_assert_eq(fault, accesses[i].fault, "%s %s", format, name);
        cr_assert_eq(out.v, fault == MMU_OK ? data.v + 5 * 4096 + 0x123 : 1, "%s %s", format, name);
        cr_assert_eq(tables.set_dirty, fault == MMU_OK && accesses[i].access == MMU_WRITE);
        cr_assert_eq(tables.walk_references, accesses[i].steps);
        struct second_level_step again[4];
        cr_assert_eq(second_level_walk(&tables, gpa(GPA_PAGE), MMU_READ, again), count);
        for (uint32_t k = 0; k < count; k++) {
            cr_assert_eq(again[k].before, steps[k].after, "%s %s: the walk foretold step %u",
                         format, name, k);
        }
        second_level_check(&tables);
        second_level_close(&tables);
        host_memory_free(memory);
    }
    page_pool_close(pages);
}

/* Rights are those of all entries on the way, and what is above a leaf may be cached only while it allows everything. */
Test(second_level, rights_above_the_leaf_count)
{
    struct page_pool *pages = page_pool_new();
    for (uint32_t format = 0; format < 2; format++) {
        for (uint32_t step = 0; step < 3; step++) {
            struct host_memory *memory = host_memory_new(pages, REGION(4));
            struct second_level tables;
            struct spa data, out;
            cr_assert(host_memory_take_region(memory, &data));
            cr_assert(second_level_init(&tables, memory, (enum second_level_format)format));
            make_shape(&tables, SMALL, data);
            struct second_level_step steps[4];
            second_level_walk(&tables, gpa(GPA_PAGE), MMU_READ, steps);
            struct spa frame = {steps[step].entry_at.v & ~UINT64_C(0xfff)};
            uint64_t *entry = &host_memory_frame(memory, frame)[steps[step].entry_at.v / 8 % 512];
            *entry &= ~UINT64_C(2);
            for (uint32_t again = 0; again < 2; again++) {
                cr_assert_eq(second_level_translate(&tables, gpa(GPA_PAGE), MMU_READ, &out),
                             MMU_OK);
                cr_assert_eq(second_level_translate(&tables, gpa(GPA_PAGE), MMU_WRITE, &out),
                             MMU_PROTECTED, "%s, step %u read-only", format_name(format), step);
            }
            cr_assert_eq(second_level_walk(&tables, gpa(GPA_PAGE), MMU_WRITE, steps), 4);
            cr_assert_eq(steps[3].after, steps[3].before);
            *entry |= 2;
            second_level_flush(&tables);
            cr_assert_eq(second_level_translate(&tables, gpa(GPA_PAGE), MMU_WRITE, &out), MMU_OK);
            second_level_close(&tables);
            host_memory_free(memory);
        }
    }
    page_pool_close(pages);
}

/* A walk once for each range until a flush; a split and a merge let go of theirs alone, and keep what was accessed. */
Test(second_level, walks_are_remembered_until_a_flush)
{
    enum what { NOTHING, FLUSH, SPLIT, MERGE };
    static const struct {
        enum what what;
        uint64_t references; /* of the access after it */
        uint64_t flags[4];   /* of the entries before that access */
    } acts[] = {
        {NOTHING, 3, {7, 7, 0xb7}},
        {NOTHING, 0, {0x107, 0x107, 0x1b7}},
        {FLUSH, 3, {0x107, 0x107, 0x1b7}},
        {SPLIT, 4, {0x107, 0x107, 0x107, 0x137}},
        {NOTHING, 0, {0x107, 0x107, 0x107, 0x137}},
        {FLUSH, 4, {0x107, 0x107, 0x107, 0x137}},
        {MERGE, 3, {0x107, 0x107, 0x1b7}},
        {NOTHING, 0, {0x107, 0x107, 0x1b7}},
    };
    struct page_pool *pages = page_pool_new();
    struct host_memory *memory = host_memory_new(pages, REGION(4));
    struct second_level tables;
    struct spa data, out;
    cr_assert(host_memory_take_region(memory, &data));
    cr_assert(second_level_init(&tables, memory, SECOND_LEVEL_EPT));
    make_shape(&tables, LARGE, data);
    for (size_t i = 0; i < COUNT(acts); i++) {
        if (acts[i].what == FLUSH) {
            second_level_flush(&tables);
        } else if (acts[i].what == SPLIT) {
            cr_assert(second_level_split(&tables, gpa(GPA_RANGE)));
        } else if (acts[i].what == MERGE) {
            second_level_merge(&tables, gpa(GPA_RANGE));
        }
        struct second_level_step steps[4];
        uint32_t count = second_level_walk(&tables, gpa(GPA_PAGE), MMU_READ, steps);
        for (uint32_t k = 0; k < count; k++) {
            cr_assert_eq(steps[k].before & 0xfff, acts[i].flags[k], "act %zu, step %u", i, k);
        }
        uint64_t references = tables.walk_references;
        cr_assert_eq(second_level_translate(&tables, gpa(GPA_PAGE), MMU_READ, &out), MMU_OK);
        cr_assert_eq(tables.walk_references - references, acts[i].references, "act %zu", i);
    }
    second_level_close(&tables);
    host_memory_free(memory);
    page_pool_close(pages);
}

/* ---- against a model ---------------------------------------------------------------------------------------------------------- */

/* Neighbours in one directory, in one PDPT, in one PML4, and two that meet in the cache. */
static const uint64_t ranges[] = {
    0,
    REGION(1),
    REGION(511),
    REGION(512),
    REGION(SECOND_LEVEL_CACHE_ENTRIES),
    REGION(SECOND_LEVEL_CACHE_ENTRIES + 1),
    REGION(512 * 512 - 1),
    UINT64_C(1) << 39,
    GPA_RANGE,
    (UINT64_C(1) << 48) - REGION(1),
};

struct model_range {
    enum shape shape; /* UNMAPPED, LARGE or SMALL */
    struct spa data;
    /* By page; a large leaf has those of page 0. */
    bool read_only[512], accessed[512], dirty[512];
};

struct model {
    struct host_memory *memory;
    struct second_level tables;
    struct model_range ranges[COUNT(ranges)];
};

static void model_access(struct model *model, uint32_t range, uint64_t *state)
{
    struct model_range *at = &model->ranges[range];
    uint32_t page = (uint32_t)random_below(state, 4) * 170;
    uint64_t offset = (uint64_t)page * 4096 + random_below(state, 4096);
    enum mmu_access access = random_below(state, 2) == 0 ? MMU_READ : MMU_WRITE;
    uint32_t slot = at->shape == SMALL ? page : 0;
    enum mmu_fault expected = MMU_OK;
    if (at->shape == UNMAPPED) {
        expected = MMU_NOT_PRESENT;
    } else if (at->read_only[slot] && access == MMU_WRITE) {
        expected = MMU_PROTECTED;
    }
    struct spa out;
    cr_assert_eq(second_level_translate(&model->tables, gpa(ranges[range] + offset), access, &out),
                 expected);
    if (expected != MMU_OK) {
        return;
    }
    cr_assert_eq(out.v, at->data.v + offset);
    cr_assert_eq(model->tables.set_dirty, access == MMU_WRITE && !at->dirty[slot]);
    at->accessed[slot] = true;
    at->dirty[slot] |= access == MMU_WRITE;
}

static void model_change_rights(struct model *model, uint32_t range, uint64_t *state)
{
    struct model_range *at = &model->ranges[range];
    uint32_t page = (uint32_t)random_below(state, 4) * 170;
    uint32_t slot = at->shape == SMALL ? page : 0;
    bool large = false;
    uint64_t *leaf =
        second_level_leaf(&model->tables, gpa(ranges[range] + (uint64_t)page * 4096), &large);
    cr_assert_eq(leaf != NULL, at->shape != UNMAPPED);
    if (leaf == NULL) {
        return;
    }
    cr_assert_eq(large, at->shape == LARGE);
    at->read_only[slot] = random_below(state, 2) == 0;
    at->dirty[slot] = random_below(state, 2) == 0;
    *leaf = second_level_leaf_set(&model->tables, *leaf, !at->read_only[slot], at->dirty[slot]);
    second_level_flush(&model->tables);
}

static void model_split(struct model_range *at)
{
    at->shape = SMALL;
    at->dirty[0] = false;
    for (uint32_t i = 1; i < 512; i++) {
        at->read_only[i] = at->read_only[0];
        at->accessed[i] = at->accessed[0];
        at->dirty[i] = false;
    }
}

static void model_merge(struct model_range *at)
{
    at->shape = LARGE;
    at->read_only[0] = false;
    for (uint32_t i = 1; i < 512; i++) {
        at->accessed[0] |= at->accessed[i];
        at->dirty[0] |= at->dirty[i];
    }
}

static void model_step(struct model *model, uint64_t *state)
{
    uint32_t range = (uint32_t)random_below(state, COUNT(ranges));
    struct model_range *at = &model->ranges[range];
    struct gpa base = gpa(ranges[range]);
    switch (random_below(state, 12)) {
    case 0:
        if (at->shape == UNMAPPED) {
            cr_assert(host_memory_take_region(model->memory, &at->data));
            cr_assert(second_level_map_large(&model->tables, base, at->data));
            *at = (struct model_range){.shape = LARGE, .data = at->data};
        }
        break;
    case 1:
        second_level_unmap(&model->tables, base);
        if (at->shape != UNMAPPED) {
            host_memory_give_region(model->memory, at->data);
            at->shape = UNMAPPED;
        }
        break;
    case 2:
        if (at->shape != UNMAPPED) {
            cr_assert(second_level_split(&model->tables, base));
            if (at->shape == LARGE) {
                model_split(at);
            }
        }
        break;
    case 3:
        second_level_merge(&model->tables, base);
        if (at->shape == SMALL) {
            model_merge(at);
        }
        break;
    case 4:
        model_change_rights(model, range, state);
        break;
    default:
        model_access(model, range, state);
        break;
    }
}

/* All leaves as the model has them, and no table more than these need. */
static void model_check(const struct model *model)
{
    const struct second_level *tables = &model->tables;
    uint64_t large = 0, small = 0;
    for (uint32_t range = 0; range < COUNT(ranges); range++) {
        const struct model_range *at = &model->ranges[range];
        bool is_large;
        const uint64_t *leaf = second_level_leaf(tables, gpa(ranges[range]), &is_large);
        large += at->shape == LARGE;
        small += at->shape == SMALL ? 512 : 0;
        for (uint32_t i = 0; at->shape != UNMAPPED && i < (at->shape == LARGE ? 1 : 512); i++) {
            cr_assert_eq((leaf[i] & second_level_accessed_flag(tables)) != 0, at->accessed[i]);
            cr_assert_eq(second_level_leaf_dirty(tables, leaf[i]), at->dirty[i]);
            cr_assert_eq(second_level_leaf_writable(tables, leaf[i]), !at->read_only[i]);
        }
    }
    cr_assert_eq(tables->large_leaves, large);
    cr_assert_eq(tables->small_leaves, small);
    second_level_check(tables);
}

Test(second_level, shape_and_flags_like_a_model)
{
    static struct model model;
    uint64_t state = 2;
    struct page_pool *pages = page_pool_new();
    for (uint32_t format = 0; format < 2; format++) {
        memset(&model, 0, sizeof model);
        model.memory = host_memory_new(pages, REGION(COUNT(ranges) + 1));
        cr_assert(second_level_init(&model.tables, model.memory, (enum second_level_format)format));
        for (uint32_t step = 0; step < 8000; step++) {
            model_step(&model, &state);
            if (step % 50 == 0) {
                model_check(&model);
            }
        }
        /* E3: unmapping gives back tables too, all but the root. */
        for (uint32_t range = 0; range < COUNT(ranges); range++) {
            second_level_unmap(&model.tables, gpa(ranges[range]));
        }
        cr_assert_eq(model.tables.tables, 1);
        second_level_check(&model.tables);
        second_level_close(&model.tables);
        host_memory_free(model.memory);
    }
    page_pool_close(pages);
}

/* Leaves that do not lie in one 2 MiB range in order stay small. */
Test(second_level, merges_only_what_is_in_order)
{
    struct page_pool *pages = page_pool_new();
    struct host_memory *memory = host_memory_new(pages, REGION(4));
    struct second_level tables;
    struct spa data;
    cr_assert(host_memory_take_region(memory, &data));
    cr_assert(second_level_init(&tables, memory, SECOND_LEVEL_EPT));
    make_shape(&tables, SMALL, data);
    bool large;
    uint64_t *leaf = second_level_leaf(&tables, gpa(GPA_RANGE), &large);
    static const uint32_t swaps[][2] = {{0, 1}, {0, 511}, {200, 201}, {510, 511}};
    for (size_t i = 0; i < COUNT(swaps); i++) {
        uint64_t first = leaf[swaps[i][0]];
        leaf[swaps[i][0]] = leaf[swaps[i][1]];
        leaf[swaps[i][1]] = first;
        second_level_merge(&tables, gpa(GPA_RANGE));
        cr_assert_eq(tables.small_leaves, 512, "swap %zu", i);
        leaf[swaps[i][1]] = leaf[swaps[i][0]];
        leaf[swaps[i][0]] = first;
    }
    second_level_merge(&tables, gpa(GPA_RANGE));
    cr_assert_eq(tables.large_leaves, 1);
    second_level_close(&tables);
    host_memory_free(memory);
    page_pool_close(pages);
}

/* ---- each allocation fails once ----------------------------------------------------------------------------------------------- */

/* Maps and splits until a table cannot be had; true when all could. Whatever happened, the tables are whole and can be used. */
static bool script(struct host_memory *memory)
{
    static const uint64_t wanted[] = {0, REGION(1), GPA_RANGE, REGION(512)};
    struct second_level tables;
    if (!second_level_init(&tables, memory, SECOND_LEVEL_NPT)) {
        return false;
    }
    bool done = true;
    for (uint64_t i = 0; i < COUNT(wanted) && done; i++) {
        uint64_t before = tables.tables;
        done = second_level_map_large(&tables, gpa(wanted[i]), (struct spa){REGION(1)});
        struct spa out;
        enum mmu_fault fault = second_level_translate(&tables, gpa(wanted[i]), MMU_READ, &out);
        cr_assert_eq(fault, done ? MMU_OK : MMU_NOT_PRESENT);
        cr_assert(done || tables.tables == before, "a map that failed keeps no table");
    }
    for (uint64_t i = 0; i < COUNT(wanted) && done; i++) {
        done = second_level_split(&tables, gpa(wanted[i]));
        struct spa out;
        cr_assert_eq(second_level_translate(&tables, gpa(wanted[i] + 4096), MMU_WRITE, &out),
                     MMU_OK);
        cr_assert_eq(out.v, REGION(1) + 4096);
    }
    second_level_check(&tables);
    second_level_close(&tables);
    return done;
}

Test(second_level, every_table_can_fail)
{
    struct page_pool *pages = page_pool_new();
    struct host_memory *memory = host_memory_new(pages, REGION(2));
    struct hog hog;
    struct spa data;
    uint32_t left = 0;
    for (bool done = false; !done; left++) {
        hog_frames(&hog, memory, left);
        cr_assert(host_memory_take_region(memory, &data));
        cr_assert_eq(host_memory_free_bytes(memory), 0);
        done = script(memory);
        host_memory_give_region(memory, data);
        hog_release(&hog);
        cr_assert_eq(host_memory_free_bytes(memory), REGION(2), "%u frames left", left);
        host_memory_check(memory);
    }
    /* The root; PDPT and directory of the first range; both for another half of the space; one more directory; four splits. */
    cr_assert_eq(left - 1, 1 + 2 + 2 + 1 + 4);
    host_memory_free(memory);
    page_pool_close(pages);
}
