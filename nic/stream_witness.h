/* nic/stream_witness.h - the hardware side of oracle "streams": what went into a TCP stream is what came out of it.
 *
 *      user ──tcp_send──► [sending end] ═══ network ═══► [receiving end] ──tcp_take──► user
 *                              │ checkpoint every 64 KiB        ▲ compare
 *                              └────────► ring ─────────────────┘
 *
 * Each end of a direction keeps a running sum over the slices that pass it: length * g(page identity, stream offset - offset in
 * page), modulo 2^64. All pieces of one page at one place of the stream have the same g, so the sum does not depend on how the
 * stream is cut. A literal shorter than a page counts by its content, for writers of few bytes have them gathered into other literals:
 * there the sum is over the 8-byte words of the stream, each times a factor of its place.
 *
 *  W1. The sender writes the sum at each multiple of WITNESS_STRIDE_BYTES into a ring of WITNESS_CHECKPOINTS; the receiver compares its
 *      own when it crosses the same offset. At the end of the stream it compares the total.
 *  W2. What the ring has forgotten, or has never seen, counts as unchecked, never as wrong.
 *  W3. A stream is known by the two ends and the sender's initial sequence number, so a reused port is another stream.
 *  W4. An end is a few plain numbers that are saved with a guest; the ring belongs to the world and stays behind.
 *
 * Nothing in TCP reads a witness, and TCP hands it only what crosses its user's boundary. */
#ifndef ORRERY_NIC_STREAM_WITNESS_H
#define ORRERY_NIC_STREAM_WITNESS_H

#include "sim/page.h"
#include "sim/rope.h"

#define WITNESS_STRIDE_BYTES 65536u
#define WITNESS_CHECKPOINTS  256u /* 16 MiB of stream between sender and receiver */

struct stream_witness;

/* One end of one direction. All zero before stream_witness_join. */
struct stream_witness_end {
    uint64_t offset;   /* bytes that passed                                        */
    uint64_t sum;      /* over all of them                                         */
    uint64_t verified; /* receiver: bytes up to which the sums agreed              */
    uint64_t key;      /* of the stream (W3)                                       */
    uint32_t stream;   /* its place in the witness                                 */
    bool wrong;        /* receiver: a comparison failed                            */
};

struct stream_witness *stream_witness_new(void);
/* Asserts that every end has left. */
void stream_witness_close(struct stream_witness *witness);
uint32_t stream_witness_live(
    const struct stream_witness *witness); /* streams that an end has joined */

/* The key of a stream (W3). Pure. */
uint64_t stream_witness_key(uint64_t sender, uint64_t receiver, uint32_t initial_sequence);
/* Makes `end` an end of the stream `key`, from end->offset and end->sum on. */
void stream_witness_join(struct stream_witness *witness, struct stream_witness_end *end,
                         uint64_t key);
void stream_witness_leave(struct stream_witness *witness, struct stream_witness_end *end);

/* A slice enters the stream, or comes out of it. stream_witness_received returns false if a comparison has just failed. */
void stream_witness_sent(struct stream_witness *witness, struct stream_witness_end *end,
                         const struct page_pool *pages, const struct slice *slice);
SIM_CHECKED bool stream_witness_received(struct stream_witness *witness,
                                         struct stream_witness_end *end,
                                         const struct page_pool *pages, const struct slice *slice);
/* The sender will add no more; the receiver has everything. The latter returns false if the totals differ. */
void stream_witness_sent_all(struct stream_witness *witness, const struct stream_witness_end *end);
SIM_CHECKED bool stream_witness_received_all(struct stream_witness *witness,
                                             struct stream_witness_end *end);

#endif
