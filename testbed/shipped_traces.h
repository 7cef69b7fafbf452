/* testbed/shipped_traces.h - the page-write traces that come with the program: `guest: {like: redis}`.
 *
 * They are files (scenarios/traces), found from where the program lies, whatever the directory that it is called in:
 *
 *     PREFIX/bin/orrery                ──► PREFIX/share/orrery/scenarios/traces     installed
 *     SOURCE/build/orrery, .../x/orrery ─► SOURCE/scenarios/traces                  built, up to four folders below
 *
 *  P1. What a trace needs (memory) and what its pages are like stands in a table here, so that a scenario can be checked without the
 *      files; a test compares the table with them. */
#ifndef ORRERY_TESTBED_SHIPPED_TRACES_H
#define ORRERY_TESTBED_SHIPPED_TRACES_H

#include "testbed/scenario.h"

struct shipped_trace {
    const char *word;                    /* of the language, and NAME of NAME.pwt.gz */
    const char *meaning;                 /* what runs in it */
    int64_t memory_bytes;                /* of the guest that it was recorded from */
    enum scenario_page_class page_class; /* of what it writes, by the header's mean ratio */
};

/* NULL for SCENARIO_LIKE_NONE. */
const struct shipped_trace *shipped_trace(enum scenario_like like);
/* Where that file lies. False where there is none: then `out` names a place where it was looked for. */
SIM_CHECKED bool shipped_trace_path(const struct shipped_trace *trace, char *out, size_t capacity);

#endif
