/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "keeper.h"

#include <errno.h>
#include <fcntl.h>
#include <stddef.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/signalfd.h>
#include <sys/wait.h>
#include <unistd.h>

#include "../core/keeper-protocol.h"
#include "bounded-log.h"
#include "console.h"
#include "journal.h"
#include "lines.h"
#include "loop.h"
#include "memory-events.h"
#include "monitor.h"
#include "record.h"

#define QUIT_MS (BERTH_KEEPER_QUIT_SEC * 1000) /* from `quit` to SIGKILL: QEMU flushes its disks meanwhile */
#define DRAIN_MAX 1024

/* How far a stop has come. */
enum stage {
    STAGE_NONE,
    STAGE_POWERDOWN, /* the guest was asked */
    STAGE_QUIT,      /* QEMU was */
    STAGE_KILL,      /* nobody was */
};

/* One process, one VM: static, so that all its memory is known at the start. */
static struct {
    struct loop loop;
    struct source signals;
    struct source errors;
    struct monitor monitor;
    struct console console;
    struct bounded_log log;
    struct lines lines;
    char words[LINE_MAX_BYTES + 1];
    pid_t qemu;
    int memory_events;
    int64_t shutdown_ms;
    int64_t patience_end; /* of a guest that was asked to power down, as loop_now() has it */
    enum stage stage;
    bool requested;
    bool ended;
    int wait_status;
} keeper;

/* QEMU can't be another process by now: it is our child, and only we reap it. */
static void on_quit_expired(struct loop *loop)
{
    journal_say(JOURNAL_WARNING, "QEMU does not quit: it is killed");
    keeper.stage = STAGE_KILL;
    kill(keeper.qemu, SIGKILL);
}

static void quit(void)
{
    keeper.stage = STAGE_QUIT;
    monitor_ask(&keeper.monitor, MONITOR_QUIT);
    loop_set_deadline(&keeper.loop, QUIT_MS, on_quit_expired);
}

/* After systemd's stop, QEMU ends whatever the guest does. Where the guest alone was asked, it runs on, and is no more likely to
 * end than any other: how it does is not what was asked for. */
static void on_patience_over(void)
{
    if (keeper.stage == STAGE_POWERDOWN) {
        journal_say(JOURNAL_WARNING, "The guest does not power down in time: QEMU is told to quit");
        quit();
    } else {
        journal_say(JOURNAL_WARNING, "The guest does not power down in time: it runs on");
        keeper.requested = false;
    }
}

/* Who is paused hears no power button: it goes on, as systemd thaws what it stops. */
static void press_power_button(void)
{
    if (keeper.monitor.paused)
        monitor_ask(&keeper.monitor, MONITOR_CONTINUE);
    monitor_ask(&keeper.monitor, MONITOR_POWERDOWN);
}

static void await_powerdown(void);

static void on_still_up(struct loop *loop)
{
    if (loop_now() >= keeper.patience_end) {
        on_patience_over();
        return;
    }
    press_power_button();
    await_powerdown();
}

static void await_powerdown(void)
{
    const int64_t left = keeper.patience_end - loop_now();
    const int64_t part = keeper.shutdown_ms / BERTH_BUTTON_PAUSE_PART;
    const int64_t pause = part < BERTH_BUTTON_PAUSE_SEC * 1000 ? part : BERTH_BUTTON_PAUSE_SEC * 1000;

    loop_set_deadline(&keeper.loop, pause < left ? pause : left, on_still_up);
}

static void ask_to_power_down(void)
{
    keeper.requested = true;
    journal_say(JOURNAL_NOTICE, "The guest is asked to power down%s",
                keeper.monitor.paused ? ", and goes on for that" : "");
    press_power_button();
}

static void give_it_time(void)
{
    keeper.patience_end = loop_now() + keeper.shutdown_ms;
    await_powerdown();
}

static void on_sigterm(void)
{
    if (keeper.stage == STAGE_NONE) {
        keeper.stage = STAGE_POWERDOWN;
        ask_to_power_down();
        give_it_time();
    } else if (keeper.stage == STAGE_POWERDOWN) {
        journal_say(JOURNAL_NOTICE, "Asked to stop a second time: QEMU is told to quit");
        quit();
    }
}

/* What machined's `poweroff` sends: nothing follows it, so that a guest that is deaf to it just runs on. */
static void on_machined_poweroff(void)
{
    ask_to_power_down();
    if (keeper.stage == STAGE_NONE)
        give_it_time();
}

/* The daemon watches the exit record's file, which is as empty as before: it looks into QEMU's state then. Another change
 * is not ours to make, as the file is not our user's. */
static void tell_daemon(void)
{
    (void) !ftruncate(BERTH_KEEPER_FD_EXIT, 0);
}

/* Somebody has stopped it, or lets it go on. */
static void on_qemu_changed(int wait_status)
{
    if (WIFSTOPPED(wait_status)) {
        tell_daemon();
        journal_say(JOURNAL_WARNING, "QEMU was stopped by signal %d (%s): the guest stands still",
                    WSTOPSIG(wait_status), strsignal(WSTOPSIG(wait_status)));
    } else if (WIFCONTINUED(wait_status)) {
        tell_daemon();
        journal_say(JOURNAL_NOTICE, "QEMU goes on");
    } else {
        keeper.ended = true;
        keeper.wait_status = wait_status;
    }
}

static void reap(void)
{
    int wait_status;

    /* Others are helpers that QEMU forked and that outlived their parent. */
    for (pid_t pid; (pid = waitpid(-1, &wait_status, WNOHANG | WUNTRACED | WCONTINUED)) > 0;)
        if (pid == keeper.qemu)
            on_qemu_changed(wait_status);
}

static void on_signal(uint32_t number)
{
    if (number == SIGCHLD) {
        reap();
    } else if (number == SIGTERM) {
        on_sigterm();
    } else if (number == SIGINT) {
        journal_say(JOURNAL_NOTICE, "The guest is reset");
        monitor_ask(&keeper.monitor, MONITOR_RESET);
    } else if (number == (uint32_t) SIGRTMIN + BERTH_SIGNAL_MACHINED_POWEROFF) {
        on_machined_poweroff();
    }
}

static void on_signals(struct source *source, uint32_t events)
{
    struct signalfd_siginfo info;

    if (read(source->fd, &info, sizeof info) == sizeof info)
        on_signal(info.ssi_signo);
}

static void on_error_line(const char *text, void *data)
{
    strcpy(keeper.words, text);
    static struct journal_limit limit;

    journal_send_limited(&limit, "berth-qemu", JOURNAL_WARNING, text);
}

/* Whether there may be more. */
static bool read_errors(void)
{
    char buffer[2048];
    ssize_t n = read(keeper.errors.fd, buffer, sizeof buffer);

    if (n < 0 && (errno == EAGAIN || errno == EINTR))
        return false;
    if (n <= 0) {
        loop_close(&keeper.loop, &keeper.errors);
        return false;
    }
    bounded_log_write(&keeper.log, buffer, (size_t) n);
    lines_push(&keeper.lines, buffer, (size_t) n);
    return true;
}

static void on_errors(struct source *source, uint32_t events)
{
    read_errors();
}

static void drain(void)
{
    for (int i = 0; i < DRAIN_MAX && keeper.errors.fd >= 0 && read_errors(); i++)
        ;
    lines_end(&keeper.lines);
    console_drain(&keeper.console);
    monitor_drain(&keeper.monitor);
}

static bool write_record(void)
{
    const struct record record = {
        .wait_status = keeper.wait_status,
        .reason = keeper.monitor.reason,
        .panicked = keeper.monitor.panicked,
        .oom_killed = memory_events_tell_oom(keeper.memory_events),
        .requested = keeper.requested,
        .words = keeper.words,
    };
    const bool written = record_write(BERTH_KEEPER_FD_EXIT, &record);

    if (!written)
        journal_say(JOURNAL_ERROR, "The exit record can't be written: %s", strerror(errno));
    return written;
}

static bool init(const struct qemu_child *child, const struct options *options)
{
    sigset_t set;

    qemu_child_signals(&set);
    sigaddset(&set, SIGCHLD);
    keeper.qemu = child->pid;
    keeper.memory_events = memory_events_open();
    keeper.shutdown_ms = (int64_t) options->shutdown_timeout * 1000;
    keeper.signals = (struct source){.fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK), .ready = on_signals};
    keeper.errors = (struct source){.fd = child->errors, .ready = on_errors};
    keeper.lines.line = on_error_line;
    bounded_log_init(&keeper.log, BERTH_KEEPER_FD_QEMU, BERTH_KEEPER_FD_QEMU_OLD);
    return keeper.signals.fd >= 0 && fcntl(child->errors, F_SETFL, O_NONBLOCK) == 0 && loop_init(&keeper.loop) &&
           loop_watch(&keeper.loop, &keeper.signals, EPOLLIN) && loop_watch(&keeper.loop, &keeper.errors, EPOLLIN) &&
           monitor_init(&keeper.monitor, &keeper.loop, child->monitor) &&
           console_init(&keeper.console, &keeper.loop, child->serial, BERTH_KEEPER_FD_CONSOLE);
}

bool keeper_run(const struct qemu_child *child, const struct options *options)
{
    bool fine = init(child, options);

    while (fine && !keeper.ended)
        fine = loop_turn(&keeper.loop);
    if (!fine) {
        journal_say(JOURNAL_ERROR, "The keeper failed: %s; QEMU runs on without it", strerror(errno));
        return false;
    }
    /* Before the record, since QEMU's last words and events belong into it; the record before what may still take
     * time, so that it is there as soon as can be. */
    drain();
    return write_record();
}
