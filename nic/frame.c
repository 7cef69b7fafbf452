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

/* Whether `b` goes on where `a` ends, so that they are one slice. */
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

void frame_push_tight(struct frame_pool *pool, struct frame *frame, struct slice slice)
{
    struct slice *last = &frame->slices[frame->slice_count - 1];
    if (slices_touch(last, &slice)) {
        last->length += slice.length;
        page_unref(pool->pages, slice.page);
        return;
    }
    if (frame->slice_count == FRAME_SLICES_MAX) {
        frame_gather(pool, frame);
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

/* A sum of products: two words of the frame at a time, each masked by a constant of its own place, multiplied to 128 bits and
 * folded to 64. No product waits for another, which is what makes it fast. Where fields lie side by side they are read
 * as one word; the asserts below say where. Padding is masked out. */
_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "words of fields are read as they lie");
_Static_assert(offsetof(struct frame, ip_destination) - offsetof(struct frame, ip_source) == 4,
               "the word of addresses");
_Static_assert(offsetof(struct tcp_header, sequence) == 4 &&
                   offsetof(struct tcp_header, acknowledgment) == 8 &&
                   offsetof(struct tcp_header, window) == 12 &&
                   offsetof(struct tcp_header, flags) == 14 &&
                   offsetof(struct tcp_header, sack_count) == 15,
               "two words of fixed TCP fields");
_Static_assert(offsetof(struct tcp_header, mss) == 16 &&
                   offsetof(struct tcp_header, window_scale) == 18 &&
                   offsetof(struct tcp_header, header_bytes) == 21,
               "48 bits of TCP options");
_Static_assert(offsetof(struct tcp_header, ts_value) == 24 &&
                   offsetof(struct tcp_header, ts_echo) == 28,
               "the word of TCP time stamps");
_Static_assert(offsetof(struct slice, offset) == 8 && offsetof(struct slice, length) == 12,
               "the word of a slice's place");

#define LOW_48_BITS (UINT64_MAX >> 16)

static inline uint64_t load_word(const void *fields)
{
    uint64_t word;
    memcpy(&word, fields, sizeof word);
    return word;
}

static inline uint64_t fold_product(uint64_t a, uint64_t b)
{
    run_hash_product product = (run_hash_product)a * b;
    return (uint64_t)product ^ (uint64_t)(product >> 64);
}

/* The constants are arbitrary; those of a list are told apart by its position. */
static inline uint64_t mix_list(uint64_t a, uint64_t b, uint64_t position)
{
    return fold_product(
        a ^ UINT64_C(0x2d358dccaa6c78a5),
        b ^ (UINT64_C(0x8bb84b93962eacc9) + position * UINT64_C(0x9e3779b97f4a7c15)));
}

static inline uint64_t mix_tcp(const struct tcp_header *tcp)
{
    uint64_t time_stamps = tcp->timestamps ? load_word(&tcp->ts_value) : 0;
    uint64_t sum = fold_product(load_word(&tcp->source_port) ^ UINT64_C(0x4b33a62ed433d4a3),
                                load_word(&tcp->acknowledgment) ^ UINT64_C(0x4d5a2da51de1aa47));
    sum += fold_product((load_word(&tcp->mss) & LOW_48_BITS) ^ UINT64_C(0xa0761d6478bd642f),
                        time_stamps ^ UINT64_C(0xe7037ed1a0b428db));
    for (uint32_t i = 0; i < tcp->sack_count; i++) {
        sum += mix_list(load_word(&tcp->sack[i]), UINT64_C(0x5ac4), i);
    }
    return sum;
}

static uint64_t mix_arp(const struct arp_header *arp)
{
    return fold_product((arp->sender_mac.v | (uint64_t)arp->operation << 48) ^
                            UINT64_C(0x8ebc6af09c88c6e3),
                        arp->target_mac.v ^ UINT64_C(0x589965cc75374cc3)) +
           fold_product(arp->sender_ip.v ^ UINT64_C(0x1d8e4e27c47d124f),
                        arp->target_ip.v ^ UINT64_C(0xeb44accab455d165));
}

/* UDP and ICMP, whose headers are 8 bytes. */
static uint64_t mix_short_header(const struct frame *frame)
{
    uint64_t word = 0;
    if (frame->protocol == IP_UDP) {
        word = (uint64_t)frame->udp.source_port << 32 |
               (uint64_t)frame->udp.destination_port << 16 | frame->udp.length;
    } else if (frame->protocol == IP_ICMP) {
        word = (uint64_t)frame->icmp.type << 40 | (uint64_t)frame->icmp.code << 32 |
               (uint64_t)frame->icmp.identifier << 16 | frame->icmp.sequence;
    }
    return fold_product(word ^ UINT64_C(0x9c6e6877736c46e3), UINT64_C(0xc4ceb9fe1a85ec53));
}

static inline uint64_t digest_end(uint64_t sum)
{
    return fold_product(sum ^ UINT64_C(0x94d049bb133111eb), UINT64_C(0xbf58476d1ce4e5b9));
}

/* Where a slice is of a literal, whose identity has to be asked for. Apart, so that the usual way is free of calls. */
static __attribute__((noinline)) uint64_t digest_literals(const struct page_pool *pages,
                                                          const struct frame *frame, uint64_t sum)
{
    for (uint32_t i = 0; i < frame->slice_count; i++) {
        const struct slice *slice = &frame->slices[i];
        sum += mix_list(page_identity(pages, slice->page), load_word(&slice->offset), i);
    }
    return digest_end(sum);
}

static inline uint64_t digest_of(const struct page_pool *pages, const struct frame *frame)
{
    uint64_t sum = fold_product(
        (frame->destination.v | (uint64_t)frame->ether_type << 48) ^ UINT64_C(0xd6e8feb86659fd93),
        (frame->source.v | (uint64_t)frame->protocol << 48) ^ UINT64_C(0xc2b2ae3d27d4eb4f));
    if (SIM_UNLIKELY(frame->ether_type != ETHER_IPV4)) {
        sum += mix_arp(&frame->arp);
    } else {
        uint64_t fragment = (uint64_t)frame->ip_id | (uint64_t)frame->fragment_offset << 16 |
                            (uint64_t)frame->more_fragments << 32 |
                            (uint64_t)frame->dont_fragment << 33 | (uint64_t)frame->ttl << 34;
        sum += fold_product(fragment ^ UINT64_C(0x165667b19e3779f9),
                            load_word(&frame->ip_source) ^ UINT64_C(0xff51afd7ed558ccd));
        if (SIM_LIKELY(frame->protocol == IP_TCP && frame->fragment_offset == 0)) {
            sum += mix_tcp(&frame->tcp);
        } else if (frame->fragment_offset == 0) {
            sum += mix_short_header(frame);
        }
    }
    sum += frame->payload_bytes;
    uint64_t slices = 0;
    for (uint32_t i = 0; i < frame->slice_count; i++) {
        const struct slice *slice = &frame->slices[i];
        if (SIM_UNLIKELY(page_is_literal(slice->page))) {
            return digest_literals(pages, frame, sum);
        }
        /* The handle is the identity of all other pages (page.h, P5). */
        slices += mix_list(slice->page.v, load_word(&slice->offset), i);
    }
    return digest_end(sum + slices);
}

uint64_t frame_digest(const struct frame_pool *pool, const struct frame *frame)
{
    return digest_of(pool->pages, frame);
}

void frame_seal(struct frame_pool *pool, struct frame *frame)
{
    uint32_t bytes = frame_header_bytes(frame) + frame->payload_bytes;
    SIM_ASSERT(bytes <= ETH_HEADER_BYTES + FRAME_MTU_MAX);
    frame->wire_bytes = bytes < ETH_BYTES_MIN ? ETH_BYTES_MIN : bytes;
    frame->digest = digest_of(pool->pages, frame);
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
