/* testbed/schema_timeline.c - rows of the schema: items of the timeline, and what each action takes. */
#include "testbed/schema_maps.h"
#include "testbed/timeline_expand.h"

#define FROM_TO(type_name, what, to_parts, to_meaning)                                             \
    {.name = "from",                                                                               \
     AT(type_name, from),                                                                          \
     .type = SCHEMA_PART,                                                                          \
     .parts = ANY_MACHINE,                                                                         \
     .required = true,                                                                             \
     .meaning = "The machine that " what "."},                                                     \
        {.name = "to",                                                                             \
         AT(type_name, to),                                                                        \
         .type = SCHEMA_PART,                                                                      \
         .parts = to_parts,                                                                        \
         .required = true,                                                                         \
         .meaning = to_meaning},                                                                   \
    {                                                                                              \
        .name = "over", AT(type_name, over), .type = SCHEMA_INDEX,                                 \
        .parts = PART(SCENARIO_NETWORK),                                                           \
        .derived = "the first of the sender's networks that the other end is on",                  \
        .meaning = "The network it goes over."                                                     \
    }

#define ANY_END "The machine at the other end: a VM, a node or a client."

static const struct schema_key ping_keys[] = {
    FROM_TO(scenario_ping, "pings", ANY_MACHINE, ANY_END),
    {.name = "every",
     AT(scenario_ping, every_ns),
     .type = SCHEMA_QUANTITY,
     .unit = QUANTITY_TIME,
     .min = 10 * SIM_US,
     .max = YEAR,
     .default_text = "1s",
     .meaning = "Time from one echo request to the next."},
    {.name = "size",
     AT(scenario_ping, size_bytes),
     .type = SCHEMA_QUANTITY,
     .unit = QUANTITY_SIZE,
     .min = 8,
     .max = 65507,
     .default_text = "56B",
     .meaning = "Data in a request."},
    {.name = "timeout",
     AT(scenario_ping, timeout_ns),
     .type = SCHEMA_QUANTITY,
     .unit = QUANTITY_TIME,
     .min = SIM_US,
     .max = YEAR,
     .default_text = "1s",
     .meaning = "A request without an answer for this long is lost."},
    {.name = "count",
     AT(scenario_ping, count),
     .type = SCHEMA_QUANTITY,
     .unit = QUANTITY_COUNT,
     .min = 1,
     .max = INT64_C(1000000000),
     .derived = "until it is stopped or the run ends",
     .meaning = "How many requests."},
};
static const struct schema_map ping_map = {
    .name = "timeline.ping",
    .bytes = sizeof(struct scenario_ping),
    KEYS(ping_keys),
    .meaning = "ICMP echo requests, one after the other, whether answered or not.",
};

static const struct schema_group request_groups[] = {
    {.what = "a pace",
     .required = true,
     .exclusive = true,
     .stored = true,
     .offset = offsetof(struct scenario_request, pace)}};
static const struct schema_key request_keys[] = {
    FROM_TO(scenario_request, "asks", PART(SCENARIO_VM), "The VM that answers."),
    {.name = "every",
     AT(scenario_request, every_ns),
     .type = SCHEMA_QUANTITY,
     .unit = QUANTITY_TIME,
     .min = SIM_US,
     .max = YEAR,
     .group = 1,
     .group_value = SCENARIO_EVERY,
     .meaning =
         "Time from the start of a request to the start of the next; a late one follows at once."},
    {.name = "think",
     AT(scenario_request, think_ns),
     .type = SCHEMA_QUANTITY,
     .unit = QUANTITY_TIME,
     .max = YEAR,
     .group = 1,
     .group_value = SCENARIO_THINK,
     .meaning = "Time from the end of a response to the start of the next request."},
    {.name = "port",
     AT(scenario_request, port),
     .type = SCHEMA_QUANTITY,
     .unit = QUANTITY_COUNT,
     .min = 1,
     .max = 65535,
     .default_text = "80",
     .meaning = "TCP port of the server."},
    {.name = "size",
     AT(scenario_request, size_bytes),
     .type = SCHEMA_QUANTITY,
     .unit = QUANTITY_SIZE,
     .min = 16,
     .max = GIB,
     .default_text = "128B",
     .meaning = "Bytes of a request."},
    {.name = "response-size",
     AT(scenario_request, response_bytes),
     .type = SCHEMA_QUANTITY,
     .unit = QUANTITY_SIZE,
     .min = 16,
     .max = GIB,
     .default_text = "1KiB",
     .meaning = "Bytes of a response."},
    {.name = "timeout",
     AT(scenario_request, timeout_ns),
     .type = SCHEMA_QUANTITY,
     .unit = QUANTITY_TIME,
     .min = SIM_MS,
     .max = YEAR,
     .default_text = "30s",
     .meaning = "After this long without the response the connection is given up and made again."},
};
static const struct schema_map request_map = {
    .name = "timeline.request",
    .bytes = sizeof(struct scenario_request),
    KEYS(request_keys),
    GROUPS(request_groups),
    .meaning =
        "Requests and responses on one TCP connection, one at a time, with their latency measured.",
};

static const struct schema_choice bulk_content_choices[] = {
    {"pattern", SCENARIO_BULK_PATTERN, "distinct pages, carried as handles"},
    {"zero", SCENARIO_BULK_ZERO, "zeroes"},
    {"literal", SCENARIO_BULK_LITERAL, "bytes that are made, carried and compared one by one"},
    {0}};
static const struct schema_choice bulk_congestion_choices[] = {
    {"as-machine", SCENARIO_BULK_AS_MACHINE, "as the sender's `tcp` says"},
    {"cubic", SCENARIO_BULK_CUBIC, "RFC 9438"},
    {"reno", SCENARIO_BULK_RENO, "RFC 5681 and 6582"},
    {0}};
static const struct schema_key bulk_keys[] = {
    FROM_TO(scenario_bulk, "sends", ANY_MACHINE, ANY_END),
    {.name = "bytes",
     AT(scenario_bulk, bytes),
     .type = SCHEMA_QUANTITY,
     .unit = QUANTITY_SIZE,
     .min = 1,
     .max = 1024 * TIB,
     .required = true,
     .meaning = "How much is sent."},
    {.name = "content",
     AT(scenario_bulk, content),
     .type = SCHEMA_CHOICE,
     .choices = bulk_content_choices,
     .default_text = "pattern",
     .meaning = "What is sent."},
    {.name = "port",
     AT(scenario_bulk, port),
     .type = SCHEMA_QUANTITY,
     .unit = QUANTITY_COUNT,
     .min = 1,
     .max = 65535,
     .default_text = "5001",
     .meaning = "TCP port of the receiver, opened for it."},
    {.name = "congestion",
     AT(scenario_bulk, congestion_as_written),
     .type = SCHEMA_CHOICE,
     .choices = bulk_congestion_choices,
     .default_text = "as-machine",
     .meaning = "Congestion control of the sender."},
    {.name = "close",
     AT(scenario_bulk, close),
     .type = SCHEMA_FLAG,
     .default_text = "true",
     .meaning = "Whether the connection is closed when all has been acknowledged."},
};
static const struct schema_map bulk_map = {
    .name = "timeline.tcp-bulk",
    .bytes = sizeof(struct scenario_bulk),
    KEYS(bulk_keys),
    .meaning = "One TCP connection that sends as fast as it can.",
};

static const struct schema_choice when_busy_choices[] = {
    {"as-node", SCENARIO_AS_NODE, "as the source node's `migration` says"},
    {"queue", SCENARIO_QUEUE, "it waits its turn"},
    {"refuse", SCENARIO_REFUSE, "it fails at once"},
    {0}};
static const struct schema_key migrate_keys[] = {
    {.name = "vm",
     AT(scenario_migrate, vm),
     .type = SCHEMA_INDEX,
     .parts = PART(SCENARIO_VM),
     .required = true,
     .meaning = "The VM that moves."},
    {.name = "to",
     AT(scenario_migrate, to),
     .type = SCHEMA_INDEX,
     .parts = PART(SCENARIO_NODE),
     .required = true,
     .meaning = "The node it moves to."},
    {.name = "over",
     AT(scenario_migrate, over),
     .type = SCHEMA_INDEX_LIST,
     .parts = PART(SCENARIO_NETWORK),
     .derived = "the target's networks, those first that the VM has no NIC on",
     .meaning = "Networks to try, in this order; the next one when one fails."},
    {.name = "rounds",
     AT(scenario_migrate, rounds),
     .type = SCHEMA_QUANTITY,
     .unit = QUANTITY_COUNT,
     .min = 1,
     .max = 1000,
     .derived = "as the policy has it; 10 with `hyper-v`",
     .meaning = "The policy's `rounds`: after this many the VM is paused, whatever is left, unless "
                "the policy does otherwise where it does not converge."},
    {.name = "threshold",
     AT(scenario_migrate, threshold_ns),
     .type = SCHEMA_QUANTITY,
     .unit = QUANTITY_TIME,
     .max = HOURS,
     .derived = "as the policy has it; 50ms with `hyper-v`",
     .meaning = "The policy's `threshold`: it is paused earlier when the predicted pause is below "
                "this."},
    {.name = "time-limit",
     AT(scenario_migrate, time_limit_ns),
     .type = SCHEMA_QUANTITY,
     .unit = QUANTITY_TIME,
     .min = SIM_MS,
     .max = YEAR,
     .derived = "none",
     .meaning = "A migration that has not paused the VM by then is given up; the VM stays."},
    {.name = "when-busy",
     AT(scenario_migrate, when_busy),
     .type = SCHEMA_CHOICE,
     .choices = when_busy_choices,
     .default_text = "as-node",
     .meaning = "What happens when the two nodes have their fill of migrations."},
    {.name = "priority",
     AT(scenario_migrate, priority),
     .type = SCHEMA_QUANTITY,
     .unit = QUANTITY_COUNT,
     .max = 1000,
     .default_text = "0",
     .meaning =
         "Of migrations that wait for their turn between the same two nodes the highest goes "
         "first, of equals the earliest."},
    {.name = "policy",
     AT(scenario_migrate, policy),
     .type = SCHEMA_MAP,
     .map = &schema_policy,
     .meaning = "How it decides."},
    {.name = "compress",
     AT(scenario_migrate, compress),
     .type = SCHEMA_MAP,
     .map = &schema_compress,
     .meaning = "Whether pages are compressed."},
};
static const struct schema_map migrate_map = {
    .name = "timeline.live-migrate",
    .bytes = sizeof(struct scenario_migrate),
    KEYS(migrate_keys),
    .meaning = "A VM moves to another node while it runs.",
};

static const struct schema_key video_keys[] = {
    {.name = "from",
     AT(scenario_video, from),
     .type = SCHEMA_PART,
     .parts = PART(SCENARIO_VM),
     .required = true,
     .meaning = "The VM that serves it."},
    {.name = "to",
     AT(scenario_video, to),
     .type = SCHEMA_PART,
     .parts = ANY_MACHINE,
     .required = true,
     .meaning = "The machine that plays it: a client, a node or a VM."},
    {.name = "over",
     AT(scenario_video, over),
     .type = SCHEMA_INDEX,
     .parts = PART(SCENARIO_NETWORK),
     .derived = "the first of the VM's networks that the player is on",
     .meaning = "The network it goes over."},
    {.name = "rate",
     AT(scenario_video, rate_bps),
     .type = SCHEMA_QUANTITY,
     .unit = QUANTITY_RATE,
     .min = 1000,
     .max = INT64_C(1000000000000),
     .default_text = "4Mbit/s",
     .meaning = "Bits of a second of video; all its frames are of one size."},
    {.name = "frame-rate",
     AT(scenario_video, frames_per_hour),
     .type = SCHEMA_QUANTITY,
     .unit = QUANTITY_FREQUENCY,
     .min = 3600,
     .max = 3600000,
     .default_text = "25/s",
     .meaning = "Frames shown."},
    {.name = "buffer",
     AT(scenario_video, buffer_ns),
     .type = SCHEMA_QUANTITY,
     .unit = QUANTITY_TIME,
     .min = SIM_MS,
     .max = HOURS,
     .default_text = "500ms",
     .meaning = "How much video the player reads ahead, at least two frames; it begins to play "
                "when so much is there."},
    {.name = "for",
     AT(scenario_video, for_ns),
     .type = SCHEMA_QUANTITY,
     .unit = QUANTITY_TIME,
     .min = SIM_MS,
     .max = YEAR,
     .derived = "until it is stopped or the run ends",
     .meaning = "How long the video is."},
    {.name = "port",
     AT(scenario_video, port),
     .type = SCHEMA_QUANTITY,
     .unit = QUANTITY_COUNT,
     .min = 1,
     .max = 65535,
     .default_text = "554",
     .meaning = "TCP port of the guest's service."},
};
static const struct schema_map video_map = {
    .name = "timeline.video",
    .bytes = sizeof(struct scenario_video),
    KEYS(video_keys),
    .meaning = "A video that a guest serves over TCP is watched: the player reads ahead as much as "
               "its buffer "
               "holds, and the picture stands still when a frame is not there in time.",
};

static const struct schema_key cancel_keys[] = {
    {.name = "migration",
     AT(scenario_cancel, migration),
     .type = SCHEMA_INDEX,
     .parts = PART(SCENARIO_ACTION),
     .actions = ACTION(SCENARIO_MIGRATE),
     .required = true,
     .meaning = "Which one, by the name of its item."},
};
static const struct schema_map cancel_map = {
    .name = "timeline.cancel",
    .bytes = sizeof(struct scenario_cancel),
    KEYS(cancel_keys),
    .shorthand = "migration",
    .meaning = "A live migration is given up, unless it has passed its commit point.",
};

static const struct schema_choice direction_choices[] = {
    {"both", SCENARIO_BOTH, "both directions"},
    {"to", SCENARIO_TO, "frames on their way to the machine that the link is named after"},
    {"from", SCENARIO_FROM, "frames that this machine sends"},
    {0}};
static const struct schema_choice shape_choices[] = {
    {"uniform", SCENARIO_JITTER_UNIFORM, "evenly from 0 to the whole"},
    {"normal", SCENARIO_JITTER_NORMAL,
     "normal around the half, with a deviation of a sixth of the whole"},
    {0}};
static const struct schema_choice end_choices[] = {
    {"auto", SCENARIO_END_AUTO, "a reset strikes both ends; it is `to` that forgets"},
    {"from", SCENARIO_END_FROM, "the end that connected"},
    {"to", SCENARIO_END_TO, "the end that has the port"},
    {"both", SCENARIO_END_BOTH, "both ends"},
    {0}};
static const struct schema_key connection_keys[] = {
    {.name = "from",
     AT(scenario_connection, from),
     .type = SCHEMA_PART,
     .parts = ANY_MACHINE,
     .required = true,
     .meaning = "The machine that connects."},
    {.name = "to",
     AT(scenario_connection, to),
     .type = SCHEMA_PART,
     .parts = ANY_MACHINE,
     .required = true,
     .meaning = "The machine that it connects to."},
    {.name = "port",
     AT(scenario_connection, port),
     .type = SCHEMA_QUANTITY,
     .unit = QUANTITY_COUNT,
     .min = 1,
     .max = 65535,
     .required = true,
     .meaning = "The TCP port there: 6600 is that of live migrations."},
    {.name = "end",
     AT(scenario_connection, end),
     .type = SCHEMA_CHOICE,
     .choices = end_choices,
     .default_text = "auto",
     .meaning = "Which end a reset strikes, or which one forgets."},
};
static const struct schema_map connection_map = {
    .name = "timeline.fault.connection",
    .bytes = sizeof(struct scenario_connection),
    KEYS(connection_keys),
    .source_marks = true,
    .meaning = "TCP connections from one machine to a port of another, over every network that "
               "both are on.",
};
static const struct schema_group fault_groups[] = {
    {.what = "a target",
     .required = true,
     .exclusive = true,
     .stored = true,
     .offset = offsetof(struct scenario_fault, target)},
    {.what = "a kind of fault", .required = true}};
static const struct schema_key fault_keys[] = {
    {.name = "link",
     AT(scenario_fault, links),
     .type = SCHEMA_PART_LIST,
     .parts = PART(SCENARIO_LINK),
     .group = 1,
     .group_value = SCENARIO_FAULT_LINK,
     .meaning = "Links that are disturbed, or their NICs: NODE/NETWORK or CLIENT/NETWORK; `*` "
                "stands for any letters."},
    {.name = "machine",
     AT(scenario_fault, machines),
     .type = SCHEMA_PART_LIST,
     .parts = ANY_MACHINE,
     .group = 1,
     .group_value = SCENARIO_FAULT_MACHINE,
     .meaning = "Machines that fail: nodes, clients or VMs; `*` stands for any letters."},
    {.name = "switch",
     AT(scenario_fault, network),
     .type = SCHEMA_INDEX,
     .parts = PART(SCENARIO_NETWORK),
     .group = 1,
     .group_value = SCENARIO_FAULT_SWITCH,
     .meaning = "A network whose switch fails."},
    {.name = "between",
     AT(scenario_fault, between),
     .type = SCHEMA_PART_LIST,
     .parts = PART(SCENARIO_NODE) | PART(SCENARIO_CLIENT),
     .group = 1,
     .group_value = SCENARIO_FAULT_PAIR,
     .meaning =
         "What goes between these nodes and clients and those of `and` is disturbed, with all "
         "that their VMs send; `*` stands for any letters."},
    {.name = "and",
     AT(scenario_fault, others),
     .type = SCHEMA_PART_LIST,
     .parts = PART(SCENARIO_NODE) | PART(SCENARIO_CLIENT),
     .after = "between",
     .meaning = "The other group."},
    {.name = "over",
     AT(scenario_fault, over),
     .type = SCHEMA_INDEX,
     .parts = PART(SCENARIO_NETWORK),
     .after = "between",
     .derived = "all networks that both groups are on",
     .meaning = "Only on this network."},
    {.name = "one-way",
     AT(scenario_fault, one_way),
     .type = SCHEMA_FLAG,
     .default_text = "false",
     .after = "between",
     .meaning = "Only what goes from `between` to `and`; the way back is well."},
    {.name = "hold",
     AT(scenario_fault, hold_ns),
     .type = SCHEMA_QUANTITY,
     .unit = QUANTITY_TIME,
     .min = 1,
     .max = 1000 * SIM_S,
     .default_text = "1ms",
     .after = "reorder",
     .meaning = "How long `reorder` holds a frame."},
    {.name = "shape",
     AT(scenario_fault, shape),
     .type = SCHEMA_CHOICE,
     .choices = shape_choices,
     .default_text = "uniform",
     .after = "jitter",
     .meaning = "How the times of `jitter` are spread."},
    {.name = "connection",
     AT(scenario_fault, connection),
     .type = SCHEMA_MAP,
     .map = &connection_map,
     .group = 1,
     .group_value = SCENARIO_FAULT_CONNECTION,
     .meaning = "TCP connections that break, or are not made."},
    {.name = "strobe-every",
     AT(scenario_fault, strobe_every_ns),
     .type = SCHEMA_QUANTITY,
     .unit = QUANTITY_TIME,
     .min = SIM_US,
     .max = YEAR,
     .default_text = "1s",
     .after = "clock-strobe",
     .meaning = "Time from one jump of the clock to the next."},
    {.name = "for",
     AT(scenario_fault, for_ns),
     .type = SCHEMA_QUANTITY,
     .unit = QUANTITY_TIME,
     .min = 1,
     .max = YEAR,
     .derived = "to the end of the run",
     .meaning = "How long."},
    {.name = "direction",
     AT(scenario_fault, direction),
     .type = SCHEMA_CHOICE,
     .choices = direction_choices,
     .default_text = "both",
     .after = "link",
     .meaning = "Which direction of the link."},
    {.name = "nth",
     AT(scenario_fault, nth),
     .type = SCHEMA_QUANTITY,
     .unit = QUANTITY_COUNT,
     .min = 1,
     .max = INT64_C(1000000000000),
     .derived = "every frame",
     .after = "link",
     .meaning = "Acts on this frame only, counted from 1 among those that arrive while the fault "
                "is active (and match `frames`)."},
    {.name = "every-kth",
     AT(scenario_fault, every_kth),
     .type = SCHEMA_QUANTITY,
     .unit = QUANTITY_COUNT,
     .min = 1,
     .max = INT64_C(1000000000),
     .derived = "every frame",
     .after = "link",
     .meaning = "Acts on each k-th of those frames only: `10` on the 10th, the 20th, and so on."},
    {.name = "probability",
     AT(scenario_fault, probability_ppb),
     .type = SCHEMA_QUANTITY,
     .unit = QUANTITY_SHARE,
     .max = QUANTITY_WHOLE_PPB,
     .derived = "every frame",
     .after = "link",
     .meaning = "Acts on each of those frames with this probability, drawn for each by itself."},
    {.name = "frames",
     AT(scenario_fault, frames),
     .type = SCHEMA_TEXT,
     .derived = "every frame",
     .after = "link",
     .meaning = "Acts on frames only that match this filter, as in `tcp port 6600 and greater "
                "1000`: the language of tcpdump and Wireshark's captures (pcap-filter(7))."},
};
const struct schema_map schema_fault = {
    .name = "timeline.fault",
    .bytes = sizeof(struct scenario_fault),
    KEYS(fault_keys),
    .more_key = fault_table_key,
    .more_count = FAULT_KINDS,
    GROUPS(fault_groups),
    .meaning = "Something breaks. A link may be disturbed in several ways at once; of faults "
               "of one kind that overlap the one that began last acts.",
    .example =
        "networks:\n"
        "  lan:       {rate: 1Gbit/s}\n"
        "  migration: {rate: 1Gbit/s}\n"
        "nodes:\n"
        "  node1..node3: {memory: 8GiB, nics: [lan, migration]}\n"
        "clients:\n"
        "  alice: {nics: [lan]}\n"
        "vms:\n"
        "  web: {node: node1, memory: 1GiB, nics: [lan]}\n"
        "timeline:\n"
        "  - {at: 1s, fault: {link: node2/migration, bursts: {begin: 0.1%, end: 25%}, for: 5s}}\n"
        "  - {at: 1s, fault: {link: 'node*/lan', flap: {down: 2s, up: 5s}, for: 1min}}\n"
        "  - {at: 2s, fault: {link: alice/lan, jitter: 3ms, reorder: 1%, hold: 5ms}}\n"
        "  - {at: 3s, fault: {machine: [node2, node3], crash: true, for: 30s}}\n"
        "  - {at: 4s, fault: {switch: lan, reboot: true, for: 20s}}\n"
        "  - {at: 5s, fault: {between: node1, and: [node2, node3], partition: true, for: 10s}}\n"
        "  - {at: 6s, fault: {between: node1, and: node2, over: migration, delay: 20ms}}\n"
        "  - {at: 7s, fault: {machine: alice, claims: web, for: 2s}}\n",
};

static const struct schema_choice power_choices[] = {
    {"power-on", SCENARIO_POWER_ON, "a machine that is off starts"},
    {"power-off", SCENARIO_POWER_OFF, "it shuts down"},
    {"crash", SCENARIO_CRASH, "power is gone: tasks, memory, volatile state of devices vanish"},
    {"reboot", SCENARIO_REBOOT, "crash and power-on at once"},
    {"freeze", SCENARIO_FREEZE, "it hangs: tasks and timers stop, its clock goes on"},
    {"thaw", SCENARIO_THAW, "the end of a freeze"},
    {"pause", SCENARIO_PAUSE, "a VM stands still, and its clock with it"},
    {"resume", SCENARIO_RESUME, "the end of a pause"},
    {0}};
static const struct schema_key power_keys[] = {
    {.name = "machine",
     AT(scenario_power, machine),
     .type = SCHEMA_PART,
     .parts = ANY_MACHINE,
     .required = true,
     .meaning = "A node, a client or a VM."},
    {.name = "do",
     AT(scenario_power, verb),
     .type = SCHEMA_CHOICE,
     .choices = power_choices,
     .required = true,
     .meaning = "What happens to it."},
};
static const struct schema_map power_map = {
    .name = "timeline.power",
    .bytes = sizeof(struct scenario_power),
    KEYS(power_keys),
    .meaning = "A machine is switched, crashed or stopped.",
};

static const struct schema_key force_resume_keys[] = {
    {.name = "vm",
     AT(scenario_force_resume, vm),
     .type = SCHEMA_INDEX,
     .parts = PART(SCENARIO_VM),
     .required = true,
     .meaning = "The VM."},
    {.name = "node",
     AT(scenario_force_resume, node),
     .type = SCHEMA_INDEX,
     .parts = PART(SCENARIO_NODE),
     .required = true,
     .meaning = "The node that holds it prepared."},
};
static const struct schema_map force_resume_map = {
    .name = "timeline.force-resume",
    .bytes = sizeof(struct scenario_force_resume),
    KEYS(force_resume_keys),
    .meaning =
        "An administrator makes a node run a VM whose hand-over hangs because the source is gone.",
};

static const struct schema_key stop_keys[] = {
    {.name = "what",
     AT(scenario_stop, what),
     .type = SCHEMA_INDEX,
     .parts = PART(SCENARIO_ACTION),
     .actions = ACTION(SCENARIO_PING) | ACTION(SCENARIO_REQUEST) | ACTION(SCENARIO_BULK) |
                ACTION(SCENARIO_FAULT) | ACTION(SCENARIO_VIDEO),
     .required = true,
     .meaning = "Which one, by the name of its item."},
};
static const struct schema_map stop_map = {
    .name = "timeline.stop",
    .bytes = sizeof(struct scenario_stop),
    KEYS(stop_keys),
    .shorthand = "what",
    .meaning = "A ping, a request, a bulk transfer or a video ends, or a fault: a link comes up "
               "again, a machine "
               "comes back.",
};

static const struct schema_group item_groups[] = {
    {.what = "a time",
     .required = true,
     .exclusive = true,
     .stored = true,
     .offset = offsetof(struct scenario_item, trigger)},
    {.what = "an action",
     .required = true,
     .exclusive = true,
     .stored = true,
     .offset = offsetof(struct scenario_item, kind)}};

#define ITEM_ACTION(word, member, kind, action_map, words)                                         \
    {                                                                                              \
        .name = word, AT(scenario_item, action.member), .type = SCHEMA_MAP, .map = &(action_map),  \
        .group = 2, .group_value = (kind), .meaning = words                                        \
    }

static const struct schema_key item_keys[] = {
    {.name = "at",
     AT(scenario_item, at_ns),
     .type = SCHEMA_QUANTITY,
     .unit = QUANTITY_TIME,
     .max = YEAR,
     .group = 1,
     .group_value = SCENARIO_AT,
     .meaning = "When, from the start of the run."},
    {.name = "when",
     AT(scenario_item, when),
     .type = SCHEMA_CONDITION,
     .group = 1,
     .group_value = SCENARIO_WHEN,
     .meaning = "A condition: when it becomes true."},
    {.name = "delay",
     AT(scenario_item, delay_ns),
     .type = SCHEMA_QUANTITY,
     .unit = QUANTITY_TIME,
     .max = YEAR,
     .default_text = "0s",
     .after = "when",
     .meaning = "How long after that."},
    {.name = "nth",
     AT(scenario_item, nth),
     .type = SCHEMA_QUANTITY,
     .unit = QUANTITY_COUNT,
     .min = 1,
     .max = INT64_C(1000000000),
     .default_text = "1",
     .after = "when",
     .meaning = "At the how-manyeth time that the condition becomes true."},
    {.name = "every",
     AT(scenario_item, every_ns),
     .type = SCHEMA_QUANTITY,
     .unit = QUANTITY_TIME,
     .min = 1,
     .max = YEAR,
     .derived = "beside `when` each time that the condition becomes true",
     .after = "times",
     .meaning = "How long from one time to the next, where it happens several times."},
    {.name = "times",
     AT(scenario_item, times),
     .type = SCHEMA_QUANTITY,
     .unit = QUANTITY_COUNT,
     .min = 1,
     .max = TIMELINE_REPETITIONS_MAX,
     .derived = "once",
     .meaning =
         "How often. Each time is an item of its own, named with `-1`, `-2` and so on behind "
         "the name; the name alone stands for all in each() and its like, and in `stop` and "
         "`cancel`."},
    ITEM_ACTION("ping", ping, SCENARIO_PING, ping_map, "Ping a machine."),
    ITEM_ACTION("request", request, SCENARIO_REQUEST, request_map,
                "Ask a server and wait for its answers."),
    ITEM_ACTION("tcp-bulk", bulk, SCENARIO_BULK, bulk_map, "Send bytes as fast as TCP can."),
    ITEM_ACTION("live-migrate", migrate, SCENARIO_MIGRATE, migrate_map, "Move a VM while it runs."),
    ITEM_ACTION("cancel", cancel, SCENARIO_CANCEL, cancel_map, "Give a live migration up."),
    ITEM_ACTION("fault", fault, SCENARIO_FAULT, schema_fault, "Break something."),
    ITEM_ACTION("power", power, SCENARIO_POWER, power_map, "Switch, crash or stop a machine."),
    ITEM_ACTION("force-resume", force_resume, SCENARIO_FORCE_RESUME, force_resume_map,
                "Run a VM whose hand-over hangs."),
    ITEM_ACTION("stop", stop, SCENARIO_STOP, stop_map,
                "End a ping, a request, a bulk transfer, a video or a fault."),
    ITEM_ACTION("video", video, SCENARIO_VIDEO, video_map, "Watch a video that a VM serves."),
    ITEM_ACTION("drain", drain, SCENARIO_DRAIN, schema_drain, "Empty a node."),
    {.name = "as",
     AT(scenario_item, name),
     .type = SCHEMA_NAME,
     .derived = "the action's word and its number among its kind: `ping1`",
     .meaning = "A name for it, to be used in conditions and expectations."},
    {.name = "sweep", .type = SCHEMA_TEXT, .next = true},
};

const struct schema_map schema_item = {
    .name = "timeline",
    .bytes = sizeof(struct scenario_item),
    KEYS(item_keys),
    GROUPS(item_groups),
    .meaning =
        "A list of what happens. Each item says when (`at` or `when`) and does exactly one thing.",
    .example =
        "networks:\n"
        "  lan:       {rate: 1Gbit/s}\n"
        "  migration: {rate: 1Gbit/s}\n"
        "nodes:\n"
        "  node1..node2: {memory: 8GiB, nics: [lan, migration]}\n"
        "clients:\n"
        "  alice: {nics: [lan]}\n"
        "vms:\n"
        "  web: {node: node1, memory: 1GiB, nics: [lan]}\n"
        "timeline:\n"
        "  - {at: 0s, ping: {from: alice, to: web, every: 10ms}, as: ping}\n"
        "  - {at: 0s, request: {from: alice, to: web, every: 50ms, response-size: 4KiB}, as: "
        "shop}\n"
        "  - {at: 0s, video: {from: web, to: alice, rate: 4Mbit/s, frame-rate: 25/s, buffer: "
        "500ms}, as: film}\n"
        "  - {at: 1s, tcp-bulk: {from: node1, to: node2, bytes: 100MiB, over: lan}, as: backup}\n"
        "  - {at: 5s, live-migrate: {vm: web, to: node2, over: [migration], rounds: 8}, as: move}\n"
        "  - {when: move.step == stop-copy, fault: {link: node2/migration, down: true, for: 50ms}, "
        "as: outage}\n"
        "  - {when: move.end, delay: 10s, live-migrate: {vm: web, to: node1}, as: back}\n"
        "  - {when: back.start, delay: 1s, cancel: back}\n"
        "  - {at: 20s, fault: {machine: node2, freeze: true, for: 2s}, as: hang}\n"
        "  - {at: 30s, power: {machine: alice, do: reboot}}\n"
        "  - {at: 40s, stop: shop}\n"
        "  - {at: 60s, drain: node1, as: empty}\n"
        "  - {at: 50s, every: 5s, times: 3, fault: {link: alice/lan, down: true, for: 1s}, as: "
        "flap}\n"
        "  - {when: any(flap.start), delay: 100ms, times: 2, power: {machine: alice, do: "
        "reboot}}\n",
};
