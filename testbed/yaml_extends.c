#include "testbed/yaml_extends.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "sim/assert.h"
#include "testbed/text_file.h"

/* A file that is being read, and the one that extends it. */
struct level {
    const struct level *above;
    const char *shown;     /* as messages call it */
    const char *real;      /* without links and dots; NULL where there is no such file */
    const char *directory; /* as of struct yaml_node */
    uint32_t depth;
};

struct extending {
    struct arena *arena;
    struct diagnostics *diagnostics;
    const struct yaml_extends_options *options;
    uint32_t files;
    bool failed;
};

static const char *real_path(struct arena *arena, const char *path)
{
    char *real = realpath(path, NULL);
    const char *copy = real == NULL ? NULL : arena_copy(arena, real, strlen(real));
    free(real);
    return copy;
}

static const char *join(struct arena *arena, const char *directory, const char *file)
{
    bool here = directory == NULL || strcmp(directory, ".") == 0;
    return here || file[0] == '/' ? file : arena_print(arena, "%s/%s", directory, file);
}

/* ---- merging (X1, X2) ---------------------------------------------------------------------------------------------- */

static void append_all(struct yaml_node *list, struct yaml_node *more)
{
    for (struct yaml_node *item = more->first_child, *next; item != NULL; item = next) {
        next = item->next;
        item->next = NULL;
        yaml_tree_append(list, item);
    }
}

static void merge(struct yaml_node *base, struct yaml_node *over, bool whole)
{
    for (struct yaml_node *child = over->first_child, *next; child != NULL; child = next) {
        struct yaml_node *present = yaml_tree_get(base, child->key);
        bool lists = present != NULL && present->kind == YAML_NODE_SEQUENCE &&
                     child->kind == YAML_NODE_SEQUENCE;
        bool appends =
            whole && (strcmp(child->key, "timeline") == 0 || strcmp(child->key, "expect") == 0);
        next = child->next;
        child->next = NULL;
        if (present != NULL && yaml_tree_is_null(child) && !child->refused) {
            yaml_tree_remove(base, child->key);
        } else if (lists && appends) {
            append_all(present, child);
        } else if (present != NULL && present->kind == YAML_NODE_MAPPING &&
                   child->kind == YAML_NODE_MAPPING) {
            /* What is wrong with the whole of it is wrong in the file that changed it last. */
            present->key_place = child->key_place;
            present->place = child->place;
            merge(present, child, false);
        } else {
            yaml_tree_put(base, child->key, child->key_place, child);
        }
    }
}

/* ---- reading ------------------------------------------------------------------------------------------------------- */

static void fail(struct extending *extending, const struct yaml_node *node, const char *why)
{
    char quoted[DIAGNOSTICS_QUOTE_BYTES];
    extending->failed = true;
    diagnostics_error(extending->diagnostics, node->place, "extends: %s %s",
                      diagnostics_quote(node->text, quoted), why);
}

static void mark(struct yaml_node *node, const char *directory)
{
    node->directory = directory;
    for (struct yaml_node *child = node->first_child; child != NULL; child = child->next) {
        mark(child, directory);
    }
}

/* Whether that file is one of those that are being read. */
static bool is_open(const struct level *level, const char *real)
{
    for (; level != NULL; level = level->above) {
        if (real != NULL && level->real != NULL && strcmp(level->real, real) == 0) {
            return true;
        }
    }
    return false;
}

static struct yaml_node *extend(struct extending *extending, struct yaml_node *root,
                                const struct level *level);

/* The tree of the file that `node` names, with all that it extends. NULL after an error. */
static struct yaml_node *read_one(struct extending *extending, const struct yaml_node *node,
                                  const struct level *above)
{
    struct arena *arena = extending->arena;
    const char *file = join(arena, above->directory, node->text);
    const char *slash = strrchr(file, '/');
    struct level level = {.above = above, .depth = above->depth + 1};
    level.shown = join(arena, extending->options->directory, file);
    level.real = real_path(arena, level.shown);
    level.directory = slash == NULL   ? NULL
                      : slash == file ? "/"
                                      : arena_copy(arena, file, (size_t)(slash - file));
    if (is_open(above, level.real)) {
        fail(extending, node, "is being extended already: a file cannot extend itself");
        return NULL;
    }
    if (level.depth > YAML_EXTENDS_DEPTH_MAX || ++extending->files > YAML_EXTENDS_FILES_MAX) {
        fail(extending, node,
             level.depth > YAML_EXTENDS_DEPTH_MAX
                 ? "is the seventeenth file behind each other"
                 : "is one file more than a scenario may have (64)");
        return NULL;
    }
    size_t length;
    char *text = text_file_read(level.shown, YAML_TREE_BYTES_MAX, &length);
    if (text == NULL) {
        fail(extending, node, arena_print(arena, "cannot be read: %s", strerror(errno)));
        return NULL;
    }
    uint32_t source =
        diagnostics_add_source(extending->diagnostics, SOURCE_FILE, level.shown, text, length);
    diagnostics_set_parent(extending->diagnostics, source, node->place);
    struct yaml_node *root = yaml_tree_parse(arena, extending->diagnostics, source, text, length);
    free(text);
    if (root == NULL || root->kind != YAML_NODE_MAPPING) {
        extending->failed = true;
        if (root != NULL) {
            diagnostics_error(extending->diagnostics, root->place,
                              "a file that is extended holds a map");
        }
        return NULL;
    }
    mark(root, level.directory);
    return extend(extending, root, &level);
}

static struct yaml_node *extend(struct extending *extending, struct yaml_node *root,
                                const struct level *level)
{
    struct yaml_node *names = yaml_tree_remove(root, "extends"), *base = NULL;
    bool list = names != NULL && names->kind == YAML_NODE_SEQUENCE;
    if (names == NULL) {
        return root;
    }
    if (list ? names->child_count == 0 : names->kind == YAML_NODE_MAPPING || names->text[0] == 0) {
        extending->failed = true;
        diagnostics_error(extending->diagnostics, names->place,
                          "extends: expected the path of a file, or a list of them");
        return root;
    }
    if (extending->options->ignore_files) {
        extending->failed = true;
        diagnostics_error(extending->diagnostics, names->place,
                          "extends: no other file is read here");
        return root;
    }
    for (const struct yaml_node *name = list ? names->first_child : names; name != NULL;
         name = list ? name->next : NULL) {
        struct yaml_node *one = NULL;
        if (name->kind != YAML_NODE_SCALAR || name->refused || name->text[0] == '\0') {
            extending->failed = true;
            diagnostics_error(extending->diagnostics, name->place,
                              "extends: expected the path of a file");
        } else {
            one = read_one(extending, name, level);
        }
        if (base != NULL && one != NULL) {
            merge(base, one, true);
        } else if (base == NULL) {
            base = one;
        }
    }
    if (base == NULL) {
        SIM_ASSERT(extending->failed);
        return root;
    }
    merge(base, root, true);
    base->place = root->place;
    return base;
}

struct yaml_node *yaml_extends(struct arena *arena, struct diagnostics *diagnostics,
                               struct yaml_node *root, const struct yaml_extends_options *options)
{
    struct extending extending = {.arena = arena, .diagnostics = diagnostics, .options = options};
    struct level level = {.shown = options->file, .real = real_path(arena, options->file)};
    if (root->kind != YAML_NODE_MAPPING) {
        return root;
    }
    struct yaml_node *merged = extend(&extending, root, &level);
    return extending.failed ? NULL : merged;
}
