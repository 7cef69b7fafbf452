/* The report as a JSON document; its fields stand in testbed/report_docs.c. */
#include "sim/assert.h"
#include "testbed/part_names.h"
#include "testbed/report_docs.h"
#include "testbed/report_private.h"

#include <jansson.h>
#include <stdlib.h>
#include <string.h>

/* jansson's errors are those of memory and of text that is not UTF-8; the loader has refused the latter. */
static void set(json_t *object, const char *key, json_t *value)
{
    int error = json_object_set_new(object, key, value);
    SIM_ASSERT(error == 0);
}

static void set_integer(json_t *object, const char *key, uint64_t value)
{
    set(object, key, json_integer(value > INT64_MAX ? INT64_MAX : (json_int_t)value));
}

static void set_text(json_t *object, const char *key, const char *value)
{
    set(object, key, json_string(value));
}

static void append(json_t *array, json_t *value)
{
    int error = json_array_append_new(array, value);
    SIM_ASSERT(error == 0);
}

static const char *verdict_word(enum truth held)
{
    return held == TRUTH_TRUE ? "pass" : held == TRUTH_FALSE ? "fail" : "unknown";
}

/* ---- metrics ------------------------------------------------------------------------------------------------------------------------ */

struct metric {
    char name[256];
    struct expression_value value;
    bool is_word;
};

struct metrics {
    struct metric *items;
    size_t count, capacity;
};

static void add_metric(struct metrics *metrics, const struct run_result *result,
                       struct scenario_part part, const struct property_row *row)
{
    struct expression_value value = judge_value(result->judge, part, row);
    if (!value.known) {
        return;
    }
    if (metrics->count == metrics->capacity) {
        metrics->capacity = metrics->capacity == 0 ? 256 : metrics->capacity * 2;
        metrics->items = realloc(metrics->items, metrics->capacity * sizeof *metrics->items);
        SIM_ASSERT(metrics->items != NULL);
    }
    struct metric *metric = &metrics->items[metrics->count++];
    metric->value = value;
    metric->is_word = row->type == PROPERTY_WORD || row->type == PROPERTY_NODE;
    snprintf(metric->name, sizeof metric->name, "%s.%s%s",
             scenario_part_name(result->scenario, part), row->name, report_metric_suffix(row));
}

static void add_part(struct metrics *metrics, const struct run_result *result,
                     struct scenario_part part)
{
    uint32_t class_bit = property_class(result->scenario, part);
    for (uint32_t i = 0; i < property_table_count; i++) {
        if ((property_table[i].classes & class_bit) != 0) {
            add_metric(metrics, result, part, &property_table[i]);
        }
    }
}

/* Names are unique: no two parts share one, nor two properties of a class. */
static int by_name(const void *a, const void *b)
{
    return strcmp(((const struct metric *)a)->name, ((const struct metric *)b)->name);
}

static json_t *metrics_json(const struct run_result *result)
{
    const struct scenario *scenario = result->scenario;
    struct metrics metrics = {0};
    json_t *object = json_object();
    for (uint32_t i = 0; i < scenario->name_count; i++) {
        if (part_names_repetitions(scenario, &scenario->names[i]) == 1) {
            add_part(&metrics, result, scenario->names[i].part);
        }
    }
    qsort(metrics.items, metrics.count, sizeof *metrics.items, by_name);
    for (size_t i = 0; i < metrics.count; i++) {
        const struct metric *metric = &metrics.items[i];
        set(object, metric->name,
            metric->is_word ? json_string(metric->value.word) : json_integer(metric->value.number));
    }
    free(metrics.items);
    return object;
}

/* ---- migrations ---------------------------------------------------------------------------------------------------------------------- */

static bool is_begun_migration(const struct run_result *result, uint32_t item)
{
    return result->scenario->timeline[item].kind == SCENARIO_MIGRATE &&
           judge_action_start(result->judge, item) != SIM_NEVER;
}

static json_t *migration_json(const struct run_result *result, uint32_t item)
{
    const struct scenario *scenario = result->scenario;
    const struct scenario_migrate *migrate = &scenario->timeline[item].action.migrate;
    const struct judge_migration *m = judge_migration(result->judge, item);
    struct report_why why;
    json_t *object = json_object();
    report_explain(result, item, &why);
    set_text(object, "migration", scenario->timeline[item].name);
    set_text(object, "vm", scenario->vms[migrate->vm].name);
    set(object, "from",
        m->from_node != SIM_NONE ? json_string(scenario->nodes[m->from_node].name) : json_null());
    set_text(object, "to", scenario->nodes[m->to_node].name);
    set_text(object, "step", judge_step_word(report_last_step(m)));
    set_text(object, "how", m->ended ? m->how : "");
    set_text(object, "rule", m->rule);
    set_text(object, "limit", report_limit_word(why.limit));
    set_integer(object, "goodput_bps", why.goodput_bps);
    set_integer(object, "capacity_bps", why.capacity_bps);
    set_text(object, "why", why.text.bytes);
    return object;
}

static json_t *round_json(const char *migration, const struct judge_round *round, bool final)
{
    json_t *object = json_object();
    set_text(object, "migration", migration);
    set_integer(object, "round", round->round);
    set(object, "final", json_boolean(final));
    set_integer(object, "began_ns", (uint64_t)round->began);
    set_integer(object, "took_ns", (uint64_t)round->took);
    set_integer(object, "pages", round->pages);
    set_integer(object, "zero_pages", round->zero_pages);
    set_integer(object, "sent_bytes", round->bytes);
    set_integer(object, "dirtied_pages", round->dirtied);
    set_integer(object, "pause_if_stopped_ns", (uint64_t)round->pause_if_stopped);
    return object;
}

static void add_timeouts(json_t *array, const char *migration, const struct judge_migration *m)
{
    for (uint32_t step = 0; step < JUDGE_STEPS; step++) {
        if (m->timeouts[step] == 0) {
            continue;
        }
        json_t *object = json_object();
        set_text(object, "migration", migration);
        set_text(object, "step", judge_step_word((enum judge_step)step));
        set_integer(object, "count", m->timeouts[step]);
        set_integer(object, "waited_ns", (uint64_t)m->waited[step]);
        append(array, object);
    }
}

static void add_migrations(json_t *document, const struct run_result *result)
{
    json_t *migrations = json_array(), *rounds = json_array(), *timeouts = json_array();
    for (uint32_t i = 0; i < result->scenario->item_count; i++) {
        if (!is_begun_migration(result, i)) {
            continue;
        }
        const char *name = result->scenario->timeline[i].name;
        const struct judge_migration *m = judge_migration(result->judge, i);
        append(migrations, migration_json(result, i));
        for (uint32_t round = 0; round < m->round_count; round++) {
            append(rounds, round_json(name, &m->rounds[round],
                                      m->has_final && round + 1 == m->round_count));
        }
        add_timeouts(timeouts, name, m);
    }
    set(document, "migrations", migrations);
    set(document, "rounds", rounds);
    set(document, "timeouts", timeouts);
}

/* ---- what was judged ------------------------------------------------------------------------------------------------------------------- */

static json_t *expectations_json(const struct run_result *result)
{
    json_t *array = json_array();
    for (uint32_t i = 0; i < result->scenario->expect_count; i++) {
        struct judge_expectation expectation;
        json_t *object = json_object();
        judge_expectation(result->judge, i, &expectation);
        set_text(object, "text", result->scenario->expect[i].text);
        set_text(object, "verdict", verdict_word(expectation.held));
        set_text(object, "actual", expectation.actual);
        if (expectation.decided_at != SIM_NEVER) {
            set_integer(object, "decided_at_ns", (uint64_t)expectation.decided_at);
        }
        append(array, object);
    }
    return array;
}

static json_t *oracles_json(const struct run_result *result)
{
    json_t *array = json_array();
    for (uint32_t i = 0; i < ORACLES; i++) {
        struct oracle_verdict verdict;
        json_t *object = json_object();
        oracles_verdict(result->oracles, (enum oracle)i, &verdict);
        set_text(object, "name", verdict.name);
        set_text(object, "verdict", verdict_word(verdict.held));
        set_integer(object, "judged", verdict.judged);
        if (verdict.held == TRUTH_FALSE) {
            set_integer(object, "at_ns", (uint64_t)verdict.at);
            set_text(object, "what", verdict.what);
        }
        append(array, object);
    }
    return array;
}

/* ---- the whole ------------------------------------------------------------------------------------------------------------------------------ */

static void add_line(void *context, const char *text)
{
    append(context, json_string(text));
}

bool report_json(FILE *out, const struct run_result *result)
{
    static const char *const verdicts[] = {
        [RUN_PASS] = "pass", [RUN_FAIL] = "fail", [RUN_UNKNOWN] = "unknown"};
    json_t *document = json_object(), *happened = json_array(), *repeat = json_object();
    set_integer(document, "schema", REPORT_SCHEMA);
    set_text(document, "orrery", result->version != NULL ? result->version : "");
    set_text(document, "scenario", result->scenario->file);
    set_text(document, "name", result->scenario->name != NULL ? result->scenario->name : "");
    set_integer(document, "seed", (uint64_t)result->scenario->seed);
    set_text(document, "verdict", verdicts[result->verdict]);
    set_text(document, "failed_by", result->failed_by);
    set_text(document, "run_hash", result->hash_text);
    set_integer(document, "simulated_ns", (uint64_t)result->simulated_ns);
    set_integer(document, "events", result->events);
    set_integer(document, "draws", result->draws);
    set_text(document, "ended", result->ended != NULL ? result->ended : "");
    report_happened(result, add_line, happened);
    set(document, "happened", happened);
    set(document, "metrics", metrics_json(result));
    add_migrations(document, result);
    set(document, "expectations", expectations_json(result));
    set(document, "oracles", oracles_json(result));
    set_text(repeat, "command", result->repeat);
    set(document, "repeat", repeat);
    bool written = json_dumpf(document, out, JSON_INDENT(2)) == 0 && fputc('\n', out) != EOF;
    json_decref(document);
    return written && ferror(out) == 0;
}

bool report_metrics_json(FILE *out, const struct run_result *result)
{
    json_t *metrics = metrics_json(result);
    bool written = json_dumpf(metrics, out, JSON_COMPACT) == 0;
    json_decref(metrics);
    return written && ferror(out) == 0;
}
