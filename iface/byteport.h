/* The AT port: a byte stream in both directions with flow control. One implementation per transport
 * (pseudo-terminal, serial device, TCP, stdio, SPI framing, UART registers). */
#ifndef IFACE_BYTEPORT_H
#define IFACE_BYTEPORT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Values as in AT+UART_CUR (guide 3.1.11). */
typedef struct at_uart_settings {
    uint32_t baud;  /* bits per second, 80..5000000 */
    uint8_t data;   /* data bits, 5..8 */
    uint8_t stop;   /* 1: one, 2: one and a half, 3: two */
    uint8_t parity; /* 0 none, 1 odd, 2 even */
    uint8_t flow;   /* bit 0 RTS, bit 1 CTS */
} at_uart_settings;

typedef struct at_byteport at_byteport;

typedef struct at_byteport_ops {
    /* Reads what is there. Returns the number of bytes, 0 when there is nothing now. A peer that
     * went away reads as nothing: a UART has no end. */
    size_t (*read)(at_byteport *port, uint8_t *buf, size_t room);
    /* Takes up to len bytes, returns how many. A port that nobody listens to takes them all. */
    size_t (*write)(at_byteport *port, const uint8_t *data, size_t len);
    /* Says which events the owner wants: readable is reported while want_read, writable once when
     * room appears while want_write. Both start as false. */
    void (*want)(at_byteport *port, bool want_read, bool want_write);
    /* True when everything taken by write has left towards the peer. */
    bool (*drained)(at_byteport *port);
    /* Applies settings, called only when drained. Reports in *actual what the hardware really does.
     * Returns 0, or AT_ERR_INVALID when this port cannot do it. */
    int (*configure)(at_byteport *port, const at_uart_settings *wanted, at_uart_settings *actual);
} at_byteport_ops;

struct at_byteport {
    const at_byteport_ops *ops;
    void *ctx; /* the port's own */
    /* Set by the owner (core/session) before the first want(). */
    void (*on_readable)(void *owner);
    void (*on_writable)(void *owner);
    void *owner;
};

#endif
