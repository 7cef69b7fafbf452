/* testbed/bench.h - what `orrery bench` measures: rows of speed and memory, each with what it should reach.
 *
 *   queue-*    the hold model through the kernel's own calls (testbed/bench_queue.h); value: events a second
 *   startup    the program itself, started on scenarios/bench/startup.yaml; value: CPU milliseconds
 *   test-*     `orrery test` on scenarios/bench/test-200.yaml, 200 times (testbed/bench_suite.h); value: how busy the processors were, or
 *              milliseconds of overhead for each run
 *   others     scenarios/bench/NAME.yaml, run as `orrery run` runs it, with hash and oracles; value: CPU seconds, or peak memory
 *
 *  B1. Each measurement is a process of its own: its CPU time (user and system) and its peak memory are what the system says of it.
 *  B2. The figures of a row are medians of the wanted number of measurements; its hash must be the same in all of them.
 *  B3. Times are the only thing here that a clock decides, and nothing that is simulated reads them. */
#ifndef ORRERY_TESTBED_BENCH_H
#define ORRERY_TESTBED_BENCH_H

#include "sim/types.h"

enum bench_unit {
    BENCH_EVENTS_A_SECOND,
    BENCH_CPU_SECONDS,
    BENCH_CPU_MILLISECONDS,
    BENCH_MIB,
    BENCH_BUSY_PERCENT,
    BENCH_OVERHEAD_MILLISECONDS,
};

struct bench_row {
    const char *name;
    const char *meaning;
    enum bench_unit unit; /* of the value */
    double
        reach; /* what the value should come to: at least for events a second and percents, at most for all others */
    const char *distribution; /* of queue-*; NULL for all others */
    uint32_t pending;
};

struct bench_options {
    const char *program; /* this program's file; for startup */
    const char *folder;  /* where the scenarios of the rows are */
    const char *version;
    uint32_t runs; /* 1 or more */
};

struct bench_result {
    double cpu_s;
    double value;
    uint64_t peak_rss_bytes;
    uint64_t run_hash;
    sim_time simulated_ns;
    int status;    /* exit status as of `orrery run`: 0 where all held */
    char why[256]; /* where it is not 0 */
};

const struct bench_row *bench_rows(uint32_t *count);
/* By name, or NULL. */
const struct bench_row *bench_row_find(const char *name);
const char *bench_unit_name(enum bench_unit unit);
bool bench_reached(const struct bench_row *row, double value);

/* Measures; blocks until all is done. Diagnostics of a scenario go to standard error. */
void bench_measure(const struct bench_row *row, const struct bench_options *options,
                   struct bench_result *result);

#endif
