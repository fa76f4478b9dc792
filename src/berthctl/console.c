/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <errno.h>
#include <fcntl.h>
#include <glib/gi18n.h>
#include <signal.h>
#include <stdio.h>

#include "../core/autofd.h"
#include "../core/names.h"
#include "agent.h"
#include "observer.h"
#include "options.h"
#include "relay.h"
#include "terminal.h"
#include "text.h"

/* As telnet, virsh and many others have it: ^] */
#define ESCAPE 0x1d

typedef struct {
    sd_event *event;
    gboolean is_terminal;
    int signal; /* that ended it, 0 for none */
    int error;  /* negative errno */
} Console;

static gsize look_for_escape(const char *bytes, gsize length, gpointer data)
{
    Console *console = data;
    const char *escape = console->is_terminal ? memchr(bytes, ESCAPE, length) : NULL;
    if (escape == NULL)
        return length;
    sd_event_exit(console->event, 0);
    return (gsize) (escape - bytes);
}

/* No more input: of a terminal it means that it is gone; a script that has said all may still want to read. A guest
 * that takes no more is told by the other direction. */
static void on_input_ended(int error, gpointer data)
{
    Console *console = data;
    if (console->is_terminal && error != -EPIPE && error != -ECONNRESET)
        sd_event_exit(console->event, 0);
}

static void on_output_ended(int error, gpointer data)
{
    Console *console = data;
    if (error != -ECONNRESET)
        console->error = error;
    sd_event_exit(console->event, 0);
}

static int on_signal(sd_event_source *source, const struct signalfd_siginfo *info, void *data)
{
    Console *console = data;
    console->signal = (int) info->ssi_signo;
    return sd_event_exit(console->event, 0);
}

/* Before the terminal is touched: none of these can end us while it is raw. */
static int catch_signals(Console *console)
{
    static const int signals[] = {SIGINT, SIGTERM, SIGHUP, SIGQUIT};
    signal(SIGPIPE, SIG_IGN);
    for (gsize i = 0; i < G_N_ELEMENTS(signals); i++) {
        int r = sd_event_add_signal(console->event, NULL, signals[i] | SD_EVENT_SIGNAL_PROCMASK, on_signal, console);
        if (r < 0)
            return r;
    }
    return 0;
}

/* @taken: closed at the end. Nothing of the terminal or of signals is changed any more when this returns. */
static int relay(Console *console, int taken)
{
    static const CtlRelayHandler input = {look_for_escape, on_input_ended}, output = {NULL, on_output_ended};
    BERTH_AUTOFD stream = taken;
    /* A descriptor can be polled for one purpose only. */
    BERTH_AUTOFD writer = fcntl(stream, F_DUPFD_CLOEXEC, 0);
    if (writer < 0 || fcntl(stream, F_SETFL, O_RDWR | O_NONBLOCK) < 0)
        return -errno;

    g_autoptr(sd_event) event = NULL;
    g_auto(CtlTerminal) terminal = CTL_TERMINAL_INIT;
    g_autoptr(CtlRelay) to_guest = NULL;
    g_autoptr(CtlRelay) from_guest = NULL;
    int r = sd_event_new(&event);
    console->event = event;
    if (r >= 0)
        r = catch_signals(console);
    if (r >= 0)
        r = ctl_terminal_make_raw(&terminal);
    if (r >= 0)
        r = ctl_relay_new(event, STDIN_FILENO, writer, &input, console, &to_guest);
    if (r >= 0)
        r = ctl_relay_new(event, stream, STDOUT_FILENO, &output, console, &from_guest);
    if (r >= 0)
        r = sd_event_loop(event);
    return r < 0 ? r : console->error;
}

static CtlStatus converse(Ctl *ctl, const char *name, int stream)
{
    Console console = {.is_terminal = isatty(STDIN_FILENO)};
    if (console.is_terminal)
        fprintf(stderr, _("Connected to the console of %s. Press ^] to leave.\n"), name);
    int r = relay(&console, stream);
    if (console.is_terminal && console.signal != SIGHUP)
        fprintf(stderr, _("\nLeft the console of %s.\n"), name);
    /* It does to us what it would have done, now that the terminal is as it was. */
    if (console.signal != 0)
        raise(console.signal);
    return r < 0 ? ctl_fail(ctl, r, &SD_BUS_ERROR_NULL, _("Can't show the console of %s"), name) : CTL_OK;
}

CtlStatus ctl_run_console(Ctl *ctl, const CtlCommand *command, int argc, char **argv)
{
    g_auto(GStrv) names = ctl_parse(ctl, command, NULL, 1, 1, argc, argv);
    if (names == NULL)
        return CTL_USAGE;
    CtlStatus status = ctl_connect(ctl, TRUE);
    if (status != CTL_OK)
        return status;
    g_auto(sd_bus_error) error = SD_BUS_ERROR_NULL;
    int stream = -1;
    int r = ctl_open(ctl, names[0], "OpenConsole", g_variant_new_parsed("(@a{sv} {},)"), &stream, &error);
    if (r < 0)
        return ctl_fail(ctl, r, &error, _("Can't open the console of %s"), names[0]);
    /* The stream needs no bus; and no agent may fight for the terminal. */
    ctl_disconnect(ctl);
    return converse(ctl, names[0], stream);
}
