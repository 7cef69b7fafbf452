/* sim/recorder.h - the only witness (DESIGN idea 5).
 *
 * The model writes records here. The recorder folds each into the run hash, hands it to its listeners (metrics, oracles,
 * conditions, report), and appends it to the recording if there is one.
 *
 *  C1. Watching changes nothing: with and without listeners, recording, or detail, the hash is the same.
 *  C2. Listeners never call the model. A condition that fires arms an event (which then lies in the next wave).
 *  C3. Ids count hashed records from 1 without gaps, so a cause can be followed in any recording of the run.
 *  C4. Frames are folded, not recorded, unless frames were asked for; either way they take an id.
 *  C5. Every RECORDER_CHECKPOINT ids the hash is kept, so that two runs can be compared by bisection. */
#ifndef ORRERY_SIM_RECORDER_H
#define ORRERY_SIM_RECORDER_H

#include "sim/kernel.h"
#include "sim/record.h"
#include "sim/run_hash.h"

#define RECORDER_CHECKPOINT 65536u

struct recorder;
struct recording_writer; /* sim/recording_writer.h */

typedef void recorder_listener(void *context, const struct record *record);

struct recorder *recorder_new(struct sim *sim);
void recorder_close(struct recorder *recorder);

/* Adds a static table of kinds, which must outlive the recorder; returns the number of its first kind. Before the run. */
uint32_t recorder_add_kinds(struct recorder *recorder, const struct record_kind *kinds, uint32_t count);
uint32_t recorder_kind_count(const struct recorder *recorder);
const struct record_kind *recorder_kind(const struct recorder *recorder, uint32_t kind);
uint32_t recorder_kind_find(const struct recorder *recorder, const char *name); /* or SIM_NONE */

/* Calls `listener` for every record of `kind`, or of all kinds if SIM_NONE, in the order of subscription. */
void recorder_listen(struct recorder *recorder, uint32_t kind, recorder_listener *listener, void *context);
/* Appends to a recording from now on; NULL stops. Borrowed. */
void recorder_write_to(struct recorder *recorder, struct recording_writer *writer);
/* True where records of a `detail` kind would be written: the model asks before it makes them. */
bool recorder_wants(const struct recorder *recorder, uint32_t kind);
void recorder_want(struct recorder *recorder, uint32_t kind);

/* Writes a record at the present instant; `values` holds as many integers as the kind has fields. Returns its id. */
uint64_t recorder_record(struct recorder *recorder, uint32_t kind, uint32_t origin, uint64_t cause,
                         const int64_t *values, const char *text);
/* Number literals in place: RECORD(r, kind, origin, cause, text, a, b, c). */
#define RECORD(recorder, kind, origin, cause, text, ...)                                           \
    recorder_record((recorder), (kind), (origin), (cause), (const int64_t[]){__VA_ARGS__}, (text))

/* ---- the hot path: frames ------------------------------------------------------------------------------------------- */

/* First member of a recorder. */
struct recorder_state {
    struct run_hash hash;
    uint64_t ids;
    uint64_t next_checkpoint;
};
void recorder_checkpoint(struct recorder *recorder);

/* Opens the fold of one frame and gives it an id. Fold its words through run_hash_fold on the hash returned; the link is
 * folded by the hash of its path, kept by the caller. */
static inline struct run_hash *recorder_frame(struct recorder *recorder, uint64_t *id)
{
    struct recorder_state *state = (struct recorder_state *)(void *)recorder;
    if (SIM_UNLIKELY(state->ids == state->next_checkpoint)) {
        recorder_checkpoint(recorder);
    }
    *id = ++state->ids;
    return &state->hash;
}

uint64_t recorder_records(const struct recorder *recorder);
/* The hash so far: folded also with the number of ids. */
struct run_hash recorder_hash(const struct recorder *recorder);
/* Checkpoints so far: hash values after each RECORDER_CHECKPOINT ids. Borrowed. */
const uint64_t *recorder_checkpoints(const struct recorder *recorder, uint32_t *count);
/* A stable number for a name (path, kind): what is folded in place of an index. Pure. */
uint64_t recorder_name_hash(const char *name);
struct sim *recorder_sim(const struct recorder *recorder);

#endif
