/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <glib/gstdio.h>
#include <signal.h>
#include <string.h>

#include "removal-scene.h"
#include "tests/lib/preloads/hold.h"

/* A removal with a grace time, and what takes it back or cuts it short: durably. */

static void assert_in_grace(Fixture *fixture, const char *path)
{
    scripted_assert_string(fixture, path, "State", "removing");
    scripted_assert_string(fixture, path, "RemovalPhase", "grace");
}

/* Taken back */

static void take_back(Fixture *fixture, const char *path, gboolean restart, const char *state)
{
    pid_t pid = (pid_t) fixture_get_uint(fixture, path, "PID");
    scripted_remove(fixture, path, REMOVAL_GRACE);
    g_assert_true(removal_has_marker(fixture, path));
    if (restart)
        fixture_restart_daemon(fixture);
    assert_in_grace(fixture, path);
    fixture_vm_fails(fixture, path, "Start", "Removing", "web");
    fixture_vm(fixture, path, "CancelRemoval");
    g_assert_false(removal_has_marker(fixture, path));
    fixture_await_state(fixture, path, state); /* whoever has found that out, and when */
    if (restart)
        fixture_restart_daemon(fixture);
    fixture_await_state(fixture, path, state);
    scripted_assert_string(fixture, path, "RemovalPhase", "");
    g_assert_cmpint((pid_t) fixture_get_uint(fixture, path, "PID"), ==, pid);
    fixture_vm_fails(fixture, path, "CancelRemoval", "WrongState", "web");
}

static void take_back_everywhere(Fixture *fixture, gboolean restart)
{
    g_autofree char *path = scripted_vm(fixture, "web", NULL);
    take_back(fixture, path, restart, "stopped");
    fixture_vm(fixture, path, "Start");
    take_back(fixture, path, restart, "running");
    fixture_vm(fixture, path, "Pause");
    take_back(fixture, path, restart, "paused");
    fixture_vm(fixture, path, "Resume");
    scripted_assert_wanted(fixture, path, TRUE);
}

static void test_taken_back(Fixture *fixture, gconstpointer unused)
{
    take_back_everywhere(fixture, FALSE);
}

static void test_taken_back_restart(Fixture *fixture, gconstpointer unused)
{
    take_back_everywhere(fixture, TRUE);
}

/* A Shutdown ends with the removal: how a guest ends that it has not powered down is its own affair again. */
static void test_taken_back_shutdown(Fixture *fixture, gconstpointer unused)
{
    g_autofree char *path = scripted_running(fixture, "{}", "on system_powerdown ignore");
    pid_t qemu = scripted_qemu(fixture, path);
    fixture_vm(fixture, path, "Shutdown");
    scripted_remove(fixture, path, REMOVAL_GRACE);
    fixture_vm(fixture, path, "CancelRemoval");
    scripted_assert_string(fixture, path, "State", "running");
    g_assert_cmpint(kill(qemu, SIGKILL), ==, 0);
    fixture_await_state(fixture, path, "exited");
    scripted_assert_string(fixture, path, "ExitReason", "killed");
}

/* The disk does not take it back: it goes on, and says so. */
static void test_not_taken_back(Fixture *fixture, gconstpointer unused)
{
    g_autofree char *path = scripted_running(fixture, "{}", NULL);
    g_autofree char *dir = scripted_vm_dir(fixture, path);
    scripted_remove(fixture, path, REMOVAL_GRACE);
    if (!scripted_set_immutable(dir, TRUE)) {
        g_test_skip("files can't be made immutable here");
        return;
    }
    fixture_vm_fails(fixture, path, "CancelRemoval", "StorageFailed", "");
    assert_in_grace(fixture, path);
    g_assert_true(scripted_set_immutable(dir, FALSE));
    fixture_vm(fixture, path, "CancelRemoval");
    scripted_assert_string(fixture, path, "State", "running");
}

/* Half a start, or half a PowerOff, is not worth a grace time: it ends, and is seen to. */

static void take_back_starting(Fixture *fixture, gboolean when_ended)
{
    g_autofree char *path = scripted_vm(fixture, "web", "on query-status wait never");
    FixtureCall *start = scripted_begin(fixture, path, "Start");
    scripted_await(fixture, "web", "qmp query-status", 1);
    scripted_remove(fixture, path, REMOVAL_GRACE);
    scripted_fails(start, "Cancelled", "");
    if (when_ended)
        fixture_await_property(fixture, path, "PID", g_variant_new_uint32(0));
    fixture_vm(fixture, path, "CancelRemoval");
    fixture_await_state(fixture, path, "stopped");
    scripted_assert_nobody(fixture, path);
    scripted_write(fixture, "web", NULL);
    fixture_vm(fixture, path, "Start");
}

static void test_taken_back_starting(Fixture *fixture, gconstpointer unused)
{
    take_back_starting(fixture, FALSE);
}

static void test_taken_back_started(Fixture *fixture, gconstpointer unused)
{
    take_back_starting(fixture, TRUE);
}

static void test_taken_back_powering_off(Fixture *fixture, gconstpointer unused)
{
    g_autofree char *path = scripted_running(fixture, "{}", "on quit wait go");
    FixtureCall *power_off = scripted_begin(fixture, path, "PowerOff");
    scripted_await(fixture, "web", "qmp quit", 1);
    scripted_remove(fixture, path, REMOVAL_GRACE);
    fixture_vm(fixture, path, "CancelRemoval");
    scripted_assert_string(fixture, path, "State", "stopping");
    scripted_touch(fixture, "go");
    scripted_succeeds(power_off);
    fixture_await_state(fixture, path, "stopped");
}

/* What befell the guest meanwhile is judged when it is taken back, as if nothing had been asked. */

static void end_meanwhile(Fixture *fixture, const char *script, const char *state, gboolean wanted)
{
    g_autofree char *path = scripted_vm_with(fixture, "web", "{'restart': <'on-failure'>}", script);
    fixture_vm(fixture, path, "Start");
    scripted_remove(fixture, path, REMOVAL_GRACE);
    scripted_touch(fixture, "go");
    fixture_await_property(fixture, path, "PID", g_variant_new_uint32(0));
    assert_in_grace(fixture, path);
    scripted_write(fixture, "web", NULL);
    fixture_vm(fixture, path, "CancelRemoval");
    fixture_await_state(fixture, path, state);
    fixture_await_property(fixture, path, "WantRunning", g_variant_new_boolean(wanted));
    await_silence(2300); /* nor is it started again: Remove wins over a restart */
    scripted_assert_string(fixture, path, "State", state);
    fixture_vm(fixture, path, "Start");
}

static void test_powered_off_meanwhile(Fixture *fixture, gconstpointer unused)
{
    end_meanwhile(fixture, "on file go shutdown", "stopped", FALSE);
}

static void test_crashed_meanwhile(Fixture *fixture, gconstpointer unused)
{
    end_meanwhile(fixture, "on file go crash 11", "exited", TRUE);
}

/* Over */

static void test_over(Fixture *fixture, gconstpointer unused)
{
    g_autofree char *path = scripted_running(fixture, "{}", NULL);
    int pidfd = scripted_pidfd(scripted_qemu(fixture, path));
    g_autoptr(Recorder) recorder = recorder_new(fixture->client, BERTH_BUS_NAME, path);
    scripted_remove(fixture, path, "{'grace-seconds': <uint32 1>}");
    removal_assert_gone(fixture, path);
    g_autofree char *phases = recorder_words(recorder, "RemovalPhase");
    g_assert_true(g_str_has_prefix(phases, "grace stopping"));
    scripted_await_dead(pidfd);
}

/* It passes while no daemon is there to see it. */
static void test_over_meanwhile(Fixture *fixture, gconstpointer unused)
{
    g_autofree char *path = scripted_running(fixture, "{}", NULL);
    g_autofree char *id = fixture_get_string(fixture, path, "Id");
    int pidfd = scripted_pidfd(scripted_qemu(fixture, path));
    scripted_remove(fixture, path, REMOVAL_GRACE);
    fixture_stop_daemon(fixture, SIGKILL);
    removal_age_marker(fixture, id, g_get_real_time() - 1);
    g_assert_false(scripted_is_dead(pidfd));
    fixture_start_daemon(fixture);
    removal_assert_gone(fixture, path);
    scripted_await_dead(pidfd);
}

/* It passes while CancelRemoval is on its way to the disk: who asked in time is in time. */
static void test_over_while_taken_back(Fixture *fixture, gconstpointer unused)
{
    g_autofree char *holds = g_build_filename(fixture->dir, "hold", NULL);
    Hold *hold = hold_new(holds, g_getenv("BERTH_HOLD_PRELOAD"), &fixture->environ);
    fixture_start_daemon(fixture);
    g_autofree char *path = scripted_running(fixture, "{}", NULL);
    pid_t pid = scripted_qemu(fixture, path);
    hold_at(hold, HOLD_UNMARK);
    scripted_remove(fixture, path, "{'grace-seconds': <uint32 5>}");
    FixtureCall *cancel = scripted_begin(fixture, path, "CancelRemoval");
    hold_await(hold, HOLD_UNMARK);
    await_silence(5200);
    assert_in_grace(fixture, path);
    hold_release(hold);
    scripted_succeeds(cancel);
    scripted_assert_string(fixture, path, "State", "running");
    g_assert_cmpint(scripted_qemu(fixture, path), ==, pid);
    hold_free(hold);
}

/* Longer than a timer of 32 bits of milliseconds: that is not over when those have gone round. */
static void test_for_ages(Fixture *fixture, gconstpointer unused)
{
    g_autofree char *path = scripted_vm(fixture, "web", NULL);
    g_autofree char *id = fixture_get_string(fixture, path, "Id");
    scripted_remove(fixture, path, REMOVAL_GRACE);
    fixture_stop_daemon(fixture, SIGKILL);
    removal_age_marker(fixture, id, g_get_real_time() + ((G_GINT64_CONSTANT(1) << 32) + 500) * 1000);
    fixture_start_daemon(fixture);
    await_silence(1500); /* what does not pass is the time itself */
    assert_in_grace(fixture, path);
    fixture_vm(fixture, path, "CancelRemoval");
}

/* A directory that lies among the doomed has none left, whatever its marker and the clock say. */
static void test_doomed_has_none(Fixture *fixture, gconstpointer unused)
{
    g_autofree char *path = scripted_vm(fixture, "web", NULL);
    g_autofree char *dir = scripted_vm_dir(fixture, path);
    g_autofree char *id = fixture_get_string(fixture, path, "Id");
    g_autofree char *text = NULL;
    g_autofree char *definition = scripted_vm_file(fixture, path, BERTH_FILE_DEFINITION);
    scripted_remove(fixture, path, REMOVAL_GRACE);
    fixture_stop_daemon(fixture, SIGKILL);
    g_assert_true(g_file_get_contents(definition, &text, NULL, NULL));
    g_autoptr(GRegex) regex = g_regex_new("\"incarnation\"\\s*:\\s*\"([^\"]+)\"", 0, 0, NULL);
    g_autoptr(GMatchInfo) match = NULL;
    g_assert_true(g_regex_match(regex, text, 0, &match));
    g_autofree char *incarnation = g_match_info_fetch(match, 1);
    g_autofree char *name = g_strconcat(id, ".", incarnation, NULL);
    g_autofree char *doomed = g_build_filename(fixture->state_dir, BERTH_DIR_REMOVING, name, NULL);
    g_assert_cmpint(g_rename(dir, doomed), ==, 0);
    fixture_start_daemon(fixture);
    removal_assert_gone(fixture, path);
}

/* A link is doomed at once, and comes back all the same. */
static void test_link_taken_back(Fixture *fixture, gconstpointer unused)
{
    g_autofree char *path = scripted_vm(fixture, "web", NULL);
    g_autofree char *dir = scripted_vm_dir(fixture, path);
    g_autofree char *real = g_build_filename(fixture->dir, "real", NULL);
    fixture_stop_daemon(fixture, SIGTERM);
    g_assert_cmpint(g_rename(dir, real), ==, 0);
    removal_make_link(real, dir);
    fixture_start_daemon(fixture);
    scripted_remove(fixture, path, REMOVAL_GRACE);
    g_assert_false(g_file_test(dir, G_FILE_TEST_IS_SYMLINK));
    fixture_vm(fixture, path, "CancelRemoval");
    scripted_assert_string(fixture, path, "State", "broken");
    g_assert_true(g_file_test(dir, G_FILE_TEST_IS_SYMLINK));
    scripted_remove(fixture, path, REMOVAL_GRACE);
    removal_and_await(fixture, path);
}

/* Cut short: the earliest end that anybody asked for counts. */

static void assert_cut_short(Fixture *fixture, const char *options, gboolean restart)
{
    g_autofree char *path = scripted_running(fixture, "{}", "on quit wait go");
    scripted_remove(fixture, path, REMOVAL_GRACE);
    scripted_remove(fixture, path, options);
    if (restart)
        fixture_restart_daemon(fixture); /* it is durable */
    removal_await_phase(fixture, path, "stopping");
    fixture_vm_fails(fixture, path, "CancelRemoval", "WrongState", "web");
    scripted_touch(fixture, "go");
    removal_assert_gone(fixture, path);
}

static void test_cut_short(Fixture *fixture, gconstpointer unused)
{
    assert_cut_short(fixture, "@a{sv} {}", FALSE);
}

static void test_cut_short_restart(Fixture *fixture, gconstpointer unused)
{
    assert_cut_short(fixture, "@a{sv} {}", TRUE);
}

static void test_shortened(Fixture *fixture, gconstpointer unused)
{
    assert_cut_short(fixture, "{'grace-seconds': <uint32 1>}", FALSE);
}

static void test_shortened_restart(Fixture *fixture, gconstpointer unused)
{
    assert_cut_short(fixture, "{'grace-seconds': <uint32 1>}", TRUE);
}

/* Asking for more does not give it, nor does asking again after a restart. */
static void test_not_prolonged(Fixture *fixture, gconstpointer unused)
{
    g_autofree char *path = scripted_running(fixture, "{}", NULL);
    scripted_remove(fixture, path, "{'grace-seconds': <uint32 1>}");
    scripted_remove(fixture, path, REMOVAL_GRACE);
    removal_assert_gone(fixture, path);
}

static void test_not_cut_short(Fixture *fixture, gconstpointer unused)
{
    g_autofree char *path = scripted_running(fixture, "{}", NULL);
    g_autofree char *dir = scripted_vm_dir(fixture, path);
    scripted_remove(fixture, path, REMOVAL_GRACE);
    if (!scripted_set_immutable(dir, TRUE)) {
        g_test_skip("files can't be made immutable here");
        return;
    }
    fixture_vm_fails(fixture, path, "Remove", "StorageFailed", "");
    assert_in_grace(fixture, path);
    g_assert_true(scripted_set_immutable(dir, FALSE));
    fixture_restart_daemon(fixture);
    assert_in_grace(fixture, path);
    removal_and_await(fixture, path);
}

static void add(void)
{
    REMOVAL_ADD("grace/taken-back", test_taken_back);
    REMOVAL_ADD("grace/taken-back-restart", test_taken_back_restart);
    REMOVAL_ADD("grace/taken-back-shutdown", test_taken_back_shutdown);
    REMOVAL_ADD("grace/taken-back-starting", test_taken_back_starting);
    REMOVAL_ADD("grace/taken-back-starting-ended", test_taken_back_started);
    REMOVAL_ADD_PATIENT("grace/taken-back-powering-off", test_taken_back_powering_off);
    REMOVAL_ADD("grace/not-taken-back", test_not_taken_back);
    REMOVAL_ADD("grace/powered-off-meanwhile", test_powered_off_meanwhile);
    REMOVAL_ADD("grace/crashed-meanwhile", test_crashed_meanwhile);
    REMOVAL_ADD("grace/over", test_over);
    REMOVAL_ADD("grace/over-meanwhile", test_over_meanwhile);
    REMOVAL_ADD("grace/for-ages", test_for_ages);
    REMOVAL_ADD_APART("grace/over-while-taken-back", test_over_while_taken_back);
    REMOVAL_ADD("grace/doomed-has-none", test_doomed_has_none);
    REMOVAL_ADD("grace/link-taken-back", test_link_taken_back);
    REMOVAL_ADD_PATIENT("grace/cut-short", test_cut_short);
    REMOVAL_ADD_PATIENT("grace/cut-short-restart", test_cut_short_restart);
    REMOVAL_ADD_PATIENT("grace/shortened", test_shortened);
    REMOVAL_ADD_PATIENT("grace/shortened-restart", test_shortened_restart);
    REMOVAL_ADD("grace/not-prolonged", test_not_prolonged);
    REMOVAL_ADD("grace/not-cut-short", test_not_cut_short);
}

int main(int argc, char **argv)
{
    return scripted_main(argc, argv, add);
}
