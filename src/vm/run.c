/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "run.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/syscall.h>

#include "../core/autofd.h"
#include "../core/error.h"
#include "manager.h"
#include "removal.h"
#include "settle.h"
#include "usage.h"

/* After QEMU's end its keeper gets this long to write down how it ended, before the whole scope is killed. That is far more than
 * it takes on a busy host: without its word a guest that turned itself off would pass for one that failed. */
#define KEEPER_PATIENCE_MSEC 5000u
/* So long, where there is less to know or nothing: we have killed QEMU, or only helpers are left. */
#define REST_PATIENCE_MSEC 500u
/* Pauses between kills of the scope double from the first to the last. */
#define KILL_AGAIN_FIRST_MSEC 1000u
#define KILL_AGAIN_LAST_MSEC 60000u
#define KILL_CALL_TIMEOUT_USEC (5 * G_USEC_PER_SEC)
/* Where systemd or the bus is away, a scope with nobody in it is looked for so often, in pauses of so long. One that stays is
 * taken away by the next start, or by the removal. */
#define GHOST_TRIES 10u
#define GHOST_PAUSE_MSEC 500u

BerthRun *berth_run_new(BerthVm *vm)
{
    BerthRun *run = g_new0(BerthRun, 1);
    run->vm = vm;
    run->unit = berth_vm_unit(vm);
    run->guest = berth_guest_new(run);
    run->keeper_pidfd = run->qemu_pidfd = -1;
    return run;
}

void berth_run_free(BerthRun *run)
{
    g_clear_handle_id(&run->end_timer, g_source_remove);
    g_clear_handle_id(&run->look_source, g_source_remove);
    g_clear_handle_id(&run->ghost_timer, g_source_remove);
    g_clear_handle_id(&run->monitor_timer, g_source_remove);
    berth_machined_call_free(&run->registration);
    berth_systemd_call_free(&run->scope_call);
    berth_systemd_call_free(&run->kill_call);
    berth_systemd_call_free(&run->stop_call);
    berth_death_watch_free(&run->keeper_watch);
    berth_death_watch_free(&run->qemu_watch);
    berth_cgroup_watch_free(&run->cgroup_watch);
    berth_file_watch_free(&run->standstill_watch);
    g_clear_pointer(&run->qmp, berth_qmp_free);
    g_clear_pointer(&run->guest, berth_guest_free);
    g_clear_pointer(&run->keeper, berth_keeper_free);
    if (run->keeper_pidfd >= 0)
        close(run->keeper_pidfd);
    if (run->qemu_pidfd >= 0)
        close(run->qemu_pidfd);
    g_free(run->standstill);
    g_free(run->control_group);
    g_free(run->unit);
    g_free(run);
}

gboolean berth_run_note(BerthRun *run, BerthRecordFound operation, gint64 until, GError **error)
{
    const BerthVm *vm = run->vm;
    run->operation = operation;
    run->until = until;
    /* Of a keeper that was not let go there is nothing to know. */
    if (!run->control_group || run->keeper_pid == 0)
        return TRUE;
    const BerthRunRecord record = {
        .incarnation = vm->record->incarnation,
        .cid = vm->record->cid,
        .keeper_pid = run->keeper_pid,
        .qemu_pid = run->qemu_pid,
        .control_group = run->control_group,
        .started = run->started,
        .operation = operation,
        .until = until,
        .by_agent_alone = run->by_agent_alone,
    };
    return berth_runtime_write_run(berth_manager_host(vm->manager)->settings->runtime_dir, berth_vm_id(vm), &record,
                                   error);
}

void berth_vm_note(BerthVm *vm, BerthRecordFound operation, gint64 until)
{
    g_autoptr(GError) error = NULL;
    if (!berth_run_note(vm->run, operation, until, &error))
        berth_vm_log(vm, G_LOG_LEVEL_WARNING, "%s", error->message);
}

/* Watching */

static void something_happened(gpointer data)
{
    berth_run_look(data);
}

static gboolean kill_everything(gpointer data);

static gboolean is_alive(int pidfd)
{
    return pidfd >= 0 && !berth_pidfd_is_dead(pidfd);
}

/* The keeper now writes its record and ends. One that hangs, or helpers that linger, are killed, and what patience was left for
 * QEMU is not theirs. */
static void await_rest(BerthRun *run)
{
    const gboolean keeper_tells = is_alive(run->keeper_pidfd) && !run->qemu_killed;
    run->ending = TRUE;
    g_clear_handle_id(&run->end_timer, g_source_remove);
    run->end_timer = g_timeout_add(keeper_tells ? KEEPER_PATIENCE_MSEC : REST_PATIENCE_MSEC, kill_everything, run);
}

static void qemu_died(gpointer data)
{
    BerthRun *run = data;
    if (run->end_attempt == 0)
        await_rest(run);
    berth_run_look(run);
}

void berth_run_tell_error(BerthRun *run, const GError *error)
{
    if (run->vm->state == BERTH_VM_BROKEN)
        berth_vm_log(run->vm, G_LOG_LEVEL_WARNING, "%s", error->message);
    else
        berth_vm_set_error(run->vm, error);
}

static void keeper_died(gpointer data)
{
    BerthRun *run = data;
    const gboolean qemu_lives = is_alive(run->qemu_pidfd);
    if (qemu_lives && !run->ending) {
        g_autoptr(GError) error =
            g_error_new(BERTH_ERROR, BERTH_ERROR_START_FAILED,
                        "The keeper process %d has ended; the guest runs on without it, and how it "
                        "ends will not be known in full",
                        (int) run->keeper_pid);
        berth_run_tell_error(run, error);
        berth_run_scope_changed(run); /* it may have been about to end it, as systemd had told it */
    }
    if (!qemu_lives && run->ending && run->end_attempt == 0)
        await_rest(run);
    berth_run_look(run);
}

void berth_run_watch_keeper(BerthRun *run, pid_t pid, int pidfd)
{
    run->keeper_pid = pid;
    run->keeper_pidfd = fcntl(pidfd, F_DUPFD_CLOEXEC, 3);
    run->keeper_watch = berth_death_watch_new(pidfd, keeper_died, run);
}

/* The process, if it is of this VM. */
static int open_own_process(const BerthRun *run, pid_t pid, GError **error)
{
    int pidfd = berth_pidfd_open(pid, error);
    g_autofree char *owner = pidfd >= 0 ? berth_cgroup_vm_of(pid) : NULL;
    if (pidfd >= 0 && g_strcmp0(owner, berth_vm_id(run->vm)) != 0) {
        g_set_error(error, BERTH_ERROR, BERTH_ERROR_NOT_FOUND, "The process %d is not of VM \"%s\"", (int) pid,
                    berth_vm_name(run->vm));
        close(pidfd);
        return -1;
    }
    return pidfd;
}

gboolean berth_run_watch_qemu(BerthRun *run, pid_t pid, GError **error)
{
    int pidfd = open_own_process(run, pid, error);
    if (pidfd < 0)
        return FALSE;
    run->qemu_pid = pid;
    run->qemu_pidfd = pidfd;
    run->qemu_watch = berth_death_watch_new(pidfd, qemu_died, run);
    berth_run_watch_standstill(run);
    berth_vm_changed(run->vm, BERTH_ASPECT_PROCESS);
    berth_vm_usage_begins(run->vm);
    return TRUE;
}

void berth_run_find_qemu(BerthRun *run)
{
    pid_t pid = run->keeper_pid > 0 ? berth_process_first_child(run->keeper_pid) : 0;
    if (pid > 0)
        (void) berth_run_watch_qemu(run, pid, NULL);
}

void berth_run_find(BerthRun *run, pid_t keeper_pid, pid_t qemu_pid)
{
    BERTH_AUTOFD keeper = open_own_process(run, keeper_pid, NULL);
    if (keeper >= 0)
        berth_run_watch_keeper(run, keeper_pid, keeper);
    if (qemu_pid > 0)
        (void) berth_run_watch_qemu(run, qemu_pid, NULL);
    else
        berth_run_find_qemu(run);
}

void berth_run_watch_cgroup(BerthRun *run, const char *path)
{
    g_autoptr(GError) error = NULL;
    g_free(run->control_group);
    run->control_group = g_strdup(path);
    berth_cgroup_watch_free(&run->cgroup_watch);
    run->cgroup_watch = berth_cgroup_watch_new(path, something_happened, run, &error);
    /* It may be gone already; then the look finds it so. */
    if (!run->cgroup_watch)
        berth_run_look(run);
}

/* Looking */

/* NULL where nobody is left; else who is. (transfer full) */
static char *who_is_left(BerthRun *run)
{
    g_autoptr(GError) error = NULL;
    gboolean empty = FALSE, is_free = FALSE;

    if (is_alive(run->qemu_pidfd))
        return g_strdup_printf("QEMU (process %d) has not ended", (int) run->qemu_pid);
    if (is_alive(run->keeper_pidfd))
        return g_strdup_printf("the keeper (process %d) has not ended", (int) run->keeper_pid);
    if (run->control_group) {
        if (!berth_cgroup_is_empty(run->control_group, &empty, &error))
            return g_strdup(error->message);
        if (!empty)
            return g_strdup_printf("processes are left in %s", run->unit);
    }
    if (!berth_runtime_is_free(berth_manager_host(run->vm->manager)->settings->runtime_dir, berth_vm_id(run->vm),
                               &is_free, &error))
        return g_strdup(error->message);
    if (!is_free)
        return g_strdup("a process holds the lock in the VM's runtime directory");
    return NULL;
}

char *berth_run_blocker(BerthRun *run)
{
    g_autofree char *process = run->control_group ? berth_cgroup_describe(run->control_group) : NULL;
    return process ? g_steal_pointer(&process) : who_is_left(run);
}

static gboolean look_for_ghost_again(gpointer data)
{
    BerthRun *run = data;
    run->ghost_timer = 0;
    berth_run_look(run);
    return G_SOURCE_REMOVE;
}

static void ghost_stopped(const GError *error, gpointer data)
{
    BerthRun *run = data;
    BERTH_AUTO_SYSTEMD_CALL *call = g_steal_pointer(&run->stop_call);
    if (error && ++run->ghost_tries < GHOST_TRIES) {
        run->ghost_timer = g_timeout_add(GHOST_PAUSE_MSEC, look_for_ghost_again, run);
        return;
    }
    if (error)
        berth_vm_log(run->vm, G_LOG_LEVEL_WARNING, "Can't be sure that %s is gone: %s", run->unit, error->message);
    berth_vm_settle(run->vm); /* frees the run */
}

static gboolean look(gpointer data)
{
    BerthRun *run = data;
    run->look_source = 0;
    g_autofree char *left = who_is_left(run);
    if (left || run->stop_call || run->ghost_timer)
        return G_SOURCE_REMOVE;
    /* A keeper that ended while its scope was being started may have left one that is active for ever with nobody in
     * it. */
    if (run->scope_asked && !run->control_group)
        run->stop_call = berth_systemd_stop(berth_manager_host(run->vm->manager)->systemd, run->unit,
                                            KILL_CALL_TIMEOUT_USEC, ghost_stopped, run);
    else
        berth_vm_settle(run->vm); /* frees the run */
    return G_SOURCE_REMOVE;
}

void berth_run_look(BerthRun *run)
{
    if (!run->look_source)
        run->look_source = g_idle_add_full(G_PRIORITY_DEFAULT, look, run, NULL);
}

/* Ending */

static void send_kill(int pidfd)
{
    if (pidfd >= 0)
        syscall(SYS_pidfd_send_signal, pidfd, SIGKILL, NULL, 0); /* ESRCH: it is dead, which the pidfd will say */
}

static void kill_done(const GError *error, gpointer data)
{
    BerthRun *run = data;
    BERTH_AUTO_SYSTEMD_CALL *call = g_steal_pointer(&run->kill_call);
    if (error && run->control_group) {
        /* systemd does not answer: the kernel does. */
        berth_vm_log(run->vm, G_LOG_LEVEL_WARNING, "systemd can't kill %s (%s); killing its processes directly",
                     run->unit, error->message);
        g_autoptr(GError) refused = NULL;
        if (!berth_cgroup_kill(run->control_group, &refused))
            berth_vm_log(run->vm, G_LOG_LEVEL_WARNING, "%s", refused->message);
    }
    berth_run_look(run);
}

static guint kill_pause(guint attempt)
{
    guint shift = MIN(attempt, 6);
    return MIN(KILL_AGAIN_FIRST_MSEC << shift, KILL_AGAIN_LAST_MSEC);
}

static gboolean kill_everything(gpointer data)
{
    BerthRun *run = data;
    run->end_timer = 0;
    send_kill(run->qemu_pidfd);
    send_kill(run->keeper_pidfd);
    if (run->control_group && !run->kill_call)
        run->kill_call = berth_systemd_kill(berth_manager_host(run->vm->manager)->systemd, run->unit, SIGKILL,
                                            KILL_CALL_TIMEOUT_USEC, kill_done, run);
    run->end_timer = g_timeout_add(kill_pause(run->end_attempt++), kill_everything, run);
    berth_run_look(run);
    berth_vm_end_delayed(run->vm);
    return G_SOURCE_REMOVE;
}

static gboolean kill_qemu(gpointer data)
{
    BerthRun *run = data;
    run->end_timer = 0;
    if (run->qemu_pidfd < 0)
        return kill_everything(run);
    run->qemu_killed = run->qemu_killed || is_alive(run->qemu_pidfd);
    send_kill(run->qemu_pidfd);
    await_rest(run);
    return G_SOURCE_REMOVE;
}

void berth_run_end_rest(BerthRun *run)
{
    if (run->ending)
        return;
    await_rest(run);
    berth_run_look(run);
}

static void quit_answered(JsonNode *result, const GError *error, gpointer data)
{
    /* The answer is only that: death is what the pidfds say. Without one, the deadline acts. */
}

void berth_run_end(BerthRun *run, gboolean gently)
{
    if (run->ending && (gently || run->end_attempt > 0))
        return;
    gboolean first = !run->ending;
    run->ending = TRUE;
    g_clear_handle_id(&run->end_timer, g_source_remove);
    if (gently && run->qmp) {
        guint64 patience = berth_manager_host(run->vm->manager)->settings->poweroff_timeout_usec;
        run->end_timer = g_timeout_add((guint) (patience / 1000), kill_qemu, run);
        berth_qmp_execute(run->qmp, "quit", NULL, patience, quit_answered, run);
    } else if (first && run->keeper && run->qemu_pidfd < 0) {
        /* Not released yet, or just about to answer: without its channel an unreleased keeper ends by itself. */
        g_clear_pointer(&run->keeper, berth_keeper_free);
        kill_everything(run);
    } else {
        kill_qemu(run);
    }
}
