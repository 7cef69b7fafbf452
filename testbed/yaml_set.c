#include "testbed/yaml_set.h"

#include <string.h>

#include "sim/assert.h"
#include "testbed/name_range.h"

#define SEGMENTS_MAX 32u

struct path {
    const char *segments[SEGMENTS_MAX];
    uint32_t count;
};

/* A dot separates unless it stands beside another one (`node1..node4`). */
static bool path_split(struct arena *arena, const char *text, size_t length, struct path *out)
{
    out->count = 0;
    size_t start = 0;
    for (size_t at = 0; at <= length; at++) {
        bool dot = at < length && text[at] == '.';
        bool doubled =
            dot && ((at > 0 && text[at - 1] == '.') || (at + 1 < length && text[at + 1] == '.'));
        if (at < length && (!dot || doubled)) {
            continue;
        }
        if (at == start || out->count == SEGMENTS_MAX) {
            return false;
        }
        out->segments[out->count++] = arena_copy(arena, text + start, at - start);
        start = at + 1;
    }
    return true;
}

/* The element that `segment` names: a number from 0, or the `as` of an item. */
static struct yaml_node **sequence_slot(struct yaml_node *sequence, const char *segment)
{
    bool number = segment[strspn(segment, "0123456789")] == '\0' && strlen(segment) < 9;
    uint32_t wanted = 0;
    for (const char *at = segment; number && *at != '\0'; at++) {
        wanted = wanted * 10 + (uint32_t)(*at - '0');
    }
    uint32_t index = 0;
    for (struct yaml_node **slot = &sequence->first_child; *slot != NULL;
         slot = &(*slot)->next, index++) {
        const struct yaml_node *as = yaml_tree_get(*slot, "as");
        bool named = as != NULL && as->kind == YAML_NODE_SCALAR && strcmp(as->text, segment) == 0;
        if (number ? index == wanted : named) {
            return slot;
        }
    }
    return NULL;
}

static struct yaml_node *map_new(struct arena *arena, struct source_place place)
{
    struct yaml_node *node = arena_alloc(arena, sizeof(*node));
    node->kind = YAML_NODE_MAPPING;
    node->text = "";
    node->place = place;
    return node;
}

struct assignment {
    struct arena *arena;
    struct diagnostics *diagnostics;
    struct source_place place;
    struct yaml_node *value;
};

static void sequence_replace(struct yaml_node *sequence, struct yaml_node **slot,
                             struct yaml_node *value)
{
    struct yaml_node *old = *slot;
    value->next = old->next;
    *slot = value;
    if (sequence->last_child == old) {
        sequence->last_child = value;
    }
}

/* One name of a range cannot be set alone: `nodes.node1` beside `node1..node2` would be a second node1. True if that is so. */
static bool stands_in_range(struct assignment *assignment, const struct yaml_node *map,
                            const char *segment)
{
    struct name_range range;
    const char *error;
    char name[NAME_BYTES_MAX + 1], quoted[DIAGNOSTICS_QUOTE_BYTES], whole[DIAGNOSTICS_QUOTE_BYTES];
    for (const struct yaml_node *child = map->first_child; child != NULL; child = child->next) {
        if (strstr(child->key, "..") == NULL || !name_range_parse(child->key, &range, &error)) {
            continue;
        }
        for (uint32_t i = 0; i < range.count; i++) {
            name_range_get(&range, i, name);
            if (strcmp(name, segment) == 0) {
                diagnostics_error(assignment->diagnostics, assignment->place,
                                  "%s is one of %s, which can only be set together: put the range "
                                  "into the path",
                                  diagnostics_quote(segment, quoted),
                                  diagnostics_quote(child->key, whole));
                return true;
            }
        }
    }
    return false;
}

/* Goes one segment down; NULL after an error. */
static struct yaml_node *descend(struct assignment *assignment, struct yaml_node *node,
                                 const char *segment)
{
    char quoted[DIAGNOSTICS_QUOTE_BYTES];
    diagnostics_quote(segment, quoted);
    if (node->kind == YAML_NODE_SEQUENCE) {
        struct yaml_node **slot = sequence_slot(node, segment);
        if (slot == NULL) {
            diagnostics_error(assignment->diagnostics, assignment->place,
                              "the list has no element %s: it has %u, numbered from 0", quoted,
                              (unsigned)node->child_count);
        }
        return slot == NULL ? NULL : *slot;
    }
    if (node->kind == YAML_NODE_SCALAR && !yaml_tree_is_null(node)) {
        diagnostics_error(assignment->diagnostics, assignment->place,
                          "%s cannot be looked up: what is before it is a single value", quoted);
        return NULL;
    }
    if (node->kind == YAML_NODE_SCALAR) {
        node->kind = YAML_NODE_MAPPING;
    }
    struct yaml_node *child = yaml_tree_get(node, segment);
    if (child == NULL && stands_in_range(assignment, node, segment)) {
        return NULL;
    }
    if (child == NULL) {
        child = map_new(assignment->arena, assignment->place);
        yaml_tree_put(node, segment, assignment->place, child);
    }
    return child;
}

static void assign(struct assignment *assignment, struct yaml_node *root, const struct path *path)
{
    struct yaml_node *node = root;
    for (uint32_t i = 0; i + 1 < path->count; i++) {
        node = descend(assignment, node, path->segments[i]);
        if (node == NULL) {
            return;
        }
    }
    const char *last = path->segments[path->count - 1];
    if (node->kind == YAML_NODE_SEQUENCE) {
        if (descend(assignment, node, last) != NULL) {
            sequence_replace(node, sequence_slot(node, last), assignment->value);
        }
        return;
    }
    if (node->kind == YAML_NODE_SCALAR && !yaml_tree_is_null(node)) {
        descend(assignment, node, last);
        return;
    }
    node->kind = YAML_NODE_MAPPING;
    if (yaml_tree_get(node, last) == NULL && stands_in_range(assignment, node, last)) {
        return;
    }
    yaml_tree_put(node, last, assignment->place, assignment->value);
}

/* Errors are printed as those of the option, whatever node they stand at. */
void yaml_set(struct arena *arena, struct diagnostics *diagnostics, struct yaml_node *root,
              const char *assignment)
{
    const char *equals = strchr(assignment, '=');
    const char *name = arena_print(arena, "--set %s", assignment);
    const char *value_text = equals == NULL ? "" : equals + 1;
    uint32_t source =
        diagnostics_add_source(diagnostics, SOURCE_OPTION, name, value_text, strlen(value_text));
    struct source_place place = {source, 1, 1, 1};
    struct path path;
    if (equals == NULL || equals == assignment ||
        !path_split(arena, assignment, (size_t)(equals - assignment), &path)) {
        diagnostics_error(diagnostics, place, "expected path=value, as in vms.web.memory=2GiB");
        return;
    }
    if (root->kind != YAML_NODE_MAPPING) {
        diagnostics_error(diagnostics, place, "the scenario is not a map");
        return;
    }
    struct yaml_node *value;
    if (*value_text == '\0') {
        value = map_new(arena, place);
        value->kind = YAML_NODE_SCALAR;
        value->style = YAML_STYLE_QUOTED;
    } else {
        value = yaml_tree_parse(arena, diagnostics, source, value_text, strlen(value_text));
    }
    if (value == NULL) {
        return;
    }
    SIM_ASSERT(value->next == NULL);
    struct assignment state = {arena, diagnostics, place, value};
    assign(&state, root, &path);
}
