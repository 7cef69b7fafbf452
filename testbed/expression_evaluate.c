/* testbed/expression_evaluate.c - three-valued evaluation (E3 and E4 of expression.h). */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "sim/assert.h"
#include "testbed/expression_place.h"

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

static struct expression_value look_up(const struct expression_evaluation *evaluation,
                                       const struct expression_reference *reference)
{
    if (reference->rows == NULL) {
        return evaluation->resolver(evaluation->context, reference);
    }
    uint32_t at = evaluation->part[reference->quantifier];
    struct expression_reference one = *reference;
    one.part = evaluation->expression->quantifiers[reference->quantifier].parts[at];
    one.property = reference->rows[at];
    return evaluation->resolver(evaluation->context, &one);
}

/* min() to avg() as one value; unknown while a part is. */
static struct expression_value folded(struct expression_evaluation *evaluation,
                                      const struct expression_node *node)
{
    struct expression_tally tally;
    uint32_t parts = evaluation->expression->quantifiers[node->quantifier].part_count;
    expression_tally(evaluation, node, &tally);
    if (node->op == EXPRESSION_COUNT) {
        return tally.truths[TRUTH_UNKNOWN] == 0 ? known(tally.truths[TRUTH_TRUE]) : unknown;
    }
    if (tally.known < parts) {
        return unknown;
    }
    switch (node->op) {
    case EXPRESSION_MIN:
        return known(tally.min);
    case EXPRESSION_MAX:
        return known(tally.max);
    case EXPRESSION_SUM:
        return known(tally.sum);
    default:
        SIM_ASSERT(node->op == EXPRESSION_AVERAGE);
        return known(scaled(node->left, 1, true) * tally.sum / parts);
    }
}

struct expression_value expression_value(struct expression_evaluation *evaluation,
                                         const struct expression_node *node)
{
    if (node->op == EXPRESSION_REFERENCE) {
        return look_up(evaluation, &evaluation->expression->references[node->reference]);
    }
    if (node->op == EXPRESSION_CONSTANT) {
        return known(node->value);
    }
    if (node->op == EXPRESSION_NAME) {
        return (struct expression_value){.known = true, .word = node->word};
    }
    if (node->type == EXPRESSION_TRUTH) {
        enum truth truth = expression_truth(evaluation, node);
        return truth == TRUTH_UNKNOWN ? unknown : known(truth == TRUTH_TRUE);
    }
    if (expression_is_quantifier(node)) {
        return folded(evaluation, node);
    }
    struct expression_value left = expression_value(evaluation, node->left);
    if (!left.known) {
        return unknown;
    }
    if (node->op == EXPRESSION_NEGATE) {
        return known(-(expression_wide)left.number);
    }
    struct expression_value right = expression_value(evaluation, node->right);
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

/* ---- ranges -------------------------------------------------------------------------------------------------------- */

static struct expression_range range_of(expression_wide low, expression_wide high)
{
    return (struct expression_range){true, true, low, high};
}

struct expression_range expression_range(struct expression_evaluation *evaluation,
                                         const struct expression_node *node)
{
    struct expression_range range = {false, false, 0, 0};
    struct expression_tally tally;
    if (node->op != EXPRESSION_COUNT && node->op != EXPRESSION_MIN && node->op != EXPRESSION_MAX) {
        struct expression_value value = expression_value(evaluation, node);
        return value.known ? range_of(value.number, value.number) : range;
    }
    bool all = true;
    expression_tally(evaluation, node, &tally);
    if (node->op == EXPRESSION_COUNT) {
        return range_of(tally.truths[TRUTH_TRUE],
                        (expression_wide)tally.truths[TRUTH_TRUE] + tally.truths[TRUTH_UNKNOWN]);
    }
    all = tally.known == evaluation->expression->quantifiers[node->quantifier].part_count;
    if (tally.known > 0 && node->op == EXPRESSION_MAX) {
        range = (struct expression_range){true, all, tally.max, tally.max};
    } else if (tally.known > 0) {
        range = (struct expression_range){all, true, tally.min, tally.min};
    }
    return range;
}

static bool surely_below(const struct expression_range *a, const struct expression_range *b,
                         bool or_equal)
{
    return a->high_known && b->low_known && (a->high < b->low || (or_equal && a->high == b->low));
}

static enum truth less(const struct expression_range *a, const struct expression_range *b,
                       bool or_equal)
{
    if (surely_below(a, b, or_equal)) {
        return TRUTH_TRUE;
    }
    return surely_below(b, a, !or_equal) ? TRUTH_FALSE : TRUTH_UNKNOWN;
}

static enum truth compare_words(struct expression_evaluation *evaluation,
                                const struct expression_node *node)
{
    struct expression_value left = expression_value(evaluation, node->left);
    struct expression_value right = expression_value(evaluation, node->right);
    if (!left.known || !right.known) {
        return TRUTH_UNKNOWN;
    }
    SIM_ASSERT(left.word != NULL);
    SIM_ASSERT(right.word != NULL);
    return truth_of((strcmp(left.word, right.word) == 0) == (node->op == EXPRESSION_EQUAL));
}

static enum truth compare(struct expression_evaluation *evaluation,
                          const struct expression_node *node)
{
    if (node->left->type == EXPRESSION_WORD) {
        return compare_words(evaluation, node);
    }
    bool ppb = in_ppb(node->left) || in_ppb(node->right);
    struct expression_range a = expression_range(evaluation, node->left);
    struct expression_range b = expression_range(evaluation, node->right);
    expression_wide left_scale = scaled(node->left, 1, ppb),
                    right_scale = scaled(node->right, 1, ppb);
    a.low *= left_scale;
    a.high *= left_scale;
    b.low *= right_scale;
    b.high *= right_scale;
    switch (node->op) {
    case EXPRESSION_EQUAL:
        return truth_and(less(&a, &b, true), less(&b, &a, true));
    case EXPRESSION_UNEQUAL:
        return truth_not(truth_and(less(&a, &b, true), less(&b, &a, true)));
    case EXPRESSION_LESS:
        return less(&a, &b, false);
    case EXPRESSION_LESS_OR_EQUAL:
        return less(&a, &b, true);
    case EXPRESSION_GREATER:
        return less(&b, &a, false);
    default:
        SIM_ASSERT(node->op == EXPRESSION_GREATER_OR_EQUAL);
        return less(&b, &a, true);
    }
}

bool expression_is_comparison(const struct expression_node *node)
{
    return node->op >= EXPRESSION_EQUAL && node->op <= EXPRESSION_GREATER_OR_EQUAL;
}

bool expression_is_quantifier(const struct expression_node *node)
{
    return node->op >= EXPRESSION_EACH && node->op <= EXPRESSION_AVERAGE;
}

static enum truth quantified(struct expression_evaluation *evaluation,
                             const struct expression_node *node)
{
    struct expression_tally tally;
    expression_tally(evaluation, node, &tally);
    enum truth decides = node->op == EXPRESSION_EACH ? TRUTH_FALSE : TRUTH_TRUE;
    if (tally.truths[decides] > 0) {
        return decides;
    }
    return tally.truths[TRUTH_UNKNOWN] > 0 ? TRUTH_UNKNOWN : truth_not(decides);
}

enum truth expression_truth(struct expression_evaluation *evaluation,
                            const struct expression_node *node)
{
    if (expression_is_comparison(node)) {
        return compare(evaluation, node);
    }
    switch (node->op) {
    case EXPRESSION_OR:
        return truth_or(expression_truth(evaluation, node->left),
                        expression_truth(evaluation, node->right));
    case EXPRESSION_AND:
        return truth_and(expression_truth(evaluation, node->left),
                         expression_truth(evaluation, node->right));
    case EXPRESSION_NOT:
        return truth_not(expression_truth(evaluation, node->left));
    case EXPRESSION_EACH:
    case EXPRESSION_ANY:
        return quantified(evaluation, node);
    default:
        break;
    }
    struct expression_value value = expression_value(evaluation, node);
    if (!value.known) {
        return TRUTH_UNKNOWN;
    }
    /* An instant that is known has happened. */
    return node->type == EXPRESSION_INSTANT ? TRUTH_TRUE : truth_of(value.number != 0);
}

/* ---- quantifiers --------------------------------------------------------------------------------------------------- */

/* What a quantifier said of its parts the last time: truths or values, by its kind. */
struct remembered {
    uint8_t *truths; /* enum truth */
    int64_t *numbers;
    bool *known;
    bool *stale;
    uint32_t *queue; /* the parts that are stale */
    uint32_t queued;
    struct expression_tally tally; /* of what is not stale */
};

struct expression_memory {
    const struct expression *expression;
    struct remembered of[EXPRESSION_QUANTIFIERS_MAX];
};

static bool gives_truths(const struct expression_node *node)
{
    return node->op == EXPRESSION_EACH || node->op == EXPRESSION_ANY ||
           node->op == EXPRESSION_COUNT;
}

static void tally_value(struct expression_tally *out, uint32_t part, int64_t number)
{
    if (out->known == 0 || number < out->min || (number == out->min && part < out->min_at)) {
        out->min = number;
        out->min_at = part;
    }
    if (out->known == 0 || number > out->max || (number == out->max && part < out->max_at)) {
        out->max = number;
        out->max_at = part;
    }
    out->sum += number;
    out->known++;
}

static void tally_again(struct remembered *memory, uint32_t parts)
{
    memory->tally.known = 0;
    memory->tally.sum = 0;
    for (uint32_t i = 0; i < parts; i++) {
        if (memory->known[i]) {
            tally_value(&memory->tally, i, memory->numbers[i]);
        }
    }
}

/* A part has another value. Returns whether all have to be looked at, because it was the smallest or largest and is no longer. */
static bool replace_value(struct remembered *memory, uint32_t part, struct expression_value value)
{
    struct expression_tally *tally = &memory->tally;
    int64_t old = memory->numbers[part];
    bool again = false;
    if (memory->known[part]) {
        tally->known--;
        tally->sum -= old;
        again = (part == tally->min_at && !(value.known && value.number <= old)) ||
                (part == tally->max_at && !(value.known && value.number >= old));
    }
    memory->known[part] = value.known;
    memory->numbers[part] = value.number;
    if (value.known) {
        tally_value(tally, part, value.number);
    }
    return again;
}

static void refresh(struct expression_evaluation *evaluation, const struct expression_node *node,
                    struct remembered *memory, uint32_t parts)
{
    bool again = false;
    while (memory->queued > 0) {
        uint32_t part = memory->queue[--memory->queued];
        SIM_ASSERT(memory->stale[part]);
        memory->stale[part] = false;
        evaluation->part[node->quantifier] = part;
        if (gives_truths(node)) {
            enum truth truth = expression_truth(evaluation, node->left);
            memory->tally.truths[memory->truths[part]]--;
            memory->tally.truths[truth]++;
            memory->truths[part] = (uint8_t)truth;
        } else {
            again = replace_value(memory, part, expression_value(evaluation, node->left)) || again;
        }
    }
    if (again) {
        tally_again(memory, parts);
    }
}

void expression_tally(struct expression_evaluation *evaluation, const struct expression_node *node,
                      struct expression_tally *out)
{
    const struct expression_quantifier *quantifier =
        &evaluation->expression->quantifiers[node->quantifier];
    struct remembered *memory = evaluation->memory != NULL && quantifier->local
                                    ? &evaluation->memory->of[node->quantifier]
                                    : NULL;
    SIM_ASSERT(quantifier->part_count > 0);
    if (memory != NULL) {
        refresh(evaluation, node, memory, quantifier->part_count);
        *out = memory->tally;
        return;
    }
    *out = (struct expression_tally){.known = 0};
    for (uint32_t i = 0; i < quantifier->part_count; i++) {
        evaluation->part[node->quantifier] = i;
        if (gives_truths(node)) {
            out->truths[expression_truth(evaluation, node->left)]++;
        } else {
            struct expression_value value = expression_value(evaluation, node->left);
            if (value.known) {
                tally_value(out, i, value.number);
            }
        }
    }
}

/* ---- the whole ----------------------------------------------------------------------------------------------------- */

enum truth expression_evaluate_again(const struct expression *expression,
                                     struct expression_memory *memory,
                                     expression_resolver *resolver, void *context)
{
    struct expression_evaluation evaluation = {
        .expression = expression, .memory = memory, .resolver = resolver, .context = context};
    SIM_ASSERT(memory == NULL || memory->expression == expression);
    return expression_truth(&evaluation, expression->root);
}

enum truth expression_evaluate(const struct expression *expression, expression_resolver *resolver,
                               void *context)
{
    return expression_evaluate_again(expression, NULL, resolver, context);
}

static void *take(size_t count, size_t bytes)
{
    void *memory = calloc(count, bytes);
    SIM_ASSERT(memory != NULL);
    return memory;
}

static void remember(struct remembered *memory, uint32_t parts)
{
    memory->truths = take(parts, sizeof(*memory->truths));
    memory->numbers = take(parts, sizeof(*memory->numbers));
    memory->known = take(parts, sizeof(*memory->known));
    memory->stale = take(parts, sizeof(*memory->stale));
    memory->queue = take(parts, sizeof(*memory->queue));
    memory->tally.truths[TRUTH_UNKNOWN] = parts;
    for (uint32_t i = 0; i < parts; i++) {
        memory->truths[i] = TRUTH_UNKNOWN;
        memory->stale[i] = true;
        memory->queue[memory->queued++] = i;
    }
}

struct expression_memory *expression_memory_new(const struct expression *expression)
{
    struct expression_memory *memory = NULL;
    for (uint32_t i = 0; i < expression->quantifier_count; i++) {
        if (expression->quantifiers[i].local && memory == NULL) {
            memory = take(1, sizeof(*memory));
            memory->expression = expression;
        }
        if (expression->quantifiers[i].local) {
            remember(&memory->of[i], expression->quantifiers[i].part_count);
        }
    }
    return memory;
}

void expression_memory_free(struct expression_memory *memory)
{
    for (uint32_t i = 0; memory != NULL && i < EXPRESSION_QUANTIFIERS_MAX; i++) {
        free(memory->of[i].truths);
        free(memory->of[i].numbers);
        free(memory->of[i].known);
        free(memory->of[i].stale);
        free(memory->of[i].queue);
    }
    free(memory);
}

void expression_memory_check(const struct expression_memory *memory)
{
    for (uint32_t i = 0; i < memory->expression->quantifier_count; i++) {
        const struct remembered *of = &memory->of[i];
        struct expression_tally again = {.known = 0};
        uint32_t stale = 0;
        if (of->stale == NULL) {
            continue; /* its quantifier gains nothing by it */
        }
        for (uint32_t part = 0; part < memory->expression->quantifiers[i].part_count; part++) {
            again.truths[of->truths[part]]++;
            stale += of->stale[part];
            if (of->known[part]) {
                tally_value(&again, part, of->numbers[part]);
            }
        }
        SIM_ASSERT(stale == of->queued);
        SIM_ASSERT(memcmp(again.truths, of->tally.truths, sizeof(again.truths)) == 0);
        SIM_ASSERT(again.known == of->tally.known);
        SIM_ASSERT(again.sum == of->tally.sum);
        SIM_ASSERT(again.known == 0 || again.min_at == of->tally.min_at);
        SIM_ASSERT(again.known == 0 || again.max_at == of->tally.max_at);
    }
}

void expression_memory_forget(struct expression_memory *memory, uint32_t quantifier, uint32_t index)
{
    SIM_ASSERT(quantifier < memory->expression->quantifier_count);
    SIM_ASSERT(index < memory->expression->quantifiers[quantifier].part_count);
    struct remembered *of = &memory->of[quantifier];
    if (of->stale != NULL && !of->stale[index]) {
        of->stale[index] = true;
        of->queue[of->queued++] = index;
    }
}
