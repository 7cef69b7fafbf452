/* sim/recording_writer.h - appends a run to a recording file (.orr). The format is docs/formats.md, "Recording".
 *
 * A recording is a sequence of self-contained chunks, each flushed whole:
 *
 *   magic "ORRC" | version | type | flags | first time | last time | records | raw bytes | stored bytes | crc32c | payload
 *
 * Types: meta (what repeats the run), names (origins and kinds), records, frames, checkpoint hashes, end (verdict and index). Payload is zlib
 * level 1 where that makes it smaller, at most RECORDING_CHUNK_BYTES before compression. A reader that meets a type it does not know
 * skips it. */
#ifndef ORRERY_SIM_RECORDING_WRITER_H
#define ORRERY_SIM_RECORDING_WRITER_H

#include "sim/recorder.h"

#define RECORDING_CHUNK_BYTES (1u << 20)
#define RECORDING_VERSION     1u

struct recording_writer;

/* One file that the run read: scenario, traces. Content is kept below 1 MiB, a digest always. */
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
    const char *until;             /* "" or the limit as it was given */
    const struct recording_file *files;
    uint32_t file_count;
};

/* Creates the file (truncating) and writes the meta chunk. NULL and a message in `why` where it cannot. */
SIM_CHECKED struct recording_writer *recording_writer_new(const char *path, const struct recording_meta *meta,
                                                          const struct recorder *recorder, char *why,
                                                          size_t why_capacity);
/* Appends; buffered until a chunk is full or recording_writer_flush. Write errors are kept and reported at the close. */
void recording_writer_record(struct recording_writer *writer, const struct record *record);
/* One frame as bytes (at most 9,216): its id, link origin, arrival, and what was sent. */
void recording_writer_frame(struct recording_writer *writer, uint64_t id, sim_time time, uint32_t link,
                            const void *bytes, uint32_t length);
void recording_writer_checkpoint(struct recording_writer *writer, uint64_t ids, uint64_t hash);
void recording_writer_flush(struct recording_writer *writer);
/* Writes the end chunk with the index and closes. False and a message if anything could not be written. */
SIM_CHECKED bool recording_writer_close(struct recording_writer *writer, const char *verdict, uint64_t hash,
                                        char *why, size_t why_capacity);

#endif
