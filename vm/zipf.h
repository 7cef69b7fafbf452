/* vm/zipf.h - draws from a range in which rank k has weight 1 / (k + 1), in integers.
 *
 * Weights are fixed-point harmonic numbers, summed up once; a draw is a binary search. Ranks share an entry of the table where they
 * are many and nearly alike:
 *
 *     ranks      0 .. 8191     each has an entry of its own
 *     ranks   8192 .. 16383    in pairs
 *     ranks  16384 .. 32767    in fours, and so on: 4,096 entries for each doubling
 *
 *  Z1. Within an entry all ranks are equally likely: that is off by less than 1 part in 8,192 of a rank's own weight.
 *  Z2. The table has at most 4,096 * (log2(ranks) - 11) entries of 8 bytes: 300 KB for 1 million ranks, 700 KB for 4 billion.
 *  Z3. Pure: equal ranges and equal bits give equal ranks, in every build. */
#ifndef ORRERY_VM_ZIPF_H
#define ORRERY_VM_ZIPF_H

#include "sim/types.h"

struct zipf {
    uint64_t *sums; /* sums[i]: weight of all ranks up to the last one of entry i */
    uint32_t count;
    uint64_t ranks;
};

/* For `ranks` from 1 to 2^40. */
void zipf_init(struct zipf *zipf, uint64_t ranks);
void zipf_close(struct zipf *zipf);
/* The rank that 64 even bits choose. */
uint64_t zipf_rank(const struct zipf *zipf, uint64_t bits);
void zipf_check(const struct zipf *zipf);

#endif
