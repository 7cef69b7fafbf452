#include "nic/pcap_filter.h"

#include "nic/frame_bytes.h"
#include "sim/wire_bytes.h"

#include <pcap/pcap.h>
#include <stdio.h>
#include <stdlib.h>

enum {
    PPP_IPV4 = 0x0021, /* RFC 1332, 2 */
    IP_BYTES = 20,     /* frames have no IP options */
    MASK_BYTES = 64,   /* an L4 header is at most 60 bytes long */
};

struct pcap_filter {
    struct bpf_program program;
    bool ppp;
    bool deep;         /* reads at offsets that are not known, or beyond MASK_BYTES */
    uint64_t l4_reads; /* bit n: byte n behind the IP header is read */
};

/* ---- what a program can read --------------------------------------------------------------------------------------------- */

static void note_read(struct pcap_filter *filter, int64_t first, uint32_t bytes)
{
    for (int64_t at = first; at < first + bytes; at++) {
        if (at >= MASK_BYTES) {
            filter->deep = true;
        } else if (at >= 0) {
            filter->l4_reads |= UINT64_C(1) << at;
        }
    }
}

static uint32_t width_of(uint16_t code)
{
    switch (BPF_SIZE(code)) {
    case BPF_W:
        return 4;
    case BPF_H:
        return 2;
    default:
        return 1;
    }
}

/* Indexed loads are taken for loads behind an IP header of 20 bytes, where X comes from there alone (`ldx 4*([k]&0xf)`). */
static void find_reads(struct pcap_filter *filter)
{
    int64_t l2_bytes = filter->ppp ? PPP_HEADER_BYTES : ETH_HEADER_BYTES;
    bool x_is_ip_length = true, indexed = false;
    for (uint32_t i = 0; i < filter->program.bf_len; i++) {
        const struct bpf_insn *insn = &filter->program.bf_insns[i];
        uint16_t mode = BPF_MODE(insn->code);
        if (BPF_CLASS(insn->code) == BPF_LD && mode == BPF_ABS) {
            note_read(filter, (int64_t)insn->k - l2_bytes - IP_BYTES, width_of(insn->code));
        } else if (BPF_CLASS(insn->code) == BPF_LD && mode == BPF_IND) {
            indexed = true;
            note_read(filter, (int64_t)insn->k - l2_bytes, width_of(insn->code));
        } else if (BPF_CLASS(insn->code) == BPF_LDX) {
            x_is_ip_length = x_is_ip_length && mode == BPF_MSH && insn->k == l2_bytes;
        } else if (BPF_CLASS(insn->code) == BPF_MISC && BPF_MISCOP(insn->code) == BPF_TAX) {
            x_is_ip_length = false;
        }
    }
    filter->deep = filter->deep || (indexed && !x_is_ip_length);
}

/* ---- life ------------------------------------------------------------------------------------------------------------------ */

struct pcap_filter *pcap_filter_new(const char *expression, enum link_framing framing, char *why,
                                    size_t why_capacity)
{
    struct pcap_filter *filter = calloc(1, sizeof *filter);
    SIM_ASSERT(filter != NULL);
    filter->ppp = framing == LINK_PPP;
    pcap_t *pcap = pcap_open_dead(filter->ppp ? DLT_PPP : DLT_EN10MB, FRAME_BYTES_MAX);
    SIM_ASSERT(pcap != NULL);
    if (pcap_compile(pcap, &filter->program, expression, 1, PCAP_NETMASK_UNKNOWN) != 0) {
        (void)snprintf(why, why_capacity, "%s", pcap_geterr(pcap));
        free(filter);
        filter = NULL;
    }
    pcap_close(pcap);
    if (filter != NULL) {
        find_reads(filter);
    }
    return filter;
}

void pcap_filter_free(struct pcap_filter *filter)
{
    if (filter != NULL) {
        pcap_freecode(&filter->program);
        free(filter);
    }
}

/* ---- matching -------------------------------------------------------------------------------------------------------------- */

static uint64_t checksum_mask(const struct frame *frame)
{
    uint32_t at = frame->protocol == IP_TCP ? 16u : frame->protocol == IP_UDP ? 6u : 2u;
    return UINT64_C(3) << at;
}

bool pcap_filter_reads_payload(const struct pcap_filter *filter, const struct frame *frame)
{
    if (frame->ether_type == ETHER_ARP) {
        return false;
    }
    uint32_t l4_bytes = frame_header_bytes(frame) - ETH_HEADER_BYTES - IP_BYTES;
    SIM_ASSERT(l4_bytes < MASK_BYTES);
    uint64_t beyond = ~UINT64_C(0) << l4_bytes | checksum_mask(frame);
    return filter->deep || (filter->l4_reads & beyond) != 0;
}

bool pcap_filter_matches(const struct pcap_filter *filter, const struct net *net,
                         const struct frame *frame)
{
    uint8_t bytes[FRAME_BYTES_MAX];
    const uint8_t *packet = bytes;
    uint32_t length = frame->wire_bytes, captured;
    if (frame->ether_type == ETHER_ARP || pcap_filter_reads_payload(filter, frame)) {
        captured = frame_bytes(net, frame, bytes);
    } else {
        captured = frame_bytes_of_headers(frame, bytes);
    }
    if (filter->ppp) {
        if (frame->ether_type != ETHER_IPV4) {
            return false; /* PPP has no number for ARP, and captures leave it out */
        }
        uint32_t cut = ETH_HEADER_BYTES - PPP_HEADER_BYTES;
        uint32_t ip_bytes = frame_header_bytes(frame) + frame->payload_bytes;
        captured = captured < ip_bytes ? captured : ip_bytes; /* without padding */
        packet += cut;
        put_be16(bytes + cut, PPP_IPV4);
        length = ip_bytes - cut;
        captured -= cut;
    }
    return bpf_filter(filter->program.bf_insns, packet, length, captured) != 0;
}
