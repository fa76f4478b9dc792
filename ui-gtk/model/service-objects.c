/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <string.h>

#include "service-private.h"
#include "src/core/names.h"

#define IFACE_OBJECT_MANAGER "org.freedesktop.DBus.ObjectManager"
#define IFACE_PROPERTIES "org.freedesktop.DBus.Properties"

static const struct {
    const char *interface;
    GType (*get_type)(void);
} kinds[] = {
    [KIND_VM] = {BERTH_IFACE_VM, berth_ui_vm_get_type},
    [KIND_IMAGE] = {BERTH_IFACE_IMAGE, berth_ui_image_get_type},
    [KIND_JOB] = {BERTH_IFACE_JOB, berth_ui_job_get_type},
};
G_STATIC_ASSERT(G_N_ELEMENTS(kinds) == N_KINDS);

/* Their paths are nobody else's business. */

static GQuark path_quark(void)
{
    return g_quark_from_static_string("berth-ui-service-path");
}

const char *berth_ui_service_path_of(gpointer object)
{
    return g_object_get_qdata(object, path_quark());
}

/* @interfaces: a{sa{sv}}. (transfer full) (nullable): the properties that it has as the kind that it is */
static GVariant *properties_of(GVariant *interfaces, Kind *kind)
{
    for (guint i = 0; i < N_KINDS; i++) {
        GVariant *properties = g_variant_lookup_value(interfaces, kinds[i].interface, G_VARIANT_TYPE_VARDICT);
        *kind = i;
        if (properties)
            return properties;
    }
    return NULL;
}

BerthUiObject *berth_ui_service_take_in(BerthUiService *self, const char *path, GVariant *properties, Kind kind)
{
    BerthUiObject *known = g_hash_table_lookup(self->objects, path);
    if (known) {
        berth_ui_object_update(known, properties);
        return NULL;
    }
    BerthUiObject *object = g_object_new(kinds[kind].get_type(), NULL);
    berth_ui_object_update(object, properties);
    g_object_set_qdata_full(G_OBJECT(object), path_quark(), g_strdup(path), g_free);
    g_hash_table_insert(self->objects, g_strdup(path), object);
    return object;
}

/* A job that has not said how it ended has not ended well. */
static void forget(BerthUiService *self, Kind kind, guint position)
{
    g_autoptr(GObject) object = g_list_model_get_item(G_LIST_MODEL(self->lists[kind]), position);
    g_hash_table_remove(self->objects, berth_ui_service_path_of(object));
    g_list_store_remove(self->lists[kind], position);
    if (kind == KIND_JOB) {
        g_autoptr(GError) error =
            g_error_new_literal(G_IO_ERROR, G_IO_ERROR_CLOSED, "The service went away before this was done");
        berth_ui_job_end(BERTH_UI_JOB(object), error);
    }
}

/* @paths: (nullable): a set; none is no exception */
static void forget_all_but(BerthUiService *self, GHashTable *paths, Kind kind)
{
    GListModel *list = G_LIST_MODEL(self->lists[kind]);
    for (guint i = g_list_model_get_n_items(list); i-- > 0;) {
        g_autoptr(GObject) object = g_list_model_get_item(list, i);
        if (!paths || !g_hash_table_contains(paths, berth_ui_service_path_of(object)))
            forget(self, kind, i);
    }
}

/* Many come at once: one change of the list. */
static void append_all(BerthUiService *self, GPtrArray *objects, Kind kind)
{
    GListStore *list = self->lists[kind];
    if (objects->len > 0)
        g_list_store_splice(list, g_list_model_get_n_items(G_LIST_MODEL(list)), 0, objects->pdata, objects->len);
    g_ptr_array_unref(objects);
}

void berth_ui_service_take_all(BerthUiService *self, GVariant *objects)
{
    g_autoptr(GHashTable) paths = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
    GPtrArray *added[N_KINDS];
    for (guint i = 0; i < N_KINDS; i++)
        added[i] = g_ptr_array_new_with_free_func(g_object_unref);
    GVariantIter iter;
    const char *path;
    GVariant *interfaces;
    g_variant_iter_init(&iter, objects);
    while (g_variant_iter_loop(&iter, "{&o@a{sa{sv}}}", &path, &interfaces)) {
        Kind kind;
        g_autoptr(GVariant) properties = properties_of(interfaces, &kind);
        BerthUiObject *object = properties ? berth_ui_service_take_in(self, path, properties, kind) : NULL;
        if (object)
            g_ptr_array_add(added[kind], object);
        g_hash_table_add(paths, g_strdup(path));
    }
    for (guint i = 0; i < N_KINDS; i++) {
        forget_all_but(self, paths, i);
        append_all(self, added[i], i);
    }
}

void berth_ui_service_forget_jobs(BerthUiService *self)
{
    forget_all_but(self, NULL, KIND_JOB);
    g_hash_table_remove_all(self->ended);
}

/* The daemon's signals. What comes before the answer to the first look is older than it. */

static gboolean is_current(const BerthUiService *self)
{
    return self->owner && !self->reading;
}

static void on_added(GDBusConnection *connection, const char *sender, const char *path, const char *interface,
                     const char *signal, GVariant *parameters, gpointer data)
{
    BerthUiService *self = data;
    if (!is_current(self) || !g_variant_is_of_type(parameters, G_VARIANT_TYPE("(oa{sa{sv}})")))
        return;
    Kind kind;
    const char *object_path;
    g_autoptr(GVariant) interfaces = NULL;
    g_variant_get(parameters, "(&o@a{sa{sv}})", &object_path, &interfaces);
    g_autoptr(GVariant) properties = properties_of(interfaces, &kind);
    g_autoptr(BerthUiObject) object = properties ? berth_ui_service_take_in(self, object_path, properties, kind) : NULL;
    if (object)
        g_list_store_append(self->lists[kind], object);
}

static void on_removed(GDBusConnection *connection, const char *sender, const char *path, const char *interface,
                       const char *signal, GVariant *parameters, gpointer data)
{
    BerthUiService *self = data;
    if (!is_current(self) || !g_variant_is_of_type(parameters, G_VARIANT_TYPE("(oas)")))
        return;
    const char *object_path;
    g_autofree const char **interfaces = NULL;
    g_variant_get(parameters, "(&o^a&s)", &object_path, &interfaces);
    BerthUiObject *object = g_hash_table_lookup(self->objects, object_path);
    for (guint i = 0; object && i < N_KINDS; i++) {
        guint position;
        if (!g_strv_contains(interfaces, kinds[i].interface) || !g_list_store_find(self->lists[i], object, &position))
            continue;
        forget(self, i, position);
        return;
    }
}

static void on_changed(GDBusConnection *connection, const char *sender, const char *path, const char *interface,
                       const char *signal, GVariant *parameters, gpointer data)
{
    BerthUiService *self = data;
    if (!is_current(self) || !g_variant_is_of_type(parameters, G_VARIANT_TYPE("(sa{sv}as)")))
        return;
    BerthUiObject *object = g_hash_table_lookup(self->objects, path);
    g_autoptr(GVariant) values = g_variant_get_child_value(parameters, 1);
    if (object)
        berth_ui_object_update(object, values);
}

GError *berth_ui_service_translated(const GError *error)
{
    g_autofree char *name = g_dbus_error_get_remote_error(error);
    BerthError code = name ? berth_error_from_dbus_name(name) : BERTH_ERROR_LAST;
    GError *copy = g_error_copy(error);
    g_dbus_error_strip_remote_error(copy);
    if (code == BERTH_ERROR_LAST)
        return copy;
    GError *ours = g_error_new_literal(BERTH_ERROR, code, copy->message);
    g_error_free(copy);
    return ours;
}

/* (transfer full) (nullable): a job that we know, or may be told of by an answer that is to come */
static BerthUiJob *job_at(BerthUiService *self, const char *path)
{
    BerthUiObject *object = g_hash_table_lookup(self->objects, path);
    if (!object)
        return self->n_begun > 0 ? g_object_new(BERTH_UI_TYPE_JOB, NULL) : NULL;
    return BERTH_UI_IS_JOB(object) ? BERTH_UI_JOB(g_object_ref(object)) : NULL;
}

static void on_completed(GDBusConnection *connection, const char *sender, const char *path, const char *interface,
                         const char *signal, GVariant *parameters, gpointer data)
{
    BerthUiService *self = data;
    if (!is_current(self) || !g_variant_is_of_type(parameters, G_VARIANT_TYPE("(o(ss))")))
        return;
    g_autoptr(BerthUiJob) job = job_at(self, path);
    if (!job)
        return;
    const char *name, *text;
    g_variant_get(parameters, "(&o(&s&s))", NULL, &name, &text);
    g_autoptr(GError) remote = *name ? g_dbus_error_new_for_dbus_error(name, text) : NULL;
    g_autoptr(GError) error = remote ? berth_ui_service_translated(remote) : NULL;
    berth_ui_job_end(job, error);
    if (self->n_begun > 0)
        g_hash_table_insert(self->ended, g_strdup(path), g_steal_pointer(&job));
}

/* To a unique name: what another process says in the daemon's words never comes in. */
static guint subscribe(BerthUiService *self, const char *interface, const char *signal, const char *path,
                       const char *first, GDBusSignalCallback callback)
{
    return g_dbus_connection_signal_subscribe(self->connection, self->owner, interface, signal, path, first,
                                              G_DBUS_SIGNAL_FLAGS_NONE, callback, self, NULL);
}

void berth_ui_service_listen(BerthUiService *self)
{
    guint *at = self->subscriptions;
    *at++ = subscribe(self, IFACE_OBJECT_MANAGER, "InterfacesAdded", BERTH_PATH_ROOT, NULL, on_added);
    *at++ = subscribe(self, IFACE_OBJECT_MANAGER, "InterfacesRemoved", BERTH_PATH_ROOT, NULL, on_removed);
    *at++ = subscribe(self, BERTH_IFACE_JOB, "Completed", NULL, NULL, on_completed);
    for (guint i = 0; i < N_KINDS; i++)
        *at++ = subscribe(self, IFACE_PROPERTIES, "PropertiesChanged", NULL, kinds[i].interface, on_changed);
}

void berth_ui_service_stop_listening(BerthUiService *self)
{
    for (guint i = 0; i < G_N_ELEMENTS(self->subscriptions); i++)
        if (self->subscriptions[i])
            g_dbus_connection_signal_unsubscribe(self->connection, self->subscriptions[i]);
    memset(self->subscriptions, 0, sizeof self->subscriptions);
}

void berth_ui_service_set_up_objects(BerthUiService *self)
{
    self->objects = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
    self->ended = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, g_object_unref);
    for (guint i = 0; i < N_KINDS; i++)
        self->lists[i] = g_list_store_new(kinds[i].get_type());
}

void berth_ui_service_free_objects(BerthUiService *self)
{
    g_hash_table_unref(self->objects);
    g_hash_table_unref(self->ended);
    for (guint i = 0; i < N_KINDS; i++)
        g_object_unref(self->lists[i]);
}

GListModel *berth_ui_service_get_vms(BerthUiService *self)
{
    return G_LIST_MODEL(self->lists[KIND_VM]);
}

GListModel *berth_ui_service_get_images(BerthUiService *self)
{
    return G_LIST_MODEL(self->lists[KIND_IMAGE]);
}

GListModel *berth_ui_service_get_jobs(BerthUiService *self)
{
    return G_LIST_MODEL(self->lists[KIND_JOB]);
}
