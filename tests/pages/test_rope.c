/* Ropes against an array of bytes, and whole pages that come out whole whatever cuts they went through (R1). */
#include "sim/rope.h"

#include "tests/pages/random.h"

#include <criterion/criterion.h>
#include <string.h>

#define COUNT(array) (sizeof(array) / sizeof *(array))

/* A page of any kind; the caller owns the reference. */
static struct page any_page(struct page_pool *pool, uint64_t *state)
{
    uint8_t bytes[PAGE_BYTES];
    uint32_t kind = (uint32_t)random_below(state, 4);
    if (kind == 0) {
        return page_zero();
    }
    if (kind == 3) {
        random_fill(state, bytes, 64);
        memset(bytes + 64, (int)random_below(state, 256), PAGE_BYTES - 64);
        return page_literal(pool, bytes, PAGE_BYTES);
    }
    return page_pattern(kind == 1 ? PAGE_RANDOM : PAGE_COMPRESSIBLE, random_below(state, 1000));
}

/* ---- against an array of bytes ---------------------------------------------------------------------------------- */

#define STREAM_BYTES (1u << 20)
#define CURSORS      3u

/* What a rope is: bytes that were pushed, of which those before `front` are gone. */
struct twin {
    struct page_pool *pool;
    struct rope rope;
    struct rope_cursor cursors[CURSORS];
    uint64_t read[CURSORS]; /* by cursor: bytes of the stream before it */
    uint64_t front;
    uint64_t end;
    struct page page; /* the page that cut pieces are pushed of; owns a reference */
    uint32_t page_offset;
    uint8_t stream[STREAM_BYTES];
};

static void twin_check_bytes(struct twin *twin, uint64_t offset, uint64_t length)
{
    static uint8_t bytes[STREAM_BYTES];
    rope_copy_out(&twin->rope, twin->pool, offset, length, bytes);
    cr_assert_eq(memcmp(bytes, twin->stream + twin->front + offset, length), 0,
                 "%llu bytes from %llu", (unsigned long long)length, (unsigned long long)offset);
}

static void twin_check_slice(struct twin *twin, struct slice slice, uint64_t at)
{
    uint8_t bytes[PAGE_BYTES];
    cr_assert_leq(slice.length, PAGE_BYTES);
    page_copy_out(twin->pool, slice.page, slice.offset, slice.length, bytes);
    cr_assert_eq(memcmp(bytes, twin->stream + at, slice.length), 0, "slice at %llu",
                 (unsigned long long)at);
}

/* Pushes the next piece of the current page, so that neighbours often touch, or a piece of another page. */
static void twin_push_piece(struct twin *twin, uint64_t *state)
{
    if (twin->page_offset == PAGE_BYTES || random_below(state, 8) == 0) {
        page_unref(twin->pool, twin->page);
        twin->page = any_page(twin->pool, state);
        twin->page_offset =
            random_below(state, 2) == 0 ? 0 : (uint32_t)random_below(state, PAGE_BYTES);
    }
    uint32_t left = PAGE_BYTES - twin->page_offset;
    uint32_t length = 1 + (uint32_t)random_below(state, left < 1448 ? left : 1448);
    page_copy_out(twin->pool, twin->page, twin->page_offset, length, twin->stream + twin->end);
    rope_push(&twin->rope, twin->pool,
              (struct slice){page_ref(twin->pool, twin->page), twin->page_offset, length});
    twin->page_offset += length;
    twin->end += length;
}

static void twin_push_bytes(struct twin *twin, uint64_t *state)
{
    uint64_t length = random_below(state, 10000);
    random_fill(state, twin->stream + twin->end, length);
    rope_push_bytes(&twin->rope, twin->pool, twin->stream + twin->end, length);
    twin->end += length;
}

/* Front bytes go; cursors that stood in them stand at the new front. */
static void twin_front_moves(struct twin *twin, uint64_t length)
{
    twin->front += length;
    for (uint32_t i = 0; i < CURSORS; i++) {
        twin->read[i] = twin->read[i] < twin->front ? twin->front : twin->read[i];
    }
}

static void twin_read(struct twin *twin, uint64_t *state)
{
    uint32_t i = (uint32_t)random_below(state, CURSORS);
    struct slice out[4];
    uint32_t wanted = (uint32_t)random_below(state, 3000);
    uint32_t slices_max = (uint32_t)random_below(state, COUNT(out) + 1);
    uint32_t length = 12345;
    uint32_t slices = rope_read(&twin->rope, &twin->cursors[i], wanted, out, slices_max, &length);
    uint64_t left = twin->end - twin->read[i];
    cr_assert_leq(slices, slices_max);
    cr_assert_leq(length, wanted < left ? wanted : left);
    cr_assert(length == wanted || length == left || slices == slices_max,
              "stopped early, after %u of %u", length, wanted);
    uint64_t at = twin->read[i];
    for (uint32_t slice = 0; slice < slices; slice++) {
        cr_assert_gt(out[slice].length, 0);
        twin_check_slice(twin, out[slice], at);
        at += out[slice].length;
    }
    cr_assert_eq(at - twin->read[i], length);
    twin->read[i] = at;
}

static void twin_step(struct twin *twin, uint64_t *state)
{
    uint64_t bytes = twin->end - twin->front;
    uint64_t amount = random_below(state, bytes + 1);
    switch (random_below(state, 12)) {
    case 0:
        twin_push_bytes(twin, state);
        break;
    case 1:
        amount = random_below(state, 3) == 0 ? bytes : amount;
        rope_drop(&twin->rope, twin->pool, amount);
        twin_front_moves(twin, amount);
        break;
    case 2:
        if (bytes > 0) {
            struct slice slice =
                rope_take(&twin->rope, twin->pool, 1 + random_below(state, PAGE_BYTES));
            twin_check_slice(twin, slice, twin->front);
            twin_front_moves(twin, slice.length);
            page_unref(twin->pool, slice.page);
        }
        break;
    case 3: {
        uint32_t i = (uint32_t)random_below(state, CURSORS);
        twin->cursors[i] = rope_seek(&twin->rope, amount);
        twin->read[i] = twin->front + amount;
        break;
    }
    case 4:
        twin_check_bytes(twin, amount, random_below(state, bytes - amount + 1));
        break;
    case 5:
    case 6:
    case 7:
        twin_read(twin, state);
        break;
    default:
        twin_push_piece(twin, state);
        break;
    }
    cr_assert_eq(twin->rope.bytes, twin->end - twin->front);
}

Test(rope, equals_an_array_of_bytes)
{
    static struct twin twin;
    for (uint64_t seed = 1; seed <= 12; seed++) {
        uint64_t state = seed;
        memset(&twin, 0, offsetof(struct twin, stream));
        twin.pool = page_pool_new();
        rope_init(&twin.rope);
        /* Positions are counted modulo 2^32; most seeds walk over the edge. */
        twin.rope.head = seed % 3 == 0 ? 0 : UINT32_MAX - (uint32_t)seed * 20;
        for (uint32_t i = 0; i < CURSORS; i++) {
            twin.cursors[i].slice = twin.rope.head;
        }
        for (uint32_t step = 0; step < 1500 && twin.end < STREAM_BYTES - 20000; step++) {
            twin_step(&twin, &state);
            if (step % 16 == 0) {
                rope_check(&twin.rope, twin.pool);
            }
        }
        twin_check_bytes(&twin, 0, twin.rope.bytes);
        if (seed % 2 == 0) {
            rope_drop(&twin.rope, twin.pool, twin.rope.bytes);
            cr_assert_eq(twin.rope.count, 0);
        }
        page_unref(twin.pool, twin.page);
        rope_close(&twin.rope, twin.pool);
        cr_assert_eq(page_pool_live(twin.pool), 0, "seed %llu leaks references",
                     (unsigned long long)seed);
        page_pool_check(twin.pool);
        page_pool_close(twin.pool);
    }
}

/* ---- R1 --------------------------------------------------------------------------------------------------------- */

#define PAGES 60u

static const struct {
    const char *name;
    uint32_t segment_bytes; /* 0: any, anew for each segment */
    uint32_t again; /* of 8 segments, how many are cut anew and pushed from an earlier start */
} cuts[] = {
    {"one byte short of a page", 4095, 0},
    {"whole pages", 4096, 0},
    {"Ethernet", 1460, 0},
    {"Ethernet with time stamps", 1448, 1},
    {"the least that IPv4 must take", 536, 2},
    {"jumbo frames", 8948, 1},
    {"bytes", 1, 0},
    {"any", 0, 3},
};

/* What a sender and a receiver do: the sender cuts segments out of its queue and now and then an earlier one again, with other
 * cuts; the receiver keeps what it has not had, and takes 4,096 bytes whenever it has them. */
static void pass_pages(struct page_pool *pool, size_t row, uint64_t *state)
{
    struct rope sent;
    struct rope received;
    struct page pages[PAGES];
    struct slice out[8];
    rope_init(&sent);
    rope_init(&received);
    for (uint32_t i = 0; i < PAGES; i++) {
        pages[i] = any_page(pool, state);
        rope_push(&sent, pool, (struct slice){page_ref(pool, pages[i]), 0, PAGE_BYTES});
    }
    struct rope_cursor cursor = {0, 0};
    uint64_t dropped = 0;
    uint64_t arrived = 0;
    uint64_t at = 0;
    uint32_t taken = 0;
    while (taken < PAGES) {
        if (random_below(state, 8) < cuts[row].again) {
            at = dropped + random_below(state, arrived - dropped + 1);
            cursor = rope_seek(&sent, at - dropped);
        }
        uint32_t wanted = cuts[row].segment_bytes;
        wanted = wanted > 0 ? wanted : 1 + (uint32_t)random_below(state, 3000);
        uint32_t length;
        uint32_t slices = rope_read(&sent, &cursor, wanted, out, COUNT(out), &length);
        for (uint32_t i = 0; i < slices; i++) {
            uint64_t end = at + out[i].length;
            if (end > arrived) {
                uint32_t fresh = (uint32_t)(end - (at > arrived ? at : arrived));
                uint32_t offset = out[i].offset + out[i].length - fresh;
                rope_push(&received, pool,
                          (struct slice){page_ref(pool, out[i].page), offset, fresh});
                arrived = end;
            }
            at = end;
        }
        while (received.bytes >= PAGE_BYTES) {
            struct slice page = rope_take(&received, pool, PAGE_BYTES);
            cr_assert(page_same_handle(page.page, pages[taken]), "%s: page %u", cuts[row].name,
                      taken);
            cr_assert(page.offset == 0 && page.length == PAGE_BYTES, "%s: page %u is whole",
                      cuts[row].name, taken);
            page_unref(pool, page.page);
            taken++;
        }
        if (random_below(state, 4) == 0) {
            rope_drop(&sent, pool, (arrived - dropped) / 2);
            dropped += (arrived - dropped) / 2;
            at = at < dropped ? dropped : at;
        }
        rope_check(&received, pool);
    }
    cr_assert_eq(received.count, 0);
    rope_close(&sent, pool);
    rope_close(&received, pool);
    for (uint32_t i = 0; i < PAGES; i++) {
        page_unref(pool, pages[i]);
    }
}

Test(rope, whole_pages_come_out_whole)
{
    struct page_pool *pool = page_pool_new();
    for (size_t row = 0; row < COUNT(cuts); row++) {
        uint64_t state = row;
        uint32_t times = cuts[row].segment_bytes == 1 ? 1 : 4;
        for (uint32_t i = 0; i < times; i++) {
            pass_pages(pool, row, &state);
        }
        cr_assert_eq(page_pool_live(pool), 0, "%s leaks references", cuts[row].name);
    }
    page_pool_close(pool);
}

/* R3: a queue that has once been as long as it gets allocates no more. */
Test(rope, allocates_only_to_grow)
{
    struct page_pool *pool = page_pool_new();
    struct rope rope;
    rope_init(&rope);
    const struct slice *ring = NULL;
    for (uint32_t round = 0; round < 1000; round++) {
        for (uint64_t i = 0; i < 40; i++) {
            rope_push(&rope, pool, (struct slice){page_pattern(PAGE_RANDOM, i), 0, 100});
        }
        rope_drop(&rope, pool, 40 * 100);
        ring = round == 0 ? rope.slices : ring;
        cr_assert_eq(rope.slices, ring);
        cr_assert_eq(rope.capacity, 64);
    }
    rope_close(&rope, pool);
    page_pool_close(pool);
}
