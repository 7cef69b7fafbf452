#include "sim/recording.h"

#include "sim/assert.h"
#include "sim/recording_chunks.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* How values of a kind are packed, and the last ones in the chunk that `load` counts. */
struct reader_kind {
    int64_t last[RECORD_VALUES_MAX];
    uint64_t load;
    uint8_t field_count;
    uint8_t instants;
};

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

struct reader_file {
    const char *path;
    uint64_t length;
    uint64_t digest;
    const void *bytes;
};

struct recording {
    struct recording_chunks chunks;
    int fd;
    uint8_t *meta; /* all parts of the meta chunk; strings and contents point into it */
    const char *version;
    const char *scenario_path;
    const char *scenario;
    uint64_t seed;
    const char *until;
    struct reader_file *files;
    uint32_t file_count;
    uint8_t **names; /* payloads of names chunks; names point into them */
    uint32_t names_count;
    size_t names_bytes;
    const char **origins;
    uint32_t origin_count;
    struct record_kind *kinds;
    struct reader_kind *packing; /* one for each kind */
    uint32_t kind_count;
    uint64_t *checkpoints;
    uint32_t checkpoint_count;
    bool names_lost; /* said once */
    struct reader_stream records;
    struct reader_stream frames;
    struct record record;
    struct recording_frame frame;
    char text[RECORD_TEXT_MAX + 1];
    char damage[RECORDING_DAMAGE_BYTES + 32];
};

static void *reader_grow(void *old, size_t count, size_t bytes)
{
    void *grown = realloc(old, count * bytes);
    SIM_ASSERT(grown != NULL);
    return grown;
}

static struct recording_cursor reader_cursor(const uint8_t *bytes, size_t length)
{
    return (struct recording_cursor){.at = bytes, .end = bytes + length, .ok = true};
}

/* ---- meta ----------------------------------------------------------------------------------------------------------- */

/* Puts the parts of the meta chunk together, from chunk `number` of the list on. Returns the length, 0 where one is
 * missing. */
static size_t reader_join_meta(struct recording *recording, uint32_t number)
{
    struct recording_chunks *chunks = &recording->chunks;
    struct recording_payload part = {0};
    size_t length = 0;
    bool more = true;
    bool whole = true;
    for (uint32_t i = number; more && whole; i++) {
        whole = i < chunks->count && chunks->list[i].type == RECORDING_META &&
                chunks->list[i].sequence == chunks->list[number].sequence + (i - number) &&
                recording_chunks_load(chunks, i, &part) &&
                length + part.length <= RECORDING_META_BYTES_MAX;
        if (whole) {
            recording->meta = reader_grow(recording->meta, length + part.length + 1, 1);
            memcpy(recording->meta + length, part.length > 0 ? part.bytes : (const uint8_t *)"",
                   part.length);
            length += part.length;
            more = (part.header.flags & RECORDING_FLAG_CONTINUES) != 0;
        }
    }
    free(part.bytes);
    return whole ? length : 0;
}

static bool reader_get_file(struct recording_cursor *cursor, struct reader_file *file)
{
    file->path = recording_get_string(cursor, NULL);
    file->length = recording_get_varint(cursor);
    file->digest = recording_get_u64(cursor);
    file->bytes = NULL;
    if (recording_get_u8(cursor) != 0) {
        size_t length = 0;
        file->bytes = recording_get_string(cursor, &length);
        cursor->ok = cursor->ok && length == file->length;
    }
    return cursor->ok;
}

static bool reader_get_meta(struct recording *recording, size_t length)
{
    struct recording_cursor cursor = reader_cursor(recording->meta, length);
    recording->version = recording_get_string(&cursor, NULL);
    recording->scenario_path = recording_get_string(&cursor, NULL);
    recording->scenario = recording_get_string(&cursor, NULL);
    recording->seed = recording_get_u64(&cursor);
    recording->until = recording_get_string(&cursor, NULL);
    uint32_t count = recording_get_count(&cursor, RECORDING_FILES_MAX);
    recording->files = calloc((size_t)count + 1, sizeof(*recording->files));
    SIM_ASSERT(recording->files != NULL);
    while (recording->file_count < count &&
           reader_get_file(&cursor, &recording->files[recording->file_count])) {
        recording->file_count++;
    }
    return cursor.ok;
}

static bool reader_open_meta(struct recording *recording, char *why, size_t why_capacity)
{
    struct recording_chunks *chunks = &recording->chunks;
    uint32_t number = 0;
    while (number < chunks->count && chunks->list[number].type != RECORDING_META) {
        number++;
    }
    if (chunks->count == 0) {
        snprintf(why, why_capacity,
                 "not a recording, or nothing of it is left (no chunk in %llu bytes)",
                 (unsigned long long)chunks->length);
        return false;
    }
    size_t length = number < chunks->count ? reader_join_meta(recording, number) : 0;
    if (length == 0 || !reader_get_meta(recording, length)) {
        const char *damage = recording_damage(recording);
        snprintf(why, why_capacity, "the meta chunk of the recording cannot be read%s%s",
                 damage[0] != 0 ? ": " : "", damage);
        return false;
    }
    return true;
}

/* ---- names ---------------------------------------------------------------------------------------------------------- */

static void reader_reserve_origins(struct recording *recording, uint32_t count)
{
    if (count <= recording->origin_count) {
        return;
    }
    recording->origins = reader_grow(recording->origins, count, sizeof(*recording->origins));
    for (uint32_t i = recording->origin_count; i < count; i++) {
        recording->origins[i] = "";
    }
    recording->origin_count = count;
}

static void reader_reserve_kinds(struct recording *recording, uint32_t count)
{
    if (count <= recording->kind_count) {
        return;
    }
    recording->kinds = reader_grow(recording->kinds, count, sizeof(*recording->kinds));
    recording->packing = reader_grow(recording->packing, count, sizeof(*recording->packing));
    for (uint32_t i = recording->kind_count; i < count; i++) {
        recording->kinds[i] = (struct record_kind){.name = "", .meaning = ""};
        recording->packing[i] = (struct reader_kind){0};
    }
    recording->kind_count = count;
}

static bool reader_get_kind(struct recording_cursor *cursor, struct record_kind *kind,
                            struct reader_kind *packing)
{
    uint8_t flags = recording_get_u8(cursor);
    *kind = (struct record_kind){.detail = (flags & 1) != 0};
    *packing = (struct reader_kind){0};
    kind->name = recording_get_string(cursor, NULL);
    kind->meaning = recording_get_string(cursor, NULL);
    const char *text = recording_get_string(cursor, NULL);
    kind->text = (flags & 2) != 0 ? text : NULL;
    uint8_t count = recording_get_u8(cursor);
    if (count > RECORD_VALUES_MAX) {
        return false;
    }
    for (uint8_t i = 0; i < count; i++) {
        uint8_t unit = recording_get_u8(cursor);
        /* A unit that came later than this reader says nothing to it; the value is a number all the same. */
        kind->fields[i].unit =
            unit > RECORD_END && unit < RECORD_UNITS ? (enum record_unit)unit : RECORD_NUMBER;
        kind->fields[i].name = recording_get_string(cursor, NULL);
        if (unit == RECORD_INSTANT) {
            packing->instants = (uint8_t)(packing->instants | 1u << i);
        }
    }
    packing->field_count = count;
    return cursor->ok && kind->name[0] != 0;
}

/* Takes the names of one chunk; false where they make no sense. `kept` is set where the payload must be kept. */
static bool reader_get_names(struct recording *recording, const struct recording_payload *payload,
                             bool *kept)
{
    struct recording_cursor cursor = reader_cursor(payload->bytes, payload->length);
    bool kinds = recording_get_u8(&cursor) != 0;
    uint32_t first =
        recording_get_count(&cursor, kinds ? RECORDING_KINDS_MAX : RECORDING_ORIGINS_MAX);
    uint32_t most = (kinds ? RECORDING_KINDS_MAX : RECORDING_ORIGINS_MAX) - first;
    uint32_t count = payload->header.records;
    /* Each name takes two bytes at least, so a count beyond that is not believed. */
    if (!cursor.ok || count > most || count > payload->length / 2) {
        return false;
    }
    if (kinds) {
        reader_reserve_kinds(recording, first + count);
    } else {
        reader_reserve_origins(recording, first + count);
    }
    for (uint32_t i = first; i < first + count; i++) {
        struct record_kind kind;
        struct reader_kind packing;
        if (kinds && !reader_get_kind(&cursor, &kind, &packing)) {
            return false;
        }
        const char *path = kinds ? "" : recording_get_string(&cursor, NULL);
        if (!cursor.ok) {
            return false;
        }
        if (kinds && recording->kinds[i].name[0] == 0) {
            recording->kinds[i] = kind;
            recording->packing[i] = packing;
            *kept = true;
        } else if (!kinds && recording->origins[i][0] == 0 && path[0] != 0) {
            recording->origins[i] = path;
            *kept = true;
        }
    }
    return true;
}

static void reader_open_names(struct recording *recording)
{
    struct recording_payload payload = {0};
    for (uint32_t i = 0; i < recording->chunks.count; i++) {
        if (recording->chunks.list[i].type != RECORDING_NAMES ||
            !recording_chunks_load(&recording->chunks, i, &payload)) {
            continue;
        }
        if (recording->names_bytes + payload.capacity > RECORDING_NAMES_BYTES_MAX) {
            recording_chunks_note(&recording->chunks, "more names than %u bytes",
                                  RECORDING_NAMES_BYTES_MAX);
            break;
        }
        bool kept = false;
        if (!reader_get_names(recording, &payload, &kept)) {
            recording_chunks_blame(&recording->chunks, i);
        }
        if (kept) {
            recording->names = reader_grow(recording->names, (size_t)recording->names_count + 1,
                                           sizeof(*recording->names));
            recording->names[recording->names_count++] = payload.bytes;
            recording->names_bytes += payload.capacity;
            payload = (struct recording_payload){0};
        }
    }
    free(payload.bytes);
}

/* ---- checkpoints ---------------------------------------------------------------------------------------------------- */

static bool reader_get_checkpoints(struct recording *recording,
                                   const struct recording_payload *payload)
{
    struct recording_cursor cursor = reader_cursor(payload->bytes, payload->length);
    uint64_t first = recording_get_varint(&cursor);
    uint64_t count = payload->header.records;
    /* Hashes do not compress: a file cannot hold more of them than an eighth of its bytes. (A few more are let pass, for
     * a chunk in front of these may be lost.) */
    uint64_t most = recording->chunks.length / 8;
    if (!cursor.ok || first > most || count > most - first || count > UINT32_MAX - first ||
        count * 8 != (uint64_t)(cursor.end - cursor.at)) {
        return false;
    }
    if (first + count > recording->checkpoint_count) {
        uint32_t old = recording->checkpoint_count;
        recording->checkpoint_count = (uint32_t)(first + count);
        recording->checkpoints = reader_grow(recording->checkpoints, recording->checkpoint_count,
                                             sizeof(*recording->checkpoints));
        memset(recording->checkpoints + old, 0,
               (recording->checkpoint_count - old) * sizeof(uint64_t));
    }
    for (uint64_t i = 0; i < count; i++) {
        recording->checkpoints[first + i] = recording_get_u64(&cursor);
    }
    return true;
}

static void reader_open_checkpoints(struct recording *recording)
{
    struct recording_payload payload = {0};
    for (uint32_t i = 0; i < recording->chunks.count; i++) {
        if (recording->chunks.list[i].type == RECORDING_CHECKPOINTS &&
            recording_chunks_load(&recording->chunks, i, &payload) &&
            !reader_get_checkpoints(recording, &payload)) {
            recording_chunks_blame(&recording->chunks, i);
        }
    }
    free(payload.bytes);
}

/* ---- streams -------------------------------------------------------------------------------------------------------- */

static void reader_open_stream(const struct recording *recording, uint8_t type,
                               struct reader_stream *stream)
{
    stream->chunks =
        reader_grow(NULL, (size_t)recording->chunks.count + 1, sizeof(*stream->chunks));
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
        stream->cursor = reader_cursor(stream->payload.bytes, stream->payload.length);
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
    struct reader_kind *packing = &recording->packing[record->kind];
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
    struct recording_cursor body = reader_cursor(bytes, (size_t)length);
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
    *known = record->kind < recording->kind_count && recording->kinds[record->kind].name[0] != 0;
    if (!*known) {
        return body.ok;
    }
    reader_get_values(recording, &body, record);
    size_t text_length = (size_t)(body.end - body.at);
    if (!body.ok || text_length > RECORD_TEXT_MAX) {
        return false;
    }
    if (recording->kinds[record->kind].text == NULL) {
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
    if (!reader_open_meta(recording, why, why_capacity)) {
        recording_close(recording);
        return NULL;
    }
    reader_open_names(recording);
    reader_open_checkpoints(recording);
    reader_open_stream(recording, RECORDING_RECORDS, &recording->records);
    reader_open_stream(recording, RECORDING_FRAMES, &recording->frames);
    recording_seek(recording, INT64_MIN);
    recording_seek_frames(recording, INT64_MIN);
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
    for (uint32_t i = 0; i < recording->names_count; i++) {
        free(recording->names[i]);
    }
    free(recording->names);
    free(recording->origins);
    free(recording->kinds);
    free(recording->packing);
    free(recording->checkpoints);
    free(recording->files);
    free(recording->meta);
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
    SIM_ASSERT(recording->kind_count <= RECORDING_KINDS_MAX);
    SIM_ASSERT(recording->origin_count <= RECORDING_ORIGINS_MAX);
    for (uint32_t i = 0; i < recording->kind_count; i++) {
        SIM_ASSERT(recording->packing[i].field_count <= RECORD_VALUES_MAX);
    }
}

/* ---- what is in it -------------------------------------------------------------------------------------------------- */

const char *recording_version(const struct recording *recording)
{
    return recording->version;
}

const char *recording_scenario_path(const struct recording *recording)
{
    return recording->scenario_path;
}

const char *recording_scenario(const struct recording *recording)
{
    return recording->scenario;
}

uint64_t recording_seed(const struct recording *recording)
{
    return recording->seed;
}

const char *recording_until(const struct recording *recording)
{
    return recording->until;
}

bool recording_file(const struct recording *recording, uint32_t index, const char **path,
                    uint64_t *length, uint64_t *digest, const void **bytes)
{
    if (index >= recording->file_count) {
        return false;
    }
    *path = recording->files[index].path;
    *length = recording->files[index].length;
    *digest = recording->files[index].digest;
    *bytes = recording->files[index].bytes;
    return true;
}

uint32_t recording_origin_count(const struct recording *recording)
{
    return recording->origin_count;
}

const char *recording_origin(const struct recording *recording, uint32_t origin)
{
    return origin < recording->origin_count ? recording->origins[origin] : "";
}

uint32_t recording_kind_count(const struct recording *recording)
{
    return recording->kind_count;
}

const struct record_kind *recording_kind(const struct recording *recording, uint32_t kind)
{
    SIM_ASSERT(kind < recording->kind_count);
    return &recording->kinds[kind];
}

uint32_t recording_kind_find(const struct recording *recording, const char *name)
{
    for (uint32_t i = 0; i < recording->kind_count; i++) {
        if (strcmp(recording->kinds[i].name, name) == 0) {
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
    *count = recording->checkpoint_count;
    return recording->checkpoints;
}
