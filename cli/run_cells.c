#include "cli/run_cells.h"

#include "cli/cell_columns.h"
#include "cli/command.h"
#include "cli/jobs.h"
#include "cli/output_check.h"
#include "cli/repeat_command.h"
#include "cli/run_summary.h"
#include "sim/assert.h"
#include "testbed/report_docs.h"
#include "testbed/report_text.h"

#include <errno.h>
#include <jansson.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct cell {
    bool done;
    int status;
    bool has_hash;
    char hash[17];
    int64_t seed;
    struct cell_value
        *values;    /* `value_count` of the table; NULL where it did not come to its end */
    char *message;  /* NULL where all held */
    json_t *report; /* NULL where it is not wanted or not there */
};

struct table {
    const struct run_cells_options *options;
    struct cell *cells; /* one for each chosen */
    struct cell_value columns[CELL_COLUMNS_MAX];
    uint32_t value_count; /* columns; 0 before the first result */
    uint32_t done;
    uint32_t best; /* SIM_NONE where none passed, or has the value */
    bool progress, shown;
};

static const char *text_of(const struct table *table, uint32_t row)
{
    return scenario_cell_text(table->options->cells, table->options->chosen[row]);
}

static char *repeat_of(const struct table *table, uint32_t row)
{
    const struct run_cells_options *options = table->options;
    const struct cell *cell = &table->cells[row];
    return repeat_command_new(&(struct repeat_options){
        .file = options->file,
        .cell = text_of(table, row),
        .seed = cell->seed,
        .no_seed = !cell->has_hash,
        .set = options->set,
        .set_count = options->set_count,
        .until = options->until,
    });
}

/* ---- outputs of single runs (C3) ---------------------------------------------------------------------------------------------------- */

/* The cell's text as it may stand in the name of a file. */
static void clean_name(const char *text, char *out, size_t capacity)
{
    snprintf(out, capacity, "%s", text);
    for (char *c = out; *c != 0; c++) {
        bool plain = strchr("._=+,-", *c) != NULL || (*c >= '0' && *c <= '9') ||
                     (*c >= 'a' && *c <= 'z') || (*c >= 'A' && *c <= 'Z');
        *c = plain ? *c : '-';
    }
}

/* False where the name would be too long. */
static bool record_path(const struct table *table, uint32_t row, char out[PATH_MAX])
{
    const char *path = table->options->run.record, *slash = strrchr(path, '/');
    const char *dot = strrchr(slash != NULL ? slash : path, '.');
    size_t stem = dot != NULL ? (size_t)(dot - path) : strlen(path);
    char cell[512];
    clean_name(text_of(table, row), cell, sizeof cell);
    int length =
        snprintf(out, PATH_MAX, "%.*s-%s%s", (int)stem, path, cell, dot != NULL ? dot : "");
    return length >= 0 && length < PATH_MAX;
}

static bool captures_path(const struct table *table, uint32_t row, char out[PATH_MAX])
{
    char cell[512];
    clean_name(text_of(table, row), cell, sizeof cell);
    int length = snprintf(out, PATH_MAX, "%s/%s", table->options->run.pcap.directory, cell);
    return length >= 0 && length < PATH_MAX;
}

static bool outputs_are_good(const struct table *table)
{
    const struct run_cells_options *options = table->options;
    char path[PATH_MAX];
    bool good =
        options->run.pcap.directory == NULL || output_check_folder(options->run.pcap.directory);
    for (uint32_t row = 0; row < options->count && options->run.record != NULL && good; row++) {
        good = record_path(table, row, path) && output_check_writable(path) &&
               !output_check_same(path, options->file);
    }
    return good;
}

/* ---- one cell ------------------------------------------------------------------------------------------------------------------------ */

static void add_columns(const struct run_result *result, void *context, FILE *out)
{
    (void)context;
    cell_columns_write(result, out);
}

/* In the child. */
static int work(void *context, uint32_t row, FILE *out)
{
    const struct table *table = context;
    const struct run_cells_options *options = table->options;
    char record[PATH_MAX], captures[PATH_MAX];
    struct diagnostics *diagnostics = diagnostics_new();
    struct scenario *scenario =
        scenario_cell_load(options->cells, options->chosen[row], diagnostics);
    diagnostics_print(diagnostics, stderr);
    diagnostics_free(diagnostics);
    if (scenario == NULL) {
        return COMMAND_WRONG_INPUT;
    }
    struct run_summary_options wanted = {
        .run = options->run, .json = options->json != NULL, .add = add_columns};
    wanted.run.scenario = scenario;
    wanted.run.repeat = repeat_command_new(&(struct repeat_options){
        .file = options->file,
        .cell = text_of(table, row),
        .seed = scenario->seed,
        .set = options->set,
        .set_count = options->set_count,
        .until = options->until,
    });
    if (options->run.record != NULL && record_path(table, row, record)) {
        wanted.run.record = record;
    }
    if (options->run.pcap.directory != NULL && captures_path(table, row, captures)) {
        wanted.run.pcap.directory = captures;
    }
    return run_summary_make(&wanted, out);
}

static void take(struct cell *cell, struct table *table, const struct job_end *end)
{
    struct run_summary summary;
    bool whole = run_summary_take(end->output, end->length, &summary);
    cell->done = true;
    cell->status = end->status;
    if (whole) {
        cell->has_hash = true;
        cell->seed = summary.seed;
        memcpy(cell->hash, summary.hash, sizeof cell->hash);
        cell->values = calloc(CELL_COLUMNS_MAX, sizeof *cell->values);
        SIM_ASSERT(cell->values != NULL);
        uint32_t count = cell_columns_read(summary.extra, summary.extra_length, cell->values);
        if (table->value_count == 0) {
            table->value_count = count;
            memcpy(table->columns, cell->values, count * sizeof *cell->values);
        }
        SIM_ASSERT(count == table->value_count);
        cell->message = summary.message[0] != 0 ? strdup(summary.message) : NULL;
        cell->report =
            summary.json_length > 0 ? json_loadb(summary.json, summary.json_length, 0, NULL) : NULL;
    } else if (end->status != COMMAND_WRONG_INPUT) {
        cell->status = COMMAND_DEFECT;
    }
    if (!whole && end->said[0] == 0) {
        cell->message = strdup("it ended without a result");
    }
}

static bool done(void *context, uint32_t row, const struct job_end *end)
{
    struct table *table = context;
    take(&table->cells[row], table, end);
    table->done++;
    if (table->shown) {
        fputs("\r\033[K", stderr);
        table->shown = false;
    }
    fputs(end->said, stderr);
    if (table->progress && table->done < table->options->count) {
        fprintf(stderr, "%u of %u cells", table->done, table->options->count);
        table->shown = true;
    }
    fflush(stderr);
    return true;
}

/* ---- the table ----------------------------------------------------------------------------------------------------------------------- */

static const char *verdict_of(const struct cell *cell)
{
    if (!cell->done) {
        return "not run";
    }
    switch (cell->status) {
    case COMMAND_HELD:
        return "pass";
    case COMMAND_FAILED:
    case COMMAND_ORACLE:
        return "fail";
    case COMMAND_UNKNOWN:
        return "unknown";
    case COMMAND_WRONG_INPUT:
        return "error";
    default:
        return "defect";
    }
}

/* The column by which cells are compared: that of `best:`, else the first downtime. SIM_NONE where there is neither. */
static uint32_t best_column(const struct table *table)
{
    static const char suffix[] = "downtime_ns";
    uint32_t column = SIM_NONE;
    for (uint32_t i = 0; i < table->value_count; i++) {
        const char *metric = table->columns[i].metric;
        size_t length = strlen(metric), tail = strlen(suffix);
        if (table->columns[i].best != 0) {
            return i;
        }
        if (column == SIM_NONE && length >= tail && strcmp(metric + length - tail, suffix) == 0) {
            column = i;
        }
    }
    return column;
}

/* C2 */
static void find_best(struct table *table)
{
    uint32_t column = best_column(table);
    table->best = SIM_NONE;
    for (uint32_t row = 0; row < table->options->count && column != SIM_NONE; row++) {
        const struct cell *cell = &table->cells[row];
        if (!cell->done || cell->status != COMMAND_HELD || !cell->values[column].known) {
            continue;
        }
        int64_t number = cell->values[column].number;
        int64_t best =
            table->best != SIM_NONE ? table->cells[table->best].values[column].number : 0;
        bool largest = table->columns[column].best > 0;
        if (table->best == SIM_NONE || (largest ? number > best : number < best)) {
            table->best = row;
        }
    }
}

static void print_table(const struct table *table, FILE *out)
{
    const struct run_cells_options *options = table->options;
    uint32_t names = scenario_cells_name_count(options->cells), values = table->value_count;
    char alignment[REPORT_TABLE_COLUMNS + 1] = "l";
    if (names > REPORT_TABLE_COLUMNS - 2 - CELL_COLUMNS_MAX) {
        names = REPORT_TABLE_COLUMNS - 2 - CELL_COLUMNS_MAX;
    }
    memset(alignment + 1, 'r', names + values);
    alignment[1 + names + values] = 'l';
    struct report_table *text = report_table_new(alignment);
    report_cell(text, " ");
    for (uint32_t i = 0; i < names; i++) {
        report_cell(text, "%s", scenario_cells_name(options->cells, i));
    }
    for (uint32_t i = 0; i < values; i++) {
        report_cell(text, "%s", table->columns[i].heading);
    }
    report_cell(text, "verdict");
    report_row(text, NULL);
    for (uint32_t row = 0; row < options->count; row++) {
        const struct cell *cell = &table->cells[row];
        report_cell(text, "%s", row == table->best ? "best" : "");
        for (uint32_t i = 0; i < names; i++) {
            report_cell(text, "%s", scenario_cell_value(options->cells, options->chosen[row], i));
        }
        for (uint32_t i = 0; i < values; i++) {
            report_cell(text, "%s", cell->values != NULL ? cell->values[i].text : "-");
        }
        report_cell(text, "%s", verdict_of(cell));
        report_row(text, NULL);
    }
    report_table_print(out, text);
    report_table_free(text);
}

static void print_all(const struct table *table, FILE *out)
{
    bool any = false;
    print_table(table, out);
    for (uint32_t row = 0; row < table->options->count; row++) {
        const struct cell *cell = &table->cells[row];
        if (cell->message != NULL) {
            fprintf(out, "%s%-7s %s: %s\n", any ? "" : "\n", verdict_of(cell), text_of(table, row),
                    cell->message);
            any = true;
        }
    }
    fputc('\n', out);
    for (uint32_t row = 0; row < table->options->count; row++) {
        char *repeat = repeat_of(table, row);
        fprintf(out, "repeat  %s", repeat);
        if (table->cells[row].has_hash) {
            fprintf(out, "     hash %s", table->cells[row].hash);
        }
        fputc('\n', out);
        free(repeat);
    }
}

/* ---- CSV ------------------------------------------------------------------------------------------------------------------------------- */

/* RFC 4180, section 2: a field with a comma, a quote or a line break stands in quotes, and a quote in it is doubled. */
static void put_field(FILE *out, const char *text, bool first)
{
    if (!first) {
        fputc(',', out);
    }
    if (text[strcspn(text, ",\"\r\n")] == 0) {
        fputs(text, out);
        return;
    }
    fputc('"', out);
    for (; *text != 0; text++) {
        if (*text == '"') {
            fputc('"', out);
        }
        fputc(*text, out);
    }
    fputc('"', out);
}

static void print_csv(const struct table *table, FILE *out)
{
    const struct run_cells_options *options = table->options;
    uint32_t names = scenario_cells_name_count(options->cells);
    for (uint32_t i = 0; i < names; i++) {
        put_field(out, scenario_cells_name(options->cells, i), i == 0);
    }
    for (uint32_t i = 0; i < table->value_count; i++) {
        put_field(out, table->columns[i].metric, names == 0 && i == 0);
    }
    fputs(",verdict,best,run_hash,repeat\r\n", out);
    for (uint32_t row = 0; row < options->count; row++) {
        const struct cell *cell = &table->cells[row];
        char *repeat = repeat_of(table, row);
        for (uint32_t i = 0; i < names; i++) {
            put_field(out, scenario_cell_value(options->cells, options->chosen[row], i), i == 0);
        }
        for (uint32_t i = 0; i < table->value_count; i++) {
            char number[32] = "";
            if (cell->values != NULL && cell->values[i].known) {
                snprintf(number, sizeof number, "%lld", (long long)cell->values[i].number);
            }
            bool word = cell->values != NULL && cell->values[i].is_word;
            put_field(out, word ? cell->values[i].text : number, names == 0 && i == 0);
        }
        put_field(out, verdict_of(cell), false);
        put_field(out, row == table->best ? "best" : "", false);
        put_field(out, cell->has_hash ? cell->hash : "", false);
        put_field(out, repeat, false);
        fputs("\r\n", out);
        free(repeat);
    }
}

/* ---- JSON ------------------------------------------------------------------------------------------------------------------------------ */

static void put(json_t *object, const char *key, json_t *value)
{
    int error = json_object_set_new(object, key, value);
    SIM_ASSERT(error == 0);
}

static json_t *cell_json(const struct table *table, uint32_t row)
{
    const struct run_cells_options *options = table->options;
    const struct cell *cell = &table->cells[row];
    json_t *object = json_object(), *values = json_object();
    char *repeat = repeat_of(table, row);
    for (uint32_t i = 0; i < scenario_cells_name_count(options->cells); i++) {
        put(values, scenario_cells_name(options->cells, i),
            json_string(scenario_cell_value(options->cells, options->chosen[row], i)));
    }
    put(object, "cell", json_string(text_of(table, row)));
    put(object, "values", values);
    put(object, "verdict", json_string(verdict_of(cell)));
    put(object, "status", json_integer(cell->status));
    put(object, "message", json_string(cell->message != NULL ? cell->message : ""));
    put(object, "repeat", json_pack("{s:s}", "command", repeat));
    if (cell->report != NULL) {
        put(object, "report", json_incref(cell->report));
    }
    free(repeat);
    return object;
}

static void print_json(const struct table *table, FILE *out)
{
    json_t *document = json_object(), *cells = json_array(), *columns = json_array();
    for (uint32_t i = 0; i < table->value_count; i++) {
        json_array_append_new(columns, json_string(table->columns[i].metric));
    }
    for (uint32_t row = 0; row < table->options->count; row++) {
        json_array_append_new(cells, cell_json(table, row));
    }
    put(document, "schema", json_integer(REPORT_SCHEMA));
    put(document, "orrery", json_string(ORRERY_VERSION));
    put(document, "scenario", json_string(table->options->file));
    put(document, "columns", columns);
    put(document, "best",
        table->best != SIM_NONE ? json_string(text_of(table, table->best)) : json_null());
    put(document, "cells", cells);
    json_dumpf(document, out, JSON_INDENT(2));
    fputc('\n', out);
    json_decref(document);
}

/* ---- the whole ------------------------------------------------------------------------------------------------------------------------- */

/* One output, to a file or to standard output. */
static bool output(const struct table *table, const char *path,
                   void (*print)(const struct table *table, FILE *out))
{
    bool standard = strcmp(path, "-") == 0;
    FILE *out = standard ? stdout : fopen(path, "w");
    bool good = out != NULL;
    if (good) {
        errno = 0;
        print(table, out);
        good = !ferror(out);
        good = (standard ? fflush(out) : fclose(out)) == 0 && good;
    }
    if (!good) {
        fprintf(stderr, "orrery: %s: %s\n", standard ? "standard output" : path,
                strerror(errno != 0 ? errno : EIO));
    }
    return good;
}

static int conclude(struct table *table, int signal_number)
{
    const struct run_cells_options *options = table->options;
    int status = COMMAND_HELD;
    bool taken = (options->json != NULL && strcmp(options->json, "-") == 0) ||
                 (options->csv != NULL && strcmp(options->csv, "-") == 0);
    if (table->shown) {
        fputs("\r\033[K", stderr);
    }
    for (uint32_t row = 0; row < options->count; row++) {
        if (table->cells[row].done) {
            status = command_worse(status, table->cells[row].status);
        }
    }
    find_best(table);
    bool good = options->json == NULL || output(table, options->json, print_json);
    good = (options->csv == NULL || output(table, options->csv, print_csv)) && good;
    good = (options->quiet || taken || output(table, "-", print_all)) && good;
    if (!good) {
        status = command_worse(status, COMMAND_WRONG_INPUT);
    }
    return signal_number != 0 ? 128 + signal_number : status;
}

int run_cells(const struct run_cells_options *options)
{
    struct table table = {.options = options, .progress = isatty(STDERR_FILENO) != 0};
    SIM_ASSERT(options->count > 0);
    if (!outputs_are_good(&table)) {
        return COMMAND_WRONG_INPUT;
    }
    table.cells = calloc(options->count, sizeof *table.cells);
    SIM_ASSERT(table.cells != NULL);
    int signal_number = jobs_run(&(struct jobs_options){
        .count = options->count,
        .parallel = options->parallel,
        .work = work,
        .done = done,
        .context = &table,
    });
    int status = conclude(&table, signal_number);
    for (uint32_t row = 0; row < options->count; row++) {
        free(table.cells[row].values);
        free(table.cells[row].message);
        json_decref(table.cells[row].report);
    }
    free(table.cells);
    return status;
}
