/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "bus.h"

#include <errno.h>
#include <fcntl.h>
#include <glib/gi18n.h>
#include <unistd.h>

#include "../core/names.h"
#include "../host/bus-variant.h"
#include "agent.h"
#include "text.h"

CtlStatus ctl_connect(Ctl *ctl, gboolean acts)
{
    int r = ctl->user ? sd_bus_open_user(&ctl->bus) : sd_bus_open_system(&ctl->bus);
    if (r < 0) {
        g_autofree char *message = g_strdup_printf(ctl->user ? _("Can't connect to the session bus: %s")
                                                             : _("Can't connect to the system bus: %s"),
                                                   g_strerror(-r));
        ctl_say_error(message);
        return CTL_FAILED;
    }
    if (acts && !ctl->no_ask_password && isatty(STDIN_FILENO)) {
        sd_bus_set_allow_interactive_authorization(ctl->bus, 1);
        /* Nobody asks root, and the session bus has no polkit. */
        if (!ctl->user && geteuid() != 0)
            ctl_agent_open();
    }
    return CTL_OK;
}

void ctl_disconnect(Ctl *ctl)
{
    ctl_agent_close();
    ctl->bus = sd_bus_flush_close_unref(ctl->bus);
}

static int append_arguments(sd_bus_message *m, GVariant *args)
{
    gsize n = args != NULL ? g_variant_n_children(args) : 0;
    for (gsize i = 0; i < n; i++) {
        g_autoptr(GVariant) arg = g_variant_get_child_value(args, i);
        int r = berth_bus_append_variant(m, arg);
        if (r < 0)
            return r;
    }
    return 0;
}

int ctl_new_call(Ctl *ctl, const char *path, const char *interface, const char *method, GVariant *args,
                 sd_bus_message **message)
{
    g_autoptr(GVariant) sunk = args != NULL ? g_variant_ref_sink(args) : NULL;
    g_autoptr(sd_bus_message) m = NULL;
    int r = sd_bus_message_new_method_call(ctl->bus, &m, BERTH_BUS_NAME, path, interface, method);
    if (r >= 0)
        r = append_arguments(m, sunk);
    if (r < 0)
        return r;
    *message = g_steal_pointer(&m);
    return 0;
}

int ctl_call(Ctl *ctl, const char *path, const char *interface, const char *method, GVariant *args, guint64 timeout,
             sd_bus_message **reply, sd_bus_error *error)
{
    g_autoptr(sd_bus_message) m = NULL;
    int r = ctl_new_call(ctl, path, interface, method, args, &m);
    return r < 0 ? r : sd_bus_call(ctl->bus, m, timeout, error, reply);
}

int ctl_call_simple(Ctl *ctl, const char *path, const char *interface, const char *method, sd_bus_error *error)
{
    GVariant *args = g_variant_new_parsed("(@a{sv} {},)");
    return ctl_call(ctl, path, interface, method, args, CTL_UNHURRIED, NULL, error);
}

int ctl_find_vm(Ctl *ctl, const char *name, char **path, sd_bus_error *error)
{
    if (!g_utf8_validate(name, -1, NULL))
        return sd_bus_error_set_const(error, SD_BUS_ERROR_INVALID_ARGS, _("This is not valid UTF-8"));
    g_autoptr(sd_bus_message) reply = NULL;
    int r = ctl_call(ctl, BERTH_PATH_ROOT, BERTH_IFACE_MANAGER, "GetVM", g_variant_new("(s)", name), CTL_QUICK, &reply,
                     error);
    const char *found = NULL;
    if (r >= 0)
        r = sd_bus_message_read(reply, "o", &found);
    if (r < 0)
        return r;
    *path = g_strdup(found);
    return 0;
}

/* Nobody owns the name, and nobody could be started. */
static gboolean is_daemon_missing(const sd_bus_error *error)
{
    return sd_bus_error_has_names(error, SD_BUS_ERROR_SERVICE_UNKNOWN, SD_BUS_ERROR_NAME_HAS_NO_OWNER) ||
           (error->name != NULL && (g_str_has_prefix(error->name, "org.freedesktop.DBus.Error.Spawn.") ||
                                    g_str_has_prefix(error->name, "org.freedesktop.systemd1.")));
}

static const char *reason_of(Ctl *ctl, int r, const sd_bus_error *error)
{
    if (is_daemon_missing(error))
        return ctl->user ? _("Your Berth daemon is not running. Start it with \"systemctl --user start berthd\".")
                         : _("The Berth daemon is not running. Start it with \"systemctl start berthd\" as root, or "
                             "use --user for a daemon of your own.");
    if (error->message != NULL)
        return error->message;
    return error->name != NULL ? error->name : g_strerror(-r);
}

static CtlStatus status_of(int r, const sd_bus_error *error)
{
    if (sd_bus_error_has_name(error, BERTH_ERROR_PREFIX "NotFound"))
        return CTL_NOT_FOUND;
    if (sd_bus_error_has_names(error, SD_BUS_ERROR_ACCESS_DENIED, SD_BUS_ERROR_INTERACTIVE_AUTHORIZATION_REQUIRED))
        return CTL_DENIED;
    if (sd_bus_error_has_name(error, SD_BUS_ERROR_INVALID_ARGS))
        return CTL_USAGE;
    return CTL_FAILED;
}

CtlStatus ctl_fail(Ctl *ctl, int r, const sd_bus_error *error, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    g_autofree char *what = g_strdup_vprintf(format, args);
    va_end(args);
    g_autofree char *message = ctl_with_reason(what, reason_of(ctl, r, error));
    ctl_say_error(message);
    return status_of(r, error);
}

int ctl_open(Ctl *ctl, const char *name, const char *method, GVariant *args, int *fd, sd_bus_error *error)
{
    g_autoptr(GVariant) sunk = g_variant_ref_sink(args);
    g_autoptr(sd_bus_message) reply = NULL;
    g_autofree char *path = NULL;
    int borrowed = -1;
    int r = ctl_find_vm(ctl, name, &path, error);
    if (r >= 0)
        r = ctl_call(ctl, path, BERTH_IFACE_VM, method, sunk, CTL_UNHURRIED, &reply, error);
    if (r >= 0)
        r = sd_bus_message_read(reply, "h", &borrowed);
    if (r < 0)
        return r;
    int ours = fcntl(borrowed, F_DUPFD_CLOEXEC, 3);
    if (ours < 0)
        return -errno;
    *fd = ours;
    return 0;
}

CtlStatus ctl_no_such_vm(const char *name)
{
    g_autofree char *valid = g_utf8_make_valid(name, -1);
    g_autofree char *message = g_strdup_printf(_("There is no VM \"%s\""), valid);
    ctl_say_error(message);
    return CTL_NOT_FOUND;
}

void ctl_collect(CtlStatus *all, CtlStatus one)
{
    if (*all == CTL_OK)
        *all = one;
}
