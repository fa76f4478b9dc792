/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "scene.h"

/* A guest's life: boot, console, logs, and each way in which it can end. */

#define SHUTDOWN_SECONDS 4

static char *history(Guest *guest)
{
    return client_history(guest->vm, "State");
}

static void assert_history(Guest *guest, const char *states)
{
    g_autofree char *told = history(guest);
    g_assert_cmpstr(told, ==, states);
}

/* A guest ends quickly: that it is going and that it is gone may come in one turn of the daemon's loop, and so in one signal. */
static void assert_history_of_end(Guest *guest)
{
    g_autofree char *told = history(guest);
    if (!g_str_equal(told, "stopped starting running stopped"))
        g_assert_cmpstr(told, ==, "stopped starting running stopping stopped");
}

static void assert_boolean(Guest *guest, const char *property, gboolean expected)
{
    g_autoptr(GVariant) value = client_get(scene_bus, guest->path, BERTH_IFACE_VM, property);
    g_assert_cmpint(g_variant_get_boolean(value), ==, expected);
}

static char *read_log(Guest *guest, const char *log)
{
    int fd = client_open(scene_bus, guest->path, "OpenLog", g_variant_new("(sa{sv})", log, NULL));
    struct stat st;
    g_assert_cmpint(fstat(fd, &st), ==, 0);
    char *text = g_malloc0((gsize) st.st_size + 1);
    g_assert_cmpint(pread(fd, text, (gsize) st.st_size, 0), ==, st.st_size);
    g_assert_cmpint(write(fd, "x", 1), ==, -1); /* it is for reading */
    close(fd);
    return text;
}

/* What the journal has of a VM: entries are found by its fields alone. */
static char *read_journal(const char *match)
{
    g_free(scene_run("journalctl", "--sync", NULL));
    return scene_run("journalctl", "--output=json", "--output-fields=MESSAGE,SYSLOG_IDENTIFIER,BERTH_STATE",
                     "--no-pager", match, NULL);
}

static void assert_says(const char *text, const char *words)
{
    if (!strstr(text, words))
        g_error("“%s” is not in:\n%s", words, text);
}

/* Two clients see one console; the log has it all; Shutdown asks the guest. */
static void test_shutdown(void)
{
    g_autoptr(Guest) guest = guest_new_booted("life", NULL);
    g_autoptr(Console) other = console_open(scene_bus, guest->path);
    assert_boolean(guest, "WantRunning", TRUE);
    assert_boolean(guest, "Responsive", TRUE);
    g_assert_cmpstr(client_told_string(guest->vm, "Unit"), ==, guest->unit);

    console_say(guest->console, "echo first one");
    console_await(guest->console, "\nfirst one");
    console_await(other, "\nfirst one");
    console_say(other, "echo then the other");
    console_await(guest->console, "\nthen the other");
    console_await(other, "\nthen the other");

    client_vm(scene_bus, guest->path, "Shutdown");
    console_await(guest->console, "berth-guest: power button");
    guest_assert_ended(guest, "stopped", "host-stop");
    console_await_end(guest->console);
    console_await_end(other);
    assert_history_of_end(guest);
    assert_boolean(guest, "WantRunning", FALSE);
    g_assert_cmpint(g_variant_get_int32(client_told(guest->vm, "ExitStatus")), ==, 0);

    g_autofree char *log = read_log(guest, "serial");
    assert_says(log, "berth-guest: ready");
    assert_says(log, "\nthen the other");
    assert_says(log, "berth-guest: power button");
    client_fails(scene_bus, guest->path, BERTH_IFACE_VM, "OpenLog", g_variant_new("(sa{sv})", "../vm.json", NULL),
                 "org.freedesktop.DBus.Error.InvalidArgs", "serial");
}

/* The guest's lines and the states, with the fields that an operator searches for. */
static void test_journal(void)
{
    g_autoptr(Guest) guest = guest_new_booted("written", NULL);
    console_say(guest->console, "echo for the journal");
    console_await(guest->console, "\nfor the journal\r\n"); /* what is typed before its end would be part of it */
    /* The keeper tells the journal last. That it goes on with the next line shows that it has. */
    console_say(guest->console, "echo and on");
    console_await(guest->console, "\nand on");
    /* Of whom a line is, journald finds out while he lives. */
    g_free(scene_run("journalctl", "--sync", NULL));
    client_vm(scene_bus, guest->path, "PowerOff");
    client_await_state(guest->vm, "stopped");

    g_autofree char *match = g_strconcat("BERTH_VM_ID=", guest->id, NULL);
    g_autofree char *by_id = read_journal(match);
    g_autofree char *by_name = read_journal("BERTH_VM=written");
    assert_says(by_id, "\"MESSAGE\":\"for the journal\"");
    assert_says(by_name, "\"MESSAGE\":\"for the journal\"");
    assert_says(by_id, "\"SYSLOG_IDENTIFIER\":\"berth-console\"");
    g_autofree char *states = read_journal("MESSAGE_ID=" BERTH_MESSAGE_STATE);
    assert_says(states, "\"BERTH_STATE\":\"starting\"");
    assert_says(states, "\"BERTH_STATE\":\"running\"");
    assert_says(states, "\"BERTH_STATE\":\"stopped\"");

    /* The console's lines belong to the VM's own unit, as its processes do. */
    g_autofree char *unit = g_strconcat("_SYSTEMD_UNIT=", guest->unit, NULL);
    g_autofree char *by_unit = read_journal(unit);
    assert_says(by_unit, "\"MESSAGE\":\"for the journal\"");
}

/* A guest that was asked, and takes its time: all hear of it meanwhile. */
static void test_slow_shutdown(void)
{
    g_autoptr(Guest) guest = guest_new_booted("leisurely", NULL);
    console_say(guest->console, "hang");
    console_await(guest->console, "berth-guest: hanging");
    client_vm(scene_bus, guest->path, "Shutdown");
    client_await_state(guest->vm, "stopping");
    console_say(guest->console, "poweroff");
    guest_assert_ended(guest, "stopped", "host-stop");
    assert_history(guest, "stopped starting running stopping stopped");
}

/* Its owner turned it off from within. */
static void test_guest_poweroff(void)
{
    g_autoptr(Guest) guest = guest_new_booted("self", g_variant_new_parsed("{'restart': <'on-failure'>}"));
    console_say(guest->console, "poweroff");
    guest_assert_ended(guest, "stopped", "guest-shutdown");
    client_await(guest->vm, "WantRunning", g_variant_new_boolean(FALSE));
    assert_history_of_end(guest);
    g_assert_cmpuint(client_told_uint(guest->vm, "NRestarts"), ==, 0);
}

static void test_guest_reboot(void)
{
    g_autoptr(Guest) guest = guest_new_booted("again", NULL);
    pid_t qemu = guest_qemu(guest);
    console_say(guest->console, "reboot");
    console_await(guest->console, "berth-guest: ready");
    g_assert_cmpint(guest_qemu(guest), ==, qemu);
    assert_history(guest, "stopped starting running");
}

static void test_reset(void)
{
    g_autoptr(Guest) guest = guest_new_booted("reset", NULL);
    pid_t qemu = guest_qemu(guest);
    client_vm(scene_bus, guest->path, "Reset");
    console_await(guest->console, "berth-guest: ready");
    g_assert_cmpint(guest_qemu(guest), ==, qemu);
    assert_history(guest, "stopped starting running");
}

static void test_panic(void)
{
    g_autoptr(Guest) guest = guest_new_booted("panic", NULL);
    console_say(guest->console, "panic");
    guest_assert_ended(guest, "exited", "guest-panic");
    assert_boolean(guest, "WantRunning", TRUE);
    g_autofree char *error = g_variant_print(client_told(guest->vm, "LastError"), FALSE);
    assert_says(error, "panicked");
    client_vm(scene_bus, guest->path, "PowerOff");
    client_await_state(guest->vm, "stopped");
    assert_boolean(guest, "WantRunning", FALSE);
}

static void test_restart_after_panic(void)
{
    g_autoptr(Guest) guest = guest_new_booted("stubborn", g_variant_new_parsed("{'restart': <'on-failure'>}"));
    pid_t qemu = guest_qemu(guest);
    console_say(guest->console, "panic");
    client_await(guest->vm, "NRestarts", g_variant_new_uint32(1));
    client_await_state(guest->vm, "running");
    g_assert_cmpint(guest_qemu(guest), !=, qemu);
    assert_history(guest, "stopped starting running exited starting running");
}

static gboolean has_last_error(Guest *guest)
{
    const char *name;
    g_variant_get(client_told(guest->vm, "LastError"), "(&s&s)", &name, NULL);
    return *name != '\0';
}

/* A guest that does not listen runs on, and is not killed. */
static void test_hang(void)
{
    scene_configure("[VM]\nShutdownTimeoutSec=" G_STRINGIFY(SHUTDOWN_SECONDS) "\n");
    g_autoptr(Guest) guest = guest_new_booted("deaf", NULL);
    console_say(guest->console, "hang");
    console_await(guest->console, "berth-guest: hanging");
    gint64 began = g_get_monotonic_time();
    client_vm(scene_bus, guest->path, "Shutdown");
    CLIENT_AWAIT(has_last_error(guest), "Shutdown is not given up");
    double took = (double) (g_get_monotonic_time() - began) / G_USEC_PER_SEC;
    g_assert_cmpfloat(took, >=, SHUTDOWN_SECONDS);
    client_await_state(guest->vm, "running");
    g_autofree char *error = g_variant_print(client_told(guest->vm, "LastError"), FALSE);
    assert_says(error, "did not power down within 4s");
    guest_uptime(guest);
    client_vm(scene_bus, guest->path, "PowerOff");
    guest_assert_ended(guest, "stopped", "host-stop");
    assert_history(guest, "stopped starting running stopping running stopping stopped");
    scene_configure(NULL);
}

/* Its clock stands still meanwhile; the time that passes here is what is measured. */
static void test_pause(void)
{
    g_autoptr(Guest) guest = guest_new_booted("pause", NULL);
    gint64 began = g_get_monotonic_time(); /* earlier than what is told of the guest's clock, as the end is later */
    double before = guest_uptime(guest);
    client_vm(scene_bus, guest->path, "Pause");
    client_await_state(guest->vm, "paused");
    gint64 paused = g_get_monotonic_time();
    client_vm_fails(scene_bus, guest->path, "Pause", "WrongState", "paused");
    client_vm_fails(scene_bus, guest->path, "Shutdown", "WrongState", "resume it first");
    console_say(guest->console, "echo are you there");
    await_silence(3000);
    g_assert_false(console_has(guest->console, "\nare you there"));
    gint64 resumed = g_get_monotonic_time();
    client_vm(scene_bus, guest->path, "Resume");
    client_await_state(guest->vm, "running");
    console_await(guest->console, "\nare you there");

    double passed = guest_uptime(guest) - before;
    double here = (double) (g_get_monotonic_time() - began) / G_USEC_PER_SEC;
    double pause = (double) (resumed - paused) / G_USEC_PER_SEC;
    g_assert_cmpfloat(pause, >=, 3);
    g_assert_cmpfloat(passed, <, here - pause + 0.5);
    client_vm_fails(scene_bus, guest->path, "Resume", "WrongState", "not paused");
}

/* No firmware and no PCI: another board, the same promises. */
static void test_microvm(void)
{
    g_autofree char *cmdline = scene_microvm_cmdline();
    g_autoptr(Guest) guest =
        guest_new_booted("micro", g_variant_new_parsed("{'machine': <'microvm'>, 'cmdline': <%s>}", cmdline));
    client_vm(scene_bus, guest->path, "Shutdown");
    guest_assert_ended(guest, "stopped", "host-stop");
}

/* A board without PCI has pvpanic too. */
static void test_microvm_panic(void)
{
    g_autofree char *cmdline = scene_microvm_cmdline();
    g_autoptr(Guest) guest =
        guest_new_booted("micro-panic", g_variant_new_parsed("{'machine': <'microvm'>, 'cmdline': <%s>}", cmdline));
    console_say(guest->console, "panic");
    guest_assert_ended(guest, "exited", "guest-panic");
}

/* Start at the creation; what can't be twice, is not. */
static void test_create(void)
{
    g_autoptr(GVariant) answer = client_call(
        scene_bus, BERTH_PATH_ROOT, BERTH_IFACE_MANAGER, "CreateVM",
        g_variant_new_parsed("('at-once', {'image': <'guest'>, 'memory': <uint64 201326592>}, {'start': <true>})"));
    const char *path;
    g_variant_get(answer, "(&o)", &path);
    g_autoptr(ClientObject) vm = client_watch(scene_bus, path, BERTH_IFACE_VM);
    client_await_state(vm, "running");
    client_vm_fails(scene_bus, path, "Start", "WrongState", "it runs already");
    client_fails(scene_bus, BERTH_PATH_ROOT, BERTH_IFACE_MANAGER, "CreateVM",
                 g_variant_new_parsed("('at-once', @a{sv} {}, @a{sv} {})"), "NameTaken", "at-once");
    client_vm(scene_bus, path, "Remove");
    client_await_gone(vm);
}

int main(int argc, char **argv)
{
    scene_begin(&argc, &argv);
    g_test_add_func("/guest/shutdown", test_shutdown);
    g_test_add_func("/guest/slow-shutdown", test_slow_shutdown);
    g_test_add_func("/guest/journal", test_journal);
    g_test_add_func("/guest/poweroff", test_guest_poweroff);
    g_test_add_func("/guest/reboot", test_guest_reboot);
    g_test_add_func("/guest/reset", test_reset);
    g_test_add_func("/guest/panic", test_panic);
    g_test_add_func("/guest/restart-after-panic", test_restart_after_panic);
    g_test_add_func("/guest/hang", test_hang);
    g_test_add_func("/guest/pause", test_pause);
    g_test_add_func("/guest/microvm", test_microvm);
    g_test_add_func("/guest/microvm-panic", test_microvm_panic);
    g_test_add_func("/guest/create", test_create);
    return g_test_run();
}
