/* cli/run_cells.h - several cells of one scenario, run and told as one table.
 *
 *           rate        memory   move.downtime   move.total-time   move.rounds   verdict
 *           100Mbit/s   1GiB            15.5 s            1.6 min            10   fail
 *     best  1Gbit/s     1GiB           65.9 ms            9.31 s             3   pass
 *
 *  C1. Rows are in the order of the cells, whichever ended first.
 *  C2. The best cell is marked: the one with the least (or the most, if the scenario's `best` says so) of a column among those that passed,
 *      the first of equal ones. Without `best`, the shortest downtime.
 *  C3. Outputs of single runs get the cell into their names: OUT.orr becomes OUT-CELL.orr, a folder of captures gets a folder for each. */
#ifndef ORRERY_CLI_RUN_CELLS_H
#define ORRERY_CLI_RUN_CELLS_H

#include "testbed/cells.h"
#include "testbed/run.h"

struct run_cells_options {
    const char *file;
    const struct scenario_cells *cells;
    const uint32_t *chosen; /* cells, ascending */
    uint32_t count;
    struct run_options run; /* for each; scenario and repeat are filled in here */
    const char *const *set; /* for the repeat commands */
    uint32_t set_count;
    const char *until;
    const char *json, *csv; /* NULL; "-" is standard output, in place of the table */
    bool quiet;
    uint32_t parallel;
};

/* Runs all; the exit status of the command. Blocks. */
int run_cells(const struct run_cells_options *options);

#endif
