/* tests/guests/fixture.h - a small world for guests and traffic: clients with a stack each and nodes for VMs, all on one switch.
 *
 * Clients are 10.0.0.1 and up; VMs have the addresses of their specifications. A VM's virtual NIC sits on the switch itself. */
#ifndef ORRERY_TESTS_GUESTS_FIXTURE_H
#define ORRERY_TESTS_GUESTS_FIXTURE_H

#include "nic/link.h"
#include "vm/traffic.h"
#include "vm/vm_instance.h"

#define FIXTURE_CLIENTS 2u
#define FIXTURE_NODES   2u
#define FIXTURE_ACTIONS 4u
#define FIXTURE_CORES   2u

struct fixture_record {
    sim_time time;
    uint32_t kind; /* enum vm_record */
    uint32_t origin;
    int64_t values[RECORD_VALUES_MAX];
    char text[48];
};

struct fixture_client {
    struct fixture *fixture;
    struct machine *machine;
    struct nic *nic;
    struct ip_stack *stack;
    struct tcp_layer *tcp;
    struct link *up, *down;
};

struct fixture_node {
    struct machine *machine;
    struct core_set *cores; /* FIXTURE_CORES of them */
    struct vm_host host;
    struct ether_switch *switches[1];
    const struct wire_pace *paces[1]; /* its VMs sit on the switch: there is no wire */
};

struct fixture {
    struct sim *sim;
    struct page_pool *pages;
    struct recorder *recorder;
    struct net net;
    struct ether_switch *lan;
    struct fixture_client clients[FIXTURE_CLIENTS];
    struct fixture_node nodes[FIXTURE_NODES];
    struct vm_world vms;
    struct vm_spec spec;               /* of the VM "web", if there is one */
    uint32_t actions[FIXTURE_ACTIONS]; /* origins */
    struct fixture_record *records;    /* of VMs and traffic */
    uint32_t record_count, record_capacity;
};

/* `guest` is that of the VM "web", which is not created yet; NULL for a world without VMs. `memory_bytes` is that of a node. */
struct fixture *fixture_new(const struct guest_spec *guest, uint64_t memory_bytes);
/* Asserts that nothing is left alive. */
void fixture_free(struct fixture *fixture);
void fixture_run(struct fixture *fixture, sim_time until);

struct ip4 fixture_client_address(uint32_t client);
struct ip4 fixture_vm_address(void);
/* Where traffic from a client, or from the VM, starts. */
struct traffic_end fixture_client_end(struct fixture *fixture, uint32_t client);
struct traffic_end fixture_vm_end(struct fixture *fixture);
/* What every kind of traffic begins with: action `action`, from an end to an address. */
struct traffic_common fixture_common(struct fixture *fixture, uint32_t action,
                                     struct traffic_end from, struct ip4 to);
/* Creates and boots the VM on a node. */
struct vm_instance *fixture_boot(struct fixture *fixture, uint32_t node);
/* Pauses an instance, builds another from its state and memory on a node, destroys the first, and resumes the other after `pause_ns` in all.
 * Asserts that the comparison found nothing. */
struct vm_instance *fixture_move(struct fixture *fixture, struct vm_instance *from, uint32_t node,
                                 sim_time pause_ns);

/* Records of a kind so far, and the nth of them (from 0) or NULL. */
uint32_t fixture_count(const struct fixture *fixture, enum vm_record kind);
const struct fixture_record *fixture_find(const struct fixture *fixture, enum vm_record kind,
                                          uint32_t nth);

/* Random numbers for tests: splitmix64. */
uint64_t fixture_random(uint64_t *state);
uint64_t fixture_below(uint64_t *state, uint64_t bound);

#endif
