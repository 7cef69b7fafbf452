/* testbed/report_text.h - words, figures and columns of the report.
 *
 * Figures for people come in integers only, so that no locale and no rounding mode changes a report: sizes and times to three significant
 * digits, counts with a comma every three digits, instants of a run in seconds.
 *
 *  X1. A line is at most REPORT_COLUMNS wide where its words allow it.
 *  X2. Columns of a table are as wide as their widest cell: figures of any magnitude stay aligned. */
#ifndef ORRERY_TESTBED_REPORT_TEXT_H
#define ORRERY_TESTBED_REPORT_TEXT_H

#include "sim/types.h"
#include "testbed/quantity.h"

#include <stdarg.h>
#include <stdio.h>

#define REPORT_COLUMNS      80u
#define REPORT_FIGURE_BYTES 48u

/* ---- figures ------------------------------------------------------------------------------------------------------------- */

/* "79.4 ms", "6.52 s" */
const char *report_time(sim_time ns, char out[REPORT_FIGURE_BYTES]);
/* "512 MiB"; from an uint64_t of bytes that may exceed int64_t: the largest stands for it */
const char *report_size(uint64_t bytes, char out[REPORT_FIGURE_BYTES]);
/* "941 Mbit/s" */
const char *report_rate(uint64_t bps, char out[REPORT_FIGURE_BYTES]);
/* "131,072" */
const char *report_count(uint64_t count, char out[REPORT_FIGURE_BYTES]);
/* "12.345 s": an instant of the run, to the millisecond, rounded down */
const char *report_instant(sim_time at, char out[REPORT_FIGURE_BYTES]);
/* "1 page", "2,107 pages" */
const char *report_plural(uint64_t count, const char *one, const char *many,
                          char out[REPORT_FIGURE_BYTES]);
/* Bytes over a time as bit/s, 0 for no time. */
uint64_t report_bps(uint64_t bytes, sim_time ns);
/* part / whole in percent, rounded down; 0 for an empty whole. */
uint64_t report_percent(uint64_t part, uint64_t whole);

/* ---- running text ---------------------------------------------------------------------------------------------------------- */

/* Text that grows; at most REPORT_TEXT_BYTES, beyond which nothing is added. */
#define REPORT_TEXT_BYTES 2048u
struct report_text {
    char bytes[REPORT_TEXT_BYTES];
    size_t length;
};
__attribute__((format(printf, 2, 3))) void report_add(struct report_text *text, const char *format,
                                                      ...);
/* Prints `text` from column `at` on, where the cursor stands, wrapped; further lines begin at column `indent`. A figure and the word behind
 * it stay together. Ends the line. */
void report_wrap(FILE *out, uint32_t at, uint32_t indent, const char *text);

/* ---- tables --------------------------------------------------------------------------------------------------------------- */

#define REPORT_TABLE_COLUMNS 32u

struct report_table;

/* `alignment` has one letter for each column: l or r. */
struct report_table *report_table_new(const char *alignment);
void report_table_free(struct report_table *table);
/* Cells go into the present row from left to right. */
__attribute__((format(printf, 2, 3))) void report_cell(struct report_table *table,
                                                       const char *format, ...);
/* Ends the row; what is missing of it stays empty. `note` follows its last cell, NULL for none. */
void report_row(struct report_table *table, const char *note);
void report_table_print(FILE *out, const struct report_table *table);

#endif
