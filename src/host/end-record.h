/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "../core/restart-policy.h"

/* <runtime>/<id>.ended: how the last run of a VM ended, and what is to follow, for a daemon that comes later in the
 * same boot of the host. It outlives the VM's own runtime directory, which goes with the run. A boot forgets it: /run
 * does not outlive one, and where RuntimeDirectory= lies on a disk, the record bears the boot's id. Cheap calls on a
 * tmpfs: they may run on the main loop. */

typedef struct {
    BerthExitReason reason;
    int wait_status; /* -1 where unknown */
    BerthRestartCount restarts;
    gint64 start_due;       /* when it is started again, µs of CLOCK_MONOTONIC; 0 for not at all */
    gboolean limit_reached; /* there were too many restarts: what @words are about */
    char *words;            /* LastError's, "" for none; UTF-8 */
} BerthEndRecord;

void berth_end_record_free(BerthEndRecord *record);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(BerthEndRecord, berth_end_record_free)

/* Replaces the one that is there, as a whole. */
gboolean berth_end_record_write(const char *runtime_dir, const char *id, const BerthEndRecord *record, GError **error);
/* NotFound where there is none of this boot. */
BerthEndRecord *berth_end_record_read(const char *runtime_dir, const char *id, GError **error);
/* Deletes it. Absent is success. */
gboolean berth_end_record_remove(const char *runtime_dir, const char *id, GError **error);
