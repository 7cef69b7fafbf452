#include "testbed/timeline_rules.h"

#include <stdlib.h>
#include <string.h>

#include "sim/assert.h"
#include "testbed/expect_rules.h"
#include "testbed/expression.h"
#include "testbed/fault_rules.h"
#include "testbed/loader.h"
#include "testbed/policy_rules.h"
#include "testbed/schema.h"
#include "testbed/sweep_point.h"
#include "testbed/timeline_expand.h"
#include "vm/guest.h"
#include "vm/video.h"

#define END_AFTER_LAST_NS (10 * SIM_S)
#define END_AT_MOST_NS    (3600 * SIM_S)

static bool has_nic(const struct scenario_indices *nics, uint32_t network)
{
    for (uint32_t i = 0; i < nics->count; i++) {
        if (nics->items[i] == network) {
            return true;
        }
    }
    return false;
}

/* Whether all its names were found. Where one was not, what would be said of the list is guesswork. */
static bool is_known(const struct scenario_indices *nics)
{
    return !has_nic(nics, SIM_NONE);
}

/* ---- two ends and the network between them ------------------------------------------------------------------------- */

static void decide_over(const struct scenario *scenario, const struct yaml_node *source,
                        struct scenario_part from, struct scenario_part to, uint32_t *over,
                        struct diagnostics *diagnostics)
{
    if (from.kind == SCENARIO_NO_PART || to.kind == SCENARIO_NO_PART) {
        return;
    }
    const char *from_name = scenario_part_name(scenario, from),
               *to_name = scenario_part_name(scenario, to);
    if (from.kind == to.kind && from.index == to.index) {
        diagnostics_error(diagnostics, loader_place(source, "to"), "both ends are '%s'", to_name);
        return;
    }
    const struct scenario_indices *from_nics = scenario_part_nics(scenario, from);
    const struct scenario_indices *to_nics = scenario_part_nics(scenario, to);
    if (*over != SIM_NONE) {
        const char *network = scenario->networks[*over].name;
        if (!has_nic(from_nics, *over) || !has_nic(to_nics, *over)) {
            diagnostics_error(diagnostics, loader_place(source, "over"), "'%s' has no NIC on '%s'",
                              has_nic(from_nics, *over) ? to_name : from_name, network);
        }
        return;
    }
    if (yaml_tree_get(source, "over") != NULL) {
        return; /* written, unknown, and reported */
    }
    for (uint32_t i = 0; i < from_nics->count; i++) {
        if (from_nics->items[i] != SIM_NONE && has_nic(to_nics, from_nics->items[i])) {
            *over = from_nics->items[i];
            return;
        }
    }
    if (is_known(from_nics) && is_known(to_nics)) {
        diagnostics_error(diagnostics, loader_place(source, "to"),
                          "'%s' and '%s' have no network in common", from_name, to_name);
    }
}

static void decide_bulk(const struct scenario *scenario, struct scenario_bulk *bulk)
{
    static const struct scenario_tcp none = {.congestion = SCENARIO_CUBIC};
    const struct scenario_tcp *tcp = &none;
    if (bulk->from.kind == SCENARIO_NODE) {
        tcp = &scenario->nodes[bulk->from.index].tcp;
    } else if (bulk->from.kind == SCENARIO_CLIENT) {
        tcp = &scenario->clients[bulk->from.index].tcp;
    } else if (bulk->from.kind == SCENARIO_VM) {
        tcp = &scenario->vms[bulk->from.index].guest.tcp;
    }
    bulk->congestion = bulk->congestion_as_written == SCENARIO_BULK_AS_MACHINE ? tcp->congestion
                       : bulk->congestion_as_written == SCENARIO_BULK_RENO     ? SCENARIO_RENO
                                                                               : SCENARIO_CUBIC;
}

__extension__ typedef unsigned __int128 video_product;

int64_t timeline_video_frame_bytes(const struct scenario_video *video)
{
    const video_product hour_bits = (video_product)video->rate_bps * 3600;
    const video_product frame_bits = (video_product)video->frames_per_hour * 8;
    return (int64_t)((hour_bits + frame_bits - 1) / frame_bits);
}

static void check_video(const struct scenario_video *video, struct diagnostics *diagnostics)
{
    char size[QUANTITY_TEXT_BYTES];
    if (video->rate_bps == QUANTITY_ABSENT || video->frames_per_hour == QUANTITY_ABSENT) {
        return;
    }
    int64_t bytes = timeline_video_frame_bytes(video);
    if (bytes < VIDEO_FRAME_BYTES_MIN || bytes > VIDEO_FRAME_BYTES_MAX) {
        diagnostics_error(diagnostics, loader_place(video->source, "rate"),
                          "at this rate and frame-rate a frame is of %s; it may be of 8B to 1GiB",
                          quantity_print(QUANTITY_SIZE, bytes, size));
    }
}

/* ---- migrations ---------------------------------------------------------------------------------------------------- */

static void decide_migration_over(struct scenario *scenario, struct scenario_migrate *migrate,
                                  struct diagnostics *diagnostics)
{
    const struct scenario_vm *vm = &scenario->vms[migrate->vm];
    const struct scenario_node *to = &scenario->nodes[migrate->to];
    if (yaml_tree_get(migrate->source, "over") != NULL) {
        for (uint32_t i = 0; i < migrate->over.count; i++) {
            uint32_t network = migrate->over.items[i];
            if (network != SIM_NONE && !has_nic(&to->nics, network)) {
                diagnostics_error(diagnostics, loader_place(migrate->source, "over"),
                                  "'%s' has no NIC on '%s'", to->name,
                                  scenario->networks[network].name);
            }
        }
        if (migrate->over.count > 0) {
            return;
        }
    }
    migrate->over.items =
        arena_alloc(&scenario->arena, to->nics.count * sizeof(migrate->over.items[0]));
    for (uint32_t shared = 0; shared < 2; shared++) {
        for (uint32_t i = 0; i < to->nics.count; i++) {
            uint32_t network = to->nics.items[i];
            if (network != SIM_NONE && has_nic(&vm->nics, network) == (shared == 1)) {
                migrate->over.items[migrate->over.count++] = network;
            }
        }
    }
    if (migrate->over.count == 0 && is_known(&to->nics)) {
        diagnostics_error(diagnostics, loader_place(migrate->source, "to"),
                          "'%s' has no NIC that a migration could come over", to->name);
    }
}

static void check_migration(struct scenario *scenario, struct scenario_migrate *migrate,
                            struct diagnostics *diagnostics)
{
    if (migrate->vm == SIM_NONE || migrate->to == SIM_NONE) { /* or a drain chooses the target */
        return;
    }
    const struct scenario_vm *vm = &scenario->vms[migrate->vm];
    const struct scenario_node *to = &scenario->nodes[migrate->to];
    decide_migration_over(scenario, migrate, diagnostics);
    for (uint32_t i = 0; i < vm->nics.count; i++) {
        uint32_t network = vm->nics.items[i];
        if (network != SIM_NONE && !has_nic(&to->nics, network)) {
            diagnostics_error(diagnostics, loader_place(migrate->source, "to"),
                              "'%s' has a NIC on '%s', and '%s' has none there", vm->name,
                              scenario->networks[network].name, to->name);
        }
    }
}

/* Whether the first migration of a VM leads to where it is. Later ones are not judged: what came of the first is not known here. */
static void check_first_migrations(struct scenario *scenario, struct diagnostics *diagnostics)
{
    uint32_t *first = arena_alloc(&scenario->arena, scenario->vm_count * sizeof(*first));
    bool *unclear = arena_alloc(&scenario->arena, scenario->vm_count * sizeof(*unclear));
    for (uint32_t i = 0; i < scenario->vm_count; i++) {
        first[i] = SIM_NONE;
    }
    for (uint32_t i = 0; i < scenario->item_count; i++) {
        const struct scenario_item *item = &scenario->timeline[i];
        if (item->kind != SCENARIO_MIGRATE || item->action.migrate.vm == SIM_NONE) {
            continue;
        }
        uint32_t vm = item->action.migrate.vm;
        if (item->trigger != SCENARIO_AT || item->at_ns == QUANTITY_ABSENT) {
            unclear[vm] = true;
        } else if (first[vm] == SIM_NONE || item->at_ns < scenario->timeline[first[vm]].at_ns) {
            first[vm] = i;
        }
    }
    for (uint32_t i = 0; i < scenario->vm_count; i++) {
        if (first[i] == SIM_NONE || unclear[i]) {
            continue;
        }
        const struct scenario_migrate *migrate = &scenario->timeline[first[i]].action.migrate;
        if (migrate->to != SIM_NONE && migrate->to == scenario->vms[i].node) {
            diagnostics_error(diagnostics, loader_place(migrate->source, "to"),
                              "'%s' is on '%s' already", scenario->vms[i].name,
                              scenario->nodes[migrate->to].name);
        }
    }
}

/* ---- faults and power ---------------------------------------------------------------------------------------------- */

static void check_power(const struct scenario *scenario, const struct scenario_power *power,
                        struct diagnostics *diagnostics)
{
    bool of_vm = power->verb == SCENARIO_PAUSE || power->verb == SCENARIO_RESUME;
    if (of_vm && power->machine.kind != SCENARIO_VM && power->machine.kind != SCENARIO_NO_PART) {
        diagnostics_error(
            diagnostics, loader_place(power->source, "do"),
            "only a VM can be paused and resumed, and '%s' is a %s; freeze and thaw stop a host",
            scenario_part_name(scenario, power->machine),
            scenario_part_kind_name(power->machine.kind));
    }
}

/* ---- ports --------------------------------------------------------------------------------------------------------- */

/* A port of a machine that the timeline opens: a bulk receiver and a server cannot both have it. */
struct opened_port {
    struct scenario_part machine;
    int64_t port;
    bool bulk;
    uint32_t item;
};

static int opened_port_compare(const void *a, const void *b)
{
    const struct opened_port *x = a, *y = b;
    if (x->machine.kind != y->machine.kind) {
        return x->machine.kind < y->machine.kind ? -1 : 1;
    }
    if (x->machine.index != y->machine.index) {
        return x->machine.index < y->machine.index ? -1 : 1;
    }
    if (x->port != y->port) {
        return x->port < y->port ? -1 : 1;
    }
    return x->item < y->item ? -1 : x->item > y->item;
}

/* A port that only a request or a video names is served too, without work. */
static void serve(struct scenario *scenario, const struct yaml_node *source,
                  struct scenario_part machine, int64_t port, struct diagnostics *diagnostics)
{
    if (machine.kind != SCENARIO_VM || port == QUANTITY_ABSENT) {
        return;
    }
    struct scenario_guest *guest = &scenario->vms[machine.index].guest;
    bool served = guest->service_count > GUEST_SERVICES_MAX; /* reported where they stand */
    for (uint32_t j = 0; j < guest->service_count; j++) {
        served = served || guest->services[j].port == port;
    }
    if (served) {
        return;
    }
    if (guest->service_count == GUEST_SERVICES_MAX) {
        diagnostics_error(diagnostics, loader_place(source, "port"),
                          "'%s' serves %u other ports already, and cannot serve more",
                          scenario->vms[machine.index].name, GUEST_SERVICES_MAX);
        return;
    }
    struct scenario_service *services =
        arena_alloc(&scenario->arena, (guest->service_count + 1) * sizeof(*services));
    if (guest->service_count > 0) {
        memcpy(services, guest->services, guest->service_count * sizeof(*services));
    }
    services[guest->service_count++] = (struct scenario_service){.source = source, .port = port};
    guest->services = services;
}

static void serve_requests(struct scenario *scenario, struct diagnostics *diagnostics)
{
    for (uint32_t i = 0; i < scenario->item_count; i++) {
        const struct scenario_item *item = &scenario->timeline[i];
        if (item->kind == SCENARIO_REQUEST) {
            const struct scenario_request *request = &item->action.request;
            serve(scenario, request->source, request->to, request->port, diagnostics);
        } else if (item->kind == SCENARIO_VIDEO) {
            const struct scenario_video *video = &item->action.video;
            serve(scenario, video->source, video->from, video->port, diagnostics);
        }
    }
}

static void check_ports(struct scenario *scenario, struct diagnostics *diagnostics)
{
    struct opened_port *ports =
        arena_alloc(&scenario->arena, scenario->item_count * sizeof(*ports));
    uint32_t count = 0;
    for (uint32_t i = 0; i < scenario->item_count; i++) {
        const struct scenario_item *item = &scenario->timeline[i];
        if (item->kind == SCENARIO_REQUEST) {
            ports[count++] =
                (struct opened_port){item->action.request.to, item->action.request.port, false, i};
        } else if (item->kind == SCENARIO_VIDEO) {
            ports[count++] =
                (struct opened_port){item->action.video.from, item->action.video.port, false, i};
        } else if (item->kind == SCENARIO_BULK) {
            ports[count++] =
                (struct opened_port){item->action.bulk.to, item->action.bulk.port, true, i};
        }
    }
    if (count > 0) {
        qsort(ports, count, sizeof(*ports), opened_port_compare);
    }
    for (uint32_t i = 1; i < count; i++) {
        const struct opened_port *a = &ports[i - 1], *b = &ports[i];
        if (a->machine.kind == b->machine.kind && a->machine.index == b->machine.index &&
            a->port == b->port && a->bulk != b->bulk && a->machine.kind != SCENARIO_NO_PART) {
            diagnostics_error(
                diagnostics, scenario->timeline[b->item].source->place,
                "port %d of '%s' serves '%s' already; give one of them another 'port'",
                (int)a->port, scenario_part_name(scenario, a->machine),
                scenario->timeline[a->item].name);
        }
    }
}

/* ---- items --------------------------------------------------------------------------------------------------------- */

static bool is_of(const struct scenario *scenario, const struct scenario_item *item,
                  struct scenario_part part)
{
    return part.kind == SCENARIO_ACTION && scenario->timeline[part.index].source == item->source;
}

static void check_waits_for_itself(const struct scenario *scenario,
                                   const struct scenario_item *item,
                                   struct diagnostics *diagnostics)
{
    bool waits = false;
    const struct expression *when = item->when;
    for (uint32_t i = 0; when != NULL && i < when->reference_count; i++) {
        waits = waits || is_of(scenario, item, when->references[i].part);
    }
    for (uint32_t i = 0; when != NULL && i < when->quantifier_count; i++) {
        for (uint32_t j = 0; j < when->quantifiers[i].part_count; j++) {
            waits = waits || is_of(scenario, item, when->quantifiers[i].parts[j]);
        }
    }
    if (waits) {
        diagnostics_error(diagnostics, when->place, "'%s' waits for itself", item->given);
    }
}

static void check_item(struct scenario *scenario, struct scenario_item *item,
                       struct diagnostics *diagnostics)
{
    switch (item->kind) {
    case SCENARIO_PING: {
        struct scenario_ping *ping = &item->action.ping;
        decide_over(scenario, ping->source, ping->from, ping->to, &ping->over, diagnostics);
        break;
    }
    case SCENARIO_REQUEST: {
        struct scenario_request *request = &item->action.request;
        decide_over(scenario, request->source, request->from, request->to, &request->over,
                    diagnostics);
        break;
    }
    case SCENARIO_BULK: {
        struct scenario_bulk *bulk = &item->action.bulk;
        decide_over(scenario, bulk->source, bulk->from, bulk->to, &bulk->over, diagnostics);
        decide_bulk(scenario, bulk);
        break;
    }
    case SCENARIO_VIDEO: {
        struct scenario_video *video = &item->action.video;
        decide_over(scenario, video->source, video->from, video->to, &video->over, diagnostics);
        check_video(video, diagnostics);
        break;
    }
    case SCENARIO_MIGRATE:
        check_migration(scenario, &item->action.migrate, diagnostics);
        break;
    case SCENARIO_FAULT:
        fault_rules_apply(scenario, &item->action.fault, diagnostics);
        break;
    case SCENARIO_POWER:
        check_power(scenario, &item->action.power, diagnostics);
        break;
    default:
        break;
    }
}

/* ---- end ------------------------------------------------------------------------------------------ */

static void decide_end(struct scenario_end *end, struct diagnostics *diagnostics)
{
    if (end->kind == SCENARIO_END_AT) {
        if (end->at_most_ns != QUANTITY_ABSENT) {
            diagnostics_error(
                diagnostics, loader_place(end->source, "at-most"),
                "'at-most' limits 'when' and 'after-last'; 'at' says the end by itself");
        }
        return;
    }
    if (end->kind == SCENARIO_END_AFTER_LAST && end->after_last_ns == QUANTITY_ABSENT) {
        end->after_last_ns = END_AFTER_LAST_NS;
    }
    if (end->at_most_ns == QUANTITY_ABSENT) {
        end->at_most_ns = END_AT_MOST_NS;
    }
}

void timeline_rules_apply(struct scenario *scenario, struct diagnostics *diagnostics)
{
    for (uint32_t i = 0; i < scenario->item_count; i++) {
        if (scenario->timeline[i].repetition == 1) {
            check_item(scenario, &scenario->timeline[i], diagnostics);
            check_waits_for_itself(scenario, &scenario->timeline[i], diagnostics);
        }
    }
    sweep_point_check(scenario, diagnostics);
    policy_rules_apply(scenario, diagnostics);
    timeline_expand_decided(scenario);
    check_first_migrations(scenario, diagnostics);
    serve_requests(scenario, diagnostics);
    check_ports(scenario, diagnostics);
    decide_end(&scenario->end, diagnostics);
    for (uint32_t i = 0; i < scenario->expect_count; i++) {
        expect_rules_apply(scenario, &scenario->expect[i], diagnostics);
    }
}
