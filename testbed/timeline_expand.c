#include "testbed/timeline_expand.h"

#include <string.h>

#include "sim/assert.h"
#include "testbed/loader.h"
#include "testbed/part_names.h"

#define SPAN_MAX_NS (8760 * 3600 * SIM_S) /* a year, as for every other time */

/* How often an item fires; 1 where it is wrong, which is said. */
static uint32_t repetitions_of(const struct scenario_item *item, struct diagnostics *diagnostics)
{
    char text[QUANTITY_TEXT_BYTES];
    if (item->times == QUANTITY_ABSENT) {
        return 1;
    }
    if (item->every_ns == QUANTITY_ABSENT) {
        if (item->trigger == SCENARIO_AT && item->times > 1) {
            diagnostics_error(diagnostics, loader_place(item->source, "times"),
                              "'times' beside 'at' needs 'every': how long from one time to the "
                              "next");
        }
        return item->trigger == SCENARIO_AT ? 1 : (uint32_t)item->times;
    }
    if (item->times > 1 && item->every_ns > SPAN_MAX_NS / (item->times - 1)) {
        diagnostics_error(diagnostics, loader_place(item->source, "times"),
                          "the last of %s times would be more than a year after the first",
                          quantity_print(QUANTITY_COUNT, item->times, text));
        return 1;
    }
    return (uint32_t)item->times;
}

/* One repetition of a written item, from 1 on. */
static void repeat(const struct scenario_item *written, uint32_t repetition, uint32_t repetitions,
                   struct scenario_item *out)
{
    const char *name = out->name;
    *out = *written;
    out->name = name;
    out->given = written->name;
    out->repetition = repetition;
    out->repetitions = repetitions;
    if (repetitions == 1) {
        return;
    }
    if (out->every_ns == QUANTITY_ABSENT) {
        out->nth += repetition - 1;
    } else if (out->trigger == SCENARIO_AT && out->at_ns != QUANTITY_ABSENT) {
        out->at_ns += (int64_t)(repetition - 1) * out->every_ns;
    } else if (out->delay_ns != QUANTITY_ABSENT) {
        out->delay_ns += (int64_t)(repetition - 1) * out->every_ns;
    }
}

/* The words of actions that have no name of their own, numbered by kind. */
static void name_written(struct scenario *scenario)
{
    uint32_t ordinals[SCENARIO_ACTIONS] = {0};
    for (uint32_t i = 0; i < scenario->written_count; i++) {
        struct scenario_item *item = &scenario->written[i];
        SIM_ASSERT(item->kind < SCENARIO_ACTIONS);
        ordinals[item->kind]++;
        item->named = item->name != NULL;
        if (!item->named) {
            item->name = arena_print(&scenario->arena, "%s%u", scenario_action_word(item->kind),
                                     (unsigned)ordinals[item->kind]);
        }
    }
}

static void add_names(struct scenario *scenario, struct diagnostics *diagnostics)
{
    struct arena *arena = &scenario->arena;
    struct scenario_name *names =
        arena_alloc(arena, (scenario->item_count + scenario->written_count) * sizeof(*names));
    uint32_t count = 0;
    for (uint32_t i = 0; i < scenario->item_count; i++) {
        struct scenario_item *item = &scenario->timeline[i];
        struct source_place place = loader_place(item->source, "as");
        item->name = item->given;
        if (item->repetitions > 1) {
            item->name = arena_print(arena, "%s-%u", item->given, (unsigned)item->repetition);
        }
        if (item->repetitions > 1 && item->repetition == 1) {
            names[count++] = (struct scenario_name){item->given, {SCENARIO_ACTION, i}, place};
        }
        names[count++] = (struct scenario_name){item->name, {SCENARIO_ACTION, i}, place};
    }
    part_names_add(scenario, names, count, diagnostics);
}

/* The fault of `sweep` is an item behind those that the file lists. */
static void add_sweep_item(struct scenario *scenario)
{
    struct scenario_sweep *sweep = &scenario->sweep;
    sweep->item = scenario->item_count++;
    scenario->timeline[sweep->item] = (struct scenario_item){
        .source = sweep->source,
        .given = "sweep",
        .repetition = 1,
        .repetitions = 1,
        .trigger = SCENARIO_AT,
        .nth = 1,
        .every_ns = QUANTITY_ABSENT,
        .times = QUANTITY_ABSENT,
        .kind = SCENARIO_FAULT,
    };
}

void timeline_expand(struct scenario *scenario, struct diagnostics *diagnostics)
{
    struct arena *arena = &scenario->arena;
    uint32_t *repetitions = arena_alloc(arena, scenario->written_count * sizeof(*repetitions));
    uint32_t total = 0;
    for (uint32_t i = 0; i < scenario->written_count; i++) {
        const struct scenario_item *item = &scenario->written[i];
        repetitions[i] = repetitions_of(item, diagnostics);
        if (repetitions[i] > TIMELINE_ITEMS_MAX - total) {
            diagnostics_error(diagnostics, item->source->place,
                              "more items than a timeline may have (%u, repetitions counted)",
                              TIMELINE_ITEMS_MAX);
            repetitions[i] = TIMELINE_ITEMS_MAX - total;
        }
        total += repetitions[i];
    }
    name_written(scenario);
    scenario->timeline = arena_alloc(arena, (total + 1) * sizeof(scenario->timeline[0]));
    for (uint32_t i = 0; i < scenario->written_count; i++) {
        for (uint32_t j = 0; j < repetitions[i]; j++) {
            repeat(&scenario->written[i], j + 1, repetitions[i],
                   &scenario->timeline[scenario->item_count++]);
        }
    }
    SIM_ASSERT(scenario->item_count == total);
    scenario->listed_item_count = total;
    if (scenario->sweep.source != NULL) {
        add_sweep_item(scenario);
    }
    add_names(scenario, diagnostics);
}

void timeline_expand_actions(struct scenario *scenario)
{
    uint32_t at = 0;
    for (uint32_t i = 0; i < scenario->written_count; i++) {
        uint32_t repetitions =
            at < scenario->listed_item_count ? scenario->timeline[at].repetitions : 0;
        for (uint32_t j = 0; j < repetitions; j++) {
            scenario->timeline[at++].action = scenario->written[i].action;
        }
    }
    SIM_ASSERT(at == scenario->listed_item_count);
}

void timeline_expand_decided(struct scenario *scenario)
{
    uint32_t at = 0;
    for (uint32_t i = 0; i < scenario->written_count && at < scenario->listed_item_count; i++) {
        const struct scenario_item *first = &scenario->timeline[at];
        SIM_ASSERT(first->repetition == 1);
        scenario->written[i].action = first->action;
        for (uint32_t j = 0; j < first->repetitions; j++) {
            struct scenario_item *item = &scenario->timeline[at++];
            uint32_t first_move = item->kind == SCENARIO_DRAIN ? item->action.drain.first_move : 0;
            item->action = first->action;
            if (item->kind == SCENARIO_DRAIN) {
                item->action.drain.first_move = first_move; /* each has migrations of its own */
            }
        }
    }
}
