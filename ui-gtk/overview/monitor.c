/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "monitor.h"

#include <glib/gi18n.h>

#include "graph.h"
#include "ui-gtk/model/format.h"

struct _BerthUiMonitor {
    BerthUiVmView parent_instance;
    GtkLabel *processors, *memory;
    BerthUiGraph *processors_graph, *memory_graph;
    BerthUiService *service; /* the parent's, as the VM is */
    BerthUiVm *vm;
    GdkSurface *surface; /* whose state is followed, while it is mapped */
    BerthUiUsage *usage; /* (nullable): while it is to be seen */
};

G_DEFINE_FINAL_TYPE(BerthUiMonitor, berth_ui_monitor, BERTH_UI_TYPE_VM_VIEW)

gboolean berth_ui_monitor_watches(BerthUiMonitor *self)
{
    return self->usage != NULL;
}

/* Showing */

static void show_figure(GtkLabel *label, BerthUiGraph *graph, const char *title, const BerthUiGraphPoint *points,
                        guint n, const char *figure)
{
    /* Translators: what is measured, and its figure: “Memory: 512 MiB of 2 GiB” */
    g_autofree char *words = *figure ? g_strdup_printf(_("%s: %s"), title, figure) : g_strdup(title);
    gtk_label_set_text(label, figure);
    berth_ui_graph_set_points(graph, points, n, BERTH_UI_USAGE_SPAN_USEC, words);
}

/* @whole: how many there are */
static void show_processors(BerthUiMonitor *self, const BerthUiUsagePoint *points, guint n, guint whole)
{
    g_autofree BerthUiGraphPoint *shares = g_new(BerthUiGraphPoint, n);
    for (guint i = 0; i < n; i++)
        shares[i] = (BerthUiGraphPoint){points[i].time, MIN(points[i].processors / MAX(whole, 1), 1)};
    g_autofree char *figure = NULL;
    if (n > 0 && shares[n - 1].share >= 0)
        /* Translators: a share, in percent */
        figure = g_strdup_printf(_("%d%%"), (int) (shares[n - 1].share * 100 + 0.5));
    show_figure(self->processors, self->processors_graph, _("Processors"), shares, n, figure ? figure : "");
}

/* QEMU's own memory counts too: of a small VM there may be more than there should be. */
static char *describe_memory(guint64 bytes, guint64 whole)
{
    g_autofree char *used = berth_ui_format_bytes(bytes), *all = berth_ui_format_bytes(whole);
    /* Translators: how much of all there is: “512 MiB of 2 GiB” */
    return bytes <= whole ? g_strdup_printf(_("%s of %s"), used, all) : g_steal_pointer(&used);
}

/* @whole: bytes */
static void show_memory(BerthUiMonitor *self, const BerthUiUsagePoint *points, guint n, guint64 whole)
{
    g_autofree BerthUiGraphPoint *shares = g_new(BerthUiGraphPoint, n);
    for (guint i = 0; i < n; i++)
        shares[i] = (BerthUiGraphPoint){
            points[i].time, points[i].memory ? MIN((double) points[i].memory / (double) MAX(whole, 1), 1) : -1};
    g_autofree char *figure =
        n > 0 && points[n - 1].memory ? describe_memory(points[n - 1].memory, whole) : g_strdup("");
    show_figure(self->memory, self->memory_graph, _("Memory"), shares, n, figure);
}

static void show(BerthUiMonitor *self)
{
    guint vcpus = 0, n = 0;
    guint64 memory = 0;
    const BerthUiUsagePoint *points = self->usage ? berth_ui_usage_get_points(self->usage, &n) : NULL;
    if (self->vm)
        g_object_get(self->vm, "vcpus", &vcpus, "memory", &memory, NULL);
    show_processors(self, points, n, vcpus);
    show_memory(self, points, n, memory);
}

/* Watching */

/* One that is minimized, or that the compositor says nobody sees (what GTK knows of since 4.12), is mapped all the
 * same. */
static gboolean is_seen(GdkSurface *surface)
{
    static GdkToplevelState unseen;
    if (!unseen) {
        g_autoptr(GFlagsClass) states = g_type_class_ref(GDK_TYPE_TOPLEVEL_STATE);
        const GFlagsValue *suspended = g_flags_get_value_by_nick(states, "suspended");
        unseen = GDK_TOPLEVEL_STATE_MINIMIZED | (suspended ? suspended->value : 0);
    }
    return !GDK_IS_TOPLEVEL(surface) || !(gdk_toplevel_get_state(GDK_TOPLEVEL(surface)) & unseen);
}

static void stop(BerthUiMonitor *self)
{
    if (self->usage)
        g_signal_handlers_disconnect_by_data(self->usage, self);
    g_clear_object(&self->usage);
}

static void watch(BerthUiMonitor *self)
{
    const gboolean wanted = self->service && self->vm && self->surface && is_seen(self->surface);
    if (wanted == (self->usage != NULL))
        return;
    stop(self);
    if (wanted) {
        self->usage = berth_ui_service_watch_usage(self->service, self->vm);
        g_signal_connect_swapped(self->usage, "changed", G_CALLBACK(show), self);
    }
    show(self);
}

static void berth_ui_monitor_map(GtkWidget *widget)
{
    BerthUiMonitor *self = BERTH_UI_MONITOR(widget);
    GTK_WIDGET_CLASS(berth_ui_monitor_parent_class)->map(widget);
    self->surface = g_object_ref(gtk_native_get_surface(gtk_widget_get_native(widget)));
    if (GDK_IS_TOPLEVEL(self->surface))
        g_signal_connect_swapped(self->surface, "notify::state", G_CALLBACK(watch), self);
    watch(self);
}

static void berth_ui_monitor_unmap(GtkWidget *widget)
{
    BerthUiMonitor *self = BERTH_UI_MONITOR(widget);
    g_signal_handlers_disconnect_by_data(self->surface, self);
    g_clear_object(&self->surface);
    watch(self);
    GTK_WIDGET_CLASS(berth_ui_monitor_parent_class)->unmap(widget);
}

/* The object. */

static void berth_ui_monitor_changed(BerthUiVmView *view, BerthUiService *service, BerthUiVm *vm)
{
    BerthUiMonitor *self = BERTH_UI_MONITOR(view);
    stop(self);
    self->service = service;
    self->vm = vm;
    show(self);
    watch(self);
}

static void berth_ui_monitor_class_init(BerthUiMonitorClass *klass)
{
    GtkWidgetClass *widget_class = GTK_WIDGET_CLASS(klass);
    BERTH_UI_VM_VIEW_CLASS(klass)->changed = berth_ui_monitor_changed;
    widget_class->map = berth_ui_monitor_map;
    widget_class->unmap = berth_ui_monitor_unmap;
    g_type_ensure(BERTH_UI_TYPE_GRAPH);
    gtk_widget_class_set_template_from_resource(widget_class, "/org/berth/Berth/monitor.ui");
    gtk_widget_class_bind_template_child(widget_class, BerthUiMonitor, processors);
    gtk_widget_class_bind_template_child(widget_class, BerthUiMonitor, processors_graph);
    gtk_widget_class_bind_template_child(widget_class, BerthUiMonitor, memory);
    gtk_widget_class_bind_template_child(widget_class, BerthUiMonitor, memory_graph);
}

static void berth_ui_monitor_init(BerthUiMonitor *self)
{
    gtk_widget_init_template(GTK_WIDGET(self));
    show(self);
}
