/* cli/run_summary.h - one run made in a job, and what of it crosses to the parent.
 *
 *     in the child                          in the parent
 *     run_summary_make ── job's output ──►  run_summary_take
 *
 * The summary is bytes of this very program on this very machine, never a file: struct and texts as they stand in memory. */
#ifndef ORRERY_CLI_RUN_SUMMARY_H
#define ORRERY_CLI_RUN_SUMMARY_H

#include "testbed/run.h"

#define RUN_SUMMARY_TEXT_BYTES 512u

/* Frames of each link that a failing run's captures hold at most. */
#define RUN_SUMMARY_ARTIFACT_FRAMES 50000u

struct run_summary_options {
    struct run_options run; /* what is run and which of its outputs are written */
    const char
        *artifacts; /* folder, which is there, for recording, captures and reports; NULL: none */
    bool json;      /* hand the JSON document on */
    bool metrics;   /* hand its metrics on, in place of the document */
    /* Writes what else the parent wants to know of the result, which is its `extra`; may be NULL. */
    void (*add)(const struct run_result *result, void *context, FILE *out);
    void *context;
};

struct run_summary {
    int status; /* exit status of the run: command_status */
    enum run_verdict verdict;
    int64_t seed;
    uint64_t draws, events;
    sim_time simulated_ns;
    sim_time downtime_ns; /* the longest of its migrations; SIM_NEVER where none paused a VM */
    bool has_hash;        /* false: it ended before there was one */
    char hash[17];
    char failed_by[16];
    char message
        [RUN_SUMMARY_TEXT_BYTES]; /* what failed first, or is unknown, in words; "" where all held */
    size_t report_length, json_length, extra_length;
    /* Behind the struct, each zero-terminated; the report is there where not all held. Borrowed from the job's output. */
    const char *report, *json, *extra;
};

/* Runs it to its end and writes its summary; the exit status. Outputs that cannot be written, and files that cannot be read, are said on
 * standard error. */
int run_summary_make(const struct run_summary_options *options, FILE *out);
/* Writes a summary with its texts, which may be NULL where their length is 0. */
void run_summary_write(const struct run_summary *summary, FILE *out);
/* False where the job ended before it had written one. */
bool run_summary_take(const char *bytes, size_t length, struct run_summary *out);

#endif
