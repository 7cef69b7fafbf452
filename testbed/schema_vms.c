/* testbed/schema_vms.c - rows of the schema: VMs and their guests. */
#include "testbed/schema_maps.h"

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
    {.name = "load",
     AT(scenario_guest, load_ppb),
     .type = SCHEMA_QUANTITY,
     .unit = QUANTITY_SHARE,
     .max = QUANTITY_WHOLE_PPB,
     .default_text = "0%",
     .meaning =
         "How much of each vCPU it uses: so much of a core it needs for each, shared with the "
         "node's software and with other VMs in turns of 1 ms. What it does not get in time "
         "slows down its writers, reads, trace and services. At 0% its work costs the host "
         "nothing."},
    {.name = "services",
     LIST_AT(scenario_guest, services, service_count),
     .type = SCHEMA_MAP_LIST,
     .map = &service_map,
     .meaning = "Servers in it."},
    {.name = "tcp",
     AT(scenario_guest, tcp),
     .type = SCHEMA_MAP,
     .map = &schema_tcp,
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
     .meaning = "Virtual processors; with the guest's `load` they take so many cores' time."},
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

const struct schema_map schema_vm = {
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
