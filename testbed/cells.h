/* testbed/cells.h - a scenario file that varies, as its cells: one scenario for each combination of the values of `vary`.
 *
 *     vary: {rate: [100Mbit/s, 1Gbit/s], memory: [1GiB, 4GiB]}      4 cells: rate=100Mbit/s,memory=1GiB, rate=100Mbit/s,memory=4GiB, ...
 *
 * The text and what it extends are read once; a cell is a tree with its values in place of `$name`, loaded as any scenario is. A file
 * without `vary` has one cell, whose text is "".
 *
 *  V1. Cells are in the order of the file: the last name of `vary` changes fastest.
 *  V2. scenario_cells_load_file has loaded and checked every cell: an error of the tenth cell is said before the first runs, at its place
 *      in the file, with the cell that it is about.
 *  V3. A cell's text picks that cell again (`--cell`), in whatever order its names are written; a part of it picks several cells. */
#ifndef ORRERY_TESTBED_CELLS_H
#define ORRERY_TESTBED_CELLS_H

#include "testbed/scenario.h"

#define SCENARIO_CELLS_MAX 10000u

struct scenario_cells;

/* NULL when `diagnostics` has at least one error. `options` as for scenario_load_file, not kept; may be NULL. */
SIM_CHECKED struct scenario_cells *scenario_cells_load_file(const char *path,
                                                            const struct scenario_options *options,
                                                            struct diagnostics *diagnostics);
/* The same from memory; `name` is what messages call it. */
SIM_CHECKED struct scenario_cells *scenario_cells_load_text(const char *name, const char *text,
                                                            size_t length,
                                                            const struct scenario_options *options,
                                                            struct diagnostics *diagnostics);
void scenario_cells_free(struct scenario_cells *cells);
uint32_t scenario_cells_count(const struct scenario_cells *cells);
/* The names of `vary`; none where the file does not vary. */
uint32_t scenario_cells_name_count(const struct scenario_cells *cells);
const char *scenario_cells_name(const struct scenario_cells *cells, uint32_t name);
/* The value, as written, that a name has in a cell. */
const char *scenario_cell_value(const struct scenario_cells *cells, uint32_t cell, uint32_t name);
/* "rate=1Gbit/s,memory=4GiB". Borrowed. */
const char *scenario_cell_text(const struct scenario_cells *cells, uint32_t cell);
/* Whether `--cell CHOICE` picks this cell. */
bool scenario_cell_matches(const struct scenario_cells *cells, uint32_t cell, const char *choice);
/* Why no cell can match ("there is no name `rat`; did you mean `rate`?", "rate is never 2Gbit/s"); NULL where the choice is good. Borrowed. */
const char *scenario_cells_refuse(struct scenario_cells *cells, const char *choice);
/* The scenario of a cell, which the caller frees. It was checked (V2), so this succeeds but where a page
 * trace is no longer there: then NULL and errors. */
SIM_CHECKED struct scenario *scenario_cell_load(const struct scenario_cells *cells, uint32_t cell,
                                                struct diagnostics *diagnostics);

#endif
