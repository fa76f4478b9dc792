/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>

/* What cgroup.c, cgroup-watch.c and usage-look.c share; others use process.h. */

/* (transfer full) (nullable): the whole text of a file of the kernel's own; where it can't be had, errno is in @errnum. */
char *berth_kernel_file_read(int dir_fd, const char *name, int *errnum);

/* (transfer full): the directory of the cgroup @path, whether it exists or not. */
char *berth_cgroup_directory(const char *path, GError **error);
