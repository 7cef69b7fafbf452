#include "testbed/part_names.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "sim/assert.h"
#include "testbed/name_range.h"

/* Names are unique in the end; until then the earlier place wins, so that the later one is the error. */
static int entry_compare(const void *a, const void *b)
{
    const struct scenario_name *x = a, *y = b;
    int order = strcmp(x->name, y->name);
    /* Sources are numbered as they are read: what a file extends comes behind it and counts as before it. */
    if (order == 0 && x->place.source != y->place.source) {
        order = x->place.source > y->place.source ? -1 : 1;
    }
    if (order == 0 && x->place.line != y->place.line) {
        order = x->place.line < y->place.line ? -1 : 1;
    }
    if (order == 0 && x->place.column != y->place.column) {
        order = x->place.column < y->place.column ? -1 : 1;
    }
    if (order == 0 && x->part.kind != y->part.kind) {
        order = x->part.kind < y->part.kind ? -1 : 1;
    }
    if (order == 0 && x->part.index != y->part.index) {
        order = x->part.index < y->part.index ? -1 : 1;
    }
    return order;
}

static void report_double(const struct scenario_name *first, const struct scenario_name *second,
                          struct diagnostics *diagnostics)
{
    char quoted[DIAGNOSTICS_QUOTE_BYTES];
    bool elsewhere = first->place.source != second->place.source;
    diagnostics_error(diagnostics, second->place,
                      "%s is the name of a%s %s already (line %u%s%s); a name is given once",
                      diagnostics_quote(second->name, quoted),
                      first->part.kind == SCENARIO_ACTION ? "n" : "",
                      scenario_part_kind_name(first->part.kind), (unsigned)first->place.line,
                      elsewhere ? " of " : "",
                      elsewhere ? diagnostics_source_name(diagnostics, first->place.source) : "");
}

void part_names_add(struct scenario *scenario, const struct scenario_name *names, uint32_t count,
                    struct diagnostics *diagnostics)
{
    uint32_t total = scenario->name_count + count;
    struct scenario_name *all = arena_alloc(&scenario->arena, total * sizeof(*all));
    if (scenario->name_count > 0) {
        memcpy(all, scenario->names, scenario->name_count * sizeof(*all));
    }
    if (count > 0) {
        memcpy(all + scenario->name_count, names, count * sizeof(*all));
        qsort(all, total, sizeof(*all), entry_compare);
    }
    uint32_t kept = 0;
    for (uint32_t i = 0; i < total; i++) {
        if (kept > 0 && strcmp(all[kept - 1].name, all[i].name) == 0) {
            /* Links have the same name only where their machines have, which is reported there. */
            if (all[i].part.kind != SCENARIO_LINK) {
                report_double(&all[kept - 1], &all[i], diagnostics);
            }
        } else {
            all[kept++] = all[i];
        }
    }
    scenario->names = all;
    scenario->name_count = kept;
}

const struct scenario_name *part_names_find(const struct scenario *scenario, const char *name)
{
    uint32_t low = 0, high = scenario->name_count;
    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        int order = strcmp(name, scenario->names[middle].name);
        if (order == 0) {
            return &scenario->names[middle];
        }
        if (order < 0) {
            high = middle;
        } else {
            low = middle + 1;
        }
    }
    return NULL;
}

uint32_t part_names_repetitions(const struct scenario *scenario, const struct scenario_name *entry)
{
    if (entry->part.kind != SCENARIO_ACTION) {
        return 1;
    }
    const struct scenario_item *item = &scenario->timeline[entry->part.index];
    return item->repetitions > 1 && strcmp(item->name, entry->name) != 0 ? item->repetitions : 1;
}

static bool fits(const struct scenario *scenario, uint32_t parts, uint32_t actions,
                 struct scenario_part part)
{
    if ((parts & UINT32_C(1) << part.kind) == 0) {
        return false;
    }
    return part.kind != SCENARIO_ACTION ||
           (actions & UINT32_C(1) << scenario->timeline[part.index].kind) != 0;
}

void part_names_offer(const struct scenario *scenario, uint32_t parts, uint32_t actions,
                      struct nearest_word *nearest)
{
    for (uint32_t i = 0; i < scenario->name_count; i++) {
        const struct scenario_name *entry = &scenario->names[i];
        bool given = strcmp(entry->name, scenario_given_name(scenario, entry->part)) == 0;
        if (fits(scenario, parts, actions, entry->part) && given) {
            nearest_word_offer(nearest, entry->name);
        }
    }
}

void part_names_offer_globs(const struct scenario *scenario, struct arena *arena,
                            struct nearest_word *nearest)
{
    for (uint32_t i = 0; i < scenario->name_count && i < 2 * NAME_RANGE_COUNT_MAX; i++) {
        const char *name = scenario->names[i].name;
        size_t length = strlen(name);
        nearest_word_offer(nearest, name);
        while (length > 0 && name[length - 1] >= '0' && name[length - 1] <= '9') {
            length--;
        }
        if (name[length] != '\0') {
            nearest_word_offer(nearest, arena_print(arena, "%.*s*", (int)length, name));
        }
    }
}

/* "is a client", "is a ping": what a name that was found stands for. */
static const char *what_it_is(const struct scenario *scenario, struct scenario_part part)
{
    return part.kind == SCENARIO_ACTION ? scenario_action_word(scenario->timeline[part.index].kind)
                                        : scenario_part_kind_name(part.kind);
}

/* `web/lan`, where web is a VM: it has a NIC there, and no link. */
static bool is_link_of_vm(const struct scenario *scenario, const char *text)
{
    const char *slash = strchr(text, '/');
    char machine[NAME_BYTES_MAX + 1];
    if (slash == NULL || slash - text > (ptrdiff_t)NAME_BYTES_MAX) {
        return false;
    }
    snprintf(machine, sizeof(machine), "%.*s", (int)(slash - text), text);
    const struct scenario_name *entry = part_names_find(scenario, machine);
    return entry != NULL && entry->part.kind == SCENARIO_VM;
}

bool part_names_resolve(const struct scenario *scenario, const struct schema_key *key,
                        const char *text, struct source_place place,
                        struct diagnostics *diagnostics, struct scenario_part *out)
{
    char quoted[DIAGNOSTICS_QUOTE_BYTES], hint[DIAGNOSTICS_QUOTE_BYTES], expected[256];
    diagnostics_quote(text, quoted);
    const struct scenario_name *entry = part_names_find(scenario, text);
    if (entry != NULL && fits(scenario, key->parts, key->actions, entry->part)) {
        const char *given = scenario_given_name(scenario, entry->part);
        *out = entry->part;
        if (strcmp(entry->name, given) != 0) {
            diagnostics_error(diagnostics, place,
                              "%s is one of the times that '%s' fires; an action names all of "
                              "them, as '%s'",
                              quoted, given, given);
        }
        return strcmp(entry->name, given) == 0;
    }
    struct schema_key one = *key;
    one.type = key->type == SCHEMA_INDEX_LIST  ? SCHEMA_INDEX
               : key->type == SCHEMA_PART_LIST ? SCHEMA_PART
                                               : key->type;
    schema_expected(&one, expected, sizeof(expected));
    if (entry != NULL) {
        diagnostics_error(diagnostics, place, "%s is a %s; expected %s", quoted,
                          what_it_is(scenario, entry->part), expected);
        return false;
    }
    if (key->parts == UINT32_C(1) << SCENARIO_LINK && is_link_of_vm(scenario, text)) {
        diagnostics_error(
            diagnostics, place,
            "%s is a NIC of a VM and has no link; expected a link of a node or client", quoted);
        return false;
    }
    struct nearest_word nearest;
    nearest_word_init(&nearest, text);
    if (diagnostics_count(diagnostics) <
        2 * DIAGNOSTICS_KEPT) { /* nobody would read the rest, and looking takes time */
        part_names_offer(scenario, key->parts, key->actions, &nearest);
    }
    diagnostics_error(diagnostics, place, "nothing is named %s; expected %s%s", quoted, expected,
                      nearest_word_hint(&nearest, hint));
    return false;
}

/* ---- patterns ------------------------------------------------------------------------------------------------------ */

bool part_name_fits(const char *pattern, const char *name)
{
    const char *star = NULL, *resume = NULL;
    while (*name != '\0') {
        if (*pattern == '*') {
            star = pattern++;
            resume = name;
        } else if (*pattern == *name) {
            pattern++;
            name++;
        } else if (star != NULL) {
            pattern = star + 1; /* the star takes one letter more */
            name = ++resume;
        } else {
            return false;
        }
    }
    while (*pattern == '*') {
        pattern++;
    }
    return *pattern == '\0';
}

static int part_compare(const void *a, const void *b)
{
    const struct scenario_part *x = a, *y = b;
    if (x->kind != y->kind) {
        return x->kind < y->kind ? -1 : 1;
    }
    return x->index < y->index ? -1 : x->index > y->index;
}

/* Sorts, and keeps one of each. */
static uint32_t sort_once(struct scenario_part *parts, uint32_t count)
{
    uint32_t kept = 0;
    if (count > 0) {
        qsort(parts, count, sizeof(*parts), part_compare);
    }
    for (uint32_t i = 0; i < count; i++) {
        if (kept == 0 || part_compare(&parts[kept - 1], &parts[i]) != 0) {
            parts[kept++] = parts[i];
        }
    }
    return kept;
}

static void report_no_fit(const struct schema_key *key, const char *pattern,
                          struct source_place place, struct diagnostics *diagnostics)
{
    char quoted[DIAGNOSTICS_QUOTE_BYTES], expected[256];
    struct schema_key one = *key;
    one.type = SCHEMA_PART;
    diagnostics_error(diagnostics, place, "no name fits %s; expected %s",
                      diagnostics_quote(pattern, quoted),
                      schema_expected(&one, expected, sizeof(expected)));
}

void part_names_add_to_list(struct scenario *scenario, const struct schema_key *key,
                            const char *text, struct source_place place,
                            struct diagnostics *diagnostics, struct scenario_parts *list)
{
    bool pattern = strchr(text, '*') != NULL;
    struct scenario_part part;
    if (!pattern && !part_names_resolve(scenario, key, text, place, diagnostics, &part)) {
        return;
    }
    uint32_t count = pattern ? 0 : 1;
    for (uint32_t i = 0; pattern && i < scenario->name_count; i++) {
        const struct scenario_name *entry = &scenario->names[i];
        count += fits(scenario, key->parts, key->actions, entry->part) &&
                         part_name_fits(text, entry->name)
                     ? 1
                     : 0;
    }
    if (count == 0) {
        report_no_fit(key, text, place, diagnostics);
        return;
    }
    struct scenario_part *all = arena_alloc(&scenario->arena, (list->count + count) * sizeof(*all));
    uint32_t kept = list->count;
    if (kept > 0) {
        memcpy(all, list->items, kept * sizeof(*all));
    }
    if (!pattern) {
        all[kept++] = part;
    }
    for (uint32_t i = 0; pattern && i < scenario->name_count; i++) {
        const struct scenario_name *entry = &scenario->names[i];
        if (fits(scenario, key->parts, key->actions, entry->part) &&
            part_name_fits(text, entry->name)) {
            all[kept++] = entry->part;
        }
    }
    *list = (struct scenario_parts){all, sort_once(all, kept)};
}
