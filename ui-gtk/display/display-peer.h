/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "display-frame.h"

/* The display of one run of a VM: QEMU, at the other end of the descriptor that OpenDisplay brings. It and its
 * mouse alone know QEMU's own D-Bus interface, org.qemu.Display1; nothing of it is trusted. Knows no widgets.
 *
 * Signals: "frame-changed" where there is another picture, of another size perhaps; "cursor-changed" where its
 * pointer may look otherwise; "closed", once, when it is of no more use: berth_ui_display_peer_get_problem() says
 * why. */

#define BERTH_UI_TYPE_DISPLAY_PEER (berth_ui_display_peer_get_type())
G_DECLARE_FINAL_TYPE(BerthUiDisplayPeer, berth_ui_display_peer, BERTH_UI, DISPLAY_PEER, GObject)

/* How the guest wants its pointer to look. */
typedef struct {
    gboolean hidden;
    gint32 width, height, hot_x, hot_y;
    GBytes *pixels; /* 0xAARRGGBB in the machine's order; NULL where the guest has not said */
} BerthUiCursor;

/* QEMU's numbers of a pointer's buttons; a wheel's step is a click. */
typedef enum {
    BERTH_UI_BUTTON_LEFT,
    BERTH_UI_BUTTON_MIDDLE,
    BERTH_UI_BUTTON_RIGHT,
    BERTH_UI_BUTTON_WHEEL_UP,
    BERTH_UI_BUTTON_WHEEL_DOWN,
    BERTH_UI_BUTTON_SIDE,
    BERTH_UI_BUTTON_EXTRA,
    BERTH_UI_BUTTON_WHEEL_LEFT,
    BERTH_UI_BUTTON_WHEEL_RIGHT,
    BERTH_UI_BUTTON_LAST,
} BerthUiButton;

/* @fd: (transfer full). Begins to connect; where it is no socket, it is closed at once. */
BerthUiDisplayPeer *berth_ui_display_peer_new(int fd);

/* (transfer none): as it is now */
const BerthUiFrame *berth_ui_display_peer_get_frame(BerthUiDisplayPeer *peer);
/* (transfer none) */
const BerthUiCursor *berth_ui_display_peer_get_cursor(BerthUiDisplayPeer *peer);
/* (transfer none): why it is closed, in technical words; "" where QEMU just hung up; NULL where it is not closed */
const char *berth_ui_display_peer_get_problem(BerthUiDisplayPeer *peer);
/* Whether the guest's pointer can be put somewhere; else it can only be moved. */
gboolean berth_ui_display_peer_is_absolute(BerthUiDisplayPeer *peer);

/* What a person does. Before there is a connection, and after it, nothing comes of it.
 *
 * @key: QEMU's number. A key that is held is pressed again and again. */
void berth_ui_display_peer_key(BerthUiDisplayPeer *peer, guint key, gboolean pressed);
void berth_ui_display_peer_button(BerthUiDisplayPeer *peer, BerthUiButton button, gboolean pressed);
/* In the guest's pixels. While QEMU is busy with one, only the last of those that follow is kept. */
void berth_ui_display_peer_move_to(BerthUiDisplayPeer *peer, guint x, guint y);
/* Likewise, and what follows is added up. */
void berth_ui_display_peer_move_by(BerthUiDisplayPeer *peer, int x, int y);
/* Tells the guest how large a screen would fit. Not every screen heeds it. */
void berth_ui_display_peer_set_size(BerthUiDisplayPeer *peer, guint width, guint height);
