#include "sim/recording_format.h"
#include "tests/recorder/world.h"

#include <criterion/criterion.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

/* ---- a recording in memory, and what was written to it ------------------------------------------------------------- */

struct sample {
    struct world_entry *entries; /* records and frames, in the order of writing */
    uint32_t count;
    uint8_t *bytes;
    size_t length;
    uint64_t hash;
    uint64_t *checkpoints;
    uint32_t checkpoint_count;
};

struct sample_options {
    uint64_t seed;
    uint32_t steps;
    uint32_t flush_every; /* 0 for never */
    unsigned detail_percent;
    unsigned variant;
};

static void sample_make(struct sample *sample, const struct sample_options *options)
{
    struct world world;
    char why[200];
    world_open(&world, options->seed, options->variant);
    struct recording_writer *writer =
        recording_writer_new(world_file(), &world_meta, world.recorder, why, sizeof(why));
    cr_assert_not_null(writer, "%s", why);
    recorder_write_to(world.recorder, writer);
    recorder_want(world.recorder, world.base + WORLD_DETAIL);
    recorder_want(world.recorder, world.base + WORLD_DETAIL2);
    recorder_want_frames(world.recorder);
    sample->entries = malloc((options->steps + 1) * sizeof(*sample->entries));
    cr_assert_not_null(sample->entries);
    sample->count = options->steps;
    for (uint32_t i = 0; i < options->steps; i++) {
        world_step(&world, options->detail_percent, &sample->entries[i]);
        sample->entries[i].record.text = sample->entries[i].text;
        if (options->flush_every != 0 && i % options->flush_every == options->flush_every - 1) {
            recording_writer_flush(writer);
        }
    }
    recorder_write_to(world.recorder, NULL);
    struct run_hash hash = recorder_hash(world.recorder);
    sample->hash = run_hash_value(&hash);
    const uint64_t *checkpoints = recorder_checkpoints(world.recorder, &sample->checkpoint_count);
    sample->checkpoints = malloc((sample->checkpoint_count + 1) * sizeof(uint64_t));
    cr_assert_not_null(sample->checkpoints);
    for (uint32_t i = 0; i < sample->checkpoint_count; i++) {
        sample->checkpoints[i] = checkpoints[i];
    }
    cr_assert(recording_writer_close(writer, "fail", sample->hash, why, sizeof(why)), "%s", why);
    world_close(&world);
    sample->bytes = world_slurp(world_file(), &sample->length);
    world_remove();
}

static void sample_free(struct sample *sample)
{
    free(sample->entries);
    free(sample->bytes);
    free(sample->checkpoints);
}

static struct recording *sample_open(const uint8_t *bytes, size_t length)
{
    char why[400] = "";
    struct recording *recording = recording_open_bytes(bytes, length, why, sizeof(why));
    cr_assert_not_null(recording, "%s", why);
    return recording;
}

/* The first entry from `i` on that is a frame, or that is none. */
static uint32_t sample_next(const struct sample *sample, uint32_t i, bool frame)
{
    while (i < sample->count && sample->entries[i].frame != frame) {
        i++;
    }
    return i;
}

/* The records that follow are those of the sample from entry `i` on; returns how many. */
static uint32_t expect_records(struct recording *recording, const struct sample *sample, uint32_t i,
                               const char *name)
{
    struct record record;
    uint32_t count = 0;
    for (i = sample_next(sample, i, false); recording_next(recording, &record);
         i = sample_next(sample, i + 1, false)) {
        cr_assert(i < sample->count, "%s: a record too many", name);
        const char *differs = world_differs(&record, &sample->entries[i]);
        cr_assert_null(differs, "%s: entry %u, %s", name, i, differs);
        count++;
    }
    return count;
}

static uint32_t expect_frames(struct recording *recording, const struct sample *sample, uint32_t i,
                              const char *name)
{
    struct recording_frame frame;
    uint32_t count = 0;
    for (i = sample_next(sample, i, true); recording_next_frame(recording, &frame);
         i = sample_next(sample, i + 1, true)) {
        cr_assert(i < sample->count, "%s: a frame too many", name);
        const struct world_entry *entry = &sample->entries[i];
        cr_assert_eq(frame.id, entry->record.id, "%s: entry %u", name, i);
        cr_assert_eq(frame.time, entry->record.time, "%s: entry %u", name, i);
        cr_assert_eq(frame.link, entry->record.origin, "%s: entry %u", name, i);
        cr_assert_eq(frame.length, entry->length, "%s: entry %u", name, i);
        cr_assert_eq(memcmp(frame.bytes, entry->bytes, entry->length), 0, "%s: entry %u", name, i);
        count++;
    }
    return count;
}

static uint32_t sample_records(const struct sample *sample, bool frames)
{
    uint32_t count = 0;
    for (uint32_t i = 0; i < sample->count; i++) {
        count += sample->entries[i].frame == frames ? 1 : 0;
    }
    return count;
}

/* ---- round trip --------------------------------------------------------------------------------------------------------- */

static void expect_meta(const struct recording *recording)
{
    cr_expect_str_eq(recording_version(recording), world_meta.orrery_version);
    cr_expect_str_eq(recording_scenario_path(recording), world_meta.scenario_path);
    cr_expect_str_eq(recording_scenario(recording), world_meta.resolved_scenario);
    cr_expect_eq(recording_seed(recording), world_meta.seed);
    cr_expect_str_eq(recording_until(recording), world_meta.until);
    const char *path;
    uint64_t length;
    uint64_t digest;
    const void *bytes;
    for (uint32_t i = 0; i < world_meta.file_count; i++) {
        const struct recording_file *file = &world_meta.files[i];
        cr_assert(recording_file(recording, i, &path, &length, &digest, &bytes));
        cr_expect_str_eq(path, file->path);
        cr_expect_eq(length, file->length);
        cr_expect_eq(digest, recording_digest(file->bytes, file->length));
        cr_assert_not_null(bytes);
        cr_expect_eq(memcmp(bytes, file->bytes, file->length), 0);
    }
    cr_expect_not(
        recording_file(recording, world_meta.file_count, &path, &length, &digest, &bytes));
}

static void expect_names(const struct recording *recording, unsigned variant)
{
    cr_assert_eq(recording_origin_count(recording), WORLD_ORIGINS + (variant > 0 ? 1 : 0));
    for (uint32_t i = 0; i < WORLD_ORIGINS; i++) {
        uint32_t origin = variant > 0 ? i * 3 % WORLD_ORIGINS : i;
        cr_expect_str_eq(recording_origin(recording, i + (variant > 0 ? 1 : 0)),
                         world_paths[origin]);
    }
    cr_expect_str_eq(recording_origin(recording, SIM_NONE), "");
    cr_expect_str_eq(recording_origin(recording, 1000), "");
    uint32_t base = variant > 0 ? 1 : 0;
    cr_assert_eq(recording_kind_count(recording), WORLD_KINDS + base);
    for (uint32_t i = 0; i < WORLD_KINDS; i++) {
        const struct record_kind *read = recording_kind(recording, base + i);
        cr_expect_str_eq(read->name, world_kinds[i].name);
        cr_expect_str_eq(read->meaning, world_kinds[i].meaning);
        cr_expect_eq(read->detail, world_kinds[i].detail);
        cr_expect_eq(read->text == NULL, world_kinds[i].text == NULL);
        cr_expect(read->text == NULL || strcmp(read->text, world_kinds[i].text) == 0);
        for (uint32_t f = 0; f < RECORD_VALUES_MAX; f++) {
            cr_assert_eq(read->fields[f].unit, world_kinds[i].fields[f].unit, "%s, field %u",
                         read->name, f);
            cr_expect(read->fields[f].unit == RECORD_END ||
                      strcmp(read->fields[f].name, world_kinds[i].fields[f].name) == 0);
        }
        cr_expect_eq(recording_kind_find(recording, world_kinds[i].name), base + i);
    }
    cr_expect_eq(recording_kind_find(recording, "test.nothing"), SIM_NONE);
}

static const struct {
    const char *name;
    struct sample_options options;
} round_trips[] = {
    {"empty", {.seed = 1}},
    {"one", {.seed = 2, .steps = 1}},
    {"some", {.seed = 3, .steps = 500, .detail_percent = 20}},
    {"another order of loading", {.seed = 4, .steps = 500, .detail_percent = 20, .variant = 1}},
    {"flushed each time", {.seed = 5, .steps = 200, .flush_every = 1, .detail_percent = 50}},
    {"detail only", {.seed = 6, .steps = 300, .flush_every = 100, .detail_percent = 100}},
    {"several full chunks", {.seed = 7, .steps = 60000, .detail_percent = 5}},
};

Test(recording, round_trip)
{
    for (size_t i = 0; i < sizeof(round_trips) / sizeof(round_trips[0]); i++) {
        const char *name = round_trips[i].name;
        struct sample sample;
        sample_make(&sample, &round_trips[i].options);
        struct recording *recording = sample_open(sample.bytes, sample.length);
        cr_expect_str_eq(recording_damage(recording), "", "%s: %s", name,
                         recording_damage(recording));
        expect_meta(recording);
        expect_names(recording, round_trips[i].options.variant);
        cr_expect(recording_complete(recording), "%s", name);
        cr_expect_str_eq(recording_verdict(recording), "fail", "%s", name);
        cr_expect_eq(recording_hash(recording), sample.hash, "%s", name);
        uint32_t records = sample_records(&sample, false);
        uint32_t frames = sample_records(&sample, true);
        cr_expect_eq(recording_record_count(recording), records, "%s", name);
        cr_expect_eq(recording_frame_count(recording), frames, "%s", name);
        cr_expect_eq(expect_records(recording, &sample, 0, name), records, "%s", name);
        cr_expect_eq(expect_frames(recording, &sample, 0, name), frames, "%s", name);
        cr_expect(sample.count == 0 || recording_last_time(recording) ==
                                           sample.entries[sample.count - 1].record.time,
                  "%s", name);
        recording_check(recording);
        recording_close(recording);
        sample_free(&sample);
    }
}

/* ---- seek ------------------------------------------------------------------------------------------------------------------ */

static void expect_seek(struct recording *recording, const struct sample *sample, sim_time time)
{
    uint32_t first = 0;
    while (first < sample->count &&
           (sample->entries[first].frame || sample->entries[first].record.time < time)) {
        first++;
    }
    uint32_t first_frame = 0;
    while (first_frame < sample->count && (!sample->entries[first_frame].frame ||
                                           sample->entries[first_frame].record.time < time)) {
        first_frame++;
    }
    struct record record;
    recording_seek(recording, time);
    cr_assert_eq(recording_next(recording, &record), first < sample->count, "seek to %lld",
                 (long long)time);
    if (first < sample->count) {
        const char *differs = world_differs(&record, &sample->entries[first]);
        cr_assert_null(differs, "seek to %lld: entry %u, %s", (long long)time, first, differs);
        uint32_t second = sample_next(sample, first + 1, false);
        cr_assert_eq(recording_next(recording, &record), second < sample->count);
        cr_assert(second == sample->count ||
                  world_differs(&record, &sample->entries[second]) == NULL);
    }
    struct recording_frame frame;
    recording_seek_frames(recording, time);
    cr_assert_eq(recording_next_frame(recording, &frame), first_frame < sample->count);
    if (first_frame < sample->count) {
        cr_assert_eq(frame.id, sample->entries[first_frame].record.id, "seek to %lld",
                     (long long)time);
        cr_assert_eq(memcmp(frame.bytes, sample->entries[first_frame].bytes, frame.length), 0);
    }
}

/* With the index and without; chunks of three entries, so that many instants lie on both sides of a border. */
Test(recording, seek_everywhere)
{
    struct sample sample;
    sample_make(&sample, &(struct sample_options){
                             .seed = 11, .steps = 300, .flush_every = 3, .detail_percent = 20});
    static const size_t cuts[] = {0, 1, RECORDING_LOCATOR_BYTES + 1};
    for (size_t cut = 0; cut < sizeof(cuts) / sizeof(cuts[0]); cut++) {
        struct recording *recording = sample_open(sample.bytes, sample.length - cuts[cut]);
        for (uint32_t i = 0; i < sample.count; i++) {
            for (sim_time around = -1; around <= 1; around++) {
                expect_seek(recording, &sample, sample.entries[i].record.time + around);
            }
        }
        expect_seek(recording, &sample, INT64_MIN);
        expect_seek(recording, &sample, INT64_MAX);
        /* From where a seek leads, everything follows. */
        uint32_t half = sample_next(&sample, sample.count / 2, false);
        while (half > 0 &&
               sample.entries[half - 1].record.time == sample.entries[half].record.time) {
            half--;
        }
        recording_seek(recording, sample.entries[half].record.time);
        uint32_t rest = 0;
        for (uint32_t i = half; i < sample.count; i++) {
            rest += sample.entries[i].frame ? 0 : 1;
        }
        cr_expect_eq(expect_records(recording, &sample, half, "after a seek"), rest);
        recording_close(recording);
    }
    sample_free(&sample);
}

/* ---- files that were cut or damaged -------------------------------------------------------------------------------------------- */

struct chunk {
    size_t start;
    size_t end;
    uint8_t type;
    uint32_t records;
};

#define CHUNKS_MAX 512u
static uint32_t chunks_of(const struct sample *sample, struct chunk chunks[CHUNKS_MAX])
{
    uint32_t count = 0;
    for (size_t at = 0; at + RECORDING_LOCATOR_BYTES < sample->length;) {
        struct recording_header header;
        cr_assert(recording_header_get(sample->bytes + at, &header), "a chunk at %zu", at);
        cr_assert(count < CHUNKS_MAX);
        chunks[count] = (struct chunk){.start = at, .type = header.type, .records = header.records};
        at += RECORDING_HEADER_BYTES + header.stored_bytes;
        chunks[count++].end = at;
    }
    return count;
}

static const struct sample_options small = {
    .seed = 21, .steps = 40, .flush_every = 10, .detail_percent = 20};

Test(recording, cut_at_every_byte)
{
    struct sample sample;
    struct chunk chunks[CHUNKS_MAX];
    sample_make(&sample, &small);
    uint32_t chunk_count = chunks_of(&sample, chunks);
    cr_assert_eq(chunks[0].type, RECORDING_META);
    cr_assert_eq(chunks[chunk_count - 1].type, RECORDING_END);
    for (size_t cut = 0; cut < sample.length; cut++) {
        /* A block of just that size, so that a sanitizer sees a read beyond it. */
        uint8_t *bytes = malloc(cut + 1);
        cr_assert_not_null(bytes);
        memcpy(bytes + 1, sample.bytes, cut);
        char why[400] = "";
        struct recording *recording = recording_open_bytes(bytes + 1, cut, why, sizeof(why));
        if (cut < chunks[0].end) {
            cr_expect_null(recording, "cut at %zu", cut);
            cr_expect_neq(why[0], 0, "cut at %zu", cut);
            free(bytes);
            continue;
        }
        cr_assert_not_null(recording, "cut at %zu: %s", cut, why);
        uint32_t records = 0;
        uint32_t frames = 0;
        for (uint32_t i = 0; i < chunk_count && chunks[i].end <= cut; i++) {
            records += chunks[i].type == RECORDING_RECORDS ? chunks[i].records : 0;
            frames += chunks[i].type == RECORDING_FRAMES ? chunks[i].records : 0;
        }
        cr_expect_eq(expect_records(recording, &sample, 0, "cut"), records, "cut at %zu", cut);
        cr_expect_eq(expect_frames(recording, &sample, 0, "cut"), frames, "cut at %zu", cut);
        cr_expect_eq(recording_complete(recording), chunks[chunk_count - 1].end <= cut,
                     "cut at %zu", cut);
        cr_expect_neq(recording_damage(recording)[0], 0, "cut at %zu", cut);
        expect_meta(recording);
        recording_close(recording);
        free(bytes);
    }
    sample_free(&sample);
}

/* All records but those of chunk `lost` (or of none) are read, in order. */
static void expect_all_but(struct recording *recording, const struct sample *sample,
                           const struct chunk *chunks, uint32_t chunk_count, uint32_t lost,
                           const char *what, size_t where)
{
    struct record record;
    struct recording_frame frame;
    uint32_t record_at = 0;
    uint32_t frame_at = 0;
    for (uint32_t c = 0; c < chunk_count; c++) {
        bool frames = chunks[c].type == RECORDING_FRAMES;
        if (!frames && chunks[c].type != RECORDING_RECORDS) {
            continue;
        }
        for (uint32_t i = 0; i < chunks[c].records; i++) {
            uint32_t *at = frames ? &frame_at : &record_at;
            *at = sample_next(sample, *at, frames);
            const struct world_entry *entry = &sample->entries[(*at)++];
            if (c == lost) {
                continue;
            }
            if (frames) {
                cr_assert(recording_next_frame(recording, &frame), "%s at %zu", what, where);
                cr_assert_eq(frame.id, entry->record.id, "%s at %zu", what, where);
            } else {
                cr_assert(recording_next(recording, &record), "%s at %zu", what, where);
                const char *differs = world_differs(&record, entry);
                cr_assert_null(differs, "%s at %zu: %s", what, where, differs);
            }
        }
    }
    cr_assert_not(recording_next(recording, &record), "%s at %zu", what, where);
    cr_assert_not(recording_next_frame(recording, &frame), "%s at %zu", what, where);
    cr_expect_neq(recording_damage(recording)[0], 0, "%s at %zu", what, where);
}

static uint32_t chunk_at(const struct chunk *chunks, uint32_t chunk_count, size_t byte)
{
    uint32_t c = 0;
    while (c < chunk_count && chunks[c].end <= byte) {
        c++;
    }
    return c;
}

Test(recording, flip_every_byte)
{
    struct sample sample;
    struct chunk chunks[CHUNKS_MAX];
    sample_make(&sample, &small);
    uint32_t chunk_count = chunks_of(&sample, chunks);
    for (size_t byte = 0; byte < sample.length; byte++) {
        uint32_t lost = chunk_at(chunks, chunk_count, byte);
        for (unsigned way = 0; way < 2; way++) {
            uint8_t before = sample.bytes[byte];
            sample.bytes[byte] ^= (uint8_t)(way == 0 ? 0xff : 1u << byte % 8);
            char why[400] = "";
            struct recording *recording =
                recording_open_bytes(sample.bytes, sample.length, why, sizeof(why));
            if (lost == 0) {
                cr_expect_null(recording, "byte %zu", byte);
                cr_expect_neq(why[0], 0, "byte %zu", byte);
            } else {
                cr_assert_not_null(recording, "byte %zu: %s", byte, why);
                expect_all_but(recording, &sample, chunks, chunk_count, lost, "flip", byte);
                expect_names(recording, 0);
                cr_expect_eq(recording_complete(recording), lost != chunk_count - 1, "byte %zu",
                             byte);
                recording_close(recording);
            }
            sample.bytes[byte] = before;
        }
    }
    sample_free(&sample);
}

/* Bytes lost or put in move everything behind them, so the index does not help. */
Test(recording, bytes_lost_or_put_in)
{
    static const struct {
        const char *name;
        int bytes; /* lost, or put in */
    } rows[] = {{"lost one", -1}, {"lost some", -13}, {"put in one", 1}, {"put in some", 200}};
    struct sample sample;
    struct chunk chunks[CHUNKS_MAX];
    sample_make(&sample, &small);
    uint32_t chunk_count = chunks_of(&sample, chunks);
    uint8_t *bytes = malloc(sample.length + 256);
    cr_assert_not_null(bytes);
    for (size_t row = 0; row < sizeof(rows) / sizeof(rows[0]); row++) {
        for (uint32_t c = 1; c + 1 < chunk_count; c++) {
            size_t at = (chunks[c].start + chunks[c].end) / 2;
            size_t from = rows[row].bytes < 0 ? at + (size_t)-rows[row].bytes : at;
            size_t to = rows[row].bytes < 0 ? at : at + (size_t)rows[row].bytes;
            cr_assert(from < chunks[c].end);
            memcpy(bytes, sample.bytes, at);
            memset(bytes + at, 'O', 256);
            memcpy(bytes + to, sample.bytes + from, sample.length - from);
            struct recording *recording = sample_open(bytes, to + (sample.length - from));
            expect_all_but(recording, &sample, chunks, chunk_count, c, rows[row].name, c);
            cr_expect(recording_complete(recording), "%s", rows[row].name);
            recording_close(recording);
        }
    }
    free(bytes);
    sample_free(&sample);
}

/* ---- checkpoints ---------------------------------------------------------------------------------------------------------------- */

static const struct {
    const char *name;
    uint64_t write_from; /* ids given before the recording begins */
    uint64_t ids;
    uint32_t checkpoints;
} checkpoint_runs[] = {
    {"one short", 0, RECORDER_CHECKPOINT - 1, 0},
    {"just one", 0, RECORDER_CHECKPOINT, 1},
    {"three", 0, 3 * RECORDER_CHECKPOINT + 9, 3},
    {"recorded late", 2 * RECORDER_CHECKPOINT, 3 * RECORDER_CHECKPOINT + 9, 3},
    {"recorded after the end", RECORDER_CHECKPOINT, RECORDER_CHECKPOINT, 1},
};

Test(recording, checkpoints)
{
    for (size_t row = 0; row < sizeof(checkpoint_runs) / sizeof(checkpoint_runs[0]); row++) {
        const char *name = checkpoint_runs[row].name;
        struct world world;
        char why[200];
        world_open(&world, 1, 0);
        struct recording_writer *writer =
            recording_writer_new(world_file(), &world_meta, world.recorder, why, sizeof(why));
        cr_assert_not_null(writer, "%s", why);
        for (uint64_t i = 0; i <= checkpoint_runs[row].ids; i++) {
            if (i == checkpoint_runs[row].write_from) {
                recorder_write_to(world.recorder, writer);
            }
            uint64_t id;
            if (i < checkpoint_runs[row].ids) {
                run_hash_fold(recorder_frame(world.recorder, &id), i, i);
            }
        }
        recorder_write_to(world.recorder, NULL);
        cr_assert(recording_writer_close(writer, "pass", 1, why, sizeof(why)), "%s", why);
        uint32_t count;
        uint32_t read_count;
        const uint64_t *checkpoints = recorder_checkpoints(world.recorder, &count);
        struct recording *recording = recording_open(world_file(), why, sizeof(why));
        cr_assert_not_null(recording, "%s", why);
        const uint64_t *read = recording_checkpoints(recording, &read_count);
        cr_expect_eq(count, checkpoint_runs[row].checkpoints, "%s: %u", name, count);
        cr_assert_eq(read_count, count, "%s: %u", name, read_count);
        for (uint32_t i = 0; i < count; i++) {
            cr_expect_eq(read[i], checkpoints[i], "%s: %u", name, i);
        }
        recording_close(recording);
        world_remove();
        world_close(&world);
    }
}

/* ---- what is written out of a run ------------------------------------------------------------------------------------------------- */

/* An interval of ids is written out of the same run, and what was written is what the whole recording has there. */
Test(recording, an_interval_of_ids)
{
    struct world world;
    char why[200];
    world_open(&world, 31, 0);
    struct recording_writer *writer =
        recording_writer_new(world_file(), &world_meta, world.recorder, why, sizeof(why));
    cr_assert_not_null(writer, "%s", why);
    recorder_write_to(world.recorder, writer);
    recorder_write_ids(world.recorder, 101, 150);
    recorder_want(world.recorder, world.base + WORLD_DETAIL);
    recorder_want(world.recorder, world.base + WORLD_DETAIL2);
    recorder_want_frames(world.recorder);
    struct sample sample = {.entries = malloc(400 * sizeof(struct world_entry))};
    cr_assert_not_null(sample.entries);
    while (recorder_records(world.recorder) < 200) {
        bool inside =
            recorder_records(world.recorder) >= 100 && recorder_records(world.recorder) < 150;
        struct world_entry *entry = &sample.entries[sample.count];
        world_step(&world, 20, entry);
        entry->record.text = entry->text;
        sample.count += inside ? 1 : 0;
        cr_assert(sample.count < 399);
    }
    recorder_write_to(world.recorder, NULL);
    cr_assert(recording_writer_close(writer, "pass", 1, why, sizeof(why)), "%s", why);
    world_close(&world);
    struct recording *recording = recording_open(world_file(), why, sizeof(why));
    cr_assert_not_null(recording, "%s", why);
    cr_expect_eq(expect_records(recording, &sample, 0, "records"), sample_records(&sample, false));
    cr_expect_eq(expect_frames(recording, &sample, 0, "frames"), sample_records(&sample, true));
    recording_close(recording);
    world_remove();
    free(sample.entries);
}

/* The same run gives the same file. */
Test(recording, same_bytes)
{
    struct sample one;
    struct sample two;
    sample_make(&one, &(struct sample_options){.seed = 41, .steps = 2000, .detail_percent = 10});
    sample_make(&two, &(struct sample_options){.seed = 41, .steps = 2000, .detail_percent = 10});
    cr_assert_eq(one.length, two.length);
    cr_expect_eq(memcmp(one.bytes, two.bytes, one.length), 0);
    sample_free(&one);
    sample_free(&two);
}

/* ---- long meta -------------------------------------------------------------------------------------------------------------------- */

/* Scenario and files that take several chunks; a file of 1 MiB is named, but not kept. */
Test(recording, meta_in_parts)
{
    struct world world;
    char why[400];
    world_open(&world, 51, 0);
    size_t long_bytes = (3u << 20) + 17;
    char *scenario = malloc(long_bytes + 1);
    cr_assert_not_null(scenario);
    for (size_t i = 0; i < long_bytes; i++) {
        scenario[i] = (char)('!' + world_below(&world, 90));
    }
    scenario[long_bytes] = 0;
    struct recording_file files[] = {
        {.path = "kept", .bytes = scenario, .length = (1u << 20) - 1},
        {.path = "too long", .bytes = scenario, .length = 1u << 20},
    };
    struct recording_meta meta = world_meta;
    meta.resolved_scenario = scenario;
    meta.files = files;
    meta.file_count = 2;
    struct recording_writer *writer =
        recording_writer_new(world_file(), &meta, world.recorder, why, sizeof(why));
    cr_assert_not_null(writer, "%s", why);
    cr_assert(recording_writer_close(writer, "", 0, why, sizeof(why)), "%s", why);
    struct recording *recording = recording_open(world_file(), why, sizeof(why));
    cr_assert_not_null(recording, "%s", why);
    cr_expect_eq(strcmp(recording_scenario(recording), scenario), 0);
    const char *path;
    uint64_t length;
    uint64_t digest;
    const void *bytes;
    for (uint32_t i = 0; i < 2; i++) {
        cr_assert(recording_file(recording, i, &path, &length, &digest, &bytes));
        cr_expect_str_eq(path, files[i].path);
        cr_expect_eq(length, files[i].length);
        cr_expect_eq(digest, recording_digest(scenario, files[i].length));
        cr_expect(i == 0 ? bytes != NULL && memcmp(bytes, scenario, length) == 0 : bytes == NULL);
    }
    recording_close(recording);
    world_remove();
    free(scenario);
    world_close(&world);
}

/* ---- what cannot be opened or written -------------------------------------------------------------------------------------------- */

Test(recording, refusals)
{
    struct world world;
    char why[400];
    world_open(&world, 1, 0);
    static const struct {
        const char *path;
        const char *says;
    } unwritable[] = {
        {"/no-such-folder/x.orr", "/no-such-folder/x.orr: No such file"},
        {"/tmp", "/tmp: Is a directory"},
        {"/dev/full", "/dev/full: No space left"},
    };
    for (size_t i = 0; i < sizeof(unwritable) / sizeof(unwritable[0]); i++) {
        struct recording_writer *writer =
            recording_writer_new(unwritable[i].path, &world_meta, world.recorder, why, sizeof(why));
        cr_assert_null(writer, "%s", unwritable[i].path);
        cr_expect_eq(strncmp(why, unwritable[i].says, strlen(unwritable[i].says)), 0, "%s", why);
    }
    world_close(&world);
    static const struct {
        const char *path;
        const char *says;
    } unreadable[] = {
        {"/no-such-folder/x.orr", "No such file"},
        {"/tmp", "not a regular file"},
        {"/dev/null", "not a regular file"},
        {"/proc/self/stat", "not a recording"}, /* a file of length 0 */
    };
    for (size_t i = 0; i < sizeof(unreadable) / sizeof(unreadable[0]); i++) {
        cr_assert_null(recording_open(unreadable[i].path, why, sizeof(why)), "%s",
                       unreadable[i].path);
        cr_expect_not_null(strstr(why, unreadable[i].says), "%s", why);
        cr_expect_not_null(strstr(why, unreadable[i].path), "%s", why);
    }
}

/* The medium fills up while the run is on: said at the close, and what was written is readable. */
Test(recording, no_room_left)
{
    struct world world;
    char why[400] = "";
    world_open(&world, 61, 0);
    struct recording_writer *writer =
        recording_writer_new(world_file(), &world_meta, world.recorder, why, sizeof(why));
    cr_assert_not_null(writer, "%s", why);
    recorder_write_to(world.recorder, writer);
    signal(SIGXFSZ, SIG_IGN);
    struct rlimit limit;
    cr_assert_eq(getrlimit(RLIMIT_FSIZE, &limit), 0);
    struct rlimit low = {.rlim_cur = 5000, .rlim_max = limit.rlim_max};
    cr_assert_eq(setrlimit(RLIMIT_FSIZE, &low), 0);
    struct sample sample = {.entries = malloc(2000 * sizeof(struct world_entry)), .count = 2000};
    cr_assert_not_null(sample.entries);
    for (uint32_t i = 0; i < sample.count; i++) {
        world_step(&world, 0, &sample.entries[i]);
        sample.entries[i].record.text = sample.entries[i].text;
        if (i % 20 == 19) {
            recording_writer_flush(writer);
        }
    }
    recorder_write_to(world.recorder, NULL);
    bool closed = recording_writer_close(writer, "pass", 1, why, sizeof(why));
    cr_assert_eq(setrlimit(RLIMIT_FSIZE, &limit), 0);
    cr_expect_not(closed);
    cr_expect_not_null(strstr(why, "File too large"), "%s", why);
    cr_expect_not_null(strstr(why, ".orr"), "%s", why);
    struct recording *recording = recording_open(world_file(), why, sizeof(why));
    cr_assert_not_null(recording, "%s", why);
    uint32_t read = expect_records(recording, &sample, 0, "no room");
    cr_expect(read > 20, "%u", read);
    cr_expect(read < sample.count, "%u", read);
    cr_expect_not(recording_complete(recording));
    cr_expect_neq(recording_damage(recording)[0], 0);
    recording_close(recording);
    free(sample.entries);
    world_remove();
    world_close(&world);
}
