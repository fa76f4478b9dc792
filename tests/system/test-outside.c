/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <glib/gstdio.h>
#include <signal.h>
#include <string.h>
#include <unistd.h>

#include "scene.h"

/* What systemd and its administrator do to scopes and processes behind the daemon's back, at any time. Whatever it is, no VM
 * is lost, nothing is deleted that is in use, and no scope, process or file is left that no VM has. */

#define FAKE "/usr/local/bin/berth-test-fake"
#define DROP_IN_DIR "/run/systemd/system/berthd.service.d"

static void start(Guest *guest)
{
    client_vm(scene_bus, guest->path, "Start");
    client_await_state(guest->vm, "running");
}

/* A scope that is there for nobody would be so for ever. */
static void assert_only_scope(const char *unit)
{
    g_autofree char *scopes = scene_run("sh", "-c",
                                        "systemctl list-units --all --plain --no-legend '" BERTH_UNIT_PREFIX
                                        "*" BERTH_UNIT_SUFFIX "' | cut -d' ' -f1",
                                        NULL);
    g_assert_cmpstr(scopes, ==, unit);
}

/* systemd begins anew, again and again */

#define UNREST_OVER "/run/berth-test-unrest-over"

/* Ends by itself when the test does, and else with a systemd that answers. */
static GSubprocess *unrest_new(void)
{
    static const char script[] = "while [ ! -e \"$0\" ]; do systemctl daemon-reexec\n"
                                 "until systemctl daemon-reload; do :; done; done 2>/dev/null";
    g_autoptr(GError) error = NULL;
    GSubprocess *unrest = g_subprocess_new(G_SUBPROCESS_FLAGS_NONE, &error, "setpriv", "--pdeathsig", "KILL", "sh",
                                           "-c", script, UNREST_OVER, NULL);
    g_assert_no_error(error);
    return unrest;
}

static void unrest_free(GSubprocess *unrest)
{
    g_assert_true(g_file_set_contents(UNREST_OVER, "", -1, NULL));
    g_assert_true(g_subprocess_wait(unrest, NULL, NULL));
    g_assert_cmpint(g_unlink(UNREST_OVER), ==, 0);
    g_object_unref(unrest);
}

enum { N_AT_ONCE = 4, N_ROUNDS = 5 };

static void begin_all(Guest **guests, const char *method)
{
    Answer answers[N_AT_ONCE] = {0};
    for (guint i = 0; i < N_AT_ONCE; i++)
        guest_begin(guests[i], method, &answers[i]);
    for (guint i = 0; i < N_AT_ONCE; i++) {
        CLIENT_AWAIT(answers[i].done, "%s was not answered", method);
        if (answers[i].error)
            g_error("%s failed: %s", method, answers[i].error);
    }
}

static void live_and_go(guint round, GPtrArray *gone)
{
    Guest *guests[N_AT_ONCE];
    pid_t qemu[N_AT_ONCE];
    for (guint i = 0; i < N_AT_ONCE; i++) {
        g_autofree char *name = g_strdup_printf("restless-%u-%u", round, i);
        guests[i] = guest_new_bare(name);
        g_ptr_array_add(gone, guests[i]);
    }
    begin_all(guests, "Start");
    for (guint i = 0; i < N_AT_ONCE; i++)
        qemu[i] = guest_qemu(guests[i]);
    begin_all(guests, "Remove");
    for (guint i = 0; i < N_AT_ONCE; i++) {
        client_await_gone(guests[i]->vm);
        g_assert_cmpint(kill(qemu[i], 0), ==, -1);
        g_autofree char *states = client_history(guests[i]->vm, "State");
        g_assert_cmpstr(states, ==, "stopped starting running removing");
    }
}

static void test_unrest(void)
{
    g_autoptr(Guest) bystander = guest_new_bare("bystander");
    start(bystander);
    pid_t qemu = guest_qemu(bystander);
    g_autofree char *definition = g_strdup_printf("/var/lib/berth/vms/%s/vm.json", bystander->id);
    g_autoptr(GPtrArray) gone = g_ptr_array_new();

    GSubprocess *unrest = unrest_new();
    for (guint round = 0; round < N_ROUNDS; round++) {
        live_and_go(round, gone);
        g_assert_cmpint(kill(qemu, 0), ==, 0);
        g_assert_true(g_file_test(definition, G_FILE_TEST_EXISTS));
    }
    unrest_free(unrest);
    for (guint i = 0; i < gone->len; i++)
        guest_assert_goes(gone->pdata[i]);
    assert_only_scope(bystander->unit);
    g_autofree char *states = client_history(bystander->vm, "State");
    g_assert_cmpstr(states, ==, "stopped starting running");
    g_assert_cmpint(guest_qemu(bystander), ==, qemu);
}

/* A process that dies on its way into its scope */

static void use_keeper(const char *path)
{
    g_autofree char *text = g_strdup_printf("[Service]\nEnvironment=BERTH_KEEPER=%s\n", path);
    g_assert_cmpint(g_mkdir_with_parents(DROP_IN_DIR, 0755), ==, 0);
    g_assert_true(g_file_set_contents(DROP_IN_DIR "/50-keeper.conf", text, -1, NULL));
    g_free(scene_run("systemctl", "daemon-reload", NULL));
    scene_restart_daemon();
}

static void use_own_keeper(void)
{
    g_assert_cmpint(g_unlink(DROP_IN_DIR "/50-keeper.conf"), ==, 0);
    g_free(scene_run("systemctl", "daemon-reload", NULL));
    scene_restart_daemon();
}

/* It dies before systemd is asked, while it is, or after it has done so: each moment is met by some of the delays. */
static void test_dies_before_scope(void)
{
    enum { N_DEATHS = 24 };
    use_keeper(FAKE);
    g_autoptr(Guest) guest = guest_new_bare("stillborn");
    for (guint i = 0; i < N_DEATHS; i++) {
        g_autofree char *script = g_strdup_printf("#!/bin/sh\nexec sleep %f\n", i * 0.0005);
        scene_install(FAKE, i == 0 ? "#!/bin/sh\nexit 1\n" : script);
        client_vm_fails(scene_bus, guest->path, "Start", "StartFailed", "");
        client_await_state(guest->vm, "exited");
        scene_await_unit_gone(guest->unit);
    }
    assert_only_scope("");
    use_own_keeper();
    guest_rewatch(guest);
    start(guest);
}

/* Ends from outside */

typedef struct {
    const char *name;
    void (*act)(Guest *guest, pid_t keeper, pid_t qemu);
} Way;

static void stop_unit(Guest *guest, pid_t keeper, pid_t qemu)
{
    (void) scene_status("systemctl", "--quiet", "--no-block", "stop", guest->unit, NULL);
}

static void kill_unit(Guest *guest, pid_t keeper, pid_t qemu)
{
    (void) scene_status("systemctl", "--quiet", "kill", "--signal=KILL", guest->unit, NULL);
}

static void kill_one(pid_t pid)
{
    if (pid > 0)
        kill(pid, SIGKILL);
}

static void kill_keeper(Guest *guest, pid_t keeper, pid_t qemu)
{
    kill_one(keeper);
}

static void kill_qemu(Guest *guest, pid_t keeper, pid_t qemu)
{
    kill_one(qemu);
}

static void kill_both(Guest *guest, pid_t keeper, pid_t qemu)
{
    kill_one(keeper);
    kill_one(qemu);
}

static const Way ways[] = {
    {"systemctl stop", stop_unit}, {"systemctl kill", kill_unit}, {"kill -9 keeper", kill_keeper},
    {"kill -9 QEMU", kill_qemu},   {"kill -9 both", kill_both},
};

static Guest *new_one(const Way *way)
{
    g_test_message("%s", way->name);
    return guest_new_bare("beset");
}

/* A stop by systemd is one, and all else is a failure. */
static const char *state_after(const Way *way)
{
    return way->act == stop_unit ? "stopped" : "exited";
}

/* In the middle of a start: the caller is told, and the VM is whole. */
static void test_starting(void)
{
    scene_install(FAKE, "#!/bin/sh\nexec sleep infinity\n");
    scene_configure("[QEMU]\nQEMUPath=" FAKE
                    "\n[VM]\nStartTimeoutSec=30\nShutdownTimeoutSec=1\nPowerOffTimeoutSec=1\n");
    for (guint i = 0; i < G_N_ELEMENTS(ways); i++) {
        g_autoptr(Guest) guest = new_one(&ways[i]);
        Answer answer = {0};
        guest_begin(guest, "Start", &answer);
        client_await_other(guest->vm, "PID");
        ways[i].act(guest, guest_keeper(guest), guest_qemu(guest));
        CLIENT_AWAIT(answer.done, "Start was not answered");
        g_assert_cmpstr(answer.error, ==, BERTH_ERROR_PREFIX "StartFailed");
        g_free(answer.error);
        client_await_state(guest->vm, state_after(&ways[i]));
        scene_await_unit_gone(guest->unit);
    }
    assert_only_scope("");
    scene_configure(NULL);
}

/* What is true of a VM that nobody has asked to go. */
static void assert_settles(Guest *guest, const Way *way)
{
    const gboolean runs_on = way->act == kill_keeper;
    if (runs_on) {
        client_await_other(guest->vm, "LastError");
        g_assert_cmpstr(client_told_string(guest->vm, "State"), ==, "running");
        client_vm(scene_bus, guest->path, "PowerOff");
    }
    CLIENT_AWAIT(client_told_uint(guest->vm, "PID") == 0, "Its QEMU is not gone");
    g_assert_cmpstr(client_told_string(guest->vm, "State"), ==, runs_on ? "stopped" : state_after(way));
    g_assert_cmpuint(client_n_removed(guest->vm), ==, 0);
    scene_await_unit_gone(guest->unit);
}

static void test_running(void)
{
    scene_configure("[VM]\nShutdownTimeoutSec=1\nPowerOffTimeoutSec=1\n");
    for (guint i = 0; i < G_N_ELEMENTS(ways); i++) {
        g_autoptr(Guest) guest = new_one(&ways[i]);
        start(guest);
        ways[i].act(guest, guest_keeper(guest), guest_qemu(guest));
        assert_settles(guest, &ways[i]);
        start(guest); /* nothing is in its way */
    }
    scene_configure(NULL);
}

static void remove_with_grace(Guest *guest)
{
    g_variant_unref(client_call(scene_bus, guest->path, BERTH_IFACE_VM, "Remove",
                                g_variant_new_parsed("({'grace-seconds': <uint32 3600>},)")));
    client_await(guest->vm, "RemovalPhase", g_variant_new_string("grace"));
}

/* It ends in its grace time: taken back, it is a VM that has ended, as it did; nothing has been deleted. */
static void test_grace(void)
{
    scene_configure("[VM]\nShutdownTimeoutSec=1\nPowerOffTimeoutSec=1\n");
    for (guint i = 0; i < G_N_ELEMENTS(ways); i++) {
        g_autoptr(Guest) guest = new_one(&ways[i]);
        gboolean runs_on = ways[i].act == kill_keeper;
        start(guest);
        remove_with_grace(guest);
        int qemu = scene_pidfd(guest_qemu(guest));
        ways[i].act(guest, guest_keeper(guest), guest_qemu(guest));
        if (runs_on)
            client_await_other(guest->vm, "LastError");
        else
            CLIENT_AWAIT(client_told_uint(guest->vm, "PID") == 0, "Its QEMU is not gone");
        g_assert_cmpstr(client_told_string(guest->vm, "RemovalPhase"), ==, "grace");
        client_vm(scene_bus, guest->path, "CancelRemoval");
        if (runs_on) {
            client_await_state(guest->vm, "running");
            close(qemu);
        } else {
            client_await_state(guest->vm, state_after(&ways[i]));
            scene_await_death(qemu);
        }
    }
    scene_configure(NULL);
}

/* QEMU hangs, and somebody helps. */
static void test_stopping(void)
{
    scene_configure("[VM]\nShutdownTimeoutSec=1\nPowerOffTimeoutSec=3\n");
    for (guint i = 0; i < G_N_ELEMENTS(ways); i++) {
        Guest *guest = new_one(&ways[i]);
        start(guest);
        pid_t keeper = guest_keeper(guest), qemu = guest_qemu(guest);
        int pidfd = scene_pidfd(qemu);
        g_assert_cmpint(kill(qemu, SIGSTOP), ==, 0);
        client_vm(scene_bus, guest->path, "Remove");
        ways[i].act(guest, keeper, qemu);
        client_await_gone(guest->vm);
        scene_await_death(pidfd);
        guest_assert_goes(guest);
    }
    assert_only_scope("");
    scene_configure(NULL);
}

/* Nobody is left to be ended, and that does no harm. */
static void test_deleting(void)
{
    for (guint i = 0; i < G_N_ELEMENTS(ways); i++) {
        Guest *guest = new_one(&ways[i]);
        start(guest);
        g_autofree char *point = g_strdup_printf("/var/lib/berth/vms/%s/disks/mnt", guest->id);
        g_assert_cmpint(g_mkdir(point, 0755), ==, 0);
        g_free(scene_run("mount", "-t", "tmpfs", "tmpfs", point, NULL));
        client_vm(scene_bus, guest->path, "Remove");
        client_await(guest->vm, "RemovalPhase", g_variant_new_string("waiting"));
        ways[i].act(guest, 0, 0);
        g_free(scene_run("sh", "-c", "umount --lazy \"$(findmnt -nlo TARGET | grep disks/mnt)\"", NULL));
        client_vm(scene_bus, guest->path, "Remove");
        guest_assert_goes(guest);
    }
    assert_only_scope("");
}

int main(int argc, char **argv)
{
    scene_begin(&argc, &argv);
    scene_have_patience();
    g_test_add_func("/removal/M09/systemd-begins-anew-again-and-again", test_unrest);
    g_test_add_func("/removal/M09/a-keeper-that-dies-before-its-scope-stands", test_dies_before_scope);
    g_test_add_func("/system/ended-from-outside/M08/starting", test_starting);
    g_test_add_func("/system/ended-from-outside/M08/running", test_running);
    g_test_add_func("/system/ended-from-outside/M08/grace", test_grace);
    g_test_add_func("/system/ended-from-outside/M10/stopping", test_stopping);
    g_test_add_func("/system/ended-from-outside/M10/deleting", test_deleting);
    return g_test_run();
}
