/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "../core/autofd.h"
#include "../core/error.h"
#include "../core/names.h"
#include "durable-file.h"
#include "vm-store-private.h"

static gboolean fail(const char *id, const char *name, GError **error)
{
    berth_error_set_errno(error, BERTH_ERROR_STORAGE_FAILED, errno, "give %s/%s/%s to the user that the VM runs as", id,
                          BERTH_DIR_DISKS, name);
    return FALSE;
}

/* Of what else lies there nothing is known: a guest that broke out of QEMU may have put it there. */
static gboolean give_file(int disks_fd, const char *id, const char *name, uid_t from, uid_t to, GError **error)
{
    struct stat st;
    BERTH_AUTOFD fd = openat(disks_fd, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
    if (fd < 0 && errno == ELOOP)
        return TRUE;
    if (fd < 0 || fstat(fd, &st) < 0)
        return fail(id, name, error);
    if (!S_ISREG(st.st_mode) || st.st_uid != from)
        return TRUE;
    if (fchown(fd, to, to) < 0 || TEMP_FAILURE_RETRY(fsync(fd)) < 0)
        return fail(id, name, error);
    return TRUE;
}

/* The directory last, when all else is durable: its owner tells whether there is anything to do. */
static gboolean give_directory(int disks_fd, const char *id, uid_t from, uid_t to, GError **error)
{
    g_autoptr(GPtrArray) names = berth_dir_list(disks_fd, error);
    if (!names)
        return FALSE;
    for (guint i = 0; i < names->len; i++)
        if (!give_file(disks_fd, id, names->pdata[i], from, to, error))
            return FALSE;
    return fchown(disks_fd, to, (gid_t) -1) == 0 || fail(id, "", error);
}

gboolean berth_vm_store_own_disks(BerthVmStore *store, const char *id, uid_t owner, GError **error)
{
    struct stat st;
    BERTH_AUTOFD vm_fd = berth_vm_store_open_vm(store, id, error);
    BERTH_AUTOFD disks_fd = vm_fd < 0 ? -1 : berth_dir_open(vm_fd, BERTH_DIR_DISKS, error);
    if (disks_fd < 0)
        return FALSE;
    if (fstat(disks_fd, &st) < 0)
        return fail(id, "", error);
    return st.st_uid == owner || give_directory(disks_fd, id, st.st_uid, owner, error);
}
