#include "cli/test_baseline.h"

#include "cli/command.h"
#include "sim/assert.h"
#include "testbed/report_text.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#define BASELINE_SCHEMA 1

struct test_baseline {
    char *path;
    json_t *document;
    json_t *moved;   /* {name, metric, was, is}, in the order of runs and metrics */
    json_t *missing; /* names of runs that only the baseline has */
    json_t *added;   /* names of runs that it does not have */
    uint32_t same;   /* runs whose every metric is as it was */
};

/* ---- reading and writing ------------------------------------------------------------------------------------------------------ */

struct test_baseline *test_baseline_read(const char *path)
{
    json_error_t error;
    json_t *document = json_load_file(path, JSON_REJECT_DUPLICATES, &error);
    if (document == NULL) {
        if (error.line > 0) {
            fprintf(stderr, "orrery: %s:%d:%d: %s\n", path, error.line, error.column, error.text);
        } else {
            fprintf(stderr, "orrery: %s: %s\n", path, error.text);
        }
        return NULL;
    }
    json_t *schema = json_object_get(document, "schema");
    if (!json_is_object(json_object_get(document, "baseline")) || !json_is_integer(schema) ||
        json_integer_value(schema) != BASELINE_SCHEMA) {
        fprintf(stderr, "orrery: %s: is no baseline; orrery test --write-baseline writes one\n",
                path);
        json_decref(document);
        return NULL;
    }
    struct test_baseline *baseline = calloc(1, sizeof *baseline);
    SIM_ASSERT(baseline != NULL);
    *baseline = (struct test_baseline){.path = strdup(path),
                                       .document = document,
                                       .moved = json_array(),
                                       .missing = json_array(),
                                       .added = json_array()};
    return baseline;
}

void test_baseline_free(struct test_baseline *baseline)
{
    if (baseline == NULL) {
        return;
    }
    free(baseline->path);
    json_decref(baseline->document);
    json_decref(baseline->moved);
    json_decref(baseline->missing);
    json_decref(baseline->added);
    free(baseline);
}

bool test_baseline_close(FILE *out, const char *path)
{
    bool good = out != NULL && !ferror(out);
    good = out != NULL && fclose(out) == 0 && good;
    if (!good) {
        fprintf(stderr, "orrery: %s: %s\n", path, strerror(errno != 0 ? errno : EIO));
    }
    return good;
}

/* A run and its name, to be sorted by it: runs with seeds stand where they ended, and the file does not depend on that. */
struct named {
    char *name;
    uint32_t run;
};

static int by_name(const void *a, const void *b)
{
    return strcmp(((const struct named *)a)->name, ((const struct named *)b)->name);
}

static void put_runs(const struct test_suite *suite, const struct named *runs, size_t count,
                     FILE *out)
{
    for (size_t i = 0; i < count; i++) {
        json_t *name = json_string(runs[i].name);
        json_t *entry = json_pack("{s:s, s:o}", "run_hash", suite->runs[runs[i].run].hash,
                                  "metrics", test_suite_metrics(suite, runs[i].run));
        fputs(i > 0 ? ",\n" : "\n", out);
        json_dumpf(name, out, JSON_ENCODE_ANY);
        fputs(": ", out);
        json_dumpf(entry, out, JSON_INDENT(1));
        json_decref(name);
        json_decref(entry);
    }
}

bool test_baseline_write(const struct test_suite *suite, const char *path)
{
    struct named *runs = calloc((size_t)suite->run_count + 1, sizeof *runs);
    size_t count = 0;
    FILE *out = fopen(path, "w");
    SIM_ASSERT(runs != NULL);
    for (uint32_t r = 0; r < suite->run_count; r++) {
        if (suite->runs[r].metrics != NULL) {
            char *name = test_suite_run_name(suite, r);
            json_t *string = json_string(name);
            /* A name that is no UTF-8 has no place in JSON. */
            if (string != NULL) {
                runs[count++] = (struct named){name, r};
            } else {
                free(name);
            }
            json_decref(string);
        }
    }
    qsort(runs, count, sizeof *runs, by_name);
    if (out != NULL) {
        fprintf(out, "{\n\"schema\": %d,\n\"orrery\": \"%s\",\n\"baseline\": {", BASELINE_SCHEMA,
                ORRERY_VERSION);
        put_runs(suite, runs, count, out);
        fputs("\n}\n}\n", out);
    }
    for (size_t i = 0; i < count; i++) {
        free(runs[i].name);
    }
    free(runs);
    return test_baseline_close(out, path);
}

/* ---- comparing ---------------------------------------------------------------------------------------------------------------- */

static void add_moved(struct test_baseline *baseline, const char *name, const char *metric,
                      json_t *was, json_t *is)
{
    json_t *row = json_pack("{s:s, s:s, s:O, s:O}", "name", name, "metric", metric, "was",
                            was != NULL ? was : json_null(), "is", is != NULL ? is : json_null());
    if (row != NULL) {
        json_array_append_new(baseline->moved, row);
    }
}

static void compare_run(struct test_baseline *baseline, const char *name, json_t *was, json_t *is)
{
    size_t before = json_array_size(baseline->moved);
    const char *metric;
    json_t *value;
    json_object_foreach(is, metric, value)
    {
        json_t *old = json_object_get(was, metric);
        if (old == NULL || !json_equal(old, value)) {
            add_moved(baseline, name, metric, old, value);
        }
    }
    json_object_foreach(was, metric, value)
    {
        if (json_object_get(is, metric) == NULL) {
            add_moved(baseline, name, metric, value, NULL);
        }
    }
    baseline->same += json_array_size(baseline->moved) == before;
}

void test_baseline_compare(struct test_baseline *baseline, const struct test_suite *suite)
{
    json_t *runs = json_object_get(baseline->document, "baseline"), *seen = json_object(), *entry;
    const char *name;
    for (uint32_t item = 0; item < suite->item_count; item++) {
        uint32_t r = test_suite_first(suite, item);
        for (; r != SIM_NONE; r = test_suite_next(suite, r)) {
            char *run_name = test_suite_run_name(suite, r);
            json_t *was = json_object_get(json_object_get(runs, run_name), "metrics");
            json_object_set_new(seen, run_name, json_true());
            if (was == NULL && suite->runs[r].outcome != TEST_SKIPPED) {
                json_array_append_new(baseline->added, json_string(run_name));
            } else if (suite->runs[r].metrics != NULL) {
                json_t *is = test_suite_metrics(suite, r);
                compare_run(baseline, run_name, was, is);
                json_decref(is);
            }
            free(run_name);
        }
    }
    /* A part of the suite says nothing of the rest. */
    bool whole = suite->options.shard_count == 1 && suite->options.filter == NULL;
    json_object_foreach(runs, name, entry)
    {
        if (whole && json_object_get(seen, name) == NULL) {
            json_array_append_new(baseline->missing, json_string(name));
        }
    }
    json_decref(seen);
}

json_t *test_baseline_moved(const struct test_baseline *baseline)
{
    return baseline->moved;
}

/* ---- for people ----------------------------------------------------------------------------------------------------------------- */

static bool ends_with(const char *text, const char *end)
{
    size_t length = strlen(text), tail = strlen(end);
    return length >= tail && strcmp(text + length - tail, end) == 0;
}

/* A value as the report would say it; exactly, where two would look alike. */
static void say(const char *metric, json_t *value, bool exactly, char out[128])
{
    char figure[REPORT_FIGURE_BYTES];
    int64_t number = json_integer_value(value);
    if (json_is_string(value)) {
        snprintf(out, 128, "%s", json_string_value(value));
    } else if (!json_is_integer(value)) {
        snprintf(out, 128, "none");
    } else if (exactly || number < 0) {
        snprintf(out, 128, "%" PRId64, number);
    } else if (ends_with(metric, "_ns")) {
        snprintf(out, 128, "%s", report_time(number, figure));
    } else if (ends_with(metric, "_bytes") || strstr(metric, ".bytes") != NULL) {
        snprintf(out, 128, "%s", report_size((uint64_t)number, figure));
    } else if (ends_with(metric, "_bps")) {
        snprintf(out, 128, "%s", report_rate((uint64_t)number, figure));
    } else {
        snprintf(out, 128, "%s", report_count((uint64_t)number, figure));
    }
}

static void print_moved(struct report_table *table, json_t *row)
{
    const char *metric = json_string_value(json_object_get(row, "metric"));
    json_t *was = json_object_get(row, "was"), *is = json_object_get(row, "is");
    char old[128], new[128];
    say(metric, was, false, old);
    say(metric, is, false, new);
    if (strcmp(old, new) == 0) {
        say(metric, was, true, old);
        say(metric, is, true, new);
    }
    report_cell(table, "  %s", metric);
    report_cell(table, "%s", old);
    report_cell(table, "%s", new);
    if (json_is_integer(was) && json_is_integer(is) && json_integer_value(was) != 0) {
        double from = (double)json_integer_value(was), to = (double)json_integer_value(is);
        report_cell(table, "%+.1f %%", (to - from) / from * 100);
    }
    report_row(table, NULL);
}

static void print_names(FILE *out, json_t *names, const char *what)
{
    for (size_t i = 0; i < json_array_size(names); i++) {
        fprintf(out, "%s: %s\n", what, json_string_value(json_array_get(names, i)));
    }
}

void test_baseline_print(const struct test_baseline *baseline, FILE *out)
{
    size_t count = json_array_size(baseline->moved);
    fprintf(out, "\nAgainst %s: %u %s as before, %zu %s moved\n", baseline->path, baseline->same,
            baseline->same == 1 ? "run" : "runs", count, count == 1 ? "metric" : "metrics");
    for (size_t i = 0; i < count;) {
        const char *name =
            json_string_value(json_object_get(json_array_get(baseline->moved, i), "name"));
        struct report_table *table = report_table_new("lrrr");
        report_cell(table, "%s", name);
        report_cell(table, "was");
        report_cell(table, "is");
        report_row(table, NULL);
        for (; i < count; i++) {
            json_t *row = json_array_get(baseline->moved, i);
            if (strcmp(json_string_value(json_object_get(row, "name")), name) != 0) {
                break;
            }
            print_moved(table, row);
        }
        report_table_print(out, table);
        report_table_free(table);
    }
    print_names(out, baseline->added, "not in the baseline");
    print_names(out, baseline->missing, "only in the baseline");
}
