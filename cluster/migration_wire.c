#include "cluster/migration_wire.h"

#include <string.h>

#define MAGIC                0x4f4c4d31u /* "OLM1" */
#define CONFIGURE_TAIL_BYTES 32u         /* announcement and length of the configuration */
#define ANNOUNCEMENTS_MAX    100u
#define ANNOUNCE_GAP_NS_MAX  3600000000000u
#define READ_BYTES           32768u /* taken out of the stream at a time: fits any receive buffer */
#define PAGE_PARTS_MAX       8u

static void put_be(uint8_t *bytes, uint64_t value, uint32_t width)
{
    for (uint32_t i = width; i > 0; i--) {
        bytes[i - 1] = (uint8_t)value;
        value >>= 8;
    }
}

static uint64_t get_be(const uint8_t *bytes, uint32_t width)
{
    uint64_t value = 0;
    for (uint32_t i = 0; i < width; i++) {
        value = value << 8 | bytes[i];
    }
    return value;
}

const char *migration_message_name(enum migration_message_type type)
{
    static const char *const names[MIGRATION_MESSAGE_TYPES] = {
        "?",        "CONFIGURE", "RESERVED",  "REFUSED", "PAGES", "ROUND_END",
        "ROUND_OK", "STATE",     "PREPARE",   "READY",   "GO",    "DONE",
        "FORGET",   "CANCEL",    "DISCARDED", "DISCARD", "QUERY", "PACKED",
    };
    return type < MIGRATION_MESSAGE_TYPES ? names[type] : names[0];
}

/* The least and most content that a type may have (W2). */
static bool length_allowed(enum migration_message_type type, uint64_t argument, uint32_t length)
{
    switch (type) {
    case MIGRATION_CONFIGURE:
        return length > 0 && length <= MIGRATION_CONFIGURE_BYTES_MAX + (1u << 20);
    case MIGRATION_REFUSED:
        return length <= 255;
    case MIGRATION_STATE:
        return length > 0 && length <= MIGRATION_CONTENT_MAX;
    case MIGRATION_PAGES:
        return argument > 0 && argument <= MIGRATION_BATCH_PAGES && length >= argument * 8 &&
               length <= argument * (8 + RT_PAGE_BYTES) &&
               (length - argument * 8) % RT_PAGE_BYTES == 0;
    case MIGRATION_PACKED:
        return argument > 0 && argument <= MIGRATION_BATCH_PAGES && length >= argument * 8 &&
               length <= argument * (8 + RT_PAGE_BYTES);
    default:
        return length == 0;
    }
}

/* The least version that has a type. */
static uint32_t version_of(const struct migration_message *message)
{
    return message->version != 0               ? message->version
           : message->type == MIGRATION_PACKED ? MIGRATION_VERSION_PACKED
                                               : MIGRATION_VERSION;
}

void migration_encode_header(const struct migration_message *message,
                             uint8_t bytes[MIGRATION_HEADER_BYTES])
{
    put_be(bytes, MAGIC, 4);
    put_be(bytes + 4, version_of(message), 2);
    put_be(bytes + 6, (uint64_t)message->type, 2);
    put_be(bytes + 8, message->id, 8);
    put_be(bytes + 16, message->argument, 8);
    put_be(bytes + 24, message->length, 4);
    put_be(bytes + 28, message->crc, 4);
}

enum rt_error migration_decode_header(const uint8_t bytes[MIGRATION_HEADER_BYTES],
                                      struct migration_message *message)
{
    uint64_t type = get_be(bytes + 6, 2), version = get_be(bytes + 4, 2);
    uint32_t least = type == MIGRATION_PACKED ? MIGRATION_VERSION_PACKED : MIGRATION_VERSION;
    if (get_be(bytes, 4) != MAGIC || version < least || version > MIGRATION_VERSION_PACKED ||
        type == 0 || type >= MIGRATION_MESSAGE_TYPES) {
        return RT_INVALID;
    }
    struct migration_message decoded = {
        .type = (enum migration_message_type)type,
        .id = get_be(bytes + 8, 8),
        .argument = get_be(bytes + 16, 8),
        .length = (uint32_t)get_be(bytes + 24, 4),
        .crc = (uint32_t)get_be(bytes + 28, 4),
        .version = (uint32_t)version,
    };
    if (!length_allowed(decoded.type, decoded.argument, decoded.length)) {
        return RT_INVALID;
    }
    *message = decoded;
    return RT_OK;
}

/* ---- CONFIGURE ---------------------------------------------------------------------------------------------------- */

uint32_t migration_encode_configure(const struct migration_configure *configure, uint8_t *bytes)
{
    uint8_t *at = bytes;
    put_be(at, configure->request, 8);
    memcpy(at + 8, configure->vm, MIGRATION_NAME_MAX);
    memcpy(at + 72, configure->source.name, MIGRATION_NAME_MAX);
    put_be(at + 136, configure->source.address_count, 4);
    at += 140;
    for (uint32_t i = 0; i < configure->source.address_count; i++) {
        put_be(at, configure->source.addresses[i].ip4, 4);
        put_be(at + 4, configure->source.addresses[i].port, 2);
        at += 6;
    }
    put_be(at, configure->announcement.count, 4);
    put_be(at + 4, (uint64_t)configure->announcement.spacing_ns, 8);
    put_be(at + 12, (uint64_t)configure->announcement.step_ns, 8);
    put_be(at + 20, (uint64_t)configure->announcement.spacing_ns_max, 8);
    put_be(at + 28, configure->config_length, 4);
    at += CONFIGURE_TAIL_BYTES;
    memcpy(at, configure->config, configure->config_length);
    return (uint32_t)(at - bytes) + configure->config_length;
}

enum rt_error migration_decode_configure(const uint8_t *bytes, uint32_t length,
                                         struct migration_configure *configure)
{
    if (length < 140) {
        return RT_INVALID;
    }
    struct migration_configure c = {.request = get_be(bytes, 8)};
    memcpy(c.vm, bytes + 8, MIGRATION_NAME_MAX);
    memcpy(c.source.name, bytes + 72, MIGRATION_NAME_MAX);
    c.source.address_count = (uint32_t)get_be(bytes + 136, 4);
    if (c.vm[0] == 0 || c.vm[MIGRATION_NAME_MAX - 1] != 0 ||
        c.source.name[MIGRATION_NAME_MAX - 1] != 0 || c.source.address_count == 0 ||
        c.source.address_count > MIGRATION_ADDRESSES_MAX ||
        length - 140 < c.source.address_count * 6 + CONFIGURE_TAIL_BYTES) {
        return RT_INVALID;
    }
    const uint8_t *at = bytes + 140;
    for (uint32_t i = 0; i < c.source.address_count; i++) {
        c.source.addresses[i] =
            (struct rt_address){(uint32_t)get_be(at, 4), (uint16_t)get_be(at + 4, 2)};
        at += 6;
    }
    uint64_t count = get_be(at, 4), spacing = get_be(at + 4, 8), step = get_be(at + 12, 8),
             spacing_max = get_be(at + 20, 8);
    c.config_length = (uint32_t)get_be(at + 28, 4);
    c.config = at + CONFIGURE_TAIL_BYTES;
    if (count > ANNOUNCEMENTS_MAX || spacing > spacing_max || step > ANNOUNCE_GAP_NS_MAX ||
        spacing_max > ANNOUNCE_GAP_NS_MAX ||
        c.config_length != length - 140 - CONFIGURE_TAIL_BYTES - c.source.address_count * 6) {
        return RT_INVALID;
    }
    c.announcement = (struct rt_announcement){(uint32_t)count, (rt_time)spacing, (rt_time)step,
                                              (rt_time)spacing_max};
    *configure = c;
    return RT_OK;
}

/* ---- sending -------------------------------------------------------------------------------------------------------- */

/* Sets the CRC of header and of the content that it covers, and writes the header's bytes. */
static void seal(struct rt *rt, struct migration_message message, uint32_t content_crc,
                 uint32_t content_length, uint8_t bytes[MIGRATION_HEADER_BYTES])
{
    message.crc = 0;
    migration_encode_header(&message, bytes);
    uint32_t crc = rt_crc32c(rt, 0, bytes, MIGRATION_HEADER_BYTES);
    message.crc = rt_crc32c_concat(rt, crc, content_crc, content_length);
    migration_encode_header(&message, bytes);
}

static void seal_header(struct rt *rt, struct migration_message message, uint32_t content_crc,
                        uint8_t bytes[MIGRATION_HEADER_BYTES])
{
    seal(rt, message, content_crc, message.length, bytes);
}

/* The CRC of PACKED covers its entries and its pages as they were. */
static uint32_t covered_bytes(const struct migration_message *message, uint32_t page_count)
{
    return message->type == MIGRATION_PACKED
               ? 8 * (uint32_t)message->argument + RT_PAGE_BYTES * page_count
               : message->length;
}

enum rt_error migration_send(struct rt *rt, struct rt_stream *stream,
                             const struct migration_message *message, const void *content,
                             rt_time deadline)
{
    uint8_t header[MIGRATION_HEADER_BYTES];
    seal_header(rt, *message, rt_crc32c(rt, 0, content, message->length), header);
    const struct rt_slice slices[2] = {
        {.bytes = header, .length = MIGRATION_HEADER_BYTES},
        {.bytes = content, .length = message->length},
    };
    return rt_write(rt, stream, slices, message->length > 0 ? 2 : 1, deadline);
}

enum rt_error migration_send_pages(struct rt *rt, struct rt_stream *stream, uint64_t id,
                                   struct migration_batch *batch, rt_time deadline)
{
    uint8_t head[MIGRATION_HEADER_BYTES + 8 * MIGRATION_BATCH_PAGES];
    struct rt_slice slices[1 + MIGRATION_BATCH_PAGES];
    RT_ASSERT(rt, batch->count > 0 && batch->count <= MIGRATION_BATCH_PAGES);
    RT_ASSERT(rt, batch->page_count <= batch->count);
    for (uint32_t i = 0; i < batch->count; i++) {
        put_be(head + MIGRATION_HEADER_BYTES + 8 * i, batch->entries[i], 8);
    }
    uint32_t crc = rt_crc32c(rt, 0, head + MIGRATION_HEADER_BYTES, 8 * (size_t)batch->count);
    for (uint32_t i = 0; i < batch->page_count; i++) {
        crc = rt_crc32c_concat(rt, crc, rt_page_crc32c(rt, batch->pages[i]), RT_PAGE_BYTES);
        slices[1 + i] = (struct rt_slice){.page = batch->pages[i], .length = RT_PAGE_BYTES};
    }
    struct migration_message message = {
        .type = MIGRATION_PAGES,
        .id = id,
        .argument = batch->count,
        .length = 8 * batch->count + RT_PAGE_BYTES * batch->page_count,
    };
    seal_header(rt, message, crc, head);
    slices[0] =
        (struct rt_slice){.bytes = head, .length = MIGRATION_HEADER_BYTES + 8 * batch->count};
    enum rt_error err = rt_write(rt, stream, slices, 1 + batch->page_count, deadline);
    migration_release_batch(rt, batch);
    return err;
}

void migration_pack(struct rt *rt, struct migration_batch *batch)
{
    for (uint32_t i = 0; i < batch->page_count; i++) {
        if (rt_page_compress(rt, batch->pages[i], &batch->packed[i]) != RT_OK) {
            batch->packed[i] = (struct rt_slice){0}; /* it goes as it is */
        }
        RT_ASSERT(rt, batch->packed[i].length < RT_PAGE_BYTES);
    }
}

enum rt_error migration_send_packed(struct rt *rt, struct rt_stream *stream, uint64_t id,
                                    struct migration_batch *batch, uint64_t *bytes,
                                    rt_time deadline)
{
    uint8_t head[MIGRATION_HEADER_BYTES + 8 * MIGRATION_BATCH_PAGES];
    struct rt_slice slices[1 + MIGRATION_BATCH_PAGES];
    uint32_t page = 0, length = 8 * batch->count;
    RT_ASSERT(rt, batch->count > 0 && batch->count <= MIGRATION_BATCH_PAGES);
    RT_ASSERT(rt, batch->page_count <= batch->count);
    for (uint32_t i = 0; i < batch->count; i++) {
        uint32_t wire = 0;
        if ((batch->entries[i] & 1) == 0) {
            slices[1 + page] =
                batch->packed[page].length > 0
                    ? batch->packed[page]
                    : (struct rt_slice){.page = batch->pages[page], .length = RT_PAGE_BYTES};
            wire = slices[1 + page++].length;
        }
        length += wire;
        put_be(head + MIGRATION_HEADER_BYTES + 8 * i, batch->entries[i] >> 1 << 16 | wire, 8);
    }
    uint32_t crc = rt_crc32c(rt, 0, head + MIGRATION_HEADER_BYTES, 8 * (size_t)batch->count);
    for (uint32_t i = 0; i < batch->page_count; i++) {
        crc = rt_crc32c_concat(rt, crc, rt_page_crc32c(rt, batch->pages[i]), RT_PAGE_BYTES);
    }
    struct migration_message message = {
        .type = MIGRATION_PACKED, .id = id, .argument = batch->count, .length = length};
    seal(rt, message, crc, covered_bytes(&message, batch->page_count), head);
    slices[0] =
        (struct rt_slice){.bytes = head, .length = MIGRATION_HEADER_BYTES + 8 * batch->count};
    *bytes = MIGRATION_HEADER_BYTES + length;
    enum rt_error err = rt_write(rt, stream, slices, 1 + batch->page_count, deadline);
    migration_release_batch(rt, batch);
    return err;
}

/* ---- receiving ------------------------------------------------------------------------------------------------------ */

enum rt_error migration_receive(struct rt *rt, struct rt_stream *stream,
                                struct migration_message *message, rt_time deadline)
{
    uint8_t bytes[MIGRATION_HEADER_BYTES];
    enum rt_error err = rt_read_bytes(rt, stream, bytes, sizeof bytes, deadline);
    if (err != RT_OK) {
        return err;
    }
    err = migration_decode_header(bytes, message);
    if (err != RT_OK) {
        return err;
    }
    if (message->length == 0) { /* nothing follows that would be checked later */
        struct migration_message sealed = *message;
        uint8_t again[MIGRATION_HEADER_BYTES];
        seal_header(rt, sealed, 0, again);
        return memcmp(bytes, again, sizeof bytes) == 0 ? RT_OK : RT_INVALID;
    }
    return RT_OK;
}

/* Compares the CRC that came with the header with that of what came. */
static enum rt_error check_crc(struct rt *rt, const struct migration_message *message,
                               uint32_t content_crc, uint32_t covered)
{
    uint8_t sealed[MIGRATION_HEADER_BYTES];
    seal(rt, *message, content_crc, covered, sealed);
    return get_be(sealed + 28, 4) == message->crc ? RT_OK : RT_INVALID;
}

enum rt_error migration_receive_content(struct rt *rt, struct rt_stream *stream,
                                        const struct migration_message *message, uint8_t **content,
                                        rt_time deadline)
{
    *content = NULL;
    if (message->length == 0) {
        return RT_OK;
    }
    uint8_t *bytes = rt_alloc(rt, message->length);
    if (bytes == NULL) {
        return RT_NO_MEMORY;
    }
    /* In pieces that fit any receive buffer. */
    enum rt_error err = RT_OK;
    for (uint32_t at = 0; at < message->length && err == RT_OK;) {
        uint32_t piece = message->length - at < 65536 ? message->length - at : 65536;
        err = rt_read_bytes(rt, stream, bytes + at, piece, deadline);
        at += piece;
    }
    if (err == RT_OK) {
        err = check_crc(rt, message, rt_crc32c(rt, 0, bytes, message->length), message->length);
    }
    if (err != RT_OK) {
        rt_free(rt, bytes);
        return err;
    }
    *content = bytes;
    return RT_OK;
}

/* Takes the next `length` bytes of the slices, whatever the cuts; `at` and `into` say where they begin and are moved on. As many parts as were
 * made of them, 0 where there would be too many. */
static uint32_t take_parts(const struct rt_slices *slices, uint32_t length, uint32_t *at,
                           uint32_t *into, struct rt_slice parts[PAGE_PARTS_MAX])
{
    uint32_t bytes = 0, count = 0;
    while (bytes < length && count < PAGE_PARTS_MAX && *at < slices->count) {
        struct rt_slice part = slices->items[*at];
        part.offset += *into;
        part.length -= *into;
        if (part.length > length - bytes) {
            part.length = length - bytes;
            *into += part.length;
        } else {
            (*at)++;
            *into = 0;
        }
        bytes += part.length;
        parts[count++] = part;
    }
    return bytes == length ? count : 0;
}

/* Makes `count` pages from slices that hold exactly their bytes on the wire; adds their CRCs and hands them to the batch. */
static enum rt_error take_pages(struct rt *rt, const struct rt_slices *slices,
                                const uint16_t *lengths, uint32_t count,
                                struct migration_batch *batch, uint32_t *crc)
{
    struct rt_slice parts[PAGE_PARTS_MAX];
    uint32_t at = 0, into = 0; /* slice, and bytes of it already used */
    for (uint32_t page = 0; page < count; page++) {
        struct rt_page *out = &batch->pages[batch->page_count];
        uint32_t part_count = take_parts(slices, lengths[page], &at, &into, parts);
        if (part_count == 0) {
            return RT_INVALID;
        }
        enum rt_error err = lengths[page] == RT_PAGE_BYTES
                                ? rt_page_make(rt, parts, part_count, out)
                                : rt_page_expand(rt, parts, part_count, out);
        if (err != RT_OK) {
            return err;
        }
        batch->packed[batch->page_count] = (struct rt_slice){0};
        uint32_t page_crc = rt_page_crc32c(rt, batch->pages[batch->page_count++]);
        *crc = rt_crc32c_concat(rt, *crc, page_crc, RT_PAGE_BYTES);
    }
    return RT_OK;
}

/* Reads the entries of PAGES or PACKED, the latter's turned into the former's, and how many bytes each page has on the wire. INVALID where
 * they name other content than the length has room for. */
RT_BLOCKS static enum rt_error receive_entries(struct rt *rt, struct rt_stream *stream,
                                               const struct migration_message *message,
                                               struct migration_batch *batch,
                                               uint16_t lengths[MIGRATION_BATCH_PAGES],
                                               uint32_t *pages, uint32_t *crc, rt_time deadline)
{
    uint8_t bytes[8 * MIGRATION_BATCH_PAGES];
    bool packed = message->type == MIGRATION_PACKED;
    uint32_t content = 0;
    batch->count = (uint32_t)message->argument;
    enum rt_error err = rt_read_bytes(rt, stream, bytes, 8 * (size_t)batch->count, deadline);
    if (err != RT_OK) {
        return err;
    }
    *crc = rt_crc32c(rt, 0, bytes, 8 * (size_t)batch->count);
    *pages = 0;
    for (uint32_t i = 0; i < batch->count; i++) {
        uint64_t entry = get_be(bytes + 8 * i, 8);
        uint32_t wire = packed ? (uint32_t)(entry & 0xffff) : (entry & 1) == 0 ? RT_PAGE_BYTES : 0;
        if (wire > RT_PAGE_BYTES) {
            return RT_INVALID;
        }
        batch->entries[i] = packed ? entry >> 16 << 1 | (wire == 0) : entry;
        if (wire > 0) {
            lengths[(*pages)++] = (uint16_t)wire;
            content += wire;
        }
    }
    return content == message->length - 8 * batch->count ? RT_OK : RT_INVALID;
}

/* As many of the pages that are left as fit a read. */
static uint32_t pages_of_read(const uint16_t *lengths, uint32_t left, uint64_t *bytes)
{
    uint32_t count = 0;
    *bytes = 0;
    while (count < left && *bytes + lengths[count] <= READ_BYTES) {
        *bytes += lengths[count++];
    }
    return count;
}

enum rt_error migration_receive_pages(struct rt *rt, struct rt_stream *stream,
                                      const struct migration_message *message,
                                      struct migration_batch *batch, struct rt_slices *slices,
                                      rt_time deadline)
{
    uint32_t pages = 0, crc = 0;
    uint16_t lengths[MIGRATION_BATCH_PAGES];
    RT_ASSERT(rt, message->type == MIGRATION_PAGES || message->type == MIGRATION_PACKED);
    batch->page_count = 0;
    enum rt_error err =
        receive_entries(rt, stream, message, batch, lengths, &pages, &crc, deadline);
    while (err == RT_OK && batch->page_count < pages) {
        const uint16_t *next = &lengths[batch->page_count];
        uint64_t bytes = 0;
        uint32_t count = pages_of_read(next, pages - batch->page_count, &bytes);
        err = rt_read_exact(rt, stream, bytes, slices, deadline);
        if (err == RT_OK) {
            err = take_pages(rt, slices, next, count, batch, &crc);
        }
        rt_release(rt, slices);
    }
    if (err == RT_OK) {
        err = check_crc(rt, message, crc, covered_bytes(message, pages));
    }
    if (err != RT_OK) {
        migration_release_batch(rt, batch);
    }
    return err;
}

void migration_release_batch(struct rt *rt, struct migration_batch *batch)
{
    for (uint32_t i = 0; i < batch->page_count; i++) {
        rt_page_unref(rt, batch->pages[i]);
        if (batch->packed[i].length > 0) {
            rt_page_unref(rt, batch->packed[i].page);
            batch->packed[i] = (struct rt_slice){0};
        }
    }
    batch->page_count = 0;
    batch->count = 0;
}
