/* testbed/expression_place.h - what the modules that make up expressions share: where a piece of one stands in its source, which parts its
 * quantifiers run over, and how a node comes to its value. For those modules alone. */
#ifndef ORRERY_TESTBED_EXPRESSION_PLACE_H
#define ORRERY_TESTBED_EXPRESSION_PLACE_H

#include "testbed/expression.h"

__extension__ typedef __int128 expression_wide;

/* `offset` and `length` count bytes of the expression's text. */
struct source_place expression_place(const struct expression *expression, uint32_t offset,
                                     uint32_t length);

bool expression_is_glob(const char *text);
bool expression_is_quantifier(const struct expression_node *node);
bool expression_is_comparison(const struct expression_node *node);

/* Finds the parts of all quantifiers and the rows of their references. False after errors, which do not include properties that no
 * part has: expression_check says those. */
bool expression_bind(struct expression *expression, const struct scenario *scenario,
                     struct arena *arena, struct diagnostics *diagnostics);

/* ---- values ---------------------------------------------------------------------------------------------------------- */

struct expression_evaluation {
    const struct expression *expression;
    struct expression_memory *memory; /* or NULL */
    expression_resolver *resolver;
    void *context;
    uint32_t part[EXPRESSION_QUANTIFIERS_MAX]; /* that each open quantifier is at */
};

/* All values that a number may have; one where both ends are known and equal. */
struct expression_range {
    bool low_known, high_known;
    expression_wide low, high;
};

/* What a quantifier found, part by part. */
struct expression_tally {
    uint32_t truths[3]; /* by enum truth, of each(), any(), count() */
    uint32_t known;     /* values, of the others */
    int64_t min, max;
    uint32_t min_at, max_at; /* the first part that has it */
    expression_wide sum;
};

enum truth expression_truth(struct expression_evaluation *evaluation,
                            const struct expression_node *node);
struct expression_value expression_value(struct expression_evaluation *evaluation,
                                         const struct expression_node *node);
struct expression_range expression_range(struct expression_evaluation *evaluation,
                                         const struct expression_node *node);
void expression_tally(struct expression_evaluation *evaluation, const struct expression_node *node,
                      struct expression_tally *out);

#endif
