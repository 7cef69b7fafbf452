/* sim/recording.h - reads a recording: by every reader of a run but the run itself.
 *
 *   recording_open ─► recording_seek(time) ─► recording_next ─► recording_next ... false ─► recording_close
 *
 * A recording opened stands at its first record and its first frame; the two are read independently. Chunks are unpacked
 * one at a time, so memory does not grow with the file.
 *
 *  G1. A file cut anywhere is readable up to there; a damaged chunk is skipped, and the reader says so (recording_damage).
 *  G2. The index of the footer is a convenience: without it, it is rebuilt from chunk headers.
 *  G3. No byte string makes the reader crash, read outside its buffers or take memory without bound (fuzz target).
 *  G4. Records come in the order of writing, each as it was written: only those of damaged chunks are missing, and those
 *      whose kind's name is lost.
 *
 * The format is docs/formats.md, "Recording (.orr)". */
#ifndef ORRERY_SIM_RECORDING_H
#define ORRERY_SIM_RECORDING_H

#include "sim/record.h"

struct recording;

struct recording_frame {
    uint64_t id;
    sim_time time;
    uint32_t link; /* origin */
    uint32_t length;
    const uint8_t *bytes; /* borrowed until the next call */
};

/* Opens a file, or takes bytes in memory (borrowed). NULL and a message where there is no readable meta chunk. What the
 * functions below return is borrowed until the close, unless they say otherwise. */
SIM_CHECKED struct recording *recording_open(const char *path, char *why, size_t why_capacity);
SIM_CHECKED struct recording *recording_open_bytes(const void *bytes, size_t length, char *why,
                                                   size_t why_capacity);
void recording_close(struct recording *recording);
/* Asserts all invariants. */
void recording_check(const struct recording *recording);

const char *recording_version(const struct recording *recording);
const char *recording_scenario_path(const struct recording *recording);
const char *recording_scenario(const struct recording *recording); /* resolved YAML */
uint64_t recording_seed(const struct recording *recording);
const char *recording_until(const struct recording *recording);
/* Files the run read: path, length, digest (recording_digest of sim/recording_writer.h) and content, NULL where it was not
 * kept; false past the last. */
bool recording_file(const struct recording *recording, uint32_t index, const char **path,
                    uint64_t *length, uint64_t *digest, const void **bytes);
uint32_t recording_origin_count(const struct recording *recording);
/* The path; "" for SIM_NONE, and for one whose name is lost. */
const char *recording_origin(const struct recording *recording, uint32_t origin);
uint32_t recording_kind_count(const struct recording *recording);
/* Every record read has a kind below the count. One whose name is lost has the name "" and no fields. */
const struct record_kind *recording_kind(const struct recording *recording, uint32_t kind);
uint32_t recording_kind_find(const struct recording *recording, const char *name); /* or SIM_NONE */

/* True if the run was closed in order; then verdict and hash are there ("" and 0 otherwise). */
bool recording_complete(const struct recording *recording);
const char *recording_verdict(const struct recording *recording);
uint64_t recording_hash(const struct recording *recording);
/* One line on what was found wrong with the file so far ("cut short in chunk 17 at byte 912384; and 2 more"), or "" for
 * nothing. A chunk is looked at when it is read, so after reading everything it is complete. Borrowed until the next
 * call. */
const char *recording_damage(struct recording *recording);
/* The last instant that any chunk speaks of. */
sim_time recording_last_time(const struct recording *recording);
/* As chunk headers count them: records and frames written, not ids. */
uint64_t recording_record_count(const struct recording *recording);
uint64_t recording_frame_count(const struct recording *recording);

/* Goes to the first record with time >= `time`; O(log chunks) and one chunk's decompression. */
void recording_seek(struct recording *recording, sim_time time);
/* Next record in order of writing; false at the end. Text is borrowed until the next call. */
bool recording_next(struct recording *recording, struct record *record);
/* The same two for frames. */
void recording_seek_frames(struct recording *recording, sim_time time);
bool recording_next_frame(struct recording *recording, struct recording_frame *frame);
/* Checkpoint hashes, as recorder_checkpoints has them: entry i is the hash after (i + 1) * RECORDER_CHECKPOINT ids, 0 where
 * the chunk that held it is damaged. */
const uint64_t *recording_checkpoints(const struct recording *recording, uint32_t *count);

#endif
