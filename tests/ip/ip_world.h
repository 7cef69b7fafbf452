/* tests/ip/ip_world.h - a small network for tests: machines with a NIC and a stack each, and a switch or a cable between them. */
#ifndef ORRERY_TESTS_IP_WORLD_H
#define ORRERY_TESTS_IP_WORLD_H

#include "nic/ether_switch.h"
#include "nic/ip_stack.h"
#include "nic/nic.h"

#define WORLD_HOSTS_MAX   4u
#define WORLD_RECORDS_MAX 4096u

/* Frames that a host's link delivered, by kind. */
struct world_traffic {
    uint32_t arp_broadcasts, arp_probes, arp_replies, ipv4;
};

struct world_host {
    struct world_traffic sent;
    struct machine *machine;
    struct nic *nic;
    struct ip_stack *stack;
    struct link *up, *down; /* to the switch or the peer, and from it */
    uint32_t machine_origin, nic_origin;
};

struct world_record {
    sim_time time;
    uint32_t kind; /* enum net_record */
    uint32_t origin;
    int64_t values[RECORD_VALUES_MAX];
    char text[32];
};

struct world_options {
    uint32_t hosts;
    bool cable; /* two hosts, no switch */
    uint32_t mtu;
    uint32_t ring_frames;
    sim_time ageing_ns; /* 0: the usual */
    enum link_framing framing;
};

struct world {
    struct sim *sim;
    struct page_pool *pages;
    struct recorder *recorder;
    struct net net;
    struct ether_switch *ether_switch;
    uint32_t hosts;
    struct world_host host[WORLD_HOSTS_MAX];
    struct world_record records[WORLD_RECORDS_MAX];
    uint32_t record_count;
};

/* Hosts are on, at 10.0.0.1 and up with MACs 02:00:00:00:00:01 and up, links 1 Gbit/s with 5 us. */
struct world *world_new(const struct world_options *options);
/* Asserts that nothing is left: frames, pages, conservation of every link. */
void world_free(struct world *world);
struct ip4 world_address(uint32_t host);
struct mac world_mac(uint32_t host);
void world_run(struct world *world, sim_time until);
/* Calls `callback` at `at`, in an event of the first machine. */
void world_at(struct world *world, sim_time at, sim_callback *callback, void *context);
/* Records of a kind (enum net_record) so far, with this text where it is not NULL. */
uint32_t world_count(const struct world *world, uint32_t kind, const char *text);
/* The nth of them, or NULL. */
const struct world_record *world_find(const struct world *world, uint32_t kind, uint32_t nth);

#endif
