/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "qemu-child.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "../core/keeper-protocol.h"
#include "descriptors.h"

void qemu_child_signals(sigset_t *set)
{
    sigemptyset(set);
    sigaddset(set, SIGTERM);
    sigaddset(set, SIGINT);
    sigaddset(set, SIGHUP);
    sigaddset(set, SIGRTMIN + BERTH_SIGNAL_MACHINED_POWEROFF);
}

/* QEMU's end gets the number @target. */
static bool make_pair(int *ours, int target)
{
    int pair[2];

    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) < 0)
        return false;
    *ours = pair[0];
    return descriptor_move(&pair[1], target);
}

static bool inherit(int fd)
{
    return fcntl(fd, F_SETFD, 0) == 0;
}

static bool inherit_all(unsigned extra_fds)
{
    const int last = BERTH_QEMU_FD_EXTRA + (int) extra_fds;

    for (int fd = BERTH_QEMU_FD_AGENT; fd < last; fd++)
        if (!inherit(fd))
            return false;
    return inherit(STDIN_FILENO) && inherit(BERTH_QEMU_FD_QMP) && inherit(BERTH_QEMU_FD_SERIAL) &&
           inherit(BERTH_QEMU_FD_MONITOR) && inherit(BERTH_QEMU_FD_LOCK);
}

static void run_child(char *const *argv, unsigned extra_fds, int errors, int report)
{
    sigset_t blocked;

    qemu_child_signals(&blocked);
    if (inherit_all(extra_fds) && dup2(errors, STDOUT_FILENO) >= 0 && dup2(errors, STDERR_FILENO) >= 0 &&
        sigprocmask(SIG_SETMASK, &blocked, NULL) == 0 && signal(SIGPIPE, SIG_DFL) != SIG_ERR)
        execv(argv[0], argv);
    const int errnum = errno;
    (void) !write(report, &errnum, sizeof errnum);
    _exit(127);
}

/* 0 where exec closed the other end without a word. */
static int read_report(int report)
{
    int errnum = 0;
    ssize_t n;

    do
        n = read(report, &errnum, sizeof errnum);
    while (n < 0 && errno == EINTR);
    return n == sizeof errnum ? errnum : n < 0 ? errno : 0;
}

/* What is QEMU's alone is closed here: its end must be seen as the end of these. */
static void close_theirs(unsigned extra_fds)
{
    close_range(BERTH_QEMU_FD_QMP, BERTH_QEMU_FD_EXTRA + extra_fds - 1, 0);
}

static int fork_and_exec(struct qemu_child *child, char *const *argv, unsigned extra_fds, int errors)
{
    int report[2];
    if (pipe2(report, O_CLOEXEC) < 0)
        return errno;

    child->pid = fork();
    if (child->pid == 0)
        run_child(argv, extra_fds, errors, report[1]);
    int errnum = child->pid < 0 ? errno : 0;
    close(report[1]);
    if (child->pid > 0)
        errnum = read_report(report[0]);
    close(report[0]);
    if (child->pid > 0 && errnum != 0)
        waitpid(child->pid, NULL, 0);
    return errnum;
}

bool qemu_child_start(struct qemu_child *child, char *const *argv, unsigned extra_fds, char *why, size_t why_size)
{
    int errors[2];

    if (!make_pair(&child->serial, BERTH_QEMU_FD_SERIAL) || !make_pair(&child->monitor, BERTH_QEMU_FD_MONITOR) ||
        dup3(BERTH_KEEPER_FD_LOCK, BERTH_QEMU_FD_LOCK, O_CLOEXEC) < 0 || pipe2(errors, O_CLOEXEC) < 0) {
        snprintf(why, why_size, "can't make its descriptors: %s", strerror(errno));
        return false;
    }
    child->errors = errors[0];
    const int errnum = fork_and_exec(child, argv, extra_fds, errors[1]);
    close(errors[1]);
    close_theirs(extra_fds);
    if (errnum != 0)
        snprintf(why, why_size, "can't execute %s: %s", argv[0], strerror(errnum));
    return errnum == 0;
}
