/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <adwaita.h>

/* The networks of a VM, to be added, changed and removed: a row for each. Signal "changed": by the user, or by the caller's
 * berth_ui_network_group_show(). */

#define BERTH_UI_TYPE_NETWORK_GROUP (berth_ui_network_group_get_type())
G_DECLARE_FINAL_TYPE(BerthUiNetworkGroup, berth_ui_network_group, BERTH_UI, NETWORK_GROUP, AdwPreferencesGroup)

/* @networks: aa{sv}, as a definition has them; they come in place of those that are there */
void berth_ui_network_group_show(BerthUiNetworkGroup *group, GVariant *networks);
/* (transfer floating): the same of what is filled in */
GVariant *berth_ui_network_group_get(BerthUiNetworkGroup *group);

/* Shows @text at the field that @place names, e.g. "networks[0].mac"; FALSE where there is none such. */
gboolean berth_ui_network_group_complain(BerthUiNetworkGroup *group, const char *place, const char *text);
void berth_ui_network_group_clear_complaints(BerthUiNetworkGroup *group);
