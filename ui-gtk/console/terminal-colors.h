/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <vte/vte.h>

/* The desktop's light or dark colours for text, with ANSI's sixteen. */
void berth_ui_terminal_set_colors(VteTerminal *vte, gboolean is_dark);
