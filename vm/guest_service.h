/* vm/guest_service.h - the TCP servers of a guest.
 *
 *     accept ─► HEADER ──8 bytes──► BODY ──all read──► WORKING ──work_ns──► ANSWERING ──all sent──► HEADER ...
 *                  └─ the peer has finished: closed
 *
 * A session reads one request at a time; what the peer sends meanwhile waits in the connection's buffer. A request or an answer of
 * less than 8 bytes is no such protocol: the connection is reset.
 *
 *  S1. Requests of one service that are worked on are answered in the order in which their work began; those that are due in the same
 *      nanosecond, service by service.
 *      A request's work takes as much longer as the guest's last period did (vm/guest_cpu.h), decided when it begins.
 *  S2. Answers are pattern pages with numbers that no store of the guest has: GUEST_ANSWER_BIT is set in them.
 *  S3. Saved state is canonical: sessions stand in the order of their connections' addresses. */
#ifndef ORRERY_VM_GUEST_SERVICE_H
#define ORRERY_VM_GUEST_SERVICE_H

#include "vm/guest.h"

#define GUEST_SERVICE_BACKLOG 1024u
#define GUEST_ANSWER_BIT      (UINT64_C(1) << 47)

struct guest_session;

struct guest_services {
    const struct guest_spec *spec;
    struct machine *machine;
    struct ip_stack *stack;
    struct tcp_layer *tcp;
    const struct guest_cpu *cpu; /* its pace is that of the work; NULL: full speed */
    struct machine_timer timer;  /* work that is done next */
    bool listening, started;
    uint64_t served;            /* answers sent */
    uint64_t answer_pages;      /* numbers given to answers */
    uint64_t turns;             /* of sessions that began to work */
    struct guest_session *live; /* newest first */
    uint32_t live_count;
    struct guest_session *spare;
    struct guest_session_chunk *chunks;
    struct guest_queue {
        struct guest_session *first, *last;
    } working[GUEST_SERVICES_MAX];
    struct guest_port {
        struct guest_services *services;
        uint32_t service;
    } ports[GUEST_SERVICES_MAX]; /* contexts of listeners */
};

/* Borrows all of them. */
void guest_services_init(struct guest_services *services, const struct guest_spec *spec,
                         struct machine *machine, struct ip_stack *stack, struct tcp_layer *tcp,
                         const struct guest_cpu *cpu);
/* Lets go of connections and ports; they stay as they are. */
void guest_services_close(struct guest_services *services);
/* Opens the ports. */
void guest_services_listen(struct guest_services *services);
/* Work begins: from now on the timer runs. */
void guest_services_start(struct guest_services *services);
void guest_services_unlisten(struct guest_services *services);
/* Forgets all sessions, ports and counters: the machine crashed and took the ports with it, or they are closed. */
void guest_services_reset(struct guest_services *services);
/* All but the connections, which stand before it in saved state. */
void guest_services_save(const struct guest_services *services, struct state_writer *writer);
/* After tcp_layer_load. */
SIM_CHECKED bool guest_services_load(struct guest_services *services, struct state_reader *reader);
void guest_services_check(const struct guest_services *services);

#endif
