/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The real berth-keeper, forked as the daemon does it, with a scripted process in QEMU's place (tests/lib/stub-qemu.c)
 * and, at the end, with QEMU itself. */

#include <errno.h>
#include <fcntl.h>
#include <glib.h>
#include <glib/gstdio.h>
#include <grp.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "src/berth-keeper/children.h"
#include "src/core/autofd.h"
#include "src/core/error.h"
#include "src/core/keeper-protocol.h"
#include "src/host/keeper.h"
#include "src/host/process.h"
#include "src/host/runtime-dir.h"
#include "src/host/unix-socket.h"

#define ID "1b4e28ba-2fa1-41d2-883f-0016d3cca427"
#define DEADLINE_MS 20000
#define UNPRIVILEGED 54321

typedef struct {
    char *top;
    BerthKeeperSpec spec;
    BerthRuntimeFds fds;
    BerthKeeper *keeper;
    gboolean answered;
    pid_t qemu;
    GError *error;
} Vm;

static char *path_of(Vm *vm, const char *name)
{
    return g_build_filename(vm->top, name, NULL);
}

static int open_log(Vm *vm, const char *name)
{
    g_autofree char *path = path_of(vm, name);
    int fd = open(path, O_RDWR | O_APPEND | O_CREAT | O_CLOEXEC, 0600);
    g_assert_cmpint(fd, >=, 0);
    return fd;
}

static int open_old_log(Vm *vm, const char *name)
{
    g_autofree char *path = path_of(vm, name);
    int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    g_assert_cmpint(fd, >=, 0);
    return fd;
}

static void set_up(Vm *vm, gconstpointer data)
{
    vm->top = g_dir_make_tmp("berth-keeper-XXXXXX", NULL);
    g_assert_true(berth_runtime_create(vm->top, ID, "owner", &vm->fds, NULL));
    vm->spec = (BerthKeeperSpec){
        .keeper_path = g_getenv("BERTH_TEST_KEEPER"),
        .id = ID,
        .name = "web",
        .uid = (uid_t) -1,
        .shutdown_timeout_usec = 60 * G_USEC_PER_SEC,
        .lock_fd = vm->fds.lock_fd,
        .exit_fd = vm->fds.exit_fd,
        .serial_fd = open_log(vm, "serial.log"),
        .serial_old_fd = open_old_log(vm, "serial.log.1"),
        .qemu_log_fd = open_log(vm, "qemu.log"),
        .qemu_log_old_fd = open_old_log(vm, "qemu.log.1"),
        .console_fd = vm->fds.console_fd,
        .qmp_fd = vm->fds.qmp_fd,
    };
    g_assert_nonnull(vm->spec.keeper_path);
}

static void tear_down(Vm *vm, gconstpointer data)
{
    static const char *const logs[] = {"serial.log", "serial.log.1", "qemu.log", "qemu.log.1"};
    const int fds[] = {vm->spec.serial_fd, vm->spec.serial_old_fd, vm->spec.qemu_log_fd, vm->spec.qemu_log_old_fd};

    for (guint i = 0; i < G_N_ELEMENTS(logs); i++) {
        g_autofree char *path = path_of(vm, logs[i]);
        g_unlink(path);
        close(fds[i]);
    }
    g_clear_pointer(&vm->keeper, berth_keeper_free);
    berth_runtime_fds_close(&vm->fds);
    g_assert_true(berth_runtime_remove(vm->top, ID, NULL)); /* refused where anybody still lives */
    g_assert_cmpint(g_rmdir(vm->top), ==, 0);
    g_free(vm->top);
    g_clear_error(&vm->error);
}

static void on_answer(pid_t qemu, const GError *error, gpointer data)
{
    Vm *vm = data;

    g_assert_false(vm->answered);
    vm->answered = TRUE;
    vm->qemu = qemu;
    vm->error = error ? g_error_copy(error) : NULL;
}

static gboolean on_deadline(gpointer data)
{
    g_error("no answer");
    return G_SOURCE_REMOVE;
}

static void spawn(Vm *vm, const char *const *argv)
{
    g_autoptr(GError) error = NULL;

    vm->spec.qemu_argv = argv;
    vm->keeper = berth_keeper_spawn(&vm->spec, &error);
    g_assert_no_error(error);
    berth_runtime_fds_close(&vm->fds); /* as the daemon does: from here the keeper holds the lock */
}

static void release(Vm *vm)
{
    guint deadline = g_timeout_add(DEADLINE_MS, on_deadline, NULL);

    berth_keeper_release(vm->keeper, on_answer, vm);
    while (!vm->answered)
        g_main_context_iteration(NULL, TRUE);
    g_source_remove(deadline);
}

/* Starts the stand-in with a script, whose end is NULL. */
static void start(Vm *vm, const char *const *script)
{
    g_autoptr(GPtrArray) argv = g_ptr_array_new();

    g_ptr_array_add(argv, (char *) g_getenv("BERTH_TEST_STUB_QEMU"));
    for (guint i = 0; script[i]; i++)
        g_ptr_array_add(argv, (char *) script[i]);
    g_ptr_array_add(argv, NULL);
    spawn(vm, (const char *const *) argv->pdata);
    release(vm);
    g_assert_no_error(vm->error);
    g_assert_cmpint(vm->qemu, >, 1);
}

#define START(vm, ...) start(vm, (const char *const[]){__VA_ARGS__, NULL})

static void wait_fd(int fd, short events)
{
    struct pollfd pollfd = {.fd = fd, .events = events};
    g_assert_cmpint(poll(&pollfd, 1, DEADLINE_MS), ==, 1);
}

static void wait_keeper(Vm *vm)
{
    wait_fd(berth_keeper_pidfd(vm->keeper), POLLIN);
}

/* Waits for the keeper's end and reads what it wrote of QEMU's. */
static BerthExitRecord *wait_record(Vm *vm)
{
    g_autoptr(GError) error = NULL;

    wait_keeper(vm);
    BerthExitRecord *record = berth_runtime_read_exit(vm->top, ID, &error);
    g_assert_no_error(error);
    return record;
}

static void check_record(Vm *vm, int wait_status, const char *reason, gboolean panicked, gboolean requested)
{
    const gint64 now = g_get_real_time();
    g_autoptr(BerthExitRecord) record = wait_record(vm);

    g_test_message("words: %s", record->words);
    g_assert_cmpint(record->wait_status, ==, wait_status);
    g_assert_cmpstr(record->reason, ==, reason);
    g_assert_cmpint(record->panicked, ==, panicked);
    g_assert_cmpint(record->requested, ==, requested);
    g_assert_cmpint(ABS(record->time - now), <, 60 * G_USEC_PER_SEC);
}

static int connect_console(Vm *vm)
{
    g_autoptr(GError) error = NULL;
    int fd = berth_runtime_connect_console(vm->top, ID, &error);
    g_assert_no_error(error);
    return fd;
}

/* Everything that comes until @word has, that included. %NULL as @word: until the end. */
static char *read_until(int fd, const char *word)
{
    GString *text = g_string_new(NULL);
    char buffer[4096];

    while (!word || !g_strstr_len(text->str + (text->len > 8192 ? text->len - 8192 : 0), -1, word)) {
        wait_fd(fd, POLLIN);
        ssize_t n = recv(fd, buffer, sizeof buffer, 0);
        if (n <= 0 && !word)
            break;
        g_assert_cmpint(n, >, 0);
        g_string_append_len(text, buffer, n);
    }
    return g_string_free(text, FALSE);
}

static void expect(int fd, const char *word)
{
    g_autofree char *text = read_until(fd, word);
    g_assert_nonnull(text);
}

static void type(int fd, const char *text)
{
    g_assert_cmpint(send(fd, text, strlen(text), MSG_NOSIGNAL), ==, (gssize) strlen(text));
}

static char *read_log(Vm *vm, const char *name, gsize *length)
{
    g_autofree char *path = path_of(vm, name);
    char *text;

    g_assert_true(g_file_get_contents(path, &text, length, NULL));
    return text;
}

static void signal_keeper(Vm *vm, int number)
{
    g_assert_cmpint(kill(berth_keeper_pid(vm->keeper), number), ==, 0);
}

/* ---- starting ---- */

/* The daemon dies, or changes its mind, before "go". */
static void test_end_of_file(Vm *vm, gconstpointer data)
{
    spawn(vm, (const char *const[]){g_getenv("BERTH_TEST_STUB_QEMU"), "stderr", "started", NULL});
    g_assert_false(berth_pidfd_is_dead(berth_keeper_pidfd(vm->keeper)));

    const pid_t pid = berth_keeper_pid(vm->keeper);
    BERTH_AUTOFD pidfd = berth_pidfd_open(pid, NULL);
    g_clear_pointer(&vm->keeper, berth_keeper_free);
    siginfo_t info = {0};
    wait_fd(pidfd, POLLIN);
    g_assert_cmpint(waitid(P_PIDFD, (id_t) pidfd, &info, WEXITED | WNOWAIT), ==, 0);
    g_assert_cmpint(info.si_code, ==, CLD_EXITED);
    g_assert_cmpint(info.si_status, ==, 0);
    g_autofree char *log = read_log(vm, "qemu.log", NULL);
    g_assert_cmpstr(log, ==, "");

    /* And it is reaped though nobody holds it any more. */
    while (g_main_context_iteration(NULL, FALSE))
        ;
    g_assert_cmpint(kill(pid, 0), ==, -1);
    g_assert_cmpint(errno, ==, ESRCH);
}

static void test_started(Vm *vm, gconstpointer data)
{
    START(vm, "greet", "await", "bye", "exit", "0");
    g_autofree char *path = g_strdup_printf("/proc/%d/exe", (int) vm->qemu);
    g_autofree char *exe = g_file_read_link(path, NULL);
    g_assert_cmpstr(exe, ==, g_getenv("BERTH_TEST_STUB_QEMU"));

    gboolean free = TRUE;
    g_assert_true(berth_runtime_is_free(vm->top, ID, &free, NULL));
    g_assert_false(free);
    BERTH_AUTOFD console = connect_console(vm);
    type(console, "bye");
    check_record(vm, 0, "", FALSE, FALSE);
    g_assert_true(berth_runtime_is_free(vm->top, ID, &free, NULL));
    g_assert_true(free);
}

static void test_failed(Vm *vm, gconstpointer data)
{
    spawn(vm, (const char *const[]){"/nonexistent/qemu", NULL});
    release(vm);
    g_assert_error(vm->error, BERTH_ERROR, BERTH_ERROR_START_FAILED);
    g_assert_nonnull(strstr(vm->error->message, "/nonexistent/qemu: No such file or directory"));
    wait_keeper(vm);
    g_assert_null(berth_runtime_read_exit(vm->top, ID, NULL));
}

static void test_no_keeper(Vm *vm, gconstpointer data)
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
static void test_low_descriptors(Vm *vm, gconstpointer data)
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
    wait_keeper(vm);
}

/* What is no keeper, or one that dies: an answer all the same. */
static void test_no_answer(Vm *vm, gconstpointer data)
{
    vm->spec.keeper_path = "/bin/true";
    spawn(vm, (const char *const[]){"/bin/true", NULL});
    wait_keeper(vm);
    release(vm);
    g_assert_error(vm->error, BERTH_ERROR, BERTH_ERROR_START_FAILED);
    g_assert_nonnull(strstr(vm->error->message, "ended without an answer"));
}

static void test_killed_before_go(Vm *vm, gconstpointer data)
{
    spawn(vm, (const char *const[]){"/bin/true", NULL});
    signal_keeper(vm, SIGTERM);
    wait_keeper(vm);
    release(vm);
    g_assert_error(vm->error, BERTH_ERROR, BERTH_ERROR_START_FAILED);
}

/* Exactly the descriptors of the protocol, whatever else the daemon has open, and numbers that collide. */
static void test_inherited(Vm *vm, gconstpointer data)
{
    int extra[2] = {open("/dev/null", O_RDONLY | O_CLOEXEC), open("/dev/zero", O_RDONLY | O_CLOEXEC)};
    int leak = open("/dev/null", O_RDONLY); /* not close-on-exec, as a careless library may do it */
    int high = fcntl(leak, F_DUPFD, 100);
    int reserved = fcntl(leak, F_DUPFD, BERTH_QEMU_FD_EXTRA - 1);

    vm->spec.extra_fds = extra;
    vm->spec.n_extra_fds = 2;
    START(vm, "await", "go", "describe", "await", "bye");
    BERTH_AUTOFD console = connect_console(vm);
    type(console, "go");
    g_autofree char *text = read_until(console, "ids");
    g_assert_nonnull(strstr(text, "fds 0 1 2 11 12 13 14 16 17\n"));
    g_autofree char *blocked = g_strdup_printf("blocked 1 2 15 %d\n", SIGRTMIN + 4);
    g_assert_nonnull(strstr(text, blocked));

    const char *const expected[] = {[16] = "/dev/null", [17] = "/dev/zero", [0] = "/dev/null"};
    for (guint fd = 0; fd < G_N_ELEMENTS(expected); fd++) {
        g_autofree char *path = g_strdup_printf("/proc/%d/fd/%u", (int) vm->qemu, fd);
        g_autofree char *link = g_file_read_link(path, NULL);
        if (expected[fd])
            g_assert_cmpstr(link, ==, expected[fd]);
    }
    type(console, "bye");
    check_record(vm, 0, "", FALSE, FALSE);
    close(extra[0]);
    close(extra[1]);
    close(leak);
    close(high);
    close(reserved);
}

static void test_privileges(Vm *vm, gconstpointer data)
{
    if (getuid() != 0) {
        g_test_skip("only root can give privileges up");
        return;
    }
    const gid_t groups[] = {1, 2, 3};
    g_assert_cmpint(setgroups(G_N_ELEMENTS(groups), groups), ==, 0);
    vm->spec.uid = UNPRIVILEGED;
    START(vm, "await", "go", "describe", "await", "bye");
    BERTH_AUTOFD console = connect_console(vm);
    type(console, "go");
    /* uid, effective uid, gid, number of supplementary groups, no_new_privs */
    expect(console, "ids 54321 54321 54321 0 1\n");
    g_autofree char *path = g_strdup_printf("/proc/%d/status", (int) berth_keeper_pid(vm->keeper));
    g_autofree char *status = NULL;
    g_assert_true(g_file_get_contents(path, &status, NULL, NULL));
    g_assert_nonnull(strstr(status, "\nUid:\t54321\t54321\t54321\t54321\n"));
    g_assert_nonnull(strstr(status, "\nCapPrm:\t0000000000000000\n"));
    type(console, "bye");
    check_record(vm, 0, "", FALSE, FALSE);
}

/* ---- signals ---- */

#define SHUTDOWN(reason) "{\"event\": \"SHUTDOWN\", \"data\": {\"guest\": true, \"reason\": \"" reason "\"}}\n"

static void test_sigterm(Vm *vm, gconstpointer data)
{
    START(vm, "greet", "expect", "system_powerdown", "monitor", SHUTDOWN("guest-shutdown"), "exit", "0");
    signal_keeper(vm, SIGTERM);
    check_record(vm, 0, "guest-shutdown", FALSE, TRUE);
}

static void test_second_sigterm(Vm *vm, gconstpointer data)
{
    START(vm, "await", "go", "greet", "expect", "system_powerdown", "serial", "asked", "expect", "quit", "monitor",
          SHUTDOWN("host-qmp-quit"));
    BERTH_AUTOFD console = connect_console(vm);
    type(console, "go");
    signal_keeper(vm, SIGTERM);
    expect(console, "asked");
    signal_keeper(vm, SIGTERM);
    check_record(vm, 0, "host-qmp-quit", FALSE, TRUE);
}

static void test_deadline(Vm *vm, gconstpointer data)
{
    vm->spec.shutdown_timeout_usec = 1; /* rounded up to a second */
    START(vm, "greet", "expect", "system_powerdown", "expect", "quit", "exit", "0");
    const gint64 before = g_get_monotonic_time();
    signal_keeper(vm, SIGTERM);
    check_record(vm, 0, "", FALSE, TRUE);
    g_assert_cmpint(g_get_monotonic_time() - before, >=, 950 * 1000);
}

/* QEMU neither powers down nor quits. */
static void test_kill(Vm *vm, gconstpointer data)
{
    vm->spec.shutdown_timeout_usec = 0;
    START(vm, "greet", "expect", "system_powerdown", "expect", "quit", "hang");
    signal_keeper(vm, SIGTERM);
    check_record(vm, SIGKILL, "", FALSE, TRUE);
}

/* What machined sends; and SIGHUP, which means nothing here. */
static void test_machined(Vm *vm, gconstpointer data)
{
    START(vm, "await", "go", "greet", "expect", "system_reset", "serial", "reset", "expect", "system_powerdown", "exit",
          "0");
    BERTH_AUTOFD console = connect_console(vm);
    type(console, "go");
    signal_keeper(vm, SIGHUP);
    signal_keeper(vm, SIGINT);
    expect(console, "reset");
    signal_keeper(vm, SIGRTMIN + BERTH_SIGNAL_MACHINED_POWEROFF);
    check_record(vm, 0, "", FALSE, TRUE);
}

/* A signal that comes before QMP speaks is remembered; QEMU itself hears none of them. */
static void test_early_signal(Vm *vm, gconstpointer data)
{
    START(vm, "await", "go", "greet", "expect", "system_powerdown", "exit", "0");
    BERTH_AUTOFD console = connect_console(vm);
    signal_keeper(vm, SIGTERM);
    const int numbers[] = {SIGTERM, SIGINT, SIGHUP, SIGRTMIN + BERTH_SIGNAL_MACHINED_POWEROFF};
    for (guint i = 0; i < G_N_ELEMENTS(numbers); i++)
        g_assert_cmpint(kill(vm->qemu, numbers[i]), ==, 0);
    type(console, "go");
    check_record(vm, 0, "", FALSE, TRUE);
}

/* ---- the record ---- */

static void test_exit_status(Vm *vm, gconstpointer data)
{
    START(vm, "stderr", "first\n", "stderr", "qemu: \x1b[31mno such\xff machine\n\n", "exit", "3");
    g_autoptr(BerthExitRecord) record = wait_record(vm);
    g_assert_cmpint(record->wait_status, ==, 3 << 8);
    g_assert_cmpstr(record->words, ==, "qemu: no such? machine");
    g_assert_false(record->requested);
    g_autofree char *log = read_log(vm, "qemu.log", NULL);
    g_assert_cmpstr(log, ==, "first\nqemu: \x1b[31mno such\xff machine\n\n");
}

static void test_signal(Vm *vm, gconstpointer data)
{
    START(vm, "greet", "stderr", "half a line", "raise", "11");
    g_autoptr(BerthExitRecord) record = wait_record(vm);
    g_assert_cmpint(WTERMSIG(record->wait_status), ==, SIGSEGV);
    g_assert_cmpstr(record->words, ==, "half a line");
}

static void test_panic(Vm *vm, gconstpointer data)
{
    START(vm, "greet", "monitor", "{\"event\": \"GUEST_PANICKED\", \"data\": {\"action\": \"poweroff\"}}\n", "monitor",
          SHUTDOWN("guest-panic"), "exit", "0");
    check_record(vm, 0, "guest-panic", TRUE, FALSE);
}

/* A guest that panicked and was reset is another one. */
static void test_reset_after_panic(Vm *vm, gconstpointer data)
{
    START(vm, "greet", "monitor", "{\"event\": \"GUEST_PANICKED\", \"data\": {\"action\": \"run\"}}\n", "monitor",
          "{\"event\": \"RESET\", \"data\": {\"guest\": true}}\n", "monitor", SHUTDOWN("guest-shutdown"));
    check_record(vm, 0, "guest-shutdown", FALSE, FALSE);
}

#define PANIC "{\"event\": \"GUEST_PANICKED\"}"

static void test_hostile_monitor(Vm *vm, gconstpointer data)
{
    g_autofree char *filler = g_strnfill(100000, 'x');
    g_autofree char *blanks = g_strnfill(16384 - strlen(PANIC), ' '); /* what fits would be an event */
    g_autofree char *overlong = g_strconcat(PANIC, blanks, "x\n", "{\"x\": \"", filler,
                                            "\", \"event\": \"GUEST_PANICKED\"}\n", SHUTDOWN("guest-reset"), NULL);

    START(vm, "monitor", "no json\n{{{{\n\n{\"event\": 1}\n", "greet", "monitor", overlong, "monitor",
          "{\"return\": \"{\\\"event\\\": \\\"GUEST_PANICKED\\\"}\"}\n");
    check_record(vm, 0, "guest-reset", FALSE, FALSE);
}

/* ---- the console ---- */

static void test_fan_out(Vm *vm, gconstpointer data)
{
    START(vm, "await", "go", "serial", "one\n", "await", "second", "serial", "two\n", "await", "bye");
    BERTH_AUTOFD a = connect_console(vm);
    BERTH_AUTOFD b = connect_console(vm);
    type(a, "go");
    g_autofree char *text_a = read_until(a, "one\n");
    g_autofree char *text_b = read_until(b, "one\n");
    g_assert_cmpstr(text_a, ==, "got 2\none\n");
    g_assert_cmpstr(text_b, ==, text_a);
    type(b, "second");
    expect(a, "two\n");
    expect(b, "two\n");

    /* One that types and goes at once is heard, and disturbs nobody. */
    int brief = connect_console(vm);
    type(brief, "bye");
    close(brief);
    g_autofree char *rest = read_until(a, NULL);
    g_assert_cmpstr(rest, ==, "got 3\n");
    check_record(vm, 0, "", FALSE, FALSE);
    g_autofree char *log = read_log(vm, "serial.log", NULL);
    g_assert_cmpstr(log, ==, "got 2\none\ngot 6\ntwo\ngot 3\n");
}

/* As much as the logs can hold, and more; in rounds that are smaller than what is kept for a client, and that the
 * fast one ends by reading: else it could be too slow, on a busy machine. */
#define ROUND_BYTES 48000
#define ROUNDS 70
G_STATIC_ASSERT(ROUND_BYTES *ROUNDS > 3 * BERTH_LOG_SIZE_MAX);

static char *run_rounds(int client)
{
    GString *all = g_string_new(NULL);
    guint line = 0;

    for (guint i = 0; i < ROUNDS; i++) {
        type(client, "k");
        g_autofree char *text = read_until(client, "more");
        g_assert_cmpuint(strlen(text), ==, strlen("got 1\n") + ROUND_BYTES + strlen("more"));
        for (guint at = strlen("got 1\n"); at < ROUND_BYTES; at += 16) {
            char expected[17];
            g_snprintf(expected, sizeof expected, "line %09u \n", line++);
            g_assert_cmpmem(text + at, 16, expected, 16);
        }
        g_string_append(all, text);
    }
    return g_string_free(all, FALSE);
}

/* The logs hold the end of it. */
static void check_logs(Vm *vm, const char *all)
{
    gsize length, old_length;
    g_autofree char *log = read_log(vm, "serial.log", &length);
    g_autofree char *old = read_log(vm, "serial.log.1", &old_length);

    g_assert_cmpuint(length, <, BERTH_LOG_SIZE_MAX);
    g_assert_cmpuint(old_length, ==, BERTH_LOG_SIZE_MAX);
    g_assert_cmpmem(log, length, all + strlen(all) - length, length);
    g_assert_cmpmem(old, old_length, all + strlen(all) - length - old_length, old_length);
}

/* A client that does not read loses output; the guest and the others notice nothing. */
static void test_slow_client(Vm *vm, gconstpointer data)
{
    g_autoptr(GPtrArray) script = g_ptr_array_new();
    const char *const round[] = {"await", "k", "spam", G_STRINGIFY(ROUND_BYTES), "serial", "more"};
    for (guint i = 0; i < ROUNDS * G_N_ELEMENTS(round); i++)
        g_ptr_array_add(script, (char *) round[i % G_N_ELEMENTS(round)]);
    g_ptr_array_add(script, NULL);
    start(vm, (const char *const *) script->pdata);

    BERTH_AUTOFD slow = connect_console(vm);
    BERTH_AUTOFD fast = connect_console(vm);
    g_autofree char *all = run_rounds(fast);
    g_autofree char *late = read_until(slow, NULL);
    g_assert_cmpuint(strlen(late), >, 0);
    g_assert_cmpuint(strlen(late), <, strlen(all));
    check_record(vm, 0, "", FALSE, FALSE);
    check_logs(vm, all);
}

/* The processor time that the keeper takes in @ms. */
static gint64 cpu_usec_in(Vm *vm, int ms)
{
    clockid_t clock;
    struct timespec before, after;

    g_assert_cmpint(clock_getcpuclockid(berth_keeper_pid(vm->keeper), &clock), ==, 0);
    clock_gettime(clock, &before);
    poll(NULL, 0, ms);
    clock_gettime(clock, &after);
    return (after.tv_sec - before.tv_sec) * G_USEC_PER_SEC + (after.tv_nsec - before.tv_nsec) / 1000;
}

/* A guest that does not read: the client is held up, the keeper is not, and nothing is lost. */
static void test_back_pressure(Vm *vm, gconstpointer data)
{
    START(vm, "greet", "expect", "system_reset", "await", "GONE", "await", "END");
    BERTH_AUTOFD console = connect_console(vm);
    g_autofree char *block = g_strnfill(4096, 'k');
    gsize sent = 0;
    ssize_t n;

    /* More than all buffers between can hold would mean that somebody takes it without bound. */
    struct pollfd pollfd = {.fd = console, .events = POLLOUT};
    while (poll(&pollfd, 1, 200) == 1) {
        n = send(console, block, 4096, MSG_DONTWAIT | MSG_NOSIGNAL);
        sent += n > 0 ? (gsize) n : 0;
        g_assert_cmpuint(sent, <, 16 * 1024 * 1024);
    }
    g_assert_cmpuint(sent, >, 0);

    /* Held input of one that has hung up waits too, and is no reason to spin. */
    int gone = connect_console(vm);
    type(gone, "GONE");
    close(gone);
    g_assert_cmpint(cpu_usec_in(vm, 300), <, 100 * 1000);

    signal_keeper(vm, SIGINT); /* it is answered: it hangs nowhere. The stand-in reads from here on. */
    gint64 first = 0, second = 0;
    g_autofree char *until_gone = read_until(console, "\n");
    type(console, "END");
    g_autofree char *until_end = read_until(console, NULL);
    g_assert_cmpint(sscanf(until_gone, "got %" G_GINT64_FORMAT "\n", &first), ==, 1);
    g_assert_cmpint(sscanf(until_end, "got %" G_GINT64_FORMAT "\n", &second), ==, 1);
    g_assert_cmpint(first + second, ==, (gint64) (sent + strlen("GONE") + strlen("END")));
    check_record(vm, 0, "", FALSE, FALSE);
}

static void test_many_clients(Vm *vm, gconstpointer data)
{
    int clients[32];
    START(vm, "await", "go", "serial", "x\n", "await", "go", "exit", "0");
    for (guint i = 0; i < G_N_ELEMENTS(clients); i++)
        clients[i] = connect_console(vm);
    BERTH_AUTOFD one_more = connect_console(vm);
    g_autofree char *text = read_until(one_more, NULL); /* turned away, not left waiting */
    g_assert_cmpstr(text, ==, "");

    /* A place that is given up is free again: the console hears the hang-up at the latest when it writes. */
    close(clients[0]);
    type(clients[1], "go");
    for (guint i = 1; i < G_N_ELEMENTS(clients); i++)
        expect(clients[i], "x\n");
    clients[0] = connect_console(vm);
    type(clients[0], "go");
    expect(clients[0], "got 2\n");
    for (guint i = 0; i < G_N_ELEMENTS(clients); i++)
        close(clients[i]);
    check_record(vm, 0, "", FALSE, FALSE);
}

/* ---- ends ---- */

/* A helper that has lost its parent, its session and its name is still killed, and the lock is free only then. */
static void test_helpers(Vm *vm, gconstpointer data)
{
    START(vm, "await", "go", "helper", "await", "bye", "exit", "0");
    BERTH_AUTOFD console = connect_console(vm);
    type(console, "go");
    g_autofree char *text = read_until(console, " lives\n");
    pid_t pid = (pid_t) g_ascii_strtoll(strstr(text, "helper ") + strlen("helper "), NULL, 10);
    g_assert_cmpint(pid, >, 1);
    BERTH_AUTOFD pidfd = berth_pidfd_open(pid, NULL);
    g_assert_false(berth_pidfd_is_dead(pidfd));
    type(console, "bye");
    check_record(vm, 0, "", FALSE, FALSE);
    g_assert_true(berth_pidfd_is_dead(pidfd));
}

static void test_keeper_killed(Vm *vm, gconstpointer data)
{
    START(vm, "greet", "await", "go", "hang");
    BERTH_AUTOFD console = connect_console(vm);
    type(console, "go");
    expect(console, "got 2");
    BERTH_AUTOFD pidfd = berth_pidfd_open(vm->qemu, NULL);
    signal_keeper(vm, SIGKILL);
    wait_keeper(vm);

    gboolean free = TRUE;
    g_assert_false(berth_pidfd_is_dead(pidfd));
    g_assert_true(berth_runtime_is_free(vm->top, ID, &free, NULL));
    g_assert_false(free); /* QEMU holds the lock itself */
    g_assert_null(berth_runtime_read_exit(vm->top, ID, NULL));
    kill(vm->qemu, SIGKILL);
    wait_fd(pidfd, POLLIN);
    g_assert_true(berth_runtime_is_free(vm->top, ID, &free, NULL));
    g_assert_true(free);
}

/* ---- QEMU itself ---- */

#define QEMU "qemu-system-x86_64"
#define MONITOR "socket,id=keeper,fd=" G_STRINGIFY(BERTH_QEMU_FD_MONITOR)
#define SERIAL "socket,id=serial0,fd=" G_STRINGIFY(BERTH_QEMU_FD_SERIAL)
#define QMP "socket,id=qmp,server=on,wait=off,fd=" G_STRINGIFY(BERTH_QEMU_FD_QMP)

static gboolean start_qemu(Vm *vm, const char *machine)
{
    g_autofree char *qemu = g_find_program_in_path(QEMU);
    if (!qemu) {
        g_test_skip(QEMU " is not installed");
        return FALSE;
    }
    spawn(vm, (const char *const[]){qemu,       "-M",          machine,    "-accel",
                                    "tcg",      "-nodefaults", "-display", "none",
                                    "-chardev", MONITOR,       "-mon",     "chardev=keeper,mode=control",
                                    "-chardev", QMP,           "-mon",     "chardev=qmp,mode=control",
                                    "-chardev", SERIAL,        "-serial",  "chardev:serial0",
                                    NULL});
    release(vm);
    g_assert_no_error(vm->error);
    return TRUE;
}

/* The machine has no guest that could power down. */
static void test_qemu_stops(Vm *vm, gconstpointer data)
{
    vm->spec.shutdown_timeout_usec = G_USEC_PER_SEC;
    if (!start_qemu(vm, "q35"))
        return;
    signal_keeper(vm, SIGTERM);
    check_record(vm, 0, "host-qmp-quit", FALSE, TRUE);
}

static void test_qemu_fails(Vm *vm, gconstpointer data)
{
    if (!start_qemu(vm, "no-such-machine"))
        return;
    g_autoptr(BerthExitRecord) record = wait_record(vm);
    g_assert_cmpint(WEXITSTATUS(record->wait_status), ==, 1);
    g_assert_cmpint(berth_exit_record_judge(record, FALSE, FALSE), ==, BERTH_EXIT_START_FAILED);
    g_assert_cmpstr(record->words, !=, "");
}

static void test_qemu_outlives_keeper(Vm *vm, gconstpointer data)
{
    if (!start_qemu(vm, "none"))
        return;
    g_autofree char *path = berth_runtime_qmp_path(vm->top, ID);
    BERTH_AUTOFD qmp = berth_unix_connect(path, NULL);
    g_assert_cmpint(qmp, >=, 0);
    expect(qmp, "\"QMP\"");
    BERTH_AUTOFD pidfd = berth_pidfd_open(vm->qemu, NULL);
    signal_keeper(vm, SIGKILL);
    wait_keeper(vm);

    /* It serves on: not even a signal to the scope hurts it. */
    kill(vm->qemu, SIGTERM);
    type(qmp, "{\"execute\": \"qmp_capabilities\"}\n{\"execute\": \"query-status\"}\n");
    expect(qmp, "\"running\": true");
    type(qmp, "{\"execute\": \"quit\"}\n");
    wait_fd(pidfd, POLLIN);
}

#define ADD(name, function) g_test_add("/keeper/" name, Vm, NULL, set_up, function, tear_down)

/* Keepers and what they keep are made to outlive whoever started them: also a test that fails. So the tests run in a
 * child, and what is left after it is killed. */
static void run_in_child(void)
{
    int wait_status;

    prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0);
    pid_t pid = fork();
    g_assert_cmpint(pid, >=, 0);
    if (pid == 0)
        return;
    while (waitpid(pid, &wait_status, 0) != pid)
        ;
    children_kill(children_open());
    _exit(WIFEXITED(wait_status) ? WEXITSTATUS(wait_status) : EXIT_FAILURE);
}

int main(int argc, char **argv)
{
    run_in_child();
    g_test_init(&argc, &argv, NULL);
    ADD("end-of-file", test_end_of_file);
    ADD("started", test_started);
    ADD("failed", test_failed);
    ADD("low-descriptors", test_low_descriptors);
    ADD("no-keeper", test_no_keeper);
    ADD("no-answer", test_no_answer);
    ADD("killed-before-go", test_killed_before_go);
    ADD("inherited", test_inherited);
    ADD("privileges", test_privileges);
    ADD("sigterm", test_sigterm);
    ADD("second-sigterm", test_second_sigterm);
    ADD("deadline", test_deadline);
    ADD("kill", test_kill);
    ADD("machined", test_machined);
    ADD("early-signal", test_early_signal);
    ADD("exit-status", test_exit_status);
    ADD("signal", test_signal);
    ADD("panic", test_panic);
    ADD("reset-after-panic", test_reset_after_panic);
    ADD("hostile-monitor", test_hostile_monitor);
    ADD("fan-out", test_fan_out);
    ADD("slow-client", test_slow_client);
    ADD("back-pressure", test_back_pressure);
    ADD("many-clients", test_many_clients);
    ADD("helpers", test_helpers);
    ADD("keeper-killed", test_keeper_killed);
    ADD("qemu/stops", test_qemu_stops);
    ADD("qemu/fails", test_qemu_fails);
    ADD("qemu/outlives-keeper", test_qemu_outlives_keeper);
    return g_test_run();
}
