/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <fcntl.h>
#include <glib/gstdio.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "src/core/autofd.h"
#include "src/core/error.h"
#include "src/host/unix-socket.h"

#define SOMEBODY 61235 /* a uid that has no name */

static uid_t peer_of(int fd)
{
    struct ucred peer;
    socklen_t length = sizeof peer;
    g_assert_cmpint(getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &length), ==, 0);
    return peer.uid;
}

static void assert_pair(uid_t uid)
{
    g_autoptr(GError) error = NULL;
    int ends[2];
    g_assert_true(berth_unix_pair(uid, ends, &error));
    g_assert_no_error(error);
    g_assert_cmpuint(peer_of(ends[0]), ==, uid);
    g_assert_cmpuint(peer_of(ends[1]), ==, uid);
    g_assert_cmpint(write(ends[0], "x", 1), ==, 1);
    char c;
    g_assert_cmpint(read(ends[1], &c, 1), ==, 1);
    close(ends[0]);
    close(ends[1]);
}

static void test_own(void)
{
    assert_pair(geteuid());
}

/* Afterwards this process is who it was, in all that it was. */
static void test_other(void)
{
    if (geteuid() != 0) {
        g_test_skip("only root can be somebody else");
        return;
    }
    const int dumpable = prctl(PR_GET_DUMPABLE);
    assert_pair(SOMEBODY);
    uid_t real, effective, saved;
    g_assert_cmpint(getresuid(&real, &effective, &saved), ==, 0);
    g_assert_true(real == 0 && effective == 0 && saved == 0);
    g_assert_cmpint(prctl(PR_GET_DUMPABLE), ==, dumpable);
    g_assert_cmpint(chroot("/"), ==, 0); /* its capabilities, too */
}

static void test_refused(void)
{
    if (g_test_subprocess()) {
        g_autoptr(GError) error = NULL;
        int ends[2];
        g_assert_true(geteuid() != 0 || setresuid(SOMEBODY, SOMEBODY, SOMEBODY) == 0);
        g_assert_false(berth_unix_pair(SOMEBODY + 1, ends, &error));
        g_assert_error(error, BERTH_ERROR, BERTH_ERROR_LIMIT_REACHED);
        return;
    }
    g_test_trap_subprocess(NULL, 0, 0);
    g_test_trap_assert_passed();
}

/* Somebody listens, and takes nothing. */
static void test_full(void)
{
    g_autoptr(GError) error = NULL;
    g_autofree char *dir = g_dir_make_tmp("berth-unix-socket-XXXXXX", NULL);
    g_autofree char *path = g_build_filename(dir, "s", NULL);
    BERTH_AUTOFD dir_fd = open(dir, O_PATH | O_DIRECTORY | O_CLOEXEC);
    BERTH_AUTOFD listener = berth_unix_listen(dir_fd, "s", 0, &error);
    g_assert_no_error(error);
    BERTH_AUTOFD first = berth_unix_connect(path, &error);
    g_assert_no_error(error);
    g_assert_cmpint(berth_unix_connect(path, &error), ==, -1);
    g_assert_error(error, BERTH_ERROR, BERTH_ERROR_BUSY);
    g_clear_error(&error);
    close(berth_steal_fd(&listener));
    g_assert_cmpint(berth_unix_connect(path, &error), ==, -1);
    g_assert_error(error, BERTH_ERROR, BERTH_ERROR_WRONG_STATE);
    g_unlink(path);
    g_rmdir(dir);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/unix-socket/own", test_own);
    g_test_add_func("/unix-socket/other", test_other);
    g_test_add_func("/unix-socket/refused", test_refused);
    g_test_add_func("/unix-socket/full", test_full);
    return g_test_run();
}
