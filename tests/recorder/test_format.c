/* The format byte by byte, as docs/formats.md has it: files put together here by hand, apart from the writer. */
#include "sim/recording_format.h"
#include "tests/recorder/world.h"

#include <criterion/criterion.h>
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>

struct file {
    uint8_t bytes[4096];
    size_t length;
    uint32_t chunks;
};

static void put(struct file *file, const void *bytes, size_t length)
{
    cr_assert(file->length + length <= sizeof(file->bytes));
    for (size_t i = 0; i < length; i++) {
        file->bytes[file->length++] = ((const uint8_t *)bytes)[i];
    }
}

static void put_le(struct file *file, uint64_t value, unsigned bytes)
{
    for (unsigned i = 0; i < bytes; i++) {
        uint8_t byte = (uint8_t)(value >> 8 * i);
        put(file, &byte, 1);
    }
}

struct by_hand {
    uint8_t type;
    uint16_t version;
    uint8_t flags;
    sim_time first_time;
    sim_time last_time;
    uint32_t records;
    const char *payload;
    size_t payload_bytes;
    uint32_t raw_bytes; /* 0: as many as payload_bytes */
};

/* Header and payload; returns where it begins. */
static size_t put_chunk(struct file *file, const struct by_hand *chunk)
{
    size_t start = file->length;
    put(file, "ORRC", 4);
    put_le(file, chunk->version, 2);
    put_le(file, chunk->type, 1);
    put_le(file, chunk->flags, 1);
    put_le(file, (uint64_t)chunk->first_time, 8);
    put_le(file, (uint64_t)chunk->last_time, 8);
    put_le(file, chunk->records, 4);
    put_le(file, chunk->raw_bytes != 0 ? chunk->raw_bytes : chunk->payload_bytes, 4);
    put_le(file, chunk->payload_bytes, 4);
    put_le(file, crc32(0, (const Bytef *)chunk->payload, (uInt)chunk->payload_bytes), 4);
    put_le(file, file->chunks++, 4);
    put_le(file, crc32(0, file->bytes + start, 44), 4);
    cr_assert_eq(file->length - start, 48);
    put(file, chunk->payload, chunk->payload_bytes);
    return start;
}

/* A literal without its final zero. */
#define PAYLOAD(literal) .payload = (literal), .payload_bytes = sizeof(literal) - 1

/* version, scenario, resolved, seed, until, one file with its content */
static const struct by_hand meta = {.type = 1,
                                    .version = 1,
                                    .records = 1,
                                    PAYLOAD("\x01"
                                            "9\0"
                                            "\x06"
                                            "a.yaml\0"
                                            "\x08"
                                            "seed: 5\n\0"
                                            "\x05\0\0\0\0\0\0\0"
                                            "\0\0"
                                            "\x01"
                                            "\x01"
                                            "f\0"
                                            "\x03"
                                            "\x11\x22\x33\x44\x55\x66\x77\x88"
                                            "\x01"
                                            "\x03"
                                            "abc\0")};
/* two origins from 0 */
static const struct by_hand origins = {.type = 2,
                                       .version = 1,
                                       .records = 2,
                                       PAYLOAD("\0\0"
                                               "\x02"
                                               "n1\0"
                                               "\x02"
                                               "n2\0")};
/* kind 0: a count, an instant and a text; kind 1: a detail kind with a unit (99) that came later */
static const struct by_hand kinds = {.type = 2,
                                     .version = 1,
                                     .records = 2,
                                     PAYLOAD("\x01\0"
                                             "\x02"
                                             "\x01"
                                             "k\0"
                                             "\x01"
                                             "m\0"
                                             "\x01"
                                             "w\0"
                                             "\x02"
                                             "\x01\x01"
                                             "c\0"
                                             "\x05\x01"
                                             "i\0"
                                             "\x01"
                                             "\x01"
                                             "d\0"
                                             "\0\0"
                                             "\0\0"
                                             "\x01"
                                             "\x63\x01"
                                             "x\0")};
static const struct by_hand records = {
    .type = 3,
    .version = 1,
    .first_time = 1000,
    .last_time = 1300,
    .records = 4,
    PAYLOAD("\x09"                   /* ids are differences to 9 */
            "\x0b"                   /* eleven bytes follow */
            "\0\0\x01\0\x01"         /* kind 0, time +0, id 10, no cause, origin 0 */
            "\x0a\x14"               /* count 0 + 5; instant 1000 + 10 */
            "why!"                   /* the rest is the text */
            "\x09"                   /* nine bytes */
            "\0\xac\x02\x02\x05\x02" /* kind 0, time +300, id 12, cause 12 - 2 = 10, origin 1 */
            "\x03\xb7\x02"           /* count 5 - 2; instant 1300 - 156; no text */
            "\x06"                   /* six bytes */
            "\x01\0\0\x01\0\x2a" /* detail kind 1: time +0, no id, cause 12 - 0, no origin, 21 */
            "\x07"               /* seven bytes, of a kind that no names chunk has */
            "\x05\0\x01\0\0\xff\xff"), /* time +0, id 13; what follows is not looked at */
};
static const struct by_hand frames = {.type = 4,
                                      .version = 1,
                                      .first_time = -5,
                                      .last_time = 1,
                                      .records = 2,
                                      PAYLOAD("\x0a"
                                              "\x01\0\x02\x03"
                                              "abc"             /* id 11 at -5 on link 1 */
                                              "\x64\x06\0\0")}; /* id 111 at 1, no link, no bytes */
/* hashes 1 and 2: after 2 * 65536 and 3 * 65536 ids */
static const struct by_hand checkpoints = {.type = 5,
                                           .version = 1,
                                           .records = 2,
                                           PAYLOAD("\x01"
                                                   "\xaa\0\0\0\0\0\0\0"
                                                   "\xbb\0\0\0\0\0\0\0")};
/* verdict, hash, no index */
static const struct by_hand end = {.type = 6,
                                   .version = 1,
                                   .first_time = 2000,
                                   .last_time = 2000,
                                   PAYLOAD("\x04"
                                           "pass\0"
                                           "\xef\xcd\xab\x89\x67\x45\x23\x01"
                                           "\0")};

static struct recording *open_file(const struct file *file)
{
    char why[400] = "";
    struct recording *recording = recording_open_bytes(file->bytes, file->length, why, sizeof(why));
    cr_assert_not_null(recording, "%s", why);
    return recording;
}

static void expect_contents(struct recording *recording)
{
    const char *path;
    uint64_t length;
    uint64_t digest;
    const void *bytes;
    cr_expect_str_eq(recording_version(recording), "9");
    cr_expect_str_eq(recording_scenario_path(recording), "a.yaml");
    cr_expect_str_eq(recording_scenario(recording), "seed: 5\n");
    cr_expect_eq(recording_seed(recording), 5);
    cr_expect_str_eq(recording_until(recording), "");
    cr_assert(recording_file(recording, 0, &path, &length, &digest, &bytes));
    cr_expect_str_eq(path, "f");
    cr_expect_eq(length, 3);
    cr_expect_eq(digest, UINT64_C(0x8877665544332211));
    cr_expect_eq(memcmp(bytes, "abc", 3), 0);
    cr_assert_eq(recording_origin_count(recording), 2);
    cr_expect_str_eq(recording_origin(recording, 1), "n2");
    cr_assert_eq(recording_kind_count(recording), 2);
    cr_expect_eq(recording_kind(recording, 1)->fields[0].unit, RECORD_NUMBER);
    cr_expect(recording_kind(recording, 1)->detail);
    static const struct record expected[] = {
        {.time = 1000, .id = 10, .origin = 0, .values = {5, 1010}, .text = "why!"},
        {.time = 1300, .id = 12, .cause = 10, .origin = 1, .values = {3, 1144}, .text = ""},
        {.time = 1300, .cause = 12, .kind = 1, .origin = SIM_NONE, .values = {21}, .text = ""},
    };
    for (size_t i = 0; i < 3; i++) {
        struct world_entry entry = {.record = expected[i]};
        strcpy(entry.text, expected[i].text);
        struct record record;
        cr_assert(recording_next(recording, &record), "record %zu", i);
        const char *differs = world_differs(&record, &entry);
        cr_expect_null(differs, "record %zu: %s", i, differs);
    }
    struct record record;
    cr_expect_not(recording_next(recording, &record), "the one of an unknown kind");
    struct recording_frame frame;
    cr_assert(recording_next_frame(recording, &frame));
    cr_expect(frame.id == 11 && frame.time == -5 && frame.link == 1 && frame.length == 3);
    cr_expect_eq(memcmp(frame.bytes, "abc", 3), 0);
    cr_assert(recording_next_frame(recording, &frame));
    cr_expect(frame.id == 111 && frame.time == 1 && frame.link == SIM_NONE && frame.length == 0);
    cr_expect_not(recording_next_frame(recording, &frame));
    uint32_t count;
    const uint64_t *hashes = recording_checkpoints(recording, &count);
    cr_assert_eq(count, 3);
    cr_expect(hashes[0] == 0 && hashes[1] == 0xaa && hashes[2] == 0xbb);
    cr_expect(recording_complete(recording));
    cr_expect_str_eq(recording_verdict(recording), "pass");
    cr_expect_eq(recording_hash(recording), UINT64_C(0x0123456789abcdef));
    cr_expect_eq(recording_last_time(recording), 2000);
    cr_expect_str_eq(recording_damage(recording), "records of kind 5, which has no name");
}

/* What may stand between the chunks without hurting them. */
static const struct {
    const char *name;
    struct by_hand chunk;
} strangers[] = {
    {"none", {.type = 0}},
    {"a type that came later",
     {.type = 200, .version = 1, .records = 7, PAYLOAD("whatever it is")}},
    {"an empty one", {.type = 77, .version = 1}},
    {"a type and a flag that came later",
     {.type = 99, .version = 1, .flags = 0x80, .first_time = 5, .last_time = 6, PAYLOAD("ORRC")}},
};

Test(format, by_hand)
{
    for (size_t i = 0; i < sizeof(strangers) / sizeof(strangers[0]); i++) {
        struct file file = {.length = 0};
        static const struct by_hand *const all[] = {&meta,    &origins, &kinds,
                                                    &records, &frames,  &checkpoints};
        size_t places = i == 0 ? 1 : sizeof(all) / sizeof(all[0]);
        for (size_t place = 0; place < places; place++) {
            file = (struct file){.length = 0};
            for (size_t k = 0; k < sizeof(all) / sizeof(all[0]); k++) {
                if (i > 0 && k == place) {
                    put_chunk(&file, &strangers[i].chunk);
                }
                put_chunk(&file, all[k]);
            }
            size_t locator = put_chunk(&file, &end);
            put_le(&file, locator, 8);
            struct recording *recording = open_file(&file);
            expect_contents(recording);
            recording_close(recording);
        }
    }
}

/* Payloads that both checksums hold to be right, and that make no sense: said, never believed. */
static const struct {
    const char *name;
    struct by_hand chunk;
} nonsense[] = {
    {"names without an end",
     {.type = 2,
      .version = 1,
      .records = 1,
      PAYLOAD("\0\0\x7f"
              "ab")}},
    {"a name without its zero",
     {.type = 2,
      .version = 1,
      .records = 1,
      PAYLOAD("\0\0\x01"
              "ab")}},
    {"more names than bytes",
     {.type = 2,
      .version = 1,
      .records = 1000000,
      PAYLOAD("\0\0\x01"
              "a\0")}},
    {"names far away",
     {.type = 2,
      .version = 1,
      .records = 1,
      PAYLOAD("\0\xff\xff\xff\xff\x0f\x01"
              "a\0")}},
    {"a kind with nine fields",
     {.type = 2,
      .version = 1,
      .records = 1,
      PAYLOAD("\x01\x05\0\x01z\0\0\0\0\0\x09"
              "\x01\0\0\x01\0\0\x01\0\0\x01\0\0"
              "\x01\0\0\x01\0\0\x01\0\0\x01\0\0"
              "\x01\0\0")}},
    {"a number without an end", {.type = 3, .version = 1, .records = 1, PAYLOAD("\xff\xff\xff")}},
    {"a number of more than 64 bits",
     {.type = 3,
      .version = 1,
      .records = 1,
      PAYLOAD("\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01")}},
    {"a record longer than the chunk",
     {.type = 3, .version = 1, .records = 1, PAYLOAD("\0\x20\0\0")}},
    {"a record without values",
     {.type = 3, .version = 1, .records = 1, PAYLOAD("\0\x05\0\0\x01\0\x01")}},
    {"an empty record", {.type = 3, .version = 1, .records = 1, PAYLOAD("\0\0")}},
    {"a frame longer than the chunk",
     {.type = 4, .version = 1, .records = 1, PAYLOAD("\0\x01\0\x01\x40zz")}},
    {"a frame longer than any",
     {.type = 4, .version = 1, .records = 1, PAYLOAD("\0\x01\0\x01\xff\xff\x7f")}},
    {"checkpoints of another number",
     {.type = 5, .version = 1, .records = 3, PAYLOAD("\0abcdefgh")}},
    {"checkpoints far away",
     {.type = 5,
      .version = 1,
      .records = 1,
      PAYLOAD("\xff\xff\xff\x7f"
              "abcdefgh")}},
    {"not what zlib wrote",
     {.type = 3, .version = 1, .flags = 1, .records = 1, PAYLOAD("garbage"), .raw_bytes = 100}},
    {"another version", {.type = 3, .version = 2, .records = 1, PAYLOAD("whatever")}},
};

Test(format, nonsense)
{
    for (size_t i = 0; i < sizeof(nonsense) / sizeof(nonsense[0]); i++) {
        struct file file = {.length = 0};
        put_chunk(&file, &meta);
        put_chunk(&file, &origins);
        put_chunk(&file, &kinds);
        put_chunk(&file, &nonsense[i].chunk);
        struct by_hand good = records;
        put_chunk(&file, &good);
        size_t locator = put_chunk(&file, &end);
        put_le(&file, locator, 8);
        struct recording *recording = open_file(&file);
        struct record record;
        struct recording_frame frame;
        /* Frames first: what is found first is what is said. */
        cr_expect_not(recording_next_frame(recording, &frame), "%s", nonsense[i].name);
        uint32_t read = 0;
        while (recording_next(recording, &record)) {
            read++;
        }
        cr_expect_eq(read, 3, "%s: %u", nonsense[i].name, read);
        const char *damage = recording_damage(recording);
        cr_expect(strstr(damage, "chunk 3 at byte ") != NULL, "%s: %s", nonsense[i].name, damage);
        recording_check(recording);
        recording_close(recording);
    }
}

/* Indexes that checksums hold to be right, and that cannot be: the headers are looked through instead. */
Test(format, wrong_index)
{
    static const struct {
        const char *name;
        const char *index; /* number of chunks, and the lines for them */
        size_t length;
    } rows[] = {
        {"empty", "\0", 1},
        {"cut short", "\x06\x01\0", 3},
        {"a line that is cut short", "\x01\x01\0\0", 4},
        {"beyond the end chunk", "\x01\x03\xff\xff\xff\x7f\0\0\x01", 9},
        {"far beyond it", "\x01\x03\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01\0\0\x01", 15},
        {"the same chunk twice", "\x02\x01\0\0\0\x01\x02\0\0\0\x01", 11},
        {"an end chunk", "\x01\x06\0\0\0\0", 6},
        {"as many chunks as can be", "\xff\xff\xff\xff\x0f\x01\0\0\0\x01", 10},
    };
    static const struct by_hand *const all[] = {&meta,    &origins, &kinds,
                                                &records, &frames,  &checkpoints};
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct file file = {.length = 0};
        char payload[64];
        for (size_t k = 0; k < sizeof(all) / sizeof(all[0]); k++) {
            put_chunk(&file, all[k]);
        }
        memcpy(payload, end.payload, end.payload_bytes - 1);
        memcpy(payload + end.payload_bytes - 1, rows[i].index, rows[i].length);
        struct by_hand wrong = end;
        wrong.payload = payload;
        wrong.payload_bytes = end.payload_bytes - 1 + rows[i].length;
        size_t locator = put_chunk(&file, &wrong);
        put_le(&file, locator, 8);
        struct recording *recording = open_file(&file);
        expect_contents(recording);
        recording_close(recording);
    }
}

/* A chunk is as long as it says, and no longer than any may be. */
Test(format, no_recording)
{
    static const struct {
        const char *name;
        struct by_hand chunk;
    } rows[] = {
        {"no meta", {.type = 3, .version = 1, PAYLOAD("\0")}},
        {"meta of a later version", {.type = 1, .version = 2, PAYLOAD("\0")}},
        {"meta without an end",
         {.type = 1,
          .version = 1,
          PAYLOAD("\x01"
                  "9\0\x06")}},
        {"meta that goes on",
         {.type = 1,
          .version = 1,
          .flags = 2,
          PAYLOAD("\x01"
                  "9\0\x06")}},
        {"empty meta", {.type = 1, .version = 1}},
        {"longer than any may be",
         {.type = 1, .version = 1, .flags = 1, PAYLOAD("x"), .raw_bytes = (1u << 20) + 1}},
        {"longer stored than raw",
         {.type = 1, .version = 1, .flags = 1, PAYLOAD("xxxx"), .raw_bytes = 3}},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct file file = {.length = 0};
        char why[400] = "";
        put_chunk(&file, &rows[i].chunk);
        put_chunk(&file, &end);
        cr_expect_null(recording_open_bytes(file.bytes, file.length, why, sizeof(why)), "%s",
                       rows[i].name);
        cr_expect_neq(why[0], 0, "%s", rows[i].name);
    }
}

/* ---- what the fuzzer starts from, and what once made it fail ---------------------------------------------------------- */

#define CORPUS "tests/fuzz/corpus/recording"

static void write_seed(const char *name, const struct file *file)
{
    char path[128];
    snprintf(path, sizeof(path), CORPUS "/%s", name);
    FILE *out = fopen(path, "wb");
    cr_assert_not_null(out, "%s", path);
    cr_assert_eq(fwrite(file->bytes, 1, file->length, out), file->length);
    cr_assert_eq(fclose(out), 0);
}

/* Seeds are made here, out of chunks that nothing has compressed, so that mutations meet every field. */
static void write_seeds(void)
{
    static const struct by_hand *const all[] = {&meta,    &origins, &kinds,
                                                &records, &frames,  &checkpoints};
    static const size_t count = sizeof(all) / sizeof(all[0]);
    struct file file = {.length = 0};
    uint8_t index[256];
    memcpy(index, end.payload, end.payload_bytes - 1);
    uint8_t *at = index + end.payload_bytes - 1;
    *at++ = (uint8_t)count;
    size_t offset = 0;
    sim_time time = 0;
    for (size_t k = 0; k < count; k++) {
        size_t start = put_chunk(&file, all[k]);
        *at++ = all[k]->type;
        at = recording_put_varint(at, start - offset);
        at = recording_put_varint(at,
                                  recording_zigzag((uint64_t)all[k]->first_time, (uint64_t)time));
        at = recording_put_varint(at, (uint64_t)(all[k]->last_time - all[k]->first_time));
        at = recording_put_varint(at, all[k]->records);
        offset = start;
        time = all[k]->last_time;
    }
    write_seed("no-end", &file);
    struct by_hand whole = end;
    whole.payload = (const char *)index;
    whole.payload_bytes = (size_t)(at - index);
    size_t locator = put_chunk(&file, &whole);
    put_le(&file, locator, 8);
    struct recording *recording = open_file(&file);
    expect_contents(recording);
    recording_close(recording);
    write_seed("whole", &file);
}

/* Every file of the corpus is read to its end. ORRERY_WRITE_CORPUS=1 writes the seeds anew. */
Test(format, corpus)
{
    if (getenv("ORRERY_WRITE_CORPUS") != NULL) {
        write_seeds();
    }
    DIR *folder = opendir(CORPUS);
    cr_assert_not_null(folder, CORPUS " is not there");
    uint32_t opened = 0;
    for (struct dirent *entry = readdir(folder); entry != NULL; entry = readdir(folder)) {
        char path[320];
        char why[400] = "";
        size_t length;
        if (entry->d_name[0] == '.') {
            continue;
        }
        snprintf(path, sizeof(path), CORPUS "/%s", entry->d_name);
        uint8_t *bytes = world_slurp(path, &length);
        struct recording *recording = recording_open_bytes(bytes, length, why, sizeof(why));
        if (recording != NULL) {
            struct record record;
            struct recording_frame frame;
            for (uint32_t i = 0; i < recording_origin_count(recording); i++) {
                cr_assert(strlen(recording_origin(recording, i)) <= length, "%s", path);
            }
            while (recording_next(recording, &record)) {
                cr_assert(record.kind < recording_kind_count(recording), "%s", path);
            }
            while (recording_next_frame(recording, &frame)) {
                cr_assert(frame.length <= RECORDING_FRAME_BYTES_MAX, "%s", path);
            }
            recording_check(recording);
            recording_close(recording);
            opened++;
        } else {
            cr_expect_neq(why[0], 0, "%s", path);
        }
        free(bytes);
    }
    closedir(folder);
    cr_expect(opened >= 2, "%u", opened);
}
