/* Saved state: what is written comes back, and no cut or foreign bytes do harm. */
#include "sim/state.h"

#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

enum { TAG = 0x54435021, VERSION = 3 };

/* A rope with every kind of page, whole and cut, and one page in two places. */
static void fill_rope(struct rope *rope, struct page_pool *pool)
{
    rope_init(rope);
    rope_push(rope, pool, (struct slice){page_zero(), 0, PAGE_BYTES});
    rope_push(rope, pool, (struct slice){page_pattern(PAGE_RANDOM, 77), 0, PAGE_BYTES});
    rope_push(rope, pool, (struct slice){page_pattern(PAGE_COMPRESSIBLE, 5), 100, 200});
    rope_push(rope, pool, (struct slice){page_pattern(PAGE_COMPRESSIBLE, 5), 400, 200});
    struct page text = page_literal(pool, "what is written comes back", 26);
    rope_push(rope, pool, (struct slice){page_ref(pool, text), 0, 7});
    rope_push(rope, pool, (struct slice){text, 20, 6});
    rope_push(rope, pool, (struct slice){page_zero(), 9, 1});
}

static bool ropes_equal(const struct rope *a, const struct rope *b, const struct page_pool *pool)
{
    if (a->bytes != b->bytes || a->count != b->count) {
        return false;
    }
    for (uint32_t i = 0; i < a->count; i++) {
        const struct slice *x = &a->slices[(a->head + i) & (a->capacity - 1)];
        const struct slice *y = &b->slices[(b->head + i) & (b->capacity - 1)];
        if (x->offset != y->offset || x->length != y->length ||
            !page_equal(pool, x->page, y->page)) {
            return false;
        }
    }
    return true;
}

static void write_all(struct state_writer *writer, const struct rope *rope,
                      const struct page_pool *pool)
{
    state_writer_init(writer);
    state_put_u8(writer, 0xfe);
    size_t outer = state_begin_section(writer, TAG, VERSION);
    state_put_u16(writer, 0xabcd);
    state_put_u64(writer, UINT64_C(0x0123456789abcdef));
    size_t inner = state_begin_section(writer, TAG + 1, 0);
    state_put_rope(writer, rope, pool);
    state_end_section(writer, inner);
    state_put_bytes(writer, "bytes", 5);
    state_put_bytes(writer, NULL, 0);
    state_end_section(writer, outer);
    state_put_u32(writer, UINT32_MAX);
}

/* Reads what write_all wrote; true if all of it was there and right. The rope is the caller's to close. */
static bool read_all(const uint8_t *bytes, size_t length, struct rope *rope, struct page_pool *pool)
{
    struct state_reader reader;
    state_reader_init(&reader, bytes, length);
    bool right = state_get_u8(&reader) == 0xfe;
    struct state_reader outer = state_get_section(&reader, TAG, VERSION);
    right &= state_get_u16(&outer) == 0xabcd;
    right &= state_get_u64(&outer) == UINT64_C(0x0123456789abcdef);
    struct state_reader inner = state_get_section(&outer, TAG + 1, 0);
    rope_init(rope);
    state_get_rope(&inner, rope, pool);
    uint32_t count, none;
    const uint8_t *text = state_get_bytes(&outer, &count);
    right &= text != NULL && count == 5 && memcmp(text, "bytes", 5) == 0;
    (void)state_get_bytes(&outer, &none);
    right &= none == 0;
    right &= state_get_u32(&reader) == UINT32_MAX;
    return right && state_reader_done(&inner) && state_reader_done(&outer) &&
           state_reader_done(&reader) && state_reader_ok(&reader);
}

Test(state, comes_back_or_fails)
{
    struct page_pool *pool = page_pool_new();
    struct rope rope, back;
    struct state_writer writer;
    fill_rope(&rope, pool);
    write_all(&writer, &rope, pool);
    cr_assert(read_all(writer.bytes, writer.length, &back, pool));
    cr_assert(ropes_equal(&rope, &back, pool));
    rope_close(&back, pool);

    /* Every cut is noticed; what lies behind the end is never read (the copy is exactly as long). */
    for (size_t length = 0; length < writer.length; length++) {
        uint8_t *cut = malloc(length + 1);
        cr_assert(cut != NULL);
        memcpy(cut + 1, writer.bytes, length);
        cr_assert_not(read_all(cut + 1, length, &back, pool), "cut to %zu", length);
        rope_close(&back, pool);
        free(cut);
    }
    /* A turned bit is no crash and leaves no page behind; where it hits tag, version or length it is noticed. */
    for (size_t bit = 0; bit < writer.length * 8; bit++) {
        writer.bytes[bit / 8] ^= (uint8_t)(1u << bit % 8);
        bool right = read_all(writer.bytes, writer.length, &back, pool);
        cr_assert(!right || !ropes_equal(&rope, &back, pool), "bit %zu", bit);
        cr_assert(!right || bit / 8 > 13, "bit %zu", bit);
        rope_close(&back, pool);
        writer.bytes[bit / 8] ^= (uint8_t)(1u << bit % 8);
    }
    state_writer_close(&writer);
    rope_close(&rope, pool);
    cr_assert_eq(page_pool_live(pool), 0);
    page_pool_close(pool);
}

/* Malformed ropes, by their bytes: count, then form and what follows it. */
static const struct rope_case {
    const char *name;
    uint8_t bytes[24];
    uint32_t length;
    bool ok;
} rope_cases[] = {
    {"none", {0, 0, 0, 0}, 4, true},
    {"a zero byte", {0, 0, 0, 1, 0, 0, 0, 0, 9, 0, 0, 0, 1}, 13, true},
    {"no length", {0, 0, 0, 1, 0, 0, 0, 0, 9, 0, 0, 0, 0}, 13, false},
    {"beyond the page", {0, 0, 0, 1, 0, 0, 0, 0, 1, 0, 0, 0x10, 0}, 13, false},
    {"far beyond it", {0, 0, 0, 1, 0, 0xff, 0xff, 0xff, 0xff, 0, 0, 0, 2}, 13, false},
    {"the page before the first", {0, 0, 0, 1, 3, 0, 0, 0, 0, 0, 0, 0, 1}, 13, false},
    {"a pattern that is none",
     {0, 0, 0, 1, 1, 0, 0, 0, 0, 0, 0, 0, 7, 0, 0, 0, 0, 0, 0, 0, 1},
     21,
     false},
    {"a literal of no bytes", {0, 0, 0, 1, 2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1}, 17, false},
    {"beyond a literal", {0, 0, 0, 1, 2, 0, 0, 0, 1, 'x', 0, 0, 0, 0, 0, 0, 0, 2}, 18, false},
    {"a form that is none", {0, 0, 0, 1, 4, 0, 0, 0, 0, 0, 0, 0, 1}, 13, false},
    {"many that are not there", {0xff, 0xff, 0xff, 0xff, 0, 0, 0, 0, 0, 0, 0, 0, 1}, 13, false},
};

Test(state, malformed_ropes)
{
    struct page_pool *pool = page_pool_new();
    for (uint32_t i = 0; i < sizeof rope_cases / sizeof rope_cases[0]; i++) {
        const struct rope_case *row = &rope_cases[i];
        struct state_reader reader;
        struct rope rope;
        rope_init(&rope);
        state_reader_init(&reader, row->bytes, row->length);
        state_get_rope(&reader, &rope, pool);
        cr_assert_eq(state_reader_done(&reader), row->ok, "%s", row->name);
        rope_close(&rope, pool);
        cr_assert_eq(page_pool_live(pool), 0, "%s", row->name);
    }
    page_pool_close(pool);
}
