/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "../host/file-watch.h"
#include "../host/keeper.h"
#include "../host/machined.h"
#include "../host/process.h"
#include "../host/qmp.h"
#include "../host/runtime-dir.h"
#include "../host/systemd.h"
#include "guest.h"
#include "vm.h"

/* The processes of a VM, from the fork of the keeper until the kernel says that nobody is left: both pidfds ready, the
 * scope's cgroup empty, the lock in the runtime directory free. Nothing else is a proof of death; everything else (a
 * closed monitor, a signal of systemd) is a reason to look. */

struct BerthRun {
    BerthVm *vm; /* owns this */
    char *unit;
    gboolean scope_asked;         /* systemd was asked to start the scope */
    char *control_group;          /* (nullable): as the kernel has it, once the scope stands */
    BerthKeeper *keeper;          /* (nullable): only of runs that this daemon began */
    pid_t keeper_pid, qemu_pid;   /* 0 where unknown */
    int keeper_pidfd, qemu_pidfd; /* -1 where unknown */
    gint64 started;               /* µs since the epoch, 0 until the guest runs */
    gboolean guest_ran;
    gboolean stop_asked;        /* Shutdown, PowerOff, Remove or a failed start asked for the end */
    BerthRecordFound operation; /* what is under way, as the record says it, and until when it may take */
    gint64 until;
    guint64 patience_usec;   /* of a powerdown: how long its guest was given */
    gint64 patience_end;     /* until when, in µs of the monotonic clock */
    gint64 press_due;        /* the same: when its power button is to be pressed again; 0 where it is not */
    gboolean by_agent_alone; /* of a Shutdown: its button is not to be pressed */
    gboolean scope_stops;    /* systemd stops the scope, and no keeper is left to be told */
    gboolean begins_anew; /* what is left of half a start is being ended; then the VM is started, where it is wanted */

    BerthGuest *guest; /* what it says of itself */

    BerthQmp *qmp; /* (nullable) */
    gboolean qmp_ready;
    guint monitor_timer;           /* source id: the monitor closed a moment ago, 0 */
    void (*on_ready)(BerthVm *vm); /* (nullable): told once, when the monitor is ready */
    gboolean is_silent;            /* QMP let a deadline pass, and has not spoken since */
    char *standstill;              /* (nullable): somebody has stopped QEMU; what LastError says of that */

    BerthDeathWatch *keeper_watch, *qemu_watch;
    BerthCgroupWatch *cgroup_watch;
    BerthFileWatch *standstill_watch; /* its keeper tells that QEMU may have been stopped, or goes on */
    BerthMachinedCall *registration;  /* (nullable): systemd-machined is told of it */
    gboolean is_no_machine;           /* it could not be */
    BerthSystemdCall *scope_call;     /* whether systemd stops the scope, which has no keeper any more */

    /* Ending it. */
    gboolean ending;
    gboolean qemu_killed; /* by us */
    guint end_attempt;    /* how often it has been killed */
    guint end_timer;      /* source id, 0 */
    BerthSystemdCall *kill_call;
    BerthSystemdCall *stop_call; /* takes away a scope that may have come to stand with nobody in it */
    guint ghost_tries;           /* how often that has failed */
    guint ghost_timer;           /* source id until the next try, 0 */
    guint look_source;           /* source id of a look that is due, 0 */
};

BerthRun *berth_run_new(BerthVm *vm);
/* Watches nothing any more; the processes are left alone. */
void berth_run_free(BerthRun *run);

/* Takes note of the processes and watches them. The pidfds are duplicated. */
void berth_run_watch_keeper(BerthRun *run, pid_t pid, int pidfd);
/* FALSE with NotFound where it has ended, or is not of this VM. */
gboolean berth_run_watch_qemu(BerthRun *run, pid_t pid, GError **error);
/* Looks for them by what a record says: a PID alone says nothing, but its cgroup bears the VM's id. Of QEMU 0 says that
 * the keeper did not tell: then it is the keeper's oldest child. None are watched that are not found. */
void berth_run_find(BerthRun *run, pid_t keeper_pid, pid_t qemu_pid);
void berth_run_find_qemu(BerthRun *run);
/* @path: the kernel's path of the scope's cgroup. */
void berth_run_watch_cgroup(BerthRun *run, const char *path);

/**
 * berth_run_note:
 * @until: when that has to be over, in µs of the monotonic clock; 0 where that is not known
 *
 * Notes what is under way where a daemon that comes after this one finds it. Before anything of it is done: then nothing
 * is done that nobody goes on with.
 *
 * Returns: FALSE where it can't be written; for all but a start that is no reason to give up
 */
gboolean berth_run_note(BerthRun *run, BerthRecordFound operation, gint64 until, GError **error);
/* The same for all but a start, of a VM with a run: that it can't be written is logged. */
void berth_vm_note(BerthVm *vm, BerthRecordFound operation, gint64 until);

/* For LastError, unless that says why the VM can't be loaded, which is the more urgent word; then for the journal. */
void berth_run_tell_error(BerthRun *run, const GError *error);

/* Tells from now on, and at once, where somebody has stopped QEMU (SIGSTOP), and when it goes on: in Responsive and LastError.
 * QEMU is known by its pidfd. */
void berth_run_watch_standstill(BerthRun *run);
/* A command's deadline has passed: Responsive is false until QEMU speaks again. */
void berth_run_is_silent(BerthRun *run);

/* systemd may have begun to stop the scope. Where no keeper is left to see to it, that is found out while QEMU lives: then the
 * guest is asked to power down in the keeper's place. */
void berth_run_scope_changed(BerthRun *run);

/* Connects to QEMU's monitor. */
gboolean berth_run_connect(BerthRun *run, GError **error);
/* The same for a run that was found: where it can't be done, Responsive and LastError tell. */
void berth_run_reach(BerthRun *run);

/* Looks, on the next turn of the loop, whether anybody is left; if not, berth_vm_settle() follows. */
void berth_run_look(BerthRun *run);

/**
 * berth_run_end:
 * @gently: first ask QEMU by QMP to quit, and give it PowerOffTimeoutSec
 *
 * Ends the processes: QMP quit, then SIGKILL for QEMU (its keeper then writes down how it ended), then SIGKILL for the
 * whole scope, again and again with growing pauses, until the kernel says that nobody is left. Safe to repeat; a call
 * that is not gentle cuts the patience of an earlier gentle one short.
 */
void berth_run_end(BerthRun *run, gboolean gently);

/* QEMU has ended: so does its keeper, when it has written down how, and what lingers is killed. */
void berth_run_end_rest(BerthRun *run);

/* What keeps it from being gone, in words; %NULL where nothing does. (transfer full) */
char *berth_run_blocker(BerthRun *run);
