/* cli/repeat_command.h - the one line that repeats a run, to be pasted into a shell. */
#ifndef ORRERY_CLI_REPEAT_COMMAND_H
#define ORRERY_CLI_REPEAT_COMMAND_H

#include <stdbool.h>
#include <stdint.h>

struct repeat_options {
    const char *file; /* scenario or recording, as it was given */
    const char *cell; /* of a file that varies; NULL or "": it does not */
    int64_t seed;
    bool no_seed;           /* it is not known */
    const char *const *set; /* assignments, in order; those to `seed` are left out */
    uint32_t set_count;
    const char *until; /* NULL: not given */
};

/* What changes a run, and none of its outputs. Every word is quoted where a shell would read it otherwise. The caller frees it. */
char *repeat_command_new(const struct repeat_options *options);

#endif
