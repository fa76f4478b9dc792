/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "notices.h"

#include "ui-gtk/model/words.h"

struct _BerthUiNotices {
    GObject parent_instance;
    GtkWindow *window;
    GApplication *application;
    GListModel *vms;
    GHashTable *told; /* ids of the VMs that there is a notification of */
};

G_DEFINE_FINAL_TYPE(BerthUiNotices, berth_ui_notices, G_TYPE_OBJECT)

/* A VM that is broken or has ended by what nobody asked for. What ends in any other way is no failure, though a word
 * for it may be new to us. */
static gboolean has_failed(BerthUiVm *vm)
{
    BerthExitReason reason = berth_ui_vm_get_exit_reason(vm);
    if (berth_ui_vm_get_state(vm) != BERTH_VM_EXITED)
        return berth_ui_vm_get_state(vm) == BERTH_VM_BROKEN;
    return reason != BERTH_EXIT_NONE && reason != BERTH_EXIT_GUEST_SHUTDOWN && reason != BERTH_EXIT_HOST_STOP;
}

static gboolean is_over(gpointer window, GtkWindow *lowest)
{
    while (window && window != lowest)
        window = gtk_window_get_transient_for(window);
    return window != NULL;
}

/* Whether the user looks at the window, at a dialog of it, or at one of that. */
static gboolean is_in_front(BerthUiNotices *self)
{
    g_autoptr(GList) windows = gtk_window_list_toplevels();
    for (GList *at = windows; at; at = at->next)
        if (gtk_window_is_active(at->data) && is_over(at->data, self->window))
            return TRUE;
    return FALSE;
}

static void withdraw(BerthUiNotices *self, const char *id)
{
    if (!g_hash_table_contains(self->told, id))
        return;
    g_application_withdraw_notification(self->application, id);
    g_hash_table_remove(self->told, id);
}

static void tell(BerthUiNotices *self, BerthUiVm *vm)
{
    const char *id = berth_ui_vm_get_id(vm);
    g_autofree char *title = berth_ui_describe_end(vm);
    g_autoptr(GNotification) notification = g_notification_new(title);
    const char *body = berth_ui_describe_exit(vm);
    if (body && berth_ui_vm_get_state(vm) == BERTH_VM_EXITED)
        g_notification_set_body(notification, body);
    g_notification_set_priority(notification, G_NOTIFICATION_PRIORITY_HIGH);
    g_notification_set_default_action_and_target(notification, "app.show-vm", "s", id);
    g_hash_table_add(self->told, g_strdup(id));
    g_application_send_notification(self->application, id, notification);
}

static void on_state_changed(BerthUiVm *vm, GParamSpec *spec, BerthUiNotices *self)
{
    if (!has_failed(vm))
        withdraw(self, berth_ui_vm_get_id(vm));
    else if (!is_in_front(self))
        tell(self, vm);
}

/* What is shown in a window that the user looks at is known. */
static void on_seen(BerthUiNotices *self)
{
    g_autoptr(BerthUiVm) vm = NULL;
    g_object_get(self->window, "vm", &vm, NULL);
    if (vm && gtk_window_is_active(self->window))
        withdraw(self, berth_ui_vm_get_id(vm));
}

static gboolean is_there(BerthUiNotices *self, const char *id)
{
    for (guint i = 0; i < g_list_model_get_n_items(self->vms); i++) {
        g_autoptr(BerthUiVm) vm = g_list_model_get_item(self->vms, i);
        if (g_str_equal(berth_ui_vm_get_id(vm), id))
            return TRUE;
    }
    return FALSE;
}

/* There are few. */
static void withdraw_all(BerthUiNotices *self, gboolean only_gone)
{
    g_autofree gpointer *ids = g_hash_table_get_keys_as_array(self->told, NULL);
    for (guint i = 0; ids[i]; i++)
        if (!only_gone || !is_there(self, ids[i]))
            withdraw(self, ids[i]);
}

/* Those that come are what they are: only what changes is told. */
static void on_vms_changed(GListModel *vms, guint position, guint removed, guint added, BerthUiNotices *self)
{
    for (guint i = position; i < position + added; i++) {
        g_autoptr(GObject) vm = g_list_model_get_item(vms, i);
        g_signal_connect_object(vm, "notify::state", G_CALLBACK(on_state_changed), self, 0);
    }
    if (removed > 0)
        withdraw_all(self, TRUE);
}

/* The object. */

BerthUiNotices *berth_ui_notices_new(GtkWindow *window, BerthUiService *service)
{
    BerthUiNotices *self = g_object_new(BERTH_UI_TYPE_NOTICES, NULL);
    self->window = window;
    self->application = G_APPLICATION(g_object_ref(gtk_window_get_application(window)));
    self->vms = g_object_ref(berth_ui_service_get_vms(service));
    g_signal_connect_object(window, "notify::is-active", G_CALLBACK(on_seen), self, G_CONNECT_SWAPPED);
    g_signal_connect_object(window, "notify::vm", G_CALLBACK(on_seen), self, G_CONNECT_SWAPPED);
    g_signal_connect_object(self->vms, "items-changed", G_CALLBACK(on_vms_changed), self, 0);
    on_vms_changed(self->vms, 0, 0, g_list_model_get_n_items(self->vms), self);
    return self;
}

static void berth_ui_notices_dispose(GObject *object)
{
    BerthUiNotices *self = BERTH_UI_NOTICES(object);
    withdraw_all(self, FALSE);
    g_clear_object(&self->vms);
    g_clear_object(&self->application);
    G_OBJECT_CLASS(berth_ui_notices_parent_class)->dispose(object);
}

static void berth_ui_notices_finalize(GObject *object)
{
    g_hash_table_unref(BERTH_UI_NOTICES(object)->told);
    G_OBJECT_CLASS(berth_ui_notices_parent_class)->finalize(object);
}

static void berth_ui_notices_class_init(BerthUiNoticesClass *klass)
{
    G_OBJECT_CLASS(klass)->dispose = berth_ui_notices_dispose;
    G_OBJECT_CLASS(klass)->finalize = berth_ui_notices_finalize;
}

static void berth_ui_notices_init(BerthUiNotices *self)
{
    self->told = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
}
