#include "sim/run_hash.h"

/* Up to 8 bytes as a little-endian word, zeros above, so that the hash is the same on every host. */
static uint64_t run_hash_word(const uint8_t *bytes, size_t length)
{
    uint64_t word = 0;
    for (size_t i = 0; i < length; i++) {
        word |= (uint64_t)bytes[i] << (8 * i);
    }
    return word;
}

static size_t run_hash_least(size_t a, size_t b)
{
    return a < b ? a : b;
}

/* A whole word; the compiler makes one load of it. */
static inline uint64_t run_hash_word8(const uint8_t *bytes)
{
    return (uint64_t)bytes[0] | (uint64_t)bytes[1] << 8 | (uint64_t)bytes[2] << 16 |
           (uint64_t)bytes[3] << 24 | (uint64_t)bytes[4] << 32 | (uint64_t)bytes[5] << 40 |
           (uint64_t)bytes[6] << 48 | (uint64_t)bytes[7] << 56;
}

void run_hash_fold_bytes(struct run_hash *hash, const void *bytes, size_t length)
{
    const uint8_t *all = bytes;
    size_t done = run_hash_least(length, 8);
    /* The length goes in, so that the zeros which pad the last word cannot be taken for content. */
    run_hash_fold(hash, length, run_hash_word(all, done));
    for (; length - done >= 16; done += 16) {
        run_hash_fold(hash, run_hash_word8(all + done), run_hash_word8(all + done + 8));
    }
    if (done < length) {
        size_t a = run_hash_least(length - done, 8);
        size_t b = length - done - a;
        run_hash_fold(hash, run_hash_word(all + done, a), run_hash_word(all + done + a, b));
    }
}

uint64_t run_hash_value(const struct run_hash *hash)
{
    /* The second lane's words reach only the second lane, so both are folded crosswise before they meet. */
    struct run_hash mixed = *hash;
    run_hash_fold(&mixed, hash->lane[1], hash->lane[0]);
    run_hash_fold(&mixed, mixed.lane[1], 0);
    return mixed.lane[0] ^ mixed.lane[1];
}

void run_hash_text(const struct run_hash *hash, char out[17])
{
    static const char digits[] = "0123456789abcdef";
    uint64_t value = run_hash_value(hash);
    for (int i = 15; i >= 0; i--) {
        out[i] = digits[value & 15];
        value >>= 4;
    }
    out[16] = 0;
}
