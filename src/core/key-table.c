/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "key-table.h"

#include <string.h>

#include "error.h"
#include "text.h"

#define KEYS_MAX 32u /* bits of the word that notes what has been seen */

#define FIELD(key, target) ((gpointer) ((char *) (target) + (key)->offset))
#define CONST_FIELD(key, source) ((gconstpointer) ((const char *) (source) + (key)->offset))

gpointer berth_keys_new(const BerthKeyTable *table)
{
    gpointer target = g_malloc0(table->size);
    for (guint i = 0; i < table->n_keys; i++)
        table->keys[i].kind->init(&table->keys[i], FIELD(&table->keys[i], target));
    return target;
}

gpointer berth_keys_dup(const BerthKeyTable *table, gconstpointer source)
{
    gpointer target = g_memdup2(source, table->size);
    for (guint i = 0; i < table->n_keys; i++)
        if (table->keys[i].kind->own)
            table->keys[i].kind->own(&table->keys[i], FIELD(&table->keys[i], target));
    return target;
}

void berth_keys_clear(const BerthKeyTable *table, gpointer target)
{
    for (guint i = 0; i < table->n_keys; i++)
        if (table->keys[i].kind->clear)
            table->keys[i].kind->clear(&table->keys[i], FIELD(&table->keys[i], target));
}

void berth_keys_free(const BerthKeyTable *table, gpointer target)
{
    berth_keys_clear(table, target);
    g_free(target);
}

const BerthKey *berth_keys_find(const BerthKeyTable *table, const char *name)
{
    for (guint i = 0; i < table->n_keys; i++)
        if (g_str_equal(table->keys[i].name, name))
            return &table->keys[i];
    return NULL;
}

/* What differs once the common beginning and end are taken off: one slip of the finger, or two letters swapped. */
static gboolean resembles(const char *a, const char *b)
{
    gsize a_length = strlen(a), b_length = strlen(b), shorter = MIN(a_length, b_length), same = 0;
    while (same < shorter && a[same] == b[same])
        same++;
    for (gsize end = 1; same < shorter && a[a_length - end] == b[b_length - end]; end++)
        same++;
    return shorter > 2 && MAX(a_length, b_length) - same <= 2;
}

void berth_keys_refuse_unknown(const BerthKeyTable *table, const char *place, const char *name, GError **error)
{
    g_autofree char *path = berth_key_place(place, name);
    g_autofree char *quoted = berth_text_quote(path);
    const char *meant = NULL;
    for (guint i = 0; i < table->n_keys && !meant; i++)
        if (resembles(name, table->keys[i].name))
            meant = table->keys[i].name;
    g_set_error(error, BERTH_ERROR, BERTH_ERROR_INVALID_ARGS, "unknown key %s%s%s%s", quoted,
                meant ? "; did you mean \"" : "", meant ? meant : "", meant ? "\"?" : "");
}

char *berth_key_place(const char *place, const char *name)
{
    return *place ? g_strdup_printf("%s.%s", place, name) : g_strdup(name);
}

void berth_key_refuse(GError **error, const char *place, const char *shown, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    g_autofree char *what = g_strdup_vprintf(format, args);
    va_end(args);
    g_set_error(error, BERTH_ERROR, BERTH_ERROR_INVALID_ARGS, "%s is %s; it %s", place, shown, what);
}

gboolean berth_key_set(const BerthKey *key, const char *place, GVariant *value, gpointer target, GError **error)
{
    if (!g_variant_is_of_type(value, G_VARIANT_TYPE(key->kind->type))) {
        g_autofree char *type = berth_text_quote(g_variant_get_type_string(value));
        g_set_error(error, BERTH_ERROR, BERTH_ERROR_INVALID_ARGS, "%s has the D-Bus type %s; it must be \"%s\", %s",
                    place, type, key->kind->type, key->kind->noun);
        return FALSE;
    }
    return key->kind->set(key, place, value, FIELD(key, target), error);
}

void berth_key_reset(const BerthKey *key, gpointer target)
{
    if (key->kind->clear)
        key->kind->clear(key, FIELD(key, target));
    key->kind->init(key, FIELD(key, target));
}

GVariant *berth_key_get(const BerthKey *key, gconstpointer source)
{
    return g_variant_ref_sink(key->kind->get(key, CONST_FIELD(key, source)));
}

static gboolean check_required(const BerthKeyTable *table, const char *place, guint32 seen, GError **error)
{
    for (guint i = 0; i < table->n_keys; i++) {
        if ((table->keys[i].flags & BERTH_KEY_REQUIRED) && !(seen & (1u << i))) {
            g_autofree char *path = berth_key_place(place, table->keys[i].name);
            g_set_error(error, BERTH_ERROR, BERTH_ERROR_INVALID_ARGS, "%s is missing; it must be %s", path,
                        table->keys[i].kind->noun);
            return FALSE;
        }
    }
    return TRUE;
}

static gboolean set_entry(const BerthKeyTable *table, const char *place, GVariant *entry, gpointer target,
                          guint32 *seen, GError **error)
{
    g_autoptr(GVariant) name_value = g_variant_get_child_value(entry, 0);
    g_autoptr(GVariant) box = g_variant_get_child_value(entry, 1);
    g_autoptr(GVariant) value = g_variant_get_variant(box);
    const char *name = g_variant_get_string(name_value, NULL);

    const BerthKey *key = berth_keys_find(table, name);
    if (!key) {
        berth_keys_refuse_unknown(table, place, name, error);
        return FALSE;
    }

    g_autofree char *path = berth_key_place(place, name);
    guint32 bit = 1u << (key - table->keys);
    if (*seen & bit) {
        g_set_error(error, BERTH_ERROR, BERTH_ERROR_INVALID_ARGS, "%s is there twice", path);
        return FALSE;
    }
    *seen |= bit;
    return berth_key_set(key, path, value, target, error);
}

gboolean berth_keys_set(const BerthKeyTable *table, const char *place, GVariant *dict, gpointer target, GError **error)
{
    guint32 seen = 0;
    gsize n_entries = g_variant_n_children(dict);
    for (gsize i = 0; i < n_entries; i++) {
        g_autoptr(GVariant) entry = g_variant_get_child_value(dict, i);
        if (!set_entry(table, place, entry, target, &seen, error))
            return FALSE;
    }
    return check_required(table, place, seen, error);
}

static gboolean is_set(const BerthKey *key, gconstpointer field)
{
    if (key->kind == &berth_kind_text)
        return **(const char *const *) field != '\0';
    if (key->kind == &berth_kind_list)
        return (*(GPtrArray *const *) field)->len > 0;
    return *(const guint64 *) field != 0;
}

gboolean berth_key_is_shown(const BerthKey *key, gconstpointer source)
{
    return !(key->flags & BERTH_KEY_UNSET) || is_set(key, CONST_FIELD(key, source));
}

GVariant *berth_keys_get(const BerthKeyTable *table, gconstpointer source)
{
    GVariant *entries[KEYS_MAX];
    gsize n_entries = 0;
    g_assert(table->n_keys <= KEYS_MAX);
    for (guint i = 0; i < table->n_keys; i++) {
        const BerthKey *key = &table->keys[i];
        if (!berth_key_is_shown(key, source))
            continue;
        GVariant *value = key->kind->get(key, CONST_FIELD(key, source));
        entries[n_entries++] = g_variant_new_dict_entry(g_variant_new_string(key->name), g_variant_new_variant(value));
    }
    return g_variant_new_array(G_VARIANT_TYPE("{sv}"), entries, n_entries);
}
