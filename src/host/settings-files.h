/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "../core/settings.h"

/**
 * berth_settings_load:
 * @settings: is changed by what the files say
 * @file: berth.conf; its drop-ins are *.conf in the directory of the same name with ".d", in the order of their names
 *
 * Absent files are fine. What is wrong in one goes to the journal with file and line, and the default is used.
 *
 * Returns: FALSE where a file is there and can't be read; @settings is then what the others say
 */
gboolean berth_settings_load(BerthSettings *settings, const char *file, GError **error);
