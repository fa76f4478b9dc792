/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "object.h"

typedef struct {
    GVariant **values; /* by the class's table, NULL where nothing was told */
    guint n_calls;
} BerthUiObjectPrivate;

G_DEFINE_ABSTRACT_TYPE_WITH_PRIVATE(BerthUiObject, berth_ui_object, G_TYPE_OBJECT)

enum { PROPERTY_BUSY = 1, N_PROPERTIES };
static GParamSpec *specs[N_PROPERTIES];

static void count_call(BerthUiObject *object, int change)
{
    BerthUiObjectPrivate *self = berth_ui_object_get_instance_private(object);
    gboolean was_busy = self->n_calls > 0;
    self->n_calls += (guint) change;
    if (was_busy != (self->n_calls > 0))
        g_object_notify_by_pspec(G_OBJECT(object), specs[PROPERTY_BUSY]);
}

void berth_ui_object_begin_call(BerthUiObject *object)
{
    count_call(object, 1);
}

void berth_ui_object_end_call(BerthUiObject *object)
{
    count_call(object, -1);
}

gboolean berth_ui_object_is_busy(BerthUiObject *object)
{
    BerthUiObjectPrivate *self = berth_ui_object_get_instance_private(object);
    return self->n_calls > 0;
}

static GVariant *value_of(BerthUiObject *object, guint property)
{
    BerthUiObjectPrivate *self = berth_ui_object_get_instance_private(object);
    return self->values[property];
}

const char *berth_ui_object_get_string(BerthUiObject *object, guint property)
{
    GVariant *value = value_of(object, property);
    return value ? g_variant_get_string(value, NULL) : "";
}

guint64 berth_ui_object_get_number(BerthUiObject *object, guint property)
{
    GVariant *value = value_of(object, property);
    switch (value ? g_variant_classify(value) : G_VARIANT_CLASS_TUPLE) {
    case G_VARIANT_CLASS_BOOLEAN:
        return g_variant_get_boolean(value);
    case G_VARIANT_CLASS_UINT32:
        return g_variant_get_uint32(value);
    case G_VARIANT_CLASS_INT32:
        return (guint64) g_variant_get_int32(value);
    case G_VARIANT_CLASS_UINT64:
        return g_variant_get_uint64(value);
    default:
        return 0;
    }
}

GVariant *berth_ui_object_get_variant(BerthUiObject *object, guint property)
{
    return value_of(object, property);
}

/* A key that the contract lacks is a mistake in a table, and ends the program at its first look. */
static const char *signature_of(GDBusInterfaceInfo *contract, const char *key)
{
    const GDBusPropertyInfo *info = g_dbus_interface_info_lookup_property(contract, key);
    if (!info)
        g_error("%s has no property %s", contract->name, key);
    return info->signature;
}

static gboolean set_value(BerthUiObject *object, guint property, GVariant *value)
{
    BerthUiObjectPrivate *self = berth_ui_object_get_instance_private(object);
    GVariant *old = self->values[property];
    if (old && g_variant_equal(old, value))
        return FALSE;
    g_clear_pointer(&self->values[property], g_variant_unref);
    self->values[property] = g_variant_ref(value);
    return TRUE;
}

void berth_ui_object_update(BerthUiObject *object, GVariant *values)
{
    const BerthUiObjectClass *klass = BERTH_UI_OBJECT_GET_CLASS(object);
    g_object_freeze_notify(G_OBJECT(object));
    for (guint i = 0; i < klass->n_properties; i++) {
        const char *key = klass->properties[i].key;
        const GVariantType *type = G_VARIANT_TYPE(signature_of(klass->contract, key));
        g_autoptr(GVariant) value = g_variant_lookup_value(values, key, type);
        if (value && set_value(object, i, value))
            g_object_notify_by_pspec(G_OBJECT(object), klass->specs[i]);
    }
    g_object_thaw_notify(G_OBJECT(object));
}

/* GObject's property ids begin at 1. */
static void get_property(GObject *object, guint id, GValue *value, GParamSpec *pspec)
{
    GVariant *told = value_of(BERTH_UI_OBJECT(object), id - 1);
    if (!told)
        return;
    if (G_VALUE_HOLDS_VARIANT(value)) {
        g_value_set_variant(value, told);
        return;
    }
    g_auto(GValue) converted = G_VALUE_INIT;
    g_dbus_gvariant_to_gvalue(told, &converted);
    g_value_copy(&converted, value);
}

static GParamSpec *param_spec(const char *name, const char *signature)
{
    const GParamFlags flags = G_PARAM_READABLE | G_PARAM_STATIC_STRINGS | G_PARAM_EXPLICIT_NOTIFY;
    switch (signature[0]) {
    case 's':
        return g_param_spec_string(name, NULL, NULL, NULL, flags);
    case 'b':
        return g_param_spec_boolean(name, NULL, NULL, FALSE, flags);
    case 'i':
        return g_param_spec_int(name, NULL, NULL, G_MININT, G_MAXINT, 0, flags);
    case 'u':
        return g_param_spec_uint(name, NULL, NULL, 0, G_MAXUINT, 0, flags);
    case 'd':
        return g_param_spec_double(name, NULL, NULL, -G_MAXDOUBLE, G_MAXDOUBLE, 0, flags);
    case 't':
        return g_param_spec_uint64(name, NULL, NULL, 0, G_MAXUINT64, 0, flags);
    default:
        return g_param_spec_variant(name, NULL, NULL, G_VARIANT_TYPE(signature), NULL, flags);
    }
}

void berth_ui_object_class_set_properties(BerthUiObjectClass *klass, GDBusInterfaceInfo *contract,
                                          const BerthUiProperty *properties, guint n_properties)
{
    klass->contract = contract;
    klass->properties = properties;
    klass->n_properties = n_properties;
    klass->specs = g_new(GParamSpec *, n_properties);
    G_OBJECT_CLASS(klass)->get_property = get_property;
    for (guint i = 0; i < n_properties; i++) {
        klass->specs[i] = param_spec(properties[i].name, signature_of(contract, properties[i].key));
        g_object_class_install_property(G_OBJECT_CLASS(klass), i + 1, klass->specs[i]);
    }
}

static void berth_ui_object_constructed(GObject *object)
{
    BerthUiObjectPrivate *self = berth_ui_object_get_instance_private(BERTH_UI_OBJECT(object));
    self->values = g_new0(GVariant *, BERTH_UI_OBJECT_GET_CLASS(object)->n_properties);
    G_OBJECT_CLASS(berth_ui_object_parent_class)->constructed(object);
}

static void berth_ui_object_finalize(GObject *object)
{
    BerthUiObjectPrivate *self = berth_ui_object_get_instance_private(BERTH_UI_OBJECT(object));
    for (guint i = 0; i < BERTH_UI_OBJECT_GET_CLASS(object)->n_properties; i++)
        g_clear_pointer(&self->values[i], g_variant_unref);
    g_free(self->values);
    G_OBJECT_CLASS(berth_ui_object_parent_class)->finalize(object);
}

static void berth_ui_object_get_property(GObject *object, guint id, GValue *value, GParamSpec *spec)
{
    g_value_set_boolean(value, berth_ui_object_is_busy(BERTH_UI_OBJECT(object)));
}

static void berth_ui_object_class_init(BerthUiObjectClass *klass)
{
    G_OBJECT_CLASS(klass)->get_property = berth_ui_object_get_property;
    G_OBJECT_CLASS(klass)->constructed = berth_ui_object_constructed;
    G_OBJECT_CLASS(klass)->finalize = berth_ui_object_finalize;
    specs[PROPERTY_BUSY] = g_param_spec_boolean("busy", NULL, NULL, FALSE,
                                                G_PARAM_READABLE | G_PARAM_STATIC_STRINGS | G_PARAM_EXPLICIT_NOTIFY);
    g_object_class_install_properties(G_OBJECT_CLASS(klass), N_PROPERTIES, specs);
}

static void berth_ui_object_init(BerthUiObject *object)
{
}
