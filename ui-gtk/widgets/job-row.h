/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <adwaita.h>

#include "ui-gtk/model/service.h"

/* A row with how far a job is, and a button that cancels it. */

#define BERTH_UI_TYPE_JOB_ROW (berth_ui_job_row_get_type())
G_DECLARE_FINAL_TYPE(BerthUiJobRow, berth_ui_job_row, BERTH_UI, JOB_ROW, GtkListBoxRow)

GtkWidget *berth_ui_job_row_new(BerthUiService *service, BerthUiJob *job);
