/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <gio/gio.h>

/* QEMU's end of a display, for its viewers: what org.qemu.Display1 takes and tells, as QEMU 7.2 does, on the test's
 * own main context. */

#define FAKE_SCREEN_XRGB 0x20020888u

typedef struct {
    GDBusConnection *connection; /* NULL until the viewer is there */
    GDBusConnection *listener;   /* NULL until it listens */
    GDBusNodeInfo *node;
    GArray *registrations; /* (element-type guint): of its objects */
    GCancellable *cancellable;
    /* What the viewer did: "press 30 release 30 ", "place 1,2 move 3,-4 click 0 unclick 0 ", "size 640,480 " */
    GString *keys, *pointer, *sizes;
    guint n_refused;
    guint width, height;
    gboolean is_absolute;
    gboolean is_silent; /* about IsAbsolute, which stays false, as with a microvm's tablet */
    gboolean is_gone;   /* the viewer has hung up */
} FakeScreen;

/* @fd: (transfer full). Waits until the viewer listens. */
FakeScreen *fake_screen_new(int fd, gboolean is_absolute);
/* Absolute, and says nothing of it, nor of what it becomes: as QEMU where the tablet is a guest's only pointer. */
FakeScreen *fake_screen_new_silent(int fd);
/* Hangs up, where the viewer has not. */
void fake_screen_free(FakeScreen *display);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(FakeScreen, fake_screen_free)

/* A whole picture of one colour, 0xRRGGBB, and a part of it. */
void fake_screen_fill(FakeScreen *display, guint width, guint height, guint32 colour);
void fake_screen_fill_part(FakeScreen *display, int x, int y, int width, int height, guint32 colour);
/* @method of the listener. @parameters: floating */
void fake_screen_tell(FakeScreen *display, const char *method, GVariant *parameters);
/* The guest begins, or ends, to use its tablet. */
void fake_screen_set_absolute(FakeScreen *display, gboolean is_absolute);
/* Waits until the viewer has done @what, and forgets what it did so far. @heard: keys, pointer or sizes */
void fake_screen_await(GString *heard, const char *what);
