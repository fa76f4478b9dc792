/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "terminal.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

int ctl_terminal_make_raw(CtlTerminal *terminal)
{
    if (isatty(STDIN_FILENO)) {
        struct termios raw;
        if (tcgetattr(STDIN_FILENO, &terminal->saved) < 0)
            return -errno;
        raw = terminal->saved;
        cfmakeraw(&raw);
        if (tcsetattr(STDIN_FILENO, TCSANOW, &raw) < 0)
            return -errno;
        terminal->is_raw = TRUE;
    }
    int flags = fcntl(STDOUT_FILENO, F_GETFL);
    if (flags < 0)
        return -errno;
    if ((flags & O_NONBLOCK) == 0) {
        if (fcntl(STDOUT_FILENO, F_SETFL, flags | O_NONBLOCK) < 0)
            return -errno;
        terminal->saved_flags = flags;
    }
    return 0;
}

void ctl_terminal_restore(CtlTerminal *terminal)
{
    if (terminal->is_raw)
        tcsetattr(STDIN_FILENO, TCSANOW, &terminal->saved);
    terminal->is_raw = FALSE;
    if (terminal->saved_flags >= 0)
        fcntl(STDOUT_FILENO, F_SETFL, terminal->saved_flags);
    terminal->saved_flags = -1;
}
