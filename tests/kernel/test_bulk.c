/* tests/kernel/test_bulk.c - many events at once, against one sort; and the benchmark's own checksums. */
#include <criterion/criterion.h>

#include "sim/chance.h"
#include "sim/kernel.h"
#include "testbed/bench_queue.h"

#include <malloc.h>
#include <stdlib.h>

#define BULK_EVENTS  12000u
#define BULK_ORIGINS 64u

/* Armed at time 0 for instants in [first, first + span), in `slices` calls of sim_run. */
struct bulk {
    const char *name;
    uint64_t first;
    uint64_t span;
    uint32_t slices;
    bool churn; /* re-arm and cancel before the run */
};
static const struct bulk bulks[] = {
    {"one instant", 1000, 1, 1, false},
    {"one instant, churned", 1000, 1, 1, true},
    {"few instants", 1, 7, 3, true},
    {"dense", 1, 500, 50, true},
    {"a packet's time", 1, 12000, 20, true},
    {"a millisecond", 1, 1000000, 100, true},
    {"a second", 1, 1000000000, 7, true},
    {"a year", 1, UINT64_C(31536000000000000), 30, true},
    {"all of time", 1, (uint64_t)SIM_NEVER - 1, 5, true},
    {"the end of time", (uint64_t)SIM_NEVER - 100000, 99999, 4, true},
    {"one instant in a far slot", (UINT64_C(1) << 40) + 12345, 1, 1, true},
};

struct item {
    sim_time time;
    uint32_t rank;
    uint64_t sequence;
    uint32_t id;
    uint32_t event;
};
struct run {
    uint32_t *ran;
    uint32_t count;
};
struct context {
    struct run *run;
    uint32_t id;
};

static void on_bulk(void *context)
{
    struct context *mine = context;
    mine->run->ran[mine->run->count++] = mine->id;
}

static int by_key(const void *a, const void *b)
{
    const struct item *first = a;
    const struct item *second = b;
    if (first->time != second->time) {
        return first->time < second->time ? -1 : 1;
    }
    if (first->rank != second->rank) {
        return first->rank < second->rank ? -1 : 1;
    }
    return first->sequence < second->sequence ? -1 : first->sequence > second->sequence;
}

static void run_slices(struct sim *sim, const struct bulk *bulk)
{
    for (uint32_t i = 1; i < bulk->slices; i++) {
        sim_time until = (sim_time)(bulk->first + bulk->span / bulk->slices * i);
        enum sim_stop why = sim_run(sim, until);
        cr_assert(why == SIM_STOP_UNTIL ? sim_now(sim) == until : why == SIM_STOP_IDLE, "%s",
                  bulk->name);
        sim_check(sim);
    }
    cr_assert_eq(sim_run(sim, SIM_NEVER), SIM_STOP_IDLE, "%s", bulk->name);
    sim_check(sim);
}

static void play(const struct bulk *bulk, struct item *items, struct context *contexts,
                 uint32_t *ran)
{
    struct chance chance = chance_key(1, "bulk", bulk->name);
    struct run run = {.ran = ran};
    struct sim *sim = sim_new(&(struct sim_options){.seed = 1});
    for (uint32_t i = 0; i < BULK_ORIGINS; i++) {
        sim_origin_add(sim, (char[]){(char)('0' + i), 0});
    }
    sim_origins_seal(sim);
    uint64_t draws = 0;
    uint64_t sequence = 0;
    for (uint32_t i = 0; i < BULK_EVENTS; i++) {
        uint32_t origin = (uint32_t)chance_below(chance, draws++, BULK_ORIGINS);
        contexts[i] = (struct context){.run = &run, .id = i};
        items[i] = (struct item){.rank = origin, .id = i};
        items[i].event = sim_event_new(sim, origin, on_bulk, &contexts[i]);
    }
    for (uint32_t round = 0; round < (bulk->churn ? 3u : 1u); round++) {
        for (uint32_t i = 0; i < BULK_EVENTS; i++) {
            if (round > 0 && chance_below(chance, draws++, 3) == 0) {
                sim_event_cancel(sim, items[i].event);
                items[i].time = SIM_NEVER;
            } else {
                uint64_t offset = chance_below(chance, draws++, bulk->span);
                items[i].time = (sim_time)(bulk->first + offset);
                items[i].sequence = sequence++;
                sim_event_arm(sim, items[i].event, items[i].time);
            }
        }
        sim_check(sim);
    }
    run_slices(sim, bulk);
    qsort(items, BULK_EVENTS, sizeof(*items), by_key);
    uint32_t expected = 0;
    while (expected < BULK_EVENTS && items[expected].time != SIM_NEVER) {
        cr_assert_lt(expected, run.count, "%s: %u ran", bulk->name, run.count);
        cr_assert_eq(ran[expected], items[expected].id, "%s: place %u", bulk->name, expected);
        expected++;
    }
    cr_assert_eq(run.count, expected, "%s", bulk->name);
    cr_assert_eq(sim_events_run(sim), expected, "%s", bulk->name);
    sim_close(sim);
}

Test(bulk, equals_one_sort)
{
    struct item *items = calloc(BULK_EVENTS, sizeof(*items));
    struct context *contexts = calloc(BULK_EVENTS, sizeof(*contexts));
    uint32_t *ran = calloc(BULK_EVENTS, sizeof(*ran));
    for (size_t row = 0; row < sizeof(bulks) / sizeof(bulks[0]); row++) {
        play(&bulks[row], items, contexts, ran);
    }
    free(items);
    free(contexts);
    free(ran);
}

/* Each arming for an earlier instant leaves an entry behind, each second cancelled call one as well: they must not gather. (Sanitizers'
 * own allocators report no bytes, so there only the order is shown.) */
Test(bulk, entries_do_not_gather)
{
    struct run run = {.ran = (uint32_t[4]){0}};
    struct context contexts[2] = {{.run = &run, .id = 1}, {.run = &run, .id = 2}};
    struct sim *sim = sim_new(&(struct sim_options){.seed = 1});
    sim_origin_add(sim, "a");
    sim_origins_seal(sim);
    uint32_t event = sim_event_new(sim, 0, on_bulk, &contexts[0]);
    sim_event_arm(sim, event, SIM_S);
    struct mallinfo2 before = mallinfo2();
    for (sim_time i = 1; i <= 200000; i++) {
        sim_event_arm(sim, event, SIM_S - i);
        sim_event_cancel(sim, sim_call_at(sim, 0, SIM_S - i, on_bulk, &contexts[1]));
    }
    struct mallinfo2 after = mallinfo2();
    cr_expect_lt(after.uordblks + after.hblkhd, before.uordblks + before.hblkhd + (1u << 20));
    sim_check(sim);
    sim_event_arm(sim, event, SIM_S + 5);
    sim_call_at(sim, 0, SIM_S, on_bulk, &contexts[1]);
    sim_run(sim, SIM_NEVER);
    cr_expect_eq(run.count, 2);
    cr_expect_eq(run.ran[0], 2);
    cr_expect_eq(run.ran[1], 1);
    sim_close(sim);
}

/* The order of the hold model is that of the kernel, whatever the queue under it is: these stay when the queue changes. */
struct hold {
    const char *distribution;
    uint32_t pending;
    uint64_t events;
    uint64_t checksum;
    sim_time simulated_ns;
};
static const struct hold holds[] = {
    {"exp", 1000, 50000, UINT64_C(0xd45bd22194c14e6d), 49815632},
    {"exp", 20000, 50000, UINT64_C(0xb84b14843ad11225), 2493618},
    {"uniform", 10, 50000, UINT64_C(0x901a5f8ee9a56d7e), 5368028771},
    {"bimodal", 100, 50000, UINT64_C(0x5339ee5cefdce27e), 12999197},
    {"bimodal", 20000, 50000, UINT64_C(0x5f27c306e2fdf4a0), 48010},
};

Test(bulk, hold_model_is_frozen)
{
    for (size_t row = 0; row < sizeof(holds) / sizeof(holds[0]); row++) {
        const struct hold *hold = &holds[row];
        struct bench_queue_result result =
            bench_queue_run(hold->distribution, hold->pending, hold->events);
        cr_expect_geq(result.events, hold->events, "%s, %u", hold->distribution, hold->pending);
        cr_expect_eq(result.checksum, hold->checksum, "%s, %u: 0x%016lx", hold->distribution,
                     hold->pending, (unsigned long)result.checksum);
        cr_expect_eq(result.simulated_ns, hold->simulated_ns, "%s, %u: %ld", hold->distribution,
                     hold->pending, (long)result.simulated_ns);
    }
    cr_expect(bench_queue_known("uniform"));
    cr_expect_not(bench_queue_known("normal"));
}
