/* The list is sorted as it comes in; equal versions are one. */
#include "proto/release.h"

#include <string.h>

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

bool at_release_valid(const char *text)
{
    size_t i;
    for (i = 0; text[i] != '\0'; i++) {
        char c = text[i], l = (char)(c | 0x20);
        if (!is_digit(c) && (l < 'a' || l > 'z') && strchr("._-+", c) == NULL) {
            return false;
        }
    }
    return i <= AT_RELEASE_MAX && text[0] == 'v' && is_digit(text[1]);
}

/* The number at *text, which moves behind it and a dot that follows; huge ones are all the same. */
static uint32_t number(const char **text)
{
    uint32_t value = 0;
    for (; is_digit(**text); (*text)++) {
        value = value > 99999999u ? value : value * 10 + (uint32_t)(**text - '0');
    }
    if ((*text)[0] == '.' && is_digit((*text)[1])) {
        (*text)++;
    }
    return value;
}

int at_release_compare(const char *a, const char *b)
{
    a += *a == 'v';
    b += *b == 'v';
    while (is_digit(*a) || is_digit(*b)) {
        uint32_t x = number(&a), y = number(&b);
        if (x != y) {
            return x < y ? -1 : 1;
        }
    }
    if (*a == '\0' || *b == '\0') {
        return (*a == '\0') - (*b == '\0');
    }
    return strcmp(a, b);
}

void at_release_start(at_release_list *list, const char *wanted)
{
    memset(list, 0, sizeof *list);
    list->wanted = wanted;
}

static void insert(at_release_list *list, const char *version)
{
    unsigned at = 0;
    while (at < list->count && at_release_compare(list->version[at], version) > 0) {
        at++;
    }
    if (at == AT_RELEASES || (at < list->count && strcmp(list->version[at], version) == 0)) {
        return;
    }
    unsigned behind = list->count - at - (list->count == AT_RELEASES);
    memmove(list->version[at + 1], list->version[at], behind * sizeof list->version[0]);
    memcpy(list->version[at], version, sizeof list->version[0]);
    list->count += list->count < AT_RELEASES;
}

static at_err take_line(at_release_list *list)
{
    uint32_t len = list->len;
    list->line_number++;
    list->len = 0;
    list->skip = false;
    len -= len > 0 && list->line[len - 1] == '\r';
    memset(list->line + len, 0, sizeof list->line - len);
    if (len == 0) {
        return AT_OK;
    }
    if (!at_release_valid(list->line)) {
        list->broken = true;
        return AT_ERR_CORRUPT;
    }
    list->found = list->found || (list->wanted != NULL && strcmp(list->line, list->wanted) == 0);
    insert(list, list->line);
    return AT_OK;
}

static at_err take(at_release_list *list, char c)
{
    if (c == '\n') {
        return take_line(list);
    }
    list->skip = list->skip || (list->len == 0 && c == '#');
    if (list->skip) {
        return AT_OK;
    }
    if (list->len == AT_RELEASE_MAX && c == '\r') {
        return AT_OK; /* of the line's end; a lone one is left out as well */
    }
    if (list->len == AT_RELEASE_MAX || c == '\0') {
        list->broken = true;
        list->line_number++;
        return AT_ERR_CORRUPT;
    }
    list->line[list->len++] = c;
    return AT_OK;
}

at_err at_release_add(at_release_list *list, const void *data, size_t len)
{
    const char *text = data;
    if (len > AT_RELEASE_LIST_MAX - list->total) {
        list->broken = true;
    }
    for (size_t i = 0; i < len && !list->broken; i++) {
        (void)take(list, text[i]);
    }
    list->total += list->broken ? 0 : (uint32_t)len;
    return list->broken ? AT_ERR_CORRUPT : AT_OK;
}

at_err at_release_end(at_release_list *list)
{
    if (!list->broken && list->len > 0) {
        (void)take_line(list);
    }
    return list->broken ? AT_ERR_CORRUPT : AT_OK;
}
