#include "testbed/expect_rules.h"

#include <stdlib.h>
#include <string.h>

#include "sim/assert.h"
#include "testbed/expression.h"
#include "testbed/loader.h"
#include "testbed/name_range.h"
#include "testbed/part_names.h"
#include "testbed/record_names.h"

/* ---- steps ----------------------------------------------------------------------------------------------------------- */

static int part_compare(const void *a, const void *b)
{
    const struct scenario_part *x = a, *y = b;
    if (x->kind != y->kind) {
        return x->kind < y->kind ? -1 : 1;
    }
    return x->index < y->index ? -1 : x->index > y->index;
}

static bool is_meant(const struct scenario *scenario, const char *of,
                     const struct scenario_name *entry)
{
    return part_names_repetitions(scenario, entry) == 1 &&
           (name_glob_matches(of, entry->name) ||
            strcmp(of, scenario_given_name(scenario, entry->part)) == 0);
}

static void find_parts(struct scenario *scenario, struct scenario_step *step,
                       struct diagnostics *diagnostics)
{
    char quoted[DIAGNOSTICS_QUOTE_BYTES], hint[DIAGNOSTICS_QUOTE_BYTES];
    struct nearest_word nearest;
    nearest_word_init(&nearest, step->of);
    step->parts = arena_alloc(&scenario->arena, scenario->name_count * sizeof(step->parts[0]));
    for (uint32_t i = 0; i < scenario->name_count; i++) {
        if (is_meant(scenario, step->of, &scenario->names[i])) {
            step->parts[step->part_count++] = scenario->names[i].part;
        }
    }
    if (step->part_count > 0) {
        qsort(step->parts, step->part_count, sizeof(step->parts[0]), part_compare);
        return;
    }
    part_names_offer_globs(scenario, &scenario->arena, &nearest);
    diagnostics_error(diagnostics, loader_place(step->source, "of"),
                      "of: %s matches no part of the scenario and no item of its timeline%s",
                      diagnostics_quote(step->of, quoted), nearest_word_hint(&nearest, hint));
}

static void check_record(const struct scenario_step *step, struct diagnostics *diagnostics)
{
    char quoted[DIAGNOSTICS_QUOTE_BYTES], hint[DIAGNOSTICS_QUOTE_BYTES];
    struct record_name record;
    struct nearest_word nearest;
    if (!record_names_find(step->record, &record)) {
        nearest_word_init(&nearest, step->record);
        record_names_offer(&nearest);
        diagnostics_error(
            diagnostics, loader_place(step->source, "record"), "record: %s is no kind of record%s",
            diagnostics_quote(step->record, quoted), nearest_word_hint(&nearest, hint));
    } else if (record.text == NULL && step->record_text != NULL) {
        diagnostics_error(diagnostics, loader_place(step->source, "text"),
                          "records of kind '%s' have no text", record.name);
    }
}

static void complete_step(struct scenario *scenario, struct scenario_step *step,
                          struct diagnostics *diagnostics)
{
    if (step->kind == SCENARIO_STEP_CONDITION) {
        step->words = step->holds != NULL ? step->holds->text : "";
        return;
    }
    if (step->kind != SCENARIO_STEP_RECORD || step->record == NULL) {
        return; /* said */
    }
    check_record(step, diagnostics);
    if (step->of != NULL) {
        find_parts(scenario, step, diagnostics);
    }
    step->words =
        arena_print(&scenario->arena, "%s%s%s%s%s", step->record, step->of != NULL ? " of " : "",
                    step->of != NULL ? step->of : "", step->record_text != NULL ? ": " : "",
                    step->record_text != NULL ? step->record_text : "");
}

/* ---- texts ----------------------------------------------------------------------------------------------------------- */

static const char *sequence_text(struct scenario *scenario, const struct scenario_expect *expect)
{
    char within[QUANTITY_TEXT_BYTES];
    const char *text = "sequence ";
    for (uint32_t i = 0; i < expect->step_count; i++) {
        text = arena_print(&scenario->arena, "%s%s%s", text, i > 0 ? ", then " : "",
                           expect->steps[i].words != NULL ? expect->steps[i].words : "");
    }
    if (expect->within_ns != QUANTITY_ABSENT) {
        text = arena_print(&scenario->arena, "%s, within %s", text,
                           quantity_print(QUANTITY_TIME, expect->within_ns, within));
    }
    return text;
}

static const char *text_of(struct scenario *scenario, const struct scenario_expect *expect)
{
    char within[QUANTITY_TEXT_BYTES];
    const char *holds = expect->holds != NULL ? expect->holds->text : "";
    switch (expect->kind) {
    case SCENARIO_EXPECT_NEVER:
        return arena_print(&scenario->arena, "never %s", holds);
    case SCENARIO_EXPECT_ALWAYS:
        return arena_print(&scenario->arena, "always %s", holds);
    case SCENARIO_EXPECT_WITHIN:
        if (expect->after == NULL || expect->within_ns == QUANTITY_ABSENT) {
            return NULL;
        }
        return arena_print(&scenario->arena, "within %s after %s: %s",
                           quantity_print(QUANTITY_TIME, expect->within_ns, within),
                           expect->after->text, holds);
    case SCENARIO_EXPECT_SEQUENCE:
        return sequence_text(scenario, expect);
    default:
        return holds;
    }
}

/* ---- the whole ------------------------------------------------------------------------------------------------------- */

static void check_within(const struct scenario_expect *expect, struct diagnostics *diagnostics)
{
    const struct yaml_node *within = yaml_tree_get(expect->source, "within");
    if (within != NULL && expect->kind != SCENARIO_EXPECT_SEQUENCE &&
        yaml_tree_get(expect->source, "after") == NULL) {
        diagnostics_error(diagnostics, within->key_place,
                          "'within' makes sense only beside 'after' or 'sequence'");
    }
}

void expect_rules_apply(struct scenario *scenario, struct scenario_expect *expect,
                        struct diagnostics *diagnostics)
{
    check_within(expect, diagnostics);
    const struct yaml_node *sequence = yaml_tree_get(expect->source, "sequence");
    if (sequence != NULL && sequence->kind == YAML_NODE_SEQUENCE && expect->step_count == 0) {
        diagnostics_error(diagnostics, sequence->place, "a sequence has at least one step");
    }
    for (uint32_t i = 0; i < expect->step_count; i++) {
        complete_step(scenario, &expect->steps[i], diagnostics);
    }
    expect->text = text_of(scenario, expect);
}
