/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <string.h>
#include <unistd.h>

#include "scene.h"

/* What the real polkit lets an ordinary user do, who has no session: to look, until a rule says more. */

#define ALICE 60101 /* of every bed */
#define DENIED "org.freedesktop.DBus.Error.AccessDenied"
#define RULE "/etc/polkit-1/rules.d/10-test.rules"

/* The bus takes who connects for what the socket says: the user of that moment. */
static GDBusConnection *connect_as(uid_t uid)
{
    g_assert_cmpint(seteuid(uid), ==, 0);
    GDBusConnection *bus = client_connect(G_BUS_TYPE_SYSTEM);
    g_assert_cmpint(seteuid(0), ==, 0);
    return bus;
}

static void assert_uid(GDBusConnection *bus, guint32 expected)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(GVariant) uid = g_dbus_connection_call_sync(
        bus, "org.freedesktop.DBus", "/org/freedesktop/DBus", "org.freedesktop.DBus", "GetConnectionUnixUser",
        g_variant_new("(s)", g_dbus_connection_get_unique_name(bus)), G_VARIANT_TYPE("(u)"), G_DBUS_CALL_FLAGS_NONE, -1,
        NULL, &error);
    g_assert_no_error(error);
    guint32 told;
    g_variant_get(uid, "(u)", &told);
    g_assert_cmpuint(told, ==, expected);
}

static const char *const vm_methods[] = {"Start",  "Shutdown", "PowerOff",      "Reset",       "Pause",
                                         "Resume", "Remove",   "CancelRemoval", "OpenConsole", "OpenDisplay"};

/* All of them by the same answer, whatever state the VM is in: nothing is told to who may not ask. */
static void assert_vm_denied(GDBusConnection *alice, const char *path)
{
    for (gsize i = 0; i < G_N_ELEMENTS(vm_methods); i++)
        client_vm_fails(alice, path, vm_methods[i], DENIED, "");
    client_fails(alice, path, BERTH_IFACE_VM, "Configure",
                 g_variant_new_parsed("({'description': <'hers'>}, @a{sv} {})"), DENIED, "");
    client_fails(alice, path, BERTH_IFACE_VM, "OpenLog", g_variant_new_parsed("('serial', @a{sv} {})"), DENIED, "");
}

static void assert_import_denied(GDBusConnection *alice)
{
    const char *const paths[] = {"/etc/passwd", NULL};
    GDBusConnection *root = scene_bus;
    scene_bus = alice;
    g_autofree char *name = scene_import("hers", NULL, paths, NULL);
    scene_bus = root;
    g_assert_cmpstr(name, ==, DENIED);
}

static guint count_objects(GDBusConnection *bus)
{
    g_autoptr(GVariant) answer =
        client_call(bus, BERTH_PATH_ROOT, "org.freedesktop.DBus.ObjectManager", "GetManagedObjects", NULL);
    g_autoptr(GVariant) objects = g_variant_get_child_value(answer, 0);
    return (guint) g_variant_n_children(objects);
}

static void test_denied(void)
{
    g_autoptr(GDBusConnection) alice = connect_as(ALICE);
    assert_uid(alice, ALICE);
    g_autoptr(Guest) guest = guest_new_booted("denied", NULL);
    guint objects = count_objects(scene_bus);
    assert_vm_denied(alice, guest->path);
    assert_import_denied(alice);
    client_fails(alice, BERTH_PATH_ROOT, BERTH_IFACE_MANAGER, "CreateVM",
                 g_variant_new_parsed("('hers', @a{sv} {}, @a{sv} {})"), DENIED, "");
    client_fails(alice, BERTH_PATH_ROOT, BERTH_IFACE_MANAGER, "Reload", g_variant_new_parsed("(@a{sv} {},)"), DENIED,
                 "");
    g_autofree char *image = g_strconcat(BERTH_PATH_IMAGE, "/guest", NULL);
    client_fails(alice, image, BERTH_IFACE_IMAGE, "Remove", g_variant_new_parsed("(@a{sv} {},)"), DENIED, "");

    /* Nothing has come of any of it. */
    g_assert_cmpuint(count_objects(scene_bus), ==, objects);
    guest_uptime(guest);
    g_autofree char *states = client_history(guest->vm, "State");
    g_assert_cmpstr(states, ==, "stopped starting running");
}

typedef struct {
    guint n;
    guint64 cpu, resident;
} Heard;

static void on_usage(GDBusConnection *bus, const char *sender, const char *path, const char *interface,
                     const char *signal, GVariant *parameters, gpointer data)
{
    Heard *heard = data;
    g_autoptr(GVariant) figures = g_variant_get_child_value(parameters, 1);
    heard->n++;
    g_assert_true(g_variant_lookup(figures, "cpu-usec", "t", &heard->cpu));
    g_assert_true(g_variant_lookup(figures, "resident-bytes", "t", &heard->resident));
}

/* What a guest that has booted uses is told over the system bus of a real host, to the one who asks. */
static void hear_usage(GDBusConnection *alice, const char *path)
{
    Heard heard = {0}, others = {0};
    GDBusConnection *const buses[] = {alice, scene_bus};
    Heard *const ears[] = {&heard, &others};
    guint ids[G_N_ELEMENTS(buses)];
    for (guint i = 0; i < G_N_ELEMENTS(buses); i++)
        ids[i] = g_dbus_connection_signal_subscribe(buses[i], BERTH_BUS_NAME, BERTH_IFACE_VM, "Usage", path, NULL,
                                                    G_DBUS_SIGNAL_FLAGS_NONE, on_usage, ears[i], NULL);
    client_vm(alice, path, "SubscribeUsage");
    CLIENT_AWAIT(heard.n >= 3, "The usage of %s is told %u times", path, heard.n);
    g_assert_cmpuint(heard.cpu, >, 100 * 1000);
    g_assert_cmpuint(heard.resident, >, 16 << 20);
    client_vm(alice, path, "UnsubscribeUsage");
    assert_uid(scene_bus, 0); /* what was on its way to it is there */
    while (g_main_context_iteration(NULL, FALSE))
        ;
    g_assert_cmpuint(others.n, ==, 0);
    for (guint i = 0; i < G_N_ELEMENTS(buses); i++)
        g_dbus_connection_signal_unsubscribe(buses[i], ids[i]);
}

static void test_looking(void)
{
    g_autoptr(GDBusConnection) alice = connect_as(ALICE);
    g_autoptr(Guest) guest = guest_new("seen", NULL);
    g_autoptr(GVariant) state = client_get(alice, guest->path, BERTH_IFACE_VM, "State");
    g_assert_cmpstr(g_variant_get_string(state, NULL), ==, "stopped");
    g_assert_cmpuint(count_objects(alice), ==, count_objects(scene_bus));
    g_autoptr(GVariant) found =
        client_call(alice, BERTH_PATH_ROOT, BERTH_IFACE_MANAGER, "GetVM", g_variant_new("(s)", "seen"));
    const char *path, *xml;
    g_variant_get(found, "(&o)", &path);
    g_assert_cmpstr(path, ==, guest->path);
    g_autoptr(GVariant) introspection =
        client_call(alice, path, "org.freedesktop.DBus.Introspectable", "Introspect", NULL);
    g_variant_get(introspection, "(&s)", &xml);
    g_assert_nonnull(strstr(xml, BERTH_IFACE_VM));

    g_autoptr(ClientObject) vm = client_watch(alice, path, BERTH_IFACE_VM); /* signals, too */
    guest_boot(guest);
    client_await_state(vm, "running");
    hear_usage(alice, path);
}

/* polkit is restarted, so that the rule holds now and not when it sees the file. */
static void write_rule(const char *text)
{
    g_autoptr(GError) error = NULL;
    if (text) {
        g_file_set_contents(RULE, text, -1, &error);
        g_assert_no_error(error);
    } else {
        g_assert_cmpint(unlink(RULE), ==, 0);
    }
    g_free(scene_run("systemctl", "restart", "polkit.service", NULL));
}

/* For one action, and one VM by its name, which the rule reads from the details. */
static void test_rule(void)
{
    g_autoptr(GDBusConnection) alice = connect_as(ALICE);
    g_autoptr(GDBusConnection) bob = connect_as(ALICE + 1);
    g_autoptr(Guest) hers = guest_new("hers", NULL);
    g_autoptr(Guest) other = guest_new("other", NULL);
    write_rule("polkit.addRule(function (action, subject) {\n"
               "    if (action.id == 'org.berth.control' && subject.user == 'alice' && action.lookup('vm') == 'hers')\n"
               "        return polkit.Result.YES;\n"
               "});\n");
    client_vm_fails(alice, other->path, "Start", DENIED, "");
    client_vm_fails(bob, hers->path, "Start", DENIED, "");
    client_vm(alice, hers->path, "Start");
    client_await_state(hers->vm, "running");
    client_vm_fails(alice, hers->path, "Remove", DENIED, "");
    client_vm_fails(alice, hers->path, "OpenConsole", DENIED, "");
    client_vm_fails(alice, hers->path, "OpenDisplay", DENIED, "");
    client_vm(alice, hers->path, "Pause");
    client_await_state(hers->vm, "paused");
    write_rule(NULL);
    client_vm_fails(alice, hers->path, "Resume", DENIED, "");
}

/* No polkit means no; root needs none. */
static void test_no_polkit(void)
{
    g_autoptr(GDBusConnection) alice = connect_as(ALICE);
    g_autoptr(Guest) guest = guest_new("alone", NULL);
    g_free(scene_run("systemctl", "mask", "--runtime", "--now", "polkit.service", NULL));
    client_vm_fails(alice, guest->path, "Start", DENIED, "");
    client_vm(scene_bus, guest->path, "Start");
    client_await_state(guest->vm, "running");
    g_free(scene_run("systemctl", "unmask", "--runtime", "polkit.service", NULL));
}

int main(int argc, char **argv)
{
    scene_begin(&argc, &argv);
    g_test_add_func("/rights/denied", test_denied);
    g_test_add_func("/rights/looking", test_looking);
    g_test_add_func("/rights/rule", test_rule);
    g_test_add_func("/rights/no-polkit", test_no_polkit);
    return g_test_run();
}
