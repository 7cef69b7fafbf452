#include "sim/recording.h"

#include "sim/assert.h"
#include "sim/recording_contents.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* The chunks of one type, one of them unpacked. */
struct reader_stream {
    uint32_t *chunks; /* numbers in the list of chunks */
    uint32_t count;
    uint32_t next;  /* the next to unpack */
    uint64_t loads; /* unpacked so far, to tell values of one chunk from those of another */
    uint64_t records;
    struct recording_payload payload;
    struct recording_cursor cursor;
    sim_time time;
    uint64_t id;
    bool pending; /* a seek has read ahead by one */
};

struct recording {
    struct recording_chunks chunks;
    int fd;
    struct recording_contents contents;
    bool names_lost; /* said once */
    struct reader_stream records;
    struct reader_stream frames;
    struct record record;
    struct recording_frame frame;
    char text[RECORD_TEXT_MAX + 1];
    char damage[RECORDING_DAMAGE_BYTES + 32];
};

/* ---- streams -------------------------------------------------------------------------------------------------------- */

static void reader_open_stream(const struct recording *recording, uint8_t type,
                               struct reader_stream *stream)
{
    stream->chunks = malloc(((size_t)recording->chunks.count + 1) * sizeof(*stream->chunks));
    SIM_ASSERT(stream->chunks != NULL);
    for (uint32_t i = 0; i < recording->chunks.count; i++) {
        if (recording->chunks.list[i].type == type) {
            stream->chunks[stream->count++] = i;
            stream->records += recording->chunks.list[i].records;
        }
    }
}

static void reader_close_stream(struct reader_stream *stream)
{
    free(stream->chunks);
    free(stream->payload.bytes);
}

/* Unpacks the next intact chunk; false past the last. */
static bool reader_next_chunk(struct recording *recording, struct reader_stream *stream)
{
    while (stream->next < stream->count) {
        uint32_t number = stream->chunks[stream->next++];
        if (!recording_chunks_load(&recording->chunks, number, &stream->payload)) {
            continue;
        }
        stream->cursor = recording_cursor_over(stream->payload.bytes, stream->payload.length);
        stream->time = stream->payload.header.first_time;
        stream->id = recording_get_varint(&stream->cursor);
        stream->loads++;
        if (stream->cursor.ok) {
            return true;
        }
        recording_chunks_blame(&recording->chunks, number);
    }
    stream->cursor = (struct recording_cursor){.ok = true};
    return false;
}

/* Drops what is left of the chunk just read: something in it makes no sense. */
static void reader_give_up_chunk(struct recording *recording, struct reader_stream *stream)
{
    SIM_ASSERT(stream->next > 0);
    recording_chunks_blame(&recording->chunks, stream->chunks[stream->next - 1]);
    stream->cursor.at = stream->cursor.end;
}

static void reader_seek_stream(const struct recording *recording, struct reader_stream *stream,
                               sim_time time)
{
    uint32_t low = 0;
    uint32_t high = stream->count;
    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        if (recording->chunks.list[stream->chunks[middle]].last_time < time) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    stream->next = low;
    stream->cursor = (struct recording_cursor){.ok = true};
    stream->pending = false;
}

/* ---- records -------------------------------------------------------------------------------------------------------- */

static void reader_get_values(struct recording *recording, struct recording_cursor *body,
                              struct record *record)
{
    struct recording_packing *packing = &recording->contents.packing[record->kind];
    if (packing->load != recording->records.loads) {
        packing->load = recording->records.loads;
        memset(packing->last, 0, sizeof(packing->last));
    }
    memset(record->values, 0, sizeof(record->values));
    for (uint32_t i = 0; i < packing->field_count; i++) {
        int64_t base = (packing->instants >> i & 1) != 0 ? record->time : packing->last[i];
        record->values[i] = (int64_t)recording_unzigzag(recording_get_varint(body), (uint64_t)base);
        packing->last[i] = record->values[i];
    }
}

/* One record of the chunk that is unpacked. False where it makes no sense; `known` says whether its kind has a name. */
static bool reader_get_record(struct recording *recording, struct record *record, bool *known)
{
    struct reader_stream *stream = &recording->records;
    uint64_t length = recording_get_varint(&stream->cursor);
    const uint8_t *bytes = length <= RECORDING_RECORD_BYTES_MAX
                               ? recording_get_bytes(&stream->cursor, (size_t)length)
                               : NULL;
    if (bytes == NULL) {
        return false;
    }
    struct recording_cursor body = recording_cursor_over(bytes, (size_t)length);
    record->kind = recording_get_count(&body, UINT32_MAX);
    stream->time = (sim_time)((uint64_t)stream->time + recording_get_varint(&body));
    uint64_t step = recording_get_varint(&body);
    stream->id += step;
    uint64_t cause = recording_get_varint(&body);
    record->time = stream->time;
    record->id = step == 0 ? 0 : stream->id;
    /* Folded as a difference id - cause, so the cause is what gives the id when that is added. */
    record->cause = cause == 0 ? 0 : stream->id - recording_unzigzag(cause - 1, 0);
    record->origin = recording_get_count(&body, UINT32_MAX) - 1;
    *known = record->kind < recording->contents.kind_count &&
             recording->contents.kinds[record->kind].name[0] != 0;
    if (!*known) {
        return body.ok;
    }
    reader_get_values(recording, &body, record);
    size_t text_length = (size_t)(body.end - body.at);
    if (!body.ok || text_length > RECORD_TEXT_MAX) {
        return false;
    }
    if (recording->contents.kinds[record->kind].text == NULL) {
        text_length = 0; /* more than this version wrote: passed over */
    }
    memcpy(recording->text, body.at, text_length);
    recording->text[text_length] = 0;
    record->text = recording->text;
    return true;
}

static bool reader_next_record(struct recording *recording, struct record *record)
{
    struct reader_stream *stream = &recording->records;
    for (;;) {
        if (stream->cursor.at == stream->cursor.end && !reader_next_chunk(recording, stream)) {
            return false;
        }
        bool known = false;
        if (stream->cursor.at == stream->cursor.end) {
            continue;
        }
        if (!reader_get_record(recording, record, &known)) {
            reader_give_up_chunk(recording, stream);
        } else if (known) {
            return true;
        } else if (!recording->names_lost) {
            recording->names_lost = true;
            recording_chunks_note(&recording->chunks, "records of kind %u, which has no name",
                                  record->kind);
        }
    }
}

bool recording_next(struct recording *recording, struct record *record)
{
    if (recording->records.pending) {
        recording->records.pending = false;
        *record = recording->record;
        return true;
    }
    return reader_next_record(recording, record);
}

void recording_seek(struct recording *recording, sim_time time)
{
    struct reader_stream *stream = &recording->records;
    reader_seek_stream(recording, stream, time);
    do {
        stream->pending = reader_next_record(recording, &recording->record);
    } while (stream->pending && recording->record.time < time);
}

/* ---- frames --------------------------------------------------------------------------------------------------------- */

static bool reader_get_frame(struct reader_stream *stream, struct recording_frame *frame)
{
    struct recording_cursor *cursor = &stream->cursor;
    stream->id += recording_get_varint(cursor);
    stream->time = (sim_time)((uint64_t)stream->time + recording_get_varint(cursor));
    frame->id = stream->id;
    frame->time = stream->time;
    frame->link = recording_get_count(cursor, UINT32_MAX) - 1;
    frame->length = recording_get_count(cursor, RECORDING_FRAME_BYTES_MAX);
    frame->bytes = recording_get_bytes(cursor, frame->length);
    return cursor->ok;
}

static bool reader_next_frame(struct recording *recording, struct recording_frame *frame)
{
    struct reader_stream *stream = &recording->frames;
    for (;;) {
        if (stream->cursor.at == stream->cursor.end && !reader_next_chunk(recording, stream)) {
            return false;
        }
        if (stream->cursor.at == stream->cursor.end) {
            continue;
        }
        if (reader_get_frame(stream, frame)) {
            return true;
        }
        reader_give_up_chunk(recording, stream);
    }
}

bool recording_next_frame(struct recording *recording, struct recording_frame *frame)
{
    if (recording->frames.pending) {
        recording->frames.pending = false;
        *frame = recording->frame;
        return true;
    }
    return reader_next_frame(recording, frame);
}

void recording_seek_frames(struct recording *recording, sim_time time)
{
    struct reader_stream *stream = &recording->frames;
    reader_seek_stream(recording, stream, time);
    do {
        stream->pending = reader_next_frame(recording, &recording->frame);
    } while (stream->pending && recording->frame.time < time);
}

/* ---- life ----------------------------------------------------------------------------------------------------------- */

static struct recording *reader_open(struct recording *recording, char *why, size_t why_capacity)
{
    if (!recording_contents_open(&recording->contents, &recording->chunks, why, why_capacity)) {
        recording_close(recording);
        return NULL;
    }
    reader_open_stream(recording, RECORDING_RECORDS, &recording->records);
    reader_open_stream(recording, RECORDING_FRAMES, &recording->frames);
    recording_check(recording);
    return recording;
}

static struct recording *reader_new(int fd)
{
    struct recording *recording = calloc(1, sizeof(*recording));
    SIM_ASSERT(recording != NULL);
    recording->fd = fd;
    return recording;
}

struct recording *recording_open_bytes(const void *bytes, size_t length, char *why,
                                       size_t why_capacity)
{
    struct recording *recording = reader_new(-1);
    recording_chunks_open_bytes(&recording->chunks, length > 0 ? bytes : "", length);
    return reader_open(recording, why, why_capacity);
}

struct recording *recording_open(const char *path, char *why, size_t why_capacity)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    struct stat status;
    if (fd < 0 || fstat(fd, &status) != 0) {
        snprintf(why, why_capacity, "%s: %s", path, strerror(errno));
        if (fd >= 0) {
            close(fd);
        }
        return NULL;
    }
    if (!S_ISREG(status.st_mode)) {
        snprintf(why, why_capacity, "%s: not a regular file", path);
        close(fd);
        return NULL;
    }
    struct recording *recording = reader_new(fd);
    recording_chunks_open_fd(&recording->chunks, fd, (uint64_t)status.st_size);
    char inner[RECORDING_DAMAGE_BYTES * 2];
    recording = reader_open(recording, inner, sizeof(inner));
    if (recording == NULL) {
        snprintf(why, why_capacity, "%s: %s", path, inner);
    }
    return recording;
}

void recording_close(struct recording *recording)
{
    recording_chunks_close(&recording->chunks);
    reader_close_stream(&recording->records);
    reader_close_stream(&recording->frames);
    recording_contents_close(&recording->contents);
    if (recording->fd >= 0) {
        close(recording->fd);
    }
    free(recording);
}

static void reader_check_stream(const struct recording *recording,
                                const struct reader_stream *stream)
{
    SIM_ASSERT(stream->next <= stream->count);
    SIM_ASSERT(stream->count <= recording->chunks.count);
    SIM_ASSERT(stream->cursor.at <= stream->cursor.end);
    SIM_ASSERT(stream->payload.length <= stream->payload.capacity);
}

void recording_check(const struct recording *recording)
{
    recording_chunks_check(&recording->chunks);
    reader_check_stream(recording, &recording->records);
    reader_check_stream(recording, &recording->frames);
    recording_contents_check(&recording->contents);
}

/* ---- what is in it -------------------------------------------------------------------------------------------------- */

const char *recording_version(const struct recording *recording)
{
    return recording->contents.version;
}

const char *recording_scenario_path(const struct recording *recording)
{
    return recording->contents.scenario_path;
}

const char *recording_scenario(const struct recording *recording)
{
    return recording->contents.scenario;
}

uint64_t recording_seed(const struct recording *recording)
{
    return recording->contents.seed;
}

const char *recording_until(const struct recording *recording)
{
    return recording->contents.until;
}

bool recording_file(const struct recording *recording, uint32_t index, const char **path,
                    uint64_t *length, uint64_t *digest, const void **bytes)
{
    if (index >= recording->contents.file_count) {
        return false;
    }
    *path = recording->contents.files[index].path;
    *length = recording->contents.files[index].length;
    *digest = recording->contents.files[index].digest;
    *bytes = recording->contents.files[index].bytes;
    return true;
}

uint32_t recording_origin_count(const struct recording *recording)
{
    return recording->contents.origin_count;
}

const char *recording_origin(const struct recording *recording, uint32_t origin)
{
    return origin < recording->contents.origin_count ? recording->contents.origins[origin] : "";
}

uint32_t recording_kind_count(const struct recording *recording)
{
    return recording->contents.kind_count;
}

const struct record_kind *recording_kind(const struct recording *recording, uint32_t kind)
{
    SIM_ASSERT(kind < recording->contents.kind_count);
    return &recording->contents.kinds[kind];
}

uint32_t recording_kind_find(const struct recording *recording, const char *name)
{
    for (uint32_t i = 0; i < recording->contents.kind_count; i++) {
        if (strcmp(recording->contents.kinds[i].name, name) == 0) {
            return i;
        }
    }
    return SIM_NONE;
}

bool recording_complete(const struct recording *recording)
{
    return recording->chunks.complete;
}

const char *recording_verdict(const struct recording *recording)
{
    return recording->chunks.complete ? recording->chunks.verdict : "";
}

uint64_t recording_hash(const struct recording *recording)
{
    return recording->chunks.complete ? recording->chunks.hash : 0;
}

const char *recording_damage(struct recording *recording)
{
    const struct recording_chunks *chunks = &recording->chunks;
    if (chunks->damages > 1) {
        snprintf(recording->damage, sizeof(recording->damage), "%s; and %u more", chunks->damage,
                 chunks->damages - 1);
    } else {
        snprintf(recording->damage, sizeof(recording->damage), "%s", chunks->damage);
    }
    return recording->damage;
}

sim_time recording_last_time(const struct recording *recording)
{
    sim_time last = 0;
    for (uint32_t i = 0; i < recording->chunks.count; i++) {
        sim_time time = recording->chunks.list[i].last_time;
        last = time > last ? time : last;
    }
    return last;
}

uint64_t recording_record_count(const struct recording *recording)
{
    return recording->records.records;
}

uint64_t recording_frame_count(const struct recording *recording)
{
    return recording->frames.records;
}

const uint64_t *recording_checkpoints(const struct recording *recording, uint32_t *count)
{
    *count = recording->contents.checkpoint_count;
    return recording->contents.checkpoints;
}
