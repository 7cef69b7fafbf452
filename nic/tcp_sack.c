#include "nic/tcp_private.h"

#include <stdlib.h>
#include <string.h>

#define RANGES_AT_START 16u

/* ---- ranges ------------------------------------------------------------------------------------------------------------ */

void tcp_ranges_close(struct tcp_ranges *ranges)
{
    free(ranges->items);
    *ranges = (struct tcp_ranges){0};
}

void tcp_ranges_clear(struct tcp_ranges *ranges)
{
    ranges->count = 0;
    ranges->bytes = 0;
}

/* Index of the first range that ends at or after `sequence`; count if none. */
static uint32_t first_reaching(const struct tcp_ranges *ranges, uint64_t sequence)
{
    uint32_t low = 0, high = ranges->count;
    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        if (ranges->items[middle].right < sequence) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return low;
}

static bool insert_at(struct tcp_ranges *ranges, uint32_t place, uint64_t left, uint64_t right)
{
    if (ranges->count == TCP_RANGES_MAX) {
        return false;
    }
    if (ranges->count == ranges->capacity) {
        ranges->capacity = ranges->capacity == 0 ? RANGES_AT_START : ranges->capacity * 2;
        ranges->items = realloc(ranges->items, ranges->capacity * sizeof *ranges->items);
        SIM_ASSERT(ranges->items != NULL);
    }
    memmove(&ranges->items[place + 1], &ranges->items[place],
            (ranges->count - place) * sizeof *ranges->items);
    ranges->items[place] = (struct tcp_range){left, right, ++ranges->stamp};
    ranges->count++;
    ranges->bytes += right - left;
    return true;
}

bool tcp_ranges_add(struct tcp_ranges *ranges, uint64_t left, uint64_t right)
{
    SIM_ASSERT(left < right);
    uint32_t place = first_reaching(ranges, left);
    if (place == ranges->count || ranges->items[place].left > right) {
        return insert_at(ranges, place, left, right);
    }
    /* It touches or overlaps `place` and maybe more: all become one. */
    struct tcp_range *range = &ranges->items[place];
    uint32_t last = place;
    uint64_t before = 0;
    while (last < ranges->count && ranges->items[last].left <= right) {
        before += ranges->items[last].right - ranges->items[last].left;
        last++;
    }
    uint64_t end = ranges->items[last - 1].right;
    range->left = range->left < left ? range->left : left;
    range->right = end > right ? end : right;
    range->stamp = ++ranges->stamp;
    ranges->bytes += range->right - range->left - before;
    memmove(range + 1, &ranges->items[last], (ranges->count - last) * sizeof *ranges->items);
    ranges->count -= last - place - 1;
    return true;
}

void tcp_ranges_drop_below(struct tcp_ranges *ranges, uint64_t sequence)
{
    uint32_t gone = 0;
    while (gone < ranges->count && ranges->items[gone].right <= sequence) {
        ranges->bytes -= ranges->items[gone].right - ranges->items[gone].left;
        gone++;
    }
    if (gone > 0) {
        ranges->count -= gone;
        memmove(ranges->items, &ranges->items[gone], ranges->count * sizeof *ranges->items);
    }
    if (ranges->count > 0 && ranges->items[0].left < sequence) {
        ranges->bytes -= sequence - ranges->items[0].left;
        ranges->items[0].left = sequence;
    }
}

uint64_t tcp_ranges_within(const struct tcp_ranges *ranges, uint64_t from, uint64_t to)
{
    uint64_t bytes = 0;
    for (uint32_t i = first_reaching(ranges, from); i < ranges->count && ranges->items[i].left < to;
         i++) {
        uint64_t left = ranges->items[i].left > from ? ranges->items[i].left : from;
        uint64_t right = ranges->items[i].right < to ? ranges->items[i].right : to;
        bytes += right - left;
    }
    return bytes;
}

uint64_t tcp_ranges_skip(const struct tcp_ranges *ranges, uint64_t from)
{
    uint32_t i = first_reaching(ranges, from);
    if (i < ranges->count && ranges->items[i].left <= from) {
        return ranges->items[i].right;
    }
    return from;
}

uint64_t tcp_ranges_gap(const struct tcp_ranges *ranges, uint64_t from, uint64_t end)
{
    uint32_t i = first_reaching(ranges, from);
    if (i < ranges->count && ranges->items[i].right == from) {
        i++;
    }
    if (i < ranges->count && ranges->items[i].left < end) {
        SIM_ASSERT(ranges->items[i].left > from);
        return ranges->items[i].left - from;
    }
    return end - from;
}

void tcp_ranges_check(const struct tcp_ranges *ranges)
{
    uint64_t bytes = 0;
    SIM_ASSERT(ranges->count <= ranges->capacity);
    SIM_ASSERT(ranges->count <= TCP_RANGES_MAX);
    for (uint32_t i = 0; i < ranges->count; i++) {
        SIM_ASSERT(ranges->items[i].left < ranges->items[i].right);
        SIM_ASSERT(i == 0 || ranges->items[i - 1].right < ranges->items[i].left);
        bytes += ranges->items[i].right - ranges->items[i].left;
    }
    SIM_ASSERT(bytes == ranges->bytes);
}

/* ---- the receiver's side: RFC 2018, 4 ---------------------------------------------------------------------------------- */

void tcp_sack_fill(const struct tcp_connection *c, struct tcp_header *header)
{
    if (!c->sack) {
        return;
    }
    /* The island that changed last comes first, then those that changed before it. */
    uint32_t room = c->timestamps ? 3 : 4;
    uint32_t count = 0;
    uint64_t stamps[4] = {0};
    for (uint32_t i = 0; i < c->islands.count; i++) {
        const struct tcp_range *range = &c->islands.items[i];
        uint32_t at = count;
        while (at > 0 && stamps[at - 1] < range->stamp) {
            at--;
        }
        if (at == room) {
            continue;
        }
        count += count < room;
        for (uint32_t j = count - 1; j > at; j--) {
            stamps[j] = stamps[j - 1];
            header->sack[j] = header->sack[j - 1];
        }
        stamps[at] = range->stamp;
        header->sack[at] = (struct tcp_sack_block){(uint32_t)range->left, (uint32_t)range->right};
    }
    header->sack_count = (uint8_t)count;
    header->header_bytes = frame_tcp_header_bytes(header);
}

/* ---- the sender's side: RFC 6675 --------------------------------------------------------------------------------------- */

bool tcp_sack_update(struct tcp_connection *c, const struct tcp_header *header)
{
    uint64_t before = c->sacked.bytes;
    for (uint32_t i = 0; i < header->sack_count; i++) {
        uint64_t left = tcp_unwrap(c->snd_una, header->sack[i].left);
        uint64_t right = tcp_unwrap(c->snd_una, header->sack[i].right);
        /* Old, duplicate (RFC 2883) and impossible blocks say nothing. */
        if (left < right && left > c->snd_una && right <= c->snd_max) {
            (void)tcp_ranges_add(&c->sacked, left, right); /* refused: taken for not received */
        }
    }
    return c->sacked.bytes > before;
}

/* IsLost(): DupThresh SACKed ranges above, or more than (DupThresh - 1) * SMSS bytes. Both only grow downwards, so there is one
 * edge. */
uint64_t tcp_sack_lost_edge(const struct tcp_connection *c)
{
    uint64_t bytes = 0;
    uint32_t above = 0;
    for (uint32_t i = c->sacked.count; i-- > 0;) {
        bytes += c->sacked.items[i].right - c->sacked.items[i].left;
        above++;
        if (above >= TCP_DUP_THRESH || bytes > (TCP_DUP_THRESH - 1) * c->mss) {
            return c->sacked.items[i].left;
        }
    }
    return c->snd_una;
}

static uint64_t not_sacked(const struct tcp_connection *c, uint64_t from, uint64_t to)
{
    return to > from ? to - from - tcp_ranges_within(&c->sacked, from, to) : 0;
}

/* SetPipe(): what is not SACKed counts once if it is not lost, and once if it was retransmitted. */
uint64_t tcp_sack_pipe(const struct tcp_connection *c)
{
    return not_sacked(c, tcp_sack_lost_edge(c), c->snd_max) +
           not_sacked(c, c->snd_una, c->high_rxt);
}

bool tcp_sack_next(const struct tcp_connection *c, struct tcp_next *next, bool lost_only)
{
    next->rescue = false;
    uint64_t from = c->high_rxt > c->snd_una ? c->high_rxt : c->snd_una;
    from = tcp_ranges_skip(&c->sacked, from);
    uint64_t highest =
        c->sacked.count > 0 ? c->sacked.items[c->sacked.count - 1].right : c->snd_una;
    if (from < highest && (!lost_only || from < tcp_sack_lost_edge(c))) {
        next->sequence = from;
        next->length = tcp_ranges_gap(&c->sacked, from, c->snd_max);
        return true;
    }
    /* Rule 4, the rescue: the tail of what is in flight, once in each recovery. */
    if (lost_only || c->rescue_rxt > c->snd_una || highest >= c->snd_max) {
        return false;
    }
    uint64_t tail = c->snd_max - highest;
    next->length = tail < c->mss ? tail : c->mss;
    next->sequence = c->snd_max - next->length;
    next->rescue = true;
    return true;
}
