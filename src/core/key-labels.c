/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <string.h>

#include "error.h"
#include "key-kinds.h"
#include "text.h"

/* The kind "labels". Most VMs have none, and an empty hash table is larger than the rest of the definition. */

#define LABEL_KEY_MAX 63u
#define LABEL_VALUE_MAX 256u

static void labels_init(const BerthKey *key, gpointer field)
{
    *(GHashTable **) field = NULL;
}

static void labels_clear(const BerthKey *key, gpointer field)
{
    g_clear_pointer((GHashTable **) field, g_hash_table_unref);
}

static GHashTable *labels_new(void)
{
    return g_hash_table_new_full(g_str_hash, g_str_equal, g_free, g_free);
}

static void labels_own(const BerthKey *key, gpointer field)
{
    GHashTable *shared = *(GHashTable **) field;
    if (!shared)
        return;

    GHashTable *labels = labels_new();
    GHashTableIter iter;
    gpointer name, value;
    g_hash_table_iter_init(&iter, shared);
    while (g_hash_table_iter_next(&iter, &name, &value))
        g_hash_table_insert(labels, g_strdup(name), g_strdup(value));
    *(GHashTable **) field = labels;
}

static gboolean label_check(const char *place, const char *name, const char *value, GError **error)
{
    g_autofree char *quoted = berth_text_quote(name);
    gsize fit = strspn(name, G_CSET_A_2_Z G_CSET_a_2_z G_CSET_DIGITS "._-/");
    if (fit == 0 || fit > LABEL_KEY_MAX || name[fit]) {
        g_set_error(error, BERTH_ERROR, BERTH_ERROR_INVALID_ARGS,
                    "%s has the label %s; a label must be 1 to %u characters of a-z, A-Z, 0-9, \".\", \"_\", \"-\" and "
                    "\"/\"",
                    place, quoted, LABEL_KEY_MAX);
        return FALSE;
    }
    if (strlen(value) > LABEL_VALUE_MAX || !berth_text_is_printable(value, "")) {
        g_autofree char *path = g_strdup_printf("%s[%s]", place, quoted);
        g_autofree char *shown = berth_text_quote(value);
        berth_key_refuse(error, path, shown, "must be at most %u bytes long and without control characters",
                         LABEL_VALUE_MAX);
        return FALSE;
    }
    return TRUE;
}

gboolean berth_key_add_label(const BerthKey *key, const char *place, const char *name, const char *text, gpointer field,
                             GError **error)
{
    GHashTable **labels = field;
    if (!label_check(place, name, text, error))
        return FALSE;
    if (!*labels)
        *labels = labels_new();
    if (!g_hash_table_insert(*labels, g_strdup(name), g_strdup(text))) {
        g_set_error(error, BERTH_ERROR, BERTH_ERROR_INVALID_ARGS, "%s has the label \"%s\" twice", place, name);
        return FALSE;
    }
    return berth_key_check_count(key, place, g_hash_table_size(*labels), error);
}

static gboolean labels_set(const BerthKey *key, const char *place, GVariant *value, gpointer field, GError **error)
{
    gsize count = g_variant_n_children(value);
    if (!berth_key_check_count(key, place, count, error))
        return FALSE;

    g_autoptr(GHashTable) labels = NULL;
    for (gsize i = 0; i < count; i++) {
        const char *name, *text;
        g_autoptr(GVariant) entry = g_variant_get_child_value(value, i);
        g_variant_get(entry, "{&s&s}", &name, &text);
        if (!berth_key_add_label(key, place, name, text, &labels, error))
            return FALSE;
    }
    labels_clear(key, field);
    *(GHashTable **) field = g_steal_pointer(&labels);
    return TRUE;
}

/* Sorted, so that equal definitions look equal. */
static GVariant *labels_get(const BerthKey *key, gconstpointer field)
{
    GHashTable *labels = *(GHashTable *const *) field;
    GVariantBuilder builder;
    g_variant_builder_init(&builder, G_VARIANT_TYPE("a{ss}"));
    g_autoptr(GList) names = labels ? g_list_sort(g_hash_table_get_keys(labels), (GCompareFunc) strcmp) : NULL;
    for (GList *name = names; name; name = name->next)
        g_variant_builder_add(&builder, "{ss}", name->data, g_hash_table_lookup(labels, name->data));
    return g_variant_builder_end(&builder);
}

const BerthKind berth_kind_labels = {
    .type = "a{ss}",
    .noun = "a dictionary of texts",
    .init = labels_init,
    .clear = labels_clear,
    .own = labels_own,
    .set = labels_set,
    .get = labels_get,
};
