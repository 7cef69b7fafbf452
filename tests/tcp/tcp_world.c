#include "tcp_world.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- records ------------------------------------------------------------------------------------------------------------ */

static void world_hears(void *context, const struct record *record)
{
    struct world *world = context;
    switch ((enum net_record)(record->kind - world->net.record_base)) {
    case NET_STREAM_CHECKED:
        world->checked_bytes += (uint64_t)record->values[1];
        world->checked_wrong += record->values[2] == 0;
        world->checked_streams++;
        break;
    case NET_TCP_TIMEOUT:
        world->timeouts++;
        break;
    case NET_TCP_RECOVERY:
        world->recoveries++;
        break;
    case NET_TCP_OPENED:
        world->opened++;
        break;
    case NET_TCP_CLOSED:
        world->closed++;
        break;
    default:
        break;
    }
}

/* ---- the meddler ---------------------------------------------------------------------------------------------------------- */

static void deliver(struct meddler *meddler, struct frame *frame)
{
    struct frame_sink sink = ip_stack_sink(meddler->world->stack[meddler->to], 0);
    sink.receive(sink.context, frame);
}

/* Frames that were delayed arrive one after the other, the oldest first. */
static void deliver_delayed(void *context)
{
    struct meddler *meddler = context;
    struct frame *frame = meddler->delayed_first;
    cr_assert(frame != NULL);
    meddler->delayed_first = frame->next;
    meddler->delayed--;
    deliver(meddler, frame);
}

static void delay(struct meddler *meddler, struct frame *frame)
{
    struct frame **last = &meddler->delayed_first;
    while (*last != NULL) {
        last = &(*last)->next;
    }
    frame->next = NULL;
    *last = frame;
    meddler->delayed++;
    struct world *world = meddler->world;
    (void)sim_call_at(world->sim, world->origin[meddler->to],
                      sim_now(world->sim) + meddler->delay_ns, deliver_delayed, meddler);
}

static void meddle(void *context, struct frame *frame)
{
    struct meddler *meddler = context;
    struct world *world = meddler->world;
    if (frame->ether_type != ETHER_IPV4) {
        deliver(meddler, frame); /* ARP is not what is tested here */
        return;
    }
    meddler->last = frame->tcp;
    uint64_t draw = chance_at(meddler->chance, meddler->arrived++);
    bool nth = meddler->lose_nth != 0 && meddler->arrived == meddler->lose_nth;
    if (nth || draw % 1000 < meddler->lose_per_mille) {
        meddler->fired = meddler->fired || nth;
        world->lost++;
        net_free_frame(&world->net, frame);
        return;
    }
    if (draw / 1000 % 1000 < meddler->duplicate_per_mille) {
        delay(meddler, frame_copy(world->net.frames, frame));
    }
    if (draw / 1000000 % 1000 < meddler->delay_per_mille) {
        delay(meddler, frame);
        return;
    }
    deliver(meddler, frame);
}

/* ---- applications --------------------------------------------------------------------------------------------------------- */

static uint64_t app_draw(struct app *app, uint64_t bound)
{
    return chance_below(chance_key(app->style, "test.app", app->host == 0 ? "a" : "b"),
                        app->drawn++, bound);
}

/* The next thing it writes: a page or part of one, zeroes, bytes. */
static struct slice app_make(struct app *app, uint64_t length_max)
{
    struct page_pool *pages = app->world->pages;
    uint32_t offset = 0;
    uint32_t length = PAGE_BYTES;
    struct page page;
    switch (app_draw(app, 5)) {
    case 0: {
        uint8_t bytes[PAGE_BYTES];
        length = 1 + (uint32_t)app_draw(app, app_draw(app, 3) == 0 ? PAGE_BYTES : 40);
        for (uint32_t i = 0; i < length; i++) {
            bytes[i] = (uint8_t)app_draw(app, 256);
        }
        page = page_literal(pages, bytes, length);
        break;
    }
    case 1:
        page = page_zero();
        break;
    case 2:
        page = page_pattern(PAGE_RANDOM, 1 + app_draw(app, 1000));
        offset = (uint32_t)app_draw(app, PAGE_BYTES);
        length = 1 + (uint32_t)app_draw(app, PAGE_BYTES - offset);
        break;
    default:
        page = page_pattern(PAGE_COMPRESSIBLE, 1 + app_draw(app, 1000));
        break;
    }
    length = length < length_max ? length : (uint32_t)length_max;
    return (struct slice){page, offset, length};
}

void app_send_more(struct app *app)
{
    struct app *peer = app->peer;
    if (app->connection == NULL) {
        return;
    }
    while (app->sent < app->to_send) {
        uint64_t space = tcp_send_space(app->connection);
        uint64_t left = app->to_send - app->sent;
        if (space == 0) {
            return;
        }
        struct slice slice = app_make(app, space < left ? space : left);
        cr_assert_leq(peer->model_bytes + slice.length, WORLD_SENT_MAX);
        page_copy_out(app->world->pages, slice.page, slice.offset, slice.length,
                      peer->model + peer->model_bytes);
        peer->model_bytes += slice.length;
        app->sent += slice.length;
        tcp_send(app->connection, slice);
    }
    if (!app->holds_open) {
        tcp_shutdown(app->connection);
    }
}

void app_read_some(struct app *app, uint64_t length)
{
    struct page_pool *pages = app->world->pages;
    while (length > 0 && app->connection != NULL && tcp_readable(app->connection) > 0) {
        struct slice slice = tcp_take(app->connection, 1 + app_draw(app, length));
        uint8_t bytes[PAGE_BYTES];
        cr_assert_leq(slice.length, length);
        length -= slice.length;
        if (app->spoilt) {
            app->received += slice.length;
            page_unref(pages, slice.page);
            continue;
        }
        page_copy_out(pages, slice.page, slice.offset, slice.length, bytes);
        bool right = app->received + slice.length <= app->model_bytes &&
                     memcmp(bytes, app->model + app->received, slice.length) == 0;
        app->wrong += right ? 0 : slice.length;
        app->received += slice.length;
        app->whole_pages += slice.length == PAGE_BYTES;
        page_unref(pages, slice.page);
    }
    if (app->connection != NULL && tcp_peer_finished(app->connection)) {
        app->finished = true;
        app_send_more(app);
    }
}

static void on_connected(void *context, struct tcp_connection *connection)
{
    struct app *app = context;
    app->connection = connection;
    app->connected = true;
    app_send_more(app);
}

static void on_readable(void *context, struct tcp_connection *connection)
{
    struct app *app = context;
    cr_assert(app->connection == connection);
    if (!app->lazy) {
        app_read_some(app, UINT32_MAX);
    }
}

static void on_writable(void *context, struct tcp_connection *connection)
{
    struct app *app = context;
    cr_assert(2 * tcp_send_space(connection) > 0);
    app->writable++;
    app_send_more(app);
}

static void on_drained(void *context, struct tcp_connection *connection)
{
    struct app *app = context;
    struct tcp_statistics statistics;
    tcp_statistics(connection, &statistics);
    cr_assert(app->spoilt || statistics.sent_bytes == statistics.acknowledged_bytes);
    app->drained++;
}

static void on_ended(void *context, struct tcp_connection *connection, enum tcp_end why)
{
    struct app *app = context;
    cr_assert(app->connection == connection || app->connection == NULL);
    app->ended = true;
    app->why = why;
    app->connection = NULL;
}

const struct tcp_user app_user = {
    .connected = on_connected,
    .readable = on_readable,
    .writable = on_writable,
    .drained = on_drained,
    .ended = on_ended,
};

struct tcp_accept_result app_accept(void *context, struct tcp_connection *connection)
{
    struct app *app = context;
    app->connection = connection;
    app->connected = true;
    app_send_more(app);
    return (struct tcp_accept_result){&app_user, app};
}

/* ---- the world ------------------------------------------------------------------------------------------------------------ */

struct ip4 world_address(uint32_t host)
{
    return (struct ip4){UINT32_C(0x0a000001) + host};
}

static void add_host(struct world *world, const struct world_options *options, uint32_t i,
                     uint32_t link_origin)
{
    struct link_options link = {
        .rate_bps = options->rate_bps != 0 ? options->rate_bps : UINT64_C(1000000000),
        .delay_ns = options->delay_ns != 0 ? options->delay_ns : 50 * SIM_US,
        .queue_bytes_max = options->queue_bytes,
    };
    world->machine[i] = machine_new(world->sim, NULL, world->origin[i]);
    machine_power_on(world->machine[i]);
    world->stack[i] = ip_stack_new(&world->net, world->machine[i], world->origin[i]);
    world->meddler[1 - i] = (struct meddler){
        .world = world,
        .to = 1 - i,
        .chance = chance_key(options->seed, "test.meddler", i == 0 ? "b" : "a"),
    };
    world->link[i] = link_new(&world->net, link_origin, &link,
                              (struct frame_sink){meddle, &world->meddler[1 - i]});
    struct ip_interface_options interface = {
        .mac = {UINT64_C(0x020000000001) + i},
        .address = world_address(i),
        .prefix_bits = 24,
        .mtu = options->mtu != 0 ? options->mtu : 1500,
        .out = options->direct ? (struct frame_sink){meddle, &world->meddler[1 - i]}
                               : link_entrance(world->link[i]),
    };
    if (options->wire_known) {
        interface.pace = link_pace(world->link[i]);
    }
    (void)ip_stack_add_interface(world->stack[i], &interface);
    const struct tcp_profile *profile =
        options->profile != NULL ? options->profile : &tcp_profile_linux;
    world->tcp[i] = tcp_layer_new(world->stack[i], profile);
    world->app[i] = (struct app){
        .world = world,
        .host = i,
        .style = (uint32_t)options->seed,
        .model = malloc(WORLD_SENT_MAX),
        .peer = &world->app[1 - i],
    };
    cr_assert(world->app[i].model != NULL);
}

struct world *world_new(const struct world_options *options)
{
    struct world *world = calloc(1, sizeof *world);
    cr_assert(world != NULL);
    world->sim = sim_new(&(struct sim_options){.seed = options->seed});
    world->pages = page_pool_new();
    world->recorder = recorder_new(world->sim);
    world->origin[0] = sim_origin_add(world->sim, "a");
    world->origin[1] = sim_origin_add(world->sim, "b");
    uint32_t link_origin[2] = {sim_origin_add(world->sim, "a/lan>"),
                               sim_origin_add(world->sim, "b/lan>")};
    sim_origins_seal(world->sim);
    net_init(&world->net, world->sim, world->recorder, world->pages);
    recorder_listen(world->recorder, SIM_NONE, world_hears, world);
    world->options.congestion = -1;
    for (uint32_t i = 0; i < 2; i++) {
        add_host(world, options, i, link_origin[i]);
    }
    return world;
}

void world_free(struct world *world)
{
    for (uint32_t i = 0; i < 2; i++) {
        tcp_layer_check(world->tcp[i]);
        tcp_layer_free(world->tcp[i]);
        while (world->meddler[i].delayed_first != NULL) {
            struct frame *frame = world->meddler[i].delayed_first;
            world->meddler[i].delayed_first = frame->next;
            net_free_frame(&world->net, frame);
        }
    }
    for (uint32_t i = 0; i < 2; i++) {
        ip_stack_free(world->stack[i]);
        link_free(world->link[i]);
        machine_free(world->machine[i]);
        free(world->app[i].model);
    }
    net_close(&world->net);
    recorder_close(world->recorder);
    cr_assert_eq(page_pool_live(world->pages), 0);
    page_pool_close(world->pages);
    sim_close(world->sim);
    free(world);
}

void world_connect(struct world *world)
{
    cr_assert_eq(tcp_listen(world->tcp[1], 80, 8, &world->options, app_accept, &world->app[1]),
                 IP_OK);
    cr_assert_eq(tcp_connect(world->tcp[0], world_address(1), 80, &world->options, &app_user,
                             &world->app[0], &world->app[0].connection),
                 IP_OK);
}

void world_run(struct world *world, sim_time until)
{
    (void)sim_run(world->sim, until);
    tcp_layer_check(world->tcp[0]);
    tcp_layer_check(world->tcp[1]);
}

bool world_finish(struct world *world, sim_time limit)
{
    sim_time step = SIM_MS;
    while (sim_now(world->sim) < limit && !(world->app[0].ended && world->app[1].ended)) {
        world_run(world, sim_now(world->sim) + step);
        step = step < SIM_S ? 2 * step : step;
    }
    return world->app[0].ended && world->app[1].ended;
}
