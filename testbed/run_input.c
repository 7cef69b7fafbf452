#include "testbed/run_input.h"

#include "testbed/diagnostics.h"
#include "testbed/quantity.h"

#include <stdlib.h>
#include <string.h>

bool run_input_is_recording(const char *path)
{
    char magic[4] = "";
    FILE *file = fopen(path, "rb");
    if (file == NULL) {
        return false;
    }
    size_t read = fread(magic, 1, sizeof magic, file);
    fclose(file);
    return read == sizeof magic && memcmp(magic, "ORRC", sizeof magic) == 0;
}

static bool open_recording(struct run_input *input, const struct scenario_options *options,
                           struct diagnostics *diagnostics, FILE *errors)
{
    char why[512];
    int64_t until = 0;
    input->recording = recording_open(input->path, why, sizeof why);
    if (input->recording == NULL) {
        fprintf(errors, "orrery: %s\n", why);
        return false;
    }
    const char *text = recording_scenario(input->recording);
    input->until_text = recording_until(input->recording);
    if (input->until_text[0] != 0) {
        if (!quantity_parse(QUANTITY_TIME, input->until_text, &until, why)) {
            fprintf(errors, "orrery: %s: its time limit '%s' %s\n", input->path, input->until_text,
                    why);
            return false;
        }
        if (until < 0) {
            fprintf(errors, "orrery: %s: its time limit '%s' lies before the start\n", input->path,
                    input->until_text);
            return false;
        }
        input->until = until;
    }
    struct scenario_options own = options != NULL ? *options : (struct scenario_options){0};
    own.ignore_files = true;
    /* Files too large to be kept lie where the recorded run found them. */
    const char *path = recording_scenario_path(input->recording);
    const char *slash = strrchr(path, '/');
    char *directory =
        slash != NULL ? strndup(path, slash == path ? 1 : (size_t)(slash - path)) : NULL;
    own.directory = own.directory != NULL ? own.directory : directory;
    input->scenario = scenario_load_text(path, text, strlen(text), &own, diagnostics);
    free(directory);
    return input->scenario != NULL;
}

bool run_input_open(struct run_input *input, const char *path,
                    const struct scenario_options *options, FILE *errors)
{
    *input = (struct run_input){.path = path, .until = SIM_NEVER, .until_text = ""};
    struct diagnostics *diagnostics = diagnostics_new();
    bool good;
    if (run_input_is_recording(path)) {
        good = open_recording(input, options, diagnostics, errors);
    } else {
        input->scenario = scenario_load_file(path, options, diagnostics);
        good = input->scenario != NULL;
    }
    diagnostics_print(diagnostics, errors);
    diagnostics_free(diagnostics);
    if (!good) {
        run_input_close(input);
    }
    return good;
}

void run_input_close(struct run_input *input)
{
    scenario_free(input->scenario);
    if (input->recording != NULL) {
        recording_close(input->recording);
    }
    *input = (struct run_input){0};
}
