/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <string.h>

#include "tooled.h"

/* CreateVM and Configure: whole or nothing, and durable. */

#define INVALID "org.freedesktop.DBus.Error.InvalidArgs"

static GVariant *creation(const char *name, const char *config, const char *options)
{
    return g_variant_new("(s@a{sv}@a{sv})", name, tooled_asv(config), tooled_asv(options));
}

static FixtureCall *begin(Fixture *fixture, const char *name, const char *config)
{
    return fixture_begin(fixture, BERTH_PATH_ROOT, BERTH_IFACE_MANAGER, "CreateVM", creation(name, config, "{}"));
}

/* (transfer full) (nullable) */
static char *find(Fixture *fixture, const char *name)
{
    g_autoptr(GVariant) answer =
        fixture_try(fixture, BERTH_PATH_ROOT, BERTH_IFACE_MANAGER, "GetVM", g_variant_new("(s)", name), NULL);
    char *path = NULL;
    if (answer)
        g_variant_get(answer, "(o)", &path);
    return path;
}

/* Nothing is there beyond @n VMs, neither for the bus nor on disk. */
static void assert_only(Fixture *fixture, guint n)
{
    g_autoptr(GPtrArray) vms = fixture_vms(fixture);
    g_assert_cmpuint(vms->len, ==, n);
    g_assert_cmpuint(tooled_count_entries(fixture->state_dir, BERTH_DIR_VMS), ==, n);
    g_assert_cmpuint(tooled_count_entries(fixture->state_dir, BERTH_DIR_REMOVING), ==, 0);
}

typedef struct {
    const char *config, *words; /* words that the text names, separated by "|" */
} Bad;

static const Bad bad_configs[] = {
    {"{'vcpus': <'two'>}", "vcpus|type \"s\"|\"u\""},
    {"{'vcpus': <uint64 2>}", "vcpus|\"t\"|\"u\""},
    {"{'vcpu': <uint32 2>}", "vcpu|did you mean \"vcpus\""},
    {"{'bogus': <true>}", "bogus"},
    {"{'vcpus': <uint32 0>}", "vcpus is 0|from 1 to 255"},
    {"{'vcpus': <uint32 256>}", "vcpus is 256|from 1 to 255"},
    {"{'memory': <uint64 1>}", "memory|16M|1T"},
    {"{'memory': <uint64 18446744073709551615>}", "memory|16M|1T"},
    {"{'memory': <uint64 16777217>}", "memory|multiple"},
    {"{'image': <'nowhere'>}", "image|nowhere|import"},
    {"{'image': <'../etc'>}", "image|../etc"},
    {"{'machine': <'pc'>}", "machine|pc|q35|microvm"},
    {"{'firmware': <'uefi'>, 'machine': <'microvm'>}", "firmware|microvm|bios"},
    {"{'restart': <'maybe'>}", "restart|maybe|on-failure"},
    {"{'disks': <[{'size': <uint64 0>}]>}", "disks[0].size|0"},
    {"{'disks': <[{'size': <uint64 1000000>}]>}", "disks[0].size|1M"},
    {"{'disks': <[{'size': <uint64 1048576>, 'format': <'vmdk'>}]>}", "disks[0].format|vmdk|qcow2"},
    {"{'disks': <[{'size': <uint64 1048576>, 'path': <'/etc/shadow'>}]>}", "disks[0].path"},
    {"{'networks': <[{'mode': <'bridge'>}]>}", "networks[0].bridge|missing"},
    {"{'networks': <[{'mode': <'bridge'>, 'bridge': <'br/0'>}]>}", "networks[0].bridge|br/0"},
    {"{'networks': <[{'mac': <'ff:ff:ff:ff:ff:ff'>}]>}", "networks[0].mac|unicast"},
    {"{'networks': <[{'ports': <[{'host-port': <uint32 80>}]>}]>}", "networks[0].ports[0].guest-port|missing"},
    {"{'networks': <[{'ports': <[{'host-port': <uint32 65536>, 'guest-port': <uint32 1>}]>}]>}",
     "networks[0].ports[0].host-port|65536|65535"},
    {"{'networks': <[{'ports': <[{'host-port': <uint32 8080>, 'guest-port': <uint32 80>},"
     " {'host-port': <uint32 8080>, 'guest-port': <uint32 81>}]>}]>}",
     "networks[0].ports[1].host-port|8080|ports[0]"},
    {"{'limits': <{'MemoryMax': <uint64 16777216>}>}", "limits.MemoryMax|16M|1G"},
    {"{'limits': <{'CPUWeight': <uint64 10001>}>}", "limits.CPUWeight|10001|10000"},
    {"{'cmdline': <'a\\nb'>}", "cmdline|control"},
    {"{'cmdline': <'quiet'>, 'image': <''>, 'description': <'\\u0007'>}", "description|control"},
    {"{'protected': <'yes'>}", "protected|\"b\""},
};

static void test_bad_configs(Tooled *tooled, gconstpointer unused)
{
    Fixture *fixture = &tooled->fixture;
    for (guint i = 0; i < G_N_ELEMENTS(bad_configs); i++) {
        g_test_message("%s", bad_configs[i].config);
        tooled_fails(begin(fixture, "web", bad_configs[i].config), INVALID, bad_configs[i].words);
        assert_only(fixture, 0);
    }
    /* The first CID is the first still, and the name is free. */
    g_autofree char *path = tooled_vm(tooled, "web", NULL);
    g_autoptr(GVariant) first = fixture_get(fixture, BERTH_PATH_ROOT, BERTH_IFACE_MANAGER, "CIDFirst");
    g_assert_cmpuint(fixture_get_uint(fixture, path, "CID"), ==, g_variant_get_uint32(first));
}

static void test_bad_names(Tooled *tooled, gconstpointer unused)
{
    static const char *const names[] = {
        "",
        ".",
        "..",
        ".new-x",
        "-rf",
        "_a",
        "a/b",
        "../../etc",
        "/etc",
        "a b",
        "a\nb",
        "a\tb",
        "ünïcode",
        "a;b",
        "6b1c9f0e-3c1e-4f2a-9a52-0d7e5c1b8a44",
        "6B1C9F0E-3C1E-4F2A-9A52-0D7E5C1B8A44",
        "a234567890123456789012345678901234567890123456789012345678901234",
    };
    for (guint i = 0; i < G_N_ELEMENTS(names); i++) {
        g_test_message("“%s”", names[i]);
        tooled_fails(begin(&tooled->fixture, names[i], "{}"), INVALID, "ame");
        assert_only(&tooled->fixture, 0);
    }
    g_autofree char *longest = g_strnfill(63, 'a');
    g_autofree char *path = tooled_vm(tooled, longest, NULL);
    g_autofree char *name = fixture_get_string(&tooled->fixture, path, "Name");
    g_assert_cmpstr(name, ==, longest);
}

static void test_options(Tooled *tooled, gconstpointer unused)
{
    Fixture *fixture = &tooled->fixture;
    fixture_call_fails(fixture, BERTH_PATH_ROOT, BERTH_IFACE_MANAGER, "CreateVM",
                       creation("web", "{}", "{'strat': <true>}"), INVALID, "strat");
    fixture_call_fails(fixture, BERTH_PATH_ROOT, BERTH_IFACE_MANAGER, "CreateVM",
                       creation("web", "{}", "{'start': <'yes'>}"), INVALID, "start");
    assert_only(fixture, 0);
    g_variant_unref(fixture_call(fixture, BERTH_PATH_ROOT, BERTH_IFACE_MANAGER, "CreateVM",
                                 creation("web", "{}", "{'start': <true>}")));
    g_autofree char *path = find(fixture, "web");
    fixture_await_state(fixture, path, "running");
    fixture_await_property(fixture, path, "WantRunning", g_variant_new_boolean(TRUE));
}

static void test_name_taken(Tooled *tooled, gconstpointer unused)
{
    Fixture *fixture = &tooled->fixture;
    g_autofree char *path = tooled_vm(tooled, "web", NULL);
    tooled_fails(begin(fixture, "web", "{}"), "NameTaken", "\"web\"");
    assert_only(fixture, 1);
}

static void test_max_vms(Tooled *tooled, gconstpointer unused)
{
    Fixture *fixture = &tooled->fixture;
    g_autofree char *first = tooled_vm(tooled, "first", NULL);
    g_autofree char *second = tooled_vm(tooled, "second", NULL);
    tooled_fails(begin(fixture, "third", "{}"), "LimitReached", "2|MaxVMs=");
    assert_only(fixture, 2);
    fixture_vm(fixture, first, "Remove");
    fixture_await_gone(fixture, first);
    g_autofree char *third = tooled_vm(tooled, "third", NULL);
    assert_only(fixture, 2);
}

static void test_cids(Tooled *tooled, gconstpointer unused)
{
    Fixture *fixture = &tooled->fixture;
    g_autofree char *first = tooled_vm(tooled, "first", NULL);
    /* What fails does not use one up. */
    tooled_fails(begin(fixture, "second", "{'vcpus': <uint32 0>}"), INVALID, "vcpus");
    g_autofree char *second = tooled_vm(tooled, "second", NULL);
    g_assert_cmpuint(fixture_get_uint(fixture, first, "CID"), ==, 2000);
    g_assert_cmpuint(fixture_get_uint(fixture, second, "CID"), ==, 2001);
    tooled_fails(begin(fixture, "third", "{}"), "LimitReached", "CID");
    assert_only(fixture, 2);
    g_assert_null(find(fixture, "third"));
    /* One that has just become free would rest for a minute, were there another. */
    fixture_vm(fixture, first, "Remove");
    fixture_await_gone(fixture, first);
    g_autofree char *third = tooled_vm(tooled, "third", NULL);
    g_assert_cmpuint(fixture_get_uint(fixture, third, "CID"), ==, 2000);
}

/* Forwarded ports are one VM's. */

#define PORT "{'networks': <[{'ports': <[{'host-port': <uint32 8080>, 'guest-port': <uint32 80>}]>}]>}"
#define PORT_ON_ALL                                                                                                    \
    "{'networks': <[{'ports': <[{'host-address': <'0.0.0.0'>, 'host-port': <uint32 8080>, "                            \
    "'guest-port': <uint32 80>}]>}]>}"
#define PORT_UDP                                                                                                       \
    "{'networks': <[{'ports': <[{'protocol': <'udp'>, 'host-port': <uint32 8080>, 'guest-port': <uint32 80>}]>}]>}"

static void test_ports(Tooled *tooled, gconstpointer unused)
{
    Fixture *fixture = &tooled->fixture;
    g_autofree char *web = fixture_create(fixture, "web", tooled_config(PORT));
    tooled_fails(begin(fixture, "db", PORT), INVALID, "networks[0].ports[0].host-port|8080|");
    tooled_fails(begin(fixture, "db", PORT_ON_ALL), INVALID, "networks[0].ports[0].host-port|8080");
    assert_only(fixture, 1);
    g_autofree char *udp = fixture_create(fixture, "udp", tooled_config(PORT_UDP));
    fixture_vm(fixture, web, "Remove");
    fixture_await_gone(fixture, web);
    g_autofree char *db = fixture_create(fixture, "db", tooled_config(PORT_ON_ALL));
    fixture_call_fails(fixture, udp, BERTH_IFACE_VM, "Configure",
                       g_variant_new("(@a{sv}@a{sv})", tooled_asv(PORT), tooled_asv("{}")), INVALID, "8080");
}

/* Two calls in flight, one name or one port: the first has it. */

#define DISK "'disks': <[{'size': <uint64 1048576>}]>"

static void test_two_of_a_name(Tooled *tooled, gconstpointer unused)
{
    Fixture *fixture = &tooled->fixture;
    fake_tools_hold(tooled->tools);
    FixtureCall *first = begin(fixture, "web", "{" DISK "}");
    FixtureCall *second = begin(fixture, "web", "{}");
    tooled_fails(second, "NameTaken", "\"web\"");
    AWAIT(tooled->tools->n_held == 1);
    /* Not there before it is whole. */
    g_assert_null(find(fixture, "web"));
    g_autoptr(GPtrArray) vms = fixture_vms(fixture);
    g_assert_cmpuint(vms->len, ==, 0);
    fake_tools_release(tooled->tools);
    tooled_succeeds(first);
    assert_only(fixture, 1);
}

static void test_two_of_a_port(Tooled *tooled, gconstpointer unused)
{
    Fixture *fixture = &tooled->fixture;
    fake_tools_hold(tooled->tools);
    FixtureCall *first =
        begin(fixture, "web",
              "{'networks': <[{'ports': <[{'host-port': <uint32 8080>, 'guest-port': <uint32 80>}]>}]>, " DISK "}");
    tooled_fails(begin(fixture, "db", PORT), INVALID, "8080|\"web\"");
    fake_tools_release(tooled->tools);
    tooled_succeeds(first);
    assert_only(fixture, 1);
}

/* Half-way: the disk can't be made. */
static void test_fails_half_way(Tooled *tooled, gconstpointer unused)
{
    Fixture *fixture = &tooled->fixture;
    fake_tools_fail(tooled->tools, TRUE);
    tooled_fails(begin(fixture, "web", "{" DISK "}"), "StorageFailed", "qemu-img|made to fail");
    assert_only(fixture, 0);
    fake_tools_fail(tooled->tools, FALSE);
    g_autofree char *path = fixture_create(fixture, "web", tooled_config("{" DISK "}"));
    g_assert_cmpuint(fixture_get_uint(fixture, path, "CID"), ==, 2000); /* there is no other */
    fixture_vm(fixture, path, "Start");
}

/* Who asked is gone before the answer; the VM is there, whole. */
static void test_caller_goes_away(Tooled *tooled, gconstpointer unused)
{
    Fixture *fixture = &tooled->fixture;
    g_autoptr(Recorder) recorder = recorder_new(fixture->client, BERTH_BUS_NAME, NULL);
    GDBusConnection *caller = private_bus_connect(fixture->bus);
    fake_tools_hold(tooled->tools);
    g_dbus_connection_call(caller, BERTH_BUS_NAME, BERTH_PATH_ROOT, BERTH_IFACE_MANAGER, "CreateVM",
                           creation("web", "{" DISK "}", "{}"), NULL, G_DBUS_CALL_FLAGS_NONE, -1, NULL, NULL, NULL);
    AWAIT(tooled->tools->n_held == 1);
    g_dbus_connection_close_sync(caller, NULL, NULL);
    g_object_unref(caller);
    fake_tools_release(tooled->tools);
    AWAIT(recorder_count(recorder, "InterfacesAdded") == 1);
    g_autofree char *path = find(fixture, "web");
    fixture_vm(fixture, path, "Start");
    fixture_await_state(fixture, path, "running");
    assert_only(fixture, 1);
}

/* The daemon is killed half-way: no trace. */
static void test_killed_half_way(Tooled *tooled, gconstpointer unused)
{
    Fixture *fixture = &tooled->fixture;
    fake_tools_hold(tooled->tools);
    FixtureCall *call = begin(fixture, "web", "{" DISK "}");
    AWAIT(tooled->tools->n_held == 1);
    g_assert_cmpuint(tooled_count_entries(fixture->state_dir, BERTH_DIR_VMS), ==, 1);
    fixture_restart_daemon(fixture);
    AWAIT(call->done);
    g_assert_nonnull(call->error);
    fixture_call_free(call);
    fake_tools_release(tooled->tools);
    assert_only(fixture, 0);
    g_autofree char *path = tooled_vm(tooled, "web", NULL);
}

/* The definition */

#define WHOLE                                                                                                          \
    "{'vcpus': <uint32 3>, 'memory': <uint64 67108864>, 'disks': <[{'size': <uint64 1048576>, 'format': <'raw'>, "     \
    "'bus': <'sata'>, 'read-only': <true>}]>, 'networks': <[{'mode': <'user'>, 'mac': <'52:54:00:12:34:56'>, "         \
    "'ports': <[{'protocol': <'udp'>, 'host-address': <'127.0.0.2'>, 'host-port': <uint32 5353>, "                     \
    "'guest-port': <uint32 53>}]>}]>, 'machine': <'q35'>, 'restart': <'on-failure'>, 'vsock': <true>, "                \
    "'limits': <{'CPUWeight': <uint64 50>, 'MemoryMax': <uint64 134217728>}>, "                                        \
    "'description': <'Ein \"Dienst\"\\nmit Übel'>, 'labels': <{'team': 'red', 'tier': 'öffentlich'}>}"

static void assert_contains(GVariant *whole, GVariant *part, const char *place)
{
    GVariantIter iter;
    const char *key;
    GVariant *value;
    g_variant_iter_init(&iter, part);
    while (g_variant_iter_loop(&iter, "{&sv}", &key, &value)) {
        g_autoptr(GVariant) found = g_variant_lookup_value(whole, key, NULL);
        if (!found || !(g_variant_is_of_type(value, G_VARIANT_TYPE("aa{sv}")) || g_variant_equal(found, value)))
            g_error("%s%s differs", place, key);
        for (gsize i = 0; g_variant_is_of_type(value, G_VARIANT_TYPE("aa{sv}")) && i < g_variant_n_children(value);
             i++) {
            g_autoptr(GVariant) a = g_variant_get_child_value(found, i), b = g_variant_get_child_value(value, i);
            assert_contains(a, b, key);
        }
    }
}

static void assert_definition(Fixture *fixture, const char *path, const char *text)
{
    g_autoptr(GVariant) wanted = g_variant_ref_sink(tooled_asv(text));
    g_autoptr(GVariant) config = fixture_get(fixture, path, BERTH_IFACE_VM, "Config");
    assert_contains(config, wanted, "");
}

static void test_round_trip(Tooled *tooled, gconstpointer unused)
{
    Fixture *fixture = &tooled->fixture;
    g_autofree char *path = fixture_create(fixture, "web", tooled_asv(WHOLE));
    assert_definition(fixture, path, WHOLE);
    g_autoptr(GVariant) config = fixture_get(fixture, path, BERTH_IFACE_VM, "Config");
    g_autofree char *file = tooled_vm_file(fixture, path, BERTH_FILE_DEFINITION);
    g_autofree char *text = NULL;
    g_assert_true(g_file_get_contents(file, &text, NULL, NULL));
    static const char *const words[] = {"52:54:00:12:34:56", "on-failure", "öffentlich", "5353", "\"web\""};
    for (guint i = 0; i < G_N_ELEMENTS(words); i++)
        g_assert_nonnull(strstr(text, words[i]));
    fixture_restart_daemon(fixture);
    g_autoptr(GVariant) again = fixture_get(fixture, path, BERTH_IFACE_VM, "Config");
    g_assert_cmpvariant(config, again);
    /* What Config says, CreateVM takes. */
    fixture_vm(fixture, path, "Remove");
    fixture_await_gone(fixture, path);
    g_autofree char *copy = fixture_create(fixture, "copy", g_variant_ref(config));
    g_autoptr(GVariant) copied = fixture_get(fixture, copy, BERTH_IFACE_VM, "Config");
    g_assert_cmpvariant(config, copied);
}

static GVariant *changes(const char *text, const char *options)
{
    return g_variant_new("(@a{sv}@a{sv})", tooled_asv(text), tooled_asv(options));
}

static void configure(Fixture *fixture, const char *path, const char *text)
{
    g_variant_unref(fixture_call(fixture, path, BERTH_IFACE_VM, "Configure", changes(text, "{}")));
}

static void test_protected(Tooled *tooled, gconstpointer unused)
{
    Fixture *fixture = &tooled->fixture;
    g_autofree char *path = fixture_create(fixture, "web", tooled_config("{'protected': <true>}"));
    fixture_vm_fails(fixture, path, "Remove", "WrongState", "protected");
    fixture_restart_daemon(fixture);
    fixture_vm_fails(fixture, path, "Remove", "WrongState", "\"web\"");
    assert_only(fixture, 1);
    configure(fixture, path, "{'protected': <false>}");
    fixture_vm(fixture, path, "Remove");
    fixture_await_gone(fixture, path);
}

static void test_configure(Tooled *tooled, gconstpointer unused)
{
    Fixture *fixture = &tooled->fixture;
    g_autofree char *path = fixture_create(fixture, "web", tooled_config("{'labels': <{'a': 'b'}>}"));
    configure(fixture, path, "{'vcpus': <uint32 4>, 'memory': <uint64 134217728>, 'description': <'d'>}");
    g_assert_cmpuint(fixture_get_uint(fixture, path, "VCPUs"), ==, 4);
    assert_definition(fixture, path, "{'labels': <{'a': 'b'}>, 'description': <'d'>, 'vcpus': <uint32 4>}");
    g_autoptr(GVariant) config = fixture_get(fixture, path, BERTH_IFACE_VM, "Config");
    fixture_restart_daemon(fixture);
    g_autoptr(GVariant) again = fixture_get(fixture, path, BERTH_IFACE_VM, "Config");
    g_assert_cmpvariant(config, again);
}

static void test_configure_refused(Tooled *tooled, gconstpointer unused)
{
    static const struct {
        const char *changes, *options, *error, *words;
    } refused[] = {
        {"{'vcpus': <uint32 4>, 'memory': <uint64 1>}", "{}", INVALID, "memory"},
        {"{'description': <'x'>, 'colour': <'red'>}", "{}", INVALID, "colour"},
        {"{'vcpus': <'4'>}", "{}", INVALID, "vcpus"},
        {"{'vcpus': <uint32 4>}", "{'force': <true>}", INVALID, "force"},
        {"{'image': <'nowhere'>}", "{}", NULL, "image"},
        {"{'firmware': <'uefi'>}", "{}", "Unsupported", "firmware"},
        {"{'vcpus': <uint32 4>, 'disks': <@aa{sv} []>}", "{}", "Unsupported", "disks"},
        {"{'disks': <[{'size': <uint64 2097152>}]>}", "{}", "Unsupported", "disks"},
        {"{'name': <'other'>}", "{}", INVALID, "name"},
    };
    Fixture *fixture = &tooled->fixture;
    g_autofree char *path = fixture_create(fixture, "web", tooled_config("{" DISK "}"));
    g_autoptr(GVariant) before = tooled_get_all(fixture, path, BERTH_IFACE_VM);
    g_autofree char *files = tooled_files(fixture->state_dir);
    for (guint i = 0; i < G_N_ELEMENTS(refused); i++) {
        g_test_message("%s", refused[i].changes);
        FixtureCall *call =
            fixture_begin(fixture, path, BERTH_IFACE_VM, "Configure", changes(refused[i].changes, refused[i].options));
        tooled_fails(call, refused[i].error ? refused[i].error : "Unsupported", refused[i].words);
        g_autoptr(GVariant) after = tooled_get_all(fixture, path, BERTH_IFACE_VM);
        g_autofree char *files_after = tooled_files(fixture->state_dir);
        g_assert_cmpvariant(before, after);
        g_assert_cmpstr(files, ==, files_after);
    }
}

static void add(void)
{
    TOOLED_ADD("/create/bad-configs", NULL, test_bad_configs);
    TOOLED_ADD("/create/bad-names", NULL, test_bad_names);
    TOOLED_ADD("/create/options", NULL, test_options);
    TOOLED_ADD("/create/name-taken", NULL, test_name_taken);
    TOOLED_ADD("/create/max-vms", "[Manager]\nMaxVMs=2\n", test_max_vms);
    TOOLED_ADD("/create/cids", "[Manager]\nCIDFirst=2000\nCIDLast=2001\n", test_cids);
    TOOLED_ADD("/create/ports", NULL, test_ports);
    TOOLED_ADD("/create/two-of-a-name", NULL, test_two_of_a_name);
    TOOLED_ADD("/create/two-of-a-port", NULL, test_two_of_a_port);
    TOOLED_ADD("/create/fails-half-way", "[Manager]\nCIDFirst=2000\nCIDLast=2000\n", test_fails_half_way);
    TOOLED_ADD("/create/caller-goes-away", NULL, test_caller_goes_away);
    TOOLED_ADD("/create/killed-half-way", NULL, test_killed_half_way);
    TOOLED_ADD("/create/round-trip", NULL, test_round_trip);
    TOOLED_ADD("/create/protected", NULL, test_protected);
    TOOLED_ADD("/configure/applies", NULL, test_configure);
    TOOLED_ADD("/configure/refused", NULL, test_configure_refused);
}

int main(int argc, char **argv)
{
    return tooled_main(argc, argv, add);
}
