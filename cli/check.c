/* cli/check.c - `orrery check FILE`: is the scenario right, and what does it say in full? */
#include <argp.h>
#include <stdlib.h>
#include <string.h>

#include "cli/command.h"
#include "cli/sweep.h"
#include "testbed/resolved.h"
#include "testbed/run_input.h"

struct check_arguments {
    const char *file;
    const char **set;
    uint32_t set_count;
    bool resolved;
};

enum { OPTION_RESOLVED = 'r', OPTION_SET = 's' };

static const struct argp_option options[] = {
    {.name = "resolved",
     .key = OPTION_RESOLVED,
     .doc = "print the scenario with every default and every range written out"},
    {.name = "set",
     .key = OPTION_SET,
     .arg = "PATH=VALUE",
     .doc = "replace one value first, as in vms.web.memory=2GiB; may be repeated"},
    {0}};

static error_t parse_option(int key, char *arg, struct argp_state *state)
{
    struct check_arguments *arguments = state->input;
    switch (key) {
    case OPTION_RESOLVED:
        arguments->resolved = true;
        return 0;
    case OPTION_SET:
        arguments->set[arguments->set_count++] = arg;
        return 0;
    case ARGP_KEY_ARG:
        if (arguments->file != NULL) {
            argp_error(state, "one scenario at a time; '%s' is a second", arg);
        }
        arguments->file = arg;
        return 0;
    case ARGP_KEY_END:
        if (arguments->file == NULL) {
            argp_error(state, "which scenario, or recording?");
        }
        return 0;
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

static const struct argp parser = {
    .options = options,
    .parser = parse_option,
    .args_doc = "FILE|RECORDING",
    .doc = "Check a scenario without running it.\v"
           "Prints every error with its file, line and column, and exits with 2 if there is one. "
           "Of a recording, the scenario that stands in it is meant. The language is described in "
           "docs/scenario.md.",
};

static void print_right(const char *file, const struct scenario *scenario)
{
    const struct {
        const char *one, *many;
        uint32_t count;
    } parts[] = {
        {"network", "networks", scenario->network_count},
        {"node", "nodes", scenario->node_count},
        {"client", "clients", scenario->client_count},
        {"VM", "VMs", scenario->vm_count},
        {"item on the timeline", "items on the timeline", scenario->written_count},
        {"expectation", "expectations", scenario->expect_count},
    };
    printf("%s: right: ", file);
    for (size_t i = 0; i < sizeof(parts) / sizeof(parts[0]); i++) {
        printf("%s%u %s", i == 0 ? "" : ", ", (unsigned)parts[i].count,
               parts[i].count == 1 ? parts[i].one : parts[i].many);
    }
    printf("\n");
    if (scenario->sweep.source != NULL) {
        sweep_command_describe(scenario, stdout);
    }
}

int cmd_check(int argc, char **argv)
{
    struct check_arguments arguments = {.set = calloc((size_t)argc, sizeof(char *))};
    if (arguments.set == NULL) {
        return COMMAND_WRONG_INPUT;
    }
    if (argp_parse(&parser, argc, argv, 0, NULL, &arguments) != 0) {
        free(arguments.set);
        return COMMAND_WRONG_INPUT;
    }
    struct scenario_options scenario_options = {.set = arguments.set,
                                                .set_count = arguments.set_count};
    struct run_input input;
    int status = COMMAND_HELD;
    if (!run_input_open(&input, arguments.file, &scenario_options, stderr)) {
        free(arguments.set);
        return COMMAND_WRONG_INPUT;
    }
    if (arguments.resolved) {
        resolved_print(input.scenario, stdout);
        if (fflush(stdout) != 0) {
            perror("orrery: standard output");
            status = COMMAND_WRONG_INPUT;
        }
    } else {
        print_right(arguments.file, input.scenario);
    }
    run_input_close(&input);
    free(arguments.set);
    return status;
}
