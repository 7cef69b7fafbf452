#include "testbed/frame_text.h"

#include "nic/frame.h"
#include "sim/wire_bytes.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>

enum {
    IP_BYTES_MIN = 20,
    TCP_BYTES_MIN = 20,
    UDP_BYTES = 8,
    ICMP_BYTES = 8,
    ARP_BYTES = 28,
};

/* How a field's bytes are shown. */
enum show {
    SHOW_END = 0,
    SHOW_NUMBER,
    SHOW_HEX,
    SHOW_MAC,
    SHOW_IP4,
    SHOW_FLAGS,    /* of TCP: the 6 low bits of the byte */
    SHOW_FRAGMENT, /* of IPv4: flags and offset */
    SHOW_WORDS,    /* of TCP: the high 4 bits, times 4 */
};

/* One row for each field of a header, in the order of the wire. */
struct field {
    const char *name;
    uint8_t at;
    uint8_t bytes;
    enum show show;
};

static const struct field ethernet_fields[] = {
    {"ethernet destination", 0, 6, SHOW_MAC},
    {"ethernet source", 6, 6, SHOW_MAC},
    {"ethernet type", 12, 2, SHOW_HEX},
    {0},
};
static const struct field arp_fields[] = {
    {"arp hardware", 0, 2, SHOW_NUMBER},
    {"arp protocol", 2, 2, SHOW_HEX},
    {"arp lengths", 4, 2, SHOW_HEX},
    {"arp operation", 6, 2, SHOW_NUMBER},
    {"arp sender", 8, 6, SHOW_MAC},
    {"arp sender address", 14, 4, SHOW_IP4},
    {"arp target", 18, 6, SHOW_MAC},
    {"arp target address", 24, 4, SHOW_IP4},
    {0},
};
static const struct field ip_fields[] = {
    {"ip version", 0, 1, SHOW_HEX},
    {"ip service", 1, 1, SHOW_HEX},
    {"ip length", 2, 2, SHOW_NUMBER},
    {"ip identification", 4, 2, SHOW_NUMBER},
    {"ip fragment", 6, 2, SHOW_FRAGMENT},
    {"ip ttl", 8, 1, SHOW_NUMBER},
    {"ip protocol", 9, 1, SHOW_NUMBER},
    {"ip checksum", 10, 2, SHOW_HEX},
    {"ip source", 12, 4, SHOW_IP4},
    {"ip destination", 16, 4, SHOW_IP4},
    {0},
};
static const struct field tcp_fields[] = {
    {"tcp source port", 0, 2, SHOW_NUMBER}, {"tcp destination port", 2, 2, SHOW_NUMBER},
    {"tcp sequence", 4, 4, SHOW_NUMBER},    {"tcp acknowledgment", 8, 4, SHOW_NUMBER},
    {"tcp header", 12, 1, SHOW_WORDS},      {"tcp flags", 13, 1, SHOW_FLAGS},
    {"tcp window", 14, 2, SHOW_NUMBER},     {"tcp checksum", 16, 2, SHOW_HEX},
    {"tcp urgent", 18, 2, SHOW_NUMBER},     {0},
};
static const struct field udp_fields[] = {
    {"udp source port", 0, 2, SHOW_NUMBER},
    {"udp destination port", 2, 2, SHOW_NUMBER},
    {"udp length", 4, 2, SHOW_NUMBER},
    {"udp checksum", 6, 2, SHOW_HEX},
    {0},
};
static const struct field icmp_fields[] = {
    {"icmp type", 0, 1, SHOW_NUMBER},     {"icmp code", 1, 1, SHOW_NUMBER},
    {"icmp checksum", 2, 2, SHOW_HEX},    {"icmp identifier", 4, 2, SHOW_NUMBER},
    {"icmp sequence", 6, 2, SHOW_NUMBER}, {0},
};

/* The headers that a frame shows: at most Ethernet, IPv4 and what is in it. */
struct layer {
    const struct field *fields;
    uint32_t at;
    uint32_t bytes; /* with options */
};
struct layers {
    struct layer list[3];
    uint32_t count;
    uint32_t payload;
};

static void add_layer(struct layers *layers, const struct field *fields, uint32_t bytes)
{
    layers->list[layers->count++] =
        (struct layer){.fields = fields, .at = layers->payload, .bytes = bytes};
    layers->payload += bytes;
}

static void find_l4(const uint8_t *bytes, uint32_t left, uint8_t protocol, struct layers *layers)
{
    uint32_t header = 0;
    switch (protocol) {
    case IP_TCP:
        header = left >= TCP_BYTES_MIN ? (uint32_t)(bytes[12] >> 4) * 4 : 0;
        if (header >= TCP_BYTES_MIN && header <= left) {
            add_layer(layers, tcp_fields, header);
        }
        return;
    case IP_UDP:
        if (left >= UDP_BYTES) {
            add_layer(layers, udp_fields, UDP_BYTES);
        }
        return;
    case IP_ICMP:
        if (left >= ICMP_BYTES) {
            add_layer(layers, icmp_fields, ICMP_BYTES);
        }
        return;
    default:
        return;
    }
}

static struct layers find_layers(const uint8_t *bytes, uint32_t length)
{
    struct layers layers = {0};
    if (length < ETH_HEADER_BYTES) {
        return layers;
    }
    add_layer(&layers, ethernet_fields, ETH_HEADER_BYTES);
    uint16_t type = get_be16(bytes + 12);
    const uint8_t *rest = bytes + ETH_HEADER_BYTES;
    uint32_t left = length - ETH_HEADER_BYTES;
    if (type == ETHER_ARP && left >= ARP_BYTES) {
        add_layer(&layers, arp_fields, ARP_BYTES);
    }
    uint32_t header = type == ETHER_IPV4 && left >= IP_BYTES_MIN ? (rest[0] & 15u) * 4 : 0;
    if (header < IP_BYTES_MIN || header > left) {
        return layers;
    }
    add_layer(&layers, ip_fields, header);
    bool first = (get_be16(rest + 6) & 0x1fff) == 0; /* a later fragment shows no further header */
    if (first) {
        find_l4(rest + header, left - header, rest[9], &layers);
    }
    return layers;
}

/* ---- values --------------------------------------------------------------------------------------------------------------------- */

static uint64_t field_number(const struct field *field, const uint8_t *at)
{
    uint64_t value = 0;
    for (uint32_t i = 0; i < field->bytes; i++) {
        value = value << 8 | at[i];
    }
    return value;
}

static void print_flags(uint8_t flags, char out[FRAME_TEXT_VALUE_BYTES])
{
    static const char *const names[] = {"FIN", "SYN", "RST", "PSH", "ACK", "URG", "ECE", "CWR"};
    size_t at = 0;
    out[0] = 0;
    for (uint32_t i = 0; i < 8; i++) {
        if ((flags >> i & 1) != 0) {
            at += (size_t)snprintf(out + at, FRAME_TEXT_VALUE_BYTES - at, "%s%s", at > 0 ? " " : "",
                                   names[i]);
        }
    }
}

static void print_field(const struct field *field, const uint8_t *at,
                        char out[FRAME_TEXT_VALUE_BYTES])
{
    uint64_t value = field_number(field, at);
    const size_t room = FRAME_TEXT_VALUE_BYTES;
    switch (field->show) {
    case SHOW_HEX:
        snprintf(out, room, "0x%0*" PRIx64, field->bytes * 2, value);
        return;
    case SHOW_MAC:
        snprintf(out, room, "%02x:%02x:%02x:%02x:%02x:%02x", at[0], at[1], at[2], at[3], at[4],
                 at[5]);
        return;
    case SHOW_IP4:
        snprintf(out, room, "%u.%u.%u.%u", at[0], at[1], at[2], at[3]);
        return;
    case SHOW_FLAGS:
        print_flags(at[0], out);
        return;
    case SHOW_FRAGMENT:
        snprintf(out, room, "%s%s%u B", (value & 0x4000) != 0 ? "do not, " : "",
                 (value & 0x2000) != 0 ? "more, " : "", (unsigned)(value & 0x1fff) * 8);
        return;
    case SHOW_WORDS:
        snprintf(out, room, "%u B", (unsigned)(value >> 4) * 4);
        return;
    default:
        snprintf(out, room, "%" PRIu64, value);
        return;
    }
}

static uint32_t fields_end(const struct field *fields)
{
    uint32_t end = 0;
    for (const struct field *field = fields; field->show != SHOW_END; field++) {
        end = (uint32_t)field->at + field->bytes;
    }
    return end;
}

static const char *options_name(const struct layer *layer)
{
    return layer->fields == tcp_fields ? "tcp options" : "ip options";
}

/* What follows the fixed part of a header, as hexadecimal digits. */
static void print_options(const uint8_t *at, uint32_t count, char out[FRAME_TEXT_VALUE_BYTES])
{
    uint32_t most = (FRAME_TEXT_VALUE_BYTES - 1) / 2;
    count = count < most ? count : most;
    for (uint32_t i = 0; i < count; i++) {
        snprintf(out + (size_t)2 * i, 3, "%02x", at[i]);
    }
}

uint32_t frame_text(const uint8_t *bytes, uint32_t length, frame_text_field *field, void *context)
{
    char value[FRAME_TEXT_VALUE_BYTES];
    struct layers layers = find_layers(bytes, length);
    for (uint32_t i = 0; i < layers.count; i++) {
        const struct layer *layer = &layers.list[i];
        for (const struct field *row = layer->fields; row->show != SHOW_END; row++) {
            print_field(row, bytes + layer->at + row->at, value);
            field(context, row->name, value);
        }
        uint32_t fixed = fields_end(layer->fields);
        if (layer->bytes > fixed) {
            print_options(bytes + layer->at + fixed, layer->bytes - fixed, value);
            field(context, options_name(layer), value);
        }
    }
    return layers.payload;
}

const char *frame_text_place(const uint8_t *bytes, uint32_t length, uint32_t offset)
{
    struct layers layers = find_layers(bytes, length);
    for (uint32_t i = 0; i < layers.count; i++) {
        const struct layer *layer = &layers.list[i];
        if (offset < layer->at || offset >= layer->at + layer->bytes) {
            continue;
        }
        for (const struct field *row = layer->fields; row->show != SHOW_END; row++) {
            uint32_t at = layer->at + row->at;
            if (offset >= at && offset < at + row->bytes) {
                return row->name;
            }
        }
        return options_name(layer);
    }
    return "payload";
}
