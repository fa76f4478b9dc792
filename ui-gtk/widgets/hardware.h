/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <adwaita.h>

/* Rows for what a VM's definition has lists of. */

/* @config: (nullable): a{sv}. Each fills its group anew, and hides it where there is nothing to show. */
void berth_ui_show_disks(AdwPreferencesGroup *group, GVariant *config);
void berth_ui_show_networks(AdwPreferencesGroup *group, GVariant *config);
