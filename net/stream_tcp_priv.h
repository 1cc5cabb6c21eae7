/* Between stream_tcp.c and stream_listen.c. */
#ifndef NET_STREAM_TCP_PRIV_H
#define NET_STREAM_TCP_PRIV_H

#include "net/stream_tcp.h"

struct tcp_pcb;

/* A stream over a connected pcb, for lwIP's accept callback; NULL: no memory, the pcb is not
 * touched. It keeps its events until it has an owner and is announced. */
at_stream *tcp_stream_adopt(at_net *net, struct tcp_pcb *pcb, const at_stream_options *options);
/* Tells the events so far from a task. */
void tcp_stream_announce(at_stream *stream);

#endif
