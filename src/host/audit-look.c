/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "audit-look.h"

#include <string.h>

#include "tap.h"

const char *berth_audit_kind_to_string(BerthAuditKind kind)
{
    static const char *const names[] = {
        [BERTH_AUDIT_SCOPE] = "scope",
        [BERTH_AUDIT_PROCESS] = "process",
        [BERTH_AUDIT_DIRECTORY] = "directory",
        [BERTH_AUDIT_TEMPORARY] = "temporary-file",
        [BERTH_AUDIT_CID] = "cid",
        [BERTH_AUDIT_IMAGE] = "image",
        [BERTH_AUDIT_DISK] = "disk",
        [BERTH_AUDIT_SOCKET] = "socket",
        [BERTH_AUDIT_TAP] = "tap",
        [BERTH_AUDIT_MACHINE] = "machine",
        [BERTH_AUDIT_PORT] = "port",
    };
    return names[kind];
}

void berth_audit_thing_free(BerthAuditThing *thing)
{
    g_free(thing->object);
    g_free(thing->vm);
    g_free(thing->image);
    g_free(thing);
}

GPtrArray *berth_audit_things_new(void)
{
    return g_ptr_array_new_with_free_func((GDestroyNotify) berth_audit_thing_free);
}

BerthAuditThing *berth_audit_found(GPtrArray *things, BerthAuditKind kind, BerthAuditTenure tenure, char *object,
                                   const char *vm)
{
    BerthAuditThing *thing = g_new0(BerthAuditThing, 1);
    thing->kind = kind;
    thing->tenure = tenure;
    thing->object = object;
    thing->vm = g_strdup(vm);
    g_ptr_array_add(things, thing);
    return thing;
}

static gboolean look_at_taps(GPtrArray *things, GError **error)
{
    g_autoptr(GHashTable) taps = berth_tap_list(error);
    GHashTableIter iter;
    gpointer name, id;
    if (!taps)
        return FALSE;
    g_hash_table_iter_init(&iter, taps);
    while (g_hash_table_iter_next(&iter, &name, &id))
        berth_audit_found(things, BERTH_AUDIT_TAP, BERTH_HELD_BY_RUN, g_strdup(name), id);
    return TRUE;
}

gboolean berth_audit_look(const BerthAuditPlace *place, GPtrArray *things, GError **error)
{
    return berth_audit_look_at_vms(place->vms, things, error) &&
           berth_audit_look_at_images(place->images, things, error) &&
           berth_audit_look_at_runtime(place->runtime_dir, things, error) &&
           berth_audit_look_at_processes(place, things, error) && look_at_taps(things, error);
}
