/* vm/video.h - somebody watches a video that a guest serves: a player with a jitter buffer, on any stack.
 *
 * The player reads frames ahead from a service of the guest (struct guest_service: a request of 8 bytes, an answer of one frame), as a
 * player of a stored film does, so what serves it moves with the VM. It plays when its buffer is full, a frame every period; when the
 * next frame is not there, the picture stands still until it is.
 *
 *     connecting ─► filling ──buffer full──► playing ──frame missing──► stalled ──it is there──► playing ... ─► done
 *          ▲            │ the connection ends: it is made again, after VIDEO_RETRY_NS, and asks for what has not arrived
 *          └────────────┘
 *
 *  D1. Frames that are there and frames that are asked for together are never more than the buffer holds.
 *  D2. A frame is shown when it is due, a period after the one before; one that comes late is shown as it comes, and the stall is how late
 *      it was. The following frames keep their period from there.
 *  D3. The buffer's low-water mark is the least time of video that was left when a frame had been shown: 0 before a stall.
 *  D4. A player that lost power does not go on. One whose machine stood still shows its picture late: that is a stall too. */
#ifndef ORRERY_VM_VIDEO_H
#define ORRERY_VM_VIDEO_H

#include "vm/traffic.h"

#define VIDEO_RETRY_NS        (100 * SIM_MS)
#define VIDEO_FRAME_BYTES_MIN 8u
#define VIDEO_FRAME_BYTES_MAX (UINT32_C(1) << 30)

struct video_options {
    struct traffic_common common; /* `from` is the player's end, `to` the guest's address */
    uint16_t port;
    uint32_t frame_bytes;
    sim_time period_ns;
    uint32_t buffer_frames; /* at least 2 */
    uint64_t frames;        /* how long the video is; 0: until it is stopped */
};
struct video;
struct video *video_start(const struct video_options *options);
void video_stop(struct video *video);
void video_free(struct video *video); /* at any time; nothing is recorded */

#endif
