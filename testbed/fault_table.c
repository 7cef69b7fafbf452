#include "testbed/fault_table.h"

#include "sim/assert.h"
#include "sim/machine.h"
#include "testbed/schema_maps.h"

/* ---- kinds with more than one value --------------------------------------------------------------------------------- */

static const struct schema_key flap_keys[] = {
    {.name = "down",
     AT(scenario_flap, down_ns),
     .type = SCHEMA_QUANTITY,
     .unit = QUANTITY_TIME,
     .min = 1000,
     .max = YEAR,
     .required = true,
     .meaning = "How long it is down each time; it begins down."},
    {.name = "up",
     AT(scenario_flap, up_ns),
     .type = SCHEMA_QUANTITY,
     .unit = QUANTITY_TIME,
     .min = 1000,
     .max = YEAR,
     .required = true,
     .meaning = "How long it is up in between."},
};
static const struct schema_map flap_map = {
    .name = "timeline.fault.flap",
    .bytes = sizeof(struct scenario_flap),
    KEYS(flap_keys),
    .source_marks = true,
    .meaning = "A link that flaps.",
};

static const struct schema_key burst_keys[] = {
    {.name = "begin",
     AT(scenario_bursts, begin_ppb),
     .type = SCHEMA_QUANTITY,
     .unit = QUANTITY_SHARE,
     .max = QUANTITY_WHOLE_PPB,
     .required = true,
     .meaning = "Outside a burst, each frame begins one with this probability (`p`)."},
    {.name = "end",
     AT(scenario_bursts, end_ppb),
     .type = SCHEMA_QUANTITY,
     .unit = QUANTITY_SHARE,
     .max = QUANTITY_WHOLE_PPB,
     .required = true,
     .meaning =
         "Within a burst, each frame ends it with this probability (`r`): a burst has 1/`end` "
         "frames on average."},
    {.name = "loss",
     AT(scenario_bursts, loss_ppb),
     .type = SCHEMA_QUANTITY,
     .unit = QUANTITY_SHARE,
     .max = QUANTITY_WHOLE_PPB,
     .default_text = "100%",
     .meaning = "Each frame of a burst is lost with this probability (`1-h`)."},
    {.name = "loss-between",
     AT(scenario_bursts, between_ppb),
     .type = SCHEMA_QUANTITY,
     .unit = QUANTITY_SHARE,
     .max = QUANTITY_WHOLE_PPB,
     .default_text = "0%",
     .meaning = "Each frame outside bursts is lost with this probability (`1-k`)."},
};
static const struct schema_map bursts_map = {
    .name = "timeline.fault.bursts",
    .bytes = sizeof(struct scenario_bursts),
    KEYS(burst_keys),
    .source_marks = true,
    .meaning = "Loss in bursts: the two-state model of Gilbert and Elliott.",
};

/* ---- the table ------------------------------------------------------------------------------------------------------ */

#define LASTS   FAULT_LASTS
#define STRIKES FAULT_STRIKES
#define PASSIVE FAULT_PASSIVE
#define PICKS   FAULT_PICKS

/* What a key stands beside, where that is one word; what may stand beside several, timeline_rules.c checks. */
#define BESIDE(targets)                                                                            \
    ((targets) == FAULT_ON_LINK         ? "link"                                                   \
     : (targets) == FAULT_ON_MACHINE    ? "machine"                                                \
     : (targets) == FAULT_ON_SWITCH     ? "switch"                                                 \
     : (targets) == FAULT_ON_PAIR       ? "between"                                                \
     : (targets) == FAULT_ON_CONNECTION ? "connection"                                             \
                                        : NULL)

/* A row: how the kind acts, and its key in the schema, whose value goes to scenario_fault.value[kind] or where `offset` says. */
#define ROW_AT(place, fault, on, kind_ways, ...)                                                   \
    [fault] = {.key = &(const struct schema_key){.offset = (place),                                \
                                                 .group = 2,                                       \
                                                 .group_value = (fault),                           \
                                                 .after = BESIDE(on),                              \
                                                 __VA_ARGS__},                                     \
               .targets = (on),                                                                    \
               .ways = (kind_ways)}
#define ROW(fault, on, ways, ...)                                                                  \
    ROW_AT(offsetof(struct scenario_fault, value) + (fault) * sizeof(int64_t), fault, on, ways,    \
           __VA_ARGS__)
#define SHARE_OF_FRAMES .type = SCHEMA_QUANTITY, .unit = QUANTITY_SHARE, .max = QUANTITY_WHOLE_PPB

const struct fault_row fault_table[FAULT_KINDS] = {
    ROW(FAULT_DOWN, FAULT_ON_LINK, LASTS, .name = "down", .type = SCHEMA_MARK,
        .meaning = "The link is down: what has not arrived is lost, and nothing is taken."),
    ROW(FAULT_LOSS, FAULT_ON_LINK | FAULT_ON_PAIR, LASTS | PICKS, .name = "loss", SHARE_OF_FRAMES,
        .meaning = "Each frame is lost with this probability as it arrives, independently."),
    ROW(FAULT_DELAY, FAULT_ON_LINK | FAULT_ON_PAIR, LASTS | PASSIVE, .name = "delay",
        .type = SCHEMA_QUANTITY, .unit = QUANTITY_TIME, .max = 1000 * SIM_S,
        .meaning = "Added to the delay of the link, or of the way between the machines."),
    ROW(FAULT_RATE, FAULT_ON_LINK, LASTS | PASSIVE, .name = "rate", .type = SCHEMA_QUANTITY,
        .unit = QUANTITY_RATE, .min = 1000, .max = INT64_C(1000000000000),
        .meaning = "The link has this rate instead of its own."),
    ROW(FAULT_QUEUE, FAULT_ON_LINK, LASTS, .name = "queue", .type = SCHEMA_QUANTITY,
        .unit = QUANTITY_SIZE, .max = INT64_C(1) << 36,
        .meaning = "Its output queues have this limit instead of their own; `0B`: none."),
    ROW(FAULT_CRASH, FAULT_ON_MACHINE | FAULT_ON_SWITCH, STRIKES, .name = "crash",
        .type = SCHEMA_MARK,
        .meaning = "Power is gone; with `for:`, it comes back after that time. A switch takes "
                   "nothing in meanwhile, and has forgotten its addresses."),
    ROW(FAULT_FREEZE, FAULT_ON_MACHINE, LASTS | STRIKES, .name = "freeze", .type = SCHEMA_MARK,
        .meaning =
            "The machine hangs: tasks and timers stop, its clock goes on; it thaws after `for:`."),
    ROW(FAULT_REBOOT, FAULT_ON_MACHINE | FAULT_ON_SWITCH, STRIKES, .name = "reboot",
        .type = SCHEMA_MARK,
        .meaning = "It starts anew at once; with `for:`, it is off for that time first."),
    ROW_AT(offsetof(struct scenario_fault, flap), FAULT_FLAP, FAULT_ON_LINK, LASTS, .name = "flap",
           .type = SCHEMA_MAP, .map = &flap_map,
           .meaning = "The link goes down and up again and again."),
    ROW_AT(offsetof(struct scenario_fault, bursts), FAULT_BURSTS, FAULT_ON_LINK, LASTS,
           .name = "bursts", .type = SCHEMA_MAP, .map = &bursts_map,
           .meaning = "Frames are lost in bursts."),
    ROW(FAULT_DUPLICATE, FAULT_ON_LINK, LASTS | PICKS, .name = "duplicate", SHARE_OF_FRAMES,
        .meaning = "Each frame comes twice with this probability."),
    ROW(FAULT_CORRUPT, FAULT_ON_LINK, LASTS | PICKS, .name = "corrupt", SHARE_OF_FRAMES,
        .meaning =
            "Each frame is damaged with this probability; the receiver sees a wrong checksum "
            "and drops it."),
    ROW(FAULT_CORRUPT_REPAIRED, FAULT_ON_LINK, LASTS | PICKS, .name = "corrupt-repaired",
        SHARE_OF_FRAMES,
        .meaning =
            "With this probability a byte of a frame's payload changes and all checksums are "
            "made right again, as faulty memory in a router or NIC does it: only a check of "
            "the application's own can notice."),
    ROW(FAULT_REORDER, FAULT_ON_LINK, LASTS | PICKS, .name = "reorder", SHARE_OF_FRAMES,
        .meaning = "Each frame is held for `hold` with this probability, and overtaken by those "
                   "behind it."),
    ROW(FAULT_JITTER, FAULT_ON_LINK, LASTS | PASSIVE, .name = "jitter", .type = SCHEMA_QUANTITY,
        .unit = QUANTITY_TIME, .max = 1000 * SIM_S,
        .meaning = "Each frame takes up to this much longer; none overtakes another."),
    ROW(FAULT_BLACK_HOLE, FAULT_ON_LINK, LASTS, .name = "black-hole", .type = SCHEMA_QUANTITY,
        .unit = QUANTITY_SIZE, .min = 68, .max = 9000,
        .meaning = "IP packets longer than this vanish without a word."),
    ROW(FAULT_RING, FAULT_ON_LINK, LASTS, .name = "ring", .type = SCHEMA_QUANTITY,
        .unit = QUANTITY_COUNT, .max = 4096,
        .meaning =
            "The receive ring of the NIC has this many places instead of 512; with 0 nothing "
            "gets in."),
    ROW(FAULT_STALL, FAULT_ON_LINK, LASTS, .name = "stall", .type = SCHEMA_MARK,
        .meaning = "Nobody takes frames from the receive ring of the NIC: they wait, and drop when "
                   "it is full."),
    ROW(FAULT_HANG, FAULT_ON_LINK, LASTS, .name = "hang", .type = SCHEMA_MARK,
        .meaning = "The NIC neither sends nor receives; at the end it is reset."),
    ROW(FAULT_RESET, FAULT_ON_LINK, 0, .name = "reset", .type = SCHEMA_MARK,
        .meaning = "The NIC is reset: what is in its receive ring and in its queue is lost."),
    ROW_AT(offsetof(struct scenario_fault, claims), FAULT_CLAIMS, FAULT_ON_MACHINE, LASTS,
           .name = "claims", .type = SCHEMA_PART, .parts = ANY_MACHINE,
           .meaning = "The machine has the IP addresses of this one too, by mistake: it announces "
                      "them and answers ARP requests for them."),
    ROW(FAULT_FORGET, FAULT_ON_SWITCH, STRIKES, .name = "forget", .type = SCHEMA_MARK,
        .meaning = "The switch forgets all addresses; until it has learnt them anew, it floods."),
    ROW(FAULT_TABLE, FAULT_ON_SWITCH, LASTS | PASSIVE, .name = "table", .type = SCHEMA_QUANTITY,
        .unit = QUANTITY_COUNT, .max = 4096,
        .meaning =
            "Its table has this many places for addresses; the rest is full of others. What is "
            "not in it is flooded."),
    ROW(FAULT_STALE, FAULT_ON_SWITCH, LASTS | PASSIVE, .name = "stale", .type = SCHEMA_MARK,
        .meaning = "The switch learns nothing: who moves is still looked for at the old port."),
    ROW(FAULT_LOSE_ANNOUNCEMENTS, FAULT_ON_SWITCH, LASTS, .name = "lose-announcements",
        SHARE_OF_FRAMES, .meaning = "Each gratuitous ARP is lost in it with this probability."),
    ROW(FAULT_REPEAT_ANNOUNCEMENTS, FAULT_ON_SWITCH, LASTS, .name = "repeat-announcements",
        .type = SCHEMA_QUANTITY, .unit = QUANTITY_COUNT, .min = 1, .max = 100,
        .meaning = "Each gratuitous ARP leaves it this many times more."),
    ROW(FAULT_PARTITION, FAULT_ON_PAIR, LASTS, .name = "partition", .type = SCHEMA_MARK,
        .meaning = "Nothing goes between the two groups of machines; each goes on reaching "
                   "everybody else."),
    ROW(FAULT_CLOCK_STEP, FAULT_ON_MACHINE, STRIKES, .name = "clock-step", .type = SCHEMA_QUANTITY,
        .unit = QUANTITY_TIME, .min = -YEAR, .max = YEAR, .signed_value = true,
        .meaning = "The wall clock of a node or client jumps by this, for good."),
    ROW(FAULT_CLOCK_OFFSET, FAULT_ON_MACHINE, LASTS | STRIKES, .name = "clock-offset",
        .type = SCHEMA_QUANTITY, .unit = QUANTITY_TIME, .min = -YEAR, .max = YEAR,
        .signed_value = true,
        .meaning = "Its wall clock is off by this, and right again when the fault ends."),
    ROW(FAULT_CLOCK_DRIFT, FAULT_ON_MACHINE, LASTS | STRIKES, .name = "clock-drift",
        .type = SCHEMA_QUANTITY, .unit = QUANTITY_DRIFT, .min = -SIM_MACHINE_DRIFT_PPB_MAX,
        .max = SIM_MACHINE_DRIFT_PPB_MAX, .signed_value = true,
        .meaning = "Its oscillator runs at this rate instead of its own: timers and both clocks."),
    ROW(FAULT_CLOCK_STROBE, FAULT_ON_MACHINE, LASTS | STRIKES, .name = "clock-strobe",
        .type = SCHEMA_QUANTITY, .unit = QUANTITY_TIME, .min = -YEAR, .max = YEAR,
        .signed_value = true,
        .meaning = "Its wall clock jumps by this and back again, once every `strobe-every`."),
    ROW(FAULT_STEAL, FAULT_ON_MACHINE, LASTS | STRIKES, .name = "steal", .type = SCHEMA_QUANTITY,
        .unit = QUANTITY_SHARE, .max = 999000000,
        .meaning = "This share of a VM's processor time is taken away: its guest works as much "
                   "slower."),
    ROW(FAULT_SLOW, FAULT_ON_MACHINE, LASTS | STRIKES, .name = "slow", .type = SCHEMA_QUANTITY,
        .unit = QUANTITY_SHARE, .max = 999000000,
        .meaning = "The cores of a node lack this share of their speed: with `50%`, all that its "
                   "software and vCPUs compute takes twice as long."),
    ROW(FAULT_TCP_RESET, FAULT_ON_CONNECTION, 0, .name = "tcp-reset", .type = SCHEMA_MARK,
        .meaning = "A RST segment comes in the name of the other end, with exactly the sequence "
                   "number that ends the connection, as a firewall on the way would send."),
    ROW(FAULT_TCP_BLIND_RESET, FAULT_ON_CONNECTION, 0, .name = "tcp-blind-reset",
        .type = SCHEMA_MARK,
        .meaning = "The same with a sequence number that is guessed: within the window, but not "
                   "the next. It is answered by a challenge ACK and ends nothing (RFC 5961)."),
    ROW(FAULT_TCP_HALF_OPEN, FAULT_ON_CONNECTION, 0, .name = "tcp-half-open", .type = SCHEMA_MARK,
        .meaning = "An end forgets its connections and tells nobody but its own program; the other "
                   "learns of it when it next sends."),
    ROW(FAULT_TCP_REFUSE, FAULT_ON_CONNECTION, LASTS, .name = "tcp-refuse", .type = SCHEMA_MARK,
        .meaning = "New connections are refused by a RST; those that stand are not touched."),
    ROW(FAULT_TCP_HANG, FAULT_ON_CONNECTION, LASTS, .name = "tcp-hang", .type = SCHEMA_MARK,
        .meaning = "New connections get no answer; those that stand are not touched."),
};

const struct schema_key *fault_table_key(uint32_t index)
{
    SIM_ASSERT(index < FAULT_KINDS);
    return fault_table[index].key;
}

bool fault_is_map(enum fault_kind kind)
{
    SIM_ASSERT(kind < FAULT_KINDS);
    return fault_table[kind].key->type == SCHEMA_MAP || fault_table[kind].key->type == SCHEMA_PART;
}
