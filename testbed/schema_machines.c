/* testbed/schema_machines.c - rows of the schema: networks, nodes, clients. */
#include "testbed/schema_maps.h"

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

const struct schema_map schema_network = {
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

const struct schema_map schema_tcp = {
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
    {.name = "setup",
     AT(scenario_migration_rules, setup_ns),
     .type = SCHEMA_QUANTITY,
     .unit = QUANTITY_TIME,
     .max = 3600 * SIM_S,
     .default_text = "0s",
     .meaning =
         "What the product's management takes for each migration out of this node before the "
         "nodes connect: checks, tickets, the target's definition. The VM runs."},
    {.name = "switch-over",
     AT(scenario_migration_rules, switch_over_ns),
     .type = SCHEMA_QUANTITY,
     .unit = QUANTITY_TIME,
     .max = 4 * SIM_S,
     .default_text = "0s",
     .meaning = "What it takes while the VM is paused, beyond what is modelled: devices, disks, "
                "network back ends."},
    {.name = "clean-up",
     AT(scenario_migration_rules, clean_up_ns),
     .type = SCHEMA_QUANTITY,
     .unit = QUANTITY_TIME,
     .max = 3600 * SIM_S,
     .default_text = "0s",
     .meaning =
         "What it takes after the VM runs at the target, until it calls the migration done."},
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
     .map = &schema_tcp,
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

const struct schema_map schema_node = {
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
     .map = &schema_tcp,
     .meaning = "Its TCP."},
    {.name = "clock",
     AT(scenario_client, clock),
     .type = SCHEMA_MAP,
     .map = &clock_map,
     .meaning = "Its clock."},
};

const struct schema_map schema_client = {
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
