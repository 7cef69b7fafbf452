#include "testbed/scenario_diff.h"

#include "sim/assert.h"
#include "testbed/resolved.h"
#include "testbed/yaml_tree.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define PATH_BYTES  512u
#define VALUE_BYTES 160u

struct comparison {
    uint32_t most;
    uint32_t count;
    scenario_difference *report;
    void *context;
    char path[PATH_BYTES];
};

/* A text that grows by appending, up to its capacity. */
struct words {
    char *text;
    size_t capacity;
    size_t length;
};

static void words_add(struct words *words, const char *text)
{
    size_t length = strlen(text);
    size_t room = words->capacity - 1 - words->length;
    length = length < room ? length : room;
    memcpy(words->text + words->length, text, length);
    words->length += length;
    words->text[words->length] = 0;
}

/* A node on one line, in flow style. */
static void print_node(struct words *words, const struct yaml_node *node)
{
    if (node->kind == YAML_NODE_SCALAR) {
        words_add(words, node->text);
        return;
    }
    bool map = node->kind == YAML_NODE_MAPPING;
    words_add(words, map ? "{" : "[");
    for (const struct yaml_node *child = node->first_child; child != NULL; child = child->next) {
        if (map) {
            words_add(words, child->key);
            words_add(words, ": ");
        }
        print_node(words, child);
        words_add(words, child->next != NULL ? ", " : "");
    }
    words_add(words, map ? "}" : "]");
}

static const char *node_text(const struct yaml_node *node, char out[VALUE_BYTES])
{
    if (node == NULL) {
        return NULL;
    }
    struct words words = {.text = out, .capacity = VALUE_BYTES};
    out[0] = 0;
    print_node(&words, node);
    if (words.length == words.capacity - 1) {
        memcpy(out + VALUE_BYTES - 4, "...", 4);
    }
    return out;
}

static void compare(struct comparison *comparison, size_t length, const struct yaml_node *a,
                    const struct yaml_node *b);

static void compare_child(struct comparison *comparison, size_t length, const char *name,
                          const struct yaml_node *a, const struct yaml_node *b)
{
    int added = snprintf(comparison->path + length, PATH_BYTES - length, "%s%s",
                         length > 0 ? "." : "", name);
    SIM_ASSERT(added > 0);
    size_t longer = length + (size_t)added;
    compare(comparison, longer < PATH_BYTES ? longer : PATH_BYTES - 1, a, b);
    comparison->path[length] = 0;
}

static void compare_maps(struct comparison *comparison, size_t length, const struct yaml_node *a,
                         const struct yaml_node *b)
{
    for (const struct yaml_node *child = a->first_child; child != NULL; child = child->next) {
        compare_child(comparison, length, child->key, child, yaml_tree_get(b, child->key));
    }
    for (const struct yaml_node *child = b->first_child; child != NULL; child = child->next) {
        if (yaml_tree_get(a, child->key) == NULL) {
            compare_child(comparison, length, child->key, NULL, child);
        }
    }
}

static void compare_lists(struct comparison *comparison, size_t length, const struct yaml_node *a,
                          const struct yaml_node *b)
{
    const struct yaml_node *in_a = a->first_child, *in_b = b->first_child;
    char number[16];
    for (uint32_t i = 0; in_a != NULL || in_b != NULL; i++) {
        snprintf(number, sizeof number, "%u", (unsigned)i);
        compare_child(comparison, length, number, in_a, in_b);
        in_a = in_a != NULL ? in_a->next : NULL;
        in_b = in_b != NULL ? in_b->next : NULL;
    }
}

static void compare(struct comparison *comparison, size_t length, const struct yaml_node *a,
                    const struct yaml_node *b)
{
    char text_a[VALUE_BYTES], text_b[VALUE_BYTES];
    SIM_ASSERT(a != NULL || b != NULL);
    if (a != NULL && b != NULL && a->kind == b->kind) {
        if (a->kind == YAML_NODE_MAPPING) {
            compare_maps(comparison, length, a, b);
            return;
        }
        if (a->kind == YAML_NODE_SEQUENCE) {
            compare_lists(comparison, length, a, b);
            return;
        }
        if (strcmp(a->text, b->text) == 0) {
            return;
        }
    }
    if (comparison->count++ < comparison->most) {
        comparison->report(comparison->context, comparison->path, node_text(a, text_a),
                           node_text(b, text_b));
    }
}

static const struct yaml_node *resolved_tree(struct arena *arena, const struct scenario *scenario)
{
    size_t length = 0;
    char *text = resolved_text(scenario, &length);
    struct diagnostics *diagnostics = diagnostics_new();
    uint32_t source = diagnostics_add_source(diagnostics, SOURCE_FILE, "resolved", text, length);
    const struct yaml_node *root = yaml_tree_parse(arena, diagnostics, source, text, length);
    SIM_ASSERT(diagnostics_count(diagnostics) == 0); /* V1 of testbed/resolved.h */
    SIM_ASSERT(root != NULL);
    diagnostics_free(diagnostics);
    free(text);
    return root;
}

uint32_t scenario_diff(const struct scenario *a, const struct scenario *b, uint32_t most,
                       scenario_difference *report, void *context)
{
    struct comparison comparison = {.most = most, .report = report, .context = context};
    struct arena arena;
    arena_init(&arena);
    compare(&comparison, 0, resolved_tree(&arena, a), resolved_tree(&arena, b));
    arena_close(&arena);
    return comparison.count;
}
