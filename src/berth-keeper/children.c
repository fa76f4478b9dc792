/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "children.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#define LIST_MAX 4096 /* what does not fit is found in the next round */

int children_open(void)
{
    return open("/proc/thread-self/children", O_RDONLY | O_CLOEXEC);
}

/* Whether there is any. A PID in our list of children can't be another process: nobody but us reaps it. */
static int kill_listed(int list_fd)
{
    char list[LIST_MAX + 1];
    ssize_t n = pread(list_fd, list, LIST_MAX, 0);
    int killed = 0;

    list[n > 0 ? n : 0] = '\0';
    for (char *at = list, *end; *at; at = end) {
        long pid = strtol(at, &end, 10);
        if (end == at || *end == '\0') /* the end of the list, or a number that was cut */
            break;
        if (pid > 1 && kill((pid_t) pid, SIGKILL) == 0)
            killed++;
    }
    return killed;
}

/* A child's own children come to us when it dies: so again, until wait() says that there is none. Without the list
 * nobody could be killed, and waiting might take for ever: the cgroup's owner has to do it then. */
void children_kill(int list_fd)
{
    for (;;) {
        const int killed = list_fd < 0 ? 0 : kill_listed(list_fd);
        const pid_t pid = waitpid(-1, NULL, killed > 0 ? 0 : WNOHANG);
        if (pid == 0 || (pid < 0 && errno != EINTR))
            return;
    }
}
