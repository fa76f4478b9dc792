/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <adwaita.h>

/* The program: its options, its menu, its shortcuts, and the service that its window shows. */

#define BERTH_UI_APPLICATION_ID "org.berth.Berth"

#define BERTH_UI_TYPE_APPLICATION (berth_ui_application_get_type())
G_DECLARE_FINAL_TYPE(BerthUiApplication, berth_ui_application, BERTH_UI, APPLICATION, AdwApplication)

BerthUiApplication *berth_ui_application_new(void);
