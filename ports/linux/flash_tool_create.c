/* `attache flash create`: a factory image from module_config/ (guide 30-06 to 30-11).
 *
 * A module is a folder module_NAME with partitions_at.csv and at_customize.csv, and a row of
 * factory_param_data.csv; the profiles of --module have the vendor's names. Values go into mfg_nvs in
 * the vendor's order: certificates and keys by kind, factory_param, ble_data (BLE builds only). A kind
 * with one file has its own name as the key, one with several numbers them (30-08). */
#include <ctype.h>
#include <errno.h>
#include <glob.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>
#include <unistd.h>

#include "commands/version.h"
#include "core/bytes.h"
#include "ports/linux/flash_tool_priv.h"
#include "storage/image.h"

#define PATH_ROOM 1024
#define FIELDS    20
#define ROWS      96u

typedef struct plan {
    const char *out, *module, *config, *version;
    char folder[64];
    bool force, ble;
    at_partition primary[ROWS], customize[ROWS];
    size_t primary_count, customize_count;
} plan;

/* ---- CSV ---- */

/* Splits a line in place; spaces around fields go. Returns how many; 0: empty or a comment. */
static size_t split(char *line, char *fields[FIELDS])
{
    size_t count = 0;
    line[strcspn(line, "\r\n")] = '\0';
    if (line[strspn(line, " \t")] == '\0' || line[strspn(line, " \t")] == '#') {
        return 0;
    }
    for (char *at = line; at != NULL && count < FIELDS; count++) {
        char *comma = strchr(at, ',');
        if (comma != NULL) {
            *comma = '\0';
        }
        at += strspn(at, " \t");
        size_t len = strlen(at);
        while (len > 0 && (at[len - 1] == ' ' || at[len - 1] == '\t')) {
            at[--len] = '\0';
        }
        fields[count] = at;
        at = comma != NULL ? comma + 1 : NULL;
    }
    return count;
}

static bool parse_size(const char *text, uint32_t *value)
{
    size_t len = strlen(text);
    int64_t number;
    int64_t unit = len == 0                                       ? 0
                   : toupper((unsigned char)text[len - 1]) == 'K' ? 1024
                   : toupper((unsigned char)text[len - 1]) == 'M' ? 1 << 20
                                                                  : 1;
    if (unit == 0 || !at_parse_int(text, len - (unit != 1), &number) || number < 0 ||
        number > UINT32_MAX / unit) {
        return false;
    }
    *value = (uint32_t)(number * unit);
    return true;
}

static bool parse_name(const char *text, const char *const *names, const uint8_t *codes,
                       size_t count, uint8_t *code)
{
    uint32_t number;
    for (size_t i = 0; i < count; i++) {
        if (strcmp(text, names[i]) == 0) {
            *code = codes[i];
            return true;
        }
    }
    if (!parse_size(text, &number) || number > 0xff) {
        return false;
    }
    *code = (uint8_t)number;
    return true;
}

static bool parse_subtype(const char *text, uint8_t type, uint8_t *code)
{
    static const char *const names[] = { "ota",   "phy",       "nvs", "coredump", "nvs_keys",
                                         "efuse", "undefined", "fat", "spiffs",   "littlefs" };
    static const uint8_t codes[] = { 0, 1, 2, 3, 4, 5, 6, 0x81, 0x82, 0x83 };
    if (type == AT_PARTITION_APP && strncmp(text, "ota_", 4) == 0) {
        int64_t slot;
        bool valid = at_parse_int(text + 4, strlen(text + 4), &slot) && slot >= 0 && slot < 16;
        *code = (uint8_t)(valid ? AT_APP_OTA_0 + slot : 0);
        return valid;
    }
    if (type == AT_PARTITION_APP) {
        *code = 0x20;
        return strcmp(text, "test") == 0 || (*code = 0, strcmp(text, "factory") == 0);
    }
    return parse_name(text, names, codes, AT_COUNT(codes), code);
}

static bool parse_partition(char **fields, size_t count, at_partition *p, uint32_t next)
{
    static const char *const types[] = { "app", "data" };
    static const uint8_t codes[] = { AT_PARTITION_APP, AT_PARTITION_DATA };
    *p = (at_partition){ 0 };
    if (count < 5 || strlen(fields[0]) > AT_PARTITION_LABEL_MAX ||
        !parse_name(fields[1], types, codes, 2, &p->type) ||
        !parse_subtype(fields[2][0] != '\0' ? fields[2] : "0", p->type, &p->subtype) ||
        !parse_size(fields[4], &p->size)) {
        return false;
    }
    at_copy_text(p->label, sizeof p->label, fields[0]);
    uint32_t align = p->type == AT_PARTITION_APP ? 0x10000 : AT_FLASH_SECTOR;
    p->offset = (next + align - 1) / align * align;
    return fields[3][0] == '\0' || parse_size(fields[3], &p->offset);
}

static bool read_table(const char *path, at_partition *entries, size_t *count, uint32_t next)
{
    char line[512], *fields[FIELDS];
    FILE *file = fopen(path, "r");
    *count = 0;
    if (file == NULL) {
        tool_fail("%s: %s", path, strerror(errno));
        return false;
    }
    for (unsigned number = 1; fgets(line, sizeof line, file) != NULL; number++) {
        size_t given = split(line, fields);
        if (given == 0) {
            continue;
        }
        if (*count == ROWS - 2 || !parse_partition(fields, given, &entries[*count], next)) {
            tool_fail("%s:%u: not name,type,subtype,offset,size", path, number);
            fclose(file);
            return false;
        }
        next = entries[*count].offset + entries[*count].size;
        ++*count;
    }
    fclose(file);
    return true;
}

/* ---- values ---- */

static bool add_files(at_nvs *nvs, const plan *p, const char *kind)
{
    char path[PATH_ROOM], key[AT_NVS_NAME_MAX + 8], value[PATH_ROOM + 1];
    glob_t found;
    bool ok = true;
    snprintf(path, sizeof path, "%s/raw_data/%s/*", p->config, kind);
    if (glob(path, 0, NULL, &found) != 0) {
        return true; /* a kind that is not there is left out */
    }
    for (size_t i = 0; i < found.gl_pathc && ok; i++) {
        snprintf(value, sizeof value, "@%s", found.gl_pathv[i]);
        if (found.gl_pathc == 1) {
            snprintf(key, sizeof key, "%s", kind);
        } else {
            snprintf(key, sizeof key, "%s.%zu", kind, i);
        }
        ok = tool_set(nvs, kind, key, "binary", value);
    }
    globfree(&found);
    return ok;
}

static bool set_parameters(at_nvs *nvs, char **names, char **values, size_t count)
{
    static const struct {
        const char *key, *type;
    } order[] = {
        { "version", "i8" },          { "module_name", "string" }, { "max_tx_power", "i8" },
        { "country_code", "string" }, { "start_channel", "u8" },   { "channel_num", "u8" },
        { "uart_port", "i8" },        { "uart_baudrate", "i32" },  { "uart_tx_pin", "i32" },
        { "uart_rx_pin", "i32" },     { "uart_cts_pin", "i32" },   { "uart_rts_pin", "i32" },
    };
    for (size_t i = 0; i < AT_COUNT(order); i++) {
        for (size_t column = 0; column < count; column++) {
            if (strcmp(names[column], order[i].key) == 0 &&
                !tool_set(nvs, "factory_param", order[i].key, order[i].type, values[column])) {
                return false;
            }
        }
    }
    return true;
}

static bool add_parameters(at_nvs *nvs, const plan *p)
{
    char path[PATH_ROOM], header[1024], line[1024], *names[FIELDS], *values[FIELDS];
    bool done = false, ok = true;
    snprintf(path, sizeof path, "%s/raw_data/factory_param/factory_param_data.csv", p->config);
    FILE *file = fopen(path, "r");
    size_t columns =
        file != NULL && fgets(header, sizeof header, file) != NULL ? split(header, names) : 0;
    while (columns > 1 && !done && ok && fgets(line, sizeof line, file) != NULL) {
        if (split(line, values) == columns && strcasecmp(values[1], p->module) == 0) {
            done = true;
            ok = set_parameters(nvs, names, values, columns);
        }
    }
    if (file != NULL) {
        fclose(file);
    }
    if (!done) {
        tool_fail("%s has no row with module_name %s", path, p->module);
    }
    return done && ok;
}

static bool add_services(at_nvs *nvs, const plan *p)
{
    char path[PATH_ROOM], line[512], key[32];
    bool ok = true;
    snprintf(path, sizeof path, "%s/raw_data/ble_data/gatts_data.csv", p->config);
    FILE *file = p->ble ? fopen(path, "r") : NULL;
    if (file == NULL) {
        return true;
    }
    (void)!fgets(line, sizeof line, file); /* the names of the columns */
    for (unsigned row = 0; ok && fgets(line, sizeof line, file) != NULL; row++) {
        line[strcspn(line, "\r\n")] = '\0';
        snprintf(key, sizeof key, "cfg%u", row);
        ok = line[0] == '\0' || tool_set(nvs, "ble_data", key, "string", line);
    }
    fclose(file);
    return ok;
}

static bool fill_mfg(tool_image *image, const plan *p)
{
    static const char *const kinds[] = {
        "server_cert", "server_key", "server_ca", "client_cert", "client_key", "client_ca",
        "wpa2_cert",   "wpa2_key",   "wpa2_ca",   "mqtt_cert",   "mqtt_key",   "mqtt_ca",
        "https_cert",  "https_key",  "https_ca",  "wss_cert",    "wss_key",    "wss_ca",
    };
    const at_partition *area = at_partitions_find(image->partitions, "mfg_nvs");
    if (area == NULL) {
        tool_fail("at_customize.csv of %s has no mfg_nvs", p->folder);
        return false;
    }
    at_nvs *nvs = tool_nvs(image, area->offset, area->size, AT_NVS_READ_WRITE);
    bool ok = nvs != NULL;
    for (size_t i = 0; i < AT_COUNT(kinds) && ok; i++) {
        ok = add_files(nvs, p, kinds[i]);
    }
    ok = ok && add_parameters(nvs, p) && add_services(nvs, p);
    at_nvs_close(nvs);
    return ok;
}

/* ---- the image ---- */

static bool put_table(tool_image *image, uint32_t at, const at_partition *entries, size_t count,
                      bool md5)
{
    uint8_t raw[AT_PARTITION_TABLE_LEN];
    if (at_partition_build(entries, count, md5, raw) != AT_OK) {
        tool_fail("too many partitions");
        return false;
    }
    image->chip.program(image, at, raw, sizeof raw);
    return true;
}

static bool put_tables(tool_image *image, const plan *p)
{
    uint32_t area = 0;
    for (size_t i = 0; i < p->primary_count; i++) {
        if (strcmp(p->primary[i].label, "at_customize") == 0) {
            area = p->primary[i].offset;
        }
    }
    if (area == 0) {
        tool_fail("partitions_at.csv of %s has no at_customize", p->folder);
        return false;
    }
    if (!put_table(image, AT_PARTITION_TABLE_AT, p->primary, p->primary_count, false) ||
        !put_table(image, area, p->customize, p->customize_count, true) ||
        !tool_partitions(image)) {
        return false;
    }
    size_t primary, customize;
    (void)at_partitions_list(image->partitions, false, &primary);
    (void)at_partitions_list(image->partitions, true, &customize);
    if (primary != p->primary_count || customize != p->customize_count) {
        tool_fail("the partitions of %s are refused", p->folder);
        return false;
    }
    return true;
}

static bool put_firmware(tool_image *image, const plan *p)
{
    uint8_t app[AT_IMAGE_LEN_MIN];
    const at_partition *slot = at_partitions_find(image->partitions, "ota_0");
    if (slot == NULL) {
        return true;
    }
    if (at_image_build(p->version, "attache", AT_VERSION_SDK, app) != AT_OK) {
        tool_fail("--version has at most %u characters", AT_IMAGE_TEXT);
        return false;
    }
    image->chip.program(image, slot->offset, app, sizeof app);
    return true;
}

static uint32_t chip_size(const plan *p)
{
    uint32_t end = 0;
    for (size_t i = 0; i < p->primary_count; i++) {
        end = AT_MAX(end, p->primary[i].offset + p->primary[i].size);
    }
    return end <= 2u << 20 ? 2u << 20 : 4u << 20;
}

static bool read_tables(plan *p)
{
    char path[PATH_ROOM];
    snprintf(path, sizeof path, "%s/%s/partitions_at.csv", p->config, p->folder);
    if (!read_table(path, p->primary, &p->primary_count, 0x9000)) {
        return false;
    }
    snprintf(path, sizeof path, "%s/%s/at_customize.csv", p->config, p->folder);
    return read_table(path, p->customize, &p->customize_count, 0);
}

/* ---- words ---- */

static void name_module(plan *p)
{
    static const struct {
        const char *profile, *name, *folder;
    } profiles[] = {
        { "full", "ESP32C2-4MB", "module_esp32c2_default" },
        { "esp32c2-4mb", "ESP32C2-4MB", "module_esp32c2_default" },
    };
    for (size_t i = 0; i < AT_COUNT(profiles); i++) {
        if (strcasecmp(p->module, profiles[i].profile) == 0) {
            p->module = profiles[i].name;
            at_copy_text(p->folder, sizeof p->folder, profiles[i].folder);
            return;
        }
    }
    snprintf(p->folder, sizeof p->folder, "module_%s", p->module);
    for (char *c = p->folder; *c != '\0'; c++) {
        *c = (char)tolower((unsigned char)*c);
    }
    p->ble = strstr(p->folder, "ble") != NULL;
}

/* --config, the environment, beside the program's source, here. */
static bool find_config(plan *p, char beside[PATH_ROOM])
{
    struct stat about;
    const char *tries[] = { p->config, getenv("ATTACHE_MODULE_CONFIG"), "module_config", beside };
    ssize_t len = readlink("/proc/self/exe", beside, PATH_ROOM - 32);
    beside[len > 0 ? len : 0] = '\0';
    char *slash = strrchr(beside, '/');
    if (slash != NULL) {
        at_copy_text(slash, 32, "/../module_config");
    }
    for (size_t i = 0; i < AT_COUNT(tries); i++) {
        if (tries[i] != NULL && stat(tries[i], &about) == 0 && S_ISDIR(about.st_mode)) {
            p->config = tries[i];
            return true;
        }
    }
    tool_fail("the folder module_config is not found: --config FOLDER");
    return false;
}

void tool_create_help(FILE *to)
{
    fputs("usage: attache flash create [options] FILE\n\n"
          "Makes a factory image: partition tables, manufacturing values, firmware slot.\n\n"
          "  --module NAME     full, esp32c2-4mb (both 4 MB), esp32c2-2mb, esp32c2-ble-2mb, or\n"
          "                    a module_NAME of your own in module_config/ (esp32c2-4mb)\n"
          "  --config FOLDER   module_config/ to use (also $ATTACHE_MODULE_CONFIG)\n"
          "  --version TEXT    of the firmware in ota_0 (v" AT_VERSION_CORE ")\n"
          "  --force           replace FILE when it exists\n",
          to);
}

static bool take_words(plan *p, int argc, char **argv)
{
    const struct {
        const char *name;
        const char **value;
    } options[] = { { "--module", &p->module },
                    { "--config", &p->config },
                    { "--version", &p->version } };
    for (int i = 0; i < argc; i++) {
        bool known = false;
        for (size_t o = 0; o < AT_COUNT(options) && !known; o++) {
            known = strcmp(argv[i], options[o].name) == 0 && i + 1 < argc;
            if (known) {
                *options[o].value = argv[++i];
            }
        }
        if (strcmp(argv[i], "--force") == 0) {
            p->force = known = true;
        } else if (!known && argv[i][0] != '-' && p->out == NULL) {
            p->out = argv[i];
            known = true;
        }
        if (!known) {
            tool_fail("create: what is '%s'?", argv[i]);
            return false;
        }
    }
    return p->out != NULL;
}

static int create(plan *p)
{
    tool_image image;
    if (!p->force && access(p->out, F_OK) == 0) {
        return tool_fail("%s exists: --force replaces it", p->out);
    }
    if (!read_tables(p) || !tool_image_blank(&image, chip_size(p))) {
        return TOOL_FAILED;
    }
    image.path = p->out;
    bool ok = put_tables(&image, p) && fill_mfg(&image, p) && put_firmware(&image, p) &&
              tool_image_store(&image, p->out);
    tool_image_close(&image);
    return ok ? TOOL_OK : TOOL_FAILED;
}

int tool_create(int argc, char **argv)
{
    char beside[PATH_ROOM];
    plan *p = calloc(1, sizeof *p);
    int status = TOOL_USAGE;
    if (p == NULL) {
        return tool_fail("no memory");
    }
    p->module = "esp32c2-4mb";
    p->version = "v" AT_VERSION_CORE;
    if (!take_words(p, argc, argv)) {
        tool_create_help(stderr);
    } else if (!find_config(p, beside)) {
        status = TOOL_FAILED;
    } else {
        name_module(p);
        status = create(p);
    }
    free(p);
    return status;
}
