/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <gio/gio.h>

/* Every signal that somebody on the bus has sent, in order. The test's main context has to run for them to come in. */

typedef struct Recorder Recorder;

/* @sender: its name; @path: (nullable): only of this object, its InterfacesAdded and InterfacesRemoved included */
Recorder *recorder_new(GDBusConnection *client, const char *sender, const char *path);
void recorder_free(Recorder *recorder);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Recorder, recorder_free)

/* How many signals named @signal there were. */
guint recorder_count(const Recorder *recorder, const char *signal);
/* (transfer full): the values that PropertiesChanged has told of a string property, in order: "starting running" */
char *recorder_words(const Recorder *recorder, const char *property);
/* (transfer full) (nullable): the last value told of @property */
GVariant *recorder_last(const Recorder *recorder, const char *property);
/* How many PropertiesChanged told of @property. */
guint recorder_changes(const Recorder *recorder, const char *property);
/* Whether there was one InterfacesRemoved, and nothing after it. */
gboolean recorder_ends_with_removal(const Recorder *recorder);
