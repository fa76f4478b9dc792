/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <errno.h>
#include <fcntl.h>
#include <glib.h>
#include <glib/gstdio.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>

#include "src/core/autofd.h"
#include "src/core/keeper-protocol.h"

/* The tests' scripted QEMU is itself held to what the real one says, and its rules to their description. */
#define UUID "6b1c9f0e-3c1e-4f2a-9a52-0d7e5c1b8a44"

typedef struct {
    char *dir;
    int qmp, keeper, serial, listener;
    pid_t pid;
    int status;
} Fixture;

static void become_child(gpointer data)
{
    const sigset_t *blocked = data;
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (blocked != NULL)
        sigprocmask(SIG_BLOCK, blocked, NULL);
}

static void spawn(Fixture *f, const char *program, const char *const *more, const sigset_t *blocked)
{
    int serial[2], keeper[2];
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    socklen_t length = sizeof(sa_family_t); /* an abstract name of the kernel's choice */
    f->listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    g_assert_cmpint(bind(f->listener, (struct sockaddr *) &address, length), ==, 0);
    g_assert_cmpint(listen(f->listener, 4), ==, 0);
    g_assert_cmpint(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, serial), ==, 0);
    g_assert_cmpint(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, keeper), ==, 0);
    BERTH_AUTOFD lock = open("/dev/null", O_RDONLY | O_CLOEXEC);

    const char *fixed[] = {program,
                           "-name",
                           "web",
                           "-uuid",
                           UUID,
                           "-chardev",
                           "socket,id=qmp,fd=11,server=on,wait=off",
                           "-mon",
                           "chardev=qmp,mode=control",
                           "-chardev",
                           "socket,id=keeper,fd=13",
                           "-mon",
                           "chardev=keeper,mode=control",
                           "-chardev",
                           "socket,id=serial,fd=12",
                           "-serial",
                           "chardev:serial",
                           NULL};
    g_autoptr(GStrvBuilder) builder = g_strv_builder_new();
    g_strv_builder_addv(builder, fixed);
    if (more != NULL)
        g_strv_builder_addv(builder, (const char **) more);
    g_auto(GStrv) argv = g_strv_builder_end(builder);

    const int sources[] = {f->listener, serial[1], keeper[1], lock};
    const int targets[] = {BERTH_QEMU_FD_QMP, BERTH_QEMU_FD_SERIAL, BERTH_QEMU_FD_MONITOR, BERTH_QEMU_FD_LOCK};
    g_autoptr(GError) error = NULL;
    g_spawn_async_with_pipes_and_fds(NULL, (const char *const *) argv, NULL, G_SPAWN_DO_NOT_REAP_CHILD, become_child,
                                     (gpointer) blocked, -1, -1, -1, sources, targets, G_N_ELEMENTS(sources), &f->pid,
                                     NULL, NULL, NULL, &error);
    g_assert_no_error(error);
    close(serial[1]);
    close(keeper[1]);
    f->serial = serial[0];
    f->keeper = keeper[0];
    length = sizeof address;
    g_assert_cmpint(getsockname(f->listener, (struct sockaddr *) &address, &length), ==, 0);
    f->qmp = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    g_assert_cmpint(connect(f->qmp, (struct sockaddr *) &address, length), ==, 0);
}

static char *in_dir(Fixture *f, const char *name)
{
    return g_build_filename(f->dir, name, NULL);
}

static void set_up(Fixture *f, gconstpointer unused)
{
    g_autoptr(GError) error = NULL;
    f->dir = g_dir_make_tmp("berth-fake-XXXXXX", &error);
    g_assert_no_error(error);
    g_autofree char *link = in_dir(f, "qemu");
    g_assert_cmpint(symlink(g_getenv("BERTH_FAKE_QEMU"), link), ==, 0);
}

static void start(Fixture *f, const char *script)
{
    g_autofree char *path = in_dir(f, "web.script");
    g_autofree char *program = in_dir(f, "qemu");
    g_assert_true(g_file_set_contents(path, script, -1, NULL));
    spawn(f, program, NULL, NULL);
}

static void touch(Fixture *f, const char *name)
{
    g_autofree char *path = in_dir(f, name);
    g_assert_true(g_file_set_contents(path, "", -1, NULL));
}

static void close_all(Fixture *f)
{
    int *fds[] = {&f->qmp, &f->keeper, &f->serial, &f->listener};
    for (guint i = 0; i < G_N_ELEMENTS(fds); i++)
        if (*fds[i] > 0)
            close(berth_steal_fd(fds[i]));
}

static int wait_for_end(Fixture *f)
{
    g_assert_cmpint(waitpid(f->pid, &f->status, 0), ==, f->pid);
    f->pid = 0;
    return f->status;
}

static void tear_down(Fixture *f, gconstpointer unused)
{
    if (f->pid > 0) {
        kill(f->pid, SIGKILL);
        wait_for_end(f);
    }
    close_all(f);
    const char *argv[] = {"rm", "-rf", "--", f->dir, NULL};
    g_assert_true(g_spawn_sync(NULL, (char **) argv, NULL, G_SPAWN_SEARCH_PATH, NULL, NULL, NULL, NULL, NULL, NULL));
    g_free(f->dir);
}

/* --- Talking --- */

/* A deadline alone: the real QEMU may take long where all suites run beside it. */
#define HEAR_MSEC 60000

static void say(int fd, const char *line)
{
    g_autofree char *text = g_strconcat(line, "\n", NULL);
    g_assert_cmpint(send(fd, text, strlen(text), MSG_NOSIGNAL), ==, (ssize_t) strlen(text));
}

/* The next line without its end; NULL at the end of the stream. */
static char *hear(int fd)
{
    g_autoptr(GString) line = g_string_new(NULL);
    for (char c;;) {
        struct pollfd poll_fd = {.fd = fd, .events = POLLIN};
        g_assert_cmpint(poll(&poll_fd, 1, HEAR_MSEC), ==, 1);
        ssize_t n = recv(fd, &c, 1, 0);
        if (n != 1) /* a peer that went with words unread resets the connection */
            return NULL;
        if (c == '\n')
            break;
        if (c != '\r')
            g_string_append_c(line, c);
    }
    return g_string_free(g_steal_pointer(&line), FALSE);
}

static void assert_heard(int fd, const char *expected)
{
    g_autofree char *line = hear(fd);
    g_assert_cmpstr(line, ==, expected);
}

static void assert_silent(int fd)
{
    struct pollfd poll_fd = {.fd = fd, .events = POLLIN};
    g_assert_cmpint(poll(&poll_fd, 1, 0), ==, 0);
}

/* The name of the next event. */
static void assert_event(int fd, const char *name)
{
    g_autofree char *line = hear(fd);
    g_autofree char *member = g_strdup_printf("\"event\": \"%s\"", name);
    g_assert_nonnull(line);
    if (strstr(line, member) == NULL)
        g_error("%s instead of event %s", line, name);
}

static void negotiate(int fd)
{
    g_autofree char *greeting = hear(fd);
    g_assert_true(g_str_has_prefix(greeting, "{\"QMP\": "));
    say(fd, "{\"execute\": \"qmp_capabilities\"}");
    assert_heard(fd, "{\"return\": {}}");
}

static void ask(int fd, const char *command)
{
    g_autofree char *line = g_strdup_printf("{\"execute\": \"%s\"}", command);
    say(fd, line);
}

/* --- Both QEMUs --- */

static const char *const conversation[] = {
    "{\"execute\": \"query-status\"}",
    "{\"execute\": \"qmp_capabilities\", \"id\": 0}",
    "{\"execute\": \"qmp_capabilities\", \"id\": 1}",
    "{\"execute\": \"query-status\", \"id\": {\"a\": [1, \"x\"]}}",
    "{\"execute\": \"frobnicate\", \"id\": \"two\"}",
    "{\"execute\": \"stop\", \"arguments\": {\"hard\": true}}",
    "{\"execute\": \"stop\", \"arguments\": {}}",
    "{\"execute\": \"stop\", \"nonsense\": 1, \"id\": 7}",
    "{\"id\": 8}",
    "{\"execute\": \"query-status\"}",
    "{\"execute\": \"stop\"}",
    "{\"execute\": \"cont\", \"id\": 9}",
    "{\"execute\": \"cont\"}",
    "{\"execute\": \"query-uuid\"}",
    "{\"execute\": \"system_powerdown\"}",
    "{\"execute\": \"system_reset\"}",
    "{\"execute\": \"query-status\", \"id\": -1}",
};

/* Time and version are as they may be; the rest must be the same to the byte. */
static void append_normal(GString *transcript, const char *line)
{
    g_autoptr(GRegex) time = g_regex_new("\"timestamp\": \\{[^}]*\\}", 0, 0, NULL);
    g_autoptr(GRegex) version = g_regex_new("\"version\": \\{.*\\}, \"cap", 0, 0, NULL);
    g_autofree char *without = g_regex_replace_literal(time, line, -1, 0, "T", 0, NULL);
    g_autofree char *normal = g_regex_replace_literal(version, without, -1, 0, "V, \"cap", 0, NULL);
    g_string_append_printf(transcript, "%s\n", normal);
}

/* One command at a time, up to its answer: what comes by itself after an answer (RESET) is heard with the next one. */
static char *converse(Fixture *f)
{
    GString *transcript = g_string_new(NULL);
    g_autofree char *greeting = hear(f->qmp);
    append_normal(transcript, greeting);
    for (guint i = 0; i < G_N_ELEMENTS(conversation); i++) {
        say(f->qmp, conversation[i]);
        for (gboolean answered = FALSE; !answered;) {
            g_autofree char *line = hear(f->qmp);
            g_assert_nonnull(line);
            append_normal(transcript, line);
            answered = strstr(line, "\"event\"") == NULL;
        }
    }
    ask(f->qmp, "quit");
    for (char *line; (line = hear(f->qmp)) != NULL; g_free(line))
        append_normal(transcript, line);
    g_string_append_printf(transcript, "wait status %d\n", wait_for_end(f));
    return g_string_free(transcript, FALSE);
}

static void test_like_qemu(Fixture *f, gconstpointer unused)
{
    static const char *const machine[] = {"-machine", "none", "-nodefaults", "-display", "none", NULL};
    start(f, "on system_powerdown ignore\n");
    g_autofree char *fake = converse(f);
    close_all(f);
    spawn(f, "/usr/bin/qemu-system-x86_64", machine, NULL);
    g_autofree char *real = converse(f);
    g_assert_cmpstr(fake, ==, real);
}

/* --- The fake's own ways --- */

static void test_guest(Fixture *f, gconstpointer unused)
{
    start(f, "");
    negotiate(f->qmp);
    negotiate(f->keeper);
    say(f->serial, "hello");
    assert_heard(f->serial, "hello");
    say(f->serial, "reboot");
    assert_event(f->qmp, "RESET");
    assert_event(f->keeper, "RESET");
    say(f->serial, "poweroff");
    assert_event(f->qmp, "SHUTDOWN");
    assert_event(f->keeper, "SHUTDOWN");
    g_assert_cmpint(wait_for_end(f), ==, 0);
}

static void test_powerdown(Fixture *f, gconstpointer unused)
{
    start(f, "");
    negotiate(f->qmp);
    negotiate(f->keeper);
    ask(f->keeper, "system_powerdown");
    assert_event(f->keeper, "POWERDOWN");
    assert_heard(f->keeper, "{\"return\": {}}");
    assert_event(f->keeper, "SHUTDOWN");
    assert_event(f->qmp, "POWERDOWN");
    g_assert_cmpint(wait_for_end(f), ==, 0);
}

static void test_panic(Fixture *f, gconstpointer unused)
{
    start(f, "on file go panic\n");
    negotiate(f->qmp);
    touch(f, "go");
    assert_event(f->qmp, "GUEST_PANICKED");
    assert_event(f->qmp, "SHUTDOWN");
    g_assert_cmpint(WEXITSTATUS(wait_for_end(f)), ==, 1);
}

static void test_ends(Fixture *f, gconstpointer unused)
{
    start(f, "on start exit 3 no such machine\n");
    g_assert_cmpint(WEXITSTATUS(wait_for_end(f)), ==, 3);
    close_all(f);
    start(f, "# by the script\n\non cont crash 11\n");
    negotiate(f->qmp);
    ask(f->qmp, "cont");
    g_assert_cmpint(WTERMSIG(wait_for_end(f)), ==, SIGSEGV);
    close_all(f);
    start(f, "on start nonsense\n");
    g_assert_cmpint(WEXITSTATUS(wait_for_end(f)), ==, 96);
}

static void test_wait(Fixture *f, gconstpointer unused)
{
    start(f, "on stop wait gate\non stop wait other\n");
    negotiate(f->qmp);
    negotiate(f->keeper);
    ask(f->qmp, "stop");
    ask(f->qmp, "query-uuid");
    ask(f->keeper, "query-uuid"); /* meanwhile the other monitor is served */
    assert_heard(f->keeper, "{\"return\": {\"UUID\": \"" UUID "\"}}");
    assert_silent(f->qmp);
    touch(f, "gate");
    ask(f->keeper, "query-uuid");
    assert_heard(f->keeper, "{\"return\": {\"UUID\": \"" UUID "\"}}");
    assert_silent(f->qmp);
    touch(f, "other");
    assert_event(f->qmp, "STOP");
    assert_heard(f->qmp, "{\"return\": {}}");
    assert_heard(f->qmp, "{\"return\": {\"UUID\": \"" UUID "\"}}");
}

static void test_refuse_once(Fixture *f, gconstpointer unused)
{
    start(f, "once cont refuse not now\n");
    negotiate(f->qmp);
    ask(f->qmp, "cont");
    assert_heard(f->qmp, "{\"error\": {\"class\": \"GenericError\", \"desc\": \"not now\"}}");
    ask(f->qmp, "cont");
    assert_heard(f->qmp, "{\"return\": {}}");
}

static void test_hang(Fixture *f, gconstpointer unused)
{
    start(f, "on quit say now\non quit hang\n");
    negotiate(f->qmp);
    ask(f->qmp, "quit");
    ask(f->qmp, "query-status");
    assert_heard(f->serial, "now");
    kill(f->pid, SIGTERM); /* not blocked: QEMU would have to be killed, and so this is */
    g_assert_cmpint(WTERMSIG(wait_for_end(f)), ==, SIGTERM);
    assert_heard(f->qmp, NULL);
}

static void test_signals(Fixture *f, gconstpointer unused)
{
    g_autofree char *program = in_dir(f, "qemu");
    sigset_t blocked;
    sigemptyset(&blocked);
    sigaddset(&blocked, SIGTERM);
    spawn(f, program, NULL, &blocked);
    negotiate(f->qmp);
    kill(f->pid, SIGTERM);
    ask(f->qmp, "query-uuid");
    assert_heard(f->qmp, "{\"return\": {\"UUID\": \"" UUID "\"}}");
    kill(f->pid, SIGINT);
    assert_event(f->qmp, "SHUTDOWN");
    g_assert_cmpint(wait_for_end(f), ==, 0);
}

static void test_no_greeting(Fixture *f, gconstpointer unused)
{
    start(f, "on connect ignore\n");
    negotiate(f->keeper);
    ask(f->keeper, "query-uuid");
    assert_heard(f->keeper, "{\"return\": {\"UUID\": \"" UUID "\"}}");
    assert_silent(f->qmp);
}

static void test_close(Fixture *f, gconstpointer unused)
{
    start(f, "on file cut close\n");
    negotiate(f->qmp);
    negotiate(f->keeper);
    touch(f, "cut");
    assert_heard(f->qmp, NULL);
    ask(f->keeper, "quit");
    assert_event(f->keeper, "SHUTDOWN");
    assert_heard(f->keeper, "{\"return\": {}}");
}

static void test_flood(Fixture *f, gconstpointer unused)
{
    start(f, "on ready flood 3\non ready deep-json\n");
    negotiate(f->qmp);
    for (int i = 0; i < 3; i++)
        assert_event(f->qmp, "RTC_CHANGE");
    g_autofree char *deep = hear(f->qmp);
    g_assert_true(g_str_has_suffix(deep, "[[[["));
}

/* The helper lives on when its QEMU has ended, deaf to SIGTERM; its PID is in the log. */
static void test_fork_child(Fixture *f, gconstpointer unused)
{
    start(f, "on start fork-child\n");
    negotiate(f->qmp);
    g_autofree char *path = in_dir(f, "web.log");
    g_autofree char *log = NULL;
    g_assert_true(g_file_get_contents(path, &log, NULL, NULL));
    const char *line = strstr(log, "child ");
    while (line == NULL) { /* it writes that itself, on its own time: nudge the fake until then */
        ask(f->qmp, "query-uuid");
        g_autofree char *answer = hear(f->qmp);
        g_clear_pointer(&log, g_free);
        g_assert_true(g_file_get_contents(path, &log, NULL, NULL));
        line = strstr(log, "child ");
    }
    pid_t child = (pid_t) g_ascii_strtoll(line + strlen("child "), NULL, 10);
    ask(f->qmp, "quit");
    g_assert_cmpint(wait_for_end(f), ==, 0);
    g_assert_cmpint(kill(child, SIGTERM), ==, 0);
    g_assert_cmpint(kill(child, 0), ==, 0);
    g_assert_cmpint(kill(child, SIGKILL), ==, 0);
}

static void test_log(Fixture *f, gconstpointer unused)
{
    start(f, "on serial knock say who is there\n");
    pid_t pid = f->pid;
    negotiate(f->qmp);
    say(f->serial, "knock");
    assert_heard(f->serial, "knock");
    assert_heard(f->serial, "who is there");
    ask(f->qmp, "quit");
    wait_for_end(f);
    g_autofree char *path = in_dir(f, "web.log");
    g_autofree char *log = NULL;
    g_assert_true(g_file_get_contents(path, &log, NULL, NULL));
    g_autofree char *expected =
        g_strdup_printf("start %d\nqmp qmp_capabilities\nserial knock\nqmp quit\nevent SHUTDOWN\nend 0\n", pid);
    g_assert_cmpstr(log, ==, expected);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
#define ADD(name, func) g_test_add("/fake-qemu/" name, Fixture, NULL, set_up, func, tear_down)
    ADD("like-qemu", test_like_qemu);
    ADD("guest", test_guest);
    ADD("powerdown", test_powerdown);
    ADD("panic", test_panic);
    ADD("ends", test_ends);
    ADD("wait", test_wait);
    ADD("refuse-once", test_refuse_once);
    ADD("hang", test_hang);
    ADD("signals", test_signals);
    ADD("no-greeting", test_no_greeting);
    ADD("close", test_close);
    ADD("flood", test_flood);
    ADD("fork-child", test_fork_child);
    ADD("log", test_log);
#undef ADD
    return g_test_run();
}
