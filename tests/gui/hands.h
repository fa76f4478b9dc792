/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "stage.h"
#include "ui-gtk/display/display.h"

/* The X server's own keyboard and mouse: what they do goes all the way that a person's keys go. */

/* @command: xdotool's. Waits until it is done; what comes of it may come later. */
void hands_do(const char *command);
/* Gives the keyboard to the window, which no window manager does here. */
void hands_focus(Stage *stage);
/* Puts the pointer onto the middle of a guest's pixel. */
void hands_point(Stage *stage, BerthUiDisplay *display, guint x, guint y);

/* A window manager, as far as a fullscreen window needs one. */
typedef struct WindowManager WindowManager;
WindowManager *hands_manage_windows(void);
void hands_leave_windows(WindowManager *manager);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(WindowManager, hands_leave_windows)
