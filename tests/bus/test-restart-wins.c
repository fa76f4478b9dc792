/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "restart-scene.h"
#include "src/core/names.h"
#include "tests/lib/preloads/hold.h"

/* Who wins over a restart: in its back-off, when it is due, and when it has begun. */

typedef struct {
    const char *method, *options, *state;
} Winner;

static const Winner winners[] = {
    {"PowerOff", "@a{sv} {}", "stopped"},
    {"Shutdown", "@a{sv} {}", "stopped"},
    {"Remove", "{'grace-seconds': <uint32 600>}", "removing"},
    {"Remove", "@a{sv} {}", NULL},
};

static void begin_winner(Fixture *fixture, const char *path, const Winner *winner)
{
    g_autoptr(GVariant) options = g_variant_ref_sink(g_variant_new_parsed(winner->options));
    g_variant_unref(fixture_call(fixture, path, BERTH_IFACE_VM, winner->method, g_variant_new("(@a{sv})", options)));
}

static void assert_won(Fixture *fixture, const char *path, const Winner *winner, guint starts)
{
    if (!winner->state) {
        fixture_await_gone(fixture, path);
        await_silence(SOON_MSEC);
        assert_starts(fixture, starts);
        return;
    }
    assert_stays(fixture, path, winner->state, starts);
    fixture_restart_daemon(fixture);
    assert_stays(fixture, path, winner->state, starts);
    if (g_str_equal(winner->state, "removing")) {
        fixture_vm(fixture, path, "CancelRemoval"); /* nor does it come back to life by itself then */
        assert_stays(fixture, path, "exited", starts);
        fixture_restart_daemon(fixture);
        assert_stays(fixture, path, "exited", starts);
    }
}

/* In its back-off. */
static void win_over_pause(Fixture *fixture, gconstpointer winner)
{
    g_autofree char *path = waiting(fixture, "{'restart': <'always'>, " LONG_PAUSE "}");
    begin_winner(fixture, path, winner);
    assert_won(fixture, path, winner, 1);
}

/* The same where the daemon that had decided that is gone. */
static void win_over_taken_pause(Fixture *fixture, gconstpointer winner)
{
    g_autofree char *path = waiting(fixture, "{'restart': <'always'>, " LONG_PAUSE "}");
    fixture_stop_daemon(fixture, SIGKILL);
    fixture_start_daemon(fixture);
    scripted_assert_string(fixture, path, "State", "exited");
    g_assert_cmpuint(next_start(fixture, path), >, 0);
    begin_winner(fixture, path, winner);
    assert_won(fixture, path, winner, 1);
}

/* Another VM that is starting has the only turn. */
static char *hold_turn(Fixture *fixture)
{
    char *path = scripted_vm_with(fixture, "holder", "{'restart': <'always'>}", NULL);
    fixture_vm(fixture, path, "Start");
    scripted_write(fixture, "holder", "on query-status wait go");
    kill_qemu(fixture, path);
    fixture_await_state(fixture, path, "starting");
    return path;
}

/* It is due, and another's turn. */
static void win_over_wait(Fixture *fixture, gconstpointer winner)
{
    g_autofree char *holder = hold_turn(fixture);
    g_autofree char *path = waiting(fixture, "{'restart': <'always'>}");
    await_silence(SOON_MSEC);
    scripted_assert_string(fixture, path, "State", "exited");
    g_assert_cmpuint(next_start(fixture, path), <, (guint64) g_get_real_time());
    begin_winner(fixture, path, winner);
    scripted_touch(fixture, "go");
    assert_won(fixture, path, winner, 1);
    fixture_await_state(fixture, holder, "running");
}

/* It is being started again; what ends that makes room for the next. */
static void win_over_start(Fixture *fixture, gconstpointer winner)
{
    g_autofree char *path = scripted_running(fixture, "{'restart': <'always'>}", NULL);
    g_autofree char *next = scripted_vm_with(fixture, "next", "{'restart': <'always'>}", NULL);
    scripted_start(fixture, next);
    scripted_write(fixture, "web", "on query-status wait go");
    kill_qemu(fixture, path);
    scripted_await(fixture, "web", "start", 2);
    kill_qemu(fixture, next);
    fixture_await_state(fixture, next, "exited");
    begin_winner(fixture, path, winner);
    await_restart(fixture, next, 1);
    scripted_touch(fixture, "go");
    const Winner half = {.state = "stopped"};
    if (g_strcmp0(((const Winner *) winner)->state, "removing") == 0) {
        fixture_vm(fixture, path, "CancelRemoval"); /* half a start is not worth a grace time */
        winner = &half;
    }
    assert_won(fixture, path, winner, 2);
}

static void test_start_wins(Fixture *fixture, gconstpointer unused)
{
    g_autofree char *holder = hold_turn(fixture);
    g_autofree char *path = waiting(fixture, "{'restart': <'always'>}");
    await_silence(SOON_MSEC);
    fixture_vm(fixture, path, "Start"); /* waits for nobody's turn */
    assert_starts(fixture, 2);
    scripted_touch(fixture, "go");
    fixture_await_state(fixture, holder, "running");
    assert_n_restarts(fixture, path, 0);
    assert_starts(fixture, 2);
}

/* There are more turns from now on. */
static void test_more_turns(Fixture *fixture, gconstpointer unused)
{
    g_autofree char *holder = hold_turn(fixture);
    g_autofree char *path = waiting(fixture, "{'restart': <'always'>}");
    await_silence(SOON_MSEC);
    scripted_assert_string(fixture, path, "State", "exited");
    scripted_configure(fixture, "\nMaxConcurrentStarts=2\n");
    scripted_reload(fixture, 0, 0, 0);
    fixture_await_state(fixture, path, "running");
    scripted_assert_string(fixture, holder, "State", "starting");
    scripted_touch(fixture, "go");
}

/* It ends, and its restart comes due, while something of it is being written. */
static void while_held(Fixture *fixture, const char *point, const char *method, GVariant *parameters,
                       void (*then)(Fixture *fixture, const char *path))
{
    g_autofree char *holds = g_build_filename(fixture->dir, "holds", NULL);
    Hold *hold = hold_new(holds, g_getenv("BERTH_HOLD_PRELOAD"), &fixture->environ);
    fixture_start_daemon(fixture);
    g_autofree char *path = scripted_running(fixture, "{'restart': <'always'>}", NULL);
    hold_at(hold, point);
    FixtureCall *call = fixture_begin(fixture, path, BERTH_IFACE_VM, method, parameters);
    hold_await(hold, point);
    kill_qemu(fixture, path);
    fixture_await_state(fixture, path, "exited");
    g_assert_cmpuint(next_start(fixture, path), >, 0);
    await_silence(SOON_MSEC);
    scripted_assert_string(fixture, path, "State", "exited");
    assert_starts(fixture, 1);
    hold_release(hold);
    scripted_succeeds(call);
    then(fixture, path);
    hold_free(hold);
}

static void assert_gone_unstarted(Fixture *fixture, const char *path)
{
    fixture_await_gone(fixture, path);
    assert_starts(fixture, 1);
}

static void assert_restarted(Fixture *fixture, const char *path)
{
    await_restart(fixture, path, 1);
}

static void test_due_during_remove(Fixture *fixture, gconstpointer unused)
{
    while_held(fixture, HOLD_MARK, "Remove", g_variant_new_parsed("(@a{sv} {},)"), assert_gone_unstarted);
}

static void test_due_during_configure(Fixture *fixture, gconstpointer unused)
{
    while_held(fixture, HOLD_SAVE, "Configure", g_variant_new_parsed("({'description': <'more'>}, @a{sv} {})"),
               assert_restarted);
}

#define ADD_WINNER(i, name)                                                                                            \
    static void test_pause_##name(Fixture *fixture, gconstpointer unused)                                              \
    {                                                                                                                  \
        win_over_pause(fixture, &winners[i]);                                                                          \
    }                                                                                                                  \
    static void test_taken_##name(Fixture *fixture, gconstpointer unused)                                              \
    {                                                                                                                  \
        win_over_taken_pause(fixture, &winners[i]);                                                                    \
    }                                                                                                                  \
    static void test_wait_##name(Fixture *fixture, gconstpointer unused)                                               \
    {                                                                                                                  \
        win_over_wait(fixture, &winners[i]);                                                                           \
    }
#define ADD_WINNER_OVER_START(i, name)                                                                                 \
    static void test_start_##name(Fixture *fixture, gconstpointer unused)                                              \
    {                                                                                                                  \
        win_over_start(fixture, &winners[i]);                                                                          \
    }
ADD_WINNER(0, power_off)
ADD_WINNER(1, shutdown)
ADD_WINNER(2, remove_later)
ADD_WINNER(3, remove)
ADD_WINNER_OVER_START(0, power_off)
ADD_WINNER_OVER_START(2, remove_later)
ADD_WINNER_OVER_START(3, remove)

#define ADD(path, func) SCRIPTED_ADD("/restart/" path, SOON, func)
#define ADD_ONE(path, func) SCRIPTED_ADD(path, SOON "\n[Manager]\nMaxConcurrentStarts=1", func)
#define ADD_HELD(path, func) g_test_add(path, Fixture, SOON, scripted_prepare, func, fixture_tear_down)

static void add(void)
{
    ADD("pause/power-off", test_pause_power_off);
    ADD("pause/shutdown", test_pause_shutdown);
    SCRIPTED_ADD("/removal/M04/restart-due-grace", SOON, test_pause_remove_later);
    SCRIPTED_ADD("/removal/M20/restart-due", SOON, test_pause_remove);
    ADD("taken-over/power-off", test_taken_power_off);
    ADD("taken-over/shutdown", test_taken_shutdown);
    SCRIPTED_ADD("/removal/M04/restart-taken-over-grace", SOON, test_taken_remove_later);
    SCRIPTED_ADD("/removal/M20/restart-taken-over", SOON, test_taken_remove);
    SCRIPTED_ADD("/restart/more-turns", SOON "\nStartTimeoutSec=600\n[Manager]\nMaxConcurrentStarts=1",
                 test_more_turns);
    ADD_ONE("/restart/in-line/power-off", test_wait_power_off);
    ADD_ONE("/restart/in-line/shutdown", test_wait_shutdown);
    ADD_ONE("/removal/M04/restart-in-line-grace", test_wait_remove_later);
    ADD_ONE("/removal/M20/restart-in-line", test_wait_remove);
    ADD_ONE("/restart/starting/power-off", test_start_power_off);
    ADD_ONE("/removal/M20/restarting-grace", test_start_remove_later);
    ADD_ONE("/removal/M20/restarting", test_start_remove);
    ADD_ONE("/restart/in-line/start", test_start_wins);
    ADD_HELD("/removal/M20/restart-during-remove", test_due_during_remove);
    ADD_HELD("/restart/during-configure", test_due_during_configure);
}

int main(int argc, char **argv)
{
    return scripted_main(argc, argv, add);
}
