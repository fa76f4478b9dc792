/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <gio/gio.h>

#include "image.h"
#include "job.h"
#include "usage.h"
#include "vm.h"

/* The daemon, for the rest of the program: the only file that knows D-Bus. It shows the daemon's objects as lists of
 * GObjects that follow the daemon's signals; nothing is asked for twice. Objects survive a restart of the daemon: what
 * is still there when it is back is the same GObject as before. */

typedef enum {
    BERTH_UI_SERVICE_CONNECTING,  /* to the bus, or to the daemon */
    BERTH_UI_SERVICE_UNREACHABLE, /* no bus, or no answer: berth_ui_service_get_problem() says why */
    BERTH_UI_SERVICE_ABSENT,      /* the daemon does not run; as soon as it does, this changes by itself */
    BERTH_UI_SERVICE_READY,       /* the lists are the daemon's; in any other status they are as they were last */
} BerthUiServiceStatus;

#define BERTH_UI_TYPE_SERVICE (berth_ui_service_get_type())
G_DECLARE_FINAL_TYPE(BerthUiService, berth_ui_service, BERTH_UI, SERVICE, GObject)

/**
 * berth_ui_service_new:
 * @bus: the system's daemon, or the user's own on the session bus
 * @address: (nullable): of a bus, instead of that one's own
 *
 * Begins to connect. Properties: "status" (a BerthUiServiceStatus) notifies.
 */
BerthUiService *berth_ui_service_new(GBusType bus, const char *address);

BerthUiServiceStatus berth_ui_service_get_status(BerthUiService *service);
/* Which daemon this is. */
GBusType berth_ui_service_get_bus(BerthUiService *service);
/* (transfer none): why it is unreachable, in technical words; "" where it is not */
const char *berth_ui_service_get_problem(BerthUiService *service);
/* (transfer none): of BerthUiVm, in no order */
GListModel *berth_ui_service_get_vms(BerthUiService *service);
/* (transfer none): of BerthUiImage, in no order */
GListModel *berth_ui_service_get_images(BerthUiService *service);
/* (transfer none): of BerthUiJob: what is under way, whoever began it */
GListModel *berth_ui_service_get_jobs(BerthUiService *service);

/* Connects to the bus anew, where it is unreachable. */
void berth_ui_service_reconnect(BerthUiService *service);

/* Asks the bus to start the daemon. Errors are in BERTH_ERROR where the daemon sent them, in its own words. */
void berth_ui_service_wake_async(BerthUiService *service, GCancellable *cancellable, GAsyncReadyCallback callback,
                                 gpointer data);
gboolean berth_ui_service_wake_finish(BerthUiService *service, GAsyncResult *result, GError **error);

/**
 * berth_ui_service_call_async:
 * @method: one that takes nothing but options, and answers with nothing
 * @options: (nullable): a{sv}, floating
 *
 * What it brings about is told by the VM's properties, and is there before the answer. Takes as long as it takes:
 * polkit may ask the user first.
 */
void berth_ui_service_call_async(BerthUiService *service, BerthUiVm *vm, BerthVmMethod method, GVariant *options,
                                 GCancellable *cancellable, GAsyncReadyCallback callback, gpointer data);
gboolean berth_ui_service_call_finish(BerthUiService *service, GAsyncResult *result, GError **error);

/* The same of any object that the service shows: an image's "Remove", a job's "Cancel". The same finish function. */
void berth_ui_service_call_object_async(BerthUiService *service, BerthUiObject *object, const char *method,
                                        GVariant *options, GCancellable *cancellable, GAsyncReadyCallback callback,
                                        gpointer data);

/**
 * berth_ui_service_watch_usage:
 *
 * The daemon is asked to tell what the VM uses as long as this is held, and not a moment longer; also a daemon that
 * comes later. It begins empty, and grows while the VM runs.
 *
 * Returns: (transfer full)
 */
BerthUiUsage *berth_ui_service_watch_usage(BerthUiService *service, BerthUiVm *vm);

/**
 * berth_ui_service_create_async:
 * @config: a{sv}, keys of the VM definition, floating
 * @start: it is to run at once; whether it does, its properties tell
 *
 * A call that is cancelled is one whose answer nobody waits for: polkit may still be answered, and the VM come.
 */
void berth_ui_service_create_async(BerthUiService *service, const char *name, GVariant *config, gboolean start,
                                   GCancellable *cancellable, GAsyncReadyCallback callback, gpointer data);
/* Returns: (transfer full): it is in the list of VMs */
BerthUiVm *berth_ui_service_create_finish(BerthUiService *service, GAsyncResult *result, GError **error);

/* @changes: a{sv}, keys of the VM definition, floating. All or nothing. */
void berth_ui_service_configure_async(BerthUiService *service, BerthUiVm *vm, GVariant *changes,
                                      GCancellable *cancellable, GAsyncReadyCallback callback, gpointer data);
gboolean berth_ui_service_configure_finish(BerthUiService *service, GAsyncResult *result, GError **error);

/**
 * berth_ui_service_open_async:
 * @method: one that answers with a descriptor
 * @parameters: its arguments, a tuple, floating
 */
void berth_ui_service_open_async(BerthUiService *service, BerthUiVm *vm, BerthVmMethod method, GVariant *parameters,
                                 GCancellable *cancellable, GAsyncReadyCallback callback, gpointer data);
/* Returns: the descriptor, which is the caller's to close, or -1 */
int berth_ui_service_open_finish(BerthUiService *service, GAsyncResult *result, GError **error);

/* What an image is made of. Files are descriptors, -1 for none: a disk or a kernel there has to be. */
typedef struct {
    const char *name;
    const char *description, *version, *cmdline; /* (nullable) */
    const char *sha256; /* (nullable): in hex, of the disk or, without one, of the kernel: another is refused */
    int disk, kernel, initrd;
} BerthUiImport;

/**
 * berth_ui_service_import_async:
 * @import: the descriptors stay the caller's
 *
 * Begins an import. The daemon carries it on whatever becomes of its caller: it ends by itself, or by "Cancel" of its
 * job.
 */
void berth_ui_service_import_async(BerthUiService *service, const BerthUiImport *import, GAsyncReadyCallback callback,
                                   gpointer data);
/* Begins to make a VM called @name with a copy of the disks of @vm: the same holds for it. It is in the list of VMs
 * before its job has ended. */
void berth_ui_service_clone_async(BerthUiService *service, BerthUiVm *vm, const char *name,
                                  GAsyncReadyCallback callback, gpointer data);
/* Of both. Returns: (transfer full): the job, which may have ended already; NULL where nothing was begun */
BerthUiJob *berth_ui_service_job_finish(BerthUiService *service, GAsyncResult *result, GError **error);
