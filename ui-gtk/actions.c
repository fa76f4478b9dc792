/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "actions.h"

#include "removal.h"
#include "ui-gtk/form/clone-dialog.h"
#include "ui-gtk/form/form-dialog.h"
#include "ui-gtk/model/words.h"

struct _BerthUiActions {
    GObject parent_instance;
    AdwToastOverlay *toasts; /* it lives longer */
    BerthUiService *service;
    GPtrArray *vms; /* never NULL */
    GSimpleActionGroup *group;
};

G_DEFINE_FINAL_TYPE(BerthUiActions, berth_ui_actions, G_TYPE_OBJECT)

/* What is filled in is filled in for one. */
static gboolean is_for_one(BerthVmMethod method)
{
    return method == BERTH_METHOD_CONFIGURE || method == BERTH_METHOD_CLONE;
}

/* (transfer full): those that @method is of use to */
static GPtrArray *useful(BerthUiActions *self, BerthVmMethod method)
{
    GPtrArray *vms = g_ptr_array_new_with_free_func(g_object_unref);
    for (guint i = 0; i < self->vms->len && (self->vms->len == 1 || !is_for_one(method)); i++)
        if (!berth_ui_why_not(self->vms->pdata[i], method))
            g_ptr_array_add(vms, g_object_ref(self->vms->pdata[i]));
    return vms;
}

static void refresh(BerthUiActions *self)
{
    guint n;
    const BerthUiActionWords *words = berth_ui_actions(&n);
    for (guint i = 0; i < n; i++) {
        g_autoptr(GPtrArray) vms = useful(self, words[i].method);
        GAction *action = g_action_map_lookup_action(G_ACTION_MAP(self->group), words[i].action);
        g_simple_action_set_enabled(G_SIMPLE_ACTION(action), vms->len > 0);
    }
}

static void on_activate(GSimpleAction *action, GVariant *parameter, gpointer data)
{
    BerthUiActions *self = data;
    const BerthUiActionWords *words = berth_ui_action_words_by_name(g_action_get_name(G_ACTION(action)));
    g_autoptr(GPtrArray) vms = useful(self, words->method);
    GtkWindow *window = GTK_WINDOW(gtk_widget_get_root(GTK_WIDGET(self->toasts)));
    if (words->method == BERTH_METHOD_CONFIGURE)
        berth_ui_form_dialog_new_for(window, self->service, vms->pdata[0]);
    else if (words->method == BERTH_METHOD_CLONE)
        berth_ui_clone_dialog_present(window, self->service, vms->pdata[0]);
    else if (words->method == BERTH_METHOD_REMOVE)
        berth_ui_removal_ask(self->toasts, self->service, vms);
    else
        berth_ui_call_vms(self->toasts, self->service, vms, words->method, NULL, NULL, NULL);
}

GActionGroup *berth_ui_actions_get_group(BerthUiActions *self)
{
    return G_ACTION_GROUP(self->group);
}

static void forget_vms(BerthUiActions *self)
{
    for (guint i = 0; self->vms && i < self->vms->len; i++)
        g_signal_handlers_disconnect_by_data(self->vms->pdata[i], self);
    g_clear_pointer(&self->vms, g_ptr_array_unref);
}

void berth_ui_actions_set_vms(BerthUiActions *self, BerthUiService *service, GPtrArray *vms)
{
    g_set_object(&self->service, service);
    forget_vms(self);
    self->vms = g_ptr_array_new_with_free_func(g_object_unref);
    for (guint i = 0; vms && i < vms->len; i++) {
        for (const char *const *told = berth_ui_why_not_signals(); *told; told++)
            g_signal_connect_swapped(vms->pdata[i], *told, G_CALLBACK(refresh), self);
        g_ptr_array_add(self->vms, g_object_ref(vms->pdata[i]));
    }
    refresh(self);
}

BerthUiActions *berth_ui_actions_new(AdwToastOverlay *toasts)
{
    BerthUiActions *self = g_object_new(BERTH_UI_TYPE_ACTIONS, NULL);
    self->toasts = toasts;
    return self;
}

static void berth_ui_actions_dispose(GObject *object)
{
    BerthUiActions *self = BERTH_UI_ACTIONS(object);
    forget_vms(self);
    g_clear_object(&self->service);
    g_clear_object(&self->group);
    G_OBJECT_CLASS(berth_ui_actions_parent_class)->dispose(object);
}

static void berth_ui_actions_class_init(BerthUiActionsClass *klass)
{
    G_OBJECT_CLASS(klass)->dispose = berth_ui_actions_dispose;
}

static void berth_ui_actions_init(BerthUiActions *self)
{
    guint n;
    const BerthUiActionWords *words = berth_ui_actions(&n);
    self->vms = g_ptr_array_new_with_free_func(g_object_unref);
    self->group = g_simple_action_group_new();
    for (guint i = 0; i < n; i++) {
        g_autoptr(GSimpleAction) action = g_simple_action_new(words[i].action, NULL);
        g_signal_connect(action, "activate", G_CALLBACK(on_activate), self);
        g_action_map_add_action(G_ACTION_MAP(self->group), G_ACTION(action));
    }
    refresh(self);
}
