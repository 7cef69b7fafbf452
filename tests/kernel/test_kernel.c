/* tests/kernel/test_kernel.c - the invariants K1 to K5 of sim/kernel.h, one row each way in which they could break. */
#include <criterion/criterion.h>

#include "sim/kernel.h"

#include <stdio.h>
#include <string.h>

#define ACTORS 10u

/* A stage of ten origins "a" to "j", added in an order of their own, each with a permanent event of that letter. When an event runs
 * its letter is appended to the log, then its row's script acts. A blank separates instants, a bar waves. */
struct stage;
typedef void stage_script(struct stage *stage, char actor);
struct actor {
    struct stage *stage;
    uint32_t origin;
    uint32_t event;
    char letter;
};
struct stage {
    struct sim *sim;
    stage_script *script;
    uint32_t turn; /* events so far, this one included */
    struct actor actors[ACTORS];
    sim_time log_time;
    uint32_t log_wave;
    size_t log_length;
    char log[256];
    uint32_t call;
    enum sim_stop why;
};

static void act(void *context)
{
    struct actor *actor = context;
    struct stage *stage = actor->stage;
    cr_assert_lt(stage->log_length + 2, sizeof(stage->log));
    if (stage->log_length > 0 && sim_now(stage->sim) != stage->log_time) {
        stage->log[stage->log_length++] = ' ';
    } else if (stage->log_length > 0 && sim_wave(stage->sim) != stage->log_wave) {
        stage->log[stage->log_length++] = '|';
    }
    stage->log[stage->log_length++] = actor->letter;
    stage->log_time = sim_now(stage->sim);
    stage->log_wave = sim_wave(stage->sim);
    stage->turn++;
    cr_expect_eq(sim_running_origin(stage->sim), actor->origin);
    stage->script(stage, actor->letter);
}

static struct actor *actor_of(struct stage *stage, char letter)
{
    return &stage->actors[letter - 'a'];
}
static void arm(struct stage *stage, char letter, sim_time at)
{
    sim_event_arm(stage->sim, actor_of(stage, letter)->event, at);
}
static void arm_all(struct stage *stage, const char *letters, sim_time at)
{
    for (; *letters != 0; letters++) {
        arm(stage, *letters, at);
    }
}
static void cancel(struct stage *stage, char letter)
{
    sim_event_cancel(stage->sim, actor_of(stage, letter)->event);
}
static uint32_t call(struct stage *stage, char letter, sim_time at)
{
    struct actor *actor = actor_of(stage, letter);
    return sim_call_at(stage->sim, actor->origin, at, act, actor);
}
static void run(struct stage *stage, sim_time until)
{
    stage->why = sim_run(stage->sim, until);
    sim_check(stage->sim);
}
static void mark(struct stage *stage, const char *text)
{
    stage->log_length += (size_t)snprintf(stage->log + stage->log_length,
                                          sizeof(stage->log) - stage->log_length, "%s", text);
}

/* ---- rows: what is set up and run, and what an actor does in its turn ------------------------------------------------ */

static void nothing(struct stage *stage, char actor)
{
    (void)stage;
    (void)actor;
}

static void k1_time(struct stage *stage)
{
    arm(stage, 'c', 30);
    arm(stage, 'a', 20);
    arm(stage, 'b', 10);
    arm(stage, 'd', SIM_NEVER - 1);
    arm(stage, 'e', INT64_C(1) << 62);
    run(stage, SIM_NEVER);
}

static void k1_end_script(struct stage *stage, char actor)
{
    if (actor == 'a') {
        arm(stage, 'b', SIM_NEVER - 5);
    }
}
static void k1_end(struct stage *stage)
{
    arm(stage, 'd', SIM_NEVER - 2);
    arm(stage, 'a', SIM_NEVER - 10);
    arm(stage, 'c', SIM_NEVER - 8);
    run(stage, SIM_NEVER);
}

static void k1_now_script(struct stage *stage, char actor)
{
    if (actor == 'd' && stage->turn == 1) {
        arm_all(stage, "ca", 10);
        arm(stage, 'b', 11);
    } else if (actor == 'a') {
        arm(stage, 'f', 10);
    }
}
static void k1_now(struct stage *stage)
{
    arm_all(stage, "ed", 10);
    run(stage, SIM_NEVER);
}

static void k1_start(struct stage *stage)
{
    arm_all(stage, "ba", 0);
    run(stage, 0);
    mark(stage, ";");
    arm_all(stage, "dc", 0);
    run(stage, 5);
}

static void k2_rank(struct stage *stage)
{
    arm_all(stage, "jdahb", 7);
    run(stage, SIM_NEVER);
}

static void k2_sequence(struct stage *stage)
{
    /* All of one origin: the calls have no letter of their own, so each is of another actor. */
    uint32_t origin = actor_of(stage, 'a')->origin;
    for (const char *letter = "hcfbg"; *letter != 0; letter++) {
        struct actor *actor = actor_of(stage, *letter);
        actor->origin = origin;
        sim_call_at(stage->sim, origin, 7, act, actor);
    }
    run(stage, SIM_NEVER);
}

static void k2_sequence_not_index(struct stage *stage)
{
    /* Records are given back in one order and taken in another; only the order of arming counts. */
    uint32_t origin = actor_of(stage, 'a')->origin;
    uint32_t calls[3];
    for (uint32_t i = 0; i < 3; i++) {
        calls[i] = sim_call_at(stage->sim, origin, 7, act, actor_of(stage, 'j'));
    }
    sim_event_cancel(stage->sim, calls[1]);
    sim_event_cancel(stage->sim, calls[2]);
    sim_event_cancel(stage->sim, calls[0]);
    for (const char *letter = "dcb"; *letter != 0; letter++) {
        actor_of(stage, *letter)->origin = origin;
        sim_call_at(stage->sim, origin, 7, act, actor_of(stage, *letter));
    }
    run(stage, SIM_NEVER);
}

static void k3_moves(struct stage *stage)
{
    arm_all(stage, "abcd", 20);
    arm(stage, 'a', 30);  /* later   */
    arm(stage, 'b', 10);  /* earlier */
    arm(stage, 'c', 500); /* there and back */
    arm(stage, 'c', 20);
    arm(stage, 'd', 5); /* earlier, then later than at first */
    arm(stage, 'd', 40);
    run(stage, SIM_NEVER);
}

static void k3_new_sequence(struct stage *stage)
{
    uint32_t origin = actor_of(stage, 'a')->origin;
    uint32_t events[3];
    for (uint32_t i = 0; i < 3; i++) {
        struct actor *actor = actor_of(stage, (char)('a' + i));
        actor->origin = origin;
        events[i] = sim_event_new(stage->sim, origin, act, actor);
        sim_event_arm(stage->sim, events[i], 7);
    }
    sim_event_arm(stage->sim, events[0], 7);
    run(stage, SIM_NEVER);
    cr_expect_eq(sim_events_run(stage->sim), 3);
}

static void k3_in_wave_script(struct stage *stage, char actor)
{
    if (actor == 'a' && stage->turn == 1) {
        arm(stage, 'b', 10); /* from this wave to the next */
        arm(stage, 'c', 11); /* from this wave to later    */
        arm(stage, 'e', 10); /* from later to the next wave */
        arm(stage, 'f', 10); /* twice into the next wave */
        arm(stage, 'f', 10);
        arm(stage, 'g', 10); /* into the next wave, and out of it again */
        arm(stage, 'g', 12);
    }
}
static void k3_in_wave(struct stage *stage)
{
    arm_all(stage, "abcd", 10);
    arm(stage, 'e', 15);
    run(stage, SIM_NEVER);
}

static void k5_script(struct stage *stage, char actor)
{
    if (actor == 'a') {
        cancel(stage, 'b');
        sim_event_free(stage->sim, actor_of(stage, 'c')->event);
        sim_event_cancel(stage->sim, stage->call);
        /* Takes over the record of c or of the call, in the wave in which they stood. */
        stage->call = call(stage, 'g', 10);
        actor_of(stage, 'c')->event =
            sim_event_new(stage->sim, actor_of(stage, 'c')->origin, act, actor_of(stage, 'c'));
    } else if (actor == 'd') {
        cancel(stage, 'd'); /* idle: nothing to cancel */
        sim_event_cancel(stage->sim, stage->call);
    }
}
static void k5_present_wave(struct stage *stage)
{
    arm_all(stage, "abcde", 10);
    stage->call = call(stage, 'f', 10);
    run(stage, SIM_NEVER);
    cr_expect_eq(sim_events_queued(stage->sim), 0);
}

static void k5_next_wave_script(struct stage *stage, char actor)
{
    if (actor == 'b') {
        arm_all(stage, "ac", 10);
        cancel(stage, 'c');
        cancel(stage, 'a');
        arm(stage, 'd', 12);
    }
}
static void k5_next_wave(struct stage *stage)
{
    arm(stage, 'b', 10);
    run(stage, SIM_NEVER);
}

static void k5_queued(struct stage *stage)
{
    arm_all(stage, "abcdef", 10);
    cancel(stage, 'b');
    cancel(stage, 'd');
    arm(stage, 'd', 15); /* cancelled, then armed for later */
    cancel(stage, 'e');
    arm(stage, 'e', 5); /* cancelled, then armed for earlier */
    cancel(stage, 'f');
    cancel(stage, 'f');
    cr_expect_eq(sim_event_time(stage->sim, actor_of(stage, 'f')->event), SIM_NEVER);
    cr_expect_eq(sim_event_time(stage->sim, actor_of(stage, 'd')->event), 15);
    cr_expect_not(sim_event_queued(stage->sim, actor_of(stage, 'f')->event));
    cr_expect(sim_event_queued(stage->sim, actor_of(stage, 'e')->event));
    cr_expect_eq(sim_events_queued(stage->sim), 4);
    run(stage, SIM_NEVER);
}

static void self_script(struct stage *stage, char actor)
{
    sim_time now = sim_now(stage->sim);
    uint32_t event = actor_of(stage, actor)->event;
    cr_expect_not(sim_event_queued(stage->sim, event), "it is idle when it runs");
    if (actor == 'a' && now < 13) {
        arm(stage, 'a', now + 1); /* a clock */
    } else if (actor == 'b') {
        sim_event_free(stage->sim, event); /* frees itself */
    } else if (actor == 'c' && stage->turn < 6) {
        call(stage, 'c', now); /* its successor takes over its record */
    }
}
static void self(struct stage *stage)
{
    arm_all(stage, "ab", 10);
    call(stage, 'c', 10);
    run(stage, SIM_NEVER);
}

static void until_and_on(struct stage *stage)
{
    arm(stage, 'a', 10);
    arm(stage, 'e', INT64_C(1) << 50);
    run(stage, 9);
    mark(stage, stage->why == SIM_STOP_UNTIL && sim_now(stage->sim) == 9 ? "9;" : "?");
    run(stage, 10);
    mark(stage, stage->why == SIM_STOP_UNTIL && sim_now(stage->sim) == 10 ? ";" : "?");
    arm_all(stage, "bc", 10); /* now, which has had its wave 0 */
    run(stage, 10);
    mark(stage, ";");
    run(stage, 5000);
    mark(stage, stage->why == SIM_STOP_UNTIL && sim_now(stage->sim) == 5000 ? ";" : "?");
    /* The queue has looked for what is next, and must not have gone past what may still be armed. */
    arm(stage, 'd', 5001);
    arm(stage, 'f', 5000);
    run(stage, INT64_C(1) << 49);
    arm(stage, 'g', (INT64_C(1) << 49) + 1);
    run(stage, SIM_NEVER);
    mark(stage, stage->why == SIM_STOP_IDLE ? "." : "?");
    cr_expect_eq(sim_now(stage->sim), INT64_C(1) << 50, "idle leaves the clock at the last event");
}

static void stop_script(struct stage *stage, char actor)
{
    if (actor == 'b') {
        sim_stop(stage->sim);
        arm(stage, 'a', sim_now(stage->sim));
    } else if (actor == 'c') {
        sim_interrupt(stage->sim);
    }
}
static void stop(struct stage *stage)
{
    arm_all(stage, "bdf", 10);
    arm_all(stage, "c", 12);
    run(stage, 50);
    mark(stage, stage->why == SIM_STOP_ASKED && sim_now(stage->sim) == 10 ? ";" : "?");
    arm_all(stage, "e", 10);
    run(stage, 50);
    mark(stage, stage->why == SIM_STOP_ASKED && sim_now(stage->sim) == 12 ? ";" : "?");
    run(stage, 50);
    mark(stage, stage->why == SIM_STOP_IDLE ? ";" : "?");
    sim_interrupt(stage->sim);
    arm(stage, 'g', 20);
    run(stage, 50);
    mark(stage, stage->why == SIM_STOP_ASKED && sim_now(stage->sim) == 12 ? ";" : "?");
    run(stage, 50);
}

static void postponed(struct stage *stage)
{
    /* A retransmission timer: put off again and again, it runs once, and costs one entry. */
    for (sim_time at = 200; at < 100000; at += 12) {
        arm(stage, 'a', at);
        run(stage, at - 200);
    }
    cr_expect_eq(sim_events_queued(stage->sim), 1);
    cr_expect_eq(sim_events_run(stage->sim), 0);
    run(stage, SIM_NEVER);
    cr_expect_eq(sim_now(stage->sim), 99992);
}

struct row {
    const char *name;
    void (*play)(struct stage *stage);
    stage_script *script;
    const char *log;
};
static const struct row rows[] = {
    {"K1: time first", k1_time, nothing, "b a c e d"},
    {"K1: the end of time", k1_end, k1_end_script, "a c b d"},
    {"K1: armed for now is of the next wave", k1_now, k1_now_script, "de|ac|f b"},
    {"K1: the first instant, and again after a stop there", k1_start, nothing, "ab;|cd"},
    {"K2: by path within a wave", k2_rank, nothing, "abdhj"},
    {"K2: by arming within an origin", k2_sequence, nothing, "hcfbg"},
    {"K2, K4: records do not matter", k2_sequence_not_index, nothing, "dcb"},
    {"K3: re-arming moves", k3_moves, nothing, "b c a d"},
    {"K3: re-arming for the same instant goes to the end", k3_new_sequence, nothing, "bca"},
    {"K3: moves out of and into waves", k3_in_wave, k3_in_wave_script, "ad|bef c g"},
    {"K5: in the present wave", k5_present_wave, k5_script, "ade"},
    {"K5: in the next wave", k5_next_wave, k5_next_wave_script, "b d"},
    {"K5: in the queue", k5_queued, nothing, "e ac d"},
    {"events that handle themselves", self, self_script, "abc|c|c|c a a a"},
    {"until, and on from there", until_and_on, nothing, "9; a;|bc;; f d g e."},
    {"stops", stop, stop_script, "bdf;|ae c;;; g"},
    {"postponed", postponed, nothing, "a"},
};

static void stage_open(struct stage *stage, stage_script *script, bool noise)
{
    memset(stage, 0, sizeof(*stage));
    stage->script = script;
    stage->sim = sim_new(&(struct sim_options){.seed = 1});
    for (uint32_t i = 0; i < ACTORS; i++) {
        struct actor *actor = &stage->actors[i * 7 % ACTORS];
        char path[2] = {(char)('a' + i * 7 % ACTORS), 0};
        *actor = (struct actor){
            .stage = stage, .origin = sim_origin_add(stage->sim, path), .letter = path[0]};
    }
    sim_origins_seal(stage->sim);
    for (uint32_t i = 0; i < ACTORS; i++) {
        struct actor *actor = &stage->actors[noise ? ACTORS - 1 - i : i];
        /* Another history of allocation: more records, in another order, some used before. */
        for (uint32_t j = 0; noise && j < 40; j++) {
            uint32_t event = sim_call_at(stage->sim, actor->origin, j / 2 + 1, act, actor);
            sim_event_cancel(stage->sim, event);
        }
        actor->event = sim_event_new(stage->sim, actor->origin, act, actor);
        cr_expect_eq(sim_origin_find(stage->sim, (char[]){actor->letter, 0}), actor->origin);
        cr_expect_eq(sim_origin_path(stage->sim, actor->origin)[0], actor->letter);
    }
    cr_expect_eq(sim_origin_count(stage->sim), ACTORS);
    cr_expect_eq(sim_origin_find(stage->sim, "aa"), SIM_NONE);
}

Test(kernel, order_of_callbacks)
{
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        for (int noise = 0; noise < 2; noise++) {
            struct stage stage;
            stage_open(&stage, rows[i].script, noise == 1);
            rows[i].play(&stage);
            cr_expect_str_eq(stage.log, rows[i].log, "%s%s: %s, not %s", rows[i].name,
                             noise ? " (K4: another history)" : "", stage.log, rows[i].log);
            cr_expect_eq(sim_events_queued(stage.sim), 0, "%s: events are left", rows[i].name);
            cr_expect_eq(sim_running_origin(stage.sim), SIM_NONE);
            sim_close(stage.sim);
        }
    }
}

/* ---- ties that are shuffled ------------------------------------------------------------------------------------------ */

struct tie {
    size_t length;
    char order[64];
};
struct tie_actor {
    struct tie *tie;
    char letter;
};

static void tie_act(void *context)
{
    struct tie_actor *actor = context;
    actor->tie->order[actor->tie->length++] = actor->letter;
}

/* The order in which `letters`, an origin each, run at one instant. */
static struct tie tie_of(uint64_t seed, bool shuffle, const char *letters)
{
    struct tie tie = {0};
    struct tie_actor actors[64];
    struct sim *sim = sim_new(&(struct sim_options){.seed = seed, .ties_shuffle = shuffle});
    for (size_t i = 0; letters[i] != 0; i++) {
        sim_origin_add(sim, (char[]){letters[i], 0});
    }
    sim_origins_seal(sim);
    for (uint32_t i = 0; letters[i] != 0; i++) {
        actors[i] = (struct tie_actor){.tie = &tie, .letter = letters[i]};
        sim_call_at(sim, i, 3, tie_act, &actors[i]);
    }
    sim_run(sim, SIM_NEVER);
    sim_close(sim);
    return tie;
}

Test(kernel, ties_shuffled)
{
    uint32_t different = 0;
    uint32_t firsts = 0; /* bit: that letter was first under some seed */
    for (uint64_t seed = 1; seed <= 64; seed++) {
        struct tie shuffled = tie_of(seed, true, "cabfhdge");
        struct tie again = tie_of(seed, true, "hgfedcba");
        struct tie more = tie_of(seed, true, "cazbfxhdge");
        struct tie plain = tie_of(seed, false, "cabfhdge");
        cr_expect_str_eq(plain.order, "abcdefgh", "seed %lu", (unsigned long)seed);
        cr_expect_eq(shuffled.length, 8);
        cr_expect_str_eq(shuffled.order, again.order, "seed %lu: order of adding matters",
                         (unsigned long)seed);
        different += strcmp(shuffled.order, plain.order) != 0;
        firsts |= 1u << (shuffled.order[0] - 'a');
        /* Origins more leave the order of the others. */
        size_t kept = 0;
        for (size_t i = 0; i < more.length; i++) {
            if (more.order[i] != 'x' && more.order[i] != 'z') {
                cr_expect_eq(more.order[i], shuffled.order[kept++]);
            }
        }
    }
    cr_expect_geq(different, 63);
    cr_expect_eq(firsts, 0xff, "some origin is never first");
}
