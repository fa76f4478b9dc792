/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <gio/gio.h>

/* What one VM has used of its host in the last minute, as far as it was told since somebody began to watch. It is
 * filled by berth_ui_service_watch_usage(), and grows as long as anybody holds it.
 *
 * Signals: "changed", with each new figure. */

#define BERTH_UI_USAGE_SPAN_USEC (60 * G_USEC_PER_SEC)

typedef struct {
    gint64 time;       /* µs of a clock that has no other use */
    double processors; /* how many were kept busy, since the point before; negative where that is unknown */
    guint64 memory;    /* bytes; 0 where that is unknown */
} BerthUiUsagePoint;

#define BERTH_UI_TYPE_USAGE (berth_ui_usage_get_type())
G_DECLARE_FINAL_TYPE(BerthUiUsage, berth_ui_usage, BERTH_UI, USAGE, GObject)

BerthUiUsage *berth_ui_usage_new(void);

/**
 * berth_ui_usage_take:
 * @parameters: those of the contract's signal Usage; anything else is passed over
 */
void berth_ui_usage_take(BerthUiUsage *usage, GVariant *parameters);

/* (transfer none): the oldest first, until the next one is taken. What is older than a minute is gone, but for the one
 * point that a line from the edge needs. */
const BerthUiUsagePoint *berth_ui_usage_get_points(BerthUiUsage *usage, guint *n);
