/* Our own address type: public headers of net/ do not show lwIP's. */
#ifndef NET_ADDR_H
#define NET_ADDR_H

#include <stdbool.h>
#include <stdint.h>

#include "core/error.h"

typedef enum at_family { AT_FAMILY_NONE, AT_IPV4, AT_IPV6 } at_family;

/* bytes in network order; 4 or 16 of them count. */
typedef struct at_addr {
    uint8_t family; /* at_family */
    uint8_t zone;   /* IPv6 link-local: interface, 0: not known, equals any */
    uint8_t bytes[16];
} at_addr;

#define AT_ADDR_TEXT 46u /* longest text with its end */

at_addr at_addr_v4(uint8_t a, uint8_t b, uint8_t c, uint8_t d);
bool at_addr_parse(const char *text, at_addr *addr); /* dotted IPv4 or RFC 4291 IPv6 text */
void at_addr_format(const at_addr *addr, char text[AT_ADDR_TEXT]); /* "0.0.0.0" for none */
bool at_addr_equal(const at_addr *a, const at_addr *b);
bool at_addr_is_any(const at_addr *addr);       /* none, 0.0.0.0 or :: */
bool at_addr_is_multicast(const at_addr *addr); /* 224.0.0.0/4, ff00::/8 */
/* Good on one link only: IPv6 link-local (fe80::/10) and groups of link or interface scope. */
bool at_addr_is_local(const at_addr *addr);
bool at_addr_is_broadcast(const at_addr *addr); /* 255.255.255.255 */

#endif
