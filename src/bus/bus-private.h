/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "bus.h"

/* Shared by the files of src/bus only. */

typedef struct BerthListing BerthListing;

struct BerthBus {
    BerthBusLink *link;
    BerthPolkit *polkit;
    BerthManager *manager;
    const char *const *capabilities;
    gsize message_max;  /* bytes that the bus lets a message have */
    sd_bus *connection; /* (nullable): while the objects are on it */
    GPtrArray *slots;   /* (element-type sd_bus_slot) */
    uid_t caller;       /* whose call is being carried out */
    GHashTable *calls;  /* method calls that wait for polkit, a set */
    GHashTable *dirty;  /* object path → GUINT of aspects that have changed in this turn of the loop */
    guint flush_source;
    GHashTable *subscribers; /* see usage-bus.h: unique name → client that has subscribed */
    BerthListing *listing;   /* (nullable): calls of GetManagedObjects */
    void (*name_taken)(gpointer data);
    void (*name_refused)(const char *why, gpointer data);
    gpointer data;
};

/* Object paths. (transfer full) */
char *berth_vm_path(const BerthVm *vm);
char *berth_image_path(const BerthImage *image);
char *berth_job_path(const BerthJob *job);

/* Bytes of what is variable in an object's properties, when they are all shown: its texts, lists and definition. */
gsize berth_vm_variable_size(const BerthVm *vm);
gsize berth_image_variable_size(const BerthImage *image);

/* The tables of the interfaces, and how objects are found; NULL where @path is none. */
extern const sd_bus_vtable berth_manager_vtable[];
extern const sd_bus_vtable berth_vm_vtable[];
extern const sd_bus_vtable berth_image_vtable[];
extern const sd_bus_vtable berth_job_vtable[];
BerthVm *berth_bus_find_vm(BerthBus *bus, const char *path);
BerthImage *berth_bus_find_image(BerthBus *bus, const char *path);
BerthJob *berth_bus_find_job(BerthBus *bus, const char *path);

/* The bus of the vtable whose handler is running. */
BerthBus *berth_bus_current(sd_bus_message *message);
