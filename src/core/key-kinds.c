/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <string.h>

#include "error.h"
#include "key-kinds.h"
#include "text.h"

/* Numbers. */

static char *format_number(guint64 value)
{
    return g_strdup_printf("%" G_GUINT64_FORMAT, value);
}

static gboolean parse_number(const char *text, guint64 *value)
{
    return g_ascii_isdigit(*text) && !text[strspn(text, "0123456789")] && berth_size_parse(text, value);
}

gboolean berth_key_check_number(const BerthKey *key, const char *place, const char *shown, guint64 value,
                                GError **error)
{
    gboolean zero = (key->flags & BERTH_KEY_ZERO) != 0;
    if ((zero && value == 0) || (value >= key->min && value <= key->max && (!key->step || value % key->step == 0)))
        return TRUE;

    g_autofree char *number = shown ? g_strdup(shown) : key->kind->format(value);
    g_autofree char *min = key->kind->format(key->min), *max = key->kind->format(key->max);
    g_autofree char *step = key->step ? key->kind->format(key->step) : NULL;
    berth_key_refuse(error, place, number, "must be %sfrom %s to %s%s%s", zero ? "0 or " : "", min, max,
                     step ? ", and a multiple of " : "", step ? step : "");
    return FALSE;
}

gboolean berth_key_set_number(const BerthKey *key, const char *place, guint64 number, gpointer field, GError **error)
{
    if (!berth_key_check_number(key, place, NULL, number, error))
        return FALSE;
    if (key->kind == &berth_kind_uint)
        *(guint *) field = (guint) number;
    else
        *(guint64 *) field = number;
    return TRUE;
}

static void uint_init(const BerthKey *key, gpointer field)
{
    *(guint *) field = (guint) key->fallback;
}

static gboolean uint_set(const BerthKey *key, const char *place, GVariant *value, gpointer field, GError **error)
{
    return berth_key_set_number(key, place, g_variant_get_uint32(value), field, error);
}

static GVariant *uint_get(const BerthKey *key, gconstpointer field)
{
    return g_variant_new_uint32(*(const guint *) field);
}

static void uint64_init(const BerthKey *key, gpointer field)
{
    *(guint64 *) field = key->fallback;
}

static gboolean uint64_set(const BerthKey *key, const char *place, GVariant *value, gpointer field, GError **error)
{
    return berth_key_set_number(key, place, g_variant_get_uint64(value), field, error);
}

static GVariant *uint64_get(const BerthKey *key, gconstpointer field)
{
    return g_variant_new_uint64(*(const guint64 *) field);
}

/* Booleans. */

static void bool_init(const BerthKey *key, gpointer field)
{
    *(gboolean *) field = key->fallback != 0;
}

static gboolean bool_set(const BerthKey *key, const char *place, GVariant *value, gpointer field, GError **error)
{
    *(gboolean *) field = g_variant_get_boolean(value);
    return TRUE;
}

static GVariant *bool_get(const BerthKey *key, gconstpointer field)
{
    return g_variant_new_boolean(*(const gboolean *) field);
}

/* Words: constants, so a field is no more than a pointer. */

static void word_init(const BerthKey *key, gpointer field)
{
    *(const char **) field = key->words[0];
}

gboolean berth_key_set_word(const BerthKey *key, const char *place, const char *text, gpointer field, GError **error)
{
    for (guint i = 0; key->words[i]; i++) {
        if (g_str_equal(key->words[i], text)) {
            *(const char **) field = key->words[i];
            return TRUE;
        }
    }

    g_autofree char *shown = berth_text_quote(text);
    g_autofree char *allowed = g_strjoinv("\", \"", (char **) key->words);
    berth_key_refuse(error, place, shown, "must be one of \"%s\"", allowed);
    return FALSE;
}

static gboolean word_set(const BerthKey *key, const char *place, GVariant *value, gpointer field, GError **error)
{
    return berth_key_set_word(key, place, g_variant_get_string(value, NULL), field, error);
}

static GVariant *word_get(const BerthKey *key, gconstpointer field)
{
    return g_variant_new_string(*(char *const *) field);
}

/* Texts. */

static void text_init(const BerthKey *key, gpointer field)
{
    *(char **) field = g_strdup(key->text ? key->text : "");
}

static void text_clear(const BerthKey *key, gpointer field)
{
    g_clear_pointer((char **) field, g_free);
}

static void text_own(const BerthKey *key, gpointer field)
{
    *(char **) field = g_strdup(*(char **) field);
}

static gboolean text_check(const BerthKey *key, const char *place, const char *text, GError **error)
{
    gsize length = strlen(text);
    const char *problem = length <= key->max && key->problem ? key->problem(text) : NULL;
    if (length <= key->max && !problem)
        return TRUE;

    g_autofree char *shown = berth_text_quote(text);
    if (problem)
        berth_key_refuse(error, place, shown, "%s", problem);
    else
        berth_key_refuse(error, place, shown, "must be at most %" G_GUINT64_FORMAT " bytes long, not %zu", key->max,
                         length);
    return FALSE;
}

gboolean berth_key_set_text(const BerthKey *key, const char *place, const char *text, gpointer field, GError **error)
{
    if (!text_check(key, place, text, error))
        return FALSE;
    g_free(*(char **) field);
    *(char **) field = key->flags & BERTH_KEY_LOWER ? g_ascii_strdown(text, -1) : g_strdup(text);
    return TRUE;
}

static gboolean text_set(const BerthKey *key, const char *place, GVariant *value, gpointer field, GError **error)
{
    return berth_key_set_text(key, place, g_variant_get_string(value, NULL), field, error);
}

static GVariant *text_get(const BerthKey *key, gconstpointer field)
{
    return g_variant_new_string(*(char *const *) field);
}

/* Lists of structs. */

gboolean berth_key_check_count(const BerthKey *key, const char *place, gsize count, GError **error)
{
    if (count <= key->max)
        return TRUE;
    g_set_error(error, BERTH_ERROR, BERTH_ERROR_INVALID_ARGS,
                "%s has %zu entries; at most %" G_GUINT64_FORMAT " are allowed", place, count, key->max);
    return FALSE;
}

static void list_init(const BerthKey *key, gpointer field)
{
    *(GPtrArray **) field = g_ptr_array_new_with_free_func(key->table->free);
}

static void list_clear(const BerthKey *key, gpointer field)
{
    g_clear_pointer((GPtrArray **) field, g_ptr_array_unref);
}

static void list_own(const BerthKey *key, gpointer field)
{
    const GPtrArray *shared = *(GPtrArray **) field;
    GPtrArray *list = g_ptr_array_new_full(shared->len, key->table->free);
    for (guint i = 0; i < shared->len; i++)
        g_ptr_array_add(list, berth_keys_dup(key->table, shared->pdata[i]));
    *(GPtrArray **) field = list;
}

static gboolean list_set(const BerthKey *key, const char *place, GVariant *value, gpointer field, GError **error)
{
    gsize count = g_variant_n_children(value);
    if (!berth_key_check_count(key, place, count, error))
        return FALSE;

    g_autoptr(GPtrArray) list = g_ptr_array_new_full((guint) count, key->table->free);
    for (gsize i = 0; i < count; i++) {
        g_autoptr(GVariant) dict = g_variant_get_child_value(value, i);
        g_autofree char *path = g_strdup_printf("%s[%zu]", place, i);
        gpointer entry = berth_keys_new(key->table);
        g_ptr_array_add(list, entry);
        if (!berth_keys_set(key->table, path, dict, entry, error))
            return FALSE;
    }
    list_clear(key, field);
    *(GPtrArray **) field = g_steal_pointer(&list);
    return TRUE;
}

static GVariant *list_get(const BerthKey *key, gconstpointer field)
{
    const GPtrArray *list = *(GPtrArray *const *) field;
    GVariantBuilder builder;
    g_variant_builder_init(&builder, G_VARIANT_TYPE("aa{sv}"));
    for (guint i = 0; i < list->len; i++)
        g_variant_builder_add_value(&builder, berth_keys_get(key->table, list->pdata[i]));
    return g_variant_builder_end(&builder);
}

/* Dictionaries: of numbers, so there is nothing to own. */

static void dict_init(const BerthKey *key, gpointer field)
{
    for (guint i = 0; i < key->table->n_keys; i++)
        berth_key_reset(&key->table->keys[i], field);
}

static gboolean dict_set(const BerthKey *key, const char *place, GVariant *value, gpointer field, GError **error)
{
    dict_init(key, field);
    return berth_keys_set(key->table, place, value, field, error);
}

static GVariant *dict_get(const BerthKey *key, gconstpointer field)
{
    return berth_keys_get(key->table, field);
}

const BerthKind berth_kind_uint = {
    .type = "u",
    .noun = "a whole number",
    .init = uint_init,
    .set = uint_set,
    .get = uint_get,
    .parse = parse_number,
    .format = format_number,
};

const BerthKind berth_kind_uint64 = {
    .type = "t",
    .noun = "a whole number",
    .init = uint64_init,
    .set = uint64_set,
    .get = uint64_get,
    .parse = parse_number,
    .format = format_number,
};

const BerthKind berth_kind_bytes = {
    .type = "t",
    .noun = "a number of bytes",
    .init = uint64_init,
    .set = uint64_set,
    .get = uint64_get,
    .parse = berth_size_parse,
    .format = berth_size_format,
};

const BerthKind berth_kind_span = {
    .type = "t",
    .noun = "a time span",
    .init = uint64_init,
    .set = uint64_set,
    .get = uint64_get,
    .parse = berth_span_parse,
    .format = berth_span_format,
};

const BerthKind berth_kind_bool = {
    .type = "b",
    .noun = "yes or no",
    .init = bool_init,
    .set = bool_set,
    .get = bool_get,
};

const BerthKind berth_kind_word = {
    .type = "s",
    .noun = "a word",
    .init = word_init,
    .set = word_set,
    .get = word_get,
};

const BerthKind berth_kind_text = {
    .type = "s",
    .noun = "a text",
    .init = text_init,
    .clear = text_clear,
    .own = text_own,
    .set = text_set,
    .get = text_get,
};

const BerthKind berth_kind_list = {
    .type = "aa{sv}",
    .noun = "a list of dictionaries",
    .init = list_init,
    .clear = list_clear,
    .own = list_own,
    .set = list_set,
    .get = list_get,
};

const BerthKind berth_kind_dict = {
    .type = "a{sv}",
    .noun = "a dictionary",
    .init = dict_init,
    .set = dict_set,
    .get = dict_get,
};
