/* A to B to C is A to C: what arrives does not depend on the way that it took. */
#include <criterion/criterion.h>

#include "tests/migration/rig.h"

#include "sim/crc32c.h"

#include <stdio.h>

/* A quiet guest: nothing but the moves could change it. One that talks keeps remaining times in its state, and those do depend on how
 * long it stood still; its state is compared at each hand-over, by the oracle. */
static const char frame[] =
    "name: hops\n"
    "networks:\n"
    "  lan:  {rate: 1Gbit/s, delay: 5us}\n"
    "  move: {rate: 1Gbit/s, delay: 5us}\n"
    "nodes:\n"
    "  node1..node3: {cores: 2, memory: 64MiB, nics: [lan, move]}\n"
    "vms:\n"
    "  web:\n"
    "    node: node1\n"
    "    memory: 4MiB\n"
    "    nics: [lan]\n"
    "    guest: {content: {zero: 25%%, compressible: 25%%}, services: [{port: 80}]}\n"
    "timeline:\n"
    "%s"
    "end: {at: 10s}\n";

static const char *const ways[] = {
    "  - {at: 4s, live-migrate: {vm: web, to: node3, over: [move]}, as: last}\n",
    "  - {at: 2s, live-migrate: {vm: web, to: node2, over: [move]}, as: first}\n"
    "  - {at: 4s, live-migrate: {vm: web, to: node3, over: [move]}, as: last}\n",
    "  - {at: 2s, live-migrate: {vm: web, to: node2, over: [move]}, as: first}\n"
    "  - {at: 3s, live-migrate: {vm: web, to: node1, over: [move]}, as: back}\n"
    "  - {at: 4s, live-migrate: {vm: web, to: node3, over: [move]}, as: last}\n",
};

struct digest {
    uint32_t memory, state;
    uint64_t pages;
};

static struct digest digest_of(const char *way)
{
    char text[4096], why[512];
    int length = snprintf(text, sizeof text, frame, way);
    cr_assert(length > 0 && (size_t)length < sizeof text);
    struct scenario *scenario = rig_load(text, NULL);
    struct run *run =
        run_new(&(struct run_options){.scenario = scenario, .until = SIM_NEVER, .version = "test"},
                why, sizeof why);
    cr_assert(run != NULL, "%s", why);
    struct world *world = run_world(run);
    cr_assert(run_go(run, SIM_NEVER) == RUN_OVER);
    struct vm_instance *instance = vm_host_find(&world->nodes[2].vm_host, "web");
    cr_assert(instance != NULL && vm_instance_state(instance) == VM_RUNNING, "it is not on node3");
    cr_assert(vm_instance_pause(instance) == VM_OK);
    struct digest digest = {.pages = vm_memory_page_count(vm_instance_memory(instance))};
    for (uint64_t i = 0; i < digest.pages; i++) {
        uint32_t crc = page_crc32c(world->pages, vm_memory_peek(vm_instance_memory(instance), i));
        digest.memory = crc32c(digest.memory, &crc, sizeof crc);
    }
    struct state_writer writer;
    state_writer_init(&writer);
    guest_save(vm_instance_guest(instance), &writer); /* without its clock, which stood still */
    digest.state = crc32c(0, writer.bytes, writer.length);
    state_writer_close(&writer);
    bool finished = run_finish(run, why, sizeof why);
    cr_assert(finished);
    rig_violation(run_result_of(run), why, sizeof why);
    cr_assert(why[0] == 0, "%s", why);
    run_free(run);
    scenario_free(scenario);
    return digest;
}

Test(hops, leave_no_trace)
{
    struct digest straight = digest_of(ways[0]);
    cr_assert(straight.pages == 1024);
    for (size_t i = 1; i < sizeof ways / sizeof *ways; i++) {
        struct digest digest = digest_of(ways[i]);
        cr_expect(digest.memory == straight.memory, "way %zu: another memory", i);
        cr_expect(digest.state == straight.state, "way %zu: another state", i);
    }
}
