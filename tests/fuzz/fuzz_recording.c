/* Any bytes as a recording (G3 of sim/recording.h): no crash, no read outside, bounded memory.
 *
 * Checksums would keep mutations from getting past the headers, so the mutator puts them right again in most cases, as well
 * as sizes, numbers and locator: what is tried is mostly well-formed chunks full of nonsense. */
#include "sim/assert.h"
#include "sim/recording.h"
#include "sim/recording_format.h"
#include "testbed/export.h"

#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t max_size, unsigned seed);
size_t LLVMFuzzerMutate(uint8_t *data, size_t size, size_t max_size);

/* Something to do with what was read, so that it is read. */
static volatile uint64_t sink;

static void look_at_bytes(const void *bytes, size_t length)
{
    sink += recording_crc32(bytes, length);
}

static void look_at_names(const struct recording *recording)
{
    const char *path;
    uint64_t length;
    uint64_t digest;
    const void *bytes;
    for (uint32_t i = 0; recording_file(recording, i, &path, &length, &digest, &bytes); i++) {
        look_at_bytes(path, strlen(path));
        if (bytes != NULL) {
            look_at_bytes(bytes, (size_t)length);
        }
    }
    for (uint32_t i = 0; i < recording_origin_count(recording); i++) {
        sink += strlen(recording_origin(recording, i));
    }
    for (uint32_t i = 0; i < recording_kind_count(recording); i++) {
        const struct record_kind *kind = recording_kind(recording, i);
        sink += strlen(kind->name) + strlen(kind->meaning) +
                (kind->text != NULL ? strlen(kind->text) : 0);
        for (uint32_t f = 0; f < RECORD_VALUES_MAX && kind->fields[f].unit != RECORD_END; f++) {
            SIM_ASSERT(kind->fields[f].unit < RECORD_UNITS);
            sink += strlen(kind->fields[f].name);
        }
    }
    sink += strlen(recording_version(recording)) + strlen(recording_scenario_path(recording)) +
            strlen(recording_scenario(recording)) + strlen(recording_until(recording)) +
            strlen(recording_verdict(recording)) + recording_kind_find(recording, "k");
    uint32_t count;
    const uint64_t *checkpoints = recording_checkpoints(recording, &count);
    for (uint32_t i = 0; i < count; i++) {
        sink += checkpoints[i];
    }
}

static uint64_t look_at_stream(struct recording *recording)
{
    struct record record;
    struct recording_frame frame;
    uint64_t count = 0;
    while (recording_next(recording, &record)) {
        SIM_ASSERT(record.kind < recording_kind_count(recording));
        SIM_ASSERT(strlen(record.text) <= RECORD_TEXT_MAX);
        look_at_bytes(record.values, sizeof(record.values));
        sink += strlen(recording_origin(recording, record.origin));
        count++;
    }
    while (recording_next_frame(recording, &frame)) {
        SIM_ASSERT(frame.length <= RECORDING_FRAME_BYTES_MAX);
        look_at_bytes(frame.bytes, frame.length);
        count++;
    }
    return count;
}

/* Whatever is in it, each export of it is written. */
static void export_it(struct recording *recording)
{
    static FILE *nowhere;
    struct export_options options = {.until = SIM_NEVER};
    struct export_count count;
    if (nowhere == NULL) {
        nowhere = fopen("/dev/null", "wb");
        SIM_ASSERT(nowhere != NULL);
    }
    for (uint32_t format = 0; format < EXPORT_FORMATS; format++) {
        bool written =
            export_write(nowhere, (enum export_format)format, recording, &options, &count);
        SIM_ASSERT(written);
        sink += count.records + count.frames;
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char why[256] = "";
    struct recording *recording = recording_open_bytes(data, size, why, sizeof(why));
    if (recording == NULL) {
        SIM_ASSERT(why[0] != 0);
        return 0;
    }
    look_at_names(recording);
    uint64_t count = look_at_stream(recording);
    recording_seek(recording, INT64_MIN);
    recording_seek_frames(recording, INT64_MIN);
    uint64_t again = look_at_stream(recording);
    /* What was found damaged in the first pass is left out of the second. */
    SIM_ASSERT(again == count || recording_damage(recording)[0] != 0);
    recording_seek(recording, recording_last_time(recording) / 2);
    recording_seek_frames(recording, recording_last_time(recording) / 2);
    look_at_stream(recording);
    if (size % 16 == 0) { /* it takes longer than all the rest */
        export_it(recording);
    }
    sink += strlen(recording_damage(recording));
    recording_check(recording);
    recording_close(recording);
    return 0;
}

/* ---- putting right what a mutation broke ---------------------------------------------------------------------------- */

static size_t next_magic(const uint8_t *data, size_t size, size_t from)
{
    while (from + 4 <= size && memcmp(data + from, "ORRC", 4) != 0) {
        from++;
    }
    return from + 4 <= size ? from : size;
}

static uint32_t le32(const uint8_t *at)
{
    return (uint32_t)at[0] | (uint32_t)at[1] << 8 | (uint32_t)at[2] << 16 | (uint32_t)at[3] << 24;
}

/* The chunk at `start` ends where the next begins, or in front of the locator. */
static void put_right(uint8_t *data, size_t start, size_t end, uint32_t sequence)
{
    uint8_t *header = data + start;
    uint32_t stored = (uint32_t)(end - start - RECORDING_HEADER_BYTES);
    uint32_t raw = le32(header + 28);
    bool deflated = (header[7] & RECORDING_FLAG_DEFLATED) != 0;
    if (!deflated || raw < stored || raw > RECORDING_CHUNK_BYTES) {
        raw = stored;
    }
    struct recording_header right = {
        .version = RECORDING_VERSION,
        .type = header[6],
        .flags = header[7],
        .first_time = (sim_time)((uint64_t)le32(header + 12) << 32 | le32(header + 8)),
        .last_time = (sim_time)((uint64_t)le32(header + 20) << 32 | le32(header + 16)),
        .records = le32(header + 24),
        .raw_bytes = raw,
        .stored_bytes = stored,
        .payload_crc32 = recording_crc32(header + RECORDING_HEADER_BYTES, stored),
        .sequence = sequence,
    };
    recording_header_put(&right, header);
}

static void put_all_right(uint8_t *data, size_t size)
{
    uint32_t sequence = 0;
    size_t start = next_magic(data, size, 0);
    size_t last = size;
    while (size - start >= RECORDING_HEADER_BYTES) {
        size_t end = next_magic(data, size, start + RECORDING_HEADER_BYTES);
        if (end == size && end - start >= RECORDING_HEADER_BYTES + RECORDING_LOCATOR_BYTES) {
            end -= RECORDING_LOCATOR_BYTES;
        }
        put_right(data, start, end, sequence++);
        last = start;
        start = next_magic(data, size, end);
    }
    if (last < size && size - last >= RECORDING_HEADER_BYTES + RECORDING_LOCATOR_BYTES) {
        recording_put_u64(data + size - RECORDING_LOCATOR_BYTES, last);
    }
}

size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t max_size, unsigned seed)
{
    size = LLVMFuzzerMutate(data, size, max_size);
    if (seed % 8 != 0) {
        put_all_right(data, size);
    }
    return size;
}
