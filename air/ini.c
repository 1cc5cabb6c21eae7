/* The line reader of world files.
 *
 * Each line is copied into the reader's buffer and cut there, so items are ended strings, and
 * nothing is allocated. A byte of zero, a line over the limit or one that is neither section, key
 * nor comment is an error with its line number.
 *
 * Why not inih: as Debian builds it, names end silently after 49 bytes (host names are longer), an
 * indented line is added to the key above it (so an indented "password = x" below "ssid = y"
 * becomes the SSID), a section without keys is never seen, and the handler is not told the line.
 */
#include "air/ini.h"

#include <stdbool.h>
#include <string.h>

void at_ini_init(at_ini *ini, const char *text, size_t len)
{
    static const char bom[] = "\xEF\xBB\xBF";

    memset(ini, 0, sizeof *ini);
    if (len >= 3 && memcmp(text, bom, 3) == 0) {
        text += 3;
        len -= 3;
    }
    ini->at = text;
    ini->left = len;
}

static bool is_blank(char c)
{
    return c == ' ' || c == '\t' || c == '\r';
}

static char *skip_blanks(char *text)
{
    while (is_blank(*text))
        text++;
    return text;
}

static void cut_trailing_blanks(char *text)
{
    size_t len = strlen(text);

    while (len > 0 && is_blank(text[len - 1]))
        text[--len] = '\0';
}

/* Copies the next line into text; false with error set when it cannot be one. */
static bool take_line(at_ini *ini)
{
    const char *end = memchr(ini->at, '\n', ini->left);
    size_t len = end != NULL ? (size_t)(end - ini->at) : ini->left;
    size_t kept = len <= AT_INI_LINE_MAX ? len : 0;

    memcpy(ini->text, ini->at, kept);
    ini->text[kept] = '\0';
    ini->at += len;
    ini->left -= len;
    if (end != NULL) {
        ini->at++;
        ini->left--;
    }
    ini->line++;
    if (len > AT_INI_LINE_MAX)
        ini->error = "line of more than 512 bytes";
    else if (memchr(ini->text, '\0', kept) != NULL)
        ini->error = "a zero byte; a world file is text";
    else
        return true;
    return false;
}

static at_ini_kind error_of(at_ini *ini, const char *text)
{
    ini->error = text;
    return AT_INI_ERROR;
}

static void cut_comment(char *value)
{
    for (char *at = value; *at != '\0'; at++) {
        if ((*at == ';' || *at == '#') && (at == value || is_blank(at[-1]))) {
            *at = '\0';
            return;
        }
    }
}

/* A value in double quotes is taken as it is, up to the last quote before a comment. */
static bool unquote(char **value)
{
    char *text = *value + 1;
    char *end = strrchr(text, '"');
    char *behind;

    if (end == NULL)
        return false;
    behind = skip_blanks(end + 1);
    if (*behind != '\0' && *behind != ';' && *behind != '#')
        return false;
    *end = '\0';
    *value = text;
    return true;
}

static at_ini_kind take_section(at_ini *ini, char *text)
{
    char *end = strchr(text, ']');

    if (end == NULL)
        return error_of(ini, "a section without its ']'");
    if (*skip_blanks(end + 1) != '\0' && strchr(";#", *skip_blanks(end + 1)) == NULL)
        return error_of(ini, "text behind the section's ']'");
    *end = '\0';
    text = skip_blanks(text);
    cut_trailing_blanks(text);
    ini->section = text;
    return AT_INI_SECTION;
}

static at_ini_kind take_key(at_ini *ini, char *text)
{
    char *equals = strchr(text, '=');
    char *value;

    if (equals == NULL || equals == text)
        return error_of(ini, "neither [section], nor key = value, nor # comment");
    *equals = '\0';
    cut_trailing_blanks(text);
    value = skip_blanks(equals + 1);
    if (*value == '"') {
        if (!unquote(&value))
            return error_of(ini, "a value that begins with a double quote must end with one");
    } else {
        cut_comment(value);
        cut_trailing_blanks(value);
    }
    ini->key = text;
    ini->value = value;
    return AT_INI_KEY;
}

at_ini_kind at_ini_next(at_ini *ini)
{
    while (ini->left > 0) {
        char *text;

        if (!take_line(ini))
            return AT_INI_ERROR;
        text = skip_blanks(ini->text);
        if (*text == '\0' || *text == '#' || *text == ';')
            continue;
        if (*text == '[')
            return take_section(ini, text + 1);
        return take_key(ini, text);
    }
    return AT_INI_END;
}
