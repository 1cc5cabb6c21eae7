/* `attache flash modify`: what the vendor's at.py modify_bin does, with the same names of options (guide
 * 30-17).
 *
 * As there, the image may be any multiple of 1 MiB, the manufacturing partition is found by the entry
 * of the secondary table (searched in the whole file, or at --parameter_offset), values are changed
 * by key whatever their namespace, and a key that is not there is not added (here that is said).
 * Unlike there, ranges are checked, and only the values change: the partition is not generated anew.
 * The parameter block of firmware before 2.2 is not known. */
#include <stdlib.h>
#include <string.h>

#include "core/bytes.h"
#include "ports/linux/flash_tool_priv.h"

#define ENTRY        32u
#define GATTS_CONFIG 31

typedef struct option {
    const char *name, *key, *type;
    int64_t low, high; /* of numbers */
    const char *what;
} option;

/* Numbers below 0 mean "not used" for pins (low -1). */
static const option options[] = {
    { "tx_power", "max_tx_power", "i8", 40, 84, "maximum transmission power in 0.25 dBm" },
    { "country_code", "country_code", "string", 0, 0, "Wi-Fi country code" },
    { "start_channel", "start_channel", "u8", 1, 14, "first Wi-Fi channel" },
    { "channel_number", "channel_num", "u8", 1, 14, "number of Wi-Fi channels" },
    { "uart_num", "uart_port", "i8", 0, 2, "UART of the AT port" },
    { "baud", "uart_baudrate", "i32", 80, 5000000, "its baud rate" },
    { "tx_pin", "uart_tx_pin", "i32", -1, 48, "its pins; -1: not used" },
    { "rx_pin", "uart_rx_pin", "i32", -1, 48, NULL },
    { "cts_pin", "uart_cts_pin", "i32", -1, 48, NULL },
    { "rts_pin", "uart_rts_pin", "i32", -1, 48, NULL },
    { "module_name", "module_name", "string", 0, 0, "name in AT+GMR" },
    { "server_ca", "server_ca", "file", 0, 0, "certificates and keys, each a FILE" },
    { "server_cert", "server_cert", "file", 0, 0, NULL },
    { "server_key", "server_key", "file", 0, 0, NULL },
    { "client_ca0", "client_ca.0", "file", 0, 0, NULL },
    { "client_cert0", "client_cert.0", "file", 0, 0, NULL },
    { "client_key0", "client_key.0", "file", 0, 0, NULL },
    { "client_ca1", "client_ca.1", "file", 0, 0, NULL },
    { "client_cert1", "client_cert.1", "file", 0, 0, NULL },
    { "client_key1", "client_key.1", "file", 0, 0, NULL },
    { "mqtt_ca", "mqtt_ca", "file", 0, 0, NULL },
    { "mqtt_cert", "mqtt_cert", "file", 0, 0, NULL },
    { "mqtt_key", "mqtt_key", "file", 0, 0, NULL },
    { "wpa2_ca", "wpa2_ca", "file", 0, 0, NULL },
    { "wpa2_cert", "wpa2_cert", "file", 0, 0, NULL },
    { "wpa2_key", "wpa2_key", "file", 0, 0, NULL },
};

typedef struct change {
    char key[AT_NVS_NAME_MAX + 1];
    const char *type;
    char value[1024];
    unsigned found;
} change;

#define CHANGES (AT_COUNT(options) + GATTS_CONFIG)

typedef struct job {
    const char *input, *output, *entry_at;
    change changes[CHANGES];
    size_t count;
} job;

void tool_modify_help(FILE *to)
{
    fputs(
        "usage: attache flash modify --input FILE [--output FILE] option...\n\n"
        "Changes the parameters of a factory image; the names are those of at.py modify_bin.\n\n"
        "  --input FILE             the image, a multiple of 1 MiB; -in\n"
        "  --output FILE            where the result goes (target.bin); -o\n"
        "  --parameter_offset N     where the table's entry of mfg_nvs is, instead of searching\n",
        to);
    for (size_t i = 0; i < AT_COUNT(options); i++) {
        fprintf(to, "  --%-22s %s\n", options[i].name,
                options[i].what != NULL ? options[i].what : "");
    }
    fputs("  --gatts_cfg0 ROW         to --gatts_cfg30: a row of gatts_data.csv\n", to);
}

static bool add(job *j, const char *key, const char *type, const char *prefix, const char *value)
{
    if (j->count == CHANGES) {
        tool_fail("modify: too many options");
        return false;
    }
    change *c = &j->changes[j->count++];
    at_copy_text(c->key, sizeof c->key, key);
    c->type = type;
    c->found = 0;
    return snprintf(c->value, sizeof c->value, "%s%s", prefix, value) < (int)sizeof c->value;
}

static bool add_option(job *j, const option *o, const char *value)
{
    int64_t number;
    char text[24];
    if (strcmp(o->type, "file") == 0) {
        return add(j, o->key, "binary", "@", value);
    }
    if (strcmp(o->type, "string") == 0) {
        return add(j, o->key, o->type, "", value);
    }
    bool valid = at_parse_int(value, strlen(value), &number);
    number = valid && o->low == -1 && number < 0 ? -1 : number;
    if (!valid || number < o->low || number > o->high) {
        tool_fail("modify: --%s is %lld to %lld, not '%s'", o->name, (long long)o->low,
                  (long long)o->high, value);
        return false;
    }
    snprintf(text, sizeof text, "%lld", (long long)number);
    return add(j, o->key, o->type, "", text);
}

static bool take_option(job *j, const char *name, const char *value)
{
    for (size_t i = 0; i < AT_COUNT(options); i++) {
        if (strcmp(name, options[i].name) == 0) {
            return add_option(j, &options[i], value);
        }
    }
    int64_t row;
    if (strncmp(name, "gatts_cfg", 9) == 0 && at_parse_int(name + 9, strlen(name + 9), &row) &&
        row >= 0 && row < GATTS_CONFIG) {
        return add(j, name + 6, "string", "", value); /* cfg0 ... */
    }
    tool_fail("modify: unknown option --%s", name);
    return false;
}

static bool take_words(job *j, int argc, char **argv)
{
    for (int i = 0; i < argc; i += 2) {
        const char *word = argv[i], *value = i + 1 < argc ? argv[i + 1] : NULL;
        if (value == NULL) {
            tool_fail("modify: '%s' needs a value", word);
            return false;
        }
        if (strcmp(word, "--input") == 0 || strcmp(word, "-in") == 0) {
            j->input = value;
        } else if (strcmp(word, "--output") == 0 || strcmp(word, "-o") == 0) {
            j->output = value;
        } else if (strcmp(word, "--parameter_offset") == 0) {
            j->entry_at = value;
        } else if (strncmp(word, "--", 2) != 0) {
            tool_fail("modify: what is '%s'?", word);
            return false;
        } else if (!take_option(j, word + 2, value)) {
            return false;
        }
    }
    if (j->input == NULL) {
        tool_fail("modify: --input FILE is missing");
    }
    return j->input != NULL;
}

/* ---- the image ---- */

static bool is_entry(const uint8_t *at)
{
    static const uint8_t magic[] = { 0xaa, 0x50, AT_PARTITION_DATA, AT_DATA_NVS };
    return memcmp(at, magic, sizeof magic) == 0 && memcmp(at + 12, "mfg_nvs", 8) == 0;
}

static bool find_area(const tool_image *image, const job *j, uint32_t *offset, uint32_t *size)
{
    int64_t given = 0;
    uint32_t at = 0, end = image->size - ENTRY;
    if (j->entry_at != NULL) {
        if (!at_parse_int(j->entry_at, strlen(j->entry_at), &given) || given < 0 || given > end) {
            tool_fail("--parameter_offset %s is not inside the image", j->entry_at);
            return false;
        }
        at = end = (uint32_t)given;
    }
    while (at <= end && !is_entry(image->bytes + at)) {
        at++;
    }
    if (at > end) {
        tool_fail("%s: no entry of mfg_nvs in it", j->input);
        return false;
    }
    at_reader r = at_reader_of(image->bytes + at + 4, 8);
    *offset = at_get32le(&r);
    *size = at_get32le(&r);
    return true;
}

static bool change_space(at_nvs *nvs, const char *space, job *j)
{
    for (size_t i = 0; i < j->count; i++) {
        at_nvs_info info;
        change *c = &j->changes[i];
        if (at_nvs_stat(nvs, space, c->key, &info) == AT_OK) {
            c->found++;
            if (!tool_set(nvs, space, c->key, c->type, c->value)) {
                return false;
            }
        }
    }
    return true;
}

static bool change_all(at_nvs *nvs, job *j)
{
    char names[64][AT_NVS_NAME_MAX + 1]; /* a change ends a walk */
    at_nvs_walk walk = { 0 };
    size_t count = 0;
    while (count < AT_COUNT(names) && at_nvs_next_namespace(nvs, &walk, names[count]) == AT_OK) {
        count++;
    }
    for (size_t i = 0; i < count; i++) {
        if (!change_space(nvs, names[i], j)) {
            return false;
        }
    }
    for (size_t i = 0; i < j->count; i++) {
        if (j->changes[i].found == 0) {
            fprintf(stderr, "attache flash: %s is not in this image and is not added\n",
                    j->changes[i].key);
        }
    }
    return true;
}

static int modify(job *j)
{
    tool_image image;
    uint32_t offset, size;
    if (!tool_image_load(&image, j->input, 1u << 20, false)) {
        return TOOL_FAILED;
    }
    at_nvs *nvs = find_area(&image, j, &offset, &size)
                      ? tool_nvs(&image, offset, size, AT_NVS_READ_WRITE)
                      : NULL;
    bool ok = nvs != NULL && change_all(nvs, j);
    at_nvs_close(nvs);
    ok = ok && tool_image_store(&image, j->output);
    tool_image_close(&image);
    return ok ? TOOL_OK : TOOL_FAILED;
}

int tool_modify(int argc, char **argv)
{
    job *j = calloc(1, sizeof *j);
    if (j == NULL) {
        return tool_fail("no memory");
    }
    j->output = "target.bin";
    int status = take_words(j, argc, argv) ? modify(j) : TOOL_USAGE;
    free(j);
    return status;
}
