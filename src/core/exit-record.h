/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "vm-state.h"

/* How a QEMU ended, as its keeper wrote it down (keeper-protocol.h). */
typedef struct {
    int wait_status; /* as waitpid() packs it */
    char *reason;    /* QMP's word, "" where none */
    gboolean panicked;
    gboolean oom_killed; /* the kernel has killed somebody in the scope for want of memory */
    gboolean requested;
    gint64 time; /* µs since the epoch */
    char *words; /* QEMU's last words, valid UTF-8, "" where none */
} BerthExitRecord;

void berth_exit_record_free(BerthExitRecord *record);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(BerthExitRecord, berth_exit_record_free)

/* Hostile until checked. %NULL with InvalidArgs where @text is not a whole record. */
BerthExitRecord *berth_exit_record_parse(const char *text, gsize length, GError **error);

/**
 * berth_exit_record_judge:
 * @record: how it ended
 * @was_running: whether the guest ever ran
 * @stop_asked: whether the daemon had asked for the end (Shutdown, PowerOff, Remove)
 *
 * One table for all: QEMU that fails before the guest ran is start-failed; SIGKILL is killed or oom-killed; other signals
 * and statuses are crashed; a panic is guest-panic; a clean end is guest-shutdown or, where asked for, host-stop.
 */
BerthExitReason berth_exit_record_judge(const BerthExitRecord *record, gboolean was_running, gboolean stop_asked);

/* (transfer full): the end in words, for LastError and the journal, e.g. "QEMU was killed by signal 11 (Segmentation fault)". */
char *berth_exit_record_describe(const BerthExitRecord *record);
