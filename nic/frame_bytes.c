#include "nic/frame_bytes.h"

#include "sim/wire_bytes.h"

#include <string.h>

enum {
    IP_BYTES = 20, /* without options, which we neither send nor take */
    ARP_BYTES = 28,
    IP_DONT_FRAGMENT = 0x4000,
    IP_MORE_FRAGMENTS = 0x2000,
    CHECKSUM_SPOILT = 0x0100, /* a right checksum with this bit turned is a wrong one */
};

enum tcp_option {
    TCP_OPTION_END = 0,
    TCP_OPTION_NOP = 1,
    TCP_OPTION_MSS = 2,
    TCP_OPTION_WINDOW_SCALE = 3,
    TCP_OPTION_SACK_PERMITTED = 4,
    TCP_OPTION_SACK = 5,
    TCP_OPTION_TIMESTAMPS = 8,
};

/* ---- checksums: RFC 1071 -------------------------------------------------------------------- */

static uint32_t sum_bytes(const uint8_t *bytes, uint32_t length)
{
    uint32_t sum = 0;
    for (uint32_t i = 0; i + 1 < length; i += 2) {
        sum += get_be16(bytes + i);
    }
    if (length % 2 != 0) {
        sum += (uint32_t)bytes[length - 1] << 8;
    }
    return sum;
}

static uint16_t sum_fold(uint32_t sum)
{
    sum = (sum & 0xffff) + (sum >> 16);
    sum = (sum & 0xffff) + (sum >> 16);
    return (uint16_t)sum;
}

/* Pseudo header of UDP and TCP (RFC 9293, 3.1): addresses, protocol, length of the whole datagram behind the IP header. */
static uint32_t sum_pseudo(const uint8_t *ip, uint8_t protocol, uint32_t l4_bytes)
{
    return sum_bytes(ip + 12, 8) + protocol + l4_bytes;
}

/* ---- writing -------------------------------------------------------------------------------- */

static void put_mac(uint8_t *out, struct mac mac)
{
    put_be16(out, (uint16_t)(mac.v >> 32));
    put_be32(out + 2, (uint32_t)mac.v);
}

static uint32_t write_arp(const struct arp_header *arp, uint8_t *out)
{
    put_be16(out, 1); /* Ethernet */
    put_be16(out + 2, ETHER_IPV4);
    out[4] = 6;
    out[5] = 4;
    put_be16(out + 6, arp->operation);
    put_mac(out + 8, arp->sender_mac);
    put_be32(out + 14, arp->sender_ip.v);
    put_mac(out + 18, arp->target_mac);
    put_be32(out + 24, arp->target_ip.v);
    return ARP_BYTES;
}

static uint32_t write_option_timestamps(const struct tcp_header *tcp, uint8_t *out)
{
    out[0] = TCP_OPTION_TIMESTAMPS;
    out[1] = 10;
    put_be32(out + 2, tcp->ts_value);
    put_be32(out + 6, tcp->ts_echo);
    return 10;
}

static uint32_t write_option_nops(uint8_t *out, uint32_t count)
{
    memset(out, TCP_OPTION_NOP, count);
    return count;
}

static uint32_t write_option_sack(const struct tcp_header *tcp, uint8_t *out)
{
    out[0] = TCP_OPTION_SACK;
    out[1] = (uint8_t)(2 + 8 * tcp->sack_count);
    for (uint32_t i = 0; i < tcp->sack_count; i++) {
        put_be32(out + 2 + 8 * i, tcp->sack[i].left);
        put_be32(out + 6 + 8 * i, tcp->sack[i].right);
    }
    return out[1];
}

/* Options as frame_tcp_header_bytes counts them. */
static uint32_t write_tcp_options(const struct tcp_header *tcp, uint8_t *out)
{
    uint32_t at = 0;
    if (tcp->mss != 0) {
        out[at] = TCP_OPTION_MSS;
        out[at + 1] = 4;
        put_be16(out + at + 2, tcp->mss);
        at += 4;
    }
    if (tcp->sack_permitted) {
        at += tcp->timestamps ? 0 : write_option_nops(out + at, 2);
        out[at++] = TCP_OPTION_SACK_PERMITTED;
        out[at++] = 2;
    }
    if (tcp->timestamps) {
        at += tcp->sack_permitted ? 0 : write_option_nops(out + at, 2);
        at += write_option_timestamps(tcp, out + at);
    }
    if (tcp->window_scale != 0xff) {
        at += write_option_nops(out + at, 1);
        out[at++] = TCP_OPTION_WINDOW_SCALE;
        out[at++] = 3;
        out[at++] = tcp->window_scale;
    }
    if (tcp->sack_count > 0) {
        at += write_option_nops(out + at, 2);
        at += write_option_sack(tcp, out + at);
    }
    return at;
}

static uint32_t write_tcp(const struct tcp_header *tcp, uint8_t *out)
{
    SIM_ASSERT(tcp->header_bytes >= frame_tcp_header_bytes(tcp));
    SIM_ASSERT(tcp->header_bytes <= 60 && tcp->header_bytes % 4 == 0);
    memset(out, 0, tcp->header_bytes);
    put_be16(out, tcp->source_port);
    put_be16(out + 2, tcp->destination_port);
    put_be32(out + 4, tcp->sequence);
    put_be32(out + 8, tcp->acknowledgment);
    out[12] = (uint8_t)(tcp->header_bytes / 4 << 4);
    out[13] = tcp->flags;
    put_be16(out + 14, tcp->window);
    (void)write_tcp_options(tcp, out + 20);
    return tcp->header_bytes;
}

/* The L4 header without its checksum; 0 bytes where the frame shows none. */
static uint32_t write_l4(const struct frame *frame, uint8_t *out)
{
    if (frame->fragment_offset != 0) {
        return 0;
    }
    switch (frame->protocol) {
    case IP_TCP:
        return write_tcp(&frame->tcp, out);
    case IP_UDP:
        put_be16(out, frame->udp.source_port);
        put_be16(out + 2, frame->udp.destination_port);
        put_be16(out + 4, frame->udp.length);
        put_be16(out + 6, 0);
        return 8;
    case IP_ICMP:
        out[0] = frame->icmp.type;
        out[1] = frame->icmp.code;
        put_be16(out + 2, 0);
        put_be16(out + 4, frame->icmp.identifier);
        put_be16(out + 6, frame->icmp.sequence);
        return 8;
    default:
        return 0;
    }
}

/* Fills in the checksum behind the IP header; `l4_bytes` are in this frame, header and payload. */
static void write_l4_checksum(const struct frame *frame, uint8_t *ip, uint32_t l4_bytes)
{
    uint8_t *l4 = ip + IP_BYTES;
    uint32_t sum = sum_fold(sum_bytes(l4, l4_bytes)) + (uint32_t)frame->rest_sum;
    uint8_t *field;
    switch (frame->protocol) {
    case IP_TCP:
        field = l4 + 16;
        sum += sum_pseudo(ip, IP_TCP, l4_bytes);
        break;
    case IP_UDP:
        field = l4 + 6;
        sum += sum_pseudo(ip, IP_UDP, frame->udp.length);
        break;
    default:
        field = l4 + 2;
        break;
    }
    uint16_t checksum = (uint16_t)~sum_fold(sum);
    if (frame->protocol == IP_UDP && checksum == 0) {
        checksum = 0xffff; /* RFC 768: zero means that there is none */
    }
    if (frame->corrupt) {
        checksum ^= CHECKSUM_SPOILT;
        if (checksum == 0) {
            checksum = 0x0201; /* what was right is 0x0100 */
        }
    }
    put_be16(field, checksum);
}

static void write_ip_header(const struct frame *frame, uint8_t *ip, uint32_t total_bytes)
{
    uint32_t fragment = frame->fragment_offset / 8u;
    fragment |= frame->dont_fragment ? IP_DONT_FRAGMENT : 0;
    fragment |= frame->more_fragments ? IP_MORE_FRAGMENTS : 0;
    ip[0] = 0x45;
    ip[1] = 0;
    put_be16(ip + 2, (uint16_t)total_bytes);
    put_be16(ip + 4, frame->ip_id);
    put_be16(ip + 6, (uint16_t)fragment);
    ip[8] = frame->ttl;
    ip[9] = frame->protocol;
    put_be16(ip + 10, 0);
    put_be32(ip + 12, frame->ip_source.v);
    put_be32(ip + 16, frame->ip_destination.v);
    put_be16(ip + 10, (uint16_t)~sum_fold(sum_bytes(ip, IP_BYTES)));
}

static uint32_t write_ip(const struct net *net, const struct frame *frame, uint8_t *ip)
{
    uint32_t l4_header_bytes = write_l4(frame, ip + IP_BYTES);
    uint32_t at = IP_BYTES + l4_header_bytes;
    for (uint32_t i = 0; i < frame->slice_count; i++) {
        const struct slice *slice = &frame->slices[i];
        page_copy_out(net->pages, slice->page, slice->offset, slice->length, ip + at);
        at += slice->length;
    }
    write_ip_header(frame, ip, at);
    if (l4_header_bytes > 0) {
        write_l4_checksum(frame, ip, at - IP_BYTES);
    } else if (frame->corrupt) {
        ip[10] ^= CHECKSUM_SPOILT >> 8;
    }
    return at;
}

static uint32_t write_ethernet(const struct frame *frame, uint8_t *out)
{
    put_mac(out, frame->destination);
    put_mac(out + 6, frame->source);
    put_be16(out + 12, frame->ether_type);
    return ETH_HEADER_BYTES;
}

uint32_t frame_bytes_of_headers(const struct frame *frame, uint8_t *out)
{
    uint32_t length = write_ethernet(frame, out);
    if (frame->ether_type == ETHER_ARP) {
        return length + write_arp(&frame->arp, out + length);
    }
    uint8_t *ip = out + length;
    length += IP_BYTES + write_l4(frame, ip + IP_BYTES);
    write_ip_header(frame, ip, length - ETH_HEADER_BYTES + frame->payload_bytes);
    return length;
}

uint32_t frame_bytes(const struct net *net, const struct frame *frame, uint8_t *out)
{
    uint32_t length = write_ethernet(frame, out);
    if (frame->ether_type == ETHER_ARP) {
        length += write_arp(&frame->arp, out + length);
    } else {
        length += write_ip(net, frame, out + length);
    }
    if (length < ETH_BYTES_MIN) {
        memset(out + length, 0, ETH_BYTES_MIN - length);
        length = ETH_BYTES_MIN;
    }
    SIM_ASSERT(length == frame->wire_bytes);
    return length;
}

/* ---- parsing -------------------------------------------------------------------------------- */

const char *frame_parse_text(enum frame_parse_result result)
{
    switch (result) {
    case FRAME_OK:
        return "ok";
    case FRAME_TOO_SHORT:
        return "ends inside a header";
    case FRAME_BAD_LENGTH:
        return "a length field does not fit";
    case FRAME_BAD_CHECKSUM:
        return "wrong checksum";
    case FRAME_BAD_OPTION:
        return "an option that is malformed or not supported";
    case FRAME_UNKNOWN_TYPE:
        return "unknown type or protocol";
    }
    return "unknown";
}

static struct mac get_mac(const uint8_t *bytes)
{
    return (struct mac){(uint64_t)get_be16(bytes) << 32 | get_be32(bytes + 2)};
}

static enum frame_parse_result parse_arp(const uint8_t *bytes, uint32_t length, struct frame *frame)
{
    if (length < ARP_BYTES) {
        return FRAME_TOO_SHORT;
    }
    if (get_be16(bytes) != 1 || get_be16(bytes + 2) != ETHER_IPV4) {
        return FRAME_UNKNOWN_TYPE;
    }
    if (bytes[4] != 6 || bytes[5] != 4 || ETH_HEADER_BYTES + length > ETH_BYTES_MIN) {
        return FRAME_BAD_LENGTH;
    }
    frame->protocol = 0;
    frame->arp = (struct arp_header){
        .operation = get_be16(bytes + 6),
        .sender_mac = get_mac(bytes + 8),
        .target_mac = get_mac(bytes + 18),
        .sender_ip = {get_be32(bytes + 14)},
        .target_ip = {get_be32(bytes + 24)},
    };
    return FRAME_OK;
}

/* One option of known kind; `length` counts kind and length bytes and lies inside the header. */
static enum frame_parse_result parse_tcp_option(const uint8_t *option, uint32_t length,
                                                struct tcp_header *tcp)
{
    switch (option[0]) {
    case TCP_OPTION_MSS:
        /* 0 stands for an option that is absent; as a size it is no use to anybody. */
        if (length != 4 || tcp->mss != 0 || get_be16(option + 2) == 0) {
            return FRAME_BAD_OPTION;
        }
        tcp->mss = get_be16(option + 2);
        return FRAME_OK;
    case TCP_OPTION_WINDOW_SCALE:
        if (length != 3 || tcp->window_scale != 0xff || option[2] == 0xff) {
            return FRAME_BAD_OPTION;
        }
        tcp->window_scale = option[2];
        return FRAME_OK;
    case TCP_OPTION_SACK_PERMITTED:
        if (length != 2 || tcp->sack_permitted) {
            return FRAME_BAD_OPTION;
        }
        tcp->sack_permitted = true;
        return FRAME_OK;
    case TCP_OPTION_SACK:
        if (length < 10 || (length - 2) % 8 != 0 || tcp->sack_count != 0) {
            return FRAME_BAD_OPTION;
        }
        tcp->sack_count = (uint8_t)((length - 2) / 8);
        for (uint32_t i = 0; i < tcp->sack_count; i++) {
            tcp->sack[i].left = get_be32(option + 2 + 8 * i);
            tcp->sack[i].right = get_be32(option + 6 + 8 * i);
        }
        return FRAME_OK;
    case TCP_OPTION_TIMESTAMPS:
        if (length != 10 || tcp->timestamps) {
            return FRAME_BAD_OPTION;
        }
        tcp->timestamps = true;
        tcp->ts_value = get_be32(option + 2);
        tcp->ts_echo = get_be32(option + 6);
        return FRAME_OK;
    default:
        return FRAME_BAD_OPTION;
    }
}

/* Whether options with their usual padding fit 40 bytes: what frame_tcp_header_bytes asserts. */
static bool tcp_options_fit(const struct tcp_header *tcp)
{
    uint32_t padded = tcp->mss != 0 ? 4 : 0;
    padded += tcp->timestamps ? 12 : tcp->sack_permitted ? 4 : 0;
    padded += tcp->window_scale != 0xff ? 4 : 0;
    padded += tcp->sack_count > 0 ? 4 + 8u * tcp->sack_count : 0;
    return padded <= 40;
}

static enum frame_parse_result parse_tcp(const uint8_t *bytes, uint32_t length,
                                         struct tcp_header *tcp)
{
    if (length < 20) {
        return FRAME_TOO_SHORT;
    }
    uint32_t header_bytes = (uint32_t)(bytes[12] >> 4) * 4;
    if (header_bytes < 20 || header_bytes > length) {
        return FRAME_BAD_LENGTH;
    }
    *tcp = (struct tcp_header){
        .source_port = get_be16(bytes),
        .destination_port = get_be16(bytes + 2),
        .sequence = get_be32(bytes + 4),
        .acknowledgment = get_be32(bytes + 8),
        .window = get_be16(bytes + 14),
        .flags = bytes[13],
        .window_scale = 0xff,
        .header_bytes = (uint8_t)header_bytes,
    };
    uint32_t at = 20;
    while (at < header_bytes && bytes[at] != TCP_OPTION_END) {
        if (bytes[at] == TCP_OPTION_NOP) {
            at++;
            continue;
        }
        if (at + 2 > header_bytes || bytes[at + 1] < 2 || at + bytes[at + 1] > header_bytes) {
            return FRAME_BAD_OPTION;
        }
        enum frame_parse_result result = parse_tcp_option(bytes + at, bytes[at + 1], tcp);
        if (result != FRAME_OK) {
            return result;
        }
        at += bytes[at + 1];
    }
    /* Senders may pack options closer than we do; what we could not write again is refused. */
    if (!tcp_options_fit(tcp) || frame_tcp_header_bytes(tcp) > header_bytes) {
        return FRAME_BAD_OPTION;
    }
    return FRAME_OK;
}

/* Whether the checksum behind the IP header is right. Of a first fragment it tells what the rest must sum up to. */
static bool parse_l4_checksum(const uint8_t *ip, uint32_t l4_bytes, struct frame *frame)
{
    const uint8_t *l4 = ip + IP_BYTES;
    uint32_t sum = sum_fold(sum_bytes(l4, l4_bytes));
    if (frame->protocol == IP_UDP && get_be16(l4 + 6) == 0) {
        frame->rest_sum = 0;
        return true;
    }
    if (frame->protocol == IP_UDP) {
        sum += sum_pseudo(ip, IP_UDP, frame->udp.length);
    } else if (frame->protocol == IP_TCP) {
        sum += sum_pseudo(ip, IP_TCP, l4_bytes);
    }
    uint16_t missing = (uint16_t)~sum_fold(sum);
    frame->rest_sum = frame->more_fragments ? missing : 0;
    return frame->more_fragments || missing == 0;
}

/* The L4 header at `ip` + 20; its length through `header_bytes`. */
static enum frame_parse_result parse_l4(const uint8_t *ip, uint32_t l4_bytes, struct frame *frame,
                                        uint32_t *header_bytes)
{
    const uint8_t *l4 = ip + IP_BYTES;
    enum frame_parse_result result = FRAME_OK;
    *header_bytes = 0;
    frame->rest_sum = 0;
    if (frame->fragment_offset != 0) {
        return FRAME_OK;
    }
    switch (frame->protocol) {
    case IP_TCP:
        if (frame->more_fragments) {
            return FRAME_UNKNOWN_TYPE; /* its checksum depends on a length that is not in the header */
        }
        result = parse_tcp(l4, l4_bytes, &frame->tcp);
        *header_bytes = frame->tcp.header_bytes;
        break;
    case IP_UDP:
        if (l4_bytes < 8) {
            return FRAME_TOO_SHORT;
        }
        frame->udp = (struct udp_header){get_be16(l4), get_be16(l4 + 2), get_be16(l4 + 4)};
        if (frame->udp.length < 8 || (frame->more_fragments ? frame->udp.length <= l4_bytes
                                                            : frame->udp.length != l4_bytes)) {
            return FRAME_BAD_LENGTH;
        }
        *header_bytes = 8;
        break;
    case IP_ICMP:
        if (l4_bytes < 8) {
            return FRAME_TOO_SHORT;
        }
        frame->icmp = (struct icmp_header){l4[0], l4[1], get_be16(l4 + 4), get_be16(l4 + 6)};
        *header_bytes = 8;
        break;
    default:
        return FRAME_UNKNOWN_TYPE;
    }
    if (result == FRAME_OK && !parse_l4_checksum(ip, l4_bytes, frame)) {
        result = FRAME_BAD_CHECKSUM;
    }
    return result;
}

/* All but the payload; where that lies goes through the last two pointers. */
static enum frame_parse_result parse_ip(const uint8_t *ip, uint32_t length, struct frame *frame,
                                        uint32_t *payload_at, uint32_t *payload_end)
{
    if (length < IP_BYTES) {
        return FRAME_TOO_SHORT;
    }
    if (ip[0] >> 4 != 4) {
        return FRAME_UNKNOWN_TYPE;
    }
    if (ip[0] != 0x45 || ip[1] != 0) {
        return FRAME_BAD_OPTION; /* IP options and service classes are not modelled */
    }
    uint32_t total_bytes = get_be16(ip + 2);
    bool padded = ETH_HEADER_BYTES + length <= ETH_BYTES_MIN;
    if (total_bytes < IP_BYTES || total_bytes > length || (total_bytes != length && !padded)) {
        return FRAME_BAD_LENGTH;
    }
    if (sum_fold(sum_bytes(ip, IP_BYTES)) != 0xffff) {
        return FRAME_BAD_CHECKSUM;
    }
    uint16_t fragment = get_be16(ip + 6);
    uint32_t offset = (fragment & 0x1fffu) * 8;
    if ((fragment & 0x8000) != 0) {
        return FRAME_BAD_OPTION; /* RFC 791, 3.1: bit 0 must be zero */
    }
    if (offset + total_bytes > UINT16_MAX) {
        return FRAME_BAD_LENGTH;
    }
    frame->ip_id = get_be16(ip + 4);
    frame->dont_fragment = (fragment & IP_DONT_FRAGMENT) != 0;
    frame->more_fragments = (fragment & IP_MORE_FRAGMENTS) != 0;
    frame->fragment_offset = (uint16_t)offset;
    frame->ttl = ip[8];
    frame->protocol = ip[9];
    frame->ip_source.v = get_be32(ip + 12);
    frame->ip_destination.v = get_be32(ip + 16);
    uint32_t l4_header_bytes;
    enum frame_parse_result result = parse_l4(ip, total_bytes - IP_BYTES, frame, &l4_header_bytes);
    *payload_at = IP_BYTES + l4_header_bytes;
    *payload_end = total_bytes;
    return result;
}

enum frame_parse_result frame_parse(struct net *net, const uint8_t *bytes, uint32_t length,
                                    struct frame *frame)
{
    SIM_ASSERT(frame->slice_count == 0);
    if (length < ETH_HEADER_BYTES) {
        return FRAME_TOO_SHORT;
    }
    if (length > FRAME_BYTES_MAX) {
        return FRAME_BAD_LENGTH;
    }
    frame->destination = get_mac(bytes);
    frame->source = get_mac(bytes + 6);
    frame->ether_type = get_be16(bytes + 12);
    const uint8_t *packet = bytes + ETH_HEADER_BYTES;
    uint32_t payload_at = 0, payload_end = 0;
    enum frame_parse_result result = FRAME_UNKNOWN_TYPE;
    if (frame->ether_type == ETHER_ARP) {
        result = parse_arp(packet, length - ETH_HEADER_BYTES, frame);
    } else if (frame->ether_type == ETHER_IPV4) {
        result = parse_ip(packet, length - ETH_HEADER_BYTES, frame, &payload_at, &payload_end);
    }
    if (result != FRAME_OK) {
        frame->more_fragments = false;
        frame->dont_fragment = false;
        frame->fragment_offset = 0;
        return result;
    }
    while (payload_at < payload_end) {
        uint32_t left = payload_end - payload_at;
        uint32_t piece = left < PAGE_BYTES ? left : PAGE_BYTES;
        struct page page = page_literal(net->pages, packet + payload_at, piece);
        frame_push(net->frames, frame, (struct slice){page, 0, piece});
        payload_at += piece;
    }
    frame_seal(net->frames, frame);
    return FRAME_OK;
}
