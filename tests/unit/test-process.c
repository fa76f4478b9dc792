/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <errno.h>
#include <fcntl.h>
#include <glib.h>
#include <glib/gstdio.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "src/core/autofd.h"
#include "src/core/error.h"
#include "src/host/process.h"
#include "tests/lib/await.h"

#define ID "1b4e28ba-2fa1-41d2-883f-0016d3cca427"
#define SCOPE "berth-" ID ".scope"

static void wait_for(const guint *count, guint least)
{
    AWAIT(*count >= least);
}

static void count_up(gpointer data)
{
    (*(guint *) data)++;
}

static pid_t fork_sleeper(void)
{
    pid_t pid = fork();
    if (pid == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL); /* also where the test fails */
        for (;;)
            pause();
    }
    g_assert_cmpint(pid, >, 0);
    return pid;
}

static void test_pidfd(void)
{
    g_autoptr(GError) error = NULL;
    pid_t pid = fork_sleeper();
    BERTH_AUTOFD pidfd = berth_pidfd_open(pid, &error);
    siginfo_t info;

    g_assert_no_error(error);
    g_assert_cmpint(fcntl(pidfd, F_GETFD) & FD_CLOEXEC, !=, 0);
    g_assert_false(berth_pidfd_is_dead(pidfd));
    kill(pid, SIGKILL);
    g_assert_cmpint(waitid(P_PID, (id_t) pid, &info, WEXITED | WNOWAIT), ==, 0);
    g_assert_true(berth_pidfd_is_dead(pidfd)); /* a zombie is dead */
    g_assert_cmpint(waitpid(pid, NULL, 0), ==, pid);
    g_assert_true(berth_pidfd_is_dead(pidfd));

    g_assert_cmpint(berth_pidfd_open(pid, &error), ==, -1);
    g_assert_error(error, BERTH_ERROR, BERTH_ERROR_NOT_FOUND);
    g_assert_false(berth_pidfd_is_dead(-1)); /* no proof */
}

/* QEMU is the first that its keeper had; what it leaves behind comes later. */
static void test_first_child(void)
{
    g_assert_cmpint(berth_process_first_child(getpid()), ==, 0);
    const pid_t children[] = {fork_sleeper(), fork_sleeper()};
    g_assert_cmpint(berth_process_first_child(getpid()), ==, children[0]);
    kill(children[0], SIGKILL);
    waitpid(children[0], NULL, 0);
    g_assert_cmpint(berth_process_first_child(getpid()), ==, children[1]);
    kill(children[1], SIGKILL);
    waitpid(children[1], NULL, 0);
    g_assert_cmpint(berth_process_first_child(getpid()), ==, 0);
    g_assert_cmpint(berth_process_first_child(0), ==, 0);
}

/* @state: of waitid() */
static void signal_and_await(pid_t pid, int number, int state)
{
    siginfo_t info;

    kill(pid, number);
    g_assert_cmpint(waitid(P_PID, (id_t) pid, &info, state), ==, 0);
}

static void test_is_stopped(void)
{
    const pid_t pid = fork_sleeper();
    BERTH_AUTOFD pidfd = berth_pidfd_open(pid, NULL);
    BERTH_AUTOFD own = berth_pidfd_open(getpid(), NULL);

    g_assert_false(berth_process_is_stopped(pid, pidfd));
    signal_and_await(pid, SIGSTOP, WSTOPPED);
    g_assert_true(berth_process_is_stopped(pid, pidfd));
    g_assert_false(berth_process_is_stopped(getpid(), own));
    signal_and_await(pid, SIGCONT, WCONTINUED);
    g_assert_false(berth_process_is_stopped(pid, pidfd));
    signal_and_await(pid, SIGSTOP, WSTOPPED);
    signal_and_await(pid, SIGKILL, WEXITED | WNOWAIT);
    g_assert_false(berth_process_is_stopped(pid, pidfd));
    g_assert_cmpint(waitpid(pid, NULL, 0), ==, pid);
    g_assert_false(berth_process_is_stopped(pid, pidfd));
}

/* The brackets of its name are no end of it. */
static void test_is_stopped_by_name(void)
{
    const pid_t pid = fork();
    if (pid == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        prctl(PR_SET_NAME, "x) T 1 (y");
        raise(SIGSTOP);
        for (;;)
            pause();
    }
    BERTH_AUTOFD pidfd = berth_pidfd_open(pid, NULL);
    g_assert_cmpint(waitpid(pid, NULL, WUNTRACED), ==, pid);
    g_assert_true(berth_process_is_stopped(pid, pidfd));
    signal_and_await(pid, SIGCONT, WCONTINUED);
    g_assert_false(berth_process_is_stopped(pid, pidfd));
    signal_and_await(pid, SIGKILL, WEXITED);
}

static void test_death_watch(void)
{
    pid_t pid = fork_sleeper();
    int pidfd = berth_pidfd_open(pid, NULL);
    guint deaths = 0;
    BerthDeathWatch *watch = berth_death_watch_new(pidfd, count_up, &deaths);

    close(pidfd); /* it has its own */
    while (g_main_context_iteration(NULL, FALSE))
        ;
    g_assert_cmpuint(deaths, ==, 0);
    kill(pid, SIGKILL);
    wait_for(&deaths, 1);
    g_assert_cmpint(waitpid(pid, NULL, WNOHANG), ==, pid);
    while (g_main_context_iteration(NULL, FALSE))
        ;
    g_assert_cmpuint(deaths, ==, 1);
    berth_death_watch_free(&watch);
    g_assert_null(watch);
    berth_death_watch_free(&watch);
}

typedef struct {
    BerthDeathWatch *watch;
    guint deaths;
} Freed;

static void free_in_callback(gpointer data)
{
    Freed *freed = data;
    freed->deaths++;
    berth_death_watch_free(&freed->watch);
}

static void test_death_watch_freed(void)
{
    pid_t pid = fork_sleeper();
    BERTH_AUTOFD pidfd = berth_pidfd_open(pid, NULL);
    Freed inside = {.watch = berth_death_watch_new(pidfd, free_in_callback, &inside)};
    guint never = 0;
    BerthDeathWatch *before = berth_death_watch_new(pidfd, count_up, &never);

    berth_death_watch_free(&before);
    kill(pid, SIGKILL);
    wait_for(&inside.deaths, 1);
    g_assert_cmpuint(never, ==, 0);
}

static void test_reap(void)
{
    pid_t pid = fork_sleeper();
    int pidfd = berth_pidfd_open(pid, NULL);

    g_assert_true(berth_process_reap(pidfd));
    close(pidfd); /* it has its own */
    kill(pid, SIGKILL);
    AWAIT(kill(pid, 0) < 0);
    g_assert_cmpint(waitpid(pid, NULL, WNOHANG), ==, -1);
    g_assert_cmpint(errno, ==, ECHILD);
    g_assert_false(berth_process_reap(-1));
}

/* Another child of ours, which holds @pid as a debugger does; 0 where the host does not let it. */
static pid_t fork_tracer(pid_t pid)
{
    int said[2], errnum = -1;

    g_assert_cmpint(pipe2(said, O_CLOEXEC), ==, 0);
    const pid_t tracer = fork();
    if (tracer == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        errnum = ptrace(PTRACE_SEIZE, pid, NULL, NULL) < 0 ? errno : 0;
        (void) !write(said[1], &errnum, sizeof errnum);
        for (;;)
            pause();
    }
    g_assert_cmpint(read(said[0], &errnum, sizeof errnum), ==, sizeof errnum);
    close(said[0]);
    close(said[1]);
    if (errnum == 0)
        return tracer;
    signal_and_await(tracer, SIGKILL, WEXITED);
    g_autofree char *why = g_strdup_printf("ptrace() is not allowed here: %s", g_strerror(errnum));
    g_test_skip(why);
    return 0;
}

/* It is dead, and the kernel gives it to nobody but its tracer. */
static void kill_and_see_held(pid_t pid, int pidfd)
{
    kill(pid, SIGKILL);
    AWAIT(berth_pidfd_is_dead(pidfd));
    while (g_main_context_iteration(NULL, FALSE))
        ;
    g_assert_cmpint(waitpid(pid, NULL, WNOHANG), ==, 0);
}

static void test_reap_traced(void)
{
    const pid_t pid = fork_sleeper(), tracer = fork_tracer(pid);
    BERTH_AUTOFD pidfd = berth_pidfd_open(pid, NULL);
    const gint64 deadline = g_get_monotonic_time() + AWAIT_SECONDS * G_USEC_PER_SEC;
    siginfo_t info;

    g_assert_true(berth_process_reap(pidfd));
    if (tracer == 0) {
        kill(pid, SIGKILL);
        AWAIT(kill(pid, 0) < 0);
        return;
    }
    kill_and_see_held(pid, pidfd);
    signal_and_await(tracer, SIGKILL, WEXITED);
    /* Nothing tells the main loop: until it is ours again, and then for the moment that it takes to reap it. */
    (void) waitid(P_PID, (id_t) pid, &info, WEXITED | WNOWAIT);
    while (kill(pid, 0) == 0 && g_get_monotonic_time() < deadline)
        g_thread_yield();
    g_assert_cmpint(kill(pid, 0), ==, -1);
}

/* A cgroup of the kernel's own to work with, or a skip that says why. */
typedef struct {
    char *directory;
    char *path; /* in the hierarchy */
} Group;

static char *hierarchy(void)
{
    static const char *const places[] = {"/sys/fs/cgroup", "/sys/fs/cgroup/unified"};

    for (guint i = 0; i < G_N_ELEMENTS(places); i++) {
        g_autofree char *procs = g_build_filename(places[i], "cgroup.procs", NULL);
        g_autofree char *threads = g_build_filename(places[i], "cgroup.threads", NULL);
        if (g_file_test(procs, G_FILE_TEST_EXISTS) && g_file_test(threads, G_FILE_TEST_EXISTS))
            return g_strdup(places[i]);
    }
    return NULL;
}

static gboolean group_make(Group *group, const char *name)
{
    g_autofree char *top = hierarchy();
    g_autofree char *own = berth_cgroup_of(getpid(), NULL);

    group->path = g_strdup_printf("%s/berth-test-%d", own && own[1] ? own : "", getpid());
    group->directory = g_strconcat(top ? top : "", group->path, NULL);
    g_autofree char *scope = g_build_filename(group->directory, name, NULL);
    if (!top || g_mkdir(group->directory, 0755) < 0 || g_mkdir(scope, 0755) < 0) {
        g_test_skip("no cgroup can be made here");
        g_free(group->path);
        g_free(group->directory);
        return FALSE;
    }
    return TRUE;
}

static void group_remove(Group *group, const char *name)
{
    g_autofree char *scope = g_build_filename(group->directory, name, NULL);
    g_rmdir(scope);
    g_assert_cmpint(g_rmdir(group->directory), ==, 0);
    g_free(group->directory);
    g_free(group->path);
}

static void move(const Group *group, const char *name, pid_t pid)
{
    g_autofree char *procs = g_build_filename(group->directory, name, "cgroup.procs", NULL);
    g_autofree char *text = g_strdup_printf("%d", (int) pid);
    BERTH_AUTOFD fd = open(procs, O_WRONLY | O_CLOEXEC);
    g_assert_cmpint(write(fd, text, strlen(text)), ==, (gssize) strlen(text));
}

static void test_cgroup(void)
{
    Group group;
    if (!group_make(&group, SCOPE))
        return;

    g_autoptr(GError) error = NULL;
    gboolean empty = FALSE;
    pid_t pid = fork_sleeper();

    g_assert_null(berth_cgroup_vm_of(pid));
    g_assert_true(berth_cgroup_is_empty(group.path, &empty, &error));
    g_assert_true(empty);
    g_assert_null(berth_cgroup_describe(group.path));

    move(&group, SCOPE, pid);
    g_autofree char *vm = berth_cgroup_vm_of(pid);
    g_assert_cmpstr(vm, ==, ID);
    g_autofree char *of = berth_cgroup_of(pid, &error);
    g_autofree char *expected = g_strconcat(group.path, "/" SCOPE, NULL);
    g_assert_cmpstr(of, ==, expected);

    /* What is below counts. */
    g_assert_true(berth_cgroup_is_empty(group.path, &empty, &error));
    g_assert_false(empty);
    g_autoptr(GArray) pids = berth_cgroup_pids(group.path, &error);
    g_assert_cmpuint(pids->len, ==, 1);
    g_assert_cmpint(g_array_index(pids, gint, 0), ==, pid);
    g_autofree char *words = berth_cgroup_describe(group.path);
    g_autofree char *start = g_strdup_printf("process %d (test-process) in state ", (int) pid);
    g_assert_true(g_str_has_prefix(words, start));

    kill(pid, SIGKILL);
    waitpid(pid, NULL, 0);
    g_assert_true(berth_cgroup_is_empty(group.path, &empty, &error));
    g_assert_true(empty);
    g_assert_null(berth_cgroup_describe(group.path));
    group_remove(&group, SCOPE);
}

static void test_cgroup_expect_move(void)
{
    g_autofree char *top = hierarchy();
    g_autofree char *before = berth_cgroup_of(getpid(), NULL);
    g_autofree char *procs = g_strconcat(top ? top : "", before ? before : "", "/cgroup.procs", NULL);
    if (access(procs, W_OK) < 0) {
        g_test_skip("this process may not be moved to its own cgroup");
        return;
    }
    g_assert_true(berth_cgroup_expect_move());
    g_autofree char *after = berth_cgroup_of(getpid(), NULL);
    g_assert_cmpstr(after, ==, before);
}

static void test_cgroup_bounds(void)
{
    g_autoptr(GError) error = NULL;
    gboolean empty = FALSE;

    g_assert_true(berth_cgroup_is_empty("/machine.slice/berth-gone.scope", &empty, &error));
    g_assert_true(empty);
    empty = 7;
    /* Hostile or wrong: an error, and never "nobody is there". */
    g_assert_false(berth_cgroup_is_empty("/../nothing", &empty, &error));
    g_assert_error(error, BERTH_ERROR, BERTH_ERROR_INVALID_ARGS);
    g_clear_error(&error);
    g_assert_false(berth_cgroup_is_empty("", &empty, &error));
    g_assert_error(error, BERTH_ERROR, BERTH_ERROR_INVALID_ARGS);
    g_clear_error(&error);
    g_assert_false(berth_cgroup_is_empty("/", &empty, &error)); /* the root has no cgroup.events */
    g_assert_error(error, BERTH_ERROR, BERTH_ERROR_UNSUPPORTED);
    g_assert_cmpint(empty, ==, 7);
    g_clear_error(&error);

    g_assert_null(berth_cgroup_of(G_MAXINT, &error));
    g_assert_error(error, BERTH_ERROR, BERTH_ERROR_NOT_FOUND);
    g_assert_null(berth_cgroup_vm_of(G_MAXINT));
    g_autoptr(GArray) pids = berth_cgroup_pids("/machine.slice/berth-gone.scope", NULL);
    g_assert_cmpuint(pids->len, ==, 0);
}

static void test_cgroup_not_ours(void)
{
    static const char *const names[] = {"berth-" ID, "berth-1B4E28BA-2FA1-41D2-883F-0016D3CCA427.scope", "berth-.scope",
                                        "xberth-" ID ".scope", "berth-" ID "-.scope"};

    for (guint i = 0; i < G_N_ELEMENTS(names); i++) {
        Group group;
        if (!group_make(&group, names[i]))
            return;
        pid_t pid = fork_sleeper();
        move(&group, names[i], pid);
        g_assert_null(berth_cgroup_vm_of(pid));
        kill(pid, SIGKILL);
        waitpid(pid, NULL, 0);
        group_remove(&group, names[i]);
    }
}

static gboolean is_empty(const char *path)
{
    gboolean empty = FALSE;
    g_assert_true(berth_cgroup_is_empty(path, &empty, NULL));
    return empty;
}

static void test_cgroup_watch(void)
{
    Group group;
    if (!group_make(&group, SCOPE))
        return;

    g_autofree char *path = g_strconcat(group.path, "/" SCOPE, NULL);
    g_autofree char *directory = g_build_filename(group.directory, SCOPE, NULL);
    g_autoptr(GError) error = NULL;
    guint changes = 0;
    BerthCgroupWatch *watch = berth_cgroup_watch_new(path, count_up, &changes, &error);
    g_assert_no_error(error);

    pid_t pid = fork_sleeper();
    move(&group, SCOPE, pid);
    wait_for(&changes, 1);

    /* Until it is empty: each look is caused by an event, none by a clock. */
    kill(pid, SIGKILL);
    waitpid(pid, NULL, 0);
    while (!is_empty(path))
        wait_for(&changes, changes + 1);

    while (g_main_context_iteration(NULL, FALSE))
        ;
    guint before = changes;
    g_assert_cmpint(g_rmdir(directory), ==, 0);
    wait_for(&changes, before + 1);
    berth_cgroup_watch_free(&watch);

    g_assert_null(berth_cgroup_watch_new(path, count_up, &changes, &error));
    g_assert_error(error, BERTH_ERROR, BERTH_ERROR_NOT_FOUND);
    group_remove(&group, SCOPE);
}

typedef struct {
    BerthCgroupWatch *own, *other;
    guint changes;
} Pair;

static void free_both(gpointer data)
{
    Pair *pair = data;
    pair->changes++;
    berth_cgroup_watch_free(&pair->own);
    berth_cgroup_watch_free(&pair->other);
}

/* Two watches of one cgroup share the kernel's; what is freed in a callback is not called. */
static void test_cgroup_watch_freed(void)
{
    Group group;
    if (!group_make(&group, SCOPE))
        return;

    g_autofree char *path = g_strconcat(group.path, "/" SCOPE, NULL);
    guint kept = 0;
    Pair pair = {0};
    BerthCgroupWatch *keep = berth_cgroup_watch_new(path, count_up, &kept, NULL);
    pair.own = berth_cgroup_watch_new(path, free_both, &pair, NULL);
    pair.other = berth_cgroup_watch_new(path, free_both, &pair, NULL);

    pid_t pid = fork_sleeper();
    move(&group, SCOPE, pid);
    wait_for(&kept, 1);
    wait_for(&pair.changes, 1);
    kill(pid, SIGKILL);
    waitpid(pid, NULL, 0);
    wait_for(&kept, 2);
    g_assert_cmpuint(pair.changes, ==, 1);
    berth_cgroup_watch_free(&keep);
    group_remove(&group, SCOPE);
}

/* The kernel's instance outlives the last watch; one that comes later is told of everything again. */
static void test_cgroup_watch_again(void)
{
    Group group;
    if (!group_make(&group, SCOPE))
        return;

    g_autofree char *path = g_strconcat(group.path, "/" SCOPE, NULL);
    g_autofree char *directory = g_build_filename(group.directory, SCOPE, NULL);
    guint first = 0, second = 0;
    BerthCgroupWatch *watch = berth_cgroup_watch_new(path, count_up, &first, NULL);
    berth_cgroup_watch_free(&watch);
    watch = berth_cgroup_watch_new(path, count_up, &second, NULL);

    pid_t pid = fork_sleeper();
    move(&group, SCOPE, pid);
    wait_for(&second, 1);
    kill(pid, SIGKILL);
    waitpid(pid, NULL, 0);
    while (!is_empty(path))
        wait_for(&second, second + 1);
    while (g_main_context_iteration(NULL, FALSE))
        ;
    guint before = second;
    g_assert_cmpint(g_rmdir(directory), ==, 0);
    wait_for(&second, before + 1);
    g_assert_cmpuint(first, ==, 0);
    berth_cgroup_watch_free(&watch);
    group_remove(&group, SCOPE);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/process/pidfd", test_pidfd);
    g_test_add_func("/process/first-child", test_first_child);
    g_test_add_func("/process/is-stopped", test_is_stopped);
    g_test_add_func("/process/is-stopped-by-name", test_is_stopped_by_name);
    g_test_add_func("/process/death-watch", test_death_watch);
    g_test_add_func("/process/death-watch-freed", test_death_watch_freed);
    g_test_add_func("/process/reap", test_reap);
    g_test_add_func("/process/reap-traced", test_reap_traced);
    g_test_add_func("/process/cgroup", test_cgroup);
    g_test_add_func("/process/cgroup-expect-move", test_cgroup_expect_move);
    g_test_add_func("/process/cgroup-bounds", test_cgroup_bounds);
    g_test_add_func("/process/cgroup-not-ours", test_cgroup_not_ours);
    g_test_add_func("/process/cgroup-watch", test_cgroup_watch);
    g_test_add_func("/process/cgroup-watch-freed", test_cgroup_watch_freed);
    g_test_add_func("/process/cgroup-watch-again", test_cgroup_watch_again);
    return g_test_run();
}
