/* Fuzzes frame_parse (B2), and with what it accepts the way back (B1) and a stack that receives it. */
#include "nic/frame_bytes.h"
#include "nic/ip_stack.h"

#include <stdlib.h>
#include <string.h>

struct target {
    struct sim *sim;
    struct page_pool *pages;
    struct recorder *recorder;
    struct net net;
    struct machine *machine;
    struct ip_stack *stack;
};

static struct target target;

static void swallow(void *context, struct frame *frame)
{
    (void)context;
    net_free_frame(&target.net, frame);
}

static void swallow_datagram(void *context, const struct udp_datagram *datagram)
{
    (void)context;
    SIM_ASSERT(datagram->payload->bytes <= UDP_PAYLOAD_MAX);
}

static void target_open(void)
{
    target.sim = sim_new(&(struct sim_options){.seed = 1});
    target.pages = page_pool_new();
    target.recorder = recorder_new(target.sim);
    uint32_t origin = sim_origin_add(target.sim, "host");
    sim_origins_seal(target.sim);
    net_init(&target.net, target.sim, target.recorder, target.pages);
    target.machine = machine_new(target.sim, NULL, origin);
    target.stack = ip_stack_new(&target.net, target.machine, origin);
    struct ip_interface_options interface = {
        .mac = {0x020000000001},
        .address = {0x0a000001},
        .prefix_bits = 24,
        .mtu = 1500,
        .out = {swallow, NULL},
    };
    (void)ip_stack_add_interface(target.stack, &interface);
    machine_power_on(target.machine);
    SIM_ASSERT(udp_bind(target.stack, 53, swallow_datagram, NULL) == IP_OK);
}

/* ---- mending: a fuzzer does not guess checksums ---------------------------------------------- */

static uint32_t sum_up(const uint8_t *bytes, size_t length)
{
    uint32_t sum = 0;
    for (size_t i = 0; i < length; i++) {
        sum += i % 2 == 0 ? (uint32_t)bytes[i] << 8 : bytes[i];
    }
    return sum;
}

static void put_checksum(uint8_t *field, uint32_t sum)
{
    while (sum >> 16 != 0) {
        sum = (sum & 0xffff) + (sum >> 16);
    }
    field[0] = (uint8_t)(~sum >> 8);
    field[1] = (uint8_t)~sum;
}

/* Writes right checksums into what looks like IPv4, where there is room for them. */
static void mend(uint8_t *bytes, size_t length)
{
    if (length < 34 || bytes[14] != 0x45) {
        return;
    }
    uint8_t *ip = bytes + 14, *l4 = bytes + 34;
    size_t total = (size_t)ip[2] << 8 | ip[3];
    memset(ip + 10, 0, 2);
    put_checksum(ip + 10, sum_up(ip, 20));
    size_t field = ip[9] == IP_TCP ? 16 : ip[9] == IP_UDP ? 6 : 2;
    if (total < 20 + field + 2 || total > length - 14) {
        return;
    }
    size_t l4_bytes = total - 20;
    uint32_t pseudo = ip[9] == IP_ICMP ? 0 : sum_up(ip + 12, 8) + ip[9] + (uint32_t)l4_bytes;
    memset(l4 + field, 0, 2);
    put_checksum(l4 + field, sum_up(l4, l4_bytes) + pseudo);
}

/* Parses; if it is a frame, back and forth must agree, and the stack gets it. */
static void take_frame(const uint8_t *bytes, uint32_t length)
{
    struct net *net = &target.net;
    struct frame *frame = frame_new(net->frames);
    if (frame_parse(net, bytes, length, frame) != FRAME_OK) {
        SIM_ASSERT(frame->slice_count == 0);
        SIM_ASSERT(frame->payload_bytes == 0);
        net_free_frame(net, frame);
        return;
    }
    uint8_t written[FRAME_BYTES_MAX];
    uint32_t count = frame_bytes(net, frame, written);
    SIM_ASSERT(count == frame->wire_bytes);
    struct frame *again = frame_new(net->frames);
    SIM_ASSERT(frame_parse(net, written, count, again) == FRAME_OK);
    SIM_ASSERT(again->digest == frame->digest);
    net_free_frame(net, again);
    struct frame_sink sink = ip_stack_sink(target.stack, 0);
    sink.receive(sink.context, frame);
    ip_stack_check(target.stack);
}

/* The input is frames, each behind two bytes of length, so that fragments and ARP can meet; where the top bit of a length is
 * set the frame's checksums are mended. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (target.sim == NULL) {
        target_open();
    }
    while (size >= 2) {
        bool mended = (data[0] & 0x80) != 0;
        size_t length = ((size_t)data[0] << 8 | data[1]) & 0x7fff;
        data += 2;
        size -= 2;
        length = length < size ? length : size;
        /* A copy of its own, so that reading past the end is seen. */
        uint8_t *bytes = malloc(length + 1);
        SIM_ASSERT(bytes != NULL);
        memcpy(bytes + 1, data, length);
        if (mended) {
            mend(bytes + 1, length);
        }
        take_frame(bytes + 1, (uint32_t)length);
        free(bytes);
        data += length;
        size -= length;
    }
    ip_stack_reset(target.stack);
    SIM_ASSERT(frame_pool_live(target.net.frames) == 0);
    SIM_ASSERT(page_pool_live(target.pages) == 0);
    return 0;
}
