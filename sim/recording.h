/* sim/recording.h - reads a recording: by every reader of a run but the run itself.
 *
 *  G1. A file cut anywhere is readable up to there; a damaged chunk is skipped, and the reader says so (recording_damage).
 *  G2. The index of the footer is a convenience: without it, it is rebuilt from chunk headers.
 *  G3. No byte string makes the reader crash, read outside its buffers or take memory without bound (fuzz target). */
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

/* Opens a file, or takes bytes in memory (borrowed). NULL and a message where there is no readable meta chunk. */
SIM_CHECKED struct recording *recording_open(const char *path, char *why, size_t why_capacity);
SIM_CHECKED struct recording *recording_open_bytes(const void *bytes, size_t length, char *why, size_t why_capacity);
void recording_close(struct recording *recording);

const char *recording_version(const struct recording *recording);
const char *recording_scenario_path(const struct recording *recording);
const char *recording_scenario(const struct recording *recording); /* resolved YAML */
uint64_t recording_seed(const struct recording *recording);
const char *recording_until(const struct recording *recording);
/* Files the run read: path, length, digest and (below 1 MiB) content; false past the last. */
bool recording_file(const struct recording *recording, uint32_t index, const char **path, uint64_t *length,
                    uint64_t *digest, const void **bytes);
uint32_t recording_origin_count(const struct recording *recording);
const char *recording_origin(const struct recording *recording, uint32_t origin);
uint32_t recording_kind_count(const struct recording *recording);
const struct record_kind *recording_kind(const struct recording *recording, uint32_t kind);
uint32_t recording_kind_find(const struct recording *recording, const char *name);

/* True if the run was closed in order; then verdict and hash are there. */
bool recording_complete(const struct recording *recording);
const char *recording_verdict(const struct recording *recording);
uint64_t recording_hash(const struct recording *recording);
/* One line on what is wrong with the file ("cut short in chunk 17 at byte 912384"), or "" for nothing. */
const char *recording_damage(const struct recording *recording);
sim_time recording_last_time(const struct recording *recording);
uint64_t recording_record_count(const struct recording *recording);

/* Goes to the first record with time >= `time`; O(log chunks) and one chunk's decompression. */
void recording_seek(struct recording *recording, sim_time time);
/* Next record in order of writing; false at the end. Text is borrowed until the next call. */
bool recording_next(struct recording *recording, struct record *record);
/* The same two for frames. */
void recording_seek_frames(struct recording *recording, sim_time time);
bool recording_next_frame(struct recording *recording, struct recording_frame *frame);
/* Checkpoint hashes. Borrowed. */
const uint64_t *recording_checkpoints(const struct recording *recording, uint32_t *count);

#endif
