/* sim/recording_contents.h - what a recording holds besides its records: meta, names, checkpoint hashes.
 *
 * Inner part of the reader (sim/recording.h). All of it is read when the file is opened; strings and contents of files are
 * not copied but point into the payloads, which are kept.
 *
 *  N1. Memory is bounded whatever the file says: RECORDING_META_BYTES_MAX, RECORDING_NAMES_BYTES_MAX, and the limits on
 *      the number of kinds, origins and files.
 *  N2. The first name that is read for a number stays; names that stand twice in a file are the same. */
#ifndef ORRERY_SIM_RECORDING_CONTENTS_H
#define ORRERY_SIM_RECORDING_CONTENTS_H

#include "sim/recording_chunks.h"

/* How values of a kind are packed, and the last ones in the chunk that `load` counts. */
struct recording_packing {
    int64_t last[RECORD_VALUES_MAX];
    uint64_t load;
    uint8_t field_count;
    uint8_t instants; /* bit i: field i is an instant, a difference to the record's time */
};

struct recording_content_file {
    const char *path;
    uint64_t length;
    uint64_t digest;
    const void *bytes; /* or NULL */
};

struct recording_contents {
    uint8_t *meta; /* all parts of the meta chunk */
    const char *version;
    const char *scenario_path;
    const char *scenario;
    uint64_t seed;
    const char *until;
    struct recording_content_file *files;
    uint32_t file_count;
    uint8_t **names; /* payloads of names chunks */
    uint32_t names_count;
    size_t names_bytes;
    const char **origins;
    uint32_t origin_count;
    struct record_kind *kinds;
    struct recording_packing *packing; /* one for each kind */
    uint32_t kind_count;
    uint64_t *checkpoints;
    uint32_t checkpoint_count;
};

/* Reads all of it into a structure that is zero. False and a message where the meta chunk cannot be read; close it all the
 * same. Other damage is noted in `chunks`. */
SIM_CHECKED bool recording_contents_open(struct recording_contents *contents,
                                         struct recording_chunks *chunks, char *why,
                                         size_t why_capacity);
void recording_contents_close(struct recording_contents *contents);
void recording_contents_check(const struct recording_contents *contents);

#endif
