#include "testbed/scenario_tree.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "sim/assert.h"
#include "testbed/loader.h"
#include "testbed/scenario_rules.h"
#include "testbed/text_file.h"
#include "testbed/yaml_extends.h"
#include "testbed/yaml_set.h"

char *scenario_tree_text(const char *path, size_t *length, struct diagnostics *diagnostics)
{
    char *text = text_file_read(path, YAML_TREE_BYTES_MAX, length);
    if (text == NULL) {
        const char *reason = strerror(errno);
        uint32_t source = diagnostics_add_source(diagnostics, SOURCE_FILE, path, "", 0);
        diagnostics_error(diagnostics, (struct source_place){.source = source},
                          "cannot be read: %s", reason);
    }
    return text;
}

char *scenario_tree_directory(const char *path)
{
    const char *slash = strrchr(path, '/');
    char *directory = slash == NULL   ? strdup(".")
                      : slash == path ? strdup("/")
                                      : strndup(path, (size_t)(slash - path));
    SIM_ASSERT(directory != NULL);
    return directory;
}

/* What a scenario without `name` is called: its file, without directory and ending. */
static const char *name_of(struct arena *arena, const char *path)
{
    const char *slash = strrchr(path, '/');
    const char *base = slash == NULL ? path : slash + 1;
    const char *dot = strrchr(base, '.');
    size_t length = dot == NULL || dot == base ? strlen(base) : (size_t)(dot - base);
    return arena_copy(arena, base, length);
}

void scenario_tree_read(struct scenario_tree *tree, const char *name, const char *text,
                        size_t length, const struct scenario_options *options,
                        struct diagnostics *diagnostics)
{
    static const struct scenario_options none = {0};
    options = options == NULL ? &none : options;
    *tree = (struct scenario_tree){.ignore_files = options->ignore_files, .vary.cell_count = 1};
    struct arena *arena = &tree->arena;
    arena_init(arena);
    uint64_t errors_before = diagnostics_reports(diagnostics);
    const char *directory = options->directory != NULL ? options->directory : ".";
    tree->file = arena_copy(arena, name, strlen(name));
    tree->directory = arena_copy(arena, directory, strlen(directory));
    uint32_t source = diagnostics_add_source(diagnostics, SOURCE_FILE, name, text, length);
    tree->root = yaml_tree_parse(arena, diagnostics, source, text, length);
    if (tree->root != NULL) {
        struct yaml_extends_options extends = {tree->file, tree->directory, tree->ignore_files};
        tree->root = yaml_extends(arena, diagnostics, tree->root, &extends);
    }
    for (uint32_t i = 0; tree->root != NULL && i < options->set_count; i++) {
        yaml_set(arena, diagnostics, tree->root, options->set[i]);
    }
    if (tree->root != NULL) {
        yaml_vary_take(arena, diagnostics, tree->root, &tree->vary);
    }
    tree->good = tree->root != NULL && diagnostics_reports(diagnostics) == errors_before;
}

void scenario_tree_close(struct scenario_tree *tree)
{
    arena_close(&tree->arena);
}

struct scenario *scenario_tree_load(const struct scenario_tree *tree, uint32_t cell,
                                    uint32_t source_offset, struct diagnostics *diagnostics)
{
    if (tree->root == NULL) {
        return NULL;
    }
    uint64_t errors_before = diagnostics_reports(diagnostics);
    struct scenario *scenario = calloc(1, sizeof(*scenario));
    SIM_ASSERT(scenario != NULL);
    struct arena *arena = &scenario->arena;
    arena_init(arena);
    scenario->file = arena_copy(arena, tree->file, strlen(tree->file));
    scenario->directory = arena_copy(arena, tree->directory, strlen(tree->directory));
    struct yaml_node *root =
        yaml_vary_apply(arena, diagnostics, tree->root, &tree->vary, cell, source_offset);
    loader_load(scenario, root, diagnostics);
    scenario_rules_apply(scenario, tree->ignore_files, diagnostics);
    if (!tree->good || diagnostics_reports(diagnostics) > errors_before) {
        scenario_free(scenario);
        return NULL;
    }
    if (scenario->name == NULL) {
        scenario->name = name_of(arena, tree->file);
    }
    scenario_check(scenario);
    return scenario;
}
