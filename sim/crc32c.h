/* sim/crc32c.h - CRC32C (Castagnoli), as iSCSI (RFC 7143 section 13.1) and our own messages use it.
 *
 * Values are finished CRCs: crc32c(0, ...) of nothing is 0, and crc32c(crc32c(0, a), b) is the CRC of a followed by b.
 * Uses the processor's instruction where it has one; the table version gives the same values. */
#ifndef ORRERY_SIM_CRC32C_H
#define ORRERY_SIM_CRC32C_H

#include "sim/types.h"

/* CRC of what `crc` covers followed by `length` bytes. Pure. */
uint32_t crc32c(uint32_t crc, const void *bytes, size_t length);
/* The same through tables only; for tests and for processors without the instruction. Pure. */
uint32_t crc32c_portable(uint32_t crc, const void *bytes, size_t length);
/* CRC of A followed by B from crc(A), crc(B) and the length of B: O(log length), and four look-ups for 4,096. Pure. */
uint32_t crc32c_concat(uint32_t crc_a, uint32_t crc_b, uint64_t length_b);

#endif
