/* Every number the guide or the part fixes, with its source. Those that users may lift are defaults
 * of run-time options (module/module.h). */
#ifndef CORE_LIMITS_H
#define CORE_LIMITS_H

#define AT_LINE_MAX         256u  /* bytes of a command line with CRLF (guide 3.13, WIRE 2.1) */
#define AT_ARGS_MAX         27u   /* parameters of one command: AT+MDNS with ten pairs (3.3.38) */
#define AT_LINKS            5u    /* links 0..4 (guide 3.3.6); "all" is AT_LINKS */
#define AT_SEND_MAX         8192u /* CIPSEND, CIPSENDEX (guide 3.3.9) */
#define AT_CHUNK_MAX        2920u /* +IPD, passthrough, CIPSENDL blocks (guide 3.3.9, 3.3.33) */
#define AT_HOST_MAX         64u   /* remote host of CIPSTART (guide 3.3.6) */
#define AT_TCP_MSS          1440u /* bytes; the part's (linux-stack findings) */
#define AT_TCP_WINDOW       (4u * AT_TCP_MSS) /* 5760 (guide 3.3.33) */
#define AT_SSID_MAX         32u               /* bytes (IEEE 802.11) */
#define AT_PASSPHRASE_MAX   63u               /* bytes (guide 3.2.5) */
#define AT_HOSTNAME_MAX     32u               /* bytes (guide 3.2.26) */
#define AT_GUARD_MS         20u     /* silence around +++, and between packets (guide 3.3.8) */
#define AT_RX_RING          8192u   /* bytes kept for a data mode (guide 3.3.9: receives 8192) */
#define AT_RX_RESERVE       8192u   /* read only after the ring was full for AT_GUARD_MS: +++ */
#define AT_TX_BUFFER        16384u  /* bytes towards the host, one message must fit whole */
#define AT_MESSAGE_MAX      512u    /* bytes of one formatted message without bulk data */
#define AT_FIBER_STACK      32768u  /* bytes of the command fiber */
#define AT_RESTART_DRAIN_MS 3000u   /* TX drain before a restart (WIRE 1) */
#define AT_HEAP_NOMINAL     163840u /* bytes: what SYSRAM counts down from without --heap */

#endif
