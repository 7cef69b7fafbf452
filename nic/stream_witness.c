#include "nic/stream_witness.h"

#include <stdlib.h>
#include <string.h>

#define STREAMS_AT_START 16u
#define WORD_BYTES       8u

struct witness_stream {
    uint64_t key;
    uint32_t ends; /* that joined and have not left; 0: the place is free */
    uint32_t next; /* in the chain of its bucket, or of the free places    */
    bool finished; /* total_offset and total_sum are set                   */
    uint64_t total_offset, total_sum;
    uint64_t written; /* checkpoints 1 to `written` were written; the ring holds the last of them */
    uint64_t first;   /* the first that was written here                    */
    uint64_t sums[WITNESS_CHECKPOINTS];
};

struct stream_witness {
    struct witness_stream **streams; /* stay where they are while the table grows */
    uint32_t *buckets;               /* as many as `capacity`, a power of two     */
    uint32_t capacity, count;
    uint32_t free;
    uint32_t live;
};

static uint64_t mix(uint64_t x)
{
    x ^= x >> 32;
    x *= UINT64_C(0xd6e8feb86659fd93);
    x ^= x >> 32;
    x *= UINT64_C(0xd6e8feb86659fd93);
    x ^= x >> 32;
    return x;
}

struct stream_witness *stream_witness_new(void)
{
    struct stream_witness *witness = calloc(1, sizeof *witness);
    SIM_ASSERT(witness != NULL);
    witness->capacity = STREAMS_AT_START;
    witness->streams = calloc(witness->capacity, sizeof(struct witness_stream *));
    witness->buckets = malloc(witness->capacity * sizeof *witness->buckets);
    SIM_ASSERT(witness->streams != NULL && witness->buckets != NULL);
    memset(witness->buckets, 0xff, witness->capacity * sizeof *witness->buckets);
    witness->free = SIM_NONE;
    return witness;
}

void stream_witness_close(struct stream_witness *witness)
{
    SIM_ASSERT(witness->live == 0);
    for (uint32_t i = 0; i < witness->count; i++) {
        free(witness->streams[i]);
    }
    free(witness->streams);
    free(witness->buckets);
    free(witness);
}

uint32_t stream_witness_live(const struct stream_witness *witness)
{
    return witness->live;
}

uint64_t stream_witness_key(uint64_t sender, uint64_t receiver, uint32_t initial_sequence)
{
    return mix(mix(sender) + UINT64_C(0x9e3779b97f4a7c15) * (mix(receiver) + initial_sequence));
}

/* ---- the table of streams --------------------------------------------------------------------------------------------- */

static uint32_t *bucket_of(const struct stream_witness *witness, uint64_t key)
{
    return &witness->buckets[key & (witness->capacity - 1)];
}

static void grow(struct stream_witness *witness)
{
    uint32_t capacity = witness->capacity * 2;
    witness->streams = realloc(witness->streams, capacity * sizeof(struct witness_stream *));
    witness->buckets = realloc(witness->buckets, capacity * sizeof *witness->buckets);
    SIM_ASSERT(witness->streams != NULL && witness->buckets != NULL);
    witness->capacity = capacity;
    memset(witness->buckets, 0xff, capacity * sizeof *witness->buckets);
    for (uint32_t i = 0; i < witness->count; i++) {
        uint32_t *bucket = bucket_of(witness, witness->streams[i]->key);
        witness->streams[i]->next = *bucket;
        *bucket = i;
    }
}

static uint32_t take_place(struct stream_witness *witness, uint64_t key)
{
    uint32_t place = witness->free;
    if (place != SIM_NONE) {
        witness->free = witness->streams[place]->next;
    } else {
        if (witness->count == witness->capacity) {
            grow(witness);
        }
        place = witness->count++;
        witness->streams[place] = malloc(sizeof(struct witness_stream));
        SIM_ASSERT(witness->streams[place] != NULL);
    }
    struct witness_stream *stream = witness->streams[place];
    uint32_t *bucket = bucket_of(witness, key);
    stream->key = key;
    stream->ends = 0;
    stream->finished = false;
    stream->written = 0;
    stream->first = 0;
    stream->next = *bucket;
    *bucket = place;
    witness->live++;
    return place;
}

void stream_witness_join(struct stream_witness *witness, struct stream_witness_end *end,
                         uint64_t key)
{
    SIM_ASSERT(end->key == 0 || end->key == key);
    uint32_t place = *bucket_of(witness, key);
    while (place != SIM_NONE && witness->streams[place]->key != key) {
        place = witness->streams[place]->next;
    }
    if (place == SIM_NONE) {
        place = take_place(witness, key);
    }
    witness->streams[place]->ends++;
    end->key = key;
    end->stream = place;
}

void stream_witness_leave(struct stream_witness *witness, struct stream_witness_end *end)
{
    SIM_ASSERT(end->stream < witness->count);
    struct witness_stream *stream = witness->streams[end->stream];
    SIM_ASSERT(stream->key == end->key);
    SIM_ASSERT(stream->ends > 0);
    if (--stream->ends == 0) {
        uint32_t *link = bucket_of(witness, stream->key);
        while (*link != end->stream) {
            SIM_ASSERT(*link != SIM_NONE);
            link = &witness->streams[*link]->next;
        }
        *link = stream->next;
        stream->next = witness->free;
        witness->free = end->stream;
        witness->live--;
    }
    end->stream = SIM_NONE;
}

/* ---- sums ------------------------------------------------------------------------------------------------------------- */

/* Bytes of a short literal by their content: words of the stream, absent bytes as zero, each times an odd factor. The sum is linear
 * in the bytes, so it does not depend on cuts. */
static uint64_t sum_bytes(const uint8_t *bytes, uint32_t length, uint64_t offset)
{
    uint64_t sum = 0;
    while (length > 0) {
        uint32_t at = (uint32_t)(offset % WORD_BYTES);
        uint32_t part = WORD_BYTES - at < length ? WORD_BYTES - at : length;
        uint64_t word = 0;
        for (uint32_t i = 0; i < part; i++) {
            word |= (uint64_t)bytes[i] << 8 * (at + i);
        }
        sum += word * (mix(offset / WORD_BYTES + UINT64_C(0x9e3779b97f4a7c15)) | 1);
        bytes += part;
        offset += part;
        length -= part;
    }
    return sum;
}

static inline uint64_t sum_slice(const struct page_pool *pages, struct page page,
                                 uint32_t page_offset, uint32_t length, uint64_t offset)
{
    uint64_t identity = page.v;
    if (SIM_UNLIKELY(page_is_literal(page))) {
        if (page_length(pages, page) < PAGE_BYTES) {
            return sum_bytes(page_literal_bytes(pages, page) + page_offset, length, offset);
        }
        identity = page_identity(pages, page);
    }
    return length * mix(identity + (offset - page_offset) * UINT64_C(0x9e3779b97f4a7c15));
}

/* Adds bytes of a slice up to the next checkpoint at most; returns how many. */
static inline uint32_t add_part(struct stream_witness_end *end, const struct page_pool *pages,
                                const struct slice *slice, uint32_t done)
{
    uint32_t room = WITNESS_STRIDE_BYTES - (uint32_t)(end->offset % WITNESS_STRIDE_BYTES);
    uint32_t part = slice->length - done < room ? slice->length - done : room;
    end->sum += sum_slice(pages, slice->page, slice->offset + done, part, end->offset);
    end->offset += part;
    return part;
}

/* ---- both ends -------------------------------------------------------------------------------------------------------- */

void stream_witness_sent(struct stream_witness *witness, struct stream_witness_end *end,
                         const struct page_pool *pages, const struct slice *slice)
{
    for (uint32_t done = 0; done < slice->length;) {
        done += add_part(end, pages, slice, done);
        if (SIM_UNLIKELY(end->offset % WITNESS_STRIDE_BYTES == 0)) {
            struct witness_stream *stream = witness->streams[end->stream];
            uint64_t checkpoint = end->offset / WITNESS_STRIDE_BYTES;
            if (checkpoint != stream->written + 1 || stream->written == 0) {
                stream->first =
                    checkpoint; /* the first of all, or of an end that was loaded: others do not count */
            }
            stream->sums[checkpoint % WITNESS_CHECKPOINTS] = end->sum;
            stream->written = checkpoint;
        }
    }
}

/* Compares at a checkpoint; false if the sums differ. */
static bool compare(const struct stream_witness *witness, struct stream_witness_end *end)
{
    const struct witness_stream *stream = witness->streams[end->stream];
    uint64_t checkpoint = end->offset / WITNESS_STRIDE_BYTES;
    bool known = stream->written != 0 && checkpoint >= stream->first &&
                 checkpoint <= stream->written &&
                 checkpoint + WITNESS_CHECKPOINTS > stream->written;
    if (!known) {
        return true;
    }
    if (stream->sums[checkpoint % WITNESS_CHECKPOINTS] != end->sum) {
        end->wrong = true;
        return false;
    }
    end->verified = end->offset;
    return true;
}

bool stream_witness_received(struct stream_witness *witness, struct stream_witness_end *end,
                             const struct page_pool *pages, const struct slice *slice)
{
    bool right = true;
    for (uint32_t done = 0; done < slice->length;) {
        done += add_part(end, pages, slice, done);
        if (SIM_UNLIKELY(end->offset % WITNESS_STRIDE_BYTES == 0) && !end->wrong) {
            right = compare(witness, end) && right;
        }
    }
    return right;
}

void stream_witness_sent_all(struct stream_witness *witness, const struct stream_witness_end *end)
{
    struct witness_stream *stream = witness->streams[end->stream];
    SIM_ASSERT(stream->key == end->key);
    stream->finished = true;
    stream->total_offset = end->offset;
    stream->total_sum = end->sum;
}

bool stream_witness_received_all(struct stream_witness *witness, struct stream_witness_end *end)
{
    const struct witness_stream *stream = witness->streams[end->stream];
    if (!stream->finished || end->wrong) {
        return true;
    }
    if (stream->total_offset != end->offset || stream->total_sum != end->sum) {
        end->wrong = true;
        return false;
    }
    end->verified = end->offset;
    return true;
}
