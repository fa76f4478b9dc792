/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "../core/settings.h"

/**
 * berth_settings_load:
 * @settings: is changed by what the files say
 * @file: berth.conf; its drop-ins are *.conf in the directory of the same name with ".d", in the order of their names
 *
 * @forgiving: a mistake is no failure, and changes nothing: for a daemon that starts, since a host is better off with it
 *
 * Absent files are fine. What is wrong in one goes to the journal with file and line.
 *
 * Returns: FALSE where there is a mistake, which @error names as the journal does; or a file is there and can't be read.
 * @settings is then what the rest says
 */
gboolean berth_settings_load(BerthSettings *settings, const char *file, gboolean forgiving, GError **error);
