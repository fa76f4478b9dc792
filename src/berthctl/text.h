/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>

/* Words and numbers for a terminal. Strings returned are (transfer full) unless they are const. */

/* @text without what a terminal would obey: control characters come as \x1b. What others can name (VMs' descriptions,
 * files in a blocker, the daemon's error texts) passes here before it is printed. */
char *ctl_printable(const char *text);

/* How many columns of a terminal @text takes: half of Asia's letters are two wide. */
guint ctl_columns(const char *text);

/* "berthctl: <message>" on standard error, made printable. */
void ctl_say_error(const char *message);

/* "Can't start web: It is being removed" */
char *ctl_with_reason(const char *what, const char *why);

/* "512M", "1.5G": powers of 1024, as systemctl writes sizes. */
char *ctl_format_bytes(guint64 bytes);
/* At most two units: "2h 3min", "41s". */
char *ctl_format_span(guint64 usec);
/* µs since the epoch, in local time: "Mon 2026-11-23 02:39:57 UTC". */
char *ctl_format_time(guint64 usec);
/* Now: "02:39:57" */
char *ctl_format_clock(void);
/* "3min 20s ago" */
char *ctl_format_ago(guint64 usec);

/* The colour's escape sequence, or "" where standard output is no terminal that wants colours (NO_COLOR, TERM=dumb). */
const char *ctl_colour_of_state(const char *state);
const char *ctl_colour_header(void);
const char *ctl_colour_error(void);
/* What ends @colour: "" where that is "". */
const char *ctl_colour_end(const char *colour);

/* "removing (deleting)", else the state alone. */
char *ctl_describe_state(const char *state, const char *phase);
