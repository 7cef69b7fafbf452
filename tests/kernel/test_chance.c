/* tests/kernel/test_chance.c - keyed draws: frozen values, evenness, independence, edges. */
#include <criterion/criterion.h>

#include "sim/chance.h"

#define DRAWS 65536u
#define BINS  16u

/* Computed by an independent program from the definition in sim/chance.h. They are part of what a seed means: when one changes, every
 * scenario with chance in it runs differently. */
struct frozen {
    uint64_t seed;
    const char *site;
    const char *entity;
    uint64_t ordinal;
    uint64_t key;
    uint64_t draw;
    uint64_t below_1000;
};
static const struct frozen frozen[] = {
    {0, "", "", 0, UINT64_C(0x238275bc38fcbe91), UINT64_C(0xd6a4e0a84661de39), 838},
    {1, "link.loss", "node1/lan", 0, UINT64_C(0x179c7dcc221bd814), UINT64_C(0x0989c308aba534c4),
     37},
    {1, "link.loss", "node1/lan", 1, UINT64_C(0x179c7dcc221bd814), UINT64_C(0xd0e52d0d010deda3),
     815},
    {1, "link.loss", "node2/lan", 0, UINT64_C(0x87afd54e01405a4e), UINT64_C(0xdddc4f1ed9a1d563),
     866},
    {1, "link.corrupt", "node1/lan", 0, UINT64_C(0x1610e58fecf37bb6), UINT64_C(0x36d02957c9863178),
     214},
    {2, "link.loss", "node1/lan", 0, UINT64_C(0xff02b0dcac1be68a), UINT64_C(0xf0e862b898562648),
     941},
    {UINT64_MAX, "sim.ties", "a/path/that/is/longer/than/eight/bytes", UINT64_MAX,
     UINT64_C(0x6e5ee20df9bd9224), UINT64_C(0xcaf13a1b9ecb73a5), 792},
    {20931, "disk.error", "san/disk7", 1000000, UINT64_C(0xa449791e25217fcf),
     UINT64_C(0x250cfbc29996b581), 144},
};

Test(chance, frozen_values)
{
    for (size_t row = 0; row < sizeof(frozen) / sizeof(frozen[0]); row++) {
        const struct frozen *expected = &frozen[row];
        struct chance chance = chance_key(expected->seed, expected->site, expected->entity);
        cr_expect_eq(chance.key, expected->key, "row %zu: key", row);
        cr_expect_eq(chance_at(chance, expected->ordinal), expected->draw, "row %zu: draw", row);
        cr_expect_eq(chance_below(chance, expected->ordinal, 1000), expected->below_1000,
                     "row %zu: below 1000", row);
    }
}

/* Pairs of keys that are as near to each other as keys can be. */
struct pair {
    const char *name;
    uint64_t seed[2];
    const char *site[2];
    const char *entity[2];
    uint64_t ordinal_shift; /* of the second */
};
static const struct pair pairs[] = {
    {"next seed", {1, 2}, {"link.loss", "link.loss"}, {"node1", "node1"}, 0},
    {"high bit of the seed", {1, 1 + (UINT64_C(1) << 63)}, {"a", "a"}, {"b", "b"}, 0},
    {"another site", {1, 1}, {"link.loss", "link.lost"}, {"node1", "node1"}, 0},
    {"another entity", {1, 1}, {"link.loss", "link.loss"}, {"node1", "node2"}, 0},
    {"a letter moved from entity to site", {1, 1}, {"ab", "a"}, {"c", "bc"}, 0},
    {"site and entity swapped", {1, 1}, {"ab", "cd"}, {"cd", "ab"}, 0},
    {"a longer entity", {1, 1}, {"a", "a"}, {"12345678", "123456789"}, 0},
    {"empty and not", {1, 1}, {"", "a"}, {"a", ""}, 0},
    {"next ordinal", {1, 1}, {"a", "a"}, {"b", "b"}, 1},
    {"far ordinal", {1, 1}, {"a", "a"}, {"b", "b"}, UINT64_C(1) << 32},
};

/* Even in every bit and in 16 bins, for the first of each pair; unlike the other in half of all bits. The bounds are exact
 * integers, five standard deviations wide (a chi square of 15 degrees: 60), and the draws are always the same. */
Test(chance, even_and_independent)
{
    for (size_t row = 0; row < sizeof(pairs) / sizeof(pairs[0]); row++) {
        const struct pair *pair = &pairs[row];
        struct chance first = chance_key(pair->seed[0], pair->site[0], pair->entity[0]);
        struct chance second = chance_key(pair->seed[1], pair->site[1], pair->entity[1]);
        uint64_t bins[BINS] = {0};
        uint64_t ones[64] = {0};
        uint64_t unlike = 0;
        uint64_t same = 0;
        for (uint64_t i = 0; i < DRAWS; i++) {
            uint64_t a = chance_at(first, i);
            uint64_t b = chance_at(second, i + pair->ordinal_shift);
            bins[chance_below(first, i, BINS)]++;
            for (uint32_t bit = 0; bit < 64; bit++) {
                ones[bit] += a >> bit & 1;
            }
            unlike += (uint64_t)__builtin_popcountll(a ^ b);
            same += a == b;
        }
        uint64_t square = 0;
        for (uint32_t bin = 0; bin < BINS; bin++) {
            int64_t off = (int64_t)bins[bin] - (int64_t)(DRAWS / BINS);
            square += (uint64_t)(off * off);
        }
        cr_expect_leq(square, 60 * (DRAWS / BINS), "%s: bins are uneven", pair->name);
        for (uint32_t bit = 0; bit < 64; bit++) {
            /* Standard deviation 128 = sqrt(65536) / 2. */
            cr_expect(ones[bit] > DRAWS / 2 - 640 && ones[bit] < DRAWS / 2 + 640,
                      "%s: bit %u is uneven", pair->name, bit);
        }
        /* 64 bits a draw: standard deviation 1,024. */
        cr_expect(unlike > 32u * DRAWS - 5120 && unlike < 32u * DRAWS + 5120,
                  "%s: draws go together", pair->name);
        cr_expect_eq(same, 0, "%s: equal draws", pair->name);
    }
}

struct hit {
    const char *name;
    uint64_t numerator;
    uint64_t denominator;
    uint64_t hits_min; /* in DRAWS draws */
    uint64_t hits_max;
};
static const struct hit hits[] = {
    {"never", 0, 1, 0, 0},
    {"never, of many", 0, UINT64_MAX, 0, 0},
    {"always", 1, 1, DRAWS, DRAWS},
    {"always, of many", UINT64_MAX, UINT64_MAX, DRAWS, DRAWS},
    {"more than always", 7, 3, DRAWS, DRAWS},
    {"half", 1, 2, DRAWS / 2 - 640, DRAWS / 2 + 640},
    {"half of all numbers", UINT64_C(1) << 63, UINT64_MAX, DRAWS / 2 - 640, DRAWS / 2 + 640},
    /* 65.5 expected, standard deviation 8.1 */
    {"one in a thousand", 1000, 1000000, 25, 106},
    {"all but one in a thousand", 999000, 1000000, DRAWS - 106, DRAWS - 25},
};

Test(chance, hits)
{
    struct chance chance = chance_key(1, "link.loss", "node1/lan");
    for (size_t row = 0; row < sizeof(hits) / sizeof(hits[0]); row++) {
        uint64_t count = 0;
        for (uint64_t i = 0; i < DRAWS; i++) {
            count += chance_hit(chance, i, hits[row].numerator, hits[row].denominator);
        }
        cr_expect(count >= hits[row].hits_min && count <= hits[row].hits_max, "%s: %lu hits",
                  hits[row].name, (unsigned long)count);
    }
}

/* What was lost at 1 % is lost at 2 % as well, so that making a fault stronger adds to it. */
Test(chance, stronger_keeps_hits)
{
    struct chance chance = chance_key(7, "link.loss", "node1/lan");
    uint64_t added = 0;
    for (uint64_t i = 0; i < DRAWS; i++) {
        bool weak = chance_hit(chance, i, 1, 100);
        bool strong = chance_hit(chance, i, 2, 100);
        cr_assert(!weak || strong, "draw %lu", (unsigned long)i);
        added += strong && !weak;
        cr_assert_lt(chance_below(chance, i, 1), 1);
        cr_assert_lt(chance_below(chance, i, UINT64_MAX), UINT64_MAX);
    }
    cr_assert_gt(added, 0);
}

/* What the seed decides is counted, and nothing else. */
struct counted {
    const char *name;
    uint64_t numerator, denominator; /* of chance_hit */
    uint64_t draws;
};
static const struct counted counted[] = {
    {"never", 0, 5, 0},
    {"always", 5, 5, 0},
    {"more than always", 6, 5, 0},
    {"now and then", 1, 5, 1},
};

Test(chance, draws_are_counted)
{
    struct chance chance = chance_key(7, "link.loss", "node1/lan");
    for (size_t row = 0; row < sizeof(counted) / sizeof(counted[0]); row++) {
        uint64_t before = chance_draws();
        (void)chance_hit(chance, 0, counted[row].numerator, counted[row].denominator);
        cr_expect_eq(chance_draws() - before, counted[row].draws, "%s", counted[row].name);
    }
    uint64_t before = chance_draws();
    cr_expect_eq(chance_below(chance, 3, 1), 0);
    cr_expect_eq(chance_draws(), before, "below 1 nothing is decided");
    (void)chance_below(chance, 3, 2);
    cr_expect_eq(chance_draws(), before + 1);
    cr_expect_eq(chance_identifier(chance, 3), chance_at(chance, 3));
    cr_expect_eq(chance_draws(), before + 2, "an identifier decides nothing");
}
