#include "testbed/histogram.h"

#include <stdlib.h>

#include "sim/assert.h"

__extension__ typedef unsigned __int128 histogram_product;

/* Block 0 holds values below 128 as they are; block b those of 7 + b bits, by the 7 bits behind the first. */
static uint32_t block_of(int64_t value)
{
    SIM_ASSERT(value >= 0);
    uint32_t bits = value == 0 ? 0 : 64u - (uint32_t)__builtin_clzll((unsigned long long)value);
    return bits <= HISTOGRAM_BITS ? 0 : bits - HISTOGRAM_BITS;
}

static uint32_t bucket_of(int64_t value, uint32_t block)
{
    uint32_t shift = block > 1 ? block - 1 : 0;
    return (uint32_t)(value >> shift) & (HISTOGRAM_BUCKETS - 1);
}

/* The largest value that falls into a bucket. */
static int64_t largest_of(uint32_t block, uint32_t bucket)
{
    if (block == 0) {
        return bucket;
    }
    uint64_t first = ((uint64_t)HISTOGRAM_BUCKETS + bucket) << (block - 1);
    return (int64_t)(first + ((UINT64_C(1) << (block - 1)) - 1));
}

void histogram_add(struct histogram *histogram, int64_t value)
{
    value = value < 0 ? 0 : value;
    uint32_t block = block_of(value);
    if (histogram->blocks[block] == NULL) {
        histogram->blocks[block] = calloc(HISTOGRAM_BUCKETS, sizeof(uint64_t));
        SIM_ASSERT(histogram->blocks[block] != NULL);
    }
    histogram->blocks[block][bucket_of(value, block)]++;
    if (histogram->count == 0 || value < histogram->min) {
        histogram->min = value;
    }
    if (histogram->count == 0 || value > histogram->max) {
        histogram->max = value;
    }
    histogram->count++;
}

int64_t histogram_percentile(const struct histogram *histogram, uint32_t ppm)
{
    SIM_ASSERT(histogram->count > 0);
    SIM_ASSERT(ppm > 0 && ppm <= 1000000);
    uint64_t rank = (uint64_t)(((histogram_product)histogram->count * ppm + 999999) / 1000000);
    uint64_t seen = 0;
    for (uint32_t block = 0; block < HISTOGRAM_BLOCKS; block++) {
        for (uint32_t i = 0; histogram->blocks[block] != NULL && i < HISTOGRAM_BUCKETS; i++) {
            seen += histogram->blocks[block][i];
            if (seen >= rank) {
                int64_t value = largest_of(block, i);
                return value > histogram->max ? histogram->max : value;
            }
        }
    }
    SIM_ASSERT(false && "the rank is at most the count");
    return histogram->max;
}

void histogram_close(struct histogram *histogram)
{
    for (uint32_t block = 0; block < HISTOGRAM_BLOCKS; block++) {
        free(histogram->blocks[block]);
    }
    *histogram = (struct histogram){.count = 0};
}

void histogram_check(const struct histogram *histogram)
{
    uint64_t count = 0;
    for (uint32_t block = 0; block < HISTOGRAM_BLOCKS; block++) {
        for (uint32_t i = 0; histogram->blocks[block] != NULL && i < HISTOGRAM_BUCKETS; i++) {
            count += histogram->blocks[block][i];
        }
    }
    SIM_ASSERT(count == histogram->count);
    SIM_ASSERT(histogram->count == 0 || histogram->min <= histogram->max);
}
