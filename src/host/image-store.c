/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "image-store.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "../core/autofd.h"
#include "../core/error.h"
#include "../core/json-guard.h"
#include "../core/names.h"
#include "../core/printable.h"
#include "../core/vm-config.h"
#include "durable-file.h"
#include "image-import.h"
#include "tree-delete.h"

/* VMs' processes pass through to the files of their images, and don't look around. */
#define IMAGES_MODE 0711

struct BerthImageStore {
    char *path; /* absolute, of images/ */
    int fd;
};

BerthImageStore *berth_image_store_open(const char *state_dir, GError **error)
{
    g_autofree char *path = g_build_filename(state_dir, BERTH_DIR_IMAGES, NULL);
    BERTH_AUTOFD fd = berth_dir_ensure(AT_FDCWD, path, IMAGES_MODE, error);
    if (fd < 0)
        return NULL;
    /* What can't be swept is in nobody's way, and swept another time. */
    g_autoptr(GError) leftover = NULL;
    if (!berth_tree_sweep(fd, BERTH_STAGING_PREFIX, &leftover))
        g_warning("Some of what unfinished imports left stays in %s: %s", path, leftover->message);
    BerthImageStore *store = g_new0(BerthImageStore, 1);
    store->path = g_steal_pointer(&path);
    store->fd = berth_steal_fd(&fd);
    return store;
}

void berth_image_store_close(BerthImageStore *store)
{
    berth_autofd_close(&store->fd);
    g_free(store->path);
    g_free(store);
}

char *berth_image_store_path(BerthImageStore *store, const char *name)
{
    return g_build_filename(store->path, name, NULL);
}

/* After an unmount, say, nothing may be concluded from what is not there. */
static gboolean check_store(const BerthImageStore *store, GError **error)
{
    struct stat now, opened;
    if (stat(store->path, &now) < 0 || fstat(store->fd, &opened) < 0) {
        berth_error_set_errno(error, BERTH_ERROR_STORAGE_FAILED, errno, "find %s", store->path);
        return FALSE;
    }
    if (now.st_dev == opened.st_dev && now.st_ino == opened.st_ino)
        return TRUE;
    g_set_error(error, BERTH_ERROR, BERTH_ERROR_STORAGE_FAILED,
                "%s is not the directory that was there when the daemon started: has it been unmounted or replaced?",
                store->path);
    return FALSE;
}

GPtrArray *berth_image_store_list(BerthImageStore *store, GError **error)
{
    return check_store(store, error) ? berth_dir_list(store->fd, error) : NULL;
}

/* What is made or deleted bears the image's name, so that it can be told whose it is, and a name of its own: what an
 * earlier one left is in nobody's way. */
static char *new_staged_name(const char *name)
{
    g_autofree char *uuid = g_uuid_string_random();
    return g_strconcat(BERTH_STAGING_PREFIX, name, ".", uuid, NULL);
}

char *berth_image_store_staged_for(const char *name)
{
    const char *image = g_str_has_prefix(name, BERTH_STAGING_PREFIX) ? name + strlen(BERTH_STAGING_PREFIX) : "";
    const char *dot = strrchr(image, '.');
    return dot && g_uuid_string_is_valid(dot + 1) ? g_strndup(image, (gsize) (dot - image)) : NULL;
}

static gboolean check_file(int image_fd, const char *name, gboolean expected, GError **error)
{
    struct stat st;
    if (!expected || (fstatat(image_fd, name, &st, AT_SYMLINK_NOFOLLOW) == 0 && S_ISREG(st.st_mode)))
        return TRUE;
    g_set_error(error, BERTH_ERROR, BERTH_ERROR_STORAGE_FAILED, "its %s is missing or not a regular file", name);
    return FALSE;
}

static BerthImageMeta *load(int images_fd, const char *name, GError **error)
{
    BERTH_AUTOFD fd = berth_vm_name_check(name, error) ? berth_dir_open(images_fd, name, error) : -1;
    if (fd < 0)
        return NULL;
    gsize length;
    g_autofree char *text = berth_file_read(fd, BERTH_FILE_IMAGE, BERTH_JSON_SIZE_MAX, &length, error);
    g_autoptr(BerthImageMeta) meta = text ? berth_image_meta_from_json(text, length, error) : NULL;
    if (!meta)
        return NULL;
    if (!g_str_equal(meta->name, name)) {
        g_set_error(error, BERTH_ERROR, BERTH_ERROR_STORAGE_FAILED, "its %s belongs to the image %s", BERTH_FILE_IMAGE,
                    meta->name);
        return NULL;
    }
    return check_file(fd, BERTH_FILE_DISK, *meta->disk_format, error) &&
                   check_file(fd, BERTH_FILE_KERNEL, meta->has_kernel, error) &&
                   check_file(fd, BERTH_FILE_INITRD, meta->has_initrd, error)
               ? g_steal_pointer(&meta)
               : NULL;
}

gboolean berth_image_store_scan(BerthImageStore *store, GPtrArray **found, GPtrArray **notes, GError **error)
{
    g_autoptr(GPtrArray) names = berth_image_store_list(store, error);
    if (!names)
        return FALSE;
    GPtrArray *images = g_ptr_array_new_with_free_func((GDestroyNotify) berth_image_meta_free);
    GPtrArray *others = g_ptr_array_new_with_free_func(g_free);
    for (guint i = 0; i < names->len; i++) {
        const char *name = names->pdata[i];
        if (g_str_has_prefix(name, BERTH_STAGING_PREFIX))
            continue;
        g_autoptr(GError) problem = NULL;
        BerthImageMeta *meta = load(store->fd, name, &problem);
        g_autofree char *shown = berth_printable(name);
        if (meta)
            g_ptr_array_add(images, meta);
        else
            g_ptr_array_add(others,
                            g_strdup_printf("%s/%s is no usable image: %s", BERTH_DIR_IMAGES, shown, problem->message));
    }
    *found = images;
    *notes = others;
    return TRUE;
}

static gboolean name_taken(const char *name, GError **error)
{
    g_set_error(error, BERTH_ERROR, BERTH_ERROR_NAME_TAKEN,
                "There is an image %s already: choose another name, or remove it first", name);
    return FALSE;
}

static gboolean is_taken(const BerthImageStore *store, const char *name)
{
    return faccessat(store->fd, name, F_OK, AT_SYMLINK_NOFOLLOW) == 0;
}

/* All of the content is on disk before its name is. Two imports of one name: the rename of the second fails, since no
 * image's directory is empty. */
static gboolean publish(BerthImageStore *store, const char *staged, const char *name, GError **error)
{
    if (renameat(store->fd, staged, store->fd, name) < 0) {
        if (errno == EEXIST || errno == ENOTEMPTY || errno == ENOTDIR)
            return name_taken(name, error);
        berth_error_set_errno(error, BERTH_ERROR_STORAGE_FAILED, errno, "publish the image %s", name);
        return FALSE;
    }
    if (berth_dir_sync(store->fd, error))
        return TRUE;
    /* Back, so that it is swept: what may vanish with the next power cut was not imported. */
    if (renameat(store->fd, name, store->fd, staged) < 0)
        g_prefix_error(error, "The image %s is there, but may not last. ", name);
    return FALSE;
}

static int open_staging(BerthImageStore *store, const char *staged, GError **error)
{
    if (mkdirat(store->fd, staged, 0755) == 0) {
        int fd = berth_dir_open(store->fd, staged, error);
        if (fd >= 0 && fchmod(fd, 0755) == 0) /* whatever the umask is */
            return fd;
        berth_autofd_close(&fd);
    }
    if (error && !*error)
        berth_error_set_errno(error, BERTH_ERROR_STORAGE_FAILED, errno, "make the directory %s", staged);
    return -1;
}

static gboolean stage_and_publish(BerthImageStore *store, const char *staged, BerthImageImport *import,
                                  BerthCopyJob *job, GError **error)
{
    BERTH_AUTOFD fd = open_staging(store, staged, error);
    g_autoptr(BerthImageMeta) meta = fd < 0 ? NULL : berth_image_stage(fd, import, job, error);
    /* The last moment: what is not cancelled by now will be there. */
    if (!meta || !berth_copy_check_cancelled(job, error) || !publish(store, staged, import->meta->name, error))
        return FALSE;
    berth_image_fill(import->meta, meta);
    return TRUE;
}

gboolean berth_image_store_import(BerthImageStore *store, BerthImageImport *import, GCancellable *cancellable,
                                  BerthImageProgress progress, gpointer data, GError **error)
{
    if (!check_store(store, error) || !berth_vm_name_check(import->meta->name, error) ||
        !berth_image_meta_check(import->meta, error))
        return FALSE;
    if (is_taken(store, import->meta->name))
        return name_taken(import->meta->name, error);
    BerthCopyJob job = {.cancellable = cancellable, .progress = progress, .data = data, .name = "import"};
    g_autofree char *staged = new_staged_name(import->meta->name);
    if (stage_and_publish(store, staged, import, &job, error)) {
        berth_copy_tell(&job, TRUE);
        return TRUE;
    }
    berth_tree_delete(store->fd, staged, NULL, NULL, NULL);
    return FALSE;
}

gboolean berth_image_store_remove(BerthImageStore *store, const char *name, GError **error)
{
    if (!check_store(store, error) || !berth_vm_name_check(name, error))
        return FALSE;
    g_autofree char *staged = new_staged_name(name);
    if (renameat(store->fd, name, store->fd, staged) < 0) {
        berth_error_set_errno(error, errno == ENOENT ? BERTH_ERROR_NOT_FOUND : BERTH_ERROR_STORAGE_FAILED, errno,
                              "remove the image %s", name);
        return FALSE;
    }
    if (!berth_dir_sync(store->fd, error)) {
        renameat(store->fd, staged, store->fd, name);
        return FALSE;
    }
    /* From here the image is gone; what of it can't be deleted is swept at the next start. */
    g_autoptr(GError) leftover = NULL;
    if (!berth_tree_delete(store->fd, staged, NULL, NULL, &leftover))
        g_warning("Some of the removed image %s stays: %s", name, leftover->message);
    return TRUE;
}
