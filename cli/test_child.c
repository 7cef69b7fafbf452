#include "cli/test_child.h"

#include "cli/command.h"
#include "cli/repeat_command.h"
#include "cli/sweep.h"
#include "sim/assert.h"
#include "testbed/run_input.h"

#include <stdlib.h>
#include <string.h>

/* A file that has no story of its own: it has none of these keys, whatever it extends. */
static const char *const story_keys[] = {"timeline", "expect", "sweep", "vary"};

static bool has_story(const char *path)
{
    bool found = false;
    FILE *file = fopen(path, "rb");
    char *text = malloc(YAML_TREE_BYTES_MAX);
    SIM_ASSERT(text != NULL);
    size_t length = file != NULL ? fread(text, 1, YAML_TREE_BYTES_MAX, file) : 0;
    struct diagnostics *diagnostics = diagnostics_new();
    struct arena arena;
    arena_init(&arena);
    uint32_t source = diagnostics_add_source(diagnostics, SOURCE_FILE, path, text, length);
    struct yaml_node *tree = yaml_tree_parse(&arena, diagnostics, source, text, length);
    /* What cannot even be read is said to be wrong, not passed over. */
    found = tree == NULL || tree->kind != YAML_NODE_MAPPING;
    for (size_t i = 0; i < sizeof story_keys / sizeof story_keys[0] && !found; i++) {
        found = yaml_tree_get(tree, story_keys[i]) != NULL;
    }
    arena_close(&arena);
    diagnostics_free(diagnostics);
    free(text);
    if (file != NULL) {
        fclose(file);
    }
    return found;
}

static struct scenario *load_cell(const struct scenario_cells *cells, uint32_t cell, FILE *errors)
{
    struct diagnostics *diagnostics = diagnostics_new();
    struct scenario *scenario = scenario_cell_load(cells, cell, diagnostics);
    diagnostics_print(diagnostics, errors);
    diagnostics_free(diagnostics);
    return scenario;
}

/* The one cell of a file that could have had several. */
static struct scenario *load_only_cell(const char *path, FILE *errors)
{
    struct diagnostics *diagnostics = diagnostics_new();
    struct scenario_cells *cells = scenario_cells_load_file(path, NULL, diagnostics);
    diagnostics_print(diagnostics, errors);
    diagnostics_free(diagnostics);
    if (cells == NULL) {
        return NULL;
    }
    /* The cells are given back with the process, for the scenario may borrow from them. */
    return load_cell(cells, 0, errors);
}

static bool load(const struct test_item *item, struct run_input *input, FILE *errors)
{
    if (item->cells == NULL && !item->may_vary) {
        return run_input_open(input, item->file, NULL, errors);
    }
    *input = (struct run_input){.path = item->file, .until = SIM_NEVER, .until_text = ""};
    input->scenario = item->cells != NULL ? load_cell(item->cells, item->cell, errors)
                                          : load_only_cell(item->file, errors);
    return input->scenario != NULL;
}

int test_child_run(const struct test_child_options *options, FILE *out)
{
    const struct test_item *item = options->item;
    struct run_input input;
    char *said = NULL;
    size_t said_length = 0;
    FILE *errors = open_memstream(&said, &said_length);
    SIM_ASSERT(errors != NULL);
    bool loaded = load(item, &input, errors);
    int closed = fclose(errors);
    SIM_ASSERT(closed == 0);
    bool whole = loaded && (input.scenario->item_count > 0 || input.scenario->expect_count > 0);
    if (item->walked && !whole && !has_story(item->file)) {
        free(said);
        return TEST_CHILD_SKIPPED;
    }
    fputs(said, stderr);
    free(said);
    if (!loaded) {
        return COMMAND_WRONG_INPUT;
    }
    if (options->has_seed) {
        input.scenario->seed = options->seed;
    }
    char *repeat = repeat_command_new(&(struct repeat_options){
        .file = item->file,
        .cell = item->cells != NULL ? scenario_cell_text(item->cells, item->cell) : NULL,
        .seed = input.scenario->seed,
    });
    const struct run_options run = {
        .scenario = input.scenario,
        .recording = input.recording,
        .repeat = repeat,
        .until = input.until,
        .until_text = input.until_text,
        .version = ORRERY_VERSION,
        .pcap = {.until = SIM_NEVER},
    };
    /* Nothing is given back: the process ends with this. */
    if (sweep_command_wanted(input.scenario)) {
        return sweep_command_summarize(&(struct sweep_command){.run = &run, .repeat = repeat},
                                       options->artifacts, out);
    }
    return run_summary_make(
        &(struct run_summary_options){
            .run = run,
            .artifacts = options->artifacts,
            .metrics = options->metrics,
        },
        out);
}

int test_child_count_cells(const char *path, FILE *out)
{
    struct diagnostics *diagnostics = diagnostics_new();
    struct scenario_cells *cells = scenario_cells_load_file(path, NULL, diagnostics);
    diagnostics_free(diagnostics);
    fprintf(out, "%u", cells != NULL ? scenario_cells_count(cells) : 0);
    return cells != NULL ? COMMAND_HELD : COMMAND_WRONG_INPUT;
}
