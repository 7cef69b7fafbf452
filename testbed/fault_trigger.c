#include "testbed/fault_trigger.h"

#include "nic/pcap_filter.h"
#include "sim/assert.h"
#include "sim/chance.h"
#include "testbed/loader.h"
#include "testbed/schema.h"
#include "testbed/sweep_point.h"
#include "testbed/world.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define WHY_BYTES    256u
#define ENTITY_BYTES 512u

/* A kind of the fault on one direction of a link. */
struct side {
    struct side *next;
    struct fault_trigger *trigger;
    const struct link *link;
    enum fault_kind kind;
    struct chance chance; /* of `probability`: the same for all kinds */
    struct chance share_chance;
};

struct fault_trigger {
    const struct world *world;
    const struct scenario_fault *fault;
    struct pcap_filter *filter; /* NULL: every frame */
    struct sweep_point *point;  /* of the fault of a sweep; NULL: not of one */
    uint64_t opportunities;
    const char *name; /* of the fault's item */
    struct side *sides;
    /* The last question, for T2. */
    const struct link *asked_link;
    uint64_t asked_arrival;
    bool answer;
};

bool fault_trigger_wanted(const struct scenario_fault *fault)
{
    return fault->nth != QUANTITY_ABSENT || fault->every_kth != QUANTITY_ABSENT ||
           fault->probability_ppb != QUANTITY_ABSENT || fault->frames != NULL;
}

bool fault_trigger_suits(enum fault_kind kind)
{
    return (fault_table[kind].ways & FAULT_PICKS) != 0;
}

/* ---- what may be wrong ----------------------------------------------------------------------------------------------------- */

static enum link_framing framing_of(const struct scenario *scenario, struct scenario_part link)
{
    uint32_t network = scenario->links[link.index].network;
    return scenario->networks[network].framing == SCENARIO_PPP ? LINK_PPP : LINK_ETHERNET;
}

void fault_trigger_check_filter(const struct scenario *scenario, const char *expression,
                                struct scenario_part link, struct source_place place,
                                struct diagnostics *diagnostics)
{
    char why[WHY_BYTES];
    enum link_framing framing =
        link.kind == SCENARIO_LINK ? framing_of(scenario, link) : LINK_ETHERNET;
    struct pcap_filter *filter = pcap_filter_new(expression, framing, why, sizeof why);
    if (filter == NULL) {
        diagnostics_error(diagnostics, place, "libpcap refuses this filter: %s", why);
    }
    pcap_filter_free(filter);
}

/* The first of the words that pick frames, or NULL. */
static const char *first_word(const struct scenario_fault *fault)
{
    return fault->nth != QUANTITY_ABSENT               ? "nth"
           : fault->every_kth != QUANTITY_ABSENT       ? "every-kth"
           : fault->probability_ppb != QUANTITY_ABSENT ? "probability"
           : fault->frames != NULL                     ? "frames"
                                                       : NULL;
}

void fault_trigger_check_words(const struct scenario *scenario, const struct scenario_fault *fault,
                               struct diagnostics *diagnostics)
{
    const char *word = first_word(fault);
    if (word == NULL || fault->target != SCENARIO_FAULT_LINK) {
        return; /* beside another target the word itself is wrong, and said to be */
    }
    const char *second = NULL;
    if (fault->nth != QUANTITY_ABSENT && fault->every_kth != QUANTITY_ABSENT) {
        second = "every-kth";
    } else if ((fault->nth != QUANTITY_ABSENT || fault->every_kth != QUANTITY_ABSENT) &&
               fault->probability_ppb != QUANTITY_ABSENT) {
        second = "probability";
    }
    if (second != NULL) {
        diagnostics_error(diagnostics, loader_place(fault->source, second),
                          "'%s' and '%s' exclude each other", word, second);
    }
    for (uint32_t kind = 0; kind < FAULT_KINDS; kind++) {
        if (fault->value[kind] != QUANTITY_ABSENT && !fault_trigger_suits((enum fault_kind)kind)) {
            diagnostics_error(diagnostics, loader_place(fault->source, word),
                              "'%s' picks single frames, and '%s' is no fault of a single frame",
                              word, fault_table[kind].key->name);
        }
    }
    if (fault->frames != NULL) {
        struct source_place place = loader_place(fault->source, "frames");
        fault_trigger_check_filter(scenario, fault->frames, fault->link, place, diagnostics);
        for (uint32_t i = 1; i < fault->links.count; i++) {
            if (framing_of(scenario, fault->links.items[i]) !=
                framing_of(scenario, fault->links.items[0])) {
                diagnostics_error(diagnostics, place,
                                  "one filter for links with framing ethernet and ppp: give each a "
                                  "fault of its own");
                break;
            }
        }
    }
}

/* ---- life -------------------------------------------------------------------------------------------------------------------- */

static struct pcap_filter *compile(const struct scenario *scenario, const char *expression,
                                   struct scenario_part link)
{
    char why[WHY_BYTES];
    if (expression == NULL) {
        return NULL;
    }
    struct pcap_filter *filter =
        pcap_filter_new(expression, framing_of(scenario, link), why, sizeof why);
    SIM_ASSERT(filter != NULL); /* it was compiled when the scenario was loaded */
    return filter;
}

struct fault_trigger *fault_trigger_new(struct world *world, uint32_t item)
{
    const struct scenario *scenario = world->scenario;
    const struct scenario_fault *fault = &scenario->timeline[item].action.fault;
    bool sweeps = sweep_point_picks_frames(scenario, item);
    if (fault->target != SCENARIO_FAULT_LINK || (!fault_trigger_wanted(fault) && !sweeps)) {
        return NULL;
    }
    struct fault_trigger *trigger = calloc(1, sizeof *trigger);
    SIM_ASSERT(trigger != NULL);
    trigger->world = world;
    trigger->fault = fault;
    trigger->point = sweeps ? world->sweep_point : NULL;
    trigger->filter =
        compile(scenario, sweeps ? scenario->sweep.filter : fault->frames, fault->link);
    trigger->name = scenario->timeline[item].name;
    return trigger;
}

void fault_trigger_free(struct fault_trigger *trigger)
{
    if (trigger != NULL) {
        while (trigger->sides != NULL) {
            struct side *next = trigger->sides->next;
            free(trigger->sides);
            trigger->sides = next;
        }
        pcap_filter_free(trigger->filter);
        free(trigger);
    }
}

/* ---- asking ------------------------------------------------------------------------------------------------------------------ */

/* Whether the fault acts on an opportunity, the one just counted. */
static bool acts(const struct fault_trigger *trigger, const struct side *side,
                 const struct frame *frame, uint64_t arrival)
{
    const struct scenario_fault *fault = trigger->fault;
    if (trigger->point != NULL) {
        return sweep_point_frame(trigger->point, frame);
    }
    if (fault->nth != QUANTITY_ABSENT) {
        return trigger->opportunities == (uint64_t)fault->nth;
    }
    if (fault->every_kth != QUANTITY_ABSENT) {
        return trigger->opportunities % (uint64_t)fault->every_kth == 0;
    }
    if (fault->probability_ppb != QUANTITY_ABSENT) {
        return chance_hit(side->chance, arrival, (uint64_t)fault->probability_ppb,
                          QUANTITY_WHOLE_PPB);
    }
    return true;
}

/* Whether the frame is an opportunity that the fault takes (T2). */
static bool takes(struct fault_trigger *trigger, const struct side *side, const struct frame *frame)
{
    uint64_t arrival = link_arrivals(side->link);
    if (trigger->asked_link == side->link && trigger->asked_arrival == arrival) {
        return trigger->answer;
    }
    trigger->asked_link = side->link;
    trigger->asked_arrival = arrival;
    trigger->answer = false;
    if (trigger->filter == NULL ||
        pcap_filter_matches(trigger->filter, &trigger->world->net, frame)) {
        trigger->opportunities++;
        trigger->answer = acts(trigger, side, frame, arrival);
    }
    return trigger->answer;
}

bool fault_trigger_selects(void *context, const struct frame *frame)
{
    const struct side *side = context;
    struct fault_trigger *trigger = side->trigger;
    if (!takes(trigger, side, frame)) {
        return false;
    }
    const struct schema_key *key = fault_table[side->kind].key;
    int64_t share = trigger->fault->value[side->kind];
    bool outright = trigger->fault->nth != QUANTITY_ABSENT || trigger->point != NULL;
    return outright || key->type != SCHEMA_QUANTITY || key->unit != QUANTITY_SHARE ||
           chance_hit(side->share_chance, link_arrivals(side->link), (uint64_t)share,
                      QUANTITY_WHOLE_PPB);
}

static struct chance key_of(const struct side *side, const char *site, const char *word)
{
    const struct world *world = side->trigger->world;
    char entity[ENTITY_BYTES];
    int length = snprintf(entity, sizeof entity, "%s/%s/%s", side->trigger->name, word,
                          sim_origin_path(world->sim, link_origin(side->link)));
    SIM_ASSERT(length > 0);
    return chance_key((uint64_t)world->scenario->seed, site, entity);
}

void *fault_trigger_on(struct fault_trigger *trigger, const struct link *link, enum fault_kind kind)
{
    for (struct side *side = trigger->sides; side != NULL; side = side->next) {
        if (side->link == link && side->kind == kind) {
            return side;
        }
    }
    struct side *side = calloc(1, sizeof *side);
    SIM_ASSERT(side != NULL);
    *side = (struct side){.next = trigger->sides, .trigger = trigger, .link = link, .kind = kind};
    side->chance = key_of(side, "fault.probability", "");
    side->share_chance = key_of(side, "fault.share", fault_table[kind].key->name);
    trigger->sides = side;
    return side;
}

uint64_t fault_trigger_opportunities(const struct fault_trigger *trigger)
{
    return trigger->opportunities;
}
