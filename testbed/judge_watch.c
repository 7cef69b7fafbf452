/* Watched conditions: when they are evaluated, and who is told. */
#include "sim/assert.h"
#include "testbed/judge_private.h"

#include <stdlib.h>
#include <string.h>

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
}
