#include "vm/vm_instance.h"

#include "sim/assert.h"
#include "sim/planted.h"

#include <stdlib.h>
#include <string.h>

#define STATE_TAG     UINT32_C(0x4f564d53) /* "OVMS" */
#define STATE_VERSION 1u

struct vm_instance {
    struct vm_instance *next; /* of the world, newest first */
    struct vm_host *host;
    const struct vm_spec *spec;
    uint32_t number;
    uint32_t from; /* instance whose state was loaded; 0: booted here */
    enum vm_instance_state state;
    bool started;        /* its guest has begun */
    bool pages_recorded; /* its page states are asked for */
    uint32_t
        round; /* counts harvests (and the log's start) that pages were taken after; 0: log off */
    bool harvested; /* no page was taken since */
    struct vm_memory *memory;
    struct machine *machine;
    struct ip_stack *stack;
    struct tcp_layer *tcp;
    struct guest *guest;
    struct {
        struct nic *nic;
        struct ether_switch *ether_switch;
        uint32_t port;
    } nics[VM_NICS_MAX];
    uint64_t stores_at_pause;
    int64_t share[GUEST_CPU_TAKERS];
};

const char *vm_error_text(enum vm_error error)
{
    switch (error) {
    case VM_OK:
        return "done";
    case VM_NO_MEMORY:
        return "not enough memory on the host";
    case VM_EXISTS:
        return "a VM of that name is on this host";
    case VM_UNKNOWN:
        return "no such VM";
    case VM_WRONG_STATE:
        return "the VM is in a state that does not allow this";
    case VM_BAD_STATE:
        return "the bytes are not a saved state of this VM";
    case VM_NO_NETWORK:
        return "the host is not on a network that the VM needs";
    }
    return "?";
}

/* ---- the world --------------------------------------------------------------------------------------------------------- */

void vm_world_init(struct vm_world *world, struct net *net, const struct vm_spec *specs,
                   uint32_t spec_count)
{
    *world =
        (struct vm_world){.net = net, .specs = specs, .spec_count = spec_count, .next_instance = 1};
    world->record_base = recorder_add_kinds(net->recorder, vm_record_kinds, VM_RECORD_KINDS);
    world->ran_last = calloc(spec_count > 0 ? spec_count : 1, sizeof(struct vm_host *));
    SIM_ASSERT(world->ran_last != NULL);
}

void vm_world_close(struct vm_world *world)
{
    while (world->instances != NULL) {
        vm_instance_destroy(world->instances);
    }
    free(world->ran_last);
    world->ran_last = NULL;
}

struct vm_host *vm_world_ran_last(const struct vm_world *world, const struct vm_spec *spec)
{
    SIM_ASSERT(spec >= world->specs && spec < world->specs + world->spec_count);
    return world->ran_last[spec - world->specs];
}

const struct vm_spec *vm_world_spec(const struct vm_world *world, const char *name)
{
    for (uint32_t i = 0; i < world->spec_count; i++) {
        if (strcmp(world->specs[i].name, name) == 0) {
            return &world->specs[i];
        }
    }
    return NULL;
}

struct vm_instance *vm_world_current(const struct vm_world *world, const struct vm_spec *spec)
{
    struct vm_instance *newest = NULL;
    for (struct vm_instance *i = world->instances; i != NULL; i = i->next) {
        if (i->spec != spec) {
            continue;
        }
        if (i->state == VM_RUNNING) {
            return i;
        }
        if (newest == NULL || (newest->state == VM_EMPTY && i->state != VM_EMPTY)) {
            newest = i;
        }
    }
    return newest;
}

static void say(const struct vm_instance *instance, enum vm_record kind, const int64_t *values)
{
    const struct vm_world *world = instance->host->world;
    recorder_record(world->net->recorder, world->record_base + kind, instance->spec->origin, 0,
                    values, "");
}

/* ---- page states ------------------------------------------------------------------------------------------------------- */

void vm_world_record_pages(struct vm_world *world, const struct vm_spec *spec)
{
    SIM_ASSERT(world->instances == NULL);
    world->pages_recorded = true;
    world->pages_of = spec;
    for (uint32_t kind = VM_PAGE_DIRTIED; kind <= VM_PAGE_ARRIVED; kind++) {
        recorder_want(world->net->recorder, world->record_base + kind);
    }
}

static bool wants_page(const struct vm_instance *instance, enum vm_record kind)
{
    const struct vm_world *world = instance->host->world;
    return instance->pages_recorded &&
           recorder_wants(world->net->recorder, world->record_base + kind);
}

static void on_dirtied(void *context, uint64_t index)
{
    const struct vm_instance *instance = context;
    if (wants_page(instance, VM_PAGE_DIRTIED)) {
        const int64_t values[] = {instance->number, (int64_t)index};
        say(instance, VM_PAGE_DIRTIED, values);
    }
}

void vm_instance_note_sent(struct vm_instance *instance, uint64_t index, bool zero)
{
    instance->round += instance->harvested;
    instance->harvested = false;
    if (wants_page(instance, VM_PAGE_SENT)) {
        const int64_t values[] = {instance->number, (int64_t)index, instance->round, zero};
        say(instance, VM_PAGE_SENT, values);
    }
}

void vm_instance_note_arrived(const struct vm_instance *instance, uint64_t index, bool zero)
{
    if (wants_page(instance, VM_PAGE_ARRIVED)) {
        const int64_t values[] = {instance->number, (int64_t)index, zero};
        say(instance, VM_PAGE_ARRIVED, values);
    }
}

/* ---- hosts ---------------------------------------------------------------------------------------------------------------- */

struct vm_instance *vm_host_find(struct vm_host *host, const char *name)
{
    for (struct vm_instance *i = host->world->instances; i != NULL; i = i->next) {
        if (i->host == host && strcmp(i->spec->name, name) == 0) {
            return i;
        }
    }
    return NULL;
}

struct vm_instance *vm_host_instance(struct vm_host *host, uint32_t number)
{
    if (host->last != NULL && host->last->number == number) {
        return host->last;
    }
    for (struct vm_instance *i = host->world->instances; i != NULL; i = i->next) {
        if (i->host == host && i->number == number) {
            host->last = i;
            return i;
        }
    }
    return NULL;
}

/* The first instance of a host, or NULL. */
static struct vm_instance *any_instance(const struct vm_host *host)
{
    struct vm_instance *i = host->world->instances;
    while (i != NULL && i->host != host) {
        i = i->next;
    }
    return i;
}

/* Power is lost. The guests' machines have crashed before their host's: only what is built on them is left to take down. */
static void on_host(void *context, enum machine_news news)
{
    struct vm_host *host = context;
    if (news != MACHINE_CRASHED) {
        return;
    }
    for (struct vm_instance *i = any_instance(host); i != NULL; i = any_instance(host)) {
        vm_instance_destroy(i);
    }
    host_memory_reset(host->memory);
}

void vm_host_init(struct vm_host *host)
{
    machine_watch(host->machine, on_host, host);
}

sim_time vm_host_served(const struct vm_host *host)
{
    sim_time served = host->cores.served_ns;
    for (const struct vm_instance *i = host->world->instances; i != NULL; i = i->next) {
        struct guest_statistics statistics;
        guest_statistics(i->guest, &statistics);
        served += i->host == host ? statistics.being_served_ns : 0;
    }
    return served;
}

void vm_host_close(struct vm_host *host)
{
    for (struct vm_instance *i = any_instance(host); i != NULL; i = any_instance(host)) {
        vm_instance_destroy(i);
    }
    machine_unwatch(host->machine, on_host, host);
}

/* ---- building and taking down -------------------------------------------------------------------------------------------- */

static void attach_nic(struct vm_instance *instance, uint32_t index)
{
    const struct vm_nic_spec *spec = &instance->spec->nics[index];
    struct net *net = instance->host->world->net;
    struct ether_switch *ether_switch = instance->host->switches[spec->network];
    struct nic *nic = nic_new(net, &(struct nic_options){
                                       .machine = instance->machine,
                                       .origin = instance->spec->origin,
                                       .mac = spec->mac,
                                       .mtu = spec->mtu,
                                   });
    uint32_t port = ether_switch_add_port(ether_switch, nic_wire_side(nic));
    SIM_ASSERT(port != SIM_NONE);
    nic_connect_out(nic, ether_switch_port(ether_switch, port));
    uint32_t interface =
        ip_stack_add_interface(instance->stack, &(struct ip_interface_options){
                                                    .mac = spec->mac,
                                                    .address = spec->address,
                                                    .prefix_bits = spec->prefix_bits,
                                                    .mtu = spec->mtu,
                                                    .out = nic_machine_side(nic),
                                                    .pace = instance->host->paces[spec->network],
                                                });
    SIM_ASSERT(interface == index);
    nic_connect_in(nic, ip_stack_sink(instance->stack, interface));
    instance->nics[index].nic = nic;
    instance->nics[index].ether_switch = ether_switch;
    instance->nics[index].port = port;
}

static void refuse(struct vm_host *host, const struct vm_spec *spec, enum vm_error error)
{
    const int64_t values[] = {(int64_t)host->origin, (int64_t)spec->guest.page_count};
    recorder_record(host->world->net->recorder, host->world->record_base + VM_REFUSED, spec->origin,
                    0, values, vm_error_text(error));
}

static enum vm_error may_create(struct vm_host *host, const struct vm_spec *spec)
{
    if (vm_host_find(host, spec->name) != NULL) {
        return VM_EXISTS;
    }
    for (uint32_t i = 0; i < spec->nic_count; i++) {
        uint32_t network = spec->nics[i].network;
        if (network >= host->switch_count || host->switches[network] == NULL) {
            return VM_NO_NETWORK;
        }
    }
    return VM_OK;
}

enum vm_error vm_instance_create(struct vm_host *host, const struct vm_spec *spec,
                                 struct vm_instance **out)
{
    struct vm_world *world = host->world;
    enum vm_error error = may_create(host, spec);
    struct vm_memory *memory = NULL;
    if (error == VM_OK) {
        memory = vm_memory_new(&(struct vm_memory_options){
            .host = host->memory,
            .page_count = spec->guest.page_count,
            .format = host->paging,
            .mechanism = host->dirty_log,
        });
        error = memory != NULL ? VM_OK : VM_NO_MEMORY;
    }
    if (error != VM_OK) {
        refuse(host, spec, error);
        return error;
    }
    struct vm_instance *instance = calloc(1, sizeof *instance);
    SIM_ASSERT(instance != NULL);
    instance->host = host;
    instance->spec = spec;
    instance->number = world->next_instance++;
    instance->memory = memory;
    for (uint32_t taker = 0; taker < GUEST_CPU_TAKERS; taker++) {
        instance->share[taker] = GUEST_CPU_WHOLE;
    }
    instance->machine = machine_new(world->net->sim, host->machine, spec->origin);
    instance->stack = ip_stack_new(world->net, instance->machine, spec->origin);
    instance->tcp = tcp_layer_new(instance->stack, spec->guest.tcp);
    for (uint32_t i = 0; i < spec->nic_count; i++) {
        attach_nic(instance, i);
    }
    instance->guest = guest_new(&spec->guest, instance->machine, memory, instance->stack,
                                instance->tcp, &host->cores);
    instance->pages_recorded =
        world->pages_recorded && (world->pages_of == NULL || world->pages_of == spec);
    if (instance->pages_recorded) {
        vm_memory_observe(memory, on_dirtied, instance);
    }
    instance->next = world->instances;
    world->instances = instance;
    const int64_t values[] = {instance->number, (int64_t)host->origin,
                              (int64_t)spec->guest.page_count};
    say(instance, VM_CREATED, values);
    *out = instance;
    return VM_OK;
}

void vm_instance_destroy(struct vm_instance *instance)
{
    struct vm_world *world = instance->host->world;
    struct vm_instance **link = &world->instances;
    while (*link != instance) {
        SIM_ASSERT(*link != NULL);
        link = &(*link)->next;
    }
    *link = instance->next;
    instance->host->last = NULL;
    uint64_t stores = vm_memory_stores(instance->memory);
    bool ran = instance->state == VM_RUNNING;
    const int64_t values[] = {
        instance->number, (int64_t)instance->host->origin, ran,
        instance->state == VM_PAUSED_STATE ? (int64_t)(stores - instance->stores_at_pause) : 0};
    say(instance, VM_GONE, values);
    if (machine_is_on(instance->machine)) {
        machine_crash(instance->machine);
    }
    guest_free(instance->guest);
    tcp_layer_free(instance->tcp);
    for (uint32_t i = 0; i < instance->spec->nic_count; i++) {
        ether_switch_remove_port(instance->nics[i].ether_switch, instance->nics[i].port);
        nic_free(instance->nics[i].nic);
    }
    ip_stack_free(instance->stack);
    machine_free(instance->machine);
    vm_memory_close(instance->memory);
    free(instance);
}

/* ---- running ----------------------------------------------------------------------------------------------------------------- */

static void say_runs(struct vm_instance *instance)
{
    const int64_t values[] = {instance->number, (int64_t)instance->host->origin};
    struct vm_world *world = instance->host->world;
    instance->state = VM_RUNNING;
    world->ran_last[instance->spec - world->specs] = instance->host;
    say(instance, VM_RUNS, values);
}

enum vm_error vm_instance_boot(struct vm_instance *instance)
{
    if (instance->state != VM_EMPTY) {
        return VM_WRONG_STATE;
    }
    guest_fill_memory(&instance->spec->guest, instance->memory);
    machine_power_on(instance->machine);
    say_runs(instance);
    instance->started = true;
    guest_start(instance->guest);
    return VM_OK;
}

enum vm_error vm_instance_pause(struct vm_instance *instance)
{
    if (instance->state != VM_RUNNING) {
        return VM_WRONG_STATE;
    }
    const int64_t values[] = {instance->number, (int64_t)instance->host->origin};
    machine_pause(instance->machine);
    instance->state = VM_PAUSED_STATE;
    instance->stores_at_pause = vm_memory_stores(instance->memory);
    say(instance, VM_PAUSED, values);
    if (SIM_PLANTED(store_after_pause)) { /* one that was on its way to memory */
        (void)vm_memory_store(instance->memory, 0, page_pattern(PAGE_RANDOM, 1));
    }
    return VM_OK;
}

static struct vm_instance *find_number(const struct vm_world *world, uint32_t number)
{
    struct vm_instance *i = world->instances;
    while (i != NULL && i->number != number) {
        i = i->next;
    }
    return i;
}

/* The hardware's own comparison (I3): RAM page by page, and what each would save now. */
static void compare_with_origin(struct vm_instance *instance)
{
    const struct vm_instance *from = find_number(instance->host->world, instance->from);
    uint64_t first = 0, differ = 0;
    bool state_differs = false;
    if (from != NULL) {
        struct state_writer ours, theirs;
        differ = vm_memory_compare(instance->memory, from->memory, &first);
        state_writer_init(&ours);
        state_writer_init(&theirs);
        state_differs = vm_instance_save(instance, &ours) != VM_OK ||
                        vm_instance_save(from, &theirs) != VM_OK || ours.length != theirs.length ||
                        memcmp(ours.bytes, theirs.bytes, ours.length) != 0;
        state_writer_close(&ours);
        state_writer_close(&theirs);
    }
    const int64_t values[] = {instance->number, instance->from, (int64_t)differ,
                              (int64_t)first,   state_differs,  from != NULL};
    say(instance, VM_COMPARED, values);
}

enum vm_error vm_instance_resume(struct vm_instance *instance)
{
    if (instance->state == VM_LOADED) {
        compare_with_origin(instance);
        machine_resume(instance->machine); /* the pause that load left it in */
        say_runs(instance);
        instance->started = true;
        guest_start(instance->guest);
        return VM_OK;
    }
    if (instance->state != VM_PAUSED_STATE) {
        return VM_WRONG_STATE;
    }
    machine_resume(instance->machine);
    say_runs(instance);
    return VM_OK;
}

/* ---- state ---------------------------------------------------------------------------------------------------------------------- */

enum vm_error vm_instance_save(const struct vm_instance *instance, struct state_writer *writer)
{
    if (instance->state != VM_PAUSED_STATE && instance->state != VM_LOADED) {
        return VM_WRONG_STATE;
    }
    size_t section = state_begin_section(writer, STATE_TAG, STATE_VERSION);
    state_put_bytes(writer, instance->spec->name, (uint32_t)strlen(instance->spec->name));
    state_put_u64(writer, instance->spec->guest.page_count);
    state_put_u32(writer, instance->state == VM_LOADED ? instance->from : instance->number);
    state_put_u64(writer, (uint64_t)machine_now(instance->machine));
    guest_save(instance->guest, writer);
    state_end_section(writer, section);
    return VM_OK;
}

enum vm_error vm_instance_load(struct vm_instance *instance, const void *bytes, size_t length)
{
    struct state_reader outer;
    uint32_t name_length = 0;
    if (instance->state != VM_EMPTY) {
        return VM_WRONG_STATE;
    }
    state_reader_init(&outer, bytes, length);
    struct state_reader reader = state_get_section(&outer, STATE_TAG, STATE_VERSION);
    const uint8_t *name = state_get_bytes(&reader, &name_length);
    uint64_t pages = state_get_u64(&reader);
    uint32_t from = state_get_u32(&reader);
    uint64_t now = state_get_u64(&reader);
    if (!state_reader_ok(&reader) || name_length != strlen(instance->spec->name) ||
        memcmp(name, instance->spec->name, name_length) != 0 ||
        pages != instance->spec->guest.page_count || now > INT64_MAX / 2) {
        return VM_BAD_STATE;
    }
    /* It is on, and stands still until it is resumed: its clock goes on from where the other's stopped. */
    machine_power_on(instance->machine);
    machine_pause(instance->machine);
    machine_set_monotonic(instance->machine, (sim_time)now);
    if (!guest_load(instance->guest, &reader) || !state_reader_done(&reader) ||
        !state_reader_done(&outer)) {
        machine_crash(instance->machine);
        return VM_BAD_STATE;
    }
    instance->from = from;
    instance->state = VM_LOADED;
    return VM_OK;
}

/* ---- dirty logging, announcing --------------------------------------------------------------------------------------------------- */

sim_time vm_instance_log(struct vm_instance *instance, bool on)
{
    struct dirty_log *log = vm_memory_log(instance->memory);
    if (dirty_log_is_on(log) == on) {
        return 0;
    }
    const int64_t values[] = {instance->number, on};
    vm_memory_watch(instance->memory, on);
    instance->round = 0;
    instance->harvested = on;
    sim_time cost = on ? dirty_log_start(log) : dirty_log_stop(log);
    say(instance, VM_LOG, values);
    return cost;
}

uint64_t vm_instance_harvest(struct vm_instance *instance, uint64_t *bitmap, sim_time *host_ns)
{
    uint64_t first = 0;
    uint64_t pages = dirty_log_harvest(vm_memory_log(instance->memory), bitmap, host_ns);
    uint64_t missed = vm_memory_witness(instance->memory, bitmap, &first);
    const int64_t values[] = {instance->number, (int64_t)pages, (int64_t)missed, (int64_t)first};
    say(instance, VM_HARVESTED, values);
    instance->harvested = true;
    return pages;
}

static void set_share(struct vm_instance *instance, enum guest_cpu_taker taker, int64_t share_ppb)
{
    if (instance->share[taker] == share_ppb) {
        return;
    }
    instance->share[taker] = share_ppb;
    guest_set_share(instance->guest, taker, share_ppb);
    const int64_t values[] = {instance->number, share_ppb / (GUEST_CPU_WHOLE / 1000)};
    struct vm_world *world = instance->host->world;
    recorder_record(world->net->recorder, world->record_base + VM_THROTTLED, instance->spec->origin,
                    0, values, taker == GUEST_CPU_FAULT ? "a fault" : "the hypervisor");
}

void vm_instance_set_throttle(struct vm_instance *instance, int64_t share_ppb)
{
    set_share(instance, GUEST_CPU_HYPERVISOR, share_ppb);
}

void vm_instance_set_stolen(struct vm_instance *instance, int64_t share_ppb)
{
    set_share(instance, GUEST_CPU_FAULT, share_ppb);
}

void vm_instance_announce(struct vm_instance *instance, const struct ip_announcement *announcement)
{
    const int64_t values[] = {instance->number, (int64_t)instance->host->origin,
                              announcement->count};
    if (announcement->count == 0 || instance->state != VM_RUNNING) {
        return;
    }
    say(instance, VM_ANNOUNCED, values);
    for (uint32_t i = 0; i < instance->spec->nic_count; i++) {
        ip_stack_announce(instance->stack, i, announcement);
    }
}

/* ---- looking ------------------------------------------------------------------------------------------------------------------------ */

const struct vm_spec *vm_instance_spec(const struct vm_instance *instance)
{
    return instance->spec;
}

enum vm_instance_state vm_instance_state(const struct vm_instance *instance)
{
    return instance->state;
}

uint32_t vm_instance_number(const struct vm_instance *instance)
{
    return instance->number;
}

struct vm_host *vm_instance_host(const struct vm_instance *instance)
{
    return instance->host;
}

struct vm_memory *vm_instance_memory(struct vm_instance *instance)
{
    return instance->memory;
}

struct ip_stack *vm_instance_stack(struct vm_instance *instance)
{
    return instance->stack;
}

struct tcp_layer *vm_instance_tcp(struct vm_instance *instance)
{
    return instance->tcp;
}

struct machine *vm_instance_machine(struct vm_instance *instance)
{
    return instance->machine;
}

struct guest *vm_instance_guest(struct vm_instance *instance)
{
    return instance->guest;
}
