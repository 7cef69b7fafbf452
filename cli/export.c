/* cli/export.c - `orrery export RECORDING`: a recording in formats of other programs. */
#include <argp.h>
#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>

#include "cli/command.h"
#include "cli/output_check.h"
#include "sim/assert.h"
#include "testbed/diagnostics.h"
#include "testbed/export.h"
#include "testbed/quantity.h"

struct export_arguments {
    const char *path;
    const char *outputs[EXPORT_FORMATS];
    struct export_options options;
};

enum {
    OPTION_PERFETTO = 256,
    OPTION_JSONL,
    OPTION_CSV,
    OPTION_WHAT,
    OPTION_FROM,
    OPTION_UNTIL,
};

static const struct argp_option options[] = {
    {NULL, 0, NULL, 0, "Formats, one or more (OUT may be - for standard output):", 1},
    {"perfetto", OPTION_PERFETTO, "OUT", 0,
     "a timeline for ui.perfetto.dev and chrome://tracing (trace events as JSON)", 0},
    {"jsonl", OPTION_JSONL, "OUT", 0, "a JSON object for each record, one on a line", 0},
    {"csv", OPTION_CSV, "OUT", 0, "a table, a row for each record", 0},
    {NULL, 0, NULL, 0, "What of the recording:", 2},
    {"what", OPTION_WHAT, "GLOB,...", 0,
     "only records of kinds whose name matches, as in 'migration.*,ping.lost'; frames are 'frame'",
     0},
    {"from", OPTION_FROM, "T", 0, "only what happened from this simulated time on", 0},
    {"until", OPTION_UNTIL, "T", 0, "only what happened before this time", 0},
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

static void check_together(struct argp_state *state, const struct export_arguments *a)
{
    uint32_t formats = 0;
    if (a->path == NULL) {
        argp_error(state, "which recording?");
    }
    for (uint32_t i = 0; i < EXPORT_FORMATS; i++) {
        formats += a->outputs[i] != NULL;
    }
    if (formats == 0) {
        argp_error(state, "in which format? --perfetto OUT, --jsonl OUT or --csv OUT");
    }
    if (a->options.from >= a->options.until) {
        argp_error(state, "nothing happens from --from on and before --until");
    }
}

static error_t parse_option(int key, char *arg, struct argp_state *state)
{
    struct export_arguments *a = state->input;
    switch (key) {
    case OPTION_PERFETTO:
        a->outputs[EXPORT_PERFETTO] = arg;
        return 0;
    case OPTION_JSONL:
        a->outputs[EXPORT_JSONL] = arg;
        return 0;
    case OPTION_CSV:
        a->outputs[EXPORT_CSV] = arg;
        return 0;
    case OPTION_WHAT:
        a->options.what = arg;
        return 0;
    case OPTION_FROM:
        a->options.from = parse_time(state, "from", arg);
        return 0;
    case OPTION_UNTIL:
        a->options.until = parse_time(state, "until", arg);
        return 0;
    case ARGP_KEY_ARG:
        if (a->path != NULL) {
            argp_error(state, "one recording at a time; '%s' is a second", arg);
        }
        a->path = arg;
        return 0;
    case ARGP_KEY_END:
        check_together(state, a);
        return 0;
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

static const struct argp parser = {
    .options = options,
    .parser = parse_option,
    .args_doc = "RECORDING",
    .doc =
        "Write a recording (.orr) in a format that other programs read.\v"
        "Records carry their time in nanoseconds, their id, the id of the record that caused "
        "them, their kind, the part that they are of, and values with units in their names; "
        "docs/formats.md describes each format. A recording that is damaged or was cut short is "
        "written as far as it can be read, and what is wrong with it is said.\n\n"
        "Examples:\n"
        "  orrery run first.yaml --record first.orr\n"
        "  orrery export first.orr --perfetto first.json\n"
        "  orrery export first.orr --csv rounds.csv --what migration.round\n"
        "  orrery export first.orr --jsonl - | jq 'select(.record == \"ping.lost\")'\n\n"
        "Exit status: 0 written, 2 wrong input or an output that could not be written, 4 the "
        "recording is damaged: what could be read was written, 130 or 143 stopped by a signal with "
        "outputs closed.",
};

/* ---- before ------------------------------------------------------------------------------------------------------------------------ */

static bool outputs_are_good(const struct export_arguments *a)
{
    bool good = true;
    uint32_t standard = 0;
    for (uint32_t i = 0; i < EXPORT_FORMATS; i++) {
        const char *output = a->outputs[i];
        if (output == NULL || strcmp(output, "-") == 0) {
            standard += output != NULL;
            continue;
        }
        if (output_check_same(output, a->path)) {
            fprintf(stderr, "orrery: %s: is read, and cannot be written too\n", output);
            good = false;
        } else {
            good = output_check_writable(output) && good;
        }
        for (uint32_t j = 0; j < i; j++) {
            if (output_check_same(output, a->outputs[j])) {
                fprintf(stderr, "orrery: %s: named for two outputs\n", output);
                good = false;
            }
        }
    }
    if (standard > 1) {
        fputs("orrery: standard output: named for two outputs\n", stderr);
        good = false;
    }
    return good;
}

static bool what_is_good(const struct export_arguments *a, const struct recording *recording)
{
    char glob[64], quoted[DIAGNOSTICS_QUOTE_BYTES], hint[DIAGNOSTICS_QUOTE_BYTES];
    struct nearest_word nearest;
    if (!export_unmatched(recording, &a->options, glob)) {
        return true;
    }
    nearest_word_init(&nearest, glob);
    for (uint32_t i = 0; i < recording_kind_count(recording); i++) {
        nearest_word_offer(&nearest, recording_kind(recording, i)->name);
    }
    fprintf(stderr, "orrery: --what: no kind of record in %s is named like %s%s\n", a->path,
            diagnostics_quote(glob, quoted), nearest_word_hint(&nearest, hint));
    return false;
}

/* ---- stopping ---------------------------------------------------------------------------------------------------------------------- */

static volatile sig_atomic_t signal_seen;

static void on_signal(int number)
{
    signal_seen = number;
}

/* The first SIGINT or SIGTERM closes what is being written, a second one ends the program. */
static void catch_signals(void)
{
    struct sigaction action = {.sa_handler = on_signal, .sa_flags = (int)SA_RESETHAND | SA_RESTART};
    sigemptyset(&action.sa_mask);
    sigaction(SIGINT, &action, NULL);
    sigaction(SIGTERM, &action, NULL);
    signal(SIGXFSZ, SIG_IGN); /* a file that grows past its limit is a write that fails */
}

/* ---- writing ----------------------------------------------------------------------------------------------------------------------- */

static bool write_one(const struct export_arguments *a, enum export_format format,
                      struct recording *recording)
{
    const char *path = a->outputs[format];
    bool standard = strcmp(path, "-") == 0;
    struct export_count count;
    FILE *out = standard ? stdout : fopen(path, "wb");
    bool good = out != NULL && export_write(out, format, recording, &a->options, &count);
    int error = errno;
    if (out != NULL && !standard && fclose(out) != 0 && good) {
        error = errno;
        good = false;
    }
    if (!good) {
        fprintf(stderr, "orrery: %s: %s\n", standard ? "standard output" : path, strerror(error));
    }
    return good;
}

static int say_stopped(const struct export_arguments *a)
{
    fprintf(stderr, "orrery: %s: stopped by a signal; what there is up to then was written\n",
            a->path);
    return 128 + (int)signal_seen;
}

/* What the reader of an export must know of the recording. */
static int say_damage(const struct export_arguments *a, struct recording *recording)
{
    const char *damage = recording_damage(recording);
    if (damage[0] != 0) {
        fprintf(stderr, "orrery: %s: %s; the rest was written\n", a->path, damage);
        return COMMAND_UNKNOWN;
    }
    if (!recording_complete(recording)) {
        fprintf(stderr, "orrery: %s: ends before its run did; what there is was written\n",
                a->path);
        return COMMAND_UNKNOWN;
    }
    return COMMAND_HELD;
}

/* The scenario in a recording; NULL where this Orrery does not know all its words, which is no reason not to export. */
static struct scenario *load_scenario(const struct recording *recording)
{
    const char *text = recording_scenario(recording);
    struct scenario_options own = {.ignore_files = true};
    struct diagnostics *diagnostics = diagnostics_new();
    struct scenario *scenario = scenario_load_text(recording_scenario_path(recording), text,
                                                   strlen(text), &own, diagnostics);
    diagnostics_free(diagnostics);
    return scenario;
}

static int export_recording(struct export_arguments *a)
{
    char why[512];
    struct recording *recording = recording_open(a->path, why, sizeof why);
    if (recording == NULL) {
        fprintf(stderr, "orrery: %s\n", why);
        return COMMAND_WRONG_INPUT;
    }
    int status = COMMAND_WRONG_INPUT;
    if (what_is_good(a, recording) && outputs_are_good(a)) {
        struct scenario *scenario = load_scenario(recording);
        bool good = true;
        a->options.scenario = scenario;
        a->options.stop = &signal_seen;
        catch_signals();
        for (uint32_t i = 0; i < EXPORT_FORMATS; i++) {
            if (a->outputs[i] != NULL && signal_seen == 0) {
                good = write_one(a, (enum export_format)i, recording) && good;
            }
        }
        status = !good              ? COMMAND_WRONG_INPUT
                 : signal_seen != 0 ? say_stopped(a)
                                    : say_damage(a, recording);
        scenario_free(scenario);
    }
    recording_close(recording);
    return status;
}

int cmd_export(int argc, char **argv)
{
    struct export_arguments a = {.options = {.until = SIM_NEVER}};
    if (argp_parse(&parser, argc, argv, 0, NULL, &a) != 0) {
        return COMMAND_WRONG_INPUT;
    }
    return export_recording(&a);
}
