/* testbed/export_timeline.c - what each kind of record is on a timeline.
 *
 *     process       lanes
 *     timeline      one for each action: a span from its start to its end, its fault within; what its traffic met as instants
 *     a node        power; migration N: steps and rounds; incoming N: what it receives; net; one for each direction of a link
 *     a VM          on NODE: there, and running or paused; vm
 *     a client      power; net; its links
 *     a network     what its switch did
 *
 * Kinds are known by name, their fields too: a recording of another version is drawn as far as its names are the same, and a kind
 * that has no place of its own is an instant in the lane of its part. */
#include "testbed/export_events.h"

#include "sim/assert.h"
#include "testbed/frame_text.h"
#include "testbed/part_names.h"

#include <stdlib.h>
#include <string.h>

#define TIMELINE_PID    1u
#define MOVES_MAX       1024u  /* migrations under way at once */
#define CAUSES_KEPT     65536u /* how far back, in records, a cause is looked for */
#define FRAMES_KEPT     4096u  /* frames between the two links of their way */
#define COUNTER_STEP_NS (1000 * 1000)
#define FRAME_GAP_BYTES                                                                            \
    24 /* preamble, FCS and gap of a frame: what it takes on the wire besides its bytes */

__extension__ typedef unsigned __int128 wide;

/* Tags of spans. */
enum {
    SPAN_ACTION = 1,
    SPAN_FAULT,
    SPAN_POWER,
    SPAN_INSTANCE,
    SPAN_RUNS,
    SPAN_MOVE,
    SPAN_STEP,
    SPAN_ROUND,
    SPAN_RECEIVES,
    SPAN_STAGE,
    SPAN_CAUSED
};

/* Groups of lanes of a part; kinds without a place of their own have the groups from GROUP_KINDS on, by first word. */
enum { GROUP_ACTION, GROUP_POWER, GROUP_LINK, GROUP_MOVE, GROUP_INCOMING, GROUP_HOST, GROUP_KINDS };

/* A migration under way. */
struct move {
    bool used;
    uint64_t request;
    uint32_t source_pid, target_pid; /* 0: not known yet, or done with it */
    uint32_t source_slot, target_slot;
    uint32_t source_lane, target_lane;
    char vm[64];
    bool rounds; /* one goes on since: */
    sim_time round_from;
    uint64_t round; /* the next one to end */
    uint64_t bytes; /* sent in rounds */
    uint32_t spoke; /* the lane of who spoke last, EVENTS_NO_LANE for nobody */
    sim_time spoke_at;
    const char *said;
};

struct cause {
    uint64_t id;
    sim_time time;
    uint32_t lane;
};

struct hop {
    uint64_t hash;
    sim_time from; /* the beginning of its span */
    uint32_t lane;
    bool used;
};

struct counts {
    uint64_t dirty, sent, bytes;
    sim_time said; /* when one of them was last written */
};

struct timeline;
/* Draws a record and returns the lane that it is in, or EVENTS_NO_LANE. */
typedef uint32_t draw_record(struct timeline *timeline, const struct record *record);

struct timeline {
    struct events events;
    struct recording *recording;
    const struct scenario *scenario; /* or NULL */
    draw_record **draw;              /* by kind */
    uint32_t *group;                 /* by kind */
    uint32_t *pid;                   /* by origin */
    uint64_t *rate_bps;              /* of links, by origin; 0: not known */
    struct counts *counts;           /* by origin */
    const char **process_names;      /* by pid; each is malloc'ed */
    uint32_t process_count;
    struct move moves[MOVES_MAX];
    struct cause causes[CAUSES_KEPT];
    struct hop hops[FRAMES_KEPT];
};

/* ---- records by name ------------------------------------------------------------------------------------------------------------ */

static const struct record_kind *kind_of(const struct timeline *timeline,
                                         const struct record *record)
{
    return recording_kind(timeline->recording, record->kind);
}

/* The value of that name; `otherwise` where the kind has none. */
static int64_t value_of(const struct timeline *timeline, const struct record *record,
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

static uint64_t count_of(const struct timeline *timeline, const struct record *record,
                         const char *name)
{
    int64_t value = value_of(timeline, record, name, 0);
    return value > 0 ? (uint64_t)value : 0;
}

/* The process of a part that a value names; 0 for none. */
static uint32_t pid_of(const struct timeline *timeline, int64_t origin)
{
    bool known = origin >= 0 && origin < (int64_t)recording_origin_count(timeline->recording);
    return known ? timeline->pid[origin] : 0;
}

static uint32_t own_pid(const struct timeline *timeline, const struct record *record)
{
    uint32_t pid = pid_of(timeline, record->origin);
    return pid != 0 ? pid : TIMELINE_PID;
}

static const char *path_of(const struct timeline *timeline, uint32_t origin)
{
    return recording_origin(timeline->recording, origin);
}

static uint64_t lane_key(uint64_t part, uint32_t group, uint32_t number)
{
    return part << 40 | (uint64_t)group << 20 | number;
}

/* A lane of a process as a whole: keys of parts and of processes are apart. */
static uint64_t process_key(uint32_t pid, uint32_t group, uint32_t number)
{
    return UINT64_C(1) << 63 | lane_key(pid, group, number);
}

/* ---- what has no place of its own ------------------------------------------------------------------------------------------------ */

/* "lan, sends": a direction of a link, within the process of its machine. */
static uint32_t link_lane(struct timeline *timeline, uint32_t origin)
{
    const char *path = path_of(timeline, origin);
    const char *slash = strchr(path, '/');
    const char *rest = slash != NULL ? slash + 1 : path;
    size_t length = strlen(rest);
    char last = length > 0 ? rest[length - 1] : 0;
    const char *way = last == '>' ? ", sends" : last == '<' ? ", receives" : "";
    return events_lane(&timeline->events, timeline->pid[origin], lane_key(origin, GROUP_LINK, 0),
                       900, "%.*s%s", (int)(way[0] != 0 ? length - 1 : length), rest, way);
}

static uint32_t part_lane(struct timeline *timeline, const struct record *record)
{
    uint32_t origin = record->origin, pid = own_pid(timeline, record);
    uint32_t group = timeline->group[record->kind];
    const char *name = kind_of(timeline, record)->name;
    if (pid_of(timeline, origin) == 0) {
        origin = SIM_NONE;
    } else if (strchr(path_of(timeline, origin), '/') != NULL) {
        return link_lane(timeline, origin);
    } else if (pid == TIMELINE_PID && path_of(timeline, origin)[0] != '(') {
        return events_lane(&timeline->events, pid, lane_key(origin, GROUP_ACTION, 0), 100, "%s",
                           path_of(timeline, origin));
    }
    return events_lane(&timeline->events, pid, lane_key(origin, group, 0), 800, "%.*s",
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
static uint32_t draw_instant_in(struct timeline *timeline, const struct record *record,
                                uint32_t lane)
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

static uint32_t draw_instant(struct timeline *timeline, const struct record *record)
{
    return draw_instant_in(timeline, record, part_lane(timeline, record));
}

static uint32_t draw_nothing(struct timeline *timeline, const struct record *record)
{
    (void)timeline;
    (void)record;
    return EVENTS_NO_LANE;
}

/* A span that another lane may have caused. */
static uint32_t draw_begin(struct timeline *timeline, const struct record *record, uint32_t lane,
                           uint8_t tag, const char *name)
{
    const struct cause *cause = find_cause(timeline, record->cause);
    events_begin(&timeline->events, lane, record->time, tag, name, record);
    if (cause != NULL && cause->lane != lane) {
        events_flow(&timeline->events, "cause", cause->lane, cause->time, lane, record->time);
    }
    return lane;
}

/* ---- the timeline, and power ----------------------------------------------------------------------------------------------------- */

static uint32_t draw_action_starts(struct timeline *timeline, const struct record *record)
{
    return draw_begin(timeline, record, part_lane(timeline, record), SPAN_ACTION, record->text);
}

static uint32_t draw_action_ends(struct timeline *timeline, const struct record *record)
{
    uint32_t lane = part_lane(timeline, record);
    if (!events_end(&timeline->events, lane, record->time, SPAN_ACTION, record)) {
        return draw_instant(timeline, record);
    }
    return lane;
}

static uint32_t draw_fault_starts(struct timeline *timeline, const struct record *record)
{
    uint32_t lane = part_lane(timeline, record);
    char name[400];
    snprintf(name, sizeof name, "%.120s: %.255s", path_of(timeline, record->origin), record->text);
    draw_begin(timeline, record, lane, SPAN_FAULT, record->text);
    events_instant(&timeline->events, lane, record->time, true, name, record);
    return lane;
}

static uint32_t draw_fault_stops(struct timeline *timeline, const struct record *record)
{
    uint32_t lane = part_lane(timeline, record);
    char name[400];
    snprintf(name, sizeof name, "%.120s is over: %.255s", path_of(timeline, record->origin),
             record->text);
    events_instant(&timeline->events, lane, record->time, true, name, record);
    (void)events_end(&timeline->events, lane, record->time, SPAN_FAULT, record);
    return lane;
}

/* What a migration had open on a machine that lost power ends there. */
static void drop_moves(struct timeline *timeline, uint32_t pid, sim_time time)
{
    for (uint32_t i = 0; i < MOVES_MAX; i++) {
        struct move *move = &timeline->moves[i];
        if (move->used && move->source_pid == pid) {
            (void)events_end(&timeline->events, move->source_lane, time, SPAN_MOVE, NULL);
            move->source_pid = 0;
        }
        if (move->used && move->target_pid == pid) {
            (void)events_end(&timeline->events, move->target_lane, time, SPAN_RECEIVES, NULL);
            move->target_pid = 0;
        }
        move->used = move->source_pid != 0 || move->target_pid != 0;
    }
}

static uint32_t draw_machine(struct timeline *timeline, const struct record *record)
{
    uint32_t pid = own_pid(timeline, record);
    uint32_t lane =
        events_lane(&timeline->events, pid, lane_key(record->origin, GROUP_POWER, 0), 10, "power");
    (void)events_end(&timeline->events, lane, record->time, SPAN_POWER, NULL);
    draw_begin(timeline, record, lane, SPAN_POWER, record->text);
    if (strcmp(record->text, "off") == 0) {
        drop_moves(timeline, pid, record->time);
    }
    return lane;
}

/* ---- VMs ------------------------------------------------------------------------------------------------------------------------ */

static uint32_t host_lane(struct timeline *timeline, const struct record *record)
{
    int64_t host = value_of(timeline, record, "host", -1);
    const char *path = export_part(timeline->recording, host);
    uint32_t number = path != NULL ? (uint32_t)host & 0xfffff : 0;
    return events_lane(&timeline->events, own_pid(timeline, record),
                       lane_key(record->origin, GROUP_HOST, number), 100, "on %s",
                       path != NULL ? path : "a host");
}

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
    move->target_lane =
        events_lane(&timeline->events, pid, process_key(pid, GROUP_INCOMING, move->target_slot),
                    300, "incoming %u", (unsigned)move->target_slot + 1);
    snprintf(name, sizeof name, "receives %s", move->vm);
    (void)events_end(&timeline->events, move->target_lane, record->time, SPAN_RECEIVES, NULL);
    events_begin(&timeline->events, move->target_lane, record->time, SPAN_RECEIVES, name, record);
}

static uint32_t draw_vm_created(struct timeline *timeline, const struct record *record)
{
    char name[64];
    uint32_t lane = host_lane(timeline, record);
    snprintf(name, sizeof name, "instance %llu",
             (unsigned long long)count_of(timeline, record, "instance"));
    (void)events_end(&timeline->events, lane, record->time, SPAN_INSTANCE, NULL);
    draw_begin(timeline, record, lane, SPAN_INSTANCE, name);
    struct move *move = move_of_vm(timeline, path_of(timeline, record->origin));
    uint32_t host = pid_of(timeline, value_of(timeline, record, "host", -1));
    if (move != NULL && move->target_pid == 0 && host != 0 && host != move->source_pid) {
        open_target(timeline, move, host, record);
        draw_message(timeline, move, move->target_lane, record->time, "reserved");
    }
    return lane;
}

static uint32_t draw_vm_runs(struct timeline *timeline, const struct record *record)
{
    uint32_t lane = host_lane(timeline, record);
    (void)events_end(&timeline->events, lane, record->time, SPAN_RUNS, NULL);
    return draw_begin(timeline, record, lane, SPAN_RUNS, "runs");
}

static uint32_t draw_vm_paused(struct timeline *timeline, const struct record *record)
{
    uint32_t lane = host_lane(timeline, record);
    (void)events_end(&timeline->events, lane, record->time, SPAN_RUNS, NULL);
    return draw_begin(timeline, record, lane, SPAN_RUNS, "paused");
}

static uint32_t draw_vm_gone(struct timeline *timeline, const struct record *record)
{
    uint32_t lane = host_lane(timeline, record);
    if (!events_end(&timeline->events, lane, record->time, SPAN_INSTANCE, record)) {
        draw_instant_in(timeline, record, lane);
    }
    return lane;
}

/* ---- counters --------------------------------------------------------------------------------------------------------------------- */

static struct counts *counts_of(struct timeline *timeline, const struct record *record)
{
    return pid_of(timeline, record->origin) != 0 ? &timeline->counts[record->origin] : NULL;
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

static uint32_t draw_harvest(struct timeline *timeline, const struct record *record)
{
    struct counts *counts = counts_of(timeline, record);
    events_counter(&timeline->events, own_pid(timeline, record), record->time, "dirty pages",
                   "pages", count_of(timeline, record, "pages"), 0);
    if (counts != NULL) {
        counts->dirty = 0;
    }
    return draw_instant(timeline, record);
}

static uint32_t draw_page_dirtied(struct timeline *timeline, const struct record *record)
{
    struct counts *counts = counts_of(timeline, record);
    if (counts != NULL) {
        counts->dirty++;
        if (is_due(counts, record->time)) {
            events_counter(&timeline->events, own_pid(timeline, record), record->time,
                           "dirty pages", "pages", counts->dirty, 0);
        }
    }
    return EVENTS_NO_LANE;
}

static uint32_t draw_page_sent(struct timeline *timeline, const struct record *record)
{
    struct counts *counts = counts_of(timeline, record);
    if (counts != NULL) {
        counts->sent++;
        if (is_due(counts, record->time)) {
            events_counter(&timeline->events, own_pid(timeline, record), record->time, "pages sent",
                           "pages", counts->sent, 0);
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
    snprintf(name, sizeof name, "%.120s: %s", path_of(timeline, record->origin), what);
    events_counter(&timeline->events, own_pid(timeline, record), record->time, name, unit, value,
                   digits);
    return EVENTS_NO_LANE;
}

static uint32_t draw_ping_reply(struct timeline *timeline, const struct record *record)
{
    return count_for_action(timeline, record, "round trip", "ms", count_of(timeline, record, "rtt"),
                            6);
}

static uint32_t draw_request_done(struct timeline *timeline, const struct record *record)
{
    return count_for_action(timeline, record, "latency", "ms",
                            count_of(timeline, record, "latency"), 6);
}

static uint32_t draw_bulk_progress(struct timeline *timeline, const struct record *record)
{
    return count_for_action(timeline, record, "landed", "bytes",
                            count_of(timeline, record, "bytes"), 0);
}

/* ---- migrations ----------------------------------------------------------------------------------------------------------------- */

static struct move *move_of(struct timeline *timeline, const struct record *record)
{
    uint64_t request = (uint64_t)value_of(timeline, record, "request", -1);
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

static uint32_t draw_ordered(struct timeline *timeline, const struct record *record)
{
    uint32_t pid = own_pid(timeline, record);
    struct move *move = move_of(timeline, record);
    char name[100];
    if (move != NULL) { /* asked for once more */
        (void)events_end(&timeline->events, move->source_lane, record->time, SPAN_MOVE, NULL);
        move->used = false;
    }
    move = new_move(timeline);
    if (move == NULL) {
        return draw_instant(timeline, record);
    }
    *move = (struct move){.request = (uint64_t)value_of(timeline, record, "request", -1),
                          .spoke = EVENTS_NO_LANE,
                          .said = ""};
    snprintf(move->vm, sizeof move->vm, "%.63s", record->text);
    move->source_slot = take_slot(timeline, pid, false);
    move->source_pid = pid;
    move->used = true;
    move->source_lane =
        events_lane(&timeline->events, pid, process_key(pid, GROUP_MOVE, move->source_slot), 200,
                    "migration %u", (unsigned)move->source_slot + 1);
    snprintf(name, sizeof name, "live migration of %s", move->vm);
    (void)events_end(&timeline->events, move->source_lane, record->time, SPAN_MOVE, NULL);
    return draw_begin(timeline, record, move->source_lane, SPAN_MOVE, name);
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

static uint32_t draw_step(struct timeline *timeline, const struct record *record)
{
    struct move *move = move_of(timeline, record);
    if (move == NULL || move->source_pid == 0) {
        return draw_instant(timeline, record);
    }
    drop_round(timeline, move, record->time);
    (void)events_end(&timeline->events, move->source_lane, record->time, SPAN_STEP, NULL);
    draw_begin(timeline, record, move->source_lane, SPAN_STEP, record->text);
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

static uint32_t draw_round(struct timeline *timeline, const struct record *record)
{
    struct move *move = move_of(timeline, record);
    char name[200];
    if (move == NULL || move->source_pid == 0) {
        return draw_instant(timeline, record);
    }
    struct events *events = &timeline->events;
    sim_time from = record->time - value_of(timeline, record, "took", 0);
    from = move->rounds ? move->round_from : from;
    from = from >= 0 && from <= record->time ? from : record->time;
    snprintf(name, sizeof name, "round %llu",
             (unsigned long long)count_of(timeline, record, "round"));
    events_begin(events, move->source_lane, from, SPAN_ROUND, name, NULL);
    (void)events_end(events, move->source_lane, record->time, SPAN_ROUND, record);
    move->rounds = true;
    move->round_from = record->time;
    move->round = count_of(timeline, record, "round") + 1;
    move->bytes += count_of(timeline, record, "bytes");
    snprintf(name, sizeof name, "%s: bytes sent", move->vm);
    events_counter(events, move->source_pid, record->time, name, "bytes", move->bytes, 0);
    snprintf(name, sizeof name, "%s: pause if stopped", move->vm);
    events_counter(events, move->source_pid, record->time, name, "ms",
                   count_of(timeline, record, "pause_if_stopped"), 6);
    return move->source_lane;
}

static uint32_t draw_rule(struct timeline *timeline, const struct record *record)
{
    struct move *move = move_of(timeline, record);
    if (move == NULL || move->source_pid == 0) {
        return draw_instant(timeline, record);
    }
    if (move->round_from == record->time) { /* nothing was sent since: no further round begins */
        move->rounds = false;
    }
    return draw_instant_in(timeline, record, move->source_lane);
}

static void release(struct move *move)
{
    move->used = move->source_pid != 0 || move->target_pid != 0;
}

/* The steps of the hand-over as spans of the target, and as arrows from each to the next. */
static uint32_t draw_handover(struct timeline *timeline, const struct record *record)
{
    static const char *const stages[] = {"prepared",  "owned",     "given",      "freed",
                                         "forgotten", "discarded", "taken back", "forced"};
    struct move *move = move_of(timeline, record);
    uint32_t pid = own_pid(timeline, record);
    if (move == NULL) {
        return draw_instant(timeline, record);
    }
    const char *stage = "hand-over";
    for (size_t i = 0; i < sizeof stages / sizeof stages[0]; i++) {
        stage = strcmp(stages[i], record->text) == 0 ? stages[i] : stage;
    }
    if (pid == move->source_pid) {
        draw_message(timeline, move, move->source_lane, record->time, stage);
        return draw_instant_in(timeline, record, move->source_lane);
    }
    if (move->target_pid != 0 && pid != move->target_pid) {
        return draw_instant(timeline, record);
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
        draw_instant_in(timeline, record, lane);
    }
    if (strcmp(stage, "forgotten") == 0 || strcmp(stage, "discarded") == 0) {
        (void)events_end(&timeline->events, lane, record->time, SPAN_RECEIVES, NULL);
        move->target_pid = 0;
        release(move);
    }
    return lane;
}

static uint32_t draw_ended(struct timeline *timeline, const struct record *record)
{
    struct move *move = move_of(timeline, record);
    if (move == NULL || move->source_pid == 0) {
        return draw_instant(timeline, record);
    }
    uint32_t lane = move->source_lane;
    drop_round(timeline, move, record->time);
    draw_instant_in(timeline, record, lane);
    (void)events_end(&timeline->events, lane, record->time, SPAN_MOVE, record);
    move->source_pid = 0;
    release(move);
    return lane;
}

/* Waits, and whatever else a migration says of itself: in its lane. */
static uint32_t draw_of_move(struct timeline *timeline, const struct record *record)
{
    struct move *move = move_of(timeline, record);
    if (move == NULL || move->source_pid != own_pid(timeline, record)) {
        return draw_instant(timeline, record);
    }
    return draw_instant_in(timeline, record, move->source_lane);
}

/* ---- frames --------------------------------------------------------------------------------------------------------------------- */

static uint32_t draw_link_state(struct timeline *timeline, const struct record *record)
{
    if (pid_of(timeline, record->origin) != 0) {
        timeline->rate_bps[record->origin] = count_of(timeline, record, "rate_bps");
    }
    return draw_instant(timeline, record);
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
static void draw_frame(struct timeline *timeline, const struct recording_frame *frame)
{
    struct frame_words words = {.protocol = "frame"};
    char name[64], counter[200];
    if (pid_of(timeline, frame->link) == 0) {
        return;
    }
    const char *path = path_of(timeline, frame->link);
    uint32_t lane = link_lane(timeline, frame->link);
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
    {"migration.handover", draw_handover},
    {"migration.ended", draw_ended},
};

static void find_kinds(struct timeline *timeline)
{
    uint32_t kinds = recording_kind_count(timeline->recording);
    for (uint32_t i = 0; i < kinds; i++) {
        const char *name = recording_kind(timeline->recording, i)->name;
        timeline->draw[i] = strncmp(name, "migration.", 10) == 0 ? draw_of_move : draw_instant;
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
            const char *path = path_of(timeline, i);
            sorted[i] = (struct by_path){.path = path, .origin = i};
            if (timeline->pid[i] != 0 || strchr(path, '/') != NULL) {
                continue;
            }
            if (path[0] == '(' || part_kind(timeline, path) == SCENARIO_ACTION) {
                timeline->pid[i] = TIMELINE_PID;
            } else if (is_of_pass(part_kind(timeline, path), pass)) {
                add_process(timeline, sorts[pass], path);
                timeline->pid[i] = timeline->process_count;
            }
        }
    }
    qsort(sorted, origins, sizeof *sorted, path_compare);
    for (uint32_t i = 0; i < origins; i++) {
        const char *path = path_of(timeline, i);
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
        const char *path = path_of(timeline, i);
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
    if (record->id != 0 && lane != EVENTS_NO_LANE) {
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
