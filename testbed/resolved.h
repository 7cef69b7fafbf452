/* testbed/resolved.h - a scenario with everything in it that was left out.
 *
 *  V1. What is printed loads, and to an equal scenario (property test over all shipped scenarios).
 *  V2. Parts stand in their own order (S1), keys in that of the schema; ranges and aliases are gone, choices are decided.
 *  V3. A recording stores this text; `orrery run RECORDING` loads it again. */
#ifndef ORRERY_TESTBED_RESOLVED_H
#define ORRERY_TESTBED_RESOLVED_H

#include <stdio.h>

#include "testbed/scenario.h"

void resolved_print(const struct scenario *scenario, FILE *out);
/* The same in memory; the caller frees. `length` may be NULL. */
char *resolved_text(const struct scenario *scenario, size_t *length);

#endif
