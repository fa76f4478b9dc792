/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What the steps of a start share. */
#pragma once

#include "../core/error.h"
#include "../core/qemu-args.h"
#include "../host/machined.h"
#include "../host/runtime-dir.h"
#include "start.h"

enum { LOG_SERIAL, LOG_SERIAL_OLD, LOG_QEMU, LOG_QEMU_OLD, N_LOGS };

/* A start in flight. What has come to exist outside of it is vm->run's. */
struct BerthStart {
    guint64 serial;
    BerthReply *reply;
    guint timer;
    guint scope_tries;
    BerthMachinedCall *forgetting; /* (nullable): systemd-machined, the run before */
    BerthSystemdCall *call;
    gboolean scope_stands;
    gboolean name_freed; /* a scope bore our name, and has gone; or had nobody in it, and was taken away */
    gboolean guest_runs;
    gboolean want_is_durable;
    GError *failure; /* why it is being undone */
    BerthRuntimeFds runtime;
    int logs[N_LOGS];
    int extra[G_N_ELEMENTS(((BerthQemuArgsInput *) NULL)->tap_fds)];
    guint n_extra;
};

/* Undoes the start, and tells @reason when nothing of it is left. The first reason counts. */
void berth_start_fail(BerthVm *vm, const GError *reason);

void berth_start_fail_with(BerthVm *vm, BerthError code, const char *format, ...) G_GNUC_PRINTF(3, 4);

/* Steps 1 and 2: what is on disk, in a worker, and then the keeper, which waits; step 3 follows. */
void berth_start_prepare(BerthVm *vm);

/* Step 3: the waiting keeper is put into the VM's scope; when it is seen there, step 4 follows. */
void berth_start_scope(BerthVm *vm);

/* Step 4: the keeper starts QEMU. */
void berth_start_release_keeper(BerthVm *vm);
