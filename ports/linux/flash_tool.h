/* `attache flash`: makes, reads and changes images of a module's flash. */
#ifndef PORTS_LINUX_FLASH_TOOL_H
#define PORTS_LINUX_FLASH_TOOL_H

/* The words after "flash". Returns the exit status: 0, 1 (it could not be done, stderr says why) or 2
 * (wrong words, stderr has the usage). */
int lx_flash_main(int argc, char **argv);

#endif
