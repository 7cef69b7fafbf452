/* testbed/expression_parts.c - which parts quantifiers run over (E5 of expression.h). */
#include <stdlib.h>
#include <string.h>

#include "sim/assert.h"
#include "testbed/expression_place.h"
#include "testbed/name_range.h"
#include "testbed/part_names.h"
#include "testbed/property_table.h"

struct binder {
    struct expression *expression;
    const struct scenario *scenario;
    struct arena *arena;
    struct diagnostics *diagnostics;
    uint32_t quantifier;
    const struct expression_node *node; /* of that quantifier */
};

#define BIND_ERROR(binder, node, ...)                                                              \
    diagnostics_error((binder)->diagnostics,                                                       \
                      expression_place((binder)->expression, (node)->offset, (node)->length),      \
                      __VA_ARGS__)

bool expression_is_glob(const char *text)
{
    return strpbrk(text, "*?") != NULL;
}

/* A glob, or an item that fires several times: a name of several parts. */
static bool is_several(const struct binder *binder, const struct expression_reference *reference)
{
    const struct scenario_name *entry;
    if (reference->quantifier != binder->quantifier) {
        return false;
    }
    if (expression_is_glob(reference->part_text)) {
        return true;
    }
    entry = part_names_find(binder->scenario, reference->part_text);
    return entry != NULL && part_names_repetitions(binder->scenario, entry) > 1;
}

static const struct expression_node *find_node(const struct expression_node *node,
                                               bool (*wanted)(const struct expression_node *node,
                                                              uint32_t number),
                                               uint32_t number)
{
    if (node == NULL || wanted(node, number)) {
        return node;
    }
    const struct expression_node *found = find_node(node->left, wanted, number);
    return found != NULL ? found : find_node(node->right, wanted, number);
}

static bool is_quantifier_node(const struct expression_node *node, uint32_t number)
{
    return expression_is_quantifier(node) && node->quantifier == number;
}

static bool is_reference_node(const struct expression_node *node, uint32_t number)
{
    return node->op == EXPRESSION_REFERENCE && node->reference == number;
}

static const struct expression_node *node_of_reference(const struct binder *binder,
                                                       uint32_t reference)
{
    return find_node(binder->expression->root, is_reference_node, reference);
}

/* ---- candidates ------------------------------------------------------------------------------------------------------ */

struct candidate {
    const char *name;
    struct scenario_part part;
};

static int candidate_compare(const void *a, const void *b)
{
    const struct candidate *x = a, *y = b;
    return name_compare(x->name, y->name);
}

/* What the glob matches, sorted; for the name of an item that fires several times its repetitions. */
static struct candidate *find_candidates(const struct binder *binder, const char *glob,
                                         uint32_t *count)
{
    const struct scenario *scenario = binder->scenario;
    uint32_t capacity = scenario->name_count + 1;
    struct candidate *found = arena_alloc(binder->arena, capacity * sizeof(*found));
    *count = 0;
    for (uint32_t i = 0; i < scenario->name_count; i++) {
        const struct scenario_name *entry = &scenario->names[i];
        uint32_t repetitions = part_names_repetitions(scenario, entry);
        if (repetitions > 1 && strcmp(entry->name, glob) == 0) {
            SIM_ASSERT(*count == 0);
            for (uint32_t j = 0; j < repetitions; j++) {
                struct scenario_part part = {SCENARIO_ACTION, entry->part.index + j};
                found[(*count)++] = (struct candidate){scenario_part_name(scenario, part), part};
            }
            return found;
        }
        bool unread = entry->part.kind == SCENARIO_ACTION &&
                      scenario->timeline[entry->part.index].kind == SCENARIO_ACTION_UNSET;
        if (repetitions == 1 && !unread && name_glob_matches(glob, entry->name)) {
            SIM_ASSERT(*count < capacity);
            found[(*count)++] = (struct candidate){entry->name, entry->part};
        }
    }
    if (*count > 0) {
        qsort(found, *count, sizeof(*found), candidate_compare);
    }
    return found;
}

static void report_no_match(const struct binder *binder, uint32_t reference)
{
    const char *glob = binder->expression->references[reference].part_text;
    char quoted[DIAGNOSTICS_QUOTE_BYTES], hint[DIAGNOSTICS_QUOTE_BYTES];
    struct nearest_word nearest;
    nearest_word_init(&nearest, glob);
    part_names_offer_globs(binder->scenario, binder->arena, &nearest);
    BIND_ERROR(binder, node_of_reference(binder, reference),
               "%s matches no part of the scenario and no item of its timeline%s",
               diagnostics_quote(glob, quoted), nearest_word_hint(&nearest, hint));
}

/* ---- rows ------------------------------------------------------------------------------------------------------------ */

static const struct property_row *row_of(const struct binder *binder, struct scenario_part part,
                                         const struct expression_reference *reference)
{
    return property_resolve(binder->arena, property_class(binder->scenario, part),
                            reference->property_text);
}

/* Whether a part has all properties that are asked of it here. */
static bool has_all(const struct binder *binder, struct scenario_part part)
{
    const struct expression *expression = binder->expression;
    for (uint32_t i = 0; i < expression->reference_count; i++) {
        const struct expression_reference *reference = &expression->references[i];
        if (is_several(binder, reference) &&
            property_resolve(binder->arena, property_class(binder->scenario, part),
                             reference->property_text) == NULL) {
            return false;
        }
    }
    return true;
}

/* Rows of one name in several classes may differ in what they hold: then no comparison suits them all. */
static bool set_rows(const struct binder *binder, uint32_t number)
{
    struct expression_reference *reference = &binder->expression->references[number];
    const struct expression_quantifier *quantifier =
        &binder->expression->quantifiers[binder->quantifier];
    const struct property_row **rows =
        arena_alloc(binder->arena, quantifier->part_count * sizeof(*rows));
    for (uint32_t i = 0; i < quantifier->part_count; i++) {
        bool as_before = i > 0 && property_class(binder->scenario, quantifier->parts[i]) ==
                                      property_class(binder->scenario, quantifier->parts[i - 1]);
        rows[i] = as_before ? rows[i - 1] : row_of(binder, quantifier->parts[i], reference);
        SIM_ASSERT(rows[i] != NULL);
        if (rows[i]->type != rows[0]->type || rows[i]->unit != rows[0]->unit) {
            BIND_ERROR(binder, node_of_reference(binder, number),
                       "'%s' is not the same for '%s' and '%s'; write a glob that matches one kind",
                       reference->property_text,
                       scenario_part_name(binder->scenario, quantifier->parts[0]),
                       scenario_part_name(binder->scenario, quantifier->parts[i]));
            return false;
        }
    }
    reference->rows = rows;
    reference->part = quantifier->parts[0];
    reference->property = rows[0];
    return true;
}

static void decide_local(const struct binder *binder)
{
    const struct expression *expression = binder->expression;
    struct expression_quantifier *quantifier = &binder->expression->quantifiers[binder->quantifier];
    for (uint32_t i = 0; i < expression->reference_count; i++) {
        const struct expression_reference *reference = &expression->references[i];
        if (reference->quantifier != binder->quantifier) {
            continue;
        }
        quantifier->local = quantifier->local && reference->rows != NULL;
        for (uint32_t j = 0; j < quantifier->part_count && quantifier->local; j++) {
            quantifier->local = !reference->rows[j]->grows;
        }
    }
}

/* ---- quantifiers ----------------------------------------------------------------------------------------------------- */

/* The one glob of the quantifier: the number of its last reference, or SIM_NONE after an error. */
static uint32_t find_glob(const struct binder *binder)
{
    const struct expression *expression = binder->expression;
    uint32_t found = SIM_NONE;
    for (uint32_t i = 0; i < expression->reference_count; i++) {
        const struct expression_reference *reference = &expression->references[i];
        if (!is_several(binder, reference)) {
            continue;
        }
        if (found != SIM_NONE &&
            strcmp(expression->references[found].part_text, reference->part_text) != 0) {
            BIND_ERROR(binder, node_of_reference(binder, i),
                       "'%.*s' runs over '%s' here, and '%s' names other parts; each needs a "
                       "quantifier of its own",
                       (int)binder->node->length, expression->text + binder->node->offset,
                       expression->references[found].part_text, reference->part_text);
            return SIM_NONE;
        }
        found = i;
    }
    if (found == SIM_NONE) {
        BIND_ERROR(binder, binder->node,
                   "'%.*s' runs over several parts; expected a name with '*' or '?' between its "
                   "parentheses, as in each(web*.state == running)",
                   (int)binder->node->length, expression->text + binder->node->offset);
    }
    return found;
}

/* Whether it speaks of something that nothing bears the name of: that is said when references are looked up. */
static bool names_nothing(const struct binder *binder)
{
    const struct expression *expression = binder->expression;
    for (uint32_t i = 0; i < expression->reference_count; i++) {
        const struct expression_reference *reference = &expression->references[i];
        if (reference->quantifier == binder->quantifier &&
            !expression_is_glob(reference->part_text) &&
            part_names_find(binder->scenario, reference->part_text) == NULL) {
            return true;
        }
    }
    return false;
}

static bool bind_quantifier(struct binder *binder)
{
    struct expression *expression = binder->expression;
    struct expression_quantifier *quantifier = &expression->quantifiers[binder->quantifier];
    uint32_t count;
    if (names_nothing(binder)) {
        return true;
    }
    uint32_t glob = find_glob(binder);
    if (glob == SIM_NONE) {
        return false;
    }
    struct expression_reference *reference = &expression->references[glob];
    quantifier->glob = reference->part_text;
    struct candidate *found = find_candidates(binder, quantifier->glob, &count);
    if (count == 0) {
        report_no_match(binder, glob);
        return false;
    }
    quantifier->parts = arena_alloc(binder->arena, count * sizeof(quantifier->parts[0]));
    for (uint32_t i = 0; i < count; i++) {
        if (has_all(binder, found[i].part)) {
            quantifier->parts[quantifier->part_count++] = found[i].part;
        }
    }
    if (quantifier->part_count == 0) {
        /* The first that has not what it is asked for stands for all: its class says what there is. */
        for (uint32_t i = 0; i < expression->reference_count; i++) {
            struct expression_reference *asked = &expression->references[i];
            if (is_several(binder, asked)) {
                asked->part = found[0].part;
            }
        }
        return true; /* said when units are checked, with what the part has */
    }
    for (uint32_t i = 0; i < expression->reference_count; i++) {
        if (is_several(binder, &expression->references[i]) && !set_rows(binder, i)) {
            return false;
        }
    }
    decide_local(binder);
    return true;
}

bool expression_bind(struct expression *expression, const struct scenario *scenario,
                     struct arena *arena, struct diagnostics *diagnostics)
{
    struct binder binder = {expression, scenario, arena, diagnostics, 0, NULL};
    bool right = true;
    for (; binder.quantifier < expression->quantifier_count; binder.quantifier++) {
        binder.node = find_node(expression->root, is_quantifier_node, binder.quantifier);
        SIM_ASSERT(binder.node != NULL);
        right = bind_quantifier(&binder) && right;
    }
    return right;
}
