#include "nic/tcp_fault.h"

#include "nic/tcp_private.h"

#define MATCHES_MAX 64u

/* What finds a connection again after callbacks have run. */
struct found {
    uint64_t addresses;
    uint32_t ports;
};

static uint32_t find_all(const struct tcp_layer *layer, const struct tcp_fault_match *match,
                         struct found *found)
{
    uint32_t count = 0;
    for (const struct tcp_connection *c = tcp_layer_next(layer, NULL);
         c != NULL && count < MATCHES_MAX; c = tcp_layer_next(layer, c)) {
        uint16_t local = (uint16_t)c->ports, peer = (uint16_t)(c->ports >> 16);
        if (c->in_table && (uint32_t)(c->addresses >> 32) == match->peer.v &&
            (match->server ? local : peer) == match->port && c->state != TCP_TIME_WAIT) {
            found[count++] = (struct found){c->addresses, c->ports};
        }
    }
    return count;
}

/* ---- resets ---------------------------------------------------------------------------------------------------------------- */

static struct frame *make_reset(struct tcp_layer *layer, const struct tcp_connection *c,
                                enum tcp_fault_reset reset)
{
    const struct ip_interface_options *interface =
        ip_stack_interface(layer->stack, c->path.interface);
    struct frame *frame = frame_new(layer->net->frames);
    uint64_t window = c->rcv_adv > c->rcv_nxt ? c->rcv_adv - c->rcv_nxt : 0;
    uint64_t sequence = c->rcv_nxt + (reset == TCP_FAULT_BLIND ? 1 + window / 2 : 0);
    frame->destination = interface->mac;
    frame->source =
        (struct mac){UINT64_C(0x02ff00000001)}; /* of nobody: a locally administered one */
    frame->ether_type = ETHER_IPV4;
    frame->protocol = IP_TCP;
    frame->ttl = 64;
    frame->ip_id = 0;
    frame->dont_fragment = true;
    frame->ip_source = (struct ip4){(uint32_t)(c->addresses >> 32)};
    frame->ip_destination = (struct ip4){(uint32_t)c->addresses};
    frame->tcp = (struct tcp_header){
        .source_port = (uint16_t)(c->ports >> 16),
        .destination_port = (uint16_t)c->ports,
        .sequence = (uint32_t)sequence,
        .window_scale = 0xff,
        .header_bytes = 20,
        .flags = TCP_RST,
    };
    if (c->state ==
        TCP_SYN_SENT) { /* RFC 9293, 3.10.7.3: there a RST counts with the ACK of the SYN alone */
        frame->tcp.flags = TCP_RST | TCP_ACK;
        frame->tcp.acknowledgment = (uint32_t)c->snd_start + (reset == TCP_FAULT_BLIND);
    }
    frame_seal(layer->net->frames, frame);
    return frame;
}

uint32_t tcp_fault_inject_reset(struct tcp_layer *layer, const struct tcp_fault_match *match,
                                enum tcp_fault_reset reset)
{
    struct found found[MATCHES_MAX];
    uint32_t count = find_all(layer, match, found), done = 0;
    SIM_ASSERT(layer->busy == 0);
    SIM_ASSERT(machine_runs(layer->machine));
    for (uint32_t i = 0; i < count; i++) {
        const struct tcp_connection *c = tcp_find(layer, found[i].addresses, found[i].ports);
        if (c != NULL) {
            struct frame_sink sink = ip_stack_sink(layer->stack, c->path.interface);
            sink.receive(sink.context, make_reset(layer, c, reset));
            done++;
        }
    }
    return done;
}

/* ---- forgetting ------------------------------------------------------------------------------------------------------------ */

uint32_t tcp_fault_forget(struct tcp_layer *layer, const struct tcp_fault_match *match)
{
    struct found found[MATCHES_MAX];
    uint32_t count = find_all(layer, match, found), done = 0;
    SIM_ASSERT(layer->busy == 0);
    SIM_ASSERT(machine_runs(layer->machine));
    tcp_clock(layer);
    for (uint32_t i = 0; i < count; i++) {
        struct tcp_connection *c = tcp_find(layer, found[i].addresses, found[i].ports);
        if (c != NULL) {
            tcp_event_begin(c);
            tcp_end_connection(c, TCP_END_ABORTED);
            tcp_event_end(c);
            done++;
        }
    }
    if (layer->deferred_first != NULL) {
        tcp_layer_settle(layer);
    }
    return done;
}

/* ---- SYNs ------------------------------------------------------------------------------------------------------------------- */

void tcp_syn_rule_add(struct net *net, struct tcp_syn_rule *rule)
{
    tcp_syn_rule_remove(net, rule);
    rule->next = net->syn_rules;
    net->syn_rules = rule;
}

void tcp_syn_rule_remove(struct net *net, struct tcp_syn_rule *rule)
{
    struct tcp_syn_rule **link = &net->syn_rules;
    while (*link != NULL && *link != rule) {
        link = &(*link)->next;
    }
    if (*link != NULL) {
        *link = rule->next;
    }
    rule->next = NULL;
}

const struct tcp_syn_rule *tcp_syn_rule_find(const struct net *net, const struct frame *frame)
{
    const struct tcp_syn_rule *rule = net->syn_rules;
    bool syn = (frame->tcp.flags & (TCP_SYN | TCP_ACK | TCP_RST)) == TCP_SYN;
    while (syn && rule != NULL &&
           (rule->from.v != frame->ip_source.v || rule->to.v != frame->ip_destination.v ||
            rule->port != frame->tcp.destination_port)) {
        rule = rule->next;
    }
    return syn ? rule : NULL;
}
