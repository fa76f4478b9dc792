/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <gio/gio.h>

/* Names of VMs and images: both go by one rule. @objects: of BerthUiObject with a property "name". */

/**
 * berth_ui_propose_name:
 * @base: what it is a kind of: the name of an image, or of another VM
 *
 * Returns: (transfer full): @base, with a number where that is taken
 */
char *berth_ui_propose_name(const char *base, GListModel *objects);

/* (transfer none) (nullable): why nothing new can be called so, as a sentence */
const char *berth_ui_check_name(const char *name, GListModel *objects);
