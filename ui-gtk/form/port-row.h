/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <adwaita.h>

/* A forwarded port in a form: folded one line that says it all, with its fields inside.
 *
 * Signals: "changed"; "remove": the user wants it gone. */

#define BERTH_UI_TYPE_PORT_ROW (berth_ui_port_row_get_type())
G_DECLARE_FINAL_TYPE(BerthUiPortRow, berth_ui_port_row, BERTH_UI, PORT_ROW, AdwExpanderRow)

/* @port: (nullable): a{sv} as in the definition; (transfer floating) */
BerthUiPortRow *berth_ui_port_row_new(GVariant *port);
/* (transfer full): a{sv}, not floating */
GVariant *berth_ui_port_row_get(BerthUiPortRow *row);
/* @key: of the port; @text: (nullable): %NULL takes complaints back */
void berth_ui_port_row_complain(BerthUiPortRow *row, const char *key, const char *text);
