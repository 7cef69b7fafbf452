/* cli/run.c - `orrery run FILE|RECORDING`: runs a scenario and reports what happened, to whom and why. */
#include <argp.h>
#include <errno.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "cli/command.h"
#include "cli/output_check.h"
#include "cli/repeat_command.h"
#include "cli/run_cells.h"
#include "cli/sweep.h"
#include "cli/varying.h"
#include "sim/assert.h"
#include "testbed/diagnostics.h"
#include "testbed/quantity.h"
#include "testbed/rerun.h"
#include "testbed/run_input.h"

struct run_arguments {
    const char *file;
    const char **set;
    uint32_t set_count;
    const char **cell; /* choices of --cell */
    uint32_t cell_count;
    const char *json, *csv;
    uint32_t jobs;          /* of cells and sweeps; 0: as many as processors are there */
    const char *until_text; /* of the command line, or NULL */
    struct run_options run;
    bool quiet;
    char *point;   /* "sweep.point=N", as a value to set, or NULL */
    char *seed;    /* "seed=N", as a value to set, or NULL */
    char *command; /* that repeats the run */
};

enum {
    OPTION_JOBS = 'j',
    OPTION_SEED = 256,
    OPTION_CELL,
    OPTION_CSV,
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
    OPTION_POINT,
    OPTION_FORMULA,
};

static const struct argp_option options[] = {
    {NULL, 0, NULL, 0, "What is run:", 1},
    {"seed", OPTION_SEED, "N", 0, "draw all chances from this seed instead of the scenario's", 0},
    {"set", OPTION_SET, "PATH=VALUE", 0,
     "replace one value first, as in vms.web.memory=2GiB; may be repeated", 0},
    {"until", OPTION_UNTIL, "T", 0,
     "end the run at this simulated time at the latest, as in 4.9s (units: ns us ms s min h)", 0},
    {"point", OPTION_POINT, "N", 0, "of a scenario with a sweep run this point alone, from 1", 0},
    {"cell", OPTION_CELL, "NAME=VALUE,...", 0,
     "of a scenario that varies only these cells, as in rate=1Gbit/s,memory=4GiB; may be repeated",
     0},
    {"jobs", OPTION_JOBS, "N", 0,
     "run N cells, or N runs of a sweep, at once; default: as many as there are processors", 0},
    {NULL, 0, NULL, 0, "What is said:", 2},
    {"json", OPTION_JSON, "OUT", 0,
     "write what the report says, and every metric, as JSON; - for standard output, in place of "
     "the "
     "report",
     0},
    {"csv", OPTION_CSV, "OUT", 0, "write the table of cells as CSV; - for standard output", 0},
    {"quiet", OPTION_QUIET, NULL, 0, "print no report; the exit status tells", 0},
    {"formula", OPTION_FORMULA, NULL, 0,
     "print V(D/R)^i beside the rounds of each migration, where it fails, and why", 0},
    {NULL, 0, NULL, 0, "Recordings, for orrery diff and for running again:", 3},
    {"record", OPTION_RECORD, "OUT", 0, "write a recording (.orr) of the run", 0},
    {"record-pages", OPTION_RECORD_PAGES, "VM|all", 0,
     "with the states of this VM's pages, or of all VMs': dirtied, sent, arrived", 0},
    {"record-frames", OPTION_RECORD_FRAMES, NULL, 0,
     "with every frame as bytes (large: as much as goes over the links)", 0},
    {NULL, 0, NULL, 0, "Captures, for Wireshark:", 4},
    {"pcap", OPTION_PCAP, "DIR", 0,
     "write a capture of each link into this directory, both directions, times in nanoseconds", 0},
    {"pcap-link", OPTION_PCAP_LINK, "GLOB", 0, "only of links whose name matches, as in 'node2/*'",
     0},
    {"pcap-from", OPTION_PCAP_FROM, "T", 0, "only frames from this simulated time on", 0},
    {"pcap-until", OPTION_PCAP_UNTIL, "T", 0, "only frames before this time", 0},
    {"pcap-frames", OPTION_PCAP_FRAMES, "N", 0, "at most the first N frames of each link", 0},
    {NULL, 0, NULL, 0, "Help:", -1},
    {0},
};

static sim_time parse_time(struct argp_state *state, const char *option, const char *text)
{
    int64_t value = 0;
    char why[QUANTITY_ERROR_BYTES];
    if (!quantity_parse(QUANTITY_TIME, text, &value, why)) {
        argp_error(state, "--%s %s: %s", option, text, why);
    }
    if (value < 0) {
        argp_error(state, "--%s %s: a run starts at 0s", option, text);
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

/* "PATH=NUMBER" into `*assignment`. Given twice, the last one counts, as with all options. */
static void assign(char **assignment, const char *path, const char *number)
{
    size_t capacity = strlen(path) + strlen(number) + sizeof "=";
    char *text = malloc(capacity);
    SIM_ASSERT(text != NULL);
    snprintf(text, capacity, "%s=%s", path, number);
    free(*assignment);
    *assignment = text;
}

/* What no option shows alone. */
static void check_together(struct argp_state *state, const struct run_arguments *a)
{
    const struct pcap_options *pcap = &a->run.pcap;
    if (a->file == NULL) {
        argp_error(state, "which scenario, or recording?");
    }
    if (pcap->directory == NULL && (pcap->link_glob != NULL || pcap->from != 0 ||
                                    pcap->until != SIM_NEVER || pcap->frames_max != 0)) {
        argp_error(state, "the options --pcap-... go with --pcap DIR");
    }
    if (pcap->from >= pcap->until) {
        argp_error(state, "no frame arrives from --pcap-from on and before --pcap-until");
    }
    if (a->run.record == NULL && (a->run.record_pages != NULL || a->run.record_frames)) {
        argp_error(state, "--record-pages and --record-frames go with --record OUT");
    }
}

static void parse_pcap_option(int key, char *arg, struct argp_state *state)
{
    struct pcap_options *pcap = &((struct run_arguments *)state->input)->run.pcap;
    switch (key) {
    case OPTION_PCAP:
        pcap->directory = arg;
        return;
    case OPTION_PCAP_LINK:
        pcap->link_glob = arg;
        return;
    case OPTION_PCAP_FROM:
        pcap->from = parse_time(state, "pcap-from", arg);
        return;
    case OPTION_PCAP_UNTIL:
        pcap->until = parse_time(state, "pcap-until", arg);
        return;
    case OPTION_PCAP_FRAMES:
        pcap->frames_max = parse_count(state, "pcap-frames", arg);
        if (pcap->frames_max == 0) {
            argp_error(state, "--pcap-frames 0: at least one frame");
        }
        return;
    default:
        return;
    }
}

static error_t parse_option(int key, char *arg, struct argp_state *state)
{
    struct run_arguments *a = state->input;
    switch (key) {
    case OPTION_SEED:
        (void)parse_count(state, "seed", arg);
        assign(&a->seed, "seed", arg);
        return 0;
    case OPTION_POINT:
        if (parse_count(state, "point", arg) == 0) {
            argp_error(state, "--point 0: points count from 1");
        }
        assign(&a->point, "sweep.point", arg);
        return 0;
    case OPTION_CELL:
        a->cell[a->cell_count++] = arg;
        return 0;
    case OPTION_JOBS:
        a->jobs = (uint32_t)parse_count(state, "jobs", arg);
        if (a->jobs == 0 || a->jobs > 1024) {
            argp_error(state, "--jobs %s: a whole number from 1 to 1024 is expected", arg);
        }
        return 0;
    case OPTION_JSON:
        a->json = arg;
        return 0;
    case OPTION_CSV:
        a->csv = arg;
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
    case OPTION_PCAP_LINK:
    case OPTION_PCAP_FROM:
    case OPTION_PCAP_UNTIL:
    case OPTION_PCAP_FRAMES:
        parse_pcap_option(key, arg, state);
        return 0;
    case OPTION_UNTIL:
        a->run.until = parse_time(state, "until", arg);
        a->run.until_text = arg;
        a->until_text = arg;
        return 0;
    case OPTION_SET:
        a->set[a->set_count++] = arg;
        return 0;
    case OPTION_FORMULA:
        a->run.formula = true;
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
        check_together(state, a);
        if (a->seed != NULL) {
            a->set[a->set_count++] = a->seed;
        }
        if (a->point != NULL) { /* the last: point_is_good looks without it */
            a->set[a->set_count++] = a->point;
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
    .doc =
        "Run a scenario and report what happened, to whom and why.\v"
        "The same file and seed give the same run, to the bit; the run hash in the report tells "
        "runs apart, and no output changes it. The last line of the report is a command that "
        "repeats the run. A recording (.orr) carries its scenario, and is run again from that. A "
        "scenario with `vary` is run in all its cells, which make one table; --record and --pcap "
        "then have the cell in their names.\n\n"
        "Examples:\n"
        "  orrery run first.yaml\n"
        "  orrery run first.yaml --set networks.lan.rate=10Gbit/s\n"
        "  orrery run varies.yaml --csv table.csv\n"
        "  orrery run varies.yaml --cell rate=1Gbit/s\n"
        "  orrery run first.yaml --pcap captures --pcap-link 'node2/*'\n"
        "  orrery run first.yaml --record first.orr; orrery run first.orr\n\n"
        "Exit status: 0 all held, 1 an expectation failed, 2 wrong input or an output that could "
        "not be written, 3 a defect of Orrery, 4 unknown, 5 an oracle failed, 130 or 143 stopped "
        "by SIGINT or SIGTERM with all outputs closed.",
};

/* ---- before the run -------------------------------------------------------------------------------------------------------------- */

static bool is_known_vm(const struct scenario *scenario, const char *wanted)
{
    struct nearest_word nearest;
    char quoted[DIAGNOSTICS_QUOTE_BYTES], hint[DIAGNOSTICS_QUOTE_BYTES];
    nearest_word_init(&nearest, wanted);
    nearest_word_offer(&nearest, "all");
    bool known = strcmp(wanted, "all") == 0;
    for (uint32_t i = 0; i < scenario->vm_count && !known; i++) {
        nearest_word_offer(&nearest, scenario->vms[i].name);
        known = strcmp(wanted, scenario->vms[i].name) == 0;
    }
    if (known) {
        return true;
    }
    fprintf(stderr, "orrery: --record-pages: there is no VM %s%s\n",
            diagnostics_quote(wanted, quoted), nearest_word_hint(&nearest, hint));
    return false;
}

/* No output may take the place of what is read, nor two of them that of each other. */
static bool is_apart(const struct run_arguments *a, const char *output)
{
    const struct scenario *scenario = a->run.scenario;
    char path[PATH_MAX];
    bool read = output_check_same(output, a->file);
    for (uint32_t i = 0; i < scenario->vm_count; i++) {
        struct scenario_replay replay;
        read = read || (scenario_guest_replay(&scenario->vms[i].guest, &replay) &&
                        scenario_replay_path(scenario, &replay, path, sizeof path) &&
                        output_check_same(output, path));
    }
    if (read) {
        fprintf(stderr, "orrery: %s: is read by this run, and cannot be written by it\n", output);
    }
    return !read;
}

/* "-" is standard output, and no file. */
static const char *file_of(const char *output)
{
    return output != NULL && strcmp(output, "-") != 0 ? output : NULL;
}

/* Everything wrong with outputs that can be said without beginning them. */
static bool outputs_are_good(const struct run_arguments *a)
{
    const char *const outputs[] = {file_of(a->json), file_of(a->csv), a->run.record};
    bool good = true;
    for (size_t i = 0; i < sizeof outputs / sizeof outputs[0]; i++) {
        if (outputs[i] == NULL) {
            continue;
        }
        good = output_check_writable(outputs[i]) && is_apart(a, outputs[i]) && good;
        for (size_t j = 0; j < i; j++) {
            if (output_check_same(outputs[i], outputs[j])) {
                fprintf(stderr, "orrery: %s: named for two outputs\n", outputs[i]);
                good = false;
            }
        }
    }
    if (a->run.record_pages != NULL) {
        good = is_known_vm(a->run.scenario, a->run.record_pages) && good;
    }
    return good;
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

/* The first SIGINT or SIGTERM ends the run in order, a second one the program. A file that grows past its limit is a write that
 * fails, and is said as such. */
static void catch_signals(void)
{
    struct sigaction action = {.sa_handler = on_signal, .sa_flags = (int)SA_RESETHAND | SA_RESTART};
    sigaction(SIGINT, &action, NULL);
    sigaction(SIGTERM, &action, NULL);
    signal(SIGXFSZ, SIG_IGN);
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
    double began = wall_seconds(), shown = began + 1;
    bool printed = false;
    sim_time step = 50 * SIM_MS;
    enum run_state state = RUN_GOES_ON;
    if (isatty(STDERR_FILENO) == 0) {
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

/* ---- after the run --------------------------------------------------------------------------------------------------------------- */

static bool wants_color(void)
{
    const char *no_color = getenv("NO_COLOR"), *terminal = getenv("TERM");
    return isatty(STDOUT_FILENO) && (no_color == NULL || *no_color == 0) &&
           (terminal == NULL || strcmp(terminal, "dumb") != 0);
}

static bool write_json(const char *path, const struct run_result *result)
{
    bool standard = strcmp(path, "-") == 0;
    FILE *out = standard ? stdout : fopen(path, "w");
    bool good = out != NULL;
    errno = 0;
    if (good) {
        good = report_json(out, result);
        good = (standard ? fflush(out) : fclose(out)) == 0 && good;
    }
    if (!good) {
        fprintf(stderr, "orrery: %s: %s\n", standard ? "standard output" : path,
                strerror(errno != 0 ? errno : EIO));
    }
    return good;
}

static bool print_report(const struct run_result *result)
{
    errno = 0;
    bool good = report_print(stdout, result, wants_color());
    if (fflush(stdout) == 0 && good) {
        return true;
    }
    fprintf(stderr, "orrery: standard output: %s\n", strerror(errno != 0 ? errno : EIO));
    return false;
}

/* The file first: whoever reads the report may stop reading. */
static bool say(const struct run_arguments *a, const struct run_result *result)
{
    bool good = a->json == NULL || write_json(a->json, result);
    bool standard = a->json != NULL && strcmp(a->json, "-") == 0;
    return (a->quiet || standard || print_report(result)) && good;
}

/* The earlier of command_status's order; an output that could not be written counts as wrong input. */
static int status_of(int status, bool written)
{
    bool weaker = status == COMMAND_HELD || status == COMMAND_UNKNOWN;
    return !written && weaker ? COMMAND_WRONG_INPUT : status;
}

/* ---- the command ------------------------------------------------------------------------------------------------------------------ */

/* A recording that is run unchanged must come to what it holds. */
static void check_rerun(const struct run_arguments *a, struct recording *recording, struct run *run)
{
    char note[RERUN_NOTE_BYTES];
    bool unchanged = a->set_count == 0 && a->until_text == NULL &&
                     strcmp(recording_version(recording), ORRERY_VERSION) == 0;
    if (unchanged && !rerun_is_same(recording, a->file, run, note)) {
        fprintf(stderr, "orrery: %s\n", note);
    }
}

static int run_scenario(struct run_arguments *a, struct recording *recording)
{
    char why[1024];
    catch_signals();
    struct run *run = run_new(&a->run, why, sizeof why);
    if (run == NULL) {
        fprintf(stderr, "orrery: %s\n", why);
        return COMMAND_WRONG_INPUT;
    }
    interrupted_run = run;
    if (signal_seen != 0) {
        run_interrupt(run);
    }
    enum run_state state = go(run);
    interrupted_run = NULL;
    bool good = run_finish(run, why, sizeof why);
    if (!good) {
        fprintf(stderr, "orrery: %s\n", why);
    }
    if (recording != NULL && state != RUN_INTERRUPTED) {
        check_rerun(a, recording, run);
    }
    const struct run_result *result = run_result_of(run);
    good = say(a, result) && good;
    int status = status_of(run_result_exit_status(result), good);
    run_free(run);
    return state == RUN_INTERRUPTED ? 128 + signal_seen : status;
}

/* A whole sweep has many runs, and an output of one run is of none of them. */
static int run_sweep(const struct run_arguments *a)
{
    const char *wrong = a->run.record != NULL           ? "--record"
                        : a->run.pcap.directory != NULL ? "--pcap"
                                                        : NULL;
    if (wrong != NULL) {
        fprintf(stderr,
                "orrery: %s: this scenario sweeps, and %s is of one run; choose one with --point "
                "N\n",
                a->file, wrong);
        return COMMAND_WRONG_INPUT;
    }
    return sweep_command_run(&(struct sweep_command){
        .run = &a->run,
        .repeat = a->command,
        .json = a->json,
        .quiet = a->quiet,
        .jobs = a->jobs,
    });
}

/* `cell` is "" where the file does not vary. */
static int run_input(struct run_arguments *a, struct run_input *input, const char *cell)
{
    a->run.scenario = input->scenario;
    a->run.recording = input->recording;
    if (a->until_text == NULL) {
        a->run.until = input->until;
        a->run.until_text = input->until_text;
    }
    if (!outputs_are_good(a)) {
        return COMMAND_WRONG_INPUT;
    }
    if (input->recording != NULL) {
        char note[RERUN_NOTE_BYTES];
        if (rerun_note(input->recording, a->file, ORRERY_VERSION, note)[0] != 0) {
            fprintf(stderr, "orrery: %s\n", note);
        }
    }
    a->command = repeat_command_new(&(struct repeat_options){
        .file = a->file,
        .cell = cell,
        .seed = input->scenario->seed,
        .set = a->set,
        .set_count = a->set_count,
        .until = a->until_text,
    });
    sim_assert_repeat_command(a->command);
    a->run.repeat = a->command;
    int status =
        sweep_command_wanted(input->scenario) ? run_sweep(a) : run_scenario(a, input->recording);
    sim_assert_repeat_command(NULL);
    free(a->command);
    return status;
}

/* A point of a scenario that sweeps nothing would be an error about a sweep that nobody wrote. */
static bool point_is_good(struct run_arguments *a, const struct scenario_options *with)
{
    struct run_input input;
    struct scenario_options without = *with;
    if (a->point == NULL) {
        return true;
    }
    without.set_count--;
    if (!run_input_open(&input, a->file, &without, stderr)) {
        return false;
    }
    bool sweeps = input.scenario->sweep.source != NULL;
    run_input_close(&input);
    if (!sweeps) {
        fprintf(stderr, "orrery: --point: %s has no 'sweep'\n", a->file);
    }
    return sweeps;
}

/* ---- files that vary ------------------------------------------------------------------------------------------------------------------ */

/* The cells that --cell picks, all without it; NULL and a message where a choice is none. */
static uint32_t *choose_cells(const struct run_arguments *a, struct scenario_cells *cells,
                              uint32_t *count)
{
    uint32_t all = scenario_cells_count(cells);
    uint32_t *chosen = calloc((size_t)all + 1, sizeof *chosen);
    bool good = true;
    SIM_ASSERT(chosen != NULL);
    *count = 0;
    for (uint32_t i = 0; i < a->cell_count; i++) {
        const char *why = scenario_cells_refuse(cells, a->cell[i]);
        if (why != NULL) {
            fprintf(stderr, "orrery: --cell %s: %s\n", a->cell[i], why);
            good = false;
        }
    }
    for (uint32_t cell = 0; cell < all && good; cell++) {
        bool wanted = a->cell_count == 0;
        for (uint32_t i = 0; i < a->cell_count && !wanted; i++) {
            wanted = scenario_cell_matches(cells, cell, a->cell[i]);
        }
        if (wanted) {
            chosen[(*count)++] = cell;
        }
    }
    if (good && *count == 0) {
        fprintf(stderr, "orrery: --cell: no cell has all of that\n");
        good = false;
    }
    if (!good) {
        free(chosen);
        return NULL;
    }
    return chosen;
}

static int run_one_cell(struct run_arguments *a, const struct scenario_cells *cells, uint32_t cell)
{
    struct run_input input = {.path = a->file, .until = SIM_NEVER, .until_text = ""};
    struct diagnostics *diagnostics = diagnostics_new();
    int status = COMMAND_WRONG_INPUT;
    input.scenario = scenario_cell_load(cells, cell, diagnostics);
    diagnostics_print(diagnostics, stderr);
    diagnostics_free(diagnostics);
    if (input.scenario != NULL && a->csv != NULL) {
        fputs("orrery: --csv is for tables of several cells; this is one, and --json has its "
              "metrics\n",
              stderr);
    } else if (input.scenario != NULL) {
        status = run_input(a, &input, scenario_cell_text(cells, cell));
    }
    run_input_close(&input);
    return status;
}

/* What cannot be told without a scenario is told of the first cell's. */
static bool outputs_fit_cells(struct run_arguments *a, const struct scenario_cells *cells,
                              uint32_t first)
{
    struct diagnostics *diagnostics = diagnostics_new();
    struct scenario *scenario = scenario_cell_load(cells, first, diagnostics);
    diagnostics_print(diagnostics, stderr);
    diagnostics_free(diagnostics);
    a->run.scenario = scenario;
    bool good = scenario != NULL && outputs_are_good(a);
    if (good && sweep_command_wanted(scenario)) {
        fprintf(stderr,
                "orrery: %s: this scenario varies and sweeps; choose one cell with --cell, or one "
                "point with --point N\n",
                a->file);
        good = false;
    }
    a->run.scenario = NULL;
    scenario_free(scenario);
    return good;
}

static int run_varying(struct run_arguments *a, struct scenario_cells *cells)
{
    uint32_t count = 0;
    int status = COMMAND_WRONG_INPUT;
    uint32_t *chosen = choose_cells(a, cells, &count);
    if (chosen == NULL) {
        return status;
    }
    if (count == 1) {
        status = run_one_cell(a, cells, chosen[0]);
    } else if (outputs_fit_cells(a, cells, chosen[0])) {
        status = run_cells(&(struct run_cells_options){
            .file = a->file,
            .cells = cells,
            .chosen = chosen,
            .count = count,
            .run = a->run,
            .set = a->set,
            .set_count = a->set_count,
            .until = a->until_text,
            .json = a->json,
            .csv = a->csv,
            .quiet = a->quiet,
            .parallel = a->jobs,
        });
    }
    free(chosen);
    return status;
}

static int run_file(struct run_arguments *a)
{
    const struct scenario_options scenario_options = {.set = a->set, .set_count = a->set_count};
    struct run_input input;
    int status = COMMAND_WRONG_INPUT;
    if (varying_is_possible(a->file, a->set, a->set_count)) {
        struct diagnostics *diagnostics = diagnostics_new();
        struct scenario_cells *cells =
            scenario_cells_load_file(a->file, &scenario_options, diagnostics);
        diagnostics_print(diagnostics, stderr);
        diagnostics_free(diagnostics);
        if (cells != NULL) {
            status = run_varying(a, cells);
            scenario_cells_free(cells);
        }
        return status;
    }
    if (a->cell_count > 0) {
        fprintf(stderr, "orrery: --cell %s: %s does not vary\n", a->cell[0], a->file);
    } else if (a->csv != NULL) {
        fprintf(stderr, "orrery: --csv is for tables of several cells, and %s does not vary\n",
                a->file);
    } else if (point_is_good(a, &scenario_options) &&
               run_input_open(&input, a->file, &scenario_options, stderr)) {
        status = run_input(a, &input, "");
        run_input_close(&input);
    }
    return status;
}

int cmd_run(int argc, char **argv)
{
    struct run_arguments a = {
        .set = calloc((size_t)argc + 2, sizeof(char *)),
        .cell = calloc((size_t)argc + 1, sizeof(char *)),
        .run = {.until = SIM_NEVER, .version = ORRERY_VERSION, .pcap = {.until = SIM_NEVER}},
    };
    int status = COMMAND_WRONG_INPUT;
    SIM_ASSERT(a.set != NULL && a.cell != NULL);
    if (argp_parse(&parser, argc, argv, 0, NULL, &a) == 0) {
        status = run_file(&a);
    }
    free(a.seed);
    free(a.point);
    free(a.set);
    free(a.cell);
    return status;
}
