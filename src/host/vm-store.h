/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "../core/vm-config.h"

/* VMs on disk: <state>/vms/<id>/ and <state>/removing/<id>.<incarnation>/. It knows the layout and the
 * order of durable steps, nothing of processes or states. All calls block: they are for workers; different
 * VMs may be worked on at once. Errors: StorageFailed unless said. */

typedef struct BerthVmStore BerthVmStore;

/* What vm.json holds beside the definition. */
typedef struct {
    char *id;
    char *name;
    char *incarnation; /* UUID made with the VM: a later VM of the same id is another */
    guint32 cid;
    gint64 created;    /* µs since the epoch */
    gboolean wanted;   /* the durable desired state: the file want-running is there */
    BerthVmConfig *config;
} BerthVmRecord;

/* (transfer full): of a VM that is made now. @id, @config: (transfer full) */
BerthVmRecord *berth_vm_record_new(char *id, const char *name, guint32 cid, BerthVmConfig *config);
void berth_vm_record_free(BerthVmRecord *record);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(BerthVmRecord, berth_vm_record_free)

/* What a removal's marker holds: id, incarnation ("" where it could not be read), the directory's inode and birth time
 * (a copy or a restored backup has others: it is not what was meant), and: */
typedef struct {
    gint64 asked;        /* µs since the epoch */
    guint asked_by;      /* uid of the caller */
    gint64 grace_until;  /* µs since the epoch, 0 for none */
} BerthRemovalIntent;

typedef enum {
    BERTH_STORED_WHOLE,  /* record is there */
    BERTH_STORED_BROKEN, /* problem says why; record may be there, with the default definition where only that is damaged */
    BERTH_STORED_MARKED, /* a valid marker: intent is there; record where it could be read */
    BERTH_STORED_DOOMED, /* lies in removing/; record and intent where they could still be read */
} BerthStoredKind;

typedef struct {
    BerthStoredKind kind;
    char *id;
    char *incarnation; /* "" where unknown; part of the doomed directory's name */
    BerthVmRecord *record;     /* (nullable) */
    BerthRemovalIntent intent; /* for marked ones */
    char *problem;             /* (nullable): for a person */
    gint64 born;               /* when its directory was made, µs since the epoch; 0 where unknown */
} BerthStoredVm;

void berth_stored_vm_free(BerthStoredVm *stored);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(BerthStoredVm, berth_stored_vm_free)

/* Makes the directories where absent and takes <state>/lock exclusively. Busy where another daemon has it. */
BerthVmStore *berth_vm_store_open(const char *state_dir, GError **error);
/* Which directory of VMs this is, on this host: for what was started from it. */
const char *berth_vm_store_id(const BerthVmStore *store);
void berth_vm_store_close(BerthVmStore *store);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(BerthVmStore, berth_vm_store_close)

/**
 * berth_vm_store_scan:
 * @found: (out) (transfer full) (element-type BerthStoredVm): all of vms/ and removing/
 * @notes: (out) (transfer full) (element-type utf8): what lies there and is no VM: said, never touched
 *
 * FALSE where a directory itself can't be read: then nothing is known, and nothing may be concluded. Does not change the disk.
 */
gboolean berth_vm_store_scan(BerthVmStore *store, GPtrArray **found, GPtrArray **notes, GError **error);

/* One VM of vms/ as it is on disk now. NotFound where there is no such directory. */
BerthStoredVm *berth_vm_store_load(BerthVmStore *store, const char *id, GError **error);

/* Removes what creations and other writes that did not end have left (.new-*). At start-up, before anything is written.
 * What can't be swept is in nobody's way. */
gboolean berth_vm_store_sweep(BerthVmStore *store, GError **error);

/**
 * berth_vm_store_stage:
 * @record: the new VM
 * @owner: uid that its processes run as; (uid_t)-1 to leave the ownership alone
 *
 * Makes vms/.new-<id>/ with disks/, logs/ and vm.json. Unseen by scan until published.
 *
 * Returns: (transfer full): absolute path of the staged directory, where the caller makes the disks
 */
char *berth_vm_store_stage(BerthVmStore *store, const BerthVmRecord *record, uid_t owner, GError **error);
/* Gives what was made in a staged directory to that directory's owner, fsyncs everything staged, renames it to
 * vms/<id>, fsyncs vms/: from here the VM exists. */
gboolean berth_vm_store_publish(BerthVmStore *store, const char *id, GError **error);
/* Throws a staged one away. */
gboolean berth_vm_store_discard(BerthVmStore *store, const char *id, GError **error);

/* vm.json anew, durably. */
gboolean berth_vm_store_save(BerthVmStore *store, const BerthVmRecord *record, GError **error);
/* The desired state, durably. */
gboolean berth_vm_store_set_wanted(BerthVmStore *store, const char *id, gboolean wanted, GError **error);

/* The marker, durably, also over one that can't be trusted. Failed: the VM is as before (an unsure marker is taken back,
 * or the error says that it stands). A vms/<id> that is a symbolic link has no room for one: the link is moved to
 * removing/ at once, and moved back by unmark. */
gboolean berth_vm_store_mark(BerthVmStore *store, const char *id, const char *incarnation,
                             const BerthRemovalIntent *intent, GError **error);
/* Failed: the marker stands, or the error says that it may not. */
gboolean berth_vm_store_unmark(BerthVmStore *store, const char *id, GError **error);
/* vms/<id> → removing/<id>.<incarnation> (".unknown" for ""), both fsynced. Done already (by an earlier try) is success.
 * Refused where vms/<id> bears no valid marker and no such incarnation either: then it is not what was asked to go.
 * A vms/<id> that is itself a symbolic link is moved as the link that it is. */
gboolean berth_vm_store_doom(BerthVmStore *store, const char *id, const char *incarnation, GError **error);
/* Deletes the doomed directory, vm.json and then the marker last. @blocker as in tree-delete.h. */
gboolean berth_vm_store_purge(BerthVmStore *store, const char *id, const char *incarnation, char **blocker, GError **error);

/* Gives a VM's disks to @owner, whom they may not belong to after UIDBase= or the CID was changed, or a backup
 * restored: those files that belong to the owner of their directory. For before a start, when nobody uses them. */
gboolean berth_vm_store_own_disks(BerthVmStore *store, const char *id, uid_t owner, GError **error);

/* Absolute path of a published VM's directory. (transfer full) */
char *berth_vm_store_path(BerthVmStore *store, const char *id);
/* Opens logs/<name> of a VM; @flags for openat. -1 on error. */
int berth_vm_store_open_log(BerthVmStore *store, const char *id, const char *name, int flags, GError **error);
