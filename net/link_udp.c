/* Links over a datagram endpoint.
 *
 * The endpoint is bound when opening starts, so a local port in use is found out at once. It hears
 * every sender in every mode; the mode only decides whom the link answers (guide 3.3.6):
 *
 *   0  the host and port that were given
 *   1  those of the first datagram that comes from somebody else, from then on
 *   2  those of the last datagram that came
 *
 * A group address as the remote host makes the endpoint join the group. Datagrams that arrive
 * before the name is resolved wait in the queue.
 */
#include "net/link_priv.h"

static void on_sender(void *owner, const at_addr *from, uint16_t port)
{
    net_link *link = owner;
    bool other = !at_addr_equal(from, &link->remote) || port != link->remote_port;

    if (link->state != AT_LINK_OPEN || !other)
        return;
    if (link->udp_mode == 2 || (link->udp_mode == 1 && !link->udp_changed)) {
        link->remote = *from;
        link->remote_port = port;
        link->udp_changed = true;
    }
}

static void on_readable(void *owner)
{
    net_link *link = owner;

    if (link->state == AT_LINK_OPEN)
        link_event(link, AT_LINK_READABLE, AT_OK);
}

at_err link_udp_open(net_link *link)
{
    at_datagram_params params = {
        .v6 = at_link_type_is_v6(link->type),
        .local = link->local,
        .local_port = link->local_port,
        .limit = net_window(link->links->net),
        .on_sender = on_sender,
        .on_readable = on_readable,
        .owner = link,
    };
    at_err err = at_datagram_open(link->links->net, &params, &link->datagram);

    if (err == AT_OK)
        link->local_port = at_datagram_port(link->datagram);
    return err;
}

at_err link_udp_connect(net_link *link)
{
    uint32_t life = link->life;

    if (at_addr_is_multicast(&link->remote)) {
        at_err err = at_datagram_join(link->datagram, &link->remote);

        if (err != AT_OK)
            return err;
    }
    at_timer_stop(link->links->loop, &link->deadline);
    link_set_state(link, AT_LINK_OPEN);
    link_event(link, AT_LINK_OPENED, AT_OK);
    if (link->life == life && link->state == AT_LINK_OPEN &&
        at_datagram_buffered(link->datagram) > 0)
        link_event(link, AT_LINK_READABLE, AT_OK);
    return AT_OK;
}
