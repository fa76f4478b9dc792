/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>
#include <systemd/sd-bus.h>

/* What berthctl's parts share: how it exits, what was asked for on the command line, and its commands. */

/* Exit statuses: part of the interface, see berthctl(1). */
typedef enum {
    CTL_OK = 0,
    CTL_FAILED = 1,
    CTL_USAGE = 2, /* also where a value is not what the daemon takes (InvalidArgs) */
    CTL_NOT_FOUND = 3,
    CTL_DENIED = 4,
    CTL_TIMED_OUT = 5, /* `wait --timeout` */
    CTL_FOUND = 6,     /* `audit` found something */
} CtlStatus;

typedef struct {
    gboolean user;            /* --user: the session bus */
    gboolean json;            /* --json */
    gboolean no_legend;       /* --no-legend */
    gboolean no_ask_password; /* --no-ask-password */
    sd_bus *bus;              /* since ctl_connect() */
} Ctl;

typedef struct CtlCommand CtlCommand;
struct CtlCommand {
    const char *name;
    const char *arguments; /* as its help shows them, to be translated; "" for none */
    const char *summary;   /* one line, to be translated */
    CtlStatus (*run)(Ctl *ctl, const CtlCommand *command, int argc, char **argv);
};

CtlStatus ctl_run_audit(Ctl *ctl, const CtlCommand *command, int argc, char **argv);
CtlStatus ctl_run_capabilities(Ctl *ctl, const CtlCommand *command, int argc, char **argv);
CtlStatus ctl_run_console(Ctl *ctl, const CtlCommand *command, int argc, char **argv);
CtlStatus ctl_run_create(Ctl *ctl, const CtlCommand *command, int argc, char **argv);
CtlStatus ctl_run_image_remove(Ctl *ctl, const CtlCommand *command, int argc, char **argv);
CtlStatus ctl_run_images(Ctl *ctl, const CtlCommand *command, int argc, char **argv);
CtlStatus ctl_run_import(Ctl *ctl, const CtlCommand *command, int argc, char **argv);
CtlStatus ctl_run_lifecycle(Ctl *ctl, const CtlCommand *command, int argc, char **argv);
CtlStatus ctl_run_list(Ctl *ctl, const CtlCommand *command, int argc, char **argv);
CtlStatus ctl_run_log(Ctl *ctl, const CtlCommand *command, int argc, char **argv);
CtlStatus ctl_run_reload(Ctl *ctl, const CtlCommand *command, int argc, char **argv);
CtlStatus ctl_run_remove(Ctl *ctl, const CtlCommand *command, int argc, char **argv);
CtlStatus ctl_run_clone(Ctl *ctl, const CtlCommand *command, int argc, char **argv);
CtlStatus ctl_run_set(Ctl *ctl, const CtlCommand *command, int argc, char **argv);
CtlStatus ctl_run_status(Ctl *ctl, const CtlCommand *command, int argc, char **argv);
CtlStatus ctl_run_version(Ctl *ctl, const CtlCommand *command, int argc, char **argv);
CtlStatus ctl_run_wait(Ctl *ctl, const CtlCommand *command, int argc, char **argv);
CtlStatus ctl_run_watch(Ctl *ctl, const CtlCommand *command, int argc, char **argv);
