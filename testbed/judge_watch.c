/* Watched conditions: when they are evaluated, and who is told. */
#include "sim/assert.h"
#include "testbed/judge_private.h"

#include <stdlib.h>
#include <string.h>

/* ---- watching --------------------------------------------------------------------------------------------------------------- */

void judge_number_parts(struct judge *judge)
{
    const struct scenario *s = judge->scenario;
    const uint32_t counts[SCENARIO_PART_KINDS] = {
        [SCENARIO_NETWORK] = s->network_count, [SCENARIO_NODE] = s->node_count,
        [SCENARIO_CLIENT] = s->client_count,   [SCENARIO_VM] = s->vm_count,
        [SCENARIO_LINK] = s->link_count,       [SCENARIO_ACTION] = s->item_count,
    };
    for (uint32_t kind = 0; kind < SCENARIO_PART_KINDS; kind++) {
        judge->part_base[kind] = judge->part_count;
        judge->part_count += counts[kind];
    }
    judge->readers = calloc(judge->part_count + 1, sizeof *judge->readers);
    SIM_ASSERT(judge->readers != NULL);
}

static struct judge_readers *readers_of(const struct judge *judge, struct scenario_part part)
{
    SIM_ASSERT(part.kind != SCENARIO_NO_PART);
    uint32_t number = judge->part_base[part.kind] + part.index;
    SIM_ASSERT(number < judge->part_count);
    return &judge->readers[number];
}

static void add_reader(struct judge_watch_entry *watch, struct scenario_part part,
                       uint32_t quantifier, uint32_t index)
{
    struct judge_readers *readers = readers_of(watch->judge, part);
    struct judge_reader reader = {watch, quantifier, index};
    if (quantifier == SIM_NONE && readers->count > 0 &&
        readers->items[readers->count - 1].watch == watch) {
        return; /* the watch stands there already */
    }
    if (readers->count == readers->capacity) {
        readers->capacity = readers->capacity == 0 ? 2 : readers->capacity * 2;
        readers->items = realloc(readers->items, readers->capacity * sizeof *readers->items);
        SIM_ASSERT(readers->items != NULL);
    }
    readers->items[readers->count++] = reader;
}

/* Quantifiers first: a part that is read both ways then has the entry that a memory needs. */
static void add_readers(struct judge_watch_entry *watch)
{
    const struct expression *expression = watch->expression;
    for (uint32_t i = 0; i < expression->quantifier_count; i++) {
        const struct expression_quantifier *quantifier = &expression->quantifiers[i];
        for (uint32_t j = 0; j < quantifier->part_count; j++) {
            add_reader(watch, quantifier->parts[j], i, j);
        }
    }
    for (uint32_t i = 0; i < expression->reference_count; i++) {
        if (expression->references[i].rows == NULL) {
            add_reader(watch, expression->references[i].part, SIM_NONE, 0);
        }
    }
}

/* Whether a value that it reads grows with time alone. */
static bool reads_time(const struct expression *expression)
{
    for (uint32_t i = 0; i < expression->reference_count; i++) {
        const struct expression_reference *reference = &expression->references[i];
        uint32_t rows =
            reference->rows == NULL ? 0 : expression->quantifiers[reference->quantifier].part_count;
        bool grows = reference->property->grows;
        for (uint32_t j = 0; j < rows && !grows; j++) {
            grows = reference->rows[j]->grows;
        }
        if (grows) {
            return true;
        }
    }
    return false;
}

static void evaluate(struct judge_watch_entry *watch)
{
    enum truth truth =
        expression_evaluate_again(watch->expression, watch->memory, judge_resolve, watch->judge);
    if (truth != watch->was) {
        watch->was = truth;
        watch->changed(watch->context, truth);
    }
}

/* Into the list of those that are due, in the order of their numbers. */
static void set_due(struct judge *judge, struct judge_watch_entry *watch)
{
    uint32_t at = judge->due_count++;
    SIM_ASSERT(judge->due_count <= judge->watch_count);
    while (at > 0 && judge->due[at - 1]->number > watch->number) {
        judge->due[at] = judge->due[at - 1];
        at--;
    }
    judge->due[at] = watch;
    watch->due = true;
}

void judge_changed(struct judge *judge, struct scenario_part part)
{
    const struct judge_readers *readers = readers_of(judge, part);
    for (uint32_t i = 0; i < readers->count; i++) {
        const struct judge_reader *reader = &readers->items[i];
        if (reader->quantifier != SIM_NONE && reader->watch->memory != NULL) {
            expression_memory_forget(reader->watch->memory, reader->quantifier, reader->index);
        }
        if (!reader->watch->due) {
            set_due(judge, reader->watch);
        }
    }
}

void judge_evaluate_changed(struct judge *judge)
{
    uint32_t count = judge->due_count;
    judge->due_count = 0;
    for (uint32_t i = 0; i < count; i++) {
        judge->due[i]->due = false;
        evaluate(judge->due[i]);
    }
    SIM_ASSERT(judge->due_count == 0);
}

void judge_evaluate_part(struct judge *judge, struct scenario_part part)
{
    const struct judge_readers *readers = readers_of(judge, part);
    for (uint32_t i = 0; i < readers->count; i++) {
        if (i == 0 || readers->items[i].watch != readers->items[i - 1].watch) {
            evaluate(readers->items[i].watch);
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
    const struct judge_readers *readers =
        readers_of(judge, (struct scenario_part){SCENARIO_VM, vm});
    for (uint32_t i = 0; i < readers->count; i++) {
        if (i == 0 || readers->items[i].watch != readers->items[i - 1].watch) {
            arm(readers->items[i].watch);
        }
    }
}

void judge_watch(struct judge *judge, const struct expression *expression,
                 void (*changed)(void *context, enum truth truth), void *context)
{
    struct judge_watch_entry *watch = calloc(1, sizeof *watch);
    SIM_ASSERT(watch != NULL);
    watch->judge = judge;
    watch->number = judge->watch_count;
    watch->expression = expression;
    watch->memory = expression_memory_new(expression);
    watch->changed = changed;
    watch->context = context;
    watch->was = TRUTH_UNKNOWN;
    watch->event = SIM_NONE;
    if (judge->sim != NULL && reads_time(expression)) {
        watch->event = sim_event_new(judge->sim, judge->origin, on_time, watch);
    }
    if (judge->watch_count == judge->watch_capacity) {
        judge->watch_capacity = judge->watch_capacity == 0 ? 16 : judge->watch_capacity * 2;
        judge->watches = realloc(judge->watches, judge->watch_capacity * sizeof *judge->watches);
        judge->due = realloc(judge->due, judge->watch_capacity * sizeof *judge->due);
        SIM_ASSERT(judge->watches != NULL);
        SIM_ASSERT(judge->due != NULL);
    }
    judge->watches[judge->watch_count++] = watch;
    add_readers(watch);
    evaluate(watch);
}

void judge_free_watches(struct judge *judge)
{
    for (uint32_t i = 0; i < judge->watch_count; i++) {
        struct judge_watch_entry *watch = judge->watches[i];
        if (watch->event != SIM_NONE) {
            sim_event_free(judge->sim, watch->event);
        }
        expression_memory_free(watch->memory);
        free(watch);
    }
    for (uint32_t i = 0; i < judge->part_count; i++) {
        free(judge->readers[i].items);
        judge->readers[i] = (struct judge_readers){.items = NULL};
    }
    free(judge->watches);
    free(judge->due);
    judge->watches = judge->due = NULL;
    judge->watch_count = judge->watch_capacity = judge->due_count = 0;
}
