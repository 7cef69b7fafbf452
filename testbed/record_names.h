/* testbed/record_names.h - the kinds of records that a scenario can name: all that a run writes (those of detail excepted).
 *
 * The tables are those of the rooms that write them; docs/scenario.md lists them. */
#ifndef ORRERY_TESTBED_RECORD_NAMES_H
#define ORRERY_TESTBED_RECORD_NAMES_H

#include "testbed/diagnostics.h"

struct record_name {
    const char *name, *meaning;
    const char *text; /* what the text is; NULL: it has none */
};

/* The kinds by number, in the order of the rooms; false behind the last. */
bool record_names_get(uint32_t index, struct record_name *out);
bool record_names_find(const char *name, struct record_name *out);
void record_names_offer(struct nearest_word *nearest);

#endif
