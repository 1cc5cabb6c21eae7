/* The user family (guide 3.12) without AT+USEROTA: the user's RAM, waking the host (wake.c), documents.
 *
 * Decisions where the guide is silent:
 *
 * - AT+USERRAM? is the size of the allocated RAM, 0 without.
 * - Allocating again, and every other operation without RAM, is an ERROR. Fresh RAM is zero. As much can be
 *   allocated as AT+SYSRAM? says is left.
 * - Reading and writing need <size>; they and clearing stay within the RAM. Clearing without <size> clears
 *   all from <offset>. Releasing and allocating look at no further parameter.
 * - A write that +++ gives up leaves what had come, and is an ERROR.
 */
#include "commands/update.h"
#include "commands/user_priv.h"

#include <stdio.h>
#include <string.h>

#include "core/bytes.h"

/* wire */
static const char FMT_USERRAM[] = "+USERRAM:%lu\r\n";
static const char FMT_USERRAM_DATA[] = "+USERRAM:%u,";
static const char WIRE_WRITE_OK[] = "\r\nWRITE OK\r\n";
static const char FMT_USERDOCS[] = "+USERDOCS:\"%s\"\r\n";
static const char URL_EN[] =
    "https://docs.espressif.com/projects/esp-at/en/latest/esp32c2/index.html";
static const char URL_CN[] =
    "https://docs.espressif.com/projects/esp-at/zh_CN/latest/esp32c2/index.html";

enum { OPERATION, SIZE, OFFSET };
enum { RELEASE, ALLOCATE, WRITE, READ, CLEAR };

#define READ_CHUNK 1024u /* bytes of one reply (guide 3.12.2) */

/* ---- AT+USERRAM ---- */

typedef struct at_user_family at_user;

static at_result userram_query(at_call *call)
{
    at_row(call, FMT_USERRAM, (unsigned long)at_user_of(call)->ram_size);
    return AT_RESULT_OK;
}

static at_result allocate(at_call *call, at_user *user)
{
    at_heap *heap = user->app->heap;
    size_t size = (size_t)at_int(call, SIZE);

    if (user->ram != NULL)
        return at_fail(call, AT_SUB_EXEC_FAIL, 0, "%lu bytes are allocated, release them first",
                       (unsigned long)user->ram_size);
    if (size <= at_heap_left(heap))
        user->ram = at_calloc(heap, 1, size);
    if (user->ram == NULL)
        return at_fail_err(call, AT_ERR_NOMEM, "the user's RAM");
    user->ram_size = (uint32_t)size;
    return AT_RESULT_OK;
}

static at_result release(at_user *user)
{
    at_free(user->app->heap, user->ram);
    user->ram = NULL;
    user->ram_size = 0;
    return AT_RESULT_OK;
}

static at_result write_ram(at_call *call, uint8_t *at, size_t size)
{
    size_t got;

    if (at_collect(call, true, at, size, &got) != AT_OK)
        return at_fail(call, AT_SUB_EXEC_FAIL, 0, "given up after %u of %u bytes", (unsigned)got,
                       (unsigned)size);
    at_write(call, WIRE_WRITE_OK, sizeof WIRE_WRITE_OK - 1);
    return AT_RESULT_SILENT;
}

static at_result read_ram(at_call *call, const uint8_t *at, size_t size)
{
    char reply[READ_CHUNK + sizeof FMT_USERRAM_DATA + 10];

    while (size > 0) {
        size_t n = AT_MIN(size, (size_t)READ_CHUNK);
        size_t head = (size_t)snprintf(reply, sizeof reply, FMT_USERRAM_DATA, (unsigned)n);

        memcpy(reply + head, at, n);
        at_write(call, reply, head + n);
        at += n;
        size -= n;
    }
    return AT_RESULT_OK;
}

/* Operations on allocated RAM. */
static at_result use(at_call *call, const at_user *user)
{
    int operation = at_int(call, OPERATION);
    size_t offset = (size_t)at_int(call, OFFSET), size = (size_t)at_int(call, SIZE);

    if (offset >= user->ram_size)
        return at_fail(call, AT_SUB_PARAM_INVALID, OFFSET + 1, "the RAM has %lu bytes",
                       (unsigned long)user->ram_size);
    if (operation == CLEAR && !at_has(call, SIZE))
        size = user->ram_size - offset;
    if (size == 0 || size > user->ram_size - offset)
        return at_fail(call, AT_SUB_PARAM_INVALID, SIZE + 1, "from offset %u the RAM has %lu bytes",
                       (unsigned)offset, (unsigned long)(user->ram_size - offset));
    if (operation == WRITE)
        return write_ram(call, user->ram + offset, size);
    if (operation == READ)
        return read_ram(call, user->ram + offset, size);
    memset(user->ram + offset, 0, size);
    return AT_RESULT_OK;
}

static at_result userram_set(at_call *call)
{
    at_user *user = at_user_of(call);
    int operation = at_int(call, OPERATION);

    if (operation == ALLOCATE)
        return allocate(call, user);
    if (user->ram == NULL)
        return at_fail(call, AT_SUB_EXEC_FAIL, 0, "nothing is allocated (AT+USERRAM=1,<size>)");
    return operation == RELEASE ? release(user) : use(call, user);
}

static uint8_t userram_select(const at_call *call)
{
    char text[4];
    char operation = at_peek(call, OPERATION, text, sizeof text)[0];

    return operation >= '1' && operation <= '3' ? 1 : 0;
}

/* ---- AT+USERDOCS ---- */

static at_result userdocs_query(at_call *call)
{
    at_row(call, FMT_USERDOCS, URL_EN);
    at_row(call, FMT_USERDOCS, URL_CN);
    return AT_RESULT_OK;
}

/* ---- life ---- */

at_err at_user_family_create(at_app *app)
{
    at_user *user = at_calloc(app->heap, 1, sizeof *user);

    if (user == NULL)
        return AT_ERR_NOMEM;
    user->app = app;
    at_wake_create(&user->wake, app);
    app->user = user;
    return AT_OK;
}

static uint8_t userwkmcucfg_select(const at_call *call)
{
    char text[4];

    return at_peek(call, 0, text, sizeof text)[0] == '0' ? 0 : 1;
}

/* arguments */
static const at_arg_spec userram_whole_args[] = {
    AT_INT("operation", 0, 4),
    AT_OPT_INT("size", 1, INT32_MAX, 0),
    AT_OPT_INT("offset", 0, INT32_MAX, 0),
};
static const at_arg_spec userram_args[] = {
    AT_INT("operation", 0, 4),
    AT_INT("size", 1, INT32_MAX),
    AT_OPT_INT("offset", 0, INT32_MAX, 0),
};
static const at_shape userram_shapes[] = { AT_SHAPE("release or clear", userram_whole_args),
                                           AT_SHAPE("malloc, write or read", userram_args) };
#define WAKE_TAIL(opt_int)                                                                      \
    opt_int("wake mode", 1, 2), opt_int("wake number", 0, 255), opt_int("wake signal", 0, 255), \
        opt_int("delay time", 0, 60000)
#define OPTIONAL_INT(name, min, max) AT_OPT_INT(name, min, max, 0)
static const at_arg_spec wake_off_args[] = { AT_INT("enable", 0, 1), WAKE_TAIL(OPTIONAL_INT),
                                             AT_OPT_INT("check mcu awake method", 0, 7, 1) };
static const at_arg_spec wake_on_args[] = { AT_INT("enable", 0, 1), WAKE_TAIL(AT_INT),
                                            AT_OPT_INT("check mcu awake method", 0, 7, 1) };
static const at_shape wake_shapes[] = { AT_SHAPE("disable", wake_off_args),
                                        AT_SHAPE("enable", wake_on_args) };
static const at_arg_spec userota_args[] = { AT_INT("url len", 1, AT_UPDATE_URL_MAX) };
static const at_shape userota_shapes[] = { AT_SHAPE(NULL, userota_args) };
static const at_arg_spec mcusleep_args[] = { AT_INT("state", 0, 1) };
static const at_shape mcusleep_shapes[] = { AT_SHAPE(NULL, mcusleep_args) };

/* rows */
static const at_cmd rows[] = {
    { .name = "+USERRAM",
      .query = userram_query,
      .set = userram_set,
      AT_SHAPES(userram_shapes),
      .select = userram_select,
      .builds = AT_IN_ALL,
      .guide = "3.12.2",
      .summary = "Operate the user's RAM" },
    { .name = "+USEROTA",
      .set = at_userota_set,
      AT_SHAPES(userota_shapes),
      .builds = AT_IN_ALL,
      .guide = "3.12.3",
      .summary = "Upgrade the firmware from a URL" },
    { .name = "+USERWKMCUCFG",
      .set = at_userwkmcucfg_set,
      AT_SHAPES(wake_shapes),
      .select = userwkmcucfg_select,
      .builds = AT_IN_ALL,
      .guide = "3.12.4",
      .summary = "Configure how the host is woken" },
    { .name = "+USERMCUSLEEP",
      .set = at_usermcusleep_set,
      AT_SHAPES(mcusleep_shapes),
      .builds = AT_IN_ALL,
      .guide = "3.12.5",
      .summary = "The host says whether it sleeps" },
    { .name = "+USERDOCS",
      .query = userdocs_query,
      .builds = AT_IN_ALL,
      .guide = "3.12.6",
      .summary = "Query the user guide of this firmware" },
};

const at_family_rows at_user_rows = AT_FAMILY(rows);
