/* The switch against a plain list of who was seen where and when. */
#include "net_fixture.h"
#include "nic/ether_switch.h"
#include "sim/chance.h"

#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

#define PORTS   5u
#define ACTIONS 30000u

static const char *const paths[] = {"switch"};

struct seen {
    struct mac mac;
    uint32_t port;
    sim_time at;
    uint64_t order;
};

struct model {
    struct seen seen[ETHER_SWITCH_ENTRIES];
    uint32_t count;
    uint64_t orders;
    uint32_t moves;
};

struct rig {
    struct fixture *fixture;
    struct ether_switch *ether_switch;
    uint32_t out_mask; /* ports by which the last frame came out */
    uint32_t out_count;
    bool used[PORTS];
    struct model model;
    struct chance chance;
    uint64_t draws;
};

struct rig_port {
    struct rig *rig;
    uint32_t number;
};

static void port_receives(void *context, struct frame *frame)
{
    struct rig_port *port = context;
    port->rig->out_mask |= 1u << port->number;
    port->rig->out_count++;
    net_free_frame(&port->rig->fixture->net, frame);
}

/* Lets time go on to `at`, where nothing is queued. */
static void nothing(void *context)
{
    (void)context;
}

static void pass_time(struct fixture *fixture, sim_time at)
{
    (void)sim_call_at(fixture->sim, 0, at, nothing, NULL);
    (void)sim_run(fixture->sim, at);
    cr_assert_eq(sim_now(fixture->sim), at);
}

static struct seen *model_find(struct model *model, struct mac mac)
{
    for (uint32_t i = 0; i < model->count; i++) {
        if (mac_same(model->seen[i].mac, mac)) {
            return &model->seen[i];
        }
    }
    return NULL;
}

static void model_drop(struct model *model, struct seen *seen)
{
    *seen = model->seen[--model->count];
}

static void model_learn(struct model *model, struct mac mac, uint32_t port, sim_time now)
{
    struct seen *seen = model_find(model, mac);
    if (seen == NULL) {
        if (model->count == ETHER_SWITCH_ENTRIES) {
            struct seen *oldest = &model->seen[0];
            for (uint32_t i = 1; i < model->count; i++) {
                oldest = model->seen[i].order < oldest->order ? &model->seen[i] : oldest;
            }
            model_drop(model, oldest);
        }
        seen = &model->seen[model->count++];
    } else if (seen->port != port && now - seen->at <= ETHER_SWITCH_AGEING_NS) {
        model->moves++;
    }
    *seen = (struct seen){mac, port, now, ++model->orders};
}

static uint32_t model_lookup(struct model *model, struct mac mac, sim_time now)
{
    const struct seen *seen = model_find(model, mac);
    bool fresh = seen != NULL && now - seen->at <= ETHER_SWITCH_AGEING_NS;
    return fresh ? seen->port : SIM_NONE;
}

static uint64_t draw(struct rig *rig, uint64_t bound)
{
    return chance_below(rig->chance, rig->draws++, bound);
}

static uint32_t all_ports(const struct rig *rig)
{
    uint32_t mask = 0;
    for (uint32_t i = 0; i < PORTS; i++) {
        mask |= rig->used[i] ? 1u << i : 0;
    }
    return mask;
}

/* Few MACs talk much, so that moves are common; many talk now and then, so that the table fills. */
static struct mac some_mac(struct rig *rig)
{
    uint64_t number = draw(rig, 2) == 0 ? draw(rig, 20) : draw(rig, 12000);
    return (struct mac){UINT64_C(0x020000000000) + number};
}

static void send_one(struct rig *rig)
{
    uint32_t in = (uint32_t)draw(rig, PORTS);
    if (!rig->used[in]) {
        return;
    }
    sim_time now = sim_now(rig->fixture->sim);
    struct mac source = draw(rig, 50) == 0 ? MAC_BROADCAST : some_mac(rig);
    struct mac destination = draw(rig, 20) == 0 ? MAC_BROADCAST : some_mac(rig);
    if (!mac_is_group(source)) {
        model_learn(&rig->model, source, in, now);
    }
    uint32_t to =
        mac_is_group(destination) ? SIM_NONE : model_lookup(&rig->model, destination, now);
    uint32_t expected = to == SIM_NONE ? all_ports(rig) : 1u << to;
    expected &= ~(1u << in);
    rig->out_mask = 0;
    rig->out_count = 0;
    struct frame_sink sink = ether_switch_port(rig->ether_switch, in);
    sink.receive(sink.context, fixture_frame(rig->fixture, 1, 60, source, destination));
    cr_assert_eq(rig->out_mask, expected);
    cr_assert_eq(rig->out_count, (uint32_t)__builtin_popcount(expected));
}

static void change_ports(struct rig *rig, struct rig_port *ports)
{
    uint32_t port = (uint32_t)draw(rig, PORTS);
    if (rig->used[port]) {
        ether_switch_remove_port(rig->ether_switch, port);
        for (uint32_t i = rig->model.count; i-- > 0;) {
            if (rig->model.seen[i].port == port) {
                model_drop(&rig->model, &rig->model.seen[i]);
            }
        }
        rig->used[port] = false;
        return;
    }
    /* The lowest free number is given out. */
    uint32_t lowest = 0;
    while (rig->used[lowest]) {
        lowest++;
    }
    uint32_t number = ether_switch_add_port(rig->ether_switch,
                                            (struct frame_sink){port_receives, &ports[lowest]});
    cr_assert_eq(number, lowest);
    rig->used[lowest] = true;
}

static void switch_equals_model(void)
{
    struct rig *rig = calloc(1, sizeof *rig);
    cr_assert(rig != NULL);
    rig->fixture = fixture_new(paths, 1, 1);
    rig->chance = chance_key(1, "test", "switch");
    rig->ether_switch = ether_switch_new(&rig->fixture->net, 0, PORTS, ETHER_SWITCH_AGEING_NS);
    struct rig_port ports[PORTS];
    for (uint32_t i = 0; i < PORTS; i++) {
        ports[i] = (struct rig_port){rig, i};
        rig->used[i] = true;
        cr_assert_eq(
            ether_switch_add_port(rig->ether_switch, (struct frame_sink){port_receives, &ports[i]}),
            i);
    }
    cr_assert_eq(ether_switch_add_port(rig->ether_switch, (struct frame_sink){NULL, NULL}),
                 SIM_NONE);
    uint32_t fullest = 0;
    for (uint32_t action = 0; action < ACTIONS; action++) {
        sim_time now = sim_now(rig->fixture->sim);
        pass_time(rig->fixture, now + (sim_time)draw(rig, 100 * SIM_MS));
        uint64_t kind = draw(rig, 8000);
        if (kind == 0) {
            change_ports(rig, ports);
        } else if (kind == 1 && draw(rig, 4) == 0) {
            ether_switch_forget(rig->ether_switch);
            rig->model.count = 0;
        } else {
            send_one(rig);
        }
        fullest = rig->model.count > fullest ? rig->model.count : fullest;
        struct mac asked = some_mac(rig);
        cr_assert_eq(ether_switch_lookup(rig->ether_switch, asked),
                     model_lookup(&rig->model, asked, sim_now(rig->fixture->sim)));
        if (action % 500 == 0) {
            ether_switch_check(rig->ether_switch);
        }
    }
    cr_assert_eq(fullest, ETHER_SWITCH_ENTRIES);
    cr_assert_gt(rig->model.moves, 1000);
    cr_assert_eq(fixture_count(rig->fixture, NET_SWITCH_LEARNED, NULL), rig->model.moves);
    ether_switch_free(rig->ether_switch);
    fixture_free(rig->fixture);
    free(rig);
}

/* One station, seen at port 0 at time 0: where frames for it go later. */
static const struct age_case {
    const char *name;
    sim_time asked;
    uint32_t out_mask; /* ports 0, 1, 2; the frame comes in by 1 */
} age_cases[] = {
    {"at once", 0, 1},
    {"on the last nanosecond", ETHER_SWITCH_AGEING_NS, 1},
    {"too late: flooded", ETHER_SWITCH_AGEING_NS + 1, 5},
};

static void entries_age(void)
{
    for (uint32_t i = 0; i < sizeof age_cases / sizeof age_cases[0]; i++) {
        const struct age_case *row = &age_cases[i];
        struct rig rig = {.fixture = fixture_new(paths, 1, 1)};
        rig.ether_switch = ether_switch_new(&rig.fixture->net, 0, 3, ETHER_SWITCH_AGEING_NS);
        struct rig_port ports[3] = {{&rig, 0}, {&rig, 1}, {&rig, 2}};
        for (uint32_t k = 0; k < 3; k++) {
            (void)ether_switch_add_port(rig.ether_switch,
                                        (struct frame_sink){port_receives, &ports[k]});
        }
        struct mac station = {0x020000000001}, other = {0x020000000002};
        struct frame_sink sink = ether_switch_port(rig.ether_switch, 0);
        sink.receive(sink.context, fixture_frame(rig.fixture, 1, 60, station, other));
        pass_time(rig.fixture, row->asked);
        rig.out_mask = 0;
        sink = ether_switch_port(rig.ether_switch, 1);
        sink.receive(sink.context, fixture_frame(rig.fixture, 2, 60, other, station));
        cr_assert_eq(rig.out_mask, row->out_mask, "%s", row->name);

        ether_switch_set_power(rig.ether_switch, false, 0);
        rig.out_mask = 0;
        sink.receive(sink.context, fixture_frame(rig.fixture, 3, 60, other, station));
        cr_assert_eq(rig.out_mask, 0, "%s", row->name);
        cr_assert_eq(fixture_count(rig.fixture, NET_FRAME_LOST, "off"), 1, "%s", row->name);
        ether_switch_set_power(rig.ether_switch, true, 0);
        cr_assert_eq(ether_switch_lookup(rig.ether_switch, other), SIM_NONE, "%s", row->name);
        ether_switch_free(rig.ether_switch);
        fixture_free(rig.fixture);
    }
}

Test(ether_switch, learns_ages_and_forgets)
{
    entries_age();
    switch_equals_model();
}
