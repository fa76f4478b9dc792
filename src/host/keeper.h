/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>
#include <sys/types.h>

/* The daemon's side of berth-keeper: forking it with what it needs, and letting it go on. */

typedef struct BerthKeeper BerthKeeper;

typedef struct {
    const char *keeper_path;
    const char *id, *name;
    uid_t uid;                     /* (uid_t)-1: stay what we are */
    guint64 shutdown_timeout_usec; /* from a SIGTERM to `quit` */
    const char *const *qemu_argv;
    /* Descriptors by keeper-protocol.h, all borrowed: */
    int lock_fd, exit_fd, serial_fd, serial_old_fd, qemu_log_fd, qemu_log_old_fd, console_fd, qmp_fd, agent_fd;
    const int *extra_fds;
    guint n_extra_fds;
} BerthKeeperSpec;

/* The keeper's one packet: QEMU runs as @qemu_pid, or @error (StartFailed; also where the keeper went away silently). */
typedef void (*BerthKeeperAnswer)(pid_t qemu_pid, const GError *error, gpointer data);

/* The longest that a stop by systemd's SIGTERM can take, as BerthKeeperSpec has it. µs */
guint64 berth_keeper_stop_usec(guint64 shutdown_timeout_usec);

/* Forked and waiting. */
BerthKeeper *berth_keeper_spawn(const BerthKeeperSpec *spec, GError **error);
pid_t berth_keeper_pid(const BerthKeeper *keeper);
int berth_keeper_pidfd(const BerthKeeper *keeper); /* borrowed */
/* Lets it start QEMU; @answer comes once. */
void berth_keeper_release(BerthKeeper *keeper, BerthKeeperAnswer answer, gpointer data);
/* Closes the channel: a keeper not released yet exits; one that was lives on. Its zombie is reaped when it comes. */
void berth_keeper_free(BerthKeeper *keeper);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(BerthKeeper, berth_keeper_free)
