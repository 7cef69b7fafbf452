#include "testbed/name_range.h"

#include <string.h>

#include "sim/assert.h"
#include "testbed/yaml_tree.h"

static bool is_letter(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

bool name_is_reserved(const char *text)
{
    static const char *const words[] = {"and", "or",    "not", "true", "false", "null", "each",
                                        "any", "count", "min", "max",  "sum",   "avg"};
    for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
        if (strcmp(text, words[i]) == 0) {
            return true;
        }
    }
    return yaml_plain_ambiguity(text) != NULL;
}

/* Checks the characters of one name of `length` bytes. */
static bool name_check(const char *text, size_t length, const char **error)
{
    if (length == 0 || !is_letter(text[0])) {
        *error = "is not a name: names start with a letter";
        return false;
    }
    if (length > NAME_BYTES_MAX) {
        *error = "is longer than a name may be (63 characters)";
        return false;
    }
    for (size_t i = 0; i < length; i++) {
        if (text[i] == '*' || text[i] == '?' || text[i] == '[') {
            *error = "is a glob; write the name in full";
            return false;
        }
        if (!is_letter(text[i]) && !is_digit(text[i]) && text[i] != '-' && text[i] != '_') {
            *error = "is not a name: names hold letters, digits, '-' and '_'";
            return false;
        }
    }
    return true;
}

/* Splits "node12" into "node" and 12; false where there is no number, or one that no range could need. */
static bool name_split(const char *text, size_t length, size_t *prefix, uint64_t *number)
{
    size_t start = length;
    while (start > 0 && is_digit(text[start - 1])) {
        start--;
    }
    if (start == length || length - start > 18) {
        return false;
    }
    *prefix = start;
    *number = 0;
    for (size_t i = start; i < length; i++) {
        *number = *number * 10 + (uint64_t)(text[i] - '0');
    }
    return true;
}

static bool range_parse(const char *text, const char *dots, struct name_range *out,
                        const char **error)
{
    size_t first_length = (size_t)(dots - text);
    const char *last_text = dots + 2;
    size_t last_length = strlen(last_text);
    size_t first_prefix, last_prefix;
    uint64_t last;
    if (!name_check(text, first_length, error) || !name_check(last_text, last_length, error)) {
        return false;
    }
    if (!name_split(text, first_length, &first_prefix, &out->first) ||
        !name_split(last_text, last_length, &last_prefix, &last)) {
        *error = "is not a range: both ends need a number, as in node1..node4";
        return false;
    }
    if (first_prefix != last_prefix || memcmp(text, last_text, first_prefix) != 0) {
        *error =
            "is not a range: both ends need the same letters before the number, as in node1..node4";
        return false;
    }
    if (last < out->first) {
        *error = "is not a range: the numbers must rise";
        return false;
    }
    if (last - out->first >= NAME_RANGE_COUNT_MAX) {
        *error = "is too large a range (4096 names at most)";
        return false;
    }
    size_t digits = first_length - first_prefix;
    out->width = text[first_prefix] == '0' ? (uint32_t)digits : 1;
    out->count = (uint32_t)(last - out->first) + 1;
    out->numbered = true;
    memcpy(out->prefix, text, first_prefix);
    out->prefix[first_prefix] = '\0';
    return true;
}

bool name_range_parse(const char *text, struct name_range *out, const char **error)
{
    *out = (struct name_range){.count = 1};
    const char *dots = strstr(text, "..");
    if (dots != NULL) {
        return range_parse(text, dots, out, error);
    }
    size_t length = strlen(text);
    if (!name_check(text, length, error)) {
        return false;
    }
    memcpy(out->prefix, text, length + 1);
    return true;
}

void name_range_get(const struct name_range *range, uint32_t index, char out[NAME_BYTES_MAX + 1])
{
    SIM_ASSERT(index < range->count);
    if (!range->numbered) {
        memcpy(out, range->prefix, NAME_BYTES_MAX + 1);
        return;
    }
    /* Written backwards: the digits, zeros up to the width, the prefix. name_range_parse made sure that all of it fits. */
    char digits[24];
    uint32_t digit_count = 0;
    for (uint64_t number = range->first + index; number > 0 || digit_count == 0; number /= 10) {
        digits[digit_count++] = (char)('0' + number % 10);
    }
    size_t used = strlen(range->prefix);
    memcpy(out, range->prefix, used);
    for (uint32_t zeros = digit_count; zeros < range->width; zeros++) {
        out[used++] = '0';
    }
    while (digit_count > 0) {
        out[used++] = digits[--digit_count];
    }
    SIM_ASSERT(used <= NAME_BYTES_MAX);
    out[used] = '\0';
}

/* The last `*` is where matching goes on, one character further, after a mismatch: no other needs to be tried again, for what stands
 * before it has matched the shortest way. But `limit` ends what a `*` may stand for, and is no `?`. */
static bool glob_matches(const char *glob, const char *text, char limit)
{
    const char *star = NULL, *from = NULL;
    while (*text != '\0') {
        if (*glob == '*') {
            star = ++glob;
            from = text;
        } else if (*glob == *text || (*glob == '?' && *text != limit)) {
            glob++;
            text++;
        } else if (star != NULL && *from != limit) {
            glob = star;
            text = ++from;
        } else {
            return false;
        }
    }
    while (*glob == '*') {
        glob++;
    }
    return *glob == '\0';
}

bool name_glob_matches(const char *glob, const char *name)
{
    return glob_matches(glob, name, '/');
}

bool text_glob_matches(const char *glob, const char *text)
{
    return glob_matches(glob, text, '\0'); /* the end of the text is never reached inside */
}

int name_compare(const char *a, const char *b)
{
    const char *x = a, *y = b;
    while (*x != '\0' && *y != '\0') {
        if (is_digit(*x) && is_digit(*y)) {
            const char *x_number = x + strspn(x, "0"), *y_number = y + strspn(y, "0");
            size_t x_digits = strspn(x_number, "0123456789"),
                   y_digits = strspn(y_number, "0123456789");
            if (x_digits != y_digits) {
                return x_digits < y_digits ? -1 : 1;
            }
            int order = memcmp(x_number, y_number, x_digits);
            if (order != 0) {
                return order < 0 ? -1 : 1;
            }
            x = x_number + x_digits;
            y = y_number + y_digits;
        } else if (*x != *y) {
            return (unsigned char)*x < (unsigned char)*y ? -1 : 1;
        } else {
            x++;
            y++;
        }
    }
    if (*x != *y) {
        return *x == '\0' ? -1 : 1;
    }
    /* The same but for leading zeros: n1 and n01 are two names. */
    int order = strcmp(a, b);
    return order < 0 ? -1 : order > 0;
}
