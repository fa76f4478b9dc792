/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "../core/keeper-protocol.h"
#include "children.h"
#include "descriptors.h"
#include "journal.h"
#include "keeper.h"
#include "options.h"
#include "privileges.h"
#include "qemu-child.h"

/* Out of the daemon's terminal, directory and signal mask. Until QEMU is there, signals do what they do to anyone: they
 * end us, and nothing was started. */
static void leave_daemon(void)
{
    sigset_t none;

    sigemptyset(&none);
    (void) setsid();
    (void) !chdir("/");
    umask(077);
    signal(SIGPIPE, SIG_IGN);
    signal(SIGCHLD, SIG_DFL);
    signal(SIGTERM, SIG_DFL);
    signal(SIGINT, SIG_DFL);
    signal(SIGHUP, SIG_DFL);
    sigprocmask(SIG_SETMASK, &none, NULL);
}

/* False: the daemon is gone, or has changed its mind. */
static bool wait_for_go(void)
{
    char packet[sizeof BERTH_KEEPER_GO];
    ssize_t n;

    do
        n = recv(BERTH_KEEPER_FD_CHANNEL, packet, sizeof packet, 0);
    while (n < 0 && errno == EINTR);
    return n == (ssize_t) strlen(BERTH_KEEPER_GO) && memcmp(packet, BERTH_KEEPER_GO, (size_t) n) == 0;
}

/* The only packet; then the channel has done its work. Where the daemon is gone by now, nobody hears it, and that is
 * fine: the next one finds us by the scope. */
static void answer(const char *format, ...)
{
    char packet[BERTH_KEEPER_PACKET_MAX];
    va_list args;

    va_start(args, format);
    vsnprintf(packet, sizeof packet, format, args);
    va_end(args);
    (void) send(BERTH_KEEPER_FD_CHANNEL, packet, strlen(packet), MSG_NOSIGNAL | MSG_DONTWAIT);
    close(BERTH_KEEPER_FD_CHANNEL);
}

static bool drop(const struct options *options)
{
    return (!options->has_uid || privileges_become(options->uid)) && privileges_limit();
}

/* Before QEMU is forked, so that no signal and no death falls between. */
static void block_signals(void)
{
    sigset_t set;

    qemu_child_signals(&set);
    sigaddset(&set, SIGCHLD);
    sigprocmask(SIG_BLOCK, &set, NULL);
}

static bool start(const struct options *options, struct qemu_child *child)
{
    char why[BERTH_KEEPER_PACKET_MAX / 2];

    if (!drop(options)) {
        answer(BERTH_KEEPER_FAILED "can't drop the keeper's privileges: %s", strerror(errno));
        return false;
    }
    block_signals();
    if (!qemu_child_start(child, options->qemu_argv, options->extra_fds, why, sizeof why)) {
        answer(BERTH_KEEPER_FAILED "%s", why);
        return false;
    }
    answer(BERTH_KEEPER_STARTED "%d", (int) child->pid);
    return true;
}

int main(int argc, char **argv)
{
    struct options options;
    struct qemu_child child;

    leave_daemon();
    if (!options_parse(argc, argv, &options) || !descriptors_take(options.extra_fds))
        return EXIT_FAILURE;
    if (!wait_for_go())
        return EXIT_SUCCESS;

    const int list_fd = children_open();
    journal_open(options.name, options.id);
    if (!start(&options, &child))
        return EXIT_FAILURE;
    if (!keeper_run(&child, &options))
        return EXIT_FAILURE;
    children_kill(list_fd);
    return EXIT_SUCCESS;
}
