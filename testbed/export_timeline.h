/* testbed/export_timeline.h - what each kind of record is on a timeline.
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
#ifndef ORRERY_TESTBED_EXPORT_TIMELINE_H
#define ORRERY_TESTBED_EXPORT_TIMELINE_H

#include "testbed/export_events.h"

#define TIMELINE_PID    1u
#define MOVES_MAX       1024u  /* migrations under way at once */
#define CAUSES_KEPT     65536u /* how far back, in records, a cause is looked for */
#define FRAMES_KEPT     4096u  /* frames between the two links of their way */
#define COUNTER_STEP_NS (1000 * 1000)
#define FRAME_GAP_BYTES                                                                            \
    24 /* preamble, FCS and gap of a frame: what it takes on the wire besides its bytes */

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
    SPAN_STALLED,
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
    uint32_t action_lane; /* of the action that asked for it, or EVENTS_NO_LANE */
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
    uint64_t action;      /* number of the last action that started, */
    uint32_t action_lane; /* and its lane */
    struct move moves[MOVES_MAX];
    struct cause causes[CAUSES_KEPT];
    struct hop hops[FRAMES_KEPT];
};

/* ---- the timeline (export_timeline.c) ------------------------------------------------------------------------------------------- */

/* The value of that name; `otherwise` where the kind has none. */
int64_t timeline_value(const struct timeline *timeline, const struct record *record,
                       const char *name, int64_t otherwise);
/* The same as a count; 0 where there is none. */
uint64_t timeline_count(const struct timeline *timeline, const struct record *record,
                        const char *name);
/* The process of a part that a value names; 0 for none. */
uint32_t timeline_pid(const struct timeline *timeline, int64_t origin);
/* That of a record's own part; the timeline's where it has none. */
uint32_t timeline_own_pid(const struct timeline *timeline, const struct record *record);
const char *timeline_path(const struct timeline *timeline, uint32_t origin);
/* Keys of lanes: of a part, and of a process as a whole. */
uint64_t timeline_key(uint64_t part, uint32_t group, uint32_t number);
uint64_t timeline_process_key(uint32_t pid, uint32_t group, uint32_t number);
/* "lan, sends": a direction of a link, within the process of its machine. */
uint32_t timeline_link_lane(struct timeline *timeline, uint32_t origin);
/* Where records of a part stand that have no place of their own. */
uint32_t timeline_part_lane(struct timeline *timeline, const struct record *record);
/* An instant; where another lane caused it, a span without duration, which is what an arrow can end in. Return the lane. */
uint32_t timeline_instant_in(struct timeline *timeline, const struct record *record, uint32_t lane);
draw_record timeline_instant;
/* A span, with an arrow from another lane that caused it. Returns the lane. */
uint32_t timeline_begin(struct timeline *timeline, const struct record *record, uint32_t lane,
                        uint8_t tag, const char *name);

/* ---- parts (export_parts.c) ----------------------------------------------------------------------------------------------------- */

draw_record draw_action_starts, draw_action_ends, draw_fault_starts, draw_fault_stops, draw_machine;
draw_record draw_vm_created, draw_vm_runs, draw_vm_paused, draw_vm_gone;
draw_record draw_harvest, draw_page_dirtied, draw_page_sent;
draw_record draw_ping_reply, draw_request_done, draw_bulk_progress;
draw_record draw_video_stalled, draw_video_resumed;
draw_record draw_link_state;
/* A frame takes its link until it arrives; the same one on its second link is joined to the first by a flow. */
void draw_frame(struct timeline *timeline, const struct recording_frame *frame);

/* ---- migrations (export_moves.c) ------------------------------------------------------------------------------------------------ */

draw_record draw_ordered, draw_step, draw_round, draw_rule, draw_handover, draw_ended, draw_of_move;
draw_record draw_pace, draw_throttled;
/* An instance of a VM was built: of one that moves, its target is known by that. */
void draw_move_reaches(struct timeline *timeline, const struct record *record);
/* What migrations had open on a machine that lost power ends there. */
void draw_moves_dropped(struct timeline *timeline, uint32_t pid, sim_time time);

#endif
