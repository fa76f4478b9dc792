/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <signal.h>
#include <string.h>
#include <unistd.h>

#include "scene.h"

/* `berthctl audit` on a host where everything is real: whole guests give nothing, and what somebody left is told. */

#define STRAY "6b1c9f0e-3c1e-4f2a-9a52-0d7e5c1b8a44"
#define STRAY_UNIT "berth-" STRAY ".scope"
#define FOUND 6

static void assert_clean(const char *when)
{
    g_autofree char *text = NULL;
    int status = scene_status("berthctl", "audit", NULL);
    if (status == 0)
        return;
    text = scene_run("sh", "-c", "berthctl audit || true", NULL);
    g_error("%s: status %d, %s", when, status, text);
}

/* (transfer full): what is found, as JSON */
static char *findings(void)
{
    g_assert_cmpint(scene_status("berthctl", "audit", NULL), ==, FOUND);
    return scene_run("sh", "-c", "berthctl --json audit || true", NULL);
}

static void assert_found(const char *json, const char *kind, const char *side, const char *object)
{
    g_autofree char *condition = g_strdup_printf(
        "import json, sys; sys.exit(not any((f['Kind'], f['Side'], f['Object']) == ('%s', '%s', '%s') for f in "
        "json.loads(sys.argv[1])))",
        kind, side, object);
    if (scene_status("python3", "-c", condition, json, NULL) != 0)
        g_error("no %s %s %s in %s", side, kind, object, json);
}

static void test_clean(void)
{
    assert_clean("no VM");
    if (scene_status("ip", "link", "add", "bt-audit", "type", "bridge", NULL) != 0) {
        g_test_skip("this kernel has no bridges");
        return;
    }
    g_free(scene_run("ip", "link", "set", "bt-audit", "up", NULL));
    {
        g_autoptr(Guest) guest = guest_new_booted(
            "audited", g_variant_new_parsed("{'networks': <[{'mode': <'bridge'>, 'bridge': <'bt-audit'>}, "
                                            "{'mode': <'user'>, 'ports': <[{'host-port': <@u 18080>, 'guest-port': "
                                            "<@u 80>}]>}]>, 'disks': <[{'size': <@t 1048576>}]>}"));
        assert_clean("a guest with tap, port and disk");
        scene_kill_daemon();
        scene_start_daemon();
        guest_rewatch(guest);
        assert_clean("found by another daemon");
        client_vm(scene_bus, guest->path, "PowerOff");
        assert_clean("powered off");
    }
    assert_clean("removed");
    g_free(scene_run("ip", "link", "delete", "bt-audit", NULL));
}

/* Starts @words with a shell that says its PID and then sleeps. When it has spoken, all that comes before it is done. */
static pid_t spawn_sleeper(const char *const *words)
{
    static const char script[] = "echo $$; exec sleep 3600 >/dev/null";
    g_autoptr(GError) error = NULL;
    g_autoptr(GStrvBuilder) builder = g_strv_builder_new();
    g_strv_builder_addv(builder, (const char **) words);
    g_strv_builder_add_many(builder, "sh", "-c", script, NULL);
    g_auto(GStrv) argv = g_strv_builder_end(builder);
    char line[32] = "";
    int out;
    g_spawn_async_with_pipes(NULL, argv, NULL, G_SPAWN_SEARCH_PATH, NULL, NULL, NULL, NULL, &out, NULL, &error);
    g_assert_no_error(error);
    g_assert_cmpint(read(out, line, sizeof line - 1), >, 0);
    close(out);
    return (pid_t) g_ascii_strtoll(line, NULL, 10);
}

static void test_left_over_scope(void)
{
    static const char *const words[] = {
        "systemd-run", "--quiet", "--collect", "--scope", "--slice=machine.slice", "--unit=" STRAY_UNIT, NULL};
    g_autofree char *pid = g_strdup_printf("%d", (int) spawn_sleeper(words));
    g_free(scene_run("busctl", "call", "org.freedesktop.machine1", "/org/freedesktop/machine1",
                     "org.freedesktop.machine1.Manager", "RegisterMachine", "sayssus", "stray", "0", "berth", "vm", pid,
                     "", NULL));
    g_autofree char *json = findings();
    assert_found(json, "scope", "left-over", STRAY_UNIT);
    assert_found(json, "machine", "left-over", "stray");
    assert_found(json, "process", "left-over", pid);
    g_free(scene_run("systemctl", "kill", "--signal=KILL", STRAY_UNIT, NULL));
    scene_await_unit_gone(STRAY_UNIT);
    assert_clean("the scope is gone");
}

static void test_left_over_tap(void)
{
    if (scene_status("ip", "tuntap", "add", "dev", "bt-stray", "mode", "tap", NULL) != 0) {
        g_test_skip("this host makes no taps");
        return;
    }
    g_free(scene_run("ip", "link", "set", "dev", "bt-stray", "alias", "berth:" STRAY "/0", NULL));
    g_autofree char *json = findings();
    assert_found(json, "tap", "left-over", "bt-stray");
    g_free(scene_run("ip", "link", "delete", "bt-stray", NULL));
    assert_clean("the tap is gone");
}

/* A process of a VM's user that is in no VM's scope. */
static void test_left_over_process(void)
{
    g_autoptr(Guest) guest = guest_new_booted("escaped", NULL);
    g_autofree char *uid = scene_process_status(guest_qemu(guest), "Uid");
    g_autofree char *option = g_strdup_printf("--reuid=%u", (guint) g_ascii_strtoull(uid, NULL, 10));
    const char *const words[] = {"setpriv", option, "--clear-groups", NULL};
    pid_t pid = spawn_sleeper(words);
    g_autofree char *object = g_strdup_printf("%d", (int) pid);
    g_autofree char *json = findings();
    assert_found(json, "process", "left-over", object);
    int pidfd = scene_pidfd(pid);
    kill(pid, SIGKILL);
    scene_await_death(pidfd);
    assert_clean("the process has ended");
}

/* systemd stops the scope behind the daemon's back and forgets it; the daemon sees that its VM has ended. */
static void test_stopped_outside(void)
{
    g_autoptr(Guest) guest = guest_new_booted("outside", NULL);
    g_free(scene_run("systemctl", "kill", "--signal=KILL", guest->unit, NULL));
    client_await_state(guest->vm, "exited");
    assert_clean("killed from outside");
}

int main(int argc, char **argv)
{
    scene_begin(&argc, &argv);
    g_test_add_func("/audit/clean", test_clean);
    g_test_add_func("/audit/left-over/scope", test_left_over_scope);
    g_test_add_func("/audit/left-over/tap", test_left_over_tap);
    g_test_add_func("/audit/left-over/process", test_left_over_process);
    g_test_add_func("/audit/stopped-outside", test_stopped_outside);
    return g_test_run();
}
