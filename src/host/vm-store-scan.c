/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "../core/autofd.h"
#include "../core/error.h"
#include "../core/json-guard.h"
#include "../core/names.h"
#include "../core/printable.h"
#include "durable-file.h"
#include "vm-record.h"
#include "vm-store-private.h"
#include "work.h"

#define UUID_LENGTH 36

void berth_stored_vm_free(BerthStoredVm *stored)
{
    g_free(stored->id);
    g_free(stored->incarnation);
    if (stored->record)
        berth_vm_record_free(stored->record);
    g_free(stored->problem);
    g_free(stored);
}

static gboolean read_wanted(int vm_fd, gboolean *wanted, GError **error)
{
    gboolean there = faccessat(vm_fd, BERTH_FILE_WANTED, F_OK, AT_SYMLINK_NOFOLLOW) == 0;
    if (!there && errno != ENOENT) {
        berth_error_set_errno(error, BERTH_ERROR_STORAGE_FAILED, errno, "look for %s", BERTH_FILE_WANTED);
        return FALSE;
    }
    *wanted = there;
    return TRUE;
}

/* The record of the VM @id. It may come with an error, as in vm-record.h. One of another VM is none: its name
 * and its CID are that VM's. */
static gboolean read_record(int vm_fd, const char *id, BerthVmRecord **record, GError **error)
{
    gsize length;
    g_autofree char *text = berth_file_read(vm_fd, BERTH_FILE_DEFINITION, BERTH_JSON_SIZE_MAX, &length, error);
    if (!text)
        return FALSE;
    g_autoptr(BerthVmRecord) read = NULL;
    gboolean whole = berth_vm_record_from_json(text, length, &read, error);
    if (!whole)
        g_prefix_error(error, "%s: ", BERTH_FILE_DEFINITION);
    if (read && !g_str_equal(read->id, id)) {
        g_clear_error(error);
        g_set_error(error, BERTH_ERROR, BERTH_ERROR_INVALID_ARGS,
                    "The directory's name is not the id in its %s, which is %s", BERTH_FILE_DEFINITION, read->id);
        return FALSE;
    }
    if (read)
        whole = read_wanted(vm_fd, &read->wanted, whole ? error : NULL) && whole;
    *record = g_steal_pointer(&read);
    return whole;
}

static BerthStoredVm *new_stored(BerthStoredKind kind, const char *id)
{
    BerthStoredVm *stored = g_new0(BerthStoredVm, 1);
    stored->kind = kind;
    stored->id = g_strdup(id);
    return stored;
}

static BerthMarkerState read_vm(int vm_fd, BerthStoredVm *stored)
{
    g_autoptr(GError) problem = NULL, marker_problem = NULL;
    g_autofree char *marked = NULL;
    gboolean whole = read_record(vm_fd, stored->id, &stored->record, &problem);
    const char *incarnation = stored->record ? stored->record->incarnation : NULL;
    BerthMarkerState state =
        berth_removal_marker_read(vm_fd, stored->id, incarnation, &marked, &stored->intent, &marker_problem);
    if (state == BERTH_MARKER_VALID)
        stored->kind = BERTH_STORED_MARKED;
    else
        stored->kind = whole && state == BERTH_MARKER_ABSENT ? BERTH_STORED_WHOLE : BERTH_STORED_BROKEN;
    stored->incarnation = g_strdup(incarnation ? incarnation : marked ? marked : "");
    /* Why it must not be touched is more urgent than why it can't be loaded. */
    if (marker_problem || problem)
        stored->problem = g_strdup((marker_problem ? marker_problem : problem)->message);
    return state;
}

/* When it was made, and whether anybody but us could change what lies in it. */
static void look_at_directory(int fd, BerthStoredVm *stored)
{
    struct statx st;
    if (statx(fd, "", AT_EMPTY_PATH, STATX_BTIME | STATX_UID, &st) < 0)
        return;
    if (st.stx_mask & STATX_BTIME)
        stored->born = st.stx_btime.tv_sec * G_USEC_PER_SEC + st.stx_btime.tv_nsec / 1000;
    if (st.stx_uid == geteuid() || stored->kind != BERTH_STORED_WHOLE)
        return;
    stored->kind = BERTH_STORED_BROKEN;
    stored->problem =
        g_strdup_printf("Its directory belongs to user %u; give it and its vm.json to user %u (chown) and reload",
                        st.stx_uid, geteuid());
}

/* What can't be opened: a link is a VM's (broken) directory, anything else that is no directory is no VM. */
static BerthStoredVm *read_unopened(int vms_fd, const char *id, int errnum, GError **error)
{
    gboolean is_link = berth_entry_is_link(vms_fd, id);
    if (errnum == ENOENT || (errnum == ENOTDIR && !is_link)) {
        g_set_error(error, BERTH_ERROR, BERTH_ERROR_NOT_FOUND, "There is no directory of the VM %s", id);
        return NULL;
    }
    BerthStoredVm *stored = new_stored(BERTH_STORED_BROKEN, id);
    stored->incarnation = g_strdup("");
    stored->problem = is_link ? g_strdup("Its directory is a symbolic link, which is not followed")
                              : g_strdup_printf("Its directory can't be opened: %s", g_strerror(errnum));
    return stored;
}

BerthStoredVm *berth_vm_store_read(const BerthVmStore *store, const char *id, BerthMarkerState *marker, GError **error)
{
    BERTH_AUTOFD fd = openat(store->vms_fd, id, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (fd < 0) {
        if (marker)
            *marker = BERTH_MARKER_ABSENT;
        return read_unopened(store->vms_fd, id, errno, error);
    }
    BerthStoredVm *stored = new_stored(BERTH_STORED_BROKEN, id);
    BerthMarkerState state = read_vm(fd, stored);
    look_at_directory(fd, stored);
    if (marker)
        *marker = state;
    return stored;
}

BerthStoredVm *berth_vm_store_load(BerthVmStore *store, const char *id, GError **error)
{
    return berth_vm_store_check(store, error) ? berth_vm_store_read(store, id, NULL, error) : NULL;
}

/* What is left of it, for its name and CID: both belong to it until all of it is gone. */
static void read_remains(int removing_fd, const char *name, BerthStoredVm *stored)
{
    g_autoptr(GError) problem = NULL;
    BERTH_AUTOFD fd = berth_dir_open(removing_fd, name, &problem);
    if (fd < 0) {
        if (!berth_entry_is_link(removing_fd, name))
            stored->problem = g_strdup(problem->message);
        return;
    }
    read_record(fd, stored->id, &stored->record, NULL);
    if (stored->record && *stored->incarnation && !g_str_equal(stored->record->incarnation, stored->incarnation))
        g_clear_pointer(&stored->record, berth_vm_record_free);
    berth_removal_marker_read(fd, stored->id, NULL, NULL, &stored->intent, NULL);
}

/* <id>.<incarnation>; %NULL where @name is not of that form. */
static BerthStoredVm *read_doomed(int removing_fd, const char *name)
{
    if (strlen(name) <= UUID_LENGTH + 1 || name[UUID_LENGTH] != '.')
        return NULL;
    g_autofree char *id = g_strndup(name, UUID_LENGTH);
    if (!berth_vm_id_is_valid(id))
        return NULL;
    const char *incarnation = name + UUID_LENGTH + 1;
    BerthStoredVm *stored = new_stored(BERTH_STORED_DOOMED, id);
    stored->incarnation = g_strdup(g_str_equal(incarnation, BERTH_INCARNATION_UNKNOWN) ? "" : incarnation);
    read_remains(removing_fd, name, stored);
    return stored;
}

/* (transfer full) */
static char *note(const char *dir, const char *name)
{
    g_autofree char *shown = berth_printable(name);
    return g_strdup_printf("%s/%s is not the directory of a VM", dir, shown);
}

static BerthStoredVm *scan_vm(const BerthVmStore *store, const char *name, char **other)
{
    /* Being made: not there yet. */
    if (g_str_has_prefix(name, BERTH_STAGING_PREFIX))
        return NULL;
    BerthStoredVm *stored = berth_vm_id_is_valid(name) ? berth_vm_store_read(store, name, NULL, NULL) : NULL;
    if (!stored && faccessat(store->vms_fd, name, F_OK, AT_SYMLINK_NOFOLLOW) == 0) /* and not gone meanwhile */
        *other = note(BERTH_DIR_VMS, name);
    return stored;
}

static BerthStoredVm *scan_doomed(const BerthVmStore *store, const char *name, char **other)
{
    BerthStoredVm *stored = read_doomed(store->removing_fd, name);
    if (!stored)
        *other = note(BERTH_DIR_REMOVING, name);
    return stored;
}

/* (transfer full) (nullable): the VM that @name is the directory of. @other: what to say of it where it is none. */
typedef BerthStoredVm *(*EntryFunc)(const BerthVmStore *store, const char *name, char **other);

/* Each entry has its own place in the arrays, so that threads need no lock. */
typedef struct {
    const BerthVmStore *store;
    EntryFunc func;
    GPtrArray *names;
    BerthStoredVm **stored;
    char **others;
} Entries;

static void scan_entry(guint i, gpointer data)
{
    Entries *entries = data;
    entries->stored[i] = entries->func(entries->store, entries->names->pdata[i], &entries->others[i]);
}

static gboolean scan_directory(const BerthVmStore *store, int dir_fd, EntryFunc func, GPtrArray *found,
                               GPtrArray *notes, GError **error)
{
    g_autoptr(GPtrArray) names = berth_dir_list(dir_fd, error);
    if (!names)
        return FALSE;
    g_autofree BerthStoredVm **stored = g_new0(BerthStoredVm *, names->len);
    g_autofree char **others = g_new0(char *, names->len);
    Entries entries = {store, func, names, stored, others};
    berth_work_spread(names->len, scan_entry, &entries);
    for (guint i = 0; i < names->len; i++) {
        if (stored[i])
            g_ptr_array_add(found, stored[i]);
        if (others[i])
            g_ptr_array_add(notes, others[i]);
    }
    return TRUE;
}

static gint by_birth(gconstpointer a, gconstpointer b)
{
    const BerthStoredVm *left = *(BerthStoredVm *const *) a, *right = *(BerthStoredVm *const *) b;
    return (left->born > right->born) - (left->born < right->born);
}

gboolean berth_vm_store_scan(BerthVmStore *store, GPtrArray **found, GPtrArray **notes, GError **error)
{
    g_autoptr(GPtrArray) vms = g_ptr_array_new_with_free_func((GDestroyNotify) berth_stored_vm_free);
    g_autoptr(GPtrArray) others = g_ptr_array_new_with_free_func(g_free);
    /* Asked again at the end: an unmount in between would look like an end of the list. */
    if (!berth_vm_store_check(store, error) || !scan_directory(store, store->vms_fd, scan_vm, vms, others, error))
        return FALSE;
    /* Of a VM and its copy the elder comes first; what lies in removing/ comes after both. */
    g_ptr_array_sort(vms, by_birth);
    if (!scan_directory(store, store->removing_fd, scan_doomed, vms, others, error) ||
        !berth_vm_store_check(store, error))
        return FALSE;
    *found = g_steal_pointer(&vms);
    *notes = g_steal_pointer(&others);
    return TRUE;
}
