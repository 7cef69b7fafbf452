#include "sim/state.h"

#include "sim/wire_bytes.h"

#include <stdlib.h>
#include <string.h>

/* A section is tag, version and length, 4 bytes each, and its content. */
#define SECTION_HEADER_BYTES 12u

/* How a slice of a rope stands in saved state; offset and length follow each. */
enum state_slice {
    STATE_SLICE_ZERO = 0,
    STATE_SLICE_PATTERN = 1, /* the handle, 8 bytes: class and number */
    STATE_SLICE_LITERAL =
        2, /* all bytes of the page, so that neighbouring cuts merge again (rope.h, R1) */
    STATE_SLICE_SAME = 3, /* the page of the slice before */
};

/* ---- writing -------------------------------------------------------------------------------- */

void state_writer_init(struct state_writer *writer)
{
    *writer = (struct state_writer){0};
}

void state_writer_close(struct state_writer *writer)
{
    free(writer->bytes);
    *writer = (struct state_writer){0};
}

/* Room for `length` more bytes, which count as written. */
static uint8_t *state_extend(struct state_writer *writer, size_t length)
{
    if (writer->capacity - writer->length < length) {
        size_t capacity = writer->capacity == 0 ? 256 : writer->capacity;
        while (capacity - writer->length < length) {
            capacity *= 2;
        }
        writer->bytes = realloc(writer->bytes, capacity);
        SIM_ASSERT(writer->bytes != NULL);
        writer->capacity = capacity;
    }
    uint8_t *place = writer->bytes + writer->length;
    writer->length += length;
    return place;
}

void state_put_u8(struct state_writer *writer, uint8_t value)
{
    *state_extend(writer, 1) = value;
}

void state_put_u16(struct state_writer *writer, uint16_t value)
{
    put_be16(state_extend(writer, 2), value);
}

void state_put_u32(struct state_writer *writer, uint32_t value)
{
    put_be32(state_extend(writer, 4), value);
}

void state_put_u64(struct state_writer *writer, uint64_t value)
{
    put_be64(state_extend(writer, 8), value);
}

void state_put_bytes(struct state_writer *writer, const void *bytes, uint32_t length)
{
    state_put_u32(writer, length);
    if (length > 0) {
        memcpy(state_extend(writer, length), bytes, length);
    }
}

size_t state_begin_section(struct state_writer *writer, uint32_t tag, uint32_t version)
{
    state_put_u32(writer, tag);
    state_put_u32(writer, version);
    state_put_u32(writer, 0);
    return writer->length;
}

void state_end_section(struct state_writer *writer, size_t place)
{
    SIM_ASSERT(place >= SECTION_HEADER_BYTES);
    SIM_ASSERT(place <= writer->length);
    SIM_ASSERT(writer->length - place <= UINT32_MAX);
    put_be32(writer->bytes + place - 4, (uint32_t)(writer->length - place));
}

static void state_put_page(struct state_writer *writer, struct page page,
                           const struct page_pool *pool)
{
    if (page_is_pattern(page)) {
        state_put_u8(writer, STATE_SLICE_PATTERN);
        state_put_u64(writer, page.v);
    } else if (page_is_literal(page)) {
        state_put_u8(writer, STATE_SLICE_LITERAL);
        state_put_bytes(writer, page_literal_bytes(pool, page), page_length(pool, page));
    } else {
        state_put_u8(writer, STATE_SLICE_ZERO);
    }
}

void state_put_rope(struct state_writer *writer, const struct rope *rope,
                    const struct page_pool *pool)
{
    state_put_u32(writer, rope->count);
    const struct slice *before = NULL;
    for (uint32_t i = 0; i < rope->count; i++) {
        const struct slice *slice = &rope->slices[(rope->head + i) & (rope->capacity - 1)];
        if (before != NULL && page_same_handle(before->page, slice->page)) {
            state_put_u8(writer, STATE_SLICE_SAME);
        } else {
            state_put_page(writer, slice->page, pool);
        }
        state_put_u32(writer, slice->offset);
        state_put_u32(writer, slice->length);
        before = slice;
    }
}

/* ---- reading -------------------------------------------------------------------------------- */

void state_reader_init(struct state_reader *reader, const void *bytes, size_t length)
{
    *reader = (struct state_reader){.bytes = bytes, .length = length};
}

bool state_reader_ok(const struct state_reader *reader)
{
    return !reader->failed;
}

bool state_reader_done(const struct state_reader *reader)
{
    return !reader->failed && reader->position == reader->length;
}

/* The next `length` bytes, or NULL and failed. */
static const uint8_t *state_take(struct state_reader *reader, size_t length)
{
    SIM_ASSERT(reader->position <= reader->length);
    if (reader->failed || reader->length - reader->position < length) {
        reader->failed = true;
        return NULL;
    }
    const uint8_t *place = reader->bytes + reader->position;
    reader->position += length;
    return place;
}

uint8_t state_get_u8(struct state_reader *reader)
{
    const uint8_t *bytes = state_take(reader, 1);
    return bytes == NULL ? 0 : *bytes;
}

uint16_t state_get_u16(struct state_reader *reader)
{
    const uint8_t *bytes = state_take(reader, 2);
    return bytes == NULL ? 0 : get_be16(bytes);
}

uint32_t state_get_u32(struct state_reader *reader)
{
    const uint8_t *bytes = state_take(reader, 4);
    return bytes == NULL ? 0 : get_be32(bytes);
}

uint64_t state_get_u64(struct state_reader *reader)
{
    const uint8_t *bytes = state_take(reader, 8);
    return bytes == NULL ? 0 : get_be64(bytes);
}

const uint8_t *state_get_bytes(struct state_reader *reader, uint32_t *length)
{
    uint32_t wanted = state_get_u32(reader);
    const uint8_t *bytes = state_take(reader, wanted);
    *length = bytes == NULL ? 0 : wanted;
    return bytes;
}

struct state_reader state_get_section(struct state_reader *reader, uint32_t tag, uint32_t version)
{
    struct state_reader section = {.failed = true};
    uint32_t found_tag = state_get_u32(reader);
    uint32_t found_version = state_get_u32(reader);
    uint32_t length = state_get_u32(reader);
    if (reader->failed || found_tag != tag || found_version != version) {
        reader->failed = true;
        return section;
    }
    const uint8_t *bytes = state_take(reader, length);
    if (bytes != NULL) {
        state_reader_init(&section, bytes, length);
    }
    return section;
}

/* A page with one reference; zero, and failed, where the bytes are none. */
static struct page state_get_page(struct state_reader *reader, uint8_t form, struct page before,
                                  struct page_pool *pool)
{
    uint32_t length;
    switch (form) {
    case STATE_SLICE_ZERO:
        return page_zero();
    case STATE_SLICE_PATTERN: {
        struct page page = {state_get_u64(reader)};
        if (!page_is_pattern(page)) {
            reader->failed = true;
            return page_zero();
        }
        return page;
    }
    case STATE_SLICE_LITERAL: {
        const uint8_t *bytes = state_get_bytes(reader, &length);
        if (bytes == NULL || length == 0 || length > PAGE_BYTES) {
            reader->failed = true;
            return page_zero();
        }
        return page_literal(pool, bytes, length);
    }
    case STATE_SLICE_SAME:
        return page_ref(pool, before);
    default:
        reader->failed = true;
        return page_zero();
    }
}

void state_get_rope(struct state_reader *reader, struct rope *rope, struct page_pool *pool)
{
    uint32_t count = state_get_u32(reader);
    struct page before = page_zero(); /* alive: the rope holds it */
    for (uint32_t i = 0; i < count && !reader->failed; i++) {
        uint8_t form = state_get_u8(reader);
        struct page page = state_get_page(reader, form, before, pool);
        uint32_t offset = state_get_u32(reader);
        uint32_t length = state_get_u32(reader);
        uint32_t page_bytes = page_length(pool, page);
        if (reader->failed || length == 0 || offset > page_bytes || length > page_bytes - offset ||
            (form == STATE_SLICE_SAME && i == 0)) {
            reader->failed = true;
            page_unref(pool, page);
            return;
        }
        rope_push(rope, pool, (struct slice){page, offset, length});
        before = page;
    }
}
