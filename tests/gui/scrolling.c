/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "scrolling.h"

#include <time.h>

#include "ui-gtk/list/vm-list.h"

static gulong setup_hook, bind_hook;

static gboolean count(GSignalInvocationHint *hint, guint n_values, const GValue *values, gpointer data)
{
    ++*(guint *) data;
    return TRUE;
}

static gulong add_hook(const char *signal, guint *counter)
{
    g_autoptr(GTypeClass) klass = g_type_class_ref(GTK_TYPE_SIGNAL_LIST_ITEM_FACTORY);
    return g_signal_add_emission_hook(g_signal_lookup(signal, GTK_TYPE_SIGNAL_LIST_ITEM_FACTORY), 0, count, counter,
                                      NULL);
}

void scrolling_init(Scrolling *self)
{
    *self = (Scrolling){.frames = g_array_new(FALSE, FALSE, sizeof(ScrollingFrame))};
    setup_hook = add_hook("setup", &self->n_made);
    bind_hook = add_hook("bind", &self->n_bound);
}

void scrolling_clear(Scrolling *self)
{
    g_signal_remove_emission_hook(g_signal_lookup("setup", GTK_TYPE_SIGNAL_LIST_ITEM_FACTORY), setup_hook);
    g_signal_remove_emission_hook(g_signal_lookup("bind", GTK_TYPE_SIGNAL_LIST_ITEM_FACTORY), bind_hook);
    g_array_unref(self->frames);
}

typedef struct {
    gboolean begun, painted;
    ScrollingFrame times;
} Frame;

static gint64 processor_time(void)
{
    struct timespec time;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time);
    return (gint64) time.tv_sec * G_USEC_PER_SEC + time.tv_nsec / 1000;
}

static void on_begin(GdkFrameClock *clock, Frame *frame)
{
    frame->begun = TRUE;
    frame->times = (ScrollingFrame){-g_get_monotonic_time(), -processor_time()};
}

static void on_painted(GdkFrameClock *clock, Frame *frame)
{
    if (!frame->begun || frame->painted)
        return;
    frame->times.elapsed += g_get_monotonic_time();
    frame->times.processor += processor_time();
    frame->painted = TRUE;
}

static ScrollingFrame await_frame(Stage *stage)
{
    Frame frame = {0};
    GdkFrameClock *clock = gtk_widget_get_frame_clock(GTK_WIDGET(stage->window));
    gulong begin = g_signal_connect(clock, "flush-events", G_CALLBACK(on_begin), &frame);
    gulong painted = g_signal_connect(clock, "after-paint", G_CALLBACK(on_painted), &frame);
    gdk_frame_clock_request_phase(clock, GDK_FRAME_CLOCK_PHASE_FLUSH_EVENTS | GDK_FRAME_CLOCK_PHASE_PAINT |
                                             GDK_FRAME_CLOCK_PHASE_AFTER_PAINT);
    AWAIT(frame.painted);
    g_signal_handler_disconnect(clock, begin);
    g_signal_handler_disconnect(clock, painted);
    return frame.times;
}

void scrolling_await_frame(Stage *stage)
{
    await_frame(stage);
}

static GtkAdjustment *adjustment(Stage *stage)
{
    GtkWidget *list = stage_find(GTK_WIDGET(stage->window), BERTH_UI_TYPE_VM_LIST, NULL);
    GtkWidget *view = stage_find(list, GTK_TYPE_LIST_VIEW, NULL);
    return gtk_scrollable_get_vadjustment(GTK_SCROLLABLE(view));
}

void scrolling_run(Scrolling *self, Stage *stage, double step)
{
    GtkAdjustment *at = adjustment(stage);
    double page = gtk_adjustment_get_page_size(at);
    while (gtk_adjustment_get_value(at) + page < gtk_adjustment_get_upper(at)) {
        gtk_adjustment_set_value(at, gtk_adjustment_get_value(at) + (step > 0 ? step : page));
        ScrollingFrame frame = await_frame(stage);
        g_array_append_val(self->frames, frame);
    }
}

void scrolling_to_top(Stage *stage)
{
    gtk_adjustment_set_value(adjustment(stage), 0);
    await_frame(stage);
}
