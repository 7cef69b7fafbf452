/* cli/jobs.h - many pieces of work, each in a process of its own, several at a time.
 *
 * A job is a function called in a child made by fork: it inherits what the parent has loaded, writes its result to a stream, and its
 * exit status is the job's. What it breaks is its own: a crash, a defect or a sanitizer's report ends one job. The parent takes results
 * as they come and hands them on in the order of the jobs, so that what is printed does not depend on which was first.
 *
 *  J1. At most `parallel` children live at once; a new one begins as soon as one ends.
 *  J2. `done` is called once for each job that was begun, in the order of their numbers, in the parent.
 *  J3. After SIGINT or SIGTERM no job begins, children are told, and jobs_run returns when they have ended. Those that were under way
 *      have no `done`. A job may call jobs_run itself.
 *  J4. A child whose parent is gone is ended by the kernel: none outlives the command. */
#ifndef ORRERY_CLI_JOBS_H
#define ORRERY_CLI_JOBS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

struct job_end {
    int status;         /* exit status; 128 + number where a signal ended it */
    bool timed_out;     /* it was ended at the limit on wall time */
    const char *output; /* what it wrote to `out`, zero-terminated; borrowed for the call */
    size_t length;
    const char *said;    /* what it wrote to standard error, its first MiB; borrowed */
    double cpu_seconds;  /* of the child, user and system */
    double wall_seconds; /* from its beginning to its end */
};

struct jobs_options {
    uint32_t count;
    uint32_t parallel; /* 0: as many as processors are there */
    double wall_limit; /* seconds for each job; 0: none */
    /* In the child: does job `index`, writes its result to `out`, returns its exit status. */
    int (*work)(void *context, uint32_t index, FILE *out);
    /* In the parent. False: begin no more jobs. */
    bool (*done)(void *context, uint32_t index, const struct job_end *end);
    void *context;
    /* How many jobs there are by now, for work that grows: `done` may have raised it. NULL: `count`. */
    const uint32_t *count_now;
    /* Told how many jobs have begun; the meaning of those behind may still be changed by `done`. May be NULL. */
    uint32_t *begun;
};

/* Does all jobs; the number of a signal that stopped it, or 0. Blocks. The program's other processes and descriptors stay as they are,
 * and so do its handlers of signals. Exits with COMMAND_DEFECT where the system has no process or pipe left even for one job. */
int jobs_run(const struct jobs_options *options);
/* How many processors this process may use. */
uint32_t jobs_processors(void);

#endif
