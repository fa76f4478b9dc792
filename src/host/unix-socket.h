/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>
#include <sys/types.h>

/* Stream sockets in the file system, at paths of any length: sun_path has only 108 bytes, so they are reached through
 * a descriptor of their directory. */

/* A listening socket (close-on-exec, non-blocking) made as @name in the directory @dir_fd; -1 with StorageFailed. */
int berth_unix_listen(int dir_fd, const char *name, int backlog, GError **error);

/**
 * berth_unix_connect:
 * @path: absolute
 *
 * Never blocks.
 *
 * Returns: a connected socket (close-on-exec, non-blocking); -1 with NotFound where nothing is at @path, WrongState
 *   where nobody listens there, Busy where somebody does who takes no more connections, since he hangs; else StorageFailed
 */
int berth_unix_connect(const char *path, GError **error);

/* A connection that waits for its turn. */
typedef struct BerthUnixWait BerthUnixWait;

/* On the main loop. @fd: (transfer full): as berth_unix_connect() returns it, -1 with @error. The wait is over, and freed. */
typedef void (*BerthUnixConnected)(int fd, const GError *error, gpointer data);

/**
 * berth_unix_wait_new:
 * @path: where berth_unix_connect() has just said Busy
 *
 * Connects when there is room, or nobody listens there any more. No descriptor tells of either: a thread waits.
 *
 * Returns: (transfer none): until @connected is called; %NULL with LimitReached where the kernel refuses a thread
 */
BerthUnixWait *berth_unix_wait_new(const char *path, BerthUnixConnected connected, gpointer data, GError **error);
/* @connected is not called any more. The thread ends when its wait does. */
void berth_unix_wait_cancel(BerthUnixWait *wait);

/**
 * berth_unix_pair:
 * @uid: in whose name it is made: that is whom either end's SO_PEERCRED names
 * @ends: (out): close-on-exec, blocking
 *
 * A peer that asks the kernel who speaks would else be told of the daemon, whoever it gave the other end to. The daemon's own
 * uid, or root's power to be another, is needed.
 *
 * Returns: FALSE with LimitReached
 */
gboolean berth_unix_pair(uid_t uid, int ends[2], GError **error);
