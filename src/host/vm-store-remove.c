/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>

#include "../core/autofd.h"
#include "../core/error.h"
#include "../core/names.h"
#include "durable-file.h"
#include "tree-delete.h"
#include "vm-store-private.h"

/* Marked, doomed, purged: each step is durable before it is answered and safe to repeat, so that a crash between
 * any two system calls leaves either the VM as it was or one that goes. */

static char *doomed_name(const char *id, const char *incarnation)
{
    return g_strconcat(id, ".", *incarnation ? incarnation : BERTH_INCARNATION_UNKNOWN, NULL);
}

static gboolean is_absent(int dir_fd, const char *name)
{
    return faccessat(dir_fd, name, F_OK, AT_SYMLINK_NOFOLLOW) < 0 && errno == ENOENT;
}

/* A link has no room for a marker: it is doomed at once. Only the name moves, whatever it leads to. */
static gboolean mark_link(BerthVmStore *store, const char *id, const char *incarnation, GError **error)
{
    g_autofree char *name = doomed_name(id, incarnation);
    return berth_move_durably(store->vms_fd, id, store->removing_fd, name, TRUE, error);
}

gboolean berth_vm_store_mark(BerthVmStore *store, const char *id, const char *incarnation,
                             const BerthRemovalIntent *intent, GError **error)
{
    if (!berth_vm_store_check(store, error))
        return FALSE;
    if (berth_entry_is_link(store->vms_fd, id))
        return mark_link(store, id, incarnation, error);
    /* Taken away by somebody, or a link that is doomed already: there is nothing that could come back. */
    if (is_absent(store->vms_fd, id))
        return TRUE;
    BERTH_AUTOFD fd = berth_dir_open(store->vms_fd, id, error);
    return fd >= 0 && berth_removal_marker_write(fd, id, incarnation, intent, error);
}

gboolean berth_vm_store_unmark(BerthVmStore *store, const char *id, GError **error)
{
    if (!berth_vm_store_check(store, error))
        return FALSE;
    if (is_absent(store->vms_fd, id)) {
        /* A link's incarnation is never known. */
        g_autofree char *link = doomed_name(id, "");
        return !berth_entry_is_link(store->removing_fd, link) ||
               berth_move_durably(store->removing_fd, link, store->vms_fd, id, TRUE, error);
    }
    BERTH_AUTOFD fd = berth_dir_open(store->vms_fd, id, error);
    return fd >= 0 && berth_removal_marker_take_back(fd, error);
}

/* What lies in vms/ now may not be what was asked to go: between the two an administrator may have put another
 * directory in its place. */
static gboolean check_meant(BerthVmStore *store, const char *id, const char *incarnation, GError **error)
{
    BerthMarkerState marker;
    g_autoptr(BerthStoredVm) stored = berth_vm_store_read(store, id, &marker, error);
    if (!stored)
        return FALSE;
    if (marker == BERTH_MARKER_VALID || berth_entry_is_link(store->vms_fd, id))
        return TRUE;
    if (marker == BERTH_MARKER_ABSENT && stored->record && g_str_equal(stored->record->incarnation, incarnation))
        return TRUE;
    g_set_error(error, BERTH_ERROR, BERTH_ERROR_STORAGE_FAILED,
                "The directory of the VM %s is not the one that was to be removed: %s", id,
                stored->problem ? stored->problem : "it bears no marker");
    return FALSE;
}

static gboolean is_directory(int dir_fd, const char *name)
{
    struct stat st;
    return fstatat(dir_fd, name, &st, AT_SYMLINK_NOFOLLOW) == 0 && S_ISDIR(st.st_mode);
}

/* In words, where errno alone would puzzle. */
static void explain_move(BerthVmStore *store, const char *id, const char *name, GError **error)
{
    struct statx st;
    if (statx(store->vms_fd, id, AT_SYMLINK_NOFOLLOW, 0, &st) < 0)
        return; /* moved, and the fsync failed */
    if (is_directory(store->removing_fd, name))
        g_prefix_error(error, "An earlier removal of the same VM is not finished yet. ");
    else if (st.stx_attributes & STATX_ATTR_MOUNT_ROOT)
        g_prefix_error(error, "The directory of the VM is a mount point. ");
    else if (st.stx_attributes & STATX_ATTR_IMMUTABLE)
        g_prefix_error(error, "The directory of the VM has the immutable attribute. ");
}

gboolean berth_vm_store_doom(BerthVmStore *store, const char *id, const char *incarnation, GError **error)
{
    if (!berth_vm_store_check(store, error))
        return FALSE;
    g_autofree char *name = doomed_name(id, incarnation);
    /* Moved by an earlier try, whose fsync may have failed, or deleted altogether. */
    if (is_absent(store->vms_fd, id))
        return berth_dir_sync(store->removing_fd, error) && berth_dir_sync(store->vms_fd, error);
    if (!check_meant(store, id, incarnation, error))
        return FALSE;
    /* No way back: the removal has been answered. */
    if (berth_move_durably(store->vms_fd, id, store->removing_fd, name, FALSE, error))
        return TRUE;
    explain_move(store, id, name, error);
    return FALSE;
}

gboolean berth_vm_store_purge(BerthVmStore *store, const char *id, const char *incarnation, char **blocker,
                              GError **error)
{
    /* The directory is doomed by where it lies; these two go last for those who look: name, CID and who asked are
     * known until nothing else is left. */
    static const char *const last[] = {BERTH_FILE_DEFINITION, BERTH_FILE_MARKER, NULL};
    g_autoptr(GError) gone = NULL;
    if (!berth_vm_store_check(store, &gone)) {
        if (blocker)
            *blocker = g_strdup(gone->message);
        g_propagate_error(error, g_steal_pointer(&gone));
        return FALSE;
    }
    g_autofree char *name = doomed_name(id, incarnation);
    return berth_tree_delete(store->removing_fd, name, last, blocker, error);
}
