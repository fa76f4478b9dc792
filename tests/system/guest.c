/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <glib/gstdio.h>
#include <string.h>
#include <unistd.h>

#include "scene.h"

static GVariant *guest_config(GVariant *config)
{
    g_autoptr(GVariant) more = config ? g_variant_ref_sink(config) : NULL;
    GVariantDict dict;
    g_variant_dict_init(&dict, more);
    if (!g_variant_dict_contains(&dict, "image"))
        g_variant_dict_insert(&dict, "image", "s", "guest");
    if (!g_variant_dict_contains(&dict, "memory"))
        g_variant_dict_insert(&dict, "memory", "t", (guint64) 192 << 20);
    return g_variant_dict_end(&dict);
}

Guest *guest_new(const char *name, GVariant *config)
{
    Guest *guest = g_new0(Guest, 1);
    guest->path = client_create(scene_bus, name, guest_config(config));
    guest->vm = client_watch(scene_bus, guest->path, BERTH_IFACE_VM);
    guest->id = g_strdup(client_told_string(guest->vm, "Id"));
    guest->unit = g_strdup_printf(BERTH_UNIT_PREFIX "%s" BERTH_UNIT_SUFFIX, guest->id);
    return guest;
}

Guest *guest_new_bare(const char *name)
{
    return guest_new(name, g_variant_new_parsed("{'image': <''>, 'memory': <uint64 67108864>}"));
}

#define READY "berth-guest: ready"

/* (transfer full): what its serial console has written; "" before its first run */
static char *read_log(const Guest *guest)
{
    g_autofree char *file =
        g_build_filename("/var/lib/berth/vms", guest->id, BERTH_DIR_LOGS, BERTH_FILE_SERIAL_LOG, NULL);
    char *text = NULL;
    return g_file_get_contents(file, &text, NULL, NULL) ? text : g_strdup("");
}

/* The keeper writes to the log first, and then to who is connected. Of what is in the log, some may also come by the
 * console, up to the answer to a command. */
void guest_await_ready(Guest *guest, gsize written)
{
    g_clear_pointer(&guest->console, console_free);
    guest->console = console_open(scene_bus, guest->path);
    g_autofree char *log = read_log(guest);
    if (!strstr(log + MIN(written, strlen(log)), READY)) {
        console_await(guest->console, READY);
        return;
    }
    console_say(guest->console, "echo it was before");
    console_await(guest->console, "\nit was before");
}

void guest_boot(Guest *guest)
{
    g_autofree char *before = read_log(guest);
    client_vm(scene_bus, guest->path, "Start");
    guest_await_ready(guest, strlen(before));
}

Guest *guest_new_booted(const char *name, GVariant *config)
{
    Guest *guest = guest_new(name, config);
    guest_boot(guest);
    return guest;
}

void guest_rewatch(Guest *guest)
{
    client_object_free(guest->vm);
    guest->vm = client_watch(scene_bus, guest->path, BERTH_IFACE_VM);
}

void guest_forget(Guest *guest)
{
    g_clear_pointer(&guest->console, console_free);
    client_object_free(guest->vm);
    g_free(guest->path);
    g_free(guest->id);
    g_free(guest->unit);
    g_free(guest);
}

void guest_free(Guest *guest)
{
    client_vm(scene_bus, guest->path, "Remove");
    client_await_gone(guest->vm);
    guest_assert_no_trace(guest->id);
    guest_forget(guest);
}

void guest_assert_goes(Guest *guest)
{
    client_await_gone(guest->vm);
    client_vm_fails(scene_bus, guest->path, "Remove", "org.freedesktop.DBus.Error.UnknownObject", "");
    guest_assert_no_trace(guest->id);
    g_assert_cmpuint(client_n_removed(guest->vm), ==, 1);
    guest_forget(guest);
}

static void on_answer(GObject *source, GAsyncResult *result, gpointer data)
{
    Answer *answer = data;
    g_autoptr(GError) error = NULL;
    g_autoptr(GVariant) parameters = g_dbus_connection_call_finish(G_DBUS_CONNECTION(source), result, &error);
    answer->error = error ? g_dbus_error_get_remote_error(error) : NULL;
    if (error)
        g_test_message("%s", error->message);
    answer->done = TRUE;
}

void guest_begin(Guest *guest, const char *method, Answer *answer)
{
    g_dbus_connection_call(scene_bus, BERTH_BUS_NAME, guest->path, BERTH_IFACE_VM, method,
                           g_variant_new("(a{sv})", NULL), NULL, G_DBUS_CALL_FLAGS_NONE, (int) CLIENT_SECONDS * 1000,
                           NULL, on_answer, answer);
}

double guest_uptime(Guest *guest)
{
    g_autofree char *seconds = console_ask(guest->console, "uptime", "uptime ");
    return g_ascii_strtod(seconds, NULL);
}

pid_t guest_qemu(Guest *guest)
{
    client_await(guest->vm, "Unit", g_variant_new_string(guest->unit));
    return (pid_t) client_told_uint(guest->vm, "PID");
}

/* The leader of the scope is QEMU's parent. */
pid_t guest_keeper(Guest *guest)
{
    g_autofree char *parent = scene_process_status(guest_qemu(guest), "PPid");
    return (pid_t) g_ascii_strtoll(parent, NULL, 10);
}

void guest_assert_ended(Guest *guest, const char *state, const char *reason)
{
    client_await_state(guest->vm, state);
    client_await(guest->vm, "ExitReason", g_variant_new_string(reason));
    client_await(guest->vm, "PID", g_variant_new_uint32(0));
    client_await(guest->vm, "Unit", g_variant_new_string(""));
    client_await(guest->vm, "StartedTimestamp", g_variant_new_uint64(0));
}

static void assert_absent(const char *pattern)
{
    g_autofree char *command = g_strdup_printf("ls -d %s 2>/dev/null || :", pattern);
    g_autofree char *found = scene_run("sh", "-c", command, NULL);
    g_assert_cmpstr(found, ==, "");
}

void guest_assert_no_trace(const char *id)
{
    g_autofree char *state = g_strdup_printf("/var/lib/berth/*/%s*", id);
    g_autofree char *staged = g_strdup_printf("/var/lib/berth/*/" BERTH_STAGING_PREFIX "%s*", id);
    g_autofree char *runtime = g_strdup_printf("/run/berth/%s", id);
    assert_absent(state);
    assert_absent(staged);
    assert_absent(runtime);
    g_autofree char *unit = g_strdup_printf(BERTH_UNIT_PREFIX "%s" BERTH_UNIT_SUFFIX, id);
    scene_await_unit_gone(unit);
    /* pgrep's own command line has it, too; it leaves itself out. */
    g_assert_cmpint(scene_status("pgrep", "-f", id, NULL), ==, 1);
}
