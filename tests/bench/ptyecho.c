/* The least that can stand behind a pseudo-terminal: prints the path of the slave and writes back what it
 * reads. What an AT round trip is measured against. */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <termios.h>
#include <unistd.h>

int main(void)
{
    int master = posix_openpt(O_RDWR | O_NOCTTY), slave;
    struct termios settings;
    char block[4096];
    ssize_t len;

    if (master < 0 || grantpt(master) != 0 || unlockpt(master) != 0)
        return 1;
    slave = open(ptsname(master), O_RDWR | O_NOCTTY); /* kept: no hang-up between hosts */
    if (slave < 0 || tcgetattr(slave, &settings) != 0)
        return 1;
    cfmakeraw(&settings);
    tcsetattr(slave, TCSANOW, &settings);
    puts(ptsname(master));
    fflush(stdout);
    while ((len = read(master, block, sizeof block)) > 0) {
        if (write(master, block, (size_t)len) != len)
            return 1;
    }
    return 0;
}
