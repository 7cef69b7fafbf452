/* sim/chance.h - keyed draws: chance(seed, site, entity, ordinal).
 *
 * There are no random streams (DESIGN idea 7). A draw is a pure function of the run's seed, the place in the code that asks
 * (a string constant that survives edits), the thing it asks about (a path name), and how many opportunities that thing
 * has had. Taking one fault away moves no other draw.
 *
 * Draws are counted, so that whoever runs a scenario with many seeds knows whether the seed decided anything. What only makes things
 * distinct (TCP's initial sequence numbers) is no draw: chance_identifier.
 *
 * The first three are folded once into a key; the draw itself costs about 2 ns. The mixing function is that of
 * splitmix64 (Steele, Lea, Flood: Fast Splittable Pseudorandom Number Generators, OOPSLA 2014), applied twice. */
#ifndef ORRERY_SIM_CHANCE_H
#define ORRERY_SIM_CHANCE_H

#include "sim/types.h"

struct chance {
    uint64_t key;
};

/* Folds seed, site and entity. Pure. */
struct chance chance_key(uint64_t seed, const char *site, const char *entity);
/* 64 even bits for opportunity `ordinal`. Pure but for the count of draws. */
uint64_t chance_at(struct chance chance, uint64_t ordinal);
/* The same bits, not counted: for numbers that decide nothing but who is who. Pure. */
uint64_t chance_identifier(struct chance chance, uint64_t ordinal);
/* Even in [0, bound), bound > 0, without bias that matters (128-bit multiply). Pure but for the count, which leaves out bound 1. */
uint64_t chance_below(struct chance chance, uint64_t ordinal, uint64_t bound);
/* True in `numerator` of `denominator` cases; exact for 0 and for numerator >= denominator, which no draw decides. Pure but for the
 * count. */
bool chance_hit(struct chance chance, uint64_t ordinal, uint64_t numerator, uint64_t denominator);
/* Draws of this process so far: a run made as many as this grew by. Nothing that is simulated reads it. */
uint64_t chance_draws(void);

#endif
