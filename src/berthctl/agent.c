/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "agent.h"

#include <errno.h>
#include <fcntl.h>
#include <glib.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "../core/autofd.h"

static pid_t agent = 0;

/* In the child. The agent talks to the terminal by /dev/tty; it must not hold our standard output open. */
G_GNUC_NORETURN static void run_agent(int notify_fd, pid_t parent)
{
    g_autofree char *notify = g_strdup_printf("%d", notify_fd);
    int flags = fcntl(notify_fd, F_GETFD);
    int null_fd = open("/dev/null", O_RDWR | O_CLOEXEC);
    if (flags >= 0 && fcntl(notify_fd, F_SETFD, flags & ~FD_CLOEXEC) >= 0 && null_fd >= 0 &&
        dup2(null_fd, STDIN_FILENO) >= 0 && dup2(null_fd, STDOUT_FILENO) >= 0 &&
        prctl(PR_SET_PDEATHSIG, SIGTERM) >= 0 && getppid() == parent)
        execlp("pkttyagent", "pkttyagent", "--notify-fd", notify, "--fallback", NULL);
    _exit(127);
}

void ctl_agent_open(void)
{
    int ends[2];
    if (agent > 0 || pipe2(ends, O_CLOEXEC) < 0)
        return;
    BERTH_AUTOFD ready = ends[0];
    pid_t parent = getpid();
    pid_t pid = fork();
    if (pid == 0)
        run_agent(ends[1], parent);
    close(ends[1]);
    if (pid < 0)
        return;
    agent = pid;
    /* End of file: it is registered, or it could not be started. Either way the call may go out now. */
    char byte;
    while (read(ready, &byte, 1) < 0 && errno == EINTR)
        ;
}

void ctl_agent_close(void)
{
    if (agent <= 0)
        return;
    kill(agent, SIGTERM);
    kill(agent, SIGCONT);
    while (waitpid(agent, NULL, 0) < 0 && errno == EINTR)
        ;
    agent = 0;
}
