/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <string.h>

#include "json-guard.h"
#include "key-kinds.h"

/* The short way from JSON into structs: a start-up reads thousands of definitions, and a tree of JSON nodes, a
 * dictionary of variants and then the struct took ten times as long. It recurses no deeper than the tables do, and
 * knows only what the daemon writes; of all else (escapes, signs, fractions, "4G", what is unknown or out of its
 * bounds) it says that it is not plain. */

/* In a copy of the text, of which strings are cut off in place. */
typedef struct {
    char *at, *end;
} Cursor;

static void skip_space(Cursor *cursor)
{
    while (cursor->at < cursor->end && memchr(" \t\r\n", *cursor->at, 4))
        cursor->at++;
}

static gboolean take(Cursor *cursor, char c)
{
    skip_space(cursor);
    if (cursor->at == cursor->end || *cursor->at != c)
        return FALSE;
    cursor->at++;
    return TRUE;
}

/* (nullable): where the next value is a string without escapes. */
static const char *take_string(Cursor *cursor)
{
    if (!take(cursor, '"'))
        return NULL;
    const char *first = cursor->at;
    while (cursor->at < cursor->end && *cursor->at != '"' && *cursor->at != '\\' && (guchar) *cursor->at >= 0x20)
        cursor->at++;
    if (cursor->at == cursor->end || *cursor->at != '"')
        return NULL;
    *cursor->at++ = '\0';
    return first;
}

static gboolean take_word(Cursor *cursor, const char *word)
{
    skip_space(cursor);
    gsize length = strlen(word);
    if ((gsize) (cursor->end - cursor->at) < length || memcmp(cursor->at, word, length) != 0)
        return FALSE;
    cursor->at += length;
    return TRUE;
}

/* Below 10^18, so that nothing can overflow; a fraction or an exponent is found where a comma is expected. */
static gboolean take_number(Cursor *cursor, guint64 *number)
{
    skip_space(cursor);
    const char *first = cursor->at;
    *number = 0;
    for (; cursor->at < cursor->end && g_ascii_isdigit(*cursor->at) && cursor->at - first < 18; cursor->at++)
        *number = *number * 10 + (guint64) (*cursor->at - '0');
    return cursor->at > first && (*first != '0' || cursor->at - first == 1);
}

static gboolean read_object(Cursor *cursor, const BerthKeyTarget *targets, guint n_targets);

static gboolean read_number(Cursor *cursor, const BerthKey *key, gpointer field)
{
    guint64 number;
    return take_number(cursor, &number) && berth_key_set_number(key, key->name, number, field, NULL);
}

static gboolean read_bool(Cursor *cursor, const BerthKey *key, gpointer field)
{
    gboolean is_true = take_word(cursor, "true");
    *(gboolean *) field = is_true;
    return is_true || take_word(cursor, "false");
}

static gboolean read_string(Cursor *cursor, const BerthKey *key, gpointer field)
{
    const char *text = take_string(cursor);
    if (!text)
        return FALSE;
    return key->kind == &berth_kind_word ? berth_key_set_word(key, key->name, text, field, NULL)
                                         : berth_key_set_text(key, key->name, text, field, NULL);
}

static gboolean read_list(Cursor *cursor, const BerthKey *key, gpointer field)
{
    GPtrArray *list = *(GPtrArray **) field;
    g_ptr_array_set_size(list, 0);
    if (!take(cursor, '['))
        return FALSE;
    if (take(cursor, ']'))
        return TRUE;
    do {
        const BerthKeyTarget entry = {key->table, berth_keys_new(key->table)};
        g_ptr_array_add(list, entry.fields);
        if (list->len > key->max || !read_object(cursor, &entry, 1))
            return FALSE;
    } while (take(cursor, ','));
    return take(cursor, ']');
}

static gboolean read_dict(Cursor *cursor, const BerthKey *key, gpointer field)
{
    const BerthKeyTarget target = {key->table, field};
    for (guint i = 0; i < key->table->n_keys; i++)
        berth_key_reset(&key->table->keys[i], field);
    return read_object(cursor, &target, 1);
}

static gboolean read_labels(Cursor *cursor, const BerthKey *key, gpointer field)
{
    key->kind->clear(key, field);
    if (!take(cursor, '{'))
        return FALSE;
    if (take(cursor, '}'))
        return TRUE;
    do {
        const char *name = take_string(cursor);
        const char *text = name && take(cursor, ':') ? take_string(cursor) : NULL;
        if (!text || !berth_key_add_label(key, key->name, name, text, field, NULL))
            return FALSE;
    } while (take(cursor, ','));
    return take(cursor, '}');
}

static gboolean read_value(Cursor *cursor, const BerthKey *key, gpointer field)
{
    if (key->kind->parse)
        return read_number(cursor, key, field);
    if (key->kind == &berth_kind_bool)
        return read_bool(cursor, key, field);
    if (key->kind == &berth_kind_word || key->kind == &berth_kind_text)
        return read_string(cursor, key, field);
    if (key->kind == &berth_kind_list)
        return read_list(cursor, key, field);
    if (key->kind == &berth_kind_dict)
        return read_dict(cursor, key, field);
    return key->kind == &berth_kind_labels && read_labels(cursor, key, field);
}

static gboolean read_member(Cursor *cursor, const BerthKeyTarget *targets, guint n_targets, guint32 *seen)
{
    const char *name = take_string(cursor);
    if (!name || !take(cursor, ':'))
        return FALSE;
    for (guint i = 0; i < n_targets; i++) {
        const BerthKey *key = berth_keys_find(targets[i].table, name);
        if (!key)
            continue;
        guint32 bit = 1u << (key - targets[i].table->keys);
        gboolean twice = (seen[i] & bit) != 0;
        seen[i] |= bit;
        return !twice && read_value(cursor, key, (char *) targets[i].fields + key->offset);
    }
    return FALSE;
}

static gboolean has_required(const BerthKeyTable *table, guint32 seen)
{
    for (guint i = 0; i < table->n_keys; i++)
        if ((table->keys[i].flags & BERTH_KEY_REQUIRED) && !(seen & (1u << i)))
            return FALSE;
    return TRUE;
}

static gboolean read_object(Cursor *cursor, const BerthKeyTarget *targets, guint n_targets)
{
    guint32 seen[BERTH_KEY_TARGETS_MAX] = {0};
    if (!take(cursor, '{'))
        return FALSE;
    if (!take(cursor, '}')) {
        do
            if (!read_member(cursor, targets, n_targets, seen))
                return FALSE;
        while (take(cursor, ','));
        if (!take(cursor, '}'))
            return FALSE;
    }
    for (guint i = 0; i < n_targets; i++)
        if (!has_required(targets[i].table, seen[i]))
            return FALSE;
    return TRUE;
}

gboolean berth_keys_read_json(const char *text, gsize length, const BerthKeyTarget *targets, guint n_targets)
{
    g_return_val_if_fail(n_targets <= BERTH_KEY_TARGETS_MAX, FALSE);
    /* No NUL byte either. */
    if (length > BERTH_JSON_SIZE_MAX || !g_utf8_validate_len(text, length, NULL))
        return FALSE;
    g_autofree char *copy = g_memdup2(text, length);
    Cursor cursor = {copy, copy + length};
    if (!read_object(&cursor, targets, n_targets))
        return FALSE;
    skip_space(&cursor);
    return cursor.at == cursor.end;
}
