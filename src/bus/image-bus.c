/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "call.h"

#include <string.h>

#include "../core/error.h"
#include "../core/names.h"

char *berth_image_path(const BerthImage *image)
{
    g_autofree char *path = NULL;
    sd_bus_path_encode(BERTH_PATH_IMAGE, image->meta->name, &path);
    return g_strdup(path);
}

BerthImage *berth_bus_find_image(BerthBus *bus, const char *path)
{
    g_autofree char *name = NULL;
    if (sd_bus_path_decode(path, BERTH_PATH_IMAGE, &name) <= 0)
        return NULL;
    return berth_manager_find_image(bus->manager, name);
}

#define GETTER(member, type)                                                                                           \
    static int get_##member(sd_bus *connection, const char *path, const char *interface, const char *property,         \
                            sd_bus_message *reply, void *userdata, sd_bus_error *error)                                \
    {                                                                                                                  \
        const BerthImage *image = userdata;                                                                            \
        return sd_bus_message_append(reply, type, image->meta->member);                                                \
    }

GETTER(name, "s")
GETTER(description, "s")
GETTER(version, "s")
GETTER(size, "t")
GETTER(sha256, "s")

static int get_used_by(sd_bus *connection, const char *path, const char *interface, const char *property,
                       sd_bus_message *reply, void *userdata, sd_bus_error *error)
{
    const BerthImage *image = userdata;
    int r = sd_bus_message_open_container(reply, 'a', "o");
    for (guint i = 0; r >= 0 && i < image->users->len; i++) {
        g_autofree char *user = berth_vm_path(g_ptr_array_index(image->users, i));
        r = sd_bus_message_append(reply, "o", user);
    }
    return r < 0 ? r : sd_bus_message_close_container(reply);
}

gsize berth_image_variable_size(const BerthImage *image)
{
    const BerthImageMeta *meta = image->meta;
    gsize size = strlen(meta->name) + strlen(meta->description) + strlen(meta->version) + strlen(meta->sha256);
    for (guint i = 0; i < image->users->len; i++) {
        g_autofree char *user = berth_vm_path(g_ptr_array_index(image->users, i));
        size += 8 + strlen(user);
    }
    return size;
}

static void run_remove(BerthBus *bus, sd_bus_message *message)
{
    g_autoptr(GError) error = NULL;
    BerthImage *image = berth_bus_find_image(bus, sd_bus_message_get_path(message));
    g_autoptr(GVariant) args = berth_call_read(message, &error);
    g_autoptr(GVariant) options = args ? g_variant_get_child_value(args, 0) : NULL;
    if (!image)
        berth_call_fail_with(message, BERTH_ERROR_NOT_FOUND, "The image is gone");
    else if (!args || !berth_options_none(options, &error))
        berth_call_fail(message, error);
    else
        berth_image_remove(bus->manager, image, berth_call_reply(bus, message));
}

static int method_remove(sd_bus_message *message, void *userdata, sd_bus_error *bus_error)
{
    return berth_call_authorise(berth_bus_current(message), message, BERTH_ACTION_IMAGES, NULL, run_remove);
}

const sd_bus_vtable berth_image_vtable[] = {
    SD_BUS_VTABLE_START(0),
    SD_BUS_PROPERTY("Name", "s", get_name, 0, SD_BUS_VTABLE_PROPERTY_CONST),
    SD_BUS_PROPERTY("Description", "s", get_description, 0, SD_BUS_VTABLE_PROPERTY_CONST),
    SD_BUS_PROPERTY("Version", "s", get_version, 0, SD_BUS_VTABLE_PROPERTY_CONST),
    SD_BUS_PROPERTY("SizeBytes", "t", get_size, 0, SD_BUS_VTABLE_PROPERTY_CONST),
    SD_BUS_PROPERTY("SHA256", "s", get_sha256, 0, SD_BUS_VTABLE_PROPERTY_CONST),
    SD_BUS_PROPERTY("UsedBy", "ao", get_used_by, 0, SD_BUS_VTABLE_PROPERTY_EMITS_CHANGE),
    SD_BUS_METHOD_WITH_NAMES("Remove", "a{sv}", SD_BUS_PARAM(options), "", , method_remove, SD_BUS_VTABLE_UNPRIVILEGED),
    SD_BUS_VTABLE_END,
};
