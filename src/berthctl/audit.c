/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <errno.h>
#include <glib/gi18n.h>
#include <stdio.h>

#include "../core/names.h"
#include "../host/bus-variant.h"
#include "json.h"
#include "options.h"
#include "table.h"
#include "text.h"

/* What the host holds and no VM owns, and the other way round. */

static char *get(GVariant *finding, const char *key)
{
    const char *text = "";
    g_variant_lookup(finding, key, "&s", &text);
    return g_strdup(text);
}

/* The VM's name, or its id where it has none any more. */
static char *owner_of(GVariant *finding)
{
    g_autofree char *name = get(finding, "Name");
    return name[0] != '\0' ? g_steal_pointer(&name) : get(finding, "VM");
}

static void add_row(CtlTable *table, GVariant *finding)
{
    g_autofree char *side = get(finding, "Side");
    const char *shown = g_str_equal(side, "missing")     ? _("missing")
                        : g_str_equal(side, "left-over") ? _("left over")
                                                         : side;
    ctl_table_add(table, g_strdup(shown), ctl_colour_error());
    ctl_table_add(table, get(finding, "Kind"), "");
    ctl_table_add(table, get(finding, "Object"), "");
    ctl_table_add(table, owner_of(finding), "");
    ctl_table_add(table, get(finding, "Advice"), "");
}

static void print_table(const Ctl *ctl, GVariant *findings)
{
    gsize n = g_variant_n_children(findings);
    if (n > 0) {
        g_autoptr(CtlTable) table =
            ctl_table_new("<<<<<", _("FINDING"), _("KIND"), _("OBJECT"), _("VM"), _("WHAT TO DO"), NULL);
        for (gsize i = 0; i < n; i++) {
            g_autoptr(GVariant) finding = g_variant_get_child_value(findings, i);
            add_row(table, finding);
        }
        ctl_table_print(table, !ctl->no_legend);
    }
    if (ctl->no_legend)
        return;
    if (n == 0)
        printf("%s\n", _("Nothing is left over, and nothing is missing."));
    else
        printf(ngettext("\n%u finding.\n", "\n%u findings.\n", (gulong) n), (guint) n);
}

CtlStatus ctl_run_audit(Ctl *ctl, const CtlCommand *command, int argc, char **argv)
{
    g_auto(GStrv) rest = ctl_parse(ctl, command, NULL, 0, 0, argc, argv);
    if (rest == NULL)
        return CTL_USAGE;
    CtlStatus status = ctl_connect(ctl, TRUE);
    if (status != CTL_OK)
        return status;
    g_auto(sd_bus_error) error = SD_BUS_ERROR_NULL;
    g_autoptr(sd_bus_message) reply = NULL;
    g_autoptr(GVariant) findings = NULL;
    int r = ctl_call(ctl, BERTH_PATH_ROOT, BERTH_IFACE_MANAGER, "Audit", g_variant_new_parsed("(@a{sv} {},)"),
                     CTL_UNHURRIED, &reply, &error);
    if (r >= 0)
        r = berth_bus_read_variant(reply, &findings);
    if (r >= 0 && !g_variant_is_of_type(findings, G_VARIANT_TYPE("aa{sv}")))
        r = -EBADMSG;
    if (r < 0)
        return ctl_fail(ctl, r, &error, "%s", _("Can't audit"));
    if (ctl->json)
        ctl_print_json(json_gvariant_serialize(findings), TRUE);
    else
        print_table(ctl, findings);
    return g_variant_n_children(findings) == 0 ? CTL_OK : CTL_FOUND;
}
