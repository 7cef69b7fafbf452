#include "testbed/sweep.h"

#include "sim/assert.h"
#include "testbed/expression.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#define STATUS_DEFECT 3

struct sweep {
    const struct sweep_options *options;
    struct run *run;
    uint64_t points;
    bool copy; /* this process is one */
    int pipe;  /* of a copy: where its outcome goes */
    struct sweep_outcome mine;
    char why[128]; /* "" while all is well */
};

/* ---- outcomes ---------------------------------------------------------------------------------------------------------------- */

static bool name_oracle(const struct run_result *result, struct sweep_outcome *out)
{
    for (uint32_t i = 0; i < ORACLES; i++) {
        struct oracle_verdict verdict;
        oracles_verdict(result->oracles, (enum oracle)i, &verdict);
        if (verdict.held == TRUTH_FALSE) {
            snprintf(out->failed, sizeof out->failed, "oracle %s", verdict.name);
            snprintf(out->actual, sizeof out->actual, "%s", verdict.what);
            return true;
        }
    }
    return false;
}

static bool name_expectation(const struct run_result *result, enum truth held,
                             struct sweep_outcome *out)
{
    for (uint32_t i = 0; i < result->scenario->expect_count; i++) {
        struct judge_expectation expectation;
        judge_expectation(result->judge, i, &expectation);
        if (expectation.held == held) {
            snprintf(out->failed, sizeof out->failed, "%s", result->scenario->expect[i].text);
            snprintf(out->actual, sizeof out->actual, "%s", expectation.actual);
            return true;
        }
    }
    return false;
}

void sweep_outcome_of(const struct run_result *result, struct sweep_outcome *out)
{
    out->status = run_result_exit_status(result);
    out->simulated_ns = result->simulated_ns;
    out->draws = result->draws;
    out->events = result->events;
    memcpy(out->hash, result->hash_text, sizeof out->hash);
    if (!name_oracle(result, out) && !name_expectation(result, TRUTH_FALSE, out)) {
        (void)name_expectation(result, TRUTH_UNKNOWN, out);
    }
}

/* ---- copies -------------------------------------------------------------------------------------------------------------------- */

static bool write_outcome(int fd, const struct sweep_outcome *outcome)
{
    return write(fd, outcome, sizeof *outcome) == (ssize_t)sizeof *outcome;
}

static bool read_outcome(int fd, struct sweep_outcome *outcome)
{
    size_t got = 0;
    while (got < sizeof *outcome) {
        ssize_t bytes = read(fd, (char *)outcome + got, sizeof *outcome - got);
        if (bytes <= 0 && errno != EINTR) {
            return false;
        }
        got += bytes > 0 ? (size_t)bytes : 0;
    }
    return true;
}

/* In the process that stands at a point: waits for the copy's outcome, and for its end. */
static void take_outcome(struct sweep *sweep, int fd, pid_t copy)
{
    struct sweep_outcome outcome = {0};
    int status = 0;
    bool there = read_outcome(fd, &outcome);
    while (waitpid(copy, &status, 0) < 0 && errno == EINTR) {
    }
    if (!there || !WIFEXITED(status) || WEXITSTATUS(status) != 0) {
        outcome = sweep->mine;
        outcome.status = STATUS_DEFECT;
        if (WIFSIGNALED(status)) {
            snprintf(outcome.failed, sizeof outcome.failed, "signal %d ended the run",
                     WTERMSIG(status));
        } else {
            snprintf(outcome.failed, sizeof outcome.failed,
                     "the run ended without an outcome (status %d)", WEXITSTATUS(status));
        }
    }
    sweep->options->outcome(sweep->options->context, &outcome);
}

static bool is_mine(const struct sweep *sweep, uint64_t point)
{
    return point % sweep->options->shares == sweep->options->share;
}

/* At a point: true in the copy, where the fault strikes. */
static bool on_point(void *context, uint64_t point, const char *what)
{
    struct sweep *sweep = context;
    int ends[2];
    sweep->points = point;
    if (sweep->why[0] != 0 || !is_mine(sweep, point)) {
        return false;
    }
    sweep->mine = (struct sweep_outcome){.point = point};
    snprintf(sweep->mine.what, sizeof sweep->mine.what, "%s", what);
    if (pipe(ends) != 0) {
        snprintf(sweep->why, sizeof sweep->why, "pipe: %s", strerror(errno));
        return false;
    }
    pid_t copy = fork();
    if (copy == 0) {
        (void)prctl(PR_SET_PDEATHSIG, SIGKILL);
        close(ends[0]);
        sweep->copy = true;
        sweep->pipe = ends[1];
        return true;
    }
    close(ends[1]);
    if (copy < 0) {
        snprintf(sweep->why, sizeof sweep->why, "fork: %s", strerror(errno));
    } else {
        take_outcome(sweep, ends[0], copy);
    }
    close(ends[0]);
    return false;
}

/* ---- the whole ----------------------------------------------------------------------------------------------------------------- */

bool sweep_run(const struct sweep_options *options, uint64_t *points, char *why,
               size_t why_capacity)
{
    struct sweep sweep = {.options = options};
    struct run_options run_options = *options->run;
    SIM_ASSERT(run_options.scenario->sweep.source != NULL);
    SIM_ASSERT(run_options.scenario->sweep.point == QUANTITY_ABSENT);
    SIM_ASSERT(options->share < options->shares);
    run_options.sweep = (struct sweep_watch){on_point, &sweep};
    sweep.run = run_new(&run_options, why, why_capacity);
    if (sweep.run == NULL) {
        return false;
    }
    enum run_state state = run_go(sweep.run, SIM_NEVER);
    SIM_ASSERT(state != RUN_GOES_ON);
    char ignored[256];
    bool closed = run_finish(sweep.run, ignored, sizeof ignored);
    SIM_ASSERT(closed);
    if (!sweep.copy) {
        sweep.mine = (struct sweep_outcome){0};
    }
    sweep_outcome_of(run_result_of(sweep.run), &sweep.mine);
    if (sweep.copy) {
        _exit(write_outcome(sweep.pipe, &sweep.mine) ? 0 : STATUS_DEFECT);
    }
    run_free(sweep.run);
    *points = sweep.points;
    if (sweep.why[0] != 0) {
        snprintf(why, why_capacity, "%s", sweep.why);
        return false;
    }
    if (options->share == 0) {
        options->outcome(options->context, &sweep.mine);
    }
    return true;
}
