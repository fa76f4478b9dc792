/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <signal.h>
#include <sys/ptrace.h>

#include "test-dir.h"

/* Runs @func in a child and kills it right after its @n-th system call, counted from 1. The call's effect is
 * there, what would have come after it is not: as in a crash. FALSE where it had fewer, and ended by itself. */
static inline gboolean kill_at_syscall(TestFunc func, TestDir *dir, guint n)
{
    pid_t pid = fork();
    g_assert_cmpint(pid, >=, 0);
    if (pid == 0) {
        ptrace(PTRACE_TRACEME, 0, NULL, NULL);
        raise(SIGSTOP);
        func(dir);
        _exit(0);
    }
    int status;
    g_assert_cmpint(waitpid(pid, &status, 0), ==, pid);
    g_assert_true(WIFSTOPPED(status));
    /* Entry and exit are one stop each. */
    for (guint stops = 0; stops < 2 * n; stops++) {
        g_assert_cmpint(ptrace(PTRACE_SYSCALL, pid, NULL, NULL), ==, 0);
        g_assert_cmpint(waitpid(pid, &status, 0), ==, pid);
        if (WIFEXITED(status) || WIFSIGNALED(status)) {
            g_assert_cmpint(status, ==, 0);
            return FALSE;
        }
    }
    kill(pid, SIGKILL);
    g_assert_cmpint(waitpid(pid, &status, 0), ==, pid);
    return TRUE;
}
