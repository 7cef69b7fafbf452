/* Forged segments: somebody who sees every segment sends others in between, of any kind, at both ends. Connections may end and streams
 * may be spoilt by that, but TCP's own house stays in order. */
#include "tcp_world.h"

#include <criterion/criterion.h>

struct forger {
    struct world *world;
    struct chance chance;
    uint64_t drawn;
};

static uint64_t draw(struct forger *forger, uint64_t bound)
{
    return chance_below(forger->chance, forger->drawn++, bound);
}

/* Near the truth mostly, anywhere sometimes. */
static uint32_t near(struct forger *forger, uint32_t number)
{
    switch (draw(forger, 6)) {
    case 0:
        return number;
    case 1:
        return number + (uint32_t)draw(forger, 3000);
    case 2:
        return number - (uint32_t)draw(forger, 3000);
    case 3:
        return number + (uint32_t)draw(forger, 4000000);
    case 4:
        return number + 1;
    default:
        return (uint32_t)draw(forger, UINT64_C(1) << 32);
    }
}

static void forge(void *context)
{
    struct forger *forger = context;
    struct world *world = forger->world;
    uint32_t to = (uint32_t)draw(forger, 2);
    const struct tcp_header *seen = &world->meddler[to].last;
    const struct tcp_header *answered = &world->meddler[1 - to].last;
    if (seen->source_port != 0) {
        static const uint8_t flags[] = {
            TCP_ACK,           TCP_ACK, TCP_ACK,           TCP_ACK | TCP_PSH,
            TCP_ACK | TCP_FIN, TCP_SYN, TCP_SYN | TCP_ACK, TCP_RST,
            TCP_RST | TCP_ACK, 0,       TCP_FIN,           0xff};
        /* What ends a connection is kept rare, or there is soon none to trouble. */
        uint64_t kinds = draw(forger, 50) == 0 ? sizeof flags : 4;
        struct frame *frame = frame_new(world->net.frames);
        frame->ether_type = ETHER_IPV4;
        frame->protocol = IP_TCP;
        frame->ip_source = world_address(1 - to);
        frame->ip_destination = world_address(to);
        frame->ttl = 64;
        frame->tcp = *seen;
        frame->tcp.flags = flags[draw(forger, kinds)];
        frame->tcp.sequence = near(forger, seen->sequence);
        frame->tcp.acknowledgment = near(forger, answered->sequence);
        frame->tcp.window = (uint16_t)draw(forger, draw(forger, 4) == 0 ? 1 : 65536);
        frame->tcp.ts_value = seen->ts_value + (uint32_t)draw(forger, 2);
        frame->tcp.ts_echo = near(forger, seen->ts_echo);
        frame->tcp.sack_count = seen->mss != 0 ? 0 : (uint8_t)draw(forger, 4);
        for (uint32_t i = 0; i < frame->tcp.sack_count; i++) {
            uint32_t left = near(forger, answered->sequence);
            frame->tcp.sack[i] = (struct tcp_sack_block){left, left + (uint32_t)draw(forger, 5000)};
        }
        frame->tcp.header_bytes = frame_tcp_header_bytes(&frame->tcp);
        uint32_t length = (uint32_t)draw(forger, draw(forger, 2) == 0 ? 1 : 1449);
        if (length > 0) {
            frame_push(world->net.frames, frame,
                       (struct slice){page_pattern(PAGE_RANDOM, 77), 0, length});
        }
        frame_seal(world->net.frames, frame);
        struct frame_sink sink = ip_stack_sink(world->stack[to], 0);
        sink.receive(sink.context, frame);
        tcp_layer_check(world->tcp[to]);
    }
    sim_time next = sim_now(world->sim) + (sim_time)draw(forger, 60000);
    if (next < 30 * SIM_MS) {
        (void)sim_call_at(world->sim, world->origin[0], next, forge, forger);
    }
}

Test(forged, segments_break_no_invariant)
{
    uint32_t closed = 0, reset = 0;
    for (uint64_t seed = 1; seed <= 60; seed++) {
        struct tcp_profile profile = tcp_profile_linux;
        profile.timestamps = seed % 2 == 0;
        profile.sack = seed % 3 != 0;
        profile.data_retries = 4;
        struct world *world = world_new(&(struct world_options){.seed = seed, .profile = &profile});
        struct forger forger = {.world = world, .chance = chance_key(seed, "test.forger", "")};
        for (uint32_t i = 0; i < 2; i++) {
            world->app[i].to_send = 300000;
            world->app[i].spoilt = true;
            world->meddler[i].lose_per_mille = seed % 4 == 0 ? 20 : 0;
        }
        world_connect(world);
        (void)sim_call_at(world->sim, world->origin[0], 0, forge, &forger);
        world_run(world, 600 * SIM_S);
        for (uint32_t i = 0; i < 2; i++) {
            const struct app *app = &world->app[i];
            closed += app->ended && app->why == TCP_END_CLOSED;
            reset += app->ended && app->why == TCP_END_RESET;
        }
        world_free(world);
    }
    cr_assert_gt(closed, 5);
    cr_assert_gt(reset, 5);
}
