/* Why a migration went as it did: the rule that ended its rounds, what the last rounds were good for, and what was full. */
#include "cluster/migration_policy.h"
#include "nic/frame.h"
#include "nic/link.h"
#include "sim/assert.h"
#include "testbed/report_private.h"

#include "testbed/fault_rules.h"

#include <string.h>

#define LINK_FULL_PERCENT      90
#define PROCESSOR_FULL_PERCENT 80
#define GUESTS_FULL_PERCENT    75u /* software that needs little beside them waits for turns already */
/* A round that leaves three quarters of what it sent written again has reached what the guest writes meanwhile. */
#define PLATEAU_PERCENT 75
/* Rounds that together shortened the pause by less than a quarter were for nothing. */
#define VAIN_PERCENT 25
/* IPv4, TCP and the timestamps that every segment carries (RFC 7323 3.2, "Timestamps Option"). */
#define SEGMENT_HEADER_BYTES 52
/* How a migration ends that the target refused; its reason follows. */
#define REFUSED "refused by the target"

const char *report_limit_word(enum report_limit limit)
{
    static const char *const words[REPORT_LIMITS] = {"none",   "guest",  "link",  "processor",
                                                     "losses", "target", "policy"};
    return words[limit];
}

enum judge_step report_last_step(const struct judge_migration *m)
{
    enum judge_step last = JUDGE_WAITING;
    for (uint32_t step = 0; step < JUDGE_DONE; step++) {
        if (m->step_at[step] != SIM_NEVER) {
            last = (enum judge_step)step;
        }
    }
    return last;
}

/* What the explanation rests on. */
struct facts {
    const struct run_result *result;
    uint32_t item;
    const struct judge_migration *m;
    const struct scenario_migrate *migrate;
    uint32_t rounds; /* before the pause */
    const struct judge_round *last;
    uint64_t
        sharers; /* migrations that sent over the same link at the same time, itself included */
    uint64_t busy_percent;
    uint32_t busy_node;
    uint64_t guests_percent; /* of all time of a node's cores, vCPUs had so much */
    uint32_t guests_node;
    uint32_t timeouts;
    sim_time end;
};

static bool is_rule(const struct judge_migration *m, enum migration_decision decision)
{
    return strcmp(m->rule, migration_decision_text(decision)) == 0;
}

/* ---- facts --------------------------------------------------------------------------------------------------------------------- */

static sim_time end_of(const struct run_result *result, const struct judge_migration *m)
{
    return m->ended ? m->ended_at : result->simulated_ns;
}

uint64_t report_capacity_bps(const struct scenario_network *network)
{
    uint64_t payload = (uint64_t)network->mtu_bytes - SEGMENT_HEADER_BYTES;
    uint64_t wire = (uint64_t)network->mtu_bytes + (network->framing == SCENARIO_PPP
                                                        ? PPP_HEADER_BYTES
                                                        : ETH_HEADER_BYTES + ETH_OVERHEAD_BYTES);
    return (uint64_t)network->rate_bps / wire * payload +
           (uint64_t)network->rate_bps % wire * payload / wire;
}

static uint64_t sharers_of(const struct facts *facts)
{
    const struct scenario *scenario = facts->result->scenario;
    uint64_t sharers = 0;
    for (uint32_t i = 0; i < scenario->item_count; i++) {
        const struct scenario_item *item = &scenario->timeline[i];
        if (item->kind != SCENARIO_MIGRATE) {
            continue;
        }
        const struct judge_migration *other = judge_migration(facts->result->judge, i);
        bool same_link =
            other->from_node == facts->m->from_node || other->to_node == facts->m->to_node;
        sharers += other->ordered && other->network == facts->m->network && same_link &&
                   other->step_at[JUDGE_PRE_COPY] < facts->end &&
                   facts->m->started < end_of(facts->result, other);
    }
    return sharers > 0 ? sharers : 1;
}

/* The busier of the two nodes: its software's processor time over the time that its migrations took. */
static void find_busy(struct facts *facts)
{
    const struct scenario *scenario = facts->result->scenario;
    uint32_t nodes[2] = {facts->m->from_node, facts->m->to_node};
    for (uint32_t n = 0; n < 2; n++) {
        uint64_t working = 0;
        if (nodes[n] == SIM_NONE) {
            continue;
        }
        for (uint32_t i = 0; i < scenario->item_count; i++) {
            const struct scenario_item *item = &scenario->timeline[i];
            if (item->kind != SCENARIO_MIGRATE) {
                continue;
            }
            const struct judge_migration *m = judge_migration(facts->result->judge, i);
            if (m->ordered && (m->from_node == nodes[n] || m->to_node == nodes[n])) {
                working += (uint64_t)(end_of(facts->result, m) - m->started);
            }
        }
        uint64_t percent =
            report_percent((uint64_t)judge_node_busy(facts->result->judge, nodes[n]), working);
        if (percent > facts->busy_percent) {
            facts->busy_percent = percent < 100 ? percent : 100;
            facts->busy_node = nodes[n];
        }
    }
}

/* The node of the two whose cores its guests kept busier, over the whole run. */
static void find_guests(struct facts *facts)
{
    const struct scenario *scenario = facts->result->scenario;
    uint32_t nodes[2] = {facts->m->from_node, facts->migrate->to};
    for (uint32_t n = 0; n < 2; n++) {
        if (nodes[n] == SIM_NONE) {
            continue;
        }
        uint64_t cores = (uint64_t)scenario->nodes[nodes[n]].cores;
        uint64_t served = (uint64_t)judge_node_guests(facts->result->judge, nodes[n]);
        uint64_t percent = report_percent(served / cores, (uint64_t)facts->result->simulated_ns);
        if (percent > facts->guests_percent) {
            facts->guests_percent = percent;
            facts->guests_node = nodes[n];
        }
    }
}

static void find_speed(const struct facts *facts, struct report_why *out)
{
    uint64_t bytes = 0;
    sim_time took = 0;
    for (uint32_t i = 0; i < facts->rounds; i++) {
        bytes += facts->m->rounds[i].bytes;
        took += facts->m->rounds[i].took;
    }
    out->goodput_bps = report_bps(bytes, took);
    if (facts->m->network != SIM_NONE) {
        out->capacity_bps =
            report_capacity_bps(&facts->result->scenario->networks[facts->m->network]);
    }
}

static struct facts gather(const struct run_result *result, uint32_t item)
{
    struct facts facts = {
        .result = result,
        .item = item,
        .m = judge_migration(result->judge, item),
        .migrate = &result->scenario->timeline[item].action.migrate,
    };
    facts.end = end_of(result, facts.m);
    facts.rounds = facts.m->round_count - (facts.m->has_final ? 1 : 0);
    facts.last = facts.rounds > 0 ? &facts.m->rounds[facts.rounds - 1] : NULL;
    for (uint32_t step = 0; step < JUDGE_STEPS; step++) {
        facts.timeouts += facts.m->timeouts[step];
    }
    facts.sharers = sharers_of(&facts);
    find_busy(&facts);
    find_guests(&facts);
    return facts;
}

/* ---- what was full --------------------------------------------------------------------------------------------------------------- */

static bool guest_keeps_up(const struct facts *facts)
{
    bool vain =
        is_rule(facts->m, MIGRATION_STOP_ROUNDS) || is_rule(facts->m, MIGRATION_STOP_NO_GAIN) ||
        is_rule(facts->m, MIGRATION_STOP_RATE) || is_rule(facts->m, MIGRATION_STOP_VOLUME) ||
        is_rule(facts->m, MIGRATION_STOP_DIRTYING);
    return facts->rounds >= 2 && vain &&
           report_percent(facts->last->dirtied, facts->last->pages) >= PLATEAU_PERCENT;
}

static enum report_limit limit_of(const struct facts *facts, const struct report_why *why)
{
    if (strncmp(facts->m->how, REFUSED, strlen(REFUSED)) == 0) {
        return REPORT_LIMIT_TARGET;
    }
    if (facts->rounds == 0) {
        return facts->timeouts > 0 ? REPORT_LIMIT_LOSSES : REPORT_LIMIT_NONE;
    }
    if (guest_keeps_up(facts)) {
        return REPORT_LIMIT_GUEST;
    }
    if (why->capacity_bps > 0 &&
        report_percent(why->goodput_bps * facts->sharers, why->capacity_bps) >= LINK_FULL_PERCENT) {
        return REPORT_LIMIT_LINK;
    }
    if (facts->m->rate_least_bps > 0 &&
        report_percent(why->goodput_bps, facts->m->rate_least_bps) >= PROCESSOR_FULL_PERCENT) {
        return REPORT_LIMIT_POLICY;
    }
    if (facts->busy_percent >= PROCESSOR_FULL_PERCENT ||
        facts->guests_percent >= GUESTS_FULL_PERCENT) {
        return REPORT_LIMIT_PROCESSOR;
    }
    return facts->timeouts > 0 ? REPORT_LIMIT_LOSSES : REPORT_LIMIT_NONE;
}

/* ---- sentences --------------------------------------------------------------------------------------------------------------------- */

static char upper(char c)
{
    return c >= 'a' && c <= 'z' ? (char)(c - 'a' + 'A') : c;
}

/* The text goes on behind "Why: ", so a sentence of ours begins small; a name of the scenario stays as it is. */
static void begin_small(struct report_text *text)
{
    static const char *const ours[] = {"The ", "Neither ", "Losses "};
    for (size_t i = 0; i < sizeof ours / sizeof *ours; i++) {
        if (strncmp(text->bytes, ours[i], strlen(ours[i])) == 0) {
            text->bytes[0] = (char)(text->bytes[0] - 'A' + 'a');
        }
    }
}

static void add_rule(const struct facts *facts, struct report_text *text)
{
    char figure[REPORT_FIGURE_BYTES], rounds[REPORT_FIGURE_BYTES];
    const struct judge_migration *m = facts->m;
    size_t begins = text->length;
    report_plural(facts->rounds, "round", "rounds", rounds);
    if (m->rule[0] == 0 || (m->ended && !m->completed && strstr(m->how, m->rule) != NULL)) {
        return; /* or it has been said */
    }
    if (is_rule(m, MIGRATION_STOP_ROUNDS)) {
        report_add(text, "stopped at the limit of %s. ", rounds);
    } else if (is_rule(m, MIGRATION_STOP_THRESHOLD)) {
        report_add(text, "the pause predicted after %s fell below the threshold of %s. ", rounds,
                   quantity_print(QUANTITY_TIME, facts->migrate->threshold_ns, figure));
    } else if (is_rule(m, MIGRATION_STOP_CLEAN)) {
        report_add(text, "after %s nothing was left to send. ", rounds);
    } else if (is_rule(m, MIGRATION_STOP_FEW)) {
        report_add(text, "after %s fewer than %lld pages were left. ", rounds,
                   (long long)facts->migrate->policy.few_pages);
    } else if (is_rule(m, MIGRATION_STOP_VOLUME)) {
        report_add(text, "after %s more than %s times its RAM had been sent. ", rounds,
                   quantity_print(QUANTITY_FACTOR, facts->migrate->policy.sent_limit_ppb, figure));
    } else if (is_rule(m, MIGRATION_STOP_DIRTYING)) {
        report_add(text, "more than %s of what was sent had been written again, after %s. ",
                   quantity_print(QUANTITY_SHARE, facts->migrate->policy.trigger_ppb, figure),
                   rounds);
    } else {
        report_add(text, "%s, after %s. ", m->rule, rounds);
    }
    if (begins > 0) { /* a sentence of its own; the first goes on behind "Why: " */
        text->bytes[begins] = upper(text->bytes[begins]);
    }
}

/* What the policy did: slowed the guest down, skipped pages. */
static void add_policy(const struct facts *facts, struct report_text *text)
{
    char figure[REPORT_FIGURE_BYTES];
    const struct judge_migration *m = facts->m;
    if (m->first_throttled_round > 0 && m->first_throttled_round == m->throttled_round) {
        report_add(text, "The guest ran at %u%% from round %u. ", m->throttled_left,
                   m->throttled_round);
    } else if (m->first_throttled_round > 0) {
        report_add(text,
                   "The guest was slowed down from round %u on, and ran at %u%% from round %u. ",
                   m->first_throttled_round, m->throttled_left, m->throttled_round);
    }
    if (m->skipped_pages > 0) {
        report_add(text, "%s waited for a later round, because they were written again. ",
                   report_plural(m->skipped_pages, "page", "pages", figure));
    }
}

static void add_compression(const struct facts *facts, struct report_text *text)
{
    char saved[REPORT_FIGURE_BYTES], of[REPORT_FIGURE_BYTES], here[REPORT_FIGURE_BYTES];
    const struct judge_packed *source = &facts->m->packed[0], *target = &facts->m->packed[1];
    if (source->pages == 0) {
        return;
    }
    const struct scenario *scenario = facts->result->scenario;
    report_add(text, "Compression saved %s of %s and took %s of processor time on %s",
               report_size(source->before - source->after, saved), report_size(source->before, of),
               report_time(source->busy, here), scenario->nodes[facts->m->from_node].name);
    if (target->pages > 0) {
        report_add(text, ", %s on %s", report_time(target->busy, here),
                   scenario->nodes[facts->m->to_node].name);
    }
    report_add(text, ". ");
}

/* From which round on they were for nothing: the first after which the pause was hardly longer than after the last; one more than there
 * are where the last still helped. */
static uint32_t first_vain_round(const struct facts *facts)
{
    sim_time final = facts->last->pause_if_stopped;
    for (uint32_t i = 0; i + 1 < facts->rounds; i++) {
        sim_time before = facts->m->rounds[i].pause_if_stopped;
        if (before > 0 && (before - final) <= before / 100 * VAIN_PERCENT) {
            return i + 2;
        }
    }
    return facts->rounds + 1;
}

static void add_vain_rounds(const struct facts *facts, struct report_text *text)
{
    char size[REPORT_FIGURE_BYTES], time[REPORT_FIGURE_BYTES], more[REPORT_FIGURE_BYTES];
    uint64_t bytes = 0;
    if (facts->rounds < 2 || !is_rule(facts->m, MIGRATION_STOP_ROUNDS)) {
        return;
    }
    uint32_t first = first_vain_round(facts);
    if (first > facts->rounds) {
        report_add(text, "Round %u still shortened the pause from %s to %s. ", facts->rounds,
                   report_time(facts->m->rounds[facts->rounds - 2].pause_if_stopped, time),
                   report_time(facts->last->pause_if_stopped, more));
        return;
    }
    for (uint32_t i = first - 1; i < facts->rounds; i++) {
        bytes += facts->m->rounds[i].bytes;
    }
    if (first == facts->rounds) {
        report_add(text, "Round %u", first);
    } else {
        report_add(text, "Rounds %u-%u", first, facts->rounds);
    }
    sim_time saved = facts->m->rounds[first - 2].pause_if_stopped - facts->last->pause_if_stopped;
    if (saved > 0) {
        report_add(text, " sent %s and saved %s. ", report_size(bytes, size),
                   report_time(saved, time));
    } else {
        report_add(text, " sent %s and saved nothing. ", report_size(bytes, size));
    }
}

static void add_speed(const struct facts *facts, const struct report_why *why, const char *pages,
                      struct report_text *text)
{
    char goodput[REPORT_FIGURE_BYTES], rate[REPORT_FIGURE_BYTES];
    report_add(text, "%s went at %s", pages, report_rate(why->goodput_bps, goodput));
    if (why->capacity_bps > 0) {
        const struct scenario_network *network =
            &facts->result->scenario->networks[facts->m->network];
        uint64_t percent = report_percent(why->goodput_bps, why->capacity_bps);
        report_add(text, ", %llu%% of what TCP can carry over the %s of %s",
                   (unsigned long long)(percent < 100 ? percent : 100),
                   quantity_print(QUANTITY_RATE, network->rate_bps, rate), network->name);
    }
    if (facts->sharers > 1) {
        report_add(text, ", shared by %llu migrations", (unsigned long long)facts->sharers);
    }
}

static void add_limit(const struct facts *facts, const struct report_why *why,
                      struct report_text *text)
{
    char figure[REPORT_FIGURE_BYTES];
    bool link_full =
        why->capacity_bps > 0 &&
        report_percent(why->goodput_bps * facts->sharers, why->capacity_bps) >= LINK_FULL_PERCENT;
    switch (why->limit) {
    case REPORT_LIMIT_GUEST:
        report_add(text, "The guest rewrites about %s as fast as %s. ",
                   report_size(facts->last->dirtied * PAGE_BYTES, figure),
                   link_full ? "the link carries it" : "it is sent");
        add_speed(facts, why, "Pages", text);
        report_add(text, ". ");
        break;
    case REPORT_LIMIT_LINK:
        report_add(text, "The link was the limit: ");
        add_speed(facts, why, "pages", text);
        report_add(text, ". ");
        break;
    case REPORT_LIMIT_PROCESSOR:
        if (facts->guests_percent >= GUESTS_FULL_PERCENT) {
            report_add(text,
                       "The processor was the limit: guests had %llu%% of the time of %s's cores, "
                       "and ",
                       (unsigned long long)facts->guests_percent,
                       facts->result->scenario->nodes[facts->guests_node].name);
        } else {
            report_add(text,
                       "The processor was the limit: the software of %s worked %llu%% of the "
                       "time, and ",
                       facts->result->scenario->nodes[facts->busy_node].name,
                       (unsigned long long)facts->busy_percent);
        }
        add_speed(facts, why, "pages", text);
        report_add(text, ". ");
        break;
    case REPORT_LIMIT_POLICY:
        report_add(text, "The policy was the limit: it allowed %s",
                   report_rate(facts->m->rate_least_bps, figure));
        if (facts->m->rate_most_bps > facts->m->rate_least_bps) {
            report_add(text, " to %s", report_rate(facts->m->rate_most_bps, figure));
        }
        report_add(text, ". ");
        add_speed(facts, why, "Pages", text);
        report_add(text, ". ");
        break;
    case REPORT_LIMIT_LOSSES:
        if (facts->rounds > 0) {
            report_add(text, "Losses were the limit: ");
            add_speed(facts, why, "pages", text);
            report_add(text, ". ");
        }
        break;
    case REPORT_LIMIT_NONE:
        if (facts->rounds > 0) {
            report_add(text, "Neither link nor processor was full: ");
            add_speed(facts, why, "pages", text);
            report_add(text, ". ");
        }
        break;
    default:
        break;
    }
}

/* What the pause was said to be, where it became something else. */
static void add_surprise(const struct facts *facts, struct report_text *text)
{
    char said[REPORT_FIGURE_BYTES], took[REPORT_FIGURE_BYTES];
    if (!facts->m->has_final || facts->rounds == 0) {
        return;
    }
    const struct judge_round *final = &facts->m->rounds[facts->m->round_count - 1];
    sim_time predicted = facts->last->pause_if_stopped;
    if (final->took > predicted + predicted / 2 + 20 * SIM_MS) {
        report_add(text, "The last pages were predicted to take %s and took %s. ",
                   report_time(predicted, said), report_time(final->took, took));
    }
}

static void add_timeouts(const struct facts *facts, struct report_text *text)
{
    char time[REPORT_FIGURE_BYTES];
    const struct judge_migration *m = facts->m;
    for (uint32_t step = 0; step < JUDGE_STEPS; step++) {
        if (m->timeouts[step] == 0) {
            continue;
        }
        bool pause = step >= JUDGE_STOP_COPY && m->paused_known && m->running_known &&
                     m->waited[step] <= m->resumed_at - m->paused_at;
        report_add(text, "TCP timed out %u %s in %s: %s of %s. ", m->timeouts[step],
                   m->timeouts[step] == 1 ? "time" : "times",
                   judge_step_word((enum judge_step)step), report_time(m->waited[step], time),
                   pause ? "the pause" : "waiting");
    }
}

static bool concerns(const struct facts *facts, const struct scenario_fault *fault)
{
    const struct scenario *scenario = facts->result->scenario;
    const struct scenario_part parts[] = {{SCENARIO_NODE, facts->m->from_node},
                                          {SCENARIO_NODE, facts->m->to_node},
                                          {SCENARIO_VM, facts->migrate->vm}};
    for (uint32_t i = 0; i < sizeof parts / sizeof *parts; i++) {
        if (fault_concerns_machine(scenario, fault, parts[i])) {
            return true;
        }
    }
    return false;
}

/* Whether a fault acted on its nodes or links while it was under way. */
static bool met(const struct facts *facts, uint32_t index)
{
    const struct scenario_item *item = &facts->result->scenario->timeline[index];
    const char *how = NULL;
    sim_time began = judge_action_start(facts->result->judge, index);
    return item->kind == SCENARIO_FAULT && began != SIM_NEVER && began <= facts->end &&
           judge_action_end(facts->result->judge, index, &how) >= facts->m->started &&
           concerns(facts, &item->action.fault);
}

/* The step that it met it in. */
static void add_fault(const struct facts *facts, uint32_t index, uint32_t times,
                      struct report_text *text)
{
    const struct scenario_item *item = &facts->result->scenario->timeline[index];
    sim_time began = judge_action_start(facts->result->judge, index);
    uint32_t step = JUDGE_WAITING;
    for (uint32_t i = 0; i < JUDGE_DONE; i++) {
        if (facts->m->step_at[i] != SIM_NEVER && facts->m->step_at[i] <= began) {
            step = i;
        }
    }
    if (times > 1) {
        report_add(text, "%s acted %u times, the first ", item->given, (unsigned)times);
    } else {
        report_add(text, "%s ", item->name);
    }
    if (began < facts->m->started) {
        report_add(text, times > 1 ? "before it began: " : "had begun before: ");
    } else if (step == JUDGE_WAITING) {
        report_add(text, times > 1 ? "as it began: " : "began with it: ");
    } else {
        report_add(text,
                   times > 1 ? "in %s: " : "began in %s: ", judge_step_word((enum judge_step)step));
    }
    report_add_fault(text, facts->result->scenario, index);
    report_add(text, ". ");
}

/* Faults that met it; one that happened several times is said once. */
static void add_faults(const struct facts *facts, struct report_text *text)
{
    const struct scenario *scenario = facts->result->scenario;
    uint32_t repetitions;
    for (uint32_t i = 0; i < scenario->item_count; i += repetitions) {
        uint32_t first = SIM_NONE, times = 0;
        repetitions = scenario->timeline[i].repetitions;
        SIM_ASSERT(scenario->timeline[i].repetition == 1);
        for (uint32_t j = i; j < i + repetitions; j++) {
            if (met(facts, j)) {
                first = times == 0 ? j : first;
                times++;
            }
        }
        if (times > 0) {
            add_fault(facts, first, times, text);
        }
    }
}

void report_explain(const struct run_result *result, uint32_t item, struct report_why *out)
{
    struct facts facts = gather(result, item);
    *out = (struct report_why){0};
    find_speed(&facts, out);
    out->limit = limit_of(&facts, out);
    if (facts.m->ended && !facts.m->completed) {
        bool refused = out->limit == REPORT_LIMIT_TARGET;
        const char *reason = facts.m->how + (refused ? strlen(REFUSED) : 0);
        report_add(&out->text, "%s%s. ", refused ? "the target was the limit, it refused" : "",
                   reason);
    }
    add_rule(&facts, &out->text);
    add_vain_rounds(&facts, &out->text);
    add_policy(&facts, &out->text);
    add_limit(&facts, out, &out->text);
    add_compression(&facts, &out->text);
    add_surprise(&facts, &out->text);
    add_timeouts(&facts, &out->text);
    add_faults(&facts, &out->text);
    begin_small(&out->text);
    while (out->text.length > 0 && out->text.bytes[out->text.length - 1] == ' ') {
        out->text.bytes[--out->text.length] = 0;
    }
}
