#include "cli/cell_columns.h"

#include "sim/assert.h"
#include "testbed/expression.h"
#include "testbed/report_docs.h"
#include "testbed/report_private.h"

#include <string.h>

/* ---- values ---------------------------------------------------------------------------------------------------------------------- */

static void say(const struct property_row *row, struct cell_value *value)
{
    char figure[REPORT_FIGURE_BYTES];
    uint64_t number = value->number > 0 ? (uint64_t)value->number : 0;
    const char *text = figure;
    enum quantity_kind unit = row->type == PROPERTY_INSTANT ? QUANTITY_TIME : row->unit;
    bool plain = row->type != PROPERTY_QUANTITY && row->type != PROPERTY_INSTANT;
    if (value->is_word || !value->known) {
        return;
    }
    if (plain || value->number < 0) {
        snprintf(figure, sizeof figure, "%lld", (long long)value->number);
    } else if (unit == QUANTITY_TIME) {
        text = report_time(value->number, figure);
    } else if (unit == QUANTITY_SIZE) {
        text = report_size(number, figure);
    } else if (unit == QUANTITY_RATE) {
        text = report_rate(number, figure);
    } else {
        text = report_count(number, figure);
    }
    snprintf(value->text, sizeof value->text, "%s", text);
}

static struct cell_value value_of(const struct run_result *result, struct scenario_part part,
                                  const struct property_row *row)
{
    struct cell_value value = {.text = "-"};
    struct expression_value found = judge_value(result->judge, part, row);
    value.known = found.known;
    value.is_word = row->type == PROPERTY_WORD || row->type == PROPERTY_NODE;
    value.number = value.is_word ? 0 : found.number;
    if (value.known && value.is_word) {
        snprintf(value.text, sizeof value.text, "%s", found.word);
    }
    say(row, &value);
    return value;
}

static void name(struct cell_value *value, const char *heading, const struct property_row *row)
{
    snprintf(value->heading, sizeof value->heading, "%s", heading);
    snprintf(value->metric, sizeof value->metric, "%s%s", heading, report_metric_suffix(row));
}

/* ---- the columns where none are named ----------------------------------------------------------------------------------------------- */

/* A property of all migrations together: the largest, or the sum. With one migration it bears its name. */
static struct cell_value of_migrations(const struct run_result *result, const char *property,
                                       bool sum, const char *heading)
{
    const struct scenario *scenario = result->scenario;
    const struct property_row *row = NULL;
    struct cell_value value = {.text = "-"};
    uint32_t count = 0, last = 0;
    for (uint32_t i = 0; i < scenario->item_count; i++) {
        struct scenario_part part = {SCENARIO_ACTION, i};
        if (scenario->timeline[i].kind != SCENARIO_MIGRATE) {
            continue;
        }
        row = property_find(property_class(scenario, part), property);
        SIM_ASSERT(row != NULL);
        struct cell_value one = value_of(result, part, row);
        if (one.known) {
            bool first = !value.known;
            value.known = true;
            value.number = first ? one.number
                           : sum ? value.number + one.number
                                 : (one.number > value.number ? one.number : value.number);
        }
        count++;
        last = i;
    }
    SIM_ASSERT(row != NULL);
    say(row, &value);
    char own[96];
    snprintf(own, sizeof own, "%s.%s", scenario->timeline[last].name, property);
    name(&value, count == 1 ? own : heading, row);
    return value;
}

static uint32_t usual_columns(const struct run_result *result,
                              struct cell_value values[CELL_COLUMNS_MAX])
{
    const struct scenario *scenario = result->scenario;
    static const char *const properties[] = {"lost", "longest-gap"};
    uint32_t migrations = 0, count = 0;
    for (uint32_t i = 0; i < scenario->item_count; i++) {
        migrations += scenario->timeline[i].kind == SCENARIO_MIGRATE;
    }
    if (migrations > 0) {
        values[count++] = of_migrations(result, "downtime", false, "longest-downtime");
        values[count++] = of_migrations(result, "total-time", false, "longest-time");
        values[count++] = of_migrations(result, "rounds", true, "all-rounds");
    }
    for (uint32_t i = 0; i < scenario->item_count && count == 0; i++) {
        struct scenario_part part = {SCENARIO_ACTION, i};
        for (size_t p = 0; p < sizeof properties / sizeof properties[0]; p++) {
            const struct property_row *row =
                property_find(property_class(scenario, part), properties[p]);
            if (row != NULL) {
                char heading[96];
                snprintf(heading, sizeof heading, "%s.%s", scenario->timeline[i].name,
                         properties[p]);
                values[count] = value_of(result, part, row);
                name(&values[count++], heading, row);
            }
        }
    }
    return count;
}

/* ---- the columns that are named --------------------------------------------------------------------------------------------------- */

static void add_property(const struct run_result *result, const struct expression *property,
                         const char *heading, struct cell_value *value)
{
    const struct expression_reference *reference = &property->references[0];
    SIM_ASSERT(property->reference_count == 1);
    *value = value_of(result, reference->part, reference->property);
    name(value, property->text, reference->property);
    if (heading != NULL) {
        snprintf(value->heading, sizeof value->heading, "%s", heading);
    }
}

static uint32_t named_columns(const struct run_result *result,
                              struct cell_value values[CELL_COLUMNS_MAX])
{
    const struct scenario *scenario = result->scenario;
    _Static_assert(SCENARIO_COLUMNS_MAX < CELL_COLUMNS_MAX, "and one more for the best");
    SIM_ASSERT(scenario->report_count <= SCENARIO_COLUMNS_MAX);
    for (uint32_t i = 0; i < scenario->report_count; i++) {
        const struct scenario_column *column = &scenario->report[i];
        add_property(result, column->show, column->heading, &values[i]);
    }
    return scenario->report_count;
}

/* The column of `best:`, which is added where no other shows the same. How many columns there are then. */
static uint32_t mark_best(const struct run_result *result, uint32_t count,
                          struct cell_value values[CELL_COLUMNS_MAX])
{
    const struct scenario_best *best = &result->scenario->best;
    struct cell_value value;
    uint32_t column = 0;
    if (best->source == NULL) {
        return count;
    }
    add_property(result, best->of, NULL, &value);
    while (column < count && strcmp(values[column].metric, value.metric) != 0) {
        column++;
    }
    if (column == count) {
        SIM_ASSERT(count < CELL_COLUMNS_MAX);
        values[count++] = value;
    }
    values[column].best = best->kind == SCENARIO_BEST_MIN ? -1 : 1;
    return count;
}

/* ---- from child to parent --------------------------------------------------------------------------------------------------------- */

void cell_columns_write(const struct run_result *result, FILE *out)
{
    struct cell_value values[CELL_COLUMNS_MAX];
    uint32_t count = result->scenario->report_count > 0 ? named_columns(result, values)
                                                        : usual_columns(result, values);
    count = mark_best(result, count, values);
    fwrite(values, sizeof values[0], count, out);
}

uint32_t cell_columns_read(const char *bytes, size_t length,
                           struct cell_value values[CELL_COLUMNS_MAX])
{
    size_t count = length / sizeof values[0];
    SIM_ASSERT(length % sizeof values[0] == 0);
    SIM_ASSERT(count <= CELL_COLUMNS_MAX);
    memcpy(values, bytes, length);
    return (uint32_t)count;
}
