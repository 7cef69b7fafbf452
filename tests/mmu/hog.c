#include "tests/mmu/hog.h"

#include <criterion/criterion.h>

void hog_frames(struct hog *hog, struct host_memory *memory, uint32_t left)
{
    *hog = (struct hog){.memory = memory};
    while (hog->frames < MMU_LARGE_PAGES - left) {
        cr_assert(host_memory_take_frame(memory, &hog->taken[hog->frames]));
        hog->frames++;
    }
}

void hog_release(struct hog *hog)
{
    while (hog->frames > 0) {
        hog->frames--;
        host_memory_give_frame(hog->memory, hog->taken[hog->frames]);
    }
}
