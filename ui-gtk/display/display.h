/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <adwaita.h>

#include "display-geometry.h"
#include "display-peer.h"

/* A guest's screen: shows it as large as fits, and while it has the focus takes all keys, those of the window's
 * shortcuts too. Pressing and releasing Control and Alt alone lets go of the keyboard.
 *
 * Signals: "released" when the person wants the focus to be elsewhere. */

#define BERTH_UI_TYPE_DISPLAY (berth_ui_display_get_type())
G_DECLARE_FINAL_TYPE(BerthUiDisplay, berth_ui_display, BERTH_UI, DISPLAY, GtkWidget)

/* @peer: (nullable): whose screen it is */
void berth_ui_display_set_peer(BerthUiDisplay *display, BerthUiDisplayPeer *peer);
/* (transfer none) (nullable) */
BerthUiDisplayPeer *berth_ui_display_get_peer(BerthUiDisplay *display);

/* (transfer none) (nullable): what is drawn now */
GdkTexture *berth_ui_display_get_texture(BerthUiDisplay *display);

/* Where in the widget the guest's screen is. */
BerthUiFit berth_ui_display_get_fit(BerthUiDisplay *display);

/* Presses these keys of the kernel's, and releases them. @keys: ended by 0 */
void berth_ui_display_send_keys(BerthUiDisplay *display, const guint *keys);
