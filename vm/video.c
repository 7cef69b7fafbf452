#include "vm/video.h"

#include "sim/assert.h"
#include "sim/wire_bytes.h"
#include "vm/traffic_place.h"

#include <stdlib.h>

#define REQUEST_BYTES 8u

enum video_state { VIDEO_FILLING, VIDEO_PLAYING, VIDEO_STALLED };

struct video {
    struct video_options options;
    struct page_pool *pages;
    struct traffic_place place;
    struct machine_timer show, connect;
    enum video_state state;
    struct tcp_connection *connection; /* NULL: none */
    bool connected;
    uint64_t flow;
    uint64_t asked, arrived, shown; /* frames */
    uint32_t partial;               /* bytes of frame `arrived` */
    sim_time due;   /* of the next frame, while it plays or is stalled: the player's time */
    sim_time retry; /* when it connects again; SIM_NEVER */
    sim_time began;
    sim_time low_ns; /* D3; SIM_NEVER before the first frame */
    uint64_t told;   /* frames shown as of the last record of progress */
    uint64_t stalled_record;
    bool over;
};

static void advance(struct video *video);

static sim_time left_ns(const struct video *video)
{
    return (sim_time)(video->arrived - video->shown) * video->options.period_ns;
}

static uint64_t say(const struct video *video, enum vm_record kind, uint64_t cause, int64_t first,
                    int64_t second, const char *text)
{
    const int64_t values[] = {first, second};
    return traffic_say(&video->options.common, kind, cause, values, text);
}

/* ---- the end ------------------------------------------------------------------------------------------- */

static void tell_progress(struct video *video)
{
    if (video->shown > video->told) {
        video->told = video->shown;
        say(video, TRAFFIC_VIDEO_SHOWN, 0, (int64_t)video->shown, left_ns(video), "");
    }
}

/* Nothing of it goes on. */
static void end(struct video *video, const char *why)
{
    SIM_ASSERT(!video->over);
    video->over = true;
    tell_progress(video);
    traffic_place_release(&video->place, &video->connection);
    traffic_place_close(&video->place);
    say(video, TRAFFIC_ENDED, 0, 0, 0, why);
}

static void end_by_itself(struct video *video, const char *why)
{
    const struct traffic_common *common = &video->options.common;
    end(video, why);
    if (common->ended != NULL) {
        common->ended(common->context);
    }
}

/* ---- asking --------------------------------------------------------------------------------------------- */

static bool may_ask(const struct video *video)
{
    const struct video_options *options = &video->options;
    return video->asked - video->shown < options->buffer_frames &&
           (options->frames == 0 || video->asked < options->frames);
}

/* Asks for as many frames as the buffer has room for (D1). */
static void ask(struct video *video)
{
    if (!video->connected || !may_ask(video)) {
        return;
    }
    uint8_t request[REQUEST_BYTES];
    put_be32(request, REQUEST_BYTES);
    put_be32(request + 4, video->options.frame_bytes);
    tcp_cork(video->connection);
    while (may_ask(video) && tcp_send_space(video->connection) >= REQUEST_BYTES) {
        struct page page = page_literal(video->pages, request, REQUEST_BYTES);
        video->asked++;
        tcp_send(video->connection, (struct slice){page, 0, REQUEST_BYTES});
    }
    tcp_uncork(video->connection);
}

/* ---- playing -------------------------------------------------------------------------------------------- */

/* The next frame is there, and is shown now. */
static void show_frame(struct video *video)
{
    const struct video_options *options = &video->options;
    sim_time now = machine_now(video->place.machine);
    sim_time late = now - video->due;
    SIM_ASSERT(video->arrived > video->shown);
    SIM_ASSERT(late >= 0);
    if (video->state == VIDEO_STALLED || late >= options->period_ns) {
        say(video, TRAFFIC_VIDEO_RESUMED, video->stalled_record, (int64_t)video->shown, late, "");
        video->stalled_record = 0;
        video->due = now;
    }
    video->state = VIDEO_PLAYING;
    video->shown++;
    video->due += options->period_ns;
    bool drains = options->frames > 0 && video->arrived == options->frames; /* to its end */
    if (left_ns(video) < video->low_ns && !drains) {
        video->low_ns = left_ns(video);
        say(video, TRAFFIC_VIDEO_LOW, 0, video->low_ns, 0, "");
    }
    if ((sim_time)(video->shown - video->told) * options->period_ns >= SIM_S) {
        tell_progress(video);
    }
}

/* Shows what is due, and waits for what is next. */
static void advance(struct video *video)
{
    const struct video_options *options = &video->options;
    sim_time now = machine_now(video->place.machine);
    bool full = video->arrived - video->shown >= options->buffer_frames ||
                video->arrived == options->frames;
    if (video->state == VIDEO_FILLING && full && video->arrived > 0) {
        video->state = VIDEO_PLAYING;
        video->due = now;
        say(video, TRAFFIC_VIDEO_PLAYS, 0, now - video->began, 0, "");
    }
    while (video->state != VIDEO_FILLING && video->due <= now && video->arrived > video->shown) {
        show_frame(video);
    }
    if (video->shown > 0 && video->shown == options->frames) {
        end_by_itself(video, "done");
        return;
    }
    if (video->state == VIDEO_PLAYING && video->due <= now) {
        video->state = VIDEO_STALLED;
        video->stalled_record = say(video, TRAFFIC_VIDEO_STALLED, 0, (int64_t)video->shown, 0, "");
    }
    if (video->state == VIDEO_PLAYING) {
        machine_timer_arm(&video->show, video->due);
    }
    ask(video);
}

static void on_show(void *context)
{
    advance(context);
}

/* ---- the connection --------------------------------------------------------------------------------------- */

/* What had been asked for and is not whole is asked for again, on a new connection. */
static void lost(struct video *video, const char *why)
{
    video->connected = false;
    video->connection = NULL;
    video->asked = video->arrived;
    video->partial = 0;
    say(video, TRAFFIC_VIDEO_LOST, 0, (int64_t)video->arrived, 0, why);
    video->retry = machine_now(video->place.machine) + VIDEO_RETRY_NS;
    machine_timer_arm(&video->connect, video->retry);
}

static void on_connected(void *context, struct tcp_connection *connection)
{
    struct video *video = context;
    SIM_ASSERT(video->connection == connection);
    video->connected = true;
    ask(video);
}

static void on_writable(void *context, struct tcp_connection *connection)
{
    struct video *video = context;
    SIM_ASSERT(video->connection == connection);
    ask(video);
}

static void on_readable(void *context, struct tcp_connection *connection)
{
    struct video *video = context;
    uint64_t before = video->arrived;
    SIM_ASSERT(video->connection == connection);
    while (tcp_readable(connection) > 0 && video->asked > video->arrived) {
        struct slice slice = tcp_take(connection, video->options.frame_bytes - video->partial);
        page_unref(video->pages, slice.page);
        video->partial += slice.length;
        if (video->partial == video->options.frame_bytes) {
            video->partial = 0;
            video->arrived++;
        }
    }
    if (tcp_readable(connection) > 0 || tcp_peer_finished(connection)) {
        bool finished = tcp_peer_finished(connection);
        traffic_place_abort(&video->place, &video->connection);
        lost(video, finished ? "the server closed the connection" : "more came than was asked for");
    }
    if (video->arrived > before) {
        advance(video);
    }
}

static void on_ended(void *context, struct tcp_connection *connection, enum tcp_end why)
{
    struct video *video = context;
    SIM_ASSERT(video->connection == connection);
    lost(video, tcp_end_text(why));
}

static const struct tcp_user video_user = {
    .connected = on_connected,
    .readable = on_readable,
    .writable = on_writable,
    .ended = on_ended,
};

static void on_connect(void *context)
{
    struct video *video = context;
    const struct traffic_common *common = &video->options.common;
    const struct tcp_options tcp = {.no_delay = true, .congestion = -1};
    SIM_ASSERT(video->connection == NULL);
    video->retry = SIM_NEVER;
    enum ip_error error =
        tcp_connect(ip_stack_tcp(video->place.stack), common->to, video->options.port, &tcp,
                    &video_user, video, &video->connection);
    if (error != IP_OK) {
        lost(video, ip_error_text(error));
        return;
    }
    video->flow = tcp_flow(video->connection);
}

/* ---- where it is -------------------------------------------------------------------------------------------- */

/* The player moved with its VM, and its connection with it. */
static void take_up(struct video *video)
{
    if (video->retry != SIM_NEVER) {
        machine_timer_arm(&video->connect, video->retry);
    } else {
        video->connection = traffic_place_connection(&video->place, video->flow);
        if (video->connection == NULL) {
            lost(video, "the connection is gone");
        } else {
            tcp_set_user(video->connection, &video_user, video);
            video->connected = tcp_state(video->connection) >= TCP_ESTABLISHED;
            on_readable(video, video->connection);
        }
    }
    if (!video->over) {
        advance(video);
    }
}

static void on_attached(void *context, bool goes_on)
{
    struct video *video = context;
    struct machine *machine = video->place.machine;
    machine_timer_init(&video->show, machine, on_show, video);
    machine_timer_init(&video->connect, machine, on_connect, video);
    if (goes_on) {
        take_up(video);
    } else if (video->began != SIM_NEVER) {
        end_by_itself(video, "the player lost power");
    } else {
        video->began = machine_now(machine);
        video->retry = video->began;
        machine_timer_arm(&video->connect, video->retry);
    }
}

static void on_detached(void *context)
{
    struct video *video = context;
    machine_timer_close(&video->show);
    machine_timer_close(&video->connect);
    traffic_place_forget(&video->connection);
    video->connected = false;
}

static void on_gone(void *context)
{
    struct video *video = context;
    if (!video->over && video->began != SIM_NEVER) {
        end_by_itself(video, "the player lost power");
    }
}

/* ---- life ----------------------------------------------------------------------------------------------------- */

struct video *video_start(const struct video_options *options)
{
    SIM_ASSERT(options->frame_bytes >= VIDEO_FRAME_BYTES_MIN);
    SIM_ASSERT(options->frame_bytes <= VIDEO_FRAME_BYTES_MAX);
    SIM_ASSERT(options->period_ns > 0);
    SIM_ASSERT(options->buffer_frames >= 2);
    struct video *video = calloc(1, sizeof *video);
    SIM_ASSERT(video != NULL);
    video->options = *options;
    video->pages = options->common.net->pages;
    video->retry = SIM_NEVER;
    video->began = SIM_NEVER;
    video->low_ns = SIM_NEVER;
    video->place = (struct traffic_place){
        .net = options->common.net,
        .end = options->common.from,
        .attached = on_attached,
        .detached = on_detached,
        .gone = on_gone,
        .context = video,
    };
    traffic_place_open(&video->place, options->common.origin);
    return video;
}

void video_stop(struct video *video)
{
    if (!video->over) {
        end(video, "stopped");
    }
}

void video_free(struct video *video)
{
    traffic_place_close(&video->place);
    free(video);
}
