/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* clang-format off */
/* A scripted QEMU: takes the arguments that berthd makes, speaks QMP as QEMU 7.2 does on each monitor among them,
 * echoes what comes on the serial port, and misbehaves as told. It is up in a millisecond and runs no guest.
 *
 * A test makes a symbolic link to it in a directory of its own and lets berth.conf's QEMUPath= name that link. Beside
 * the link (argv[0]; the keeper passes no environment on) lie, for a VM called web:
 *
 *   web.script  read at start, the rules below; without one it behaves
 *   web.log     written: "start <pid>", "<monitor> <command>" for each command ("qmp stop", "keeper quit"),
 *               "serial <line>", "event <name>", "end <status>". Where the VM's user may not write there, there is none
 *   and whatever files the rules wait for.
 *
 * A rule is a line: "on TRIGGER ACTION [operands]"; with "once" for "on", it acts only the first time. Lines that are
 * empty or begin with # are nothing. Several rules for one trigger act in their order.
 *
 *   TRIGGER      start        before anything else
 *                connect      the daemon's monitor (the listening one) was connected to; before the greeting
 *                ready        capabilities are negotiated on it
 *                COMMAND      a QMP command's name: before it is carried out and answered, on any monitor
 *                serial LINE  a line came on the serial port
 *                file NAME    that file is there (once)
 *
 *   ACTION       exit STATUS [words]      ends at once, the words on standard error
 *                crash [SIGNAL]           kills itself with that signal's number (6 where none is said)
 *                hang                     does nothing any more; signals do what they do by default
 *                ignore                   of a command: answers, and has no effect (a guest that is deaf to the power
 *                                         button); of connect: no greeting
 *                refuse [words]           of a command: GenericError
 *                wait NAME                until the file is there; of a command, this monitor alone waits
 *                fork-child               leaves a child in the scope that ignores SIGTERM, SIGINT and SIGHUP and holds
 *                                         the lock
 *                flood COUNT              so many events on the daemon's monitor at once
 *                deep-json | long-line | garbage  on the daemon's monitor what no QEMU says
 *                close                    closes the daemon's monitor for good, and runs on
 *                disconnect               closes its connection alone, and listens for the next
 *                say words                on the serial port
 *                shutdown | panic | reset the guest does that
 *                pause | resume           QEMU lets the guest stand still, as where a disk is full; it goes on
 *
 * Without rules: "poweroff", "panic" and "reboot" on the serial port are what the guest does; system_powerdown makes it
 * power off; quit ends. SIGTERM, SIGINT and SIGHUP end it as QEMU ends (reason host-signal), unless they are blocked.
 *
 * With -display dbus,p2p=yes it takes clients of its display (getfd, add_client), and sends each a line in greeting
 * (fake-display.h); it writes "display client UID" then, as the kernel names it.
 *
 * The guest has no agent, unless the actions agent-open and agent-close let it come and go, and agent-hang hang. Then
 * its commands (guest-…) are triggers, too, for ignore, refuse [words], answer VALUE (any JSON), and flood (noise
 * without end). */
/* clang-format on */

#include <err.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include "fake-agent.h"
#include "fake-display.h"
#include "fake-qemu-json.h"
#include "fake-qemu-script.h"
#include "src/core/keeper-protocol.h"

#define GREETING                                                                                                       \
    "{\"QMP\": {\"version\": {\"qemu\": {\"micro\": 22, \"minor\": 2, \"major\": 7}, \"package\": \"fake\"}, "         \
    "\"capabilities\": [\"oob\"]}}\r\n"
#define LINE_MAX_BYTES 65536
#define CHARDEVS_MAX 8

typedef struct {
    const char *name;  /* in the log */
    int fd;            /* -1: nobody is connected */
    bool ready;        /* capabilities are negotiated */
    const Rule *waits; /* for its file, with the command that is the first line in the buffer */
    char buffer[LINE_MAX_BYTES];
    size_t length;
} Monitor;

static struct {
    const char *name;
    const char *uuid;
    bool running;
    int listener, serial, signals;
    Monitor qmp, keeper;
    char line[1024]; /* of the serial port, so far */
    size_t line_length;
} vm = {.running = true,
        .listener = -1,
        .serial = -1,
        .signals = -1,
        .qmp = {.name = "qmp", .fd = -1},
        .keeper = {.name = "keeper", .fd = -1}};

/* --- Saying things --- */

static void put(int fd, const char *text, size_t length)
{
    while (fd >= 0 && length > 0) {
        ssize_t n = send(fd, text, length, MSG_NOSIGNAL);
        if (n < 0 && errno != EINTR)
            return; /* whoever listened is gone */
        text += n > 0 ? n : 0;
        length -= n > 0 ? (size_t) n : 0;
    }
}

static void say(int fd, const char *format, ...) __attribute__((format(printf, 2, 3)));
static void say(int fd, const char *format, ...)
{
    char text[2048];
    va_list args;
    va_start(args, format);
    int length = vsnprintf(text, sizeof text, format, args);
    va_end(args);
    put(fd, text, (size_t) length < sizeof text ? (size_t) length : sizeof text - 1);
}

/* @data: "" or the member, comma first. */
static void send_event(const char *name, const char *data)
{
    struct timeval now;
    gettimeofday(&now, NULL);
    script_log("event %s", name);
    Monitor *const monitors[] = {&vm.qmp, &vm.keeper};
    for (size_t i = 0; i < 2; i++)
        if (monitors[i]->ready)
            say(monitors[i]->fd, "{\"timestamp\": {\"seconds\": %lld, \"microseconds\": %ld}, \"event\": \"%s\"%s}\r\n",
                (long long) now.tv_sec, (long) now.tv_usec, name, data);
}

static void answer(const Monitor *monitor, Span id, const char *value)
{
    if (id.length > 0)
        say(monitor->fd, "{\"return\": %s, \"id\": %.*s}\r\n", value, (int) id.length, id.start);
    else
        say(monitor->fd, "{\"return\": %s}\r\n", value);
}

static void answer_error(const Monitor *monitor, Span id, const char *class, const char *format, ...)
    __attribute__((format(printf, 4, 5)));
static void answer_error(const Monitor *monitor, Span id, const char *class, const char *format, ...)
{
    char words[512];
    va_list args;
    va_start(args, format);
    vsnprintf(words, sizeof words, format, args);
    va_end(args);
    if (id.length > 0)
        say(monitor->fd, "{\"id\": %.*s, \"error\": {\"class\": \"%s\", \"desc\": \"%s\"}}\r\n", (int) id.length,
            id.start, class, words);
    else
        say(monitor->fd, "{\"error\": {\"class\": \"%s\", \"desc\": \"%s\"}}\r\n", class, words);
}

/* --- What a guest, or QEMU, does --- */

static _Noreturn void end(int status)
{
    script_log("end %d", status);
    _exit(status);
}

static void send_shutdown(bool guest, const char *reason)
{
    char data[128];
    snprintf(data, sizeof data, ", \"data\": {\"guest\": %s, \"reason\": \"%s\"}", guest ? "true" : "false", reason);
    send_event("SHUTDOWN", data);
}

static _Noreturn void shut_down(bool guest, const char *reason, int status)
{
    send_shutdown(guest, reason);
    end(status);
}

static _Noreturn void panic(void)
{
    send_event("GUEST_PANICKED", ", \"data\": {\"action\": \"poweroff\"}");
    shut_down(true, "guest-panic", 1); /* as with -action panic=exit-failure */
}

/* The guest's agent comes, or goes. */
static void set_agent_open(bool open)
{
    agent_set_open(open);
    send_event("VSERPORT_CHANGE", open ? ", \"data\": {\"open\": true, \"id\": \"agent\"}"
                                       : ", \"data\": {\"open\": false, \"id\": \"agent\"}");
}

static void reset(bool guest)
{
    if (agent_is_open())
        set_agent_open(false);
    send_event("RESET", guest ? ", \"data\": {\"guest\": true, \"reason\": \"guest-reset\"}"
                              : ", \"data\": {\"guest\": false, \"reason\": \"host-qmp-system-reset\"}");
}

static void set_running(bool running)
{
    if (vm.running != running)
        send_event(running ? "RESUME" : "STOP", "");
    vm.running = running;
}

static _Noreturn void hang(void)
{
    sigset_t none;
    sigemptyset(&none);
    if (vm.signals >= 0) /* they were not blocked before we took them */
        sigprocmask(SIG_SETMASK, &none, NULL);
    for (;;)
        pause();
}

/* Out of every monitor's way, as a helper is, with nothing open but the lock. */
static void fork_child(void)
{
    if (fork() != 0)
        return;
    prctl(PR_SET_NAME, "fake-helper");
    signal(SIGTERM, SIG_IGN);
    signal(SIGINT, SIG_IGN);
    signal(SIGHUP, SIG_IGN);
    script_log("child %d", (int) getpid());
    close_range(0, BERTH_QEMU_FD_LOCK - 1, 0);
    close_range(BERTH_QEMU_FD_LOCK + 1, UINT_MAX, 0);
    for (;;)
        pause();
}

static void send_filled(const char *before, char filler, size_t count, const char *after)
{
    char *text = malloc(count);
    if (text == NULL)
        err(96, "fake-qemu");
    memset(text, filler, count);
    put(vm.qmp.fd, before, strlen(before));
    put(vm.qmp.fd, text, count);
    put(vm.qmp.fd, after, strlen(after));
    free(text);
}

static void flood(long count)
{
    for (long i = 0; i < count; i++)
        say(vm.qmp.fd,
            "{\"timestamp\": {\"seconds\": 0, \"microseconds\": %ld}, \"event\": \"RTC_CHANGE\", \"data\": "
            "{\"offset\": 0, \"qom-path\": \"/machine/unattached/device[%ld]\"}}\r\n",
            i % 1000000, i);
}

static void disconnect_qmp(void)
{
    if (vm.qmp.fd >= 0)
        close(vm.qmp.fd);
    vm.qmp.fd = -1;
    vm.qmp.ready = false;
}

static void close_qmp(void)
{
    disconnect_qmp();
    if (vm.listener >= 0)
        close(vm.listener);
    vm.listener = -1;
}

/* --- Rules --- */

static void exit_with_words(const Rule *rule)
{
    char *words;
    long status = strtol(rule->rest, &words, 10);
    words += strspn(words, " ");
    if (*words != '\0')
        fprintf(stderr, "%s\n", words);
    end((int) status);
}

/* Whoever handles it (a sanitizer) shall not. */
static void crash(int number)
{
    signal(number, SIG_DFL);
    kill(getpid(), number);
}

/* FALSE: this is no action, or one that only a command's answer has. */
static bool act(const Rule *rule)
{
    const char *action = rule->action;
    if (strcmp(action, "exit") == 0)
        exit_with_words(rule);
    else if (strcmp(action, "crash") == 0)
        crash(*rule->rest != '\0' ? atoi(rule->rest) : SIGABRT);
    else if (strcmp(action, "hang") == 0)
        hang();
    else if (strcmp(action, "fork-child") == 0)
        fork_child();
    else if (strcmp(action, "flood") == 0)
        flood(atol(rule->rest));
    else if (strcmp(action, "deep-json") == 0)
        send_filled("{\"event\": \"DEEP\", \"data\": ", '[', 100000, "\r\n");
    else if (strcmp(action, "long-line") == 0)
        send_filled("{\"event\": \"", 'L', 4 * 1024 * 1024, "\"}\r\n");
    else if (strcmp(action, "garbage") == 0)
        say(vm.qmp.fd, "\x80\xff{nonsense]\r\n");
    else if (strcmp(action, "close") == 0)
        close_qmp();
    else if (strcmp(action, "disconnect") == 0)
        disconnect_qmp();
    else if (strcmp(action, "say") == 0)
        say(vm.serial, "%s\r\n", rule->rest);
    else if (strcmp(action, "agent-open") == 0)
        set_agent_open(true);
    else if (strcmp(action, "agent-close") == 0)
        set_agent_open(false);
    else if (strcmp(action, "agent-hang") == 0)
        agent_hang();
    else if (strcmp(action, "shutdown") == 0)
        shut_down(true, "guest-shutdown", 0);
    else if (strcmp(action, "panic") == 0)
        panic();
    else if (strcmp(action, "reset") == 0)
        reset(true);
    else if (strcmp(action, "pause") == 0)
        set_running(false);
    else if (strcmp(action, "resume") == 0)
        set_running(true);
    else
        return false;
    return true;
}

static void must_act(const Rule *rule)
{
    if (!act(rule))
        errx(96, "fake-qemu: \"%s\" is nothing to do on \"%s\"", rule->action, rule->trigger);
}

/* For what is no command. Returns whether a rule says "ignore". */
static bool fire(const char *trigger)
{
    bool ignored = false;
    for (const Rule *rule = NULL; (rule = script_next(trigger, rule)) != NULL;) {
        if (strcmp(rule->action, "ignore") == 0)
            ignored = true;
        else if (strcmp(rule->action, "wait") == 0)
            script_await_file(rule->rest);
        else
            must_act(rule);
    }
    return ignored;
}

/* --- Commands --- */

typedef void (*Effect)(const Monitor *monitor, Span id);

static void do_query_status(const Monitor *monitor, Span id)
{
    answer(monitor, id,
           vm.running ? "{\"status\": \"running\", \"singlestep\": false, \"running\": true}"
                      : "{\"status\": \"paused\", \"singlestep\": false, \"running\": false}");
}

static void do_query_version(const Monitor *monitor, Span id)
{
    answer(monitor, id, "{\"qemu\": {\"micro\": 22, \"minor\": 2, \"major\": 7}, \"package\": \"fake\"}");
}

static void do_query_uuid(const Monitor *monitor, Span id)
{
    char value[128];
    snprintf(value, sizeof value, "{\"UUID\": \"%s\"}", vm.uuid);
    answer(monitor, id, value);
}

static void do_query_chardev(const Monitor *monitor, Span id)
{
    answer(monitor, id,
           agent_is_open() ? "[{\"label\": \"qmp\", \"frontend-open\": true}, {\"label\": \"agent\", "
                             "\"frontend-open\": true}]"
                           : "[{\"label\": \"qmp\", \"frontend-open\": true}, {\"label\": \"agent\", "
                             "\"frontend-open\": false}]");
}

static void do_stop(const Monitor *monitor, Span id)
{
    set_running(false);
    answer(monitor, id, "{}");
}

static void do_cont(const Monitor *monitor, Span id)
{
    set_running(true);
    answer(monitor, id, "{}");
}

static void do_powerdown(const Monitor *monitor, Span id)
{
    send_event("POWERDOWN", "");
    answer(monitor, id, "{}");
    if (vm.running)
        shut_down(true, "guest-shutdown", 0);
}

static void do_reset(const Monitor *monitor, Span id)
{
    reset(false);
    answer(monitor, id, "{}");
}

static void do_quit(const Monitor *monitor, Span id)
{
    send_shutdown(false, "host-qmp-quit");
    answer(monitor, id, "{}");
    end(0);
}

static const struct {
    const char *name;
    Effect effect;
} commands[] = {
    {"query-status", do_query_status},
    {"query-version", do_query_version},
    {"query-chardev", do_query_chardev},
    {"query-uuid", do_query_uuid},
    {"stop", do_stop},
    {"cont", do_cont},
    {"system_powerdown", do_powerdown},
    {"system_reset", do_reset},
    {"quit", do_quit},
};

static Effect find_effect(Span name)
{
    for (size_t i = 0; i < sizeof commands / sizeof *commands; i++)
        if (span_is(name, commands[i].name))
            return commands[i].effect;
    return NULL;
}

static void do_capabilities(Monitor *monitor, const Command *command)
{
    if (monitor->ready) {
        answer_error(monitor, command->id, "CommandNotFound",
                     "Capabilities negotiation is already complete, command ignored");
        return;
    }
    monitor->ready = true;
    answer(monitor, command->id, "{}");
    if (monitor == &vm.qmp)
        fire("ready");
}

static const char *const POWERDOWN = "system_powerdown";

/* The guest never hears of it, but QEMU says that it was asked. */
static void do_nothing(const Monitor *monitor, const Command *command)
{
    if (span_is(command->execute, POWERDOWN))
        send_event("POWERDOWN", "");
    answer(monitor, command->id, "{}");
}

/* The two that have arguments. FALSE: it is none of them. */
static bool carry_out_display(const Monitor *monitor, const Command *command)
{
    char protocol[64], name[64];
    snprintf(protocol, sizeof protocol, "%.*s", (int) command->protocol.length, command->protocol.start);
    snprintf(name, sizeof name, "%.*s", (int) command->fdname.length, command->fdname.start);
    const char *refusal;
    if (span_is(command->execute, "getfd"))
        refusal = display_getfd(name);
    else if (span_is(command->execute, "add_client"))
        refusal = display_add_client(protocol, name);
    else
        return false;
    if (refusal != NULL)
        answer_error(monitor, command->id, "GenericError", "%s", refusal);
    else
        answer(monitor, command->id, "{}");
    return true;
}

static void carry_out(Monitor *monitor, const Command *command)
{
    Effect effect = find_effect(command->execute);
    const int length = (int) command->execute.length;
    if (span_is(command->execute, "qmp_capabilities"))
        do_capabilities(monitor, command);
    else if (!monitor->ready)
        answer_error(monitor, command->id, "CommandNotFound",
                     "Expecting capabilities negotiation with 'qmp_capabilities'");
    else if (carry_out_display(monitor, command))
        return;
    else if (effect == NULL)
        answer_error(monitor, command->id, "CommandNotFound", "The command %.*s has not been found", length,
                     command->execute.start);
    else if (command->argument.length > 0)
        answer_error(monitor, command->id, "GenericError", "Parameter '%.*s' is unexpected",
                     (int) command->argument.length, command->argument.start);
    else
        effect(monitor, command->id);
}

/* The rules for a command, after @last. FALSE: it has to wait. */
static bool run_command(Monitor *monitor, const Command *command, const Rule *last)
{
    char name[128];
    snprintf(name, sizeof name, "%.*s", (int) command->execute.length, command->execute.start);
    for (const Rule *rule = last; (rule = script_next(name, rule)) != NULL;) {
        if (strcmp(rule->action, "wait") == 0) {
            if (!script_file_exists(rule->rest)) {
                monitor->waits = rule;
                return false;
            }
        } else if (strcmp(rule->action, "ignore") == 0) {
            do_nothing(monitor, command);
            return true;
        } else if (strcmp(rule->action, "refuse") == 0) {
            answer_error(monitor, command->id, "GenericError", "%s", *rule->rest != '\0' ? rule->rest : "scripted");
            return true;
        } else {
            must_act(rule);
        }
    }
    carry_out(monitor, command);
    return true;
}

static bool run_line(Monitor *monitor, const char *line)
{
    Command command;
    const Rule *last = monitor->waits;
    if (last != NULL && !script_file_exists(last->rest))
        return false;
    monitor->waits = NULL;
    if (!command_parse(line, &command)) {
        answer_error(monitor, (Span){0}, "GenericError", "JSON parse error, invalid input");
        return true;
    }
    if (last == NULL)
        script_log("%s %.*s", monitor->name, (int) command.execute.length, command.execute.start);
    if (command.unknown.length > 0)
        answer_error(monitor, command.id, "GenericError", "QMP input member '%.*s' is unexpected",
                     (int) command.unknown.length, command.unknown.start);
    else if (command.execute.start == NULL)
        answer_error(monitor, command.id, "GenericError", "QMP input lacks member 'execute'");
    else
        return run_command(monitor, &command, last);
    return true;
}

/* Whole lines, as far as none has to wait. */
static void run_lines(Monitor *monitor)
{
    char *newline;
    while (monitor->fd >= 0 && (newline = memchr(monitor->buffer, '\n', monitor->length)) != NULL) {
        *newline = '\0';
        if (!run_line(monitor, monitor->buffer)) {
            *newline = '\n';
            return;
        }
        size_t taken = (size_t) (newline - monitor->buffer) + 1;
        memmove(monitor->buffer, newline + 1, monitor->length - taken);
        monitor->length -= taken;
    }
}

/* --- Descriptors --- */

static void read_monitor(Monitor *monitor)
{
    ssize_t n =
        display_receive(monitor->fd, monitor->buffer + monitor->length, sizeof monitor->buffer - monitor->length);
    if (n <= 0) {
        close(monitor->fd);
        *monitor = (Monitor){.name = monitor->name, .fd = -1};
        return;
    }
    monitor->length += (size_t) n;
    run_lines(monitor);
    if (monitor->length == sizeof monitor->buffer && monitor->waits == NULL)
        errx(96, "fake-qemu: a command of more than %d bytes", LINE_MAX_BYTES);
}

/* One client at a time, as QEMU's chardev has it: the next waits in the backlog. */
static void accept_client(void)
{
    vm.qmp.fd = accept4(vm.listener, NULL, NULL, SOCK_CLOEXEC);
    if (vm.qmp.fd >= 0 && !fire("connect"))
        say(vm.qmp.fd, GREETING);
}

static void serial_line(const char *line)
{
    char trigger[1100];
    script_log("serial %s", line);
    snprintf(trigger, sizeof trigger, "serial %s", line);
    Rule *rule = script_next(trigger, NULL);
    if (rule != NULL)
        must_act(rule);
    else if (strcmp(line, "poweroff") == 0)
        shut_down(true, "guest-shutdown", 0);
    else if (strcmp(line, "panic") == 0)
        panic();
    else if (strcmp(line, "reboot") == 0)
        reset(true);
}

static void read_serial(void)
{
    char bytes[4096];
    ssize_t n = read(vm.serial, bytes, sizeof bytes);
    if (n <= 0) {
        close(vm.serial);
        vm.serial = -1;
        return;
    }
    put(vm.serial, bytes, (size_t) n);
    for (ssize_t i = 0; i < n; i++) {
        if (bytes[i] != '\n' && bytes[i] != '\r') {
            vm.line[vm.line_length] = bytes[i];
            vm.line_length += vm.line_length < sizeof vm.line - 1 ? 1 : 0;
            continue;
        }
        vm.line[vm.line_length] = '\0';
        if (vm.line_length > 0)
            serial_line(vm.line);
        vm.line_length = 0;
    }
}

static void files_changed(void)
{
    script_watch_drain();
    for (const Rule *rule; (rule = script_next_file()) != NULL;)
        must_act(rule);
    run_lines(&vm.qmp);
    run_lines(&vm.keeper);
}

static int unless_waiting(const Monitor *monitor)
{
    return monitor->waits == NULL ? monitor->fd : -1;
}

/* poll() passes over descriptors of -1. */
static void turn(void)
{
    struct pollfd fds[] = {
        {.fd = vm.signals, .events = POLLIN},
        {.fd = script_watch_fd(), .events = POLLIN},
        {.fd = vm.qmp.fd < 0 ? vm.listener : -1, .events = POLLIN},
        {.fd = unless_waiting(&vm.qmp), .events = POLLIN},
        {.fd = unless_waiting(&vm.keeper), .events = POLLIN},
        {.fd = vm.serial, .events = POLLIN},
        agent_poll(),
    };
    if (poll(fds, sizeof fds / sizeof *fds, -1) < 0 && errno != EINTR)
        err(96, "fake-qemu: poll");
    if (fds[0].revents != 0)
        shut_down(false, "host-signal", 0);
    if (fds[1].revents != 0)
        files_changed();
    if (fds[2].revents != 0)
        accept_client();
    if (fds[3].revents != 0 && vm.qmp.fd >= 0)
        read_monitor(&vm.qmp);
    if (fds[4].revents != 0 && vm.keeper.fd >= 0)
        read_monitor(&vm.keeper);
    if (fds[5].revents != 0 && vm.serial >= 0)
        read_serial();
    if (fds[6].revents != 0 && agent_turn()) {
        set_agent_open(false);
        shut_down(true, "guest-shutdown", 0);
    }
}

/* --- Arguments --- */

typedef struct {
    char id[64];
    int fd;
    bool server;
} Chardev;

static Chardev chardevs[CHARDEVS_MAX];
static int n_chardevs;

static void add_chardev(const char *value)
{
    if (n_chardevs == CHARDEVS_MAX)
        errx(1, "fake-qemu: too many -chardev");
    Chardev *chardev = &chardevs[n_chardevs++];
    if (sscanf(value, "socket,id=%63[^,],fd=%d", chardev->id, &chardev->fd) != 2 || fcntl(chardev->fd, F_GETFD) < 0)
        errx(1, "-chardev %s: not a socket with an open descriptor", value);
    chardev->server = strstr(value, ",server=on") != NULL;
    fcntl(chardev->fd, F_SETFD, FD_CLOEXEC);
}

static const Chardev *find_chardev(const char *value, const char *prefix)
{
    const size_t length = strlen(prefix);
    for (int i = 0; i < n_chardevs && strncmp(value, prefix, length) == 0; i++) {
        const size_t id = strlen(chardevs[i].id);
        if (strncmp(value + length, chardevs[i].id, id) == 0 && strchr(",", value[length + id]) != NULL)
            return &chardevs[i];
    }
    errx(1, "fake-qemu: \"%s\" names no chardev", value);
}

static void add_monitor(const char *value)
{
    const Chardev *chardev = find_chardev(value, "chardev=");
    if (chardev->server) {
        vm.listener = chardev->fd;
        listen(vm.listener, 1); /* as QEMU does, whatever whoever made it said before */
    } else {
        vm.keeper.fd = chardev->fd;
    }
}

static void take_option(const char *option, const char *value)
{
    if (strcmp(option, "-chardev") == 0)
        add_chardev(value);
    else if (strcmp(option, "-mon") == 0)
        add_monitor(value);
    else if (strcmp(option, "-device") == 0 && strstr(value, "\"org.qemu.guest_agent.0\"") != NULL)
        agent_listen(find_chardev("agent", "")->fd);
    else if (strcmp(option, "-serial") == 0)
        vm.serial = find_chardev(value, "chardev:")->fd;
    else if (strcmp(option, "-display") == 0)
        display_set_on(strcmp(value, "dbus,p2p=yes") == 0);
    else if (strcmp(option, "-name") == 0)
        vm.name = value;
    else if (strcmp(option, "-uuid") == 0)
        vm.uuid = value;
}

/* Whatever is no option with a value is passed over: what QEMU makes of the rest is for the real one to say. */
static void take_arguments(int argc, char **argv)
{
    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "-S") == 0)
            vm.running = false;
        else if (i + 1 < argc)
            take_option(argv[i], argv[i + 1]);
    }
    if (vm.name == NULL || vm.uuid == NULL)
        errx(1, "fake-qemu: -name and -uuid are needed");
}

/* As QEMU: a signal that was blocked by who started it stays so. */
static void take_signals(void)
{
    const int wanted[] = {SIGTERM, SIGINT, SIGHUP};
    sigset_t blocked, taken;
    sigprocmask(SIG_SETMASK, NULL, &blocked);
    sigemptyset(&taken);
    for (size_t i = 0; i < sizeof wanted / sizeof *wanted; i++)
        if (!sigismember(&blocked, wanted[i]))
            sigaddset(&taken, wanted[i]);
    sigprocmask(SIG_BLOCK, &taken, NULL);
    if (!sigisemptyset(&taken))
        vm.signals = signalfd(-1, &taken, SFD_CLOEXEC);
}

int main(int argc, char **argv)
{
    char directory[PATH_MAX];
    take_arguments(argc, argv);
    const char *slash = strrchr(argv[0], '/');
    snprintf(directory, sizeof directory, "%.*s", slash != NULL ? (int) (slash - argv[0]) : 1,
             slash != NULL ? argv[0] : ".");
    script_load(directory, vm.name);
    script_log("start %d", (int) getpid());
    fire("start");
    take_signals();
    if (vm.keeper.fd >= 0)
        say(vm.keeper.fd, GREETING);
    for (files_changed();;)
        turn();
}
