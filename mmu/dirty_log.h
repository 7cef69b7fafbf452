/* mmu/dirty_log.h - which guest pages were written since the last harvest, by three mechanisms behind one interface.
 *
 *   write protection   leaves are read-only; the first store to a page faults, is logged, and makes the leaf writable
 *   dirty bits         the processor sets dirty flags in leaves; a harvest scans and clears them
 *   page-modification  the processor writes the GPA of each store that sets a dirty flag into a 512-entry log; a full log is an exit
 *   log (PML)          that empties it into the bitmap (Intel SDM Vol. 3, 29.3.6 "Page-Modification Logging")
 *
 * Whatever the mechanism, a 2 MiB leaf is write-protected when logging starts and split at its first store, so that only pages that
 * were written are reported; leaves are merged again when logging stops. Where the host has no memory for the table of a split, the
 * range is logged as a whole: its first store makes the large leaf writable, and the next harvest reports all its pages.
 *
 *  D1. A store that retires after harvest N is reported by harvest N+1; none is lost, and none is reported by N.
 *  D2. Collecting, clearing of flags, and the flush of cached translations are one event: no guest store runs between them.
 *  D3. Every page stored to between two harvests is in the second one's bitmap. (Oracle: the truth bits of mmu/host_memory.h.)
 *  D4. Nothing else is, but for the other pages of ranges that are logged as a whole.
 *  D5. A harvest costs in proportion to what was written and, with dirty bits, to what is split; never to the size of the VM.
 *  D6. A peek reports what a harvest in its place would, and changes nothing that the next harvest could see. It empties a page-modification
 *      log, whose next exit comes later for it. */
#ifndef ORRERY_MMU_DIRTY_LOG_H
#define ORRERY_MMU_DIRTY_LOG_H

#include "mmu/second_level.h"

enum dirty_log_mechanism { DIRTY_LOG_WRITE_PROTECT, DIRTY_LOG_DIRTY_BITS, DIRTY_LOG_PML };

#define DIRTY_LOG_PML_ENTRIES 512u

/* What hardware and hypervisor need for it; docs/models.md cites the sources. */
struct dirty_log_costs {
    sim_time write_fault_ns;        /* exit, log, re-enter                          */
    sim_time split_ns;              /* a 2 MiB leaf into 512                        */
    sim_time pml_full_ns;           /* exit and emptying 512 entries                */
    sim_time scan_page_ns_per_1000; /* harvest by scanning leaves              */
    sim_time clear_page_ns;         /* re-protecting or clearing one reported page  */
    sim_time flush_ns;              /* flushing cached translations of the VM       */
};
extern const struct dirty_log_costs dirty_log_costs_default;

struct dirty_log;

/* For a VM of `page_count` pages mapped by `tables`; borrowed. Starts switched off. */
struct dirty_log *dirty_log_new(struct second_level *tables, uint64_t page_count,
                                enum dirty_log_mechanism mechanism,
                                const struct dirty_log_costs *costs);
void dirty_log_free(struct dirty_log *log);
/* Switches on: all leaves write-protected or their dirty flags cleared, log empty. Returns the host's processor time. */
sim_time dirty_log_start(struct dirty_log *log);
/* Switches off and merges leaves. Returns the host's processor time. */
sim_time dirty_log_stop(struct dirty_log *log);
bool dirty_log_is_on(const struct dirty_log *log);

/* The MMU's side: a store to `gpa` met MMU_PROTECTED. Splits or unprotects; then the store is tried again. Adds the guest's lost
 * time to `*guest_ns`. */
void dirty_log_fault(struct dirty_log *log, struct gpa gpa, sim_time *guest_ns);
/* The MMU's side: a store set the dirty flag of a leaf (PML only cares). Adds the guest's lost time. */
void dirty_log_note(struct dirty_log *log, struct gpa gpa, sim_time *guest_ns);

/* ORs a bit for each page written since the last harvest into `bitmap`, clears the log (D2); returns how many pages, and adds the
 * host's processor time to `*host_ns`. */
uint64_t dirty_log_harvest(struct dirty_log *log, uint64_t *bitmap, sim_time *host_ns);

/* ORs the same bits into `bitmap` and leaves the log as it is (D6). */
void dirty_log_peek(struct dirty_log *log, uint64_t *bitmap, sim_time *host_ns);

struct dirty_log_statistics {
    uint64_t write_faults, splits, pml_exits;
    uint64_t unsplit; /* faults in ranges that had to be logged as a whole */
};
void dirty_log_statistics(const struct dirty_log *log, struct dirty_log_statistics *out);
void dirty_log_check(const struct dirty_log *log);

#endif
