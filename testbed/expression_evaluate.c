/* testbed/expression_evaluate.c - three-valued evaluation (E3 and E4 of expression.h). */
#include <stdio.h>
#include <string.h>

#include "sim/assert.h"
#include "testbed/expression.h"

__extension__ typedef __int128 expression_wide;

struct evaluation {
    const struct expression *expression;
    expression_resolver *resolver;
    void *context;
};

enum truth truth_not(enum truth a)
{
    return a == TRUTH_UNKNOWN ? TRUTH_UNKNOWN : a == TRUTH_TRUE ? TRUTH_FALSE : TRUTH_TRUE;
}

enum truth truth_and(enum truth a, enum truth b)
{
    if (a == TRUTH_FALSE || b == TRUTH_FALSE) {
        return TRUTH_FALSE;
    }
    return a == TRUTH_TRUE && b == TRUTH_TRUE ? TRUTH_TRUE : TRUTH_UNKNOWN;
}

enum truth truth_or(enum truth a, enum truth b)
{
    return truth_not(truth_and(truth_not(a), truth_not(b)));
}

const char *truth_word(enum truth truth)
{
    return truth == TRUTH_UNKNOWN ? "unknown" : truth == TRUTH_TRUE ? "true" : "false";
}

/* ---- values -------------------------------------------------------------------------------------------------------- */

static const struct expression_value unknown = {.known = false};

static struct expression_value known(expression_wide number)
{
    if (number > INT64_MAX || number <= INT64_MIN) {
        return unknown;
    }
    return (struct expression_value){.known = true, .number = (int64_t)number};
}

static bool in_ppb(const struct expression_node *node)
{
    return node->unit == QUANTITY_FACTOR || node->unit == QUANTITY_SHARE;
}

/* The number in the unit that `like` is held in: counts become parts per billion beside factors and shares. */
static expression_wide scaled(const struct expression_node *node, int64_t number, bool ppb)
{
    bool count = node->type == EXPRESSION_QUANTITY && node->unit == QUANTITY_COUNT;
    return count && ppb ? (expression_wide)number * QUANTITY_WHOLE_PPB : number;
}

static struct expression_value multiply(const struct expression_node *node, int64_t left,
                                        int64_t right)
{
    expression_wide product = (expression_wide)left * right;
    bool left_ppb = in_ppb(node->left), right_ppb = in_ppb(node->right);
    /* Of two in parts per billion the product is in parts per billion of one of them; of one and a quantity, in the quantity's unit. */
    if ((left_ppb && right_ppb) || ((left_ppb || right_ppb) && !in_ppb(node))) {
        product /= QUANTITY_WHOLE_PPB;
    }
    return known(product);
}

static struct expression_value divide(const struct expression_node *node, int64_t left,
                                      int64_t right)
{
    if (right == 0) {
        return unknown;
    }
    const struct expression_node *a = node->left, *b = node->right;
    if (node->unit == QUANTITY_FACTOR && a->unit != QUANTITY_FACTOR && a->unit != QUANTITY_SHARE &&
        !in_ppb(b)) {
        return known((expression_wide)left * QUANTITY_WHOLE_PPB / right); /* two of a kind */
    }
    if (node->unit == QUANTITY_FACTOR) {
        return known(scaled(a, left, true) * QUANTITY_WHOLE_PPB / scaled(b, right, true));
    }
    if (node->unit == QUANTITY_RATE && a->unit == QUANTITY_SIZE) {
        return known((expression_wide)left * 8 * SIM_S / right);
    }
    if (node->unit == QUANTITY_TIME && a->unit == QUANTITY_SIZE) {
        return known((expression_wide)left * 8 * SIM_S / right);
    }
    if (node->unit == QUANTITY_FREQUENCY && a->unit == QUANTITY_COUNT) {
        return known((expression_wide)left * QUANTITY_HOUR_NS / right);
    }
    return known(in_ppb(b) ? (expression_wide)left * QUANTITY_WHOLE_PPB / right
                           : (expression_wide)left / right);
}

static enum truth evaluate_truth(const struct evaluation *evaluation,
                                 const struct expression_node *node);

static struct expression_value evaluate_value(const struct evaluation *evaluation,
                                              const struct expression_node *node)
{
    if (node->op == EXPRESSION_REFERENCE) {
        return evaluation->resolver(evaluation->context,
                                    &evaluation->expression->references[node->reference]);
    }
    if (node->op == EXPRESSION_CONSTANT) {
        return known(node->value);
    }
    if (node->op == EXPRESSION_NAME) {
        return (struct expression_value){.known = true, .word = node->word};
    }
    if (node->type == EXPRESSION_TRUTH) {
        enum truth truth = evaluate_truth(evaluation, node);
        return truth == TRUTH_UNKNOWN ? unknown : known(truth == TRUTH_TRUE);
    }
    struct expression_value left = evaluate_value(evaluation, node->left);
    if (!left.known) {
        return unknown;
    }
    if (node->op == EXPRESSION_NEGATE) {
        return known(-(expression_wide)left.number);
    }
    struct expression_value right = evaluate_value(evaluation, node->right);
    if (!right.known) {
        return unknown;
    }
    bool ppb = in_ppb(node->left) || in_ppb(node->right);
    switch (node->op) {
    case EXPRESSION_ADD:
        return known(scaled(node->left, left.number, ppb) + scaled(node->right, right.number, ppb));
    case EXPRESSION_SUBTRACT:
        return known(scaled(node->left, left.number, ppb) - scaled(node->right, right.number, ppb));
    case EXPRESSION_MULTIPLY:
        return multiply(node, left.number, right.number);
    default:
        SIM_ASSERT(node->op == EXPRESSION_DIVIDE);
        return divide(node, left.number, right.number);
    }
}

/* ---- truths -------------------------------------------------------------------------------------------------------- */

static enum truth truth_of(bool value)
{
    return value ? TRUTH_TRUE : TRUTH_FALSE;
}

static enum truth compare(const struct evaluation *evaluation, const struct expression_node *node)
{
    struct expression_value left = evaluate_value(evaluation, node->left);
    struct expression_value right = evaluate_value(evaluation, node->right);
    if (!left.known || !right.known) {
        return TRUTH_UNKNOWN;
    }
    if (node->left->type == EXPRESSION_WORD) {
        SIM_ASSERT(left.word != NULL);
        SIM_ASSERT(right.word != NULL);
        return truth_of((strcmp(left.word, right.word) == 0) == (node->op == EXPRESSION_EQUAL));
    }
    bool ppb = in_ppb(node->left) || in_ppb(node->right);
    expression_wide a = scaled(node->left, left.number, ppb);
    expression_wide b = scaled(node->right, right.number, ppb);
    switch (node->op) {
    case EXPRESSION_EQUAL:
        return truth_of(a == b);
    case EXPRESSION_UNEQUAL:
        return truth_of(a != b);
    case EXPRESSION_LESS:
        return truth_of(a < b);
    case EXPRESSION_LESS_OR_EQUAL:
        return truth_of(a <= b);
    case EXPRESSION_GREATER:
        return truth_of(a > b);
    default:
        SIM_ASSERT(node->op == EXPRESSION_GREATER_OR_EQUAL);
        return truth_of(a >= b);
    }
}

static bool is_comparison(const struct expression_node *node)
{
    return node->op >= EXPRESSION_EQUAL && node->op <= EXPRESSION_GREATER_OR_EQUAL;
}

static enum truth evaluate_truth(const struct evaluation *evaluation,
                                 const struct expression_node *node)
{
    if (is_comparison(node)) {
        return compare(evaluation, node);
    }
    switch (node->op) {
    case EXPRESSION_OR:
        return truth_or(evaluate_truth(evaluation, node->left),
                        evaluate_truth(evaluation, node->right));
    case EXPRESSION_AND:
        return truth_and(evaluate_truth(evaluation, node->left),
                         evaluate_truth(evaluation, node->right));
    case EXPRESSION_NOT:
        return truth_not(evaluate_truth(evaluation, node->left));
    default:
        break;
    }
    struct expression_value value = evaluate_value(evaluation, node);
    if (!value.known) {
        return TRUTH_UNKNOWN;
    }
    /* An instant that is known has happened. */
    return node->type == EXPRESSION_INSTANT ? TRUTH_TRUE : truth_of(value.number != 0);
}

enum truth expression_evaluate(const struct expression *expression, expression_resolver *resolver,
                               void *context)
{
    struct evaluation evaluation = {expression, resolver, context};
    return evaluate_truth(&evaluation, expression->root);
}

/* ---- what was found ------------------------------------------------------------------------------------------------ */

/* Something in the tree that shows a value: a comparison, or an instant or flag alone. The first that is false, else the first. */
static const struct expression_node *find_shown(const struct evaluation *evaluation,
                                                const struct expression_node *node, bool only_false)
{
    if (node->op == EXPRESSION_AND || node->op == EXPRESSION_OR || node->op == EXPRESSION_NOT) {
        const struct expression_node *found = find_shown(evaluation, node->left, only_false);
        return found != NULL || node->right == NULL
                   ? found
                   : find_shown(evaluation, node->right, only_false);
    }
    return !only_false || evaluate_truth(evaluation, node) == TRUTH_FALSE ? node : NULL;
}

static bool is_written(const struct expression_node *node)
{
    return node->op == EXPRESSION_CONSTANT || node->op == EXPRESSION_NAME;
}

const char *expression_actual(const struct expression *expression, expression_resolver *resolver,
                              void *context, char *out, size_t capacity)
{
    struct evaluation evaluation = {expression, resolver, context};
    const struct expression_node *node = find_shown(&evaluation, expression->root, true);
    if (node == NULL) {
        node = find_shown(&evaluation, expression->root, false);
    }
    SIM_ASSERT(node != NULL);
    if (is_comparison(node)) {
        /* The side that is not written down is the one to show. */
        node = is_written(node->left) && !is_written(node->right) ? node->right : node->left;
    }
    struct expression_value value = evaluate_value(&evaluation, node);
    char text[QUANTITY_TEXT_BYTES];
    if (!value.known) {
        snprintf(out, capacity, "unknown");
    } else if (node->type == EXPRESSION_WORD) {
        snprintf(out, capacity, "%s", value.word);
    } else if (node->type == EXPRESSION_TRUTH) {
        snprintf(out, capacity, "%s", truth_word(truth_of(value.number != 0)));
    } else if (node->type == EXPRESSION_INSTANT) {
        snprintf(out, capacity, "at %s", quantity_print_rounded(QUANTITY_TIME, value.number, text));
    } else {
        snprintf(out, capacity, "%s", quantity_print_rounded(node->unit, value.number, text));
    }
    return out;
}
