/* Flash as raw partitions and as slots of firmware (guide 3.1.18, 3.1.22).
 *
 * Decisions where the guide is silent:
 *
 * - AT+SYSFLASH? prints the name in quotation marks, the address and size in hex, as the core's
 *   strings have them; only partitions of at_customize exist for these commands.
 * - Erasing works on whole sectors of 4096 bytes; offset and length are given both or not at all.
 * - Writing programs as the chip does, bits only become 0: on a partition that was not erased the
 *   result is not what was sent. The command then still says OK, as the part does; the log warns.
 * - AT+SYSFLASH takes the data of a write in pieces of AT_FLASH_PIECE and programs each when it is
 *   complete: a partition is larger than the memory. So +++ leaves flash untouched up to one piece, and
 *   what was complete of a longer write.
 * - A long answer is split into rows of 8192 bytes, each with its own length (WIRE 3.2).
 * - AT+SYSROLLBACK needs a valid image in the other slot (30-13); the 2 MB module has one slot only.
 */
#include <stdio.h>
#include <string.h>

#include "commands/flash_priv.h"
#include "commands/update.h"
#include "core/bytes.h"

/* wire */
static const char FMT_SYSFLASH[] = "+SYSFLASH:\"%s\",%u,%u,0x%lx,0x%lx\r\n";
static const char HEAD_SYSFLASH[] = "+SYSFLASH:";

enum { ERASE, WRITE, READ }; /* operations */

void at_flash_forget(at_app *app, const at_partition *partition)
{
    if (strcmp(partition->label, "mfg_nvs") == 0) {
        at_mfg_forget(app->mfg);
    }
    if (partition->type == AT_PARTITION_DATA && partition->subtype == AT_DATA_FAT) {
        at_fat_unmount(app->flash_family->fat);
        app->flash_family->fat = NULL;
    }
}

at_result at_flash_answer(at_call *call, const char *head, const at_flash_reader *reader,
                          uint32_t offset, uint32_t length, const char *what)
{
    at_heap *heap = at_app_of(call)->heap;
    size_t room = AT_FLASH_HEAD_MAX + AT_MIN(length, AT_FLASH_PIECE), got = 0;
    char *row = at_alloc(heap, 2 * AT_FLASH_HEAD_MAX + room);
    if (row == NULL) {
        return at_fail_err(call, AT_ERR_NOMEM, what);
    }
    char *data = row + AT_FLASH_HEAD_MAX + AT_FLASH_HEAD_MAX;
    at_err err = AT_OK;
    uint32_t left = length;
    do {
        err = reader->read(reader, offset, data, AT_MIN(left, AT_FLASH_PIECE), &got);
        if (err != AT_OK || (got == 0 && left < length)) {
            break;
        }
        char start[2 * AT_FLASH_HEAD_MAX];
        int len = snprintf(start, sizeof start, "%s%u,", head, (unsigned)got);
        memcpy(data - len, start, (size_t)len);
        at_write(call, data - len, (size_t)len + got);
        offset += (uint32_t)got;
        left -= (uint32_t)got;
    } while (left > 0 && got > 0);
    at_free(heap, row);
    return err == AT_OK ? AT_RESULT_OK : at_fail_err(call, err, what);
}

int64_t at_flash_peek_int(const at_call *call, unsigned index)
{
    char text[24];
    int64_t value;
    const char *field = at_peek(call, index, text, sizeof text);
    return at_parse_int(field, strlen(field), &value) ? value : -1;
}

/* ---- AT+SYSFLASH ---- */

static at_result sysflash_query(at_call *call)
{
    at_app *app = at_app_of(call);
    size_t count = 0;
    const at_partition *list =
        app->partitions != NULL ? at_partitions_list(app->partitions, true, &count) : NULL;
    for (size_t i = 0; i < count; i++) {
        at_row(call, FMT_SYSFLASH, list[i].label, list[i].type, list[i].subtype,
               (unsigned long)list[i].offset, (unsigned long)list[i].size);
    }
    return AT_RESULT_OK;
}

const at_partition *at_flash_user_partition(const at_app *app, const char *label)
{
    size_t count = 0;
    const at_partition *list =
        app->partitions != NULL ? at_partitions_list(app->partitions, true, &count) : NULL;
    for (size_t i = 0; i < count; i++) {
        if (strcmp(list[i].label, label) == 0) {
            return &list[i];
        }
    }
    return NULL;
}

static at_result sysflash_erase(at_call *call, const at_partition *p, uint32_t offset, uint32_t len)
{
    at_app *app = at_app_of(call);
    if (offset % AT_FLASH_SECTOR != 0) {
        return at_fail(call, AT_SUB_PARAM_INVALID, 3, "sectors begin at multiples of %u",
                       AT_FLASH_SECTOR);
    }
    if (len % AT_FLASH_SECTOR != 0) {
        return at_fail(call, AT_SUB_PARAM_INVALID, 4, "only whole sectors of %u bytes are erased",
                       AT_FLASH_SECTOR);
    }
    at_flash_forget(app, p);
    if (app->flash->erase(app->flash->ctx, p->offset + offset, len) != 0) {
        return at_fail_err(call, AT_ERR_IO, "the flash chip refused to erase");
    }
    return AT_RESULT_OK;
}

static bool differs(const at_flashchip *chip, uint32_t addr, const uint8_t *data, uint32_t len)
{
    uint8_t piece[256];
    for (uint32_t at = 0; at < len; at += sizeof piece) {
        size_t part = AT_MIN((size_t)(len - at), sizeof piece);
        if (chip->read(chip->ctx, addr + at, piece, part) != 0 ||
            memcmp(piece, data + at, part) != 0) {
            return true;
        }
    }
    return false;
}

typedef struct writing {
    const at_app *app;
    const at_partition *partition;
    uint32_t offset, length, done;
    bool warned;
} writing;

static at_err program(writing *w, const uint8_t *data, size_t len)
{
    const at_flashchip *chip = w->app->flash;
    uint32_t addr = w->partition->offset + w->offset + w->done;
    if (chip->program(chip->ctx, addr, data, len) != 0) {
        return AT_ERR_IO;
    }
    if (!w->warned && differs(chip, addr, data, (uint32_t)len)) {
        w->warned = true;
        at_log(w->app->log, AT_LOG_WARN, "flash",
               "\"%s\" was not erased before it was written: it holds something else now",
               w->partition->label);
    }
    w->done += (uint32_t)len;
    return AT_OK;
}

/* Takes the data after ">" and programs each piece when it is complete; after a failure of the chip
 * what the host still sends is swallowed. */
static at_err take_and_program(at_call *call, writing *w, uint8_t *piece)
{
    at_err err = AT_OK, wrong = AT_OK;
    size_t len, got;
    for (uint32_t at = 0; at < w->length && err == AT_OK; at += (uint32_t)len) {
        len = AT_MIN(w->length - at, AT_FLASH_PIECE);
        err = at == 0 ? at_collect(call, false, piece, len, &got)
                      : at_collect_more(call, piece, len, &got);
        if (err == AT_OK && wrong == AT_OK) {
            wrong = program(w, piece, len);
        }
    }
    return err != AT_OK ? err : wrong;
}

static at_result sysflash_write(at_call *call, const at_partition *p, uint32_t offset, uint32_t len)
{
    at_app *app = at_app_of(call);
    writing w = { .app = app, .partition = p, .offset = offset, .length = len };
    uint8_t *piece = at_alloc(app->heap, AT_MIN(len, AT_FLASH_PIECE));
    char what[64];
    if (piece == NULL) {
        return at_fail_err(call, AT_ERR_NOMEM, "no memory for a piece of the data");
    }
    at_flash_forget(app, p);
    at_err err = take_and_program(call, &w, piece);
    at_flash_forget(app, p); /* whoever looked meanwhile */
    at_free(app->heap, piece);
    if (err == AT_OK) {
        return AT_RESULT_OK;
    }
    snprintf(what, sizeof what, "%lu of %lu bytes were written", (unsigned long)w.done,
             (unsigned long)len);
    return at_fail_err(call, err, what);
}

static at_err read_partition(const at_flash_reader *reader, uint32_t offset, void *buf, size_t room,
                             size_t *len)
{
    const at_flashchip *chip = reader->app->flash;
    *len = room;
    return chip->read(chip->ctx, reader->partition->offset + offset, buf, room) == 0 ? AT_OK
                                                                                     : AT_ERR_IO;
}

static at_result sysflash_set(at_call *call)
{
    at_app *app = at_app_of(call);
    const at_partition *p = at_flash_user_partition(app, at_text(call, 1));
    if (p == NULL) {
        return at_fail(call, AT_SUB_PARAM_INVALID, 2,
                       "no user partition \"%s\": AT+SYSFLASH? lists them", at_text(call, 1));
    }
    if (at_has(call, 2) != at_has(call, 3)) {
        return at_fail(call, AT_SUB_PARAM_COUNT, 4 * 256 + call->given,
                       "offset and length are given both or not at all");
    }
    bool whole = !at_has(call, 2);
    uint32_t offset = (uint32_t)at_int(call, 2);
    uint32_t len = whole ? p->size : (uint32_t)at_int(call, 3);
    if (offset > p->size) {
        return at_fail(call, AT_SUB_PARAM_INVALID, 3, "the partition has 0x%lx bytes",
                       (unsigned long)p->size);
    }
    if (len == 0 || len > p->size - offset) {
        return at_fail(call, AT_SUB_PARAM_INVALID, 4, "1 to 0x%lx bytes are there",
                       (unsigned long)(p->size - offset));
    }
    at_flash_reader reader = { .read = read_partition, .app = app, .partition = p };
    if (at_int(call, 0) != READ && at_update_holds(app, p)) {
        return at_fail(call, AT_SUB_EXEC_FAIL, 0, "an update is writing \"%s\"", p->label);
    }
    switch (at_int(call, 0)) {
    case ERASE: return sysflash_erase(call, p, offset, len);
    case WRITE: return sysflash_write(call, p, offset, len);
    default:
        return at_flash_answer(call, HEAD_SYSFLASH, &reader, offset, len, "the flash chip failed");
    }
}

/* ---- AT+SYSROLLBACK ---- */

static at_result sysrollback_execute(at_call *call)
{
    at_ota *ota = &at_app_of(call)->flash_family->ota;
    if (at_update_holds_slot(at_app_of(call))) {
        return at_fail(call, AT_SUB_EXEC_FAIL, 0, "an update is writing the other slot");
    }
    if (ota->running < 0) {
        return at_fail(call, AT_SUB_EXEC_FAIL, 0,
                       "no app slot holds an image: `attache flash create` makes one");
    }
    at_err err = at_ota_rollback(ota);
    switch (err) {
    case AT_OK: at_app_restart(call, AT_BOOT_NORMAL, 0); return AT_RESULT_SILENT;
    case AT_ERR_UNSUPPORTED: return at_fail_err(call, err, "this module has one app slot");
    case AT_ERR_NOT_FOUND: return at_fail_err(call, err, "no other firmware ran before this one");
    default: return at_fail_err(call, err, "the other slot holds no valid image");
    }
}

/* ---- families ---- */

/* The boot loader's part, and the application's: whoever comes this far is up. */
static void start_slots(at_app *app)
{
    at_ota *ota = &app->flash_family->ota;
    ota->running = -1;
    if (app->partitions == NULL) {
        return;
    }
    at_ota_boot(ota, app->flash, app->partitions, app->log);
    if (at_ota_confirm(ota) != AT_OK) {
        at_log(app->log, AT_LOG_ERROR, "ota", "the running firmware could not be confirmed");
    }
    if (ota->running >= 0 && ota->info.described) {
        app->bin_version = ota->info.version;
    }
}

at_err at_flash_family_create(at_app *app)
{
    app->flash_family = at_calloc(app->heap, 1, sizeof *app->flash_family);
    if (app->flash_family == NULL) {
        return AT_ERR_NOMEM;
    }
    start_slots(app);
    return AT_OK;
}

/* arguments */
static const at_arg_spec sysflash_erase_args[] = { AT_INT("operation", 0, 2),
                                                   AT_TEXT("partition", 1, AT_PARTITION_LABEL_MAX),
                                                   AT_OPT_UINT("offset"), AT_OPT_UINT("length") };
static const at_arg_spec sysflash_args[] = { AT_INT("operation", 0, 2),
                                             AT_TEXT("partition", 1, AT_PARTITION_LABEL_MAX),
                                             AT_UINT("offset"), AT_UINT("length") };
static const at_shape sysflash_shapes[] = { AT_SHAPE("erase", sysflash_erase_args),
                                            AT_SHAPE("write or read", sysflash_args) };

static uint8_t sysflash_select(const at_call *call)
{
    return at_flash_peek_int(call, 0) == ERASE ? 0 : 1;
}

/* rows */
static const at_cmd rows[] = {
    { .name = "+SYSFLASH",
      .query = sysflash_query,
      .set = sysflash_set,
      AT_SHAPES(sysflash_shapes),
      .select = sysflash_select,
      .builds = AT_IN_ALL,
      .guide = "3.1.18",
      .summary = "Query, erase, read and write user partitions in flash" },
    { .name = "+SYSROLLBACK",
      .execute = sysrollback_execute,
      .builds = AT_IN_ALL,
      .guide = "3.1.22",
      .summary = "Roll back to the previous firmware" },
};

const at_family_rows at_flash_rows = AT_FAMILY(rows);
