/* testbed/schema_policy.c - rows of the schema: how a migration decides, compresses, and empties a node. Sources: docs/models.md, "Migration
 * policies". */
#include "testbed/schema_maps.h"

#define AS_POLICY                                                                                  \
    {                                                                                              \
        "as-policy", SCENARIO_POLICY_DERIVED, "as the policy has it"                               \
    }

static const struct schema_choice like_choices[] = {
    {"as-default", SCENARIO_POLICY_LIKE_DERIVED,
     "as the scenario's own `policy` says; there: `hyper-v`"},
    {"hyper-v", SCENARIO_POLICY_HYPER_V,
     "Hyper-V R2: 10 rounds, earlier if the predicted pause is below 50 ms; then it switches"},
    {"qemu", SCENARIO_POLICY_QEMU,
     "QEMU with auto-converge: at most 128 MiB/s, until the predicted pause is below 300 ms; a "
     "guest that writes too "
     "much is slowed down by 20 %, then by 10 % more each time, to 99 %"},
    {"xen", SCENARIO_POLICY_XEN,
     "Xen 3 (xc_domain_save): 29 rounds, a round of fewer than 50 pages, 3 x RAM sent, or a round "
     "that sent more than the one before at the highest rate; 100 to 500 Mbit/s, the last round's "
     "dirty rate + 50 Mbit/s; pages written again before their turn are skipped"},
    {"xen-2005", SCENARIO_POLICY_XEN_2005,
     "Xen as Clark et al. describe it (NSDI 2005): the same, but it stops when fewer than 256 KiB "
     "are left or the next rate would be above the maximum"},
    {"xen-later", SCENARIO_POLICY_XEN_LATER,
     "Xen 4.7 and later: 5 rounds, or fewer than 50 pages left"},
    {"kubevirt", SCENARIO_POLICY_KUBEVIRT,
     "KubeVirt: QEMU's rule without auto-converge; given up after 150 s for each GiB of RAM (older "
     "versions: 800 s) or 150 s without progress"},
    {0}};
static const struct schema_choice remedy_choices[] = {
    {"as-policy", SCENARIO_REMEDY_DERIVED, "as the policy has it"},
    {"switch", SCENARIO_REMEDY_SWITCH, "the VM is paused and what is left is sent"},
    {"abort", SCENARIO_REMEDY_ABORT, "the migration is given up, the VM stays"},
    {"throttle", SCENARIO_REMEDY_THROTTLE,
     "the guest is slowed down, more each time; at the most of it as with `switch`"},
    {0}};
static const struct schema_choice few_choices[] = {
    AS_POLICY,
    {"round", SCENARIO_POLICY_FIRST, "pages that the round sent and skipped"},
    {"left", SCENARIO_POLICY_SECOND, "pages that the next round would send"},
    {0}};
static const struct schema_choice stop_choices[] = {
    AS_POLICY,
    {"stop", SCENARIO_POLICY_FIRST, "then it does not converge"},
    {"go-on", SCENARIO_POLICY_SECOND, "that is no reason to stop"},
    {0}};
static const struct schema_choice redirtied_choices[] = {
    AS_POLICY,
    {"skip", SCENARIO_POLICY_FIRST, "it waits for the next round"},
    {"send", SCENARIO_POLICY_SECOND, "it is sent, and again in the next round"},
    {0}};
static const struct schema_choice bandwidth_choices[] = {
    AS_POLICY,
    {"last", SCENARIO_POLICY_FIRST, "the last round that took 100 ms or longer"},
    {"best", SCENARIO_POLICY_SECOND, "the best round so far"},
    {0}};

#define CHOICE(word, member, list, words)                                                          \
    {                                                                                              \
        .name = word, AT(scenario_policy, member), .type = SCHEMA_CHOICE, .choices = (list),       \
        .default_text = "as-policy", .meaning = words                                              \
    }
#define CONSTANT(word, member, kind, least, most, words)                                           \
    {                                                                                              \
        .name = word, AT(scenario_policy, member), .type = SCHEMA_QUANTITY, .unit = (kind),        \
        .min = (least), .max = (most), .derived = "as the policy has it", .meaning = words         \
    }
#define MBIT INT64_C(1000000)

static const struct schema_key policy_keys[] = {
    {.name = "like",
     AT(scenario_policy, like),
     .type = SCHEMA_CHOICE,
     .choices = like_choices,
     .default_text = "as-default",
     .meaning = "Whose rules: the constants that the others of this map change one by one."},
    CONSTANT("rounds", rounds, QUANTITY_COUNT, 0, 100000,
             "After this many rounds it does not converge. 0: no limit."),
    CONSTANT("threshold", threshold_ns, QUANTITY_TIME, 0, HOURS,
             "The VM is paused when the predicted pause is below this; QEMU's downtime limit. 0s: "
             "not for that."),
    CONSTANT("few-pages", few_pages, QUANTITY_COUNT, 0, 1000000000,
             "It is paused when fewer pages than this are left. 0: not for that."),
    CHOICE("few-of", few_of, few_choices, "Which pages `few-pages` counts."),
    CONSTANT("sent-limit", sent_limit_ppb, QUANTITY_FACTOR, 0, 1000 * QUANTITY_WHOLE_PPB,
             "Once so many times its RAM has been sent it does not converge. 0: no limit."),
    CHOICE("no-gain", no_gain, stop_choices,
           "When a round sent more pages than the one before, at the highest rate."),
    CHOICE("beyond-rate", beyond_rate, stop_choices,
           "When the next round's rate would be above `rate-max`."),
    CHOICE("redirtied", redirtied, redirtied_choices,
           "A page that is written again before its turn in a round comes."),
    CONSTANT("look-every", look_pages, QUANTITY_COUNT, 1, 1000000000,
             "With `redirtied: skip`: after how many pages it looks again which have been written; "
             "1024 in Xen."),
    CHOICE("predict-by", predict_by, bandwidth_choices,
           "Whose bandwidth predicts how long the pages that are left take."),
    CONSTANT("rate-start", rate_start_bps, QUANTITY_RATE, 0, 1000000 * MBIT,
             "The first round's rate, and the least of any."),
    CONSTANT(
        "rate-step", rate_step_bps, QUANTITY_RATE, 0, 1000000 * MBIT,
        "The next round's rate is the last one's dirty rate and this. 0bit/s: the rate stays."),
    CONSTANT("rate-max", rate_max_bps, QUANTITY_RATE, 0, 1000000 * MBIT,
             "The highest rate of any round. 0bit/s: rounds go as fast as TCP lets them."),
    CONSTANT("rate-final", rate_final_bps, QUANTITY_RATE, 0, 1000000 * MBIT,
             "The rate after the pause. 0bit/s: as fast as TCP lets it."),
    {.name = "bandwidth",
     AT(scenario_policy, bandwidth_bps),
     .type = SCHEMA_QUANTITY,
     .unit = QUANTITY_RATE,
     .min = MBIT,
     .max = 1000000 * MBIT,
     .derived = "no cap",
     .meaning = "No rate is above this, not even after the pause: a cap for the sake of others."},
    {.name = "when-not-converging",
     AT(scenario_policy, remedy),
     .type = SCHEMA_CHOICE,
     .choices = remedy_choices,
     .default_text = "as-policy",
     .meaning = "What is done when a rule says that it does not converge. There is no post-copy."},
    CONSTANT(
        "trigger", trigger_ppb, QUANTITY_SHARE, 0, 100 * QUANTITY_WHOLE_PPB,
        "When for the second time more than this share of what a second's rounds sent has been "
        "written again, it does not converge. 0%: not for that. 50% where the guest is to be "
        "throttled."),
    CONSTANT("throttle-first", throttle_first_ppb, QUANTITY_SHARE, 0, QUANTITY_WHOLE_PPB * 99 / 100,
             "What is taken of the guest's processor time at first, in whole percents."),
    CONSTANT("throttle-step", throttle_step_ppb, QUANTITY_SHARE, 0, QUANTITY_WHOLE_PPB * 99 / 100,
             "How much more each further time."),
    CONSTANT("throttle-max", throttle_max_ppb, QUANTITY_SHARE, 0, QUANTITY_WHOLE_PPB * 99 / 100,
             "The most that is taken."),
    CONSTANT("limit-per-gib", limit_ns_per_gib, QUANTITY_TIME, 0, YEAR,
             "After so long for each GiB of RAM (rounded up) it does not converge. 0s: no limit."),
    CONSTANT("progress-limit", progress_limit_ns, QUANTITY_TIME, 0, YEAR,
             "After so long without fewer pages left than ever before it does not converge. 0s: no "
             "limit."),
};
const struct schema_map schema_policy = {
    .name = "policy",
    .bytes = sizeof(struct scenario_policy),
    KEYS(policy_keys),
    .shorthand = "like",
    .source_marks = true,
    .meaning =
        "When pre-copy ends, how fast it sends, and what is done where it does not converge: "
        "`policy: xen`, or a map that changes single constants. At the top of a scenario it "
        "is meant for all its migrations; at a migration or a drain for that one, on top of "
        "the scenario's unless it says `like`.",
    .example = "networks:\n"
               "  lan: {rate: 1Gbit/s}\n"
               "nodes:\n"
               "  node1..node2: {memory: 8GiB, nics: [lan]}\n"
               "vms:\n"
               "  web: {node: node1, memory: 1GiB, nics: [lan]}\n"
               "policy: {like: xen, rate-max: 800Mbit/s}\n"
               "timeline:\n"
               "  - {at: 1s, live-migrate: {vm: web, to: node2}, as: there}\n"
               "  - {when: there.end, live-migrate: {vm: web, to: node1, policy: {like: qemu, "
               "when-not-converging: abort}}, as: back}\n",
};

static const struct schema_key compress_keys[] = {
    {.name = "workers",
     AT(scenario_compress, workers),
     .type = SCHEMA_QUANTITY,
     .unit = QUANTITY_COUNT,
     .min = 1,
     .max = 16,
     .default_text = "2",
     .meaning =
         "Tasks at the source that compress, beside the one that sends. They need its cores."},
};
const struct schema_map schema_compress = {
    .name = "compress",
    .bytes = sizeof(struct scenario_compress),
    KEYS(compress_keys),
    .shorthand = "workers",
    .source_marks = true,
    .meaning = "Pages are compressed before they are sent, and expanded at the target; both cost "
               "processor time there.",
};

static const struct schema_key drain_keys[] = {
    {.name = "node",
     AT(scenario_drain, node),
     .type = SCHEMA_INDEX,
     .parts = PART(SCENARIO_NODE),
     .required = true,
     .meaning = "The node to be emptied."},
    {.name = "to",
     AT(scenario_drain, to),
     .type = SCHEMA_INDEX_LIST,
     .parts = PART(SCENARIO_NODE),
     .derived = "all other nodes",
     .meaning = "Where its VMs may go."},
    {.name = "over",
     AT(scenario_drain, over),
     .type = SCHEMA_INDEX_LIST,
     .parts = PART(SCENARIO_NETWORK),
     .derived = "for each target its networks, those first that the VM has no NIC on",
     .meaning = "Networks to try, in this order; the next one when one fails."},
    {.name = "parallel",
     AT(scenario_drain, parallel),
     .type = SCHEMA_QUANTITY,
     .unit = QUANTITY_COUNT,
     .min = 1,
     .max = 1000,
     .derived = "as many as the nodes' `max-per-pair` allows",
     .meaning = "How many VMs move at once, at most."},
    {.name = "policy",
     AT(scenario_drain, policy),
     .type = SCHEMA_MAP,
     .map = &schema_policy,
     .meaning = "How each of its migrations decides."},
    {.name = "compress",
     AT(scenario_drain, compress),
     .type = SCHEMA_MAP,
     .map = &schema_compress,
     .meaning = "Whether pages are compressed."},
    {.name = "time-limit",
     AT(scenario_drain, time_limit_ns),
     .type = SCHEMA_QUANTITY,
     .unit = QUANTITY_TIME,
     .min = SIM_MS,
     .max = YEAR,
     .derived = "none",
     .meaning = "A migration that has not paused its VM so long after its own start is given up."},
};
const struct schema_map schema_drain = {
    .name = "timeline.drain",
    .bytes = sizeof(struct scenario_drain),
    KEYS(drain_keys),
    .shorthand = "node",
    .meaning =
        "A node is emptied: the VMs that run there move to others, the largest first, each to the "
        "compatible node with the most free memory, and no more at once than the nodes allow. What "
        "does not fit stays, and is named. The migration of each VM is called by the drain's name "
        "and the VM's, with a hyphen: `empty-web7.downtime`.",
};
