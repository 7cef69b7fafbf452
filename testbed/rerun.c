#include "testbed/rerun.h"

#include "sim/recorder.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

const char *rerun_note(struct recording *recording, const char *path, const char *version,
                       char out[RERUN_NOTE_BYTES])
{
    struct record record;
    recording_seek(recording, 0);
    while (recording_next(recording, &record)) {
    }
    const char *damage = recording_damage(recording);
    out[0] = 0;
    if (strcmp(recording_version(recording), version) != 0) {
        snprintf(out, RERUN_NOTE_BYTES,
                 "%s: recorded by orrery %s; this is %s, whose run may be another", path,
                 recording_version(recording), version);
    } else if (damage[0] != 0) {
        snprintf(out, RERUN_NOTE_BYTES, "%s: %s; its scenario is whole, and is run from the start",
                 path, damage);
    } else if (!recording_complete(recording)) {
        snprintf(out, RERUN_NOTE_BYTES,
                 "%s: ends before its run did; its scenario is whole, and is run from the start",
                 path);
    }
    return out;
}

/* The recorded run was stopped by a signal: where it ended says nothing. */
static bool was_interrupted(struct recording *recording)
{
    uint32_t ends = recording_kind_find(recording, "run.ends");
    bool interrupted = false;
    struct record record;
    recording_seek(recording, recording_last_time(recording));
    while (recording_next(recording, &record)) {
        if (record.kind == ends) {
            interrupted = strcmp(record.text, RUN_INTERRUPTED_TEXT) == 0;
        }
    }
    return interrupted;
}

bool rerun_is_same(struct recording *recording, const char *path, struct run *run,
                   char out[RERUN_NOTE_BYTES])
{
    uint32_t recorded_count = 0, count = 0;
    const uint64_t *recorded = recording_checkpoints(recording, &recorded_count);
    const uint64_t *checkpoints = run_checkpoints(run, &count);
    bool whole = recording_complete(recording) && !was_interrupted(recording);
    uint64_t hash = run_result_of(run)->run_hash;
    if (whole && recording_hash(recording) != hash) {
        snprintf(out, RERUN_NOTE_BYTES,
                 "%s: not the run that was recorded, whose hash is %016" PRIx64
                 "; 'orrery diff' shows where they part",
                 path, recording_hash(recording));
        return false;
    }
    for (uint32_t i = 0; i < recorded_count && !whole; i++) {
        /* The last of an interrupted run may lie among the totals that every run ends with. */
        bool last = i + 1 == recorded_count && recording_complete(recording);
        if (recorded[i] != 0 && !last && (i >= count || recorded[i] != checkpoints[i])) {
            snprintf(out, RERUN_NOTE_BYTES,
                     "%s: not the run that was recorded: they part before record %" PRIu64
                     "; 'orrery diff' shows where",
                     path, ((uint64_t)i + 1) * RECORDER_CHECKPOINT);
            return false;
        }
    }
    return true;
}
