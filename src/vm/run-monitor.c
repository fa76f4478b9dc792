/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <sys/inotify.h>

#include "../core/error.h"
#include "../core/names.h"
#include "adopt.h"
#include "manager.h"
#include "run.h"
#include "settle.h"
#include "start.h"

/* QEMU's monitor, and whether QEMU answers on it. */

/* A monitor closes a moment before its QEMU ends: only one that stays away this long is a fault. */
#define MONITOR_PATIENCE_MSEC 1000u

static const char *runtime_dir_of(const BerthRun *run)
{
    return berth_manager_host(run->vm->manager)->settings->runtime_dir;
}

/* Responsive */

static void tell_responsive(BerthRun *run)
{
    const gboolean responsive = !run->is_silent && !run->standstill;
    if (run->vm->responsive != responsive)
        berth_vm_log(run->vm, responsive ? G_LOG_LEVEL_MESSAGE : G_LOG_LEVEL_WARNING, "QEMU %s",
                     responsive ? "answers again" : "does not answer");
    berth_vm_set_responsive(run->vm, responsive);
}

void berth_run_is_silent(BerthRun *run)
{
    run->is_silent = TRUE;
    tell_responsive(run);
}

static void begin_standstill(BerthRun *run)
{
    g_autoptr(GError) error = g_error_new(
        BERTH_ERROR, BERTH_ERROR_BUSY,
        "QEMU of VM \"%s\" (process %d) was stopped by a signal, and its guest stands still: SIGCONT lets it "
        "go on, PowerOff ends it",
        berth_vm_name(run->vm), (int) run->qemu_pid);
    run->standstill = g_utf8_make_valid(error->message, -1);
    berth_run_tell_error(run, error);
}

/* What has failed since then stays told. */
static void end_standstill(BerthRun *run)
{
    g_autofree char *words = g_steal_pointer(&run->standstill);
    if (g_str_equal(run->vm->error_text, words))
        berth_vm_set_error(run->vm, NULL);
}

static void look_whether_it_stands_still(gpointer data)
{
    BerthRun *run = data;
    /* Of one that has ended its keeper's record says more. */
    if (berth_pidfd_is_dead(run->qemu_pidfd))
        return;
    const gboolean stands_still = berth_process_is_stopped(run->qemu_pid, run->qemu_pidfd);
    if (stands_still && !run->standstill)
        begin_standstill(run);
    else if (!stands_still && run->standstill)
        end_standstill(run);
    tell_responsive(run);
}

void berth_run_watch_standstill(BerthRun *run)
{
    g_autoptr(GError) error = NULL;
    g_autofree char *path = g_build_filename(runtime_dir_of(run), berth_vm_id(run->vm), BERTH_FILE_EXIT, NULL);
    run->standstill_watch = berth_file_watch_new(path, IN_MODIFY, "", look_whether_it_stands_still, run, &error);
    if (!run->standstill_watch)
        berth_vm_log(run->vm, G_LOG_LEVEL_WARNING, "Where somebody stops QEMU, that will not be noticed: %s",
                     error->message);
    look_whether_it_stands_still(run);
}

/* QEMU has spoken. What it said before it was stopped may come later than that; and a keeper of before an upgrade, or one
 * that was killed, does not tell when it goes on. */
static void heard(BerthRun *run)
{
    run->is_silent = FALSE;
    if (run->standstill)
        look_whether_it_stands_still(run);
    tell_responsive(run);
}

/* The monitor */

static void monitor_ready(gpointer data)
{
    BerthRun *run = data;
    run->qmp_ready = TRUE;
    heard(run);
    if (run->guest_ran)
        berth_guest_look(run->guest);
    if (run->on_ready)
        run->on_ready(run->vm);
}

static void monitor_late_answer(gpointer data)
{
    heard(data);
}

static void monitor_event(const char *name, JsonObject *arguments, gpointer data)
{
    BerthRun *run = data;
    heard(run);
    berth_guest_monitor_event(run->guest, name, arguments);
    berth_vm_guest_event(run->vm, name, arguments);
}

static gboolean monitor_stays_away(gpointer data)
{
    BerthRun *run = data;
    run->monitor_timer = 0;
    if (run->ending || (run->qemu_pidfd >= 0 && berth_pidfd_is_dead(run->qemu_pidfd)))
        return G_SOURCE_REMOVE;
    g_autoptr(GError) error = NULL;
    berth_run_is_silent(run);
    if (!berth_run_connect(run, &error)) {
        g_autoptr(GError) told = g_error_new(BERTH_ERROR, BERTH_ERROR_BUSY,
                                             "QEMU's monitor of VM \"%s\" can't be reached: %s. The guest runs on; "
                                             "PowerOff ends it",
                                             berth_vm_name(run->vm), error->message);
        berth_run_tell_error(run, told);
    }
    /* Nobody heard what it did meanwhile. */
    if (run->vm->start)
        berth_start_ask_again(run->vm);
    else
        berth_adopt_ask_status(run->vm);
    return G_SOURCE_REMOVE;
}

static void monitor_closed(const GError *error, gpointer data)
{
    BerthRun *run = data;
    g_clear_pointer(&run->qmp, berth_qmp_free);
    run->qmp_ready = FALSE;
    if (!run->monitor_timer)
        run->monitor_timer = g_timeout_add(MONITOR_PATIENCE_MSEC, monitor_stays_away, run);
    berth_run_look(run);
}

static const BerthQmpHandler monitor_handler = {
    .ready = monitor_ready,
    .event = monitor_event,
    .late_answer = monitor_late_answer,
    .closed = monitor_closed,
};

gboolean berth_run_connect(BerthRun *run, GError **error)
{
    g_autofree char *path = berth_runtime_qmp_path(runtime_dir_of(run), berth_vm_id(run->vm));
    run->qmp = berth_qmp_connect(path, &monitor_handler, run, error);
    return run->qmp != NULL;
}

void berth_run_reach(BerthRun *run)
{
    /* On a later turn of the loop, when the VM is known to all who are to be told. */
    if (!berth_run_connect(run, NULL))
        run->monitor_timer = g_timeout_add(0, monitor_stays_away, run);
}
