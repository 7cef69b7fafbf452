/* testbed/expression.h - expectations and conditions: parsed, checked for units, evaluated with three truth values.
 *
 *     web.node == node2                     move.downtime < 500ms and not move.end > 20s
 *     move.bytes-sent / web.memory < 150%   ping.lost <= 3 or ping.longest-gap < 600ms
 *
 *     each(web*.downtime) < 500ms           count(web*.state == running) == 20 and max(move-*.total-time) < 1min
 *
 *     condition  = conjunction { "or" conjunction }
 *     conjunction= negation { "and" negation }
 *     negation   = "not" negation | comparison
 *     comparison = sum [ ("==" | "!=" | "<" | "<=" | ">" | ">=") sum ]
 *     sum        = product { ("+" | "-") product }
 *     product    = factor { ("*" | "/") factor }
 *     factor     = "(" condition ")" | "-" factor | constant | reference | word | quantifier "(" condition ")"
 *     quantifier = "each" | "any" | "count" | "min" | "max" | "sum" | "avg"
 *     constant   = a quantity: 500ms, 64MiB, 1Gbit/s, 1%, 10, 1.5
 *     reference  = part "." property;  part = a name, or NAME/NETWORK, with `*` and `?` a glob;  property = words joined by "."
 *     word       = a name: the state, step or node that a reference is compared with; true, false
 *
 * A name may hold `-` and a link `/`, so both operators stand between spaces, and so does `*`.
 *
 * Quantifiers run over the parts that one glob matches: `*` stands for any characters but `/`, `?` for one of them, and the name of an
 * item that fires several times for all its repetitions. Of the parts that match, those count that have all properties asked for.
 *
 *     each(C), any(C)         whether the condition C holds for all of them; for at least one. Where the argument is a value and a
 *                             comparison stands behind, that is compared: each(web*.downtime) < 500ms is each(web*.downtime < 500ms)
 *     count(C)                for how many of them C holds
 *     min(V) max(V) sum(V) avg(V)   of a quantity; min and max of instants too
 *
 *  E1. Each node knows where it stands in the text: an error points at it.
 *  E2. After expression_check every reference has its part, its property row and a type, and units agree: equal kinds are compared
 *      and added; a quantity is scaled by a count, factor or share; two of a kind divide to a share; words compare with words.
 *  E3. Evaluation is pure: it asks the resolver and keeps nothing. Unknown is contagious but for `false and unknown` = false and
 *      `true or unknown` = true (Kleene). A quotient by zero, and a result beyond int64_t, is unknown.
 *      each() is an `and` of all its parts and any() an `or`. An unknown part leaves count(), min() and max() a range: a comparison that
 *      comes out the same for every value in it is known, any other unknown. It makes sum() and avg() unknown.
 *  E4. Quotients and scaling round towards zero; comparisons of shares with counts are exact.
 *  E5. A quantifier has at least one part, in the order of name_compare; its references are not shared with any other. A memory
 *      (expression_memory) makes no difference but in time. */
#ifndef ORRERY_TESTBED_EXPRESSION_H
#define ORRERY_TESTBED_EXPRESSION_H

#include "testbed/arena.h"
#include "testbed/diagnostics.h"
#include "testbed/quantity.h"
#include "testbed/scenario.h"

#define EXPRESSION_NODES_MAX       512u
#define EXPRESSION_DEPTH_MAX       32u
#define EXPRESSION_BYTES_MAX       4096u
#define EXPRESSION_QUANTIFIERS_MAX 16u

enum expression_type {
    EXPRESSION_TRUTH,    /* conditions, true, false */
    EXPRESSION_QUANTITY, /* with a quantity_kind    */
    EXPRESSION_INSTANT,  /* run time, ns            */
    EXPRESSION_WORD,     /* a name                  */
};

enum expression_operator {
    EXPRESSION_OR,
    EXPRESSION_AND,
    EXPRESSION_NOT,
    EXPRESSION_EQUAL,
    EXPRESSION_UNEQUAL,
    EXPRESSION_LESS,
    EXPRESSION_LESS_OR_EQUAL,
    EXPRESSION_GREATER,
    EXPRESSION_GREATER_OR_EQUAL,
    EXPRESSION_ADD,
    EXPRESSION_SUBTRACT,
    EXPRESSION_MULTIPLY,
    EXPRESSION_DIVIDE,
    EXPRESSION_NEGATE,
    EXPRESSION_CONSTANT,
    EXPRESSION_NAME, /* a bare word */
    EXPRESSION_REFERENCE,
    EXPRESSION_EACH,
    EXPRESSION_ANY,
    EXPRESSION_COUNT,
    EXPRESSION_MIN,
    EXPRESSION_MAX,
    EXPRESSION_SUM,
    EXPRESSION_AVERAGE,
    EXPRESSION_OPERATORS
};

/* `part.property` */
struct expression_reference {
    const char *part_text, *property_text;
    struct scenario_part part; /* set by expression_check; of a glob, the first that it matches */
    const struct property_row *property; /* set by expression_check; likewise */
    uint32_t quantifier;                 /* the innermost that it stands in, or SIM_NONE */
    const struct property_row *const
        *rows; /* of a glob, for each part of its quantifier; else NULL */
};

/* The parts that a quantifier runs over. */
struct expression_quantifier {
    const char *glob;            /* as written */
    struct scenario_part *parts; /* set by expression_check */
    uint32_t part_count;
    bool local; /* what it says of a part changes only when that part does */
};

struct expression_node {
    enum expression_operator op;
    enum expression_type type; /* set by expression_check */
    enum quantity_kind unit;   /* of a quantity */
    uint32_t offset, length;   /* in the text: the operator, constant, word or reference */
    int64_t value;             /* of a constant; a truth is 0 or 1 */
    const char *word;          /* of a name */
    uint32_t reference;        /* index into expression.references */
    uint32_t quantifier;       /* index into expression.quantifiers, of each to average */
    struct expression_node *left, *right; /* `left` alone for not, negate and quantifiers */
};

struct expression {
    const char *text;
    struct source_place place; /* of the text's first character */
    bool one_line; /* columns of parts count from there; otherwise all errors point at `place` */
    struct expression_node *root;
    struct expression_reference
        *references; /* each part.property once within a quantifier, in order of appearance */
    uint32_t reference_count;
    struct expression_quantifier quantifiers[EXPRESSION_QUANTIFIERS_MAX];
    uint32_t quantifier_count;
};

/* Parses `text`. NULL after an error, which is in `diagnostics`. */
struct expression *expression_parse(struct arena *arena, struct diagnostics *diagnostics,
                                    const char *text, struct source_place place, bool one_line);

/* Resolves references in `scenario` and checks units (E2); the whole must be a condition. False after errors. */
bool expression_check(struct expression *expression, struct scenario *scenario,
                      struct diagnostics *diagnostics);

/* The same where the whole must be one reference: references[0] is then the property. */
bool expression_check_property(struct expression *expression, struct scenario *scenario,
                               struct diagnostics *diagnostics);

/* ---- evaluation ---------------------------------------------------------------------------------------------------- */

enum truth { TRUTH_FALSE, TRUTH_TRUE, TRUTH_UNKNOWN };

struct expression_value {
    bool known;
    int64_t number;   /* quantity, instant, or truth as 0 and 1 */
    const char *word; /* of words and nodes; borrowed until the evaluation ends */
};

/* The present value of a reference; `known` false where it has none yet. */
typedef struct expression_value expression_resolver(void *context,
                                                    const struct expression_reference *reference);

/* The truth of a checked expression now. */
enum truth expression_evaluate(const struct expression *expression, expression_resolver *resolver,
                               void *context);

/* ---- memory: for expressions that are evaluated again and again ----------------------------------------------------------- */

struct expression_memory;

/* What quantifiers said of each of their parts, all of it out of date. NULL where the expression has no quantifier that gains by it.
 * The expression is borrowed. */
struct expression_memory *expression_memory_new(const struct expression *expression);
void expression_memory_free(struct expression_memory *memory);
/* Part `index` of a quantifier has changed. */
void expression_memory_forget(struct expression_memory *memory, uint32_t quantifier,
                              uint32_t index);
/* Asserts that its sums are those of its parts. */
void expression_memory_check(const struct expression_memory *memory);
/* As expression_evaluate; asks the resolver only for parts that were forgotten, and for what is in no memory. `memory` may be NULL. */
enum truth expression_evaluate_again(const struct expression *expression,
                                     struct expression_memory *memory,
                                     expression_resolver *resolver, void *context);

/* What the expression compares, for "actual" in reports: the value of the left side of its (first false, otherwise first)
 * comparison, printed with its unit, or "unknown". Of each() and any() the part that decides, the worst first: "web7 612 ms, and 2
 * more"; of count() "18 of 20". `scenario` names the parts. Returns `out`. */
const char *expression_actual(const struct expression *expression, const struct scenario *scenario,
                              expression_resolver *resolver, void *context, char *out,
                              size_t capacity);

enum truth truth_not(enum truth a);
enum truth truth_and(enum truth a, enum truth b);
enum truth truth_or(enum truth a, enum truth b);
const char *truth_word(enum truth truth); /* "false", "true", "unknown" */

#endif
