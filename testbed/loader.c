#include "testbed/loader.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "sim/assert.h"
#include "testbed/expression.h"
#include "testbed/name_range.h"
#include "testbed/part_names.h"
#include "testbed/policy_rules.h"
#include "testbed/timeline_expand.h"

/* A name that was read, to be looked up when all are known. */
struct reference {
    const struct schema_key *key;
    const char *text;
    struct source_place place;
    uint32_t *index;            /* where the answer goes: this, */
    struct scenario_part *part; /* or this                      */
    struct scenario_indices
        *list; /* the list of which `index` is an element, to find a name that stands in it twice */
    struct scenario_parts *parts; /* a list that what it names is appended to, or this */
    struct reference *next;
};

struct condition {
    struct expression *expression;
    bool property; /* one reference, not a condition */
    struct condition *next;
};

struct loader {
    struct scenario *scenario;
    struct diagnostics *diagnostics;
    struct reference *references, **last_reference;
    struct condition *conditions, **last_condition;
    uint32_t values;
    bool too_large;
    /* The range key that is being expanded: which of its names this is. */
    bool in_range;
    uint32_t range_index;
};

struct source_place loader_place(const struct yaml_node *source, const char *key)
{
    const struct yaml_node *value = source == NULL ? NULL : yaml_tree_get(source, key);
    if (value != NULL) {
        return value->place;
    }
    return source == NULL ? (struct source_place){0} : source->place;
}

/* An error of the text, not of one name of a range: said for the first name only. */
#define LOADER_ERROR(loader, place, ...)                                                           \
    do {                                                                                           \
        if ((loader)->range_index == 0) {                                                          \
            diagnostics_error((loader)->diagnostics, place, __VA_ARGS__);                          \
        }                                                                                          \
    } while (0)

static bool count_value(struct loader *loader, struct source_place place)
{
    if (++loader->values > LOADER_VALUES_MAX && !loader->too_large) {
        loader->too_large = true;
        diagnostics_error(loader->diagnostics, place,
                          "larger than a scenario may be (1000000 values, ranges expanded)");
    }
    return !loader->too_large;
}

/* ---- single values ------------------------------------------------------------------------------------------------- */

static void fill_quantity(struct loader *loader, const struct schema_key *key,
                          const struct yaml_node *node, int64_t *out)
{
    char quoted[DIAGNOSTICS_QUOTE_BYTES], error[QUANTITY_ERROR_BYTES], low[QUANTITY_TEXT_BYTES],
        high[QUANTITY_TEXT_BYTES];
    int64_t value;
    diagnostics_quote(node->text, quoted);
    *out = QUANTITY_ABSENT;
    if (!quantity_parse(key->unit, node->text, &value, error)) {
        LOADER_ERROR(loader, node->place, "%s: %s %s", key->name, quoted, error);
        return;
    }
    if (value < 0 && !key->signed_value) {
        LOADER_ERROR(loader, node->place, "%s: %s is below 0", key->name, quoted);
        return;
    }
    if ((key->min != 0 || key->max != 0) && (value < key->min || value > key->max)) {
        LOADER_ERROR(loader, node->place, "%s: %s is out of range; expected %s to %s", key->name,
                     quoted, quantity_print(key->unit, key->min, low),
                     quantity_print(key->unit, key->max, high));
        return;
    }
    *out = value;
}

static void fill_choice(struct loader *loader, const struct schema_key *key,
                        const struct yaml_node *node, int *out)
{
    char quoted[DIAGNOSTICS_QUOTE_BYTES], hint[DIAGNOSTICS_QUOTE_BYTES], expected[256];
    struct nearest_word nearest;
    nearest_word_init(&nearest, node->text);
    for (const struct schema_choice *choice = key->choices; choice->word != NULL; choice++) {
        if (strcmp(choice->word, node->text) == 0) {
            *out = choice->value;
            return;
        }
        nearest_word_offer(&nearest, choice->word);
    }
    LOADER_ERROR(
        loader, node->place, "%s: %s is not %s%s", key->name, diagnostics_quote(node->text, quoted),
        schema_expected(key, expected, sizeof(expected)), nearest_word_hint(&nearest, hint));
}

static bool fill_truth(struct loader *loader, const struct schema_key *key,
                       const struct yaml_node *node)
{
    bool is_true = strcmp(node->text, "true") == 0;
    bool is_false = strcmp(node->text, "false") == 0;
    bool allowed = is_true || (is_false && key->type == SCHEMA_FLAG);
    if (node->style != YAML_STYLE_PLAIN || !allowed) {
        char quoted[DIAGNOSTICS_QUOTE_BYTES];
        LOADER_ERROR(loader, node->place, "%s: %s is not %s%s", key->name,
                     diagnostics_quote(node->text, quoted),
                     key->type == SCHEMA_FLAG ? "true or false" : "true",
                     is_false ? "; leave the key out instead" : "");
    }
    return is_true;
}

/* RFC 4632 3.1, "Basic Concept and Prefix Notation": four decimal octets, a slash, the length of the prefix. */
static bool parse_subnet(const char *text, struct scenario_subnet *out)
{
    uint32_t octets[4], prefix;
    char rest;
    size_t allowed = strspn(text, "0123456789./");
    if (text[allowed] != '\0' || allowed > 18 ||
        sscanf(text, "%3u.%3u.%3u.%3u/%2u%c", &octets[0], &octets[1], &octets[2], &octets[3],
               &prefix, &rest) != 5) {
        return false;
    }
    uint32_t address = 0;
    for (uint32_t i = 0; i < 4; i++) {
        if (octets[i] > 255) {
            return false;
        }
        address = address << 8 | octets[i];
    }
    if (prefix < 8 || prefix > 30 || (address & (UINT32_MAX >> prefix)) != 0) {
        return false;
    }
    *out = (struct scenario_subnet){address, prefix};
    return true;
}

static void fill_name(struct loader *loader, const struct schema_key *key,
                      const struct yaml_node *node, const char **out)
{
    struct name_range range;
    const char *error = NULL;
    char quoted[DIAGNOSTICS_QUOTE_BYTES];
    diagnostics_quote(node->text, quoted);
    if (!name_range_parse(node->text, &range, &error)) {
        LOADER_ERROR(loader, node->place, "%s: %s %s", key->name, quoted, error);
    } else if (range.numbered && strstr(node->text, "..") != NULL) {
        LOADER_ERROR(loader, node->place, "%s: %s is a range; expected one name", key->name,
                     quoted);
    } else if (name_is_reserved(node->text)) {
        LOADER_ERROR(loader, node->place, "%s: %s is a word of the language and cannot be a name",
                     key->name, quoted);
    } else {
        *out = node->text;
    }
}

/* The text of a name as it is meant here: a range deals its names out to those of the range key above. */
static const char *deal(struct loader *loader, const struct schema_key *key,
                        const struct yaml_node *node)
{
    struct name_range range;
    const char *error;
    char name[NAME_BYTES_MAX + 1], quoted[DIAGNOSTICS_QUOTE_BYTES];
    if (strstr(node->text, "..") == NULL || strchr(node->text, '/') != NULL) {
        return node->text;
    }
    diagnostics_quote(node->text, quoted);
    if (!name_range_parse(node->text, &range, &error)) {
        LOADER_ERROR(loader, node->place, "%s: %s %s", key->name, quoted, error);
        return NULL;
    }
    if (!loader->in_range) {
        LOADER_ERROR(loader, node->place,
                     "%s: the range %s deals its names out to a range of parts, and stands under a "
                     "single one here",
                     key->name, quoted);
        return NULL;
    }
    name_range_get(&range, loader->range_index % range.count, name);
    return arena_copy(&loader->scenario->arena, name, strlen(name));
}

static struct reference *add_reference(struct loader *loader, const struct schema_key *key,
                                       const struct yaml_node *node)
{
    const char *text = deal(loader, key, node);
    if (text == NULL) {
        return NULL;
    }
    struct reference *reference = arena_alloc(&loader->scenario->arena, sizeof(*reference));
    reference->key = key;
    reference->text = text;
    reference->place = node->place;
    *loader->last_reference = reference;
    loader->last_reference = &reference->next;
    return reference;
}

static void fill_condition(struct loader *loader, const struct schema_key *key,
                           const struct yaml_node *node, struct expression **out)
{
    struct source_place place = node->place;
    bool plain = node->style == YAML_STYLE_PLAIN && place.width == node->length;
    bool quoted = node->style == YAML_STYLE_QUOTED && place.width == node->length + 2;
    place.column += quoted ? 1 : 0;
    *out = expression_parse(&loader->scenario->arena, loader->diagnostics, node->text, place,
                            plain || quoted);
    if (*out != NULL) {
        struct condition *condition = arena_alloc(&loader->scenario->arena, sizeof(*condition));
        condition->expression = *out;
        condition->property = key->type == SCHEMA_PROPERTY;
        *loader->last_condition = condition;
        loader->last_condition = &condition->next;
    }
}

/* A path as seen from the directory of the scenario, whatever file it stands in. */
static const char *path_of(struct loader *loader, const struct yaml_node *node)
{
    return node->directory == NULL || node->text[0] == '/'
               ? node->text
               : arena_print(&loader->scenario->arena, "%s/%s", node->directory, node->text);
}

static void fill_scalar(struct loader *loader, const struct schema_key *key,
                        const struct yaml_node *node, void *member)
{
    struct reference *reference;
    char quoted[DIAGNOSTICS_QUOTE_BYTES];
    switch (key->type) {
    case SCHEMA_TEXT:
        *(const char **)member = node->text;
        break;
    case SCHEMA_PATH:
        *(const char **)member = path_of(loader, node);
        break;
    case SCHEMA_NAME:
        fill_name(loader, key, node, member);
        break;
    case SCHEMA_FLAG:
        *(bool *)member = fill_truth(loader, key, node);
        break;
    case SCHEMA_MARK:
        fill_truth(loader, key, node);
        *(int64_t *)member = 1;
        break;
    case SCHEMA_CHOICE:
        fill_choice(loader, key, node, member);
        break;
    case SCHEMA_QUANTITY:
        fill_quantity(loader, key, node, member);
        break;
    case SCHEMA_SUBNET:
        if (!parse_subnet(node->text, member)) {
            LOADER_ERROR(loader, node->place,
                         "%s: %s is not a subnet; expected an address and a prefix of 8 to 30, as "
                         "in 10.1.0.0/16",
                         key->name, diagnostics_quote(node->text, quoted));
        }
        break;
    case SCHEMA_INDEX:
        *(uint32_t *)member = SIM_NONE;
        reference = add_reference(loader, key, node);
        if (reference != NULL) {
            reference->index = member;
        }
        break;
    case SCHEMA_PART:
        reference = add_reference(loader, key, node);
        if (reference != NULL) {
            reference->part = member;
        }
        break;
    default:
        SIM_ASSERT(key->type == SCHEMA_CONDITION || key->type == SCHEMA_PROPERTY);
        fill_condition(loader, key, node, member);
        break;
    }
}

/* ---- lists and maps ------------------------------------------------------------------------------------------------ */

static void fill_map(struct loader *loader, const struct schema_map *map,
                     const struct yaml_node *node, void *out);

static bool expect_kind(struct loader *loader, const struct schema_key *key,
                        const struct yaml_node *node, enum yaml_kind kind)
{
    static const char *const found[] = {"a single value", "a list", "a map"};
    char expected[256];
    if (node->kind == kind) {
        return true;
    }
    LOADER_ERROR(loader, node->place, "%s: found %s; expected %s", key->name, found[node->kind],
                 schema_expected(key, expected, sizeof(expected)));
    return false;
}

static void fill_index_list(struct loader *loader, const struct schema_key *key,
                            const struct yaml_node *node, struct scenario_indices *out)
{
    if (!expect_kind(loader, key, node, YAML_NODE_SEQUENCE)) {
        /* A list whose one name is not known, so that nothing is concluded from it. */
        out->items = arena_alloc(&loader->scenario->arena, sizeof(out->items[0]));
        out->items[0] = SIM_NONE;
        out->count = 1;
        return;
    }
    if (node->child_count > LOADER_LIST_MAX) {
        LOADER_ERROR(loader, node->place, "%s: more names than a list may have (%u)", key->name,
                     LOADER_LIST_MAX);
        return;
    }
    out->items = arena_alloc(&loader->scenario->arena, node->child_count * sizeof(out->items[0]));
    for (const struct yaml_node *child = node->first_child; child != NULL; child = child->next) {
        if (!count_value(loader, child->place)) {
            return;
        }
        if (child->kind != YAML_NODE_SCALAR) {
            LOADER_ERROR(loader, child->place, "%s: expected a name", key->name);
        }
        out->items[out->count] = SIM_NONE;
        struct reference *reference =
            child->kind == YAML_NODE_SCALAR ? add_reference(loader, key, child) : NULL;
        if (reference != NULL) {
            reference->index = &out->items[out->count];
            reference->list = out;
        }
        out->count++;
    }
}

/* One name or a list of them; patterns are expanded when all names are known. */
static void fill_part_list(struct loader *loader, const struct schema_key *key,
                           const struct yaml_node *node, struct scenario_parts *out)
{
    char expected[256];
    bool list = node->kind == YAML_NODE_SEQUENCE;
    if (node->kind == YAML_NODE_MAPPING || yaml_tree_is_null(node) ||
        (list && (node->child_count == 0 || node->child_count > LOADER_LIST_MAX))) {
        LOADER_ERROR(loader, node->place, "%s: %s; expected %s", key->name,
                     node->kind == YAML_NODE_MAPPING       ? "found a map"
                     : node->child_count > LOADER_LIST_MAX ? "more names than a list may have"
                                                           : "no name is given",
                     schema_expected(key, expected, sizeof(expected)));
        return;
    }
    for (const struct yaml_node *child = list ? node->first_child : node; child != NULL;
         child = list ? child->next : NULL) {
        if (!count_value(loader, child->place)) {
            return;
        }
        if (child->kind != YAML_NODE_SCALAR || yaml_tree_is_null(child)) {
            LOADER_ERROR(loader, child->place, "%s: expected a name", key->name);
            continue;
        }
        struct reference *reference = add_reference(loader, key, child);
        if (reference != NULL) {
            reference->parts = out;
        }
    }
}

static void fill_map_list(struct loader *loader, const struct schema_key *key,
                          const struct yaml_node *node, void *out)
{
    if (!expect_kind(loader, key, node, YAML_NODE_SEQUENCE)) {
        return;
    }
    const struct schema_map *map = key->map;
    unsigned char *items = arena_alloc(&loader->scenario->arena, node->child_count * map->bytes);
    uint32_t count = 0;
    for (const struct yaml_node *child = node->first_child; child != NULL; child = child->next) {
        if (!count_value(loader, child->place)) {
            break;
        }
        fill_map(loader, map, child, items + count * map->bytes);
        count++;
    }
    *(void **)(void *)((char *)out + key->offset) = items;
    *(uint32_t *)(void *)((char *)out + key->count_offset) = count;
}

/* One name of a map of parts, with the range that it came from. */
struct named_part {
    const char *name;
    const struct yaml_node *node;
    uint32_t range_index;
    bool in_range;
};

static int named_part_compare(const void *a, const void *b)
{
    const struct named_part *x = a, *y = b;
    int order = name_compare(x->name, y->name);
    if (order == 0 && x->node->key_place.source != y->node->key_place.source) {
        order = x->node->key_place.source > y->node->key_place.source ? -1 : 1;
    }
    if (order == 0 && x->node->key_place.line != y->node->key_place.line) {
        order = x->node->key_place.line < y->node->key_place.line ? -1 : 1;
    }
    if (order == 0 && x->node->key_place.column != y->node->key_place.column) {
        order = x->node->key_place.column < y->node->key_place.column ? -1 : 1;
    }
    return order;
}

static uint32_t parts_count(struct loader *loader, const struct yaml_node *node)
{
    uint32_t total = 0;
    for (const struct yaml_node *child = node->first_child; child != NULL; child = child->next) {
        struct name_range range;
        const char *error;
        char quoted[DIAGNOSTICS_QUOTE_BYTES];
        diagnostics_quote(child->key, quoted);
        if (child->key_refused) {
            continue; /* said already */
        }
        if (!name_range_parse(child->key, &range, &error)) {
            diagnostics_error(loader->diagnostics, child->key_place, "%s %s", quoted, error);
        } else if (name_is_reserved(child->key)) {
            diagnostics_error(loader->diagnostics, child->key_place,
                              "%s is a word of the language and cannot be a name", quoted);
        } else {
            total += range.count;
            if (total > LOADER_PARTS_MAX) {
                diagnostics_error(loader->diagnostics, child->key_place,
                                  "more names than a map of parts may have (%u)", LOADER_PARTS_MAX);
                return 0;
            }
        }
    }
    return total;
}

/* All names of the map in the order S1, ranges expanded. */
static struct named_part *parts_collect(struct loader *loader, const struct yaml_node *node,
                                        uint32_t total)
{
    struct arena *arena = &loader->scenario->arena;
    struct named_part *parts = arena_alloc(arena, total * sizeof(*parts));
    uint32_t count = 0;
    for (const struct yaml_node *child = node->first_child; child != NULL; child = child->next) {
        struct name_range range;
        const char *error;
        if (child->key_refused || !name_range_parse(child->key, &range, &error) ||
            name_is_reserved(child->key)) {
            continue;
        }
        for (uint32_t i = 0; i < range.count; i++) {
            char name[NAME_BYTES_MAX + 1];
            name_range_get(&range, i, name);
            SIM_ASSERT(count < total);
            parts[count++] = (struct named_part){arena_copy(arena, name, strlen(name)), child, i,
                                                 range.numbered};
        }
    }
    SIM_ASSERT(count == total);
    if (total > 0) {
        qsort(parts, total, sizeof(*parts), named_part_compare);
    }
    return parts;
}

static void fill_parts(struct loader *loader, const struct schema_key *key,
                       const struct yaml_node *node, void *out)
{
    if (!expect_kind(loader, key, node, YAML_NODE_MAPPING)) {
        return;
    }
    const struct schema_map *map = key->map;
    struct arena *arena = &loader->scenario->arena;
    uint32_t total = parts_count(loader, node);
    if (total == 0) {
        return;
    }
    struct named_part *parts = parts_collect(loader, node, total);
    unsigned char *items = arena_alloc(arena, total * map->bytes);
    struct scenario_name *names = arena_alloc(arena, total * sizeof(*names));
    SIM_ASSERT(!loader->in_range);
    for (uint32_t i = 0; i < total; i++) {
        unsigned char *item = items + i * map->bytes;
        loader->in_range = parts[i].in_range;
        loader->range_index = parts[i].range_index;
        fill_map(loader, map, parts[i].node, item);
        *(const char **)(void *)(item + map->name_offset) = parts[i].name;
        enum scenario_part_kind kind = SCENARIO_NO_PART;
        while ((key->parts & UINT32_C(1) << kind) == 0) {
            kind++;
        }
        names[i] = (struct scenario_name){parts[i].name, {kind, i}, parts[i].node->key_place};
    }
    loader->in_range = false;
    loader->range_index = 0;
    *(void **)(void *)((char *)out + key->offset) = items;
    *(uint32_t *)(void *)((char *)out + key->count_offset) = total;
    part_names_add(loader->scenario, names, total, loader->diagnostics);
}

/* What stands for "not given", also after a value that was refused. */
static void clear(const struct schema_key *key, void *out)
{
    void *member = (char *)out + key->offset;
    if (key->type == SCHEMA_QUANTITY || key->type == SCHEMA_MARK) {
        *(int64_t *)member = QUANTITY_ABSENT;
    } else if (key->type == SCHEMA_INDEX) {
        *(uint32_t *)member = SIM_NONE;
    }
}

static void fill_value(struct loader *loader, const struct schema_key *key,
                       const struct yaml_node *node, void *out)
{
    void *member = (char *)out + key->offset;
    if (!count_value(loader, node->place)) {
        return;
    }
    switch (key->type) {
    case SCHEMA_MAP:
        fill_map(loader, key->map, node, member);
        break;
    case SCHEMA_INDEX_LIST:
        fill_index_list(loader, key, node, member);
        break;
    case SCHEMA_PART_LIST:
        fill_part_list(loader, key, node, member);
        break;
    case SCHEMA_MAP_LIST:
        fill_map_list(loader, key, node, out);
        break;
    case SCHEMA_PARTS:
        fill_parts(loader, key, node, out);
        break;
    case SCHEMA_STEP:
        LOADER_ERROR(loader, node->place, "'%s' is read before --set: it stands in a file",
                     key->name);
        break;
    default:
        clear(key, out);
        if (yaml_tree_is_null(node)) {
            char expected[256];
            LOADER_ERROR(loader, node->place, "%s: nothing is given; expected %s", key->name,
                         schema_expected(key, expected, sizeof(expected)));
        } else if (expect_kind(loader, key, node, YAML_NODE_SCALAR)) {
            fill_scalar(loader, key, node, member);
        }
        break;
    }
}

/* A key that the map does not have: its default, or what stands for "absent". */
static void fill_absent(struct loader *loader, const struct schema_key *key, void *out)
{
    void *member = (char *)out + key->offset;
    if (key->default_text != NULL) {
        struct yaml_node value = {.kind = YAML_NODE_SCALAR, .text = key->default_text};
        value.length = (uint32_t)strlen(key->default_text);
        fill_scalar(loader, key, &value, member);
    } else if (key->type == SCHEMA_MAP && key->group == 0) {
        fill_map(loader, key->map, NULL, member);
    } else {
        clear(key, out);
    }
}

static void report_unknown_key(struct loader *loader, const struct schema_map *map,
                               const struct yaml_node *child)
{
    char quoted[DIAGNOSTICS_QUOTE_BYTES], hint[DIAGNOSTICS_QUOTE_BYTES], list[512] = "";
    const struct schema_key *key = schema_key_find(map, child->key);
    diagnostics_quote(child->key, quoted);
    if (key != NULL) {
        LOADER_ERROR(loader, child->key_place, "%s comes with a later version", quoted);
        return;
    }
    struct nearest_word nearest;
    nearest_word_init(&nearest, child->key);
    for (uint32_t i = 0; i < schema_key_count(map); i++) {
        key = schema_key_at(map, i);
        if (!key->next) {
            nearest_word_offer(&nearest, key->name);
            size_t used = strlen(list);
            snprintf(list + used, sizeof(list) - used, "%s%s", used == 0 ? "" : ", ", key->name);
        }
    }
    if (nearest.best != NULL) {
        LOADER_ERROR(loader, child->key_place, "unknown key %s%s", quoted,
                     nearest_word_hint(&nearest, hint));
    } else {
        LOADER_ERROR(loader, child->key_place, "unknown key %s; expected one of %s", quoted, list);
    }
}

/* Whether an unknown key of the map is this one, misspelt: that is said at the misspelt one. */
static bool is_misspelt(const struct schema_map *map, const struct schema_key *key,
                        const struct yaml_node *node)
{
    for (const struct yaml_node *child = node->first_child; child != NULL; child = child->next) {
        struct nearest_word nearest;
        nearest_word_init(&nearest, child->key);
        nearest_word_offer(&nearest, key->name);
        if (nearest.best != NULL && schema_key_find(map, child->key) == NULL) {
            return true;
        }
    }
    return false;
}

/* Which keys of a group are there: none or too many is an error; the one goes to the group's member. */
static void check_group(struct loader *loader, const struct schema_map *map, uint32_t group_number,
                        const struct yaml_node *node, void *out)
{
    const struct schema_group *group = &map->groups[group_number - 1];
    const struct schema_key *given = NULL;
    bool misspelt = false;
    char list[512] = "";
    for (uint32_t i = 0; i < schema_key_count(map); i++) {
        const struct schema_key *key = schema_key_at(map, i);
        if (key->group != group_number) {
            continue;
        }
        misspelt = misspelt || (node != NULL && is_misspelt(map, key, node));
        size_t used = strlen(list);
        snprintf(list + used, sizeof(list) - used, "%s%s", used == 0 ? "" : ", ", key->name);
        const struct yaml_node *value = yaml_tree_get(node, key->name);
        bool by_shorthand = node != NULL && node->kind == YAML_NODE_SCALAR &&
                            !yaml_tree_is_null(node) && map->shorthand != NULL &&
                            strcmp(map->shorthand, key->name) == 0;
        if (value == NULL && !by_shorthand) {
            continue;
        }
        if (given != NULL && group->exclusive) {
            LOADER_ERROR(loader, value->key_place, "%s is given twice: '%s' and '%s'", group->what,
                         given->name, key->name);
        } else {
            given = key;
        }
    }
    if (given != NULL && group->stored) {
        *(int *)(void *)((char *)out + group->offset) = given->group_value;
    }
    if (given == NULL && group->required && node != NULL && !misspelt) {
        LOADER_ERROR(loader, node->place, "%s is missing; expected one of %s", group->what, list);
    }
}

static void check_companions(struct loader *loader, const struct schema_map *map,
                             const struct yaml_node *node)
{
    for (const struct yaml_node *child = node->first_child; child != NULL; child = child->next) {
        const struct schema_key *key = schema_key_find(map, child->key);
        if (key != NULL && key->after != NULL && yaml_tree_get(node, key->after) == NULL) {
            LOADER_ERROR(loader, child->key_place, "'%s' makes sense only beside '%s'", key->name,
                         key->after);
        }
    }
}

static void report_missing(struct loader *loader, const struct schema_map *map,
                           const struct schema_key *key, const struct yaml_node *node)
{
    bool given = node != NULL && !(map->source_marks && yaml_tree_is_null(node));
    if (key->required && given && !is_misspelt(map, key, node)) {
        LOADER_ERROR(loader, node->key != NULL ? node->key_place : node->place, "'%s' is missing",
                     key->name);
    }
}

/* `value` is what the map has under the key, or NULL. */
static void fill_key(struct loader *loader, const struct schema_map *map,
                     const struct schema_key *key, const struct yaml_node *node,
                     const struct yaml_node *value, void *out)
{
    bool several = key->map != NULL || key->type == SCHEMA_INDEX_LIST;
    if (value != NULL && several && key->group == 0 && yaml_tree_is_null(value)) {
        value = NULL; /* `vms:` with nothing below it has no VMs */
    }
    if (value == NULL) {
        fill_absent(loader, key, out);
        report_missing(loader, map, key, node);
    } else if (value->refused) {
        fill_absent(loader, key, out);
    } else {
        fill_value(loader, key, value, out);
    }
}

static void check_keys(struct loader *loader, const struct schema_map *map,
                       const struct yaml_node *node)
{
    for (const struct yaml_node *child = node->first_child; child != NULL; child = child->next) {
        const struct schema_key *key = schema_key_find(map, child->key);
        if ((key == NULL || key->next) && !child->key_refused) {
            report_unknown_key(loader, map, child);
        }
    }
    check_companions(loader, map, node);
}

static void report_no_map(struct loader *loader, const struct schema_map *map,
                          const struct yaml_node *node)
{
    char list[512] = "";
    for (uint32_t i = 0; i < schema_key_count(map); i++) {
        const struct schema_key *key = schema_key_at(map, i);
        size_t used = strlen(list);
        if (!key->next) {
            snprintf(list + used, sizeof(list) - used, "%s%s", used == 0 ? "" : ", ", key->name);
        }
    }
    LOADER_ERROR(loader, node->place, "found %s; expected a map with keys among %s",
                 node->kind == YAML_NODE_SCALAR ? "a single value" : "a list", list);
}

/* Fills one struct. `node` NULL: defaults only. */
static void fill_map(struct loader *loader, const struct schema_map *map,
                     const struct yaml_node *node, void *out)
{
    node = node != NULL && node->refused ? NULL : node;
    bool empty = node == NULL || yaml_tree_is_null(node);
    bool shorthand = !empty && node->kind == YAML_NODE_SCALAR && map->shorthand != NULL;
    if (!empty && node->kind != YAML_NODE_MAPPING && !shorthand) {
        report_no_map(loader, map, node);
        node = NULL;
        empty = true;
    }
    *(const struct yaml_node **)out = empty ? NULL : node;
    if (!empty && !shorthand) {
        check_keys(loader, map, node);
    }
    uint32_t groups_given = 0;
    for (uint32_t i = 0; i < schema_key_count(map); i++) {
        const struct schema_key *key = schema_key_at(map, i);
        const struct yaml_node *value = yaml_tree_get(node, key->name);
        if (shorthand && strcmp(key->name, map->shorthand) == 0) {
            value = node;
        }
        uint32_t group = UINT32_C(1) << key->group;
        bool exclusive = key->group != 0 && map->groups[key->group - 1].exclusive;
        bool second = value != NULL && exclusive && (groups_given & group) != 0;
        groups_given |= value != NULL ? group : 0;
        /* Alternatives may share their memory; that there are two of them, check_group says. */
        if (!key->next && !second) {
            fill_key(loader, map, key, node, value, out);
        }
    }
    for (uint32_t i = 1; i <= map->group_count; i++) {
        check_group(loader, map, i, node, out);
    }
}

/* ---- names --------------------------------------------------------------------------------------------------------- */

static void resolve(struct loader *loader, bool links)
{
    for (struct reference *reference = loader->references; reference != NULL;
         reference = reference->next) {
        bool to_link = (reference->key->parts & UINT32_C(1) << SCENARIO_LINK) != 0;
        struct scenario_part part;
        if (to_link == links && reference->parts != NULL) {
            part_names_add_to_list(loader->scenario, reference->key, reference->text,
                                   reference->place, loader->diagnostics, reference->parts);
            continue;
        }
        if (to_link != links ||
            !part_names_resolve(loader->scenario, reference->key, reference->text, reference->place,
                                loader->diagnostics, &part)) {
            continue;
        }
        if (reference->part != NULL) {
            *reference->part = part;
            continue;
        }
        *reference->index = part.index;
        for (uint32_t i = 0;
             reference->list != NULL && &reference->list->items[i] != reference->index; i++) {
            if (reference->list->items[i] == part.index) {
                diagnostics_error(loader->diagnostics, reference->place,
                                  "%s: '%s' stands in this list already", reference->key->name,
                                  reference->text);
                break;
            }
        }
    }
}

static void add_links(struct scenario *scenario, struct scenario_name *names,
                      struct scenario_part machine, const char *machine_name,
                      const struct yaml_node *source)
{
    const struct scenario_indices *nics = scenario_part_nics(scenario, machine);
    for (uint32_t i = 0; i < nics->count; i++) {
        uint32_t network = nics->items[i];
        bool again = false;
        for (uint32_t j = 0; j < i; j++) {
            again = again || nics->items[j] == network;
        }
        if (network == SIM_NONE || again) {
            continue; /* reported */
        }
        const char *name =
            arena_print(&scenario->arena, "%s/%s", machine_name, scenario->networks[network].name);
        names[scenario->link_count] = (struct scenario_name){
            name, {SCENARIO_LINK, scenario->link_count}, loader_place(source, "nics")};
        scenario->links[scenario->link_count++] = (struct scenario_link){name, machine, i, network};
    }
}

static void make_links(struct loader *loader)
{
    struct scenario *scenario = loader->scenario;
    uint32_t total = 0;
    for (uint32_t i = 0; i < scenario->node_count; i++) {
        total += scenario->nodes[i].nics.count;
    }
    for (uint32_t i = 0; i < scenario->client_count; i++) {
        total += scenario->clients[i].nics.count;
    }
    scenario->links = arena_alloc(&scenario->arena, total * sizeof(scenario->links[0]));
    struct scenario_name *names = arena_alloc(&scenario->arena, total * sizeof(*names));
    for (uint32_t i = 0; i < scenario->node_count; i++) {
        const struct scenario_node *node = &scenario->nodes[i];
        add_links(scenario, names, (struct scenario_part){SCENARIO_NODE, i}, node->name,
                  node->source);
    }
    for (uint32_t i = 0; i < scenario->client_count; i++) {
        const struct scenario_client *client = &scenario->clients[i];
        add_links(scenario, names, (struct scenario_part){SCENARIO_CLIENT, i}, client->name,
                  client->source);
    }
    SIM_ASSERT(scenario->link_count <= total);
    part_names_add(scenario, names, scenario->link_count, loader->diagnostics);
}

void loader_load(struct scenario *scenario, const struct yaml_node *root,
                 struct diagnostics *diagnostics)
{
    struct loader loader = {.scenario = scenario, .diagnostics = diagnostics};
    loader.last_reference = &loader.references;
    loader.last_condition = &loader.conditions;
    fill_map(&loader, &schema_scenario, root, scenario);
    if (loader.too_large) {
        return;
    }
    timeline_expand(scenario, diagnostics);
    resolve(&loader, false);
    make_links(&loader);
    resolve(&loader, true);
    timeline_expand_actions(scenario);
    if (scenario->sweep.source != NULL) {
        scenario->timeline[scenario->sweep.item].action.fault = scenario->sweep.fault;
    }
    policy_rules_add_moves(scenario, diagnostics);
    for (struct condition *condition = loader.conditions; condition != NULL;
         condition = condition->next) {
        if (condition->property) {
            expression_check_property(condition->expression, scenario, diagnostics);
        } else {
            expression_check(condition->expression, scenario, diagnostics);
        }
    }
}
