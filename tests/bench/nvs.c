/* Settings on flash: rate, wear and the time to open, on the flash model of the Linux port and in the
 * partition "nvs" of the vendor's layout.
 *
 *   nvs            prints rows: rate or time of ours, of the peer where there is one, what it is
 *   nvs fill FILE  makes FILE (or changes it) so that its "nvs" holds as much as it can
 *
 * The peer of the settings is a naive store: one sector with all settings, erased and programmed anew
 * at each change. Both see the same changes on the same model. The model's operations cost memory
 * copies only, so rates are those of the code, not of a chip: wear is what counts there. Medians of
 * seven runs, in one core's time. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "core/bytes.h"
#include "ports/linux/flashfile.h"
#include "storage/nvs.h"
#include "storage/partition.h"
#include "storage/settings.h"

enum { RUNS = 7, CHANGES = 10000, GETS = 50000, OPENS = 200 };

typedef struct bench {
    at_flashfile *flash;
    at_flashchip chip; /* the flash's, counting per sector */
    uint32_t erased[AT_FLASHFILE_4MB / AT_FLASH_SECTOR];
    at_heap heap;
    at_partitions *partitions;
    const at_partition *area;
    at_nvs *nvs;
    at_settings *settings;
    uint32_t count; /* of changes so far: the next value */
} bench;

static void must(bool good, const char *what)
{
    if (!good) {
        fprintf(stderr, "nvs: %s\n", what);
        exit(1);
    }
}

static double cpu_s(void)
{
    struct timespec used;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &used);
    return (double)used.tv_sec + (double)used.tv_nsec / 1e9;
}

static int by_size(const void *a, const void *b)
{
    double left = *(const double *)a, right = *(const double *)b;
    return (left > right) - (left < right);
}

/* Seconds of one run, the median of all. */
static double median(bench *b, void (*run)(bench *b))
{
    double result[RUNS];
    for (int i = 0; i < RUNS; i++) {
        double start = cpu_s();
        run(b);
        result[i] = cpu_s() - start;
    }
    qsort(result, RUNS, sizeof(result[0]), by_size);
    return result[RUNS / 2];
}

/* ---- a module's flash ---- */

static const at_flashchip *below(void *ctx)
{
    return at_flashfile_chip(((bench *)ctx)->flash);
}

static int chip_read(void *ctx, uint32_t addr, void *buf, size_t len)
{
    return below(ctx)->read(below(ctx)->ctx, addr, buf, len);
}

static int chip_program(void *ctx, uint32_t addr, const void *data, size_t len)
{
    return below(ctx)->program(below(ctx)->ctx, addr, data, len);
}

static int chip_erase(void *ctx, uint32_t addr, size_t len)
{
    for (uint32_t at = addr; at < addr + len; at += AT_FLASH_SECTOR)
        ((bench *)ctx)->erased[at / AT_FLASH_SECTOR]++;
    return below(ctx)->erase(below(ctx)->ctx, addr, len);
}

/* Erases of the sector that had most. */
static uint32_t most_erased(const bench *b)
{
    uint32_t most = 0;
    for (size_t i = 0; i < AT_COUNT(b->erased); i++)
        most = AT_MAX(most, b->erased[i]);
    return most;
}

static void open_settings(bench *b)
{
    must(at_nvs_open(&b->nvs, &b->heap, NULL, &b->chip, b->area->offset, b->area->size,
                     AT_NVS_READ_WRITE) == AT_OK,
         "the partition cannot be opened");
    b->settings = at_settings_open(&b->heap, NULL, b->nvs);
    must(b->settings != NULL, "no memory for settings");
}

static void close_settings(bench *b)
{
    at_settings_close(b->settings);
    at_nvs_close(b->nvs);
}

static void open_flash(bench *b, const char *path)
{
    char why[200] = "";
    memset(b, 0, sizeof(*b));
    b->flash = path != NULL ? at_flashfile_open(path, AT_FLASHFILE_4MB, why, sizeof(why))
                            : at_flashfile_volatile(AT_FLASHFILE_4MB, why, sizeof(why));
    must(b->flash != NULL, why);
    b->chip = *at_flashfile_chip(b->flash);
    b->chip.ctx = b;
    b->chip.read = chip_read;
    b->chip.program = chip_program;
    b->chip.erase = chip_erase;
    at_heap_init(&b->heap, SIZE_MAX);
    must(at_partitions_open(&b->partitions, &b->heap, NULL, &b->chip) == AT_OK, "no partitions");
    b->area = at_partitions_find(b->partitions, "nvs");
    must(b->area != NULL, "no partition nvs");
    open_settings(b);
}

static void close_flash(bench *b)
{
    close_settings(b);
    at_partitions_close(b->partitions);
    at_flashfile_close(b->flash);
}

/* ---- what is done ---- */

/* Another value of one of the settings that hosts change most; none of them makes a module join. */
static void change(bench *b)
{
    static const at_setting numbers[] = { AT_SETTING_SYSMSG, AT_SETTING_CIPV6,
                                          AT_SETTING_RECONN_INTERVAL, AT_SETTING_RECONNINTV };
    static const struct {
        at_setting id;
        size_t len;
    } blobs[] = { { AT_SETTING_STA_IP, 12 },
                  { AT_SETTING_DNS, 64 },
                  { AT_SETTING_AP_IP, 12 },
                  { AT_SETTING_TCPOPT, 80 } };
    uint8_t data[80];
    uint32_t n = b->count++, row = n / 2 % 4;
    at_err err;
    memset(data, (int)(n % 251), sizeof(data));
    memcpy(data, &n, sizeof(n));
    if (n % 2 == 0)
        err = at_setting_set_int(b->settings, numbers[row], (int32_t)n);
    else
        err = at_setting_set_blob(b->settings, blobs[row].id, data, blobs[row].len);
    must(err == AT_OK, "a setting cannot be stored");
}

static void change_many(bench *b)
{
    for (int i = 0; i < CHANGES; i++)
        change(b);
}

static void set_many(bench *b)
{
    for (int i = 0; i < CHANGES; i++)
        must(at_nvs_set_int(b->nvs, "bench", "number", AT_NVS_I32, (int64_t)b->count++) == AT_OK,
             "a number cannot be stored");
}

static void set_same(bench *b)
{
    for (int i = 0; i < GETS; i++)
        must(at_nvs_set_int(b->nvs, "bench", "number", AT_NVS_I32, 7) == AT_OK,
             "a number cannot be stored");
}

static void get_many(bench *b)
{
    int64_t value;
    for (int i = 0; i < GETS; i++)
        must(at_nvs_get_int(b->nvs, "bench", "number", AT_NVS_I32, &value) == AT_OK,
             "a number cannot be read");
}

static void get_blob(bench *b)
{
    uint8_t data[64];
    size_t len;
    for (int i = 0; i < GETS; i++)
        must(at_nvs_get_data(b->nvs, "bench", "blob", AT_NVS_BLOB, data, sizeof(data), &len) ==
                 AT_OK,
             "a blob cannot be read");
}

static void reopen_many(bench *b)
{
    for (int i = 0; i < OPENS; i++) {
        close_settings(b);
        open_settings(b);
    }
}

/* The peer: all settings in one sector, as large as the schema's. */
static void rewrite_many(bench *b)
{
    enum { ROOM = 864 };
    uint8_t all[ROOM];
    memset(all, 0, sizeof(all));
    for (int i = 0; i < CHANGES; i++) {
        uint32_t n = b->count++;
        memcpy(all + n % 8 * 64, &n, sizeof(n));
        must(b->chip.erase(b, b->area->offset, AT_FLASH_SECTOR) == 0 &&
                 b->chip.program(b, b->area->offset, all, sizeof(all)) == 0,
             "the flash fails");
    }
}

/* Values until no more fit, some of them changed since, and every page used. */
static void fill(bench *b)
{
    char key[AT_NVS_NAME_MAX + 1];
    uint8_t blob[100] = { 1 };
    at_err err = AT_OK;
    for (int i = 0; i < 8; i++)
        change(b);
    for (int i = 0; err == AT_OK; i++) {
        snprintf(key, sizeof(key), "key%d", i);
        err = i % 4 == 0 ? at_nvs_set_data(b->nvs, "full", key, AT_NVS_BLOB, blob, sizeof(blob))
                         : at_nvs_set_int(b->nvs, "full", key, AT_NVS_I32, i);
    }
    must(err == AT_ERR_NOMEM, "the partition does not get full");
}

/* ---- rows ---- */

static void show_rates(void)
{
    bench b;
    uint8_t blob[64] = { 1 };
    open_flash(&b, NULL);
    must(at_nvs_set_data(b.nvs, "bench", "blob", AT_NVS_BLOB, blob, sizeof(blob)) == AT_OK,
         "a blob cannot be stored");
    printf("rate %.0f 0 NVS set, a number that changes\n", CHANGES / median(&b, set_many));
    printf("rate %.0f 0 NVS set, an equal number\n", GETS / median(&b, set_same));
    printf("rate %.0f 0 NVS get, a number\n", GETS / median(&b, get_many));
    printf("rate %.0f 0 NVS get, 64 bytes\n", GETS / median(&b, get_blob));
    close_flash(&b);
}

/* Flash operations per 1000 changes, beside the peer's. */
static void show_wear(void)
{
    bench b;
    at_flashfile_counts ours, peers;
    uint32_t most_ours, most_peers;
    open_flash(&b, NULL);
    double ours_s = median(&b, change_many);
    ours = at_flashfile_counted(b.flash);
    most_ours = most_erased(&b);
    close_flash(&b);
    open_flash(&b, NULL);
    double peer_s = median(&b, rewrite_many);
    peers = at_flashfile_counted(b.flash);
    most_peers = most_erased(&b);
    const double thousands = RUNS * CHANGES / 1000.0;
    printf("rate %.0f %.0f settings changed\n", CHANGES / ours_s, CHANGES / peer_s);
    printf("count %.1f %.1f sectors erased per 1,000 changes\n", (double)ours.erases / thousands,
           (double)peers.erases / thousands);
    printf("count %.1f %.1f erases of the sector that has most, per 1,000 changes\n",
           most_ours / thousands, most_peers / thousands);
    printf("count %.0f %.0f KiB programmed per 1,000 changes\n",
           (double)ours.bytes / thousands / 1024, (double)peers.bytes / thousands / 1024);
    close_flash(&b);
}

static void show_opening(void)
{
    bench empty, full;
    open_flash(&empty, NULL);
    open_flash(&full, NULL);
    fill(&full);
    printf("us %.1f %.1f NVS and settings opened, full beside empty\n",
           median(&full, reopen_many) / OPENS * 1e6, median(&empty, reopen_many) / OPENS * 1e6);
    close_flash(&empty);
    close_flash(&full);
}

int main(int argc, char **argv)
{
    if (argc == 3 && strcmp(argv[1], "fill") == 0) {
        bench b;
        open_flash(&b, argv[2]);
        fill(&b);
        close_flash(&b);
        return 0;
    }
    if (argc != 1) {
        fprintf(stderr, "usage: nvs | nvs fill FILE\n");
        return 2;
    }
    show_rates();
    show_wear();
    show_opening();
    return 0;
}
