/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "fake-agent.h"

#include <err.h>
#include <limits.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "fake-qemu-json.h"
#include "fake-qemu-script.h"

#define DELIMITER '\xff'

static struct {
    int listener, fd; /* -1: nobody is connected */
    bool open, hung;
    char buffer[65536];
    size_t length;
} channel = {.listener = -1, .fd = -1};

void agent_listen(int listener)
{
    channel.listener = listener;
}

void agent_set_open(bool open)
{
    channel.open = open;
}

void agent_hang(void)
{
    channel.hung = true;
    script_log("agent hangs");
}

bool agent_is_open(void)
{
    return channel.open;
}

/* As with QEMU, a channel that nobody reads (a flood may have filled it) holds up the guest's port, never the monitor: what
 * does not fit is lost. */
static void say(const char *format, ...) __attribute__((format(printf, 1, 2)));
static void say(const char *format, ...)
{
    char text[8192];
    va_list args;
    va_start(args, format);
    int length = vsnprintf(text, sizeof text, format, args);
    va_end(args);
    if (send(channel.fd, text, (size_t) length, MSG_NOSIGNAL | MSG_DONTWAIT) != length)
        warn("fake-agent: the host does not read");
}

/* --- What it does --- */

static void do_synchronise(const Command *command)
{
    /* The only argument: its value stands behind its name. */
    const char *value = command->argument.start + command->argument.length + strlen("\":");
    say("\xff{\"return\": %lld}\n", strtoll(value, NULL, 10));
}

static void do_ping(const Command *command)
{
    (void) command;
    say("{\"return\": {}}\n");
}

static void do_osinfo(const Command *command)
{
    (void) command;
    say("{\"return\": {\"name\": \"Fake Linux\", \"pretty-name\": \"Fake Linux 1 (scripted)\", \"id\": \"fake\"}}\n");
}

static void do_interfaces(const Command *command)
{
    (void) command;
    say("{\"return\": [{\"name\": \"lo\", \"ip-addresses\": [{\"ip-address-type\": \"ipv4\", \"ip-address\": "
        "\"127.0.0.1\", \"prefix\": 8}]}, {\"name\": \"eth0\", \"ip-addresses\": [{\"ip-address-type\": \"ipv4\", "
        "\"ip-address\": \"192.0.2.17\", \"prefix\": 24}]}]}\n");
}

static const struct {
    const char *name;
    void (*effect)(const Command *command);
} commands[] = {
    {"guest-sync-delimited", do_synchronise},
    {"guest-ping", do_ping},
    {"guest-get-osinfo", do_osinfo},
    {"guest-network-get-interfaces", do_interfaces},
};

/* From a process of its own, as a guest does not care who waits for QEMU. */
static void flood(void)
{
    static const char noise[4096] = "noise";
    if (fork() != 0)
        return;
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    dup2(channel.fd, 0);
    close_range(1, UINT_MAX, 0);
    while (send(0, noise, sizeof noise, MSG_NOSIGNAL) > 0)
        continue;
    _exit(0);
}

/* FALSE: there is no rule for it. */
static bool run_rule(const char *name)
{
    const Rule *rule = script_next(name, NULL);
    if (rule == NULL)
        return false;
    if (strcmp(rule->action, "refuse") == 0)
        say("{\"error\": {\"class\": \"GenericError\", \"desc\": \"%s\"}}\n", rule->rest);
    else if (strcmp(rule->action, "answer") == 0)
        say("{\"return\": %s}\n", rule->rest);
    else if (strcmp(rule->action, "flood") == 0)
        flood();
    else if (strcmp(rule->action, "ignore") != 0)
        errx(96, "fake-agent: \"%s\" is nothing to do on \"%s\"", rule->action, name);
    return true;
}

/* Returns whether the guest powers down. It says nothing then. */
static bool run_line(const char *line)
{
    Command command;
    char name[64];
    for (; *line == DELIMITER; line++)
        say("{\"error\": {\"class\": \"GenericError\", \"desc\": \"JSON parse error, invalid token\"}}\n");
    if (!command_parse(line, &command))
        return false;
    snprintf(name, sizeof name, "%.*s", (int) command.execute.length, command.execute.start);
    script_log("agent %s", name);
    if (run_rule(name))
        return false;
    for (size_t i = 0; i < sizeof commands / sizeof *commands; i++)
        if (strcmp(commands[i].name, name) == 0)
            commands[i].effect(&command);
    return strcmp(name, "guest-shutdown") == 0;
}

static bool run_lines(void)
{
    bool powers_down = false;
    for (char *newline; (newline = memchr(channel.buffer, '\n', channel.length)) != NULL;) {
        *newline = '\0';
        powers_down = run_line(channel.buffer) || powers_down;
        size_t taken = (size_t) (newline - channel.buffer) + 1;
        memmove(channel.buffer, newline + 1, channel.length - taken);
        channel.length -= taken;
    }
    return powers_down;
}

/* --- The channel --- */

struct pollfd agent_poll(void)
{
    if (channel.fd < 0)
        return (struct pollfd){.fd = channel.listener, .events = POLLIN};
    return (struct pollfd){.fd = channel.fd, .events = channel.open && !channel.hung ? POLLIN : 0};
}

bool agent_turn(void)
{
    if (channel.fd < 0) {
        channel.fd = accept4(channel.listener, NULL, NULL, SOCK_CLOEXEC);
        channel.length = 0;
        return false;
    }
    ssize_t n = read(channel.fd, channel.buffer + channel.length, sizeof channel.buffer - channel.length);
    if (n <= 0) {
        close(channel.fd);
        channel.fd = -1;
        return false;
    }
    channel.length += (size_t) n;
    return run_lines();
}
