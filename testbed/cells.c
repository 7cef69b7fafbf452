/* A file has one cell: `vary` is not read yet. */
#include "testbed/cells.h"

#include "sim/assert.h"

#include <stdlib.h>
#include <string.h>

struct scenario_cells {
    char *path;
    const struct scenario_options *options;
};

struct scenario_cells *scenario_cells_load_file(const char *path,
                                                const struct scenario_options *options,
                                                struct diagnostics *diagnostics)
{
    struct scenario *scenario = scenario_load_file(path, options, diagnostics);
    if (scenario == NULL) {
        return NULL;
    }
    scenario_free(scenario);
    struct scenario_cells *cells = calloc(1, sizeof *cells);
    SIM_ASSERT(cells != NULL);
    cells->path = strdup(path);
    cells->options = options;
    return cells;
}

void scenario_cells_free(struct scenario_cells *cells)
{
    free(cells->path);
    free(cells);
}

uint32_t scenario_cells_count(const struct scenario_cells *cells)
{
    (void)cells;
    return 1;
}

uint32_t scenario_cells_name_count(const struct scenario_cells *cells)
{
    (void)cells;
    return 0;
}

const char *scenario_cells_name(const struct scenario_cells *cells, uint32_t name)
{
    (void)cells;
    (void)name;
    return "";
}

const char *scenario_cell_value(const struct scenario_cells *cells, uint32_t cell, uint32_t name)
{
    (void)cells;
    (void)cell;
    (void)name;
    return "";
}

const char *scenario_cell_text(const struct scenario_cells *cells, uint32_t cell)
{
    (void)cells;
    (void)cell;
    return "";
}

bool scenario_cell_matches(const struct scenario_cells *cells, uint32_t cell, const char *choice)
{
    (void)cells;
    (void)cell;
    return choice[0] == 0;
}

const char *scenario_cells_refuse(struct scenario_cells *cells, const char *choice)
{
    (void)cells;
    return choice[0] == 0 ? NULL : "the file does not vary";
}

struct scenario *scenario_cell_load(const struct scenario_cells *cells, uint32_t cell,
                                    struct diagnostics *diagnostics)
{
    SIM_ASSERT(cell == 0);
    return scenario_load_file(cells->path, cells->options, diagnostics);
}
