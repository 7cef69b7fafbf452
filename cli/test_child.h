/* cli/test_child.h - what the jobs of `orrery test` do: read a scenario, and run it. */
#ifndef ORRERY_CLI_TEST_CHILD_H
#define ORRERY_CLI_TEST_CHILD_H

#include "cli/test_suite.h"

/* Exit status of a job whose file, found in a folder, is no scenario: a profile that others extend, or no business of ours. */
#define TEST_CHILD_SKIPPED 77

struct test_child_options {
    const struct test_item *item;
    int64_t seed;
    bool has_seed;
    const char *artifacts; /* folder, or NULL */
    bool metrics;          /* hand them on */
};

/* Loads and runs the item, and writes a run_summary; the job's exit status. What is wrong is said on standard error. */
int test_child_run(const struct test_child_options *options, FILE *out);
/* Writes how many cells the file has. */
int test_child_count_cells(const char *path, FILE *out);

#endif
