#include "testbed/run.h"

#include "sim/assert.h"
#include "sim/chance.h"
#include "sim/recording_writer.h"
#include "testbed/judge.h"
#include "testbed/oracles.h"
#include "testbed/resolved.h"
#include "testbed/timeline.h"
#include "testbed/trace_file.h"
#include "testbed/world.h"

#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

/* A file that the scenario names, read once however many VMs use it. */
struct input {
    const char *path; /* as the scenario names it */
    struct scenario_replay replay;
    void *bytes;
    size_t length;
    struct page_trace *trace;
};

struct run {
    struct run_options options;
    struct input *inputs;
    uint32_t input_count;
    struct page_trace **traces; /* by VM */
    struct world *world;
    struct judge *judge;
    struct oracles *oracles;
    struct timeline *timeline;
    struct recording_writer *writer;
    struct capture **captures;
    uint32_t capture_count;
    const char *ended;
    bool finished;
    bool interrupted;
    uint64_t draws_before; /* chance_draws when the run was made */
    struct run_result result;
    char failed_by[16];
};

/* ---- inputs ----------------------------------------------------------------------------------------------------------------- */

static bool read_file(const char *path, void **bytes, size_t *length, char *why, size_t capacity)
{
    FILE *file = fopen(path, "rb");
    struct stat status;
    *bytes = NULL;
    if (file == NULL || fstat(fileno(file), &status) != 0) {
        snprintf(why, capacity, "%s: %s", path, strerror(errno));
        if (file != NULL) {
            fclose(file);
        }
        return false;
    }
    *length = (size_t)status.st_size;
    *bytes = malloc(*length > 0 ? *length : 1);
    SIM_ASSERT(*bytes != NULL);
    bool read = fread(*bytes, 1, *length, file) == *length;
    if (!read) {
        snprintf(why, capacity, "%s: %s", path,
                 ferror(file) ? strerror(errno) : "it became shorter while it was read");
        free(*bytes);
        *bytes = NULL;
    }
    fclose(file);
    return read;
}

/* The file's content from the recording if it is there; from the disk otherwise, and then it must be the one that was recorded. */
static bool read_input(const struct run *run, struct input *input, char *why, size_t capacity)
{
    const struct recording *recording = run->options.recording;
    const char *path = NULL;
    uint64_t length = 0, digest = 0;
    const void *bytes = NULL;
    char full[PATH_MAX];
    bool recorded = false;
    for (uint32_t i = 0; recording != NULL && !recorded &&
                         recording_file(recording, i, &path, &length, &digest, &bytes);
         i++) {
        recorded = strcmp(path, input->path) == 0;
    }
    if (recorded && bytes != NULL) {
        input->length = (size_t)length;
        input->bytes = malloc(input->length + 1);
        SIM_ASSERT(input->bytes != NULL);
        memcpy(input->bytes, bytes, input->length);
        return true;
    }
    if (!scenario_replay_path(run->options.scenario, &input->replay, full, sizeof full)) {
        snprintf(why, capacity, "%s: %s", input->path,
                 input->replay.like == SCENARIO_LIKE_NONE ? "the path is too long"
                                                          : "does not lie beside the program");
        return false;
    }
    if (!read_file(full, &input->bytes, &input->length, why, capacity)) {
        return false;
    }
    if (recorded &&
        (input->length != length || recording_digest(input->bytes, input->length) != digest)) {
        snprintf(why, capacity, "%s: not the file that the recorded run read", full);
        return false;
    }
    return true;
}

static struct input *input_of(struct run *run, const struct scenario_replay *replay)
{
    for (uint32_t i = 0; i < run->input_count; i++) {
        if (run->inputs[i].replay.like == replay->like &&
            strcmp(run->inputs[i].path, replay->file) == 0) {
            return &run->inputs[i];
        }
    }
    struct input *input = &run->inputs[run->input_count++];
    input->path = replay->file;
    input->replay = *replay;
    return input;
}

static bool read_traces(struct run *run, char *why, size_t capacity)
{
    const struct scenario *scenario = run->options.scenario;
    run->inputs = calloc(scenario->vm_count + 1, sizeof *run->inputs);
    run->traces = calloc(scenario->vm_count + 1, sizeof *run->traces);
    SIM_ASSERT(run->inputs != NULL && run->traces != NULL);
    for (uint32_t i = 0; i < scenario->vm_count; i++) {
        struct scenario_replay wanted;
        if (!scenario_guest_replay(&scenario->vms[i].guest, &wanted)) {
            continue;
        }
        struct input *input = input_of(run, &wanted);
        if (input->bytes == NULL) {
            if (!read_input(run, input, why, capacity)) {
                return false;
            }
            input->trace =
                trace_file_parse(input->path, input->bytes, input->length, why, capacity);
            if (input->trace == NULL) {
                return false;
            }
        }
        run->traces[i] = input->trace;
        uint64_t room = (uint64_t)(scenario->vms[i].memory_bytes - wanted.offset_bytes) /
                        (uint64_t)wanted.copies / PAGE_BYTES;
        if (input->trace->ram_pages > room) {
            snprintf(why, capacity,
                     "%s: the trace is of %llu pages, but %s has room for %llu from that offset",
                     wanted.file, (unsigned long long)input->trace->ram_pages,
                     scenario->vms[i].name, (unsigned long long)room);
            return false;
        }
    }
    return true;
}

/* ---- outputs ------------------------------------------------------------------------------------------------------------------ */

static bool open_recording(struct run *run, char *why, size_t capacity)
{
    if (run->options.record == NULL) {
        return true;
    }
    struct recording_file *files = calloc(run->input_count + 1, sizeof *files);
    SIM_ASSERT(files != NULL);
    for (uint32_t i = 0; i < run->input_count; i++) {
        files[i] = (struct recording_file){run->inputs[i].path, run->inputs[i].bytes,
                                           run->inputs[i].length};
    }
    char *text = resolved_text(run->options.scenario, NULL);
    const struct recording_meta meta = {
        .orrery_version = run->options.version,
        .scenario_path = run->options.scenario->file,
        .resolved_scenario = text,
        .seed = (uint64_t)run->options.scenario->seed,
        .until = run->options.until_text != NULL ? run->options.until_text : "",
        .files = files,
        .file_count = run->input_count,
    };
    run->writer =
        recording_writer_new(run->options.record, &meta, run->world->recorder, why, capacity);
    free(text);
    free(files);
    if (run->writer == NULL) {
        return false;
    }
    recorder_write_to(run->world->recorder, run->writer);
    if (run->options.record_frames) {
        recorder_want_frames(run->world->recorder);
    }
    if (run->options.record_last > 0) {
        recorder_write_ids(run->world->recorder, run->options.record_first,
                           run->options.record_last);
    }
    return true;
}

/* The states of a VM's pages, or of all VMs'. */
static void want_pages(struct run *run)
{
    const char *wanted = run->options.record_pages;
    if (wanted == NULL) {
        return;
    }
    bool all = strcmp(wanted, "all") == 0;
    const struct vm_spec *spec = all ? NULL : vm_world_spec(&run->world->vms, wanted);
    SIM_ASSERT(all || spec != NULL);
    vm_world_record_pages(&run->world->vms, spec);
}

/* The other end of a cable: its number, or SIM_NONE where the link goes to a switch. */
static uint32_t other_end(const struct run *run, uint32_t link)
{
    for (uint32_t i = 0; i < run->options.scenario->link_count; i++) {
        if (i != link && run->world->links[i].from == run->world->links[link].to) {
            return i;
        }
    }
    return SIM_NONE;
}

/* "/" is "-" in names of files, so names of two links can come to the same file: "a-b/c" and "a/b-c". A later one is numbered. */
static void capture_name(const struct scenario *scenario, uint32_t link, char *out, size_t capacity)
{
    const char *name = scenario->links[link].name;
    uint32_t same = 0;
    for (uint32_t i = 0; i < link; i++) {
        const char *a = scenario->links[i].name, *b = name;
        while (*a != 0 && (*a == *b || (strchr("/-", *a) != NULL && strchr("/-", *b) != NULL))) {
            a++;
            b++;
        }
        same += *a == *b;
    }
    if (same == 0) {
        snprintf(out, capacity, "%s", name);
    } else {
        snprintf(out, capacity, "%s+%u", name, same + 1);
    }
}

static bool open_capture(struct run *run, uint32_t index, char *why, size_t capacity)
{
    const struct scenario *scenario = run->options.scenario;
    const struct scenario_link *part = &scenario->links[index];
    const struct world_link *link = &run->world->links[index];
    bool ppp = scenario->networks[part->network].framing == SCENARIO_PPP;
    char name[256];
    capture_name(scenario, index, name, sizeof name);
    struct capture *capture = capture_new(&run->world->net, &run->options.pcap, name,
                                          ppp ? LINK_PPP : LINK_ETHERNET, why, capacity);
    if (capture == NULL) {
        return false;
    }
    run->captures[run->capture_count++] = capture;
    capture_tap(capture, link->from);
    capture_tap(capture, link->to);
    return true;
}

/* One capture for each link; the two ends of a cable share the wire, which goes to the capture of the first, asked for by either name. */
static bool open_captures(struct run *run, char *why, size_t capacity)
{
    const struct scenario *scenario = run->options.scenario;
    const struct pcap_options *pcap = &run->options.pcap;
    if (pcap->directory == NULL) {
        return true;
    }
    run->captures = calloc(scenario->link_count + 1, sizeof(struct capture *));
    SIM_ASSERT(run->captures != NULL);
    for (uint32_t i = 0; i < scenario->link_count; i++) {
        uint32_t other = other_end(run, i);
        bool wanted = capture_wanted(pcap, scenario->links[i].name) ||
                      (other != SIM_NONE && capture_wanted(pcap, scenario->links[other].name));
        if (wanted && (other == SIM_NONE || i < other) && !open_capture(run, i, why, capacity)) {
            return false;
        }
    }
    if (run->capture_count == 0) {
        snprintf(why, capacity, "no link is named like '%s'%s%s", pcap->link_glob,
                 scenario->link_count > 0 ? "; the first is " : "",
                 scenario->link_count > 0 ? scenario->links[0].name : "");
        return false;
    }
    return true;
}

/* Closes what is open; keeps the first message. */
static bool close_outputs(struct run *run, char *why, size_t capacity)
{
    static const char *const verdicts[] = {
        [RUN_PASS] = "pass", [RUN_FAIL] = "fail", [RUN_UNKNOWN] = "unknown"};
    bool good = true;
    char ignored[256];
    for (uint32_t i = 0; i < run->capture_count; i++) {
        bool closed =
            capture_close(run->captures[i], good ? why : ignored, good ? capacity : sizeof ignored);
        good = good && closed;
    }
    run->capture_count = 0;
    if (run->writer != NULL) {
        recorder_write_to(run->world->recorder, NULL);
        bool closed =
            recording_writer_close(run->writer, verdicts[run->result.verdict], run->result.run_hash,
                                   good ? why : ignored, good ? capacity : sizeof ignored);
        good = good && closed;
        run->writer = NULL;
    }
    return good;
}

/* ---- life ----------------------------------------------------------------------------------------------------------------------- */

struct run *run_new(const struct run_options *options, char *why, size_t why_capacity)
{
    struct run *run = calloc(1, sizeof *run);
    SIM_ASSERT(run != NULL);
    run->options = *options;
    run->draws_before = chance_draws();
    if (!read_traces(run, why, why_capacity)) {
        run_free(run);
        return NULL;
    }
    run->world = world_new(options->scenario, &(struct world_inputs){.traces = run->traces});
    if (options->trail != NULL) {
        recorder_trail(run->world->recorder, options->trail_first, options->trail,
                       options->trail_capacity);
    }
    run->judge = judge_new(options->scenario, run->world->recorder, run->world->sim,
                           run->world->control_origin);
    run->oracles = oracles_new(options->scenario, run->world->recorder);
    run->timeline = timeline_new(run->world, run->judge, &run->options.sweep);
    judge_expect(run->judge);
    want_pages(run);
    /* The recording last: until it is there, nothing says that there was a run. */
    if (!open_captures(run, why, why_capacity) || !open_recording(run, why, why_capacity)) {
        char ignored[256];
        (void)!run_finish(run, ignored, sizeof ignored);
        run_free(run);
        return NULL;
    }
    return run;
}

sim_time run_now(const struct run *run)
{
    return sim_now(run->world->sim);
}

uint64_t run_events(const struct run *run)
{
    return sim_events_run(run->world->sim);
}

uint64_t run_records(const struct run *run)
{
    return recorder_records(run->world->recorder);
}

sim_time run_end_at_most(const struct run *run)
{
    sim_time at_most = timeline_at_most(run->timeline);
    return run->options.until < at_most ? run->options.until : at_most;
}

void run_interrupt(struct run *run)
{
    sim_interrupt(run->world->sim);
}

enum run_state run_go(struct run *run, sim_time until)
{
    sim_time limit = run_end_at_most(run);
    enum sim_stop stop = sim_run(run->world->sim, until < limit ? until : limit);
    if (timeline_ended(run->timeline) != NULL) {
        run->ended = timeline_ended(run->timeline);
        return RUN_OVER;
    }
    if (stop == SIM_STOP_ASKED) {
        run->ended = RUN_INTERRUPTED_TEXT;
        run->interrupted = true;
        return RUN_INTERRUPTED;
    }
    if (stop == SIM_STOP_IDLE) {
        run->ended = "nothing was left to happen";
        return RUN_OVER;
    }
    if (until < limit) {
        return RUN_GOES_ON;
    }
    run->ended = run->options.until < timeline_at_most(run->timeline)
                     ? "the time limit of the command was reached"
                     : "the longest time that the scenario allows was reached";
    return RUN_OVER;
}

/* What an assertion says of a run that is being taken down; while it goes on, the kernel says more. */
static void describe_end(void *context, char *out, size_t capacity)
{
    const struct run *run = context;
    uint64_t now = (uint64_t)run_now(run);
    snprintf(out, capacity,
             "at %" PRIu64 ".%09" PRIu64 " s, while the run was taken down, seed %lld",
             now / (uint64_t)SIM_S, now % (uint64_t)SIM_S, (long long)run->options.scenario->seed);
}

bool run_finish(struct run *run, char *why, size_t why_capacity)
{
    struct world *world = run->world;
    SIM_ASSERT(!run->finished);
    run->finished = true;
    sim_assert_describer(describe_end, run);
    sim_time now = sim_now(world->sim);
    timeline_finish(run->timeline);
    world_record_totals(world);
    if (run->interrupted) {
        judge_cut_short(run->judge);
    }
    judge_finish(run->judge, now);
    timeline_free(run->timeline);
    run->timeline = NULL;
    judge_rest(run->judge);
    world_take_down(world);
    const int64_t values[] = {(int64_t)sim_events_run(world->sim)};
    world_say(world, RUN_ENDS, world->control_origin, 0, values,
              run->ended != NULL ? run->ended : "not started");
    oracles_finish(run->oracles, now);
    struct run_hash hash = recorder_hash(world->recorder);
    run->result = (struct run_result){
        .scenario = run->options.scenario,
        .judge = run->judge,
        .oracles = run->oracles,
        .ended = run->ended != NULL ? run->ended : "not started",
        .interrupted = run->interrupted,
        .formula = run->options.formula,
        .repeat = run->options.repeat != NULL ? run->options.repeat : "",
        .run_hash = run_hash_value(&hash),
        .simulated_ns = now,
        .events = sim_events_run(world->sim),
        .draws = chance_draws() - run->draws_before,
        .version = run->options.version,
    };
    run_hash_text(&hash, run->result.hash_text);
    run_result_decide(&run->result);
    sim_assert_describer(NULL, NULL);
    return close_outputs(run, why, why_capacity);
}

const struct run_result *run_result_of(const struct run *run)
{
    SIM_ASSERT(run->finished);
    return &run->result;
}

struct world *run_world(struct run *run)
{
    return run->world;
}

const struct judge *run_judge(const struct run *run)
{
    return run->judge;
}

const uint64_t *run_checkpoints(struct run *run, uint32_t *count)
{
    return recorder_checkpoints(run->world->recorder, count);
}

uint32_t run_trail_count(struct run *run)
{
    return recorder_trail_count(run->world->recorder);
}

void run_free(struct run *run)
{
    SIM_ASSERT(run->world == NULL || run->finished);
    if (run->world != NULL) {
        judge_free(run->judge);
        oracles_free(run->oracles);
        world_close(run->world);
    }
    for (uint32_t i = 0; i < run->input_count; i++) {
        if (run->inputs[i].trace != NULL) {
            trace_file_free(run->inputs[i].trace);
        }
        free(run->inputs[i].bytes);
    }
    free(run->captures);
    free(run->inputs);
    free(run->traces);
    free(run);
}
