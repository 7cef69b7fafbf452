/* UDP: sizes, ports, broadcast, and a receiver that stands still. */
#include "ip_world.h"

#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

#define SLICES_MAX 40u

struct received {
    struct world *world;
    uint32_t count;
    uint32_t bytes;
    uint64_t sum; /* of the payload, by position */
    uint16_t source_port;
    struct ip4 source;
};

static uint64_t sum_payload(const uint8_t *bytes, uint32_t length)
{
    uint64_t sum = length;
    for (uint32_t i = 0; i < length; i++) {
        sum = sum * UINT64_C(1099511628211) + bytes[i];
    }
    return sum;
}

static void udp_received(void *context, const struct udp_datagram *datagram)
{
    struct received *received = context;
    uint8_t *bytes = malloc(UDP_PAYLOAD_MAX);
    cr_assert(bytes != NULL);
    received->bytes = (uint32_t)datagram->payload->bytes;
    rope_copy_out(datagram->payload, received->world->pages, 0, datagram->payload->bytes, bytes);
    received->sum = sum_payload(bytes, received->bytes);
    received->source = datagram->source;
    received->source_port = datagram->source_port;
    received->count++;
    free(bytes);
}

/* `total` bytes in slices of `piece`, half patterns at odd offsets, half literals; returns how many. */
static uint32_t make_slices(struct world *world, uint32_t total, uint32_t piece,
                            struct slice *slices, uint64_t *sum)
{
    uint8_t *bytes = malloc(total + PAGE_BYTES);
    cr_assert(bytes != NULL);
    uint32_t count = 0;
    for (uint32_t at = 0; at < total; at += piece) {
        uint32_t length = total - at < piece ? total - at : piece;
        cr_assert(count < SLICES_MAX);
        struct slice slice = {page_pattern(PAGE_COMPRESSIBLE, at + 1), PAGE_BYTES - length, length};
        if (count % 2 == 1) {
            uint8_t text[PAGE_BYTES];
            memset(text, (int)(at % 251), sizeof text);
            slice = (struct slice){page_literal(world->pages, text, length), 0, length};
        }
        page_copy_out(world->pages, slice.page, slice.offset, length, bytes + at);
        slices[count++] = slice;
    }
    *sum = sum_payload(bytes, total);
    free(bytes);
    return count;
}

static const struct udp_case {
    const char *name;
    uint32_t mtu, bytes, piece;
    uint16_t port; /* 53 is bound */
    bool broadcast;
    enum ip_error error;
    uint32_t received, frames;
    const char *lost;
} udp_cases[] = {
    {"empty", 1500, 0, 1, 53, false, IP_OK, 1, 1, NULL},
    {"small", 1500, 100, 100, 53, false, IP_OK, 1, 1, NULL},
    {"many small slices", 1500, 1400, 37, 53, false, IP_OK, 1, 1, NULL},
    {"just fits", 1500, 1472, 4096, 53, false, IP_OK, 1, 1, NULL},
    {"two fragments", 1500, 1473, 4096, 53, false, IP_OK, 1, 2, NULL},
    {"a page", 1500, 4096, 4096, 53, false, IP_OK, 1, 3, NULL},
    {"odd slices", 1500, 30001, 999, 53, false, IP_OK, 1, 21, NULL},
    {"the largest", 9000, UDP_PAYLOAD_MAX, 4096, 53, false, IP_OK, 1, 8, NULL},
    {"too large", 9000, UDP_PAYLOAD_MAX + 1, 4096, 53, false, IP_TOO_LARGE, 0, 0, NULL},
    {"nobody listens", 1500, 100, 100, 54, false, IP_OK, 0, 1, "port"},
    {"nobody listens, fragments", 1500, 3000, 1000, 54, false, IP_OK, 0, 3, "port"},
    {"to all", 1500, 100, 100, 53, true, IP_OK, 1, 1, NULL},
    {"to all, nobody listens", 1500, 100, 100, 54, true, IP_OK, 0, 1, "port"},
};

static void datagrams_arrive_whole(void)
{
    for (uint32_t i = 0; i < sizeof udp_cases / sizeof udp_cases[0]; i++) {
        const struct udp_case *row = &udp_cases[i];
        struct world *world =
            world_new(&(struct world_options){.hosts = 2, .cable = true, .mtu = row->mtu});
        struct received received = {.world = world};
        cr_assert_eq(udp_bind(world->host[1].stack, 53, udp_received, &received), IP_OK);
        cr_assert_eq(udp_bind(world->host[1].stack, 53, udp_received, &received), IP_PORT_IN_USE);
        cr_assert_eq(icmp_ping(world->host[0].stack, world_address(1), 1, 1, 0), IP_OK);
        world_run(world, SIM_MS);
        uint32_t frames = world->host[0].sent.ipv4;

        struct slice slices[SLICES_MAX];
        uint64_t sum;
        uint32_t count = make_slices(world, row->bytes, row->piece, slices, &sum);
        struct ip4 to = row->broadcast ? (struct ip4){0x0a0000ff} : world_address(1);
        cr_assert_eq(udp_send(world->host[0].stack, 1234, to, row->port, slices, count), row->error,
                     "%s", row->name);
        for (uint32_t k = 0; k < count; k++) {
            page_unref(world->pages, slices[k].page);
        }
        world_run(world, 10 * SIM_MS);
        cr_assert_eq(world->host[0].sent.ipv4 - frames, row->frames, "%s", row->name);
        cr_assert_eq(received.count, row->received, "%s", row->name);
        if (row->received > 0) {
            cr_assert_eq(received.bytes, row->bytes, "%s", row->name);
            cr_assert_eq(received.sum, sum, "%s", row->name);
            cr_assert_eq(received.source.v, world_address(0).v, "%s", row->name);
            cr_assert_eq(received.source_port, 1234, "%s", row->name);
        }
        uint32_t lost = row->lost == NULL ? 0 : row->frames;
        cr_assert_eq(world_count(world, NET_FRAME_LOST, NULL), lost, "%s", row->name);
        cr_assert_eq(world_count(world, NET_FRAME_LOST, row->lost), lost, "%s", row->name);
        udp_unbind(world->host[1].stack, 53);
        world_free(world);
    }
}

/* Host 1 freezes while a datagram comes every 100 us, for 20 ms; at the thaw it gets what the ring kept, in order. */
struct stream {
    struct world *world;
    uint32_t sent, received;
    uint32_t numbers[512];
};

static void stream_sends(void *context)
{
    struct stream *stream = context;
    struct world *world = stream->world;
    uint8_t number[4] = {0, 0, (uint8_t)(stream->sent >> 8), (uint8_t)stream->sent};
    struct slice slice = {page_literal(world->pages, number, 4), 0, 4};
    cr_assert_eq(udp_send(world->host[0].stack, 1, world_address(1), 53, &slice, 1), IP_OK);
    page_unref(world->pages, slice.page);
    if (++stream->sent < 300) {
        world_at(world, sim_now(world->sim) + 100 * SIM_US, stream_sends, stream);
    }
}

static void stream_receives(void *context, const struct udp_datagram *datagram)
{
    struct stream *stream = context;
    uint8_t number[4];
    rope_copy_out(datagram->payload, stream->world->pages, 0, 4, number);
    stream->numbers[stream->received++] = (uint32_t)number[2] << 8 | number[3];
}

static void freeze(void *context)
{
    machine_freeze(context);
}

static void thaw(void *context)
{
    machine_thaw(context);
}

static void ring_overflows_on_freeze(void)
{
    struct world *world = world_new(
        &(struct world_options){.hosts = 2, .cable = true, .mtu = 1500, .ring_frames = 64});
    struct stream stream = {.world = world};
    cr_assert_eq(udp_bind(world->host[1].stack, 53, stream_receives, &stream), IP_OK);
    world_at(world, 0, stream_sends, &stream);
    world_at(world, 5 * SIM_MS + 50 * SIM_US, freeze, world->host[1].machine);
    world_at(world, 25 * SIM_MS + 50 * SIM_US, thaw, world->host[1].machine);
    world_run(world, 50 * SIM_MS);
    /* 200 came in those 20 ms, 64 were kept. */
    cr_assert_eq(stream.sent, 300);
    cr_assert_eq(stream.received, 300 - 200 + 64);
    cr_assert_eq(world_count(world, NET_FRAME_LOST, "ring"), 136);
    cr_assert_eq(nic_ring_drops(world->host[1].nic), 136);
    for (uint32_t i = 1; i < stream.received; i++) {
        cr_assert_gt(stream.numbers[i], stream.numbers[i - 1]);
    }
    world_free(world);
}

/* What is sent to oneself arrives too, later; a machine that does not run sends nothing. */
static void loopback_and_down(void)
{
    struct world *world =
        world_new(&(struct world_options){.hosts = 2, .cable = true, .mtu = 1500});
    struct received received = {.world = world};
    cr_assert_eq(udp_bind(world->host[0].stack, 53, udp_received, &received), IP_OK);
    struct slice slice = {page_zero(), 0, 3000};
    cr_assert_eq(udp_send(world->host[0].stack, 1, world_address(0), 53, &slice, 1), IP_OK);
    cr_assert_eq(received.count, 0);
    world_run(world, SIM_MS);
    cr_assert_eq(received.count, 1);
    cr_assert_eq(received.bytes, 3000);
    cr_assert_eq(udp_send(world->host[0].stack, 1, (struct ip4){0x0b000001}, 53, &slice, 1),
                 IP_NO_ROUTE);
    machine_freeze(world->host[0].machine);
    cr_assert_eq(udp_send(world->host[0].stack, 1, world_address(1), 53, &slice, 1), IP_DOWN);
    machine_thaw(world->host[0].machine);
    /* Neither pending frames nor fragments survive a crash. */
    cr_assert_eq(udp_send(world->host[0].stack, 1, world_address(1), 53, &slice, 1), IP_OK);
    machine_crash(world->host[0].machine);
    cr_assert_eq(world_count(world, NET_FRAME_LOST, "crash"), 4); /* three fragments and the ARP */
    world_run(world, 2 * SIM_MS);
    world_free(world);
}

Test(udp, datagrams)
{
    datagrams_arrive_whole();
    loopback_and_down();
}

Test(udp, ring_overflow)
{
    ring_overflows_on_freeze();
}
