#include "sim/recording_format.h"

#include <string.h>
#include <zlib.h>

static const uint8_t recording_magic[4] = {'O', 'R', 'R', 'C'};

/* Where each field of the header lies. */
enum {
    AT_MAGIC = 0,
    AT_VERSION = 4,
    AT_TYPE = 6,
    AT_FLAGS = 7,
    AT_FIRST_TIME = 8,
    AT_LAST_TIME = 16,
    AT_RECORDS = 24,
    AT_RAW_BYTES = 28,
    AT_STORED_BYTES = 32,
    AT_PAYLOAD_CRC32 = 36,
    AT_SEQUENCE = 40,
    AT_HEADER_CRC32 = 44,
};
_Static_assert(AT_HEADER_CRC32 + 4 == RECORDING_HEADER_BYTES,
               "the header's own checksum comes last");

static void recording_put_le(uint8_t *at, uint64_t value, unsigned bytes)
{
    for (unsigned i = 0; i < bytes; i++) {
        at[i] = (uint8_t)(value >> (8 * i));
    }
}

static uint64_t recording_get_le(const uint8_t *at, unsigned bytes)
{
    uint64_t value = 0;
    for (unsigned i = 0; i < bytes; i++) {
        value |= (uint64_t)at[i] << (8 * i);
    }
    return value;
}

uint32_t recording_crc32(const void *bytes, size_t length)
{
    return (uint32_t)crc32_z(0, bytes, length);
}

void recording_header_put(const struct recording_header *header,
                          uint8_t out[RECORDING_HEADER_BYTES])
{
    memcpy(out + AT_MAGIC, recording_magic, sizeof(recording_magic));
    recording_put_le(out + AT_VERSION, header->version, 2);
    recording_put_le(out + AT_TYPE, header->type, 1);
    recording_put_le(out + AT_FLAGS, header->flags, 1);
    recording_put_le(out + AT_FIRST_TIME, (uint64_t)header->first_time, 8);
    recording_put_le(out + AT_LAST_TIME, (uint64_t)header->last_time, 8);
    recording_put_le(out + AT_RECORDS, header->records, 4);
    recording_put_le(out + AT_RAW_BYTES, header->raw_bytes, 4);
    recording_put_le(out + AT_STORED_BYTES, header->stored_bytes, 4);
    recording_put_le(out + AT_PAYLOAD_CRC32, header->payload_crc32, 4);
    recording_put_le(out + AT_SEQUENCE, header->sequence, 4);
    recording_put_le(out + AT_HEADER_CRC32, recording_crc32(out, AT_HEADER_CRC32), 4);
}

bool recording_header_get(const uint8_t in[RECORDING_HEADER_BYTES], struct recording_header *header)
{
    if (memcmp(in, recording_magic, sizeof(recording_magic)) != 0 ||
        recording_get_le(in + AT_HEADER_CRC32, 4) != recording_crc32(in, AT_HEADER_CRC32)) {
        return false;
    }
    struct recording_header found = {
        .version = (uint16_t)recording_get_le(in + AT_VERSION, 2),
        .type = in[AT_TYPE],
        .flags = in[AT_FLAGS],
        .first_time = (sim_time)recording_get_le(in + AT_FIRST_TIME, 8),
        .last_time = (sim_time)recording_get_le(in + AT_LAST_TIME, 8),
        .records = (uint32_t)recording_get_le(in + AT_RECORDS, 4),
        .raw_bytes = (uint32_t)recording_get_le(in + AT_RAW_BYTES, 4),
        .stored_bytes = (uint32_t)recording_get_le(in + AT_STORED_BYTES, 4),
        .payload_crc32 = (uint32_t)recording_get_le(in + AT_PAYLOAD_CRC32, 4),
        .sequence = (uint32_t)recording_get_le(in + AT_SEQUENCE, 4),
    };
    bool deflated = (found.flags & RECORDING_FLAG_DEFLATED) != 0;
    if (found.raw_bytes > RECORDING_CHUNK_BYTES || found.stored_bytes > found.raw_bytes ||
        (!deflated && found.stored_bytes != found.raw_bytes)) {
        return false;
    }
    *header = found;
    return true;
}

uint8_t *recording_put_u64(uint8_t *at, uint64_t value)
{
    recording_put_le(at, value, 8);
    return at + 8;
}

size_t recording_string_bytes(size_t length)
{
    return RECORDING_VARINT_BYTES + length + 1;
}

uint8_t *recording_put_string(uint8_t *at, const void *bytes, size_t length)
{
    at = recording_put_varint(at, length);
    if (length > 0) {
        memcpy(at, bytes, length);
    }
    at[length] = 0;
    return at + length + 1;
}

const uint8_t *recording_get_bytes(struct recording_cursor *cursor, size_t length)
{
    if (!cursor->ok || length > (size_t)(cursor->end - cursor->at)) {
        cursor->ok = false;
        cursor->at = cursor->end;
        return NULL;
    }
    const uint8_t *bytes = cursor->at;
    cursor->at += length;
    return bytes;
}

uint8_t recording_get_u8(struct recording_cursor *cursor)
{
    const uint8_t *byte = recording_get_bytes(cursor, 1);
    return byte != NULL ? *byte : 0;
}

uint64_t recording_get_u64(struct recording_cursor *cursor)
{
    const uint8_t *bytes = recording_get_bytes(cursor, 8);
    return bytes != NULL ? recording_get_le(bytes, 8) : 0;
}

uint32_t recording_get_count(struct recording_cursor *cursor, uint32_t max)
{
    uint64_t count = recording_get_varint(cursor);
    if (count > max) {
        cursor->ok = false;
        cursor->at = cursor->end;
        return 0;
    }
    return (uint32_t)count;
}

const char *recording_get_string(struct recording_cursor *cursor, size_t *length)
{
    uint64_t wanted = recording_get_varint(cursor);
    const uint8_t *bytes = NULL;
    if (wanted < (uint64_t)(cursor->end - cursor->at)) {
        bytes = recording_get_bytes(cursor, (size_t)wanted + 1);
    }
    if (bytes == NULL || bytes[wanted] != 0) {
        cursor->ok = false;
        cursor->at = cursor->end;
        wanted = 0;
    }
    if (length != NULL) {
        *length = (size_t)wanted;
    }
    return cursor->ok ? (const char *)bytes : "";
}
