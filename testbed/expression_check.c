/* testbed/expression_check.c - references and units of an expression (E2 of expression.h). */
#include <stdio.h>
#include <string.h>

#include "sim/assert.h"
#include "testbed/expression_place.h"
#include "testbed/part_names.h"
#include "testbed/property_table.h"

struct checker {
    struct expression *expression;
    const struct scenario *scenario;
    struct arena *arena;
    struct diagnostics *diagnostics;
};

#define CHECK_ERROR(checker, node, ...)                                                            \
    diagnostics_error((checker)->diagnostics,                                                      \
                      expression_place((checker)->expression, (node)->offset, (node)->length),     \
                      __VA_ARGS__)

static const char *node_text(const struct checker *checker, const struct expression_node *node,
                             char out[DIAGNOSTICS_QUOTE_BYTES])
{
    char piece[DIAGNOSTICS_QUOTE_BYTES];
    snprintf(piece, sizeof(piece), "%.*s", (int)node->length,
             checker->expression->text + node->offset);
    return diagnostics_quote(piece, out);
}

static const char *type_words(const struct expression_node *node)
{
    switch (node->type) {
    case EXPRESSION_TRUTH:
        return "a condition";
    case EXPRESSION_INSTANT:
        return "an instant";
    case EXPRESSION_WORD:
        return "a word";
    default:
        return quantity_kind_name(node->unit);
    }
}

/* ---- references ---------------------------------------------------------------------------------------------------- */

static void report_unknown_property(const struct checker *checker,
                                    const struct expression_node *node,
                                    const struct expression_reference *reference,
                                    uint32_t class_bit)
{
    char quoted[DIAGNOSTICS_QUOTE_BYTES], hint[DIAGNOSTICS_QUOTE_BYTES], list[512] = "";
    struct nearest_word nearest;
    nearest_word_init(&nearest, reference->property_text);
    for (uint32_t i = 0; i < property_table_count; i++) {
        if ((property_table[i].classes & class_bit) != 0) {
            size_t used = strlen(list);
            nearest_word_offer(&nearest, property_table[i].name);
            snprintf(list + used, sizeof(list) - used, "%s%s", used == 0 ? "" : ", ",
                     property_table[i].name);
        }
    }
    const char *what =
        reference->part.kind == SCENARIO_ACTION
            ? scenario_action_word(checker->scenario->timeline[reference->part.index].kind)
            : scenario_part_kind_name(reference->part.kind);
    diagnostics_quote(reference->property_text, quoted);
    if (strchr(reference->property_text, '/') != NULL) {
        CHECK_ERROR(checker, node, "a %s has no property %s; a division stands between spaces",
                    what, quoted);
    } else if (nearest.best != NULL) {
        CHECK_ERROR(checker, node, "a %s has no property %s%s", what, quoted,
                    nearest_word_hint(&nearest, hint));
    } else {
        CHECK_ERROR(checker, node, "a %s has no property %s; it has %s", what, quoted, list);
    }
}

/* A name of several parts that stands in no quantifier. */
static bool refuse_several(const struct checker *checker, const struct expression_node *node,
                           const struct expression_reference *reference,
                           const struct scenario_name *entry)
{
    const char *part = reference->part_text, *property = reference->property_text;
    char quoted[DIAGNOSTICS_QUOTE_BYTES];
    uint32_t repetitions = entry == NULL ? 1 : part_names_repetitions(checker->scenario, entry);
    if (reference->quantifier != SIM_NONE && (repetitions > 1 || expression_is_glob(part))) {
        return true; /* the quantifier was not bound, for a reason that is said where it stands */
    }
    if (repetitions > 1) {
        CHECK_ERROR(checker, node,
                    "'%s' fires %u times; write each(%s.%s) or any(%s.%s), or one of them: "
                    "%s-1.%s",
                    part, (unsigned)repetitions, part, property, part, property, part, property);
        return true;
    }
    if (expression_is_glob(part)) {
        CHECK_ERROR(checker, node,
                    "%s speaks of several parts; write each(%s.%s), any(%s.%s), or another "
                    "function of them",
                    node_text(checker, node, quoted), part, property, part, property);
        return true;
    }
    return false;
}

static void report_unknown_part(const struct checker *checker, const struct expression_node *node,
                                const struct expression_reference *reference)
{
    char quoted[DIAGNOSTICS_QUOTE_BYTES], hint[DIAGNOSTICS_QUOTE_BYTES];
    struct nearest_word nearest;
    nearest_word_init(&nearest, reference->part_text);
    if (diagnostics_count(checker->diagnostics) < 2 * DIAGNOSTICS_KEPT) {
        part_names_offer(checker->scenario, UINT32_MAX, UINT32_MAX, &nearest);
    }
    CHECK_ERROR(checker, node,
                "nothing is named %s; expected a part of the scenario or an item of its timeline%s",
                diagnostics_quote(reference->part_text, quoted), nearest_word_hint(&nearest, hint));
}

static void set_type(struct expression_node *node, const struct property_row *row)
{
    static const enum expression_type types[] = {
        [PROPERTY_QUANTITY] = EXPRESSION_QUANTITY, [PROPERTY_INSTANT] = EXPRESSION_INSTANT,
        [PROPERTY_WORD] = EXPRESSION_WORD,         [PROPERTY_NODE] = EXPRESSION_WORD,
        [PROPERTY_FLAG] = EXPRESSION_TRUTH,
    };
    node->type = types[row->type];
    node->unit = row->unit;
}

static bool resolve_reference(const struct checker *checker, struct expression_node *node)
{
    struct expression_reference *reference = &checker->expression->references[node->reference];
    const struct scenario_name *entry = part_names_find(checker->scenario, reference->part_text);
    if (reference->rows != NULL) { /* expression_bind has looked */
        set_type(node, reference->property);
        return true;
    }
    bool bound = reference->part.kind != SCENARIO_NO_PART;
    if (!bound && refuse_several(checker, node, reference, entry)) {
        return false;
    }
    if (!bound && entry == NULL) {
        report_unknown_part(checker, node, reference);
        return false;
    }
    if (!bound) {
        reference->part = entry->part;
    }
    if (reference->part.kind == SCENARIO_ACTION &&
        checker->scenario->timeline[reference->part.index].kind == SCENARIO_ACTION_UNSET) {
        return false; /* what the item does could not be read, and that has been said */
    }
    uint32_t class_bit = property_class(checker->scenario, reference->part);
    reference->property = property_resolve(checker->arena, class_bit, reference->property_text);
    if (reference->property == NULL) {
        report_unknown_property(checker, node, reference, class_bit);
        return false;
    }
    set_type(node, reference->property);
    return true;
}

/* ---- words --------------------------------------------------------------------------------------------------------- */

/* The property as one of the parts of a quantifier has it, or as the one part does. */
static const struct property_row *row_at(const struct checker *checker,
                                         const struct expression_reference *reference,
                                         uint32_t index)
{
    if (reference->rows == NULL) {
        return index == 0 ? reference->property : NULL;
    }
    uint32_t count = checker->expression->quantifiers[reference->quantifier].part_count;
    return index < count ? reference->rows[index] : NULL;
}

static bool check_node_name(const struct checker *checker, const struct expression_node *name)
{
    char quoted[DIAGNOSTICS_QUOTE_BYTES], hint[DIAGNOSTICS_QUOTE_BYTES];
    const struct scenario_name *entry = part_names_find(checker->scenario, name->word);
    if (entry != NULL && entry->part.kind == SCENARIO_NODE) {
        return true;
    }
    struct nearest_word nearest;
    nearest_word_init(&nearest, name->word);
    part_names_offer(checker->scenario, UINT32_C(1) << SCENARIO_NODE, 0, &nearest);
    CHECK_ERROR(checker, name, "%s is not the name of a node%s",
                diagnostics_quote(name->word, quoted), nearest_word_hint(&nearest, hint));
    return false;
}

/* The bare word `name` is compared with the property: a node, or a word that one of its parts can have. */
static bool check_word(const struct checker *checker, const struct expression_node *name,
                       const struct expression_node *reference_node)
{
    const struct expression_reference *reference =
        &checker->expression->references[reference_node->reference];
    char quoted[DIAGNOSTICS_QUOTE_BYTES], hint[DIAGNOSTICS_QUOTE_BYTES], list[512] = "";
    const struct property_row *row, *before = NULL;
    struct nearest_word nearest;
    nearest_word_init(&nearest, name->word);
    diagnostics_quote(name->word, quoted);
    if (reference->property->type == PROPERTY_NODE) {
        return check_node_name(checker, name);
    }
    for (uint32_t at = 0; (row = row_at(checker, reference, at)) != NULL; before = row, at++) {
        for (uint32_t i = 0; row != before && row->words[i] != NULL; i++) {
            size_t used = strlen(list);
            if (strcmp(row->words[i], name->word) == 0) {
                return true;
            }
            nearest_word_offer(&nearest, row->words[i]);
            snprintf(list + used, sizeof(list) - used, "%s%s", used == 0 ? "" : ", ",
                     row->words[i]);
        }
    }
    CHECK_ERROR(checker, name, "'%s.%s' is never %s; it is one of %s%s", reference->part_text,
                reference->property_text, quoted, list, nearest_word_hint(&nearest, hint));
    return false;
}

static bool check_words(const struct checker *checker, const struct expression_node *node)
{
    const struct expression_node *left = node->left, *right = node->right;
    if (node->op != EXPRESSION_EQUAL && node->op != EXPRESSION_UNEQUAL) {
        CHECK_ERROR(checker, node, "words have no order; compare them with == or !=");
        return false;
    }
    if (left->op == EXPRESSION_NAME && right->op == EXPRESSION_NAME) {
        CHECK_ERROR(checker, node,
                    "two words are compared; one side must be a property, as in web.state");
        return false;
    }
    if (right->op == EXPRESSION_NAME) {
        return check_word(checker, right, left);
    }
    if (left->op == EXPRESSION_NAME) {
        return check_word(checker, left, right);
    }
    return true;
}

/* ---- units --------------------------------------------------------------------------------------------------------- */

/* A number without a dimension: counts, factors and shares mix, but for a count that is compared with a share. */
static bool is_plain(const struct expression_node *node)
{
    return node->type == EXPRESSION_QUANTITY &&
           (node->unit == QUANTITY_COUNT || node->unit == QUANTITY_FACTOR ||
            node->unit == QUANTITY_SHARE);
}

static bool is_time(const struct expression_node *node)
{
    return node->type == EXPRESSION_INSTANT ||
           (node->type == EXPRESSION_QUANTITY && node->unit == QUANTITY_TIME);
}

static bool is_unit(const struct expression_node *node, enum quantity_kind unit)
{
    return node->type == EXPRESSION_QUANTITY && node->unit == unit;
}

static bool agree(const struct expression_node *a, const struct expression_node *b)
{
    if (a->type == EXPRESSION_QUANTITY && b->type == EXPRESSION_QUANTITY && a->unit == b->unit) {
        return true;
    }
    return (is_plain(a) && is_plain(b)) || (is_time(a) && is_time(b));
}

static void result(struct expression_node *node, enum quantity_kind unit)
{
    node->type = EXPRESSION_QUANTITY;
    node->unit = unit;
}

static enum quantity_kind plain_unit(const struct expression_node *node)
{
    bool counts = node->left->unit == QUANTITY_COUNT && node->right->unit == QUANTITY_COUNT;
    return counts ? QUANTITY_COUNT : QUANTITY_FACTOR;
}

/* A word that is the name of a property, where a value was expected: whose, it does not say. */
static bool refuse_lone_property(const struct checker *checker, const struct expression_node *node)
{
    const struct scenario *scenario = checker->scenario;
    char quoted[DIAGNOSTICS_QUOTE_BYTES];
    if (node->op != EXPRESSION_NAME) {
        return false;
    }
    for (uint32_t i = 0; i < scenario->name_count; i++) {
        const struct scenario_name *name = &scenario->names[i];
        bool unset = name->part.kind == SCENARIO_ACTION &&
                     scenario->timeline[name->part.index].kind == SCENARIO_ACTION_UNSET;
        if (!unset && property_find(property_class(scenario, name->part), node->word) != NULL) {
            CHECK_ERROR(checker, node, "%s does not say of what; did you mean '%s.%s'?",
                        diagnostics_quote(node->word, quoted), name->name, node->word);
            return true;
        }
    }
    return false;
}

static bool refuse_units(const struct checker *checker, const struct expression_node *node,
                         const char *how)
{
    char left[DIAGNOSTICS_QUOTE_BYTES], right[DIAGNOSTICS_QUOTE_BYTES];
    bool simple = node->left->left == NULL && node->right->left == NULL;
    if (refuse_lone_property(checker, node->left) || refuse_lone_property(checker, node->right)) {
        return false;
    }
    if (simple) {
        CHECK_ERROR(checker, node, "%s (%s) and %s (%s) cannot be %s",
                    node_text(checker, node->left, left), type_words(node->left),
                    node_text(checker, node->right, right), type_words(node->right), how);
    } else {
        CHECK_ERROR(checker, node, "%s and %s cannot be %s", type_words(node->left),
                    type_words(node->right), how);
    }
    return false;
}

static bool check_sum(const struct checker *checker, struct expression_node *node)
{
    const struct expression_node *left = node->left, *right = node->right;
    bool instants = left->type == EXPRESSION_INSTANT && right->type == EXPRESSION_INSTANT;
    bool backwards =
        node->op == EXPRESSION_SUBTRACT && right->type == EXPRESSION_INSTANT && !instants;
    if (!agree(left, right) || (instants && node->op == EXPRESSION_ADD) || backwards) {
        return refuse_units(checker, node, node->op == EXPRESSION_ADD ? "added" : "subtracted");
    }
    if (is_time(left)) {
        result(node, QUANTITY_TIME);
        bool shifted = left->type == EXPRESSION_INSTANT || right->type == EXPRESSION_INSTANT;
        node->type = shifted && !instants ? EXPRESSION_INSTANT : EXPRESSION_QUANTITY;
    } else {
        result(node, is_plain(left) ? plain_unit(node) : left->unit);
    }
    return true;
}

static bool check_product(const struct checker *checker, struct expression_node *node)
{
    const struct expression_node *left = node->left, *right = node->right;
    bool quantities = left->type == EXPRESSION_QUANTITY && right->type == EXPRESSION_QUANTITY;
    if (quantities && node->op == EXPRESSION_MULTIPLY && (is_plain(left) || is_plain(right))) {
        result(node, is_plain(left) && is_plain(right) ? plain_unit(node)
                     : is_plain(left)                  ? right->unit
                                                       : left->unit);
        return true;
    }
    if (quantities && node->op == EXPRESSION_DIVIDE) {
        if (agree(left, right)) {
            result(node, QUANTITY_FACTOR);
            return true;
        }
        if (is_plain(right)) {
            result(node, left->unit);
            return true;
        }
        if (is_unit(left, QUANTITY_SIZE) && is_unit(right, QUANTITY_TIME)) {
            result(node, QUANTITY_RATE);
            return true;
        }
        if (is_unit(left, QUANTITY_SIZE) && is_unit(right, QUANTITY_RATE)) {
            result(node, QUANTITY_TIME);
            return true;
        }
        if (is_unit(left, QUANTITY_COUNT) && is_unit(right, QUANTITY_TIME)) {
            result(node, QUANTITY_FREQUENCY);
            return true;
        }
    }
    return refuse_units(checker, node, node->op == EXPRESSION_MULTIPLY ? "multiplied" : "divided");
}

/* ---- the tree ------------------------------------------------------------------------------------------------------ */

static bool check_condition(const struct checker *checker, const struct expression_node *node)
{
    char quoted[DIAGNOSTICS_QUOTE_BYTES];
    if (node->type == EXPRESSION_TRUTH || node->type == EXPRESSION_INSTANT) {
        return true;
    }
    CHECK_ERROR(checker, node,
                "%s is %s; expected a condition: a comparison, or an instant as in move.end",
                node_text(checker, node, quoted), type_words(node));
    return false;
}

static bool check_node(const struct checker *checker, struct expression_node *node);

/* `ping.lost < 1%` would compare with a hundredth of one ping. */
static bool is_count_with_share(const struct expression_node *count,
                                const struct expression_node *share)
{
    return (count->op == EXPRESSION_REFERENCE || count->op == EXPRESSION_COUNT) &&
           is_unit(count, QUANTITY_COUNT) && share->op == EXPRESSION_CONSTANT &&
           is_unit(share, QUANTITY_SHARE);
}

static bool check_comparison(const struct checker *checker, struct expression_node *node)
{
    const struct expression_node *left = node->left, *right = node->right;
    node->type = EXPRESSION_TRUTH;
    if (left->type == EXPRESSION_WORD && right->type == EXPRESSION_WORD) {
        return check_words(checker, node);
    }
    bool truths = left->type == EXPRESSION_TRUTH && right->type == EXPRESSION_TRUTH &&
                  (node->op == EXPRESSION_EQUAL || node->op == EXPRESSION_UNEQUAL);
    if (!truths && !agree(left, right)) {
        return refuse_units(checker, node, "compared");
    }
    if (is_count_with_share(left, right) || is_count_with_share(right, left)) {
        char quoted[DIAGNOSTICS_QUOTE_BYTES];
        const struct expression_node *count = is_unit(left, QUANTITY_COUNT) ? left : right;
        CHECK_ERROR(checker, node,
                    "%s is a whole number, no share; divide it by what it is a share of, as in "
                    "ping.lost / ping.sent < 1%%",
                    node_text(checker, count, quoted));
        return false;
    }
    return true;
}

static bool check_negate(const struct checker *checker, struct expression_node *node)
{
    if (node->left->type != EXPRESSION_QUANTITY) {
        CHECK_ERROR(checker, node, "%s has no sign", type_words(node->left));
        return false;
    }
    result(node, node->left->unit);
    return true;
}

/* ---- quantifiers ----------------------------------------------------------------------------------------------------- */

static bool is_each(const struct expression_node *node)
{
    return node->op == EXPRESSION_EACH || node->op == EXPRESSION_ANY;
}

/* Whether anything in the tree is looked up. */
static bool has_reference(const struct expression_node *node)
{
    return node != NULL && (node->op == EXPRESSION_REFERENCE || has_reference(node->left) ||
                            has_reference(node->right));
}

/* each(V) < C becomes each(V < C), and C < each(V) becomes each(C < V): the two nodes change places. */
static bool move_comparison_inside(const struct checker *checker, struct expression_node *node)
{
    bool on_left = is_each(node->left);
    struct expression_node *each = on_left ? node->left : node->right;
    struct expression_node *other = on_left ? node->right : node->left;
    if (is_each(other)) {
        CHECK_ERROR(checker, node,
                    "both sides speak of several parts; compare inside one, as in "
                    "each(web*.longest-pause < 1s), or use max() or min()");
        return false;
    }
    if (has_reference(other)) {
        checker->expression->quantifiers[each->quantifier].local = false;
    }
    struct expression_node comparison = *node;
    comparison.left = on_left ? each->left : other;
    comparison.right = on_left ? other : each->left;
    *node = *each;
    node->left = each;
    *each = comparison;
    return true;
}

static bool check_quantifier(const struct checker *checker, struct expression_node *node)
{
    const struct expression_node *of = node->left;
    const char *word = checker->expression->text + node->offset;
    char quoted[DIAGNOSTICS_QUOTE_BYTES];
    bool condition = of->type == EXPRESSION_TRUTH || of->type == EXPRESSION_INSTANT;
    bool quantity = of->type == EXPRESSION_QUANTITY;
    switch (node->op) {
    case EXPRESSION_EACH:
    case EXPRESSION_ANY:
        node->type = EXPRESSION_TRUTH;
        if (!condition) {
            CHECK_ERROR(checker, node,
                        "'%.*s' is given %s, and that is compared with nothing; a comparison "
                        "stands inside the parentheses or right behind them",
                        (int)node->length, word, type_words(of));
        }
        return condition;
    case EXPRESSION_COUNT:
        result(node, QUANTITY_COUNT);
        return check_condition(checker, of);
    default:
        node->type = of->type;
        node->unit = node->op == EXPRESSION_AVERAGE && of->unit == QUANTITY_COUNT ? QUANTITY_FACTOR
                                                                                  : of->unit;
        if (quantity || (of->type == EXPRESSION_INSTANT &&
                         (node->op == EXPRESSION_MIN || node->op == EXPRESSION_MAX))) {
            return true;
        }
        CHECK_ERROR(checker, node, "'%.*s' needs quantities, and %s is %s", (int)node->length, word,
                    node_text(checker, of, quoted), type_words(of));
        return false;
    }
}

static bool check_node(const struct checker *checker, struct expression_node *node)
{
    if (expression_is_comparison(node) && (is_each(node->left) || is_each(node->right)) &&
        !move_comparison_inside(checker, node)) {
        return false;
    }
    bool left = node->left == NULL || check_node(checker, node->left);
    bool right = node->right == NULL || check_node(checker, node->right);
    if (!left || !right) {
        return false;
    }
    switch (node->op) {
    case EXPRESSION_OR:
    case EXPRESSION_AND:
        node->type = EXPRESSION_TRUTH;
        left = check_condition(checker, node->left);
        return check_condition(checker, node->right) && left;
    case EXPRESSION_NOT:
        node->type = EXPRESSION_TRUTH;
        return check_condition(checker, node->left);
    case EXPRESSION_ADD:
    case EXPRESSION_SUBTRACT:
        return check_sum(checker, node);
    case EXPRESSION_MULTIPLY:
    case EXPRESSION_DIVIDE:
        return check_product(checker, node);
    case EXPRESSION_NEGATE:
        return check_negate(checker, node);
    case EXPRESSION_CONSTANT:
        return true;
    case EXPRESSION_NAME:
        node->type = EXPRESSION_WORD;
        return true;
    case EXPRESSION_REFERENCE:
        return resolve_reference(checker, node);
    case EXPRESSION_EACH:
    case EXPRESSION_ANY:
    case EXPRESSION_COUNT:
    case EXPRESSION_MIN:
    case EXPRESSION_MAX:
    case EXPRESSION_SUM:
    case EXPRESSION_AVERAGE:
        return check_quantifier(checker, node);
    default:
        return check_comparison(checker, node);
    }
}

bool expression_check(struct expression *expression, struct scenario *scenario,
                      struct diagnostics *diagnostics)
{
    struct checker checker = {expression, scenario, &scenario->arena, diagnostics};
    SIM_ASSERT(expression->root != NULL);
    return expression_bind(expression, scenario, &scenario->arena, diagnostics) &&
           check_node(&checker, expression->root) && check_condition(&checker, expression->root);
}

bool expression_check_property(struct expression *expression, struct scenario *scenario,
                               struct diagnostics *diagnostics)
{
    struct checker checker = {expression, scenario, &scenario->arena, diagnostics};
    struct expression_node *root = expression->root;
    SIM_ASSERT(root != NULL);
    if (root->op != EXPRESSION_REFERENCE) {
        char quoted[DIAGNOSTICS_QUOTE_BYTES];
        CHECK_ERROR(&checker, root,
                    "%s is no property; expected a part and its property, as in "
                    "move.downtime",
                    diagnostics_quote(expression->text, quoted));
        return false;
    }
    return expression_bind(expression, scenario, &scenario->arena, diagnostics) &&
           check_node(&checker, root);
}
