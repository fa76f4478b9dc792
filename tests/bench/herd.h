/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>

/* Many VMs that the same is done to. What fails, or takes five minutes, ends the program. */

typedef struct Herd Herd;

/* VMs called bench-0 and so on. @config: (nullable): a{sv} in GVariant's text format */
Herd *herd_new(guint n, const char *config);
/* The VMs are the daemon's. */
void herd_free(Herd *herd);
const char *herd_path(const Herd *herd, guint i);
/* One after another. */
void herd_start(Herd *herd);
/* All at once, and until all are gone. */
void herd_remove(Herd *herd);
/* One after another, each until it is gone. */
void herd_remove_in_turn(Herd *herd);
