/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "restart-policy.h"

/* The CIDs that CIDFirst= and CIDLast= may be; a VM's is one of these, whatever the range is now. */
#define BERTH_CID_MIN 1000u
#define BERTH_CID_MAX 65535u

/* berth.conf: sections and keys in systemd's style. Parsing is pure: the caller reads the files. */

typedef struct {
    /* [Manager] */
    char *state_dir;             /* StateDirectory=, absolute */
    char *runtime_dir;           /* RuntimeDirectory=, absolute */
    guint cid_first;             /* CIDFirst=, 1000 to 65535 */
    guint cid_last;              /* CIDLast=, inclusive */
    guint max_vms;               /* MaxVMs= */
    guint notify_port;           /* NotifyPort=, of vsock; 0: none */
    guint uid_base;              /* UIDBase=: a VM's processes run as UIDBase + CID */
    guint max_concurrent_starts; /* MaxConcurrentStarts=: of those that nobody calls for */
    /* [QEMU] */
    const char *accelerator; /* Accelerator=auto|kvm|tcg; a constant */
    char *qemu_path;         /* QEMUPath= */
    char *qemu_img_path;     /* QEMUImgPath= */
    char *firmware_code;     /* FirmwareCode=, OVMF's code for firmware "uefi" */
    char *firmware_vars;     /* FirmwareVars=, the template of its variables */
    /* [VM] */
    const char *restart; /* Restart=no|on-failure|always: for VMs that do not say; a constant */
    BerthRestartBounds
        restarts; /* RestartSec=, RestartMaxDelaySec=, RestartLimitBurst=, ...IntervalSec=, RestartHealthySec= */
    guint64 start_timeout_usec;    /* StartTimeoutSec= */
    guint64 shutdown_timeout_usec; /* ShutdownTimeoutSec=: how long a guest may take to power down */
    guint64 poweroff_timeout_usec; /* PowerOffTimeoutSec=: QMP quit, then SIGKILL */
    /* No keys: what an empty StateDirectory= and RuntimeDirectory= go back to. */
    char *default_state_dir;
    char *default_runtime_dir;
} BerthSettings;

/* (transfer full): the built-in defaults, with the directories of the system service or of a user's. */
BerthSettings *berth_settings_new(const char *state_dir, const char *runtime_dir);
void berth_settings_free(BerthSettings *settings);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(BerthSettings, berth_settings_free)

/* Told of each mistake, with file, line (from 1) and a message that names key, value and what is allowed. What follows of
 * it the message leaves to who hears it. */
typedef void (*BerthSettingsComplaint)(const char *file, guint line, const char *message, gpointer data);

/**
 * berth_settings_parse:
 * @settings: is changed by each right assignment; a wrong one changes nothing
 * @file: name of the file, for complaints
 * @text: the file's contents, NUL-terminated
 *
 * Later files override earlier ones. An empty value resets to the default. Comments begin with # or ;
 */
void berth_settings_parse(BerthSettings *settings, const char *file, const char *text, BerthSettingsComplaint complain,
                          gpointer data);

/* Told of each key that differs: its values as a person writes them, and whether the new one was taken. */
typedef void (*BerthSettingsChange)(const char *key, const char *old, const char *new, gboolean taken, gpointer data);

/**
 * berth_settings_update:
 * @settings: those in use; texts of theirs that others borrowed are freed where they change
 * @fresh: what the files say now
 *
 * Directories, the CIDs and users that VMs have, the accelerator and what clients were told is constant stay as they
 * were when the daemon started; everything else is taken.
 */
void berth_settings_update(BerthSettings *settings, const BerthSettings *fresh, BerthSettingsChange changed,
                           gpointer data);

/* After the last file: what only makes sense together. CIDFirst > CIDLast resets the pair and complains, with line 0
 * and the file "berth.conf"; MaxVMs becomes no more than there are CIDs. */
void berth_settings_finish(BerthSettings *settings, BerthSettingsComplaint complain, gpointer data);
