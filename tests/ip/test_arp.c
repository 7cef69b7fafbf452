/* Neighbours: asked for, kept, asked again, forgotten, and moved by an announcement. */
#include "ip_world.h"

#include <criterion/criterion.h>

static struct world *lan(uint32_t hosts)
{
    return world_new(&(struct world_options){.hosts = hosts, .mtu = 1500});
}

struct ping_plan {
    struct world *world;
    uint32_t to;
    uint32_t count;
    sim_time every;
    uint16_t sequence;
};

static void ping_again(void *context)
{
    struct ping_plan *plan = context;
    struct world *world = plan->world;
    cr_assert_eq(icmp_ping(world->host[0].stack, world_address(plan->to), 1, plan->sequence++, 56),
                 IP_OK);
    if (--plan->count > 0) {
        world_at(world, sim_now(world->sim) + plan->every, ping_again, plan);
    }
}

/* Host 0 pings; what it then sent. */
static const struct arp_case {
    const char *name;
    uint32_t to, count;
    sim_time every, until;
    uint32_t broadcasts, probes, pings;
    uint32_t replies, lost;
} arp_cases[] = {
    {"asked once", 1, 5, SIM_MS, SIM_S, 1, 0, 5, 5, 0},
    {"nobody there: three requests, then lost", 9, 1, SIM_S, 10 * SIM_S, 3, 0, 0, 0, 1},
    {"nobody there: the oldest gives way", 9, 5, SIM_MS, 2 * SIM_S, 2, 0, 0, 0, 2},
    {"nobody there: all are lost in the end", 9, 5, SIM_MS, 10 * SIM_S, 3, 0, 0, 0, 5},
    {"nobody there, and asked anew later", 9, 2, 5 * SIM_S, 10 * SIM_S, 6, 0, 0, 0, 2},
    {"used within the minute: probed", 1, 2, 59 * SIM_S, 65 * SIM_S, 1, 1, 2, 2, 0},
    {"not used for a minute: forgotten, asked again", 1, 2, 130 * SIM_S, 131 * SIM_S, 2, 1, 2, 2,
     0},
    {"used all the time: probed every minute", 1, 181, SIM_S, 182 * SIM_S, 1, 3, 181, 181, 0},
};

static void neighbours_are_kept(void)
{
    for (uint32_t i = 0; i < sizeof arp_cases / sizeof arp_cases[0]; i++) {
        const struct arp_case *row = &arp_cases[i];
        struct world *world = lan(2);
        struct ping_plan plan = {world, row->to, row->count, row->every, 0};
        world_at(world, 0, ping_again, &plan);
        world_run(world, row->until);
        struct world_traffic sent = world->host[0].sent;
        cr_assert_eq(sent.arp_broadcasts, row->broadcasts, "%s: %u", row->name,
                     sent.arp_broadcasts);
        cr_assert_eq(sent.arp_probes, row->probes, "%s: %u", row->name, sent.arp_probes);
        cr_assert_eq(sent.ipv4, row->pings, "%s: %u", row->name, sent.ipv4);
        cr_assert_eq(world_count(world, NET_ICMP_REPLY, NULL), row->replies, "%s", row->name);
        cr_assert_eq(world_count(world, NET_FRAME_LOST, "arp"), row->lost, "%s", row->name);
        /* Whoever is asked learns the asker and need not ask itself. */
        cr_assert_eq(world->host[1].sent.arp_broadcasts, 0, "%s", row->name);
        world_free(world);
    }
}

static void crash_host(void *context)
{
    machine_crash(context);
}

/* A neighbour that falls silent is found out by the probes, and the numbers of neighbours lose their meaning. */
static void silent_neighbour_is_forgotten(void)
{
    struct world *world = lan(2);
    struct ping_plan plan = {world, 1, 100, SIM_S, 0};
    world_at(world, 0, ping_again, &plan);
    world_at(world, 10 * SIM_S + 1, crash_host, world->host[1].machine);
    world_run(world, 30 * SIM_S);
    struct ip_path path;
    cr_assert_eq(ip_stack_path(world->host[0].stack, world_address(1), &path), IP_OK);
    cr_assert_neq(path.neighbour, SIM_NONE);
    world_run(world, 63 * SIM_S + SIM_MS);
    cr_assert_eq(world->host[0].sent.arp_probes, 3);
    struct ip_path later;
    cr_assert_eq(ip_stack_path(world->host[0].stack, world_address(1), &later), IP_OK);
    cr_assert_eq(later.neighbour, SIM_NONE);
    cr_assert_neq(later.epoch, path.epoch);
    cr_assert_eq(ip_stack_path(world->host[0].stack, (struct ip4){0x0b000001}, &later),
                 IP_NO_ROUTE);
    world_free(world);
}

/* The address of host 1 comes up at host 2, with the given MAC, as a VM's does after it moved. The caller frees the stack. */
static struct ip_stack *move_to_host_2(struct world *world, struct mac mac)
{
    struct world_host *host = &world->host[2];
    struct ip_interface_options interface = {
        .mac = mac,
        .address = world_address(1),
        .prefix_bits = 24,
        .mtu = 1500,
        .out = nic_machine_side(host->nic),
    };
    struct ip_stack *stack = ip_stack_new(&world->net, host->machine, host->machine_origin);
    nic_set_mac(host->nic, mac);
    nic_connect_in(host->nic, ip_stack_sink(stack, ip_stack_add_interface(stack, &interface)));
    machine_crash(world->host[1].machine);
    return stack;
}

static void announcement_moves_the_port(void)
{
    struct world *world = lan(3);
    struct ping_plan plan = {world, 1, 30, 10 * SIM_MS, 0};
    world_at(world, 0, ping_again, &plan);
    world_run(world, 95 * SIM_MS);
    cr_assert_eq(world_count(world, NET_ICMP_REPLY, NULL), 10);
    cr_assert_eq(ether_switch_lookup(world->ether_switch, world_mac(1)), 1);
    struct ip_stack *moved = move_to_host_2(world, world_mac(1));
    world_run(world, 195 * SIM_MS);
    /* The switch has not learnt: ten pings went to the old port. */
    cr_assert_eq(world_count(world, NET_ICMP_REPLY, NULL), 10);
    cr_assert_eq(world_count(world, NET_FRAME_LOST, "off"), 10);
    /* Gaps of 50, 150, and then 250 ms, the longest allowed. */
    static const sim_time after[] = {0, 50 * SIM_MS, 200 * SIM_MS, 450 * SIM_MS, 700 * SIM_MS};
    ip_stack_announce(moved, 0,
                      &(struct ip_announcement){.count = 5,
                                                .spacing_ns = 50 * SIM_MS,
                                                .step_ns = 100 * SIM_MS,
                                                .spacing_ns_max = 250 * SIM_MS});
    world_run(world, 1200 * SIM_MS);
    cr_assert_eq(ether_switch_lookup(world->ether_switch, world_mac(1)), 2);
    cr_assert_eq(world_count(world, NET_ICMP_REPLY, NULL), 20);
    cr_assert_eq(world_count(world, NET_SWITCH_LEARNED, NULL), 1);
    const struct world_record *learned = world_find(world, NET_SWITCH_LEARNED, 0);
    cr_assert_eq(learned->values[0], (int64_t)world_mac(1).v);
    cr_assert_eq(learned->values[1], 1);
    cr_assert_eq(learned->values[2], 2);
    cr_assert_eq(world_count(world, NET_ARP_ANNOUNCE, NULL), 5);
    for (uint32_t i = 0; i < 5; i++) {
        const struct world_record *announced = world_find(world, NET_ARP_ANNOUNCE, i);
        cr_assert_eq(announced->time, world_find(world, NET_ARP_ANNOUNCE, 0)->time + after[i]);
        cr_assert_eq(announced->values[0], world_address(1).v);
        cr_assert_eq(announced->values[2], i + 1);
    }
    ip_stack_free(moved);
    world_free(world);
}

/* I2: an announcement with another MAC is believed by who knows the address, and by nobody else. */
static void announcement_updates_the_known(void)
{
    struct world *world = lan(4);
    struct ping_plan plan = {world, 1, 1, SIM_S, 0};
    world_at(world, 0, ping_again, &plan);
    world_run(world, SIM_MS);
    struct ip_stack *moved = move_to_host_2(world, world_mac(2));
    ip_stack_announce(moved, 0, &(struct ip_announcement){.count = 1});
    world_run(world, 2 * SIM_MS);
    plan = (struct ping_plan){world, 1, 1, SIM_S, 1};
    world_at(world, 2 * SIM_MS, ping_again, &plan);
    world_run(world, 3 * SIM_MS);
    cr_assert_eq(world_count(world, NET_ICMP_REPLY, NULL), 2);
    cr_assert_eq(world->host[0].sent.arp_broadcasts, 1);
    struct ip_path path;
    cr_assert_eq(ip_stack_path(world->host[3].stack, world_address(1), &path), IP_OK);
    cr_assert_eq(path.neighbour, SIM_NONE);
    ip_stack_free(moved);
    world_free(world);
}

/* I2: the table is bounded; a sweep over more addresses than it holds leaves the newest. */
static void table_is_bounded(void)
{
    struct world *world = lan(2);
    struct ip_interface_options wide = {
        .mac = world_mac(0),
        .address = {0x0b000001},
        .prefix_bits = 8,
        .mtu = 1500,
        .out = nic_machine_side(world->host[0].nic),
    };
    (void)ip_stack_add_interface(world->host[0].stack, &wide);
    for (uint32_t i = 0; i < ARP_ENTRIES + 100; i++) {
        struct ip4 nobody = {0x0b010000 + i};
        cr_assert_eq(icmp_ping(world->host[0].stack, nobody, 1, 1, 0), IP_OK);
    }
    ip_stack_check(world->host[0].stack);
    cr_assert_eq(world_count(world, NET_FRAME_LOST, "arp"), 100);
    world_run(world, 10 * SIM_S);
    cr_assert_eq(world_count(world, NET_FRAME_LOST, "arp"), ARP_ENTRIES + 100);
    world_free(world);
}

Test(arp, neighbours)
{
    neighbours_are_kept();
    silent_neighbour_is_forgotten();
    table_is_bounded();
}

/* Host 2 claims the address of host 1 from 1 s to 2 s: what host 0 sends there goes to whoever spoke last. */
static void two_answer_for_one(void)
{
    struct world *world = lan(3);
    struct ping_plan plan = {world, 1, 40, 100 * SIM_MS, 0};
    world_at(world, 0, ping_again, &plan);
    world_run(world, SIM_S);
    cr_assert_eq(world_count(world, NET_ICMP_REPLY, NULL), 10);
    ip_stack_claim(world->host[2].stack, 0, world_address(1), 7);
    world_run(world, 2 * SIM_S);
    cr_expect_eq(world_count(world, NET_ARP_CLAIMED, NULL), 1, "announced once");
    cr_expect_eq(world_count(world, NET_ICMP_REPLY, NULL), 10 + 1, "one was under way");
    cr_expect_geq(world_count(world, NET_FRAME_LOST, "address"), 9);
    ip_stack_end_claims(world->host[2].stack, 6);
    cr_expect_eq(icmp_ping(world->host[1].stack, world_address(0), 2, 0, 56), IP_OK);
    ip_stack_end_claims(world->host[2].stack, 7);
    ip_stack_check(world->host[2].stack);
    world_free(world);
}

Test(arp, announcements)
{
    two_answer_for_one();
    announcement_moves_the_port();
    announcement_updates_the_known();
}
