/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <errno.h>
#include <fcntl.h>
#include <glib.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <signal.h>
#include <stddef.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/user.h>
#include <unistd.h>

#include "test-dir.h"

/* Faults that the kernel makes for real: system calls that fail, and a process that ends right after one of them. */

/* Makes the kernel fail a system call of this process with @errnum, for ever: where @first_argument is not -1, only
 * calls whose first argument (the descriptor, for most) has that value. For children of test_in_child(). */
static inline gboolean fail_syscall(int number, int first_argument, int errnum)
{
    struct sock_filter code[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, number, 0, 3),
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, args)), /* low half: little-endian */
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, (guint32) first_argument, 0, 1),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | (guint32) errnum),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
    };
    if (first_argument == -1)
        code[3] = code[4];
    struct sock_fprog program = {G_N_ELEMENTS(code), code};
    return prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0 &&
           syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, &program) == 0;
}

/* The descriptor that the next open will give. */
static inline int next_fd(void)
{
    int fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
    close(fd);
    return fd;
}

/* A child that stands before @func. Its system calls are seen as two stops each, at entry and exit. */
static inline pid_t start_traced(TestFunc func, TestDir *dir)
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
    g_assert_cmpint(ptrace(PTRACE_SETOPTIONS, pid, NULL, PTRACE_O_TRACESYSGOOD | PTRACE_O_EXITKILL), ==, 0);
    return pid;
}

/* To the next entry or exit of a system call; FALSE where it has ended. Signals on the way are delivered. */
static inline gboolean trace_on(pid_t pid, int *status)
{
    for (int signal_number = 0;; signal_number = WSTOPSIG(*status)) {
        g_assert_cmpint(ptrace(PTRACE_SYSCALL, pid, NULL, signal_number), ==, 0);
        g_assert_cmpint(waitpid(pid, status, 0), ==, pid);
        if (!WIFSTOPPED(*status))
            return FALSE;
        if (WSTOPSIG(*status) == (SIGTRAP | 0x80))
            return TRUE;
    }
}

/* Runs @func in a child and kills it right after its @n-th system call, counted from 1. The call's effect is
 * there, what would have come after it is not: as in a crash. FALSE where it had fewer, and ended by itself. */
static inline gboolean kill_at_syscall(TestFunc func, TestDir *dir, guint n)
{
    pid_t pid = start_traced(func, dir);
    int status;
    for (guint stops = 0; stops < 2 * n; stops++) {
        if (!trace_on(pid, &status)) {
            g_assert_cmpint(status, ==, 0);
            return FALSE;
        }
    }
    kill(pid, SIGKILL);
    g_assert_cmpint(waitpid(pid, &status, 0), ==, pid);
    return TRUE;
}

#ifdef __x86_64__
static inline gboolean is_file_syscall(guint64 number)
{
    static const guint64 numbers[] = {SYS_openat,    SYS_write,      SYS_pwrite64,   SYS_fsync,     SYS_renameat,
                                      SYS_renameat2, SYS_unlinkat,   SYS_mkdirat,    SYS_fchmod,    SYS_fchown,
                                      SYS_statx,     SYS_newfstatat, SYS_faccessat2, SYS_ftruncate, SYS_getdents64,
                                      SYS_lseek,     SYS_flock};
    for (guint i = 0; i < G_N_ELEMENTS(numbers); i++)
        if (number == numbers[i])
            return TRUE;
    return FALSE;
}

/**
 * fail_at_syscall:
 * @n: which one of its system calls on files, from 1, fails with @errnum, without effect
 * @status: (out): how the child ended
 *
 * Returns: FALSE where it had fewer: then none failed
 */
static inline gboolean fail_at_syscall(TestFunc func, TestDir *dir, guint n, int errnum, int *status)
{
    pid_t pid = start_traced(func, dir);
    guint seen = 0;
    for (gboolean entry = TRUE, fail = FALSE; trace_on(pid, status); entry = !entry) {
        struct user_regs_struct regs;
        g_assert_cmpint(ptrace(PTRACE_GETREGS, pid, NULL, &regs), ==, 0);
        if (entry && is_file_syscall(regs.orig_rax) && ++seen == n) {
            fail = TRUE;
            regs.orig_rax = (guint64) -1; /* no such call: the kernel does nothing */
        } else if (!entry && fail) {
            fail = FALSE;
            regs.rax = (guint64) -errnum;
        } else {
            continue;
        }
        g_assert_cmpint(ptrace(PTRACE_SETREGS, pid, NULL, &regs), ==, 0);
    }
    return seen >= n;
}
#endif
