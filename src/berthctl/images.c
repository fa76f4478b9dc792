/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <glib/gi18n.h>
#include <stdio.h>

#include "../core/names.h"
#include "json.h"
#include "options.h"
#include "table.h"
#include "text.h"

#define HASH_SHOWN 12

static guint count_users(const CtlObject *image)
{
    g_autoptr(GVariant) users = g_variant_lookup_value(image->properties, "UsedBy", G_VARIANT_TYPE("ao"));
    return users != NULL ? (guint) g_variant_n_children(users) : 0;
}

static void add_row(CtlTable *table, const CtlObject *image)
{
    ctl_table_add(table, g_strdup(image->name), "");
    ctl_table_add(table, g_strdup(ctl_get_string(image, "Version")), "");
    ctl_table_add(table, ctl_format_bytes(ctl_get_number(image, "SizeBytes")), "");
    ctl_table_add(table, g_strdup_printf("%u", count_users(image)), "");
    ctl_table_add(table, g_strndup(ctl_get_string(image, "SHA256"), HASH_SHOWN), "");
    ctl_table_add(table, g_strdup(ctl_get_string(image, "Description")), "");
}

static void print_table(const Ctl *ctl, GPtrArray *images)
{
    if (images->len > 0) {
        g_autoptr(CtlTable) table =
            ctl_table_new("<<>><<", _("NAME"), _("VERSION"), _("SIZE"), _("VMS"), _("SHA256"), _("DESCRIPTION"), NULL);
        for (guint i = 0; i < images->len; i++)
            add_row(table, images->pdata[i]);
        ctl_table_print(table, !ctl->no_legend);
    }
    if (ctl->no_legend)
        return;
    if (images->len == 0)
        printf("%s\n", _("No images."));
    else
        printf(ngettext("\n%u image listed.\n", "\n%u images listed.\n", images->len), images->len);
}

CtlStatus ctl_run_images(Ctl *ctl, const CtlCommand *command, int argc, char **argv)
{
    g_auto(GStrv) rest = ctl_parse(ctl, command, NULL, 0, 0, argc, argv);
    if (rest == NULL)
        return CTL_USAGE;
    CtlStatus status = ctl_connect(ctl, FALSE);
    if (status != CTL_OK)
        return status;
    g_auto(sd_bus_error) error = SD_BUS_ERROR_NULL;
    g_autoptr(GPtrArray) images = NULL;
    int r = ctl_read_objects(ctl, BERTH_IFACE_IMAGE, NULL, &images, NULL, NULL, &error);
    if (r < 0)
        return ctl_fail(ctl, r, &error, "%s", _("Can't list the images"));
    if (ctl->json)
        ctl_print_json(ctl_objects_to_json(images), TRUE);
    else
        print_table(ctl, images);
    return CTL_OK;
}

static CtlStatus remove_image(Ctl *ctl, const char *name)
{
    g_auto(sd_bus_error) error = SD_BUS_ERROR_NULL;
    g_autofree char *path = NULL;
    int r = sd_bus_path_encode(BERTH_PATH_IMAGE, name, &path);
    if (r >= 0)
        r = ctl_call_simple(ctl, path, BERTH_IFACE_IMAGE, "Remove", &error);
    /* An image that is not there has no object that could say so. */
    if (sd_bus_error_has_names(&error, SD_BUS_ERROR_UNKNOWN_OBJECT, SD_BUS_ERROR_UNKNOWN_METHOD,
                               SD_BUS_ERROR_UNKNOWN_INTERFACE)) {
        sd_bus_error_free(&error);
        sd_bus_error_set_const(&error, BERTH_ERROR_PREFIX "NotFound", _("There is no such image"));
    }
    return r < 0 ? ctl_fail(ctl, r, &error, _("Can't remove the image %s"), name) : CTL_OK;
}

CtlStatus ctl_run_image_remove(Ctl *ctl, const CtlCommand *command, int argc, char **argv)
{
    g_auto(GStrv) names = ctl_parse(ctl, command, NULL, 1, CTL_ANY, argc, argv);
    if (names == NULL)
        return CTL_USAGE;
    CtlStatus status = ctl_connect(ctl, TRUE);
    if (status != CTL_OK)
        return status;
    for (char **name = names; *name != NULL; name++)
        ctl_collect(&status, remove_image(ctl, *name));
    return status;
}
