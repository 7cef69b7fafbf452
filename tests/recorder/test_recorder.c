#include "tests/recorder/world.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

/* ---- the hash, folded a second time as C6 says ---------------------------------------------------------------------- */

struct reference {
    struct run_hash hash;
    uint64_t ids;
};

static uint64_t reference_path(const struct world *world, uint64_t origin)
{
    return origin == SIM_NONE ? 0
                              : recorder_name_hash(sim_origin_path(world->sim, (uint32_t)origin));
}

static void reference_fold(struct reference *reference, const struct world *world,
                           const struct world_entry *entry)
{
    const struct record *record = &entry->record;
    if (entry->detail) {
        return;
    }
    reference->ids++;
    if (entry->frame) {
        run_hash_fold(&reference->hash, reference_path(world, record->origin),
                      (uint64_t)record->time);
        run_hash_fold_bytes(&reference->hash, entry->bytes, entry->length);
        return;
    }
    const struct record_kind *kind = recorder_kind(world->recorder, record->kind);
    run_hash_fold(&reference->hash, recorder_name_hash(kind->name), (uint64_t)record->time);
    run_hash_fold(&reference->hash, reference_path(world, record->origin), record->cause);
    uint64_t words[RECORD_VALUES_MAX + 1] = {0};
    uint32_t count = 0;
    for (; count < RECORD_VALUES_MAX && kind->fields[count].unit != RECORD_END; count++) {
        uint64_t value = (uint64_t)record->values[count];
        words[count] =
            kind->fields[count].unit == RECORD_ORIGIN ? reference_path(world, value) : value;
    }
    for (uint32_t i = 0; i < count; i += 2) {
        run_hash_fold(&reference->hash, words[i], words[i + 1]);
    }
    if (kind->text != NULL) {
        run_hash_fold_bytes(&reference->hash, entry->text, strlen(entry->text));
    }
}

static uint64_t reference_value(const struct reference *reference)
{
    struct run_hash hash = reference->hash;
    run_hash_fold(&hash, reference->ids, 0);
    return run_hash_value(&hash);
}

static uint64_t recorder_value(const struct recorder *recorder)
{
    struct run_hash hash = recorder_hash(recorder);
    return run_hash_value(&hash);
}

Test(recorder, folds_as_written)
{
    struct world world;
    world_open(&world, 1, 0);
    struct reference reference = {.hash = RUN_HASH_START};
    for (uint32_t i = 0; i < 5000; i++) {
        struct world_entry entry;
        world_step(&world, 10, &entry);
        reference_fold(&reference, &world, &entry);
        cr_assert_eq(recorder_value(world.recorder), reference_value(&reference),
                     "step %u, kind %u", i, entry.record.kind);
        cr_assert_eq(entry.record.id, entry.detail ? 0 : reference.ids, "step %u", i);
    }
    cr_assert_eq(recorder_records(world.recorder), reference.ids);
    world_close(&world);
}

/* ---- watching changes nothing (C1), nor does the order of what was loaded --------------------------------------------- */

static void count_listener(void *context, const struct record *record)
{
    cr_assert_neq(record->time, SIM_NEVER);
    ++*(uint64_t *)context;
}

enum {
    LISTEN = 1,
    LISTEN_ALL = 2,
    WRITE = 4,
    DETAIL = 8,
    FRAMES = 16,
    OTHER_LOAD = 32,
    LATE = 64,
    FLUSH = 128,
    IDS = 256
};

static const struct {
    const char *name;
    unsigned what;
} watchers[] = {
    {"nobody", 0},
    {"a listener", LISTEN},
    {"a listener to all", LISTEN_ALL},
    {"a recording", WRITE},
    {"a recording with detail", WRITE | DETAIL},
    {"a recording with frames", WRITE | FRAMES},
    {"all of it", LISTEN | LISTEN_ALL | WRITE | DETAIL | FRAMES},
    {"detail for a listener", LISTEN_ALL | DETAIL},
    {"origins and kinds in another order", OTHER_LOAD},
    {"another order, all of it", OTHER_LOAD | LISTEN | LISTEN_ALL | WRITE | DETAIL | FRAMES},
    {"from the middle on", WRITE | DETAIL | FRAMES | LATE},
    {"flushed often", WRITE | DETAIL | FRAMES | FLUSH},
    {"an interval of ids", WRITE | DETAIL | FRAMES | IDS},
};

static uint64_t watched_run(unsigned what)
{
    struct world world;
    world_open(&world, 42, (what & OTHER_LOAD) != 0 ? 1 : 0);
    uint64_t heard = 0;
    struct recording_writer *writer = NULL;
    char why[200] = "";
    if ((what & LISTEN) != 0) {
        recorder_listen(world.recorder, world.base + WORLD_THREE, count_listener, &heard);
        recorder_listen(world.recorder, world.base + WORLD_DETAIL, count_listener, &heard);
    }
    if ((what & LISTEN_ALL) != 0) {
        recorder_listen(world.recorder, SIM_NONE, count_listener, &heard);
    }
    if ((what & DETAIL) != 0) {
        recorder_want(world.recorder, world.base + WORLD_DETAIL2);
    }
    if ((what & FRAMES) != 0) {
        recorder_want_frames(world.recorder);
    }
    if ((what & IDS) != 0) {
        recorder_write_ids(world.recorder, 100, 200);
    }
    if ((what & WRITE) != 0) {
        writer = recording_writer_new(world_file(), &world_meta, world.recorder, why, sizeof(why));
        cr_assert_not_null(writer, "%s", why);
    }
    for (uint32_t i = 0; i < 2000; i++) {
        struct world_entry entry;
        if (writer != NULL && i == ((what & LATE) != 0 ? 1000 : 0)) {
            recorder_write_to(world.recorder, writer);
        }
        world_step(&world, 10, &entry);
        if (writer != NULL && (what & FLUSH) != 0 && i % 7 == 0) {
            recording_writer_flush(writer);
        }
    }
    uint64_t value = recorder_value(world.recorder);
    cr_assert(((what & (LISTEN | LISTEN_ALL)) == 0) == (heard == 0));
    if (writer != NULL) {
        recorder_write_to(world.recorder, NULL);
        cr_assert(recording_writer_close(writer, "pass", value, why, sizeof(why)), "%s", why);
        world_remove();
    }
    world_close(&world);
    return value;
}

Test(recorder, watching_changes_nothing)
{
    uint64_t expected = watched_run(0);
    for (size_t i = 0; i < sizeof(watchers) / sizeof(watchers[0]); i++) {
        cr_expect_eq(watched_run(watchers[i].what), expected, "%s", watchers[i].name);
    }
}

/* ---- every part of a record counts ------------------------------------------------------------------------------------ */

struct one_record {
    const char *name;
    uint32_t kind;
    uint32_t origin; /* slot in world_paths, SIM_NONE for none */
    sim_time time;
    uint64_t cause;
    int64_t values[3];
    const char *text;
};
/* All of these differ from each other, for they are all different records. */
static const struct one_record one_records[] = {
    {"first", WORLD_THREE, 0, 0, 0, {1, 2, 3}, "a"},
    {"kind", WORLD_FULL, 0, 0, 0, {1, 2, 3}, NULL},
    {"origin", WORLD_THREE, 1, 0, 0, {1, 2, 3}, "a"},
    {"no origin", WORLD_THREE, SIM_NONE, 0, 0, {1, 2, 3}, "a"},
    {"time", WORLD_THREE, 0, 1, 0, {1, 2, 3}, "a"},
    {"cause", WORLD_THREE, 0, 0, 1, {1, 2, 3}, "a"},
    {"first value", WORLD_THREE, 0, 0, 0, {2, 2, 3}, "a"},
    {"second value", WORLD_THREE, 0, 0, 0, {1, 3, 3}, "a"},
    {"third value", WORLD_THREE, 0, 0, 0, {1, 2, -3}, "a"},
    {"order of values", WORLD_THREE, 0, 0, 0, {3, 2, 1}, "a"},
    {"text", WORLD_THREE, 0, 0, 0, {1, 2, 3}, "b"},
    {"no text", WORLD_THREE, 0, 0, 0, {1, 2, 3}, NULL},
    {"longer text", WORLD_THREE, 0, 0, 0, {1, 2, 3}, "aa"},
    {"a part", WORLD_PAIR, 0, 0, 0, {2, 5}, NULL},
    {"another part", WORLD_PAIR, 0, 0, 0, {3, 5}, NULL},
    {"no part", WORLD_PAIR, 0, 0, 0, {SIM_NONE, 5}, NULL},
};
#define ONE_RECORDS (sizeof(one_records) / sizeof(one_records[0]))

static uint64_t one_record_value(const struct one_record *one)
{
    struct world world;
    world_open(&world, 1, 0);
    int64_t values[RECORD_VALUES_MAX] = {one->values[0], one->values[1], one->values[2]};
    uint64_t first =
        recorder_record(world.recorder, world.base + WORLD_BARE, SIM_NONE, 0, NULL, NULL);
    cr_assert_eq(first, 1);
    world_advance(&world, one->time);
    uint32_t origin = one->origin == SIM_NONE ? SIM_NONE : world.origins[one->origin];
    recorder_record(world.recorder, world.base + one->kind, origin, one->cause, values, one->text);
    uint64_t value = recorder_value(world.recorder);
    world_close(&world);
    return value;
}

Test(recorder, every_part_counts)
{
    uint64_t values[ONE_RECORDS];
    for (size_t i = 0; i < ONE_RECORDS; i++) {
        values[i] = one_record_value(&one_records[i]);
        cr_expect_eq(one_record_value(&one_records[i]), values[i], "%s repeats",
                     one_records[i].name);
        for (size_t k = 0; k < i; k++) {
            cr_expect_neq(values[i], values[k], "%s and %s", one_records[i].name,
                          one_records[k].name);
        }
    }
}

/* Frozen: a change of these changes the hash of every run. Computed apart from the code under test. */
Test(recorder, golden_run)
{
    char text[17];
    struct world world;
    world_open(&world, 1, 0);
    struct recorder *recorder = world.recorder;
    struct run_hash hash = recorder_hash(recorder);
    run_hash_text(&hash, text);
    cr_expect_str_eq(text, "9d6f8727b69b8453", "nothing: %s", text);
    recorder_record(recorder, world.base + WORLD_BARE, world.origins[4], 0, NULL, NULL);
    hash = recorder_hash(recorder);
    run_hash_text(&hash, text);
    cr_expect_str_eq(text, "3b4331c34dd18c30", "bare: %s", text);
    world_advance(&world, 1500);
    RECORD(recorder, world.base + WORLD_PAIR, world.origins[1], 1, "", (int64_t)world.origins[2],
           -7);
    RECORD(recorder, world.base + WORLD_THREE, SIM_NONE, 2, "because of the link", 1, 2, 3);
    hash = recorder_hash(recorder);
    run_hash_text(&hash, text);
    cr_expect_str_eq(text, "883f9bcf9844a73f", "three: %s", text);
    world_close(&world);
}

/* ---- checkpoints (C5) -------------------------------------------------------------------------------------------------- */

#define TRAIL_MAX 100u

/* However frames and records follow each other, the checkpoint is the hash after exactly so many ids. */
static const struct {
    const char *name;
    uint32_t frames; /* then */
    uint32_t records;
    uint64_t ids;
    uint64_t trail_first; /* and of every id from there on; 0: none */
    uint32_t trail_capacity;
} mixes[] = {
    {"frames only", 1, 0, 2 * RECORDER_CHECKPOINT, 0, 0},
    {"records only", 0, 1, 2 * RECORDER_CHECKPOINT, 1, TRAIL_MAX},
    {"by turns", 1, 1, 2 * RECORDER_CHECKPOINT + 1, RECORDER_CHECKPOINT - 10, TRAIL_MAX},
    {"bursts of frames", 1000, 3, RECORDER_CHECKPOINT + 10, RECORDER_CHECKPOINT, TRAIL_MAX},
    {"bursts of records", 3, 1000, RECORDER_CHECKPOINT - 1, RECORDER_CHECKPOINT - 3, TRAIL_MAX},
    {"a record just past it", RECORDER_CHECKPOINT, 1, RECORDER_CHECKPOINT + 1, 2, 1},
    {"a frame just past it", 1, RECORDER_CHECKPOINT, RECORDER_CHECKPOINT + 1,
     RECORDER_CHECKPOINT + 1, 5},
    {"a trail never reached", 1, 1, 100, 101, 5},
};

/* As many hashes as ids of the trail were given. */
static uint32_t mix_trail_count(size_t row)
{
    uint64_t first = mixes[row].trail_first;
    uint64_t there = first > 0 && mixes[row].ids >= first ? mixes[row].ids - first + 1 : 0;
    return there < mixes[row].trail_capacity ? (uint32_t)there : mixes[row].trail_capacity;
}

static void mix_run(size_t row)
{
    struct world world;
    uint64_t trail[TRAIL_MAX], expected_trail[TRAIL_MAX];
    world_open(&world, 1, 0);
    if (mixes[row].trail_first > 0) {
        recorder_trail(world.recorder, mixes[row].trail_first, trail, mixes[row].trail_capacity);
    }
    struct reference reference = {.hash = RUN_HASH_START};
    uint64_t expected[4] = {0};
    uint32_t expected_count = 0;
    uint32_t turn = 0;
    for (uint64_t i = 0; i < mixes[row].ids;
         i++, turn = (turn + 1) % (mixes[row].frames + mixes[row].records)) {
        if (turn < mixes[row].frames) {
            uint64_t id;
            struct run_hash *hash = recorder_frame(world.recorder, &id);
            cr_assert_eq(id, i + 1);
            run_hash_fold(hash, i, 5);
            run_hash_fold(&reference.hash, i, 5);
            reference.ids++;
        } else {
            struct world_entry entry = {.record.kind = world.base + WORLD_COUNT,
                                        .record.values = {(int64_t)i}};
            entry.record.id = RECORD(world.recorder, entry.record.kind, 0, 0, "", (int64_t)i);
            cr_assert_eq(entry.record.id, i + 1);
            reference_fold(&reference, &world, &entry);
        }
        if (reference.ids % RECORDER_CHECKPOINT == 0) {
            expected[expected_count++] = reference_value(&reference);
        }
        uint64_t place = reference.ids - mixes[row].trail_first;
        if (reference.ids >= mixes[row].trail_first && place < mix_trail_count(row)) {
            expected_trail[place] = reference_value(&reference);
        }
    }
    cr_expect_eq(recorder_trail_count(world.recorder), mix_trail_count(row), "%s: %u in the trail",
                 mixes[row].name, recorder_trail_count(world.recorder));
    for (uint32_t i = 0; i < mix_trail_count(row); i++) {
        cr_expect_eq(trail[i], expected_trail[i], "%s: trail %u", mixes[row].name, i);
    }
    uint32_t count;
    const uint64_t *checkpoints = recorder_checkpoints(world.recorder, &count);
    cr_expect_eq(count, expected_count, "%s: %u", mixes[row].name, count);
    for (uint32_t i = 0; i < count && i < expected_count; i++) {
        cr_expect_eq(checkpoints[i], expected[i], "%s: checkpoint %u", mixes[row].name, i);
    }
    cr_expect_eq(recorder_value(world.recorder), reference_value(&reference), "%s",
                 mixes[row].name);
    world_close(&world);
}

Test(recorder, checkpoints_at_exact_ids)
{
    for (size_t i = 0; i < sizeof(mixes) / sizeof(mixes[0]); i++) {
        mix_run(i);
    }
}

/* ---- listeners ---------------------------------------------------------------------------------------------------------- */

struct heard {
    char order[64];
    uint32_t count;
    struct record last;
    char text[RECORD_TEXT_MAX + 2];
};
struct hearer {
    struct heard *heard;
    char letter;
};

static void hear(void *context, const struct record *record)
{
    struct hearer *hearer = context;
    struct heard *heard = hearer->heard;
    heard->order[heard->count++] = hearer->letter;
    heard->last = *record;
    snprintf(heard->text, sizeof(heard->text), "%s", record->text);
}

Test(recorder, listeners_in_order_of_subscription)
{
    struct world world;
    world_open(&world, 1, 0);
    struct heard heard = {.count = 0};
    struct hearer hearers[6];
    for (uint32_t i = 0; i < 6; i++) {
        hearers[i] = (struct hearer){.heard = &heard, .letter = (char)('a' + i)};
    }
    static const struct record_kind late = {.name = "late.kind", .meaning = "Added last."};
    recorder_listen(world.recorder, world.base + WORLD_COUNT, hear, &hearers[0]);
    recorder_listen(world.recorder, SIM_NONE, hear, &hearers[1]);
    recorder_listen(world.recorder, world.base + WORLD_COUNT, hear, &hearers[2]);
    recorder_listen(world.recorder, world.base + WORLD_DETAIL, hear, &hearers[3]);
    uint32_t late_kind = recorder_add_kinds(world.recorder, &late, 1);
    recorder_listen(world.recorder, SIM_NONE, hear, &hearers[4]);
    recorder_listen(world.recorder, late_kind, hear, &hearers[5]);
    static const struct {
        uint32_t kind;
        const char *order;
    } rows[] = {
        {WORLD_COUNT, "abce"}, {WORLD_BARE, "be"}, {WORLD_DETAIL, "bde"},
        {WORLD_DETAIL2, ""}, /* nobody asked for it, nor listens to it alone (C7) */
        {WORLD_KINDS, "bef"},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        heard.count = 0;
        int64_t value = (int64_t)i + 100;
        recorder_record(world.recorder, world.base + rows[i].kind, world.origins[1], 0, &value, "");
        heard.order[heard.count] = 0;
        cr_expect_str_eq(heard.order, rows[i].order, "row %zu: %s", i, heard.order);
        cr_expect(heard.count == 0 || heard.last.kind == world.base + rows[i].kind, "row %zu", i);
    }
    /* What they hear is what was written. */
    world_advance(&world, 77);
    uint64_t id = RECORD(world.recorder, world.base + WORLD_PAIR, world.origins[2], 1, "", 3, -9);
    cr_expect_eq(heard.last.id, id);
    cr_expect_eq(heard.last.cause, 1);
    cr_expect_eq(heard.last.time, 77);
    cr_expect_eq(heard.last.origin, world.origins[2]);
    cr_expect_eq(heard.last.values[0], 3);
    cr_expect_eq(heard.last.values[1], -9);
    cr_expect_eq(heard.last.values[2], 0);
    cr_expect_str_eq(heard.text, "");
    recorder_want(world.recorder, world.base + WORLD_DETAIL2);
    cr_expect_eq(
        recorder_record(world.recorder, world.base + WORLD_DETAIL2, SIM_NONE, id, NULL, "now"), 0);
    cr_expect_str_eq(heard.text, "now");
    cr_expect_eq(heard.last.id, 0);
    world_close(&world);
}

/* ---- texts ---------------------------------------------------------------------------------------------------------------- */

Test(recorder, long_texts_are_cut_between_characters)
{
    static const struct {
        const char *name;
        size_t letters; /* in front of */
        const char *tail;
        size_t length; /* of what is kept */
    } rows[] = {
        {"one below", 254, "", 254},
        {"fits", 255, "", 255},
        {"one more", 256, "", 255},
        {"far more", 900, "", 255},
        {"two bytes fit", 253, "\xc3\xa9", 255},
        {"two bytes cut", 254, "\xc3\xa9", 254},
        {"three bytes cut after two", 253, "\xe2\x82\xac", 253},
        {"four bytes cut after three", 252, "\xf0\x9f\x98\x80", 252},
        {"four bytes cut after none", 255, "\xf0\x9f\x98\x80", 255},
    };
    struct world world;
    world_open(&world, 1, 0);
    struct heard heard = {.count = 0};
    struct hearer hearer = {.heard = &heard, .letter = 'a'};
    recorder_listen(world.recorder, SIM_NONE, hear, &hearer);
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        char *text = malloc(rows[i].letters + 8);
        cr_assert_not_null(text);
        memset(text, 'x', rows[i].letters);
        memcpy(text + rows[i].letters, rows[i].tail, strlen(rows[i].tail) + 1);
        recorder_record(world.recorder, world.base + WORLD_TEXT, SIM_NONE, 0, NULL, text);
        cr_expect_eq(strlen(heard.text), rows[i].length, "%s: %zu", rows[i].name,
                     strlen(heard.text));
        cr_expect_eq(memcmp(heard.text, text, rows[i].length), 0, "%s", rows[i].name);
        free(text);
    }
    world_close(&world);
}

/* ---- what is asked for ------------------------------------------------------------------------------------------------------ */

Test(recorder, wants)
{
    struct world world;
    world_open(&world, 1, 0);
    struct recorder *recorder = world.recorder;
    uint32_t detail = world.base + WORLD_DETAIL;
    uint64_t heard = 0;
    char why[200];
    cr_expect(recorder_wants(recorder, world.base + WORLD_COUNT));
    cr_expect_not(recorder_wants(recorder, detail), "nobody asked");
    recorder_listen(recorder, SIM_NONE, count_listener, &heard);
    cr_expect_not(recorder_wants(recorder, detail), "a listener to all does not ask");
    struct recording_writer *writer =
        recording_writer_new(world_file(), &world_meta, recorder, why, sizeof(why));
    cr_assert_not_null(writer, "%s", why);
    recorder_write_to(recorder, writer);
    cr_expect_not(recorder_wants(recorder, detail), "a recording does not ask");
    cr_expect_not(recorder_wants_frame(recorder, 1), "nor for frames");
    recorder_want(recorder, detail);
    recorder_want_frames(recorder);
    cr_expect(recorder_wants(recorder, detail));
    cr_expect(recorder_wants_frame(recorder, 1));
    recorder_write_ids(recorder, 2, 3);
    static const struct {
        uint64_t id;
        bool wanted;
    } ids[] = {{0, false}, {1, false}, {2, true}, {3, true}, {4, false}, {UINT64_MAX, false}};
    for (size_t i = 0; i < sizeof(ids) / sizeof(ids[0]); i++) {
        cr_expect_eq(recorder_wants_frame(recorder, ids[i].id), ids[i].wanted, "id %llu",
                     (unsigned long long)ids[i].id);
    }
    recorder_write_to(recorder, NULL);
    cr_expect_not(recorder_wants_frame(recorder, 2), "no recording, no frame");
    cr_expect(recorder_wants(recorder, detail), "asked for, and a listener is there");
    cr_assert(recording_writer_close(writer, "", 0, why, sizeof(why)), "%s", why);
    world_remove();
    uint32_t last = world.base + WORLD_KINDS - 1;
    cr_expect_eq(recorder_kind_count(recorder), last + 1);
    cr_expect_eq(recorder_kind_find(recorder, "test.detail-text"), last);
    cr_expect_eq(recorder_kind_find(recorder, "test.nothing"), SIM_NONE);
    cr_expect_eq(recorder_kind(recorder, last), &world_kinds[WORLD_KINDS - 1]);
    cr_expect_eq(recorder_sim(recorder), world.sim);
    world_close(&world);
}

/* ---- misuse is an assertion --------------------------------------------------------------------------------------------------- */

static void misuse_listener(void *context, const struct record *record)
{
    struct world *world = context;
    recorder_record(world->recorder, record->kind, SIM_NONE, 0, NULL, NULL);
}

static void misuse(unsigned row)
{
    struct world world;
    world_open(&world, 1, 0);
    struct recorder *recorder = world.recorder;
    int64_t origin_value[2] = {(int64_t)sim_origin_count(world.sim), 0};
    switch (row) {
    case 0: /* a listener that writes a record (C2) */
        recorder_listen(recorder, SIM_NONE, misuse_listener, &world);
        recorder_record(recorder, world.base, SIM_NONE, 0, NULL, NULL);
        break;
    case 1: /* a cause that is not known yet */
        recorder_record(recorder, world.base, SIM_NONE, 1, NULL, NULL);
        break;
    case 2: /* too few values */
        RECORD(recorder, world.base + WORLD_PAIR, SIM_NONE, 0, "", 1);
        break;
    case 3: /* a text where the kind has none */
        RECORD(recorder, world.base + WORLD_COUNT, SIM_NONE, 0, "words", 1);
        break;
    case 4: /* an origin that is none */
        recorder_record(recorder, world.base + WORLD_PAIR, SIM_NONE, 0, origin_value, NULL);
        break;
    case 5: /* a name twice */
        recorder_add_kinds(recorder, world_kinds, 1);
        break;
    case 6: /* a kind that is none */
        recorder_record(recorder, recorder_kind_count(recorder), SIM_NONE, 0, NULL, NULL);
        break;
    default:
        world_close(&world);
        _exit(0);
    }
}

/* A defect of Orrery ends the program with status 3; the last row does nothing wrong. */
Test(recorder, misuse_is_seen)
{
    const unsigned rows = 8;
    for (unsigned row = 0; row < rows; row++) {
        pid_t child = fork();
        cr_assert_neq(child, -1);
        if (child == 0) {
            cr_assert_not_null(freopen("/dev/null", "w", stderr));
            misuse(row);
            _exit(9);
        }
        int status = 0;
        cr_assert_eq(waitpid(child, &status, 0), child);
        cr_expect(WIFEXITED(status), "row %u", row);
        cr_expect_eq(WEXITSTATUS(status), row == rows - 1 ? 0 : 3, "row %u: %d", row,
                     WEXITSTATUS(status));
    }
}
