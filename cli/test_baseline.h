/* cli/test_baseline.h - metrics of an earlier `orrery test`, kept in a file, and what has moved since.
 *
 *     {"schema": 1, "orrery": "0.1.0", "baseline": {"scenarios/a.yaml": {"run_hash": "...", "metrics": {"move.downtime_ns": 79400000}}}}
 *
 * Keys are sorted and no clock is read, so that the file can be kept under version control and a change of it reviewed. It holds the runs
 * that came to their end. Nothing fails because a metric moved: expectations say what may not. */
#ifndef ORRERY_CLI_TEST_BASELINE_H
#define ORRERY_CLI_TEST_BASELINE_H

#include "cli/test_suite.h"

struct test_baseline;

/* NULL, with the reason on standard error, where it cannot be read or is no baseline. */
struct test_baseline *test_baseline_read(const char *path);
void test_baseline_free(struct test_baseline *baseline);
/* Compares; once, after the runs. */
void test_baseline_compare(struct test_baseline *baseline, const struct test_suite *suite);
/* What moved, for people. */
void test_baseline_print(const struct test_baseline *baseline, FILE *out);
/* The same as a JSON array; borrowed. */
json_t *test_baseline_moved(const struct test_baseline *baseline);
/* Writes the suite's metrics as a baseline. False, with the reason on standard error, where that failed. */
bool test_baseline_write(const struct test_suite *suite, const char *path);
/* Closes what was written to `path`; false, with the reason on standard error, where that or an earlier write failed, or it is NULL. */
bool test_baseline_close(FILE *out, const char *path);

#endif
