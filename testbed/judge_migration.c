/* What records say of migrations and of the VMs that they move. */
#include "sim/assert.h"
#include "testbed/judge_private.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- migrations ---------------------------------------------------------------------------------------------------------------- */

static struct judge_migration *migration_of(struct judge *judge, int64_t request)
{
    if (request < 1 || (uint64_t)request > judge->scenario->item_count ||
        judge->scenario->timeline[request - 1].kind != SCENARIO_MIGRATE) {
        return NULL;
    }
    return &judge->items[request - 1].migration;
}

void judge_end_migration(struct judge *judge, uint32_t item, sim_time now, bool completed,
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
void judge_migration_changed(struct judge *judge, uint32_t item)
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

void judge_take_migration(struct judge *judge, enum judge_kind kind, const struct record *record)
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
        judge_end_migration(judge, item, record->time, record->values[1] != 0, record->text);
        break;
    }
    judge_migration_changed(judge, item);
}

/* The source of a migration lost power before the commit point: nobody is left to say that it ended. */
void judge_end_with_source(struct judge *judge, uint32_t node, sim_time now)
{
    for (uint32_t i = 0; i < judge->scenario->item_count; i++) {
        struct judge_migration *m = &judge->items[i].migration;
        if (judge->scenario->timeline[i].kind == SCENARIO_MIGRATE && m->ordered && !m->ended &&
            m->from_node == node && m->handover_given == 0) {
            judge_end_migration(judge, i, now, false, "the source lost power");
            judge_migration_changed(judge, i);
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
            judge_migration_changed(judge, i);
        }
    }
}

static void note_run(struct judge *judge, uint32_t vm, uint32_t node, sim_time now)
{
    sim_time *longest = &judge->vms[vm].longest_downtime;
    for (uint32_t i = 0; i < judge->scenario->item_count; i++) {
        const struct scenario_item *item = &judge->scenario->timeline[i];
        struct judge_migration *m = &judge->items[i].migration;
        if (item->kind == SCENARIO_MIGRATE && item->action.migrate.vm == vm && m->paused_known &&
            !m->running_known) {
            m->running_known = true;
            m->resumed_at = now;
            m->resumed_node = node;
            if (*longest == SIM_NEVER || now - m->paused_at > *longest) {
                *longest = now - m->paused_at;
            }
            judge_migration_changed(judge, i);
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
void judge_take_vm_machine(struct judge *judge, struct scenario_part part,
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

void judge_take_vm(struct judge *judge, enum judge_kind kind, const struct record *record)
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

/* ---- drains ----------------------------------------------------------------------------------------------------------------------------- */

void judge_take_drain(struct judge *judge, enum judge_kind kind, const struct record *record)
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
