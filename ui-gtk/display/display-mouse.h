/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <gio/gio.h>

/* The mouse that QEMU gives its guest: it is put somewhere or moved by some way, whichever the guest takes, and not faster
 * than QEMU takes it. Nothing that QEMU says of it is trusted. */

typedef struct BerthUiDisplayMouse BerthUiDisplayMouse;

/**
 * berth_ui_display_mouse_new:
 * @connection: to QEMU
 * @cancellable: of all that is under way: it has to be cancelled before the mouse is freed
 * @changed: whether it can be put somewhere is otherwise now; the mouse may be freed meanwhile
 *
 * Asks what kind of mouse it is.
 */
BerthUiDisplayMouse *berth_ui_display_mouse_new(GDBusConnection *connection, GCancellable *cancellable,
                                                void (*changed)(gpointer data), gpointer data);
void berth_ui_display_mouse_free(BerthUiDisplayMouse *mouse);

/* @values: a{sv}: QEMU's properties of it, some of them. @changed may be called. */
void berth_ui_display_mouse_take_properties(BerthUiDisplayMouse *mouse, GVariant *values);

gboolean berth_ui_display_mouse_is_absolute(const BerthUiDisplayMouse *mouse);

/* As berth_ui_display_peer_button() and its like. */
void berth_ui_display_mouse_button(BerthUiDisplayMouse *mouse, guint button, gboolean pressed);
void berth_ui_display_mouse_move_to(BerthUiDisplayMouse *mouse, guint x, guint y);
void berth_ui_display_mouse_move_by(BerthUiDisplayMouse *mouse, int x, int y);
