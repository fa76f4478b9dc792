/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Stands in for QEMU under a keeper: goes through its arguments, a script of verbs, and ends with status 97 where
 * something is not as the script expects. What it says about itself goes to the serial port. */

#include <fcntl.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "src/core/keeper-protocol.h"

#define GREETING                                                                                                       \
    "{\"QMP\": {\"version\": {\"qemu\": {\"micro\": 0, \"minor\": 2, \"major\": 7}}, \"capabilities\": []}}\n"

static void expect(int holds, const char *what)
{
    if (holds)
        return;
    fprintf(stderr, "stub: not as expected: %s\n", what);
    _exit(97);
}

static void put(int fd, const char *text)
{
    for (size_t left = strlen(text); left > 0;) {
        ssize_t n = write(fd, text, left);
        expect(n > 0, "write");
        text += n;
        left -= (size_t) n;
    }
}

static void say(const char *format, ...) __attribute__((format(printf, 1, 2)));
static void say(const char *format, ...)
{
    char text[4096];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    put(BERTH_QEMU_FD_SERIAL, text);
}

/* The next line on the monitor, which is answered. */
static const char *next_command(void)
{
    static char line[1024];
    size_t length = 0;

    do
        expect(length < sizeof line - 1 && read(BERTH_QEMU_FD_MONITOR, line + length, 1) == 1, "a whole command");
    while (line[length++] != '\n');
    line[length] = '\0';
    put(BERTH_QEMU_FD_MONITOR, "{\"return\": {}}\n");
    return line;
}

static bool is_command(const char *line, const char *command)
{
    char wanted[128];

    snprintf(wanted, sizeof wanted, "{\"execute\": \"%s\"}\n", command);
    return strcmp(line, wanted) == 0;
}

static const char *expected = "";

/* The next line on the monitor must be this command. */
static void expect_command(const char *command)
{
    const char *line = next_command();

    expect(is_command(line, command), line);
    expected = command;
}

/* What was expected last may come again and again, and then this one. */
static void expect_after(const char *command)
{
    const char *line;

    while (is_command(line = next_command(), expected))
        ;
    expect(is_command(line, command), line);
}

/* Reads the serial port until @word has come; says how many bytes that were. */
static void await(const char *word)
{
    static char last[64];
    const size_t length = strlen(word);
    long count = 0;

    while (memcmp(last + sizeof last - length, word, length) != 0) {
        memmove(last, last + 1, sizeof last - 1);
        expect(read(BERTH_QEMU_FD_SERIAL, last + sizeof last - 1, 1) == 1, "input");
        count++;
    }
    memset(last, 0, sizeof last);
    say("got %ld\n", count);
}

/* Lines of 16 bytes, numbered from the first to the last, so that order and loss can be seen. */
static void spam(long bytes)
{
    static unsigned line;
    char text[17];

    for (long at = 0; at < bytes; at += 16) {
        snprintf(text, sizeof text, "line %09u \n", line++ % 1000000000);
        put(BERTH_QEMU_FD_SERIAL, text);
    }
}

/* A process that is nobody's child, in a session of its own, deaf to all it can be deaf to. */
static void helper(void)
{
    if (fork() != 0)
        return;
    setsid();
    signal(SIGTERM, SIG_IGN);
    pid_t pid = fork();
    if (pid == 0)
        for (;;)
            pause();
    say("helper %d lives\n", (int) pid);
    for (;;)
        pause();
}

static void describe(void)
{
    sigset_t blocked;

    say("fds");
    for (int fd = 0; fd < 1024; fd++)
        if (fcntl(fd, F_GETFD) >= 0)
            say(" %d", fd);
    sigprocmask(SIG_SETMASK, NULL, &blocked);
    say("\nblocked");
    for (int number = 1; number < 64; number++)
        if (sigismember(&blocked, number) == 1)
            say(" %d", number);
    say("\nids %d %d %d %d %d\n", (int) getuid(), (int) geteuid(), (int) getgid(), getgroups(0, NULL),
        prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0));
}

static void greet(void)
{
    put(BERTH_QEMU_FD_MONITOR, GREETING);
    expect_command("qmp_capabilities");
}

static void hang(void)
{
    for (;;)
        pause();
}

static void put_monitor(const char *text)
{
    put(BERTH_QEMU_FD_MONITOR, text);
}

static void put_stderr(const char *text)
{
    put(STDERR_FILENO, text);
}

static void put_serial(const char *text)
{
    put(BERTH_QEMU_FD_SERIAL, text);
}

static void do_spam(const char *bytes)
{
    spam(atol(bytes));
}

static void do_exit(const char *status)
{
    _exit(atoi(status));
}

static void do_raise(const char *number)
{
    signal(atoi(number), SIG_DFL); /* a sanitizer may have taken it */
    raise(atoi(number));
}

static const struct {
    const char *verb;
    void (*alone)(void);
    void (*with_value)(const char *value);
} verbs[] = {
    {"greet", greet, NULL},        {"describe", describe, NULL},     {"helper", helper, NULL},
    {"hang", hang, NULL},          {"expect", NULL, expect_command}, {"monitor", NULL, put_monitor},
    {"stderr", NULL, put_stderr},  {"serial", NULL, put_serial},     {"spam", NULL, do_spam},
    {"await", NULL, await},        {"exit", NULL, do_exit},          {"raise", NULL, do_raise},
    {"after", NULL, expect_after},
};

/* How many arguments it took. */
static int run(char **argv)
{
    for (size_t i = 0; i < sizeof verbs / sizeof *verbs; i++) {
        if (strcmp(verbs[i].verb, argv[0]) != 0)
            continue;
        if (verbs[i].alone) {
            verbs[i].alone();
            return 1;
        }
        expect(argv[1] != NULL, "a value");
        verbs[i].with_value(argv[1]);
        return 2;
    }
    expect(0, argv[0]);
    return 0;
}

int main(int argc, char **argv)
{
    for (int i = 1; i < argc;)
        i += run(argv + i);
    return 0;
}
