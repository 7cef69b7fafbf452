/* What a property is worth now, and whether conditions and expectations hold. */
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

static struct expression_value latency_value(const struct judge_latency *latency, const char *which)
{
    if (latency->count == 0) {
        return unknown();
    }
    if (strcmp(which, "min") == 0) {
        return number(latency->min);
    }
    if (strcmp(which, "max") == 0) {
        return number(latency->max);
    }
    SIM_ASSERT(strcmp(which, "mean") == 0);
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
    const char *point = strchr(property->name, '.');
    SIM_ASSERT(point != NULL);
    return latency_value(&item->latency, point + 1);
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

static struct expression_value resolve(void *context, const struct expression_reference *reference)
{
    return judge_value(context, reference->part, reference->property);
}

enum truth judge_evaluate(const struct judge *judge, const struct expression *expression)
{
    return expression_evaluate(expression, resolve, (void *)(uintptr_t)judge);
}

const char *judge_actual(const struct judge *judge, const struct expression *expression, char *out,
                         size_t capacity)
{
    return expression_actual(expression, resolve, (void *)(uintptr_t)judge, out, capacity);
}

/* ---- watching --------------------------------------------------------------------------------------------------------------- */

static bool reads(const struct expression *expression, struct scenario_part part)
{
    for (uint32_t i = 0; i < expression->reference_count; i++) {
        const struct scenario_part *p = &expression->references[i].part;
        if (p->kind == part.kind && p->index == part.index) {
            return true;
        }
    }
    return false;
}

/* Whether a value that it reads grows with time alone. */
static bool reads_time(const struct expression *expression)
{
    for (uint32_t i = 0; i < expression->reference_count; i++) {
        const char *name = expression->references[i].property->name;
        if (strcmp(name, "paused-for") == 0 || strcmp(name, "longest-pause") == 0) {
            return true;
        }
    }
    return false;
}

static void evaluate(struct judge_watch_entry *watch)
{
    enum truth truth = judge_evaluate(watch->judge, watch->expression);
    watch->due = false;
    if (truth != watch->was) {
        watch->was = truth;
        watch->changed(watch->context, truth);
    }
}

void judge_changed(struct judge *judge, struct scenario_part part)
{
    for (struct judge_watch_entry *watch = judge->watches; watch != NULL; watch = watch->next) {
        if (reads(watch->expression, part)) {
            watch->due = true;
            judge->any_due = true;
        }
    }
}

void judge_evaluate_changed(struct judge *judge)
{
    if (!judge->any_due) {
        return;
    }
    judge->any_due = false;
    for (struct judge_watch_entry *watch = judge->watches; watch != NULL; watch = watch->next) {
        if (watch->due) {
            evaluate(watch);
        }
    }
}

void judge_evaluate_part(struct judge *judge, struct scenario_part part)
{
    for (struct judge_watch_entry *watch = judge->watches; watch != NULL; watch = watch->next) {
        if (reads(watch->expression, part)) {
            evaluate(watch);
        }
    }
}

/* The next instant after now at which a VM that stands still has done so for one of the expression's times, or a nanosecond longer. */
static void next_instant(const struct judge *judge, const struct expression_node *node,
                         sim_time *next)
{
    if (node == NULL) {
        return;
    }
    next_instant(judge, node->left, next);
    next_instant(judge, node->right, next);
    if (node->op != EXPRESSION_CONSTANT || node->type != EXPRESSION_QUANTITY ||
        node->unit != QUANTITY_TIME) {
        return;
    }
    for (uint32_t i = 0; i < judge->scenario->vm_count; i++) {
        sim_time since = judge->vms[i].still_since;
        if (since == SIM_NEVER || node->value > SIM_NEVER - 2 - since) {
            continue;
        }
        for (sim_time at = since + node->value; at <= since + node->value + 1; at++) {
            if (at > judge->now && at < *next) {
                *next = at;
            }
        }
    }
}

static void arm(struct judge_watch_entry *watch)
{
    sim_time next = SIM_NEVER;
    if (watch->event == SIM_NONE) {
        return;
    }
    next_instant(watch->judge, watch->expression->root, &next);
    if (next != SIM_NEVER) {
        sim_event_arm(watch->judge->sim, watch->event, next);
    } else {
        sim_event_cancel(watch->judge->sim, watch->event);
    }
}

static void on_time(void *context)
{
    struct judge_watch_entry *watch = context;
    watch->judge->now = sim_now(watch->judge->sim);
    evaluate(watch);
    arm(watch);
}

void judge_time_passes(struct judge *judge, uint32_t vm)
{
    for (struct judge_watch_entry *watch = judge->watches; watch != NULL; watch = watch->next) {
        if (reads(watch->expression, (struct scenario_part){SCENARIO_VM, vm})) {
            arm(watch);
        }
    }
}

void judge_watch(struct judge *judge, const struct expression *expression,
                 void (*changed)(void *context, enum truth truth), void *context)
{
    struct judge_watch_entry *watch = calloc(1, sizeof *watch);
    SIM_ASSERT(watch != NULL);
    watch->judge = judge;
    watch->expression = expression;
    watch->changed = changed;
    watch->context = context;
    watch->was = TRUTH_UNKNOWN;
    watch->event = SIM_NONE;
    if (judge->sim != NULL && reads_time(expression)) {
        watch->event = sim_event_new(judge->sim, judge->origin, on_time, watch);
    }
    struct judge_watch_entry **link = &judge->watches; /* asked in the order in which they came */
    while (*link != NULL) {
        link = &(*link)->next;
    }
    *link = watch;
    evaluate(watch);
}

void judge_free_watches(struct judge *judge)
{
    while (judge->watches != NULL) {
        struct judge_watch_entry *next = judge->watches->next;
        if (judge->watches->event != SIM_NONE) {
            sim_event_free(judge->sim, judge->watches->event);
        }
        free(judge->watches);
        judge->watches = next;
    }
    for (uint32_t i = 0; i < judge->scenario->expect_count; i++) {
        struct judge_expect_state *state = &judge->expectations[i];
        if (state->judge != NULL && state->event != SIM_NONE) {
            sim_event_free(judge->sim, state->event);
            state->event = SIM_NONE;
        }
    }
}

/* ---- expectations ------------------------------------------------------------------------------------------------------------- */

static void decide(struct judge_expect_state *state, enum truth held)
{
    const struct scenario_expect *expect = &state->judge->scenario->expect[state->index];
    if (state->decided) {
        return;
    }
    state->decided = true;
    state->held = held;
    state->decided_at = state->judge->now;
    judge_actual(state->judge, expect->holds, state->actual, sizeof state->actual);
}

/* never and always: the first instant at which it is not so decides. */
static void on_constant(void *context, enum truth truth)
{
    struct judge_expect_state *state = context;
    const struct scenario_expect *expect = &state->judge->scenario->expect[state->index];
    enum truth wanted = expect->kind == SCENARIO_EXPECT_ALWAYS ? TRUTH_TRUE : TRUTH_FALSE;
    if (truth != TRUTH_UNKNOWN && truth != wanted) {
        decide(state, TRUTH_FALSE);
    } else if (truth == wanted && !state->decided) {
        state->held = TRUTH_TRUE;
    }
}

/* within: opens when `after` becomes true, is met when `holds` does. */
static void on_holds(void *context, enum truth truth)
{
    struct judge_expect_state *state = context;
    if (truth == TRUTH_TRUE && state->deadline != SIM_NEVER &&
        state->judge->now <= state->deadline) {
        decide(state, TRUTH_TRUE);
    }
}

static void on_after(void *context, enum truth truth)
{
    struct judge_expect_state *state = context;
    struct judge *judge = state->judge;
    const struct scenario_expect *expect = &judge->scenario->expect[state->index];
    if (truth != TRUTH_TRUE || state->deadline != SIM_NEVER) {
        return;
    }
    state->deadline = judge->now + expect->within_ns;
    if (judge_evaluate(judge, expect->holds) == TRUTH_TRUE) {
        decide(state, TRUTH_TRUE);
    } else if (judge->sim != NULL) {
        sim_event_arm(judge->sim, state->event, state->deadline + 1);
    }
}

static void on_deadline(void *context)
{
    struct judge_expect_state *state = context;
    state->judge->now = sim_now(state->judge->sim);
    decide(state, TRUTH_FALSE);
}

void judge_expect(struct judge *judge)
{
    for (uint32_t i = 0; i < judge->scenario->expect_count; i++) {
        const struct scenario_expect *expect = &judge->scenario->expect[i];
        struct judge_expect_state *state = &judge->expectations[i];
        *state = (struct judge_expect_state){
            .held = TRUTH_UNKNOWN,
            .decided_at = SIM_NEVER,
            .deadline = SIM_NEVER,
            .event = SIM_NONE,
            .judge = judge,
            .index = i,
        };
        if (expect->kind == SCENARIO_EXPECT_NEVER || expect->kind == SCENARIO_EXPECT_ALWAYS) {
            judge_watch(judge, expect->holds, on_constant, state);
        } else if (expect->kind == SCENARIO_EXPECT_WITHIN) {
            if (judge->sim != NULL) {
                state->event = sim_event_new(judge->sim, judge->origin, on_deadline, state);
            }
            judge_watch(judge, expect->after, on_after, state);
            judge_watch(judge, expect->holds, on_holds, state);
        }
    }
}

void judge_finish_expectations(struct judge *judge)
{
    for (uint32_t i = 0; i < judge->scenario->expect_count; i++) {
        const struct scenario_expect *expect = &judge->scenario->expect[i];
        struct judge_expect_state *state = &judge->expectations[i];
        if (state->judge == NULL || state->decided) {
            continue;
        }
        switch (expect->kind) {
        case SCENARIO_EXPECT_THAT:
            state->held = judge->cut_short ? TRUTH_UNKNOWN : judge_evaluate(judge, expect->holds);
            break;
        case SCENARIO_EXPECT_WITHIN:
            /* Open at the end: too late if its time has passed, else nobody knows. */
            if (state->deadline != SIM_NEVER && judge->now > state->deadline) {
                state->held = TRUTH_FALSE;
            }
            break;
        default:
            break; /* never, always: whatever was seen stands */
        }
        judge_actual(judge, expect->holds, state->actual, sizeof state->actual);
    }
}

void judge_expectation(const struct judge *judge, uint32_t index, struct judge_expectation *out)
{
    const struct judge_expect_state *state = &judge->expectations[index];
    *out = (struct judge_expectation){.held = state->held, .decided_at = state->decided_at};
    memcpy(out->actual, state->actual, sizeof out->actual);
}
