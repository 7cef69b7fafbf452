/* testbed/run_input.h - what a run starts from: a scenario file, or a recording, which carries its scenario.
 *
 * The two are told apart by the first bytes. A recording is run again with the seed, values and time limit that it was made with. */
#ifndef ORRERY_TESTBED_RUN_INPUT_H
#define ORRERY_TESTBED_RUN_INPUT_H

#include "sim/recording.h"
#include "testbed/scenario.h"

#include <stdio.h>

struct run_input {
    const char *path; /* as it was given; borrowed */
    struct scenario *scenario;
    struct recording *recording; /* NULL: a scenario file */
    sim_time until;              /* SIM_NEVER where there is no limit */
    const char *until_text;      /* "" where there is none; borrowed from the recording */
};

/* By its first bytes; a file that cannot be read is none. */
bool run_input_is_recording(const char *path);
/* Loads. False, with everything that is wrong printed to `errors`; then there is nothing to close. `options` may be NULL, and
 * apply to both sorts. */
SIM_CHECKED bool run_input_open(struct run_input *input, const char *path,
                                const struct scenario_options *options, FILE *errors);
void run_input_close(struct run_input *input);

#endif
