/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>

/* A directory with a scripted QEMU (fake-qemu.c) and a qemu-img that can be held and made to fail, for berth.conf. */

typedef struct {
    char *dir;
    char *config; /* the section for the end of berth.conf */
    guint n_held; /* qemu-imgs that have come to the gate while it was closed; AWAIT() sees it grow */
    int gate;     /* a pipe with a name: each line lets one qemu-img through */
    int arrivals; /* the same, with a line for each that came */
    guint watch;
} FakeTools;

/* @more: (nullable): further lines of berth.conf. BERTH_FAKE_QEMU in the environment says where the QEMU is. */
FakeTools *fake_tools_new(const char *more);
void fake_tools_free(FakeTools *tools);

/* The rules of the VM @name from its next start on. */
void fake_tools_script(FakeTools *tools, const char *name, const char *script);
/* Makes the file that a rule waits for. */
void fake_tools_touch(FakeTools *tools, const char *name);

/* Every qemu-img waits before it does anything, until fake_tools_release(). */
void fake_tools_hold(FakeTools *tools);
void fake_tools_release(FakeTools *tools);
/* Every qemu-img says so and exits with 1, from now on or no longer. */
void fake_tools_fail(FakeTools *tools, gboolean fail);
