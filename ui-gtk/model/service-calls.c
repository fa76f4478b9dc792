/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "service-private.h"

#include <errno.h>
#include <gio/gunixfdlist.h>
#include <sys/mman.h>
#include <unistd.h>

#include "src/core/names.h"

#define DBUS_NAME "org.freedesktop.DBus"
#define DBUS_PATH "/org/freedesktop/DBus"

/* Whatever came, the call is over. */
static void end_call(GTask *task)
{
    BerthUiObject *object = g_task_get_task_data(task);
    if (object)
        berth_ui_object_end_call(object);
}

static void on_answer(GObject *source, GAsyncResult *result, gpointer data)
{
    g_autoptr(GTask) task = data;
    g_autoptr(GError) error = NULL;
    g_autoptr(GVariant) answer = g_dbus_connection_call_finish(G_DBUS_CONNECTION(source), result, &error);
    end_call(task);
    if (answer)
        g_task_return_boolean(task, TRUE);
    else
        g_task_return_error(task, berth_ui_service_translated(error));
}

/* FALSE, and the task has failed, where there is no bus. */
static gboolean begin_call(BerthUiService *self, GTask *task)
{
    BerthUiObject *object = g_task_get_task_data(task);
    if (!self->connection) {
        g_task_return_new_error(task, G_IO_ERROR, G_IO_ERROR_NOT_CONNECTED, "%s", self->problem);
        g_object_unref(task);
        return FALSE;
    }
    if (object)
        berth_ui_object_begin_call(object);
    return TRUE;
}

/* @parameters: floating; @task: its data is the object, where it is one of ours */
static void call(BerthUiService *self, const char *name, const char *path, const char *interface, const char *method,
                 GVariant *parameters, GTask *task)
{
    g_autoptr(GVariant) sunk = g_variant_ref_sink(parameters);
    if (begin_call(self, task))
        g_dbus_connection_call(self->connection, name, path, interface, method, sunk, NULL,
                               G_DBUS_CALL_FLAGS_ALLOW_INTERACTIVE_AUTHORIZATION, G_MAXINT,
                               g_task_get_cancellable(task), on_answer, task);
}

void berth_ui_service_wake_async(BerthUiService *self, GCancellable *cancellable, GAsyncReadyCallback callback,
                                 gpointer data)
{
    GTask *task = g_task_new(self, cancellable, callback, data);
    g_task_set_source_tag(task, berth_ui_service_wake_async);
    call(self, DBUS_NAME, DBUS_PATH, DBUS_NAME, "StartServiceByName", g_variant_new("(su)", BERTH_BUS_NAME, 0), task);
}

gboolean berth_ui_service_wake_finish(BerthUiService *self, GAsyncResult *result, GError **error)
{
    return g_task_propagate_boolean(G_TASK(result), error);
}

void berth_ui_service_call_async(BerthUiService *self, BerthUiVm *vm, BerthVmMethod method, GVariant *options,
                                 GCancellable *cancellable, GAsyncReadyCallback callback, gpointer data)
{
    berth_ui_service_call_object_async(self, BERTH_UI_OBJECT(vm), berth_vm_method_to_string(method), options,
                                       cancellable, callback, data);
}

void berth_ui_service_call_object_async(BerthUiService *self, BerthUiObject *object, const char *method,
                                        GVariant *options, GCancellable *cancellable, GAsyncReadyCallback callback,
                                        gpointer data)
{
    GTask *task = g_task_new(self, cancellable, callback, data);
    g_task_set_source_tag(task, berth_ui_service_call_async);
    g_task_set_task_data(task, g_object_ref(object), g_object_unref);
    call(self, BERTH_BUS_NAME, berth_ui_service_path_of(object), BERTH_UI_OBJECT_GET_CLASS(object)->contract->name,
         method, g_variant_new("(@a{sv})", options ? options : g_variant_new("a{sv}", NULL)), task);
}

gboolean berth_ui_service_call_finish(BerthUiService *self, GAsyncResult *result, GError **error)
{
    return g_task_propagate_boolean(G_TASK(result), error);
}

BerthUiUsage *berth_ui_service_watch_usage(BerthUiService *self, BerthUiVm *vm)
{
    return berth_ui_usage_watches_get(self->usage_watches, berth_ui_service_path_of(vm));
}

void berth_ui_service_configure_async(BerthUiService *self, BerthUiVm *vm, GVariant *changes, GCancellable *cancellable,
                                      GAsyncReadyCallback callback, gpointer data)
{
    GTask *task = g_task_new(self, cancellable, callback, data);
    g_task_set_source_tag(task, berth_ui_service_configure_async);
    g_task_set_task_data(task, g_object_ref(vm), g_object_unref);
    call(self, BERTH_BUS_NAME, berth_ui_service_path_of(vm), BERTH_IFACE_VM,
         berth_vm_method_to_string(BERTH_METHOD_CONFIGURE), g_variant_new("(@a{sv}a{sv})", changes, NULL), task);
}

gboolean berth_ui_service_configure_finish(BerthUiService *self, GAsyncResult *result, GError **error)
{
    return g_task_propagate_boolean(G_TASK(result), error);
}

/* Creation. The daemon tells of the VM before it answers. */

static void on_created(GObject *source, GAsyncResult *result, gpointer data)
{
    g_autoptr(GTask) task = data;
    BerthUiService *self = g_task_get_source_object(task);
    g_autoptr(GError) error = NULL;
    g_autoptr(GVariant) answer = g_dbus_connection_call_finish(G_DBUS_CONNECTION(source), result, &error);
    const char *path = "";
    if (!answer) {
        g_task_return_error(task, berth_ui_service_translated(error));
        return;
    }
    g_variant_get(answer, "(&o)", &path);
    BerthUiObject *vm = g_hash_table_lookup(self->objects, path);
    if (vm && BERTH_UI_IS_VM(vm))
        g_task_return_pointer(task, g_object_ref(vm), g_object_unref);
    else
        g_task_return_new_error(task, BERTH_ERROR, BERTH_ERROR_NOT_FOUND, "%s has gone already", path);
}

void berth_ui_service_create_async(BerthUiService *self, const char *name, GVariant *config, gboolean start,
                                   GCancellable *cancellable, GAsyncReadyCallback callback, gpointer data)
{
    GVariantDict options = G_VARIANT_DICT_INIT(NULL);
    g_variant_dict_insert(&options, "start", "b", start);
    g_autoptr(GVariant) parameters =
        g_variant_ref_sink(g_variant_new("(s@a{sv}@a{sv})", name, config, g_variant_dict_end(&options)));
    GTask *task = g_task_new(self, cancellable, callback, data);
    g_task_set_source_tag(task, berth_ui_service_create_async);
    if (begin_call(self, task))
        g_dbus_connection_call(self->connection, BERTH_BUS_NAME, BERTH_PATH_ROOT, BERTH_IFACE_MANAGER, "CreateVM",
                               parameters, G_VARIANT_TYPE("(o)"), G_DBUS_CALL_FLAGS_ALLOW_INTERACTIVE_AUTHORIZATION,
                               G_MAXINT, cancellable, on_created, task);
}

BerthUiVm *berth_ui_service_create_finish(BerthUiService *self, GAsyncResult *result, GError **error)
{
    return g_task_propagate_pointer(G_TASK(result), error);
}

/* Descriptors. */

static gpointer box_fd(int fd)
{
    return GINT_TO_POINTER(fd + 1); /* 0 is one, and NULL none */
}

static void close_boxed(gpointer box)
{
    close(GPOINTER_TO_INT(box) - 1);
}

/* What an answer "(h)" brings, or -1. */
static int fd_of(GVariant *answer, GUnixFDList *fds, GError **error)
{
    gint32 handle = -1;
    if (g_variant_is_of_type(answer, G_VARIANT_TYPE("(h)")))
        g_variant_get(answer, "(h)", &handle);
    if (fds && handle >= 0 && handle < g_unix_fd_list_get_length(fds))
        return g_unix_fd_list_get(fds, handle, error);
    g_set_error_literal(error, G_IO_ERROR, G_IO_ERROR_INVALID_DATA, "The answer has no descriptor");
    return -1;
}

static void on_opened(GObject *source, GAsyncResult *result, gpointer data)
{
    g_autoptr(GTask) task = data;
    g_autoptr(GError) error = NULL;
    g_autoptr(GUnixFDList) fds = NULL;
    g_autoptr(GVariant) answer =
        g_dbus_connection_call_with_unix_fd_list_finish(G_DBUS_CONNECTION(source), &fds, result, &error);
    end_call(task);
    int fd = answer ? fd_of(answer, fds, &error) : -1;
    if (fd >= 0)
        g_task_return_pointer(task, box_fd(fd), close_boxed);
    else
        g_task_return_error(task, berth_ui_service_translated(error));
}

void berth_ui_service_open_async(BerthUiService *self, BerthUiVm *vm, BerthVmMethod method, GVariant *parameters,
                                 GCancellable *cancellable, GAsyncReadyCallback callback, gpointer data)
{
    g_autoptr(GVariant) sunk = g_variant_ref_sink(parameters);
    GTask *task = g_task_new(self, cancellable, callback, data);
    g_task_set_source_tag(task, berth_ui_service_open_async);
    if (begin_call(self, task))
        g_dbus_connection_call_with_unix_fd_list(self->connection, BERTH_BUS_NAME, berth_ui_service_path_of(vm),
                                                 BERTH_IFACE_VM, berth_vm_method_to_string(method), sunk, NULL,
                                                 G_DBUS_CALL_FLAGS_ALLOW_INTERACTIVE_AUTHORIZATION, G_MAXINT, NULL,
                                                 g_task_get_cancellable(task), on_opened, task);
}

int berth_ui_service_open_finish(BerthUiService *self, GAsyncResult *result, GError **error)
{
    gpointer box = g_task_propagate_pointer(G_TASK(result), error);
    return box ? GPOINTER_TO_INT(box) - 1 : -1;
}

/* Jobs: imports, and clones. */

/* No disk is an empty file. */
static int append_disk(GUnixFDList *fds, int disk, GError **error)
{
    if (disk >= 0)
        return g_unix_fd_list_append(fds, disk, error);
    int empty = memfd_create("berth-no-disk", MFD_CLOEXEC);
    if (empty < 0) {
        g_set_error_literal(error, G_IO_ERROR, g_io_error_from_errno(errno), g_strerror(errno));
        return -1;
    }
    int handle = g_unix_fd_list_append(fds, empty, error);
    close(empty);
    return handle;
}

static gboolean add_file(GVariantDict *options, const char *key, GUnixFDList *fds, int fd, GError **error)
{
    int handle = fd >= 0 ? g_unix_fd_list_append(fds, fd, error) : -1;
    if (handle >= 0)
        g_variant_dict_insert(options, key, "h", handle);
    return fd < 0 || handle >= 0;
}

/* (transfer floating): the arguments of ImportImage; NULL with @error where there are no descriptors left */
static GVariant *import_arguments(const BerthUiImport *import, GUnixFDList *fds, GError **error)
{
    g_auto(GVariantDict) options = G_VARIANT_DICT_INIT(NULL);
    const char *texts[][2] = {{"description", import->description},
                              {"version", import->version},
                              {"cmdline", import->cmdline},
                              {"sha256", import->sha256}};
    for (guint i = 0; i < G_N_ELEMENTS(texts); i++)
        if (texts[i][1] && *texts[i][1])
            g_variant_dict_insert(&options, texts[i][0], "s", texts[i][1]);
    int disk = append_disk(fds, import->disk, error);
    if (disk < 0 || !add_file(&options, "kernel", fds, import->kernel, error) ||
        !add_file(&options, "initrd", fds, import->initrd, error))
        return NULL;
    return g_variant_new("(sh@a{sv})", import->name, disk, g_variant_dict_end(&options));
}

/* (transfer full): the job that an answer names; it may have ended, and the daemon have forgotten it */
static BerthUiJob *answered_job(BerthUiService *self, const char *path)
{
    BerthUiObject *job = g_hash_table_lookup(self->ended, path);
    if (!job)
        job = g_hash_table_lookup(self->objects, path);
    if (job)
        return BERTH_UI_JOB(g_object_ref(job));
    g_autoptr(GVariant) nothing = g_variant_ref_sink(g_variant_new("a{sv}", NULL));
    job = berth_ui_service_take_in(self, path, nothing, KIND_JOB);
    g_list_store_append(self->lists[KIND_JOB], job);
    return BERTH_UI_JOB(job);
}

static void on_job_begun(GObject *source, GAsyncResult *result, gpointer data)
{
    g_autoptr(GTask) task = data;
    g_autoptr(GError) error = NULL;
    g_autoptr(GVariant) answer =
        g_dbus_connection_call_with_unix_fd_list_finish(G_DBUS_CONNECTION(source), NULL, result, &error);
    BerthUiService *self = g_task_get_source_object(task);
    if (answer) {
        const char *path;
        g_variant_get(answer, "(&o)", &path);
        BerthUiJob *job = answered_job(self, path);
        berth_ui_job_set_name(job, g_task_get_task_data(task));
        g_task_return_pointer(task, job, g_object_unref);
    } else {
        g_task_return_error(task, berth_ui_service_translated(error));
    }
    if (--self->n_begun == 0)
        g_hash_table_remove_all(self->ended);
}

/* @arguments: not floating; @fds: (nullable); @task: (transfer full): its data is the name of what the job makes */
static void begin_job(BerthUiService *self, const char *path, const char *interface, const char *method,
                      GVariant *arguments, GUnixFDList *fds, GTask *task)
{
    if (!self->connection) {
        g_task_return_new_error(task, G_IO_ERROR, G_IO_ERROR_NOT_CONNECTED, "%s", self->problem);
        g_object_unref(task);
        return;
    }
    self->n_begun++;
    g_dbus_connection_call_with_unix_fd_list(self->connection, BERTH_BUS_NAME, path, interface, method, arguments,
                                             G_VARIANT_TYPE("(o)"), G_DBUS_CALL_FLAGS_ALLOW_INTERACTIVE_AUTHORIZATION,
                                             G_MAXINT, fds, NULL, on_job_begun, task);
}

void berth_ui_service_clone_async(BerthUiService *self, BerthUiVm *vm, const char *name, GAsyncReadyCallback callback,
                                  gpointer data)
{
    g_autoptr(GVariant) arguments = g_variant_ref_sink(g_variant_new_parsed("(%s, @a{sv} {}, @a{sv} {})", name));
    GTask *task = g_task_new(self, NULL, callback, data);
    g_task_set_source_tag(task, berth_ui_service_clone_async);
    g_task_set_task_data(task, g_strdup(name), g_free);
    begin_job(self, berth_ui_service_path_of(vm), BERTH_IFACE_VM, berth_vm_method_to_string(BERTH_METHOD_CLONE),
              arguments, NULL, task);
}

void berth_ui_service_import_async(BerthUiService *self, const BerthUiImport *import, GAsyncReadyCallback callback,
                                   gpointer data)
{
    g_autoptr(GTask) task = g_task_new(self, NULL, callback, data);
    g_autoptr(GUnixFDList) fds = g_unix_fd_list_new();
    GError *error = NULL;
    g_task_set_source_tag(task, berth_ui_service_import_async);
    g_task_set_task_data(task, g_strdup(import->name), g_free);
    g_autoptr(GVariant) arguments = import_arguments(import, fds, &error);
    if (!arguments) {
        g_task_return_error(task, error);
        return;
    }
    g_variant_ref_sink(arguments);
    begin_job(self, BERTH_PATH_ROOT, BERTH_IFACE_MANAGER, "ImportImage", arguments, fds, g_steal_pointer(&task));
}

BerthUiJob *berth_ui_service_job_finish(BerthUiService *self, GAsyncResult *result, GError **error)
{
    return g_task_propagate_pointer(G_TASK(result), error);
}
