/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "uptime.h"

#include "ui-gtk/model/format.h"

struct _BerthUiUptime {
    BerthUiFigure parent_instance;
    guint64 since;
    guint timer;
};

G_DEFINE_FINAL_TYPE(BerthUiUptime, berth_ui_uptime, BERTH_UI_TYPE_FIGURE)

enum { PROPERTY_SINCE = 1, N_PROPERTIES };
static GParamSpec *specs[N_PROPERTIES];

gboolean berth_ui_uptime_ticks(BerthUiUptime *self)
{
    return self->timer != 0;
}

static gboolean tick(gpointer data);

/* Says it, and comes back when there is something else to say: seconds in the first minute, then minutes. */
static void show(BerthUiUptime *self)
{
    guint64 now = (guint64) g_get_real_time();
    guint64 span = now > self->since ? now - self->since : 0;
    guint64 seconds = span / G_USEC_PER_SEC;
    g_autofree char *text = self->since ? berth_ui_format_span(span) : g_strdup("");
    berth_ui_figure_set_value(BERTH_UI_FIGURE(self), text);
    g_clear_handle_id(&self->timer, g_source_remove);
    if (self->since && gtk_widget_get_mapped(GTK_WIDGET(self)))
        self->timer = g_timeout_add_seconds(seconds < 60 ? 1 : (guint) (60 - seconds % 60), tick, self);
}

static gboolean tick(gpointer data)
{
    BerthUiUptime *self = data;
    self->timer = 0;
    show(self);
    return G_SOURCE_REMOVE;
}

static void berth_ui_uptime_map(GtkWidget *widget)
{
    GTK_WIDGET_CLASS(berth_ui_uptime_parent_class)->map(widget);
    show(BERTH_UI_UPTIME(widget));
}

static void berth_ui_uptime_unmap(GtkWidget *widget)
{
    g_clear_handle_id(&BERTH_UI_UPTIME(widget)->timer, g_source_remove);
    GTK_WIDGET_CLASS(berth_ui_uptime_parent_class)->unmap(widget);
}

static void berth_ui_uptime_set_property(GObject *object, guint id, const GValue *value, GParamSpec *spec)
{
    BerthUiUptime *self = BERTH_UI_UPTIME(object);
    self->since = g_value_get_uint64(value);
    show(self);
}

static void berth_ui_uptime_dispose(GObject *object)
{
    g_clear_handle_id(&BERTH_UI_UPTIME(object)->timer, g_source_remove);
    G_OBJECT_CLASS(berth_ui_uptime_parent_class)->dispose(object);
}

static void berth_ui_uptime_class_init(BerthUiUptimeClass *klass)
{
    GObjectClass *object_class = G_OBJECT_CLASS(klass);
    object_class->set_property = berth_ui_uptime_set_property;
    object_class->dispose = berth_ui_uptime_dispose;
    GTK_WIDGET_CLASS(klass)->map = berth_ui_uptime_map;
    GTK_WIDGET_CLASS(klass)->unmap = berth_ui_uptime_unmap;
    specs[PROPERTY_SINCE] =
        g_param_spec_uint64("since", NULL, NULL, 0, G_MAXUINT64, 0, G_PARAM_WRITABLE | G_PARAM_STATIC_STRINGS);
    g_object_class_install_properties(object_class, N_PROPERTIES, specs);
}

static void berth_ui_uptime_init(BerthUiUptime *self)
{
}
