/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <errno.h>
#include <fcntl.h>
#include <glib.h>
#include <glib/gstdio.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "src/core/autofd.h"
#include "src/core/error.h"
#include "src/core/names.h"
#include "src/host/runtime-dir.h"
#include "src/host/unix-socket.h"

#define ID "1b4e28ba-2fa1-41d2-883f-0016d3cca427"
#define OTHER "00000000-2fa1-41d2-883f-0016d3cca427"
#define OWNER "6ba7b810-9dad-41d1-80b4-00c04fd430c8"

typedef struct {
    char *base;
    char *top; /* the runtime directory, not made yet; its path is longer than a socket's address */
} Fixture;

static void set_up(Fixture *fixture, gconstpointer data)
{
    g_autofree char *name = g_strnfill(150, 'r');
    fixture->base = g_dir_make_tmp("berth-runtime-XXXXXX", NULL);
    fixture->top = g_build_filename(fixture->base, name, NULL);
}

static void tear_down(Fixture *fixture, gconstpointer data)
{
    g_assert_true(berth_runtime_remove(fixture->top, ID, NULL));
    g_rmdir(fixture->top);
    g_assert_cmpint(g_rmdir(fixture->base), ==, 0); /* nothing was left anywhere */
    g_free(fixture->base);
    g_free(fixture->top);
}

static char *path_of(Fixture *fixture, const char *name)
{
    return g_build_filename(fixture->top, ID, name, NULL);
}

static void put(Fixture *fixture, const char *name, const char *text)
{
    g_autofree char *path = path_of(fixture, name);
    g_assert_true(g_file_set_contents(path, text, -1, NULL));
}

static gboolean is_free(Fixture *fixture)
{
    g_autoptr(GError) error = NULL;
    gboolean free = 7;
    gboolean known = berth_runtime_is_free(fixture->top, ID, &free, &error);
    g_assert_no_error(error);
    g_assert_true(known);
    return free;
}

static void create(Fixture *fixture, BerthRuntimeFds *fds)
{
    g_autoptr(GError) error = NULL;
    gboolean created = berth_runtime_create(fixture->top, ID, OWNER, fds, &error);
    g_assert_no_error(error);
    g_assert_true(created);
}

static void assert_listens(int fd)
{
    int yes = 0;
    socklen_t length = sizeof yes;
    g_assert_cmpint(getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, &yes, &length), ==, 0);
    g_assert_cmpint(yes, ==, 1);
}

static void test_create(Fixture *fixture, gconstpointer data)
{
    BerthRuntimeFds fds;
    create(fixture, &fds);

    struct stat st;
    g_autofree char *directory = path_of(fixture, NULL);
    g_assert_cmpint(lstat(directory, &st), ==, 0);
    g_assert_cmpint(st.st_mode & 07777, ==, 0700);
    assert_listens(fds.qmp_fd);
    assert_listens(fds.console_fd);
    assert_listens(fds.agent_fd);
    int *all = (int *) &fds;
    for (guint i = 0; i < sizeof fds / sizeof *all; i++)
        g_assert_cmpint(fcntl(all[i], F_GETFD) & FD_CLOEXEC, !=, 0);
    g_assert_cmpint(fcntl(fds.exit_fd, F_GETFL) & O_ACCMODE, ==, O_WRONLY);

    g_autofree char *owner = berth_runtime_owner(fixture->top, ID);
    g_assert_cmpstr(owner, ==, OWNER);
    g_assert_null(berth_runtime_owner(fixture->top, OTHER));

    /* The paths reach them, long as they are. */
    g_autoptr(GError) error = NULL;
    g_autofree char *qmp = berth_runtime_qmp_path(fixture->top, ID);
    BERTH_AUTOFD client = berth_unix_connect(qmp, &error);
    g_assert_no_error(error);
    BERTH_AUTOFD peer = accept(fds.qmp_fd, NULL, NULL);
    g_assert_cmpint(peer, >=, 0);
    g_autofree char *agent = berth_runtime_agent_path(fixture->top, ID);
    BERTH_AUTOFD channel = berth_unix_connect(agent, &error);
    g_assert_no_error(error);
    BERTH_AUTOFD console = berth_runtime_connect_console(fixture->top, ID, &error);
    g_assert_no_error(error);
    BERTH_AUTOFD console_peer = accept(fds.console_fd, NULL, NULL);
    g_assert_cmpint(console_peer, >=, 0);
    g_assert_cmpint(fcntl(console, F_GETFL) & O_NONBLOCK, ==, 0);
    g_assert_cmpint(fcntl(console, F_GETFD) & FD_CLOEXEC, !=, 0);

    berth_runtime_fds_close(&fds);
    g_assert_cmpint(fds.lock_fd, ==, -1);
    berth_runtime_fds_close(&fds);
}

static void test_connect_fails(Fixture *fixture, gconstpointer data)
{
    g_autoptr(GError) error = NULL;
    BerthRuntimeFds fds;

    g_assert_cmpint(berth_runtime_connect_console(fixture->top, ID, &error), ==, -1);
    g_assert_error(error, BERTH_ERROR, BERTH_ERROR_NOT_FOUND);
    g_clear_error(&error);
    create(fixture, &fds);
    berth_runtime_fds_close(&fds);
    g_assert_cmpint(berth_runtime_connect_console(fixture->top, ID, &error), ==, -1);
    g_assert_error(error, BERTH_ERROR, BERTH_ERROR_WRONG_STATE);
}

/* The lock belongs to the open file: whoever inherited it holds it, also after its maker closed it. */
static void test_lock(Fixture *fixture, gconstpointer data)
{
    BerthRuntimeFds fds, again = {-5, -5, -5, -5, -5};
    g_autoptr(GError) error = NULL;

    g_assert_true(is_free(fixture)); /* no directory */
    create(fixture, &fds);
    g_assert_false(is_free(fixture));

    pid_t pid = fork();
    if (pid == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        for (;;)
            pause();
    }
    berth_runtime_fds_close(&fds);
    g_assert_false(is_free(fixture));
    g_assert_false(is_free(fixture)); /* looking did not break it */
    g_assert_false(berth_runtime_create(fixture->top, ID, OWNER, &again, &error));
    g_assert_error(error, BERTH_ERROR, BERTH_ERROR_BUSY);
    g_assert_cmpint(again.lock_fd, ==, -5);
    g_clear_error(&error);
    g_assert_false(berth_runtime_remove(fixture->top, ID, &error));
    g_assert_error(error, BERTH_ERROR, BERTH_ERROR_BUSY);

    g_autofree char *socket = path_of(fixture, BERTH_FILE_QMP_SOCKET);
    g_assert_true(g_file_test(socket, G_FILE_TEST_EXISTS)); /* and nothing of the living was touched */
    kill(pid, SIGKILL);
    waitpid(pid, NULL, 0);
    g_assert_true(is_free(fixture));

    /* Looking leaves no lock behind. */
    g_autofree char *lock = path_of(fixture, BERTH_FILE_LOCK);
    g_assert_cmpint(unlink(lock), ==, 0);
    g_assert_true(is_free(fixture)); /* no lock file */
    create(fixture, &fds);
    berth_runtime_fds_close(&fds);
    g_assert_true(is_free(fixture));
    create(fixture, &again);
    berth_runtime_fds_close(&again);
}

static void test_no_proof(Fixture *fixture, gconstpointer data)
{
    BerthRuntimeFds fds;
    g_autoptr(GError) error = NULL;
    gboolean free = 7;
    g_autofree char *lock = path_of(fixture, BERTH_FILE_LOCK);

    create(fixture, &fds);
    berth_runtime_fds_close(&fds);
    g_assert_cmpint(unlink(lock), ==, 0);
    g_assert_cmpint(symlink("/dev/null", lock), ==, 0);
    g_assert_false(berth_runtime_is_free(fixture->top, ID, &free, &error));
    g_assert_error(error, BERTH_ERROR, BERTH_ERROR_STORAGE_FAILED);
    g_assert_cmpint(free, ==, 7);
    g_assert_cmpint(unlink(lock), ==, 0);
}

static void test_remove(Fixture *fixture, gconstpointer data)
{
    BerthRuntimeFds fds;
    g_autoptr(GError) error = NULL;

    g_assert_true(berth_runtime_remove(fixture->top, ID, &error)); /* absent */
    create(fixture, &fds);
    berth_runtime_fds_close(&fds);
    put(fixture, "something-else", "");
    g_autofree char *directory = path_of(fixture, NULL);
    g_assert_true(berth_runtime_remove(fixture->top, ID, &error));
    g_assert_false(g_file_test(directory, G_FILE_TEST_EXISTS));

    create(fixture, &fds);
    berth_runtime_fds_close(&fds);
    g_autofree char *odd = path_of(fixture, "directory");
    g_assert_cmpint(g_mkdir(odd, 0700), ==, 0);
    g_assert_false(berth_runtime_remove(fixture->top, ID, &error));
    g_assert_error(error, BERTH_ERROR, BERTH_ERROR_STORAGE_FAILED);
    g_assert_cmpint(g_rmdir(odd), ==, 0);
}

static void test_run_record(Fixture *fixture, gconstpointer data)
{
    const BerthRunRecord written = {
        (char *) "inc", 4000000000u, 17, 18, (char *) "/machine.slice/x", 1234567, BERTH_RECORD_SHUTDOWN, 7654321, TRUE,
    };
    BerthRuntimeFds fds;
    g_autoptr(GError) error = NULL;

    create(fixture, &fds);
    g_assert_null(berth_runtime_read_run(fixture->top, ID, &error));
    g_assert_error(error, BERTH_ERROR, BERTH_ERROR_NOT_FOUND);
    g_clear_error(&error);

    g_assert_true(berth_runtime_write_run(fixture->top, ID, &written, &error));
    g_assert_true(berth_runtime_write_run(fixture->top, ID, &written, &error)); /* replaced */
    g_autoptr(BerthRunRecord) read = berth_runtime_read_run(fixture->top, ID, &error);
    g_assert_no_error(error);
    g_assert_cmpstr(read->incarnation, ==, written.incarnation);
    g_assert_cmpuint(read->cid, ==, written.cid);
    g_assert_cmpint(read->keeper_pid, ==, written.keeper_pid);
    g_assert_cmpint(read->qemu_pid, ==, written.qemu_pid);
    g_assert_cmpstr(read->control_group, ==, written.control_group);
    g_assert_cmpint(read->started, ==, written.started);
    g_assert_cmpint(read->operation, ==, written.operation);
    g_assert_cmpint(read->until, ==, written.until);
    g_assert_true(read->by_agent_alone);

    BerthRunRecord bad = written;
    bad.control_group = (char *) "/x\nkeeper-pid=1";
    g_assert_false(berth_runtime_write_run(fixture->top, ID, &bad, &error));
    g_assert_error(error, BERTH_ERROR, BERTH_ERROR_INVALID_ARGS);
    g_clear_error(&error);

    /* Of before an upgrade, and of after a downgrade. */
#define OLD "incarnation=a\ncid=1\nkeeper-pid=4\nqemu-pid=5\ncontrol-group=/\nstarted=1\n"
    put(fixture, BERTH_FILE_RUN, OLD "end\n");
    g_autoptr(BerthRunRecord) old = berth_runtime_read_run(fixture->top, ID, &error);
    g_assert_no_error(error);
    g_assert_cmpint(old->operation, ==, BERTH_RECORD_RUN);
    g_assert_false(old->by_agent_alone);
    put(fixture, BERTH_FILE_RUN, OLD "operation=migrate\nuntil=5\nend\n");
    g_autoptr(BerthRunRecord) new = berth_runtime_read_run(fixture->top, ID, &error);
    g_assert_no_error(error);
    g_assert_cmpint(new->operation, ==, BERTH_RECORD_RUN);
    put(fixture, BERTH_FILE_RUN, OLD "operation=\nuntil=soon\nend\n");
    g_assert_null(berth_runtime_read_run(fixture->top, ID, &error));
    g_assert_error(error, BERTH_ERROR, BERTH_ERROR_INVALID_ARGS);
    g_clear_error(&error);

    put(fixture, BERTH_FILE_RUN, "incarnation=a\ncid=1\nkeeper-pid=0\nqemu-pid=5\ncontrol-group=/\nstarted=1\nend\n");
    g_assert_null(berth_runtime_read_run(fixture->top, ID, &error));
    g_assert_error(error, BERTH_ERROR, BERTH_ERROR_INVALID_ARGS);
    berth_runtime_fds_close(&fds);
}

static void assert_guest(Fixture *fixture, gboolean is_up, const char *status)
{
    g_autofree char *words = NULL;
    gboolean up = 7;
    g_assert_true(berth_runtime_read_guest(fixture->top, ID, &up, &words));
    g_assert_cmpint(up, ==, is_up);
    g_assert_cmpstr(words, ==, status);
}

/* What its guest has said, which may be anything. */
static void test_guest_record(Fixture *fixture, gconstpointer data)
{
    static const char *const damaged[] = {"", "up=1\nstatus=x\n", "up=2\nstatus=x\nend\n", "status=x\nend\n",
                                          "up=1\nend\n"};
    BerthRuntimeFds fds;
    g_autoptr(GError) error = NULL;
    g_autofree char *status = NULL;
    g_autofree char *endless = g_strnfill(2000, 'x');
    g_autofree char *huge = g_strconcat("up=1\nstatus=", endless, "\nend\n", NULL);
    gboolean is_up = 7;

    create(fixture, &fds);
    berth_runtime_fds_close(&fds);
    g_assert_false(berth_runtime_read_guest(fixture->top, ID, &is_up, &status));
    g_assert_true(berth_runtime_write_guest(fixture->top, ID, TRUE, NULL, &error));
    assert_guest(fixture, TRUE, NULL);
    g_assert_true(berth_runtime_write_guest(fixture->top, ID, FALSE, "So = far, so “good”\nend\n", &error));
    assert_guest(fixture, FALSE, "So = far, so “good”?end?");
    put(fixture, BERTH_FILE_GUEST, "up=1\nstatus=\033[31m\xff\nend\n");
    assert_guest(fixture, TRUE, "?[31m\357\277\275");
    for (guint i = 0; i < G_N_ELEMENTS(damaged); i++) {
        put(fixture, BERTH_FILE_GUEST, damaged[i]);
        g_assert_false(berth_runtime_read_guest(fixture->top, ID, &is_up, &status));
    }
    put(fixture, BERTH_FILE_GUEST, huge);
    g_assert_false(berth_runtime_read_guest(fixture->top, ID, &is_up, &status));
    g_assert_true(is_up == 7 && !status);
    g_assert_true(berth_runtime_write_guest(fixture->top, ID, TRUE, endless, &error));
    g_assert_true(berth_runtime_read_guest(fixture->top, ID, &is_up, &status));
    g_assert_cmpuint(strlen(status), <, 300);
    g_assert_no_error(error);
    g_assert_false(berth_runtime_write_guest(fixture->top, OTHER, TRUE, "x", &error)); /* which does not run */
    g_assert_error(error, BERTH_ERROR, BERTH_ERROR_STORAGE_FAILED);
}

/* What a run leaves: nothing where its keeper was never let go, and else its records, until they are removed. */
static void test_retire(Fixture *fixture, gconstpointer data)
{
    const BerthRunRecord record = {.incarnation = (char *) "inc", .control_group = (char *) "/x", .keeper_pid = 17};
    BerthRuntimeFds fds;
    g_autoptr(GError) error = NULL;

    g_assert_true(berth_runtime_retire(fixture->top, ID, &error)); /* there is none */
    create(fixture, &fds);
    g_assert_false(berth_runtime_retire(fixture->top, ID, &error)); /* somebody lives */
    g_assert_error(error, BERTH_ERROR, BERTH_ERROR_BUSY);
    g_clear_error(&error);
    berth_runtime_fds_close(&fds);
    g_assert_true(berth_runtime_retire(fixture->top, ID, &error));
    g_assert_false(berth_runtime_exists(fixture->top, ID));

    create(fixture, &fds);
    g_assert_true(berth_runtime_write_run(fixture->top, ID, &record, &error));
    put(fixture, BERTH_STAGING_PREFIX BERTH_FILE_RUN, "half a reco");
    put(fixture, BERTH_STAGING_PREFIX BERTH_FILE_GUEST, "up");
    g_assert_true(berth_runtime_write_guest(fixture->top, ID, TRUE, "It is up", &error));
    berth_runtime_sweep(fixture->top, ID);
    berth_runtime_fds_close(&fds);
    g_assert_true(berth_runtime_retire(fixture->top, ID, &error));
    g_assert_no_error(error);
    static const char *const stays[] = {"lock", BERTH_FILE_RUN, BERTH_FILE_EXIT};
    static const char *const goes[] = {BERTH_FILE_QMP_SOCKET, BERTH_FILE_CONSOLE_SOCKET,
                                       BERTH_STAGING_PREFIX BERTH_FILE_RUN, BERTH_FILE_GUEST,
                                       BERTH_STAGING_PREFIX BERTH_FILE_GUEST};
    for (guint i = 0; i < G_N_ELEMENTS(stays); i++) {
        g_autofree char *kept = path_of(fixture, stays[i]);
        g_assert_true(g_file_test(kept, G_FILE_TEST_EXISTS));
    }
    for (guint i = 0; i < G_N_ELEMENTS(goes); i++) {
        g_autofree char *gone = path_of(fixture, goes[i]);
        g_assert_false(g_file_test(gone, G_FILE_TEST_EXISTS));
    }
    g_autoptr(BerthRunRecord) read = berth_runtime_read_run(fixture->top, ID, &error);
    g_assert_no_error(error);
    g_assert_true(berth_runtime_remove(fixture->top, ID, &error));
    g_assert_false(berth_runtime_exists(fixture->top, ID));
}

static void test_exit_record(Fixture *fixture, gconstpointer data)
{
    static const char whole[] = "wait-status=9\nreason=\npanicked=0\nrequested=0\ntime=5\nwords=\nend\n";
    BerthRuntimeFds fds;
    g_autoptr(GError) error = NULL;

    create(fixture, &fds);
    g_assert_null(berth_runtime_read_exit(fixture->top, ID, &error)); /* still empty */
    g_assert_error(error, BERTH_ERROR, BERTH_ERROR_NOT_FOUND);
    g_clear_error(&error);
    put(fixture, BERTH_FILE_EXIT, "wait-status=0\n");
    g_assert_null(berth_runtime_read_exit(fixture->top, ID, &error));
    g_assert_error(error, BERTH_ERROR, BERTH_ERROR_NOT_FOUND);
    g_clear_error(&error);
    put(fixture, BERTH_FILE_EXIT, whole);
    g_autoptr(BerthExitRecord) record = berth_runtime_read_exit(fixture->top, ID, &error);
    g_assert_no_error(error);
    g_assert_cmpint(record->wait_status, ==, 9);

    g_autofree char *large = g_strnfill(1 << 20, 'x');
    put(fixture, BERTH_FILE_EXIT, large);
    g_assert_null(berth_runtime_read_exit(fixture->top, ID, &error));
    g_assert_error(error, BERTH_ERROR, BERTH_ERROR_STORAGE_FAILED);
    berth_runtime_fds_close(&fds);
}

static void test_list(Fixture *fixture, gconstpointer data)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(GPtrArray) none = berth_runtime_list(fixture->top, &error);
    g_assert_no_error(error);
    g_assert_cmpuint(none->len, ==, 0);

    BerthRuntimeFds fds;
    create(fixture, &fds);
    berth_runtime_fds_close(&fds);
    g_autofree char *file = g_build_filename(fixture->top, OTHER, NULL);
    g_autofree char *stranger = g_build_filename(fixture->top, "stranger", NULL);
    g_assert_true(g_file_set_contents(file, "", -1, NULL));
    g_assert_cmpint(g_mkdir(stranger, 0700), ==, 0);
    g_autoptr(GPtrArray) ids = berth_runtime_list(fixture->top, &error);
    g_assert_cmpuint(ids->len, ==, 1);
    g_assert_cmpstr(g_ptr_array_index(ids, 0), ==, ID);

    g_assert_null(berth_runtime_list(file, &error)); /* not a directory: nothing may be concluded */
    g_assert_error(error, BERTH_ERROR, BERTH_ERROR_STORAGE_FAILED);
    g_unlink(file);
    g_rmdir(stranger);
}

#define ADD(name, function) g_test_add("/runtime-dir/" name, Fixture, NULL, set_up, function, tear_down)

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    ADD("create", test_create);
    ADD("connect-fails", test_connect_fails);
    ADD("lock", test_lock);
    ADD("no-proof", test_no_proof);
    ADD("remove", test_remove);
    ADD("run-record", test_run_record);
    ADD("guest-record", test_guest_record);
    ADD("retire", test_retire);
    ADD("exit-record", test_exit_record);
    ADD("list", test_list);
    return g_test_run();
}
