/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "vm-disks.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>

#include "../core/autofd.h"
#include "../core/error.h"
#include "../core/names.h"
#include "../core/qemu-args.h"
#include "durable-file.h"
#include "qemu-img.h"

/* Larger than any firmware's variables: a wrong FirmwareVars= is told, not copied. */
#define FIRMWARE_VARS_MAX (16u * 1024 * 1024)

static gboolean hand_over(const char *path, uid_t owner, GError **error)
{
    if (chmod(path, 0600) < 0 || (owner != (uid_t) -1 && lchown(path, owner, owner) < 0)) {
        berth_error_set_errno(error, BERTH_ERROR_STORAGE_FAILED, errno, "give %s to its owner", path);
        return FALSE;
    }
    return TRUE;
}

static gboolean make_disk(const char *dir, guint index, const BerthDisksSpec *spec, GError **error)
{
    const BerthDisk *disk = g_ptr_array_index(spec->config->disks, index);
    g_autofree char *name = berth_disk_file_name(spec->config, index);
    g_autofree char *path = g_build_filename(dir, name, NULL);
    gboolean is_overlay = index == 0 && spec->image && *spec->image->disk_format;
    g_autofree char *backing = is_overlay ? g_build_filename(spec->image_dir, BERTH_FILE_DISK, NULL) : NULL;
    return berth_qemu_img_create(spec->qemu_img, path, disk->format, disk->size, backing,
                                 is_overlay ? spec->image->disk_format : NULL, error) &&
           hand_over(path, spec->owner, error);
}

static gboolean make_firmware_vars(const char *dir, const BerthDisksSpec *spec, GError **error)
{
    g_autofree char *folder = g_path_get_dirname(spec->firmware_vars);
    g_autofree char *name = g_path_get_basename(spec->firmware_vars);
    g_autofree char *path = g_build_filename(dir, BERTH_FILE_FIRMWARE_VARS, NULL);
    BERTH_AUTOFD from = berth_dir_open(AT_FDCWD, folder, error);
    BERTH_AUTOFD to = from < 0 ? -1 : berth_dir_open(AT_FDCWD, dir, error);
    if (to < 0)
        return FALSE;
    gsize length = 0;
    g_autofree char *data = berth_file_read(from, name, FIRMWARE_VARS_MAX, &length, error);
    return data && berth_durable_write(to, BERTH_FILE_FIRMWARE_VARS, data, length, 0600, error) &&
           hand_over(path, spec->owner, error);
}

gboolean berth_vm_disks_make(const char *vm_dir, const BerthDisksSpec *spec, GError **error)
{
    g_autofree char *dir = g_build_filename(vm_dir, BERTH_DIR_DISKS, NULL);
    for (guint i = 0; i < spec->config->disks->len; i++)
        if (!make_disk(dir, i, spec, error))
            return FALSE;
    return !g_str_equal(spec->config->firmware, "uefi") || make_firmware_vars(dir, spec, error);
}

/* Copies. */

/* A file that QEMU's user put there by a hard link is not its own, and not for it to read. */
static int open_source(int dir_fd, const char *name, guint64 *size, GError **error)
{
    struct stat dir_st, st;
    BERTH_AUTOFD fd = openat(dir_fd, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
    if (fd < 0 || fstat(fd, &st) < 0 || fstat(dir_fd, &dir_st) < 0) {
        berth_error_set_errno(error, BERTH_ERROR_STORAGE_FAILED, errno, "open the disk %s", name);
        return -1;
    }
    if (!S_ISREG(st.st_mode) || st.st_uid != dir_st.st_uid) {
        g_set_error(error, BERTH_ERROR, BERTH_ERROR_STORAGE_FAILED, "The disk %s is not a file of the VM's own", name);
        return -1;
    }
    *size = (guint64) st.st_size;
    return berth_steal_fd(&fd);
}

static gboolean clone_file(int to_dir, int from_dir, const char *name, BerthCopyJob *job, GError **error)
{
    guint64 size = 0;
    BERTH_AUTOFD from = open_source(from_dir, name, &size, error);
    if (from < 0)
        return FALSE;
    BERTH_AUTOFD to = openat(to_dir, name, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
    if (to < 0 || fchmod(to, 0600) < 0) {
        berth_error_set_errno(error, BERTH_ERROR_STORAGE_FAILED, errno, "make the disk %s", name);
        return FALSE;
    }
    return berth_copy_disk(job, from, size, to, error);
}

/* (transfer full) */
static GPtrArray *files_of(const BerthVmConfig *config)
{
    GPtrArray *names = g_ptr_array_new_with_free_func(g_free);
    for (guint i = 0; i < config->disks->len; i++)
        g_ptr_array_add(names, berth_disk_file_name(config, i));
    if (g_str_equal(config->firmware, "uefi"))
        g_ptr_array_add(names, g_strdup(BERTH_FILE_FIRMWARE_VARS));
    return names;
}

static gboolean measure(int dir_fd, const GPtrArray *names, BerthCopyJob *job, GError **error)
{
    for (guint i = 0; i < names->len; i++) {
        guint64 size = 0;
        BERTH_AUTOFD fd = open_source(dir_fd, names->pdata[i], &size, error);
        if (fd < 0)
            return FALSE;
        job->total += size;
    }
    return TRUE;
}

gboolean berth_vm_disks_clone(const char *vm_dir, const char *source_dir, const BerthVmConfig *config,
                              BerthCopyJob *job, GError **error)
{
    g_autofree char *from_path = g_build_filename(source_dir, BERTH_DIR_DISKS, NULL);
    g_autofree char *to_path = g_build_filename(vm_dir, BERTH_DIR_DISKS, NULL);
    g_autoptr(GPtrArray) names = files_of(config);
    BERTH_AUTOFD from = berth_dir_open(AT_FDCWD, from_path, error);
    BERTH_AUTOFD to = from < 0 ? -1 : berth_dir_open(AT_FDCWD, to_path, error);
    if (to < 0 || !measure(from, names, job, error))
        return FALSE;
    for (guint i = 0; i < names->len; i++)
        if (!clone_file(to, from, names->pdata[i], job, error))
            return FALSE;
    berth_copy_tell(job, TRUE);
    return TRUE;
}
