#include "testbed/scenario_rules.h"

#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "sim/assert.h"
#include "testbed/cpu_table.h"
#include "testbed/expression.h"
#include "testbed/loader.h"
#include "testbed/property_table.h"
#include "testbed/shipped_traces.h"
#include "testbed/timeline_rules.h"
#include "vm/guest.h"

#define PAGE_SIZE_BYTES 4096

/* ---- networks ------------------------------------------------------------------------------------------------------ */

static bool overlap(struct scenario_subnet a, struct scenario_subnet b)
{
    uint32_t prefix = a.prefix < b.prefix ? a.prefix : b.prefix;
    uint32_t mask = ~(UINT32_MAX >> prefix);
    return (a.address & mask) == (b.address & mask);
}

static void decide_subnets(struct scenario *scenario, struct diagnostics *diagnostics)
{
    for (uint32_t i = 0; i < scenario->network_count; i++) {
        struct scenario_network *network = &scenario->networks[i];
        if (network->subnet.prefix != 0) {
            continue;
        }
        if (i >= 255) {
            diagnostics_error(diagnostics, loader_place(network->source, "subnet"),
                              "network '%s' is beyond the 255th, so it needs a subnet of its own",
                              network->name);
            continue;
        }
        network->subnet = (struct scenario_subnet){UINT32_C(10) << 24 | (i + 1) << 16, 16};
    }
    for (uint32_t i = 0; i < scenario->network_count && scenario->network_count <= 1024; i++) {
        for (uint32_t j = 0; j < i; j++) {
            struct scenario_network *a = &scenario->networks[j], *b = &scenario->networks[i];
            if (a->subnet.prefix != 0 && b->subnet.prefix != 0 && overlap(a->subnet, b->subnet)) {
                diagnostics_error(diagnostics, loader_place(b->source, "subnet"),
                                  "the subnets of '%s' and '%s' overlap", a->name, b->name);
            }
        }
    }
}

static void count_nics(const struct scenario_indices *nics, uint32_t *counts)
{
    for (uint32_t i = 0; i < nics->count; i++) {
        if (nics->items[i] != SIM_NONE) {
            counts[nics->items[i]]++;
        }
    }
}

static void check_networks(struct scenario *scenario, struct diagnostics *diagnostics)
{
    uint32_t *wired = arena_alloc(&scenario->arena, scenario->network_count * sizeof(*wired));
    uint32_t *all = arena_alloc(&scenario->arena, scenario->network_count * sizeof(*all));
    for (uint32_t i = 0; i < scenario->node_count; i++) {
        count_nics(&scenario->nodes[i].nics, wired);
        count_nics(&scenario->nodes[i].nics, all);
    }
    for (uint32_t i = 0; i < scenario->client_count; i++) {
        count_nics(&scenario->clients[i].nics, wired);
        count_nics(&scenario->clients[i].nics, all);
    }
    for (uint32_t i = 0; i < scenario->vm_count; i++) {
        count_nics(&scenario->vms[i].nics, all);
    }
    for (uint32_t i = 0; i < scenario->network_count; i++) {
        const struct scenario_network *network = &scenario->networks[i];
        if (network->kind == SCENARIO_CABLE && wired[i] != 2) {
            diagnostics_error(
                diagnostics, loader_place(network->source, "kind"),
                "the cable '%s' has %u NICs of nodes and clients on it; a cable has two ends",
                network->name, (unsigned)wired[i]);
        }
        /* Network and broadcast address are nobody's. */
        uint32_t hosts =
            network->subnet.prefix == 0 ? UINT32_MAX : (UINT32_MAX >> network->subnet.prefix) - 1;
        if (all[i] > hosts) {
            diagnostics_error(diagnostics, loader_place(network->source, "subnet"),
                              "'%s' has %u NICs and its subnet %u addresses", network->name,
                              (unsigned)all[i], (unsigned)hosts);
        }
    }
}

/* ---- machines ------------------------------------------------------------------------------------------------------ */

static void check_whole_pages(const struct yaml_node *source, const char *key, int64_t bytes,
                              struct diagnostics *diagnostics)
{
    char size[QUANTITY_TEXT_BYTES];
    if (bytes != QUANTITY_ABSENT && bytes % PAGE_SIZE_BYTES != 0) {
        diagnostics_error(diagnostics, loader_place(source, key),
                          "%s: %s is not a whole number of pages of 4KiB", key,
                          quantity_print(QUANTITY_SIZE, bytes, size));
    }
}

static void check_tcp(const struct scenario_tcp *tcp, struct diagnostics *diagnostics)
{
    if (tcp->rto_min_ns != QUANTITY_ABSENT && tcp->rto_max_ns != QUANTITY_ABSENT &&
        tcp->rto_min_ns > tcp->rto_max_ns) {
        diagnostics_error(diagnostics, loader_place(tcp->source, "rto-min"),
                          "rto-min is above rto-max");
    }
}

static void decide_node(struct scenario_node *node, struct diagnostics *diagnostics)
{
    const char *refused = cpu_table_refuses_paging(node->cpu, node->paging);
    if (refused != NULL) {
        diagnostics_error(diagnostics, loader_place(node->source, "paging"),
                          "'%s' cannot have paging: %s; %s", node->name,
                          scenario_paging_word(node->paging), refused);
        return;
    }
    if (node->paging == SCENARIO_PAGING_AUTO) {
        node->paging = cpu_table_paging(node->cpu);
    }
    refused = cpu_table_refuses_dirty_log(node->cpu, node->paging, node->dirty_log);
    if (refused != NULL) {
        diagnostics_error(diagnostics, loader_place(node->source, "dirty-log"),
                          "'%s' cannot have dirty-log: %s; %s", node->name,
                          scenario_dirty_log_word(node->dirty_log), refused);
        return;
    }
    if (node->dirty_log == SCENARIO_DIRTY_LOG_AUTO) {
        node->dirty_log = cpu_table_dirty_log(node->cpu, node->paging);
    }
}

static void check_machines(struct scenario *scenario, struct diagnostics *diagnostics)
{
    for (uint32_t i = 0; i < scenario->node_count; i++) {
        struct scenario_node *node = &scenario->nodes[i];
        decide_node(node, diagnostics);
        check_whole_pages(node->source, "memory", node->memory_bytes, diagnostics);
        check_tcp(&node->tcp, diagnostics);
    }
    for (uint32_t i = 0; i < scenario->client_count; i++) {
        check_tcp(&scenario->clients[i].tcp, diagnostics);
    }
}

/* ---- VMs ----------------------------------------------------------------------------------------------------------- */

static bool has_nic(const struct scenario_indices *nics, uint32_t network)
{
    for (uint32_t i = 0; i < nics->count; i++) {
        if (nics->items[i] == network) {
            return true;
        }
    }
    return false;
}

static void check_vm_fits(struct scenario *scenario, struct diagnostics *diagnostics)
{
    char need[QUANTITY_TEXT_BYTES], have[QUANTITY_TEXT_BYTES];
    int64_t *used = arena_alloc(&scenario->arena, scenario->node_count * sizeof(*used));
    bool *reported = arena_alloc(&scenario->arena, scenario->node_count * sizeof(*reported));
    for (uint32_t i = 0; i < scenario->vm_count; i++) {
        const struct scenario_vm *vm = &scenario->vms[i];
        if (vm->node == SIM_NONE || vm->memory_bytes == QUANTITY_ABSENT ||
            scenario->nodes[vm->node].memory_bytes == QUANTITY_ABSENT) {
            continue;
        }
        const struct scenario_node *node = &scenario->nodes[vm->node];
        used[vm->node] += vm->memory_bytes;
        quantity_print(QUANTITY_SIZE, node->memory_bytes, have);
        if (vm->memory_bytes > node->memory_bytes) {
            diagnostics_error(diagnostics, loader_place(vm->source, "memory"),
                              "'%s' has %s of memory and its node '%s' %s", vm->name,
                              quantity_print(QUANTITY_SIZE, vm->memory_bytes, need), node->name,
                              have);
            reported[vm->node] = true;
        }
    }
    for (uint32_t i = 0; i < scenario->node_count; i++) {
        const struct scenario_node *node = &scenario->nodes[i];
        if (node->memory_bytes != QUANTITY_ABSENT && used[i] > node->memory_bytes && !reported[i]) {
            diagnostics_error(diagnostics, loader_place(node->source, "memory"),
                              "the VMs that start on '%s' have %s of memory and it has %s",
                              node->name, quantity_print(QUANTITY_SIZE, used[i], need),
                              quantity_print(QUANTITY_SIZE, node->memory_bytes, have));
        }
    }
}

static void check_loads(const struct scenario_vm *vm, const struct scenario_load *loads,
                        uint32_t count, struct diagnostics *diagnostics)
{
    for (uint32_t i = 0; i < count; i++) {
        const struct scenario_load *load = &loads[i];
        check_whole_pages(load->source, "pages", load->pages_bytes, diagnostics);
        check_whole_pages(load->source, "start", load->start_bytes, diagnostics);
        if (load->pages_bytes != QUANTITY_ABSENT && load->start_bytes != QUANTITY_ABSENT &&
            vm->memory_bytes != QUANTITY_ABSENT &&
            load->start_bytes + load->pages_bytes > vm->memory_bytes) {
            char size[QUANTITY_TEXT_BYTES];
            diagnostics_error(diagnostics, loader_place(load->source, "pages"),
                              "this range ends beyond the memory of '%s' (%s)", vm->name,
                              quantity_print(QUANTITY_SIZE, vm->memory_bytes, size));
        }
    }
}

static void check_trace(const struct scenario *scenario, const struct scenario_vm *vm,
                        bool ignore_files, struct diagnostics *diagnostics)
{
    const struct scenario_trace *trace = &vm->guest.trace;
    char path[PATH_MAX], quoted[DIAGNOSTICS_QUOTE_BYTES];
    if (trace->source == NULL || trace->file == NULL) {
        return;
    }
    check_whole_pages(trace->source, "offset", trace->offset_bytes, diagnostics);
    if (trace->offset_bytes != QUANTITY_ABSENT && vm->memory_bytes != QUANTITY_ABSENT &&
        trace->offset_bytes >= vm->memory_bytes) {
        diagnostics_error(diagnostics, loader_place(trace->source, "offset"),
                          "this is beyond the memory of '%s'", vm->name);
    }
    if (!scenario_path(scenario, trace->file, path, sizeof(path))) {
        diagnostics_error(diagnostics, loader_place(trace->source, "file"), "the path is too long");
    } else if (!ignore_files && access(path, R_OK) != 0) {
        diagnostics_error(diagnostics, loader_place(trace->source, "file"),
                          "the file %s cannot be read (paths are relative to the scenario's)",
                          diagnostics_quote(path, quoted));
    }
}

static void check_like(const struct scenario *scenario, const struct scenario_vm *vm,
                       bool ignore_files, struct diagnostics *diagnostics)
{
    const struct scenario_guest *guest = &vm->guest;
    const struct shipped_trace *shipped = shipped_trace(guest->like);
    char path[PATH_MAX], need[QUANTITY_TEXT_BYTES], have[QUANTITY_TEXT_BYTES];
    struct scenario_replay replay;
    if (shipped == NULL) {
        return;
    }
    if (guest->trace.source != NULL) {
        diagnostics_error(diagnostics, loader_place(guest->source, "trace"),
                          "'like' brings a trace of its own; take one of the two away");
        return;
    }
    if (guest->scale != QUANTITY_ABSENT && vm->memory_bytes != QUANTITY_ABSENT &&
        guest->scale * shipped->memory_bytes > vm->memory_bytes) {
        diagnostics_error(
            diagnostics, loader_place(vm->source, "memory"),
            "'%s' has %s of memory; like %s at scale %lld it needs %s", vm->name,
            quantity_print(QUANTITY_SIZE, vm->memory_bytes, have), shipped->word,
            (long long)guest->scale,
            quantity_print(QUANTITY_SIZE, guest->scale * shipped->memory_bytes, need));
    }
    if (!ignore_files && scenario_guest_replay(guest, &replay) &&
        !scenario_replay_path(scenario, &replay, path, sizeof(path))) {
        diagnostics_error(diagnostics, loader_place(guest->source, "like"),
                          "the trace of '%s' does not lie beside the program: %s is not there",
                          shipped->word, path);
    }
}

static void check_guest(const struct scenario *scenario, const struct scenario_vm *vm,
                        bool ignore_files, struct diagnostics *diagnostics)
{
    const struct scenario_guest *guest = &vm->guest;
    const struct scenario_content *content = &guest->content;
    if (content->zero_ppb != QUANTITY_ABSENT && content->compressible_ppb != QUANTITY_ABSENT &&
        content->zero_ppb + content->compressible_ppb > QUANTITY_WHOLE_PPB) {
        diagnostics_error(diagnostics, loader_place(guest->source, "content"),
                          "zero and compressible are more than 100%% together");
    }
    check_loads(vm, guest->writers, guest->writer_count, diagnostics);
    check_loads(vm, guest->reads, guest->read_count, diagnostics);
    check_trace(scenario, vm, ignore_files, diagnostics);
    check_like(scenario, vm, ignore_files, diagnostics);
    check_tcp(&guest->tcp, diagnostics);
    if (guest->service_count > GUEST_SERVICES_MAX) {
        diagnostics_error(diagnostics, loader_place(guest->source, "services"),
                          "%u services; a guest has at most %u", (unsigned)guest->service_count,
                          GUEST_SERVICES_MAX);
        return;
    }
    for (uint32_t i = 0; i < guest->service_count; i++) {
        for (uint32_t j = 0; j < i; j++) {
            if (guest->services[i].port == guest->services[j].port &&
                guest->services[i].port != QUANTITY_ABSENT) {
                diagnostics_error(diagnostics, loader_place(guest->services[i].source, "port"),
                                  "port %d has a service already", (int)guest->services[i].port);
            }
        }
    }
}

static void check_vms(struct scenario *scenario, bool ignore_files, struct diagnostics *diagnostics)
{
    check_vm_fits(scenario, diagnostics);
    for (uint32_t i = 0; i < scenario->vm_count; i++) {
        const struct scenario_vm *vm = &scenario->vms[i];
        check_whole_pages(vm->source, "memory", vm->memory_bytes, diagnostics);
        check_guest(scenario, vm, ignore_files, diagnostics);
        if (vm->announce.spacing_ns != QUANTITY_ABSENT &&
            vm->announce.spacing_max_ns != QUANTITY_ABSENT &&
            vm->announce.spacing_ns > vm->announce.spacing_max_ns) {
            diagnostics_error(diagnostics, loader_place(vm->announce.source, "spacing"),
                              "spacing is above spacing-max");
        }
        for (uint32_t j = 0; j < vm->nics.count && vm->node != SIM_NONE; j++) {
            uint32_t network = vm->nics.items[j];
            const struct scenario_node *node = &scenario->nodes[vm->node];
            if (network != SIM_NONE && !has_nic(&node->nics, network)) {
                diagnostics_error(diagnostics, loader_place(vm->source, "nics"),
                                  "'%s' has a NIC on '%s', and its node '%s' has none there",
                                  vm->name, scenario->networks[network].name, node->name);
            }
        }
    }
}

/* A table has room for so many columns, and only numbers have a smallest and a largest. */
static void check_report(const struct scenario *scenario, struct diagnostics *diagnostics)
{
    const struct expression *best = scenario->best.of;
    if (scenario->report_count > SCENARIO_COLUMNS_MAX) {
        diagnostics_error(diagnostics, loader_place(scenario->source, "report"),
                          "report: more columns than a table may have (%u)", SCENARIO_COLUMNS_MAX);
    }
    if (best != NULL && best->reference_count == 1 && best->references[0].property != NULL) {
        const struct property_row *row = best->references[0].property;
        if (row->type != PROPERTY_QUANTITY && row->type != PROPERTY_INSTANT) {
            diagnostics_error(diagnostics, best->place,
                              "best: %s is no quantity, and has neither a smallest nor a largest "
                              "value",
                              best->text);
        }
    }
}

void scenario_rules_apply(struct scenario *scenario, bool ignore_files,
                          struct diagnostics *diagnostics)
{
    decide_subnets(scenario, diagnostics);
    check_networks(scenario, diagnostics);
    check_machines(scenario, diagnostics);
    check_vms(scenario, ignore_files, diagnostics);
    timeline_rules_apply(scenario, diagnostics);
    check_report(scenario, diagnostics);
}
