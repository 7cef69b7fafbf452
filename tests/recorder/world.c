#include "tests/recorder/world.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

const struct record_kind world_kinds[WORLD_KINDS] = {
    [WORLD_BARE] = {.name = "test.bare", .meaning = "Something happened."},
    [WORLD_COUNT] = {.name = "test.count",
                     .meaning = "One integer.",
                     .fields = {{"n", RECORD_COUNT}}},
    [WORLD_PAIR] = {.name = "test.pair",
                    .meaning = "A part, and when it will be there.",
                    .fields = {{"to", RECORD_ORIGIN}, {"due", RECORD_INSTANT}}},
    [WORLD_THREE] = {.name = "test.three",
                     .meaning = "Three integers and a reason.",
                     .fields = {{"pages", RECORD_PAGES},
                                {"sent", RECORD_BYTES},
                                {"took", RECORD_NS}},
                     .text = "why"},
    [WORLD_FULL] = {.name = "test.full",
                    .meaning = "All units.",
                    .fields = {{"count", RECORD_COUNT},
                               {"bytes", RECORD_BYTES},
                               {"took", RECORD_NS},
                               {"due", RECORD_INSTANT},
                               {"rate", RECORD_BPS},
                               {"on", RECORD_FLAG},
                               {"number", RECORD_NUMBER},
                               {"from", RECORD_ORIGIN}}},
    [WORLD_TEXT] = {.name = "test.text", .meaning = "A text.", .text = "words"},
    [WORLD_DETAIL] = {.name = "test.detail",
                      .meaning = "One page.",
                      .fields = {{"page", RECORD_NUMBER}},
                      .detail = true},
    [WORLD_DETAIL2] = {.name = "test.detail-text",
                       .meaning = "A state.",
                       .text = "state",
                       .detail = true},
};

const char *const world_paths[WORLD_ORIGINS] = {"node1", "node1/lan", "node2", "node2/lan", "web"};

static const char world_trace[] = "a trace\n\0with a zero in it";
static const struct recording_file world_files[] = {
    {.path = "scenarios/one.yaml", .bytes = "seed: 7\n", .length = 8},
    {.path = "traces/redis.gz", .bytes = world_trace, .length = sizeof(world_trace)},
    {.path = "empty", .bytes = "", .length = 0},
};
const struct recording_meta world_meta = {
    .orrery_version = "0.1-test",
    .scenario_path = "scenarios/one.yaml",
    .resolved_scenario = "name: one\nseed: 7\n",
    .seed = UINT64_C(0xfedcba9876543210),
    .until = "10s",
    .files = world_files,
    .file_count = 3,
};

void world_open(struct world *world, uint64_t seed, unsigned variant)
{
    *world = (struct world){.random = seed};
    world->sim = sim_new(&(struct sim_options){.seed = seed});
    world->recorder = recorder_new(world->sim);
    if (variant > 0) {
        static const struct record_kind other = {.name = "other.kind", .meaning = "Never written."};
        recorder_add_kinds(world->recorder, &other, 1);
        sim_origin_add(world->sim, "an-origin-that-does-nothing");
    }
    world->base = recorder_add_kinds(world->recorder, world_kinds, WORLD_KINDS);
    for (uint32_t i = 0; i < WORLD_ORIGINS; i++) {
        uint32_t slot = (i * (variant > 0 ? 3 : 1)) % WORLD_ORIGINS;
        world->origins[slot] = sim_origin_add(world->sim, world_paths[slot]);
    }
    sim_origins_seal(world->sim);
}

void world_close(struct world *world)
{
    recorder_check(world->recorder);
    recorder_close(world->recorder);
    sim_close(world->sim);
}

static void world_nothing(void *context)
{
    (void)context;
}

void world_advance(struct world *world, sim_time ns)
{
    sim_time at = sim_now(world->sim) + ns;
    sim_call_at(world->sim, world->origins[0], at, world_nothing, NULL);
    sim_run(world->sim, at);
    cr_assert_eq(sim_now(world->sim), at);
}

/* splitmix64 (Steele, Lea, Flood 2014). */
uint64_t world_random(struct world *world)
{
    uint64_t z = world->random += UINT64_C(0x9e3779b97f4a7c15);
    z = (z ^ z >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ z >> 27) * UINT64_C(0x94d049bb133111eb);
    return z ^ z >> 31;
}

uint64_t world_below(struct world *world, uint64_t bound)
{
    return world_random(world) % bound;
}

/* Small numbers, large ones, negative ones, and the ends of the range. */
static int64_t world_value(struct world *world, enum record_unit unit)
{
    if (unit == RECORD_ORIGIN) {
        uint64_t slot = world_below(world, WORLD_ORIGINS + 1);
        return slot == WORLD_ORIGINS ? (int64_t)SIM_NONE : (int64_t)world->origins[slot];
    }
    switch (world_below(world, 8)) {
    case 0:
        return (int64_t)world_random(world);
    case 1:
        return INT64_MIN;
    case 2:
        return INT64_MAX;
    case 3:
        return -(int64_t)world_below(world, 1000);
    default:
        return (int64_t)world_below(world, UINT64_C(1) << world_below(world, 40));
    }
}

static void world_words(struct world *world, char out[RECORD_TEXT_MAX + 1])
{
    uint64_t length = world_below(world, world_below(world, 4) == 0 ? RECORD_TEXT_MAX + 1 : 20);
    for (uint64_t i = 0; i < length; i++) {
        out[i] = (char)('a' + world_below(world, 26));
    }
    out[length] = 0;
}

static void world_frame(struct world *world, struct world_entry *entry)
{
    uint32_t link = (uint32_t)world_below(world, WORLD_ORIGINS);
    entry->frame = true;
    entry->record.origin = world->origins[link];
    struct run_hash *hash = recorder_frame(world->recorder, &entry->record.id);
    run_hash_fold(hash, recorder_name_hash(world_paths[link]), (uint64_t)sim_now(world->sim));
    entry->length = (uint32_t)world_below(world, sizeof(entry->bytes) + 1);
    for (uint32_t i = 0; i < entry->length; i++) {
        entry->bytes[i] = (uint8_t)world_random(world);
    }
    run_hash_fold_bytes(hash, entry->bytes, entry->length);
    if (recorder_wants_frame(world->recorder, entry->record.id)) {
        recorder_write_frame(world->recorder, entry->record.id, entry->record.origin, entry->bytes,
                             entry->length);
    }
}

void world_step(struct world *world, unsigned detail_percent, struct world_entry *entry)
{
    *entry = (struct world_entry){0};
    if (world_below(world, 3) == 0) {
        world_advance(world, (sim_time)world_below(world, UINT64_C(1) << world_below(world, 34)));
    }
    entry->record.time = sim_now(world->sim);
    entry->record.text = entry->text;
    bool detail = world_below(world, 100) < detail_percent;
    if (!detail && world_below(world, 4) == 0) {
        world_frame(world, entry);
        return;
    }
    uint32_t kind = (uint32_t)(detail ? WORLD_DETAIL + world_below(world, 2)
                                      : world_below(world, WORLD_DETAIL));
    entry->detail = detail;
    entry->record.kind = world->base + kind;
    uint64_t slot = world_below(world, WORLD_ORIGINS + 1);
    entry->record.origin = slot == WORLD_ORIGINS ? SIM_NONE : world->origins[slot];
    uint64_t ids = recorder_records(world->recorder);
    if (ids > 0 && world_below(world, 2) == 0) {
        uint64_t back = world_below(world, world_below(world, 2) == 0 ? ids : ids % 8 + 1);
        entry->record.cause = ids - back;
    }
    for (uint32_t i = 0; i < RECORD_VALUES_MAX && world_kinds[kind].fields[i].unit != RECORD_END;
         i++) {
        entry->record.values[i] = world_value(world, world_kinds[kind].fields[i].unit);
    }
    if (world_kinds[kind].text != NULL) {
        world_words(world, entry->text);
    }
    entry->record.id = recorder_record(world->recorder, entry->record.kind, entry->record.origin,
                                       entry->record.cause, entry->record.values, entry->text);
}

static char world_path[64];

const char *world_file(void)
{
    snprintf(world_path, sizeof(world_path), "/tmp/orrery-test-%ld.orr", (long)getpid());
    return world_path;
}

void world_remove(void)
{
    unlink(world_path);
}

uint8_t *world_slurp(const char *path, size_t *length)
{
    FILE *file = fopen(path, "rb");
    cr_assert_not_null(file, "%s", path);
    fseek(file, 0, SEEK_END);
    long size = ftell(file);
    rewind(file);
    uint8_t *bytes = malloc((size_t)size + 1);
    cr_assert_not_null(bytes);
    *length = fread(bytes, 1, (size_t)size, file);
    cr_assert_eq(*length, (size_t)size);
    fclose(file);
    return bytes;
}

const char *world_differs(const struct record *read, const struct world_entry *written)
{
    const struct record *record = &written->record;
    if (read->time != record->time) {
        return "time";
    }
    if (read->id != record->id) {
        return "id";
    }
    if (read->cause != record->cause) {
        return "cause";
    }
    if (read->kind != record->kind) {
        return "kind";
    }
    if (read->origin != record->origin) {
        return "origin";
    }
    if (memcmp(read->values, record->values, sizeof(read->values)) != 0) {
        return "values";
    }
    return strcmp(read->text, written->text) == 0 ? NULL : "text";
}
