/* cluster/migration_wire.h - the messages of a live migration, versions 1 and 2 (docs/formats.md, "Live migration").
 *
 *       0        4       6      8                16               24       28       32
 *      ┌────────┬───────┬──────┬────────────────┬────────────────┬────────┬────────┬─────────────┐
 *      │ "OLM1" │version│ type │ migration id   │ argument       │ length │ CRC32C │ content ... │
 *      └────────┴───────┴──────┴────────────────┴────────────────┴────────┴────────┴─────────────┘
 *
 * All fields are big-endian. The CRC covers the header with the CRC field as zero, then the content.
 *
 *   source ──► target                               target ──► source
 *   CONFIGURE   order and VM configuration           RESERVED    memory is reserved
 *                                                    REFUSED     why, in words; argument: 1 if it may try again later
 *   PAGES       argument: entries; see below
 *   PACKED      the same, compressed
 *   ROUND_END   argument: round                      ROUND_OK    argument: entries received so far
 *   STATE       processor and devices
 *   PREPARE     argument: entries sent in all        READY       PREPARED is durable, it does not run
 *   GO          GIVEN is durable                     DONE        OWNED is durable, it runs
 *   FORGET      the source has freed the VM
 *   CANCEL                                           DISCARDED   it will never run here
 *   DISCARD     (answer to QUERY)                    QUERY       what became of it? argument: enum migration_stage
 *
 * PAGES: argument entries of 8 bytes, each index << 1 | zero, then 4,096 bytes for each entry whose zero bit is clear.
 *
 * PACKED: argument entries of 8 bytes, each index << 16 | bytes: 0 for a page that is all zero, 4,096 for one that follows as it is, else how
 * many bytes its compressed form has, which follows; then what follows, in that order. Its CRC covers the pages as they were before.
 *
 * Version 2 is version 1 and PACKED. A message says the least version that has it; CONFIGURE says 2 where PACKED may come, so that a target
 * that does not know it refuses at once.
 *
 *  W1. A message is used only after its CRC was right, content included.
 *  W2. Lengths are checked against what the type allows before memory is taken. */
#ifndef ORRERY_CLUSTER_MIGRATION_WIRE_H
#define ORRERY_CLUSTER_MIGRATION_WIRE_H

#include "rt/rt.h"

#define MIGRATION_PORT           6600 /* DOMAIN: Hyper-V's */
#define MIGRATION_VERSION        1u
#define MIGRATION_VERSION_PACKED 2u
#define MIGRATION_HEADER_BYTES   32u
#define MIGRATION_BATCH_PAGES    64u
#define MIGRATION_CONTENT_MAX    (64u << 20)
#define MIGRATION_NAME_MAX       64u
#define MIGRATION_ADDRESSES_MAX  8u
#define MIGRATION_TRY_AGAIN      1u /* argument of REFUSED */

enum migration_message_type {
    MIGRATION_CONFIGURE = 1,
    MIGRATION_RESERVED,
    MIGRATION_REFUSED,
    MIGRATION_PAGES,
    MIGRATION_ROUND_END,
    MIGRATION_ROUND_OK,
    MIGRATION_STATE,
    MIGRATION_PREPARE,
    MIGRATION_READY,
    MIGRATION_GO,
    MIGRATION_DONE,
    MIGRATION_FORGET,
    MIGRATION_CANCEL,
    MIGRATION_DISCARDED,
    MIGRATION_DISCARD,
    MIGRATION_QUERY,
    MIGRATION_PACKED,
    MIGRATION_MESSAGE_TYPES
};

struct migration_message {
    enum migration_message_type type;
    uint64_t id;
    uint64_t argument;
    uint32_t length;
    uint32_t crc;     /* as received */
    uint32_t version; /* 0: the least that has the type */
};

/* Somebody at the other end: a name and an address on each network, in the order in which to try them. */
struct migration_peer {
    char name[MIGRATION_NAME_MAX];
    uint32_t address_count;
    struct rt_address addresses[MIGRATION_ADDRESSES_MAX];
};

/* What CONFIGURE carries. */
struct migration_configure {
    uint64_t request; /* the number under which records speak of this migration */
    char vm[MIGRATION_NAME_MAX];
    struct migration_peer source;
    struct rt_announcement announcement;
    const void *config; /* the VM's; borrowed from the content */
    uint32_t config_length;
};

/* Pages as a message carries them. */
struct migration_batch {
    uint32_t count;
    uint64_t entries[MIGRATION_BATCH_PAGES];
    struct rt_page
        pages[MIGRATION_BATCH_PAGES]; /* of entries without the zero bit, in their order; owned */
    uint32_t page_count;
    struct rt_slice
        packed[MIGRATION_BATCH_PAGES]; /* of `pages`, compressed; length 0: as it is. Owned */
};

const char *migration_message_name(enum migration_message_type type);

/* Header to and from bytes. decode: INVALID for another magic, version, type, or a length that the type does not allow. Pure. */
void migration_encode_header(const struct migration_message *message,
                             uint8_t bytes[MIGRATION_HEADER_BYTES]);
RT_CHECKED enum rt_error migration_decode_header(const uint8_t bytes[MIGRATION_HEADER_BYTES],
                                                 struct migration_message *message);
/* CONFIGURE's content. encode returns its length (capacity is enough for all but `config`: MIGRATION_CONFIGURE_BYTES_MAX + its length). */
#define MIGRATION_CONFIGURE_BYTES_MAX 512u
uint32_t migration_encode_configure(const struct migration_configure *configure, uint8_t *bytes);
RT_CHECKED enum rt_error migration_decode_configure(const uint8_t *bytes, uint32_t length,
                                                    struct migration_configure *configure);

/* Sends a message with byte content. Errors of rt_write. */
RT_CHECKED RT_BLOCKS enum rt_error migration_send(struct rt *rt, struct rt_stream *stream,
                                                  const struct migration_message *message,
                                                  const void *content, rt_time deadline);
/* Sends a batch as PAGES and releases its pages, whatever the result. */
RT_CHECKED RT_BLOCKS enum rt_error migration_send_pages(struct rt *rt, struct rt_stream *stream,
                                                        uint64_t id, struct migration_batch *batch,
                                                        rt_time deadline);
/* Compresses the pages of a batch, each once: bulk work of the processor, which is paid for before the batch is sent. */
void migration_pack(struct rt *rt, struct migration_batch *batch);
/* Sends a batch that migration_pack has seen as PACKED, and releases it, whatever the result. `bytes` is the length of the message. */
RT_CHECKED RT_BLOCKS enum rt_error migration_send_packed(struct rt *rt, struct rt_stream *stream,
                                                         uint64_t id, struct migration_batch *batch,
                                                         uint64_t *bytes, rt_time deadline);
/* Receives a header. The content is still in the stream. Errors of rt_read_bytes, INVALID. */
RT_CHECKED RT_BLOCKS enum rt_error migration_receive(struct rt *rt, struct rt_stream *stream,
                                                     struct migration_message *message,
                                                     rt_time deadline);
/* Receives byte content of a message (NULL where length is 0) and checks the CRC; rt_free it. INVALID, NO_MEMORY. */
RT_CHECKED RT_BLOCKS enum rt_error migration_receive_content(
    struct rt *rt, struct rt_stream *stream, const struct migration_message *message,
    uint8_t **content, rt_time deadline);
/* Receives the content of PAGES or PACKED and checks the CRC (W1); the batch owns the pages. `slices` is the caller's container. */
RT_CHECKED RT_BLOCKS enum rt_error migration_receive_pages(struct rt *rt, struct rt_stream *stream,
                                                           const struct migration_message *message,
                                                           struct migration_batch *batch,
                                                           struct rt_slices *slices,
                                                           rt_time deadline);
void migration_release_batch(struct rt *rt, struct migration_batch *batch);

#endif
