/* sim/rope.h - slices of pages, and queues of them: what a byte stream is made of.
 *
 *      page  ┌──────────────────────────────────────┐
 *            │        ░░░░░░░░░░░░░░░░              │      slice = {page, offset, length}
 *            └──────────────────────────────────────┘
 *                     ▲ offset       ▲ offset + length
 *
 * A rope is a first-in first-out queue of bytes, held as slices.
 *
 *  R1. Neighbouring slices of one page that touch are one slice. So 4,096 bytes that are one whole page come out as that page,
 *      whatever cuts they went through.
 *  R2. Each slice in a rope owns one reference of its page.
 *  R3. A rope allocates only when it grows past the most slices it has ever held. */
#ifndef ORRERY_SIM_ROPE_H
#define ORRERY_SIM_ROPE_H

#include "sim/page.h"

struct slice {
    struct page page;
    uint32_t offset;
    uint32_t length;
};

struct rope {
    struct slice *slices; /* ring of `capacity`, a power of two */
    uint32_t capacity;
    uint32_t head; /* position of the first slice, counted on without end; masked on use */
    uint32_t count;
    uint64_t bytes;
};

/* Where a reader of a rope stands: it goes on from there in O(1) a slice. Neither dropping bytes before it nor pushing (and
 * merging) behind it moves it: slices are counted since the rope was made, as TCP counts its stream, and the offset counts
 * from the start of the slice's page, not from what is left of the slice. {0, 0} stands before the first byte ever pushed. */
struct rope_cursor {
    uint32_t slice;  /* position as in rope.head */
    uint32_t offset; /* bytes into the page of that slice */
};

void rope_init(struct rope *rope);
/* Gives back all references and the ring. */
void rope_close(struct rope *rope, struct page_pool *pool);
void rope_push_apart(struct rope *rope, struct slice slice); /* for rope_push only */

/* Appends a slice; takes over the caller's reference (merging gives one back, R1). length > 0. */
static inline void rope_push(struct rope *rope, struct page_pool *pool, struct slice slice)
{
    SIM_ASSERT(slice.length > 0 && slice.length <= PAGE_BYTES);
    SIM_ASSERT(slice.offset <= PAGE_BYTES - slice.length);
    if (rope->count > 0) {
        struct slice *last = &rope->slices[(rope->head + rope->count - 1) & (rope->capacity - 1)];
        if (last->page.v == slice.page.v && last->offset + last->length == slice.offset) {
            last->length += slice.length;
            rope->bytes += slice.length;
            page_unref(pool, slice.page);
            return;
        }
    }
    rope_push_apart(rope, slice);
}
/* Appends bytes as literals of at most 4,096. */
void rope_push_bytes(struct rope *rope, struct page_pool *pool, const void *bytes, uint64_t length);
/* Drops the first `length` bytes; length <= rope->bytes. A cursor that stood in them then stands before what is left. */
void rope_drop(struct rope *rope, struct page_pool *pool, uint64_t length);
/* Moves the first slice's first bytes, at most `length_max`, to the caller, who owns the reference. Rope not empty. */
struct slice rope_take(struct rope *rope, struct page_pool *pool, uint64_t length_max);
/* Copies bytes [offset, offset + length) from the front of the rope out. */
void rope_copy_out(const struct rope *rope, const struct page_pool *pool, uint64_t offset,
                   uint64_t length, void *out);

/* A cursor at byte `offset` from the front: O(slices). */
struct rope_cursor rope_seek(const struct rope *rope, uint64_t offset);
/* Reads on from a cursor: fills at most `slices_max` slices of at most `length` bytes in all, without references; advances
 * the cursor; returns the number of slices, and through `length_out` the bytes they hold. */
uint32_t rope_read(const struct rope *rope, struct rope_cursor *cursor, uint32_t length,
                   struct slice *out, uint32_t slices_max, uint32_t *length_out);
/* Asserts R1, R2 as far as it can be seen (each page is alive and holds its slice), and the counts: O(slices), for tests. */
void rope_check(const struct rope *rope, const struct page_pool *pool);

#endif
