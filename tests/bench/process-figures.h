/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>
#include <sys/types.h>

/* What the kernel says of a process. All abort where it can't be had. */

/* Bytes that nobody else shares: what the host gets back when the process ends. */
guint64 process_private_bytes(pid_t pid);
/* Bytes in memory now, shared ones included, and the most that there ever were. */
guint64 process_resident_bytes(pid_t pid);
guint64 process_peak_bytes(pid_t pid);
/* How often its threads went to sleep and so were woken again. Threads that ended in between are missing. */
guint64 process_wakeups(pid_t pid);
pid_t process_parent(pid_t pid);
/* (transfer full) */
GStrv process_argv(pid_t pid);
