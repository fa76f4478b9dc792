/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <glib/gi18n.h>

#include "../core/names.h"
#include "bus.h"
#include "created.h"
#include "definition.h"
#include "job.h"
#include "options.h"

static CtlStatus clone_vm(Ctl *ctl, const char *source, const char *name, GVariant *changes)
{
    g_auto(sd_bus_error) error = SD_BUS_ERROR_NULL;
    g_autofree char *path = NULL, *result = NULL;
    int r = ctl_find_vm(ctl, source, &path, &error);
    if (r >= 0)
        r = ctl_job_run(ctl, path, BERTH_IFACE_VM, "Clone",
                        g_variant_new("(s@a{sv}@a{sv})", name, changes, g_variant_new_parsed("@a{sv} {}")), &result,
                        &error);
    return r < 0 ? ctl_fail(ctl, r, &error, _("Can't clone %s"), source) : ctl_report_created(ctl, name, result);
}

CtlStatus ctl_run_clone(Ctl *ctl, const CtlCommand *command, int argc, char **argv)
{
    g_auto(GStrv) assignments = NULL;
    const GOptionEntry entries[] = {
        {"set", 's', 0, G_OPTION_ARG_STRING_ARRAY, &assignments,
         N_("A setting that the copy has otherwise; may be repeated"), N_("KEY=VALUE")},
        G_OPTION_ENTRY_NULL,
    };
    g_auto(GStrv) words = ctl_parse(ctl, command, entries, 2, 2, argc, argv);
    if (words == NULL)
        return CTL_USAGE;
    g_autoptr(GError) wrong = NULL;
    char *none[] = {NULL};
    g_autoptr(GVariant) changes = ctl_assignments_to_variant(assignments != NULL ? assignments : none, &wrong);
    if (changes == NULL)
        return ctl_usage(_("Can't clone %s: %s"), words[0], wrong->message);
    if (!g_utf8_validate(words[1], -1, NULL))
        return ctl_usage("%s", _("The name is not valid UTF-8"));
    CtlStatus status = ctl_connect(ctl, TRUE);
    return status != CTL_OK ? status : clone_vm(ctl, words[0], words[1], changes);
}
