/* testbed/frame_text.h - the headers of a frame's bytes as named fields, for people.
 *
 *  X1. No byte string makes it read outside: what is cut short or unknown simply has no further fields.
 *  X2. Fields come in the order of the wire, each once: Ethernet, then ARP or IPv4, then TCP, UDP or ICMP (RFC 826, 791, 9293,
 *      768, 792). */
#ifndef ORRERY_TESTBED_FRAME_TEXT_H
#define ORRERY_TESTBED_FRAME_TEXT_H

#include "sim/types.h"

#define FRAME_TEXT_VALUE_BYTES 96u

/* `name` is static, as in "tcp sequence"; `value` is borrowed for the call. */
typedef void frame_text_field(void *context, const char *name, const char *value);

/* Calls `field` for each; returns where the payload begins, at most `length`. */
uint32_t frame_text(const uint8_t *bytes, uint32_t length, frame_text_field *field, void *context);
/* What lies at that byte of the frame, as in "tcp sequence", "tcp option" or "payload". */
const char *frame_text_place(const uint8_t *bytes, uint32_t length, uint32_t offset);

#endif
