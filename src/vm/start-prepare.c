/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <fcntl.h>

#include "../core/autofd.h"
#include "../core/keeper-protocol.h"
#include "../core/names.h"
#include "../host/tap.h"
#include "image.h"
#include "manager.h"
#include "run.h"
#include "start-private.h"

/* The first steps of a start: all that needs no QEMU. */

static const char *const log_names[N_LOGS] = {
    BERTH_FILE_SERIAL_LOG,
    BERTH_FILE_SERIAL_LOG BERTH_LOG_OLD_SUFFIX,
    BERTH_FILE_QEMU_LOG,
    BERTH_FILE_QEMU_LOG BERTH_LOG_OLD_SUFFIX,
};

/* Step 2: the keeper, which waits. */

static gboolean open_networks(BerthVm *vm, BerthQemuArgsInput *input, GError **error)
{
    BerthStart *start = vm->start;
    const GPtrArray *networks = vm->record->config->networks;
    for (guint i = 0; i < networks->len; i++) {
        const BerthNetwork *network = g_ptr_array_index(networks, i);
        input->tap_fds[i] = -1;
        if (!g_str_equal(network->mode, "bridge"))
            continue;
        int fd = berth_tap_open(berth_vm_id(vm), i, network->bridge, error);
        if (fd < 0)
            return FALSE;
        input->tap_fds[i] = BERTH_QEMU_FD_EXTRA + (int) start->n_extra;
        start->extra[start->n_extra++] = fd;
    }
    return TRUE;
}

static GStrv build_args(BerthVm *vm, GError **error)
{
    const BerthHost *host = berth_manager_host(vm->manager);
    const BerthVmConfig *config = vm->record->config;
    const BerthImage *image = *config->image ? berth_manager_find_image(vm->manager, config->image) : NULL;
    if (*config->image && !image) {
        g_set_error(error, BERTH_ERROR, BERTH_ERROR_START_FAILED,
                    "The image \"%s\" of VM \"%s\" is not there; import it again", config->image, berth_vm_name(vm));
        return NULL;
    }
    g_autofree char *path = berth_vm_store_path(host->vms, berth_vm_id(vm));
    g_autofree char *disks = g_build_filename(path, BERTH_DIR_DISKS, NULL);
    g_autofree char *image_dir = image ? berth_image_store_path(host->images, config->image) : NULL;
    BerthQemuArgsInput input = {
        .qemu = host->settings->qemu_path,
        .accelerator = host->accelerator,
        .id = berth_vm_id(vm),
        .name = berth_vm_name(vm),
        .cid = vm->record->cid,
        .config = config,
        .image = image ? image->meta : NULL,
        .image_dir = image_dir,
        .disks_dir = disks,
        .firmware_code = host->settings->firmware_code,
        .notify_port = host->notify_port,
        .vsock_fd = -1,
    };
    if (!open_networks(vm, &input, error))
        return NULL;
    return berth_qemu_args(&input);
}

static gboolean fork_keeper(BerthVm *vm, GError **error)
{
    BerthStart *start = vm->start;
    const BerthHost *host = berth_manager_host(vm->manager);
    g_auto(GStrv) argv = build_args(vm, error);
    if (!argv)
        return FALSE;
    const BerthKeeperSpec spec = {
        .keeper_path = host->keeper_path,
        .id = berth_vm_id(vm),
        .name = berth_vm_name(vm),
        .uid = berth_host_vm_uid(host, vm->record->cid),
        .shutdown_timeout_usec = host->settings->shutdown_timeout_usec,
        .qemu_argv = (const char *const *) argv,
        .lock_fd = start->runtime.lock_fd,
        .exit_fd = start->runtime.exit_fd,
        .qmp_fd = start->runtime.qmp_fd,
        .console_fd = start->runtime.console_fd,
        .agent_fd = start->runtime.agent_fd,
        .serial_fd = start->logs[LOG_SERIAL],
        .serial_old_fd = start->logs[LOG_SERIAL_OLD],
        .qemu_log_fd = start->logs[LOG_QEMU],
        .qemu_log_old_fd = start->logs[LOG_QEMU_OLD],
        .extra_fds = start->extra,
        .n_extra_fds = start->n_extra,
    };
    BerthKeeper *keeper = berth_keeper_spawn(&spec, error);
    if (!keeper)
        return FALSE;
    vm->run = berth_run_new(vm);
    vm->run->keeper = keeper;
    berth_run_watch_keeper(vm->run, berth_keeper_pid(keeper), berth_keeper_pidfd(keeper));
    return TRUE;
}

/* Step 1: what is on disk. */

typedef struct {
    BerthVmStore *store;
    char *id;
    guint64 serial; /* of the start it is for */
    uid_t owner;    /* of the disks; (uid_t)-1: whoever they belong to */
    int logs[N_LOGS];
} Files;

static void files_free(Files *work)
{
    for (guint i = 0; i < N_LOGS; i++)
        berth_autofd_close(&work->logs[i]);
    g_free(work->id);
    g_free(work);
}

static gboolean prepare_files(gpointer data, GError **error)
{
    Files *work = data;
    if (work->owner != (uid_t) -1 && !berth_vm_store_own_disks(work->store, work->id, work->owner, error))
        return FALSE;
    for (guint i = 0; i < N_LOGS; i++) {
        work->logs[i] =
            berth_vm_store_open_log(work->store, work->id, log_names[i], O_RDWR | O_CREAT | O_APPEND, error);
        if (work->logs[i] < 0)
            return FALSE;
    }
    return TRUE;
}

static void files_prepared(BerthVm *vm, gpointer data, const GError *error)
{
    Files *work = data;
    g_autoptr(GError) failure = NULL;
    /* It may have been cancelled meanwhile, and even begun again. */
    if (!vm->start || vm->start->serial != work->serial || vm->start->failure)
        return;
    if (error) {
        berth_start_fail(vm, error);
        return;
    }
    for (guint i = 0; i < N_LOGS; i++)
        vm->start->logs[i] = berth_steal_fd(&work->logs[i]);
    if (!fork_keeper(vm, &failure))
        berth_start_fail(vm, failure);
    else
        berth_start_scope(vm);
}

/* systemd is going to move the keeper into its scope. One wait serves all starts of this moment. */

static gboolean move_is_expected = FALSE;

static gboolean expect_move(gpointer data, GError **error)
{
    berth_cgroup_expect_move(); /* without it the start is slower, and as good */
    return TRUE;
}

static void expected_move(gpointer data, const GError *error, gpointer user_data)
{
    move_is_expected = FALSE;
}

static void hurry_move(void)
{
    if (!move_is_expected)
        berth_work_start(BERTH_WORK_SHORT, expect_move, NULL, NULL, expected_move, NULL);
    move_is_expected = TRUE;
}

void berth_start_prepare(BerthVm *vm)
{
    const BerthHost *host = berth_manager_host(vm->manager);
    hurry_move();
    Files *work = g_new0(Files, 1);
    work->store = host->vms;
    work->id = g_strdup(berth_vm_id(vm));
    work->owner = berth_host_vm_uid(host, vm->record->cid);
    work->serial = vm->start->serial;
    for (guint i = 0; i < N_LOGS; i++)
        work->logs[i] = -1;
    berth_vm_work(vm, BERTH_WORK_SHORT, prepare_files, work, (GDestroyNotify) files_free, files_prepared);
}
