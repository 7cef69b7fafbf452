/* ICMP echo of every size, over cable and switch, and what it costs in time. */
#include "ip_world.h"

#include <criterion/criterion.h>

struct pings {
    uint32_t replies;
    uint32_t payload_bytes;
    uint16_t last_sequence;
};

static void ping_replied(void *context, struct ip4 source, uint16_t identifier, uint16_t sequence,
                         uint32_t payload_bytes)
{
    struct pings *pings = context;
    cr_assert_eq(source.v, world_address(1).v);
    cr_assert_eq(identifier, 7);
    pings->replies++;
    pings->last_sequence = sequence;
    pings->payload_bytes = payload_bytes;
}

/* Wire time in ns of one IP packet, Ethernet with gap and preamble at 1 Gbit/s. */
static sim_time wire_ns(uint32_t ip_bytes)
{
    uint32_t frame = ETH_HEADER_BYTES + ip_bytes;
    return (sim_time)((frame < ETH_BYTES_MIN ? ETH_BYTES_MIN : frame) + ETH_OVERHEAD_BYTES) * 8;
}

static const struct ping_case {
    const char *name;
    uint32_t mtu, payload_bytes;
    uint32_t fragments;
    enum ip_error error;
} ping_cases[] = {
    {"no payload", 1500, 0, 1, IP_OK},
    {"shorter than a stamp", 1500, 7, 1, IP_OK},
    {"just a stamp", 1500, 8, 1, IP_OK},
    {"as ping does", 1500, 56, 1, IP_OK},
    {"just fits", 1500, 1472, 1, IP_OK},
    {"one byte more", 1500, 1473, 2, IP_OK},
    {"five pages", 1500, 20000, 14, IP_OK},
    {"the largest", 1500, 65507, 45, IP_OK},
    {"too large", 1500, 65508, 0, IP_TOO_LARGE},
    {"jumbo", 9000, 8972, 1, IP_OK},
    {"jumbo and one", 9000, 8973, 2, IP_OK},
    {"the largest over jumbo", 9000, 65507, 8, IP_OK},
    {"odd MTU", 577, 4000, 8, IP_OK},
    {"smallest MTU", 68, 2000, 42, IP_OK},
};

/* The first ping resolves both ends; the second is measured. */
static void ping_row(const struct ping_case *row, bool cable)
{
    struct world *world =
        world_new(&(struct world_options){.hosts = 2, .cable = cable, .mtu = row->mtu});
    struct ip_stack *stack = world->host[0].stack;
    struct pings pings = {0};
    icmp_listen(stack, 7, ping_replied, &pings);
    cr_assert_eq(icmp_ping(stack, world_address(1), 7, 1, 0), IP_OK);
    world_run(world, SIM_MS);
    cr_assert_eq(pings.replies, 1, "%s", row->name);

    uint64_t frames_before = link_statistics(world->host[0].up).frames_sent;
    enum ip_error error = icmp_ping(stack, world_address(1), 7, 2, row->payload_bytes);
    cr_assert_eq(error, row->error, "%s: %s", row->name, ip_error_text(error));
    world_run(world, 10 * SIM_MS);
    uint64_t frames = link_statistics(world->host[0].up).frames_sent - frames_before;
    cr_assert_eq(frames, row->fragments, "%s: %lu", row->name, (unsigned long)frames);
    if (error == IP_OK) {
        cr_assert_eq(pings.replies, 2, "%s", row->name);
        cr_assert_eq(pings.last_sequence, 2, "%s", row->name);
        cr_assert_eq(pings.payload_bytes, row->payload_bytes, "%s", row->name);
    }
    if (error == IP_OK && row->fragments == 1 && row->payload_bytes >= 8) {
        const struct world_record *reply = world_find(world, NET_ICMP_REPLY, 1);
        sim_time hops = cable ? 2 : 4;
        sim_time expected = hops * (wire_ns(28 + row->payload_bytes) + 5 * SIM_US);
        cr_assert_eq(reply->values[3], expected, "%s: %ld", row->name, (long)reply->values[3]);
    }
    cr_assert_eq(world_count(world, NET_FRAME_LOST, NULL), 0, "%s", row->name);
    icmp_unlisten(stack, 7);
    world_free(world);
}

Test(icmp, echo_of_every_size)
{
    for (uint32_t i = 0; i < sizeof ping_cases / sizeof ping_cases[0]; i++) {
        ping_row(&ping_cases[i], true);
        ping_row(&ping_cases[i], false);
    }
}
