/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <gio/gio.h>

/* What fakes of system services share: a thread of their own, so that the test may call the daemon and wait while the
 * daemon calls the fake; a bus name that can vanish and come back; and a say over every answer. */

typedef struct FakeService FakeService;

typedef struct {
    const char *bus_name;
    /* In the service's thread, for each new connection: exports the objects. */
    void (*connected)(FakeService *service, gpointer data);
    /* In the service's thread: a method call that is to be answered now. Takes @invocation. */
    void (*call)(FakeService *service, const char *method, GVariant *parameters, GDBusMethodInvocation *invocation,
                 gpointer data);
} FakeServiceKind;

/* @address: of the bus. It is not on the bus yet: fake_service_come_back() brings it there. */
FakeService *fake_service_new(const FakeServiceKind *kind, const char *address, gpointer data);
/* Ends the thread. */
void fake_service_free(FakeService *service);

/* Leaves the bus, and comes to it (returning when the name is owned); calls that are held go unanswered then. */
void fake_service_vanish(FakeService *service);
void fake_service_come_back(FakeService *service);

/* What happens to calls of @method from now on, by its bare name. */
void fake_service_hold(FakeService *service, const char *method);
/* Answers what is held, in order, and holds no more. */
void fake_service_release(FakeService *service, const char *method);
void fake_service_fail(FakeService *service, const char *method, const char *error_name, guint times);
void fake_service_delay(FakeService *service, const char *method, guint msec);
/* How many calls of @method have arrived, answered or not. The test's main context is woken by each. */
guint fake_service_count(FakeService *service, const char *method);

/* Runs @func in the service's thread and waits for its end. */
void fake_service_run(FakeService *service, void (*func)(gpointer data), gpointer data);

/* For the fakes, in their thread. */
GMainContext *fake_service_context(FakeService *service);
gboolean fake_service_is_connected(FakeService *service);
/* Method calls go to the kind's call(), properties to @get, which returns a floating value. */
typedef GVariant *(*FakeServiceGet)(const char *property, gpointer data);
guint fake_service_export(FakeService *service, const char *path, GDBusInterfaceInfo *interface, FakeServiceGet get,
                          gpointer data);
void fake_service_unexport(FakeService *service, guint id);
/* @parameters: floating. To everybody who listens. */
void fake_service_emit(FakeService *service, const char *path, const char *interface, const char *signal,
                       GVariant *parameters);
/* @member may be a pretended one, such as a signal's: counts it, and tells whether it is held back; then @later (a
 * closure in the fake's thread) is run upon release. */
gboolean fake_service_holds(FakeService *service, const char *member, GSourceFunc later, gpointer data,
                            GDestroyNotify free_data);
