/* Connections whose users do odd things at odd times, machines that stop, and what is left of it all: nothing. */
#include "tcp_world.h"

#include <criterion/criterion.h>
#include <stdio.h>

/* ---- users that end a connection within a callback ----------------------------------------------------------------------- */

enum moment { AT_CONNECTED, AT_READABLE, AT_WRITABLE, AT_DRAINED, MOMENTS };
enum deed { ABORT, RELEASE, SHUTDOWN, DEEDS };

struct rash {
    enum moment moment;
    enum deed deed;
    struct tcp_connection *connection;
    uint32_t done, ended;
    uint64_t sent;
};

static void rash_push(struct rash *rash)
{
    while (rash->connection != NULL && rash->sent < 300000 &&
           tcp_send_space(rash->connection) >= PAGE_BYTES) {
        tcp_send(rash->connection, (struct slice){page_zero(), 0, PAGE_BYTES});
        rash->sent += PAGE_BYTES;
    }
}

static void act(struct rash *rash, struct tcp_connection *connection, enum moment moment)
{
    if (moment != rash->moment || rash->done > 0) {
        return;
    }
    rash->done++;
    switch (rash->deed) {
    case ABORT:
        rash->connection = NULL;
        tcp_abort(connection);
        break;
    case RELEASE:
        rash->connection = NULL;
        tcp_release(connection);
        break;
    default:
        tcp_shutdown(connection);
        break;
    }
}

static void rash_connected(void *context, struct tcp_connection *connection)
{
    struct rash *rash = context;
    rash->connection = connection;
    rash_push(rash);
    act(rash, connection, AT_CONNECTED);
}

static void rash_readable(void *context, struct tcp_connection *connection)
{
    struct rash *rash = context;
    if (tcp_readable(connection) > 0) {
        struct slice slice = tcp_take(connection, 700);
        cr_assert_eq(slice.page.v, 0);
    }
    act(rash, connection, AT_READABLE);
    while (rash->connection != NULL && tcp_readable(connection) > 0) {
        (void)tcp_take(connection, UINT32_MAX);
    }
    if (rash->connection != NULL && tcp_peer_finished(connection)) {
        tcp_shutdown(connection);
    }
}

static void rash_writable(void *context, struct tcp_connection *connection)
{
    struct rash *rash = context;
    rash_push(rash);
    act(rash, connection, AT_WRITABLE);
}

static void rash_drained(void *context, struct tcp_connection *connection)
{
    struct rash *rash = context;
    act(rash, connection, AT_DRAINED);
    if (rash->connection != NULL) {
        tcp_shutdown(connection);
    }
}

static void rash_ended(void *context, struct tcp_connection *connection, enum tcp_end why)
{
    struct rash *rash = context;
    (void)why;
    cr_assert(rash->connection == connection, "told after it was released");
    rash->connection = NULL;
    rash->ended++;
}

static const struct tcp_user rash_user = {
    .connected = rash_connected,
    .readable = rash_readable,
    .writable = rash_writable,
    .drained = rash_drained,
    .ended = rash_ended,
};

static struct tcp_accept_result rash_accept(void *context, struct tcp_connection *connection)
{
    struct rash *rash = context;
    rash->connection = connection;
    rash_push(rash);
    return (struct tcp_accept_result){&rash_user, rash};
}

Test(life, users_may_end_it_in_any_callback)
{
    for (uint32_t n = 0; n < MOMENTS * DEEDS * 2 * 2; n++) {
        uint32_t who = n & 1;
        struct world *world = world_new(&(struct world_options){.seed = 1, .direct = (n & 2) != 0});
        struct rash rash[2] = {{.moment = MOMENTS}, {.moment = MOMENTS}};
        rash[who].moment = (enum moment)(n / 4 % MOMENTS);
        rash[who].deed = (enum deed)(n / 4 / MOMENTS);
        world->options.send_buffer_bytes = 50000;
        cr_assert_eq(tcp_listen(world->tcp[1], 80, 1, &world->options, rash_accept, &rash[1]),
                     IP_OK);
        cr_assert_eq(tcp_connect(world->tcp[0], world_address(1), 80, &world->options, &rash_user,
                                 &rash[0], &rash[0].connection),
                     IP_OK);
        world_run(world, 500 * SIM_S);
        cr_assert(rash[who].done == 1 || (who == 1 && rash[who].moment == AT_CONNECTED), "case %u",
                  n);
        for (uint32_t i = 0; i < 2; i++) {
            cr_assert(rash[i].connection == NULL, "case %u, host %u", n, i);
            cr_assert_eq(tcp_layer_live(world->tcp[i]), 0, "case %u, host %u", n, i);
        }
        cr_assert_eq(world->checked_wrong, 0, "case %u", n);
        world_free(world);
    }
}

/* ---- many connections ------------------------------------------------------------------------------------------------------ */

#define MANY 300u

struct client {
    struct tcp_connection *connection;
    uint32_t got;
    bool ended;
};

static void client_readable(void *context, struct tcp_connection *connection)
{
    struct client *client = context;
    while (tcp_readable(connection) > 0) {
        struct slice slice = tcp_take(connection, UINT32_MAX);
        cr_assert_eq(slice.page.v, page_pattern(PAGE_RANDOM, 7).v);
        client->got += slice.length;
    }
    if (tcp_peer_finished(connection)) {
        tcp_shutdown(connection);
    }
}

static void client_ended(void *context, struct tcp_connection *connection, enum tcp_end why)
{
    struct client *client = context;
    (void)connection;
    cr_assert_eq(why, TCP_END_CLOSED);
    client->ended = true;
}

static const struct tcp_user client_user = {.readable = client_readable, .ended = client_ended};
static const struct tcp_user server_user = {.ended = NULL};

static struct tcp_accept_result serve(void *context, struct tcp_connection *connection)
{
    uint32_t *served = context;
    (*served)++;
    tcp_send(connection, (struct slice){page_pattern(PAGE_RANDOM, 7), 0, 1000});
    tcp_release(connection);
    return (struct tcp_accept_result){&server_user, NULL};
}

Test(life, many_connections_have_ports_of_their_own)
{
    struct world *world = world_new(&(struct world_options){.seed = 1});
    static struct client clients[MANY];
    uint32_t served = 0;
    cr_assert_eq(tcp_listen(world->tcp[1], 80, MANY, NULL, serve, &served), IP_OK);
    cr_assert_eq(tcp_listen(world->tcp[1], 80, MANY, NULL, serve, &served), IP_PORT_IN_USE);
    for (uint32_t i = 0; i < MANY; i++) {
        cr_assert_eq(tcp_connect(world->tcp[0], world_address(1), 80, NULL, &client_user,
                                 &clients[i], &clients[i].connection),
                     IP_OK);
        struct ip4 local, peer;
        uint16_t local_port, peer_port;
        tcp_addresses(clients[i].connection, &local, &local_port, &peer, &peer_port);
        cr_assert_eq(local_port, 49152 + i);
        cr_assert_eq(peer.v, world_address(1).v);
    }
    world_run(world, 10 * SIM_S);
    for (uint32_t i = 0; i < MANY; i++) {
        cr_assert(clients[i].ended && clients[i].got == 1000, "client %u", i);
    }
    cr_assert_eq(served, MANY);
    /* All rest in TIME-WAIT at the server, which closed first. */
    cr_assert_eq(tcp_layer_live(world->tcp[0]), 0);
    cr_assert_eq(tcp_layer_live(world->tcp[1]), MANY);
    world_run(world, 100 * SIM_S);
    cr_assert_eq(tcp_layer_live(world->tcp[1]), 0);
    world_free(world);
}

/* ---- listeners ------------------------------------------------------------------------------------------------------------- */

static struct tcp_accept_result refuse(void *context, struct tcp_connection *connection)
{
    (void)context;
    (void)connection;
    return (struct tcp_accept_result){NULL, NULL};
}

Test(life, refused_unlistened_unreachable)
{
    struct world *world = world_new(&(struct world_options){.seed = 1});
    struct app *app = &world->app[0];
    app->holds_open = true;
    cr_assert_eq(tcp_listen(world->tcp[1], 80, 1, NULL, refuse, NULL), IP_OK);
    cr_assert_eq(
        tcp_connect(world->tcp[0], world_address(1), 80, NULL, &app_user, app, &app->connection),
        IP_OK);
    world_run(world, SIM_S);
    cr_assert(app->connected && app->ended);
    cr_assert_eq(app->why, TCP_END_RESET);
    tcp_unlisten(world->tcp[1], 80);
    app->ended = false;
    cr_assert_eq(
        tcp_connect(world->tcp[0], world_address(1), 80, NULL, &app_user, app, &app->connection),
        IP_OK);
    world_run(world, 2 * SIM_S);
    cr_assert(app->ended);
    cr_assert_eq(app->why, TCP_END_REFUSED);
    struct tcp_connection *none = NULL;
    struct ip4 elsewhere = {UINT32_C(0x0b000001)};
    cr_assert_eq(tcp_connect(world->tcp[0], elsewhere, 80, NULL, &app_user, app, &none),
                 IP_NO_ROUTE);
    cr_assert(none == NULL);
    /* Half-open connections go with their listener. */
    cr_assert_eq(tcp_listen(world->tcp[1], 80, 1, NULL, refuse, NULL), IP_OK);
    app->ended = false;
    world->meddler[0].lose_per_mille = 1000;
    cr_assert_eq(
        tcp_connect(world->tcp[0], world_address(1), 80, NULL, &app_user, app, &app->connection),
        IP_OK);
    world_run(world, 2100 * SIM_MS);
    cr_assert_eq(tcp_layer_live(world->tcp[1]), 1);
    tcp_unlisten(world->tcp[1], 80);
    cr_assert_eq(tcp_layer_live(world->tcp[1]), 0);
    world->meddler[0].lose_per_mille = 0;
    world_run(world, 10 * SIM_S);
    cr_assert_eq(app->why, TCP_END_REFUSED);
    world_free(world);
}

/* ---- machines that stop ---------------------------------------------------------------------------------------------------- */

Test(life, a_crash_leaves_nothing_and_the_peer_learns_of_it)
{
    for (sim_time at = 100 * SIM_US; at < 6 * SIM_MS; at += 700 * SIM_US) {
        for (uint32_t who = 0; who < 2; who++) {
            struct world *world = world_new(&(struct world_options){.seed = 5});
            world->app[0].to_send = 400000;
            world->app[1].to_send = 400000;
            world_connect(world);
            world_run(world, at);
            bool ended[2] = {world->app[0].ended, world->app[1].ended};
            machine_crash(world->machine[who]);
            cr_assert_eq(tcp_layer_live(world->tcp[who]), 0);
            tcp_layer_check(world->tcp[who]);
            struct app *peer = &world->app[1 - who];
            bool had_one = peer->connection != NULL;
            world_run(world, at + 10 * SIM_MS);
            machine_power_on(world->machine[who]);
            world_run(world, at + 100 * SIM_S);
            if (who == 1 || had_one) {
                cr_assert(peer->ended, "crash of %u at %ld", who, (long)at);
                cr_assert(ended[1 - who] || peer->why == TCP_END_RESET ||
                              peer->why == TCP_END_REFUSED,
                          "crash of %u at %ld: %s", who, (long)at, tcp_end_text(peer->why));
            }
            cr_assert_eq(tcp_layer_live(world->tcp[0]) + tcp_layer_live(world->tcp[1]), 0);
            cr_assert_eq(world->checked_wrong, 0);
            cr_assert_eq(world->app[who].ended, ended[who]); /* without a word */
            world_free(world);
        }
    }
}

Test(life, pauses_and_freezes_are_survived)
{
    for (uint32_t n = 0; n < 4; n++) {
        struct world *world = world_new(&(struct world_options){.seed = 5});
        struct machine *machine = world->machine[n & 1];
        world->app[0].to_send = 400000;
        world->app[1].to_send = 400000;
        world_connect(world);
        world_run(world, 3 * SIM_MS);
        if (n < 2) {
            machine_pause(machine);
        } else {
            machine_freeze(machine);
        }
        world_run(world, 3 * SIM_S);
        if (n < 2) {
            machine_resume(machine);
        } else {
            machine_thaw(machine);
        }
        cr_assert(world_finish(world, 60 * SIM_S), "case %u", n);
        for (uint32_t i = 0; i < 2; i++) {
            cr_assert_eq(world->app[i].why, TCP_END_CLOSED, "case %u", n);
            cr_assert_eq(world->app[i].received, 400000, "case %u", n);
            cr_assert_eq(world->app[i].wrong, 0, "case %u", n);
        }
        cr_assert_gt(world->timeouts, 0);
        world_free(world);
    }
}

/* ---- to itself, and without any delay -------------------------------------------------------------------------------------- */

Test(life, paths_that_lead_back)
{
    struct world *world = world_new(&(struct world_options){.seed = 9, .direct = true});
    world->app[0].to_send = 300000;
    world->app[1].to_send = 200000;
    world->meddler[0].lose_per_mille = 20;
    world_connect(world);
    cr_assert(world_finish(world, 100 * SIM_S));
    cr_assert_eq(world->app[0].received, 200000);
    cr_assert_eq(world->app[1].received, 300000);
    cr_assert_eq(world->app[0].wrong + world->app[1].wrong + world->checked_wrong, 0);
    world_free(world);

    world = world_new(&(struct world_options){.seed = 9});
    world->app[0].to_send = 300000;
    world->app[1].to_send = 200000;
    cr_assert_eq(tcp_listen(world->tcp[0], 80, 8, NULL, app_accept, &world->app[1]), IP_OK);
    cr_assert_eq(tcp_connect(world->tcp[0], world_address(0), 80, NULL, &app_user, &world->app[0],
                             &world->app[0].connection),
                 IP_OK);
    cr_assert(world_finish(world, 100 * SIM_S));
    cr_assert_eq(world->app[0].received, 200000);
    cr_assert_eq(world->app[1].received, 300000);
    cr_assert_eq(world->app[0].wrong + world->app[1].wrong + world->checked_wrong, 0);
    world_free(world);
}
