/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <gio/gio.h>

#include "src/core/names.h"
#include "tests/lib/await.h"
#include "tests/lib/client.h"

/* What the test guests boot with: make-guest.sh says why. */
#define SCENE_CMDLINE "console=ttyS0 quiet no_timer_check"

/* A bed with Berth installed, in which a test program runs as root: everything is real, and nothing else is there.
 *
 * From the environment: BERTH_GUEST, the directory with the small test guest. */

extern GDBusConnection *scene_bus; /* root's, on the system bus */

/* Initialises GTest, brings berthd up, and the small guest into the library as the image "guest". */
void scene_begin(int *argc, char ***argv);

/* A new scene_bus, after the bus was away, with berthd on it: what was watched by the old one is to be watched anew. */
void scene_reconnect(void);

/* Writes @text to a file of berth.conf.d and restarts berthd; with NULL, what scene_begin() has set is left. */
void scene_configure(const char *text);
/* systemctl restart, and until the name is owned. */
void scene_restart_daemon(void);
/* SIGKILL; systemd does not bring it back, but a call to it would. */
void scene_kill_daemon(void);
void scene_stop_daemon(void);
void scene_start_daemon(void);
pid_t scene_daemon_pid(void);
/* The same without the time that it takes to find it. Closes @pidfd. */
void scene_kill_daemon_at(int pidfd);
/* From now on systemd stops scopes with more patience than the daemon asks it for: a keeper comes to write down how its QEMU
 * ended, however long the machine lets it stand still. */
void scene_have_patience(void);

/* Runs a command in the bed. (transfer full): its standard output, without the white space at its end. The status must be 0. */
char *scene_run(const char *word, ...) G_GNUC_NULL_TERMINATED;
/* Its exit status; -1 for a signal. */
int scene_status(const char *word, ...) G_GNUC_NULL_TERMINATED;
/* (transfer full): one property of a unit, as systemctl shows it. */
char *scene_unit_property(const char *unit, const char *property);
/* A line of /proc/PID/status: what stands behind "KEY:"; "" where the process is gone. (transfer full) */
char *scene_process_status(pid_t pid, const char *key);
/* A program at @path: @script. */
void scene_install(const char *path, const char *script);
/* Waits until the kernel says that the process is dead. It must not be a child. */
void scene_await_death(int pidfd);
int scene_pidfd(pid_t pid);
/* Whatever the object @path of @name tells from here on wakes the main context, until g_dbus_connection_signal_unsubscribe() of
 * what this returns and scene_bus. */
guint scene_listen(const char *name, const char *path);
/* Waits until systemd has forgotten @unit, which may be a pattern. It learns that a scope is empty a moment after everyone could. */
void scene_await_unit_gone(const char *unit);
/* Waits until there is no such file or directory. */
void scene_await_absent(const char *path);

/* Imports. @options: (nullable) floating a{sv}, whose handles are indices into @paths from 1; @paths[0] is the disk, NULL for
 * none. (transfer full): the D-Bus name of the error of the job, or of the call; "" where it went well. */
char *scene_import(const char *name, GVariant *options, const char *const *paths, char **text);

/* (transfer full): SCENE_CMDLINE, and what the kernel of a microvm has no clock to find out by: make-guest.sh says more. */
char *scene_microvm_cmdline(void);

/* The guest that has a screen, as the image "screen": the test is to depend on the target screen_guest. */
void scene_import_screen_guest(void);

/* A VM on the image "guest", and what a client hears of it. */
typedef struct {
    char *path;
    char *id;
    char *unit;
    ClientObject *vm;
    Console *console; /* NULL until guest_boot() */
} Guest;

/* @config: (nullable) floating a{sv}, beside what the guest needs */
Guest *guest_new(const char *name, GVariant *config);
/* Of no image: a QEMU with 64 MiB and nobody in it, which is there in an instant and heeds no power button. */
Guest *guest_new_bare(const char *name);
/* Starts it and waits until it can take commands. */
void guest_boot(Guest *guest);
/* Opens its console and waits until it can take commands, which it may have said before. @written: how many bytes of its log
 * are of runs before this one. */
void guest_await_ready(Guest *guest, gsize written);
Guest *guest_new_booted(const char *name, GVariant *config);
/* Its signals and console anew, after the daemon was away. */
void guest_rewatch(Guest *guest);
/* Removes it, and waits until it is gone. */
void guest_free(Guest *guest);
/* Frees what the test knows of it, and no more. */
void guest_forget(Guest *guest);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Guest, guest_free)

/* A call that is under way. */
typedef struct {
    gboolean done;
    char *error; /* its D-Bus name; NULL where it went well */
} Answer;

/* @method takes nothing but options, and gets none. @answer must live until it is done. */
void guest_begin(Guest *guest, const char *method, Answer *answer);

/* Seconds since its kernel began. */
double guest_uptime(Guest *guest);
pid_t guest_qemu(Guest *guest);
pid_t guest_keeper(Guest *guest);
void guest_assert_ended(Guest *guest, const char *state, const char *reason);
/* Waits for the end of a removal that was asked for, holds that nothing is left, and frees what the test knows of it. */
void guest_assert_goes(Guest *guest);
/* Fails where a file, process or unit of it is left. */
void guest_assert_no_trace(const char *id);
