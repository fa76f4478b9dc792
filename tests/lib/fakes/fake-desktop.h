/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <gio/gio.h>

/* The desktop's notification service, as GLib speaks to it, on the session bus. Without one, GLib warns of the first
 * notification, which ends a test: any window that loses the focus has something to tell. */

void fake_desktop_begin(void);
void fake_desktop_end(void);
/* What the desktop shows: id → a{sv}. (transfer none) */
GHashTable *fake_desktop_shown(void);
