/* Answers of a time server, through the stack. The input is pieces: a length byte, then an answer;
 * its bit 7 says whether the nonce of the request is put where it belongs. Whatever comes, the clock
 * is not set to before 1970 and the next question is asked. */
#include "net/sntp.h"
#include "stack.h"

#include "core/bytes.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static int64_t offset_us;

static void on_time(void *owner)
{
    (void)owner;
    if (offset_us + (int64_t)stack.now_us < 0)
        __builtin_trap();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const char *const servers[] = { "192.168.3.102" };
    static at_sntp *sntp;
    at_sntp_config config = { .date_offset_us = &offset_us, .on_time = on_time };

    if (stack.net == NULL) {
        stack_start();
        config.net = stack.net;
        sntp = at_sntp_create(&config);
        if (sntp == NULL)
            abort();
        at_sntp_online(sntp, true);
    }
    at_sntp_start(sntp, servers, 1);
    for (size_t at = 0; at < size;) {
        uint8_t answer[127];
        size_t len = AT_MIN((size_t)(data[at] & 0x7F), size - at - 1);
        bool right = (data[at] & 0x80) != 0;

        at++;
        stack_turn();
        memcpy(answer, data + at, len);
        if (right && len >= 32 && stack.sent_len == 48)
            memcpy(answer + 24, stack.sent + 40, 8);
        stack_datagram(STACK_IP, 123, stack.from_port, answer, len);
        at += len;
    }
    at_sntp_stop(sntp);
    return 0;
}
