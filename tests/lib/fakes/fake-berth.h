/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <gio/gio.h>

/* A Berth service that does what the test says, for its clients: the contract's interfaces (from the XML) with VMs
 * that are nothing but properties. On the test's own main context. */

typedef struct {
    char *id, *name, *path;
    char *state, *phase, *blocker;
    char *exit_reason;
    guint64 next_start, next_attempt; /* µs since the epoch, 0 */
    gboolean hangs;                   /* its QEMU does not answer */
    GVariant *config;                 /* a{sv}, what CreateVM or Configure brought last */
    guint registration;
    guint grace;                        /* of the last Remove, G_MAXUINT where it did not say */
    guint n_removes;                    /* calls of Remove */
    guint n_subscribed, n_unsubscribed; /* calls of SubscribeUsage and UnsubscribeUsage */
    char *subscriber;                   /* (nullable): unique name of who called the first of them last */
} FakeVm;

typedef enum {
    FAKE_IMPORT_WAITS,      /* the test emits what becomes of the job */
    FAKE_IMPORT_IS_AT_ONCE, /* Completed is sent before the answer to ImportImage */
} FakeImport;

typedef struct {
    GDBusConnection *connection;
    GDBusNodeInfo *contract, *standard;
    GPtrArray *vms;
    guint owner;
    guint root, root_manager, job, image;
    gboolean is_owned;
    gboolean
        says_stale; /* tells that all VMs are paused, right before it answers GetManagedObjects with what is true */
    char *reader;   /* unique name of who called GetManagedObjects last */
    guint n_reads;  /* calls of GetManagedObjects: who has read listens already */
    char *
        called; /* the last method of a VM or another object, and what it was called on: "Start web", by path for others
                     */
    GVariant *findings; /* aa{sv}, what Audit answers */
    char *refuse; /* (nullable): D-Bus error that methods of VMs, images and jobs, and ImportImage, are answered with */
    const char *ends_as; /* (nullable): the state that a VM turns to right before its method is answered */
    int console;         /* the other end of the last OpenConsole, -1 */
    int display;         /* of the last OpenDisplay, until the test takes it: then -1 */
    char *log;           /* path of the file that OpenLog opens */
    FakeImport import;
    const char *operation;         /* of the job */
    gint64 disk_size, kernel_size; /* of what ImportImage was handed; -1 for none */
    gboolean job_exists, job_cancelled;
} FakeBerth;

FakeBerth *fake_berth_new(GDBusConnection *connection);
void fake_berth_free(FakeBerth *fake);

/* Gives the bus name up, and takes it again: the daemon stops and starts. Waits until that is so. */
void fake_berth_stop(FakeBerth *fake);
void fake_berth_start(FakeBerth *fake);

/* With InterfacesAdded. */
FakeVm *fake_berth_add(FakeBerth *fake, const char *name, const char *state);
/* With PropertiesChanged, where the name is owned. */
void fake_berth_change(FakeBerth *fake, FakeVm *vm, const char *state, const char *phase, const char *blocker);
/* Likewise. @config: a{sv}, floating: the whole definition */
void fake_berth_configure(FakeBerth *fake, FakeVm *vm, GVariant *config);
/* It is exited for this reason: with PropertiesChanged. */
void fake_berth_exit(FakeBerth *fake, FakeVm *vm, const char *reason);
/* With InterfacesRemoved, where the name is owned. */
void fake_berth_vanish(FakeBerth *fake, FakeVm *vm);

/* Usage, to the subscriber: CPU time and resident memory at a time. */
void fake_berth_tell_usage(FakeBerth *fake, FakeVm *vm, guint64 time, guint64 cpu, guint64 resident);

/* The job of ImportImage, which goes with its end. @error: "" for success. */
void fake_berth_progress(FakeBerth *fake, double fraction);
void fake_berth_complete(FakeBerth *fake, const char *error, const char *text);
