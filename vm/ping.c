/* Ping (vm/traffic.h): echo requests at a pace, replies matched by sequence number, time-outs in the order of sending. */
#include "sim/assert.h"
#include "vm/traffic_place.h"

#include <stdlib.h>

#define RING_AT_START 16u
#define RING_MAX                                                                                   \
    32768u /* below half of the sequence numbers, so that a late reply is never taken for a new one */

/* A request that was sent. Numbers count from 1; the sequence number on the wire is the low half. */
struct ping_sent {
    sim_time at; /* the sender's time */
    uint64_t record;
    bool answered;
};

struct ping {
    struct ping_options options;
    struct traffic_place place;
    uint16_t identifier;
    struct machine_timer send, expire;
    sim_time due;           /* of the next request, in the sender's time */
    uint64_t next;          /* number of the next request */
    uint64_t oldest;        /* that may still be answered; next: none */
    struct ping_sent *ring; /* by number, modulo its size, a power of two */
    uint32_t ring_size;
    bool stopped, over;
};

static struct ping_sent *sent_at(struct ping *ping, uint64_t number)
{
    return &ping->ring[number & (ping->ring_size - 1)];
}

static void end_if_over(struct ping *ping)
{
    const struct traffic_common *common = &ping->options.common;
    bool all_sent = ping->options.count != 0 && ping->next > ping->options.count;
    if (ping->over || ping->oldest != ping->next || !(ping->stopped || all_sent)) {
        return;
    }
    ping->over = true;
    traffic_place_close(&ping->place);
    (void)traffic_say(common, TRAFFIC_ENDED, 0, NULL, ping->stopped ? "stopped" : "done");
    if (!ping->stopped && common->ended != NULL) {
        common->ended(common->context);
    }
}

/* ---- time-outs --------------------------------------------------------------------------------- */

/* The oldest is no longer waited for. */
static void settle_oldest(struct ping *ping)
{
    const struct ping_sent *sent = sent_at(ping, ping->oldest);
    const int64_t values[] = {(int64_t)ping->oldest};
    if (!sent->answered) {
        (void)traffic_say(&ping->options.common, TRAFFIC_PING_LOST, sent->record, values, "");
    }
    ping->oldest++;
}

static void arm_expire(struct ping *ping)
{
    while (ping->oldest < ping->next && sent_at(ping, ping->oldest)->answered) {
        ping->oldest++;
    }
    if (ping->oldest == ping->next) {
        machine_timer_cancel(&ping->expire);
        return;
    }
    sim_time at = sent_at(ping, ping->oldest)->at;
    sim_time timeout = ping->options.timeout_ns;
    sim_time deadline = at < SIM_NEVER - timeout ? at + timeout : SIM_NEVER;
    if (deadline != ping->expire.deadline) {
        machine_timer_arm(&ping->expire, deadline);
    }
}

static void on_expire(void *context)
{
    struct ping *ping = context;
    sim_time now = machine_now(ping->place.machine);
    while (ping->oldest < ping->next &&
           (sent_at(ping, ping->oldest)->answered ||
            now - sent_at(ping, ping->oldest)->at >= ping->options.timeout_ns)) {
        settle_oldest(ping);
    }
    arm_expire(ping);
    end_if_over(ping);
}

static void lose_all(struct ping *ping)
{
    while (ping->oldest < ping->next) {
        settle_oldest(ping);
    }
}

/* ---- requests and replies ------------------------------------------------------------------------ */

/* Room for one more: the ring doubles, and at its limit the oldest gives way. */
static void make_room(struct ping *ping)
{
    if (ping->next - ping->oldest < ping->ring_size) {
        return;
    }
    if (ping->ring_size == RING_MAX) {
        settle_oldest(ping);
        return;
    }
    uint32_t size = ping->ring_size == 0 ? RING_AT_START : 2 * ping->ring_size;
    struct ping_sent *ring = calloc(size, sizeof *ring);
    SIM_ASSERT(ring != NULL);
    for (uint64_t i = ping->oldest; i < ping->next; i++) {
        ring[i & (size - 1)] = *sent_at(ping, i);
    }
    free(ping->ring);
    ping->ring = ring;
    ping->ring_size = size;
}

static void on_send(void *context)
{
    struct ping *ping = context;
    const struct ping_options *options = &ping->options;
    sim_time now = machine_now(ping->place.machine);
    make_room(ping);
    uint64_t number = ping->next++;
    const int64_t values[] = {(int64_t)number};
    uint64_t record = traffic_say(&options->common, TRAFFIC_PING_SENT, 0, values, "");
    *sent_at(ping, number) = (struct ping_sent){.at = now, .record = record};
    /* What the stack refuses is not answered either. */
    (void)icmp_ping(ping->place.stack, options->common.to, ping->identifier, (uint16_t)number,
                    options->size_bytes);
    /* The pace holds over delays of the clock's rounding; what a frozen machine missed is not made up. */
    ping->due += options->every_ns;
    if (ping->due <= now) {
        ping->due = now + options->every_ns;
    }
    if (options->count == 0 || ping->next <= options->count) {
        machine_timer_arm(&ping->send, ping->due);
    }
    arm_expire(ping);
}

static void on_reply(void *context, struct ip4 source, uint16_t identifier, uint16_t sequence,
                     uint32_t payload_bytes)
{
    struct ping *ping = context;
    (void)source;
    (void)payload_bytes;
    SIM_ASSERT(identifier == ping->identifier);
    /* The newest request with that sequence number, whatever the high bits. */
    uint64_t newest = ping->next - 1;
    uint64_t number = newest - (uint16_t)((uint16_t)newest - sequence);
    if (number > newest || number < ping->oldest) {
        return;
    }
    struct ping_sent *sent = sent_at(ping, number);
    sim_time rtt = machine_now(ping->place.machine) - sent->at;
    if (sent->answered || rtt > ping->options.timeout_ns) {
        return;
    }
    const int64_t values[] = {(int64_t)number, rtt};
    sent->answered = true;
    (void)traffic_say(&ping->options.common, TRAFFIC_PING_REPLY, sent->record, values, "");
    arm_expire(ping);
    end_if_over(ping);
}

/* ---- where it is ------------------------------------------------------------------------------------ */

static void on_attached(void *context, bool goes_on)
{
    struct ping *ping = context;
    struct machine *machine = ping->place.machine;
    sim_time now = machine_now(machine);
    if (!goes_on) {
        lose_all(ping);
    }
    if (!goes_on || ping->due < now) {
        ping->due = now;
    }
    machine_timer_init(&ping->send, machine, on_send, ping);
    machine_timer_init(&ping->expire, machine, on_expire, ping);
    icmp_listen(ping->place.stack, ping->identifier, on_reply, ping);
    if (!ping->stopped && (ping->options.count == 0 || ping->next <= ping->options.count)) {
        machine_timer_arm(&ping->send, ping->due);
    }
    arm_expire(ping);
}

static void on_detached(void *context)
{
    struct ping *ping = context;
    machine_timer_close(&ping->send);
    machine_timer_close(&ping->expire);
    icmp_unlisten(ping->place.stack, ping->identifier);
}

static void on_gone(void *context)
{
    struct ping *ping = context;
    lose_all(ping);
    end_if_over(ping);
}

/* ---- life ---------------------------------------------------------------------------------------------- */

struct ping *ping_start(const struct ping_options *options)
{
    SIM_ASSERT(options->every_ns > 0);
    SIM_ASSERT(options->timeout_ns > 0);
    struct ping *ping = calloc(1, sizeof *ping);
    SIM_ASSERT(ping != NULL);
    ping->options = *options;
    ping->identifier = (uint16_t)options->common.origin;
    ping->next = 1;
    ping->oldest = 1;
    ping->place = (struct traffic_place){
        .net = options->common.net,
        .end = options->common.from,
        .attached = on_attached,
        .detached = on_detached,
        .gone = on_gone,
        .context = ping,
    };
    traffic_place_open(&ping->place, options->common.origin);
    return ping;
}

void ping_stop(struct ping *ping)
{
    if (ping->stopped || ping->over) {
        return;
    }
    ping->stopped = true;
    if (ping->place.machine != NULL) {
        machine_timer_cancel(&ping->send);
    }
    end_if_over(ping);
}

void ping_free(struct ping *ping)
{
    traffic_place_close(&ping->place);
    free(ping->ring);
    free(ping);
}
