/* cli/test_suite.h - what `orrery test` runs: items, each a scenario or a cell of one, and their runs, one for each seed.
 *
 *     files ──► items ──► jobs: the first run of each item ──► its further seeds, if the first drew any chance
 *                                                      └────► the repeat, with artifacts, of each run that did not pass
 *
 *  T1. A file is read in a job of its own, so that no input can stop the others. Only files that have several cells are read here, for
 *      their cells are items.
 *  T2. Items are in the order of their files and cells, and item_done is called once for each, in this order, when its runs and repeats
 *      are all there. Further seeds and repeats are the next jobs that begin, so that nothing waits long for its turn.
 *  T3. Units (an item with a seed) are dealt out to shards in turn: shards are disjoint, and together they are all.
 *  T4. A run that did not pass is made again with recording, captures and reports where artifacts are wanted; another hash, or another
 *      exit status, makes it a defect (COMMAND_DEFECT). */
#ifndef ORRERY_CLI_TEST_SUITE_H
#define ORRERY_CLI_TEST_SUITE_H

#include "cli/run_summary.h"
#include "cli/scenario_files.h"
#include "testbed/cells.h"

#include <jansson.h>

enum test_outcome {
    TEST_PASSED,
    TEST_FAILED,  /* an expectation or an oracle */
    TEST_UNKNOWN, /* nothing to judge, or the limit on wall time */
    TEST_ERROR,   /* wrong input */
    TEST_DEFECT,  /* of Orrery */
    TEST_SKIPPED, /* a file in a folder that is no scenario of its own */
};
/* "PASS", "FAIL", ... */
const char *test_outcome_word(enum test_outcome outcome);

struct test_run {
    uint32_t item;
    int64_t seed;
    bool has_seed; /* asked for; else the scenario's own */
    bool done;
    int status; /* command_status */
    enum test_outcome outcome;
    bool has_hash;
    char hash[17];
    char failed_by[16]; /* "expectation", "oracle", or "" */
    uint64_t draws, events;
    sim_time simulated_ns, downtime_ns;
    double cpu_seconds, wall_seconds;
    char *message; /* what was wrong, in one line; NULL where it passed */
    char *report;  /* whole, of one that did not pass; NULL where there is none */
    char *said;    /* on standard error; NULL for nothing */
    char *
        metrics; /* as JSON; NULL where they were not asked for, or the run did not come to its end */
    char *artifacts; /* folder; NULL */
};

struct test_item {
    const char *file;
    bool walked, may_vary;
    struct scenario_cells *cells; /* NULL: the file has one cell; shared by the items of the file */
    uint32_t cell;
    char *name;         /* "FILE", "FILE [rate=1Gbit/s]" */
    uint32_t unit;      /* number of its first unit (T3) */
    uint32_t first_run; /* its runs are a list, in the order of seeds */
    uint32_t run_count;
    uint64_t seeds_skipped; /* of this shard: the first drew nothing */
    uint32_t pending;       /* jobs that are still to end */
};

struct test_suite;

struct test_suite_options {
    const struct scenario_files *files;
    const char *filter;          /* glob that names must match, or NULL */
    uint32_t shard, shard_count; /* 0-based; 1 where all is one shard */
    bool has_seeds;
    int64_t seed_first, seed_last;
    uint32_t parallel;
    double wall_limit;
    const char *artifacts; /* folder, which is there; NULL: none */
    bool metrics;          /* keep each run's */
    void (*item_done)(void *context, struct test_suite *suite, uint32_t item);
    void (*run_done)(void *context, struct test_suite *suite); /* for progress */
    void *context;
};

struct test_suite {
    struct test_suite_options options;
    struct test_item *items;
    uint32_t item_count, item_capacity;
    struct test_run *runs;
    uint32_t run_count, run_capacity;
    uint32_t *next_run; /* of the same item, by run */
    struct test_job *jobs;
    uint32_t job_count, job_capacity;
    uint32_t jobs_begun;
    uint32_t jobs_added; /* behind the last, and not yet in their place: T2 */
    uint32_t items_reported;
    uint32_t runs_done;
    uint32_t runs_bad;     /* of these, neither passed nor skipped */
    uint32_t filtered;     /* names that the filter left out */
    uint32_t other_shards; /* units of other shards */
    struct scenario_cells **cells;
    uint32_t cells_count;
};

/* Finds the items. The number of a signal that stopped it, or 0. Blocks. */
int test_suite_plan(struct test_suite *suite, const struct test_suite_options *options);
/* Runs them. The same. Blocks. */
int test_suite_run(struct test_suite *suite);
void test_suite_free(struct test_suite *suite);

/* SIM_NONE at the end. */
uint32_t test_suite_first(const struct test_suite *suite, uint32_t item);
uint32_t test_suite_next(const struct test_suite *suite, uint32_t run);
/* The metrics of a run as an object, empty where there are none; a new reference. */
json_t *test_suite_metrics(const struct test_suite *suite, uint32_t run);
/* "FILE [CELL] seed N"; the caller frees it. */
char *test_suite_run_name(const struct test_suite *suite, uint32_t run);
/* The command that repeats a run; the caller frees it. */
char *test_suite_repeat(const struct test_suite *suite, uint32_t run);
/* The strongest exit status of all runs that are done: DESIGN section 5. */
int test_suite_status(const struct test_suite *suite);

#endif
