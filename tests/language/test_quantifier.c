/* each(), any(), count(), min(), max(), sum(), avg(): what they come to, what reports show of them, and that a memory changes nothing. */
#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

#include "sim/chance.h"
#include "testbed/expression.h"
#include "testbed/name_range.h"
#include "testbed/property_table.h"
#include "tests/language/helpers.h"

static const char base[] =
    "networks:\n  lan: {rate: 1Gbit/s}\n  san: {rate: 1Gbit/s}\n"
    "nodes:\n  node1..node2: {memory: 16GiB, nics: [lan, san]}\n"
    "clients:\n  web-user: {nics: [lan]}\n"
    "vms:\n  web1..web11: {node: node1, memory: 1GiB, nics: [lan]}\n"
    "timeline:\n"
    "  - {at: 0s, ping: {from: web-user, to: web1}, as: ping}\n"
    "  - {at: 1s, live-migrate: {vm: web1, to: node2}, as: move-a}\n"
    "  - {at: 1s, live-migrate: {vm: web2, to: node2}, as: move-b}\n"
    "  - {at: 1s, every: 1s, times: 3, fault: {link: node1/lan, down: true, for: 1s}, as: blip}\n";

#define VMS 11

/* What the VMs come to: VM i wrote `written[i]` pages, and is in `state[i]`; unknown where -1 or NULL. */
struct facts {
    int64_t written[VMS];
    const char *state[VMS];
    uint32_t questions;
};

static struct expression_value answer(void *context, const struct expression_reference *reference)
{
    struct facts *facts = context;
    static const struct {
        const char *property;
        int64_t of[3]; /* of the first, second and third part of that kind; -1 unknown */
    } others[] = {
        {"downtime", {79 * SIM_MS, 612 * SIM_MS, 0}},
        {"end", {7 * SIM_S, -1, 9 * SIM_S}},
        {"start", {SIM_S, SIM_S, SIM_S}},
        {"hits", {2, 3, 3}},
        {"drops", {4, 0, 9}},
        {"lost", {8, 0, 0}},
        {"total-time", {SIM_S, -1, 0}},
    };
    struct expression_value unknown = {.known = false};
    facts->questions++;
    if (reference->part.kind == SCENARIO_VM) {
        cr_assert_lt(reference->part.index, VMS);
        int64_t written = facts->written[reference->part.index];
        const char *state = facts->state[reference->part.index];
        if (strcmp(reference->property->name, "state") == 0) {
            return state == NULL ? unknown
                                 : (struct expression_value){.known = true, .word = state};
        }
        return (struct expression_value){.known = written >= 0, .number = written};
    }
    if (strcmp(reference->property->name, "state") == 0) {
        return (struct expression_value){.known = true, .word = "running"};
    }
    uint32_t index = reference->part.index;
    index -= reference->part.kind != SCENARIO_ACTION ? 0 : index >= 3 ? 3 : index >= 1 ? 1 : 0;
    for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++) {
        if (strcmp(reference->property->name, others[i].property) == 0) {
            cr_assert_lt(index, 3, "%s", reference->part_text);
            int64_t number = others[i].of[index];
            return (struct expression_value){.known = number >= 0, .number = number};
        }
    }
    return unknown;
}

static struct expression *checked(struct scenario *scenario, const char *text)
{
    struct diagnostics *diagnostics = diagnostics_new();
    diagnostics_add_source(diagnostics, SOURCE_FILE, "expression", text, strlen(text));
    struct expression *expression = expression_parse(&scenario->arena, diagnostics, text,
                                                     (struct source_place){0, 1, 1, 1}, true);
    bool right = expression != NULL && expression_check(expression, scenario, diagnostics);
    if (!right) {
        char *errors = helper_print(diagnostics);
        cr_assert_fail("%s: %s", text, errors);
    }
    diagnostics_free(diagnostics);
    return expression;
}

/* VM i (web1 is the first) wrote 100 i pages, web5 is paused, nobody knows of web9, and web-user runs. The links are node1/lan, node1/san,
 * node2/lan with 4, 0 and 9 drops; move-b has not ended, nor has blip-2. */
static const struct {
    const char *text;
    enum truth truth;
    const char *actual;
} rows[] = {
    {"each(web?.pages-written) < 1000", TRUTH_UNKNOWN, "web9 unknown"},
    {"each(web?.pages-written) < 700", TRUTH_FALSE, "web8 800, and 1 more"},
    {"each(web?.pages-written < 800)", TRUTH_FALSE, "web8 800"},
    {"700 > each(web?.pages-written)", TRUTH_FALSE, "web8 800, and 1 more"},
    {"each(web1*.pages-written) >= 100", TRUTH_TRUE, "at least 100 (web1)"},
    {"each(web1*.pages-written) <= 1100", TRUTH_TRUE, "at most 1100 (web11)"},
    {"each(web1*.pages-written) > 100", TRUTH_FALSE, "web1 100"},
    {"any(web?.pages-written) > 1000", TRUTH_UNKNOWN, "web9 unknown"},
    {"any(web?.pages-written) > 700", TRUTH_TRUE, "web8 800"},
    {"any(web?.pages-written > 600)", TRUTH_TRUE, "web8 800, and 1 more"},
    {"any(web1*.pages-written > 1100)", TRUTH_FALSE, "at most 1100 (web11)"},
    {"any(web1*.pages-written < 100)", TRUTH_FALSE, "at least 100 (web1)"},
    {"any(web1*.pages-written == 5)", TRUTH_FALSE, "none of 3"},
    {"each(web1*.state == running)", TRUTH_TRUE, "all 3"},
    {"each(web*.state == running)", TRUTH_FALSE, "web5 paused"},
    {"each(web?.state) == running", TRUTH_FALSE, "web5 paused"},
    {"running == each(web?.state)", TRUTH_FALSE, "web5 paused"},
    {"any(web?.state == lost)", TRUTH_UNKNOWN, "web9 unknown"},
    {"not any(web?.state == paused)", TRUTH_FALSE, "web5 paused"},
    {"each(web?.state != lost)", TRUTH_UNKNOWN, "web9 unknown"},
    {"each(web?.state == running or web?.pages-written == 500)", TRUTH_UNKNOWN, "web9 unknown"},
    {"each(web1*.state == running and web1*.pages-written < 1100)", TRUTH_FALSE, "web11 1100"},
    {"count(web?.state == running) == 7", TRUTH_UNKNOWN, "7 to 8 of 9"},
    {"count(web?.state == running) >= 7", TRUTH_TRUE, "7 to 8 of 9"},
    {"count(web?.state == running) > 8", TRUTH_FALSE, "7 to 8 of 9"},
    {"count(web?.state == running) == 9", TRUTH_FALSE, "7 to 8 of 9"},
    {"count(web?.state == running) != 6", TRUTH_TRUE, "7 to 8 of 9"},
    {"count(web1*.pages-written > 500) == 2", TRUTH_TRUE, "2 of 3"},
    {"3 > count(web1*.pages-written > 500)", TRUTH_TRUE, "2 of 3"},
    {"count(web1*.pages-written > 500) / 3 > 66%", TRUTH_TRUE, "0.67"},
    {"count(web?.state == running) + 1 == 8", TRUTH_UNKNOWN, "unknown"},
    {"count(move-*.end) >= 1", TRUTH_TRUE, "1 to 2 of 2"},
    {"count(not move-*.end) == 0", TRUTH_UNKNOWN, "0 to 1 of 2"},
    {"max(web1*.pages-written) == 1100", TRUTH_TRUE, "1100 (web11)"},
    {"min(web1*.pages-written) == 1100", TRUTH_FALSE, "100 (web1)"},
    {"max(web?.pages-written) > 700", TRUTH_TRUE, "unknown for 1 of 9"},
    {"max(web?.pages-written) > 800", TRUTH_UNKNOWN, "unknown for 1 of 9"},
    {"max(web?.pages-written) <= 700", TRUTH_FALSE, "unknown for 1 of 9"},
    {"max(web?.pages-written) == 700", TRUTH_FALSE, "unknown for 1 of 9"},
    {"min(web?.pages-written) < 101", TRUTH_TRUE, "unknown for 1 of 9"},
    {"min(web?.pages-written) != 101", TRUTH_TRUE, "unknown for 1 of 9"},
    {"min(web?.pages-written) < 100", TRUTH_UNKNOWN, "unknown for 1 of 9"},
    {"max(web?.pages-written) > min(web1*.pages-written)", TRUTH_TRUE, "unknown for 1 of 9"},
    {"sum(web1*.pages-written) == 2200", TRUTH_TRUE, "2200"},
    {"sum(web?.pages-written) > 5", TRUTH_UNKNOWN, "unknown for 1 of 9"},
    {"avg(web1*.pages-written) == 2200 / 3", TRUTH_TRUE, "733"},
    {"avg(web1*.pages-written) > 733.3", TRUTH_TRUE, "733"},
    {"avg(move-*.downtime) == 345500us", TRUTH_TRUE, "346 ms"},
    {"max(move-*.downtime) - min(move-*.downtime) < 500ms", TRUTH_FALSE, "533 ms"},
    {"each(move-*.downtime) < 500ms", TRUTH_FALSE, "move-b 612 ms"},
    {"each(move-*.downtime < 500ms) or ping.lost == 8", TRUTH_TRUE, "move-b 612 ms"},
    {"each(move-*.end)", TRUTH_UNKNOWN, "move-b unknown"},
    {"any(move-*.end)", TRUTH_TRUE, "move-a at 7.00 s"},
    {"each(blip.hits) <= 3", TRUTH_TRUE, "at most 3 (blip-2)"},
    {"sum(blip.hits) == 8", TRUTH_TRUE, "8"},
    {"sum(blip-*.hits) == 8", TRUTH_TRUE, "8"},
    {"blip-1.hits == 2", TRUTH_TRUE, "2"},
    {"max(blip.end) - min(blip.start) < 9s", TRUTH_UNKNOWN, "unknown"},
    {"sum(node1/*.drops) == 4", TRUTH_TRUE, "4"},
    {"sum(node?/lan.drops) == 13", TRUTH_TRUE, "13"},
    {"each(web1*.pages-written < max(web1*.pages-written) + 1)", TRUTH_TRUE,
     "at most 1100 (web11)"},
    {"each(web1*.pages-written) < max(web1*.pages-written)", TRUTH_FALSE, "web11 1100"},
    {"each(web1*.pages-written <= ping.lost * 100)", TRUTH_FALSE, "web11 1100, and 1 more"},
    {"count(web1*.pages-written < avg(web1*.pages-written)) == 1", TRUTH_TRUE, "1 of 3"},
};

static void usual_facts(struct facts *facts)
{
    *facts = (struct facts){.questions = 0};
    for (int64_t i = 0; i < VMS; i++) {
        /* The order of VMs is that of their numbers, so web1 is VM 0. */
        facts->written[i] = i == 8 ? -1 : 100 * (i + 1);
        facts->state[i] = i == 4 ? "paused" : i == 8 ? NULL : "running";
    }
}

Test(quantifier, what_they_come_to_and_what_is_shown)
{
    struct scenario *scenario = helper_load(base);
    struct facts facts;
    usual_facts(&facts);
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        if (rows[i].actual == NULL) {
            continue; /* wrong: tests/language/bad has such */
        }
        struct expression *expression = checked(scenario, rows[i].text);
        struct expression_memory *memory = expression_memory_new(expression);
        enum truth truth = expression_evaluate(expression, answer, &facts);
        cr_expect_eq(truth, rows[i].truth, "%s is %s", rows[i].text, truth_word(truth));
        for (uint32_t again = 0; again < 2; again++) {
            truth = expression_evaluate_again(expression, memory, answer, &facts);
            cr_expect_eq(truth, rows[i].truth, "%s is %s again", rows[i].text, truth_word(truth));
        }
        char actual[80];
        expression_actual(expression, scenario, answer, &facts, actual, sizeof(actual));
        cr_expect_str_eq(actual, rows[i].actual, "%s: %s", rows[i].text, actual);
        expression_memory_free(memory);
    }
    scenario_free(scenario);
}

/* ---- against every way in which what is unknown may turn out ------------------------------------------------------------ */

#define FEW 3 /* web1, web10, web11 */
static const uint32_t few[FEW] = {0, 9, 10};

struct random_case {
    uint32_t function, comparison;
    int64_t limit, bound; /* of the condition inside count(), and behind */
};

static bool compares(uint32_t comparison, int64_t a, int64_t b)
{
    const bool results[] = {a == b, a != b, a<b, a <= b, a> b, a >= b};
    return results[comparison];
}

/* All three values known: what C makes of it. */
static bool plainly(const struct random_case *c, const int64_t *values)
{
    int64_t result = c->function == 3 ? INT64_MAX : c->function == 4 ? INT64_MIN : 0;
    bool all = true, some = false;
    for (uint32_t i = 0; i < FEW; i++) {
        bool holds = compares(c->comparison, values[i], c->bound);
        all = all && holds;
        some = some || holds;
        switch (c->function) {
        case 2:
            result += values[i] > c->limit;
            break;
        case 3:
            result = values[i] < result ? values[i] : result;
            break;
        case 4:
            result = values[i] > result ? values[i] : result;
            break;
        default:
            result += values[i];
            break;
        }
    }
    return c->function == 0   ? all
           : c->function == 1 ? some
                              : compares(c->comparison, result, c->bound);
}

/* True, or false, where it is so whatever the unknown values (-1) are; otherwise unknown. */
static enum truth supervalue(const struct random_case *c, int64_t *values, uint32_t from,
                             const int64_t *candidates, uint32_t count)
{
    while (from < FEW && values[from] >= 0) {
        from++;
    }
    if (from == FEW) {
        return plainly(c, values) ? TRUTH_TRUE : TRUTH_FALSE;
    }
    enum truth all = TRUTH_UNKNOWN;
    for (uint32_t i = 0; i < count; i++) {
        values[from] = candidates[i];
        enum truth one = supervalue(c, values, from + 1, candidates, count);
        all = i == 0 ? one : all == one ? all : TRUTH_UNKNOWN;
    }
    values[from] = -1;
    return all;
}

static void print_case(const struct random_case *c, char *text, size_t capacity)
{
    static const char *const compare[] = {"==", "!=", "<", "<=", ">", ">="};
    static const char *const names[] = {"each", "any", "count", "min", "max", "sum"};
    char inner[64] = "web1*.pages-written";
    if (c->function == 2) {
        snprintf(inner, sizeof(inner), "web1*.pages-written > %lld", (long long)c->limit);
    }
    snprintf(text, capacity, "%s(%s) %s %lld", names[c->function], inner, compare[c->comparison],
             (long long)c->bound);
}

Test(quantifier, known_where_it_cannot_turn_out_otherwise)
{
    struct scenario *scenario = helper_load(base);
    struct chance key = chance_key(11, "test.quantifier", "supervalue");
    uint64_t draw = 0;
    uint32_t of[3] = {0};
    for (uint32_t i = 0; i < 4000; i++) {
        struct random_case c;
        c.function = (uint32_t)chance_below(key, draw++, 6);
        c.comparison = (uint32_t)chance_below(key, draw++, 6);
        c.limit = (int64_t)chance_below(key, draw++, 6);
        c.bound = (int64_t)chance_below(key, draw++, 6);
        int64_t values[FEW];
        /* Of unknown values every one that could make a difference, and both far ends. */
        static const int64_t candidates[] = {0, 1, 2, 3, 4, 5, 6, 1000};
        struct facts facts;
        char text[96];
        usual_facts(&facts);
        for (uint32_t j = 0; j < FEW; j++) {
            values[j] = (int64_t)chance_below(key, draw++, 9) - 2;
            values[j] = values[j] < 0 ? -1 : values[j];
            facts.written[few[j]] = values[j];
        }
        print_case(&c, text, sizeof(text));
        struct expression *expression = checked(scenario, text);
        enum truth wanted = supervalue(&c, values, 0, candidates, 8);
        bool unknown = values[0] < 0 || values[1] < 0 || values[2] < 0;
        enum truth truth = expression_evaluate(expression, answer, &facts);
        of[truth]++;
        /* A value could be below 0 for all that min() knows, and sum() gives up. */
        bool cautious = unknown && (c.function == 3 || c.function == 5 ||
                                    (c.function < 2 && (c.bound == 0 || c.bound == 6)));
        cr_assert(truth == wanted || (cautious && truth == TRUTH_UNKNOWN),
                  "%s of %lld %lld %lld is %s instead of %s", text, (long long)values[0],
                  (long long)values[1], (long long)values[2], truth_word(truth),
                  truth_word(wanted));
    }
    cr_expect(of[0] > 500 && of[1] > 500 && of[2] > 300, "%u %u %u", of[0], of[1], of[2]);
    scenario_free(scenario);
}

/* ---- memory --------------------------------------------------------------------------------------------------------------- */

Test(quantifier, a_memory_makes_no_difference_but_in_questions)
{
    static const char *const texts[] = {
        "each(web*.state == running) or count(web?.pages-written > 3) == 4",
        "max(web1*.pages-written) - min(web1*.pages-written) < 5",
        "any(web1*.pages-written > 6 and web1*.state == paused)",
        "sum(web*.pages-written) > 44 and any(web*.pages-written >= ping.lost)",
        "count(web*.pages-written < avg(web*.pages-written)) > 5",
    };
    static const char *const states[] = {"running", "running", "running", "paused", NULL};
    struct scenario *scenario = helper_load(base);
    for (size_t t = 0; t < sizeof(texts) / sizeof(texts[0]); t++) {
        struct expression *expression = checked(scenario, texts[t]);
        struct expression_memory *memory = expression_memory_new(expression);
        struct chance key = chance_key(13, "test.quantifier", texts[t]);
        uint64_t draw = 0, with = 0, without = 0;
        uint32_t of[3] = {0};
        struct facts facts;
        usual_facts(&facts);
        cr_assert_not_null(memory, "%s", texts[t]);
        for (uint32_t step = 0; step < 600; step++) {
            uint32_t vm = (uint32_t)chance_below(key, draw++, VMS);
            facts.written[vm] = (int64_t)chance_below(key, draw++, 9) - (step % 50 == 0);
            facts.state[vm] = states[chance_below(key, draw++, step % 100 < 50 ? 3 : 5)];
            for (uint32_t q = 0; q < expression->quantifier_count; q++) {
                for (uint32_t i = 0; i < expression->quantifiers[q].part_count; i++) {
                    struct scenario_part part = expression->quantifiers[q].parts[i];
                    if (part.kind == SCENARIO_VM && part.index == vm) {
                        expression_memory_forget(memory, q, i);
                    }
                }
            }
            facts.questions = 0;
            enum truth plain = expression_evaluate(expression, answer, &facts);
            without += facts.questions;
            facts.questions = 0;
            enum truth remembered = expression_evaluate_again(expression, memory, answer, &facts);
            with += facts.questions;
            expression_memory_check(memory);
            of[plain]++;
            cr_assert_eq(plain, remembered, "%s, step %u: %s instead of %s", texts[t], step,
                         truth_word(remembered), truth_word(plain));
        }
        cr_expect_lt(with, without, "%s", texts[t]);
        cr_expect(of[TRUTH_TRUE] > 0 && of[TRUTH_FALSE] > 0, "%s: %u %u %u", texts[t], of[0], of[1],
                  of[2]);
        expression_memory_free(memory);
    }
    scenario_free(scenario);
}

/* ---- globs ---------------------------------------------------------------------------------------------------------------- */

/* What a glob means, said the short way. */
static bool matches(const char *glob, const char *name, char limit)
{
    if (*glob == '\0') {
        return *name == '\0';
    }
    if (*glob == '*') {
        return matches(glob + 1, name, limit) ||
               (*name != '\0' && *name != limit && matches(glob, name + 1, limit));
    }
    return *name != '\0' && (*glob == *name || (*glob == '?' && *name != limit)) &&
           matches(glob + 1, name + 1, limit);
}

Test(quantifier, globs_match_what_they_mean)
{
    static const char letters[] = "aab/*?*";
    struct chance key = chance_key(17, "test.quantifier", "glob");
    uint64_t draw = 0;
    uint32_t matched = 0;
    for (uint32_t i = 0; i < 20000; i++) {
        char glob[9] = "", name[9] = "";
        uint64_t glob_length = chance_below(key, draw++, 8);
        uint64_t name_length = chance_below(key, draw++, 8);
        for (uint64_t j = 0; j < glob_length; j++) {
            glob[j] = letters[chance_below(key, draw++, 7)];
        }
        for (uint64_t j = 0; j < name_length; j++) {
            name[j] = letters[chance_below(key, draw++, 4)];
        }
        cr_assert_eq(name_glob_matches(glob, name), matches(glob, name, '/'), "%s and %s", glob,
                     name);
        cr_assert_eq(text_glob_matches(glob, name), matches(glob, name, '\0'), "%s and %s", glob,
                     name);
        matched += matches(glob, name, '/');
    }
    cr_expect(matched > 500, "%u of 20000", matched);
}
