#include "testbed/diff_entry.h"

#include "sim/assert.h"
#include "testbed/frame_text.h"
#include "testbed/quantity.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

/* ---- streams -------------------------------------------------------------------------------------------------------------------- */

static void read_record(struct diff_stream *stream)
{
    do {
        stream->has_record = recording_next(stream->recording, &stream->record);
    } while (stream->has_record && stream->record.id == 0);
    if (stream->has_record) {
        snprintf(stream->text, sizeof stream->text, "%s", stream->record.text);
        stream->record.text = stream->text;
    }
}

void diff_stream_open(struct diff_stream *stream, struct recording *recording)
{
    *stream = (struct diff_stream){.recording = recording};
    recording_seek(recording, 0);
    recording_seek_frames(recording, 0);
    read_record(stream);
    stream->has_frame = recording_next_frame(recording, &stream->frame);
}

bool diff_stream_at_frame(const struct diff_stream *stream)
{
    return stream->has_frame && (!stream->has_record || stream->frame.id < stream->record.id);
}

uint64_t diff_stream_id(const struct diff_stream *stream)
{
    return diff_stream_at_frame(stream) ? stream->frame.id
           : stream->has_record         ? stream->record.id
                                        : 0;
}

sim_time diff_stream_time(const struct diff_stream *stream)
{
    SIM_ASSERT(diff_stream_id(stream) != 0);
    return diff_stream_at_frame(stream) ? stream->frame.time : stream->record.time;
}

void diff_stream_next(struct diff_stream *stream)
{
    if (diff_stream_at_frame(stream)) {
        stream->has_frame = recording_next_frame(stream->recording, &stream->frame);
    } else if (stream->has_record) {
        read_record(stream);
    }
}

void diff_stream_skip(struct diff_stream *stream, uint64_t id)
{
    while (diff_stream_id(stream) != 0 && diff_stream_id(stream) < id) {
        diff_stream_next(stream);
    }
}

void diff_stream_skip_to_record(struct diff_stream *stream, uint64_t id)
{
    diff_stream_skip(stream, id);
    while (diff_stream_at_frame(stream)) {
        diff_stream_next(stream);
    }
}

static const struct record_kind *kind_of(const struct diff_stream *stream)
{
    return recording_kind(stream->recording, stream->record.kind);
}

static const char *origin_of(const struct diff_stream *stream, int64_t origin)
{
    return recording_origin(stream->recording,
                            origin >= 0 && origin < SIM_NONE ? (uint32_t)origin : SIM_NONE);
}

static bool same_frame(const struct diff_stream *a, const struct diff_stream *b)
{
    return a->frame.id == b->frame.id && a->frame.time == b->frame.time &&
           a->frame.length == b->frame.length &&
           strcmp(origin_of(a, a->frame.link), origin_of(b, b->frame.link)) == 0 &&
           memcmp(a->frame.bytes, b->frame.bytes, a->frame.length) == 0;
}

static bool same_record(const struct diff_stream *a, const struct diff_stream *b)
{
    const struct record_kind *kind = kind_of(a), *other = kind_of(b);
    bool same = a->record.id == b->record.id && a->record.time == b->record.time &&
                a->record.cause == b->record.cause && strcmp(kind->name, other->name) == 0 &&
                strcmp(origin_of(a, a->record.origin), origin_of(b, b->record.origin)) == 0 &&
                strcmp(a->text, b->text) == 0;
    for (uint32_t i = 0; same && i < RECORD_VALUES_MAX; i++) {
        same = kind->fields[i].unit == other->fields[i].unit;
        if (same && kind->fields[i].unit == RECORD_ORIGIN) {
            same =
                strcmp(origin_of(a, a->record.values[i]), origin_of(b, b->record.values[i])) == 0;
        } else {
            same = same && a->record.values[i] == b->record.values[i];
        }
    }
    return same;
}

bool diff_stream_same(const struct diff_stream *a, const struct diff_stream *b)
{
    uint64_t id = diff_stream_id(a);
    if (id != diff_stream_id(b) || diff_stream_at_frame(a) != diff_stream_at_frame(b)) {
        return false;
    }
    return id == 0 || (diff_stream_at_frame(a) ? same_frame(a, b) : same_record(a, b));
}

/* ---- entries -------------------------------------------------------------------------------------------------------------------- */

static struct diff_field *add_field(struct diff_entry *entry, const char *name)
{
    SIM_ASSERT(entry->field_count < DIFF_FIELDS);
    struct diff_field *field = &entry->fields[entry->field_count++];
    snprintf(field->name, sizeof field->name, "%s", name);
    return field;
}

/* A text of a recording, which may hold anything, without what would move a terminal's cursor. */
static void add_text(struct diff_entry *entry, const char *name, const char *text)
{
    char *value = add_field(entry, name)->value;
    snprintf(value, DIFF_VALUE_BYTES, "%s", text);
    for (char *at = value; *at != 0; at++) {
        if ((unsigned char)*at < ' ' || *at == 127) {
            *at = '?';
        }
    }
}

static void print_seconds(sim_time ns, char out[DIFF_VALUE_BYTES])
{
    uint64_t size = ns < 0 ? 0 - (uint64_t)ns : (uint64_t)ns;
    snprintf(out, DIFF_VALUE_BYTES, "%s%" PRIu64 ".%09" PRIu64 " s", ns < 0 ? "-" : "",
             size / SIM_S, size % SIM_S);
}

/* Octet `index` of an address, the last one being 0. */
static unsigned octet(int64_t address, unsigned index)
{
    return (unsigned)((uint64_t)address >> (8 * index) & 255);
}

static void add_value(struct diff_entry *entry, const struct diff_stream *stream,
                      const struct record_field *field, int64_t value)
{
    if (field->unit == RECORD_ORIGIN) {
        const char *path = origin_of(stream, value);
        add_text(entry, field->name, path[0] != 0 ? path : "-");
        return;
    }
    char *out = add_field(entry, field->name)->value;
    switch (field->unit) {
    case RECORD_PAGES:
        snprintf(out, DIFF_VALUE_BYTES, "%" PRId64 "%s", value,
                 strstr(field->name, "pages") != NULL ? "" : " pages");
        return;
    case RECORD_IP4:
        snprintf(out, DIFF_VALUE_BYTES, "%u.%u.%u.%u", octet(value, 3), octet(value, 2),
                 octet(value, 1), octet(value, 0));
        return;
    case RECORD_MAC:
        snprintf(out, DIFF_VALUE_BYTES, "%02x:%02x:%02x:%02x:%02x:%02x", octet(value, 5),
                 octet(value, 4), octet(value, 3), octet(value, 2), octet(value, 1),
                 octet(value, 0));
        return;
    case RECORD_BYTES:
        snprintf(out, DIFF_VALUE_BYTES, "%" PRId64 " B", value);
        return;
    case RECORD_NS:
        snprintf(out, DIFF_VALUE_BYTES, "%" PRId64 " ns", value);
        return;
    case RECORD_INSTANT:
        print_seconds(value, out);
        return;
    case RECORD_BPS:
        snprintf(out, DIFF_VALUE_BYTES, "%" PRId64 " bit/s", value);
        return;
    default:
        snprintf(out, DIFF_VALUE_BYTES, "%" PRId64, value);
        return;
    }
}

static void entry_from_record(const struct diff_stream *stream, struct diff_entry *entry)
{
    const struct record *record = &stream->record;
    const struct record_kind *kind = kind_of(stream);
    const char *origin = origin_of(stream, record->origin);
    entry->sort = DIFF_RECORD;
    entry->cause = record->cause;
    add_text(entry, "part", origin[0] != 0 ? origin : "-");
    add_text(entry, "record", kind->name[0] != 0 ? kind->name : "(a kind whose name is lost)");
    for (uint32_t i = 0; i < RECORD_VALUES_MAX && kind->fields[i].unit != RECORD_END; i++) {
        add_value(entry, stream, &kind->fields[i], record->values[i]);
    }
    if (kind->text != NULL) {
        add_text(entry, kind->text, record->text);
    }
}

static void add_header(void *context, const char *name, const char *value)
{
    add_text(context, name, value);
}

static void entry_from_frame(const struct diff_stream *stream, struct diff_entry *entry)
{
    const struct recording_frame *frame = &stream->frame;
    SIM_ASSERT(frame->length <= sizeof entry->bytes);
    entry->sort = DIFF_FRAME;
    entry->length = frame->length;
    memcpy(entry->bytes, frame->bytes, frame->length);
    add_text(entry, "part", origin_of(stream, frame->link));
    add_text(entry, "record", "(frame arrives)");
    snprintf(add_field(entry, "length")->value, DIFF_VALUE_BYTES, "%" PRIu32 " B", frame->length);
    uint32_t payload = frame_text(frame->bytes, frame->length, add_header, entry);
    snprintf(add_field(entry, "payload")->value, DIFF_VALUE_BYTES, "%" PRIu32 " B",
             frame->length - payload);
}

void diff_stream_entry(const struct diff_stream *stream, struct diff_entry *entry)
{
    memset(entry, 0, sizeof *entry);
    entry->id = diff_stream_id(stream);
    if (entry->id == 0) {
        return;
    }
    entry->time = diff_stream_time(stream);
    print_seconds(entry->time, add_field(entry, "time")->value);
    if (diff_stream_at_frame(stream)) {
        entry_from_frame(stream, entry);
    } else {
        entry_from_record(stream, entry);
    }
}

const char *diff_entry_value(const struct diff_entry *entry, const char *name)
{
    for (uint32_t i = 0; i < entry->field_count; i++) {
        if (strcmp(entry->fields[i].name, name) == 0) {
            return entry->fields[i].value;
        }
    }
    return NULL;
}

/* What of a frame is worth a place on one line. */
static bool is_brief(const struct diff_entry *entry, const char *name)
{
    static const char *const names[] = {"ip source", "ip destination", "tcp sequence", "tcp flags",
                                        "icmp type", "icmp sequence",  "arp operation"};
    bool brief = entry->sort != DIFF_FRAME || strcmp(name, "length") == 0;
    for (uint32_t i = 0; !brief && i < sizeof names / sizeof names[0]; i++) {
        brief = strcmp(names[i], name) == 0;
    }
    return brief;
}

void diff_entry_line(const struct diff_entry *entry, char out[DIFF_LINE_BYTES])
{
    SIM_ASSERT(entry->field_count >= 3);
    size_t at = (size_t)snprintf(out, DIFF_LINE_BYTES, "#%" PRIu64, entry->id);
    for (uint32_t i = 0; i < entry->field_count && at < DIFF_LINE_BYTES; i++) {
        const struct diff_field *field = &entry->fields[i];
        int added = 0;
        if (i < 3) { /* time, part, record */
            added = snprintf(out + at, DIFF_LINE_BYTES - at, "  %s", field->value);
        } else if (is_brief(entry, field->name)) {
            added = snprintf(out + at, DIFF_LINE_BYTES - at, "%s%s=%s", i == 3 ? "  " : ", ",
                             field->name, field->value);
        }
        at += (size_t)added;
    }
}
