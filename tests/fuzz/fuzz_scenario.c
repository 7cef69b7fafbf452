/* Any bytes as a scenario: an answer, within bounds; and what loads, its last cell where it varies, resolves to what loads. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "sim/assert.h"
#include "testbed/cells.h"
#include "testbed/resolved.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* An assertion must end in a signal: only then does the fuzzer keep the input. */
static void abort_in_assertion(void *context, char *out, size_t capacity)
{
    (void)context;
    (void)out;
    (void)capacity;
    abort();
}

static struct scenario *load(const char *text, size_t length)
{
    struct scenario_options options = {.ignore_files = true};
    struct diagnostics *diagnostics = diagnostics_new();
    struct scenario_cells *cells =
        scenario_cells_load_text("fuzz.yaml", text, length, &options, diagnostics);
    struct scenario *scenario = NULL;
    if (cells != NULL) {
        scenario = scenario_cell_load(cells, scenario_cells_count(cells) - 1, diagnostics);
    }
    scenario_cells_free(cells);
    SIM_ASSERT((scenario == NULL) == (diagnostics_count(diagnostics) > 0));
    if (scenario == NULL) {
        char *printed = NULL;
        size_t printed_length;
        FILE *out = open_memstream(&printed, &printed_length);
        SIM_ASSERT(out != NULL);
        diagnostics_print(diagnostics, out);
        fclose(out);
        SIM_ASSERT(printed_length > 0);
        free(printed);
    }
    diagnostics_free(diagnostics);
    return scenario;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    sim_assert_describer(abort_in_assertion, NULL);
    struct scenario *scenario = load((const char *)data, size);
    if (scenario != NULL) {
        size_t length, again_length;
        char *text = resolved_text(scenario, &length);
        struct scenario *again = load(text, length);
        SIM_ASSERT(again != NULL);
        char *again_text = resolved_text(again, &again_length);
        SIM_ASSERT(again_length == length);
        SIM_ASSERT(memcmp(text, again_text, length) == 0);
        free(text);
        free(again_text);
        scenario_free(again);
    }
    scenario_free(scenario);
    return 0;
}
