/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <glib/gstdio.h>
#include <signal.h>
#include <string.h>
#include <unistd.h>

#include "trouble.h"

/* What holds a removal up: processes that not even SIGKILL reaches, disks that take nothing. It waits and says for what, everybody
 * else is answered meanwhile, and when the cause goes away, so does the VM. */

#define QEMU "/usr/local/bin/berth-test-qemu"
#define STUCK "/srv/stuck"
#define STATE "/srv/berth"
#define N_CALLS 200u
#define BOUND_MSEC 100u /* GetVM takes less than one; what is blocked here, is so until the test ends it */

static void start(Guest *guest)
{
    client_vm(scene_bus, guest->path, "Start");
    client_await_state(guest->vm, "running");
}

static void await_blocker(Guest *guest, const char *words)
{
    CLIENT_AWAIT(strstr(client_told_string(guest->vm, "RemovalBlocker"), words),
                 "RemovalBlocker is “%s”, and says nothing of “%s”", client_told_string(guest->vm, "RemovalBlocker"),
                 words);
}

/* Every one of these calls is answered before the removal goes on: that is what @name is still there for. */
static void assert_others_are_answered(const char *name, const char *meanwhile)
{
    g_autoptr(Guest) other = guest_new_bare("other");
    start(other);
    g_autoptr(Latency) latency = latency_idle(name, N_CALLS);
    client_vm(scene_bus, other->path, "PowerOff");
    g_autoptr(Latency) idle = latency_idle("other", N_CALLS);
    latency_report(latency, idle, meanwhile, BOUND_MSEC);
}

static void assert_blocked(Guest *guest, const char *phase, const char *words, const char *meanwhile)
{
    await_blocker(guest, words);
    assert_others_are_answered(client_told_string(guest->vm, "Name"), meanwhile);
    client_vm(scene_bus, guest->path, "Remove"); /* again is no harm */
    client_vm_fails(scene_bus, guest->path, "Start", "Removing", "");
    await_blocker(guest, words);
    g_assert_cmpstr(client_told_string(guest->vm, "State"), ==, "removing");
    g_assert_cmpstr(client_told_string(guest->vm, "RemovalPhase"), ==, phase);
    g_assert_cmpuint(client_n_removed(guest->vm), ==, 0);
}

/* Processes */

static void test_frozen_process(void)
{
    scene_configure("[VM]\nPowerOffTimeoutSec=1\n");
    Guest *guest = guest_new_bare("frozen");
    start(guest);
    if (!trouble_freeze_process(guest_qemu(guest))) {
        guest_free(guest);
        return;
    }
    client_vm(scene_bus, guest->path, "Remove");
    client_await_other(guest->vm, "RemovalAttempt"); /* killed once, and again */
    assert_blocked(guest, "stopping", "in state D", "a process is frozen");
    g_assert_cmpint(kill((pid_t) client_told_uint(guest->vm, "PID"), 0), ==, 0);
    trouble_thaw_process();
    guest_assert_goes(guest);
    scene_configure(NULL);
}

static void set_frozen(Guest *guest, gboolean frozen)
{
    g_autofree char *path = g_strdup_printf("/sys/fs/cgroup/machine.slice/%s/cgroup.freeze", guest->unit);
    g_free(scene_run("sh", "-c", "echo \"$1\" >\"$0\"", path, frozen ? "1" : "0", NULL));
}

/* QEMU does not hear that it is to quit, and is given its time all the same. */
static void test_frozen_scope(void)
{
    scene_configure("[VM]\nPowerOffTimeoutSec=1h\n");
    Guest *guest = guest_new_bare("iced");
    start(guest);
    set_frozen(guest, TRUE);
    client_vm(scene_bus, guest->path, "Remove");
    assert_blocked(guest, "stopping", "frozen by the cgroup freezer", "a scope is frozen");
    set_frozen(guest, FALSE);
    guest_assert_goes(guest);
    scene_configure(NULL);
}

/* This kind of freezer lets a process die. */
static void test_frozen_scope_is_killed(void)
{
    scene_configure("[VM]\nPowerOffTimeoutSec=1\n");
    Guest *guest = guest_new_bare("ice-cold");
    start(guest);
    set_frozen(guest, TRUE);
    client_vm(scene_bus, guest->path, "Remove");
    guest_assert_goes(guest);
    scene_configure(NULL);
}

/* A helper of QEMU's waits in the kernel for a disk. It has closed what it inherited: only its cgroup tells of it. */
static void test_stuck_helper(void)
{
    static const char script[] =
        "#!/bin/sh\ncase $* in *helped*)\n"
        "python3 -c 'import os; os.closerange(3, 1000); open(\"" STUCK "/file\", \"w\")' & ;;\nesac\n"
        "exec /usr/bin/qemu-system-x86_64 \"$@\"\n";
    if (!trouble_mount_disk(STUCK, "64M"))
        return;
    g_assert_cmpint(g_chmod(STUCK, 0777), ==, 0);
    g_assert_true(g_file_set_contents(QEMU, script, -1, NULL));
    g_assert_cmpint(g_chmod(QEMU, 0755), ==, 0);
    scene_configure("[QEMU]\nQEMUPath=" QEMU "\n[VM]\nPowerOffTimeoutSec=1\n");
    Guest *guest = guest_new_bare("helped");
    trouble_freeze_disk(STUCK);
    start(guest);
    g_autofree char *definition = g_strdup_printf("/var/lib/berth/vms/%s/vm.json", guest->id);
    client_vm(scene_bus, guest->path, "Remove");
    assert_blocked(guest, "stopping", "in state D", "a helper waits for a disk");
    g_assert_true(g_file_test(definition, G_FILE_TEST_EXISTS));
    trouble_thaw_disk(STUCK);
    guest_assert_goes(guest);
    scene_configure(NULL);
    trouble_unmount_disk(STUCK);
}

/* Disks */

/* The daemon keeps its VMs on a disk of its own, of which @more configuration may speak. */
static gboolean keep_vms_on_disk(const char *size, const char *more)
{
    if (!trouble_mount_disk(STATE, size))
        return FALSE;
    g_autofree char *text = g_strconcat("[Manager]\nStateDirectory=" STATE "\n", more, NULL);
    scene_configure(text);
    return TRUE;
}

static void keep_vms_as_before(void)
{
    scene_configure(NULL);
    trouble_unmount_disk(STATE);
}

static void assert_nothing_on_disk(void)
{
    g_autofree char *found = scene_run("find", STATE "/vms", STATE "/removing", "-mindepth", "1", NULL);
    g_assert_cmpstr(found, ==, "");
}

static void test_frozen_disk(void)
{
    if (!keep_vms_on_disk("256M", NULL))
        return;
    Guest *guest = guest_new_bare("becalmed");
    Answer answer = {0};
    trouble_freeze_disk(STATE);
    guest_begin(guest, "Remove", &answer);
    g_autoptr(Latency) latency = latency_idle("becalmed", N_CALLS);
    g_assert_false(answer.done); /* it is not durable yet */
    trouble_thaw_disk(STATE);
    CLIENT_AWAIT(answer.done, "Remove was not answered");
    g_assert_cmpstr(answer.error, ==, NULL);
    guest_assert_goes(guest);

    g_autoptr(Guest) other = guest_new_bare("other");
    g_autoptr(Latency) idle = latency_idle("other", N_CALLS);
    latency_report(latency, idle, "the disk is frozen", BOUND_MSEC);
    guest_free(g_steal_pointer(&other));
    assert_nothing_on_disk();
    keep_vms_as_before();
}

static void assert_no_room_for_another(void)
{
    client_fails(scene_bus, BERTH_PATH_ROOT, BERTH_IFACE_MANAGER, "CreateVM",
                 g_variant_new("(sa{sv}a{sv})", "another", NULL, NULL), "LimitReached", "");
}

/* It waits, over a restart too, keeps its CID, and goes when it can. */
static void test_immutable(void)
{
    if (!keep_vms_on_disk("256M", "CIDFirst=1500\nCIDLast=1500\n"))
        return;
    Guest *guest = guest_new_bare("carved");
    g_autofree char *file = g_strdup_printf(STATE "/vms/%s/disks/precious", guest->id);
    g_autofree char *doomed = g_strdup_printf(STATE "/removing/%s*/disks/precious", guest->id);
    g_assert_true(g_file_set_contents(file, "x", -1, NULL));
    g_free(scene_run("chattr", "+i", file, NULL));
    client_vm(scene_bus, guest->path, "Remove");
    client_await(guest->vm, "RemovalPhase", g_variant_new_string("waiting"));
    await_blocker(guest, "precious has the immutable");
    assert_no_room_for_another();
    scene_kill_daemon();
    scene_start_daemon();
    guest_rewatch(guest);
    client_await(guest->vm, "RemovalPhase", g_variant_new_string("waiting"));
    await_blocker(guest, "precious has the immutable");
    assert_no_room_for_another();
    g_autofree char *command = g_strconcat("chattr -i ", doomed, NULL);
    g_free(scene_run("sh", "-c", command, NULL));
    client_vm(scene_bus, guest->path, "Remove"); /* at once */
    guest_assert_goes(guest);
    assert_nothing_on_disk();
    keep_vms_as_before();
}

/* To the last block: what is written gives back some of the room that was reserved for it. */
static void fill_disk(void)
{
    g_free(scene_run("sh", "-c",
                     "cd " STATE "; cat /dev/zero >fill; i=0; while dd if=/dev/zero of=fill$i bs=4k count=1 conv=fsync;"
                     " do i=$((i + 1)); done 2>/dev/null",
                     NULL));
}

static void make_room(void)
{
    g_free(scene_run("sh", "-c", "rm " STATE "/fill*; sync", NULL));
}

static void set_immutable(const Guest *guest, gboolean immutable)
{
    g_autofree char *command = g_strdup_printf("chattr %ci " STATE "/*/%s*/logs", immutable ? '+' : '-', guest->id);
    g_free(scene_run("sh", "-c", command, NULL));
}

/* What can't be promised is refused; what has been promised needs no room. */
static void test_full_disk(void)
{
    if (!keep_vms_on_disk("64M", NULL))
        return;
    Guest *refused = guest_new_bare("refused"), *promised = guest_new_bare("promised");
    set_immutable(promised, TRUE);
    client_vm(scene_bus, promised->path, "Remove");
    client_await(promised->vm, "RemovalPhase", g_variant_new_string("waiting"));
    fill_disk();
    client_vm_fails(scene_bus, refused->path, "Remove", "StorageFailed", "No space left");
    g_assert_cmpstr(client_told_string(refused->vm, "State"), ==, "stopped");
    g_autofree char *list = g_strdup_printf("ls -A " STATE "/vms/%s", refused->id);
    g_autofree char *left = scene_run("sh", "-c", list, NULL);
    g_assert_cmpstr(left, ==, "disks\nlogs\nvm.json");

    set_immutable(promised, FALSE);
    client_vm(scene_bus, promised->path, "Remove");
    guest_assert_goes(promised);
    make_room();
    client_vm(scene_bus, refused->path, "Remove");
    guest_assert_goes(refused);
    assert_nothing_on_disk();
    keep_vms_as_before();
}

static GVariant *reload(GError **error)
{
    return client_try(scene_bus, BERTH_PATH_ROOT, BERTH_IFACE_MANAGER, "Reload", g_variant_new("(a{sv})", NULL), error);
}

/* The disk goes away under the daemon. Nothing of that is a removal. */
static void test_unmounted(void)
{
    if (!keep_vms_on_disk("256M", NULL))
        return;
    Guest *running = guest_new_bare("running"), *stopped = guest_new_bare("stopped"),
          *leaving = guest_new_bare("leaving");
    start(running);
    pid_t qemu = guest_qemu(running);
    g_variant_unref(client_call(scene_bus, leaving->path, BERTH_IFACE_VM, "Remove",
                                g_variant_new_parsed("({'grace-seconds': <uint32 5>},)")));
    g_autofree char *device = trouble_unmount_lazily(STATE);

    g_autoptr(GError) error = NULL;
    g_assert_null(reload(&error));
    g_assert_nonnull(strstr(error->message, "Can't find " STATE));
    client_vm_fails(scene_bus, stopped->path, "Remove", "StorageFailed", "Can't find " STATE);
    await_blocker(leaving, "Can't find " STATE); /* its grace time passes */
    g_assert_cmpstr(client_told_string(stopped->vm, "State"), ==, "stopped");
    g_assert_cmpstr(client_told_string(running->vm, "State"), ==, "running");
    g_assert_cmpint(kill(qemu, 0), ==, 0);

    trouble_mount_again(STATE, device);
    g_autoptr(GVariant) reloaded = reload(NULL);
    g_autofree char *counts = g_variant_print(reloaded, FALSE);
    g_assert_cmpstr(counts, ==, "(0, 0, 0)");
    g_assert_cmpint(guest_qemu(running), ==, qemu);
    client_vm(scene_bus, leaving->path, "Remove");
    guest_assert_goes(leaving);
    start(stopped);
    guest_free(stopped);
    guest_free(running);
    assert_nothing_on_disk();
    keep_vms_as_before();
}

/* A daemon that is started while its disk is away finds scopes of which it has no VM, and they are no orphans. */
static void test_started_unmounted(void)
{
    if (!keep_vms_on_disk("256M", NULL))
        return;
    Guest *guest = guest_new_bare("ashore");
    start(guest);
    pid_t qemu = guest_qemu(guest);
    g_autofree char *device = trouble_unmount_lazily(STATE);
    scene_kill_daemon();
    scene_start_daemon();
    client_fails(scene_bus, BERTH_PATH_ROOT, BERTH_IFACE_MANAGER, "GetVM", g_variant_new("(s)", "ashore"), "NotFound",
                 "");
    /* What it would ask of systemd about scopes that it does not know, it has asked before it starts another. */
    Guest *other = guest_new_bare("other");
    start(other);
    guest_free(other);
    g_autofree char *unit_state = scene_unit_property(guest->unit, "ActiveState");
    g_assert_cmpstr(unit_state, ==, "active");
    g_assert_cmpint(kill(qemu, 0), ==, 0);

    trouble_mount_again(STATE, device);
    scene_restart_daemon();
    guest_rewatch(guest);
    client_await_state(guest->vm, "running");
    g_assert_cmpint(guest_qemu(guest), ==, qemu);
    client_vm(scene_bus, guest->path, "Pause");
    client_vm(scene_bus, guest->path, "Resume");
    guest_free(guest);
    assert_nothing_on_disk();
    keep_vms_as_before();
}

/* The log */

/* Its socket is full after a few hundred messages: whoever waits for it then, waits for good. Nothing is lost by not waiting. */
static void test_journal_stopped(void)
{
    enum { N_VMS = 250 };
    g_free(scene_run("systemctl", "kill", "--kill-whom=main", "--signal=STOP", "systemd-journald.service", NULL));
    for (guint i = 0; i < N_VMS; i++) {
        Guest *guest = guest_new_bare("unlogged");
        client_vm(scene_bus, guest->path, "Remove");
        client_await_gone(guest->vm);
        guest_forget(guest);
    }
    g_free(scene_run("systemctl", "kill", "--kill-whom=main", "--signal=CONT", "systemd-journald.service", NULL));
    g_autoptr(Guest) logged = guest_new_bare("logged");
    g_free(scene_run("timeout", "120", "sh", "-c",
                     "journalctl --quiet --boot --follow --lines=all --output=cat --unit=berthd.service |"
                     " grep -c -m 250 'unlogged: removed'",
                     NULL));
}

int main(int argc, char **argv)
{
    scene_begin(&argc, &argv);
    g_test_add_func("/system/blocked/M07/process-frozen-against-sigkill", test_frozen_process);
    g_test_add_func("/system/blocked/M07/scope-frozen-and-thawed", test_frozen_scope);
    g_test_add_func("/system/blocked/M07/scope-frozen-and-killed", test_frozen_scope_is_killed);
    g_test_add_func("/system/blocked/M09/helper-stuck-in-the-kernel", test_stuck_helper);
    g_test_add_func("/system/blocked/M15/disk-frozen", test_frozen_disk);
    g_test_add_func("/system/blocked/M11/immutable-file", test_immutable);
    g_test_add_func("/system/blocked/M02/full-disk", test_full_disk);
    g_test_add_func("/system/blocked/M22/unmounted-lazily", test_unmounted);
    g_test_add_func("/system/blocked/M22/started-while-unmounted", test_started_unmounted);
    g_test_add_func("/system/blocked/M15/journal-stopped", test_journal_stopped);
    return g_test_run();
}
