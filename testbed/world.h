/* testbed/world.h - a scenario, built: machines, networks, VMs and node software, wired and powered on.
 *
 *     node stack ──┐                         ┌── switch ── (other machines)
 *     VM's vNIC ───┤ virtual switch ── NIC ══╡
 *     VM's vNIC ───┘                         └── or, on a cable, the other NIC
 *
 * A node has a virtual switch on each network on which some VM of the scenario has a NIC; on the others its stack sits on the NIC itself.
 *
 *  W1. Origins are all made before anything is armed: every part and action of the scenario, both directions of each link.
 *  W2. Everything here is taken down in the reverse order; after world_close no frame, page, fiber or timer is alive (the
 *      oracle "leaks" looks).
 *  W3. A node's software starts when the node is powered on, and again after each reboot. */
#ifndef ORRERY_TESTBED_WORLD_H
#define ORRERY_TESTBED_WORLD_H

#include "cluster/migration_service.h"
#include "nic/ether_switch.h"
#include "nic/link.h"
#include "nic/rt_streams.h"
#include "sim/fiber.h"
#include "sim/task.h"
#include "testbed/run_records.h"
#include "testbed/scenario.h"
#include "vm/rt_vms.h"

/* A wire between a NIC and its switch or the other NIC. */
struct world_link {
    struct link *from; /* what the NIC sends: "node1/lan>" */
    struct link *to;   /* towards the NIC: "node1/lan<"; on a cable the other NIC's `from` */
    struct nic *nic;
    struct ether_switch *virtual_switch; /* of the node on this network, or NULL */
    uint32_t switch_port;
    bool owns_to;
};

/* A node or a client. */
struct world_machine {
    struct world *world;
    const char *name;
    uint32_t origin;
    struct machine *machine;
    struct ip_stack *stack;
    struct tcp_layer *tcp;
    struct world_link **links; /* by position in the machine's nics */
    uint32_t link_count;
    struct ip4 *addresses;    /* the same */
    const uint32_t *networks; /* the same */
    bool frozen;
    /* nodes only */
    const struct scenario_node *node;
    struct task_host *tasks;
    struct host_memory *memory;
    struct ether_switch **switches; /* by network */
    const struct wire_pace **paces; /* by network: of the NIC's wire */
    struct vm_host vm_host;
    struct rt_side *side;
    struct migration_service *migration; /* NULL while the node is off */
};

struct world_network {
    uint32_t origin;
    struct ether_switch *ether_switch; /* NULL: a cable */
    uint32_t next_host;                /* addresses given out so far */
    bool has_vms;
};

struct world {
    const struct scenario *scenario;
    struct sim *sim;
    struct recorder *recorder;
    struct page_pool *pages;
    struct net net;
    struct fiber_pool *stacks;
    uint32_t record_base;           /* of run_record_kinds */
    uint32_t migration_record_base; /* of migration_record_kinds */
    uint32_t control_origin;        /* "(timeline)" */
    struct world_network *networks;
    struct world_link *links; /* as scenario->links */
    struct world_machine *nodes, *clients;
    struct vm_world vms;
    struct vm_spec *vm_specs;
    struct guest_load *loads;
    struct guest_service *services;
    struct page_trace **traces;      /* by VM; NULL for none */
    struct tcp_profile *profiles;    /* nodes, clients, VMs */
    uint32_t *action_origins;        /* by item of the timeline */
    struct sweep_point *sweep_point; /* of the timeline, where the scenario sweeps */
};

/* Traces that the scenario names, read before the run: by VM, NULL for none. Borrowed for the life of the world. */
struct world_inputs {
    struct page_trace **traces;
};

/* Builds everything; nothing is powered on. The scenario and the inputs are borrowed. */
struct world *world_new(const struct scenario *scenario, const struct world_inputs *inputs);
/* Powers on all machines and boots all VMs, at time 0. */
void world_power_on(struct world *world);
/* Builds an instance of a VM on a node and boots it; false where the node is off or refuses. */
bool world_boot_vm(struct world *world, uint32_t vm, uint32_t node);
/* Writes the totals that stand at the end of a recording. */
void world_record_totals(struct world *world);
/* Takes everything down but kernel, recorder and pools, and records RUN_LEAKS. */
void world_take_down(struct world *world);
void world_close(struct world *world);

struct world_machine *world_machine(struct world *world,
                                    struct scenario_part part); /* node or client */
/* The stack of a node, client or VM now, or NULL. */
struct ip_stack *world_stack(struct world *world, struct scenario_part part);
/* Whose clock paces what a part does: of a VM without an instance, NULL. */
struct machine *world_clock(struct world *world, struct scenario_part part);
/* A part's address on a network; it has one there (the scenario is checked). */
struct ip4 world_address(const struct world *world, struct scenario_part part, uint32_t network);
/* Freezes or thaws; powers on, off: with the record that says so, and its cause. */
void world_set_power(struct world *world, struct scenario_part part, bool on, uint64_t cause);
void world_set_frozen(struct world *world, struct scenario_part part, bool frozen, uint64_t cause);
/* What node software is told of a node: its name, and its addresses on those networks, in order. */
void world_migration_peer(const struct world *world, uint32_t node,
                          const struct scenario_indices *networks, uint32_t other,
                          struct migration_peer *out);
static inline uint64_t world_say(struct world *world, enum run_record kind, uint32_t origin,
                                 uint64_t cause, const int64_t *values, const char *text)
{
    return recorder_record(world->recorder, world->record_base + kind, origin, cause, values, text);
}

#endif
