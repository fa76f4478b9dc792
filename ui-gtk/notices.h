/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <gtk/gtk.h>

#include "ui-gtk/model/service.h"

/* Tells the desktop of VMs that fail while the window is in the background: one notification for each VM. It is taken
 * back when the VM is not in that state any more, when the window shows it, and when this ends. A click on it opens the
 * VM by the application's action "show-vm". */

#define BERTH_UI_TYPE_NOTICES (berth_ui_notices_get_type())
G_DECLARE_FINAL_TYPE(BerthUiNotices, berth_ui_notices, BERTH_UI, NOTICES, GObject)

/* @window: not kept alive. It has an application, and a property "vm": the one that it shows. */
BerthUiNotices *berth_ui_notices_new(GtkWindow *window, BerthUiService *service);
