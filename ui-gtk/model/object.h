/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <gio/gio.h>

/* What the daemon tells of one of its objects, as a GObject: a table maps the contract's properties onto those of the
 * class. Values are the daemon's last word; one that has never come, or came in another type, is empty or 0.
 *
 * Properties of all: "busy" b, whether a call of ours to it is under way. */

typedef struct {
    const char *key;  /* the contract's: "MemoryBytes" */
    const char *name; /* the class's: "memory" */
} BerthUiProperty;

#define BERTH_UI_TYPE_OBJECT (berth_ui_object_get_type())
G_DECLARE_DERIVABLE_TYPE(BerthUiObject, berth_ui_object, BERTH_UI, OBJECT, GObject)

struct _BerthUiObjectClass {
    GObjectClass parent_class;
    const BerthUiProperty *properties;
    GParamSpec **specs;
    guint n_properties;
    GDBusInterfaceInfo *contract;
};

/**
 * berth_ui_object_class_set_properties:
 * @contract: the interface, as generated from the contract: it says of which type each property is
 * @properties: they live as long as the program; their index is what the functions below take
 *
 * For class_init. Strings, booleans and numbers become properties of that type, all else GVariants.
 */
void berth_ui_object_class_set_properties(BerthUiObjectClass *klass, GDBusInterfaceInfo *contract,
                                          const BerthUiProperty *properties, guint n_properties);

/**
 * berth_ui_object_update:
 * @values: a{sv} by the contract's keys; what is not in it stays as it is
 *
 * Notifies of each property that has another value now, after all have it.
 */
void berth_ui_object_update(BerthUiObject *object, GVariant *values);

/* A call begins, and has its answer. */
void berth_ui_object_begin_call(BerthUiObject *object);
void berth_ui_object_end_call(BerthUiObject *object);
gboolean berth_ui_object_is_busy(BerthUiObject *object);

/* (transfer none): "" where there is none; until the next update */
const char *berth_ui_object_get_string(BerthUiObject *object, guint property);
/* Of u, t, i and b. */
guint64 berth_ui_object_get_number(BerthUiObject *object, guint property);
/* (transfer none) (nullable) */
GVariant *berth_ui_object_get_variant(BerthUiObject *object, guint property);
