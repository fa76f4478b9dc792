/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "fake-berth.h"

#include <fcntl.h>
#include <gio/gunixfdlist.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tests/lib/await.h"

#define ROOT "/org/berth/Berth1"
#define JOB ROOT "/job/1"
#define IMAGE ROOT "/image/debian"
#define IFACE "org.berth.Berth1."
#define ERROR IFACE "Error."
#define OBJECT_MANAGER "org.freedesktop.DBus.ObjectManager"

static const char standard_xml[] = "<node><interface name='" OBJECT_MANAGER "'><method name='GetManagedObjects'>"
                                   "<arg type='a{oa{sa{sv}}}' direction='out'/></method></interface></node>";

static void set(char **field, const char *text)
{
    g_free(*field);
    *field = g_strdup(text);
}

static void vm_free(gpointer data)
{
    FakeVm *vm = data;
    char *texts[] = {vm->id, vm->name, vm->path, vm->state, vm->phase, vm->blocker, vm->exit_reason, vm->subscriber};
    for (gsize i = 0; i < G_N_ELEMENTS(texts); i++)
        g_free(texts[i]);
    g_variant_unref(vm->config);
    g_free(vm);
}

static void emit(FakeBerth *fake, const char *path, const char *interface, const char *signal, GVariant *parameters)
{
    g_autoptr(GError) error = NULL;
    g_dbus_connection_emit_signal(fake->connection, NULL, path, interface, signal, parameters, &error);
    g_assert_no_error(error);
}

static void emit_changed(FakeBerth *fake, const char *path, const char *interface, GVariant *values)
{
    emit(fake, path, "org.freedesktop.DBus.Properties", "PropertiesChanged",
         g_variant_new("(s@a{sv}@as)", interface, values, g_variant_new_strv(NULL, 0)));
}

static GVariant *vm_properties(const FakeVm *vm)
{
    gboolean runs = g_str_equal(vm->state, "running");
    GVariantDict dict;
    g_variant_dict_init(&dict, NULL);
    g_variant_dict_insert(&dict, "Id", "s", vm->id);
    g_variant_dict_insert(&dict, "Name", "s", vm->name);
    g_variant_dict_insert(&dict, "State", "s", vm->state);
    g_variant_dict_insert(&dict, "StateChangeTimestamp", "t",
                          (guint64) g_get_real_time() - 7410 * (guint64) G_USEC_PER_SEC);
    g_variant_dict_insert(&dict, "RemovalPhase", "s", vm->phase);
    g_variant_dict_insert(&dict, "RemovalBlocker", "s", vm->blocker);
    g_variant_dict_insert(&dict, "RemovalAttempt", "u", 3u);
    g_variant_dict_insert(&dict, "RemovalNextAttemptTimestamp", "t", vm->next_attempt);
    g_variant_dict_insert(&dict, "LastError", "(ss)", "", "");
    g_variant_dict_insert(&dict, "WantRunning", "b", runs);
    g_variant_dict_insert_value(&dict, "Config", vm->config);
    g_variant_dict_insert(&dict, "VCPUs", "u", 2u);
    g_variant_dict_insert(&dict, "MemoryBytes", "t", (guint64) 512 * 1024 * 1024);
    g_variant_dict_insert(&dict, "Image", "s", "debian");
    g_variant_dict_insert(&dict, "CID", "u", 1000u);
    g_variant_dict_insert(&dict, "PID", "u", runs ? 4711u : 0u);
    g_variant_dict_insert(&dict, "Responsive", "b", runs && !vm->hangs);
    g_variant_dict_insert(&dict, "NextStart", "t", vm->next_start);
    g_variant_dict_insert(&dict, "ExitReason", "s", vm->exit_reason ? vm->exit_reason : "");
    g_variant_dict_insert(&dict, "ExitStatus", "i", -1);
    g_variant_dict_insert(&dict, "GuestReady", "b", runs);
    g_variant_dict_insert(&dict, "GuestStatus", "s", runs ? "Startup \033[31m finished" : "");
    g_variant_dict_insert(&dict, "GuestOS", "s", runs ? "Fake Linux 1" : "");
    g_variant_dict_insert_value(
        &dict, "GuestAddresses",
        g_variant_new_parsed(runs ? "['192.0.2.17/24 eth0', '2001:db8::1/64 eth0']" : "@as []"));
    return g_variant_dict_end(&dict);
}

static GVariant *image_properties(void)
{
    return g_variant_new_parsed("{'Name': <'debian'>, 'Description': <'Debian \\u001b[2J 12'>, 'Version': <'12'>,"
                                " 'SizeBytes': <@t 1073741824>, 'SHA256': <'0123456789abcdef'>,"
                                " 'UsedBy': <@ao []>}");
}

static GVariant *job_properties(FakeBerth *fake)
{
    return g_variant_new_parsed("{'Operation': <%s>, 'Progress': <0.0>}", fake->operation);
}

static GVariant *manager_properties(void)
{
    return g_variant_new_parsed("{'Version': <'9.9.9'>, 'Capabilities': <['tcg', 'landlock']>}");
}

/* @properties: floating. */
static GVariant *get_property(GDBusConnection *connection, const char *sender, const char *path, const char *interface,
                              const char *name, GError **error, gpointer data)
{
    FakeBerth *fake = data;
    g_autoptr(GVariant) properties = NULL;
    if (g_str_equal(interface, IFACE "Manager"))
        properties = g_variant_ref_sink(manager_properties());
    else if (g_str_equal(interface, IFACE "Image"))
        properties = g_variant_ref_sink(image_properties());
    else if (g_str_equal(interface, IFACE "Job"))
        properties = g_variant_ref_sink(job_properties(fake));
    for (guint i = 0; i < fake->vms->len; i++) {
        FakeVm *vm = fake->vms->pdata[i];
        if (g_str_equal(vm->path, path))
            properties = g_variant_ref_sink(vm_properties(vm));
    }
    GVariant *value = properties != NULL ? g_variant_lookup_value(properties, name, NULL) : NULL;
    if (value == NULL)
        g_set_error(error, G_DBUS_ERROR, G_DBUS_ERROR_UNKNOWN_PROPERTY, "The fake has no %s", name);
    return value;
}

static void on_call(GDBusConnection *connection, const char *sender, const char *path, const char *interface,
                    const char *method, GVariant *parameters, GDBusMethodInvocation *invocation, gpointer data);

static guint export(FakeBerth *fake, const char *path, GDBusNodeInfo *node, const char *interface)
{
    static const GDBusInterfaceVTable vtable = {.method_call = on_call, .get_property = get_property};
    g_autoptr(GError) error = NULL;
    guint id = g_dbus_connection_register_object(
        fake->connection, path, g_dbus_node_info_lookup_interface(node, interface), &vtable, fake, NULL, &error);
    g_assert_no_error(error);
    return id;
}

static FakeVm *find(FakeBerth *fake, const char *word)
{
    for (guint i = 0; i < fake->vms->len; i++) {
        FakeVm *vm = fake->vms->pdata[i];
        if (g_str_equal(vm->name, word) || g_str_equal(vm->id, word) || g_str_equal(vm->path, word))
            return vm;
    }
    return NULL;
}

static void add_object(GVariantBuilder *objects, const char *path, const char *interface, GVariant *properties)
{
    g_variant_builder_open(objects, G_VARIANT_TYPE("{oa{sa{sv}}}"));
    g_variant_builder_add(objects, "o", path);
    g_variant_builder_open(objects, G_VARIANT_TYPE("a{sa{sv}}"));
    g_variant_builder_add(objects, "{s@a{sv}}", "org.freedesktop.DBus.Peer", g_variant_new_parsed("@a{sv} {}"));
    g_variant_builder_add(objects, "{s@a{sv}}", interface, properties);
    g_variant_builder_close(objects);
    g_variant_builder_close(objects);
}

static GVariant *managed_objects(FakeBerth *fake)
{
    GVariantBuilder objects;
    g_variant_builder_init(&objects, G_VARIANT_TYPE("a{oa{sa{sv}}}"));
    add_object(&objects, ROOT, IFACE "Manager", manager_properties());
    add_object(&objects, IMAGE, IFACE "Image", image_properties());
    for (guint i = 0; i < fake->vms->len; i++) {
        FakeVm *vm = fake->vms->pdata[i];
        add_object(&objects, vm->path, IFACE "VM", vm_properties(vm));
    }
    return g_variant_new("(@a{oa{sa{sv}}})", g_variant_builder_end(&objects));
}

static gboolean refuse(FakeBerth *fake, GDBusMethodInvocation *invocation)
{
    if (fake->refuse != NULL)
        g_dbus_method_invocation_return_dbus_error(invocation, fake->refuse, "The fake refuses\033[2J");
    return fake->refuse != NULL;
}

static gint64 size_of_handle(GUnixFDList *list, gint32 handle)
{
    g_autoptr(GError) error = NULL;
    int fd = g_unix_fd_list_get(list, handle, &error);
    g_assert_no_error(error);
    struct stat status;
    g_assert_no_errno(fstat(fd, &status));
    close(fd);
    return status.st_size;
}

static void add_job(FakeBerth *fake, const char *operation)
{
    fake->operation = operation;
    if (fake->job == 0)
        fake->job = export(fake, JOB, fake->contract, IFACE "Job");
    emit(fake, ROOT, OBJECT_MANAGER, "InterfacesAdded",
         g_variant_new_parsed("(%o, {'" IFACE "Job': %@a{sv}})", JOB, job_properties(fake)));
}

static void import_image(FakeBerth *fake, GVariant *parameters, GDBusMethodInvocation *invocation)
{
    gint32 disk, kernel;
    g_autoptr(GVariant) options = NULL;
    if (refuse(fake, invocation))
        return;
    g_variant_get(parameters, "(&sh@a{sv})", NULL, &disk, &options);
    GUnixFDList *list = g_dbus_message_get_unix_fd_list(g_dbus_method_invocation_get_message(invocation));
    fake->disk_size = size_of_handle(list, disk);
    fake->kernel_size = g_variant_lookup(options, "kernel", "h", &kernel) ? size_of_handle(list, kernel) : -1;
    add_job(fake, "import-image");
    if (fake->import == FAKE_IMPORT_IS_AT_ONCE)
        fake_berth_complete(fake, "", "");
    g_dbus_method_invocation_return_value(invocation, g_variant_new("(o)", JOB));
    fake->job_exists = TRUE;
}

static void manager_call(FakeBerth *fake, const char *method, GVariant *parameters, GDBusMethodInvocation *invocation)
{
    const char *name;
    if (g_str_equal(method, "GetVM")) {
        g_variant_get(parameters, "(&s)", &name);
        FakeVm *vm = find(fake, name);
        if (vm != NULL)
            g_dbus_method_invocation_return_value(invocation, g_variant_new("(o)", vm->path));
        else
            g_dbus_method_invocation_return_dbus_error(invocation, ERROR "NotFound", "There is none of that name");
    } else if (g_str_equal(method, "CreateVM")) {
        g_autoptr(GVariant) config = NULL;
        g_variant_get(parameters, "(&s@a{sv}@a{sv})", &name, &config, NULL);
        FakeVm *vm = fake_berth_add(fake, name, "stopped");
        g_variant_unref(vm->config);
        vm->config = g_steal_pointer(&config);
        g_dbus_method_invocation_return_value(invocation, g_variant_new("(o)", vm->path));
    } else if (g_str_equal(method, "ImportImage")) {
        import_image(fake, parameters, invocation);
    } else if (g_str_equal(method, "Reload")) {
        g_dbus_method_invocation_return_value(invocation, g_variant_new("(uuu)", 1, 2, 3));
    } else if (g_str_equal(method, "Audit")) {
        g_dbus_method_invocation_return_value(invocation, g_variant_new("(@aa{sv})", fake->findings));
    } else {
        g_dbus_method_invocation_return_dbus_error(invocation, ERROR "Unsupported", "The fake does not do that");
    }
}

static void return_descriptor(GDBusMethodInvocation *invocation, int fd)
{
    g_autoptr(GUnixFDList) list = g_unix_fd_list_new_from_array(&fd, 1);
    g_dbus_method_invocation_return_value_with_unix_fd_list(invocation, g_variant_new("(h)", 0), list);
}

/* The other end stays in @end. */
static void open_socket(int *end, GDBusMethodInvocation *invocation)
{
    int pair[2];
    g_assert_no_errno(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair));
    if (*end >= 0)
        close(*end);
    *end = pair[0];
    return_descriptor(invocation, pair[1]);
}

static void clone_vm(FakeBerth *fake, FakeVm *vm, GVariant *parameters, GDBusMethodInvocation *invocation)
{
    const char *name;
    g_autoptr(GVariant) changes = NULL;
    g_variant_get(parameters, "(&s@a{sv}@a{sv})", &name, &changes, NULL);
    g_autofree char *text = g_variant_print(changes, FALSE);
    g_free(fake->called);
    fake->called = g_strdup_printf("Clone %s %s %s", vm->name, name, text);
    add_job(fake, "clone-vm");
    g_dbus_method_invocation_return_value(invocation, g_variant_new("(o)", JOB));
    fake->job_exists = TRUE;
}

/* Looking, which is no call of anybody's that a test waits for. */
static gboolean usage_call(FakeVm *vm, const char *method, GDBusMethodInvocation *invocation)
{
    if (g_str_equal(method, "SubscribeUsage")) {
        set(&vm->subscriber, g_dbus_method_invocation_get_sender(invocation));
        vm->n_subscribed++;
    } else if (g_str_equal(method, "UnsubscribeUsage")) {
        vm->n_unsubscribed++;
    } else {
        return FALSE;
    }
    g_dbus_method_invocation_return_value(invocation, NULL);
    return TRUE;
}

static void vm_call(FakeBerth *fake, FakeVm *vm, const char *method, GVariant *parameters,
                    GDBusMethodInvocation *invocation)
{
    if (usage_call(vm, method, invocation))
        return;
    g_free(fake->called);
    fake->called = g_strdup_printf("%s %s", method, vm->name);
    if (fake->ends_as)
        fake_berth_change(fake, vm, fake->ends_as, "", "");
    if (refuse(fake, invocation))
        return;
    if (g_str_equal(method, "Clone")) {
        clone_vm(fake, vm, parameters, invocation);
        return;
    }
    if (g_str_equal(method, "OpenConsole") || g_str_equal(method, "OpenDisplay")) {
        open_socket(g_str_equal(method, "OpenConsole") ? &fake->console : &fake->display, invocation);
        return;
    }
    if (g_str_equal(method, "OpenLog")) {
        int fd = open(fake->log, O_RDONLY | O_CLOEXEC);
        g_assert_no_errno(fd);
        return_descriptor(invocation, fd);
        return;
    }
    g_autoptr(GVariant) first = g_variant_get_child_value(parameters, 0);
    const char *mode;
    if (g_str_equal(method, "Shutdown") && g_variant_lookup(first, "mode", "&s", &mode)) {
        g_free(fake->called);
        fake->called = g_strdup_printf("%s %s %s", method, vm->name, mode);
    }
    if (g_str_equal(method, "Remove")) {
        vm->grace = G_MAXUINT;
        g_variant_lookup(first, "grace-seconds", "u", &vm->grace);
        fake_berth_change(fake, vm, "removing", "stopping", "");
        vm->n_removes++;
    } else if (g_str_equal(method, "Configure")) {
        g_variant_unref(vm->config);
        vm->config = g_variant_ref(first);
    }
    g_dbus_method_invocation_return_value(invocation, NULL);
}

static void on_call(GDBusConnection *connection, const char *sender, const char *path, const char *interface,
                    const char *method, GVariant *parameters, GDBusMethodInvocation *invocation, gpointer data)
{
    FakeBerth *fake = data;
    if (g_str_equal(interface, OBJECT_MANAGER)) {
        fake->n_reads++;
        set(&fake->reader, sender);
        for (guint i = 0; fake->says_stale && i < fake->vms->len; i++)
            emit_changed(fake, ((FakeVm *) fake->vms->pdata[i])->path, IFACE "VM",
                         g_variant_new_parsed("{'State': <'paused'>}"));
        g_dbus_method_invocation_return_value(invocation, managed_objects(fake));
    } else if (g_str_equal(interface, IFACE "Manager")) {
        manager_call(fake, method, parameters, invocation);
    } else if (g_str_equal(interface, IFACE "VM")) {
        vm_call(fake, find(fake, path), method, parameters, invocation);
    } else {
        g_free(fake->called);
        fake->called = g_strdup_printf("%s %s", method, path);
        fake->job_cancelled = fake->job_cancelled || g_str_equal(interface, IFACE "Job");
        if (!refuse(fake, invocation))
            g_dbus_method_invocation_return_value(invocation, NULL);
    }
}

FakeVm *fake_berth_add(FakeBerth *fake, const char *name, const char *state)
{
    FakeVm *vm = g_new0(FakeVm, 1);
    vm->id = g_uuid_string_random();
    vm->name = g_strdup(name);
    g_autofree char *element = g_strdelimit(g_strdup(vm->id), "-", '_');
    vm->path = g_strdup_printf(ROOT "/vm/%s", element);
    vm->state = g_strdup(state);
    vm->phase = g_strdup("");
    vm->blocker = g_strdup("");
    vm->config = g_variant_ref_sink(g_variant_new_parsed("{'restart': <'no'>}"));
    g_ptr_array_add(fake->vms, vm);
    vm->registration = export(fake, vm->path, fake->contract, IFACE "VM");
    emit(fake, ROOT, OBJECT_MANAGER, "InterfacesAdded",
         g_variant_new_parsed("(%o, {'" IFACE "VM': %@a{sv}})", vm->path, vm_properties(vm)));
    return vm;
}

void fake_berth_change(FakeBerth *fake, FakeVm *vm, const char *state, const char *phase, const char *blocker)
{
    set(&vm->state, state);
    set(&vm->phase, phase);
    set(&vm->blocker, blocker);
    if (fake->is_owned)
        emit_changed(fake, vm->path, IFACE "VM",
                     g_variant_new_parsed("{'State': <%s>, 'RemovalPhase': <%s>, 'RemovalBlocker': <%s>}", state, phase,
                                          blocker));
}

void fake_berth_configure(FakeBerth *fake, FakeVm *vm, GVariant *config)
{
    g_variant_unref(vm->config);
    vm->config = g_variant_ref_sink(config);
    if (fake->is_owned)
        emit_changed(fake, vm->path, IFACE "VM", g_variant_new_parsed("{'Config': <%@a{sv}>}", vm->config));
}

void fake_berth_exit(FakeBerth *fake, FakeVm *vm, const char *reason)
{
    set(&vm->state, "exited");
    set(&vm->exit_reason, reason);
    if (fake->is_owned)
        emit_changed(fake, vm->path, IFACE "VM",
                     g_variant_new_parsed("{'State': <'exited'>, 'ExitReason': <%s>}", reason));
}

void fake_berth_vanish(FakeBerth *fake, FakeVm *vm)
{
    const char *interfaces[] = {"org.freedesktop.DBus.Properties", IFACE "VM"};
    g_dbus_connection_unregister_object(fake->connection, vm->registration);
    if (fake->is_owned)
        emit(fake, ROOT, OBJECT_MANAGER, "InterfacesRemoved",
             g_variant_new("(o@as)", vm->path, g_variant_new_strv(interfaces, G_N_ELEMENTS(interfaces))));
    g_ptr_array_remove(fake->vms, vm);
}

void fake_berth_tell_usage(FakeBerth *fake, FakeVm *vm, guint64 time, guint64 cpu, guint64 resident)
{
    g_autoptr(GError) error = NULL;
    g_dbus_connection_emit_signal(
        fake->connection, vm->subscriber, vm->path, IFACE "VM", "Usage",
        g_variant_new_parsed("(%t, {'cpu-usec': <%t>, 'resident-bytes': <%t>})", time, cpu, resident), &error);
    g_assert_no_error(error);
}

void fake_berth_progress(FakeBerth *fake, double fraction)
{
    emit_changed(fake, JOB, IFACE "Job",
                 g_variant_new_parsed("{'Progress': <%d>, 'BytesDone': <%t>, 'BytesTotal': <%t>}", fraction,
                                      (guint64) (fraction * 1048576), (guint64) 1048576));
}

void fake_berth_complete(FakeBerth *fake, const char *error, const char *text)
{
    const char *interfaces[] = {IFACE "Job"};
    emit(fake, JOB, IFACE "Job", "Completed", g_variant_new("(o(ss))", error[0] != '\0' ? "/" : IMAGE, error, text));
    emit(fake, ROOT, OBJECT_MANAGER, "InterfacesRemoved",
         g_variant_new("(o@as)", JOB, g_variant_new_strv(interfaces, G_N_ELEMENTS(interfaces))));
}

static void on_owned(GDBusConnection *connection, const char *name, gpointer data)
{
    ((FakeBerth *) data)->is_owned = TRUE;
}

void fake_berth_start(FakeBerth *fake)
{
    fake->owner = g_bus_own_name_on_connection(fake->connection, "org.berth.Berth1", G_BUS_NAME_OWNER_FLAGS_NONE,
                                               on_owned, NULL, fake, NULL);
    AWAIT(fake->is_owned);
}

void fake_berth_stop(FakeBerth *fake)
{
    g_bus_unown_name(fake->owner);
    fake->is_owned = FALSE;
    g_autoptr(GError) error = NULL;
    /* The name is released by a call that is on its way before this one. */
    g_dbus_connection_flush_sync(fake->connection, NULL, &error);
    g_assert_no_error(error);
}

static GDBusNodeInfo *read_contract(void)
{
    g_autoptr(GError) error = NULL;
    g_autofree char *xml = NULL;
    g_file_get_contents(g_getenv("BERTH_CONTRACT"), &xml, NULL, &error);
    g_assert_no_error(error);
    GDBusNodeInfo *contract = g_dbus_node_info_new_for_xml(xml, &error);
    g_assert_no_error(error);
    return contract;
}

FakeBerth *fake_berth_new(GDBusConnection *connection)
{
    FakeBerth *fake = g_new0(FakeBerth, 1);
    fake->operation = "import-image";
    fake->connection = g_object_ref(connection);
    fake->contract = read_contract();
    fake->standard = g_dbus_node_info_new_for_xml(standard_xml, NULL);
    fake->vms = g_ptr_array_new_with_free_func(vm_free);
    fake->findings = g_variant_ref_sink(g_variant_new_parsed("@aa{sv} []"));
    fake->console = -1;
    fake->display = -1;
    fake->root = export(fake, ROOT, fake->standard, OBJECT_MANAGER);
    fake->root_manager = export(fake, ROOT, fake->contract, IFACE "Manager");
    fake->image = export(fake, IMAGE, fake->contract, IFACE "Image");
    fake_berth_start(fake);
    return fake;
}

void fake_berth_free(FakeBerth *fake)
{
    if (fake->is_owned)
        fake_berth_stop(fake);
    while (fake->vms->len > 0)
        fake_berth_vanish(fake, fake->vms->pdata[0]);
    guint ids[] = {fake->root, fake->root_manager, fake->image, fake->job};
    for (gsize i = 0; i < G_N_ELEMENTS(ids); i++)
        if (ids[i] != 0)
            g_dbus_connection_unregister_object(fake->connection, ids[i]);
    if (fake->console >= 0)
        close(fake->console);
    if (fake->display >= 0)
        close(fake->display);
    g_ptr_array_unref(fake->vms);
    g_dbus_node_info_unref(fake->contract);
    g_dbus_node_info_unref(fake->standard);
    g_object_unref(fake->connection);
    g_variant_unref(fake->findings);
    g_free(fake->called);
    g_free(fake->reader);
    g_free(fake->refuse);
    g_free(fake->log);
    g_free(fake);
}
