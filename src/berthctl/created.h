/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "ctl.h"

/* Says that the VM @name is there now, at @path: in words, or as JSON with all that it is. */
CtlStatus ctl_report_created(Ctl *ctl, const char *name, const char *path);
