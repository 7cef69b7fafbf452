/* cli/command.h - the subcommands of `orrery`, and what they exit with.
 *
 * Each stands in a file of its own, is named cmd_NAME, takes the arguments behind its name (argv[0] is "orrery NAME"), and
 * returns an exit status. cli/main.c has the table of them. */
#ifndef ORRERY_CLI_COMMAND_H
#define ORRERY_CLI_COMMAND_H

#include <stdbool.h>
#include <stdint.h>

/* DESIGN section 5. Where several apply, the earlier in: stopped by a signal, defect, oracle, failed, wrong input, unknown. */
enum command_status {
    COMMAND_HELD = 0,        /* all held                                    */
    COMMAND_FAILED = 1,      /* an expectation failed                       */
    COMMAND_WRONG_INPUT = 2, /* wrong input or usage                        */
    COMMAND_DEFECT = 3,      /* a defect of Orrery                          */
    COMMAND_UNKNOWN = 4,     /* nothing to judge, or a limit on wall time   */
    COMMAND_ORACLE = 5,      /* an oracle failed                            */
};

/* The stronger of two in that order; 128 + number of a signal is the strongest. */
int command_worse(int a, int b);

#define ORRERY_VERSION "0.1.0"

int cmd_check(int argc, char **argv);
int cmd_run(int argc, char **argv);
int cmd_diff(int argc, char **argv);
int cmd_export(int argc, char **argv);
int cmd_new(int argc, char **argv);
int cmd_schema(int argc, char **argv);
int cmd_bench(int argc, char **argv);
int cmd_test(int argc, char **argv);
int cmd_docs(int argc, char **argv);

#endif
