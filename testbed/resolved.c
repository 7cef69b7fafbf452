#include "testbed/resolved.h"

#include <stdlib.h>
#include <string.h>

#include "sim/assert.h"
#include "testbed/expression.h"
#include "testbed/schema.h"

/* Prints by the schema: whatever a row can load, the same row prints. */
struct printer {
    const struct scenario *scenario;
    FILE *out;
    bool same_line; /* behind the dash of a list: the next key goes there */
};

static const void *member_of(const struct schema_key *key, const void *object)
{
    return (const char *)object + key->offset;
}

static uint32_t count_of(const struct schema_key *key, const void *object)
{
    return *(const uint32_t *)(const void *)((const char *)object + key->count_offset);
}

/* ---- whether a key is there ---------------------------------------------------------------------------------------- */

static bool has_value(const struct schema_key *key, const void *object)
{
    const void *member = member_of(key, object);
    switch (key->type) {
    case SCHEMA_TEXT:
    case SCHEMA_NAME:
    case SCHEMA_PATH:
        return *(const char *const *)member != NULL;
    case SCHEMA_MARK:
    case SCHEMA_QUANTITY:
        return *(const int64_t *)member != QUANTITY_ABSENT;
    case SCHEMA_CHOICE: /* one without a default may be none of its words */
        return schema_choice_word(key->choices, *(const int *)member) != NULL;
    case SCHEMA_INDEX:
        return *(const uint32_t *)member != SIM_NONE;
    case SCHEMA_PART:
        return ((const struct scenario_part *)member)->kind != SCENARIO_NO_PART;
    case SCHEMA_PART_LIST:
        return ((const struct scenario_parts *)member)->count > 0;
    case SCHEMA_STEP:
        return false;
    case SCHEMA_CONDITION:
    case SCHEMA_PROPERTY:
        return *(const struct expression *const *)member != NULL;
    case SCHEMA_MAP_LIST:
    case SCHEMA_PARTS:
        return count_of(key, object) > 0;
    case SCHEMA_MAP:
        return !key->map->source_marks || *(const struct yaml_node *const *)member != NULL;
    default:
        return true;
    }
}

/* Of keys that exclude each other the one that was chosen, and beside it only those that go with it. */
static bool is_chosen(const struct schema_map *map, const struct schema_key *key,
                      const void *object)
{
    if (key->next) {
        return false;
    }
    if (key->group != 0 && map->groups[key->group - 1].stored) {
        const struct schema_group *group = &map->groups[key->group - 1];
        int chosen = *(const int *)(const void *)((const char *)object + group->offset);
        if (chosen != key->group_value) {
            return false;
        }
    }
    return has_value(key, object);
}

static bool is_printed(const struct schema_map *map, const struct schema_key *key,
                       const void *object)
{
    const struct schema_key *companion =
        key->after == NULL ? NULL : schema_key_find(map, key->after);
    return is_chosen(map, key, object) && (companion == NULL || is_chosen(map, companion, object));
}

/* ---- values -------------------------------------------------------------------------------------------------------- */

/* The character at `at`, well-formed as all text of a tree is; its bytes in `*length`. */
static uint32_t decode_utf8(const unsigned char *at, uint32_t *length)
{
    *length = at[0] < 0x80 ? 1 : at[0] < 0xe0 ? 2 : at[0] < 0xf0 ? 3 : 4;
    uint32_t code = *length == 1 ? at[0] : at[0] & (0xffu >> (*length + 1));
    for (uint32_t i = 1; i < *length; i++) {
        SIM_ASSERT((at[i] & 0xc0) == 0x80);
        code = code << 6 | (at[i] & 0x3f);
    }
    return code;
}

/* YAML 1.2.2 section 5.1, "Character Set": what may stand there as it is; and not a line break of YAML 1.1 (section 4.2). */
static bool stands_unescaped(uint32_t code)
{
    bool printable =
        (code >= 0x20 && code <= 0x7e) || (code >= 0xa0 && code <= 0xfffd) || code >= 0x10000;
    bool line_break = code == 0x2028 || code == 0x2029;
    return printable && !line_break && code != 0xfeff && code != '"' && code != '\\';
}

/* A dollar that would call a name of `vary` is written twice. */
static bool is_doubled(const unsigned char *at)
{
    bool letter = (at[1] >= 'a' && at[1] <= 'z') || (at[1] >= 'A' && at[1] <= 'Z');
    return at[0] == '$' && (letter || at[1] == '{' || at[1] == '$');
}

static void print_text(FILE *out, const char *text)
{
    bool quoted = yaml_needs_quotes(text);
    uint32_t length;
    fputs(quoted ? "\"" : "", out);
    for (const unsigned char *at = (const unsigned char *)text; *at != '\0'; at += length) {
        uint32_t code = decode_utf8(at, &length);
        if (is_doubled(at)) {
            fputs("$$", out);
        } else if (!quoted || stands_unescaped(code)) {
            fwrite(at, 1, length, out);
        } else if (code == '"' || code == '\\') {
            fprintf(out, "\\%c", (int)code);
        } else if (code == '\n') {
            fputs("\\n", out);
        } else {
            fprintf(out, code < 0x100 ? "\\x%02x" : "\\u%04x", (unsigned)code);
        }
    }
    fputs(quoted ? "\"" : "", out);
}

static struct scenario_part part_of_index(const struct schema_key *key, uint32_t index)
{
    enum scenario_part_kind kind = SCENARIO_NO_PART;
    while ((key->parts & UINT32_C(1) << kind) == 0) {
        kind++;
        SIM_ASSERT(kind < SCENARIO_PART_KINDS);
    }
    return (struct scenario_part){kind, index};
}

static void print_names(const struct printer *printer, const struct schema_key *key,
                        const struct scenario_indices *list)
{
    fputc('[', printer->out);
    for (uint32_t i = 0; i < list->count; i++) {
        fprintf(printer->out, "%s%s", i == 0 ? "" : ", ",
                scenario_given_name(printer->scenario, part_of_index(key, list->items[i])));
    }
    fputc(']', printer->out);
}

static void print_parts_list(const struct printer *printer, const struct scenario_parts *list)
{
    if (list->count != 1) {
        fputc('[', printer->out);
    }
    for (uint32_t i = 0; i < list->count; i++) {
        fprintf(printer->out, "%s%s", i == 0 ? "" : ", ",
                scenario_part_name(printer->scenario, list->items[i]));
    }
    if (list->count != 1) {
        fputc(']', printer->out);
    }
}

static void print_scalar(const struct printer *printer, const struct schema_key *key,
                         const void *member)
{
    char text[QUANTITY_TEXT_BYTES];
    const struct scenario_subnet *subnet;
    switch (key->type) {
    case SCHEMA_TEXT:
    case SCHEMA_NAME:
    case SCHEMA_PATH:
        print_text(printer->out, *(const char *const *)member);
        break;
    case SCHEMA_FLAG:
        fputs(*(const bool *)member ? "true" : "false", printer->out);
        break;
    case SCHEMA_MARK:
        fputs("true", printer->out);
        break;
    case SCHEMA_CHOICE:
        fputs(schema_choice_word(key->choices, *(const int *)member), printer->out);
        break;
    case SCHEMA_QUANTITY:
        fputs(quantity_print(key->unit, *(const int64_t *)member, text), printer->out);
        break;
    case SCHEMA_SUBNET:
        subnet = member;
        fprintf(printer->out, "%u.%u.%u.%u/%u", subnet->address >> 24, subnet->address >> 16 & 255,
                subnet->address >> 8 & 255, subnet->address & 255, subnet->prefix);
        break;
    case SCHEMA_INDEX:
        fputs(scenario_given_name(printer->scenario, part_of_index(key, *(const uint32_t *)member)),
              printer->out);
        break;
    case SCHEMA_PART:
        fputs(scenario_given_name(printer->scenario, *(const struct scenario_part *)member),
              printer->out);
        break;
    case SCHEMA_PART_LIST:
        print_parts_list(printer, member);
        break;
    case SCHEMA_INDEX_LIST:
        print_names(printer, key, member);
        break;
    default:
        SIM_ASSERT(key->type == SCHEMA_CONDITION || key->type == SCHEMA_PROPERTY);
        print_text(printer->out, (*(const struct expression *const *)member)->text);
        break;
    }
}

/* ---- maps ---------------------------------------------------------------------------------------------------------- */

static void print_map(struct printer *printer, const struct schema_map *map, const void *object,
                      uint32_t indent);

static void start_line(struct printer *printer, uint32_t indent)
{
    if (!printer->same_line) {
        fprintf(printer->out, "%*s", (int)(indent * 2), "");
    }
    printer->same_line = false;
}

/* The one key that a map would be printed with, if the map may be written as its value alone. */
static const struct schema_key *shorthand_of(const struct schema_map *map, const void *object)
{
    const struct schema_key *only = NULL;
    for (uint32_t i = 0; i < schema_key_count(map); i++) {
        const struct schema_key *key = schema_key_at(map, i);
        if (is_printed(map, key, object)) {
            if (only != NULL) {
                return NULL;
            }
            only = key;
        }
    }
    return only != NULL && map->shorthand != NULL && strcmp(map->shorthand, only->name) == 0 ? only
                                                                                             : NULL;
}

static void print_list(struct printer *printer, const struct schema_key *key, const void *object,
                       uint32_t indent)
{
    const char *items = *(const char *const *)member_of(key, object);
    for (uint32_t i = 0; i < count_of(key, object); i++) {
        const void *item = items + i * key->map->bytes;
        const struct schema_key *shorthand = shorthand_of(key->map, item);
        fprintf(printer->out, "%*s- ", (int)(indent * 2), "");
        if (shorthand != NULL) {
            print_scalar(printer, shorthand, member_of(shorthand, item));
            fputc('\n', printer->out);
            continue;
        }
        printer->same_line = true;
        print_map(printer, key->map, item, indent + 1);
    }
}

static void print_parts(struct printer *printer, const struct schema_key *key, const void *object,
                        uint32_t indent)
{
    const char *items = *(const char *const *)member_of(key, object);
    for (uint32_t i = 0; i < count_of(key, object); i++) {
        const char *item = items + i * key->map->bytes;
        const char *name = *(const char *const *)(const void *)(item + key->map->name_offset);
        fprintf(printer->out, "%*s%s:\n", (int)(indent * 2), "", name);
        print_map(printer, key->map, item, indent + 1);
    }
}

static void print_key(struct printer *printer, const struct schema_key *key, const void *object,
                      uint32_t indent)
{
    const void *member = member_of(key, object);
    const struct schema_key *shorthand;
    start_line(printer, indent);
    fprintf(printer->out, "%s:", key->name);
    switch (key->type) {
    case SCHEMA_MAP:
        shorthand = shorthand_of(key->map, member);
        if (shorthand != NULL) {
            fputc(' ', printer->out);
            print_scalar(printer, shorthand, member_of(shorthand, member));
            fputc('\n', printer->out);
        } else {
            fputc('\n', printer->out);
            print_map(printer, key->map, member, indent + 1);
        }
        break;
    case SCHEMA_MAP_LIST:
        fputc('\n', printer->out);
        print_list(printer, key, object, indent + 1);
        break;
    case SCHEMA_PARTS:
        fputc('\n', printer->out);
        print_parts(printer, key, object, indent + 1);
        break;
    default:
        fputc(' ', printer->out);
        print_scalar(printer, key, member);
        fputc('\n', printer->out);
        break;
    }
}

static void print_map(struct printer *printer, const struct schema_map *map, const void *object,
                      uint32_t indent)
{
    for (uint32_t i = 0; i < schema_key_count(map); i++) {
        const struct schema_key *key = schema_key_at(map, i);
        if (is_printed(map, key, object)) {
            print_key(printer, key, object, indent);
        }
    }
}

void resolved_print(const struct scenario *scenario, FILE *out)
{
    struct printer printer = {.scenario = scenario, .out = out};
    print_map(&printer, &schema_scenario, scenario, 0);
}

char *resolved_text(const struct scenario *scenario, size_t *length)
{
    char *text = NULL;
    size_t size = 0;
    FILE *out = open_memstream(&text, &size);
    SIM_ASSERT(out != NULL);
    resolved_print(scenario, out);
    int closed = fclose(out);
    SIM_ASSERT(closed == 0);
    if (length != NULL) {
        *length = size;
    }
    return text;
}
