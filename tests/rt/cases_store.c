#include "tests/rt/parts.h"

#include <string.h>

static enum rt_error put(struct rt_part *part, const char *key, const char *value)
{
    return rt_store_put(part->rt, key, value, (uint32_t)strlen(value), after(part, RT_CASE_S));
}

static bool holds(struct rt_part *part, const char *key, const char *value)
{
    char bytes[32] = "";
    uint32_t length = 0;
    enum rt_error err = rt_store_get(part->rt, key, bytes, sizeof bytes, &length);
    if (value == NULL) {
        return err == RT_NOT_FOUND;
    }
    return err == RT_OK && length == strlen(value) && memcmp(bytes, value, length) == 0;
}

static void stores(struct rt_part *part)
{
    CHECK(part, holds(part, "a", NULL));
    CHECK(part, put(part, "a", "one") == RT_OK);
    CHECK(part, holds(part, "a", "one"));
    CHECK(part, put(part, "a", "two") == RT_OK);
    CHECK(part, holds(part, "a", "two"));
    CHECK(part, put(part, "empty", "") == RT_OK);
    CHECK(part, holds(part, "empty", ""));
    CHECK(part, rt_store_remove(part->rt, "a", after(part, RT_CASE_S)) == RT_OK);
    CHECK(part, holds(part, "a", NULL));
    CHECK(part, rt_store_remove(part->rt, "a", after(part, RT_CASE_S)) == RT_OK);
    CHECK(part, rt_store_remove(part->rt, "empty", after(part, RT_CASE_S)) == RT_OK);
}

static void has_limits(struct rt_part *part)
{
    struct rt *rt = part->rt;
    char key[80], small[3];
    uint32_t length = 0;
    uint8_t *bytes = rt_alloc(rt, 5000);
    rt_time deadline = after(part, RT_CASE_S);
    memset(key, 'k', sizeof key);
    key[64] = 0;
    CHECK(part, rt_store_put(rt, key, "x", 1, deadline) == RT_INVALID);
    key[63] = 0;
    CHECK(part, rt_store_put(rt, key, "x", 1, deadline) == RT_OK);
    CHECK(part, rt_store_remove(rt, key, deadline) == RT_OK);
    CHECK(part, rt_store_put(rt, "big", bytes, 4097, deadline) == RT_INVALID);
    CHECK(part, rt_store_put(rt, "big", bytes, 4096, deadline) == RT_OK);
    CHECK(part, rt_store_get(rt, "big", small, sizeof small, &length) == RT_INVALID);
    CHECK(part, rt_store_get(rt, "big", bytes, 5000, &length) == RT_OK);
    CHECK(part, length == 4096);
    CHECK(part, rt_store_remove(rt, "big", deadline) == RT_OK);
    CHECK(part, rt_store_put(rt, "late", "x", 1, rt_now(rt)) == RT_TIMED_OUT);
    CHECK(part, rt_store_remove(rt, "late", deadline) == RT_OK); /* it may have happened */
    rt_free(rt, bytes);
}

static void walks(struct rt_part *part)
{
    static const char *const keys[] = {"b/3", "b/1", "a", "b/2", "c", "b", "bb"};
    char key[64] = "";
    for (uint32_t i = 0; i < 7; i++) {
        CHECK(part, put(part, keys[i], "x") == RT_OK);
    }
    CHECK(part, rt_store_next(part->rt, "b/", "", key, sizeof key) == RT_OK);
    CHECK(part, strcmp(key, "b/1") == 0);
    CHECK(part, rt_store_next(part->rt, "b/", "b/1", key, sizeof key) == RT_OK);
    CHECK(part, strcmp(key, "b/2") == 0);
    CHECK(part,
          rt_store_next(part->rt, "b/", "b/2a", key, sizeof key) == RT_OK); /* not there itself */
    CHECK(part, strcmp(key, "b/3") == 0);
    CHECK(part, rt_store_next(part->rt, "b/", "b/3", key, sizeof key) == RT_NOT_FOUND);
    CHECK(part, rt_store_next(part->rt, "d", "", key, sizeof key) == RT_NOT_FOUND);
    CHECK(part, rt_store_next(part->rt, "", "bb", key, sizeof key) == RT_OK);
    CHECK(part, strcmp(key, "c") == 0);
    for (uint32_t i = 0; i < 7; i++) {
        CHECK(part, rt_store_remove(part->rt, keys[i], after(part, RT_CASE_S)) == RT_OK);
    }
    CHECK(part, rt_store_next(part->rt, "", "", key, sizeof key) == RT_NOT_FOUND);
}

const struct rt_case rt_cases_store[] = {
    {"values are put, got and removed", stores, NULL},
    {"keys and values have limits", has_limits, NULL},
    {"keys are walked in their order", walks, NULL},
    {0},
};
