/* cli/cell_columns.h - the columns of a table of cells: what a scenario's `report:` names, or sensible ones.
 *
 * `best:` has a column too: one of those, or one more behind them. Without `report:` a scenario with migrations has the longest downtime, the longest time and all rounds of its migrations; one
 * without, what its first ping or request lost, and its longest gap. */
#ifndef ORRERY_CLI_CELL_COLUMNS_H
#define ORRERY_CLI_CELL_COLUMNS_H

#include "testbed/report.h"

#include <stdio.h>

#define CELL_COLUMNS_MAX 20u

struct cell_value {
    bool known, is_word;
    int best; /* which value of the column is the best: -1 the smallest, 1 the largest, 0 `best:` does not name it */
    int64_t number;
    char text[96];    /* for people; "-" where it is not known */
    char heading[96]; /* of its column */
    char metric[96];  /* the same for programs, with its unit: "move.downtime_ns" */
};

/* Writes the values of a run's columns: what the child sends. */
void cell_columns_write(const struct run_result *result, FILE *out);
/* Reads them; how many. */
uint32_t cell_columns_read(const char *bytes, size_t length,
                           struct cell_value values[CELL_COLUMNS_MAX]);

#endif
