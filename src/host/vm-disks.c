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
    g_autofree char *path = g_build_filename(dir, "vars.fd", NULL);
    BERTH_AUTOFD from = berth_dir_open(AT_FDCWD, folder, error);
    BERTH_AUTOFD to = from < 0 ? -1 : berth_dir_open(AT_FDCWD, dir, error);
    if (to < 0)
        return FALSE;
    gsize length = 0;
    g_autofree char *data = berth_file_read(from, name, FIRMWARE_VARS_MAX, &length, error);
    return data && berth_durable_write(to, "vars.fd", data, length, 0600, error) && hand_over(path, spec->owner, error);
}

gboolean berth_vm_disks_make(const char *vm_dir, const BerthDisksSpec *spec, GError **error)
{
    g_autofree char *dir = g_build_filename(vm_dir, BERTH_DIR_DISKS, NULL);
    for (guint i = 0; i < spec->config->disks->len; i++)
        if (!make_disk(dir, i, spec, error))
            return FALSE;
    return !g_str_equal(spec->config->firmware, "uefi") || make_firmware_vars(dir, spec, error);
}
