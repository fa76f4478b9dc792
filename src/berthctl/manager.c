/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <errno.h>
#include <glib/gi18n.h>
#include <stdio.h>

#include "../core/names.h"
#include "config.h"
#include "json.h"
#include "options.h"
#include "text.h"

/* What is about the daemon as a whole. */

static CtlStatus connect_plain(Ctl *ctl, const CtlCommand *command, gboolean acts, int argc, char **argv)
{
    g_auto(GStrv) rest = ctl_parse(ctl, command, NULL, 0, 0, argc, argv);
    return rest != NULL ? ctl_connect(ctl, acts) : CTL_USAGE;
}

static void print_counts_json(guint32 loaded, guint32 updated, guint32 removed)
{
    JsonObject *counts = json_object_new();
    json_object_set_int_member(counts, "Loaded", loaded);
    json_object_set_int_member(counts, "Updated", updated);
    json_object_set_int_member(counts, "Removed", removed);
    JsonNode *node = json_node_init_object(json_node_alloc(), counts);
    json_object_unref(counts);
    ctl_print_json(node, TRUE);
}

CtlStatus ctl_run_reload(Ctl *ctl, const CtlCommand *command, int argc, char **argv)
{
    CtlStatus status = connect_plain(ctl, command, TRUE, argc, argv);
    if (status != CTL_OK)
        return status;
    g_auto(sd_bus_error) error = SD_BUS_ERROR_NULL;
    g_autoptr(sd_bus_message) reply = NULL;
    int r = ctl_call(ctl, BERTH_PATH_ROOT, BERTH_IFACE_MANAGER, "Reload", g_variant_new_parsed("(@a{sv} {},)"),
                     CTL_UNHURRIED, &reply, &error);
    guint32 loaded = 0, updated = 0, removed = 0;
    if (r >= 0)
        r = sd_bus_message_read(reply, "uuu", &loaded, &updated, &removed);
    if (r < 0)
        return ctl_fail(ctl, r, &error, "%s", _("Can't reload"));
    if (ctl->json)
        print_counts_json(loaded, updated, removed);
    else
        printf(_("%u loaded, %u updated, %u removals resumed.\n"), loaded, updated, removed);
    return CTL_OK;
}

static CtlStatus read_manager(Ctl *ctl, CtlObject **manager)
{
    g_auto(sd_bus_error) error = SD_BUS_ERROR_NULL;
    int r = ctl_read_object(ctl, BERTH_PATH_ROOT, BERTH_IFACE_MANAGER, manager, &error);
    return r < 0 ? ctl_fail(ctl, r, &error, "%s", _("Can't ask the daemon")) : CTL_OK;
}

CtlStatus ctl_run_capabilities(Ctl *ctl, const CtlCommand *command, int argc, char **argv)
{
    g_autoptr(CtlObject) manager = NULL;
    CtlStatus status = connect_plain(ctl, command, FALSE, argc, argv);
    if (status == CTL_OK)
        status = read_manager(ctl, &manager);
    if (status != CTL_OK)
        return status;
    g_autoptr(GVariant) words =
        g_variant_lookup_value(manager->properties, "Capabilities", G_VARIANT_TYPE_STRING_ARRAY);
    if (words == NULL)
        return ctl_fail(ctl, -EBADMSG, &SD_BUS_ERROR_NULL, "%s", _("Can't ask the daemon"));
    if (ctl->json) {
        ctl_print_json(json_gvariant_serialize(words), TRUE);
        return CTL_OK;
    }
    g_autofree const char **list = g_variant_get_strv(words, NULL);
    for (const char **word = list; *word != NULL; word++) {
        g_autofree char *printable = ctl_printable(*word);
        printf("%s\n", printable);
    }
    return CTL_OK;
}

CtlStatus ctl_run_version(Ctl *ctl, const CtlCommand *command, int argc, char **argv)
{
    g_autoptr(CtlObject) manager = NULL;
    CtlStatus status = connect_plain(ctl, command, FALSE, argc, argv);
    if (status == CTL_OK)
        status = read_manager(ctl, &manager);
    if (status != CTL_OK)
        return status;
    const char *daemon = ctl_get_string(manager, "Version");
    if (!ctl->json) {
        g_autofree char *printable = ctl_printable(daemon);
        printf("berthctl %s\nberthd %s\n", BERTH_VERSION, printable);
        return CTL_OK;
    }
    JsonObject *versions = json_object_new();
    json_object_set_string_member(versions, "berthctl", BERTH_VERSION);
    json_object_set_string_member(versions, "berthd", daemon);
    JsonNode *node = json_node_init_object(json_node_alloc(), versions);
    json_object_unref(versions);
    ctl_print_json(node, TRUE);
    return CTL_OK;
}
