/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "keeper-scene.h"

#include <errno.h>
#include <fcntl.h>
#include <glib/gstdio.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "src/berth-keeper/children.h"

#define DEADLINE_MS 120000

static char *path_of(KeeperScene *vm, const char *name)
{
    return g_build_filename(vm->top, name, NULL);
}

static int open_log(KeeperScene *vm, const char *name)
{
    g_autofree char *path = path_of(vm, name);
    int fd = open(path, O_RDWR | O_APPEND | O_CREAT | O_CLOEXEC, 0600);
    g_assert_cmpint(fd, >=, 0);
    return fd;
}

static int open_old_log(KeeperScene *vm, const char *name)
{
    g_autofree char *path = path_of(vm, name);
    int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    g_assert_cmpint(fd, >=, 0);
    return fd;
}

void keeper_set_up(KeeperScene *vm, gconstpointer data)
{
    vm->top = g_dir_make_tmp("berth-keeper-XXXXXX", NULL);
    g_assert_true(berth_runtime_create(vm->top, KEEPER_ID, "owner", &vm->fds, NULL));
    vm->spec = (BerthKeeperSpec){
        .keeper_path = g_getenv("BERTH_TEST_KEEPER"),
        .id = KEEPER_ID,
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
        .agent_fd = vm->fds.agent_fd,
    };
    g_assert_nonnull(vm->spec.keeper_path);
}

void keeper_tear_down(KeeperScene *vm, gconstpointer data)
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
    g_assert_true(berth_runtime_remove(vm->top, KEEPER_ID, NULL)); /* refused where anybody still lives */
    g_assert_cmpint(g_rmdir(vm->top), ==, 0);
    g_free(vm->top);
    g_clear_error(&vm->error);
}

static void on_answer(pid_t qemu, const GError *error, gpointer data)
{
    KeeperScene *vm = data;

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

void keeper_spawn(KeeperScene *vm, const char *const *argv)
{
    g_autoptr(GError) error = NULL;

    vm->spec.qemu_argv = argv;
    vm->keeper = berth_keeper_spawn(&vm->spec, &error);
    g_assert_no_error(error);
    berth_runtime_fds_close(&vm->fds); /* as the daemon does: from here the keeper holds the lock */
}

void keeper_release(KeeperScene *vm)
{
    guint deadline = g_timeout_add(DEADLINE_MS, on_deadline, NULL);

    berth_keeper_release(vm->keeper, on_answer, vm);
    while (!vm->answered)
        g_main_context_iteration(NULL, TRUE);
    g_source_remove(deadline);
}

void keeper_start(KeeperScene *vm, const char *const *script)
{
    g_autoptr(GPtrArray) argv = g_ptr_array_new();

    g_ptr_array_add(argv, (char *) g_getenv("BERTH_TEST_STUB_QEMU"));
    for (guint i = 0; script[i]; i++)
        g_ptr_array_add(argv, (char *) script[i]);
    g_ptr_array_add(argv, NULL);
    keeper_spawn(vm, (const char *const *) argv->pdata);
    keeper_release(vm);
    g_assert_no_error(vm->error);
    g_assert_cmpint(vm->qemu, >, 1);
}

void keeper_wait_fd(int fd, short events)
{
    struct pollfd pollfd = {.fd = fd, .events = events};
    g_assert_cmpint(poll(&pollfd, 1, DEADLINE_MS), ==, 1);
}

void keeper_wait(KeeperScene *vm)
{
    keeper_wait_fd(berth_keeper_pidfd(vm->keeper), POLLIN);
}

BerthExitRecord *keeper_wait_record(KeeperScene *vm)
{
    g_autoptr(GError) error = NULL;

    keeper_wait(vm);
    BerthExitRecord *record = berth_runtime_read_exit(vm->top, KEEPER_ID, &error);
    g_assert_no_error(error);
    return record;
}

void keeper_check_record(KeeperScene *vm, int wait_status, const char *reason, gboolean panicked, gboolean requested)
{
    const gint64 now = g_get_real_time();
    g_autoptr(BerthExitRecord) record = keeper_wait_record(vm);

    g_test_message("words: %s", record->words);
    g_assert_cmpint(record->wait_status, ==, wait_status);
    g_assert_cmpstr(record->reason, ==, reason);
    g_assert_cmpint(record->panicked, ==, panicked);
    g_assert_cmpint(record->requested, ==, requested);
    g_assert_cmpint(ABS(record->time - now), <, 60 * G_USEC_PER_SEC);
}

int keeper_connect_console(KeeperScene *vm)
{
    g_autoptr(GError) error = NULL;
    int fd = berth_runtime_connect_console(vm->top, KEEPER_ID, &error);
    g_assert_no_error(error);
    return fd;
}

char *keeper_read_until(int fd, const char *word)
{
    GString *text = g_string_new(NULL);
    char buffer[4096];

    while (!word || !g_strstr_len(text->str + (text->len > 8192 ? text->len - 8192 : 0), -1, word)) {
        keeper_wait_fd(fd, POLLIN);
        ssize_t n = recv(fd, buffer, sizeof buffer, 0);
        if (n <= 0 && !word)
            break;
        g_assert_cmpint(n, >, 0);
        g_string_append_len(text, buffer, n);
    }
    return g_string_free(text, FALSE);
}

void keeper_expect(int fd, const char *word)
{
    g_autofree char *text = keeper_read_until(fd, word);
    g_assert_nonnull(text);
}

void keeper_type(int fd, const char *text)
{
    g_assert_cmpint(send(fd, text, strlen(text), MSG_NOSIGNAL), ==, (gssize) strlen(text));
}

char *keeper_read_log(KeeperScene *vm, const char *name, gsize *length)
{
    g_autofree char *path = path_of(vm, name);
    char *text;

    g_assert_true(g_file_get_contents(path, &text, length, NULL));
    return text;
}

void keeper_signal(KeeperScene *vm, int number)
{
    g_assert_cmpint(kill(berth_keeper_pid(vm->keeper), number), ==, 0);
}

int keeper_main(int *argc, char ***argv, void (*add)(void))
{
    int wait_status;

    prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0);
    pid_t pid = fork();
    g_assert_cmpint(pid, >=, 0);
    if (pid == 0) {
        g_test_init(argc, argv, NULL);
        add();
        return g_test_run();
    }
    while (waitpid(pid, &wait_status, 0) != pid)
        ;
    children_kill(children_open());
    return WIFEXITED(wait_status) ? WEXITSTATUS(wait_status) : EXIT_FAILURE;
}
