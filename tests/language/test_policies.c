/* Policies, compression and drains in the language: what is left open is decided, what makes no sense is refused. */
#include <criterion/criterion.h>

#include "cluster/migration_policy.h"
#include "testbed/policy_rules.h"
#include "testbed/resolved.h"
#include "tests/language/helpers.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char base[] = "networks:\n"
                           "  lan: {rate: 1Gbit/s}\n"
                           "  move: {rate: 1Gbit/s}\n"
                           "nodes:\n"
                           "  node1..node3: {memory: 8GiB, nics: [lan, move]}\n"
                           "vms:\n"
                           "  web1..web2: {node: node1, memory: 1GiB, nics: [lan]}\n"
                           "%s\n"
                           "timeline:\n"
                           "  - {at: 1s, %s}\n";

static const char *write_text(const char *top, const char *action)
{
    static char text[4096];
    snprintf(text, sizeof text, base, top, action);
    return text;
}

static struct scenario *load(const char *what, const char *text)
{
    struct diagnostics *diagnostics = diagnostics_new();
    struct scenario *scenario =
        scenario_load_text("policies", text, strlen(text), NULL, diagnostics);
    if (scenario == NULL) {
        diagnostics_print(diagnostics, stderr);
    }
    cr_assert(scenario != NULL, "%s", what);
    diagnostics_free(diagnostics);
    return scenario;
}

/* What is printed with all its defaults means the same. */
static void round_trip(const struct scenario *scenario, const char *what)
{
    char *first = resolved_text(scenario, NULL);
    struct scenario *again = load(what, first);
    char *second = resolved_text(again, NULL);
    cr_expect_str_eq(first, second, "%s", what);
    cr_expect(scenario->item_count == again->item_count, "%s", what);
    for (uint32_t i = 0; i < scenario->item_count && i < again->item_count; i++) {
        if (scenario->timeline[i].kind != SCENARIO_MIGRATE) {
            continue;
        }
        struct migration_policy a =
            policy_rules_policy(&scenario->timeline[i].action.migrate.policy);
        struct migration_policy b = policy_rules_policy(&again->timeline[i].action.migrate.policy);
        cr_expect(a.rounds_max == b.rounds_max && a.remedy == b.remedy &&
                      a.pause_threshold_ns == b.pause_threshold_ns && a.cap_bps == b.cap_bps &&
                      a.rate_max_bps == b.rate_max_bps && a.trigger_percent == b.trigger_percent,
                  "%s: item %u has another policy", what, i);
    }
    free(first);
    free(second);
    scenario_free(again);
}

Test(policies, what_is_left_open_is_decided)
{
    static const struct {
        const char *name, *top, *action;
        struct migration_policy expected;
    } rows[] = {
        {"nothing is said",
         "",
         "live-migrate: {vm: web1, to: node2}",
         {.rounds_max = 10, .pause_threshold_ns = 50 * SIM_MS}},
        {"in short",
         "",
         "live-migrate: {vm: web1, to: node2, rounds: 7, threshold: 9ms}",
         {.rounds_max = 7, .pause_threshold_ns = 9 * SIM_MS}},
        {"of the whole scenario",
         "policy: xen-later",
         "live-migrate: {vm: web1, to: node2}",
         {.rounds_max = 5, .pages_few = 50}},
        {"of the whole scenario, and in short",
         "policy: {like: xen-later, few-pages: 7}",
         "live-migrate: {vm: web1, to: node2, rounds: 3}",
         {.rounds_max = 3, .pages_few = 7}},
        {"its own, on top of the scenario's",
         "policy: {like: xen-later, few-pages: 7}",
         "live-migrate: {vm: web1, to: node2, policy: {rounds: 0, bandwidth: 100Mbit/s}}",
         {.pages_few = 7, .cap_bps = 100000000}},
        {"like another, without the scenario's",
         "policy: {like: xen-later, few-pages: 7, bandwidth: 100Mbit/s}",
         "live-migrate: {vm: web1, to: node2, policy: qemu}",
         {.pause_threshold_ns = 300 * SIM_MS, .remedy = MIGRATION_THROTTLE, .trigger_percent = 50}},
        {"to throttle takes QEMU's trigger",
         "",
         "live-migrate: {vm: web1, to: node2, policy: {when-not-converging: throttle}}",
         {.rounds_max = 10,
          .pause_threshold_ns = 50 * SIM_MS,
          .remedy = MIGRATION_THROTTLE,
          .trigger_percent = 50}},
        {"or none",
         "",
         "live-migrate: {vm: web1, to: node2, policy: {when-not-converging: throttle, trigger: "
         "0%}}",
         {.rounds_max = 10, .pause_threshold_ns = 50 * SIM_MS, .remedy = MIGRATION_THROTTLE}},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct scenario *scenario = load(rows[i].name, write_text(rows[i].top, rows[i].action));
        struct migration_policy p =
            policy_rules_policy(&scenario->timeline[0].action.migrate.policy);
        const struct migration_policy *e = &rows[i].expected;
        cr_expect(p.rounds_max == e->rounds_max, "%s: %u rounds", rows[i].name, p.rounds_max);
        cr_expect(p.pause_threshold_ns == e->pause_threshold_ns, "%s: %lld ns", rows[i].name,
                  (long long)p.pause_threshold_ns);
        cr_expect(p.pages_few == e->pages_few, "%s: %llu pages", rows[i].name,
                  (unsigned long long)p.pages_few);
        cr_expect(p.cap_bps == e->cap_bps, "%s", rows[i].name);
        cr_expect(p.remedy == e->remedy, "%s", rows[i].name);
        cr_expect(p.trigger_percent == e->trigger_percent, "%s: %u %%", rows[i].name,
                  p.trigger_percent);
        cr_expect(migration_policy_valid(&p), "%s", rows[i].name);
        round_trip(scenario, rows[i].name);
        scenario_free(scenario);
    }
}

/* The language has every constant of every policy: written out, it is that policy. */
Test(policies, every_name_is_what_the_node_software_has)
{
    for (uint32_t i = 0; i < MIGRATION_POLICIES; i++) {
        char top[64];
        const char *word =
            policy_rules_word((enum scenario_policy_like)(SCENARIO_POLICY_HYPER_V + i));
        snprintf(top, sizeof top, "policy: %s", word);
        struct scenario *scenario =
            load(word, write_text(top, "live-migrate: {vm: web1, to: node2}"));
        struct migration_policy a = migration_policy_named((enum migration_policy_name)i);
        struct migration_policy b =
            policy_rules_policy(&scenario->timeline[0].action.migrate.policy);
        a.look_pages = b.look_pages; /* has a default of its own */
        cr_expect(a.rounds_max == b.rounds_max && a.pause_threshold_ns == b.pause_threshold_ns &&
                      a.pages_few == b.pages_few && a.few_of_round == b.few_of_round,
                  "%s", word);
        cr_expect(a.sent_percent_max == b.sent_percent_max &&
                      a.stop_at_no_gain == b.stop_at_no_gain && a.stop_at_rate == b.stop_at_rate &&
                      a.skip_redirtied == b.skip_redirtied && a.last_bandwidth == b.last_bandwidth,
                  "%s", word);
        cr_expect(a.rate_start_bps == b.rate_start_bps && a.rate_step_bps == b.rate_step_bps &&
                      a.rate_max_bps == b.rate_max_bps && a.rate_final_bps == b.rate_final_bps,
                  "%s", word);
        cr_expect(a.remedy == b.remedy && a.trigger_percent == b.trigger_percent &&
                      a.throttle_first_percent == b.throttle_first_percent &&
                      a.throttle_step_percent == b.throttle_step_percent &&
                      a.throttle_percent_max == b.throttle_percent_max &&
                      a.limit_ns_per_gib == b.limit_ns_per_gib &&
                      a.progress_limit_ns == b.progress_limit_ns,
                  "%s", word);
        scenario_free(scenario);
    }
}

Test(policies, a_drain_has_a_migration_for_each_vm)
{
    struct scenario *scenario =
        load("drain", write_text("expect: [empty-web2.downtime < 1s, empty.moved == 2]",
                                 "drain: node1, as: empty"));
    cr_assert(scenario->listed_item_count == 1 && scenario->item_count == 3);
    const struct scenario_drain *drain = &scenario->timeline[0].action.drain;
    cr_expect(drain->first_move == 1 && drain->to.count == 2 && drain->to.items[0] == 1);
    for (uint32_t i = 0; i < 2; i++) {
        const struct scenario_item *move = &scenario->timeline[1 + i];
        cr_expect_str_eq(move->name, i == 0 ? "empty-web1" : "empty-web2");
        cr_expect(move->of_drain && move->drain == 0 && move->kind == SCENARIO_MIGRATE);
        cr_expect(move->action.migrate.vm == i && move->action.migrate.to == SIM_NONE);
        /* Networks that its clients do not use come first. */
        cr_assert(move->action.migrate.over.count == 2);
        cr_expect_str_eq(scenario->networks[move->action.migrate.over.items[0]].name, "move");
    }
    round_trip(scenario, "drain");
    scenario_free(scenario);
}

Test(policies, what_makes_no_sense_is_refused)
{
    static const struct {
        const char *name, *top, *action, *expected;
    } rows[] = {
        {"an unknown policy", "policy: vmware", "drain: node1", "like: 'vmware' is not one of"},
        {"no end", "policy: {like: qemu, threshold: 0s}", "drain: node1",
         "no rule of this policy ever ends a migration"},
        {"a start above the maximum", "policy: {like: xen, rate-start: 1Gbit/s}", "drain: node1",
         "rate-start is above rate-max"},
        {"a maximum without a start", "policy: {rate-max: 1Gbit/s}", "drain: node1",
         "rate-max needs a rate-start"},
        {"a step without a maximum", "policy: {rate-step: 1Gbit/s}", "drain: node1",
         "need a rate-max"},
        {"half a percent", "policy: {trigger: 50.5%}", "drain: node1", "is in whole percents"},
        {"all of the guest", "policy: {throttle-max: 100%}", "drain: node1", "out of range"},
        {"a first step above the last", "policy: {throttle-first: 50%, throttle-max: 40%}",
         "drain: node1", "throttle-first is above throttle-max"},
        {"no step", "policy: {when-not-converging: throttle, throttle-step: 0%}", "drain: node1",
         "must be above 0%"},
        {"post-copy", "policy: {when-not-converging: post-copy}", "drain: node1",
         "'post-copy' is not one of"},
        {"no unit", "policy: {bandwidth: 100}", "drain: node1", "needs a unit"},
        {"two numbers of rounds", "",
         "live-migrate: {vm: web1, to: node2, rounds: 3, policy: {rounds: 4}}",
         "the policy has other 'rounds'"},
        {"no workers", "", "live-migrate: {vm: web1, to: node2, compress: 0}", "out of range"},
        {"a node that is none", "", "drain: node7", "nothing is named 'node7'"},
        {"a VM", "", "drain: web1", "is a VM"},
        {"to itself", "", "drain: {node: node1, to: [node2, node1]}",
         "'node1' cannot be emptied to itself"},
        {"to nobody", "", "drain: {node: node1, to: []}", "there is no other node"},
        {"a name that a VM's migration has", "expect: [a-web1.end < 1s]",
         "drain: node1, as: a}\n  - {at: 2s, ping: {from: node1, to: web1}, as: a-web1", "a-web1"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        char *errors = helper_errors(write_text(rows[i].top, rows[i].action), NULL);
        cr_expect(strstr(errors, rows[i].expected) != NULL, "%s: found\n%s", rows[i].name, errors);
        free(errors);
    }
}
