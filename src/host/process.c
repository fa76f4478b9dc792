/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "process.h"

#include <errno.h>
#include <fcntl.h>
#include <glib-unix.h>
#include <poll.h>
#include <string.h>
#include <sys/pidfd.h>
#include <sys/wait.h>

#include "../core/autofd.h"
#include "../core/error.h"

int berth_pidfd_open(pid_t pid, GError **error)
{
    int fd = pidfd_open(pid, 0);
    if (fd < 0)
        berth_error_set_errno(error, errno == ESRCH ? BERTH_ERROR_NOT_FOUND : BERTH_ERROR_UNSUPPORTED, errno,
                              "watch process %d", (int) pid);
    return fd;
}

gboolean berth_pidfd_is_dead(int pidfd)
{
    struct pollfd pollfd = {.fd = pidfd, .events = POLLIN};
    int n;

    do
        n = poll(&pollfd, 1, 0);
    while (n < 0 && errno == EINTR);
    /* Anything but the kernel's plain yes is no proof. */
    return n == 1 && (pollfd.revents & POLLIN) != 0;
}

/* The kernel lists children in the order in which they came to their parent. */
pid_t berth_process_first_child(pid_t parent)
{
    g_autofree char *path = g_strdup_printf("/proc/%d/task/%d/children", (int) parent, (int) parent);
    char list[32];
    BERTH_AUTOFD fd = open(path, O_RDONLY | O_CLOEXEC);
    const ssize_t n = fd < 0 ? -1 : read(fd, list, sizeof list - 1);

    list[n > 0 ? n : 0] = '\0';
    return (pid_t) g_ascii_strtoll(list, NULL, 10);
}

/* The state is the letter behind the program's name, which is in brackets and may have any in it (proc_pid_stat(5)). */
gboolean berth_process_is_stopped(pid_t pid, int pidfd)
{
    g_autofree char *path = g_strdup_printf("/proc/%d/stat", (int) pid);
    char text[128];
    BERTH_AUTOFD fd = open(path, O_RDONLY | O_CLOEXEC);
    const ssize_t n = fd < 0 ? -1 : read(fd, text, sizeof text - 1);

    text[n > 0 ? n : 0] = '\0';
    const char *name_end = strrchr(text, ')');
    /* As it lives after that, it was its state, and no other's who came to have its number. */
    return name_end && g_str_has_prefix(name_end, ") T") && !berth_pidfd_is_dead(pidfd);
}

/* No pidfd tells when a tracer lets go of the dead: it was ready before. A wait that blocks is woken then. */
static gpointer reap_when_let_go(gpointer data)
{
    BERTH_AUTOFD pidfd = GPOINTER_TO_INT(data);
    siginfo_t info;

    while (waitid(P_PIDFD, (id_t) pidfd, &info, WEXITED) < 0 && errno == EINTR)
        ;
    return NULL;
}

static gboolean on_end(int fd, GIOCondition condition, gpointer user_data)
{
    BERTH_AUTOFD pidfd = fd;
    siginfo_t info = {.si_pid = 0};

    if (waitid(P_PIDFD, (id_t) pidfd, &info, WEXITED | WNOHANG) < 0 || info.si_pid != 0)
        return G_SOURCE_REMOVE;
    /* Where the kernel refuses a thread it stays a zombie, as long as we live. */
    GThread *thread = g_thread_try_new("reap", reap_when_let_go, GINT_TO_POINTER(pidfd), NULL);
    if (thread) {
        (void) berth_steal_fd(&pidfd);
        g_thread_unref(thread);
    }
    return G_SOURCE_REMOVE;
}

gboolean berth_process_reap(int pidfd)
{
    int copy = fcntl(pidfd, F_DUPFD_CLOEXEC, 3);
    if (copy >= 0)
        g_unix_fd_add(copy, G_IO_IN, on_end, NULL);
    return copy >= 0;
}

struct BerthDeathWatch {
    int pidfd;
    guint source;
    void (*died)(gpointer data);
    gpointer data;
};

static gboolean on_death(int fd, GIOCondition condition, gpointer user_data)
{
    BerthDeathWatch *watch = user_data;

    watch->source = 0;
    watch->died(watch->data); /* may free the watch */
    return G_SOURCE_REMOVE;
}

BerthDeathWatch *berth_death_watch_new(int pidfd, void (*died)(gpointer data), gpointer data)
{
    BerthDeathWatch *watch = g_new0(BerthDeathWatch, 1);

    watch->pidfd = fcntl(pidfd, F_DUPFD_CLOEXEC, 3);
    if (watch->pidfd < 0)
        g_error("Can't duplicate a pidfd: %s", g_strerror(errno)); /* a death that is not seen is worse than our end */
    watch->died = died;
    watch->data = data;
    watch->source = g_unix_fd_add(watch->pidfd, G_IO_IN, on_death, watch);
    return watch;
}

void berth_death_watch_free(BerthDeathWatch **watch)
{
    if (!*watch)
        return;
    if ((*watch)->source)
        g_source_remove((*watch)->source);
    close((*watch)->pidfd);
    g_clear_pointer(watch, g_free);
}
