/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>

/* The failures that a caller is told of. The model speaks GError in this domain; src/bus turns the
 * code into the D-Bus error's name. */
typedef enum {
    BERTH_ERROR_NOT_FOUND,
    BERTH_ERROR_NAME_TAKEN,
    BERTH_ERROR_WRONG_STATE,
    BERTH_ERROR_BUSY,
    BERTH_ERROR_REMOVING,
    BERTH_ERROR_LIMIT_REACHED,
    BERTH_ERROR_IMAGE_IN_USE,
    BERTH_ERROR_START_FAILED,
    BERTH_ERROR_STORAGE_FAILED,
    BERTH_ERROR_UNSUPPORTED,
    BERTH_ERROR_CANCELLED,
    BERTH_ERROR_INVALID_ARGS,
    BERTH_ERROR_ACCESS_DENIED,
    BERTH_ERROR_LAST, /* not a code: how many there are */
} BerthError;

#define BERTH_ERROR (berth_error_quark())
GQuark berth_error_quark(void);

/**
 * berth_error_dbus_name:
 * @error: any error
 *
 * Returns: (transfer none): the D-Bus name that stands for @error; errors of another domain are
 *   StorageFailed where they come from files (G_FILE_ERROR, G_IO_ERROR), else
 *   org.freedesktop.DBus.Error.Failed
 */
const char *berth_error_dbus_name(const GError *error);

/* The code whose D-Bus name this is; BERTH_ERROR_LAST where it is none of ours. */
BerthError berth_error_from_dbus_name(const char *name);

/* (transfer full): the answer to whoever still waits when the daemon ends. */
GError *berth_error_new_for_end(void);

/**
 * berth_error_set_errno:
 * @error: (out) (optional): where to put it
 * @code: what kind of failure this is for the caller
 * @errnum: positive errno
 * @format: what was being done, e.g. "write %s"
 *
 * Sets @error to "Can't <what>: <text of errno>".
 */
void berth_error_set_errno(GError **error, BerthError code, int errnum, const char *format, ...) G_GNUC_PRINTF(4, 5);
