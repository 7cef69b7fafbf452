/* testbed/schema_table.c - the rows of the schema (schema.h), in the order in which the reference prints them.
 *
 * Longer than a module should be, because it is one table: whoever looks for a key looks in one place, and nothing here runs. */
#include "testbed/schema.h"

/* One row's name and member in a line; the rest follows as designated initialisers. */
#define AT(type_name, member) .offset = offsetof(struct type_name, member)
#define LIST_AT(type_name, member, counter)                                                        \
    .offset = offsetof(struct type_name, member),                                                  \
    .count_offset = offsetof(struct type_name, counter)
#define KEYS(rows)   .keys = (rows), .key_count = sizeof(rows) / sizeof((rows)[0])
#define GROUPS(rows) .groups = (rows), .group_count = sizeof(rows) / sizeof((rows)[0])
#define PART(kind)   (UINT32_C(1) << (kind))
#define ACTION(kind) (UINT32_C(1) << (kind))
#define ANY_MACHINE  (PART(SCENARIO_NODE) | PART(SCENARIO_CLIENT) | PART(SCENARIO_VM))

#define KIB   INT64_C(1024)
#define MIB   (KIB * 1024)
#define GIB   (MIB * 1024)
#define TIB   (GIB * 1024)
#define HOURS (3600 * SIM_S)
#define YEAR  (8760 * HOURS) /* longer than any run, and far from the end of sim_time */

/* ---- networks ------------------------------------------------------------------------------------------------------ */

static const struct schema_choice framing_choices[] = {
    {"ethernet", SCENARIO_ETHERNET,
     "a frame costs its bytes and 24 more: preamble, frame check sequence, gap"},
    {"ppp", SCENARIO_PPP,
     "a packet costs its bytes and 2 more; for comparison with simulators that have no Ethernet"},
    {0}};
static const struct schema_choice network_kind_choices[] = {
    {"switch", SCENARIO_SWITCH,
     "a learning store-and-forward switch; each NIC has a link of its own to it"},
    {"cable", SCENARIO_CABLE, "one cable between exactly two NICs"},
    {0}};

static const struct schema_key network_keys[] = {
    {.name = "rate",
     AT(scenario_network, rate_bps),
     .type = SCHEMA_QUANTITY,
     .unit = QUANTITY_RATE,
     .min = 1000,
     .max = INT64_C(1000000000000),
     .required = true,
     .meaning = "Rate of each link, in each direction."},
    {.name = "delay",
     AT(scenario_network, delay_ns),
     .type = SCHEMA_QUANTITY,
     .unit = QUANTITY_TIME,
     .max = 100 * SIM_S,
     .default_text = "5us",
     .meaning = "Propagation delay of each link."},
    {.name = "mtu",
     AT(scenario_network, mtu_bytes),
     .type = SCHEMA_QUANTITY,
     .unit = QUANTITY_SIZE,
     .min = 576,
     .max = 9216,
     .default_text = "1500B",
     .meaning = "Largest IP packet that a frame carries."},
    {.name = "framing",
     AT(scenario_network, framing),
     .type = SCHEMA_CHOICE,
     .choices = framing_choices,
     .default_text = "ethernet",
     .meaning = "What a packet costs on the wire."},
    {.name = "kind",
     AT(scenario_network, kind),
     .type = SCHEMA_CHOICE,
     .choices = network_kind_choices,
     .default_text = "switch",
     .meaning = "What connects the NICs."},
    {.name = "queue",
     AT(scenario_network, queue_bytes),
     .type = SCHEMA_QUANTITY,
     .unit = QUANTITY_SIZE,
     .max = 64 * GIB,
     .default_text = "1MiB",
     .meaning = "Output queue of each switch port and of each NIC: frames that have not begun to "
                "leave. One that does not fit is dropped. `0B`: no limit."},
    {.name = "ageing",
     AT(scenario_network, ageing_ns),
     .type = SCHEMA_QUANTITY,
     .unit = QUANTITY_TIME,
     .min = SIM_MS,
     .max = YEAR,
     .default_text = "300s",
     .meaning = "How long the switch remembers the port of an address it has not heard from."},
    {.name = "subnet",
     AT(scenario_network, subnet),
     .type = SCHEMA_SUBNET,
     .derived = "10.N.0.0/16, where N counts the networks in the order of their names",
     .meaning =
         "IPv4 addresses of the network; NICs get them in the order of nodes, clients and VMs."},
};

static const struct schema_map network_map = {
    .name = "networks.NAME",
    .bytes = sizeof(struct scenario_network),
    .name_offset = offsetof(struct scenario_network, name),
    KEYS(network_keys),
    .meaning =
        "A network is one switch; every NIC on it has a link of its own, named NODE/NETWORK.",
    .example = "networks:\n"
               "  lan:       {rate: 1Gbit/s, delay: 5us}\n"
               "  migration: {rate: 10Gbit/s, mtu: 9000B, queue: 4MiB}\n"
               "  direct:    {rate: 1Gbit/s, kind: cable}\n"
               "clients:\n"
               "  end1..end2: {nics: [lan, direct]}\n",
};

/* ---- what machines have in common ---------------------------------------------------------------------------------- */

static const struct schema_choice tcp_profile_choices[] = {
    {"linux", SCENARIO_TCP_LINUX,
     "retransmission after 200 ms at least, 1 s at first, 120 s at most"},
    {"windows", SCENARIO_TCP_WINDOWS, "after 300 ms at least, 3 s at first; gives up sooner"},
    {"rfc6298", SCENARIO_TCP_RFC6298,
     "after 1 s at least and at first, 60 s at most: the letter of RFC 6298"},
    {0}};
static const struct schema_choice congestion_choices[] = {
    {"cubic", SCENARIO_CUBIC, "RFC 9438"}, {"reno", SCENARIO_RENO, "RFC 5681 and 6582"}, {0}};

static const struct schema_key tcp_keys[] = {
    {.name = "profile",
     AT(scenario_tcp, profile),
     .type = SCHEMA_CHOICE,
     .choices = tcp_profile_choices,
     .default_text = "linux",
     .meaning = "Whose time-outs; they decide every blackout under loss."},
    {.name = "congestion",
     AT(scenario_tcp, congestion),
     .type = SCHEMA_CHOICE,
     .choices = congestion_choices,
     .default_text = "cubic",
     .meaning = "Congestion control."},
    {.name = "rto-initial",
     AT(scenario_tcp, rto_initial_ns),
     .type = SCHEMA_QUANTITY,
     .unit = QUANTITY_TIME,
     .min = SIM_MS,
     .max = HOURS,
     .derived = "as the profile has it",
     .meaning = "Retransmission time-out before the first round trip is measured."},
    {.name = "rto-min",
     AT(scenario_tcp, rto_min_ns),
     .type = SCHEMA_QUANTITY,
     .unit = QUANTITY_TIME,
     .min = SIM_MS,
     .max = HOURS,
     .derived = "as the profile has it",
     .meaning = "Shortest retransmission time-out."},
    {.name = "rto-max",
     AT(scenario_tcp, rto_max_ns),
     .type = SCHEMA_QUANTITY,
     .unit = QUANTITY_TIME,
     .min = SIM_MS,
     .max = HOURS,
     .derived = "as the profile has it",
     .meaning = "Longest retransmission time-out."},
    {.name = "send-buffer",
     AT(scenario_tcp, send_buffer_bytes),
     .type = SCHEMA_QUANTITY,
     .unit = QUANTITY_SIZE,
     .min = 16 * KIB,
     .max = GIB,
     .default_text = "4MiB",
     .meaning = "Bytes that a connection holds until they are acknowledged."},
    {.name = "receive-buffer",
     AT(scenario_tcp, receive_buffer_bytes),
     .type = SCHEMA_QUANTITY,
     .unit = QUANTITY_SIZE,
     .min = 16 * KIB,
     .max = GIB,
     .default_text = "4MiB",
     .meaning = "Largest window that a connection offers. Nodes that take VMs in need 64KiB."},
};

static const struct schema_map tcp_map = {
    .name = "tcp",
    .bytes = sizeof(struct scenario_tcp),
    KEYS(tcp_keys),
    .shorthand = "profile",
    .meaning = "The TCP of a node, a client or a guest. The name of a profile alone may stand in "
               "place of the map: `tcp: windows`.",
    .example = "networks:\n"
               "  lan: {rate: 1Gbit/s}\n"
               "clients:\n"
               "  alice: {nics: [lan], tcp: windows}\n"
               "  bob:   {nics: [lan], tcp: {congestion: reno, rto-min: 100ms}}\n",
};

static const struct schema_key clock_keys[] = {
    {.name = "offset",
     AT(scenario_clock, offset_ns),
     .type = SCHEMA_QUANTITY,
     .unit = QUANTITY_TIME,
     .signed_value = true,
     .min = -YEAR,
     .max = YEAR,
     .default_text = "0s",
     .meaning = "How far the wall clock is ahead of true time; negative: behind."},
    {.name = "drift",
     AT(scenario_clock, drift_ppb),
     .type = SCHEMA_QUANTITY,
     .unit = QUANTITY_DRIFT,
     .signed_value = true,
     .min = -500000000,
     .max = 500000000,
     .default_text = "0ppm",
     .meaning = "How much faster the clock runs than true time; negative: slower."},
};

static const struct schema_map clock_map = {
    .name = "clock",
    .bytes = sizeof(struct scenario_clock),
    KEYS(clock_keys),
    .meaning = "The clock of a node or a client. Drift changes the rate of its timers too, the "
               "offset only its wall clock.",
    .example = "networks:\n"
               "  lan: {rate: 1Gbit/s}\n"
               "nodes:\n"
               "  node1: {memory: 8GiB, nics: [lan], clock: {offset: -2s, drift: 50ppm}}\n",
};

/* ---- nodes and clients --------------------------------------------------------------------------------------------- */

static const struct schema_choice cpu_choices[] = {
    {"intel/core2", SCENARIO_CPU_CORE2, "no second-level tables: shadow paging"},
    {"intel/nehalem", SCENARIO_CPU_NEHALEM, "EPT"},
    {"intel/westmere", SCENARIO_CPU_WESTMERE, "EPT"},
    {"intel/haswell", SCENARIO_CPU_HASWELL, "EPT with accessed and dirty bits"},
    {"intel/broadwell", SCENARIO_CPU_BROADWELL,
     "EPT with accessed and dirty bits and the page-modification log"},
    {"amd/k8", SCENARIO_CPU_K8, "no second-level tables: shadow paging"},
    {"amd/k10", SCENARIO_CPU_K10, "NPT with accessed and dirty bits"},
    {"amd/zen", SCENARIO_CPU_ZEN, "NPT with accessed and dirty bits"},
    {0}};
static const struct schema_choice paging_choices[] = {
    {"auto", SCENARIO_PAGING_AUTO, "what the processor has"},
    {"ept", SCENARIO_EPT, "Intel's second-level tables"},
    {"npt", SCENARIO_NPT, "AMD's second-level tables"},
    {"shadow", SCENARIO_SHADOW,
     "shadow page tables, kept by the hypervisor; they cost what EPT does, for they have no model "
     "of their own yet"},
    {0}};
static const struct schema_choice dirty_log_choices[] = {
    {"auto", SCENARIO_DIRTY_LOG_AUTO,
     "the cheapest that the processor has: pml, then dirty-bits, then write-protect"},
    {"write-protect", SCENARIO_WRITE_PROTECT,
     "pages are write-protected, the first store to each faults"},
    {"dirty-bits", SCENARIO_DIRTY_BITS, "the dirty bits of the second-level tables are scanned"},
    {"pml", SCENARIO_PML, "the processor writes addresses to a log of 512 entries"},
    {0}};
static const struct schema_choice node_when_busy_choices[] = {
    {"queue", SCENARIO_QUEUE, "it waits its turn"},
    {"refuse", SCENARIO_REFUSE, "it fails at once"},
    {0}};

static const struct schema_key migration_rules_keys[] = {
    {.name = "max-per-pair",
     AT(scenario_migration_rules, max_per_pair),
     .type = SCHEMA_QUANTITY,
     .unit = QUANTITY_COUNT,
     .min = 1,
     .max = 1000,
     .default_text = "1",
     .meaning = "Live migrations between two nodes at a time."},
    {.name = "when-busy",
     AT(scenario_migration_rules, when_busy),
     .type = SCHEMA_CHOICE,
     .choices = node_when_busy_choices,
     .default_text = "queue",
     .meaning = "What happens to a request beyond that."},
};

static const struct schema_map migration_rules_map = {
    .name = "nodes.NAME.migration",
    .bytes = sizeof(struct scenario_migration_rules),
    KEYS(migration_rules_keys),
    .meaning = "How a node takes part in live migrations.",
    .example = "networks:\n"
               "  lan: {rate: 1Gbit/s}\n"
               "nodes:\n"
               "  node1..node2: {memory: 8GiB, nics: [lan], migration: {max-per-pair: 2, "
               "when-busy: refuse}}\n",
};

static const struct schema_key node_keys[] = {
    {.name = "memory",
     AT(scenario_node, memory_bytes),
     .type = SCHEMA_QUANTITY,
     .unit = QUANTITY_SIZE,
     .min = MIB,
     .max = 64 * TIB,
     .required = true,
     .meaning = "RAM of the host, in whole pages of 4 KiB; all its VMs must fit into it."},
    {.name = "nics",
     AT(scenario_node, nics),
     .type = SCHEMA_INDEX_LIST,
     .parts = PART(SCENARIO_NETWORK),
     .meaning = "The networks it has a NIC on, one each."},
    {.name = "cpu",
     AT(scenario_node, cpu),
     .type = SCHEMA_CHOICE,
     .choices = cpu_choices,
     .default_text = "intel/nehalem",
     .meaning = "The processor; it decides how guest memory is translated and how written pages "
                "are found."},
    {.name = "cores",
     AT(scenario_node, cores),
     .type = SCHEMA_QUANTITY,
     .unit = QUANTITY_COUNT,
     .min = 1,
     .max = 256,
     .default_text = "8",
     .meaning = "Cores that the tasks of its software share. Model guests take no processor time."},
    {.name = "paging",
     AT(scenario_node, paging),
     .type = SCHEMA_CHOICE,
     .choices = paging_choices,
     .default_text = "auto",
     .meaning = "How guest-physical addresses are translated."},
    {.name = "dirty-log",
     AT(scenario_node, dirty_log),
     .type = SCHEMA_CHOICE,
     .choices = dirty_log_choices,
     .default_text = "auto",
     .meaning = "How pages written during a migration are found."},
    {.name = "tcp",
     AT(scenario_node, tcp),
     .type = SCHEMA_MAP,
     .map = &tcp_map,
     .meaning = "Its TCP."},
    {.name = "clock",
     AT(scenario_node, clock),
     .type = SCHEMA_MAP,
     .map = &clock_map,
     .meaning = "Its clock."},
    {.name = "migration",
     AT(scenario_node, migration),
     .type = SCHEMA_MAP,
     .map = &migration_rules_map,
     .meaning = "Its rules for live migrations."},
};

static const struct schema_map node_map = {
    .name = "nodes.NAME",
    .bytes = sizeof(struct scenario_node),
    .name_offset = offsetof(struct scenario_node, name),
    KEYS(node_keys),
    .meaning = "A node is a host that runs VMs. A range as the key makes several alike.",
    .example = "networks:\n"
               "  lan:       {rate: 1Gbit/s}\n"
               "  migration: {rate: 1Gbit/s}\n"
               "nodes:\n"
               "  node1..node4: {memory: 32GiB, cores: 8, nics: [lan, migration]}\n"
               "  old: {cpu: amd/k8, memory: 4GiB, nics: [lan]}\n",
};

static const struct schema_key client_keys[] = {
    {.name = "nics",
     AT(scenario_client, nics),
     .type = SCHEMA_INDEX_LIST,
     .parts = PART(SCENARIO_NETWORK),
     .required = true,
     .meaning = "The networks it has a NIC on, one each."},
    {.name = "tcp",
     AT(scenario_client, tcp),
     .type = SCHEMA_MAP,
     .map = &tcp_map,
     .meaning = "Its TCP."},
    {.name = "clock",
     AT(scenario_client, clock),
     .type = SCHEMA_MAP,
     .map = &clock_map,
     .meaning = "Its clock."},
};

static const struct schema_map client_map = {
    .name = "clients.NAME",
    .bytes = sizeof(struct scenario_client),
    .name_offset = offsetof(struct scenario_client, name),
    KEYS(client_keys),
    .meaning =
        "A client is a machine outside the cluster that uses its VMs: it pings, asks, sends.",
    .example = "networks:\n"
               "  lan: {rate: 1Gbit/s}\n"
               "clients:\n"
               "  alice: {nics: [lan]}\n"
               "  user1..user20: {nics: [lan], tcp: windows}\n",
};

/* ---- VMs ----------------------------------------------------------------------------------------------------------- */

static const struct schema_choice order_choices[] = {
    {"uniform", SCENARIO_UNIFORM, "any page of the range, equally likely"},
    {"sequential", SCENARIO_SEQUENTIAL, "one page after the other, again and again"},
    {"zipf", SCENARIO_ZIPF,
     "page k of the range in proportion to 1/k: few hot pages, many cold ones"},
    {0}};
static const struct schema_choice page_class_choices[] = {
    {"random", SCENARIO_PAGES_RANDOM, "does not compress"},
    {"compressible", SCENARIO_PAGES_COMPRESSIBLE, "compresses to about a quarter"},
    {0}};

static const struct schema_key content_keys[] = {
    {.name = "zero",
     AT(scenario_content, zero_ppb),
     .type = SCHEMA_QUANTITY,
     .unit = QUANTITY_SHARE,
     .max = QUANTITY_WHOLE_PPB,
     .default_text = "0%",
     .meaning = "Share of the pages that hold zeroes only."},
    {.name = "compressible",
     AT(scenario_content, compressible_ppb),
     .type = SCHEMA_QUANTITY,
     .unit = QUANTITY_SHARE,
     .max = QUANTITY_WHOLE_PPB,
     .default_text = "0%",
     .meaning = "Share of the pages that compress to about a quarter; the rest does not compress."},
};

static const struct schema_map content_map = {
    .name = "guest.content",
    .bytes = sizeof(struct scenario_content),
    KEYS(content_keys),
    .meaning = "What the memory holds at the start of the run.",
};

#define LOAD_PAGES(words)                                                                          \
    {                                                                                              \
        .name = "pages", AT(scenario_load, pages_bytes), .type = SCHEMA_QUANTITY,                  \
        .unit = QUANTITY_SIZE, .min = 4 * KIB, .max = 64 * TIB, .required = true, .meaning = words \
    }
#define LOAD_TOUCH(words)                                                                          \
    {                                                                                              \
        .name = "touch", AT(scenario_load, touch_per_hour), .type = SCHEMA_QUANTITY,               \
        .unit = QUANTITY_FREQUENCY, .min = 1, .max = INT64_C(3600000000000), .required = true,     \
        .meaning = words                                                                           \
    }
#define LOAD_ORDER(words)                                                                          \
    {                                                                                              \
        .name = "order", AT(scenario_load, order), .type = SCHEMA_CHOICE,                          \
        .choices = order_choices, .default_text = "uniform", .meaning = words                      \
    }
#define LOAD_START                                                                                 \
    {                                                                                              \
        .name = "start", AT(scenario_load, start_bytes), .type = SCHEMA_QUANTITY,                  \
        .unit = QUANTITY_SIZE, .max = 64 * TIB, .default_text = "0B",                              \
        .meaning = "Where in memory the range begins, in whole pages."                             \
    }

static const struct schema_key writer_keys[] = {
    LOAD_PAGES("Size of the range of memory that it writes, in whole pages of 4 KiB."),
    LOAD_TOUCH("Stores, each to one page: one byte makes a whole page dirty."),
    LOAD_ORDER("Which page is next."),
    LOAD_START,
    {.name = "class",
     AT(scenario_load, page_class),
     .type = SCHEMA_CHOICE,
     .choices = page_class_choices,
     .default_text = "random",
     .meaning = "What a written page holds afterwards."},
};

static const struct schema_map writer_map = {
    .name = "guest.writers",
    .bytes = sizeof(struct scenario_load),
    KEYS(writer_keys),
    .meaning = "A writer touches a range of the guest's memory at a steady pace. Ranges of several "
               "writers may overlap.",
};

static const struct schema_key reader_keys[] = {
    LOAD_PAGES("Size of the range of memory that it reads, in whole pages of 4 KiB."),
    LOAD_TOUCH("Loads, each from one page."),
    LOAD_ORDER("Which page is next."),
    LOAD_START,
};

static const struct schema_map reader_map = {
    .name = "guest.reads",
    .bytes = sizeof(struct scenario_load),
    KEYS(reader_keys),
    .meaning = "A reader loads from a range of the guest's memory; it costs translation and finds "
               "out what a migration has brought.",
};

static const struct schema_key trace_keys[] = {
    {.name = "file",
     AT(scenario_trace, file),
     .type = SCHEMA_PATH,
     .required = true,
     .meaning = "A page-write trace (`.pwt.gz`, see scenarios/traces/FORMAT.md)."},
    {.name = "speed",
     AT(scenario_trace, speed_ppb),
     .type = SCHEMA_QUANTITY,
     .unit = QUANTITY_FACTOR,
     .min = QUANTITY_WHOLE_PPB / 1000,
     .max = 1000 * QUANTITY_WHOLE_PPB,
     .default_text = "1",
     .meaning = "How many times as fast as it was recorded it is replayed."},
    {.name = "start",
     AT(scenario_trace, start_ns),
     .type = SCHEMA_QUANTITY,
     .unit = QUANTITY_TIME,
     .max = YEAR,
     .default_text = "0s",
     .meaning = "Where in the trace the replay begins, in the trace's own time; after its end it "
                "begins again at 0."},
    {.name = "offset",
     AT(scenario_trace, offset_bytes),
     .type = SCHEMA_QUANTITY,
     .unit = QUANTITY_SIZE,
     .max = 64 * TIB,
     .default_text = "0B",
     .meaning = "Where in memory the trace's first page lies, in whole pages."},
    {.name = "class",
     AT(scenario_trace, page_class),
     .type = SCHEMA_CHOICE,
     .choices = page_class_choices,
     .default_text = "random",
     .meaning = "What a written page holds afterwards."},
};

static const struct schema_map trace_map = {
    .name = "guest.trace",
    .bytes = sizeof(struct scenario_trace),
    .source_marks = true,
    KEYS(trace_keys),
    .meaning =
        "The guest writes the pages that a real one wrote, in the same intervals of its own time.",
};

static const struct schema_key service_keys[] = {
    {.name = "port",
     AT(scenario_service, port),
     .type = SCHEMA_QUANTITY,
     .unit = QUANTITY_COUNT,
     .min = 1,
     .max = 65535,
     .required = true,
     .meaning = "TCP port it listens on."},
    {.name = "work",
     AT(scenario_service, work_ns),
     .type = SCHEMA_QUANTITY,
     .unit = QUANTITY_TIME,
     .max = HOURS,
     .default_text = "0s",
     .meaning = "How long each request is worked on; requests do not wait for one another."},
};

static const struct schema_map service_map = {
    .name = "guest.services",
    .bytes = sizeof(struct scenario_service),
    KEYS(service_keys),
    .meaning = "A server that answers requests (the timeline's `request`) with as many bytes as "
               "they ask for. "
               "Ports that only a `request` names are served too, without work. Pings are always "
               "answered.",
};

static const struct schema_key guest_keys[] = {
    {.name = "content",
     AT(scenario_guest, content),
     .type = SCHEMA_MAP,
     .map = &content_map,
     .meaning = "Memory at the start."},
    {.name = "writers",
     LIST_AT(scenario_guest, writers, writer_count),
     .type = SCHEMA_MAP_LIST,
     .map = &writer_map,
     .meaning = "What writes memory."},
    {.name = "reads",
     LIST_AT(scenario_guest, reads, read_count),
     .type = SCHEMA_MAP_LIST,
     .map = &reader_map,
     .meaning = "What reads memory."},
    {.name = "trace",
     AT(scenario_guest, trace),
     .type = SCHEMA_MAP,
     .map = &trace_map,
     .meaning = "A page-write trace that it replays, beside its writers."},
    {.name = "services",
     LIST_AT(scenario_guest, services, service_count),
     .type = SCHEMA_MAP_LIST,
     .map = &service_map,
     .meaning = "Servers in it."},
    {.name = "tcp",
     AT(scenario_guest, tcp),
     .type = SCHEMA_MAP,
     .map = &tcp_map,
     .meaning = "Its TCP."},
    {.name = "like", .type = SCHEMA_TEXT, .next = true},
};

static const struct schema_map guest_map = {
    .name = "vms.NAME.guest",
    .bytes = sizeof(struct scenario_guest),
    KEYS(guest_keys),
    .meaning = "What the VM does: a model of a guest that writes, reads and answers, and executes "
               "no instructions.",
    .example =
        "networks:\n"
        "  lan: {rate: 1Gbit/s}\n"
        "nodes:\n"
        "  node1: {memory: 8GiB, nics: [lan]}\n"
        "vms:\n"
        "  web:\n"
        "    node: node1\n"
        "    memory: 1GiB\n"
        "    nics: [lan]\n"
        "    guest:\n"
        "      content: {zero: 25%, compressible: 50%}\n"
        "      writers:\n"
        "        - {pages: 64MiB, touch: 5000/s}\n"
        "        - {pages: 8MiB, touch: 200/s, order: zipf, start: 256MiB, class: compressible}\n"
        "      reads:\n"
        "        - {pages: 1GiB, touch: 1000/s, order: sequential}\n"
        "      services:\n"
        "        - {port: 80, work: 200us}\n"
        "      tcp: linux\n",
};

static const struct schema_key announce_keys[] = {
    {.name = "count",
     AT(scenario_announce, count),
     .type = SCHEMA_QUANTITY,
     .unit = QUANTITY_COUNT,
     .max = 100,
     .default_text = "5",
     .meaning = "Gratuitous ARPs; 0 leaves the switches to learn by themselves."},
    {.name = "spacing",
     AT(scenario_announce, spacing_ns),
     .type = SCHEMA_QUANTITY,
     .unit = QUANTITY_TIME,
     .max = HOURS,
     .default_text = "50ms",
     .meaning = "From the first to the second."},
    {.name = "step",
     AT(scenario_announce, step_ns),
     .type = SCHEMA_QUANTITY,
     .unit = QUANTITY_TIME,
     .max = HOURS,
     .default_text = "100ms",
     .meaning = "How much longer each further gap is."},
    {.name = "spacing-max",
     AT(scenario_announce, spacing_max_ns),
     .type = SCHEMA_QUANTITY,
     .unit = QUANTITY_TIME,
     .max = HOURS,
     .default_text = "550ms",
     .meaning = "The longest gap."},
};

static const struct schema_map announce_map = {
    .name = "vms.NAME.announce",
    .bytes = sizeof(struct scenario_announce),
    KEYS(announce_keys),
    .meaning = "How a VM that has just arrived makes switches send its frames to the new port. The "
               "defaults are QEMU's.",
    .example = "networks:\n"
               "  lan: {rate: 1Gbit/s}\n"
               "nodes:\n"
               "  node1: {memory: 8GiB, nics: [lan]}\n"
               "vms:\n"
               "  web: {node: node1, memory: 1GiB, nics: [lan], announce: {count: 3, spacing: 1s, "
               "step: 0s, spacing-max: 1s}}\n",
};

static const struct schema_key vm_keys[] = {
    {.name = "node",
     AT(scenario_vm, node),
     .type = SCHEMA_INDEX,
     .parts = PART(SCENARIO_NODE),
     .required = true,
     .meaning = "Where it starts. For a range of VMs a range of nodes deals them out in turn: "
                "`web1..web8: {node: node1..node4}`."},
    {.name = "memory",
     AT(scenario_vm, memory_bytes),
     .type = SCHEMA_QUANTITY,
     .unit = QUANTITY_SIZE,
     .min = 64 * KIB,
     .max = 16 * TIB,
     .required = true,
     .meaning = "RAM of the guest, in whole pages of 4 KiB."},
    {.name = "vcpus",
     AT(scenario_vm, vcpus),
     .type = SCHEMA_QUANTITY,
     .unit = QUANTITY_COUNT,
     .min = 1,
     .max = 64,
     .default_text = "1",
     .meaning = "Virtual processors. Model guests execute no instructions, so the number is "
                "configuration only."},
    {.name = "nics",
     AT(scenario_vm, nics),
     .type = SCHEMA_INDEX_LIST,
     .parts = PART(SCENARIO_NETWORK),
     .meaning =
         "The networks it has a NIC on; its node, and each node it moves to, needs one there too."},
    {.name = "guest",
     AT(scenario_vm, guest),
     .type = SCHEMA_MAP,
     .map = &guest_map,
     .meaning = "What it does; left out, it idles."},
    {.name = "announce",
     AT(scenario_vm, announce),
     .type = SCHEMA_MAP,
     .map = &announce_map,
     .meaning = "How it tells the network where it is after a move."},
};

static const struct schema_map vm_map = {
    .name = "vms.NAME",
    .bytes = sizeof(struct scenario_vm),
    .name_offset = offsetof(struct scenario_vm, name),
    KEYS(vm_keys),
    .meaning = "A VM runs on a node from the start of the run.",
    .example = "networks:\n"
               "  lan: {rate: 1Gbit/s}\n"
               "nodes:\n"
               "  node1..node4: {memory: 8GiB, nics: [lan]}\n"
               "vms:\n"
               "  web1..web8: {node: node1..node4, memory: 1GiB, nics: [lan]}\n",
};

/* ---- the timeline -------------------------------------------------------------------------------------------------- */

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
     .default_text = "10",
     .meaning = "After this many rounds the VM is paused, whatever is left."},
    {.name = "threshold",
     AT(scenario_migrate, threshold_ns),
     .type = SCHEMA_QUANTITY,
     .unit = QUANTITY_TIME,
     .max = HOURS,
     .default_text = "50ms",
     .meaning = "It is paused earlier when the predicted pause is below this."},
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
};
static const struct schema_map migrate_map = {
    .name = "timeline.live-migrate",
    .bytes = sizeof(struct scenario_migrate),
    KEYS(migrate_keys),
    .meaning = "A VM moves to another node while it runs.",
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
static const struct schema_group fault_groups[] = {
    {.what = "a target",
     .required = true,
     .exclusive = true,
     .stored = true,
     .offset = offsetof(struct scenario_fault, target)},
    {.what = "a kind of fault", .required = true}};
static const struct schema_key fault_keys[] = {
    {.name = "link",
     AT(scenario_fault, link),
     .type = SCHEMA_PART,
     .parts = PART(SCENARIO_LINK),
     .group = 1,
     .group_value = SCENARIO_FAULT_LINK,
     .meaning = "A link that is disturbed: NODE/NETWORK or CLIENT/NETWORK."},
    {.name = "machine",
     AT(scenario_fault, machine),
     .type = SCHEMA_PART,
     .parts = ANY_MACHINE,
     .group = 1,
     .group_value = SCENARIO_FAULT_MACHINE,
     .meaning = "A machine that fails: a node, a client or a VM."},
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
                "is active."},
};
static const struct schema_map fault_map = {
    .name = "timeline.fault",
    .bytes = sizeof(struct scenario_fault),
    KEYS(fault_keys),
    .more_key = fault_table_key,
    .more_count = FAULT_KINDS,
    GROUPS(fault_groups),
    .meaning = "Something breaks. A link may be disturbed in several ways at once; of faults "
               "of one kind that overlap the one that began last acts.",
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
                ACTION(SCENARIO_FAULT),
     .required = true,
     .meaning = "Which one, by the name of its item."},
};
static const struct schema_map stop_map = {
    .name = "timeline.stop",
    .bytes = sizeof(struct scenario_stop),
    KEYS(stop_keys),
    .shorthand = "what",
    .meaning =
        "A ping, a request or a bulk transfer ends, or a fault: a link comes up again, a machine "
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
    ITEM_ACTION("ping", ping, SCENARIO_PING, ping_map, "Ping a machine."),
    ITEM_ACTION("request", request, SCENARIO_REQUEST, request_map,
                "Ask a server and wait for its answers."),
    ITEM_ACTION("tcp-bulk", bulk, SCENARIO_BULK, bulk_map, "Send bytes as fast as TCP can."),
    ITEM_ACTION("live-migrate", migrate, SCENARIO_MIGRATE, migrate_map, "Move a VM while it runs."),
    ITEM_ACTION("cancel", cancel, SCENARIO_CANCEL, cancel_map, "Give a live migration up."),
    ITEM_ACTION("fault", fault, SCENARIO_FAULT, fault_map, "Break something."),
    ITEM_ACTION("power", power, SCENARIO_POWER, power_map, "Switch, crash or stop a machine."),
    ITEM_ACTION("force-resume", force_resume, SCENARIO_FORCE_RESUME, force_resume_map,
                "Run a VM whose hand-over hangs."),
    ITEM_ACTION("stop", stop, SCENARIO_STOP, stop_map,
                "End a ping, a request, a bulk transfer or a fault."),
    {.name = "as",
     AT(scenario_item, name),
     .type = SCHEMA_NAME,
     .derived = "the action's word and its number among its kind: `ping1`",
     .meaning = "A name for it, to be used in conditions and expectations."},
    {.name = "every", .type = SCHEMA_TEXT, .next = true},
    {.name = "times", .type = SCHEMA_TEXT, .next = true},
    {.name = "sweep", .type = SCHEMA_TEXT, .next = true},
    {.name = "drain", .type = SCHEMA_TEXT, .next = true},
};

static const struct schema_map item_map = {
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
        "  - {at: 1s, tcp-bulk: {from: node1, to: node2, bytes: 100MiB, over: lan}, as: backup}\n"
        "  - {at: 5s, live-migrate: {vm: web, to: node2, over: [migration], rounds: 8}, as: move}\n"
        "  - {when: move.step == stop-copy, fault: {link: node2/migration, down: true, for: 50ms}, "
        "as: outage}\n"
        "  - {when: move.end, delay: 10s, live-migrate: {vm: web, to: node1}, as: back}\n"
        "  - {when: back.start, delay: 1s, cancel: back}\n"
        "  - {at: 20s, fault: {machine: node2, freeze: true, for: 2s}, as: hang}\n"
        "  - {at: 30s, power: {machine: alice, do: reboot}}\n"
        "  - {at: 40s, stop: shop}\n",
};

/* ---- end and expectations ------------------------------------------------------------------------------------------ */

static const struct schema_group end_groups[] = {{.what = "a rule",
                                                  .exclusive = true,
                                                  .stored = true,
                                                  .offset = offsetof(struct scenario_end, kind)}};
static const struct schema_key end_keys[] = {
    {.name = "at",
     AT(scenario_end, at_ns),
     .type = SCHEMA_QUANTITY,
     .unit = QUANTITY_TIME,
     .min = 1,
     .max = YEAR,
     .group = 1,
     .group_value = SCENARIO_END_AT,
     .meaning = "At this time."},
    {.name = "when",
     AT(scenario_end, when),
     .type = SCHEMA_CONDITION,
     .group = 1,
     .group_value = SCENARIO_END_WHEN,
     .meaning = "When this condition becomes true."},
    {.name = "after-last",
     AT(scenario_end, after_last_ns),
     .type = SCHEMA_QUANTITY,
     .unit = QUANTITY_TIME,
     .max = YEAR,
     .group = 1,
     .group_value = SCENARIO_END_AFTER_LAST,
     .derived = "10s, where neither `at` nor `when` is given",
     .meaning = "This long after every item of the timeline has fired and whatever ends by itself "
                "has ended."},
    {.name = "then",
     AT(scenario_end, then_ns),
     .type = SCHEMA_QUANTITY,
     .unit = QUANTITY_TIME,
     .max = YEAR,
     .after = "when",
     .default_text = "0s",
     .meaning = "How long after `when` the run goes on."},
    {.name = "at-most",
     AT(scenario_end, at_most_ns),
     .type = SCHEMA_QUANTITY,
     .unit = QUANTITY_TIME,
     .min = 1,
     .max = YEAR,
     .derived = "1h, where `at` is not given",
     .meaning = "The run ends here at the latest."},
};

static const struct schema_map end_map = {
    .name = "end",
    .bytes = sizeof(struct scenario_end),
    KEYS(end_keys),
    GROUPS(end_groups),
    .meaning = "When the run ends.",
    .example = "networks:\n"
               "  lan: {rate: 1Gbit/s}\n"
               "nodes:\n"
               "  node1..node2: {memory: 8GiB, nics: [lan]}\n"
               "vms:\n"
               "  web: {node: node1, memory: 1GiB, nics: [lan]}\n"
               "timeline:\n"
               "  - {at: 1s, live-migrate: {vm: web, to: node2}, as: move}\n"
               "end: {when: move.end, then: 5s, at-most: 10min}\n",
};

static const struct schema_group expect_groups[] = {
    {.what = "an expectation",
     .required = true,
     .exclusive = true,
     .stored = true,
     .offset = offsetof(struct scenario_expect, kind)}};
static const struct schema_key expect_keys[] = {
    {.name = "that",
     AT(scenario_expect, holds),
     .type = SCHEMA_CONDITION,
     .group = 1,
     .group_value = SCENARIO_EXPECT_THAT,
     .meaning = "Holds at the end of the run. A condition alone in the list means the same."},
    {.name = "never",
     AT(scenario_expect, holds),
     .type = SCHEMA_CONDITION,
     .group = 1,
     .group_value = SCENARIO_EXPECT_NEVER,
     .meaning = "Holds at no moment of the run."},
    {.name = "always",
     AT(scenario_expect, holds),
     .type = SCHEMA_CONDITION,
     .group = 1,
     .group_value = SCENARIO_EXPECT_ALWAYS,
     .meaning = "Holds at every moment of the run at which it is known."},
    {.name = "holds",
     AT(scenario_expect, holds),
     .type = SCHEMA_CONDITION,
     .group = 1,
     .group_value = SCENARIO_EXPECT_WITHIN,
     .after = "within",
     .meaning = "With `within` and `after`: becomes true in that time."},
    {.name = "within",
     AT(scenario_expect, within_ns),
     .type = SCHEMA_QUANTITY,
     .unit = QUANTITY_TIME,
     .max = YEAR,
     .after = "after",
     .meaning = "How soon."},
    {.name = "after",
     AT(scenario_expect, after),
     .type = SCHEMA_CONDITION,
     .after = "holds",
     .meaning = "The instant from which that is counted: when this condition becomes true, as in "
                "`move.end`."},
    {.name = "sequence", .type = SCHEMA_TEXT, .next = true},
};

static const struct schema_map expect_map = {
    .name = "expect",
    .bytes = sizeof(struct scenario_expect),
    KEYS(expect_keys),
    GROUPS(expect_groups),
    .shorthand = "that",
    .meaning = "A list of what should be true. One that fails makes the run fail (exit status 1); "
               "one about something that "
               "never happened is unknown (exit status 4).",
    .example = "networks:\n"
               "  lan: {rate: 1Gbit/s}\n"
               "nodes:\n"
               "  node1..node2: {memory: 8GiB, nics: [lan]}\n"
               "clients:\n"
               "  alice: {nics: [lan]}\n"
               "vms:\n"
               "  web: {node: node1, memory: 1GiB, nics: [lan]}\n"
               "timeline:\n"
               "  - {at: 0s, ping: {from: alice, to: web, every: 10ms}, as: ping}\n"
               "  - {at: 1s, live-migrate: {vm: web, to: node2}, as: move}\n"
               "expect:\n"
               "  - web.node == node2\n"
               "  - move.downtime < 500ms and ping.lost <= 10\n"
               "  - move.bytes-sent / web.memory < 150%\n"
               "  - {within: 10s, after: move.end, holds: web.state == running}\n"
               "  - {never: web.paused-for > 1s}\n"
               "  - {always: node1.state == running}\n",
};

/* ---- the whole ----------------------------------------------------------------------------------------------------- */

static const struct schema_choice ties_choices[] = {
    {"sorted", SCENARIO_TIES_SORTED,
     "events of one instant happen in the order of their parts' names"},
    {"shuffle", SCENARIO_TIES_SHUFFLE,
     "in an order drawn from the seed: what depends on it is a race"},
    {0}};

static const struct schema_key scenario_keys[] = {
    {.name = "name",
     AT(scenario, name),
     .type = SCHEMA_TEXT,
     .derived = "the name of the file",
     .meaning = "What it is about, in words."},
    {.name = "seed",
     AT(scenario, seed),
     .type = SCHEMA_QUANTITY,
     .unit = QUANTITY_COUNT,
     .max = INT64_MAX,
     .default_text = "1",
     .meaning = "Every draw of chance follows from it; the same file and seed give the same run, "
                "to the bit."},
    {.name = "ties",
     AT(scenario, ties),
     .type = SCHEMA_CHOICE,
     .choices = ties_choices,
     .default_text = "sorted",
     .meaning = "The order of what happens at the same nanosecond."},
    {.name = "networks",
     LIST_AT(scenario, networks, network_count),
     .type = SCHEMA_PARTS,
     .map = &network_map,
     .parts = PART(SCENARIO_NETWORK),
     .meaning = "Networks, by name."},
    {.name = "nodes",
     LIST_AT(scenario, nodes, node_count),
     .type = SCHEMA_PARTS,
     .map = &node_map,
     .parts = PART(SCENARIO_NODE),
     .meaning = "Hosts, by name."},
    {.name = "clients",
     LIST_AT(scenario, clients, client_count),
     .type = SCHEMA_PARTS,
     .map = &client_map,
     .parts = PART(SCENARIO_CLIENT),
     .meaning = "Machines outside the cluster, by name."},
    {.name = "vms",
     LIST_AT(scenario, vms, vm_count),
     .type = SCHEMA_PARTS,
     .map = &vm_map,
     .parts = PART(SCENARIO_VM),
     .meaning = "Virtual machines, by name."},
    {.name = "timeline",
     LIST_AT(scenario, timeline, item_count),
     .type = SCHEMA_MAP_LIST,
     .map = &item_map,
     .meaning = "What happens."},
    {.name = "end",
     AT(scenario, end),
     .type = SCHEMA_MAP,
     .map = &end_map,
     .meaning = "When the run ends."},
    {.name = "expect",
     LIST_AT(scenario, expect, expect_count),
     .type = SCHEMA_MAP_LIST,
     .map = &expect_map,
     .meaning = "What should be true."},
    {.name = "extends", .type = SCHEMA_TEXT, .next = true},
    {.name = "vary", .type = SCHEMA_TEXT, .next = true},
    {.name = "report", .type = SCHEMA_TEXT, .next = true},
    {.name = "sans", .type = SCHEMA_TEXT, .next = true},
};

const struct schema_map schema_scenario = {
    .name = "scenario",
    .bytes = sizeof(struct scenario),
    KEYS(scenario_keys),
    .meaning =
        "A scenario is one YAML file: what there is, what happens, and what should come of it.",
};
