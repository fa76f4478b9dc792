/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <adwaita.h>

/* A network in a form, with its forwarded ports inside.
 *
 * Signals: "changed"; "remove": the user wants it gone. */

#define BERTH_UI_TYPE_NETWORK_ROW (berth_ui_network_row_get_type())
G_DECLARE_FINAL_TYPE(BerthUiNetworkRow, berth_ui_network_row, BERTH_UI, NETWORK_ROW, AdwExpanderRow)

/* @network: (nullable): a{sv} as in the definition; (transfer floating) */
BerthUiNetworkRow *berth_ui_network_row_new(GVariant *network);
/* How many are before it. */
void berth_ui_network_row_set_index(BerthUiNetworkRow *row, guint index);
/* (transfer full): a{sv}, not floating */
GVariant *berth_ui_network_row_get(BerthUiNetworkRow *row);
/* @place: within the network: "bridge", "ports[1].host-port"; "" where it is about the whole of it */
void berth_ui_network_row_complain(BerthUiNetworkRow *row, const char *place, const char *text);
/* Takes all complaints back. */
void berth_ui_network_row_clear(BerthUiNetworkRow *row);
