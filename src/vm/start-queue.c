/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "start-queue.h"

#include "manager.h"
#include "restart.h"

static GQueue restarts = G_QUEUE_INIT; /* (element-type BerthVm) in the order in which they came due */
static GQueue boots = G_QUEUE_INIT;    /* (element-type BerthVm) in their order */
static guint n_starting;               /* who have a turn */
static guint look_source;              /* source id of a look that is due, 0 */
static gboolean in_order;              /* those of a boot are all there, and may begin */

/* Who has a `boot-delay` lets nobody of those behind pass, first until its start has ended, then for so long. */
static const BerthVm *gate_keeper; /* (nullable): it is starting; only compared */
static guint gate_timer;           /* source id of the gate's opening, 0 */

static guint64 delay_after(const BerthVm *vm)
{
    return vm->record->config->boot_delay_usec;
}

static gboolean gate_is_open(void)
{
    return in_order && !gate_keeper && gate_timer == 0;
}

static void begin(BerthVm *vm)
{
    const gboolean is_boot = vm->line == &boots;
    berth_queue_leave(vm);
    vm->has_turn = TRUE;
    n_starting++;
    if (is_boot && delay_after(vm) > 0)
        gate_keeper = vm;
    if (is_boot)
        berth_restart_go_after_boot(vm);
    else
        berth_restart_go(vm);
}

static gboolean has_room(const BerthVm *vm)
{
    return n_starting < berth_manager_host(vm->manager)->settings->max_concurrent_starts;
}

/* The first who may; who may not yet keeps its place. */
static BerthVm *find_next(GQueue *line)
{
    for (GList *place = line->head; place; place = place->next)
        if (berth_vm_check(place->data, BERTH_METHOD_START, NULL))
            return place->data;
    return NULL;
}

static gboolean look(gpointer data)
{
    look_source = 0;
    for (;;) {
        BerthVm *vm = find_next(&restarts);
        if (!vm && gate_is_open())
            vm = find_next(&boots);
        if (!vm || !has_room(vm))
            return G_SOURCE_REMOVE;
        begin(vm);
    }
}

void berth_queue_poke(void)
{
    if (look_source == 0 && restarts.length + boots.length > 0)
        look_source = g_idle_add_full(G_PRIORITY_DEFAULT, look, NULL, NULL);
}

static void join(BerthVm *vm, GQueue *line)
{
    g_queue_push_tail(line, vm);
    vm->line = line;
    vm->place = line->tail;
}

void berth_queue_restart(BerthVm *vm)
{
    join(vm, &restarts);
    berth_queue_poke();
}

void berth_queue_boot(BerthVm *vm)
{
    join(vm, &boots);
    if (!in_order)
        return;
    berth_restart_set_due(vm, g_get_monotonic_time());
    /* Where there is room, nobody sees it rest in between. */
    if (look_source == 0)
        look(NULL);
}

/* Boots */

static gint by_order(gconstpointer a, gconstpointer b, gpointer data)
{
    const BerthVm *left = a, *right = b;
    /* One less than 0 is the last of all. */
    const guint64 first = left->record->config->boot_order - 1, second = right->record->config->boot_order - 1;
    return first != second ? (first > second) - (first < second) : g_strcmp0(berth_vm_name(left), berth_vm_name(right));
}

void berth_queue_begin_boot(void)
{
    gint64 at = g_get_monotonic_time();
    g_queue_sort(&boots, by_order, NULL);
    in_order = TRUE;
    for (GList *place = boots.head; place; place = place->next) {
        BerthVm *vm = place->data;
        vm->place = place;
        berth_restart_set_due(vm, at);
        at += (gint64) delay_after(vm);
    }
    berth_queue_poke();
}

static gboolean open_gate(gpointer data)
{
    gate_timer = 0;
    berth_queue_poke();
    return G_SOURCE_REMOVE;
}

/* The next one's time is known to the moment now; that of those behind it stays the earliest that can be. */
static void close_gate(guint64 delay_usec)
{
    gate_timer = g_timeout_add((guint) (delay_usec / 1000), open_gate, NULL);
    if (boots.head)
        berth_restart_set_due(boots.head->data, g_get_monotonic_time() + (gint64) delay_usec);
}

/* Ends */

void berth_queue_leave(BerthVm *vm)
{
    if (!vm->place)
        return;
    g_queue_delete_link(vm->line, g_steal_pointer(&vm->place));
    vm->line = NULL;
}

void berth_queue_start_ended(BerthVm *vm)
{
    if (!vm->has_turn)
        return;
    vm->has_turn = FALSE;
    n_starting--;
    if (gate_keeper == vm) {
        gate_keeper = NULL;
        if (vm->record->config)
            close_gate(delay_after(vm));
    }
    berth_queue_poke();
}
