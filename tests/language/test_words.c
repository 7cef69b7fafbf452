/* Names, ranges, words that two YAML readers take for different things, and nearest words. */
#include <criterion/criterion.h>
#include <string.h>

#include "testbed/name_range.h"
#include "testbed/yaml_tree.h"

static const struct {
    const char *text;
    bool ambiguous, quoted; /* yaml_plain_ambiguity; yaml_needs_quotes */
} words[] = {
    {"yes", true, true},
    {"no", true, true},
    {"on", true, true},
    {"Off", true, true},
    {"y", true, true},
    {"N", true, true},
    {"yEs", false, false},
    {"true", false, true},
    {"False", false, true},
    {"null", false, true},
    {"", false, true},
    {"~", false, true},
    {"<<", true, true},
    {"=", true, true},
    {"==", false, true},
    {"1:30", true, true},
    {"1:30:00.5", true, true},
    {"-1:30", true, true},
    {"a:30", false, true},
    {"0o17", true, true},
    {"0b101", true, true},
    {"0x1F", true, true},
    {"0B", false, true},
    {"0b", false, true},
    {"010", true, true},
    {"00", true, true},
    {"0", false, true},
    {"08", true, true},
    {"1_000", true, true},
    {"1_000B", false, true},
    {"1e3", true, true},
    {"1.5E-3", true, true},
    {"1.e3", true, true},
    {"1e", false, true},
    {"1e3s", false, true},
    {"2010-01-01", true, true},
    {"2010-1-1", true, true},
    {"2010-01-01T00:00:00Z", true, true},
    {"2010-01", false, true},
    {"2010-01-01x", false, true},
    {"node1..node2", false, false},
    {"web.node == node2", false, false},
    {"a: b", false, true},
    {"a #b", false, true},
    {"[a]", false, true},
    {"a, b", false, true},
    {"- a", false, true},
    {"a b", false, false},
    {" a", false, true},
    {"a ", false, true},
    {"a\nb", false, true},
    {"'a'", false, true},
    {"traces/redis.pwt.gz", false, false},
    {"(a.b)", false, true},
    {"*a", false, true},
    {"a*b", false, false},
    {"caf\xc3\xa9", false, true},
};

Test(words, plain_scalars_mean_the_same_to_all_readers)
{
    for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
        cr_expect_eq(yaml_plain_ambiguity(words[i].text) != NULL, words[i].ambiguous, "'%s'",
                     words[i].text);
        cr_expect_eq(yaml_needs_quotes(words[i].text), words[i].quoted, "'%s'", words[i].text);
    }
}

static const struct {
    const char *text;
    uint32_t count; /* 0: refused */
    const char *first, *last;
} ranges[] = {
    {"web", 1, "web", "web"},
    {"web-1_x", 1, "web-1_x", "web-1_x"},
    {"node7", 1, "node7", "node7"},
    {"node1..node16", 16, "node1", "node16"},
    {"node01..node16", 16, "node01", "node16"},
    {"n08..n11", 4, "n08", "n11"},
    {"n8..n11", 4, "n8", "n11"},
    {"n099..n101", 3, "n099", "n101"},
    {"rack2-node1..rack2-node3", 3, "rack2-node1", "rack2-node3"},
    {"n5..n5", 1, "n5", "n5"},
    {"n0..n4095", 4096, "n0", "n4095"},
    {"n0..n4096", 0, NULL, NULL},
    {"n5..n4", 0, NULL, NULL},
    {"n1..m2", 0, NULL, NULL},
    {"n..m", 0, NULL, NULL},
    {"n1..", 0, NULL, NULL},
    {"..n1", 0, NULL, NULL},
    {"n1..n2..n3", 0, NULL, NULL},
    {"n1.n2", 0, NULL, NULL},
    {"", 0, NULL, NULL},
    {"1n", 0, NULL, NULL},
    {"a b", 0, NULL, NULL},
    {"a*", 0, NULL, NULL},
    {"a/b", 0, NULL, NULL},
    {"n99999999999999999999..n99999999999999999999", 0, NULL, NULL},
};

Test(words, ranges)
{
    for (size_t i = 0; i < sizeof(ranges) / sizeof(ranges[0]); i++) {
        struct name_range range;
        const char *error = NULL;
        char name[NAME_BYTES_MAX + 1];
        bool read = name_range_parse(ranges[i].text, &range, &error);
        cr_expect_eq(read, ranges[i].count > 0, "'%s'", ranges[i].text);
        if (!read) {
            cr_expect_not_null(error);
            continue;
        }
        cr_expect_eq(range.count, ranges[i].count, "'%s'", ranges[i].text);
        name_range_get(&range, 0, name);
        cr_expect_str_eq(name, ranges[i].first);
        name_range_get(&range, range.count - 1, name);
        cr_expect_str_eq(name, ranges[i].last);
    }
    char longest[NAME_BYTES_MAX + 2];
    struct name_range range;
    const char *error;
    memset(longest, 'a', sizeof(longest));
    longest[NAME_BYTES_MAX + 1] = '\0';
    cr_expect(!name_range_parse(longest, &range, &error));
    longest[NAME_BYTES_MAX] = '\0';
    cr_expect(name_range_parse(longest, &range, &error));
}

/* In this order; each compares with each. */
static const char *const ordered[] = {"Z",     "a",     "a-1",   "a0",     "a01",    "a1",
                                      "a2",    "a10",   "a010b", "a10b",   "ab",     "b",
                                      "node1", "node2", "node9", "node10", "node16", "node100"};

Test(words, names_are_ordered_by_number)
{
    size_t count = sizeof(ordered) / sizeof(ordered[0]);
    for (size_t i = 0; i < count; i++) {
        for (size_t j = 0; j < count; j++) {
            int expected = i < j ? -1 : i > j;
            cr_expect_eq(name_compare(ordered[i], ordered[j]), expected, "%s and %s", ordered[i],
                         ordered[j]);
        }
    }
}

Test(words, nearest)
{
    static const char *const candidates[] = {"memory", "node",     "nics",
                                             "guest",  "announce", "vcpus"};
    static const struct {
        const char *wanted, *best;
    } cases[] = {
        {"memroy", "memory"}, {"memory", "memory"}, {"mem", NULL},           {"nod", "node"},
        {"nodes", "node"},    {"nic", "nics"},      {"anounce", "announce"}, {"colour", NULL},
        {"", NULL},           {"geust", "guest"},   {"Memory", "memory"},    {"NODE", "node"},
        {"usegt", NULL},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct nearest_word nearest;
        nearest_word_init(&nearest, cases[i].wanted);
        for (size_t j = 0; j < sizeof(candidates) / sizeof(candidates[0]); j++) {
            nearest_word_offer(&nearest, candidates[j]);
        }
        bool same = cases[i].best == NULL
                        ? nearest.best == NULL
                        : nearest.best != NULL && strcmp(nearest.best, cases[i].best) == 0;
        cr_expect(same, "'%s' is near '%s'", cases[i].wanted,
                  nearest.best == NULL ? "nothing" : nearest.best);
    }
}

Test(words, quotes_are_clean_and_bounded)
{
    static const struct {
        const char *text, *quoted;
    } cases[] = {
        {"a", "'a'"},
        {"", "''"},
        {"a\nb\tc", "'a b c'"},
        {"\x1b[31mred", "'?[31mred'"},
        {"caf\xc3\xa9", "'caf\xc3\xa9'"},
        {"\xc3", "'?'"},
        {"\xed\xa0\x80", "'?"
                         "?"
                         "?'"},
        {"\xc2\x9b", "'?"
                     "?'"},
    };
    char quoted[DIAGNOSTICS_QUOTE_BYTES], text[300];
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        cr_expect_str_eq(diagnostics_quote(cases[i].text, quoted), cases[i].quoted);
    }
    for (size_t length = 0; length < sizeof(text); length++) {
        memset(text, 'x', length);
        text[length] = '\0';
        diagnostics_quote(text, quoted);
        cr_expect_lt(strlen(quoted), sizeof(quoted));
        cr_expect_eq(quoted[strlen(quoted) - 1], '\'');
    }
}
