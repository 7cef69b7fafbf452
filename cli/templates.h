/* cli/templates.h - the scenarios that `orrery new` writes: scenarios/templates, put into the program when it is built.
 *
 * scripts/embed-templates.sh makes the table, sorted by name, so that the command works wherever the program is. */
#ifndef ORRERY_CLI_TEMPLATES_H
#define ORRERY_CLI_TEMPLATES_H

#include <stddef.h>

struct template
{
    const char *name;           /* "two-node" */
    const unsigned char *bytes; /* of the file; a zero follows them */
    size_t length;
};

/* Ends with an entry whose name is NULL. */
extern const struct template templates[];

#endif
