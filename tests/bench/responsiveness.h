/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>

/* How well the daemon answers while it does something else: a client of its own asks GetVM again and again, and
 * the daemon's loop is measured from outside: after turns_prepare(). */

typedef struct Responsiveness Responsiveness;

/* Begins to ask for the VM @name. */
Responsiveness *responsiveness_begin(const char *name);
/* Ends that, and prints a row. Returns: the seconds that it took. Frees it. */
double responsiveness_end(Responsiveness *responsiveness, const char *what);
void responsiveness_print_head(void);
