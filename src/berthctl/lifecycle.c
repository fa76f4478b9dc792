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
    {"refresh", "RefreshGuest", N_("Can't refresh what is known of the guest of")},
};

static guint find_action(const char *command)
{
    for (guint i = 0; i < G_N_ELEMENTS(actions); i++)
        if (g_str_equal(actions[i].command, command))
            return i;
    g_assert_not_reached();
}

/* @mode: (nullable): of a shutdown */
static CtlStatus act(Ctl *ctl, guint action, const char *name, const char *mode)
{
    g_auto(sd_bus_error) error = SD_BUS_ERROR_NULL;
    g_autofree char *path = NULL;
    g_auto(GVariantDict) options = G_VARIANT_DICT_INIT(NULL);
    if (mode != NULL)
        g_variant_dict_insert(&options, "mode", "s", mode);
    int r = ctl_find_vm(ctl, name, &path, &error);
    if (r >= 0)
        r = ctl_call(ctl, path, BERTH_IFACE_VM, actions[action].method,
                     g_variant_new("(@a{sv})", g_variant_dict_end(&options)), CTL_UNHURRIED, NULL, &error);
    return r < 0 ? ctl_fail(ctl, r, &error, "%s %s", _(actions[action].failure), name) : CTL_OK;
}

CtlStatus ctl_run_lifecycle(Ctl *ctl, const CtlCommand *command, int argc, char **argv)
{
    g_autofree char *mode = NULL;
    const GOptionEntry shutdown[] = {
        {"mode", 'm', 0, G_OPTION_ARG_STRING, &mode, N_("Ask by the guest's agent, or by the power button, alone"),
         N_("agent|acpi")},
        G_OPTION_ENTRY_NULL,
    };
    const GOptionEntry *entries = g_str_equal(command->name, "shutdown") ? shutdown : NULL;
    g_auto(GStrv) names = ctl_parse(ctl, command, entries, 1, CTL_ANY, argc, argv);
    if (names == NULL)
        return CTL_USAGE;
    CtlStatus status = ctl_connect(ctl, TRUE);
    if (status != CTL_OK)
        return status;
    guint action = find_action(command->name);
    for (char **name = names; *name != NULL; name++)
        ctl_collect(&status, act(ctl, action, *name, mode));
    return status;
}
