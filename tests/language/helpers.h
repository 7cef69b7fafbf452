/* tests/language/helpers.h - loading scenarios and trees in tests of the language. */
#ifndef ORRERY_TESTS_LANGUAGE_HELPERS_H
#define ORRERY_TESTS_LANGUAGE_HELPERS_H

#include "testbed/cells.h"

/* The scenario of a text that must be right: otherwise the test fails and shows the diagnostics. */
struct scenario *helper_load(const char *text);
/* A cell of a text that varies; cell 0 of one that does not. */
struct scenario *helper_load_cell(const char *text, uint32_t cell);
struct scenario *helper_load_path(const char *path, const struct scenario_options *options);
/* What diagnostics_print prints of a text or file that must be wrong, all cells of the file; the caller frees. */
char *helper_errors(const char *text, const struct scenario_options *options);
char *helper_errors_path(const char *path, const struct scenario_options *options);
char *helper_print(const struct diagnostics *diagnostics);

/* The whole file; the caller frees. NULL if there is none. */
char *helper_read(const char *path, size_t *length);
void helper_write(const char *path, const char *text);
/* Paths that match, sorted; ends with NULL; the caller frees with helper_free_paths. */
char **helper_glob(const char *pattern);
void helper_free_paths(char **paths);

/* Two networks, two nodes, a client, a VM, a ping and a migration: what bad pieces are put into. */
extern const char helper_base[];

#endif
