/* What the commands on flash share. */
#ifndef COMMANDS_FLASH_PRIV_H
#define COMMANDS_FLASH_PRIV_H

#include "commands/app.h"
#include "storage/fat.h"
#include "storage/ota.h"
#include "storage/partition.h"

struct at_flash_family {
    at_ota ota;
    at_fat *fat; /* mounted by AT+FS, AT+FSMOUNT; NULL: not */
};

/* A partition of at_customize, NULL: there is none of that name. */
const at_partition *at_flash_user_partition(const at_app *app, const char *label);
/* The partition's raw bytes are about to change. */
void at_flash_forget(at_app *app, const at_partition *partition);

/* Where a long answer comes from: fills buf with up to room bytes from offset on. */
typedef struct at_flash_reader {
    at_err (*read)(const struct at_flash_reader *reader, uint32_t offset, void *buf, size_t room,
                   size_t *len);
    at_app *app;
    const at_partition *partition;
    const char *space, *key; /* a value, or a file's name in key */
    unsigned type;
} at_flash_reader;

/* Rows "<head><length>,<bytes>" of at most AT_FLASH_PIECE bytes of data, without a line end (WIRE
 * 3.2); one with length 0 when there is nothing. what: for the log. */
#define AT_FLASH_PIECE    8192u
#define AT_FLASH_HEAD_MAX 64u /* bytes of <head> */
at_result at_flash_answer(at_call *call, const char *head, const at_flash_reader *reader,
                          uint32_t offset, uint32_t length, const char *what);

/* The number that a parameter will be, to select a shape by; -1: none. */
int64_t at_flash_peek_int(const at_call *call, unsigned index);

#endif
