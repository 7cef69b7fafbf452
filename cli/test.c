/* cli/test.c - `orrery test PATH...`: runs scenarios and folders of them, each run in a process of its own, for people and for CI. */
#include <argp.h>
#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "cli/command.h"
#include "cli/output_check.h"
#include "cli/test_documents.h"
#include "cli/test_print.h"
#include "sim/assert.h"
#include "testbed/quantity.h"

#define JOBS_MAX  1024u
#define SEEDS_MAX 100000

struct test_arguments {
    struct test_suite_options suite;
    struct scenario_files files;
    const char *junit, *json, *artifacts, *baseline, *write_baseline;
    bool tap;
    bool bad_path; /* one of the arguments is not there */
};

enum {
    OPTION_JOBS = 'j',
    OPTION_SEEDS = 256,
    OPTION_JUNIT,
    OPTION_TAP,
    OPTION_JSON,
    OPTION_ARTIFACTS,
    OPTION_SHARD,
    OPTION_WALL_LIMIT,
    OPTION_FILTER,
    OPTION_BASELINE,
    OPTION_WRITE_BASELINE,
};

static const struct argp_option options[] = {
    {NULL, 0, NULL, 0, "What is run:", 1},
    {"seeds", OPTION_SEEDS, "A..B", 0,
     "run each with the seeds A to B in place of its own; where the first draws nothing, the "
     "others "
     "are skipped",
     0},
    {"filter", OPTION_FILTER, "GLOB", 0,
     "only what is named so, with or without its folder, as in 'drain*'", 0},
    {"shard", OPTION_SHARD, "I/N", 0,
     "only the I-th of N parts, dealt out in turn: for N machines of a CI", 0},
    {"jobs", OPTION_JOBS, "N", 0, "run N at once; default: as many as there are processors", 0},
    {"wall-limit", OPTION_WALL_LIMIT, "T", 0,
     "end a run that takes longer than this of real time, as in 60s; it is unknown then", 0},
    {NULL, 0, NULL, 0, "What is said:", 2},
    {"tap", OPTION_TAP, NULL, 0, "print TAP version 14 in place of lines for people", 0},
    {"junit", OPTION_JUNIT, "OUT", 0, "write JUnit XML", 0},
    {"json", OPTION_JSON, "OUT", 0, "write results and all metrics as JSON", 0},
    {"artifacts", OPTION_ARTIFACTS, "DIR", 0,
     "repeat each run that does not pass, with recording, captures and reports in a folder of its "
     "own below DIR",
     0},
    {NULL, 0, NULL, 0, "Metrics over time:", 3},
    {"baseline", OPTION_BASELINE, "FILE", 0, "say which metrics are not what they were in FILE", 0},
    {"write-baseline", OPTION_WRITE_BASELINE, "FILE", 0, "write all metrics to FILE", 0},
    {NULL, 0, NULL, 0, "Help:", -1},
    {0},
};

/* ---- options ------------------------------------------------------------------------------------------------------------------- */

/* A whole number at the start of `text`; moves it on. */
static bool take_number(const char **text, int64_t *out)
{
    char *end = NULL;
    errno = 0;
    long long value = strtoll(*text, &end, 10);
    if (errno != 0 || **text < '0' || **text > '9') {
        return false;
    }
    *text = end;
    *out = value;
    return true;
}

static void parse_seeds(struct argp_state *state, struct test_suite_options *suite, const char *arg)
{
    const char *text = arg;
    bool good = take_number(&text, &suite->seed_first);
    suite->seed_last = suite->seed_first;
    if (good && strncmp(text, "..", 2) == 0) {
        text += 2;
        good = take_number(&text, &suite->seed_last);
    }
    if (!good || *text != 0) {
        argp_error(state, "--seeds %s: expected A..B, as in 1..20", arg);
    }
    if (suite->seed_last < suite->seed_first) {
        argp_error(state, "--seeds %s: the last comes before the first", arg);
    }
    if (suite->seed_last - suite->seed_first >= SEEDS_MAX) {
        argp_error(state, "--seeds %s: at most %d seeds", arg, SEEDS_MAX);
    }
    suite->has_seeds = true;
}

static void parse_shard(struct argp_state *state, struct test_suite_options *suite, const char *arg)
{
    const char *text = arg;
    int64_t index = 0, count = 0;
    bool good = take_number(&text, &index) && *text++ == '/' && take_number(&text, &count);
    if (!good || *text != 0) {
        argp_error(state, "--shard %s: expected I/N, as in 1/4", arg);
    }
    if (index < 1 || index > count) {
        argp_error(state, "--shard %s: of %lld shards there is no %lld; they count from 1", arg,
                   (long long)count, (long long)index);
    }
    if (count > 10000) {
        argp_error(state, "--shard %s: at most 10000 shards", arg);
    }
    suite->shard = (uint32_t)(index - 1);
    suite->shard_count = (uint32_t)count;
}

static void parse_jobs(struct argp_state *state, struct test_suite_options *suite, const char *arg)
{
    const char *text = arg;
    int64_t count = 0;
    if (!take_number(&text, &count) || *text != 0 || count < 1 || count > JOBS_MAX) {
        argp_error(state, "--jobs %s: a whole number from 1 to %u is expected", arg, JOBS_MAX);
    }
    suite->parallel = (uint32_t)count;
}

static void parse_limit(struct argp_state *state, struct test_suite_options *suite, const char *arg)
{
    int64_t value = 0;
    char why[QUANTITY_ERROR_BYTES];
    if (!quantity_parse(QUANTITY_TIME, arg, &value, why)) {
        argp_error(state, "--wall-limit %s: %s", arg, why);
    }
    if (value <= 0) {
        argp_error(state, "--wall-limit %s: more than nothing is needed", arg);
    }
    suite->wall_limit = (double)value * 1e-9;
}

static error_t parse_option(int key, char *arg, struct argp_state *state)
{
    struct test_arguments *a = state->input;
    switch (key) {
    case OPTION_JOBS:
        parse_jobs(state, &a->suite, arg);
        return 0;
    case OPTION_SEEDS:
        parse_seeds(state, &a->suite, arg);
        return 0;
    case OPTION_SHARD:
        parse_shard(state, &a->suite, arg);
        return 0;
    case OPTION_WALL_LIMIT:
        parse_limit(state, &a->suite, arg);
        return 0;
    case OPTION_FILTER:
        a->suite.filter = arg;
        return 0;
    case OPTION_JUNIT:
        a->junit = arg;
        return 0;
    case OPTION_TAP:
        a->tap = true;
        return 0;
    case OPTION_JSON:
        a->json = arg;
        return 0;
    case OPTION_ARTIFACTS:
        a->artifacts = arg;
        return 0;
    case OPTION_BASELINE:
        a->baseline = arg;
        return 0;
    case OPTION_WRITE_BASELINE:
        a->write_baseline = arg;
        return 0;
    case ARGP_KEY_ARG:
        if (!scenario_files_add(&a->files, arg)) {
            a->bad_path = true;
        }
        return 0;
    case ARGP_KEY_END:
        if (a->files.count == 0 && !a->bad_path) {
            argp_error(state, "which scenarios, or folders of scenarios?");
        }
        return 0;
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

static const struct argp parser = {
    .options = options,
    .parser = parse_option,
    .args_doc = "PATH...",
    .doc =
        "Run scenarios, and every *.yaml below folders, each run in a process of its own."
        "\v"
        "A scenario that varies is run in each of its cells. Files in folders that have neither "
        "a timeline nor expectations, such as profiles, are skipped. What did not pass is "
        "printed last and in full.\n\n"
        "Examples:\n"
        "  orrery test scenarios/\n"
        "  orrery test scenarios/ --seeds 1..100 --wall-limit 60s\n"
        "  orrery test scenarios/ --junit out.xml --artifacts failed --shard 1/4\n\n"
        "Exit status: 0 all held, 1 an expectation failed, 2 wrong input or an output that could "
        "not be written, 3 a defect of Orrery or a run that does not repeat, 4 something is "
        "unknown, 5 an oracle failed; where several apply the first of 3, 5, 1, 2, 4. 130 or "
        "143 stopped by SIGINT or SIGTERM, with what was done until then in all outputs.",
};

/* ---- before the runs ------------------------------------------------------------------------------------------------------------- */

static bool complain(const char *path, int error)
{
    fprintf(stderr, "orrery: %s: %s\n", path, strerror(error));
    return false;
}

static bool outputs_are_good(const struct test_arguments *a)
{
    const char *const outputs[] = {a->junit, a->json, a->write_baseline};
    bool good = true;
    for (size_t i = 0; i < sizeof outputs / sizeof outputs[0]; i++) {
        if (outputs[i] == NULL) {
            continue;
        }
        good = output_check_writable(outputs[i]) && good;
        for (size_t j = 0; j < i; j++) {
            if (output_check_same(outputs[i], outputs[j])) {
                fprintf(stderr, "orrery: %s: named for two outputs\n", outputs[i]);
                good = false;
            }
        }
        for (uint32_t j = 0; j < a->files.count; j++) {
            if (output_check_same(outputs[i], a->files.items[j].path)) {
                fprintf(stderr, "orrery: %s: is read here, and cannot be written\n", outputs[i]);
                good = false;
            }
        }
    }
    return (a->artifacts == NULL || output_check_folder(a->artifacts)) && good;
}

static bool wants_color(void)
{
    const char *no_color = getenv("NO_COLOR"), *terminal = getenv("TERM");
    return isatty(STDOUT_FILENO) && (no_color == NULL || *no_color == 0) &&
           (terminal == NULL || strcmp(terminal, "dumb") != 0);
}

/* ---- the command ------------------------------------------------------------------------------------------------------------------ */

static double wall_seconds(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + (double)now.tv_nsec * 1e-9;
}

/* Whatever there is goes into the outputs, however the runs ended. */
static int conclude(const struct test_arguments *a, struct test_print *print,
                    struct test_suite *suite, struct test_baseline *baseline, int signal_number)
{
    struct test_document document = {
        .suite = suite,
        .status = test_suite_status(suite),
        .wall_seconds = wall_seconds() - print->began,
        .began = (int64_t)time(NULL) - (int64_t)(wall_seconds() - print->began),
        .baseline = baseline,
    };
    bool good = true;
    if (signal_number != 0) {
        document.status = 128 + signal_number;
    }
    if (baseline != NULL) {
        test_baseline_compare(baseline, suite);
    }
    test_print_end(print, suite, signal_number);
    if (baseline != NULL && !a->tap) {
        test_baseline_print(baseline, stdout);
    }
    if (fflush(stdout) != 0 || ferror(stdout)) {
        good = complain("standard output", errno != 0 ? errno : EIO);
    }
    /* A baseline of half a suite would say that the rest is gone. */
    if (a->write_baseline != NULL && signal_number == 0) {
        good = test_baseline_write(suite, a->write_baseline) && good;
    }
    good = (a->junit == NULL || test_document_junit(&document, a->junit)) && good;
    good = (a->json == NULL || test_document_json(&document, a->json)) && good;
    return good ? document.status : command_worse(document.status, COMMAND_WRONG_INPUT);
}

static int nothing_to_run(const struct test_arguments *a, const struct test_suite *suite)
{
    if (suite->other_shards > 0) {
        return COMMAND_HELD;
    }
    fprintf(stderr, "orrery: --filter %s: nothing of %u is named so\n", a->suite.filter,
            suite->filtered);
    return COMMAND_WRONG_INPUT;
}

static int test_all(struct test_arguments *a)
{
    struct test_print print = {.out = stdout,
                               .tap = a->tap,
                               .color = !a->tap && wants_color(),
                               .progress = isatty(STDERR_FILENO) != 0};
    struct test_baseline *baseline = NULL;
    struct test_suite suite;
    a->suite.files = &a->files;
    a->suite.artifacts = a->artifacts;
    a->suite.metrics = a->json != NULL || a->baseline != NULL || a->write_baseline != NULL;
    a->suite.item_done = test_print_item;
    a->suite.run_done = test_print_progress;
    a->suite.context = &print;
    if (a->baseline != NULL && (baseline = test_baseline_read(a->baseline)) == NULL) {
        return COMMAND_WRONG_INPUT;
    }
    signal(SIGXFSZ, SIG_IGN);
    int signal_number = test_suite_plan(&suite, &a->suite);
    int status = suite.item_count == 0 && signal_number == 0 ? nothing_to_run(a, &suite) : 0;
    if (status == COMMAND_HELD) {
        test_print_begin(&print, &suite);
        signal_number = signal_number != 0 ? signal_number : test_suite_run(&suite);
        status = conclude(a, &print, &suite, baseline, signal_number);
    }
    test_suite_free(&suite);
    test_baseline_free(baseline);
    return status;
}

int cmd_test(int argc, char **argv)
{
    struct test_arguments a = {.suite = {.shard_count = 1}};
    int status = COMMAND_WRONG_INPUT;
    if (argp_parse(&parser, argc, argv, 0, NULL, &a) == 0 && !a.bad_path) {
        scenario_files_sort(&a.files);
        if (outputs_are_good(&a)) {
            status = test_all(&a);
        }
    }
    scenario_files_free(&a.files);
    return status;
}
