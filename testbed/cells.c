#include "testbed/cells.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "sim/assert.h"
#include "testbed/scenario_tree.h"
#include "testbed/yaml_flow.h"

struct scenario_cells {
    struct scenario_tree tree;
    struct diagnostics
        *sources;       /* the texts that places of the tree point into, numbered as there */
    const char **texts; /* of each cell; in the tree's arena */
    char refusal[512];
};

/* ---- texts --------------------------------------------------------------------------------------------------------- */

static const char *text_of(struct scenario_cells *cells, uint32_t cell)
{
    char *text = NULL;
    size_t length = 0;
    FILE *out = open_memstream(&text, &length);
    SIM_ASSERT(out != NULL);
    for (uint32_t i = 0; i < cells->tree.vary.name_count; i++) {
        fprintf(out, "%s%s=%s", i == 0 ? "" : ",", cells->tree.vary.names[i].name,
                scenario_cell_value(cells, cell, i));
    }
    int closed = fclose(out);
    SIM_ASSERT(closed == 0);
    const char *copy = arena_copy(&cells->tree.arena, text, length);
    free(text);
    return copy;
}

/* ---- loading ------------------------------------------------------------------------------------------------------- */

/* V2. After an error in `vary` or before it, one cell shows what else is wrong. */
static void check_cells(struct scenario_cells *cells, struct diagnostics *diagnostics)
{
    uint32_t count = cells->tree.good ? cells->tree.vary.cell_count : 1;
    for (uint32_t cell = 0; cell < count; cell++) {
        if (count > 1) {
            diagnostics_about(diagnostics, cells->texts[cell]);
        }
        struct scenario *scenario = scenario_tree_load(&cells->tree, cell, 0, diagnostics);
        scenario_free(scenario);
    }
    diagnostics_about(diagnostics, NULL);
}

struct scenario_cells *scenario_cells_load_text(const char *name, const char *text, size_t length,
                                                const struct scenario_options *options,
                                                struct diagnostics *diagnostics)
{
    uint64_t errors_before = diagnostics_reports(diagnostics);
    struct scenario_cells *cells = calloc(1, sizeof(*cells));
    SIM_ASSERT(cells != NULL);
    scenario_tree_read(&cells->tree, name, text, length, options, diagnostics);
    cells->sources = diagnostics_new();
    uint32_t offset = diagnostics_adopt(cells->sources, diagnostics);
    SIM_ASSERT(offset == 0);
    if (cells->tree.good) {
        uint32_t count = cells->tree.vary.cell_count;
        cells->texts = arena_alloc(&cells->tree.arena, count * sizeof(*cells->texts));
        for (uint32_t cell = 0; cell < count; cell++) {
            cells->texts[cell] = text_of(cells, cell);
        }
    }
    check_cells(cells, diagnostics);
    if (diagnostics_reports(diagnostics) > errors_before) {
        scenario_cells_free(cells);
        return NULL;
    }
    return cells;
}

struct scenario_cells *scenario_cells_load_file(const char *path,
                                                const struct scenario_options *options,
                                                struct diagnostics *diagnostics)
{
    size_t length;
    char *text = scenario_tree_text(path, &length, diagnostics);
    if (text == NULL) {
        return NULL;
    }
    struct scenario_options own = options != NULL ? *options : (struct scenario_options){0};
    char *directory = scenario_tree_directory(path);
    own.directory = own.directory != NULL ? own.directory : directory;
    struct scenario_cells *cells = scenario_cells_load_text(path, text, length, &own, diagnostics);
    free(directory);
    free(text);
    return cells;
}

void scenario_cells_free(struct scenario_cells *cells)
{
    if (cells != NULL) {
        scenario_tree_close(&cells->tree);
        diagnostics_free(cells->sources);
        free(cells);
    }
}

struct scenario *scenario_cell_load(const struct scenario_cells *cells, uint32_t cell,
                                    struct diagnostics *diagnostics)
{
    SIM_ASSERT(cell < scenario_cells_count(cells));
    uint32_t offset = diagnostics_adopt(diagnostics, cells->sources);
    return scenario_tree_load(&cells->tree, cell, offset, diagnostics);
}

/* ---- names and values ---------------------------------------------------------------------------------------------- */

uint32_t scenario_cells_count(const struct scenario_cells *cells)
{
    return cells->tree.vary.cell_count;
}

uint32_t scenario_cells_name_count(const struct scenario_cells *cells)
{
    return cells->tree.vary.name_count;
}

const char *scenario_cells_name(const struct scenario_cells *cells, uint32_t name)
{
    SIM_ASSERT(name < cells->tree.vary.name_count);
    return cells->tree.vary.names[name].name;
}

const char *scenario_cell_value(const struct scenario_cells *cells, uint32_t cell, uint32_t name)
{
    const struct yaml_vary_value *value = yaml_vary_value(&cells->tree.vary, cell, name);
    SIM_ASSERT(value != NULL);
    return value->label;
}

const char *scenario_cell_text(const struct scenario_cells *cells, uint32_t cell)
{
    SIM_ASSERT(cell < scenario_cells_count(cells));
    return cells->texts[cell];
}

/* ---- choosing ------------------------------------------------------------------------------------------------------ */

/* One `name=value` of a choice, and what comes behind it. */
struct choice {
    const char *name, *value;
    size_t name_length, value_length;
    bool has_value;
};

/* False where nothing is left. */
static bool choice_next(const char **at, struct choice *out)
{
    const char *text = *at;
    if (*text == '\0') {
        return false;
    }
    size_t length = yaml_flow_piece(text);
    const char *equals = memchr(text, '=', length);
    *at = text + length + (text[length] == ',' ? 1 : 0);
    *out = (struct choice){.name = text, .value = "", .name_length = length};
    if (equals != NULL) {
        out->name_length = (size_t)(equals - text);
        out->value = equals + 1;
        out->value_length = length - out->name_length - 1;
        out->has_value = true;
    }
    return true;
}

static bool is_text(const char *word, const char *text, size_t length)
{
    return strlen(word) == length && memcmp(word, text, length) == 0;
}

static uint32_t name_index(const struct scenario_cells *cells, const struct choice *choice)
{
    for (uint32_t i = 0; i < scenario_cells_name_count(cells); i++) {
        if (is_text(scenario_cells_name(cells, i), choice->name, choice->name_length)) {
            return i;
        }
    }
    return SIM_NONE;
}

bool scenario_cell_matches(const struct scenario_cells *cells, uint32_t cell, const char *text)
{
    struct choice choice;
    while (choice_next(&text, &choice)) {
        uint32_t name = name_index(cells, &choice);
        if (name == SIM_NONE || !choice.has_value ||
            !is_text(scenario_cell_value(cells, cell, name), choice.value, choice.value_length)) {
            return false;
        }
    }
    return true;
}

/* Says why no cell has this one; false where a cell does. */
static bool refuse(struct scenario_cells *cells, const struct choice *choice)
{
    char quoted[DIAGNOSTICS_QUOTE_BYTES], hint[DIAGNOSTICS_QUOTE_BYTES];
    uint32_t name = name_index(cells, choice);
    struct arena *arena = &cells->tree.arena;
    struct nearest_word nearest;
    if (name == SIM_NONE) {
        const char *word = arena_copy(arena, choice->name, choice->name_length);
        nearest_word_init(&nearest, word);
        for (uint32_t i = 0; i < scenario_cells_name_count(cells); i++) {
            nearest_word_offer(&nearest, scenario_cells_name(cells, i));
        }
        snprintf(cells->refusal, sizeof(cells->refusal), "%s is not among the names of 'vary'%s",
                 diagnostics_quote(word, quoted), nearest_word_hint(&nearest, hint));
        return true;
    }
    if (!choice->has_value) {
        snprintf(cells->refusal, sizeof(cells->refusal), "expected %s=VALUE",
                 scenario_cells_name(cells, name));
        return true;
    }
    const char *value = arena_copy(arena, choice->value, choice->value_length);
    const struct yaml_vary_name *varied = &cells->tree.vary.names[name];
    nearest_word_init(&nearest, value);
    for (uint32_t i = 0; i < varied->value_count; i++) {
        if (strcmp(varied->values[i].label, value) == 0) {
            return false;
        }
        nearest_word_offer(&nearest, varied->values[i].label);
    }
    snprintf(cells->refusal, sizeof(cells->refusal), "'%s' is never %s%s", varied->name,
             diagnostics_quote(value, quoted), nearest_word_hint(&nearest, hint));
    return true;
}

const char *scenario_cells_refuse(struct scenario_cells *cells, const char *text)
{
    struct choice choice;
    const char *at = text;
    if (*text != '\0' && scenario_cells_name_count(cells) == 0) {
        return "the file does not vary";
    }
    while (choice_next(&at, &choice)) {
        if (refuse(cells, &choice)) {
            return cells->refusal;
        }
    }
    for (uint32_t cell = 0; cell < scenario_cells_count(cells); cell++) {
        if (scenario_cell_matches(cells, cell, text)) {
            return NULL;
        }
    }
    return "no cell has all of these values";
}
