/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "restart-scene.h"

#include <signal.h>

#include "src/core/names.h"

void kill_qemu(Fixture *fixture, const char *path)
{
    pid_t pid = (pid_t) fixture_get_uint(fixture, path, "PID");
    g_assert_cmpint(pid, >, 0);
    kill(pid, SIGKILL);
}

guint64 next_start(Fixture *fixture, const char *path)
{
    g_autoptr(GVariant) value = fixture_get(fixture, path, BERTH_IFACE_VM, "NextStart");
    return g_variant_get_uint64(value);
}

void assert_next_start_told(const Recorder *recorder, guint64 when)
{
    g_autoptr(GVariant) told = recorder_last(recorder, "NextStart");
    g_assert_nonnull(told);
    g_assert_cmpuint(g_variant_get_uint64(told), ==, when);
}

char *waiting(Fixture *fixture, const char *config)
{
    char *path = scripted_running(fixture, config, NULL);
    g_autoptr(Recorder) recorder = recorder_new(fixture->client, BERTH_BUS_NAME, path);
    kill_qemu(fixture, path);
    fixture_await_state(fixture, path, "exited");
    g_assert_cmpuint(next_start(fixture, path), >, 0);
    assert_next_start_told(recorder, next_start(fixture, path));
    return path;
}

void await_restart(Fixture *fixture, const char *path, guint n)
{
    fixture_await_property(fixture, path, "NRestarts", g_variant_new_uint32(n));
    fixture_await_state(fixture, path, "running");
}

void assert_starts(Fixture *fixture, guint n)
{
    g_assert_cmpuint(scripted_count(fixture, "web", "start"), ==, n);
}

void assert_n_restarts(Fixture *fixture, const char *path, guint n)
{
    g_assert_cmpuint(fixture_get_uint(fixture, path, "NRestarts"), ==, n);
}

void assert_stays(Fixture *fixture, const char *path, const char *state, guint starts)
{
    g_assert_cmpuint(next_start(fixture, path), ==, 0);
    await_silence(SOON_MSEC);
    scripted_assert_string(fixture, path, "State", state);
    g_assert_cmpuint(next_start(fixture, path), ==, 0);
    assert_starts(fixture, starts);
}
