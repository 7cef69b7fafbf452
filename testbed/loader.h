/* testbed/loader.h - from a tree to typed structs, by the schema.
 *
 *     text ──yaml_tree──► tree ──yaml_set──► tree ──loader_load──► structs ──scenario_rules──► scenario
 *                                 (`extends` and `$name` will be further steps from tree to tree)
 *
 *  L1. Every key of the tree is either in the schema and stored, or an error at its place. All errors are found in one pass.
 *  L2. A default goes the same way as a value from the file.
 *  L3. Names are looked up after all parts are known: a part may be named before it is described.
 *  L4. A scenario has at most LOADER_VALUES_MAX values after ranges are expanded. */
#ifndef ORRERY_TESTBED_LOADER_H
#define ORRERY_TESTBED_LOADER_H

#include "testbed/schema.h"

#define LOADER_VALUES_MAX 1000000u
#define LOADER_PARTS_MAX  16384u /* of a kind */
#define LOADER_LIST_MAX   1024u  /* names in a list */

/* Fills `scenario` (zeroes but for its arena, file and directory) from the tree, resolves names and checks conditions. Errors go
 * to `diagnostics`; what has been filled is then whole enough for a look at it, but values may be absent and names unresolved. */
void loader_load(struct scenario *scenario, const struct yaml_node *root,
                 struct diagnostics *diagnostics);

/* Where the value of `key` stands in the map that a struct came from; the map's own place if the key was left out. */
struct source_place loader_place(const struct yaml_node *source, const char *key);

#endif
