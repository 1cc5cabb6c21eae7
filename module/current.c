/* The sanctioned exception to "no file-scope state": see iface/current.h. One module runs in a
 * process, set once at boot by module/boot.c (tests set it themselves). */
#include "iface/current.h"

at_current at_the_current;
