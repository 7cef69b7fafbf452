/* Captures: the right packets at the right times, the same bytes each run, and errors that are said. */
#include "ip_world.h"
#include "nic/pcap.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define FILE_BYTES_MAX 200000u

struct file {
    uint8_t bytes[FILE_BYTES_MAX];
    size_t length;
};

static uint32_t get_le32(const uint8_t *bytes)
{
    return (uint32_t)bytes[0] | (uint32_t)bytes[1] << 8 | (uint32_t)bytes[2] << 16 |
           (uint32_t)bytes[3] << 24;
}

/* Pings, datagrams with fragments and a refused port, captured to DIRECTORY/host0-lan.pcap, which is read and removed. */
static void capture_run(const char *directory, const struct pcap_options *options,
                        enum link_framing framing, struct file *file)
{
    struct world *world = world_new(
        &(struct world_options){.hosts = 2, .cable = true, .mtu = 1500, .framing = framing});
    char why[256];
    struct capture *capture =
        capture_new(&world->net, options, "host0/lan", framing, why, sizeof why);
    cr_assert(capture != NULL, "%s", why);
    capture_tap(capture, world->host[0].up);
    capture_tap(capture, world->host[1].up);
    struct ip_stack *stack = world->host[0].stack;
    for (uint16_t i = 0; i < 5; i++) {
        cr_assert_eq(icmp_ping(stack, world_address(1), 1, i, (uint32_t)i * 1000), IP_OK);
        struct slice slice = {page_pattern(PAGE_RANDOM, 1), 0, PAGE_BYTES};
        cr_assert_eq(udp_send(stack, 1, world_address(1), 3343, &slice, 1), IP_OK);
        world_run(world, (i + 1) * SIM_MS);
    }
    cr_assert(capture_close(capture, why, sizeof why), "%s", why);
    link_set_tap(world->host[0].up, NULL, NULL);
    link_set_tap(world->host[1].up, NULL, NULL);
    world_free(world);
    char path[128];
    (void)snprintf(path, sizeof path, "%s/host0-lan.pcap", directory);
    FILE *stream = fopen(path, "rb");
    cr_assert(stream != NULL);
    file->length = fread(file->bytes, 1, FILE_BYTES_MAX, stream);
    (void)fclose(stream);
    cr_assert_eq(unlink(path), 0);
}

/* Walks the packets; returns their number. */
static uint32_t walk(const struct file *file, uint32_t link_type, sim_time *first, sim_time *last)
{
    cr_assert_geq(file->length, 24);
    cr_assert_eq(get_le32(file->bytes), 0xa1b23c4d); /* nanoseconds */
    cr_assert_eq(get_le32(file->bytes + 20), link_type);
    uint32_t count = 0;
    *last = 0;
    for (size_t at = 24; at < file->length;) {
        sim_time time = (sim_time)get_le32(file->bytes + at) * SIM_S +
                        get_le32(file->bytes + at + 4) - SIM_WALL_CLOCK_START;
        cr_assert_geq(time, *last);
        *first = count == 0 ? time : *first;
        *last = time;
        cr_assert_eq(get_le32(file->bytes + at + 8), get_le32(file->bytes + at + 12));
        at += 16 + get_le32(file->bytes + at + 8);
        cr_assert_leq(at, file->length);
        count++;
    }
    return count;
}

static const struct pcap_case {
    const char *name;
    sim_time from, until;
    uint64_t frames_max;
    enum link_framing framing;
    uint32_t link_type;
    uint32_t packets; /* 0: whatever there are */
} pcap_cases[] = {
    {"all", 0, SIM_NEVER, 0, LINK_ETHERNET, 1, 0},
    {"the first ten", 0, SIM_NEVER, 10, LINK_ETHERNET, 1, 10},
    {"from 2 ms", 2 * SIM_MS, SIM_NEVER, 0, LINK_ETHERNET, 1, 0},
    {"until 2 ms", 0, 2 * SIM_MS, 0, LINK_ETHERNET, 1, 0},
    {"none", SIM_S, SIM_NEVER, 0, LINK_ETHERNET, 1, 0},
    {"ppp", 0, SIM_NEVER, 0, LINK_PPP, 9, 0},
};

Test(pcap, captures)
{
    char directory[] = "/tmp/orrery-pcap-XXXXXX";
    cr_assert(mkdtemp(directory) != NULL);
    static struct file file, again;
    uint32_t counts[sizeof pcap_cases / sizeof pcap_cases[0]];
    for (uint32_t i = 0; i < sizeof pcap_cases / sizeof pcap_cases[0]; i++) {
        const struct pcap_case *row = &pcap_cases[i];
        struct pcap_options options = {.directory = directory,
                                       .from = row->from,
                                       .until = row->until,
                                       .frames_max = row->frames_max};
        capture_run(directory, &options, row->framing, &file);
        capture_run(directory, &options, row->framing, &again);
        cr_assert_eq(file.length, again.length, "%s", row->name);
        cr_assert_eq(memcmp(file.bytes, again.bytes, file.length), 0, "%s", row->name);
        sim_time first = SIM_NEVER, last = 0;
        counts[i] = walk(&file, row->link_type, &first, &last);
        cr_assert(row->packets == 0 || counts[i] == row->packets, "%s: %u", row->name, counts[i]);
        cr_assert_geq(first, row->from, "%s", row->name);
        cr_assert_lt(last, row->until, "%s", row->name);
    }
    cr_assert_eq(counts[2] + counts[3], counts[0]);
    cr_assert_gt(counts[3], 10);
    cr_assert_eq(counts[4], 0);
    cr_assert_eq(counts[5], counts[0] - 2); /* without request and reply of ARP */
    cr_assert_eq(rmdir(directory), 0);
}

Test(pcap, errors)
{
    struct world *world = world_new(&(struct world_options){.hosts = 1, .mtu = 1500});
    static const char *const directories[] = {"/nonexistent/deep", "/dev/null"};
    for (uint32_t i = 0; i < 2; i++) {
        struct pcap_options options = {.directory = directories[i], .until = SIM_NEVER};
        char why[256] = "";
        cr_assert(capture_new(&world->net, &options, "a/b", LINK_ETHERNET, why, sizeof why) ==
                  NULL);
        cr_assert(strstr(why, directories[i]) != NULL, "%s", why);
    }
    struct pcap_options all = {.directory = "x"};
    struct pcap_options some = {.directory = "x", .link_glob = "node?/*"};
    cr_assert(capture_wanted(&all, "node1/lan"));
    cr_assert(capture_wanted(&some, "node1/lan"));
    cr_assert(!capture_wanted(&some, "alice/lan"));
    world_free(world);
}
