/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "removal-marker.h"
#include "vm-store.h"

/* Shared by the vm-store*.c files only. */

struct BerthVmStore {
    char *id;
    char *vms_path, *removing_path; /* absolute, of the directories that were opened */
    int state_fd, vms_fd, removing_fd;
    int lock_fd; /* holds the lock as long as it is open */
};

/* The name below removing/ of a VM whose incarnation could not be read. */
#define BERTH_INCARNATION_UNKNOWN "unknown"

/* Whether the paths still lead to the directories that were opened: after an unmount, say, nothing may be
 * concluded from what is not there. */
gboolean berth_vm_store_check(const BerthVmStore *store, GError **error);

/* The directory of a published VM; -1 on error. */
int berth_vm_store_open_vm(const BerthVmStore *store, const char *id, GError **error);

/* (transfer full): the name below vms/ of one that is being made. */
char *berth_vm_store_staged_name(const char *id);

/* An entry of vms/ as it is on disk; NotFound where it is gone or no directory and no link. @marker: (optional) */
BerthStoredVm *berth_vm_store_read(const BerthVmStore *store, const char *id, BerthMarkerState *marker, GError **error);

gboolean berth_entry_is_link(int dir_fd, const char *name);

/* Renames durably. @undo: where an fsync fails the old name comes back, or the error says that it did not; without
 * it the new name stays, and the same call may be made again. */
gboolean berth_move_durably(int from_fd, const char *from, int to_fd, const char *to, gboolean undo, GError **error);
