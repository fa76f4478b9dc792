/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <stdarg.h>
#include <string.h>
#include <sys/stat.h>

#include "power-private.h"
#include "src/core/names.h"
#include "tests/lib/test-cgroup.h"

/* What is looked at after a boot. */

/* Of so many violations the trees are told. */
#define TOLD_MAX 5u

void power_violation(Power *power, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    g_autofree char *what = g_strdup_vprintf(format, args);
    va_end(args);
    if (power->violations++ >= TOLD_MAX)
        return;
    g_autofree char *tree = fs_tree_describe(power->cut->tree);
    g_auto(GStrv) lines = g_strsplit(tree, "\n", -1);
    g_test_message("VIOLATION: %s\npower cut %s; promises kept %#x", what, power->cut->how, power->cut->kept);
    for (guint i = 0; lines[i] && *lines[i]; i++)
        g_test_message("  %s", lines[i]);
}

static guint count_starts(Power *power)
{
    return fake_service_count(fake_systemd_service(power_fixture(power)->systemd), "StartTransientUnit");
}

static void forget_objects(Power *power)
{
    g_clear_pointer(&power->objects, g_variant_unref);
}

void power_check_begin(Power *power)
{
    power->expected = g_ptr_array_new_with_free_func(g_free);
    power->images = g_ptr_array_new_with_free_func(g_free);
    forget_objects(power);
    power->starts = count_starts(power);
    power->wanted = 0;
}

/* Objects */

static GVariant *get_objects(Power *power)
{
    if (!power->objects) {
        g_autoptr(GVariant) answer = fixture_call(power_fixture(power), BERTH_PATH_ROOT,
                                                  "org.freedesktop.DBus.ObjectManager", "GetManagedObjects", NULL);
        power->objects = g_variant_get_child_value(answer, 0);
    }
    return power->objects;
}

static gboolean is_named_so(GVariant *object, const char *name)
{
    const char *has;
    return g_variant_lookup(object, "Name", "&s", &has) && g_str_equal(has, name);
}

/* Of a VM whose definition is deleted already nobody knows the name any more: it is shown by its id. */
static gboolean is_remains(GVariant *vm, const char *any_name)
{
    const char *id;
    return g_variant_lookup(vm, "Id", "&s", &id) && is_named_so(vm, id);
}

/* (nullable) (transfer full): the properties of the first object with that interface that @is_it */
static GVariant *find_object(Power *power, const char *interface, gboolean (*is_it)(GVariant *, const char *),
                             const char *name, char **path)
{
    GVariantIter iter;
    const char *at;
    GVariant *interfaces;
    g_variant_iter_init(&iter, get_objects(power));
    while (g_variant_iter_next(&iter, "{&o@a{sa{sv}}}", &at, &interfaces)) {
        g_autoptr(GVariant) all = interfaces;
        g_autoptr(GVariant) properties = g_variant_lookup_value(all, interface, NULL);
        if (properties && is_it(properties, name)) {
            *path = g_strdup(at);
            return g_steal_pointer(&properties);
        }
    }
    return NULL;
}

/* (nullable) (transfer full): or what is left of it */
static GVariant *find_vm(Power *power, const char *name, char **path)
{
    GVariant *vm = find_object(power, BERTH_IFACE_VM, is_named_so, name, path);
    return vm ? vm : find_object(power, BERTH_IFACE_VM, is_remains, name, path);
}

GVariant *power_get(Power *power, const char *name, const char *property)
{
    g_autofree char *path = NULL;
    g_autoptr(GVariant) vm = find_vm(power, name, &path);
    return vm ? g_variant_lookup_value(vm, property, NULL) : NULL;
}

/* Files that a VM or an image has in the scenario: as it left them, or as they were before. */
static FsTree *find_files(Power *power, const char *path)
{
    FsTree *files = fs_tree_find(power->after, path);
    return files ? files : fs_tree_find(power->before, path);
}

/* The files in @path are those of the scenario. */
static gboolean expect_whole(Power *power, const char *path)
{
    g_autofree char *full = g_build_filename(power_fixture(power)->state_dir, path, NULL);
    g_autoptr(FsTree) found = g_file_test(full, G_FILE_TEST_IS_DIR) ? fs_tree_scan(full) : NULL;
    const FsTree *wanted = find_files(power, path);
    g_autofree char *wanted_text = wanted ? fs_tree_describe(wanted) : g_strdup("nothing");
    g_autofree char *found_text = found ? fs_tree_describe(found) : g_strdup("nothing");
    if (g_str_equal(wanted_text, found_text))
        return TRUE;
    power_violation(power, "%s holds\n%s and not\n%s", path, found_text, wanted_text);
    return FALSE;
}

static gboolean is_in_grace(GVariant *vm)
{
    const char *phase = "";
    g_variant_lookup(vm, "RemovalPhase", "&s", &phase);
    return g_str_equal(phase, "grace");
}

/* It is there, and is to be, by the name that it is shown with. */
static void note_expected(Power *power, GVariant *vm)
{
    char *name = NULL;
    g_variant_lookup(vm, "Name", "s", &name);
    g_ptr_array_add(power->expected, name);
}

/* Within its grace time it is there, and stays. */
static void expect_gone(Power *power, GVariant *vm, const char *path)
{
    if (is_in_grace(vm))
        note_expected(power, vm);
    else
        fixture_await_gone(power_fixture(power), path);
}

/* Nothing that was being written is left in it. */
static void expect_nothing_staged(Power *power, const char *path)
{
    g_autoptr(GDir) dir = g_dir_open(path, 0, NULL);
    for (const char *name; dir && (name = g_dir_read_name(dir));)
        if (g_str_has_prefix(name, BERTH_STAGING_PREFIX))
            power_violation(power, "%s/%s is left", path, name);
}

static gboolean expect_files(Power *power, GVariant *vm)
{
    const char *id = "";
    g_variant_lookup(vm, "Id", "&s", &id);
    g_autofree char *path = g_build_filename(power_fixture(power)->state_dir, BERTH_DIR_VMS, id, NULL);
    g_autofree char *disks = g_build_filename(BERTH_DIR_VMS, id, BERTH_DIR_DISKS, NULL);
    g_autofree char *logs = g_build_filename(path, BERTH_DIR_LOGS, NULL);
    expect_nothing_staged(power, path);
    if (!expect_whole(power, disks))
        return FALSE;
    if (g_file_test(logs, G_FILE_TEST_IS_DIR))
        return TRUE;
    power_violation(power, "%s is not there", logs);
    return FALSE;
}

static void expect_alive(Power *power, GVariant *vm, const char *path)
{
    gboolean wanted = FALSE;
    note_expected(power, vm);
    if (!expect_files(power, vm))
        return; /* nor does it start */
    g_variant_lookup(vm, "WantRunning", "b", &wanted);
    power->wanted += wanted ? 1 : 0;
    fixture_await_state(power_fixture(power), path, wanted ? "running" : "stopped");
}

static PowerFates fate_of(GVariant *vm)
{
    const char *state = "";
    if (!vm)
        return POWER_ABSENT;
    g_variant_lookup(vm, "State", "&s", &state);
    return g_str_equal(state, "removing") ? POWER_REMOVING : g_str_equal(state, "broken") ? POWER_BROKEN : POWER_ALIVE;
}

char *power_expect_vm(Power *power, const char *name, PowerFates fates)
{
    g_autofree char *path = NULL;
    g_autoptr(GVariant) vm = find_vm(power, name, &path);
    PowerFates fate = fate_of(vm);
    if (!(fates & fate)) {
        g_autofree char *all = vm ? g_variant_print(vm, FALSE) : g_strdup("not there");
        power_violation(power, "%s is %s", name, all);
    }
    if (fate == POWER_REMOVING)
        expect_gone(power, vm, path);
    else if (fate == POWER_ALIVE)
        expect_alive(power, vm, path);
    else if (fate == POWER_BROKEN)
        note_expected(power, vm);
    return fate == POWER_ALIVE ? g_steal_pointer(&path) : NULL;
}

void power_expect_image(Power *power, const char *name, gboolean may_be_there, gboolean may_be_absent)
{
    g_autofree char *path = NULL;
    g_autoptr(GVariant) image = find_object(power, BERTH_IFACE_IMAGE, is_named_so, name, &path);
    if (image ? !may_be_there : !may_be_absent)
        power_violation(power, "the image %s is %s", name, image ? "there" : "not there");
    if (!image)
        return;
    g_autofree char *files = g_build_filename(BERTH_DIR_IMAGES, name, NULL);
    expect_whole(power, files);
    g_ptr_array_add(power->images, g_strdup(name));
}

/* That nothing else is there */

static gboolean is_named(const GPtrArray *names, const char *name)
{
    return g_ptr_array_find_with_equal_func((GPtrArray *) names, name, g_str_equal, NULL);
}

static void expect_no_others(Power *power, const char *interface, const GPtrArray *names)
{
    GVariantIter iter;
    const char *path, *name;
    GVariant *interfaces;
    g_variant_iter_init(&iter, get_objects(power));
    while (g_variant_iter_loop(&iter, "{&o@a{sa{sv}}}", &path, &interfaces)) {
        g_autoptr(GVariant) properties = g_variant_lookup_value(interfaces, interface, NULL);
        if (properties && g_variant_lookup(properties, "Name", "&s", &name) && !is_named(names, name))
            power_violation(power, "%s is there, too", name);
    }
}

static guint count_in(Power *power, const char *name)
{
    return tooled_count_entries(power_fixture(power)->state_dir, name);
}

static void expect_count(Power *power, const char *directory, guint count)
{
    if (count_in(power, directory) == count)
        return;
    g_autoptr(FsTree) left = fs_tree_scan(power_fixture(power)->state_dir);
    g_autofree char *text = fs_tree_describe(left);
    power_violation(power, "%s has not %u entries; what is there is\n%s", directory, count, text);
}

static void remove_vm(Power *power, const char *name)
{
    Fixture *fixture = power_fixture(power);
    g_autofree char *path = NULL;
    g_autoptr(GVariant) vm = find_vm(power, name, &path);
    if (!vm)
        return;
    if (is_in_grace(vm))
        fixture_vm(fixture, path, "CancelRemoval");
    fixture_vm(fixture, path, "Remove");
    fixture_await_gone(fixture, path);
}

/* What the daemon itself finds, beside what is looked for here. */
static void expect_audit_clean(Power *power)
{
    g_autoptr(GVariant) answer = fixture_call(power_fixture(power), BERTH_PATH_ROOT, BERTH_IFACE_MANAGER, "Audit",
                                              g_variant_new("(@a{sv})", tooled_asv("{}")));
    g_autoptr(GVariant) findings = g_variant_get_child_value(answer, 0);
    if (g_variant_n_children(findings) == 0)
        return;
    g_autofree char *text = g_variant_print(findings, FALSE);
    power_violation(power, "the audit finds %s", text);
}

/* No VM is left: nor is any of its files, here and in /run, or its processes. */
static void expect_nothing(Power *power)
{
    const Fixture *fixture = power_fixture(power);
    expect_count(power, BERTH_DIR_VMS, 0);
    expect_count(power, BERTH_DIR_REMOVING, 0);
    if (tooled_count_entries(fixture->runtime_dir, ".") > 1) /* .booted: that the host is up */
        power_violation(power, "something is left in the runtime directory");
    if (!test_cgroup_is_empty(fixture->cgroup))
        power_violation(power, "a process is left");
}

void power_check_end(Power *power)
{
    if (count_starts(power) != power->starts + power->wanted)
        power_violation(power, "%u VMs were started, %u should be", count_starts(power) - power->starts, power->wanted);
    forget_objects(power);
    expect_no_others(power, BERTH_IFACE_VM, power->expected);
    expect_no_others(power, BERTH_IFACE_IMAGE, power->images);
    expect_count(power, BERTH_DIR_VMS, power->expected->len);
    expect_count(power, BERTH_DIR_REMOVING, 0);
    expect_count(power, BERTH_DIR_IMAGES, power->images->len);
    expect_audit_clean(power);
    for (guint i = 0; i < power->expected->len; i++)
        remove_vm(power, power->expected->pdata[i]);
    expect_audit_clean(power);
    expect_nothing(power);
    forget_objects(power);
    g_clear_pointer(&power->expected, g_ptr_array_unref);
    g_clear_pointer(&power->images, g_ptr_array_unref);
}
