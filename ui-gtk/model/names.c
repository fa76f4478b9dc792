/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "names.h"

#include <glib/gi18n.h>

#include "src/core/vm-config.h"

#define BASE_MAX 55u /* bytes: that leaves room for a number */

static gboolean is_taken(const char *name, GListModel *objects)
{
    for (guint i = 0; i < g_list_model_get_n_items(objects); i++) {
        g_autoptr(GObject) object = g_list_model_get_item(objects, i);
        g_autofree char *taken = NULL;
        g_object_get(object, "name", &taken, NULL);
        if (g_strcmp0(taken, name) == 0)
            return TRUE;
    }
    return FALSE;
}

char *berth_ui_propose_name(const char *base, GListModel *objects)
{
    g_autofree char *kind = g_strndup(base, BASE_MAX);
    char *name = g_strdup(kind);
    for (guint i = 2; is_taken(name, objects); i++) {
        g_free(name);
        name = g_strdup_printf("%s-%u", kind, i);
    }
    return name;
}

const char *berth_ui_check_name(const char *name, GListModel *objects)
{
    if (!*name)
        return _("It needs a name");
    if (!berth_vm_name_check(name, NULL))
        return _(
            "Letters from A to Z, large or small, digits, “.”, “_” and “-”, beginning with a letter or digit; at most "
            "63 of them, and no UUID");
    return is_taken(name, objects) ? _("There is one of that name already") : NULL;
}
