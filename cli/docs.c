/* cli/docs.c - `orrery docs scenario|scenario-schema`: prints the pages that are generated from tables; `make docs` keeps docs/ current. */
#include <stdio.h>
#include <string.h>

#include "cli/command.h"
#include "testbed/schema_docs.h"
#include "testbed/schema_json.h"

int cmd_docs(int argc, char **argv)
{
    if (argc == 2 && strcmp(argv[1], "scenario") == 0) {
        schema_docs_print(stdout);
    } else if (argc == 2 && strcmp(argv[1], "scenario-schema") == 0) {
        schema_json_print(stdout);
    } else {
        fputs("usage: orrery docs scenario|scenario-schema\n", stderr);
        return COMMAND_WRONG_INPUT;
    }
    if (fflush(stdout) != 0) {
        perror("orrery: standard output");
        return COMMAND_WRONG_INPUT;
    }
    return COMMAND_HELD;
}
