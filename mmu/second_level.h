/* mmu/second_level.h - second-level page tables, guest-physical to system-physical: Intel EPT and AMD NPT in their bit layouts.
 *
 *     GPA  47        39 38        30 29        21 20        12 11         0
 *         ┌────────────┬────────────┬────────────┬────────────┬────────────┐
 *         │ PML4 index │ PDPT index │  PD index  │  PT index  │   offset   │
 *         └────────────┴────────────┴────────────┴────────────┴────────────┘
 *
 *     EPT entry   bit 0 read, 1 write, 2 execute, 5:3 memory type (leaf), 7 large page (PDE), 8 accessed, 9 dirty (leaf), 51:12 address
 *                 (Intel SDM Vol. 3, 29.3.2 "EPT Translation Mechanism", tables 29-1 to 29-7)
 *     NPT entry   bit 0 present, 1 writable, 2 user, 5 accessed, 6 dirty (leaf), 7 large page (PDE), 51:12 address, 63 no execute
 *                 (AMD APM Vol. 2, 15.25 "Nested Paging" and 5.3 "Long-Mode Page Translation")
 *
 * A processor also keeps translations (TLB). Here it keeps only where the page table of a 2 MiB range is, and reads each leaf again,
 * so a flush that was forgotten does not show; docs/models.md.
 *
 *  E1. A store through a leaf sets accessed on the way and dirty in the leaf; a read sets accessed.
 *  E2. A violation changes nothing but accessed flags above the entry that refused.
 *  E3. Tables live in frames of the host's memory and are given back when the tables close. */
#ifndef ORRERY_MMU_SECOND_LEVEL_H
#define ORRERY_MMU_SECOND_LEVEL_H

#include "mmu/host_memory.h"

/* Bits of entries. The first three lie in the same places in both formats: EPT read or NPT present, write, EPT execute or NPT
 * user. Nested walks are user accesses (APM Vol. 2, 15.25.5 "Nested Table Walk"), so every NPT entry carries the user bit. */
#define SECOND_LEVEL_READ          (UINT64_C(1) << 0)
#define SECOND_LEVEL_WRITE         (UINT64_C(1) << 1)
#define SECOND_LEVEL_EXECUTE       (UINT64_C(1) << 2)
#define SECOND_LEVEL_RIGHTS        UINT64_C(7)
#define SECOND_LEVEL_LARGE         (UINT64_C(1) << 7)
#define SECOND_LEVEL_ADDRESS       UINT64_C(0x000ffffffffff000)
#define SECOND_LEVEL_EPT_WRITEBACK (UINT64_C(6) << 3)
#define SECOND_LEVEL_EPT_ACCESSED  (UINT64_C(1) << 8)
#define SECOND_LEVEL_EPT_DIRTY     (UINT64_C(1) << 9)
#define SECOND_LEVEL_NPT_ACCESSED  (UINT64_C(1) << 5)
#define SECOND_LEVEL_NPT_DIRTY     (UINT64_C(1) << 6)

/* Ranges of 2 MiB whose page table is remembered: 2 GiB in a row. */
#define SECOND_LEVEL_CACHE_ENTRIES 1024u

enum second_level_format { SECOND_LEVEL_EPT, SECOND_LEVEL_NPT };
enum mmu_access { MMU_READ, MMU_WRITE };

enum mmu_fault {
    MMU_OK,
    MMU_NOT_PRESENT, /* EPT: violation with bits 5:3 of the qualification clear; NPT: #NPF, P = 0 */
    MMU_PROTECTED,   /* present, but the access is not allowed */
};

struct second_level {
    struct host_memory *memory;
    enum second_level_format format;
    struct spa root;
    uint64_t incarnation; /* of the memory that the tables are in */
    uint64_t tables;      /* frames in use, the root included */
    uint64_t large_leaves, small_leaves;
    /* Paging-structure cache: the page table (or 2 MiB leaf) that a 2 MiB range of GPA used last. */
    struct second_level_cached {
        uint64_t tag;    /* gpa >> 21, plus 1; 0 for empty */
        uint64_t *entry; /* the PDE of that range */
        uint64_t *table; /* the 512 PTEs it points to, NULL for a 2 MiB leaf */
    } cache[SECOND_LEVEL_CACHE_ENTRIES];
    uint64_t walks, walk_references;
    bool set_dirty; /* the last translation set a leaf's dirty flag: what a PML records */
};

/* One memory reference of a walk, for `orrery walk` and its tests. */
struct second_level_step {
    struct spa entry_at;
    uint64_t before, after;
    uint8_t level; /* 4 to 1 */
};

SIM_CHECKED bool second_level_init(struct second_level *tables, struct host_memory *memory,
                                   enum second_level_format format);
void second_level_close(struct second_level *tables);
/* Maps one 2 MiB range that is not mapped, as a large leaf, writable. False when there is no memory for tables. */
SIM_CHECKED bool second_level_map_large(struct second_level *tables, struct gpa gpa,
                                        struct spa spa);
/* Unmaps a 2 MiB range, whatever its leaves; tables that hold nothing any more are given back. */
void second_level_unmap(struct second_level *tables, struct gpa gpa);
/* Turns a large leaf into 512 small ones with its rights and accessed flag, dirty clear. False: no memory for the table. Like map,
 * unmap and merge it lets go of what was cached of that range. */
SIM_CHECKED bool second_level_split(struct second_level *tables, struct gpa gpa);
/* The reverse, where all 512 leaves lie in one 2 MiB range in order: writable, accessed and dirty if any was. Elsewhere nothing. */
void second_level_merge(struct second_level *tables, struct gpa gpa);

/* Translates as the hardware does (E1, E2); the offset in the page is kept. */
SIM_CHECKED enum mmu_fault second_level_translate(struct second_level *tables, struct gpa gpa,
                                                  enum mmu_access access, struct spa *out);
/* A hint: that page will be translated soon. Changes nothing. */
void second_level_prefetch(const struct second_level *tables, struct gpa gpa);
/* What a full walk for this access reads, and what each entry would be after it, written to `steps` (at most 4); changes no flags.
 * Returns their number. The last step is the leaf, or the entry that refused. */
uint32_t second_level_walk(const struct second_level *tables, struct gpa gpa,
                           enum mmu_access access, struct second_level_step steps[4]);

/* ---- for dirty logging: the leaf entry of a GPA, NULL where not present; `large` says which kind. Small leaves of a 2 MiB range are
 * 512 entries in a row ---- */
uint64_t *second_level_leaf(const struct second_level *tables, struct gpa gpa, bool *large);
static inline uint64_t second_level_accessed_flag(const struct second_level *tables)
{
    return tables->format == SECOND_LEVEL_EPT ? SECOND_LEVEL_EPT_ACCESSED
                                              : SECOND_LEVEL_NPT_ACCESSED;
}
static inline uint64_t second_level_dirty_flag(const struct second_level *tables)
{
    return tables->format == SECOND_LEVEL_EPT ? SECOND_LEVEL_EPT_DIRTY : SECOND_LEVEL_NPT_DIRTY;
}
static inline bool second_level_leaf_writable(const struct second_level *tables, uint64_t entry)
{
    (void)tables; /* both formats have it in the same place */
    return (entry & SECOND_LEVEL_WRITE) != 0;
}
static inline bool second_level_leaf_dirty(const struct second_level *tables, uint64_t entry)
{
    return (entry & second_level_dirty_flag(tables)) != 0;
}
static inline uint64_t second_level_leaf_set(const struct second_level *tables, uint64_t entry,
                                             bool writable, bool dirty)
{
    uint64_t flag = second_level_dirty_flag(tables);
    return (entry & ~(SECOND_LEVEL_WRITE | flag)) | (writable ? SECOND_LEVEL_WRITE : 0) |
           (dirty ? flag : 0);
}
/* A changed right or cleared flag is seen by the processor only after this (all cached translations of the range go). */
void second_level_flush(struct second_level *tables);

void second_level_check(const struct second_level *tables);

#endif
