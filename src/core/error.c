/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "error.h"

#include <gio/gio.h>

#include "names.h"

static const char *const dbus_names[] = {
    [BERTH_ERROR_NOT_FOUND] = BERTH_ERROR_PREFIX "NotFound",
    [BERTH_ERROR_NAME_TAKEN] = BERTH_ERROR_PREFIX "NameTaken",
    [BERTH_ERROR_WRONG_STATE] = BERTH_ERROR_PREFIX "WrongState",
    [BERTH_ERROR_BUSY] = BERTH_ERROR_PREFIX "Busy",
    [BERTH_ERROR_REMOVING] = BERTH_ERROR_PREFIX "Removing",
    [BERTH_ERROR_LIMIT_REACHED] = BERTH_ERROR_PREFIX "LimitReached",
    [BERTH_ERROR_IMAGE_IN_USE] = BERTH_ERROR_PREFIX "ImageInUse",
    [BERTH_ERROR_START_FAILED] = BERTH_ERROR_PREFIX "StartFailed",
    [BERTH_ERROR_STORAGE_FAILED] = BERTH_ERROR_PREFIX "StorageFailed",
    [BERTH_ERROR_UNSUPPORTED] = BERTH_ERROR_PREFIX "Unsupported",
    [BERTH_ERROR_CANCELLED] = BERTH_ERROR_PREFIX "Cancelled",
    [BERTH_ERROR_INVALID_ARGS] = "org.freedesktop.DBus.Error.InvalidArgs",
    [BERTH_ERROR_ACCESS_DENIED] = "org.freedesktop.DBus.Error.AccessDenied",
};
G_STATIC_ASSERT(G_N_ELEMENTS(dbus_names) == BERTH_ERROR_LAST);

G_DEFINE_QUARK(berth - error - quark, berth_error)

const char *berth_error_dbus_name(const GError *error)
{
    if (error->domain == BERTH_ERROR && error->code >= 0 && error->code < BERTH_ERROR_LAST)
        return dbus_names[error->code];
    if (error->domain == G_FILE_ERROR || error->domain == G_IO_ERROR)
        return dbus_names[BERTH_ERROR_STORAGE_FAILED];
    return "org.freedesktop.DBus.Error.Failed";
}

BerthError berth_error_from_dbus_name(const char *name)
{
    guint code = 0;
    while (code < BERTH_ERROR_LAST && !g_str_equal(dbus_names[code], name))
        code++;
    return code;
}

GError *berth_error_new_for_end(void)
{
    return g_error_new_literal(BERTH_ERROR, BERTH_ERROR_CANCELLED, "berthd ends; call again when it has started anew");
}

void berth_error_set_errno(GError **error, BerthError code, int errnum, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    g_autofree char *what = g_strdup_vprintf(format, args);
    va_end(args);
    g_set_error(error, BERTH_ERROR, code, "Can't %s: %s", what, g_strerror(errnum));
}
