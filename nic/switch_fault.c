#include "nic/switch_fault.h"

#include <stdlib.h>
#include <string.h>

#define WHOLE UINT64_C(1000000000) /* shares are parts of it */

static void on_time(void *context);

/* ---- life ----------------------------------------------------------------------------------- */

void switch_faults_init(struct switch_faults *faults, struct net *net, uint32_t origin,
                        uint32_t ports,
                        void (*leave)(void *context, uint32_t port, struct frame *frame),
                        void *context)
{
    SIM_ASSERT(ports > 0);
    SIM_ASSERT(leave != NULL);
    const char *path = sim_origin_path(net->sim, origin);
    *faults = (struct switch_faults){
        .net = net,
        .origin = origin,
        .ports = ports,
        .announcement_chance = chance_key(sim_seed(net->sim), "switch.announcement", path),
        .pair_chance = chance_key(sim_seed(net->sim), "switch.pair", path),
        .event = sim_event_new(net->sim, origin, on_time, faults),
        .leave = leave,
        .context = context,
    };
}

static void free_rule(struct switch_rule *rule)
{
    free(rule->from);
    free(rule->to);
}

void switch_faults_close(struct switch_faults *faults)
{
    for (uint32_t i = 0; i < faults->waiting_count; i++) {
        net_free_frame(faults->net, faults->waiting[i].frame);
    }
    for (uint32_t i = 0; i < faults->rule_count; i++) {
        free_rule(&faults->rules[i]);
    }
    free(faults->rules);
    free(faults->waiting);
    sim_event_free(faults->net->sim, faults->event);
}

bool switch_faults_act(const struct switch_faults *faults)
{
    return faults->rule_count > 0 || faults->announcements.loss_per_billion > 0 ||
           faults->announcements.repeats > 0;
}

/* ---- beginning and ending ------------------------------------------------------------------- */

static bool *marks_of(const struct switch_faults *faults, const uint32_t *ports, uint32_t count)
{
    bool *marks = calloc(faults->ports, sizeof *marks);
    SIM_ASSERT(marks != NULL);
    for (uint32_t i = 0; i < count; i++) {
        SIM_ASSERT(ports[i] < faults->ports);
        marks[ports[i]] = true;
    }
    return marks;
}

void switch_faults_begin_pair(struct switch_faults *faults, const struct switch_pair *pair)
{
    SIM_ASSERT(pair->loss_per_billion <= WHOLE);
    SIM_ASSERT(pair->delay_ns >= 0);
    if (faults->rule_count == faults->rule_capacity) {
        faults->rule_capacity = faults->rule_capacity * 2 + 2;
        faults->rules = realloc(faults->rules, faults->rule_capacity * sizeof *faults->rules);
        SIM_ASSERT(faults->rules != NULL);
    }
    faults->rules[faults->rule_count++] = (struct switch_rule){
        .from = marks_of(faults, pair->from, pair->from_count),
        .to = marks_of(faults, pair->to, pair->to_count),
        .pair = *pair,
    };
}

uint64_t switch_faults_end_pair(struct switch_faults *faults, uint64_t cause)
{
    uint64_t delayed = 0;
    uint32_t kept = 0;
    for (uint32_t i = 0; i < faults->rule_count; i++) {
        if (faults->rules[i].pair.cause == cause) {
            delayed += faults->rules[i].delayed;
            free_rule(&faults->rules[i]);
        } else {
            faults->rules[kept++] = faults->rules[i];
        }
    }
    faults->rule_count = kept;
    return delayed;
}

void switch_faults_set_announcements(struct switch_faults *faults,
                                     const struct switch_announcements *announcements)
{
    SIM_ASSERT(announcements->loss_per_billion <= WHOLE);
    faults->announcements = *announcements;
}

/* ---- frames --------------------------------------------------------------------------------- */

static bool is_announcement(const struct frame *frame)
{
    return frame->ether_type == ETHER_ARP && frame->arp.sender_ip.v == frame->arp.target_ip.v;
}

bool switch_faults_receive(struct switch_faults *faults, struct frame *frame, uint32_t *repeats)
{
    const struct switch_announcements *announcements = &faults->announcements;
    *repeats = 0;
    if (!is_announcement(frame)) {
        return false;
    }
    uint64_t ordinal = ++faults->announcements_seen;
    if (chance_hit(faults->announcement_chance, ordinal, announcements->loss_per_billion, WHOLE)) {
        net_lose_frame(faults->net, faults->origin, announcements->loss_cause, "announcement",
                       frame);
        return true;
    }
    if (announcements->repeats > 0) {
        (void)net_record_frame(faults->net, NET_FRAME_CHANGED, faults->origin,
                               announcements->repeats_cause, "repeated", frame);
        *repeats = announcements->repeats;
    }
    return false;
}

static bool rule_fits(const struct switch_rule *rule, uint32_t in, uint32_t out)
{
    return (rule->from[in] && rule->to[out]) ||
           (!rule->pair.one_way && rule->to[in] && rule->from[out]);
}

static void arm(struct switch_faults *faults)
{
    if (faults->waiting_count == 0) {
        sim_event_cancel(faults->net->sim, faults->event);
    } else {
        sim_event_arm(faults->net->sim, faults->event, faults->waiting[0].until);
    }
}

static void hold(struct switch_faults *faults, uint32_t port, sim_time delay_ns,
                 struct frame *frame)
{
    if (faults->waiting_count == faults->waiting_capacity) {
        faults->waiting_capacity = faults->waiting_capacity * 2 + 16;
        faults->waiting =
            realloc(faults->waiting, faults->waiting_capacity * sizeof *faults->waiting);
        SIM_ASSERT(faults->waiting != NULL);
    }
    sim_time until = sim_now(faults->net->sim) + delay_ns;
    uint32_t place = faults->waiting_count++;
    for (; place > 0 && faults->waiting[place - 1].until > until; place--) {
        faults->waiting[place] = faults->waiting[place - 1];
    }
    faults->waiting[place] = (struct switch_waiting){frame, port, until};
    arm(faults);
}

/* Whose time has come leaves; a frame of these that is lost at the next link is that link's affair. */
static void on_time(void *context)
{
    struct switch_faults *faults = context;
    sim_time now = sim_now(faults->net->sim);
    uint32_t due = 0;
    while (due < faults->waiting_count && faults->waiting[due].until <= now) {
        faults->leave(faults->context, faults->waiting[due].port, faults->waiting[due].frame);
        due++;
    }
    SIM_ASSERT(due > 0);
    faults->waiting_count -= due;
    memmove(faults->waiting, faults->waiting + due,
            faults->waiting_count * sizeof *faults->waiting);
    arm(faults);
}

bool switch_faults_send(struct switch_faults *faults, uint32_t in, uint32_t out,
                        struct frame *frame)
{
    SIM_ASSERT(in < faults->ports);
    SIM_ASSERT(out < faults->ports);
    sim_time delay_ns = 0;
    uint64_t ordinal = ++faults->pairs_seen;
    for (uint32_t i = 0; i < faults->rule_count; i++) {
        struct switch_rule *rule = &faults->rules[i];
        if (!rule_fits(rule, in, out)) {
            continue;
        }
        bool lost = chance_hit(faults->pair_chance, ordinal, rule->pair.loss_per_billion, WHOLE);
        if (rule->pair.cut || lost) {
            net_lose_frame(faults->net, faults->origin, rule->pair.cause,
                           rule->pair.cut ? "partition" : "loss", frame);
            return false;
        }
        delay_ns += rule->pair.delay_ns;
        rule->delayed += rule->pair.delay_ns > 0 ? 1 : 0;
    }
    if (delay_ns > 0) {
        hold(faults, out, delay_ns, frame);
        return false;
    }
    return true;
}

void switch_faults_lose(struct switch_faults *faults, uint64_t cause)
{
    for (uint32_t i = 0; i < faults->waiting_count; i++) {
        net_lose_frame(faults->net, faults->origin, cause, "off", faults->waiting[i].frame);
    }
    faults->waiting_count = 0;
    arm(faults);
}

void switch_faults_check(const struct switch_faults *faults)
{
    sim_time before = sim_now(faults->net->sim);
    for (uint32_t i = 0; i < faults->waiting_count; i++) {
        SIM_ASSERT(faults->waiting[i].until >= before);
        SIM_ASSERT(faults->waiting[i].port < faults->ports);
        before = faults->waiting[i].until;
    }
    SIM_ASSERT(sim_event_queued(faults->net->sim, faults->event) == (faults->waiting_count > 0));
    SIM_ASSERT(faults->rule_count <= faults->rule_capacity);
}
