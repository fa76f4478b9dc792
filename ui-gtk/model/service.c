/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "service-private.h"

#include "src/core/names.h"

G_DEFINE_FINAL_TYPE(BerthUiService, berth_ui_service, G_TYPE_OBJECT)

enum { PROPERTY_STATUS = 1, N_PROPERTIES };
static GParamSpec *specs[N_PROPERTIES];

static void set_status(BerthUiService *self, BerthUiServiceStatus status)
{
    if (self->status == status)
        return;
    self->status = status;
    g_object_notify_by_pspec(G_OBJECT(self), specs[PROPERTY_STATUS]);
}

/* The daemon comes and goes. */

static void leave_daemon(BerthUiService *self)
{
    berth_ui_service_stop_listening(self);
    if (self->reading)
        g_cancellable_cancel(self->reading);
    g_clear_object(&self->reading);
    berth_ui_usage_watches_follow(self->usage_watches, NULL, NULL);
    g_clear_pointer(&self->owner, g_free);
    berth_ui_service_forget_jobs(self);
}

static void fail(BerthUiService *self, const char *problem)
{
    g_free(self->problem);
    self->problem = g_strdup(problem);
    set_status(self, BERTH_UI_SERVICE_UNREACHABLE);
}

static void on_read(GObject *source, GAsyncResult *result, gpointer data)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(GVariant) answer = g_dbus_connection_call_finish(G_DBUS_CONNECTION(source), result, &error);
    if (g_error_matches(error, G_IO_ERROR, G_IO_ERROR_CANCELLED))
        return; /* of a daemon that is gone, or a service that is */
    BerthUiService *self = data;
    g_clear_object(&self->reading);
    if (!answer) {
        fail(self, error->message);
        return;
    }
    g_autoptr(GVariant) objects = g_variant_get_child_value(answer, 0);
    berth_ui_service_take_all(self, objects);
    set_status(self, BERTH_UI_SERVICE_READY);
}

static void on_name_appeared(GDBusConnection *connection, const char *name, const char *owner, gpointer data)
{
    BerthUiService *self = data;
    leave_daemon(self);
    self->owner = g_strdup(owner);
    self->reading = g_cancellable_new();
    berth_ui_service_listen(self);
    berth_ui_usage_watches_follow(self->usage_watches, connection, owner);
    g_dbus_connection_call(connection, owner, BERTH_PATH_ROOT, "org.freedesktop.DBus.ObjectManager",
                           "GetManagedObjects", NULL, G_VARIANT_TYPE("(a{oa{sa{sv}}})"),
                           G_DBUS_CALL_FLAGS_NO_AUTO_START, G_MAXINT, self->reading, on_read, self);
}

static void on_name_vanished(GDBusConnection *connection, const char *name, gpointer data)
{
    BerthUiService *self = data;
    leave_daemon(self);
    if (connection)
        set_status(self, BERTH_UI_SERVICE_ABSENT);
}

/* The bus. */

static void leave_bus(BerthUiService *self)
{
    g_clear_handle_id(&self->watch, g_bus_unwatch_name);
    if (!self->connection)
        return;
    leave_daemon(self);
    g_clear_signal_handler(&self->closed, self->connection);
    g_clear_object(&self->connection);
}

static void on_closed(GDBusConnection *connection, gboolean vanished, const GError *error, gpointer data)
{
    leave_bus(data);
    fail(data, error ? error->message : "");
}

static void on_connected(GObject *source, GAsyncResult *result, gpointer data)
{
    g_autoptr(GError) error = NULL;
    GDBusConnection *connection = g_dbus_connection_new_for_address_finish(result, &error);
    if (g_error_matches(error, G_IO_ERROR, G_IO_ERROR_CANCELLED))
        return;
    BerthUiService *self = data;
    if (!connection) {
        fail(self, error->message);
        return;
    }
    self->connection = connection;
    self->closed = g_signal_connect(connection, "closed", G_CALLBACK(on_closed), self);
    self->watch = g_bus_watch_name_on_connection(connection, BERTH_BUS_NAME, G_BUS_NAME_WATCHER_FLAGS_AUTO_START,
                                                 on_name_appeared, on_name_vanished, self, NULL);
}

void berth_ui_service_reconnect(BerthUiService *self)
{
    g_autoptr(GError) error = NULL;
    g_autofree char *address =
        self->address ? g_strdup(self->address) : g_dbus_address_get_for_bus_sync(self->bus, NULL, &error);
    leave_bus(self);
    if (!address) {
        fail(self, error->message);
        return;
    }
    set_status(self, BERTH_UI_SERVICE_CONNECTING);
    g_dbus_connection_new_for_address(
        address, G_DBUS_CONNECTION_FLAGS_AUTHENTICATION_CLIENT | G_DBUS_CONNECTION_FLAGS_MESSAGE_BUS_CONNECTION, NULL,
        self->cancellable, on_connected, self);
}

/* The object. */

BerthUiServiceStatus berth_ui_service_get_status(BerthUiService *self)
{
    return self->status;
}

GBusType berth_ui_service_get_bus(BerthUiService *self)
{
    return self->bus;
}

const char *berth_ui_service_get_problem(BerthUiService *self)
{
    return self->status == BERTH_UI_SERVICE_UNREACHABLE ? self->problem : "";
}

BerthUiService *berth_ui_service_new(GBusType bus, const char *address)
{
    BerthUiService *self = g_object_new(BERTH_UI_TYPE_SERVICE, NULL);
    self->bus = bus;
    self->address = g_strdup(address);
    berth_ui_service_reconnect(self);
    return self;
}

static void berth_ui_service_get_property(GObject *object, guint id, GValue *value, GParamSpec *spec)
{
    g_value_set_uint(value, BERTH_UI_SERVICE(object)->status);
}

static void berth_ui_service_dispose(GObject *object)
{
    BerthUiService *self = BERTH_UI_SERVICE(object);
    g_cancellable_cancel(self->cancellable);
    leave_bus(self);
    G_OBJECT_CLASS(berth_ui_service_parent_class)->dispose(object);
}

static void berth_ui_service_finalize(GObject *object)
{
    BerthUiService *self = BERTH_UI_SERVICE(object);
    berth_ui_usage_watches_free(self->usage_watches);
    berth_ui_service_free_objects(self);
    g_object_unref(self->cancellable);
    g_free(self->problem);
    g_free(self->address);
    G_OBJECT_CLASS(berth_ui_service_parent_class)->finalize(object);
}

static void berth_ui_service_class_init(BerthUiServiceClass *klass)
{
    GObjectClass *object_class = G_OBJECT_CLASS(klass);
    object_class->get_property = berth_ui_service_get_property;
    object_class->dispose = berth_ui_service_dispose;
    object_class->finalize = berth_ui_service_finalize;
    specs[PROPERTY_STATUS] = g_param_spec_uint("status", NULL, NULL, 0, BERTH_UI_SERVICE_READY, 0,
                                               G_PARAM_READABLE | G_PARAM_STATIC_STRINGS | G_PARAM_EXPLICIT_NOTIFY);
    g_object_class_install_properties(object_class, N_PROPERTIES, specs);
}

static void berth_ui_service_init(BerthUiService *self)
{
    self->cancellable = g_cancellable_new();
    self->usage_watches = berth_ui_usage_watches_new();
    berth_ui_service_set_up_objects(self);
}
