/* nic/tcp_private.h - what the files of TCP share. Nobody else includes it.
 *
 *      frame ─► tcp_input ──► tcp_handshake, tcp_reassembly, tcp_ack ──► tcp_sack, tcp_congestion
 *                   │                                                              │
 *      timer ─► tcp_timer ────────────► callbacks of the user ────────► tcp_output ─► ip_stack
 *
 * Sequence numbers are kept in 64 bits, unwrapped: the low 32 bits are what the wire carries, so only tcp_unwrap compares modulo 2^32
 * (RFC 1982). The receiver's and sender's variables have the names of RFC 9293, 3.3.1.
 *
 *  Z1. An event (a frame, a timer) first changes the connection, then tells the user, then sends. So an answer that the user
 *      gives at once carries the acknowledgment, and a callback never sees a half-changed connection.
 *  Z2. A call of the user changes the connection and sends, but never calls back; what it has to tell comes in a timer
 *      event at the same instant.
 *  Z3. While a layer is busy, frames that arrive for it (a path without delay leads back to it) wait: until the event that it is
 *      busy with is through, or, if that is a call of the user, for an event of the same instant.
 *  Z4. A deadline may lie later than the timer that is armed, never earlier: putting one off costs one store. */
#ifndef ORRERY_NIC_TCP_PRIVATE_H
#define ORRERY_NIC_TCP_PRIVATE_H

#include "nic/stream_witness.h"
#include "nic/tcp.h"
#include "sim/chance.h"

#define TCP_MARKS      16u   /* segments in flight that time the round trip               */
#define TCP_RANGES_MAX 1024u /* islands that a receiver holds, or a sender knows           */
#define TCP_HELD_MAX   8192u /* segments that wait for a gap to fill                       */
#define TCP_STAGING    2048u /* bytes of small writes gathered into one literal            */
#define TCP_STAGED_MAX 256u  /* a write up to this is small                                */
#define TCP_DUP_THRESH 3u    /* RFC 5681, 3.2; RFC 6675, 2: DupThresh                      */
#define TCP_RESENT_MAX                                                                             \
    3u /* lost retransmissions repaired in a recovery before it is left to the time-out */
#define TCP_QUICK_ACKS  16u /* after disorder: as Linux does, TCP_MAX_QUICKACKS           */
#define TCP_CHALLENGES  10u /* a second for each connection: RFC 5961, 7                  */
#define TCP_WINDOW_MAX  (UINT32_C(65535) << 14)
#define TCP_BACKOFF_MAX 16u
#define TCP_MSS_MIN     88u    /* as Linux, TCP_MIN_MSS: a peer cannot make segments useless */
#define TCP_PORT_FIRST  49152u /* RFC 6335, 6: dynamic ports */

/* Why header prediction does not apply to the next segment. */
enum tcp_slow {
    TCP_SLOW_STATE = 1,      /* not ESTABLISHED, or nobody reads                           */
    TCP_SLOW_REASSEMBLY = 2, /* segments wait for a gap                                    */
    TCP_SLOW_RECOVERY = 4,   /* duplicate ACKs, SACKed ranges, fast recovery or time-out   */
    TCP_SLOW_PROBING = 8,    /* the peer's window is closed, or time-outs in a row         */
};

/* What the user is to be told when the event is through. */
enum tcp_news {
    TCP_NEWS_ACCEPT = 1,
    TCP_NEWS_CONNECTED = 2,
    TCP_NEWS_READABLE = 4,
    TCP_NEWS_WRITABLE = 8,
    TCP_NEWS_DRAINED = 16,
    TCP_NEWS_ENDED = 32,
};

enum tcp_recovery {
    TCP_RECOVERY_NONE,
    TCP_RECOVERY_FAST, /* RFC 6582 or 6675, until RecoveryPoint */
    TCP_RECOVERY_LOSS, /* after a time-out, until RecoveryPoint: go-back-N past SACKed ranges */
};

enum tcp_deadline {
    TCP_DEADLINE_RETRANSMIT, /* or the zero-window probe: never both */
    TCP_DEADLINE_DELAYED_ACK,
    TCP_DEADLINE_KEEP_ALIVE,
    TCP_DEADLINE_LINGER, /* TIME-WAIT; FIN-WAIT-2 that nobody waits for */
    TCP_DEADLINE_NEWS,   /* Z2 */
    TCP_DEADLINE_DEVICE, /* the wire takes more (T6) */
    TCP_DEADLINES
};

/* Disjoint ranges of sequence numbers in rising order, no two of them touching. */
struct tcp_range {
    uint64_t left, right;
    uint64_t stamp; /* order of the last change */
};
struct tcp_ranges {
    struct tcp_range *items;
    uint32_t count, capacity;
    uint64_t stamp;
    uint64_t bytes; /* sum of right - left */
};

struct tcp_mark {
    uint64_t sequence; /* one past the segment */
    sim_time sent;
};

/* RFC 9438; windows in bytes, times of the machine. */
struct tcp_cubic {
    sim_time epoch;     /* start of this congestion avoidance; SIM_NEVER: not begun */
    sim_time recompute; /* when `every` is too old                                  */
    uint64_t k_ms;      /* K                                                        */
    uint32_t origin;    /* W_max, or cwnd at the epoch where that is larger         */
    uint32_t w_max;
    uint32_t prior;          /* cwnd_prior                                               */
    uint32_t estimate;       /* W_est                                                    */
    uint64_t estimate_acked; /* acknowledged bytes not yet counted in W_est, times 17 */
    uint32_t every;          /* acknowledged bytes for each MSS of growth                */
    bool conservative;       /* the epoch follows a time-out or a delay: K = 0           */
};

/* RFC 9406. */
struct tcp_hystart {
    uint64_t round_end;
    sim_time rtt_last, rtt_now; /* minima of the last and of this round; SIM_NEVER: none */
    sim_time rtt_baseline;      /* of the round that entered CSS */
    uint32_t samples;
    uint32_t css_rounds; /* 0: not in conservative slow start */
};

struct tcp_connection {
    /* -- what finds it, and what header prediction reads -- */
    _Alignas(64) uint64_t addresses; /* peer << 32 | local */
    uint32_t ports;                  /* peer << 16 | local */
    uint8_t state;                   /* enum tcp_state     */
    uint8_t slow;                    /* enum tcp_slow      */
    uint8_t news;                    /* enum tcp_news      */
    bool ack_now;
    uint64_t rcv_nxt;
    uint64_t rcv_adv;   /* right edge of the window as advertised */
    uint64_t rcv_acked; /* Last.ACK.sent (RFC 7323, 4.3) */
    uint32_t ts_recent;
    uint32_t ts_offset;
    uint32_t ack_after; /* unacknowledged bytes above which an ACK goes at once */
    uint16_t mss;       /* payload of a full segment we send, options taken off */
    bool timestamps;
    uint8_t depth; /* an event of this connection is running */

    /* -- the sender -- */
    uint64_t snd_una, snd_nxt, snd_max;
    uint64_t snd_end; /* one past the last byte that the user gave */
    uint32_t snd_wnd;
    uint32_t cwnd, ssthresh;
    uint32_t cwnd_acked;      /* bytes acknowledged since cwnd last grew */
    uint64_t mark_sequence;   /* of the oldest mark; UINT64_MAX: none */
    uint64_t mark_next;       /* where the next one may be set */
    uint64_t snd_small;       /* one past the last segment below the MSS (RFC 9293, appendix A.3) */
    uint64_t cursor_sequence; /* where the cursor stands */
    struct rope_cursor cursor;
    struct rope send;

    uint64_t snd_wl1;
    sim_time last_sent, last_received;
    struct rope receive;
    uint32_t send_buffer, receive_buffer;
    uint8_t snd_scale, rcv_scale;
    uint8_t rcv_scale_offered; /* 0xff: none */
    uint8_t recovery;          /* enum tcp_recovery */
    bool sack;
    bool cwnd_limited; /* the last output stopped for want of cwnd */
    bool starved;      /* less than half of the send buffer was free */
    bool fin_queued, fin_sent, fin_received;
    bool corked, no_delay;
    bool released; /* the user is gone */
    bool passive;  /* from a listener */
    bool dead;     /* to be freed when the event is through */
    bool told_ended;
    bool took;    /* the user has taken bytes: the window may want an update */
    bool pending; /* counts in its listener's backlog */
    bool opened, closed_recorded;
    bool syn_retransmitted;
    uint8_t congestion; /* enum tcp_congestion */
    uint8_t end;        /* enum tcp_end */
    uint8_t quick_acks;
    uint8_t backoff;
    uint8_t mark_first, mark_count;
    uint8_t challenges;
    uint8_t keep_alive_probes;
    uint32_t retries;             /* time-outs in a row */
    const struct wire_pace *pace; /* of the interface's wire, or NULL */
    struct ip_path path;
    struct tcp_layer *layer;
    sim_time deadlines[TCP_DEADLINES];
    struct machine_timer timer;
    sim_time srtt, rttvar, rto;
    struct tcp_hystart hystart;
    struct tcp_cubic cubic;

    /* -- recovery -- */
    uint64_t recover; /* RecoveryPoint */
    uint64_t high_rxt, rescue_rxt;
    uint64_t hole_rxt; /* SND.MAX when the hole at SND.UNA was last sent, or became the first */
    uint32_t resent;   /* holes that were sent again in this recovery */
    uint64_t prr_flight, prr_delivered, prr_out; /* RFC 6937: RecoverFS and what came of it */
    uint64_t retransmit_sequence;
    struct rope_cursor retransmit_cursor;
    uint32_t duplicate_acks;
    uint32_t snd_wnd_max;
    struct tcp_ranges sacked;  /* what the peer holds above snd_una */
    struct tcp_ranges islands; /* what we hold above rcv_nxt        */
    struct frame *held_first, *held_last;
    uint32_t held_count;
    uint64_t held_bytes;
    sim_time challenge_second;

    /* -- seldom -- */
    uint32_t index, hash_next;
    bool used, in_table;
    const struct tcp_profile *profile;
    const struct tcp_user *user;
    void *context;
    uint64_t flow;
    uint64_t snd_start, rcv_start; /* sequence of the first byte of each stream */
    sim_time keep_alive;
    uint16_t peer_mss, local_mss;
    uint16_t rcv_mss; /* largest segment that came */
    uint16_t staged;  /* bytes in `staging` */
    uint8_t *staging;
    bool last_small;      /* the last write was small ... */
    uint64_t small_start; /* ... and began here           */
    struct stream_witness_end sent_witness, received_witness;
    bool received_total; /* the stream's end was compared */
    uint64_t segments_sent, segments_received, retransmitted, timeouts, recoveries, probes;
    struct tcp_mark marks[TCP_MARKS];
};

struct tcp_listener {
    uint16_t port;
    uint32_t backlog, pending;
    struct tcp_options options;
    tcp_accept *accept;
    void *context;
};

#define TCP_CHUNK 16u /* connections; they never move */

struct tcp_layer {
    struct tcp_connection *last; /* to which the last segment belonged */
    sim_time clock_global;       /* instant for which `now` holds */
    const sim_time *clock;       /* of the kernel */
    sim_time now;                /* machine's monotonic time */
    uint32_t now_ms;
    uint32_t busy; /* Z3 */
    struct frame *deferred_first, *deferred_last;
    uint32_t settle_event;
    struct ip_stack *stack;
    struct net *net;
    struct machine *machine;
    const struct tcp_profile *profile;
    struct chance isn;
    uint64_t opened; /* ordinal of chance */
    uint32_t origin;
    uint16_t port_next;
    uint32_t live;
    struct tcp_connection **chunks;
    uint32_t chunk_count;
    uint32_t free_first; /* by index, through hash_next */
    uint32_t *buckets;
    uint32_t bucket_count; /* a power of two */
    struct tcp_listener *listeners;
    uint32_t listener_count, listener_capacity;
};

/* ---- sequence numbers ------------------------------------------------------------------------------------------------- */

/* The 64-bit number nearest to `reference` whose low half is `wire`. */
static inline uint64_t tcp_unwrap(uint64_t reference, uint32_t wire)
{
    return reference + (uint64_t)(int64_t)(int32_t)(wire - (uint32_t)reference);
}
/* Sequence after the last thing to be sent: data, then FIN. */
static inline uint64_t tcp_send_limit(const struct tcp_connection *c)
{
    return c->snd_end + c->fin_queued;
}
static inline bool tcp_synchronized(const struct tcp_connection *c)
{
    return c->state >= TCP_ESTABLISHED;
}

/* ---- time (tcp_timer.c) ----------------------------------------------------------------------------------------------- */
void tcp_clock_read(struct tcp_layer *layer);
/* Brings layer->now to the present instant. */
static inline void tcp_clock(struct tcp_layer *layer)
{
    if (layer->clock_global != *layer->clock) {
        tcp_clock_read(layer);
    }
}
/* Z4. */
static inline void tcp_deadline_set(struct tcp_connection *c, enum tcp_deadline deadline,
                                    sim_time at)
{
    c->deadlines[deadline] = at;
    if (SIM_UNLIKELY(at < c->timer.deadline)) {
        machine_timer_arm(&c->timer, at);
    }
}
void tcp_timer_expired(void *context); /* sim_callback */
/* Arms the retransmission timer anew, or disarms it if nothing is in flight. */
void tcp_rearm(struct tcp_connection *c);
sim_time tcp_rto_backed_off(const struct tcp_connection *c);
void tcp_rtt_sample(struct tcp_connection *c, sim_time rtt);
void tcp_keep_alive_restart(struct tcp_connection *c);

/* ---- connections (tcp_table.c) ---------------------------------------------------------------------------------------- */
struct tcp_connection *tcp_connection_new(struct tcp_layer *layer, uint64_t addresses,
                                          uint32_t ports, const struct tcp_options *options);
/* The same without initial sequence numbers: for loading. NULL if there is no route. */
struct tcp_connection *tcp_connection_place(struct tcp_layer *layer, uint64_t addresses,
                                            uint32_t ports, const struct tcp_options *options);
/* Gives back everything: at once, or when the event is through. */
void tcp_connection_free(struct tcp_connection *c);
void tcp_table_remove(struct tcp_connection *c);
struct tcp_connection *tcp_find(const struct tcp_layer *layer, uint64_t addresses, uint32_t ports);
struct tcp_listener *tcp_listener_find(const struct tcp_layer *layer, uint16_t port);
struct tcp_connection *tcp_at(const struct tcp_layer *layer, uint32_t index);

/* ---- a connection's life (tcp_life.c) --------------------------------------------------------------------------------- */
/* Both enclose an event (Z1), after tcp_clock. tcp_event_end may free the connection. */
static inline void tcp_event_begin(struct tcp_connection *c)
{
    SIM_ASSERT(c->depth == 0);
    SIM_ASSERT_SLOW(c->layer->clock_global == *c->layer->clock);
    c->depth = 1;
    c->layer->busy++;
}
void tcp_event_end(struct tcp_connection *c);
/* Both enclose a user's call (Z2). At the end it sends, unless an event of the connection is running, which will. May free it. */
static inline void tcp_call_begin(struct tcp_connection *c)
{
    tcp_clock(c->layer);
    c->depth++;
    c->layer->busy++;
}
void tcp_call_end(struct tcp_connection *c);
void tcp_layer_settle(void *layer); /* sim_callback: takes what waited (Z3) */
/* Moves along figure 5 of RFC 9293; CLOSED also takes the connection out of the table. */
void tcp_set_state(struct tcp_connection *c, enum tcp_state state);
/* Both SYNs are there, and ours is acknowledged. */
void tcp_established(struct tcp_connection *c);
/* The connection is over; the user hears why unless it has released it. */
void tcp_end_connection(struct tcp_connection *c, enum tcp_end why);
/* It is closed in order, and `ended` follows when the user has read everything. */
void tcp_finish_if_read(struct tcp_connection *c);
void tcp_enter_time_wait(struct tcp_connection *c);
void tcp_slow_set(struct tcp_connection *c, enum tcp_slow bit, bool on);
int64_t tcp_record_sequence(uint64_t sequence);
/* The two directions join the witness when their initial sequence numbers are known. */
void tcp_witness_join_sender(struct tcp_connection *c);
void tcp_witness_join_receiver(struct tcp_connection *c);
/* A slice has gone to the user; the user has everything up to the peer's FIN. */
void tcp_witness_taken(struct tcp_connection *c, const struct slice *slice);
void tcp_witness_end_of_stream(struct tcp_connection *c);

/* ---- segments in (tcp_input.c, tcp_handshake.c, tcp_ack.c, tcp_reassembly.c) ------------------------------------------ */
void tcp_receive(void *context, uint32_t interface, struct frame *frame);
/* A segment for no connection: SYN for a listener, or RST in answer. Keeps the frame's owner. */
void tcp_receive_unknown(struct tcp_layer *layer, uint32_t interface, const struct frame *frame);
void tcp_receive_syn_sent(struct tcp_connection *c, const struct frame *frame);
/* Answers a SYN of a passive connection, again. */
void tcp_answer_syn(struct tcp_connection *c);
/* The acknowledgment and window of an acceptable segment. */
void tcp_receive_ack(struct tcp_connection *c, const struct frame *frame, uint64_t sequence,
                     uint64_t ack);
/* Acknowledged bytes leave the send buffer: the part that header prediction shares. */
void tcp_acknowledged(struct tcp_connection *c, uint64_t ack);
/* Hands the slices of a segment that is next in order to the user. */
void tcp_deliver(struct tcp_connection *c, struct frame *frame);
/* Keeps a segment (trimmed to the window, its sequence and FIN flag as trimmed) until its turn; false if it is not kept. */
bool tcp_hold(struct tcp_connection *c, struct frame *frame, uint64_t sequence);
/* Delivers what has become in order; true if a FIN did. */
bool tcp_reassemble(struct tcp_connection *c);
void tcp_reassembly_clear(struct tcp_connection *c);
void tcp_challenge_ack(struct tcp_connection *c);

/* ---- segments out (tcp_output.c) -------------------------------------------------------------------------------------- */
void tcp_output(struct tcp_connection *c);
void tcp_send_syn(struct tcp_connection *c);
void tcp_send_rst(struct tcp_connection *c);
void tcp_send_probe(struct tcp_connection *c); /* one byte or FIN beyond a closed window */
void tcp_send_keep_alive(struct tcp_connection *c);
/* RST or ACK for a segment of no connection (RFC 9293, 3.10.7.1). */
void tcp_refuse(struct tcp_layer *layer, const struct frame *frame);
/* Retransmits from `sequence` at most `length` bytes; returns how many sequence numbers went. */
uint32_t tcp_retransmit(struct tcp_connection *c, uint64_t sequence, uint64_t length);
bool tcp_window_update_due(const struct tcp_connection *c);
void tcp_flush_staging(struct tcp_connection *c);
void tcp_send_slice(struct tcp_connection *c, struct slice slice);

/* ---- SACK (tcp_sack.c): RFC 2018, 6675 -------------------------------------------------------------------------------- */
/* Adds [left, right); false if that needs a range more than TCP_RANGES_MAX. */
bool tcp_ranges_add(struct tcp_ranges *ranges, uint64_t left, uint64_t right);
void tcp_ranges_drop_below(struct tcp_ranges *ranges, uint64_t sequence);
void tcp_ranges_clear(struct tcp_ranges *ranges);
void tcp_ranges_close(struct tcp_ranges *ranges);
void tcp_ranges_check(const struct tcp_ranges *ranges);
/* Bytes of ranges within [from, to). */
uint64_t tcp_ranges_within(const struct tcp_ranges *ranges, uint64_t from, uint64_t to);
/* The first sequence >= `from` in no range. */
uint64_t tcp_ranges_skip(const struct tcp_ranges *ranges, uint64_t from);
/* Sequence numbers from `from`, which is in no range, to the next range or `end`. */
uint64_t tcp_ranges_gap(const struct tcp_ranges *ranges, uint64_t from, uint64_t end);
/* Takes up the SACK blocks of a segment; true if they told something new. */
bool tcp_sack_update(struct tcp_connection *c, const struct tcp_header *header);
void tcp_sack_fill(const struct tcp_connection *c, struct tcp_header *header);
/* Everything below it that is not SACKed is lost (RFC 6675, 4: IsLost). */
uint64_t tcp_sack_lost_edge(const struct tcp_connection *c);
uint64_t tcp_sack_pipe(const struct tcp_connection *c);
/* What NextSeg (RFC 6675, 4) would retransmit by rule 1, or, if that found nothing and new data (rule 2) neither, by rules 3
 * and 4. False if nothing. */
struct tcp_next {
    uint64_t sequence, length;
    bool rescue; /* rule 4 */
};
bool tcp_sack_next(const struct tcp_connection *c, struct tcp_next *next, bool lost_only);

/* ---- congestion (tcp_congestion.c): RFC 5681, 9438, 9406 -------------------------------------------------------------- */
void tcp_congestion_init(struct tcp_connection *c);
void tcp_congestion_acked(struct tcp_connection *c, uint32_t acked);
void tcp_congestion_rtt(struct tcp_connection *c, sim_time rtt);
void tcp_congestion_loss(struct tcp_connection *c);    /* fast recovery begins: sets ssthresh */
void tcp_congestion_timeout(struct tcp_connection *c); /* the first of a row: sets ssthresh, cwnd */
void tcp_congestion_idle(struct tcp_connection *c);    /* RFC 5681, 4.1 */
uint32_t tcp_initial_window(const struct tcp_connection *c);

void tcp_check(const struct tcp_connection *c);

#endif
