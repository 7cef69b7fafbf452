/* Frames of a recording, against the captures of the same run: two ways out for one thing. */
#include "sim/machine.h"
#include "tests/outputs/output_run.h"

#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

#define LINKS_MAX 16u

/* A capture, read by hand: https://www.ietf.org/archive/id/draft-gharris-opsawg-pcap-01.html. */
struct reader {
    char name[64]; /* of the link */
    uint8_t *bytes;
    size_t length, at;
    uint64_t frames;
};

static uint32_t word(const struct reader *reader, size_t at)
{
    uint32_t value;
    memcpy(&value, reader->bytes + at, sizeof value);
    return value;
}

static void reader_open(struct reader *reader, const struct output_run *run, const char *link)
{
    char path[PATH_MAX];
    *reader = (struct reader){.at = 24};
    snprintf(reader->name, sizeof reader->name, "%s", link);
    int length = snprintf(path, sizeof path, "%.100s/%s.pcap", run->captures, link);
    for (char *c = path + length - 1; *c != '/' || c > path + strlen(run->captures); c--) {
        *c = *c == '/' ? '-' : *c;
    }
    reader->bytes = output_run_read(path, &reader->length);
    cr_assert_geq(reader->length, 24);
    cr_assert_eq(word(reader, 0), 0xa1b23c4d, "nanoseconds, in our byte order");
}

/* The next frame of the capture is this one. */
static void expect_frame(struct reader *reader, const struct recording_frame *frame)
{
    cr_assert_leq(reader->at + 16, reader->length, "%s: frame %lu is not in the capture",
                  reader->name, (unsigned long)reader->frames);
    int64_t seconds = word(reader, reader->at), nanoseconds = word(reader, reader->at + 4);
    uint32_t length = word(reader, reader->at + 8);
    sim_time at = (seconds - SIM_WALL_CLOCK_START / SIM_S) * SIM_S + nanoseconds;
    cr_assert_eq(at, frame->time, "%s: frame %lu", reader->name, (unsigned long)reader->frames);
    cr_assert_eq(length, frame->length, "%s: frame %lu", reader->name,
                 (unsigned long)reader->frames);
    cr_assert_arr_eq(reader->bytes + reader->at + 16, frame->bytes, length);
    reader->at += 16 + length;
    reader->frames++;
}

/* "node1/lan>" is a direction of the link "node1/lan". */
static struct reader *reader_of(struct reader *readers, uint32_t *count,
                                const struct output_run *run, const char *direction)
{
    char link[64];
    snprintf(link, sizeof link, "%s", direction);
    link[strlen(link) - 1] = 0;
    for (uint32_t i = 0; i < *count; i++) {
        if (strcmp(readers[i].name, link) == 0) {
            return &readers[i];
        }
    }
    cr_assert_lt(*count, LINKS_MAX);
    reader_open(&readers[*count], run, link);
    return &readers[(*count)++];
}

/* A scenario in which no link loses what has arrived: a capture does not have what is lost. */
Test(frames, are_those_of_the_captures)
{
    struct output_run run;
    char why[512];
    output_run(&run, &(struct output_run_options){.scenario = "small-migration",
                                                  .record = true,
                                                  .frames = true,
                                                  .pcap = true,
                                                  .pages = "web"});
    struct recording *recording = recording_open(run.recording, why, sizeof why);
    cr_assert_not_null(recording, "%s", why);
    struct reader readers[LINKS_MAX];
    struct recording_frame frame;
    uint32_t count = 0;
    uint64_t frames = 0, last = 0;
    while (recording_next_frame(recording, &frame)) {
        expect_frame(reader_of(readers, &count, &run, recording_origin(recording, frame.link)),
                     &frame);
        cr_assert_gt(frame.id, last);
        last = frame.id;
        frames++;
    }
    cr_expect_eq(count, 6, "links with frames: %u", count);
    cr_expect_gt(frames, 1000);
    cr_expect_eq(frames, recording_frame_count(recording));
    for (uint32_t i = 0; i < count; i++) {
        cr_expect_eq(readers[i].at, readers[i].length, "%s: the capture has more", readers[i].name);
        free(readers[i].bytes);
    }
    cr_expect_str_eq(recording_damage(recording), "");
    recording_close(recording);
    output_run_close(&run);
}

/* Records and frames take ids from one count: with frames written, none is missing. */
Test(frames, fill_the_gaps_between_records)
{
    static const struct {
        const char *name;
        uint64_t first, last; /* 0: all */
    } windows[] = {{"all", 0, 0}, {"one id", 4000, 4000}, {"an interval", 3000, 4999}};
    for (size_t i = 0; i < sizeof windows / sizeof windows[0]; i++) {
        struct output_run run;
        char why[512];
        output_run(&run, &(struct output_run_options){.scenario = "small-migration",
                                                      .record = true,
                                                      .frames = true,
                                                      .first = windows[i].first,
                                                      .last = windows[i].last});
        uint64_t first = windows[i].first != 0 ? windows[i].first : 1;
        uint64_t last = windows[i].last != 0 ? windows[i].last : run.records;
        cr_assert_leq(last, run.records, "%s", windows[i].name);
        uint8_t *seen = calloc(run.records + 1, 1);
        cr_assert_not_null(seen);
        struct recording *recording = recording_open(run.recording, why, sizeof why);
        cr_assert_not_null(recording, "%s", why);
        struct record record;
        struct recording_frame frame;
        while (recording_next(recording, &record)) {
            seen[record.id]++;
        }
        while (recording_next_frame(recording, &frame)) {
            seen[frame.id]++;
        }
        for (uint64_t id = 1; id <= run.records; id++) {
            cr_assert_eq(seen[id], id >= first && id <= last, "%s: id %lu stands there %u times",
                         windows[i].name, (unsigned long)id, seen[id]);
        }
        free(seen);
        recording_close(recording);
        output_run_close(&run);
    }
}
