/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <signal.h>
#include <sys/wait.h>

#include "scripted.h"
#include "src/core/names.h"

/* Many removals at once. */

#define VMS 24u
#define AT_ONCE 16u /* src/vm/turn.c */

static char *name_of(guint i)
{
    return g_strdup_printf("web%u", i);
}

static void make_running(Fixture *fixture, char *paths[VMS], const char *script)
{
    for (guint i = 0; i < VMS; i++) {
        g_autofree char *name = name_of(i);
        paths[i] = scripted_vm(fixture, name, script);
        scripted_start(fixture, paths[i]);
    }
}

static void await_asked(Fixture *fixture, guint i)
{
    g_autofree char *name = name_of(i);
    scripted_await(fixture, name, "qmp quit", 1);
}

static void await_gone(Fixture *fixture, char *paths[VMS])
{
    for (guint i = 0; i < VMS; i++) {
        fixture_await_gone(fixture, paths[i]);
        g_free(paths[i]);
    }
    fixture_assert_clean(fixture);
}

static void remove_all(Fixture *fixture, char *paths[VMS])
{
    for (guint i = 0; i < VMS; i++)
        fixture_vm(fixture, paths[i], "Remove");
}

/* They are ended some at a time, so that the others' ends leave the processors to everybody; who does not end
 * makes room for the next after a while. */
static void test_turns(Fixture *fixture, gconstpointer unused)
{
    char *paths[VMS];
    make_running(fixture, paths, "on quit wait go");
    gint64 begin = g_get_monotonic_time();
    remove_all(fixture, paths);
    for (guint i = 0; i < VMS; i++)
        scripted_assert_string(fixture, paths[i], "State", "removing");
    await_asked(fixture, AT_ONCE - 1);
    await_asked(fixture, VMS - 1);
    g_assert_cmpint(g_get_monotonic_time() - begin, >, G_USEC_PER_SEC / 2);
    scripted_touch(fixture, "go");
    await_gone(fixture, paths);
}

static void test_all_go(Fixture *fixture, gconstpointer unused)
{
    char *paths[VMS];
    make_running(fixture, paths, NULL);
    remove_all(fixture, paths);
    await_gone(fixture, paths);
}

/* The daemon goes while some wait for their turn: another one goes on. */
static void restart(Fixture *fixture, int signal)
{
    char *paths[VMS];
    make_running(fixture, paths, "on quit wait go");
    remove_all(fixture, paths);
    fixture_stop_daemon(fixture, signal);
    fixture_start_daemon(fixture);
    scripted_touch(fixture, "go");
    await_gone(fixture, paths);
}

static void test_killed(Fixture *fixture, gconstpointer unused)
{
    restart(fixture, SIGKILL);
}

static void test_stopped(Fixture *fixture, gconstpointer unused)
{
    restart(fixture, SIGTERM);
    g_assert_true(WIFEXITED(fixture->daemon_status) && WEXITSTATUS(fixture->daemon_status) == 0);
}

static void add(void)
{
    SCRIPTED_ADD("/removal/M15/many-end-in-turns", "PowerOffTimeoutSec=60\n", test_turns);
    SCRIPTED_ADD("/removal/M15/many-at-once", "", test_all_go);
    SCRIPTED_ADD("/removal/M15/many-and-a-kill", "", test_killed);
    SCRIPTED_ADD("/removal/M15/many-and-a-stop", "", test_stopped);
}

int main(int argc, char **argv)
{
    return scripted_main(argc, argv, add);
}
