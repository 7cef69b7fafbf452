/* Exports against the rules of their formats, and against the recording that they came from. */
#include "cluster/migration_records.h"
#include "sim/recording_writer.h"
#include "testbed/diagnostics.h"
#include "testbed/export.h"
#include "testbed/run_records.h"
#include "tests/outputs/output_run.h"
#include "vm/vm_records.h"

#include <criterion/criterion.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* ---- the rules of trace events (E4) ---------------------------------------------------------------------------------------------- */

#define LANES_MAX 4096
#define DEPTH_MAX 64
#define FLOWS_MAX (1u << 20)

/* A span of a lane, kept to see what flows end in. */
struct span {
    uint32_t tid;
    double from, until;
};

struct rules {
    const char *name; /* of the case, for messages */
    bool process_named[LANES_MAX];
    uint32_t lane_pid[LANES_MAX]; /* by tid; 0: not named yet */
    double last[LANES_MAX];
    uint32_t depth[LANES_MAX];
    double began[LANES_MAX][DEPTH_MAX];
    struct span *spans;
    size_t span_count, span_capacity;
    uint8_t *flow_ends;  /* by id: 1 start, 2 end */
    uint64_t count[128]; /* by phase */
};

static void add_span(struct rules *rules, uint32_t tid, double from, double until)
{
    if (rules->span_count == rules->span_capacity) {
        rules->span_capacity = rules->span_capacity * 2 + 1024;
        rules->spans = realloc(rules->spans, rules->span_capacity * sizeof *rules->spans);
        cr_assert_not_null(rules->spans);
    }
    rules->spans[rules->span_count++] = (struct span){.tid = tid, .from = from, .until = until};
}

static double number_of(const struct rules *rules, json_t *event, const char *key)
{
    json_t *value = json_object_get(event, key);
    cr_assert(json_is_number(value), "%s: an event without %s", rules->name, key);
    return json_number_value(value);
}

static uint32_t id_of(const struct rules *rules, json_t *event, const char *key)
{
    double value = number_of(rules, event, key);
    cr_assert(value >= 0 && value < LANES_MAX, "%s: %s is %g", rules->name, key, value);
    return (uint32_t)value;
}

static void on_metadata(struct rules *rules, json_t *event)
{
    const char *what = json_string_value(json_object_get(event, "name"));
    const char *name = json_string_value(json_object_get(json_object_get(event, "args"), "name"));
    uint32_t pid = id_of(rules, event, "pid"), tid = id_of(rules, event, "tid");
    if (strcmp(what, "process_name") == 0) {
        cr_assert(name != NULL && name[0] != 0, "%s: process %u", rules->name, pid);
        cr_assert(!rules->process_named[pid], "%s: process %u has two names", rules->name, pid);
        rules->process_named[pid] = true;
    } else if (strcmp(what, "thread_name") == 0) {
        cr_assert(name != NULL && name[0] != 0, "%s: lane %u", rules->name, tid);
        cr_assert_eq(rules->lane_pid[tid], 0, "%s: lane %u has two names", rules->name, tid);
        cr_assert(rules->process_named[pid], "%s: lane %u before its process", rules->name, tid);
        rules->lane_pid[tid] = pid;
    }
}

static void on_span_event(struct rules *rules, json_t *event, char phase)
{
    uint32_t tid = id_of(rules, event, "tid");
    double ts = number_of(rules, event, "ts");
    cr_assert_eq(rules->lane_pid[tid], id_of(rules, event, "pid"), "%s: lane %u", rules->name, tid);
    cr_assert(ts >= rules->last[tid], "%s: lane %u goes back from %f to %f", rules->name, tid,
              rules->last[tid], ts);
    rules->last[tid] = ts;
    if (phase != 'E') {
        cr_assert(json_is_string(json_object_get(event, "name")), "%s: no name", rules->name);
    }
    if (phase == 'B') {
        cr_assert_lt(rules->depth[tid], DEPTH_MAX);
        rules->began[tid][rules->depth[tid]++] = ts;
    } else if (phase == 'E') {
        cr_assert(rules->depth[tid] > 0, "%s: lane %u: E without B at %f", rules->name, tid, ts);
        add_span(rules, tid, rules->began[tid][--rules->depth[tid]], ts);
    } else if (phase == 'X') {
        double until = ts + number_of(rules, event, "dur");
        cr_assert(until >= ts);
        add_span(rules, tid, ts, until);
        rules->last[tid] = until - 0.0005; /* sums of doubles */
    }
}

static void on_flow(struct rules *rules, json_t *event, char phase)
{
    uint8_t end = phase == 's' ? 1 : 2;
    double id = number_of(rules, event, "id");
    cr_assert(id >= 1 && id < FLOWS_MAX);
    uint8_t *ends = &rules->flow_ends[(uint32_t)id];
    cr_assert_eq(*ends, end - 1, "%s: flow %g", rules->name, id);
    *ends |= end;
    cr_assert_neq(rules->lane_pid[id_of(rules, event, "tid")], 0, "%s: flow %g", rules->name, id);
}

/* Both ends of each flow lie in a span of their lane; of many flows, each 64th is looked at. */
static void check_flow_ends(const struct rules *rules, json_t *events)
{
    size_t flows = rules->count['s'], step = flows > 4096 ? 64 : 1, i;
    json_t *event;
    json_array_foreach(events, i, event)
    {
        char phase = json_string_value(json_object_get(event, "ph"))[0];
        if ((phase != 's' && phase != 'f') ||
            (uint64_t)json_number_value(json_object_get(event, "id")) % step != 0) {
            continue;
        }
        uint32_t tid = id_of(rules, event, "tid");
        double ts = number_of(rules, event, "ts");
        bool inside = false;
        for (size_t s = 0; s < rules->span_count && !inside; s++) {
            const struct span *span = &rules->spans[s];
            inside = span->tid == tid && ts >= span->from - 0.0005 && ts <= span->until + 0.0005;
        }
        cr_assert(inside, "%s: flow %c at %f in lane %u ends in nothing", rules->name, phase, ts,
                  tid);
    }
}

/* Asserts all rules; the caller frees what comes back in `count` of each phase. */
static void check_trace(const char *name, const char *bytes, size_t length, uint64_t count[128])
{
    json_error_t error;
    json_t *root = json_loadb(bytes, length, JSON_REJECT_DUPLICATES, &error), *event;
    size_t i;
    cr_assert_not_null(root, "%s: %s at byte %d: %.300s", name, error.text, error.position,
                       bytes + (error.position > 200 ? error.position - 200 : 0));
    json_t *events = json_object_get(root, "traceEvents");
    cr_assert(json_is_array(events));
    struct rules *rules = calloc(1, sizeof *rules);
    cr_assert_not_null(rules);
    rules->name = name;
    rules->flow_ends = calloc(FLOWS_MAX, 1);
    cr_assert_not_null(rules->flow_ends);
    json_array_foreach(events, i, event)
    {
        const char *phase = json_string_value(json_object_get(event, "ph"));
        cr_assert(phase != NULL && strlen(phase) == 1 && strchr("MBEiXCsf", phase[0]) != NULL,
                  "%s: phase %s", name, phase);
        rules->count[(unsigned char)phase[0]]++;
        if (phase[0] == 'M') {
            on_metadata(rules, event);
        } else if (phase[0] == 's' || phase[0] == 'f') {
            on_flow(rules, event, phase[0]);
        } else if (phase[0] == 'C') {
            cr_assert(rules->process_named[id_of(rules, event, "pid")], "%s", name);
            cr_assert_eq(json_object_size(json_object_get(event, "args")), 1, "%s", name);
        } else {
            on_span_event(rules, event, phase[0]);
        }
    }
    for (uint32_t tid = 0; tid < LANES_MAX; tid++) {
        cr_assert_eq(rules->depth[tid], 0, "%s: lane %u: B without E", name, tid);
    }
    for (uint32_t id = 0; id < FLOWS_MAX; id++) {
        cr_assert(rules->flow_ends[id] == 0 || rules->flow_ends[id] == 3, "%s: flow %u", name, id);
    }
    check_flow_ends(rules, events);
    memcpy(count, rules->count, sizeof rules->count);
    free(rules->flow_ends);
    free(rules->spans);
    free(rules);
    json_decref(root);
}

/* ---- exporting ------------------------------------------------------------------------------------------------------------------ */

/* An export in memory, which the caller frees. */
static char *export_bytes(struct recording *recording, enum export_format format,
                          const struct export_options *options, size_t *length,
                          struct export_count *count)
{
    char *bytes = NULL;
    FILE *out = open_memstream(&bytes, length);
    cr_assert_not_null(out);
    cr_assert(export_write(out, format, recording, options, count));
    fclose(out);
    return bytes;
}

static struct recording *open_bytes(const void *bytes, size_t length)
{
    char why[300];
    struct recording *recording = recording_open_bytes(bytes, length, why, sizeof why);
    cr_assert_not_null(recording, "%s", why);
    return recording;
}

/* Each line is an object; there are as many as the recording has records and frames; times never fall; a cause comes before. */
static void check_lines(const char *name, char *text, uint64_t expected)
{
    uint64_t lines = 0;
    json_int_t last = 0;
    for (char *line = strtok(text, "\n"); line != NULL; line = strtok(NULL, "\n"), lines++) {
        json_error_t error;
        json_t *object = json_loads(line, JSON_REJECT_DUPLICATES, &error);
        cr_assert_not_null(object, "%s: line %llu: %s: %s", name, (unsigned long long)lines + 1,
                           error.text, line);
        json_int_t time = json_integer_value(json_object_get(object, "time_ns"));
        json_t *id = json_object_get(object, "id"), *cause = json_object_get(object, "cause");
        cr_assert(time >= last, "%s: %s", name, line);
        cr_assert(json_is_string(json_object_get(object, "record")), "%s: %s", name, line);
        cr_assert_not_null(json_object_get(object, "part"), "%s: %s", name, line);
        cr_assert(json_is_null(cause) || json_is_null(id) ||
                      json_integer_value(cause) < json_integer_value(id),
                  "%s: %s", name, line);
        last = time;
        json_decref(object);
    }
    cr_assert_eq(lines, expected, "%s: %llu lines for %llu records", name,
                 (unsigned long long)lines, (unsigned long long)expected);
}

/* Fields of a row of RFC 4180, quoted or not; `row` is moved behind it. */
static uint32_t count_fields(const char **row)
{
    uint32_t fields = 1;
    bool quoted = false;
    for (; **row != 0 && (quoted || **row != '\n'); (*row)++) {
        quoted = quoted != (**row == '"');
        fields += !quoted && **row == ',';
    }
    cr_assert(!quoted, "a quote is not closed");
    *row += **row == '\n';
    return fields;
}

static void check_table(const char *name, const char *text, uint64_t expected)
{
    uint32_t columns = count_fields(&text);
    uint64_t rows = 0;
    for (; *text != 0; rows++) {
        const char *row = text;
        uint32_t fields = count_fields(&text);
        cr_assert_eq(fields, columns, "%s: row %llu has %u fields instead of %u: %.200s", name,
                     (unsigned long long)rows + 1, fields, columns, row);
    }
    cr_assert_eq(rows, expected, "%s", name);
}

/* All three formats of what a reader finds in these bytes. */
static void check_all(const char *name, const void *bytes, size_t length,
                      const struct scenario *scenario, uint64_t phases[128])
{
    struct recording *recording = open_bytes(bytes, length);
    struct export_options options = {.until = SIM_NEVER, .scenario = scenario};
    struct export_count count, again;
    size_t size;
    char *text = export_bytes(recording, EXPORT_PERFETTO, &options, &size, &count);
    check_trace(name, text, size, phases);
    free(text);
    text = export_bytes(recording, EXPORT_JSONL, &options, &size, &again);
    cr_assert_eq(again.records, count.records, "%s", name);
    cr_assert_eq(again.frames, count.frames, "%s", name);
    check_lines(name, text, count.records + count.frames);
    free(text);
    text = export_bytes(recording, EXPORT_CSV, &options, &size, &again);
    check_table(name, text, count.records + count.frames);
    free(text);
    if (recording_damage(recording)[0] == 0) {
        cr_assert_eq(count.records, recording_record_count(recording), "%s", name);
        cr_assert_eq(count.frames, recording_frame_count(recording), "%s", name);
    }
    recording_close(recording);
}

/* ---- runs ----------------------------------------------------------------------------------------------------------------------- */

/* Goldens as they are, and cut anywhere. `frames` makes large files; the smallest scenario has them. */
static const struct {
    const char *scenario;
    const char *pages;
    bool frames, named; /* with the scenario, without */
    uint32_t percent;   /* of the file that is left */
    bool flows;
} runs[] = {
    {"small-migration", NULL, false, true, 100, true},
    {"small-migration", "all", false, true, 100, true},
    {"small-migration", NULL, false, false, 100, true},
    {"small-migration", "all", false, true, 60, false},
    {"ping", NULL, true, true, 100, true},
    {"ping", NULL, true, false, 70, false},
    {"source-crash", NULL, false, true, 100, true},
    {"target-hangs", NULL, false, true, 100, true},
    {"there-and-back", NULL, false, true, 100, true},
    {"two-at-once", NULL, false, true, 100, true},
};

Test(export, rules_hold_for_runs, .timeout = 120)
{
    for (size_t i = 0; i < sizeof runs / sizeof runs[0]; i++) {
        struct output_run run;
        char name[100];
        snprintf(name, sizeof name, "case %zu, %s", i, runs[i].scenario);
        output_run(&run, &(struct output_run_options){.scenario = runs[i].scenario,
                                                      .record = true,
                                                      .pages = runs[i].pages,
                                                      .frames = runs[i].frames});
        size_t length;
        void *bytes = output_run_read(run.recording, &length);
        struct recording *recording = open_bytes(bytes, length);
        struct scenario *scenario = NULL;
        if (runs[i].named) {
            const char *text = recording_scenario(recording);
            struct diagnostics *diagnostics = diagnostics_new();
            scenario = scenario_load_text("run.yaml", text, strlen(text), NULL, diagnostics);
            diagnostics_free(diagnostics);
            cr_assert_not_null(scenario);
        }
        recording_close(recording);
        uint64_t phases[128];
        check_all(name, bytes, length * runs[i].percent / 100, scenario, phases);
        cr_assert(phases['B'] > 0 || runs[i].percent < 100, "%s", name);
        cr_assert_eq(phases['B'], phases['E'], "%s", name);
        cr_assert_eq(phases['s'], phases['f'], "%s", name);
        cr_assert(!runs[i].flows || phases['s'] > 0, "%s: no flows", name);
        cr_assert(!runs[i].frames || runs[i].percent < 100 || phases['X'] > 0, "%s: no frames",
                  name);
        scenario_free(scenario);
        free(bytes);
        output_run_close(&run);
    }
}

/* ---- what no run would say -------------------------------------------------------------------------------------------------------- */

static uint64_t draw_from(uint64_t *state, uint64_t below)
{
    *state = *state * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    return (*state >> 33) % below;
}

static const char *const paths[] = {"(timeline)", "lan",        "node1",           "node2",
                                    "web",        "node1/lan>", "node1/lan<",      "node2/lan>",
                                    "node2/lan<", "move",       "no\"ise\x01\xff", "stray/x"};
static const char *const texts[] = {"",
                                    "web",
                                    "pre-copy",
                                    "stop-copy",
                                    "disks",
                                    "prepared",
                                    "given",
                                    "owned",
                                    "freed",
                                    "forgotten",
                                    "discarded",
                                    "on",
                                    "off",
                                    "with \"quotes\", commas\nand lines",
                                    "\xc3\x28 \xe2\x82 \xf0\x9f\x98\x80 \x7f",
                                    "a\\b"};
#define PATHS (sizeof paths / sizeof paths[0])
#define TEXTS (sizeof texts / sizeof texts[0])

/* Kinds of all rooms, with those of node software in the recorder's own shape. */
static void add_kinds(struct recorder *recorder, struct record_kind *own)
{
    for (uint32_t i = 0; i < MIGRATION_RECORDS; i++) {
        const struct rt_record_kind *from = &migration_record_kinds[i];
        own[i] = (struct record_kind){.name = from->name, .meaning = "x", .text = from->text};
        for (uint32_t f = 0; f < RECORD_VALUES_MAX && from->fields[f].name != NULL; f++) {
            own[i].fields[f] = (struct record_field){from->fields[f].name, RECORD_NUMBER};
        }
    }
    own[MIGRATION_RECORDS] = (struct record_kind){.name = "odd,\"kind\"",
                                                  .meaning = "x",
                                                  .fields = {{"id", RECORD_NUMBER},
                                                             {"part", RECORD_ORIGIN},
                                                             {"at", RECORD_INSTANT},
                                                             {"is", RECORD_FLAG},
                                                             {"ip", RECORD_IP4},
                                                             {"mac", RECORD_MAC}},
                                                  .text = "record"};
    recorder_add_kinds(recorder, own, MIGRATION_RECORDS + 1);
    recorder_add_kinds(recorder, vm_record_kinds, VM_RECORD_KINDS);
    recorder_add_kinds(recorder, run_record_kinds, RUN_RECORDS);
}

/* A recording of records in any order with any values, as a file. */
static void write_nonsense(const char *path, uint64_t seed, uint32_t count)
{
    char why[200];
    struct record_kind own[MIGRATION_RECORDS + 1];
    struct sim *sim = sim_new(&(struct sim_options){.seed = 1});
    struct recorder *recorder = recorder_new(sim);
    add_kinds(recorder, own);
    for (size_t i = 0; i < PATHS; i++) {
        sim_origin_add(sim, paths[i]);
    }
    sim_origins_seal(sim);
    struct recording_writer *writer = recording_writer_new(
        path,
        &(struct recording_meta){
            .orrery_version = "t", .scenario_path = "a\"b", .resolved_scenario = "{}", .until = ""},
        recorder, why, sizeof why);
    cr_assert_not_null(writer, "%s", why);
    sim_time time = 0;
    for (uint64_t id = 1; id <= count; id++) {
        struct record record = {.id = id, .text = ""};
        time += (sim_time)draw_from(&seed, 3) * 1000;
        record.time = time;
        record.kind = (uint32_t)draw_from(&seed, recorder_kind_count(recorder));
        const struct record_kind *kind = recorder_kind(recorder, record.kind);
        record.id = kind->detail ? 0 : id;
        record.cause = draw_from(&seed, 3) == 0 ? draw_from(&seed, id) : 0;
        record.origin = draw_from(&seed, 20) == 0 ? SIM_NONE : (uint32_t)draw_from(&seed, PATHS);
        for (uint32_t f = 0; f < RECORD_VALUES_MAX && kind->fields[f].unit != RECORD_END; f++) {
            record.values[f] = draw_from(&seed, 10) == 0 ? (int64_t)(seed ^ seed << 31)
                                                         : (int64_t)draw_from(&seed, 7);
        }
        record.text = kind->text != NULL ? texts[draw_from(&seed, TEXTS)] : "";
        recording_writer_record(writer, &record);
    }
    cr_assert(recording_writer_close(writer, "fail", 1, why, sizeof why), "%s", why);
    recorder_close(recorder);
    sim_close(sim);
}

Test(export, rules_hold_for_nonsense, .timeout = 120)
{
    char directory[] = "/tmp/orrery-export-XXXXXX", path[64], name[64];
    cr_assert_not_null(mkdtemp(directory));
    snprintf(path, sizeof path, "%s/x.orr", directory);
    uint64_t spans = 0, flows = 0;
    for (uint64_t seed = 1; seed <= 24; seed++) {
        uint64_t phases[128];
        size_t length;
        write_nonsense(path, seed * 7919, seed == 24 ? 20000 : 1500);
        uint8_t *bytes = output_run_read(path, &length);
        snprintf(name, sizeof name, "seed %u", (unsigned)seed);
        check_all(name, bytes, length, NULL, phases);
        spans += phases['B'];
        flows += phases['s'];
        bytes[length / 2] ^= 0x55; /* a damaged chunk is left out */
        check_all(name, bytes, length, NULL, phases);
        free(bytes);
    }
    cr_assert_gt(spans, 1000);
    cr_assert_gt(flows, 100);
    cr_assert_eq(unlink(path), 0);
    cr_assert_eq(rmdir(directory), 0);
}

/* ---- what is asked for ------------------------------------------------------------------------------------------------------------ */

/* Name, limits and what the first line of the table says. */
static const struct {
    const char *what;
    sim_time from, until;
    const char *header; /* NULL: not looked at */
    uint64_t records;
} choices[] = {
    {"migration.round", 0, SIM_NEVER,
     "time_ns,id,cause,record,part,request,round,pages,zero_pages,bytes,took_ns,dirtied_pages,"
     "pause_if_stopped_ns\n",
     2},
    {"migration.handover", 0, SIM_NEVER,
     "time_ns,id,cause,record,part,request,migration_id,state\n", 5},
    {"machine.*", 0, SIM_NEVER, "time_ns,id,cause,record,part,incarnation,state\n", 4},
    {"vm.runs,vm.paused", 0, SIM_NEVER, "time_ns,id,cause,record,part,instance,host\n", 3},
    {"vm.runs,,vm.paused,", 1, SIM_NEVER, NULL, 2},
    {"vm.runs,vm.paused", 0, 1, NULL, 1},
    {"frame", 0, SIM_NEVER, "time_ns,id,cause,record,part\n", 0},
    {"ping.lost", 0, SIM_NEVER, "time_ns,id,cause,record,part,sequence\n", 2},
};

Test(export, chooses_by_kind_and_time)
{
    struct output_run run;
    output_run(&run, &(struct output_run_options){.scenario = "small-migration", .record = true});
    size_t length, size;
    void *bytes = output_run_read(run.recording, &length);
    struct recording *recording = open_bytes(bytes, length);
    for (size_t i = 0; i < sizeof choices / sizeof choices[0]; i++) {
        struct export_options options = {
            .what = choices[i].what, .from = choices[i].from, .until = choices[i].until};
        struct export_count count;
        char *text = export_bytes(recording, EXPORT_CSV, &options, &size, &count);
        cr_assert_eq(count.records, choices[i].records, "case %zu: %llu records", i,
                     (unsigned long long)count.records);
        cr_assert(choices[i].header == NULL ||
                      strncmp(text, choices[i].header, strlen(choices[i].header)) == 0,
                  "case %zu: %.200s", i, text);
        check_table(choices[i].what, text, count.records);
        free(text);
    }
    char glob[64];
    cr_assert(
        !export_unmatched(recording, &(struct export_options){.what = "vm.*,frame,m*"}, glob));
    cr_assert(export_unmatched(recording, &(struct export_options){.what = "vm.*,vm.jumps"}, glob));
    cr_assert_str_eq(glob, "vm.jumps");
    recording_close(recording);
    free(bytes);
    output_run_close(&run);
}
