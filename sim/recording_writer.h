/* sim/recording_writer.h - appends a run to a recording file (.orr). The format is docs/formats.md, "Recording".
 *
 * A recording is a sequence of self-contained chunks, each written whole by one write:
 *
 *   magic "ORRC" | version | type | flags | first time | last time | records | raw bytes | stored bytes |
 *   payload crc32 | sequence | header crc32 | payload
 *
 * Types: meta (what repeats the run), names (origins and kinds), records, frames, checkpoint hashes, end (verdict and
 * index). Payload is zlib level 1 where that makes it smaller, at most RECORDING_CHUNK_BYTES before compression. A reader
 * that meets a type it does not know skips it.
 *
 *  W1. A chunk needs no chunk but names and meta to be read: differences start anew in each.
 *  W2. Names stand in front of the first chunk that uses them, and once more in front of the end.
 *  W3. The same run gives the same bytes, but for the version of zlib.
 *  W4. After a failed write nothing more is written, so that the file is a prefix of what it should have been. */
#ifndef ORRERY_SIM_RECORDING_WRITER_H
#define ORRERY_SIM_RECORDING_WRITER_H

#include "sim/recorder.h"
#include "sim/recording_format.h"

struct recording_writer;

/* One file that the run read: scenario, traces. Content is kept below 1 MiB, as long as all contents together stay below
 * 32 MiB; length and digest (recording_digest) always. */
struct recording_file {
    const char *path; /* as the scenario names it */
    const void *bytes;
    size_t length;
};

struct recording_meta {
    const char *orrery_version;
    const char *scenario_path;
    const char *resolved_scenario; /* YAML, with --set and --seed applied */
    uint64_t seed;
    const char *until; /* "" or the limit as it was given */
    const struct recording_file *files;
    uint32_t file_count;
};

/* The digest of a file's content: run_hash_value of its bytes. Pure. */
uint64_t recording_digest(const void *bytes, size_t length);

/* Creates the file (truncating) and writes the meta chunk; what `meta` points to is not kept. `recorder` is borrowed: its
 * kinds and origins are written, and its kernel's clock is read. NULL and a message in `why` where the file cannot be
 * written or the resolved scenario is too long. */
SIM_CHECKED struct recording_writer *recording_writer_new(const char *path,
                                                          const struct recording_meta *meta,
                                                          const struct recorder *recorder,
                                                          char *why, size_t why_capacity);
/* Appends; buffered until a chunk is full or recording_writer_flush. Write errors are kept and reported at the close.
 * Times do not fall, ids rise (0: none, a record of detail). Called by the recorder. */
void recording_writer_record(struct recording_writer *writer, const struct record *record);
/* One frame as bytes (at most RECORDING_FRAME_BYTES_MAX): its id, link origin, arrival, and what was sent. */
void recording_writer_frame(struct recording_writer *writer, uint64_t id, sim_time time,
                            uint32_t link, const void *bytes, uint32_t length);
/* The hash after `ids` ids, a multiple of RECORDER_CHECKPOINT; in order without gaps, those known already are ignored. */
void recording_writer_checkpoint(struct recording_writer *writer, uint64_t ids, uint64_t hash);
/* Writes out what is buffered, so that the file is readable up to now. */
void recording_writer_flush(struct recording_writer *writer);
/* Asserts all invariants. */
void recording_writer_check(const struct recording_writer *writer);
/* Writes the end chunk with the index, closes and frees. False and a message with the path and the system's words if
 * anything could not be written. */
SIM_CHECKED bool recording_writer_close(struct recording_writer *writer, const char *verdict,
                                        uint64_t hash, char *why, size_t why_capacity);

#endif
