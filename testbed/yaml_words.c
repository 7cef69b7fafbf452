/* testbed/yaml_words.c - which plain scalars YAML 1.1 and 1.2 take for different things (Y3 of yaml_tree.h). */
#include <string.h>

#include "testbed/yaml_tree.h"

/* YAML 1.1, "Boolean Language-Independent Type": these are truth values there and words in the Core Schema of 1.2. */
static const char *const truth_words[] = {"y",  "Y",  "yes", "Yes", "YES", "n",   "N",   "no",
                                          "No", "NO", "on",  "On",  "ON",  "off", "Off", "OFF"};

static size_t skip(const char *text, const char *set)
{
    return strspn(text, set);
}

static bool is_digits(const char *text, size_t length)
{
    return length > 0 && strspn(text, "0123456789") >= length;
}

/* YAML 1.1, "Timestamp": YYYY-MM-DD, or a longer form that begins with year, month and day. */
static bool is_timestamp(const char *text)
{
    size_t year = skip(text, "0123456789");
    if (year != 4 || text[4] != '-') {
        return false;
    }
    size_t month = skip(text + 5, "0123456789");
    if (month < 1 || month > 2 || text[5 + month] != '-') {
        return false;
    }
    const char *day = text + 6 + month;
    size_t day_digits = skip(day, "0123456789");
    const char *rest = day + day_digits;
    return day_digits >= 1 && day_digits <= 2 && (*rest == '\0' || strchr("Tt \t", *rest) != NULL);
}

/* Digits with colons: base 60 in YAML 1.1, a word in 1.2. */
static bool is_base_60(const char *text)
{
    return strchr(text, ':') != NULL && text[skip(text, "0123456789_:.")] == '\0';
}

static const char *number_ambiguity(const char *text)
{
    const char *at = text + (*text == '-' || *text == '+');
    size_t length = strlen(at);
    if (length == 0 || (strchr("0123456789", *at) == NULL && *at != '.')) {
        return NULL;
    }
    if (is_base_60(at)) {
        return "is a number to base 60 in YAML 1.1 and a word in YAML 1.2; write a quantity with "
               "its unit, or quote it";
    }
    if (at[0] == '0' && length > 2 && strchr("bBoOxX", at[1]) != NULL &&
        at[2 + skip(at + 2, "0123456789abcdefABCDEF_")] == '\0') {
        return "is read differently by YAML 1.1 and 1.2; write the number in decimal, or quote it";
    }
    if (at[0] == '0' && is_digits(at, length) && length > 1) {
        return "is octal in YAML 1.1 and decimal in YAML 1.2; leave the leading zero out, or quote "
               "it";
    }
    if (strchr(at, '_') != NULL && at[skip(at, "0123456789_.")] == '\0') {
        return "is a number in YAML 1.1 and a word in YAML 1.2; leave the underscores out, or "
               "quote it";
    }
    size_t mantissa = skip(at, "0123456789._");
    if (mantissa > 0 && (at[mantissa] == 'e' || at[mantissa] == 'E')) {
        const char *exponent = at + mantissa + 1;
        exponent += *exponent == '-' || *exponent == '+';
        if (is_digits(exponent, strlen(exponent))) {
            return "is read differently by YAML 1.1 and 1.2; write the number without an exponent, "
                   "or quote it";
        }
    }
    return NULL;
}

const char *yaml_plain_ambiguity(const char *text)
{
    for (size_t i = 0; i < sizeof(truth_words) / sizeof(truth_words[0]); i++) {
        if (strcmp(text, truth_words[i]) == 0) {
            return "is a truth value in YAML 1.1 and a word in YAML 1.2; quote it";
        }
    }
    if (strcmp(text, "<<") == 0) {
        return "merges maps in YAML 1.1 and is a word in YAML 1.2; repeat the values instead";
    }
    if (strcmp(text, "=") == 0) {
        return "has a meaning of its own in YAML 1.1; quote it";
    }
    if (is_timestamp(text)) {
        return "is a date in YAML 1.1 and a word in YAML 1.2; quote it";
    }
    return number_ambiguity(text);
}

/* Characters that a plain scalar can hold anywhere, also in `[...]` and `{...}`, without a meaning of their own. */
static const char plain_characters[] =
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"
    "_-./+()<>=!%;@^$~*";

bool yaml_needs_quotes(const char *text)
{
    if (*text == '\0' || yaml_plain_ambiguity(text) != NULL) {
        return true;
    }
    static const char *const reserved[] = {"null", "Null",  "NULL",  "true", "True",
                                           "TRUE", "false", "False", "FALSE"};
    for (size_t i = 0; i < sizeof(reserved) / sizeof(reserved[0]); i++) {
        if (strcmp(text, reserved[i]) == 0) {
            return true;
        }
    }
    /* A plain number would be read as one; a caller that means a number does not ask. A first character that YAML gives
     * a meaning to (indicators, `---`, `...`) is quoted as well. */
    if (strchr("0123456789+-.!%@*~<>=;^$()", *text) != NULL) {
        return true;
    }
    size_t length = strlen(text);
    for (size_t i = 0; i < length; i++) {
        bool space_inside =
            text[i] == ' ' && i > 0 && i + 1 < length && text[i + 1] != '#' && text[i + 1] != ' ';
        if (strchr(plain_characters, text[i]) == NULL && !space_inside) {
            return true;
        }
    }
    return false;
}
