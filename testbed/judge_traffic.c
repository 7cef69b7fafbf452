/* What records say of traffic: pings, requests, bulk transfers, and the frames and connections below them. */
#include "testbed/judge_private.h"

/* ---- traffic ----------------------------------------------------------------------------------------------------------------------- */

static void take_latency(struct judge_latency *latency, sim_time value)
{
    if (latency->count == 0 || value < latency->min) {
        latency->min = value;
    }
    if (value > latency->max) {
        latency->max = value;
    }
    histogram_add(&latency->times, value);
    latency->sum += value;
    latency->count++;
}

void judge_take_gap(struct judge_item *item, sim_time now)
{
    sim_time from = item->ping.last_reply != SIM_NEVER ? item->ping.last_reply : item->started_at;
    if (now - from > item->ping.longest_gap) {
        item->ping.longest_gap = now - from;
        item->ping.gap_from = from;
        item->ping.gap_to = now;
    }
    item->ping.last_reply = now;
    item->ping.open = false;
}

void judge_take_traffic(struct judge *judge, enum judge_kind kind, const struct record *record)
{
    struct scenario_part part = judge_part_of(judge, record->origin);
    if (part.kind != SCENARIO_ACTION) {
        return;
    }
    struct judge_item *item = &judge->items[part.index];
    switch (kind) {
    case KIND_PING_SENT:
    case KIND_REQUEST_SENT:
        item->ping.sent++;
        item->ping.open = true;
        break;
    case KIND_PING_REPLY:
    case KIND_REQUEST_DONE:
        item->ping.received++;
        judge_take_gap(item, record->time);
        take_latency(&item->latency, record->values[1]);
        break;
    case KIND_PING_LOST:
    case KIND_REQUEST_LOST:
        item->ping.lost++;
        break;
    case KIND_BULK_PROGRESS:
        item->bulk_bytes = (uint64_t)record->values[0];
        break;
    case KIND_BULK_DONE:
        item->bulk_bytes = (uint64_t)record->values[0];
        item->bulk_took = record->values[1];
        item->bulk_damaged = (uint64_t)record->values[2];
        item->bulk_done = true;
        break;
    default:
        break;
    }
    judge_changed(judge, part);
}

/* ---- frames and connections ----------------------------------------------------------------------------------------------------------- */

static bool strikes(const struct scenario_fault *fault)
{
    for (uint32_t kind = 0; kind < FAULT_KINDS; kind++) {
        if (fault->value[kind] != QUANTITY_ABSENT &&
            (fault_table[kind].ways & FAULT_STRIKES) != 0) {
            return true;
        }
    }
    return false;
}

/* Something happened to a frame because of a fault: it has hit. What a machine or a switch loses while it is struck is no hit of its own. */
void judge_take_hit(struct judge *judge, const struct record *record)
{
    for (uint32_t i = 0; record->cause != 0 && i < judge->scenario->item_count; i++) {
        if (judge->items[i].fault_first <= record->cause &&
            record->cause <= judge->items[i].fault_last &&
            !strikes(&judge->scenario->timeline[i].action.fault)) {
            judge->items[i].hits++;
            judge_changed(judge, (struct scenario_part){SCENARIO_ACTION, i});
        }
    }
}

void judge_take_claim(struct judge *judge, const struct record *record)
{
    for (uint32_t i = 0; i < judge->scenario->item_count; i++) {
        if (judge->items[i].fault_first <= record->cause &&
            record->cause <= judge->items[i].fault_last) {
            judge->items[i].claimed_address = (uint32_t)record->values[0];
        }
    }
    judge_take_hit(judge, record);
}

void judge_take_frame_lost(struct judge *judge, const struct record *record)
{
    struct scenario_part part = judge_part_of(judge, record->origin);
    if (part.kind == SCENARIO_NETWORK) { /* in the switch */
        judge->networks[part.index].drops++;
        judge_changed(judge, part);
    }
    if (part.kind == SCENARIO_LINK) {
        judge->links[part.index].drops++;
        uint32_t network = judge->scenario->links[part.index].network;
        judge->networks[network].drops++;
        judge_changed(judge, part);
        judge_changed(judge, (struct scenario_part){SCENARIO_NETWORK, network});
    }
    judge_take_hit(judge, record);
}

void judge_take_link_totals(struct judge *judge, const struct record *record)
{
    struct scenario_part part = judge_part_of(judge, record->origin);
    if (part.kind != SCENARIO_LINK) {
        return;
    }
    struct judge_traffic *totals[2] = {
        &judge->links[part.index], &judge->networks[judge->scenario->links[part.index].network]};
    for (uint32_t i = 0; i < 2; i++) {
        totals[i]->frames += (uint64_t)record->values[0];
        totals[i]->bytes += (uint64_t)record->values[1];
        if ((uint64_t)record->values[3] > totals[i]->queue_peak) {
            totals[i]->queue_peak = (uint64_t)record->values[3];
        }
        totals[i]->known = true;
    }
}

/* A time-out at one of the two nodes of a migration counts for the step that the migration is in; on a bulk transfer's flow, for that. */
void judge_take_timeout(struct judge *judge, const struct record *record)
{
    struct scenario_part node = judge_part_of(judge, record->origin);
    for (uint32_t i = 0; i < judge->scenario->item_count; i++) {
        const struct scenario_item *item = &judge->scenario->timeline[i];
        struct judge_migration *m = &judge->items[i].migration;
        if (item->kind == SCENARIO_MIGRATE && node.kind == SCENARIO_NODE && m->ordered &&
            !m->ended && (node.index == m->from_node || node.index == m->to_node)) {
            m->timeouts[m->step]++;
            sim_time since = record->time - record->values[2];
            m->waited[m->step] +=
                record->time - (since > m->waited_until ? since : m->waited_until);
            m->waited_until = record->time;
            judge_changed(judge, (struct scenario_part){SCENARIO_ACTION, i});
        }
    }
    for (uint32_t i = 0; i < judge->scenario->item_count; i++) {
        const struct scenario_item *item = &judge->scenario->timeline[i];
        if (item->kind == SCENARIO_BULK && item->action.bulk.from.kind == node.kind &&
            item->action.bulk.from.index == node.index && judge->items[i].started_at != SIM_NEVER &&
            judge->items[i].ended_at == SIM_NEVER) {
            judge->items[i].timeouts++;
            judge_changed(judge, (struct scenario_part){SCENARIO_ACTION, i});
        }
    }
}

/* Connections of a request: those that its client opens to its port, at the address that the first of them had. */
static void count_connection(struct judge *judge, struct scenario_part part,
                             const struct record *record)
{
    for (uint32_t i = 0; i < judge->scenario->item_count; i++) {
        const struct scenario_item *item = &judge->scenario->timeline[i];
        struct judge_item *j = &judge->items[i];
        uint32_t server = (uint32_t)record->values[3];
        if (item->kind == SCENARIO_REQUEST && j->started_at != SIM_NEVER &&
            item->action.request.from.kind == part.kind &&
            item->action.request.from.index == part.index &&
            item->action.request.port == record->values[4] &&
            (j->server == 0 || j->server == server)) {
            j->reconnects += j->server == server;
            j->server = server;
            judge_changed(judge, (struct scenario_part){SCENARIO_ACTION, i});
            return;
        }
    }
}

/* The connection of a migration that is connecting: its peer's address says which network it goes over. */
void judge_take_tcp_opened(struct judge *judge, const struct record *record)
{
    struct scenario_part node = judge_part_of(judge, record->origin);
    count_connection(judge, node, record);
    for (uint32_t i = 0; i < judge->scenario->item_count && node.kind == SCENARIO_NODE; i++) {
        struct judge_migration *m = &judge->items[i].migration;
        if (!m->ordered || m->ended || m->step != JUDGE_CONNECT || m->from_node != node.index) {
            continue;
        }
        for (uint32_t n = 0; n < judge->scenario->network_count; n++) {
            const struct scenario_subnet *subnet = &judge->scenario->networks[n].subnet;
            uint32_t hosts = UINT32_MAX >> subnet->prefix;
            if (((uint32_t)record->values[3] & ~hosts) == subnet->address) {
                m->network = n;
            }
        }
    }
}

void judge_take_tcp_closed(struct judge *judge, const struct record *record)
{
    struct scenario_part part = judge_part_of(judge, record->origin);
    for (uint32_t i = 0; i < judge->scenario->item_count; i++) {
        const struct scenario_item *item = &judge->scenario->timeline[i];
        if (item->kind == SCENARIO_BULK && item->action.bulk.from.kind == part.kind &&
            item->action.bulk.from.index == part.index && judge->items[i].started_at != SIM_NEVER) {
            judge->items[i].retransmissions += (uint64_t)record->values[3];
            judge_changed(judge, (struct scenario_part){SCENARIO_ACTION, i});
        }
    }
}
