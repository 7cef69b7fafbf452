/* CRC32C against the examples of the RFC, against its definition one bit at a time, and by its own algebra. */
#include "sim/crc32c.h"

#include "tests/pages/random.h"

#include <criterion/criterion.h>
#include <string.h>

/* The definition: RFC 7143 section 13.1 with the polynomial 0x11edc6f41, reflected. */
static uint32_t crc32c_by_bits(uint32_t crc, const uint8_t *bytes, size_t length)
{
    uint32_t state = ~crc;
    for (size_t i = 0; i < length; i++) {
        state ^= bytes[i];
        for (int bit = 0; bit < 8; bit++) {
            state = (state & 1) != 0 ? state >> 1 ^ UINT32_C(0x82f63b78) : state >> 1;
        }
    }
    return ~state;
}

#define BYTES_00_TO_31                                                                             \
    "\x00\x01\x02\x03\x04\x05\x06\x07\x08\x09\x0a\x0b\x0c\x0d\x0e\x0f"                             \
    "\x10\x11\x12\x13\x14\x15\x16\x17\x18\x19\x1a\x1b\x1c\x1d\x1e\x1f"
#define BYTES_31_TO_00                                                                             \
    "\x1f\x1e\x1d\x1c\x1b\x1a\x19\x18\x17\x16\x15\x14\x13\x12\x11\x10"                             \
    "\x0f\x0e\x0d\x0c\x0b\x0a\x09\x08\x07\x06\x05\x04\x03\x02\x01\x00"
#define ONES_8 "\xff\xff\xff\xff\xff\xff\xff\xff"

static const struct {
    const char *name;
    const char *bytes;
    size_t length;
    uint32_t crc;
} examples[] = {
    {"nothing", "", 0, 0},
    {"check value of the CRC catalogue", "123456789", 9, 0xe3069283},
    /* RFC 3720 appendix B.4 prints the bytes as they go onto the wire, lowest first. */
    {"B.4, 32 bytes of zeroes", (const char[32]){0}, 32, 0x8a9136aa},
    {"B.4, 32 bytes of ones", ONES_8 ONES_8 ONES_8 ONES_8, 32, 0x62a8ab43},
    {"B.4, 32 bytes of incrementing 00..1f", BYTES_00_TO_31, 32, 0x46dd794e},
    {"B.4, 32 bytes of decrementing 1f..00", BYTES_31_TO_00, 32, 0x113fdb5c},
    {"B.4, an iSCSI SCSI Read (10) Command PDU",
     "\x01\xc0\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00"
     "\x14\x00\x00\x00\x00\x00\x04\x00\x00\x00\x00\x14\x00\x00\x00\x18"
     "\x28\x00\x00\x00\x00\x00\x00\x00\x02\x00\x00\x00\x00\x00\x00\x00",
     48, 0xd9963a56},
};

Test(crc32c, examples)
{
    for (size_t i = 0; i < sizeof examples / sizeof *examples; i++) {
        const char *name = examples[i].name;
        size_t length = examples[i].length;
        cr_expect_eq(crc32c(0, examples[i].bytes, length), examples[i].crc, "%s", name);
        cr_expect_eq(crc32c_portable(0, examples[i].bytes, length), examples[i].crc, "%s", name);
        cr_expect_eq(crc32c_by_bits(0, (const uint8_t *)examples[i].bytes, length), examples[i].crc,
                     "%s, by bits", name);
    }
}

/* All ways, all alignments, lengths around the words and lanes that they work in. */
Test(crc32c, ways_agree)
{
    static uint8_t bytes[3 * 4096 + 64];
    static const size_t lengths[] = {1,    2,    7,    8,    9,    15,   16,   31,   64,   1448,
                                     4079, 4080, 4081, 4088, 4095, 4096, 4097, 8160, 8161, 12288};
    uint64_t state = 1;
    random_fill(&state, bytes, sizeof bytes);
    for (size_t i = 0; i < sizeof lengths / sizeof *lengths; i++) {
        for (size_t start = 0; start < 9; start++) {
            uint32_t before = (uint32_t)random_next(&state);
            uint32_t expected = crc32c_by_bits(before, bytes + start, lengths[i]);
            cr_assert_eq(crc32c(before, bytes + start, lengths[i]), expected, "%zu bytes from %zu",
                         lengths[i], start);
            cr_assert_eq(crc32c_portable(before, bytes + start, lengths[i]), expected,
                         "portable, %zu bytes from %zu", lengths[i], start);
        }
    }
    /* Each byte value alone at each place of a word: every entry of every table. */
    for (uint32_t value = 0; value < 256; value++) {
        for (size_t place = 0; place < 8; place++) {
            uint8_t word[8] = {0};
            word[place] = (uint8_t)value;
            cr_assert_eq(crc32c_portable(0, word, 8), crc32c_by_bits(0, word, 8),
                         "byte %u at place %zu", value, place);
        }
    }
}

Test(crc32c, concat)
{
    static uint8_t bytes[16384];
    uint64_t state = 2;
    random_fill(&state, bytes, sizeof bytes);
    for (uint32_t i = 0; i < 300; i++) {
        size_t cut = random_below(&state, 4097);
        size_t length = i % 3 == 0 ? 4096 : random_below(&state, 8193);
        uint32_t whole = crc32c(0, bytes, cut + length);
        uint32_t a = crc32c(0, bytes, cut);
        uint32_t b = crc32c(0, bytes + cut, length);
        cr_assert_eq(crc32c_concat(a, b, length), whole, "%zu then %zu bytes", cut, length);
        cr_assert_eq(crc32c(a, bytes + cut, length), whole, "going on, %zu then %zu", cut, length);
    }
    /* The table for 4,096 against the general way, over each bit of a state. */
    for (uint32_t bit = 0; bit < 32; bit++) {
        uint32_t crc = UINT32_C(1) << bit;
        uint32_t halves = crc32c_concat(crc32c_concat(crc, 0, 2048), 0, 2048);
        cr_assert_eq(crc32c_concat(crc, 0, 4096), halves, "bit %u", bit);
    }
    /* Lengths that no buffer has: concatenation does not mind how it is bracketed. */
    for (uint32_t shift = 12; shift < 64; shift++) {
        uint64_t half = UINT64_C(1) << (shift - 1);
        uint32_t once = crc32c_concat(0x12345678, 0, half * 2);
        uint32_t twice = crc32c_concat(crc32c_concat(0x12345678, 0, half), 0, half);
        cr_assert_eq(once, twice, "2^%u bytes", shift);
    }
}
