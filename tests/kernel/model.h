/* tests/kernel/model.h - the order of events as a sorted list: slow, and too simple to be wrong.
 *
 * Every armed event is one line {time, wave, rank, sequence}; the next to run is the least. The property test does the same
 * operations to a model and to a kernel, and compares who runs when. */
#ifndef ORRERY_TESTS_KERNEL_MODEL_H
#define ORRERY_TESTS_KERNEL_MODEL_H

#include "sim/types.h"

#define MODEL_EVENTS_MAX 384u

struct model_event {
    bool queued;
    sim_time time;
    uint32_t wave;
    uint32_t rank;
    uint64_t sequence;
};

struct model {
    sim_time now;
    uint32_t next_wave; /* of what is armed for now */
    uint64_t sequence;
    struct model_event events[MODEL_EVENTS_MAX];
};

void model_arm(struct model *model, uint32_t event, uint32_t rank, sim_time at);
void model_cancel(struct model *model, uint32_t event);
/* The event that must run next, SIM_NONE if nothing is queued up to `until`. */
uint32_t model_first(const struct model *model, sim_time until);
/* It runs: takes it out and moves time and wave to it. */
void model_run(struct model *model, uint32_t event);
/* Time passes without an event. */
void model_advance(struct model *model, sim_time until);
uint32_t model_queued(const struct model *model);

#endif
