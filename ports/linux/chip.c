/* The bench's hold on a chip: the power switch, and what the chip says.
 *
 * A boot is a fork with two SEQPACKET pairs (radio frames, and the messages of chip_wire.h) and a pidfd
 * that tells the end. All ends go through finish(): it reaps the process, reads what the chip sent before
 * it died, closes the boot's descriptors and decides what follows:
 *
 *   announced restart         -> boots at once           sleep -> a timer, then boots
 *   announced download mode   -> until a power cycle     power cut -> off
 *   anything else: the watchdog logs it and boots again, but a chip that dies several times before it
 *   ever says "ready" stays off, and the owner hears LX_ENDING_FAILED.
 *
 * No boot starts inside a callback of the chip that ends: the next boot is a task of the loop, so the
 * owner may cut the power in on_ending and nothing follows.
 */
#include "ports/linux/chip.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/pidfd.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "core/bytes.h"
#include "ports/linux/chip_wire.h"

struct lx_chip {
    lx_chip_config config;
    lx_power power;
    pid_t pid;               /* 0: no process */
    uint32_t boots, crashes; /* crashes: since the last ready */
    bool ready, announced;
    chip_restart words; /* valid when announced */
    lx_frames frames;
    lx_source messages; /* fd -1: no process */
    lx_source end;      /* pidfd */
    at_timer wake;
    at_task boot_task;
};

const char *lx_power_name(lx_power power)
{
    static const char *const names[] = { "off", "on", "sleep", "download" };

    return names[power];
}

static void set_power(lx_chip *chip, lx_power power)
{
    if (chip->power == power)
        return;
    at_log(chip->config.log, AT_LOG_DEBUG, "power", "%s -> %s", lx_power_name(chip->power),
           lx_power_name(power));
    chip->power = power;
}

/* ---- what the chip says ---- */

static void take_event(lx_chip *chip, const char *text)
{
    const char *members = text + strlen(text) + 1;

    if (strcmp(text, "ready") == 0) {
        chip->ready = true;
        chip->crashes = 0;
    }
    chip->config.on_event(chip->config.owner, text, members);
}

static void take_message(lx_chip *chip, const char *message, size_t len)
{
    const char *text = message + 1; /* the buffer ends with two zeros behind the message */

    switch (message[0]) {
    case CHIP_EVENT: take_event(chip, text); break;
    case CHIP_ENDED: chip->config.on_port_ended(chip->config.owner, text); break;
    case CHIP_RESTART:
        if (len == 1 + sizeof chip->words) {
            memcpy(&chip->words, text, sizeof chip->words);
            chip->announced = true;
        }
        break;
    default: at_log(chip->config.log, AT_LOG_ERROR, "chip", "unknown message"); break;
    }
}

static void read_messages(lx_chip *chip)
{
    char message[CHIP_MESSAGE_MAX + 2];
    int fd = chip->messages.fd;

    while (chip->messages.fd == fd && fd >= 0) {
        ssize_t len = recv(fd, message, CHIP_MESSAGE_MAX, MSG_DONTWAIT);

        if (len <= 0) {
            if (len == 0 || (errno != EAGAIN && errno != EINTR))
                lx_source_remove(chip->config.poller, &chip->messages);
            return;
        }
        message[len] = message[len + 1] = '\0';
        take_message(chip, message, (size_t)len);
    }
}

static void on_messages(void *arg, short revents)
{
    (void)revents;
    read_messages(arg);
}

/* ---- the end of a boot ---- */

static void release(lx_chip *chip)
{
    lx_frames_close(&chip->frames);
    lx_source_remove(chip->config.poller, &chip->messages);
    lx_source_remove(chip->config.poller, &chip->end);
    if (chip->messages.fd >= 0)
        close(chip->messages.fd);
    if (chip->end.fd >= 0)
        close(chip->end.fd);
    chip->messages.fd = chip->end.fd = -1;
    chip->pid = 0;
    chip->ready = false;
}

static lx_ending judge(lx_chip *chip, int status)
{
    if (chip->announced) {
        switch (chip->words.kind) {
        case AT_BOOT_SLEEP: return LX_ENDING_SLEEP;
        case AT_BOOT_DOWNLOAD: return LX_ENDING_DOWNLOAD;
        default: return LX_ENDING_RESTART;
        }
    }
    if (WIFEXITED(status) && WEXITSTATUS(status) == CHIP_EXIT_FAILED)
        return LX_ENDING_FAILED;
    return ++chip->crashes >= LX_CHIP_CRASHES ? LX_ENDING_FAILED : LX_ENDING_CRASH;
}

static void log_crash(const lx_chip *chip, int status)
{
    const at_log *log = chip->config.log;

    if (WIFSIGNALED(status))
        at_log(log, AT_LOG_ERROR, "watchdog", "boot %u ended by signal %d (%s)", chip->boots,
               WTERMSIG(status), strsignal(WTERMSIG(status)));
    else
        at_log(log, AT_LOG_ERROR, "watchdog", "boot %u ended with exit status %d", chip->boots,
               WEXITSTATUS(status));
}

static void report_exit(lx_chip *chip, lx_ending ending)
{
    static const char *const reasons[] = { "power",    "restart", "sleep",
                                           "download", "crash",   "failed" };
    char members[64];

    snprintf(members, sizeof members, "\"reason\":\"%s\",\"boot\":%u", reasons[ending],
             chip->boots);
    chip->config.on_event(chip->config.owner, "exit", members);
}

static void arrange(lx_chip *chip, lx_ending ending)
{
    at_loop *loop = chip->config.loop;

    switch (ending) {
    case LX_ENDING_RESTART:
    case LX_ENDING_CRASH: at_loop_post(loop, &chip->boot_task); break; /* the power stays on */
    case LX_ENDING_SLEEP:
        set_power(chip, LX_POWER_SLEEP);
        at_timer_in(loop, &chip->wake, AT_MIN(chip->words.after_ms, UINT64_MAX / 2000) * 1000u);
        break;
    case LX_ENDING_DOWNLOAD:
        set_power(chip, LX_POWER_DOWNLOAD);
        at_log(chip->config.log, AT_LOG_WARN, "power",
               "download mode: the loader waits, until a power cycle");
        break;
    case LX_ENDING_POWER:
    case LX_ENDING_FAILED: set_power(chip, LX_POWER_OFF); break;
    }
}

static void finish(lx_chip *chip, bool cut)
{
    lx_ending ending;
    int status = 0;

    while (waitpid(chip->pid, &status, 0) < 0 && errno == EINTR)
        continue;
    if (chip->messages.added)
        read_messages(chip);
    lx_frames_drain(&chip->frames);
    ending = cut ? LX_ENDING_POWER : judge(chip, status);
    if (!cut && !chip->announced)
        log_crash(chip, status);
    release(chip);
    arrange(chip, ending);
    report_exit(chip, ending);
    chip->config.on_ending(chip->config.owner, ending, status);
}

static void on_end(void *arg, short revents)
{
    (void)revents;
    finish(arg, false);
}

/* ---- boot ---- */

static bool open_boot(lx_chip *chip, int radio[2], int talk[2])
{
    if (lx_frames_pair(radio) != 0)
        return false;
    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, talk) == 0) {
        chip->pid = fork();
        if (chip->pid >= 0)
            return true;
        chip->pid = 0;
        close(talk[0]);
        close(talk[1]);
    }
    close(radio[0]);
    close(radio[1]);
    return false;
}

static at_err boot(lx_chip *chip)
{
    lx_poller *poller = chip->config.poller;
    int radio[2], talk[2];

    if (chip->boots > 0) /* before the first nobody can have sent anything in vain */
        chip->config.connector->ops->flush(chip->config.connector);
    chip->boots++;
    chip->announced = false;
    if (!open_boot(chip, radio, talk)) {
        at_log(chip->config.log, AT_LOG_ERROR, "power", "no process for the chip: %s",
               strerror(errno));
        return AT_ERR_IO;
    }
    if (chip->pid == 0)
        lx_chip_process(&chip->config, radio[1], talk[1], chip->boots);
    close(radio[1]);
    close(talk[1]);
    chip->messages =
        (lx_source){ .fd = talk[0], .events = POLLIN, .ready = on_messages, .arg = chip };
    chip->end = (lx_source){
        .fd = pidfd_open(chip->pid, 0), .events = POLLIN, .ready = on_end, .arg = chip
    };
    if (chip->end.fd >= 0 && lx_source_add(poller, &chip->messages) &&
        lx_source_add(poller, &chip->end) && lx_frames_open(&chip->frames, radio[0]) == AT_OK) {
        set_power(chip, LX_POWER_ON);
        return AT_OK;
    }
    at_log(chip->config.log, AT_LOG_ERROR, "power", "no descriptors for the chip");
    kill(chip->pid, SIGKILL);
    finish(chip, true);
    return AT_ERR_IO;
}

static void boot_again(void *arg)
{
    lx_chip *chip = arg;

    if (boot(chip) != AT_OK) {
        set_power(chip, LX_POWER_OFF);
        chip->config.on_ending(chip->config.owner, LX_ENDING_FAILED, 0);
    }
}

/* ---- the switch ---- */

at_err lx_chip_power(lx_chip *chip, bool on)
{
    if (on == (chip->power == LX_POWER_ON))
        return AT_OK;
    at_timer_stop(chip->config.loop, &chip->wake);
    at_loop_unpost(chip->config.loop, &chip->boot_task);
    if (on)
        return boot(chip);
    if (chip->pid > 0) {
        kill(chip->pid, SIGKILL);
        finish(chip, true);
    }
    set_power(chip, LX_POWER_OFF);
    return AT_OK;
}

static void on_frame(void *owner, uint8_t *frame, size_t len)
{
    lx_chip *chip = owner;

    chip->config.on_frame(chip->config.owner, frame, len);
}

lx_chip *lx_chip_create(const lx_chip_config *config)
{
    lx_chip *chip = calloc(1, sizeof *chip);

    if (chip == NULL)
        return NULL;
    chip->config = *config;
    chip->messages.fd = chip->end.fd = -1;
    at_timer_init(&chip->wake, boot_again, chip);
    at_task_init(&chip->boot_task, boot_again, chip);
    if (lx_frames_init(&chip->frames, config->loop, config->poller, on_frame, chip) != AT_OK) {
        free(chip);
        return NULL;
    }
    return chip;
}

void lx_chip_close(lx_chip *chip)
{
    if (chip == NULL)
        return;
    at_timer_stop(chip->config.loop, &chip->wake);
    at_loop_unpost(chip->config.loop, &chip->boot_task);
    if (chip->pid > 0) {
        kill(chip->pid, SIGKILL);
        while (waitpid(chip->pid, NULL, 0) < 0 && errno == EINTR)
            continue;
    }
    release(chip);
    lx_frames_free(&chip->frames);
    free(chip);
}

lx_power lx_chip_state(const lx_chip *chip)
{
    return chip->power;
}

uint32_t lx_chip_boots(const lx_chip *chip)
{
    return chip->boots;
}

pid_t lx_chip_pid(const lx_chip *chip)
{
    return chip->pid;
}

bool lx_chip_ready(const lx_chip *chip)
{
    return chip->ready;
}

const lx_frames *lx_chip_frames(const lx_chip *chip)
{
    return &chip->frames;
}

void lx_chip_send(lx_chip *chip, const uint8_t *frame, size_t len)
{
    const at_radio_piece piece = { frame, len };

    if (chip->pid > 0 && lx_frames_send(&chip->frames, &piece, 1) == AT_ERR_AGAIN &&
        chip->frames.refused == 1)
        at_log(chip->config.log, AT_LOG_WARN, "air", "the chip takes no frames: some are lost");
}

void lx_chip_send_client(lx_chip *chip, int fd)
{
    char kind = CHIP_CLIENT;
    _Alignas(struct cmsghdr) char control[CMSG_SPACE(sizeof fd)];
    struct iovec place = { &kind, 1 };
    struct msghdr head = {
        .msg_iov = &place, .msg_iovlen = 1, .msg_control = control, .msg_controllen = sizeof control
    };
    struct cmsghdr *c = CMSG_FIRSTHDR(&head);

    if (chip->pid == 0)
        return; /* the next boot inherits it */
    memset(control, 0, sizeof control);
    c->cmsg_level = SOL_SOCKET;
    c->cmsg_type = SCM_RIGHTS;
    c->cmsg_len = CMSG_LEN(sizeof fd);
    memcpy(CMSG_DATA(c), &fd, sizeof fd);
    sendmsg(chip->messages.fd, &head, MSG_DONTWAIT | MSG_NOSIGNAL);
}

void lx_chip_send_pin(lx_chip *chip, unsigned pin, bool level)
{
    const char message[] = { CHIP_PIN, (char)pin, (char)level };

    if (chip->pid > 0)
        send(chip->messages.fd, message, sizeof message, MSG_DONTWAIT | MSG_NOSIGNAL);
}
