/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>

#include "fault-control.h"

/* The test's side of fault-preload.c: says what goes wrong in berthd, and when. */

typedef struct Faults Faults;

/* @dir: for the file that both map. BERTH_FAULT_PRELOAD in the environment says where the library is. */
Faults *faults_new(const char *dir);
void faults_free(Faults *faults);
/* (transfer full): @environ, taken, for daemons that can be told: they run as ever until something is armed. */
char **faults_environ(const Faults *faults, char **environ);

/* From now on calls count; number @at of those that can go so goes wrong. 0: none does. */
void faults_arm(Faults *faults, FaultKind kind, int error, guint at);
void faults_disarm(Faults *faults);
/* Since they were armed. */
guint faults_count(const Faults *faults);
gboolean faults_fired(const Faults *faults);
/* (transfer full): the call number @n in words */
char *faults_describe(const Faults *faults, guint n);
