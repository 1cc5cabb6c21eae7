/* The flash of the Linux port: one shared mapping for the bytes, one shared page for what else the
 * boots of a module have in common (counters, the armed power cut, which sectors are in use).
 *
 * In memory the bytes are stored complemented: a page of zeros that the kernel makes up on the
 * first touch then reads as erased flash. Sectors that were never programmed are not even touched
 * for reading, because a shared mapping pays with a page for that too.
 *
 * In a file the bytes are stored as they are: the file is an image for esptool and at.py. It is
 * locked with flock, which forked processes share and a second attache does not.
 *
 * A cut tears the operation it hits: a program writes the first bytes whole and one byte in part;
 * an erase does the start of the sector, the end, or scattered bytes. Real parts are not tidier.
 */
#include "ports/linux/flashfile.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/error.h"

#define SECTORS_MAX (AT_FLASHFILE_4MB / AT_FLASH_SECTOR)

typedef struct shared_state {
    at_flashfile_counts counts;
    uint64_t cut_in; /* operations until the cut, 0: none is armed */
    uint32_t seed;
    void (*cut)(void *arg);
    void *cut_arg;
    uint8_t in_use[SECTORS_MAX / 8]; /* volatile only: sectors that were programmed */
} shared_state;

struct at_flashfile {
    at_flashchip chip;
    uint8_t *bytes;
    shared_state *shared;
    int fd;   /* -1: volatile */
    bool off; /* of this process */
};

/* ---- the bytes ---- */

static bool is_volatile(const at_flashfile *flash)
{
    return flash->fd < 0;
}

static bool sector_in_use(const at_flashfile *flash, uint32_t sector)
{
    return !is_volatile(flash) || (flash->shared->in_use[sector / 8] >> (sector % 8) & 1) != 0;
}

static void set_in_use(at_flashfile *flash, uint32_t sector, bool in_use)
{
    uint8_t bit = (uint8_t)(1u << (sector % 8));
    uint8_t *byte = &flash->shared->in_use[sector / 8];
    *byte = (uint8_t)(in_use ? *byte | bit : *byte & ~bit);
}

static void read_run(const at_flashfile *flash, uint32_t addr, uint8_t *to, size_t len)
{
    const uint8_t *from = flash->bytes + addr;
    if (!sector_in_use(flash, addr / AT_FLASH_SECTOR)) {
        memset(to, 0xff, len);
    } else if (is_volatile(flash)) {
        for (size_t i = 0; i < len; i++) {
            to[i] = (uint8_t)~from[i];
        }
    } else {
        memcpy(to, from, len);
    }
}

static void program_run(at_flashfile *flash, uint32_t addr, const uint8_t *data, size_t len)
{
    uint8_t *to = flash->bytes + addr;
    if (!is_volatile(flash)) {
        for (size_t i = 0; i < len; i++) {
            to[i] &= data[i];
        }
        return;
    }
    set_in_use(flash, addr / AT_FLASH_SECTOR, true);
    for (size_t i = 0; i < len; i++) {
        to[i] |= (uint8_t)~data[i];
    }
}

static void erase_run(at_flashfile *flash, uint32_t addr, size_t len)
{
    memset(flash->bytes + addr, is_volatile(flash) ? 0x00 : 0xff, len);
}

static void erase_sector(at_flashfile *flash, uint32_t sector)
{
    if (!sector_in_use(flash, sector)) {
        return;
    }
    erase_run(flash, sector * AT_FLASH_SECTOR, AT_FLASH_SECTOR);
    if (is_volatile(flash)) {
        set_in_use(flash, sector, false);
    }
}

/* ---- power cuts ---- */

static uint32_t next_random(uint32_t *seed)
{
    *seed = *seed * 1664525u + 1013904223u;
    uint32_t x = *seed ^ *seed >> 15;
    x *= 0x2c1b3c6du;
    return x ^ x >> 12;
}

/* Counts an operation; true when the power fails in it. */
static bool cut_now(at_flashfile *flash)
{
    return flash->shared->cut_in > 0 && --flash->shared->cut_in == 0;
}

static int end_power(at_flashfile *flash)
{
    flash->off = true;
    if (flash->shared->cut != NULL) {
        flash->shared->cut(flash->shared->cut_arg);
    }
    return AT_ERR_IO;
}

static void for_each_run(at_flashfile *flash, uint32_t addr, const uint8_t *data, size_t len)
{
    while (len > 0) {
        size_t run = AT_FLASH_SECTOR - addr % AT_FLASH_SECTOR;
        run = run < len ? run : len;
        program_run(flash, addr, data, run);
        addr += (uint32_t)run;
        data += run;
        len -= run;
    }
}

static int torn_program(at_flashfile *flash, uint32_t addr, const uint8_t *data, size_t len)
{
    uint32_t *seed = &flash->shared->seed;
    size_t whole = next_random(seed) % (len + 1);
    for_each_run(flash, addr, data, whole);
    if (whole < len) {
        uint8_t part = (uint8_t)(data[whole] | next_random(seed));
        for_each_run(flash, addr + (uint32_t)whole, &part, 1);
    }
    return end_power(flash);
}

static int torn_erase(at_flashfile *flash, uint32_t sector)
{
    uint32_t *seed = &flash->shared->seed, kind = next_random(seed) % 4;
    uint32_t start = sector * AT_FLASH_SECTOR;
    uint32_t part = next_random(seed) % AT_FLASH_SECTOR;
    if (!sector_in_use(flash, sector) || kind == 0) {
        return end_power(flash); /* nothing happened yet */
    }
    if (kind == 1) {
        erase_run(flash, start, part);
    } else if (kind == 2) {
        erase_run(flash, start + part, AT_FLASH_SECTOR - part);
    } else {
        for (uint32_t i = 0; i < AT_FLASH_SECTOR; i++) {
            if ((next_random(seed) & 1) != 0) {
                erase_run(flash, start + i, 1);
            }
        }
    }
    return end_power(flash);
}

/* ---- iface/flashchip.h ---- */

static int check(const at_flashfile *flash, uint32_t addr, size_t len)
{
    if (addr > flash->chip.size || len > flash->chip.size - addr) {
        return AT_ERR_INVALID;
    }
    return flash->off ? AT_ERR_IO : AT_OK;
}

static int chip_read(void *ctx, uint32_t addr, void *buf, size_t len)
{
    at_flashfile *flash = ctx;
    int err = check(flash, addr, len);
    uint8_t *to = buf;
    while (err == AT_OK && len > 0) {
        size_t run = AT_FLASH_SECTOR - addr % AT_FLASH_SECTOR;
        run = run < len ? run : len;
        read_run(flash, addr, to, run);
        addr += (uint32_t)run;
        to += run;
        len -= run;
    }
    return err;
}

static int chip_program(void *ctx, uint32_t addr, const void *data, size_t len)
{
    at_flashfile *flash = ctx;
    int err = check(flash, addr, len);
    if (err != AT_OK || len == 0) {
        return err;
    }
    flash->shared->counts.programs++;
    flash->shared->counts.bytes += len;
    if (cut_now(flash)) {
        return torn_program(flash, addr, data, len);
    }
    for_each_run(flash, addr, data, len);
    return AT_OK;
}

static int chip_erase(void *ctx, uint32_t addr, size_t len)
{
    at_flashfile *flash = ctx;
    int err = check(flash, addr, len);
    if (err == AT_OK && (addr % AT_FLASH_SECTOR != 0 || len % AT_FLASH_SECTOR != 0)) {
        err = AT_ERR_INVALID;
    }
    if (err != AT_OK) {
        return err;
    }
    for (uint32_t sector = addr / AT_FLASH_SECTOR; len > 0; sector++, len -= AT_FLASH_SECTOR) {
        flash->shared->counts.erases++;
        if (cut_now(flash)) {
            return torn_erase(flash, sector);
        }
        erase_sector(flash, sector);
    }
    return AT_OK;
}

/* ---- opening and closing ---- */

static void *explain(char *why, size_t room, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
static void *explain(char *why, size_t room, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    vsnprintf(why, room, format, args);
    va_end(args);
    return NULL;
}

/* Takes over fd, also on failure. */
static at_flashfile *map(int fd, uint32_t size, const char *name, char *why, size_t room)
{
    at_flashfile *flash = calloc(1, sizeof *flash);
    int flags = MAP_SHARED | (fd < 0 ? MAP_ANONYMOUS : 0);
    void *bytes = mmap(NULL, size, PROT_READ | PROT_WRITE, flags, fd, 0);
    void *shared =
        mmap(NULL, sizeof(shared_state), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (flash == NULL || bytes == MAP_FAILED || shared == MAP_FAILED) {
        int error = errno;
        free(flash);
        if (bytes != MAP_FAILED) {
            munmap(bytes, size);
        }
        if (shared != MAP_FAILED) {
            munmap(shared, sizeof(shared_state));
        }
        if (fd >= 0) {
            close(fd);
        }
        return explain(why, room, "%s: cannot map %u bytes: %s", name, (unsigned)size,
                       strerror(error));
    }
    flash->fd = fd;
    flash->bytes = bytes;
    flash->shared = shared;
    flash->chip = (at_flashchip){
        .ctx = flash, .size = size, .read = chip_read, .program = chip_program, .erase = chip_erase
    };
    return flash;
}

at_flashfile *at_flashfile_volatile(uint32_t size, char *why, size_t why_room)
{
    if (size != AT_FLASHFILE_2MB && size != AT_FLASHFILE_4MB) {
        return explain(why, why_room, "a flash chip of %u bytes: it must have 2 or 4 MiB",
                       (unsigned)size);
    }
    return map(-1, size, "flash in memory", why, why_room);
}

/* Makes an empty file an erased chip. On failure it is empty again. */
static bool fill_erased(int fd, uint32_t size)
{
    uint8_t block[16384];
    memset(block, 0xff, sizeof block);
    for (uint32_t at = 0; at < size;) {
        ssize_t put = pwrite(fd, block, sizeof block, at);
        if (put <= 0) {
            int error = put == 0 ? ENOSPC : errno;
            if (error == EINTR) {
                continue;
            }
            if (ftruncate(fd, 0) != 0) {
                error = errno;
            }
            errno = error;
            return false;
        }
        at += (uint32_t)put;
    }
    return true;
}

/* A chip holds the lock a moment longer than the bench that was killed beside it. */
static int lock_file(int fd)
{
    int result = -1;

    for (int tries = 0; tries < 20 && result != 0; tries++) {
        if (tries > 0)
            poll(NULL, 0, 10);
        result = flock(fd, LOCK_EX | LOCK_NB);
        if (result != 0 && errno != EWOULDBLOCK)
            break;
    }
    return result;
}

/* Locks the file and settles its length. Returns 0 with the reason in why. */
static uint32_t settle_file(int fd, const char *path, uint32_t size, char *why, size_t room)
{
    struct stat st;
    if (lock_file(fd) != 0) {
        const char *reason =
            errno == EWOULDBLOCK ? "another process has it open as its flash" : strerror(errno);
        explain(why, room, "flash image %s: %s", path, reason);
        return 0;
    }
    if (fstat(fd, &st) != 0 || (st.st_size == 0 && S_ISREG(st.st_mode) && !fill_erased(fd, size))) {
        explain(why, room, "flash image %s: %s", path, strerror(errno));
        return 0;
    }
    if (!S_ISREG(st.st_mode)) {
        explain(why, room, "flash image %s: not a regular file", path);
        return 0;
    }
    if (st.st_size == 0) {
        return size;
    }
    if (st.st_size != AT_FLASHFILE_2MB && st.st_size != AT_FLASHFILE_4MB) {
        explain(why, room,
                "flash image %s: %lld bytes; it must have 2097152 (2 MiB) or 4194304 "
                "(4 MiB)",
                path, (long long)st.st_size);
        return 0;
    }
    return (uint32_t)st.st_size;
}

at_flashfile *at_flashfile_open(const char *path, uint32_t size, char *why, size_t why_room)
{
    if (size != AT_FLASHFILE_2MB && size != AT_FLASHFILE_4MB) {
        return explain(why, why_room, "a flash chip of %u bytes: it must have 2 or 4 MiB",
                       (unsigned)size);
    }
    int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NONBLOCK, 0600);
    if (fd < 0) {
        return explain(why, why_room, "flash image %s: %s", path, strerror(errno));
    }
    size = settle_file(fd, path, size, why, why_room);
    if (size == 0) {
        close(fd);
        return NULL;
    }
    return map(fd, size, path, why, why_room);
}

void at_flashfile_close(at_flashfile *flash)
{
    if (flash == NULL) {
        return;
    }
    munmap(flash->bytes, flash->chip.size);
    munmap(flash->shared, sizeof(shared_state));
    if (flash->fd >= 0) {
        close(flash->fd);
    }
    free(flash);
}

const at_flashchip *at_flashfile_chip(at_flashfile *flash)
{
    return &flash->chip;
}

at_flashfile_counts at_flashfile_counted(const at_flashfile *flash)
{
    return flash->shared->counts;
}

void at_flashfile_cut_after(at_flashfile *flash, uint64_t n, uint32_t seed, void (*cut)(void *arg),
                            void *arg)
{
    flash->shared->cut_in = n;
    flash->shared->seed = seed;
    flash->shared->cut = cut;
    flash->shared->cut_arg = arg;
}

void at_flashfile_power_on(at_flashfile *flash)
{
    flash->off = false;
}

bool at_flashfile_is_off(const at_flashfile *flash)
{
    return flash->off;
}
