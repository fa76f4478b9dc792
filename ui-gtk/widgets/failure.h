/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <adwaita.h>

/* (transfer full): a toast whose title is @title as it stands, and no markup */
AdwToast *berth_ui_toast_new(const char *title);

/**
 * berth_ui_tell_failure:
 * @title: what has failed, as a sentence
 * @details: why, and its technical text: shown behind a button
 *
 * For what has no place of its own where it could be told.
 */
void berth_ui_tell_failure(AdwToastOverlay *toasts, const char *title, const char *details);

/* (transfer full): what an error means, and in the next line its own text */
char *berth_ui_failure_details(const GError *error);
