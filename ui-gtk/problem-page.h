/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <adwaita.h>

#include "ui-gtk/model/service.h"

/* What is shown in place of the VMs while the service can't be had: what is wrong, and what can be done about it.
 * Property: "service" (nullable). */

#define BERTH_UI_TYPE_PROBLEM_PAGE (berth_ui_problem_page_get_type())
G_DECLARE_FINAL_TYPE(BerthUiProblemPage, berth_ui_problem_page, BERTH_UI, PROBLEM_PAGE, AdwBin)
