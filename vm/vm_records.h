/* vm/vm_records.h - what the hardware side says of VMs and of traffic. Origins: the VM for VM_*, the action for TRAFFIC_*. */
#ifndef ORRERY_VM_VM_RECORDS_H
#define ORRERY_VM_VM_RECORDS_H

#include "sim/recorder.h"

enum vm_record {
    VM_CREATED, /* an instance is built, memory reserved {instance, host, pages} */
    VM_REFUSED, /* {host, pages}; text: why */
    VM_RUNS,    /* first resume, or resume {instance, host} */
    VM_PAUSED,  /* {instance, host} */
    VM_GONE, /* destroyed, or its host lost power {instance, host, was_running, stores_after_pause} */
    VM_COMPARED, /* oracle: an instance runs on what came over the wire {instance, from_instance, pages_differ, first_page, state_differs,
                   * comparable}; comparable 0: the instance it came from is gone */
    VM_HARVESTED, /* oracle: stored pages that a harvest did not report {instance, pages, missed, first_missed} */
    VM_LOG,                /* dirty logging {instance, on} */
    VM_ANNOUNCED,          /* {instance, host, count} */
    TRAFFIC_PING_SENT,     /* {sequence} */
    TRAFFIC_PING_REPLY,    /* {sequence, rtt} */
    TRAFFIC_PING_LOST,     /* no reply within the time-out {sequence} */
    TRAFFIC_REQUEST_SENT,  /* {number} */
    TRAFFIC_REQUEST_DONE,  /* {number, latency} */
    TRAFFIC_REQUEST_LOST,  /* given up {number}; text: why */
    TRAFFIC_BULK_PROGRESS, /* every 64 MiB received, and at the end {bytes, since_start} */
    TRAFFIC_BULK_DONE,     /* {bytes, took, damaged}: all bytes have landed */
    TRAFFIC_ENDED,         /* text: why: stopped, refused, reset, ... */
    VM_PAGE_DIRTIED, /* detail: first store since the dirty log was read, log on {instance, page} */
    VM_PAGE_SENT, /* detail: node software took a snapshot; rounds are parted by harvests, 0: log off {instance, page, round, zero} */
    VM_PAGE_ARRIVED, /* detail: node software put it into an instance that does not run; it need not where the page is zero already {instance,
                      * page, zero} */
    VM_THROTTLED, /* the hypervisor or a fault leaves it so much of its time {instance, permille}; text: who */
    TRAFFIC_VIDEO_PLAYS,   /* the buffer is full, the first frame is shown {waited} */
    TRAFFIC_VIDEO_STALLED, /* a frame was due and not there {frame} */
    TRAFFIC_VIDEO_RESUMED, /* it is shown, so late; cause: the stall {frame, stalled} */
    TRAFFIC_VIDEO_LOW,     /* never was so little left in the buffer {left} */
    TRAFFIC_VIDEO_SHOWN,   /* every second of video, and at the end {frames, left} */
    TRAFFIC_VIDEO_LOST,    /* the connection ended; it is made again {frames}; text: why */
    VM_RECORD_KINDS
};
extern const struct record_kind vm_record_kinds[VM_RECORD_KINDS];

#endif
