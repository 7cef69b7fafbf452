/* tests/mmu/hog.h - makes a host's memory as scarce as a test wants it. */
#ifndef ORRERY_TESTS_MMU_HOG_H
#define ORRERY_TESTS_MMU_HOG_H

#include "mmu/host_memory.h"

struct hog {
    struct host_memory *memory;
    uint32_t frames;
    struct spa taken[MMU_LARGE_PAGES];
};

/* Opens one table region and leaves `left` of its 512 frames free; of data regions nothing is taken. */
void hog_frames(struct hog *hog, struct host_memory *memory, uint32_t left);
void hog_release(struct hog *hog);

#endif
