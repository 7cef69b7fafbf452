/* testbed/report.h - a run in words, and as JSON: from what judge and oracles made of its records.
 *
 * First what happened, to whom, in words; then the rounds of each migration with the pause there would have been; then why; what
 * was expected; and one command that repeats it. */
#ifndef ORRERY_TESTBED_REPORT_H
#define ORRERY_TESTBED_REPORT_H

#include "testbed/judge.h"
#include "testbed/oracles.h"

#include <stdio.h>

enum run_verdict { RUN_PASS, RUN_FAIL, RUN_UNKNOWN };

struct run_result {
    const struct scenario *scenario;
    const struct judge *judge;
    const struct oracles *oracles;
    enum run_verdict verdict;
    const char *failed_by; /* "", "expectation", "oracle" */
    const char *ended;     /* why the run ended, in words */
    bool interrupted;      /* by a signal */
    const char *repeat;    /* the command */
    bool formula;          /* rounds are printed beside V (D/R)^i too */
    uint64_t run_hash;
    char hash_text[17];
    sim_time simulated_ns;
    uint64_t events;
    uint64_t
        draws; /* of chance, as sim/chance.h counts them; 0: another seed decides nothing else */
    const char *version;
};

/* Sets verdict and failed_by from judge and oracles. */
void run_result_decide(struct run_result *result);
/* The exit status of DESIGN section 5: 0, 1, 4 or 5. */
int run_result_exit_status(const struct run_result *result);
/* The report for people. `color` for terminals. False where writing failed. */
bool report_print(FILE *out, const struct run_result *result, bool color);
/* The JSON document of docs/formats.md (schema 1). False where writing failed. */
bool report_json(FILE *out, const struct run_result *result);
/* Its `metrics` alone, in one line: for those who have many runs. */
bool report_metrics_json(FILE *out, const struct run_result *result);

#endif
