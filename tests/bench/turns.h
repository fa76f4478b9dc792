/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The turns of berthd's main loop, as loop-turns.c measures them from outside, in ms. */

/* Restarts berthd with that library preloaded, and with @settings (text of berth.conf.d) in force. */
void turns_prepare(const char *settings);
/* From now on. */
void turns_reset(void);
/* The longest since then, by the clock on the wall and in processor time. */
double turns_longest(void);
double turns_longest_cpu(void);
