/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "scripted.h"

/* VMs between their end and their restart, as the tests of restarts have them: a VM called "web" each. */

#define SOON "RestartSec=100ms\nRestartMaxDelaySec=100ms"
#define LATER "RestartSec=1h\nRestartMaxDelaySec=1h"
#define SOON_MSEC 500u /* a restart that is due after 100 ms would have come */

/* By SIGKILL. */
void kill_qemu(Fixture *fixture, const char *path);
/* NextStart. */
guint64 next_start(Fixture *fixture, const char *path);
/* By signals, and those before an answer have come. */
void assert_next_start_told(const Recorder *recorder, guint64 when);
/* In its back-off, which is announced, and must not end by itself: it is LATER, or another has the turn. (transfer full): its path */
char *waiting(Fixture *fixture, const char *config);
#define LONG_PAUSE "'restart-delay': <@t 3600000000>, 'restart-max-delay': <@t 3600000000>"
/* NRestarts is @n, and it runs. */
void await_restart(Fixture *fixture, const char *path, guint n);
/* How often QEMU was started, in all. */
void assert_starts(Fixture *fixture, guint n);
void assert_n_restarts(Fixture *fixture, const char *path, guint n);
/* In @state, with nothing due, and nothing that comes. */
void assert_stays(Fixture *fixture, const char *path, const char *state, guint starts);
