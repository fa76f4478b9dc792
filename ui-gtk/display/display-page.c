/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "display-page.h"

#include <glib/gi18n.h>

#include "display-keys.h"
#include "display.h"
#include "ui-gtk/model/words.h"

struct _BerthUiDisplayPage {
    BerthUiVmView parent_instance;
    GtkStack *stack; /* the screen, or what there is to say */
    AdwStatusPage *status;
    GtkWidget *spinner, *start, *configure, *retry;
    BerthUiDisplay *display;
    GtkWidget *send_keys;
    BerthUiService *service; /* the parent's, as the VM is */
    BerthUiVm *vm;
    GSignalGroup *of_peer;
    GCancellable *opening;    /* while we wait for the daemon's answer */
    BerthUiDisplayPeer *peer; /* of this run; it may be closed */
    GError *error;            /* why the daemon has not let us have one */
    gboolean has_frame;
};

G_DEFINE_FINAL_TYPE(BerthUiDisplayPage, berth_ui_display_page, BERTH_UI_TYPE_VM_VIEW)

enum { PROPERTY_CONNECTED = 1, N_PROPERTIES };
static GParamSpec *specs[N_PROPERTIES];

/* What there is to say. */

typedef struct {
    const char *title, *text, *icon;
    GtkWidget *child; /* (nullable): the one that helps */
} Words;

static gboolean has_display(BerthUiVm *vm)
{
    const char *display = "none";
    GVariant *config = berth_ui_vm_get_config(vm);
    if (config)
        g_variant_lookup(config, "display", "&s", &display);
    return !g_str_equal(display, "none");
}

static gboolean runs(BerthUiVm *vm)
{
    BerthVmState state = berth_ui_vm_get_state(vm);
    return state != BERTH_VM_STATE_LAST && berth_vm_state_allows(state, BERTH_METHOD_OPEN_DISPLAY, "", NULL);
}

static Words words_of_none(BerthUiDisplayPage *self)
{
    return (Words){.title = _("No Display"),
                   .text = _("This virtual machine has no screen. Give it a display, and it has one from its next "
                             "start on."),
                   .icon = "video-display-symbolic",
                   .child = self->configure};
}

static Words words_of_rest(BerthUiDisplayPage *self)
{
    gboolean can_start = !berth_ui_why_not(self->vm, BERTH_METHOD_START);
    return (Words){.title = _(berth_ui_state_words(self->vm)->label),
                   .text = can_start ? _("Its screen is here as soon as it runs.")
                                     : berth_ui_why_not(self->vm, BERTH_METHOD_OPEN_DISPLAY),
                   .icon = "video-display-symbolic",
                   .child = can_start ? self->start : NULL};
}

/* What only this run lacks is there in the next. */
static Words words_of_error(BerthUiDisplayPage *self)
{
    if (g_error_matches(self->error, BERTH_ERROR, BERTH_ERROR_UNSUPPORTED))
        return (Words){.title = _("Started Without a Display"),
                       .text = _("This virtual machine got its display when it was running already. It is here the "
                                 "next time it is started."),
                       .icon = "video-display-symbolic"};
    return (Words){.title = berth_ui_describe_error(self->error),
                   .text = self->error->message,
                   .icon = "dialog-error-symbolic",
                   .child = self->retry};
}

static Words words_of_closed(BerthUiDisplayPage *self)
{
    const char *problem = berth_ui_display_peer_get_problem(self->peer);
    if (*problem)
        return (Words){.title = _("The Screen Can’t Be Shown"),
                       .text = problem,
                       .icon = "dialog-error-symbolic",
                       .child = self->retry};
    return (Words){.title = _("The Screen Was Closed"),
                   .text = _("It may be shown in another window now. Only one at a time can have it."),
                   .icon = "video-display-symbolic",
                   .child = self->retry};
}

static Words words_now(BerthUiDisplayPage *self)
{
    if (!has_display(self->vm))
        return words_of_none(self);
    if (!runs(self->vm))
        return words_of_rest(self);
    if (self->error)
        return words_of_error(self);
    if (self->peer && berth_ui_display_peer_get_problem(self->peer))
        return words_of_closed(self);
    return (Words){.title = _("Connecting…"), .text = "", .icon = NULL, .child = self->spinner};
}

static gboolean is_connected(BerthUiDisplayPage *self)
{
    return self->peer && self->has_frame && !berth_ui_display_peer_get_problem(self->peer);
}

static void show(BerthUiDisplayPage *self)
{
    GtkWidget *children[] = {self->spinner, self->start, self->configure, self->retry};
    if (!self->vm)
        return;
    gtk_stack_set_visible_child_name(self->stack, is_connected(self) ? "screen" : "status");
    g_object_notify_by_pspec(G_OBJECT(self), specs[PROPERTY_CONNECTED]);
    if (is_connected(self))
        return;
    Words words = words_now(self);
    g_autofree char *text = g_markup_escape_text(words.text ? words.text : "", -1);
    adw_status_page_set_title(self->status, words.title);
    adw_status_page_set_description(self->status, text);
    adw_status_page_set_icon_name(self->status, words.icon);
    for (guint i = 0; i < G_N_ELEMENTS(children); i++)
        gtk_widget_set_visible(children[i], children[i] == words.child);
}

/* For the template's binding. */
static char *describe_focus(BerthUiDisplayPage *self, gboolean has_focus)
{
    return g_strdup(has_focus ? _("All keys are the guest’s. Press Ctrl and Alt together to leave.")
                              : _("Click the screen to type there."));
}

/* Connecting. */

static void on_frame_changed(BerthUiDisplayPage *self)
{
    if (self->has_frame)
        return;
    self->has_frame = TRUE;
    show(self);
}

static void set_peer(BerthUiDisplayPage *self, BerthUiDisplayPeer *peer)
{
    self->has_frame = FALSE;
    g_set_object(&self->peer, peer);
    g_signal_group_set_target(self->of_peer, peer);
    berth_ui_display_set_peer(self->display, peer);
}

static void leave(BerthUiDisplayPage *self)
{
    if (self->opening)
        g_cancellable_cancel(self->opening);
    g_clear_object(&self->opening);
    g_clear_error(&self->error);
    set_peer(self, NULL);
}

static void on_opened(GObject *source, GAsyncResult *result, gpointer data)
{
    g_autoptr(GError) error = NULL;
    int fd = berth_ui_service_open_finish(BERTH_UI_SERVICE(source), result, &error);
    if (g_error_matches(error, G_IO_ERROR, G_IO_ERROR_CANCELLED))
        return; /* of a page that looks elsewhere, or is gone */
    BerthUiDisplayPage *self = data;
    g_clear_object(&self->opening);
    if (fd < 0) {
        self->error = g_steal_pointer(&error);
    } else {
        g_autoptr(BerthUiDisplayPeer) peer = berth_ui_display_peer_new(fd);
        set_peer(self, peer);
    }
    show(self);
}

/* Where it can be had and somebody looks, and nothing has failed yet. */
static void connect_if_due(BerthUiDisplayPage *self)
{
    gboolean is_due = self->vm && self->service && gtk_widget_get_mapped(GTK_WIDGET(self)) && has_display(self->vm) &&
                      runs(self->vm) && !self->opening && !self->peer && !self->error;
    if (is_due) {
        self->opening = g_cancellable_new();
        berth_ui_service_open_async(self->service, self->vm, BERTH_METHOD_OPEN_DISPLAY, g_variant_new("(a{sv})", NULL),
                                    self->opening, on_opened, self);
    }
    show(self);
}

static void reconnect(BerthUiDisplayPage *self)
{
    leave(self);
    connect_if_due(self);
}

/* The next run has a display of its own. */
static void on_state_changed(BerthUiDisplayPage *self)
{
    if (!runs(self->vm))
        leave(self);
    connect_if_due(self);
}

/* Another process: the state may have been the same whenever we were told of it. */
static void on_pid_changed(BerthUiDisplayPage *self)
{
    if (self->peer || self->error)
        leave(self);
    connect_if_due(self);
}

/* A connection to QEMU outlives the daemon; what an earlier daemon has not given is asked for again. */
static void on_status_changed(BerthUiDisplayPage *self)
{
    if (berth_ui_service_get_status(self->service) != BERTH_UI_SERVICE_READY)
        return;
    g_clear_error(&self->error);
    connect_if_due(self);
}

static void berth_ui_display_page_map(GtkWidget *widget)
{
    GTK_WIDGET_CLASS(berth_ui_display_page_parent_class)->map(widget);
    connect_if_due(BERTH_UI_DISPLAY_PAGE(widget));
}

static void berth_ui_display_page_unmap(GtkWidget *widget)
{
    leave(BERTH_UI_DISPLAY_PAGE(widget));
    GTK_WIDGET_CLASS(berth_ui_display_page_parent_class)->unmap(widget);
}

/* Keys. */

static void on_send_keys(GtkWidget *widget, const char *name, GVariant *parameter)
{
    BerthUiDisplayPage *self = BERTH_UI_DISPLAY_PAGE(widget);
    const guint *keys = berth_ui_key_combination(g_variant_get_string(parameter, NULL));
    if (keys)
        berth_ui_display_send_keys(self->display, keys);
}

static void on_released(BerthUiDisplayPage *self)
{
    gtk_widget_grab_focus(self->send_keys);
}

/* The object. */

static void berth_ui_display_page_changed(BerthUiVmView *view, BerthUiService *service, BerthUiVm *vm)
{
    BerthUiDisplayPage *self = BERTH_UI_DISPLAY_PAGE(view);
    self->service = service;
    self->vm = vm;
    reconnect(self);
}

static void berth_ui_display_page_get_property(GObject *object, guint id, GValue *value, GParamSpec *spec)
{
    g_value_set_boolean(value, is_connected(BERTH_UI_DISPLAY_PAGE(object)));
}

static void berth_ui_display_page_finalize(GObject *object)
{
    g_object_unref(BERTH_UI_DISPLAY_PAGE(object)->of_peer);
    G_OBJECT_CLASS(berth_ui_display_page_parent_class)->finalize(object);
}

static void class_bind_template(GtkWidgetClass *klass)
{
    gtk_widget_class_set_template_from_resource(klass, "/org/berth/Berth/display-page.ui");
    gtk_widget_class_bind_template_child(klass, BerthUiDisplayPage, stack);
    gtk_widget_class_bind_template_child(klass, BerthUiDisplayPage, status);
    gtk_widget_class_bind_template_child(klass, BerthUiDisplayPage, spinner);
    gtk_widget_class_bind_template_child(klass, BerthUiDisplayPage, start);
    gtk_widget_class_bind_template_child(klass, BerthUiDisplayPage, configure);
    gtk_widget_class_bind_template_child(klass, BerthUiDisplayPage, retry);
    gtk_widget_class_bind_template_child(klass, BerthUiDisplayPage, display);
    gtk_widget_class_bind_template_child(klass, BerthUiDisplayPage, send_keys);
    gtk_widget_class_bind_template_callback(klass, describe_focus);
    gtk_widget_class_bind_template_callback(klass, reconnect);
    gtk_widget_class_bind_template_callback(klass, on_released);
}

static void berth_ui_display_page_class_init(BerthUiDisplayPageClass *klass)
{
    GObjectClass *object_class = G_OBJECT_CLASS(klass);
    GtkWidgetClass *widget_class = GTK_WIDGET_CLASS(klass);
    object_class->get_property = berth_ui_display_page_get_property;
    object_class->finalize = berth_ui_display_page_finalize;
    BERTH_UI_VM_VIEW_CLASS(klass)->changed = berth_ui_display_page_changed;
    widget_class->map = berth_ui_display_page_map;
    widget_class->unmap = berth_ui_display_page_unmap;
    specs[PROPERTY_CONNECTED] = g_param_spec_boolean(
        "connected", NULL, NULL, FALSE, G_PARAM_READABLE | G_PARAM_STATIC_STRINGS | G_PARAM_EXPLICIT_NOTIFY);
    g_object_class_install_properties(object_class, N_PROPERTIES, specs);
    g_type_ensure(BERTH_UI_TYPE_DISPLAY);
    class_bind_template(widget_class);
    gtk_widget_class_install_action(widget_class, "display.send-keys", "s", on_send_keys);
}

static void berth_ui_display_page_init(BerthUiDisplayPage *self)
{
    BerthUiVmView *view = BERTH_UI_VM_VIEW(self);
    gtk_widget_init_template(GTK_WIDGET(self));
    self->of_peer = g_signal_group_new(BERTH_UI_TYPE_DISPLAY_PEER);
    berth_ui_vm_view_follow_vm(view, "notify::state", G_CALLBACK(on_state_changed));
    berth_ui_vm_view_follow_vm(view, "notify::config", G_CALLBACK(connect_if_due));
    berth_ui_vm_view_follow_vm(view, "notify::pid", G_CALLBACK(on_pid_changed));
    berth_ui_vm_view_follow_vm(view, "notify::busy", G_CALLBACK(show));
    berth_ui_vm_view_follow_service(view, "notify::status", G_CALLBACK(on_status_changed));
    g_signal_group_connect_swapped(self->of_peer, "frame-changed", G_CALLBACK(on_frame_changed), self);
    g_signal_group_connect_swapped(self->of_peer, "closed", G_CALLBACK(show), self);
}
