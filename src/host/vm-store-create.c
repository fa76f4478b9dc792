/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "../core/autofd.h"
#include "../core/error.h"
#include "../core/names.h"
#include "durable-file.h"
#include "tree-delete.h"
#include "vm-record.h"
#include "vm-store-private.h"
#include "work.h"

/* A VM is made aside, under a name that no scan takes for one, and comes into being by one rename. Killed before that,
 * it leaves what the next start-up sweeps; after it, a whole VM. Nothing is fsynced before everything is there. */

/* disks/ and logs/ have no directories below them; one more level is for whoever may add one. */
#define STAGED_DEPTH_MAX 3

#define VM_MODE 0711 /* the VM's user passes through to its disks */
#define OWN_MODE 0700

char *berth_vm_store_staged_name(const char *id)
{
    return g_strconcat(BERTH_STAGING_PREFIX, id, NULL);
}

static gboolean fail(GError **error, const char *what, const char *name)
{
    berth_error_set_errno(error, BERTH_ERROR_STORAGE_FAILED, errno, "%s %s", what, name);
    return FALSE;
}

/* The mode whatever the umask is, and the owner. */
static int make_dir(int dir_fd, const char *name, mode_t mode, uid_t owner, GError **error)
{
    if (mkdirat(dir_fd, name, mode) < 0) {
        fail(error, "make the directory", name);
        return -1;
    }
    BERTH_AUTOFD fd = berth_dir_open(dir_fd, name, error);
    if (fd >= 0 && fchmod(fd, mode) == 0 && fchown(fd, owner, (gid_t) -1) == 0)
        return berth_steal_fd(&fd);
    if (fd >= 0)
        fail(error, "set the owner of", name);
    unlinkat(dir_fd, name, AT_REMOVEDIR);
    return -1;
}

static gboolean fill(int vm_fd, const BerthVmRecord *record, uid_t owner, GError **error)
{
    BERTH_AUTOFD disks_fd = make_dir(vm_fd, BERTH_DIR_DISKS, OWN_MODE, owner, error);
    if (disks_fd < 0)
        return FALSE;
    BERTH_AUTOFD logs_fd = make_dir(vm_fd, BERTH_DIR_LOGS, OWN_MODE, (uid_t) -1, error);
    if (logs_fd < 0)
        return FALSE;
    if (record->wanted && !berth_file_create(vm_fd, BERTH_FILE_WANTED, "", 0, 0600, error))
        return FALSE;
    gsize length;
    g_autofree char *text = berth_vm_record_to_json(record, &length);
    return berth_file_create(vm_fd, BERTH_FILE_DEFINITION, text, length, 0600, error);
}

char *berth_vm_store_stage(BerthVmStore *store, const BerthVmRecord *record, uid_t owner, GError **error)
{
    if (!berth_vm_store_check(store, error))
        return NULL;
    g_autofree char *name = berth_vm_store_staged_name(record->id);
    BERTH_AUTOFD fd = make_dir(store->vms_fd, name, VM_MODE, (uid_t) -1, error);
    if (fd < 0)
        return NULL;
    if (!fill(fd, record, owner, error)) {
        berth_tree_delete(store->vms_fd, name, NULL, NULL, NULL);
        return NULL;
    }
    return g_build_filename(store->vms_path, name, NULL);
}

static gboolean settle_directory(int dir_fd, guint depth, GError **error);

/* To disk, and to the owner of the directory it was made in: who makes a disk need not know whose it is. */
static gboolean settle_entry(int dir_fd, const struct stat *dir_st, const char *name, guint depth, GError **error)
{
    BERTH_AUTOFD fd = openat(dir_fd, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
    struct stat st;
    if (fd < 0 || fstat(fd, &st) < 0)
        return fail(error, "open", name);
    if (S_ISDIR(st.st_mode) && depth < STAGED_DEPTH_MAX)
        return settle_directory(fd, depth + 1, error);
    if (!S_ISREG(st.st_mode)) {
        g_set_error(error, BERTH_ERROR, BERTH_ERROR_STORAGE_FAILED, "%s does not belong into a new VM", name);
        return FALSE;
    }
    if (st.st_uid != dir_st->st_uid && fchown(fd, dir_st->st_uid, dir_st->st_gid) < 0)
        return fail(error, "set the owner of", name);
    if (TEMP_FAILURE_RETRY(fsync(fd)) < 0)
        return fail(error, "write to stable storage:", name);
    return TRUE;
}

static gboolean settle_directory(int dir_fd, guint depth, GError **error)
{
    struct stat st;
    if (fstat(dir_fd, &st) < 0)
        return fail(error, "look at", "the new VM's directory");
    g_autoptr(GPtrArray) names = berth_dir_list(dir_fd, error);
    if (!names)
        return FALSE;
    for (guint i = 0; i < names->len; i++)
        if (!settle_entry(dir_fd, &st, names->pdata[i], depth, error))
            return FALSE;
    return berth_dir_sync(dir_fd, error);
}

gboolean berth_vm_store_publish(BerthVmStore *store, const char *id, GError **error)
{
    if (!berth_vm_store_check(store, error))
        return FALSE;
    g_autofree char *name = berth_vm_store_staged_name(id);
    BERTH_AUTOFD fd = berth_dir_open(store->vms_fd, name, error);
    /* All of the content before the name: a power cut never leaves a VM with holes. */
    return fd >= 0 && settle_directory(fd, 0, error) &&
           berth_move_durably(store->vms_fd, name, store->vms_fd, id, TRUE, error);
}

gboolean berth_vm_store_discard(BerthVmStore *store, const char *id, GError **error)
{
    g_autofree char *name = berth_vm_store_staged_name(id);
    return berth_vm_store_check(store, error) && berth_tree_delete(store->vms_fd, name, NULL, NULL, error);
}

/* Files that were being replaced when the daemon was killed. What is no directory, a link too, has none. */
static gboolean sweep_vm(const BerthVmStore *store, const char *id, GError **error)
{
    BERTH_AUTOFD fd = berth_vm_id_is_valid(id) ? berth_dir_open(store->vms_fd, id, NULL) : -1;
    return fd < 0 || berth_tree_sweep(fd, BERTH_STAGING_PREFIX, error);
}

typedef struct {
    const BerthVmStore *store;
    GPtrArray *names;
    GError *error; /* the first one, by atomic exchange */
} Sweep;

static void sweep_entry(guint i, gpointer data)
{
    Sweep *sweep = data;
    GError *error = NULL;
    if (!sweep_vm(sweep->store, sweep->names->pdata[i], &error) &&
        !g_atomic_pointer_compare_and_exchange(&sweep->error, NULL, error))
        g_error_free(error);
}

gboolean berth_vm_store_sweep(BerthVmStore *store, GError **error)
{
    g_autoptr(GPtrArray) names = berth_vm_store_check(store, error) ? berth_dir_list(store->vms_fd, error) : NULL;
    if (!names || !berth_tree_sweep(store->vms_fd, BERTH_STAGING_PREFIX, error))
        return FALSE;
    Sweep sweep = {store, names, NULL};
    berth_work_spread(names->len, sweep_entry, &sweep);
    if (!sweep.error)
        return TRUE;
    g_propagate_error(error, sweep.error);
    return FALSE;
}
