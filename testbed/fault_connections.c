#include "testbed/fault_connections.h"

#include "nic/tcp_fault.h"
#include "sim/assert.h"

#include <stdio.h>
#include <stdlib.h>

/* A rule for SYNs on one network, of a fault that acts now. */
struct rule {
    struct rule *next;
    uint32_t item;
    struct tcp_syn_rule syn;
};

struct fault_connections {
    struct world *world;
    struct rule *rules;
};

static const struct scenario_fault *fault_of(const struct fault_connections *connections,
                                             uint32_t item)
{
    return &connections->world->scenario->timeline[item].action.fault;
}

static bool has(const struct scenario_fault *fault, enum fault_kind kind)
{
    return fault->value[kind] != QUANTITY_ABSENT;
}

/* Calls `act` with the two addresses on each network that both machines are on. */
struct visit {
    struct fault_connections *connections;
    uint32_t item;
    uint64_t cause;
    struct ip4 from, to;
};

static void each_network(struct visit *visit, void (*act)(struct visit *visit))
{
    struct world *world = visit->connections->world;
    const struct scenario_connection *c = &fault_of(visit->connections, visit->item)->connection;
    const struct scenario_indices *from = scenario_part_nics(world->scenario, c->from);
    const struct scenario_indices *to = scenario_part_nics(world->scenario, c->to);
    for (uint32_t i = 0; i < from->count; i++) {
        for (uint32_t j = 0; j < to->count; j++) {
            if (from->items[i] == to->items[j]) {
                visit->from = world_address(world, c->from, from->items[i]);
                visit->to = world_address(world, c->to, to->items[j]);
                act(visit);
            }
        }
    }
}

/* ---- what strikes at once -------------------------------------------------------------------------------------------------- */

static void say_struck(struct visit *visit, struct scenario_part end, uint32_t count,
                       const char *what)
{
    struct world *world = visit->connections->world;
    const int64_t values[] = {count};
    char text[RECORD_TEXT_MAX];
    if (count > 0) {
        snprintf(text, sizeof text, "%s at %s", what, scenario_part_name(world->scenario, end));
        world_say(world, RUN_CONNECTION, world->action_origins[visit->item], visit->cause, values,
                  text);
    }
}

static void strike_end(struct visit *visit, bool server)
{
    struct world *world = visit->connections->world;
    const struct scenario_fault *fault = fault_of(visit->connections, visit->item);
    struct scenario_part end = server ? fault->connection.to : fault->connection.from;
    struct ip_stack *stack = world_stack(world, end);
    if (stack == NULL || !machine_runs(ip_stack_machine(stack))) {
        return;
    }
    const struct tcp_fault_match match = {
        .peer = server ? visit->from : visit->to,
        .port = (uint16_t)fault->connection.port,
        .server = server,
    };
    if (has(fault, FAULT_TCP_HALF_OPEN)) {
        uint32_t count = tcp_fault_forget(ip_stack_tcp(stack), &match);
        say_struck(visit, end, count, "forgotten");
        return;
    }
    bool blind = has(fault, FAULT_TCP_BLIND_RESET);
    uint32_t count = tcp_fault_inject_reset(ip_stack_tcp(stack), &match,
                                            blind ? TCP_FAULT_BLIND : TCP_FAULT_EXACT);
    say_struck(visit, end, count, blind ? "blind reset" : "reset");
}

static void strike(struct visit *visit)
{
    const struct scenario_fault *fault = fault_of(visit->connections, visit->item);
    enum scenario_end_of_connection end = fault->connection.end;
    if (end == SCENARIO_END_AUTO) {
        end = has(fault, FAULT_TCP_HALF_OPEN) ? SCENARIO_END_TO : SCENARIO_END_BOTH;
    }
    if (end != SCENARIO_END_FROM) {
        strike_end(visit, true);
    }
    if (end != SCENARIO_END_TO) {
        strike_end(visit, false);
    }
}

/* ---- what lasts -------------------------------------------------------------------------------------------------------------- */

static void add_rule(struct visit *visit)
{
    const struct scenario_fault *fault = fault_of(visit->connections, visit->item);
    struct rule *rule = calloc(1, sizeof *rule);
    SIM_ASSERT(rule != NULL);
    rule->item = visit->item;
    rule->syn = (struct tcp_syn_rule){
        .from = visit->from,
        .to = visit->to,
        .port = (uint16_t)fault->connection.port,
        .refuse = has(fault, FAULT_TCP_REFUSE),
        .cause = visit->cause,
    };
    rule->next = visit->connections->rules;
    visit->connections->rules = rule;
    tcp_syn_rule_add(&visit->connections->world->net, &rule->syn);
}

void fault_connections_begin(struct fault_connections *connections, uint32_t item, uint64_t cause)
{
    const struct scenario_fault *fault = fault_of(connections, item);
    struct visit visit = {.connections = connections, .item = item, .cause = cause};
    SIM_ASSERT(fault->target == SCENARIO_FAULT_CONNECTION);
    if (has(fault, FAULT_TCP_REFUSE) || has(fault, FAULT_TCP_HANG)) {
        each_network(&visit, add_rule);
    }
    if (has(fault, FAULT_TCP_RESET) || has(fault, FAULT_TCP_BLIND_RESET) ||
        has(fault, FAULT_TCP_HALF_OPEN)) {
        each_network(&visit, strike);
    }
}

void fault_connections_end(struct fault_connections *connections, uint32_t item)
{
    struct rule **link = &connections->rules;
    while (*link != NULL) {
        struct rule *rule = *link;
        if (rule->item != item) {
            link = &rule->next;
            continue;
        }
        *link = rule->next;
        tcp_syn_rule_remove(&connections->world->net, &rule->syn);
        free(rule);
    }
}

/* ---- life -------------------------------------------------------------------------------------------------------------------- */

struct fault_connections *fault_connections_new(struct world *world)
{
    struct fault_connections *connections = calloc(1, sizeof *connections);
    SIM_ASSERT(connections != NULL);
    connections->world = world;
    return connections;
}

void fault_connections_free(struct fault_connections *connections)
{
    while (connections->rules != NULL) {
        fault_connections_end(connections, connections->rules->item);
    }
    free(connections);
}
