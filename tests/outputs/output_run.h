/* tests/outputs/output_run.h - a golden scenario, run with outputs into a directory that goes away. */
#ifndef ORRERY_TESTS_OUTPUTS_OUTPUT_RUN_H
#define ORRERY_TESTS_OUTPUTS_OUTPUT_RUN_H

#include "testbed/run.h"

#include <limits.h>

struct output_run {
    char directory[64];
    char recording[PATH_MAX]; /* in it; made where options.record is asked for */
    char captures[PATH_MAX];
    uint64_t run_hash;
    uint64_t records; /* ids given */
};

/* What is asked for; paths are chosen by output_run. */
struct output_run_options {
    const char *scenario; /* "small-migration": tests/golden/small-migration.yaml */
    bool record;
    const char *pages;
    bool frames;
    bool pcap;
    uint64_t first, last; /* ids; 0, 0: all */
    struct pcap_options limits;
    const char *version; /* NULL: "test" */
};

/* Runs to the end; every output is closed. */
void output_run(struct output_run *run, const struct output_run_options *options);
/* Takes the directory away. */
void output_run_close(struct output_run *run);
/* The file that a run left, and its length; the caller frees it. */
void *output_run_read(const char *path, size_t *length);

#endif
