/* testbed/report_formula.c - each round of a migration beside what the textbook's formula says it should be.
 *
 * A guest that writes D different pages a second, sent at R pages a second, leaves V D/R of V pages written again, so round i+1 sends
 * V (D/R)^i. That is so while no page is written twice in a round; in the end it never is, for a guest rewrites what it works on: of a
 * hot set of W pages no more than W can be dirty, and a round that took T leaves min(W, D T). Where touches hit pages at random, some
 * hit the same page again, and W (1 - e^(-D T / W)) of them are different (the expected number of non-empty cells when D T balls fall
 * into W cells). R is what TCP carries over the network at best, divided by the 4,104 bytes of a page and its entry; D and W are what
 * the scenario's writers say. Figures are integers in thousandths of a page. */
#include "sim/assert.h"
#include "sim/page.h"
#include "testbed/report_private.h"

#include <stdlib.h>
#include <string.h>

#define PAGE_WIRE_BYTES (PAGE_BYTES + 8)
#define MILLI           1000u
#define VALUE_MAX                                                                                  \
    UINT64_C(1000000000000000000) /* of thousandths of a page; more is as good as endless */
#define NS_PER_HOUR (UINT64_C(3600) * SIM_S)
#define FIT_PERCENT 5u /* a round fits a formula that is off by so much, or by a page */
#define ONE         (UINT64_C(1) << 60) /* of fixed-point fractions */

__extension__ typedef unsigned __int128 wide;

struct formula {
    FILE *out;
    const struct run_result *result;
    const struct judge_migration *m;
    const struct scenario_vm *vm;
    uint64_t first;                /* V: pages of the first round that were not zero */
    uint64_t per_hour;             /* D: touches of all writers, pages an hour */
    uint64_t sent_per_hour;        /* R */
    uint64_t hot_pages;            /* W, of all writers */
    bool random;                   /* some writer touches at random */
    uint64_t *by_formula, *by_set; /* by round */
};

/* ---- arithmetic ------------------------------------------------------------------------------------------------------------------- */

static uint64_t clamp(wide value)
{
    return value > VALUE_MAX ? VALUE_MAX : (uint64_t)value;
}

static uint64_t times(uint64_t a, uint64_t b)
{
    return (uint64_t)((wide)a * b / ONE);
}

/* e^-(t/w) as a fraction of ONE: the series for a 1,024th of the exponent, squared ten times. */
static uint64_t decay(uint64_t t, uint64_t w)
{
    SIM_ASSERT(w > 0);
    wide exponent = (wide)t * ONE / w;
    if (exponent > (wide)40 * ONE) {
        return 0;
    }
    uint64_t y = (uint64_t)(exponent >> 10), square = times(y, y);
    uint64_t result = ONE - y + square / 2 - times(square, y) / 6;
    for (int i = 0; i < 10; i++) {
        result = times(result, result);
    }
    return result;
}

/* Different pages of one writer's range that so many touches hit, both in thousandths. */
static uint64_t different_pages(const struct scenario_load *writer, uint64_t touches)
{
    uint64_t range = clamp((wide)(uint64_t)writer->pages_bytes / PAGE_BYTES * MILLI);
    if (writer->order == SCENARIO_UNIFORM && range > 0) {
        return times(range, ONE - decay(touches, range));
    }
    return touches < range ? touches : range;
}

/* What the writers leave dirty after a round that took so long. */
static uint64_t written_in(const struct formula *formula, sim_time took)
{
    const struct scenario_guest *guest = &formula->vm->guest;
    wide pages = 0;
    for (uint32_t i = 0; i < guest->writer_count; i++) {
        uint64_t touches = clamp((wide)(uint64_t)guest->writers[i].touch_per_hour * MILLI *
                                 (uint64_t)took / NS_PER_HOUR);
        pages += different_pages(&guest->writers[i], touches);
    }
    return clamp(pages);
}

/* ---- the rounds ------------------------------------------------------------------------------------------------------------------- */

static void compute(struct formula *formula)
{
    const struct judge_migration *m = formula->m;
    const struct scenario_guest *guest = &formula->vm->guest;
    for (uint32_t i = 0; i < guest->writer_count; i++) {
        formula->per_hour += (uint64_t)guest->writers[i].touch_per_hour;
        formula->hot_pages += (uint64_t)guest->writers[i].pages_bytes / PAGE_BYTES;
        formula->random = formula->random || guest->writers[i].order != SCENARIO_SEQUENTIAL;
    }
    formula->first = m->rounds[0].pages - m->rounds[0].zero_pages;
    for (uint32_t i = 0; i < m->round_count; i++) {
        if (i == 0) {
            formula->by_formula[i] = formula->by_set[i] = clamp((wide)formula->first * MILLI);
            continue;
        }
        formula->by_formula[i] =
            clamp((wide)formula->by_formula[i - 1] * formula->per_hour / formula->sent_per_hour);
        formula->by_set[i] = written_in(formula, m->rounds[i - 1].took);
    }
}

static bool fits(uint64_t milli, uint64_t pages)
{
    wide measured = (wide)pages * MILLI;
    wide off = measured > milli ? measured - milli : milli - measured;
    return off <= MILLI || off * 100 <= measured * FIT_PERCENT;
}

/* Pages of a round that count: the formula knows no zero pages. */
static uint64_t sent_in(const struct formula *formula, uint32_t round)
{
    const struct judge_round *measured = &formula->m->rounds[round];
    return measured->pages - measured->zero_pages;
}

/* "71.4", "256": three digits, more for large ones. */
static const char *print_milli(uint64_t milli, char out[REPORT_FIGURE_BYTES])
{
    if (milli >= VALUE_MAX) {
        snprintf(out, REPORT_FIGURE_BYTES, "endless");
    } else if (milli >= 99950) {
        snprintf(out, REPORT_FIGURE_BYTES, "%llu", (unsigned long long)((milli + 500) / MILLI));
    } else if (milli >= 9995) {
        uint64_t tenths = (milli + 50) / 100;
        snprintf(out, REPORT_FIGURE_BYTES, "%llu.%llu", (unsigned long long)(tenths / 10),
                 (unsigned long long)(tenths % 10));
    } else {
        uint64_t hundredths = (milli + 5) / 10;
        snprintf(out, REPORT_FIGURE_BYTES, "%llu.%02llu", (unsigned long long)(hundredths / 100),
                 (unsigned long long)(hundredths % 100));
    }
    return out;
}

static void print_table(const struct formula *formula)
{
    const struct judge_migration *m = formula->m;
    struct report_table *table = report_table_new("rrrrl");
    char figure[REPORT_FIGURE_BYTES];
    report_cell(table, "round");
    report_cell(table, "pages");
    report_cell(table, "V (D/R)^i");
    report_cell(table, formula->random ? "W (1-e^(-DT/W))" : "min(W, D T)");
    report_cell(table, "fits");
    report_row(table, NULL);
    for (uint32_t i = 0; i < m->round_count; i++) {
        bool by_formula = fits(formula->by_formula[i], sent_in(formula, i));
        bool by_set = fits(formula->by_set[i], sent_in(formula, i));
        bool final = m->has_final && i + 1 == m->round_count;
        if (m->round_count > 20 && i == 10) {
            report_cell(table, "...");
            report_row(table, NULL);
            i = m->round_count - 6;
            continue;
        }
        if (final) {
            report_cell(table, "final");
        } else {
            report_cell(table, "%u", m->rounds[i].round);
        }
        report_cell(table, "%llu", (unsigned long long)sent_in(formula, i));
        report_cell(table, "%s", print_milli(formula->by_formula[i], figure));
        report_cell(table, "%s", i == 0 ? "" : print_milli(formula->by_set[i], figure));
        report_cell(table, "%s",
                    i == 0       ? ""
                    : by_formula ? (by_set ? "both" : "formula")
                    : by_set     ? "hot set"
                                 : "neither");
        report_row(table, NULL);
    }
    report_table_print(formula->out, table);
    report_table_free(table);
}

/* ---- where it fails, and why ------------------------------------------------------------------------------------------------------ */

/* Pages a second, in thousandths, of a round of that many pages. */
static uint64_t speed_milli(uint64_t pages, sim_time took)
{
    return took > 0 ? clamp((wide)pages * MILLI * SIM_S / (uint64_t)took) : 0;
}

/* Why the round of that index is not what the formula says. */
static void add_reason(const struct formula *formula, uint32_t round, struct report_text *text)
{
    char a[REPORT_FIGURE_BYTES], b[REPORT_FIGURE_BYTES];
    const struct judge_round *before = &formula->m->rounds[round - 1];
    uint64_t hot = clamp((wide)formula->hot_pages * MILLI);
    uint64_t touches =
        clamp((wide)formula->per_hour * MILLI * (uint64_t)before->took / NS_PER_HOUR);
    uint64_t speed = speed_milli(sent_in(formula, round - 1), before->took);
    uint64_t best = clamp((wide)formula->sent_per_hour * MILLI / 3600);
    bool slow =
        sent_in(formula, round - 1) > 0 && (wide)speed * 100 < (wide)best * (100 - FIT_PERCENT);
    if (formula->by_formula[round] > hot) {
        report_add(text,
                   "the formula has the guest write %s different pages in round %u, and it writes "
                   "in a hot set of W = %llu only: what counts is min(W, D T)",
                   print_milli(formula->by_formula[round], a), before->round,
                   (unsigned long long)formula->hot_pages);
    } else if (slow) {
        report_add(text,
                   "round %u went at %s pages a second instead of R = %s, so the guest had longer "
                   "to write",
                   before->round, print_milli(speed, a), print_milli(best, b));
    } else if (formula->random && (wide)formula->by_set[round] * 100 < (wide)touches * 95) {
        report_add(text,
                   "touches hit the same pages again: of D T = %s in round %u about %s were of "
                   "different pages",
                   print_milli(touches, a), before->round, print_milli(formula->by_set[round], b));
    } else if (round > 1 && !fits(formula->by_formula[round - 1], sent_in(formula, round - 1))) {
        report_add(text, "round %u had another size than the formula's already", before->round);
    } else {
        report_add(text, "the guest wrote %llu pages in round %u where its writers touch %s",
                   (unsigned long long)sent_in(formula, round), before->round,
                   print_milli(touches, a));
    }
}

static void add_verdict(const struct formula *formula, struct report_text *text)
{
    uint32_t rounds = formula->m->round_count, failed = 0;
    bool set_holds = true;
    for (uint32_t i = rounds - 1; i > 0; i--) {
        failed = fits(formula->by_formula[i], sent_in(formula, i)) ? failed : i;
        set_holds = set_holds && fits(formula->by_set[i], sent_in(formula, i));
    }
    if (rounds < 2) {
        report_add(text, "There was one round, which is V. ");
    } else if (failed == 0) {
        report_add(text, "V (D/R)^i holds in every round, to a page or %u%%. ", FIT_PERCENT);
    } else {
        bool final = formula->m->has_final && failed + 1 == rounds;
        report_add(text, "V (D/R)^i fails ");
        if (final) {
            report_add(text, "in the final round: ");
        } else {
            report_add(text, "from round %u on: ", formula->m->rounds[failed].round);
        }
        add_reason(formula, failed, text);
        report_add(text, ". ");
        if (set_holds) {
            report_add(text, "The hot set explains every round. ");
        }
    }
    if (formula->m->first_throttled_round > 0) {
        report_add(text,
                   "From round %u on the guest was slowed down: its D fell, which no formula here "
                   "knows. ",
                   formula->m->first_throttled_round);
    }
    if (formula->per_hour >= formula->sent_per_hour) {
        report_add(text,
                   "D is not below R: by the formula no round is smaller than the one before, "
                   "and only a hot set smaller than V, or another rule, ends it. ");
    }
}

static void print_head(const struct formula *formula, struct report_text *text)
{
    char d[REPORT_FIGURE_BYTES], r[REPORT_FIGURE_BYTES], l[REPORT_FIGURE_BYTES],
        rate[REPORT_FIGURE_BYTES];
    const struct scenario_network *network =
        &formula->result->scenario->networks[formula->m->network];
    report_add(text, "V = %llu pages%s, W = %llu, D = %s written a second, ",
               (unsigned long long)formula->first,
               formula->m->rounds[0].zero_pages > 0 ? " that are not zero" : "",
               (unsigned long long)formula->hot_pages,
               print_milli(clamp((wide)formula->per_hour * MILLI / 3600), d));
    report_add(text, "R = %s sent a second (%s in %u bytes each), D/R = %s.",
               print_milli(clamp((wide)formula->sent_per_hour * MILLI / 3600), r),
               report_rate(report_capacity_bps(network), rate), (unsigned)PAGE_WIRE_BYTES,
               print_milli(clamp((wide)formula->per_hour * MILLI / formula->sent_per_hour), l));
}

void report_formula(FILE *out, const struct run_result *result, uint32_t item)
{
    static const char lead[] = "Formula: ";
    const struct judge_migration *m = judge_migration(result->judge, item);
    struct formula formula = {
        .out = out,
        .result = result,
        .m = m,
        .vm = &result->scenario->vms[result->scenario->timeline[item].action.migrate.vm]};
    struct report_text text = {0};
    fprintf(out, "\n%s", lead);
    if (m->round_count == 0 || m->network == SIM_NONE) {
        report_wrap(out, sizeof lead - 1, 5, "no round was sent, so there is nothing to compare.");
        return;
    }
    if (formula.vm->guest.writer_count == 0 && formula.vm->guest.trace.source != NULL) {
        report_wrap(out, sizeof lead - 1, 5,
                    "the guest replays a trace, and has no rate D that the scenario says.");
        return;
    }
    formula.sent_per_hour =
        (uint64_t)((wide)report_capacity_bps(&result->scenario->networks[m->network]) * 450 /
                   PAGE_WIRE_BYTES);
    formula.sent_per_hour += formula.sent_per_hour == 0;
    formula.by_formula = calloc(m->round_count, sizeof *formula.by_formula);
    formula.by_set = calloc(m->round_count, sizeof *formula.by_set);
    SIM_ASSERT(formula.by_formula != NULL);
    SIM_ASSERT(formula.by_set != NULL);
    compute(&formula);
    print_head(&formula, &text);
    report_wrap(out, sizeof lead - 1, 5, text.bytes);
    print_table(&formula);
    text = (struct report_text){0};
    add_verdict(&formula, &text);
    if (formula.vm->guest.trace.source != NULL) {
        report_add(&text, "The trace that it replays too is in no formula. ");
    }
    fputs("     ", out);
    report_wrap(out, 5, 5, text.bytes);
    free(formula.by_formula);
    free(formula.by_set);
}
