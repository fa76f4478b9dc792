/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "stage.h"

#include <signal.h>

#include "src/core/names.h"
#include "ui-gtk/badge.h"

/* A person before the window, and the real daemon behind it. */

static void test_appears(Stage *stage, gconstpointer data)
{
    AWAIT(stage_sees(stage, "No Virtual Machines"));
    /* Another client makes one. */
    g_autofree char *path = scripted_vm(&stage->fixture, "web", NULL);
    stage_await_badge(stage, "web", "Stopped");
    fixture_vm(&stage->fixture, path, "Remove");
    AWAIT(stage_sees(stage, "No Virtual Machines"));
    g_assert_null(stage_badge(stage, "web"));
}

static void test_start_and_stop(Stage *stage, gconstpointer data)
{
    g_autofree char *path = scripted_vm(&stage->fixture, "web", NULL);
    stage_choose(stage, "web");
    g_assert_cmpstr(stage_await_button(stage, "Pause", FALSE), ==, "It is not running");
    stage_click(stage, "Start");
    stage_await_badge(stage, "web", "Running");
    g_assert_cmpstr(stage_await_button(stage, "Start", FALSE), ==, "It is running already");
    stage_click(stage, "Pause");
    stage_await_badge(stage, "web", "Paused");
    stage_click(stage, "Resume");
    stage_await_badge(stage, "web", "Running");
    stage_click(stage, "Power Off");
    stage_await_badge(stage, "web", "Stopped");
    scripted_assert_string(&stage->fixture, path, "State", "stopped");
}

static void begin_removal(Stage *stage, const char *vm)
{
    stage_choose(stage, vm);
    stage_click(stage, "Remove");
    AWAIT(stage_top(stage) != GTK_WIDGET(stage->window));
    g_assert_true(stage_sees(stage, "Remove “web”?"));
    stage_click(stage, "_Remove");
    stage_await_badge(stage, vm, "Removing: can be undone");
}

/* The toast's button comes later than that of the page; both undo it. */
static void test_remove_and_undo(Stage *stage, gconstpointer data)
{
    g_autofree char *path = scripted_vm(&stage->fixture, "web", NULL);
    begin_removal(stage, "web");
    AWAIT(stage_sees(stage, "“web” is going to be removed"));
    stage_click(stage, "_Undo");
    stage_await_badge(stage, "web", "Stopped");
    scripted_assert_string(&stage->fixture, path, "State", "stopped");
}

static void test_remove_cancelled(Stage *stage, gconstpointer data)
{
    g_autofree char *path = scripted_vm(&stage->fixture, "web", NULL);
    stage_choose(stage, "web");
    stage_click(stage, "Remove");
    stage_click(stage, "_Cancel");
    AWAIT(stage_top(stage) == GTK_WIDGET(stage->window));
    scripted_assert_string(&stage->fixture, path, "State", "stopped");
}

/* The time to undo it is the user's; this one has none left. */
static void test_remove_to_the_end(Stage *stage, gconstpointer data)
{
    g_autofree char *path = scripted_vm(&stage->fixture, "web", NULL);
    begin_removal(stage, "web");
    fixture_vm(&stage->fixture, path, "Remove");
    AWAIT(stage_n_rows(stage) == 0);
    AWAIT(stage_sees(stage, "No Virtual Machines"));
    fixture_await_gone(&stage->fixture, path);
}

static void test_start_fails(Stage *stage, gconstpointer data)
{
    g_autofree char *path = scripted_vm(&stage->fixture, "web", "on start exit 1 no disk\n");
    stage_choose(stage, "web");
    stage_click(stage, "Start");
    AWAIT(stage_sees(stage, "“web” could not be started"));
    AWAIT(stage_sees(stage, "The virtual machine could not be started"));
    stage_click(stage, "_Details");
    AWAIT(stage_top(stage) != GTK_WIDGET(stage->window));
    stage_click(stage, "_Close");
}

static void test_daemon_restarts(Stage *stage, gconstpointer data)
{
    g_autofree char *path = scripted_vm(&stage->fixture, "web", NULL);
    scripted_start(&stage->fixture, path);
    stage_choose(stage, "web");
    stage_await_badge(stage, "web", "Running");
    fixture_stop_daemon(&stage->fixture, SIGKILL);
    AWAIT(stage_sees(stage, "The Service Is Not Running"));
    fixture_start_daemon(&stage->fixture);
    stage_await_badge(stage, "web", "Running");
    /* The page is still its. */
    stage_click(stage, "Power Off");
    stage_await_badge(stage, "web", "Stopped");
}

/* What goes while the daemon is away is no row when it is back. */
static void test_ghost(Stage *stage, gconstpointer data)
{
    g_autofree char *ghost = scripted_vm(&stage->fixture, "ghost", NULL);
    g_autofree char *web = scripted_vm(&stage->fixture, "web", NULL);
    g_autofree char *dir = scripted_vm_dir(&stage->fixture, ghost);
    stage_choose(stage, "ghost");
    stage_await_badge(stage, "web", "Stopped");
    fixture_stop_daemon(&stage->fixture, SIGTERM);
    AWAIT(stage_sees(stage, "The Service Is Not Running"));
    const char *argv[] = {"rm", "-rf", dir, NULL};
    g_assert_true(g_spawn_sync(NULL, (char **) argv, NULL, G_SPAWN_SEARCH_PATH, NULL, NULL, NULL, NULL, NULL, NULL));
    fixture_start_daemon(&stage->fixture);
    stage_await_badge(stage, "web", "Stopped");
    g_assert_cmpuint(stage_n_rows(stage), ==, 1);
    AWAIT(stage_sees(stage, "Choose a Virtual Machine"));
}

static void add(void)
{
    STAGE_ADD("/gui/window/appears", test_appears);
    STAGE_ADD("/gui/window/start-and-stop", test_start_and_stop);
    STAGE_ADD("/gui/window/remove-and-undo", test_remove_and_undo);
    STAGE_ADD("/gui/window/remove-cancelled", test_remove_cancelled);
    STAGE_ADD("/gui/window/remove-to-the-end", test_remove_to_the_end);
    STAGE_ADD("/gui/window/start-fails", test_start_fails);
    STAGE_ADD("/gui/window/daemon-restarts", test_daemon_restarts);
    STAGE_ADD("/gui/window/ghost", test_ghost);
}

int main(int argc, char **argv)
{
    return stage_main(argc, argv, add);
}
