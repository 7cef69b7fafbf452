/* nic/tcp.h - TCP: RFC 9293 with RFC 5681 and 6582 (Reno), 9438 and 9406 (CUBIC, HyStart++), 2018, 6675, 6937 and 3042 (recovery),
 * 6298 (time-outs), 7323 (window scale, time stamps), 5961 (blind attacks), 1122 section 4.2.3.4 (Nagle, delayed ACK) and
 * 4.2.3.6 (keep-alive), 9293 section 3.8.6.1 (zero-window probes).
 *
 *            tcp_connect                       tcp_listen
 *   CLOSED ──────────────► SYN-SENT            LISTEN ──SYN──► SYN-RECEIVED
 *                             │  └────────► ESTABLISHED ◄──────────┘
 *                             │     shutdown │      │ FIN arrives
 *                             ▼              ▼      ▼
 *                           CLOSED     FIN-WAIT-1  CLOSE-WAIT ─► LAST-ACK ─► CLOSED
 *                                      FIN-WAIT-2, CLOSING ─► TIME-WAIT ─► CLOSED        (RFC 9293, figure 5)
 *
 * A connection is a plain structure in its layer's pool, driven by frames and by timers of its machine; its user is told of what
 * happened through callbacks, which run inside the event and may call back into the connection, even end it. No callback runs
 * within a call of the user: what a call brings about is told in an event of the same instant.
 *
 *  T1. The user gets the peer's bytes in order, once, none added, none lost, or learns why not (oracle "streams").
 *  T2. Nothing is sent beyond the peer's window, nor beyond cwnd, but for the segments that RFCs allow by name.
 *  T3. Buffers are bounded: tcp_send_space before tcp_send; a receiver's window never shrinks (RFC 9293, 3.8.6.2.2).
 *  T4. A closed connection gives back all pages, timers and its place in the table. Nothing outlives the machine's crash.
 *  T5. Each retransmission follows a record: a time-out, or recovery entered.
 *  T6. New data waits while the machine's own wire is busy beyond its patience (struct wire_pace): a sender queues in its socket, where
 *      it can be scheduled, not in its NIC, where it would drop (Linux: TCP small queues, a millisecond of data).
 *
 * What RFCs leave open is done as Linux does it: an ACK for every second full segment, and for each of the sixteen after disorder, but not
 * at the start; Nagle with Minshall's modification (RFC 9293, A.3); one segment to begin with after a lost SYN; slow start again
 * after an idle time-out. Buffers have the size they are given; windows do not tune themselves. Left out: urgent data, ECN, Fast Open,
 * D-SACK, F-RTO, RACK and tail loss probes; a retransmission that is lost too is repaired up to three times in a recovery, then by the
 * time-out. docs/models.md has the sources. */
#ifndef ORRERY_NIC_TCP_H
#define ORRERY_NIC_TCP_H

#include "nic/ip_stack.h"

enum tcp_congestion { TCP_RENO, TCP_CUBIC };

/* Settings that differ between systems and decide every blackout under loss. docs/models.md cites their sources. */
struct tcp_profile {
    const char *name;
    sim_time rto_min_ns, rto_initial_ns, rto_max_ns;
    sim_time delayed_ack_ns;
    uint32_t syn_retries;             /* further SYNs before a connect fails      */
    uint32_t data_retries;            /* time-outs in a row before a connection is given up */
    uint32_t initial_window_segments; /* RFC 6928: 10 */
    uint64_t send_buffer_bytes, receive_buffer_bytes;
    enum tcp_congestion congestion;
    sim_time time_wait_ns;
    bool timestamps;
    bool sack;
    bool hystart; /* slow start left by delay (RFC 9406), with CUBIC */
};
extern const struct tcp_profile tcp_profile_linux, tcp_profile_windows, tcp_profile_rfc6298;
const struct tcp_profile *tcp_profile_find(const char *name); /* or NULL */

enum tcp_state {
    TCP_CLOSED,
    TCP_SYN_SENT,
    TCP_SYN_RECEIVED,
    TCP_ESTABLISHED,
    TCP_FIN_WAIT_1,
    TCP_FIN_WAIT_2,
    TCP_CLOSE_WAIT,
    TCP_CLOSING,
    TCP_LAST_ACK,
    TCP_TIME_WAIT,
};

/* Why a connection ended, as its user is told. */
enum tcp_end {
    TCP_END_CLOSED,    /* both sides finished   */
    TCP_END_RESET,     /* RST from the peer     */
    TCP_END_REFUSED,   /* RST to our SYN        */
    TCP_END_TIMED_OUT, /* retries or keep-alive used up */
    TCP_END_ABORTED,   /* tcp_abort             */
    TCP_END_NO_ROUTE,
};
const char *tcp_end_text(enum tcp_end end);

struct tcp_connection;
struct tcp_layer;

/* What the user is told. Any may be NULL. `connected` is for tcp_connect alone: a listener's `accept` stands in its place. `ended`
 * comes once, and is the last: in order (both FINs came, or TIME-WAIT begins) when everything that arrived was taken, else
 * at once; what is there may still be taken within it. After it the connection is gone for the user. */
struct tcp_user {
    void (*connected)(void *context, struct tcp_connection *connection);
    void (*readable)(void *context,
                     struct tcp_connection *connection); /* bytes, or the peer's FIN */
    void (*writable)(void *context,
                     struct tcp_connection
                         *connection); /* space again after a full buffer; half of it is free */
    void (*drained)(void *context,
                    struct tcp_connection *connection); /* all that was sent is acknowledged */
    void (*ended)(void *context, struct tcp_connection *connection, enum tcp_end why);
};

struct tcp_options {
    const struct tcp_profile *profile; /* NULL: the layer's */
    bool no_delay;                     /* Nagle off (RFC 1122, 4.2.3.4) */
    sim_time keep_alive_ns;            /* 0: off; then probed every tenth of it, 9 times */
    uint64_t send_buffer_bytes, receive_buffer_bytes; /* 0: the profile's */
    int congestion;                                   /* enum tcp_congestion, -1: the profile's */
};

struct tcp_layer *tcp_layer_new(struct ip_stack *stack, const struct tcp_profile *profile);
void tcp_layer_free(struct tcp_layer *layer); /* frees connections without a word */
uint32_t tcp_layer_live(
    const struct tcp_layer *layer); /* connections not CLOSED, TIME-WAIT included */

/* Accepts connections on a port: `accept` returns the user and context of each that is established (user NULL resets it). At most
 * `backlog` may be on their way there; the next SYN is dropped. */
struct tcp_accept_result {
    const struct tcp_user *user;
    void *context;
};
typedef struct tcp_accept_result tcp_accept(void *context, struct tcp_connection *connection);
enum ip_error tcp_listen(struct tcp_layer *layer, uint16_t port, uint32_t backlog,
                         const struct tcp_options *options, tcp_accept *accept, void *context);
void tcp_unlisten(struct tcp_layer *layer, uint16_t port);

/* Begins to connect; `connected` or `ended` follows. The local port is the layer's next ephemeral one (from 49152); ports go on over
 * a reboot. The user may send at once; it goes out when the connection is there. */
enum ip_error tcp_connect(struct tcp_layer *layer, struct ip4 peer, uint16_t port,
                          const struct tcp_options *options, const struct tcp_user *user,
                          void *context, struct tcp_connection **out);

/* Bytes that tcp_send would take now. */
uint64_t tcp_send_space(const struct tcp_connection *connection);
/* Appends a slice to the stream and takes over its reference; slice.length <= tcp_send_space. What goes out at once and
 * what waits is TCP's to say; outside of callbacks each call may send a small segment, so writers of many slices
 * use tcp_cork, which holds what does not fill a segment back until tcp_uncork. */
void tcp_send(struct tcp_connection *connection, struct slice slice);
void tcp_cork(struct tcp_connection *connection);
void tcp_uncork(struct tcp_connection *connection);
/* No more will be sent: FIN after what is queued. */
void tcp_shutdown(struct tcp_connection *connection);
/* RST (but from SYN-SENT and TIME-WAIT), and gone; `ended` is not called. */
void tcp_abort(struct tcp_connection *connection);
/* The user has no further interest: shutdown, and what still arrives is dropped, with RST as RFC 9293, 3.10.7.4 asks. If bytes were
 * not taken, or there is no connection yet, as tcp_abort (RFC 1122, 4.2.2.13). No callback follows. */
void tcp_release(struct tcp_connection *connection);

/* Bytes received in order and not yet taken. */
uint64_t tcp_readable(const struct tcp_connection *connection);
bool tcp_peer_finished(
    const struct tcp_connection *connection); /* FIN arrived and everything was taken */
/* Takes up to `length_max` > 0 bytes that are in one page; the caller owns the reference. tcp_readable > 0. Opens the window. */
struct slice tcp_take(struct tcp_connection *connection, uint64_t length_max);

/* The most bytes that can ever be readable at once. */
uint64_t tcp_receive_buffer(const struct tcp_connection *connection);

struct tcp_statistics {
    uint64_t sent_bytes, acknowledged_bytes, received_bytes;
    uint64_t segments_sent, segments_received;
    uint64_t retransmitted_segments, timeouts, recoveries, probes;
    uint64_t cwnd_bytes, ssthresh_bytes, flight_bytes;
    sim_time srtt_ns, rto_ns;
};
void tcp_statistics(const struct tcp_connection *connection, struct tcp_statistics *out);
enum tcp_state tcp_state(const struct tcp_connection *connection);
const char *tcp_state_text(enum tcp_state state);
uint64_t tcp_flow(const struct tcp_connection
                      *connection); /* the same number at both ends: what records call flow */
void tcp_addresses(const struct tcp_connection *connection, struct ip4 *local, uint16_t *local_port,
                   struct ip4 *peer, uint16_t *peer_port);
void *tcp_context(const struct tcp_connection *connection);
void tcp_set_user(struct tcp_connection *connection, const struct tcp_user *user, void *context);

/* ---- saving a guest's connections (DESIGN idea 4) -------------------------------------------------------------------
 * Versioned bytes, big-endian; timers as machine-relative times; pages as zero, pattern number or bytes. Between events only.
 * Listeners are not in them: make them before loading. Loading gives connections without users: walk them and tcp_set_user before
 * the next event, but for those that tcp_released says belong to nobody. A profile that tcp_profile_find does not know becomes the layer's. */
struct state_writer; /* sim/state.h */
struct state_reader;
void tcp_layer_save(const struct tcp_layer *layer, struct state_writer *writer);
/* Into a layer without connections. False where the bytes are not such a state; the layer is then empty. */
SIM_CHECKED bool tcp_layer_load(struct tcp_layer *layer, struct state_reader *reader);
struct tcp_connection *tcp_layer_next(const struct tcp_layer *layer,
                                      const struct tcp_connection *after);

void tcp_layer_check(const struct tcp_layer *layer);

#endif
