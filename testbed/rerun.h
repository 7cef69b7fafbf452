/* testbed/rerun.h - a recording that is run again: what is known of it before, and whether it came to the same run.
 *
 * The same Orrery gives the same run. A recording of another version may not, and one that was cut short, or stopped by a signal,
 * holds only the beginning of a run: then the checkpoints that both have are compared. */
#ifndef ORRERY_TESTBED_RERUN_H
#define ORRERY_TESTBED_RERUN_H

#include "sim/recording.h"
#include "testbed/run.h"

#define RERUN_NOTE_BYTES 512u

/* One line on what a reader should know before the run (recorded by another version, cut short, damaged), or "" for nothing. The
 * recording is moved to its end. Returns `out`. */
const char *rerun_note(struct recording *recording, const char *path, const char *version,
                       char out[RERUN_NOTE_BYTES]);

/* True where the finished run is the one recorded, as far as can be told; else false and a line that says where they part. Only for
 * runs whose seed, values and limits are those of the recording, and that were not stopped by a signal. */
bool rerun_is_same(struct recording *recording, const char *path, struct run *run,
                   char out[RERUN_NOTE_BYTES]);

#endif
