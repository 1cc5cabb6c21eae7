/* Reads the lines of an INI text one by one. The world file's grammar: [section name], key =
 * value, whole-line comments with # or ;, and " ;" or " #" behind a value unless it is in double
 * quotes. */
#ifndef AIR_INI_H
#define AIR_INI_H

#include <stddef.h>
#include <stdint.h>

#define AT_INI_LINE_MAX 512u /* bytes of a line without its end */

typedef enum at_ini_kind { AT_INI_END, AT_INI_SECTION, AT_INI_KEY, AT_INI_ERROR } at_ini_kind;

typedef struct at_ini {
    const char *at;
    size_t left;
    uint32_t line;             /* of the item below, from 1 */
    const char *section, *key; /* inside text: the section's whole text; or key and value */
    const char *value;
    const char *error; /* AT_INI_ERROR: what is wrong with the line */
    char text[AT_INI_LINE_MAX + 1];
} at_ini;

/* text needs no end and must stay while it is read. */
void at_ini_init(at_ini *ini, const char *text, size_t len);
/* The next section or key; after AT_INI_ERROR reading may go on with the next line. */
at_ini_kind at_ini_next(at_ini *ini);

#endif
