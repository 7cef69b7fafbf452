#include "sim/rt_side.h"

#include <stdlib.h>
#include <string.h>

#define KEY_BYTES_MAX   64u
#define VALUE_BYTES_MAX 4096u

/* A sorted list: a node has a handful of keys. */
struct item {
    struct item *next;
    char key[KEY_BYTES_MAX];
    uint32_t length;
    uint8_t bytes[];
};
struct node_store {
    struct item *first;
    bool full;
};

struct node_store *node_store_new(void)
{
    struct node_store *store = calloc(1, sizeof *store);
    SIM_ASSERT(store != NULL);
    return store;
}

void node_store_free(struct node_store *store)
{
    for (struct item *item = store->first; item != NULL;) {
        struct item *next = item->next;
        free(item);
        item = next;
    }
    free(store);
}

void node_store_set_full(struct node_store *store, bool full)
{
    store->full = full;
}

/* The link to the first item whose key is not below `key`. */
static struct item **place_of(struct node_store *store, const char *key)
{
    struct item **link = &store->first;
    while (*link != NULL && strcmp((*link)->key, key) < 0) {
        link = &(*link)->next;
    }
    return link;
}

static void remove_key(struct node_store *store, const char *key)
{
    struct item **link = place_of(store, key);
    if (*link != NULL && strcmp((*link)->key, key) == 0) {
        struct item *item = *link;
        *link = item->next;
        free(item);
    }
}

static void put_key(struct node_store *store, const char *key, const void *bytes, uint32_t length)
{
    struct item *item = calloc(1, sizeof *item + length);
    SIM_ASSERT(item != NULL);
    memcpy(item->key, key, strlen(key));
    item->length = length;
    memcpy(item->bytes, bytes, length);
    remove_key(store, key);
    struct item **link = place_of(store, key);
    item->next = *link;
    *link = item;
}

/* A write takes its time, and is durable half-way through: a crash in the first half loses it, in the second half it has happened and
 * nobody was told (rt.h R4). The wait cannot be cut short by a signal, only by the task's end. */
static enum rt_error wait_half(struct rt_side *side, rt_time deadline)
{
    rt_time until = machine_now(side->machine) + side->costs->store_write / 2;
    if (until > deadline) {
        return RT_TIMED_OUT;
    }
    return task_sleep_until(until) == TASK_CANCELLED ? RT_CANCELLED : RT_OK;
}

static enum rt_error store_put(struct rt *rt, const char *key, const void *bytes, uint32_t length,
                               rt_time deadline)
{
    struct rt_side *side = rt_side_of(rt);
    if (strlen(key) >= KEY_BYTES_MAX || length > VALUE_BYTES_MAX) {
        return RT_INVALID;
    }
    rt_side_charge(side->costs->call);
    rt_side_pay(rt_side_of(rt));
    enum rt_error err = wait_half(side, deadline);
    if (err != RT_OK) {
        return err;
    }
    if (side->store->full) {
        return RT_NO_SPACE;
    }
    put_key(side->store, key, bytes, length);
    return wait_half(side, deadline);
}

static enum rt_error store_get(struct rt *rt, const char *key, void *bytes, uint32_t capacity,
                               uint32_t *length)
{
    struct rt_side *side = rt_side_of(rt);
    rt_side_charge(side->costs->call);
    const struct item *item = *place_of(side->store, key);
    if (item == NULL || strcmp(item->key, key) != 0) {
        return RT_NOT_FOUND;
    }
    if (item->length > capacity) {
        return RT_INVALID;
    }
    memcpy(bytes, item->bytes, item->length);
    *length = item->length;
    return RT_OK;
}

static enum rt_error store_remove(struct rt *rt, const char *key, rt_time deadline)
{
    struct rt_side *side = rt_side_of(rt);
    rt_side_charge(side->costs->call);
    rt_side_pay(rt_side_of(rt));
    enum rt_error err = wait_half(side, deadline);
    if (err != RT_OK) {
        return err;
    }
    remove_key(side->store, key);
    return wait_half(side, deadline);
}

static enum rt_error store_next(struct rt *rt, const char *prefix, const char *after, char *key,
                                uint32_t capacity)
{
    struct rt_side *side = rt_side_of(rt);
    size_t prefix_length = strlen(prefix);
    rt_side_charge(side->costs->call);
    const struct item *item = *place_of(side->store, after);
    while (item != NULL &&
           (strcmp(item->key, after) == 0 || strncmp(item->key, prefix, prefix_length) != 0)) {
        item = item->next;
    }
    if (item == NULL) {
        return RT_NOT_FOUND;
    }
    size_t length = strlen(item->key);
    if (length >= capacity) {
        return RT_INVALID;
    }
    memcpy(key, item->key, length + 1);
    return RT_OK;
}

const struct rt_store_table rt_store_table = {
    .put = store_put,
    .get = store_get,
    .remove = store_remove,
    .next = store_next,
};
