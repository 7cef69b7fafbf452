/* sim/recording_chunks.h - a recording file as a list of chunks: finds them, checks them, unpacks them.
 *
 * Inner part of the reader (sim/recording.h); knows headers and checksums, not what a payload means, but for the end chunk,
 * which holds the index of all others.
 *
 *   open ──► locator ──► end chunk ──► index ──► list of chunks       a file closed in order
 *     └────────(anything wrong)──────► headers ──► list of chunks     a file cut or damaged
 *
 *  H1. Looking through headers goes from chunk to chunk by their sizes. Where no chunk begins, the next intact header is
 *      sought, byte by byte: from there if the chunk before it is intact, else from within that chunk, which may have lost
 *      bytes. The inside of an intact chunk is never searched, for a payload may hold recordings.
 *  H2. A chunk is taken only with both checksums right, its type and number as the list says. Otherwise it is damage.
 *  H3. No size of a file is believed beyond RECORDING_CHUNK_BYTES or the end of the file. */
#ifndef ORRERY_SIM_RECORDING_CHUNKS_H
#define ORRERY_SIM_RECORDING_CHUNKS_H

#include "sim/recording_format.h"

#define RECORDING_VERDICT_BYTES 32u
#define RECORDING_DAMAGE_BYTES  160u

struct recording_chunk {
    uint64_t offset;
    sim_time first_time;
    sim_time last_time;
    uint32_t records;
    uint32_t sequence;
    uint8_t type;
    bool bad; /* found to be damaged */
};

struct recording_chunks {
    int fd;               /* or -1 */
    const uint8_t *bytes; /* or NULL */
    uint64_t length;
    struct recording_chunk *list; /* in the order of the file */
    uint32_t count;
    uint32_t capacity;
    bool complete; /* the end chunk was found; then the next two are there */
    char verdict[RECORDING_VERDICT_BYTES];
    uint64_t hash;
    uint8_t *stored; /* a payload as it stands in the file */
    size_t stored_capacity;
    char damage[RECORDING_DAMAGE_BYTES]; /* the first found */
    uint32_t damages;
};

/* The unpacked payload of a chunk; zero at the start, its memory is used again by the next load, freed by the caller. */
struct recording_payload {
    uint8_t *bytes;
    uint32_t length;
    uint32_t capacity;
    uint8_t flags;
    struct recording_header header;
};

/* Makes the list. The descriptor or the bytes are borrowed. */
void recording_chunks_open_fd(struct recording_chunks *chunks, int fd, uint64_t length);
void recording_chunks_open_bytes(struct recording_chunks *chunks, const void *bytes, size_t length);
void recording_chunks_close(struct recording_chunks *chunks);
void recording_chunks_check(const struct recording_chunks *chunks);
/* Reads, checks and unpacks chunk `number` of the list. False where it is damaged, which is noted once. */
SIM_CHECKED bool recording_chunks_load(struct recording_chunks *chunks, uint32_t number,
                                       struct recording_payload *payload);
/* Notes that chunk `number` holds what makes no sense. */
void recording_chunks_blame(struct recording_chunks *chunks, uint32_t number);
/* Notes damage in words, printf-like. */
__attribute__((format(printf, 2, 3))) void recording_chunks_note(struct recording_chunks *chunks,
                                                                 const char *format, ...);

#endif
