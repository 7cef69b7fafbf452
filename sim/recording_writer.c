#include "sim/recording_writer.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <zlib.h>

#define WRITER_CHECKPOINT_BYTES   8192u
#define WRITER_FILE_BYTES_KEPT    (1u << 20)
#define WRITER_CONTENTS_BYTES_MAX (32u << 20)
#define WRITER_SCENARIO_BYTES_MAX (16u << 20)
/* Most bytes of one name in a names chunk, of one entry in the index. */
#define WRITER_ORIGIN_BYTES (RECORDING_NAME_BYTES_MAX + 16u)
#define WRITER_KIND_BYTES   ((3u + RECORD_VALUES_MAX) * (RECORDING_NAME_BYTES_MAX + 16u) + 2u)
#define WRITER_INDEX_BYTES  (1u + 4u * RECORDING_VARINT_BYTES)

/* The payload of a chunk in the making. */
struct writer_buffer {
    uint8_t *bytes;
    uint8_t *at; /* end of what is in it */
    uint8_t *end;
    uint32_t count;
    sim_time first_time;
    sim_time last_time;
    uint64_t last_id; /* what ids are differences to */
};

/* How values of a kind are packed, and the last ones in this chunk. */
struct writer_kind {
    int64_t last[RECORD_VALUES_MAX];
    uint8_t field_count;
    uint8_t instants; /* bit i: field i is an instant, a difference to the record's time */
    bool text;
};

/* A line of the index in the end chunk. */
struct writer_chunk {
    uint64_t offset;
    sim_time first_time;
    sim_time last_time;
    uint32_t records;
    uint8_t type;
};

struct recording_writer {
    struct writer_buffer records;
    struct writer_kind *kinds;
    uint32_t kind_count; /* of those in `kinds` */
    const struct recorder *recorder;
    int fd;
    int error; /* errno of the first write that failed */
    char *path;
    uint64_t offset; /* bytes written to the file */
    struct writer_buffer frames;
    struct writer_buffer checkpoints;
    uint64_t checkpoint_ids; /* of the last checkpoint known */
    uint8_t *out;            /* one chunk as it goes to the file */
    z_stream deflate;
    uint32_t kinds_named;
    uint32_t origins_named;
    struct writer_chunk *chunks;
    uint32_t chunk_count;
    uint32_t chunk_capacity;
};

static void *writer_alloc(size_t bytes)
{
    void *memory = malloc(bytes);
    SIM_ASSERT(memory != NULL);
    return memory;
}

static void writer_buffer_reset(struct writer_buffer *buffer)
{
    buffer->at = buffer->bytes;
    buffer->count = 0;
}

static void writer_buffer_init(struct writer_buffer *buffer, size_t capacity)
{
    buffer->bytes = writer_alloc(capacity);
    buffer->end = buffer->bytes + capacity;
    writer_buffer_reset(buffer);
}

/* ---- chunks --------------------------------------------------------------------------------------------------------- */

static void writer_write(struct recording_writer *writer, const uint8_t *bytes, size_t length)
{
    writer->offset += length;
    while (length > 0 && writer->error == 0) {
        ssize_t wrote = write(writer->fd, bytes, length);
        if (wrote < 0 && errno != EINTR) {
            writer->error = errno;
        } else if (wrote > 0) {
            bytes += wrote;
            length -= (size_t)wrote;
        }
    }
}

/* Compresses into `out`; returns the compressed size, or 0 where it would not be smaller. */
static uint32_t writer_deflate(struct recording_writer *writer, const uint8_t *raw,
                               uint32_t raw_bytes, uint8_t *out)
{
    z_stream *stream = &writer->deflate;
    int reset = deflateReset(stream);
    SIM_ASSERT(reset == Z_OK);
    stream->next_in = (Bytef *)(uintptr_t)raw; /* zlib does not write there */
    stream->avail_in = raw_bytes;
    stream->next_out = out;
    stream->avail_out = raw_bytes > 0 ? raw_bytes - 1 : 0;
    if (stream->avail_out == 0 || deflate(stream, Z_FINISH) != Z_STREAM_END) {
        return 0;
    }
    return (uint32_t)stream->total_out;
}

static void writer_index(struct recording_writer *writer, const struct recording_header *header)
{
    if (writer->chunk_count == writer->chunk_capacity) {
        writer->chunk_capacity = writer->chunk_capacity == 0 ? 64 : writer->chunk_capacity * 2;
        writer->chunks = realloc(writer->chunks, writer->chunk_capacity * sizeof(*writer->chunks));
        SIM_ASSERT(writer->chunks != NULL);
    }
    writer->chunks[writer->chunk_count++] = (struct writer_chunk){
        .offset = writer->offset,
        .first_time = header->first_time,
        .last_time = header->last_time,
        .records = header->records,
        .type = header->type,
    };
}

static void writer_put_chunk(struct recording_writer *writer, struct recording_header header,
                             const uint8_t *raw, size_t raw_bytes)
{
    SIM_ASSERT(raw_bytes <= RECORDING_CHUNK_BYTES);
    SIM_ASSERT(header.first_time <= header.last_time);
    if (writer->error != 0) {
        return;
    }
    uint8_t *payload = writer->out + RECORDING_HEADER_BYTES;
    header.version = RECORDING_VERSION;
    header.raw_bytes = (uint32_t)raw_bytes;
    header.stored_bytes = writer_deflate(writer, raw, header.raw_bytes, payload);
    if (header.stored_bytes > 0) {
        header.flags |= RECORDING_FLAG_DEFLATED;
    } else {
        header.stored_bytes = header.raw_bytes;
        memcpy(payload, raw, raw_bytes);
    }
    header.payload_crc32 = recording_crc32(payload, header.stored_bytes);
    header.sequence = writer->chunk_count;
    recording_header_put(&header, writer->out);
    writer_index(writer, &header);
    writer_write(writer, writer->out, RECORDING_HEADER_BYTES + (size_t)header.stored_bytes);
}

static void writer_put_buffer(struct recording_writer *writer, uint8_t type,
                              struct writer_buffer *buffer)
{
    SIM_ASSERT(buffer->at <= buffer->end);
    if (buffer->count == 0) {
        return;
    }
    struct recording_header header = {
        .type = type,
        .first_time = buffer->first_time,
        .last_time = buffer->last_time,
        .records = buffer->count,
    };
    writer_put_chunk(writer, header, buffer->bytes, (size_t)(buffer->at - buffer->bytes));
    writer_buffer_reset(buffer);
}

/* ---- names ---------------------------------------------------------------------------------------------------------- */

static uint8_t *writer_put_name(uint8_t *at, const char *name)
{
    return recording_put_string(at, name != NULL ? name : "",
                                name != NULL ? strnlen(name, RECORDING_NAME_BYTES_MAX) : 0);
}

static uint8_t *writer_put_kind(uint8_t *at, const struct record_kind *kind)
{
    *at++ = (uint8_t)((kind->detail ? 1 : 0) | (kind->text != NULL ? 2 : 0));
    at = writer_put_name(at, kind->name);
    at = writer_put_name(at, kind->meaning);
    at = writer_put_name(at, kind->text);
    uint8_t *count = at++;
    *count = 0;
    while (*count < RECORD_VALUES_MAX && kind->fields[*count].unit != RECORD_END) {
        *at++ = (uint8_t)kind->fields[*count].unit;
        at = writer_put_name(at, kind->fields[*count].name);
        ++*count;
    }
    return at;
}

/* Names chunks for origins or kinds from `*named` up to `count`, as many as it takes. */
static void writer_put_names(struct recording_writer *writer, bool kinds, uint32_t *named,
                             uint32_t count)
{
    if (*named >= count) {
        return;
    }
    sim_time now = sim_now(recorder_sim(writer->recorder));
    uint8_t *bytes = writer_alloc(RECORDING_CHUNK_BYTES);
    while (*named < count) {
        struct recording_header header = {
            .type = RECORDING_NAMES, .first_time = now, .last_time = now};
        uint8_t *at = bytes;
        *at++ = kinds ? 1 : 0;
        at = recording_put_varint(at, *named);
        size_t most = kinds ? WRITER_KIND_BYTES : WRITER_ORIGIN_BYTES;
        while (*named < count && (size_t)(at - bytes) + most <= RECORDING_CHUNK_BYTES) {
            at = kinds
                     ? writer_put_kind(at, recorder_kind(writer->recorder, *named))
                     : writer_put_name(at, sim_origin_path(recorder_sim(writer->recorder), *named));
            ++*named;
            header.records++;
        }
        writer_put_chunk(writer, header, bytes, (size_t)(at - bytes));
    }
    free(bytes);
}

static void writer_put_new_names(struct recording_writer *writer)
{
    uint32_t origins = sim_origin_count(recorder_sim(writer->recorder));
    uint32_t kinds = recorder_kind_count(writer->recorder);
    SIM_ASSERT(origins <= RECORDING_ORIGINS_MAX);
    SIM_ASSERT(kinds <= RECORDING_KINDS_MAX);
    writer_put_names(writer, false, &writer->origins_named, origins);
    writer_put_names(writer, true, &writer->kinds_named, kinds);
}

/* ---- meta ----------------------------------------------------------------------------------------------------------- */

uint64_t recording_digest(const void *bytes, size_t length)
{
    struct run_hash hash = RUN_HASH_START;
    run_hash_fold_bytes(&hash, bytes, length);
    return run_hash_value(&hash);
}

/* Writes the content of the meta chunk in parts of RECORDING_CHUNK_BYTES. */
static void writer_put_parts(struct recording_writer *writer, const uint8_t *bytes, size_t length)
{
    sim_time now = sim_now(recorder_sim(writer->recorder));
    size_t done = 0;
    do {
        size_t part = length - done < RECORDING_CHUNK_BYTES ? length - done : RECORDING_CHUNK_BYTES;
        struct recording_header header = {
            .type = RECORDING_META, .first_time = now, .last_time = now};
        header.flags = done + part < length ? RECORDING_FLAG_CONTINUES : 0;
        header.records = done == 0 ? 1 : 0;
        writer_put_chunk(writer, header, bytes + done, part);
        done += part;
    } while (done < length);
}

static bool writer_put_meta(struct recording_writer *writer, const struct recording_meta *meta)
{
    size_t scenario_bytes = strlen(meta->resolved_scenario);
    if (scenario_bytes > WRITER_SCENARIO_BYTES_MAX || meta->file_count > RECORDING_FILES_MAX / 16) {
        return false;
    }
    size_t room = recording_string_bytes(scenario_bytes) +
                  3 * recording_string_bytes(RECORDING_NAME_BYTES_MAX) + 32;
    size_t contents = 0;
    for (uint32_t i = 0; i < meta->file_count; i++) {
        bool kept = meta->files[i].length < WRITER_FILE_BYTES_KEPT &&
                    contents + meta->files[i].length <= WRITER_CONTENTS_BYTES_MAX;
        contents += kept ? meta->files[i].length : 0;
        room += recording_string_bytes(RECORDING_NAME_BYTES_MAX) + recording_string_bytes(0) + 16;
    }
    SIM_ASSERT(room + contents <= RECORDING_META_BYTES_MAX);
    uint8_t *bytes = writer_alloc(room + contents);
    uint8_t *at = writer_put_name(bytes, meta->orrery_version);
    at = writer_put_name(at, meta->scenario_path);
    at = recording_put_string(at, meta->resolved_scenario, scenario_bytes);
    at = recording_put_u64(at, meta->seed);
    at = writer_put_name(at, meta->until);
    at = recording_put_varint(at, meta->file_count);
    contents = 0;
    for (uint32_t i = 0; i < meta->file_count; i++) {
        const struct recording_file *file = &meta->files[i];
        bool kept = file->length < WRITER_FILE_BYTES_KEPT &&
                    contents + file->length <= WRITER_CONTENTS_BYTES_MAX;
        at = writer_put_name(at, file->path);
        at = recording_put_varint(at, file->length);
        at = recording_put_u64(at, recording_digest(file->bytes, file->length));
        *at++ = kept ? 1 : 0;
        if (kept) {
            at = recording_put_string(at, file->bytes, file->length);
            contents += file->length;
        }
    }
    writer_put_parts(writer, bytes, (size_t)(at - bytes));
    free(bytes);
    return true;
}

/* ---- life ----------------------------------------------------------------------------------------------------------- */

static void writer_free(struct recording_writer *writer)
{
    deflateEnd(&writer->deflate);
    free(writer->records.bytes);
    free(writer->frames.bytes);
    free(writer->checkpoints.bytes);
    free(writer->out);
    free(writer->kinds);
    free(writer->chunks);
    free(writer->path);
    free(writer);
}

struct recording_writer *recording_writer_new(const char *path, const struct recording_meta *meta,
                                              const struct recorder *recorder, char *why,
                                              size_t why_capacity)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
    if (fd < 0) {
        snprintf(why, why_capacity, "%s: %s", path, strerror(errno));
        return NULL;
    }
    struct recording_writer *writer = calloc(1, sizeof(*writer));
    SIM_ASSERT(writer != NULL);
    writer->recorder = recorder;
    writer->fd = fd;
    writer->path = strdup(path);
    SIM_ASSERT(writer->path != NULL);
    writer->out = writer_alloc(RECORDING_HEADER_BYTES + RECORDING_CHUNK_BYTES);
    writer_buffer_init(&writer->records, RECORDING_CHUNK_BYTES);
    writer_buffer_init(&writer->frames, RECORDING_CHUNK_BYTES);
    writer_buffer_init(&writer->checkpoints, WRITER_CHECKPOINT_BYTES);
    int deflated = deflateInit(&writer->deflate, 1);
    SIM_ASSERT(deflated == Z_OK);
    bool fits = writer_put_meta(writer, meta);
    if (fits && writer->error == 0) {
        return writer;
    }
    snprintf(why, why_capacity, "%s: %s", path,
             fits ? strerror(writer->error) : "the resolved scenario is too long");
    close(fd);
    writer_free(writer);
    return NULL;
}

static void writer_buffer_check(const struct writer_buffer *buffer)
{
    SIM_ASSERT(buffer->at >= buffer->bytes);
    SIM_ASSERT(buffer->at <= buffer->end);
    SIM_ASSERT((buffer->count == 0) == (buffer->at == buffer->bytes));
    SIM_ASSERT(buffer->count == 0 || buffer->first_time <= buffer->last_time);
}

void recording_writer_check(const struct recording_writer *writer)
{
    writer_buffer_check(&writer->records);
    writer_buffer_check(&writer->frames);
    writer_buffer_check(&writer->checkpoints);
    SIM_ASSERT(writer->chunk_count <= writer->chunk_capacity);
    SIM_ASSERT(writer->checkpoint_ids % RECORDER_CHECKPOINT == 0);
    SIM_ASSERT(writer->kind_count <= recorder_kind_count(writer->recorder));
    SIM_ASSERT(writer->kinds_named <= recorder_kind_count(writer->recorder));
}

/* ---- records and frames --------------------------------------------------------------------------------------------- */

static void writer_flush_records(struct recording_writer *writer)
{
    writer_put_new_names(writer);
    writer_put_buffer(writer, RECORDING_RECORDS, &writer->records);
    writer_put_buffer(writer, RECORDING_CHECKPOINTS, &writer->checkpoints);
    for (uint32_t i = 0; i < writer->kind_count; i++) {
        memset(writer->kinds[i].last, 0, sizeof(writer->kinds[i].last));
    }
}

static void writer_flush_frames(struct recording_writer *writer)
{
    writer_put_new_names(writer);
    writer_put_buffer(writer, RECORDING_FRAMES, &writer->frames);
    writer_put_buffer(writer, RECORDING_CHECKPOINTS, &writer->checkpoints);
}

void recording_writer_flush(struct recording_writer *writer)
{
    recording_writer_check(writer);
    writer_flush_records(writer);
    writer_flush_frames(writer);
}

static void writer_learn_kinds(struct recording_writer *writer)
{
    uint32_t count = recorder_kind_count(writer->recorder);
    writer->kinds = realloc(writer->kinds, count * sizeof(*writer->kinds));
    SIM_ASSERT(writer->kinds != NULL);
    for (uint32_t i = writer->kind_count; i < count; i++) {
        const struct record_kind *kind = recorder_kind(writer->recorder, i);
        struct writer_kind known = {.text = kind->text != NULL};
        while (known.field_count < RECORD_VALUES_MAX &&
               kind->fields[known.field_count].unit != RECORD_END) {
            if (kind->fields[known.field_count].unit == RECORD_INSTANT) {
                known.instants = (uint8_t)(known.instants | 1u << known.field_count);
            }
            known.field_count++;
        }
        writer->kinds[i] = known;
    }
    writer->kind_count = count;
}

/* What stands in front of the first record or frame of a chunk: the id that its ids are differences to. */
static void writer_begin(struct writer_buffer *buffer, sim_time time)
{
    buffer->first_time = time;
    buffer->last_time = time;
    buffer->at = recording_put_varint(buffer->at, buffer->last_id);
}

/* Puts the length in front of a body that was packed one byte behind `start`. */
static uint8_t *writer_put_length(uint8_t *start, uint8_t *end)
{
    size_t length = (size_t)(end - start) - 1;
    if (SIM_LIKELY(length < 0x80)) {
        *start = (uint8_t)length;
        return end;
    }
    SIM_ASSERT(length < 0x4000);
    memmove(start + 2, start + 1, length);
    recording_put_varint(start, length);
    return end + 1;
}

void recording_writer_record(struct recording_writer *writer, const struct record *record)
{
    struct writer_buffer *buffer = &writer->records;
    if (SIM_UNLIKELY(record->kind >= writer->kind_count)) {
        writer_learn_kinds(writer);
    }
    SIM_ASSERT(record->kind < writer->kind_count);
    if (SIM_UNLIKELY(buffer->at + RECORDING_RECORD_BYTES_MAX > buffer->end)) {
        writer_flush_records(writer);
    }
    if (SIM_UNLIKELY(buffer->count == 0)) {
        writer_begin(buffer, record->time);
    }
    SIM_ASSERT(record->time >= buffer->last_time);
    SIM_ASSERT(record->id == 0 || record->id > buffer->last_id);
    SIM_ASSERT(record->id < RECORDING_ID_MAX);
    SIM_ASSERT(record->cause < RECORDING_ID_MAX);
    struct writer_kind *kind = &writer->kinds[record->kind];
    uint8_t *start = buffer->at;
    uint8_t *at = recording_put_varint(start + 1, record->kind);
    at = recording_put_varint(at, (uint64_t)record->time - (uint64_t)buffer->last_time);
    at = recording_put_varint(at, record->id == 0 ? 0 : record->id - buffer->last_id);
    buffer->last_id = record->id == 0 ? buffer->last_id : record->id;
    buffer->last_time = record->time;
    at = recording_put_varint(
        at, record->cause == 0 ? 0 : 1 + recording_zigzag(buffer->last_id, record->cause));
    at = recording_put_varint(at, (uint32_t)(record->origin + 1));
    for (uint32_t i = 0; i < kind->field_count; i++) {
        int64_t base = (kind->instants >> i & 1) != 0 ? record->time : kind->last[i];
        at =
            recording_put_varint(at, recording_zigzag((uint64_t)record->values[i], (uint64_t)base));
        kind->last[i] = record->values[i];
    }
    if (kind->text) {
        size_t length = strnlen(record->text, RECORD_TEXT_MAX);
        memcpy(at, record->text, length);
        at += length;
    }
    buffer->at = writer_put_length(start, at);
    buffer->count++;
}

void recording_writer_frame(struct recording_writer *writer, uint64_t id, sim_time time,
                            uint32_t link, const void *bytes, uint32_t length)
{
    struct writer_buffer *buffer = &writer->frames;
    SIM_ASSERT(length <= RECORDING_FRAME_BYTES_MAX);
    if (buffer->at + RECORDING_FRAME_BYTES_MAX + 5 * RECORDING_VARINT_BYTES > buffer->end) {
        writer_flush_frames(writer);
    }
    if (buffer->count == 0) {
        writer_begin(buffer, time);
    }
    SIM_ASSERT(time >= buffer->last_time);
    SIM_ASSERT(id > buffer->last_id);
    uint8_t *at = recording_put_varint(buffer->at, id - buffer->last_id);
    at = recording_put_varint(at, (uint64_t)time - (uint64_t)buffer->last_time);
    at = recording_put_varint(at, (uint32_t)(link + 1));
    at = recording_put_varint(at, length);
    if (length > 0) {
        memcpy(at, bytes, length);
    }
    buffer->at = at + length;
    buffer->last_time = time;
    buffer->last_id = id;
    buffer->count++;
}

void recording_writer_checkpoint(struct recording_writer *writer, uint64_t ids, uint64_t hash)
{
    SIM_ASSERT(ids % RECORDER_CHECKPOINT == 0);
    if (ids <= writer->checkpoint_ids) {
        return;
    }
    SIM_ASSERT(ids == writer->checkpoint_ids + RECORDER_CHECKPOINT);
    struct writer_buffer *buffer = &writer->checkpoints;
    sim_time now = sim_now(recorder_sim(writer->recorder));
    if (buffer->at + RECORDING_VARINT_BYTES + 8 > buffer->end) {
        writer_put_buffer(writer, RECORDING_CHECKPOINTS, buffer);
    }
    if (buffer->count == 0) {
        buffer->first_time = now;
        buffer->at = recording_put_varint(buffer->at, ids / RECORDER_CHECKPOINT - 1);
    }
    buffer->at = recording_put_u64(buffer->at, hash);
    buffer->last_time = now;
    buffer->count++;
    writer->checkpoint_ids = ids;
}

/* ---- the end -------------------------------------------------------------------------------------------------------- */

/* The index may be left out where it would not fit: a reader then looks through the headers. */
static uint8_t *writer_put_index(const struct recording_writer *writer, uint8_t *at,
                                 const uint8_t *end)
{
    bool fits = writer->chunk_count < (size_t)(end - at) / WRITER_INDEX_BYTES;
    uint32_t count = fits ? writer->chunk_count : 0;
    at = recording_put_varint(at, count);
    uint64_t offset = 0;
    sim_time time = 0;
    for (uint32_t i = 0; i < count; i++) {
        const struct writer_chunk *chunk = &writer->chunks[i];
        *at++ = chunk->type;
        at = recording_put_varint(at, chunk->offset - offset);
        at =
            recording_put_varint(at, recording_zigzag((uint64_t)chunk->first_time, (uint64_t)time));
        at = recording_put_varint(at, (uint64_t)chunk->last_time - (uint64_t)chunk->first_time);
        at = recording_put_varint(at, chunk->records);
        offset = chunk->offset;
        time = chunk->last_time;
    }
    return at;
}

static void writer_put_end(struct recording_writer *writer, const char *verdict, uint64_t hash)
{
    uint8_t *bytes = writer_alloc(RECORDING_CHUNK_BYTES);
    uint8_t *at = writer_put_name(bytes, verdict);
    at = recording_put_u64(at, hash);
    at = writer_put_index(writer, at, bytes + RECORDING_CHUNK_BYTES);
    sim_time now = sim_now(recorder_sim(writer->recorder));
    struct recording_header header = {.type = RECORDING_END, .first_time = now, .last_time = now};
    uint64_t offset = writer->offset;
    writer_put_chunk(writer, header, bytes, (size_t)(at - bytes));
    free(bytes);
    uint8_t locator[RECORDING_LOCATOR_BYTES];
    recording_put_u64(locator, offset);
    writer_write(writer, locator, sizeof(locator));
}

bool recording_writer_close(struct recording_writer *writer, const char *verdict, uint64_t hash,
                            char *why, size_t why_capacity)
{
    recording_writer_flush(writer);
    /* Once more, so that damage to the first names does not take the rest of the file with it. */
    writer->origins_named = 0;
    writer->kinds_named = 0;
    writer_put_new_names(writer);
    writer_put_end(writer, verdict, hash);
    if (close(writer->fd) != 0 && writer->error == 0 && errno != EINTR) {
        writer->error = errno;
    }
    int error = writer->error;
    if (error != 0) {
        snprintf(why, why_capacity, "%s: %s", writer->path, strerror(error));
    }
    writer_free(writer);
    return error == 0;
}
