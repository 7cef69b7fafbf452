#include "testbed/yaml_tree.h"

#include <string.h>
#include <yaml.h>

#include "sim/assert.h"

struct anchor {
    const char *name;
    const struct yaml_node *node; /* NULL while it is still open: an alias to it would be endless */
    struct anchor *next;
};

struct builder {
    struct arena *arena;
    struct diagnostics *diagnostics;
    uint32_t source;
    uint32_t nodes;
    bool broken; /* no use going on */
    uint32_t anchor_count;
    struct anchor
        *anchors; /* newest first: a later anchor of the same name hides the earlier one */
    yaml_parser_t parser;
};

static struct source_place place_of(const struct builder *builder, yaml_mark_t start,
                                    yaml_mark_t end)
{
    size_t width =
        end.line == start.line && end.column > start.column ? end.column - start.column : 1;
    return (struct source_place){builder->source, (uint32_t)start.line + 1,
                                 (uint32_t)start.column + 1, (uint32_t)width};
}

static void give_up(struct builder *builder, struct source_place place, const char *message)
{
    diagnostics_error(builder->diagnostics, place, "%s", message);
    builder->broken = true;
}

static struct yaml_node *node_new(struct builder *builder, enum yaml_kind kind,
                                  struct source_place place)
{
    if (++builder->nodes > YAML_TREE_NODES_MAX) {
        give_up(builder, place,
                "this is larger than a scenario may be (200000 values, aliases expanded)");
    }
    struct yaml_node *node = arena_alloc(builder->arena, sizeof(*node));
    node->kind = kind;
    node->place = place;
    node->text = "";
    return node;
}

/* In place of what an alias should have brought. */
static struct yaml_node *node_refused(struct builder *builder, struct source_place place)
{
    struct yaml_node *node = node_new(builder, YAML_NODE_SCALAR, place);
    node->refused = true;
    return node;
}

void yaml_tree_append(struct yaml_node *parent, struct yaml_node *child)
{
    SIM_ASSERT(parent->kind != YAML_NODE_SCALAR);
    SIM_ASSERT(child->next == NULL);
    if (parent->last_child == NULL) {
        parent->first_child = child;
    } else {
        parent->last_child->next = child;
    }
    parent->last_child = child;
    parent->child_count++;
}

/* libyaml's own words, at the place it names. */
static void report_parser(struct builder *builder)
{
    const yaml_parser_t *parser = &builder->parser;
    struct source_place place = {builder->source, (uint32_t)parser->problem_mark.line + 1,
                                 (uint32_t)parser->problem_mark.column + 1, 1};
    const char *problem = parser->problem != NULL ? parser->problem : "not readable";
    if (strcmp(problem, "found character that cannot start any token") == 0) {
        problem = "nothing begins with this character; if it is a tab, indent with spaces";
    }
    if (parser->error == YAML_READER_ERROR) {
        diagnostics_error(builder->diagnostics, (struct source_place){.source = builder->source},
                          "not UTF-8 text: %s at byte %zu", problem, parser->problem_offset);
    } else if (parser->context != NULL && parser->context_mark.line + 1 != place.line) {
        diagnostics_error(builder->diagnostics, place, "not YAML: %s, %s that began in line %zu",
                          problem, parser->context, parser->context_mark.line + 1);
    } else {
        diagnostics_error(builder->diagnostics, place, "not YAML: %s", problem);
    }
    builder->broken = true;
}

static bool next_event(struct builder *builder, yaml_event_t *event)
{
    if (builder->broken) {
        return false;
    }
    if (!yaml_parser_parse(&builder->parser, event)) {
        report_parser(builder);
        return false;
    }
    return true;
}

static void refuse_tag(struct builder *builder, const yaml_char_t *tag, struct source_place place)
{
    if (tag != NULL) {
        char quoted[DIAGNOSTICS_QUOTE_BYTES];
        diagnostics_error(builder->diagnostics, place,
                          "the tag %s has no meaning in a scenario; leave it out",
                          diagnostics_quote((const char *)tag, quoted));
    }
}

static struct anchor *anchor_add(struct builder *builder, const yaml_char_t *name,
                                 struct source_place place)
{
    if (name == NULL) {
        return NULL;
    }
    if (++builder->anchor_count > YAML_TREE_ANCHORS_MAX) {
        give_up(builder, place, "more anchors than a scenario may have (1000)");
    }
    struct anchor *anchor = arena_alloc(builder->arena, sizeof(*anchor));
    anchor->name = arena_copy(builder->arena, (const char *)name, strlen((const char *)name));
    anchor->next = builder->anchors;
    builder->anchors = anchor;
    return anchor;
}

static struct yaml_node *node_copy(struct builder *builder, const struct yaml_node *node)
{
    struct yaml_node *copy = node_new(builder, node->kind, node->place);
    struct yaml_node blank = *node;
    blank.first_child = NULL;
    blank.last_child = NULL;
    blank.next = NULL;
    blank.child_count = 0;
    *copy = blank;
    for (const struct yaml_node *child = node->first_child; child != NULL && !builder->broken;
         child = child->next) {
        yaml_tree_append(copy, node_copy(builder, child));
    }
    return copy;
}

/* The depth of a copy is bounded with the rest: it was within bounds where it stood, and is checked again here. */
static uint32_t node_depth(const struct yaml_node *node)
{
    uint32_t deepest = 0;
    for (const struct yaml_node *child = node->first_child; child != NULL; child = child->next) {
        uint32_t depth = node_depth(child);
        deepest = depth > deepest ? depth : deepest;
    }
    return deepest + 1;
}

static struct yaml_node *build_alias(struct builder *builder, const yaml_event_t *event,
                                     uint32_t depth)
{
    struct source_place place = place_of(builder, event->start_mark, event->end_mark);
    const char *name = (const char *)event->data.alias.anchor;
    const struct anchor *anchor = builder->anchors;
    while (anchor != NULL && strcmp(anchor->name, name) != 0) {
        anchor = anchor->next;
    }
    char quoted[DIAGNOSTICS_QUOTE_BYTES];
    diagnostics_quote(name, quoted);
    if (anchor == NULL) {
        diagnostics_error(builder->diagnostics, place, "the alias %s has no anchor before it",
                          quoted);
        return node_refused(builder, place);
    }
    if (anchor->node == NULL) {
        diagnostics_error(builder->diagnostics, place, "the alias %s stands within what it names",
                          quoted);
        return node_refused(builder, place);
    }
    if (depth + node_depth(anchor->node) > YAML_TREE_DEPTH_MAX) {
        give_up(builder, place, "nested too deeply (64 levels)");
        return node_new(builder, YAML_NODE_SCALAR, place);
    }
    struct yaml_node *copy = node_copy(builder, anchor->node);
    copy->key = NULL;
    return copy;
}

static struct yaml_node *build_scalar(struct builder *builder, const yaml_event_t *event)
{
    struct source_place place = place_of(builder, event->start_mark, event->end_mark);
    struct yaml_node *node = node_new(builder, YAML_NODE_SCALAR, place);
    const char *text = (const char *)event->data.scalar.value;
    size_t length = event->data.scalar.length;
    refuse_tag(builder, event->data.scalar.tag, place);
    if (memchr(text, '\0', length) != NULL) {
        diagnostics_error(builder->diagnostics, place, "a zero byte has no place in a text");
        length = strlen(text);
    }
    node->text = arena_copy(builder->arena, text, length);
    node->length = (uint32_t)length;
    switch (event->data.scalar.style) {
    case YAML_SINGLE_QUOTED_SCALAR_STYLE:
    case YAML_DOUBLE_QUOTED_SCALAR_STYLE:
        node->style = YAML_STYLE_QUOTED;
        break;
    case YAML_LITERAL_SCALAR_STYLE:
    case YAML_FOLDED_SCALAR_STYLE:
        node->style = YAML_STYLE_BLOCK;
        break;
    default:
        node->style = YAML_STYLE_PLAIN;
        break;
    }
    const char *ambiguity =
        node->style == YAML_STYLE_PLAIN ? yaml_plain_ambiguity(node->text) : NULL;
    node->refused = ambiguity != NULL;
    if (ambiguity != NULL) {
        char quoted[DIAGNOSTICS_QUOTE_BYTES];
        diagnostics_error(builder->diagnostics, place, "%s %s",
                          diagnostics_quote(node->text, quoted), ambiguity);
    }
    return node;
}

static struct yaml_node *build_node(struct builder *builder, yaml_event_t *event, uint32_t depth);

static void build_sequence(struct builder *builder, struct yaml_node *node, uint32_t depth)
{
    yaml_event_t event;
    while (next_event(builder, &event)) {
        if (event.type == YAML_SEQUENCE_END_EVENT) {
            yaml_event_delete(&event);
            return;
        }
        yaml_tree_append(node, build_node(builder, &event, depth + 1));
    }
}

static void check_duplicate(struct builder *builder, const struct yaml_node *mapping,
                            const struct yaml_node *key)
{
    const struct yaml_node *other = yaml_tree_get(mapping, key->text);
    if (other != NULL) {
        char quoted[DIAGNOSTICS_QUOTE_BYTES];
        diagnostics_error(builder->diagnostics, key->place,
                          "the key %s stands here a second time; the first is in line %u",
                          diagnostics_quote(key->text, quoted), (unsigned)other->key_place.line);
    }
}

static void build_mapping(struct builder *builder, struct yaml_node *node, uint32_t depth)
{
    yaml_event_t event;
    while (next_event(builder, &event)) {
        if (event.type == YAML_MAPPING_END_EVENT) {
            yaml_event_delete(&event);
            return;
        }
        struct yaml_node *key = build_node(builder, &event, depth + 1);
        if (!next_event(builder, &event)) {
            return;
        }
        struct yaml_node *value = build_node(builder, &event, depth + 1);
        if (key->kind != YAML_NODE_SCALAR) {
            diagnostics_error(builder->diagnostics, key->place,
                              "a key must be a word, not a list or a map");
            continue;
        }
        check_duplicate(builder, node, key);
        value->key = key->text;
        value->key_refused = key->refused;
        value->key_place = key->place;
        yaml_tree_append(node, value);
        if (node->child_count > YAML_TREE_KEYS_MAX) {
            give_up(builder, key->place, "more keys than a map may have (10000)");
        }
    }
}

/* Consumes the event, and all that belongs to the node it opens. */
static struct yaml_node *build_node(struct builder *builder, yaml_event_t *event, uint32_t depth)
{
    struct source_place place = place_of(builder, event->start_mark, event->end_mark);
    struct yaml_node *node;
    struct anchor *anchor = NULL;
    if (depth > YAML_TREE_DEPTH_MAX) {
        give_up(builder, place, "nested too deeply (64 levels)");
        yaml_event_delete(event);
        return node_new(builder, YAML_NODE_SCALAR, place);
    }
    switch (event->type) {
    case YAML_ALIAS_EVENT:
        node = build_alias(builder, event, depth);
        break;
    case YAML_SEQUENCE_START_EVENT:
        node = node_new(builder, YAML_NODE_SEQUENCE, place);
        refuse_tag(builder, event->data.sequence_start.tag, place);
        anchor = anchor_add(builder, event->data.sequence_start.anchor, place);
        build_sequence(builder, node, depth);
        break;
    case YAML_MAPPING_START_EVENT:
        node = node_new(builder, YAML_NODE_MAPPING, place);
        refuse_tag(builder, event->data.mapping_start.tag, place);
        anchor = anchor_add(builder, event->data.mapping_start.anchor, place);
        build_mapping(builder, node, depth);
        break;
    default:
        SIM_ASSERT(event->type == YAML_SCALAR_EVENT);
        node = build_scalar(builder, event);
        anchor = anchor_add(builder, event->data.scalar.anchor, place);
        break;
    }
    if (anchor != NULL) {
        anchor->node = node;
    }
    yaml_event_delete(event);
    return node;
}

static struct yaml_node *build_document(struct builder *builder)
{
    yaml_event_t event;
    struct yaml_node *root = NULL;
    struct source_place whole = {.source = builder->source};
    while (next_event(builder, &event)) {
        yaml_event_type_t type = event.type;
        struct source_place place = place_of(builder, event.start_mark, event.end_mark);
        if (type == YAML_STREAM_START_EVENT || type == YAML_DOCUMENT_START_EVENT ||
            type == YAML_DOCUMENT_END_EVENT) {
            yaml_event_delete(&event);
            if (type == YAML_DOCUMENT_START_EVENT && root != NULL) {
                give_up(builder, place,
                        "a scenario is one YAML document, and here a second one begins");
            }
        } else if (type == YAML_STREAM_END_EVENT) {
            yaml_event_delete(&event);
            if (root == NULL) {
                give_up(builder, whole, "the file is empty");
            }
            break;
        } else {
            root = build_node(builder, &event, 1);
        }
    }
    return builder->broken ? NULL : root;
}

struct yaml_node *yaml_tree_parse(struct arena *arena, struct diagnostics *diagnostics,
                                  uint32_t source, const char *text, size_t length)
{
    struct builder builder = {.arena = arena, .diagnostics = diagnostics, .source = source};
    struct source_place whole = {.source = source};
    if (length > YAML_TREE_BYTES_MAX) {
        diagnostics_error(diagnostics, whole, "larger than a scenario may be (4 MiB)");
        return NULL;
    }
    if (length >= 2 && (memcmp(text, "\xff\xfe", 2) == 0 || memcmp(text, "\xfe\xff", 2) == 0)) {
        diagnostics_error(diagnostics, whole, "is UTF-16; save it as UTF-8");
        return NULL;
    }
    if (!yaml_parser_initialize(&builder.parser)) {
        diagnostics_error(diagnostics, whole, "no memory for the YAML reader");
        return NULL;
    }
    yaml_parser_set_encoding(&builder.parser, YAML_UTF8_ENCODING);
    yaml_parser_set_input_string(&builder.parser, (const unsigned char *)text, length);
    struct yaml_node *root = build_document(&builder);
    yaml_parser_delete(&builder.parser);
    SIM_ASSERT(root != NULL || diagnostics_count(diagnostics) > 0);
    return root;
}

struct yaml_node *yaml_tree_get(const struct yaml_node *mapping, const char *key)
{
    if (mapping == NULL || mapping->kind != YAML_NODE_MAPPING) {
        return NULL;
    }
    for (struct yaml_node *child = mapping->first_child; child != NULL; child = child->next) {
        if (strcmp(child->key, key) == 0) {
            return child;
        }
    }
    return NULL;
}

void yaml_tree_put(struct yaml_node *mapping, const char *key, struct source_place key_place,
                   struct yaml_node *value)
{
    SIM_ASSERT(mapping->kind == YAML_NODE_MAPPING);
    SIM_ASSERT(value->next == NULL);
    value->key = key;
    value->key_place = key_place;
    struct yaml_node *previous = NULL;
    for (struct yaml_node *child = mapping->first_child; child != NULL; child = child->next) {
        if (strcmp(child->key, key) == 0) {
            value->next = child->next;
            if (previous == NULL) {
                mapping->first_child = value;
            } else {
                previous->next = value;
            }
            if (mapping->last_child == child) {
                mapping->last_child = value;
            }
            return;
        }
        previous = child;
    }
    yaml_tree_append(mapping, value);
}

struct yaml_node *yaml_tree_remove(struct yaml_node *mapping, const char *key)
{
    if (mapping->kind != YAML_NODE_MAPPING) {
        return NULL;
    }
    struct yaml_node *previous = NULL, *child = mapping->first_child;
    while (child != NULL && strcmp(child->key, key) != 0) {
        previous = child;
        child = child->next;
    }
    if (child == NULL) {
        return NULL;
    }
    if (previous == NULL) {
        mapping->first_child = child->next;
    } else {
        previous->next = child->next;
    }
    if (mapping->last_child == child) {
        mapping->last_child = previous;
    }
    child->next = NULL;
    mapping->child_count--;
    return child;
}

bool yaml_tree_is_null(const struct yaml_node *node)
{
    return node->kind == YAML_NODE_SCALAR && node->style == YAML_STYLE_PLAIN &&
           (node->length == 0 || strcmp(node->text, "~") == 0 || strcmp(node->text, "null") == 0 ||
            strcmp(node->text, "Null") == 0 || strcmp(node->text, "NULL") == 0);
}
