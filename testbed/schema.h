/* testbed/schema.h - the one table that says what a scenario may contain.
 *
 * A map of the language is a struct schema_map: the struct it fills and a row for each key with type, unit, default, range,
 * choices and meaning. The loader (loader.h) checks and fills by it, resolved.h prints by it, schema_json.h makes
 * docs/orrery.schema.json of it and schema_docs.h docs/scenario.md. So a new key is a row here and a member in
 * testbed/scenario.h, and all four follow.
 *
 *  K1. Every struct that a map fills starts with `const struct yaml_node *source`.
 *  K2. A default is written as a scenario would write it and passes the same checks.
 *  K3. No key and no choice is a word that YAML 1.1 and 1.2 read differently.
 *  K4. A key that is `next` is refused with a word about a later version; it stands neither in the reference nor in the JSON Schema. */
#ifndef ORRERY_TESTBED_SCHEMA_H
#define ORRERY_TESTBED_SCHEMA_H

#include "testbed/quantity.h"
#include "testbed/scenario.h"

/* What a key holds, and the member that takes it. */
enum schema_type {
    SCHEMA_TEXT,     /* any text: const char *                                              */
    SCHEMA_NAME,     /* the name of something new: const char *                             */
    SCHEMA_PATH,     /* a file, relative to the scenario: const char *                      */
    SCHEMA_FLAG,     /* true or false: bool                                                 */
    SCHEMA_MARK,     /* true: int64_t 1                                                     */
    SCHEMA_CHOICE,   /* one of `choices`: an enum (int)                                     */
    SCHEMA_QUANTITY, /* of `unit`, from `min` to `max`: int64_t                             */
    SCHEMA_SUBNET,   /* 10.1.0.0/16: struct scenario_subnet                                 */
    SCHEMA_INDEX,    /* name of a part of the one kind in `parts`: uint32_t                 */
    SCHEMA_PART,     /* name of a part of one of the kinds in `parts`: struct scenario_part */
    SCHEMA_PART_LIST, /* one name or a list of them, each of a part of one of the kinds in `parts`, `*` in a name for any
                        * letters: struct scenario_parts                                      */
    SCHEMA_CONDITION, /* an expression: struct expression *                                  */
    SCHEMA_PROPERTY,  /* one property of one part, as the only reference of a struct expression * */
    SCHEMA_STEP,      /* done by a step before the loader (scenario_tree.h): no member       */
    SCHEMA_MAP,       /* a map: the struct itself                                            */
    SCHEMA_INDEX_LIST, /* a list of names as of SCHEMA_INDEX: struct scenario_indices         */
    SCHEMA_MAP_LIST,   /* a list of maps: pointer here, uint32_t at count_offset              */
    SCHEMA_PARTS,      /* a map from names and ranges to maps: the same                       */
    SCHEMA_TYPES
};

struct schema_choice {
    const char *word; /* NULL ends the list */
    int value;
    const char *meaning;
};

struct schema_map;

struct schema_key {
    const char *name;
    const char *meaning; /* one sentence or two */
    enum schema_type type;
    enum quantity_kind unit;
    int64_t min, max; /* of a quantity, both inclusive; both 0: 0 or more (any for drift) */
    size_t offset;
    size_t count_offset;
    const char *default_text; /* NULL: none */
    const char *derived;      /* what it is when left out, in words, where default_text is NULL */
    const struct schema_choice *choices;
    const struct schema_map *map;
    uint32_t parts;    /* 1 << enum scenario_part_kind */
    uint32_t actions;  /* where parts has SCENARIO_ACTION: 1 << enum scenario_action_kind */
    uint32_t group;    /* 1 + index into the map's groups; 0: none */
    int group_value;   /* what the group's member becomes when this key is there */
    const char *after; /* this key makes sense only beside that one, or NULL */
    bool required;
    bool signed_value; /* a quantity that may be below 0 */
    bool next;
};

/* Keys of which one must be there (`required`), and at most one (`exclusive`). */
struct schema_group {
    const char *what; /* "an action" */
    bool required, exclusive;
    bool stored; /* an int at `offset` says which */
    size_t offset;
};

struct schema_map {
    const char *name;    /* "vms.NAME.guest": as the reference calls it */
    const char *meaning; /* opens the section of the reference */
    const char *example; /* YAML, a piece of a scenario that loads */
    size_t bytes;        /* of the struct */
    const struct schema_key *keys;
    uint32_t key_count;
    const struct schema_key *(*more_key)(
        uint32_t index); /* further keys from a table of another module, or NULL */
    uint32_t more_count;
    const struct schema_group *groups;
    uint32_t group_count;
    const char
        *shorthand; /* a scalar in place of the map is the value of this key; NULL: not allowed */
    bool source_marks;  /* `source` tells whether the map was given at all: printed only then */
    size_t name_offset; /* of parts: const char * */
};

extern const struct schema_map schema_scenario; /* the whole file */

uint32_t schema_key_count(const struct schema_map *map);
const struct schema_key *schema_key_at(const struct schema_map *map, uint32_t index);
/* NULL if the map has no such key. */
const struct schema_key *schema_key_find(const struct schema_map *map, const char *name);
const char *schema_choice_word(const struct schema_choice *choices, int value);
/* "a size (B, KiB, ...)", "one of switch, cable": what a key takes, for messages and the reference. Returns `out`. */
const char *schema_expected(const struct schema_key *key, char *out, size_t capacity);

/* Calls `visit` for each map, the whole first, each once, in the order of the reference. */
void schema_each_map(void (*visit)(void *context, const struct schema_map *map), void *context);

/* Asserts K1 to K3 for the whole table. */
void schema_check(void);

#endif
