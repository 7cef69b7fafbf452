#include "tests/report/report_world.h"

#include "cluster/migration_records.h"
#include "nic/net.h"
#include "sim/rt_side.h"
#include "testbed/run_records.h"
#include "vm/vm_records.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define LINES_MAX 4096u

/* A record that is to be written. */
struct line {
    sim_time at;
    uint32_t number; /* of lines of one instant, the earlier goes first */
    uint32_t kind, origin, cause_origin;
    int64_t values[RECORD_VALUES_MAX];
    char text[RECORD_TEXT_MAX + 1];
};

struct reader {
    struct report_world *world;
    const char *name; /* of the case */
    const char *source;
    struct line *lines;
    uint32_t count;
    sim_time end;
    int64_t instances;
};

static void nothing(void *context)
{
    (void)context;
}

static void make_origins(struct report_world *world)
{
    const struct scenario *scenario = world->scenario;
    char path[256];
    sim_origin_add(world->sim, "(timeline)");
    for (uint32_t i = 0; i < scenario->name_count; i++) {
        sim_origin_add(world->sim, scenario->names[i].name);
        if (scenario->names[i].part.kind == SCENARIO_LINK) {
            snprintf(path, sizeof path, "%s>", scenario->names[i].name);
            sim_origin_add(world->sim, path);
            snprintf(path, sizeof path, "%s<", scenario->names[i].name);
            sim_origin_add(world->sim, path);
        }
    }
    sim_origins_seal(world->sim);
}

/* ---- reading --------------------------------------------------------------------------------------------------------- */

static uint32_t origin_of(const struct reader *reader, const char *word)
{
    uint32_t origin = sim_origin_find(reader->world->sim, word);
    cr_assert_neq(origin, SIM_NONE, "%s: no part '%s' in: %s", reader->name, word, reader->source);
    return origin;
}

static int64_t value_of(const struct reader *reader, const char *word)
{
    char error[QUANTITY_ERROR_BYTES];
    enum quantity_kind kind;
    int64_t value = 0;
    size_t length = 0;
    uint32_t a = 0, b = 0, c = 0, d = 0;
    if (sscanf(word, "%u.%u.%u.%u", &a, &b, &c, &d) == 4) {
        return (int64_t)(a << 24 | b << 16 | c << 8 | d);
    }
    cr_assert(quantity_scan(word, &length, &kind, &value, error) && word[length] == 0,
              "%s: no value '%s' in: %s", reader->name, word, reader->source);
    return value;
}

static struct line *new_line(struct reader *reader, sim_time at, uint32_t origin, const char *kind)
{
    cr_assert_lt(reader->count, LINES_MAX);
    struct line *line = &reader->lines[reader->count];
    *line = (struct line){.at = at,
                          .number = reader->count++,
                          .kind = recorder_kind_find(reader->world->recorder, kind),
                          .origin = origin,
                          .cause_origin = SIM_NONE};
    cr_assert_neq(line->kind, SIM_NONE, "%s: no kind '%s' in: %s", reader->name, kind,
                  reader->source);
    return line;
}

static void boot(struct reader *reader)
{
    const struct scenario *scenario = reader->world->scenario;
    for (uint32_t i = 0; i < scenario->node_count; i++) {
        struct line *line =
            new_line(reader, 0, origin_of(reader, scenario->nodes[i].name), "machine.state");
        strcpy(line->text, "on");
    }
    for (uint32_t i = 0; i < scenario->client_count; i++) {
        struct line *line =
            new_line(reader, 0, origin_of(reader, scenario->clients[i].name), "machine.state");
        strcpy(line->text, "on");
    }
    for (uint32_t i = 0; i < scenario->vm_count; i++) {
        const struct scenario_vm *vm = &scenario->vms[i];
        int64_t host = origin_of(reader, scenario->nodes[vm->node].name);
        struct line *line = new_line(reader, 0, origin_of(reader, vm->name), "vm.created");
        line->values[0] = ++reader->instances;
        line->values[1] = host;
        line->values[2] = vm->memory_bytes / 4096;
        line = new_line(reader, 0, origin_of(reader, vm->name), "vm.runs");
        line->values[0] = reader->instances;
        line->values[1] = host;
    }
}

static void pings(struct reader *reader, char **words, uint32_t count)
{
    cr_assert_eq(count, 6, "%s: %s", reader->name, reader->source);
    uint32_t origin = origin_of(reader, words[1]);
    bool lost = strcmp(words[5], "-") == 0;
    int64_t every = value_of(reader, words[4]);
    int64_t sequence = 0;
    for (sim_time at = value_of(reader, words[2]); at < value_of(reader, words[3]); at += every) {
        new_line(reader, at, origin, "ping.sent")->values[0] = sequence;
        sim_time later = lost ? SIM_S : value_of(reader, words[5]);
        struct line *line = new_line(reader, at + later, origin, lost ? "ping.lost" : "ping.reply");
        line->values[0] = sequence++;
        line->values[1] = lost ? 0 : later;
    }
}

static void read_record(struct reader *reader, char **words, uint32_t count, const char *text)
{
    cr_assert_geq(count, 3, "%s: %s", reader->name, reader->source);
    struct line *line =
        new_line(reader, value_of(reader, words[0]), origin_of(reader, words[1]), words[2]);
    const struct record_kind *kind = recorder_kind(reader->world->recorder, line->kind);
    uint32_t next = 3;
    for (uint32_t i = 0; i < RECORD_VALUES_MAX && kind->fields[i].unit != RECORD_END; i++) {
        cr_assert_lt(next, count, "%s: %s is missing in: %s", reader->name, kind->fields[i].name,
                     reader->source);
        line->values[i] = kind->fields[i].unit == RECORD_ORIGIN
                              ? (int64_t)origin_of(reader, words[next])
                              : value_of(reader, words[next]);
        next++;
    }
    if (next < count && words[next][0] == '@') {
        line->cause_origin = origin_of(reader, words[next] + 1);
        next++;
    }
    cr_assert_eq(next, count, "%s: too much in: %s", reader->name, reader->source);
    snprintf(line->text, sizeof line->text, "%s", text);
}

static void read_line(struct reader *reader, const char *source)
{
    char copy[512];
    char *words[16];
    uint32_t count = 0;
    cr_assert_lt(strlen(source), sizeof copy);
    strcpy(copy, source);
    reader->source = source;
    char *text = strstr(copy, " : ");
    if (text != NULL) {
        *text = 0;
        text += 3;
    }
    for (char *word = strtok(copy, " "); word != NULL; word = strtok(NULL, " ")) {
        cr_assert_lt(count, 16);
        words[count++] = word;
    }
    if (count == 0 || words[0][0] == '#') {
        return;
    }
    if (strcmp(words[0], "boot") == 0) {
        boot(reader);
    } else if (strcmp(words[0], "ping") == 0) {
        pings(reader, words, count);
    } else if (strcmp(words[0], "end") == 0) {
        cr_assert_eq(count, 2);
        reader->end = value_of(reader, words[1]);
    } else {
        read_record(reader, words, count, text != NULL ? text : "");
    }
}

static int by_time(const void *a, const void *b)
{
    const struct line *x = a, *y = b;
    if (x->at != y->at) {
        return x->at < y->at ? -1 : 1;
    }
    return x->number < y->number ? -1 : x->number > y->number;
}

/* ---- writing --------------------------------------------------------------------------------------------------------- */

static void go_to(struct report_world *world, sim_time at)
{
    if (at > sim_now(world->sim)) {
        sim_call_at(world->sim, 0, at, nothing, NULL);
        sim_run(world->sim, at);
    }
}

/* Totals come at the end; what is alive after taking down comes when the judge has finished. */
static void write_all(struct reader *reader)
{
    struct report_world *world = reader->world;
    uint64_t *fault_ids = calloc(sim_origin_count(world->sim), sizeof *fault_ids);
    uint32_t starts = recorder_kind_find(world->recorder, "fault.starts");
    bool finished = false;
    qsort(reader->lines, reader->count, sizeof *reader->lines, by_time);
    for (uint32_t i = 0; i < reader->count; i++) {
        const struct line *line = &reader->lines[i];
        if (line->at > reader->end) {
            continue; /* a ping whose time ran out after the end */
        }
        go_to(world, line->at);
        if (strcmp(recorder_kind(world->recorder, line->kind)->name, "run.leaks") == 0) {
            judge_finish(world->judge, sim_now(world->sim));
            judge_rest(world->judge);
            finished = true;
        }
        uint64_t cause = line->cause_origin != SIM_NONE ? fault_ids[line->cause_origin] : 0;
        uint64_t id = recorder_record(world->recorder, line->kind, line->origin, cause,
                                      line->values, line->text);
        if (line->kind == starts) {
            fault_ids[line->origin] = id;
        }
    }
    go_to(world, reader->end);
    if (!finished) {
        judge_finish(world->judge, reader->end);
        judge_rest(world->judge);
    }
    oracles_finish(world->oracles, reader->end);
    free(fault_ids);
}

static void judge_world(struct report_world *world, sim_time end)
{
    world->result = (struct run_result){
        .scenario = world->scenario,
        .judge = world->judge,
        .oracles = world->oracles,
        .ended = "the scenario's end was reached",
        .repeat = "orrery run made-up.yaml --seed 1",
        .run_hash = UINT64_C(0x0123456789abcdef),
        .hash_text = "0123456789abcdef",
        .simulated_ns = end,
        .events = 12345,
        .version = "0.0-test",
    };
    run_result_decide(&world->result);
}

void report_world_open(struct report_world *world, const char *name, const char *yaml,
                       const char *records)
{
    struct diagnostics *diagnostics = diagnostics_new();
    *world = (struct report_world){0};
    world->scenario = scenario_load_text("made-up.yaml", yaml, strlen(yaml), NULL, diagnostics);
    if (world->scenario == NULL) {
        diagnostics_print(diagnostics, stderr);
    }
    cr_assert_not_null(world->scenario, "%s: the scenario is wrong", name);
    diagnostics_free(diagnostics);
    world->sim = sim_new(&(struct sim_options){.seed = 1});
    world->recorder = recorder_new(world->sim);
    make_origins(world);
    recorder_add_kinds(world->recorder, run_record_kinds, RUN_RECORDS);
    recorder_add_kinds(world->recorder, vm_record_kinds, VM_RECORD_KINDS);
    recorder_add_kinds(world->recorder, net_record_kinds, NET_RECORD_KINDS);
    rt_side_add_kinds(world->recorder, migration_record_kinds, MIGRATION_RECORDS);
    world->judge = judge_new(world->scenario, world->recorder, world->sim, 0);
    world->oracles = oracles_new(world->scenario, world->recorder);
    judge_expect(world->judge);

    struct reader reader = {.world = world, .name = name};
    char *copy = strdup(records);
    reader.lines = calloc(LINES_MAX, sizeof *reader.lines);
    for (char *line = copy; line != NULL;) {
        char *next = strchr(line, '\n');
        if (next != NULL) {
            *next++ = 0;
        }
        read_line(&reader, line);
        line = next;
    }
    write_all(&reader);
    judge_world(world, reader.end);
    free(reader.lines);
    free(copy);
}

void report_world_close(struct report_world *world)
{
    judge_free(world->judge);
    oracles_free(world->oracles);
    recorder_close(world->recorder);
    sim_close(world->sim);
    scenario_free(world->scenario);
}
