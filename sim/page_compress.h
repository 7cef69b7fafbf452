/* sim/page_compress.h - how small a fast compressor would make a page; sim/page.c alone uses it.
 *
 * The simulated size never comes from the installed zlib (DESIGN section 6): another version would change the run. Zero and
 * pattern pages have one size for each class, measured once: the mean of zlib 1.2.13's compress2 at level 1, header and
 * checksum included, over 4,096 pages of the class with numbers from splitmix64. tests/pages/test_compress.c measures
 * again with whatever zlib is there and asks that it agrees within a tenth.
 *
 * Literals are estimated, not compressed: greedy matches of at least four bytes through a hash of the last positions, as
 * deflate's fast level finds them, and for the bytes between them their order-0 entropy, as dynamic Huffman codes reach
 * it. Over pages of programs and texts that is between 0 and 7 % above zlib. About five microseconds for a page of noise. */
#ifndef ORRERY_SIM_PAGE_COMPRESS_H
#define ORRERY_SIM_PAGE_COMPRESS_H

#include "sim/types.h"

#define PAGE_COMPRESSED_ZERO_BYTES         41u
#define PAGE_COMPRESSED_RANDOM_BYTES       4107u
#define PAGE_COMPRESSED_COMPRESSIBLE_BYTES 1166u

/* Estimated size of `length` bytes, 1 to 4,096, never more than stored blocks cost. Pure. */
uint32_t page_compress_estimate(const uint8_t *bytes, uint32_t length);

#endif
