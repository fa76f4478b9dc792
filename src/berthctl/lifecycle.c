/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <glib/gi18n.h>

#include "../core/names.h"
#include "bus.h"
#include "options.h"

typedef enum { START, SHUT_DOWN, POWER_OFF, RESET, PAUSE, RESUME, CANCEL_REMOVAL, REFRESH } Action;

/* Commands that are one method of each VM named, and silent where it goes well. */
static const struct {
    const char *command, *method;
} actions[] = {
    [START] = {"start", "Start"},
    [SHUT_DOWN] = {"shutdown", "Shutdown"},
    [POWER_OFF] = {"poweroff", "PowerOff"},
    [RESET] = {"reset", "Reset"},
    [PAUSE] = {"pause", "Pause"},
    [RESUME] = {"resume", "Resume"},
    [CANCEL_REMOVAL] = {"cancel-removal", "CancelRemoval"},
    [REFRESH] = {"refresh", "RefreshGuest"},
};

static Action find_action(const char *command)
{
    for (guint i = 0; i < G_N_ELEMENTS(actions); i++)
        if (g_str_equal(actions[i].command, command))
            return (Action) i;
    g_assert_not_reached();
}

/* A sentence for each, since a language may put the name anywhere. */
static char *describe_failure(Action action, const char *name)
{
    switch (action) {
    case START:
        return g_strdup_printf(_("Can't start %s"), name);
    case SHUT_DOWN:
        return g_strdup_printf(_("Can't shut down %s"), name);
    case POWER_OFF:
        return g_strdup_printf(_("Can't power off %s"), name);
    case RESET:
        return g_strdup_printf(_("Can't reset %s"), name);
    case PAUSE:
        return g_strdup_printf(_("Can't pause %s"), name);
    case RESUME:
        return g_strdup_printf(_("Can't resume %s"), name);
    case CANCEL_REMOVAL:
        return g_strdup_printf(_("Can't cancel the removal of %s"), name);
    case REFRESH:
        return g_strdup_printf(_("Can't refresh what is known of the guest of %s"), name);
    }
    g_assert_not_reached();
}

/* @mode: (nullable): of a shutdown */
static CtlStatus act(Ctl *ctl, Action action, const char *name, const char *mode)
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
    if (r >= 0)
        return CTL_OK;
    g_autofree char *failure = describe_failure(action, name);
    return ctl_fail(ctl, r, &error, "%s", failure);
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
    Action action = find_action(command->name);
    for (char **name = names; *name != NULL; name++)
        ctl_collect(&status, act(ctl, action, *name, mode));
    return status;
}
