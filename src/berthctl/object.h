/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "bus.h"

/* An object of the daemon as it was when it was read: never changed, only replaced. */
typedef struct {
    char *path;
    char *interface;
    char *name;           /* "Name", "" where it has none: lists are sorted by it */
    GVariant *properties; /* a{sv}, under the names of the contract */
} CtlObject;

CtlObject *ctl_object_new(const char *path, const char *interface, GVariant *properties);
void ctl_object_free(CtlObject *object);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(CtlObject, ctl_object_free)

/* (transfer full): @object with what a PropertiesChanged told: values to take over, names to forget. */
CtlObject *ctl_object_merge(const CtlObject *object, GVariant *changed, GVariant *invalidated);

/* A property; "" or 0 where it is absent or of another type. */
const char *ctl_get_string(const CtlObject *object, const char *property);
guint64 ctl_get_number(const CtlObject *object, const char *property); /* u, t */
gint32 ctl_get_int(const CtlObject *object, const char *property);
gboolean ctl_get_bool(const CtlObject *object, const char *property);
/* LastError's text, "" where none. */
const char *ctl_get_error(const CtlObject *object);

/**
 * ctl_read_objects:
 * @wanted: (nullable): names of the properties to be read, %NULL for all
 * @objects: (out) (transfer full) (element-type CtlObject): all of the daemon's that have @interface, by their Name
 * @owner: (out) (optional) (transfer full): the daemon's unique name
 * @serial: (out) (optional): of its answer: what it sent before has a smaller one
 */
int ctl_read_objects(Ctl *ctl, const char *interface, const char *const *wanted, GPtrArray **objects, char **owner,
                     guint64 *serial, sd_bus_error *error);
int ctl_read_object(Ctl *ctl, const char *path, const char *interface, CtlObject **object, sd_bus_error *error);
/* GetVM, and all of its properties. */
int ctl_read_vm(Ctl *ctl, const char *name, CtlObject **object, sd_bus_error *error);

/* At the read position of @m: an a{sa{sv}}, of which the properties of @interface are taken; *@properties stays %NULL
 * where it is not among them. */
int ctl_read_interfaces(sd_bus_message *m, const char *interface, GVariant **properties);
