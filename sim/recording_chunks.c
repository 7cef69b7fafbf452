#include "sim/recording_chunks.h"

#include "sim/assert.h"

#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <zlib.h>

#define CHUNKS_SCAN_BYTES 65536u
/* Past this many damaged places the search no longer looks into damaged chunks, so that a hostile file cannot make every
 * step check a mebibyte. */
#define CHUNKS_CAREFUL_MAX 256u

/* ---- the file ------------------------------------------------------------------------------------------------------- */

/* Reads exactly `length` bytes; false at the end of the file or an error. */
static bool chunks_read(const struct recording_chunks *chunks, uint64_t offset, void *out,
                        size_t length)
{
    if (offset > chunks->length || length > chunks->length - offset) {
        return false;
    }
    if (chunks->bytes != NULL) {
        memcpy(out, chunks->bytes + offset, length);
        return true;
    }
    uint8_t *at = out;
    while (length > 0) {
        ssize_t got = pread(chunks->fd, at, length, (off_t)offset);
        if (got < 0 && errno == EINTR) {
            continue;
        }
        if (got <= 0) {
            return false;
        }
        at += got;
        offset += (uint64_t)got;
        length -= (size_t)got;
    }
    return true;
}

/* The header at `offset`, if a chunk begins there and lies in the file as a whole. */
static bool chunks_header(const struct recording_chunks *chunks, uint64_t offset,
                          struct recording_header *header)
{
    uint8_t bytes[RECORDING_HEADER_BYTES];
    return chunks_read(chunks, offset, bytes, sizeof(bytes)) &&
           recording_header_get(bytes, header) &&
           header->stored_bytes <= chunks->length - offset - RECORDING_HEADER_BYTES;
}

/* The stored payload behind a header, checked against it; in `stored`. */
static bool chunks_stored(struct recording_chunks *chunks, uint64_t offset,
                          const struct recording_header *header)
{
    if (chunks->stored_capacity < header->stored_bytes) {
        free(chunks->stored);
        chunks->stored = malloc(header->stored_bytes);
        SIM_ASSERT(chunks->stored != NULL);
        chunks->stored_capacity = header->stored_bytes;
    }
    if (header->stored_bytes == 0) {
        return header->payload_crc32 == recording_crc32("", 0);
    }
    return chunks_read(chunks, offset + RECORDING_HEADER_BYTES, chunks->stored,
                       header->stored_bytes) &&
           recording_crc32(chunks->stored, header->stored_bytes) == header->payload_crc32;
}

/* The first offset from `from` on where a chunk begins whose number is at least `sequence`; the length of the file where
 * there is none. */
static uint64_t chunks_seek_header(const struct recording_chunks *chunks, uint64_t from,
                                   uint32_t sequence)
{
    uint8_t *block = malloc(CHUNKS_SCAN_BYTES);
    SIM_ASSERT(block != NULL);
    uint64_t found = chunks->length;
    while (found == chunks->length && from + RECORDING_HEADER_BYTES <= chunks->length) {
        uint64_t left = chunks->length - from;
        size_t size = left < CHUNKS_SCAN_BYTES ? (size_t)left : CHUNKS_SCAN_BYTES;
        if (!chunks_read(chunks, from, block, size)) {
            break;
        }
        const uint8_t *at = block;
        while ((at = memmem(at, size - (size_t)(at - block), "ORRC", 4)) != NULL) {
            uint64_t offset = from + (uint64_t)(at - block);
            struct recording_header header;
            if (chunks_header(chunks, offset, &header) && header.sequence >= sequence) {
                found = offset;
                break;
            }
            at++;
        }
        /* The last three bytes may be the start of a magic. */
        from += size - 3;
    }
    free(block);
    return found;
}

/* ---- damage --------------------------------------------------------------------------------------------------------- */

void recording_chunks_note(struct recording_chunks *chunks, const char *format, ...)
{
    if (chunks->damages++ == 0) {
        va_list arguments;
        va_start(arguments, format);
        vsnprintf(chunks->damage, sizeof(chunks->damage), format, arguments);
        va_end(arguments);
    }
}

void recording_chunks_blame(struct recording_chunks *chunks, uint32_t number)
{
    SIM_ASSERT(number < chunks->count);
    struct recording_chunk *chunk = &chunks->list[number];
    if (!chunk->bad) {
        chunk->bad = true;
        recording_chunks_note(chunks, "damaged chunk %" PRIu32 " at byte %" PRIu64, chunk->sequence,
                              chunk->offset);
    }
}

/* ---- payloads ------------------------------------------------------------------------------------------------------- */

static bool chunks_unpack(const struct recording_chunks *chunks, struct recording_payload *payload)
{
    const struct recording_header *header = &payload->header;
    if (payload->bytes == NULL || payload->capacity < header->raw_bytes) {
        free(payload->bytes);
        /* One more, so that an empty payload has an address too. */
        payload->bytes = malloc((size_t)header->raw_bytes + 1);
        SIM_ASSERT(payload->bytes != NULL);
        payload->capacity = header->raw_bytes;
    }
    payload->length = header->raw_bytes;
    if (header->raw_bytes == 0) {
        return true;
    }
    if ((header->flags & RECORDING_FLAG_DEFLATED) == 0) {
        memcpy(payload->bytes, chunks->stored, header->raw_bytes);
        return true;
    }
    uLongf length = header->raw_bytes;
    return uncompress(payload->bytes, &length, chunks->stored, header->stored_bytes) == Z_OK &&
           length == header->raw_bytes;
}

bool recording_chunks_load(struct recording_chunks *chunks, uint32_t number,
                           struct recording_payload *payload)
{
    SIM_ASSERT(number < chunks->count);
    const struct recording_chunk *chunk = &chunks->list[number];
    payload->length = 0;
    if (chunk->bad) {
        return false;
    }
    if (!chunks_header(chunks, chunk->offset, &payload->header) ||
        payload->header.type != chunk->type || payload->header.sequence != chunk->sequence ||
        payload->header.version != RECORDING_VERSION ||
        !chunks_stored(chunks, chunk->offset, &payload->header) ||
        !chunks_unpack(chunks, payload)) {
        payload->length = 0;
        recording_chunks_blame(chunks, number);
        return false;
    }
    return true;
}

/* ---- the list ------------------------------------------------------------------------------------------------------- */

static void chunks_append(struct recording_chunks *chunks, struct recording_chunk chunk)
{
    if (chunks->count == chunks->capacity) {
        chunks->capacity = chunks->capacity == 0 ? 64 : chunks->capacity * 2;
        chunks->list = realloc(chunks->list, chunks->capacity * sizeof(*chunks->list));
        SIM_ASSERT(chunks->list != NULL);
    }
    chunks->list[chunks->count++] = chunk;
}

static void chunks_append_header(struct recording_chunks *chunks, uint64_t offset,
                                 const struct recording_header *header)
{
    struct recording_chunk chunk = {
        .offset = offset,
        .first_time = header->first_time,
        .last_time = header->last_time,
        .records = header->records,
        .sequence = header->sequence,
        .type = header->type,
    };
    if (header->version != RECORDING_VERSION) {
        chunk.bad = true;
        recording_chunks_note(chunks,
                              "chunk %" PRIu32 " at byte %" PRIu64 " has version %u of the format",
                              chunk.sequence, offset, header->version);
    }
    chunks_append(chunks, chunk);
}

/* Verdict and hash. The index follows in the payload; `cursor` is left in front of it. */
static bool chunks_get_end(struct recording_chunks *chunks, struct recording_cursor *cursor)
{
    const char *verdict = recording_get_string(cursor, NULL);
    uint64_t hash = recording_get_u64(cursor);
    if (!cursor->ok) {
        return false;
    }
    snprintf(chunks->verdict, sizeof(chunks->verdict), "%s", verdict);
    chunks->hash = hash;
    chunks->complete = true;
    return true;
}

/* The list as the end chunk at `end_offset` has it; false where it holds none or nonsense. */
static bool chunks_get_index(struct recording_chunks *chunks, struct recording_cursor *cursor,
                             uint64_t end_offset)
{
    uint32_t count = recording_get_count(cursor, RECORDING_CHUNK_BYTES);
    uint64_t offset = 0;
    uint64_t time = 0;
    for (uint32_t i = 0; i < count && cursor->ok; i++) {
        struct recording_chunk chunk = {.sequence = i, .type = recording_get_u8(cursor)};
        uint64_t step = recording_get_varint(cursor);
        if (chunk.type == RECORDING_END || step >= end_offset - offset ||
            (i > 0 && step < RECORDING_HEADER_BYTES)) {
            return false;
        }
        offset += step;
        time = recording_unzigzag(recording_get_varint(cursor), time);
        chunk.offset = offset;
        chunk.first_time = (sim_time)time;
        time += recording_get_varint(cursor);
        chunk.last_time = (sim_time)time;
        chunk.records = recording_get_count(cursor, UINT32_MAX);
        chunks_append(chunks, chunk);
    }
    return cursor->ok && count > 0;
}

/* The locator fills the file from `at` to its end, and points to `end_offset`. */
static bool chunks_locator_says(const struct recording_chunks *chunks, uint64_t at,
                                uint64_t end_offset)
{
    uint8_t bytes[RECORDING_LOCATOR_BYTES];
    if (chunks->length - at != sizeof(bytes) || !chunks_read(chunks, at, bytes, sizeof(bytes))) {
        return false;
    }
    struct recording_cursor cursor = recording_cursor_over(bytes, sizeof(bytes));
    return recording_get_u64(&cursor) == end_offset;
}

/* The quick way in: locator, end chunk, index. */
static bool chunks_open_index(struct recording_chunks *chunks)
{
    uint8_t locator[RECORDING_LOCATOR_BYTES];
    if (chunks->length < sizeof(locator) ||
        !chunks_read(chunks, chunks->length - sizeof(locator), locator, sizeof(locator))) {
        return false;
    }
    struct recording_cursor at = recording_cursor_over(locator, sizeof(locator));
    uint64_t offset = recording_get_u64(&at);
    struct recording_payload payload = {0};
    if (!chunks_header(chunks, offset, &payload.header) || payload.header.type != RECORDING_END ||
        payload.header.version != RECORDING_VERSION ||
        offset + RECORDING_HEADER_BYTES + payload.header.stored_bytes + sizeof(locator) !=
            chunks->length) {
        return false;
    }
    bool found = chunks_stored(chunks, offset, &payload.header) && chunks_unpack(chunks, &payload);
    if (found) {
        struct recording_cursor cursor = recording_cursor_over(payload.bytes, payload.length);
        found = chunks_get_end(chunks, &cursor) && chunks_get_index(chunks, &cursor, offset);
        chunks_append_header(chunks, offset, &payload.header);
    }
    free(payload.bytes);
    return found;
}

/* Where to look for the next chunk when none begins at `offset` (H1). */
static uint64_t chunks_resume(struct recording_chunks *chunks, uint64_t offset)
{
    if (chunks->count == 0 || chunks->damages >= CHUNKS_CAREFUL_MAX) {
        return offset;
    }
    const struct recording_chunk *last = &chunks->list[chunks->count - 1];
    struct recording_header header;
    if (chunks_header(chunks, last->offset, &header) &&
        !chunks_stored(chunks, last->offset, &header)) {
        return last->offset + 1;
    }
    return offset;
}

/* The slow way in: from header to header. */
static void chunks_open_headers(struct recording_chunks *chunks)
{
    uint64_t offset = 0;
    uint32_t sequence = 0; /* expected */
    bool ended = false;
    while (!ended && offset < chunks->length) {
        struct recording_header header;
        if (!chunks_header(chunks, offset, &header)) {
            uint64_t found = chunks_seek_header(chunks, chunks_resume(chunks, offset), sequence);
            if (found == chunks->length) {
                recording_chunks_note(chunks, "cut short in chunk %" PRIu32 " at byte %" PRIu64,
                                      sequence, chunks->length);
                return;
            }
            recording_chunks_note(chunks, "damaged chunk %" PRIu32 " at byte %" PRIu64, sequence,
                                  offset);
            bool intact = chunks_header(chunks, found, &header);
            SIM_ASSERT(intact);
            offset = found;
        } else if (header.sequence != sequence) {
            recording_chunks_note(chunks, "chunk %" PRIu32 " is missing at byte %" PRIu64, sequence,
                                  offset);
        }
        chunks_append_header(chunks, offset, &header);
        ended = header.type == RECORDING_END;
        sequence = header.sequence + 1;
        offset += RECORDING_HEADER_BYTES + (uint64_t)header.stored_bytes;
    }
    if (!ended) {
        recording_chunks_note(chunks, "ends without an end chunk at byte %" PRIu64, chunks->length);
    } else if (!chunks_locator_says(chunks, offset, chunks->list[chunks->count - 1].offset)) {
        recording_chunks_note(chunks, "damaged locator at byte %" PRIu64, offset);
    }
}

static void chunks_open(struct recording_chunks *chunks)
{
    if (chunks_open_index(chunks)) {
        recording_chunks_check(chunks);
        return;
    }
    chunks->count = 0;
    chunks->complete = false;
    chunks->damages = 0;
    chunks_open_headers(chunks);
    if (chunks->count > 0 && chunks->list[chunks->count - 1].type == RECORDING_END) {
        struct recording_payload payload = {0};
        if (recording_chunks_load(chunks, chunks->count - 1, &payload)) {
            struct recording_cursor cursor = recording_cursor_over(payload.bytes, payload.length);
            if (!chunks_get_end(chunks, &cursor)) {
                recording_chunks_blame(chunks, chunks->count - 1);
            }
        }
        free(payload.bytes);
    }
    recording_chunks_check(chunks);
}

void recording_chunks_open_fd(struct recording_chunks *chunks, int fd, uint64_t length)
{
    *chunks = (struct recording_chunks){.fd = fd, .length = length};
    chunks_open(chunks);
}

void recording_chunks_open_bytes(struct recording_chunks *chunks, const void *bytes, size_t length)
{
    *chunks = (struct recording_chunks){.fd = -1, .bytes = bytes, .length = length};
    chunks_open(chunks);
}

void recording_chunks_close(struct recording_chunks *chunks)
{
    free(chunks->list);
    free(chunks->stored);
    *chunks = (struct recording_chunks){.fd = -1};
}

void recording_chunks_check(const struct recording_chunks *chunks)
{
    SIM_ASSERT(chunks->count <= chunks->capacity);
    for (uint32_t i = 0; i < chunks->count; i++) {
        SIM_ASSERT(chunks->list[i].offset < chunks->length);
        SIM_ASSERT(i == 0 || chunks->list[i].offset > chunks->list[i - 1].offset);
        SIM_ASSERT(chunks->list[i].type != RECORDING_END || i == chunks->count - 1);
    }
}
