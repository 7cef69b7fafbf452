/* Saved connections: at any instant of a transfer both ends may be saved and go on in another world. */
#include "tcp_world.h"

#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

#include "sim/state.h"

struct saved_case {
    const char *name;
    uint64_t bytes[2];
    uint32_t lose, delay;
    uint64_t send_buffer, receive_buffer;
    sim_time step_ns;
    bool lazy;
};

static const struct saved_case saved_cases[] = {
    {.name = "clean", .bytes = {200000, 30000}, .step_ns = 63 * SIM_US},
    {.name = "loss and disorder",
     .bytes = {200000, 100000},
     .lose = 30,
     .delay = 60,
     .step_ns = 211 * SIM_US},
    {.name = "small buffers, lazy reader",
     .bytes = {30000, 0},
     .send_buffer = 20000,
     .receive_buffer = 8000,
     .step_ns = 191 * SIM_US,
     .lazy = true},
};

static struct world *make(const struct saved_case *s, uint64_t seed)
{
    struct world *world = world_new(&(struct world_options){.seed = seed});
    world->options.send_buffer_bytes = s->send_buffer;
    world->options.receive_buffer_bytes = s->receive_buffer;
    for (uint32_t i = 0; i < 2; i++) {
        world->app[i].to_send = s->bytes[i];
        world->app[i].lazy = s->lazy;
        world->meddler[i].lose_per_mille = s->lose;
        world->meddler[i].delay_per_mille = s->delay;
        world->meddler[i].delay_ns = 300 * SIM_US;
    }
    return world;
}

/* Lazy applications read now and then. */
static void run_and_read(struct world *world, sim_time until)
{
    while (sim_now(world->sim) < until && !(world->app[0].ended && world->app[1].ended)) {
        sim_time before = sim_now(world->sim);
        sim_time next = before + 5 * SIM_MS;
        world_run(world, next < until ? next : until);
        if (sim_now(world->sim) == before) {
            return;
        }
        for (uint32_t i = 0; i < 2; i++) {
            if (world->app[i].lazy) {
                app_read_some(&world->app[i], 3000);
            }
        }
    }
}

/* The application goes on in the other world, with the connection that was loaded there. */
static void move_app(struct app *to, const struct app *from)
{
    uint8_t *model = to->model;
    struct world *world = to->world;
    struct app *peer = to->peer;
    *to = *from;
    to->world = world;
    to->peer = peer;
    to->model = model;
    memcpy(to->model, from->model, from->model_bytes);
    to->connection = tcp_layer_next(world->tcp[to->host], NULL);
    if (to->connection != NULL && !to->ended) {
        tcp_set_user(to->connection, &app_user, to);
    }
}

static bool run_saved(const struct saved_case *s, uint64_t seed, sim_time at)
{
    struct world *first = make(s, seed);
    world_connect(first);
    run_and_read(first, at);
    if (first->app[0].ended || first->app[1].ended || !first->app[1].connected) {
        bool over = first->app[0].ended || first->app[1].ended;
        world_free(first);
        return !over;
    }
    struct world *second = make(s, seed + 1000);
    /* Not at time 0: clocks differ. */
    world_run(second, 17 * SIM_MS);
    cr_assert_eq(tcp_listen(second->tcp[1], 80, 8, &second->options, app_accept, &second->app[1]),
                 IP_OK);
    for (uint32_t i = 0; i < 2; i++) {
        struct state_writer writer;
        state_writer_init(&writer);
        tcp_layer_save(first->tcp[i], &writer);
        struct state_reader reader;
        state_reader_init(&reader, writer.bytes, writer.length);
        cr_assert(tcp_layer_load(second->tcp[i], &reader), "%s, saved at %ld", s->name, (long)at);
        cr_assert(state_reader_done(&reader));
        cr_assert_eq(tcp_layer_live(second->tcp[i]), tcp_layer_live(first->tcp[i]));
        /* Saving what was loaded gives the same bytes. */
        struct state_writer again;
        state_writer_init(&again);
        tcp_layer_save(second->tcp[i], &again);
        cr_assert_eq(again.length, writer.length, "%s, saved at %ld", s->name, (long)at);
        state_writer_close(&again);
        state_writer_close(&writer);
        move_app(&second->app[i], &first->app[i]);
    }
    uint64_t streams_before = first->checked_streams, bytes_before = first->checked_bytes;
    world_free(first);
    run_and_read(second, 4000 * SIM_S);
    for (uint32_t i = 0; i < 2; i++) {
        const struct app *app = &second->app[i];
        cr_assert(app->ended && app->why == TCP_END_CLOSED, "%s, saved at %ld: host %u: %s",
                  s->name, (long)at, i, app->ended ? tcp_end_text(app->why) : "not ended");
        cr_assert_eq(app->received, s->bytes[1 - i], "%s, saved at %ld: host %u", s->name, (long)at,
                     i);
        cr_assert_eq(app->wrong, 0, "%s, saved at %ld: host %u", s->name, (long)at, i);
    }
    cr_assert_eq(second->checked_wrong, 0, "%s, saved at %ld", s->name, (long)at);
    cr_assert_eq(streams_before + second->checked_streams, 2, "%s, saved at %ld", s->name,
                 (long)at);
    cr_assert_eq(bytes_before + second->checked_bytes, s->bytes[0] + s->bytes[1],
                 "%s, saved at %ld", s->name, (long)at);
    world_free(second);
    return true;
}

Test(state, both_ends_go_on_in_another_world)
{
    for (size_t i = 0; i < sizeof saved_cases / sizeof saved_cases[0]; i++) {
        uint32_t times = 0;
        for (sim_time at = SIM_US; run_saved(&saved_cases[i], i + 1, at);
             at += saved_cases[i].step_ns) {
            times++;
        }
        cr_assert_gt(times, 20, "%s: %u times", saved_cases[i].name, times);
    }
}

/* What is no saved state is refused whole: cut anywhere, or with any byte changed, it is either taken or leaves nothing. */
Test(state, damaged_bytes_are_refused)
{
    const struct saved_case *s = &saved_cases[1];
    struct world *first = make(s, 2);
    first->app[0].to_send = 60000;
    world_connect(first);
    struct state_writer writer;
    for (sim_time at = 4 * SIM_MS;; at += 100 * SIM_US) {
        world_run(first, at);
        cr_assert(!first->app[0].ended);
        state_writer_init(&writer);
        tcp_layer_save(first->tcp[1], &writer);
        if (writer.length > 600 && first->app[1].received > 10000) {
            break;
        }
        state_writer_close(&writer);
    }
    struct world *second = make(s, 2);
    world_run(second, SIM_MS);
    uint32_t refused = 0, taken = 0;
    for (uint32_t round = 0; round < 2 * writer.length; round++) {
        size_t length = round < writer.length ? round : writer.length;
        uint8_t *bytes = malloc(writer.length);
        cr_assert(bytes != NULL);
        memcpy(bytes, writer.bytes, writer.length);
        if (round >= writer.length) {
            bytes[round - writer.length] ^= (uint8_t)(1u << round % 8);
        }
        struct state_reader reader;
        state_reader_init(&reader, bytes, length);
        bool right = tcp_layer_load(second->tcp[1], &reader);
        cr_assert(right || tcp_layer_live(second->tcp[1]) == 0);
        refused += !right;
        taken += right;
        while (tcp_layer_live(second->tcp[1]) > 0) {
            tcp_abort(tcp_layer_next(second->tcp[1], NULL));
        }
        world_run(second, sim_now(second->sim) + SIM_US);
        free(bytes);
    }
    cr_assert_geq(refused, writer.length);
    cr_assert_gt(taken, 0);
    state_writer_close(&writer);
    world_free(first);
    world_free(second);
}
