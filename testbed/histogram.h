/* testbed/histogram.h - the distribution of times, for percentiles, in bounded memory.
 *
 * Values below 128 ns have a bucket each; above, every power of two is divided into 128 buckets of equal width, so that a bucket is never
 * wider than 1/128 of the smallest value in it. A percentile is the largest value of the bucket that holds it, cut to the largest and
 * smallest value seen. (The shape of buckets is that of HdrHistogram with 7 bits of precision.)
 *
 *     value       0 ... 127 | 128 ... 255 | 256 ... 511 | ... | 2^62 ... 2^63-1
 *     width of            1 |           1 |           2 | ... |            2^55
 *     a bucket
 *
 *  H1. A percentile is the value of that rank or up to 1/128 (0.8 %) more, never less and never beyond the largest.
 *  H2. The order in which values come does not matter.
 *  H3. Memory is 1 KiB for each power of two that values have fallen into, at most 57 KiB; it is taken when the first one falls there. */
#ifndef ORRERY_TESTBED_HISTOGRAM_H
#define ORRERY_TESTBED_HISTOGRAM_H

#include "sim/types.h"

#define HISTOGRAM_BITS    7u
#define HISTOGRAM_BUCKETS (1u << HISTOGRAM_BITS) /* of a power of two */
#define HISTOGRAM_BLOCKS  (63u - HISTOGRAM_BITS + 1u)

/* Starts as zeroes. */
struct histogram {
    uint64_t *blocks[HISTOGRAM_BLOCKS]; /* NULL: nothing fell into it */
    uint64_t count;
    int64_t min, max;
};

/* A value below 0 counts as 0. */
void histogram_add(struct histogram *histogram, int64_t value);
/* The value that at least `ppm` millionths of all values do not exceed, by nearest rank; more than 0 values, 0 < ppm <= 1000000. */
int64_t histogram_percentile(const struct histogram *histogram, uint32_t ppm);
void histogram_close(struct histogram *histogram);
/* Asserts that the buckets hold `count` values. */
void histogram_check(const struct histogram *histogram);

#endif
