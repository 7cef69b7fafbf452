/* sim/page_pattern.h - the bytes behind pattern pages; sim/page.c alone uses it.
 *
 * A page is 64 lines of 8 words of 8 bytes, little-endian. Let h be the handle, M one step of a xorshift register (an
 * invertible linear map of 64 bits), y_j = M^(5+j) h, and c_i constants. Then
 *
 *      random         word 8l + j = rotate_left(y_j, l) XOR c_(8l+j)      but for word 0, which is h
 *      compressible   word 8l + j = h where l mod 4 < 3, else as above    (lines 3, 7, 11 ... are noise)
 *
 * Everything here is linear in h or a constant, and h is its number XOR a constant of its class, which gives P3 of sim/page.h.
 *
 *  Q1. M and rotation lose nothing, so two pages of a class differ in every one of their words: a page that is put together
 *      from two is seen wherever one looks.
 *  Q2. A word costs a rotation and an XOR, wherever it lies; bytes from the middle of a page do not pay for those before. */
#ifndef ORRERY_SIM_PAGE_PATTERN_H
#define ORRERY_SIM_PAGE_PATTERN_H

#include "sim/page.h"

#define PAGE_PATTERN_LINE_BYTES 64u
#define PAGE_PATTERN_LINES      (PAGE_BYTES / PAGE_PATTERN_LINE_BYTES)

struct page_pattern {
    uint64_t constants[PAGE_BYTES / 8];
    /* By class and byte of the number, lowest first: that byte's share of the page's CRC32C. Byte 0 carries the CRC of number 0
     * in each entry. */
    uint32_t crc32c[2][8][256];
};

/* Computes constants and tables: about 130 pages are made and summed. */
void page_pattern_init(struct page_pattern *pattern);
/* Writes lines [first, first + count) of the page. */
void page_pattern_lines(const struct page_pattern *pattern, struct page page, uint32_t first,
                        uint32_t count, uint8_t *out);
/* Copies bytes [offset, offset + length) of the page. */
void page_pattern_copy_out(const struct page_pattern *pattern, struct page page, uint32_t offset,
                           uint32_t length, uint8_t *out);

/* CRC32C of the whole page: eight look-ups. */
static inline uint32_t page_pattern_crc32c(const struct page_pattern *pattern, struct page page)
{
    uint64_t number = page_pattern_number(page);
    const uint32_t(*share)[256] = pattern->crc32c[page_pattern_class(page)];
    return share[0][number & 255] ^ share[1][number >> 8 & 255] ^ share[2][number >> 16 & 255] ^
           share[3][number >> 24 & 255] ^ share[4][number >> 32 & 255] ^
           share[5][number >> 40 & 255] ^ share[6][number >> 48 & 255] ^ share[7][number >> 56];
}

#endif
