/* testbed/sweep.h - a whole sweep: the run without the fault, and at each of its points a run that has it there.
 *
 *     run ──point 1──┬──point 2──┬──point 3── ... ──► end: the run without the fault
 *                    │           │
 *                  fork        fork: a copy of the process in which the fault strikes, and which goes on to its own end
 *
 * One process runs the scenario without the fault and stands still at each point. What is in memory then is what a run of its own would
 * have come to, so a copy of the process (copy-on-write) goes on with the fault, is judged, and hands its outcome back. A point costs the rest
 * of its run and a fork, not a run from the start.
 *
 *  W1. The run at point n has the run hash of the scenario with `sweep.point: n`: testbed/sweep_point.h, P2 (test: tests/sweep).
 *  W2. One copy lives at a time. Several shares of a sweep may go on in processes of their own: share s of n takes the points p with
 *      p mod n = s, and each outcome is of one share alone.
 *  W3. A copy that ends without an outcome (an assertion, a sanitizer) is a defect of that point; the others go on. */
#ifndef ORRERY_TESTBED_SWEEP_H
#define ORRERY_TESTBED_SWEEP_H

#include "testbed/run.h"

#define SWEEP_WHAT_BYTES   96u
#define SWEEP_FAILED_BYTES 192u
#define SWEEP_ACTUAL_BYTES 160u

/* Plain bytes, so that it goes through pipes. */
struct sweep_outcome {
    uint64_t point; /* 0: the run without the fault */
    int32_t
        status; /* exit status of the run (DESIGN section 5); 3 where it ended without an outcome */
    char what[SWEEP_WHAT_BYTES]; /* that was struck: "pre-copy: data" */
    char failed
        [SWEEP_FAILED_BYTES]; /* the first oracle that failed, else the first expectation that failed or is unknown; or "" */
    char actual[SWEEP_ACTUAL_BYTES]; /* what was found instead */
    char hash[17];
    sim_time simulated_ns;
    uint64_t draws, events; /* as in run_result */
};

struct sweep_options {
    const struct run_options *run; /* no outputs; the scenario sweeps, and chooses no point */
    uint32_t share, shares;        /* W2: 0, 1 for all points */
    /* Called in the order of the points, with that of point 0 (of share 0) last. */
    void (*outcome)(void *context, const struct sweep_outcome *outcome);
    void *context;
};

/* Runs a share. False and a message where an input cannot be read or there are no processes left. The number of points goes to *points.
 * Blocks, and forks: call it with no other threads. */
SIM_CHECKED bool sweep_run(const struct sweep_options *options, uint64_t *points, char *why,
                           size_t why_capacity);
/* The outcome of a finished run. */
void sweep_outcome_of(const struct run_result *result, struct sweep_outcome *out);

#endif
