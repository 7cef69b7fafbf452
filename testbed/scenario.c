#include "testbed/scenario.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "sim/assert.h"
#include "testbed/name_range.h"
#include "testbed/part_names.h"
#include "testbed/scenario_tree.h"
#include "testbed/shipped_traces.h"

/* ---- loading ------------------------------------------------------------------------------------------------------- */

struct scenario *scenario_load_text(const char *name, const char *text, size_t length,
                                    const struct scenario_options *options,
                                    struct diagnostics *diagnostics)
{
    struct scenario_tree tree;
    scenario_tree_read(&tree, name, text, length, options, diagnostics);
    struct scenario *scenario = NULL;
    if (tree.vary.cell_count > 1 && tree.good) {
        diagnostics_error(diagnostics, tree.vary.place,
                          "this file varies and has %u cells; expected one scenario",
                          (unsigned)tree.vary.cell_count);
    } else {
        scenario = scenario_tree_load(&tree, 0, 0, diagnostics);
    }
    scenario_tree_close(&tree);
    return scenario;
}

struct scenario *scenario_load_file(const char *path, const struct scenario_options *options,
                                    struct diagnostics *diagnostics)
{
    size_t length;
    char *text = scenario_tree_text(path, &length, diagnostics);
    if (text == NULL) {
        return NULL;
    }
    struct scenario_options own = options != NULL ? *options : (struct scenario_options){0};
    char *directory = scenario_tree_directory(path);
    own.directory = own.directory != NULL ? own.directory : directory;
    struct scenario *scenario = scenario_load_text(path, text, length, &own, diagnostics);
    free(directory);
    free(text);
    return scenario;
}

void scenario_free(struct scenario *scenario)
{
    if (scenario != NULL) {
        struct arena arena = scenario->arena;
        arena_close(&arena);
        free(scenario);
    }
}

/* ---- looking things up --------------------------------------------------------------------------------------------- */

struct scenario_part scenario_find(const struct scenario *scenario, const char *name)
{
    const struct scenario_name *entry = part_names_find(scenario, name);
    return entry == NULL ? (struct scenario_part){SCENARIO_NO_PART, SIM_NONE} : entry->part;
}

const char *scenario_part_name(const struct scenario *scenario, struct scenario_part part)
{
    switch (part.kind) {
    case SCENARIO_NETWORK:
        SIM_ASSERT(part.index < scenario->network_count);
        return scenario->networks[part.index].name;
    case SCENARIO_NODE:
        SIM_ASSERT(part.index < scenario->node_count);
        return scenario->nodes[part.index].name;
    case SCENARIO_CLIENT:
        SIM_ASSERT(part.index < scenario->client_count);
        return scenario->clients[part.index].name;
    case SCENARIO_VM:
        SIM_ASSERT(part.index < scenario->vm_count);
        return scenario->vms[part.index].name;
    case SCENARIO_LINK:
        SIM_ASSERT(part.index < scenario->link_count);
        return scenario->links[part.index].name;
    default:
        SIM_ASSERT(part.kind == SCENARIO_ACTION);
        SIM_ASSERT(part.index < scenario->item_count);
        return scenario->timeline[part.index].name;
    }
}

const char *scenario_given_name(const struct scenario *scenario, struct scenario_part part)
{
    return part.kind == SCENARIO_ACTION ? scenario->timeline[part.index].given
                                        : scenario_part_name(scenario, part);
}

const char *scenario_part_kind_name(enum scenario_part_kind kind)
{
    static const char *const names[SCENARIO_PART_KINDS] = {
        "part", "network", "node", "client", "VM", "link", "item of the timeline"};
    SIM_ASSERT(kind < SCENARIO_PART_KINDS);
    return names[kind];
}

const char *scenario_action_word(enum scenario_action_kind kind)
{
    static const char *const words[SCENARIO_ACTIONS] = {
        "item",  "ping",  "request",      "tcp-bulk", "live-migrate", "cancel",
        "fault", "power", "force-resume", "stop",     "video",        "drain"};
    SIM_ASSERT(kind < SCENARIO_ACTIONS);
    return words[kind];
}

const struct scenario_indices *scenario_part_nics(const struct scenario *scenario,
                                                  struct scenario_part machine)
{
    switch (machine.kind) {
    case SCENARIO_NODE:
        SIM_ASSERT(machine.index < scenario->node_count);
        return &scenario->nodes[machine.index].nics;
    case SCENARIO_CLIENT:
        SIM_ASSERT(machine.index < scenario->client_count);
        return &scenario->clients[machine.index].nics;
    default:
        SIM_ASSERT(machine.kind == SCENARIO_VM);
        SIM_ASSERT(machine.index < scenario->vm_count);
        return &scenario->vms[machine.index].nics;
    }
}

uint32_t scenario_link_find(const struct scenario *scenario, struct scenario_part machine,
                            uint32_t network)
{
    for (uint32_t i = 0; i < scenario->link_count; i++) {
        const struct scenario_link *link = &scenario->links[i];
        if (link->machine.kind == machine.kind && link->machine.index == machine.index &&
            link->network == network) {
            return i;
        }
    }
    return SIM_NONE;
}

bool scenario_guest_replay(const struct scenario_guest *guest, struct scenario_replay *out)
{
    const struct shipped_trace *shipped = shipped_trace(guest->like);
    const struct scenario_trace *trace = &guest->trace;
    if (shipped != NULL) {
        static const char *const files[SCENARIO_LIKES] = {
            [SCENARIO_LIKE_REDIS] = "like: redis",   [SCENARIO_LIKE_PGBENCH] = "like: pgbench",
            [SCENARIO_LIKE_SQLITE] = "like: sqlite", [SCENARIO_LIKE_CC1] = "like: cc1",
            [SCENARIO_LIKE_IDLE] = "like: idle",     [SCENARIO_LIKE_BOOT] = "like: boot",
        };
        *out = (struct scenario_replay){
            .file = files[guest->like],
            .like = guest->like,
            .speed_ppb = guest->like_speed_ppb,
            .copies = guest->scale,
            .page_class = shipped->page_class,
        };
        return true;
    }
    if (trace->source == NULL || trace->file == NULL) {
        return false;
    }
    *out = (struct scenario_replay){
        .file = trace->file,
        .speed_ppb = trace->speed_ppb,
        .start_ns = trace->start_ns,
        .offset_bytes = trace->offset_bytes,
        .copies = 1,
        .page_class = trace->page_class,
    };
    return true;
}

bool scenario_replay_path(const struct scenario *scenario, const struct scenario_replay *replay,
                          char *out, size_t capacity)
{
    const struct shipped_trace *shipped = shipped_trace(replay->like);
    return shipped != NULL ? shipped_trace_path(shipped, out, capacity)
                           : scenario_path(scenario, replay->file, out, capacity);
}

bool scenario_path(const struct scenario *scenario, const char *file, char *out, size_t capacity)
{
    int length = file[0] == '/' ? snprintf(out, capacity, "%s", file)
                                : snprintf(out, capacity, "%s/%s", scenario->directory, file);
    return length >= 0 && (size_t)length < capacity;
}

/* ---- invariants ---------------------------------------------------------------------------------------------------- */

static void check_order(const struct scenario *scenario)
{
    for (uint32_t i = 1; i < scenario->network_count; i++) {
        SIM_ASSERT(name_compare(scenario->networks[i - 1].name, scenario->networks[i].name) < 0);
    }
    for (uint32_t i = 1; i < scenario->node_count; i++) {
        SIM_ASSERT(name_compare(scenario->nodes[i - 1].name, scenario->nodes[i].name) < 0);
    }
    for (uint32_t i = 1; i < scenario->client_count; i++) {
        SIM_ASSERT(name_compare(scenario->clients[i - 1].name, scenario->clients[i].name) < 0);
    }
    for (uint32_t i = 1; i < scenario->vm_count; i++) {
        SIM_ASSERT(name_compare(scenario->vms[i - 1].name, scenario->vms[i].name) < 0);
    }
}

static void check_names(const struct scenario *scenario)
{
    uint32_t total = scenario->network_count + scenario->node_count + scenario->client_count +
                     scenario->vm_count + scenario->link_count + scenario->item_count;
    for (uint32_t i = 0; i < scenario->item_count; i++) { /* the name of all its repetitions */
        total += scenario->timeline[i].repetitions > 1 && scenario->timeline[i].repetition == 1;
    }
    SIM_ASSERT(scenario->name_count == total);
    for (uint32_t i = 0; i < scenario->name_count; i++) {
        const char *name = scenario->names[i].name;
        SIM_ASSERT(strcmp(scenario_part_name(scenario, scenario->names[i].part), name) == 0 ||
                   strcmp(scenario_given_name(scenario, scenario->names[i].part), name) == 0);
        SIM_ASSERT(i == 0 || strcmp(scenario->names[i - 1].name, scenario->names[i].name) < 0);
    }
}

static void check_nics(const struct scenario *scenario, const struct scenario_indices *nics)
{
    for (uint32_t i = 0; i < nics->count; i++) {
        SIM_ASSERT(nics->items[i] < scenario->network_count);
    }
}

static void check_parts(const struct scenario *scenario)
{
    for (uint32_t i = 0; i < scenario->network_count; i++) {
        SIM_ASSERT(scenario->networks[i].subnet.prefix >= 8);
        SIM_ASSERT(scenario->networks[i].rate_bps > 0);
    }
    for (uint32_t i = 0; i < scenario->node_count; i++) {
        SIM_ASSERT(scenario->nodes[i].paging != SCENARIO_PAGING_AUTO);
        SIM_ASSERT(scenario->nodes[i].dirty_log != SCENARIO_DIRTY_LOG_AUTO);
        SIM_ASSERT(scenario->nodes[i].memory_bytes > 0);
        check_nics(scenario, &scenario->nodes[i].nics);
    }
    for (uint32_t i = 0; i < scenario->client_count; i++) {
        check_nics(scenario, &scenario->clients[i].nics);
    }
    for (uint32_t i = 0; i < scenario->vm_count; i++) {
        SIM_ASSERT(scenario->vms[i].node < scenario->node_count);
        SIM_ASSERT(scenario->vms[i].memory_bytes > 0);
        check_nics(scenario, &scenario->vms[i].nics);
    }
}

void scenario_check(const struct scenario *scenario)
{
    check_order(scenario);
    check_names(scenario);
    check_parts(scenario);
    for (uint32_t i = 0; i < scenario->item_count; i++) {
        const struct scenario_item *item = &scenario->timeline[i];
        SIM_ASSERT(item->kind != SCENARIO_ACTION_UNSET);
        SIM_ASSERT((item->trigger == SCENARIO_WHEN) == (item->when != NULL));
        SIM_ASSERT(item->trigger == SCENARIO_WHEN || item->at_ns >= 0);
        SIM_ASSERT(item->of_drain ==
                   (i >= scenario->listed_item_count + (scenario->sweep.source != NULL)));
        SIM_ASSERT(item->of_drain == (item->trigger == SCENARIO_TRIGGER_UNSET));
        SIM_ASSERT(item->kind != SCENARIO_DRAIN || item->action.drain.to.count > 0);
    }
    for (uint32_t i = 0; i < scenario->expect_count; i++) {
        bool sequence = scenario->expect[i].kind == SCENARIO_EXPECT_SEQUENCE;
        SIM_ASSERT((scenario->expect[i].holds == NULL) == sequence);
        SIM_ASSERT((scenario->expect[i].step_count > 0) == sequence);
        SIM_ASSERT(scenario->expect[i].text != NULL);
    }
    SIM_ASSERT((scenario->end.kind == SCENARIO_END_WHEN) == (scenario->end.when != NULL));
}
