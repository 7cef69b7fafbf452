/* cli/docs.c - `orrery docs PAGE`: prints the pages and schemas that are generated from tables; `make docs` keeps docs/ current. */
#include <stdio.h>
#include <string.h>

#include "cli/command.h"
#include "testbed/report_docs.h"
#include "testbed/schema_docs.h"
#include "testbed/schema_json.h"

static const struct {
    const char *name;
    void (*print)(FILE *out);
} pages[] = {
    {"scenario", schema_docs_print},        /* docs/scenario.md */
    {"scenario-schema", schema_json_print}, /* docs/orrery.schema.json */
    {"metrics", report_docs_print},         /* docs/metrics.md */
    {"report-schema", report_schema_print}, /* docs/report.schema.json */
};
#define PAGE_COUNT (sizeof(pages) / sizeof(pages[0]))

int cmd_docs(int argc, char **argv)
{
    for (size_t i = 0; i < PAGE_COUNT; i++) {
        if (argc == 2 && strcmp(argv[1], pages[i].name) == 0) {
            pages[i].print(stdout);
            if (fflush(stdout) != 0) {
                perror("orrery: standard output");
                return COMMAND_WRONG_INPUT;
            }
            return COMMAND_HELD;
        }
    }
    fputs("usage: orrery docs", stderr);
    for (size_t i = 0; i < PAGE_COUNT; i++) {
        fprintf(stderr, "%c%s", i == 0 ? ' ' : '|', pages[i].name);
    }
    fputc('\n', stderr);
    return COMMAND_WRONG_INPUT;
}
