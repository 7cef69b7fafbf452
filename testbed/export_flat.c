/* testbed/export_flat.c - a line for each record or frame: JSON objects, and a table. */
#include "testbed/export_private.h"

#include "sim/assert.h"
#include "testbed/frame_text.h"

#include <stdlib.h>
#include <string.h>

/* ---- JSON lines ----------------------------------------------------------------------------------------------------------------- */

static void put_key(FILE *out, const char *name)
{
    fputc(',', out);
    export_put_json(out, name);
    fputc(':', out);
}

/* What every line begins with. An id of 0 (a record of detail) and a cause of 0 are null. */
static void put_json_head(FILE *out, const struct recording *recording, sim_time time, uint64_t id,
                          uint64_t cause, const char *record, uint32_t part)
{
    fputs("{\"time_ns\":", out);
    export_put_i64(out, time);
    fputs(",\"id\":", out);
    if (id != 0) {
        export_put_u64(out, id);
    } else {
        fputs("null", out);
    }
    fputs(",\"cause\":", out);
    if (cause != 0) {
        export_put_u64(out, cause);
    } else {
        fputs("null", out);
    }
    fputs(",\"record\":", out);
    export_put_json(out, record);
    fputs(",\"part\":", out);
    export_put_value(out, recording, RECORD_ORIGIN, (int64_t)part);
}

static void put_json_record(FILE *out, const struct recording *recording,
                            const struct record *record)
{
    const struct record_kind *kind = recording_kind(recording, record->kind);
    char name[EXPORT_NAME_BYTES];
    put_json_head(out, recording, record->time, record->id, record->cause, kind->name,
                  record->origin);
    for (uint32_t i = 0; i < RECORD_VALUES_MAX && kind->fields[i].unit != RECORD_END; i++) {
        export_value_name(kind, i, name);
        put_key(out, name);
        export_put_value(out, recording, kind->fields[i].unit, record->values[i]);
    }
    if (kind->text != NULL) {
        export_text_name(kind, name);
        put_key(out, name);
        export_put_json(out, record->text);
    }
    fputs("}\n", out);
}

struct headers {
    FILE *out;
    bool begun;
    bool json;
    char line[1024];
    size_t length;
};

static void put_json_header(void *context, const char *name, const char *value)
{
    struct headers *headers = context;
    if (headers->begun) {
        fputc(',', headers->out);
    }
    headers->begun = true;
    export_put_json(headers->out, name);
    fputc(':', headers->out);
    export_put_json(headers->out, value);
}

static void put_json_frame(FILE *out, const struct recording *recording,
                           const struct recording_frame *frame)
{
    struct headers headers = {.out = out};
    put_json_head(out, recording, frame->time, frame->id, 0, "frame", frame->link);
    fputs(",\"length_bytes\":", out);
    export_put_u64(out, frame->length);
    fputs(",\"headers\":{", out);
    (void)frame_text(frame->bytes, frame->length, put_json_header, &headers);
    fputs("}}\n", out);
}

void export_jsonl(FILE *out, struct recording *recording, const struct export_options *options,
                  struct export_count *count)
{
    struct export_stream stream;
    export_stream_open(&stream, recording, options);
    while (export_stream_next(&stream) && ferror(out) == 0) {
        if (stream.at_frame) {
            put_json_frame(out, recording, &stream.frame);
            count->frames++;
        } else {
            put_json_record(out, recording, &stream.record);
            count->records++;
        }
    }
    export_stream_close(&stream);
}

/* ---- the table ------------------------------------------------------------------------------------------------------------------ */

/* Columns are the values of all kinds of records that there are, each name once: those of one kind alone have no empty column. */
#define COLUMNS_MAX 4096u
#define NO_COLUMN   UINT32_MAX

struct columns {
    char (*names)[EXPORT_NAME_BYTES];
    uint32_t count;
    uint32_t (*of_kind)[RECORD_VALUES_MAX + 1]; /* the last one is the text's */
    uint32_t of_length, of_headers;             /* of frames; NO_COLUMN where there are none */
};

static uint32_t add_column(struct columns *columns, const char *name)
{
    for (uint32_t i = 0; i < columns->count; i++) {
        if (strcmp(columns->names[i], name) == 0) {
            return i;
        }
    }
    if (columns->count == COLUMNS_MAX) {
        return NO_COLUMN;
    }
    snprintf(columns->names[columns->count], EXPORT_NAME_BYTES, "%s", name);
    return columns->count++;
}

static void add_kind(struct columns *columns, const struct record_kind *kind, uint32_t number)
{
    char name[EXPORT_NAME_BYTES];
    uint32_t *own = columns->of_kind[number];
    for (uint32_t i = 0; i < RECORD_VALUES_MAX && kind->fields[i].unit != RECORD_END; i++) {
        export_value_name(kind, i, name);
        own[i] = add_column(columns, name);
    }
    if (kind->text != NULL) {
        export_text_name(kind, name);
        own[RECORD_VALUES_MAX] = add_column(columns, name);
    }
}

/* Reads once to see which kinds there are; columns stand in the order in which kinds do. */
static void find_columns(struct columns *columns, struct recording *recording,
                         const struct export_options *options)
{
    uint32_t kinds = recording_kind_count(recording);
    struct export_stream stream;
    bool frames = false;
    bool *met = calloc((size_t)kinds + 1, sizeof *met);
    *columns = (struct columns){.names = calloc(COLUMNS_MAX, sizeof *columns->names),
                                .of_kind = malloc(((size_t)kinds + 1) * sizeof *columns->of_kind)};
    SIM_ASSERT(met != NULL);
    SIM_ASSERT(columns->names != NULL);
    SIM_ASSERT(columns->of_kind != NULL);
    memset(columns->of_kind, 0xff, ((size_t)kinds + 1) * sizeof *columns->of_kind);
    export_stream_open(&stream, recording, options);
    while (export_stream_next(&stream)) {
        if (stream.at_frame) {
            frames = true;
        } else {
            met[stream.record.kind] = true;
        }
    }
    export_stream_close(&stream);
    for (uint32_t i = 0; i < kinds; i++) {
        if (met[i]) {
            add_kind(columns, recording_kind(recording, i), i);
        }
    }
    columns->of_length = frames ? add_column(columns, "length_bytes") : NO_COLUMN;
    columns->of_headers = frames ? add_column(columns, "headers") : NO_COLUMN;
    free(met);
}

static void put_csv_value(FILE *out, const struct recording *recording, enum record_unit unit,
                          int64_t value)
{
    char address[EXPORT_NUMBER_BYTES];
    const char *path;
    switch (unit) {
    case RECORD_IP4:
    case RECORD_MAC:
        fputs(export_address(unit, value, address), out);
        break;
    case RECORD_ORIGIN:
        path = export_part(recording, value);
        export_put_csv(out, path != NULL ? path : "");
        break;
    default:
        export_put_i64(out, value);
        break;
    }
}

static void put_csv_head(FILE *out, const struct recording *recording, sim_time time, uint64_t id,
                         uint64_t cause, const char *record, uint32_t part)
{
    export_put_i64(out, time);
    fputc(',', out);
    if (id != 0) {
        export_put_u64(out, id);
    }
    fputc(',', out);
    if (cause != 0) {
        export_put_u64(out, cause);
    }
    fputc(',', out);
    export_put_csv(out, record);
    fputc(',', out);
    put_csv_value(out, recording, RECORD_ORIGIN, (int64_t)part);
}

/* Which of the values of a kind (or its text: RECORD_VALUES_MAX) stands in each column. */
static void put_csv_record(FILE *out, const struct recording *recording,
                           const struct columns *columns, const struct record *record,
                           uint8_t *filled)
{
    const struct record_kind *kind = recording_kind(recording, record->kind);
    const uint32_t *own = columns->of_kind[record->kind];
    memset(filled, 0xff, columns->count);
    for (uint32_t i = 0; i <= RECORD_VALUES_MAX; i++) {
        if (own[i] != NO_COLUMN) {
            filled[own[i]] = (uint8_t)i;
        }
    }
    put_csv_head(out, recording, record->time, record->id, record->cause, kind->name,
                 record->origin);
    for (uint32_t i = 0; i < columns->count; i++) {
        fputc(',', out);
        if (filled[i] < RECORD_VALUES_MAX) {
            put_csv_value(out, recording, kind->fields[filled[i]].unit, record->values[filled[i]]);
        } else if (filled[i] == RECORD_VALUES_MAX) {
            export_put_csv(out, record->text);
        }
    }
    fputc('\n', out);
}

static void add_header_text(void *context, const char *name, const char *value)
{
    struct headers *headers = context;
    int length = snprintf(headers->line + headers->length, sizeof headers->line - headers->length,
                          "%s%s=%s", headers->length > 0 ? "; " : "", name, value);
    size_t room = sizeof headers->line - 1 - headers->length;
    SIM_ASSERT(length >= 0);
    headers->length += (size_t)length < room ? (size_t)length : room;
}

static void put_csv_frame(FILE *out, const struct recording *recording,
                          const struct columns *columns, const struct recording_frame *frame)
{
    struct headers headers = {.out = out};
    put_csv_head(out, recording, frame->time, frame->id, 0, "frame", frame->link);
    (void)frame_text(frame->bytes, frame->length, add_header_text, &headers);
    for (uint32_t i = 0; i < columns->count; i++) {
        fputc(',', out);
        if (i == columns->of_length) {
            export_put_u64(out, frame->length);
        } else if (i == columns->of_headers) {
            export_put_csv(out, headers.line);
        }
    }
    fputc('\n', out);
}

void export_csv(FILE *out, struct recording *recording, const struct export_options *options,
                struct export_count *count)
{
    struct columns columns;
    struct export_stream stream;
    find_columns(&columns, recording, options);
    uint8_t *filled = malloc((size_t)columns.count + 1);
    SIM_ASSERT(filled != NULL);
    fputs("time_ns,id,cause,record,part", out);
    for (uint32_t i = 0; i < columns.count; i++) {
        fputc(',', out);
        export_put_csv(out, columns.names[i]);
    }
    fputc('\n', out);
    export_stream_open(&stream, recording, options);
    while (export_stream_next(&stream) && ferror(out) == 0) {
        if (stream.at_frame) {
            put_csv_frame(out, recording, &columns, &stream.frame);
            count->frames++;
        } else {
            put_csv_record(out, recording, &columns, &stream.record, filled);
            count->records++;
        }
    }
    export_stream_close(&stream);
    free(filled);
    free(columns.of_kind);
    free(columns.names);
}
