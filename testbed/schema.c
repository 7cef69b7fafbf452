#include "testbed/schema.h"

#include <stdio.h>
#include <string.h>

#include "sim/assert.h"

#define MAPS_MAX 64u

uint32_t schema_key_count(const struct schema_map *map)
{
    return map->key_count + map->more_count;
}

const struct schema_key *schema_key_at(const struct schema_map *map, uint32_t index)
{
    SIM_ASSERT(index < schema_key_count(map));
    return index < map->key_count ? &map->keys[index] : map->more_key(index - map->key_count);
}

const struct schema_key *schema_key_find(const struct schema_map *map, const char *name)
{
    for (uint32_t i = 0; i < schema_key_count(map); i++) {
        const struct schema_key *key = schema_key_at(map, i);
        if (strcmp(key->name, name) == 0) {
            return key;
        }
    }
    return NULL;
}

const char *schema_choice_word(const struct schema_choice *choices, int value)
{
    for (; choices->word != NULL; choices++) {
        if (choices->value == value) {
            return choices->word;
        }
    }
    return NULL;
}

/* ---- what a key takes, in words ------------------------------------------------------------------------------------ */

static void append(char *out, size_t capacity, const char *text)
{
    size_t used = strlen(out);
    SIM_ASSERT(used < capacity);
    snprintf(out + used, capacity - used, "%s", text);
}

static void append_choices(const struct schema_choice *choices, char *out, size_t capacity)
{
    append(out, capacity, "one of ");
    for (uint32_t i = 0; choices[i].word != NULL; i++) {
        append(out, capacity, i == 0 ? "" : ", ");
        append(out, capacity, choices[i].word);
    }
}

/* "the name of a node, client or VM" */
static void append_parts(const struct schema_key *key, char *out, size_t capacity)
{
    const char *words[SCENARIO_PART_KINDS + SCENARIO_ACTIONS];
    uint32_t count = 0;
    for (uint32_t kind = 0; kind < SCENARIO_ACTION; kind++) {
        if ((key->parts & UINT32_C(1) << kind) != 0) {
            words[count++] = scenario_part_kind_name((enum scenario_part_kind)kind);
        }
    }
    for (uint32_t kind = 0; kind < SCENARIO_ACTIONS; kind++) {
        if ((key->actions & UINT32_C(1) << kind) != 0) {
            words[count++] = scenario_action_word((enum scenario_action_kind)kind);
        }
    }
    append(out, capacity, "the name of a ");
    for (uint32_t i = 0; i < count; i++) {
        append(out, capacity, i == 0 ? "" : i + 1 == count ? " or " : ", ");
        append(out, capacity, words[i]);
    }
}

static void append_quantity(const struct schema_key *key, char *out, size_t capacity)
{
    char number[QUANTITY_TEXT_BYTES];
    append(out, capacity, quantity_kind_name(key->unit));
    if (quantity_kind_units(key->unit)[0] != '\0') {
        append(out, capacity, " (");
        append(out, capacity, quantity_kind_units(key->unit));
        append(out, capacity, ")");
    }
    if (key->min != 0 || key->max != 0) {
        append(out, capacity, " from ");
        append(out, capacity, quantity_print(key->unit, key->min, number));
        append(out, capacity, " to ");
        append(out, capacity, quantity_print(key->unit, key->max, number));
    }
}

const char *schema_expected(const struct schema_key *key, char *out, size_t capacity)
{
    static const char *const words[SCHEMA_TYPES] = {
        [SCHEMA_TEXT] = "a text",
        [SCHEMA_NAME] = "a new name",
        [SCHEMA_PATH] = "the path of a file",
        [SCHEMA_FLAG] = "true or false",
        [SCHEMA_MARK] = "true",
        [SCHEMA_SUBNET] = "a subnet, as in 10.1.0.0/16",
        [SCHEMA_CONDITION] = "a condition, as in move.downtime < 500ms",
        [SCHEMA_PROPERTY] = "a property of a part, as in move.downtime",
        [SCHEMA_STEP] = "text, list or map",
        [SCHEMA_MAP] = "a map",
        [SCHEMA_INDEX_LIST] = "a list of names, as in [lan, migration]",
        [SCHEMA_PARTS] = "a map from names to maps",
    };
    out[0] = '\0';
    switch (key->type) {
    case SCHEMA_CHOICE:
        append_choices(key->choices, out, capacity);
        break;
    case SCHEMA_QUANTITY:
        append_quantity(key, out, capacity);
        break;
    case SCHEMA_INDEX:
    case SCHEMA_PART:
        append_parts(key, out, capacity);
        break;
    case SCHEMA_PART_LIST:
        append_parts(key, out, capacity);
        append(out, capacity, ", or a list of them");
        break;
    case SCHEMA_MAP_LIST:
        append(out, capacity,
               key->map->shorthand == NULL ? "a list of maps"
                                           : "a list, as in [web.node == node2]");
        break;
    default:
        SIM_ASSERT(words[key->type] != NULL);
        append(out, capacity, words[key->type]);
        break;
    }
    return out;
}

/* ---- the table as a whole ------------------------------------------------------------------------------------------ */

struct visited {
    const struct schema_map *maps[MAPS_MAX];
    uint32_t count;
};

static void collect_maps(struct visited *visited, const struct schema_map *map)
{
    for (uint32_t i = 0; i < visited->count; i++) {
        if (visited->maps[i] == map) {
            return;
        }
    }
    SIM_ASSERT(visited->count < MAPS_MAX);
    visited->maps[visited->count++] = map;
    for (uint32_t i = 0; i < schema_key_count(map); i++) {
        const struct schema_key *key = schema_key_at(map, i);
        if (key->map != NULL) {
            collect_maps(visited, key->map);
        }
    }
}

void schema_each_map(void (*visit)(void *context, const struct schema_map *map), void *context)
{
    struct visited visited = {.count = 0};
    collect_maps(&visited, &schema_scenario);
    for (uint32_t i = 0; i < visited.count; i++) {
        visit(context, visited.maps[i]);
    }
}

static void check_key(const struct schema_map *map, const struct schema_key *key)
{
    SIM_ASSERT(yaml_plain_ambiguity(key->name) == NULL);
    SIM_ASSERT(key->next || key->meaning != NULL);
    SIM_ASSERT(key->next || key->offset < map->bytes);
    SIM_ASSERT(!(key->required && key->default_text != NULL));
    SIM_ASSERT(key->group <= map->group_count);
    SIM_ASSERT(key->after == NULL || schema_key_find(map, key->after) != NULL);
    SIM_ASSERT((key->type == SCHEMA_CHOICE) == (key->choices != NULL));
    bool has_map =
        key->type == SCHEMA_MAP || key->type == SCHEMA_MAP_LIST || key->type == SCHEMA_PARTS;
    SIM_ASSERT(has_map == (key->map != NULL));
    SIM_ASSERT(key->min <= key->max);
    for (const struct schema_choice *choice = key->choices; choice != NULL && choice->word != NULL;
         choice++) {
        SIM_ASSERT(yaml_plain_ambiguity(choice->word) == NULL);
        SIM_ASSERT(choice->meaning != NULL);
    }
    if (key->type == SCHEMA_QUANTITY && key->default_text != NULL) {
        char error[QUANTITY_ERROR_BYTES];
        int64_t value;
        bool parsed = quantity_parse(key->unit, key->default_text, &value, error);
        SIM_ASSERT(parsed);
        SIM_ASSERT((key->min == 0 && key->max == 0) || (value >= key->min && value <= key->max));
    }
}

static void check_map(void *context, const struct schema_map *map)
{
    (void)context;
    SIM_ASSERT(map->bytes > sizeof(const struct yaml_node *));
    SIM_ASSERT(map->meaning != NULL);
    SIM_ASSERT(map->shorthand == NULL || schema_key_find(map, map->shorthand) != NULL);
    for (uint32_t i = 0; i < schema_key_count(map); i++) {
        const struct schema_key *key = schema_key_at(map, i);
        SIM_ASSERT(schema_key_find(map, key->name) == key);
        check_key(map, key);
    }
}

void schema_check(void)
{
    schema_each_map(check_map, NULL);
}
