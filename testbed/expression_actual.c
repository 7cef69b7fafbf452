/* testbed/expression_actual.c - what an expression came to, in a few words for reports. */
#include <stdio.h>
#include <string.h>

#include "sim/assert.h"
#include "testbed/expression_place.h"

struct shower {
    struct expression_evaluation evaluation;
    const struct scenario *scenario;
};

/* Something in the tree that shows a value: a comparison, a quantifier, or an instant or flag alone. The first that is false, else the
 * first. */
static const struct expression_node *find_shown(struct expression_evaluation *evaluation,
                                                const struct expression_node *node, bool only_false)
{
    if (node->op == EXPRESSION_AND || node->op == EXPRESSION_OR || node->op == EXPRESSION_NOT) {
        const struct expression_node *found = find_shown(evaluation, node->left, only_false);
        return found != NULL || node->right == NULL
                   ? found
                   : find_shown(evaluation, node->right, only_false);
    }
    return !only_false || expression_truth(evaluation, node) == TRUTH_FALSE ? node : NULL;
}

static const struct expression_node *shown(struct expression_evaluation *evaluation,
                                           const struct expression_node *root)
{
    const struct expression_node *node = find_shown(evaluation, root, true);
    node = node != NULL ? node : find_shown(evaluation, root, false);
    SIM_ASSERT(node != NULL);
    return node;
}

static bool is_written(const struct expression_node *node)
{
    return node->op == EXPRESSION_CONSTANT || node->op == EXPRESSION_NAME;
}

/* Of a comparison the side that is not written down. */
static const struct expression_node *side_of(const struct expression_node *node)
{
    if (!expression_is_comparison(node)) {
        return node;
    }
    return is_written(node->left) && !is_written(node->right) ? node->right : node->left;
}

static const char *part_of(const struct shower *shower, const struct expression_node *quantifier,
                           uint32_t index)
{
    const struct expression *expression = shower->evaluation.expression;
    return scenario_part_name(shower->scenario,
                              expression->quantifiers[quantifier->quantifier].parts[index]);
}

/* ---- values ---------------------------------------------------------------------------------------------------------- */

static void print_value(const struct expression_node *node, const struct expression_value *value,
                        char *out, size_t capacity)
{
    char text[QUANTITY_TEXT_BYTES];
    if (!value->known) {
        snprintf(out, capacity, "unknown");
    } else if (node->type == EXPRESSION_WORD) {
        snprintf(out, capacity, "%s", value->word);
    } else if (node->type == EXPRESSION_TRUTH) {
        snprintf(out, capacity, "%s", value->number != 0 ? "true" : "false");
    } else if (node->type == EXPRESSION_INSTANT) {
        snprintf(out, capacity, "at %s",
                 quantity_print_rounded(QUANTITY_TIME, value->number, text));
    } else {
        snprintf(out, capacity, "%s", quantity_print_rounded(node->unit, value->number, text));
    }
}

/* "18 of 20", "18 to 19 of 20" where some are unknown; "612 ms (web7)" */
static void print_folded(struct shower *shower, const struct expression_node *node, char *out,
                         size_t capacity)
{
    struct expression_tally tally;
    uint32_t parts = shower->evaluation.expression->quantifiers[node->quantifier].part_count;
    struct expression_value value = expression_value(&shower->evaluation, node);
    char text[64];
    expression_tally(&shower->evaluation, node, &tally);
    if (node->op == EXPRESSION_COUNT && tally.truths[TRUTH_UNKNOWN] > 0) {
        snprintf(out, capacity, "%u to %u of %u", (unsigned)tally.truths[TRUTH_TRUE],
                 (unsigned)(tally.truths[TRUTH_TRUE] + tally.truths[TRUTH_UNKNOWN]),
                 (unsigned)parts);
    } else if (node->op == EXPRESSION_COUNT) {
        snprintf(out, capacity, "%u of %u", (unsigned)tally.truths[TRUTH_TRUE], (unsigned)parts);
    } else if (tally.known < parts && tally.known > 0) {
        snprintf(out, capacity, "unknown for %u of %u", (unsigned)(parts - tally.known),
                 (unsigned)parts);
    } else {
        print_value(node, &value, text, sizeof(text));
        bool at = value.known && (node->op == EXPRESSION_MIN || node->op == EXPRESSION_MAX);
        uint32_t where = node->op == EXPRESSION_MIN ? tally.min_at : tally.max_at;
        snprintf(out, capacity, at ? "%s (%s)" : "%s", text,
                 at ? part_of(shower, node, where) : "");
    }
}

/* ---- each() and any() ------------------------------------------------------------------------------------------------ */

/* Whether larger values are nearer to breaking the comparison (1), smaller ones (-1), or none (0). */
static int worse_upwards(const struct expression_node *comparison)
{
    bool on_right = side_of(comparison) != comparison->left;
    switch (comparison->op) {
    case EXPRESSION_LESS:
    case EXPRESSION_LESS_OR_EQUAL:
        return on_right ? -1 : 1;
    case EXPRESSION_GREATER:
    case EXPRESSION_GREATER_OR_EQUAL:
        return on_right ? 1 : -1;
    default:
        return 0;
    }
}

/* The part that tells most: of those that decide the worst, of the rest the one nearest to deciding. */
static void print_each(struct shower *shower, const struct expression_node *node, char *out,
                       size_t capacity)
{
    struct expression_evaluation *evaluation = &shower->evaluation;
    uint32_t parts = evaluation->expression->quantifiers[node->quantifier].part_count;
    enum truth whole = expression_truth(evaluation, node);
    const struct expression_node *best_of = NULL;
    struct expression_value best = {.known = false};
    uint32_t at = 0, others = 0;
    int upwards = 0;
    for (uint32_t i = 0; i < parts; i++) {
        evaluation->part[node->quantifier] = i;
        if (expression_truth(evaluation, node->left) != whole) {
            continue;
        }
        const struct expression_node *compared = shown(evaluation, node->left);
        const struct expression_node *side = side_of(compared);
        struct expression_value value = expression_value(evaluation, side);
        /* any() looks for the opposite of what each() warns of. */
        upwards = worse_upwards(compared) * (node->op == EXPRESSION_ANY ? -1 : 1);
        others += best_of != NULL;
        if (best_of == NULL || (side == best_of && value.known && best.known &&
                                ((upwards > 0 && value.number > best.number) ||
                                 (upwards < 0 && value.number < best.number)))) {
            best_of = side;
            best = value;
            at = i;
        }
    }
    SIM_ASSERT(best_of != NULL);
    char value[64];
    print_value(best_of, &best, value, sizeof(value));
    if (whole == (node->op == EXPRESSION_EACH ? TRUTH_TRUE : TRUTH_FALSE)) { /* nobody stands out */
        const char *bound = upwards > 0 ? "at most" : "at least";
        if (upwards != 0 && best.known) {
            snprintf(out, capacity, "%s %s (%s)", bound, value, part_of(shower, node, at));
        } else {
            snprintf(out, capacity, whole == TRUTH_TRUE ? "all %u" : "none of %u", (unsigned)parts);
        }
        return;
    }
    int used = snprintf(out, capacity, "%s %s", part_of(shower, node, at), value);
    if (others > 0 && used > 0 && (size_t)used < capacity) {
        snprintf(out + used, capacity - (size_t)used, ", and %u more", (unsigned)others);
    }
}

const char *expression_actual(const struct expression *expression, const struct scenario *scenario,
                              expression_resolver *resolver, void *context, char *out,
                              size_t capacity)
{
    struct shower shower = {
        .evaluation = {.expression = expression, .resolver = resolver, .context = context},
        .scenario = scenario,
    };
    const struct expression_node *node = side_of(shown(&shower.evaluation, expression->root));
    if (node->op == EXPRESSION_EACH || node->op == EXPRESSION_ANY) {
        print_each(&shower, node, out, capacity);
    } else if (expression_is_quantifier(node)) {
        print_folded(&shower, node, out, capacity);
    } else {
        struct expression_value value = expression_value(&shower.evaluation, node);
        print_value(node, &value, out, capacity);
    }
    return out;
}
