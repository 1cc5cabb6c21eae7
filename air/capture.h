/* The bytes of a capture file (libpcap format 2.4, LINKTYPE_ETHERNET, microseconds). */
#ifndef AIR_CAPTURE_H
#define AIR_CAPTURE_H

#include <stddef.h>
#include <stdint.h>

/* write takes all bytes of one call; a record is two calls: header, frame. */
typedef struct at_capture {
    void (*write)(void *ctx, const void *data, size_t len);
    void *ctx;
} at_capture;

void at_capture_start(const at_capture *capture); /* the file's header, once */
/* wall_us: microseconds since 1970. */
void at_capture_frame(const at_capture *capture, uint64_t wall_us, const uint8_t *frame,
                      size_t len);

#endif
