/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <fcntl.h>
#include <string.h>

#include "../core/autofd.h"
#include "../core/names.h"
#include "../core/printable.h"
#include "audit-look.h"
#include "durable-file.h"
#include "runtime-dir.h"
#include "vm-store-private.h"

/* What lies in the state and runtime directories. Below them anything may come and go while it is looked at, and what
 * can't be opened is no more than a name. */

#define UUID_LENGTH 36

static gboolean is_temporary(const char *name)
{
    return g_str_has_prefix(name, BERTH_STAGING_PREFIX);
}

/* (transfer full): names of people's making are shown to people. */
static char *path_of(const char *dir, const char *name)
{
    g_autofree char *shown = berth_printable(name);
    return g_build_filename(dir, shown, NULL);
}

/* (transfer full) (nullable) */
static GPtrArray *list_below(int dir_fd, const char *name)
{
    BERTH_AUTOFD fd = openat(dir_fd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    return fd < 0 ? NULL : berth_dir_list(fd, NULL);
}

/* vms/ and removing/ */

static void look_into_vm(int vms_fd, const char *id, GPtrArray *things)
{
    g_autofree char *dir = g_build_filename(BERTH_DIR_VMS, id, NULL);
    g_autoptr(GPtrArray) names = list_below(vms_fd, id);
    for (guint i = 0; names && i < names->len; i++)
        if (is_temporary(names->pdata[i]))
            berth_audit_found(things, BERTH_AUDIT_TEMPORARY, BERTH_HELD_BY_WORK, path_of(dir, names->pdata[i]), id);

    g_autofree char *below = g_build_filename(id, BERTH_DIR_DISKS, NULL);
    g_autofree char *disks_dir = g_build_filename(dir, BERTH_DIR_DISKS, NULL);
    g_autoptr(GPtrArray) disks = list_below(vms_fd, below);
    for (guint i = 0; disks && i < disks->len; i++)
        berth_audit_found(things, BERTH_AUDIT_DISK, BERTH_HELD_FOR_GOOD, path_of(disks_dir, disks->pdata[i]), id);
}

static void look_at_vm(int vms_fd, const char *name, GPtrArray *things)
{
    const char *made = is_temporary(name) ? name + strlen(BERTH_STAGING_PREFIX) : NULL;
    if (made) {
        berth_audit_found(things, BERTH_AUDIT_TEMPORARY, BERTH_HELD_BY_WORK, path_of(BERTH_DIR_VMS, name),
                          berth_vm_id_is_valid(made) ? made : NULL);
        return;
    }
    const gboolean is_vm = berth_vm_id_is_valid(name);
    berth_audit_found(things, BERTH_AUDIT_DIRECTORY, BERTH_HELD_FOR_GOOD, path_of(BERTH_DIR_VMS, name),
                      is_vm ? name : NULL);
    if (is_vm)
        look_into_vm(vms_fd, name, things);
}

/* <id>.<incarnation> */
static void look_at_doomed(const char *name, GPtrArray *things)
{
    g_autofree char *id = strlen(name) > UUID_LENGTH && name[UUID_LENGTH] == '.' ? g_strndup(name, UUID_LENGTH) : NULL;
    berth_audit_found(things, BERTH_AUDIT_DIRECTORY, BERTH_HELD_BY_WORK, path_of(BERTH_DIR_REMOVING, name),
                      id && berth_vm_id_is_valid(id) ? id : NULL);
}

gboolean berth_audit_look_at_vms(BerthVmStore *store, GPtrArray *things, GError **error)
{
    g_autoptr(GPtrArray) vms = berth_vm_store_check(store, error) ? berth_dir_list(store->vms_fd, error) : NULL;
    g_autoptr(GPtrArray) doomed = vms ? berth_dir_list(store->removing_fd, error) : NULL;
    if (!doomed)
        return FALSE;
    for (guint i = 0; i < vms->len; i++)
        look_at_vm(store->vms_fd, vms->pdata[i], things);
    for (guint i = 0; i < doomed->len; i++)
        look_at_doomed(doomed->pdata[i], things);
    /* Asked again at the end: an unmount in between would look like an end of the list. */
    return berth_vm_store_check(store, error);
}

/* images/ */

gboolean berth_audit_look_at_images(BerthImageStore *store, GPtrArray *things, GError **error)
{
    g_autoptr(GPtrArray) names = berth_image_store_list(store, error);
    for (guint i = 0; names && i < names->len; i++) {
        const char *name = names->pdata[i];
        const gboolean made = is_temporary(name);
        BerthAuditThing *thing =
            berth_audit_found(things, made ? BERTH_AUDIT_TEMPORARY : BERTH_AUDIT_IMAGE,
                              made ? BERTH_HELD_BY_WORK : BERTH_HELD_FOR_GOOD, path_of(BERTH_DIR_IMAGES, name), NULL);
        thing->image = made ? berth_image_store_staged_for(name) : g_strdup(name);
    }
    return names != NULL;
}

/* The runtime directory */

/* The CID that the record tells of. Whether a process of it lives is not asked of the lock: who tries it holds it for a
 * moment, and the daemon would take that for life. */
static void look_at_run(const char *runtime_dir, const char *id, GPtrArray *things)
{
    g_autoptr(BerthRunRecord) record = berth_runtime_read_run(runtime_dir, id, NULL);
    if (!record || record->cid == 0)
        return;
    berth_audit_found(things, BERTH_AUDIT_CID, BERTH_HELD_BY_RUN, g_strdup_printf("%u", record->cid), id)->cid =
        record->cid;
}

static void look_into_runtime(const char *runtime_dir, const char *id, GPtrArray *things)
{
    static const char *const sockets[] = {BERTH_FILE_QMP_SOCKET, BERTH_FILE_CONSOLE_SOCKET, BERTH_FILE_AGENT_SOCKET,
                                          NULL};
    g_autofree char *dir = g_build_filename(BERTH_AUDIT_RUNTIME, id, NULL);
    g_autofree char *path = g_build_filename(runtime_dir, id, NULL);
    /* It outlasts the run: it tells how that ended. */
    berth_audit_found(things, BERTH_AUDIT_DIRECTORY, BERTH_HELD_FOR_GOOD, g_strdup(dir), id);
    g_autoptr(GPtrArray) names = list_below(AT_FDCWD, path);
    for (guint i = 0; names && i < names->len; i++) {
        const char *name = names->pdata[i];
        if (g_strv_contains(sockets, name))
            berth_audit_found(things, BERTH_AUDIT_SOCKET, BERTH_HELD_BY_RUN, path_of(dir, name), id);
        else if (is_temporary(name))
            berth_audit_found(things, BERTH_AUDIT_TEMPORARY, BERTH_HELD_BY_WORK, path_of(dir, name), id);
    }
    look_at_run(runtime_dir, id, things);
}

/* How the last run of a VM has ended, which is kept as long as the VM and the boot last; or half of that. */
static void look_at_end(const char *name, GPtrArray *things)
{
    const char *id = is_temporary(name) ? name + strlen(BERTH_STAGING_PREFIX) : name;
    g_autofree char *vm = g_strndup(id, strlen(id) - strlen(BERTH_ENDED_SUFFIX));
    if (berth_vm_id_is_valid(vm))
        berth_audit_found(things, BERTH_AUDIT_TEMPORARY, is_temporary(name) ? BERTH_HELD_BY_WORK : BERTH_HELD_FOR_GOOD,
                          path_of(BERTH_AUDIT_RUNTIME, name), vm);
}

static void look_at_ends(const char *runtime_dir, GPtrArray *things)
{
    g_autoptr(GPtrArray) names = list_below(AT_FDCWD, runtime_dir);
    for (guint i = 0; names && i < names->len; i++)
        if (g_str_has_suffix(names->pdata[i], BERTH_ENDED_SUFFIX))
            look_at_end(names->pdata[i], things);
}

gboolean berth_audit_look_at_runtime(const char *runtime_dir, GPtrArray *things, GError **error)
{
    g_autoptr(GPtrArray) ids = berth_runtime_list(runtime_dir, error);
    for (guint i = 0; ids && i < ids->len; i++)
        look_into_runtime(runtime_dir, ids->pdata[i], things);
    look_at_ends(runtime_dir, things);
    return ids != NULL;
}
