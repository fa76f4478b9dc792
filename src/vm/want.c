/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "want.h"

#include "manager.h"

typedef struct {
    BerthVmStore *store;
    char *id;
    gboolean wanted;
} WantWork;

static void want_work_free(WantWork *work)
{
    g_free(work->id);
    g_free(work);
}

static gboolean want_work_run(gpointer data, GError **error)
{
    WantWork *work = data;
    return berth_vm_store_set_wanted(work->store, work->id, work->wanted, error);
}

static void store_want(BerthVm *vm);

static void want_work_done(BerthVm *vm, gpointer data, const GError *error)
{
    WantWork *work = data;
    vm->want_in_flight = FALSE;
    if (!error)
        vm->want_stored = work->wanted;
    /* The mind was changed meanwhile: those who wait, wait for the last word. */
    if (vm->record->wanted != work->wanted && vm->state != BERTH_VM_REMOVING) {
        store_want(vm);
        return;
    }
    /* What is said to be wanted is what the disk says. */
    if (error && vm->record->wanted != vm->want_stored) {
        vm->record->wanted = vm->want_stored;
        berth_vm_changed(vm, BERTH_ASPECT_WANTED);
    }
    if (vm->want_waiters)
        berth_replies_return(vm->want_waiters, error);
}

static void store_want(BerthVm *vm)
{
    WantWork *work = g_new0(WantWork, 1);
    work->store = berth_manager_host(vm->manager)->vms;
    work->id = g_strdup(berth_vm_id(vm));
    work->wanted = vm->record->wanted;
    vm->want_in_flight = TRUE;
    berth_vm_work(vm, BERTH_WORK_SHORT, want_work_run, work, (GDestroyNotify) want_work_free, want_work_done);
}

void berth_vm_want(BerthVm *vm, gboolean wanted, BerthReply *reply)
{
    if (vm->record->wanted != wanted) {
        vm->record->wanted = wanted;
        berth_vm_changed(vm, BERTH_ASPECT_WANTED);
    }
    if (!vm->want_in_flight && vm->want_stored == wanted) {
        berth_reply_return(&reply, NULL);
        return;
    }
    if (reply) {
        if (!vm->want_waiters)
            vm->want_waiters = berth_replies_new();
        g_ptr_array_add(vm->want_waiters, reply);
    }
    if (!vm->want_in_flight)
        store_want(vm);
}
