/* Headers as named fields: frames written by hand, and each of them cut at every byte (X1). */
#include "testbed/frame_text.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define TEXT_BYTES 2048u

/* Bytes in hexadecimal, for a frame is read most easily so. */
#define MACS       "020000000002020000000001"
#define MACS_IN    "ethernet destination=02:00:00:00:00:02\nethernet source=02:00:00:00:00:01\n"
#define IP_ENDS    "abcd0a0100010a010002"
#define IP_ENDS_IN "ip checksum=0xabcd\nip source=10.1.0.1\nip destination=10.1.0.2\n"

static const struct {
    const char *name;
    const char *hex;
    const char *text;
    uint32_t payload;
    uint32_t offset; /* and what lies there */
    const char *place;
} rows[] = {
    {"an unknown type",
     MACS "86dd"
          "60000000",
     MACS_IN "ethernet type=0x86dd\n", 14, 13, "ethernet type"},
    {"arp",
     MACS "0806"
          "00010800060400010200000000010a0100010000000000000a010002",
     MACS_IN
     "ethernet type=0x0806\narp hardware=1\narp protocol=0x0800\narp lengths=0x0604\narp "
     "operation=1\n"
     "arp sender=02:00:00:00:00:01\narp sender address=10.1.0.1\narp target=00:00:00:00:00:00\n"
     "arp target address=10.1.0.2\n",
     42, 28, "arp sender address"},
    {"tcp with options",
     MACS "0800"
          "4500003000074000"
          "4006" IP_ENDS "c00019c8f281ede700000001"
          "7012ffff"
          "86e20000"
          "020405b401030307"
          "5566",
     MACS_IN
     "ethernet type=0x0800\nip version=0x45\nip service=0x00\nip length=48\nip identification=7\n"
     "ip fragment=do not, 0 B\nip ttl=64\nip protocol=6\n" IP_ENDS_IN
     "tcp source port=49152\ntcp destination port=6600\ntcp sequence=4068601319\ntcp "
     "acknowledgment=1\n"
     "tcp header=28 B\ntcp flags=SYN ACK\ntcp window=65535\ntcp checksum=0x86e2\ntcp urgent=0\n"
     "tcp options=020405b401030307\n",
     62, 56, "tcp options"},
    {"udp",
     MACS "0800"
          "4500001c00070000"
          "4011" IP_ENDS "0044004300080000",
     MACS_IN
     "ethernet type=0x0800\nip version=0x45\nip service=0x00\nip length=28\nip identification=7\n"
     "ip fragment=0 B\nip ttl=64\nip protocol=17\n" IP_ENDS_IN
     "udp source port=68\nudp destination port=67\nudp length=8\nudp checksum=0x0000\n",
     42, 37, "udp destination port"},
    {"the first fragment of icmp",
     MACS "0800"
          "4500001c00072000"
          "4001" IP_ENDS "0800d9e8001b01f5"
          "aa",
     MACS_IN
     "ethernet type=0x0800\nip version=0x45\nip service=0x00\nip length=28\nip identification=7\n"
     "ip fragment=more, 0 B\nip ttl=64\nip protocol=1\n" IP_ENDS_IN
     "icmp type=8\nicmp code=0\nicmp checksum=0xd9e8\nicmp identifier=27\nicmp sequence=501\n",
     42, 42, "payload"},
    {"a later fragment shows no header",
     MACS "0800"
          "4500001c00070002"
          "4001" IP_ENDS "0800d9e8001b01f5",
     MACS_IN
     "ethernet type=0x0800\nip version=0x45\nip service=0x00\nip length=28\nip identification=7\n"
     "ip fragment=16 B\nip ttl=64\nip protocol=1\n" IP_ENDS_IN,
     34, 34, "payload"},
};

static uint32_t from_hex(const char *hex, uint8_t *out)
{
    uint32_t length = (uint32_t)strlen(hex) / 2;
    for (uint32_t i = 0; i < length; i++) {
        unsigned byte = 0;
        cr_assert_eq(sscanf(hex + (size_t)2 * i, "%2x", &byte), 1);
        out[i] = (uint8_t)byte;
    }
    return length;
}

static void add_line(void *context, const char *name, const char *value)
{
    char *text = context;
    size_t at = strlen(text);
    snprintf(text + at, TEXT_BYTES - at, "%s=%s\n", name, value);
}

Test(frame_text, by_hand)
{
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        uint8_t bytes[128];
        char text[TEXT_BYTES] = "";
        uint32_t length = from_hex(rows[i].hex, bytes);
        cr_expect_eq(frame_text(bytes, length, add_line, text), rows[i].payload, "%s",
                     rows[i].name);
        cr_expect_str_eq(text, rows[i].text, "%s:\n%s", rows[i].name, text);
        cr_expect_str_eq(frame_text_place(bytes, length, rows[i].offset), rows[i].place, "%s",
                         rows[i].name);
    }
}

/* Every prefix lies in memory of exactly its length, which sanitizers guard; what is said is the start of what the whole says. */
Test(frame_text, cut_at_every_byte)
{
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        uint8_t bytes[128];
        uint32_t length = from_hex(rows[i].hex, bytes);
        for (uint32_t cut = 0; cut < length; cut++) {
            char text[TEXT_BYTES] = "";
            uint8_t *exact = malloc(cut > 0 ? cut : 1);
            cr_assert_not_null(exact);
            memcpy(exact, bytes, cut);
            uint32_t payload = frame_text(exact, cut, add_line, text);
            cr_expect_leq(payload, cut, "%s cut at %u", rows[i].name, cut);
            cr_expect_eq(strncmp(rows[i].text, text, strlen(text)), 0, "%s cut at %u:\n%s",
                         rows[i].name, cut, text);
            cr_expect_str_eq(frame_text_place(exact, cut, payload), "payload", "%s cut at %u",
                             rows[i].name, cut);
            free(exact);
        }
    }
}
