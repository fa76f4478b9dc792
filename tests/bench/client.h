/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <gio/gio.h>
#include <sys/types.h>

/* A client of berthd on the system bus. What fails ends the program with the error: there is nothing to measure then.
 */

/* (transfer none): connected at the first call. */
GDBusConnection *client_bus(void);
/* (transfer full): the answer. @arguments may be floating. */
GVariant *client_call(const char *path, const char *interface, const char *method, GVariant *arguments);
/* (transfer full): the path of a new VM. @config: (nullable): a{sv} in GVariant's text format. */
char *client_create(const char *name, const char *config);
/* (transfer floating): the arguments of a method that takes options only. */
GVariant *client_no_options(void);
/* One of a VM's methods that take nothing but options. */
void client_run(const char *vm, const char *method);
/* (transfer full) */
GVariant *client_get(const char *vm, const char *property);
/* The daemon's, asked of the bus. */
pid_t client_daemon_pid(void);
