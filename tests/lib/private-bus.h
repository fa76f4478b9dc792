/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <gio/gio.h>
#include <sys/types.h>

/* A message bus of the test's own: a real dbus-daemon on a socket in a directory, open to all users. */

typedef struct PrivateBus PrivateBus;

/**
 * private_bus_new:
 * @dir: (nullable): an existing directory, for its configuration and its socket, that other users may enter; else a new one
 *
 * Starts the bus. Without @dir it also becomes the system bus and the session bus of this process and its children: it
 * changes the environment, so call it before the process has threads.
 */
PrivateBus *private_bus_new(const char *dir);
/* The same with a system bus's policy, where nobody may own or call anything but what the file @policy allows. */
PrivateBus *private_bus_new_with_policy(const char *policy);
const char *private_bus_address(const PrivateBus *bus);
pid_t private_bus_pid(const PrivateBus *bus);
/* Ends the bus: every connection is lost. private_bus_start() brings a new one to the same address. */
void private_bus_stop(PrivateBus *bus);
void private_bus_start(PrivateBus *bus);
/* A connection of the test's own, dispatched on the thread-default main context. */
GDBusConnection *private_bus_connect(const PrivateBus *bus);
/* The same, made as the user @uid. Needs root. */
GDBusConnection *private_bus_connect_as(const PrivateBus *bus, uid_t uid);
void private_bus_free(PrivateBus *bus);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(PrivateBus, private_bus_free)
