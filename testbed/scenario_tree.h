/* testbed/scenario_tree.h - a scenario's text, read once, of which each cell is loaded.
 *
 *     text ──yaml_tree──► tree ──yaml_extends──► tree ──yaml_set──► tree ──yaml_vary──► tree of a cell ──loader──► scenario
 *
 * scenario_load_* reads a tree and loads its one cell; testbed/cells.h keeps the tree and loads many. */
#ifndef ORRERY_TESTBED_SCENARIO_TREE_H
#define ORRERY_TESTBED_SCENARIO_TREE_H

#include "testbed/scenario.h"
#include "testbed/yaml_vary.h"

struct scenario_tree {
    struct arena arena;
    const char *file, *directory;
    bool ignore_files;
    bool good;              /* no error so far */
    struct yaml_node *root; /* NULL where nothing can be said of the rest */
    struct yaml_vary vary;
};

/* The text of a file, which the caller frees; NULL and an error where it cannot be read. */
SIM_CHECKED char *scenario_tree_text(const char *path, size_t *length,
                                     struct diagnostics *diagnostics);
/* The directory of a file, which the caller frees. */
SIM_CHECKED char *scenario_tree_directory(const char *path);

/* `options` may be NULL and is not kept. Errors go to `diagnostics`; close the tree in any case. */
void scenario_tree_read(struct scenario_tree *tree, const char *name, const char *text,
                        size_t length, const struct scenario_options *options,
                        struct diagnostics *diagnostics);
void scenario_tree_close(struct scenario_tree *tree);
/* The scenario of a cell. `source_offset` is added to the sources of its places (diagnostics_adopt). NULL where the tree was not good
 * or the cell is not right; both have errors then. */
SIM_CHECKED struct scenario *scenario_tree_load(const struct scenario_tree *tree, uint32_t cell,
                                                uint32_t source_offset,
                                                struct diagnostics *diagnostics);

#endif
