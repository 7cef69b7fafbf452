/* testbed/scenario.h - a scenario as typed structs: what the world is built from.
 *
 * scenario_load_file reads a YAML file and what it extends, applies `--set`, expands ranges, fills these structs as testbed/schema.h describes,
 * resolves every name to an index, writes defaults into what was not given, and checks that the parts fit together. What it
 * returns is right: a builder asserts and does not check again. docs/scenario.md is the user's view of the same thing.
 *
 *  S1. Parts of a kind (networks, nodes, clients, VMs) are arrays in the order of name_compare: node2 before node10, whatever the
 *      order of the file. An index is valid for the life of the scenario. Timeline and expectations keep the file's order.
 *  S2. No two parts, actions included, have the same name: a name alone says what is meant.
 *  S3. Times are nanoseconds of run time, sizes bytes, rates bits a second, shares and factors parts per billion, frequencies
 *      occurrences an hour (quantity.h). What may be left out and has no default is QUANTITY_ABSENT, NULL, or SIM_NONE.
 *  S4. `auto` and what depends on other parts (subnets, paging, networks of a migration) is decided at load: no builder sees `auto`.
 *  S5. A loaded struct starts with the node of the tree that it came from, for messages; NULL where the file has none.
 *  S6. scenario_load of what resolved_print (testbed/resolved.h) prints gives an equal scenario. */
#ifndef ORRERY_TESTBED_SCENARIO_H
#define ORRERY_TESTBED_SCENARIO_H

#include "testbed/fault_table.h"
#include "testbed/quantity.h"
#include "testbed/yaml_tree.h"

struct expression;
struct property_row;

/* ---- parts --------------------------------------------------------------------------------------------------------- */

enum scenario_part_kind {
    SCENARIO_NO_PART,
    SCENARIO_NETWORK,
    SCENARIO_NODE,
    SCENARIO_CLIENT,
    SCENARIO_VM,
    SCENARIO_LINK, /* `node2/migration`: a NIC of a node or client and its wire, by index into scenario.links */
    SCENARIO_ACTION, /* an item of the timeline, by index */
    SCENARIO_PART_KINDS
};

struct scenario_part {
    enum scenario_part_kind kind;
    uint32_t index;
};

/* One link: the wire between a NIC and its switch (or, on a cable, the other NIC). `to` the machine is from the switch or
 * the other end towards this NIC, `from` is what this NIC sends. The two links of a cable share their wire: what happens
 * `to` one end happens `from` the other. */
struct scenario_link {
    const char *name;             /* "node2/migration" */
    struct scenario_part machine; /* node or client */
    uint32_t nic;                 /* position in the machine's nics */
    uint32_t network;
};

struct scenario_indices {
    uint32_t *items;
    uint32_t count;
};

/* Parts of several kinds, names with `*` expanded; each once. */
struct scenario_parts {
    struct scenario_part *items;
    uint32_t count;
};

enum scenario_network_kind { SCENARIO_SWITCH, SCENARIO_CABLE };
enum scenario_framing { SCENARIO_ETHERNET, SCENARIO_PPP };

struct scenario_subnet {
    uint32_t address; /* host byte order, host bits zero */
    uint32_t prefix;  /* 8 to 30; 0: not given (only while loading) */
};

struct scenario_network {
    const struct yaml_node *source;
    const char *name;
    int64_t rate_bps;
    int64_t delay_ns;
    int64_t mtu_bytes;
    enum scenario_framing framing;
    enum scenario_network_kind kind;
    int64_t queue_bytes; /* of each NIC and each switch port, frames not yet started */
    int64_t ageing_ns;   /* of the switch's address table */
    struct scenario_subnet subnet;
};

enum scenario_tcp_profile { SCENARIO_TCP_LINUX, SCENARIO_TCP_WINDOWS, SCENARIO_TCP_RFC6298 };
enum scenario_congestion { SCENARIO_CUBIC, SCENARIO_RENO };

struct scenario_tcp {
    const struct yaml_node *source;
    enum scenario_tcp_profile profile;
    enum scenario_congestion congestion;
    int64_t rto_initial_ns, rto_min_ns, rto_max_ns; /* QUANTITY_ABSENT: as the profile has it */
    int64_t send_buffer_bytes, receive_buffer_bytes;
};

struct scenario_clock {
    const struct yaml_node *source;
    int64_t offset_ns; /* of the wall clock; may be negative */
    int64_t drift_ppb; /* of the monotonic rate */
};

enum scenario_cpu {
    SCENARIO_CPU_CORE2,
    SCENARIO_CPU_NEHALEM,
    SCENARIO_CPU_WESTMERE,
    SCENARIO_CPU_HASWELL,
    SCENARIO_CPU_BROADWELL,
    SCENARIO_CPU_K8,
    SCENARIO_CPU_K10,
    SCENARIO_CPU_ZEN,
    SCENARIO_CPUS
};
enum scenario_paging { SCENARIO_PAGING_AUTO, SCENARIO_EPT, SCENARIO_NPT, SCENARIO_SHADOW };
enum scenario_dirty_log {
    SCENARIO_DIRTY_LOG_AUTO,
    SCENARIO_WRITE_PROTECT,
    SCENARIO_DIRTY_BITS,
    SCENARIO_PML,
};
enum scenario_when_busy { SCENARIO_QUEUE, SCENARIO_REFUSE, SCENARIO_AS_NODE };

struct scenario_migration_rules {
    const struct yaml_node *source;
    int64_t max_per_pair;
    int64_t setup_ns, switch_over_ns, clean_up_ns; /* what the product takes for itself */
    enum scenario_when_busy when_busy;             /* never SCENARIO_AS_NODE */
};

struct scenario_node {
    const struct yaml_node *source;
    const char *name;
    enum scenario_cpu cpu;
    int64_t cores;
    int64_t memory_bytes;
    struct scenario_indices nics; /* networks */
    enum scenario_paging paging;
    enum scenario_dirty_log dirty_log;
    struct scenario_tcp tcp;
    struct scenario_clock clock;
    struct scenario_migration_rules migration;
};

struct scenario_client {
    const struct yaml_node *source;
    const char *name;
    struct scenario_indices nics;
    struct scenario_tcp tcp;
    struct scenario_clock clock;
};

/* ---- VMs and their guests ------------------------------------------------------------------------------------------ */

enum scenario_order { SCENARIO_UNIFORM, SCENARIO_SEQUENTIAL, SCENARIO_ZIPF };
enum scenario_page_class { SCENARIO_PAGES_RANDOM, SCENARIO_PAGES_COMPRESSIBLE };

struct scenario_content {
    const struct yaml_node *source;
    int64_t zero_ppb,
        compressible_ppb; /* together at most QUANTITY_WHOLE_PPB; the rest is random */
};

/* A writer, or a reader. The range lies within the VM's memory and both ends are whole pages. */
struct scenario_load {
    const struct yaml_node *source;
    int64_t pages_bytes; /* size of the range */
    int64_t start_bytes; /* where it begins */
    int64_t touch_per_hour;
    enum scenario_order order;
    enum scenario_page_class page_class; /* what a written page becomes; not for readers */
};

struct scenario_trace {
    const struct yaml_node *source; /* NULL: the guest replays none */
    const char *file;               /* as written: relative to scenario.directory */
    int64_t speed_ppb;              /* 2 * QUANTITY_WHOLE_PPB: intervals last half as long */
    int64_t start_ns;               /* begin this far into the trace, in its own time */
    int64_t offset_bytes;           /* frame 0 of the trace lies here in RAM; whole pages */
    enum scenario_page_class page_class;
};

/* Guests that come with the program: testbed/shipped_traces.h. */
enum scenario_like {
    SCENARIO_LIKE_NONE,
    SCENARIO_LIKE_REDIS,
    SCENARIO_LIKE_PGBENCH,
    SCENARIO_LIKE_SQLITE,
    SCENARIO_LIKE_CC1,
    SCENARIO_LIKE_IDLE,
    SCENARIO_LIKE_BOOT,
    SCENARIO_LIKES
};

/* A request/response server; ports that only a `request` of the timeline names are served without work. */
struct scenario_service {
    const struct yaml_node *source;
    int64_t port;
    int64_t work_ns; /* how long each request is worked on */
};

struct scenario_guest {
    const struct yaml_node *source;
    struct scenario_content content;
    struct scenario_load *writers;
    uint32_t writer_count;
    struct scenario_load *reads;
    uint32_t read_count;
    struct scenario_trace trace;
    enum scenario_like like;
    int64_t scale;          /* of `like`: so many copies of the guest, side by side */
    int64_t like_speed_ppb; /* of `like`, as of a trace */
    int64_t load_ppb;       /* share of each vCPU that is used */
    struct scenario_service *services;
    uint32_t service_count;
    struct scenario_tcp tcp;
};

/* Gratuitous ARPs of a VM that has just arrived: the first at once, the gap grows by `step` up to `spacing_max`. */
struct scenario_announce {
    const struct yaml_node *source;
    int64_t count;
    int64_t spacing_ns, step_ns, spacing_max_ns;
};

struct scenario_vm {
    const struct yaml_node *source;
    const char *name;
    uint32_t node; /* where it starts */
    int64_t memory_bytes;
    int64_t vcpus;
    struct scenario_indices nics;
    struct scenario_guest guest;
    struct scenario_announce announce;
};

/* ---- the timeline -------------------------------------------------------------------------------------------------- */

/* `over`, where the action has one, is a network that both ends have a NIC on: as written, or else the first of the
 * sender's NICs for which that holds. */
struct scenario_ping {
    const struct yaml_node *source;
    struct scenario_part from, to; /* node, client or VM */
    uint32_t over;
    int64_t every_ns;
    int64_t size_bytes;
    int64_t timeout_ns;
    int64_t count; /* QUANTITY_ABSENT: until it is stopped or the run ends */
};

enum scenario_pace { SCENARIO_PACE_UNSET, SCENARIO_EVERY, SCENARIO_THINK };

struct scenario_request {
    const struct yaml_node *source;
    struct scenario_part from, to;
    uint32_t over;
    int64_t port;
    int64_t size_bytes, response_bytes;
    enum scenario_pace pace; /* which of the two is given, the other is QUANTITY_ABSENT */
    int64_t every_ns;        /* start of request to start of the next; late ones follow at once */
    int64_t think_ns;        /* end of response to start of the next */
    int64_t timeout_ns;      /* then the connection is given up and made again */
};

/* The player's machine is `to`; what serves it is a service of the guest of `from`. */
struct scenario_video {
    const struct yaml_node *source;
    struct scenario_part from, to;
    uint32_t over;
    int64_t rate_bps;
    int64_t frames_per_hour;
    int64_t buffer_ns;
    int64_t for_ns; /* QUANTITY_ABSENT: until it is stopped or the run ends */
    int64_t port;
};

enum scenario_bulk_content { SCENARIO_BULK_PATTERN, SCENARIO_BULK_ZERO, SCENARIO_BULK_LITERAL };
enum scenario_bulk_congestion { SCENARIO_BULK_AS_MACHINE, SCENARIO_BULK_CUBIC, SCENARIO_BULK_RENO };

struct scenario_bulk {
    const struct yaml_node *source;
    struct scenario_part from, to;
    uint32_t over;
    int64_t bytes;
    enum scenario_bulk_content content;
    int64_t port;
    enum scenario_congestion congestion; /* of the sender, decided */
    enum scenario_bulk_congestion congestion_as_written;
    bool close; /* closes the connection when all is acknowledged */
};

/* Constants of a migration policy (cluster/migration_policy.h). Loaded: all of them decided. */
enum scenario_policy_like {
    SCENARIO_POLICY_LIKE_DERIVED, /* only while loading */
    SCENARIO_POLICY_HYPER_V,
    SCENARIO_POLICY_QEMU,
    SCENARIO_POLICY_XEN,
    SCENARIO_POLICY_XEN_2005,
    SCENARIO_POLICY_XEN_LATER,
    SCENARIO_POLICY_KUBEVIRT,
};
enum scenario_remedy {
    SCENARIO_REMEDY_DERIVED, /* only while loading */
    SCENARIO_REMEDY_SWITCH,
    SCENARIO_REMEDY_ABORT,
    SCENARIO_REMEDY_THROTTLE,
};
/* Which of a rule's two ways: the first or the second that the reference names. */
enum scenario_policy_way {
    SCENARIO_POLICY_DERIVED, /* only while loading */
    SCENARIO_POLICY_FIRST,
    SCENARIO_POLICY_SECOND,
};
struct scenario_policy {
    const struct yaml_node *source;
    enum scenario_policy_like like;
    int64_t rounds, threshold_ns, few_pages, sent_limit_ppb; /* 0: not in force */
    enum scenario_policy_way few_of, no_gain, beyond_rate, redirtied, predict_by;
    int64_t look_pages;
    int64_t rate_start_bps, rate_step_bps, rate_max_bps, rate_final_bps; /* 0: unlimited */
    int64_t bandwidth_bps; /* QUANTITY_ABSENT: no cap */
    enum scenario_remedy remedy;
    int64_t trigger_ppb, throttle_first_ppb, throttle_step_ppb, throttle_max_ppb;
    int64_t limit_ns_per_gib, progress_limit_ns;
};

struct scenario_compress {
    const struct yaml_node *source; /* NULL: pages go as they are */
    int64_t workers;
};

struct scenario_migrate {
    const struct yaml_node *source;
    uint32_t vm;
    uint32_t
        to; /* node; SIM_NONE: a drain chooses it when it comes to that (its record drain.moves says which) */
    struct scenario_indices
        over; /* networks, tried in this order; those that the source node lacks are passed over */
    int64_t rounds;        /* the policy's, where it has a limit: another way to write it */
    int64_t threshold_ns;  /* the same */
    int64_t time_limit_ns; /* QUANTITY_ABSENT: none */
    enum scenario_when_busy when_busy; /* SCENARIO_AS_NODE: the source node's rule */
    int64_t priority;
    struct scenario_policy policy;
    struct scenario_compress compress;
};

/* The migrations of its VMs are items of their own, behind all that the file has: one for each VM of the scenario, in their order, fired
 * when the drain comes to that VM. */
struct scenario_drain {
    const struct yaml_node *source;
    uint32_t node;
    struct scenario_indices to;   /* never empty */
    struct scenario_indices over; /* as written; empty: for each target its own */
    int64_t parallel;             /* QUANTITY_ABSENT: as the pairs allow */
    int64_t time_limit_ns;
    struct scenario_policy policy;
    struct scenario_compress compress;
    uint32_t first_move; /* index into timeline */
};

struct scenario_cancel {
    const struct yaml_node *source;
    uint32_t migration; /* index into timeline, of an action SCENARIO_MIGRATE */
};

enum scenario_direction { SCENARIO_BOTH, SCENARIO_TO, SCENARIO_FROM };
enum scenario_jitter_shape { SCENARIO_JITTER_UNIFORM, SCENARIO_JITTER_NORMAL };
enum scenario_fault_target {
    SCENARIO_FAULT_UNSET,
    SCENARIO_FAULT_LINK,
    SCENARIO_FAULT_MACHINE,
    SCENARIO_FAULT_SWITCH,
    SCENARIO_FAULT_PAIR, /* what goes between two groups of machines */
    SCENARIO_FAULT_CONNECTION,
};

/* A link that goes down and up again and again, down first. */
struct scenario_flap {
    const struct yaml_node *source; /* NULL: not this kind */
    int64_t down_ns, up_ns;
};

/* Loss in two states. */
struct scenario_bursts {
    const struct yaml_node *source; /* NULL: not this kind */
    int64_t begin_ppb, end_ppb;     /* of a burst, at each frame */
    int64_t loss_ppb, between_ppb;  /* within one, and outside */
};

/* At which end a fault of connections strikes. */
enum scenario_end_of_connection {
    SCENARIO_END_AUTO,
    SCENARIO_END_FROM,
    SCENARIO_END_TO,
    SCENARIO_END_BOTH
};

/* TCP connections from one machine to a port of another, over all networks that both are on. */
struct scenario_connection {
    const struct yaml_node *source;
    struct scenario_part from, to;
    int64_t port;
    enum scenario_end_of_connection end; /* SCENARIO_END_AUTO: resets strike both, `to` forgets */
};

/* Which kinds there are, and what each value means: testbed/fault_table.h. */
struct scenario_fault {
    const struct yaml_node *source;
    enum scenario_fault_target target;
    struct scenario_parts links;           /* SCENARIO_LINK */
    struct scenario_parts machines;        /* nodes, clients or VMs */
    struct scenario_part link;             /* the first of links, or SCENARIO_NO_PART */
    struct scenario_part machine;          /* the first of machines, or SCENARIO_NO_PART */
    uint32_t network;                      /* whose switch; SIM_NONE where that is not the target */
    struct scenario_parts between, others; /* nodes and clients; all on a network that both have */
    uint32_t over;                         /* that network alone; SIM_NONE: all that they share */
    bool one_way;                          /* from `between` to `and` alone */
    int64_t value[FAULT_KINDS];       /* QUANTITY_ABSENT: not this kind; at least one is there */
    struct scenario_flap flap;        /* of FAULT_FLAP */
    struct scenario_bursts bursts;    /* of FAULT_BURSTS */
    int64_t hold_ns;                  /* of FAULT_REORDER */
    enum scenario_jitter_shape shape; /* of FAULT_JITTER */
    struct scenario_part claims;      /* of FAULT_CLAIMS: whose address */
    int64_t for_ns;                   /* QUANTITY_ABSENT: to the end of the run */
    enum scenario_direction direction;
    int64_t
        nth; /* acts on the nth opportunity (frame that arrives) only, from 1; QUANTITY_ABSENT: on all */
    const char *frames; /* opportunities are the frames that this BPF filter matches; NULL: all */
    struct scenario_connection connection; /* where that is the target */
    int64_t strobe_every_ns;               /* of FAULT_CLOCK_STROBE: from one jump to the next */
    int64_t every_kth;                     /* acts on each k-th of them; QUANTITY_ABSENT: on all */
    int64_t probability_ppb; /* on each with this probability; QUANTITY_ABSENT: on all */
};

enum scenario_sweep_at {
    SCENARIO_SWEEP_FRAMES,  /* each frame that matches `filter` on `link` */
    SCENARIO_SWEEP_STEPS,   /* each step of the migration `action` */
    SCENARIO_SWEEP_RECORDS, /* each record of the kind `record` */
};

/* `sweep`: one fault, at each of many points, each in a run of its own (testbed/sweep.h). */
struct scenario_sweep {
    const struct yaml_node *source; /* NULL: the scenario sweeps nothing */
    struct scenario_fault fault;
    const char *at;            /* as written: "each frame of tcp port 6600" */
    struct scenario_part link; /* where frames are counted: as written, or the fault's */
    int64_t point;             /* the one that is run, from 1; QUANTITY_ABSENT: none is chosen */
    enum scenario_sweep_at kind;
    const char *filter; /* NULL: every frame */
    const char *record;
    uint32_t action;
    uint32_t item; /* of the timeline: the sweep's fault, named "sweep" */
};

enum scenario_power_verb {
    SCENARIO_POWER_ON,
    SCENARIO_POWER_OFF,
    SCENARIO_CRASH,
    SCENARIO_REBOOT,
    SCENARIO_FREEZE,
    SCENARIO_THAW,
    SCENARIO_PAUSE, /* VMs only, as is resume */
    SCENARIO_RESUME,
};

struct scenario_power {
    const struct yaml_node *source;
    struct scenario_part machine;
    enum scenario_power_verb verb;
};

struct scenario_force_resume {
    const struct yaml_node *source;
    uint32_t vm, node;
};

struct scenario_stop {
    const struct yaml_node *source;
    uint32_t what; /* index into timeline: a ping, request, bulk, video or fault */
};

enum scenario_action_kind {
    SCENARIO_ACTION_UNSET,
    SCENARIO_PING,
    SCENARIO_REQUEST,
    SCENARIO_BULK,
    SCENARIO_MIGRATE,
    SCENARIO_CANCEL,
    SCENARIO_FAULT,
    SCENARIO_POWER,
    SCENARIO_FORCE_RESUME,
    SCENARIO_STOP,
    SCENARIO_VIDEO,
    SCENARIO_DRAIN,
    SCENARIO_ACTIONS
};

enum scenario_trigger { SCENARIO_TRIGGER_UNSET, SCENARIO_AT, SCENARIO_WHEN };

/* An item: at `at_ns`, or `delay_ns` after `when` became true for the nth time (each change from not true to true counts, and
 * being true at the start of the run), the action is done. One that fires several times is as many items (timeline_expand.h). */
struct scenario_item {
    const struct yaml_node *source;
    const char *
        name; /* `as`, or the action's word and its number among its kind from 1: "ping1"; of repetitions with "-1" and so on */
    const char *given;       /* that name without the repetition */
    bool named;              /* the file has `as` */
    uint32_t repetition;     /* from 1 */
    uint32_t repetitions;    /* 1: fires once */
    int64_t every_ns, times; /* as written; QUANTITY_ABSENT: not given */
    enum scenario_trigger trigger;
    int64_t at_ns;
    struct expression *when;
    int64_t delay_ns;
    int64_t nth;
    enum scenario_action_kind kind;
    bool of_drain;  /* fired by a drain, which it is a part of: ... */
    uint32_t drain; /* ... index into timeline */
    union {
        struct scenario_ping ping;
        struct scenario_request request;
        struct scenario_bulk bulk;
        struct scenario_migrate migrate;
        struct scenario_cancel cancel;
        struct scenario_fault fault;
        struct scenario_power power;
        struct scenario_force_resume force_resume;
        struct scenario_stop stop;
        struct scenario_video video;
        struct scenario_drain drain;
    } action;
};

/* ---- end and expectations ------------------------------------------------------------------------------------------ */

enum scenario_end_kind {
    SCENARIO_END_AFTER_LAST, /* `after_last_ns` after every item has fired and every action that ends by itself (all but
                              * ping without count, request, faults without `for`) has ended */
    SCENARIO_END_AT,
    SCENARIO_END_WHEN, /* `then_ns` after `when` became true */
};

struct scenario_end {
    const struct yaml_node *source;
    enum scenario_end_kind kind;
    int64_t at_ns;
    struct expression *when;
    int64_t then_ns;
    int64_t after_last_ns;
    int64_t at_most_ns; /* the run ends here at the latest; QUANTITY_ABSENT with SCENARIO_END_AT */
};

enum scenario_expect_kind {
    SCENARIO_EXPECT_UNSET,
    SCENARIO_EXPECT_THAT, /* `holds`, judged at the end                                             */
    SCENARIO_EXPECT_NEVER, /* `holds` is false at each change of what it reads                       */
    SCENARIO_EXPECT_ALWAYS, /* `holds` is true at each change of what it reads                        */
    SCENARIO_EXPECT_WITHIN, /* `holds` becomes true at most `within_ns` after the instant that `after` became true */
    SCENARIO_EXPECT_SEQUENCE, /* the steps happen in their order, all within `within_ns` of the first */
};

enum scenario_step_kind { SCENARIO_STEP_UNSET, SCENARIO_STEP_CONDITION, SCENARIO_STEP_RECORD };

/* A step of a sequence: a condition becomes true, or a record is written. */
struct scenario_step {
    const struct yaml_node *source;
    enum scenario_step_kind kind;
    struct expression *holds;
    const char *record;          /* name of its kind */
    const char *of;              /* a name or glob as written, or NULL: whosoever */
    const char *record_text;     /* a glob that its text matches, or NULL: any */
    struct scenario_part *parts; /* that `of` names, in the order of kind and index */
    uint32_t part_count;
    const char *words; /* "move.end", "net.tcp_timeout of node1" */
};

struct scenario_expect {
    const struct yaml_node *source;
    const char *
        text; /* as written, for report and JSON: "within 10s after outage.end: web.state == running" */
    enum scenario_expect_kind kind;
    struct expression *holds; /* NULL of a sequence */
    int64_t within_ns;        /* of a sequence, QUANTITY_ABSENT: however long it takes */
    struct expression *after;
    struct scenario_step *steps;
    uint32_t step_count;
};

/* ---- tables of cells ----------------------------------------------------------------------------------------------- */

#define SCENARIO_COLUMNS_MAX 16u

/* A column. */
struct scenario_column {
    const struct yaml_node *source;
    struct expression *show; /* references[0] is the property */
    const char *heading;     /* NULL: the text of `show` */
};

enum scenario_best_kind { SCENARIO_BEST_UNSET, SCENARIO_BEST_MIN, SCENARIO_BEST_MAX };

/* Which cell is marked. */
struct scenario_best {
    const struct yaml_node *source; /* NULL: not given */
    enum scenario_best_kind kind;
    struct expression *of; /* references[0] is the property */
};

/* ---- the whole ----------------------------------------------------------------------------------------------------- */

/* Who bears a name: sorted as by strcmp. The name of an item that fires several times has an entry with the first of them, and each
 * repetition has one. */
struct scenario_name {
    const char *name;
    struct scenario_part part;
    struct source_place place; /* where the name is given */
};

enum scenario_ties { SCENARIO_TIES_SORTED, SCENARIO_TIES_SHUFFLE };

struct scenario {
    const struct yaml_node *source;
    struct arena arena;    /* owns all of it, texts and trees included */
    const char *file;      /* as it was given; what messages call it */
    const char *directory; /* paths in the scenario are relative to it */
    const char *name;
    int64_t seed; /* 0 or more */
    enum scenario_ties ties;
    struct scenario_network *networks;
    uint32_t network_count;
    struct scenario_node *nodes;
    uint32_t node_count;
    struct scenario_client *clients;
    uint32_t client_count;
    struct scenario_vm *vms;
    uint32_t vm_count;
    struct scenario_link *links; /* machines in the order nodes, clients; NICs in their order */
    uint32_t link_count;
    struct scenario_item *timeline; /* repetitions expanded */
    uint32_t item_count;
    struct scenario_item *written; /* the timeline as the file has it */
    uint32_t written_count;
    uint32_t
        listed_item_count; /* items of those written, repetitions counted; behind them the item of `sweep`, then what drains move */
    struct scenario_sweep sweep;
    struct scenario_policy policy;
    struct scenario_end end;
    struct scenario_expect *expect;
    uint32_t expect_count;
    struct scenario_column *report;
    uint32_t report_count;
    struct scenario_best best;
    struct scenario_name *names; /* of all of the above but expectations */
    uint32_t name_count;
};

struct scenario_options {
    const char *const *set; /* "path=value", in order */
    uint32_t set_count;
    const char *directory; /* NULL: that of the file (`.` for a text) */
    bool
        ignore_files; /* do not look whether files that the scenario names can be read (a recording has them) */
};

/* The scenario, or NULL when `diagnostics` has at least one error; a file that varies is one (testbed/cells.h). `options` may be NULL. */
SIM_CHECKED struct scenario *scenario_load_file(const char *path,
                                                const struct scenario_options *options,
                                                struct diagnostics *diagnostics);
/* The same from memory; `name` is what messages call it. */
SIM_CHECKED struct scenario *scenario_load_text(const char *name, const char *text, size_t length,
                                                const struct scenario_options *options,
                                                struct diagnostics *diagnostics);
void scenario_free(struct scenario *scenario);

/* The part of that name ("web", "node2/migration", "move"); kind SCENARIO_NO_PART if there is none. */
struct scenario_part scenario_find(const struct scenario *scenario, const char *name);
const char *scenario_part_name(const struct scenario *scenario, struct scenario_part part);
/* The name as the file has it: without the number of a repetition. */
const char *scenario_given_name(const struct scenario *scenario, struct scenario_part part);
const char *scenario_part_kind_name(
    enum scenario_part_kind kind); /* "network", "node", ... "action" */
const char *scenario_action_word(enum scenario_action_kind kind); /* "ping", ... "live-migrate" */
/* The networks that a node, client or VM has NICs on. */
const struct scenario_indices *scenario_part_nics(const struct scenario *scenario,
                                                  struct scenario_part machine);
/* The link of a node's or client's NIC; SIM_NONE if it has none on that network. */
uint32_t scenario_link_find(const struct scenario *scenario, struct scenario_part machine,
                            uint32_t network);
/* Where a file named in the scenario lies; written to `out` (PATH_MAX). False if that is too long. */
SIM_CHECKED bool scenario_path(const struct scenario *scenario, const char *file, char *out,
                               size_t capacity);

/* What a guest replays, by `trace` or by `like`. */
struct scenario_replay {
    const char *file; /* as `trace` has it, or "like: NAME"; the name of the input in recordings */
    enum scenario_like like; /* SCENARIO_LIKE_NONE: `file` is relative to the scenario */
    int64_t speed_ppb, start_ns, offset_bytes;
    int64_t copies; /* side by side from `offset_bytes` on */
    enum scenario_page_class page_class;
};
/* False where it replays nothing. */
bool scenario_guest_replay(const struct scenario_guest *guest, struct scenario_replay *out);
/* Where that file lies; written to `out` (PATH_MAX). False if the path is too long, or what is shipped is not there. */
SIM_CHECKED bool scenario_replay_path(const struct scenario *scenario,
                                      const struct scenario_replay *replay, char *out,
                                      size_t capacity);

/* The words of the scenario for its choices, as docs and reports print them. */
const char *scenario_cpu_word(enum scenario_cpu cpu);
const char *scenario_paging_word(enum scenario_paging paging);
const char *scenario_dirty_log_word(enum scenario_dirty_log dirty_log);
bool scenario_cpu_is_intel(enum scenario_cpu cpu);

/* Asserts S1 to S5. */
void scenario_check(const struct scenario *scenario);

#endif
