/* testbed/export_private.h - what the exporters share: records and frames in one order, and text that is valid whatever it came from. */
#ifndef ORRERY_TESTBED_EXPORT_PRIVATE_H
#define ORRERY_TESTBED_EXPORT_PRIVATE_H

#include "testbed/export.h"

/* ---- what is read ------------------------------------------------------------------------------------------------------------ */

struct export_stream {
    struct recording *recording;
    sim_time until;
    const volatile sig_atomic_t *stop; /* or NULL */
    bool *wanted;                      /* by kind */
    bool frames_wanted;
    bool has_record, has_frame;
    struct record next_record;
    struct recording_frame next_frame;
    /* Where the stream stands. */
    bool at_frame;
    struct record record;
    struct recording_frame frame;
    sim_time last; /* 0 at the start */
    char text[RECORD_TEXT_MAX + 1];
};

/* Goes to the first record and frame that `options` ask for. Close it. */
void export_stream_open(struct export_stream *stream, struct recording *recording,
                        const struct export_options *options);
/* The next record or frame; false at the end. Frames stand among the records in the order of their ids; a record of detail, which has
 * none, stands where it was written. Times never fall. */
bool export_stream_next(struct export_stream *stream);
void export_stream_close(struct export_stream *stream);

/* ---- what is written --------------------------------------------------------------------------------------------------------- */

#define EXPORT_NUMBER_BYTES 24u

/* In decimal. Returns how many bytes; no final zero. */
size_t export_decimal(uint64_t value, char out[EXPORT_NUMBER_BYTES]);
void export_put_u64(FILE *out, uint64_t value);
void export_put_i64(FILE *out, int64_t value);
/* In double quotes, as RFC 8259 wants it. */
void export_put_json(FILE *out, const char *text);
/* A field of a table: in double quotes where RFC 4180 wants them. */
void export_put_csv(FILE *out, const char *text);
/* "192.0.2.1", "02:00:00:00:00:01". */
const char *export_address(enum record_unit unit, int64_t value, char out[EXPORT_NUMBER_BYTES]);
/* The path of a part; NULL for none. */
const char *export_part(const struct recording *recording, int64_t origin);

/* A value as JSON: addresses and parts as text, flags as true and false, no part as null. */
void export_put_value(FILE *out, const struct recording *recording, enum record_unit unit,
                      int64_t value);

/* A value's name with its unit at the end: "took_ns", "dirtied_pages". Nothing is added where the name says it. */
#define EXPORT_NAME_BYTES 160u
void export_value_name(const struct record_kind *kind, uint32_t field, char out[EXPORT_NAME_BYTES]);
/* The same for the text of a kind that has one. */
void export_text_name(const struct record_kind *kind, char out[EXPORT_NAME_BYTES]);

/* ---- formats ------------------------------------------------------------------------------------------------------------------ */

void export_jsonl(FILE *out, struct recording *recording, const struct export_options *options,
                  struct export_count *count);
void export_csv(FILE *out, struct recording *recording, const struct export_options *options,
                struct export_count *count);
void export_timeline(FILE *out, struct recording *recording, const struct export_options *options,
                     struct export_count *count);

#endif
