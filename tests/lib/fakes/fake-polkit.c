/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "fake-polkit.h"

#define NAME "org.freedesktop.PolicyKit1"
#define INTERFACE NAME ".Authority"
#define ALLOW_INTERACTION 1u

static const char xml[] = "<node>"
                          " <interface name='org.freedesktop.PolicyKit1.Authority'>"
                          "  <method name='CheckAuthorization'>"
                          "   <arg type='(sa{sv})' direction='in'/><arg type='s' direction='in'/>"
                          "   <arg type='a{ss}' direction='in'/><arg type='u' direction='in'/>"
                          "   <arg type='s' direction='in'/><arg type='(bba{ss})' direction='out'/>"
                          "  </method>"
                          "  <method name='CancelCheckAuthorization'><arg type='s' direction='in'/></method>"
                          " </interface>"
                          "</node>";

struct FakePolkit {
    FakeService *service;
    GDBusNodeInfo *node;
    FakePolkitAnswer otherwise;
    GMutex lock;           /* over what follows */
    GHashTable *answers;   /* (element-type utf8 FakePolkitAnswer) */
    GHashTable *asked;     /* (element-type utf8 guint) */
    GHashTable *cancelled; /* (element-type utf8): ids whose questions are not to be answered any more */
    GVariant *last;
};

static FakePolkitAnswer answer_of(FakePolkit *fake, const char *action)
{
    gpointer value;
    return g_hash_table_lookup_extended(fake->answers, action, NULL, &value) ? GPOINTER_TO_UINT(value)
                                                                             : fake->otherwise;
}

static void check(FakePolkit *fake, GVariant *parameters, GDBusMethodInvocation *invocation)
{
    const char *action, *cancellation_id;
    guint flags;
    g_variant_get(parameters, "(@(sa{sv})&s@a{ss}u&s)", NULL, &action, NULL, &flags, &cancellation_id);
    g_mutex_lock(&fake->lock);
    FakePolkitAnswer answer = answer_of(fake, action);
    gboolean is_cancelled = g_hash_table_contains(fake->cancelled, cancellation_id);
    guint asked = GPOINTER_TO_UINT(g_hash_table_lookup(fake->asked, action));
    g_hash_table_insert(fake->asked, g_strdup(action), GUINT_TO_POINTER(asked + 1));
    g_clear_pointer(&fake->last, g_variant_unref);
    fake->last = g_variant_ref(parameters);
    g_mutex_unlock(&fake->lock);
    gboolean interactive = flags & ALLOW_INTERACTION;
    gboolean yes = answer == FAKE_POLKIT_YES || (answer == FAKE_POLKIT_CHALLENGE && interactive);
    if (is_cancelled)
        g_dbus_method_invocation_return_dbus_error(invocation, NAME ".Error.Cancelled", "Operation was cancelled");
    else
        g_dbus_method_invocation_return_value(
            invocation, g_variant_new("((bba{ss}))", yes, !yes && answer == FAKE_POLKIT_CHALLENGE, NULL));
}

static void cancel(FakePolkit *fake, GVariant *parameters, GDBusMethodInvocation *invocation)
{
    const char *cancellation_id;
    g_variant_get(parameters, "(&s)", &cancellation_id);
    g_mutex_lock(&fake->lock);
    g_hash_table_add(fake->cancelled, g_strdup(cancellation_id));
    g_mutex_unlock(&fake->lock);
    g_dbus_method_invocation_return_value(invocation, NULL);
}

static void on_call(FakeService *service, const char *method, GVariant *parameters, GDBusMethodInvocation *invocation,
                    gpointer data)
{
    if (g_str_equal(method, "CheckAuthorization"))
        check(data, parameters, invocation);
    else
        cancel(data, parameters, invocation);
}

static void on_connected(FakeService *service, gpointer data)
{
    FakePolkit *fake = data;
    fake_service_export(service, "/org/freedesktop/PolicyKit1/Authority",
                        g_dbus_node_info_lookup_interface(fake->node, INTERFACE), NULL, NULL);
}

FakePolkit *fake_polkit_new(const char *address, FakePolkitAnswer otherwise)
{
    static const FakeServiceKind kind = {.bus_name = NAME, .connected = on_connected, .call = on_call};
    FakePolkit *fake = g_new0(FakePolkit, 1);
    fake->otherwise = otherwise;
    g_mutex_init(&fake->lock);
    fake->answers = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
    fake->asked = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
    fake->cancelled = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
    g_autoptr(GError) error = NULL;
    fake->node = g_dbus_node_info_new_for_xml(xml, &error);
    g_assert_no_error(error);
    fake->service = fake_service_new(&kind, address, fake);
    fake_service_come_back(fake->service);
    return fake;
}

void fake_polkit_free(FakePolkit *fake)
{
    fake_service_free(fake->service);
    g_hash_table_unref(fake->answers);
    g_hash_table_unref(fake->asked);
    g_hash_table_unref(fake->cancelled);
    g_clear_pointer(&fake->last, g_variant_unref);
    g_dbus_node_info_unref(fake->node);
    g_mutex_clear(&fake->lock);
    g_free(fake);
}

FakeService *fake_polkit_service(FakePolkit *fake)
{
    return fake->service;
}

void fake_polkit_set(FakePolkit *fake, const char *action, FakePolkitAnswer answer)
{
    g_mutex_lock(&fake->lock);
    g_hash_table_insert(fake->answers, g_strdup(action), GUINT_TO_POINTER(answer));
    g_mutex_unlock(&fake->lock);
}

guint fake_polkit_asked(FakePolkit *fake, const char *action)
{
    g_mutex_lock(&fake->lock);
    guint asked = GPOINTER_TO_UINT(g_hash_table_lookup(fake->asked, action));
    g_mutex_unlock(&fake->lock);
    return asked;
}

GVariant *fake_polkit_last_question(FakePolkit *fake)
{
    g_mutex_lock(&fake->lock);
    GVariant *last = fake->last ? g_variant_ref(fake->last) : NULL;
    g_mutex_unlock(&fake->lock);
    return last;
}
