#include "testbed/judge.h"

#include "cluster/migration_records.h"
#include "nic/net.h"
#include "sim/assert.h"
#include "testbed/judge_private.h"
#include "testbed/run_records.h"
#include "vm/vm_records.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

const char *judge_step_word(enum judge_step step)
{
    static const char *const words[JUDGE_STEPS] = {
        "waiting",   "connect", "configure", "reserve", "pre-copy",
        "stop-copy", "disks",   "resume",    "done",
    };
    return words[step];
}

/* ---- which part a record speaks of ------------------------------------------------------------------------------------------ */

/* Paths of origins are names of parts, for link directions with a sign behind. Resolved once for each origin. */
static struct scenario_part part_named(const struct scenario *scenario, const char *path)
{
    size_t length = strlen(path);
    if (length > 0 && (path[length - 1] == '>' || path[length - 1] == '<')) {
        length--;
    }
#define LOOK(kind, array, count)                                                                   \
    for (uint32_t i = 0; i < scenario->count; i++) {                                               \
        if (strlen(scenario->array[i].name) == length &&                                           \
            strncmp(scenario->array[i].name, path, length) == 0) {                                 \
            return (struct scenario_part){kind, i};                                                \
        }                                                                                          \
    }
    LOOK(SCENARIO_ACTION, timeline, item_count)
    LOOK(SCENARIO_VM, vms, vm_count)
    LOOK(SCENARIO_NODE, nodes, node_count)
    LOOK(SCENARIO_CLIENT, clients, client_count)
    LOOK(SCENARIO_NETWORK, networks, network_count)
    LOOK(SCENARIO_LINK, links, link_count)
#undef LOOK
    return (struct scenario_part){SCENARIO_NO_PART, SIM_NONE};
}

struct scenario_part judge_part_of(struct judge *judge, uint32_t origin)
{
    if (origin >= judge->origin_count) {
        return (struct scenario_part){SCENARIO_NO_PART, SIM_NONE};
    }
    if (!judge->origins[origin].known) {
        const char *path = sim_origin_path(recorder_sim(judge->recorder), origin);
        judge->origins[origin].part = part_named(judge->scenario, path);
        judge->origins[origin].known = true;
    }
    return judge->origins[origin].part;
}

/* Names of kinds to what judge_take switches on. */
static void learn_kinds(struct judge *judge)
{
    uint32_t count = recorder_kind_count(judge->recorder);
    judge->kind_count = count;
    judge->kinds = calloc(count, sizeof *judge->kinds);
    SIM_ASSERT(judge->kinds != NULL);
    static const struct {
        const char *name;
        enum judge_kind kind;
    } table[] = {
        {"action.starts", KIND_ACTION_STARTS},
        {"action.ends", KIND_ACTION_ENDS},
        {"machine.state", KIND_MACHINE},
        {"net.frame_lost", KIND_FRAME_LOST},
        {"fault.starts", KIND_FAULT_STARTS},
        {"fault.hits", KIND_FAULT_HITS},
        {"connection.struck", KIND_FAULT_HITS},
        {"net.frame_changed", KIND_FRAME_CHANGED},
        {"net.arp_claimed", KIND_ARP_CLAIMED},
        {"migration.ordered", KIND_MIGRATION_ORDERED},
        {"migration.step", KIND_MIGRATION_STEP},
        {"migration.round", KIND_MIGRATION_ROUND},
        {"migration.rule", KIND_MIGRATION_RULE},
        {"migration.handover", KIND_MIGRATION_HANDOVER},
        {"migration.ended", KIND_MIGRATION_ENDED},
        {"vm.created", KIND_VM_CREATED},
        {"vm.runs", KIND_VM_RUNS},
        {"vm.paused", KIND_VM_PAUSED},
        {"vm.gone", KIND_VM_GONE},
        {"vm.totals", KIND_VM_TOTALS},
        {"link.totals", KIND_LINK_TOTALS},
        {"node.totals", KIND_NODE_TOTALS},
        {"net.tcp_timeout", KIND_TCP_TIMEOUT},
        {"net.tcp_recovery", KIND_TCP_RECOVERY},
        {"net.tcp_closed", KIND_TCP_CLOSED},
        {"ping.sent", KIND_PING_SENT},
        {"ping.reply", KIND_PING_REPLY},
        {"ping.lost", KIND_PING_LOST},
        {"request.sent", KIND_REQUEST_SENT},
        {"request.done", KIND_REQUEST_DONE},
        {"request.lost", KIND_REQUEST_LOST},
        {"bulk.progress", KIND_BULK_PROGRESS},
        {"bulk.done", KIND_BULK_DONE},
        {"traffic.ended", KIND_TRAFFIC_ENDED},
        {"net.tcp_opened", KIND_TCP_OPENED},
        {"vm.work", KIND_VM_WORK},
        {"node.guests", KIND_NODE_GUESTS},
        {"video.plays", KIND_VIDEO},
        {"video.stalled", KIND_VIDEO},
        {"video.resumed", KIND_VIDEO},
        {"video.low", KIND_VIDEO},
        {"video.shown", KIND_VIDEO},
        {"video.lost", KIND_VIDEO},
        {"migration.pace", KIND_MIGRATION_PACE},
        {"migration.throttled", KIND_MIGRATION_THROTTLED},
        {"migration.packed", KIND_MIGRATION_PACKED},
        {"drain.moves", KIND_DRAIN_MOVES},
        {"drain.stays", KIND_DRAIN_STAYS},
    };
    for (size_t i = 0; i < sizeof table / sizeof *table; i++) {
        uint32_t kind = recorder_kind_find(judge->recorder, table[i].name);
        SIM_ASSERT(kind != SIM_NONE);
        judge->kinds[kind] = (uint8_t)table[i].kind;
    }
}

/* ---- migrations ---------------------------------------------------------------------------------------------------------------- */

static struct judge_migration *migration_of(struct judge *judge, int64_t request)
{
    if (request < 1 || (uint64_t)request > judge->scenario->item_count ||
        judge->scenario->timeline[request - 1].kind != SCENARIO_MIGRATE) {
        return NULL;
    }
    return &judge->items[request - 1].migration;
}

static void end_migration(struct judge *judge, uint32_t item, sim_time now, bool completed,
                          const char *how)
{
    struct judge_migration *m = &judge->items[item].migration;
    m->ended = true;
    m->completed = completed;
    m->ended_at = now;
    m->step = JUDGE_DONE;
    m->step_at[JUDGE_DONE] = now;
    snprintf(m->how, sizeof m->how, "%s", how);
    judge->items[item].ended_at = now;
    snprintf(judge->items[item].how, sizeof judge->items[item].how, "%s", how);
}

static void take_ordered(struct judge *judge, struct judge_migration *m,
                         const struct record *record)
{
    struct scenario_part node = judge_part_of(judge, record->origin);
    m->ordered = true;
    m->started = record->time;
    m->from_node = node.kind == SCENARIO_NODE ? node.index : SIM_NONE;
}

static void take_step(struct judge_migration *m, const struct record *record)
{
    for (uint32_t step = 0; step < JUDGE_STEPS; step++) {
        if (strcmp(judge_step_word((enum judge_step)step), record->text) == 0) {
            m->step = (enum judge_step)step;
            m->step_at[step] = record->time;
        }
    }
}

static void take_round(struct judge_migration *m, const struct record *record)
{
    if (m->round_count == m->rounds_capacity) {
        m->rounds_capacity = m->rounds_capacity == 0 ? 16 : m->rounds_capacity * 2;
        m->rounds = realloc(m->rounds, m->rounds_capacity * sizeof *m->rounds);
        SIM_ASSERT(m->rounds != NULL);
    }
    struct judge_round *round = &m->rounds[m->round_count];
    const int64_t *v = record->values;
    *round = (struct judge_round){
        .round = (uint32_t)v[1],
        .pages = (uint64_t)v[2],
        .zero_pages = (uint64_t)v[3],
        .bytes = (uint64_t)v[4],
        .took = v[5],
        .dirtied = (uint64_t)v[6],
        .pause_if_stopped = v[7],
        .began = record->time - v[5],
        .dirtied_before = m->round_count > 0 ? m->rounds[m->round_count - 1].dirtied : 0,
    };
    m->round_count++;
    m->has_final = m->step >= JUDGE_STOP_COPY;
    m->pages_sent += round->pages;
    m->zero_pages += round->zero_pages;
    m->bytes_sent += round->bytes;
}

static void take_handover(struct judge_migration *m, const struct record *record)
{
    m->handover_given += strcmp(record->text, "given") == 0;
    m->handover_owned += strcmp(record->text, "owned") == 0;
    m->handover_taken_back += strcmp(record->text, "taken back") == 0;
}

/* Of a migration, and of the drain that it is a part of. */
static void migration_changed(struct judge *judge, uint32_t item)
{
    const struct scenario_item *i = &judge->scenario->timeline[item];
    judge_changed(judge, (struct scenario_part){SCENARIO_ACTION, item});
    if (i->of_drain) {
        judge_changed(judge, (struct scenario_part){SCENARIO_ACTION, i->drain});
    }
}

static void take_pace(struct judge_migration *m, const struct record *record)
{
    uint64_t rate = (uint64_t)record->values[2];
    if (rate > 0 && (m->rate_least_bps == 0 || rate < m->rate_least_bps)) {
        m->rate_least_bps = rate;
    }
    m->rate_most_bps = rate > m->rate_most_bps ? rate : m->rate_most_bps;
    m->skipped_pages += (uint64_t)record->values[3];
}

static void take_throttled(struct judge_migration *m, const struct record *record)
{
    m->throttled_round = (uint32_t)record->values[1];
    m->throttled_left = (uint32_t)record->values[2];
    if (m->first_throttled_round == 0) {
        m->first_throttled_round = m->throttled_round;
    }
}

/* Once for each attempt. */
static void take_packed(struct judge_migration *m, const struct record *record)
{
    struct judge_packed *packed = &m->packed[strcmp(record->text, "target") == 0];
    packed->pages += (uint64_t)record->values[1];
    packed->before += (uint64_t)record->values[2];
    packed->after += (uint64_t)record->values[3];
    packed->busy += record->values[4];
}

static void take_migration(struct judge *judge, enum judge_kind kind, const struct record *record)
{
    struct judge_migration *m = migration_of(judge, record->values[0]);
    if (m == NULL) {
        return;
    }
    uint32_t item = (uint32_t)(record->values[0] - 1);
    switch (kind) {
    case KIND_MIGRATION_ORDERED:
        take_ordered(judge, m, record);
        break;
    case KIND_MIGRATION_STEP:
        take_step(m, record);
        break;
    case KIND_MIGRATION_ROUND:
        take_round(m, record);
        break;
    case KIND_MIGRATION_RULE:
        snprintf(m->rule, sizeof m->rule, "%s", record->text);
        break;
    case KIND_MIGRATION_HANDOVER:
        take_handover(m, record);
        break;
    case KIND_MIGRATION_PACE:
        take_pace(m, record);
        break;
    case KIND_MIGRATION_THROTTLED:
        take_throttled(m, record);
        break;
    case KIND_MIGRATION_PACKED:
        take_packed(m, record);
        break;
    default:
        end_migration(judge, item, record->time, record->values[1] != 0, record->text);
        break;
    }
    migration_changed(judge, item);
}

/* The source of a migration lost power before the commit point: nobody is left to say that it ended. */
static void end_with_source(struct judge *judge, uint32_t node, sim_time now)
{
    for (uint32_t i = 0; i < judge->scenario->item_count; i++) {
        struct judge_migration *m = &judge->items[i].migration;
        if (judge->scenario->timeline[i].kind == SCENARIO_MIGRATE && m->ordered && !m->ended &&
            m->from_node == node && m->handover_given == 0) {
            end_migration(judge, i, now, false, "the source lost power");
            migration_changed(judge, i);
        }
    }
}

/* ---- VMs ------------------------------------------------------------------------------------------------------------------------- */

/* Migrations of a VM that are under way. */
static void note_pause(struct judge *judge, uint32_t vm, sim_time now)
{
    for (uint32_t i = 0; i < judge->scenario->item_count; i++) {
        const struct scenario_item *item = &judge->scenario->timeline[i];
        struct judge_migration *m = &judge->items[i].migration;
        if (item->kind == SCENARIO_MIGRATE && item->action.migrate.vm == vm && m->ordered &&
            !m->ended) {
            m->paused_known = true;
            m->running_known = false;
            m->paused_at = now;
            judge_changed(judge, (struct scenario_part){SCENARIO_ACTION, i});
        }
    }
}

static void note_run(struct judge *judge, uint32_t vm, uint32_t node, sim_time now)
{
    for (uint32_t i = 0; i < judge->scenario->item_count; i++) {
        const struct scenario_item *item = &judge->scenario->timeline[i];
        struct judge_migration *m = &judge->items[i].migration;
        if (item->kind == SCENARIO_MIGRATE && item->action.migrate.vm == vm && m->paused_known &&
            !m->running_known) {
            m->running_known = true;
            m->resumed_at = now;
            m->resumed_node = node;
            migration_changed(judge, i);
        }
    }
}

static void stands_still(struct judge *judge, uint32_t vm, sim_time now)
{
    struct judge_vm *v = &judge->vms[vm];
    if (v->still_since == SIM_NEVER) {
        v->still_since = now;
        judge_time_passes(judge, vm);
    }
}

static void moves_again(struct judge *judge, struct scenario_part part, sim_time now)
{
    struct judge_vm *v = &judge->vms[part.index];
    if (v->still_since != SIM_NEVER) {
        if (now - v->still_since > v->longest_pause) {
            v->longest_pause = now - v->still_since;
        }
        judge_evaluate_part(judge, part); /* J3: paused-for at its longest */
    }
    v->still_since = SIM_NEVER;
}

/* A VM that hangs stands still, as one that is paused. What is paused, off or lost meanwhile does not run because it thaws. */
static void take_vm_machine(struct judge *judge, struct scenario_part part,
                            const struct record *record)
{
    struct judge_vm *v = &judge->vms[part.index];
    v->asked_off = strcmp(record->text, "off") == 0;
    if (strcmp(record->text, "frozen") == 0 && v->state == JUDGE_VM_RUNNING) {
        v->state = JUDGE_VM_FROZEN;
        stands_still(judge, part.index, record->time);
    } else if (strcmp(record->text, "thawed") == 0 && v->state == JUDGE_VM_FROZEN) {
        moves_again(judge, part, record->time);
        v->state = JUDGE_VM_RUNNING;
    }
    judge_changed(judge, part);
}

static void take_vm(struct judge *judge, enum judge_kind kind, const struct record *record)
{
    struct scenario_part part = judge_part_of(judge, record->origin);
    if (part.kind != SCENARIO_VM) {
        return;
    }
    struct judge_vm *v = &judge->vms[part.index];
    uint32_t host = (uint32_t)record->values[1];
    uint32_t node = judge_part_of(judge, host).index;
    switch (kind) {
    case KIND_VM_CREATED:
        v->instances++;
        return;
    case KIND_VM_RUNS:
        moves_again(judge, part, record->time);
        v->state = JUDGE_VM_RUNNING;
        v->node = node;
        note_run(judge, part.index, node, record->time);
        break;
    case KIND_VM_PAUSED:
        v->state = JUDGE_VM_PAUSED;
        stands_still(judge, part.index, record->time);
        note_pause(judge, part.index, record->time);
        break;
    default: /* gone */
        SIM_ASSERT(v->instances > 0);
        v->instances--;
        if (record->values[2] != 0) {
            v->state = v->asked_off ? JUDGE_VM_OFF : JUDGE_VM_LOST;
            stands_still(judge, part.index, record->time);
        } else if (v->instances == 0 && v->state == JUDGE_VM_PAUSED) {
            v->state = v->asked_off ? JUDGE_VM_OFF : JUDGE_VM_LOST;
        }
        v->asked_off = false;
        break;
    }
    judge_changed(judge, part);
}

/* ---- traffic ----------------------------------------------------------------------------------------------------------------------- */

static void take_latency(struct judge_latency *latency, sim_time value)
{
    if (latency->count == 0 || value < latency->min) {
        latency->min = value;
    }
    if (value > latency->max) {
        latency->max = value;
    }
    latency->sum += value;
    latency->count++;
}

static void take_gap(struct judge_item *item, sim_time now)
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

static void take_traffic(struct judge *judge, enum judge_kind kind, const struct record *record)
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
        take_gap(item, record->time);
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
static void take_hit(struct judge *judge, const struct record *record)
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

static void take_claim(struct judge *judge, const struct record *record)
{
    for (uint32_t i = 0; i < judge->scenario->item_count; i++) {
        if (judge->items[i].fault_first <= record->cause &&
            record->cause <= judge->items[i].fault_last) {
            judge->items[i].claimed_address = (uint32_t)record->values[0];
        }
    }
    take_hit(judge, record);
}

static void take_frame_lost(struct judge *judge, const struct record *record)
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
    take_hit(judge, record);
}

static void take_link_totals(struct judge *judge, const struct record *record)
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
static void take_timeout(struct judge *judge, const struct record *record)
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
        }
    }
}

/* The connection of a migration that is connecting: its peer's address says which network it goes over. */
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

static void take_tcp_opened(struct judge *judge, const struct record *record)
{
    count_connection(judge, judge_part_of(judge, record->origin), record);
    struct scenario_part node = judge_part_of(judge, record->origin);
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

static void take_tcp_closed(struct judge *judge, const struct record *record)
{
    struct scenario_part part = judge_part_of(judge, record->origin);
    for (uint32_t i = 0; i < judge->scenario->item_count; i++) {
        const struct scenario_item *item = &judge->scenario->timeline[i];
        if (item->kind == SCENARIO_BULK && item->action.bulk.from.kind == part.kind &&
            item->action.bulk.from.index == part.index && judge->items[i].started_at != SIM_NEVER) {
            judge->items[i].retransmissions += (uint64_t)record->values[3];
        }
    }
}

/* ---- drains ----------------------------------------------------------------------------------------------------------------------------- */

static void take_drain(struct judge *judge, enum judge_kind kind, const struct record *record)
{
    struct scenario_part part = judge_part_of(judge, record->origin);
    if (part.kind != SCENARIO_ACTION) {
        return;
    }
    struct judge_item *item = &judge->items[part.index];
    if (kind == KIND_DRAIN_MOVES) {
        item->migration.to_node = judge_part_of(judge, (uint32_t)record->values[1]).index;
    } else {
        item->stays = realloc(item->stays, (item->stay_count + 1) * sizeof *item->stays);
        SIM_ASSERT(item->stays != NULL);
        item->stays[item->stay_count] = strdup(record->text);
        SIM_ASSERT(item->stays[item->stay_count] != NULL);
        item->stay_count++;
    }
    judge_changed(judge, part);
}

void judge_drain(const struct judge *judge, uint32_t item, struct judge_drain *out)
{
    const struct scenario_drain *drain = &judge->scenario->timeline[item].action.drain;
    SIM_ASSERT(judge->scenario->timeline[item].kind == SCENARIO_DRAIN);
    *out = (struct judge_drain){
        .failed = judge->items[item].stay_count,
        .longest_pause = SIM_NEVER,
        .longest_item = SIM_NONE,
        .stays = (const char *const *)judge->items[item].stays,
        .stay_count = judge->items[item].stay_count,
    };
    for (uint32_t i = drain->first_move; i < drain->first_move + judge->scenario->vm_count; i++) {
        const struct judge_migration *m = &judge->items[i].migration;
        out->moved += m->ended && m->completed;
        out->failed += m->ended && !m->completed;
        sim_time pause = m->resumed_at - m->paused_at;
        if (m->paused_known && m->running_known &&
            (out->longest_item == SIM_NONE || pause > out->longest_pause)) {
            out->longest_pause = pause;
            out->longest_item = i;
        }
    }
}

/* ---- actions and machines ------------------------------------------------------------------------------------------------------------- */

static void take_action(struct judge *judge, enum judge_kind kind, const struct record *record)
{
    struct scenario_part part = judge_part_of(judge, record->origin);
    if (part.kind != SCENARIO_ACTION) {
        return;
    }
    struct judge_item *item = &judge->items[part.index];
    if (kind == KIND_ACTION_STARTS) {
        item->started_at = record->time;
        item->migration.started = record->time;
    } else if (kind == KIND_FAULT_STARTS) {
        if (item->fault_first == UINT64_MAX) {
            item->fault_first = record->id;
        }
        item->fault_last = record->id;
        if (record->values[0] >= 0 && record->values[0] < FAULT_KINDS &&
            (fault_table[record->values[0]].ways & FAULT_STRIKES) != 0) {
            item->hits++;
        }
    } else if (kind == KIND_FAULT_HITS) {
        item->hits += (uint64_t)record->values[0];
    } else if (item->ended_at == SIM_NEVER) {
        item->ended_at = record->time;
        snprintf(item->how, sizeof item->how, "%s", record->text);
        if (judge->scenario->timeline[part.index].kind == SCENARIO_MIGRATE) {
            end_migration(judge, part.index, record->time, false, record->text);
            migration_changed(judge, part.index);
        }
    }
    judge_changed(judge, part);
}

static void take_machine(struct judge *judge, const struct record *record)
{
    struct scenario_part part = judge_part_of(judge, record->origin);
    const char *state = record->text;
    if (part.kind == SCENARIO_VM) {
        take_vm_machine(judge, part, record);
        return;
    }
    if (part.kind != SCENARIO_NODE && part.kind != SCENARIO_CLIENT) {
        return;
    }
    enum judge_power *power =
        part.kind == SCENARIO_NODE ? &judge->nodes[part.index] : &judge->clients[part.index];
    *power = strcmp(state, "off") == 0      ? JUDGE_POWERED_DOWN
             : strcmp(state, "frozen") == 0 ? JUDGE_FROZEN
                                            : JUDGE_RUNNING;
    if (*power == JUDGE_POWERED_DOWN && part.kind == SCENARIO_NODE) {
        end_with_source(judge, part.index, record->time);
    }
    judge_changed(judge, part);
}

static void take_vm_totals(struct judge *judge, const struct record *record)
{
    struct scenario_part part = judge_part_of(judge, record->origin);
    if (part.kind == SCENARIO_VM) {
        judge->vms[part.index].pages_written = (uint64_t)record->values[1];
        judge->vms[part.index].totals_known = true;
    }
}

static void take_vm_work(struct judge *judge, const struct record *record)
{
    struct scenario_part part = judge_part_of(judge, record->origin);
    if (part.kind == SCENARIO_VM) {
        judge_work_take(&judge->work[part.index], record);
    }
}

static void take_video(struct judge *judge, const struct record *record)
{
    struct scenario_part part = judge_part_of(judge, record->origin);
    if (part.kind == SCENARIO_ACTION) {
        const char *kind = recorder_kind(judge->recorder, record->kind)->name;
        bool taken = judge_video_take(&judge->items[part.index].video, kind, record);
        SIM_ASSERT(taken);
        judge_changed(judge, part);
    }
}

static void take_node_totals(struct judge *judge, const struct record *record)
{
    struct scenario_part part = judge_part_of(judge, record->origin);
    if (part.kind == SCENARIO_NODE) {
        judge->busy[part.index] = record->values[0];
    }
}

static void take_node_guests(struct judge *judge, const struct record *record)
{
    struct scenario_part part = judge_part_of(judge, record->origin);
    if (part.kind == SCENARIO_NODE) {
        judge->guests[part.index] = record->values[0];
    }
}

/* ---- the listener ------------------------------------------------------------------------------------------------------------------------ */

void judge_rest(struct judge *judge)
{
    judge_free_watches(judge);
    judge->finished = true;
}

void judge_take(struct judge *judge, const struct record *record)
{
    if (judge->finished) { /* the world is being taken down: that is not what the run did */
        return;
    }
    enum judge_kind kind =
        record->kind < judge->kind_count ? (enum judge_kind)judge->kinds[record->kind] : KIND_OTHER;
    judge->now = record->time;
    switch (kind) {
    case KIND_OTHER:
        return;
    case KIND_ACTION_STARTS:
    case KIND_ACTION_ENDS:
    case KIND_FAULT_STARTS:
    case KIND_FAULT_HITS:
        take_action(judge, kind, record);
        break;
    case KIND_MACHINE:
        take_machine(judge, record);
        break;
    case KIND_FRAME_LOST:
        take_frame_lost(judge, record);
        break;
    case KIND_FRAME_CHANGED:
        take_hit(judge, record);
        break;
    case KIND_ARP_CLAIMED:
        take_claim(judge, record);
        break;
    case KIND_LINK_TOTALS:
        take_link_totals(judge, record);
        break;
    case KIND_NODE_TOTALS:
        take_node_totals(judge, record);
        break;
    case KIND_TCP_OPENED:
        take_tcp_opened(judge, record);
        break;
    case KIND_TCP_TIMEOUT:
        take_timeout(judge, record);
        break;
    case KIND_TCP_RECOVERY:
        break;
    case KIND_TCP_CLOSED:
        take_tcp_closed(judge, record);
        break;
    case KIND_VM_CREATED:
    case KIND_VM_RUNS:
    case KIND_VM_PAUSED:
    case KIND_VM_GONE:
        take_vm(judge, kind, record);
        break;
    case KIND_VM_TOTALS:
        take_vm_totals(judge, record);
        break;
    case KIND_NODE_GUESTS:
        take_node_guests(judge, record);
        break;
    case KIND_VM_WORK:
        take_vm_work(judge, record);
        break;
    case KIND_VIDEO:
        take_video(judge, record);
        break;
    case KIND_MIGRATION_ORDERED:
    case KIND_MIGRATION_STEP:
    case KIND_MIGRATION_ROUND:
    case KIND_MIGRATION_RULE:
    case KIND_MIGRATION_HANDOVER:
    case KIND_MIGRATION_ENDED:
    case KIND_MIGRATION_PACE:
    case KIND_MIGRATION_THROTTLED:
    case KIND_MIGRATION_PACKED:
        take_migration(judge, kind, record);
        break;
    case KIND_DRAIN_MOVES:
    case KIND_DRAIN_STAYS:
        take_drain(judge, kind, record);
        break;
    default:
        take_traffic(judge, kind, record);
        break;
    }
    judge_evaluate_changed(judge);
}

static void listen(void *context, const struct record *record)
{
    judge_take(context, record);
}

/* ---- life ----------------------------------------------------------------------------------------------------------------------------------- */

static void *take(size_t count, size_t bytes)
{
    void *memory = calloc(count > 0 ? count : 1, bytes);
    SIM_ASSERT(memory != NULL);
    return memory;
}

struct judge *judge_new(const struct scenario *scenario, struct recorder *recorder, struct sim *sim,
                        uint32_t origin)
{
    struct judge *judge = take(1, sizeof *judge);
    judge->scenario = scenario;
    judge->recorder = recorder;
    judge->sim = sim;
    judge->origin = origin;
    judge->origin_count = sim_origin_count(recorder_sim(recorder));
    judge->origins = take(judge->origin_count, sizeof *judge->origins);
    judge->items = take(scenario->item_count, sizeof *judge->items);
    judge->vms = take(scenario->vm_count, sizeof *judge->vms);
    judge->work = take(scenario->vm_count, sizeof *judge->work);
    judge->nodes = take(scenario->node_count, sizeof *judge->nodes);
    judge->busy = take(scenario->node_count, sizeof *judge->busy);
    judge->guests = take(scenario->node_count, sizeof *judge->guests);
    judge->clients = take(scenario->client_count, sizeof *judge->clients);
    judge->links = take(scenario->link_count, sizeof *judge->links);
    judge->networks = take(scenario->network_count, sizeof *judge->networks);
    judge->expectations = take(scenario->expect_count, sizeof *judge->expectations);
    for (uint32_t i = 0; i < scenario->item_count; i++) {
        judge->items[i].started_at = SIM_NEVER;
        judge->items[i].ended_at = SIM_NEVER;
        judge_video_init(&judge->items[i].video);
        judge->items[i].ping.last_reply = SIM_NEVER;
        judge->items[i].fault_first = UINT64_MAX;
        judge->items[i].migration.resumed_node = SIM_NONE;
        judge->items[i].migration.from_node = SIM_NONE;
        judge->items[i].migration.to_node = scenario->timeline[i].kind == SCENARIO_MIGRATE
                                                ? scenario->timeline[i].action.migrate.to
                                                : SIM_NONE;
        judge->items[i].migration.network = SIM_NONE;
        for (uint32_t s = 0; s < JUDGE_STEPS; s++) {
            judge->items[i].migration.step_at[s] = SIM_NEVER;
        }
    }
    for (uint32_t i = 0; i < scenario->vm_count; i++) {
        judge->vms[i].node = SIM_NONE;
        judge->vms[i].still_since = SIM_NEVER;
    }
    learn_kinds(judge);
    recorder_listen(recorder, SIM_NONE, listen, judge);
    return judge;
}

void judge_free(struct judge *judge)
{
    judge_free_watches(judge);
    for (uint32_t i = 0; i < judge->scenario->item_count; i++) {
        free(judge->items[i].migration.rounds);
        for (uint32_t s = 0; s < judge->items[i].stay_count; s++) {
            free(judge->items[i].stays[s]);
        }
        free(judge->items[i].stays);
    }
    free(judge->kinds);
    free(judge->origins);
    free(judge->items);
    free(judge->vms);
    free(judge->work);
    free(judge->nodes);
    free(judge->busy);
    free(judge->guests);
    free(judge->clients);
    free(judge->links);
    free(judge->networks);
    free(judge->expectations);
    free(judge);
}

void judge_cut_short(struct judge *judge)
{
    judge->cut_short = true;
}

void judge_finish(struct judge *judge, sim_time now)
{
    judge->now = now;
    for (uint32_t i = 0; i < judge->scenario->item_count; i++) {
        struct judge_item *item = &judge->items[i];
        judge_video_finish(&item->video, item->ended_at != SIM_NEVER ? item->ended_at : now);
        /* A request waits for its answer as long as it takes: the one that is open counts, though it is not lost yet. */
        bool waits = judge->scenario->timeline[i].kind == SCENARIO_REQUEST || item->ping.lost > 0;
        if (item->ping.open && item->ended_at == SIM_NEVER && waits) {
            sim_time reply = item->ping.last_reply;
            take_gap(item, now); /* the gap that nothing has closed */
            item->ping.last_reply = reply;
        }
    }
    for (uint32_t i = 0; i < judge->scenario->vm_count; i++) {
        struct judge_vm *vm = &judge->vms[i];
        if (vm->still_since != SIM_NEVER && now - vm->still_since > vm->longest_pause) {
            vm->longest_pause = now - vm->still_since;
        }
    }
    judge_finish_expectations(judge);
}

/* ---- looking ----------------------------------------------------------------------------------------------------------------------------------- */

const struct judge_migration *judge_migration(const struct judge *judge, uint32_t item)
{
    return &judge->items[item].migration;
}

const struct judge_ping *judge_ping(const struct judge *judge, uint32_t item)
{
    return &judge->items[item].ping;
}

const struct judge_latency *judge_latency(const struct judge *judge, uint32_t item)
{
    return &judge->items[item].latency;
}

const struct judge_video *judge_video(const struct judge *judge, uint32_t item)
{
    return &judge->items[item].video;
}

const struct judge_work *judge_work(const struct judge *judge, uint32_t vm)
{
    return &judge->work[vm];
}

const struct judge_vm *judge_vm(const struct judge *judge, uint32_t vm)
{
    return &judge->vms[vm];
}

sim_time judge_node_busy(const struct judge *judge, uint32_t node)
{
    SIM_ASSERT(node < judge->scenario->node_count);
    return judge->busy[node];
}

uint32_t judge_claimed_address(const struct judge *judge, uint32_t item)
{
    SIM_ASSERT(item < judge->scenario->item_count);
    return judge->items[item].claimed_address;
}

sim_time judge_node_guests(const struct judge *judge, uint32_t node)
{
    SIM_ASSERT(node < judge->scenario->node_count);
    return judge->guests[node];
}

sim_time judge_action_start(const struct judge *judge, uint32_t item)
{
    return judge->items[item].started_at;
}

sim_time judge_action_end(const struct judge *judge, uint32_t item, const char **how)
{
    *how = judge->items[item].how;
    return judge->items[item].ended_at;
}
