/* Videos: what a pause of the guest that serves one does to the picture (vm/video.h). */
#include "fixture.h"

#include "vm/guest_service.h"
#include "vm/video.h"

#include <criterion/criterion.h>

#define PORT   554
#define PERIOD (40 * SIM_MS)
#define FRAME  20000u /* 4 Mbit/s at 25 frames a second: 0.16 ms on the wire */

static const struct guest_service services[] = {{.port = PORT}};
static const struct guest_spec server = {
    .page_count = 256, .services = services, .service_count = 1, .tcp = &tcp_profile_linux};

static struct video *play(struct fixture *fixture, uint32_t buffer_frames, uint64_t frames)
{
    return video_start(&(struct video_options){
        .common = fixture_common(fixture, 0, fixture_client_end(fixture, 0), fixture_vm_address()),
        .port = PORT,
        .frame_bytes = FRAME,
        .period_ns = PERIOD,
        .buffer_frames = buffer_frames,
        .frames = frames,
    });
}

static int64_t last_value(const struct fixture *fixture, enum vm_record kind, uint32_t value)
{
    uint32_t count = fixture_count(fixture, kind);
    cr_assert(count > 0);
    return fixture_find(fixture, kind, count - 1)->values[value];
}

/* The VM moves, and is away for a time; the player began with a full buffer. Frames that the buffer holds are shown meanwhile, and a frame is
 * late by what is missing. What the player asks for while nobody is there is lost, and asked for again 0.2, 0.6, 1.4 s later: by TCP's time-outs
 * (RFC 6298, 5.5), not at once when the VM is back. */
static const struct {
    const char *name;
    uint32_t buffer_frames;
    sim_time away;
    uint32_t stalls;
    sim_time stall_min, stall_max;
    sim_time low_min, low_max;
} moves[] = {
    {"half a second, and a blink", 12, 3 * SIM_MS, 0, 0, 0, 400 * SIM_MS, 440 * SIM_MS},
    {"half a second, and 180 ms", 12, 180 * SIM_MS, 0, 0, 0, 240 * SIM_MS, 300 * SIM_MS},
    {"half a second, and half of that: asked again at 600 ms", 12, 250 * SIM_MS, 1, 80 * SIM_MS,
     160 * SIM_MS, 0, 0},
    {"half a second, and 600 ms", 12, 600 * SIM_MS, 1, 100 * SIM_MS, 200 * SIM_MS, 0, 0},
    {"two frames, and a blink", 2, 3 * SIM_MS, 0, 0, 0, 0, 40 * SIM_MS},
    {"two frames, and 100 ms", 2, 100 * SIM_MS, 1, 100 * SIM_MS, 160 * SIM_MS, 0, 0},
    {"two seconds, and one: asked again at 1.4 s", 50, SIM_S, 0, 0, 0, 500 * SIM_MS, 600 * SIM_MS},
};

Test(video, a_buffer_hides_what_fits_into_it)
{
    for (size_t row = 0; row < sizeof moves / sizeof moves[0]; row++) {
        const char *name = moves[row].name;
        struct fixture *fixture = fixture_new(&server, 16 << 20);
        struct vm_instance *instance = fixture_boot(fixture, 0);
        struct video *video = play(fixture, moves[row].buffer_frames, 0);
        fixture_run(fixture, 3 * SIM_S + 10 * SIM_MS);
        instance = fixture_move(fixture, instance, 1, moves[row].away);
        vm_instance_announce(instance, &(struct ip_announcement){.count = 1});
        fixture_run(fixture, 8 * SIM_S);
        cr_expect_eq(fixture_count(fixture, TRAFFIC_VIDEO_PLAYS), 1, "%s", name);
        cr_expect_eq(fixture_count(fixture, TRAFFIC_VIDEO_STALLED), moves[row].stalls, "%s", name);
        cr_expect_eq(fixture_count(fixture, TRAFFIC_VIDEO_RESUMED), moves[row].stalls, "%s", name);
        cr_expect_eq(fixture_count(fixture, TRAFFIC_VIDEO_LOST), 0, "%s", name);
        if (moves[row].stalls > 0) {
            sim_time stall = last_value(fixture, TRAFFIC_VIDEO_RESUMED, 1);
            cr_expect(stall >= moves[row].stall_min && stall <= moves[row].stall_max,
                      "%s: stalled for %lld ns", name, (long long)stall);
        }
        sim_time low = last_value(fixture, TRAFFIC_VIDEO_LOW, 0);
        cr_expect(low >= moves[row].low_min && low <= moves[row].low_max, "%s: low at %lld ns",
                  name, (long long)low);
        video_stop(video);
        /* Shown since it began to play, but for the stall: one each period. */
        sim_time stalled =
            moves[row].stalls > 0 ? last_value(fixture, TRAFFIC_VIDEO_RESUMED, 1) : 0;
        const struct fixture_record *plays = fixture_find(fixture, TRAFFIC_VIDEO_PLAYS, 0);
        int64_t shown = last_value(fixture, TRAFFIC_VIDEO_SHOWN, 0);
        cr_expect_eq(shown, (8 * SIM_S - plays->time - stalled) / PERIOD + 1, "%s: %lld frames",
                     name, (long long)shown);
        cr_expect_eq(fixture_count(fixture, TRAFFIC_ENDED), 1, "%s", name);
        video_free(video);
        fixture_free(fixture);
    }
}

/* What else may happen to it. Each ends well or says why. */
enum event { END_OF_FILM, SERVER_BACK, PLAYER_FROZEN, PLAYER_CRASHES, STOPPED };
static const struct {
    const char *name;
    enum event event;
    const char *ends; /* what its last record says; NULL: it goes on */
    uint32_t stalls, reconnects;
    int64_t shown; /* at least, after 6 s */
} events[] = {
    {"a film of four seconds ends", END_OF_FILM, "done", 0, 0, 100},
    {"the VM loses its memory and boots again", SERVER_BACK, NULL, 1, 1, 100},
    {"the player hangs for a second", PLAYER_FROZEN, NULL, 1, 0, 110},
    {"the player loses power", PLAYER_CRASHES, "the player lost power", 0, 0, 45},
    {"it is stopped", STOPPED, "stopped", 0, 0, 45},
};

static void happen(struct fixture *fixture, struct video *video, enum event event)
{
    struct machine *player = fixture->clients[0].machine;
    switch (event) {
    case END_OF_FILM:
        break;
    case SERVER_BACK:
        vm_instance_destroy(fixture->vms.instances);
        fixture_run(fixture, 3 * SIM_S);
        (void)fixture_boot(fixture, 1);
        vm_instance_announce(fixture->vms.instances, &(struct ip_announcement){.count = 1});
        break;
    case PLAYER_FROZEN:
        machine_freeze(player);
        fixture_run(fixture, 3 * SIM_S);
        machine_thaw(player);
        break;
    case PLAYER_CRASHES:
        machine_crash(player);
        fixture_run(fixture, 3 * SIM_S);
        machine_power_on(player);
        break;
    case STOPPED:
        video_stop(video);
        video_stop(video);
        break;
    }
}

Test(video, ends_well_or_says_why)
{
    for (size_t row = 0; row < sizeof events / sizeof events[0]; row++) {
        const char *name = events[row].name;
        struct fixture *fixture = fixture_new(&server, 16 << 20);
        (void)fixture_boot(fixture, 0);
        struct video *video = play(fixture, 12, events[row].event == END_OF_FILM ? 100 : 0);
        fixture_run(fixture, 2 * SIM_S);
        happen(fixture, video, events[row].event);
        fixture_run(fixture, 8 * SIM_S);
        const struct fixture_record *ended = fixture_find(fixture, TRAFFIC_ENDED, 0);
        if (events[row].ends == NULL) {
            cr_expect(ended == NULL, "%s", name);
        } else {
            cr_assert(ended != NULL, "%s", name);
            cr_expect_str_eq(ended->text, events[row].ends, "%s", name);
        }
        cr_expect_eq(fixture_count(fixture, TRAFFIC_VIDEO_RESUMED), events[row].stalls, "%s", name);
        cr_expect_eq(fixture_count(fixture, TRAFFIC_VIDEO_LOST) > 0, events[row].reconnects > 0,
                     "%s", name);
        cr_expect_geq(last_value(fixture, TRAFFIC_VIDEO_SHOWN, 0), events[row].shown, "%s", name);
        video_free(video);
        fixture_free(fixture);
    }
}

/* It may be freed, and its ends may go, at any time. */
Test(video, may_end_at_any_time)
{
    uint64_t state = 9;
    for (uint32_t round = 0; round < 16; round++) {
        struct fixture *fixture = fixture_new(&server, 16 << 20);
        struct vm_instance *instance = fixture_boot(fixture, 0);
        struct video *video = play(fixture, 2 + round, 0);
        fixture_run(fixture, (sim_time)fixture_below(&state, (uint64_t)SIM_S));
        switch (round % 4) {
        case 0:
            machine_crash(fixture->nodes[0].machine);
            break;
        case 1:
            vm_instance_destroy(instance);
            break;
        case 2:
            machine_crash(fixture->clients[0].machine);
            break;
        default:
            break;
        }
        fixture_run(fixture, sim_now(fixture->sim) + (sim_time)fixture_below(&state, 200000000));
        video_free(video);
        fixture_free(fixture);
    }
}

/* A player in a VM that moves goes on where it was. */
Test(video, moves_with_its_player)
{
    for (uint32_t round = 0; round < 8; round++) {
        struct guest_services standing;
        struct fixture *fixture = fixture_new(&server, 16 << 20);
        struct vm_instance *instance = fixture_boot(fixture, 0);
        struct fixture_client *client = &fixture->clients[1];
        guest_services_init(&standing, &server, client->machine, client->stack, client->tcp, NULL);
        guest_services_listen(&standing);
        guest_services_start(&standing);
        struct video *video = video_start(&(struct video_options){
            .common =
                fixture_common(fixture, 0, fixture_vm_end(fixture), fixture_client_address(1)),
            .port = PORT,
            .frame_bytes = FRAME,
            .period_ns = PERIOD,
            .buffer_frames = 4,
            .frames = 50,
        });
        for (uint32_t move = 0; move < 3; move++) {
            /* The first while it resolves the address or connects. */
            fixture_run(fixture, sim_now(fixture->sim) +
                                     (move == 0 ? 30 * SIM_US * round : 300 * SIM_MS + round));
            instance = fixture_move(fixture, instance, 1 - move % 2, 3 * SIM_MS);
        }
        fixture_run(fixture, 10 * SIM_S);
        const struct fixture_record *ended = fixture_find(fixture, TRAFFIC_ENDED, 0);
        cr_assert(ended != NULL, "round %u", round);
        cr_expect_str_eq(ended->text, "done", "round %u", round);
        cr_expect_eq(last_value(fixture, TRAFFIC_VIDEO_SHOWN, 0), 50, "round %u", round);
        cr_expect_eq(fixture_count(fixture, TRAFFIC_VIDEO_STALLED), 0, "round %u", round);
        cr_expect_eq(standing.served, 50, "round %u", round);
        guest_services_close(&standing);
        video_free(video);
        fixture_free(fixture);
    }
}
