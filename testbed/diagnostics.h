/* testbed/diagnostics.h - everything that is wrong with an input, each with its place, printed together.
 *
 *     scenarios/first.yaml:7:11: unknown node 'node3'; did you mean 'node2'?
 *         7 |     node: node3
 *           |           ^~~~~
 *
 * A source is a text that places point into: a file, or the value of a command-line option. The loader adds errors in the
 * order in which it meets them; diagnostics_print sorts them by place, so that a reader goes through a file once.
 *
 *  G1. Errors are printed in the order of (source, line, column, arrival); equal ones at the same place once.
 *  G2. At most DIAGNOSTICS_KEPT are kept; diagnostics_count counts all, and the print says how many were left out.
 *  G3. What is printed is clean text: control bytes and broken UTF-8 of the input never reach the terminal. */
#ifndef ORRERY_TESTBED_DIAGNOSTICS_H
#define ORRERY_TESTBED_DIAGNOSTICS_H

#include <stdio.h>

#include "sim/types.h"

#define DIAGNOSTICS_KEPT        50u
#define DIAGNOSTICS_QUOTE_BYTES 96u

/* Line and column count from 1, a column is a character; line 0 means the source as a whole. */
struct source_place {
    uint32_t source;
    uint32_t line;
    uint32_t column;
    uint32_t width; /* characters to underline on that line; 0 or 1: one caret */
};

enum source_kind {
    SOURCE_FILE,   /* places print as name:line:column:        */
    SOURCE_OPTION, /* a command-line option: places print as name: */
};

struct diagnostics;

struct diagnostics *diagnostics_new(void);
void diagnostics_free(struct diagnostics *diagnostics);

/* Both texts are copied. Returns the number that places of this source carry. */
uint32_t diagnostics_add_source(struct diagnostics *diagnostics, enum source_kind kind,
                                const char *name, const char *text, size_t length);

/* One error. The message starts in lower case and has no final full stop or newline. */
void diagnostics_error(struct diagnostics *diagnostics, struct source_place place,
                       const char *format, ...) __attribute__((format(printf, 3, 4)));

/* What the errors that follow are about (a cell, as in "rate=1Gbit/s"), said with each; NULL: no more. The same error about several
 * of them is printed once, with the first and their number, and without any where it is about all that were named so far. Copied. */
void diagnostics_about(struct diagnostics *diagnostics, const char *about);
/* Places in `source` are printed with the place that brought it in ("extended by main.yaml:2:10"). */
void diagnostics_set_parent(struct diagnostics *diagnostics, uint32_t source,
                            struct source_place parent);
/* What messages call a source. Borrowed. */
const char *diagnostics_source_name(const struct diagnostics *diagnostics, uint32_t source);
/* The sources of `from`, without its errors, become sources of `to`, where they are not there already. Returns what is to be added
 * to the numbers that they have in `from`. */
uint32_t diagnostics_adopt(struct diagnostics *to, const struct diagnostics *from);

/* All errors met so far, also those that were not kept; the same one at the same place counts once. */
uint32_t diagnostics_count(const struct diagnostics *diagnostics);
/* How often an error was reported, repetitions counted: whether this scenario has one, where another with the same text had it too. */
uint64_t diagnostics_reports(const struct diagnostics *diagnostics);
void diagnostics_print(const struct diagnostics *diagnostics, FILE *out);

/* ---- words -------------------------------------------------------------------------------------------------------- */

/* `text` in single quotes, clipped to fit `out`, cleaned as G3 wants. Returns `out`. */
const char *diagnostics_quote(const char *text, char out[DIAGNOSTICS_QUOTE_BYTES]);

/* Collects candidates for "did you mean": init, offer each, take. A word counts as near within one single-character edit
 * or swap of neighbours for every three letters (one at least; none in words of two), or if only the case of letters differs; the nearest wins, the first offered among equals. */
struct nearest_word {
    const char *wanted;
    const char *best; /* borrowed from the offer; NULL where nothing was near */
    uint32_t distance;
};
void nearest_word_init(struct nearest_word *nearest, const char *wanted);
void nearest_word_offer(struct nearest_word *nearest, const char *candidate);
/* "; did you mean 'x'?" or "" in `out`, to be printed behind a message. Returns `out`. */
const char *nearest_word_hint(const struct nearest_word *nearest,
                              char out[DIAGNOSTICS_QUOTE_BYTES]);

#endif
