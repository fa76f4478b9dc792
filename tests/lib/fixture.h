/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <gio/gunixfdlist.h>

#include "private-bus.h"
#include "recorder.h"
#include "tests/lib/fakes/fake-polkit.h"
#include "tests/lib/fakes/fake-systemd.h"

/* The real berthd on a private bus with fakes of systemd and polkit, in a directory and a cgroup of its own. The test
 * is its client, as root, by GDBus.
 *
 * From the environment: BERTHD and BERTH_KEEPER, the programs as they were built. */

#define FIXTURE_CALL_MSEC 120000 /* no call takes so long that does not hang */

typedef struct {
    char *dir; /* everything below; other users may enter it */
    char *state_dir;
    char *runtime_dir;
    char *config;
    char *cgroup;
    char **environ; /* of the daemon: change it with g_environ_setenv() before it is started */
    PrivateBus *bus;
    FakeSystemd *systemd;
    FakePolkit *polkit; /* says yes */
    GDBusConnection *client;
    char *owner;        /* unique name of who owns berthd's name, NULL while nobody does */
    GPid daemon;        /* 0 while it does not run */
    int daemon_status;  /* wait status of the last one */
    gboolean may_leave; /* fixture_tear_down() does not ask for a clean end */
    guint watch;
    guint child_watch;
    int guard; /* a pipe whose end tells the guard that the test is over */
} Fixture;

/* (nullable) (transfer full): what is missing here for such tests, for a skip of all. */
char *fixture_missing(void);

/* For g_test_add(): @data is NULL or text for the end of berth.conf. */
void fixture_set_up(Fixture *fixture, gconstpointer data);
/* Removes every VM, stops the daemon, and holds that nothing is left: no process, no scope, no file of a VM. */
void fixture_tear_down(Fixture *fixture, gconstpointer data);

/* The two halves of fixture_set_up(). */
void fixture_prepare(Fixture *fixture, const char *config);
void fixture_start_daemon(Fixture *fixture);
/* Does not wait for anything. */
void fixture_spawn_daemon(Fixture *fixture);

/* Sends @signal, waits for the end of the daemon, and for its name to be free. Returns its wait status. */
int fixture_stop_daemon(Fixture *fixture, int signal);
/* SIGKILL, and a new one. */
void fixture_restart_daemon(Fixture *fixture);
/* The bus ends and comes back at its address; fakes, client and daemon are there again. */
void fixture_restart_bus(Fixture *fixture);

/* How runs have ended in this boot: what a boot forgets, which has ended all of them. No daemon may run. */
void fixture_forget_boot(Fixture *fixture);

/* Fails the test where a VM's file, directory, process or scope is left. */
void fixture_assert_clean(Fixture *fixture);

/* Calls. @parameters: (nullable), floating. The answer is the out arguments' tuple. */

/* (transfer full): %NULL with @error, whose D-Bus name fixture_error_name() tells. */
GVariant *fixture_try(Fixture *fixture, const char *path, const char *interface, const char *method,
                      GVariant *parameters, GError **error);
/* (transfer full): aborts the test where it fails. */
GVariant *fixture_call(Fixture *fixture, const char *path, const char *interface, const char *method,
                       GVariant *parameters);
/* Aborts the test unless it fails with @error_name (of "org.berth.Berth1.Error." the last part will do) and a text in
 * which @words occurs. */
void fixture_call_fails(Fixture *fixture, const char *path, const char *interface, const char *method,
                        GVariant *parameters, const char *error_name, const char *words);
/* (transfer full): with descriptors; @fds: (nullable), @answer_fds: (nullable) (out) (transfer full). */
GVariant *fixture_call_with_fds(Fixture *fixture, const char *path, const char *interface, const char *method,
                                GVariant *parameters, GUnixFDList *fds, GUnixFDList **answer_fds, GError **error);

/* A call under way. */
typedef struct {
    gboolean done;
    GVariant *answer; /* NULL where it failed */
    GError *error;
} FixtureCall;

/* AWAIT(call->done) runs the loop until it is answered. */
FixtureCall *fixture_begin(Fixture *fixture, const char *path, const char *interface, const char *method,
                           GVariant *parameters);
/* Not before it is done. */
void fixture_call_free(FixtureCall *call);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(FixtureCall, fixture_call_free)

/* (transfer full): full D-Bus name */
char *fixture_error_name(const GError *error);

/* VMs. */

/* (transfer full): path of a new VM. @config: (nullable), floating a{sv} */
char *fixture_create(Fixture *fixture, const char *name, GVariant *config);
/* A method of a VM with no arguments but its options: none. */
void fixture_vm(Fixture *fixture, const char *path, const char *method);
void fixture_vm_fails(Fixture *fixture, const char *path, const char *method, const char *error_name,
                      const char *words);
/* (transfer full) (element-type utf8): paths of all VMs, by GetManagedObjects */
GPtrArray *fixture_vms(Fixture *fixture);
/* (transfer full): berth-<id>.scope */
char *fixture_unit(Fixture *fixture, const char *path);

/* Properties. */

/* (transfer full) */
GVariant *fixture_get(Fixture *fixture, const char *path, const char *interface, const char *property);
/* (transfer full): of a VM, a string property */
char *fixture_get_string(Fixture *fixture, const char *path, const char *property);
guint32 fixture_get_uint(Fixture *fixture, const char *path, const char *property);
/* Waits until a property of a VM has this value: by its change signals alone. @value: floating */
void fixture_await_property(Fixture *fixture, const char *path, const char *property, GVariant *value);
void fixture_await_state(Fixture *fixture, const char *path, const char *state);
/* Waits for InterfacesRemoved, where it is not gone already. */
void fixture_await_gone(Fixture *fixture, const char *path);
