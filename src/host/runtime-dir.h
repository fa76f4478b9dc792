/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>

#include "../core/exit-record.h"
#include "../core/recovery-plan.h"

/* <runtime>/<id>/: what a running VM has outside of its state. Owned by the daemon's user, closed to the VM's own (mode 0700):
 * no process of the VM can put a link there for the daemon to follow. Cheap calls on a tmpfs: they may run on the main loop. */

typedef struct {
    int lock_fd; /* locked exclusively */
    int exit_fd;
    int qmp_fd;     /* listening */
    int console_fd; /* listening */
    int agent_fd;   /* listening */
} BerthRuntimeFds;

void berth_runtime_fds_close(BerthRuntimeFds *fds);

/* What is known of the running process, for a daemon that comes later: written before its keeper is let go, and whenever
 * something else is under way. */
typedef struct {
    char *incarnation;
    guint32 cid;
    pid_t keeper_pid;
    pid_t qemu_pid; /* 0 until the guest runs */
    char *control_group;
    gint64 started; /* µs since the epoch, 0 until the guest runs */
    BerthRecordFound operation;
    gint64 until; /* until when the guest may take to power down: µs of the monotonic clock, 0 where it was not asked */
    gboolean by_agent_alone; /* of a Shutdown: its power button is not to be pressed */
} BerthRunRecord;

void berth_run_record_free(BerthRunRecord *record);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(BerthRunRecord, berth_run_record_free)

/* Makes the directory anew (what an earlier run left is removed first; Busy where its lock is held: somebody lives).
 * @owner: berth_vm_store_id() of the store that the VM lies in. */
gboolean berth_runtime_create(const char *runtime_dir, const char *id, const char *owner, BerthRuntimeFds *fds,
                              GError **error);
/* Whether it is there, whatever is in it. */
gboolean berth_runtime_exists(const char *runtime_dir, const char *id);
/* (transfer full) (nullable): the @owner it was made with; %NULL where that can't be read, or was never written: then
 * nothing had been started there yet. */
char *berth_runtime_owner(const char *runtime_dir, const char *id);
/* Whether nobody holds the lock any more; no directory or no lock file is TRUE as well. An error is no proof. */
gboolean berth_runtime_is_free(const char *runtime_dir, const char *id, gboolean *free, GError **error);
gboolean berth_runtime_write_run(const char *runtime_dir, const char *id, const BerthRunRecord *record, GError **error);
/* Half of what a daemon was killed over goes. */
void berth_runtime_sweep(const char *runtime_dir, const char *id);
/* NotFound where there is none. */
BerthRunRecord *berth_runtime_read_run(const char *runtime_dir, const char *id, GError **error);
/* NotFound where QEMU (or its keeper) has not ended, or left no whole record. */
BerthExitRecord *berth_runtime_read_exit(const char *runtime_dir, const char *id, GError **error);
/* The processes have ended: what they leave is reduced to what a later daemon can learn from, how they ended. Of a keeper
 * that was never let go that is nothing. Else as berth_runtime_remove(). */
gboolean berth_runtime_retire(const char *runtime_dir, const char *id, GError **error);
/* Deletes it. Absent is success. Busy where its lock is held: it is what tells that somebody lives. */
gboolean berth_runtime_remove(const char *runtime_dir, const char *id, GError **error);
/* Ids of all directories there. (transfer full) (element-type utf8) */
GPtrArray *berth_runtime_list(const char *runtime_dir, GError **error);
/* What the guest's service manager has said: whether the guest is up, and its STATUS (nullable), which is kept as
 * berth_text_clean() makes it. */
gboolean berth_runtime_write_guest(const char *runtime_dir, const char *id, gboolean is_up, const char *status,
                                   GError **error);
/* @status: (out) (transfer full) (nullable). FALSE, and both as they were, where nothing is known. */
gboolean berth_runtime_read_guest(const char *runtime_dir, const char *id, gboolean *is_up, char **status);
/* A connected stream to the console, or -1. */
int berth_runtime_connect_console(const char *runtime_dir, const char *id, GError **error);
/* (transfer full): absolute paths of the sockets of QMP and of the guest agent's channel. */
char *berth_runtime_qmp_path(const char *runtime_dir, const char *id);
char *berth_runtime_agent_path(const char *runtime_dir, const char *id);
