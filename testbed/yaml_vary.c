#include "testbed/yaml_vary.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "sim/assert.h"
#include "testbed/name_range.h"
#include "testbed/yaml_flow.h"

/* ---- the pieces of a text ------------------------------------------------------------------------------------------ */

enum piece { PIECE_END, PIECE_TEXT, PIECE_NAME, PIECE_BROKEN };

static bool is_letter(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

static bool is_name_character(char c)
{
    return is_letter(c) || (c >= '0' && c <= '9') || c == '-' || c == '_';
}

/* Bytes of the name that begins here. A dash at its end is not part of it: `$from-$to`. */
static size_t name_length(const char *text)
{
    size_t length = 0;
    while (is_letter(text[0]) && is_name_character(text[length])) {
        length++;
    }
    while (length > 0 && text[length - 1] == '-') {
        length--;
    }
    return length;
}

/* The piece at `*at`, which moves behind it: what it says is the `*length` bytes from `*start`. */
static enum piece piece_next(const char **at, const char **start, size_t *length)
{
    const char *text = *at;
    *start = text;
    *length = strcspn(text, "$");
    *at = text + *length;
    if (*length > 0 || *text == '\0') {
        return *length > 0 ? PIECE_TEXT : PIECE_END;
    }
    if (text[1] == '{') {
        *start = text + 2;
        *length = name_length(*start);
        bool whole = *length > 0 && (*start)[*length] == '}';
        *at = whole ? *start + *length + 1 : text + 2;
        return whole ? PIECE_NAME : PIECE_BROKEN;
    }
    if (is_letter(text[1])) {
        *start = text + 1;
        *length = name_length(*start);
        *at = *start + *length;
        return PIECE_NAME;
    }
    *length = 1;
    *at = text + (text[1] == '$' ? 2 : 1);
    return PIECE_TEXT;
}

static struct yaml_vary_name *name_find(struct yaml_vary *vary, const char *text, size_t length)
{
    for (uint32_t i = 0; i < vary->name_count; i++) {
        struct yaml_vary_name *name = &vary->names[i];
        if (strlen(name->name) == length && memcmp(name->name, text, length) == 0) {
            return name;
        }
    }
    return NULL;
}

/* ---- reading `vary` ------------------------------------------------------------------------------------------------ */

struct taking {
    struct arena *arena;
    struct diagnostics *diagnostics;
    struct yaml_vary *vary;
};

/* A2: the first `$name` in a value, wherever it stands. */
static const char *dollar_in(const struct yaml_node *node)
{
    const char *texts[] = {node->key, node->kind == YAML_NODE_SCALAR ? node->text : NULL};
    for (size_t i = 0; i < 2; i++) {
        const char *at = texts[i] == NULL ? "" : texts[i], *start;
        size_t length;
        for (enum piece piece; (piece = piece_next(&at, &start, &length)) != PIECE_END;) {
            if (piece != PIECE_TEXT) {
                return texts[i];
            }
        }
    }
    for (const struct yaml_node *child = node->first_child; child != NULL; child = child->next) {
        const char *found = dollar_in(child);
        if (found != NULL) {
            return found;
        }
    }
    return NULL;
}

static void add_value(struct taking *taking, struct yaml_vary_name *name,
                      const struct yaml_node *node, bool labelled)
{
    char quoted[DIAGNOSTICS_QUOTE_BYTES];
    const struct yaml_node key = {.kind = YAML_NODE_SCALAR, .text = node->key};
    const char *label = yaml_flow_text(taking->arena, labelled ? &key : node);
    const char *dollar = dollar_in(node);
    if (node->refused) {
        return;
    }
    if (dollar != NULL) {
        diagnostics_error(taking->diagnostics, node->place,
                          "the value %s of 'vary' cannot hold a '$' of its own ('$$' is a dollar)",
                          diagnostics_quote(dollar, quoted));
        return;
    }
    for (uint32_t i = 0; i < name->value_count && !taking->vary->in_step; i++) {
        if (strcmp(name->values[i].label, label) == 0) {
            diagnostics_error(taking->diagnostics, node->place, "%s stands here already",
                              diagnostics_quote(label, quoted));
            return;
        }
    }
    name->values[name->value_count++] = (struct yaml_vary_value){label, node};
}

/* NULL after an error. */
static struct yaml_vary_name *add_name(struct taking *taking, const struct yaml_node *node,
                                       uint32_t room)
{
    struct yaml_vary *vary = taking->vary;
    struct name_range range;
    const char *error = NULL;
    char quoted[DIAGNOSTICS_QUOTE_BYTES];
    diagnostics_quote(node->key, quoted);
    if (node->key_refused) {
        return NULL;
    }
    size_t length = name_length(node->key);
    if (!name_range_parse(node->key, &range, &error)) {
        diagnostics_error(taking->diagnostics, node->key_place, "%s %s", quoted, error);
        return NULL;
    }
    if (node->key[length] != '\0') {
        diagnostics_error(taking->diagnostics, node->key_place,
                          "%s is not a name that '$' can call: letters, digits, '_', and '-' "
                          "within",
                          quoted);
        return NULL;
    }
    if (vary->name_count == YAML_VARY_NAMES_MAX) {
        diagnostics_error(taking->diagnostics, node->key_place,
                          "more names than 'vary' may have (%u)", YAML_VARY_NAMES_MAX);
        return NULL;
    }
    struct yaml_vary_name *name = &vary->names[vary->name_count++];
    *name = (struct yaml_vary_name){.name = node->key, .place = node->key_place};
    name->values = arena_alloc(taking->arena, room * sizeof(*name->values));
    return name;
}

static void take_names(struct taking *taking, const struct yaml_node *map)
{
    for (const struct yaml_node *child = map->first_child; child != NULL; child = child->next) {
        bool one = child->kind == YAML_NODE_SCALAR;
        struct yaml_vary_name *name = add_name(taking, child, one ? 1 : child->child_count);
        if (name == NULL) {
            continue;
        }
        if (one ? yaml_tree_is_null(child) : child->child_count == 0) {
            diagnostics_error(taking->diagnostics, child->place,
                              "%s: no value is given; expected a list of values, as in "
                              "[100Mbit/s, 1Gbit/s]",
                              child->key);
            continue;
        }
        if (one) {
            add_value(taking, name, child, false);
        }
        for (const struct yaml_node *value = child->first_child; value != NULL;
             value = value->next) {
            add_value(taking, name, value, child->kind == YAML_NODE_MAPPING);
        }
        uint64_t cells = (uint64_t)taking->vary->cell_count * name->value_count;
        if (cells > YAML_VARY_CELLS_MAX) {
            diagnostics_error(taking->diagnostics, child->key_place,
                              "more cells than a scenario may have (%u)", YAML_VARY_CELLS_MAX);
            name->value_count = 1;
        } else if (cells > 0) {
            taking->vary->cell_count = (uint32_t)cells;
        }
    }
}

/* One row of cells in step: the same names as the first row, in whatever order. */
static void take_row(struct taking *taking, const struct yaml_node *row, uint32_t row_number)
{
    struct yaml_vary *vary = taking->vary;
    char quoted[DIAGNOSTICS_QUOTE_BYTES], hint[DIAGNOSTICS_QUOTE_BYTES];
    for (const struct yaml_node *child = row->first_child; child != NULL; child = child->next) {
        struct yaml_vary_name *name = name_find(vary, child->key, strlen(child->key));
        if (name != NULL) {
            if (name->value_count <= row_number) {
                add_value(taking, name, child, false);
            }
            continue;
        }
        struct nearest_word nearest;
        nearest_word_init(&nearest, child->key);
        for (uint32_t i = 0; i < vary->name_count; i++) {
            nearest_word_offer(&nearest, vary->names[i].name);
        }
        diagnostics_error(taking->diagnostics, child->key_place,
                          "%s is not varied by the first of these%s",
                          diagnostics_quote(child->key, quoted), nearest_word_hint(&nearest, hint));
    }
    for (uint32_t i = 0; i < vary->name_count; i++) {
        struct yaml_vary_name *name = &vary->names[i];
        if (yaml_tree_get(row, name->name) == NULL) {
            diagnostics_error(taking->diagnostics, row->place, "'%s' has no value here",
                              name->name);
        }
        /* A value that is missing or refused is an error by now: the rows stay in step by taking its place with another. */
        if (name->value_count == row_number && name->value_count > 0) {
            name->values[name->value_count] = name->values[name->value_count - 1];
            name->value_count++;
        }
    }
}

static bool rows_equal(const struct yaml_vary *vary, uint32_t a, uint32_t b)
{
    for (uint32_t i = 0; i < vary->name_count; i++) {
        const struct yaml_vary_name *name = &vary->names[i];
        if (a >= name->value_count || b >= name->value_count ||
            strcmp(name->values[a].label, name->values[b].label) != 0) {
            return false;
        }
    }
    return vary->name_count > 0;
}

static void take_rows(struct taking *taking, const struct yaml_node *list)
{
    struct yaml_vary *vary = taking->vary;
    if (list->child_count > YAML_VARY_CELLS_MAX) {
        diagnostics_error(taking->diagnostics, list->place,
                          "more cells than a scenario may have (%u)", YAML_VARY_CELLS_MAX);
        return;
    }
    vary->in_step = true;
    uint32_t row_number = 0;
    for (const struct yaml_node *row = list->first_child; row != NULL; row = row->next) {
        if (row->kind != YAML_NODE_MAPPING || row->child_count == 0) {
            diagnostics_error(taking->diagnostics, row->place,
                              "expected a map from names to values, as in {rate: 1Gbit/s}");
            return;
        }
        for (const struct yaml_node *child = row->first_child; row_number == 0 && child != NULL;
             child = child->next) {
            struct yaml_vary_name *unused = add_name(taking, child, list->child_count);
            (void)unused;
        }
        uint32_t errors = diagnostics_count(taking->diagnostics);
        take_row(taking, row, row_number);
        for (uint32_t i = 0; i < row_number && errors == diagnostics_count(taking->diagnostics);
             i++) {
            if (rows_equal(vary, i, row_number)) {
                diagnostics_error(taking->diagnostics, row->place,
                                  "the same values as those of element %u", (unsigned)i);
            }
        }
        row_number++;
    }
    vary->cell_count = row_number > 0 ? row_number : 1;
}

/* ---- uses ---------------------------------------------------------------------------------------------------------- */

static void report_unvaried(struct taking *taking, const char *text, size_t length,
                            struct source_place place)
{
    char quoted[DIAGNOSTICS_QUOTE_BYTES], hint[DIAGNOSTICS_QUOTE_BYTES];
    const char *name = arena_copy(taking->arena, text, length);
    struct nearest_word nearest;
    nearest_word_init(&nearest, name);
    for (uint32_t i = 0; i < taking->vary->name_count; i++) {
        nearest_word_offer(&nearest, taking->vary->names[i].name);
    }
    if (taking->vary->place.line == 0) {
        diagnostics_error(taking->diagnostics, place,
                          "$%s: there is no 'vary' that would give it a value ('$$' is a dollar)",
                          name);
        return;
    }
    diagnostics_quote(name, quoted);
    diagnostics_error(taking->diagnostics, place, "%s is not among the names of 'vary'%s", quoted,
                      nearest_word_hint(&nearest, hint));
}

/* False where the text cannot be replaced. */
static bool check_text(struct taking *taking, const char *text, struct source_place place)
{
    const char *at = text, *start;
    size_t length;
    bool good = true;
    for (enum piece piece; (piece = piece_next(&at, &start, &length)) != PIECE_END;) {
        struct yaml_vary_name *name =
            piece == PIECE_NAME ? name_find(taking->vary, start, length) : NULL;
        if (piece == PIECE_BROKEN) {
            diagnostics_error(taking->diagnostics, place,
                              "'${' without a name and '}' behind it ('$$' is a dollar)");
        } else if (piece == PIECE_NAME && name == NULL) {
            report_unvaried(taking, start, length, place);
        }
        if (name != NULL) {
            name->used = true;
        }
        good = good && (piece == PIECE_TEXT || (name != NULL && name->value_count > 0));
    }
    return good;
}

static void check_uses(struct taking *taking, struct yaml_node *node)
{
    if (node->kind == YAML_NODE_SCALAR && strchr(node->text, '$') != NULL &&
        !check_text(taking, node->text, node->place)) {
        node->refused = true;
    }
    for (struct yaml_node *child = node->first_child; child != NULL; child = child->next) {
        if (child->key != NULL && strchr(child->key, '$') != NULL &&
            !check_text(taking, child->key, child->key_place)) {
            child->key_refused = true;
        }
        check_uses(taking, child);
    }
}

void yaml_vary_take(struct arena *arena, struct diagnostics *diagnostics, struct yaml_node *root,
                    struct yaml_vary *out)
{
    *out = (struct yaml_vary){.cell_count = 1};
    struct taking taking = {arena, diagnostics, out};
    struct yaml_node *vary = yaml_tree_remove(root, "vary");
    if (vary != NULL) {
        out->place = vary->key_place;
    }
    if (vary != NULL && vary->kind == YAML_NODE_MAPPING) {
        take_names(&taking, vary);
    } else if (vary != NULL && vary->kind == YAML_NODE_SEQUENCE) {
        take_rows(&taking, vary);
    } else if (vary != NULL && !vary->refused && !yaml_tree_is_null(vary)) {
        diagnostics_error(diagnostics, vary->place,
                          "vary: found a single value; expected a map from names to lists of "
                          "values, as in {rate: [100Mbit/s, 1Gbit/s]}");
    }
    check_uses(&taking, root);
    for (uint32_t i = 0; i < out->name_count; i++) {
        if (!out->names[i].used) {
            diagnostics_error(diagnostics, out->names[i].place,
                              "'%s' is varied, and '$%s' stands nowhere", out->names[i].name,
                              out->names[i].name);
        }
    }
    SIM_ASSERT(out->cell_count > 0);
}

/* ---- cells --------------------------------------------------------------------------------------------------------- */

const struct yaml_vary_value *yaml_vary_value(const struct yaml_vary *vary, uint32_t cell,
                                              uint32_t name)
{
    SIM_ASSERT(cell < vary->cell_count);
    SIM_ASSERT(name < vary->name_count);
    uint32_t index = cell;
    for (uint32_t i = vary->name_count; i-- > name + 1 && !vary->in_step;) {
        index /= vary->names[i].value_count > 0 ? vary->names[i].value_count : 1;
    }
    uint32_t count = vary->names[name].value_count;
    if (count == 0) {
        return NULL;
    }
    /* After an error a name in step may have fewer values than there are rows. */
    uint32_t in_step = cell < count ? cell : count - 1;
    return &vary->names[name].values[vary->in_step ? in_step : index % count];
}

struct applying {
    struct arena *arena;
    struct diagnostics *diagnostics;
    const struct yaml_vary *vary;
    uint32_t cell;
    uint32_t source_offset;
    uint32_t nodes;
    bool too_large; /* A4: said, and no further copy is made */
};

static const struct yaml_vary_value *value_of(const struct applying *applying, const char *text,
                                              size_t length)
{
    for (uint32_t i = 0; i < applying->vary->name_count; i++) {
        const char *name = applying->vary->names[i].name;
        if (strlen(name) == length && memcmp(name, text, length) == 0) {
            return yaml_vary_value(applying->vary, applying->cell, i);
        }
    }
    return NULL;
}

/* The value that is the whole of a text; NULL if the text is none, or more than that. */
static const struct yaml_node *whole_value(const struct applying *applying, const char *text)
{
    const char *at = text, *start;
    size_t length;
    if (piece_next(&at, &start, &length) != PIECE_NAME || *at != '\0') {
        return NULL;
    }
    const struct yaml_vary_value *value = value_of(applying, start, length);
    return value == NULL ? NULL : value->node;
}

/* The text of a single value, which holds no names (A2). */
static void write_value(FILE *out, const char *text)
{
    const char *start;
    size_t length;
    while (piece_next(&text, &start, &length) == PIECE_TEXT) {
        fwrite(start, 1, length, out);
    }
}

/* `text` with its names replaced, a new text in the arena. NULL after an error. */
static const char *replace_text(struct applying *applying, const char *text,
                                struct source_place place)
{
    if (strchr(text, '$') == NULL) {
        return arena_copy(applying->arena, text, strlen(text));
    }
    char *joined = NULL;
    size_t joined_length = 0;
    FILE *out = open_memstream(&joined, &joined_length);
    SIM_ASSERT(out != NULL);
    const char *at = text, *start;
    size_t length;
    bool good = true;
    for (enum piece piece; (piece = piece_next(&at, &start, &length)) != PIECE_END;) {
        const struct yaml_vary_value *value =
            piece == PIECE_NAME ? value_of(applying, start, length) : NULL;
        if (value != NULL && value->node->kind != YAML_NODE_SCALAR) {
            diagnostics_error(applying->diagnostics, place,
                              "$%.*s stands within a text here, and its value is a %s", (int)length,
                              start, value->node->kind == YAML_NODE_MAPPING ? "map" : "list");
            good = false;
        } else if (value != NULL) {
            write_value(out, value->node->text);
        } else {
            fwrite(start, 1, length, out);
        }
    }
    int closed = fclose(out);
    SIM_ASSERT(closed == 0);
    const char *copy = good ? arena_copy(applying->arena, joined, joined_length) : NULL;
    free(joined);
    return copy;
}

static struct source_place shifted(const struct applying *applying, struct source_place place)
{
    place.source += applying->source_offset;
    return place;
}

static struct yaml_node *apply_node(struct applying *applying, const struct yaml_node *node);

static void apply_text(struct applying *applying, struct yaml_node *copy)
{
    bool changes = strchr(copy->text, '$') != NULL && !copy->refused;
    const char *text = changes ? replace_text(applying, copy->text, copy->place)
                               : arena_copy(applying->arena, copy->text, copy->length);
    copy->refused = copy->refused || text == NULL;
    copy->text = text == NULL ? "" : text;
    copy->length = (uint32_t)strlen(copy->text);
    /* An error within the text is shown at its beginning: columns of what was written do not count in what it became. */
    copy->place.width = changes ? 1 : copy->place.width;
}

static void apply_key(struct applying *applying, struct yaml_node *copy,
                      const struct yaml_node *mapping)
{
    bool changes = strchr(copy->key, '$') != NULL && !copy->key_refused;
    const char *key = changes ? replace_text(applying, copy->key, copy->key_place)
                              : arena_copy(applying->arena, copy->key, strlen(copy->key));
    char quoted[DIAGNOSTICS_QUOTE_BYTES];
    copy->key_refused = copy->key_refused || key == NULL;
    copy->key = key == NULL ? "" : key;
    if (changes && yaml_tree_get(mapping, copy->key) != NULL) {
        diagnostics_error(applying->diagnostics, copy->key_place,
                          "the key %s, as '$' makes it, stands here a second time",
                          diagnostics_quote(copy->key, quoted));
        copy->key_refused = true;
    }
}

static void apply_children(struct applying *applying, const struct yaml_node *node,
                           struct yaml_node *copy)
{
    for (const struct yaml_node *child = node->first_child; child != NULL && !applying->too_large;
         child = child->next) {
        struct yaml_node *child_copy = apply_node(applying, child);
        child_copy->key = child->key;
        child_copy->key_refused = child->key_refused;
        child_copy->key_place = shifted(applying, child->key_place);
        if (child->key != NULL) {
            apply_key(applying, child_copy, copy);
        }
        yaml_tree_append(copy, child_copy);
    }
}

static struct yaml_node *apply_node(struct applying *applying, const struct yaml_node *node)
{
    const struct yaml_node *value =
        node->kind == YAML_NODE_SCALAR && !node->refused ? whole_value(applying, node->text) : NULL;
    const struct yaml_node *from = value != NULL ? value : node;
    struct yaml_node *copy = arena_alloc(applying->arena, sizeof(*copy));
    *copy = *from;
    copy->key = NULL;
    copy->first_child = NULL;
    copy->last_child = NULL;
    copy->next = NULL;
    copy->child_count = 0;
    copy->place = shifted(applying, from->place);
    if (++applying->nodes > YAML_TREE_NODES_MAX && !applying->too_large) {
        applying->too_large = true;
        diagnostics_error(applying->diagnostics, copy->place,
                          "this is larger than a scenario may be once '$' is replaced (%u values)",
                          YAML_TREE_NODES_MAX);
    }
    if (copy->kind == YAML_NODE_SCALAR) {
        apply_text(applying, copy);
    } else {
        apply_children(applying, from, copy);
    }
    return copy;
}

struct yaml_node *yaml_vary_apply(struct arena *arena, struct diagnostics *diagnostics,
                                  const struct yaml_node *root, const struct yaml_vary *vary,
                                  uint32_t cell, uint32_t source_offset)
{
    struct applying applying = {.arena = arena,
                                .diagnostics = diagnostics,
                                .vary = vary,
                                .cell = cell,
                                .source_offset = source_offset};
    SIM_ASSERT(cell < vary->cell_count);
    return apply_node(&applying, root);
}
