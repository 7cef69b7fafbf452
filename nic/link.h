/* nic/link.h - one direction of a cable: a FIFO whose future is computed ahead (DESIGN section 3, Links).
 *
 *     link_send ─► │ not started │ being sent │ on the wire │ ─► sink
 *                  ▲ queue limit counts these only           ▲ one event: the arrival of the first
 *
 *  L1. Frames arrive in order, at end + delay (+ jitter); a jitter never lets one overtake another, only a reordering does.
 *  L2. A frame takes (wire_bytes + 24) * 8 / rate; the remainder below a nanosecond is carried while the link is busy. With
 *      framing ppp it takes its IP bytes + 2 and nothing more.
 *  L3. Only the first arrival is in the event queue; there are no transmit-done events.
 *  L4. What breaks later still acts: link down loses all that has not arrived; the sender's crash loses what has not started
 *      and the frame being sent; a new rate re-times what has not started; loss, duplication, corruption and what holds a frame
 *      longer are decided when it reaches the end of the wire, by the faults active then (nic/link_fault.h).
 *  L5. Occupancy counts bytes of frames that have not started. A frame that would exceed the limit is lost ("queue").
 *  L6. Every frame sent arrives, is recorded as lost, or is in the FIFO or held by a fault: sums of digests agree, with what faults
 *      changed and copied added (oracle "frames", link_audit).
 *
 * A frame that starts at the present instant has started. The fraction of a nanosecond that is carried is forgotten when the link falls idle
 * and when the rate changes. Down, crash and changes act between events, so what arrives at the same instant but
 * in a later wave is still on the wire. Arrivals are folded into the run hash, also of frames that are then lost.
 *
 * Checked against a slow link with an event for each start, end and arrival (tests/links). */
#ifndef ORRERY_NIC_LINK_H
#define ORRERY_NIC_LINK_H

#include "nic/link_fault.h"
#include "nic/net.h"

enum link_framing { LINK_ETHERNET, LINK_PPP };

struct link_options {
    uint64_t rate_bps;
    sim_time delay_ns;
    enum link_framing framing;
    uint64_t queue_bytes_max; /* of frames not started; 0: no limit */
};

/* Sees each frame as it arrives, before it is lost or delivered: captures. */
typedef void link_tap(void *context, const struct frame *frame, sim_time at, bool delivered);

struct link_statistics {
    uint64_t frames_sent, bytes_sent; /* handed to link_send; bytes as wire_bytes */
    uint64_t frames_delivered, bytes_delivered;
    uint64_t frames_lost;
    uint64_t queue_bytes_peak;
    sim_time busy_ns; /* time sending, of all frames in the FIFO */
};

struct link;

/* `origin` is the direction's own ("node1/lan>" and "node1/lan<"). */
struct link *link_new(struct net *net, uint32_t origin, const struct link_options *options,
                      struct frame_sink sink);
/* Frees what is in flight, unrecorded. */
void link_free(struct link *link);
void link_connect(struct link *link, struct frame_sink sink); /* replaces the sink */
uint32_t link_origin(const struct link *link);

/* Queues a sealed frame behind what is there. Takes it over: it may be lost at once (queue full). */
void link_send(struct link *link, struct frame *frame);
/* link_send as a sink, for a switch's port. */
struct frame_sink link_entrance(struct link *link);

/* ---- what may change while it runs ---- */
void link_set_down(struct link *link, bool down, uint64_t cause);
bool link_is_down(const struct link *link);
/* Rate and delay: of frames that have not started. */
void link_set_rate(struct link *link, uint64_t rate_bps, uint64_t cause);
void link_set_delay(struct link *link, sim_time delay_ns, uint64_t cause);
/* `cause` is named by each frame that finds the queue full. */
void link_set_queue(struct link *link, uint64_t queue_bytes_max, uint64_t cause);
/* What happens to frames at their arrival (nic/link_fault.h). Of one kind the one that began last acts. */
void link_begin_fault(struct link *link, const struct link_fault_setting *setting);
/* Returns how many frames it picked. */
uint64_t link_end_fault(struct link *link, enum link_fault kind, uint64_t cause);
/* Does it to the next `count` arrivals after skipping `skip`, whatever its share (nic/link_fault.h). */
void link_owe_fault(struct link *link, const struct link_fault_setting *setting, uint64_t skip,
                    uint64_t count);
/* Loses the next `count` arrivals after skipping `skip`: faults at the n-th occurrence. Several causes count side by side; a
 * second call with the same cause replaces the first, with a count of 0 takes it back. */
void link_lose_nth(struct link *link, uint64_t skip, uint64_t count, uint64_t cause);
/* The sender lost power (L4). */
void link_sender_crashed(struct link *link);
/* Its NIC was reset: the same frames are lost, "reset". */
void link_sender_reset(struct link *link, uint64_t cause);

/* Frames that have reached the end of the wire since the start of the run, whatever became of them. */
uint64_t link_arrivals(const struct link *link);

/* One tap at a time; NULL takes it away. It is called after the frame took its id: the newest of the recorder. */
void link_set_tap(struct link *link, link_tap *tap, void *context);
struct link_statistics link_statistics(const struct link *link);
uint64_t link_rate(const struct link *link);
uint64_t link_queued_bytes(struct link *link);
/* Borrowed for the life of the link. */
const struct wire_pace *link_pace(const struct link *link);
/* True if sums of digests agree (L6). */
bool link_audit(const struct link *link);
void link_check(const struct link *link);

#endif
