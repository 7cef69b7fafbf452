/* testbed/judge_guests.h - what the judge knows of a guest's processor time and of videos: facts and their properties. */
#ifndef ORRERY_TESTBED_JUDGE_GUESTS_H
#define ORRERY_TESTBED_JUDGE_GUESTS_H

#include "sim/record.h"
#include "testbed/expression.h"
#include "testbed/property_table.h"

struct judge_video {
    bool plays;       /* it has begun to play */
    sim_time startup; /* how long that took */
    sim_time
        low; /* least time of video in the buffer behind a frame that was shown; SIM_NEVER before the first */
    uint64_t stalls;
    sim_time stalled_since; /* SIM_NEVER: it does not stand still */
    sim_time longest_stall, longest_from, stalled_for;
    uint64_t shown; /* frames, to the last second */
    uint64_t reconnects;
};

/* A VM's processor time, known with its totals. */
struct judge_work {
    sim_time work, served, stolen;
    uint64_t pages_read;
};

void judge_video_init(struct judge_video *video);
/* A record of the kind of that name ("video.plays" ...). False for any other. */
bool judge_video_take(struct judge_video *video, const char *kind, const struct record *record);
/* The run is over: a stall that has not ended lasted until now. */
void judge_video_finish(struct judge_video *video, sim_time now);
struct expression_value judge_video_value(const struct judge_video *video, const char *property);

void judge_work_take(struct judge_work *work, const struct record *record);
/* True where it is one of its properties. */
bool judge_work_value(const struct judge_work *work, const char *property,
                      struct expression_value *out);

#endif
