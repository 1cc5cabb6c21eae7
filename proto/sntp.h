/* SNTP messages of a client (RFC 4330; the format is NTP's, RFC 5905): one request, one judgement. */
#ifndef PROTO_SNTP_H
#define PROTO_SNTP_H

#include <stddef.h>
#include <stdint.h>

#define AT_SNTP_PORT  123u
#define AT_SNTP_LEN   48u /* bytes of a request, and at least of an answer */
#define AT_SNTP_NONCE 8u

typedef enum at_sntp_verdict {
    AT_SNTP_GOOD,
    AT_SNTP_FOREIGN,  /* not the answer to this request: wait on */
    AT_SNTP_UNUSABLE, /* the server has no time: it says so, or what it says makes no sense */
    AT_SNTP_RATE,     /* kiss of death RATE: ask less often */
    AT_SNTP_DENIED,   /* kiss of death DENY or RSTR: do not ask again */
} at_sntp_verdict;

typedef struct at_sntp_answer {
    int64_t unix_us; /* when the server sent it */
    int64_t held_us; /* how long it had the request, 0 when it does not say */
} at_sntp_answer;

/* The nonce stands where a client's time would: the server returns it and learns nothing. */
void at_sntp_request(uint8_t message[AT_SNTP_LEN], const uint8_t nonce[AT_SNTP_NONCE]);
/* *answer is set when the verdict is GOOD. */
at_sntp_verdict at_sntp_judge(const uint8_t *message, size_t len,
                              const uint8_t nonce[AT_SNTP_NONCE], at_sntp_answer *answer);
/* Unix time of a time stamp. Seconds from 2^31 on are of 1968 to 2036, the others of 2036 to 2104
 * (RFC 4330 section 3). */
int64_t at_sntp_unix_us(uint32_t seconds, uint32_t fraction);

#endif
