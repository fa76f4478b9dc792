/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "scene.h"

/* What runs for a VM: as whom, where, under which limits; and what each way of ending it comes to. */

#define UID_BASE 1879048192u
#define DEAF_SECONDS 8
#define FAKE_QEMU "/usr/local/bin/berth-test-qemu"

static void assert_status(pid_t pid, const char *key, const char *expected)
{
    g_autofree char *value = scene_process_status(pid, key);
    g_assert_cmpstr(value, ==, expected);
}

static void assert_confined(pid_t pid, guint32 uid)
{
    g_autofree char *ids = g_strdup_printf("%u\t%u\t%u\t%u", uid, uid, uid, uid);
    assert_status(pid, "Uid", ids);
    assert_status(pid, "Gid", ids);
    assert_status(pid, "Groups", "");
    assert_status(pid, "NoNewPrivs", "1");
    assert_status(pid, "Seccomp", "2"); /* SECCOMP_MODE_FILTER */
    assert_status(pid, "CapEff", "0000000000000000");
    assert_status(pid, "CapPrm", "0000000000000000");
}

static void assert_in_scope(pid_t pid, const char *unit)
{
    g_autofree char *path = g_strdup_printf("/proc/%d/cgroup", (int) pid);
    g_autofree char *cgroup = scene_run("cat", path, NULL);
    g_autofree char *expected = g_strdup_printf("/machine.slice/%s", unit);
    g_assert_true(g_str_has_suffix(cgroup, expected));
}

static void assert_property(const char *unit, const char *property, const char *expected)
{
    g_autofree char *value = scene_unit_property(unit, property);
    if (!g_str_equal(value, expected))
        g_error("%s of %s is “%s”, not “%s”", property, unit, value, expected);
}

static void test_confinement(void)
{
    g_autoptr(Guest) guest = guest_new_booted("confined", NULL);
    guint32 cid = client_told_uint(guest->vm, "CID");
    g_assert_cmpuint(cid, >=, 1000);
    g_assert_cmpuint(cid, <=, 1999);
    assert_confined(guest_qemu(guest), UID_BASE + cid);
    assert_confined(guest_keeper(guest), UID_BASE + cid);
    assert_in_scope(guest_qemu(guest), guest->unit);
    assert_in_scope(guest_keeper(guest), guest->unit);
    assert_status(guest_keeper(guest), "Name", "berth-keeper");

    /* The VM's directories are closed to its own user, but for its disks. */
    g_autofree char *uid = g_strdup_printf("--reuid=%u", UID_BASE + cid);
    g_autofree char *runtime = g_strdup_printf("/run/berth/%s", guest->id);
    g_autofree char *definition = g_strdup_printf("/var/lib/berth/vms/%s/vm.json", guest->id);
    g_assert_cmpint(scene_status("setpriv", uid, "--clear-groups", "ls", runtime, NULL), !=, 0);
    g_assert_cmpint(scene_status("setpriv", uid, "--clear-groups", "sh", "-c", ": >>\"$0\"", definition, NULL), !=, 0);
}

static void test_two_users(void)
{
    g_autoptr(Guest) one = guest_new_booted("one", NULL);
    g_autoptr(Guest) other = guest_new_booted("other", NULL);
    g_assert_cmpuint(client_told_uint(one->vm, "CID"), !=, client_told_uint(other->vm, "CID"));
    g_autofree char *uid = scene_process_status(guest_qemu(one), "Uid");
    g_autofree char *other_uid = scene_process_status(guest_qemu(other), "Uid");
    g_assert_cmpstr(uid, !=, other_uid);
}

static void test_limits(void)
{
    g_autoptr(Guest) guest = guest_new_booted(
        "limited", g_variant_new_parsed("{'limits': <{'CPUWeight': <uint64 50>, 'CPUQuota': <uint64 150>,"
                                        " 'MemoryMax': <uint64 1073741824>, 'TasksMax': <uint64 64>,"
                                        " 'IOWeight': <uint64 200>}>}"));
    assert_property(guest->unit, "Slice", "machine.slice");
    assert_property(guest->unit, "Description", "Virtual machine limited");
    assert_property(guest->unit, "CPUWeight", "50");
    assert_property(guest->unit, "CPUQuotaPerSecUSec", "1.500000s");
    assert_property(guest->unit, "MemoryMax", "1073741824");
    assert_property(guest->unit, "TasksMax", "64");
    assert_property(guest->unit, "IOWeight", "200");
    assert_property(guest->unit, "KillMode", "control-group");
    assert_property(guest->unit, "ActiveState", "active");
}

static void assert_owner(pid_t pid, const char *path)
{
    g_autoptr(GVariant) answer =
        client_call(scene_bus, BERTH_PATH_ROOT, BERTH_IFACE_MANAGER, "GetVMByPID", g_variant_new("(u)", (guint32) pid));
    const char *owner;
    g_variant_get(answer, "(&o)", &owner);
    g_assert_cmpstr(owner, ==, path);
}

static void assert_no_owner(pid_t pid)
{
    client_fails(scene_bus, BERTH_PATH_ROOT, BERTH_IFACE_MANAGER, "GetVMByPID", g_variant_new("(u)", (guint32) pid),
                 "NotFound", "belongs to no VM");
}

static void test_by_pid(void)
{
    g_autoptr(Guest) guest = guest_new_booted("found", NULL);
    assert_owner(guest_qemu(guest), guest->path);
    assert_owner(guest_keeper(guest), guest->path);
    assert_no_owner(1);
    assert_no_owner(getpid());
    assert_no_owner(scene_daemon_pid());
    assert_no_owner(0);
}

static void assert_in_journal(Guest *guest, const char *words)
{
    g_free(scene_run("journalctl", "--sync", NULL));
    g_autofree char *match = g_strconcat("BERTH_VM_ID=", guest->id, NULL);
    g_autofree char *text = scene_run("journalctl", "--quiet", "--no-pager", "--output=cat", match, NULL);
    if (!strstr(text, words))
        g_error("“%s” is not in the journal:\n%s", words, text);
}

/* systemd's own stop is a clean shutdown of the guest. */
static void test_systemctl_stop(void)
{
    g_autoptr(Guest) guest = guest_new_booted("stop", NULL);
    g_free(scene_run("systemctl", "stop", guest->unit, NULL));
    console_await(guest->console, "berth-guest: power button");
    guest_assert_ended(guest, "stopped", "host-stop");
    g_assert_cmpint(g_variant_get_int32(client_told(guest->vm, "ExitStatus")), ==, 0);
}

/* A guest that is paused hears no power button: it goes on for that, and is not waited for until its time is over. */
static void test_systemctl_stop_paused(void)
{
    g_autoptr(Guest) guest = guest_new_booted("stop-paused", NULL);
    client_vm(scene_bus, guest->path, "Pause");
    client_await_state(guest->vm, "paused");
    g_free(scene_run("systemctl", "stop", guest->unit, NULL));
    console_await(guest->console, "berth-guest: power button");
    guest_assert_ended(guest, "stopped", "host-stop");
    g_assert_true(g_variant_get_boolean(client_told(guest->vm, "WantRunning")));
}

/* Both have been asked before the time of the first was over. */
static void assert_at_once(Guest *one, Guest *other)
{
    g_autofree char *this = g_strconcat("BERTH_VM_ID=", one->id, NULL);
    g_autofree char *that = g_strconcat("BERTH_VM_ID=", other->id, NULL);
    g_free(scene_run("journalctl", "--sync", NULL));
    g_autofree char *text = scene_run("journalctl", "--quiet", "--no-pager", "--output=cat", this, that, NULL);
    const char *last_asked = g_strrstr(text, "The guest is asked to power down");
    const char *first_told = strstr(text, "does not power down in time: QEMU is told to quit");
    g_assert_true(last_asked && first_told && last_asked < first_told);
}

/* Guests that are deaf have their time, all of them at once, and then their keepers end them; here without a daemon. */
static void test_systemctl_stop_deaf(void)
{
    scene_configure("[VM]\nShutdownTimeoutSec=" G_STRINGIFY(DEAF_SECONDS) "\n");
    g_autoptr(Guest) one = guest_new_booted("deaf-one", g_variant_new_parsed("{'restart': <'always'>}"));
    g_autoptr(Guest) other = guest_new_booted("deaf-other", g_variant_new_parsed("{'restart': <'always'>}"));
    console_say(one->console, "hang");
    console_say(other->console, "hang");
    console_await(one->console, "berth-guest: hanging");
    console_await(other->console, "berth-guest: hanging");
    scene_kill_daemon();
    const gint64 began = g_get_monotonic_time();
    g_free(scene_run("systemctl", "stop", one->unit, other->unit, NULL));
    const double took = (double) (g_get_monotonic_time() - began) / G_USEC_PER_SEC;
    g_assert_cmpfloat(took, >, DEAF_SECONDS - 1);
    assert_at_once(one, other);
    scene_start_daemon();
    guest_rewatch(one);
    guest_rewatch(other);
    guest_assert_ended(one, "stopped", "host-stop");
    guest_assert_ended(other, "stopped", "host-stop");
    assert_in_journal(one, "does not power down in time: QEMU is told to quit");
    assert_in_journal(other, "does not power down in time: QEMU is told to quit");
    scene_configure(NULL);
}

/* machinectl poweroff and reboot send these to the leader. */
static void test_machined_signals(void)
{
    g_autoptr(Guest) guest = guest_new_booted("signals", NULL);
    pid_t qemu = guest_qemu(guest);
    g_assert_cmpint(kill(guest_keeper(guest), SIGINT), ==, 0);
    console_await(guest->console, "berth-guest: ready");
    g_assert_cmpint(guest_qemu(guest), ==, qemu);
    g_assert_cmpint(kill(guest_keeper(guest), SIGRTMIN + 4), ==, 0);
    console_await(guest->console, "berth-guest: power button");
    guest_assert_ended(guest, "stopped", "host-stop");
}

/* What ends any other process, does not end QEMU behind its keeper's back. */
static void test_blocked_signals(void)
{
    g_autoptr(Guest) guest = guest_new_booted("blocked", NULL);
    pid_t qemu = guest_qemu(guest);
    g_assert_cmpint(kill(qemu, SIGTERM), ==, 0);
    g_assert_cmpint(kill(qemu, SIGINT), ==, 0);
    g_assert_cmpint(kill(qemu, SIGHUP), ==, 0);
    double uptime = guest_uptime(guest);
    g_assert_cmpfloat(uptime, >, 0);
    g_assert_cmpstr(client_told_string(guest->vm, "State"), ==, "running");
}

static int wait_status(Guest *guest)
{
    return g_variant_get_int32(client_told(guest->vm, "ExitStatus"));
}

static void assert_last_error(Guest *guest, const char *name, const char *words)
{
    const char *told_name, *text;
    g_variant_get(client_told(guest->vm, "LastError"), "(&s&s)", &told_name, &text);
    g_assert_cmpstr(told_name, ==, name);
    if (!strstr(text, words))
        g_error("“%s” says nothing of “%s”", text, words);
}

static void test_killed(void)
{
    g_autoptr(Guest) guest = guest_new_booted("killed", NULL);
    g_assert_cmpint(kill(guest_qemu(guest), SIGKILL), ==, 0);
    guest_assert_ended(guest, "exited", "killed");
    g_assert_true(WIFSIGNALED(wait_status(guest)));
    g_assert_cmpint(WTERMSIG(wait_status(guest)), ==, SIGKILL);
    assert_last_error(guest, BERTH_ERROR_PREFIX "StartFailed", "signal 9");
    guest_boot(guest);
    assert_last_error(guest, "", "");
    g_assert_cmpstr(client_told_string(guest->vm, "ExitReason"), ==, "");
}

static void test_crashed(void)
{
    g_autoptr(Guest) guest = guest_new_booted("crashed", NULL);
    g_assert_cmpint(kill(guest_qemu(guest), SIGSEGV), ==, 0);
    guest_assert_ended(guest, "exited", "crashed");
    g_assert_true(WIFSIGNALED(wait_status(guest)));
    g_assert_cmpint(WTERMSIG(wait_status(guest)), ==, SIGSEGV);
    assert_last_error(guest, BERTH_ERROR_PREFIX "StartFailed", "signal 11 (Segmentation fault");
    assert_in_journal(guest, "running → exited: QEMU was killed by signal 11 (Segmentation fault");
}

/* The kernel kills it, since its scope may have no more memory. */
static void test_oom_killed(void)
{
    g_autofree char *controllers = NULL;
    if (!g_file_get_contents("/sys/fs/cgroup/cgroup.controllers", &controllers, NULL, NULL) ||
        !strstr(controllers, "memory")) {
        g_test_skip("this machine's unified hierarchy has no memory controller");
        return;
    }
    g_autoptr(Guest) guest = guest_new_booted("oom-killed", NULL);
    /* Whether it is killed while the limit is being set or after that: it is. */
    (void) scene_status("systemctl", "set-property", "--runtime", guest->unit, "MemorySwapMax=0", "MemoryMax=8M", NULL);
    guest_assert_ended(guest, "exited", "oom-killed");
    g_assert_cmpint(WTERMSIG(wait_status(guest)), ==, SIGKILL);
    assert_last_error(guest, BERTH_ERROR_PREFIX "StartFailed", "memory");
    assert_in_journal(guest, "running → exited: QEMU was killed by the kernel");
}

/* Nobody asks an idle QEMU whether it is well: its keeper sees it, and everybody is told. */
static void test_stopped_and_continued(void)
{
    g_autoptr(Guest) guest = guest_new_bare("standing-still");
    client_vm(scene_bus, guest->path, "Start");
    pid_t qemu = guest_qemu(guest);
    g_assert_cmpint(kill(qemu, SIGSTOP), ==, 0);
    client_await(guest->vm, "Responsive", g_variant_new_boolean(FALSE));
    assert_last_error(guest, BERTH_ERROR_PREFIX "Busy", "was stopped by a signal");
    g_assert_cmpint(kill(qemu, SIGCONT), ==, 0);
    client_await(guest->vm, "Responsive", g_variant_new_boolean(TRUE));
    assert_last_error(guest, "", "");

    g_assert_cmpint(kill(qemu, SIGSTOP), ==, 0);
    client_await(guest->vm, "Responsive", g_variant_new_boolean(FALSE));
    client_vm_fails(scene_bus, guest->path, "Pause", "Cancelled", "did not answer");
    g_assert_cmpstr(client_told_string(guest->vm, "State"), ==, "running");
    g_assert_cmpint(kill(qemu, SIGCONT), ==, 0);
    client_await(guest->vm, "Responsive", g_variant_new_boolean(TRUE));
    client_await_state(guest->vm, "paused"); /* what it was asked for it does */
    client_vm(scene_bus, guest->path, "Resume");
    client_await_state(guest->vm, "running");
    assert_in_journal(guest, "QEMU was stopped by signal 19");
    assert_in_journal(guest, "QEMU goes on");
    assert_in_journal(guest, "QEMU does not answer");
    assert_in_journal(guest, "QEMU answers again");
}

/* Each daemon that came and went while it stood still has left it a connection, more than it has room for. */
static void test_stopped_over_daemons(void)
{
    g_autoptr(Guest) guest = guest_new_bare("standing-for-long");
    client_vm(scene_bus, guest->path, "Start");
    g_assert_cmpint(kill(guest_qemu(guest), SIGSTOP), ==, 0);
    for (int i = 0; i < 4; i++)
        scene_restart_daemon();
    guest_rewatch(guest);
    g_assert_cmpstr(client_told_string(guest->vm, "State"), ==, "running");
    assert_last_error(guest, BERTH_ERROR_PREFIX "Busy", "was stopped by a signal");
    g_assert_cmpint(kill(guest_qemu(guest), SIGCONT), ==, 0);
    client_await(guest->vm, "Responsive", g_variant_new_boolean(TRUE));
    client_vm(scene_bus, guest->path, "Pause");
    assert_last_error(guest, "", "");
}

/* Who is connected stays so; a daemon that comes later says what it can't do, and can still end it. */
static void test_monitor_deleted(void)
{
    g_autoptr(Guest) guest = guest_new_bare("unreachable");
    Guest *doomed = guest_new_bare("unreachable-too");
    client_vm(scene_bus, guest->path, "Start");
    client_vm(scene_bus, doomed->path, "Start");
    pid_t qemu = guest_qemu(guest);
    g_free(scene_run("sh", "-c", "rm /run/berth/*/" BERTH_FILE_QMP_SOCKET, NULL));
    client_vm(scene_bus, guest->path, "Pause");
    client_vm(scene_bus, guest->path, "Resume");
    g_assert_true(g_variant_get_boolean(client_told(guest->vm, "Responsive")));

    scene_restart_daemon();
    guest_rewatch(guest);
    guest_rewatch(doomed);
    g_assert_cmpstr(client_told_string(guest->vm, "State"), ==, "running");
    g_assert_cmpint(guest_qemu(guest), ==, qemu);
    client_await(guest->vm, "Responsive", g_variant_new_boolean(FALSE));
    assert_last_error(guest, BERTH_ERROR_PREFIX "Busy", "can't be reached");
    client_vm_fails(scene_bus, guest->path, "Pause", "Busy", "power it off");
    client_vm(scene_bus, doomed->path, "Remove");
    guest_assert_goes(doomed);
    client_vm(scene_bus, guest->path, "PowerOff");
    client_await_state(guest->vm, "stopped");
    client_vm(scene_bus, guest->path, "Start");
    client_await(guest->vm, "Responsive", g_variant_new_boolean(TRUE));
    assert_last_error(guest, "", "");
}

/* All at once, and the witness sees none of it. */
static void test_lost(void)
{
    g_autoptr(Guest) guest = guest_new_booted("lost", NULL);
    g_assert_cmpint(kill(guest_keeper(guest), SIGSTOP), ==, 0);
    g_free(scene_run("systemctl", "kill", "--signal=KILL", guest->unit, NULL));
    guest_assert_ended(guest, "exited", "lost");
}

/* QEMU runs on without its keeper, and that is said; it can still be ended. */
static void test_keeper_killed(void)
{
    g_autoptr(Guest) guest = guest_new_booted("orphan", NULL);
    pid_t qemu = guest_qemu(guest);
    int pidfd = scene_pidfd(qemu);
    g_assert_cmpint(kill(guest_keeper(guest), SIGKILL), ==, 0);
    client_await_other(guest->vm, "LastError");
    assert_last_error(guest, BERTH_ERROR_PREFIX "StartFailed", "keeper process");
    g_assert_cmpstr(client_told_string(guest->vm, "State"), ==, "running");
    client_vm(scene_bus, guest->path, "Pause");
    client_await_state(guest->vm, "paused");
    client_vm(scene_bus, guest->path, "Resume");
    client_await_state(guest->vm, "running");
    client_vm(scene_bus, guest->path, "PowerOff");
    scene_await_death(pidfd);
    client_await_state(guest->vm, "stopped");
}

/* systemd stops its scope: the daemon presses the button, and systemd's patience is not needed. */
static void test_keeper_killed_stop(void)
{
    g_autoptr(Guest) guest = guest_new_booted("orphan-stop", NULL);
    g_assert_cmpint(kill(guest_keeper(guest), SIGKILL), ==, 0);
    client_await_other(guest->vm, "LastError");
    g_free(scene_run("systemctl", "stop", guest->unit, NULL));
    guest_assert_ended(guest, "stopped", "host-stop");
    g_free(scene_run("journalctl", "--sync", NULL));
    g_autofree char *text = scene_run("journalctl", "--quiet", "--no-pager", "--output=cat", "-u", guest->unit, NULL);
    g_assert_nonnull(strstr(text, "Deactivated successfully"));
}

/* PowerOff answers when nobody is left, also where QEMU does not listen. */
static void test_stopped_qemu(void)
{
    scene_configure("[VM]\nPowerOffTimeoutSec=1\n");
    g_autoptr(Guest) guest = guest_new_booted("frozen", NULL);
    struct pollfd ends[] = {{.fd = scene_pidfd(guest_keeper(guest)), .events = POLLIN},
                            {.fd = scene_pidfd(guest_qemu(guest)), .events = POLLIN}};
    g_assert_cmpint(kill(guest_qemu(guest), SIGSTOP), ==, 0);
    client_vm(scene_bus, guest->path, "PowerOff");
    g_assert_cmpint(poll(ends, G_N_ELEMENTS(ends), 0), ==, G_N_ELEMENTS(ends));
    for (guint i = 0; i < G_N_ELEMENTS(ends); i++)
        close(ends[i].fd);
    client_await_state(guest->vm, "stopped");
    g_assert_cmpstr(client_told_string(guest->vm, "ExitReason"), ==, "host-stop");
    scene_configure(NULL);
}

/* QEMUs that do not start */

static void assert_start_fails(const char *name, const char *words)
{
    g_autoptr(Guest) guest = guest_new(name, NULL);
    client_vm_fails(scene_bus, guest->path, "Start", "StartFailed", words);
    guest_assert_ended(guest, "exited", "start-failed");
    assert_last_error(guest, BERTH_ERROR_PREFIX "StartFailed", words);
    g_autofree char *states = client_history(guest->vm, "State");
    g_assert_cmpstr(states, ==, "stopped starting exited");
    g_assert_cmpint(scene_status("pgrep", "-f", guest->id, NULL), ==, 1);
    scene_await_unit_gone(guest->unit);
    client_await(guest->vm, "WantRunning", g_variant_new_boolean(FALSE));
}

static void test_qemu_that_fails(void)
{
    scene_install(FAKE_QEMU, "#!/bin/sh\necho 'the bits are worn out' >&2\nexit 1\n");
    scene_configure("[QEMU]\nQEMUPath=" FAKE_QEMU "\n");
    assert_start_fails("worn-out", "the bits are worn out");
    scene_configure(NULL);
}

static void test_qemu_that_is_not_there(void)
{
    scene_configure("[QEMU]\nQEMUPath=/usr/bin/no-such-qemu\n");
    assert_start_fails("absent", "can't execute /usr/bin/no-such-qemu: No such file or directory");
    scene_configure(NULL);
}

static void test_qemu_that_is_silent(void)
{
    scene_install(FAKE_QEMU, "#!/bin/sh\nexec sleep infinity\n");
    scene_configure("[QEMU]\nQEMUPath=" FAKE_QEMU "\n[VM]\nStartTimeoutSec=10\n");
    assert_start_fails("silent", "did not start within 10 s (QEMU does not answer)");
    scene_configure(NULL);
}

int main(int argc, char **argv)
{
    scene_begin(&argc, &argv);
    scene_have_patience();
    g_test_add_func("/processes/confinement", test_confinement);
    g_test_add_func("/processes/two-users", test_two_users);
    g_test_add_func("/processes/limits", test_limits);
    g_test_add_func("/processes/by-pid", test_by_pid);
    g_test_add_func("/processes/systemctl-stop", test_systemctl_stop);
    g_test_add_func("/processes/systemctl-stop-paused", test_systemctl_stop_paused);
    g_test_add_func("/processes/systemctl-stop-deaf", test_systemctl_stop_deaf);
    g_test_add_func("/processes/machined-signals", test_machined_signals);
    g_test_add_func("/processes/blocked-signals", test_blocked_signals);
    g_test_add_func("/processes/killed", test_killed);
    g_test_add_func("/processes/crashed", test_crashed);
    g_test_add_func("/processes/oom-killed", test_oom_killed);
    g_test_add_func("/processes/stopped-and-continued", test_stopped_and_continued);
    g_test_add_func("/processes/stopped-over-daemons", test_stopped_over_daemons);
    g_test_add_func("/processes/monitor-deleted", test_monitor_deleted);
    g_test_add_func("/processes/lost", test_lost);
    g_test_add_func("/processes/keeper-killed", test_keeper_killed);
    g_test_add_func("/processes/keeper-killed/scope-stops", test_keeper_killed_stop);
    g_test_add_func("/processes/stopped-qemu", test_stopped_qemu);
    g_test_add_func("/processes/qemu-that-fails", test_qemu_that_fails);
    g_test_add_func("/processes/qemu-that-is-not-there", test_qemu_that_is_not_there);
    g_test_add_func("/processes/qemu-that-is-silent", test_qemu_that_is_silent);
    return g_test_run();
}
