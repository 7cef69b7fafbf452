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

/* What is known where the program may come by: whether A holds the type field of the layer below, which says IPv4 in every frame that is
 * looked at (branches for others, IPv6 above all, are never taken), and whether X can be anything but the length of the IP header. */
struct known {
    bool a_is_type, x_is_other;
};

static void note_load(struct pcap_filter *filter, const struct bpf_insn *insn, struct known *known)
{
    int64_t l2_bytes = filter->ppp ? PPP_HEADER_BYTES : ETH_HEADER_BYTES;
    uint32_t type_at = filter->ppp ? 0 : 12;
    uint32_t width = width_of(insn->code);
    uint16_t mode = BPF_MODE(insn->code);
    if (BPF_CLASS(insn->code) == BPF_LDX) {
        known->x_is_other = !(mode == BPF_MSH && insn->k == (uint32_t)l2_bytes);
        return;
    }
    known->a_is_type = mode == BPF_ABS && insn->k == type_at && width == 2;
    if (mode == BPF_ABS) {
        note_read(filter, (int64_t)insn->k - l2_bytes - IP_BYTES, width);
    } else if (mode == BPF_IND && known->x_is_other) {
        filter->deep = true;
    } else if (mode == BPF_IND) {
        note_read(filter, (int64_t)insn->k - l2_bytes,
                  width); /* X is 20, k counts from the packet */
    }
}

/* Whether a comparison of the type field with a constant comes out true. */
static bool compare_type(const struct pcap_filter *filter, const struct bpf_insn *insn)
{
    uint32_t type = filter->ppp ? PPP_IPV4 : ETHER_IPV4;
    switch (BPF_OP(insn->code)) {
    case BPF_JGT:
        return type > insn->k;
    case BPF_JGE:
        return type >= insn->k;
    case BPF_JSET:
        return (type & insn->k) != 0;
    default:
        return type == insn->k;
    }
}

/* Walks all ways that a frame with IPv4 can take from `pc` on: jumps go forward only, and each state is seen once. */
static void walk(struct pcap_filter *filter, uint8_t *seen, uint32_t pc, struct known known)
{
    while (pc < filter->program.bf_len) {
        const struct bpf_insn *insn = &filter->program.bf_insns[pc];
        uint8_t state = (uint8_t)(1u << (known.a_is_type + 2 * known.x_is_other));
        if ((seen[pc] & state) != 0) {
            return;
        }
        seen[pc] |= state;
        pc++;
        switch (BPF_CLASS(insn->code)) {
        case BPF_LD:
        case BPF_LDX:
            note_load(filter, insn, &known);
            break;
        case BPF_RET:
            return;
        case BPF_JMP:
            if (BPF_OP(insn->code) == BPF_JA) {
                pc += insn->k;
            } else if (known.a_is_type && BPF_SRC(insn->code) == BPF_K) {
                pc += compare_type(filter, insn) ? insn->jt : insn->jf;
            } else {
                walk(filter, seen, pc + insn->jt, known);
                pc += insn->jf;
            }
            break;
        case BPF_ALU:
            known.a_is_type = false;
            break;
        case BPF_MISC:
            known.x_is_other = known.x_is_other || BPF_MISCOP(insn->code) == BPF_TAX;
            known.a_is_type = known.a_is_type && BPF_MISCOP(insn->code) != BPF_TXA;
            break;
        default:
            break;
        }
    }
}

static void find_reads(struct pcap_filter *filter)
{
    uint8_t *seen = calloc(filter->program.bf_len, 1);
    SIM_ASSERT(seen != NULL);
    /* X is 0 at the start, as no IP header is long. */
    walk(filter, seen, 0, (struct known){.x_is_other = true});
    free(seen);
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
