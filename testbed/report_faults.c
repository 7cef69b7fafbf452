/* What the report says of faults: what they did, to whom, and how many frames met them. */
#include "testbed/report_private.h"

#include <string.h>

#include "testbed/fault_rules.h"
#include "testbed/schema.h"

/* ---- kinds ----------------------------------------------------------------------------------------------------------------------- */

/* What belongs to one target, or to several. */
static const char *whose(const struct scenario_fault *fault)
{
    return fault->links.count + fault->machines.count > 1 ? "their" : "its";
}

static void add_bursts(struct report_text *text, const struct scenario_fault *fault)
{
    char figure[REPORT_FIGURE_BYTES];
    const struct scenario_bursts *bursts = &fault->bursts;
    report_add(text, "lost %s of %s frames in bursts",
               quantity_print(QUANTITY_SHARE, bursts->loss_ppb, figure), whose(fault));
    if (bursts->end_ppb > 0) {
        uint64_t frames = (uint64_t)(QUANTITY_WHOLE_PPB / bursts->end_ppb);
        report_add(text, " of %s on average", report_plural(frames, "frame", "frames", figure));
    }
}

/* Words with an `@` where it says whose. */
static void add_words(struct report_text *text, const struct scenario_fault *fault,
                      const char *words)
{
    size_t length = strcspn(words, "@");
    report_add(text, "%.*s", (int)length, words);
    if (words[length] == '@') {
        report_add(text, "%s%s", whose(fault), words + length + 1);
    }
}

/* Kinds with one value: what comes before it, whether it has one, what comes behind. */
static const struct fault_words {
    const char *before;
    bool valued;
    const char *behind;
} fault_words[FAULT_KINDS] = {
    [FAULT_DOWN] = {"was down", false, ""},
    [FAULT_LOSS] = {"lost ", true, " of @ frames"},
    [FAULT_DELAY] = {"took ", true, " longer"},
    [FAULT_RATE] = {"carried only ", true, ""},
    [FAULT_QUEUE] = {"had queues of ", true, ""},
    [FAULT_CRASH] = {"lost power", false, ""},
    [FAULT_FREEZE] = {"froze", false, ""},
    [FAULT_REBOOT] = {"was restarted", false, ""},
    [FAULT_DUPLICATE] = {"doubled ", true, " of @ frames"},
    [FAULT_CORRUPT] = {"damaged ", true, " of @ frames"},
    [FAULT_CORRUPT_REPAIRED] = {"changed ", true, " of @ frames behind the checksums"},
    [FAULT_REORDER] = {"had ", true, " of @ frames overtaken"},
    [FAULT_JITTER] = {"took up to ", true, " longer"},
    [FAULT_BLACK_HOLE] = {"swallowed packets longer than ", true, ""},
    [FAULT_RING] = {"had a receive ring of ", true, ""},
    [FAULT_STALL] = {"took nothing from @ receive ring", false, ""},
    [FAULT_HANG] = {"hung", false, ""},
    [FAULT_RESET] = {"was reset", false, ""},
    [FAULT_FORGET] = {"forgot all addresses", false, ""},
    [FAULT_TABLE] = {"had a table of ", true, ""},
    [FAULT_STALE] = {"learnt nothing", false, ""},
    [FAULT_LOSE_ANNOUNCEMENTS] = {"lost ", true, " of the announcements"},
    [FAULT_REPEAT_ANNOUNCEMENTS] = {"repeated each announcement ", true, " times"},
    [FAULT_PARTITION] = {"could not reach each other", false, ""},
    [FAULT_CLOCK_STEP] = {"had @ wall clock stepped by ", true, ""},
    [FAULT_CLOCK_OFFSET] = {"had a wall clock that was off by ", true, ""},
    [FAULT_CLOCK_DRIFT] = {"had a clock that drifted by ", true, ""},
    [FAULT_CLOCK_STROBE] = {"had a wall clock that jumped by ", true, " and back"},
    [FAULT_STEAL] = {"had ", true, " of @ processor time stolen"},
    [FAULT_SLOW] = {"lacked ", true, " of @ processors' speed"},
    [FAULT_TCP_RESET] = {"were reset", false, ""},
    [FAULT_TCP_BLIND_RESET] = {"were sent resets with a guessed number", false, ""},
    [FAULT_TCP_HALF_OPEN] = {"were forgotten by an end", false, ""},
    [FAULT_TCP_REFUSE] = {"were refused", false, ""},
    [FAULT_TCP_HANG] = {"got no answer", false, ""},
};

static void add_kind(struct report_text *text, const struct scenario *scenario,
                     const struct scenario_fault *fault, enum fault_kind kind)
{
    char figure[REPORT_FIGURE_BYTES], other[REPORT_FIGURE_BYTES];
    const struct fault_words *words = &fault_words[kind];
    if (kind == FAULT_FLAP) {
        report_add(text, "flapped: %s down, %s up",
                   quantity_print(QUANTITY_TIME, fault->flap.down_ns, figure),
                   quantity_print(QUANTITY_TIME, fault->flap.up_ns, other));
    } else if (kind == FAULT_BURSTS) {
        add_bursts(text, fault);
    } else if (kind == FAULT_CLAIMS) {
        report_add(text, "claimed the address of %s", scenario_part_name(scenario, fault->claims));
    } else if (words->before == NULL) {
        report_add(text, "had the fault '%s'", fault_table[kind].key->name);
    } else {
        add_words(text, fault, words->before);
        if (words->valued) {
            report_add(text, "%s",
                       quantity_print(fault_table[kind].key->unit, fault->value[kind], figure));
        }
        add_words(text, fault, words->behind);
    }
}

/* ---- whom it struck --------------------------------------------------------------------------------------------------------------- */

/* "node1, node2 and alice"; of a long list the first few. */
static void add_names(struct report_text *text, const struct scenario *scenario,
                      const struct scenario_parts *parts)
{
    const uint32_t told = parts->count > 5 ? 4 : parts->count;
    for (uint32_t i = 0; i < told; i++) {
        bool last = i + 1 == told && told == parts->count;
        report_add(text, "%s%s",
                   i == 0 ? ""
                   : last ? " and "
                          : ", ",
                   scenario_part_name(scenario, parts->items[i]));
    }
    if (told < parts->count) {
        report_add(text, " and %u more", parts->count - told);
    }
}

static void add_target(struct report_text *text, const struct scenario *scenario,
                       const struct scenario_fault *fault)
{
    switch (fault->target) {
    case SCENARIO_FAULT_MACHINE:
        add_names(text, scenario, &fault->machines);
        break;
    case SCENARIO_FAULT_SWITCH:
        report_add(text, "the switch of %s", scenario->networks[fault->network].name);
        break;
    case SCENARIO_FAULT_PAIR:
        report_add(text,
                   fault->value[FAULT_PARTITION] == QUANTITY_ABSENT ? "the way between " : "");
        add_names(text, scenario, &fault->between);
        report_add(text, " and ");
        add_names(text, scenario, &fault->others);
        break;
    case SCENARIO_FAULT_CONNECTION:
        report_add(text, "%sconnections from %s to port %lld of %s",
                   fault->value[FAULT_TCP_REFUSE] != QUANTITY_ABSENT ||
                           fault->value[FAULT_TCP_HANG] != QUANTITY_ABSENT
                       ? "new "
                       : "",
                   scenario_part_name(scenario, fault->connection.from),
                   (long long)fault->connection.port,
                   scenario_part_name(scenario, fault->connection.to));
        break;
    default:
        add_names(text, scenario, &fault->links);
        break;
    }
}

/* " (one frame in 10 of 'tcp port 6600')": which frames a fault picked. */
static void add_trigger(struct report_text *text, const struct scenario_fault *fault)
{
    char figure[REPORT_FIGURE_BYTES];
    if (fault->every_kth != QUANTITY_ABSENT) {
        report_add(text, " (one frame in %lld", (long long)fault->every_kth);
    } else if (fault->probability_ppb != QUANTITY_ABSENT) {
        report_add(text, " (%s of the frames",
                   quantity_print(QUANTITY_SHARE, fault->probability_ppb, figure));
    } else if (fault->frames != NULL && fault->nth == QUANTITY_ABSENT) {
        report_add(text, " (each frame");
    } else {
        return;
    }
    if (fault->frames != NULL) {
        report_add(text, " of '%s'", fault->frames);
    }
    report_add(text, ")");
}

/* ---- sentences ------------------------------------------------------------------------------------------------------------------------ */

void report_add_fault(struct report_text *text, const struct scenario *scenario, uint32_t item)
{
    const struct scenario_fault *fault = &scenario->timeline[item].action.fault;
    bool first = true;
    add_target(text, scenario, fault);
    if (fault->nth != QUANTITY_ABSENT) {
        bool lost = fault->value[FAULT_LOSS] != QUANTITY_ABSENT;
        report_add(text, " was to %s frame %lld", lost ? "lose" : "disturb", (long long)fault->nth);
        if (fault->frames != NULL) {
            report_add(text, " of '%s'", fault->frames);
        }
    }
    for (uint32_t kind = 0; kind < FAULT_KINDS; kind++) {
        if (fault->value[kind] == QUANTITY_ABSENT || fault->nth != QUANTITY_ABSENT) {
            continue;
        }
        report_add(text, first ? " " : ", ");
        first = false;
        add_kind(text, scenario, fault, (enum fault_kind)kind);
    }
    add_trigger(text, fault);
    if (fault->target == SCENARIO_FAULT_LINK && fault->direction != SCENARIO_BOTH) {
        report_add(text, fault->direction == SCENARIO_TO ? " (what goes there alone)"
                                                         : " (what comes from there alone)");
    }
    if (fault->target == SCENARIO_FAULT_PAIR && fault->one_way) {
        report_add(text, " (that way alone)");
    }
}

bool report_fault_lasts(const struct scenario_fault *fault)
{
    bool lasts = false;
    for (uint32_t kind = 0; kind < FAULT_KINDS; kind++) {
        lasts = lasts || (fault->value[kind] != QUANTITY_ABSENT &&
                          (fault_table[kind].ways & FAULT_LASTS) != 0);
    }
    return lasts && fault->target != SCENARIO_FAULT_MACHINE && fault->nth == QUANTITY_ABSENT;
}

/* Whether all that it does to a frame is to lose it. */
static bool only_loses(const struct scenario_fault *fault)
{
    static const enum fault_kind others[] = {
        FAULT_DELAY,   FAULT_RATE,   FAULT_DUPLICATE, FAULT_CORRUPT, FAULT_CORRUPT_REPAIRED,
        FAULT_REORDER, FAULT_JITTER, FAULT_TABLE,     FAULT_STALE,   FAULT_REPEAT_ANNOUNCEMENTS};
    for (uint32_t i = 0; i < sizeof others / sizeof *others; i++) {
        if (fault->value[others[i]] != QUANTITY_ABSENT) {
            return false;
        }
    }
    return true;
}

void report_add_hits(struct report_text *text, const struct run_result *result, uint32_t item,
                     uint64_t hits)
{
    char figure[REPORT_FIGURE_BYTES];
    const struct scenario_fault *fault = &result->scenario->timeline[item].action.fault;
    if (fault->value[FAULT_CLAIMS] != QUANTITY_ABSENT) {
        uint32_t address = judge_claimed_address(result->judge, item);
        if (address != 0) {
            report_add(text, ": two machines answered for %u.%u.%u.%u", address >> 24,
                       address >> 16 & 255, address >> 8 & 255, address & 255);
        }
        return;
    }
    if (fault->target == SCENARIO_FAULT_CONNECTION) {
        if (fault->value[FAULT_TCP_REFUSE] != QUANTITY_ABSENT ||
            fault->value[FAULT_TCP_HANG] != QUANTITY_ABSENT) {
            report_add(text, ": %s", report_plural(hits, "attempt", "attempts", figure));
        } else {
            report_add(text, ": %s", report_plural(hits, "end", "ends", figure));
        }
        return;
    }
    for (uint32_t kind = 0; kind < FAULT_KINDS; kind++) {
        if (fault->value[kind] != QUANTITY_ABSENT &&
            (fault_table[kind].ways & FAULT_STRIKES) != 0) {
            return; /* hits are how often it struck, and that is said */
        }
    }
    const char *verb = only_loses(fault) ? "took" : "touched";
    if (hits > 0) {
        report_add(text, " and %s %s", verb, report_plural(hits, "frame", "frames", figure));
    } else {
        report_add(text, " and %s no frame", verb);
    }
}
