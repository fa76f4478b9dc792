/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "../host/audit-look.h"

/* What the host holds × what the daemon knows, both as they were at one moment. Pure. */

/* A VM, as it was. */
typedef struct {
    char *id; /* one of the model's texts, as its name is */
    char *name;
    gboolean in_flux; /* somebody works on it: nothing is concluded of it */
    gint64 since;     /* when its state changed last */
    guint32 cid;
    gboolean owns_cid;
    gboolean runs;
    gboolean knows_run;         /* all that a run has must be there */
    gboolean has_scope;         /* the scope of its run was seen to stand */
    pid_t keeper_pid, qemu_pid; /* 0 where unknown */
    char *image;                /* (nullable) */
    GStrv disks;                /* (nullable): files in disks/ */
    GStrv taps;                 /* (nullable): interfaces that its run has */
} BerthAuditVm;

/* What the daemon knows, as it was. Sets of strings but for the first. */
typedef struct {
    GHashTable *vms;     /* id → BerthAuditVm, owned */
    GStringChunk *texts; /* their ids and names: a picture of 10,000 VMs is made and freed in one turn of the loop */
    GHashTable *in_the_making; /* ids of VMs that creations make, or that an orphan's end is under way of */
    GHashTable *images;        /* names in the library */
    GHashTable *busy_images;   /* names of images that come or go */
    GHashTable *cids;          /* (element-type guint32): all that are taken */
    GHashTable *reserved;      /* (element-type guint32): those of what is in the making */
} BerthAuditModel;

BerthAuditModel *berth_audit_model_new(void);
void berth_audit_model_free(BerthAuditModel *model);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(BerthAuditModel, berth_audit_model_free)
/* (transfer none): to be filled in. */
BerthAuditVm *berth_audit_model_add(BerthAuditModel *model, const char *id, const char *name);

typedef struct {
    BerthAuditKind kind;
    gboolean missing; /* a VM claims it and the host lacks it; else the host holds it and nobody owns it */
    char *object;
    char *vm;   /* id, "" where unknown */
    char *name; /* the VM's, "" where unknown */
    const char *advice;
} BerthAuditFinding;

void berth_audit_finding_free(BerthAuditFinding *finding);

/**
 * berth_audit_compare:
 * @before: what the daemon knew when the look at the host began
 * @things: (element-type BerthAuditThing): what was seen
 * @after: what it knew when the look had ended
 *
 * Only what both know alike is judged: what came, went or was worked on meanwhile is no finding.
 *
 * Returns: (transfer full) (element-type BerthAuditFinding)
 */
GPtrArray *berth_audit_compare(const BerthAuditModel *before, GPtrArray *things, const BerthAuditModel *after);

/* (transfer full): those of @second (transfer full) that are in @first too. */
GPtrArray *berth_audit_confirm(GPtrArray *first, GPtrArray *second);
