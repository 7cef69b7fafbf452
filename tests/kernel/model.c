/* tests/kernel/model.c - the order of events as a sorted list. */
#include "model.h"

void model_arm(struct model *model, uint32_t event, uint32_t rank, sim_time at)
{
    model->events[event] = (struct model_event){
        .queued = true,
        .time = at,
        .wave = at == model->now ? model->next_wave : 0,
        .rank = rank,
        .sequence = model->sequence++,
    };
}

void model_cancel(struct model *model, uint32_t event)
{
    model->events[event].queued = false;
}

static bool model_before(const struct model_event *a, const struct model_event *b)
{
    if (a->time != b->time) {
        return a->time < b->time;
    }
    if (a->wave != b->wave) {
        return a->wave < b->wave;
    }
    if (a->rank != b->rank) {
        return a->rank < b->rank;
    }
    return a->sequence < b->sequence;
}

uint32_t model_first(const struct model *model, sim_time until)
{
    uint32_t first = SIM_NONE;
    for (uint32_t i = 0; i < MODEL_EVENTS_MAX; i++) {
        const struct model_event *event = &model->events[i];
        if (event->queued && event->time <= until &&
            (first == SIM_NONE || model_before(event, &model->events[first]))) {
            first = i;
        }
    }
    return first;
}

void model_run(struct model *model, uint32_t event)
{
    model->now = model->events[event].time;
    model->next_wave = model->events[event].wave + 1;
    model->events[event].queued = false;
}

void model_advance(struct model *model, sim_time until)
{
    if (until > model->now) {
        model->next_wave = 0;
    }
    model->now = until;
}

uint32_t model_queued(const struct model *model)
{
    uint32_t queued = 0;
    for (uint32_t i = 0; i < MODEL_EVENTS_MAX; i++) {
        queued += model->events[i].queued;
    }
    return queued;
}
