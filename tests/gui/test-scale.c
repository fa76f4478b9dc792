/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "scrolling.h"

/* Many VMs: what can be counted of the work that they make, whatever machine it is. tests/bench/bench-ui.c has the times. */

#define N_VMS 1000

/* GTK keeps some 200 rows ready around what is to be seen. */
#define N_WIDGETS_MAX 300

typedef struct {
    Stage stage;
    Scrolling scrolling;
    guint filter;
    int n_calls; /* method calls that have come to the daemon; atomic */
} Scene;

static GDBusMessage *on_message(GDBusConnection *connection, GDBusMessage *message, gboolean incoming, gpointer data)
{
    int *n_calls = data;
    if (incoming && g_dbus_message_get_message_type(message) == G_DBUS_MESSAGE_TYPE_METHOD_CALL)
        g_atomic_int_inc(n_calls);
    return message;
}

/* What one frame has shown may be what the next one makes rows for. */
static void await_rest(Scene *s)
{
    guint before;
    do {
        before = s->scrolling.n_bound;
        scrolling_await_frame(&s->stage);
    } while (s->scrolling.n_bound != before);
}

static void set_up(Scene *s, gconstpointer data)
{
    scrolling_init(&s->scrolling);
    stage_set_up_fake(&s->stage, data);
    s->filter = g_dbus_connection_add_filter(s->stage.fake->connection, on_message, &s->n_calls, NULL);
    for (guint i = 0; i < N_VMS; i++) {
        g_autofree char *name = g_strdup_printf("vm-%04u", i);
        fake_berth_add(s->stage.fake, name, "running");
    }
    AWAIT(g_list_model_get_n_items(berth_ui_service_get_vms(s->stage.service)) == N_VMS);
    AWAIT(stage_n_rows(&s->stage) > 0);
    await_rest(s);
    g_atomic_int_set(&s->n_calls, 0);
}

static void tear_down(Scene *s, gconstpointer data)
{
    g_dbus_connection_remove_filter(s->stage.fake->connection, s->filter);
    stage_tear_down_fake(&s->stage, data);
    scrolling_clear(&s->scrolling);
}

static void test_scroll(Scene *s, gconstpointer data)
{
    s->scrolling.n_bound = 0;
    scrolling_run(&s->scrolling, &s->stage, 0);
    AWAIT(stage_badge(&s->stage, "vm-0999"));
    g_test_message("%u widgets, %u rows bound, %u frames", s->scrolling.n_made, s->scrolling.n_bound,
                   s->scrolling.frames->len);
    g_assert_cmpuint(s->scrolling.n_made, <=, N_WIDGETS_MAX);
    g_assert_cmpuint(s->scrolling.n_bound, <=, N_VMS);
    g_assert_cmpint(g_atomic_int_get(&s->n_calls), ==, 0);
}

/* What changes at one VM is its row's affair. */
static void test_change(Scene *s, gconstpointer data)
{
    s->scrolling.n_bound = 0;
    fake_berth_change(s->stage.fake, s->stage.fake->vms->pdata[3], "stopped", "", "");
    stage_await_badge(&s->stage, "vm-0003", "Stopped");
    scrolling_await_frame(&s->stage);
    g_assert_cmpuint(s->scrolling.n_bound, ==, 0);
    g_assert_cmpint(g_atomic_int_get(&s->n_calls), ==, 0);
}

/* GTK's sorted list says that all behind it have changed: those that have a widget are bound anew. */
static void test_appears(Scene *s, gconstpointer data)
{
    s->scrolling.n_bound = 0;
    fake_berth_add(s->stage.fake, "a", "running");
    stage_await_badge(&s->stage, "a", "Running");
    scrolling_await_frame(&s->stage);
    g_assert_cmpuint(s->scrolling.n_bound, <=, N_WIDGETS_MAX);
    g_assert_cmpuint(s->scrolling.n_made, <=, N_WIDGETS_MAX);
    g_assert_cmpint(g_atomic_int_get(&s->n_calls), ==, 0);
}

#define ADD(path, func) g_test_add("/gui/scale/" path, Scene, NULL, set_up, func, tear_down)

static void add(void)
{
    ADD("scroll", test_scroll);
    ADD("change", test_change);
    ADD("appears", test_appears);
}

int main(int argc, char **argv)
{
    return stage_main(argc, argv, add);
}
