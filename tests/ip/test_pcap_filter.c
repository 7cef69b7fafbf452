/* F1 of nic/pcap_filter.h: a frame matches where libpcap says so of its bytes; F2: payload is looked at only where a filter reads it. */
#include "nic/frame_bytes.h"
#include "nic/pcap_filter.h"

#include <criterion/criterion.h>
#include <pcap/pcap.h>
#include <string.h>

static const struct {
    const char *expression;
    bool
        payload; /* of a TCP segment with data it reads bytes behind the headers, or their checksum */
} filters[] = {
    {"", false},
    {"tcp", false},
    {"tcp port 6600", false},
    {"tcp port 6600 and greater 1000", false},
    {"less 100", false},
    {"tcp[tcpflags] & (tcp-syn|tcp-fin) != 0", false},
    {"tcp[4:4] > 1000", false},
    {"tcp[tcpflags] & tcp-push != 0 and dst port 6600", false},
    {"src host 10.0.0.1", false},
    {"dst net 10.0.0.0/24 and not icmp", false},
    {"arp", false},
    {"arp[6:2] == 2", false},
    {"icmp[icmptype] == icmp-echo", false},
    {"udp port 53", false},
    {"ether broadcast", false},
    {"ip[2:2] > 576", false},
    {"tcp[16:2] != 0", true},
    {"tcp[20:4] == 0x5a5a5a5a", true},
    {"udp[8] == 0x5a", false},
    {"ether[100] == 0x5a", true},
    {"tcp[((tcp[12] & 0xf0) >> 2):4] == 0x5a5a5a5a", true},
};

static struct frame *make(struct net *net, uint32_t number)
{
    struct frame *frame = frame_new(net->frames);
    uint32_t payload = number % 5 * 300;
    frame->destination = number % 7 == 0 ? MAC_BROADCAST : (struct mac){0x020000000001};
    frame->source = (struct mac){0x020000000002};
    frame->ttl = 64;
    frame->ip_id = (uint16_t)number;
    frame->ip_source = (struct ip4){0x0a000001 + number % 3};
    frame->ip_destination = (struct ip4){0x0a000002};
    frame->ether_type = ETHER_IPV4;
    if (number % 11 == 0) {
        frame->ether_type = ETHER_ARP;
        frame->protocol = 0;
        frame->arp = (struct arp_header){.operation = (uint16_t)(1 + number % 2)};
        payload = 0;
    } else if (number % 4 == 0) {
        frame->protocol = IP_UDP;
        frame->udp = (struct udp_header){53, 1000, (uint16_t)(8 + payload)};
    } else if (number % 4 == 1) {
        frame->protocol = IP_ICMP;
        frame->icmp = (struct icmp_header){.type = number % 8 == 1 ? 8 : 0};
    } else {
        static const uint8_t flags[] = {TCP_SYN, TCP_ACK, TCP_ACK | TCP_PSH, TCP_FIN | TCP_ACK};
        frame->protocol = IP_TCP;
        frame->tcp = (struct tcp_header){
            .source_port = number % 3 == 0 ? 6600 : 40000,
            .destination_port = number % 3 == 1 ? 6600 : 80,
            .sequence = number * 97,
            .flags = flags[number % 4],
            .window = 100,
            .window_scale = 0xff,
            .timestamps = number % 5 == 0,
        };
        frame->tcp.header_bytes = frame_tcp_header_bytes(&frame->tcp);
    }
    if (payload > 0) {
        uint8_t bytes[PAGE_BYTES];
        memset(bytes, number % 2 == 0 ? 0x5a : 0xa5, sizeof bytes);
        frame_push(net->frames, frame,
                   (struct slice){page_literal(net->pages, bytes, sizeof bytes), 0, payload});
    }
    frame_seal(net->frames, frame);
    return frame;
}

Test(pcap_filter, matches_as_libpcap_does_on_the_bytes)
{
    struct sim *sim = sim_new(&(struct sim_options){.seed = 1});
    sim_origins_seal(sim);
    struct page_pool *pages = page_pool_new();
    struct recorder *recorder = recorder_new(sim);
    struct net net;
    net_init(&net, sim, recorder, pages);
    for (size_t i = 0; i < sizeof filters / sizeof *filters; i++) {
        char why[256];
        struct bpf_program program;
        struct pcap_filter *filter =
            pcap_filter_new(filters[i].expression, LINK_ETHERNET, why, sizeof why);
        cr_assert_not_null(filter, "%s: %s", filters[i].expression, why);
        pcap_t *pcap = pcap_open_dead(DLT_EN10MB, FRAME_BYTES_MAX);
        cr_assert_eq(pcap_compile(pcap, &program, filters[i].expression, 1, PCAP_NETMASK_UNKNOWN),
                     0);
        uint32_t matched = 0;
        for (uint32_t n = 1; n < 120; n++) {
            uint8_t bytes[FRAME_BYTES_MAX];
            struct frame *frame = make(&net, n);
            struct pcap_pkthdr header = {0};
            header.len = frame_bytes(&net, frame, bytes);
            header.caplen = header.len;
            bool expected = pcap_offline_filter(&program, &header, bytes) != 0;
            bool found = pcap_filter_matches(filter, &net, frame);
            matched += expected;
            cr_expect_eq(found, expected, "'%s' of frame %u", filters[i].expression, n);
            if (frame->ether_type == ETHER_IPV4 && frame->protocol == IP_TCP &&
                frame->payload_bytes > 0) {
                cr_expect_eq(pcap_filter_reads_payload(filter, frame), filters[i].payload,
                             "'%s' of frame %u", filters[i].expression, n);
            }
            net_free_frame(&net, frame);
        }
        cr_expect_gt(matched, 0, "'%s' matched nothing", filters[i].expression);
        pcap_freecode(&program);
        pcap_close(pcap);
        pcap_filter_free(filter);
    }
    net_close(&net);
    recorder_close(recorder);
    page_pool_close(pages);
    sim_close(sim);
}

Test(pcap_filter, what_libpcap_refuses_is_said_in_its_words)
{
    static const char *const wrong[] = {"tcp prot 6600", "port", "tcp port 70000", "and",
                                        "ether[1"};
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        char why[256] = "";
        cr_expect_null(pcap_filter_new(wrong[i], LINK_ETHERNET, why, sizeof why), "%s", wrong[i]);
        cr_expect_gt(strlen(why), 5, "%s", wrong[i]);
    }
}
