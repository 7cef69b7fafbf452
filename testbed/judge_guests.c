#include "testbed/judge_guests.h"

#include <string.h>

#include "sim/assert.h"

static struct expression_value number(int64_t value)
{
    return (struct expression_value){.known = true, .number = value};
}

void judge_video_init(struct judge_video *video)
{
    *video = (struct judge_video){.low = SIM_NEVER, .stalled_since = SIM_NEVER};
}

static void stall_ends(struct judge_video *video, sim_time from, sim_time lasted)
{
    video->stalled_for += lasted;
    if (lasted > video->longest_stall) {
        video->longest_stall = lasted;
        video->longest_from = from;
    }
    video->stalled_since = SIM_NEVER;
}

bool judge_video_take(struct judge_video *video, const char *kind, const struct record *record)
{
    if (strcmp(kind, "video.plays") == 0) {
        video->plays = true;
        video->startup = record->values[0];
    } else if (strcmp(kind, "video.stalled") == 0) {
        video->stalls++;
        video->stalled_since = record->time;
    } else if (strcmp(kind, "video.resumed") == 0) {
        bool stood = video->stalled_since != SIM_NEVER;
        video->stalls += stood ? 0 : 1; /* the player itself stood still, and says so afterwards */
        stall_ends(video, stood ? video->stalled_since : record->time - record->values[1],
                   record->values[1]);
    } else if (strcmp(kind, "video.low") == 0) {
        video->low = record->values[0];
    } else if (strcmp(kind, "video.shown") == 0) {
        video->shown = (uint64_t)record->values[0];
    } else if (strcmp(kind, "video.lost") == 0) {
        video->reconnects++;
    } else {
        return false;
    }
    return true;
}

void judge_video_finish(struct judge_video *video, sim_time now)
{
    if (video->stalled_since != SIM_NEVER) {
        stall_ends(video, video->stalled_since, now - video->stalled_since);
    }
}

struct expression_value judge_video_value(const struct judge_video *video, const char *property)
{
    if (strcmp(property, "reconnects") == 0) {
        return number((int64_t)video->reconnects);
    }
    if (!video->plays) {
        return (struct expression_value){.known = false};
    }
    if (strcmp(property, "startup") == 0) {
        return number(video->startup);
    }
    if (strcmp(property, "stalls") == 0) {
        return number((int64_t)video->stalls);
    }
    if (strcmp(property, "longest-stall") == 0) {
        return number(video->longest_stall);
    }
    if (strcmp(property, "stalled-for") == 0) {
        return number(video->stalled_for);
    }
    if (strcmp(property, "frames") == 0) {
        return number((int64_t)video->shown);
    }
    SIM_ASSERT(strcmp(property, "buffer-low") == 0);
    return video->low == SIM_NEVER ? (struct expression_value){.known = false} : number(video->low);
}

void judge_work_take(struct judge_work *work, const struct record *record)
{
    *work = (struct judge_work){
        .work = record->values[1],
        .served = record->values[2],
        .stolen = record->values[3],
        .pages_read = (uint64_t)record->values[4],
    };
}

bool judge_work_value(const struct judge_work *work, const char *property,
                      struct expression_value *out)
{
    if (strcmp(property, "processor-time") == 0) {
        *out = number(work->served);
    } else if (strcmp(property, "stolen-time") == 0) {
        *out = number(work->stolen);
    } else if (strcmp(property, "pages-read") == 0) {
        *out = number((int64_t)work->pages_read);
    } else {
        return false;
    }
    return true;
}
