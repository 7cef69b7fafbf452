/* testbed/yaml_vary.h - `vary` and `$name`: values that stand in many places of a tree, and change from cell to cell.
 *
 *     vary: {rate: [100Mbit/s, 1Gbit/s], guest: {idle: {}, busy: {writers: [...]}}}      every combination: 4 cells
 *     vary: [{rate: 100Mbit/s, limit: 9s}, {rate: 1Gbit/s, limit: 2s}]                   in step: 2 cells
 *
 * A value may be anything: a single value, a list, a map. A single value alone is a list of one. A value's label names it in a table
 * and on the command line: its key where values stand in a map, else what is written there. `$name` as the whole of a text is
 * replaced by a copy of the value; within a longer text, or a key, by the text of a single value; `${name}` ends the name where a
 * letter would follow; `$$` is a dollar, and so is one that no letter follows.
 *
 *  A1. Every `$name` is varied and every varied name is used; else an error at its place, once, whatever the number of cells.
 *  A2. Values hold no `$name` themselves: a replacement is not looked at again.
 *  A3. No two values of a name have one label, and no two cells in step have the same labels: a label picks one.
 *  A4. Copies stay within YAML_TREE_NODES_MAX values a cell, whatever is repeated. */
#ifndef ORRERY_TESTBED_YAML_VARY_H
#define ORRERY_TESTBED_YAML_VARY_H

#include "testbed/yaml_tree.h"

#define YAML_VARY_CELLS_MAX 10000u
#define YAML_VARY_NAMES_MAX 32u

struct yaml_vary_value {
    const char *label;
    const struct yaml_node *node;
};

struct yaml_vary_name {
    const char *name;
    struct source_place place;
    struct yaml_vary_value *values; /* in step: one for each cell */
    uint32_t value_count;           /* 0 only after an error */
    bool used;
};

struct yaml_vary {
    struct yaml_vary_name names[YAML_VARY_NAMES_MAX];
    uint32_t name_count;
    uint32_t cell_count; /* 1 or more, also after errors */
    bool in_step;
    struct source_place place; /* of the key; line 0 where the file does not vary */
};

/* Takes `vary` out of the tree and checks A1 to A3. After an error, what concerns it is marked as refused, so that the rest of the
 * tree can still be looked at. */
void yaml_vary_take(struct arena *arena, struct diagnostics *diagnostics, struct yaml_node *root,
                    struct yaml_vary *out);
/* The value of a name in a cell; cells are numbered with the last name changing fastest. NULL only after an error. */
const struct yaml_vary_value *yaml_vary_value(const struct yaml_vary *vary, uint32_t cell,
                                              uint32_t name);
/* A copy of the tree, texts included, with the values of that cell. `source_offset` is added to the source of every place. */
struct yaml_node *yaml_vary_apply(struct arena *arena, struct diagnostics *diagnostics,
                                  const struct yaml_node *root, const struct yaml_vary *vary,
                                  uint32_t cell, uint32_t source_offset);

#endif
