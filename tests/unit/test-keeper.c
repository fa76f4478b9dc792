/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* How a keeper begins, what it hands on, and how it ends; with QEMU itself at last. */

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "keeper-scene.h"
#include "src/core/autofd.h"
#include "src/core/error.h"
#include "src/core/keeper-protocol.h"
#include "src/host/process.h"
#include "src/host/unix-socket.h"

#define UNPRIVILEGED 54321

/* ---- starting ---- */

/* The daemon dies, or changes its mind, before "go". */
static void test_end_of_file(KeeperScene *vm, gconstpointer data)
{
    keeper_spawn(vm, (const char *const[]){g_getenv("BERTH_TEST_STUB_QEMU"), "stderr", "started", NULL});
    g_assert_false(berth_pidfd_is_dead(berth_keeper_pidfd(vm->keeper)));

    const pid_t pid = berth_keeper_pid(vm->keeper);
    BERTH_AUTOFD pidfd = berth_pidfd_open(pid, NULL);
    g_clear_pointer(&vm->keeper, berth_keeper_free);
    siginfo_t info = {0};
    keeper_wait_fd(pidfd, POLLIN);
    g_assert_cmpint(waitid(P_PIDFD, (id_t) pidfd, &info, WEXITED | WNOWAIT), ==, 0);
    g_assert_cmpint(info.si_code, ==, CLD_EXITED);
    g_assert_cmpint(info.si_status, ==, 0);
    g_autofree char *log = keeper_read_log(vm, "qemu.log", NULL);
    g_assert_cmpstr(log, ==, "");

    /* And it is reaped though nobody holds it any more. */
    while (g_main_context_iteration(NULL, FALSE))
        ;
    g_assert_cmpint(kill(pid, 0), ==, -1);
    g_assert_cmpint(errno, ==, ESRCH);
}

static void test_started(KeeperScene *vm, gconstpointer data)
{
    START(vm, "greet", "await", "bye", "exit", "0");
    g_autofree char *path = g_strdup_printf("/proc/%d/exe", (int) vm->qemu);
    g_autofree char *exe = g_file_read_link(path, NULL);
    g_assert_cmpstr(exe, ==, g_getenv("BERTH_TEST_STUB_QEMU"));

    gboolean free = TRUE;
    g_assert_true(berth_runtime_is_free(vm->top, KEEPER_ID, &free, NULL));
    g_assert_false(free);
    BERTH_AUTOFD console = keeper_connect_console(vm);
    keeper_type(console, "bye");
    keeper_check_record(vm, 0, "", FALSE, FALSE);
    g_assert_true(berth_runtime_is_free(vm->top, KEEPER_ID, &free, NULL));
    g_assert_true(free);
}

static void test_failed(KeeperScene *vm, gconstpointer data)
{
    keeper_spawn(vm, (const char *const[]){"/nonexistent/qemu", NULL});
    keeper_release(vm);
    g_assert_error(vm->error, BERTH_ERROR, BERTH_ERROR_START_FAILED);
    g_assert_nonnull(strstr(vm->error->message, "/nonexistent/qemu: No such file or directory"));
    keeper_wait(vm);
    g_assert_null(berth_runtime_read_exit(vm->top, KEEPER_ID, NULL));
}

static void test_no_keeper(KeeperScene *vm, gconstpointer data)
{
    g_autoptr(GError) error = NULL;

    vm->spec.keeper_path = "/nonexistent/keeper";
    vm->spec.qemu_argv = (const char *const[]){"/bin/true", NULL};
    g_assert_null(berth_keeper_spawn(&vm->spec, &error));
    g_assert_error(error, BERTH_ERROR, BERTH_ERROR_START_FAILED);
}

static void move_up(int *fd)
{
    int moved = fcntl(*fd, F_DUPFD_CLOEXEC, 100);
    g_assert_cmpint(moved, >=, 0);
    close(*fd);
    *fd = moved;
}

/* Where the daemon's own numbers are low, they are those that the keeper's descriptors have. */
static void test_low_descriptors(KeeperScene *vm, gconstpointer data)
{
    int *const all[] = {&vm->fds.lock_fd,    &vm->fds.exit_fd,        &vm->fds.console_fd,   &vm->fds.qmp_fd,
                        &vm->spec.serial_fd, &vm->spec.serial_old_fd, &vm->spec.qemu_log_fd, &vm->spec.qemu_log_old_fd};
    int low[3]; /* its channel has two */
    for (guint i = 0; i < G_N_ELEMENTS(all); i++)
        move_up(all[i]);
    vm->spec.lock_fd = vm->fds.lock_fd;
    vm->spec.exit_fd = vm->fds.exit_fd;
    vm->spec.console_fd = vm->fds.console_fd;
    vm->spec.qmp_fd = vm->fds.qmp_fd;
    for (guint i = 0; i < G_N_ELEMENTS(low); i++)
        low[i] = open("/dev/null", O_RDONLY | O_CLOEXEC);
    g_assert_cmpint(low[2], <=, BERTH_QEMU_FD_QMP);
    for (guint i = 0; i < G_N_ELEMENTS(low); i++)
        close(low[i]);
    START(vm, "exit", "0");
    keeper_wait(vm);
}

/* What is no keeper, or one that dies: an answer all the same. */
static void test_no_answer(KeeperScene *vm, gconstpointer data)
{
    vm->spec.keeper_path = "/bin/true";
    keeper_spawn(vm, (const char *const[]){"/bin/true", NULL});
    keeper_wait(vm);
    keeper_release(vm);
    g_assert_error(vm->error, BERTH_ERROR, BERTH_ERROR_START_FAILED);
    g_assert_nonnull(strstr(vm->error->message, "ended without an answer"));
}

static void test_killed_before_go(KeeperScene *vm, gconstpointer data)
{
    keeper_spawn(vm, (const char *const[]){"/bin/true", NULL});
    keeper_signal(vm, SIGTERM);
    keeper_wait(vm);
    keeper_release(vm);
    g_assert_error(vm->error, BERTH_ERROR, BERTH_ERROR_START_FAILED);
}

/* Exactly the descriptors of the protocol, whatever else the daemon has open, and numbers that collide. */
static void test_inherited(KeeperScene *vm, gconstpointer data)
{
    int extra[2] = {open("/dev/null", O_RDONLY | O_CLOEXEC), open("/dev/zero", O_RDONLY | O_CLOEXEC)};
    int leak = open("/dev/null", O_RDONLY); /* not close-on-exec, as a careless library may do it */
    int high = fcntl(leak, F_DUPFD, 100);
    int reserved = fcntl(leak, F_DUPFD, BERTH_QEMU_FD_LOCK);

    vm->spec.extra_fds = extra;
    vm->spec.n_extra_fds = 2;
    START(vm, "await", "go", "describe", "await", "bye");
    BERTH_AUTOFD console = keeper_connect_console(vm);
    keeper_type(console, "go");
    g_autofree char *text = keeper_read_until(console, "ids");
    g_assert_nonnull(strstr(text, "fds 0 1 2 11 12 13 14 15 16 17\n"));
    g_autofree char *blocked = g_strdup_printf("blocked 1 2 15 %d\n", SIGRTMIN + 4);
    g_assert_nonnull(strstr(text, blocked));

    const char *const expected[] = {[16] = "/dev/null", [17] = "/dev/zero", [0] = "/dev/null"};
    for (guint fd = 0; fd < G_N_ELEMENTS(expected); fd++) {
        g_autofree char *path = g_strdup_printf("/proc/%d/fd/%u", (int) vm->qemu, fd);
        g_autofree char *link = g_file_read_link(path, NULL);
        if (expected[fd])
            g_assert_cmpstr(link, ==, expected[fd]);
    }
    keeper_type(console, "bye");
    keeper_check_record(vm, 0, "", FALSE, FALSE);
    close(extra[0]);
    close(extra[1]);
    close(leak);
    close(high);
    close(reserved);
}

static void test_privileges(KeeperScene *vm, gconstpointer data)
{
    if (getuid() != 0) {
        g_test_skip("only root can give privileges up");
        return;
    }
    const gid_t groups[] = {1, 2, 3};
    g_assert_cmpint(setgroups(G_N_ELEMENTS(groups), groups), ==, 0);
    vm->spec.uid = UNPRIVILEGED;
    START(vm, "await", "go", "describe", "await", "bye");
    BERTH_AUTOFD console = keeper_connect_console(vm);
    keeper_type(console, "go");
    /* uid, effective uid, gid, number of supplementary groups, no_new_privs */
    keeper_expect(console, "ids 54321 54321 54321 0 1\n");
    g_autofree char *path = g_strdup_printf("/proc/%d/status", (int) berth_keeper_pid(vm->keeper));
    g_autofree char *status = NULL;
    g_assert_true(g_file_get_contents(path, &status, NULL, NULL));
    g_assert_nonnull(strstr(status, "\nUid:\t54321\t54321\t54321\t54321\n"));
    g_assert_nonnull(strstr(status, "\nCapPrm:\t0000000000000000\n"));
    keeper_type(console, "bye");
    keeper_check_record(vm, 0, "", FALSE, FALSE);
}

/* ---- ends ---- */

/* A helper that has lost its parent, its session and its name is still killed, and the lock is free only then. */
static void test_helpers(KeeperScene *vm, gconstpointer data)
{
    START(vm, "await", "go", "helper", "await", "bye", "exit", "0");
    BERTH_AUTOFD console = keeper_connect_console(vm);
    keeper_type(console, "go");
    g_autofree char *text = keeper_read_until(console, " lives\n");
    pid_t pid = (pid_t) g_ascii_strtoll(strstr(text, "helper ") + strlen("helper "), NULL, 10);
    g_assert_cmpint(pid, >, 1);
    BERTH_AUTOFD pidfd = berth_pidfd_open(pid, NULL);
    g_assert_false(berth_pidfd_is_dead(pidfd));
    keeper_type(console, "bye");
    keeper_check_record(vm, 0, "", FALSE, FALSE);
    g_assert_true(berth_pidfd_is_dead(pidfd));
}

static void test_keeper_killed(KeeperScene *vm, gconstpointer data)
{
    START(vm, "greet", "await", "go", "hang");
    BERTH_AUTOFD console = keeper_connect_console(vm);
    keeper_type(console, "go");
    keeper_expect(console, "got 2");
    BERTH_AUTOFD pidfd = berth_pidfd_open(vm->qemu, NULL);
    keeper_signal(vm, SIGKILL);
    keeper_wait(vm);

    gboolean free = TRUE;
    g_assert_false(berth_pidfd_is_dead(pidfd));
    g_assert_true(berth_runtime_is_free(vm->top, KEEPER_ID, &free, NULL));
    g_assert_false(free); /* QEMU holds the lock itself */
    g_assert_null(berth_runtime_read_exit(vm->top, KEEPER_ID, NULL));
    kill(vm->qemu, SIGKILL);
    keeper_wait_fd(pidfd, POLLIN);
    g_assert_true(berth_runtime_is_free(vm->top, KEEPER_ID, &free, NULL));
    g_assert_true(free);
}

/* ---- QEMU itself ---- */

#define QEMU "qemu-system-x86_64"
#define MONITOR "socket,id=keeper,fd=" G_STRINGIFY(BERTH_QEMU_FD_MONITOR)
#define SERIAL "socket,id=serial0,fd=" G_STRINGIFY(BERTH_QEMU_FD_SERIAL)
#define QMP "socket,id=qmp,server=on,wait=off,fd=" G_STRINGIFY(BERTH_QEMU_FD_QMP)

static gboolean start_qemu(KeeperScene *vm, const char *machine)
{
    g_autofree char *qemu = g_find_program_in_path(QEMU);
    if (!qemu) {
        g_test_skip(QEMU " is not installed");
        return FALSE;
    }
    keeper_spawn(vm, (const char *const[]){qemu,       "-M",          machine,    "-accel",
                                           "tcg",      "-nodefaults", "-display", "none",
                                           "-chardev", MONITOR,       "-mon",     "chardev=keeper,mode=control",
                                           "-chardev", QMP,           "-mon",     "chardev=qmp,mode=control",
                                           "-chardev", SERIAL,        "-serial",  "chardev:serial0",
                                           NULL});
    keeper_release(vm);
    g_assert_no_error(vm->error);
    return TRUE;
}

/* The machine has no guest that could power down. */
static void test_qemu_stops(KeeperScene *vm, gconstpointer data)
{
    vm->spec.shutdown_timeout_usec = G_USEC_PER_SEC;
    if (!start_qemu(vm, "q35"))
        return;
    keeper_signal(vm, SIGTERM);
    keeper_check_record(vm, 0, "host-qmp-quit", FALSE, TRUE);
}

static void test_qemu_fails(KeeperScene *vm, gconstpointer data)
{
    if (!start_qemu(vm, "no-such-machine"))
        return;
    g_autoptr(BerthExitRecord) record = keeper_wait_record(vm);
    g_assert_cmpint(WEXITSTATUS(record->wait_status), ==, 1);
    g_assert_cmpint(berth_exit_record_judge(record, FALSE, FALSE), ==, BERTH_EXIT_START_FAILED);
    g_assert_cmpstr(record->words, !=, "");
}

static void test_qemu_outlives_keeper(KeeperScene *vm, gconstpointer data)
{
    if (!start_qemu(vm, "none"))
        return;
    g_autofree char *path = berth_runtime_qmp_path(vm->top, KEEPER_ID);
    BERTH_AUTOFD qmp = berth_unix_connect(path, NULL);
    g_assert_cmpint(qmp, >=, 0);
    keeper_expect(qmp, "\"QMP\"");
    BERTH_AUTOFD pidfd = berth_pidfd_open(vm->qemu, NULL);
    keeper_signal(vm, SIGKILL);
    keeper_wait(vm);

    /* It serves on: not even a signal to the scope hurts it. */
    kill(vm->qemu, SIGTERM);
    keeper_type(qmp, "{\"execute\": \"qmp_capabilities\"}\n{\"execute\": \"query-status\"}\n");
    keeper_expect(qmp, "\"running\": true");
    keeper_type(qmp, "{\"execute\": \"quit\"}\n");
    keeper_wait_fd(pidfd, POLLIN);
}

static void add(void)
{
    KEEPER_ADD("end-of-file", test_end_of_file);
    KEEPER_ADD("started", test_started);
    KEEPER_ADD("failed", test_failed);
    KEEPER_ADD("low-descriptors", test_low_descriptors);
    KEEPER_ADD("no-keeper", test_no_keeper);
    KEEPER_ADD("no-answer", test_no_answer);
    KEEPER_ADD("killed-before-go", test_killed_before_go);
    KEEPER_ADD("inherited", test_inherited);
    KEEPER_ADD("privileges", test_privileges);
    KEEPER_ADD("helpers", test_helpers);
    KEEPER_ADD("keeper-killed", test_keeper_killed);
    KEEPER_ADD("qemu/stops", test_qemu_stops);
    KEEPER_ADD("qemu/fails", test_qemu_fails);
    KEEPER_ADD("qemu/outlives-keeper", test_qemu_outlives_keeper);
}

int main(int argc, char **argv)
{
    return keeper_main(&argc, &argv, add);
}
