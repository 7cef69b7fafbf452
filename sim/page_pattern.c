#include "sim/page_pattern.h"

#include "sim/crc32c.h"

#include <string.h>

#define LINE_WORDS  8u
#define WARM_STEPS  5u
#define NUMBER_BITS 62u

/* Words are written as the host has them, so a host that stores the high byte first turns them around. */
static inline uint64_t little_endian(uint64_t word)
{
#if __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
    return __builtin_bswap64(word);
#else
    return word;
#endif
}

/* One step of a 64-bit xorshift register of full period (Marsaglia: Xorshift RNGs, 2003; the triple 13, 7, 17). */
static inline uint64_t xorshift(uint64_t x)
{
    x ^= x << 13;
    x ^= x >> 7;
    return x ^ x << 17;
}

static inline uint64_t rotate_left(uint64_t x, uint32_t bits)
{
    return x << (bits & 63) | x >> (-bits & 63);
}

/* splitmix64 (Steele, Lea, Flood 2014): the source of the constants. */
static uint64_t splitmix64(uint64_t *state)
{
    uint64_t z = *state += UINT64_C(0x9e3779b97f4a7c15);
    z = (z ^ z >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ z >> 27) * UINT64_C(0x94d049bb133111eb);
    return z ^ z >> 31;
}

static bool line_is_noise(enum page_class page_class, uint32_t line)
{
    return page_class == PAGE_RANDOM || line % 4 == 3;
}

void page_pattern_lines(const struct page_pattern *pattern, struct page page, uint32_t first,
                        uint32_t count, uint8_t *out)
{
    SIM_ASSERT(page_is_pattern(page));
    SIM_ASSERT(first <= PAGE_PATTERN_LINES && count <= PAGE_PATTERN_LINES - first);
    enum page_class page_class = page_pattern_class(page);
    uint64_t y[LINE_WORDS];
    uint64_t x = page.v;
    for (uint32_t step = 0; step < WARM_STEPS; step++) {
        x = xorshift(x);
    }
    for (uint32_t j = 0; j < LINE_WORDS; j++) {
        y[j] = x;
        x = xorshift(x);
    }
    uint8_t *to = out;
    for (uint32_t line = first; line < first + count; line++, to += PAGE_PATTERN_LINE_BYTES) {
        const uint64_t *constants = &pattern->constants[line * LINE_WORDS];
        uint64_t words[LINE_WORDS];
        if (line_is_noise(page_class, line)) {
            for (uint32_t j = 0; j < LINE_WORDS; j++) {
                words[j] = little_endian(rotate_left(y[j], line) ^ constants[j]);
            }
        } else {
            for (uint32_t j = 0; j < LINE_WORDS; j++) {
                words[j] = little_endian(page.v);
            }
        }
        memcpy(to, words, sizeof words);
    }
    if (first == 0 && count > 0) {
        uint64_t handle = little_endian(page.v);
        memcpy(out, &handle, sizeof handle);
    }
}

void page_pattern_copy_out(const struct page_pattern *pattern, struct page page, uint32_t offset,
                           uint32_t length, uint8_t *out)
{
    SIM_ASSERT(offset <= PAGE_BYTES && length <= PAGE_BYTES - offset);
    uint8_t line[PAGE_PATTERN_LINE_BYTES];
    while (length > 0) {
        uint32_t index = offset / PAGE_PATTERN_LINE_BYTES;
        uint32_t start = offset % PAGE_PATTERN_LINE_BYTES;
        uint32_t bytes = PAGE_PATTERN_LINE_BYTES - start;
        if (start == 0 && length >= PAGE_PATTERN_LINE_BYTES) {
            uint32_t count = length / PAGE_PATTERN_LINE_BYTES;
            bytes = count * PAGE_PATTERN_LINE_BYTES;
            page_pattern_lines(pattern, page, index, count, out);
        } else {
            bytes = bytes < length ? bytes : length;
            page_pattern_lines(pattern, page, index, 1, line);
            memcpy(out, line + start, bytes);
        }
        offset += bytes;
        length -= bytes;
        out += bytes;
    }
}

static uint32_t crc32c_by_bytes(const struct page_pattern *pattern, enum page_class page_class,
                                uint64_t number)
{
    uint8_t bytes[PAGE_BYTES];
    page_pattern_lines(pattern, page_pattern(page_class, number), 0, PAGE_PATTERN_LINES, bytes);
    return crc32c(0, bytes, sizeof bytes);
}

/* By P3 the CRC of a number is that of 0, XOR what each of its bits changes alone. */
static void build_crc32c(struct page_pattern *pattern, enum page_class page_class)
{
    uint32_t(*share)[256] = pattern->crc32c[page_class];
    uint32_t of_zero = crc32c_by_bytes(pattern, page_class, 0);
    memset(share, 0, sizeof pattern->crc32c[page_class]);
    share[0][0] = of_zero;
    for (uint32_t bit = 0; bit < NUMBER_BITS; bit++) {
        uint32_t *table = share[bit / 8];
        uint32_t change = crc32c_by_bytes(pattern, page_class, UINT64_C(1) << bit) ^ of_zero;
        uint32_t power = 1u << bit % 8;
        for (uint32_t low = 0; low < power; low++) {
            table[power + low] = table[low] ^ change;
        }
    }
}

void page_pattern_init(struct page_pattern *pattern)
{
    uint64_t state =
        UINT64_C(0x4f7272657279); /* the project's name in ASCII; any number would do */
    for (uint32_t i = 0; i < PAGE_BYTES / 8; i++) {
        pattern->constants[i] = splitmix64(&state);
    }
    build_crc32c(pattern, PAGE_RANDOM);
    build_crc32c(pattern, PAGE_COMPRESSIBLE);
}
