#include "cli/test_documents.h"

#include "cli/command.h"
#include "sim/assert.h"
#include "testbed/report_docs.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

/* ---- text ---------------------------------------------------------------------------------------------------------------------- */

/* Bytes of the character at `text` if XML 1.0 and JSON both take it; 0 otherwise. Unicode 15, table 3-7, Well-Formed UTF-8 Byte
 * Sequences; XML 1.0, production 2, Char. */
static size_t character_length(const unsigned char *text)
{
    if (text[0] < 0x80) {
        return text[0] >= 0x20 || text[0] == '\t' || text[0] == '\n' ? 1 : 0;
    }
    size_t length = text[0] >= 0xc2 && text[0] <= 0xdf   ? 2
                    : text[0] >= 0xe0 && text[0] <= 0xef ? 3
                    : text[0] >= 0xf0 && text[0] <= 0xf4 ? 4
                                                         : 0;
    for (size_t i = 1; i < length; i++) {
        if ((text[i] & 0xc0) != 0x80) {
            return 0;
        }
    }
    bool overlong = (text[0] == 0xe0 && text[1] < 0xa0) || (text[0] == 0xf0 && text[1] < 0x90);
    bool surrogate = text[0] == 0xed && text[1] >= 0xa0;
    bool beyond = text[0] == 0xf4 && text[1] >= 0x90;
    bool noncharacter = text[0] == 0xef && text[1] == 0xbf && text[2] >= 0xbe;
    return overlong || surrogate || beyond || noncharacter ? 0 : length;
}

/* A copy with what neither takes as '?'. The caller frees it. */
static char *clean(const char *text)
{
    size_t length = strlen(text);
    char *copy = malloc(length + 4);
    SIM_ASSERT(copy != NULL);
    memcpy(copy, text, length + 1);
    memset(copy + length, 0, 4);
    for (unsigned char *c = (unsigned char *)copy; *c != 0;) {
        size_t bytes = character_length(c);
        if (bytes == 0) {
            *c = '?';
        }
        c += bytes == 0 ? 1 : bytes;
    }
    return copy;
}

/* ---- JUnit --------------------------------------------------------------------------------------------------------------------- */

static void put_xml(FILE *out, const char *text)
{
    char *copy = clean(text);
    for (const char *c = copy; *c != 0; c++) {
        switch (*c) {
        case '&':
            fputs("&amp;", out);
            break;
        case '<':
            fputs("&lt;", out);
            break;
        case '>':
            fputs("&gt;", out);
            break;
        case '"':
            fputs("&quot;", out);
            break;
        case '\n':
            fputs("&#10;", out);
            break;
        default:
            fputc(*c, out);
        }
    }
    free(copy);
}

static void put_attribute(FILE *out, const char *name, const char *value)
{
    fprintf(out, " %s=\"", name);
    put_xml(out, value);
    fputc('"', out);
}

/* The type of a failure or an error. */
static const char *type_of(const struct test_run *run)
{
    switch (run->outcome) {
    case TEST_FAILED:
        return run->failed_by;
    case TEST_UNKNOWN:
        return "unknown";
    case TEST_ERROR:
        return "input";
    case TEST_DEFECT:
    case TEST_PASSED:
    case TEST_SKIPPED:
        break;
    }
    return "defect";
}

static void put_case(FILE *out, const struct test_suite *suite, uint32_t index)
{
    const struct test_run *run = &suite->runs[index];
    char *name = test_suite_run_name(suite, index);
    fputs("    <testcase", out);
    put_attribute(out, "classname", suite->items[run->item].file);
    put_attribute(out, "name", name);
    fprintf(out, " time=\"%.3f\"", run->wall_seconds);
    free(name);
    if (run->outcome == TEST_PASSED) {
        fputs("/>\n", out);
        return;
    }
    if (run->outcome == TEST_SKIPPED) {
        fputs("><skipped/></testcase>\n", out);
        return;
    }
    const char *element = run->outcome == TEST_FAILED ? "failure" : "error";
    char *repeat = test_suite_repeat(suite, index);
    fprintf(out, ">\n      <%s", element);
    put_attribute(out, "message", run->message);
    put_attribute(out, "type", type_of(run));
    fputc('>', out);
    put_xml(out, run->report != NULL ? run->report : run->message);
    if (run->said != NULL) {
        fputs("&#10;", out);
        put_xml(out, run->said);
    }
    fputs("&#10;repeat: ", out);
    put_xml(out, repeat);
    if (run->artifacts != NULL) {
        fputs("&#10;artifacts: ", out);
        put_xml(out, run->artifacts);
    }
    fprintf(out, "</%s>\n    </testcase>\n", element);
    free(repeat);
}

struct counts {
    uint32_t tests, failures, errors, skipped;
    double seconds;
};

static void count(struct counts *counts, const struct test_run *run)
{
    counts->tests++;
    counts->failures += run->outcome == TEST_FAILED;
    counts->skipped += run->outcome == TEST_SKIPPED;
    counts->errors +=
        run->outcome == TEST_UNKNOWN || run->outcome == TEST_ERROR || run->outcome == TEST_DEFECT;
    counts->seconds += run->wall_seconds;
}

/* Runs of the items of one file, which stand together: `first` to before `end`. */
static void put_suite(FILE *out, const struct test_document *document, uint32_t first, uint32_t end,
                      uint32_t id)
{
    const struct test_suite *suite = document->suite;
    struct counts counts = {0};
    char when[32] = "1970-01-01T00:00:00";
    time_t began = (time_t)document->began;
    struct tm broken;
    for (uint32_t item = first; item < end; item++) {
        uint32_t r = test_suite_first(suite, item);
        for (; r != SIM_NONE; r = test_suite_next(suite, r)) {
            if (suite->runs[r].done) {
                count(&counts, &suite->runs[r]);
            }
        }
    }
    if (gmtime_r(&began, &broken) != NULL) {
        strftime(when, sizeof when, "%Y-%m-%dT%H:%M:%S", &broken);
    }
    fputs("  <testsuite package=\"orrery\"", out);
    fprintf(out, " id=\"%u\"", id);
    put_attribute(out, "name", suite->items[first].file);
    fprintf(out,
            " timestamp=\"%s\" hostname=\"localhost\" tests=\"%u\" failures=\"%u\" errors=\"%u\" "
            "skipped=\"%u\" time=\"%.3f\">\n    <properties/>\n",
            when, counts.tests, counts.failures, counts.errors, counts.skipped, counts.seconds);
    for (uint32_t item = first; item < end; item++) {
        uint32_t r = test_suite_first(suite, item);
        for (; r != SIM_NONE; r = test_suite_next(suite, r)) {
            if (suite->runs[r].done) {
                put_case(out, suite, r);
            }
        }
    }
    fputs("    <system-out/>\n    <system-err/>\n  </testsuite>\n", out);
}

bool test_document_junit(const struct test_document *document, const char *path)
{
    const struct test_suite *suite = document->suite;
    FILE *out = fopen(path, "w");
    uint32_t id = 0;
    if (out != NULL) {
        fputs("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<testsuites>\n", out);
        for (uint32_t first = 0, end; first < suite->item_count; first = end) {
            for (end = first + 1;
                 end < suite->item_count && suite->items[end].file == suite->items[first].file;
                 end++) {
            }
            put_suite(out, document, first, end, id++);
        }
        fputs("</testsuites>\n", out);
    }
    return test_baseline_close(out, path);
}

/* ---- JSON ---------------------------------------------------------------------------------------------------------------------- */

static json_t *text_json(const char *text)
{
    char *copy = clean(text);
    json_t *string = json_string(copy);
    SIM_ASSERT(string != NULL);
    free(copy);
    return string;
}

static const char *verdict_of(enum test_outcome outcome)
{
    static const char *const words[] = {
        [TEST_PASSED] = "pass", [TEST_FAILED] = "fail",   [TEST_UNKNOWN] = "unknown",
        [TEST_ERROR] = "error", [TEST_DEFECT] = "defect", [TEST_SKIPPED] = "skip",
    };
    return words[outcome];
}

static json_t *run_json(const struct test_suite *suite, uint32_t index)
{
    const struct test_run *run = &suite->runs[index];
    const struct test_item *item = &suite->items[run->item];
    char *name = test_suite_run_name(suite, index), *repeat = test_suite_repeat(suite, index);
    json_t *object = json_object();
    json_object_set_new(object, "name", text_json(name));
    json_object_set_new(object, "file", text_json(item->file));
    json_object_set_new(
        object, "cell",
        text_json(item->cells != NULL ? scenario_cell_text(item->cells, item->cell) : ""));
    if (run->has_hash || run->has_seed) {
        json_object_set_new(object, "seed", json_integer(run->seed));
    }
    json_object_set_new(object, "verdict", json_string(verdict_of(run->outcome)));
    json_object_set_new(object, "status", json_integer(run->status));
    json_object_set_new(object, "failed_by", json_string(run->failed_by));
    json_object_set_new(object, "message", text_json(run->message != NULL ? run->message : ""));
    if (run->has_hash) {
        json_object_set_new(object, "run_hash", json_string(run->hash));
        json_object_set_new(object, "draws", json_integer((json_int_t)run->draws));
        json_object_set_new(object, "events", json_integer((json_int_t)run->events));
        json_object_set_new(object, "simulated_ns", json_integer(run->simulated_ns));
    }
    json_object_set_new(object, "cpu_seconds", json_real(run->cpu_seconds));
    json_object_set_new(object, "wall_seconds", json_real(run->wall_seconds));
    json_object_set_new(object, "metrics", test_suite_metrics(suite, index));
    json_object_set_new(object, "repeat", json_pack("{s:o}", "command", text_json(repeat)));
    if (run->artifacts != NULL) {
        json_object_set_new(object, "artifacts", text_json(run->artifacts));
    }
    free(repeat);
    free(name);
    return object;
}

/* Run by run: a nightly suite has a hundred thousand of them. */
static void put_runs(const struct test_suite *suite, FILE *out)
{
    const char *comma = "\n";
    for (uint32_t item = 0; item < suite->item_count; item++) {
        uint32_t r = test_suite_first(suite, item);
        for (; r != SIM_NONE; r = test_suite_next(suite, r)) {
            if (suite->runs[r].done) {
                json_t *object = run_json(suite, r);
                fputs(comma, out);
                json_dumpf(object, out, JSON_INDENT(1) | JSON_REAL_PRECISION(6));
                json_decref(object);
                comma = ",\n";
            }
        }
    }
}

bool test_document_json(const struct test_document *document, const char *path)
{
    const struct test_suite *suite = document->suite;
    FILE *out = fopen(path, "w");
    uint64_t seeds_skipped = 0;
    for (uint32_t item = 0; item < suite->item_count; item++) {
        seeds_skipped += suite->items[item].seeds_skipped;
    }
    if (out != NULL) {
        fprintf(out,
                "{\n\"schema\": %d,\n\"orrery\": \"%s\",\n\"status\": %d,\n\"shard\": %u,\n"
                "\"shards\": %u,\n\"seeds_skipped\": %llu,\n\"wall_seconds\": %.3f,\n\"runs\": [",
                REPORT_SCHEMA, ORRERY_VERSION, document->status, suite->options.shard + 1,
                suite->options.shard_count, (unsigned long long)seeds_skipped,
                document->wall_seconds);
        put_runs(suite, out);
        fputs("\n]", out);
        if (document->baseline != NULL) {
            fputs(",\n\"moved\": ", out);
            json_dumpf(test_baseline_moved(document->baseline), out, JSON_INDENT(1));
        }
        fputs("\n}\n", out);
    }
    return test_baseline_close(out, path);
}
