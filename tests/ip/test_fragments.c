/* Reassembly: whatever the order, the datagram is whole or it is not there (I3). */
#include "ip_world.h"
#include "sim/chance.h"

#include <criterion/criterion.h>
#include <string.h>

#define FRAGMENTS_MAX 64u

/* Host 1 is fed by hand with what host 0's stack puts out; no link is between them. */
struct feeder {
    struct world *world;
    struct ip_stack *sender;
    struct frame *frames[FRAGMENTS_MAX];
    uint32_t count;
    uint32_t received;
    uint64_t received_bytes;
    bool right;
};

static void feeder_collects(void *context, struct frame *frame)
{
    struct feeder *feeder = context;
    if (frame->ether_type != ETHER_IPV4) {
        net_free_frame(&feeder->world->net, frame);
        return;
    }
    cr_assert(feeder->count < FRAGMENTS_MAX);
    feeder->frames[feeder->count++] = frame;
}

static void feeder_receives(void *context, const struct udp_datagram *datagram)
{
    struct feeder *feeder = context;
    feeder->received++;
    feeder->received_bytes += datagram->payload->bytes;
    /* R1 of sim/rope.h: pages that were cut come back whole. */
    feeder->right = datagram->payload->bytes % PAGE_BYTES == 0;
    for (uint32_t i = 0; i < datagram->payload->count; i++) {
        const struct rope *rope = datagram->payload;
        const struct slice *slice = &rope->slices[(rope->head + i) & (rope->capacity - 1)];
        feeder->right = feeder->right && slice->length == PAGE_BYTES &&
                        slice->page.v == page_pattern(PAGE_RANDOM, i + 1).v;
    }
}

static void feeder_open(struct feeder *feeder)
{
    memset(feeder, 0, sizeof *feeder);
    feeder->world = world_new(&(struct world_options){.hosts = 2, .cable = true, .mtu = 1500});
    struct world_host *host = &feeder->world->host[0];
    feeder->sender = ip_stack_new(&feeder->world->net, host->machine, host->machine_origin);
    struct ip_interface_options interface = {
        .mac = {0x020000000099},
        .address = {0x0a000063},
        .prefix_bits = 24,
        .mtu = 1500,
        .out = {feeder_collects, feeder},
    };
    uint32_t number = ip_stack_add_interface(feeder->sender, &interface);
    cr_assert_eq(udp_bind(feeder->world->host[1].stack, 53, feeder_receives, feeder), IP_OK);
    /* The sender learns its neighbour from a reply made by hand. */
    struct frame *reply = frame_new(feeder->world->net.frames);
    reply->ether_type = ETHER_ARP;
    reply->protocol = 0;
    reply->arp = (struct arp_header){.operation = 2,
                                     .sender_mac = world_mac(1),
                                     .target_mac = interface.mac,
                                     .sender_ip = world_address(1),
                                     .target_ip = interface.address};
    struct frame_sink sink = ip_stack_sink(feeder->sender, number);
    sink.receive(sink.context, reply);
}

/* Fragments of a datagram of `pages` pages, for the caller to feed. */
static void feeder_makes(struct feeder *feeder, uint32_t pages)
{
    struct slice slices[16];
    cr_assert(pages <= 16);
    for (uint32_t i = 0; i < pages; i++) {
        slices[i] = (struct slice){page_pattern(PAGE_RANDOM, i + 1), 0, PAGE_BYTES};
    }
    cr_assert_eq(udp_send(feeder->sender, 1, world_address(1), 53, slices, pages), IP_OK);
}

static void feed(struct feeder *feeder, struct frame *frame)
{
    struct frame_sink sink = ip_stack_sink(feeder->world->host[1].stack, 0);
    sink.receive(sink.context, frame);
    ip_stack_check(feeder->world->host[1].stack);
}

static void feeder_close(struct feeder *feeder)
{
    ip_stack_free(feeder->sender);
    world_free(feeder->world);
}

static void any_order_will_do(void)
{
    struct chance chance = chance_key(1, "test", "order");
    uint64_t draws = 0;
    for (uint32_t round = 0; round < 200; round++) {
        struct feeder feeder;
        feeder_open(&feeder);
        uint32_t pages = 1 + (uint32_t)chance_below(chance, draws++, 12);
        feeder_makes(&feeder, pages);
        uint32_t count = feeder.count;
        cr_assert_eq(count, (8 + pages * PAGE_BYTES + 1479) / 1480);
        /* Some come twice: what is there already is dropped, alone. */
        uint32_t twice = round % 3 == 0 ? (uint32_t)chance_below(chance, draws++, count) : SIM_NONE;
        for (uint32_t left = count; left > 0; left--) {
            uint32_t nth = round == 0 ? 0 : (uint32_t)chance_below(chance, draws++, left);
            struct frame *frame = feeder.frames[nth];
            feeder.frames[nth] = feeder.frames[left - 1];
            if (left - 1 == twice && left > 1) {
                feed(&feeder, frame_copy(feeder.world->net.frames, frame));
            }
            feed(&feeder, frame);
        }
        cr_assert_eq(feeder.received, 1);
        cr_assert_eq(feeder.received_bytes, pages * PAGE_BYTES);
        cr_assert(feeder.right);
        cr_assert_eq(world_count(feeder.world, NET_FRAME_LOST, NULL),
                     twice != SIM_NONE && twice > 0 ? 1 : 0);
        feeder_close(&feeder);
    }
}

static void change_nothing(struct frame *frame)
{
    (void)frame;
}
static void change_overlap(struct frame *frame)
{
    frame->fragment_offset = (uint16_t)(frame->fragment_offset - 8);
}
static void change_gap(struct frame *frame)
{
    frame->fragment_offset = (uint16_t)(frame->fragment_offset + 8);
}
static void change_last(struct frame *frame)
{
    frame->more_fragments = false;
}
static void change_id(struct frame *frame)
{
    frame->ip_id++;
}
static void change_source(struct frame *frame)
{
    frame->ip_source.v++;
}
static void change_corrupt(struct frame *frame)
{
    frame->corrupt = true;
}

/* Three fragments of one page; the second is changed on its way. */
static const struct change_case {
    const char *name;
    void (*change)(struct frame *frame);
    uint32_t received;
    const char *at_once;               /* reason of what is lost at once */
    uint32_t lost_at_once, lost_later; /* later: after 30 s, "reassembly" */
} change_cases[] = {
    {"nothing", change_nothing, 1, NULL, 0, 0},
    {"overlaps the first", change_overlap, 0, "overlap", 2, 1},
    {"overlaps the third", change_gap, 0, "overlap", 3, 0},
    {"says it is the last", change_last, 0, "malformed", 2, 1},
    {"of another datagram", change_id, 0, NULL, 0, 3},
    {"of another sender", change_source, 0, NULL, 0, 3},
    {"corrupt", change_corrupt, 0, "checksum", 1, 2},
};

static void nothing_but_the_whole(void)
{
    for (uint32_t i = 0; i < sizeof change_cases / sizeof change_cases[0]; i++) {
        const struct change_case *row = &change_cases[i];
        struct feeder feeder;
        feeder_open(&feeder);
        feeder_makes(&feeder, 1);
        cr_assert_eq(feeder.count, 3);
        row->change(feeder.frames[1]);
        for (uint32_t k = 0; k < 3; k++) {
            feed(&feeder, feeder.frames[k]);
        }
        cr_assert_eq(feeder.received, row->received, "%s", row->name);
        uint32_t lost = world_count(feeder.world, NET_FRAME_LOST, NULL);
        cr_assert_eq(lost, row->lost_at_once, "%s: %u", row->name, lost);
        cr_assert_eq(world_count(feeder.world, NET_FRAME_LOST, row->at_once), lost, "%s",
                     row->name);
        world_run(feeder.world, 30 * SIM_S - 1);
        cr_assert_eq(world_count(feeder.world, NET_FRAME_LOST, NULL), lost, "%s", row->name);
        world_run(feeder.world, 31 * SIM_S);
        cr_assert_eq(world_count(feeder.world, NET_FRAME_LOST, "reassembly"), row->lost_later, "%s",
                     row->name);
        feeder_close(&feeder);
    }
}

/* One place more than there is: the datagram that waited longest goes. */
static void places_are_bounded(void)
{
    struct feeder feeder;
    feeder_open(&feeder);
    struct frame *rest[IP_REASSEMBLIES + 1];
    for (uint32_t i = 0; i <= IP_REASSEMBLIES; i++) {
        feeder.count = 0;
        feeder_makes(&feeder, 1);
        feed(&feeder, feeder.frames[0]);
        feed(&feeder, feeder.frames[2]);
        rest[i] = feeder.frames[1];
    }
    cr_assert_eq(world_count(feeder.world, NET_FRAME_LOST, "reassembly"), 2);
    for (uint32_t i = 0; i <= IP_REASSEMBLIES; i++) {
        feed(&feeder, rest[IP_REASSEMBLIES - i]);
    }
    cr_assert_eq(feeder.received, IP_REASSEMBLIES);
    world_run(feeder.world, 31 * SIM_S);
    cr_assert_eq(world_count(feeder.world, NET_FRAME_LOST, "reassembly"), 3);
    feeder_close(&feeder);
}

Test(fragments, reassembly)
{
    any_order_will_do();
    nothing_but_the_whole();
    places_are_bounded();
}
