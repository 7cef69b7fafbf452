#include "testbed/property_table.h"

#include <string.h>

#include "sim/assert.h"

#define QUANTITY(quantity) .type = PROPERTY_QUANTITY, .unit = (quantity)
#define WORDS(list)        .type = PROPERTY_WORD, .words = (list)
#define PERCENTILE(class, name, percent, ppm, what)                                                \
    {                                                                                              \
        class, name ".p" percent, QUANTITY(QUANTITY_TIME),                                         \
            .percentile_ppm = (ppm),                                                               \
            .meaning = percent " % of the " what " took at most this long."                        \
    }
#define PERCENTILES(class, name, what)                                                             \
    PERCENTILE(class, name, "50", 500000, what), PERCENTILE(class, name, "90", 900000, what),      \
        PERCENTILE(class, name, "99", 990000, what), PERCENTILE(class, name, "99.9", 999000, what)
#define NODE    PROPERTY_CLASS(SCENARIO_NODE)
#define CLIENT  PROPERTY_CLASS(SCENARIO_CLIENT)
#define VM      PROPERTY_CLASS(SCENARIO_VM)
#define NETWORK PROPERTY_CLASS(SCENARIO_NETWORK)
#define LINK    PROPERTY_CLASS(SCENARIO_LINK)
#define PING    PROPERTY_OF(SCENARIO_PING)
#define REQUEST PROPERTY_OF(SCENARIO_REQUEST)
#define BULK    PROPERTY_OF(SCENARIO_BULK)
#define VIDEO   PROPERTY_OF(SCENARIO_VIDEO)
#define DRAIN   PROPERTY_OF(SCENARIO_DRAIN)
#define MIGRATE PROPERTY_OF(SCENARIO_MIGRATE)
#define FAULT   PROPERTY_OF(SCENARIO_FAULT)

static const char *const machine_states[] = {"running", "frozen", "powered-down", NULL};
static const char *const vm_states[] = {"running",      "paused", "frozen",
                                        "powered-down", "lost",   NULL};
static const char *const migration_steps[] = {"waiting",  "connect",   "configure", "reserve",
                                              "pre-copy", "stop-copy", "disks",     "resume",
                                              "done",     NULL};
static const char *const migration_outcomes[] = {"succeeded", "failed", "cancelled", "refused",
                                                 NULL};
static const char *const bulk_outcomes[] = {"succeeded", "failed", NULL};

const struct property_row property_table[] = {
    /* every item of the timeline */
    {PROPERTY_OF_ANY_ACTION, "start", .type = PROPERTY_INSTANT, .meaning = "When it began."},
    {PROPERTY_OF_ANY_ACTION, "end", .type = PROPERTY_INSTANT,
     .meaning = "When it ended, well or not."},
    /* live-migrate */
    {MIGRATE, "step", WORDS(migration_steps), .meaning = "The step it is in."},
    {MIGRATE, "outcome", WORDS(migration_outcomes),
     .meaning = "What came of it, once it has ended."},
    {MIGRATE, "downtime", QUANTITY(QUANTITY_TIME),
     .meaning = "From the pause of the VM at the source to its resumption, wherever that is."},
    {MIGRATE, "total-time", QUANTITY(QUANTITY_TIME), .meaning = "From its start to its end."},
    {MIGRATE, "rounds", QUANTITY(QUANTITY_COUNT),
     .meaning = "Rounds of pages sent while the VM ran."},
    {MIGRATE, "pages-sent", QUANTITY(QUANTITY_COUNT),
     .meaning = "Pages sent in all rounds, the final one included."},
    {MIGRATE, "zero-pages", QUANTITY(QUANTITY_COUNT),
     .meaning = "How many of those were sent as a mark, because they held zeroes only."},
    {MIGRATE, "bytes-sent", QUANTITY(QUANTITY_SIZE),
     .meaning = "Bytes written to its connections."},
    {MIGRATE, "timeouts", QUANTITY(QUANTITY_COUNT),
     .meaning = "TCP retransmission time-outs that it met."},
    {MIGRATE, "skipped-pages", QUANTITY(QUANTITY_COUNT),
     .meaning = "Pages that rounds left for the next because they were written again before their "
                "turn, counted each time."},
    {MIGRATE, "throttle", QUANTITY(QUANTITY_SHARE),
     .meaning = "The most that was taken of the guest's processor time to make it converge."},
    {MIGRATE, "bytes-saved", QUANTITY(QUANTITY_SIZE),
     .meaning = "What compression took off its pages."},
    {MIGRATE, "compression-time", QUANTITY(QUANTITY_TIME),
     .meaning = "Processor time that compressing took at the source."},
    /* drain */
    {DRAIN, "duration", QUANTITY(QUANTITY_TIME),
     .meaning = "From its start until its last VM had moved, or failed to."},
    {DRAIN, "moved", QUANTITY(QUANTITY_COUNT), .meaning = "VMs that moved."},
    {DRAIN, "failed", QUANTITY(QUANTITY_COUNT),
     .meaning = "VMs that did not: they fit nowhere, or their migration failed."},
    {DRAIN, "longest-pause", QUANTITY(QUANTITY_TIME),
     .meaning = "The longest that one of its VMs was away."},
    /* ping */
    {PING, "sent", QUANTITY(QUANTITY_COUNT), .meaning = "Echo requests sent."},
    {PING, "received", QUANTITY(QUANTITY_COUNT), .meaning = "Echo replies received in time."},
    {PING, "lost", QUANTITY(QUANTITY_COUNT),
     .meaning = "Requests without a reply within their time-out."},
    {PING, "longest-gap", QUANTITY(QUANTITY_TIME), .meaning = "Longest time between two replies."},
    {PING, "rtt.min", QUANTITY(QUANTITY_TIME), .meaning = "Shortest round trip."},
    {PING, "rtt.mean", QUANTITY(QUANTITY_TIME),
     .meaning = "Mean round trip, rounded down to the nanosecond."},
    {PING, "rtt.max", QUANTITY(QUANTITY_TIME), .meaning = "Longest round trip."},
    PERCENTILES(PING, "rtt", "round trips"),
    /* request */
    {REQUEST, "sent", QUANTITY(QUANTITY_COUNT), .meaning = "Requests sent."},
    {REQUEST, "answered", QUANTITY(QUANTITY_COUNT), .meaning = "Responses received whole."},
    {REQUEST, "failed", QUANTITY(QUANTITY_COUNT),
     .meaning = "Requests that met a time-out or a broken connection."},
    {REQUEST, "reconnects", QUANTITY(QUANTITY_COUNT),
     .meaning = "Connections made after the first."},
    {REQUEST, "longest-gap", QUANTITY(QUANTITY_TIME),
     .meaning = "Longest time between two responses."},
    {REQUEST, "latency.min", QUANTITY(QUANTITY_TIME),
     .meaning = "Shortest time from request to whole response."},
    {REQUEST, "latency.mean", QUANTITY(QUANTITY_TIME),
     .meaning = "Mean time from request to whole response, rounded down."},
    {REQUEST, "latency.max", QUANTITY(QUANTITY_TIME),
     .meaning = "Longest time from request to whole response."},
    PERCENTILES(REQUEST, "latency", "requests"),
    /* tcp-bulk */
    {BULK, "outcome", WORDS(bulk_outcomes), .meaning = "What came of it, once it has ended."},
    {BULK, "bytes-received", QUANTITY(QUANTITY_SIZE),
     .meaning = "Bytes that the receiver has read."},
    {BULK, "duration", QUANTITY(QUANTITY_TIME),
     .meaning = "From its start until the last byte was read."},
    {BULK, "goodput", QUANTITY(QUANTITY_RATE), .meaning = "Bytes received over duration."},
    {BULK, "retransmissions", QUANTITY(QUANTITY_COUNT), .meaning = "Segments sent again."},
    {BULK, "timeouts", QUANTITY(QUANTITY_COUNT), .meaning = "Retransmission time-outs."},
    /* video */
    {VIDEO, "startup", QUANTITY(QUANTITY_TIME),
     .meaning = "From its start until the first frame was shown."},
    {VIDEO, "stalls", QUANTITY(QUANTITY_COUNT),
     .meaning = "How often a frame was not there when it was due, and the picture stood still."},
    {VIDEO, "longest-stall", QUANTITY(QUANTITY_TIME),
     .meaning = "The longest time that the picture stood still; 0 if it never did."},
    {VIDEO, "stalled-for", QUANTITY(QUANTITY_TIME), .meaning = "All those times together."},
    {VIDEO, "buffer-low", QUANTITY(QUANTITY_TIME),
     .meaning = "The least time of video that was left in the buffer when a frame had been shown."},
    {VIDEO, "frames", QUANTITY(QUANTITY_COUNT),
     .meaning = "Frames shown, counted every second and at its end."},
    {VIDEO, "reconnects", QUANTITY(QUANTITY_COUNT),
     .meaning = "How often its connection ended and was made again."},
    /* fault */
    {FAULT, "hits", QUANTITY(QUANTITY_COUNT),
     .meaning =
         "Frames that it lost, changed, held or carried otherwise; of what strikes a machine or "
         "a switch, how often it struck. What is not recorded for each frame (rate, delay, "
         "jitter, a switch's table) is counted as it ends."},
    /* parts */
    {VM, "state", WORDS(vm_states),
     .meaning = "What it does now; `lost` with the host that ran it."},
    {VM, "node", .type = PROPERTY_NODE, .meaning = "The node that runs it, or ran it last."},
    {VM, "memory", QUANTITY(QUANTITY_SIZE), .meaning = "Its RAM."},
    {VM, "downtime", QUANTITY(QUANTITY_TIME),
     .meaning = "The longest that one of its migrations kept it from running."},
    {VM, "paused-for", QUANTITY(QUANTITY_TIME),
     .meaning = "How long it has been standing still now; 0 while it runs.", .grows = true},
    {VM, "longest-pause", QUANTITY(QUANTITY_TIME),
     .meaning = "The longest time it has been standing still.", .grows = true},
    {VM, "pages-written", QUANTITY(QUANTITY_COUNT),
     .meaning = "Stores by its guest that each touched one page."},
    {VM, "pages-read", QUANTITY(QUANTITY_COUNT),
     .meaning = "Loads by its guest's reads, each from one page."},
    {VM, "processor-time", QUANTITY(QUANTITY_TIME),
     .meaning = "Time that cores gave to its vCPUs; 0 without a `load`."},
    {VM, "stolen-time", QUANTITY(QUANTITY_TIME),
     .meaning = "How much later its work is because cores were busy, or it was throttled."},
    {NODE | CLIENT, "state", WORDS(machine_states), .meaning = "What it does now."},
    {NODE, "memory", QUANTITY(QUANTITY_SIZE), .meaning = "Its RAM."},
    {NETWORK | LINK, "drops", QUANTITY(QUANTITY_COUNT),
     .meaning = "Frames lost: a queue was full, or a fault took them."},
    {NETWORK | LINK, "frames", QUANTITY(QUANTITY_COUNT),
     .meaning = "Frames that arrived, both directions."},
    {NETWORK | LINK, "bytes", QUANTITY(QUANTITY_SIZE), .meaning = "Bytes of those frames."},
    {LINK, "queue-max", QUANTITY(QUANTITY_SIZE),
     .meaning = "The fullest that one of its output queues has been."},
};
const uint32_t property_table_count = sizeof(property_table) / sizeof(property_table[0]);

uint32_t property_class(const struct scenario *scenario, struct scenario_part part)
{
    SIM_ASSERT(part.kind != SCENARIO_NO_PART);
    if (part.kind == SCENARIO_ACTION) {
        SIM_ASSERT(part.index < scenario->item_count);
        return PROPERTY_OF(scenario->timeline[part.index].kind);
    }
    return PROPERTY_CLASS(part.kind);
}

const struct property_row *property_find(uint32_t class_bit, const char *name)
{
    for (uint32_t i = 0; i < property_table_count; i++) {
        if ((property_table[i].classes & class_bit) != 0 &&
            strcmp(property_table[i].name, name) == 0) {
            return &property_table[i];
        }
    }
    return NULL;
}

/* "95", "99.95": millionths of the whole; 0 for what is none, or not between 0 and 100. At most four decimals stay whole in millionths. */
static uint32_t read_percentile(const char *text)
{
    uint32_t whole = 0, part = 0, scale = 10000;
    const char *at = text;
    for (; *at >= '0' && *at <= '9' && at < text + 2; at++) {
        whole = whole * 10 + (uint32_t)(*at - '0');
    }
    if (at == text || (text[0] == '0' && at - text > 1)) {
        return 0;
    }
    if (*at == '.' && at[1] != '\0') {
        for (at++; *at >= '0' && *at <= '9' && scale > 1; at++) {
            scale /= 10;
            part += (uint32_t)(*at - '0') * scale;
        }
    }
    return *at == '\0' ? whole * 10000 + part : 0;
}

const struct property_row *property_resolve(struct arena *arena, uint32_t class_bit,
                                            const char *name)
{
    const struct property_row *found = property_find(class_bit, name);
    for (uint32_t i = 0; i < property_table_count && found == NULL; i++) {
        const struct property_row *row = &property_table[i];
        const char *digits = row->percentile_ppm != 0 ? strstr(row->name, ".p") : NULL;
        if (digits == NULL || (row->classes & class_bit) == 0) {
            continue;
        }
        size_t prefix = (size_t)(digits + 2 - row->name);
        uint32_t ppm = strncmp(row->name, name, prefix) == 0 ? read_percentile(name + prefix) : 0;
        if (ppm != 0) {
            struct property_row *own = arena_alloc(arena, sizeof(*own));
            *own = *row;
            own->name = arena_copy(arena, name, strlen(name));
            own->percentile_ppm = ppm;
            found = own;
        }
    }
    return found;
}
