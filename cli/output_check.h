/* cli/output_check.h - what can be said of outputs before a run, so that nobody waits for an hour and then learns it. */
#ifndef ORRERY_CLI_OUTPUT_CHECK_H
#define ORRERY_CLI_OUTPUT_CHECK_H

#include <stdbool.h>

/* True if `path` can be opened for writing; prints why where it cannot. An existing file is left as it is, and one that does not
 * exist still does not afterwards. */
bool output_check_writable(const char *path);

/* True if files can be made in the folder, which is made, with all above it, if it is missing; prints why where they cannot. */
bool output_check_folder(const char *path);

/* True if both name one file, also through links or by different spellings. NULL is no file. */
bool output_check_same(const char *a, const char *b);

#endif
