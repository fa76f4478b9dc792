/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "fake-service.h"

/* A systemd for scopes on a private bus: it answers as systemd 252 does, and its scopes are real cgroups with real
 * processes in them, so that what the kernel says of them is true. */

typedef struct FakeSystemd FakeSystemd;

/* @cgroup: an empty one, below which slices and scopes are made. */
FakeSystemd *fake_systemd_new(const char *address, const char *cgroup);
/* Leaves the cgroups as they are: see test_cgroup_destroy(). */
void fake_systemd_free(FakeSystemd *fake);

/* To hold, fail and delay answers, to count calls, to vanish and come back: fake-service.h, with the names of the
 * manager's methods, and "JobRemoved" for that signal. */
FakeService *fake_systemd_service(FakeSystemd *fake);

typedef enum {
    FAKE_SYSTEMD_NO_PIDFDS = 0,       /* as before 255: PIDFDs is refused with PropertyReadOnly (the default) */
    FAKE_SYSTEMD_PIDFDS = 1 << 0,     /* PIDFDs is taken */
    FAKE_SYSTEMD_EARLY_JOBS = 1 << 1, /* JobRemoved comes before the reply that names the job */
    FAKE_SYSTEMD_LOSE_SCOPES =
        1 << 2,                   /* systemd issue 36781: the scope goes dead at once, its process lives on in it */
    FAKE_SYSTEMD_SPARES = 1 << 3, /* KillUnit kills nobody, and says that it has */
} FakeSystemdFlags;

void fake_systemd_set_flags(FakeSystemd *fake, FakeSystemdFlags flags);
/* What jobs end with from now on; "done" but for this. */
void fake_systemd_set_job_result(FakeSystemd *fake, const char *result);
/* A false UnitRemoved and UnitNew, as daemon-reload sends them; without the second, as daemon-reexec does. */
void fake_systemd_send_unit_removed(FakeSystemd *fake, const char *unit, gboolean with_unit_new);
/* Any signal of the manager's, from the connection that owns the name. @parameters: floating */
void fake_systemd_send(FakeSystemd *fake, const char *signal, GVariant *parameters);
/* Makes the unit known as failed, with no process: as a scope whose name is still taken. */
void fake_systemd_add_failed(FakeSystemd *fake, const char *unit);

/* Forgets the unit, whose processes live on in its cgroup. */
void fake_systemd_forget(FakeSystemd *fake, const char *unit);

/* (transfer full) (nullable): "active", "failed" ...; %NULL where it is not loaded. */
char *fake_systemd_state(FakeSystemd *fake, const char *unit);
/* (transfer full): path of the scope's cgroup, whether it exists or not. */
char *fake_systemd_cgroup(FakeSystemd *fake, const char *unit);
/* (transfer full) (nullable): the a(sv) of the last StartTransientUnit for @unit. */
GVariant *fake_systemd_properties(FakeSystemd *fake, const char *unit);
/* How many units are loaded. */
guint fake_systemd_n_units(FakeSystemd *fake);
