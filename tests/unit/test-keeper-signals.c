/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* What signals mean to it, and what it writes down of QEMU's end. */

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "keeper-scene.h"
#include "src/core/autofd.h"
#include "src/core/keeper-protocol.h"

/* ---- signals ---- */

#define SHUTDOWN(reason) "{\"event\": \"SHUTDOWN\", \"data\": {\"guest\": true, \"reason\": \"" reason "\"}}\n"

static void test_sigterm(KeeperScene *vm, gconstpointer data)
{
    START(vm, "greet", "expect", "system_powerdown", "monitor", SHUTDOWN("guest-shutdown"), "exit", "0");
    keeper_signal(vm, SIGTERM);
    keeper_check_record(vm, 0, "guest-shutdown", FALSE, TRUE);
}

static void test_second_sigterm(KeeperScene *vm, gconstpointer data)
{
    START(vm, "await", "go", "greet", "expect", "system_powerdown", "serial", "asked", "expect", "quit", "monitor",
          SHUTDOWN("host-qmp-quit"));
    BERTH_AUTOFD console = keeper_connect_console(vm);
    keeper_type(console, "go");
    keeper_signal(vm, SIGTERM);
    keeper_expect(console, "asked");
    keeper_signal(vm, SIGTERM);
    keeper_check_record(vm, 0, "host-qmp-quit", FALSE, TRUE);
}

static void test_deadline(KeeperScene *vm, gconstpointer data)
{
    vm->spec.shutdown_timeout_usec = 1; /* rounded up to a second */
    START(vm, "greet", "expect", "system_powerdown", "after", "quit", "exit", "0");
    const gint64 before = g_get_monotonic_time();
    keeper_signal(vm, SIGTERM);
    keeper_check_record(vm, 0, "", FALSE, TRUE);
    g_assert_cmpint(g_get_monotonic_time() - before, >=, 950 * 1000);
}

/* It was in its firmware, and could not hear. */
static void power_down_deaf(KeeperScene *vm, int signal_number)
{
    vm->spec.shutdown_timeout_usec = 15 * G_USEC_PER_SEC; /* so the button is pressed every two and a half */
    START(vm, "greet", "expect", "system_powerdown", "expect", "system_powerdown", "expect", "system_powerdown",
          "monitor", SHUTDOWN("guest-shutdown"), "exit", "0");
    keeper_signal(vm, signal_number);
    keeper_check_record(vm, 0, "guest-shutdown", FALSE, TRUE);
}

static void test_stop_deaf(KeeperScene *vm, gconstpointer data)
{
    power_down_deaf(vm, SIGTERM);
}

static void test_poweroff_deaf(KeeperScene *vm, gconstpointer data)
{
    power_down_deaf(vm, SIGRTMIN + BERTH_SIGNAL_MACHINED_POWEROFF);
}

/* QEMU neither powers down nor quits. */
static void test_kill(KeeperScene *vm, gconstpointer data)
{
    vm->spec.shutdown_timeout_usec = 0;
    START(vm, "greet", "expect", "system_powerdown", "expect", "quit", "hang");
    keeper_signal(vm, SIGTERM);
    keeper_check_record(vm, SIGKILL, "", FALSE, TRUE);
}

/* What machined sends; and SIGHUP, which means nothing here. */
static void test_machined(KeeperScene *vm, gconstpointer data)
{
    START(vm, "await", "go", "greet", "expect", "system_reset", "serial", "reset", "expect", "system_powerdown", "exit",
          "0");
    BERTH_AUTOFD console = keeper_connect_console(vm);
    keeper_type(console, "go");
    keeper_signal(vm, SIGHUP);
    keeper_signal(vm, SIGINT);
    keeper_expect(console, "reset");
    keeper_signal(vm, SIGRTMIN + BERTH_SIGNAL_MACHINED_POWEROFF);
    keeper_check_record(vm, 0, "", FALSE, TRUE);
}

#define PAUSED "{\"event\": \"STOP\"}\n"
#define RESUMED "{\"event\": \"RESUME\"}\n"

/* A guest that is paused hears no power button, whoever presses it; one that goes on does. */
static void power_down_paused(KeeperScene *vm, int signal_number)
{
    START(vm, "await", "go", "greet", "monitor", PAUSED RESUMED PAUSED, "serial", "paused", "expect", "cont", "monitor",
          RESUMED, "expect", "system_powerdown", "exit", "0");
    BERTH_AUTOFD console = keeper_connect_console(vm);
    keeper_type(console, "go");
    keeper_expect(console, "paused");
    keeper_signal(vm, signal_number);
    keeper_check_record(vm, 0, "", FALSE, TRUE);
}

static void test_stop_paused(KeeperScene *vm, gconstpointer data)
{
    power_down_paused(vm, SIGTERM);
}

static void test_poweroff_paused(KeeperScene *vm, gconstpointer data)
{
    power_down_paused(vm, SIGRTMIN + BERTH_SIGNAL_MACHINED_POWEROFF);
}

static void test_stop_resumed(KeeperScene *vm, gconstpointer data)
{
    START(vm, "await", "go", "greet", "monitor", PAUSED RESUMED, "serial", "resumed", "expect", "system_powerdown",
          "exit", "0");
    BERTH_AUTOFD console = keeper_connect_console(vm);
    keeper_type(console, "go");
    keeper_expect(console, "resumed");
    keeper_signal(vm, SIGTERM);
    keeper_check_record(vm, 0, "", FALSE, TRUE);
}

/* A guest that was asked for a poweroff, and crashes when it is told to: within the time that it has for that, or later. */
static void crash_after_poweroff(KeeperScene *vm, guint64 shutdown_timeout_usec, gboolean requested)
{
    vm->spec.shutdown_timeout_usec = shutdown_timeout_usec;
    START(vm, "await", "go", "greet", "expect", "system_powerdown", "serial", "asked", "await", "fall", "raise", "11");
    BERTH_AUTOFD console = keeper_connect_console(vm);
    keeper_type(console, "go");
    keeper_signal(vm, SIGRTMIN + BERTH_SIGNAL_MACHINED_POWEROFF);
    keeper_expect(console, "asked");
    keeper_type(console, "fall");
    g_autoptr(BerthExitRecord) record = keeper_wait_record(vm);
    g_assert_cmpint(WTERMSIG(record->wait_status), ==, SIGSEGV);
    g_assert_cmpint(record->requested, ==, requested);
}

static void test_poweroff_in_time(KeeperScene *vm, gconstpointer data)
{
    crash_after_poweroff(vm, 60 * G_USEC_PER_SEC, TRUE);
}

static void test_poweroff_ignored(KeeperScene *vm, gconstpointer data)
{
    crash_after_poweroff(vm, 0, FALSE);
}

/* Both signals, in this order: QEMU is told to quit when the time is over, and that was asked for. */
static void both_signals(KeeperScene *vm, int first, int second)
{
    vm->spec.shutdown_timeout_usec = 1; /* rounded up to a second */
    START(vm, "await", "go", "greet", "expect", "system_powerdown", "serial", "asked", "expect", "system_powerdown",
          "after", "quit", "exit", "0");
    BERTH_AUTOFD console = keeper_connect_console(vm);
    keeper_type(console, "go");
    keeper_signal(vm, first);
    keeper_expect(console, "asked");
    keeper_signal(vm, second);
    keeper_check_record(vm, 0, "", FALSE, TRUE);
}

static void test_poweroff_then_stop(KeeperScene *vm, gconstpointer data)
{
    both_signals(vm, SIGRTMIN + BERTH_SIGNAL_MACHINED_POWEROFF, SIGTERM);
}

static void test_stop_then_poweroff(KeeperScene *vm, gconstpointer data)
{
    both_signals(vm, SIGTERM, SIGRTMIN + BERTH_SIGNAL_MACHINED_POWEROFF);
}

/* A signal that comes before QMP speaks is remembered; QEMU itself hears none of them. */
static void test_early_signal(KeeperScene *vm, gconstpointer data)
{
    START(vm, "await", "go", "greet", "expect", "system_powerdown", "exit", "0");
    BERTH_AUTOFD console = keeper_connect_console(vm);
    keeper_signal(vm, SIGTERM);
    const int numbers[] = {SIGTERM, SIGINT, SIGHUP, SIGRTMIN + BERTH_SIGNAL_MACHINED_POWEROFF};
    for (guint i = 0; i < G_N_ELEMENTS(numbers); i++)
        g_assert_cmpint(kill(vm->qemu, numbers[i]), ==, 0);
    keeper_type(console, "go");
    keeper_check_record(vm, 0, "", FALSE, TRUE);
}

/* ---- QEMU stands still ---- */

static void expect_change(int inotify)
{
    char event[512];
    keeper_wait_fd(inotify, POLLIN);
    g_assert_cmpint(read(inotify, event, sizeof event), >, 0);
}

/* Told by the exit record's file, which is not its user's, and has nothing in it yet. */
static void test_standstill(KeeperScene *vm, gconstpointer data)
{
    g_autofree char *path = g_build_filename(vm->top, KEEPER_ID, "exit", NULL);
    BERTH_AUTOFD inotify = inotify_init1(IN_CLOEXEC | IN_NONBLOCK);
    struct stat st;

    g_assert_cmpint(inotify_add_watch(inotify, path, IN_MODIFY), >, 0);
    vm->spec.uid = geteuid() == 0 ? 65534 : (uid_t) -1;
    START(vm, "await", "go", "exit", "3");
    BERTH_AUTOFD console = keeper_connect_console(vm);
    g_assert_cmpint(kill(vm->qemu, SIGSTOP), ==, 0);
    expect_change(inotify);
    g_assert_cmpint(kill(vm->qemu, SIGCONT), ==, 0);
    expect_change(inotify);
    g_assert_cmpint(stat(path, &st), ==, 0);
    g_assert_cmpint(st.st_size, ==, 0);
    keeper_type(console, "go");
    keeper_check_record(vm, 3 << 8, "", FALSE, FALSE);
}

/* ---- the record ---- */

static void test_exit_status(KeeperScene *vm, gconstpointer data)
{
    START(vm, "stderr", "first\n", "stderr", "qemu: \x1b[31mno such\xff machine\n\n", "exit", "3");
    g_autoptr(BerthExitRecord) record = keeper_wait_record(vm);
    g_assert_cmpint(record->wait_status, ==, 3 << 8);
    g_assert_cmpstr(record->words, ==, "qemu: no such? machine");
    g_assert_false(record->requested);
    g_autofree char *log = keeper_read_log(vm, "qemu.log", NULL);
    g_assert_cmpstr(log, ==, "first\nqemu: \x1b[31mno such\xff machine\n\n");
}

static void test_signal(KeeperScene *vm, gconstpointer data)
{
    START(vm, "greet", "stderr", "half a line", "raise", "11");
    g_autoptr(BerthExitRecord) record = keeper_wait_record(vm);
    g_assert_cmpint(WTERMSIG(record->wait_status), ==, SIGSEGV);
    g_assert_cmpstr(record->words, ==, "half a line");
}

static void test_panic(KeeperScene *vm, gconstpointer data)
{
    START(vm, "greet", "monitor", "{\"event\": \"GUEST_PANICKED\", \"data\": {\"action\": \"poweroff\"}}\n", "monitor",
          SHUTDOWN("guest-panic"), "exit", "0");
    keeper_check_record(vm, 0, "guest-panic", TRUE, FALSE);
}

/* A guest that panicked and was reset is another one. */
static void test_reset_after_panic(KeeperScene *vm, gconstpointer data)
{
    START(vm, "greet", "monitor", "{\"event\": \"GUEST_PANICKED\", \"data\": {\"action\": \"run\"}}\n", "monitor",
          "{\"event\": \"RESET\", \"data\": {\"guest\": true}}\n", "monitor", SHUTDOWN("guest-shutdown"));
    keeper_check_record(vm, 0, "guest-shutdown", FALSE, FALSE);
}

#define PANIC "{\"event\": \"GUEST_PANICKED\"}"

static void test_hostile_monitor(KeeperScene *vm, gconstpointer data)
{
    g_autofree char *filler = g_strnfill(100000, 'x');
    g_autofree char *blanks = g_strnfill(16384 - strlen(PANIC), ' '); /* what fits would be an event */
    g_autofree char *overlong = g_strconcat(PANIC, blanks, "x\n", "{\"x\": \"", filler,
                                            "\", \"event\": \"GUEST_PANICKED\"}\n", SHUTDOWN("guest-reset"), NULL);

    START(vm, "monitor", "no json\n{{{{\n\n{\"event\": 1}\n", "greet", "monitor", overlong, "monitor",
          "{\"return\": \"{\\\"event\\\": \\\"GUEST_PANICKED\\\"}\"}\n");
    keeper_check_record(vm, 0, "guest-reset", FALSE, FALSE);
}

static void add(void)
{
    KEEPER_ADD("sigterm", test_sigterm);
    KEEPER_ADD("second-sigterm", test_second_sigterm);
    KEEPER_ADD("deadline", test_deadline);
    KEEPER_ADD("stop-deaf", test_stop_deaf);
    KEEPER_ADD("poweroff-deaf", test_poweroff_deaf);
    KEEPER_ADD("kill", test_kill);
    KEEPER_ADD("machined", test_machined);
    KEEPER_ADD("stop-paused", test_stop_paused);
    KEEPER_ADD("poweroff-paused", test_poweroff_paused);
    KEEPER_ADD("stop-resumed", test_stop_resumed);
    KEEPER_ADD("poweroff-in-time", test_poweroff_in_time);
    KEEPER_ADD("poweroff-ignored", test_poweroff_ignored);
    KEEPER_ADD("poweroff-then-stop", test_poweroff_then_stop);
    KEEPER_ADD("stop-then-poweroff", test_stop_then_poweroff);
    KEEPER_ADD("early-signal", test_early_signal);
    KEEPER_ADD("standstill", test_standstill);
    KEEPER_ADD("exit-status", test_exit_status);
    KEEPER_ADD("signal", test_signal);
    KEEPER_ADD("panic", test_panic);
    KEEPER_ADD("reset-after-panic", test_reset_after_panic);
    KEEPER_ADD("hostile-monitor", test_hostile_monitor);
}

int main(int argc, char **argv)
{
    return keeper_main(&argc, &argv, add);
}
