#include "testbed/judge.h"

#include "cluster/migration_records.h"
#include "nic/net.h"
#include "sim/assert.h"
#include "testbed/judge_private.h"
#include "testbed/name_range.h"
#include "testbed/part_names.h"
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
    char name[2 * NAME_BYTES_MAX + 32];
    size_t length = strlen(path);
    if (length > 0 && (path[length - 1] == '>' || path[length - 1] == '<')) {
        length--;
    }
    if (length >= sizeof name) {
        return (struct scenario_part){SCENARIO_NO_PART, SIM_NONE};
    }
    memcpy(name, path, length);
    name[length] = '\0';
    const struct scenario_name *entry = part_names_find(scenario, name);
    return entry != NULL ? entry->part : (struct scenario_part){SCENARIO_NO_PART, SIM_NONE};
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
            judge_end_migration(judge, part.index, record->time, false, record->text);
            judge_migration_changed(judge, part.index);
        }
    }
    judge_changed(judge, part);
}

static void take_machine(struct judge *judge, const struct record *record)
{
    struct scenario_part part = judge_part_of(judge, record->origin);
    const char *state = record->text;
    if (part.kind == SCENARIO_VM) {
        judge_take_vm_machine(judge, part, record);
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
        judge_end_with_source(judge, part.index, record->time);
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
    judge_free_expectations(judge);
    judge->finished = true;
}

void judge_take(struct judge *judge, const struct record *record)
{
    if (judge->finished) { /* the world is being taken down: that is not what the run did */
        return;
    }
    uint8_t known = record->kind < judge->kind_count ? judge->kinds[record->kind] : KIND_OTHER;
    enum judge_kind kind = (enum judge_kind)(known & ~JUDGE_KIND_IN_SEQUENCE);
    judge->now = record->time;
    if ((known & JUDGE_KIND_IN_SEQUENCE) != 0) {
        judge_take_in_sequence(judge, record);
    }
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
        judge_take_frame_lost(judge, record);
        break;
    case KIND_FRAME_CHANGED:
        judge_take_hit(judge, record);
        break;
    case KIND_ARP_CLAIMED:
        judge_take_claim(judge, record);
        break;
    case KIND_LINK_TOTALS:
        judge_take_link_totals(judge, record);
        break;
    case KIND_NODE_TOTALS:
        take_node_totals(judge, record);
        break;
    case KIND_TCP_OPENED:
        judge_take_tcp_opened(judge, record);
        break;
    case KIND_TCP_TIMEOUT:
        judge_take_timeout(judge, record);
        break;
    case KIND_TCP_RECOVERY:
        break;
    case KIND_TCP_CLOSED:
        judge_take_tcp_closed(judge, record);
        break;
    case KIND_VM_CREATED:
    case KIND_VM_RUNS:
    case KIND_VM_PAUSED:
    case KIND_VM_GONE:
        judge_take_vm(judge, kind, record);
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
        judge_take_migration(judge, kind, record);
        break;
    case KIND_DRAIN_MOVES:
    case KIND_DRAIN_STAYS:
        judge_take_drain(judge, kind, record);
        break;
    default:
        judge_take_traffic(judge, kind, record);
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
        judge->vms[i].longest_downtime = SIM_NEVER;
    }
    learn_kinds(judge);
    judge_number_parts(judge);
    recorder_listen(recorder, SIM_NONE, listen, judge);
    return judge;
}

void judge_free(struct judge *judge)
{
    judge_free_watches(judge);
    judge_free_expectations(judge);
    for (uint32_t i = 0; i < judge->scenario->item_count; i++) {
        free(judge->items[i].migration.rounds);
        histogram_close(&judge->items[i].latency.times);
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
    free(judge->readers);
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
            judge_take_gap(item, now); /* the gap that nothing has closed */
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
