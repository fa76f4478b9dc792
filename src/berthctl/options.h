/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "ctl.h"

/* (transfer full): "start NAME…", as it is typed behind "berthctl". */
char *ctl_describe_usage(const CtlCommand *command);

#define CTL_ANY G_MAXUINT

/* Adds the options that every command takes, before or after its name. */
void ctl_add_global_options(Ctl *ctl, GOptionContext *context);

/**
 * ctl_parse:
 * @entries: (nullable): the command's own options, ended by an empty one
 * @min, @max: how many arguments that are no options it takes; CTL_ANY for no bound
 *
 * Handles --help by printing and exiting.
 *
 * Returns: (transfer full): the arguments that are no options; %NULL where the command line is wrong, having said why
 */
char **ctl_parse(Ctl *ctl, const CtlCommand *command, const GOptionEntry *entries, guint min, guint max, int argc,
                 char **argv);

/* "berthctl: <message>" on standard error. Returns CTL_USAGE. */
CtlStatus ctl_usage(const char *format, ...) G_GNUC_PRINTF(1, 2);
