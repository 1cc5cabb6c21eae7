/* What AT+GMR tells. The build may set the hashes and the date (-D); drivers want "- ESP32C2 -" in the
 * first line and a version of at least 3.2.0 (WIRE 7.2). */
#ifndef COMMANDS_VERSION_H
#define COMMANDS_VERSION_H

#define AT_VERSION_CORE "3.5.0.0-dev"
#define AT_VERSION_CHIP "ESP32C2"

#ifndef AT_VERSION_HASH
#define AT_VERSION_HASH "attache"
#endif
#ifndef AT_VERSION_SDK
#define AT_VERSION_SDK "attache-0.1.0"
#endif
#ifndef AT_VERSION_DATE
#define AT_VERSION_DATE __DATE__ " " __TIME__ /* Mon dd yyyy hh:mm:ss, as on the part */
#endif

#endif
