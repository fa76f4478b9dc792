/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "tooled.h"

/* What the running daemon offers is what dbus/org.berth.Berth1.xml says, both ways; and what it says of its properties'
 * changes is true. */

#define CHANGED "org.freedesktop.DBus.Property.EmitsChangedSignal"

/* The contract as lines that can be compared */

static GDBusNodeInfo *contract(void)
{
    g_autoptr(GError) error = NULL;
    g_autofree char *xml = NULL;
    g_file_get_contents(g_getenv("BERTH_CONTRACT"), &xml, NULL, &error);
    g_assert_no_error(error);
    GDBusNodeInfo *node = g_dbus_node_info_new_for_xml(xml, &error);
    g_assert_no_error(error);
    return node;
}

static void append_annotations(GString *line, GDBusAnnotationInfo **annotations, const char *except)
{
    for (guint i = 0; annotations && annotations[i]; i++)
        if (g_strcmp0(annotations[i]->key, except) != 0)
            g_string_append_printf(line, " [%s=%s]", annotations[i]->key, annotations[i]->value);
}

static void append_args(GString *line, GDBusArgInfo **args, const char *direction)
{
    for (guint i = 0; args && args[i]; i++)
        g_string_append_printf(line, " %s %s %s", direction, args[i]->signature, args[i]->name);
}

static const char *emits(const GDBusPropertyInfo *property)
{
    const char *value = g_dbus_annotation_info_lookup(property->annotations, CHANGED);
    return value ? value : "true";
}

static int compare_lines(gconstpointer a, gconstpointer b)
{
    return strcmp(*(char *const *) a, *(char *const *) b);
}

static GPtrArray *lines_of(const GDBusInterfaceInfo *interface)
{
    GPtrArray *lines = g_ptr_array_new_with_free_func(g_free);
    for (guint i = 0; interface->methods && interface->methods[i]; i++) {
        const GDBusMethodInfo *method = interface->methods[i];
        GString *line = g_string_new("method ");
        g_string_append(line, method->name);
        append_args(line, method->in_args, "in");
        append_args(line, method->out_args, "out");
        append_annotations(line, method->annotations, NULL);
        g_ptr_array_add(lines, g_string_free(line, FALSE));
    }
    for (guint i = 0; interface->signals && interface->signals[i]; i++) {
        GString *line = g_string_new("signal ");
        g_string_append(line, interface->signals[i]->name);
        append_args(line, interface->signals[i]->args, "out");
        append_annotations(line, interface->signals[i]->annotations, NULL);
        g_ptr_array_add(lines, g_string_free(line, FALSE));
    }
    for (guint i = 0; interface->properties && interface->properties[i]; i++) {
        const GDBusPropertyInfo *property = interface->properties[i];
        GString *line = g_string_new("property ");
        g_string_append_printf(line, "%s %s%s%s, emits %s", property->name, property->signature,
                               property->flags & G_DBUS_PROPERTY_INFO_FLAGS_READABLE ? " readable" : "",
                               property->flags & G_DBUS_PROPERTY_INFO_FLAGS_WRITABLE ? " writable" : "",
                               emits(property));
        append_annotations(line, property->annotations, CHANGED);
        g_ptr_array_add(lines, g_string_free(line, FALSE));
    }
    g_ptr_array_sort(lines, compare_lines);
    return lines;
}

static char *text_of(const GDBusInterfaceInfo *interface)
{
    g_autoptr(GPtrArray) lines = lines_of(interface);
    g_ptr_array_add(lines, NULL);
    return g_strjoinv("\n", (char **) lines->pdata);
}

/* @interface is the only one of Berth's on @path, and just as the contract has it. */
static void compare(Fixture *fixture, const char *path, const char *interface)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(GDBusNodeInfo) promised = contract();
    g_autoptr(GVariant) answer = fixture_call(fixture, path, "org.freedesktop.DBus.Introspectable", "Introspect", NULL);
    const char *xml;
    g_variant_get(answer, "(&s)", &xml);
    g_autoptr(GDBusNodeInfo) found = g_dbus_node_info_new_for_xml(xml, &error);
    g_assert_no_error(error);
    for (guint i = 0; found->interfaces[i]; i++)
        if (g_str_has_prefix(found->interfaces[i]->name, "org.berth."))
            g_assert_cmpstr(found->interfaces[i]->name, ==, interface);
    GDBusInterfaceInfo *there = g_dbus_node_info_lookup_interface(found, interface);
    g_assert_nonnull(there);
    g_autofree char *expected = text_of(g_dbus_node_info_lookup_interface(promised, interface));
    g_autofree char *got = text_of(there);
    g_assert_cmpstr(got, ==, expected);
    gboolean manages = g_dbus_node_info_lookup_interface(found, "org.freedesktop.DBus.ObjectManager") != NULL;
    g_assert_cmpint(manages, ==, g_str_equal(path, BERTH_PATH_ROOT));
}

/* An import that lasts, of a hole: there are so many zeroes in it. */
static char *import(Fixture *fixture, const char *name, off_t size)
{
    g_autoptr(GError) error = NULL;
    g_autofree char *path = g_build_filename(fixture->dir, "disk", NULL);
    int fd = open(path, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    g_assert_cmpint(ftruncate(fd, size), ==, 0);
    g_autoptr(GUnixFDList) fds = g_unix_fd_list_new_from_array(&fd, 1);
    g_autoptr(GVariant) answer =
        fixture_call_with_fds(fixture, BERTH_PATH_ROOT, BERTH_IFACE_MANAGER, "ImportImage",
                              g_variant_new("(sh@a{sv})", name, 0, tooled_asv("{}")), fds, NULL, &error);
    g_assert_no_error(error);
    char *job;
    g_variant_get(answer, "(o)", &job);
    return job;
}

static gboolean has(Fixture *fixture, const char *path)
{
    g_autoptr(GVariant) answer =
        fixture_call(fixture, BERTH_PATH_ROOT, "org.freedesktop.DBus.ObjectManager", "GetManagedObjects", NULL);
    g_autoptr(GVariant) objects = g_variant_get_child_value(answer, 0);
    g_autoptr(GVariant) object = g_variant_lookup_value(objects, path, NULL);
    return object != NULL;
}

/* Its end is told. */
static void await_job_end(Fixture *fixture, Recorder *recorder, const char *job)
{
    AWAIT(recorder_count(recorder, "InterfacesRemoved") > 0);
    g_assert_false(has(fixture, job));
}

static char *import_to_the_end(Fixture *fixture, const char *name)
{
    g_autoptr(Recorder) recorder = recorder_new(fixture->client, BERTH_BUS_NAME, NULL);
    g_autofree char *job = import(fixture, name, 1 << 20);
    AWAIT(recorder_count(recorder, "Completed") > 0);
    await_job_end(fixture, recorder, job);
    return g_strconcat(BERTH_PATH_IMAGE "/", name, NULL);
}

static void cancel(Fixture *fixture, const char *job)
{
    g_autoptr(Recorder) recorder = recorder_new(fixture->client, BERTH_BUS_NAME, job);
    g_variant_unref(fixture_call(fixture, job, BERTH_IFACE_JOB, "Cancel", g_variant_new("(a{sv})", NULL)));
    await_job_end(fixture, recorder, job);
}

static void test_introspection(Tooled *tooled, gconstpointer unused)
{
    Fixture *fixture = &tooled->fixture;
    g_autoptr(GDBusNodeInfo) promised = contract();
    g_assert_cmpuint(g_strv_length((char **) promised->interfaces), ==, 4);
    compare(fixture, BERTH_PATH_ROOT, BERTH_IFACE_MANAGER);
    g_autofree char *vm = tooled_vm(tooled, "web", NULL);
    compare(fixture, vm, BERTH_IFACE_VM);
    g_autofree char *image = import_to_the_end(fixture, "hole");
    compare(fixture, image, BERTH_IFACE_IMAGE);
    g_autofree char *job = import(fixture, "long", (off_t) 1 << 40);
    compare(fixture, job, BERTH_IFACE_JOB);
    cancel(fixture, job);
}

/* A client's picture of one VM, from GetAll once and from signals since then. */

typedef struct {
    Fixture *fixture;
    const char *path;
    GHashTable *values;    /* property → GVariant */
    GHashTable *announced; /* properties whose change was told, a set */
    guint subscription, n_signals;
} Mirror;

static void take_over(Mirror *mirror, GVariant *changed, gboolean is_signal)
{
    GVariantIter iter;
    const char *name;
    GVariant *value;
    g_autoptr(GHashTable) seen = g_hash_table_new(g_str_hash, g_str_equal);
    g_variant_iter_init(&iter, changed);
    while (g_variant_iter_loop(&iter, "{&sv}", &name, &value)) {
        g_assert_true(g_hash_table_add(seen, (gpointer) name)); /* each once in a signal */
        GVariant *before = g_hash_table_lookup(mirror->values, name);
        if (is_signal && before && !g_variant_equal(before, value))
            g_hash_table_add(mirror->announced, g_strdup(name));
        g_hash_table_replace(mirror->values, g_strdup(name), g_variant_ref(value));
    }
}

static void on_changed(GDBusConnection *client, const char *sender, const char *path, const char *interface,
                       const char *signal, GVariant *parameters, gpointer data)
{
    Mirror *mirror = data;
    g_autoptr(GVariant) changed = g_variant_get_child_value(parameters, 1);
    g_autoptr(GVariant) invalidated = g_variant_get_child_value(parameters, 2);
    g_assert_cmpuint(g_variant_n_children(invalidated), ==, 0); /* values are told, not only that there are new ones */
    g_assert_cmpuint(g_variant_n_children(changed), >, 0);
    mirror->n_signals++;
    take_over(mirror, changed, TRUE);
}

static void mirror_begin(Mirror *mirror, Fixture *fixture, const char *path)
{
    mirror->fixture = fixture;
    mirror->path = path;
    mirror->values = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, (GDestroyNotify) g_variant_unref);
    mirror->announced = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
    mirror->n_signals = 0;
    mirror->subscription = g_dbus_connection_signal_subscribe(
        fixture->client, BERTH_BUS_NAME, "org.freedesktop.DBus.Properties", "PropertiesChanged", path, BERTH_IFACE_VM,
        G_DBUS_SIGNAL_FLAGS_NONE, on_changed, mirror, NULL);
    g_autoptr(GVariant) all = tooled_get_all(fixture, path, BERTH_IFACE_VM);
    take_over(mirror, all, FALSE);
}

static void mirror_end(Mirror *mirror)
{
    g_dbus_connection_signal_unsubscribe(mirror->fixture->client, mirror->subscription);
    g_hash_table_unref(mirror->values);
    g_hash_table_unref(mirror->announced);
}

/* (nullable) (transfer full): what is not the same as in @all */
static char *mirror_difference(const Mirror *mirror, GVariant *all)
{
    GVariantIter iter;
    const char *name;
    GVariant *value;
    g_assert_cmpuint(g_variant_n_children(all), ==, g_hash_table_size(mirror->values));
    g_variant_iter_init(&iter, all);
    while (g_variant_iter_next(&iter, "{&sv}", &name, &value)) {
        GVariant *told = g_hash_table_lookup(mirror->values, name);
        gboolean same = told && g_variant_equal(told, value);
        g_autofree char *text = g_variant_print(value, TRUE);
        g_variant_unref(value);
        if (!same)
            return g_strdup_printf("%s is %s, and that was not told", name, text);
    }
    return NULL;
}

/* What Get says, the signals have said, or say as soon as this turn of the daemon's loop is over. */
static void mirror_assert(Mirror *mirror)
{
    AwaitDeadline deadline;
    await_begin(&deadline, AWAIT_SECONDS * 1000);
    for (;;) {
        g_autoptr(GVariant) all = tooled_get_all(mirror->fixture, mirror->path, BERTH_IFACE_VM);
        g_autofree char *difference = mirror_difference(mirror, all);
        if (!difference)
            break;
        if (!await_step(&deadline))
            g_error("%s", difference);
    }
    await_end(&deadline);
}

static void mirror_await(Mirror *mirror, const char *property, const char *text)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(GVariant) wanted = g_variant_parse(NULL, text, NULL, NULL, &error);
    g_assert_no_error(error);
    AWAIT(g_variant_equal(g_hash_table_lookup(mirror->values, property), wanted));
    mirror_assert(mirror);
}

static void configure(Fixture *fixture, const char *path, const char *changes)
{
    g_variant_unref(fixture_call(fixture, path, BERTH_IFACE_VM, "Configure",
                                 g_variant_new("(@a{sv}@a{sv})", tooled_asv(changes), tooled_asv("{}"))));
}

static void call_and_await(Mirror *mirror, const char *method, const char *state)
{
    fixture_vm(mirror->fixture, mirror->path, method);
    g_autofree char *text = g_strdup_printf("'%s'", state);
    mirror_await(mirror, "State", text);
}

static void live_through_runs(Tooled *tooled, Mirror *mirror)
{
    configure(mirror->fixture, mirror->path, "{'memory': <uint64 134217728>, 'vcpus': <uint32 2>}");
    mirror_await(mirror, "VCPUs", "uint32 2");
    fake_tools_script(tooled->tools, "web", "once ready agent-open\n");
    call_and_await(mirror, "Start", "running");
    mirror_await(mirror, "GuestAddresses", "['192.0.2.17/24 eth0']");
    mirror_await(mirror, "GuestReady", "true");
    call_and_await(mirror, "Pause", "paused");
    call_and_await(mirror, "Resume", "running");
    call_and_await(mirror, "Reset", "running");
    call_and_await(mirror, "Shutdown", "stopped");
    fake_tools_script(tooled->tools, "web", "on start exit 3 no luck today\n");
    fixture_vm_fails(mirror->fixture, mirror->path, "Start", "StartFailed", "no luck today");
    mirror_await(mirror, "State", "'exited'");
    configure(mirror->fixture, mirror->path, "{'restart': <'always'>}");
    fake_tools_script(tooled->tools, "web", "on file fall crash 11\n");
    call_and_await(mirror, "Start", "running");
    fake_tools_touch(tooled->tools, "fall");
    mirror_await(mirror, "ExitReason", "'crashed'");
    fake_tools_script(tooled->tools, "web", "");
    mirror_await(mirror, "NRestarts", "uint32 1");
    mirror_await(mirror, "State", "'running'");
}

/* A QEMU that answers nothing any more. Pause gives up on it after ten seconds. */
static void hang(Tooled *tooled, Mirror *mirror)
{
    call_and_await(mirror, "PowerOff", "stopped");
    fake_tools_script(tooled->tools, "web", "on stop wait for-ever\n");
    call_and_await(mirror, "Start", "running");
    fixture_vm_fails(mirror->fixture, mirror->path, "Pause", "Cancelled", "");
    mirror_await(mirror, "Responsive", "false");
}

static void be_removed(Tooled *tooled, Mirror *mirror)
{
    FakeService *systemd = fake_systemd_service(tooled->fixture.systemd);
    g_variant_unref(fixture_call(mirror->fixture, mirror->path, BERTH_IFACE_VM, "Remove",
                                 g_variant_new("(@a{sv})", tooled_asv("{'grace-seconds': <uint32 600>}"))));
    mirror_await(mirror, "RemovalPhase", "'grace'");
    call_and_await(mirror, "CancelRemoval", "running");
    mirror_await(mirror, "RemovalPhase", "''");
    fake_service_fail(systemd, "StopUnit", "org.freedesktop.DBus.Error.LimitsExceeded", 2);
    fixture_vm(mirror->fixture, mirror->path, "Remove");
    mirror_await(mirror, "RemovalPhase", "'waiting'");
    AWAIT(g_hash_table_contains(mirror->announced, "RemovalNextAttemptTimestamp"));
    AWAIT(g_hash_table_contains(mirror->announced, "RemovalBlocker"));
}

static void test_changes(Tooled *tooled, gconstpointer unused)
{
    /* These never change in this version: a VM keeps its name, its CID and its image. */
    static const char *const constant[] = {"Name", "CID", "Image", NULL};
    g_autofree char *path = tooled_vm(tooled, "web", NULL);
    Mirror mirror;
    mirror_begin(&mirror, &tooled->fixture, path);
    live_through_runs(tooled, &mirror);
    hang(tooled, &mirror);
    be_removed(tooled, &mirror);
    fixture_await_gone(&tooled->fixture, path);
    g_autoptr(GDBusNodeInfo) promised = contract();
    GDBusInterfaceInfo *interface = g_dbus_node_info_lookup_interface(promised, BERTH_IFACE_VM);
    for (guint i = 0; interface->properties[i]; i++) {
        const char *name = interface->properties[i]->name;
        gboolean told = g_hash_table_contains(mirror.announced, name);
        gboolean may = g_str_equal(emits(interface->properties[i]), "true") && !g_strv_contains(constant, name);
        if (told != may)
            g_error("%s %s", name, told ? "changed, and should not" : "did not change once in a whole life");
    }
    mirror_end(&mirror);
}

/* stopped → starting, wanted; its unit and its process; running: few signals for all that. */
static void test_collected(Tooled *tooled, gconstpointer unused)
{
    Fixture *fixture = &tooled->fixture;
    g_autofree char *path = tooled_vm(tooled, "web", NULL);
    Mirror mirror;
    mirror_begin(&mirror, fixture, path);
    g_autoptr(Recorder) recorder = recorder_new(fixture->client, BERTH_BUS_NAME, path);
    call_and_await(&mirror, "Start", "running");
    mirror_assert(&mirror);
    g_assert_cmpuint(mirror.n_signals, <=, 5);
    AWAIT(recorder_changes(recorder, "State") == 2); /* it hears of each signal after the mirror */
    g_assert_cmpuint(recorder_changes(recorder, "WantRunning"), ==, 1);
    g_assert_cmpuint(recorder_changes(recorder, "Config"), ==, 0);
    mirror_end(&mirror);
}

/* What GetManagedObjects and InterfacesAdded tell of an object: nothing of the interfaces that every object has. */
static void compare_with_get(Fixture *fixture, const char *path, GVariant *interfaces)
{
    GVariantIter iter;
    const char *interface;
    GVariant *properties;
    guint n_own = 0;
    g_variant_iter_init(&iter, interfaces);
    while (g_variant_iter_loop(&iter, "{&s@a{sv}}", &interface, &properties)) {
        g_assert_true(g_str_has_prefix(interface, "org.berth."));
        GVariantIter values;
        const char *name;
        GVariant *value;
        n_own++;
        g_variant_iter_init(&values, properties);
        while (g_variant_iter_loop(&values, "{&sv}", &name, &value)) {
            g_autoptr(GVariant) got = fixture_get(fixture, path, interface, name);
            g_assert_cmpvariant(got, value);
        }
        g_autoptr(GVariant) all = tooled_get_all(fixture, path, interface);
        g_assert_cmpuint(g_variant_n_children(all), ==, g_variant_n_children(properties));
    }
    g_assert_cmpuint(n_own, ==, 1);
}

static void on_added(GDBusConnection *client, const char *sender, const char *path, const char *interface,
                     const char *signal, GVariant *parameters, gpointer data)
{
    g_ptr_array_add(data, g_variant_ref(parameters));
}

/* Of what has not changed since, the same is told as when it came. */
static void assert_listed_as_added(GVariant *objects, const char *path, const GPtrArray *added)
{
    g_autoptr(GVariant) listed = g_variant_lookup_value(objects, path, NULL);
    gboolean is_there = FALSE;
    g_assert_nonnull(listed);
    for (guint i = 0; i < added->len; i++) {
        g_autoptr(GVariant) of = g_variant_get_child_value(added->pdata[i], 0);
        g_autoptr(GVariant) interfaces = g_variant_get_child_value(added->pdata[i], 1);
        if (!g_str_equal(g_variant_get_string(of, NULL), path))
            continue;
        g_assert_cmpvariant(listed, interfaces);
        is_there = TRUE;
    }
    g_assert_true(is_there);
}

/* Its progress goes on, so that only the rest can be compared. */
static void assert_job_is_listed(Fixture *fixture, GVariant *objects, const char *job)
{
    g_autoptr(GVariant) listed = g_variant_lookup_value(objects, job, NULL);
    g_autoptr(GVariant) all = tooled_get_all(fixture, job, BERTH_IFACE_JOB);
    g_autoptr(GVariant) properties = NULL;
    g_assert_nonnull(listed);
    g_assert_true(g_variant_lookup(listed, BERTH_IFACE_JOB, "@a{sv}", &properties));
    g_assert_cmpuint(g_variant_n_children(properties), ==, g_variant_n_children(all));
}

static void test_managed_objects(Tooled *tooled, gconstpointer unused)
{
    Fixture *fixture = &tooled->fixture;
    g_autoptr(GPtrArray) added = g_ptr_array_new_with_free_func((GDestroyNotify) g_variant_unref);
    guint subscription = g_dbus_connection_signal_subscribe(
        fixture->client, BERTH_BUS_NAME, "org.freedesktop.DBus.ObjectManager", "InterfacesAdded", BERTH_PATH_ROOT, NULL,
        G_DBUS_SIGNAL_FLAGS_NONE, on_added, added, NULL);
    g_autofree char *image = import_to_the_end(fixture, "hole");
    g_autofree char *web = tooled_vm(tooled, "web", NULL);
    g_autofree char *db = tooled_vm(tooled, "db", NULL);
    AWAIT(added->len == 4); /* the job, the image, two VMs */
    g_dbus_connection_signal_unsubscribe(fixture->client, subscription);
    for (guint i = 1; i < added->len; i++) {
        g_autoptr(GVariant) path = g_variant_get_child_value(added->pdata[i], 0);
        g_autoptr(GVariant) interfaces = g_variant_get_child_value(added->pdata[i], 1);
        compare_with_get(fixture, g_variant_get_string(path, NULL), interfaces);
    }
    fixture_vm(fixture, db, "Start");
    g_autofree char *job = import(fixture, "long", (off_t) 1 << 40);
    g_autoptr(GVariant) answer =
        fixture_call(fixture, BERTH_PATH_ROOT, "org.freedesktop.DBus.ObjectManager", "GetManagedObjects", NULL);
    g_autoptr(GVariant) objects = g_variant_get_child_value(answer, 0);
    assert_listed_as_added(objects, image, added);
    assert_listed_as_added(objects, web, added);
    assert_job_is_listed(fixture, objects, job);
    cancel(fixture, job);
    const char *path;
    GVariant *interfaces;
    GVariantIter iter;
    g_assert_cmpuint(g_variant_n_children(objects), >=, 3);
    g_variant_iter_init(&iter, objects);
    while (g_variant_iter_loop(&iter, "{&o@a{sa{sv}}}", &path, &interfaces)) {
        g_autoptr(GVariant) manager = g_variant_lookup_value(interfaces, BERTH_IFACE_MANAGER, NULL);
        if (!manager && !g_str_equal(path, job))
            compare_with_get(fixture, path, interfaces);
    }
}

static void add(void)
{
    TOOLED_ADD("/contract/introspection", NULL, test_introspection);
    TOOLED_ADD("/contract/changes", "[VM]\nPowerOffTimeoutSec=500ms\n", test_changes);
    TOOLED_ADD("/contract/collected", NULL, test_collected);
    TOOLED_ADD("/contract/managed-objects", NULL, test_managed_objects);
}

int main(int argc, char **argv)
{
    return tooled_main(argc, argv, add);
}
