/* testbed/export.h - a recording in formats of other programs: a timeline for Perfetto, lines of JSON, a table.
 *
 *   recording ──► export_stream (records and frames in one order, filtered) ──► export_flat: JSONL, CSV
 *                                                                          └──► export_timeline: trace events
 *
 * The recording is read from front to back, once or twice, and what is kept meanwhile does not grow with it but by what it names
 * (kinds, parts) and by what is open at one instant: ten million records take no more memory than ten thousand.
 *
 *  E1. Everything written comes from the recording; the same recording gives the same bytes.
 *  E2. What is damaged is left out, and the rest is there; recording_damage says so afterwards.
 *  E3. JSON is JSON and text is UTF-8 whatever a recording holds: other bytes become U+FFFD.
 *  E4. Trace events: each B has its E on the same lane, properly nested; times of a lane never fall; every pid and tid that is used
 *      is named; each flow has one start and one end; times are microseconds with three decimals, so not a nanosecond is lost.
 *
 * The formats are docs/formats.md, "Exports". Spec: Trace Event Format (Google, "Trace Event Format" document, JSON Object Format);
 * RFC 4180 for CSV, RFC 8259 for JSON. */
#ifndef ORRERY_TESTBED_EXPORT_H
#define ORRERY_TESTBED_EXPORT_H

#include "sim/recording.h"
#include "testbed/scenario.h"

#include <signal.h>
#include <stdio.h>

enum export_format { EXPORT_PERFETTO, EXPORT_JSONL, EXPORT_CSV, EXPORT_FORMATS };

struct export_options {
    const char
        *what; /* globs of kinds of records, separated by commas; "frame" for frames. NULL: all */
    sim_time from;  /* only what happened from then on, */
    sim_time until; /* and before; SIM_NEVER */
    /* The scenario of the recording, for what its parts are: the timeline is named and drawn by it. NULL where it cannot be
     * loaded: then each part is a process. */
    const struct scenario *scenario;
    /* Once this is not 0, no more is read; what has been written is closed in order and can be read. NULL: never. */
    const volatile sig_atomic_t *stop;
};

struct export_count {
    uint64_t records, frames; /* that were written */
};

/* Writes the whole of it; the recording is moved. False where writing failed (errno). */
SIM_CHECKED bool export_write(FILE *out, enum export_format format, struct recording *recording,
                              const struct export_options *options, struct export_count *count);
/* The first glob of `options->what` that no kind of this recording matches, in `out`; false where each matches one. */
bool export_unmatched(const struct recording *recording, const struct export_options *options,
                      char out[64]);

#endif
