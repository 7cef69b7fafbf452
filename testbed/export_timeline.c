#include "testbed/export_timeline.h"

#include "sim/assert.h"
#include "testbed/part_names.h"

#include <stdlib.h>
#include <string.h>

/* ---- records by name ------------------------------------------------------------------------------------------------------------ */

static const struct record_kind *kind_of(const struct timeline *timeline,
                                         const struct record *record)
{
    return recording_kind(timeline->recording, record->kind);
}

/* The value of that name; `otherwise` where the kind has none. */
int64_t timeline_value(const struct timeline *timeline, const struct record *record,
                       const char *name, int64_t otherwise)
{
    const struct record_kind *kind = kind_of(timeline, record);
    for (uint32_t i = 0; i < RECORD_VALUES_MAX && kind->fields[i].unit != RECORD_END; i++) {
        if (strcmp(kind->fields[i].name, name) == 0) {
            return record->values[i];
        }
    }
    return otherwise;
}

uint64_t timeline_count(const struct timeline *timeline, const struct record *record,
                        const char *name)
{
    int64_t value = timeline_value(timeline, record, name, 0);
    return value > 0 ? (uint64_t)value : 0;
}

/* The process of a part that a value names; 0 for none. */
uint32_t timeline_pid(const struct timeline *timeline, int64_t origin)
{
    bool known = origin >= 0 && origin < (int64_t)recording_origin_count(timeline->recording);
    return known ? timeline->pid[origin] : 0;
}

uint32_t timeline_own_pid(const struct timeline *timeline, const struct record *record)
{
    uint32_t pid = timeline_pid(timeline, record->origin);
    return pid != 0 ? pid : TIMELINE_PID;
}

const char *timeline_path(const struct timeline *timeline, uint32_t origin)
{
    return recording_origin(timeline->recording, origin);
}

uint64_t timeline_key(uint64_t part, uint32_t group, uint32_t number)
{
    return part << 40 | (uint64_t)group << 20 | number;
}

/* A lane of a process as a whole: keys of parts and of processes are apart. */
uint64_t timeline_process_key(uint32_t pid, uint32_t group, uint32_t number)
{
    return UINT64_C(1) << 63 | timeline_key(pid, group, number);
}

/* ---- what has no place of its own ------------------------------------------------------------------------------------------------ */

/* "lan, sends": a direction of a link, within the process of its machine. */
uint32_t timeline_link_lane(struct timeline *timeline, uint32_t origin)
{
    const char *path = timeline_path(timeline, origin);
    const char *slash = strchr(path, '/');
    const char *rest = slash != NULL ? slash + 1 : path;
    size_t length = strlen(rest);
    char last = length > 0 ? rest[length - 1] : 0;
    const char *way = last == '>' ? ", sends" : last == '<' ? ", receives" : "";
    return events_lane(&timeline->events, timeline->pid[origin],
                       timeline_key(origin, GROUP_LINK, 0), 900, "%.*s%s",
                       (int)(way[0] != 0 ? length - 1 : length), rest, way);
}

uint32_t timeline_part_lane(struct timeline *timeline, const struct record *record)
{
    uint32_t origin = record->origin, pid = timeline_own_pid(timeline, record);
    uint32_t group = timeline->group[record->kind];
    const char *name = kind_of(timeline, record)->name;
    if (timeline_pid(timeline, origin) == 0) {
        origin = SIM_NONE;
    } else if (strchr(timeline_path(timeline, origin), '/') != NULL) {
        return timeline_link_lane(timeline, origin);
    } else if (pid == TIMELINE_PID && timeline_path(timeline, origin)[0] != '(') {
        return events_lane(&timeline->events, pid, timeline_key(origin, GROUP_ACTION, 0), 100, "%s",
                           timeline_path(timeline, origin));
    }
    return events_lane(&timeline->events, pid, timeline_key(origin, group, 0), 800, "%.*s",
                       (int)strcspn(name, "."), name);
}

static const struct cause *find_cause(const struct timeline *timeline, uint64_t id)
{
    const struct cause *cause = &timeline->causes[id % CAUSES_KEPT];
    return id != 0 && cause->id == id ? cause : NULL;
}

/* "net.frame_lost: crash" */
static void name_record(const struct timeline *timeline, const struct record *record, char out[400])
{
    const struct record_kind *kind = kind_of(timeline, record);
    bool told = kind->text != NULL && record->text[0] != 0;
    snprintf(out, 400, "%.120s%s%.255s", kind->name[0] != 0 ? kind->name : "a lost kind",
             told ? ": " : "", told ? record->text : "");
}

/* An instant; where another lane caused it, a span without duration, which is what an arrow can end in. */
uint32_t timeline_instant_in(struct timeline *timeline, const struct record *record, uint32_t lane)
{
    char name[400];
    const struct cause *cause = find_cause(timeline, record->cause);
    name_record(timeline, record, name);
    if (cause == NULL || cause->lane == lane) {
        events_instant(&timeline->events, lane, record->time, false, name, record);
        return lane;
    }
    events_begin(&timeline->events, lane, record->time, SPAN_CAUSED, name, record);
    events_flow(&timeline->events, "cause", cause->lane, cause->time, lane, record->time);
    (void)events_end(&timeline->events, lane, record->time, SPAN_CAUSED, NULL);
    return lane;
}

uint32_t timeline_instant(struct timeline *timeline, const struct record *record)
{
    return timeline_instant_in(timeline, record, timeline_part_lane(timeline, record));
}

static uint32_t draw_nothing(struct timeline *timeline, const struct record *record)
{
    (void)timeline;
    (void)record;
    return EVENTS_NO_LANE;
}

/* A span that another lane may have caused. */
uint32_t timeline_begin(struct timeline *timeline, const struct record *record, uint32_t lane,
                        uint8_t tag, const char *name)
{
    const struct cause *cause = find_cause(timeline, record->cause);
    events_begin(&timeline->events, lane, record->time, tag, name, record);
    if (cause != NULL && cause->lane != lane) {
        events_flow(&timeline->events, "cause", cause->lane, cause->time, lane, record->time);
    }
    return lane;
}

/* ---- the whole ------------------------------------------------------------------------------------------------------------------ */

static const struct {
    const char *kind;
    draw_record *draw;
} drawn[] = {
    {"action.starts", draw_action_starts},
    {"action.ends", draw_action_ends},
    {"fault.starts", draw_fault_starts},
    {"fault.stops", draw_fault_stops},
    {"machine.state", draw_machine},
    {"vm.created", draw_vm_created},
    {"vm.runs", draw_vm_runs},
    {"vm.paused", draw_vm_paused},
    {"vm.gone", draw_vm_gone},
    {"vm.harvested", draw_harvest},
    {"page.dirtied", draw_page_dirtied},
    {"page.sent", draw_page_sent},
    {"page.arrived", draw_nothing},
    {"ping.sent", draw_nothing},
    {"ping.reply", draw_ping_reply},
    {"request.sent", draw_nothing},
    {"request.done", draw_request_done},
    {"bulk.progress", draw_bulk_progress},
    {"net.icmp_sent", draw_nothing},
    {"net.icmp_reply", draw_nothing},
    {"net.link_state", draw_link_state},
    {"migration.ordered", draw_ordered},
    {"migration.step", draw_step},
    {"migration.round", draw_round},
    {"migration.rule", draw_rule},
    {"migration.pace", draw_pace},
    {"migration.throttled", draw_throttled},
    {"video.stalled", draw_video_stalled},
    {"video.resumed", draw_video_resumed},
    {"migration.handover", draw_handover},
    {"migration.ended", draw_ended},
};

static void find_kinds(struct timeline *timeline)
{
    uint32_t kinds = recording_kind_count(timeline->recording);
    for (uint32_t i = 0; i < kinds; i++) {
        const char *name = recording_kind(timeline->recording, i)->name;
        timeline->draw[i] = strncmp(name, "migration.", 10) == 0 ? draw_of_move : timeline_instant;
        for (size_t j = 0; j < sizeof drawn / sizeof drawn[0]; j++) {
            if (strcmp(drawn[j].kind, name) == 0) {
                timeline->draw[i] = drawn[j].draw;
            }
        }
        /* Kinds whose names begin alike share a lane: the group is that of the first of them. */
        size_t length = strcspn(name, ".");
        timeline->group[i] = GROUP_KINDS + i;
        for (uint32_t j = 0; j < i && j < 256; j++) {
            const char *other = recording_kind(timeline->recording, j)->name;
            if (strcspn(other, ".") == length && strncmp(other, name, length) == 0) {
                timeline->group[i] = timeline->group[j];
                break;
            }
        }
    }
}

static enum scenario_part_kind part_kind(const struct timeline *timeline, const char *path)
{
    const struct scenario_name *entry =
        timeline->scenario != NULL ? part_names_find(timeline->scenario, path) : NULL;
    return entry != NULL ? entry->part.kind : SCENARIO_NO_PART;
}

static void add_process(struct timeline *timeline, const char *sort, const char *name)
{
    size_t capacity = strlen(name) + strlen(sort) + 2;
    char *text = malloc(capacity);
    SIM_ASSERT(text != NULL);
    snprintf(text, capacity, "%s%s%s", sort, sort[0] != 0 ? " " : "", name);
    timeline->process_names[++timeline->process_count] = text;
}

struct by_path {
    const char *path;
    uint32_t origin;
};

static int path_compare(const void *a, const void *b)
{
    const struct by_path *x = a, *y = b;
    int order = strcmp(x->path, y->path);
    return order != 0 ? order : x->origin < y->origin ? -1 : x->origin > y->origin;
}

/* What belongs to a part has a path below the part's. */
static uint32_t find_owner(const struct by_path *sorted, uint32_t count, const char *path,
                           size_t length)
{
    uint32_t low = 0, high = count;
    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        int order = strncmp(path, sorted[middle].path, length);
        if (order == 0 && sorted[middle].path[length] != 0) {
            order = -1;
        }
        if (order == 0) {
            return sorted[middle].origin;
        }
        if (order < 0) {
            high = middle;
        } else {
            low = middle + 1;
        }
    }
    return SIM_NONE;
}

/* Whether a part of the scenario is a process of this pass: each sort of parts together, what is not known last. */
static bool is_of_pass(enum scenario_part_kind kind, uint32_t pass)
{
    static const enum scenario_part_kind order[] = {SCENARIO_NODE, SCENARIO_VM, SCENARIO_CLIENT,
                                                    SCENARIO_NETWORK};
    return pass < 4 ? kind == order[pass] : kind == SCENARIO_NO_PART || kind == SCENARIO_LINK;
}

static void find_processes(struct timeline *timeline)
{
    static const char *const sorts[] = {"node", "vm", "client", "network", ""};
    uint32_t origins = recording_origin_count(timeline->recording);
    struct by_path *sorted = calloc((size_t)origins + 1, sizeof *sorted);
    SIM_ASSERT(sorted != NULL);
    add_process(timeline, "", "timeline");
    for (uint32_t pass = 0; pass < 5; pass++) {
        for (uint32_t i = 0; i < origins; i++) {
            const char *path = timeline_path(timeline, i);
            sorted[i] = (struct by_path){.path = path, .origin = i};
            if (timeline->pid[i] != 0 || strchr(path, '/') != NULL) {
                continue;
            }
            if (path[0] == '(' || part_kind(timeline, path) == SCENARIO_ACTION) {
                timeline->pid[i] = TIMELINE_PID;
            } else if (is_of_pass(part_kind(timeline, path), pass)) {
                add_process(timeline, sorts[pass], path[0] != 0 ? path : "(a lost name)");
                timeline->pid[i] = timeline->process_count;
            }
        }
    }
    qsort(sorted, origins, sizeof *sorted, path_compare);
    for (uint32_t i = 0; i < origins; i++) {
        const char *path = timeline_path(timeline, i);
        if (timeline->pid[i] == 0) {
            uint32_t owner = find_owner(sorted, origins, path, strcspn(path, "/"));
            timeline->pid[i] = owner != SIM_NONE && timeline->pid[owner] != 0 ? timeline->pid[owner]
                                                                              : TIMELINE_PID;
        }
    }
    free(sorted);
}

/* Rates as the scenario has them; records say where they change. */
static void find_rates(struct timeline *timeline)
{
    const struct scenario *scenario = timeline->scenario;
    uint32_t origins = recording_origin_count(timeline->recording);
    for (uint32_t i = 0; i < origins && scenario != NULL; i++) {
        const char *path = timeline_path(timeline, i);
        size_t length = strlen(path);
        char link[256];
        if (length < 2 || length >= sizeof link || strchr("<>", path[length - 1]) == NULL) {
            continue;
        }
        snprintf(link, sizeof link, "%.*s", (int)length - 1, path);
        const struct scenario_name *entry = part_names_find(scenario, link);
        if (entry != NULL && entry->part.kind == SCENARIO_LINK) {
            int64_t rate = scenario->networks[scenario->links[entry->part.index].network].rate_bps;
            timeline->rate_bps[i] = rate > 0 ? (uint64_t)rate : 0;
        }
    }
}

static void *table(uint32_t count, size_t size)
{
    void *memory = calloc((size_t)count + 2, size);
    SIM_ASSERT(memory != NULL);
    return memory;
}

static struct timeline *timeline_new(struct recording *recording,
                                     const struct export_options *options)
{
    uint32_t kinds = recording_kind_count(recording), origins = recording_origin_count(recording);
    struct timeline *timeline = table(0, sizeof *timeline);
    timeline->recording = recording;
    timeline->scenario = options->scenario;
    timeline->draw = table(kinds, sizeof *timeline->draw);
    timeline->group = table(kinds, sizeof *timeline->group);
    timeline->pid = table(origins, sizeof *timeline->pid);
    timeline->rate_bps = table(origins, sizeof *timeline->rate_bps);
    timeline->counts = table(origins, sizeof *timeline->counts);
    timeline->process_names = table(origins, sizeof *timeline->process_names);
    find_kinds(timeline);
    find_processes(timeline);
    find_rates(timeline);
    return timeline;
}

static void timeline_free(struct timeline *timeline)
{
    for (uint32_t i = 1; i <= timeline->process_count; i++) {
        free((void *)(uintptr_t)timeline->process_names[i]);
    }
    free(timeline->process_names);
    free(timeline->draw);
    free(timeline->group);
    free(timeline->pid);
    free(timeline->rate_bps);
    free(timeline->counts);
    free(timeline);
}

static void draw(struct timeline *timeline, const struct record *record)
{
    uint32_t lane = timeline->draw[record->kind](timeline, record);
    /* An arrow begins in a span; where none is open, the record's arguments alone say what it caused. */
    if (record->id != 0 && lane != EVENTS_NO_LANE && timeline->events.lanes[lane].depth > 0) {
        timeline->causes[record->id % CAUSES_KEPT] =
            (struct cause){.id = record->id, .time = record->time, .lane = lane};
    }
}

void export_timeline(FILE *out, struct recording *recording, const struct export_options *options,
                     struct export_count *count)
{
    struct timeline *timeline = timeline_new(recording, options);
    struct export_stream stream;
    sim_time end = 0;
    events_open(&timeline->events, out, recording, timeline->process_names,
                timeline->process_count);
    export_stream_open(&stream, recording, options);
    while (export_stream_next(&stream) && ferror(out) == 0) {
        sim_time time = stream.at_frame ? stream.frame.time : stream.record.time;
        end = time > end ? time : end;
        if (stream.at_frame) {
            draw_frame(timeline, &stream.frame);
            count->frames++;
        } else {
            draw(timeline, &stream.record);
            count->records++;
        }
    }
    export_stream_close(&stream);
    events_close(&timeline->events, end);
    timeline_free(timeline);
}
