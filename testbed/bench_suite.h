/* testbed/bench_suite.h - what `orrery test` costs beside the runs themselves: one scenario, 200 times, in a folder made for it.
 *
 *  U1. Processors are those that this process may use. What of them the command and its runs did not use in the time that it took is
 *      idle; what it used beyond its runs is overhead, and so is what it left idle.
 *  U2. The folder is made where temporary files are, and is gone afterwards. */
#ifndef ORRERY_TESTBED_BENCH_SUITE_H
#define ORRERY_TESTBED_BENCH_SUITE_H

#include "sim/types.h"

#define BENCH_SUITE_RUNS 200u

struct bench_suite_result {
    double cpu_s;            /* of the command and all its runs */
    double busy_percent;     /* of the processors, while it ran */
    double each_ms;          /* overhead of each run: U1 */
    uint64_t run_hash;       /* of all runs together */
    uint64_t peak_rss_bytes; /* of the command, without its runs */
    int status;              /* exit status as of `orrery test` */
    char why[256];           /* where it is not 0 */
};

/* Measures once; blocks. `scenario` is the file that is run so often, each copy with a seed of its own. */
void bench_suite_measure(const char *program, const char *scenario,
                         struct bench_suite_result *result);

#endif
