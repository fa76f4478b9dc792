/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "bare-qemu.h"

#include <errno.h>
#include <fcntl.h>
#include <glib/gstdio.h>
#include <json-glib/json-glib.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "src/core/keeper-protocol.h"

#define ANSWER_SECONDS 60
#define FIRST_FREE_FD 64 /* above all numbers that are given to QEMU */

/* What a QEMU has of us. All are close-on-exec, and numbered out of the way of what QEMU gets. */
typedef struct {
    char *directory;
    struct sockaddr_un address; /* of its monitor */
    int null, qmp, agent, lock, serial[2], monitor[2];
} Surroundings;

static int out_of_the_way(int fd)
{
    int moved = fd < 0 ? -1 : fcntl(fd, F_DUPFD_CLOEXEC, FIRST_FREE_FD);
    if (moved < 0)
        g_error("can't make a descriptor for QEMU: %s", g_strerror(errno));
    close(fd);
    return moved;
}

static void make_pair(int pair[2])
{
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) < 0)
        g_error("can't make a socket pair: %s", g_strerror(errno));
    pair[0] = out_of_the_way(pair[0]);
    pair[1] = out_of_the_way(pair[1]);
}

/* The kernel gives it a name that nobody knows: nobody connects to it. */
static int listen_nameless(void)
{
    const struct sockaddr_un nameless = {.sun_family = AF_UNIX};
    int fd = out_of_the_way(socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
    return bind(fd, (const struct sockaddr *) &nameless, sizeof nameless.sun_family) == 0 && listen(fd, 1) == 0 ? fd
                                                                                                                : -1;
}

static void surroundings_init(Surroundings *s)
{
    g_autofree char *lock = NULL;
    s->directory = g_dir_make_tmp("bare-qemu-XXXXXX", NULL);
    lock = g_build_filename(s->directory, "lock", NULL);
    s->address = (struct sockaddr_un){.sun_family = AF_UNIX};
    g_snprintf(s->address.sun_path, sizeof s->address.sun_path, "%s/qmp.sock", s->directory);

    s->null = out_of_the_way(open("/dev/null", O_RDWR | O_CLOEXEC));
    s->lock = out_of_the_way(open(lock, O_RDWR | O_CREAT | O_CLOEXEC, 0600));
    s->qmp = out_of_the_way(socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
    if (flock(s->lock, LOCK_EX) < 0 || bind(s->qmp, (struct sockaddr *) &s->address, sizeof s->address) < 0 ||
        listen(s->qmp, 8) < 0 || (s->agent = listen_nameless()) < 0)
        g_error("can't make what QEMU needs in %s: %s", s->directory, g_strerror(errno));
    make_pair(s->serial);
    make_pair(s->monitor);
}

static void surroundings_clear(Surroundings *s)
{
    const int fds[] = {s->null, s->qmp, s->agent, s->lock, s->serial[0], s->serial[1], s->monitor[0], s->monitor[1]};
    for (guint i = 0; i < G_N_ELEMENTS(fds); i++)
        close(fds[i]);
    g_autofree char *lock = g_build_filename(s->directory, "lock", NULL);
    unlink(s->address.sun_path);
    unlink(lock);
    rmdir(s->directory);
    g_free(s->directory);
}

static pid_t spawn(const Surroundings *s, char *const *argv)
{
    const struct {
        int from, to;
    } map[] = {
        {s->null, STDIN_FILENO},
        {s->null, STDOUT_FILENO},
        {s->null, STDERR_FILENO},
        {s->qmp, BERTH_QEMU_FD_QMP},
        {s->agent, BERTH_QEMU_FD_AGENT},
        {s->serial[1], BERTH_QEMU_FD_SERIAL},
        {s->monitor[1], BERTH_QEMU_FD_MONITOR},
        {s->lock, BERTH_QEMU_FD_LOCK},
    };
    posix_spawn_file_actions_t actions;
    posix_spawn_file_actions_init(&actions);
    for (guint i = 0; i < G_N_ELEMENTS(map); i++)
        posix_spawn_file_actions_adddup2(&actions, map[i].from, map[i].to);
    pid_t pid;
    int errnum = posix_spawn(&pid, argv[0], &actions, NULL, argv, environ);
    posix_spawn_file_actions_destroy(&actions);
    if (errnum != 0)
        g_error("can't start %s: %s", argv[0], g_strerror(errnum));
    return pid;
}

/* One line from its monitor, parsed. */
static JsonObject *hear(FILE *monitor)
{
    char line[16384];
    g_autoptr(JsonParser) parser = json_parser_new();
    if (!fgets(line, sizeof line, monitor))
        g_error("QEMU's monitor says nothing: %s", g_strerror(errno));
    if (!json_parser_load_from_data(parser, line, -1, NULL) || !JSON_NODE_HOLDS_OBJECT(json_parser_get_root(parser)))
        g_error("QEMU's monitor makes no sense: %s", line);
    return json_object_ref(json_node_get_object(json_parser_get_root(parser)));
}

/* The answer to @command; events that come first are passed over. */
static JsonObject *ask(FILE *monitor, const char *command)
{
    g_autofree char *line = g_strdup_printf("{\"execute\": \"%s\"}\n", command);
    if (send(fileno(monitor), line, strlen(line), MSG_NOSIGNAL) < 0)
        g_error("QEMU's monitor is gone: %s", g_strerror(errno));
    for (;;) {
        g_autoptr(JsonObject) message = hear(monitor);
        if (json_object_has_member(message, "return"))
            return json_object_ref(json_object_get_object_member(message, "return"));
        if (!json_object_has_member(message, "event"))
            g_error("QEMU refuses %s", command);
    }
}

static void await_running(const Surroundings *s)
{
    const struct timeval patience = {.tv_sec = ANSWER_SECONDS};
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience) < 0 ||
        connect(fd, (const struct sockaddr *) &s->address, sizeof s->address) < 0)
        g_error("can't connect to QEMU: %s", g_strerror(errno));
    FILE *monitor = fdopen(fd, "r");

    g_autoptr(JsonObject) greeting = hear(monitor);
    g_autoptr(JsonObject) capabilities = ask(monitor, "qmp_capabilities");
    gboolean running = FALSE;
    while (!running) {
        g_autoptr(JsonObject) status = ask(monitor, "query-status");
        running = json_object_get_boolean_member(status, "running");
    }
    fclose(monitor);
}

gint64 bare_qemu_start(char *const *argv)
{
    Surroundings s;
    surroundings_init(&s);
    gint64 begin = g_get_monotonic_time();
    pid_t pid = spawn(&s, argv);
    await_running(&s);
    gint64 took = g_get_monotonic_time() - begin;
    kill(pid, SIGKILL);
    waitpid(pid, NULL, 0);
    surroundings_clear(&s);
    return took;
}
