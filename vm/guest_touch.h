/* vm/guest_touch.h - one writer or reader of a guest: which page it touches next, and when.
 *
 * Times are the guest's *work time*: nanoseconds since it began, without what exits cost it and without standing still.
 *
 *  H1. Touch n (counted from 1) is due at n * 3600e9 / touches_per_hour, rounded down: exact, however many there were.
 *  H2. What it touches depends on n, its key and its range alone. So `done` is all that is saved. */
#ifndef ORRERY_VM_GUEST_TOUCH_H
#define ORRERY_VM_GUEST_TOUCH_H

#include "sim/chance.h"
#include "vm/guest.h"
#include "vm/zipf.h"

struct guest_touch {
    const struct guest_load *load;
    struct chance chance;
    struct zipf zipf;   /* where the order is zipf */
    uint64_t done;      /* touches so far */
    uint64_t position;  /* sequential: page of the range */
    sim_time due;       /* of the next touch */
    sim_time step;      /* whole nanoseconds between two, and ... */
    uint64_t step_part; /* ... parts of one, in touches_per_hour-ths */
    uint64_t part;      /* that `due` leaves out */
};

/* `page_count` is the guest's; the load's range must lie inside. Borrows the load. */
void guest_touch_init(struct guest_touch *touch, const struct guest_load *load,
                      struct chance chance, uint64_t page_count);
void guest_touch_close(struct guest_touch *touch);
/* As if `done` touches had been made. False, and nothing changed, if the next would be due too late to be counted. */
SIM_CHECKED bool guest_touch_seek(struct guest_touch *touch, uint64_t done);
/* The page of the touch that is due; goes on to the next. */
uint64_t guest_touch_next(struct guest_touch *touch);
/* The page that the next touch will be of; for zipf any page of the range, since its draw is not worth making twice. */
uint64_t guest_touch_peek(const struct guest_touch *touch);

#endif
