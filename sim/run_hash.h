/* sim/run_hash.h - the fingerprint of a run: two 64-bit multiply lanes over typed fields.
 *
 * It is not cryptographic; it has to tell runs apart that differ by accident, at most 10 ns a frame. Each fold multiplies
 * the lane by a constant of its own to 128 bits and adds the halves, so every bit of the input reaches every bit of the
 * lane within two folds. Folding order matters. What is folded never depends on handles, indices, addresses or on what is
 * recorded (DESIGN section 3, Run hash). The values are part of goldens and recordings: a change of one constant changes
 * them all, and a table in the tests freezes them. */
#ifndef ORRERY_SIM_RUN_HASH_H
#define ORRERY_SIM_RUN_HASH_H

#include "sim/types.h"

__extension__ typedef unsigned __int128 run_hash_product;

struct run_hash {
    uint64_t lane[2];
};

#define RUN_HASH_START                                                                             \
    ((struct run_hash){{UINT64_C(0x6a09e667f3bcc908), UINT64_C(0xbb67ae8584caa73b)}})

/* Folds two words, one into each lane. */
static inline void run_hash_fold(struct run_hash *hash, uint64_t a, uint64_t b)
{
    run_hash_product x = (run_hash_product)(hash->lane[0] ^ a) * UINT64_C(0x9e3779b97f4a7c15);
    run_hash_product y = (run_hash_product)(hash->lane[1] ^ b) * UINT64_C(0xc2b2ae3d27d4eb4f);
    hash->lane[0] = ((uint64_t)x ^ (uint64_t)(x >> 64)) + UINT64_C(0x165667b19e3779f9);
    hash->lane[1] = ((uint64_t)y ^ (uint64_t)(y >> 64)) + hash->lane[0];
}

/* Folds bytes with their length: one fold for up to 8 bytes, one more for each 16 that follow. */
void run_hash_fold_bytes(struct run_hash *hash, const void *bytes, size_t length);
/* Both lanes mixed into one word. Pure. */
uint64_t run_hash_value(const struct run_hash *hash);
/* The printed form: run_hash_value as 16 lower-case hexadecimal digits, and a final zero. */
void run_hash_text(const struct run_hash *hash, char out[17]);

#endif
