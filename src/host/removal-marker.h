/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "vm-store.h"

/* The marker in a VM's directory that says: this VM goes. It names the very directory it was made for, so that
 * what was copied or restored from a backup together with its marker is not deleted. */

typedef enum {
    BERTH_MARKER_ABSENT,
    BERTH_MARKER_VALID,
    BERTH_MARKER_INVALID, /* unreadable, garbage, or meant for something else: deletes nothing, and starts nothing */
} BerthMarkerState;

/**
 * berth_removal_marker_read:
 * @vm_fd: the VM's directory
 * @id: the id that the directory's name says
 * @incarnation: (nullable): what vm.json says; %NULL where it can't be read, then the directory's birth decides
 * @marked_incarnation: (out) (optional) (transfer full): what the marker says, where it is valid
 * @intent: (out): set where it is valid
 * @error: why it is invalid, in a form that stands for itself
 */
BerthMarkerState berth_removal_marker_read(int vm_fd, const char *id, const char *incarnation,
                                           char **marked_incarnation, BerthRemovalIntent *intent, GError **error);

/* Durably, over whatever lies there. Failed: what lay there lies there again, or the error says that it does not. */
gboolean berth_removal_marker_write(int vm_fd, const char *id, const char *incarnation,
                                    const BerthRemovalIntent *intent, GError **error);

/* Durably; absent already is fine. Failed: it stands, or the error says that it may not. */
gboolean berth_removal_marker_take_back(int vm_fd, GError **error);
