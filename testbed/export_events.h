/* testbed/export_events.h - trace events: processes, lanes, spans, instants, counters and flows, written as they come.
 *
 *     process (pid)  node1                      a part of the scenario, and what belongs to it
 *       lane (tid)     migration 1   [== live migration of web ===========]        spans nest, B and E
 *                                      [reserve][ pre-copy ][stop-copy]
 *                                                  [round 1]  \                     flow
 *     process        node2                                      \
 *       lane           incoming 1              [receives web      v         ]
 *
 *  T1. A lane's times never fall: what would lie before the last one is moved to it. So spans nest whatever a recording says.
 *  T2. A span is closed by its tag, with all that was opened within it; at the end everything is. No E without its B.
 *  T3. Lanes and processes are named before they are first used.
 *  T4. A flow is written when it arrives, both ends at once, so that one that was lost on the way leaves nothing behind. Its start may
 *      lie earlier in time than what stands before it in the file; readers sort ("The events do not have to be in timestamp-sorted
 *      order", Trace Event Format), and both ends lie in spans. */
#ifndef ORRERY_TESTBED_EXPORT_EVENTS_H
#define ORRERY_TESTBED_EXPORT_EVENTS_H

#include "testbed/export_private.h"

#define EVENTS_NO_LANE UINT32_MAX
#define EVENTS_DEPTH   8u /* spans open in a lane at once */

struct events_lane {
    uint64_t key;
    uint32_t pid;
    sim_time last;
    uint32_t depth;
    uint8_t tags[EVENTS_DEPTH];
};

struct events {
    FILE *out;
    const struct recording *recording;
    bool begun; /* an event was written */
    uint64_t flows;
    bool *process_named; /* by pid */
    const char **process_names;
    uint32_t process_count;
    struct events_lane *lanes;
    uint32_t lane_count, lane_capacity;
    uint32_t *slots; /* hash of keys: lane + 1, 0 for none */
    uint32_t slot_count;
};

/* `process_names` by pid, from 1 on; processes are shown in that order. Borrowed. */
void events_open(struct events *events, FILE *out, const struct recording *recording,
                 const char **process_names, uint32_t process_count);
/* Closes what is open, at `end`, and the document. */
void events_close(struct events *events, sim_time end);

/* The lane of that key, made with that name (printf) and place among the lanes of its process where it is new. */
__attribute__((format(printf, 5, 6))) uint32_t events_lane(struct events *events, uint32_t pid,
                                                           uint64_t key, uint32_t place,
                                                           const char *format, ...);
/* `record` goes into the arguments: its id, its cause, its values; NULL for none. `category` is the part of a kind's name up to the dot. */
void events_begin(struct events *events, uint32_t lane, sim_time time, uint8_t tag,
                  const char *name, const struct record *record);
/* Ends the innermost span of that tag and all within it; false where none is open. */
bool events_end(struct events *events, uint32_t lane, sim_time time, uint8_t tag,
                const struct record *record);
bool events_is_open(const struct events *events, uint32_t lane, uint8_t tag);
/* `everywhere`: a line through all lanes. */
void events_instant(struct events *events, uint32_t lane, sim_time time, bool everywhere,
                    const char *name, const struct record *record);
/* A span whose both ends are known; `detail` is an argument of that name. Returns its beginning, which T1 may have moved. */
sim_time events_complete(struct events *events, uint32_t lane, sim_time from, sim_time until,
                         const char *name, uint64_t id, const char *detail);
/* A value from now on; `divisor` as digits behind the point, so that 3 turns microseconds into milliseconds. */
void events_counter(struct events *events, uint32_t pid, sim_time time, const char *name,
                    const char *unit, uint64_t value, unsigned digits);
/* From a span of one lane to a span of another. */
void events_flow(struct events *events, const char *name, uint32_t from, sim_time sent, uint32_t to,
                 sim_time arrived);

#endif
