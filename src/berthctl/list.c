/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <glib/gi18n.h>
#include <stdio.h>

#include "../core/names.h"
#include "json.h"
#include "options.h"
#include "table.h"
#include "text.h"

/* What the table is made from. */
static const char *const shown[] = {
    "Name", "State", "RemovalPhase", "StateChangeTimestamp", "VCPUs", "MemoryBytes", "CID", "PID", "Image", NULL};

static char *number_cell(guint64 number)
{
    return number == 0 ? g_strdup("") : g_strdup_printf("%" G_GUINT64_FORMAT, number);
}

static void add_row(CtlTable *table, const CtlObject *vm)
{
    const char *state = ctl_get_string(vm, "State");
    guint64 since = ctl_get_number(vm, "StateChangeTimestamp");
    ctl_table_add(table, g_strdup(vm->name), "");
    ctl_table_add(table, ctl_describe_state(state, ctl_get_string(vm, "RemovalPhase")), ctl_colour_of_state(state));
    ctl_table_add(table, since != 0 ? ctl_format_ago(since) : g_strdup(""), "");
    ctl_table_add(table, number_cell(ctl_get_number(vm, "VCPUs")), "");
    ctl_table_add(table, ctl_format_bytes(ctl_get_number(vm, "MemoryBytes")), "");
    ctl_table_add(table, number_cell(ctl_get_number(vm, "CID")), "");
    ctl_table_add(table, number_cell(ctl_get_number(vm, "PID")), "");
    ctl_table_add(table, g_strdup(ctl_get_string(vm, "Image")), "");
}

static void print_table(const Ctl *ctl, GPtrArray *vms)
{
    if (vms->len > 0) {
        g_autoptr(CtlTable) table = ctl_table_new("<<<>>>><", _("NAME"), _("STATE"), _("SINCE"), _("VCPUS"),
                                                  _("MEMORY"), _("CID"), _("PID"), _("IMAGE"), NULL);
        for (guint i = 0; i < vms->len; i++)
            add_row(table, vms->pdata[i]);
        ctl_table_print(table, !ctl->no_legend);
    }
    if (ctl->no_legend)
        return;
    if (vms->len == 0)
        printf("%s\n", _("No VMs."));
    else
        printf(ngettext("\n%u VM listed.\n", "\n%u VMs listed.\n", vms->len), vms->len);
}

CtlStatus ctl_run_list(Ctl *ctl, const CtlCommand *command, int argc, char **argv)
{
    g_auto(GStrv) rest = ctl_parse(ctl, command, NULL, 0, 0, argc, argv);
    if (rest == NULL)
        return CTL_USAGE;
    CtlStatus status = ctl_connect(ctl, FALSE);
    if (status != CTL_OK)
        return status;

    g_auto(sd_bus_error) error = SD_BUS_ERROR_NULL;
    g_autoptr(GPtrArray) vms = NULL;
    int r = ctl_read_objects(ctl, BERTH_IFACE_VM, ctl->json ? NULL : shown, &vms, NULL, NULL, &error);
    if (r < 0)
        return ctl_fail(ctl, r, &error, "%s", _("Can't list the VMs"));
    if (ctl->json)
        ctl_print_json(ctl_objects_to_json(vms), TRUE);
    else
        print_table(ctl, vms);
    return CTL_OK;
}
