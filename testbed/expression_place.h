/* testbed/expression_place.h - where a piece of an expression stands in its source: for the modules that make up expressions. */
#ifndef ORRERY_TESTBED_EXPRESSION_PLACE_H
#define ORRERY_TESTBED_EXPRESSION_PLACE_H

#include "testbed/expression.h"

/* `offset` and `length` count bytes of the expression's text. */
struct source_place expression_place(const struct expression *expression, uint32_t offset,
                                     uint32_t length);

#endif
