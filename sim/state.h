/* sim/state.h - versioned bytes of saved state: big-endian fields, written and read in one order.
 *
 * A reader never reads past its end: after a short or malformed field it stays failed, every further read gives 0, and the caller
 * looks once at the end (state_reader_ok). Sections carry a tag, a version and a length, so that a reader can tell a foreign state. */
#ifndef ORRERY_SIM_STATE_H
#define ORRERY_SIM_STATE_H

#include "sim/page.h"
#include "sim/rope.h"

struct state_writer {
    uint8_t *bytes;
    size_t length, capacity;
};
void state_writer_init(struct state_writer *writer);
void state_writer_close(struct state_writer *writer);
void state_put_u8(struct state_writer *writer, uint8_t value);
void state_put_u16(struct state_writer *writer, uint16_t value);
void state_put_u32(struct state_writer *writer, uint32_t value);
void state_put_u64(struct state_writer *writer, uint64_t value);
void state_put_bytes(struct state_writer *writer, const void *bytes,
                     uint32_t length); /* with its length */
/* Begins a section; returns its place for state_end_section, which fills in the length. */
size_t state_begin_section(struct state_writer *writer, uint32_t tag, uint32_t version);
void state_end_section(struct state_writer *writer, size_t place);
/* A rope as slices: zero, pattern number or bytes, with offset and length. */
void state_put_rope(struct state_writer *writer, const struct rope *rope,
                    const struct page_pool *pool);

struct state_reader {
    const uint8_t *bytes;
    size_t length, position;
    bool failed;
};
void state_reader_init(struct state_reader *reader, const void *bytes, size_t length);
bool state_reader_ok(const struct state_reader *reader);   /* nothing failed */
bool state_reader_done(const struct state_reader *reader); /* ok, and at the end */
uint8_t state_get_u8(struct state_reader *reader);
uint16_t state_get_u16(struct state_reader *reader);
uint32_t state_get_u32(struct state_reader *reader);
uint64_t state_get_u64(struct state_reader *reader);
/* Borrowed bytes with their length; NULL and 0 after a failure. */
const uint8_t *state_get_bytes(struct state_reader *reader, uint32_t *length);
/* A reader of the section's content; fails (and so does the outer one) if tag or version differ. */
struct state_reader state_get_section(struct state_reader *reader, uint32_t tag, uint32_t version);
/* Appends to an initialised rope. */
void state_get_rope(struct state_reader *reader, struct rope *rope, struct page_pool *pool);

#endif
