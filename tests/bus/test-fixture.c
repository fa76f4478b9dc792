/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <signal.h>

#include "src/core/names.h"
#include "tests/lib/await.h"
#include "tests/lib/fixture.h"
#include "tests/lib/test-cgroup.h"

/* The fixture itself, with a QEMU in a scope: what other tests rely on. */

static GVariant *small(void)
{
    GVariantDict dict;
    g_variant_dict_init(&dict, NULL);
    g_variant_dict_insert(&dict, "memory", "t", (guint64) 64 << 20);
    return g_variant_dict_end(&dict);
}

/* One VM's whole life; its process is in the scope that the fake says, and gone at the end. */
static void test_life(Fixture *fixture, gconstpointer unused)
{
    g_autofree char *path = fixture_create(fixture, "web", small());
    g_autofree char *unit = fixture_unit(fixture, path);
    g_autofree char *cgroup = fake_systemd_cgroup(fixture->systemd, unit);
    g_autoptr(Recorder) recorder = recorder_new(fixture->client, BERTH_BUS_NAME, path);
    fixture_vm(fixture, path, "Start");
    fixture_await_state(fixture, path, "running");
    g_assert_false(test_cgroup_is_empty(cgroup));
    g_autofree char *active = fake_systemd_state(fixture->systemd, unit);
    g_assert_cmpstr(active, ==, "active");
    fixture_vm_fails(fixture, path, "Start", "WrongState", "web");
    fixture_vm(fixture, path, "PowerOff");
    fixture_await_state(fixture, path, "stopped");
    g_assert_true(test_cgroup_is_empty(cgroup));
    fixture_vm(fixture, path, "Remove");
    fixture_await_gone(fixture, path);
    fixture_call_fails(fixture, BERTH_PATH_ROOT, BERTH_IFACE_MANAGER, "GetVM", g_variant_new("(s)", "web"), "NotFound",
                       "web");
    g_autofree char *states = recorder_words(recorder, "State");
    g_assert_cmpstr(states, ==, "starting running stopping stopped removing");
    g_assert_true(recorder_ends_with_removal(recorder));
    fixture_assert_clean(fixture);
}

/* The guest runs on while the daemon does not. */
static void test_restart_daemon(Fixture *fixture, gconstpointer unused)
{
    g_autofree char *path = fixture_create(fixture, "web", small());
    fixture_vm(fixture, path, "Start");
    guint32 pid = fixture_get_uint(fixture, path, "PID");
    g_assert_cmpuint(pid, >, 0);
    fixture_restart_daemon(fixture);
    fixture_await_state(fixture, path, "running");
    g_assert_cmpuint(fixture_get_uint(fixture, path, "PID"), ==, pid);
    g_assert_cmpint(kill((pid_t) pid, 0), ==, 0);
}

static void test_restart_bus(Fixture *fixture, gconstpointer unused)
{
    g_autofree char *path = fixture_create(fixture, "web", small());
    fixture_vm(fixture, path, "Start");
    fixture_restart_bus(fixture);
    fixture_await_state(fixture, path, "running");
    fixture_vm(fixture, path, "PowerOff");
    fixture_await_state(fixture, path, "stopped");
}

/* systemd can be held, and made to fail. */
static void test_held(Fixture *fixture, gconstpointer unused)
{
    FakeService *service = fake_systemd_service(fixture->systemd);
    g_autofree char *path = fixture_create(fixture, "web", small());
    fake_service_hold(service, "StartTransientUnit");
    g_autoptr(FixtureCall) start =
        fixture_begin(fixture, path, BERTH_IFACE_VM, "Start", g_variant_new("(a{sv})", NULL));
    AWAIT(fake_service_count(service, "StartTransientUnit") == 1);
    fixture_await_state(fixture, path, "starting");
    g_assert_false(start->done);
    fake_service_release(service, "StartTransientUnit");
    AWAIT(start->done);
    g_assert_no_error(start->error);
    fixture_vm(fixture, path, "PowerOff");
    fake_service_fail(service, "StartTransientUnit", "org.freedesktop.DBus.Error.LimitsExceeded", 5);
    fixture_vm_fails(fixture, path, "Start", "StartFailed", "LimitsExceeded");
}

static void test_polkit(Fixture *fixture, gconstpointer unused)
{
    g_autoptr(GDBusConnection) user = private_bus_connect_as(fixture->bus, 65534);
    g_autofree char *path = fixture_create(fixture, "web", small());
    fake_polkit_set(fixture->polkit, BERTH_ACTION_REMOVE, FAKE_POLKIT_NO);
    g_autoptr(GError) error = NULL;
    g_autoptr(GVariant) answer = g_dbus_connection_call_sync(user, BERTH_BUS_NAME, path, BERTH_IFACE_VM, "Remove",
                                                             g_variant_new("(a{sv})", NULL), NULL,
                                                             G_DBUS_CALL_FLAGS_NONE, FIXTURE_CALL_MSEC, NULL, &error);
    g_assert_error(error, G_DBUS_ERROR, G_DBUS_ERROR_ACCESS_DENIED);
    g_assert_cmpuint(fake_polkit_asked(fixture->polkit, BERTH_ACTION_REMOVE), ==, 1);
    g_autofree char *state = fixture_get_string(fixture, path, "State");
    g_assert_cmpstr(state, ==, "stopped");
}

#define ADD(path, func) g_test_add("/fixture/" path, Fixture, NULL, fixture_set_up, func, fixture_tear_down)

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_autofree char *missing = fixture_missing();
    if (missing) {
        g_print("1..0 # SKIP %s\n", missing);
        return 0;
    }
    ADD("life", test_life);
    ADD("restart-daemon", test_restart_daemon);
    ADD("restart-bus", test_restart_bus);
    ADD("held", test_held);
    ADD("polkit", test_polkit);
    return g_test_run();
}
