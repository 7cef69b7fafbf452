/* testbed/part_names.h - the names of a scenario, and what bears them.
 *
 * The loader adds the names of all parts, then of the items of the timeline, then of the links; each batch is sorted in and from
 * then on found. Two bearers of one name are an error at the second (S2 of scenario.h). */
#ifndef ORRERY_TESTBED_PART_NAMES_H
#define ORRERY_TESTBED_PART_NAMES_H

#include "testbed/schema.h"

/* Adds `count` names to those that `scenario` has. */
void part_names_add(struct scenario *scenario, const struct scenario_name *names, uint32_t count,
                    struct diagnostics *diagnostics);
/* The entry of a name; NULL if nothing bears it. */
const struct scenario_name *part_names_find(const struct scenario *scenario, const char *name);

/* How many items of the timeline the entry stands for: those of one that fires several times, from its part on; otherwise 1. */
uint32_t part_names_repetitions(const struct scenario *scenario, const struct scenario_name *entry);

/* The part that `text` names, if it is of one of the kinds that `key` wants; otherwise one error at `place`, with the nearest name. */
bool part_names_resolve(const struct scenario *scenario, const struct schema_key *key,
                        const char *text, struct source_place place,
                        struct diagnostics *diagnostics, struct scenario_part *out);
/* Adds what `text` names to a list: one part, or all of the kinds that `key` wants whose names fit it where it holds `*`. The list stays
 * in the order of kinds and indices, each part once. Where nothing is meant: one error at `place`. */
void part_names_add_to_list(struct scenario *scenario, const struct schema_key *key,
                            const char *text, struct source_place place,
                            struct diagnostics *diagnostics, struct scenario_parts *list);
/* Whether a name fits a pattern: `*` stands for any letters, also for none. Pure. */
bool part_name_fits(const char *pattern, const char *name);
/* The nearest name among parts whose kind is in `parts` and, for actions, whose action is in `actions`. */
void part_names_offer(const struct scenario *scenario, uint32_t parts, uint32_t actions,
                      struct nearest_word *nearest);
/* The same among all names, and among globs like those that they suggest: `web7` suggests `web*`. */
void part_names_offer_globs(const struct scenario *scenario, struct arena *arena,
                            struct nearest_word *nearest);

#endif
