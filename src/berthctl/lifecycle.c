/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <glib/gi18n.h>

#include "../core/names.h"
#include "bus.h"
#include "options.h"

/* Commands that are one method of each VM named, and silent where it goes well. */
static const struct {
    const char *command, *method, *failure;
} actions[] = {
    {"start", "Start", N_("Can't start")},
    {"shutdown", "Shutdown", N_("Can't shut down")},
    {"poweroff", "PowerOff", N_("Can't power off")},
    {"reset", "Reset", N_("Can't reset")},
    {"pause", "Pause", N_("Can't pause")},
    {"resume", "Resume", N_("Can't resume")},
    {"cancel-removal", "CancelRemoval", N_("Can't cancel the removal of")},
};

static guint find_action(const char *command)
{
    for (guint i = 0; i < G_N_ELEMENTS(actions); i++)
        if (g_str_equal(actions[i].command, command))
            return i;
    g_assert_not_reached();
}

static CtlStatus act(Ctl *ctl, guint action, const char *name)
{
    g_auto(sd_bus_error) error = SD_BUS_ERROR_NULL;
    g_autofree char *path = NULL;
    int r = ctl_find_vm(ctl, name, &path, &error);
    if (r >= 0)
        r = ctl_call_simple(ctl, path, BERTH_IFACE_VM, actions[action].method, &error);
    return r < 0 ? ctl_fail(ctl, r, &error, "%s %s", _(actions[action].failure), name) : CTL_OK;
}

CtlStatus ctl_run_lifecycle(Ctl *ctl, const CtlCommand *command, int argc, char **argv)
{
    g_auto(GStrv) names = ctl_parse(ctl, command, NULL, 1, CTL_ANY, argc, argv);
    if (names == NULL)
        return CTL_USAGE;
    CtlStatus status = ctl_connect(ctl, TRUE);
    if (status != CTL_OK)
        return status;
    guint action = find_action(command->name);
    for (char **name = names; *name != NULL; name++)
        ctl_collect(&status, act(ctl, action, *name));
    return status;
}
