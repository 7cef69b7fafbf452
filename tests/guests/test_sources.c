/* What a guest touches and when: loads (guest_touch.h), replay (guest_replay.h), zipf.h. */
#include "fixture.h"

#include "vm/guest_replay.h"
#include "vm/guest_touch.h"

#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

__extension__ typedef unsigned __int128 test_uint128;

#define HOUR_NS UINT64_C(3600000000000)

/* ---- loads ---------------------------------------------------------------------------------------- */

static const struct {
    const char *name;
    uint64_t per_hour;
} rates[] = {
    {"one an hour", 1},
    {"seven an hour", 7},
    {"one a second", 3600},
    {"5,000 a second", 5000 * 3600},
    {"a prime", 1000000007},
    {"one a nanosecond and a bit more", HOUR_NS + 1},
    {"many a nanosecond", HOUR_NS * 1000 + 17},
};

Test(sources, touches_are_due_exactly)
{
    uint64_t state = 1;
    for (size_t r = 0; r < sizeof rates / sizeof rates[0]; r++) {
        const struct guest_load load = {.first_page = 3,
                                        .page_count = 10,
                                        .touches_per_hour = rates[r].per_hour,
                                        .order = GUEST_SEQUENTIAL};
        struct guest_touch walker, jumper;
        struct chance chance = chance_key(1, "test", "touch");
        guest_touch_init(&walker, &load, chance, 13);
        guest_touch_init(&jumper, &load, chance, 13);
        for (uint32_t jump = 0; jump < 200; jump++) {
            uint64_t steps = fixture_below(&state, 300);
            for (uint64_t i = 0; i < steps; i++) {
                uint64_t n = walker.done + 1;
                sim_time due = (sim_time)((test_uint128)n * HOUR_NS / rates[r].per_hour);
                cr_assert_eq(walker.due, due, "%s: touch %llu", rates[r].name,
                             (unsigned long long)n);
                cr_assert_eq(guest_touch_next(&walker), 3 + (n - 1) % 10);
            }
            cr_assert(guest_touch_seek(&jumper, walker.done));
            cr_assert_eq(jumper.due, walker.due, "%s", rates[r].name);
            cr_assert_eq(jumper.part, walker.part, "%s", rates[r].name);
            cr_assert_eq(jumper.position, walker.position, "%s", rates[r].name);
        }
        cr_assert(!guest_touch_seek(&walker, UINT64_MAX) || rates[r].per_hour > HOUR_NS);
        guest_touch_close(&walker);
        guest_touch_close(&jumper);
    }
}

/* What is drawn depends on the number of the touch alone, and stays in the range. */
Test(sources, orders_repeat_and_stay_in_range)
{
    static const enum guest_order orders[] = {GUEST_UNIFORM, GUEST_SEQUENTIAL, GUEST_ZIPF};
    for (size_t o = 0; o < sizeof orders / sizeof orders[0]; o++) {
        const struct guest_load load = {.first_page = 100,
                                        .page_count = 1 + 977 * o,
                                        .touches_per_hour = 3600,
                                        .order = orders[o]};
        struct guest_touch a, b;
        struct chance chance = chance_key(1, "guest.write", "web/0");
        guest_touch_init(&a, &load, chance, 4096);
        guest_touch_init(&b, &load, chance, 4096);
        uint64_t *pages = calloc(5000, sizeof *pages);
        cr_assert(pages != NULL);
        for (uint32_t i = 0; i < 5000; i++) {
            pages[i] = guest_touch_next(&a);
            cr_assert(pages[i] >= 100 && pages[i] < 100 + load.page_count);
        }
        for (uint32_t i = 5000; i-- > 0;) {
            cr_assert(guest_touch_seek(&b, i));
            cr_assert_eq(guest_touch_next(&b), pages[i], "order %zu, touch %u", o, i);
        }
        free(pages);
        guest_touch_close(&a);
        guest_touch_close(&b);
    }
}

/* ---- zipf --------------------------------------------------------------------------------------------- */

static const uint64_t zipf_sizes[] = {1,       2,        3,          100,       8191,  8192,
                                      8193,    16383,    16384,      16385,     24576, 1000003,
                                      1 << 20, 40000000, 1ull << 32, 1ull << 40};

/* Weight of ranks [0, end) against the sum of 1 / (k + 1), in parts of 2^40. */
static void check_weights(uint64_t ranks)
{
    struct zipf zipf;
    zipf_init(&zipf, ranks);
    zipf_check(&zipf);
    cr_assert(zipf.count <= 4096 * 30);
    cr_assert_eq(zipf_rank(&zipf, 0), 0);
    cr_assert(zipf_rank(&zipf, UINT64_MAX) < ranks);
    cr_assert(zipf_rank(&zipf, UINT64_MAX) >= ranks - 1 - ranks / 4096);
    uint64_t before = 0;
    for (uint64_t i = 0; i < 4096; i++) {
        uint64_t rank = zipf_rank(&zipf, i << 52);
        cr_assert(rank >= before && rank < ranks, "ranks rise with the draw");
        before = rank;
    }
    zipf_close(&zipf);
}

/* The least draw that gives a rank of at least `rank`: by bisection. */
static uint64_t first_bits(const struct zipf *zipf, uint64_t rank)
{
    uint64_t low = 0, high = UINT64_MAX;
    while (low < high) {
        uint64_t middle = low + (high - low) / 2;
        if (zipf_rank(zipf, middle) >= rank) {
            high = middle;
        } else {
            low = middle + 1;
        }
    }
    return low;
}

Test(sources, zipf_has_harmonic_weights)
{
    for (size_t i = 0; i < sizeof zipf_sizes / sizeof zipf_sizes[0]; i++) {
        check_weights(zipf_sizes[i]);
    }
    /* Exactly: the share of draws below rank k is H(k) / H(ranks), to 1 part in a million. */
    static const uint64_t ranks = 100000;
    static const uint64_t ends[] = {1, 2, 10, 1000, 8192, 8194, 16384, 16400, 50000, 99999};
    struct zipf zipf;
    zipf_init(&zipf, ranks);
    for (size_t i = 0; i < sizeof ends / sizeof ends[0]; i++) {
        test_uint128 below = 0, all = 0;
        for (uint64_t k = 0; k < ranks; k++) {
            uint64_t weight = (UINT64_C(1) << 48) / (k + 1);
            below += k < ends[i] ? weight : 0;
            all += weight;
        }
        uint64_t expected = (uint64_t)((below << 63) / all) << 1;
        uint64_t bits = first_bits(&zipf, ends[i]);
        uint64_t off = bits > expected ? bits - expected : expected - bits;
        cr_assert(off < UINT64_MAX / 1000000, "rank %llu: off by %llu", (unsigned long long)ends[i],
                  (unsigned long long)off);
    }
    zipf_close(&zipf);
}

/* ---- replay ---------------------------------------------------------------------------------------------- */

/* A random trace, with intervals that have no writes. */
struct made_trace {
    struct page_trace trace;
    uint32_t starts[65], pages[64];
    struct page_trace_range ranges[64 * 4];
};

static void make_trace(struct made_trace *made, uint64_t *state, uint32_t intervals)
{
    uint32_t count = 0;
    made->trace = (struct page_trace){
        .name = "made",
        .ram_pages = 256,
        .interval_ns = (sim_time)(1000000 + fixture_below(state, 1000)),
        .intervals = intervals,
        .starts = made->starts,
        .pages = made->pages,
        .ranges = made->ranges,
    };
    for (uint32_t i = 0; i < intervals; i++) {
        uint32_t page = (uint32_t)fixture_below(state, 8);
        uint32_t ranges = (uint32_t)fixture_below(state, 5);
        made->starts[i] = count;
        made->pages[i] = 0;
        for (uint32_t r = 0; r < ranges; r++) {
            uint32_t length = 1 + (uint32_t)fixture_below(state, 40);
            made->ranges[count++] = (struct page_trace_range){page, length};
            made->pages[i] += length;
            page += length + 1 + (uint32_t)fixture_below(state, 8);
        }
    }
    made->starts[intervals] = count;
}

/* Rounded down, also below zero. */
static sim_time scaled(test_uint128 numerator, bool negative, uint64_t denominator)
{
    test_uint128 quotient = numerator / denominator;
    return negative ? -(sim_time)(quotient + (numerator % denominator != 0)) : (sim_time)quotient;
}

static sim_time begin_of(const struct guest_replay *replay, uint64_t interval)
{
    uint64_t at = interval * (uint64_t)replay->trace->interval_ns;
    uint64_t start = (uint64_t)replay->start_ns %
                     ((uint64_t)replay->trace->interval_ns * replay->trace->intervals);
    bool negative = at < start;
    uint64_t distance = negative ? start - at : at - start;
    return scaled((test_uint128)distance * 1000000000, negative, replay->speed_ppb);
}

static const struct {
    const char *name;
    uint64_t speed_ppb;
    uint64_t start_permille; /* of the trace; above 1000: rounds of it */
} replays[] = {
    {"as recorded", 1000000000, 0},
    {"from the middle", 1000000000, 500},
    {"from inside an interval", 1000000000, 137},
    {"beyond its end", 1000000000, 2718},
    {"three times as fast", 3000000000, 0},
    {"a prime as fast", 1000000007, 333},
    {"a tenth as fast", 100000000, 901},
    {"a thousand times as fast", 1000000000000, 77},
};

static void check_replay(const struct made_trace *made, size_t row)
{
    sim_time total = made->trace.interval_ns * (sim_time)made->trace.intervals;
    const struct guest_replay replay = {
        .trace = &made->trace,
        .speed_ppb = replays[row].speed_ppb,
        .start_ns = total / 1000 * (sim_time)replays[row].start_permille,
        .first_page = 1000,
    };
    struct guest_replay_cursor cursor, jumper;
    guest_replay_init(&cursor, &replay, 1256);
    guest_replay_init(&jumper, &replay, 1256);
    uint64_t first = (uint64_t)(replay.start_ns / made->trace.interval_ns) % made->trace.intervals;
    for (uint64_t i = first; i < first + 3 * made->trace.intervals; i++) {
        uint32_t index = (uint32_t)(i % made->trace.intervals);
        sim_time begin = begin_of(&replay, i), end = begin_of(&replay, i + 1);
        uint32_t page = 0;
        for (uint32_t r = made->starts[index]; r < made->starts[index + 1]; r++) {
            for (uint32_t o = 0; o < made->ranges[r].count; o++, page++) {
                sim_time due = begin + (sim_time)((test_uint128)page * (uint64_t)(end - begin) /
                                                  made->pages[index]);
                if (due < 0) {
                    continue;
                }
                cr_assert_eq(cursor.due, due, "%s: interval %llu, page %u", replays[row].name,
                             (unsigned long long)i, page);
                cr_assert_eq(cursor.interval, i);
                cr_assert_eq(cursor.page, page);
                cr_assert(guest_replay_seek(&jumper, i, page));
                cr_assert_eq(jumper.due, due, "%s: after a seek", replays[row].name);
                cr_assert_eq(jumper.part, cursor.part, "%s: after a seek", replays[row].name);
                cr_assert_eq(jumper.range, cursor.range, "%s: after a seek", replays[row].name);
                cr_assert_eq(jumper.offset, cursor.offset, "%s: after a seek", replays[row].name);
                cr_assert_eq(guest_replay_next(&cursor), 1000 + made->ranges[r].first + o);
            }
        }
        cr_assert(!guest_replay_seek(&jumper, i, made->pages[index]));
    }
}

Test(sources, replay_is_the_trace)
{
    uint64_t state = 11;
    struct made_trace *made = calloc(1, sizeof *made);
    cr_assert(made != NULL);
    for (size_t row = 0; row < sizeof replays / sizeof replays[0]; row++) {
        for (uint32_t round = 0; round < 5; round++) {
            make_trace(made, &state, 1 + (uint32_t)fixture_below(&state, 30));
            uint32_t writes = 0;
            for (uint32_t i = 0; i < made->trace.intervals; i++) {
                writes += made->pages[i];
            }
            if (writes > 0) {
                check_replay(made, row);
            }
        }
    }
    /* A trace without writes: never due. */
    make_trace(made, &state, 3);
    memset(made->starts, 0, sizeof made->starts);
    memset(made->pages, 0, sizeof made->pages);
    struct guest_replay_cursor cursor;
    const struct guest_replay replay = {.trace = &made->trace, .speed_ppb = 1000000000};
    guest_replay_init(&cursor, &replay, 256);
    cr_assert_eq(cursor.due, SIM_NEVER);
    cr_assert(!guest_replay_seek(&cursor, 0, 0));
    free(made);
}
