#include "sim/recording_contents.h"

#include "sim/assert.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void *contents_grow(void *old, size_t count, size_t bytes)
{
    void *grown = realloc(old, count * bytes);
    SIM_ASSERT(grown != NULL);
    return grown;
}

/* ---- meta ----------------------------------------------------------------------------------------------------------- */

/* Puts the parts of the meta chunk together, from chunk `number` of the list on. Returns the length, 0 where one is
 * missing. */
static size_t contents_join_meta(struct recording_contents *contents,
                                 struct recording_chunks *chunks, uint32_t number)
{
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
            contents->meta = contents_grow(contents->meta, length + part.length + 1, 1);
            memcpy(contents->meta + length, part.length > 0 ? part.bytes : (const uint8_t *)"",
                   part.length);
            length += part.length;
            more = (part.header.flags & RECORDING_FLAG_CONTINUES) != 0;
        }
    }
    free(part.bytes);
    return whole ? length : 0;
}

static bool contents_get_file(struct recording_cursor *cursor, struct recording_content_file *file)
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

static bool contents_get_meta(struct recording_contents *contents, size_t length)
{
    struct recording_cursor cursor = recording_cursor_over(contents->meta, length);
    contents->version = recording_get_string(&cursor, NULL);
    contents->scenario_path = recording_get_string(&cursor, NULL);
    contents->scenario = recording_get_string(&cursor, NULL);
    contents->seed = recording_get_u64(&cursor);
    contents->until = recording_get_string(&cursor, NULL);
    uint32_t count = recording_get_count(&cursor, RECORDING_FILES_MAX);
    contents->files = calloc((size_t)count + 1, sizeof(*contents->files));
    SIM_ASSERT(contents->files != NULL);
    while (contents->file_count < count &&
           contents_get_file(&cursor, &contents->files[contents->file_count])) {
        contents->file_count++;
    }
    return cursor.ok;
}

static bool contents_open_meta(struct recording_contents *contents, struct recording_chunks *chunks,
                               char *why, size_t why_capacity)
{
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
    size_t length = number < chunks->count ? contents_join_meta(contents, chunks, number) : 0;
    if (length == 0 || !contents_get_meta(contents, length)) {
        snprintf(why, why_capacity, "the meta chunk of the recording cannot be read%s%s",
                 chunks->damage[0] != 0 ? ": " : "", chunks->damage);
        return false;
    }
    return true;
}

/* ---- names ---------------------------------------------------------------------------------------------------------- */

static void contents_reserve_origins(struct recording_contents *contents, uint32_t count)
{
    if (count <= contents->origin_count) {
        return;
    }
    contents->origins = contents_grow(contents->origins, count, sizeof(*contents->origins));
    for (uint32_t i = contents->origin_count; i < count; i++) {
        contents->origins[i] = "";
    }
    contents->origin_count = count;
}

static void contents_reserve_kinds(struct recording_contents *contents, uint32_t count)
{
    if (count <= contents->kind_count) {
        return;
    }
    contents->kinds = contents_grow(contents->kinds, count, sizeof(*contents->kinds));
    contents->packing = contents_grow(contents->packing, count, sizeof(*contents->packing));
    for (uint32_t i = contents->kind_count; i < count; i++) {
        contents->kinds[i] = (struct record_kind){.name = "", .meaning = ""};
        contents->packing[i] = (struct recording_packing){0};
    }
    contents->kind_count = count;
}

static bool contents_get_kind(struct recording_cursor *cursor, struct record_kind *kind,
                              struct recording_packing *packing)
{
    uint8_t flags = recording_get_u8(cursor);
    *kind = (struct record_kind){.detail = (flags & 1) != 0};
    *packing = (struct recording_packing){0};
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
static bool contents_get_names(struct recording_contents *contents,
                               const struct recording_payload *payload, bool *kept)
{
    struct recording_cursor cursor = recording_cursor_over(payload->bytes, payload->length);
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
        contents_reserve_kinds(contents, first + count);
    } else {
        contents_reserve_origins(contents, first + count);
    }
    for (uint32_t i = first; i < first + count; i++) {
        struct record_kind kind;
        struct recording_packing packing;
        if (kinds && !contents_get_kind(&cursor, &kind, &packing)) {
            return false;
        }
        const char *path = kinds ? "" : recording_get_string(&cursor, NULL);
        if (!cursor.ok) {
            return false;
        }
        if (kinds && contents->kinds[i].name[0] == 0) {
            contents->kinds[i] = kind;
            contents->packing[i] = packing;
            *kept = true;
        } else if (!kinds && contents->origins[i][0] == 0 && path[0] != 0) {
            contents->origins[i] = path;
            *kept = true;
        }
    }
    return true;
}

static void contents_open_names(struct recording_contents *contents,
                                struct recording_chunks *chunks)
{
    struct recording_payload payload = {0};
    for (uint32_t i = 0; i < chunks->count; i++) {
        if (chunks->list[i].type != RECORDING_NAMES ||
            !recording_chunks_load(chunks, i, &payload)) {
            continue;
        }
        if (contents->names_bytes + payload.capacity > RECORDING_NAMES_BYTES_MAX) {
            recording_chunks_note(chunks, "more names than %u bytes", RECORDING_NAMES_BYTES_MAX);
            break;
        }
        bool kept = false;
        if (!contents_get_names(contents, &payload, &kept)) {
            recording_chunks_blame(chunks, i);
        }
        if (kept) {
            contents->names = contents_grow(contents->names, (size_t)contents->names_count + 1,
                                            sizeof(*contents->names));
            contents->names[contents->names_count++] = payload.bytes;
            contents->names_bytes += payload.capacity;
            payload = (struct recording_payload){0};
        }
    }
    free(payload.bytes);
}

/* ---- checkpoints ---------------------------------------------------------------------------------------------------- */

static bool contents_get_checkpoints(struct recording_contents *contents,
                                     struct recording_chunks *chunks,
                                     const struct recording_payload *payload)
{
    struct recording_cursor cursor = recording_cursor_over(payload->bytes, payload->length);
    uint64_t first = recording_get_varint(&cursor);
    uint64_t count = payload->header.records;
    /* Hashes do not compress: a file cannot hold more of them than an eighth of its bytes. (A few more are let pass, for
     * a chunk in front of these may be lost.) */
    uint64_t most = chunks->length / 8;
    if (!cursor.ok || first > most || count > most - first || count > UINT32_MAX - first ||
        count * 8 != (uint64_t)(cursor.end - cursor.at)) {
        return false;
    }
    if (first + count > contents->checkpoint_count) {
        uint32_t old = contents->checkpoint_count;
        contents->checkpoint_count = (uint32_t)(first + count);
        contents->checkpoints = contents_grow(contents->checkpoints, contents->checkpoint_count,
                                              sizeof(*contents->checkpoints));
        memset(contents->checkpoints + old, 0,
               (contents->checkpoint_count - old) * sizeof(uint64_t));
    }
    for (uint64_t i = 0; i < count; i++) {
        contents->checkpoints[first + i] = recording_get_u64(&cursor);
    }
    return true;
}

static void contents_open_checkpoints(struct recording_contents *contents,
                                      struct recording_chunks *chunks)
{
    struct recording_payload payload = {0};
    for (uint32_t i = 0; i < chunks->count; i++) {
        if (chunks->list[i].type == RECORDING_CHECKPOINTS &&
            recording_chunks_load(chunks, i, &payload) &&
            !contents_get_checkpoints(contents, chunks, &payload)) {
            recording_chunks_blame(chunks, i);
        }
    }
    free(payload.bytes);
}

/* ---- life ----------------------------------------------------------------------------------------------------------- */

bool recording_contents_open(struct recording_contents *contents, struct recording_chunks *chunks,
                             char *why, size_t why_capacity)
{
    if (!contents_open_meta(contents, chunks, why, why_capacity)) {
        return false;
    }
    contents_open_names(contents, chunks);
    contents_open_checkpoints(contents, chunks);
    recording_contents_check(contents);
    return true;
}

void recording_contents_close(struct recording_contents *contents)
{
    for (uint32_t i = 0; i < contents->names_count; i++) {
        free(contents->names[i]);
    }
    free(contents->names);
    free(contents->origins);
    free(contents->kinds);
    free(contents->packing);
    free(contents->checkpoints);
    free(contents->files);
    free(contents->meta);
    *contents = (struct recording_contents){0};
}

void recording_contents_check(const struct recording_contents *contents)
{
    SIM_ASSERT(contents->kind_count <= RECORDING_KINDS_MAX);
    SIM_ASSERT(contents->origin_count <= RECORDING_ORIGINS_MAX);
    SIM_ASSERT(contents->file_count <= RECORDING_FILES_MAX);
    SIM_ASSERT(contents->names_bytes <= RECORDING_NAMES_BYTES_MAX);
    for (uint32_t i = 0; i < contents->kind_count; i++) {
        SIM_ASSERT(contents->packing[i].field_count <= RECORD_VALUES_MAX);
        /* A kind without a name has no fields either: its records cannot be unpacked. */
        SIM_ASSERT(contents->kinds[i].name[0] != 0 || contents->packing[i].field_count == 0);
    }
}
