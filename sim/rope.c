#include "sim/rope.h"

#include <stdlib.h>
#include <string.h>

#define CAPACITY_AT_START 8u

/* The slice at a position, counted like rope.head. */
static inline struct slice *slice_at(const struct rope *rope, uint32_t position)
{
    return &rope->slices[position & (rope->capacity - 1)];
}

void rope_init(struct rope *rope)
{
    *rope = (struct rope){0};
}

void rope_close(struct rope *rope, struct page_pool *pool)
{
    for (uint32_t i = 0; i < rope->count; i++) {
        page_unref(pool, slice_at(rope, rope->head + i)->page);
    }
    free(rope->slices);
    *rope = (struct rope){0};
}

/* Doubles the ring. Slices keep their positions, so cursors stay valid. */
static void grow(struct rope *rope)
{
    SIM_ASSERT(rope->capacity < UINT32_C(1) << 30);
    uint32_t capacity = rope->capacity == 0 ? CAPACITY_AT_START : rope->capacity * 2;
    struct slice *slices = malloc(capacity * sizeof *slices);
    SIM_ASSERT(slices != NULL);
    for (uint32_t i = 0; i < rope->count; i++) {
        uint32_t position = rope->head + i;
        slices[position & (capacity - 1)] = *slice_at(rope, position);
    }
    free(rope->slices);
    rope->slices = slices;
    rope->capacity = capacity;
}

void rope_push_apart(struct rope *rope, struct slice slice)
{
    if (SIM_UNLIKELY(rope->count == rope->capacity)) {
        grow(rope);
    }
    *slice_at(rope, rope->head + rope->count) = slice;
    rope->count++;
    rope->bytes += slice.length;
}

void rope_push_bytes(struct rope *rope, struct page_pool *pool, const void *bytes, uint64_t length)
{
    const uint8_t *in = bytes;
    while (length > 0) {
        uint32_t part = length < PAGE_BYTES ? (uint32_t)length : PAGE_BYTES;
        rope_push(rope, pool, (struct slice){page_literal(pool, in, part), 0, part});
        in += part;
        length -= part;
    }
}

void rope_drop(struct rope *rope, struct page_pool *pool, uint64_t length)
{
    SIM_ASSERT(length <= rope->bytes);
    rope->bytes -= length;
    while (length > 0) {
        struct slice *first = slice_at(rope, rope->head);
        if (length < first->length) {
            first->offset += (uint32_t)length;
            first->length -= (uint32_t)length;
            return;
        }
        length -= first->length;
        page_unref(pool, first->page);
        rope->head++;
        rope->count--;
    }
}

struct slice rope_take(struct rope *rope, struct page_pool *pool, uint64_t length_max)
{
    SIM_ASSERT(rope->count > 0);
    SIM_ASSERT(length_max > 0);
    struct slice *first = slice_at(rope, rope->head);
    struct slice taken = *first;
    if (length_max < taken.length) {
        taken.length = (uint32_t)length_max;
        first->offset += taken.length;
        first->length -= taken.length;
        page_ref(pool, taken.page);
    } else {
        rope->head++;
        rope->count--;
    }
    rope->bytes -= taken.length;
    return taken;
}

void rope_copy_out(const struct rope *rope, const struct page_pool *pool, uint64_t offset,
                   uint64_t length, void *out)
{
    SIM_ASSERT(offset <= rope->bytes && length <= rope->bytes - offset);
    uint8_t *to = out;
    struct rope_cursor cursor = rope_seek(rope, offset);
    while (length > 0) {
        struct slice slice;
        uint32_t part = 0;
        uint32_t wanted = length < PAGE_BYTES ? (uint32_t)length : PAGE_BYTES;
        uint32_t slices = rope_read(rope, &cursor, wanted, &slice, 1, &part);
        SIM_ASSERT(slices == 1);
        page_copy_out(pool, slice.page, slice.offset, part, to);
        to += part;
        length -= part;
    }
}

struct rope_cursor rope_seek(const struct rope *rope, uint64_t offset)
{
    SIM_ASSERT(offset <= rope->bytes);
    for (uint32_t i = 0; i < rope->count; i++) {
        const struct slice *slice = slice_at(rope, rope->head + i);
        if (offset <= slice->length) {
            /* The end of a slice, rather than the start of the next: what is merged into it later lies ahead. */
            return (struct rope_cursor){rope->head + i, slice->offset + (uint32_t)offset};
        }
        offset -= slice->length;
    }
    /* Nothing there: before whatever comes first. */
    return (struct rope_cursor){rope->head, 0};
}

uint32_t rope_read(const struct rope *rope, struct rope_cursor *cursor, uint32_t length,
                   struct slice *out, uint32_t slices_max, uint32_t *length_out)
{
    uint32_t end = rope->head + rope->count;
    uint32_t at = cursor->slice;
    uint32_t offset = cursor->offset;
    uint32_t filled = 0;
    uint32_t left = length;
    if ((int32_t)(at - rope->head) < 0) {
        /* Its slice is gone, so all before the front was read. */
        at = rope->head;
        offset = 0;
    }
    SIM_ASSERT((int32_t)(at - end) <= 0);
    while (at != end) {
        const struct slice *slice = slice_at(rope, at);
        uint32_t slice_end = slice->offset + slice->length;
        /* Smaller where the cursor's bytes were dropped, or where it stood at the end when this slice was pushed. */
        offset = offset < slice->offset ? slice->offset : offset;
        SIM_ASSERT(offset <= slice_end);
        uint32_t part = slice_end - offset;
        if (part > 0) {
            if (left == 0 || filled == slices_max) {
                break;
            }
            part = part < left ? part : left;
            out[filled++] = (struct slice){slice->page, offset, part};
            left -= part;
            offset += part;
        }
        if (offset < slice_end || at + 1 == end) {
            /* The cursor stays in the last slice, for it may yet grow. */
            break;
        }
        at++;
        offset = 0;
    }
    *cursor = (struct rope_cursor){at, offset};
    *length_out = length - left;
    return filled;
}

void rope_check(const struct rope *rope, const struct page_pool *pool)
{
    SIM_ASSERT(rope->count <= rope->capacity);
    SIM_ASSERT((rope->capacity & (rope->capacity - 1)) == 0);
    uint64_t bytes = 0;
    for (uint32_t i = 0; i < rope->count; i++) {
        const struct slice *slice = slice_at(rope, rope->head + i);
        SIM_ASSERT(slice->length > 0);
        SIM_ASSERT(slice->offset + slice->length <= page_length(pool, slice->page));
        bytes += slice->length;
        if (i > 0) {
            const struct slice *before = slice_at(rope, rope->head + i - 1);
            SIM_ASSERT(!page_same_handle(before->page, slice->page) ||
                       before->offset + before->length != slice->offset);
        }
    }
    SIM_ASSERT(bytes == rope->bytes);
}
