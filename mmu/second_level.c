#include "mmu/second_level.h"

#include <string.h>

#define ENTRIES            512u
#define LEVELS             4u
#define LEVEL_PDE          2u
#define LEVEL_PTE          1u
#define GPA_LIMIT          (UINT64_C(1) << 48)
#define LARGE_PAGE_ADDRESS (SECOND_LEVEL_ADDRESS & ~(MMU_LARGE_BYTES - 1))

_Static_assert(MMU_PAGE_BYTES == ENTRIES * sizeof(uint64_t), "a table is a frame");

/* ---- entries ---------------------------------------------------------------------------------------------------------- */

static uint32_t index_at(struct gpa gpa, uint32_t level)
{
    return (uint32_t)(gpa.v >> (MMU_PAGE_SHIFT + 9 * (level - 1))) % ENTRIES;
}

/* EPT: an entry is present if any of its rights is (SDM Vol. 3, 29.3.2 "EPT Translation Mechanism"). NPT: bit 0 (APM Vol. 2, 5.4.1
 * "Field Definitions"). */
static bool is_present(const struct second_level *tables, uint64_t entry)
{
    uint64_t mask = tables->format == SECOND_LEVEL_EPT ? SECOND_LEVEL_RIGHTS : SECOND_LEVEL_READ;
    return (entry & mask) != 0;
}

static bool is_leaf(uint64_t entry, uint32_t level)
{
    return level == LEVEL_PTE || (level == LEVEL_PDE && (entry & SECOND_LEVEL_LARGE) != 0);
}

/* A new entry that names a table: all rights, so that leaves alone decide. */
static uint64_t table_entry(struct spa frame)
{
    return frame.v | SECOND_LEVEL_RIGHTS;
}

/* Bits of a new leaf besides its address: all rights, write-back memory. EPT says so in bits 5:3 (SDM Vol. 3, 29.3.7 "EPT and Memory
 * Typing"); NPT by PAT, PCD and PWT all clear (APM Vol. 2, 5.4.1). */
static uint64_t leaf_bits(const struct second_level *tables)
{
    return SECOND_LEVEL_RIGHTS |
           (tables->format == SECOND_LEVEL_EPT ? SECOND_LEVEL_EPT_WRITEBACK : 0);
}

static uint64_t *table_of(const struct second_level *tables, uint64_t entry)
{
    return host_memory_frame(tables->memory, (struct spa){entry & SECOND_LEVEL_ADDRESS});
}

/* The rights that an access needs. */
static uint64_t rights_for(enum mmu_access access)
{
    return access == MMU_WRITE ? SECOND_LEVEL_READ | SECOND_LEVEL_WRITE : SECOND_LEVEL_READ;
}

/* The directory entry of a 2 MiB range, present or not; NULL where there is no directory. */
static uint64_t *find_pde(const struct second_level *tables, struct gpa gpa)
{
    SIM_ASSERT(gpa.v < GPA_LIMIT);
    uint64_t *table = host_memory_frame(tables->memory, tables->root);
    for (uint32_t level = LEVELS; level > LEVEL_PDE; level--) {
        uint64_t entry = table[index_at(gpa, level)];
        if (!is_present(tables, entry)) {
            return NULL;
        }
        table = table_of(tables, entry);
    }
    return &table[index_at(gpa, LEVEL_PDE)];
}

static uint32_t cache_index(struct gpa gpa)
{
    return (uint32_t)(gpa.v >> MMU_LARGE_SHIFT) % SECOND_LEVEL_CACHE_ENTRIES;
}

static uint64_t tag_of(struct gpa gpa)
{
    return (gpa.v >> MMU_LARGE_SHIFT) + 1;
}

/* The tables of a range change their shape: what is cached of it may point to a table that is gone. */
static void forget(struct second_level *tables, struct gpa gpa)
{
    struct second_level_cached *cached = &tables->cache[cache_index(gpa)];
    if (cached->tag == tag_of(gpa)) {
        *cached = (struct second_level_cached){0};
    }
}

/* ---- life ------------------------------------------------------------------------------------------------------------- */

bool second_level_init(struct second_level *tables, struct host_memory *memory,
                       enum second_level_format format)
{
    SIM_ASSERT(memory != NULL);
    *tables = (struct second_level){
        .memory = memory,
        .format = format,
        .incarnation = host_memory_incarnation(memory),
    };
    if (!host_memory_take_frame(memory, &tables->root)) {
        return false;
    }
    tables->tables = 1;
    return true;
}

/* Gives a table back, and all below it. At most four deep. */
static void give_table(struct second_level *tables, struct spa frame, uint32_t level)
{
    const uint64_t *table = host_memory_frame(tables->memory, frame);
    for (uint32_t i = 0; i < ENTRIES && level > LEVEL_PTE; i++) {
        if (is_present(tables, table[i]) && !is_leaf(table[i], level)) {
            give_table(tables, (struct spa){table[i] & SECOND_LEVEL_ADDRESS}, level - 1);
        }
    }
    host_memory_give_frame(tables->memory, frame);
    tables->tables--;
}

void second_level_close(struct second_level *tables)
{
    /* After a loss of power the frames are no longer ours to give. */
    if (tables->incarnation == host_memory_incarnation(tables->memory)) {
        give_table(tables, tables->root, LEVELS);
        SIM_ASSERT(tables->tables == 0);
    }
    *tables = (struct second_level){0};
}

void second_level_flush(struct second_level *tables)
{
    memset(tables->cache, 0, sizeof tables->cache);
}

/* ---- shape ------------------------------------------------------------------------------------------------------------ */

/* Gives back tables on the way to `gpa` that hold nothing, from the directory up. The root stays. */
static void prune(struct second_level *tables, struct gpa gpa)
{
    uint64_t *path[LEVELS + 1] = {NULL}; /* by level: the entry of that level */
    uint64_t *table = host_memory_frame(tables->memory, tables->root);
    uint32_t deepest = LEVELS;
    for (uint32_t level = LEVELS; level > LEVEL_PDE; level--) {
        path[level] = &table[index_at(gpa, level)];
        if (!is_present(tables, *path[level])) {
            break;
        }
        deepest = level;
        table = table_of(tables, *path[level]);
    }
    for (uint32_t level = deepest; level <= LEVELS; level++) {
        if (!is_present(tables, *path[level])) {
            return;
        }
        const uint64_t *below = table_of(tables, *path[level]);
        for (uint32_t i = 0; i < ENTRIES; i++) {
            if (below[i] != 0) {
                return;
            }
        }
        host_memory_give_frame(tables->memory, (struct spa){*path[level] & SECOND_LEVEL_ADDRESS});
        tables->tables--;
        *path[level] = 0;
    }
}

bool second_level_map_large(struct second_level *tables, struct gpa gpa, struct spa spa)
{
    SIM_ASSERT(gpa.v < GPA_LIMIT);
    SIM_ASSERT(gpa.v % MMU_LARGE_BYTES == 0);
    SIM_ASSERT(spa.v % MMU_LARGE_BYTES == 0);
    uint64_t *table = host_memory_frame(tables->memory, tables->root);
    for (uint32_t level = LEVELS; level > LEVEL_PDE; level--) {
        uint64_t *entry = &table[index_at(gpa, level)];
        if (!is_present(tables, *entry)) {
            struct spa frame;
            if (!host_memory_take_frame(tables->memory, &frame)) {
                prune(tables, gpa);
                return false;
            }
            tables->tables++;
            *entry = table_entry(frame);
        }
        table = table_of(tables, *entry);
    }
    uint64_t *pde = &table[index_at(gpa, LEVEL_PDE)];
    SIM_ASSERT(!is_present(tables, *pde));
    *pde = spa.v | leaf_bits(tables) | SECOND_LEVEL_LARGE;
    tables->large_leaves++;
    return true;
}

void second_level_unmap(struct second_level *tables, struct gpa gpa)
{
    SIM_ASSERT(gpa.v % MMU_LARGE_BYTES == 0);
    uint64_t *pde = find_pde(tables, gpa);
    if (pde == NULL || !is_present(tables, *pde)) {
        return;
    }
    if (is_leaf(*pde, LEVEL_PDE)) {
        tables->large_leaves--;
    } else {
        host_memory_give_frame(tables->memory, (struct spa){*pde & SECOND_LEVEL_ADDRESS});
        tables->tables--;
        tables->small_leaves -= ENTRIES;
    }
    *pde = 0;
    forget(tables, gpa);
    prune(tables, gpa);
}

bool second_level_split(struct second_level *tables, struct gpa gpa)
{
    uint64_t *pde = find_pde(tables, gpa);
    SIM_ASSERT(pde != NULL && is_present(tables, *pde));
    if (!is_leaf(*pde, LEVEL_PDE)) {
        return true;
    }
    struct spa frame;
    if (!host_memory_take_frame(tables->memory, &frame)) {
        return false;
    }
    uint64_t *table = host_memory_frame(tables->memory, frame);
    uint64_t address = *pde & LARGE_PAGE_ADDRESS;
    /* Bit 7 goes: in an EPT PTE it is ignored, in an NPT PTE it would be PAT. */
    uint64_t bits =
        *pde & ~(LARGE_PAGE_ADDRESS | SECOND_LEVEL_LARGE | second_level_dirty_flag(tables));
    for (uint32_t i = 0; i < ENTRIES; i++) {
        table[i] = (address + (uint64_t)i * MMU_PAGE_BYTES) | bits;
    }
    *pde = table_entry(frame) | (*pde & second_level_accessed_flag(tables));
    tables->tables++;
    tables->large_leaves--;
    tables->small_leaves += ENTRIES;
    forget(tables, gpa);
    return true;
}

void second_level_merge(struct second_level *tables, struct gpa gpa)
{
    uint64_t *pde = find_pde(tables, gpa);
    if (pde == NULL || !is_present(tables, *pde) || is_leaf(*pde, LEVEL_PDE)) {
        return;
    }
    const uint64_t *table = table_of(tables, *pde);
    uint64_t address = table[0] & SECOND_LEVEL_ADDRESS;
    if (address % MMU_LARGE_BYTES != 0) {
        return;
    }
    uint64_t any = 0;
    for (uint32_t i = 0; i < ENTRIES; i++) {
        if ((table[i] & SECOND_LEVEL_ADDRESS) != address + (uint64_t)i * MMU_PAGE_BYTES) {
            return;
        }
        any |= table[i];
    }
    uint64_t flags = second_level_accessed_flag(tables) | second_level_dirty_flag(tables);
    host_memory_give_frame(tables->memory, (struct spa){*pde & SECOND_LEVEL_ADDRESS});
    *pde = address | leaf_bits(tables) | SECOND_LEVEL_LARGE | (any & flags);
    tables->tables--;
    tables->small_leaves -= ENTRIES;
    tables->large_leaves++;
    forget(tables, gpa);
}

/* ---- translation ------------------------------------------------------------------------------------------------------ */

/* Where a walk ended. */
struct found {
    uint64_t *leaf;
    uint64_t allowed; /* by all entries above the leaf together */
    bool large;
};

/* Walks from the root to the leaf of `gpa`, sets accessed flags above it (E2), and remembers where it is if what is above allows
 * everything. False where an entry is not present. */
static bool walk(struct second_level *tables, struct gpa gpa, struct found *found)
{
    SIM_ASSERT(gpa.v < GPA_LIMIT);
    uint64_t accessed = second_level_accessed_flag(tables);
    uint64_t allowed = SECOND_LEVEL_RIGHTS;
    uint64_t *table = host_memory_frame(tables->memory, tables->root);
    uint64_t *pde = NULL;
    tables->walks++;
    for (uint32_t level = LEVELS;; level--) {
        uint64_t *entry = &table[index_at(gpa, level)];
        tables->walk_references++;
        if (!is_present(tables, *entry)) {
            return false;
        }
        if (level == LEVEL_PDE) {
            pde = entry;
        }
        if (is_leaf(*entry, level)) {
            bool large = level == LEVEL_PDE;
            *found = (struct found){.leaf = entry, .allowed = allowed, .large = large};
            if (allowed == SECOND_LEVEL_RIGHTS) {
                tables->cache[cache_index(gpa)] = (struct second_level_cached){
                    .tag = tag_of(gpa), .entry = pde, .table = large ? NULL : table};
            }
            return true;
        }
        *entry |= accessed;
        allowed &= *entry;
        table = table_of(tables, *entry);
    }
}

enum mmu_fault second_level_translate(struct second_level *tables, struct gpa gpa,
                                      enum mmu_access access, struct spa *out)
{
    const struct second_level_cached *cached = &tables->cache[cache_index(gpa)];
    struct found found;
    tables->set_dirty = false;
    if (SIM_LIKELY(cached->tag == tag_of(gpa))) {
        found.large = cached->table == NULL;
        found.leaf = found.large ? cached->entry : &cached->table[index_at(gpa, LEVEL_PTE)];
        found.allowed = SECOND_LEVEL_RIGHTS;
    } else if (!walk(tables, gpa, &found)) {
        return MMU_NOT_PRESENT;
    }
    uint64_t entry = *found.leaf;
    if (SIM_UNLIKELY(!is_present(tables, entry))) {
        return MMU_NOT_PRESENT;
    }
    /* What an access may do is what all entries on its way allow (SDM Vol. 3, 29.3.3.2 "EPT Violations"; APM Vol. 2, 15.25.6
     * "Nested Versus Guest Page Faults, Fault Ordering"). */
    uint64_t needed = rights_for(access);
    if ((found.allowed & entry & needed) != needed) {
        return MMU_PROTECTED;
    }
    uint64_t flags = second_level_accessed_flag(tables);
    if (access == MMU_WRITE) {
        uint64_t dirty = second_level_dirty_flag(tables);
        tables->set_dirty = (entry & dirty) == 0;
        flags |= dirty;
    }
    if ((entry & flags) != flags) {
        *found.leaf = entry | flags;
    }
    out->v = found.large ? (entry & LARGE_PAGE_ADDRESS) | (gpa.v & (MMU_LARGE_BYTES - 1))
                         : (entry & SECOND_LEVEL_ADDRESS) | (gpa.v & (MMU_PAGE_BYTES - 1));
    return MMU_OK;
}

void second_level_prefetch(const struct second_level *tables, struct gpa gpa)
{
    const struct second_level_cached *cached = &tables->cache[cache_index(gpa)];
    if (cached->tag == tag_of(gpa) && cached->table != NULL) {
        __builtin_prefetch(&cached->table[index_at(gpa, LEVEL_PTE)], 1);
    }
}

uint32_t second_level_walk(const struct second_level *tables, struct gpa gpa,
                           enum mmu_access access, struct second_level_step steps[4])
{
    SIM_ASSERT(gpa.v < GPA_LIMIT);
    uint64_t flags = second_level_accessed_flag(tables);
    uint64_t allowed = SECOND_LEVEL_RIGHTS;
    uint64_t needed = rights_for(access);
    struct spa frame = tables->root;
    for (uint32_t level = LEVELS, count = 0;; level--) {
        uint32_t index = index_at(gpa, level);
        uint64_t entry = host_memory_frame(tables->memory, frame)[index];
        struct second_level_step *step = &steps[count++];
        *step = (struct second_level_step){
            .entry_at = {frame.v + index * sizeof entry},
            .before = entry,
            .after = entry,
            .level = (uint8_t)level,
        };
        if (!is_present(tables, entry)) {
            return count;
        }
        allowed &= entry;
        if (is_leaf(entry, level)) {
            if ((allowed & needed) == needed) {
                step->after |= flags | (access == MMU_WRITE ? second_level_dirty_flag(tables) : 0);
            }
            return count;
        }
        step->after |= flags;
        frame = (struct spa){entry & SECOND_LEVEL_ADDRESS};
    }
}

uint64_t *second_level_leaf(const struct second_level *tables, struct gpa gpa, bool *large)
{
    const struct second_level_cached *cached = &tables->cache[cache_index(gpa)];
    uint64_t *entry = NULL;
    if (SIM_LIKELY(cached->tag == tag_of(gpa))) {
        *large = cached->table == NULL;
        entry = *large ? cached->entry : &cached->table[index_at(gpa, LEVEL_PTE)];
        return is_present(tables, *entry) ? entry : NULL;
    }
    entry = find_pde(tables, gpa);
    if (entry == NULL || !is_present(tables, *entry)) {
        return NULL;
    }
    *large = is_leaf(*entry, LEVEL_PDE);
    if (!*large) {
        entry = &table_of(tables, *entry)[index_at(gpa, LEVEL_PTE)];
    }
    return is_present(tables, *entry) ? entry : NULL;
}

/* ---- check ------------------------------------------------------------------------------------------------------------ */

struct census {
    uint64_t tables, large_leaves, small_leaves;
};

static void check_leaf(const struct second_level *tables, uint64_t entry, uint32_t level)
{
    uint64_t flags = second_level_accessed_flag(tables) | second_level_dirty_flag(tables);
    uint64_t address = level == LEVEL_PDE ? LARGE_PAGE_ADDRESS : SECOND_LEVEL_ADDRESS;
    uint64_t allowed =
        address | leaf_bits(tables) | flags | (level == LEVEL_PDE ? SECOND_LEVEL_LARGE : 0);
    /* Writable without readable would be an EPT misconfiguration (SDM Vol. 3, 29.3.3.1). */
    SIM_ASSERT((entry & SECOND_LEVEL_READ) != 0);
    SIM_ASSERT((entry & ~allowed) == 0);
    SIM_ASSERT((entry & leaf_bits(tables) & ~SECOND_LEVEL_WRITE) ==
               (leaf_bits(tables) & ~SECOND_LEVEL_WRITE));
    SIM_ASSERT((entry & address) < host_memory_bytes(tables->memory));
}

static void check_table(const struct second_level *tables, struct spa frame, uint32_t level,
                        struct census *census)
{
    const uint64_t *table = host_memory_frame(tables->memory, frame);
    uint64_t allowed =
        SECOND_LEVEL_ADDRESS | SECOND_LEVEL_RIGHTS | second_level_accessed_flag(tables);
    census->tables++;
    for (uint32_t i = 0; i < ENTRIES; i++) {
        uint64_t entry = table[i];
        if (!is_present(tables, entry)) {
            SIM_ASSERT(entry == 0);
        } else if (is_leaf(entry, level)) {
            check_leaf(tables, entry, level);
            census->large_leaves += level == LEVEL_PDE;
            census->small_leaves += level == LEVEL_PTE;
        } else {
            SIM_ASSERT((entry & ~allowed) == 0);
            check_table(tables, (struct spa){entry & SECOND_LEVEL_ADDRESS}, level - 1, census);
        }
    }
}

void second_level_check(const struct second_level *tables)
{
    struct census census = {0};
    SIM_ASSERT(tables->incarnation == host_memory_incarnation(tables->memory));
    check_table(tables, tables->root, LEVELS, &census);
    SIM_ASSERT(census.tables == tables->tables);
    SIM_ASSERT(census.large_leaves == tables->large_leaves);
    SIM_ASSERT(census.small_leaves == tables->small_leaves);
    for (uint32_t i = 0; i < SECOND_LEVEL_CACHE_ENTRIES; i++) {
        const struct second_level_cached *cached = &tables->cache[i];
        if (cached->tag == 0) {
            continue;
        }
        const uint64_t *pde = find_pde(tables, (struct gpa){(cached->tag - 1) << MMU_LARGE_SHIFT});
        SIM_ASSERT(cached->entry == pde);
        SIM_ASSERT(cached->table == (is_leaf(*pde, LEVEL_PDE) ? NULL : table_of(tables, *pde)));
    }
}
