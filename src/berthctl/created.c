/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "created.h"

#include <glib/gi18n.h>
#include <stdio.h>

#include "../core/names.h"
#include "json.h"
#include "object.h"

CtlStatus ctl_report_created(Ctl *ctl, const char *name, const char *path)
{
    if (!ctl->json) {
        printf(_("Created %s.\n"), name);
        return CTL_OK;
    }
    g_auto(sd_bus_error) error = SD_BUS_ERROR_NULL;
    g_autoptr(CtlObject) vm = NULL;
    int r = ctl_read_object(ctl, path, BERTH_IFACE_VM, &vm, &error);
    if (r < 0)
        return ctl_fail(ctl, r, &error, _("Can't show %s"), name);
    ctl_print_json(ctl_object_to_json(vm), TRUE);
    return CTL_OK;
}
