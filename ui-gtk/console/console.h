/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "ui-gtk/widgets/vm-view.h"

/* The serial console of a VM: a terminal, and words where there is none to be had or nobody at its other end.
 *
 * It connects when it is looked at for the first time, and stays connected until it is given another VM: what the guest
 * says while another view is shown is there later. What it said before comes from the daemon's log, which is also what
 * is shown of a VM that does not run. The stream is the keeper's, not the daemon's: it ends with the run, and a new one
 * is opened as soon as the VM runs again. */

#define BERTH_UI_TYPE_CONSOLE (berth_ui_console_get_type())
G_DECLARE_FINAL_TYPE(BerthUiConsole, berth_ui_console, BERTH_UI, CONSOLE, BerthUiVmView)
