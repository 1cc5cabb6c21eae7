/* mDNS messages of others, through the stack, at every stage of the responder's life. The input is
 * pieces: two length bytes (the upper bits say whether it comes from port 5353, to the group, and how
 * much time passes before it), then a message. */
#include "net/mdns_host.h"
#include "stack.h"

#include "core/bytes.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define GROUP 0xE00000FBu

static void nothing(void *arg)
{
    *(bool *)arg = true;
}

static void pass_ms(uint64_t ms)
{
    at_timer timer;
    bool over = false;

    at_timer_init(&timer, nothing, &over);
    at_timer_in(&stack.loop, &timer, ms * 1000);
    while (!over)
        stack_turn();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    at_mdns_service service = {
        .host = "espressif", .instance = "my.instance", .type = "_iot", .proto = "_tcp", .port = 80
    };
    at_mdns_host *host;

    if (stack.net == NULL)
        stack_start();
    (void)at_mdns_add_txt(&service, "key", "value");
    if (at_mdns_host_open(stack.net, &service, &host) != AT_OK)
        abort();
    for (size_t at = 0; at + 2 <= size;) {
        size_t len = AT_MIN((size_t)(data[at] & 7) << 8 | data[at + 1], size - at - 2);

        len = AT_MIN(len, 1400u);
        pass_ms((data[at] >> 5) * 300u);
        stack_datagram((data[at] & 8) != 0 ? STACK_IP : GROUP, (data[at] & 16) != 0 ? 40000 : 5353,
                       5353, data + at + 2, len);
        at += len + 2;
    }
    pass_ms(100);
    at_mdns_host_close(host);
    return 0;
}
