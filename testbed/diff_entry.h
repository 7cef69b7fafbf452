/* testbed/diff_entry.h - one record or frame of a recording, spelt out: as named values that can be laid beside those of another.
 *
 * Values are exact and carry their unit; parts are paths, so entries of different recordings are equal where their texts are. */
#ifndef ORRERY_TESTBED_DIFF_ENTRY_H
#define ORRERY_TESTBED_DIFF_ENTRY_H

#include "sim/recording.h"
#include "sim/recording_format.h"

#define DIFF_FIELDS      48u
#define DIFF_NAME_BYTES  40u
#define DIFF_VALUE_BYTES 272u
#define DIFF_LINE_BYTES  400u

struct diff_field {
    char name[DIFF_NAME_BYTES];
    char value[DIFF_VALUE_BYTES];
};

enum diff_entry_sort {
    DIFF_NOTHING, /* the run, or the recording, has ended */
    DIFF_RECORD,
    DIFF_FRAME,
    DIFF_UNSEEN_FRAME, /* a frame that the recording does not hold */
};

struct diff_entry {
    enum diff_entry_sort sort;
    uint64_t id;
    uint64_t cause; /* 0: none; a frame has none */
    sim_time time;
    uint32_t field_count;
    struct diff_field fields[DIFF_FIELDS];
    uint32_t length; /* of a frame */
    uint8_t bytes[RECORDING_FRAME_BYTES_MAX];
};

/* Records and frames of a recording in one order, that of their ids; records of detail are left out. */
struct diff_stream {
    struct recording *recording;
    struct record record;
    struct recording_frame frame;
    bool has_record, has_frame;
    char text[RECORD_TEXT_MAX + 1];
};

/* From the first id on; the recording is moved. */
void diff_stream_open(struct diff_stream *stream, struct recording *recording);
/* The id at which the stream stands; 0 at its end. */
uint64_t diff_stream_id(const struct diff_stream *stream);
sim_time diff_stream_time(const struct diff_stream *stream);
void diff_stream_next(struct diff_stream *stream);
/* Goes on to the first id >= `id`. */
void diff_stream_skip(struct diff_stream *stream, uint64_t id);
/* Goes on to the first record with id >= `id`, past frames. */
void diff_stream_skip_to_record(struct diff_stream *stream, uint64_t id);
bool diff_stream_at_frame(const struct diff_stream *stream);
/* True where two streams stand at the same thing. */
bool diff_stream_same(const struct diff_stream *a, const struct diff_stream *b);
/* Spells out what the stream stands at; DIFF_NOTHING at its end. */
void diff_stream_entry(const struct diff_stream *stream, struct diff_entry *entry);

/* The value of that name, or NULL. */
const char *diff_entry_value(const struct diff_entry *entry, const char *name);
/* On one line: "#12 0.000004100 s  node1  tcp.opened  flow=...". */
void diff_entry_line(const struct diff_entry *entry, char out[DIFF_LINE_BYTES]);

#endif
