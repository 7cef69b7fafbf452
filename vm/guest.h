/* vm/guest.h - a model guest: what a VM does with its memory and its network, as data (DESIGN idea 4).
 *
 * A guest is event-driven: writers and readers that touch pages at a rate, the replay of a page-write trace, a TCP/IP stack that answers pings,
 * and request/response servers. All of its state but RAM is plain integers, saved with guest-relative times and loaded into another instance
 * that then does exactly what the first would have done.
 *
 *  U1. A guest acts only while its machine runs; a pause costs it no touch, they come later.
 *  U2. Touch n of a writer happens at start + n / rate of guest time, plus what dirty logging cost the guest so far; touches due within
 *      GUEST_TICK_NS happen in one event, in their order.
 *  U3. Every store gives the page a new content: a pattern whose number is unique in the run (VM number, store number).
 *  U4. Save, load into another instance with equal RAM, run both: equal records from then on.
 *
 * Orders: uniform (keyed draw), sequential (round and round), zipf (page k of the range with weight 1 / (k + 1)). */
#ifndef ORRERY_VM_GUEST_H
#define ORRERY_VM_GUEST_H

#include "mmu/vm_memory.h"
#include "nic/tcp.h"
#include "sim/state.h"
#include "vm/page_trace.h"

#define GUEST_TICK_NS      (10 * SIM_US)
#define GUEST_SERVICES_MAX 8u

enum guest_order { GUEST_UNIFORM, GUEST_SEQUENTIAL, GUEST_ZIPF };

/* A writer or a reader. */
struct guest_load {
    uint64_t first_page, page_count;
    uint64_t touches_per_hour; /* more than 0 */
    enum guest_order order;
    enum page_class page_class; /* of written pages */
};

struct guest_replay {
    const struct page_trace *trace; /* NULL: none. Borrowed */
    uint64_t speed_ppb;             /* 2e9: intervals last half as long */
    sim_time start_ns;              /* into the trace, in its own time */
    uint64_t first_page;            /* frame 0 of the trace */
    enum page_class page_class;
};

/* A TCP server: reads a request, whose first 8 bytes are its own length and that of the answer wanted (big-endian, 4 bytes
 * each, at least 8), and sends so many bytes after `work_ns`. */
struct guest_service {
    uint16_t port;
    sim_time work_ns;
};

/* What a guest is, from the scenario; immutable, shared by its instances. */
struct guest_spec {
    uint32_t number; /* of the VM in the scenario: makes page contents unique; at most 16383 */
    uint64_t page_count;
    uint64_t zero_pages,
        compressible_pages; /* initial content in that order from page 0; the rest is random */
    const struct guest_load *writers;
    uint32_t writer_count;
    const struct guest_load *readers;
    uint32_t reader_count;
    struct guest_replay replay;
    const struct guest_service *services;
    uint32_t service_count;
    const struct tcp_profile *tcp;
};

struct guest;

/* A guest that does nothing yet. Borrows spec, machine (the guest's own), memory and stack. */
struct guest *guest_new(const struct guest_spec *spec, struct machine *machine,
                        struct vm_memory *memory, struct ip_stack *stack, struct tcp_layer *tcp);
void guest_free(struct guest *guest);
/* Fills memory with its initial content: at boot, before guest_start. */
void guest_fill_memory(const struct guest_spec *spec, struct vm_memory *memory);
/* Begins: at boot, or after guest_load at the moment its machine first runs. */
void guest_start(struct guest *guest);
/* All state but RAM: loads, replay, services, TCP. The machine is paused. */
void guest_save(const struct guest *guest, struct state_writer *writer);
/* Into a guest that has not started. False where the bytes are not such a state. */
SIM_CHECKED bool guest_load(struct guest *guest, struct state_reader *reader);

struct guest_statistics {
    uint64_t stores, loads, requests_served;
    sim_time lost_ns; /* to exits of dirty logging */
};
void guest_statistics(const struct guest *guest, struct guest_statistics *out);
void guest_check(const struct guest *guest);

#endif
