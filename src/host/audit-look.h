/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "image-store.h"
#include "vm-store.h"

/* What the host holds that bears a mark of Berth's, whether a VM owns it or not. A look only: nothing is judged, locked
 * or changed here. */

typedef enum {
    BERTH_AUDIT_SCOPE,
    BERTH_AUDIT_PROCESS,
    BERTH_AUDIT_DIRECTORY,
    BERTH_AUDIT_TEMPORARY, /* what an unfinished write, creation or import leaves */
    BERTH_AUDIT_CID,
    BERTH_AUDIT_IMAGE,
    BERTH_AUDIT_DISK,
    BERTH_AUDIT_SOCKET,
    BERTH_AUDIT_TAP,
    BERTH_AUDIT_MACHINE, /* what systemd-machined knows of a VM */
    BERTH_AUDIT_PORT,    /* a port of the host that a VM's process listens on */
} BerthAuditKind;

const char *berth_audit_kind_to_string(BerthAuditKind kind);

/* What a thing lasts as long as. */
typedef enum {
    BERTH_HELD_FOR_GOOD, /* its owner */
    BERTH_HELD_BY_RUN,   /* the processes of its owner */
    BERTH_HELD_BY_WORK,  /* an operation under way on its owner: a creation, a write, a removal */
} BerthAuditTenure;

typedef struct {
    BerthAuditKind kind;
    BerthAuditTenure tenure;
    char *object; /* what people call it: a unit, "vms/…", "removing/…", "images/…", "runtime/…", a PID, a CID … */
    char *vm;    /* (nullable): id of the VM that it says it belongs to */
    char *image; /* (nullable): name of the image that it says it belongs to */
    guint32 cid; /* of a CID; of a process that only its user tells of; else 0 */
} BerthAuditThing;

void berth_audit_thing_free(BerthAuditThing *thing);
/* Adds one to @things. @object: (transfer full); @vm: (nullable), copied. (transfer none) */
BerthAuditThing *berth_audit_found(GPtrArray *things, BerthAuditKind kind, BerthAuditTenure tenure, char *object,
                                   const char *vm);
/* (transfer full) (element-type BerthAuditThing) */
GPtrArray *berth_audit_things_new(void);

/* What stands for the runtime directory in an object's name. */
#define BERTH_AUDIT_RUNTIME "runtime"

/* Where to look. */
typedef struct {
    BerthVmStore *vms;
    BerthImageStore *images;
    const char *runtime_dir;
    gboolean by_user; /* VMs run as users of their own, from @uid_first to @uid_last: UIDBase + CID */
    guint32 uid_base, uid_first, uid_last;
} BerthAuditPlace;

/* Files, processes, taps and ports. Blocks: for a worker. FALSE where a directory that all depends on can't be
 * read: then nothing may be concluded from what was not found. */
gboolean berth_audit_look(const BerthAuditPlace *place, GPtrArray *things, GError **error);

/* Its parts. */
gboolean berth_audit_look_at_vms(BerthVmStore *store, GPtrArray *things, GError **error);
gboolean berth_audit_look_at_images(BerthImageStore *store, GPtrArray *things, GError **error);
gboolean berth_audit_look_at_runtime(const char *runtime_dir, GPtrArray *things, GError **error);
gboolean berth_audit_look_at_processes(const BerthAuditPlace *place, GPtrArray *things, GError **error);
