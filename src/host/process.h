/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>
#include <sys/types.h>

/* The kernel's word on processes: pidfds and cgroups. */

/* A pidfd (close-on-exec), or -1 with NotFound where there is no such process. */
int berth_pidfd_open(pid_t pid, GError **error);
/* Whether the process has ended (all its threads; it may still be a zombie). */
gboolean berth_pidfd_is_dead(int pidfd);

/* The child that @parent, a process of one thread, has had for the longest time; 0 where it has none. It may have ended,
 * and be another's number, before this returns: so look with berth_pidfd_open() whose it is. */
pid_t berth_process_first_child(pid_t parent);

/* Whether the process @pid, which @pidfd is of, lives and stands still: stopped by SIGSTOP, or a signal like that. FALSE
 * also where that can't be known. */
gboolean berth_process_is_stopped(pid_t pid, int pidfd);

/* Whenever the child of ours ends that @pidfd, which is duplicated, is of, it is reaped, by the main loop. One that a tracer
 * (strace, a debugger) holds then is reaped when that lets go of it. FALSE with errno where it can't be watched. */
gboolean berth_process_reap(int pidfd);

typedef struct BerthDeathWatch BerthDeathWatch;
/* @died is called once, on the main loop. The pidfd is duplicated. */
BerthDeathWatch *berth_death_watch_new(int pidfd, void (*died)(gpointer data), gpointer data);
/* Takes *@watch and leaves %NULL. */
void berth_death_watch_free(BerthDeathWatch **watch);

/* The path in the unified hierarchy of the cgroup that holds @pid, e.g. "/machine.slice/berth-….scope". (transfer full) */
char *berth_cgroup_of(pid_t pid, GError **error);
/* The VM's id where @pid is in a cgroup (or below one) named berth-<id>.scope, else %NULL. (transfer full) */
char *berth_cgroup_vm_of(pid_t pid);
/* Whether no process is in it or below it; a cgroup that does not exist is empty. An error is no proof. */
gboolean berth_cgroup_is_empty(const char *path, gboolean *empty, GError **error);
/* PIDs in it and below it. (transfer full) (element-type gint) */
GArray *berth_cgroup_pids(const char *path, GError **error);
/* SIGKILL for everything in it and below it, by cgroup.kill. The kernel does it even to what is frozen or forking. */
gboolean berth_cgroup_kill(const char *path, GError **error);
/* "process 4711 (qemu-system-x86) in state D" for the first process left in it; %NULL where none. (transfer full) */
char *berth_cgroup_describe(const char *path);

/**
 * berth_cgroup_expect_move:
 *
 * To be called when a process is about to be moved between cgroups. The kernel makes the first such move wait for a grace
 * period of RCU, 10 ms and more, and those that follow at once not at all (percpu_down_write() of
 * cgroup_threadgroup_rwsem; tried on Linux 6.18). So this process is moved to where it is already, which changes nothing
 * but begins that wait early. It blocks as long: for a worker, while others prepare what is to be moved.
 *
 * Returns: %FALSE where it can't be done; the real move then takes its time
 */
gboolean berth_cgroup_expect_move(void);

typedef struct BerthCgroupWatch BerthCgroupWatch;
/* @changed is called whenever the kernel says that `populated` or `frozen` may have changed, or the cgroup went. */
BerthCgroupWatch *berth_cgroup_watch_new(const char *path, void (*changed)(gpointer data), gpointer data,
                                         GError **error);
void berth_cgroup_watch_free(BerthCgroupWatch **watch);
