/* sim/recording_format.h - what writer and reader of a recording share: the chunk header, limits and the packed numbers.
 *
 * The manual is docs/formats.md, "Recording (.orr)". Everything is little-endian.
 *
 *   chunk   | header, 48 bytes | payload, stored_bytes |     file   | chunk | chunk | ... | end chunk | locator, 8 bytes |
 *
 * A packed number (varint) has seven bits in each byte, the lowest first, the top bit set in all bytes but the last. Signed
 * differences are folded first (zigzag), so that small ones of either sign stay short; they are taken modulo 2^64, which
 * loses nothing. A string is its length as a varint, its bytes, and a zero, so that a reader can point into the payload. */
#ifndef ORRERY_SIM_RECORDING_FORMAT_H
#define ORRERY_SIM_RECORDING_FORMAT_H

#include "sim/record.h"

#define RECORDING_VERSION         1u
#define RECORDING_CHUNK_BYTES     (1u << 20) /* most bytes of a payload before compression */
#define RECORDING_HEADER_BYTES    48u
#define RECORDING_LOCATOR_BYTES   8u
#define RECORDING_FRAME_BYTES_MAX 9216u
#define RECORDING_KINDS_MAX       65536u
#define RECORDING_ORIGINS_MAX     (1u << 20)
#define RECORDING_NAME_BYTES_MAX  4096u       /* longer names are cut */
#define RECORDING_META_BYTES_MAX  (64u << 20) /* all parts of the meta chunk together */
#define RECORDING_NAMES_BYTES_MAX (64u << 20) /* all names that a reader keeps */
#define RECORDING_FILES_MAX       65536u
#define RECORDING_ID_MAX          (UINT64_C(1) << 62)
#define RECORDING_VARINT_BYTES    10u
/* kind, time, id, cause, origin, the values and the text, and the two bytes of the length in front. */
#define RECORDING_RECORD_BYTES_MAX                                                                 \
    (2u + RECORDING_VARINT_BYTES * (5u + RECORD_VALUES_MAX) + RECORD_TEXT_MAX)

enum recording_chunk_type {
    RECORDING_META = 1,
    RECORDING_NAMES = 2,
    RECORDING_RECORDS = 3,
    RECORDING_FRAMES = 4,
    RECORDING_CHECKPOINTS = 5,
    RECORDING_END = 6,
};

#define RECORDING_FLAG_DEFLATED  1u /* the payload is a zlib stream */
#define RECORDING_FLAG_CONTINUES 2u /* the next chunk of this type goes on with the same content */

struct recording_header {
    uint16_t version;
    uint8_t type;
    uint8_t flags;
    sim_time first_time;
    sim_time last_time;
    uint32_t records;
    uint32_t raw_bytes;
    uint32_t stored_bytes;
    uint32_t payload_crc32;
    uint32_t sequence;
};

void recording_header_put(const struct recording_header *header,
                          uint8_t out[RECORDING_HEADER_BYTES]);
/* False where magic, checksum or sizes are wrong; then `header` is not touched. A version or type that this code does not
 * know is no reason: such a chunk is skipped by its sizes. */
SIM_CHECKED bool recording_header_get(const uint8_t in[RECORDING_HEADER_BYTES],
                                      struct recording_header *header);
/* CRC-32 as in zlib, PNG and Ethernet. */
uint32_t recording_crc32(const void *bytes, size_t length);

/* ---- writing: no bounds are checked, the caller has room for RECORDING_VARINT_BYTES ---------------------------------- */

static inline uint8_t *recording_put_varint(uint8_t *at, uint64_t value)
{
    while (value >= 0x80) {
        *at++ = (uint8_t)(value | 0x80);
        value >>= 7;
    }
    *at++ = (uint8_t)value;
    return at;
}

/* The difference a - b modulo 2^64, small for small distances of either sign. */
static inline uint64_t recording_zigzag(uint64_t a, uint64_t b)
{
    uint64_t difference = a - b;
    return (difference << 1) ^ (0 - (difference >> 63));
}

/* The inverse: b + the difference. */
static inline uint64_t recording_unzigzag(uint64_t zigzag, uint64_t b)
{
    return b + ((zigzag >> 1) ^ (0 - (zigzag & 1)));
}

uint8_t *recording_put_u64(uint8_t *at, uint64_t value);
/* Room that recording_put_string takes at most for `length` bytes. */
size_t recording_string_bytes(size_t length);
uint8_t *recording_put_string(uint8_t *at, const void *bytes, size_t length);

/* ---- reading: a cursor that stops at the first wrong byte ------------------------------------------------------------
 * After a failure `ok` is false for good, and every further read gives 0, "" or NULL. */
struct recording_cursor {
    const uint8_t *at;
    const uint8_t *end;
    bool ok;
};

static inline struct recording_cursor recording_cursor_over(const uint8_t *bytes, size_t length)
{
    return (struct recording_cursor){.at = bytes, .end = bytes + length, .ok = true};
}

static inline uint64_t recording_get_varint(struct recording_cursor *cursor)
{
    uint64_t value = 0;
    for (unsigned shift = 0; shift < 64 && cursor->at < cursor->end; shift += 7) {
        uint8_t byte = *cursor->at++;
        value |= (uint64_t)(byte & 0x7f) << shift;
        if (byte < 0x80) {
            return value;
        }
    }
    cursor->ok = false;
    cursor->at = cursor->end;
    return 0;
}

uint8_t recording_get_u8(struct recording_cursor *cursor);
uint64_t recording_get_u64(struct recording_cursor *cursor);
/* A varint of at most `max`. */
uint32_t recording_get_count(struct recording_cursor *cursor, uint32_t max);
/* Borrowed from the payload, NULL at a failure. */
const uint8_t *recording_get_bytes(struct recording_cursor *cursor, size_t length);
/* Borrowed from the payload with its final zero; "" at a failure. `length` may be NULL. */
const char *recording_get_string(struct recording_cursor *cursor, size_t *length);

#endif
