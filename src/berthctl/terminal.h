/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>
#include <termios.h>

/* The terminal on standard input, in raw mode for a while. All is as before after ctl_terminal_restore(), which may be
 * called at any time and more than once. */
typedef struct {
    gboolean is_raw;
    struct termios saved;
    int saved_flags; /* of standard output, -1 where they are untouched */
} CtlTerminal;

#define CTL_TERMINAL_INIT                                                                                              \
    {                                                                                                                  \
        .saved_flags = -1                                                                                              \
    }

/* Raw mode where standard input is a terminal; standard output does not block, so that one that takes nothing (^S, a
 * window that hangs) does not keep keys and signals from being seen. Returns 0 or a negative errno. */
int ctl_terminal_make_raw(CtlTerminal *terminal);
void ctl_terminal_restore(CtlTerminal *terminal);
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(CtlTerminal, ctl_terminal_restore)
