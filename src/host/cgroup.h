/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>

/* What cgroup.c and cgroup-watch.c share; others use process.h. */

/* (transfer full): the directory of the cgroup @path, whether it exists or not. */
char *berth_cgroup_directory(const char *path, GError **error);
