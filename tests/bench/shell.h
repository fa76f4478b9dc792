/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>

/* What a bench does in its bed beside calls. What fails ends the program. */

void shell_run(const char *line);
/* Whether the line ends with 0. */
gboolean shell_succeeds(const char *line);
/* A file, with the directories above it. */
void shell_write(const char *path, const char *text);
