/* mmu/address.h - address spaces that cannot be mixed by mistake. */
#ifndef ORRERY_MMU_ADDRESS_H
#define ORRERY_MMU_ADDRESS_H

#include "sim/types.h"

#define MMU_PAGE_SHIFT  12u
#define MMU_PAGE_BYTES  4096u
#define MMU_LARGE_SHIFT 21u
#define MMU_LARGE_BYTES (UINT64_C(1) << MMU_LARGE_SHIFT)
#define MMU_LARGE_PAGES 512u

struct gva {
    uint64_t v;
}; /* guest virtual          */
struct gpa {
    uint64_t v;
}; /* guest physical         */
struct spa {
    uint64_t v;
}; /* system (host) physical */

#endif
