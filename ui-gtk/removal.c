/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "removal.h"

#include <glib/gi18n.h>

#include "ui-gtk/model/settings.h"
#include "ui-gtk/model/words.h"
#include "ui-gtk/widgets/failure.h"

/* Toast and dialog, which have one, go with the window, and so before the overlay of its toasts. */
typedef struct {
    AdwToastOverlay *toasts;
    BerthUiService *service;
    GPtrArray *vms;
} Removal;

static Removal *removal_new(AdwToastOverlay *toasts, BerthUiService *service, GPtrArray *vms)
{
    Removal *removal = g_new(Removal, 1);
    removal->toasts = toasts;
    removal->service = g_object_ref(service);
    removal->vms = g_ptr_array_ref(vms);
    return removal;
}

static void removal_free(gpointer data, GClosure *closure)
{
    Removal *removal = data;
    g_object_unref(removal->service);
    g_ptr_array_unref(removal->vms);
    g_free(removal);
}

static guint grace_seconds(void)
{
    g_autoptr(GSettings) settings = g_settings_new(BERTH_UI_SETTINGS);
    return g_settings_get_uint(settings, BERTH_UI_SETTING_UNDO_SECONDS);
}

/* The one VM's name, for texts in the singular. */
static const char *name_in(GPtrArray *vms)
{
    return vms->len > 0 ? berth_ui_vm_get_name(vms->pdata[0]) : "";
}

static void on_undo(AdwToast *toast, Removal *removal)
{
    berth_ui_call_vms(removal->toasts, removal->service, removal->vms, BERTH_METHOD_CANCEL_REMOVAL, NULL, NULL, NULL);
}

static void offer_undo(GPtrArray *vms, gpointer data)
{
    Removal *removal = data;
    if (vms->len > 0) {
        g_autofree char *title =
            vms->len == 1 ? g_strdup_printf(_("“%s” is going to be removed"), name_in(vms))
                          : g_strdup_printf(ngettext("%u virtual machine is going to be removed",
                                                     "%u virtual machines are going to be removed", vms->len),
                                            vms->len);
        AdwToast *toast = berth_ui_toast_new(title);
        adw_toast_set_button_label(toast, _("_Undo"));
        adw_toast_set_priority(toast, ADW_TOAST_PRIORITY_HIGH);
        adw_toast_set_timeout(toast, grace_seconds());
        g_signal_connect_data(toast, "button-clicked", G_CALLBACK(on_undo),
                              removal_new(removal->toasts, removal->service, vms), removal_free, 0);
        adw_toast_overlay_add_toast(removal->toasts, toast);
    }
    removal_free(removal, NULL);
}

static void on_response(AdwMessageDialog *dialog, const char *response, Removal *removal)
{
    if (!g_str_equal(response, "remove"))
        return;
    g_auto(GVariantDict) options = G_VARIANT_DICT_INIT(NULL);
    g_variant_dict_insert(&options, "grace-seconds", "u", grace_seconds());
    berth_ui_call_vms(removal->toasts, removal->service, removal->vms, BERTH_METHOD_REMOVE,
                      g_variant_dict_end(&options), offer_undo,
                      removal_new(removal->toasts, removal->service, removal->vms));
}

static gboolean any_runs(GPtrArray *vms)
{
    for (guint i = 0; i < vms->len; i++)
        if (berth_vm_state_has_process(berth_ui_vm_get_state(vms->pdata[i])))
            return TRUE;
    return FALSE;
}

/* (transfer full): what goes */
static char *body_of(GPtrArray *vms)
{
    GString *body = g_string_new(ngettext("Its disks with everything on them, its settings and its logs are deleted.",
                                          "Their disks with everything on them, their settings and their logs are "
                                          "deleted.",
                                          vms->len));
    if (any_runs(vms)) {
        g_string_append_c(body, '\n');
        g_string_append(body, ngettext("It is running, and is powered off first.",
                                       "What of them is running is powered off first.", vms->len));
    }
    g_string_append_c(body, '\n');
    g_string_append_printf(
        body, ngettext("For %u second this can be undone.", "For %u seconds this can be undone.", grace_seconds()),
        grace_seconds());
    if (vms->len > 1)
        g_string_append(body, "\n");
    for (guint i = 0; vms->len > 1 && i < vms->len; i++)
        g_string_append_printf(body, "\n%s", berth_ui_vm_get_name(vms->pdata[i]));
    return g_string_free(body, FALSE);
}

static void ask(AdwToastOverlay *toasts, BerthUiService *service, GPtrArray *vms)
{
    g_autofree char *body = body_of(vms);
    g_autofree char *heading =
        vms->len == 1 ? g_strdup_printf(_("Remove “%s”?"), name_in(vms))
                      : g_strdup_printf(ngettext("Remove %u Virtual Machine?", "Remove %u Virtual Machines?", vms->len),
                                        vms->len);
    GtkWidget *dialog = adw_message_dialog_new(GTK_WINDOW(gtk_widget_get_root(GTK_WIDGET(toasts))), heading, body);
    AdwMessageDialog *message = ADW_MESSAGE_DIALOG(dialog);
    gtk_window_set_destroy_with_parent(GTK_WINDOW(dialog), TRUE);
    adw_message_dialog_add_responses(message, "cancel", _("_Cancel"), "remove", _("_Remove"), NULL);
    adw_message_dialog_set_response_appearance(message, "remove", ADW_RESPONSE_DESTRUCTIVE);
    adw_message_dialog_set_default_response(message, "cancel");
    adw_message_dialog_set_close_response(message, "cancel");
    g_signal_connect_data(dialog, "response", G_CALLBACK(on_response), removal_new(toasts, service, vms), removal_free,
                          0);
    gtk_window_present(GTK_WINDOW(dialog));
}

void berth_ui_removal_ask(AdwToastOverlay *toasts, BerthUiService *service, GPtrArray *vms)
{
    g_autoptr(GPtrArray) fresh = g_ptr_array_new_with_free_func(g_object_unref);
    g_autoptr(GPtrArray) held_up = g_ptr_array_new_with_free_func(g_object_unref);
    for (guint i = 0; i < vms->len; i++) {
        gboolean is_fresh = berth_ui_vm_get_state(vms->pdata[i]) != BERTH_VM_REMOVING;
        g_ptr_array_add(is_fresh ? fresh : held_up, g_object_ref(vms->pdata[i]));
    }
    berth_ui_call_vms(toasts, service, held_up, BERTH_METHOD_REMOVE, NULL, NULL, NULL);
    if (fresh->len > 0)
        ask(toasts, service, fresh);
}
