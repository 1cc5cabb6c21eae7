/* The AT port on standard input and output. */
#ifndef PORTS_LINUX_STDIO_PORT_H
#define PORTS_LINUX_STDIO_PORT_H

#include "ports/linux/connector.h"

/* The end of standard input ends the port, and with it the run, once the module has nothing more to
 * say. NULL: no memory. */
lx_connector *lx_stdio_open(void);

#endif
