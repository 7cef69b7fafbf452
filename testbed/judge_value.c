/* What a property is worth now. */
#include "sim/assert.h"
#include "testbed/judge_private.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- values --------------------------------------------------------------------------------------------------------------- */

static struct expression_value unknown(void)
{
    return (struct expression_value){.known = false};
}

static struct expression_value number(int64_t value)
{
    return (struct expression_value){.known = true, .number = value};
}

static struct expression_value count(uint64_t value)
{
    return number((int64_t)value);
}

static struct expression_value word(const char *value)
{
    return (struct expression_value){.known = true, .word = value};
}

static struct expression_value instant(sim_time at)
{
    return at == SIM_NEVER ? unknown() : number(at);
}

static bool is(const struct property_row *property, const char *name)
{
    return strcmp(property->name, name) == 0;
}

static const char *outcome_of(const struct judge_migration *m)
{
    if (m->completed) {
        return "succeeded";
    }
    if (strncmp(m->how, "refused", 7) == 0) {
        return "refused";
    }
    return strncmp(m->how, "cancelled", 9) == 0 ? "cancelled" : "failed";
}

static struct expression_value migration_value(const struct judge *judge, uint32_t index,
                                               const struct property_row *property)
{
    const struct judge_item *item = &judge->items[index];
    const struct judge_migration *m = &item->migration;
    uint64_t timeouts = 0;
    for (uint32_t step = 0; step < JUDGE_STEPS; step++) {
        timeouts += m->timeouts[step];
    }
    if (item->started_at == SIM_NEVER) {
        return unknown();
    }
    if (is(property, "step")) {
        return word(judge_step_word(m->step));
    }
    if (is(property, "outcome")) {
        return m->ended ? word(outcome_of(m)) : unknown();
    }
    if (is(property, "downtime")) {
        return m->paused_known && m->running_known ? number(m->resumed_at - m->paused_at)
                                                   : unknown();
    }
    if (is(property, "total-time")) {
        return m->ended ? number(m->ended_at - item->started_at) : unknown();
    }
    if (is(property, "rounds")) {
        return count(m->round_count - (m->has_final ? 1 : 0));
    }
    if (is(property, "pages-sent")) {
        return count(m->pages_sent);
    }
    if (is(property, "zero-pages")) {
        return count(m->zero_pages);
    }
    if (is(property, "bytes-sent")) {
        return count(m->bytes_sent);
    }
    if (is(property, "skipped-pages")) {
        return count(m->skipped_pages);
    }
    if (is(property, "throttle")) {
        return number((int64_t)(m->first_throttled_round > 0 ? 100 - m->throttled_left : 0) *
                      (QUANTITY_WHOLE_PPB / 100));
    }
    if (is(property, "bytes-saved")) {
        return count(m->packed[0].before - m->packed[0].after);
    }
    if (is(property, "compression-time")) {
        return number(m->packed[0].busy);
    }
    SIM_ASSERT(is(property, "timeouts"));
    return count(timeouts);
}

static struct expression_value latency_value(const struct judge_latency *latency,
                                             const struct property_row *property)
{
    const char *which = strchr(property->name, '.');
    SIM_ASSERT(which != NULL);
    if (latency->count == 0) {
        return unknown();
    }
    if (property->percentile_ppm != 0) {
        return number(histogram_percentile(&latency->times, property->percentile_ppm));
    }
    if (strcmp(which, ".min") == 0) {
        return number(latency->min);
    }
    if (strcmp(which, ".max") == 0) {
        return number(latency->max);
    }
    SIM_ASSERT(strcmp(which, ".mean") == 0);
    return number(latency->sum / (sim_time)latency->count);
}

static struct expression_value traffic_value(const struct judge_item *item,
                                             const struct property_row *property)
{
    if (item->started_at == SIM_NEVER) {
        return unknown();
    }
    if (is(property, "sent")) {
        return count(item->ping.sent);
    }
    if (is(property, "received") || is(property, "answered")) {
        return count(item->ping.received);
    }
    if (is(property, "lost") || is(property, "failed")) {
        return count(item->ping.lost);
    }
    if (is(property, "reconnects")) {
        return count(item->reconnects);
    }
    if (is(property, "longest-gap")) {
        return item->ping.longest_gap > 0 ? number(item->ping.longest_gap) : unknown();
    }
    return latency_value(&item->latency, property);
}

static struct expression_value bulk_value(const struct judge_item *item,
                                          const struct property_row *property)
{
    if (item->started_at == SIM_NEVER) {
        return unknown();
    }
    if (is(property, "outcome")) {
        return item->ended_at == SIM_NEVER
                   ? unknown()
                   : word(item->bulk_done && item->bulk_damaged == 0 ? "succeeded" : "failed");
    }
    if (is(property, "bytes-received")) {
        return count(item->bulk_bytes);
    }
    if (is(property, "duration")) {
        return item->bulk_done ? number(item->bulk_took) : unknown();
    }
    if (is(property, "goodput")) {
        return item->bulk_done && item->bulk_took > 0
                   ? number((int64_t)((run_hash_product)item->bulk_bytes * 8 * 1000000000u /
                                      (uint64_t)item->bulk_took))
                   : unknown();
    }
    if (is(property, "retransmissions")) {
        return count(item->retransmissions);
    }
    SIM_ASSERT(is(property, "timeouts"));
    return count(item->timeouts);
}

static struct expression_value drain_value(const struct judge *judge, uint32_t index,
                                           const struct property_row *property)
{
    const struct judge_item *item = &judge->items[index];
    struct judge_drain drain;
    judge_drain(judge, index, &drain);
    if (item->started_at == SIM_NEVER) {
        return unknown();
    }
    if (is(property, "duration")) {
        return item->ended_at == SIM_NEVER ? unknown() : number(item->ended_at - item->started_at);
    }
    if (is(property, "moved")) {
        return count(drain.moved);
    }
    if (is(property, "failed")) {
        return count(drain.failed);
    }
    SIM_ASSERT(is(property, "longest-pause"));
    return instant(drain.longest_pause);
}

static struct expression_value action_value(const struct judge *judge, uint32_t index,
                                            const struct property_row *property)
{
    const struct judge_item *item = &judge->items[index];
    if (is(property, "start")) {
        return instant(item->started_at);
    }
    if (is(property, "end")) {
        return instant(item->ended_at);
    }
    switch (judge->scenario->timeline[index].kind) {
    case SCENARIO_MIGRATE:
        return migration_value(judge, index, property);
    case SCENARIO_PING:
    case SCENARIO_REQUEST:
        return traffic_value(item, property);
    case SCENARIO_BULK:
        return bulk_value(item, property);
    case SCENARIO_VIDEO:
        return judge_video_value(&item->video, property->name);
    case SCENARIO_DRAIN:
        return drain_value(judge, index, property);
    default:
        SIM_ASSERT(is(property, "hits"));
        return item->started_at == SIM_NEVER ? unknown() : count(item->hits);
    }
}

static struct expression_value vm_value(const struct judge *judge, uint32_t index,
                                        const struct property_row *property)
{
    static const char *const states[] = {
        [JUDGE_VM_OFF] = "powered-down", [JUDGE_VM_RUNNING] = "running",
        [JUDGE_VM_PAUSED] = "paused",    [JUDGE_VM_FROZEN] = "frozen",
        [JUDGE_VM_LOST] = "lost",
    };
    const struct judge_vm *vm = &judge->vms[index];
    bool still = vm->still_since != SIM_NEVER;
    sim_time still_for = still ? judge->now - vm->still_since : 0;
    if (is(property, "state")) {
        return vm->node == SIM_NONE ? unknown() : word(states[vm->state]);
    }
    if (is(property, "node")) {
        return vm->node == SIM_NONE ? unknown() : word(judge->scenario->nodes[vm->node].name);
    }
    if (is(property, "memory")) {
        return number(judge->scenario->vms[index].memory_bytes);
    }
    if (is(property, "downtime")) {
        return instant(vm->longest_downtime);
    }
    if (is(property, "paused-for")) {
        return number(still_for);
    }
    if (is(property, "longest-pause")) {
        return number(still_for > vm->longest_pause ? still_for : vm->longest_pause);
    }
    struct expression_value value;
    if (judge_work_value(&judge->work[index], property->name, &value)) {
        return vm->totals_known ? value : unknown();
    }
    SIM_ASSERT(is(property, "pages-written"));
    return vm->totals_known ? count(vm->pages_written) : unknown();
}

static struct expression_value machine_value(enum judge_power power, int64_t memory_bytes,
                                             const struct property_row *property)
{
    static const char *const states[] = {
        [JUDGE_POWERED_DOWN] = "powered-down",
        [JUDGE_RUNNING] = "running",
        [JUDGE_FROZEN] = "frozen",
    };
    if (!is(property, "state")) {
        return number(memory_bytes);
    }
    return power == JUDGE_UNSEEN ? unknown() : word(states[power]);
}

static struct expression_value wire_value(const struct judge_traffic *traffic,
                                          const struct property_row *property)
{
    if (is(property, "drops")) {
        return count(traffic->drops);
    }
    if (!traffic->known) {
        return unknown();
    }
    if (is(property, "frames")) {
        return count(traffic->frames);
    }
    if (is(property, "bytes")) {
        return count(traffic->bytes);
    }
    SIM_ASSERT(is(property, "queue-max"));
    return count(traffic->queue_peak);
}

struct expression_value judge_value(const struct judge *judge, struct scenario_part part,
                                    const struct property_row *property)
{
    switch (part.kind) {
    case SCENARIO_ACTION:
        return action_value(judge, part.index, property);
    case SCENARIO_VM:
        return vm_value(judge, part.index, property);
    case SCENARIO_NODE:
        return machine_value(judge->nodes[part.index],
                             judge->scenario->nodes[part.index].memory_bytes, property);
    case SCENARIO_CLIENT:
        return machine_value(judge->clients[part.index], 0, property);
    case SCENARIO_NETWORK:
        return wire_value(&judge->networks[part.index], property);
    case SCENARIO_LINK:
        return wire_value(&judge->links[part.index], property);
    default:
        return unknown();
    }
}

struct expression_value judge_resolve(void *context, const struct expression_reference *reference)
{
    return judge_value(context, reference->part, reference->property);
}

enum truth judge_evaluate(const struct judge *judge, const struct expression *expression)
{
    return expression_evaluate(expression, judge_resolve, (void *)(uintptr_t)judge);
}

const char *judge_actual(const struct judge *judge, const struct expression *expression, char *out,
                         size_t capacity)
{
    return expression_actual(expression, judge->scenario, judge_resolve, (void *)(uintptr_t)judge,
                             out, capacity);
}
