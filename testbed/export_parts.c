#include "testbed/export_timeline.h"

#include "sim/assert.h"
#include "testbed/frame_text.h"

#include <string.h>

__extension__ typedef unsigned __int128 wide;

/* ---- the timeline, and power ----------------------------------------------------------------------------------------------------- */

uint32_t draw_action_starts(struct timeline *timeline, const struct record *record)
{
    timeline->action = timeline_count(timeline, record, "number");
    timeline->action_lane = timeline_part_lane(timeline, record);
    return timeline_begin(timeline, record, timeline->action_lane, SPAN_ACTION, record->text);
}

uint32_t draw_action_ends(struct timeline *timeline, const struct record *record)
{
    uint32_t lane = timeline_part_lane(timeline, record);
    if (!events_end(&timeline->events, lane, record->time, SPAN_ACTION, record)) {
        return timeline_instant(timeline, record);
    }
    return lane;
}

uint32_t draw_fault_starts(struct timeline *timeline, const struct record *record)
{
    uint32_t lane = timeline_part_lane(timeline, record);
    char name[400];
    snprintf(name, sizeof name, "%.120s: %.255s", timeline_path(timeline, record->origin),
             record->text);
    timeline_begin(timeline, record, lane, SPAN_FAULT, record->text);
    events_instant(&timeline->events, lane, record->time, true, name, record);
    return lane;
}

uint32_t draw_fault_stops(struct timeline *timeline, const struct record *record)
{
    uint32_t lane = timeline_part_lane(timeline, record);
    char name[400];
    snprintf(name, sizeof name, "%.120s is over: %.255s", timeline_path(timeline, record->origin),
             record->text);
    events_instant(&timeline->events, lane, record->time, true, name, record);
    (void)events_end(&timeline->events, lane, record->time, SPAN_FAULT, record);
    return lane;
}

uint32_t draw_machine(struct timeline *timeline, const struct record *record)
{
    uint32_t pid = timeline_own_pid(timeline, record);
    uint32_t lane = events_lane(&timeline->events, pid,
                                timeline_key(record->origin, GROUP_POWER, 0), 10, "power");
    (void)events_end(&timeline->events, lane, record->time, SPAN_POWER, NULL);
    timeline_begin(timeline, record, lane, SPAN_POWER, record->text);
    if (strcmp(record->text, "off") == 0) {
        draw_moves_dropped(timeline, pid, record->time);
    }
    return lane;
}

/* ---- VMs ------------------------------------------------------------------------------------------------------------------------ */

static uint32_t host_lane(struct timeline *timeline, const struct record *record)
{
    int64_t host = timeline_value(timeline, record, "host", -1);
    const char *path = export_part(timeline->recording, host);
    uint32_t number = path != NULL ? (uint32_t)host & 0xfffff : 0;
    return events_lane(&timeline->events, timeline_own_pid(timeline, record),
                       timeline_key(record->origin, GROUP_HOST, number), 100, "on %s",
                       path != NULL ? path : "a host");
}

uint32_t draw_vm_created(struct timeline *timeline, const struct record *record)
{
    char name[64];
    uint32_t lane = host_lane(timeline, record);
    snprintf(name, sizeof name, "instance %llu",
             (unsigned long long)timeline_count(timeline, record, "instance"));
    (void)events_end(&timeline->events, lane, record->time, SPAN_INSTANCE, NULL);
    timeline_begin(timeline, record, lane, SPAN_INSTANCE, name);
    draw_move_reaches(timeline, record);
    return lane;
}

uint32_t draw_vm_runs(struct timeline *timeline, const struct record *record)
{
    uint32_t lane = host_lane(timeline, record);
    (void)events_end(&timeline->events, lane, record->time, SPAN_RUNS, NULL);
    return timeline_begin(timeline, record, lane, SPAN_RUNS, "runs");
}

uint32_t draw_vm_paused(struct timeline *timeline, const struct record *record)
{
    uint32_t lane = host_lane(timeline, record);
    (void)events_end(&timeline->events, lane, record->time, SPAN_RUNS, NULL);
    return timeline_begin(timeline, record, lane, SPAN_RUNS, "paused");
}

uint32_t draw_vm_gone(struct timeline *timeline, const struct record *record)
{
    uint32_t lane = host_lane(timeline, record);
    if (!events_end(&timeline->events, lane, record->time, SPAN_INSTANCE, record)) {
        timeline_instant_in(timeline, record, lane);
    }
    return lane;
}

/* ---- counters --------------------------------------------------------------------------------------------------------------------- */

static struct counts *counts_of(struct timeline *timeline, const struct record *record)
{
    return timeline_pid(timeline, record->origin) != 0 ? &timeline->counts[record->origin] : NULL;
}

/* Of what happens a million times a second, one value a millisecond is enough for the eye. */
static bool is_due(struct counts *counts, sim_time now)
{
    if (now - counts->said < COUNTER_STEP_NS) {
        return false;
    }
    counts->said = now;
    return true;
}

uint32_t draw_harvest(struct timeline *timeline, const struct record *record)
{
    struct counts *counts = counts_of(timeline, record);
    events_counter(&timeline->events, timeline_own_pid(timeline, record), record->time,
                   "dirty pages", "pages", timeline_count(timeline, record, "pages"), 0);
    if (counts != NULL) {
        counts->dirty = 0;
    }
    return timeline_instant(timeline, record);
}

uint32_t draw_page_dirtied(struct timeline *timeline, const struct record *record)
{
    struct counts *counts = counts_of(timeline, record);
    if (counts != NULL) {
        counts->dirty++;
        if (is_due(counts, record->time)) {
            events_counter(&timeline->events, timeline_own_pid(timeline, record), record->time,
                           "dirty pages", "pages", counts->dirty, 0);
        }
    }
    return EVENTS_NO_LANE;
}

uint32_t draw_page_sent(struct timeline *timeline, const struct record *record)
{
    struct counts *counts = counts_of(timeline, record);
    if (counts != NULL) {
        counts->sent++;
        if (is_due(counts, record->time)) {
            events_counter(&timeline->events, timeline_own_pid(timeline, record), record->time,
                           "pages sent", "pages", counts->sent, 0);
        }
    }
    return EVENTS_NO_LANE;
}

/* A counter of an action, named after it. */
static uint32_t count_for_action(struct timeline *timeline, const struct record *record,
                                 const char *what, const char *unit, uint64_t value,
                                 unsigned digits)
{
    char name[200];
    snprintf(name, sizeof name, "%.120s: %s", timeline_path(timeline, record->origin), what);
    events_counter(&timeline->events, timeline_own_pid(timeline, record), record->time, name, unit,
                   value, digits);
    return EVENTS_NO_LANE;
}

uint32_t draw_ping_reply(struct timeline *timeline, const struct record *record)
{
    return count_for_action(timeline, record, "round trip", "ms",
                            timeline_count(timeline, record, "rtt"), 6);
}

uint32_t draw_request_done(struct timeline *timeline, const struct record *record)
{
    return count_for_action(timeline, record, "latency", "ms",
                            timeline_count(timeline, record, "latency"), 6);
}

uint32_t draw_video_stalled(struct timeline *timeline, const struct record *record)
{
    return timeline_begin(timeline, record, timeline_part_lane(timeline, record), SPAN_STALLED,
                          "picture stands still");
}

uint32_t draw_video_resumed(struct timeline *timeline, const struct record *record)
{
    uint32_t lane = timeline_part_lane(timeline, record);
    if (!events_end(&timeline->events, lane, record->time, SPAN_STALLED, record)) {
        return timeline_instant(timeline, record);
    }
    return lane;
}

uint32_t draw_bulk_progress(struct timeline *timeline, const struct record *record)
{
    return count_for_action(timeline, record, "landed", "bytes",
                            timeline_count(timeline, record, "bytes"), 0);
}

/* ---- frames --------------------------------------------------------------------------------------------------------------------- */

uint32_t draw_link_state(struct timeline *timeline, const struct record *record)
{
    if (timeline_pid(timeline, record->origin) != 0) {
        timeline->rate_bps[record->origin] = timeline_count(timeline, record, "rate_bps");
    }
    return timeline_instant(timeline, record);
}

struct frame_words {
    char protocol[8];
    char flags[40];
    char text[400];
    size_t length;
};

static void add_frame_word(void *context, const char *name, const char *value)
{
    static const char *const told[] = {"ip source",     "ip destination",       "tcp sequence",
                                       "tcp flags",     "udp destination port", "icmp type",
                                       "icmp sequence", "arp operation"};
    struct frame_words *words = context;
    static const char *const protocols[] = {"tcp", "udp", "icmp", "arp"};
    for (size_t i = 0; i < sizeof protocols / sizeof protocols[0]; i++) {
        size_t length = strlen(protocols[i]);
        if (strncmp(name, protocols[i], length) == 0 && name[length] == ' ') {
            snprintf(words->protocol, sizeof words->protocol, "%s", protocols[i]);
        }
    }
    for (size_t i = 0; i < sizeof told / sizeof told[0]; i++) {
        if (strcmp(name, told[i]) == 0) {
            int added = snprintf(words->text + words->length, sizeof words->text - words->length,
                                 "%s%s=%s", words->length > 0 ? ", " : "", name, value);
            size_t room = sizeof words->text - 1 - words->length;
            SIM_ASSERT(added >= 0);
            words->length += (size_t)added < room ? (size_t)added : room;
        }
    }
}

/* FNV-1a over what tells frames apart: their first bytes and their length. */
static uint64_t hash_frame(const struct recording_frame *frame)
{
    uint64_t hash = UINT64_C(0xcbf29ce484222325) ^ frame->length;
    for (uint32_t i = 0; i < frame->length && i < 66; i++) {
        hash = (hash ^ frame->bytes[i]) * UINT64_C(0x100000001b3);
    }
    return hash;
}

static sim_time wire_time(const struct timeline *timeline, const struct recording_frame *frame)
{
    uint64_t rate = timeline->rate_bps[frame->link];
    wide bits = (wide)(frame->length + FRAME_GAP_BYTES) * 8 * (uint64_t)SIM_S;
    wide time = rate > 0 ? bits / rate : 0;
    return time < (wide)frame->time ? (sim_time)time : frame->time;
}

/* A frame takes its link until it arrives; the same one on its second link is joined to the first by a flow. */
void draw_frame(struct timeline *timeline, const struct recording_frame *frame)
{
    struct frame_words words = {.protocol = "frame"};
    char name[64], counter[200];
    if (timeline_pid(timeline, frame->link) == 0) {
        return;
    }
    const char *path = timeline_path(timeline, frame->link);
    uint32_t lane = timeline_link_lane(timeline, frame->link);
    uint32_t payload = frame_text(frame->bytes, frame->length, add_frame_word, &words);
    struct counts *counts = &timeline->counts[frame->link];
    snprintf(name, sizeof name, "%s %u B", words.protocol, (unsigned)(frame->length - payload));
    sim_time from =
        events_complete(&timeline->events, lane, frame->time - wire_time(timeline, frame),
                        frame->time, name, frame->id, words.text);
    struct hop *hop = &timeline->hops[hash_frame(frame) % FRAMES_KEPT];
    char way = path[0] != 0 ? path[strlen(path) - 1] : 0;
    if (way == '>') {
        *hop = (struct hop){.hash = hash_frame(frame), .from = from, .lane = lane, .used = true};
    } else if (hop->used && hop->hash == hash_frame(frame) && hop->from <= from) {
        events_flow(&timeline->events, words.protocol, hop->lane, hop->from, lane, from);
    }
    counts->bytes += frame->length;
    if (is_due(counts, frame->time)) {
        snprintf(counter, sizeof counter, "%.120s bytes", path);
        events_counter(&timeline->events, timeline->pid[frame->link], frame->time, counter, "bytes",
                       counts->bytes, 0);
    }
}
