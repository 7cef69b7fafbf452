/* testbed/name_range.h - names of parts, and ranges of them.
 *
 * A name starts with a letter and goes on with letters, digits, `-` and `_`; at most NAME_BYTES_MAX. `node1..node16` is a
 * range: the same letters with numbers that rise; a first number with leading zeros keeps its width (`n01..n16`).
 * A text with `*` or `?` is a glob: it stands for all names that it matches, in expressions alone. */
#ifndef ORRERY_TESTBED_NAME_RANGE_H
#define ORRERY_TESTBED_NAME_RANGE_H

#include "sim/types.h"

#define NAME_BYTES_MAX       63u
#define NAME_RANGE_COUNT_MAX 4096u

struct name_range {
    char prefix[NAME_BYTES_MAX + 1];
    uint64_t first;
    uint32_t count; /* 1 for a plain name, and then `prefix` is all of it and `numbered` false */
    uint32_t width; /* digits at least */
    bool numbered;
};

/* True if `text` is a name or a range; otherwise false and what is wrong with it, to follow the quoted text. */
SIM_CHECKED bool name_range_parse(const char *text, struct name_range *out, const char **error);
/* Writes name `index` (below count). */
void name_range_get(const struct name_range *range, uint32_t index, char out[NAME_BYTES_MAX + 1]);

/* Whether `glob` matches the whole of `name`: `*` stands for any characters but `/`, `?` for one of them. */
bool name_glob_matches(const char *glob, const char *name);
/* The same for texts, in which `/` is a character like any other. */
bool text_glob_matches(const char *glob, const char *text);

/* Whether the language has its own use for the word, so that no part may bear it (`and`, `not`, `true`, ...). */
bool name_is_reserved(const char *text);
/* The order in which parts of a kind are numbered: digits compare as numbers (node2 before node10), all else as bytes. */
int name_compare(const char *a, const char *b);

#endif
