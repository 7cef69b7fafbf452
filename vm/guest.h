/* vm/guest.h - a model guest: what a VM does with its memory and its network, as data (DESIGN idea 4).
 *
 * A guest is event-driven: writers and readers that touch pages at a rate, the replay of a page-write trace, a TCP/IP stack that answers pings,
 * and request/response servers. All of its state but RAM is plain integers, saved with guest-relative times and loaded into another instance
 * that then does exactly what the first would have done.
 *
 *  U1. A guest acts only while its machine runs; standing still costs it no touch, they come later: after a pause, in which its clock
 *      stands too, when that shows their time; after a freeze of its host, when what was due first has come at the thaw, as much
 *      later as that was.
 *  U2. Touch n (from 1) of a load happens at start + n / rate of guest time, plus what dirty logging cost the guest so far. Touches
 *      that are due between two multiples of GUEST_TICK_NS of that time happen in one event, when the first of them is due, in the
 *      order of (due, writers, readers, replay).
 *  U3. Every store gives the page a new content: a pattern whose number is unique in the run: number of the VM << 48 | store, counted
 *      from page_count. Initial content has the number of its page instead, answers of services have bit 47 set.
 *  U4. Save, load into another instance with equal RAM, run both: equal records from then on.
 *
 *  U5. Saved state is canonical: a guest that was loaded and has not run saves the bytes that it was loaded from.
 *
 *  U6. Start in U2 counts without what was stolen: a guest whose vCPUs do not get the processor time that they need, or that is throttled, makes
 *      its touches as much later (vm/guest_cpu.h).
 *
 * Orders: uniform (keyed draw), sequential (round and round), zipf (page k of the range with weight 1 / (k + 1); vm/zipf.h). */
#ifndef ORRERY_VM_GUEST_H
#define ORRERY_VM_GUEST_H

#include "mmu/vm_memory.h"
#include "nic/tcp.h"
#include "sim/state.h"
#include "vm/guest_cpu.h"
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
    uint32_t
        copies; /* 0 and 1: one; more lie behind it, `ram_pages` apart, and are further in the trace by equal parts of it */
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
    uint32_t
        vcpus; /* and the share of a core, in parts per billion, that each of them uses: 0, they cost the host nothing */
    int64_t load_ppb;
    /* Initial content, in that order from page 0; the rest is random. Of a guest of more than 16 MiB both ends are rounded down to whole
     * regions of 2 MiB, so that content is runs; only the end of memory stays where it is. */
    uint64_t zero_pages, compressible_pages;
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

/* A guest that does nothing yet. Borrows spec, machine (the guest's own), memory, stack, and the host's cores. */
struct guest *guest_new(const struct guest_spec *spec, struct machine *machine,
                        struct vm_memory *memory, struct ip_stack *stack, struct tcp_layer *tcp,
                        struct guest_cores *cores);
void guest_free(struct guest *guest);
/* Fills memory with its initial content: at boot, before guest_start. */
void guest_fill_memory(const struct guest_spec *spec, struct vm_memory *memory);
/* Begins: at boot, or after guest_load at the moment its machine first runs. */
void guest_start(struct guest *guest);
/* All state but RAM: loads, replay, services, TCP. The machine is paused. */
void guest_save(const struct guest *guest, struct state_writer *writer);
/* Into a guest that has not started, whose machine is on and stands still. False where the bytes are not such a state: then the guest is as
 * guest_new left it, and the TCP layer is to be emptied by a crash of the machine. */
SIM_CHECKED bool guest_load(struct guest *guest, struct state_reader *reader);

/* Takes processor time away from it, or gives it back: `share_ppb` of its time is left, from GUEST_CPU_SHARE_MIN to GUEST_CPU_WHOLE. What the
 * hypervisor and what a fault leaves multiply. */
void guest_set_share(struct guest *guest, enum guest_cpu_taker taker, int64_t share_ppb);

struct guest_statistics {
    uint64_t stores, loads, requests_served;
    sim_time lost_ns;   /* to exits of dirty logging */
    sim_time work_ns;   /* work time so far */
    sim_time stolen_ns; /* by a busy host, by throttling, by a fault */
    sim_time
        served_ns; /* processor time that its vCPUs were given, and what the host's counter does not have of it */
    sim_time being_served_ns;
};
void guest_statistics(const struct guest *guest, struct guest_statistics *out);
void guest_check(const struct guest *guest);

#endif
