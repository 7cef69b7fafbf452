/* What happened, in words, to whom. */
#include "sim/assert.h"
#include "testbed/fault_table.h"
#include "testbed/judge_guests.h"
#include "testbed/report_private.h"
#include "testbed/schema.h"
#include "testbed/sweep_point.h"

#include <string.h>

struct teller {
    const struct run_result *result;
    const struct scenario *scenario;
    const struct judge *judge;
    void (*line)(void *context, const char *text);
    void *context;
};

static void tell(const struct teller *teller, const struct report_text *text)
{
    teller->line(teller->context, text->bytes);
}

struct expression_value report_value(const struct run_result *result, struct scenario_part part,
                                     const char *property)
{
    const struct property_row *row =
        property_find(property_class(result->scenario, part), property);
    if (row == NULL) {
        return (struct expression_value){.known = false};
    }
    return judge_value(result->judge, part, row);
}

static uint64_t number_of(const struct teller *teller, uint32_t item, const char *property)
{
    struct expression_value value =
        report_value(teller->result, (struct scenario_part){SCENARIO_ACTION, item}, property);
    return value.known && value.number > 0 ? (uint64_t)value.number : 0;
}

static const char *node_name(const struct teller *teller, uint32_t node)
{
    return node < teller->scenario->node_count ? teller->scenario->nodes[node].name : "?";
}

/* ---- migrations -------------------------------------------------------------------------------------------------------------- */

uint32_t report_migration_count(const struct run_result *result)
{
    uint32_t count = 0;
    for (uint32_t i = 0; i < result->scenario->item_count; i++) {
        count += result->scenario->timeline[i].kind == SCENARIO_MIGRATE &&
                 judge_action_start(result->judge, i) != SIM_NEVER;
    }
    return count;
}

/* "web moved node1 -> node2", or "web did not move node1 -> node2"; without a source it never came to one. */
static void add_way(const struct teller *teller, uint32_t item, const char *verb,
                    struct report_text *text)
{
    const struct scenario_migrate *migrate = &teller->scenario->timeline[item].action.migrate;
    const struct judge_migration *m = judge_migration(teller->judge, item);
    report_add(text, "%s %s ", teller->scenario->vms[migrate->vm].name, verb);
    if (m->from_node != SIM_NONE) {
        report_add(text, "%s -> %s", node_name(teller, m->from_node),
                   node_name(teller, m->to_node));
    } else {
        report_add(text, "to %s", node_name(teller, m->to_node));
    }
}

static void add_absence(const struct judge_migration *m, const char *before,
                        struct report_text *text)
{
    char figure[REPORT_FIGURE_BYTES];
    if (m->paused_known && m->running_known) {
        report_add(text, "%swas away for %s", before,
                   report_time(m->resumed_at - m->paused_at, figure));
    }
}

/* The next migration of the same VM that a node took, or NULL: where it began the VM had run on. */
static const struct judge_migration *next_migration(const struct teller *teller, uint32_t item)
{
    const struct scenario_item *items = teller->scenario->timeline;
    const struct judge_migration *m = judge_migration(teller->judge, item), *next = NULL;
    for (uint32_t i = 0; i < teller->scenario->item_count && m->ended; i++) {
        const struct judge_migration *other = judge_migration(teller->judge, i);
        if (i != item && items[i].kind == SCENARIO_MIGRATE &&
            items[i].action.migrate.vm == items[item].action.migrate.vm && other->ordered &&
            other->from_node != SIM_NONE && other->started >= m->ended_at &&
            (next == NULL || other->started < next->started)) {
            next = other;
        }
    }
    return next;
}

/* What became of the VM after a migration that came to nothing. */
static void add_fate(const struct teller *teller, uint32_t item, struct report_text *text)
{
    const struct judge_migration *m = judge_migration(teller->judge, item);
    const struct judge_migration *next = next_migration(teller, item);
    const struct judge_vm *vm =
        judge_vm(teller->judge, teller->scenario->timeline[item].action.migrate.vm);
    if (next != NULL) {
        report_add(text, "; it stayed on %s", node_name(teller, next->from_node));
        add_absence(m, " and ", text);
        return;
    }
    switch (vm->state) {
    case JUDGE_VM_RUNNING:
        report_add(text, "; it runs on %s", node_name(teller, vm->node));
        add_absence(m, " and ", text);
        break;
    case JUDGE_VM_FROZEN:
        report_add(text, "; it hangs on %s", node_name(teller, vm->node));
        add_absence(m, " and ", text);
        break;
    case JUDGE_VM_PAUSED:
        report_add(text, "; it stands still on %s", node_name(teller, vm->node));
        break;
    case JUDGE_VM_LOST:
        report_add(text, "; it is lost with %s", node_name(teller, vm->node));
        break;
    case JUDGE_VM_OFF:
        report_add(text, "; it is switched off");
        break;
    }
}

static void tell_success(const struct teller *teller, uint32_t item)
{
    struct report_text text = {0};
    char figure[REPORT_FIGURE_BYTES];
    const struct judge_migration *m = judge_migration(teller->judge, item);
    add_way(teller, item, "moved", &text);
    report_add(&text, " in %s",
               report_time(m->ended_at - judge_action_start(teller->judge, item), figure));
    add_absence(m, " and ", &text);
    tell(teller, &text);
}

static void tell_failure(const struct teller *teller, uint32_t item)
{
    struct report_text text = {0};
    char figure[REPORT_FIGURE_BYTES];
    const struct judge_migration *m = judge_migration(teller->judge, item);
    enum judge_step step = report_last_step(m);
    const struct scenario_migrate *migrate = &teller->scenario->timeline[item].action.migrate;
    const struct judge_vm *vm = judge_vm(teller->judge, migrate->vm);
    /* By force, for one, it may run at the target after a migration that failed. */
    bool arrived = next_migration(teller, item) == NULL && vm->state == JUDGE_VM_RUNNING &&
                   vm->node == m->to_node;
    add_way(teller, item, arrived ? "was not handed over" : "did not move", &text);
    report_add(&text, ": %s", m->how);
    if (step != JUDGE_WAITING) {
        report_add(&text, " (in %s, after %s)", judge_step_word(step),
                   report_time(m->ended_at - judge_action_start(teller->judge, item), figure));
    }
    add_fate(teller, item, &text);
    tell(teller, &text);
}

/* The run ended before the migration did. */
static void tell_open(const struct teller *teller, uint32_t item)
{
    struct report_text text = {0};
    char figure[REPORT_FIGURE_BYTES];
    const struct judge_migration *m = judge_migration(teller->judge, item);
    const struct scenario_migrate *migrate = &teller->scenario->timeline[item].action.migrate;
    const struct judge_vm *vm = judge_vm(teller->judge, migrate->vm);
    enum judge_step step = report_last_step(m);
    const char *source = node_name(teller, m->from_node), *target = node_name(teller, m->to_node);
    if (m->handover_given > 0 && m->running_known) {
        add_way(teller, item, "moved", &text);
        add_absence(m, " and ", &text);
        report_add(&text, "; %s has not heard of it yet", source);
    } else if (m->handover_given > 0 && vm->state != JUDGE_VM_PAUSED) {
        add_way(teller, item, "did not move", &text);
        add_fate(teller, item, &text);
    } else if (m->handover_given > 0) {
        report_add(&text,
                   "%s runs nowhere: %s gave it to %s, and the two have not met since. Until they "
                   "do nothing runs; 'force-resume' on %s would say that %s does not come back",
                   teller->scenario->vms[migrate->vm].name, source, target, target, source);
    } else if (step == JUDGE_WAITING) {
        add_way(teller, item, "was still waiting to move", &text);
        report_add(&text, " when the run ended");
    } else {
        add_way(teller, item, "was still moving", &text);
        report_add(&text, " when the run ended: in %s, after %s and %u %s", judge_step_word(step),
                   report_time(teller->result->simulated_ns - m->started, figure), m->round_count,
                   m->round_count == 1 ? "round" : "rounds");
    }
    tell(teller, &text);
}

static void tell_migration(const struct teller *teller, uint32_t item)
{
    const struct judge_migration *m = judge_migration(teller->judge, item);
    if (m->ended && m->completed) {
        tell_success(teller, item);
    } else if (m->ended) {
        tell_failure(teller, item);
    } else {
        tell_open(teller, item);
    }
}

/* More than can be told one by one: how many, how long, who was away longest. Those that did not complete are told all the same. */
static void tell_many(const struct teller *teller, uint32_t begun)
{
    struct report_text text = {0};
    char figure[REPORT_FIGURE_BYTES];
    uint32_t completed = 0, longest = SIM_NONE;
    sim_time first = SIM_NEVER, last = 0, away = -1;
    for (uint32_t i = 0; i < teller->scenario->item_count; i++) {
        if (teller->scenario->timeline[i].kind != SCENARIO_MIGRATE ||
            judge_action_start(teller->judge, i) == SIM_NEVER) {
            continue;
        }
        const struct judge_migration *m = judge_migration(teller->judge, i);
        sim_time began = judge_action_start(teller->judge, i);
        first = began < first ? began : first;
        completed += m->completed;
        if (m->ended && m->ended_at > last) {
            last = m->ended_at;
        }
        if (m->paused_known && m->running_known && m->resumed_at - m->paused_at > away) {
            away = m->resumed_at - m->paused_at;
            longest = i;
        }
    }
    report_add(&text, "%u of %u migrations completed", completed, begun);
    if (last > first) {
        report_add(&text, " in %s", report_time(last - first, figure));
    }
    if (longest != SIM_NONE) {
        const struct scenario_migrate *migrate =
            &teller->scenario->timeline[longest].action.migrate;
        report_add(&text, "; %s was away longest, %s", teller->scenario->vms[migrate->vm].name,
                   report_time(away, figure));
    }
    tell(teller, &text);
}

static void tell_migrations(const struct teller *teller)
{
    uint32_t begun = report_migration_count(teller->result);
    bool many = begun > REPORT_TOLD_MIGRATIONS;
    if (many) {
        tell_many(teller, begun);
    }
    for (uint32_t i = 0; i < teller->scenario->item_count; i++) {
        const struct scenario_item *item = &teller->scenario->timeline[i];
        if (item->kind == SCENARIO_MIGRATE && judge_action_start(teller->judge, i) != SIM_NEVER &&
            (!many || !judge_migration(teller->judge, i)->completed)) {
            tell_migration(teller, i);
        }
    }
}

/* ---- VMs ----------------------------------------------------------------------------------------------------------------------- */

/* Whether a migration has already said what became of the VM. */
static bool was_told(const struct teller *teller, uint32_t vm)
{
    for (uint32_t i = 0; i < teller->scenario->item_count; i++) {
        const struct scenario_item *item = &teller->scenario->timeline[i];
        const struct judge_migration *m = judge_migration(teller->judge, i);
        if (item->kind == SCENARIO_MIGRATE && item->action.migrate.vm == vm &&
            judge_action_start(teller->judge, i) != SIM_NEVER && !m->completed &&
            (m->handover_given == 0 || !m->running_known)) {
            return true;
        }
    }
    return false;
}

static void tell_vm(const struct teller *teller, uint32_t vm)
{
    struct report_text text = {0};
    char figure[REPORT_FIGURE_BYTES];
    const struct judge_vm *v = judge_vm(teller->judge, vm);
    const char *name = teller->scenario->vms[vm].name;
    sim_time since = v->still_since != SIM_NEVER ? v->still_since : teller->result->simulated_ns;
    report_instant(since, figure);
    if (v->node == SIM_NONE) {
        report_add(&text, "%s never ran", name);
    } else if (was_told(teller, vm)) {
        return;
    } else if (v->state == JUDGE_VM_LOST) {
        report_add(&text, "%s was lost with %s at %s", name, node_name(teller, v->node), figure);
    } else if (v->state == JUDGE_VM_FROZEN) {
        report_add(&text, "%s hangs on %s since %s", name, node_name(teller, v->node), figure);
    } else if (v->state == JUDGE_VM_PAUSED) {
        report_add(&text, "%s stands still on %s since %s", name, node_name(teller, v->node),
                   figure);
    } else if (v->state == JUDGE_VM_OFF) {
        report_add(&text, "%s was switched off at %s", name, figure);
    } else {
        return;
    }
    tell(teller, &text);
}

/* ---- traffic --------------------------------------------------------------------------------------------------------------------- */

static const char *part_name(const struct teller *teller, struct scenario_part part)
{
    return scenario_part_name(teller->scenario, part);
}

static void add_gap(const struct judge_ping *ping, struct report_text *text)
{
    char figure[REPORT_FIGURE_BYTES], from[REPORT_FIGURE_BYTES];
    if (ping->longest_gap > 0) {
        report_add(text, "; longest gap %s", report_time(ping->longest_gap, figure));
        if (ping->lost > 0) {
            report_add(text, ", from %s", report_instant(ping->gap_from, from));
        }
    }
}

static void tell_ping(const struct teller *teller, uint32_t item)
{
    struct report_text text = {0};
    char figure[REPORT_FIGURE_BYTES], of[REPORT_FIGURE_BYTES];
    const struct scenario_ping *ping = &teller->scenario->timeline[item].action.ping;
    const struct judge_ping *p = judge_ping(teller->judge, item);
    report_add(&text, "%s ", part_name(teller, ping->from));
    if (p->lost == 0) {
        report_add(&text, "lost none of %s to %s", report_plural(p->sent, "ping", "pings", figure),
                   part_name(teller, ping->to));
    } else {
        report_add(&text, "lost %s of %s to %s", report_count(p->lost, figure),
                   report_plural(p->sent, "ping", "pings", of), part_name(teller, ping->to));
    }
    add_gap(p, &text);
    tell(teller, &text);
}

static void tell_request(const struct teller *teller, uint32_t item)
{
    struct report_text text = {0};
    char figure[REPORT_FIGURE_BYTES], of[REPORT_FIGURE_BYTES];
    const struct scenario_request *request = &teller->scenario->timeline[item].action.request;
    const struct judge_ping *p = judge_ping(teller->judge, item);
    const struct judge_latency *latency = judge_latency(teller->judge, item);
    uint64_t reconnects = number_of(teller, item, "reconnects");
    report_add(&text, "%s had %s of %s answered by %s", part_name(teller, request->from),
               report_count(p->received, figure), report_plural(p->sent, "request", "requests", of),
               part_name(teller, request->to));
    if (p->lost > 0) {
        report_add(&text, ", %s failed", report_count(p->lost, figure));
    }
    if (reconnects > 0) {
        report_add(&text, ", connected again %s",
                   report_plural(reconnects, "time", "times", figure));
    }
    add_gap(p, &text);
    if (latency->count > 0) {
        report_add(&text, "; latency %s on average",
                   report_time(latency->sum / (sim_time)latency->count, figure));
        report_add(&text, ", %s at most", report_time(latency->max, figure));
    }
    tell(teller, &text);
}

static void tell_bulk(const struct teller *teller, uint32_t item)
{
    struct report_text text = {0};
    char figure[REPORT_FIGURE_BYTES], of[REPORT_FIGURE_BYTES];
    const struct scenario_bulk *bulk = &teller->scenario->timeline[item].action.bulk;
    uint64_t received = number_of(teller, item, "bytes-received");
    uint64_t took = number_of(teller, item, "duration");
    uint64_t again = number_of(teller, item, "retransmissions");
    uint64_t timeouts = number_of(teller, item, "timeouts");
    report_add(&text, "%s sent ", part_name(teller, bulk->from));
    if (took > 0) {
        report_add(&text, "%s to %s in %s: ", report_size(received, figure),
                   part_name(teller, bulk->to), report_time((sim_time)took, of));
        report_add(&text, "%s", report_rate(number_of(teller, item, "goodput"), figure));
    } else {
        const char *how = "";
        sim_time ended = judge_action_end(teller->judge, item, &how);
        report_add(&text, "%s of %s to %s", report_size(received, figure),
                   report_size((uint64_t)bulk->bytes, of), part_name(teller, bulk->to));
        report_add(&text, ", then %s", ended == SIM_NEVER ? "the run ended" : how);
    }
    if (again > 0) {
        report_add(&text, "; %s sent again", report_plural(again, "segment", "segments", figure));
    }
    if (timeouts > 0) {
        report_add(&text, ", %s", report_plural(timeouts, "time-out", "time-outs", figure));
    }
    tell(teller, &text);
}

static void tell_video(const struct teller *teller, uint32_t item)
{
    struct report_text text = {0};
    char figure[REPORT_FIGURE_BYTES];
    const struct scenario_video *video = &teller->scenario->timeline[item].action.video;
    const struct judge_video *v = judge_video(teller->judge, item);
    report_add(&text, "the video from %s to %s ", part_name(teller, video->from),
               part_name(teller, video->to));
    if (!v->plays) {
        report_add(&text, "never began to play");
    } else if (v->stalls == 0) {
        report_add(&text, "played without a stall; at least %s of its buffer of %s ",
                   v->low == SIM_NEVER ? "all" : report_time(v->low, figure),
                   quantity_print(QUANTITY_TIME, video->buffer_ns, (char[QUANTITY_TEXT_BYTES]){0}));
        report_add(&text, "was left");
    } else if (v->stalls == 1) {
        report_add(&text, "stalled once, for %s", report_time(v->longest_stall, figure));
        report_add(&text, ", at %s", report_instant(v->longest_from, figure));
    } else {
        report_add(&text, "stalled %s, ", report_plural(v->stalls, "time", "times", figure));
        report_add(&text, "%s in all, ", report_time(v->stalled_for, figure));
        report_add(&text, "%s at the longest", report_time(v->longest_stall, figure));
        report_add(&text, ", at %s", report_instant(v->longest_from, figure));
    }
    if (v->reconnects > 0) {
        report_add(&text, "; connected again %s",
                   report_plural(v->reconnects, "time", "times", figure));
    }
    tell(teller, &text);
}

/* A guest that came short of processor time. */
static void tell_work(const struct teller *teller, uint32_t vm)
{
    struct report_text text = {0};
    char figure[REPORT_FIGURE_BYTES], of[REPORT_FIGURE_BYTES];
    const struct judge_work *work = judge_work(teller->judge, vm);
    if (work->stolen > 0 && work->stolen > work->work / 1000) {
        report_add(&text, "%s came short of processor time: it did %s of work in %s",
                   teller->scenario->vms[vm].name, report_time(work->work, figure),
                   report_time(work->work + work->stolen, of));
        tell(teller, &text);
    }
}

/* ---- what was done to them --------------------------------------------------------------------------------------------------------- */

static void tell_fault(const struct teller *teller, uint32_t item)
{
    struct report_text text = {0};
    char figure[REPORT_FIGURE_BYTES];
    const struct scenario_item *i = &teller->scenario->timeline[item];
    const char *how = NULL;
    sim_time began = judge_action_start(teller->judge, item);
    sim_time ended = judge_action_end(teller->judge, item, &how);
    uint64_t hits = number_of(teller, item, "hits");
    bool swept = teller->scenario->sweep.source != NULL && item == teller->scenario->sweep.item;
    if (swept && teller->scenario->sweep.point == QUANTITY_ABSENT) {
        return; /* no point was chosen, and nothing broke */
    }
    report_add_fault(&text, teller->scenario, item);
    if (began == SIM_NEVER) {
        text = (struct report_text){0};
        report_add(&text, "%s did not begin%s", i->name,
                   swept                         ? ": the run came by no such point"
                   : i->trigger == SCENARIO_WHEN ? ": its condition never became true"
                                                 : "");
        tell(teller, &text);
        return;
    }
    if (swept) {
        report_add(&text, " at point %lld, %s", (long long)teller->scenario->sweep.point,
                   teller->scenario->sweep.at);
    }
    bool of_frame = swept && sweep_point_picks_frames(teller->scenario, item);
    if (!of_frame) { /* such a fault waits for its frame from the start */
        report_add(&text, "%s at %s", swept ? "," : "", report_instant(began, figure));
    }
    if (ended != SIM_NEVER && ended > began) {
        report_add(&text, " for %s", report_time(ended - began, figure));
    } else if (!swept && i->action.fault.for_ns == QUANTITY_ABSENT &&
               report_fault_lasts(&i->action.fault)) {
        report_add(&text, " until the end");
    }
    if (i->named && !swept) {
        report_add(&text, " (%s)", i->name);
    }
    report_add_hits(&text, teller->result, item, hits);
    tell(teller, &text);
}

static void tell_power(const struct teller *teller, uint32_t item)
{
    static const char *const verbs[] = {
        [SCENARIO_POWER_ON] = "was switched on",
        [SCENARIO_POWER_OFF] = "was switched off",
        [SCENARIO_CRASH] = "lost power",
        [SCENARIO_REBOOT] = "was restarted",
        [SCENARIO_FREEZE] = "froze",
        [SCENARIO_THAW] = "thawed",
        [SCENARIO_PAUSE] = "was paused",
        [SCENARIO_RESUME] = "was resumed",
    };
    struct report_text text = {0};
    char figure[REPORT_FIGURE_BYTES];
    const struct scenario_power *power = &teller->scenario->timeline[item].action.power;
    const char *how = "";
    (void)judge_action_end(teller->judge, item, &how);
    report_add(&text, "%s %s at %s", part_name(teller, power->machine), verbs[power->verb],
               report_instant(judge_action_start(teller->judge, item), figure));
    if (strncmp(how, "failed", 6) == 0) {
        report_add(&text, " in vain%s", how + 6);
    }
    tell(teller, &text);
}

static void tell_order(const struct teller *teller, uint32_t item)
{
    struct report_text text = {0};
    char figure[REPORT_FIGURE_BYTES];
    const struct scenario_item *i = &teller->scenario->timeline[item];
    const char *how = "";
    (void)judge_action_end(teller->judge, item, &how);
    if (i->kind == SCENARIO_CANCEL) {
        report_add(&text, "the end of %s was",
                   teller->scenario->timeline[i->action.cancel.migration].given);
    } else {
        report_add(&text, "to run %s on %s by force was",
                   teller->scenario->vms[i->action.force_resume.vm].name,
                   node_name(teller, i->action.force_resume.node));
    }
    report_add(&text, " asked for at %s",
               report_instant(judge_action_start(teller->judge, item), figure));
    if (strcmp(how, "asked") != 0) {
        report_add(&text, ": %s", how);
    }
    tell(teller, &text);
}

static void tell_machines(const struct teller *teller)
{
    for (uint32_t i = 0; i < teller->scenario->node_count + teller->scenario->client_count; i++) {
        struct scenario_part part = {SCENARIO_NODE, i};
        if (i >= teller->scenario->node_count) {
            part = (struct scenario_part){SCENARIO_CLIENT, i - teller->scenario->node_count};
        }
        struct expression_value state = report_value(teller->result, part, "state");
        if (state.known && strcmp(state.word, "running") != 0) {
            struct report_text text = {0};
            report_add(&text, "%s is %s at the end", part_name(teller, part),
                       strcmp(state.word, "frozen") == 0 ? "frozen" : "without power");
            tell(teller, &text);
        }
    }
}

/* ---- drains --------------------------------------------------------------------------------------------------------------------------- */

static void tell_drain(const struct teller *teller, uint32_t item)
{
    struct report_text text = {0};
    char figure[REPORT_FIGURE_BYTES], all[REPORT_FIGURE_BYTES];
    const struct scenario_drain *order = &teller->scenario->timeline[item].action.drain;
    const char *how = NULL, *node = node_name(teller, order->node);
    struct judge_drain drain;
    judge_drain(teller->judge, item, &drain);
    sim_time began = judge_action_start(teller->judge, item);
    sim_time ended = judge_action_end(teller->judge, item, &how);
    if (ended == SIM_NEVER) {
        report_add(&text, "%s was still being emptied when the run ended, after %s: %s had moved",
                   node, report_time(teller->result->simulated_ns - began, figure),
                   report_plural(drain.moved, "VM", "VMs", all));
    } else if (drain.moved + drain.failed == 0) {
        report_add(&text, "%s was to be emptied, and had no VM", node);
    } else if (drain.failed == 0) {
        report_add(&text, "%s was emptied in %s: %s moved", node,
                   report_time(ended - began, figure),
                   report_plural(drain.moved, "VM", "VMs", all));
    } else {
        report_add(&text, "%s was not emptied: in %s %u of %s moved", node,
                   report_time(ended - began, figure), drain.moved,
                   report_plural(drain.moved + drain.failed, "VM", "VMs", all));
    }
    if (drain.longest_item != SIM_NONE) {
        const struct scenario_migrate *longest =
            &teller->scenario->timeline[drain.longest_item].action.migrate;
        report_add(&text, "; %s was away longest, %s", teller->scenario->vms[longest->vm].name,
                   report_time(drain.longest_pause, figure));
    }
    tell(teller, &text);
    for (uint32_t i = 0; i < drain.stay_count; i++) {
        text = (struct report_text){0};
        report_add(&text, "it stays on %s: %s", node, drain.stays[i]);
        tell(teller, &text);
    }
}

static void tell_drains(const struct teller *teller)
{
    for (uint32_t i = 0; i < teller->scenario->item_count; i++) {
        if (teller->scenario->timeline[i].kind == SCENARIO_DRAIN &&
            judge_action_start(teller->judge, i) != SIM_NEVER) {
            tell_drain(teller, i);
        }
    }
}

/* ---- the whole ----------------------------------------------------------------------------------------------------------------------- */

/* Of an item that fires many times the first few are told, and in place of the others how many there were. */
#define REPETITIONS_TOLD 3u

static void tell_repetitions(const struct teller *teller, uint32_t first)
{
    const struct scenario_item *i = &teller->scenario->timeline[first];
    struct report_text text = {0};
    char figure[REPORT_FIGURE_BYTES];
    uint64_t hits = 0;
    uint32_t begun = 0;
    sim_time last = 0;
    for (uint32_t at = first; at < first + i->repetitions; at++) {
        sim_time began = judge_action_start(teller->judge, at);
        if (began != SIM_NEVER) {
            begun++;
            last = began > last ? began : last;
            hits += i->kind == SCENARIO_FAULT ? number_of(teller, at, "hits") : 0;
        }
    }
    if (begun == 0) {
        report_add(&text, "%s (%s) began none of %u times", i->given, scenario_action_word(i->kind),
                   (unsigned)i->repetitions);
    } else {
        report_add(&text, "%s (%s) began %u times in all, the last at %s", i->given,
                   scenario_action_word(i->kind), (unsigned)begun, report_instant(last, figure));
    }
    if (begun > 0 && begun < i->repetitions) {
        report_add(&text, ", and %u times not", (unsigned)(i->repetitions - begun));
    }
    if (i->kind == SCENARIO_FAULT && i->action.fault.target == SCENARIO_FAULT_LINK && hits > 0) {
        report_add(&text, "; together they took %s",
                   report_plural(hits, "frame", "frames", figure));
    }
    tell(teller, &text);
}

static void tell_item(const struct teller *teller, uint32_t item)
{
    const struct scenario_item *i = &teller->scenario->timeline[item];
    if (i->repetitions > REPETITIONS_TOLD + 1 && i->repetition > REPETITIONS_TOLD &&
        i->kind != SCENARIO_STOP && i->kind != SCENARIO_MIGRATE) {
        if (i->repetition == REPETITIONS_TOLD + 1) {
            tell_repetitions(teller, item - REPETITIONS_TOLD);
        }
        return;
    }
    bool began = judge_action_start(teller->judge, item) != SIM_NEVER;
    if (!began && i->of_drain) {
        return; /* a VM that it did not move, and said why */
    }
    if (!began && i->kind != SCENARIO_FAULT) {
        struct report_text text = {0};
        report_add(&text, "%s (%s) did not begin", i->name, scenario_action_word(i->kind));
        tell(teller, &text);
        return;
    }
    switch (i->kind) {
    case SCENARIO_PING:
        tell_ping(teller, item);
        break;
    case SCENARIO_REQUEST:
        tell_request(teller, item);
        break;
    case SCENARIO_BULK:
        tell_bulk(teller, item);
        break;
    case SCENARIO_VIDEO:
        tell_video(teller, item);
        break;
    case SCENARIO_FAULT:
        tell_fault(teller, item);
        break;
    case SCENARIO_POWER:
        tell_power(teller, item);
        break;
    case SCENARIO_CANCEL:
    case SCENARIO_FORCE_RESUME:
        tell_order(teller, item);
        break;
    default: /* migrations have been told; a stop is told by what it stopped */
        break;
    }
}

static bool is_traffic(enum scenario_action_kind kind)
{
    return kind == SCENARIO_PING || kind == SCENARIO_REQUEST || kind == SCENARIO_BULK ||
           kind == SCENARIO_VIDEO;
}

static void count_line(void *context, const char *text)
{
    (void)text;
    ++*(uint32_t *)context;
}

static void tell_all(const struct teller *teller)
{
    tell_drains(teller);
    tell_migrations(teller);
    for (uint32_t i = 0; i < teller->scenario->vm_count; i++) {
        tell_vm(teller, i);
        tell_work(teller, i);
    }
    for (uint32_t i = 0; i < teller->scenario->item_count; i++) {
        if (is_traffic(teller->scenario->timeline[i].kind)) {
            tell_item(teller, i);
        }
    }
    for (uint32_t i = 0; i < teller->scenario->item_count; i++) {
        if (!is_traffic(teller->scenario->timeline[i].kind)) {
            tell_item(teller, i);
        }
    }
    tell_machines(teller);
}

void report_happened(const struct run_result *result, void (*line)(void *context, const char *text),
                     void *context)
{
    uint32_t lines = 0;
    struct teller teller = {result, result->scenario, result->judge, count_line, &lines};
    tell_all(&teller);
    teller.line = line;
    teller.context = context;
    if (lines == 0) {
        struct report_text text = {0};
        char nodes[REPORT_FIGURE_BYTES], vms[REPORT_FIGURE_BYTES], figure[REPORT_FIGURE_BYTES];
        report_add(&text, "%s and %s ran for %s, and nothing was asked of them",
                   report_plural(result->scenario->node_count, "node", "nodes", nodes),
                   report_plural(result->scenario->vm_count, "VM", "VMs", vms),
                   report_time(result->simulated_ns, figure));
        tell(&teller, &text);
        return;
    }
    tell_all(&teller);
}
