/* Policies over random guests: what must hold of rounds, bytes, rates and pauses whatever the guest does. */
#include <criterion/criterion.h>

#include "tests/migration/rig.h"

#include "sim/chance.h"

#include <stdio.h>
#include <string.h>

#define GUESTS RIG_STRIDE(12, 3)

/* A run, and what its one migration came to. */
struct moved {
    struct scenario *scenario;
    struct run *run;
    const struct judge_migration *m;
    const struct scenario_policy *policy;
    uint64_t ram_pages;
    char why[256]; /* the first oracle that failed, or "" */
};

static struct moved move(const char *text)
{
    struct moved moved = {.scenario = rig_load(text, NULL)};
    char why[512];
    moved.run = run_new(
        &(struct run_options){.scenario = moved.scenario, .until = SIM_NEVER, .version = "test"},
        why, sizeof why);
    cr_assert(moved.run != NULL, "%s", why);
    cr_assert(run_go(moved.run, SIM_NEVER) == RUN_OVER);
    cr_assert(run_finish(moved.run, why, sizeof why), "%s", why);
    rig_violation(run_result_of(moved.run), moved.why, sizeof moved.why);
    moved.m = judge_migration(run_judge(moved.run), 0);
    moved.policy = &moved.scenario->timeline[0].action.migrate.policy;
    moved.ram_pages = (uint64_t)moved.scenario->vms[0].memory_bytes / PAGE_BYTES;
    return moved;
}

static void leave(struct moved *moved)
{
    run_free(moved->run);
    scenario_free(moved->scenario);
}

static void write_guest(char *text, size_t capacity, const char *policy, uint64_t seed)
{
    struct chance chance = chance_key(seed, "test.policies", "guest");
    unsigned mib = 2 + (unsigned)chance_below(chance, 0, 7);
    unsigned set_kib = 64 + (unsigned)chance_below(chance, 1, mib * 1024 - 64) / 4 * 4;
    static const char *const orders[] = {"uniform", "sequential", "zipf"};
    snprintf(text, capacity,
             "name: random guest\n"
             "networks:\n"
             "  lan:  {rate: 1Gbit/s, delay: 5us}\n"
             "nodes:\n"
             "  node1..node2: {cores: 2, memory: 64MiB, nics: [lan]}\n"
             "vms:\n"
             "  web:\n"
             "    node: node1\n"
             "    memory: %uMiB\n"
             "    nics: [lan]\n"
             "    guest:\n"
             "      content: {zero: %u%%, compressible: %u%%}\n"
             "      writers:\n"
             "        - {pages: %uKiB, touch: %u/s, order: %s}\n"
             "timeline:\n"
             "  - {at: 500ms, live-migrate: {vm: web, to: node2, %s}, as: move}\n"
             "end: {when: move.end, then: 2s, at-most: 5min}\n",
             mib, (unsigned)chance_below(chance, 2, 50), (unsigned)chance_below(chance, 3, 50),
             set_kib / 4 * 4, 256u << chance_below(chance, 4, 9),
             orders[chance_below(chance, 5, 3)], policy);
}

/* ---- what must hold of each ------------------------------------------------------------------------------------------------- */

static uint32_t live_rounds(const struct judge_migration *m)
{
    return m->round_count - (m->has_final ? 1 : 0);
}

static void holds_of_all(const struct moved *moved, const char *what)
{
    const struct judge_migration *m = moved->m;
    cr_expect(moved->why[0] == 0, "%s: %s", what, moved->why);
    cr_expect(m->ended, "%s: it did not end", what);
    cr_expect(!m->completed || (m->has_final && m->rule[0] != 0), "%s", what);
    uint64_t first = m->round_count > 0 ? m->rounds[0].pages : 0;
    cr_expect(first <= moved->ram_pages && first + m->skipped_pages >= moved->ram_pages,
              "%s: the first round sent %llu pages of %llu", what, (unsigned long long)first,
              (unsigned long long)moved->ram_pages);
    cr_expect(!m->completed || m->pages_sent >= moved->ram_pages, "%s: less than RAM", what);
    bool whole = moved->policy->redirtied == SCENARIO_POLICY_SECOND &&
                 moved->policy->limit_ns_per_gib != 1200 * SIM_MS; /* no round is cut short */
    for (uint32_t i = 0; whole && i + 1 < m->round_count; i++) {
        cr_expect(m->rounds[i + 1].pages >= m->rounds[i].dirtied || i + 2 == m->round_count,
                  "%s: round %u sent fewer pages than had been written", what, i + 2);
    }
}

/* At most 10 passes and the pause: O + V/B <= T <= O + 11 V/B. */
static void holds_of_ten_passes(const struct moved *moved, const char *what)
{
    cr_expect(moved->m->completed, "%s: %s", what, moved->m->how);
    cr_expect(live_rounds(moved->m) <= 10, "%s: %u rounds", what, live_rounds(moved->m));
    cr_expect(moved->m->pages_sent <= 11 * moved->ram_pages, "%s", what);
}

/* Xen: what was sent before the last round is at most 3 x RAM, which sends at most RAM, and so does the pause:
 * O + V/B <= T <= O + (5V - p)/B. */
static void holds_of_xen(const struct moved *moved, const char *what)
{
    const struct judge_migration *m = moved->m;
    uint64_t before = 0;
    cr_expect(m->completed, "%s: %s", what, m->how);
    cr_expect(live_rounds(m) <= 29, "%s: %u rounds", what, live_rounds(m));
    cr_expect(m->pages_sent <= 5 * moved->ram_pages - 1, "%s: %llu pages", what,
              (unsigned long long)m->pages_sent);
    for (uint32_t i = 0; i + 2 < m->round_count; i++) {
        before += m->rounds[i].pages;
        cr_expect(before <= 3 * moved->ram_pages, "%s: it should have stopped before round %u",
                  what, i + 2);
    }
    cr_expect(m->rate_least_bps == 100000000, "%s: %llu", what,
              (unsigned long long)m->rate_least_bps);
    cr_expect(m->rate_most_bps <= 500000000, "%s", what);
    for (uint32_t i = 0; i < m->round_count; i++) {
        /* A batch of 64 pages may be ahead of its time. */
        uint64_t bits = m->rounds[i].bytes * 8;
        uint64_t allowed =
            500 * (uint64_t)m->rounds[i].took / 1000 + UINT64_C(64) * (PAGE_BYTES + 8) * 8;
        cr_expect(bits <= allowed, "%s: round %u went at more than 500 Mbit/s", what, i + 1);
    }
}

static void holds_of_five(const struct moved *moved, const char *what)
{
    cr_expect(moved->m->completed, "%s: %s", what, moved->m->how);
    cr_expect(live_rounds(moved->m) <= 5, "%s: %u rounds", what, live_rounds(moved->m));
}

/* It ends only below its threshold, whatever that takes. */
static void holds_of_qemu(const struct moved *moved, const char *what)
{
    const struct judge_migration *m = moved->m;
    cr_assert(m->completed && m->has_final && m->round_count > 1, "%s: %s", what, m->how);
    cr_expect(m->rounds[m->round_count - 2].pause_if_stopped < 20 * SIM_MS, "%s: a pause of %lld",
              what, (long long)m->rounds[m->round_count - 2].pause_if_stopped);
    cr_expect(m->throttled_left == 0 || m->throttled_left <= 80, "%s", what);
}

/* Moved within its threshold, or not at all: then it runs where it was. */
static void holds_of_aborting(const struct moved *moved, const char *what)
{
    const struct judge_migration *m = moved->m;
    const struct judge_vm *vm = judge_vm(run_judge(moved->run), 0);
    cr_expect(vm->state == JUDGE_VM_RUNNING && vm->node == (m->completed ? 1 : 0), "%s", what);
    cr_expect(m->completed || strncmp(m->how, "did not converge: ", 18) == 0, "%s: %s", what,
              m->how);
    cr_expect(m->completed || (!m->paused_known && live_rounds(m) == 4), "%s: %u rounds", what,
              live_rounds(m));
}

/* What goes in fewer bytes is the same memory (the oracle "memory"), and never more bytes. */
static void holds_of_packed(const struct moved *moved, const char *what)
{
    const struct judge_migration *m = moved->m;
    holds_of_ten_passes(moved, what);
    cr_expect(m->packed[0].pages == m->pages_sent - m->zero_pages, "%s", what);
    cr_expect(m->packed[0].pages == m->packed[1].pages, "%s", what);
    cr_expect(m->packed[0].after == m->packed[1].after, "%s", what);
    cr_expect(m->packed[0].after <= m->packed[0].before, "%s", what);
    cr_expect(m->packed[0].busy >= (sim_time)m->packed[0].pages * 48 * SIM_US, "%s", what);
    cr_expect(m->bytes_sent < m->pages_sent * (8 + PAGE_BYTES) + 40 * (m->pages_sent + 20), "%s",
              what);
}

Test(policies, bounds_over_random_guests)
{
    static const struct {
        const char *policy;
        void (*holds)(const struct moved *moved, const char *what);
    } rows[] = {
        {"policy: hyper-v", holds_of_ten_passes},
        {"policy: {like: hyper-v, bandwidth: 300Mbit/s}", holds_of_ten_passes},
        {"policy: xen", holds_of_xen},
        {"policy: {like: xen, look-every: 64}", holds_of_xen},
        {"policy: xen-2005", holds_of_xen},
        {"policy: xen-later", holds_of_five},
        {"policy: {like: qemu, threshold: 20ms, bandwidth: 100Mbit/s}", holds_of_qemu},
        {"policy: {like: kubevirt, threshold: 2ms, rounds: 4}", holds_of_aborting},
        {"compress: 2", holds_of_packed},
        {"policy: {like: hyper-v, redirtied: skip, look-every: 64}, compress: {workers: 3}",
         holds_of_packed},
    };
    uint32_t aborted = 0, throttled = 0, skipped = 0;
    for (size_t r = 0; r < sizeof rows / sizeof *rows; r++) {
        for (uint64_t seed = 0; seed < GUESTS; seed++) {
            char text[2048], what[128];
            write_guest(text, sizeof text, rows[r].policy, seed * 100 + r);
            struct moved moved = move(text);
            snprintf(what, sizeof what, "%s, guest %u", rows[r].policy, (unsigned)seed);
            holds_of_all(&moved, what);
            rows[r].holds(&moved, what);
            aborted += !moved.m->completed;
            throttled += moved.m->first_throttled_round > 0;
            skipped += moved.m->skipped_pages > 0;
            leave(&moved);
        }
    }
    /* Only what happened was tested. */
    cr_expect(RIG_SLOW || (aborted > 0 && skipped > 5 && throttled > 0), "%u, %u, %u", aborted,
              skipped, throttled);
}

/* Limits of time cut a round short: the pause sends what it left (N2), or the VM stays. */
Test(policies, limits_of_time)
{
    static const struct {
        const char *remedy;
        bool completes;
    } rows[] = {{"switch", true}, {"abort", false}, {"throttle", false}};
    for (size_t r = 0; r < sizeof rows / sizeof *rows; r++) {
        char text[2048], policy[200];
        snprintf(policy, sizeof policy,
                 "policy: {like: kubevirt, limit-per-gib: 1200ms, threshold: 1us, bandwidth: "
                 "20Mbit/s, when-not-converging: %s}",
                 rows[r].remedy);
        write_guest(text, sizeof text, policy, 5);
        struct moved moved = move(text);
        holds_of_all(&moved, rows[r].remedy);
        cr_expect(moved.m->completed == rows[r].completes, "%s: %s", rows[r].remedy, moved.m->how);
        cr_expect(strcmp(moved.m->rule, "the time for a VM of its size was over") == 0, "%s: %s",
                  rows[r].remedy, moved.m->rule);
        leave(&moved);
    }
}

/* ---- drains ---------------------------------------------------------------------------------------------------------------------- */

/* While one moves three wait: the most urgent first, then the earlier. */
Test(policies, the_most_urgent_goes_first)
{
    static const char text[] =
        "networks:\n"
        "  lan: {rate: 1Gbit/s, delay: 5us}\n"
        "nodes:\n"
        "  node1..node2: {memory: 256MiB, nics: [lan]}\n"
        "vms:\n"
        "  w1..w4: {node: node1, memory: 16MiB, nics: [lan]}\n"
        "timeline:\n"
        "  - {at: 1s, live-migrate: {vm: w1, to: node2}, as: first}\n"
        "  - {at: 1010ms, live-migrate: {vm: w2, to: node2}, as: last}\n"
        "  - {at: 1020ms, live-migrate: {vm: w3, to: node2, priority: 5}, as: third}\n"
        "  - {at: 1030ms, live-migrate: {vm: w4, to: node2, priority: 9}, as: second}\n"
        "end: {when: last.end, then: 1s, at-most: 1min}\n"
        "expect: [first.end < second.end, second.end < third.end, third.end < last.end, "
        "last.outcome == succeeded]\n";
    char why[512];
    cr_expect(rig_holds(text, why, sizeof why), "%s", why);
}

Test(policies, drains_end_whatever_happens)
{
    static const struct {
        const char *name, *drain, *more, *expected;
    } rows[] = {
        {"it is emptied", "{node: node1}", "",
         "[empty.moved == 4, empty.failed == 0, w1.node == node2, w3.node == node3]"},
        {"to one of two", "{node: node1, to: [node2]}", "",
         "[empty.moved == 4, w1.node == node2, w4.node == node2]"},
        {"one after the other", "{node: node1, parallel: 1}", "",
         "[empty.moved == 4, empty-w2.start >= empty-w1.end, empty-w3.start >= empty-w2.end]"},
        {"both pairs at once", "{node: node1}", "", "[empty-w3.start < empty-w1.end]"},
        {"it has no VM", "{node: node2}", "", "[empty.moved == 0, empty.duration == 0s]"},
        {"a VM is too large", "{node: node1, to: [node2]}",
         "  - {at: 900ms, live-migrate: {vm: big, to: node1}}\n",
         "[empty.moved == 4, empty.failed == 1, big.node == node1]"},
        {"a VM is switched off meanwhile", "{node: node1, parallel: 1}",
         "  - {at: 3050ms, power: {machine: w4, do: power-off}}\n",
         "[empty.moved == 3, empty.failed == 0]"},
        {"a VM is taken away by another", "{node: node1, parallel: 1}",
         "  - {at: 3050ms, live-migrate: {vm: w4, to: node2}, as: other}\n",
         "[empty.moved == 3, empty.failed == 0, other.outcome == succeeded, w4.node == node2]"},
        {"a target loses power", "{node: node1, to: [node3]}",
         "  - {at: 3050ms, power: {machine: node3, do: crash}}\n",
         "[empty.moved == 0, empty.failed == 4, w4.state == running, w4.node == node1]"},
        {"the node loses power", "{node: node1}",
         "  - {at: 3050ms, power: {machine: node1, do: crash}}\n",
         "[empty.moved == 0, empty.failed >= 1, w1.state == lost]"},
        {"no time", "{node: node1, time-limit: 10ms}", "",
         "[empty.moved == 0, empty.failed == 4, w1.state == running]"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        char text[2048], why[512];
        snprintf(text, sizeof text,
                 "networks:\n"
                 "  lan: {rate: 1Gbit/s, delay: 5us}\n"
                 "nodes:\n"
                 "  node1: {memory: 256MiB, nics: [lan]}\n"
                 "  node2: {memory: 128MiB, nics: [lan]}\n"
                 "  node3: {memory: 240MiB, nics: [lan]}\n"
                 "vms:\n"
                 "  w1..w4: {node: node1, memory: 16MiB, nics: [lan]}\n"
                 "  big: {node: node3, memory: 128MiB, nics: [lan]}\n"
                 "timeline:\n"
                 "  - {at: 3s, drain: %s, as: empty}\n%s"
                 "end: {at: 1min}\n"
                 "expect: %s\n",
                 rows[i].drain, rows[i].more, rows[i].expected);
        cr_expect(rig_holds(text, why, sizeof why), "%s: %s", rows[i].name, why);
    }
}
