/* sim/recorder.h - the only witness (DESIGN idea 5).
 *
 * The model writes records here. The recorder folds each into the run hash, hands it to its listeners (metrics, oracles,
 * conditions, report), and appends it to the recording if there is one.
 *
 *   model ── recorder_record ──► run hash ──► recording (if there is one) ──► listeners, in order of subscription
 *   link  ── recorder_frame ───► run hash     recorder_write_frame, where recorder_wants_frame says so
 *
 *  C1. Watching changes nothing: with and without listeners, recording, or detail, the hash is the same.
 *  C2. Listeners never call the model, nor write records: what a listener finds, it keeps, or it arms an event (which then
 *      lies in the next wave).
 *  C3. Ids count hashed records and frames from 1 without gaps, so a cause can be followed in any recording of the run.
 *  C4. Frames are folded, not recorded, unless frames were asked for; either way they take an id.
 *  C5. Every RECORDER_CHECKPOINT ids the hash is kept, so that two runs can be compared by bisection: once a checkpoint
 *      differs, all later ones do.
 *  C6. A hashed record folds, in this order: the hash of its kind's name and the time; the hash of its origin's path and
 *      the cause; its values in pairs, a RECORD_ORIGIN by the hash of its path, an odd last one with 0; its text, where
 *      the kind has one, as bytes with their length. No index is folded.
 *  C7. Records of a detail kind are not hashed and take no id. They reach a recording only where recorder_want asked for
 *      them, and listeners only where somebody asked or listens to that very kind. */
#ifndef ORRERY_SIM_RECORDER_H
#define ORRERY_SIM_RECORDER_H

#include "sim/assert.h"
#include "sim/kernel.h"
#include "sim/record.h"
#include "sim/run_hash.h"

#define RECORDER_CHECKPOINT 65536u

struct recorder;
struct recording_writer; /* sim/recording_writer.h */

typedef void recorder_listener(void *context, const struct record *record);

/* An empty recorder for a kernel, which is borrowed. Close it before the kernel. */
struct recorder *recorder_new(struct sim *sim);
void recorder_close(struct recorder *recorder);
/* Asserts all invariants. */
void recorder_check(const struct recorder *recorder);

/* Adds a static table of kinds, which must outlive the recorder; returns the number of its first kind. Before the run.
 * Names are unique in a recorder. */
uint32_t recorder_add_kinds(struct recorder *recorder, const struct record_kind *kinds,
                            uint32_t count);
uint32_t recorder_kind_count(const struct recorder *recorder);
const struct record_kind *recorder_kind(const struct recorder *recorder, uint32_t kind);
uint32_t recorder_kind_find(const struct recorder *recorder, const char *name); /* or SIM_NONE */

/* Calls `listener` for every record of `kind`, or of all kinds if SIM_NONE (kinds added later too), in the order of
 * subscription. Not from within a listener. */
void recorder_listen(struct recorder *recorder, uint32_t kind, recorder_listener *listener,
                     void *context);

/* Appends to a recording from now on, and checkpoints of the past too; NULL stops, which is due before the recording is
 * closed. Borrowed. */
void recorder_write_to(struct recorder *recorder, struct recording_writer *writer);
/* Limits what is written to ids first to last, both included (a detail record: to when the next id is among them), so
 * that a bisection can repeat a run and write out one interval in full. Without this call, all. */
void recorder_write_ids(struct recorder *recorder, uint64_t first, uint64_t last);
/* True where a record of `kind` would be written or heard. Always for hashed kinds; for those of detail the model asks
 * before it makes one. */
bool recorder_wants(const struct recorder *recorder, uint32_t kind);
/* Asks for records of a detail kind. */
void recorder_want(struct recorder *recorder, uint32_t kind);
/* Asks for frames as bytes. */
void recorder_want_frames(struct recorder *recorder);

/* Writes a record at the present instant; `values` holds as many integers as the kind has fields (NULL where it has
 * none). `cause` is an id given before, or 0. `origin` may be SIM_NONE. `text` may be NULL; of a longer one the first
 * RECORD_TEXT_MAX bytes count, cut between UTF-8 characters. Returns its id, 0 for a detail kind. */
uint64_t recorder_record(struct recorder *recorder, uint32_t kind, uint32_t origin, uint64_t cause,
                         const int64_t *values, const char *text);
/* Integers in place, at least one: RECORD(r, kind, origin, cause, text, a, b, c). Asserts that there are as many as the
 * kind has fields. */
#define RECORD(recorder, kind, origin, cause, text, ...)                                           \
    recorder_record_counted((recorder), (kind), (origin), (cause), (const int64_t[]){__VA_ARGS__}, \
                            sizeof((const int64_t[]){__VA_ARGS__}) / sizeof(int64_t), (text))

/* ---- the hot path: frames ------------------------------------------------------------------------------------------- */

/* First member of a recorder. */
struct recorder_state {
    struct run_hash hash;
    uint64_t ids;
    uint64_t next_checkpoint; /* the hash is kept when so many ids are given */
    uint64_t
        frames_first; /* frames with these ids are written as bytes; first > last where none are */
    uint64_t frames_last;
    uint32_t kind_count;
    const uint8_t *field_counts; /* of each kind */
};
/* Keeps the hash; called when the next id is about to be given. */
void recorder_checkpoint(struct recorder *recorder);

/* Opens the fold of one frame and gives it an id. Fold its words through run_hash_fold on the hash returned, before
 * anything else is recorded; the link is folded by the hash of its path, kept by the caller. */
static inline struct run_hash *recorder_frame(struct recorder *recorder, uint64_t *id)
{
    struct recorder_state *state = (struct recorder_state *)(void *)recorder;
    if (SIM_UNLIKELY(state->ids == state->next_checkpoint)) {
        recorder_checkpoint(recorder);
    }
    *id = ++state->ids;
    return &state->hash;
}

/* True where recorder_write_frame would write the frame with this id: the link asks before it makes its bytes. */
static inline bool recorder_wants_frame(const struct recorder *recorder, uint64_t id)
{
    const struct recorder_state *state = (const struct recorder_state *)(const void *)recorder;
    return id >= state->frames_first && id <= state->frames_last;
}
/* Writes a frame, which arrives at the present instant on the link with origin `link`, as bytes to the recording; ids
 * must rise. At most 9,216 bytes. */
void recorder_write_frame(struct recorder *recorder, uint64_t id, uint32_t link, const void *bytes,
                          uint32_t length);

static inline uint64_t recorder_record_counted(struct recorder *recorder, uint32_t kind,
                                               uint32_t origin, uint64_t cause,
                                               const int64_t *values, size_t count,
                                               const char *text)
{
    const struct recorder_state *state = (const struct recorder_state *)(const void *)recorder;
    SIM_ASSERT(kind < state->kind_count);
    SIM_ASSERT(count == state->field_counts[kind]);
    return recorder_record(recorder, kind, origin, cause, values, text);
}

/* Ids given so far, to records and frames. */
uint64_t recorder_records(const struct recorder *recorder);
/* The hash so far: folded also with the number of ids. */
struct run_hash recorder_hash(const struct recorder *recorder);
/* Checkpoints so far: entry i is the value of recorder_hash when (i + 1) * RECORDER_CHECKPOINT ids were given and folded.
 * Borrowed until the next record. Not between recorder_frame and the last fold of that frame. */
const uint64_t *recorder_checkpoints(struct recorder *recorder, uint32_t *count);
/* A stable number for a name (path, kind): what is folded in place of an index. Pure. */
uint64_t recorder_name_hash(const char *name);
/* Keeps the hash after every single id from `first` on as well, `capacity` of them at most: hashes[i] is the value of
 * recorder_hash when first + i ids were given and folded. So two runs that part between two checkpoints are compared to the
 * very id, without writing anything out. `hashes` is the caller's and outlives the recorder. Before that id is given; once. */
void recorder_trail(struct recorder *recorder, uint64_t first, uint64_t *hashes, uint32_t capacity);
/* How many of them are there; as recorder_checkpoints, not within a frame. */
uint32_t recorder_trail_count(struct recorder *recorder);
struct sim *recorder_sim(const struct recorder *recorder);

#endif
