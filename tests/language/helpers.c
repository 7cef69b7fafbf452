#include "tests/language/helpers.h"

#include <criterion/criterion.h>
#include <glob.h>
#include <stdlib.h>
#include <string.h>

const char helper_base[] = "networks:\n"
                           "  lan: {rate: 1Gbit/s}\n"
                           "  san: {rate: 1Gbit/s}\n"
                           "nodes:\n"
                           "  node1..node2: {memory: 8GiB, nics: [lan, san]}\n"
                           "clients:\n"
                           "  alice: {nics: [lan]}\n"
                           "vms:\n"
                           "  web: {node: node1, memory: 1GiB, nics: [lan]}\n"
                           "timeline:\n"
                           "  - {at: 0s, ping: {from: alice, to: web}, as: ping}\n"
                           "  - {at: 1s, live-migrate: {vm: web, to: node2}, as: move}\n";

char *helper_print(const struct diagnostics *diagnostics)
{
    char *text = NULL;
    size_t length;
    FILE *out = open_memstream(&text, &length);
    cr_assert_not_null(out);
    diagnostics_print(diagnostics, out);
    fclose(out);
    return text;
}

static struct scenario *loaded(struct scenario *scenario, struct diagnostics *diagnostics,
                               const char *what)
{
    if (scenario == NULL) {
        char *errors = helper_print(diagnostics);
        cr_assert_fail("%s is not right:\n%s", what, errors);
    }
    diagnostics_free(diagnostics);
    return scenario;
}

struct scenario *helper_load(const char *text)
{
    struct diagnostics *diagnostics = diagnostics_new();
    return loaded(scenario_load_text("test.yaml", text, strlen(text), NULL, diagnostics),
                  diagnostics, text);
}

struct scenario *helper_load_cell(const char *text, uint32_t cell)
{
    struct diagnostics *diagnostics = diagnostics_new();
    struct scenario_cells *cells =
        scenario_cells_load_text("test.yaml", text, strlen(text), NULL, diagnostics);
    struct scenario *scenario = cells == NULL ? NULL : scenario_cell_load(cells, cell, diagnostics);
    scenario_cells_free(cells);
    return loaded(scenario, diagnostics, text);
}

struct scenario *helper_load_path(const char *path, const struct scenario_options *options)
{
    struct diagnostics *diagnostics = diagnostics_new();
    return loaded(scenario_load_file(path, options, diagnostics), diagnostics, path);
}

static char *errors_of(const void *scenario, struct diagnostics *diagnostics, const char *what)
{
    cr_assert_null(scenario, "%s was taken for right", what);
    cr_assert_gt(diagnostics_count(diagnostics), 0);
    char *errors = helper_print(diagnostics);
    diagnostics_free(diagnostics);
    return errors;
}

char *helper_errors(const char *text, const struct scenario_options *options)
{
    struct diagnostics *diagnostics = diagnostics_new();
    return errors_of(scenario_load_text("test.yaml", text, strlen(text), options, diagnostics),
                     diagnostics, text);
}

char *helper_errors_path(const char *path, const struct scenario_options *options)
{
    struct diagnostics *diagnostics = diagnostics_new();
    return errors_of(scenario_cells_load_file(path, options, diagnostics), diagnostics, path);
}

char *helper_read(const char *path, size_t *length)
{
    FILE *file = fopen(path, "rb");
    if (file == NULL) {
        return NULL;
    }
    char *text = NULL;
    size_t bytes;
    FILE *out = open_memstream(&text, &bytes);
    for (int c = getc(file); c != EOF; c = getc(file)) {
        putc(c, out);
    }
    fclose(out);
    fclose(file);
    if (length != NULL) {
        *length = bytes;
    }
    return text;
}

void helper_write(const char *path, const char *text)
{
    FILE *file = fopen(path, "wb");
    cr_assert_not_null(file, "%s cannot be written", path);
    fputs(text, file);
    fclose(file);
}

char **helper_glob(const char *pattern)
{
    glob_t found;
    cr_assert_eq(glob(pattern, 0, NULL, &found), 0,
                 "nothing matches %s (run from the top directory)", pattern);
    char **paths = calloc(found.gl_pathc + 1, sizeof(*paths));
    for (size_t i = 0; i < found.gl_pathc; i++) {
        paths[i] = strdup(found.gl_pathv[i]);
    }
    globfree(&found);
    return paths;
}

void helper_free_paths(char **paths)
{
    for (size_t i = 0; paths[i] != NULL; i++) {
        free(paths[i]);
    }
    free(paths);
}
