/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <signal.h>
#include <stdbool.h>
#include <sys/types.h>

struct qemu_child {
    pid_t pid;
    int serial; /* our ends */
    int monitor;
    int errors; /* its stdout and stderr */
};

/* The signals that stand for a wish about the guest: QEMU has them blocked, so that only the keeper hears them. */
void qemu_child_signals(sigset_t *set);

/**
 * qemu_child_start:
 * @argv: QEMU and its arguments
 * @extra_fds: how many of BERTH_QEMU_FD_EXTRA it gets
 * @why: (out): room for what went wrong, for a person
 *
 * Makes the socketpairs, forks and executes. QEMU is not tied to our life: where we are killed, it runs on.
 */
bool qemu_child_start(struct qemu_child *child, char *const *argv, unsigned extra_fds, char *why, size_t why_size);
