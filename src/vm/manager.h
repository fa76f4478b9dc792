/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "../core/cid-pool.h"
#include "../core/settings.h"
#include "../host/image-store.h"
#include "../host/systemd.h"
#include "image.h"
#include "job.h"
#include "usage.h"
#include "vm.h"

/* All VMs, images and jobs, found by id, name and number in constant time; what belongs to all of them (names, CIDs,
 * host ports); and the way up to the observer. */

/* The outside, put together by main; outlives the manager. */
typedef struct {
    BerthSettings *settings;   /* Reload changes some: see berth_settings_update() */
    const char *settings_file; /* where they come from */
    const char *keeper_path;
    const char *accelerator; /* "kvm" or "tcg": what "auto" came to */
    gboolean user;           /* berthd --user: VMs run as the user that we are */
    guint notify_port;       /* vsock port for the notifications of guests; 0 where nobody listens */
    BerthVmStore *vms;
    BerthImageStore *images;
    BerthSystemd *systemd;
    BerthBusLink *link;
} BerthHost;

/* The uid of a VM's processes: UIDBase + CID, or (uid_t)-1 for our own. */
uid_t berth_host_vm_uid(const BerthHost *host, guint32 cid);

BerthManager *berth_manager_new(const BerthHost *host, const BerthObserver *observer, gpointer data);
void berth_manager_free(BerthManager *manager);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(BerthManager, berth_manager_free)

const BerthHost *berth_manager_host(const BerthManager *manager);

/* Finding. (transfer none) (nullable) */
BerthVm *berth_manager_find(BerthManager *manager, const char *name_or_id);
BerthVm *berth_manager_find_by_id(BerthManager *manager, const char *id);
BerthVm *berth_manager_find_by_cid(BerthManager *manager, guint32 cid);
BerthImage *berth_manager_find_image(BerthManager *manager, const char *name);
BerthJob *berth_manager_find_job(BerthManager *manager, guint number);
/* (element-type BerthVm), (element-type BerthImage), (element-type BerthJob): borrowed tables, keyed by id, name,
 * number. */
GHashTable *berth_manager_vms(BerthManager *manager);
GHashTable *berth_manager_images(BerthManager *manager);
GHashTable *berth_manager_jobs(BerthManager *manager);
guint berth_manager_n_cids_in_use(const BerthManager *manager);
/* What is no VM, borrowed too: ids of VMs in the making, with their CIDs (element-type utf8 guint32); orphans by id (element-type
 * utf8 BerthOrphan); names of images that are imported (a set). */
GHashTable *berth_manager_creations(BerthManager *manager);
GHashTable *berth_manager_orphans(BerthManager *manager);
GHashTable *berth_manager_imports(BerthManager *manager);
const BerthCidPool *berth_manager_cids(const BerthManager *manager);
/* For the CID of processes that belong to no VM: FALSE where it is in use already, and nothing is to be released. */
gboolean berth_manager_claim_cid(BerthManager *manager, guint32 cid);
void berth_manager_release_cid(BerthManager *manager, guint32 cid);

/**
 * berth_manager_create:
 * @changes: the definition, as the caller gave it
 * @wanted: it is to run: as durable as the VM itself, so that a power cut before its start does not lose that
 * @created: called once, with the VM or why there is none
 *
 * All or nothing: before @created says so nobody sees it, on the bus or on disk; afterwards it is whole and durable.
 */
void berth_manager_create(BerthManager *manager, const char *name, GVariant *changes, gboolean wanted,
                          void (*created)(BerthVm *vm, const GError *error, gpointer data), gpointer data);

/* Configure: checks @changes and makes them durable, all or nothing. The caller has checked with berth_vm_check().
 * @reply: (transfer full). */
void berth_manager_configure(BerthManager *manager, BerthVm *vm, GVariant *changes, BerthReply *reply);

/**
 * berth_manager_clone:
 * @source: one without processes; the caller has checked with berth_vm_check()
 * @changes: what the new one's definition has otherwise
 *
 * A VM with a copy of @source's disks and, but for what can be had only once (name, CID, MAC addresses, forwarded
 * ports) and its protection, its definition. As with a creation nobody sees it before it is whole. @source is busy until
 * then; its removal ends the job.
 *
 * Returns: (transfer none): the job, as berth_manager_import() has it
 */
BerthJob *berth_manager_clone(BerthManager *manager, BerthVm *source, const char *name, GVariant *changes,
                              GError **error);

/* For src/vm's own use: */

/* Unsupported where @new has other disks than @old, whose disks they are to be. */
gboolean berth_manager_check_kept(const BerthVmConfig *old, const BerthVmConfig *new, GError **error);

/* What keeps a record found on disk from being @self's (nullable), or a VM's of its own: its name or CID is another's.
 * (nullable) (transfer full) */
char *berth_manager_find_double(BerthManager *manager, const BerthVm *self, const BerthVmRecord *record);
/* Name, CID, incarnation and definition of @record, of the same id, whose members it takes. The caller has looked for
 * doubles. */
void berth_manager_take_record(BerthManager *manager, BerthVm *vm, BerthVmRecord *record);
/* The same for a broken VM, of which nothing else is known for certain either. */
void berth_manager_mend(BerthManager *manager, BerthVm *vm, BerthVmRecord *record);
/* A VM of the store, known from now on: its CID, ports and image are taken note of. (transfer full) @vm; told to the
 * observer. */
void berth_manager_add(BerthManager *manager, BerthVm *vm);
/* The end of a removal: the observer is told, the object goes, the CID rests. */
void berth_manager_vm_gone(BerthManager *manager, BerthVm *vm);
void berth_manager_vm_changed(BerthManager *manager, BerthVm *vm, guint aspects);
/* @config takes the place of the VM's definition in memory; (transfer full). */
void berth_manager_set_config(BerthManager *manager, BerthVm *vm, BerthVmConfig *config);
/* Ports beside those of the VM's definition, while a new one is written. */
void berth_manager_claim_ports(BerthManager *manager, BerthVm *vm, const BerthVmConfig *config);
void berth_manager_release_ports(BerthManager *manager, BerthVm *vm, const BerthVmConfig *config);
/* Why no VM may have this definition beside the others: a host port that is taken, an image that is not there. */
gboolean berth_manager_check_config(BerthManager *manager, const BerthVm *self, const BerthVmConfig *config,
                                    GError **error);
/* The VM does not use its image any more. */
void berth_manager_release_image(BerthManager *manager, BerthVm *vm);

/* A name and a CID for a creation in flight, of the VM that is to have @id. */
gboolean berth_manager_reserve(BerthManager *manager, const char *id, const char *name, const BerthVmConfig *config,
                               guint32 *cid, GError **error);
void berth_manager_unreserve(BerthManager *manager, const char *id, const char *name, const BerthVmConfig *config,
                             guint32 cid);

gboolean berth_manager_reserve_image(BerthManager *manager, const char *name, GError **error);
void berth_manager_unreserve_image(BerthManager *manager, const char *name);
void berth_manager_add_image(BerthManager *manager, BerthImageMeta *meta);
void berth_manager_drop_image(BerthManager *manager, BerthImage *image);
/* What was told of it as constant has changed: to clients it is another of the same name. @meta: (transfer full). */
void berth_manager_replace_image(BerthManager *manager, BerthImage *image, BerthImageMeta *meta);
/* Another number whenever the library on disk has changed, or may have. */
guint64 berth_manager_library_serial(const BerthManager *manager);
void berth_manager_library_touched(BerthManager *manager);

/* Of the starts that nobody calls for; borrowed. */
BerthStartQueue *berth_manager_start_queue(const BerthManager *manager);

/* (element-type BerthReload): borrowed: the one under way, and those that wait for its end. */
GQueue *berth_manager_reloads(BerthManager *manager);
/* (element-type Audit): borrowed: those under way. */
GQueue *berth_manager_audits(BerthManager *manager);

/* Who has subscribed to what VMs use. (transfer none) */
BerthUsageSubscriptions *berth_manager_usage_subscriptions(BerthManager *manager);
void berth_manager_tell_usage(BerthManager *manager, BerthVm *vm, const char *subscriber, const BerthUsage *usage);

/* Says in the journal where there are more VMs than MaxVMs= allows. */
void berth_manager_check_limits(const BerthManager *manager);

BerthJob *berth_manager_add_job(BerthManager *manager, const char *operation);
void berth_manager_job_changed(BerthManager *manager, BerthJob *job);
void berth_manager_job_ended(BerthManager *manager, BerthJob *job);
/* For the end of the daemon: every job under way, or begun from now on, ends soon, with Cancelled. */
void berth_manager_cancel_jobs(BerthManager *manager);
