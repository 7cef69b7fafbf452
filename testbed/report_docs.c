#include "testbed/report_docs.h"

#include "sim/assert.h"
#include "testbed/oracles.h"

#include <jansson.h>
#include <string.h>

/* ---- the fields ---------------------------------------------------------------------------------------------------------------------- */

enum field_type {
    TEXT,
    TEXT_OR_NULL,
    INTEGER,
    FLAG,
    VERDICT,
    OUTCOME_LIMIT,
    TEXTS,
    METRICS,
    OBJECT,
    OBJECTS,
    NUMBER,
    RUN_VERDICT,
    WORDS,
    ANYTHING,
    REPORT
};

struct field {
    const char *name;
    enum field_type type;
    const char *meaning;
    const struct field *fields; /* of an object, or of each of a list; ends with a NULL name */
    bool may_miss;
};

static const struct field migration_fields[] = {
    {"migration", TEXT, "its name in the timeline", NULL, false},
    {"vm", TEXT, "the VM", NULL, false},
    {"from", TEXT_OR_NULL, "the source; null where no node took the order", NULL, false},
    {"to", TEXT, "the target", NULL, false},
    {"step", TEXT, "the step that it was in when it ended, or is in", NULL, false},
    {"how", TEXT, "how it ended, in words; empty where it did not", NULL, false},
    {"rule", TEXT, "the rule that ended its rounds; empty where none did", NULL, false},
    {"limit", OUTCOME_LIMIT, "what was full", NULL, false},
    {"goodput_bps", INTEGER, "bits a second of all rounds before the pause", NULL, false},
    {"capacity_bps", INTEGER,
     "what TCP can carry over the network that it went over; 0 where unknown", NULL, false},
    {"why", TEXT, "the reasons, in words", NULL, false},
    {0},
};
static const struct field round_fields[] = {
    {"migration", TEXT, "its name in the timeline", NULL, false},
    {"round", INTEGER, "from 1", NULL, false},
    {"final", FLAG, "sent after the pause", NULL, false},
    {"began_ns", INTEGER, "when it began", NULL, false},
    {"took_ns", INTEGER, "until the target had confirmed it", NULL, false},
    {"pages", INTEGER, "pages sent", NULL, false},
    {"zero_pages", INTEGER, "how many of those as a mark", NULL, false},
    {"sent_bytes", INTEGER, "bytes sent, messages included", NULL, false},
    {"dirtied_pages", INTEGER, "pages written meanwhile", NULL, false},
    {"pause_if_stopped_ns", INTEGER, "what sending those would have taken", NULL, false},
    {0},
};
static const struct field timeout_fields[] = {
    {"migration", TEXT, "its name in the timeline", NULL, false},
    {"step", TEXT, "the step", NULL, false},
    {"count", INTEGER, "retransmission time-outs of TCP at its two nodes in that step", NULL,
     false},
    {"waited_ns", INTEGER, "how long one or more of those waited", NULL, false},
    {0},
};
static const struct field expectation_fields[] = {
    {"text", TEXT, "as the scenario has it", NULL, false},
    {"verdict", VERDICT, "unknown: it speaks of something that did not happen", NULL, false},
    {"actual", TEXT, "the value that was compared, for people", NULL, false},
    {"decided_at_ns", INTEGER, "when `never`, `always` or `within` was decided before the end",
     NULL, true},
    {0},
};
static const struct field oracle_fields[] = {
    {"name", TEXT, "see below", NULL, false},
    {"verdict", VERDICT, "unknown: it had nothing to judge", NULL, false},
    {"judged", INTEGER, "how often it judged", NULL, false},
    {"at_ns", INTEGER, "of one that failed: the first violation", NULL, true},
    {"what", TEXT, "of one that failed: what was wrong", NULL, true},
    {0},
};
static const struct field repeat_fields[] = {
    {"command", TEXT, "the command that repeats the run", NULL, false},
    {0},
};
static const struct field document_fields[] = {
    {"schema", INTEGER, "version of this document: 1", NULL, false},
    {"orrery", TEXT, "version of the program", NULL, false},
    {"scenario", TEXT, "the file, as it was given", NULL, false},
    {"name", TEXT, "the scenario's name", NULL, false},
    {"seed", INTEGER, "the seed of all chances", NULL, false},
    {"verdict", VERDICT, "of the run", NULL, false},
    {"failed_by", TEXT, "`oracle` or `expectation`; empty where nothing failed", NULL, false},
    {"run_hash", TEXT, "16 hexadecimal digits: equal for equal runs", NULL, false},
    {"simulated_ns", INTEGER, "simulated time at the end", NULL, false},
    {"events", INTEGER, "events that ran", NULL, false},
    {"draws", INTEGER, "draws of chance; 0: with another seed the same would happen", NULL, false},
    {"ended", TEXT, "why the run ended", NULL, false},
    {"happened", TEXTS, "what happened, to whom: the sentences of the report", NULL, false},
    {"metrics", METRICS, "every property that has a value, sorted by name", NULL, false},
    {"migrations", OBJECTS, "each migration that began", migration_fields, false},
    {"rounds", OBJECTS, "rounds of pages of all migrations", round_fields, false},
    {"timeouts", OBJECTS, "steps of migrations that met time-outs", timeout_fields, false},
    {"expectations", OBJECTS, "in the scenario's order", expectation_fields, false},
    {"oracles", OBJECTS, "what holds in every run", oracle_fields, false},
    {"repeat", OBJECT, "how to see it again", repeat_fields, false},
    {0},
};

/* ---- documents of several runs ---------------------------------------------------------------------------------------------------------- */

static const struct field cell_fields[] = {
    {"cell", TEXT, "as `--cell` takes it", NULL, false},
    {"values", WORDS, "what each varied name is in it", NULL, false},
    {"verdict", RUN_VERDICT, "of its run", NULL, false},
    {"status", INTEGER, "exit status of its run", NULL, false},
    {"message", TEXT, "what failed first; empty where all held", NULL, false},
    {"repeat", OBJECT, "how to see it again", repeat_fields, false},
    {"report", REPORT, "the document of its run", NULL, true},
    {0},
};
static const struct field table_fields[] = {
    {"schema", INTEGER, "version of this document: 1", NULL, false},
    {"orrery", TEXT, "version of the program", NULL, false},
    {"scenario", TEXT, "the file, as it was given", NULL, false},
    {"columns", TEXTS, "the metrics that the table shows", NULL, false},
    {"best", TEXT_OR_NULL, "the cell that is marked; null where none is", NULL, false},
    {"cells", OBJECTS, "in the order of the table", cell_fields, false},
    {0},
};
static const struct field sweep_group_fields[] = {
    {"struck", TEXT, "the step, and what the frame was", NULL, false},
    {"outcome", TEXT, "`held` `failed` `oracle` `unknown` `defect`", NULL, false},
    {"failed", TEXT, "the oracle or expectation; empty where all held", NULL, false},
    {"actual", TEXT, "what was found instead", NULL, false},
    {"points", INTEGER, "how many", NULL, false},
    {"first_point", INTEGER, "the first of them", NULL, false},
    {"first_hash", TEXT, "its run hash", NULL, false},
    {"repeat", TEXT, "the command that repeats the first", NULL, false},
    {0},
};
static const struct field sweep_inner_fields[] = {
    {"at", TEXT, "as the scenario has it", NULL, false},
    {"points", INTEGER, "how many there are", NULL, false},
    {"held", INTEGER, "at how many all held", NULL, false},
    {"without_fault", TEXT, "what came of the run without the fault", NULL, false},
    {"groups", OBJECTS, "points of one sort, in the order of their first", sweep_group_fields,
     false},
    {0},
};
static const struct field sweep_fields[] = {
    {"schema", INTEGER, "version of this document: 1", NULL, false},
    {"orrery", TEXT, "version of the program", NULL, false},
    {"scenario", TEXT, "the file, as it was given", NULL, false},
    {"name", TEXT, "the scenario's name", NULL, false},
    {"seed", INTEGER, "the seed of all chances", NULL, false},
    {"verdict", VERDICT, "of all runs", NULL, false},
    {"run_hash", TEXT, "of the points and their run hashes, in order", NULL, false},
    {"sweep", OBJECT, "what came of the points", sweep_inner_fields, false},
    {"repeat", OBJECT, "how to see it again", repeat_fields, false},
    {0},
};
static const struct field suite_run_fields[] = {
    {"name", TEXT, "file, cell and seed", NULL, false},
    {"file", TEXT, "the file, as it was found", NULL, false},
    {"cell", TEXT, "as `--cell` takes it; empty where the file does not vary", NULL, false},
    {"seed", INTEGER, "the seed of all chances", NULL, true},
    {"verdict", RUN_VERDICT, "of the run; `skip` for a file that is no scenario", NULL, false},
    {"status", INTEGER, "exit status, as of `orrery run`", NULL, false},
    {"failed_by", TEXT, "`oracle` or `expectation`; empty where nothing failed", NULL, false},
    {"message", TEXT, "what was wrong first; empty where nothing was", NULL, false},
    {"run_hash", TEXT, "16 hexadecimal digits: equal for equal runs", NULL, true},
    {"draws", INTEGER, "draws of chance", NULL, true},
    {"events", INTEGER, "events that ran", NULL, true},
    {"simulated_ns", INTEGER, "simulated time at the end", NULL, true},
    {"cpu_seconds", NUMBER, "processor time that it took", NULL, false},
    {"wall_seconds", NUMBER, "real time that it took", NULL, false},
    {"metrics", METRICS, "every property that has a value", NULL, false},
    {"repeat", OBJECT, "how to see it again", repeat_fields, false},
    {"artifacts", TEXT, "folder with recording, captures and reports of its repeat", NULL, true},
    {0},
};
static const struct field moved_fields[] = {
    {"name", TEXT, "of the run", NULL, false},
    {"metric", TEXT, "its name", NULL, false},
    {"was", ANYTHING, "integer, text, or null where it had no value", NULL, false},
    {"is", ANYTHING, "the same now", NULL, false},
    {0},
};
static const struct field suite_fields[] = {
    {"schema", INTEGER, "version of this document: 1", NULL, false},
    {"orrery", TEXT, "version of the program", NULL, false},
    {"status", INTEGER, "exit status of the command", NULL, false},
    {"shard", INTEGER, "which part this was, from 1", NULL, false},
    {"shards", INTEGER, "of how many", NULL, false},
    {"seeds_skipped", INTEGER, "runs not made because no chance was drawn", NULL, false},
    {"wall_seconds", NUMBER, "real time of all runs", NULL, false},
    {"runs", OBJECTS, "those that were made", suite_run_fields, false},
    {"moved", OBJECTS, "with `--baseline`: metrics that are not what they were", moved_fields,
     true},
    {0},
};

/* ---- names of metrics ----------------------------------------------------------------------------------------------------------------- */

const char *report_metric_suffix(const struct property_row *row)
{
    if (row->type == PROPERTY_INSTANT) {
        return "_ns";
    }
    if (row->type != PROPERTY_QUANTITY) {
        return "";
    }
    static const char *const suffixes[QUANTITY_KINDS] = {
        [QUANTITY_TIME] = "_ns",    [QUANTITY_SIZE] = "_bytes",
        [QUANTITY_RATE] = "_bps",   [QUANTITY_FREQUENCY] = "_per_hour",
        [QUANTITY_SHARE] = "_ppb",  [QUANTITY_DRIFT] = "_ppb",
        [QUANTITY_FACTOR] = "_ppb", [QUANTITY_COUNT] = "",
    };
    /* `bytes-sent` says its unit. */
    bool says = row->unit == QUANTITY_SIZE && strncmp(row->name, "bytes", strlen("bytes")) == 0;
    return says ? "" : suffixes[row->unit];
}

/* "VM", "live-migrate", ...: whose property it is. */
static void print_classes(FILE *out, uint32_t classes)
{
    const char *comma = "";
    if ((classes & PROPERTY_OF_ANY_ACTION) == PROPERTY_OF_ANY_ACTION) {
        fputs("any item of the timeline", out);
        return;
    }
    for (uint32_t kind = 1; kind < SCENARIO_ACTION; kind++) {
        if ((classes & PROPERTY_CLASS(kind)) != 0) {
            fprintf(out, "%s%s", comma, scenario_part_kind_name((enum scenario_part_kind)kind));
            comma = ", ";
        }
    }
    for (uint32_t kind = 1; kind < SCENARIO_ACTIONS; kind++) {
        if ((classes & PROPERTY_OF(kind)) != 0) {
            fprintf(out, "%s`%s`", comma, scenario_action_word((enum scenario_action_kind)kind));
            comma = ", ";
        }
    }
}

static void print_metrics(FILE *out)
{
    fputs(
        "## Metrics\n\n"
        "A metric has the name that an expectation writes, `PART.PROPERTY`, and behind it the unit "
        "of its value: `_ns`, `_bytes`,\n"
        "`_bps` (bits a second), `_per_hour`, `_ppb`; counts, words, and what begins with `bytes` "
        "have none. Values are "
        "integers, or words. What has no value in a\n"
        "run is not there. In jq: `.metrics[\"move.downtime_ns\"]`.\n\n"
        "| of | metric | value | meaning |\n|---|---|---|---|\n",
        out);
    for (uint32_t i = 0; i < property_table_count; i++) {
        const struct property_row *row = &property_table[i];
        fputs("| ", out);
        print_classes(out, row->classes);
        fprintf(out, " | `NAME.%s%s` | ", row->name, report_metric_suffix(row));
        if (row->type == PROPERTY_WORD) {
            for (uint32_t word = 0; row->words[word] != NULL; word++) {
                fprintf(out, "%s`%s`", word == 0 ? "" : " ", row->words[word]);
            }
        } else {
            fputs(row->type == PROPERTY_NODE   ? "the name of a node"
                  : row->type == PROPERTY_FLAG ? "0 or 1"
                                               : "integer",
                  out);
        }
        fprintf(out, " | %s |\n", row->meaning);
    }
}

/* ---- docs/metrics.md -------------------------------------------------------------------------------------------------------------------- */

static const char *const type_words[] = {
    [TEXT] = "text",
    [TEXT_OR_NULL] = "text or null",
    [INTEGER] = "integer",
    [FLAG] = "true or false",
    [VERDICT] = "`pass` `fail` `unknown`",
    [OUTCOME_LIMIT] = "`none` `guest` `link` `processor` `losses` `target`",
    [TEXTS] = "list of texts",
    [METRICS] = "see [Metrics](#metrics)",
    [OBJECT] = "object",
    [OBJECTS] = "list",
    [NUMBER] = "number",
    [RUN_VERDICT] = "`pass` `fail` `unknown` `error` `defect` `skip` `not run`",
    [WORDS] = "object of texts",
    [ANYTHING] = "integer, text or null",
    [REPORT] = "see [The document](#the-document)",
};

static void print_fields(FILE *out, const char *title, const struct field *fields)
{
    fprintf(out, "\n### %s\n\n| field | value | meaning |\n|---|---|---|\n", title);
    for (; fields->name != NULL; fields++) {
        fprintf(out, "| `%s` | %s | %s%s |\n", fields->name, type_words[fields->type],
                fields->meaning, fields->may_miss ? " (where there is one)" : "");
    }
}

static void print_limits(FILE *out)
{
    fputs("\n### Limits\n\n"
          "`limit` names what was full while pages went, the first that applies:\n\n"
          "| limit | when |\n|---|---|\n"
          "| `target` | it refused |\n"
          "| `guest` | it did not converge, and the last round left at least three quarters of the "
          "pages that it had sent written again |\n"
          "| `link` | goodput was at least 90 % of what TCP can carry over the network, migrations "
          "that shared the link added |\n"
          "| `policy` | it allowed no higher rate |\n"
          "| `processor` | the software of one of the nodes worked at least 80 % of the time that "
          "its migrations took |\n"
          "| `losses` | TCP met time-outs |\n"
          "| `none` | nothing was full, or it never came to pages |\n",
          out);
}

static void print_oracles(FILE *out)
{
    fputs("\n### Oracles\n\n| name | what must hold |\n|---|---|\n", out);
    for (uint32_t i = 0; i < ORACLES; i++) {
        fprintf(out, "| `%s` | %s |\n", oracle_name((enum oracle)i),
                oracle_meaning((enum oracle)i));
    }
}

void report_docs_print(FILE *out)
{
    fputs("# Metrics and the JSON report\n\n"
          "<!-- Printed by `orrery docs metrics` from the tables that the judge answers by; edit "
          "those. -->\n\n"
          "`orrery run FILE --json OUT` writes what the report says, and every metric, as one JSON "
          "document. Its schema is\n"
          "`docs/report.schema.json`.\n\n",
          out);
    print_metrics(out);
    fputs("\n## The document\n", out);
    print_fields(out, "The whole", document_fields);
    for (const struct field *field = document_fields; field->name != NULL; field++) {
        if (field->fields != NULL) {
            print_fields(out, field->name, field->fields);
        }
    }
    print_limits(out);
    print_oracles(out);
    fputs("\n## Several cells\n\n`orrery run FILE --json OUT` of a scenario that varies writes the "
          "table, and the document of "
          "each cell in it.\n",
          out);
    print_fields(out, "The table", table_fields);
    print_fields(out, "cells", cell_fields);
    fputs("\n## A sweep\n\n`orrery run FILE --json OUT` of a scenario that sweeps, without "
          "`--point`, "
          "writes what came of all its points.\n",
          out);
    print_fields(out, "The sweep's document", sweep_fields);
    print_fields(out, "sweep", sweep_inner_fields);
    print_fields(out, "groups", sweep_group_fields);
    fputs("\n## A test suite\n\n`orrery test PATH... --json OUT` writes the runs that it made.\n",
          out);
    print_fields(out, "The suite", suite_fields);
    print_fields(out, "runs", suite_run_fields);
    print_fields(out, "moved", moved_fields);
}

/* ---- docs/report.schema.json ---------------------------------------------------------------------------------------------------------------- */

static json_t *object_schema(const struct field *fields);

static json_t *words_schema(const char *const *words, size_t count)
{
    json_t *array = json_array();
    for (size_t i = 0; i < count; i++) {
        json_array_append_new(array, json_string(words[i]));
    }
    return json_pack("{s:o}", "enum", array);
}

static json_t *field_schema(const struct field *field)
{
    static const char *const verdicts[] = {"pass", "fail", "unknown"};
    static const char *const run_verdicts[] = {"pass",   "fail", "unknown", "error",
                                               "defect", "skip", "not run"};
    static const char *const limits[] = {"none",   "guest",  "link",  "processor",
                                         "losses", "target", "policy"};
    switch (field->type) {
    case TEXT:
        return json_pack("{s:s}", "type", "string");
    case TEXT_OR_NULL:
        return json_pack("{s:[s,s]}", "type", "string", "null");
    case INTEGER:
        return json_pack("{s:s}", "type", "integer");
    case FLAG:
        return json_pack("{s:s}", "type", "boolean");
    case VERDICT:
        return words_schema(verdicts, 3);
    case OUTCOME_LIMIT:
        return words_schema(limits, 7);
    case TEXTS:
        return json_pack("{s:s,s:{s:s}}", "type", "array", "items", "type", "string");
    case METRICS:
        return json_pack("{s:s,s:{s:[s,s]}}", "type", "object", "additionalProperties", "type",
                         "integer", "string");
    case OBJECT:
        return object_schema(field->fields);
    case OBJECTS:
        return json_pack("{s:s,s:o}", "type", "array", "items", object_schema(field->fields));
    case NUMBER:
        return json_pack("{s:s}", "type", "number");
    case RUN_VERDICT:
        return words_schema(run_verdicts, sizeof run_verdicts / sizeof run_verdicts[0]);
    case WORDS:
        return json_pack("{s:s,s:{s:s}}", "type", "object", "additionalProperties", "type",
                         "string");
    case ANYTHING:
        return json_pack("{s:[s,s,s]}", "type", "integer", "string", "null");
    case REPORT:
        return json_pack("{s:s}", "$ref", "#/$defs/run");
    }
    return NULL;
}

static json_t *object_schema(const struct field *fields)
{
    json_t *properties = json_object(), *required = json_array();
    for (; fields->name != NULL; fields++) {
        json_t *schema = field_schema(fields);
        SIM_ASSERT(schema != NULL);
        json_object_set_new(schema, "description", json_string(fields->meaning));
        json_object_set_new(properties, fields->name, schema);
        if (!fields->may_miss) {
            json_array_append_new(required, json_string(fields->name));
        }
    }
    return json_pack("{s:s,s:o,s:o,s:b}", "type", "object", "properties", properties, "required",
                     required, "additionalProperties", false);
}

/* A document of its own, with what all of them have. */
static json_t *document_schema(const struct field *fields)
{
    json_t *document = object_schema(fields);
    json_t *properties = json_object_get(document, "properties");
    json_object_set_new(json_object_get(properties, "schema"), "const",
                        json_integer(REPORT_SCHEMA));
    return document;
}

void report_schema_print(FILE *out)
{
    json_t *run = document_schema(document_fields);
    json_object_set_new(json_object_get(json_object_get(run, "properties"), "run_hash"), "pattern",
                        json_string("^[0-9a-f]{16}$"));
    json_t *schema =
        json_pack("{s:s, s:s, s:[{s:s},{s:s},{s:s},{s:s}], s:{s:o,s:o,s:o,s:o}}", "$schema",
                  "https://json-schema.org/draft/2020-12/schema", "title",
                  "What orrery run and orrery test write as JSON", "anyOf", "$ref", "#/$defs/run",
                  "$ref", "#/$defs/table", "$ref", "#/$defs/suite", "$ref", "#/$defs/sweep",
                  "$defs", "run", run, "table", document_schema(table_fields), "suite",
                  document_schema(suite_fields), "sweep", document_schema(sweep_fields));
    SIM_ASSERT(schema != NULL);
    int error = json_dumpf(schema, out, JSON_INDENT(2));
    SIM_ASSERT(error == 0 || ferror(out));
    fputc('\n', out);
    json_decref(schema);
}
