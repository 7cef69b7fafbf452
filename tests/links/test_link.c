/* Links: exact instants, and what each fault takes. */
#include "net_fixture.h"
#include "nic/link.h"

#include <criterion/criterion.h>
#include <string.h>

#define GBIT UINT64_C(1000000000)

static const char *const paths[] = {"link"};
static const struct mac from = {0x020000000001}, to = {0x020000000002};

struct rig {
    struct fixture *fixture;
    struct collector collector;
    struct link *link;
};

static void rig_open(struct rig *rig, const struct link_options *options)
{
    memset(rig, 0, sizeof *rig);
    rig->fixture = fixture_new(paths, 1, 1);
    rig->collector.fixture = rig->fixture;
    /* Records 1 to 4, for faults to name as their cause. */
    for (uint32_t i = 0; i < 4; i++) {
        struct net *net = &rig->fixture->net;
        RECORD(net->recorder, net->record_base + NET_SWITCH_LEARNED, 0, 0, "", 1, 2, 3);
    }
    rig->link = link_new(&rig->fixture->net, 0, options, collector_sink(&rig->collector));
}

static void rig_send(struct rig *rig, uint16_t id, uint32_t bytes)
{
    link_send(rig->link, fixture_frame(rig->fixture, id, bytes, from, to));
    link_check(rig->link);
}

static void rig_run(struct rig *rig, sim_time until)
{
    (void)sim_run(rig->fixture->sim, until);
    link_check(rig->link);
}

static void rig_close(struct rig *rig)
{
    cr_assert(link_audit(rig->link));
    link_free(rig->link);
    fixture_free(rig->fixture);
}

/* How long a wire lets senders queue: a millisecond, or half of its queue; also after either changed. */
static const struct patience_case {
    const char *name;
    uint64_t rate_bps, queue_bytes;
    sim_time patience_ns;
} patience_cases[] = {
    {"no limit", 10 * GBIT, 0, SIM_MS},
    {"a long queue", GBIT, 1 << 20, SIM_MS},
    {"a fast wire", 10 * GBIT, 1 << 20, 419430},
    {"just as long", GBIT, 250000, SIM_MS},
    {"a short queue", GBIT, 100000, 400 * SIM_US},
    {"a frame", GBIT, 1514, 6056},
    {"slow and without limit", 9600, 0, SIM_MS},
    {"as long as can be", 1000, UINT64_C(1) << 36, SIM_MS},
};

static void patience(void)
{
    for (size_t i = 0; i < sizeof patience_cases / sizeof patience_cases[0]; i++) {
        const struct patience_case *row = &patience_cases[i];
        struct rig rig, changed;
        rig_open(&rig, &(struct link_options){.rate_bps = row->rate_bps,
                                              .queue_bytes_max = row->queue_bytes});
        rig_open(&changed, &(struct link_options){.rate_bps = 7, .queue_bytes_max = 7});
        link_set_rate(changed.link, row->rate_bps, 1);
        link_set_queue(changed.link, row->queue_bytes, 1);
        cr_expect_eq(link_pace(rig.link)->patience_ns, row->patience_ns, "%s", row->name);
        cr_expect_eq(link_pace(changed.link)->patience_ns, row->patience_ns, "%s, changed",
                     row->name);
        rig_close(&changed);
        rig_close(&rig);
    }
}

/* `count` frames sent at once; the last arrives at `last_ns`. */
static const struct time_case {
    const char *name;
    uint64_t rate_bps;
    sim_time delay_ns;
    enum link_framing framing;
    uint32_t bytes, count;
    sim_time last_ns;
} time_cases[] = {
    {"shortest", GBIT, 0, LINK_ETHERNET, 60, 1, 84 * 8},
    {"longest", GBIT, 5000, LINK_ETHERNET, 1514, 1, 1538 * 8 + 5000},
    {"a burst", GBIT, 5000, LINK_ETHERNET, 1514, 100, 100 * 1538 * 8 + 5000},
    {"jumbo", 10 * GBIT, 0, LINK_ETHERNET, 9014, 5, 5 * 9038 * 8 / 10},
    {"67.2 ns each: 5 end at 336", 10 * GBIT, 0, LINK_ETHERNET, 60, 5, 336},
    {"and 4 at 268.8, cut", 10 * GBIT, 0, LINK_ETHERNET, 60, 4, 268},
    {"a third of a gigabit", GBIT / 3, 0, LINK_ETHERNET, 1514, 1000,
     (sim_time)(UINT64_C(1000) * 1538 * 8 * GBIT / (GBIT / 3))},
    {"ppp: IP and 2", GBIT, 0, LINK_PPP, 1514, 10, 10 * 1502 * 8},
    {"ppp does not pad", GBIT, 0, LINK_PPP, 60, 1, 48 * 8},
    {"slow", 9600, SIM_MS, LINK_ETHERNET, 60, 1, SIM_MS + 84 * 8 * INT64_C(1000000000) / 9600},
};

static void links_time_frames(void)
{
    for (uint32_t i = 0; i < sizeof time_cases / sizeof time_cases[0]; i++) {
        const struct time_case *row = &time_cases[i];
        struct rig rig;
        rig_open(&rig, &(struct link_options){row->rate_bps, row->delay_ns, row->framing, 0});
        for (uint32_t k = 0; k < row->count; k++) {
            rig_send(&rig, (uint16_t)k, row->bytes);
        }
        rig_run(&rig, SIM_NEVER - 1);
        cr_assert_eq(rig.collector.count, row->count, "%s", row->name);
        cr_assert_eq(rig.collector.times[row->count - 1], row->last_ns, "%s: %ld", row->name,
                     (long)rig.collector.times[row->count - 1]);
        struct link_statistics statistics = link_statistics(rig.link);
        cr_assert_eq(statistics.busy_ns, row->last_ns - row->delay_ns, "%s", row->name);
        cr_assert_eq(statistics.bytes_delivered, (uint64_t)row->count * row->bytes, "%s",
                     row->name);
        cr_assert_eq(statistics.queue_bytes_peak, (uint64_t)(row->count - 1) * row->bytes, "%s",
                     row->name);
        rig_close(&rig);
    }
}

/* Ten frames of 1,000 + 24 bytes at 1 Gbit/s: 8,192 ns each, sent at 0, delay 20,000. At `at` something breaks. */
static void break_down(struct link *link)
{
    link_set_down(link, true, 1);
}
static void break_loss(struct link *link)
{
    link_begin_fault(link, &(struct link_fault_setting){LINK_LOSS, 2, {GBIT}, NULL, NULL});
}
static void break_nth(struct link *link)
{
    link_lose_nth(link, 2, 3, 3);
}
static bool is_frame_4(void *context, const struct frame *frame)
{
    (void)context;
    return frame->ip_id == 4;
}
static void break_matching(struct link *link)
{
    link_begin_fault(link, &(struct link_fault_setting){LINK_LOSS, 4, {0}, is_frame_4, NULL});
}
static void break_nothing(struct link *link)
{
    (void)link;
}

static const struct break_case {
    const char *name;
    void (*act)(struct link *link);
    sim_time at;
    const char *reason;
    uint64_t cause;
    uint32_t lost;
    uint16_t arrived_mask; /* of frames 0 to 9 */
} break_cases[] = {
    {"nothing", break_nothing, 1, NULL, 0, 0, 0x3ff},
    {"down at once", break_down, 0, "down", 1, 10, 0},
    {"down before the first arrives", break_down, 28191, "down", 1, 10, 0},
    {"down after the first", break_down, 28193, "down", 1, 9, 0x001},
    {"down after all", break_down, 200000, "down", 1, 0, 0x3ff},
    {"crash at once", link_sender_crashed, 0, "crash", 0, 10, 0},
    {"crash as the third is sent", link_sender_crashed, 20000, "crash", 0, 8, 0x003},
    {"crash as the third ends", link_sender_crashed, 3 * 8192, "crash", 0, 7, 0x007},
    {"crash just before", link_sender_crashed, 3 * 8192 - 1, "crash", 0, 8, 0x003},
    {"crash when all is sent", link_sender_crashed, 10 * 8192, "crash", 0, 0, 0x3ff},
    {"all are lost on arrival", break_loss, 36384, "loss", 2, 9, 0x001},
    {"the third to the fifth", break_nth, 0, "loss", 3, 3, 0x3e3},
    {"one of them", break_matching, 0, "loss", 4, 1, 0x3ef},
};

struct breaking {
    const struct break_case *row;
    struct link *link;
};

static void break_now(void *context)
{
    struct breaking *breaking = context;
    breaking->row->act(breaking->link);
}

static void breaks_take_what_they_should(void)
{
    for (uint32_t i = 0; i < sizeof break_cases / sizeof break_cases[0]; i++) {
        const struct break_case *row = &break_cases[i];
        struct rig rig;
        rig_open(&rig, &(struct link_options){GBIT, 20000, LINK_ETHERNET, 0});
        for (uint16_t k = 0; k < 10; k++) {
            rig_send(&rig, k, 1000);
        }
        struct breaking breaking = {row, rig.link};
        (void)sim_call_at(rig.fixture->sim, 0, row->at, break_now, &breaking);
        rig_run(&rig, SIM_NEVER - 1);
        uint32_t mask = 0;
        for (uint32_t k = 0; k < rig.collector.count; k++) {
            mask |= 1u << rig.collector.ids[k];
            cr_assert_eq(rig.collector.times[k], 8192 * (rig.collector.ids[k] + 1) + 20000, "%s",
                         row->name);
        }
        cr_assert_eq(mask, row->arrived_mask, "%s: %03x", row->name, mask);
        cr_assert_eq(fixture_count(rig.fixture, NET_FRAME_LOST, NULL), row->lost, "%s", row->name);
        for (uint32_t k = 0; k < rig.fixture->record_count; k++) {
            const struct fixture_record *record = &rig.fixture->records[k];
            if (record->kind == NET_FRAME_LOST) {
                cr_assert_str_eq(record->text, row->reason, "%s", row->name);
                cr_assert_eq(record->cause, row->cause, "%s", row->name);
                cr_assert_eq(record->values[0], 1000, "%s", row->name);
            }
        }
        rig_close(&rig);
    }
}

/* One loss fault over many frames takes about its share, and the same frames whether or not another fault is there. */
static void loss_is_keyed(void)
{
    uint32_t lost_alone = 0, lost_beside = 0;
    uint16_t alone[1024];
    for (uint32_t pass = 0; pass < 2; pass++) {
        struct rig rig;
        rig_open(&rig, &(struct link_options){GBIT, 0, LINK_ETHERNET, 0});
        link_begin_fault(rig.link, &(struct link_fault_setting){
                                       .kind = LINK_LOSS, .cause = 1, .values = {GBIT / 10}});
        link_lose_nth(rig.link, 100, pass * 50, 2);
        for (uint16_t k = 0; k < 1000; k++) {
            rig_send(&rig, k, 60);
        }
        rig_run(&rig, SIM_NEVER - 1);
        for (uint32_t k = 0; k < rig.fixture->record_count; k++) {
            const struct fixture_record *record = &rig.fixture->records[k];
            if (record->kind != NET_FRAME_LOST) {
                continue;
            }
            if (pass == 0) {
                alone[lost_alone++] = (uint16_t)record->values[2];
            } else if (record->cause == 1) {
                while (alone[lost_beside] >= 100 && alone[lost_beside] < 150) {
                    lost_beside++; /* taken by the other fault, which came later */
                }
                cr_assert_eq(record->values[2], alone[lost_beside]);
                lost_beside++;
            }
        }
        rig_close(&rig);
    }
    cr_assert(lost_alone > 60 && lost_alone < 140, "%u", lost_alone);
    cr_assert_eq(lost_beside, lost_alone);
}

struct tapped {
    uint32_t delivered, lost;
};

static void tap(void *context, const struct frame *frame, sim_time at, bool delivered)
{
    struct tapped *tapped = context;
    cr_assert_eq(frame->arrival, at);
    tapped->delivered += delivered ? 1 : 0;
    tapped->lost += delivered ? 0 : 1;
}

/* A tap and the recording of it change nothing that the hash sees (C1). */
static void watching_changes_nothing(void)
{
    struct run_hash hashes[2];
    for (uint32_t pass = 0; pass < 2; pass++) {
        struct rig rig;
        struct tapped tapped = {0, 0};
        rig_open(&rig, &(struct link_options){GBIT, 0, LINK_ETHERNET, 0});
        link_lose_nth(rig.link, 3, 2, 0);
        if (pass == 1) {
            link_set_tap(rig.link, tap, &tapped);
        }
        for (uint16_t k = 0; k < 20; k++) {
            rig_send(&rig, k, 60);
        }
        rig_run(&rig, SIM_NEVER - 1);
        hashes[pass] = recorder_hash(rig.fixture->recorder);
        cr_assert_eq(tapped.delivered, pass * 18);
        cr_assert_eq(tapped.lost, pass * 2);
        rig_close(&rig);
    }
    cr_assert_eq(run_hash_value(&hashes[0]), run_hash_value(&hashes[1]));
}

/* The digest tells frames apart that differ in any field that a receiver can see, and no others. */
static void digests_see_every_field(void)
{
    struct fixture *fixture = fixture_new(paths, 1, 1);
    struct frame *base = fixture_frame(fixture, 1, 100, from, to);
    struct frame *other = frame_copy(fixture->net.frames, base);
    uint64_t digest = base->digest;
#define DIFFERS(field, value)                                                                      \
    do {                                                                                           \
        struct frame kept = *other;                                                                \
        other->field = (value);                                                                    \
        cr_assert_neq(frame_digest(fixture->net.frames, other), digest, #field);                   \
        *other = kept;                                                                             \
    } while (0)
    DIFFERS(destination.v, 5);
    DIFFERS(source.v, 5);
    DIFFERS(ttl, 5);
    DIFFERS(ip_id, 5);
    DIFFERS(more_fragments, true);
    DIFFERS(dont_fragment, true);
    DIFFERS(fragment_offset, 8);
    DIFFERS(ip_source.v, 5);
    DIFFERS(ip_destination.v, 5);
    DIFFERS(udp.source_port, 5);
    DIFFERS(udp.destination_port, 5);
    DIFFERS(udp.length, 5);
    DIFFERS(payload_bytes, 5);
    DIFFERS(slices[0].page.v, 0);
    DIFFERS(slices[0].offset, 5);
    DIFFERS(slices[0].length, 5);
    DIFFERS(protocol, IP_ICMP);
    other->protocol = IP_TCP;
    other->tcp = (struct tcp_header){.window_scale = 0xff, .header_bytes = 20};
    digest = frame_digest(fixture->net.frames, other);
    DIFFERS(tcp.source_port, 5);
    DIFFERS(tcp.destination_port, 5);
    DIFFERS(tcp.sequence, 5);
    DIFFERS(tcp.acknowledgment, 5);
    DIFFERS(tcp.window, 5);
    DIFFERS(tcp.flags, TCP_FIN);
    DIFFERS(tcp.mss, 5);
    DIFFERS(tcp.window_scale, 5);
    DIFFERS(tcp.sack_permitted, true);
    DIFFERS(tcp.timestamps, true);
    DIFFERS(tcp.sack_count, 1);
    other->tcp.timestamps = true;
    other->tcp.sack_count = 2;
    memset(other->tcp.sack, 0, sizeof other->tcp.sack);
    digest = frame_digest(fixture->net.frames, other);
    DIFFERS(tcp.ts_value, 5);
    DIFFERS(tcp.ts_echo, 5);
    DIFFERS(tcp.sack[0].left, 5);
    DIFFERS(tcp.sack[1].right, 5);
    other->ether_type = ETHER_ARP;
    other->protocol = 0;
    memset(&other->arp, 0, sizeof other->arp);
    digest = frame_digest(fixture->net.frames, other);
    DIFFERS(arp.operation, 5);
    DIFFERS(arp.sender_mac.v, 5);
    DIFFERS(arp.target_mac.v, 5);
    DIFFERS(arp.sender_ip.v, 5);
    DIFFERS(arp.target_ip.v, 5);
#undef DIFFERS
    other->corrupt = true;
    cr_assert_eq(frame_digest(fixture->net.frames, other), digest);
    net_free_frame(&fixture->net, base);
    net_free_frame(&fixture->net, other);
    fixture_free(fixture);
}

/* F4: however small the pieces, the bytes are all there, in order, in at most FRAME_SLICES_MAX slices. */
static void many_slices_are_gathered(void)
{
    static const uint32_t pieces[] = {1, 7, 100, 1000, 1300, 1500};
    struct fixture *fixture = fixture_new(paths, 1, 1);
    struct page_pool *pages = fixture->pages;
    for (uint32_t i = 0; i < sizeof pieces / sizeof pieces[0]; i++) {
        struct frame *frame = frame_new(fixture->net.frames);
        uint8_t expected[FRAME_MTU_MAX], seen[FRAME_MTU_MAX];
        uint32_t filled = 0;
        while (filled + pieces[i] <= 8900) {
            struct page page = page_pattern(PAGE_RANDOM, filled + 1);
            uint32_t offset = filled % 1000;
            page_copy_out(pages, page, offset, pieces[i], expected + filled);
            frame_push(fixture->net.frames, frame, (struct slice){page, offset, pieces[i]});
            cr_assert(frame->slice_count <= FRAME_SLICES_MAX);
            filled += pieces[i];
        }
        cr_assert_eq(frame->payload_bytes, filled);
        uint32_t at = 0;
        for (uint32_t k = 0; k < frame->slice_count; k++) {
            const struct slice *slice = &frame->slices[k];
            page_copy_out(pages, slice->page, slice->offset, slice->length, seen + at);
            at += slice->length;
        }
        cr_assert_eq(at, filled);
        cr_assert_eq(memcmp(seen, expected, filled), 0, "pieces of %u", pieces[i]);
        net_free_frame(&fixture->net, frame);
    }
    fixture_free(fixture);
}

Test(link, frames)
{
    digests_see_every_field();
    many_slices_are_gathered();
}

Test(link, times_and_losses)
{
    links_time_frames();
    patience();
    breaks_take_what_they_should();
    loss_is_keyed();
    watching_changes_nothing();
}
