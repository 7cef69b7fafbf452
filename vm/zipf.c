#include "vm/zipf.h"

#include "sim/assert.h"

#include <stdlib.h>

__extension__ typedef unsigned __int128 zipf_uint128;

#define ENTRIES_SHIFT 12u /* of a doubling: 4,096 */
#define ENTRIES       (UINT64_C(1) << ENTRIES_SHIFT)
#define RANKS_MAX     (UINT64_C(1) << 40)
#define WEIGHT_ONE    (UINT64_C(1) << 50) /* of rank 0; the sum of all stays below 2^55 */

/* The first rank of an entry, and through `width` how many ranks it holds. */
static uint64_t entry_start(uint64_t entry, uint64_t *width)
{
    if (entry < 2 * ENTRIES) {
        *width = 1;
        return entry;
    }
    uint64_t doubling = (entry >> ENTRIES_SHIFT) - 1;
    *width = UINT64_C(1) << doubling;
    return (ENTRIES + (entry & (ENTRIES - 1))) << doubling;
}

/* Entries that hold `ranks` ranks. */
static uint64_t entries_of(uint64_t ranks)
{
    uint64_t last = ranks - 1;
    if (last < 2 * ENTRIES) {
        return last + 1;
    }
    uint64_t doubling = 63 - (uint64_t)__builtin_clzll(last) - ENTRIES_SHIFT;
    return (doubling << ENTRIES_SHIFT) + (last >> doubling) + 1;
}

void zipf_init(struct zipf *zipf, uint64_t ranks)
{
    SIM_ASSERT(ranks > 0);
    SIM_ASSERT(ranks <= RANKS_MAX);
    zipf->ranks = ranks;
    zipf->count = (uint32_t)entries_of(ranks);
    zipf->sums = malloc(zipf->count * sizeof *zipf->sums);
    SIM_ASSERT(zipf->sums != NULL);
    uint64_t sum = 0;
    for (uint32_t i = 0; i < zipf->count; i++) {
        uint64_t width;
        uint64_t start = entry_start(i, &width);
        uint64_t end = start + width < ranks ? start + width : ranks;
        /* 1 / (start + 1) + ... + 1 / end, by the midpoint rule: exact for a single rank, and off by less than 1e-8 for more. */
        sum += (uint64_t)((zipf_uint128)(2 * WEIGHT_ONE) * (end - start) / (start + end + 1));
        zipf->sums[i] = sum;
    }
}

void zipf_close(struct zipf *zipf)
{
    free(zipf->sums);
    *zipf = (struct zipf){0};
}

uint64_t zipf_rank(const struct zipf *zipf, uint64_t bits)
{
    uint64_t total = zipf->sums[zipf->count - 1];
    uint64_t at = (uint64_t)((zipf_uint128)bits * total >> 64);
    /* The first entry whose sum is above `at`. */
    const uint64_t *sums = zipf->sums;
    for (uint32_t left = zipf->count; left > 1;) {
        uint32_t half = left / 2;
        sums += sums[half - 1] <= at ? half : 0;
        left -= half;
    }
    uint64_t entry = (uint64_t)(sums - zipf->sums);
    uint64_t width;
    uint64_t start = entry_start(entry, &width);
    if (width == 1) {
        return start;
    }
    uint64_t before = zipf->sums[entry - 1];
    uint64_t ranks = zipf->ranks - start < width ? zipf->ranks - start : width;
    return start + (uint64_t)((zipf_uint128)(at - before) * ranks / (*sums - before));
}

void zipf_check(const struct zipf *zipf)
{
    uint64_t before = 0, width = 0, start = 0;
    SIM_ASSERT(zipf->count > 0);
    for (uint32_t i = 0; i < zipf->count; i++) {
        SIM_ASSERT(entry_start(i, &width) == start);
        SIM_ASSERT(zipf->sums[i] > before);
        before = zipf->sums[i];
        start += width;
    }
    SIM_ASSERT(start >= zipf->ranks);
    SIM_ASSERT(start - width < zipf->ranks);
}
