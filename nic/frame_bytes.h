/* nic/frame_bytes.h - a frame as the bytes that a wire would carry, and back.
 *
 *  B1. frame_parse of frame_bytes gives a frame with the same digest, where payload literals equal what was there.
 *      (Corrupt frames have no such way back. ARP has no checksum that could be wrong.) Fragments of TCP are refused: nobody here makes them.
 *  B2. No byte string makes frame_parse crash or read outside (fuzz target); what it does not know is refused with a reason. */
#ifndef ORRERY_NIC_FRAME_BYTES_H
#define ORRERY_NIC_FRAME_BYTES_H

#include "nic/net.h"

#define FRAME_BYTES_MAX (ETH_HEADER_BYTES + FRAME_MTU_MAX)

/* Writes the frame with all checksums (RFC 1071; wrong ones where it is corrupt) to `out`, which holds FRAME_BYTES_MAX
 * bytes; returns wire_bytes. The frame is sealed. Padding is zero. */
uint32_t frame_bytes(const struct net *net, const struct frame *frame, uint8_t *out);
/* The headers alone, without the checksum over the payload, whose field is 0; returns how many bytes that are: frame_header_bytes, of ARP all.
 * For those who look at headers only, and must not make bytes of pages. */
uint32_t frame_bytes_of_headers(const struct frame *frame, uint8_t *out);

enum frame_parse_result {
    FRAME_OK,
    FRAME_TOO_SHORT,
    FRAME_BAD_LENGTH,
    FRAME_BAD_CHECKSUM,
    FRAME_BAD_OPTION,
    FRAME_UNKNOWN_TYPE,
};
const char *frame_parse_text(enum frame_parse_result result);
/* Fills a sealed frame from bytes; the payload becomes literals. On failure the frame is as frame_new left it. */
SIM_CHECKED enum frame_parse_result frame_parse(struct net *net, const uint8_t *bytes,
                                                uint32_t length, struct frame *frame);

#endif
