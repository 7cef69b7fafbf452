#include "testbed/fault_table.h"

#include "sim/assert.h"
#include "testbed/schema.h"

#define YEAR (8760 * INT64_C(3600) * SIM_S)

/* A row: its key in the schema, whose value goes to scenario_fault.value[kind], and how it acts. */
#define ROW(fault, fault_is_on, lasts, ...)                                                        \
    [fault] = {.key =                                                                              \
                   &(const struct schema_key){.offset = offsetof(struct scenario_fault, value) +   \
                                                        (fault) * sizeof(int64_t),                 \
                                              .group = 2,                                          \
                                              .group_value = (fault),                              \
                                              .after = (fault_is_on) == FAULT_ON_LINK ? "link"     \
                                                                                      : "machine", \
                                              __VA_ARGS__},                                        \
               .target = (fault_is_on),                                                            \
               .lasting = (lasts)}

const struct fault_row fault_table[FAULT_KINDS] = {
    ROW(FAULT_DOWN, FAULT_ON_LINK, true, .name = "down", .type = SCHEMA_MARK,
        .meaning = "The link is down: what has not arrived is lost, and nothing is taken."),
    ROW(FAULT_LOSS, FAULT_ON_LINK, true, .name = "loss", .type = SCHEMA_QUANTITY,
        .unit = QUANTITY_SHARE, .max = QUANTITY_WHOLE_PPB,
        .meaning = "Each frame is lost with this probability as it arrives, independently."),
    ROW(FAULT_DELAY, FAULT_ON_LINK, true, .name = "delay", .type = SCHEMA_QUANTITY,
        .unit = QUANTITY_TIME, .max = 1000 * SIM_S, .meaning = "Added to the delay of the link."),
    ROW(FAULT_RATE, FAULT_ON_LINK, true, .name = "rate", .type = SCHEMA_QUANTITY,
        .unit = QUANTITY_RATE, .min = 1000, .max = INT64_C(1000000000000),
        .meaning = "The link has this rate instead of its own."),
    ROW(FAULT_QUEUE, FAULT_ON_LINK, true, .name = "queue", .type = SCHEMA_QUANTITY,
        .unit = QUANTITY_SIZE, .max = INT64_C(1) << 36,
        .meaning = "Its output queues have this limit instead of their own; `0B`: none."),
    ROW(FAULT_CRASH, FAULT_ON_MACHINE, false, .name = "crash", .type = SCHEMA_MARK,
        .meaning = "Power is gone; with `for:`, it comes back after that time."),
    ROW(FAULT_FREEZE, FAULT_ON_MACHINE, true, .name = "freeze", .type = SCHEMA_MARK,
        .meaning =
            "The machine hangs: tasks and timers stop, its clock goes on; it thaws after `for:`."),
    ROW(FAULT_REBOOT, FAULT_ON_MACHINE, false, .name = "reboot", .type = SCHEMA_MARK,
        .meaning = "The machine starts anew at once; with `for:`, it is off for that time first."),
};

const struct schema_key *fault_table_key(uint32_t index)
{
    SIM_ASSERT(index < FAULT_KINDS);
    return fault_table[index].key;
}
