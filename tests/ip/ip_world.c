#include "ip_world.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void world_hears(void *context, const struct record *record)
{
    struct world *world = context;
    cr_assert(world->record_count < WORLD_RECORDS_MAX);
    struct world_record *copy = &world->records[world->record_count++];
    copy->time = record->time;
    copy->kind = record->kind - world->net.record_base;
    copy->origin = record->origin;
    memcpy(copy->values, record->values, sizeof copy->values);
    (void)snprintf(copy->text, sizeof copy->text, "%s", record->text);
}

static void world_sees(void *context, const struct frame *frame, sim_time at, bool delivered)
{
    struct world_traffic *sent = context;
    (void)at;
    (void)delivered;
    if (frame->ether_type == ETHER_IPV4) {
        sent->ipv4++;
    } else if (frame->arp.operation == 2) {
        sent->arp_replies++;
    } else if (mac_is_group(frame->destination)) {
        sent->arp_broadcasts++;
    } else {
        sent->arp_probes++;
    }
}

struct ip4 world_address(uint32_t host)
{
    return (struct ip4){UINT32_C(0x0a000001) + host};
}

struct mac world_mac(uint32_t host)
{
    return (struct mac){UINT64_C(0x020000000001) + host};
}

static uint32_t world_origin(struct world *world, const char *format, uint32_t number)
{
    char path[64];
    (void)snprintf(path, sizeof path, format, number);
    return sim_origin_add(world->sim, path);
}

static void world_add_host(struct world *world, const struct world_options *options, uint32_t i)
{
    struct world_host *host = &world->host[i];
    struct nic_options nic = {
        .machine = host->machine,
        .origin = host->nic_origin,
        .mac = world_mac(i),
        .mtu = options->mtu,
        .ring_frames = options->ring_frames,
    };
    host->nic = nic_new(&world->net, &nic);
    host->stack = ip_stack_new(&world->net, host->machine, host->machine_origin);
    struct ip_interface_options interface = {
        .mac = world_mac(i),
        .address = world_address(i),
        .prefix_bits = 24,
        .mtu = options->mtu,
        .out = nic_machine_side(host->nic),
    };
    uint32_t number = ip_stack_add_interface(host->stack, &interface);
    nic_connect_in(host->nic, ip_stack_sink(host->stack, number));
}

static void world_wire(struct world *world, const struct world_options *options)
{
    for (uint32_t i = 0; i < options->hosts; i++) {
        struct world_host *host = &world->host[i];
        nic_connect_link(host->nic, host->up);
        link_set_tap(host->up, world_sees, &host->sent);
        if (options->cable) {
            link_connect(host->up, nic_wire_side(world->host[1 - i].nic));
        } else {
            uint32_t port = ether_switch_add_port(world->ether_switch, link_entrance(host->down));
            link_connect(host->up, ether_switch_port(world->ether_switch, port));
            link_connect(host->down, nic_wire_side(host->nic));
        }
    }
}

struct world *world_new(const struct world_options *options)
{
    struct world *world = calloc(1, sizeof *world);
    cr_assert(world != NULL);
    cr_assert(!options->cable || options->hosts == 2);
    world->hosts = options->hosts;
    world->sim = sim_new(&(struct sim_options){.seed = 1});
    world->pages = page_pool_new();
    world->recorder = recorder_new(world->sim);
    uint32_t switch_origin = sim_origin_add(world->sim, "lan");
    uint32_t up_origin[WORLD_HOSTS_MAX], down_origin[WORLD_HOSTS_MAX];
    for (uint32_t i = 0; i < options->hosts; i++) {
        world->host[i].machine_origin = world_origin(world, "host%u", i);
        world->host[i].nic_origin = world_origin(world, "host%u/lan", i);
        up_origin[i] = world_origin(world, "host%u/lan>", i);
        down_origin[i] = world_origin(world, "host%u/lan<", i);
    }
    sim_origins_seal(world->sim);
    net_init(&world->net, world->sim, world->recorder, world->pages);
    recorder_listen(world->recorder, SIM_NONE, world_hears, world);
    sim_time ageing_ns = options->ageing_ns != 0 ? options->ageing_ns : ETHER_SWITCH_AGEING_NS;
    world->ether_switch = ether_switch_new(&world->net, switch_origin, WORLD_HOSTS_MAX, ageing_ns);
    struct link_options link = {
        .rate_bps = UINT64_C(1000000000), .delay_ns = 5 * SIM_US, .framing = options->framing};
    for (uint32_t i = 0; i < options->hosts; i++) {
        struct world_host *host = &world->host[i];
        host->machine = machine_new(world->sim, NULL, host->machine_origin);
        host->up = link_new(&world->net, up_origin[i], &link, (struct frame_sink){NULL, NULL});
        host->down = link_new(&world->net, down_origin[i], &link, (struct frame_sink){NULL, NULL});
        world_add_host(world, options, i);
        machine_power_on(host->machine);
    }
    world_wire(world, options);
    return world;
}

static void world_check(struct world *world)
{
    for (uint32_t i = 0; i < world->hosts; i++) {
        struct world_host *host = &world->host[i];
        link_check(host->up);
        link_check(host->down);
        nic_check(host->nic);
        ip_stack_check(host->stack);
    }
    ether_switch_check(world->ether_switch);
}

void world_run(struct world *world, sim_time until)
{
    (void)sim_run(world->sim, until);
    world_check(world);
}

void world_free(struct world *world)
{
    for (uint32_t i = 0; i < world->hosts; i++) {
        struct world_host *host = &world->host[i];
        cr_assert(link_audit(host->up));
        cr_assert(link_audit(host->down));
        ip_stack_free(host->stack);
        nic_free(host->nic);
        link_free(host->up);
        link_free(host->down);
        machine_free(host->machine);
    }
    ether_switch_free(world->ether_switch);
    net_close(&world->net);
    recorder_close(world->recorder);
    cr_assert_eq(page_pool_live(world->pages), 0);
    page_pool_close(world->pages);
    sim_close(world->sim);
    free(world);
}

void world_at(struct world *world, sim_time at, sim_callback *callback, void *context)
{
    (void)sim_call_at(world->sim, world->host[0].machine_origin, at, callback, context);
}

uint32_t world_count(const struct world *world, uint32_t kind, const char *text)
{
    uint32_t count = 0;
    for (uint32_t i = 0; i < world->record_count; i++) {
        const struct world_record *record = &world->records[i];
        if (record->kind == kind && (text == NULL || strcmp(record->text, text) == 0)) {
            count++;
        }
    }
    return count;
}

const struct world_record *world_find(const struct world *world, uint32_t kind, uint32_t nth)
{
    for (uint32_t i = 0; i < world->record_count; i++) {
        if (world->records[i].kind == kind && nth-- == 0) {
            return &world->records[i];
        }
    }
    return NULL;
}
