/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <errno.h>
#include <glib/gi18n.h>
#include <sys/inotify.h>
#include <sys/stat.h>

#include "../core/autofd.h"
#include "../core/names.h"
#include "observer.h"
#include "options.h"

typedef struct {
    sd_event *event;
    int fd;
    off_t position;
} Log;

static int write_all(const char *bytes, gsize length)
{
    while (length > 0) {
        ssize_t n = write(STDOUT_FILENO, bytes, length);
        if (n < 0 && errno != EINTR)
            return -errno;
        if (n > 0) {
            bytes += n;
            length -= (gsize) n;
        }
    }
    return 0;
}

/* A log that has reached its bound is cut and begins anew, in the same file. */
static int rewind_where_cut(Log *log)
{
    struct stat status;
    if (fstat(log->fd, &status) < 0)
        return -errno;
    if (status.st_size < log->position)
        log->position = 0;
    return status.st_nlink == 0;
}

/* Up to the end. Returns 1 where nothing will come any more, since the file has been deleted. */
static int copy(Log *log)
{
    char buffer[16384];
    int deleted = rewind_where_cut(log);
    while (deleted >= 0) {
        ssize_t n = pread(log->fd, buffer, sizeof buffer, log->position);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return n < 0 ? -errno : deleted;
        int r = write_all(buffer, (gsize) n);
        if (r < 0)
            return r;
        log->position += n;
    }
    return deleted;
}

static int on_change(sd_event_source *source, const struct inotify_event *change, void *data)
{
    Log *log = data;
    int r = copy(log);
    return r == 0 ? 0 : sd_event_exit(log->event, r);
}

/* Who reads what we write has gone, as in "log --follow | head": nobody waits for the next line. */
static int on_output_closed(sd_event_source *source, int fd, uint32_t events, void *data)
{
    Log *log = data;
    return sd_event_exit(log->event, 0);
}

/* The watch comes first: what is written while the log is copied wakes us afterwards. */
static int follow(Log *log)
{
    g_autoptr(sd_event) event = NULL;
    int r = sd_event_new(&event);
    log->event = event;
    if (r >= 0)
        r = sd_event_add_inotify_fd(event, NULL, log->fd, IN_MODIFY | IN_ATTRIB | IN_DELETE_SELF, on_change, log);
    /* No event is asked for: an error is told anyway. What is no pipe and no terminal can't be watched, nor need be. */
    if (r >= 0 && (r = sd_event_add_io(event, NULL, STDOUT_FILENO, 0, on_output_closed, log)) == -EPERM)
        r = 0;
    if (r >= 0)
        r = copy(log);
    return r != 0 ? r : sd_event_loop(event);
}

CtlStatus ctl_run_log(Ctl *ctl, const CtlCommand *command, int argc, char **argv)
{
    gboolean qemu = FALSE, following = FALSE;
    const GOptionEntry entries[] = {
        {"qemu", 0, 0, G_OPTION_ARG_NONE, &qemu, N_("What QEMU wrote, not the guest's serial port"), NULL},
        {"follow", 'f', 0, G_OPTION_ARG_NONE, &following, N_("Go on with what is written later"), NULL},
        G_OPTION_ENTRY_NULL,
    };
    g_auto(GStrv) names = ctl_parse(ctl, command, entries, 1, 1, argc, argv);
    if (names == NULL)
        return CTL_USAGE;
    CtlStatus status = ctl_connect(ctl, TRUE);
    if (status != CTL_OK)
        return status;

    g_auto(sd_bus_error) error = SD_BUS_ERROR_NULL;
    BERTH_AUTOFD fd = -1;
    GVariant *args = g_variant_new_parsed("(%s, @a{sv} {})", qemu ? "qemu" : "serial");
    int r = ctl_open(ctl, names[0], "OpenLog", args, &fd, &error);
    if (r < 0)
        return ctl_fail(ctl, r, &error, _("Can't open the log of %s"), names[0]);
    ctl_disconnect(ctl);

    Log log = {.fd = fd};
    r = following ? follow(&log) : copy(&log);
    /* inotify asks for the right to read the file itself, which a descriptor alone does not give. */
    if (r == -EACCES && following)
        return ctl_fail(ctl, r, &SD_BUS_ERROR_NULL,
                        _("Can't follow the log of %s without the right to open it yourself"), names[0]);
    return r < 0 ? ctl_fail(ctl, r, &SD_BUS_ERROR_NULL, _("Can't show the log of %s"), names[0]) : CTL_OK;
}
