/* The sweep: every frame lost, every blocking call of both nodes struck by a crash, a cut or a hang. */
#include <criterion/criterion.h>

#include "tests/migration/rig.h"

#define NTH_MAX 100000u
#define THROTTLED                                                                                  \
    "timeline.mig.live-migrate.policy={threshold: 1us, rounds: 3, when-not-converging: throttle, " \
    "throttle-first: 30%, throttle-step: 30%}"

static const char *place_name(enum rig_place place)
{
    static const char *const names[] = {"at the source", "at the target", "nowhere"};
    return names[place];
}

/* What holds whatever was broken. */
static void expect_sound(const struct rig_outcome *o, const char *what, uint64_t nth)
{
    cr_expect(o->why[0] == 0, "%s, nth %llu (step %s): %s", what, (unsigned long long)nth,
              judge_step_word(o->step), o->why);
    cr_expect(!o->paused_somewhere || o->place == RIG_NOWHERE,
              "%s, nth %llu: an instance is left over", what, (unsigned long long)nth);
}

Test(migration, moves_when_nothing_breaks)
{
    struct rig_plan plan = {.kind = RIG_NOTHING};
    struct rig_outcome o = rig_run(&plan);
    expect_sound(&o, "nothing", 0);
    cr_assert(o.place == RIG_AT_TARGET, "it is %s: %s", place_name(o.place), o.how);
    cr_assert_str_eq(o.how, "completed");
    struct rig_outcome again = rig_run(&plan);
    cr_assert(o.hash == again.hash, "the same run has another hash");
}

Test(migration, every_lost_frame)
{
    static const struct {
        const char *name;
        uint32_t node;
        bool to;
    } wires[] = {
        {"frame that the source sends", 0, false},
        {"frame that the source receives", 0, true},
        {"frame that the target sends", 1, false},
        {"frame that the target receives", 1, true},
    };
    for (size_t w = 0; w < sizeof wires / sizeof *wires; w++) {
        bool used = true;
        for (uint64_t nth = 0; used && nth < NTH_MAX; nth += RIG_STRIDE(1, 13)) {
            struct rig_plan plan = {.kind = RIG_DROP_FRAME,
                                    .node = wires[w].node,
                                    .to = wires[w].to,
                                    .from = !wires[w].to,
                                    .nth = nth};
            struct rig_outcome o = rig_run(&plan);
            used = o.used;
            expect_sound(&o, wires[w].name, nth);
            cr_expect(o.place == RIG_AT_TARGET, "%s, nth %llu: it is %s: %s", wires[w].name,
                      (unsigned long long)nth, place_name(o.place), o.how);
        }
        cr_assert(!used, "%s: the sweep did not end", wires[w].name);
    }
}

/* Strikes each blocking call of a node in turn; `check` looks at the outcome. */
static void sweep_calls(struct rig_plan plan, const char *what,
                        void (*check)(const struct rig_outcome *, const char *, uint64_t))
{
    bool used = true;
    uint64_t calls = 0;
    for (plan.nth = 0; used && plan.nth < NTH_MAX; plan.nth += RIG_STRIDE(1, 4)) {
        struct rig_outcome o = rig_run(&plan);
        used = o.used;
        calls = plan.nth;
        if (used && o.step != JUDGE_DONE) {
            expect_sound(&o, what, plan.nth);
            check(&o, what, plan.nth);
        } else if (used) {
            break; /* what follows is the quiet after the migration */
        }
    }
    cr_assert(calls > 20, "%s: only %llu calls were struck", what, (unsigned long long)calls);
}

/* The rows of the hand-over table (DESIGN section 3), each with its three columns. */
static void source_crashed(const struct rig_outcome *o, const char *what, uint64_t nth)
{
    /* Between the instant at which GIVEN is durable and the one at which the node says so, either column is right. */
    bool maybe_given = o->given || o->step >= JUDGE_DISKS;
    bool right = o->given ? o->place == RIG_AT_TARGET
                          : o->place == RIG_NOWHERE || (maybe_given && o->place == RIG_AT_TARGET);
    cr_expect(right, "%s, nth %llu: %s, it is %s", what, (unsigned long long)nth,
              o->given ? "given" : "not given", place_name(o->place));
}

static void target_crashed(const struct rig_outcome *o, const char *what, uint64_t nth)
{
    bool maybe_owned = o->owned || o->step >= JUDGE_RESUME;
    bool right = o->owned ? o->place == RIG_NOWHERE
                          : o->place == RIG_AT_SOURCE || (maybe_owned && o->place == RIG_NOWHERE);
    cr_expect(right, "%s, nth %llu: %s, it is %s", what, (unsigned long long)nth,
              o->owned ? "owned" : "not owned", place_name(o->place));
}

static void link_cut(const struct rig_outcome *o, const char *what, uint64_t nth)
{
    bool right = o->given ? o->place == RIG_AT_TARGET : o->place != RIG_NOWHERE;
    cr_expect(right, "%s, nth %llu: %s, it is %s (%s)", what, (unsigned long long)nth,
              o->given ? "given" : "not given", place_name(o->place), o->how);
}

static void somebody_runs(const struct rig_outcome *o, const char *what, uint64_t nth)
{
    cr_expect(o->place != RIG_NOWHERE, "%s, nth %llu: it runs nowhere (%s)", what,
              (unsigned long long)nth, o->how);
}

Test(migration, source_crashes_at_every_call)
{
    sweep_calls((struct rig_plan){.kind = RIG_CRASH_AT_CALL, .node = 0, .for_ns = 3 * SIM_S},
                "source crash", source_crashed);
}

Test(migration, target_crashes_at_every_call)
{
    sweep_calls((struct rig_plan){.kind = RIG_CRASH_AT_CALL, .node = 1, .for_ns = 3 * SIM_S},
                "target crash", target_crashed);
}

Test(migration, both_directions_are_cut_at_every_call)
{
    struct rig_plan plan = {
        .kind = RIG_CUT_AT_CALL, .to = true, .from = true, .for_ns = 20 * SIM_S};
    sweep_calls(plan, "link cut for 20 s at a call of the source", link_cut);
    plan.node = 1;
    sweep_calls(plan, "link cut for 20 s at a call of the target", link_cut);
}

Test(migration, one_direction_is_cut_at_every_call)
{
    struct rig_plan plan = {.kind = RIG_CUT_AT_CALL, .to = true, .for_ns = 20 * SIM_S};
    sweep_calls(plan, "towards the source cut", link_cut);
    plan.node = 1;
    sweep_calls(plan, "towards the target cut, at its calls", link_cut);
    plan = (struct rig_plan){.kind = RIG_CUT_AT_CALL, .from = true, .for_ns = 20 * SIM_S};
    sweep_calls(plan, "from the source cut", link_cut);
    plan.node = 1;
    sweep_calls(plan, "from the target cut, at its calls", link_cut);
}

Test(migration, nodes_hang_at_every_call)
{
    struct rig_plan plan = {.kind = RIG_FREEZE_AT_CALL, .node = 0, .for_ns = 8 * SIM_S};
    sweep_calls(plan, "source hangs for 8 s", somebody_runs);
    plan.node = 1;
    sweep_calls(plan, "target hangs for 8 s", somebody_runs);
    plan.for_ns = 13 * SIM_S; /* longer than a write to the store may take */
    sweep_calls(plan, "target hangs for 13 s", somebody_runs);
    plan.node = 0;
    sweep_calls(plan, "source hangs for 13 s", somebody_runs);
}

Test(migration, the_store_is_full_from_every_call_on)
{
    struct rig_plan plan = {.kind = RIG_FILL_STORE_AT_CALL, .node = 0, .for_ns = SIM_NEVER};
    sweep_calls(plan, "source's store is full", somebody_runs);
    plan.for_ns = 3 * SIM_S;
    plan.node = 1;
    sweep_calls(plan, "target's store is full for 3 s", somebody_runs);
}

/* Before the commit point it is cancelled, after it nothing is. */
static void cancelled(const struct rig_outcome *o, const char *what, uint64_t nth)
{
    bool right = o->cancelled ? o->place == RIG_AT_SOURCE && strcmp(o->how, "cancelled") == 0
                              : o->place == RIG_AT_TARGET && strcmp(o->how, "completed") == 0;
    cr_expect(right, "%s, nth %llu: %s, it is %s (%s)", what, (unsigned long long)nth,
              o->cancelled ? "cancelled" : "too late", place_name(o->place), o->how);
    cr_expect(!o->cancelled || !o->given, "%s, nth %llu: cancelled though given", what,
              (unsigned long long)nth);
}

Test(migration, is_cancelled_at_every_call)
{
    struct rig_plan plan = {.kind = RIG_CANCEL_AT_CALL, .for_ns = SIM_NEVER};
    sweep_calls(plan, "cancelled at a call of the source", cancelled);
    plan.node = 1;
    sweep_calls(plan, "cancelled at a call of the target", cancelled);
}

/* The same with workers that compress, a guest that is slowed down, pages that are skipped, a rate: every eleventh call, so that the rows
 * together strike most. */
Test(migration, holds_under_every_policy)
{
    static const char *const policies[] = {
        "timeline.mig.live-migrate.compress=2",
        THROTTLED,
        "timeline.mig.live-migrate.policy={like: xen, rounds: 3, rate-start: 20Mbit/s}",
    };
    static const struct {
        const char *name;
        struct rig_plan plan;
        void (*check)(const struct rig_outcome *, const char *, uint64_t);
    } rows[] = {
        {"source crashed", {.kind = RIG_CRASH_AT_CALL, .for_ns = 3 * SIM_S}, source_crashed},
        {"target crashed",
         {.kind = RIG_CRASH_AT_CALL, .node = 1, .for_ns = 3 * SIM_S},
         target_crashed},
        {"cut",
         {.kind = RIG_CUT_AT_CALL, .to = true, .from = true, .for_ns = 20 * SIM_S},
         link_cut},
        {"source hung", {.kind = RIG_FREEZE_AT_CALL, .for_ns = 8 * SIM_S}, somebody_runs},
        {"cancelled", {.kind = RIG_CANCEL_AT_CALL, .for_ns = SIM_NEVER}, cancelled},
    };
    for (size_t p = 0; p < sizeof policies / sizeof *policies; p++) {
        struct rig_outcome whole = rig_run(&(struct rig_plan){.set = policies[p]});
        expect_sound(&whole, policies[p], 0);
        cr_assert(whole.place == RIG_AT_TARGET, "%s: it is %s: %s", policies[p],
                  place_name(whole.place), whole.how);
        for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
            bool used = true;
            uint64_t struck = 0;
            struct rig_plan plan = rows[i].plan;
            plan.set = policies[p];
            for (plan.nth = p + i; used; plan.nth += RIG_STRIDE(11, 17)) {
                struct rig_outcome o = rig_run(&plan);
                used = o.used && o.step != JUDGE_DONE;
                if (used) {
                    struck++;
                    expect_sound(&o, policies[p], plan.nth);
                    rows[i].check(&o, rows[i].name, plan.nth);
                }
            }
            cr_assert(struck > 0, "%s, %s: struck %llu times", policies[p], rows[i].name,
                      (unsigned long long)struck);
        }
    }
}

/* Whatever became of the first attempt: unless the VM was lost with a host, the next one moves it, or it is there already. */
static void moved_in_the_end(const struct rig_outcome *o, const char *what, uint64_t nth)
{
    cr_expect(o->place == RIG_AT_TARGET, "%s, nth %llu: after the next attempt it is %s", what,
              (unsigned long long)nth, place_name(o->place));
}

static void moved_unless_lost(const struct rig_outcome *o, const char *what, uint64_t nth)
{
    bool lost = o->place == RIG_NOWHERE && o->step >= JUDGE_RESUME && !o->paused_somewhere;
    cr_expect(lost || o->place == RIG_AT_TARGET,
              "%s, nth %llu: after the next attempt it is %s (%s)", what, (unsigned long long)nth,
              place_name(o->place), o->how);
}

Test(migration, succeeds_at_the_next_attempt)
{
    static const struct {
        const char *name;
        struct rig_plan plan;
        void (*check)(const struct rig_outcome *, const char *, uint64_t);
    } rows[] = {
        {"after a cancel", {.kind = RIG_CANCEL_AT_CALL, .for_ns = SIM_NEVER}, moved_in_the_end},
        {"after a cut",
         {.kind = RIG_CUT_AT_CALL, .to = true, .from = true, .for_ns = 7 * SIM_S},
         moved_in_the_end},
        {"after the target hung",
         {.kind = RIG_FREEZE_AT_CALL, .node = 1, .for_ns = 12 * SIM_S},
         moved_in_the_end},
        {"after the source hung",
         {.kind = RIG_FREEZE_AT_CALL, .node = 0, .for_ns = 12 * SIM_S},
         moved_in_the_end},
        {"after the target crashed",
         {.kind = RIG_CRASH_AT_CALL, .node = 1, .for_ns = 3 * SIM_S},
         moved_unless_lost},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct rig_plan plan = rows[i].plan;
        plan.again = true;
        sweep_calls(plan, rows[i].name, rows[i].check);
    }
}
