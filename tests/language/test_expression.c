/* Expressions: what they parse to, what is said of wrong ones, what they come to. */
#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

#include "sim/chance.h"
#include "testbed/expression.h"
#include "testbed/property_table.h"
#include "tests/language/helpers.h"

/* ---- parsing ------------------------------------------------------------------------------------------------------- */

static const char *const operators[EXPRESSION_OPERATORS] = {
    "or", "and", "not", "==", "!=", "<",    "<=",  ">",     ">=",  "+",   "-",   "*",
    "/",  "neg", "",    "",   "",   "each", "any", "count", "min", "max", "sum", "avg"};

/* The tree in prefix form: every operator with its operands in parentheses. */
static void show(const struct expression *expression, const struct expression_node *node, FILE *out)
{
    if (node->left == NULL) {
        fprintf(out, "%.*s", (int)node->length, expression->text + node->offset);
        return;
    }
    fprintf(out, "(%s ", operators[node->op]);
    show(expression, node->left, out);
    if (node->right != NULL) {
        fputc(' ', out);
        show(expression, node->right, out);
    }
    fputc(')', out);
}

static const struct {
    const char *text, *tree;
} trees[] = {
    {"a.b", "a.b"},
    {"a.b == c", "(== a.b c)"},
    {"a.b==c", "(== a.b c)"},
    {"a.b or c.d and e.f", "(or a.b (and c.d e.f))"},
    {"a.b and c.d or e.f", "(or (and a.b c.d) e.f)"},
    {"a.b or c.d or e.f", "(or (or a.b c.d) e.f)"},
    {"not a.b and c.d", "(and (not a.b) c.d)"},
    {"not (a.b and c.d)", "(not (and a.b c.d))"},
    {"not not a.b", "(not (not a.b))"},
    {"not a.b == c", "(not (== a.b c))"},
    {"1 + 2 * 3 < 4 - 5 - 6", "(< (+ 1 (* 2 3)) (- (- 4 5) 6))"},
    {"(1 + 2) * 3 >= -4", "(>= (* (+ 1 2) 3) (neg 4))"},
    {"- - 5s < a.b", "(< (neg (neg 5s)) a.b)"},
    {"8 / 4 / 2 == 1", "(== (/ (/ 8 4) 2) 1)"},
    {"node2/lan.drops < 5", "(< node2/lan.drops 5)"},
    {"a-b.c-d - e.f < 1", "(< (- a-b.c-d e.f) 1)"},
    {"x.rtt.max <= 1.5ms", "(<= x.rtt.max 1.5ms)"},
    {"  a.b  ", "a.b"},
    {"true or false", "(or true false)"},
    {"each.x == 1", "(== each.x 1)"},
    {"each(web*.downtime) < 500ms", "(< (each web*.downtime) 500ms)"},
    {"not any (a*.b == c and a*.d)", "(not (any (and (== a*.b c) a*.d)))"},
    {"2 * max(*.x) - min(?.y)<5", "(< (- (* 2 (max *.x)) (min ?.y)) 5)"},
    {"count(*/lan.drops > 3) == 1 + sum(node2/*.drops)",
     "(== (count (> */lan.drops 3)) (+ 1 (sum node2/*.drops)))"},
    {"5 * *.x < 5", "(< (* 5 *.x) 5)"},
    {"avg(a-?.b)", "(avg a-?.b)"},
    {"each(a*.x < max(b*.y)) or sum.x", "(or (each (< a*.x (max b*.y))) sum.x)"},
};

Test(expression, precedence_and_association)
{
    for (size_t i = 0; i < sizeof(trees) / sizeof(trees[0]); i++) {
        struct arena arena;
        arena_init(&arena);
        struct diagnostics *diagnostics = diagnostics_new();
        diagnostics_add_source(diagnostics, SOURCE_FILE, "x", trees[i].text, strlen(trees[i].text));
        struct expression *expression = expression_parse(&arena, diagnostics, trees[i].text,
                                                         (struct source_place){0, 1, 1, 1}, true);
        cr_assert_not_null(expression, "%s", trees[i].text);
        char *tree = NULL;
        size_t length;
        FILE *out = open_memstream(&tree, &length);
        show(expression, expression->root, out);
        fclose(out);
        cr_expect_str_eq(tree, trees[i].tree);
        free(tree);
        diagnostics_free(diagnostics);
        arena_close(&arena);
    }
}

/* ---- evaluation ---------------------------------------------------------------------------------------------------- */

/* What the parts of helper_base come to in these tests. */
static struct expression_value answer(void *context, const struct expression_reference *reference)
{
    static const struct {
        const char *part, *property;
        int64_t number;
        const char *word;
    } facts[] = {
        {"web", "node", 0, "node2"},
        {"web", "state", 0, "running"},
        {"web", "memory", INT64_C(1) << 30, NULL},
        {"web", "paused-for", 0, NULL},
        {"move", "downtime", 79 * SIM_MS, NULL},
        {"move", "total-time", 6500 * SIM_MS, NULL},
        {"move", "rounds", 10, NULL},
        {"move", "bytes-sent", 1288490189, NULL}, /* 1.2 GiB */
        {"move", "pages-sent", 300000, NULL},
        {"move", "start", SIM_S, NULL},
        {"move", "end", 7500 * SIM_MS, NULL},
        {"ping", "lost", 8, NULL},
        {"ping", "start", 0, NULL},
        {"node2/lan", "drops", 3, NULL},
    };
    uint32_t *questions = context;
    if (questions != NULL) {
        (*questions)++;
    }
    for (size_t i = 0; i < sizeof(facts) / sizeof(facts[0]); i++) {
        if (strcmp(reference->part_text, facts[i].part) == 0 &&
            strcmp(reference->property_text, facts[i].property) == 0) {
            return (struct expression_value){
                .known = true, .number = facts[i].number, .word = facts[i].word};
        }
    }
    return (struct expression_value){.known = false};
}

/* `ping.end`, `move.outcome`, `ping.longest-gap` and `move.step` are unknown here. */
static const struct {
    const char *text;
    enum truth truth;
    const char *actual;
} evaluations[] = {
    {"web.node == node2", TRUTH_TRUE, "node2"},
    {"web.node != node2", TRUTH_FALSE, "node2"},
    {"node1 == web.node", TRUTH_FALSE, "node2"},
    {"web.state == running and web.node == node1", TRUTH_FALSE, "node2"},
    {"move.downtime < 500ms", TRUTH_TRUE, "79.0 ms"},
    {"move.downtime < 79ms", TRUTH_FALSE, "79.0 ms"},
    {"move.downtime <= 79ms", TRUTH_TRUE, "79.0 ms"},
    {"500ms > move.downtime", TRUTH_TRUE, "79.0 ms"},
    {"move.bytes-sent / web.memory < 120.1%", TRUTH_TRUE, "1.20"},
    {"move.bytes-sent / web.memory < 1.19", TRUTH_FALSE, "1.20"},
    {"move.bytes-sent / web.memory > 1", TRUTH_TRUE, "1.20"},
    {"move.bytes-sent / move.total-time < 2Gbit/s", TRUTH_TRUE, "1.59 Gbit/s"},
    {"move.bytes-sent / 1Gbit/s < 11s", TRUTH_TRUE, "10.3 s"},
    {"move.pages-sent / move.total-time > 46153/s", TRUTH_TRUE, "46154/s"},
    {"move.pages-sent / 7 == 42857", TRUTH_FALSE, "42857"},
    {"move.pages-sent / 7 > 42857", TRUTH_TRUE, "42857"},
    {"web.memory * 25% == 256MiB", TRUTH_TRUE, "256 MiB"},
    {"150% * 2 == 3", TRUTH_TRUE, "3.00"},
    {"50% * 50% == 25%", TRUTH_TRUE, "0.25"},
    {"7 * 6 == 42", TRUTH_TRUE, "42"},
    {"1.5 + 1 == 2.5", TRUTH_TRUE, "2.50"},
    {"10 - 250% == 7.5", TRUTH_TRUE, "7.50"},
    {"move.downtime / 2 == 39500us", TRUTH_TRUE, "39.5 ms"},
    {"move.downtime / 0 < 1s", TRUTH_UNKNOWN, "unknown"},
    {"9000000000000000000 + 9000000000000000000 > 0", TRUTH_UNKNOWN, "unknown"},
    {"9000000000000000000 * 9000000000000000000 > 0", TRUTH_UNKNOWN, "unknown"},
    {"9000000000000000000 > 8.5", TRUTH_TRUE, "9000000000000000000"},
    {"-5s < 0s", TRUTH_TRUE, "-5.00 s"},
    {"1s < 2s == true", TRUTH_UNKNOWN, NULL}, /* a chain: refused */
    {"(1s < 2s) == true", TRUTH_TRUE, "true"},
    {"move.end", TRUTH_TRUE, "at 7.50 s"},
    {"ping.start", TRUTH_TRUE, "at 0 ns"},
    {"ping.end", TRUTH_UNKNOWN, "unknown"},
    {"not ping.end", TRUTH_UNKNOWN, "unknown"},
    {"move.end - move.start == move.total-time", TRUTH_TRUE, "6.50 s"},
    {"move.end < 8s", TRUTH_TRUE, "at 7.50 s"},
    {"move.start + 5s > move.end", TRUTH_FALSE, "at 6.00 s"},
    {"ping.longest-gap < 600ms", TRUTH_UNKNOWN, "unknown"},
    {"ping.longest-gap < 600ms and move.rounds == 9", TRUTH_FALSE, "10"},
    {"ping.longest-gap < 600ms or move.rounds == 10", TRUTH_TRUE, "unknown"},
    {"ping.longest-gap < 600ms and move.rounds == 10", TRUTH_UNKNOWN, "unknown"},
    {"ping.longest-gap < 600ms or move.rounds == 9", TRUTH_UNKNOWN, "10"},
    {"not (move.rounds == 10 and ping.lost > 3)", TRUTH_FALSE, "10"},
    {"node2/lan.drops == 3", TRUTH_TRUE, "3"},
    {"true", TRUTH_TRUE, "true"},
    {"not false", TRUTH_TRUE, "false"},
};

static struct expression *checked(struct scenario *scenario, const char *text)
{
    struct diagnostics *diagnostics = diagnostics_new();
    diagnostics_add_source(diagnostics, SOURCE_FILE, "expression", text, strlen(text));
    struct expression *expression = expression_parse(&scenario->arena, diagnostics, text,
                                                     (struct source_place){0, 1, 1, 1}, true);
    bool right = expression != NULL && expression_check(expression, scenario, diagnostics);
    cr_expect_eq(right, diagnostics_count(diagnostics) == 0, "%s", text);
    diagnostics_free(diagnostics);
    return right ? expression : NULL;
}

Test(expression, values_units_and_three_truths)
{
    struct scenario *scenario = helper_load(helper_base);
    for (size_t i = 0; i < sizeof(evaluations) / sizeof(evaluations[0]); i++) {
        const char *text = evaluations[i].text;
        struct expression *expression = checked(scenario, text);
        if (evaluations[i].actual == NULL) {
            cr_expect_null(expression, "%s was taken for right", text);
            continue;
        }
        cr_assert_not_null(expression, "%s", text);
        enum truth truth = expression_evaluate(expression, answer, NULL);
        cr_expect_eq(truth, evaluations[i].truth, "%s is %s", text, truth_word(truth));
        char actual[64];
        expression_actual(expression, scenario, answer, NULL, actual, sizeof(actual));
        cr_expect_str_eq(actual, evaluations[i].actual, "%s: %s", text, actual);
        for (uint32_t j = 0; j < expression->reference_count; j++) {
            cr_expect_not_null(expression->references[j].property, "%s", text);
            cr_expect_neq(expression->references[j].part.kind, SCENARIO_NO_PART, "%s", text);
        }
    }
    scenario_free(scenario);
}

Test(expression, kleene)
{
    static const enum truth all[] = {TRUTH_FALSE, TRUTH_TRUE, TRUTH_UNKNOWN};
    for (size_t i = 0; i < 3; i++) {
        cr_expect_eq(truth_not(truth_not(all[i])), all[i]);
        for (size_t j = 0; j < 3; j++) {
            enum truth a = all[i], b = all[j];
            enum truth both = a == TRUTH_FALSE || b == TRUTH_FALSE ? TRUTH_FALSE
                              : a == TRUTH_TRUE && b == TRUTH_TRUE ? TRUTH_TRUE
                                                                   : TRUTH_UNKNOWN;
            enum truth either = a == TRUTH_TRUE || b == TRUTH_TRUE     ? TRUTH_TRUE
                                : a == TRUTH_FALSE && b == TRUTH_FALSE ? TRUTH_FALSE
                                                                       : TRUTH_UNKNOWN;
            cr_expect_eq(truth_and(a, b), both);
            cr_expect_eq(truth_or(a, b), either);
        }
    }
}

/* ---- random expressions against a plain model ----------------------------------------------------------------------- */

/* Writes a random sum or product of small counts to `out` and returns what it comes to. */
static int64_t random_value(struct chance key, uint64_t *draw, uint32_t depth, FILE *out)
{
    uint64_t pick = chance_below(key, (*draw)++, depth == 0 ? 1 : 5);
    if (pick == 0) {
        int64_t number = (int64_t)chance_below(key, (*draw)++, 100);
        fprintf(out, "%lld", (long long)number);
        return number;
    }
    if (pick == 1) {
        fputs("-(", out);
        int64_t value = random_value(key, draw, depth - 1, out);
        fputc(')', out);
        return -value;
    }
    fputc('(', out);
    int64_t left = random_value(key, draw, depth - 1, out);
    fputs(pick == 2 ? " + " : pick == 3 ? " - " : " * ", out);
    int64_t right = random_value(key, draw, depth - 1, out);
    fputc(')', out);
    return pick == 2 ? left + right : pick == 3 ? left - right : left * right;
}

static bool random_truth(struct chance key, uint64_t *draw, uint32_t depth, FILE *out)
{
    static const char *const compare[] = {" == ", " != ", " < ", " <= ", " > ", " >= "};
    uint64_t pick = chance_below(key, (*draw)++, depth == 0 ? 1 : 4);
    if (pick == 0) {
        uint64_t op = chance_below(key, (*draw)++, 6);
        int64_t left = random_value(key, draw, 2, out);
        fputs(compare[op], out);
        int64_t right = random_value(key, draw, 2, out);
        bool results[] = {left == right, left != right, left<right, left <= right, left> right,
                          left >= right};
        return results[op];
    }
    if (pick == 1) {
        fputs("not (", out);
        bool value = random_truth(key, draw, depth - 1, out);
        fputc(')', out);
        return !value;
    }
    fputc('(', out);
    bool left = random_truth(key, draw, depth - 1, out);
    fputs(pick == 2 ? ") and (" : ") or (", out);
    bool right = random_truth(key, draw, depth - 1, out);
    fputc(')', out);
    return pick == 2 ? left && right : left || right;
}

Test(expression, random_ones_come_to_what_c_makes_of_them)
{
    struct scenario *scenario = helper_load(helper_base);
    struct chance key = chance_key(7, "test.expression", "random");
    uint64_t draw = 0;
    uint32_t truths = 0;
    for (uint32_t i = 0; i < 2000; i++) {
        char *text = NULL;
        size_t length;
        FILE *out = open_memstream(&text, &length);
        bool expected = random_truth(key, &draw, 3, out);
        fclose(out);
        struct expression *expression = checked(scenario, text);
        cr_assert_not_null(expression, "%s", text);
        cr_assert_eq(expression_evaluate(expression, answer, NULL),
                     expected ? TRUTH_TRUE : TRUTH_FALSE, "%s", text);
        truths += expected;
        free(text);
    }
    cr_expect(truths > 500 && truths < 1500, "%u of 2000 are true", truths);
    scenario_free(scenario);
}

/* ---- properties ---------------------------------------------------------------------------------------------------- */

/* Every row can be asked for, and no class has two rows of a name. */
Test(expression, properties_are_unambiguous)
{
    for (uint32_t i = 0; i < property_table_count; i++) {
        const struct property_row *row = &property_table[i];
        cr_expect_neq(row->classes, 0);
        cr_expect_not_null(row->meaning);
        cr_expect_eq(row->type == PROPERTY_WORD, row->words != NULL, "%s", row->name);
        for (uint32_t bit = 0; bit < 32; bit++) {
            uint32_t class_bit = row->classes & UINT32_C(1) << bit;
            cr_expect(class_bit == 0 || property_find(class_bit, row->name) == row, "%s",
                      row->name);
        }
        for (uint32_t word = 0; row->words != NULL && row->words[word] != NULL; word++) {
            cr_expect_null(yaml_plain_ambiguity(row->words[word]), "%s", row->words[word]);
        }
    }
}
