#include "nic/frame.h"

#include <stdlib.h>
#include <string.h>

/* Frames come in slabs that are never given back before the pool is closed, each frame on cache lines of its own. */
#define FRAME_STRIDE      256u
#define FRAME_SLAB_FRAMES 256u

_Static_assert(sizeof(struct frame) <= FRAME_STRIDE, "a frame must fit its place in the slab");
_Static_assert(FRAME_STRIDE % 64 == 0, "frames must not share cache lines");
_Static_assert(offsetof(struct frame, corrupt) == 64, "what a link touches must be one cache line");

struct frame_slab {
    struct frame_slab *next;
    uint8_t *frames;
};

struct frame_pool {
    struct frame_free_list list; /* first: frame_new looks for it there */
    struct page_pool *pages;
    struct frame_slab *slabs;
};

struct frame_pool *frame_pool_new(struct page_pool *pages)
{
    struct frame_pool *pool = calloc(1, sizeof *pool);
    SIM_ASSERT(pool != NULL);
    SIM_ASSERT(pages != NULL);
    pool->pages = pages;
    return pool;
}

void frame_pool_close(struct frame_pool *pool)
{
    SIM_ASSERT(pool->list.live == 0);
    while (pool->slabs != NULL) {
        struct frame_slab *slab = pool->slabs;
        pool->slabs = slab->next;
        free(slab->frames);
        free(slab);
    }
    free(pool);
}

uint32_t frame_pool_live(const struct frame_pool *pool)
{
    return pool->list.live;
}

struct page_pool *frame_pool_pages(const struct frame_pool *pool)
{
    return pool->pages;
}

struct frame *frame_pool_grow(struct frame_pool *pool)
{
    SIM_ASSERT(pool->list.first == NULL);
    struct frame_slab *slab = malloc(sizeof *slab);
    SIM_ASSERT(slab != NULL);
    slab->frames = aligned_alloc(64, (size_t)FRAME_SLAB_FRAMES * FRAME_STRIDE);
    SIM_ASSERT(slab->frames != NULL);
    slab->next = pool->slabs;
    pool->slabs = slab;
    for (uint32_t i = FRAME_SLAB_FRAMES; i-- > 0;) {
        struct frame *frame = (struct frame *)(void *)(slab->frames + (size_t)i * FRAME_STRIDE);
        frame->next = pool->list.first;
        pool->list.first = frame;
    }
    return pool->list.first;
}

struct frame *frame_copy(struct frame_pool *pool, const struct frame *frame)
{
    struct frame *copy = frame_new(pool);
    memcpy(copy, frame, sizeof *copy);
    copy->next = NULL;
    for (uint32_t i = 0; i < copy->slice_count; i++) {
        page_ref(pool->pages, copy->slices[i].page);
    }
    return copy;
}

/* ---- slices --------------------------------------------------------------------------------- */

static bool slices_touch(const struct slice *a, const struct slice *b)
{
    return page_same_handle(a->page, b->page) && a->offset + a->length == b->offset;
}

/* Makes room (F4): the longest row of neighbours that fits one literal becomes one; among rows of the same number the one
 * with the fewest bytes. Seven slices of at most FRAME_MTU_MAX bytes always have two neighbours that fit. */
static void frame_gather(struct frame_pool *pool, struct frame *frame)
{
    uint32_t best = 0, best_count = 0, best_bytes = 0;
    for (uint32_t first = 0; first < frame->slice_count; first++) {
        uint32_t bytes = 0, count = 0;
        while (first + count < frame->slice_count &&
               bytes + frame->slices[first + count].length <= PAGE_BYTES) {
            bytes += frame->slices[first + count].length;
            count++;
        }
        if (count > best_count || (count == best_count && bytes < best_bytes)) {
            best = first;
            best_count = count;
            best_bytes = bytes;
        }
    }
    SIM_ASSERT(best_count >= 2);
    uint8_t bytes[PAGE_BYTES];
    uint32_t filled = 0;
    for (uint32_t i = best; i < best + best_count; i++) {
        const struct slice *slice = &frame->slices[i];
        page_copy_out(pool->pages, slice->page, slice->offset, slice->length, bytes + filled);
        filled += slice->length;
        page_unref(pool->pages, slice->page);
    }
    frame->slices[best] = (struct slice){page_literal(pool->pages, bytes, filled), 0, filled};
    uint32_t rest = frame->slice_count - (best + best_count);
    memmove(&frame->slices[best + 1], &frame->slices[best + best_count],
            rest * sizeof frame->slices[0]);
    frame->slice_count = (uint8_t)(best + 1 + rest);
}

void frame_push(struct frame_pool *pool, struct frame *frame, struct slice slice)
{
    SIM_ASSERT(slice.length > 0);
    SIM_ASSERT(slice.offset + slice.length <= PAGE_BYTES);
    SIM_ASSERT(frame->payload_bytes + slice.length <= FRAME_MTU_MAX);
    frame->payload_bytes = (uint16_t)(frame->payload_bytes + slice.length);
    if (frame->slice_count > 0) {
        struct slice *last = &frame->slices[frame->slice_count - 1];
        if (slices_touch(last, &slice)) {
            last->length += slice.length;
            page_unref(pool->pages, slice.page);
            return;
        }
        if (SIM_UNLIKELY(frame->slice_count == FRAME_SLICES_MAX)) {
            frame_gather(pool, frame);
        }
    }
    frame->slices[frame->slice_count++] = slice;
}

/* ---- lengths -------------------------------------------------------------------------------- */

uint8_t frame_tcp_header_bytes(const struct tcp_header *tcp)
{
    uint32_t options = 0;
    if (tcp->mss != 0) {
        options += 4;
    }
    if (tcp->timestamps) {
        options += 12;
    } else if (tcp->sack_permitted) {
        options += 4;
    }
    if (tcp->window_scale != 0xff) {
        options += 4;
    }
    if (tcp->sack_count > 0) {
        options += 4 + 8u * tcp->sack_count;
    }
    SIM_ASSERT(options <= 40);
    return (uint8_t)(20 + options);
}

uint32_t frame_header_bytes(const struct frame *frame)
{
    if (SIM_UNLIKELY(frame->ether_type != ETHER_IPV4)) {
        return ETH_HEADER_BYTES + 28;
    }
    if (SIM_UNLIKELY(frame->fragment_offset != 0)) {
        return ETH_HEADER_BYTES + 20;
    }
    switch (frame->protocol) {
    case IP_TCP:
        return ETH_HEADER_BYTES + 20 + frame->tcp.header_bytes;
    case IP_UDP:
    case IP_ICMP:
        return ETH_HEADER_BYTES + 20 + 8;
    default:
        return ETH_HEADER_BYTES + 20;
    }
}

/* ---- digest --------------------------------------------------------------------------------- */

/* Two lanes that multiply side by side, each taking two words at a time; as in the run hash, a product of 128 bits is folded
 * to 64. The constants are arbitrary odd numbers. */
struct frame_mix {
    uint64_t left, right;
};

static inline uint64_t fold_product(uint64_t a, uint64_t b)
{
    run_hash_product product = (run_hash_product)a * b;
    return (uint64_t)product ^ (uint64_t)(product >> 64);
}

static inline void mix_left(struct frame_mix *mix, uint64_t a, uint64_t b)
{
    mix->left = fold_product(mix->left ^ a, b ^ UINT64_C(0xa0761d6478bd642f)) + a;
}

static inline void mix_right(struct frame_mix *mix, uint64_t a, uint64_t b)
{
    mix->right = fold_product(mix->right ^ a, b ^ UINT64_C(0xe7037ed1a0b428db)) + a;
}

static inline uint64_t pack(uint64_t low, uint64_t high)
{
    return low | high << 32;
}

static void mix_tcp(struct frame_mix *mix, const struct tcp_header *tcp)
{
    uint64_t ports = pack(tcp->source_port, tcp->destination_port);
    uint64_t options = (uint64_t)tcp->mss | (uint64_t)tcp->window_scale << 16 |
                       (uint64_t)tcp->sack_count << 24 | (uint64_t)tcp->sack_permitted << 32 |
                       (uint64_t)tcp->timestamps << 33 | (uint64_t)tcp->header_bytes << 40 |
                       (uint64_t)tcp->flags << 48;
    mix_left(mix, pack(tcp->sequence, tcp->acknowledgment), ports ^ (uint64_t)tcp->window << 48);
    mix_right(mix, options, tcp->timestamps ? pack(tcp->ts_value, tcp->ts_echo) : 0);
    for (uint32_t i = 0; i < tcp->sack_count; i++) {
        mix_left(mix, pack(tcp->sack[i].left, tcp->sack[i].right), i);
    }
}

static void mix_arp(struct frame_mix *mix, const struct arp_header *arp)
{
    mix_left(mix, arp->sender_mac.v | (uint64_t)arp->operation << 48, arp->target_mac.v);
    mix_right(mix, pack(arp->sender_ip.v, arp->target_ip.v), 0);
}

/* Identity of a page in a frame: its handle where that is the identity (page.h, P5), which spares the call. */
static inline uint64_t slice_identity(const struct page_pool *pages, const struct slice *slice)
{
    if (SIM_UNLIKELY(page_is_literal(slice->page))) {
        return page_identity(pages, slice->page);
    }
    return slice->page.v;
}

uint64_t frame_digest(const struct frame_pool *pool, const struct frame *frame)
{
    struct frame_mix mix = {UINT64_C(0x8ebc6af09c88c6e3), UINT64_C(0x589965cc75374cc3)};
    mix_left(&mix, frame->destination.v | (uint64_t)frame->ether_type << 48, frame->source.v);
    if (SIM_LIKELY(frame->ether_type == ETHER_IPV4)) {
        uint64_t where = (uint64_t)frame->ip_id | (uint64_t)frame->fragment_offset << 16 |
                         (uint64_t)frame->more_fragments << 32 |
                         (uint64_t)frame->dont_fragment << 33 | (uint64_t)frame->protocol << 40 |
                         (uint64_t)frame->ttl << 48;
        mix_right(&mix, pack(frame->ip_source.v, frame->ip_destination.v), where);
        if (SIM_UNLIKELY(frame->fragment_offset != 0)) {
            mix_left(&mix, frame->payload_bytes, 0);
        } else if (SIM_LIKELY(frame->protocol == IP_TCP)) {
            mix_tcp(&mix, &frame->tcp);
        } else if (frame->protocol == IP_UDP) {
            mix_left(&mix, pack(frame->udp.source_port, frame->udp.destination_port),
                     frame->udp.length);
        } else if (frame->protocol == IP_ICMP) {
            mix_left(&mix, pack(frame->icmp.identifier, frame->icmp.sequence),
                     pack(frame->icmp.type, frame->icmp.code));
        }
    } else {
        mix_arp(&mix, &frame->arp);
    }
    for (uint32_t i = 0; i < frame->slice_count; i++) {
        const struct slice *slice = &frame->slices[i];
        mix_right(&mix, slice_identity(pool->pages, slice), pack(slice->offset, slice->length));
    }
    return fold_product(mix.left ^ frame->payload_bytes, mix.right ^ UINT64_C(0x1d8e4e27c47d124f));
}

void frame_seal(struct frame_pool *pool, struct frame *frame)
{
    uint32_t bytes = frame_header_bytes(frame) + frame->payload_bytes;
    SIM_ASSERT(bytes <= ETH_HEADER_BYTES + FRAME_MTU_MAX);
    frame->wire_bytes = bytes < ETH_BYTES_MIN ? ETH_BYTES_MIN : bytes;
    frame->digest = frame_digest(pool, frame);
}

/* ---- flows ---------------------------------------------------------------------------------- */

static uint64_t flow_end(struct ip4 address, uint16_t port)
{
    uint64_t end = (uint64_t)address.v << 16 | port;
    return fold_product(end ^ UINT64_C(0x9e3779b97f4a7c15), UINT64_C(0xd6e8feb86659fd93));
}

uint64_t frame_flow_between(struct ip4 a, uint16_t port_a, struct ip4 b, uint16_t port_b)
{
    /* A sum does not tell which end came first. */
    uint64_t sum = flow_end(a, port_a) + flow_end(b, port_b);
    return fold_product(sum, UINT64_C(0xc2b2ae3d27d4eb4f)) >> 1;
}

uint64_t frame_flow(const struct frame *frame)
{
    if (frame->ether_type != ETHER_IPV4) {
        return frame_flow_between(frame->arp.sender_ip, 0, frame->arp.target_ip, 0);
    }
    uint16_t source_port = 0, destination_port = 0;
    if (frame->fragment_offset == 0 && frame->protocol == IP_TCP) {
        source_port = frame->tcp.source_port;
        destination_port = frame->tcp.destination_port;
    } else if (frame->fragment_offset == 0 && frame->protocol == IP_UDP) {
        source_port = frame->udp.source_port;
        destination_port = frame->udp.destination_port;
    }
    return frame_flow_between(frame->ip_source, source_port, frame->ip_destination,
                              destination_port);
}
