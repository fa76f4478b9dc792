/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "definition.h"

#include <json-glib/json-glib.h>

#include "../core/vm-config.h"
#include "spec.h"

void ctl_definition_clear(CtlDefinition *d)
{
    char *texts[] = {d->file,     d->image,   d->vcpus,   d->memory,  d->machine,
                     d->firmware, d->display, d->cmdline, d->restart, d->description};
    char **lists[] = {d->disks, d->networks, d->ports, d->labels, d->assignments};
    for (gsize i = 0; i < G_N_ELEMENTS(texts); i++)
        g_free(texts[i]);
    for (gsize i = 0; i < G_N_ELEMENTS(lists); i++)
        g_strfreev(lists[i]);
    *d = (CtlDefinition){0};
}

static void merge(GVariantDict *into, GVariant *from)
{
    GVariantIter iter;
    const char *key;
    GVariant *value;
    g_variant_iter_init(&iter, from);
    while (g_variant_iter_loop(&iter, "{&sv}", &key, &value))
        g_variant_dict_insert_value(into, key, value);
}

static gboolean set_text(GVariantDict *dict, const char *key, const char *text, GError **error)
{
    if (text == NULL)
        return TRUE;
    g_autoptr(GVariant) value = berth_vm_config_variant_from_string(key, text, error);
    if (value == NULL)
        return FALSE;
    g_variant_dict_insert_value(dict, key, value);
    return TRUE;
}

static gboolean set_texts(GVariantDict *dict, const CtlDefinition *d, GError **error)
{
    return set_text(dict, "image", d->image, error) && set_text(dict, "vcpus", d->vcpus, error) &&
           set_text(dict, "memory", d->memory, error) && set_text(dict, "machine", d->machine, error) &&
           set_text(dict, "firmware", d->firmware, error) && set_text(dict, "display", d->display, error) &&
           set_text(dict, "cmdline", d->cmdline, error) && set_text(dict, "restart", d->restart, error) &&
           set_text(dict, "description", d->description, error) &&
           set_text(dict, "vsock", d->vsock ? "yes" : NULL, error) &&
           set_text(dict, "protected", d->protected_ ? "yes" : NULL, error);
}

static JsonArray *disks_of(char **specs, GError **error)
{
    g_autoptr(JsonArray) disks = json_array_new();
    for (char **spec = specs; *spec != NULL; spec++) {
        JsonObject *disk = ctl_disk_from_spec(*spec, error);
        if (disk == NULL)
            return NULL;
        json_array_add_object_element(disks, disk);
    }
    return g_steal_pointer(&disks);
}

static JsonObject *labels_of(char **words, GError **error)
{
    g_autoptr(JsonObject) labels = json_object_new();
    for (char **word = words; *word != NULL; word++) {
        g_autofree char *key = NULL;
        const char *value;
        if (!ctl_split_assignment(*word, &key, &value, error))
            return NULL;
        json_object_set_string_member(labels, key, value);
    }
    return g_steal_pointer(&labels);
}

/* What is a list in the definition, as an object of JSON. */
static JsonObject *lists_of(const CtlDefinition *d, GError **error)
{
    g_autoptr(JsonObject) lists = json_object_new();
    if (d->disks != NULL) {
        JsonArray *disks = disks_of(d->disks, error);
        if (disks == NULL)
            return NULL;
        json_object_set_array_member(lists, "disks", disks);
    }
    if (d->networks != NULL || d->ports != NULL) {
        JsonArray *networks = ctl_networks_from_specs(d->networks, d->ports, error);
        if (networks == NULL)
            return NULL;
        json_object_set_array_member(lists, "networks", networks);
    }
    if (d->labels != NULL) {
        JsonObject *labels = labels_of(d->labels, error);
        if (labels == NULL)
            return NULL;
        json_object_set_object_member(lists, "labels", labels);
    }
    return g_steal_pointer(&lists);
}

static gboolean set_lists(GVariantDict *dict, const CtlDefinition *d, GError **error)
{
    g_autoptr(JsonObject) lists = lists_of(d, error);
    if (lists == NULL)
        return FALSE;
    g_autoptr(JsonNode) node = json_node_init_object(json_node_alloc(), lists);
    g_autofree char *text = json_to_string(node, FALSE);
    g_autoptr(GVariant) variant = berth_vm_config_variant_from_json(text, strlen(text), NULL, error);
    if (variant == NULL)
        return FALSE;
    merge(dict, variant);
    return TRUE;
}

static gboolean set_file(GVariantDict *dict, const char *file, GError **error)
{
    /* What `status --json` and vm.json say beside the definition. */
    static const char *const skip[] = {"name", "id", "incarnation", "cid", "created", NULL};
    if (file == NULL)
        return TRUE;
    g_autofree char *text = NULL;
    gsize length;
    if (!g_file_get_contents(file, &text, &length, error))
        return FALSE;
    g_autoptr(GVariant) variant = berth_vm_config_variant_from_json(text, length, skip, error);
    if (variant == NULL) {
        g_prefix_error(error, "%s: ", file);
        return FALSE;
    }
    merge(dict, variant);
    return TRUE;
}

static gboolean set_assignments(GVariantDict *dict, char **assignments, GError **error)
{
    for (char **word = assignments; word != NULL && *word != NULL; word++) {
        g_autofree char *key = NULL;
        const char *value;
        if (!ctl_split_assignment(*word, &key, &value, error) || !set_text(dict, key, value, error))
            return FALSE;
    }
    return TRUE;
}

GVariant *ctl_definition_to_variant(const CtlDefinition *d, GError **error)
{
    g_auto(GVariantDict) dict = G_VARIANT_DICT_INIT(NULL);
    if (!set_file(&dict, d->file, error) || !set_texts(&dict, d, error) || !set_lists(&dict, d, error) ||
        !set_assignments(&dict, d->assignments, error))
        return NULL;
    return g_variant_ref_sink(g_variant_dict_end(&dict));
}

GVariant *ctl_assignments_to_variant(char **assignments, GError **error)
{
    g_auto(GVariantDict) dict = G_VARIANT_DICT_INIT(NULL);
    if (!set_assignments(&dict, assignments, error))
        return NULL;
    return g_variant_ref_sink(g_variant_dict_end(&dict));
}
