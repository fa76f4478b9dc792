/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "image.h"

#include "contract.h"

struct _BerthUiImage {
    BerthUiObject parent_instance;
};

G_DEFINE_FINAL_TYPE(BerthUiImage, berth_ui_image, BERTH_UI_TYPE_OBJECT)

enum {
    NAME,
    DESCRIPTION,
    VERSION,
    SIZE,
    SHA256,
    USED_BY,
    N_PROPERTIES,
};

static const BerthUiProperty properties[] = {
    [NAME] = {"Name", "name"},          [DESCRIPTION] = {"Description", "description"},
    [VERSION] = {"Version", "version"}, [SIZE] = {"SizeBytes", "size"},
    [SHA256] = {"SHA256", "sha256"},    [USED_BY] = {"UsedBy", "used-by"},
};
G_STATIC_ASSERT(G_N_ELEMENTS(properties) == N_PROPERTIES);

static void berth_ui_image_class_init(BerthUiImageClass *klass)
{
    berth_ui_object_class_set_properties(BERTH_UI_OBJECT_CLASS(klass),
                                         (GDBusInterfaceInfo *) &org_berth_berth1_image_interface, properties,
                                         N_PROPERTIES);
}

static void berth_ui_image_init(BerthUiImage *image)
{
}

static const char *string_of(BerthUiImage *image, guint property)
{
    return berth_ui_object_get_string(BERTH_UI_OBJECT(image), property);
}

const char *berth_ui_image_get_name(BerthUiImage *image)
{
    return string_of(image, NAME);
}

const char *berth_ui_image_get_description(BerthUiImage *image)
{
    return string_of(image, DESCRIPTION);
}

const char *berth_ui_image_get_version(BerthUiImage *image)
{
    return string_of(image, VERSION);
}

const char *berth_ui_image_get_sha256(BerthUiImage *image)
{
    return string_of(image, SHA256);
}

guint64 berth_ui_image_get_size(BerthUiImage *image)
{
    return berth_ui_object_get_number(BERTH_UI_OBJECT(image), SIZE);
}

guint berth_ui_image_get_n_users(BerthUiImage *image)
{
    GVariant *users = berth_ui_object_get_variant(BERTH_UI_OBJECT(image), USED_BY);
    return users ? (guint) g_variant_n_children(users) : 0;
}
