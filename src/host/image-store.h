/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <gio/gio.h>

#include "../core/image-meta.h"

/* Images on disk: <state>/images/<name>/ with image.json, disk, kernel, initrd. Same rules as vm-store.h:
 * calls block and are for workers. The files are world-readable and never written again once published: VMs' processes
 * run as users of their own and open them as backing files. */

typedef struct BerthImageStore BerthImageStore;

typedef struct {
    const char *qemu_img;
    int disk_fd;    /* -1 or an empty file: no disk */
    int kernel_fd;  /* -1 for none */
    int initrd_fd;  /* -1 for none */
    const char *format; /* "" : by the file's magic */
    const char *sha256; /* expected, of the disk (the kernel, where no disk); "" for none */
    BerthImageMeta *meta; /* name, description, version, cmdline are the caller's; the rest is filled in on success */
} BerthImageImport;

/* Called from the worker, at most 10 times a second and once at the end. */
typedef void (*BerthImageProgress)(guint64 done, guint64 total, gpointer data);

/* Opens the store and sweeps what unfinished imports left. */
BerthImageStore *berth_image_store_open(const char *state_dir, GError **error);
void berth_image_store_close(BerthImageStore *store);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(BerthImageStore, berth_image_store_close)

/* (element-type BerthImageMeta) (transfer full); @notes as in berth_vm_store_scan(). */
gboolean berth_image_store_scan(BerthImageStore *store, GPtrArray **found, GPtrArray **notes, GError **error);

/**
 * berth_image_store_import:
 *
 * Copies, hashes, checks with qemu-img (limits in qemu-img.h) and publishes, all or nothing.
 *
 * InvalidArgs: not a regular file, not the format it is said to be, a backing file or an external data file, a wrong SHA-256,
 * neither disk nor kernel. NameTaken. Cancelled. StorageFailed.
 */
gboolean berth_image_store_import(BerthImageStore *store, BerthImageImport *import, GCancellable *cancellable,
                                  BerthImageProgress progress, gpointer data, GError **error);

/* Atomic too: renamed to a staging name, then deleted. Once the new name is durable the image is gone and this
 * succeeds; what of it could not be deleted is logged, and swept when the store is opened again. NotFound. */
gboolean berth_image_store_remove(BerthImageStore *store, const char *name, GError **error);

/* (transfer full) (element-type filename): all names there, what is being made or deleted among them. %NULL on
 * error. */
GPtrArray *berth_image_store_list(BerthImageStore *store, GError **error);
/* (transfer full) (nullable): the image that the directory @name, one of those in the making or going, is of. */
char *berth_image_store_staged_for(const char *name);

/* (transfer full): absolute path of the image's directory. */
char *berth_image_store_path(BerthImageStore *store, const char *name);
