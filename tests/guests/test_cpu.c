/* The processor time of guests: what busy cores, throttling and faults take from them (vm/guest_cpu.h). */
#include "fixture.h"

#include <criterion/criterion.h>
#include <stdlib.h>

#define PERCENT (GUEST_CPU_WHOLE / 100)

static const struct guest_load ten_a_millisecond = {
    .page_count = 256, .touches_per_hour = UINT64_C(10000) * 3600, .order = GUEST_SEQUENTIAL};

static struct guest_spec spec_with(uint32_t vcpus, int64_t load_percent)
{
    return (struct guest_spec){
        .page_count = 256,
        .writers = &ten_a_millisecond,
        .writer_count = 1,
        .vcpus = vcpus,
        .load_ppb = load_percent * PERCENT,
        .tcp = &tcp_profile_linux,
    };
}

static struct guest_statistics statistics_of(struct vm_instance *instance)
{
    struct guest_statistics statistics;
    guest_statistics(vm_instance_guest(instance), &statistics);
    return statistics;
}

/* A second of a host with two cores. Work is done at the beginning of a period, which is then prolonged. */
static const struct {
    const char *name;
    uint32_t vcpus;
    int64_t load, throttle, steal; /* percent */
    sim_time period; /* what 10 ms of work take in the end; 0: no period is prolonged */
    sim_time served; /* in the second */
} shares[] = {
    {"nothing is taken", 1, 0, 100, 100, 0, 0},
    {"a load that fits", 1, 60, 100, 100, 0, 600 * SIM_MS},
    {"all of both cores", 2, 100, 100, 100, 0, 2 * SIM_S},
    {"three vCPUs that need nine tenths of two cores", 3, 60, 100, 100, 0, 1800 * SIM_MS},
    {"four vCPUs on two cores", 4, 100, 100, 100, 20 * SIM_MS, 2 * SIM_S},
    {"eight half busy ones", 8, 50, 100, 100, 20 * SIM_MS, 2 * SIM_S},
    {"throttled to a half, without a load", 1, 0, 50, 100, 20 * SIM_MS, 0},
    {"to a fifth", 1, 0, 20, 100, 50 * SIM_MS, 0},
    {"to a hundredth", 1, 0, 1, 100, SIM_S, 0},
    {"a quarter stolen", 1, 0, 100, 80, 12500 * SIM_US, 0},
    {"half of a half", 1, 0, 50, 50, 40 * SIM_MS, 0},
    {"throttled with a load: so much less is asked for", 1, 80, 40, 100, 25 * SIM_MS, 320 * SIM_MS},
    {"throttled on a busy host: both cost", 4, 100, 50, 100, 30 * SIM_MS, 1340 * SIM_MS},
};

Test(cpu, what_is_left_is_what_is_done)
{
    for (size_t row = 0; row < sizeof shares / sizeof shares[0]; row++) {
        const char *name = shares[row].name;
        const struct guest_spec spec = spec_with(shares[row].vcpus, shares[row].load);
        struct fixture *fixture = fixture_new(&spec, 32 << 20);
        struct vm_instance *instance = fixture_boot(fixture, 0);
        vm_instance_set_throttle(instance, shares[row].throttle * PERCENT);
        vm_instance_set_stolen(instance, shares[row].steal * PERCENT);
        fixture_run(fixture, SIM_S);
        struct guest_statistics s = statistics_of(instance);
        sim_time period = shares[row].period > 0 ? shares[row].period : 10 * SIM_MS;
        sim_time whole = SIM_S / period * 10 * SIM_MS, rest = SIM_S % period;
        sim_time work = whole + (rest < 10 * SIM_MS ? rest : 10 * SIM_MS);
        cr_expect_eq(s.work_ns, work, "%s: %lld ns of work, not %lld", name, (long long)s.work_ns,
                     (long long)work);
        cr_expect_eq(s.stolen_ns, SIM_S - work, "%s: %lld ns stolen", name, (long long)s.stolen_ns);
        cr_expect_eq(s.served_ns, shares[row].served, "%s: %lld ns served", name,
                     (long long)s.served_ns);
        cr_expect_eq(vm_host_served(&fixture->nodes[0].host), s.served_ns, "%s", name);
        cr_expect_eq(core_set_busy_ns(fixture->nodes[0].cores), s.served_ns, "%s", name);
        cr_expect(llabs((long long)s.stores - work / (100 * SIM_US)) <= 1, "%s: %llu stores", name,
                  (unsigned long long)s.stores);
        uint32_t said =
            (shares[row].throttle < 100 ? 1u : 0u) + (shares[row].steal < 100 ? 1u : 0u);
        cr_expect_eq(fixture_count(fixture, VM_THROTTLED), said, "%s", name);
        fixture_free(fixture);
    }
}

/* A throttle that comes and goes: the guest is slow in between, and at full speed again after the pause that it is in. */
Test(cpu, a_throttle_acts_from_the_next_period_on_and_ends)
{
    const struct guest_spec spec = spec_with(1, 0);
    struct fixture *fixture = fixture_new(&spec, 32 << 20);
    struct vm_instance *instance = fixture_boot(fixture, 0);
    fixture_run(fixture, 105 * SIM_MS);
    vm_instance_set_throttle(instance, GUEST_CPU_WHOLE / 2);
    vm_instance_set_throttle(instance, GUEST_CPU_WHOLE / 2); /* changes nothing, and says nothing */
    fixture_run(fixture, 109 * SIM_MS);
    cr_expect_eq(statistics_of(instance).stolen_ns, 0, "the period at hand is worked to its end");
    fixture_run(fixture, 115 * SIM_MS);
    cr_expect_eq(statistics_of(instance).stolen_ns, 5 * SIM_MS);
    fixture_run(fixture, 305 * SIM_MS);
    cr_expect_eq(statistics_of(instance).stolen_ns, 100 * SIM_MS, "%lld",
                 (long long)statistics_of(instance).stolen_ns);
    vm_instance_set_throttle(instance, GUEST_CPU_WHOLE);
    fixture_run(fixture, 2 * SIM_S);
    cr_expect_leq(statistics_of(instance).stolen_ns, 110 * SIM_MS);
    cr_expect_eq(fixture_count(fixture, VM_THROTTLED), 2);
    const struct fixture_record *record = fixture_find(fixture, VM_THROTTLED, 0);
    cr_assert(record != NULL);
    cr_expect_eq(record->values[1], 500);
    cr_expect_str_eq(record->text, "the hypervisor");
    fixture_free(fixture);
}

/* While a VM stands still it needs no core; what it did not get before, it asks for again. While its host is frozen nothing is served. */
static const struct {
    const char *name;
    bool freeze; /* of the host; else a pause of the VM */
    sim_time at, for_ns;
    sim_time stolen, served; /* in the second that follows the first ms of it */
} stops[] = {
    {"paused at work", false, 13 * SIM_MS, 50 * SIM_MS, 0, 475 * SIM_MS},
    {"paused between its demands", false, 17 * SIM_MS, 50 * SIM_MS, 0, 475 * SIM_MS},
    {"paused for a moment", false, 20 * SIM_MS, 1, 0, 500 * SIM_MS},
    {"frozen at work", true, 13 * SIM_MS, 50 * SIM_MS, 0, 475 * SIM_MS},
    {"frozen between its demands", true, 17 * SIM_MS, 50 * SIM_MS, 0, 475 * SIM_MS},
};

Test(cpu, standing_still_is_not_stolen)
{
    for (size_t row = 0; row < sizeof stops / sizeof stops[0]; row++) {
        const char *name = stops[row].name;
        const struct guest_spec spec = spec_with(1, 50);
        struct fixture *fixture = fixture_new(&spec, 32 << 20);
        struct vm_instance *instance = fixture_boot(fixture, 0);
        fixture_run(fixture, stops[row].at);
        if (stops[row].freeze) {
            machine_freeze(fixture->nodes[0].machine);
        } else {
            cr_assert_eq(vm_instance_pause(instance), VM_OK);
        }
        sim_time before = core_set_busy_ns(fixture->nodes[0].cores);
        fixture_run(fixture, stops[row].at + stops[row].for_ns);
        cr_expect_eq(core_set_busy_ns(fixture->nodes[0].cores), before, "%s", name);
        if (stops[row].freeze) {
            machine_thaw(fixture->nodes[0].machine);
        } else {
            cr_assert_eq(vm_instance_resume(instance), VM_OK);
        }
        fixture_run(fixture, SIM_S);
        struct guest_statistics s = statistics_of(instance);
        cr_expect_eq(s.stolen_ns, stops[row].stolen, "%s: %lld ns stolen", name,
                     (long long)s.stolen_ns);
        cr_expect_leq(llabs((long long)(s.served_ns - stops[row].served)), 5 * SIM_MS,
                      "%s: %lld ns served", name, (long long)s.served_ns);
        fixture_free(fixture);
    }
}

/* What was stolen and served moves with the guest; its throttle does not. */
Test(cpu, moves_with_its_guest)
{
    const struct guest_spec spec = spec_with(4, 100);
    struct fixture *fixture = fixture_new(&spec, 32 << 20);
    struct vm_instance *instance = fixture_boot(fixture, 0);
    vm_instance_set_throttle(instance, GUEST_CPU_WHOLE / 2);
    for (uint32_t move = 0; move < 6; move++) {
        /* In the middle of work, of being served, of a pause. */
        fixture_run(fixture, sim_now(fixture->sim) + (47 + 5 * (sim_time)move) * SIM_MS);
        struct guest_statistics before = statistics_of(instance);
        sim_time host = vm_host_served(&fixture->nodes[move % 2].host);
        instance = fixture_move(fixture, instance, 1 - move % 2, 2 * SIM_MS);
        struct guest_statistics after = statistics_of(instance);
        cr_expect_eq(after.stolen_ns, before.stolen_ns, "move %u", move);
        cr_expect_eq(after.served_ns, before.served_ns, "move %u", move);
        cr_expect_eq(after.work_ns, before.work_ns, "move %u", move);
        cr_expect_eq(vm_host_served(&fixture->nodes[move % 2].host), host, "move %u", move);
        cr_expect_eq(core_set_load(fixture->nodes[move % 2].cores), 0, "move %u", move);
    }
    struct guest_statistics s = statistics_of(instance);
    cr_expect_eq(vm_host_served(&fixture->nodes[0].host) + vm_host_served(&fixture->nodes[1].host),
                 s.served_ns);
    fixture_free(fixture);
}

/* A server's work takes as much longer as the guest is slower; what was begun before stays in front. */
static const struct {
    const char *name;
    int64_t throttle; /* percent */
    sim_time latency_min, latency_max;
} works[] = {
    {"at full speed", 100, 10 * SIM_MS, 11 * SIM_MS},
    {"at a half", 50, 20 * SIM_MS, 21 * SIM_MS},
    {"at a fifth", 20, 50 * SIM_MS, 51 * SIM_MS},
};

Test(cpu, work_on_requests_slows_down)
{
    static const struct guest_service services[] = {{.port = 80, .work_ns = 10 * SIM_MS}};
    for (size_t row = 0; row < sizeof works / sizeof works[0]; row++) {
        const struct guest_spec spec = {
            .page_count = 256, .services = services, .service_count = 1, .tcp = &tcp_profile_linux};
        struct fixture *fixture = fixture_new(&spec, 32 << 20);
        struct vm_instance *instance = fixture_boot(fixture, 0);
        vm_instance_set_throttle(instance, works[row].throttle * PERCENT);
        fixture_run(fixture, 200 * SIM_MS); /* the pace is that of the last whole period */
        struct request *request = request_start(&(struct request_options){
            .common =
                fixture_common(fixture, 0, fixture_client_end(fixture, 0), fixture_vm_address()),
            .port = 80,
            .request_bytes = 100,
            .response_bytes = 100,
            .every_ns = 70 * SIM_MS,
            .timeout_ns = SIM_S,
        });
        fixture_run(fixture, SIM_S);
        uint32_t done = fixture_count(fixture, TRAFFIC_REQUEST_DONE);
        cr_assert_geq(done, 10, "%s: %u", works[row].name, done);
        for (uint32_t i = 1; i < done; i++) {
            sim_time latency = fixture_find(fixture, TRAFFIC_REQUEST_DONE, i)->values[1];
            cr_expect(latency >= works[row].latency_min && latency <= works[row].latency_max,
                      "%s: %lld ns", works[row].name, (long long)latency);
        }
        request_free(request);
        fixture_free(fixture);
    }
}

/* Reads: they are made at their rate, set accessed flags and nothing else, and slow down with their guest. */
Test(cpu, reads_read_and_do_not_write)
{
    static const struct {
        const char *name;
        int64_t throttle; /* percent */
        uint64_t loads;
    } rows[] = {{"at full speed", 100, 999}, {"throttled", 25, 249}};
    for (size_t row = 0; row < sizeof rows / sizeof rows[0]; row++) {
        const struct guest_load reader = {
            .page_count = 256, .touches_per_hour = 1000 * 3600, .order = GUEST_SEQUENTIAL};
        const struct guest_spec spec = {
            .page_count = 512, .readers = &reader, .reader_count = 1, .tcp = &tcp_profile_linux};
        uint64_t dirty[512 / 64] = {0};
        sim_time cost = 0;
        struct fixture *fixture = fixture_new(&spec, 32 << 20);
        struct vm_instance *instance = fixture_boot(fixture, 0);
        vm_instance_set_throttle(instance, rows[row].throttle * PERCENT);
        (void)vm_instance_log(instance, true);
        fixture_run(fixture, SIM_S - 1);
        struct guest_statistics s = statistics_of(instance);
        cr_expect_eq(s.loads, rows[row].loads, "%s: %llu loads", rows[row].name,
                     (unsigned long long)s.loads);
        cr_expect_eq(s.stores, 0, "%s", rows[row].name);
        cr_expect_eq(s.lost_ns, 0, "%s: a read is no exit", rows[row].name);
        cr_expect_eq(vm_instance_harvest(instance, dirty, &cost), 0, "%s", rows[row].name);
        fixture_free(fixture);
    }
}
