#include "vm/traffic_place.h"

#include "sim/assert.h"

static void on_machine(void *context, enum machine_news news);

static void detach(struct traffic_place *place)
{
    if (place->machine == NULL) {
        return;
    }
    place->detached(place->context);
    machine_unwatch(place->machine, on_machine, place);
    place->machine = NULL;
    place->stack = NULL;
}

static void attach(struct traffic_place *place, struct machine *machine, struct ip_stack *stack)
{
    bool goes_on = place->left && machine_now(machine) >= place->left_at;
    place->machine = machine;
    place->stack = stack;
    place->left = false;
    place->told_gone = false;
    place->stopped = false;
    machine_watch(machine, on_machine, place);
    place->attached(place->context, goes_on);
}

static void look(void *context)
{
    struct traffic_place *place = context;
    struct machine *machine = place->end.machine(place->end.context);
    struct ip_stack *stack = place->end.stack(place->end.context);
    bool on = machine != NULL && stack != NULL && machine_is_on(machine);
    if (on && machine != place->machine && machine_runs(machine)) {
        if (place->machine != NULL) {
            place->left = place->stopped;
            place->left_at = machine_now(place->machine);
            detach(place);
        }
        attach(place, machine, stack);
    } else if (!on && place->machine == NULL && !place->told_gone) {
        place->told_gone = true;
        place->left = false;
        place->gone(place->context);
    }
    /* Any of the callbacks may have closed it. */
    if (place->look_event != SIM_NONE && !traffic_place_runs(place)) {
        sim_event_arm(place->net->sim, place->look_event,
                      sim_now(place->net->sim) + TRAFFIC_LOOK_NS);
    }
}

static void on_machine(void *context, enum machine_news news)
{
    struct traffic_place *place = context;
    struct sim *sim = place->net->sim;
    switch (news) {
    case MACHINE_CRASHED:
        /* A VM whose instance goes after a pause has moved; what crashed while it ran has not. */
        place->left = place->stopped;
        detach(place);
        sim_event_arm(sim, place->look_event, sim_now(sim));
        break;
    case MACHINE_STOPPED:
        place->stopped = true;
        place->left_at = machine_now(place->machine);
        sim_event_arm(sim, place->look_event, sim_now(sim) + TRAFFIC_LOOK_NS);
        break;
    case MACHINE_STARTED:
        place->stopped = false;
        sim_event_cancel(sim, place->look_event);
        break;
    case MACHINE_POWERED_ON:
        break;
    }
}

void traffic_place_open(struct traffic_place *place, uint32_t origin)
{
    SIM_ASSERT(place->attached != NULL && place->detached != NULL && place->gone != NULL);
    place->machine = NULL;
    place->stack = NULL;
    place->left = false;
    place->told_gone = false;
    place->look_event = sim_event_new(place->net->sim, origin, look, place);
    look(place);
}

void traffic_place_close(struct traffic_place *place)
{
    detach(place);
    if (place->look_event != SIM_NONE) {
        sim_event_free(place->net->sim, place->look_event);
        place->look_event = SIM_NONE;
    }
}

void traffic_place_forget(struct tcp_connection **connection)
{
    if (*connection != NULL) {
        tcp_set_user(*connection, NULL, NULL);
        *connection = NULL;
    }
}

void traffic_place_abort(const struct traffic_place *place, struct tcp_connection **connection)
{
    struct tcp_connection *aborted = *connection;
    if (aborted != NULL && traffic_place_runs(place)) {
        *connection = NULL;
        tcp_abort(aborted);
    }
    traffic_place_forget(connection);
}

void traffic_place_release(const struct traffic_place *place, struct tcp_connection **connection)
{
    struct tcp_connection *released = *connection;
    if (released != NULL && traffic_place_runs(place)) {
        *connection = NULL;
        tcp_release(released);
    }
    traffic_place_forget(connection);
}

struct tcp_connection *traffic_place_connection(const struct traffic_place *place, uint64_t flow)
{
    struct tcp_layer *tcp = place->stack != NULL ? ip_stack_tcp(place->stack) : NULL;
    struct tcp_connection *c = tcp != NULL ? tcp_layer_next(tcp, NULL) : NULL;
    while (c != NULL && (tcp_flow(c) != flow || tcp_context(c) != NULL)) {
        c = tcp_layer_next(tcp, c);
    }
    return c;
}
