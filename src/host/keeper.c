/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "keeper.h"

#include <errno.h>
#include <fcntl.h>
#include <glib-unix.h>
#include <signal.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "../core/autofd.h"
#include "../core/error.h"
#include "../core/keeper-protocol.h"
#include "process.h"

struct BerthKeeper {
    pid_t pid;
    int pidfd;
    int channel; /* -1 after the answer */
    guint source;
    BerthKeeperAnswer answer;
    gpointer data;
};

/* Whole ones, rounded up. */
static guint64 shutdown_seconds(guint64 usec)
{
    return (usec + G_USEC_PER_SEC - 1) / G_USEC_PER_SEC;
}

guint64 berth_keeper_stop_usec(guint64 shutdown_timeout_usec)
{
    return (shutdown_seconds(shutdown_timeout_usec) + BERTH_KEEPER_QUIT_SEC + BERTH_KEEPER_LAST_SEC) * G_USEC_PER_SEC;
}

/* The daemon's own environment (its notification socket, its bus) is no business of a VM's processes. */
static GStrv make_environment(void)
{
    static const char *const kept[] = {"PATH", "LANG", "LC_ALL", "TZ"};
    GStrv environment = g_new0(char *, 1);

    for (guint i = 0; i < G_N_ELEMENTS(kept); i++)
        if (g_getenv(kept[i]))
            environment = g_environ_setenv(environment, kept[i], g_getenv(kept[i]), TRUE);
    return environment;
}

static GStrv make_argv(const BerthKeeperSpec *spec)
{
    g_autoptr(GPtrArray) argv = g_ptr_array_new();

    g_ptr_array_add(argv, g_strdup(spec->keeper_path));
    g_ptr_array_add(argv, g_strdup_printf("--id=%s", spec->id));
    g_ptr_array_add(argv, g_strdup_printf("--name=%s", spec->name));
    if (spec->uid != (uid_t) -1)
        g_ptr_array_add(argv, g_strdup_printf("--uid=%u", (guint) spec->uid));
    g_ptr_array_add(
        argv, g_strdup_printf("--shutdown-timeout=%" G_GUINT64_FORMAT, shutdown_seconds(spec->shutdown_timeout_usec)));
    g_ptr_array_add(argv, g_strdup_printf("--extra-fds=%u", spec->n_extra_fds));
    g_ptr_array_add(argv, g_strdup("--"));
    for (guint i = 0; spec->qemu_argv[i]; i++)
        g_ptr_array_add(argv, g_strdup(spec->qemu_argv[i]));
    g_ptr_array_add(argv, NULL);
    return (GStrv) g_ptr_array_free(g_steal_pointer(&argv), FALSE);
}

typedef struct {
    GArray *sources, *targets;
} FdMap;

static void map_fd(FdMap *map, int source, int target)
{
    g_array_append_val(map->sources, source);
    g_array_append_val(map->targets, target);
}

static void map_all(FdMap *map, const BerthKeeperSpec *spec, int channel)
{
    map_fd(map, channel, BERTH_KEEPER_FD_CHANNEL);
    map_fd(map, spec->lock_fd, BERTH_KEEPER_FD_LOCK);
    map_fd(map, spec->exit_fd, BERTH_KEEPER_FD_EXIT);
    map_fd(map, spec->serial_fd, BERTH_KEEPER_FD_SERIAL);
    map_fd(map, spec->serial_old_fd, BERTH_KEEPER_FD_SERIAL_OLD);
    map_fd(map, spec->qemu_log_fd, BERTH_KEEPER_FD_QEMU);
    map_fd(map, spec->qemu_log_old_fd, BERTH_KEEPER_FD_QEMU_OLD);
    map_fd(map, spec->console_fd, BERTH_KEEPER_FD_CONSOLE);
    map_fd(map, spec->qmp_fd, BERTH_QEMU_FD_QMP);
    map_fd(map, spec->agent_fd, BERTH_QEMU_FD_AGENT);
    for (guint i = 0; i < spec->n_extra_fds; i++)
        map_fd(map, spec->extra_fds[i], BERTH_QEMU_FD_EXTRA + (int) i);
}

/* LEAVE_DESCRIPTORS_OPEN lets GLib use posix_spawn(), which does not copy the daemon's page tables; nothing leaks by
 * it, as all our descriptors are close-on-exec, and the keeper closes what it does not know. */
static gboolean spawn(const BerthKeeperSpec *spec, int channel, pid_t *pid, GError **error)
{
    g_auto(GStrv) argv = make_argv(spec);
    g_auto(GStrv) environment = make_environment();
    g_autoptr(GArray) sources = g_array_new(FALSE, FALSE, sizeof(int));
    g_autoptr(GArray) targets = g_array_new(FALSE, FALSE, sizeof(int));
    FdMap map = {sources, targets};
    g_autoptr(GError) local = NULL;

    /* GLib would open it too, and abort where it can't. In the child it closes this number last of all: it must not be
     * one that something was handed over as. */
    BERTH_AUTOFD opened = open("/dev/null", O_RDONLY | O_CLOEXEC);
    BERTH_AUTOFD nothing =
        opened < 0 ? -1 : fcntl(opened, F_DUPFD_CLOEXEC, BERTH_QEMU_FD_EXTRA + (int) spec->n_extra_fds);
    if (nothing < 0) {
        berth_error_set_errno(error, BERTH_ERROR_START_FAILED, errno, "open /dev/null");
        return FALSE;
    }
    /* As one of the mapped: what is given as standard input GLib closes again, though by then another may lie there. */
    map_fd(&map, nothing, STDIN_FILENO);
    map_all(&map, spec, channel);
    if (g_spawn_async_with_pipes_and_fds(NULL, (const char *const *) argv, (const char *const *) environment,
                                         G_SPAWN_DO_NOT_REAP_CHILD | G_SPAWN_LEAVE_DESCRIPTORS_OPEN |
                                             G_SPAWN_CHILD_INHERITS_STDIN,
                                         NULL, NULL, -1, -1, -1, (const int *) sources->data,
                                         (const int *) targets->data, sources->len, pid, NULL, NULL, NULL, &local))
        return TRUE;
    g_set_error(error, BERTH_ERROR, BERTH_ERROR_START_FAILED, "Can't start %s: %s", spec->keeper_path, local->message);
    return FALSE;
}

/* It can't be another process: it is our child, and nobody has reaped it. Its zombie is reaped whenever it comes,
 * whether the keeper's object still lives then or not. */
static int watch(pid_t pid, GError **error)
{
    BERTH_AUTOFD pidfd = berth_pidfd_open(pid, error);
    if (pidfd < 0)
        return -1;
    if (!berth_process_reap(pidfd)) {
        berth_error_set_errno(error, BERTH_ERROR_START_FAILED, errno, "watch the keeper");
        return -1;
    }
    return berth_steal_fd(&pidfd);
}

BerthKeeper *berth_keeper_spawn(const BerthKeeperSpec *spec, GError **error)
{
    int pair[2];
    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0) {
        berth_error_set_errno(error, BERTH_ERROR_START_FAILED, errno, "make the channel to the keeper");
        return NULL;
    }
    BERTH_AUTOFD ours = pair[0];
    BERTH_AUTOFD theirs = pair[1];
    pid_t pid;
    if (!spawn(spec, theirs, &pid, error))
        return NULL;

    int pidfd = watch(pid, error);
    if (pidfd < 0) {
        kill(pid, SIGKILL);
        waitpid(pid, NULL, 0);
        return NULL;
    }
    BerthKeeper *keeper = g_new0(BerthKeeper, 1);
    keeper->pid = pid;
    keeper->pidfd = pidfd;
    keeper->channel = berth_steal_fd(&ours);
    return keeper;
}

pid_t berth_keeper_pid(const BerthKeeper *keeper)
{
    return keeper->pid;
}

int berth_keeper_pidfd(const BerthKeeper *keeper)
{
    return keeper->pidfd;
}

static void close_channel(BerthKeeper *keeper)
{
    if (keeper->source)
        g_source_remove(keeper->source);
    keeper->source = 0;
    if (keeper->channel >= 0)
        close(keeper->channel);
    keeper->channel = -1;
}

static GError *start_failed(const char *why)
{
    return g_error_new(BERTH_ERROR, BERTH_ERROR_START_FAILED, "QEMU could not be started: %s", why);
}

/* The keeper runs as the VM's user: what it says is hostile until checked. */
static GError *parse_answer(const char *packet, gsize length, pid_t *pid)
{
    if (length == 0)
        return start_failed("the keeper ended without an answer");
    if (length > BERTH_KEEPER_PACKET_MAX || memchr(packet, '\0', length))
        return start_failed("the keeper gave an answer that makes no sense");

    g_autofree char *text = g_utf8_make_valid(packet, (gssize) length);
    gint64 number;
    if (g_str_has_prefix(text, BERTH_KEEPER_FAILED))
        return start_failed(text + strlen(BERTH_KEEPER_FAILED));
    if (!g_str_has_prefix(text, BERTH_KEEPER_STARTED) ||
        !g_ascii_string_to_signed(text + strlen(BERTH_KEEPER_STARTED), 10, 2, G_MAXINT, &number, NULL))
        return start_failed("the keeper gave an answer that makes no sense");
    *pid = (pid_t) number;
    return NULL;
}

static gboolean on_answer(int fd, GIOCondition condition, gpointer user_data)
{
    BerthKeeper *keeper = user_data;
    char packet[BERTH_KEEPER_PACKET_MAX];
    pid_t pid = 0;

    /* MSG_TRUNC: the length that it had, also where it did not fit. */
    ssize_t n = recv(fd, packet, sizeof packet, MSG_TRUNC | MSG_DONTWAIT);
    if (n < 0 && (errno == EAGAIN || errno == EINTR))
        return G_SOURCE_CONTINUE;
    g_autoptr(GError) error = parse_answer(packet, n < 0 ? 0 : (gsize) n, &pid);

    keeper->source = 0;
    close_channel(keeper);
    keeper->answer(pid, error, keeper->data); /* may free the keeper */
    return G_SOURCE_REMOVE;
}

void berth_keeper_release(BerthKeeper *keeper, BerthKeeperAnswer answer, gpointer data)
{
    keeper->answer = answer;
    keeper->data = data;
    keeper->source = g_unix_fd_add(keeper->channel, G_IO_IN | G_IO_HUP, on_answer, keeper);
    /* Where it can't be told, it must not be waited for: the shutdown makes the source ready, and there is the answer.
     */
    if (send(keeper->channel, BERTH_KEEPER_GO, strlen(BERTH_KEEPER_GO), MSG_NOSIGNAL | MSG_DONTWAIT) < 0)
        (void) shutdown(keeper->channel, SHUT_RDWR);
}

void berth_keeper_free(BerthKeeper *keeper)
{
    close_channel(keeper);
    close(keeper->pidfd);
    g_free(keeper);
}
