/* In which values two scenarios differ: one row for each replaced value. */
#include "testbed/scenario_diff.h"
#include "tests/diff/fixture.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

TestSuite(scenario_diff, .fini = fixture_remove);

#define SEEN_BYTES 2048u

static void add_line(void *context, const char *path, const char *a, const char *b)
{
    char *seen = context;
    size_t at = strlen(seen);
    snprintf(seen + at, SEEN_BYTES - at, "%s: %s | %s\n", path, a != NULL ? a : "-",
             b != NULL ? b : "-");
}

Test(scenario_diff, by_value)
{
    static const struct {
        const char *set;
        const char *lines;
        uint32_t count;
    } rows[] = {
        {NULL, "", 0},
        {"seed=1", "", 0}, /* what is the default anyhow */
        {"seed=7", "seed: 1 | 7\n", 1},
        {"networks.lan.rate=10Gbit/s", "networks.lan.rate: 1Gbit/s | 10Gbit/s\n", 1},
        {"networks.lan.rate=1000Mbit/s", "", 0}, /* the same, written otherwise */
        {"clients.bob.clock={drift: 5ppm}", "clients.bob.clock.drift: 0ppm | 5ppm\n", 1},
        {"timeline.ping.ping.every=11ms", "timeline.0.ping.every: 10ms | 11ms\n", 1},
        {"timeline.ping.as=pong", "timeline.0.as: ping | pong\n", 1},
        {"expect=[ping.lost == 0]", "expect: - | [ping.lost == 0]\n", 1},
    };
    const char *path = fixture_file(0, fixture_small, strlen(fixture_small));
    struct run_input a;
    fixture_open(&a, path, NULL);
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        const char *name = rows[i].set != NULL ? rows[i].set : "the same";
        char seen[SEEN_BYTES] = "", limited[SEEN_BYTES] = "";
        struct run_input b;
        fixture_open(&b, path, rows[i].set);
        cr_expect_eq(scenario_diff(a.scenario, b.scenario, 10, add_line, seen), rows[i].count, "%s",
                     name);
        cr_expect_str_eq(seen, rows[i].lines, "%s: says\n%s", name, seen);
        cr_expect_eq(scenario_diff(a.scenario, b.scenario, 0, add_line, limited), rows[i].count,
                     "%s", name);
        cr_expect_str_empty(limited, "%s: more than was asked for", name);
        run_input_close(&b);
    }
    run_input_close(&a);
}

/* Parts that only one has, and lists of different length. */
Test(scenario_diff, parts_and_items)
{
    static const char other[] =
        "name: small\n"
        "networks:\n"
        "  lan: {rate: 1Gbit/s, delay: 5us}\n"
        "clients:\n"
        "  alice: {nics: [lan]}\n"
        "  carol: {nics: [lan]}\n"
        "timeline:\n"
        "  - {at: 0s, ping: {from: alice, to: carol, every: 10ms}, as: ping}\n"
        "  - {at: 50ms, stop: {what: ping}, as: stop}\n"
        "end: {at: 200ms}\n";
    char seen[SEEN_BYTES] = "";
    struct run_input a, b;
    fixture_open(&a, fixture_file(0, fixture_small, strlen(fixture_small)), NULL);
    fixture_open(&b, fixture_file(1, other, strlen(other)), NULL);
    cr_expect_eq(scenario_diff(a.scenario, b.scenario, 10, add_line, seen), 4, "%s", seen);
    static const char *const starts[] = {
        "clients.bob: {nics: [lan], ", "clients.carol: - | {nics: [lan], ",
        "timeline.0.ping.to: bob | carol\n", "timeline.1: - | {at: 50ms, stop: ping, as: stop}\n"};
    const char *at = seen;
    for (size_t i = 0; i < sizeof starts / sizeof starts[0]; i++) {
        at = at != NULL ? strstr(at, starts[i]) : NULL;
        cr_expect_not_null(at, "'%s' is not in its place in\n%s", starts[i], seen);
    }
    run_input_close(&a);
    run_input_close(&b);
}
