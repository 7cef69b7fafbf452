/* nic/link.c against the slow link: same frames, same fates, same instants, whatever happens when. */
#include "net_fixture.h"
#include "nic/link.h"
#include "slow_link.h"

#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

#define RUNS    400u
#define ACTIONS 400u

static const char *const paths[] = {"before", "link", "link-slow", "later"};
enum { BEFORE, LINK, LINK_SLOW, LATER };

static const uint64_t rates[] = {100000000, 1000000000, 10000000000, 333333331, 7777777};
static const sim_time delays[] = {0, 1, 700, 5000, 60000, 5000000};
static const uint64_t queues[] = {0, 60, 3000, 10000, 40000};
static const uint32_t sizes[] = {60, 61, 64, 590, 1514, 1514, 1514, 9014};
#define PICK(array, value) ((array)[(value) % (sizeof(array) / sizeof(array)[0])])

struct run {
    struct fixture *fixture;
    struct link *link;
    struct slow_link *slow;
    struct chance chance;
    uint64_t draws;
    uint32_t actions;
    bool faults; /* more may go wrong at the end of the wire than loss */
    uint16_t next_id;
    uint64_t digests[SLOW_FRAMES_MAX]; /* as they were sent */
    struct slow_outcome outcomes[SLOW_FRAMES_MAX];
    uint32_t outcome_count;
};

static uint64_t draw(struct run *run, uint64_t bound)
{
    return chance_below(run->chance, run->draws++, bound);
}

static void note(struct run *run, uint32_t id, enum slow_fate fate, sim_time time)
{
    cr_assert(run->outcome_count < SLOW_FRAMES_MAX);
    run->outcomes[run->outcome_count++] = (struct slow_outcome){id, fate, time};
}

static void link_delivers(void *context, struct frame *frame)
{
    struct run *run = context;
    bool changed = frame->digest != run->digests[frame->ip_id];
    cr_assert_eq(frame->digest, frame_digest(run->fixture->net.frames, frame));
    note(run, frame->ip_id,
         frame->corrupt ? SLOW_CORRUPT
         : changed      ? SLOW_CHANGED
                        : SLOW_ARRIVED,
         sim_now(run->fixture->sim));
    net_free_frame(&run->fixture->net, frame);
}

static void link_records(void *context, const struct record *record)
{
    static const struct {
        const char *text;
        enum slow_fate fate;
    } reasons[] = {{"down", SLOW_DOWN},      {"loss", SLOW_LOSS},  {"queue", SLOW_QUEUE},
                   {"crash", SLOW_CRASH},    {"burst", SLOW_LOSS}, {"partition", SLOW_LOSS},
                   {"black-hole", SLOW_LOSS}};
    for (uint32_t i = 0; i < sizeof reasons / sizeof *reasons; i++) {
        if (strcmp(record->text, reasons[i].text) == 0) {
            note(context, (uint32_t)record->values[2], reasons[i].fate, record->time);
            return;
        }
    }
    cr_assert_fail("unknown reason %s", record->text);
}

static void send_some(struct run *run)
{
    uint32_t count = 1 + (uint32_t)draw(run, 6);
    for (uint32_t i = 0; i < count; i++) {
        uint32_t bytes = PICK(sizes, draw(run, 64));
        uint16_t id = run->next_id++;
        struct frame *frame =
            fixture_frame(run->fixture, id, bytes, (struct mac){1}, (struct mac){2});
        run->digests[id] = frame->digest;
        link_send(run->link, frame);
        slow_link_send(run->slow, id, bytes);
    }
}

/* A fault at the end of the wire begins anew, or ends. */
static void change_fault(struct run *run, uint64_t value)
{
    struct slow_faults *slow = &run->slow->faults;
    bool begins = value % 4 != 0;
    uint64_t share = begins ? value * 300000 : 0;
    sim_time ns = begins ? PICK(delays, value) : 0;
    struct link_fault_setting setting = {.kind = (enum link_fault)draw(run, LINK_FAULTS)};
    setting.values[0] = share;
    switch (setting.kind) {
    case LINK_LOSS:
        slow->loss = share;
        break;
    case LINK_BURSTS:
        slow->bursts = begins;
        slow->bad = false;
        slow->burst_begin = share / 4;
        setting.values[0] = slow->burst_begin;
        setting.values[1] = slow->burst_end = 300000000;
        setting.values[2] = slow->burst_loss = 900000000;
        setting.values[3] = slow->burst_between = 10000000;
        break;
    case LINK_PARTITION:
        slow->cut = begins && value % 8 == 1;
        begins = slow->cut;
        break;
    case LINK_BLACK_HOLE:
        setting.values[0] = slow->black_hole_bytes = begins ? 576 + value : 0;
        break;
    case LINK_CORRUPT:
        slow->corrupt = share;
        break;
    case LINK_CORRUPT_REPAIRED:
        slow->change = share;
        break;
    case LINK_DUPLICATE:
        slow->duplicate = share;
        break;
    case LINK_REORDER:
        slow->reorder = share;
        setting.values[1] = (uint64_t)(slow->hold_ns = PICK(delays, value / 7));
        break;
    case LINK_JITTER:
        setting.values[0] = (uint64_t)(slow->jitter_ns = ns);
        break;
    default:
        setting.values[0] = (uint64_t)(slow->delay_ns = ns);
        break;
    }
    if (begins) {
        link_begin_fault(run->link, &setting);
    } else {
        (void)link_end_fault(run->link, setting.kind, 0);
    }
}

static void change_something(struct run *run)
{
    uint64_t value = draw(run, 1000);
    switch (draw(run, run->faults ? 12 : 8)) {
    case 0:
        link_set_rate(run->link, PICK(rates, value), 0);
        slow_link_set_rate(run->slow, PICK(rates, value));
        break;
    case 1:
        link_set_delay(run->link, PICK(delays, value), 0);
        slow_link_set_delay(run->slow, PICK(delays, value));
        break;
    case 2:
        link_set_queue(run->link, PICK(queues, value), 0);
        run->slow->queue_bytes_max = PICK(queues, value);
        break;
    case 3:
        link_set_down(run->link, value % 2 == 0, 0);
        slow_link_set_down(run->slow, value % 2 == 0);
        break;
    case 4:
        link_sender_crashed(run->link);
        slow_link_crash(run->slow);
        break;
    case 5:
        run->slow->faults.loss = value % 2 == 0 ? 0 : value * 1000000;
        link_begin_fault(run->link, &(struct link_fault_setting){
                                        .kind = LINK_LOSS, .values = {run->slow->faults.loss}});
        break;
    case 6:
        run->slow->nth_skip = value % 5;
        run->slow->nth_count = value % 3;
        link_lose_nth(run->link, value % 5, value % 3, 0);
        break;
    case 7:
        link_set_down(run->link, false, 0);
        slow_link_set_down(run->slow, false);
        break;
    default:
        change_fault(run, value);
        break;
    }
}

/* The next instant: now, soon, or just when something happens on the link, or a nanosecond beside it. */
static sim_time next_instant(struct run *run)
{
    sim_time now = sim_now(run->fixture->sim);
    const struct slow_link *slow = run->slow;
    sim_time at = now + (sim_time)draw(run, 20000);
    uint64_t kind = draw(run, 8);
    if (kind == 0) {
        at = now;
    } else if (kind <= 2 && slow->sending != NULL) {
        at = slow->sending->end;
    } else if (kind <= 4 && slow->wire.count > 0) {
        uint32_t nth = (uint32_t)draw(run, slow->wire.count);
        at = slow->wire.items[(slow->wire.first + nth) % SLOW_FRAMES_MAX]->arrival;
    } else if (kind == 5) {
        at = now + (sim_time)draw(run, 6000000);
    }
    if (draw(run, 4) == 0) {
        at += (sim_time)draw(run, 3) - 1;
    }
    return at < now ? now : at;
}

static void act(void *context)
{
    struct run *run = context;
    if (draw(run, 3) > 0) {
        send_some(run);
    } else {
        change_something(run);
    }
    cr_assert_eq(link_queued_bytes(run->link), slow_link_queued_bytes(run->slow));
    link_check(run->link);
    if (++run->actions < ACTIONS) {
        uint32_t origin = draw(run, 2) == 0 ? BEFORE : LATER;
        (void)sim_call_at(run->fixture->sim, origin, next_instant(run), act, run);
    }
}

static void compare(const struct run *run, uint64_t seed)
{
    const struct slow_link *slow = run->slow;
    uint32_t count =
        run->outcome_count < slow->outcome_count ? run->outcome_count : slow->outcome_count;
    for (uint32_t i = 0; i < count; i++) {
        const struct slow_outcome *a = &run->outcomes[i], *b = &slow->outcomes[i];
        cr_assert(a->id == b->id && a->fate == b->fate && a->time == b->time,
                  "seed %lu, outcome %u: frame %u fate %d at %ld, slowly frame %u fate %d at %ld",
                  (unsigned long)seed, i, a->id, (int)a->fate, (long)a->time, b->id, (int)b->fate,
                  (long)b->time);
    }
    cr_assert_eq(run->outcome_count, slow->outcome_count, "seed %lu", (unsigned long)seed);
    cr_assert_eq(run->outcome_count, run->next_id + slow->doubled, "seed %lu", (unsigned long)seed);
    cr_assert_eq(link_statistics(run->link).busy_ns, slow->busy_ns, "seed %lu",
                 (unsigned long)seed);
    cr_assert(link_audit(run->link));
}

/* Fates seen over all runs, so that a test that never loses anything would show. */
static void run_once(uint64_t seed, bool faults, uint32_t fates[SLOW_FATES])
{
    struct fixture *fixture = fixture_new(paths, 4, seed);
    struct run *run = calloc(1, sizeof *run);
    cr_assert(run != NULL);
    run->fixture = fixture;
    run->faults = faults;
    run->chance = chance_key(seed, "test", "actions");
    struct link_options options = {.rate_bps = PICK(rates, seed),
                                   .delay_ns = PICK(delays, seed / 5),
                                   .queue_bytes_max = 10000};
    run->link = link_new(&fixture->net, LINK, &options, (struct frame_sink){link_delivers, run});
    run->slow = slow_link_new(fixture->sim, LINK_SLOW, seed, options.rate_bps, options.delay_ns,
                              options.queue_bytes_max);
    recorder_listen(fixture->recorder, fixture->net.record_base + NET_FRAME_LOST, link_records,
                    run);
    (void)sim_call_at(fixture->sim, BEFORE, 0, act, run);
    cr_assert_eq(sim_run(fixture->sim, SIM_NEVER - 1), SIM_STOP_IDLE);
    compare(run, seed);
    for (uint32_t i = 0; i < run->outcome_count; i++) {
        fates[run->outcomes[i].fate]++;
    }
    link_free(run->link);
    slow_link_free(run->slow);
    fixture_free(fixture);
    free(run);
}

Test(link_model, same_as_one_event_for_each_step)
{
    uint32_t fates[SLOW_FATES] = {0};
    for (uint64_t seed = 1; seed <= RUNS; seed++) {
        run_once(seed, seed % 2 == 0, fates);
    }
    for (uint32_t fate = SLOW_ARRIVED; fate < SLOW_FATES; fate++) {
        cr_assert(fates[fate] > 100, "fate %u came %u times only", fate, fates[fate]);
    }
}
