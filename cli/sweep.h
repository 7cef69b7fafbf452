/* cli/sweep.h - what `orrery run` does with a scenario that sweeps: all its runs, and one table of what came of them. */
#ifndef ORRERY_CLI_SWEEP_H
#define ORRERY_CLI_SWEEP_H

#include "testbed/run.h"

struct sweep_command {
    const struct run_options *run;
    const char *
        repeat; /* the command that repeats the sweep; that of a point has ` --point N` behind it */
    const char *json; /* a file, "-" for standard output in place of the table, or NULL */
    bool quiet;
    uint32_t jobs; /* 0: as many as processors are there */
};

/* Runs all points and prints the table; returns the exit status, the strongest of all runs'. */
int sweep_command_run(const struct sweep_command *command);
/* The same in a job (cli/jobs.h) that has no workers of its own: all points in this process, and a run_summary of them instead of the
 * table, which is its report. `artifacts`: a folder for the table and its JSON, or NULL. The exit status. */
int sweep_command_summarize(const struct sweep_command *command, const char *artifacts, FILE *out);
/* Whether a run of this scenario is a whole sweep. */
bool sweep_command_wanted(const struct scenario *scenario);
/* What a sweep would do, in one line, for `orrery check`: the points are not counted, for that takes the run. */
void sweep_command_describe(const struct scenario *scenario, FILE *out);

#endif
