#include "sim/page_compress.h"

#include "sim/page.h"

#include <string.h>

#define HASH_BITS       10u
#define MATCH_BYTES_MIN 4u
#define MATCH_BYTES_MAX 258u /* RFC 1951 section 3.2.5: the longest length that deflate can name */
#define WRAPPER_BYTES   6u   /* RFC 1950 section 2.2: CMF, FLG and ADLER32 */
#define STORED_BYTES    5u   /* RFC 1951 section 3.2.4: block header, LEN and NLEN */
#define WIDTHS          14u  /* bit widths of a length or distance below 4,096 */

/* What a greedy pass found. Lengths and distances are told apart by bit width only; the bits below the highest are extra bits
 * in deflate too. */
struct parse {
    uint32_t
        literals[256 + WIDTHS]; /* bytes, then widths of lengths: one alphabet, as in deflate */
    uint32_t distances[WIDTHS];
    uint32_t fixed_bits; /* of all matches, with the fixed codes of RFC 1951 section 3.2.6 */
    uint32_t extra_bits;
};

/* log2 of x > 0 in 1/256: exact at powers of two, else off by less than 3/256. */
static uint32_t log2_256(uint32_t x)
{
    uint32_t whole = 31 - (uint32_t)__builtin_clz(x);
    uint32_t part = (uint32_t)(((uint64_t)x << 8 >> whole) & 255);
    return whole * 256 + part + (part * (256 - part) * 88 >> 16);
}

/* Bits to code all symbols that were counted, by their entropy, and about half a byte of code table for each that occurs. */
static uint64_t entropy_bits(const uint32_t *counts, uint32_t symbols)
{
    uint32_t total = 0;
    uint64_t used = 0;
    uint64_t known = 0;
    for (uint32_t i = 0; i < symbols; i++) {
        if (counts[i] > 0) {
            total += counts[i];
            used++;
            known += (uint64_t)counts[i] * log2_256(counts[i]);
        }
    }
    return total == 0 ? 0 : ((uint64_t)total * log2_256(total) - known) / 256 + used * 4;
}

static uint32_t width(uint32_t x)
{
    return 32 - (uint32_t)__builtin_clz(x);
}

static uint32_t load_4(const uint8_t *in)
{
    return (uint32_t)in[0] | (uint32_t)in[1] << 8 | (uint32_t)in[2] << 16 | (uint32_t)in[3] << 24;
}

static void count_match(struct parse *parse, uint32_t length, uint32_t distance)
{
    uint32_t length_width = width(length - MATCH_BYTES_MIN + 1);
    uint32_t distance_width = width(distance);
    SIM_ASSERT(length_width < WIDTHS && distance_width < WIDTHS);
    parse->literals[256 + length_width]++;
    parse->distances[distance_width]++;
    /* Deflate has four length codes and two distance codes to a width, so its extra bits are fewer, its codes longer. */
    parse->extra_bits += length_width - 1 + distance_width - 1;
    parse->fixed_bits += 7 + 5 + (length_width > 3 ? length_width - 3 : 0) +
                         (distance_width > 2 ? distance_width - 2 : 0);
}

static void parse_greedily(struct parse *parse, const uint8_t *bytes, uint32_t length)
{
    uint16_t
        last[1u << HASH_BITS]; /* position + 1 of the last four bytes with this hash; 0 for none */
    memset(last, 0, sizeof last);
    uint32_t at = 0;
    while (at + MATCH_BYTES_MIN <= length) {
        uint32_t four = load_4(bytes + at);
        uint32_t hash = four * UINT32_C(2654435761) >> (32 - HASH_BITS);
        uint32_t before = last[hash];
        last[hash] = (uint16_t)(at + 1);
        if (before == 0 || load_4(bytes + before - 1) != four) {
            parse->literals[bytes[at++]]++;
            continue;
        }
        uint32_t from = before - 1;
        uint32_t limit = length - at < MATCH_BYTES_MAX ? length - at : MATCH_BYTES_MAX;
        uint32_t same = MATCH_BYTES_MIN;
        while (same < limit && bytes[from + same] == bytes[at + same]) {
            same++;
        }
        count_match(parse, same, at - from);
        at += same;
    }
    for (; at < length; at++) {
        parse->literals[bytes[at]]++;
    }
}

uint32_t page_compress_estimate(const uint8_t *bytes, uint32_t length)
{
    SIM_ASSERT(length > 0 && length <= PAGE_BYTES);
    struct parse parse;
    memset(&parse, 0, sizeof parse);
    parse_greedily(&parse, bytes, length);
    uint64_t bits = entropy_bits(parse.literals, 256 + WIDTHS) +
                    entropy_bits(parse.distances, WIDTHS) + parse.extra_bits;
    uint64_t fixed_bits = parse.fixed_bits;
    for (uint32_t byte = 0; byte < 256; byte++) {
        fixed_bits += (uint64_t)parse.literals[byte] * (byte < 144 ? 8 : 9);
    }
    bits = bits < fixed_bits ? bits : fixed_bits;
    uint64_t coded = (bits + 10 + 7) / 8; /* block header and end-of-block code */
    uint64_t stored = STORED_BYTES + length;
    return (uint32_t)(WRAPPER_BYTES + (coded < stored ? coded : stored));
}
