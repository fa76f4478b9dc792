/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <glib-unix.h>
#include <locale.h>
#include <malloc.h>
#include <stdlib.h>
#include <systemd/sd-daemon.h>

#include "../bus/bus.h"
#include "../host/capabilities.h"
#include "../host/guest-notify.h"
#include "../host/journal.h"
#include "../host/settings-files.h"
#include "../vm/guest-notices.h"
#include "../vm/recovery.h"
#include "config.h"

/* The answer to GetManagedObjects is some megabytes for a moment. The C library would raise this, its default, upon
 * the first one, and keep the next ones' memory for ever. */
#define MMAP_THRESHOLD (128 * 1024)

/* How long the end waits for a journal that is slow. */
#define JOURNAL_PATIENCE_MSEC 1000u

typedef struct {
    GMainLoop *loop;
    BerthBus *bus;
    BerthManager *manager;
    gboolean failed;
    gboolean ready;      /* it has had the bus name */
    gboolean reload_due; /* it was asked to reload before */
} Daemon;

static gboolean opt_user = FALSE;
static gboolean opt_version = FALSE;
static char *opt_config = NULL;

static const GOptionEntry entries[] = {
    {"user", 0, 0, G_OPTION_ARG_NONE, &opt_user, "Serve the session bus, with VMs of this user", NULL},
    {"config", 0, 0, G_OPTION_ARG_FILENAME, &opt_config, "Read FILE (and FILE.d/*.conf) instead of berth.conf", "FILE"},
    {"version", 0, 0, G_OPTION_ARG_NONE, &opt_version, "Print the version", NULL},
    G_OPTION_ENTRY_NULL,
};

static char *settings_file(void)
{
    if (opt_config)
        return g_strdup(opt_config);
    return opt_user ? g_build_filename(g_get_user_config_dir(), "berth", "berth.conf", NULL)
                    : g_build_filename(BERTH_SYSCONFDIR, "berth.conf", NULL);
}

static BerthSettings *load_settings(const char *file)
{
    g_autoptr(GError) error = NULL;
    g_autofree char *state =
        opt_user ? g_build_filename(g_get_user_state_dir(), "berth", NULL) : g_strdup(BERTH_STATE_DIR);
    g_autofree char *runtime =
        opt_user ? g_build_filename(g_get_user_runtime_dir(), "berth", NULL) : g_strdup("/run/berth");
    BerthSettings *settings = berth_settings_new(state, runtime);
    if (!berth_settings_load(settings, file, TRUE, &error))
        g_warning("%s", error->message);
    return settings;
}

static gboolean stop(gpointer data)
{
    Daemon *daemon = data;
    sd_notify(0, "STOPPING=1");
    g_main_loop_quit(daemon->loop);
    return G_SOURCE_CONTINUE;
}

static void reloaded(guint loaded, guint updated, guint removed, const GError *error, gpointer data)
{
    if (error)
        g_warning("Reload failed: %s", error->message);
    else
        g_message("Reloaded: %u loaded, %u updated, %u removals resumed", loaded, updated, removed);
    sd_notify(0, "READY=1");
}

static gboolean reload(gpointer data)
{
    Daemon *daemon = data;
    /* What is on disk is just being read, and some of it may have been changed after that. */
    if (!daemon->ready) {
        daemon->reload_due = TRUE;
        return G_SOURCE_CONTINUE;
    }
    sd_notifyf(0, "RELOADING=1\nMONOTONIC_USEC=%" G_GINT64_FORMAT, g_get_monotonic_time());
    berth_reload(daemon->manager, reloaded, NULL);
    return G_SOURCE_CONTINUE;
}

static gboolean pat_watchdog(gpointer data)
{
    sd_notify(0, "WATCHDOG=1");
    return G_SOURCE_CONTINUE;
}

static void name_taken(gpointer data)
{
    Daemon *daemon = data;
    guint64 usec = 0;
    g_message("Ready as %s on the %s bus", "org.berth.Berth1", opt_user ? "session" : "system");
    sd_notify(0, "READY=1");
    if (!daemon->ready && sd_watchdog_enabled(0, &usec) > 0)
        g_timeout_add_seconds((guint) MAX(usec / 2 / G_USEC_PER_SEC, 1), pat_watchdog, NULL);
    daemon->ready = TRUE;
    if (daemon->reload_due)
        reload(daemon);
    daemon->reload_due = FALSE;
}

static void name_refused(const char *why, gpointer data)
{
    Daemon *daemon = data;
    g_critical("Can't have the bus name: %s", why);
    daemon->failed = TRUE;
    g_main_loop_quit(daemon->loop);
}

static void recovered(const GError *error, gpointer data)
{
    Daemon *daemon = data;
    if (error) {
        g_critical("%s", error->message);
        daemon->failed = TRUE;
        g_main_loop_quit(daemon->loop);
        return;
    }
    berth_bus_serve(daemon->bus, daemon->manager, name_taken, name_refused, daemon);
}

/* Only where there may be guests that can notify; without it they are as good. (nullable) */
static BerthGuestNotify *listen_to_guests(const BerthSettings *settings, const char *const *capabilities)
{
    g_autoptr(GError) error = NULL;
    if (settings->notify_port == 0 || !g_strv_contains(capabilities, "vhost-vsock"))
        return NULL;
    BerthGuestNotify *notify = berth_guest_notify_new(settings->notify_port, &error);
    if (!notify)
        g_message("Guests can't notify of their state: %s", error->message);
    return notify;
}

/* Puts the parts together and runs until told to stop. VMs run on; what was durable is picked up by the next start. */
static gboolean serve(BerthSettings *settings, const char *file, GError **error)
{
    const char *accelerator = NULL;
    g_auto(GStrv) capabilities = berth_capabilities_find(settings->accelerator, &accelerator);
    g_autoptr(BerthVmStore) vms = berth_vm_store_open(settings->state_dir, error);
    g_autoptr(BerthImageStore) images = vms ? berth_image_store_open(settings->state_dir, error) : NULL;
    if (!images)
        return FALSE;
    g_autoptr(BerthBusLink) link = berth_bus_link_new(opt_user);
    g_autoptr(BerthSystemd) systemd = berth_systemd_new(link);
    g_autoptr(BerthBus) bus = berth_bus_new(link, opt_user, (const char *const *) capabilities);
    g_autoptr(BerthGuestNotify) notify = listen_to_guests(settings, (const char *const *) capabilities);
    const BerthHost host = {
        .settings = settings,
        .settings_file = file,
        .keeper_path = g_getenv("BERTH_KEEPER") ? g_getenv("BERTH_KEEPER") : BERTH_KEEPER_PATH,
        .accelerator = accelerator,
        .user = opt_user,
        .notify_port = notify ? settings->notify_port : 0,
        .vms = vms,
        .images = images,
        .systemd = systemd,
        .link = link,
    };
    g_autoptr(BerthManager) manager = berth_manager_new(&host, berth_bus_observer(), bus);
    if (notify)
        berth_guest_notify_begin(notify, berth_guest_notices(), manager);
    g_autoptr(GMainLoop) loop = g_main_loop_new(NULL, FALSE);
    Daemon daemon = {.loop = loop, .bus = bus, .manager = manager};

    g_unix_signal_add(SIGTERM, stop, &daemon);
    g_unix_signal_add(SIGINT, stop, &daemon);
    g_unix_signal_add(SIGHUP, reload, &daemon);
    if (!berth_bus_link_connect(link, error))
        return FALSE;
    berth_recover(manager, recovered, &daemon);
    g_main_loop_run(loop);
    /* What is half written is finished; a copy of an hour is not waited for. */
    berth_manager_cancel_jobs(manager);
    berth_work_drain();
    return !daemon.failed;
}

static GLogWriterOutput write_to_stderr(GLogLevelFlags level, const GLogField *fields, gsize n_fields, gpointer data)
{
    g_autofree char *line = g_log_writer_format_fields(level, fields, n_fields, FALSE);
    fprintf(stderr, "%s\n", line);
    return G_LOG_WRITER_HANDLED;
}

int main(int argc, char **argv)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(GOptionContext) context = g_option_context_new("- keeps virtual machines");
    setlocale(LC_ALL, "");
    mallopt(M_MMAP_THRESHOLD, MMAP_THRESHOLD);
    g_option_context_add_main_entries(context, entries, NULL);
    if (!g_option_context_parse(context, &argc, &argv, &error) || argc > 1) {
        g_printerr("berthd: %s\n", error ? error->message : "it takes no arguments");
        return 2;
    }
    if (opt_version) {
        g_print("berthd %s\n", BERTH_VERSION);
        return EXIT_SUCCESS;
    }
    /* Into the journal with fields, where there is one; to standard error else. */
    const gboolean to_journal = g_log_writer_is_journald(fileno(stderr)) && berth_journal_open(BERTH_JOURNAL_SOCKET);
    g_log_set_writer_func(to_journal ? berth_journal_write : write_to_stderr, NULL, NULL);
    signal(SIGPIPE, SIG_IGN);

    g_autofree char *file = settings_file();
    g_autoptr(BerthSettings) settings = load_settings(file);
    const gboolean served = serve(settings, file, &error);
    if (error)
        g_critical("%s", error->message);
    if (to_journal)
        berth_journal_close(JOURNAL_PATIENCE_MSEC);
    return served ? EXIT_SUCCESS : EXIT_FAILURE;
}
