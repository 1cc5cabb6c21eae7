/* The AT port on a serial device (UART, USB adapter). */
#ifndef PORTS_LINUX_SERIAL_H
#define PORTS_LINUX_SERIAL_H

#include "ports/linux/connector.h"

/* Opens the device exclusively, 115200 8N1 without flow control. NULL with a line of text in why. */
lx_connector *lx_serial_open(const char *device, char *why, size_t room);

#endif
