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

static void target_close(void)
{
    ip_stack_free(target.stack);
    machine_free(target.machine);
    net_close(&target.net);
    recorder_close(target.recorder);
    SIM_ASSERT(page_pool_live(target.pages) == 0);
    page_pool_close(target.pages);
    sim_close(target.sim);
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

/* The input is frames, each behind two bytes of length, so that fragments and ARP can meet. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    target_open();
    while (size >= 2) {
        size_t length = (size_t)data[0] << 8 | data[1];
        data += 2;
        size -= 2;
        length = length < size ? length : size;
        /* A copy of its own, so that reading past the end is seen. */
        uint8_t *bytes = malloc(length);
        SIM_ASSERT(bytes != NULL || length == 0);
        if (length > 0) {
            memcpy(bytes, data, length);
        }
        take_frame(bytes, (uint32_t)length);
        free(bytes);
        data += length;
        size -= length;
    }
    target_close();
    return 0;
}
