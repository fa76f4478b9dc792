/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <gio/gio.h>
#include <sys/types.h>

/* Real cgroups for tests, below the test's own in the unified hierarchy, wherever that is mounted. */

/* (nullable) (transfer full): why they can't be made here, for g_test_skip() */
char *test_cgroup_missing(void);
/* (transfer full): a new empty cgroup's path as /proc/PID/cgroup shows it. */
char *test_cgroup_new(void);
/* (transfer full): where it is in the file system. */
char *test_cgroup_dir(const char *cgroup);
/* Makes it, with its parents. */
void test_cgroup_make(const char *cgroup);
/* FALSE where the kernel does not let it in (it is dead). */
gboolean test_cgroup_add(const char *cgroup, pid_t pid);
/* (transfer full) (element-type gint): the processes in it and below it. */
GArray *test_cgroup_pids(const char *cgroup);
void test_cgroup_signal(const char *cgroup, int signal);
gboolean test_cgroup_is_empty(const char *cgroup);
/* Takes away it and what is below it; FALSE where processes are left. */
gboolean test_cgroup_remove(const char *cgroup);
/* Kills all that is in it, waits for its end, and takes it away. */
void test_cgroup_destroy(const char *cgroup);

/* @changed is called in @context when it becomes empty or populated. Ends with g_source_destroy(). */
GSource *test_cgroup_watch(const char *cgroup, GMainContext *context, void (*changed)(gpointer data), gpointer data);
