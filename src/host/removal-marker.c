/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "removal-marker.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "../core/error.h"
#include "../core/json-guard.h"
#include "../core/key-table.h"
#include "../core/names.h"
#include "durable-file.h"
#include "tree-delete.h"

#define MARKER_SIZE_MAX 4096u
/* Where the old marker goes while it may be needed again. What lies there otherwise is rubbish. */
#define MARKER_ASIDE BERTH_STAGING_PREFIX BERTH_FILE_MARKER ".old"
#define MARKER_TAKEN BERTH_STAGING_PREFIX BERTH_FILE_MARKER ".taken"

#define NSEC_PER_SEC G_GINT64_CONSTANT(1000000000)

typedef struct {
    char *id;
    char *incarnation;
    /* What a copy of the directory can't have. */
    char *inode;   /* decimal: 64 bits are more than JSON's numbers have here */
    guint64 birth; /* ns since the epoch; 0 where the file system does not know */
    guint64 asked, grace_until;
    guint asked_by;
} Marker;

#define AT(member) .offset = G_STRUCT_OFFSET(Marker, member), BERTH_KEY_REQUIRED

static const BerthKey keys[] = {
    {"id", &berth_kind_text, AT(id), .max = 36},
    {"incarnation", &berth_kind_text, AT(incarnation), .max = 255},
    {"inode", &berth_kind_text, AT(inode), .max = 20},
    {"birth", &berth_kind_uint64, AT(birth), .max = G_MAXINT64},
    {"asked", &berth_kind_uint64, AT(asked), .max = G_MAXINT64},
    {"asked-by", &berth_kind_uint, AT(asked_by), .max = G_MAXUINT32},
    {"grace-until", &berth_kind_uint64, AT(grace_until), .max = G_MAXINT64},
};

static const BerthKeyTable table = {keys, G_N_ELEMENTS(keys), sizeof(Marker), NULL};

static void marker_free(Marker *marker)
{
    berth_keys_free(&table, marker);
}
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Marker, marker_free)

static void set_text(char **field, char *text)
{
    g_free(*field);
    *field = text;
}

/* (transfer full): a marker for this very directory, the rest of it not set. */
static Marker *marker_for(int vm_fd, GError **error)
{
    struct statx st;
    if (statx(vm_fd, "", AT_EMPTY_PATH, STATX_INO | STATX_BTIME, &st) < 0) {
        berth_error_set_errno(error, BERTH_ERROR_STORAGE_FAILED, errno, "look at the VM's directory");
        return NULL;
    }
    Marker *marker = berth_keys_new(&table);
    set_text(&marker->inode, g_strdup_printf("%" G_GUINT64_FORMAT, (guint64) st.stx_ino));
    if (st.stx_mask & STATX_BTIME && st.stx_btime.tv_sec >= 0)
        marker->birth = st.stx_btime.tv_sec * NSEC_PER_SEC + st.stx_btime.tv_nsec;
    return marker;
}

static char *to_json(const Marker *marker, gsize *length)
{
    g_autoptr(GVariant) all = g_variant_ref_sink(berth_keys_get(&table, marker));
    g_autoptr(JsonNode) node = json_gvariant_serialize(all);
    char *text = json_to_string(node, TRUE);
    *length = strlen(text);
    return text;
}

static Marker *from_json(const char *text, gsize length, GError **error)
{
    g_autoptr(JsonObject) object = berth_json_parse_object(text, length, error);
    g_autoptr(GVariant) all = object ? berth_keys_from_json(&table, "", object, NULL, error) : NULL;
    g_autoptr(Marker) marker = berth_keys_new(&table);
    return all && berth_keys_set(&table, "", all, marker, error) ? g_steal_pointer(&marker) : NULL;
}

/* Nobody can choose a birth time, and it stays over a boot. The inode stands in where the file system knows none: overlayfs
 * and others number directories anew at each mount. */
static gboolean is_same_directory(const Marker *marker, const Marker *meant)
{
    return marker->birth == meant->birth && (meant->birth || g_str_equal(marker->inode, meant->inode));
}

/* Everything must match: what was restored or copied from elsewhere was never asked to go. */
static gboolean check_meant(const Marker *marker, const Marker *meant, GError **error)
{
    const char *other = NULL;
    if (!g_str_equal(marker->id, meant->id))
        other = "VM";
    else if (*meant->incarnation && *marker->incarnation && !g_str_equal(marker->incarnation, meant->incarnation))
        other = "incarnation of the VM";
    else if (!is_same_directory(marker, meant))
        other = "directory, of which this one is a copy";
    if (other)
        g_set_error(error, BERTH_ERROR, BERTH_ERROR_INVALID_ARGS, "it was made for another %s", other);
    return !other;
}

static gboolean parse(int vm_fd, const char *text, gsize length, const char *id, const char *incarnation,
                      char **marked_incarnation, BerthRemovalIntent *intent, GError **error)
{
    g_autoptr(Marker) marker = from_json(text, length, error);
    g_autoptr(Marker) meant = marker ? marker_for(vm_fd, error) : NULL;
    if (!meant)
        return FALSE;
    set_text(&meant->id, g_strdup(id));
    set_text(&meant->incarnation, g_strdup(incarnation ? incarnation : ""));
    if (!check_meant(marker, meant, error))
        return FALSE;
    *intent = (BerthRemovalIntent){marker->asked, marker->asked_by, marker->grace_until};
    if (marked_incarnation)
        *marked_incarnation = g_strdup(marker->incarnation);
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
    g_autoptr(Marker) marker = marker_for(vm_fd, error);
    if (!marker)
        return FALSE;
    set_text(&marker->id, g_strdup(id));
    set_text(&marker->incarnation, g_strdup(incarnation));
    marker->asked = intent->asked;
    marker->asked_by = intent->asked_by;
    marker->grace_until = intent->grace_until;
    gsize length;
    g_autofree char *text = to_json(marker, &length);
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
