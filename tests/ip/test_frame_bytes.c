/* Frames as bytes and back (B1), and that no bit of them is for nothing. */
#include "ip_world.h"
#include "nic/frame_bytes.h"
#include "sim/chance.h"

#include <criterion/criterion.h>
#include <string.h>

struct maker {
    struct world *world;
    struct chance chance;
    uint64_t draws;
};

static uint64_t draw(struct maker *maker, uint64_t bound)
{
    return chance_below(maker->chance, maker->draws++, bound);
}

static uint32_t draw32(struct maker *maker)
{
    return (uint32_t)draw(maker, UINT64_C(1) << 32);
}

static uint16_t draw16(struct maker *maker)
{
    return (uint16_t)draw(maker, 65536);
}

static void make_tcp(struct maker *maker, struct tcp_header *tcp)
{
    *tcp = (struct tcp_header){
        .source_port = draw16(maker),
        .destination_port = draw16(maker),
        .sequence = draw32(maker),
        .acknowledgment = draw32(maker),
        .window = draw16(maker),
        .flags = (uint8_t)draw(maker, 64),
        .window_scale = draw(maker, 4) == 0 ? (uint8_t)draw(maker, 15) : 0xff,
        .mss = draw(maker, 4) == 0 ? 1460 : 0,
        .sack_permitted = draw(maker, 4) == 0,
        .timestamps = draw(maker, 2) == 0,
    };
    if (tcp->timestamps) {
        tcp->ts_value = draw32(maker);
        tcp->ts_echo = draw32(maker);
    }
    uint32_t left = 60u - frame_tcp_header_bytes(tcp);
    if (left >= 12 && draw(maker, 2) == 0) {
        tcp->sack_count = (uint8_t)(1 + draw(maker, (left - 4) / 8));
        for (uint32_t i = 0; i < tcp->sack_count; i++) {
            tcp->sack[i] = (struct tcp_sack_block){draw32(maker), draw32(maker)};
        }
    }
    tcp->header_bytes = frame_tcp_header_bytes(tcp);
}

static void make_payload(struct maker *maker, struct frame *frame, uint32_t length)
{
    struct net *net = &maker->world->net;
    for (uint32_t at = 0; at < length; at += PAGE_BYTES) {
        uint8_t bytes[PAGE_BYTES];
        uint32_t piece = length - at < PAGE_BYTES ? length - at : PAGE_BYTES;
        for (uint32_t i = 0; i < piece; i++) {
            bytes[i] = (uint8_t)draw(maker, 256);
        }
        struct page page = page_literal(net->pages, bytes, piece);
        frame_push(net->frames, frame, (struct slice){page, 0, piece});
    }
}

/* A frame of every kind that a stack may send, sealed. */
static struct frame *make_frame(struct maker *maker, uint32_t length)
{
    struct net *net = &maker->world->net;
    struct frame *frame = frame_new(net->frames);
    frame->destination = (struct mac){draw(maker, UINT64_C(1) << 48)};
    frame->source = (struct mac){draw(maker, UINT64_C(1) << 48)};
    frame->ether_type = ETHER_IPV4;
    uint64_t kind = draw(maker, 5);
    if (kind == 0) {
        frame->ether_type = ETHER_ARP;
        frame->protocol = 0;
        frame->arp = (struct arp_header){.operation = (uint16_t)(1 + draw(maker, 2)),
                                         .sender_mac = {draw(maker, UINT64_C(1) << 48)},
                                         .target_mac = {draw(maker, UINT64_C(1) << 48)},
                                         .sender_ip = {draw32(maker)},
                                         .target_ip = {draw32(maker)}};
        frame_seal(net->frames, frame);
        return frame;
    }
    frame->ttl = (uint8_t)draw(maker, 256);
    frame->ip_id = draw16(maker);
    frame->ip_source.v = draw32(maker);
    frame->ip_destination.v = draw32(maker);
    frame->dont_fragment = draw(maker, 2) == 0;
    make_payload(maker, frame, length);
    if (kind == 1) {
        frame->protocol = IP_TCP;
        make_tcp(maker, &frame->tcp);
    } else if (kind == 2) {
        frame->protocol = IP_UDP;
        frame->udp = (struct udp_header){draw16(maker), draw16(maker), (uint16_t)(8 + length)};
    } else if (kind == 3) {
        frame->protocol = IP_ICMP;
        frame->icmp = (struct icmp_header){(uint8_t)draw(maker, 256), (uint8_t)draw(maker, 256),
                                           draw16(maker), draw16(maker)};
    } else {
        frame->protocol = IP_UDP;
        frame->more_fragments = draw(maker, 2) == 0;
        frame->fragment_offset = (uint16_t)(8 + 8 * draw(maker, 6000));
    }
    frame_seal(net->frames, frame);
    return frame;
}

static void round_trip(struct maker *maker, uint32_t length)
{
    struct net *net = &maker->world->net;
    struct frame *frame = make_frame(maker, length);
    uint8_t bytes[FRAME_BYTES_MAX], again[FRAME_BYTES_MAX];
    uint32_t count = frame_bytes(net, frame, bytes);
    struct frame *parsed = frame_new(net->frames);
    enum frame_parse_result result = frame_parse(net, bytes, count, parsed);
    cr_assert_eq(result, FRAME_OK, "%s", frame_parse_text(result));
    cr_assert_eq(parsed->digest, frame->digest);
    cr_assert_eq(parsed->wire_bytes, count);
    cr_assert_eq(frame_bytes(net, parsed, again), count);
    cr_assert_eq(memcmp(bytes, again, count), 0);
    net_free_frame(net, frame);
    net_free_frame(net, parsed);
}

static void every_frame_comes_back(struct maker *maker)
{
    static const uint32_t lengths[] = {0, 1, 5, 17, 18, 100, 1459, 1472, 4096, 4097, 8900};
    for (uint32_t round = 0; round < 40; round++) {
        for (uint32_t i = 0; i < sizeof lengths / sizeof lengths[0]; i++) {
            round_trip(maker, lengths[i]);
        }
    }
}

/* A turned bit is refused, or gives another digest; where it is a checksum or a length, it is refused. The bits that are for
 * nothing: padding; reserved bits and the urgent pointer of TCP, which frames do not hold, but the checksum covers. */
static void no_bit_is_lost(struct maker *maker)
{
    struct net *net = &maker->world->net;
    for (uint32_t round = 0; round < 60; round++) {
        struct frame *frame = make_frame(maker, round % 2 == 0 ? 3 : 60);
        uint8_t bytes[FRAME_BYTES_MAX];
        uint32_t count = frame_bytes(net, frame, bytes);
        uint32_t used = frame_header_bytes(frame) + frame->payload_bytes;
        for (uint32_t bit = 0; bit < used * 8; bit++) {
            bytes[bit / 8] ^= (uint8_t)(1u << bit % 8);
            struct frame *parsed = frame_new(net->frames);
            if (frame_parse(net, bytes, count, parsed) == FRAME_OK) {
                cr_assert_neq(parsed->digest, frame->digest, "bit %u", bit);
            } else {
                cr_assert_eq(parsed->slice_count, 0);
                cr_assert_eq(parsed->payload_bytes, 0);
            }
            net_free_frame(net, parsed);
            bytes[bit / 8] ^= (uint8_t)(1u << bit % 8);
        }
        net_free_frame(net, frame);
    }
}

/* Every prefix of a frame, and a frame with a tail, is refused or parsed; none is read beyond its end (sanitizers). */
static void cut_frames(struct maker *maker)
{
    struct net *net = &maker->world->net;
    for (uint32_t round = 0; round < 20; round++) {
        struct frame *frame = make_frame(maker, 30);
        uint8_t bytes[FRAME_BYTES_MAX];
        uint32_t count = frame_bytes(net, frame, bytes);
        uint32_t used = frame_header_bytes(frame) + frame->payload_bytes;
        for (uint32_t length = 0; length < count + 4; length++) {
            uint8_t exact[128];
            cr_assert(length <= sizeof exact);
            memset(exact, 0, sizeof exact);
            memcpy(exact, bytes, length < count ? length : count);
            struct frame *parsed = frame_new(net->frames);
            bool whole = length >= used && (length == used || length <= ETH_BYTES_MIN);
            cr_assert_eq(frame_parse(net, exact, length, parsed) == FRAME_OK, whole, "%u of %u",
                         length, used);
            net_free_frame(net, parsed);
        }
        net_free_frame(net, frame);
    }
}

/* An echo request, computed by hand from RFC 791 and 792: what the wire would carry, byte for byte. */
static void known_bytes(struct world *world)
{
    static const uint8_t
        expected
            [] =
                {
                    0x02, 0,    0,    0,    0,    2,    0x02, 0,    0,  0,
                    0,    1,    0x08, 0x00, /* Ethernet */
                    0x45, 0,    0,    30,   0x12, 0x34, 0x40, 0,    64, 1,
                    0x14, 0xa9, 10,   0,    0,    1,    10,   0,    0,  2, /* IP */
                    8,    0,    0x37, 0xb9, 0x5f, 0x0d, 0x00, 0x07,        /* ICMP */
                    0x61, 0x32,
                };
    struct frame *frame = frame_new(world->net.frames);
    frame->destination = world_mac(1);
    frame->source = world_mac(0);
    frame->ether_type = ETHER_IPV4;
    frame->protocol = IP_ICMP;
    frame->ttl = 64;
    frame->ip_id = 0x1234;
    frame->dont_fragment = true;
    frame->ip_source = world_address(0);
    frame->ip_destination = world_address(1);
    frame->icmp = (struct icmp_header){8, 0, 0x5f0d, 7};
    struct page page = page_literal(world->pages, "a2", 2);
    frame_push(world->net.frames, frame, (struct slice){page, 0, 2});
    frame_seal(world->net.frames, frame);
    uint8_t bytes[FRAME_BYTES_MAX];
    cr_assert_eq(frame_bytes(&world->net, frame, bytes), 60);
    for (uint32_t i = 0; i < sizeof expected; i++) {
        cr_assert_eq(bytes[i], expected[i], "byte %u: %02x", i, bytes[i]);
    }
    frame->corrupt = true;
    cr_assert_eq(frame_bytes(&world->net, frame, bytes), 60);
    struct frame *parsed = frame_new(world->net.frames);
    cr_assert_eq(frame_parse(&world->net, bytes, 60, parsed), FRAME_BAD_CHECKSUM);
    net_free_frame(&world->net, parsed);
    net_free_frame(&world->net, frame);
}

/* The UDP checksum of a first fragment covers the rest: put together, the bytes sum up (RFC 768). */
struct gathered {
    struct net *net;
    uint8_t datagram[70000];
    uint32_t length, frames;
};

static void gather(void *context, const struct frame *frame, sim_time at, bool delivered)
{
    struct gathered *gathered = context;
    (void)at;
    (void)delivered;
    if (frame->ether_type != ETHER_IPV4) {
        return;
    }
    uint8_t bytes[FRAME_BYTES_MAX];
    uint32_t length = frame_bytes(gathered->net, frame, bytes);
    cr_assert_eq(frame->fragment_offset, gathered->length);
    memcpy(gathered->datagram + gathered->length, bytes + 34, length - 34);
    gathered->length += length - 34;
    gathered->frames++;
    struct frame *parsed = frame_new(gathered->net->frames);
    cr_assert_eq(frame_parse(gathered->net, bytes, length, parsed), FRAME_OK);
    cr_assert_eq(parsed->rest_sum, frame->fragment_offset == 0 ? frame->rest_sum : 0);
    net_free_frame(gathered->net, parsed);
}

static void fragments_sum_up(void)
{
    struct world *world =
        world_new(&(struct world_options){.hosts = 2, .cable = true, .mtu = 1500});
    static struct gathered gathered;
    gathered.net = &world->net;
    ip_stack_announce(world->host[1].stack, 0, &(struct ip_announcement){.count = 1});
    cr_assert_eq(icmp_ping(world->host[0].stack, world_address(1), 1, 1, 0), IP_OK);
    world_run(world, SIM_MS);
    link_set_tap(world->host[0].up, gather, &gathered);
    struct slice slices[] = {{page_pattern(PAGE_RANDOM, 1), 3, 4001},
                             {page_pattern(PAGE_COMPRESSIBLE, 2), 0, 4095},
                             {page_pattern(PAGE_RANDOM, 3), 1, 999}};
    cr_assert_eq(udp_send(world->host[0].stack, 1, world_address(1), 2, slices, 3), IP_OK);
    world_run(world, 2 * SIM_MS);
    cr_assert_eq(gathered.frames, 7);
    cr_assert_eq(gathered.length, 8 + 4001 + 4095 + 999);
    uint64_t sum = 0x0a00 + 0x0001 + 0x0a00 + 0x0002 + 17 + gathered.length;
    gathered.datagram[gathered.length] = 0;
    for (uint32_t i = 0; i < gathered.length; i += 2) {
        sum += (uint64_t)gathered.datagram[i] << 8 | gathered.datagram[i + 1];
    }
    while (sum >> 16 != 0) {
        sum = (sum & 0xffff) + (sum >> 16);
    }
    cr_assert_eq(sum, 0xffff);
    world_free(world);
}

Test(frame_bytes, round_trip)
{
    struct world *world = world_new(&(struct world_options){.hosts = 1, .mtu = 1500});
    struct maker maker = {.world = world, .chance = chance_key(1, "test", "frames")};
    every_frame_comes_back(&maker);
    no_bit_is_lost(&maker);
    cut_frames(&maker);
    known_bytes(world);
    world_free(world);
    fragments_sum_up();
}
