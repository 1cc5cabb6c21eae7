/* A NOR flash chip: program only clears bits, erase works on whole sectors and sets them to 0xFF. */
#ifndef IFACE_FLASHCHIP_H
#define IFACE_FLASHCHIP_H

#include <stddef.h>
#include <stdint.h>

#define AT_FLASH_SECTOR 4096u

/* Addresses and lengths in bytes from the start of the chip. All return 0, AT_ERR_INVALID (outside
 * the chip, or not aligned where that is needed) or AT_ERR_IO. */
typedef struct at_flashchip {
    void *ctx;
    uint32_t size; /* bytes, a multiple of AT_FLASH_SECTOR */
    int (*read)(void *ctx, uint32_t addr, void *buf, size_t len);
    /* Bits can only go from 1 to 0; other bits stay what they are (as on the part). */
    int (*program)(void *ctx, uint32_t addr, const void *data, size_t len);
    /* addr and len are multiples of AT_FLASH_SECTOR. */
    int (*erase)(void *ctx, uint32_t addr, size_t len);
} at_flashchip;

#endif
