/* sim/chance.c - keyed draws. */
#include "sim/chance.h"

#include "sim/assert.h"

#include <string.h>

__extension__ typedef unsigned __int128 chance_product;

/* The increment of splitmix64: 2^64 divided by the golden ratio, made odd. */
#define CHANCE_GAMMA UINT64_C(0x9e3779b97f4a7c15)

/* The finalizer of splitmix64, a bijection of 64-bit words in which each bit of the input flips half of the output. */
static inline uint64_t chance_mix(uint64_t word)
{
    word = (word ^ (word >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    word = (word ^ (word >> 27)) * UINT64_C(0x94d049bb133111eb);
    return word ^ (word >> 31);
}

/* Folds a text eight bytes at a time, first byte lowest, and then its length, so that ("ab", "c") and ("a", "bc") are
 * different keys on every machine. */
static uint64_t chance_fold_text(uint64_t key, const char *text)
{
    size_t length = strlen(text);
    for (size_t i = 0; i < length; i += 8) {
        uint64_t word = 0;
        for (size_t j = 0; j < 8 && i + j < length; j++) {
            word |= (uint64_t)(unsigned char)text[i + j] << (8 * j);
        }
        key = chance_mix((key ^ word) + CHANCE_GAMMA);
    }
    return chance_mix((key ^ length) + CHANCE_GAMMA);
}

struct chance chance_key(uint64_t seed, const char *site, const char *entity)
{
    SIM_ASSERT(site != NULL);
    SIM_ASSERT(entity != NULL);
    uint64_t key = chance_mix(seed + CHANCE_GAMMA);
    key = chance_fold_text(key, site);
    return (struct chance){.key = chance_fold_text(key, entity)};
}

static uint64_t chance_drawn;

uint64_t chance_draws(void)
{
    return chance_drawn;
}

static inline uint64_t chance_bits(struct chance chance, uint64_t ordinal)
{
    /* The key enters twice: with one mixing, keys that differ by a multiple of the increment would draw the same
     * values at shifted ordinals. */
    uint64_t word = chance_mix(chance.key + ordinal * CHANCE_GAMMA);
    return chance_mix(word ^ chance.key);
}

uint64_t chance_at(struct chance chance, uint64_t ordinal)
{
    chance_drawn++;
    return chance_bits(chance, ordinal);
}

uint64_t chance_identifier(struct chance chance, uint64_t ordinal)
{
    return chance_bits(chance, ordinal);
}

uint64_t chance_below(struct chance chance, uint64_t ordinal, uint64_t bound)
{
    SIM_ASSERT(bound > 0);
    chance_drawn += bound > 1;
    return (uint64_t)((chance_product)chance_bits(chance, ordinal) * bound >> 64);
}

bool chance_hit(struct chance chance, uint64_t ordinal, uint64_t numerator, uint64_t denominator)
{
    SIM_ASSERT(denominator > 0);
    if (numerator == 0 || numerator >= denominator) {
        return numerator != 0;
    }
    return chance_below(chance, ordinal, denominator) < numerator;
}
