/* What faults do to single frames, and how often: bytes, causes, stacking, and draws against their probabilities. */
#include "net_fixture.h"
#include "nic/frame_bytes.h"
#include "nic/link_fault.h"

#include <criterion/criterion.h>
#include <string.h>

#define WHOLE UINT64_C(1000000000)

static const char *const paths[] = {"link"};
static const struct mac from = {0x020000000001}, to = {0x020000000002};

struct rig {
    struct fixture *fixture;
    struct link_faults faults;
    uint64_t ordinal;
};

static void rig_open(struct rig *rig, uint64_t seed)
{
    *rig = (struct rig){.fixture = fixture_new(paths, 1, seed)};
    link_faults_init(&rig->faults, &rig->fixture->net, 0);
    for (uint32_t i = 0; i < 9; i++) { /* records that can be a cause */
        RECORD(rig->fixture->recorder, rig->fixture->net.record_base + NET_LINK_STATE, 0, 0, "", 1,
               0, 0);
    }
}

static void rig_close(struct rig *rig)
{
    link_faults_check(&rig->faults);
    link_faults_close(&rig->faults);
    fixture_free(rig->fixture);
}

static struct link_fate decide(struct rig *rig, struct frame *frame)
{
    return link_faults_decide(&rig->faults, ++rig->ordinal, frame);
}

/* ---- a payload that changes ------------------------------------------------------------------------------------------------ */

/* Bytes that differ behind the headers; the frame must be right to whoever checks it. */
static uint32_t bytes_changed(struct rig *rig, const uint8_t *before, uint32_t length,
                              const struct frame *frame)
{
    uint8_t after[FRAME_BYTES_MAX];
    uint32_t changed = 0;
    cr_assert_eq(frame_bytes(&rig->fixture->net, frame, after), length);
    struct frame *parsed = frame_new(rig->fixture->net.frames);
    cr_expect_eq(frame_parse(&rig->fixture->net, after, length, parsed), FRAME_OK);
    net_free_frame(&rig->fixture->net, parsed);
    for (uint32_t i = frame_header_bytes(frame); i < length; i++) {
        changed += before[i] != after[i] ? 1 : 0;
    }
    return changed;
}

/* One byte, whichever, in a literal of the frame's own; the page that it came from and a copy made before stay as they were (F6). */
Test(link_fault, a_repaired_frame_has_one_byte_changed)
{
    static const uint32_t sizes[] = {60, 61, 590, 1514, 9014};
    struct rig rig;
    rig_open(&rig, 3);
    link_faults_begin(&rig.faults,
                      &(struct link_fault_setting){LINK_CORRUPT_REPAIRED, 9, {WHOLE}, NULL, NULL});
    for (uint32_t i = 0; i < 500; i++) {
        uint8_t before[FRAME_BYTES_MAX];
        struct frame *frame = fixture_frame(rig.fixture, (uint16_t)i, sizes[i % 5], from, to);
        struct frame *copy = frame_copy(rig.fixture->net.frames, frame);
        uint32_t length = frame_bytes(&rig.fixture->net, frame, before);
        uint64_t digest = frame->digest, made = rig.faults.digests_made;
        struct link_fate fate = decide(&rig, frame);
        cr_expect_null(fate.lost);
        cr_expect_eq(bytes_changed(&rig, before, length, frame), 1, "frame %u", i);
        cr_expect_eq(bytes_changed(&rig, before, length, copy), 0, "frame %u", i);
        cr_expect_neq(frame->digest, digest);
        cr_expect_eq(frame->digest, frame_digest(rig.fixture->net.frames, frame));
        cr_expect_eq(rig.faults.digests_made - made, frame->digest - digest);
        net_free_frame(&rig.fixture->net, frame);
        net_free_frame(&rig.fixture->net, copy);
    }
    cr_expect_eq(fixture_count(rig.fixture, NET_FRAME_CHANGED, NULL), 500);
    cr_expect_eq(rig.fixture->records[rig.fixture->record_count - 1].cause, 9);
    rig_close(&rig);
}

/* Nothing to change: no payload of its own, or the checksum is elsewhere. */
Test(link_fault, what_cannot_be_repaired_is_left_alone)
{
    struct rig rig;
    rig_open(&rig, 3);
    link_faults_begin(&rig.faults,
                      &(struct link_fault_setting){LINK_CORRUPT_REPAIRED, 9, {WHOLE}, NULL, NULL});
    struct frame *frame = fixture_frame(rig.fixture, 1, 590, from, to);
    frame->fragment_offset = 1480;
    (void)decide(&rig, frame);
    struct frame *arp = frame_new(rig.fixture->net.frames);
    arp->ether_type = ETHER_ARP;
    arp->protocol = 0;
    arp->arp = (struct arp_header){.operation = 1};
    (void)decide(&rig, arp);
    cr_expect_eq(fixture_count(rig.fixture, NET_FRAME_CHANGED, NULL), 0);
    net_free_frame(&rig.fixture->net, frame);
    net_free_frame(&rig.fixture->net, arp);
    rig_close(&rig);
}

/* ---- who acts --------------------------------------------------------------------------------------------------------------- */

static bool is_even(void *context, const struct frame *frame)
{
    (*(uint32_t *)context)++;
    return frame->ip_id % 2 == 0;
}

struct step {
    char
        act; /* b: begin, e: end, o: owe one after `share` others, s: begin with a selector; 0: the end */
    enum link_fault kind;
    uint64_t cause, share;
};

/* Of frames 0 to 5, after these steps: '.' goes on, a digit is the cause of its loss, 'c' is corrupt, 't' comes twice. */
static const struct {
    const char *name;
    struct step steps[6];
    const char *fates;
} stacks[] = {
    {"nothing", {{0}}, "......"},
    {"one", {{'b', LINK_LOSS, 1, WHOLE}}, "111111"},
    {"the last that began acts", {{'b', LINK_LOSS, 1, WHOLE}, {'b', LINK_LOSS, 2, 0}}, "......"},
    {"and then the one before again",
     {{'b', LINK_LOSS, 1, WHOLE}, {'b', LINK_LOSS, 2, 0}, {'e', LINK_LOSS, 2, 0}},
     "111111"},
    {"the first ends first",
     {{'b', LINK_LOSS, 1, 0}, {'b', LINK_LOSS, 2, WHOLE}, {'e', LINK_LOSS, 1, 0}},
     "222222"},
    {"all end",
     {{'b', LINK_LOSS, 1, WHOLE},
      {'b', LINK_LOSS, 2, WHOLE},
      {'e', LINK_LOSS, 1, 0},
      {'e', LINK_LOSS, 2, 0}},
     "......"},
    {"begun twice: the second counts",
     {{'b', LINK_LOSS, 1, WHOLE}, {'b', LINK_LOSS, 1, 0}},
     "......"},
    {"an end of what never began",
     {{'b', LINK_LOSS, 1, WHOLE}, {'e', LINK_CORRUPT, 1, 0}},
     "111111"},
    {"kinds stand side by side",
     {{'b', LINK_CORRUPT, 1, WHOLE}, {'s', LINK_DUPLICATE, 2, 0}},
     "tctctc"},
    {"what is lost suffers nothing else",
     {{'b', LINK_CORRUPT, 1, WHOLE}, {'s', LINK_LOSS, 2, 0}},
     "2c2c2c"},
    {"a selector takes no other's place",
     {{'s', LINK_LOSS, 1, 0}, {'b', LINK_LOSS, 2, 0}},
     "1.1.1."},
    {"one that is owed, after two", {{'o', LINK_LOSS, 1, 2}}, "..1..."},
    {"two are owed by two", {{'o', LINK_LOSS, 1, 2}, {'o', LINK_LOSS, 2, 4}}, "..1.2."},
    {"owed, and taken back", {{'o', LINK_LOSS, 1, 2}, {'o', LINK_LOSS, 1, WHOLE}}, "......"},
    {"damage that is owed", {{'o', LINK_CORRUPT, 1, 1}}, ".c...."},
    {"bursts beside a partition",
     {{'b', LINK_PARTITION, 3, 0}, {'b', LINK_BURSTS, 2, 0}},
     "333333"},
};

static void take(struct rig *rig, const struct step *step, uint32_t *asked)
{
    struct link_fault_setting setting = {.kind = step->kind, .cause = step->cause};
    setting.values[0] = step->share;
    switch (step->act) {
    case 'b':
        link_faults_begin(&rig->faults, &setting);
        break;
    case 's':
        setting.selects = is_even;
        setting.context = asked;
        link_faults_begin(&rig->faults, &setting);
        break;
    case 'o':
        link_faults_owe(&rig->faults, &setting, step->share, step->share < WHOLE ? 1 : 0);
        break;
    default:
        (void)link_faults_end(&rig->faults, step->kind, step->cause);
        break;
    }
}

Test(link_fault, who_acts)
{
    for (uint32_t i = 0; i < sizeof stacks / sizeof *stacks; i++) {
        struct rig rig;
        uint32_t asked = 0;
        char fates[7] = "";
        bool selects = false;
        rig_open(&rig, 1);
        for (const struct step *step = stacks[i].steps; step->act != 0; step++) {
            take(&rig, step, &asked);
            selects = selects || step->act == 's';
        }
        for (uint16_t k = 0; k < 6; k++) {
            struct frame *frame = fixture_frame(rig.fixture, k, 60, from, to);
            struct link_fate fate = decide(&rig, frame);
            fates[k] = fate.lost != NULL ? (char)('0' + fate.cause)
                       : fate.twice      ? 't'
                       : frame->corrupt  ? 'c'
                                         : '.';
            net_free_frame(&rig.fixture->net, frame);
        }
        cr_expect_str_eq(fates, stacks[i].fates, "%s: %s", stacks[i].name, fates);
        cr_expect_eq(asked, selects ? 6 : 0, "%s: asked once for each", stacks[i].name);
        rig_close(&rig);
    }
}

/* ---- how often -------------------------------------------------------------------------------------------------------------- */

#define ARRIVALS 200000u

/* Shares are parts per million. The draws are keyed, so that these counts are always the same; they lie where the model says. */
static const struct {
    uint64_t begin, end, loss, between;
    uint32_t least_lost, most_lost; /* of ARRIVALS */
    uint32_t least_run, most_run;   /* frames lost in a row, on average, in thousandths */
} bursts[] = {
    {1000, 250000, 1000000, 0, 720, 880, 3600, 4400},        /* 0.398 %, in runs of 4 */
    {10000, 100000, 1000000, 0, 17300, 19100, 9500, 10700},  /* 9.09 %, in runs of 10 */
    {10000, 100000, 500000, 1000, 8600, 10000, 1600, 2100},  /* 4.64 % */
    {500000, 500000, 1000000, 0, 98500, 101500, 1950, 2050}, /* a coin, each time */
    {1000000, 0, 1000000, 0, 200000, 200000, 200000000, 200000000},
    {0, 1000000, 1000000, 0, 0, 0, 0, 0},
};

Test(link_fault, bursts_are_as_long_and_as_many_as_the_model_says)
{
    for (uint32_t i = 0; i < sizeof bursts / sizeof *bursts; i++) {
        struct rig rig;
        uint32_t lost = 0, runs = 0;
        bool before = false;
        rig_open(&rig, 7);
        link_faults_begin(&rig.faults, &(struct link_fault_setting){
                                           LINK_BURSTS,
                                           1,
                                           {bursts[i].begin * 1000, bursts[i].end * 1000,
                                            bursts[i].loss * 1000, bursts[i].between * 1000},
                                           NULL,
                                           NULL});
        struct frame *frame = fixture_frame(rig.fixture, 1, 60, from, to);
        for (uint32_t k = 0; k < ARRIVALS; k++) {
            bool now = decide(&rig, frame).lost != NULL;
            lost += now ? 1 : 0;
            runs += now && !before ? 1 : 0;
            before = now;
        }
        uint32_t run = runs > 0 ? (uint32_t)((uint64_t)lost * 1000 / runs) : 0;
        cr_expect(lost >= bursts[i].least_lost && lost <= bursts[i].most_lost, "%u: %u lost", i,
                  lost);
        cr_expect(run >= bursts[i].least_run && run <= bursts[i].most_run, "%u: runs of %u", i,
                  run);
        net_free_frame(&rig.fixture->net, frame);
        rig_close(&rig);
    }
}

/* How long jitter holds, in tenths of the whole: how many of ARRIVALS, in per mille. */
static const struct {
    uint64_t shape;
    uint32_t per_mille[10], slack;
} jitters[] = {
    {LINK_JITTER_UNIFORM, {100, 100, 100, 100, 100, 100, 100, 100, 100, 100}, 3},
    /* Of the normal distribution between -3 and 3, in steps of 0.6; at the ends the table's straight lines are coarse. */
    {LINK_JITTER_NORMAL, {7, 28, 79, 159, 226, 226, 159, 79, 28, 7}, 6},
};

Test(link_fault, jitter_is_spread_as_its_shape_says)
{
    const uint64_t up_to = 3 * SIM_MS;
    for (uint32_t i = 0; i < sizeof jitters / sizeof *jitters; i++) {
        struct rig rig;
        uint32_t counts[10] = {0};
        rig_open(&rig, 7);
        link_faults_begin(&rig.faults, &(struct link_fault_setting){
                                           LINK_JITTER, 1, {up_to, jitters[i].shape}, NULL, NULL});
        struct frame *frame = fixture_frame(rig.fixture, 1, 60, from, to);
        for (uint32_t k = 0; k < ARRIVALS; k++) {
            uint64_t ns = (uint64_t)decide(&rig, frame).hold_ns;
            cr_assert_leq(ns, up_to);
            counts[ns == up_to ? 9 : ns * 10 / up_to]++;
        }
        for (uint32_t k = 0; k < 10; k++) {
            uint32_t per_mille = (counts[k] + ARRIVALS / 2000) / (ARRIVALS / 1000);
            uint32_t expected = jitters[i].per_mille[k];
            cr_expect(per_mille + jitters[i].slack >= expected &&
                          per_mille <= expected + jitters[i].slack,
                      "shape %u, tenth %u: %u per mille", i, k, per_mille);
        }
        net_free_frame(&rig.fixture->net, frame);
        rig_close(&rig);
    }
}
