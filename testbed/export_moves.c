#include "testbed/export_timeline.h"

#include "sim/assert.h"

#include <string.h>

/* ---- migrations ----------------------------------------------------------------------------------------------------------------- */

static struct move *move_of_vm(struct timeline *timeline, const char *vm)
{
    for (uint32_t i = 0; i < MOVES_MAX; i++) {
        if (timeline->moves[i].used && timeline->moves[i].source_pid != 0 &&
            strcmp(timeline->moves[i].vm, vm) == 0) {
            return &timeline->moves[i];
        }
    }
    return NULL;
}

/* Somebody else spoke last: what he said has arrived. */
static void draw_message(struct timeline *timeline, struct move *move, uint32_t lane, sim_time time,
                         const char *says)
{
    if (move->spoke != EVENTS_NO_LANE && move->spoke != lane) {
        char name[200];
        snprintf(name, sizeof name, "%.80s -> %.80s", move->said, says);
        events_flow(&timeline->events, name, move->spoke, move->spoke_at, lane, time);
    }
    move->spoke = lane;
    move->spoke_at = time;
    move->said = says;
}

/* The lane of a node in which a migration is drawn: the first that no other one uses. */
static uint32_t take_slot(const struct timeline *timeline, uint32_t pid, bool target)
{
    for (uint32_t slot = 0;; slot++) {
        bool taken = false;
        for (uint32_t i = 0; i < MOVES_MAX && !taken; i++) {
            const struct move *other = &timeline->moves[i];
            taken =
                other->used && (target ? other->target_pid == pid && other->target_slot == slot
                                       : other->source_pid == pid && other->source_slot == slot);
        }
        if (!taken) {
            return slot;
        }
    }
}

static void open_target(struct timeline *timeline, struct move *move, uint32_t pid,
                        const struct record *record)
{
    char name[100];
    move->target_slot = take_slot(timeline, pid, true);
    move->target_pid = pid;
    move->target_lane = events_lane(&timeline->events, pid,
                                    timeline_process_key(pid, GROUP_INCOMING, move->target_slot),
                                    300, "incoming %u", (unsigned)move->target_slot + 1);
    snprintf(name, sizeof name, "receives %s", move->vm);
    (void)events_end(&timeline->events, move->target_lane, record->time, SPAN_RECEIVES, NULL);
    events_begin(&timeline->events, move->target_lane, record->time, SPAN_RECEIVES, name, record);
}

/* What it has open on a machine ends there, where that is one of its two. */
static void drop_move(struct timeline *timeline, struct move *move, uint32_t pid, sim_time time)
{
    if (pid != 0 && move->source_pid == pid) {
        (void)events_end(&timeline->events, move->source_lane, time, SPAN_MOVE, NULL);
        move->source_pid = 0;
    }
    if (pid != 0 && move->target_pid == pid) {
        (void)events_end(&timeline->events, move->target_lane, time, SPAN_RECEIVES, NULL);
        move->target_pid = 0;
    }
    move->used = move->source_pid != 0 || move->target_pid != 0;
}

void draw_moves_dropped(struct timeline *timeline, uint32_t pid, sim_time time)
{
    for (uint32_t i = 0; i < MOVES_MAX; i++) {
        if (timeline->moves[i].used) {
            drop_move(timeline, &timeline->moves[i], pid, time);
        }
    }
}

void draw_move_reaches(struct timeline *timeline, const struct record *record)
{
    struct move *move = move_of_vm(timeline, timeline_path(timeline, record->origin));
    uint32_t host = timeline_pid(timeline, timeline_value(timeline, record, "host", -1));
    if (move != NULL && move->target_pid == 0 && host != 0 && host != move->source_pid) {
        open_target(timeline, move, host, record);
        draw_message(timeline, move, move->target_lane, record->time, "reserved");
    }
}

static struct move *move_of(struct timeline *timeline, const struct record *record)
{
    uint64_t request = (uint64_t)timeline_value(timeline, record, "request", -1);
    for (uint32_t i = 0; i < MOVES_MAX; i++) {
        if (timeline->moves[i].used && timeline->moves[i].request == request) {
            return &timeline->moves[i];
        }
    }
    return NULL;
}

/* A place in the table; where all are taken, that of one whose source has done with it, else none. */
static struct move *new_move(struct timeline *timeline)
{
    struct move *place = NULL;
    for (uint32_t i = 0; i < MOVES_MAX; i++) {
        struct move *move = &timeline->moves[i];
        if (!move->used) {
            return move;
        }
        if (place == NULL && move->source_pid == 0) {
            place = move;
        }
    }
    return place;
}

uint32_t draw_ordered(struct timeline *timeline, const struct record *record)
{
    uint32_t pid = timeline_own_pid(timeline, record);
    struct move *move = move_of(timeline, record);
    char name[100];
    if (move != NULL) { /* asked for once more; a lane that it has left may be another's by now */
        drop_move(timeline, move, move->source_pid, record->time);
        drop_move(timeline, move, move->target_pid, record->time);
    }
    move = new_move(timeline);
    if (move == NULL) {
        return timeline_instant(timeline, record);
    }
    *move = (struct move){.request = (uint64_t)timeline_value(timeline, record, "request", -1),
                          .action_lane = EVENTS_NO_LANE,
                          .spoke = EVENTS_NO_LANE,
                          .said = ""};
    snprintf(move->vm, sizeof move->vm, "%.63s", record->text);
    if (timeline->action == move->request && timeline->action_lane < timeline->events.lane_count) {
        move->action_lane = timeline->action_lane;
    }
    move->source_slot = take_slot(timeline, pid, false);
    move->source_pid = pid;
    move->used = true;
    move->source_lane = events_lane(&timeline->events, pid,
                                    timeline_process_key(pid, GROUP_MOVE, move->source_slot), 200,
                                    "migration %u", (unsigned)move->source_slot + 1);
    snprintf(name, sizeof name, "live migration of %s", move->vm);
    (void)events_end(&timeline->events, move->source_lane, record->time, SPAN_MOVE, NULL);
    return timeline_begin(timeline, record, move->source_lane, SPAN_MOVE, name);
}

/* A round that was under way when its step ended. */
static void drop_round(struct timeline *timeline, struct move *move, sim_time time)
{
    if (move->rounds && time > move->round_from) {
        char name[64];
        snprintf(name, sizeof name, "round %llu, unfinished", (unsigned long long)move->round);
        events_begin(&timeline->events, move->source_lane, move->round_from, SPAN_ROUND, name,
                     NULL);
        (void)events_end(&timeline->events, move->source_lane, time, SPAN_ROUND, NULL);
    }
    move->rounds = false;
}

uint32_t draw_step(struct timeline *timeline, const struct record *record)
{
    struct move *move = move_of(timeline, record);
    if (move == NULL || move->source_pid == 0) {
        return timeline_instant(timeline, record);
    }
    drop_round(timeline, move, record->time);
    (void)events_end(&timeline->events, move->source_lane, record->time, SPAN_STEP, NULL);
    timeline_begin(timeline, record, move->source_lane, SPAN_STEP, record->text);
    if (strcmp(record->text, "pre-copy") == 0 || strcmp(record->text, "stop-copy") == 0) {
        move->rounds = true;
        move->round_from = record->time;
        move->round = move->round == 0 ? 1 : move->round;
    }
    /* Only these three steps begin with something said: a VM described, its place known, all of it sent. */
    const char *said = strcmp(record->text, "reserve") == 0    ? "configure"
                       : strcmp(record->text, "pre-copy") == 0 ? "pre-copy"
                       : strcmp(record->text, "disks") == 0    ? "prepare"
                                                               : NULL;
    if (said != NULL) {
        draw_message(timeline, move, move->source_lane, record->time, said);
    }
    return move->source_lane;
}

/* A counter of a migration in the process of its source. */
static void count_for_move(struct timeline *timeline, const struct move *move,
                           const struct record *record, const char *what, const char *unit,
                           uint64_t value, unsigned digits)
{
    char name[200];
    snprintf(name, sizeof name, "%s: %s", move->vm, what);
    events_counter(&timeline->events, move->source_pid, record->time, name, unit, value, digits);
}

uint32_t draw_round(struct timeline *timeline, const struct record *record)
{
    struct move *move = move_of(timeline, record);
    char name[200];
    if (move == NULL || move->source_pid == 0) {
        return timeline_instant(timeline, record);
    }
    struct events *events = &timeline->events;
    int64_t took = timeline_value(timeline, record, "took", 0);
    sim_time from = took >= 0 && took <= record->time ? record->time - took : record->time;
    from = move->rounds ? move->round_from : from;
    snprintf(name, sizeof name, "round %llu",
             (unsigned long long)timeline_count(timeline, record, "round"));
    events_begin(events, move->source_lane, from, SPAN_ROUND, name, NULL);
    (void)events_end(events, move->source_lane, record->time, SPAN_ROUND, record);
    move->rounds = true;
    move->round_from = record->time;
    move->round = timeline_count(timeline, record, "round") + 1;
    move->bytes += timeline_count(timeline, record, "bytes");
    count_for_move(timeline, move, record, "bytes sent", "bytes", move->bytes, 0);
    count_for_move(timeline, move, record, "pause if stopped", "ms",
                   timeline_count(timeline, record, "pause_if_stopped"), 6);
    return move->source_lane;
}

uint32_t draw_rule(struct timeline *timeline, const struct record *record)
{
    struct move *move = move_of(timeline, record);
    if (move == NULL || move->source_pid == 0) {
        return timeline_instant(timeline, record);
    }
    if (move->round_from == record->time) { /* nothing was sent since: no further round begins */
        move->rounds = false;
    }
    return timeline_instant_in(timeline, record, move->source_lane);
}

static void release(struct move *move)
{
    move->used = move->source_pid != 0 || move->target_pid != 0;
}

/* The steps of the hand-over as spans of the target, and as arrows from each to the next. */
uint32_t draw_handover(struct timeline *timeline, const struct record *record)
{
    static const char *const stages[] = {"prepared",  "owned",     "given",      "freed",
                                         "forgotten", "discarded", "taken back", "forced"};
    struct move *move = move_of(timeline, record);
    uint32_t pid = timeline_own_pid(timeline, record);
    if (move == NULL) {
        return timeline_instant(timeline, record);
    }
    const char *stage = "hand-over";
    for (size_t i = 0; i < sizeof stages / sizeof stages[0]; i++) {
        stage = strcmp(stages[i], record->text) == 0 ? stages[i] : stage;
    }
    if (pid == move->source_pid) {
        draw_message(timeline, move, move->source_lane, record->time, stage);
        return timeline_instant_in(timeline, record, move->source_lane);
    }
    if (move->target_pid != 0 && pid != move->target_pid) {
        return timeline_instant(timeline, record);
    }
    if (move->target_pid == 0) {
        open_target(timeline, move, pid, record);
    }
    uint32_t lane = move->target_lane;
    (void)events_end(&timeline->events, lane, record->time, SPAN_STAGE, NULL);
    draw_message(timeline, move, lane, record->time, stage);
    if (stage == stages[0] || stage == stages[1]) {
        events_begin(&timeline->events, lane, record->time, SPAN_STAGE, stage, record);
    } else {
        timeline_instant_in(timeline, record, lane);
    }
    if (strcmp(stage, "forgotten") == 0 || strcmp(stage, "discarded") == 0) {
        (void)events_end(&timeline->events, lane, record->time, SPAN_RECEIVES, NULL);
        move->target_pid = 0;
        release(move);
    }
    return lane;
}

uint32_t draw_ended(struct timeline *timeline, const struct record *record)
{
    struct move *move = move_of(timeline, record);
    if (move == NULL || move->source_pid == 0) {
        return timeline_instant(timeline, record);
    }
    uint32_t lane = move->source_lane;
    drop_round(timeline, move, record->time);
    timeline_instant_in(timeline, record, lane);
    (void)events_end(&timeline->events, lane, record->time, SPAN_MOVE, record);
    if (move->action_lane != EVENTS_NO_LANE) { /* it has no end of its own in a recording */
        (void)events_end(&timeline->events, move->action_lane, record->time, SPAN_ACTION, NULL);
    }
    move->source_pid = 0;
    release(move);
    return lane;
}

uint32_t draw_pace(struct timeline *timeline, const struct record *record)
{
    struct move *move = move_of(timeline, record);
    uint64_t rate = timeline_count(timeline, record, "rate");
    if (move != NULL && move->source_pid != 0 && rate > 0) { /* 0: no limit */
        count_for_move(timeline, move, record, "rate allowed", "Mbit/s", rate, 6);
    }
    return draw_of_move(timeline, record);
}

uint32_t draw_throttled(struct timeline *timeline, const struct record *record)
{
    struct move *move = move_of(timeline, record);
    if (move != NULL && move->source_pid != 0) {
        count_for_move(timeline, move, record, "processor time left to the guest", "%",
                       timeline_count(timeline, record, "left"), 0);
    }
    return draw_of_move(timeline, record);
}

/* Waits, and whatever else a migration says of itself: in its lane. */
uint32_t draw_of_move(struct timeline *timeline, const struct record *record)
{
    struct move *move = move_of(timeline, record);
    if (move == NULL || move->source_pid != timeline_own_pid(timeline, record)) {
        return timeline_instant(timeline, record);
    }
    return timeline_instant_in(timeline, record, move->source_lane);
}
