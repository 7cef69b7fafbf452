/* cli/bench.c - `orrery bench [NAME...]`: how fast is Orrery, and how much memory does it take? */
#include <argp.h>
#include <errno.h>
#include <jansson.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli/command.h"
#include "testbed/bench.h"
#include "testbed/diagnostics.h"

#define RUNS_DEFAULT 3u
#define RUNS_MAX     99u

struct bench_arguments {
    const struct bench_row **rows; /* that were named */
    uint32_t row_count;
    uint32_t runs;
    bool json, list, unknown;
};

enum { OPTION_JSON = 256, OPTION_LIST, OPTION_RUNS };

static const struct argp_option options[] = {
    {"json", OPTION_JSON, NULL, 0, "print the rows as JSON", 0},
    {"list", OPTION_LIST, NULL, 0, "only say which rows there are", 0},
    {"runs", OPTION_RUNS, "N", 0, "measure each row so often, and print medians (3)", 0},
    {0},
};

static void add_row(struct bench_arguments *arguments, const char *name)
{
    const struct bench_row *row = bench_row_find(name);
    if (row != NULL) {
        arguments->rows[arguments->row_count++] = row;
        return;
    }
    struct nearest_word nearest;
    char quoted[DIAGNOSTICS_QUOTE_BYTES], hint[DIAGNOSTICS_QUOTE_BYTES];
    uint32_t count;
    const struct bench_row *rows = bench_rows(&count);
    nearest_word_init(&nearest, name);
    for (uint32_t i = 0; i < count; i++) {
        nearest_word_offer(&nearest, rows[i].name);
    }
    fprintf(stderr, "orrery: there is no row %s%s%s\n", diagnostics_quote(name, quoted),
            nearest_word_hint(&nearest, hint),
            nearest.best == NULL ? "; 'orrery bench --list' names them" : "");
    arguments->unknown = true;
}

static error_t parse_option(int key, char *arg, struct argp_state *state)
{
    struct bench_arguments *arguments = state->input;
    switch (key) {
    case OPTION_JSON:
        arguments->json = true;
        return 0;
    case OPTION_LIST:
        arguments->list = true;
        return 0;
    case OPTION_RUNS: {
        char *end = NULL;
        unsigned long runs = strtoul(arg, &end, 10);
        if (*arg < '1' || *arg > '9' || *end != 0 || runs > RUNS_MAX) {
            argp_error(state, "--runs %s: a whole number from 1 to %u is expected", arg, RUNS_MAX);
        }
        arguments->runs = (uint32_t)runs;
        return 0;
    }
    case ARGP_KEY_ARG:
        add_row(arguments, arg);
        return 0;
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

static const struct argp parser = {
    .options = options,
    .parser = parse_option,
    .args_doc = "[NAME...]",
    .doc = "Measure speed and memory, of all rows or of those named.\v"
           "CPU seconds are user and system time of a process of its own for each measurement. "
           "\"reach\" is what the value "
           "should come to on a machine of 2020 or later: at least for events a second, at most "
           "for all else; to miss it is "
           "no failure. Rows other than queue-* are scenarios in scenarios/bench/, run as by "
           "`orrery run`, with hash and "
           "oracles.\n\n"
           "Exit status: 0 all was measured; otherwise that of the worst row, as of `orrery run`.",
};

/* ---- places --------------------------------------------------------------------------------------------------------------------- */

/* This program's file: as the system knows it, or as it was called. */
static void find_program(char out[PATH_MAX])
{
    ssize_t length = readlink("/proc/self/exe", out, PATH_MAX - 1);
    if (length > 0) {
        out[length] = 0;
    } else {
        snprintf(out, PATH_MAX, "%s", program_invocation_name);
    }
}

/* Installed beside the program; in the tree that it was built in; in the one that this is called from. */
static bool find_scenarios(const char *program, char out[PATH_MAX])
{
    static const char *const beside[] = {"../share/orrery/scenarios", "../scenarios"};
    const char *slash = strrchr(program, '/');
    int length = slash != NULL ? (int)(slash - program) : 1;
    for (size_t i = 0; i < sizeof(beside) / sizeof(beside[0]); i++) {
        int written =
            snprintf(out, PATH_MAX, "%.*s/%s", length, slash != NULL ? program : ".", beside[i]);
        char bench[PATH_MAX + sizeof("/bench")];
        snprintf(bench, sizeof bench, "%s/bench", out);
        if (written < PATH_MAX && access(bench, R_OK) == 0) {
            return true;
        }
    }
    snprintf(out, PATH_MAX, "scenarios");
    return access("scenarios/bench", R_OK) == 0;
}

/* ---- output --------------------------------------------------------------------------------------------------------------------- */

static void print_list(void)
{
    uint32_t count;
    const struct bench_row *rows = bench_rows(&count);
    for (uint32_t i = 0; i < count; i++) {
        printf("%-18s %s\n", rows[i].name, rows[i].meaning);
    }
}

static void print_value(enum bench_unit unit, double value)
{
    int digits = unit == BENCH_EVENTS_A_SECOND ? 0 : unit == BENCH_MIB ? 1 : 3;
    printf(" %12.*f", digits, value);
}

static void print_row(const struct bench_row *row, const struct bench_result *result)
{
    if (result->status != 0) {
        printf("%-18s failed: %s (exit %d)\n", row->name, result->why, result->status);
        return;
    }
    printf("%-18s %8.3f", row->name, result->cpu_s);
    print_value(row->unit, result->value);
    printf("  %-9s", bench_unit_name(row->unit));
    print_value(row->unit, row->reach);
    printf("  %-7s %8.1f MiB\n", bench_reached(row, result->value) ? "reached" : "missed",
           (double)result->peak_rss_bytes / (1 << 20));
}

static void add_json(json_t *results, const struct bench_row *row,
                     const struct bench_result *result)
{
    char hash[17];
    snprintf(hash, sizeof hash, "%016llx", (unsigned long long)result->run_hash);
    json_t *object =
        json_pack("{s:s, s:f, s:f, s:s, s:f, s:b, s:s, s:I, s:I, s:i}", "name", row->name, "cpu_s",
                  result->cpu_s, "value", result->value, "unit", bench_unit_name(row->unit),
                  "reach", row->reach, "reached", (int)bench_reached(row, result->value),
                  "run_hash", hash, "simulated_ns", (json_int_t)result->simulated_ns,
                  "peak_rss_bytes", (json_int_t)result->peak_rss_bytes, "status", result->status);
    if (object != NULL && result->status != 0) {
        json_object_set_new(object, "why", json_string(result->why));
    }
    json_array_append_new(results, object);
}

/* ---- the command ---------------------------------------------------------------------------------------------------------------- */

static int measure(const struct bench_arguments *arguments)
{
    char program[PATH_MAX], folder[PATH_MAX];
    int status = COMMAND_HELD;
    find_program(program);
    if (!find_scenarios(program, folder)) {
        fputs("orrery: the scenarios are not there: no ../share/orrery/scenarios/bench or "
              "../scenarios/bench beside the program, and no scenarios/bench here\n",
              stderr);
        return COMMAND_WRONG_INPUT;
    }
    const struct bench_options wanted = {
        .program = program, .folder = folder, .version = ORRERY_VERSION, .runs = arguments->runs};
    json_t *results = json_array();
    if (!arguments->json) {
        printf("%-18s %8s %12s  %-9s %12s  %-7s %12s\n", "name", "CPU s", "value", "unit", "reach",
               "", "peak memory");
    }
    for (uint32_t i = 0; i < arguments->row_count; i++) {
        struct bench_result result;
        bench_measure(arguments->rows[i], &wanted, &result);
        status = command_worse(status, result.status);
        if (arguments->json) {
            add_json(results, arguments->rows[i], &result);
        } else {
            print_row(arguments->rows[i], &result);
            fflush(stdout);
        }
    }
    if (arguments->json) {
        json_t *document = json_pack("{s:i, s:s, s:i, s:O}", "schema", 1, "orrery", ORRERY_VERSION,
                                     "runs", (int)arguments->runs, "results", results);
        json_dumpf(document, stdout, JSON_INDENT(2) | JSON_REAL_PRECISION(6));
        fputc('\n', stdout);
        json_decref(document);
    }
    json_decref(results);
    if (fflush(stdout) != 0) {
        perror("orrery: standard output");
        status = command_worse(status, COMMAND_WRONG_INPUT);
    }
    return status;
}

int cmd_bench(int argc, char **argv)
{
    uint32_t count;
    const struct bench_row *rows = bench_rows(&count);
    struct bench_arguments arguments = {.runs = RUNS_DEFAULT};
    int status = COMMAND_WRONG_INPUT;
    arguments.rows = calloc((size_t)argc + count, sizeof *arguments.rows);
    if (arguments.rows != NULL && argp_parse(&parser, argc, argv, 0, NULL, &arguments) == 0 &&
        !arguments.unknown) {
        bool all = arguments.row_count == 0;
        for (uint32_t i = 0; all && i < count; i++) {
            arguments.rows[arguments.row_count++] = &rows[i];
        }
        if (arguments.list) {
            print_list();
            status = COMMAND_HELD;
        } else {
            status = measure(&arguments);
        }
    }
    free(arguments.rows);
    return status;
}
