/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <adwaita.h>

#include "ui-gtk/model/service.h"

/* A dialog that makes an image of a file: what it is, then how far it is, then what can be done with it. The daemon
 * goes on when it is closed meanwhile; how that ends is told by a toast. */

#define BERTH_UI_TYPE_IMPORT_WINDOW (berth_ui_import_window_get_type())
G_DECLARE_FINAL_TYPE(BerthUiImportWindow, berth_ui_import_window, BERTH_UI, IMPORT_WINDOW, AdwWindow)

/**
 * berth_ui_import_window_present:
 * @parent: what it is over
 * @toasts: of the window of VMs, which has the action "win.new-vm"
 * @file: (nullable): with the disk
 * @n_others: how many files came with it, which are left out: the user is told
 */
void berth_ui_import_window_present(GtkWindow *parent, AdwToastOverlay *toasts, BerthUiService *service, GFile *file,
                                    guint n_others);
