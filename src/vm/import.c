/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "job.h"

#include "../core/autofd.h"
#include "../core/error.h"
#include "../core/vm-config.h"
#include "manager.h"

void berth_import_request_free(BerthImportRequest *request)
{
    berth_autofd_close(&request->disk_fd);
    berth_autofd_close(&request->kernel_fd);
    berth_autofd_close(&request->initrd_fd);
    g_free(request->format);
    g_free(request->sha256);
    berth_image_meta_free(request->meta);
    g_free(request);
}

void berth_job_free(BerthJob *job)
{
    g_clear_object(&job->cancellable);
    g_clear_error(&job->error);
    g_free(job->image);
    g_free(job);
}

/* The worker's view; what the main loop reads of it goes through @lock. */
typedef struct {
    BerthManager *manager;
    BerthJob *job;
    BerthImportRequest *request;
    BerthImageStore *store;
    char *qemu_img;

    GMutex lock;
    guint64 done, total;
    guint source; /* a turn of the main loop is due to take done and total over, 0 */
} Import;

static void import_free(Import *import)
{
    g_mutex_clear(&import->lock);
    berth_import_request_free(import->request);
    g_free(import->qemu_img);
    g_free(import);
}

static gboolean take_progress(gpointer data)
{
    Import *import = data;
    g_mutex_lock(&import->lock);
    import->job->done = import->done;
    import->job->total = import->total;
    import->source = 0;
    g_mutex_unlock(&import->lock);
    berth_manager_job_changed(import->manager, import->job);
    return G_SOURCE_REMOVE;
}

/* In the worker, at most ten times a second. */
static void progressed(guint64 done, guint64 total, gpointer data)
{
    Import *import = data;
    g_mutex_lock(&import->lock);
    import->done = done;
    import->total = total;
    if (!import->source)
        import->source = g_idle_add_full(G_PRIORITY_DEFAULT_IDLE, take_progress, import, NULL);
    g_mutex_unlock(&import->lock);
}

static gboolean do_import(gpointer data, GError **error)
{
    Import *import = data;
    BerthImageImport parameters = {
        .qemu_img = import->qemu_img,
        .disk_fd = import->request->disk_fd,
        .kernel_fd = import->request->kernel_fd,
        .initrd_fd = import->request->initrd_fd,
        .format = import->request->format,
        .sha256 = import->request->sha256,
        .meta = import->request->meta,
    };
    return berth_image_store_import(import->store, &parameters, import->job->cancellable, progressed, import, error);
}

static void imported(gpointer data, const GError *error, gpointer user_data)
{
    Import *import = data;
    BerthJob *job = import->job;
    const char *name = import->request->meta->name;
    /* Whatever its priority, the turn may come after this one: then there is no import and no job any more. */
    if (import->source) {
        g_source_remove(import->source);
        take_progress(import);
    }
    berth_manager_unreserve_image(import->manager, name);
    if (error) {
        job->error = g_error_copy(error);
    } else {
        job->image = g_strdup(name);
        berth_manager_add_image(import->manager, g_steal_pointer(&import->request->meta));
    }
    berth_manager_job_ended(import->manager, job);
}

BerthJob *berth_manager_import(BerthManager *manager, BerthImportRequest *request, GError **error)
{
    g_autoptr(BerthImportRequest) taken = request;
    const BerthHost *host = berth_manager_host(manager);
    if (!berth_vm_name_check(taken->meta->name, error) || !berth_image_meta_check(taken->meta, error) ||
        !berth_manager_reserve_image(manager, taken->meta->name, error))
        return NULL;

    Import *import = g_new0(Import, 1);
    g_mutex_init(&import->lock);
    import->manager = manager;
    import->store = host->images;
    import->qemu_img = g_strdup(host->settings->qemu_img_path);
    import->request = g_steal_pointer(&taken);
    import->job = berth_manager_add_job(manager, "import-image");
    berth_work_start(BERTH_WORK_LONG, do_import, import, (GDestroyNotify) import_free, imported, NULL);
    return import->job;
}
