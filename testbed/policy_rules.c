#include "testbed/policy_rules.h"

#include <string.h>

#include "sim/assert.h"
#include "testbed/loader.h"
#include "testbed/part_names.h"
#include "testbed/schema.h"

#define PERCENT (QUANTITY_WHOLE_PPB / 100)
/* Of drains. A cluster of the time has at most 1,000 VMs. */
#define MOVES_MAX 16384u

/* ---- constants to and fro ---------------------------------------------------------------------------------------------- */

static enum scenario_policy_way way_of(bool first)
{
    return first ? SCENARIO_POLICY_FIRST : SCENARIO_POLICY_SECOND;
}

/* The constants of a published policy, as the language has them. */
static struct scenario_policy named(enum scenario_policy_like like)
{
    static const enum scenario_remedy remedies[] = {
        [MIGRATION_SWITCH] = SCENARIO_REMEDY_SWITCH,
        [MIGRATION_ABORT] = SCENARIO_REMEDY_ABORT,
        [MIGRATION_THROTTLE] = SCENARIO_REMEDY_THROTTLE,
    };
    SIM_ASSERT(like != SCENARIO_POLICY_LIKE_DERIVED);
    struct migration_policy p = migration_policy_named(
        (enum migration_policy_name)(like - SCENARIO_POLICY_HYPER_V + MIGRATION_HYPER_V));
    return (struct scenario_policy){
        .like = like,
        .rounds = p.rounds_max,
        .threshold_ns = p.pause_threshold_ns,
        .few_pages = (int64_t)p.pages_few,
        .sent_limit_ppb = p.sent_percent_max * PERCENT,
        .few_of = way_of(p.few_of_round),
        .no_gain = way_of(p.stop_at_no_gain),
        .beyond_rate = way_of(p.stop_at_rate),
        .redirtied = way_of(p.skip_redirtied),
        .predict_by = way_of(p.last_bandwidth),
        .look_pages = p.look_pages > 0 ? p.look_pages : 1024,
        .rate_start_bps = (int64_t)p.rate_start_bps,
        .rate_step_bps = (int64_t)p.rate_step_bps,
        .rate_max_bps = (int64_t)p.rate_max_bps,
        .rate_final_bps = (int64_t)p.rate_final_bps,
        .bandwidth_bps = QUANTITY_ABSENT,
        .remedy = remedies[p.remedy],
        .trigger_ppb = p.trigger_percent * PERCENT,
        .throttle_first_ppb = p.throttle_first_percent * PERCENT,
        .throttle_step_ppb = p.throttle_step_percent * PERCENT,
        .throttle_max_ppb = p.throttle_percent_max * PERCENT,
        .limit_ns_per_gib = p.limit_ns_per_gib,
        .progress_limit_ns = p.progress_limit_ns,
    };
}

struct migration_policy policy_rules_policy(const struct scenario_policy *p)
{
    static const enum migration_remedy remedies[] = {
        [SCENARIO_REMEDY_SWITCH] = MIGRATION_SWITCH,
        [SCENARIO_REMEDY_ABORT] = MIGRATION_ABORT,
        [SCENARIO_REMEDY_THROTTLE] = MIGRATION_THROTTLE,
    };
    SIM_ASSERT(p->like != SCENARIO_POLICY_LIKE_DERIVED);
    SIM_ASSERT(p->remedy != SCENARIO_REMEDY_DERIVED);
    return (struct migration_policy){
        .rounds_max = (uint32_t)p->rounds,
        .pause_threshold_ns = p->threshold_ns,
        .pages_few = (uint64_t)p->few_pages,
        .sent_percent_max = (uint32_t)(p->sent_limit_ppb / PERCENT),
        .few_of_round = p->few_of == SCENARIO_POLICY_FIRST,
        .stop_at_no_gain = p->no_gain == SCENARIO_POLICY_FIRST,
        .stop_at_rate = p->beyond_rate == SCENARIO_POLICY_FIRST,
        .skip_redirtied = p->redirtied == SCENARIO_POLICY_FIRST,
        .look_pages = (uint32_t)p->look_pages,
        .last_bandwidth = p->predict_by == SCENARIO_POLICY_FIRST,
        .rate_start_bps = (uint64_t)p->rate_start_bps,
        .rate_step_bps = (uint64_t)p->rate_step_bps,
        .rate_max_bps = (uint64_t)p->rate_max_bps,
        .rate_final_bps = (uint64_t)p->rate_final_bps,
        .cap_bps = p->bandwidth_bps == QUANTITY_ABSENT ? 0 : (uint64_t)p->bandwidth_bps,
        .remedy = remedies[p->remedy],
        .trigger_percent = (uint32_t)(p->trigger_ppb / PERCENT),
        .throttle_first_percent = (uint32_t)(p->throttle_first_ppb / PERCENT),
        .throttle_step_percent = (uint32_t)(p->throttle_step_ppb / PERCENT),
        .throttle_percent_max = (uint32_t)(p->throttle_max_ppb / PERCENT),
        .limit_ns_per_gib = p->limit_ns_per_gib,
        .progress_limit_ns = p->progress_limit_ns,
    };
}

const char *policy_rules_word(enum scenario_policy_like like)
{
    const struct schema_key *policy = schema_key_find(&schema_scenario, "policy");
    return schema_choice_word(schema_key_find(policy->map, "like")->choices, (int)like);
}

/* ---- deciding ---------------------------------------------------------------------------------------------------------------- */

static void overlay_quantity(int64_t *out, int64_t own)
{
    *out = own != QUANTITY_ABSENT ? own : *out;
}

static void overlay_way(enum scenario_policy_way *out, enum scenario_policy_way own)
{
    *out = own != SCENARIO_POLICY_DERIVED ? own : *out;
}

/* What `own` leaves open, from the policy that it is like, or from `base`; NULL: from the default. */
static void decide(struct scenario_policy *own, const struct scenario_policy *base)
{
    struct scenario_policy out = own->like != SCENARIO_POLICY_LIKE_DERIVED ? named(own->like)
                                 : base != NULL                            ? *base
                                                : named(SCENARIO_POLICY_HYPER_V);
    out.source = own->source;
    overlay_quantity(&out.rounds, own->rounds);
    overlay_quantity(&out.threshold_ns, own->threshold_ns);
    overlay_quantity(&out.few_pages, own->few_pages);
    overlay_quantity(&out.sent_limit_ppb, own->sent_limit_ppb);
    overlay_way(&out.few_of, own->few_of);
    overlay_way(&out.no_gain, own->no_gain);
    overlay_way(&out.beyond_rate, own->beyond_rate);
    overlay_way(&out.redirtied, own->redirtied);
    overlay_way(&out.predict_by, own->predict_by);
    overlay_quantity(&out.look_pages, own->look_pages);
    overlay_quantity(&out.rate_start_bps, own->rate_start_bps);
    overlay_quantity(&out.rate_step_bps, own->rate_step_bps);
    overlay_quantity(&out.rate_max_bps, own->rate_max_bps);
    overlay_quantity(&out.rate_final_bps, own->rate_final_bps);
    overlay_quantity(&out.bandwidth_bps, own->bandwidth_bps);
    out.remedy = own->remedy != SCENARIO_REMEDY_DERIVED ? own->remedy : out.remedy;
    if (out.remedy == SCENARIO_REMEDY_THROTTLE && out.trigger_ppb == 0) {
        out.trigger_ppb = named(SCENARIO_POLICY_QEMU).trigger_ppb;
    }
    overlay_quantity(&out.trigger_ppb, own->trigger_ppb);
    overlay_quantity(&out.throttle_first_ppb, own->throttle_first_ppb);
    overlay_quantity(&out.throttle_step_ppb, own->throttle_step_ppb);
    overlay_quantity(&out.throttle_max_ppb, own->throttle_max_ppb);
    overlay_quantity(&out.limit_ns_per_gib, own->limit_ns_per_gib);
    overlay_quantity(&out.progress_limit_ns, own->progress_limit_ns);
    *own = out;
}

/* ---- checking ----------------------------------------------------------------------------------------------------------------- */

static void check_percents(const struct scenario_policy *policy, struct diagnostics *diagnostics)
{
    const struct {
        const char *key;
        int64_t ppb;
    } shares[] = {
        {"trigger", policy->trigger_ppb},
        {"throttle-first", policy->throttle_first_ppb},
        {"throttle-step", policy->throttle_step_ppb},
        {"throttle-max", policy->throttle_max_ppb},
        {"sent-limit", policy->sent_limit_ppb},
    };
    for (uint32_t i = 0; i < sizeof shares / sizeof *shares; i++) {
        if (shares[i].ppb % PERCENT != 0) {
            diagnostics_error(diagnostics, loader_place(policy->source, shares[i].key),
                              i < 4 ? "%s is in whole percents" : "%s is in whole hundredths",
                              shares[i].key);
        }
    }
}

static void check_policy(const struct scenario_policy *policy, const struct yaml_node *owner,
                         struct diagnostics *diagnostics)
{
    const struct yaml_node *source = policy->source != NULL ? policy->source : owner;
    struct migration_policy p = policy_rules_policy(policy);
    if (source == NULL) {
        return; /* the scenario's own, which is checked where it stands */
    }
    check_percents(policy, diagnostics);
    if (p.rate_max_bps > 0 && p.rate_start_bps > p.rate_max_bps) {
        diagnostics_error(diagnostics, loader_place(source, "rate-start"),
                          "rate-start is above rate-max");
    } else if (p.rate_max_bps > 0 && p.rate_start_bps == 0) {
        diagnostics_error(diagnostics, loader_place(source, "rate-max"),
                          "rate-max needs a rate-start");
    } else if (p.rate_max_bps == 0 && (p.rate_step_bps > 0 || p.stop_at_rate)) {
        diagnostics_error(diagnostics, loader_place(source, "rate-max"),
                          "rate-step and beyond-rate need a rate-max");
    } else if (p.throttle_first_percent > p.throttle_percent_max) {
        diagnostics_error(diagnostics, loader_place(source, "throttle-first"),
                          "throttle-first is above throttle-max");
    } else if (p.remedy == MIGRATION_THROTTLE &&
               (p.throttle_first_percent == 0 || p.throttle_step_percent == 0)) {
        diagnostics_error(diagnostics, loader_place(source, "when-not-converging"),
                          "to throttle, throttle-first and throttle-step must be above 0%%");
    } else if (!migration_policy_valid(&p)) {
        diagnostics_error(diagnostics, source->place,
                          "no rule of this policy ever ends a migration: give it rounds, a "
                          "threshold, few-pages, a sent-limit or a limit-per-gib");
    }
}

/* `rounds` and `threshold` of a migration are those of its policy in short. */
static void decide_migration(struct scenario *scenario, struct scenario_migrate *migrate,
                             struct diagnostics *diagnostics)
{
    struct scenario_policy *policy = &migrate->policy;
    if (policy->source != NULL && migrate->rounds != QUANTITY_ABSENT &&
        policy->rounds != QUANTITY_ABSENT && policy->rounds != migrate->rounds) {
        diagnostics_error(diagnostics, loader_place(migrate->source, "rounds"),
                          "the policy has other 'rounds'");
    }
    if (policy->source != NULL && migrate->threshold_ns != QUANTITY_ABSENT &&
        policy->threshold_ns != QUANTITY_ABSENT && policy->threshold_ns != migrate->threshold_ns) {
        diagnostics_error(diagnostics, loader_place(migrate->source, "threshold"),
                          "the policy has another 'threshold'");
    }
    decide(policy, &scenario->policy);
    overlay_quantity(&policy->rounds, migrate->rounds);
    overlay_quantity(&policy->threshold_ns, migrate->threshold_ns);
    migrate->rounds = policy->rounds > 0 ? policy->rounds : QUANTITY_ABSENT;
    migrate->threshold_ns = policy->threshold_ns;
}

void policy_rules_apply(struct scenario *scenario, struct diagnostics *diagnostics)
{
    decide(&scenario->policy, NULL);
    check_policy(&scenario->policy, scenario->policy.source, diagnostics);
    for (uint32_t i = 0; i < scenario->item_count; i++) {
        struct scenario_item *item = &scenario->timeline[i];
        if (item->kind == SCENARIO_MIGRATE) {
            decide_migration(scenario, &item->action.migrate, diagnostics);
            if (!item->of_drain) {
                check_policy(&item->action.migrate.policy, item->action.migrate.source,
                             diagnostics);
            }
        } else if (item->kind == SCENARIO_DRAIN) {
            decide(&item->action.drain.policy, &scenario->policy);
            check_policy(&item->action.drain.policy, item->action.drain.source, diagnostics);
        }
    }
}

/* ---- drains ---------------------------------------------------------------------------------------------------------------------- */

/* `to`, left out, is all other nodes. */
static void decide_targets(struct scenario *scenario, struct scenario_drain *drain,
                           struct diagnostics *diagnostics)
{
    if (drain->node == SIM_NONE) {
        return;
    }
    if (yaml_tree_get(drain->source, "to") == NULL) {
        drain->to.items =
            arena_alloc(&scenario->arena, scenario->node_count * sizeof(drain->to.items[0]));
        for (uint32_t i = 0; i < scenario->node_count; i++) {
            if (i != drain->node) {
                drain->to.items[drain->to.count++] = i;
            }
        }
    }
    if (drain->to.count == 0) {
        diagnostics_error(diagnostics, loader_place(drain->source, "to"),
                          "there is no other node to which '%s' could be emptied",
                          scenario->nodes[drain->node].name);
    }
    for (uint32_t i = 0; i < drain->to.count; i++) {
        if (drain->to.items[i] == drain->node) {
            diagnostics_error(diagnostics, loader_place(drain->source, "to"),
                              "'%s' cannot be emptied to itself",
                              scenario->nodes[drain->node].name);
        }
    }
}

/* `over`, left out, is the networks of the node, those first that the VM has no NIC on. */
static struct scenario_indices over_of(struct scenario *scenario,
                                       const struct scenario_drain *drain, uint32_t vm)
{
    const struct scenario_indices none = {0};
    const struct scenario_indices *all =
        drain->node != SIM_NONE ? &scenario->nodes[drain->node].nics : &none;
    struct scenario_indices over = {0};
    if (yaml_tree_get(drain->source, "over") != NULL && drain->over.count > 0) {
        return drain->over;
    }
    over.items = arena_alloc(&scenario->arena, (all->count + 1) * sizeof(over.items[0]));
    for (uint32_t shared = 0; shared < 2; shared++) {
        for (uint32_t i = 0; i < all->count; i++) {
            bool has = false;
            for (uint32_t j = 0; j < scenario->vms[vm].nics.count; j++) {
                has = has || scenario->vms[vm].nics.items[j] == all->items[i];
            }
            if (all->items[i] != SIM_NONE && has == (shared == 1)) {
                over.items[over.count++] = all->items[i];
            }
        }
    }
    return over;
}

static struct scenario_item move_of(struct scenario *scenario, const struct scenario_item *item,
                                    uint32_t vm)
{
    const struct scenario_drain *drain = &item->action.drain;
    struct scenario_item move = {
        .source = item->source,
        .name = arena_print(&scenario->arena, "%s-%s", item->name, scenario->vms[vm].name),
        .named = true,
        .trigger = SCENARIO_TRIGGER_UNSET,
        .nth = 1,
        .repetition = 1,
        .repetitions = 1,
        .kind = SCENARIO_MIGRATE,
        .of_drain = true,
    };
    move.action.migrate = (struct scenario_migrate){
        .source = drain->source,
        .vm = vm,
        .to = SIM_NONE,
        .over = over_of(scenario, drain, vm),
        .rounds = QUANTITY_ABSENT,
        .threshold_ns = QUANTITY_ABSENT,
        .time_limit_ns = drain->time_limit_ns,
        .when_busy = SCENARIO_QUEUE,
        .policy = drain->policy,
        .compress = drain->compress,
    };
    move.given = move.name;
    return move;
}

void policy_rules_add_moves(struct scenario *scenario, struct diagnostics *diagnostics)
{
    uint32_t drains = 0, count = scenario->item_count;
    for (uint32_t i = 0; i < scenario->item_count; i++) {
        drains += scenario->timeline[i].kind == SCENARIO_DRAIN;
    }
    if (drains == 0) {
        return;
    }
    if ((uint64_t)drains * scenario->vm_count > MOVES_MAX) {
        diagnostics_error(diagnostics, scenario->source->place,
                          "%u drains of %u VMs are more migrations than a run may have (%u)",
                          drains, scenario->vm_count, MOVES_MAX);
        return;
    }
    uint32_t total = count + drains * scenario->vm_count;
    struct scenario_item *items = arena_alloc(&scenario->arena, total * sizeof(*items));
    struct scenario_name *names = arena_alloc(&scenario->arena, total * sizeof(*names));
    memcpy(items, scenario->timeline, count * sizeof(*items));
    for (uint32_t i = 0; i < scenario->item_count; i++) {
        if (items[i].kind != SCENARIO_DRAIN) {
            continue;
        }
        decide_targets(scenario, &items[i].action.drain, diagnostics);
        items[i].action.drain.first_move = count;
        for (uint32_t vm = 0; vm < scenario->vm_count; vm++) {
            items[count] = move_of(scenario, &items[i], vm);
            items[count].drain = i;
            names[count - scenario->item_count] = (struct scenario_name){
                items[count].name, {SCENARIO_ACTION, count}, loader_place(items[i].source, "as")};
            count++;
        }
    }
    part_names_add(scenario, names, count - scenario->item_count, diagnostics);
    scenario->timeline = items;
    scenario->item_count = count;
}
