#include "sim/crc32c.h"
#include "sim/rt_side.h"

#include <stdlib.h>
#include <string.h>

/* The references to literals that node software of one machine holds: handle -> count, in a table of open addressing. Zero and
 * pattern pages have nothing to count and never get here. */
struct held {
    uint64_t page; /* 0: empty */
    uint64_t count;
};
struct rt_page_ledger {
    struct page_pool *pool;
    struct held *table;
    uint32_t capacity; /* a power of two */
    uint32_t used;     /* entries with a page, also those whose count is 0 */
    uint64_t total;
};

struct rt_page_ledger *rt_page_ledger_new(struct page_pool *pool)
{
    struct rt_page_ledger *ledger = calloc(1, sizeof *ledger);
    SIM_ASSERT(ledger != NULL);
    ledger->pool = pool;
    ledger->capacity = 64;
    ledger->table = calloc(ledger->capacity, sizeof *ledger->table);
    SIM_ASSERT(ledger->table != NULL);
    return ledger;
}

void rt_page_ledger_reset(struct rt_page_ledger *ledger)
{
    for (uint32_t i = 0; i < ledger->capacity; i++) {
        for (uint64_t n = 0; n < ledger->table[i].count; n++) {
            page_unref(ledger->pool, (struct page){ledger->table[i].page});
        }
    }
    memset(ledger->table, 0, ledger->capacity * sizeof *ledger->table);
    ledger->used = 0;
    ledger->total = 0;
}

void rt_page_ledger_free(struct rt_page_ledger *ledger)
{
    rt_page_ledger_reset(ledger);
    free(ledger->table);
    free(ledger);
}

uint64_t rt_page_ledger_held(const struct rt_page_ledger *ledger)
{
    return ledger->total;
}

static struct held *find(struct held *table, uint32_t capacity, uint64_t page)
{
    uint32_t at = (uint32_t)(page * UINT64_C(0x9e3779b97f4a7c15) >> 32) & (capacity - 1);
    while (table[at].page != 0 && table[at].page != page) {
        at = (at + 1) & (capacity - 1);
    }
    return &table[at];
}

/* Doubles the table, or only sweeps out entries whose count is 0. */
static void make_room(struct rt_page_ledger *ledger)
{
    uint32_t live = 0;
    for (uint32_t i = 0; i < ledger->capacity; i++) {
        live += ledger->table[i].count > 0;
    }
    uint32_t capacity = live * 4 > ledger->capacity ? ledger->capacity * 2 : ledger->capacity;
    struct held *table = calloc(capacity, sizeof *table);
    SIM_ASSERT(table != NULL);
    for (uint32_t i = 0; i < ledger->capacity; i++) {
        if (ledger->table[i].count > 0) {
            *find(table, capacity, ledger->table[i].page) = ledger->table[i];
        }
    }
    free(ledger->table);
    ledger->table = table;
    ledger->capacity = capacity;
    ledger->used = live;
}

struct rt_page rt_pages_give(struct rt_side *side, struct page page)
{
    if (page_is_literal(page)) {
        struct rt_page_ledger *ledger = side->page_ledger;
        if (ledger->used * 2 >= ledger->capacity) {
            make_room(ledger);
        }
        struct held *held = find(ledger->table, ledger->capacity, page.v);
        if (held->page == 0) {
            held->page = page.v;
            ledger->used++;
        }
        held->count++;
        ledger->total++;
    }
    return (struct rt_page){page.v};
}

void rt_pages_take_back(struct rt_side *side, struct rt_page rt_page)
{
    struct page page = rt_pages_of(rt_page);
    if (page_is_literal(page)) {
        struct rt_page_ledger *ledger = side->page_ledger;
        struct held *held = find(ledger->table, ledger->capacity, page.v);
        SIM_ASSERT(held->page == page.v);
        SIM_ASSERT(held->count > 0);
        held->count--;
        ledger->total--;
        page_unref(side->pages, page);
    }
}

/* ---- the table ---------------------------------------------------------------------------------------------------------------- */

static struct rt_page pages_ref(struct rt *rt, struct rt_page page)
{
    struct rt_side *side = rt_side_of(rt);
    return rt_pages_give(side, page_ref(side->pages, rt_pages_of(page)));
}

static void pages_unref(struct rt *rt, struct rt_page page)
{
    rt_pages_take_back(rt_side_of(rt), page);
}

static bool pages_is_zero(struct rt *rt, struct rt_page page)
{
    return page_is_zero(rt_side_of(rt)->pages, rt_pages_of(page));
}

static void pages_bytes(struct rt *rt, struct rt_page page, uint32_t offset, uint32_t length,
                        void *out)
{
    page_copy_out(rt_side_of(rt)->pages, rt_pages_of(page), offset, length, out);
}

static uint32_t pages_page_crc32c(struct rt *rt, struct rt_page page)
{
    struct rt_side *side = rt_side_of(rt);
    rt_side_charge(side->costs->page_crc);
    return page_crc32c(side->pages, rt_pages_of(page));
}

static bool pages_equal(struct rt *rt, struct rt_page a, struct rt_page b)
{
    return page_equal(rt_side_of(rt)->pages, rt_pages_of(a), rt_pages_of(b));
}

static void copy_slice_out(const struct page_pool *pool, const struct rt_slice *slice, uint8_t *out)
{
    if (slice->bytes != NULL) {
        memcpy(out, (const uint8_t *)slice->bytes + slice->offset, slice->length);
    } else {
        page_copy_out(pool, rt_pages_of(slice->page), slice->offset, slice->length, out);
    }
}

static enum rt_error pages_make(struct rt *rt, const struct rt_slice *slices, uint32_t count,
                                struct rt_page *out)
{
    struct rt_side *side = rt_side_of(rt);
    if (count == 1 && slices[0].bytes == NULL && slices[0].offset == 0 &&
        slices[0].length == RT_PAGE_BYTES) {
        *out = pages_ref(rt, slices[0].page);
        return RT_OK;
    }
    uint64_t length = 0;
    for (uint32_t i = 0; i < count; i++) {
        length += slices[i].length;
    }
    if (length != RT_PAGE_BYTES) {
        return RT_INVALID;
    }
    uint8_t bytes[RT_PAGE_BYTES];
    uint32_t at = 0;
    for (uint32_t i = 0; i < count; i++) {
        copy_slice_out(side->pages, &slices[i], bytes + at);
        at += slices[i].length;
    }
    rt_side_charge(4 * side->costs->stream_per_kib);
    *out = rt_pages_give(side, page_literal(side->pages, bytes, RT_PAGE_BYTES));
    return RT_OK;
}

/* A page that is compressed travels as its own first bytes, as many as the compressed form has: the size comes from its class (sim/page_compress.h),
 * and the handle says at the other end what it was. */
static enum rt_error pages_compress(struct rt *rt, struct rt_page page, struct rt_slice *out)
{
    struct rt_side *side = rt_side_of(rt);
    rt_side_charge(side->costs->page_compress);
    uint32_t length = page_compressed_bytes(side->pages, rt_pages_of(page));
    if (length >= RT_PAGE_BYTES) {
        return RT_NO_SPACE;
    }
    *out = (struct rt_slice){.page = pages_ref(rt, page), .length = length};
    return RT_OK;
}

static enum rt_error pages_expand(struct rt *rt, const struct rt_slice *slices, uint32_t count,
                                  struct rt_page *out)
{
    struct rt_side *side = rt_side_of(rt);
    rt_side_charge(side->costs->page_expand);
    if (count != 1 || slices[0].bytes != NULL || slices[0].offset != 0 ||
        slices[0].length >= RT_PAGE_BYTES ||
        page_length(side->pages, rt_pages_of(slices[0].page)) != RT_PAGE_BYTES ||
        page_compressed_bytes(side->pages, rt_pages_of(slices[0].page)) != slices[0].length) {
        return RT_INVALID;
    }
    *out = pages_ref(rt, slices[0].page);
    return RT_OK;
}

static uint32_t pages_crc32c(struct rt *rt, uint32_t crc, const void *bytes, size_t length)
{
    rt_side_charge((sim_time)length * rt_side_of(rt)->costs->page_crc / RT_PAGE_BYTES);
    return crc32c(crc, bytes, length);
}

static uint32_t pages_crc32c_concat(struct rt *rt, uint32_t crc_a, uint32_t crc_b,
                                    uint64_t length_b)
{
    (void)rt;
    return crc32c_concat(crc_a, crc_b, length_b);
}

const struct rt_page_table rt_pages_table = {
    .ref = pages_ref,
    .unref = pages_unref,
    .is_zero = pages_is_zero,
    .bytes = pages_bytes,
    .page_crc32c = pages_page_crc32c,
    .equal = pages_equal,
    .make = pages_make,
    .compress = pages_compress,
    .expand = pages_expand,
    .crc32c = pages_crc32c,
    .crc32c_concat = pages_crc32c_concat,
};
