#include "testbed/export_events.h"

#include "sim/assert.h"

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#define NS_DIGITS 3u /* of a microsecond: nanoseconds */
#define EXACT_MAX                                                                                  \
    (1ll << 53) /* integers beyond are rounded by readers that know doubles only: they go as text */

/* ---- pieces --------------------------------------------------------------------------------------------------------------------- */

static void put_fixed(FILE *out, uint64_t value, unsigned digits)
{
    uint64_t unit = 1;
    for (unsigned i = 0; i < digits; i++) {
        unit *= 10;
    }
    export_put_u64(out, value / unit);
    if (digits > 0) {
        char text[EXPORT_NUMBER_BYTES];
        size_t length = export_decimal(value % unit + unit, text); /* a 1 and the digits */
        text[0] = '.';
        fwrite(text, 1, length, out);
    }
}

static void put_time(FILE *out, const char *name, sim_time time)
{
    SIM_ASSERT(time >= 0);
    fputs(name, out);
    put_fixed(out, (uint64_t)time, NS_DIGITS);
}

static void put_name(struct events *events, const char *name)
{
    fputs(",\"name\":", events->out);
    export_put_json(events->out, name);
}

static void put_argument(struct events *events, const char *name, bool first)
{
    if (!first) {
        fputc(',', events->out);
    }
    export_put_json(events->out, name);
    fputc(':', events->out);
}

/* Whether a value of this unit is written in digits. */
static bool is_number(enum record_unit unit)
{
    return unit != RECORD_FLAG && unit != RECORD_ORIGIN && unit != RECORD_IP4 && unit != RECORD_MAC;
}

static void put_record_arguments(struct events *events, const struct record *record)
{
    const struct record_kind *kind = recording_kind(events->recording, record->kind);
    char name[EXPORT_NAME_BYTES];
    fputs("\"record\":", events->out);
    export_put_json(events->out, kind->name);
    if (record->id != 0) {
        put_argument(events, "id", false);
        export_put_u64(events->out, record->id);
    }
    if (record->cause != 0) {
        put_argument(events, "cause", false);
        export_put_u64(events->out, record->cause);
    }
    for (uint32_t i = 0; i < RECORD_VALUES_MAX && kind->fields[i].unit != RECORD_END; i++) {
        int64_t value = record->values[i];
        bool exact =
            !is_number(kind->fields[i].unit) || (value <= EXACT_MAX && value >= -EXACT_MAX);
        export_value_name(kind, i, name);
        put_argument(events, name, false);
        fputs(exact ? "" : "\"", events->out);
        export_put_value(events->out, events->recording, kind->fields[i].unit, value);
        fputs(exact ? "" : "\"", events->out);
    }
    if (kind->text != NULL) {
        export_text_name(kind, name);
        put_argument(events, name, false);
        export_put_json(events->out, record->text);
    }
}

/* The part of a kind's name up to the dot. */
static void put_category(struct events *events, const struct record *record)
{
    char word[64];
    const char *name = recording_kind(events->recording, record->kind)->name;
    snprintf(word, sizeof word, "%.*s", (int)strcspn(name, "."), name);
    fputs(",\"cat\":", events->out);
    export_put_json(events->out, word);
}

static void put_record(struct events *events, const struct record *record)
{
    if (record == NULL) {
        return;
    }
    put_category(events, record);
    fputs(",\"args\":{", events->out);
    put_record_arguments(events, record);
    fputc('}', events->out);
}

static void open_event(struct events *events, char phase)
{
    fputs(events->begun ? ",\n{\"ph\":\"" : "{\"ph\":\"", events->out);
    fputc(phase, events->out);
    fputc('"', events->out);
    events->begun = true;
}

static void put_place(struct events *events, uint32_t pid, uint32_t tid)
{
    fputs(",\"pid\":", events->out);
    export_put_u64(events->out, pid);
    fputs(",\"tid\":", events->out);
    export_put_u64(events->out, tid);
}

/* Thread ids follow process ids, so that no thread passes for the main one of another process. */
static uint32_t tid_of(const struct events *events, uint32_t lane)
{
    return events->process_count + 1 + lane;
}

/* The beginning of an event in a lane, whose time is moved where T1 wants it. Returns the time. */
static sim_time open_in_lane(struct events *events, char phase, uint32_t lane, sim_time time)
{
    SIM_ASSERT(lane < events->lane_count);
    struct events_lane *own = &events->lanes[lane];
    sim_time at = time > own->last ? time : own->last;
    own->last = at;
    open_event(events, phase);
    put_place(events, own->pid, tid_of(events, lane));
    put_time(events->out, ",\"ts\":", at);
    return at;
}

/* ---- life ----------------------------------------------------------------------------------------------------------------------- */

void events_open(struct events *events, FILE *out, const struct recording *recording,
                 const char **process_names, uint32_t process_count)
{
    *events = (struct events){
        .out = out,
        .recording = recording,
        .process_names = process_names,
        .process_count = process_count,
        .process_named = calloc((size_t)process_count + 1, sizeof(bool)),
        .slot_count = 256,
        .slots = calloc(256, sizeof(uint32_t)),
        .lane_capacity = 64,
        .lanes = calloc(64, sizeof(struct events_lane)),
    };
    SIM_ASSERT(events->process_named != NULL);
    SIM_ASSERT(events->slots != NULL);
    SIM_ASSERT(events->lanes != NULL);
    char hash[17];
    snprintf(hash, sizeof hash, "%016llx", (unsigned long long)recording_hash(recording));
    fputs("{\"displayTimeUnit\":\"ns\",\"otherData\":{\"orrery\":", out);
    export_put_json(out, recording_version(recording));
    fputs(",\"scenario\":", out);
    export_put_json(out, recording_scenario_path(recording));
    fputs(",\"seed\":\"", out);
    export_put_u64(out, recording_seed(recording));
    fputs("\",\"verdict\":", out);
    export_put_json(out,
                    recording_complete(recording) ? recording_verdict(recording) : "unfinished");
    fputs(",\"run_hash\":", out);
    export_put_json(out, recording_complete(recording) ? hash : "");
    fputs("},\"traceEvents\":[\n", out);
}

void events_close(struct events *events, sim_time end)
{
    for (uint32_t i = 0; i < events->lane_count; i++) {
        while (events->lanes[i].depth > 0) {
            (void)events_end(events, i, end, events->lanes[i].tags[events->lanes[i].depth - 1],
                             NULL);
        }
    }
    fputs("\n]}\n", events->out);
    free(events->process_named);
    free(events->slots);
    free(events->lanes);
    *events = (struct events){0};
}

/* ---- lanes ---------------------------------------------------------------------------------------------------------------------- */

static void name_thing(struct events *events, const char *what, uint32_t pid, uint32_t tid,
                       const char *name, uint32_t place)
{
    open_event(events, 'M');
    put_place(events, pid, tid);
    fprintf(events->out, ",\"name\":\"%s_name\",\"args\":{\"name\":", what);
    export_put_json(events->out, name);
    fputs("}}", events->out);
    open_event(events, 'M');
    put_place(events, pid, tid);
    fprintf(events->out, ",\"name\":\"%s_sort_index\",\"args\":{\"sort_index\":%u}}", what,
            (unsigned)place);
}

static void name_process(struct events *events, uint32_t pid)
{
    SIM_ASSERT(pid > 0);
    SIM_ASSERT(pid <= events->process_count);
    if (!events->process_named[pid]) {
        events->process_named[pid] = true;
        name_thing(events, "process", pid, 0, events->process_names[pid], pid);
    }
}

/* Where a key stands, or would stand. */
static uint32_t slot_of(const struct events *events, uint64_t key)
{
    uint32_t mask = events->slot_count - 1;
    uint32_t at = (uint32_t)((key * UINT64_C(0x9e3779b97f4a7c15)) >> 32) & mask;
    while (events->slots[at] != 0 && events->lanes[events->slots[at] - 1].key != key) {
        at = (at + 1) & mask;
    }
    return at;
}

static void grow(struct events *events)
{
    if (events->lane_count == events->lane_capacity) {
        events->lane_capacity *= 2;
        events->lanes = realloc(events->lanes, events->lane_capacity * sizeof(struct events_lane));
        SIM_ASSERT(events->lanes != NULL);
    }
    if (events->lane_count * 2 >= events->slot_count) {
        events->slot_count *= 2;
        free(events->slots);
        events->slots = calloc(events->slot_count, sizeof(uint32_t));
        SIM_ASSERT(events->slots != NULL);
        for (uint32_t i = 0; i < events->lane_count; i++) {
            events->slots[slot_of(events, events->lanes[i].key)] = i + 1;
        }
    }
}

uint32_t events_lane(struct events *events, uint32_t pid, uint64_t key, uint32_t place,
                     const char *format, ...)
{
    uint32_t slot = slot_of(events, key);
    if (events->slots[slot] != 0) {
        return events->slots[slot] - 1;
    }
    char name[160];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(name, sizeof name, format, arguments);
    va_end(arguments);
    grow(events);
    uint32_t lane = events->lane_count++;
    events->lanes[lane] = (struct events_lane){.key = key, .pid = pid};
    events->slots[slot_of(events, key)] = lane + 1;
    name_process(events, pid);
    name_thing(events, "thread", pid, tid_of(events, lane), name, place);
    return lane;
}

/* ---- events --------------------------------------------------------------------------------------------------------------------- */

void events_begin(struct events *events, uint32_t lane, sim_time time, uint8_t tag,
                  const char *name, const struct record *record)
{
    SIM_ASSERT(lane < events->lane_count);
    if (events->lanes[lane].depth == EVENTS_DEPTH) {
        events_instant(events, lane, time, false, name, record);
        return;
    }
    (void)open_in_lane(events, 'B', lane, time);
    put_name(events, name);
    put_record(events, record);
    fputc('}', events->out);
    events->lanes[lane].tags[events->lanes[lane].depth++] = tag;
}

bool events_is_open(const struct events *events, uint32_t lane, uint8_t tag)
{
    SIM_ASSERT(lane < events->lane_count);
    const struct events_lane *own = &events->lanes[lane];
    for (uint32_t i = 0; i < own->depth; i++) {
        if (own->tags[i] == tag) {
            return true;
        }
    }
    return false;
}

bool events_end(struct events *events, uint32_t lane, sim_time time, uint8_t tag,
                const struct record *record)
{
    if (!events_is_open(events, lane, tag)) {
        return false;
    }
    uint8_t ended;
    do {
        struct events_lane *own = &events->lanes[lane];
        ended = own->tags[--own->depth];
        (void)open_in_lane(events, 'E', lane, time);
        put_record(events, ended == tag ? record : NULL);
        fputc('}', events->out);
    } while (ended != tag);
    return true;
}

void events_instant(struct events *events, uint32_t lane, sim_time time, bool everywhere,
                    const char *name, const struct record *record)
{
    (void)open_in_lane(events, 'i', lane, time);
    fputs(everywhere ? ",\"s\":\"g\"" : ",\"s\":\"t\"", events->out);
    put_name(events, name);
    put_record(events, record);
    fputc('}', events->out);
}

sim_time events_complete(struct events *events, uint32_t lane, sim_time from, sim_time until,
                         const char *name, uint64_t id, const char *detail)
{
    SIM_ASSERT(from <= until);
    sim_time at = open_in_lane(events, 'X', lane, from);
    put_time(events->out, ",\"dur\":", until > at ? until - at : 0);
    put_name(events, name);
    fputs(",\"cat\":\"frame\",\"args\":{\"id\":", events->out);
    export_put_u64(events->out, id);
    put_argument(events, "frame", false);
    export_put_json(events->out, detail);
    fputs("}}", events->out);
    events->lanes[lane].last = until > at ? until : at;
    return at;
}

void events_counter(struct events *events, uint32_t pid, sim_time time, const char *name,
                    const char *unit, uint64_t value, unsigned digits)
{
    name_process(events, pid);
    open_event(events, 'C');
    put_place(events, pid, 0);
    put_time(events->out, ",\"ts\":", time);
    put_name(events, name);
    fputs(",\"args\":{", events->out);
    put_argument(events, unit, true);
    put_fixed(events->out, value <= INT64_MAX ? value : INT64_MAX, digits);
    fputs("}}", events->out);
}

/* Binding to the span that encloses it: bp "e" at the end; at the start that is the rule. */
static void put_flow_end(struct events *events, char phase, const char *name, uint32_t lane,
                         sim_time time)
{
    open_event(events, phase);
    put_place(events, events->lanes[lane].pid, tid_of(events, lane));
    put_time(events->out, ",\"ts\":", time);
    fputs(",\"id\":", events->out);
    export_put_u64(events->out, events->flows);
    put_name(events, name);
    fputs(phase == 'f' ? ",\"cat\":\"flow\",\"bp\":\"e\"}" : ",\"cat\":\"flow\"}", events->out);
}

void events_flow(struct events *events, const char *name, uint32_t from, sim_time sent, uint32_t to,
                 sim_time arrived)
{
    SIM_ASSERT(from < events->lane_count);
    SIM_ASSERT(to < events->lane_count);
    SIM_ASSERT(sent <= arrived);
    events->flows++;
    put_flow_end(events, 's', name, from, sent);
    put_flow_end(events, 'f', name, to, arrived);
}
