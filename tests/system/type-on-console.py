#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""type-on-console.py COMMAND... - runs berthctl console on a terminal of its own: types a line, reads what the guest makes
of it, and leaves by ^]. Ends with COMMAND's exit status."""

import os
import pty
import select
import sys
import time

DEADLINE = time.monotonic() + 300


def await_text(terminal, text):
    shown = b""
    while text not in shown:
        left = DEADLINE - time.monotonic()
        if left <= 0 or not select.select([terminal], [], [], left)[0]:
            sys.exit(f"{text!r} has not come, but {shown!r}")
        try:
            shown += os.read(terminal, 4096)
        except OSError:  # the other end is closed
            sys.exit(f"The terminal was closed before {text!r}, after {shown!r}")


pid, terminal = pty.fork()
if pid == 0:
    os.execvp(sys.argv[1], sys.argv[1:])
await_text(terminal, b"Press ^] to leave.")
os.write(terminal, b"echo typed here\r")
# The guest's own echo of the keys begins a line otherwise.
await_text(terminal, b"\ntyped here")
os.write(terminal, b"\x1d")
await_text(terminal, b"Left the console of")
sys.exit(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))
