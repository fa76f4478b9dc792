/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <glib/gi18n.h>

#include "../core/names.h"
#include "bus.h"
#include "created.h"
#include "definition.h"
#include "options.h"
#include "text.h"

static char **parse_create(Ctl *ctl, const CtlCommand *command, CtlDefinition *d, gboolean *start, int argc,
                           char **argv)
{
    const GOptionEntry entries[] = {
        {"image", 'i', 0, G_OPTION_ARG_STRING, &d->image, N_("Image to boot from"), N_("IMAGE")},
        {"vcpus", 'c', 0, G_OPTION_ARG_STRING, &d->vcpus, N_("Number of processors"), N_("N")},
        {"memory", 'm', 0, G_OPTION_ARG_STRING, &d->memory, N_("Memory, e.g. 512M or 2G"), N_("SIZE")},
        {"disk", 'd', 0, G_OPTION_ARG_STRING_ARRAY, &d->disks, N_("A disk; may be repeated"),
         N_("SIZE[,format=FORMAT][,bus=BUS]")},
        {"network", 'n', 0, G_OPTION_ARG_STRING_ARRAY, &d->networks, N_("A network; may be repeated"),
         N_("user|none|bridge=NAME")},
        {"port", 'p', 0, G_OPTION_ARG_STRING_ARRAY, &d->ports, N_("Forward a port of the host; may be repeated"),
         N_("[tcp:|udp:][ADDRESS:]HOST:GUEST")},
        {"machine", 0, 0, G_OPTION_ARG_STRING, &d->machine, N_("q35 or microvm"), N_("TYPE")},
        {"firmware", 0, 0, G_OPTION_ARG_STRING, &d->firmware, N_("bios or uefi"), N_("TYPE")},
        {"display", 0, 0, G_OPTION_ARG_STRING, &d->display, N_("none, vga or virtio"), N_("TYPE")},
        {"cmdline", 0, 0, G_OPTION_ARG_STRING, &d->cmdline, N_("Kernel command line"), N_("TEXT")},
        {"restart", 0, 0, G_OPTION_ARG_STRING, &d->restart, N_("no, on-failure or always"), N_("POLICY")},
        {"vsock", 0, 0, G_OPTION_ARG_NONE, &d->vsock, N_("Give the guest a vsock device"), NULL},
        {"label", 'l', 0, G_OPTION_ARG_STRING_ARRAY, &d->labels, N_("A label; may be repeated"), N_("KEY=VALUE")},
        {"description", 0, 0, G_OPTION_ARG_STRING, &d->description, N_("What the VM is for"), N_("TEXT")},
        {"protected", 0, 0, G_OPTION_ARG_NONE, &d->protected_, N_("Refuse to remove the VM"), NULL},
        {"set", 's', 0, G_OPTION_ARG_STRING_ARRAY, &d->assignments, N_("Any key of the definition; may be repeated"),
         N_("KEY=VALUE")},
        {"file", 'f', 0, G_OPTION_ARG_FILENAME, &d->file, N_("Definition in JSON; other options override it"),
         N_("FILE")},
        {"start", 0, 0, G_OPTION_ARG_NONE, start, N_("Start the VM too"), NULL},
        G_OPTION_ENTRY_NULL,
    };
    return ctl_parse(ctl, command, entries, 1, 1, argc, argv);
}

static CtlStatus create(Ctl *ctl, const char *name, GVariant *config, gboolean start)
{
    g_auto(sd_bus_error) error = SD_BUS_ERROR_NULL;
    g_autoptr(sd_bus_message) reply = NULL;
    g_auto(GVariantDict) options = G_VARIANT_DICT_INIT(NULL);
    if (start)
        g_variant_dict_insert(&options, "start", "b", TRUE);
    GVariant *args = g_variant_new("(s@a{sv}@a{sv})", name, config, g_variant_dict_end(&options));
    int r = ctl_call(ctl, BERTH_PATH_ROOT, BERTH_IFACE_MANAGER, "CreateVM", args, CTL_UNHURRIED, &reply, &error);
    const char *path = NULL;
    if (r >= 0)
        r = sd_bus_message_read(reply, "o", &path);
    if (r < 0)
        return ctl_fail(ctl, r, &error, _("Can't create %s"), name);
    return ctl_report_created(ctl, name, path);
}

CtlStatus ctl_run_create(Ctl *ctl, const CtlCommand *command, int argc, char **argv)
{
    g_auto(CtlDefinition) definition = {0};
    gboolean start = FALSE;
    g_auto(GStrv) names = parse_create(ctl, command, &definition, &start, argc, argv);
    if (names == NULL)
        return CTL_USAGE;
    g_autoptr(GError) error = NULL;
    g_autoptr(GVariant) config = ctl_definition_to_variant(&definition, &error);
    if (config == NULL)
        return ctl_usage(_("Can't create %s: %s"), names[0], error->message);
    if (!g_utf8_validate(names[0], -1, NULL))
        return ctl_usage(_("The name is not valid UTF-8"));
    CtlStatus status = ctl_connect(ctl, TRUE);
    return status != CTL_OK ? status : create(ctl, names[0], config, start);
}

CtlStatus ctl_run_set(Ctl *ctl, const CtlCommand *command, int argc, char **argv)
{
    g_auto(GStrv) words = ctl_parse(ctl, command, NULL, 2, CTL_ANY, argc, argv);
    if (words == NULL)
        return CTL_USAGE;
    g_autoptr(GError) wrong = NULL;
    g_autoptr(GVariant) changes = ctl_assignments_to_variant(words + 1, &wrong);
    if (changes == NULL)
        return ctl_usage(_("Can't change %s: %s"), words[0], wrong->message);
    CtlStatus status = ctl_connect(ctl, TRUE);
    if (status != CTL_OK)
        return status;

    g_auto(sd_bus_error) error = SD_BUS_ERROR_NULL;
    g_autofree char *path = NULL;
    int r = ctl_find_vm(ctl, words[0], &path, &error);
    if (r >= 0)
        r = ctl_call(ctl, path, BERTH_IFACE_VM, "Configure",
                     g_variant_new("(@a{sv}@a{sv})", changes, g_variant_new_parsed("@a{sv} {}")), CTL_UNHURRIED, NULL,
                     &error);
    return r < 0 ? ctl_fail(ctl, r, &error, _("Can't change %s"), words[0]) : CTL_OK;
}
