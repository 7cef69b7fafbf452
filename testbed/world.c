#include "testbed/world.h"

#include "cluster/migration_records.h"
#include "sim/assert.h"
#include "testbed/sweep_point.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define FIBER_STACK_BYTES (64u * 1024)
#define PATH_BYTES        192u
/* Of a virtual switch: the uplink and the host; each VM may have two instances there for a while. */
#define VIRTUAL_PORTS(vms) (2 + 2 * (vms))

static void *take(size_t count, size_t bytes)
{
    void *memory = calloc(count > 0 ? count : 1, bytes);
    SIM_ASSERT(memory != NULL);
    return memory;
}

/* ---- origins (W1) -------------------------------------------------------------------------------------------------------- */

static uint32_t origin_of(struct world *world, const char *path)
{
    uint32_t origin = sim_origin_find(world->sim, path);
    SIM_ASSERT(origin != SIM_NONE);
    return origin;
}

static uint32_t origin_with(struct world *world, const char *name, const char *suffix)
{
    char path[PATH_BYTES];
    snprintf(path, sizeof path, "%s%s", name, suffix);
    return origin_of(world, path);
}

static void add_origin(struct world *world, const char *name, const char *suffix)
{
    char path[PATH_BYTES];
    snprintf(path, sizeof path, "%s%s", name, suffix);
    sim_origin_add(world->sim, path);
}

static void add_origins(struct world *world)
{
    const struct scenario *scenario = world->scenario;
    sim_origin_add(world->sim, "(timeline)");
    for (uint32_t i = 0; i < scenario->network_count; i++) {
        add_origin(world, scenario->networks[i].name, "");
    }
    for (uint32_t i = 0; i < scenario->node_count; i++) {
        add_origin(world, scenario->nodes[i].name, "");
    }
    for (uint32_t i = 0; i < scenario->client_count; i++) {
        add_origin(world, scenario->clients[i].name, "");
    }
    for (uint32_t i = 0; i < scenario->vm_count; i++) {
        add_origin(world, scenario->vms[i].name, "");
    }
    for (uint32_t i = 0; i < scenario->link_count; i++) {
        add_origin(world, scenario->links[i].name, "");
        add_origin(world, scenario->links[i].name, ">");
        add_origin(world, scenario->links[i].name, "<");
        add_origin(world, scenario->links[i].name, "/switch");
    }
    for (uint32_t i = 0; i < scenario->item_count; i++) {
        add_origin(world, scenario->timeline[i].name, "");
    }
    sim_origins_seal(world->sim);
    world->control_origin = origin_of(world, "(timeline)");
    world->action_origins = take(scenario->item_count, sizeof *world->action_origins);
    for (uint32_t i = 0; i < scenario->item_count; i++) {
        world->action_origins[i] = origin_of(world, scenario->timeline[i].name);
    }
}

/* ---- addresses ----------------------------------------------------------------------------------------------------------- */

/* The next address of a network, and the MAC that goes with it: 02 (locally administered), the network, the host. */
static struct ip4 next_address(struct world *world, uint32_t network, struct mac *mac)
{
    const struct scenario_subnet *subnet = &world->scenario->networks[network].subnet;
    uint32_t host = ++world->networks[network].next_host;
    SIM_ASSERT(host < (UINT32_C(1) << (32 - subnet->prefix)) - 1);
    mac->v = UINT64_C(2) << 40 | (uint64_t)(network & 0xffff) << 24 | host;
    return (struct ip4){subnet->address + host};
}

static struct link_options link_options_of(const struct scenario_network *network)
{
    return (struct link_options){
        .rate_bps = (uint64_t)network->rate_bps,
        .delay_ns = network->delay_ns,
        .framing = network->framing == SCENARIO_PPP ? LINK_PPP : LINK_ETHERNET,
        .queue_bytes_max = (uint64_t)network->queue_bytes,
    };
}

/* ---- TCP profiles --------------------------------------------------------------------------------------------------------- */

static const struct tcp_profile *profile_of(struct world *world, uint32_t slot,
                                            const struct scenario_tcp *tcp)
{
    static const struct tcp_profile *const profiles[] = {
        [SCENARIO_TCP_LINUX] = &tcp_profile_linux,
        [SCENARIO_TCP_WINDOWS] = &tcp_profile_windows,
        [SCENARIO_TCP_RFC6298] = &tcp_profile_rfc6298,
    };
    struct tcp_profile *profile = &world->profiles[slot];
    *profile = *profiles[tcp->profile];
    profile->congestion = tcp->congestion == SCENARIO_RENO ? TCP_RENO : TCP_CUBIC;
    if (tcp->rto_initial_ns != QUANTITY_ABSENT) {
        profile->rto_initial_ns = tcp->rto_initial_ns;
    }
    if (tcp->rto_min_ns != QUANTITY_ABSENT) {
        profile->rto_min_ns = tcp->rto_min_ns;
    }
    if (tcp->rto_max_ns != QUANTITY_ABSENT) {
        profile->rto_max_ns = tcp->rto_max_ns;
    }
    if (tcp->send_buffer_bytes != QUANTITY_ABSENT) {
        profile->send_buffer_bytes = (uint64_t)tcp->send_buffer_bytes;
    }
    if (tcp->receive_buffer_bytes != QUANTITY_ABSENT) {
        profile->receive_buffer_bytes = (uint64_t)tcp->receive_buffer_bytes;
    }
    return profile;
}

/* ---- machines and their NICs ----------------------------------------------------------------------------------------------- */

static uint32_t find_link(const struct world *world, struct scenario_part machine, uint32_t nic)
{
    for (uint32_t i = 0; i < world->scenario->link_count; i++) {
        const struct scenario_link *link = &world->scenario->links[i];
        if (link->machine.kind == machine.kind && link->machine.index == machine.index &&
            link->nic == nic) {
            return i;
        }
    }
    SIM_ASSERT(false && "a machine has a link for each NIC");
    return SIM_NONE;
}

/* The NIC first, so that it hears of power before what stands on it; its wire comes when all NICs are there. */
static void add_nic(struct world *world, struct world_machine *m, struct scenario_part part,
                    uint32_t nic, struct mac mac)
{
    uint32_t index = find_link(world, part, nic);
    struct world_link *link = &world->links[index];
    const struct scenario_network *network = &world->scenario->networks[m->networks[nic]];
    link->nic =
        nic_new(&world->net, &(struct nic_options){
                                 .machine = m->machine,
                                 .origin = origin_of(world, world->scenario->links[index].name),
                                 .mac = mac,
                                 .mtu = (uint32_t)network->mtu_bytes,
                             });
    m->links[nic] = link;
}

/* Puts the stack on the NIC, or both on a virtual switch where VMs share it. */
static void add_interface(struct world *world, struct world_machine *m, struct scenario_part part,
                          uint32_t nic, struct mac mac)
{
    const struct scenario_network *network = &world->scenario->networks[m->networks[nic]];
    struct world_link *link = m->links[nic];
    struct frame_sink out = nic_machine_side(link->nic);
    uint32_t host_port = SIM_NONE;
    if (m->node != NULL && world->networks[m->networks[nic]].has_vms) {
        uint32_t index = find_link(world, part, nic);
        uint32_t origin = origin_with(world, world->scenario->links[index].name, "/switch");
        link->virtual_switch = ether_switch_new(
            &world->net, origin, VIRTUAL_PORTS(world->scenario->vm_count), network->ageing_ns);
        m->switches[m->networks[nic]] = link->virtual_switch;
        uint32_t uplink = ether_switch_add_port(link->virtual_switch, nic_machine_side(link->nic));
        nic_connect_in(link->nic, ether_switch_port(link->virtual_switch, uplink));
        nic_set_promiscuous(link->nic, true);
        host_port = ether_switch_add_port(link->virtual_switch, (struct frame_sink){NULL, NULL});
        out = ether_switch_port(link->virtual_switch, host_port);
    }
    uint32_t interface =
        ip_stack_add_interface(m->stack, &(struct ip_interface_options){
                                             .mac = mac,
                                             .address = m->addresses[nic],
                                             .prefix_bits = (uint8_t)network->subnet.prefix,
                                             .mtu = (uint32_t)network->mtu_bytes,
                                             .out = out,
                                         });
    if (host_port == SIM_NONE) {
        nic_connect_in(link->nic, ip_stack_sink(m->stack, interface));
    } else {
        ether_switch_set_out(link->virtual_switch, host_port, ip_stack_sink(m->stack, interface));
    }
}

static void on_power(void *context, enum machine_news news);

static void add_machine(struct world *world, struct world_machine *m, struct scenario_part part,
                        const char *name, const struct scenario_indices *nics,
                        const struct tcp_profile *profile, const struct scenario_clock *clock)
{
    struct mac macs[64];
    SIM_ASSERT(nics->count <= 64);
    m->world = world;
    m->name = name;
    m->origin = origin_of(world, name);
    m->machine = machine_new(world->sim, NULL, m->origin);
    machine_set_drift(m->machine, (int32_t)clock->drift_ppb);
    machine_step_wall_clock(m->machine, clock->offset_ns);
    m->link_count = nics->count;
    m->networks = nics->items;
    m->links = take(nics->count, sizeof(struct world_link *));
    m->addresses = take(nics->count, sizeof *m->addresses);
    m->switches = take(world->scenario->network_count, sizeof *m->switches);
    m->paces = take(world->scenario->network_count, sizeof *m->paces);
    for (uint32_t i = 0; i < nics->count; i++) {
        m->addresses[i] = next_address(world, nics->items[i], &macs[i]);
        add_nic(world, m, part, i, macs[i]);
    }
    m->stack = ip_stack_new(&world->net, m->machine, m->origin);
    m->tcp = tcp_layer_new(m->stack, profile);
    for (uint32_t i = 0; i < nics->count; i++) {
        add_interface(world, m, part, i, macs[i]);
    }
}

/* ---- nodes -------------------------------------------------------------------------------------------------------------------- */

static enum dirty_log_mechanism mechanism_of(enum scenario_dirty_log dirty_log)
{
    switch (dirty_log) {
    case SCENARIO_DIRTY_BITS:
        return DIRTY_LOG_DIRTY_BITS;
    case SCENARIO_PML:
        return DIRTY_LOG_PML;
    case SCENARIO_WRITE_PROTECT:
    case SCENARIO_DIRTY_LOG_AUTO:
        break;
    }
    return DIRTY_LOG_WRITE_PROTECT;
}

static void add_node(struct world *world, uint32_t index)
{
    const struct scenario_node *node = &world->scenario->nodes[index];
    struct world_machine *m = &world->nodes[index];
    m->node = node;
    add_machine(world, m, (struct scenario_part){SCENARIO_NODE, index}, node->name, &node->nics,
                profile_of(world, index, &node->tcp), &node->clock);
    m->memory = host_memory_new(world->pages, (uint64_t)node->memory_bytes);
    m->vm_host = (struct vm_host){
        .world = &world->vms,
        .machine = m->machine,
        .origin = m->origin,
        .memory = m->memory,
        .paging = node->paging == SCENARIO_NPT ? SECOND_LEVEL_NPT : SECOND_LEVEL_EPT,
        .dirty_log = mechanism_of(node->dirty_log),
        .switches = m->switches,
        .paces = m->paces,
        .switch_count = world->scenario->network_count,
    };
    vm_host_init(&m->vm_host);
    m->tasks = task_host_new(m->machine, (uint32_t)node->cores, world->stacks);
    m->vm_host.cores.set = task_host_cores(m->tasks);
    m->side = rt_side_new(&(struct rt_side_options){
        .machine = m->machine,
        .tasks = m->tasks,
        .recorder = world->recorder,
        .pages = world->pages,
        .record_kinds = migration_record_kinds,
        .record_kind_count = MIGRATION_RECORDS,
        .record_base = world->migration_record_base,
    });
    rt_streams_attach(m->side, m->stack);
    rt_vms_attach(m->side, &m->vm_host, NULL);
    machine_watch(m->machine, on_power, m);
}

/* A node's software starts with its power (W3) and is gone without it; so are the tables of its virtual switches. */
static void on_power(void *context, enum machine_news news)
{
    struct world_machine *m = context;
    if (news == MACHINE_POWERED_ON) {
        const struct scenario_migration_rules *rules = &m->node->migration;
        struct migration_settings settings = {.max_per_pair = (uint32_t)rules->max_per_pair,
                                              .setup_ns = rules->setup_ns,
                                              .switch_over_ns = rules->switch_over_ns,
                                              .clean_up_ns = rules->clean_up_ns};
        m->migration = migration_service_start(&m->side->rt, &settings);
    } else if (news == MACHINE_CRASHED) {
        m->migration = NULL;
        m->frozen = false;
        for (uint32_t i = 0; i < m->link_count; i++) {
            if (m->links[i]->virtual_switch != NULL) {
                ether_switch_forget(m->links[i]->virtual_switch);
            }
        }
    }
}

/* ---- networks ------------------------------------------------------------------------------------------------------------------- */

static void wire_to_switch(struct world *world, uint32_t index)
{
    const struct scenario_link *part = &world->scenario->links[index];
    const struct scenario_network *network = &world->scenario->networks[part->network];
    struct ether_switch *ether_switch = world->networks[part->network].ether_switch;
    struct world_link *link = &world->links[index];
    struct link_options options = link_options_of(network);
    link->to = link_new(&world->net, origin_with(world, part->name, "<"), &options,
                        nic_wire_side(link->nic));
    link->owns_to = true;
    link->switch_port = ether_switch_add_port(ether_switch, link_entrance(link->to));
    SIM_ASSERT(link->switch_port != SIM_NONE);
    link->from = link_new(&world->net, origin_with(world, part->name, ">"), &options,
                          ether_switch_port(ether_switch, link->switch_port));
    nic_connect_link(link->nic, link->from);
}

static void wire_cable(struct world *world, uint32_t network_index)
{
    struct world_link *ends[2] = {NULL, NULL};
    const char *names[2] = {NULL, NULL};
    uint32_t count = 0;
    for (uint32_t i = 0; i < world->scenario->link_count; i++) {
        if (world->scenario->links[i].network == network_index) {
            SIM_ASSERT(count < 2);
            ends[count] = &world->links[i];
            names[count++] = world->scenario->links[i].name;
        }
    }
    struct link_options options = link_options_of(&world->scenario->networks[network_index]);
    for (uint32_t i = 0; i < count; i++) {
        SIM_ASSERT(count == 2);
        ends[i]->from = link_new(&world->net, origin_with(world, names[i], ">"), &options,
                                 nic_wire_side(ends[1 - i]->nic));
        nic_connect_link(ends[i]->nic, ends[i]->from);
        ends[1 - i]->to = ends[i]->from;
    }
}

static void add_networks(struct world *world)
{
    const struct scenario *scenario = world->scenario;
    world->networks = take(scenario->network_count, sizeof *world->networks);
    world->links = take(scenario->link_count, sizeof *world->links);
    for (uint32_t i = 0; i < scenario->network_count; i++) {
        world->networks[i].origin = origin_of(world, scenario->networks[i].name);
        if (scenario->networks[i].kind == SCENARIO_SWITCH) {
            world->networks[i].ether_switch =
                ether_switch_new(&world->net, world->networks[i].origin, scenario->link_count + 1,
                                 scenario->networks[i].ageing_ns);
        }
    }
    for (uint32_t i = 0; i < scenario->vm_count; i++) {
        for (uint32_t n = 0; n < scenario->vms[i].nics.count; n++) {
            world->networks[scenario->vms[i].nics.items[n]].has_vms = true;
        }
    }
}

/* What a machine sends waits in its sockets, not in its NIC; so do its guests' bytes. */
static void tell_of_wires(struct world_machine *m)
{
    for (uint32_t i = 0; i < m->link_count; i++) {
        const struct wire_pace *pace = link_pace(m->links[i]->from);
        ip_stack_set_pace(m->stack, i, pace);
        m->paces[m->networks[i]] = pace;
    }
}

static void wire(struct world *world)
{
    for (uint32_t i = 0; i < world->scenario->link_count; i++) {
        if (world->networks[world->scenario->links[i].network].ether_switch != NULL) {
            wire_to_switch(world, i);
        }
    }
    for (uint32_t i = 0; i < world->scenario->network_count; i++) {
        if (world->networks[i].ether_switch == NULL) {
            wire_cable(world, i);
        }
    }
    for (uint32_t i = 0; i < world->scenario->node_count; i++) {
        tell_of_wires(&world->nodes[i]);
    }
    for (uint32_t i = 0; i < world->scenario->client_count; i++) {
        tell_of_wires(&world->clients[i]);
    }
}

/* ---- VMs ------------------------------------------------------------------------------------------------------------------------- */

static uint64_t share_of(uint64_t pages, int64_t ppb)
{
    return (uint64_t)((run_hash_product)pages * (uint64_t)ppb / (uint64_t)QUANTITY_WHOLE_PPB);
}

static void fill_loads(struct guest_load *out, const struct scenario_load *loads, uint32_t count)
{
    static const enum guest_order orders[] = {
        [SCENARIO_UNIFORM] = GUEST_UNIFORM,
        [SCENARIO_SEQUENTIAL] = GUEST_SEQUENTIAL,
        [SCENARIO_ZIPF] = GUEST_ZIPF,
    };
    for (uint32_t i = 0; i < count; i++) {
        out[i] = (struct guest_load){
            .first_page = (uint64_t)loads[i].start_bytes / PAGE_BYTES,
            .page_count = (uint64_t)loads[i].pages_bytes / PAGE_BYTES,
            .touches_per_hour = (uint64_t)loads[i].touch_per_hour,
            .order = orders[loads[i].order],
            .page_class = loads[i].page_class == SCENARIO_PAGES_COMPRESSIBLE ? PAGE_COMPRESSIBLE
                                                                             : PAGE_RANDOM,
        };
    }
}

static void fill_nics(struct world *world, struct vm_spec *spec, const struct scenario_vm *vm)
{
    SIM_ASSERT(vm->nics.count <= VM_NICS_MAX);
    spec->nic_count = vm->nics.count;
    for (uint32_t i = 0; i < vm->nics.count; i++) {
        const struct scenario_network *network = &world->scenario->networks[vm->nics.items[i]];
        spec->nics[i].network = vm->nics.items[i];
        spec->nics[i].address = next_address(world, vm->nics.items[i], &spec->nics[i].mac);
        spec->nics[i].prefix_bits = (uint8_t)network->subnet.prefix;
        spec->nics[i].mtu = (uint32_t)network->mtu_bytes;
    }
}

/* Loads and services of all VMs lie one after the other in two arrays. */
static void fill_spec(struct world *world, uint32_t index, struct guest_load **load,
                      struct guest_service **service)
{
    const struct scenario_vm *vm = &world->scenario->vms[index];
    const struct scenario_guest *guest = &vm->guest;
    struct vm_spec *spec = &world->vm_specs[index];
    uint64_t pages = (uint64_t)vm->memory_bytes / PAGE_BYTES;
    uint32_t profile = world->scenario->node_count + world->scenario->client_count + index;
    spec->name = vm->name;
    spec->origin = origin_of(world, vm->name);
    spec->vcpus = (uint32_t)vm->vcpus;
    fill_nics(world, spec, vm);
    spec->guest.number = index;
    spec->guest.page_count = pages;
    spec->guest.vcpus = spec->vcpus;
    spec->guest.load_ppb = guest->load_ppb;
    spec->guest.zero_pages = share_of(pages, guest->content.zero_ppb);
    spec->guest.compressible_pages = share_of(pages, guest->content.compressible_ppb);
    spec->guest.tcp = profile_of(world, profile, &guest->tcp);
    spec->guest.writers = *load;
    spec->guest.writer_count = guest->writer_count;
    fill_loads(*load, guest->writers, guest->writer_count);
    *load += guest->writer_count;
    spec->guest.readers = *load;
    spec->guest.reader_count = guest->read_count;
    fill_loads(*load, guest->reads, guest->read_count);
    *load += guest->read_count;
    spec->guest.services = *service;
    spec->guest.service_count = guest->service_count;
    for (uint32_t i = 0; i < guest->service_count; i++) {
        *(*service)++ =
            (struct guest_service){(uint16_t)guest->services[i].port, guest->services[i].work_ns};
    }
    struct scenario_replay replay;
    if (scenario_guest_replay(guest, &replay)) {
        spec->guest.replay = (struct guest_replay){
            .trace = world->traces[index],
            .speed_ppb = (uint64_t)replay.speed_ppb,
            .start_ns = replay.start_ns,
            .first_page = (uint64_t)replay.offset_bytes / PAGE_BYTES,
            .copies = (uint32_t)replay.copies,
            .page_class =
                replay.page_class == SCENARIO_PAGES_COMPRESSIBLE ? PAGE_COMPRESSIBLE : PAGE_RANDOM,
        };
    }
}

static void add_vms(struct world *world)
{
    const struct scenario *scenario = world->scenario;
    uint32_t loads = 0, services = 0;
    for (uint32_t i = 0; i < scenario->vm_count; i++) {
        loads += scenario->vms[i].guest.writer_count + scenario->vms[i].guest.read_count;
        services += scenario->vms[i].guest.service_count;
    }
    world->vm_specs = take(scenario->vm_count, sizeof *world->vm_specs);
    world->loads = take(loads, sizeof *world->loads);
    world->services = take(services, sizeof *world->services);
    struct guest_load *load = world->loads;
    struct guest_service *service = world->services;
    for (uint32_t i = 0; i < scenario->vm_count; i++) {
        fill_spec(world, i, &load, &service);
    }
    vm_world_init(&world->vms, &world->net, world->vm_specs, scenario->vm_count);
}

/* ---- life --------------------------------------------------------------------------------------------------------------------------- */

struct world *world_new(const struct scenario *scenario, const struct world_inputs *inputs)
{
    struct world *world = take(1, sizeof *world);
    world->scenario = scenario;
    world->traces = inputs->traces;
    world->sim = sim_new(&(struct sim_options){
        .seed = (uint64_t)scenario->seed,
        .ties_shuffle = scenario->ties == SCENARIO_TIES_SHUFFLE,
    });
    world->recorder = recorder_new(world->sim);
    world->pages = page_pool_new();
    world->stacks = fiber_pool_new(FIBER_STACK_BYTES);
    add_origins(world);
    net_init(&world->net, world->sim, world->recorder, world->pages);
    world->record_base = recorder_add_kinds(world->recorder, run_record_kinds, RUN_RECORDS);
    world->migration_record_base =
        rt_side_add_kinds(world->recorder, migration_record_kinds, MIGRATION_RECORDS);
    world->profiles = take(scenario->node_count + scenario->client_count + scenario->vm_count,
                           sizeof *world->profiles);
    world->nodes = take(scenario->node_count, sizeof *world->nodes);
    world->clients = take(scenario->client_count, sizeof *world->clients);
    add_networks(world);
    for (uint32_t i = 0; i < scenario->node_count; i++) {
        add_node(world, i);
    }
    for (uint32_t i = 0; i < scenario->client_count; i++) {
        const struct scenario_client *client = &scenario->clients[i];
        add_machine(world, &world->clients[i], (struct scenario_part){SCENARIO_CLIENT, i},
                    client->name, &client->nics,
                    profile_of(world, scenario->node_count + i, &client->tcp), &client->clock);
    }
    add_vms(world);
    wire(world);
    return world;
}

void world_power_on(struct world *world)
{
    for (uint32_t i = 0; i < world->scenario->node_count; i++) {
        world_set_power(world, (struct scenario_part){SCENARIO_NODE, i}, true, 0);
    }
    for (uint32_t i = 0; i < world->scenario->client_count; i++) {
        world_set_power(world, (struct scenario_part){SCENARIO_CLIENT, i}, true, 0);
    }
    for (uint32_t i = 0; i < world->scenario->vm_count; i++) {
        world_boot_vm(world, i, world->scenario->vms[i].node);
    }
}

bool world_boot_vm(struct world *world, uint32_t vm, uint32_t node)
{
    struct vm_instance *instance = NULL;
    if (!machine_is_on(world->nodes[node].machine) ||
        vm_instance_create(&world->nodes[node].vm_host, &world->vm_specs[vm], &instance) != VM_OK) {
        return false;
    }
    enum vm_error error = vm_instance_boot(instance);
    SIM_ASSERT(error == VM_OK);
    return true;
}

/* ---- parts ---------------------------------------------------------------------------------------------------------------------------- */

struct world_machine *world_machine(struct world *world, struct scenario_part part)
{
    SIM_ASSERT(part.kind == SCENARIO_NODE || part.kind == SCENARIO_CLIENT);
    return part.kind == SCENARIO_NODE ? &world->nodes[part.index] : &world->clients[part.index];
}

struct ip_stack *world_stack(struct world *world, struct scenario_part part)
{
    if (part.kind != SCENARIO_VM) {
        return world_machine(world, part)->stack;
    }
    struct vm_instance *instance = vm_world_current(&world->vms, &world->vm_specs[part.index]);
    return instance != NULL ? vm_instance_stack(instance) : NULL;
}

struct machine *world_clock(struct world *world, struct scenario_part part)
{
    if (part.kind != SCENARIO_VM) {
        return world_machine(world, part)->machine;
    }
    struct vm_instance *instance = vm_world_current(&world->vms, &world->vm_specs[part.index]);
    return instance != NULL ? vm_instance_machine(instance) : NULL;
}

struct ip4 world_address(const struct world *world, struct scenario_part part, uint32_t network)
{
    if (part.kind == SCENARIO_VM) {
        const struct vm_spec *spec = &world->vm_specs[part.index];
        for (uint32_t i = 0; i < spec->nic_count; i++) {
            if (spec->nics[i].network == network) {
                return spec->nics[i].address;
            }
        }
    } else {
        const struct world_machine *m =
            part.kind == SCENARIO_NODE ? &world->nodes[part.index] : &world->clients[part.index];
        for (uint32_t i = 0; i < m->link_count; i++) {
            if (m->networks[i] == network) {
                return m->addresses[i];
            }
        }
    }
    SIM_ASSERT(false && "the part has an address on that network");
    return (struct ip4){0};
}

static void say_state(struct world_machine *m, const char *state, uint64_t cause)
{
    const int64_t values[] = {(int64_t)machine_incarnation(m->machine)};
    world_say(m->world, RUN_MACHINE, m->origin, cause, values, state);
}

void world_set_power(struct world *world, struct scenario_part part, bool on, uint64_t cause)
{
    struct world_machine *m = world_machine(world, part);
    if (machine_is_on(m->machine) == on) {
        return;
    }
    if (on) {
        machine_power_on(m->machine);
    } else {
        m->frozen = false;
        machine_crash(m->machine);
    }
    say_state(m, on ? "on" : "off", cause);
}

void world_set_frozen(struct world *world, struct scenario_part part, bool frozen, uint64_t cause)
{
    struct world_machine *m = world_machine(world, part);
    if (!machine_is_on(m->machine) || m->frozen == frozen) {
        return;
    }
    m->frozen = frozen;
    say_state(m, frozen ? "frozen" : "thawed", cause);
    if (frozen) {
        machine_freeze(m->machine);
    } else {
        machine_thaw(m->machine);
    }
}

void world_migration_peer(const struct world *world, uint32_t node,
                          const struct scenario_indices *networks, uint32_t other,
                          struct migration_peer *out)
{
    const struct scenario *scenario = world->scenario;
    *out = (struct migration_peer){0};
    snprintf(out->name, sizeof out->name, "%s", scenario->nodes[node].name);
    for (uint32_t i = 0; i < networks->count && out->address_count < MIGRATION_ADDRESSES_MAX; i++) {
        bool both = false;
        for (uint32_t a = 0; a < scenario->nodes[node].nics.count; a++) {
            for (uint32_t b = 0; b < scenario->nodes[other].nics.count; b++) {
                both = both || (scenario->nodes[node].nics.items[a] == networks->items[i] &&
                                scenario->nodes[other].nics.items[b] == networks->items[i]);
            }
        }
        if (both) {
            struct ip4 address = world_address(world, (struct scenario_part){SCENARIO_NODE, node},
                                               networks->items[i]);
            out->addresses[out->address_count++] = (struct rt_address){address.v, MIGRATION_PORT};
        }
    }
}

/* ---- the end ---------------------------------------------------------------------------------------------------------------------------- */

static void say_link_totals(struct world *world, const struct link *link)
{
    struct link_statistics s = link_statistics(link);
    const int64_t values[] = {(int64_t)s.frames_delivered,
                              (int64_t)s.bytes_delivered,
                              (int64_t)s.frames_lost,
                              (int64_t)s.queue_bytes_peak,
                              s.busy_ns,
                              link_audit(link)};
    world_say(world, RUN_LINK_TOTALS, link_origin(link), 0, values, "");
}

static void say_vm_totals(struct world *world, struct vm_instance *instance)
{
    struct guest_statistics guest;
    struct vm_memory_statistics memory;
    guest_statistics(vm_instance_guest(instance), &guest);
    vm_memory_statistics(vm_instance_memory(instance), &memory);
    const int64_t values[] = {
        vm_instance_number(instance), (int64_t)guest.stores,  guest.lost_ns,
        (int64_t)memory.write_faults, (int64_t)memory.splits, (int64_t)guest.requests_served};
    world_say(world, RUN_VM_TOTALS, vm_instance_spec(instance)->origin, 0, values, "");
    if (guest.served_ns > 0 || guest.stolen_ns > 0 || guest.loads > 0) {
        const int64_t work[] = {vm_instance_number(instance), guest.work_ns, guest.served_ns,
                                guest.stolen_ns, (int64_t)guest.loads};
        world_say(world, RUN_VM_WORK, vm_instance_spec(instance)->origin, 0, work, "");
    }
}

static void say_node_totals(struct world *world, const struct world_machine *m)
{
    sim_time guests_ns = vm_host_served(&m->vm_host);
    const int64_t values[] = {
        task_host_busy_ns(m->tasks) - guests_ns,
        (int64_t)machine_ledger_blocks(
            m->machine), /* bytes would be sizes of structs, and in the run hash */
        rt_streams_open(m->side),
        (int64_t)rt_page_ledger_held(m->side->page_ledger),
        m->migration != NULL ? migration_service_active(m->migration) : 0,
    };
    world_say(world, RUN_NODE_TOTALS, m->origin, 0, values, "");
    if (guests_ns > 0) {
        world_say(world, RUN_NODE_GUESTS, m->origin, 0, (const int64_t[]){guests_ns}, "");
    }
}

void world_record_totals(struct world *world)
{
    for (uint32_t i = 0; i < world->scenario->link_count; i++) {
        say_link_totals(world, world->links[i].from);
        if (world->links[i].owns_to) {
            say_link_totals(world, world->links[i].to);
        }
    }
    for (uint32_t i = 0; i < world->scenario->vm_count; i++) {
        struct vm_instance *instance = vm_world_current(&world->vms, &world->vm_specs[i]);
        if (instance != NULL) {
            say_vm_totals(world, instance);
        }
    }
    for (uint32_t i = 0; i < world->scenario->node_count; i++) {
        say_node_totals(world, &world->nodes[i]);
    }
}

static void free_machine(struct world_machine *m)
{
    if (machine_is_on(m->machine)) {
        machine_crash(m->machine);
    }
    if (m->node != NULL) {
        machine_unwatch(m->machine, on_power, m);
        rt_streams_detach(m->side);
        rt_vms_detach(m->side);
        rt_side_free(m->side);
        vm_host_close(&m->vm_host);
        task_host_free(m->tasks);
        host_memory_free(m->memory);
    }
    tcp_layer_free(m->tcp);
    ip_stack_free(m->stack);
    for (uint32_t i = 0; i < m->link_count; i++) {
        nic_free(m->links[i]->nic);
        if (m->links[i]->virtual_switch != NULL) {
            ether_switch_free(m->links[i]->virtual_switch);
        }
    }
    machine_free(m->machine);
    free(m->links);
    free(m->addresses);
    free(m->switches);
    free(m->paces);
}

void world_take_down(struct world *world)
{
    for (uint32_t i = 0; i < world->scenario->client_count; i++) {
        free_machine(&world->clients[i]);
    }
    for (uint32_t i = 0; i < world->scenario->node_count; i++) {
        free_machine(&world->nodes[i]);
    }
    vm_world_close(&world->vms);
    for (uint32_t i = 0; i < world->scenario->link_count; i++) {
        link_free(world->links[i].from);
        if (world->links[i].owns_to) {
            link_free(world->links[i].to);
        }
    }
    for (uint32_t i = 0; i < world->scenario->network_count; i++) {
        if (world->networks[i].ether_switch != NULL) {
            ether_switch_free(world->networks[i].ether_switch);
        }
    }
    const int64_t values[] = {frame_pool_live(world->net.frames), page_pool_live(world->pages),
                              fiber_pool_live(world->stacks),
                              (int64_t)sim_events_queued(world->sim)};
    world_say(world, RUN_LEAKS, world->control_origin, 0, values, "");
}

void world_close(struct world *world)
{
    net_close(&world->net);
    fiber_pool_close(world->stacks);
    recorder_close(world->recorder);
    sweep_point_free(world->sweep_point);
    page_pool_close(world->pages);
    sim_close(world->sim);
    free(world->networks);
    free(world->links);
    free(world->nodes);
    free(world->clients);
    free(world->vm_specs);
    free(world->loads);
    free(world->services);
    free(world->profiles);
    free(world->action_origins);
    free(world);
}
