/* testbed/diff_print.h - a comparison of two runs in words. */
#ifndef ORRERY_TESTBED_DIFF_PRINT_H
#define ORRERY_TESTBED_DIFF_PRINT_H

#include "testbed/diff.h"

#include <stdio.h>

/* Before anything runs: which is A and which is B, and in what they differ by themselves - seed, values of the scenario, time limit,
 * files they read. */
void diff_print_inputs(FILE *out, const struct run_input inputs[DIFF_SIDES]);
/* What was found: both runs, then the first difference from both sides. */
void diff_print(FILE *out, const struct run_input inputs[DIFF_SIDES],
                const struct diff_result *result);

#endif
