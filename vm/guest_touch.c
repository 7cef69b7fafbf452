#include "vm/guest_touch.h"

#include "sim/assert.h"

__extension__ typedef unsigned __int128 guest_uint128;

#define HOUR_NS UINT64_C(3600000000000)

void guest_touch_init(struct guest_touch *touch, const struct guest_load *load,
                      struct chance chance, uint64_t page_count)
{
    SIM_ASSERT(load->page_count > 0);
    SIM_ASSERT(load->page_count <= page_count);
    SIM_ASSERT(load->first_page <= page_count - load->page_count);
    SIM_ASSERT(load->touches_per_hour > 0);
    SIM_ASSERT(load->touches_per_hour <= UINT64_MAX / 2);
    *touch = (struct guest_touch){
        .load = load,
        .chance = chance,
        .step = (sim_time)(HOUR_NS / load->touches_per_hour),
        .step_part = HOUR_NS % load->touches_per_hour,
    };
    if (load->order == GUEST_ZIPF) {
        zipf_init(&touch->zipf, load->page_count);
    }
    bool counted = guest_touch_seek(touch, 0);
    SIM_ASSERT(counted);
}

void guest_touch_close(struct guest_touch *touch)
{
    if (touch->zipf.sums != NULL) {
        zipf_close(&touch->zipf);
    }
}

bool guest_touch_seek(struct guest_touch *touch, uint64_t done)
{
    uint64_t rate = touch->load->touches_per_hour;
    guest_uint128 hours = ((guest_uint128)done + 1) * HOUR_NS;
    if (hours / rate >= (guest_uint128)(SIM_NEVER / 2)) {
        return false;
    }
    touch->done = done;
    touch->position = done % touch->load->page_count;
    touch->due = (sim_time)(hours / rate);
    touch->part = (uint64_t)(hours % rate);
    return true;
}

uint64_t guest_touch_peek(const struct guest_touch *touch)
{
    const struct guest_load *load = touch->load;
    uint64_t page = touch->position;
    if (load->order == GUEST_UNIFORM) {
        page = chance_below(touch->chance, touch->done, load->page_count);
    }
    return load->first_page + page;
}

uint64_t guest_touch_next(struct guest_touch *touch)
{
    const struct guest_load *load = touch->load;
    uint64_t page = 0;
    switch (load->order) {
    case GUEST_UNIFORM:
        page = chance_below(touch->chance, touch->done, load->page_count);
        break;
    case GUEST_SEQUENTIAL:
        page = touch->position++;
        touch->position = touch->position == load->page_count ? 0 : touch->position;
        break;
    case GUEST_ZIPF:
        page = zipf_rank(&touch->zipf, chance_at(touch->chance, touch->done));
        break;
    }
    SIM_ASSERT(page < load->page_count);
    touch->done++;
    touch->due += touch->step;
    touch->part += touch->step_part;
    if (touch->part >= load->touches_per_hour) {
        touch->part -= load->touches_per_hour;
        touch->due++;
    }
    return load->first_page + page;
}
