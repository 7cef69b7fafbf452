#include "testbed/fault_rules.h"

#include <stdio.h>

#include "sim/assert.h"
#include "testbed/fault_machines.h"
#include "testbed/fault_trigger.h"
#include "testbed/loader.h"
#include "testbed/schema.h"

/* ---- which kinds go together ----------------------------------------------------------------------------------------- */

static uint32_t target_bit(enum scenario_fault_target target)
{
    static const uint32_t bits[] = {
        [SCENARIO_FAULT_UNSET] = 0,
        [SCENARIO_FAULT_LINK] = FAULT_ON_LINK,
        [SCENARIO_FAULT_MACHINE] = FAULT_ON_MACHINE,
        [SCENARIO_FAULT_SWITCH] = FAULT_ON_SWITCH,
        [SCENARIO_FAULT_PAIR] = FAULT_ON_PAIR,
        [SCENARIO_FAULT_CONNECTION] = FAULT_ON_CONNECTION,
    };
    return bits[target];
}

/* What the schema has no word for: a kind that may stand beside one of several targets. */
static void check_target(const struct scenario_fault *fault, enum fault_kind kind,
                         struct diagnostics *diagnostics)
{
    static const char *const words[] = {"link", "machine", "switch", "between", "connection"};
    const struct fault_row *row = &fault_table[kind];
    char list[64] = "";
    if (row->key->after != NULL || (row->targets & target_bit(fault->target)) != 0) {
        return;
    }
    size_t used = 0;
    for (uint32_t i = 0; i < sizeof words / sizeof *words; i++) {
        if ((row->targets & UINT32_C(1) << i) != 0) {
            used += (size_t)snprintf(list + used, sizeof list - used, "%s'%s'",
                                     used > 0 ? " or " : "", words[i]);
            SIM_ASSERT(used < sizeof list);
        }
    }
    const struct yaml_node *value = yaml_tree_get(fault->source, row->key->name);
    diagnostics_error(diagnostics, value != NULL ? value->key_place : fault->source->place,
                      "'%s' makes sense only beside %s", row->key->name, list);
}

static void check_kinds(const struct scenario_fault *fault, struct diagnostics *diagnostics)
{
    const char *power_kind = NULL;
    for (uint32_t kind = 0; kind < FAULT_KINDS; kind++) {
        if (fault->value[kind] == QUANTITY_ABSENT) {
            continue;
        }
        const char *word = fault_table[kind].key->name;
        check_target(fault, (enum fault_kind)kind, diagnostics);
        if (kind == FAULT_CRASH || kind == FAULT_FREEZE || kind == FAULT_REBOOT) {
            if (power_kind != NULL) {
                diagnostics_error(diagnostics, loader_place(fault->source, word),
                                  "'%s' and '%s' exclude each other", power_kind, word);
            }
            power_kind = word;
        }
    }
    if (fault->value[FAULT_DOWN] != QUANTITY_ABSENT &&
        fault->value[FAULT_FLAP] != QUANTITY_ABSENT) {
        diagnostics_error(diagnostics, loader_place(fault->source, "flap"),
                          "'down' and 'flap' exclude each other");
    }
}

/* ---- targets --------------------------------------------------------------------------------------------------------- */

bool fault_has_part(const struct scenario_parts *parts, struct scenario_part part)
{
    for (uint32_t i = 0; i < parts->count; i++) {
        if (parts->items[i].kind == part.kind && parts->items[i].index == part.index) {
            return true;
        }
    }
    return false;
}

static bool is_on(const struct scenario *scenario, struct scenario_part machine, uint32_t network)
{
    const struct scenario_indices *nics = scenario_part_nics(scenario, machine);
    for (uint32_t i = 0; i < nics->count; i++) {
        if (nics->items[i] == network) {
            return true;
        }
    }
    return false;
}

static bool any_is_on(const struct scenario *scenario, const struct scenario_parts *machines,
                      uint32_t network)
{
    for (uint32_t i = 0; i < machines->count; i++) {
        if (is_on(scenario, machines->items[i], network)) {
            return true;
        }
    }
    return false;
}

static void check_pair(const struct scenario *scenario, const struct scenario_fault *fault,
                       struct diagnostics *diagnostics)
{
    bool meet = false;
    if (yaml_tree_get(fault->source, "and") == NULL) {
        diagnostics_error(diagnostics, loader_place(fault->source, "between"),
                          "'and' is missing: the machines on the other side");
        return;
    }
    if (fault->between.count == 0 || fault->others.count == 0) {
        return; /* said already */
    }
    for (uint32_t i = 0; i < fault->others.count; i++) {
        if (fault_has_part(&fault->between, fault->others.items[i])) {
            diagnostics_error(diagnostics, loader_place(fault->source, "and"),
                              "'%s' stands on both sides",
                              scenario_part_name(scenario, fault->others.items[i]));
            return;
        }
    }
    for (uint32_t i = 0; i < scenario->network_count; i++) {
        meet = meet ||
               ((fault->over == SIM_NONE || fault->over == i) &&
                any_is_on(scenario, &fault->between, i) && any_is_on(scenario, &fault->others, i));
    }
    if (!meet && (fault->over != SIM_NONE || yaml_tree_get(fault->source, "over") == NULL)) {
        diagnostics_error(diagnostics, loader_place(fault->source, "and"),
                          "the two groups meet on no network%s%s",
                          fault->over != SIM_NONE ? " named " : "",
                          fault->over != SIM_NONE ? scenario->networks[fault->over].name : "");
    }
}

static void check_switch(const struct scenario *scenario, const struct scenario_fault *fault,
                         struct diagnostics *diagnostics)
{
    if (fault->network != SIM_NONE && scenario->networks[fault->network].kind != SCENARIO_SWITCH) {
        diagnostics_error(diagnostics, loader_place(fault->source, "switch"),
                          "'%s' is a cable and has no switch",
                          scenario->networks[fault->network].name);
    }
}

/* Clocks are those of nodes and clients; processor time is stolen from VMs, and nodes are slow. */
static void check_machine_kind(const struct scenario *scenario, const struct scenario_fault *fault,
                               enum fault_kind kind, struct diagnostics *diagnostics)
{
    const char *word = fault_table[kind].key->name;
    for (uint32_t i = 0; i < fault->machines.count; i++) {
        enum scenario_part_kind machine = fault->machines.items[i].kind;
        const char *wanted = NULL;
        if (kind == FAULT_STEAL) {
            wanted = machine != SCENARIO_VM ? "a VM; 'slow' is for a node" : NULL;
        } else if (kind == FAULT_SLOW) {
            wanted = machine != SCENARIO_NODE ? "a node; 'steal' is for a VM" : NULL;
        } else if (machine == SCENARIO_VM) {
            wanted = "a node or a client";
        }
        if (wanted != NULL) {
            diagnostics_error(diagnostics, loader_place(fault->source, word),
                              "'%s' is a %s, and '%s' is a fault of %s",
                              scenario_part_name(scenario, fault->machines.items[i]),
                              scenario_part_kind_name(machine), word, wanted);
            return;
        }
    }
}

static void check_connection(const struct scenario *scenario, const struct scenario_fault *fault,
                             struct diagnostics *diagnostics)
{
    const struct scenario_connection *connection = &fault->connection;
    const char *first = NULL;
    bool meet = false;
    for (uint32_t kind = FAULT_TCP_RESET; kind <= FAULT_TCP_HANG; kind++) {
        if (fault->value[kind] != QUANTITY_ABSENT && first != NULL) {
            diagnostics_error(diagnostics, loader_place(fault->source, fault_table[kind].key->name),
                              "'%s' and '%s' exclude each other", first,
                              fault_table[kind].key->name);
        }
        first = fault->value[kind] != QUANTITY_ABSENT ? fault_table[kind].key->name : first;
    }
    if (connection->from.kind == SCENARIO_NO_PART || connection->to.kind == SCENARIO_NO_PART) {
        return; /* said already */
    }
    for (uint32_t i = 0; i < scenario->network_count; i++) {
        meet = meet || (is_on(scenario, connection->from, i) && is_on(scenario, connection->to, i));
    }
    bool same = connection->from.kind == connection->to.kind &&
                connection->from.index == connection->to.index;
    if (same || !meet) {
        diagnostics_error(diagnostics, loader_place(connection->source, "to"),
                          same ? "both ends are '%s'" : "'%s' and '%s' have no network in common",
                          scenario_part_name(scenario, connection->from),
                          scenario_part_name(scenario, connection->to));
    }
}

static void check_claims(const struct scenario *scenario, const struct scenario_fault *fault,
                         struct diagnostics *diagnostics)
{
    for (uint32_t i = 0; i < fault->machines.count; i++) {
        struct scenario_part machine = fault->machines.items[i];
        const char *name = scenario_part_name(scenario, machine);
        bool meet = false;
        if (machine.kind == SCENARIO_VM) {
            diagnostics_error(diagnostics, loader_place(fault->source, "claims"),
                              "'%s' is a VM, and only a node or a client can claim an address",
                              name);
            continue;
        }
        if (machine.kind == fault->claims.kind && machine.index == fault->claims.index) {
            diagnostics_error(diagnostics, loader_place(fault->source, "claims"),
                              "'%s' has its own address already", name);
            continue;
        }
        for (uint32_t network = 0; network < scenario->network_count; network++) {
            meet = meet ||
                   (is_on(scenario, machine, network) && is_on(scenario, fault->claims, network));
        }
        if (!meet) {
            diagnostics_error(diagnostics, loader_place(fault->source, "claims"),
                              "'%s' and '%s' meet on no network", name,
                              scenario_part_name(scenario, fault->claims));
        }
    }
}

void fault_rules_apply(const struct scenario *scenario, struct scenario_fault *fault,
                       struct diagnostics *diagnostics)
{
    fault->value[FAULT_FLAP] = fault->flap.source != NULL ? 1 : QUANTITY_ABSENT;
    fault->value[FAULT_BURSTS] = fault->bursts.source != NULL ? 1 : QUANTITY_ABSENT;
    fault->value[FAULT_CLAIMS] = fault->claims.kind != SCENARIO_NO_PART ? 1 : QUANTITY_ABSENT;
    fault->link = fault->links.count > 0 ? fault->links.items[0] : (struct scenario_part){0};
    fault->machine =
        fault->machines.count > 0 ? fault->machines.items[0] : (struct scenario_part){0};
    check_kinds(fault, diagnostics);
    for (uint32_t kind = 0; kind < FAULT_KINDS; kind++) {
        if (fault->value[kind] != QUANTITY_ABSENT && fault_machines_kind((enum fault_kind)kind)) {
            check_machine_kind(scenario, fault, (enum fault_kind)kind, diagnostics);
        }
    }
    fault_trigger_check_words(scenario, fault, diagnostics);
    if (fault->target == SCENARIO_FAULT_CONNECTION) {
        check_connection(scenario, fault, diagnostics);
    }
    if (fault->target == SCENARIO_FAULT_PAIR) {
        check_pair(scenario, fault, diagnostics);
    } else if (fault->target == SCENARIO_FAULT_SWITCH) {
        check_switch(scenario, fault, diagnostics);
    } else if (fault->value[FAULT_CLAIMS] == 1) {
        check_claims(scenario, fault, diagnostics);
    }
}

/* ---- who is concerned ------------------------------------------------------------------------------------------------- */

bool fault_concerns_link(const struct scenario *scenario, const struct scenario_fault *fault,
                         uint32_t link)
{
    const struct scenario_link *l = &scenario->links[link];
    switch (fault->target) {
    case SCENARIO_FAULT_LINK:
        return fault_has_part(&fault->links, (struct scenario_part){SCENARIO_LINK, link});
    case SCENARIO_FAULT_SWITCH:
        return fault->network == l->network;
    case SCENARIO_FAULT_PAIR:
        return (fault->over == SIM_NONE || fault->over == l->network) &&
               (fault_has_part(&fault->between, l->machine) ||
                fault_has_part(&fault->others, l->machine));
    default:
        return fault->claims.kind != SCENARIO_NO_PART && fault->claims.kind == l->machine.kind &&
               fault->claims.index == l->machine.index;
    }
}

bool fault_is_instant(const struct scenario_fault *fault)
{
    for (uint32_t kind = 0; kind < FAULT_KINDS; kind++) {
        bool instant = kind == FAULT_FORGET || kind == FAULT_RESET ||
                       (kind == FAULT_REBOOT && fault->for_ns == QUANTITY_ABSENT);
        if (fault->value[kind] != QUANTITY_ABSENT && !instant) {
            return false;
        }
    }
    return true;
}

bool fault_concerns_machine(const struct scenario *scenario, const struct scenario_fault *fault,
                            struct scenario_part machine)
{
    if (fault->target == SCENARIO_FAULT_MACHINE) {
        return fault_has_part(&fault->machines, machine) ||
               (fault->claims.kind == machine.kind && fault->claims.index == machine.index &&
                fault->claims.kind != SCENARIO_NO_PART);
    }
    for (uint32_t i = 0; i < scenario->link_count; i++) {
        const struct scenario_part at = scenario->links[i].machine;
        if (at.kind == machine.kind && at.index == machine.index &&
            fault_concerns_link(scenario, fault, i)) {
            return true;
        }
    }
    return false;
}
