/* Goodput over 1 Gbit/s with a drop-tail queue of 1.25 MB, against what Linux reaches there, and the time of a long transfer. */
#include "tcp_world.h"

#include <criterion/criterion.h>

struct bulk {
    struct world *world;
    struct tcp_connection *connection;
    uint64_t bytes;
    uint64_t sent, received;
    sim_time done;
};

static void push(struct bulk *bulk, struct tcp_connection *connection)
{
    while (bulk->sent < bulk->bytes && tcp_send_space(connection) >= PAGE_BYTES) {
        struct page page = page_pattern(PAGE_RANDOM, 1 + bulk->sent / PAGE_BYTES);
        uint64_t left = bulk->bytes - bulk->sent;
        uint32_t length = left < PAGE_BYTES ? (uint32_t)left : PAGE_BYTES;
        tcp_send(connection, (struct slice){page, 0, length});
        bulk->sent += length;
    }
}

static void bulk_push(void *context, struct tcp_connection *connection)
{
    push(context, connection);
}

static void bulk_read(void *context, struct tcp_connection *connection)
{
    struct bulk *bulk = context;
    while (tcp_readable(connection) > 0) {
        bulk->received += tcp_take(connection, UINT32_MAX).length;
    }
    if (bulk->received == bulk->bytes && bulk->done == 0) {
        bulk->done = sim_now(bulk->world->sim);
    }
}

static const struct tcp_user sender = {.connected = bulk_push, .writable = bulk_push};
static const struct tcp_user receiver = {.readable = bulk_read};

static struct tcp_accept_result bulk_accept(void *context, struct tcp_connection *connection)
{
    (void)connection;
    return (struct tcp_accept_result){&receiver, context};
}

static void bulk_start(struct bulk *bulk, struct world *world, uint16_t port, uint64_t bytes,
                       int congestion)
{
    *bulk = (struct bulk){.world = world, .bytes = bytes};
    world->options.congestion = congestion;
    cr_assert_eq(tcp_listen(world->tcp[1], port, 1, &world->options, bulk_accept, bulk), IP_OK);
    cr_assert_eq(tcp_connect(world->tcp[0], world_address(1), port, &world->options, &sender, bulk,
                             &bulk->connection),
                 IP_OK);
}

struct goodput {
    const char *name;
    enum tcp_congestion congestion;
    sim_time delay_ns;
    uint64_t loss_per_billion;
    uint64_t runs; /* of as many seeds; their mean counts */
    sim_time run_ns;
    uint64_t least_kbps, most_kbps;
};

static const struct goodput goodputs[] = {
    {"Reno, 10 ms", TCP_RENO, 5 * SIM_MS, 0, 1, 4 * SIM_S, 850000, 949000},
    {"Reno, 10 ms, 0.1 %", TCP_RENO, 5 * SIM_MS, 1000000, 3, 60 * SIM_S, 40000, 56000},
    {"Reno, 10 ms, 1 %", TCP_RENO, 5 * SIM_MS, 10000000, 6, 60 * SIM_S, 13000, 15000},
    {"CUBIC, 10 ms", TCP_CUBIC, 5 * SIM_MS, 0, 1, 4 * SIM_S, 733000, 949000},
    {"CUBIC, 10 ms, 0.1 %", TCP_CUBIC, 5 * SIM_MS, 1000000, 3, 60 * SIM_S, 46000, 63000},
    {"CUBIC, 10 ms, 1 %", TCP_CUBIC, 5 * SIM_MS, 10000000, 6, 60 * SIM_S, 12000, 14000},
    {"Reno, LAN", TCP_RENO, 50 * SIM_US, 0, 1, 2 * SIM_S, 900000, 949000},
    {"CUBIC, LAN", TCP_CUBIC, 50 * SIM_US, 0, 1, 2 * SIM_S, 900000, 949000},
};

static uint64_t goodput_kbps(const struct goodput *g, uint64_t seed)
{
    struct world *world = world_new(
        &(struct world_options){.seed = seed, .delay_ns = g->delay_ns, .queue_bytes = 1250000});
    link_begin_fault(world->link[0], &(struct link_fault_setting){.kind = LINK_LOSS,
                                                                  .values = {g->loss_per_billion}});
    struct bulk bulk;
    bulk_start(&bulk, world, 80, UINT64_MAX, (int)g->congestion);
    world_run(world, g->run_ns);
    /* Chance may take a retransmission and what follows it. */
    cr_assert_leq(world->timeouts, g->loss_per_billion > 0, "%s: %lu time-outs", g->name,
                  (unsigned long)world->timeouts);
    world_free(world);
    return bulk.received * 8 * 1000 / (uint64_t)(g->run_ns / SIM_US);
}

Test(congestion, goodput_as_linux)
{
    for (size_t i = 0; i < sizeof goodputs / sizeof goodputs[0]; i++) {
        const struct goodput *g = &goodputs[i];
        uint64_t kbps = 0;
        for (uint64_t seed = 1; seed <= g->runs; seed++) {
            kbps += goodput_kbps(g, seed) / g->runs;
        }
        cr_log_info("%s: %lu kbit/s", g->name, (unsigned long)kbps);
        cr_assert(kbps >= g->least_kbps && kbps <= g->most_kbps, "%s: %lu kbit/s", g->name,
                  (unsigned long)kbps);
    }
}

/* What is doubled, late or overtaken is not lost, and TCP should see the difference as long as it can: with SACK a duplicate segment says
 * nothing new (RFC 6675, 2, "DupAcks"), and fewer than three segments that overtake one are no loss (RFC 5681, 3.2; RFC 6675, 3). From
 * the third on it sends again in vain, and halves its window; no time-out, and every byte once. */
static const struct rough {
    const char *name;
    struct link_fault_setting there, back; /* of data, of ACKs; without a share: none */
    uint64_t least_recoveries, most_recoveries;
} roughs[] = {
    {"all data twice", {LINK_DUPLICATE, 0, {1000000000}, NULL, NULL}, {0}, 0, 0},
    {"all ACKs twice", {0}, {LINK_DUPLICATE, 0, {1000000000}, NULL, NULL}, 0, 0},
    {"overtaken by two", {LINK_REORDER, 0, {10000000, 25000}, NULL, NULL}, {0}, 0, 0},
    {"overtaken by eight", {LINK_REORDER, 0, {1000000, 100000}, NULL, NULL}, {0}, 10, 60},
    {"ACKs overtaken", {0}, {LINK_REORDER, 0, {100000000, 100000}, NULL, NULL}, 0, 0},
    {"jitter, in order", {LINK_JITTER, 0, {500000}, NULL, NULL}, {0}, 0, 0},
    {"jitter of ACKs", {0}, {LINK_JITTER, 0, {500000, LINK_JITTER_NORMAL}, NULL, NULL}, 0, 0},
};

Test(congestion, what_is_late_is_not_lost)
{
    const uint64_t bytes = UINT64_C(64) << 20;
    for (size_t i = 0; i < sizeof roughs / sizeof roughs[0]; i++) {
        const struct rough *row = &roughs[i];
        struct world *world =
            world_new(&(struct world_options){.seed = 1, .delay_ns = 50 * SIM_US});
        if (row->there.values[0] > 0) {
            link_begin_fault(world->link[0], &row->there);
        }
        if (row->back.values[0] > 0) {
            link_begin_fault(world->link[1], &row->back);
        }
        struct bulk bulk;
        bulk_start(&bulk, world, 80, bytes, TCP_CUBIC);
        world_run(world, 4 * SIM_S);
        cr_log_info("%s: %lu recoveries, done at %ld us", row->name,
                    (unsigned long)world->recoveries, (long)(bulk.done / SIM_US));
        cr_expect_eq(bulk.received, bytes, "%s", row->name);
        cr_expect_eq(world->timeouts, 0, "%s: %lu time-outs", row->name,
                     (unsigned long)world->timeouts);
        cr_expect(world->recoveries >= row->least_recoveries &&
                      world->recoveries <= row->most_recoveries,
                  "%s: %lu recoveries", row->name, (unsigned long)world->recoveries);
        world_free(world);
    }
}

/* 1,538 bytes on the wire for each 1,448 of payload, and the link is never idle. */
Test(congestion, a_clean_cable_is_filled)
{
    static const struct {
        enum tcp_congestion congestion;
        sim_time delay_ns;
    } cables[] = {{TCP_CUBIC, 5 * SIM_US}, {TCP_RENO, 50 * SIM_US}};
    const uint64_t bytes = UINT64_C(64) << 20;
    for (size_t i = 0; i < sizeof cables / sizeof cables[0]; i++) {
        struct world *world =
            world_new(&(struct world_options){.seed = 1, .delay_ns = cables[i].delay_ns});
        struct bulk bulk;
        bulk_start(&bulk, world, 80, bytes, (int)cables[i].congestion);
        world_run(world, 2 * SIM_S);
        cr_assert_eq(bulk.received, bytes);
        sim_time wire_ns = (sim_time)((bytes + 1447) / 1448 * 1538 * 8);
        cr_assert_geq(bulk.done, wire_ns);
        cr_assert_leq(bulk.done, wire_ns + wire_ns / 1000, "%ld ns, %ld on the wire",
                      (long)bulk.done, (long)wire_ns);
        struct link_statistics acks = link_statistics(world->link[1]);
        uint64_t segments = (bytes + 1447) / 1448;
        cr_assert_lt(acks.frames_sent, segments / 2 + 100, "delayed ACKs: %lu",
                     (unsigned long)acks.frames_sent);
        cr_assert_eq(world->timeouts + world->recoveries, 0);
        world_free(world);
    }
}

/* T6: two senders of one machine fill their wire and do not overrun its queue, and neither starves the other. */
Test(congestion, a_machine_does_not_drop_in_its_own_nic)
{
    const uint64_t bytes = UINT64_C(16) << 20;
    struct world *world =
        world_new(&(struct world_options){.seed = 1, .queue_bytes = 200000, .wire_known = true});
    struct bulk bulk[2];
    for (uint32_t i = 0; i < 2; i++) {
        bulk_start(&bulk[i], world, (uint16_t)(80 + i), bytes, TCP_CUBIC);
    }
    world_run(world, SIM_S);
    sim_time wire_ns = (sim_time)((2 * bytes + 1447) / 1448 * 1538 * 8);
    for (uint32_t i = 0; i < 2; i++) {
        cr_assert_eq(bulk[i].received, bytes);
        cr_assert_leq(bulk[i].done, wire_ns + wire_ns / 100);
        cr_assert_geq(bulk[i].done, wire_ns / 2);
    }
    struct link_statistics statistics = link_statistics(world->link[0]);
    cr_assert_eq(statistics.frames_lost, 0);
    cr_assert_leq(statistics.queue_bytes_peak, 125000 + 20 * 1514);
    cr_assert_eq(world->timeouts + world->recoveries, 0);
    world_free(world);
}
