/* `attache flash VERB`: the verbs that look at an image or change one thing in it. `create` and
 * `modify` have files of their own. */
#include "ports/linux/flash_tool.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "commands/version.h"
#include "core/bytes.h"
#include "ports/linux/flash_tool_priv.h"
#include "storage/fat.h"
#include "storage/ota.h"

static bool is_nvs(const at_partition *p)
{
    return p->type == AT_PARTITION_DATA && p->subtype == AT_DATA_NVS;
}

static bool is_fat(const at_partition *p)
{
    return p->type == AT_PARTITION_DATA && p->subtype == AT_DATA_FAT;
}

/* ---- info ---- */

static void print_table(tool_image *image, bool customize)
{
    size_t count;
    const at_partition *list = at_partitions_list(image->partitions, customize, &count);
    for (size_t i = 0; i < count; i++) {
        printf("%-16s %3u %3u  0x%06lx  0x%06lx\n", list[i].label, list[i].type, list[i].subtype,
               (unsigned long)list[i].offset, (unsigned long)list[i].size);
    }
}

static void print_nvs(tool_image *image, const at_partition *p)
{
    at_nvs_usage usage;
    at_nvs *nvs = tool_nvs(image, p->offset, p->size, AT_NVS_READ_ONLY);
    if (nvs != NULL) {
        at_nvs_measure(nvs, &usage);
        printf("%-16s %lu of %lu entries used, %u of %u pages free\n", p->label,
               (unsigned long)usage.entries, (unsigned long)usage.entries_room, usage.free_pages,
               usage.pages);
        at_nvs_close(nvs);
    }
}

static const char *why_no_files(at_err err)
{
    return err == AT_ERR_NOT_FOUND ? "not formatted yet, the first AT+FS command does that"
                                   : at_err_text(err);
}

static void print_fat(tool_image *image, const at_partition *p)
{
    at_fat *fs;
    at_fat_usage usage;
    at_err err = at_fat_mount(&fs, &image->heap, &image->log, &image->chip, p->offset, p->size,
                              AT_FAT_READ_ONLY);
    if (err != AT_OK) {
        printf("%-16s no files: %s\n", p->label, why_no_files(err));
        return;
    }
    at_fat_measure(fs, &usage);
    printf("%-16s FAT%u%s, %lu of %lu bytes free%s\n", p->label, usage.bits,
           usage.levelled ? " on wear levelling" : "", (unsigned long)usage.free * usage.cluster,
           (unsigned long)usage.clusters * usage.cluster, usage.damaged ? ", damaged" : "");
    at_fat_unmount(fs);
}

static void print_slot(tool_image *image, const at_partition *p, bool runs)
{
    at_image_info info;
    const char *why = "";
    at_err err = at_image_check(&image->chip, p->offset, p->size, &info, &why);
    if (err == AT_OK) {
        printf("%-16s %s %s, %lu bytes%s\n", p->label, info.project, info.version,
               (unsigned long)info.len, runs ? ", boots" : "");
    } else {
        printf("%-16s %s%s%s\n", p->label, err == AT_ERR_CORRUPT ? "the image" : "no image",
               why[0] != '\0' ? " " : "", why);
    }
}

static int info(int argc, char **argv)
{
    tool_image image;
    at_ota ota;
    (void)argc;
    if (!tool_image_load(&image, argv[0], 1u << 20, false)) {
        return TOOL_FAILED;
    }
    bool ok = tool_partitions(&image);
    if (ok) {
        printf("%lu MiB of flash\n\nname             type sub  address   size\n",
               (unsigned long)image.size >> 20);
        print_table(&image, false);
        print_table(&image, true);
        puts("");
        for (int customize = 0; customize < 2; customize++) {
            size_t count;
            const at_partition *list = at_partitions_list(image.partitions, customize, &count);
            for (size_t i = 0; i < count; i++) {
                if (is_nvs(&list[i])) {
                    print_nvs(&image, &list[i]);
                } else if (is_fat(&list[i])) {
                    print_fat(&image, &list[i]);
                }
            }
        }
        /* What the boot loader writes here stays in memory. */
        at_ota_boot(&ota, &image.chip, image.partitions, &image.log);
        for (unsigned i = 0; i < ota.count; i++) {
            print_slot(&image, ota.slots[i], (int)i == ota.running);
        }
    }
    tool_image_close(&image);
    return ok ? TOOL_OK : TOOL_FAILED;
}

/* ---- ls ---- */

static int list_values(tool_image *image, const at_partition *p)
{
    at_nvs *nvs = tool_nvs(image, p->offset, p->size, AT_NVS_READ_ONLY);
    at_nvs_walk spaces = { 0 };
    char name[AT_NVS_NAME_MAX + 1];
    if (nvs == NULL) {
        return TOOL_FAILED;
    }
    while (at_nvs_next_namespace(nvs, &spaces, name) == AT_OK) {
        at_nvs_walk keys = { 0 };
        at_nvs_info key;
        while (at_nvs_next_key(nvs, &keys, name, &key) == AT_OK) {
            printf("%-15s %-15s %-6s %zu\n", name, key.key, tool_type_name(key.type), key.len);
        }
    }
    at_nvs_close(nvs);
    return TOOL_OK;
}

static int list_files(tool_image *image, const at_partition *p)
{
    at_fat *fs;
    at_fat_walk walk = { 0 };
    at_fat_info file;
    at_err err = at_fat_mount(&fs, &image->heap, &image->log, &image->chip, p->offset, p->size,
                              AT_FAT_READ_ONLY);
    if (err != AT_OK) {
        return tool_fail("%s: no files: %s", p->label, why_no_files(err));
    }
    while (at_fat_next(fs, &walk, ".", &file) == AT_OK) {
        printf("%8lu %s%s\n", (unsigned long)file.size, file.name, file.directory ? "/" : "");
    }
    at_fat_unmount(fs);
    return TOOL_OK;
}

static int ls(int argc, char **argv)
{
    tool_image image;
    int status = TOOL_FAILED;
    if (!tool_image_load(&image, argv[0], 1u << 20, false)) {
        return TOOL_FAILED;
    }
    if (argc == 1 && tool_partitions(&image)) {
        print_table(&image, false);
        print_table(&image, true);
        status = TOOL_OK;
    } else if (argc == 2) {
        const at_partition *p = tool_partition(&image, argv[1]);
        if (p != NULL) {
            status = is_nvs(p)   ? list_values(&image, p)
                     : is_fat(p) ? list_files(&image, p)
                                 : tool_fail("%s holds neither values nor files", p->label);
        }
    }
    tool_image_close(&image);
    return status;
}

/* ---- get, set ---- */

static at_nvs *open_values(tool_image *image, const char *path, const char *label, bool change)
{
    if (!tool_image_load(image, path, 1u << 20, change)) {
        return NULL;
    }
    const at_partition *p = tool_partition(image, label);
    at_nvs *nvs = NULL;
    if (p != NULL && !is_nvs(p)) {
        tool_fail("%s holds no values", label);
    } else if (p != NULL) {
        nvs = tool_nvs(image, p->offset, p->size, change ? AT_NVS_READ_WRITE : AT_NVS_READ_ONLY);
    }
    if (nvs == NULL) {
        tool_image_close(image);
    }
    return nvs;
}

static int print_value(at_nvs *nvs, const char *space, const char *key)
{
    at_nvs_info about;
    int64_t number;
    size_t len = 0;
    at_err err = at_nvs_stat(nvs, space, key, &about);
    if (err == AT_OK && about.type != AT_NVS_TEXT && about.type != AT_NVS_BLOB) {
        err = at_nvs_get_int(nvs, space, key, about.type, &number);
        if (err == AT_OK && about.type == AT_NVS_U64) {
            printf("%" PRIu64 "\n", (uint64_t)number);
        } else if (err == AT_OK) {
            printf("%" PRId64 "\n", number);
        }
    } else if (err == AT_OK) {
        char *data = malloc(about.len + 1);
        err = data != NULL ? at_nvs_get_data(nvs, space, key, about.type, data, about.len, &len)
                           : AT_ERR_NOMEM;
        if (err == AT_OK) {
            fwrite(data, 1, len - (about.type == AT_NVS_TEXT), stdout);
            fputs(about.type == AT_NVS_TEXT ? "\n" : "", stdout);
        }
        free(data);
    }
    return err == AT_OK ? TOOL_OK : tool_fail("%s.%s: %s", space, key, at_err_text(err));
}

static int get(int argc, char **argv)
{
    tool_image image;
    (void)argc;
    at_nvs *nvs = open_values(&image, argv[0], argv[1], false);
    if (nvs == NULL) {
        return TOOL_FAILED;
    }
    int status = print_value(nvs, argv[2], argv[3]);
    at_nvs_close(nvs);
    tool_image_close(&image);
    return status;
}

static int set(int argc, char **argv)
{
    tool_image image;
    (void)argc;
    at_nvs *nvs = open_values(&image, argv[0], argv[1], true);
    if (nvs == NULL) {
        return TOOL_FAILED;
    }
    bool ok = tool_set(nvs, argv[2], argv[3], argv[4], argv[5]);
    at_nvs_close(nvs);
    ok = ok && tool_image_store(&image, NULL);
    tool_image_close(&image);
    return ok ? TOOL_OK : TOOL_FAILED;
}

/* ---- extract, insert ---- */

static bool write_file(const char *path, const uint8_t *bytes, size_t len)
{
    FILE *file = fopen(path, "wb");
    bool done = file != NULL && fwrite(bytes, 1, len, file) == len;
    if ((file != NULL && fclose(file) != 0) || !done) {
        tool_fail("%s cannot be written", path);
        return false;
    }
    return true;
}

static bool extract_plain(tool_image *image, const at_partition *p, const char *path)
{
    at_fat *fs;
    at_err err = at_fat_mount(&fs, &image->heap, &image->log, &image->chip, p->offset, p->size,
                              AT_FAT_READ_ONLY);
    if (err != AT_OK) {
        tool_fail("%s: no files: %s", p->label, why_no_files(err));
        return false;
    }
    uint32_t size = at_fat_volume_size(fs);
    uint8_t *bytes = malloc(size);
    bool done = bytes != NULL && at_fat_volume_read(fs, 0, bytes, size) == AT_OK &&
                write_file(path, bytes, size);
    free(bytes);
    at_fat_unmount(fs);
    return done;
}

static int extract(int argc, char **argv)
{
    tool_image image;
    if (!tool_image_load(&image, argv[0], 1u << 20, false)) {
        return TOOL_FAILED;
    }
    const at_partition *p = tool_partition(&image, argv[1]);
    bool ok = p != NULL && (argc == 4 ? extract_plain(&image, p, argv[2])
                                      : write_file(argv[2], image.bytes + p->offset, p->size));
    tool_image_close(&image);
    return ok ? TOOL_OK : TOOL_FAILED;
}

static bool put(tool_image *image, const at_partition *p, const uint8_t *bytes, size_t len,
                bool plain)
{
    if (len > p->size) {
        tool_fail("%s has 0x%lx bytes, not %zu", p->label, (unsigned long)p->size, len);
        return false;
    }
    if (!plain) {
        memset(image->bytes + p->offset, 0xff, p->size);
        memcpy(image->bytes + p->offset, bytes, len);
        return true;
    }
    at_err err =
        at_fat_import(&image->heap, &image->chip, p->offset, p->size, bytes, (uint32_t)len);
    if (err != AT_OK) {
        tool_fail("%s does not take the volume: %s", p->label,
                  err == AT_ERR_NOMEM ? "it is too long" : at_err_text(err));
    }
    return err == AT_OK;
}

static int insert(int argc, char **argv)
{
    tool_image image;
    size_t len;
    if (!tool_image_load(&image, argv[0], 1u << 20, true)) {
        return TOOL_FAILED;
    }
    const at_partition *p = tool_partition(&image, argv[1]);
    uint8_t *bytes = p != NULL ? tool_read_file(argv[2], &len) : NULL;
    bool ok =
        bytes != NULL && put(&image, p, bytes, len, argc == 4) && tool_image_store(&image, NULL);
    free(bytes);
    tool_image_close(&image);
    return ok ? TOOL_OK : TOOL_FAILED;
}

/* ---- firmware ---- */

static int firmware(int argc, char **argv)
{
    uint8_t image[AT_IMAGE_LEN_MIN];
    (void)argc;
    if (at_image_build(argv[0], "attache", AT_VERSION_SDK, image) != AT_OK) {
        return tool_fail("a version has at most %u characters", AT_IMAGE_TEXT);
    }
    return write_file(argv[1], image, sizeof image) ? TOOL_OK : TOOL_FAILED;
}

/* ---- words ---- */

static const struct {
    const char *name, *words;
    int least, most;
    bool plain; /* the last word, if there, is --plain */
    int (*run)(int argc, char **argv);
} verbs[] = {
    { "info", "FILE", 1, 1, false, info },
    { "ls", "FILE [PARTITION]", 1, 2, false, ls },
    { "get", "FILE PARTITION NAMESPACE KEY", 4, 4, false, get },
    { "set", "FILE PARTITION NAMESPACE KEY TYPE VALUE|@FILE", 6, 6, false, set },
    { "extract", "FILE PARTITION TO [--plain]", 3, 4, true, extract },
    { "insert", "FILE PARTITION FROM [--plain]", 3, 4, true, insert },
    { "firmware", "VERSION TO", 2, 2, false, firmware },
};

static void help(FILE *to)
{
    fputs("usage: attache flash VERB ...\n\n"
          "Images of a module's flash, as --flash FILE uses them.\n\n"
          "  create [options] FILE       a factory image; create --help lists the options\n"
          "  info FILE                   partitions, values, files, firmware\n"
          "  ls FILE [PARTITION]         partitions; the values or files of one\n"
          "  get FILE PARTITION NAMESPACE KEY\n"
          "                              one value, raw\n"
          "  set FILE PARTITION NAMESPACE KEY TYPE VALUE|@FILE\n"
          "                              TYPE: u8 i8 u16 i16 u32 i32 u64 i64 string binary\n"
          "  modify --input FILE ...     parameters, with the options of at.py modify_bin\n"
          "  extract FILE PARTITION TO [--plain]\n"
          "                              its bytes; --plain: the FAT volume without levelling\n"
          "  insert FILE PARTITION FROM [--plain]\n"
          "                              the other way; the rest of the partition is erased\n"
          "  firmware VERSION TO         an image of that version, for an update server\n",
          to);
}

static bool wants_help(int argc, char **argv)
{
    return argc > 0 && (strcmp(argv[0], "--help") == 0 || strcmp(argv[0], "-h") == 0);
}

static int run_verb(size_t v, int argc, char **argv)
{
    bool right = argc >= verbs[v].least && argc <= verbs[v].most;
    if (right && verbs[v].plain && argc == verbs[v].most) {
        right = strcmp(argv[argc - 1], "--plain") == 0;
    }
    if (wants_help(argc, argv) || !right) {
        fprintf(wants_help(argc, argv) ? stdout : stderr, "usage: attache flash %s %s\n",
                verbs[v].name, verbs[v].words);
        return wants_help(argc, argv) ? TOOL_OK : TOOL_USAGE;
    }
    int status = verbs[v].run(argc, argv);
    return fflush(stdout) == 0 ? status : TOOL_FAILED;
}

int lx_flash_main(int argc, char **argv)
{
    if (argc == 0 || wants_help(argc, argv)) {
        help(argc == 0 ? stderr : stdout);
        return argc == 0 ? TOOL_USAGE : TOOL_OK;
    }
    bool create = strcmp(argv[0], "create") == 0;
    if (create || strcmp(argv[0], "modify") == 0) {
        if (wants_help(argc - 1, argv + 1)) {
            (create ? tool_create_help : tool_modify_help)(stdout);
            return TOOL_OK;
        }
        return (create ? tool_create : tool_modify)(argc - 1, argv + 1);
    }
    for (size_t v = 0; v < AT_COUNT(verbs); v++) {
        if (strcmp(argv[0], verbs[v].name) == 0) {
            return run_verb(v, argc - 1, argv + 1);
        }
    }
    (void)tool_fail(
        "'%s' is no verb: create, info, ls, get, set, modify, extract, insert or firmware",
        argv[0]);
    return TOOL_USAGE;
}
