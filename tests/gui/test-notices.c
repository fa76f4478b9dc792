/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "stage.h"
#include "tests/lib/fakes/fake-desktop.h"

/* What the desktop is told of VMs that fail. */

typedef struct {
    Stage stage;
    GtkWidget *other; /* has the focus, where it is there */
    FakeVm *web;
} Scene;

/* Another window than the program's has the focus. */
static void go_to_background(Scene *s)
{
    s->other = gtk_window_new();
    gtk_window_present(GTK_WINDOW(s->other));
    AWAIT(gtk_window_is_active(GTK_WINDOW(s->other)) && !gtk_window_is_active(GTK_WINDOW(s->stage.window)));
}

static void come_back(Scene *s)
{
    gtk_window_destroy(GTK_WINDOW(g_steal_pointer(&s->other)));
    gtk_window_present(GTK_WINDOW(s->stage.window));
    AWAIT(gtk_window_is_active(GTK_WINDOW(s->stage.window)));
}

static void set_up(Scene *s, gconstpointer data)
{
    stage_set_up_fake(&s->stage, data);
    s->web = fake_berth_add(s->stage.fake, "web", "running");
    stage_await_badge(&s->stage, "web", "Running");
    AWAIT(gtk_window_is_active(GTK_WINDOW(s->stage.window)));
}

static void tear_down(Scene *s, gconstpointer data)
{
    if (s->other)
        gtk_window_destroy(GTK_WINDOW(s->other));
    stage_tear_down_fake(&s->stage, data);
    AWAIT(g_hash_table_size(fake_desktop_shown()) == 0);
}

static GVariant *notice(const FakeVm *vm)
{
    return g_hash_table_lookup(fake_desktop_shown(), vm->id);
}

static void assert_text(GVariant *notification, const char *key, const char *expected)
{
    const char *text = "";
    g_variant_lookup(notification, key, "&s", &text);
    g_assert_cmpstr(text, ==, expected);
}

/* The change has come, and so has what it made the program say: the desktop hears its connection in order. */
static void change_is_over(Scene *s, const char *badge)
{
    stage_await_badge(&s->stage, "web", badge);
    g_autoptr(GNotification) last = g_notification_new("last");
    g_application_send_notification(g_application_get_default(), "last", last);
    AWAIT(g_hash_table_contains(fake_desktop_shown(), "last"));
    g_application_withdraw_notification(g_application_get_default(), "last");
}

static void test_fails(Scene *s, gconstpointer data)
{
    go_to_background(s);
    fake_berth_exit(s->stage.fake, s->web, "crashed");
    AWAIT(notice(s->web));
    assert_text(notice(s->web), "title", "“web” has failed");
    assert_text(notice(s->web), "body", "The emulator crashed");
    assert_text(notice(s->web), "priority", "high");
    assert_text(notice(s->web), "default-action", "app.show-vm");
    /* It is started again. */
    fake_berth_change(s->stage.fake, s->web, "running", "", "");
    AWAIT(!notice(s->web));
}

static void test_each_reason(Scene *s, gconstpointer data)
{
    static const struct {
        const char *reason, *body;
    } failures[] = {
        {"killed", "It was ended from outside"},
        {"oom-killed", "The computer ran out of memory"},
        {"guest-panic", "The guest’s operating system crashed"},
        {"start-failed", "It could not be started"},
        {"lost", "How it ended is not known"},
        {"of-a-later-daemon", ""},
    };
    go_to_background(s);
    for (guint i = 0; i < G_N_ELEMENTS(failures); i++) {
        fake_berth_exit(s->stage.fake, s->web, failures[i].reason);
        AWAIT(notice(s->web));
        assert_text(notice(s->web), "body", failures[i].body);
        fake_berth_change(s->stage.fake, s->web, "running", "", "");
        AWAIT(!notice(s->web));
    }
    fake_berth_change(s->stage.fake, s->web, "broken", "", "");
    AWAIT(notice(s->web));
    assert_text(notice(s->web), "title", "“web” is broken");
    assert_text(notice(s->web), "body", "");
}

/* A dialog is the program's too. */
static void test_dialog(Scene *s, gconstpointer data)
{
    stage_choose(&s->stage, "web");
    stage_click(&s->stage, "Remove");
    AWAIT(stage_top(&s->stage) != GTK_WIDGET(s->stage.window));
    AWAIT(gtk_window_is_active(GTK_WINDOW(stage_top(&s->stage))) && !gtk_window_is_active(GTK_WINDOW(s->stage.window)));
    fake_berth_exit(s->stage.fake, s->web, "crashed");
    change_is_over(s, "Failed");
    g_assert_null(notice(s->web));
    stage_click(&s->stage, "_Cancel");
}

/* And so is the dialog of a dialog. */
static void test_nested_dialog(Scene *s, gconstpointer data)
{
    gtk_widget_activate_action(GTK_WIDGET(s->stage.window), "win.images", NULL);
    AWAIT(stage_sees(&s->stage, "debian"));
    stage_click(&s->stage, "Remove");
    AWAIT(stage_sees(&s->stage, "Remove “debian”?"));
    AWAIT(gtk_window_is_active(GTK_WINDOW(stage_top(&s->stage))));
    fake_berth_exit(s->stage.fake, s->web, "crashed");
    change_is_over(s, "Failed");
    g_assert_null(notice(s->web));
}

/* Nobody is told of what they look at, of what they asked for, and of what was so before. */
static void test_silent(Scene *s, gconstpointer data)
{
    fake_berth_exit(s->stage.fake, s->web, "crashed");
    change_is_over(s, "Failed");
    g_assert_null(notice(s->web));
    go_to_background(s);
    FakeVm *old = fake_berth_add(s->stage.fake, "old", "exited");
    stage_await_badge(&s->stage, "old", "Failed");
    fake_berth_change(s->stage.fake, s->web, "running", "", "");
    stage_await_badge(&s->stage, "web", "Running");
    fake_berth_exit(s->stage.fake, s->web, "host-stop");
    change_is_over(s, "Failed");
    g_assert_null(notice(s->web));
    fake_berth_change(s->stage.fake, s->web, "stopped", "", "");
    change_is_over(s, "Stopped");
    g_assert_null(notice(s->web));
    g_assert_null(notice(old));
}

static void test_seen(Scene *s, gconstpointer data)
{
    FakeVm *db = fake_berth_add(s->stage.fake, "db", "running");
    stage_choose(&s->stage, "db");
    go_to_background(s);
    fake_berth_exit(s->stage.fake, s->web, "crashed");
    fake_berth_exit(s->stage.fake, db, "crashed");
    AWAIT(notice(s->web) && notice(db));
    come_back(s);
    AWAIT(!notice(db));
    g_assert_nonnull(notice(s->web));
    stage_choose(&s->stage, "web");
    AWAIT(!notice(s->web));
}

static void test_removed(Scene *s, gconstpointer data)
{
    g_autofree char *id = g_strdup(s->web->id);
    go_to_background(s);
    fake_berth_exit(s->stage.fake, s->web, "crashed");
    AWAIT(notice(s->web));
    fake_berth_vanish(s->stage.fake, s->web);
    AWAIT(!g_hash_table_contains(fake_desktop_shown(), id));
}

/* A crash while the daemon was away is told when it is back. */
static void test_daemon_away(Scene *s, gconstpointer data)
{
    go_to_background(s);
    fake_berth_stop(s->stage.fake);
    AWAIT(stage_sees(&s->stage, "The Service Is Not Running"));
    fake_berth_exit(s->stage.fake, s->web, "lost");
    fake_berth_start(s->stage.fake);
    AWAIT(notice(s->web));
}

/* What the desktop does for a click: the application's action, with what the notification has as its target. */
static void test_click(Scene *s, gconstpointer data)
{
    fake_berth_add(s->stage.fake, "db", "running");
    stage_choose(&s->stage, "db");
    go_to_background(s);
    fake_berth_exit(s->stage.fake, s->web, "crashed");
    AWAIT(notice(s->web));
    g_autoptr(GVariant) target = g_variant_lookup_value(notice(s->web), "default-action-target", NULL);
    gtk_window_destroy(GTK_WINDOW(g_steal_pointer(&s->other)));
    g_action_group_activate_action(G_ACTION_GROUP(g_application_get_default()), "show-vm", target);
    AWAIT(!notice(s->web));
    AWAIT(stage_sees(&s->stage, "The emulator crashed"));
}

/* The program may be started by the click: the VM is shown when the daemon has told of it. */
static void test_click_before(Scene *s, gconstpointer data)
{
    fake_berth_vanish(s->stage.fake, s->web);
    AWAIT(stage_n_rows(&s->stage) == 0);
    s->web = fake_berth_add(s->stage.fake, "web", "running");
    g_action_group_activate_action(G_ACTION_GROUP(g_application_get_default()), "show-vm",
                                   g_variant_new_string(s->web->id));
    AWAIT(stage_sees(&s->stage, "Shut Down"));
}

#define ADD(path, func) g_test_add("/gui/notices/" path, Scene, NULL, set_up, func, tear_down)

static void add(void)
{
    ADD("fails", test_fails);
    ADD("each-reason", test_each_reason);
    ADD("silent", test_silent);
    ADD("dialog", test_dialog);
    ADD("nested-dialog", test_nested_dialog);
    ADD("seen", test_seen);
    ADD("removed", test_removed);
    ADD("daemon-away", test_daemon_away);
    ADD("click", test_click);
    ADD("click-before", test_click_before);
}

int main(int argc, char **argv)
{
    return stage_main(argc, argv, add);
}
