/* The part's CRC-32: reflected polynomial 0xEDB88320, start 0, result inverted. */
#ifndef STORAGE_CRC32_H
#define STORAGE_CRC32_H

#include <stddef.h>
#include <stdint.h>

#define AT_CRC32_START 0u

/* Adds bytes to a running value; pieces may be of any size. */
uint32_t at_crc32_add(uint32_t running, const void *data, size_t len);
/* What is stored on flash. */
uint32_t at_crc32_end(uint32_t running);

#endif
