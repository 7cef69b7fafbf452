/* cli/diff.c - `orrery diff A B`: where do two runs part? */
#include <argp.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "cli/command.h"
#include "testbed/diff_print.h"

struct diff_arguments {
    const char *paths[DIFF_SIDES];
    uint32_t path_count;
};

static error_t parse_option(int key, char *arg, struct argp_state *state)
{
    struct diff_arguments *arguments = state->input;
    switch (key) {
    case ARGP_KEY_ARG:
        if (arguments->path_count == DIFF_SIDES) {
            argp_error(state, "two at a time; '%s' is a third", arg);
        }
        arguments->paths[arguments->path_count++] = arg;
        return 0;
    case ARGP_KEY_END:
        if (arguments->path_count < DIFF_SIDES) {
            argp_error(state, "which two scenarios, or recordings?");
        }
        return 0;
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

static const struct argp parser = {
    .parser = parse_option,
    .args_doc = "A B",
    .doc = "Compare two runs and show the first record or frame in which they differ.\v"
           "A and B are scenario files or recordings (.orr). Their inputs are compared first: "
           "seed, values, files. Then the "
           "hashes that a run keeps every 65,536 records and frames tell in which interval the "
           "runs part; both are run again, "
           "and the first difference is shown from both sides with what caused it. A recording "
           "that was cut short is compared "
           "up to where it ends.\n\n"
           "Exit status: 0 equal, 1 different, 2 wrong input, 3 a scenario does not repeat, which "
           "is a defect of Orrery, 4 nothing could be compared.",
};

/* ---- progress ------------------------------------------------------------------------------------------------------------------- */

struct progress {
    struct timespec began;
    double shown; /* seconds since then */
    bool printed;
};

/* A line that overwrites itself, for what lasts over a second. */
static void show_progress(void *context, uint32_t side, uint32_t again, sim_time now)
{
    struct progress *progress = context;
    struct timespec clock;
    clock_gettime(CLOCK_MONOTONIC, &clock);
    double elapsed = (double)(clock.tv_sec - progress->began.tv_sec) +
                     (double)(clock.tv_nsec - progress->began.tv_nsec) * 1e-9;
    if (elapsed >= progress->shown) {
        fprintf(stderr, "\r\033[K%s, run %u: %.1f s simulated", side == 0 ? "A" : "B",
                (unsigned)again, (double)now * 1e-9);
        fflush(stderr);
        progress->printed = true;
        progress->shown = elapsed + 0.2;
    }
}

/* ---- the command ---------------------------------------------------------------------------------------------------------------- */

static int status_of(enum diff_outcome outcome)
{
    switch (outcome) {
    case DIFF_EQUAL:
    case DIFF_EQUAL_SO_FAR:
        return COMMAND_HELD;
    case DIFF_DIFFERENT:
        return COMMAND_FAILED;
    case DIFF_NOT_REPEATABLE:
        return COMMAND_DEFECT;
    case DIFF_NOTHING_LEFT:
        return COMMAND_UNKNOWN;
    case DIFF_FAILED:
        break;
    }
    return COMMAND_WRONG_INPUT;
}

static int compare(const struct run_input inputs[DIFF_SIDES])
{
    struct progress progress = {.shown = 1.0};
    struct diff_options options = {.version = ORRERY_VERSION};
    clock_gettime(CLOCK_MONOTONIC, &progress.began);
    if (isatty(STDERR_FILENO) != 0) {
        options.progress = show_progress;
        options.context = &progress;
    }
    diff_print_inputs(stdout, inputs);
    fflush(stdout);
    struct diff_result *result = diff_run(inputs, &options);
    if (progress.printed) {
        fputs("\r\033[K", stderr);
    }
    int status = status_of(result->outcome);
    if (result->outcome == DIFF_FAILED) {
        fprintf(stderr, "orrery: %s\n", result->why);
    } else {
        diff_print(stdout, inputs, result);
    }
    diff_free(result);
    if (fflush(stdout) != 0) {
        perror("orrery: standard output");
        status = COMMAND_WRONG_INPUT;
    }
    return status;
}

int cmd_diff(int argc, char **argv)
{
    struct diff_arguments arguments = {0};
    struct run_input inputs[DIFF_SIDES];
    int status = COMMAND_WRONG_INPUT;
    if (argp_parse(&parser, argc, argv, 0, NULL, &arguments) != 0) {
        return status;
    }
    /* Both are looked at, so that all errors are said at once. */
    bool good[DIFF_SIDES];
    for (uint32_t i = 0; i < DIFF_SIDES; i++) {
        good[i] = run_input_open(&inputs[i], arguments.paths[i], NULL, stderr);
    }
    if (good[0] && good[1]) {
        status = compare(inputs);
    }
    for (uint32_t i = 0; i < DIFF_SIDES; i++) {
        if (good[i]) {
            run_input_close(&inputs[i]);
        }
    }
    return status;
}
