/* tests/pages/random.h - repeatable numbers for property tests: splitmix64, by a state that the test owns. */
#ifndef ORRERY_TESTS_PAGES_RANDOM_H
#define ORRERY_TESTS_PAGES_RANDOM_H

#include <stddef.h>
#include <stdint.h>

static inline uint64_t random_next(uint64_t *state)
{
    uint64_t z = *state += UINT64_C(0x9e3779b97f4a7c15);
    z = (z ^ z >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ z >> 27) * UINT64_C(0x94d049bb133111eb);
    return z ^ z >> 31;
}

/* Even enough in [0, bound). */
static inline uint64_t random_below(uint64_t *state, uint64_t bound)
{
    return (random_next(state) >> 16) % bound;
}

static inline void random_fill(uint64_t *state, uint8_t *out, size_t length)
{
    for (size_t i = 0; i < length; i++) {
        out[i] = (uint8_t)(random_next(state) >> 40);
    }
}

#endif
