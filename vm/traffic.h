/* vm/traffic.h - what clients do: ping, request and response, bulk transfer. Event-driven, on any stack: a client's, a node's, a guest's.
 *
 * Each is started by an action of the timeline, writes TRAFFIC_* records under the action's origin, and goes on until it is done,
 * stopped, or the run ends. A stack may vanish (its machine crashes, its VM moves): then the source is asked again. After a move
 * the traffic goes on, on the connection that was saved with the VM; after a crash what was at hand is lost. All times are those of the
 * sender's clock, but for bulk transfers, whose ends have two.
 *
 *  X1. A ping is sent every `every_ns` of the sender's time whether or not replies come; a reply after `timeout_ns` counts as lost.
 *      What a frozen machine missed is not made up. RTTs are those of the sender's clock.
 *  X2. Requests of one client never overlap: the next begins after the answer, or after the time-out on a new connection; one that
 *      is late follows at once, but after a lost one not before 1 ms.
 *  X3. Every byte of a bulk transfer is checked where it lands: pattern pages by handle, literal ones by comparing bytes. */
#ifndef ORRERY_VM_TRAFFIC_H
#define ORRERY_VM_TRAFFIC_H

#include "nic/tcp.h"
#include "sim/chance.h"
#include "vm/vm_records.h"

/* Where traffic starts or ends: looked up at each use, since a VM's stack moves with it. NULL while there is none. */
struct traffic_end {
    struct ip_stack *(*stack)(void *context);
    struct machine *(*machine)(void *context); /* whose clock paces it; NULL while there is none */
    void *context;
};

struct traffic_common {
    struct net *net;
    uint32_t record_base; /* of vm_record_kinds */
    uint32_t origin;      /* the action's */
    struct traffic_end from;
    struct ip4 to; /* the address to talk to */
    sim_callback
        *ended; /* told once when it is over by itself, in an event; may be NULL; frees nothing */
    void *context;
};

struct ping_options {
    struct traffic_common common;
    sim_time every_ns, timeout_ns;
    uint32_t size_bytes;
    uint64_t count; /* 0: until stopped */
};
struct ping;
struct ping *ping_start(const struct ping_options *options);
void ping_stop(struct ping *ping); /* what is outstanding still counts until its time-out */
void ping_free(struct ping *ping); /* at any time; nothing is recorded */

struct request_options {
    struct traffic_common common;
    uint16_t port;
    uint32_t request_bytes, response_bytes; /* at least 8 */
    sim_time every_ns;                      /* start to start; 0: think_ns counts */
    sim_time think_ns;                      /* end of response to next start */
    sim_time timeout_ns;
};
struct request;
struct request *request_start(const struct request_options *options);
void request_stop(struct request *request); /* the one at hand is still waited for */
void request_free(struct request *request);

enum bulk_content { BULK_PATTERN, BULK_ZERO, BULK_LITERAL };
struct bulk_options {
    struct traffic_common common;
    struct traffic_end receiver; /* the stack at the other end, where the port is opened */
    uint16_t port;
    uint64_t bytes;
    enum bulk_content content;
    int congestion; /* enum tcp_congestion, -1: as the stack's profile */
    bool close;     /* else the connection stays open */
};
struct bulk;
/* It is over when the last byte has landed; then, with `close`, the sender closes when all is acknowledged. */
struct bulk *bulk_start(const struct bulk_options *options);
void bulk_stop(struct bulk *bulk); /* both ends are reset */
void bulk_free(struct bulk *bulk);

#endif
