/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <adwaita.h>

/* A terminal with its scroll bar, menu and keys, in the desktop's font and colours; what is at the other end is not its
 * business. While it has the focus all keys go there, those of the window's shortcuts too, but for its own
 * (help-overlay.ui has them): Ctrl+Tab leads out of it.
 *
 * What it is fed is hostile: VTE keeps it from the clipboard, makes no links of it, and takes control characters out of
 * what is pasted, so that nothing pasted is a command of its own where the other end asks for brackets around it.
 *
 * Signals: "typed" (GBytes), what the user types or pastes, and what VTE answers to questions of the other end. */

#define BERTH_UI_TYPE_TERMINAL (berth_ui_terminal_get_type())
G_DECLARE_FINAL_TYPE(BerthUiTerminal, berth_ui_terminal, BERTH_UI, TERMINAL, AdwBin)

BerthUiTerminal *berth_ui_terminal_new(void);
void berth_ui_terminal_feed(BerthUiTerminal *terminal, const char *bytes, gsize length);
/* Shows what was said before: nobody waits for answers to the questions in it. */
void berth_ui_terminal_replay(BerthUiTerminal *terminal, GBytes *bytes);
/* Another begins to speak: what is there stays, but not the modes that it was left in. */
void berth_ui_terminal_begin_anew(BerthUiTerminal *terminal);
/* Whether it takes what is typed; at first it does not. */
void berth_ui_terminal_set_live(BerthUiTerminal *terminal, gboolean live);
