/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "fake-systemd.h"

/* Between fake-systemd.c (the methods, and what the test says) and fake-systemd-unit.c (units, their cgroups and jobs).
 */

#define NAME "org.freedesktop.systemd1"
#define PATH "/org/freedesktop/systemd1"
#define MANAGER NAME ".Manager"

struct FakeSystemd {
    FakeService *service;
    GDBusNodeInfo *node;
    char *cgroup;
    /* What follows belongs to the service's thread. */
    GHashTable *units;      /* (element-type utf8 FakeUnit) */
    GHashTable *properties; /* (element-type utf8 GVariant): of each unit that was ever started */
    FakeSystemdFlags flags;
    char *job_result;
    guint32 last_job;
};

typedef struct {
    FakeSystemd *fake;
    char *name;
    char *path;
    char *description;
    char *cgroup;
    const char *active_state;
    guint64 stop_usec;
    guint unit_id, scope_id; /* of the exported interfaces */
    GSource *watch;          /* of its cgroup */
    GSource *timer;          /* runs while it is being stopped */
    gboolean killed;         /* with SIGKILL, by stopping it */
    guint32 stop_job;        /* 0 where none is under way */
} FakeUnit;

/* All of these: in the service's thread. */

/* (transfer full) */
char *fake_unit_path(const char *name);
void fake_unit_free(gpointer unit);
/* Loaded and inactive; owned by fake->units. */
FakeUnit *fake_unit_new(FakeSystemd *fake, const char *name, const char *slice, const char *description);
void fake_unit_export(FakeUnit *unit);
void fake_unit_set_state(FakeUnit *unit, const char *state);
/* The name is free again; the cgroup goes where the kernel lets it. */
void fake_unit_unload(FakeUnit *unit);
/* An active scope with the processes of @properties, a(sv), in its cgroup. */
FakeUnit *fake_unit_start(FakeSystemd *fake, const char *name, GVariant *properties, GDBusMessage *message);
/* Goes as a unit; what is in its cgroup stays there, unknown to systemd. */
void fake_unit_lose(FakeUnit *unit);
void fake_unit_stop(FakeUnit *unit, guint32 job);

/* (transfer full) */
char *fake_job_path(guint32 id);
void fake_job_end(FakeSystemd *fake, guint32 id, const char *unit);
void fake_systemd_emit(FakeSystemd *fake, const char *signal, GVariant *parameters);
