/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <gio/gio.h>

/* A client of QEMU's display, as others write them: the picture as QEMU tells of it, keyboard and pointer. Waits are as in
 * client.h. */

typedef struct Screen Screen;

/* On a stream of OpenDisplay (transfer full), with a listener. */
Screen *screen_new(int stream);
void screen_free(Screen *screen);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Screen, screen_free)

/* Waits until the picture is this large, and each of its points is of that colour (0xRRGGBB). */
void screen_await_filled(Screen *screen, guint width, guint height, guint32 colour);
/* Waits until the pointer is absolute: the guest has found its tablet. */
void screen_await_absolute(Screen *screen);
/* Waits until QEMU has closed the connection, or that of the pictures. */
void screen_await_closed(Screen *screen);
void screen_await_pictures_end(Screen *screen);

/* Presses keys and lets them go, one after the other. @codes: as QEMU numbers them, which is as an XT keyboard did; ends with 0 */
void screen_type(Screen *screen, const guint8 *codes);
/* Puts the pointer there and clicks. */
void screen_click(Screen *screen, guint x, guint y);
