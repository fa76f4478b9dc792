/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "recorder.h"

typedef struct {
    char *signal;
    GVariant *parameters;
} Entry;

struct Recorder {
    GDBusConnection *client;
    char *path;
    guint subscription;
    GPtrArray *entries; /* (element-type Entry) */
};

static void entry_free(gpointer data)
{
    Entry *entry = data;
    g_free(entry->signal);
    g_variant_unref(entry->parameters);
    g_free(entry);
}

/* The object manager speaks of other objects than its own. */
static gboolean is_about(const char *wanted, const char *path, GVariant *parameters)
{
    if (!wanted || g_str_equal(path, wanted))
        return TRUE;
    if (g_variant_n_children(parameters) == 0)
        return FALSE;
    g_autoptr(GVariant) first = g_variant_get_child_value(parameters, 0);
    return g_variant_is_of_type(first, G_VARIANT_TYPE_OBJECT_PATH) &&
           g_str_equal(g_variant_get_string(first, NULL), wanted);
}

static void on_signal(GDBusConnection *client, const char *sender, const char *path, const char *interface,
                      const char *signal, GVariant *parameters, gpointer data)
{
    Recorder *recorder = data;
    if (!is_about(recorder->path, path, parameters))
        return;
    Entry *entry = g_new(Entry, 1);
    *entry = (Entry){g_strdup(signal), g_variant_ref(parameters)};
    g_ptr_array_add(recorder->entries, entry);
}

Recorder *recorder_new(GDBusConnection *client, const char *sender, const char *path)
{
    Recorder *recorder = g_new0(Recorder, 1);
    recorder->client = g_object_ref(client);
    recorder->path = g_strdup(path);
    recorder->entries = g_ptr_array_new_with_free_func(entry_free);
    recorder->subscription = g_dbus_connection_signal_subscribe(client, sender, NULL, NULL, NULL, NULL,
                                                                G_DBUS_SIGNAL_FLAGS_NONE, on_signal, recorder, NULL);
    return recorder;
}

void recorder_free(Recorder *recorder)
{
    g_dbus_connection_signal_unsubscribe(recorder->client, recorder->subscription);
    g_object_unref(recorder->client);
    g_ptr_array_unref(recorder->entries);
    g_free(recorder->path);
    g_free(recorder);
}

/* What has come in already, and before the answer to a call that the test has waited for without the loop. */
static void catch_up(void)
{
    while (g_main_context_iteration(NULL, FALSE))
        ;
}

static const Entry *entry_at(const Recorder *recorder, guint i)
{
    return recorder->entries->pdata[i];
}

guint recorder_count(const Recorder *recorder, const char *signal)
{
    guint n = 0;
    catch_up();
    for (guint i = 0; i < recorder->entries->len; i++)
        n += g_str_equal(entry_at(recorder, i)->signal, signal);
    return n;
}

/* (transfer full) (nullable): what @entry tells of @property */
static GVariant *change(const Entry *entry, const char *property)
{
    if (!g_str_equal(entry->signal, "PropertiesChanged"))
        return NULL;
    g_autoptr(GVariant) changed = g_variant_get_child_value(entry->parameters, 1);
    return g_variant_lookup_value(changed, property, NULL);
}

char *recorder_words(const Recorder *recorder, const char *property)
{
    GString *words = g_string_new(NULL);
    catch_up();
    for (guint i = 0; i < recorder->entries->len; i++) {
        g_autoptr(GVariant) value = change(entry_at(recorder, i), property);
        if (value)
            g_string_append_printf(words, "%s%s", words->len > 0 ? " " : "", g_variant_get_string(value, NULL));
    }
    return g_string_free(words, FALSE);
}

GVariant *recorder_last(const Recorder *recorder, const char *property)
{
    catch_up();
    for (guint i = recorder->entries->len; i > 0; i--) {
        GVariant *value = change(entry_at(recorder, i - 1), property);
        if (value)
            return value;
    }
    return NULL;
}

guint recorder_changes(const Recorder *recorder, const char *property)
{
    guint n = 0;
    catch_up();
    for (guint i = 0; i < recorder->entries->len; i++) {
        g_autoptr(GVariant) value = change(entry_at(recorder, i), property);
        n += value != NULL;
    }
    return n;
}

gboolean recorder_ends_with_removal(const Recorder *recorder)
{
    catch_up();
    guint n = recorder->entries->len;
    return n > 0 && recorder_count(recorder, "InterfacesRemoved") == 1 &&
           g_str_equal(entry_at(recorder, n - 1)->signal, "InterfacesRemoved");
}
