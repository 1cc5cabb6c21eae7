/* The client's side of SNTP (RFC 4330).
 *
 * Judging an answer: it has to return the nonce of the request, or anybody could set our clock
 * without seeing our traffic; that counts for a kiss of death too. Only then its contents count: a
 * server that is not synchronised says so by its leap indicator or its stratum.
 */
#include "proto/sntp.h"

#include <string.h>

#include "core/bytes.h"

enum { MODE_CLIENT = 3, MODE_SERVER = 4, VERSION = 4, LEAP_ALARM = 3, STRATUM_MAX = 15 };

#define ORIGINATE 24u
#define RECEIVE   32u
#define TRANSMIT  40u
#define REFERENCE 12u /* of a kiss of death: its code */

#define UNIX_OF_1900 (-2208988800ll)
#define ERA_S        (1ll << 32)
#define SECOND_US    1000000ll

void at_sntp_request(uint8_t message[AT_SNTP_LEN], const uint8_t nonce[AT_SNTP_NONCE])
{
    memset(message, 0, AT_SNTP_LEN);
    message[0] = VERSION << 3 | MODE_CLIENT;
    memcpy(message + TRANSMIT, nonce, AT_SNTP_NONCE);
}

int64_t at_sntp_unix_us(uint32_t seconds, uint32_t fraction)
{
    int64_t unix_s = UNIX_OF_1900 + (int64_t)seconds;

    if (seconds < 0x80000000u)
        unix_s += ERA_S;
    return unix_s * SECOND_US + (int64_t)(((uint64_t)fraction * (uint64_t)SECOND_US) >> 32);
}

static int64_t stamp_us(const uint8_t *message, size_t at)
{
    at_reader r = at_reader_of(message + at, 8);
    uint32_t seconds = at_get32(&r);

    return at_sntp_unix_us(seconds, at_get32(&r));
}

static at_sntp_verdict kiss(const uint8_t *code)
{
    if (memcmp(code, "RATE", 4) == 0)
        return AT_SNTP_RATE;
    if (memcmp(code, "DENY", 4) == 0 || memcmp(code, "RSTR", 4) == 0)
        return AT_SNTP_DENIED;
    return AT_SNTP_UNUSABLE;
}

at_sntp_verdict at_sntp_judge(const uint8_t *message, size_t len,
                              const uint8_t nonce[AT_SNTP_NONCE], at_sntp_answer *answer)
{
    static const uint8_t none[8];
    unsigned leap, stratum;

    if (len < AT_SNTP_LEN || (message[0] & 7) != MODE_SERVER ||
        memcmp(message + ORIGINATE, nonce, AT_SNTP_NONCE) != 0)
        return AT_SNTP_FOREIGN;
    leap = message[0] >> 6;
    stratum = message[1];
    if (stratum == 0)
        return kiss(message + REFERENCE);
    if (leap == LEAP_ALARM || stratum > STRATUM_MAX || memcmp(message + TRANSMIT, none, 8) == 0)
        return AT_SNTP_UNUSABLE;
    answer->unix_us = stamp_us(message, TRANSMIT);
    answer->held_us = 0;
    if (memcmp(message + RECEIVE, none, 8) != 0)
        answer->held_us = answer->unix_us - stamp_us(message, RECEIVE);
    if (answer->unix_us < 0 || answer->held_us < 0)
        return AT_SNTP_UNUSABLE;
    return AT_SNTP_GOOD;
}
