/* cli/main.c - the `orrery` command: finds the subcommand and hands over. */
#include <argp.h>
#include <stdio.h>
#include <string.h>

#include "cli/command.h"
#include "testbed/diagnostics.h"

struct command {
    const char *name;
    int (*run)(int argc, char **argv);
    const char *meaning; /* NULL: not for users */
};

static const struct command commands[] = {
    {"run", cmd_run, "run a scenario and report what happened"},
    {"check", cmd_check, "check a scenario without running it"},
    {"test", cmd_test, "run a folder of scenarios, for CI"},
    {"diff", cmd_diff, "show where two runs part"},
    {"export", cmd_export, "write a recording for Perfetto, as JSON lines or as a table"},
    {"new", cmd_new, "write a commented scenario to start from"},
    {"schema", cmd_schema, "print the JSON Schema of scenarios, or the reference"},
    {"bench", cmd_bench, "measure Orrery's speed and memory"},
    {"docs", cmd_docs, NULL},
};
#define COMMAND_COUNT (sizeof(commands) / sizeof(commands[0]))

int command_worse(int a, int b)
{
    static const int order[] = {COMMAND_DEFECT, COMMAND_ORACLE, COMMAND_FAILED, COMMAND_WRONG_INPUT,
                                COMMAND_UNKNOWN};
    if (a > 128 || b > 128) {
        return a > b ? a : b;
    }
    for (size_t i = 0; i < sizeof order / sizeof order[0]; i++) {
        if (a == order[i] || b == order[i]) {
            return order[i];
        }
    }
    return a > b ? a : b;
}

static void print_help(FILE *out)
{
    fputs("Usage: orrery COMMAND [OPTION...] [FILE...]\n"
          "Orrery simulates a virtualization cluster: hosts, their memory, their network,\n"
          "and VMs that move between them. The same scenario gives the same run, to the\n"
          "bit.\n\n",
          out);
    for (size_t i = 0; i < COMMAND_COUNT; i++) {
        if (commands[i].meaning != NULL) {
            fprintf(out, "  %-8s %s\n", commands[i].name, commands[i].meaning);
        }
    }
    fputs("\nA scenario is a YAML file that says what there is, what happens and what is\n"
          "expected:\n"
          "  orrery run scenarios/live-migration.yaml\n\n"
          "'orrery COMMAND --help' explains a command, docs/scenario.md how scenarios are\n"
          "written; 'orrery --version' says which Orrery this is.\n\n"
          "Exit status: 0 all held, 1 an expectation failed, 2 wrong input or usage, 3 a\n"
          "defect of Orrery, 4 unknown, 5 an oracle failed, 130 or 143 stopped by a\n"
          "signal.\n",
          out);
}

static int unknown_command(const char *name)
{
    struct nearest_word nearest;
    char quoted[DIAGNOSTICS_QUOTE_BYTES], hint[DIAGNOSTICS_QUOTE_BYTES];
    nearest_word_init(&nearest, name);
    for (size_t i = 0; i < COMMAND_COUNT; i++) {
        if (commands[i].meaning != NULL) {
            nearest_word_offer(&nearest, commands[i].name);
        }
    }
    fprintf(stderr, "orrery: there is no command %s%s\n", diagnostics_quote(name, quoted),
            nearest_word_hint(&nearest, hint));
    if (nearest.best == NULL) {
        fputs("orrery: 'orrery --help' lists the commands\n", stderr);
    }
    return COMMAND_WRONG_INPUT;
}

int main(int argc, char **argv)
{
    argp_err_exit_status = COMMAND_WRONG_INPUT;
    if (argc < 2) {
        print_help(stderr);
        return COMMAND_WRONG_INPUT;
    }
    if (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0 ||
        strcmp(argv[1], "help") == 0) {
        print_help(stdout);
        return COMMAND_HELD;
    }
    if (strcmp(argv[1], "--version") == 0) {
        puts("orrery " ORRERY_VERSION);
        return COMMAND_HELD;
    }
    for (size_t i = 0; i < COMMAND_COUNT; i++) {
        if (strcmp(argv[1], commands[i].name) == 0) {
            char name[32];
            snprintf(name, sizeof(name), "orrery %s", commands[i].name);
            argv[1] = name;
            return commands[i].run(argc - 1, argv + 1);
        }
    }
    return unknown_command(argv[1]);
}
