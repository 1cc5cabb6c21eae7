/* The classic libpcap file, in the byte order of big-endian machines everywhere.
 *
 * The magic number tells a reader the order, so one order is enough, and files are the same bytes
 * on every machine. Frames are whole (they are never longer than the snap length).
 */
#include "air/capture.h"

#include "core/bytes.h"

#define MAGIC_MICROSECONDS 0xA1B2C3D4u
#define SNAP_LENGTH        65535u
#define LINKTYPE_ETHERNET  1u

void at_capture_start(const at_capture *capture)
{
    uint8_t header[24];
    at_builder b = at_builder_of(header, sizeof header);

    at_put32(&b, MAGIC_MICROSECONDS);
    at_put16(&b, 2);
    at_put16(&b, 4);
    at_put32(&b, 0); /* times are UTC */
    at_put32(&b, 0);
    at_put32(&b, SNAP_LENGTH);
    at_put32(&b, LINKTYPE_ETHERNET);
    capture->write(capture->ctx, header, at_built(&b));
}

void at_capture_frame(const at_capture *capture, uint64_t wall_us, const uint8_t *frame, size_t len)
{
    uint8_t header[16];
    at_builder b = at_builder_of(header, sizeof header);
    uint32_t kept = (uint32_t)AT_MIN(len, (size_t)SNAP_LENGTH);

    at_put32(&b, (uint32_t)(wall_us / 1000000u));
    at_put32(&b, (uint32_t)(wall_us % 1000000u));
    at_put32(&b, kept);
    at_put32(&b, (uint32_t)len);
    capture->write(capture->ctx, header, at_built(&b));
    capture->write(capture->ctx, frame, kept);
}
