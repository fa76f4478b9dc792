/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>

/* A definition, as far as the command line says it: an a{sv} of definition keys. */
typedef struct {
    char *file; /* --file: holds for what nothing else says */
    char *image, *vcpus, *memory, *machine, *firmware, *display, *cmdline, *restart, *description;
    char **disks, **networks, **ports, **labels;
    gboolean vsock, protected_;
    char **assignments; /* --set: holds over all others */
} CtlDefinition;

void ctl_definition_clear(CtlDefinition *definition);
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(CtlDefinition, ctl_definition_clear)

/* (transfer full): not floating; %NULL with InvalidArgs, or what reading the file said. */
GVariant *ctl_definition_to_variant(const CtlDefinition *definition, GError **error);

/* The same of "KEY=VALUE" words alone. */
GVariant *ctl_assignments_to_variant(char **assignments, GError **error);
