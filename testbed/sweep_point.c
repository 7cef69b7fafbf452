#include "testbed/sweep_point.h"

#include "cluster/migration_records.h"
#include "nic/pcap_filter.h"
#include "sim/assert.h"
#include "testbed/fault_trigger.h"
#include "testbed/loader.h"
#include "testbed/world.h"
#include "vm/vm_records.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define WHAT_BYTES 96u
#define STEP_BYTES 32u

struct sweep_point {
    struct world *world;
    const struct scenario_sweep *sweep;
    struct sweep_watch watch;
    void (*strike)(void *context);
    void *context;
    uint64_t count;
    bool struck;
    uint32_t event; /* strikes in the next wave */
    char step[STEP_BYTES];
    /* Frames that are counted for a fault that is none of single frames: a look at both directions of a link. */
    struct pcap_filter *filter;
};

/* ---- what `at` says -------------------------------------------------------------------------------------------------------- */

static const char *after(const char *text, const char *prefix)
{
    size_t length = strlen(prefix);
    return strncmp(text, prefix, length) == 0 ? text + length : NULL;
}

static bool is_kind(const char *name, struct nearest_word *nearest)
{
    const struct {
        const struct record_kind *kinds;
        uint32_t count;
    } tables[] = {{net_record_kinds, NET_RECORD_KINDS},
                  {vm_record_kinds, VM_RECORD_KINDS},
                  {run_record_kinds, RUN_RECORDS}};
    bool found = false;
    for (size_t t = 0; t < sizeof tables / sizeof *tables; t++) {
        for (uint32_t i = 0; i < tables[t].count; i++) {
            if (!tables[t].kinds[i].detail) {
                nearest_word_offer(nearest, tables[t].kinds[i].name);
                found = found || strcmp(tables[t].kinds[i].name, name) == 0;
            }
        }
    }
    for (uint32_t i = 0; i < MIGRATION_RECORDS; i++) {
        nearest_word_offer(nearest, migration_record_kinds[i].name);
        found = found || strcmp(migration_record_kinds[i].name, name) == 0;
    }
    return found;
}

static void check_record(struct scenario_sweep *sweep, const char *kind,
                         struct diagnostics *diagnostics)
{
    struct nearest_word nearest;
    char quoted[DIAGNOSTICS_QUOTE_BYTES], hint[DIAGNOSTICS_QUOTE_BYTES];
    nearest_word_init(&nearest, kind);
    sweep->kind = SCENARIO_SWEEP_RECORDS;
    sweep->record = kind;
    if (!is_kind(kind, &nearest)) {
        diagnostics_error(diagnostics, loader_place(sweep->source, "at"),
                          "there is no kind of record %s%s", diagnostics_quote(kind, quoted),
                          nearest_word_hint(&nearest, hint));
    }
}

static void check_frames(const struct scenario *scenario, struct scenario_sweep *sweep,
                         const char *filter, struct diagnostics *diagnostics)
{
    struct source_place place = loader_place(sweep->source, "at");
    sweep->kind = SCENARIO_SWEEP_FRAMES;
    sweep->filter = filter;
    if (sweep->link.kind == SCENARIO_NO_PART && yaml_tree_get(sweep->source, "link") == NULL) {
        sweep->link = sweep->fault.link;
        if (sweep->fault.target != SCENARIO_FAULT_LINK || sweep->fault.links.count > 1) {
            diagnostics_error(diagnostics, place,
                              "'each frame' of which link? Give the sweep a 'link'");
        }
    }
    if (filter != NULL) {
        fault_trigger_check_filter(scenario, filter, sweep->link, place, diagnostics);
    }
}

/* `NAME.step` */
static void check_steps(const struct scenario *scenario, struct scenario_sweep *sweep,
                        const char *name, size_t length, struct diagnostics *diagnostics)
{
    struct nearest_word nearest;
    char quoted[DIAGNOSTICS_QUOTE_BYTES], hint[DIAGNOSTICS_QUOTE_BYTES], wanted[128];
    snprintf(wanted, sizeof wanted, "%.*s", (int)length, name);
    nearest_word_init(&nearest, wanted);
    sweep->kind = SCENARIO_SWEEP_STEPS;
    sweep->action = SIM_NONE;
    for (uint32_t i = 0; i < scenario->item_count; i++) {
        if (scenario->timeline[i].kind == SCENARIO_MIGRATE) {
            nearest_word_offer(&nearest, scenario->timeline[i].name);
            if (strcmp(scenario->timeline[i].name, wanted) == 0) {
                sweep->action = i;
            }
        }
    }
    if (sweep->action == SIM_NONE) {
        diagnostics_error(diagnostics, loader_place(sweep->source, "at"),
                          "no live migration is named %s%s", diagnostics_quote(wanted, quoted),
                          nearest_word_hint(&nearest, hint));
    }
}

/* The fault of a sweep has no trigger but the sweep. */
static void check_fault(struct scenario_sweep *sweep, struct diagnostics *diagnostics)
{
    const struct scenario_fault *fault = &sweep->fault;
    const char *word = fault->nth != QUANTITY_ABSENT               ? "nth"
                       : fault->every_kth != QUANTITY_ABSENT       ? "every-kth"
                       : fault->probability_ppb != QUANTITY_ABSENT ? "probability"
                       : fault->frames != NULL                     ? "frames"
                                                                   : NULL;
    if (word != NULL) {
        diagnostics_error(diagnostics, loader_place(fault->source, word),
                          "the sweep says when its fault strikes; '%s' is for the timeline", word);
    }
}

void sweep_point_check(struct scenario *scenario, struct diagnostics *diagnostics)
{
    struct scenario_sweep *sweep = &scenario->sweep;
    if (sweep->source == NULL || sweep->at == NULL || sweep->fault.source == NULL) {
        return; /* nothing there, or said to be missing */
    }
    sweep->fault = scenario->timeline[sweep->item].action.fault; /* with what its rules decided */
    check_fault(sweep, diagnostics);
    const char *each = after(sweep->at, "each ");
    const char *rest = each != NULL ? each : "";
    const char *dot = strrchr(rest, '.');
    if (strcmp(rest, "frame") == 0) {
        check_frames(scenario, sweep, NULL, diagnostics);
    } else if (after(rest, "frame of ") != NULL) {
        check_frames(scenario, sweep, after(rest, "frame of "), diagnostics);
    } else if (after(rest, "record of ") != NULL) {
        check_record(sweep, after(rest, "record of "), diagnostics);
    } else if (dot != NULL && strcmp(dot, ".step") == 0 && strchr(rest, ' ') == NULL) {
        check_steps(scenario, sweep, rest, (size_t)(dot - rest), diagnostics);
    } else {
        diagnostics_error(diagnostics, loader_place(sweep->source, "at"),
                          "expected 'each frame of FILTER', 'each frame', 'each NAME.step' or "
                          "'each record of KIND'");
    }
    if (sweep->kind != SCENARIO_SWEEP_FRAMES && sweep->link.kind != SCENARIO_NO_PART) {
        diagnostics_error(diagnostics, loader_place(sweep->source, "link"),
                          "'link' goes with 'each frame'");
    }
}

static bool is_of_frames(const struct scenario_fault *fault)
{
    bool all = fault->target == SCENARIO_FAULT_LINK;
    for (uint32_t kind = 0; kind < FAULT_KINDS; kind++) {
        if (fault->value[kind] != QUANTITY_ABSENT && !fault_trigger_suits((enum fault_kind)kind)) {
            all = false;
        }
    }
    return all;
}

bool sweep_point_picks_frames(const struct scenario *scenario, uint32_t item)
{
    const struct scenario_sweep *sweep = &scenario->sweep;
    return sweep->source != NULL && sweep->item == item && sweep->kind == SCENARIO_SWEEP_FRAMES &&
           is_of_frames(&sweep->fault) && sweep->fault.links.count == 1 &&
           sweep->link.index == sweep->fault.link.index;
}

/* ---- coming by points ------------------------------------------------------------------------------------------------------ */

/* Counts a point; true where the fault strikes here. */
static bool pass(struct sweep_point *point, const char *what)
{
    if (point->struck) {
        return false;
    }
    point->count++;
    bool wanted =
        point->sweep->point != QUANTITY_ABSENT && point->count == (uint64_t)point->sweep->point;
    if (!wanted && point->watch.reached != NULL) {
        wanted = point->watch.reached(point->watch.context, point->count, what);
    }
    point->struck = wanted;
    return wanted;
}

static const char *tcp_what(const struct frame *frame)
{
    uint8_t flags = frame->tcp.flags;
    if ((flags & TCP_RST) != 0) {
        return "RST";
    }
    if ((flags & TCP_SYN) != 0) {
        return (flags & TCP_ACK) != 0 ? "SYN-ACK" : "SYN";
    }
    if ((flags & TCP_FIN) != 0) {
        return "FIN";
    }
    return frame->payload_bytes > 0 ? "data" : "ACK";
}

static const char *frame_what(const struct frame *frame)
{
    if (frame->ether_type == ETHER_ARP) {
        return "ARP";
    }
    switch (frame->protocol) {
    case IP_TCP:
        return tcp_what(frame);
    case IP_UDP:
        return "UDP";
    default:
        return "ICMP";
    }
}

bool sweep_point_frame(struct sweep_point *point, const struct frame *frame)
{
    char what[WHAT_BYTES];
    what[0] = 0;
    if (point->watch.reached != NULL && !point->struck) {
        snprintf(what, sizeof what, "%s%s%s", point->step, point->step[0] != 0 ? ": " : "",
                 frame_what(frame));
    }
    return pass(point, what);
}

/* A link asks it as a fault's selector; it takes no frame. */
static bool look_at_frame(void *context, const struct frame *frame)
{
    struct sweep_point *point = context;
    struct world *world = point->world;
    if ((point->filter == NULL || pcap_filter_matches(point->filter, &world->net, frame)) &&
        sweep_point_frame(point, frame)) {
        sim_event_arm(world->sim, point->event, sim_now(world->sim));
    }
    return false;
}

static void on_record(void *context, const struct record *record)
{
    struct sweep_point *point = context;
    char what[WHAT_BYTES];
    if (point->sweep->kind == SCENARIO_SWEEP_STEPS &&
        record->values[0] != (int64_t)point->sweep->action + 1) {
        return;
    }
    snprintf(what, sizeof what, "%s",
             record->text != NULL && record->text[0] != 0 ? record->text : point->sweep->at + 5);
    if (pass(point, what)) {
        sim_event_arm(point->world->sim, point->event, sim_now(point->world->sim));
    }
}

static void on_step(void *context, const struct record *record)
{
    struct sweep_point *point = context;
    snprintf(point->step, sizeof point->step, "%s", record->text);
}

static void on_strike(void *context)
{
    struct sweep_point *point = context;
    point->strike(point->context);
}

/* ---- life -------------------------------------------------------------------------------------------------------------------- */

static void watch_frames(struct sweep_point *point)
{
    struct world *world = point->world;
    const struct scenario *scenario = world->scenario;
    const struct world_link *link = &world->links[point->sweep->link.index];
    uint32_t network = scenario->links[point->sweep->link.index].network;
    char why[256];
    if (point->sweep->filter != NULL) {
        point->filter = pcap_filter_new(
            point->sweep->filter,
            scenario->networks[network].framing == SCENARIO_PPP ? LINK_PPP : LINK_ETHERNET, why,
            sizeof why);
        SIM_ASSERT(point->filter != NULL); /* it was compiled when the scenario was loaded */
    }
    const struct link_fault_setting look = {
        .kind = LINK_LOSS, .selects = look_at_frame, .context = point};
    link_begin_fault(link->from, &look);
    link_begin_fault(link->to, &look);
}

struct sweep_point *sweep_point_new(struct world *world, const struct sweep_watch *watch,
                                    void (*strike)(void *context), void *context)
{
    const struct scenario_sweep *sweep = &world->scenario->sweep;
    SIM_ASSERT(sweep->source != NULL);
    struct sweep_point *point = calloc(1, sizeof *point);
    SIM_ASSERT(point != NULL);
    point->world = world;
    point->sweep = sweep;
    point->watch = watch != NULL ? *watch : (struct sweep_watch){NULL, NULL};
    point->strike = strike;
    point->context = context;
    point->event = sim_event_new(world->sim, world->action_origins[sweep->item], on_strike, point);
    uint32_t step_kind = world->migration_record_base + MIGRATION_STEP;
    recorder_listen(world->recorder, step_kind, on_step, point);
    if (sweep->kind == SCENARIO_SWEEP_STEPS) {
        recorder_listen(world->recorder, step_kind, on_record, point);
    } else if (sweep->kind == SCENARIO_SWEEP_RECORDS) {
        uint32_t kind = recorder_kind_find(world->recorder, sweep->record);
        SIM_ASSERT(kind != SIM_NONE);
        recorder_listen(world->recorder, kind, on_record, point);
    } else if (!sweep_point_picks_frames(world->scenario, sweep->item)) {
        watch_frames(point);
    }
    return point;
}

void sweep_point_stop(struct sweep_point *point)
{
    point->struck = true;
    sim_event_free(point->world->sim, point->event);
    point->event = SIM_NONE;
}

void sweep_point_free(struct sweep_point *point)
{
    if (point != NULL) {
        SIM_ASSERT(point->event == SIM_NONE);
        pcap_filter_free(point->filter);
        free(point);
    }
}

uint64_t sweep_point_count(const struct sweep_point *point)
{
    return point->count;
}
