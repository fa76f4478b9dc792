/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "removal-marker.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>

#include "../core/error.h"
#include "../core/json-guard.h"
#include "../core/names.h"
#include "durable-file.h"
#include "json-members.h"
#include "tree-delete.h"

#define MARKER_SIZE_MAX 4096u
/* Where the old marker goes while it may be needed again. What lies there otherwise is rubbish. */
#define MARKER_ASIDE BERTH_STAGING_PREFIX BERTH_FILE_MARKER ".old"
#define MARKER_TAKEN BERTH_STAGING_PREFIX BERTH_FILE_MARKER ".taken"

#define NSEC_PER_SEC G_GINT64_CONSTANT(1000000000)

/* What a copy of a directory can't have. */
typedef struct {
    guint64 inode;
    gint64 birth; /* ns since the epoch; 0 where the file system does not know */
} Identity;

static gboolean identify(int vm_fd, Identity *identity, GError **error)
{
    struct statx st;
    if (statx(vm_fd, "", AT_EMPTY_PATH, STATX_INO | STATX_BTIME, &st) < 0) {
        berth_error_set_errno(error, BERTH_ERROR_STORAGE_FAILED, errno, "look at the VM's directory");
        return FALSE;
    }
    identity->inode = st.stx_ino;
    identity->birth = st.stx_mask & STATX_BTIME ? st.stx_btime.tv_sec * NSEC_PER_SEC + st.stx_btime.tv_nsec : 0;
    return TRUE;
}

static char *to_json(const char *id, const char *incarnation, const Identity *identity,
                     const BerthRemovalIntent *intent, gsize *length)
{
    JsonObject *object = json_object_new();
    /* JSON's numbers end at 63 bits here, inodes don't. */
    g_autofree char *inode = g_strdup_printf("%" G_GUINT64_FORMAT, identity->inode);
    json_object_set_string_member(object, "id", id);
    json_object_set_string_member(object, "incarnation", incarnation);
    json_object_set_string_member(object, "inode", inode);
    json_object_set_int_member(object, "birth", identity->birth);
    json_object_set_int_member(object, "asked", intent->asked);
    json_object_set_int_member(object, "asked-by", intent->asked_by);
    json_object_set_int_member(object, "grace-until", intent->grace_until);
    g_autoptr(JsonNode) root = json_node_new(JSON_NODE_OBJECT);
    json_node_take_object(root, object);
    g_autoptr(JsonGenerator) generator = json_generator_new();
    json_generator_set_root(generator, root);
    return json_generator_to_data(generator, length);
}

static gboolean read_intent(JsonObject *object, BerthRemovalIntent *intent, GError **error)
{
    gint64 asked_by;
    if (!berth_json_member_int(object, "asked", 0, G_MAXINT64, &intent->asked, error) ||
        !berth_json_member_int(object, "asked-by", 0, G_MAXUINT32, &asked_by, error) ||
        !berth_json_member_int(object, "grace-until", 0, G_MAXINT64, &intent->grace_until, error))
        return FALSE;
    intent->asked_by = asked_by;
    return TRUE;
}

static gboolean mismatch(GError **error, const char *what)
{
    g_set_error(error, BERTH_ERROR, BERTH_ERROR_INVALID_ARGS, "it was made for another %s", what);
    return FALSE;
}

/* Everything must match: what was restored or copied from elsewhere was never asked to go. */
static gboolean check_meant(JsonObject *object, const char *id, const char *incarnation, const Identity *identity,
                            const char **marked, GError **error)
{
    const char *of_id, *of_incarnation, *inode;
    gint64 birth;
    if (!berth_json_member_string(object, "id", &of_id, error) ||
        !berth_json_member_string(object, "incarnation", &of_incarnation, error) ||
        !berth_json_member_string(object, "inode", &inode, error) ||
        !berth_json_member_int(object, "birth", G_MININT64, G_MAXINT64, &birth, error))
        return FALSE;
    if (!g_str_equal(of_id, id))
        return mismatch(error, "VM");
    if (incarnation && *of_incarnation && !g_str_equal(of_incarnation, incarnation))
        return mismatch(error, "incarnation of the VM");
    guint64 number;
    if (!g_ascii_string_to_unsigned(inode, 10, 0, G_MAXUINT64, &number, NULL) || number != identity->inode ||
        birth != identity->birth)
        return mismatch(error, "directory, of which this one is a copy");
    *marked = of_incarnation;
    return TRUE;
}

static gboolean parse(int vm_fd, const char *text, gsize length, const char *id, const char *incarnation,
                      char **marked_incarnation, BerthRemovalIntent *intent, GError **error)
{
    Identity identity;
    BerthRemovalIntent read;
    const char *marked;
    g_autoptr(JsonObject) object = berth_json_parse_object(text, length, error);
    if (!object || !identify(vm_fd, &identity, error) ||
        !check_meant(object, id, incarnation, &identity, &marked, error) || !read_intent(object, &read, error))
        return FALSE;
    *intent = read;
    if (marked_incarnation)
        *marked_incarnation = g_strdup(marked);
    return TRUE;
}

BerthMarkerState berth_removal_marker_read(int vm_fd, const char *id, const char *incarnation,
                                           char **marked_incarnation, BerthRemovalIntent *intent, GError **error)
{
    g_autoptr(GError) problem = NULL;
    gsize length;
    g_autofree char *text = berth_file_read(vm_fd, BERTH_FILE_MARKER, MARKER_SIZE_MAX, &length, &problem);
    if (g_error_matches(problem, BERTH_ERROR, BERTH_ERROR_NOT_FOUND))
        return BERTH_MARKER_ABSENT;
    if (text && parse(vm_fd, text, length, id, incarnation, marked_incarnation, intent, &problem))
        return BERTH_MARKER_VALID;
    g_propagate_prefixed_error(error, g_steal_pointer(&problem), "The removal marker is not to be trusted: ");
    return BERTH_MARKER_INVALID;
}

static gboolean exists(int vm_fd, const char *name)
{
    return faccessat(vm_fd, name, F_OK, AT_SYMLINK_NOFOLLOW) == 0;
}

static gboolean unsure(GError **error, const char *consequence)
{
    if (error && *error) {
        g_autofree char *message = g_strdup_printf("%s. %s", (*error)->message, consequence);
        g_free((*error)->message);
        (*error)->message = g_steal_pointer(&message);
    }
    return FALSE;
}

#define STANDS "The marker could not be taken back: the VM may be removed when the daemon starts again"
#define LOST "The marker could not be put back: the VM may not be removed when the daemon starts again"

/* No marker before, none afterwards. The name may be there already, where only the directory's fsync failed: then
 * nothing tells whether it would survive a power cut, and it goes as durably as it came. */
static gboolean write_first(int vm_fd, const char *text, gsize length, GError **error)
{
    if (berth_durable_write(vm_fd, BERTH_FILE_MARKER, text, length, 0600, error))
        return TRUE;
    if (exists(vm_fd, BERTH_FILE_MARKER) && !berth_durable_unlink(vm_fd, BERTH_FILE_MARKER, NULL))
        return unsure(error, STANDS);
    return FALSE;
}

static gboolean swap_aside(int vm_fd)
{
    return renameat2(vm_fd, MARKER_ASIDE, vm_fd, BERTH_FILE_MARKER, RENAME_EXCHANGE) == 0;
}

/* Swapped in one step, so that no crash finds the VM without a marker: a bad one keeps it from being started, a good
 * one means that it goes. Works where the bad one is a directory, too. Failed: swapped back. */
static gboolean write_over(int vm_fd, const char *text, gsize length, GError **error)
{
    if (!berth_tree_delete(vm_fd, MARKER_ASIDE, NULL, NULL, error) ||
        !berth_durable_write(vm_fd, MARKER_ASIDE, text, length, 0600, error))
        return FALSE;
    if (!swap_aside(vm_fd)) {
        int errnum = errno;
        unlinkat(vm_fd, MARKER_ASIDE, 0);
        /* NFS and FAT can't swap. */
        if (errnum == EINVAL)
            return berth_durable_write(vm_fd, BERTH_FILE_MARKER, text, length, 0600, error);
        berth_error_set_errno(error, BERTH_ERROR_STORAGE_FAILED, errnum, "replace %s", BERTH_FILE_MARKER);
        return FALSE;
    }
    gboolean ok = berth_dir_sync(vm_fd, error);
    if (!ok && (!swap_aside(vm_fd) || !berth_dir_sync(vm_fd, NULL)))
        return unsure(error, STANDS);
    berth_tree_delete(vm_fd, MARKER_ASIDE, NULL, NULL, NULL);
    return ok;
}

gboolean berth_removal_marker_write(int vm_fd, const char *id, const char *incarnation,
                                    const BerthRemovalIntent *intent, GError **error)
{
    Identity identity;
    if (!identify(vm_fd, &identity, error))
        return FALSE;
    gsize length;
    g_autofree char *text = to_json(id, incarnation, &identity, intent, &length);
    return exists(vm_fd, BERTH_FILE_MARKER) ? write_over(vm_fd, text, length, error)
                                            : write_first(vm_fd, text, length, error);
}

gboolean berth_removal_marker_take_back(int vm_fd, GError **error)
{
    /* Aside first, since an unlinked one could not be put back where the directory's fsync fails. */
    if (renameat(vm_fd, BERTH_FILE_MARKER, vm_fd, MARKER_TAKEN) < 0) {
        if (errno == ENOENT)
            return berth_dir_sync(vm_fd, error);
        berth_error_set_errno(error, BERTH_ERROR_STORAGE_FAILED, errno, "delete %s", BERTH_FILE_MARKER);
        return FALSE;
    }
    gboolean ok = berth_dir_sync(vm_fd, error);
    if (!ok && (renameat(vm_fd, MARKER_TAKEN, vm_fd, BERTH_FILE_MARKER) < 0 || !berth_dir_sync(vm_fd, NULL)))
        return unsure(error, LOST);
    if (ok)
        unlinkat(vm_fd, MARKER_TAKEN, 0);
    return ok;
}
