#include "testbed/export_private.h"

#include "sim/assert.h"

#include <fnmatch.h>
#include <stdlib.h>
#include <string.h>

#define FRAME_KIND "frame"

/* ---- what is asked for ---------------------------------------------------------------------------------------------------------- */

/* The next glob of a list; false at its end. Empty ones are passed over. */
static bool next_glob(const char **list, char out[64])
{
    *list += strspn(*list, ",");
    size_t length = strcspn(*list, ",");
    snprintf(out, 64, "%.*s", (int)(length < 64 ? length : 63), *list);
    *list += length;
    return length > 0;
}

static bool is_wanted(const char *what, const char *name)
{
    char glob[64];
    if (what == NULL) {
        return true;
    }
    while (next_glob(&what, glob)) {
        if (fnmatch(glob, name, 0) == 0) {
            return true;
        }
    }
    return false;
}

bool export_unmatched(const struct recording *recording, const struct export_options *options,
                      char out[64])
{
    const char *what = options->what != NULL ? options->what : "";
    while (next_glob(&what, out)) {
        bool found = fnmatch(out, FRAME_KIND, 0) == 0;
        for (uint32_t i = 0; !found && i < recording_kind_count(recording); i++) {
            found = fnmatch(out, recording_kind(recording, i)->name, 0) == 0;
        }
        if (!found) {
            return true;
        }
    }
    return false;
}

/* ---- the stream ----------------------------------------------------------------------------------------------------------------- */

static void read_record(struct export_stream *stream)
{
    do {
        stream->has_record = recording_next(stream->recording, &stream->next_record) &&
                             stream->next_record.time < stream->until;
    } while (stream->has_record && !stream->wanted[stream->next_record.kind]);
}

static void read_frame(struct export_stream *stream)
{
    stream->has_frame = stream->frames_wanted &&
                        recording_next_frame(stream->recording, &stream->next_frame) &&
                        stream->next_frame.time < stream->until;
}

void export_stream_open(struct export_stream *stream, struct recording *recording,
                        const struct export_options *options)
{
    uint32_t kinds = recording_kind_count(recording);
    *stream = (struct export_stream){
        .recording = recording, .until = options->until, .stop = options->stop};
    stream->wanted = calloc((size_t)kinds + 1, sizeof *stream->wanted);
    SIM_ASSERT(stream->wanted != NULL);
    for (uint32_t i = 0; i < kinds; i++) {
        stream->wanted[i] = is_wanted(options->what, recording_kind(recording, i)->name);
    }
    stream->frames_wanted = is_wanted(options->what, FRAME_KIND);
    recording_seek(recording, options->from);
    recording_seek_frames(recording, options->from);
    read_record(stream);
    read_frame(stream);
}

static bool is_frame_first(const struct export_stream *stream)
{
    if (!stream->has_frame || !stream->has_record) {
        return stream->has_frame;
    }
    return stream->next_record.id != 0 ? stream->next_frame.id < stream->next_record.id
                                       : stream->next_frame.time < stream->next_record.time;
}

/* Times of a recording do not fall; those of one that somebody made up may. */
static sim_time not_before(struct export_stream *stream, sim_time time)
{
    stream->last = time > stream->last ? time : stream->last;
    return stream->last;
}

bool export_stream_next(struct export_stream *stream)
{
    /* A frame's bytes are borrowed until the next one is read, so what follows the present one is read only now. */
    if (stream->at_frame) {
        stream->at_frame = false;
        read_frame(stream);
    }
    bool stopped = stream->stop != NULL && *stream->stop != 0;
    if (stopped || (!stream->has_record && !stream->has_frame)) {
        return false;
    }
    if (is_frame_first(stream)) {
        stream->at_frame = true;
        stream->frame = stream->next_frame;
        stream->frame.time = not_before(stream, stream->frame.time);
        return true;
    }
    stream->record = stream->next_record;
    stream->record.time = not_before(stream, stream->record.time);
    snprintf(stream->text, sizeof stream->text, "%s", stream->next_record.text);
    stream->record.text = stream->text;
    read_record(stream);
    return true;
}

void export_stream_close(struct export_stream *stream)
{
    free(stream->wanted);
    *stream = (struct export_stream){0};
}

/* ---- text ----------------------------------------------------------------------------------------------------------------------- */

size_t export_decimal(uint64_t value, char out[EXPORT_NUMBER_BYTES])
{
    char digits[EXPORT_NUMBER_BYTES];
    size_t count = 0;
    do {
        digits[count++] = (char)('0' + value % 10);
        value /= 10;
    } while (value != 0);
    SIM_ASSERT(count <= EXPORT_NUMBER_BYTES);
    for (size_t i = 0; i < count; i++) {
        out[i] = digits[count - 1 - i];
    }
    return count;
}

void export_put_u64(FILE *out, uint64_t value)
{
    char text[EXPORT_NUMBER_BYTES];
    fwrite(text, 1, export_decimal(value, text), out);
}

void export_put_i64(FILE *out, int64_t value)
{
    if (value < 0) {
        fputc('-', out);
    }
    export_put_u64(out, value < 0 ? 0 - (uint64_t)value : (uint64_t)value);
}

/* Bytes of the character at `text`; 0 where it is not UTF-8 (RFC 3629 section 4). */
static size_t utf8_length(const unsigned char *text)
{
    unsigned char c = text[0];
    size_t length = c < 0x80                ? 1
                    : c >= 0xc2 && c < 0xe0 ? 2
                    : c >= 0xe0 && c < 0xf0 ? 3
                    : c >= 0xf0 && c < 0xf5 ? 4
                                            : 0;
    for (size_t i = 1; i < length; i++) {
        if ((text[i] & 0xc0) != 0x80) {
            return 0;
        }
    }
    bool bad = (c == 0xe0 && text[1] < 0xa0) || (c == 0xed && text[1] >= 0xa0) ||
               (c == 0xf0 && text[1] < 0x90) || (c == 0xf4 && text[1] >= 0x90);
    return bad ? 0 : length;
}

/* One character of `text`, and what must be written for it. Returns the bytes that it took. */
static size_t put_character(FILE *out, const char *text)
{
    size_t length = utf8_length((const unsigned char *)text);
    if (length == 0) {
        fputs("\xef\xbf\xbd", out);
        return 1;
    }
    fwrite(text, 1, length, out);
    return length;
}

void export_put_json(FILE *out, const char *text)
{
    fputc('"', out);
    while (*text != 0) {
        /* Most text is plain, and goes out in one piece. */
        size_t plain = 0;
        while ((unsigned char)text[plain] >= ' ' && (unsigned char)text[plain] < 127 &&
               text[plain] != '"' && text[plain] != '\\') {
            plain++;
        }
        fwrite(text, 1, plain, out);
        text += plain;
        if (*text == '"' || *text == '\\') {
            fputc('\\', out);
            fputc(*text++, out);
        } else if ((*text > 0 && *text < ' ') || *text == 127) {
            fprintf(out, "\\u%04x", (unsigned)(unsigned char)*text++);
        } else if (*text != 0) {
            text += put_character(out, text);
        }
    }
    fputc('"', out);
}

void export_put_csv(FILE *out, const char *text)
{
    bool quoted = text[strcspn(text, ",\"\r\n")] != 0;
    if (quoted) {
        fputc('"', out);
    }
    while (*text != 0) {
        if (*text == '"') {
            fputc('"', out);
        }
        text += put_character(out, text);
    }
    if (quoted) {
        fputc('"', out);
    }
}

const char *export_address(enum record_unit unit, int64_t value, char out[EXPORT_NUMBER_BYTES])
{
    unsigned octets[6];
    for (unsigned i = 0; i < 6; i++) {
        octets[i] = (unsigned)((uint64_t)value >> (8 * i) & 255);
    }
    if (unit == RECORD_IP4) {
        snprintf(out, EXPORT_NUMBER_BYTES, "%u.%u.%u.%u", octets[3], octets[2], octets[1],
                 octets[0]);
    } else {
        snprintf(out, EXPORT_NUMBER_BYTES, "%02x:%02x:%02x:%02x:%02x:%02x", octets[5], octets[4],
                 octets[3], octets[2], octets[1], octets[0]);
    }
    return out;
}

const char *export_part(const struct recording *recording, int64_t origin)
{
    if (origin < 0 || origin >= (int64_t)SIM_NONE) {
        return NULL;
    }
    const char *path = recording_origin(recording, (uint32_t)origin);
    return path[0] != 0 ? path : NULL;
}

void export_put_value(FILE *out, const struct recording *recording, enum record_unit unit,
                      int64_t value)
{
    char address[EXPORT_NUMBER_BYTES];
    const char *path;
    switch (unit) {
    case RECORD_FLAG:
        fputs(value != 0 ? "true" : "false", out);
        break;
    case RECORD_IP4:
    case RECORD_MAC:
        export_put_json(out, export_address(unit, value, address));
        break;
    case RECORD_ORIGIN:
        path = export_part(recording, value);
        if (path != NULL) {
            export_put_json(out, path);
        } else {
            fputs("null", out);
        }
        break;
    default:
        export_put_i64(out, value);
        break;
    }
}

/* ---- names ---------------------------------------------------------------------------------------------------------------------- */

static bool ends_with(const char *text, const char *end)
{
    size_t length = strlen(text), tail = strlen(end);
    return length >= tail && strcmp(text + length - tail, end) == 0;
}

static const char *unit_suffix(const struct record_field *field)
{
    switch (field->unit) {
    case RECORD_PAGES:
        return strstr(field->name, "page") != NULL ? "" : "_pages";
    case RECORD_BYTES:
        return ends_with(field->name, "bytes") ? "" : "_bytes";
    case RECORD_NS:
    case RECORD_INSTANT:
        return ends_with(field->name, "_ns") ? "" : "_ns";
    case RECORD_BPS:
        return ends_with(field->name, "_bps") ? "" : "_bps";
    default:
        return "";
    }
}

/* Names that every line has; a value of that name gets the first word of its kind in front ("migration_id"). */
static void put_name(const struct record_kind *kind, const char *name, const char *suffix,
                     char out[EXPORT_NAME_BYTES])
{
    static const char *const taken[] = {"time_ns", "id", "cause", "record", "part"};
    char prefix[64] = "";
    for (size_t i = 0; i < sizeof taken / sizeof taken[0]; i++) {
        if (strcmp(name, taken[i]) == 0) {
            snprintf(prefix, sizeof prefix, "%.*s_", (int)strcspn(kind->name, "."), kind->name);
        }
    }
    snprintf(out, EXPORT_NAME_BYTES, "%.63s%.80s%.8s", prefix, name, suffix);
}

void export_value_name(const struct record_kind *kind, uint32_t field, char out[EXPORT_NAME_BYTES])
{
    SIM_ASSERT(field < RECORD_VALUES_MAX);
    put_name(kind, kind->fields[field].name, unit_suffix(&kind->fields[field]), out);
}

void export_text_name(const struct record_kind *kind, char out[EXPORT_NAME_BYTES])
{
    SIM_ASSERT(kind->text != NULL);
    put_name(kind, kind->text, "", out);
}

/* ---- the whole ------------------------------------------------------------------------------------------------------------------ */

bool export_write(FILE *out, enum export_format format, struct recording *recording,
                  const struct export_options *options, struct export_count *count)
{
    static void (*const writers[EXPORT_FORMATS])(
        FILE *, struct recording *, const struct export_options *, struct export_count *) = {
        [EXPORT_PERFETTO] = export_timeline,
        [EXPORT_JSONL] = export_jsonl,
        [EXPORT_CSV] = export_csv,
    };
    SIM_ASSERT(format < EXPORT_FORMATS);
    SIM_ASSERT(options->from >= 0);
    *count = (struct export_count){0};
    writers[format](out, recording, options, count);
    return fflush(out) == 0 && ferror(out) == 0;
}
