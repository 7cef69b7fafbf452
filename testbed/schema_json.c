#include "testbed/schema_json.h"

#include <jansson.h>
#include <string.h>

#include "sim/assert.h"
#include "testbed/schema.h"

#define NAME_PATTERN   "^[A-Za-z][A-Za-z0-9_-]*$"
#define RANGE_PATTERN  "^[A-Za-z][A-Za-z0-9_-]*(\\.\\.[A-Za-z][A-Za-z0-9_-]*)?$"
#define VARIED_PATTERN "\\$[A-Za-z{]"
#define NUMBER         "(0|[1-9][0-9]*)(\\.[0-9]+)?"

/* jansson frees what it is given also when it fails; memory is the only way to fail, and an answer to that is an assertion. */
static void put(json_t *object, const char *key, json_t *value)
{
    int failed = json_object_set_new(object, key, value);
    SIM_ASSERT(failed == 0);
}

static void append(json_t *array, json_t *value)
{
    int failed = json_array_append_new(array, value);
    SIM_ASSERT(failed == 0);
}

static json_t *typed(const char *type)
{
    json_t *schema = json_object();
    put(schema, "type", json_string(type));
    return schema;
}

static json_t *with_pattern(const char *pattern)
{
    json_t *schema = typed("string");
    put(schema, "pattern", json_string(pattern));
    return schema;
}

static json_t *reference_to(const struct schema_map *map)
{
    char path[96];
    snprintf(path, sizeof(path), "#/definitions/%s", map->name);
    json_t *schema = json_object();
    put(schema, "$ref", json_string(path));
    return schema;
}

static json_t *any_of(json_t *first, json_t *second)
{
    json_t *schema = json_object();
    json_t *choices = json_array();
    append(choices, first);
    append(choices, second);
    put(schema, "anyOf", choices);
    return schema;
}

/* A value, or a text with the `$name` of one. */
static json_t *or_varied(json_t *schema)
{
    json_t *varied = json_object();
    put(varied, "$ref", json_string("#/definitions/varied"));
    return any_of(schema, varied);
}

/* ---- values -------------------------------------------------------------------------------------------------------- */

static json_t *quantity_schema(const struct schema_key *key)
{
    static const char *const patterns[QUANTITY_KINDS] = {
        [QUANTITY_TIME] = "^-?" NUMBER "(ns|us|ms|s|min|h)$",
        [QUANTITY_SIZE] = "^" NUMBER "(B|KiB|MiB|GiB|TiB|kB|MB|GB|TB)$",
        [QUANTITY_RATE] = "^" NUMBER "([kMG]?bit/s|([kMG]|[KMG]i)?B/s)$",
        [QUANTITY_FREQUENCY] = "^" NUMBER "/(s|min|h)$",
        [QUANTITY_SHARE] = "^" NUMBER "%$",
        [QUANTITY_DRIFT] = "^-?" NUMBER "pp[mb]$",
    };
    if (key->unit == QUANTITY_COUNT) {
        json_t *schema = typed("integer");
        put(schema, "minimum", json_integer(key->min));
        if (key->max != 0 && key->max != INT64_MAX) {
            put(schema, "maximum", json_integer(key->max));
        }
        return schema;
    }
    if (key->unit == QUANTITY_FACTOR) {
        return typed("number");
    }
    SIM_ASSERT(patterns[key->unit] != NULL);
    return with_pattern(patterns[key->unit]);
}

static json_t *choice_schema(const struct schema_key *key)
{
    json_t *schema = json_object();
    json_t *words = json_array();
    for (const struct schema_choice *choice = key->choices; choice->word != NULL; choice++) {
        append(words, json_string(choice->word));
    }
    put(schema, "enum", words);
    return schema;
}

static json_t *list_of(json_t *items)
{
    json_t *schema = typed("array");
    put(schema, "items", or_varied(items));
    return schema;
}

static json_t *parts_schema(const struct schema_key *key)
{
    json_t *schema = typed("object");
    json_t *patterns = json_object();
    put(patterns, RANGE_PATTERN, or_varied(reference_to(key->map)));
    put(patterns, VARIED_PATTERN, or_varied(reference_to(key->map)));
    put(schema, "patternProperties", patterns);
    put(schema, "additionalProperties", json_false());
    return schema;
}

/* `globs`: a name may hold `*`. */
static const char *part_pattern(const struct schema_key *key, bool globs)
{
    if (key->parts == UINT32_C(1) << SCENARIO_LINK) {
        return globs ? "^[A-Za-z*][A-Za-z0-9_*-]*/[A-Za-z*][A-Za-z0-9_*-]*$"
                     : "^[A-Za-z][A-Za-z0-9_-]*/[A-Za-z][A-Za-z0-9_-]*$";
    }
    return globs ? "^[A-Za-z*][A-Za-z0-9_*.-]*$" : RANGE_PATTERN;
}

/* `extends` is one path or several; `vary` a map, or a list of them in step. */
static json_t *step_schema(const struct schema_key *key)
{
    bool extends = strcmp(key->name, "extends") == 0;
    SIM_ASSERT(extends || strcmp(key->name, "vary") == 0);
    json_t *one = typed(extends ? "string" : "object"), *several = typed("array");
    put(several, "items", json_deep_copy(one));
    return any_of(one, several);
}

static bool takes_any_text(const struct schema_key *key)
{
    return key->type == SCHEMA_TEXT || key->type == SCHEMA_PATH || key->type == SCHEMA_CONDITION ||
           key->type == SCHEMA_PROPERTY || key->type == SCHEMA_STEP;
}

static json_t *value_schema(const struct schema_key *key)
{
    json_t *schema;
    switch (key->type) {
    case SCHEMA_TEXT:
    case SCHEMA_PATH:
        return any_of(typed("string"), typed("number"));
    case SCHEMA_STEP:
        return step_schema(key);
    case SCHEMA_PROPERTY:
        return typed("string");
    case SCHEMA_CONDITION:
        return any_of(typed("string"), typed("boolean"));
    case SCHEMA_NAME:
        return with_pattern(NAME_PATTERN);
    case SCHEMA_FLAG:
        return typed("boolean");
    case SCHEMA_MARK:
        schema = json_object();
        put(schema, "const", json_true());
        return schema;
    case SCHEMA_CHOICE:
        return choice_schema(key);
    case SCHEMA_QUANTITY:
        return quantity_schema(key);
    case SCHEMA_SUBNET:
        return with_pattern("^[0-9]{1,3}(\\.[0-9]{1,3}){3}/[0-9]{1,2}$");
    case SCHEMA_INDEX:
        return with_pattern(RANGE_PATTERN);
    case SCHEMA_PART:
        return with_pattern(part_pattern(key, false));
    case SCHEMA_PART_LIST:
        return any_of(with_pattern(part_pattern(key, true)),
                      list_of(with_pattern(part_pattern(key, true))));
    case SCHEMA_MAP:
        return reference_to(key->map);
    case SCHEMA_INDEX_LIST:
        return list_of(with_pattern(RANGE_PATTERN));
    case SCHEMA_MAP_LIST:
        return list_of(reference_to(key->map));
    default:
        SIM_ASSERT(key->type == SCHEMA_PARTS);
        return parts_schema(key);
    }
}

/* ---- maps ---------------------------------------------------------------------------------------------------------- */

/* Draft-07 ignores what stands beside a $ref, so no value is a reference alone. */
static json_t *described(const struct schema_key *key)
{
    json_t *schema = value_schema(key);
    if (!takes_any_text(key)) {
        schema = or_varied(schema);
    }
    put(schema, "description", json_string(key->meaning));
    if (key->default_text != NULL && key->type == SCHEMA_FLAG) {
        put(schema, "default", json_boolean(strcmp(key->default_text, "true") == 0));
    } else if (key->default_text != NULL) {
        put(schema, "default", json_string(key->default_text));
    }
    return schema;
}

/* One key of the group: exactly, or at least. */
static json_t *group_schema(const struct schema_map *map, uint32_t group_number)
{
    json_t *schema = json_object();
    json_t *alternatives = json_array();
    for (uint32_t i = 0; i < schema_key_count(map); i++) {
        const struct schema_key *key = schema_key_at(map, i);
        if (key->group == group_number && !key->next) {
            json_t *alternative = json_object();
            json_t *names = json_array();
            append(names, json_string(key->name));
            put(alternative, "required", names);
            append(alternatives, alternative);
        }
    }
    const struct schema_group *group = &map->groups[group_number - 1];
    if (!group->required) {
        json_t *none = json_object();
        json_t *any = json_object();
        put(any, "anyOf", json_deep_copy(alternatives));
        put(none, "not", any);
        append(alternatives, none);
    }
    put(schema, group->exclusive ? "oneOf" : "anyOf", alternatives);
    return schema;
}

static json_t *map_schema(const struct schema_map *map)
{
    json_t *schema = typed("object");
    json_t *properties = json_object(), *required = json_array(), *dependencies = json_object(),
           *groups = json_array();
    put(schema, "description", json_string(map->meaning));
    for (uint32_t i = 0; i < schema_key_count(map); i++) {
        const struct schema_key *key = schema_key_at(map, i);
        if (key->next) {
            continue;
        }
        put(properties, key->name, described(key));
        if (key->required) {
            append(required, json_string(key->name));
        }
        if (key->after != NULL) {
            json_t *beside = json_array();
            append(beside, json_string(key->after));
            put(dependencies, key->name, beside);
        }
    }
    for (uint32_t i = 1; i <= map->group_count; i++) {
        append(groups, group_schema(map, i));
    }
    put(schema, "properties", properties);
    put(schema, "additionalProperties", json_false());
    if (json_array_size(required) > 0) {
        put(schema, "required", json_incref(required));
    }
    if (json_object_size(dependencies) > 0) {
        put(schema, "dependencies", json_incref(dependencies));
    }
    if (json_array_size(groups) > 0) {
        put(schema, "allOf", json_incref(groups));
    }
    json_decref(required);
    json_decref(dependencies);
    json_decref(groups);
    const struct schema_key *shorthand =
        map->shorthand == NULL ? NULL : schema_key_find(map, map->shorthand);
    return shorthand == NULL ? schema : any_of(value_schema(shorthand), schema);
}

static void add_definition(void *context, const struct schema_map *map)
{
    if (map != &schema_scenario) {
        put(context, map->name, map_schema(map));
    }
}

/* A file that extends another one may say anything but a key that there is not: what is missing, and what `null` removes, stands in
 * the other one. */
static json_t *extending_schema(void)
{
    json_t *schema = typed("object"), *properties = json_object();
    for (uint32_t i = 0; i < schema_key_count(&schema_scenario); i++) {
        const struct schema_key *key = schema_key_at(&schema_scenario, i);
        if (!key->next) {
            json_t *any = json_object();
            put(any, "description", json_string(key->meaning));
            put(properties, key->name, any);
        }
    }
    put(schema, "properties", properties);
    put(schema, "additionalProperties", json_false());
    return schema;
}

void schema_json_print(FILE *out)
{
    json_t *schema = json_object();
    put(schema, "$schema", json_string("http://json-schema.org/draft-07/schema#"));
    put(schema, "title", json_string("Orrery scenario"));
    json_t *extends = json_object(), *required = json_array();
    append(required, json_string("extends"));
    put(extends, "required", required);
    put(schema, "if", extends);
    put(schema, "then", extending_schema());
    put(schema, "else", map_schema(&schema_scenario));
    json_t *definitions = json_object();
    schema_each_map(add_definition, definitions);
    put(definitions, "varied", with_pattern(VARIED_PATTERN));
    put(schema, "definitions", definitions);
    json_dumpf(schema, out, JSON_INDENT(2));
    fputc('\n', out);
    json_decref(schema);
}
