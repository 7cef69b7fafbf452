/* tests/tcp/tcp_world.h - two machines with a TCP each and a cable between them, on which a meddler sits; and applications that
 * send and receive against a model. */
#ifndef ORRERY_TESTS_TCP_WORLD_H
#define ORRERY_TESTS_TCP_WORLD_H

#include "nic/link.h"
#include "nic/tcp.h"
#include "sim/chance.h"

#define WORLD_SENT_MAX (1u << 20)

struct world;

/* What happens to frames of one direction between the end of the link and the stack; all keyed by the frame's ordinal. */
struct meddler {
    struct world *world;
    uint32_t to; /* host */
    struct chance chance;
    uint64_t arrived;
    uint32_t lose_per_mille, duplicate_per_mille, delay_per_mille;
    sim_time delay_ns;
    uint64_t lose_nth; /* ordinal from 1; 0: none */
    bool fired;        /* lose_nth hit something */
    struct frame *delayed_first;
    uint32_t delayed;
    struct tcp_header last; /* of the last segment that came by */
};

/* One end of a connection, and what it has to do. What it sends goes into the peer's model. */
struct app {
    struct world *world;
    uint32_t host;
    struct tcp_connection *connection;
    uint64_t to_send; /* bytes; FIN follows                                */
    uint64_t sent;
    uint32_t style;  /* how it cuts what it sends and reads: a seed       */
    bool lazy;       /* reads only in app_read_some                       */
    bool holds_open; /* no FIN of its own                                 */
    bool spoilt;     /* its stream may be wrong: it is not compared */
    uint64_t received;
    uint64_t drawn; /* ordinal of its chance                             */
    bool connected, finished, ended;
    enum tcp_end why;
    uint32_t writable, drained; /* callbacks */
    uint64_t whole_pages;
    uint64_t wrong; /* bytes that differ from the model */
    uint8_t *model; /* what the peer sent, WORLD_SENT_MAX bytes */
    uint64_t model_bytes;
    struct app *peer;
};

struct world_options {
    uint64_t seed;
    uint64_t rate_bps; /* 0: 1 Gbit/s */
    sim_time delay_ns; /* 0: 50 us    */
    uint64_t queue_bytes;
    uint32_t mtu;                      /* 0: 1500 */
    const struct tcp_profile *profile; /* NULL: linux */
    bool wire_known; /* the stacks look at how long their wires are busy (nic/tcp.h T6) */
    bool direct;     /* no cable: what one sends is at the other's stack within the call */
};

struct world {
    struct sim *sim;
    struct page_pool *pages;
    struct recorder *recorder;
    struct net net;
    struct machine *machine[2];
    struct ip_stack *stack[2];
    struct tcp_layer *tcp[2];
    struct link *link[2];      /* from host i */
    struct meddler meddler[2]; /* to host i */
    uint32_t origin[2];
    struct app app[2];
    struct tcp_options options;
    uint64_t checked_bytes, checked_wrong, checked_streams;
    uint64_t timeouts, recoveries, lost, opened, closed;
    uint64_t retransmissions_unexplained;
};

struct world *world_new(const struct world_options *options);
/* Frees everything and asserts that nothing is left: frames, pages, streams. */
void world_free(struct world *world);
struct ip4 world_address(uint32_t host);
/* app[1] listens at port 80 with world->options, app[0] connects. */
void world_connect(struct world *world);
void world_run(struct world *world, sim_time until);
/* Runs until both applications have ended, or until `limit`; true if they have. */
bool world_finish(struct world *world, sim_time limit);
/* Reads what a lazy application may, at most `length` bytes. */
void app_read_some(struct app *app, uint64_t length);
void app_send_more(struct app *app);
extern const struct tcp_user app_user;
struct tcp_accept_result app_accept(void *context, struct tcp_connection *connection);

#endif
