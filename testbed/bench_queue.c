/* testbed/bench_queue.c - the hold model through the kernel's own calls. */
#include "testbed/bench_queue.h"

#include "sim/assert.h"
#include "sim/kernel.h"

#include <stdlib.h>
#include <string.h>

#define BENCH_DELAYS        4096u
#define BENCH_DELAY_BITS    12u
#define BENCH_EXP_MEAN_NS   UINT64_C(1000000)
#define BENCH_UNIFORM_NS    UINT64_C(2000000)
#define BENCH_PACKET_NS     12000u
#define BENCH_TIMEOUT_NS    200000000u
#define BENCH_DISTURB_EVERY 4u
#define BENCH_LN2_Q32       UINT64_C(2977044472) /* ln 2 in 2^-32 */

__extension__ typedef unsigned __int128 bench_product;

enum bench_distribution { BENCH_EXP, BENCH_UNIFORM, BENCH_BIMODAL, BENCH_DISTRIBUTIONS };

static const char *const bench_names[BENCH_DISTRIBUTIONS] = {"exp", "uniform", "bimodal"};

struct bench;

/* What is pending: its context points here, so the order of the array is its identity. */
struct bench_pending {
    uint32_t event;
};

struct bench {
    struct sim *sim;
    struct bench_pending *pending;
    uint32_t pending_count;
    uint64_t random;
    uint64_t fired;
    uint64_t fired_max;
    uint64_t disturbed;
    uint64_t checksum;
    uint32_t origin;
    uint32_t delay_ns[BENCH_DELAYS];
};

/* One at a time: a context has room for one pointer, which says which event it is. */
static struct bench bench;

/* xorshift64 (Marsaglia: Xorshift RNGs, JSS 2003); cheap, so that what is measured is the queue. */
static inline uint64_t bench_random(void)
{
    bench.random ^= bench.random << 13;
    bench.random ^= bench.random >> 7;
    bench.random ^= bench.random << 17;
    return bench.random;
}

static inline sim_time bench_draw_time(void)
{
    return sim_now(bench.sim) + bench.delay_ns[bench_random() >> (64 - BENCH_DELAY_BITS)];
}

static void bench_fire(void *context);

/* An odd one is a call, an even one a permanent event. */
static inline bool bench_is_call(uint32_t id)
{
    return (id & 1) != 0;
}

static inline void bench_call(uint32_t id)
{
    struct bench_pending *pending = &bench.pending[id];
    pending->event = sim_call_at(bench.sim, bench.origin, bench_draw_time(), bench_fire, pending);
}

/* Re-arms one pending event, or cancels and replaces it, by turns. */
static void bench_disturb(void)
{
    uint32_t id = (uint32_t)((bench_product)bench_random() * bench.pending_count >> 64);
    uint32_t event = bench.pending[id].event;
    if (bench.disturbed++ % 2 == 0) {
        sim_event_arm(bench.sim, event, bench_draw_time());
        return;
    }
    sim_event_cancel(bench.sim, event);
    if (bench_is_call(id)) {
        bench_call(id);
    } else {
        sim_event_arm(bench.sim, event, bench_draw_time());
    }
}

static void bench_fire(void *context)
{
    uint32_t id = (uint32_t)((struct bench_pending *)context - bench.pending);
    bench.checksum = bench.checksum * 31 + ((uint64_t)sim_now(bench.sim) ^ id);
    bench.fired++;
    if (bench_is_call(id)) {
        bench_call(id);
    } else {
        sim_event_arm(bench.sim, bench.pending[id].event, bench_draw_time());
    }
    if (bench.fired % BENCH_DISTURB_EVERY == 0) {
        bench_disturb();
    }
    if (bench.fired == bench.fired_max) {
        sim_stop(bench.sim);
    }
}

/* -ln(x) for 0 < x <= 1, both in 2^-32: 32 binary digits of the logarithm, each by squaring. */
static uint64_t bench_minus_ln(uint64_t x)
{
    uint64_t log2 = 0;
    SIM_ASSERT(x > 0);
    while (x < UINT64_C(1) << 32) {
        x <<= 1;
        log2 += UINT64_C(1) << 32;
    }
    for (uint64_t digit = UINT64_C(1) << 31; digit > 0; digit >>= 1) {
        x = (uint64_t)((bench_product)x * x >> 32);
        if (x >= UINT64_C(1) << 33) {
            x >>= 1;
            log2 -= digit;
        }
    }
    return (uint64_t)((bench_product)log2 * BENCH_LN2_Q32 >> 32);
}

/* The inverse of the distribution at the middle of each of 4,096 parts. */
static uint32_t bench_delay(enum bench_distribution distribution, uint32_t part)
{
    uint64_t middle_q32 = (2 * (uint64_t)part + 1) << (31 - BENCH_DELAY_BITS);
    switch (distribution) {
    case BENCH_EXP:
        return 1 + (uint32_t)(bench_minus_ln(middle_q32) * BENCH_EXP_MEAN_NS >> 32);
    case BENCH_UNIFORM:
        return 1 + (uint32_t)(middle_q32 * BENCH_UNIFORM_NS >> 32);
    default:
        return part % 10 != 0 ? BENCH_PACKET_NS + part % 7 : BENCH_TIMEOUT_NS + part;
    }
}

static enum bench_distribution bench_find(const char *name)
{
    uint32_t found = 0;
    while (found < BENCH_DISTRIBUTIONS && strcmp(name, bench_names[found]) != 0) {
        found++;
    }
    return (enum bench_distribution)found;
}

bool bench_queue_known(const char *distribution)
{
    return bench_find(distribution) != BENCH_DISTRIBUTIONS;
}

struct bench_queue_result bench_queue_run(const char *distribution, uint32_t pending,
                                          uint64_t events)
{
    enum bench_distribution kind = bench_find(distribution);
    SIM_ASSERT(kind != BENCH_DISTRIBUTIONS);
    SIM_ASSERT(pending > 0);
    SIM_ASSERT(bench.sim == NULL);
    bench = (struct bench){
        .random = UINT64_C(88172645463325252), .pending_count = pending, .fired_max = events};
    for (uint32_t part = 0; part < BENCH_DELAYS; part++) {
        bench.delay_ns[part] = bench_delay(kind, part);
    }
    bench.pending = calloc(pending, sizeof(*bench.pending));
    SIM_ASSERT(bench.pending != NULL);
    bench.sim = sim_new(&(struct sim_options){.seed = 1});
    bench.origin = sim_origin_add(bench.sim, "bench");
    sim_origins_seal(bench.sim);
    for (uint32_t id = 0; id < pending; id++) {
        if (bench_is_call(id)) {
            bench_call(id);
        } else {
            struct bench_pending *context = &bench.pending[id];
            context->event = sim_event_new(bench.sim, bench.origin, bench_fire, context);
            sim_event_arm(bench.sim, context->event, bench_draw_time());
        }
    }
    enum sim_stop why = events > 0 ? sim_run(bench.sim, SIM_NEVER) : SIM_STOP_ASKED;
    SIM_ASSERT(why == SIM_STOP_ASKED);
    SIM_ASSERT(sim_events_queued(bench.sim) == pending);
    struct bench_queue_result result = {
        .events = bench.fired, .checksum = bench.checksum, .simulated_ns = sim_now(bench.sim)};
    sim_close(bench.sim);
    free(bench.pending);
    bench = (struct bench){0};
    return result;
}
