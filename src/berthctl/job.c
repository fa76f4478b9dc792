/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "job.h"

#include <errno.h>
#include <glib/gi18n.h>
#include <signal.h>

#include "../core/names.h"
#include "../host/bus-variant.h"
#include "observer.h"
#include "progress.h"

typedef struct {
    Ctl *ctl;
    sd_event *event;
    char *path;       /* %NULL until the call is answered */
    char *owner;      /* unique name of who answered */
    GPtrArray *early; /* (element-type sd_bus_message): what came from jobs before we knew which is ours */
    double fraction;
    guint64 done, total;
    gboolean cancelled;
    gboolean ended;
    char *result;
    sd_bus_error error;
} Job;

static void unref_message(gpointer message)
{
    sd_bus_message_unref(message);
}

static void cancel(Job *job)
{
    sd_bus_call_method_async(job->ctl->bus, NULL, BERTH_BUS_NAME, job->path, BERTH_IFACE_JOB, "Cancel", NULL, NULL,
                             "a{sv}", 0);
}

static void fail(Job *job, const char *name, const char *text)
{
    if (job->ended)
        return;
    job->ended = TRUE;
    sd_bus_error_set(&job->error, name, text);
}

static int on_interrupt(sd_event_source *source, const struct signalfd_siginfo *info, void *data)
{
    Job *job = data;
    if (job->cancelled)
        fail(job, BERTH_ERROR_PREFIX "Cancelled", _("Interrupted; the daemon may not have stopped yet"));
    job->cancelled = TRUE;
    /* Before the answer there is nothing to cancel yet; it is done when that comes. */
    if (job->path != NULL)
        cancel(job);
    return 0;
}

static void completed(Job *job, sd_bus_message *m)
{
    const char *result, *name, *text;
    if (job->ended || sd_bus_message_read(m, "o(ss)", &result, &name, &text) <= 0)
        return;
    if (name[0] != '\0') {
        fail(job, name, text);
        return;
    }
    job->ended = TRUE;
    job->result = g_strdup(result);
}

static void progressed(Job *job, sd_bus_message *m)
{
    const char *interface;
    g_autoptr(GVariant) values = NULL;
    if (sd_bus_message_read(m, "s", &interface) <= 0 || berth_bus_read_variant(m, &values) < 0 ||
        !g_variant_is_of_type(values, G_VARIANT_TYPE_VARDICT))
        return;
    g_variant_lookup(values, "Progress", "d", &job->fraction);
    g_variant_lookup(values, "BytesDone", "t", &job->done);
    g_variant_lookup(values, "BytesTotal", "t", &job->total);
    if (!job->ctl->json)
        ctl_progress_show(job->fraction, job->done, job->total);
}

/* Of our job, and from the daemon. */
static void take(Job *job, sd_bus_message *m)
{
    if (g_strcmp0(sd_bus_message_get_path(m), job->path) != 0 ||
        g_strcmp0(sd_bus_message_get_sender(m), job->owner) != 0)
        return;
    if (sd_bus_message_is_signal(m, BERTH_IFACE_JOB, "Completed"))
        completed(job, m);
    else
        progressed(job, m);
}

static int on_job_signal(sd_bus_message *m, void *data, sd_bus_error *error)
{
    Job *job = data;
    if (job->path == NULL)
        g_ptr_array_add(job->early, sd_bus_message_ref(m));
    else
        take(job, m);
    return 0;
}

static int on_owner(sd_bus_message *m, void *data, sd_bus_error *error)
{
    const char *name, *old, *new;
    if (sd_bus_message_read(m, "sss", &name, &old, &new) > 0 && g_strcmp0(old, ((Job *) data)->owner) == 0)
        fail(data, SD_BUS_ERROR_NO_REPLY, _("The daemon went away before the job was done"));
    return 0;
}

static int on_answer(sd_bus_message *m, void *data, sd_bus_error *unused)
{
    Job *job = data;
    const sd_bus_error *error = sd_bus_message_get_error(m);
    const char *path;
    if (error != NULL) {
        fail(job, error->name, error->message);
        return 0;
    }
    if (sd_bus_message_read(m, "o", &path) <= 0) {
        fail(job, SD_BUS_ERROR_INCONSISTENT_MESSAGE, _("The daemon's answer makes no sense"));
        return 0;
    }
    job->path = g_strdup(path);
    job->owner = g_strdup(sd_bus_message_get_sender(m));
    if (job->cancelled)
        cancel(job);
    for (guint i = 0; i < job->early->len; i++)
        take(job, job->early->pdata[i]);
    g_ptr_array_set_size(job->early, 0);
    return 0;
}

#define N_MATCHES 3

/* All of these before the call: a job can be done before its caller knows its name. */
static int subscribe(Job *job, sd_bus_slot **slots)
{
    static const struct {
        const char *match;
        sd_bus_message_handler_t handler;
    } matches[N_MATCHES] = {
        {"type='signal',sender='" BERTH_BUS_NAME "',path_namespace='" BERTH_PATH_JOB "',interface='" BERTH_IFACE_JOB
         "',member='Completed'",
         on_job_signal},
        {"type='signal',sender='" BERTH_BUS_NAME "',path_namespace='" BERTH_PATH_JOB
         "',interface='org.freedesktop.DBus.Properties',member='PropertiesChanged',arg0='" BERTH_IFACE_JOB "'",
         on_job_signal},
        {"type='signal',sender='org.freedesktop.DBus',path='/org/freedesktop/DBus',interface='org.freedesktop.DBus',"
         "member='NameOwnerChanged',arg0='" BERTH_BUS_NAME "'",
         on_owner},
    };
    for (guint i = 0; i < N_MATCHES; i++) {
        int r = sd_bus_add_match(job->ctl->bus, &slots[i], matches[i].match, matches[i].handler, job);
        if (r < 0)
            return r;
    }
    return 0;
}

/* @m: the call */
static int run(Job *job, sd_bus_message *m, sd_bus_slot **slots)
{
    int r = sd_bus_attach_event(job->ctl->bus, job->event, SD_EVENT_PRIORITY_NORMAL);
    if (r >= 0)
        r = subscribe(job, slots);
    if (r >= 0)
        r = sd_event_add_signal(job->event, NULL, SIGINT | SD_EVENT_SIGNAL_PROCMASK, on_interrupt, job);
    if (r >= 0)
        r = sd_bus_call_async(job->ctl->bus, &slots[N_MATCHES], m, on_answer, job, CTL_UNHURRIED);
    /* No sd_event_exit(): it would close the bus. */
    while (r >= 0 && !job->ended)
        r = sd_event_run(job->event, G_MAXUINT64);
    return r;
}

int ctl_job_run(Ctl *ctl, const char *path, const char *interface, const char *method, GVariant *args, char **result,
                sd_bus_error *error)
{
    sd_bus_slot *slots[N_MATCHES + 1] = {NULL};
    Job job = {.ctl = ctl, .error = SD_BUS_ERROR_NULL};
    g_autoptr(sd_event) event = NULL;
    g_autoptr(sd_bus_message) m = NULL;
    int r = ctl_new_call(ctl, path, interface, method, args, &m);
    if (r >= 0)
        r = sd_event_new(&event);
    job.event = event;
    job.early = g_ptr_array_new_with_free_func(unref_message);
    if (r >= 0)
        r = run(&job, m, slots);
    ctl_progress_clear();

    for (gsize i = 0; i < G_N_ELEMENTS(slots); i++)
        sd_bus_slot_unref(slots[i]);
    sd_bus_detach_event(ctl->bus);
    g_ptr_array_unref(job.early);
    g_free(job.path);
    g_free(job.owner);
    if (r >= 0 && job.result != NULL)
        *result = job.result;
    else if (r >= 0)
        r = sd_bus_error_move(error, &job.error);
    return r;
}
