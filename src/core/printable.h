/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>

/**
 * berth_printable:
 * @bytes: a file's name or path: any bytes but NUL
 *
 * For messages: valid UTF-8 without control characters, and of at most BERTH_PRINTABLE_MAX bytes, of which
 * the end is kept, since that is what tells two long paths apart.
 *
 * Returns: (transfer full): @bytes where they are fit to be shown, else with C escapes
 */
char *berth_printable(const char *bytes);
#define BERTH_PRINTABLE_MAX 512u
