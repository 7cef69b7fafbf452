/* cli/test_print.h - what `orrery test` prints: a line for each item as it ends, failures last and in full; or TAP instead.
 *
 *     PASS     scenarios/live-migration.yaml            downtime 79.4 ms                   0.14 s
 *     FAIL     scenarios/drain.yaml [rate=1Gbit/s]      move.downtime < 1s: 1.43 s         0.31 s
 *
 * TAP is version 14 (https://testanything.org/tap-version-14-specification.html): a test point for each run, a YAML block below each that
 * did not pass, the plan at the end. */
#ifndef ORRERY_CLI_TEST_PRINT_H
#define ORRERY_CLI_TEST_PRINT_H

#include "cli/test_suite.h"

#include <stdio.h>

/* Failures that are printed whole; of more, the names. */
#define TEST_PRINT_WHOLE 40u

struct test_print {
    FILE *out;
    bool tap;
    bool color;
    bool progress; /* standard error is a terminal: a line that overwrites itself */
    bool shown;    /* there is such a line */
    int name_width;
    uint32_t points; /* of TAP, so far */
    double began;    /* wall time, seconds */
    double cpu_seconds;
};

/* Before the first item. */
void test_print_begin(struct test_print *print, const struct test_suite *suite);
/* For test_suite_options, with `context` the test_print. */
void test_print_item(void *context, struct test_suite *suite, uint32_t item);
void test_print_progress(void *context, struct test_suite *suite);
/* Failures and the sum, or the plan. `signal_number` 0 where it came to its end. */
void test_print_end(struct test_print *print, const struct test_suite *suite, int signal_number);

#endif
