#include "net_fixture.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void fixture_hears(void *context, const struct record *record)
{
    struct fixture *fixture = context;
    cr_assert(fixture->record_count < FIXTURE_RECORDS_MAX);
    struct fixture_record *copy = &fixture->records[fixture->record_count++];
    copy->time = record->time;
    copy->kind = record->kind - fixture->net.record_base;
    copy->origin = record->origin;
    copy->cause = record->cause;
    memcpy(copy->values, record->values, sizeof copy->values);
    (void)snprintf(copy->text, sizeof copy->text, "%s", record->text);
}

struct fixture *fixture_new(const char *const *paths, uint32_t count, uint64_t seed)
{
    struct fixture *fixture = calloc(1, sizeof *fixture);
    cr_assert(fixture != NULL);
    fixture->sim = sim_new(&(struct sim_options){.seed = seed});
    fixture->pages = page_pool_new();
    fixture->recorder = recorder_new(fixture->sim);
    for (uint32_t i = 0; i < count; i++) {
        cr_assert_eq(sim_origin_add(fixture->sim, paths[i]), i);
    }
    sim_origins_seal(fixture->sim);
    net_init(&fixture->net, fixture->sim, fixture->recorder, fixture->pages);
    recorder_listen(fixture->recorder, SIM_NONE, fixture_hears, fixture);
    return fixture;
}

void fixture_free(struct fixture *fixture)
{
    net_close(&fixture->net);
    recorder_close(fixture->recorder);
    cr_assert_eq(page_pool_live(fixture->pages), 0);
    page_pool_close(fixture->pages);
    sim_close(fixture->sim);
    free(fixture);
}

struct frame *fixture_frame(struct fixture *fixture, uint16_t id, uint32_t wire_bytes,
                            struct mac from, struct mac to)
{
    struct frame *frame = frame_new(fixture->net.frames);
    uint32_t payload_bytes = wire_bytes - ETH_HEADER_BYTES - 20 - 8;
    frame->source = from;
    frame->destination = to;
    frame->ether_type = ETHER_IPV4;
    frame->protocol = IP_UDP;
    frame->ttl = 64;
    frame->ip_id = id;
    frame->ip_source = (struct ip4){(uint32_t)from.v};
    frame->ip_destination = (struct ip4){(uint32_t)to.v};
    frame->udp = (struct udp_header){1, 2, (uint16_t)(8 + payload_bytes)};
    while (payload_bytes > 0) {
        uint32_t piece = payload_bytes < PAGE_BYTES ? payload_bytes : PAGE_BYTES;
        frame_push(fixture->net.frames, frame,
                   (struct slice){page_pattern(PAGE_RANDOM, id), PAGE_BYTES - piece, piece});
        payload_bytes -= piece;
    }
    frame_seal(fixture->net.frames, frame);
    cr_assert_eq(frame->wire_bytes, wire_bytes);
    return frame;
}

uint32_t fixture_count(const struct fixture *fixture, uint32_t kind, const char *text)
{
    uint32_t count = 0;
    for (uint32_t i = 0; i < fixture->record_count; i++) {
        const struct fixture_record *record = &fixture->records[i];
        if (record->kind == kind && (text == NULL || strcmp(record->text, text) == 0)) {
            count++;
        }
    }
    return count;
}

static void collector_receive(void *context, struct frame *frame)
{
    struct collector *collector = context;
    cr_assert(collector->count < sizeof collector->ids / sizeof collector->ids[0]);
    collector->ids[collector->count] = frame->ip_id;
    collector->times[collector->count] = sim_now(collector->fixture->sim);
    collector->count++;
    net_free_frame(&collector->fixture->net, frame);
}

struct frame_sink collector_sink(struct collector *collector)
{
    return (struct frame_sink){collector_receive, collector};
}
