/* cli/schema.c - `orrery schema`: the schemas and the reference of this very program, wherever it is installed. */
#include <argp.h>
#include <stdio.h>

#include "cli/command.h"
#include "testbed/report_docs.h"
#include "testbed/schema_docs.h"
#include "testbed/schema_json.h"

typedef void schema_printer(FILE *out);

enum { OPTION_REPORT = 256, OPTION_REFERENCE, OPTION_METRICS };

static const struct argp_option options[] = {
    {"report", OPTION_REPORT, NULL, 0, "the JSON Schema of what orrery run --json writes", 0},
    {"reference", OPTION_REFERENCE, NULL, 0, "the reference of the scenario language (Markdown)",
     0},
    {"metrics", OPTION_METRICS, NULL, 0,
     "the reference of metrics, as expectations name them (Markdown)", 0},
    {0}};

static error_t parse_option(int key, char *arg, struct argp_state *state)
{
    schema_printer **print = state->input;
    schema_printer *wanted = key == OPTION_REPORT      ? report_schema_print
                             : key == OPTION_REFERENCE ? schema_docs_print
                             : key == OPTION_METRICS   ? report_docs_print
                                                       : NULL;
    if (key == ARGP_KEY_ARG) {
        argp_error(state, "'%s': no argument is expected", arg);
    }
    if (wanted == NULL) {
        return ARGP_ERR_UNKNOWN;
    }
    if (*print != NULL) {
        argp_error(state, "one page at a time");
    }
    *print = wanted;
    return 0;
}

static const struct argp parser = {
    .options = options,
    .parser = parse_option,
    .doc = "Print the JSON Schema of scenarios.\v"
           "Editors that know YAML schemas complete keys and say what they mean, where the schema "
           "lies beside a scenario whose first line is\n"
           "  # yaml-language-server: $schema=orrery.schema.json\n\n"
           "Example:\n"
           "  orrery schema >orrery.schema.json\n\n"
           "Exit status: 0 printed, 2 wrong usage or an output that could not be written.",
};

int cmd_schema(int argc, char **argv)
{
    schema_printer *print = NULL;
    if (argp_parse(&parser, argc, argv, 0, NULL, &print) != 0) {
        return COMMAND_WRONG_INPUT;
    }
    (print != NULL ? print : schema_json_print)(stdout);
    if (fflush(stdout) != 0) {
        perror("orrery: standard output");
        return COMMAND_WRONG_INPUT;
    }
    return COMMAND_HELD;
}
