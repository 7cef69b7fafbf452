/* testbed/schema_docs.h - docs/scenario.md: the reference of the scenario language, printed from the tables the loader checks by. */
#ifndef ORRERY_TESTBED_SCHEMA_DOCS_H
#define ORRERY_TESTBED_SCHEMA_DOCS_H

#include <stdio.h>

void schema_docs_print(FILE *out);
/* The examples in it: index from 0, NULL after the last. Each is a piece of a scenario; tests load them all. */
const char *schema_docs_example(unsigned index);

#endif
