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

typedef struct {
    BerthManager *manager;
    BerthImportRequest *request;
    BerthImageStore *store;
    char *qemu_img;
    BerthJobProgress progress;
} Import;

static void import_free(Import *import)
{
    berth_job_progress_clear(&import->progress);
    berth_import_request_free(import->request);
    g_free(import->qemu_img);
    g_free(import);
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
    return berth_image_store_import(import->store, &parameters, import->progress.job->cancellable,
                                    berth_job_progress_tell, &import->progress, error);
}

static void imported(gpointer data, const GError *error, gpointer user_data)
{
    Import *import = data;
    BerthJob *job = import->progress.job;
    const char *name = import->request->meta->name;
    berth_job_progress_end(&import->progress);
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
    import->manager = manager;
    import->store = host->images;
    import->qemu_img = g_strdup(host->settings->qemu_img_path);
    import->request = g_steal_pointer(&taken);
    BerthJob *job = berth_manager_add_job(manager, "import-image");
    berth_job_progress_init(&import->progress, manager, job);
    berth_work_heed(berth_work_start(BERTH_WORK_COPY, do_import, import, (GDestroyNotify) import_free, imported, NULL),
                    job->cancellable);
    return job;
}
