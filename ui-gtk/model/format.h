/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>

/* Figures as a person reads and types them, translated. All are (transfer full). */

/* "512 MiB", "1.5 GiB": what was given as a power of two is shown so. */
char *berth_ui_format_bytes(guint64 bytes);
/**
 * berth_ui_parse_bytes:
 * @text: as a person types it: a number, and a unit that begins with K, M, G or T
 * @unit: bytes in one, where @text names none
 *
 * Returns: FALSE where @text is no size
 */
gboolean berth_ui_parse_bytes(const char *text, guint64 unit, guint64 *bytes);
/* @usec: µs. The two largest units of it: "2 hours 5 minutes", "12 seconds" */
char *berth_ui_format_span(guint64 usec);
/* @usec: µs since the epoch. "3 May 2026, 14:05" in the user's own form; "" for 0 */
char *berth_ui_format_time(guint64 usec);
/* The same to the second, and without the date where it is today's: "14:05:09" */
char *berth_ui_format_moment(guint64 usec);
