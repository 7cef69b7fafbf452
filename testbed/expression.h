/* testbed/expression.h - expectations and conditions: parsed, checked for units, evaluated with three truth values.
 *
 *     web.node == node2                     move.downtime < 500ms and not move.end > 20s
 *     move.bytes-sent / web.memory < 150%   ping.lost <= 3 or ping.longest-gap < 600ms
 *
 *     condition  = conjunction { "or" conjunction }
 *     conjunction= negation { "and" negation }
 *     negation   = "not" negation | comparison
 *     comparison = sum [ ("==" | "!=" | "<" | "<=" | ">" | ">=") sum ]
 *     sum        = product { ("+" | "-") product }
 *     product    = factor { ("*" | "/") factor }
 *     factor     = "(" condition ")" | "-" factor | constant | reference | word
 *     constant   = a quantity: 500ms, 64MiB, 1Gbit/s, 1%, 10, 1.5
 *     reference  = part "." property;  part = a name, or NAME/NETWORK;  property = words joined by "."
 *     word       = a name: the state, step or node that a reference is compared with; true, false
 *
 * A name may hold `-` and a link `/`, so both operators stand between spaces. Globs (`web*`) and each() count() min() max()
 * sum() are recognised and refused: a later version brings them.
 *
 *  E1. Each node knows where it stands in the text: an error points at it.
 *  E2. After expression_check every reference has its part, its property row and a type, and units agree: equal kinds are compared
 *      and added; a quantity is scaled by a count, factor or share; two of a kind divide to a share; words compare with words.
 *  E3. Evaluation is pure: it asks the resolver and keeps nothing. Unknown is contagious but for `false and unknown` = false and
 *      `true or unknown` = true (Kleene). A quotient by zero, and a result beyond int64_t, is unknown.
 *  E4. Quotients and scaling round towards zero; comparisons of shares with counts are exact. */
#ifndef ORRERY_TESTBED_EXPRESSION_H
#define ORRERY_TESTBED_EXPRESSION_H

#include "testbed/arena.h"
#include "testbed/diagnostics.h"
#include "testbed/quantity.h"
#include "testbed/scenario.h"

#define EXPRESSION_NODES_MAX 512u
#define EXPRESSION_DEPTH_MAX 32u
#define EXPRESSION_BYTES_MAX 4096u

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
    EXPRESSION_OPERATORS
};

/* `part.property` */
struct expression_reference {
    const char *part_text, *property_text;
    struct scenario_part part;           /* set by expression_check */
    const struct property_row *property; /* set by expression_check */
};

struct expression_node {
    enum expression_operator op;
    enum expression_type type; /* set by expression_check */
    enum quantity_kind unit;   /* of a quantity */
    uint32_t offset, length;   /* in the text: the operator, constant, word or reference */
    int64_t value;             /* of a constant; a truth is 0 or 1 */
    const char *word;          /* of a name */
    uint32_t reference;        /* index into expression.references */
    struct expression_node *left, *right; /* `left` alone for not and negate */
};

struct expression {
    const char *text;
    struct source_place place; /* of the text's first character */
    bool one_line; /* columns of parts count from there; otherwise all errors point at `place` */
    struct expression_node *root;
    struct expression_reference *references; /* each part.property once, in order of appearance */
    uint32_t reference_count;
};

/* Parses `text`. NULL after an error, which is in `diagnostics`. */
struct expression *expression_parse(struct arena *arena, struct diagnostics *diagnostics,
                                    const char *text, struct source_place place, bool one_line);

/* Resolves references in `scenario` and checks units (E2); the whole must be a condition. False after errors. */
bool expression_check(struct expression *expression, const struct scenario *scenario,
                      struct diagnostics *diagnostics);

/* The same where the whole must be one reference: references[0] is then the property. */
bool expression_check_property(struct expression *expression, const struct scenario *scenario,
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

/* What the expression compares, for "actual" in reports: the value of the left side of its (first false, otherwise first)
 * comparison, printed with its unit, or "unknown". Returns `out`. */
const char *expression_actual(const struct expression *expression, expression_resolver *resolver,
                              void *context, char *out, size_t capacity);

enum truth truth_not(enum truth a);
enum truth truth_and(enum truth a, enum truth b);
enum truth truth_or(enum truth a, enum truth b);
const char *truth_word(enum truth truth); /* "false", "true", "unknown" */

#endif
