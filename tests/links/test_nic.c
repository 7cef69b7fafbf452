/* NICs: what a machine's state makes of a frame. */
#include "net_fixture.h"
#include "nic/nic.h"

#include <criterion/criterion.h>
#include <string.h>

#define RING 4u

static const char *const paths[] = {"host", "host/nic", "link", "script"};
enum { HOST, NIC, LINK, SCRIPT };
static const struct mac own = {0x020000000001}, other = {0x020000000002};

enum step {
    END,
    FRAME,   /* one arrives; frames are numbered from 0 */
    FOREIGN, /* one for another station */
    GROUP,
    JUMBO,
    FREEZE,
    THAW,
    PAUSE,
    RESUME,
    CRASH,
    POWER,
    REBOOT,
    PROMISCUOUS,
    STALL,
    UNSTALL,
    NO_RING,
    SHORT_RING,
    USUAL_RING,
    HANG,
    UNHANG,
    RESET,
};

/* Steps happen 1 us apart, the machine being on at first. */
static const struct nic_case {
    const char *name;
    enum step steps[16];
    const char *received; /* numbers of the frames that the machine got, in order */
    const char *reason;   /* of all losses */
    uint32_t lost;
} nic_cases[] = {
    {"running", {FRAME, FRAME}, "01", NULL, 0},
    {"not for it", {FOREIGN, FRAME, GROUP}, "12", NULL, 0},
    {"promiscuous", {PROMISCUOUS, FOREIGN, FRAME}, "01", NULL, 0},
    {"too long", {JUMBO, FRAME}, "1", "mtu", 1},
    {"frozen, then thawed", {FREEZE, FRAME, FRAME, THAW, FRAME}, "012", NULL, 0},
    {"paused, then resumed", {PAUSE, FRAME, FRAME, RESUME, FRAME}, "012", NULL, 0},
    {"the ring is full",
     {FREEZE, FRAME, FRAME, FRAME, FRAME, FRAME, FRAME, THAW, FRAME},
     "01236",
     "ring",
     2},
    {"frozen twice, thawed once", {FREEZE, FREEZE, FRAME, THAW, FRAME, THAW}, "01", NULL, 0},
    {"off", {CRASH, FRAME, POWER, FRAME}, "1", "off", 1},
    {"crash with a full ring", {FREEZE, FRAME, FRAME, CRASH, POWER, FRAME}, "2", "crash", 2},
    {"reboot with a full ring", {FREEZE, FRAME, FRAME, REBOOT, FRAME}, "2", "crash", 2},
    {"stalled, then not", {STALL, FRAME, FRAME, UNSTALL, FRAME}, "012", NULL, 0},
    {"stalled for too long",
     {FRAME, STALL, FRAME, FRAME, FRAME, FRAME, FRAME, UNSTALL, FRAME},
     "012346",
     "ring",
     1},
    {"stalled and frozen, then neither",
     {STALL, FREEZE, FRAME, UNSTALL, FRAME, THAW, FRAME},
     "012",
     NULL,
     0},
    {"no ring", {FRAME, NO_RING, FRAME, FRAME, USUAL_RING, FRAME}, "03", "ring", 2},
    {"a short ring does not matter to one that runs", {SHORT_RING, FRAME, FRAME}, "01", NULL, 0},
    {"a short ring of one that is stalled",
     {STALL, SHORT_RING, FRAME, FRAME, UNSTALL, FRAME},
     "02",
     "ring",
     1},
    {"the ring becomes shorter than what is in it",
     {STALL, FRAME, FRAME, SHORT_RING, UNSTALL, FRAME},
     "012",
     NULL,
     0},
    {"it hangs", {FRAME, HANG, FRAME, FRAME, UNHANG, FRAME}, "03", "hang", 2},
    {"it hangs twice, and ends once", {HANG, HANG, FRAME, UNHANG, FRAME}, "1", "hang", 1},
    {"a reset loses the ring", {FREEZE, FRAME, FRAME, RESET, FRAME, THAW}, "2", "reset", 2},
    {"a hang begins with a reset", {STALL, FRAME, HANG, UNHANG, UNSTALL, FRAME}, "1", "reset", 1},
};

struct rig {
    struct fixture *fixture;
    struct collector collector;
    struct machine *machine;
    struct nic *nic;
    struct link *link;
    const enum step *step;
    uint16_t next_id;
};

static void arrive(struct rig *rig, struct mac to, uint32_t bytes)
{
    struct frame_sink sink = nic_wire_side(rig->nic);
    sink.receive(sink.context, fixture_frame(rig->fixture, rig->next_id++, bytes, other, to));
}

static void take_step(void *context)
{
    struct rig *rig = context;
    switch (*rig->step++) {
    case END:
        return;
    case FRAME:
        arrive(rig, own, 60);
        break;
    case FOREIGN:
        arrive(rig, other, 60);
        break;
    case GROUP:
        arrive(rig, MAC_BROADCAST, 60);
        break;
    case JUMBO:
        arrive(rig, own, 1515);
        break;
    case FREEZE:
        machine_freeze(rig->machine);
        break;
    case THAW:
        machine_thaw(rig->machine);
        break;
    case PAUSE:
        machine_pause(rig->machine);
        break;
    case RESUME:
        machine_resume(rig->machine);
        break;
    case CRASH:
        machine_crash(rig->machine);
        break;
    case POWER:
        machine_power_on(rig->machine);
        break;
    case REBOOT:
        machine_reboot(rig->machine);
        break;
    case PROMISCUOUS:
        nic_set_promiscuous(rig->nic, true);
        break;
    case STALL:
        nic_set_stalled(rig->nic, true, 0);
        break;
    case UNSTALL:
        nic_set_stalled(rig->nic, false, 0);
        break;
    case NO_RING:
        nic_set_ring(rig->nic, 0, 0);
        break;
    case SHORT_RING:
        nic_set_ring(rig->nic, 1, 0);
        break;
    case USUAL_RING:
        nic_set_ring(rig->nic, RING, 0);
        break;
    case HANG:
        nic_set_hung(rig->nic, true, 0);
        break;
    case UNHANG:
        nic_set_hung(rig->nic, false, 0);
        break;
    case RESET:
        nic_reset(rig->nic, 0);
        break;
    }
    nic_check(rig->nic);
    (void)sim_call_at(rig->fixture->sim, SCRIPT, sim_now(rig->fixture->sim) + SIM_US, take_step,
                      rig);
}

static void rig_open(struct rig *rig)
{
    memset(rig, 0, sizeof *rig);
    rig->fixture = fixture_new(paths, 4, 1);
    rig->collector.fixture = rig->fixture;
    rig->machine = machine_new(rig->fixture->sim, NULL, HOST);
    struct nic_options options = {
        .machine = rig->machine, .origin = NIC, .mac = own, .mtu = 1500, .ring_frames = RING};
    rig->nic = nic_new(&rig->fixture->net, &options);
    struct link_options link = {.rate_bps = 1000000000, .delay_ns = 10 * SIM_US};
    rig->link = link_new(&rig->fixture->net, LINK, &link, collector_sink(&rig->collector));
    machine_power_on(rig->machine);
}

static void rig_close(struct rig *rig)
{
    nic_check(rig->nic);
    nic_free(rig->nic);
    link_free(rig->link);
    machine_free(rig->machine);
    fixture_free(rig->fixture);
}

static void states_decide(void)
{
    for (uint32_t i = 0; i < sizeof nic_cases / sizeof nic_cases[0]; i++) {
        const struct nic_case *row = &nic_cases[i];
        struct rig rig;
        rig_open(&rig);
        nic_connect_in(rig.nic, collector_sink(&rig.collector));
        rig.step = row->steps;
        (void)sim_call_at(rig.fixture->sim, SCRIPT, 0, take_step, &rig);
        (void)sim_run(rig.fixture->sim, SIM_S);
        cr_assert_eq(rig.collector.count, strlen(row->received), "%s", row->name);
        for (uint32_t k = 0; k < rig.collector.count; k++) {
            cr_assert_eq(rig.collector.ids[k], row->received[k] - '0', "%s", row->name);
        }
        cr_assert_eq(fixture_count(rig.fixture, NET_FRAME_LOST, NULL), row->lost, "%s", row->name);
        cr_assert_eq(fixture_count(rig.fixture, NET_FRAME_LOST, row->reason), row->lost, "%s",
                     row->name);
        cr_assert_eq(nic_ring_drops(rig.nic),
                     row->reason != NULL && strcmp(row->reason, "ring") == 0 ? row->lost : 0);
        rig_close(&rig);
    }
}

/* What is sent: only while it runs, and not what its crash leaves behind. */
static const struct send_case {
    const char *name;
    enum step first;
    uint32_t delivered;
    const char *reason;
} send_cases[] = {
    {"running", END, 3, NULL},       {"frozen", FREEZE, 0, "stopped"},
    {"paused", PAUSE, 0, "stopped"}, {"off", CRASH, 0, "off"},
    {"it hangs", HANG, 0, "hang"},   {"stalled: only what comes in waits", STALL, 3, NULL},
};

static void send_three(void *context)
{
    struct rig *rig = context;
    struct frame_sink sink = nic_machine_side(rig->nic);
    for (uint16_t i = 0; i < 3; i++) {
        sink.receive(sink.context, fixture_frame(rig->fixture, i, 1000, own, other));
    }
}

static void crash_now(void *context)
{
    struct rig *rig = context;
    machine_crash(rig->machine);
}

static void sends_while_it_runs(void)
{
    for (uint32_t i = 0; i < sizeof send_cases / sizeof send_cases[0]; i++) {
        const struct send_case *row = &send_cases[i];
        struct rig rig;
        rig_open(&rig);
        nic_connect_link(rig.nic, rig.link);
        const enum step steps[] = {row->first, END};
        rig.step = steps;
        (void)sim_call_at(rig.fixture->sim, SCRIPT, 0, take_step, &rig);
        (void)sim_call_at(rig.fixture->sim, SCRIPT, 5 * SIM_US, send_three, &rig);
        (void)sim_run(rig.fixture->sim, SIM_S);
        cr_assert_eq(rig.collector.count, row->delivered, "%s", row->name);
        cr_assert_eq(fixture_count(rig.fixture, NET_FRAME_LOST, row->reason), 3 - row->delivered,
                     "%s", row->name);
        rig_close(&rig);
    }
    /* L4 through the NIC: 8,192 ns a frame; at 10 us the first has left, the second is being sent. */
    struct rig rig;
    rig_open(&rig);
    nic_connect_link(rig.nic, rig.link);
    (void)sim_call_at(rig.fixture->sim, SCRIPT, 0, send_three, &rig);
    (void)sim_call_at(rig.fixture->sim, SCRIPT, 10 * SIM_US, crash_now, &rig);
    (void)sim_run(rig.fixture->sim, SIM_S);
    cr_assert_eq(rig.collector.count, 1);
    cr_assert_eq(fixture_count(rig.fixture, NET_FRAME_LOST, "crash"), 2);
    rig_close(&rig);
}

/* N3: what arrives at the instant of the thaw, before the ring is drained, queues behind. */
static void thaw_and_send(void *context)
{
    struct rig *rig = context;
    machine_thaw(rig->machine);
    arrive(rig, own, 60);
    nic_check(rig->nic);
}

static void freeze_and_send(void *context)
{
    struct rig *rig = context;
    machine_freeze(rig->machine);
    arrive(rig, own, 60);
    arrive(rig, own, 60);
    nic_check(rig->nic);
}

static void order_survives_a_freeze(void)
{
    struct rig rig;
    rig_open(&rig);
    nic_connect_in(rig.nic, collector_sink(&rig.collector));
    (void)sim_call_at(rig.fixture->sim, SCRIPT, 0, freeze_and_send, &rig);
    (void)sim_call_at(rig.fixture->sim, SCRIPT, SIM_MS, thaw_and_send, &rig);
    (void)sim_run(rig.fixture->sim, SIM_S);
    cr_assert_eq(rig.collector.count, 3);
    for (uint16_t i = 0; i < 3; i++) {
        cr_assert_eq(rig.collector.ids[i], i);
        cr_assert_eq(rig.collector.times[i], SIM_MS);
    }
    rig_close(&rig);
}

Test(nic, machine_states)
{
    states_decide();
    sends_while_it_runs();
    order_survives_a_freeze();
}
