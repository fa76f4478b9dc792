/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "object.h"

#include <errno.h>

#include "../core/names.h"
#include "../host/bus-variant.h"

CtlObject *ctl_object_new(const char *path, const char *interface, GVariant *properties)
{
    CtlObject *object = g_new0(CtlObject, 1);
    object->path = g_strdup(path);
    object->interface = g_strdup(interface);
    object->properties = g_variant_ref_sink(properties);
    object->name = g_strdup(ctl_get_string(object, "Name"));
    return object;
}

void ctl_object_free(CtlObject *object)
{
    if (object == NULL)
        return;
    g_free(object->path);
    g_free(object->interface);
    g_free(object->name);
    g_variant_unref(object->properties);
    g_free(object);
}

CtlObject *ctl_object_merge(const CtlObject *object, GVariant *changed, GVariant *invalidated)
{
    g_auto(GVariantDict) merged = G_VARIANT_DICT_INIT(object->properties);
    GVariantIter iter;
    const char *name;
    GVariant *value;
    g_variant_iter_init(&iter, changed);
    while (g_variant_iter_loop(&iter, "{&sv}", &name, &value))
        g_variant_dict_insert_value(&merged, name, value);
    g_variant_iter_init(&iter, invalidated);
    while (g_variant_iter_loop(&iter, "&s", &name))
        g_variant_dict_remove(&merged, name);
    return ctl_object_new(object->path, object->interface, g_variant_dict_end(&merged));
}

const char *ctl_get_string(const CtlObject *object, const char *property)
{
    const char *text = "";
    g_variant_lookup(object->properties, property, "&s", &text);
    return text;
}

guint64 ctl_get_number(const CtlObject *object, const char *property)
{
    guint64 number = 0;
    guint32 small = 0;
    if (g_variant_lookup(object->properties, property, "u", &small))
        return small;
    g_variant_lookup(object->properties, property, "t", &number);
    return number;
}

gint32 ctl_get_int(const CtlObject *object, const char *property)
{
    gint32 number = 0;
    g_variant_lookup(object->properties, property, "i", &number);
    return number;
}

gboolean ctl_get_bool(const CtlObject *object, const char *property)
{
    gboolean value = FALSE;
    g_variant_lookup(object->properties, property, "b", &value);
    return value;
}

const char *ctl_get_error(const CtlObject *object)
{
    const char *name = "", *text = "";
    g_variant_lookup(object->properties, "LastError", "(&s&s)", &name, &text);
    return text;
}

/* sd-bus' "nothing there" is malformed here, where something must be. */
static int expect(int r)
{
    return r == 0 ? -EBADMSG : r;
}

static int read_property(sd_bus_message *m, const char *const *wanted, GVariantBuilder *properties)
{
    const char *name;
    g_autoptr(GVariant) value = NULL;
    int r = expect(sd_bus_message_read(m, "s", &name));
    if (r >= 0)
        r = g_strv_contains(wanted, name) ? berth_bus_read_variant(m, &value) : sd_bus_message_skip(m, "v");
    if (r < 0)
        return r;
    if (value != NULL)
        g_variant_builder_add(properties, "{s@v}", name, value);
    return expect(sd_bus_message_exit_container(m));
}

/* Most of what is said of a VM is in its definition: who does not want that need not wait for all of it to be read. */
static int read_some(sd_bus_message *m, const char *const *wanted, GVariant **properties)
{
    g_auto(GVariantBuilder) builder = G_VARIANT_BUILDER_INIT(G_VARIANT_TYPE_VARDICT);
    int r = expect(sd_bus_message_enter_container(m, 'a', "{sv}"));
    while (r > 0 && (r = sd_bus_message_enter_container(m, 'e', "sv")) > 0)
        r = read_property(m, wanted, &builder);
    if (r >= 0)
        r = sd_bus_message_exit_container(m);
    if (r >= 0)
        *properties = g_variant_ref_sink(g_variant_builder_end(&builder));
    return r;
}

/* @wanted: (nullable): of its properties */
static int read_interface(sd_bus_message *m, const char *interface, const char *const *wanted, GVariant **properties)
{
    const char *name;
    int r = expect(sd_bus_message_read(m, "s", &name));
    if (r < 0)
        return r;
    if (!g_str_equal(name, interface) || *properties != NULL)
        return sd_bus_message_skip(m, "a{sv}");
    return wanted ? read_some(m, wanted, properties) : berth_bus_read_variant(m, properties);
}

static int read_interfaces(sd_bus_message *m, const char *interface, const char *const *wanted, GVariant **properties)
{
    g_autoptr(GVariant) found = NULL;
    int r = expect(sd_bus_message_enter_container(m, 'a', "{sa{sv}}"));
    while (r > 0 && (r = sd_bus_message_enter_container(m, 'e', "sa{sv}")) > 0) {
        r = read_interface(m, interface, wanted, &found);
        if (r >= 0)
            r = expect(sd_bus_message_exit_container(m));
    }
    if (r >= 0)
        r = sd_bus_message_exit_container(m);
    if (r < 0)
        return r;
    *properties = g_steal_pointer(&found);
    return 0;
}

int ctl_read_interfaces(sd_bus_message *m, const char *interface, GVariant **properties)
{
    return read_interfaces(m, interface, NULL, properties);
}

static int read_entry(sd_bus_message *m, const char *interface, const char *const *wanted, GPtrArray *objects)
{
    const char *path;
    g_autoptr(GVariant) properties = NULL;
    int r = expect(sd_bus_message_read(m, "o", &path));
    if (r >= 0)
        r = read_interfaces(m, interface, wanted, &properties);
    if (r < 0)
        return r;
    if (properties != NULL)
        g_ptr_array_add(objects, ctl_object_new(path, interface, properties));
    return expect(sd_bus_message_exit_container(m));
}

static int by_name(gconstpointer a, gconstpointer b)
{
    const CtlObject *left = *(CtlObject *const *) a, *right = *(CtlObject *const *) b;
    int order = strcmp(left->name, right->name);
    return order != 0 ? order : strcmp(left->path, right->path);
}

int ctl_read_objects(Ctl *ctl, const char *interface, const char *const *wanted, GPtrArray **objects, char **owner,
                     guint64 *serial, sd_bus_error *error)
{
    g_autoptr(sd_bus_message) reply = NULL;
    int r = ctl_call(ctl, BERTH_PATH_ROOT, "org.freedesktop.DBus.ObjectManager", "GetManagedObjects", NULL, CTL_QUICK,
                     &reply, error);
    if (r < 0)
        return r;

    g_autoptr(GPtrArray) found = g_ptr_array_new_with_free_func((GDestroyNotify) ctl_object_free);
    r = expect(sd_bus_message_enter_container(reply, 'a', "{oa{sa{sv}}}"));
    while (r > 0 && (r = sd_bus_message_enter_container(reply, 'e', "oa{sa{sv}}")) > 0)
        r = read_entry(reply, interface, wanted, found);
    guint64 cookie = 0;
    if (r >= 0)
        r = sd_bus_message_get_cookie(reply, &cookie);
    if (r < 0)
        return r;

    g_ptr_array_sort(found, by_name);
    *objects = g_steal_pointer(&found);
    if (serial != NULL)
        *serial = cookie;
    if (owner != NULL)
        *owner = g_strdup(sd_bus_message_get_sender(reply));
    return 0;
}

int ctl_read_object(Ctl *ctl, const char *path, const char *interface, CtlObject **object, sd_bus_error *error)
{
    g_autoptr(sd_bus_message) reply = NULL;
    g_autoptr(GVariant) properties = NULL;
    int r = ctl_call(ctl, path, "org.freedesktop.DBus.Properties", "GetAll", g_variant_new("(s)", interface), CTL_QUICK,
                     &reply, error);
    if (r >= 0)
        r = berth_bus_read_variant(reply, &properties);
    if (r >= 0 && !g_variant_is_of_type(properties, G_VARIANT_TYPE_VARDICT))
        r = -EBADMSG;
    if (r < 0)
        return r;
    *object = ctl_object_new(path, interface, properties);
    return 0;
}

int ctl_read_vm(Ctl *ctl, const char *name, CtlObject **object, sd_bus_error *error)
{
    g_autofree char *path = NULL;
    int r = ctl_find_vm(ctl, name, &path, error);
    return r < 0 ? r : ctl_read_object(ctl, path, BERTH_IFACE_VM, object, error);
}
