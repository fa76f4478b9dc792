/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <gio/gunixfdlist.h>

#include "tests/lib/await.h"

/* A client of Berth by GDBus, as others write them: calls, what the signals of an object have told, and its console. All
 * waits are for signals or bytes, with a deadline; a wait in vain aborts the test and says what there was instead. */

#define CLIENT_SECONDS 300u /* an emulated guest on a loaded machine takes its time */

/* Waits in the main context until @condition is true. @words say what is waited for. */
#define CLIENT_AWAIT(condition, ...)                                                                                   \
    do {                                                                                                               \
        AwaitDeadline client_deadline;                                                                                 \
        await_begin(&client_deadline, CLIENT_SECONDS * 1000);                                                          \
        while (!(condition))                                                                                           \
            if (!await_step(&client_deadline))                                                                         \
                g_error(__VA_ARGS__);                                                                                  \
        await_end(&client_deadline);                                                                                   \
    } while (0)

/* (transfer full): a connection of its own, so that no two have their signals in common. */
GDBusConnection *client_connect(GBusType type);

/* Calls, which run the main context meanwhile. @parameters: (nullable), floating. The answer is the out arguments' tuple. */

/* (transfer full) (nullable) */
GVariant *client_try(GDBusConnection *bus, const char *path, const char *interface, const char *method,
                     GVariant *parameters, GError **error);
/* The same with descriptors; @fds: (nullable), @answer_fds: (nullable) (out) (transfer full). */
GVariant *client_try_with_fds(GDBusConnection *bus, const char *path, const char *interface, const char *method,
                              GVariant *parameters, GUnixFDList *fds, GUnixFDList **answer_fds, GError **error);
/* (transfer full): aborts the test where it fails. */
GVariant *client_call(GDBusConnection *bus, const char *path, const char *interface, const char *method,
                      GVariant *parameters);
/* Aborts the test unless it fails with @error_name (of Berth's own the last part will do) and a text with @words in it. */
void client_fails(GDBusConnection *bus, const char *path, const char *interface, const char *method,
                  GVariant *parameters, const char *error_name, const char *words);
/* (transfer full): what the daemon answers, not what it has told. */
GVariant *client_get(GDBusConnection *bus, const char *path, const char *interface, const char *property);

/* A method of a VM that takes nothing but options, and gets none. */
void client_vm(GDBusConnection *bus, const char *path, const char *method);
void client_vm_fails(GDBusConnection *bus, const char *path, const char *method, const char *error_name,
                     const char *words);
/* (transfer full): path of a new VM. @config: floating a{sv} */
char *client_create(GDBusConnection *bus, const char *name, GVariant *config);
/* A method that answers with a descriptor, which is the caller's. */
int client_open(GDBusConnection *bus, const char *path, const char *method, GVariant *parameters);

/* (transfer full) (element-type utf8): paths of the objects below @prefix in what GetManagedObjects has answered. */
GPtrArray *client_paths_below(GVariant *managed_objects, const char *prefix);

/* What is known of an object by its signals: every change since client_watch(), which has read all of it once. */
typedef struct ClientObject ClientObject;

ClientObject *client_watch(GDBusConnection *bus, const char *path, const char *interface);
void client_object_free(ClientObject *object);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(ClientObject, client_object_free)

/* (transfer none): the last that was told */
GVariant *client_told(const ClientObject *object, const char *property);
const char *client_told_string(const ClientObject *object, const char *property);
guint32 client_told_uint(const ClientObject *object, const char *property);
/* (transfer full): all values of a string property, in order: "stopped starting running" */
char *client_history(const ClientObject *object, const char *property);
/* Waits until the signals say that @property is @value (floating), if only for a moment. */
void client_await(ClientObject *object, const char *property, GVariant *value);
void client_await_state(ClientObject *object, const char *state);
/* Waits until @property is not what it was. */
void client_await_other(const ClientObject *object, const char *property);
/* Waits for InterfacesRemoved. */
void client_await_gone(const ClientObject *object);
/* How many InterfacesRemoved there were. */
guint client_n_removed(const ClientObject *object);

/* A stream to a VM's serial console. */
typedef struct Console Console;

Console *console_open(GDBusConnection *bus, const char *path);
void console_free(Console *console);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Console, console_free)

/* Waits until the guest has written @text, and reads on behind it. */
void console_await(Console *console, const char *text);
void console_await_end(Console *console);
/* Whether @text is in what has come in and was not read by console_await(). */
gboolean console_has(const Console *console, const char *text);
/* Types a line. */
void console_say(Console *console, const char *line);
/* (transfer full): types @line; the rest of the line that begins with "berth-guest: " and @answer. */
char *console_ask(Console *console, const char *line, const char *answer);
