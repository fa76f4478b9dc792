/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "service-usage.h"
#include "service.h"

/* Between service.c (the bus and the daemon, which come and go), service-objects.c (the daemon's objects and its signals)
 * and service-calls.c (what is asked of it). */

/* Which of the daemon's objects are shown, each kind as a list. */
typedef enum {
    KIND_VM,
    KIND_IMAGE,
    KIND_JOB,
    N_KINDS,
} Kind;

struct _BerthUiService {
    GObject parent_instance;
    GBusType bus;
    char *address; /* NULL for the bus's own */
    char *problem;
    BerthUiServiceStatus status;
    GCancellable *cancellable; /* of what is under way for the whole service */
    GDBusConnection *connection;
    gulong closed;
    guint watch;
    char *owner;                      /* unique name of the daemon, NULL where there is none */
    GCancellable *reading;            /* of the one look at all of this daemon's objects */
    guint subscriptions[3 + N_KINDS]; /* to this daemon's signals */
    BerthUiUsageWatches *usage_watches;
    GListStore *lists[N_KINDS];
    GHashTable *objects; /* path → BerthUiObject, which the list holds */
    guint n_begun;       /* calls that will be answered with a job */
    GHashTable *ended;   /* path → BerthUiJob: what has ended meanwhile, since that may be before the answer */
};

/* For service.c: the lists and what belongs to them. */
void berth_ui_service_set_up_objects(BerthUiService *service);
void berth_ui_service_free_objects(BerthUiService *service);

/* Follows the signals of the daemon that there is, until it is told to stop. What comes before the first look at all
 * objects is answered is older than that, and is not heeded. */
void berth_ui_service_listen(BerthUiService *service);
void berth_ui_service_stop_listening(BerthUiService *service);

/* @objects: a{oa{sa{sv}}}, all that there is. What was known and is not among it went while nobody was listening. */
void berth_ui_service_take_all(BerthUiService *service, GVariant *objects);
/* They end with their daemon, and the next one counts anew. */
void berth_ui_service_forget_jobs(BerthUiService *service);

/* (transfer none): where the daemon has it: its path is nobody else's business */
const char *berth_ui_service_path_of(gpointer object);

/* (transfer full) (nullable): where it is new */
BerthUiObject *berth_ui_service_take_in(BerthUiService *service, const char *path, GVariant *properties, Kind kind);

/* (transfer full): without D-Bus: what the daemon sent in its own domain, and all else with its bare text. */
GError *berth_ui_service_translated(const GError *error);
