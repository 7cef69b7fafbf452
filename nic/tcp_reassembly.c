#include "nic/tcp_private.h"

#include "sim/planted.h"

/* Segments that came before their turn wait as frames, in the order of their sequence numbers; `islands` says the same as
 * ranges, for SACK. They may overlap: what is double is cut off when its turn comes, so that pages are cut as little as possible. */

static uint64_t held_sequence(const struct tcp_connection *c, const struct frame *frame)
{
    return tcp_unwrap(c->rcv_nxt, frame->tcp.sequence);
}

static uint32_t held_length(const struct frame *frame)
{
    return (uint32_t)frame->payload_bytes + ((frame->tcp.flags & TCP_FIN) != 0);
}

bool tcp_hold(struct tcp_connection *c, struct frame *frame, uint64_t sequence)
{
    uint64_t end = sequence + held_length(frame);
    SIM_ASSERT(end > sequence);
    SIM_ASSERT(sequence >= c->rcv_nxt);
    /* RFC 5681, 4.2: at once, so that the sender learns of the gap, or that it is filled. */
    c->ack_now = true;
    c->quick_acks = TCP_QUICK_ACKS;
    c->ack_after = 0;
    if (tcp_ranges_within(&c->islands, sequence, end) == end - sequence) {
        return false; /* nothing new */
    }
    if (c->held_count == TCP_HELD_MAX || !tcp_ranges_add(&c->islands, sequence, end)) {
        return false; /* as if it were lost */
    }
    if (c->held_last == NULL || sequence >= held_sequence(c, c->held_last)) {
        frame->next = NULL;
        if (c->held_last == NULL) {
            c->held_first = frame;
        } else {
            c->held_last->next = frame;
        }
        c->held_last = frame;
    } else {
        struct frame **link = &c->held_first;
        while (held_sequence(c, *link) <= sequence) {
            link = &(*link)->next;
        }
        frame->next = *link;
        *link = frame;
    }
    c->held_count++;
    c->held_bytes += frame->payload_bytes;
    tcp_slow_set(c, TCP_SLOW_REASSEMBLY, true);
    return true;
}

/* Slices of a held frame from byte `front` on go to the user. */
static void push_from(struct tcp_connection *c, struct frame *frame, uint32_t front)
{
    struct page_pool *pages = c->layer->net->pages;
    if (SIM_PLANTED(held_slices_swapped) && front == 0 && frame->slice_count > 1) {
        struct slice first = frame->slices[0];
        frame->slices[0] = frame->slices[1];
        frame->slices[1] = first;
    }
    for (uint32_t i = 0; i < frame->slice_count; i++) {
        struct slice slice = frame->slices[i];
        uint32_t skip = front < slice.length ? front : slice.length;
        front -= skip;
        slice.offset += skip;
        slice.length -= skip;
        if (slice.length > 0) {
            rope_push(&c->receive, pages, slice);
        } else {
            page_unref(pages, slice.page);
        }
    }
    frame->slice_count = 0;
}

bool tcp_reassemble(struct tcp_connection *c)
{
    bool fin = false;
    while (c->held_first != NULL && !fin) {
        struct frame *frame = c->held_first;
        uint64_t sequence = held_sequence(c, frame);
        if (sequence > c->rcv_nxt) {
            break;
        }
        uint64_t end = sequence + frame->payload_bytes;
        if (end > c->rcv_nxt) {
            push_from(c, frame, (uint32_t)(c->rcv_nxt - sequence));
            c->rcv_nxt = end;
            c->news |= TCP_NEWS_READABLE;
        }
        fin = (frame->tcp.flags & TCP_FIN) != 0 && end == c->rcv_nxt;
        c->held_first = frame->next;
        c->held_count--;
        c->held_bytes -= frame->payload_bytes;
        net_free_frame(c->layer->net, frame);
    }
    if (c->held_first == NULL) {
        c->held_last = NULL;
    }
    if (fin) {
        tcp_reassembly_clear(c); /* nothing follows a FIN */
        return true;
    }
    tcp_ranges_drop_below(&c->islands, c->rcv_nxt);
    tcp_slow_set(c, TCP_SLOW_REASSEMBLY, c->held_count > 0);
    return false;
}

void tcp_reassembly_clear(struct tcp_connection *c)
{
    while (c->held_first != NULL) {
        struct frame *frame = c->held_first;
        c->held_first = frame->next;
        net_free_frame(c->layer->net, frame);
    }
    c->held_last = NULL;
    c->held_count = 0;
    c->held_bytes = 0;
    tcp_ranges_clear(&c->islands);
    tcp_slow_set(c, TCP_SLOW_REASSEMBLY, false);
}
