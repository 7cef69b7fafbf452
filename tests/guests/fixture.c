#include "fixture.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define PORTS 8u

uint64_t fixture_random(uint64_t *state)
{
    uint64_t z = *state += UINT64_C(0x9e3779b97f4a7c15);
    z = (z ^ z >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ z >> 27) * UINT64_C(0x94d049bb133111eb);
    return z ^ z >> 31;
}

uint64_t fixture_below(uint64_t *state, uint64_t bound)
{
    return fixture_random(state) % bound;
}

static void hear(void *context, const struct record *record)
{
    struct fixture *fixture = context;
    if (record->kind < fixture->vms.record_base ||
        record->kind >= fixture->vms.record_base + VM_RECORD_KINDS) {
        return;
    }
    if (fixture->record_count == fixture->record_capacity) {
        fixture->record_capacity = 2 * fixture->record_capacity + 1024;
        fixture->records =
            realloc(fixture->records, fixture->record_capacity * sizeof *fixture->records);
        cr_assert(fixture->records != NULL);
    }
    struct fixture_record *copy = &fixture->records[fixture->record_count++];
    copy->time = record->time;
    copy->kind = record->kind - fixture->vms.record_base;
    copy->origin = record->origin;
    memcpy(copy->values, record->values, sizeof copy->values);
    (void)snprintf(copy->text, sizeof copy->text, "%s", record->text);
}

struct ip4 fixture_client_address(uint32_t client)
{
    return (struct ip4){UINT32_C(0x0a000001) + client};
}

struct ip4 fixture_vm_address(void)
{
    return (struct ip4){UINT32_C(0x0a000064)};
}

static uint32_t origin(struct fixture *fixture, const char *format, uint32_t number)
{
    char path[64];
    (void)snprintf(path, sizeof path, format, number);
    return sim_origin_add(fixture->sim, path);
}

static void add_client(struct fixture *fixture, uint32_t i, const uint32_t origins[3])
{
    struct fixture_client *client = &fixture->clients[i];
    const struct mac mac = {UINT64_C(0x020000000001) + i};
    const struct link_options link = {.rate_bps = UINT64_C(1000000000), .delay_ns = 5 * SIM_US};
    client->fixture = fixture;
    client->machine = machine_new(fixture->sim, NULL, origins[0]);
    client->nic =
        nic_new(&fixture->net,
                &(struct nic_options){
                    .machine = client->machine, .origin = origins[0], .mac = mac, .mtu = 1500});
    client->stack = ip_stack_new(&fixture->net, client->machine, origins[0]);
    client->tcp = tcp_layer_new(client->stack, &tcp_profile_linux);
    client->up = link_new(&fixture->net, origins[1], &link, (struct frame_sink){NULL, NULL});
    client->down = link_new(&fixture->net, origins[2], &link, nic_wire_side(client->nic));
    uint32_t port = ether_switch_add_port(fixture->lan, link_entrance(client->down));
    link_connect(client->up, ether_switch_port(fixture->lan, port));
    nic_connect_link(client->nic, client->up);
    uint32_t interface =
        ip_stack_add_interface(client->stack, &(struct ip_interface_options){
                                                  .mac = mac,
                                                  .address = fixture_client_address(i),
                                                  .prefix_bits = 24,
                                                  .mtu = 1500,
                                                  .out = nic_machine_side(client->nic),
                                              });
    nic_connect_in(client->nic, ip_stack_sink(client->stack, interface));
    machine_power_on(client->machine);
}

static void on_node(void *context, enum machine_news news)
{
    struct fixture_node *node = context;
    core_set_on_news(node->cores, news);
}

static void add_node(struct fixture *fixture, uint32_t i, uint32_t node_origin,
                     uint64_t memory_bytes)
{
    struct fixture_node *node = &fixture->nodes[i];
    node->machine = machine_new(fixture->sim, NULL, node_origin);
    node->switches[0] = fixture->lan;
    node->host = (struct vm_host){
        .world = &fixture->vms,
        .machine = node->machine,
        .origin = node_origin,
        .memory = host_memory_new(fixture->pages, memory_bytes),
        .paging = i == 0 ? SECOND_LEVEL_EPT : SECOND_LEVEL_NPT,
        .dirty_log = i == 0 ? DIRTY_LOG_PML : DIRTY_LOG_WRITE_PROTECT,
        .switches = node->switches,
        .paces = node->paces,
        .switch_count = 1,
    };
    vm_host_init(&node->host);
    node->cores = core_set_new(node->machine, FIXTURE_CORES);
    node->host.cores.set = node->cores;
    machine_watch(node->machine, on_node, node);
    machine_power_on(node->machine);
}

struct fixture *fixture_new(const struct guest_spec *guest, uint64_t memory_bytes)
{
    struct fixture *fixture = calloc(1, sizeof *fixture);
    cr_assert(fixture != NULL);
    fixture->sim = sim_new(&(struct sim_options){.seed = 7});
    fixture->pages = page_pool_new();
    fixture->recorder = recorder_new(fixture->sim);
    uint32_t lan = origin(fixture, "lan", 0);
    uint32_t clients[FIXTURE_CLIENTS][3], nodes[FIXTURE_NODES];
    for (uint32_t i = 0; i < FIXTURE_CLIENTS; i++) {
        clients[i][0] = origin(fixture, "client%u", i);
        clients[i][1] = origin(fixture, "client%u/lan>", i);
        clients[i][2] = origin(fixture, "client%u/lan<", i);
    }
    for (uint32_t i = 0; i < FIXTURE_NODES; i++) {
        nodes[i] = origin(fixture, "node%u", i);
    }
    for (uint32_t i = 0; i < FIXTURE_ACTIONS; i++) {
        fixture->actions[i] = origin(fixture, "action%u", i);
    }
    uint32_t web = origin(fixture, "web", 0);
    sim_origins_seal(fixture->sim);
    net_init(&fixture->net, fixture->sim, fixture->recorder, fixture->pages);
    if (guest != NULL) {
        fixture->spec = (struct vm_spec){
            .name = "web", .origin = web, .vcpus = 1, .guest = *guest, .nic_count = 1};
        fixture->spec.nics[0].mac = (struct mac){UINT64_C(0x020000000064)};
        fixture->spec.nics[0].address = fixture_vm_address();
        fixture->spec.nics[0].prefix_bits = 24;
        fixture->spec.nics[0].mtu = 1500;
    }
    vm_world_init(&fixture->vms, &fixture->net, &fixture->spec, guest != NULL);
    recorder_listen(fixture->recorder, SIM_NONE, hear, fixture);
    fixture->lan = ether_switch_new(&fixture->net, lan, PORTS, ETHER_SWITCH_AGEING_NS);
    for (uint32_t i = 0; i < FIXTURE_CLIENTS; i++) {
        add_client(fixture, i, clients[i]);
    }
    for (uint32_t i = 0; i < FIXTURE_NODES; i++) {
        add_node(fixture, i, nodes[i], memory_bytes);
    }
    return fixture;
}

void fixture_free(struct fixture *fixture)
{
    vm_world_close(&fixture->vms);
    for (uint32_t i = 0; i < FIXTURE_NODES; i++) {
        struct fixture_node *node = &fixture->nodes[i];
        vm_host_close(&node->host);
        machine_unwatch(node->machine, on_node, node);
        core_set_free(node->cores);
        cr_assert_eq(host_memory_free_bytes(node->host.memory),
                     host_memory_bytes(node->host.memory));
        host_memory_free(node->host.memory);
        machine_free(node->machine);
    }
    for (uint32_t i = 0; i < FIXTURE_CLIENTS; i++) {
        struct fixture_client *client = &fixture->clients[i];
        tcp_layer_free(client->tcp);
        ip_stack_free(client->stack);
        nic_free(client->nic);
        link_free(client->up);
        link_free(client->down);
        machine_free(client->machine);
    }
    ether_switch_free(fixture->lan);
    net_close(&fixture->net);
    recorder_close(fixture->recorder);
    cr_assert_eq(page_pool_live(fixture->pages), 0);
    page_pool_close(fixture->pages);
    sim_close(fixture->sim);
    free(fixture->records);
    free(fixture);
}

static void nothing(void *context)
{
    (void)context;
}

void fixture_run(struct fixture *fixture, sim_time until)
{
    /* Something that happens then, so that time goes on when everything stands still. */
    (void)sim_call_at(fixture->sim, fixture->actions[0], until, nothing, NULL);
    (void)sim_run(fixture->sim, until);
    for (uint32_t i = 0; i < FIXTURE_CLIENTS; i++) {
        tcp_layer_check(fixture->clients[i].tcp);
        machine_check(fixture->clients[i].machine);
    }
    struct vm_instance *newest = fixture->vms.instances;
    if (newest != NULL) {
        guest_check(vm_instance_guest(newest));
        vm_memory_check(vm_instance_memory(newest));
        tcp_layer_check(vm_instance_tcp(newest));
    }
}

/* ---- ends of traffic ------------------------------------------------------------------------------ */

static struct ip_stack *client_stack(void *context)
{
    struct fixture_client *client = context;
    return client->stack;
}

static struct machine *client_machine(void *context)
{
    struct fixture_client *client = context;
    return client->machine;
}

static struct vm_instance *current(struct fixture *fixture)
{
    return vm_world_current(&fixture->vms, &fixture->spec);
}

static struct ip_stack *vm_stack(void *context)
{
    struct vm_instance *instance = current(context);
    return instance != NULL ? vm_instance_stack(instance) : NULL;
}

static struct machine *vm_machine(void *context)
{
    struct vm_instance *instance = current(context);
    return instance != NULL ? vm_instance_machine(instance) : NULL;
}

struct traffic_end fixture_client_end(struct fixture *fixture, uint32_t client)
{
    return (struct traffic_end){client_stack, client_machine, &fixture->clients[client]};
}

struct traffic_end fixture_vm_end(struct fixture *fixture)
{
    return (struct traffic_end){vm_stack, vm_machine, fixture};
}

struct traffic_common fixture_common(struct fixture *fixture, uint32_t action,
                                     struct traffic_end from, struct ip4 to)
{
    return (struct traffic_common){
        .net = &fixture->net,
        .record_base = fixture->vms.record_base,
        .origin = fixture->actions[action],
        .from = from,
        .to = to,
    };
}

/* ---- VMs -------------------------------------------------------------------------------------------- */

struct vm_instance *fixture_boot(struct fixture *fixture, uint32_t node)
{
    struct vm_instance *instance;
    cr_assert_eq(vm_instance_create(&fixture->nodes[node].host, &fixture->vms.specs[0], &instance),
                 VM_OK);
    cr_assert_eq(vm_instance_boot(instance), VM_OK);
    return instance;
}

struct vm_instance *fixture_move(struct fixture *fixture, struct vm_instance *from, uint32_t node,
                                 sim_time pause_ns)
{
    struct vm_instance *to;
    struct state_writer writer;
    cr_assert_eq(vm_instance_pause(from), VM_OK);
    state_writer_init(&writer);
    cr_assert_eq(vm_instance_save(from, &writer), VM_OK);
    sim_time now = sim_now(fixture->sim);
    fixture_run(fixture, now + pause_ns / 2);
    cr_assert_eq(vm_instance_create(&fixture->nodes[node].host, &fixture->vms.specs[0], &to),
                 VM_OK);
    cr_assert_eq(vm_instance_load(to, writer.bytes, writer.length), VM_OK);
    for (uint64_t i = 0; i < fixture->spec.guest.page_count; i++) {
        struct page page = vm_memory_peek(vm_instance_memory(from), i);
        vm_memory_put(vm_instance_memory(to), i, page_ref(fixture->pages, page));
    }
    fixture_run(fixture, now + pause_ns);
    uint32_t compared = fixture_count(fixture, VM_COMPARED);
    cr_assert_eq(vm_instance_resume(to), VM_OK);
    const struct fixture_record *record = fixture_find(fixture, VM_COMPARED, compared);
    cr_assert(record != NULL);
    cr_assert_eq(record->values[2], 0, "pages differ");
    cr_assert_eq(record->values[4], 0, "the state differs");
    cr_assert_eq(record->values[5], 1, "nothing was compared");
    vm_instance_destroy(from);
    state_writer_close(&writer);
    return to;
}

/* ---- records ------------------------------------------------------------------------------------------ */

uint32_t fixture_count(const struct fixture *fixture, enum vm_record kind)
{
    uint32_t count = 0;
    for (uint32_t i = 0; i < fixture->record_count; i++) {
        count += fixture->records[i].kind == (uint32_t)kind;
    }
    return count;
}

const struct fixture_record *fixture_find(const struct fixture *fixture, enum vm_record kind,
                                          uint32_t nth)
{
    for (uint32_t i = 0; i < fixture->record_count; i++) {
        if (fixture->records[i].kind == (uint32_t)kind && nth-- == 0) {
            return &fixture->records[i];
        }
    }
    return NULL;
}
