/* What goes wrong in a switch: tables, announcements, and what lies between two groups of ports. */
#include "net_fixture.h"
#include "nic/ether_switch.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

#define PORTS 4u
#define WHOLE UINT64_C(1000000000)

static const char *const paths[] = {"switch"};

/* Stations A to D are at ports 0 to 3; `move` sends as A from port 3. */
struct rig {
    struct fixture *fixture;
    struct ether_switch *ether_switch;
    char out[64]; /* "1:7 " for frame 7 that left by port 1 */
};

struct rig_port {
    struct rig *rig;
    uint32_t number;
};

static struct mac station(uint32_t number)
{
    return (struct mac){UINT64_C(0x020000000001) + number};
}

static void port_receives(void *context, struct frame *frame)
{
    struct rig_port *port = context;
    size_t used = strlen(port->rig->out);
    snprintf(port->rig->out + used, sizeof port->rig->out - used, "%u:%u ", port->number,
             frame->ip_id);
    net_free_frame(&port->rig->fixture->net, frame);
}

static void send_as(struct rig *rig, uint32_t port, uint32_t from, struct mac to, uint16_t id)
{
    struct frame_sink sink = ether_switch_port(rig->ether_switch, port);
    sink.receive(sink.context, fixture_frame(rig->fixture, id, 60, station(from), to));
}

static void announce(struct rig *rig, uint32_t port, uint32_t from, uint16_t id)
{
    struct frame *frame = frame_new(rig->fixture->net.frames);
    frame->destination = MAC_BROADCAST;
    frame->source = station(from);
    frame->ether_type = ETHER_ARP;
    frame->protocol = 0;
    frame->ip_id = id;
    frame->arp = (struct arp_header){
        .operation = 1, .sender_mac = station(from), .sender_ip = {from}, .target_ip = {from}};
    frame_seal(rig->fixture->net.frames, frame);
    struct frame_sink sink = ether_switch_port(rig->ether_switch, port);
    sink.receive(sink.context, frame);
}

static void run_until(struct rig *rig, sim_time at)
{
    (void)sim_run(rig->fixture->sim, at);
}

/* ---- faults, each with what frames do while it acts ---- */

static void pair(struct rig *rig, const struct switch_pair *settings)
{
    static const uint32_t from[] = {0}, to[] = {1, 2};
    struct switch_pair whole = *settings;
    whole.from = from;
    whole.from_count = 1;
    whole.to = to;
    whole.to_count = 2;
    whole.cause = 9;
    ether_switch_begin_pair(rig->ether_switch, &whole);
}

static void ask_around(struct rig *rig)
{
    send_as(rig, 0, 0, station(1), 1);
    send_as(rig, 1, 1, station(0), 2);
    send_as(rig, 0, 0, station(3), 3);
    send_as(rig, 2, 2, MAC_BROADCAST, 4);
}
static void forget(struct rig *rig)
{
    ether_switch_forget(rig->ether_switch);
    send_as(rig, 0, 0, station(1), 1);
    send_as(rig, 1, 1, station(0), 2);
}
static void no_table(struct rig *rig)
{
    ether_switch_set_limit(rig->ether_switch, 0);
    send_as(rig, 0, 0, station(1), 1);
    send_as(rig, 1, 1, station(0), 2);
    cr_expect_eq(ether_switch_statistics(rig->ether_switch).evicted, 4 + 2);
}
static void small_table(struct rig *rig)
{
    ether_switch_set_limit(rig->ether_switch, 2);
    send_as(rig, 3, 3, station(2), 1);
    send_as(rig, 3, 3, station(1), 2);
}
static void usual_table(struct rig *rig)
{
    ether_switch_set_limit(rig->ether_switch, 0);
    ether_switch_set_limit(rig->ether_switch, ETHER_SWITCH_ENTRIES);
    send_as(rig, 0, 0, station(1), 1);
    send_as(rig, 1, 1, station(0), 2);
}
static void stale(struct rig *rig)
{
    ether_switch_set_stale(rig->ether_switch, true);
    send_as(rig, 3, 0, MAC_BROADCAST, 1);
    rig->out[0] = '\0';
    send_as(rig, 1, 1, station(0), 2);
    cr_expect_eq(ether_switch_statistics(rig->ether_switch).unlearnt, 1);
}
static void stale_no_more(struct rig *rig)
{
    ether_switch_set_stale(rig->ether_switch, true);
    ether_switch_set_stale(rig->ether_switch, false);
    send_as(rig, 3, 0, MAC_BROADCAST, 1);
    rig->out[0] = '\0';
    send_as(rig, 1, 1, station(0), 2);
}
static void off(struct rig *rig)
{
    ether_switch_set_power(rig->ether_switch, false, 9);
    send_as(rig, 0, 0, station(1), 1);
    ether_switch_set_power(rig->ether_switch, true, 0);
    send_as(rig, 0, 0, station(1), 2);
}
static void announcements_lost(struct rig *rig)
{
    ether_switch_set_announcements(rig->ether_switch,
                                   &(struct switch_announcements){WHOLE, 9, 0, 0});
    announce(rig, 3, 0, 1);
    send_as(rig, 1, 1, station(0), 2); /* nothing was learnt either: still at port 0 */
}
static void announcements_repeated(struct rig *rig)
{
    ether_switch_set_announcements(rig->ether_switch, &(struct switch_announcements){0, 0, 2, 9});
    announce(rig, 0, 0, 1);
    send_as(rig, 1, 1, station(0), 2);
}
static void cut_both_ways(struct rig *rig)
{
    pair(rig, &(struct switch_pair){.cut = true});
    ask_around(rig);
}
static void cut_one_way(struct rig *rig)
{
    pair(rig, &(struct switch_pair){.cut = true, .one_way = true});
    ask_around(rig);
}
static void all_lost(struct rig *rig)
{
    pair(rig, &(struct switch_pair){.loss_per_billion = WHOLE});
    ask_around(rig);
}
static void cut_no_more(struct rig *rig)
{
    pair(rig, &(struct switch_pair){.cut = true});
    cr_expect_eq(ether_switch_end_pair(rig->ether_switch, 9), 0);
    ask_around(rig);
}
static void slow_pair(struct rig *rig)
{
    pair(rig, &(struct switch_pair){.delay_ns = SIM_MS});
    ask_around(rig);
    run_until(rig, SIM_MS - 1);
    strcat(rig->out, "| ");
    run_until(rig, SIM_MS);
    cr_expect_eq(ether_switch_end_pair(rig->ether_switch, 9), 3);
}
static void slow_pair_ends(struct rig *rig)
{
    pair(rig, &(struct switch_pair){.delay_ns = SIM_MS});
    send_as(rig, 0, 0, station(1), 1);
    (void)ether_switch_end_pair(rig->ether_switch, 9);
    send_as(rig, 0, 0, station(1), 2); /* overtakes the one that is held */
    run_until(rig, SIM_S);
}
static void slow_pair_off(struct rig *rig)
{
    pair(rig, &(struct switch_pair){.delay_ns = SIM_MS});
    send_as(rig, 0, 0, station(1), 1);
    ether_switch_set_power(rig->ether_switch, false, 9);
    run_until(rig, SIM_S);
}

static const struct fault_case {
    const char *name;
    void (*act)(struct rig *rig);
    const char *out;
    const char *reason; /* of all losses; their cause is 9 */
    uint32_t lost;
} fault_cases[] = {
    {"nothing", ask_around, "1:1 0:2 3:3 0:4 1:4 3:4 ", NULL, 0},
    {"it forgets: floods until it has learnt", forget, "1:1 2:1 3:1 0:2 ", NULL, 0},
    {"no table: floods for ever", no_table, "1:1 2:1 3:1 0:2 2:2 3:2 ", NULL, 0},
    {"two places: the two seen last", small_table, "2:1 0:2 1:2 2:2 ", NULL, 0},
    {"the table is back", usual_table, "1:1 2:1 3:1 0:2 ", NULL, 0},
    {"stale: the old port", stale, "0:2 ", NULL, 0},
    {"stale no more: the new port", stale_no_more, "3:2 ", NULL, 0},
    {"off and on: has forgotten", off, "1:2 2:2 3:2 ", "off", 1},
    {"announcements are lost", announcements_lost, "0:2 ", "announcement", 1},
    {"announcements are repeated", announcements_repeated,
     "1:1 2:1 3:1 1:1 2:1 3:1 1:1 2:1 3:1 0:2 ", NULL, 0},
    {"cut both ways, floods too", cut_both_ways, "3:3 1:4 3:4 ", "partition", 3},
    {"cut one way", cut_one_way, "0:2 3:3 0:4 1:4 3:4 ", "partition", 1},
    {"all lost between", all_lost, "3:3 1:4 3:4 ", "loss", 3},
    {"cut no more", cut_no_more, "1:1 0:2 3:3 0:4 1:4 3:4 ", NULL, 0},
    {"slow between, as ever elsewhere", slow_pair, "3:3 1:4 3:4 | 1:1 0:2 0:4 ", NULL, 0},
    {"slow until it ends", slow_pair_ends, "1:2 1:1 ", NULL, 0},
    {"what is held is lost with the power", slow_pair_off, "", "off", 1},
};

Test(switch_fault, each_does_what_it_says)
{
    for (uint32_t i = 0; i < sizeof fault_cases / sizeof fault_cases[0]; i++) {
        const struct fault_case *row = &fault_cases[i];
        struct rig rig = {.fixture = fixture_new(paths, 1, 1)};
        struct rig_port ports[PORTS];
        for (uint32_t k = 0; k < 9; k++) { /* records that can be a cause */
            RECORD(rig.fixture->recorder, rig.fixture->net.record_base + NET_LINK_STATE, 0, 0, "",
                   1, 0, 0);
        }
        rig.ether_switch = ether_switch_new(&rig.fixture->net, 0, PORTS, ETHER_SWITCH_AGEING_NS);
        for (uint32_t k = 0; k < PORTS; k++) {
            ports[k] = (struct rig_port){&rig, k};
            (void)ether_switch_add_port(rig.ether_switch,
                                        (struct frame_sink){port_receives, &ports[k]});
        }
        for (uint32_t k = 0; k < PORTS; k++) {
            send_as(&rig, k, k, station(k), 0); /* to itself: learnt, and gone */
        }
        rig.out[0] = '\0';
        row->act(&rig);
        ether_switch_check(rig.ether_switch);
        cr_expect_str_eq(rig.out, row->out, "%s: %s", row->name, rig.out);
        cr_expect_eq(fixture_count(rig.fixture, NET_FRAME_LOST, NULL), row->lost, "%s", row->name);
        for (uint32_t k = 0; k < rig.fixture->record_count; k++) {
            const struct fixture_record *record = &rig.fixture->records[k];
            if (record->kind == NET_FRAME_LOST) {
                cr_expect_str_eq(record->text, row->reason, "%s", row->name);
                cr_expect_eq(record->cause, 9, "%s", row->name);
            }
        }
        ether_switch_free(rig.ether_switch);
        fixture_free(rig.fixture);
    }
}
