#include "tests/cluster/fake_rt.h"

#include "sim/crc32c.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct page {
    uint32_t references;
    uint8_t bytes[RT_PAGE_BYTES];
};

static struct fake_rt *fake_of(struct rt *rt)
{
    return (struct fake_rt *)(void *)rt;
}

static struct page *page_of(struct rt_page page)
{
    return (struct page *)(uintptr_t)page.v;
}

static void *must(void *memory)
{
    if (memory == NULL) {
        abort();
    }
    return memory;
}

/* ---- node ---------------------------------------------------------------------------------------------------------------- */

static rt_time now(struct rt *rt)
{
    (void)rt;
    return 0;
}

static void *node_alloc(struct rt *rt, size_t bytes)
{
    fake_of(rt)->live_memory++;
    return must(calloc(1, bytes > 0 ? bytes : 1));
}

static void node_free(struct rt *rt, void *memory)
{
    if (memory != NULL) {
        fake_of(rt)->live_memory--;
        free(memory);
    }
}

static const char *id(struct rt *rt)
{
    return fake_of(rt)->name;
}

static void assert_failed(struct rt *rt, const char *condition, const char *file, int line)
{
    (void)rt;
    fprintf(stderr, "assertion failed: %s (%s:%d)\n", condition, file, line);
    abort();
}

static const struct rt_node_table node_table = {
    .now = now,
    .alloc = node_alloc,
    .free = node_free,
    .id = id,
    .assert_failed = assert_failed,
};

/* ---- pages ---------------------------------------------------------------------------------------------------------------- */

struct rt_page fake_page(struct fake_rt *fake, const uint8_t bytes[RT_PAGE_BYTES])
{
    struct page *page = must(malloc(sizeof *page));
    page->references = 1;
    memcpy(page->bytes, bytes, RT_PAGE_BYTES);
    fake->live_pages++;
    return (struct rt_page){(uintptr_t)page};
}

static struct rt_page page_ref(struct rt *rt, struct rt_page page)
{
    (void)rt;
    if (page.v != 0) {
        page_of(page)->references++;
    }
    return page;
}

static void page_unref(struct rt *rt, struct rt_page page)
{
    if (page.v != 0 && --page_of(page)->references == 0) {
        fake_of(rt)->live_pages--;
        free(page_of(page));
    }
}

static void copy_slice(const struct rt_slice *slice, uint8_t *out)
{
    const uint8_t *from = slice->bytes != NULL ? slice->bytes : page_of(slice->page)->bytes;
    memcpy(out, from + slice->offset, slice->length);
}

static enum rt_error page_make(struct rt *rt, const struct rt_slice *slices, uint32_t count,
                               struct rt_page *out)
{
    uint8_t bytes[RT_PAGE_BYTES];
    uint64_t length = 0;
    for (uint32_t i = 0; i < count; i++) {
        length += slices[i].length;
    }
    if (length != RT_PAGE_BYTES) {
        return RT_INVALID;
    }
    uint32_t at = 0;
    for (uint32_t i = 0; i < count; i++) {
        copy_slice(&slices[i], bytes + at);
        at += slices[i].length;
    }
    *out = fake_page(fake_of(rt), bytes);
    return RT_OK;
}

/* A compressor that knows one trick: a page whose second half is one byte, repeated. */
static enum rt_error page_compress(struct rt *rt, struct rt_page page, struct rt_slice *out)
{
    const uint8_t *bytes = page_of(page)->bytes;
    uint8_t half[RT_PAGE_BYTES] = {0};
    for (uint32_t i = RT_PAGE_BYTES / 2; i < RT_PAGE_BYTES; i++) {
        if (bytes[i] != bytes[RT_PAGE_BYTES - 1]) {
            return RT_NO_SPACE;
        }
    }
    memcpy(half, bytes, RT_PAGE_BYTES / 2 + 1);
    *out = (struct rt_slice){.page = fake_page(fake_of(rt), half), .length = RT_PAGE_BYTES / 2 + 1};
    return RT_OK;
}

static enum rt_error page_expand(struct rt *rt, const struct rt_slice *slices, uint32_t count,
                                 struct rt_page *out)
{
    uint8_t bytes[RT_PAGE_BYTES];
    uint32_t at = 0;
    for (uint32_t i = 0; i < count; i++) {
        copy_slice(&slices[i], bytes + at);
        at += slices[i].length;
    }
    if (at != RT_PAGE_BYTES / 2 + 1) {
        return RT_INVALID;
    }
    memset(bytes + RT_PAGE_BYTES / 2, bytes[RT_PAGE_BYTES / 2], RT_PAGE_BYTES / 2);
    *out = fake_page(fake_of(rt), bytes);
    return RT_OK;
}

static uint32_t page_crc32c(struct rt *rt, struct rt_page page)
{
    (void)rt;
    return crc32c(0, page_of(page)->bytes, RT_PAGE_BYTES);
}

static uint32_t bytes_crc32c(struct rt *rt, uint32_t crc, const void *bytes, size_t length)
{
    (void)rt;
    return crc32c(crc, bytes, length);
}

static uint32_t concat(struct rt *rt, uint32_t crc_a, uint32_t crc_b, uint64_t length_b)
{
    (void)rt;
    return crc32c_concat(crc_a, crc_b, length_b);
}

static const struct rt_page_table page_table = {
    .ref = page_ref,
    .unref = page_unref,
    .make = page_make,
    .compress = page_compress,
    .expand = page_expand,
    .page_crc32c = page_crc32c,
    .crc32c = bytes_crc32c,
    .crc32c_concat = concat,
};

/* ---- streams -------------------------------------------------------------------------------------------------------------- */

void fake_stream_put(struct rt_stream *stream, const void *bytes, size_t length)
{
    if (stream->length + length > stream->capacity) {
        stream->capacity = (stream->length + length) * 2;
        stream->bytes = must(realloc(stream->bytes, stream->capacity));
    }
    if (length > 0) {
        memcpy(stream->bytes + stream->length, bytes, length);
        stream->length += length;
    }
}

void fake_stream_close(struct rt_stream *stream)
{
    free(stream->bytes);
    *stream = (struct rt_stream){0};
}

static enum rt_error stream_write(struct rt *rt, struct rt_stream *stream,
                                  const struct rt_slice *slices, uint32_t count, rt_time deadline)
{
    (void)rt, (void)deadline;
    for (uint32_t i = 0; i < count; i++) {
        uint8_t *bytes = must(malloc(slices[i].length > 0 ? slices[i].length : 1));
        copy_slice(&slices[i], bytes);
        fake_stream_put(stream, bytes, slices[i].length);
        free(bytes);
    }
    return RT_OK;
}

static enum rt_error stream_read_bytes(struct rt *rt, struct rt_stream *stream, void *bytes,
                                       size_t length, rt_time deadline)
{
    (void)rt, (void)deadline;
    if (stream->length - stream->taken < length) {
        return RT_CLOSED;
    }
    memcpy(bytes, stream->bytes + stream->taken, length);
    stream->taken += length;
    return RT_OK;
}

static enum rt_error stream_read_exact(struct rt *rt, struct rt_stream *stream, uint64_t length,
                                       struct rt_slices *out, rt_time deadline)
{
    struct fake_rt *fake = fake_of(rt);
    (void)deadline;
    if (stream->length - stream->taken < length) {
        return RT_CLOSED;
    }
    uint32_t cut = stream->cut > 0 ? stream->cut : RT_PAGE_BYTES;
    while (length > 0) {
        uint8_t bytes[RT_PAGE_BYTES] = {0};
        uint32_t piece = length < cut ? (uint32_t)length : cut;
        memcpy(bytes, stream->bytes + stream->taken, piece);
        stream->taken += piece;
        length -= piece;
        if (out->count == out->capacity) {
            uint32_t capacity = out->capacity > 0 ? out->capacity * 2 : 8;
            struct rt_slice *items = node_alloc(rt, capacity * sizeof *items);
            if (out->count > 0) {
                memcpy(items, out->items, out->count * sizeof *items);
            }
            node_free(rt, out->items);
            out->items = items;
            out->capacity = capacity;
        }
        out->items[out->count++] =
            (struct rt_slice){.page = fake_page(fake, bytes), .length = piece};
    }
    return RT_OK;
}

static const struct rt_stream_table stream_table = {
    .write = stream_write,
    .read_bytes = stream_read_bytes,
    .read_exact = stream_read_exact,
};

/* ---- store ---------------------------------------------------------------------------------------------------------------- */

/* The first item whose key is not below `key`. */
static uint32_t place_of(const struct fake_rt *fake, const char *key)
{
    uint32_t i = 0;
    while (i < fake->item_count && strcmp(fake->items[i].key, key) < 0) {
        i++;
    }
    return i;
}

static bool is_there(const struct fake_rt *fake, uint32_t i, const char *key)
{
    return i < fake->item_count && strcmp(fake->items[i].key, key) == 0;
}

static enum rt_error store_put(struct rt *rt, const char *key, const void *bytes, uint32_t length,
                               rt_time deadline)
{
    struct fake_rt *fake = fake_of(rt);
    uint32_t i = place_of(fake, key);
    (void)deadline;
    if (fake->put_fails != RT_OK) {
        return fake->put_fails;
    }
    if (!is_there(fake, i, key)) {
        if (fake->item_count == FAKE_STORE_ITEMS) {
            abort();
        }
        memmove(&fake->items[i + 1], &fake->items[i],
                (fake->item_count - i) * sizeof fake->items[0]);
        fake->item_count++;
        snprintf(fake->items[i].key, sizeof fake->items[i].key, "%s", key);
    }
    memcpy(fake->items[i].bytes, bytes, length);
    fake->items[i].length = length;
    return RT_OK;
}

static enum rt_error store_get(struct rt *rt, const char *key, void *bytes, uint32_t capacity,
                               uint32_t *length)
{
    const struct fake_rt *fake = fake_of(rt);
    uint32_t i = place_of(fake, key);
    if (!is_there(fake, i, key)) {
        return RT_NOT_FOUND;
    }
    if (fake->items[i].length > capacity) {
        return RT_INVALID;
    }
    memcpy(bytes, fake->items[i].bytes, fake->items[i].length);
    *length = fake->items[i].length;
    return RT_OK;
}

static enum rt_error store_remove(struct rt *rt, const char *key, rt_time deadline)
{
    struct fake_rt *fake = fake_of(rt);
    uint32_t i = place_of(fake, key);
    (void)deadline;
    if (is_there(fake, i, key)) {
        fake->item_count--;
        memmove(&fake->items[i], &fake->items[i + 1],
                (fake->item_count - i) * sizeof fake->items[0]);
    }
    return RT_OK;
}

static enum rt_error store_next(struct rt *rt, const char *prefix, const char *after, char *key,
                                uint32_t capacity)
{
    const struct fake_rt *fake = fake_of(rt);
    uint32_t i = place_of(fake, after);
    while (i < fake->item_count && (strcmp(fake->items[i].key, after) == 0 ||
                                    strncmp(fake->items[i].key, prefix, strlen(prefix)) != 0)) {
        i++;
    }
    if (i == fake->item_count) {
        return RT_NOT_FOUND;
    }
    snprintf(key, capacity, "%s", fake->items[i].key);
    return RT_OK;
}

static const struct rt_store_table store_table = {
    .put = store_put,
    .get = store_get,
    .remove = store_remove,
    .next = store_next,
};

void fake_rt_init(struct fake_rt *fake, const char *name)
{
    memset(fake, 0, sizeof *fake);
    fake->name = name;
    fake->rt = (struct rt){
        .node = &node_table, .streams = &stream_table, .store = &store_table, .pages = &page_table};
}
