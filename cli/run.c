/* cli/run.c - `orrery run FILE|RECORDING`: runs a scenario and reports what happened, to whom and why. */
#include <argp.h>
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "cli/command.h"
#include "sim/assert.h"
#include "testbed/quantity.h"
#include "testbed/run.h"
#include "testbed/run_input.h"

struct run_arguments {
    const char *file;
    const char **set;
    uint32_t set_count;
    const char *seed, *json;
    const char *until_text;
    struct run_options run;
    bool quiet;
    char command[4096]; /* that repeats the run */
};

enum {
    OPTION_SEED = 256,
    OPTION_JSON,
    OPTION_RECORD,
    OPTION_RECORD_PAGES,
    OPTION_RECORD_FRAMES,
    OPTION_PCAP,
    OPTION_PCAP_LINK,
    OPTION_PCAP_FROM,
    OPTION_PCAP_UNTIL,
    OPTION_PCAP_FRAMES,
    OPTION_UNTIL,
    OPTION_SET,
    OPTION_QUIET,
};

static const struct argp_option options[] = {
    {"seed", OPTION_SEED, "N", 0, "draw all chances from this seed instead of the scenario's", 0},
    {"json", OPTION_JSON, "OUT", 0,
     "write what the report says, and every metric, as JSON (- for standard output)", 0},
    {"record", OPTION_RECORD, "OUT", 0, "write a recording (.orr) of the run", 0},
    {"record-pages", OPTION_RECORD_PAGES, "VM|all", 0, "record the states of a VM's pages too", 0},
    {"record-frames", OPTION_RECORD_FRAMES, NULL, 0, "record every frame too", 0},
    {"pcap", OPTION_PCAP, "DIR", 0, "write a capture of each link into this directory", 0},
    {"pcap-link", OPTION_PCAP_LINK, "GLOB", 0, "only of links whose name matches, as in 'node2/*'",
     0},
    {"pcap-from", OPTION_PCAP_FROM, "T", 0, "only frames from this time on, as in 4.9s", 0},
    {"pcap-until", OPTION_PCAP_UNTIL, "T", 0, "only frames before this time", 0},
    {"pcap-frames", OPTION_PCAP_FRAMES, "N", 0, "at most so many frames of each link", 0},
    {"until", OPTION_UNTIL, "T", 0, "end the run at this simulated time at the latest", 0},
    {"set", OPTION_SET, "PATH=VALUE", 0,
     "replace one value first, as in vms.web.memory=2GiB; may be repeated", 0},
    {"quiet", OPTION_QUIET, NULL, 0, "print no report; the exit status tells", 0},
    {0},
};

static sim_time parse_time(struct argp_state *state, const char *option, const char *text)
{
    int64_t value = 0;
    char why[QUANTITY_ERROR_BYTES];
    if (!quantity_parse(QUANTITY_TIME, text, &value, why)) {
        argp_error(state, "--%s %s: %s", option, text, why);
    }
    return value;
}

static uint64_t parse_count(struct argp_state *state, const char *option, const char *text)
{
    char *end = NULL;
    errno = 0;
    unsigned long long value = strtoull(text, &end, 10);
    if (errno != 0 || *text < '0' || *text > '9' || *end != 0) {
        argp_error(state, "--%s %s: a whole number is expected", option, text);
    }
    return value;
}

static void add_set(struct run_arguments *arguments, const char *assignment)
{
    arguments->set[arguments->set_count++] = assignment;
}

static error_t parse_option(int key, char *arg, struct argp_state *state)
{
    struct run_arguments *a = state->input;
    switch (key) {
    case OPTION_SEED:
        (void)parse_count(state, "seed", arg);
        a->seed = arg;
        return 0;
    case OPTION_JSON:
        a->json = arg;
        return 0;
    case OPTION_RECORD:
        a->run.record = arg;
        return 0;
    case OPTION_RECORD_PAGES:
        a->run.record_pages = arg;
        return 0;
    case OPTION_RECORD_FRAMES:
        a->run.record_frames = true;
        return 0;
    case OPTION_PCAP:
        a->run.pcap.directory = arg;
        return 0;
    case OPTION_PCAP_LINK:
        a->run.pcap.link_glob = arg;
        return 0;
    case OPTION_PCAP_FROM:
        a->run.pcap.from = parse_time(state, "pcap-from", arg);
        return 0;
    case OPTION_PCAP_UNTIL:
        a->run.pcap.until = parse_time(state, "pcap-until", arg);
        return 0;
    case OPTION_PCAP_FRAMES:
        a->run.pcap.frames_max = parse_count(state, "pcap-frames", arg);
        return 0;
    case OPTION_UNTIL:
        a->run.until = parse_time(state, "until", arg);
        a->until_text = arg;
        return 0;
    case OPTION_SET:
        add_set(a, arg);
        return 0;
    case OPTION_QUIET:
        a->quiet = true;
        return 0;
    case ARGP_KEY_ARG:
        if (a->file != NULL) {
            argp_error(state, "one scenario at a time; '%s' is a second", arg);
        }
        a->file = arg;
        return 0;
    case ARGP_KEY_END:
        if (a->file == NULL) {
            argp_error(state, "which scenario, or recording?");
        }
        if (a->run.pcap.directory == NULL &&
            (a->run.pcap.link_glob != NULL || a->run.pcap.from != 0 ||
             a->run.pcap.until != SIM_NEVER || a->run.pcap.frames_max != 0)) {
            argp_error(state, "the options --pcap-... go with --pcap DIR");
        }
        if (a->run.record == NULL && (a->run.record_pages != NULL || a->run.record_frames)) {
            argp_error(state, "--record-pages and --record-frames go with --record OUT");
        }
        return 0;
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

static const struct argp parser = {
    .options = options,
    .parser = parse_option,
    .args_doc = "FILE|RECORDING",
    .doc = "Run a scenario and report what happened, to whom and why.\v"
           "The same file and seed give the same run, to the bit; the run hash in the report tells "
           "runs apart. A recording "
           "(.orr) carries its scenario and is run again from it.\n\n"
           "Exit status: 0 all held, 1 an expectation failed, 2 wrong input, 3 a defect of Orrery, "
           "4 unknown, 5 an oracle "
           "failed, 130 or 143 stopped by a signal with all outputs closed.",
};

/* ---- the scenario ------------------------------------------------------------------------------------------------------------- */

/* The command that repeats this run: file, seed, and what changes the run; not its outputs. */
static void make_command(struct run_arguments *a, const struct scenario *scenario)
{
    int at = snprintf(a->command, sizeof a->command, "orrery run %s --seed %lld", a->file,
                      (long long)scenario->seed);
    for (uint32_t i = 0; i < a->set_count && at > 0 && (size_t)at < sizeof a->command; i++) {
        if (strncmp(a->set[i], "seed=", 5) != 0) {
            at +=
                snprintf(a->command + at, sizeof a->command - (size_t)at, " --set '%s'", a->set[i]);
        }
    }
    if (a->until_text != NULL && at > 0 && (size_t)at < sizeof a->command) {
        snprintf(a->command + at, sizeof a->command - (size_t)at, " --until %s", a->until_text);
    }
}

/* ---- running -------------------------------------------------------------------------------------------------------------------- */

static struct run *volatile interrupted_run;
static volatile sig_atomic_t signal_seen;

static void on_signal(int number)
{
    signal_seen = number;
    if (interrupted_run != NULL) {
        run_interrupt(interrupted_run);
    }
}

static double wall_seconds(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + (double)now.tv_nsec * 1e-9;
}

/* A line that overwrites itself: simulated time, speed, events. */
static void print_progress(const struct run *run, double elapsed)
{
    double simulated = (double)run_now(run) * 1e-9;
    fprintf(stderr, "\r\033[K%.1f s simulated, %.1fx real time, %.1f M events", simulated,
            elapsed > 0 ? simulated / elapsed : 0, (double)run_events(run) * 1e-6);
    fflush(stderr);
}

/* Runs to the end; with a progress line on a terminal for what lasts over a second. */
static enum run_state go(struct run *run)
{
    bool show = isatty(STDERR_FILENO) != 0;
    double began = wall_seconds(), shown = began + 0.8;
    bool printed = false;
    sim_time step = 50 * SIM_MS;
    enum run_state state = RUN_GOES_ON;
    if (!show) {
        return run_go(run, SIM_NEVER);
    }
    while (state == RUN_GOES_ON) {
        double before = wall_seconds();
        state = run_go(run, run_now(run) + step);
        double now = wall_seconds();
        step = now - before < 0.05 && step < 3600 * SIM_S ? step * 2 : step;
        step = now - before > 0.2 && step > SIM_MS ? step / 2 : step;
        if (now >= shown && state == RUN_GOES_ON) {
            print_progress(run, now - began);
            printed = true;
            shown = now + 0.2;
        }
    }
    if (printed) {
        fputs("\r\033[K", stderr);
    }
    return state;
}

static bool wants_color(void)
{
    const char *no_color = getenv("NO_COLOR");
    return isatty(STDOUT_FILENO) && (no_color == NULL || *no_color == 0);
}

static bool write_json(const char *path, const struct run_result *result)
{
    bool standard = strcmp(path, "-") == 0;
    FILE *out = standard ? stdout : fopen(path, "w");
    if (out == NULL) {
        fprintf(stderr, "orrery: %s: %s\n", path, strerror(errno));
        return false;
    }
    bool good = report_json(out, result);
    good = (standard ? fflush(out) : fclose(out)) == 0 && good;
    if (!good) {
        fprintf(stderr, "orrery: %s: %s\n", path, strerror(errno));
    }
    return good;
}

/* An output that cannot be written is said before the run. */
static bool can_write(const char *path)
{
    if (path == NULL || strcmp(path, "-") == 0) {
        return true;
    }
    FILE *file = fopen(path, "a");
    if (file == NULL) {
        fprintf(stderr, "orrery: %s: %s\n", path, strerror(errno));
        return false;
    }
    fclose(file);
    return true;
}

static int run_scenario(struct run_arguments *a)
{
    char why[1024];
    bool good = true;
    struct run *run = run_new(&a->run, why, sizeof why);
    if (run == NULL) {
        fprintf(stderr, "orrery: %s\n", why);
        return COMMAND_WRONG_INPUT;
    }
    struct sigaction action = {.sa_handler = on_signal};
    interrupted_run = run;
    sigaction(SIGINT, &action, NULL);
    sigaction(SIGTERM, &action, NULL);
    enum run_state state = go(run);
    interrupted_run = NULL;
    if (!run_finish(run, why, sizeof why)) {
        fprintf(stderr, "orrery: %s\n", why);
        good = false;
    }
    const struct run_result *result = run_result_of(run);
    if (!a->quiet && !(a->json != NULL && strcmp(a->json, "-") == 0)) {
        good = report_print(stdout, result, wants_color()) && good;
    }
    if (a->json != NULL) {
        good = write_json(a->json, result) && good;
    }
    int status = run_result_exit_status(result);
    run_free(run);
    if (fflush(stdout) != 0) {
        good = false;
    }
    if (state == RUN_INTERRUPTED && signal_seen != 0) {
        return 128 + signal_seen;
    }
    return good                                                  ? status
           : status == COMMAND_HELD || status == COMMAND_UNKNOWN ? COMMAND_WRONG_INPUT
                                                                 : status;
}

int cmd_run(int argc, char **argv)
{
    struct run_arguments a = {
        .set = calloc((size_t)argc + 1, sizeof(char *)),
        .run = {.until = SIM_NEVER, .version = ORRERY_VERSION, .pcap = {.until = SIM_NEVER}},
    };
    char seed[64];
    int status = COMMAND_WRONG_INPUT;
    if (a.set == NULL || argp_parse(&parser, argc, argv, 0, NULL, &a) != 0) {
        free(a.set);
        return status;
    }
    if (a.seed != NULL) {
        snprintf(seed, sizeof seed, "seed=%s", a.seed);
        add_set(&a, seed);
    }
    const struct scenario_options wanted = {.set = a.set, .set_count = a.set_count};
    struct run_input input;
    if (!run_input_open(&input, a.file, &wanted, stderr)) {
        free(a.set);
        return status;
    }
    if (can_write(a.json)) {
        if (a.until_text == NULL && input.until != SIM_NEVER) {
            a.run.until = input.until;
            a.until_text = input.until_text;
        }
        make_command(&a, input.scenario);
        sim_assert_repeat_command(a.command);
        a.run.scenario = input.scenario;
        a.run.recording = input.recording;
        a.run.repeat = a.command;
        a.run.until_text = a.until_text;
        status = run_scenario(&a);
    }
    run_input_close(&input);
    free(a.set);
    return status;
}
