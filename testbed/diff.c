#include "testbed/diff.h"

#include "sim/assert.h"
#include "sim/recorder.h"
#include "testbed/run.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#define STEP_NS (10 * SIM_MS)

/* A recording that nobody but us sees: a file without a name, read through a mapping. */
struct scratch {
    int fd; /* -1: none */
    void *map;
    size_t length;
    struct recording *recording;
};

/* What is known of one side, and how often it was run. */
struct side {
    const struct run_input *input;
    struct diff_side *out;
    uint64_t *checkpoints;
    uint32_t checkpoint_count;
    uint64_t *trail;
    uint32_t trail_count;
    uint32_t runs;
    bool departs; /* the recording's scenario does not give the run that the recording holds */
    struct scratch scratch;
};

struct diff {
    const struct diff_options *options;
    struct diff_result *result;
    uint64_t limit; /* no id beyond it is compared, for a recording was cut there */
    struct side side[DIFF_SIDES];
};

/* What a run is to leave behind. */
struct pass {
    uint64_t last;        /* stop when more ids than this are given; UINT64_MAX: run to the end */
    uint64_t trail_first; /* 0: no trail */
    uint64_t write_first; /* 0: nothing is written; else records from there */
    uint64_t write_last;
    bool frames; /* and frames */
};

enum pass_outcome {
    PASS_FAILED,
    PASS_REPEATS, /* the run is the one that is known, as far as it went */
    PASS_DEPARTS,
};

/* ---- scratch recordings --------------------------------------------------------------------------------------------------------- */

static void scratch_close(struct scratch *scratch)
{
    if (scratch->recording != NULL) {
        recording_close(scratch->recording);
    }
    if (scratch->map != NULL) {
        munmap(scratch->map, scratch->length);
    }
    if (scratch->fd >= 0) {
        close(scratch->fd);
    }
    *scratch = (struct scratch){.fd = -1};
}

static bool scratch_open(struct scratch *scratch, char path[PATH_MAX], char *why, size_t capacity)
{
    scratch_close(scratch);
    const char *folder = getenv("TMPDIR");
    snprintf(path, PATH_MAX, "%s/orrery-diff-XXXXXX",
             folder != NULL && *folder != 0 ? folder : "/tmp");
    scratch->fd = mkstemp(path);
    if (scratch->fd < 0) {
        snprintf(why, capacity, "%.300s: %s", path, strerror(errno));
    }
    return scratch->fd >= 0;
}

static bool scratch_read(struct scratch *scratch, char *why, size_t capacity)
{
    struct stat status;
    if (fstat(scratch->fd, &status) != 0 || status.st_size == 0) {
        snprintf(why, capacity, "a scratch recording cannot be read back");
        return false;
    }
    scratch->length = (size_t)status.st_size;
    scratch->map = mmap(NULL, scratch->length, PROT_READ, MAP_PRIVATE, scratch->fd, 0);
    if (scratch->map == MAP_FAILED) {
        snprintf(why, capacity, "a scratch recording: %s", strerror(errno));
        scratch->map = NULL;
        return false;
    }
    scratch->recording = recording_open_bytes(scratch->map, scratch->length, why, capacity);
    return scratch->recording != NULL;
}

/* ---- runs ----------------------------------------------------------------------------------------------------------------------- */

/* True if the run is over, false if it was stopped because more ids than `last` are given. */
static bool go(struct diff *diff, const struct side *side, struct run *run, uint64_t last)
{
    const struct diff_options *options = diff->options;
    uint32_t number = (uint32_t)(side - diff->side);
    enum run_state state = RUN_GOES_ON;
    while (state == RUN_GOES_ON && run_records(run) <= last) {
        state = run_go(run, run_now(run) + STEP_NS);
        if (options->progress != NULL) {
            options->progress(options->context, number, side->runs, run_now(run));
        }
    }
    return state != RUN_GOES_ON;
}

static void keep_checkpoints(struct side *side, const uint64_t *checkpoints, uint32_t count)
{
    free(side->checkpoints);
    side->checkpoints = calloc((size_t)count + 1, sizeof *side->checkpoints);
    SIM_ASSERT(side->checkpoints != NULL);
    if (count > 0) {
        memcpy(side->checkpoints, checkpoints, count * sizeof *checkpoints);
    }
    side->checkpoint_count = count;
}

/* Checkpoints that differ once differ for good, so the last common one speaks for all. */
static bool repeats_so_far(const struct side *side, struct run *run)
{
    uint32_t count = 0;
    const uint64_t *checkpoints = run_checkpoints(run, &count);
    uint32_t common = count < side->checkpoint_count ? count : side->checkpoint_count;
    return common == 0 || checkpoints[common - 1] == side->checkpoints[common - 1];
}

/* Of a recording that was cut short, the checkpoints up to its end. */
static void learn_cut(struct side *side, struct run *run)
{
    uint32_t count = 0;
    const uint64_t *checkpoints = run_checkpoints(run, &count);
    uint64_t whole = side->out->ids / RECORDER_CHECKPOINT;
    if (count > side->checkpoint_count && side->checkpoint_count < whole) {
        keep_checkpoints(side, checkpoints, count < whole ? count : (uint32_t)whole);
    }
}

/* What a first run came to. */
static void learn(struct side *side, struct run *run)
{
    uint32_t count = 0;
    const uint64_t *checkpoints = run_checkpoints(run, &count);
    const struct run_result *result = run_result_of(run);
    keep_checkpoints(side, checkpoints, count);
    side->out->run_hash = result->run_hash;
    memcpy(side->out->hash_text, result->hash_text, sizeof side->out->hash_text);
    side->out->ids = run_records(run);
    side->out->simulated_ns = result->simulated_ns;
}

/* Runs to where the pass wants it, and says whether it is the run that is known; what is known of none, it learns. */
static enum pass_outcome follow(struct diff *diff, struct side *side, struct run *run,
                                const struct pass *pass)
{
    bool known = side->checkpoints != NULL;
    bool over = go(diff, side, run, pass->last);
    bool same = !known || repeats_so_far(side, run);
    if (same && side->out->cut) {
        learn_cut(side, run);
    }
    if (pass->trail_first > 0) {
        side->trail_count = run_trail_count(run);
    }
    if (!run_finish(run, diff->result->why, sizeof diff->result->why)) {
        return PASS_FAILED;
    }
    if (!over) {
        return same ? PASS_REPEATS : PASS_DEPARTS;
    }
    /* The end of a run writes records too. */
    if (pass->trail_first > 0) {
        side->trail_count = run_trail_count(run);
    }
    if (!known) {
        learn(side, run);
        return PASS_REPEATS;
    }
    if (!side->out->cut) {
        same = run_result_of(run)->run_hash == side->out->run_hash;
    }
    return same ? PASS_REPEATS : PASS_DEPARTS;
}

/* Runs a side once more. */
static enum pass_outcome run_pass(struct diff *diff, struct side *side, const struct pass *pass)
{
    char path[PATH_MAX] = "", *why = diff->result->why;
    const size_t capacity = sizeof diff->result->why;
    struct run_options options = {
        .scenario = side->input->scenario,
        .recording = side->input->recording,
        .pcap = {.until = SIM_NEVER},
        .until = side->input->until,
        .until_text = side->input->until_text,
        .version = diff->options->version,
        .record_frames = pass->frames,
        .record_first = pass->write_first,
        .record_last = pass->write_last,
    };
    side->runs++;
    if (pass->trail_first > 0) {
        SIM_ASSERT(side->trail == NULL);
        side->trail = calloc(RECORDER_CHECKPOINT, sizeof *side->trail);
        SIM_ASSERT(side->trail != NULL);
        options.trail = side->trail;
        options.trail_first = pass->trail_first;
        options.trail_capacity = RECORDER_CHECKPOINT;
    }
    if (pass->write_first > 0) {
        if (!scratch_open(&side->scratch, path, why, capacity)) {
            return PASS_FAILED;
        }
        options.record = path;
    }
    struct run *run = run_new(&options, why, capacity);
    if (path[0] != 0) {
        unlink(path); /* the descriptors that are open hold it */
    }
    if (run == NULL) {
        return PASS_FAILED;
    }
    enum pass_outcome outcome = follow(diff, side, run, pass);
    run_free(run);
    if (outcome != PASS_FAILED && path[0] != 0 && !scratch_read(&side->scratch, why, capacity)) {
        outcome = PASS_FAILED;
    }
    return outcome;
}

/* ---- checkpoints ---------------------------------------------------------------------------------------------------------------- */

/* Takes them from the recording; false where it has none, or lost one. */
static bool take_recorded(struct side *side)
{
    struct recording *recording = side->input->recording;
    if (recording == NULL) {
        return false;
    }
    uint32_t count = 0;
    const uint64_t *checkpoints = recording_checkpoints(recording, &count);
    uint32_t intact = 0;
    while (intact < count && checkpoints[intact] != 0) {
        intact++;
    }
    bool complete = recording_complete(recording);
    if (complete && intact < count) {
        return false;
    }
    side->out->recorded = true;
    side->out->cut = !complete;
    keep_checkpoints(side, checkpoints, intact);
    side->out->simulated_ns = recording_last_time(recording);
    if (complete) {
        side->out->run_hash = recording_hash(recording);
        snprintf(side->out->hash_text, sizeof side->out->hash_text, "%016llx",
                 (unsigned long long)side->out->run_hash);
    }
    return true;
}

/* The first checkpoint that differs, or how many both have. */
static uint32_t bisect(const struct side *a, const struct side *b)
{
    uint32_t low = 0;
    uint32_t high =
        a->checkpoint_count < b->checkpoint_count ? a->checkpoint_count : b->checkpoint_count;
    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        if (a->checkpoints[middle] == b->checkpoints[middle]) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return low;
}

/* ---- the difference ------------------------------------------------------------------------------------------------------------- */

/* Where a side's records are read: what was written out, or the recording itself. */
static struct recording *source_of(const struct side *side)
{
    return side->scratch.recording != NULL ? side->scratch.recording : side->input->recording;
}

/* The records, and a few of the frames, in front of `id`: read twice, for a ring would have to hold what is then dropped. */
static void find_context(struct diff_result *result, struct recording *recording, uint64_t id)
{
    struct diff_stream stream;
    struct diff_entry *entry = malloc(sizeof *entry);
    uint64_t first = id > DIFF_WINDOW ? id - DIFF_WINDOW : 1;
    uint64_t frames[DIFF_CONTEXT_FRAMES] = {0}, records[DIFF_CONTEXT - DIFF_CONTEXT_FRAMES] = {0};
    uint64_t frame_count = 0, record_count = 0;
    const uint64_t record_room = sizeof records / sizeof records[0];
    SIM_ASSERT(entry != NULL);
    diff_stream_open(&stream, recording);
    diff_stream_skip(&stream, first);
    for (; diff_stream_id(&stream) != 0 && diff_stream_id(&stream) < id;
         diff_stream_next(&stream)) {
        if (diff_stream_at_frame(&stream)) {
            frames[frame_count++ % DIFF_CONTEXT_FRAMES] = diff_stream_id(&stream);
        } else {
            records[record_count++ % record_room] = diff_stream_id(&stream);
        }
    }
    diff_stream_open(&stream, recording);
    for (diff_stream_skip(&stream, first);
         diff_stream_id(&stream) != 0 && diff_stream_id(&stream) < id; diff_stream_next(&stream)) {
        bool wanted = false;
        for (uint32_t i = 0; i < DIFF_CONTEXT; i++) {
            uint64_t kept = i < DIFF_CONTEXT_FRAMES ? frames[i] : records[i - DIFF_CONTEXT_FRAMES];
            wanted = wanted || kept == diff_stream_id(&stream);
        }
        if (wanted) {
            SIM_ASSERT(result->context_count < DIFF_CONTEXT);
            diff_stream_entry(&stream, entry);
            diff_entry_line(entry, result->context[result->context_count++]);
        }
    }
    free(entry);
}

/* Spells out what a recording has under `id`. */
static void find_entry(struct recording *recording, uint64_t id, struct diff_entry *entry)
{
    struct diff_stream stream;
    diff_stream_open(&stream, recording);
    diff_stream_skip(&stream, id);
    if (diff_stream_id(&stream) == id) {
        diff_stream_entry(&stream, entry);
        return;
    }
    memset(entry, 0, sizeof *entry);
    if (diff_stream_id(&stream) != 0) {
        entry->sort = DIFF_UNSEEN_FRAME;
        entry->id = id;
    }
}

/* A frame carries no cause. What its machine last said is the nearest thing to one. */
static void find_sender(struct recording *recording, const struct diff_entry *frame,
                        struct diff_entry *cause)
{
    const char *part = diff_entry_value(frame, "part");
    size_t length = strcspn(part, "/");
    struct diff_stream stream;
    uint64_t found = 0;
    diff_stream_open(&stream, recording);
    for (; diff_stream_id(&stream) != 0 && diff_stream_id(&stream) < frame->id;
         diff_stream_next(&stream)) {
        if (!diff_stream_at_frame(&stream)) {
            const char *origin = recording_origin(recording, stream.record.origin);
            bool same = strncmp(origin, part, length) == 0 &&
                        (origin[length] == 0 || origin[length] == '/');
            found = same ? stream.record.id : found;
        }
    }
    if (found != 0) {
        find_entry(recording, found, cause);
    }
}

/* The cause may lie far back: then it takes one more run to write it out. */
static bool find_cause(struct diff *diff, struct side *side)
{
    uint64_t cause = side->out->at.cause;
    uint64_t id = diff->result->id;
    if (side->out->at.sort == DIFF_FRAME) {
        find_sender(source_of(side), &side->out->at, &side->out->cause);
    }
    if (cause == 0) {
        return true;
    }
    uint64_t window = id > DIFF_WINDOW ? id - DIFF_WINDOW : 1;
    if (side->scratch.recording != NULL && cause < window) {
        const struct pass pass = {
            .last = cause, .write_first = cause, .write_last = cause, .frames = true};
        if (run_pass(diff, side, &pass) == PASS_FAILED) {
            return false;
        }
    }
    find_entry(source_of(side), cause, &side->out->cause);
    return true;
}

static enum diff_outcome describe(struct diff *diff, uint64_t id)
{
    struct diff_result *result = diff->result;
    result->id = id;
    for (uint32_t i = 0; i < DIFF_SIDES; i++) {
        find_entry(source_of(&diff->side[i]), id, &result->side[i].at);
    }
    find_context(result, source_of(&diff->side[0]), id);
    for (uint32_t i = 0; i < DIFF_SIDES; i++) {
        if (!find_cause(diff, &diff->side[i])) {
            return DIFF_FAILED;
        }
    }
    return DIFF_DIFFERENT;
}

/* Both sides can be repeated: the trails say which id it is, and what is around it is written out. */
static enum diff_outcome compare_trails(struct diff *diff, uint64_t first)
{
    struct diff_result *result = diff->result;
    const struct side *a = &diff->side[0], *b = &diff->side[1];
    uint64_t common = a->trail_count < b->trail_count ? a->trail_count : b->trail_count;
    uint64_t at = 0;
    SIM_ASSERT(first <= diff->limit);
    while (at < common && first + at <= diff->limit && a->trail[at] == b->trail[at]) {
        at++;
    }
    uint64_t id = first + at;
    if (id > diff->limit) {
        result->id = diff->limit;
        return DIFF_EQUAL_SO_FAR;
    }
    /* Without a difference in what both have, one of them ends here. */
    SIM_ASSERT(at < common || a->trail_count != b->trail_count);
    const struct pass pass = {
        .last = id,
        .write_first = id > DIFF_WINDOW ? id - DIFF_WINDOW : 1,
        .write_last = id,
        .frames = true,
    };
    for (uint32_t i = 0; i < DIFF_SIDES; i++) {
        if (run_pass(diff, &diff->side[i], &pass) == PASS_FAILED) {
            return DIFF_FAILED;
        }
    }
    return describe(diff, id);
}

/* D3: one interval, from `first` on, as far as the records of a recording tell. */
static enum diff_outcome compare_records(struct diff *diff, uint64_t first)
{
    struct diff_result *result = diff->result;
    struct diff_stream streams[DIFF_SIDES];
    uint64_t last = first + RECORDER_CHECKPOINT - 1;
    result->id = first - 1;
    for (uint32_t i = 0; i < DIFF_SIDES; i++) {
        diff_stream_open(&streams[i], source_of(&diff->side[i]));
        diff_stream_skip_to_record(&streams[i], first);
    }
    while (diff_stream_id(&streams[0]) != 0 && diff_stream_id(&streams[0]) <= last &&
           diff_stream_same(&streams[0], &streams[1])) {
        result->id = diff_stream_id(&streams[0]);
        for (uint32_t i = 0; i < DIFF_SIDES; i++) {
            diff_stream_skip_to_record(&streams[i], result->id + 1);
        }
    }
    uint64_t id[DIFF_SIDES];
    bool cut = false;
    for (uint32_t i = 0; i < DIFF_SIDES; i++) {
        id[i] = diff_stream_id(&streams[i]);
        cut = cut || (id[i] == 0 && diff->side[i].out->cut);
        id[i] = id[i] <= last ? id[i] : 0;
    }
    if (cut) {
        return DIFF_EQUAL_SO_FAR;
    }
    if (id[0] == 0 && id[1] == 0) {
        result->frames_only = true;
        return DIFF_DIFFERENT;
    }
    return describe(diff, id[0] == 0 || (id[1] != 0 && id[1] < id[0]) ? id[1] : id[0]);
}

/* The records of a side that departs are in its recording; those of the other come from there too, or from a run. */
static enum diff_outcome compare_recorded(struct diff *diff)
{
    uint64_t first = (uint64_t)bisect(&diff->side[0], &diff->side[1]) * RECORDER_CHECKPOINT + 1;
    for (uint32_t i = 0; i < DIFF_SIDES; i++) {
        struct side *side = &diff->side[i];
        const struct pass pass = {.last = first + RECORDER_CHECKPOINT - 1,
                                  .write_first = first,
                                  .write_last = first + RECORDER_CHECKPOINT - 1};
        scratch_close(&side->scratch);
        side->out->as_recorded = side->departs;
        if (side->input->recording == NULL && run_pass(diff, side, &pass) == PASS_FAILED) {
            return DIFF_FAILED;
        }
    }
    return compare_records(diff, first);
}

/* Of a recording that was cut short, checkpoints may be missing behind records that are there: a run gives them. */
static bool extend_cut(struct diff *diff, struct side *side)
{
    struct diff_stream stream;
    uint64_t last = 0;
    side->out->simulated_ns = 0;
    diff_stream_open(&stream, side->input->recording);
    for (; diff_stream_id(&stream) != 0; diff_stream_next(&stream)) {
        last = diff_stream_id(&stream);
        side->out->simulated_ns = diff_stream_time(&stream);
    }
    side->out->ids = last;
    const struct pass pass = {.last = last};
    enum pass_outcome outcome = run_pass(diff, side, &pass);
    side->departs = outcome == PASS_DEPARTS;
    diff->limit = last < diff->limit ? last : diff->limit;
    return outcome != PASS_FAILED;
}

static bool find_checkpoints(struct diff *diff, struct side *side)
{
    const struct pass all = {.last = UINT64_MAX};
    if (!take_recorded(side)) {
        return run_pass(diff, side, &all) != PASS_FAILED;
    }
    return !side->out->cut || extend_cut(diff, side);
}

static enum diff_outcome compare(struct diff *diff)
{
    struct side *a = &diff->side[0], *b = &diff->side[1];
    for (uint32_t i = 0; i < DIFF_SIDES; i++) {
        if (!find_checkpoints(diff, &diff->side[i])) {
            return DIFF_FAILED;
        }
    }
    if (!a->out->cut && !b->out->cut && a->out->run_hash == b->out->run_hash) {
        return DIFF_EQUAL;
    }
    uint64_t first = (uint64_t)bisect(a, b) * RECORDER_CHECKPOINT + 1;
    if (first > diff->limit) {
        diff->result->id = diff->limit;
        return diff->limit > 0 ? DIFF_EQUAL_SO_FAR : DIFF_NOTHING_LEFT;
    }
    const struct pass pass = {.last = first + RECORDER_CHECKPOINT - 1, .trail_first = first};
    for (uint32_t i = 0; i < DIFF_SIDES && !a->departs && !b->departs; i++) {
        struct side *side = &diff->side[i];
        enum pass_outcome outcome = run_pass(diff, side, &pass);
        if (outcome == PASS_FAILED) {
            return DIFF_FAILED;
        }
        side->departs = outcome == PASS_DEPARTS;
        if (side->departs && side->input->recording == NULL) {
            return DIFF_NOT_REPEATABLE;
        }
    }
    return a->departs || b->departs ? compare_recorded(diff) : compare_trails(diff, first);
}

/* The instant that diff_result.time promises. */
static void find_time(struct diff_result *result)
{
    bool different = result->outcome == DIFF_DIFFERENT && !result->frames_only;
    result->time = SIM_NEVER;
    for (uint32_t i = 0; i < DIFF_SIDES; i++) {
        const struct diff_side *side = &result->side[i];
        bool counts = different ? side->at.sort == DIFF_RECORD || side->at.sort == DIFF_FRAME
                                : result->outcome != DIFF_EQUAL_SO_FAR || side->cut;
        sim_time time = different ? side->at.time : side->simulated_ns;
        result->time = counts && time < result->time ? time : result->time;
    }
}

struct diff_result *diff_run(const struct run_input inputs[DIFF_SIDES],
                             const struct diff_options *options)
{
    struct diff diff = {
        .options = options, .limit = UINT64_MAX, .result = calloc(1, sizeof *diff.result)};
    SIM_ASSERT(diff.result != NULL);
    for (uint32_t i = 0; i < DIFF_SIDES; i++) {
        diff.side[i] =
            (struct side){.input = &inputs[i], .out = &diff.result->side[i], .scratch = {.fd = -1}};
    }
    diff.result->outcome = compare(&diff);
    find_time(diff.result);
    for (uint32_t i = 0; i < DIFF_SIDES; i++) {
        scratch_close(&diff.side[i].scratch);
        free(diff.side[i].checkpoints);
        free(diff.side[i].trail);
    }
    return diff.result;
}

void diff_free(struct diff_result *result)
{
    free(result);
}
