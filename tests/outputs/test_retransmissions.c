/* What tshark calls a retransmission or out of order, against the recording: each has a recorded loss or time-out that explains it. */
#include "nic/frame.h"
#include "nic/net.h"
#include "sim/machine.h"
#include "tests/outputs/output_run.h"

#include <arpa/inet.h>
#include <criterion/criterion.h>
#include <dirent.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

/* A frame that was lost, or a time-out: what stands at its sequence number and behind it may be sent again. */
struct reason {
    sim_time at;
    uint64_t flow;
    uint32_t sequence;
    uint32_t payload;
    bool timeout;
};

struct reasons {
    struct reason *items;
    size_t count, losses, timeouts;
};

/* A line of what tshark found. */
struct again {
    sim_time at;
    uint64_t flow;
    uint32_t sequence;
    uint32_t payload;
};

static void add_reason(struct reasons *reasons, const struct record *record, bool timeout)
{
    size_t count = reasons->count++;
    if ((count & (count - 1)) == 0) {
        reasons->items =
            realloc(reasons->items, (count == 0 ? 1 : 2 * count) * sizeof *reasons->items);
        cr_assert_not_null(reasons->items);
    }
    reasons->items[count] = (struct reason){
        .at = record->time,
        .flow = (uint64_t)record->values[timeout ? 0 : 1],
        .sequence = (uint32_t)record->values[timeout ? 1 : 2],
        .payload = timeout ? 0 : (uint32_t)record->values[3],
        .timeout = timeout,
    };
    reasons->losses += !timeout;
    reasons->timeouts += timeout;
}

static void read_reasons(struct reasons *reasons, const struct output_run *run)
{
    char why[512];
    struct recording *recording = recording_open(run->recording, why, sizeof why);
    cr_assert_not_null(recording, "%s", why);
    uint32_t lost = recording_kind_find(recording, "net.frame_lost");
    uint32_t timeout = recording_kind_find(recording, "net.tcp_timeout");
    cr_assert_neq(lost, SIM_NONE);
    cr_assert_neq(timeout, SIM_NONE);
    struct record record;
    while (recording_next(recording, &record)) {
        if (record.kind == lost || record.kind == timeout) {
            add_reason(reasons, &record, record.kind == timeout);
        }
    }
    recording_close(recording);
}

/* RFC 9293, 3.4: sequence numbers compare modulo 2^32. */
static bool before(uint32_t a, uint32_t b)
{
    return (int32_t)(a - b) < 0;
}

static bool explains(const struct reason *reason, const struct again *again)
{
    if (reason->flow != again->flow || reason->at > again->at) {
        return false;
    }
    if (reason->timeout) {
        return !before(again->sequence, reason->sequence);
    }
    /* A segment without payload (SYN, FIN) is its sequence number. */
    uint32_t lost_end = reason->sequence + (reason->payload > 0 ? reason->payload : 1);
    uint32_t sent_end = again->sequence + (again->payload > 0 ? again->payload : 1);
    return before(reason->sequence, sent_end) && before(again->sequence, lost_end);
}

static bool parse(const char *line, struct again *again)
{
    char source[32], destination[32];
    int64_t seconds;
    uint32_t nanoseconds, source_port, destination_port;
    if (sscanf(line,
               "%" SCNd64 ".%" SCNu32 "\t%31s\t%31s\t%" SCNu32 "\t%" SCNu32 "\t%" SCNu32
               "\t%" SCNu32,
               &seconds, &nanoseconds, source, destination, &source_port, &destination_port,
               &again->sequence, &again->payload) != 8) {
        return false;
    }
    struct in_addr a, b;
    cr_assert_eq(inet_pton(AF_INET, source, &a), 1);
    cr_assert_eq(inet_pton(AF_INET, destination, &b), 1);
    again->at = seconds * SIM_S + nanoseconds - SIM_WALL_CLOCK_START;
    again->flow = frame_flow_between((struct ip4){ntohl(a.s_addr)}, (uint16_t)source_port,
                                     (struct ip4){ntohl(b.s_addr)}, (uint16_t)destination_port);
    return true;
}

/* All that tshark finds in one capture. Returns how many. */
static uint32_t check_capture(const char *name, const char *path, const struct reasons *reasons)
{
    char command[PATH_MAX + 512], line[512];
    uint32_t found = 0;
    snprintf(command, sizeof command,
             "tshark -2 -n -o tcp.relative_sequence_numbers:FALSE -r %s -Y "
             "'tcp.analysis.retransmission || "
             "tcp.analysis.fast_retransmission || tcp.analysis.spurious_retransmission || "
             "tcp.analysis.out_of_order' -T fields -e frame.time_epoch -e ip.src -e ip.dst -e "
             "tcp.srcport "
             "-e tcp.dstport -e tcp.seq -e tcp.len 2>/dev/null",
             path);
    FILE *tshark = popen(command, "r");
    cr_assert_not_null(tshark);
    while (fgets(line, sizeof line, tshark) != NULL) {
        struct again again;
        bool explained = false;
        cr_assert(parse(line, &again), "%s: tshark says '%s'", name, line);
        for (size_t i = 0; i < reasons->count && !explained; i++) {
            explained = explains(&reasons->items[i], &again);
        }
        cr_expect(explained, "%s: nothing recorded explains %s", path, line);
        found++;
    }
    cr_assert_eq(pclose(tshark), 0, "%s: tshark failed", path);
    return found;
}

static const struct {
    const char *scenario;
    bool timeouts; /* there must be some, or the case shows nothing of them */
    sim_time from; /* shortly before something happens */
    uint64_t frames_max;
} cases[] = {
    {"lossy-link", true, 0, 5000},
    {"bulk", false, 0, 5000},
    {"target-hangs", true, 1390 * SIM_MS, 2000},
    {"small-migration", false, 1200 * SIM_MS, 2000},
};

Test(retransmissions, have_a_recorded_reason)
{
    if (system("tshark --version >/dev/null 2>&1") != 0) {
        cr_skip_test("needs tshark");
    }
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct output_run run;
        struct reasons reasons = {0};
        uint32_t found = 0;
        output_run(&run, &(struct output_run_options){
                             .scenario = cases[i].scenario,
                             .record = true,
                             .pcap = true,
                             .limits = {.from = cases[i].from, .frames_max = cases[i].frames_max}});
        read_reasons(&reasons, &run);
        DIR *directory = opendir(run.captures);
        cr_assert_not_null(directory);
        for (const struct dirent *entry = readdir(directory); entry != NULL;
             entry = readdir(directory)) {
            char path[PATH_MAX];
            if (entry->d_name[0] != '.') {
                snprintf(path, sizeof path, "%.100s/%.100s", run.captures, entry->d_name);
                found += check_capture(cases[i].scenario, path, &reasons);
            }
        }
        closedir(directory);
        cr_expect_gt(found, 0, "%s: nothing was sent again", cases[i].scenario);
        cr_expect_gt(reasons.losses, 0, "%s", cases[i].scenario);
        cr_expect(!cases[i].timeouts || reasons.timeouts > 0, "%s", cases[i].scenario);
        free(reasons.items);
        output_run_close(&run);
    }
}
