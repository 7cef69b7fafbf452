#include "nic/tcp_private.h"

__extension__ typedef unsigned __int128 tcp_uint128;
__extension__ typedef __int128 tcp_int128;

#define CWND_MAX      (UINT32_C(1) << 30)
#define SSTHRESH_NONE UINT32_MAX

/* RFC 9406, 4.2 and 4.3. L is the limit for a sender that does not pace. */
#define HYSTART_SAMPLES     8u
#define HYSTART_THRESH_MIN  (4 * SIM_MS)
#define HYSTART_THRESH_MAX  (16 * SIM_MS)
#define HYSTART_CSS_DIVISOR 4u
#define HYSTART_CSS_ROUNDS  5u
#define HYSTART_L           8u

/* RFC 9438, 4.6: beta 0.7, C 0.4; alpha = 3 * (1 - beta) / (1 + beta) = 9/17. */
#define CUBIC_BETA_PERCENT 70u
#define CUBIC_ALPHA        9u
#define CUBIC_ALPHA_OF     17u
#define CUBIC_D_MS_MAX     INT64_C(4000000)
#define CUBIC_STEP_MIN     SIM_MS
#define CUBIC_STEP_MAX     (31 * SIM_MS)

uint32_t tcp_initial_window(const struct tcp_connection *c)
{
    /* RFC 5681, 3.1: one segment after a lost SYN; else RFC 6928. */
    return c->syn_retransmitted ? c->mss : c->profile->initial_window_segments * c->mss;
}

void tcp_congestion_init(struct tcp_connection *c)
{
    c->cwnd = tcp_initial_window(c);
    c->ssthresh = SSTHRESH_NONE;
    c->cwnd_acked = 0;
    c->cubic = (struct tcp_cubic){.epoch = SIM_NEVER, .conservative = true};
    c->hystart = (struct tcp_hystart){
        .round_end = c->snd_nxt,
        .rtt_last = SIM_NEVER,
        .rtt_now = SIM_NEVER,
        .rtt_baseline = SIM_NEVER,
    };
}

static void cwnd_add(struct tcp_connection *c, uint32_t bytes)
{
    c->cwnd = c->cwnd < CWND_MAX - bytes ? c->cwnd + bytes : CWND_MAX;
}

/* ---- slow start, left by delay: RFC 9406 ------------------------------------------------------------------------------- */

static bool hystart_used(const struct tcp_connection *c)
{
    return c->profile->hystart && c->congestion == TCP_CUBIC && c->cwnd < c->ssthresh;
}

void tcp_congestion_rtt(struct tcp_connection *c, sim_time rtt)
{
    if (!hystart_used(c)) {
        return;
    }
    struct tcp_hystart *h = &c->hystart;
    h->samples++;
    h->rtt_now = rtt < h->rtt_now ? rtt : h->rtt_now;
    if (h->samples < HYSTART_SAMPLES) {
        return;
    }
    if (h->css_rounds > 0) {
        if (h->rtt_now < h->rtt_baseline) {
            h->css_rounds = 0; /* the delay was a passing one */
            h->rtt_baseline = SIM_NEVER;
        }
    } else if (h->rtt_last != SIM_NEVER) {
        sim_time thresh = h->rtt_last / 8;
        thresh = thresh < HYSTART_THRESH_MIN ? HYSTART_THRESH_MIN : thresh;
        thresh = thresh > HYSTART_THRESH_MAX ? HYSTART_THRESH_MAX : thresh;
        if (h->rtt_now >= h->rtt_last + thresh) {
            h->rtt_baseline = h->rtt_now;
            h->css_rounds = 1;
        }
    }
}

static void hystart_round(struct tcp_connection *c)
{
    struct tcp_hystart *h = &c->hystart;
    h->rtt_last = h->rtt_now;
    h->rtt_now = SIM_NEVER;
    h->samples = 0;
    h->round_end = c->snd_nxt;
    if (h->css_rounds > 0 && ++h->css_rounds > HYSTART_CSS_ROUNDS) {
        c->ssthresh = c->cwnd;
        c->cubic.conservative = true;
        c->cubic.epoch = SIM_NEVER;
    }
}

static void slow_start(struct tcp_connection *c, uint32_t acked)
{
    uint32_t limit = HYSTART_L * c->mss;
    uint32_t growth = acked < limit ? acked : limit;
    if (hystart_used(c)) {
        if (c->hystart.css_rounds > 0) {
            growth /= HYSTART_CSS_DIVISOR;
        }
        if (c->snd_una >= c->hystart.round_end) {
            hystart_round(c);
        }
    }
    cwnd_add(c, growth < c->ssthresh - c->cwnd ? growth : c->ssthresh - c->cwnd);
}

/* ---- CUBIC: RFC 9438 --------------------------------------------------------------------------------------------------- */

/* The largest integer whose cube is at most n. */
static uint64_t cube_root(uint64_t n)
{
    uint64_t root = 0;
    for (int shift = 63; shift >= 0; shift -= 3) {
        root *= 2;
        uint64_t step = 3 * root * (root + 1) + 1;
        if (n >> shift >= step) {
            n -= step << shift;
            root++;
        }
    }
    return root;
}

/* K in ms: C * K^3 = W_max - cwnd_epoch (figure 2), in segments and seconds. */
static uint64_t cubic_k_ms(const struct tcp_connection *c, uint32_t below)
{
    tcp_uint128 cube = (tcp_uint128)below * 10 * UINT64_C(1000000000) / (4 * (uint64_t)c->mss);
    return cube_root(cube < UINT64_MAX ? (uint64_t)cube : UINT64_MAX);
}

/* W_cubic(t) in bytes (figure 1). */
static int64_t cubic_window(const struct tcp_connection *c, sim_time t)
{
    int64_t d = t / SIM_MS - (int64_t)c->cubic.k_ms;
    d = d > CUBIC_D_MS_MAX ? CUBIC_D_MS_MAX : d;
    d = d < -CUBIC_D_MS_MAX ? -CUBIC_D_MS_MAX : d;
    tcp_int128 bytes = (tcp_int128)d * d * d * 4 * c->mss / INT64_C(10000000000);
    return (int64_t)c->cubic.origin + (int64_t)bytes;
}

static void cubic_begin(struct tcp_connection *c)
{
    struct tcp_cubic *q = &c->cubic;
    q->epoch = c->layer->now;
    q->recompute = c->layer->now;
    if (q->conservative || q->w_max <= c->cwnd) {
        /* 4.8 and 4.10: after a time-out or a slow start that saw no loss there is no W_max to return to. */
        q->k_ms = 0;
        q->origin = c->cwnd;
    } else {
        q->k_ms = cubic_k_ms(c, q->w_max - c->cwnd);
        q->origin = q->w_max;
    }
    q->estimate = c->cwnd;
    q->estimate_acked = 0;
    c->cwnd_acked = 0;
}

/* How many bytes must be acknowledged for each MSS of growth from now on (4.2, 4.4, 4.5). */
static void cubic_recompute(struct tcp_connection *c)
{
    struct tcp_cubic *q = &c->cubic;
    sim_time t = c->layer->now - q->epoch;
    int64_t target = cubic_window(c, t + c->srtt);
    int64_t most = (int64_t)c->cwnd + c->cwnd / 2;
    target = target > most ? most : target;
    uint64_t every = 100 * (uint64_t)c->cwnd;
    if (target > (int64_t)c->cwnd) {
        uint64_t needed = (uint64_t)c->cwnd * c->mss / (uint64_t)(target - (int64_t)c->cwnd);
        every = needed < every ? needed : every;
    }
    q->every = every < UINT32_MAX ? (uint32_t)every : UINT32_MAX;
    q->every = q->every > 0 ? q->every : 1;
    sim_time step = c->srtt < CUBIC_STEP_MIN ? CUBIC_STEP_MIN : c->srtt;
    q->recompute = c->layer->now + (step < CUBIC_STEP_MAX ? step : CUBIC_STEP_MAX);
}

static void cubic_acked(struct tcp_connection *c, uint32_t acked)
{
    struct tcp_cubic *q = &c->cubic;
    if (q->epoch == SIM_NEVER) {
        cubic_begin(c);
    }
    if (c->layer->now >= q->recompute) {
        cubic_recompute(c);
    }
    /* 4.3: what Reno with the same average would have; once it is back at cwnd_prior, Reno's own growth. */
    q->estimate_acked += (uint64_t)acked * (q->estimate < q->prior ? CUBIC_ALPHA : CUBIC_ALPHA_OF);
    uint64_t unit = (uint64_t)c->cwnd * CUBIC_ALPHA_OF;
    if (q->estimate_acked >= unit) {
        q->estimate_acked -= unit;
        q->estimate += c->mss;
    }
    c->cwnd_acked += acked;
    if (c->cwnd_acked >= q->every) {
        c->cwnd_acked -= q->every;
        if (c->cwnd_acked > q->every) {
            c->cwnd_acked = q->every;
        }
        cwnd_add(c, c->mss);
        cubic_recompute(c);
    }
    if (c->cwnd < q->estimate) {
        c->cwnd = q->estimate < CWND_MAX ? q->estimate : CWND_MAX;
        cubic_recompute(c);
    }
}

/* ---- what the other files call ----------------------------------------------------------------------------------------- */

void tcp_congestion_acked(struct tcp_connection *c, uint32_t acked)
{
    bool slow = c->cwnd < c->ssthresh;
    if (!c->cwnd_limited) {
        /* RFC 7661, 4: a window that was not used says nothing about the path; slow start may look ahead by a factor of two. */
        uint64_t flight = c->snd_max - c->snd_una + acked;
        if (!slow || 2 * flight < c->cwnd) {
            return;
        }
    }
    if (slow) {
        slow_start(c, acked);
    } else if (c->congestion == TCP_CUBIC) {
        cubic_acked(c, acked);
    } else {
        /* RFC 5681, 3.1, equation 3 by counted bytes (RFC 3465, 2.1). */
        c->cwnd_acked += acked;
        if (c->cwnd_acked >= c->cwnd) {
            c->cwnd_acked -= c->cwnd;
            cwnd_add(c, c->mss);
        }
    }
}

/* RFC 5681, equation 4, and RFC 9438, 4.6 and 4.7. Flight is never taken above cwnd: Limited Transmit sends beyond it. */
static uint32_t reduced(struct tcp_connection *c)
{
    uint64_t flight = c->snd_max - c->snd_una;
    uint32_t window = flight < c->cwnd ? (uint32_t)flight : c->cwnd;
    uint32_t least = 2u * c->mss;
    uint32_t target = window / 2;
    if (c->congestion == TCP_CUBIC) {
        struct tcp_cubic *q = &c->cubic;
        target = (uint32_t)((uint64_t)window * CUBIC_BETA_PERCENT / 100);
        /* Fast convergence: a flow that lost before it was back at W_max makes room for others. */
        q->w_max = window < q->w_max
                       ? (uint32_t)((uint64_t)window * (100 + CUBIC_BETA_PERCENT) / 200)
                       : window;
        q->prior = window;
        q->epoch = SIM_NEVER;
    }
    c->cwnd_acked = 0;
    /* In whole segments, as Linux counts: a fraction could not be sent and would only slow the growth. */
    target -= target % c->mss;
    return target > least ? target : least;
}

void tcp_congestion_loss(struct tcp_connection *c)
{
    c->ssthresh = reduced(c);
    c->cubic.conservative = false;
}

void tcp_congestion_timeout(struct tcp_connection *c)
{
    c->ssthresh = reduced(c);
    c->cubic.conservative = true;
}

void tcp_congestion_idle(struct tcp_connection *c)
{
    if (c->layer->now - c->last_sent > c->rto) {
        uint32_t restart = tcp_initial_window(c);
        c->cwnd = c->cwnd < restart ? c->cwnd : restart;
        c->cubic.epoch = SIM_NEVER;
    }
}
